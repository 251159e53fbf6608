//! Some records, made again from the ledger: the province's changes, what was accepted, what was released.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lienthong_node::dataset::{Admitted, DatasetError, EntryAt, Payload, Remade, Source};
use lienthong_node::log::{FramePosition, LogReader};
use lienthong_node::replica::{Again, JournalError};
use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{ReplicaId, Sequence, UnitCode};
use lienthong_proto::reconcile::Named;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;
use parking_lot::RwLock;

use crate::app::Hub;
use crate::ledger::Books;

/// A change of a wanted record that was kept out when it came.
struct KeptOut {
    change: Change,
    unit: UnitCode,
    accepted: UnixMillis,
    at: EntryAt,
}

/// Reads the ledger for the records that are wanted.
pub struct LedgerLog {
    reader: LogReader,
    books: Arc<RwLock<Books>>,
    province: UnitCode,
    next: Sequence,
    remade: Remade,
    kept_out: BTreeMap<(u64, u16), KeptOut>,
}

impl LedgerLog {
    /// Nothing read yet.
    ///
    /// # Errors
    /// [`DatasetError`], never in fact.
    pub fn new(hub: &Hub, wanted: impl IntoIterator<Item = Named>) -> Result<Self, DatasetError> {
        let (reader, books) = (hub.reader.clone(), Arc::clone(hub.committer.books()));
        let (province, remade) = (hub.secrets.profile.province.clone(), Remade::new(wanted, reader.clone())?);
        Ok(Self { reader, books, province, next: Sequence(0), remade, kept_out: BTreeMap::new() })
    }

    fn frame(
        &mut self,
        position: FramePosition,
        first: Sequence,
        payload: &Bytes,
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: first, source };
        match Payload::parse(payload).map_err(malformed)? {
            Payload::Entry(entry) => self.own(EntryAt { frame: position, index: 0 }, entry, first),
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed)?;
                let entries = batch::entries(&plain).map_err(malformed)?;
                (0u16..)
                    .zip(entries)
                    .try_for_each(|(index, entry)| self.own(EntryAt { frame: position, index }, entry, first))
            }
            Payload::Accepted { entry, packed } => {
                let entry = Entry::decode(entry).map_err(malformed)?;
                let acceptance = Acceptance::of(&entry).map_err(malformed)?;
                self.accepted(position, first, &acceptance, packed)
            }
        }
    }

    fn own(&mut self, at: EntryAt, bytes: &[u8], first: Sequence) -> Result<(), JournalError> {
        let malformed = |source: Malformed| JournalError::Malformed { sequence: first, source };
        let entry = Entry::decode(bytes).map_err(malformed)?;
        match entry.header.kind {
            EntryKind::Change => {
                let change = Change::of(&entry).map_err(malformed)?;
                // Its stamp is the hub's own: it counts as it is.
                let source = Source::accepted(&change, &self.province, change.meta.hlc.at(), false, at);
                Ok(self.remade.apply(Admitted { change: &change, source })?)
            }
            EntryKind::Event => {
                let event = Event::of(&entry).map_err(malformed)?;
                if event.kind == "release" { self.released(&event) } else { Ok(()) }
            }
            EntryKind::Acceptance => Ok(()),
        }
    }

    fn accepted(
        &mut self,
        frame: FramePosition,
        first: Sequence,
        acceptance: &Acceptance,
        packed: &[u8],
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: first, source };
        let unit = self.unit_of(acceptance.replica);
        let unit = unit.ok_or_else(|| malformed(Malformed("acceptance without its enrolment")))?;
        let plain = batch::unpack(packed)?;
        for (index, bytes) in (0u16..).zip(batch::entries(&plain).map_err(malformed)?) {
            let entry = Entry::decode(bytes).map_err(malformed)?;
            let Ok(change) = Change::of(&entry) else { continue };
            if entry.header.kind != EntryKind::Change || !self.remade.wants(&change) {
                continue;
            }
            let at = EntryAt { frame, index };
            let verdict = acceptance.verdicts.get(&index);
            if let Some(Verdict::Quarantined(_)) = verdict {
                let kept = KeptOut { change, unit: unit.clone(), accepted: acceptance.at, at };
                self.kept_out.insert((first.0, index), kept);
                continue;
            }
            let proposal = verdict == Some(&Verdict::Proposal);
            let source = Source::accepted(&change, &unit, acceptance.at, proposal, at);
            self.remade.apply(Admitted { change: &change, source })?;
        }
        Ok(())
    }

    fn released(&mut self, event: &Event) -> Result<(), JournalError> {
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let place = number("place").and_then(|place| u16::try_from(place).ok());
        let Some((ledger, place)) = number("ledger_index").zip(place) else { return Ok(()) };
        let Some(kept) = self.kept_out.remove(&(ledger, place)) else { return Ok(()) };
        let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
        let source = Source::accepted(&kept.change, &kept.unit, kept.accepted, proposal, kept.at);
        Ok(self.remade.apply(Admitted { change: &kept.change, source })?)
    }

    fn unit_of(&self, replica: ReplicaId) -> Option<UnitCode> {
        self.books.read().replicas.get(&replica).map(|held| held.unit.clone())
    }
}

impl Again for LedgerLog {
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
