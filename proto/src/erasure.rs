//! Lawful erasure: which fields of which entries an order takes away for ever (PROTOCOL.md, "Erasure").
//!
//! An erased field keeps its commitment: leaves, roots and every proof stay what they were. What was decided is an event
//! of the ledger; from it follows, at every replica alike, what each entry looks like afterwards.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::batch::{self, BatchError};
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{Change, path};
use crate::entry::{Entry, header_of};
use crate::event::Event;
use crate::hash::{Digest, sha256};
use crate::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use crate::time::UnixMillis;
use crate::value::Value;

/// Kinds of events.
pub mod event {
    /// In the ledger: an order was brought; its actor proposes.
    pub const PROPOSED: &str = "erasure_proposed";
    /// In the ledger: the order was approved; its actor approves, and from now on it is carried out.
    pub const ERASURE: &str = "erasure";
    /// In the ledger: it was refused, or taken back before anybody approved.
    pub const REFUSED: &str = "erasure_refused";
    /// In the ledger: a receiver was given the signed notice.
    pub const NOTICE: &str = "erasure_notice";
    /// In the ledger: an agency's replica says that what it had of it is gone.
    pub const TAKEN: &str = "erasure_taken";
    /// In a node's log: it has carried an erasure out.
    pub const DONE: &str = "erased";
}

/// Bytes of [`Erased`] entries one order may name, before base64: the event, with proof, must fit another event.
pub const ENTRIES_BYTES_MAX: usize = 24 * 1024;

/// What the order says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Number of the document.
    pub number: String,
    /// Who issued it.
    pub issuer: String,
    /// Its day, as days since 1970-01-01.
    pub date: i32,
    /// Why.
    pub reason: String,
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// The fields; none: the whole record.
    pub fields: Vec<String>,
}

impl Order {
    /// Whether what stands at a path is to go.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        if path.starts_with('_') {
            return self.fields.is_empty() && path == path::WHY;
        }
        let field = path.split_once('/').map_or(path, |(field, _)| field);
        self.fields.is_empty() || self.fields.iter().any(|wanted| wanted == field)
    }

    /// The fields of the event that proposes it.
    #[must_use]
    pub fn to_fields(&self) -> BTreeMap<String, Value> {
        let text = |text: &str| Value::Text(text.to_owned());
        BTreeMap::from([
            ("order".to_owned(), text(&self.number)),
            ("issuer".to_owned(), text(&self.issuer)),
            ("date".to_owned(), Value::Date(self.date)),
            ("reason".to_owned(), text(&self.reason)),
            ("record_type".to_owned(), text(&self.record_type)),
            ("record".to_owned(), Value::Reference(self.record)),
            ("fields".to_owned(), Value::List(self.fields.iter().map(|field| text(field)).collect())),
        ])
    }

    /// Reads what an event says of its order.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let (Some(Value::Date(date)), Some(Value::Reference(record)), Some(Value::List(fields))) =
            (event.fields.get("date"), event.fields.get("record"), event.fields.get("fields"))
        else {
            return None;
        };
        let fields = fields.iter().map(|field| match field {
            Value::Text(field) => Some(field.clone()),
            _ => None,
        });
        Some(Self {
            number: text("order")?,
            issuer: text("issuer")?,
            date: *date,
            reason: text("reason")?,
            record_type: text("record_type")?,
            record: *record,
            fields: fields.collect::<Option<_>>()?,
        })
    }

    /// What of a change the order takes, if it is of the record and anything is still there.
    #[must_use]
    pub fn taken(&self, entry: &Entry<'_>) -> Option<Erased> {
        let change = Change::of(entry).ok()?;
        if change.record != self.record || change.record_type != self.record_type {
            return None;
        }
        let commitments: BTreeSet<Digest> = entry.committed(|path| self.covers(path)).collect();
        (!commitments.is_empty()).then_some(Erased { dot: entry.header.dot, commitments })
    }
}

/// What goes of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The entry.
    pub dot: Dot,
    /// The commitments of its fields.
    pub commitments: BTreeSet<Digest>,
}

/// An erasure as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The order.
    pub order: Order,
    /// The units whose replicas may hold what is erased.
    pub units: BTreeSet<UnitCode>,
    /// What goes, by entry.
    pub entries: Vec<Erased>,
    /// When it was approved.
    pub at: UnixMillis,
}

const UNITS: &str = "units";
const ENTRIES: &str = "entries";

