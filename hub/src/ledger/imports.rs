//! The last imports of a replica, as its node told of them: what kind of file, how many rows and which reason classes,
//! never a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Imports kept of one replica: about a month of one each working day, 2 KiB or so.
pub const IMPORTS_MAX: usize = 20;
/// Reason classes kept of one import, and characters of one: there are about sixty, and none is so long.
const REASONS_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 40;
const VERSION: u8 = 1;

/// What a unit's import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportLine {
    /// The entry that tells of it, in its replica's log.
    pub sequence: u64,
    /// When, by the node's clock.
    pub at: UnixMillis,
    /// The type that was read; empty if none was.
    pub record_type: String,
    /// The file's SHA-256.
    pub sha256: Option<Digest>,
    /// Whether the file was read to its end.
    pub whole: bool,
    /// Rows by what became of them.
    pub rows: RowCounts,
    /// How often each reason class was found; a row may have several.
    pub reasons: BTreeMap<String, u64>,
}

/// Rows of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts {
    /// Read.
    pub read: u64,
    /// New records.
    pub created: u64,
    /// Changed records.
    pub updated: u64,
    /// Records that are so already.
    pub unchanged: u64,
    /// Rows that stood twice.
    pub duplicates: u64,
    /// Rejected.
    pub rejected: u64,
}

/// The last imports of a replica, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imports(Arc<Vec<ImportLine>>);

/// What a view of before kept: the last import, without the file.
#[derive(Deserialize)]
struct Former {
    at: u64,
    rows: u64,
    rejected: u64,
    reasons: String,
}

impl ImportLine {
    /// What an event says of an import; nothing if it speaks of something else. What is no type, hash, count or class
    /// is not taken over, whatever a node may have written there.
    #[must_use]
    pub fn of(event: &Event, sequence: u64) -> Option<Self> {
        if event.kind != "import" {
            return None;
        }
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        let of_type = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let mut sha256 = Digest::default();
        let hashed = hex::decode_to_slice(text("sha256"), &mut sha256).is_ok();
        Some(Self {
            sequence,
            at: event.at,
            record_type: Some(text("type"))
                .filter(|name| is_name(name, of_type))
                .unwrap_or_default()
                .to_owned(),
            sha256: hashed.then_some(sha256),
            whole: event.fields.get("whole") != Some(&Value::Boolean(false)),
            rows: RowCounts {
                read: number("rows"),
                created: number("created"),
                updated: number("updated"),
                unchanged: number("unchanged"),
                duplicates: number("duplicates"),
                rejected: number("rejected"),
            },
            reasons: reasons_of(text("reasons")),
        })
    }

    /// The document of lists, status and the API.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let rows = &self.rows;
        json!({
            "at": self.at.rfc3339(), "type": self.record_type, "sha256": self.sha256.map(hex::encode),
            "whole": self.whole, "rows": rows.read, "created": rows.created, "updated": rows.updated,
            "unchanged": rows.unchanged, "duplicates": rows.duplicates, "rejected": rows.rejected,
            "reasons": self.reasons,
        })
    }

    fn encode(&self, out: &mut Writer) {
        out.varint(self.sequence);
        out.u64(self.at.0);
        out.text(&self.record_type);
        out.framed(self.sha256.as_ref().map_or(&[][..], |digest| &digest[..]));
        out.u8(u8::from(self.whole));
        let RowCounts { read, created, updated, unchanged, duplicates, rejected } = self.rows;
        [read, created, updated, unchanged, duplicates, rejected]
            .into_iter()
            .for_each(|count| out.varint(count));
        out.varint(self.reasons.len() as u64);
        for (class, count) in &self.reasons {
            out.text(class);
            out.varint(*count);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (sequence, at) = (input.varint()?, UnixMillis(input.u64()?));
        let record_type = input.text()?.to_owned();
        let sha256 = input.framed()?.try_into().ok();
        let whole = input.u8()? == 1;
        let rows = RowCounts {
            read: input.varint()?,
            created: input.varint()?,
            updated: input.varint()?,
            unchanged: input.varint()?,
            duplicates: input.varint()?,
            rejected: input.varint()?,
        };
        let mut reasons = BTreeMap::new();
        for _ in 0..input.varint()? {
            let class = input.text()?.to_owned();
            reasons.insert(class, input.varint()?);
        }
        Ok(Self { sequence, at, record_type, sha256, whole, rows, reasons })
    }
}

