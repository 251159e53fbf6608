//! Carrying out what waits, before anything is opened.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lienthong_proto::batch::BatchError;
use lienthong_proto::erasure::ErasedSet;
use lienthong_proto::ids::ReplicaId;

use super::dropped::Dropped;
use super::imports::imports;
use super::{Erasures, ListError};
use crate::at_rest::KeyRing;
use crate::dataset::Payload;
use crate::log::{self, Disk, Frame, LogReader, OpenError, ResealError};
use crate::replica::log_dir;
use crate::store::{SledView, ViewError};

/// Where logs of former replicas and ledgers are kept, each in a folder named by its replica.
const ARCHIVES: [&str; 2] = ["retired", "former"];
/// What a damaged log is set aside as.
const DAMAGED: &str = "log.damaged-";
const VIEW: &str = "view";
/// What a folder is named that is being removed.
const GONE: &str = "view.erased-";

/// Why it was not carried out; it is tried again at the next opening, and nothing is served before.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The list fails.
    #[error(transparent)]
    List(#[from] ListError),
    /// The log does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be rewritten.
    #[error(transparent)]
    Rewrite(#[from] ResealError),
    /// The view is open elsewhere.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A file or folder fails.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Frames that were rewritten.
    pub frames: u64,
    /// What was removed because it may have held the values; the view is made again.
    pub removed: Vec<PathBuf>,
}

impl std::fmt::Display for Settled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { frames, removed } = self;
        write!(
            f,
            "an erasure was carried out: {frames} frames of the log rewritten, {} folders removed",
            removed.len()
        )
    }
}

/// Carries out what the list of a data folder says and is not done; nothing if nothing waits. Who calls it holds the
/// folder's lock. `tell` hears how many segments of how many were looked through.
///
/// # Errors
/// [`SettleError`].
pub fn settle(
    data: &Path,
    replica: ReplicaId,
    keys: &KeyRing,
    disk: &Disk,
    tell: &dyn Fn(usize, usize),
) -> Result<Option<Settled>, SettleError> {
    let (mut list, mut dropped) = (Erasures::open(data)?, Dropped::open(data)?);
    if !list.is_pending() && !dropped.is_pending() {
        return Ok(None);
    }
    tracing::warn!(erasures = list.len(), "an erasure is carried out before anything is served");
    let mut set = list.set().clone();
    set.add(dropped.entries());
    let mut settled = Settled::default();
    let dir = log_dir(data);
    if dir.exists() {
        // An unfinished write is cut first; who writes comes later.
        let reader = log::open_sealed(&dir, replica, Disk::real(), keys)?.reader;
        list.note_imports(|erasure| imports(&reader, replica, erasure))?;
        settled.frames += rewrite(&dir, &reader, &set, disk, tell)?;
    }
    for (dir, replica) in archives(data).map_err(io(data))? {
        let reader = log::open_read_only(&dir, replica, keys);
        let rewritten =
            reader.map_err(SettleError::from).and_then(|reader| rewrite(&dir, &reader, &set, disk, tell));
        match rewritten {
            Ok(frames) => settled.frames += frames,
            // What is damaged cannot be rewritten, and may hold anything.
            Err(SettleError::Open(OpenError::Damaged(fault))) => {
                tracing::warn!(%fault, dir = %dir.display(), "a damaged former log is removed");
                remove(&dir, disk, &mut settled)?;
            }
            Err(error) => return Err(error),
        }
    }
    let view = data.join(VIEW);
    if view.exists() {
        // An opening before this one has let go of it.
        SledView::open_sealed(&view, CACHE_BYTES, keys).map(drop)?;
    }
    for path in leftovers(data).map_err(io(data))? {
        remove(&path, disk, &mut settled)?;
    }
    disk.permit().map_err(io(data))?;
    list.settled()?;
    dropped.settled()?;
    Ok(Some(settled))
}

/// sled's cache for a view that is only looked at.
const CACHE_BYTES: u64 = 1024 * 1024;

fn io(path: &Path) -> impl FnOnce(io::Error) -> SettleError + use<> {
    let path = path.to_owned();
    move |source| SettleError::Io { path, source }
}

fn rewrite(
    dir: &Path,
    reader: &LogReader,
    set: &ErasedSet,
    disk: &Disk,
    tell: &dyn Fn(usize, usize),
) -> Result<u64, SettleError> {
    let edit =
        |frame: &Frame| strip(&frame.payload, set).map_err(|error| ResealError::Form(frame.first, error));
    Ok(log::rewrite(dir, reader, disk, &edit, tell)?)
}

/// A frame's payload without what was erased; nothing if it has none of that.
fn strip(payload: &Bytes, set: &ErasedSet) -> Result<Option<Bytes>, BatchError> {
    let joined = |payload: Payload<'_>, parts: &[&[u8]]| {
        Some(Bytes::from([&payload.prefix()[..], &parts.concat()].concat()))
    };
    Ok(match Payload::parse(payload)? {
        Payload::Entry(entry) => set.strip(entry).and_then(|entry| joined(Payload::Entry(&entry), &[&entry])),
        Payload::Batch(packed) => {
            set.strip_packed(packed)?.and_then(|packed| joined(Payload::Batch(&packed), &[&packed]))
        }
        Payload::Accepted { entry, packed } => {
            let stripped = (set.strip(entry), set.strip_packed(packed)?);
            if stripped == (None, None) {
                return Ok(None);
            }
            let entry = stripped.0.as_deref().unwrap_or(entry);
            let packed = stripped.1.as_deref().unwrap_or(packed);
            joined(Payload::Accepted { entry, packed }, &[entry, packed])
        }
    })
}

/// The logs of former replicas and ledgers.
fn archives(data: &Path) -> io::Result<Vec<(PathBuf, ReplicaId)>> {
    let mut found = Vec::new();
    for archive in ARCHIVES.map(|name| data.join(name)).into_iter().filter(|path| path.is_dir()) {
        for entry in std::fs::read_dir(archive)? {
            let entry = entry?;
            let dir = log_dir(&entry.path());
            if let Ok(replica) = entry.file_name().to_string_lossy().parse::<ReplicaId>()
                && dir.is_dir()
            {
                found.push((dir, replica));
            }
        }
    }
    Ok(found)
}

/// The view, whatever was set aside of it, and damaged logs: all of it is made again, or was saved already.
fn leftovers(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut look = |folder: &Path| -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == VIEW || name.starts_with("view.") || name.starts_with(DAMAGED) {
                found.push(entry.path());
            }
        }
        Ok(())
    };
    look(data)?;
    for (log, _) in archives(data)? {
        log.parent().map_or(Ok(()), &mut look)?;
    }
    Ok(found)
}

/// Removes a folder: out of the way in one step, then bit by bit.
fn remove(path: &Path, disk: &Disk, settled: &mut Settled) -> Result<(), SettleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut gone = path.to_owned();
    if !name.starts_with(GONE) {
        gone = path.with_file_name(format!("{GONE}{name}"));
        disk.permit().map_err(io(path))?;
        std::fs::rename(path, &gone).map_err(io(path))?;
    }
    disk.permit().map_err(io(&gone))?;
    std::fs::remove_dir_all(&gone).map_err(io(&gone))?;
    settled.removed.push(path.to_owned());
    Ok(())
}