impl Erasure {
    /// The event that orders it; `proposal` is the ledger's entry that proposed it.
    #[must_use]
    pub fn to_event(&self, proposal: Sequence, actor: &str) -> Event {
        let mut fields = self.order.to_fields();
        let units = self.units.iter().cloned().map(Value::Unit).collect();
        fields.insert(UNITS.to_owned(), Value::List(units));
        fields.insert(ENTRIES.to_owned(), Value::Text(STANDARD.encode(encode_entries(&self.entries))));
        fields.insert("proposal".to_owned(), Value::Integer(i64::try_from(proposal.0).unwrap_or(i64::MAX)));
        Event { kind: event::ERASURE.to_owned(), at: self.at, actor: actor.to_owned(), fields }
    }

    /// Reads one; nothing for another event, or one that lacks a part.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Some(Value::List(units)) = event.fields.get(UNITS) else { return None };
        let units = units.iter().map(|unit| match unit {
            Value::Unit(unit) => Some(unit.clone()),
            _ => None,
        });
        let (units, entries) = (units.collect::<Option<_>>()?, entries_of(event)?);
        Some(Self { order: Order::of(event)?, units, entries, at: event.at })
    }

    /// Whether it names anything of an entry that can be read and that its order does not cover: another record, another
    /// field, or what says whose change it is.
    #[must_use]
    pub fn goes_beyond(&self, entry: &Entry<'_>) -> bool {
        let named = self.entries.iter().find(|erased| erased.dot == entry.header.dot);
        let Some(named) = named else { return false };
        let covered = self.order.taken(entry).map(|taken| taken.commitments).unwrap_or_default();
        entry.committed(|_| true).any(|it| named.commitments.contains(&it) && !covered.contains(&it))
    }

    /// Its name: the same wherever and however often a ledger says it.
    #[must_use]
    pub fn id(&self) -> String {
        let entries = encode_entries(&self.entries);
        let hash = sha256(&[&[0x04], self.order.number.as_bytes(), &[0], &self.order.record.0, &entries]);
        hex::encode(hash.split_at(16).0)
    }
}

/// What an erasure's event says goes; that is shown to everybody who sees one of the entries.
#[must_use]
pub fn entries_of(event: &Event) -> Option<Vec<Erased>> {
    if event.kind != event::ERASURE {
        return None;
    }
    let Some(Value::Text(entries)) = event.fields.get(ENTRIES) else { return None };
    decode_entries(&STANDARD.decode(entries).ok()?).ok()
}

/// The canonical bytes: replica ‖ u64 sequence ‖ varint n ‖ n × commitment, for each entry.
#[must_use]
pub fn encode_entries(entries: &[Erased]) -> Vec<u8> {
    let mut out = Writer::with_capacity(entries.len() * 64);
    for Erased { dot, commitments } in entries {
        out.raw(&dot.replica.0);
        out.u64(dot.sequence.0);
        out.varint(commitments.len() as u64);
        commitments.iter().for_each(|commitment| out.raw(commitment));
    }
    out.into_bytes()
}

/// Reads what [`encode_entries`] wrote.
///
/// # Errors
/// [`Malformed`] for other bytes.
pub fn decode_entries(bytes: &[u8]) -> Result<Vec<Erased>, Malformed> {
    let mut input = Reader::new(bytes);
    let mut entries: Vec<Erased> = Vec::new();
    while !input.is_empty() {
        let dot = Dot { replica: ReplicaId(input.array()?), sequence: Sequence(input.u64()?) };
        if entries.last().is_some_and(|last| last.dot >= dot) {
            return Err(Malformed("erased entries are not in order"));
        }
        let count = input.varint()?;
        if count == 0 || count > crate::limits::ENTRY_FIELDS_MAX as u64 {
            return Err(Malformed("erased fields of an entry"));
        }
        let commitments = (0..count).map(|_| input.array()).collect::<Result<_, _>>()?;
        entries.push(Erased { dot, commitments });
    }
    Ok(entries)
}

/// All that was erased, by entry: applied wherever an entry comes in or is read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErasedSet {
    by_dot: BTreeMap<Dot, BTreeSet<Digest>>,
}

impl ErasedSet {
    /// Adds what an erasure names.
    pub fn add(&mut self, entries: &[Erased]) {
        for Erased { dot, commitments } in entries {
            self.by_dot.entry(*dot).or_default().extend(commitments);
        }
    }

    /// Adds all of another.
    pub fn join(&mut self, other: Self) {
        for (dot, commitments) in other.by_dot {
            self.by_dot.entry(dot).or_default().extend(commitments);
        }
    }

