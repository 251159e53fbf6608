//! Refills a replica with what the hub holds of its unit: few at a time, and only for one that goes on reading.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lienthong_node::dataset::{Dataset, Payload};
use lienthong_node::replica::JournalError;
use lienthong_proto::batch;
use lienthong_proto::change::Change;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Acceptance;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::verdict::Verdict;
use lienthong_proto::wire::sync as wire;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::Status;

use crate::app::Hub;
use crate::ledger::Quarantined;
use crate::pki::Enrolled;

/// Pieces that may wait for a slow reader, each at most 1 MiB.
pub(super) const REFILL_QUEUE: usize = 2;
/// Refills at once: each reads the whole ledger.
const REFILLS_MAX: usize = 4;
/// A reader that takes nothing for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Who is being refilled.
#[derive(Debug, Clone, Default)]
pub(super) struct Refills(Arc<Mutex<HashSet<ReplicaId>>>);

impl Refills {
    /// A turn for a replica, unless it has one or there are none.
    pub(super) fn turn(&self, replica: ReplicaId) -> Option<Turn> {
        let mut replicas = self.0.lock();
        let free = replicas.len() < REFILLS_MAX && replicas.insert(replica);
        free.then(|| Turn { refills: self.clone(), replica })
    }
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    refills: Refills,
    replica: ReplicaId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.refills.0.lock().remove(&self.replica);
    }
}

pub(super) struct Refill {
    pub(super) hub: Arc<Hub>,
    pub(super) enrolled: Enrolled,
    /// One replica of the unit, or all.
    pub(super) wanted: Option<ReplicaId>,
    /// Given back before the stream ends: who has seen its end may ask again.
    pub(super) _turn: Turn,
    pub(super) pieces: mpsc::Sender<Result<wire::RefillPiece, Status>>,
}

impl Refill {
    /// Sends every accepted batch of the unit's replicas, in ledger order.
    pub(super) fn run(self) {
        let unit = &self.enrolled.unit;
        let replicas: HashSet<ReplicaId> = {
            let books = self.hub.committer.books().read();
            let own = books.replicas.iter().filter(|(_, held)| held.unit == *unit);
            own.map(|(replica, _)| *replica)
                .filter(|replica| self.wanted.is_none_or(|w| w == *replica))
                .collect()
        };
        for frame in self.hub.reader.clone().scan(Sequence(0)) {
            let piece = match frame {
                Ok((_, frame)) => self.piece_of(&replicas, &frame.payload),
                Err(error) => Err(unreadable(&error)),
            };
            let Some(piece) = piece.transpose() else { continue };
            let last = piece.is_err();
            if !self.send(piece) || last {
                return;
            }
        }
    }

    /// Whether the reader still takes, and still may.
    fn send(&self, piece: Result<wire::RefillPiece, Status>) -> bool {
        let active = self.hub.registry.get(self.enrolled.replica).is_some_and(|entry| entry.is_active());
        if !active || self.hub.stop.is_cancelled() {
            return false;
        }
        let sent = tokio::time::timeout(STALLED, self.pieces.send(piece));
        matches!(tokio::runtime::Handle::current().block_on(sent), Ok(Ok(())))
    }

    fn piece_of(
        &self,
        replicas: &HashSet<ReplicaId>,
        payload: &[u8],
    ) -> Result<Option<wire::RefillPiece>, Status> {
        let quarantine = Arc::clone(&self.hub.committer.books().read().quarantine);
        let made = refill_piece(replicas, (&quarantine, &self.hub.dataset), payload);
        let Some((held, mut piece)) = made.map_err(|error| unreadable(&error))? else { return Ok(None) };
        let Acceptance { replica, size, root, at, .. } = held;
        let origin = self.hub.secrets.origin(&self.enrolled.unit, replica);
        let cosigned = self.hub.cosign(&Checkpoint { origin, size, root, roll: None }, at.0);
        piece.cosignature = cosigned.map_err(|error| unreadable(&error))?;
        Ok(Some(piece))
    }
}

/// What a batch of one of these replicas, accepted as a frame of the ledger has it, is given back as, without the hub's
/// cosignature; nothing for another frame. What was released from `quarantine` since is given back as it was released.
///
/// # Errors
/// [`JournalError`] if the frame, or what became of its changes, cannot be read.
pub fn refill_piece(
    replicas: &HashSet<ReplicaId>,
    (quarantine, dataset): (&BTreeMap<(u64, u16), Quarantined>, &Dataset),
    payload: &[u8],
) -> Result<Option<(Acceptance, wire::RefillPiece)>, JournalError> {
    let Ok(Payload::Accepted { entry, packed }) = Payload::parse(payload) else { return Ok(None) };
    let unknown = |source| JournalError::Malformed { sequence: Sequence(0), source };
    let entry = Entry::decode(entry).map_err(unknown)?;
    let sequence = entry.header.dot.sequence;
    let malformed = |source| JournalError::Malformed { sequence, source };
    let acceptance = Acceptance::of(&entry).map_err(malformed)?;
    let Acceptance { replica, first, size, at, verdicts, checkpoint, .. } = &acceptance;
    if !replicas.contains(replica) {
        return Ok(None);
    }
    let (mut proposals, mut kept_out) = (Vec::new(), Vec::new());
    for (place, verdict) in verdicts {
        let by_now = match verdict {
            Verdict::Quarantined(_) if quarantine.contains_key(&(sequence.0, *place)) => verdict.clone(),
            Verdict::Quarantined(_) => {
                let plain = batch::unpack(packed)?;
                let entries = batch::entries(&plain).map_err(malformed)?;
                released(dataset, entries.get(usize::from(*place)).copied())?.unwrap_or(verdict.clone())
            }
            other => other.clone(),
        };
        match by_now {
            Verdict::Applied => {}
            Verdict::Proposal => proposals.push(u32::from(*place)),
            Verdict::Quarantined(_) => kept_out.push(u32::from(*place)),
        }
    }
    let piece = wire::RefillPiece {
        replica: replica.0.to_vec().into(),
        first: first.0,
        count: u32::try_from(size - first.0).unwrap_or(u32::MAX),
        packed: packed.to_vec().into(),
        checkpoint: checkpoint.clone(),
        at_millis: at.0,
        proposals,
        kept_out,
        cosignature: String::new(),
    };
    Ok(Some((acceptance, piece)))
}

/// As what a change counts that was released from quarantine; nothing if it counts as nothing.
fn released(dataset: &Dataset, entry: Option<&[u8]>) -> Result<Option<Verdict>, JournalError> {
    let change = entry.and_then(|entry| Change::of(&Entry::decode(entry).ok()?).ok());
    let Some(Change { dot, record_type, record, .. }) = change else { return Ok(None) };
    let known = dataset.history(&record_type, record)?.into_iter().find(|past| past.source.dot == dot);
    let as_what = |proposal| if proposal { Verdict::Proposal } else { Verdict::Applied };
    Ok(known.map(|past| as_what(past.source.proposal)))
}

fn unreadable(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "the ledger cannot be read for a refill");
    Status::internal("máy chủ gặp lỗi; hãy báo tỉnh · the ledger cannot be read; tell the province")
}
