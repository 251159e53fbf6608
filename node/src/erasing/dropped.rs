//! What may not be in any log: the province dropped it from a change of this node's, and said so. Where the catalogue
//! built into this program says the same it goes from here too, as if by an order. Nothing goes by the hub's word, nor by
//! a catalogue the hub has published: with both it could empty a log.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::erasure::{Erased, decode_entries, encode_entries};
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::rules::may_not_enter;
use serde::{Deserialize, Serialize};

use super::beyond::own_entry;
use super::{DROPPED, ListError};
use crate::identity::write_private;
use crate::log::LogReader;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// What goes, as an erasure's event names it, base64.
    entries: String,
    /// Log and view are without it.
    done: bool,
}

/// What goes from this node's own log without an order.
#[derive(Debug)]
pub(super) struct Dropped {
    path: PathBuf,
    entries: Vec<Erased>,
    done: bool,
}

impl Dropped {
    /// The list in a data folder; empty if there is none.
    ///
    /// # Errors
    /// [`ListError`].
    pub(super) fn open(data: &Path) -> Result<Self, ListError> {
        let path = data.join(DROPPED);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, entries: Vec::new(), done: true });
            }
            Err(source) => return Err(ListError::Io { path, source }),
        };
        let read = serde_json::from_slice::<Kept>(&bytes).ok().and_then(|kept| {
            let entries = STANDARD.decode(&kept.entries).ok()?;
            Some((decode_entries(&entries).ok()?, kept.done))
        });
        match read {
            Some((entries, done)) => Ok(Self { path, entries, done }),
            None => Err(ListError::Malformed(path)),
        }
    }

    pub(super) fn entries(&self) -> &[Erased] {
        &self.entries
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.done
    }

    /// Keeps durably what is to go; whether it is news.
    fn keep(&mut self, erased: Erased) -> Result<bool, ListError> {
        match self.entries.binary_search_by_key(&erased.dot, |known| known.dot) {
            // It waits already.
            Ok(_) if !self.done => return Ok(false),
            // The log was put back from before it went.
            Ok(_) => {}
            Err(place) => self.entries.insert(place, erased),
        }
        self.done = false;
        self.write().map(|()| true)
    }

    /// All of it is gone.
    pub(super) fn settled(&mut self) -> Result<(), ListError> {
        if self.done {
            return Ok(());
        }
        self.done = true;
        self.write()
    }

    fn write(&self) -> Result<(), ListError> {
        let kept = Kept { entries: STANDARD.encode(encode_entries(&self.entries)), done: self.done };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        write_private(&self.path, &bytes).map_err(|source| ListError::Io { path: self.path.clone(), source })
    }
}

/// Notes durably what must go of the changes at these places of a node's own log, which the province says it dropped;
/// whether there is news, and the node must be opened anew.
///
/// # Errors
/// [`ListError`].
pub fn drop_forbidden(
    data: &Path,
    (reader, replica): (&LogReader, ReplicaId),
    places: impl IntoIterator<Item = Sequence>,
) -> Result<bool, ListError> {
    let (mut dropped, mut news) = (None, false);
    let Ok(catalogue) = Catalogue::embedded() else { return Ok(false) };
    for sequence in places {
        let Some(erased) = forbidden(reader, catalogue, Dot { replica, sequence }) else { continue };
        let list = match &mut dropped {
            Some(list) => list,
            None => dropped.insert(Dropped::open(data)?),
        };
        news |= list.keep(erased)?;
    }
    Ok(news)
}

/// What a change states, if it may not be there by this catalogue and still is.
fn forbidden(reader: &LogReader, catalogue: &Catalogue, dot: Dot) -> Option<Erased> {
    let bytes = own_entry(reader, dot)?;
    let entry = Entry::decode(&bytes).ok()?;
    let change = Change::of(&entry).ok()?;
    let declared = catalogue.record_type(&change.record_type)?;
    if !may_not_enter(declared, &change.writes) {
        return None;
    }
    let commitments = entry.committed(|name| !name.starts_with('_') || name == path::WHY).collect();
    Some(Erased { dot, commitments })
}
