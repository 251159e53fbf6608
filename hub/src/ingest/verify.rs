//! Verifies a batch against what is held of its log. Pure: many run at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use lienthong_proto::cosignature::verify_cosignature;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::erasure::{Erased, ErasedSet, Order};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::limits;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::note::{Note, NoteError};
use lienthong_proto::time::UnixMillis;

/// What is held of a replica's log: enough to check what comes next.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whose log.
    pub replica: ReplicaId,
    /// The log's name in checkpoints.
    pub origin: String,
    /// Its key.
    pub key: [u8; 32],
    /// The right edge of its tree.
    pub frontier: Frontier,
    /// Size and root it has signed and not sent yet.
    pub announced: Option<(u64, Digest)>,
    /// What orders took: it does not come back with a batch.
    pub erased: Arc<ErasedFor>,
}

/// What orders took, and what they take of what was written before them and comes later.
#[derive(Debug, Clone, Default)]
pub struct ErasedFor {
    /// By entry.
    pub set: ErasedSet,
    /// The orders, by the place of their proposals, with the time of their approval.
    pub orders: Vec<(Sequence, Order, UnixMillis)>,
}

/// An entry that may not be kept as it came.
struct Stripped {
    entry: Vec<u8>,
    /// What orders took of it just now.
    late: Vec<(Sequence, Erased)>,
}

impl ErasedFor {
    /// An entry without what orders took of it, or take of it now because it was written before them; nothing if it may
    /// be kept as it came.
    fn strip(&self, bytes: &[u8], content: &Content) -> Option<Stripped> {
        let mut entry = self.set.strip(bytes);
        let mut late = Vec::new();
        if let Content::Change(change) = content {
            let before = |(_, order, approved): &&(Sequence, Order, UnixMillis)| {
                order.record == change.record && change.meta.hlc.at() <= *approved
            };
            for (number, order, _) in self.orders.iter().filter(before) {
                let now = entry.as_deref().unwrap_or(bytes);
                let taken = Entry::decode(now).ok().and_then(|entry| order.taken(&entry));
                let Some(erased) = taken else { continue };
                let mut set = ErasedSet::default();
                set.add(std::slice::from_ref(&erased));
                entry = set.strip(now).or(entry);
                late.push((*number, erased));
            }
        }
        entry.map(|entry| Stripped { entry, late })
    }
}

/// A batch as it came.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Its first sequence.
    pub first: u64,
    /// How many entries it says it has.
    pub count: u32,
    /// They, packed.
    pub packed: Bytes,
    /// The sender's signed checkpoint at its end.
    pub checkpoint: String,
}

/// What an entry of a batch turned out to be.
#[derive(Debug, Clone)]
pub enum Content {
    /// A change.
    Change(Box<Change>),
    /// An event.
    Event(Box<Event>),
    /// Something its envelope allows and this version does not understand.
    Opaque,
}

impl Content {
    /// What an entry is.
    #[must_use]
    pub fn of(entry: &Entry<'_>) -> Self {
        match entry.header.kind {
            EntryKind::Change => {
                Change::of(entry).map_or(Self::Opaque, |change| Self::Change(Box::new(change)))
            }
            EntryKind::Event => Event::of(entry).map_or(Self::Opaque, |event| Self::Event(Box::new(event))),
            EntryKind::Acceptance => Self::Opaque,
        }
    }
}

/// A batch whose chain holds.
#[derive(Debug, Clone)]
pub struct VerifiedBatch {
    /// Whose.
    pub replica: ReplicaId,
    /// First sequence.
    pub first: Sequence,
    /// The root of the log that it was seen to continue.
    pub onto: Digest,
    /// The bytes to log, as they came but for what was erased.
    pub packed: Bytes,
    /// What is in it, in order.
    pub contents: Vec<Content>,
    /// The log's right edge with it.
    pub frontier: Frontier,
    /// The root with it.
    pub root: Digest,
    /// The sender's signed checkpoint at its end.
    pub checkpoint: String,
    /// The size announced, if this batch was seen to lead through it.
    pub reached: Option<u64>,
    /// What an order took of it just now, by the place of its proposal.
    pub late: BTreeMap<Sequence, Vec<Erased>>,
}