fn is_name(name: &str, fits: impl Fn(char) -> bool) -> bool {
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(fits)
}

/// `CLASS=n,CLASS=n`.
fn reasons_of(text: &str) -> BTreeMap<String, u64> {
    let of_class = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let pairs = text.split(',').filter_map(|reason| reason.split_once('='));
    let pairs = pairs.filter(|(class, _)| is_name(class, of_class));
    pairs
        .filter_map(|(class, count)| Some((class.to_owned(), count.parse().ok()?)))
        .take(REASONS_MAX)
        .collect()
}

impl Imports {
    /// All that are kept, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &ImportLine> {
        self.0.iter().rev()
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<&ImportLine> {
        self.0.last()
    }

    /// Takes one more in; one that is known already is not taken twice.
    pub(super) fn take_in(&mut self, line: ImportLine) {
        if self.last().is_some_and(|last| last.sequence >= line.sequence) {
            return;
        }
        let lines = Arc::make_mut(&mut self.0);
        lines.push(line);
        let surplus = lines.len().saturating_sub(IMPORTS_MAX);
        lines.drain(..surplus);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.varint(self.0.len() as u64);
        self.0.iter().for_each(|line| line.encode(&mut out));
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Ok(Self::of_before(bytes));
        }
        let mut lines = Vec::new();
        for _ in 0..input.varint()? {
            lines.push(ImportLine::decode(&mut input)?);
        }
        input.end()?;
        Ok(Self(Arc::new(lines)))
    }

    fn of_before(bytes: &[u8]) -> Self {
        let former: Option<Former> = serde_json::from_slice(bytes).ok().flatten();
        let line = former.map(|Former { at, rows, rejected, reasons }| ImportLine {
            at: UnixMillis(at),
            whole: true,
            rows: RowCounts { read: rows, rejected, ..RowCounts::default() },
            reasons: reasons_of(&reasons),
            ..ImportLine::default()
        });
        Self(Arc::new(line.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fields: &[(&str, Value)]) -> Event {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Event { kind: "import".to_owned(), at: UnixMillis(7), actor: "lan".to_owned(), fields }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn nothing_but_types_hashes_counts_and_classes_is_taken_over() {
        let stated = event(&[
            ("type", text("Nguyễn Văn An")),
            ("sha256", text("0912345678")),
            ("whole", Value::Boolean(false)),
            ("rows", Value::Integer(-5)),
            ("rejected", text("033075000001")),
            ("reasons", text("CCCD_FORMAT=2,Nguyễn Văn An=1,DUP=An,033075000001,=3,DATE_INVALID=1")),
            ("note", text("033075000001")),
        ]);
        let expected = ImportLine {
            sequence: 4,
            at: UnixMillis(7),
            reasons: BTreeMap::from([("CCCD_FORMAT".to_owned(), 2), ("DATE_INVALID".to_owned(), 1)]),
            ..ImportLine::default()
        };
        assert_eq!(ImportLine::of(&stated, 4), Some(expected));
        let other = Event { kind: "export".to_owned(), ..stated };
        assert_eq!(ImportLine::of(&other, 4), None);
    }

    #[test]
    fn the_last_are_kept_each_once_and_come_back_from_their_bytes() {
        let mut imports = Imports::default();
        for sequence in 1..=30 {
            let stated = event(&[
                ("type", text("dang_vien")),
                ("sha256", text(&"ab".repeat(32))),
                ("rows", Value::Integer(9)),
                ("rejected", Value::Integer(2)),
                ("reasons", text("CCCD_FORMAT=2")),
            ]);
            for _ in 0..2 {
                imports.take_in(ImportLine::of(&stated, sequence).unwrap());
            }
        }
        let kept: Vec<u64> = imports.iter().map(|line| line.sequence).collect();
        assert_eq!(kept, (11..=30).rev().collect::<Vec<_>>());
        assert_eq!(Imports::decode(&imports.encode()), Ok(imports));
    }

    #[test]
    fn a_view_of_before_still_has_the_last_import() {
        let former = br#"{"at":5,"rows":7,"rejected":3,"reasons":"DUP=3"}"#;
        let imports = Imports::decode(former).unwrap();
        let last = imports.last().unwrap();
        assert_eq!((last.at.0, last.rows.read, last.rows.rejected, last.reasons["DUP"]), (5, 7, 3, 3));
        assert_eq!(Imports::decode(b"null"), Ok(Imports::default()));
    }
}
