//! The last signed heartbeat of each replica: what its log came to, by its own word, and when the hub heard it.
//!
//! It outlives a restart, so that the hub can say what it holds of a unit as of when, and notices a log that comes
//! back shorter than its owner had signed. Kept in a file of its own beside the ledger: an entry for each would be
//! too many, and the view is made again from the ledger, which does not have them. The file is written when there
//! is something new, at most once a minute; what a kill loses is said again by the next heartbeat.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lienthong_node::identity::write_private;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::note::Note;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Beside the ledger.
const FILE: &str = "heartbeats.json";
/// The file is written at most this often.
const WRITE_EVERY_MILLIS: u64 = 60_000;

/// A replica's last signed heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// When the hub heard it.
    pub at: UnixMillis,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note itself.
    pub note: String,
    /// What is held was seen to be the very same log up to there.
    pub reached: bool,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    replica: ReplicaId,
    at: UnixMillis,
    note: String,
    reached: bool,
}

#[derive(Debug, Default)]
struct Kept {
    heartbeats: BTreeMap<ReplicaId, Heartbeat>,
    news: bool,
    written: UnixMillis,
}

/// All of them.
#[derive(Debug)]
pub struct Heartbeats {
    path: PathBuf,
    kept: Mutex<Kept>,
    writing: Mutex<()>,
}

impl Heartbeats {
    /// Those of a hub's folder; what cannot be read is heard again.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE);
        let mut kept = Kept::default();
        match std::fs::read(&path).map(|bytes| serde_json::from_slice::<Vec<Line>>(&bytes)) {
            Ok(Ok(lines)) => kept.heartbeats = lines.into_iter().filter_map(read).collect(),
            Ok(Err(error)) => tracing::warn!(%error, "{FILE} is not readable: heartbeats are heard again"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "{FILE} cannot be read: heartbeats are heard again"),
        }
        Self { path, kept: Mutex::new(kept), writing: Mutex::default() }
    }

    /// The last of a replica.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<Heartbeat> {
        self.kept.lock().heartbeats.get(&replica).cloned()
    }

    /// What each replica last signed: size and root.
    #[must_use]
    pub fn signed(&self) -> BTreeMap<ReplicaId, (u64, Digest)> {
        let kept = self.kept.lock();
        let head = |heartbeat: &Heartbeat| (heartbeat.checkpoint.size, heartbeat.checkpoint.root);
        kept.heartbeats.iter().map(|(replica, heartbeat)| (*replica, head(heartbeat))).collect()
    }

    /// Size and root a replica has announced and the hub was not seen to hold yet.
    #[must_use]
    pub fn awaited(&self, replica: ReplicaId) -> Option<(u64, Digest)> {
        let kept = self.kept.lock();
        let heartbeat = kept.heartbeats.get(&replica).filter(|heartbeat| !heartbeat.reached)?;
        Some((heartbeat.checkpoint.size, heartbeat.checkpoint.root))
    }

    /// A replica said it, signed; `reached` if the hub holds just that. Whether the file is due.
    pub fn heard(
        &self,
        replica: ReplicaId,
        signed: &SignedCheckpoint,
        reached: bool,
        now: UnixMillis,
    ) -> bool {
        let (checkpoint, note) = (signed.checkpoint().clone(), signed.note().to_string());
        let mut kept = self.kept.lock();
        let before = kept.heartbeats.get(&replica);
        if before.is_some_and(|before| before.checkpoint.size > checkpoint.size) {
            // An old connection's late word.
            return false;
        }
        let same = before.is_some_and(|before| before.reached && before.checkpoint == checkpoint);
        let heartbeat = Heartbeat { at: now, checkpoint, note, reached: reached || same };
        kept.heartbeats.insert(replica, heartbeat);
        kept.news = true;
        let due = now.since(kept.written) >= WRITE_EVERY_MILLIS;
        if due {
            // Of many that are heard while it is written, one writes.
            kept.written = now;
        }
        due
    }

    /// The hub holds what was awaited at `size`.
    pub fn reached(&self, replica: ReplicaId, size: u64) {
        let mut kept = self.kept.lock();
        if let Some(heartbeat) = kept.heartbeats.get_mut(&replica)
            && heartbeat.checkpoint.size == size
        {
            heartbeat.reached = true;
            kept.news = true;
        }
    }

    /// Writes what is new.
    ///
    /// # Errors
    /// The operating system's; nothing else depends on it.
    pub fn write(&self, now: UnixMillis) -> io::Result<()> {
        // Held while writing: of two writers the later has the later state. Who only reads or hears does not wait.
        let _writing = self.writing.lock();
        let mut kept = self.kept.lock();
        if !kept.news {
            return Ok(());
        }
        let line = |(replica, heartbeat): (&ReplicaId, &Heartbeat)| Line {
            replica: *replica,
            at: heartbeat.at,
            note: heartbeat.note.clone(),
            reached: heartbeat.reached,
        };
        let lines: Vec<Line> = kept.heartbeats.iter().map(line).collect();
        (kept.news, kept.written) = (false, now);
        drop(kept);
        let written = serde_json::to_vec(&lines).map_err(io::Error::from);
        let written = written.and_then(|bytes| write_private(&self.path, &bytes));
        if written.is_err() {
            self.kept.lock().news = true;
        }
        written
    }
}

fn read(line: Line) -> Option<(ReplicaId, Heartbeat)> {
    let note = Note::parse(line.note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse_body(note.text()).ok()?;
    Some((line.replica, Heartbeat { at: line.at, checkpoint, note: line.note, reached: line.reached }))
}

#[cfg(test)]
mod tests {
    use lienthong_proto::hash::SigningKey;

    use super::*;

    fn said(size: u64) -> SignedCheckpoint {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        Checkpoint { origin: "lienthong/test".to_owned(), size, root: [7; 32], roll: None }
            .sign(&key)
            .unwrap()
    }

    /// Goal: when all come back at once, the file is written once and not by each of them; what comes while it is
    /// written is not lost.
    #[test]
    fn of_many_heard_at_once_one_writes() {
        let dir = tempfile::tempdir().unwrap();
        let (heartbeats, now) = (Heartbeats::open(dir.path()), UnixMillis(1_800_000_000_000));
        let due = |number: u8, now| heartbeats.heard(ReplicaId([number; 16]), &said(3), true, now);
        assert_eq!((1..=100).filter(|number| due(*number, now)).count(), 1);
        heartbeats.write(now).unwrap();
        assert!(!due(101, now));
        assert!(due(102, UnixMillis(now.0 + WRITE_EVERY_MILLIS)));
        heartbeats.write(now).unwrap();
        assert_eq!(Heartbeats::open(dir.path()).signed().len(), 102);
    }
}
