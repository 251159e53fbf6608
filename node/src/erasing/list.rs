//! The list of erasures a replica has heard of.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{CheckpointError, SignedCheckpoint};
use lienthong_proto::entry::Entry;
use lienthong_proto::erasure::{ErasedSet, Erasure};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId};
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::wire::sync as wire;
use serde::{Deserialize, Serialize};

use super::LIST;
use crate::identity::write_private;

/// One erasure as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The ledger's event, base64.
    pub entry: String,
    /// Its path in the ledger, hex; none at the hub, whose log it stands in.
    #[serde(default)]
    pub path: Vec<String>,
    /// The ledger's signed checkpoint the path leads to.
    #[serde(default)]
    pub checkpoint: String,
    /// Log and view are without the values.
    #[serde(default)]
    pub done: bool,
    /// The log says so.
    #[serde(default)]
    pub told: bool,
    /// SHA-256 of the files that had brought what was erased, hex.
    #[serde(default)]
    pub imports: Vec<String>,
}

/// What became of an erasure that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It waits to be carried out.
    New,
    /// It came before.
    Known,
}

/// Why the list is not to be had. Nothing is served then: it would show what was erased.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file fails.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{0}: danh sách xóa theo lệnh không đọc được · the list of erasures cannot be read")]
    Malformed(PathBuf),
}

/// Why what came as an erasure is none.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// It is not understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its checkpoint is not the ledger's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It does not stand in the ledger.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Kept {
    /// As the ledger's own log has it.
    #[must_use]
    pub fn of(entry: &[u8]) -> Self {
        let entry = STANDARD.encode(entry);
        let (path, checkpoint, imports) = (Vec::new(), String::new(), Vec::new());
        Self { entry, path, checkpoint, done: false, told: false, imports }
    }

    /// What it says.
    #[must_use]
    pub fn erasure(&self) -> Option<Erasure> {
        let bytes = STANDARD.decode(&self.entry).ok()?;
        Erasure::of(&Event::of(&Entry::decode(&bytes).ok()?).ok()?)
    }

    /// Whether it stands in the ledger that `key` signs for as `origin`.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn verify(&self, (origin, key): (&str, [u8; 32])) -> Result<Erasure, Unproven> {
        let bytes = STANDARD.decode(&self.entry).map_err(|_| Malformed("base64"))?;
        let entry = Entry::decode(&bytes)?;
        let step = |step: &String| {
            let mut digest = [0; 32];
            hex::decode_to_slice(step, &mut digest).map(|()| digest).map_err(|_| Malformed("a step"))
        };
        let path: Vec<Digest> = self.path.iter().map(step).collect::<Result<_, _>>()?;
        let signed = SignedCheckpoint::verify(self.checkpoint.as_bytes(), origin, key)?;
        let (ledger, dot) = (signed.checkpoint(), entry.header.dot);
        verify_inclusion(&entry.leaf_hash(), dot.sequence.0, ledger.size, &path, &ledger.root)?;
        Ok(Erasure::of(&Event::of(&entry)?).ok_or(Malformed("no erasure"))?)
    }
}

/// What a hub says of an erasure, if its ledger has it.
///
/// # Errors
/// [`Unproven`].
pub fn verified(came: &wire::Erasure, ledger: (&str, [u8; 32])) -> Result<(Kept, Erasure), Unproven> {
    let kept = Kept {
        path: came.path.iter().map(hex::encode).collect(),
        checkpoint: came.checkpoint.clone(),
        ..Kept::of(&came.entry)
    };
    let erasure = kept.verify(ledger)?;
    Ok((kept, erasure))
}

/// All of them, in the order they came.
#[derive(Debug)]
pub struct Erasures {
    path: PathBuf,
    kept: Vec<(Kept, Erasure)>,
    set: ErasedSet,
}

