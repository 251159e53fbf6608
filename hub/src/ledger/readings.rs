//! The books' part about records that others than their owner may read.
//!
//! A case stays with the body that opened it though the member it is about has moved on (X03); the unit that has the
//! member now reads it. Who reads what is an event of the ledger, so that whoever reads the ledger again finds the same.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::notices::NOTICES_PER_ENTRY;
use super::{Books, NoticeEntry};

const READING: &str = "reading";
const DUE: u8 = b'd';
const READER: u8 = b'r';

/// A record by its type and id.
type Named = (String, RecordId);

/// That a unit begins or ceases to read a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// Who owns it.
    pub owner: UnitCode,
    /// Who reads it.
    pub unit: UnitCode,
    /// It begins; otherwise it ceases.
    pub begins: bool,
}

/// Who reads what beside its owner, and what is to be looked at. The writer's alone.
#[derive(Debug, Default)]
pub struct Readings {
    readers: BTreeMap<Named, BTreeSet<UnitCode>>,
    due: BTreeSet<Named>,
}

impl Reading {
    /// The event that says so.
    #[must_use]
    pub fn event(&self, at: UnixMillis) -> Event {
        let fields = BTreeMap::from([
            ("type".to_owned(), Value::Text(self.record_type.clone())),
            ("record".to_owned(), Value::Reference(self.record)),
            ("owner".to_owned(), Value::Unit(self.owner.clone())),
            ("unit".to_owned(), Value::Unit(self.unit.clone())),
            ("begins".to_owned(), Value::Boolean(self.begins)),
        ]);
        Event { kind: READING.to_owned(), at, actor: "hub".to_owned(), fields }
    }

    /// What an event says, if it is one of these.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        if event.kind != READING {
            return None;
        }
        let unit = |name: &str| match event.fields.get(name) {
            Some(Value::Unit(unit)) => Some(unit.clone()),
            _ => None,
        };
        let (Some(Value::Text(record_type)), Some(Value::Reference(record)), Some(Value::Boolean(begins))) =
            (event.fields.get("type"), event.fields.get("record"), event.fields.get("begins"))
        else {
            return None;
        };
        let (record_type, owner, unit) = (record_type.clone(), unit("owner")?, unit("unit")?);
        Some(Self { record_type, record: *record, owner, unit, begins: *begins })
    }
}

impl Readings {
    pub(super) fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut readings = Self::default();
        view.scan_prefix(Keyspace::Reading, &[DUE], &mut |key, _| {
            if let Some((named, [])) = key.get(1..).and_then(split) {
                readings.due.insert(named);
            }
            true
        })?;
        view.scan_prefix(Keyspace::Reading, &[READER], &mut |key, _| {
            if let Some((named, unit)) = key.get(1..).and_then(split)
                && let Some(unit) = std::str::from_utf8(unit).ok().and_then(|unit| unit.parse().ok())
            {
                readings.readers.entry(named).or_default().insert(unit);
            }
            true
        })?;
        Ok(readings)
    }

    /// Who reads a record beside its owner.
    #[must_use]
    pub fn readers(&self, record_type: &str, record: RecordId) -> BTreeSet<UnitCode> {
        if self.readers.is_empty() {
            return BTreeSet::new();
        }
        self.readers.get(&(record_type.to_owned(), record)).cloned().unwrap_or_default()
    }

    /// The records whose readers may be others by now.
    #[must_use]
    pub fn due(&self) -> Vec<Named> {
        self.due.iter().cloned().collect()
    }

    /// A record's readers may be others by now.
    pub fn look_at(&mut self, record_type: &str, record: RecordId, view: &mut Batch) {
        view.put(Keyspace::Reading, &key(DUE, record_type, record, &[]), &[]);
        self.due.insert((record_type.to_owned(), record));
    }

    /// A record was looked at: its readers are those that are noted.
    pub fn looked_at(&mut self, record_type: &str, record: RecordId, view: &mut Batch) {
        if self.due.remove(&(record_type.to_owned(), record)) {
            view.delete(Keyspace::Reading, &key(DUE, record_type, record, &[]));
        }
    }

    fn note(&mut self, reading: &Reading, view: &mut Batch) {
        let named = (reading.record_type.clone(), reading.record);
        let key = key(READER, &reading.record_type, reading.record, reading.unit.as_str().as_bytes());
        let readers = self.readers.entry(named.clone()).or_default();
        if reading.begins {
            view.put(Keyspace::Reading, &key, &[]);
            readers.insert(reading.unit.clone());
        } else {
            view.delete(Keyspace::Reading, &key);
            readers.remove(&reading.unit);
            if readers.is_empty() {
                self.readers.remove(&named);
            }
        }
    }
}

