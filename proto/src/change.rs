//! A change: one write of some fields of one record, each with the context it was written in.

use crate::bytes::{Malformed, Reader, Writer};
use crate::entry::{BuildError, Entry, EntryKind, Fields, Header, build, encode};
use crate::hash::{Digest, hmac_sha256};
use crate::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use crate::time::Hlc;
use crate::value::Value;

/// Reserved paths of a change; the first five are facts of the change, the others registers.
pub mod path {
    /// The record's id.
    pub const ID: &str = "_id";
    /// The record's type.
    pub const TYPE: &str = "_type";
    /// Year of writing.
    pub const YEAR: &str = "_year";
    /// Gap-free number per replica and type.
    pub const NUMBER: &str = "_n";
    /// HLC, author, catalogue.
    pub const META: &str = "_meta";
    /// The old dot, of a change written again after a recovery.
    pub const ORIGIN: &str = "_origin";
    /// The owning unit.
    pub const UNIT: &str = "_unit";
    /// Withdrawal, with its reason.
    pub const WITHDRAWN: &str = "_withdrawn";
    /// Another record this one leads to: the province found them to be one.
    pub const INTO: &str = "_into";
    /// `_merged/ID`: another record leads here.
    pub const MERGED: &str = "_merged";
    /// `_apart/ID`: another record, like this one, is not the same.
    pub const APART: &str = "_apart";
    /// By which steps of the units the record came from which to which (see `lineage`).
    pub const LINEAGE: &str = "_lineage";
    /// Why the change was made, in its writer's words: of a decision, a transfer, a reopening.
    pub const WHY: &str = "_why";
}

/// What a write of a field had seen: for each replica the highest sequence of that field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context(Vec<(ReplicaId, u64)>);

impl Context {
    /// The context of the given pairs; the greatest sequence of a replica counts.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (ReplicaId, u64)>) -> Self {
        let mut context = Self::default();
        for (replica, sequence) in pairs {
            context.raise(replica, sequence);
        }
        context
    }

    /// The highest sequence seen of `replica`.
    #[must_use]
    pub fn seen(&self, replica: ReplicaId) -> Option<u64> {
        let at = self.0.binary_search_by_key(&replica, |pair| pair.0).ok()?;
        self.0.get(at).map(|pair| pair.1)
    }

    /// Whether the write at `dot` was seen.
    #[must_use]
    pub fn covers(&self, dot: &Dot) -> bool {
        self.seen(dot.replica).is_some_and(|seen| seen >= dot.sequence.0)
    }

    /// Raises `replica` to at least `sequence`.
    pub fn raise(&mut self, replica: ReplicaId, sequence: u64) {
        match self.0.binary_search_by_key(&replica, |pair| pair.0) {
            Ok(at) => {
                if let Some(pair) = self.0.get_mut(at) {
                    pair.1 = pair.1.max(sequence);
                }
            }
            Err(at) => self.0.insert(at, (replica, sequence)),
        }
    }

    /// The pairs, by replica.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many replicas it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends count, then replica and sequence of each, by replica.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.0.len() as u64);
        for (replica, sequence) in &self.0 {
            out.raw(&replica.0);
            out.varint(*sequence);
        }
    }

    /// Reads a context.
    ///
    /// # Errors
    /// [`Malformed`] if cut, out of order or with more than 64 replicas.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = input.varint()?;
        if count > crate::limits::REGISTER_REPLICAS_MAX as u64 {
            return Err(Malformed("context names too many replicas"));
        }
        let mut pairs: Vec<(ReplicaId, u64)> = Vec::new();
        for _ in 0..count {
            let replica = ReplicaId(input.array()?);
            if pairs.last().is_some_and(|last| last.0 >= replica) {
                return Err(Malformed("context is not in order"));
            }
            pairs.push((replica, input.varint()?));
        }
        Ok(Self(pairs))
    }
}

