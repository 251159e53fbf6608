//! What the hub can say it holds of a replica: everything it had when it last signed its log's head.

use std::cmp::Ordering;

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::EMPTY_ROOT;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::pki::{Enrolled, ReplicaState};
use crate::status::SILENT_MILLIS;

/// How a replica stands: three that look alike from afar are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Heard lately, and everything it had is held.
    Idle,
    /// Heard lately, with something on its way.
    Working,
    /// Not heard for longer than three heartbeats.
    Silent,
    /// Its log contradicts what it had signed: a restored image, a clone or tampering.
    RolledBack,
}

/// What is held of a replica, against its own signed word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holds {
    /// When the hub heard that word.
    pub at: UnixMillis,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note: verifiable without the hub.
    pub note: String,
    /// Everything the replica had then is held.
    pub complete: bool,
    /// How it stands now.
    pub standing: Standing,
}

impl Standing {
    /// Its name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Silent => "silent",
            Self::RolledBack => "rolled_back",
        }
    }
}

impl Holds {
    pub(crate) fn to_json(&self) -> Json {
        json!({
            "at": self.at.rfc3339(),
            "size": self.checkpoint.size,
            "checkpoint": self.note,
            "complete": self.complete,
            "state": self.standing.name(),
        })
    }
}

impl Hub {
    /// How much of a replica's log is held, and its root.
    fn held_of(&self, entry: &Enrolled) -> (u64, Digest) {
        let books = self.committer.books().read();
        let held = books.replicas.get(&entry.replica);
        held.map_or((0, EMPTY_ROOT), |held| (held.frontier.size(), held.root))
    }

    /// Whether what is held of a replica is what it signed last, with a batch or a heartbeat; nothing before it signed
    /// anything, and while what it signed is on its way. A batch is held only with the root its owner signed.
    pub(crate) fn alike(&self, entry: &Enrolled) -> Option<bool> {
        let (held_size, held_root) = self.held_of(entry);
        let Some(heartbeat) = self.heartbeats.get(entry.replica) else {
            return (held_size > 0).then_some(true);
        };
        match held_size.cmp(&heartbeat.checkpoint.size) {
            Ordering::Less if self.now().since(heartbeat.at) <= SILENT_MILLIS => None,
            Ordering::Less => Some(false),
            Ordering::Equal => Some(held_root == heartbeat.checkpoint.root),
            Ordering::Greater => Some(true),
        }
    }

    /// What the hub can say it holds of a replica; nothing before its first heartbeat.
    #[must_use]
    pub fn holds(&self, entry: &Enrolled) -> Option<Holds> {
        let heartbeat = self.heartbeats.get(entry.replica)?;
        let (held_size, held_root) = self.held_of(entry);
        let said = &heartbeat.checkpoint;
        // Behind it the log went on: then it was seen, on the way, to be the same up to there.
        let complete = match held_size.cmp(&said.size) {
            Ordering::Less => false,
            Ordering::Equal => held_root == said.root,
            Ordering::Greater => heartbeat.reached,
        };
        let quiet = self.last_heard(entry.replica).map_or(u64::MAX, |seen| self.now().since(seen));
        let standing = match (&entry.state, quiet > SILENT_MILLIS, complete) {
            (ReplicaState::Fenced { .. }, ..) => Standing::RolledBack,
            (_, true, _) => Standing::Silent,
            (_, false, true) => Standing::Idle,
            (_, false, false) => Standing::Working,
        };
        let (at, checkpoint, note) = (heartbeat.at, heartbeat.checkpoint, heartbeat.note);
        Some(Holds { at, checkpoint, note, complete, standing })
    }
}
