//! What becomes of what one replica says of its log while one stream lasts: decided without I/O, for the session that
//! hears it.

use std::sync::Arc;

use lienthong_proto::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;

use super::{ErasedFor, Held, VerifiedBatch, VerifyError};
use crate::heartbeats::Heartbeat;
use crate::ledger::HeldReplica;

/// Whose log it is.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The replica.
    pub replica: ReplicaId,
    /// Its log's name in checkpoints.
    pub origin: String,
    /// Its key.
    pub key: [u8; 32],
    /// What orders took: it does not come back with a batch.
    pub erased: Arc<ErasedFor>,
}

/// A log that contradicts what is held of it, or what it had signed: its replica is to be fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The checkpoint it contradicts, signed by itself.
    pub held: String,
    /// How.
    pub shown: String,
}

/// Follows one replica's log: what was verified of it, ahead of what is held.
#[derive(Debug, Clone)]
pub struct Intake {
    held: Held,
}

impl Intake {
    /// Judges a greeting that says how long the log is: `held` is what the ledger has of it, `said` what it last signed.
    ///
    /// # Errors
    /// [`Contradiction`] if the log came back shorter.
    pub fn greeted(
        whose: Whose,
        held: &HeldReplica,
        said: Option<&Heartbeat>,
        log_size: u64,
    ) -> Result<Self, Contradiction> {
        let held_size = held.frontier.size();
        if log_size < held_size {
            let shown = format!("log size {log_size} below {held_size}");
            return Err(Contradiction { held: held.checkpoint.clone(), shown });
        }
        // What it signed it had on its disk: a log that comes back shorter was rolled back, sent or not.
        if let Some(said) = said.filter(|said| log_size < said.checkpoint.size) {
            let shown = format!("log size {log_size} below {} it had signed", said.checkpoint.size);
            return Err(Contradiction { held: said.note.clone(), shown });
        }
        let Whose { replica, origin, key, erased } = whose;
        let held = Held { replica, origin, key, frontier: held.frontier.clone(), announced: None, erased };
        Ok(Self { held })
    }

    /// What a batch from `first` on must continue; nothing for one that was sent twice: what is held was acknowledged,
    /// and is again. `announced` is what the log's owner had signed and not sent yet.
    #[must_use]
    pub fn expected(&self, first: u64, announced: Option<(u64, Digest)>) -> Option<Held> {
        (first >= self.held.frontier.size()).then(|| Held { announced, ..self.held.clone() })
    }

    /// Goes on behind a batch; its receipt is to be over this checkpoint.
    pub fn follow(&mut self, batch: &VerifiedBatch) -> Checkpoint {
        self.held.frontier = batch.frontier.clone();
        Checkpoint {
            origin: self.held.origin.clone(),
            size: batch.frontier.size(),
            root: batch.root,
            roll: None,
        }
    }

    /// A checkpoint that the log's owner signed.
    ///
    /// # Errors
    /// [`CheckpointError`] if it did not.
    pub fn signed(&self, note: &str) -> Result<SignedCheckpoint, CheckpointError> {
        SignedCheckpoint::verify(note.as_bytes(), &self.held.origin, self.held.key)
    }

    /// Compares what the log's owner signed with what is held.
    ///
    /// # Errors
    /// [`Contradiction`] if the owner's log has another root at the same size.
    pub fn compared(
        &self,
        signed: &SignedCheckpoint,
        held: Option<&HeldReplica>,
    ) -> Result<Compared, Contradiction> {
        let Checkpoint { size, root, .. } = signed.checkpoint();
        // What was verified is held as soon as it is on the disk.
        let verified = self.held.frontier.size() == *size && self.held.frontier.root() == *root;
        match held {
            Some(held) if held.frontier.size() == *size && held.root != *root => {
                Err(Contradiction { held: held.checkpoint.clone(), shown: signed.note().to_string() })
            }
            Some(held) if held.frontier.size() == *size => Ok(Compared::Reached),
            // A batch may have overtaken what was signed before it; more than came here came elsewhere.
            Some(held) if held.frontier.size() > self.held.frontier.size().max(*size) => {
                Ok(Compared::Overtaken)
            }
            _ if verified => Ok(Compared::Reached),
            _ => Ok(Compared::Apart),
        }
    }
}

/// How what a log's owner signed stands to what is held of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// It is just what is held, or verified and about to be.
    Reached,
    /// There is more than is held, or it is a word from before a batch.
    Apart,
    /// More is held than it has: it came by another connection, of the same machine or of a copy of it. Which of them,
    /// its next greeting shows.
    Overtaken,
}

impl VerifyError {
    /// Why a batch that does not verify shows that its replica's log is another than the one held, if it does.
    #[must_use]
    pub fn contradicts(&self) -> Option<&'static str> {
        match self {
            Self::Root => Some("its log continues from other entries than those held"),
            Self::Announced => Some("its log continues otherwise than it had signed"),
            _ => None,
        }
    }
}
