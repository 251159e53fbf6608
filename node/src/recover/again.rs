//! Some records of a node, made again from its own log: its changes, what was fed, what was taken back.

use std::collections::BTreeMap;

use bytes::Bytes;
use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Event;
use lienthong_proto::feed::{self, FeedNote};
use lienthong_proto::ids::Sequence;
use lienthong_proto::merging::Merging;
use lienthong_proto::reconcile::Named;
use lienthong_proto::withdrawal::Stated;

use super::refill::taken_back;
use crate::dataset::{Admitted, DatasetError, EntryAt, Payload, Remade, Source};
use crate::log::{FramePosition, LogReader};
use crate::replica::{Again, Author, JournalError, Replica, feed_taken};

/// Reads a node's own log for the records that are wanted.
pub struct OwnLog {
    reader: LogReader,
    author: Author,
    next: Sequence,
    remade: Remade,
    /// Own changes of wanted records: a verdict may come later.
    own: BTreeMap<Sequence, Change>,
}

impl OwnLog {
    /// Nothing read yet.
    ///
    /// # Errors
    /// [`DatasetError`], never in fact.
    pub fn new(replica: &Replica, wanted: impl IntoIterator<Item = Named>) -> Result<Self, DatasetError> {
        let reader = replica.reader().clone();
        let remade = Remade::new(wanted, reader.clone())?;
        let author = replica.author().clone();
        Ok(Self { reader, author, next: Sequence(0), remade, own: BTreeMap::new() })
    }

    fn frame(
        &mut self,
        position: FramePosition,
        first: Sequence,
        payload: &Bytes,
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: first, source };
        match Payload::parse(payload).map_err(malformed)? {
            Payload::Entry(entry) => self.own_entry(EntryAt { frame: position, index: 0 }, entry),
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed)?;
                let entries = batch::entries(&plain).map_err(malformed)?;
                (0u16..)
                    .zip(entries)
                    .try_for_each(|(index, entry)| self.own_entry(EntryAt { frame: position, index }, entry))
            }
            Payload::Accepted { entry, packed } => {
                let entry = Entry::decode(entry).map_err(malformed)?;
                if entry.header.kind != EntryKind::Event {
                    return Ok(());
                }
                let event = Event::of(&entry).map_err(malformed)?;
                if feed_taken(&event).is_some() {
                    return self.fed(first, position, packed);
                }
                let remade = &self.remade;
                let admit = |admitted: Admitted<'_>| Ok(remade.apply(admitted)?);
                taken_back(&event, &self.author.unit, packed, position, &admit)
            }
        }
    }

    fn own_entry(&mut self, at: EntryAt, bytes: &[u8]) -> Result<(), JournalError> {
        let malformed = |source: Malformed| JournalError::Malformed { sequence: self.next, source };
        let entry = Entry::decode(bytes).map_err(malformed)?;
        if entry.header.kind != EntryKind::Change {
            return Ok(());
        }
        let change = Change::of(&entry).map_err(malformed)?;
        if !self.remade.wants(&change) {
            return Ok(());
        }
        let source = Source {
            dot: change.dot,
            unit: self.author.unit.clone(),
            effective: change.meta.hlc,
            proposal: false,
            states_owner: change.unit().cloned(),
            states_withdrawal: Stated::by(&change),
            states_into: Merging::by(&change).map(|merging| merging.into),
            at,
        };
        self.remade.apply(Admitted { change: &change, source })?;
        self.own.insert(change.dot.sequence, change);
        Ok(())
    }

    fn fed(&mut self, first: Sequence, position: FramePosition, packed: &[u8]) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: first, source };
        let plain = batch::unpack(packed)?;
        let elements = batch::entries(&plain).map_err(malformed)?;
        let mut decisions = Vec::new();
        for item in feed::items(&elements).map_err(malformed)? {
            match (item.note, item.entry) {
                (FeedNote::Change { unit, accepted, proposal }, Some((index, bytes))) => {
                    // What this version does not understand was not applied either.
                    let Ok(change) = Entry::decode(bytes).and_then(|entry| Change::of(&entry)) else {
                        continue;
                    };
                    if change.dot.replica == self.author.replica || !self.remade.wants(&change) {
                        continue;
                    }
                    let at = EntryAt { frame: position, index };
                    let source = Source::accepted(&change, &unit, accepted, proposal, at);
                    self.remade.apply(Admitted { change: &change, source })?;
                }
                (FeedNote::Verdict { sequence, accepted, verdict }, _) => {
                    decisions.push((sequence, accepted, verdict));
                }
                (FeedNote::Change { .. }, None) => {}
            }
        }
        for (sequence, accepted, verdict) in decisions {
            if let Some(change) = self.own.get(&sequence) {
                self.remade.decide(change, accepted, &verdict)?;
            }
        }
        Ok(())
    }
}

impl Again for OwnLog {
    fn catch_up(&mut self) -> Result<(), JournalError> {
        for frame in self.reader.clone().scan(self.next) {
            let (position, frame) = frame?;
            self.frame(position, frame.first, &frame.payload)?;
            self.next = Sequence(frame.first.0 + u64::from(frame.count));
        }
        Ok(())
    }

    fn remade(&self) -> &Remade {
        &self.remade
    }
}
