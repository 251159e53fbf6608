//! Whoever has a member now reads the cases that are about him and stay where they were opened (X03).
//!
//! When a change is admitted, what its record names is indexed, whoever reads the record is handed the change, and the
//! records whose readers may be others by now are noted. Once the group is durable the committer looks at these, and logs
//! an event for each reader that begins or ceases: the ledger says who reads what, and nothing is decided again.

use std::collections::BTreeSet;

use lienthong_node::dataset::{DatasetError, EntryError, Record};
use lienthong_node::replica::{Journal, JournalError};
use lienthong_node::store::Batch;
use lienthong_proto::catalogue::{Held, RecordType};
use lienthong_proto::change::{Change, Write, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::value::Value;

use super::committer::Committer;
use crate::feed::{Decided, FeedEntry, FeedIndex, is_kept, kept_by, named};
use crate::ledger::{Books, Reading};

/// Notes what an admitted change means for those who read records of others.
///
/// # Errors
/// [`JournalError`] if the state or the index cannot be read.
pub fn note_readings(
    journal: &Journal,
    decided: &Decided<'_>,
    writes: &[Write],
    books: &mut Books,
    feed: &FeedIndex,
    view: &mut Batch,
) -> Result<(), JournalError> {
    let Decided { record_type, record, before, proposal, .. } = *decided;
    // What is only proposed is between its writer and the owner.
    if proposal {
        return Ok(());
    }
    let (catalogue, author) = (journal.catalogue(), journal.author());
    let wrote = |name: &str| writes.iter().any(|write| write.path == name);
    let mut asks = false;
    for (target, held) in kept_by(catalogue, record_type) {
        for write in writes.iter().filter(|write| write.path == held.subject) {
            for id in named(&author.provincial_key, target, &author.unit, &write.value) {
                feed.note_naming(id, (record_type, record), view);
            }
        }
        asks |= held.having.keys().any(|name| wrote(name)) || wrote(&held.subject);
        asks |= wrote(path::UNIT) || wrote(path::WITHDRAWN);
    }
    if asks {
        books.readings.look_at(record_type, record, view);
    }
    let readers = books.readings.readers(record_type, record);
    let joins = |write: &Write| matches!(write.path.split('/').next(), Some(path::INTO | path::MERGED));
    let joined = writes.iter().any(joins);
    if readers.is_empty() && !joined && before.is_none() {
        return Ok(());
    }
    let state = journal.dataset().pending_state(record_type, record)?;
    let owner = state.as_ref().and_then(|state| state.owner());
    // Who owns it, or did until now, is handed it anyway.
    for unit in readers.iter().filter(|unit| Some(*unit) != owner && Some(*unit) != before) {
        let entry =
            FeedEntry::Read { at: decided.at, unit: decided.unit.clone(), accepted: decided.accepted };
        feed.note(unit, decided.place, entry, view);
    }
    let moved = before.is_some() && before != owner;
    if (moved || joined) && is_kept(catalogue, record_type) {
        let merged = state.iter().flat_map(|state| state.registers.keys()).filter_map(|name| {
            let (register, id) = name.split_once('/')?;
            id.parse::<RecordId>().ok().filter(|_| register == path::MERGED)
        });
        for id in std::iter::once(record).chain(merged) {
            let naming = feed.naming(id).map_err(DatasetError::from)?;
            naming.iter().for_each(|(name, id)| books.readings.look_at(name, *id, view));
        }
    }
    Ok(())
}

/// The same of a change of the province's own, which is read back: it must be synced.
///
/// # Errors
/// As [`note_readings`].
pub fn note_own_readings(
    journal: &Journal,
    decided: &Decided<'_>,
    books: &mut Books,
    feed: &FeedIndex,
    view: &mut Batch,
) -> Result<(), JournalError> {
    let (catalogue, name) = (journal.catalogue(), decided.record_type);
    if kept_by(catalogue, name).next().is_none() && !is_kept(catalogue, name) {
        return Ok(());
    }
    let bytes = journal.dataset().entries().entry(decided.at)?;
    let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(EntryError::from)?;
    note_readings(journal, decided, &change.writes, books, feed, view)
}

impl Committer {
    /// Logs who begins and who ceases to read what. Everything must be synced.
    pub(super) fn settle_readings(&mut self) -> Result<(), JournalError> {
        let due = self.books.readings.due();
        if due.is_empty() {
            return Ok(());
        }
        for (record_type, record) in due {
            let (owner, wanted) = self.wanted_readers(&record_type, record)?;
            let present = self.books.readings.readers(&record_type, record);
            let changed = wanted.symmetric_difference(&present);
            for unit in changed.filter(|_| owner.is_some()).cloned().collect::<Vec<_>>() {
                let begins = wanted.contains(&unit);
                let owner = owner.clone().unwrap_or_else(|| unit.clone());
                let reading = Reading { record_type: record_type.clone(), record, owner, unit, begins };
                drop(self.event(&reading.event((self.clock)()))?);
            }
            self.books.readings.looked_at(&record_type, record, &mut self.view);
        }
        self.commit()
    }

    /// Who owns a record, and which other units are to read it now.
    fn wanted_readers(
        &self,
        record_type: &str,
        record: RecordId,
    ) -> Result<(Option<UnitCode>, BTreeSet<UnitCode>), JournalError> {
        let (dataset, catalogue) = (self.journal.dataset(), self.journal.catalogue());
        let Some(case) = dataset.record(catalogue, record_type, record)? else {
            return Ok((None, BTreeSet::new()));
        };
        let mut readers = BTreeSet::new();
        for (target, held) in kept_by(catalogue, record_type) {
            let stands = |(name, codes): (&String, &Vec<String>)| matches!(case.firm(name), Some(Value::Code(code)) if codes.contains(code));
            if !case.is_withdrawn() && held.having.iter().all(stands) {
                readers.extend(self.holders(&case, target, held)?);
            }
        }
        Ok((case.owner.clone(), readers))
    }

    /// The units that have, by now, what a case of another names: only where the case is of a unit that had it before, or
    /// of the province. Nobody is shown a case because a third unit wrote a number into it.
    fn holders(
        &self,
        case: &Record,
        target: &RecordType,
        held: &Held,
    ) -> Result<BTreeSet<UnitCode>, JournalError> {
        let (dataset, author) = (self.journal.dataset(), self.journal.author());
        let mut holders = BTreeSet::new();
        let (Some(opened_by), Some(value)) = (&case.owner, case.firm(&held.subject)) else {
            return Ok(holders);
        };
        let named: BTreeSet<RecordId> =
            named(&author.provincial_key, target, &author.unit, value).into_iter().collect();
        for id in named {
            let id = dataset.led(&target.name, id)?;
            let Some(state) = dataset.state(&target.name, id)? else { continue };
            let Some(owner) = state.owner().filter(|owner| *owner != opened_by) else { continue };
            if state.standing().withdrawn {
                continue;
            }
            let mut had = self.had_by(&target.name, id)?;
            had.remove(owner);
            if had.contains(opened_by) || (opened_by.is_province() && !had.is_empty()) {
                holders.insert(owner.clone());
            }
        }
        Ok(holders)
    }

    /// The units that ever had a record, and those that came after them.
    fn had_by(&self, record_type: &str, id: RecordId) -> Result<BTreeSet<UnitCode>, JournalError> {
        let history = self.journal.dataset().history(record_type, id)?;
        let firm = history.into_iter().filter(|past| !past.kept_out && !past.source.proposal);
        let mut had: BTreeSet<UnitCode> = firm.filter_map(|past| past.source.states_owner).collect();
        for step in self.books.lineage.steps() {
            if step.from.iter().any(|unit| had.contains(unit)) {
                had.extend(step.to.iter().cloned());
            }
        }
        Ok(had)
    }
}

/// Hands a reader what there is of a record when an event says that it begins to read it.
pub fn reading_begins(event: &Event, at: Sequence, feed: &FeedIndex, view: &mut Batch) {
    let Some(Reading { record_type, record, unit, begins: true, .. }) = Reading::of(event) else { return };
    let place = FeedCursor { ledger: at.0, place: 0 };
    feed.note(&unit, place, FeedEntry::Reading { record_type, record }, view);
}