impl Erasures {
    /// The list in a data folder.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn open(data: &Path) -> Result<Self, ListError> {
        Self::read(&data.join(LIST))
    }

    /// The list in a file; empty if there is none.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn read(path: &Path) -> Result<Self, ListError> {
        let path = path.to_owned();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => b"[]".to_vec(),
            Err(source) => return Err(ListError::Io { path, source }),
        };
        let kept = serde_json::from_slice::<Vec<Kept>>(&bytes).ok();
        let kept = kept.and_then(|kept| {
            kept.into_iter()
                .map(|kept| kept.erasure().map(|erasure| (kept, erasure)))
                .collect::<Option<Vec<_>>>()
        });
        let Some(kept) = kept else { return Err(ListError::Malformed(path)) };
        let mut set = ErasedSet::default();
        kept.iter().for_each(|(_, erasure)| set.add(&erasure.entries));
        Ok(Self { path, kept, set })
    }

    /// What was erased, by entry.
    #[must_use]
    pub fn set(&self) -> &ErasedSet {
        &self.set
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &(Kept, Erasure)> {
        self.kept.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether one is not carried out yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.kept.iter().any(|(kept, _)| !kept.done)
    }

    /// Whether one of this name is here and carried out.
    #[must_use]
    pub fn is_done(&self, id: &str) -> bool {
        self.kept.iter().any(|(kept, erasure)| kept.done && erasure.id() == id)
    }

    /// Those of a record.
    pub fn of_record(&self, record: RecordId) -> impl Iterator<Item = &Erasure> {
        self.kept.iter().map(|(_, erasure)| erasure).filter(move |erasure| erasure.order.record == record)
    }

    /// Those that took something of an entry.
    pub fn at(&self, dot: Dot) -> impl Iterator<Item = &Erasure> {
        let takes = move |erasure: &&Erasure| erasure.entries.iter().any(|erased| erased.dot == dot);
        self.kept.iter().map(|(_, erasure)| erasure).filter(takes)
    }

    /// Keeps one durably; unless it says otherwise, it waits to be carried out.
    ///
    /// # Errors
    /// [`ListError::Io`]; nothing is changed then.
    pub fn keep(&mut self, kept: Kept, erasure: Erasure) -> Result<Taken, ListError> {
        let id = erasure.id();
        if self.kept.iter().any(|(_, known)| known.id() == id) {
            return Ok(Taken::Known);
        }
        self.kept.push((kept, erasure));
        if let Err(error) = self.write() {
            self.kept.pop();
            return Err(error);
        }
        if let Some((_, erasure)) = self.kept.last() {
            self.set.add(&erasure.entries);
        }
        Ok(Taken::New)
    }

    /// Notes durably which files had brought what waits to be erased.
    ///
    /// # Errors
    /// [`ListError::Io`].
    pub(super) fn note_imports(&mut self, find: impl Fn(&Erasure) -> Vec<String>) -> Result<(), ListError> {
        for (kept, erasure) in self.kept.iter_mut().filter(|(kept, _)| !kept.done) {
            kept.imports.extend(find(erasure));
            kept.imports.sort_unstable();
            kept.imports.dedup();
        }
        self.write()
    }

    /// All of them are carried out.
    ///
    /// # Errors
    /// [`ListError::Io`]; they are carried out again then.
    pub(super) fn settled(&mut self) -> Result<(), ListError> {
        self.kept.iter_mut().for_each(|(kept, _)| kept.done = true);
        self.write()
    }

    /// Carries all of them out once more at the next opening: the log was replaced.
    ///
    /// # Errors
    /// [`ListError::Io`].
    pub fn again(&mut self) -> Result<(), ListError> {
        self.kept.iter_mut().for_each(|(kept, _)| (kept.done, kept.told) = (false, false));
        self.write()
    }

    /// The log says that one was carried out.
    ///
    /// # Errors
    /// [`ListError::Io`]; it is said again then.
    pub fn told(&mut self, id: &str) -> Result<(), ListError> {
        self.kept.iter_mut().filter(|(_, erasure)| erasure.id() == id).for_each(|(kept, _)| kept.told = true);
        self.write()
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let kept: Vec<&Kept> = self.kept.iter().map(|(kept, _)| kept).collect();
        serde_json::to_vec_pretty(&kept).unwrap_or_default()
    }

    fn write(&self) -> Result<(), ListError> {
        let io = |source| ListError::Io { path: self.path.clone(), source };
        write_private(&self.path, &self.to_bytes()).map_err(io)
    }
}

impl Kept {
    /// As a hub tells it.
    #[must_use]
    pub fn to_wire(entry: Bytes, path: &[Digest], checkpoint: String) -> wire::Erasure {
        let path = path.iter().map(|hash| hash.to_vec().into()).collect();
        wire::Erasure { entry, path, checkpoint }
    }
}