/// Why a batch breaks the chain of its log. The sender is stopped; nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not continue what is held.
    #[error("the batch begins at {found}, expected {expected}")]
    Gap {
        /// The next sequence.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// It does not decompress within its limits.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An entry's envelope is broken.
    #[error("entry {sequence}: {source}")]
    Entry {
        /// Which.
        sequence: u64,
        /// Why.
        source: Malformed,
    },
    /// An entry says it is another log's, or stands at another place.
    #[error("entry {0} names another place or replica")]
    Misplaced(u64),
    /// More or fewer entries than announced, or none.
    #[error("the batch has {found} entries, announced were {announced}")]
    Count {
        /// As announced.
        announced: u32,
        /// As found.
        found: usize,
    },
    /// The checkpoint is not a good one of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The hub's cosignature is not over that checkpoint.
    #[error("the hub has not cosigned it: {0}")]
    Cosignature(#[from] NoteError),
    /// The log is another than the one its owner had signed before.
    #[error("the batch contradicts a heartbeat signed before")]
    Announced,
    /// The checkpoint's size or root is not the batch's.
    #[error("the checkpoint is not that of the batch's entries")]
    Root,
}

/// Verifies that a batch continues a log.
///
/// # Errors
/// [`VerifyError`] if the chain breaks; contents that are merely not understood do not break it.
pub fn verify(held: &Held, envelope: &Envelope) -> Result<VerifiedBatch, VerifyError> {
    let chained = chained(held, envelope)?;
    let signed = SignedCheckpoint::verify(envelope.checkpoint.as_bytes(), &held.origin, held.key)?;
    let Checkpoint { size, root, roll, .. } = signed.checkpoint();
    // A ledger alone has rolls.
    if (*size, *root, *roll) != (chained.frontier.size(), chained.root, None) {
        return Err(VerifyError::Root);
    }
    Ok(chained)
}

/// As [`verify`], for a batch of a log whose key nobody knows any more: the hub had cosigned its checkpoint, under the
/// name of its unit, as `cosigner` (name and key).
///
/// # Errors
/// [`VerifyError`] if the chain breaks, or the cosignature does not hold over it.
pub fn witnessed(
    held: &Held,
    envelope: &Envelope,
    cosignature: &str,
    (name, key): (&str, [u8; 32]),
) -> Result<VerifiedBatch, VerifyError> {
    let chained = chained(held, envelope)?;
    let checkpoint = Checkpoint::parse_body(Note::parse(envelope.checkpoint.as_bytes())?.text())?;
    verify_cosignature(cosignature, &checkpoint, key, name)?;
    let stated = Checkpoint {
        origin: held.origin.clone(),
        size: chained.frontier.size(),
        root: chained.root,
        roll: None,
    };
    if checkpoint != stated {
        return Err(VerifyError::Root);
    }
    Ok(chained)
}

/// The batch continues the log; whose word that is remains to be seen.
fn chained(held: &Held, envelope: &Envelope) -> Result<VerifiedBatch, VerifyError> {
    let expected = held.frontier.size();
    if envelope.first != expected {
        return Err(VerifyError::Gap { expected, found: envelope.first });
    }
    let plain = batch::unpack(&envelope.packed)?;
    let entries =
        batch::entries(&plain).map_err(|source| VerifyError::Entry { sequence: envelope.first, source })?;
    if entries.is_empty()
        || entries.len() != envelope.count as usize
        || entries.len() > limits::BATCH_ENTRIES_MAX
    {
        return Err(VerifyError::Count { announced: envelope.count, found: entries.len() });
    }
    let mut frontier = held.frontier.clone();
    let mut contents = Vec::with_capacity(entries.len());
    let mut reached = None;
    let mut late: BTreeMap<Sequence, Vec<Erased>> = BTreeMap::new();
    let mut kept: Vec<Cow<'_, [u8]>> = Vec::with_capacity(entries.len());
    for bytes in entries {
        let sequence = frontier.size();
        let entry = Entry::decode(bytes).map_err(|source| VerifyError::Entry { sequence, source })?;
        let dot = entry.header.dot;
        if dot.replica != held.replica || dot.sequence.0 != sequence {
            return Err(VerifyError::Misplaced(sequence));
        }
        frontier.push(entry.leaf_hash());
        if let Some((size, root)) = held.announced.filter(|(size, _)| *size == frontier.size()) {
            if frontier.root() != root {
                return Err(VerifyError::Announced);
            }
            reached = Some(size);
        }
        let content = Content::of(&entry);
        match held.erased.strip(bytes, &content) {
            None => {
                contents.push(content);
                kept.push(Cow::Borrowed(bytes));
            }
            Some(stripped) => {
                let left = Entry::decode(&stripped.entry);
                contents.push(Content::of(&left.map_err(|source| VerifyError::Entry { sequence, source })?));
                for (number, erased) in stripped.late {
                    late.entry(number).or_default().push(erased);
                }
                kept.push(Cow::Owned(stripped.entry));
            }
        }
    }
    let packed = if kept.iter().any(|entry| matches!(entry, Cow::Owned(_))) {
        let packed = batch::pack(kept.iter().map(AsRef::as_ref))?;
        // What nobody could open again is not taken.
        batch::unpack(&packed)?;
        packed.into()
    } else {
        envelope.packed.clone()
    };
    let root = frontier.root();
    Ok(VerifiedBatch {
        replica: held.replica,
        first: Sequence(envelope.first),
        onto: held.frontier.root(),
        packed,
        contents,
        frontier,
        root,
        checkpoint: envelope.checkpoint.clone(),
        reached,
        late,
    })
}

#[cfg(test)]
mod tests;