    /// Whether nothing was erased.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_dot.is_empty()
    }

    /// What was erased of an entry.
    #[must_use]
    pub fn of(&self, dot: &Dot) -> Option<&BTreeSet<Digest>> {
        self.by_dot.get(dot)
    }

    /// Whether all of this was erased already.
    #[must_use]
    pub fn holds(&self, entries: &[Erased]) -> bool {
        entries
            .iter()
            .all(|erased| self.of(&erased.dot).is_some_and(|known| known.is_superset(&erased.commitments)))
    }

    /// An entry without what was erased of it; nothing if it has none of that.
    #[must_use]
    pub fn strip(&self, entry: &[u8]) -> Option<Vec<u8>> {
        let commitments = self.of(&header_of(entry).ok()?.dot)?;
        Entry::decode(entry).ok()?.erase(commitments)
    }

    /// A packed batch, or a piece of the feed, without what was erased of its entries; nothing if it has none of that.
    ///
    /// # Errors
    /// [`BatchError`] if it does not open, or does not fit a batch any more.
    pub fn strip_packed(&self, packed: &[u8]) -> Result<Option<Vec<u8>>, BatchError> {
        if self.is_empty() {
            return Ok(None);
        }
        let plain = batch::unpack(packed)?;
        let entries = batch::entries(&plain)?;
        let stripped: Vec<Option<Vec<u8>>> = entries.iter().map(|entry| self.strip(entry)).collect();
        if stripped.iter().all(Option::is_none) {
            return Ok(None);
        }
        let entries = entries.into_iter().zip(&stripped);
        let packed = batch::pack(entries.map(|(entry, stripped)| stripped.as_deref().unwrap_or(entry)))?;
        // What nobody could open again must not be written.
        batch::unpack(&packed)?;
        Ok(Some(packed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::change::{Context, Meta, Write};
    use crate::time::Hlc;

    const RECORD: RecordId = RecordId([9; 16]);

    fn change(sequence: u64, writes: &[(String, String)]) -> Change {
        let dot = Dot { replica: ReplicaId([3; 16]), sequence: Sequence(sequence) };
        let write = |(path, text): &(String, String)| Write {
            path: path.clone(),
            value: Value::Text(text.clone()),
            context: Context::default(),
        };
        Change {
            dot,
            record: RECORD,
            record_type: "dang_vien".into(),
            year: 2026,
            number: sequence,
            meta: Meta { hlc: Hlc(7), author: "lan".into(), catalogue: [1; 8] },
            origin: None,
            writes: writes.iter().map(write).collect(),
        }
    }

    fn order(fields: &[&str]) -> Order {
        Order {
            number: "12/QĐ".into(),
            issuer: "UBKT".into(),
            date: 20_000,
            reason: "sai người".into(),
            record_type: "dang_vien".into(),
            record: RECORD,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        }
    }

    fn set(erased: &[Erased]) -> ErasedSet {
        let mut set = ErasedSet::default();
        set.add(erased);
        set
    }

    proptest! {
        /// Goal: erasing keeps the leaf, loses the values, keeps every other field as it was, in any number of steps and
        /// in any order. Method: random changes, random fields of them, one order after another and the other way round.
        #[test]
        fn p5_an_erased_entry_keeps_its_leaf_and_all_else(
            fields in prop::collection::btree_map("[a-d](/k[1-3]/[xy])?", "[A-Z]{8}", 1..12),
            first in prop::collection::btree_set("[a-d]", 1..3),
            second in prop::collection::btree_set("[a-d]", 1..3),
        ) {
            let writes: Vec<(String, String)> = fields.into_iter().collect();
            let whole = change(4, &writes);
            let (bytes, leaf) = whole.build(&[8; 16]).unwrap();
            let names = |fields: &BTreeSet<String>| order(&fields.iter().map(String::as_str).collect::<Vec<_>>());
            let run = |orders: [&Order; 2]| {
                orders.into_iter().fold(bytes.clone(), |bytes, order| {
                    let taken = order.taken(&Entry::decode(&bytes).unwrap());
                    taken.and_then(|taken| set(&[taken]).strip(&bytes)).unwrap_or(bytes)
                })
            };
            let (one, two) = (names(&first), names(&second));
            let done = run([&one, &two]);
            prop_assert_eq!(&done, &run([&two, &one]));
            let entry = Entry::decode(&done).unwrap();
            prop_assert_eq!(entry.leaf_hash(), leaf);
            let left = Change::of(&entry).unwrap();
            let wanted: Vec<Write> = whole.writes.iter()
                .filter(|write| !one.covers(&write.path) && !two.covers(&write.path)).cloned().collect();
            prop_assert_eq!(&left.writes, &wanted);
            prop_assert_eq!((left.record, left.number, left.meta), (RECORD, 4, whole.meta));
            for (path, value) in &writes {
                let gone = one.covers(path) || two.covers(path);
                prop_assert_eq!(done.windows(value.len()).any(|bytes| bytes == value.as_bytes()),
                    writes.iter().any(|(other, same)| same == value && !(one.covers(other) || two.covers(other))), "{} {}", path, gone);
            }
            prop_assert!(one.taken(&entry).is_none(), "nothing is left to take");
        }
    }

    #[test]
    fn the_secret_goes_with_the_values() {
        let (bytes, _) =
            change(4, &[("a".into(), "x".into()), ("b".into(), "y".into())]).build(&[8; 16]).unwrap();
        let taken = order(&["a"]).taken(&Entry::decode(&bytes).unwrap()).unwrap();
        let done = set(&[taken]).strip(&bytes).unwrap();
        assert!(!done.windows(16).any(|window| window == [8; 16]), "a guess at the value could be tried");
    }

    /// Goal (P6): nothing goes but what the order says. Method: each readable field of an entry is named in turn.
    #[test]
    fn p6_an_erasure_names_what_its_order_covers_and_nothing_else() {
        let (bytes, _) =
            change(4, &[("a".into(), "x".into()), ("b".into(), "y".into())]).build(&[8; 16]).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let names = |order: &Order, path: &str| {
            let commitments = entry.committed(|it| it == path).collect();
            let entries = vec![Erased { dot: entry.header.dot, commitments }];
            Erasure { order: order.clone(), units: BTreeSet::new(), entries, at: UnixMillis(5) }
        };
        for (path, _) in entry.opened() {
            assert_eq!(names(&order(&["a"]), path).goes_beyond(&entry), path != "a", "{path}");
            let whole = names(&order(&[]), path).goes_beyond(&entry);
            assert_eq!(whole, path.starts_with('_') && path != path::WHY, "{path}");
            let other = Order { record: RecordId([1; 16]), ..order(&[]) };
            assert!(names(&other, path).goes_beyond(&entry), "{path}");
        }
    }

    #[test]
    fn an_erasure_comes_back_from_its_event() {
        let (bytes, _) = change(4, &[("a".into(), "x".into())]).build(&[8; 16]).unwrap();
        let order = order(&[]);
        let taken = order.taken(&Entry::decode(&bytes).unwrap()).unwrap();
        let erasure = Erasure {
            order,
            units: BTreeSet::from(["11953".parse().unwrap()]),
            entries: vec![taken],
            at: UnixMillis(5),
        };
        let event = erasure.to_event(Sequence(3), "hoa");
        assert_eq!(Erasure::of(&event).unwrap(), erasure);
        assert_eq!(Erasure::of(&event).unwrap().id(), erasure.id());
        assert!(Erasure::of(&Event { kind: event::PROPOSED.into(), ..event }).is_none());
    }

    #[test]
    fn p10_entries_that_are_none_are_refused() {
        let erased = |sequence| Erased {
            dot: Dot { replica: ReplicaId([3; 16]), sequence: Sequence(sequence) },
            commitments: BTreeSet::from([[7; 32]]),
        };
        let bytes = encode_entries(&[erased(1), erased(2)]);
        assert_eq!(decode_entries(&bytes).unwrap(), [erased(1), erased(2)]);
        assert!(decode_entries(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_entries(&encode_entries(&[erased(2), erased(1)])).is_err());
        assert!(decode_entries(&encode_entries(&[erased(2), erased(2)])).is_err());
    }

    #[test]
    fn a_batch_is_stripped_only_where_something_was_erased() {
        let entry = |sequence| change(sequence, &[("a".into(), "bimat".into())]).build(&[8; 16]).unwrap().0;
        let (one, two) = (entry(1), entry(2));
        let packed = batch::pack([&b"\x00notes"[..], &one, &two]).unwrap();
        let taken = order(&["a"]).taken(&Entry::decode(&two).unwrap()).unwrap();
        let set = set(&[taken]);
        let stripped = set.strip_packed(&packed).unwrap().unwrap();
        let plain = batch::unpack(&stripped).unwrap();
        let entries = batch::entries(&plain).unwrap();
        assert_eq!(entries[..2], [&b"\x00notes"[..], &one]);
        assert!(!entries[2].windows(5).any(|window| window == b"bimat"));
        assert!(set.strip_packed(&stripped).unwrap().is_none());
    }
}