/// Who wrote a change, when, under which catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The writer's stamp.
    pub hlc: Hlc,
    /// The page user, API token name or operating-system user.
    pub author: String,
    /// The first 8 bytes of the catalogue's digest.
    pub catalogue: [u8; 8],
}

/// One field written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The register: `field`, `field/itemkey/subfield`, `_unit`, `_withdrawn`.
    pub path: String,
    /// The value stated.
    pub value: Value,
    /// What its writer had seen of this register.
    pub context: Context,
}

/// A change, readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it stands.
    pub dot: Dot,
    /// The record.
    pub record: RecordId,
    /// The record's type.
    pub record_type: String,
    /// Year of writing.
    pub year: u16,
    /// Its number among this replica's changes of the type, from 0.
    pub number: u64,
    /// Who, when, which catalogue.
    pub meta: Meta,
    /// The dot it had before a recovery.
    pub origin: Option<Dot>,
    /// What it writes.
    pub writes: Vec<Write>,
}

impl Change {
    /// The entry's bytes and leaf hash; `secret` must be fresh and random.
    ///
    /// # Errors
    /// [`BuildError`] if a limit is exceeded or a path stands twice.
    pub fn build(&self, secret: &[u8; 16]) -> Result<(Vec<u8>, Digest), BuildError> {
        build(self.header(), secret, self.fields())
    }

    /// The entry's bytes alone; see [`encode`].
    ///
    /// # Errors
    /// As [`Change::build`].
    pub fn encode(&self, secret: &[u8; 16]) -> Result<Vec<u8>, BuildError> {
        encode(self.header(), secret, self.fields())
    }

    fn header(&self) -> Header {
        Header { kind: EntryKind::Change, dot: self.dot }
    }

    fn fields(&self) -> Fields<'_> {
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        // In the order of their paths, as far as they are known here.
        let mut fields = Fields::with_capacity(self.writes.len() + 6);
        fields.push(path::ID, |out| Value::Reference(self.record).encode(out));
        fields.push(path::META, |out| {
            out.u64(self.meta.hlc.0);
            out.text(&self.meta.author);
            out.raw(&self.meta.catalogue);
        });
        fields.push(path::NUMBER, |out| Value::Integer(number).encode(out));
        if let Some(origin) = self.origin {
            fields.push(path::ORIGIN, |out| {
                out.raw(&origin.replica.0);
                out.u64(origin.sequence.0);
            });
        }
        fields.push(path::TYPE, |out| Value::encode_text(&self.record_type, out));
        fields.push(path::YEAR, |out| Value::Integer(i64::from(self.year)).encode(out));
        for write in &self.writes {
            fields.push(&write.path, |out| {
                write.value.encode(out);
                write.context.encode(out);
            });
        }
        fields
    }

    /// Reads the change of an entry.
    ///
    /// # Errors
    /// [`Malformed`] if the entry is no whole change or a content is not understood.
    pub fn of(entry: &Entry<'_>) -> Result<Self, Malformed> {
        if entry.header.kind != EntryKind::Change {
            return Err(Malformed("not a change"));
        }
        let mut facts = Facts::default();
        let mut writes = Vec::with_capacity(entry.parts().len());
        for (name, content) in entry.opened() {
            let mut input = Reader::new(content);
            match name {
                path::ID => facts.record = Some(Value::decode(&mut input)?),
                path::TYPE => facts.record_type = Some(Value::decode(&mut input)?),
                path::YEAR => facts.year = Some(Value::decode(&mut input)?),
                path::NUMBER => facts.number = Some(Value::decode(&mut input)?),
                path::META => {
                    let hlc = Hlc(input.u64()?);
                    let author = input.text()?.to_owned();
                    facts.meta = Some(Meta { hlc, author, catalogue: input.array()? });
                }
                path::ORIGIN => {
                    let replica = ReplicaId(input.array()?);
                    facts.origin = Some(Dot { replica, sequence: Sequence(input.u64()?) });
                }
                _ => {
                    let value = Value::decode(&mut input)?;
                    let context = Context::decode(&mut input)?;
                    writes.push(Write { path: name.to_owned(), value, context });
                }
            }
            input.end()?;
        }
        facts.change(entry.header.dot, writes)
    }

    /// The owning unit this change states, if it does.
    #[must_use]
    pub fn unit(&self) -> Option<&UnitCode> {
        self.writes.iter().find(|write| write.path == path::UNIT).and_then(|write| match &write.value {
            Value::Unit(unit) => Some(unit),
            _ => None,
        })
    }
}