impl Books {
    /// Takes it into account that a unit begins or ceases to read a record, and tells it and the owner.
    pub(super) fn note_reading(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        let Some(reading) = Reading::of(event) else { return };
        self.readings.note(&reading, view);
        let (vi, en) = if reading.begins {
            (
                format!(
                    "đơn vị {} đang quản lý đảng viên được đọc hồ sơ này của đơn vị {}; hồ sơ vẫn do đơn vị {1} giải quyết",
                    reading.unit, reading.owner
                ),
                format!(
                    "unit {}, which has the member now, may read this record of unit {}; it stays with unit {1}",
                    reading.unit, reading.owner
                ),
            )
        } else {
            (
                format!(
                    "đơn vị {} không còn nhận cập nhật hồ sơ này của đơn vị {}",
                    reading.unit, reading.owner
                ),
                format!("unit {} reads no further of this record of unit {}", reading.unit, reading.owner),
            )
        };
        let concerned = |unit: &UnitCode| *unit == reading.unit || *unit == reading.owner;
        let told: Vec<_> = self.replicas.iter().filter(|(_, held)| concerned(&held.unit)).collect();
        let told: Vec<_> = told.into_iter().map(|(replica, _)| *replica).collect();
        for (number, replica) in (0..NOTICES_PER_ENTRY).zip(told) {
            let notice = NoticeEntry {
                number: place.0 * NOTICES_PER_ENTRY + number,
                at: event.at.0,
                kind: "READING".to_owned(),
                sequence: 0,
                reason: "READING".to_owned(),
                record_type: reading.record_type.clone(),
                vi: vi.clone(),
                en: en.clone(),
            };
            self.tell(replica, notice, view);
        }
    }
}

fn key(kind: u8, record_type: &str, record: RecordId, rest: &[u8]) -> Vec<u8> {
    [&[kind], record_type.as_bytes(), &[0], &record.0, rest].concat()
}

fn split(key: &[u8]) -> Option<(Named, &[u8])> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (record_type, rest) = key.split_at_checked(end)?;
    let (record, rest) = rest.get(1..)?.split_at_checked(16)?;
    Some(((std::str::from_utf8(record_type).ok()?.to_owned(), RecordId::from_slice(record)?), rest))
}

#[cfg(test)]
mod tests {
    use lienthong_node::store::MemoryView;

    use super::*;

    /// Goal: who reads what and what is due come back from the view; an event says all of it.
    #[test]
    fn readings_come_back() {
        let (view, mut batch) = (MemoryView::default(), Batch::default());
        let record = RecordId([0; 16]);
        let reading = |unit: &str, begins| Reading {
            record_type: "cuoc_kiem_tra".to_owned(),
            record,
            owner: "11953".parse().unwrap(),
            unit: unit.parse().unwrap(),
            begins,
        };
        let event = reading("12004", true).event(UnixMillis(5));
        assert_eq!(Reading::of(&event), Some(reading("12004", true)));
        assert_eq!(Reading::of(&Event { kind: "access".to_owned(), ..event }), None);
        let mut readings = Readings::default();
        for (unit, begins) in [("12004", true), ("11977", true), ("12004", false)] {
            readings.note(&reading(unit, begins), &mut batch);
        }
        readings.look_at("cuoc_kiem_tra", record, &mut batch);
        readings.look_at("don_thu", record, &mut batch);
        readings.looked_at("don_thu", record, &mut batch);
        view.commit(batch).unwrap();
        let loaded = Readings::load(&view).unwrap();
        assert_eq!(loaded.readers("cuoc_kiem_tra", record), ["11977".parse().unwrap()].into());
        assert_eq!(loaded.due(), [("cuoc_kiem_tra".to_owned(), record)]);
    }
}
