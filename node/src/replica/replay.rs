//! Bringing the state up to the log when a journal opens.

use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::disclosure::event::TALLY;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::merkle::{Frontier, root_at};
use lienthong_proto::time::UnixMillis;

use super::error::JournalError;
use super::journal::Journal;
use super::{Fed, Numbers};
use crate::dataset::{Admitted, DatasetError, EntryAt, Payload};
use crate::log::FramePosition;
use crate::store::{Batch, Keyspace, View};

/// One entry of the log, as replay meets it.
pub struct Replayed<'a> {
    /// The entry.
    pub entry: &'a Entry<'a>,
    /// Its frame.
    pub position: FramePosition,
    /// Its place among the frame's entries.
    pub index: u16,
    /// The batch beside it.
    pub packed: Option<&'a [u8]>,
    /// Of a change that says who owns its record: who did before.
    pub before: Option<UnitCode>,
}

/// What else a keeper of the log makes of its entries while they are replayed.
pub trait Replay {
    /// Takes the next entry into account.
    ///
    /// # Errors
    /// [`JournalError`] ends the opening.
    fn entry(&mut self, journal: &Journal, replayed: Replayed<'_>) -> Result<(), JournalError>;

    /// What is to be written to the view together with the state of the entries taken so far.
    fn view(&mut self) -> Batch;
}

/// A keeper that makes nothing else of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReplay;

impl Replay for NoReplay {
    fn entry(&mut self, _: &Journal, _: Replayed<'_>) -> Result<(), JournalError> {
        Ok(())
    }

    fn view(&mut self) -> Batch {
        Batch::default()
    }
}

pub(super) const FRONTIER: &[u8] = b"frontier";
pub(super) const NUMBERS: &[u8] = b"numbers";
pub(super) const FED: &[u8] = b"fed";

pub(super) fn load_meta(view: &dyn View, applied: u64) -> Result<(Frontier, Numbers, Fed), JournalError> {
    let state = |source| {
        view.distrust();
        JournalError::Dataset(DatasetError::State(source))
    };
    let frontier = match view.get(Keyspace::Meta, FRONTIER)? {
        Some(bytes) => Frontier::decode(&bytes).map_err(state)?,
        None => Frontier::new(),
    };
    if frontier.size() != applied {
        return Err(state(Malformed("frontier of another size")));
    }
    let numbers = match view.get(Keyspace::Meta, NUMBERS)? {
        Some(bytes) => Numbers::decode(&bytes).map_err(state)?,
        None => Numbers::default(),
    };
    let fed = match view.get(Keyspace::Meta, FED)? {
        Some(bytes) => Fed::decode(&bytes).map_err(state)?,
        None => Fed::default(),
    };
    Ok((frontier, numbers, fed))
}

/// When a tally was signed, if it is one.
fn tally_of(entry: &Entry<'_>) -> Option<UnixMillis> {
    Event::of(entry).ok().filter(|event| event.kind == TALLY).map(|event| event.at)
}

impl Journal {
    pub(super) fn replay(&mut self, applied: u64, replay: &mut dyn Replay) -> Result<(), JournalError> {
        let held = self.hashes.len();
        // Leaf hashes beyond the applied entries are made again; if the file is short, from its end on.
        let from = applied.min(held);
        for frame in self.reader.clone().scan(Sequence(from)) {
            let (position, frame) = frame?;
            self.replay_frame(position, &frame.payload, frame.first, from, applied, replay)?;
            if self.dataset.unflushed() >= self.options.unflushed_max {
                self.publish()?;
                self.flush_with(replay.view())?;
            }
        }
        if root_at(self.hashes.as_ref(), self.frontier.size()) != Some(self.frontier.root()) {
            // They are not synced: a power cut may leave a file of the right length with other bytes in it.
            tracing::warn!("the leaf hashes beside the log are not its own: they are made again");
            self.make_hashes()?;
        }
        self.publish()?;
        self.flush_with(replay.view())
    }

    /// Makes all leaf hashes again from the log.
    fn make_hashes(&mut self) -> Result<(), JournalError> {
        self.hashes.forget();
        for frame in self.reader.clone().scan(Sequence(0)) {
            let (_, frame) = frame?;
            let malformed = |source| JournalError::Malformed { sequence: frame.first, source };
            let plain;
            let entries = match Payload::parse(&frame.payload).map_err(malformed)? {
                Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
                Payload::Batch(packed) => {
                    plain = batch::unpack(packed)?;
                    batch::entries(&plain).map_err(malformed)?
                }
            };
            let leaf = |bytes: &[u8]| Ok(Entry::decode(bytes).map_err(malformed)?.leaf_hash());
            let leaves = entries.into_iter().map(leaf).collect::<Result<Vec<_>, JournalError>>()?;
            self.hashes.append(&leaves).map_err(JournalError::Hashes)?;
        }
        Ok(())
    }

    fn replay_frame(
        &mut self,
        position: FramePosition,
        payload: &bytes::Bytes,
        first: Sequence,
        hashes_from: u64,
        applied: u64,
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        let malformed =
            |sequence: u64| move |source| JournalError::Malformed { sequence: Sequence(sequence), source };
        let parsed = Payload::parse(payload).map_err(malformed(first.0))?;
        let plain;
        let (entries, packed) = match parsed {
            Payload::Entry(entry) => (vec![entry], None),
            Payload::Accepted { entry, packed } => (vec![entry], Some(packed)),
            Payload::Batch(packed) => {
                plain = batch::unpack(packed)?;
                (batch::entries(&plain).map_err(malformed(first.0))?, None)
            }
        };
        for (index, bytes) in (0u16..).zip(entries) {
            let sequence = first.0 + u64::from(index);
            let entry = Entry::decode(bytes).map_err(malformed(sequence))?;
            let leaf = entry.leaf_hash();
            if sequence >= hashes_from && sequence >= self.hashes.len() {
                self.hashes.append(&[leaf]).map_err(JournalError::Hashes)?;
            }
            if sequence < applied {
                continue;
            }
            self.frontier.push(leaf);
            let mut before = None;
            if entry.header.kind == EntryKind::Change {
                let change = Change::of(&entry).map_err(malformed(sequence))?;
                before = self.owner_before(&change)?;
                self.replay_change(position, index, &change)?;
            }
            match (entry.header.kind, packed) {
                (EntryKind::Event, Some(packed)) => self.replay_fed(&entry, position, packed)?,
                (EntryKind::Event, None) => {
                    tally_of(&entry).into_iter().for_each(|at| self.untallied.covered(at));
                }
                _ => {}
            }
            replay.entry(self, Replayed { entry: &entry, position, index, packed, before })?;
        }
        Ok(())
    }

    fn replay_change(
        &mut self,
        frame: FramePosition,
        index: u16,
        change: &Change,
    ) -> Result<(), JournalError> {
        self.numbers.seen(&change.record_type, change.number);
        self.untallied.written(change.meta.hlc.at());
        self.clock.observe(change.meta.hlc, change.meta.hlc.at());
        let source = self.own_source(change, EntryAt { frame, index });
        Ok(self.dataset.apply(Admitted { change, source })?)
    }
}
