//! The books' part about units that merge, split and end.

use std::sync::Arc;

use lienthong_node::replica::{Journal, JournalError};
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::change::path;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::lineage::{Lineage, Step};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::date_text;

use super::notices::NOTICES_PER_ENTRY;
use super::{Books, NoticeEntry};

/// Kept events have no place of their own in a log: their key says where they stand.
const NOWHERE: ReplicaId = ReplicaId([0; 16]);

/// What a change that was applied has touched.
pub struct Touched<'a> {
    /// The record's type.
    pub record_type: &'a str,
    /// The record.
    pub record: RecordId,
    /// Whether it writes a path.
    pub writes: &'a dyn Fn(&str) -> bool,
    /// The province wrote it.
    pub by_province: bool,
}

impl Books {
    pub(super) fn load_lineage(&mut self, view: &dyn View) -> Result<(), ViewError> {
        let lineage = Arc::make_mut(&mut self.lineage);
        view.scan_prefix(Keyspace::Lineage, &[], &mut |key, bytes| {
            let event = Entry::decode(bytes).and_then(|entry| Event::of(&entry));
            if let (Some(place), Ok(event)) = (key.first_chunk(), event) {
                lineage.note(&event, Sequence(u64::from_be_bytes(*place)));
            }
            true
        })?;
        let strays = &mut self.strays;
        view.scan_prefix(Keyspace::Stray, &[], &mut |key, _| {
            let (record_type, record) = key.split_at(key.len().saturating_sub(16));
            if let (Ok(record_type), Some(record)) =
                (std::str::from_utf8(record_type), RecordId::from_slice(record))
            {
                strays.insert((record_type.to_owned(), record));
            }
            true
        })
    }

    /// Takes an event about units into account, and tells the units of a step.
    pub(super) fn note_lineage(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        if !Lineage::concerns(event) || !Arc::make_mut(&mut self.lineage).note(event, place) {
            return;
        }
        self.changed = true;
        // The salts of an entry that is never shown matter to nobody.
        if let Ok((bytes, _)) = event.build(Dot { replica: NOWHERE, sequence: place }, &[0; 16]) {
            view.put(Keyspace::Lineage, &place.0.to_be_bytes(), &bytes);
        }
        let said = Step::of(event, place).map(|step| (step, false));
        if let Some((step, undone)) = said.or_else(|| Some((self.lineage.undone_by(event)?.clone(), true))) {
            self.tell_units(&step, undone, event.at, place, view);
        }
    }

    fn tell_units(&mut self, step: &Step, undone: bool, at: UnixMillis, place: Sequence, view: &mut Batch) {
        let concerned = |unit: &UnitCode| step.from.contains(unit) || step.to.contains(unit);
        let told: Vec<ReplicaId> = self
            .replicas
            .iter()
            .filter(|(_, held)| concerned(&held.unit))
            .map(|(replica, _)| *replica)
            .collect();
        let units = |units: &[UnitCode]| units.iter().map(UnitCode::as_str).collect::<Vec<_>>().join(", ");
        let (from, to, on, reason) = (units(&step.from), units(&step.to), date_text(step.on), &step.reason);
        let (name, kind) = (step.kind.name(), if undone { "LINEAGE_UNDONE" } else { "LINEAGE" });
        let (vi, en) = if undone {
            (
                format!("tỉnh đã hủy bước tổ chức lại đơn vị ({name}) {from} → {to} ngày {on}"),
                format!("the province undid the {name} of units {from} → {to} of {on}"),
            )
        } else {
            (
                format!(
                    "đơn vị tổ chức lại ({name}) {from} → {to} từ ngày {on}, theo {reason}; việc ghi ở máy này không mất: bản ghi theo đơn vị kế thừa"
                ),
                format!(
                    "units: {name} {from} → {to} from {on} on, by {reason}; nothing written at this node is lost: records go with the successor"
                ),
            )
        };
        for (number, replica) in (0..NOTICES_PER_ENTRY).zip(told) {
            let notice = NoticeEntry {
                number: place.0 * NOTICES_PER_ENTRY + number,
                at: at.0,
                kind: kind.to_owned(),
                sequence: 0,
                reason: kind.to_owned(),
                record_type: String::new(),
                vi: vi.clone(),
                en: en.clone(),
            };
            self.tell(replica, notice, view);
        }
    }

    /// Has a record looked at if it may belong elsewhere by what a change wrote: by the same rule when it happens, when
    /// the ledger is read again and when another takes it over.
    ///
    /// # Errors
    /// [`JournalError`] if the state cannot be read.
    pub fn look_at(
        &mut self,
        journal: &Journal,
        touched: &Touched<'_>,
        at: UnixMillis,
        view: &mut Batch,
    ) -> Result<(), JournalError> {
        if self.lineage.is_empty() || !(touched.by_province || self.asks(touched)) {
            return Ok(());
        }
        let Touched { record_type, record, .. } = *touched;
        let state = journal.dataset().pending_state(record_type, record)?;
        let Some(owner) = state.as_ref().and_then(|state| state.owner()) else { return Ok(()) };
        let ended = self.lineage.has_ended(owner, at.day());
        if touched.by_province && !ended && (touched.writes)(path::UNIT) {
            // Its word on whose the record is stands, unless that unit is no more.
            self.found(record_type, record, view);
        } else if (ended || self.asks(touched)) && self.lineage.may_move(owner, at.day()) {
            view.put(Keyspace::Stray, &stray_key(record_type, record), &[]);
            self.strays.insert((record_type.to_owned(), record));
        }
        Ok(())
    }

    /// Whether a change writes anything that says where a record belongs, or brings it back.
    fn asks(&self, touched: &Touched<'_>) -> bool {
        [path::UNIT, path::WITHDRAWN].into_iter().chain(self.lineage.asks_for()).any(touched.writes)
    }

    /// A record was looked at: it is where it belongs.
    pub fn found(&mut self, record_type: &str, record: RecordId, view: &mut Batch) {
        if self.strays.remove(&(record_type.to_owned(), record)) {
            view.delete(Keyspace::Stray, &stray_key(record_type, record));
        }
    }
}

fn stray_key(record_type: &str, record: RecordId) -> Vec<u8> {
    [record_type.as_bytes(), &record.0].concat()
}

#[cfg(test)]
mod tests {
    use lienthong_node::store::MemoryView;

    use super::*;

    /// Goal: what waits to be looked at comes back from the view, for the writer alone.
    #[test]
    fn strays_are_the_writers_alone() {
        let (view, mut batch) = (MemoryView::default(), Batch::default());
        batch.put(Keyspace::Stray, &stray_key("dang_vien", RecordId([7; 16])), &[]);
        view.commit(batch).unwrap();
        let mut books = Books::load(&view).unwrap();
        assert_eq!(books.strays, [("dang_vien".to_owned(), RecordId([7; 16]))].into());
        assert!(books.for_readers().strays.is_empty());
        books.found("dang_vien", RecordId([7; 16]), &mut Batch::default());
        assert!(books.strays.is_empty() && !books.take_changed(), "readers see no difference");
    }
}
