//! Rows of one file that speak of the same record.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;

use lienthong_proto::bytes::Writer;
use lienthong_proto::catalogue::{KeyScope, RecordType};
use lienthong_proto::hash::sha256;
use lienthong_proto::value::Value;

use super::cell::finding;
use super::remembered::{Keyed, Place, Remembered, Sheets};
use super::{Finding, RowJudgement};

/// A record or an item. A million of them are remembered while a sheet is read: no byte more than it takes to tell
/// them apart.
type Key = [u8; 12];
/// What a row states of it, told from what other rows state of the same: by a hash that nobody outside can aim at.
type Content = [u8; 8];

/// A statement, and the row that made it first.
struct Seen {
    key: Key,
    content: Content,
    place: Place,
}

impl Keyed for Seen {
    type Key = Key;

    fn key(&self) -> &Key {
        &self.key
    }
}

/// Remembers each good row by hashes: of its record, and of each item it states.
pub(crate) struct Doubles<'a> {
    record_type: &'a RecordType,
    seen: Remembered<Seen>,
    contents: RandomState,
    sheets: Sheets,
}

impl<'a> Doubles<'a> {
    pub(crate) fn new(record_type: &'a RecordType) -> Self {
        let (seen, contents, sheets) = Default::default();
        Self { record_type, seen, contents, sheets }
    }

    /// The earlier row this one equals, if any. Rows that state other items of one record add up.
    ///
    /// # Errors
    /// `DUP_KEY_CONFLICT` if an earlier row states the same record or item otherwise.
    pub(crate) fn note(
        &mut self,
        row: u64,
        sheet: Option<&Arc<str>>,
        judgement: &RowJudgement,
    ) -> Result<Option<u64>, Finding> {
        let place = self.sheets.place(row, sheet);
        let statements = self.statements(judgement);
        let (mut news, mut of) = (false, None);
        for (key, content) in &statements {
            match self.seen.get(key) {
                None => news = true,
                Some(seen) if seen.content == *content => of = of.or(Some(u64::from(seen.place.row()))),
                Some(seen) => return Err(self.conflict(seen.place)),
            }
        }
        if !news {
            return Ok(of);
        }
        for (key, content) in statements {
            self.seen.insert(Seen { key, content, place });
        }
        Ok(None)
    }

    fn conflict(&self, place: Place) -> Finding {
        let row = place.row();
        let (vi, en) = match self.sheets.name(place) {
            Some(sheet) => (format!(" (trang “{sheet}”)"), format!(" (sheet “{sheet}”)")),
            None => Default::default(),
        };
        finding(
            "DUP_KEY_CONFLICT",
            self.record_type.key.fields.first().map(String::as_str),
            format!("Trùng khóa với dòng {row}{vi} nhưng khác nội dung; dòng {row} được giữ"),
            format!("same key as row {row}{en} with other content; row {row} was kept"),
        )
    }

    /// The record's own content under its key, then each item's under the key of both.
    fn statements(&self, judgement: &RowJudgement) -> Vec<(Key, Content)> {
        let mut key = Writer::with_capacity(64);
        if self.record_type.key.scope == KeyScope::Unit {
            key.text(judgement.unit.as_ref().map_or("", |unit| unit.as_str()));
        }
        for name in &self.record_type.key.fields {
            judgement.values.get(name).unwrap_or(&Value::Null).encode(&mut key);
        }
        let key = key.into_bytes();
        let mut own = self.contents.build_hasher();
        let mut items: Vec<(&str, DefaultHasher)> = Vec::new();
        let mut lowered = String::new();
        for (path, value) in &judgement.values {
            let content = match path.rsplit_once('/') {
                None => &mut own,
                // Paths come in order, so an item's stand together.
                Some((item, _)) => {
                    if items.last().is_none_or(|(last, _)| *last != item) {
                        items.push((item, self.contents.build_hasher()));
                    }
                    items.last_mut().map_or(&mut own, |(_, content)| content)
                }
            };
            path.hash(content);
            // However it is written, large or small, it says the same.
            match value {
                Value::Text(text) => {
                    lower(text, &mut lowered);
                    lowered.hash(content);
                }
                other => other.hash(content),
            }
        }
        let mut statements = vec![(part(&[&key]), own.finish().to_ne_bytes())];
        for (item, content) in items {
            statements.push((part(&[&key, &[0], item.as_bytes()]), content.finish().to_ne_bytes()));
        }
        statements
    }
}

fn lower(text: &str, into: &mut String) {
    into.clear();
    if text.is_ascii() {
        into.push_str(text);
        into.make_ascii_lowercase();
    } else {
        for c in text.chars() {
            if c.is_ascii() { into.push(c.to_ascii_lowercase()) } else { into.extend(c.to_lowercase()) }
        }
    }
}

fn part(parts: &[&[u8]]) -> Key {
    sha256(parts).first_chunk().copied().unwrap_or_default()
}