#[derive(Default)]
struct Facts {
    record: Option<Value>,
    record_type: Option<Value>,
    year: Option<Value>,
    number: Option<Value>,
    meta: Option<Meta>,
    origin: Option<Dot>,
}

impl Facts {
    fn change(self, dot: Dot, writes: Vec<Write>) -> Result<Change, Malformed> {
        let Some(Value::Reference(record)) = self.record else {
            return Err(Malformed("_id"));
        };
        let Some(Value::Text(record_type)) = self.record_type else {
            return Err(Malformed("_type"));
        };
        let Some(Value::Integer(year)) = self.year else {
            return Err(Malformed("_year"));
        };
        let Some(Value::Integer(number)) = self.number else {
            return Err(Malformed("_n"));
        };
        let year = u16::try_from(year).map_err(|_| Malformed("_year"))?;
        let number = u64::try_from(number).map_err(|_| Malformed("_n"))?;
        let meta = self.meta.ok_or(Malformed("_meta"))?;
        Ok(Change { dot, record, record_type, year, number, meta, origin: self.origin, writes })
    }
}

/// A record's id: first 16 bytes of HMAC-SHA-256(provincial key, length-framed type and key values).
///
/// `unit` is given for types whose key is unique only within the owning unit.
#[must_use]
pub fn record_id(
    provincial_key: &[u8],
    record_type: &str,
    unit: Option<&UnitCode>,
    key: &[String],
) -> RecordId {
    let mut out = Writer::default();
    out.text(record_type);
    out.text(unit.map_or("", UnitCode::as_str));
    for value in key {
        out.text(value);
    }
    let hash = hmac_sha256(provincial_key, &[out.as_slice()]);
    let mut id = [0; 16];
    id.copy_from_slice(hash.split_at(16).0);
    RecordId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Change {
        Change {
            dot: Dot { replica: ReplicaId([3; 16]), sequence: Sequence(4) },
            record: RecordId([9; 16]),
            record_type: "dang_vien".into(),
            year: 2026,
            number: 2,
            meta: Meta { hlc: Hlc(77), author: "lan".into(), catalogue: [1; 8] },
            origin: None,
            writes: vec![
                Write {
                    path: "_unit".into(),
                    value: Value::Unit("11953".parse().unwrap()),
                    context: Context::default(),
                },
                Write {
                    path: "ho_ten".into(),
                    value: Value::Text("Nguyễn Văn An".into()),
                    context: Context::new([(ReplicaId([3; 16]), 1)]),
                },
            ],
        }
    }

    #[test]
    fn a_change_comes_back_whole() {
        let (bytes, leaf) = change().build(&[8; 16]).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        assert_eq!(entry.leaf_hash(), leaf);
        assert_eq!(Change::of(&entry).unwrap(), change());
    }

    #[test]
    fn ids_meet_for_equal_keys_and_keep_units_apart_where_told() {
        let key = ["033099000001".to_owned()];
        let unit: UnitCode = "11953".parse().unwrap();
        assert_eq!(record_id(b"k", "dang_vien", None, &key), record_id(b"k", "dang_vien", None, &key));
        assert_ne!(record_id(b"k", "don_thu", Some(&unit), &key), record_id(b"k", "don_thu", None, &key));
        let split = ["0330".to_owned(), "99000001".to_owned()];
        assert_ne!(record_id(b"k", "dang_vien", None, &split), record_id(b"k", "dang_vien", None, &key));
    }
}
