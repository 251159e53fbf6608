//! Rows through the judge, doubles marked by their hashes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;

use lienthong_proto::bytes::Writer;
use lienthong_proto::catalogue::{Class, KeyScope, RecordType};
use lienthong_proto::hash::sha256;
use serde_json::{Map, Value};

use super::cell::finding;
use super::header::{self, Header};
use super::source::{Row, RowSink};
use super::{FileRefusal, Finding, Format, Judge, RawCell, RowJudgement, Source, jsonl};
use lienthong_proto::text::fold;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be written.
    Good,
    /// Equal to an earlier row; dropped.
    Duplicate {
        /// The row it equals.
        of: u64,
    },
    /// Not written, for the judgement's errors.
    Rejected,
}

/// One row that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedRow {
    /// As the spreadsheet shows it; of JSON the line.
    pub row: u64,
    /// Its values and what is wrong with it.
    pub judgement: RowJudgement,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSummary {
    /// SHA-256 of the file; zeros for values that came in no file.
    pub sha256: [u8; 32],
    /// Rows judged: good, duplicate and rejected.
    pub rows: u64,
    /// Rows dropped as equal to an earlier one.
    pub duplicates: u64,
    /// Rows with errors.
    pub rejected: u64,
    /// Totals, notes, groups and other rows that are no records.
    pub skipped: u64,
    /// Findings by reason class.
    pub classes: BTreeMap<String, u64>,
    /// What to say about the file as a whole.
    pub warnings: Vec<Finding>,
}

/// Reads a file's rows in order, each handed to `sink` once judged.
///
/// # Errors
/// [`FileRefusal`] when no header with the key's columns is found or the container breaks midway; what
/// went to `sink` before a break must then be thrown away.
pub fn read(
    source: &Source,
    record_type: &RecordType,
    judge: &mut dyn Judge,
    sink: &mut dyn FnMut(CapturedRow),
) -> Result<FileSummary, FileRefusal> {
    let mut desk = Desk::new(record_type, judge, sink);
    desk.summary.sha256 = source.sha256;
    if source.format == Format::Jsonl {
        let file = BufReader::new(File::open(&source.path)?);
        jsonl::lines(file, &mut |line, object| desk.object(line, object))?;
        return Ok(desk.summary);
    }
    let mut header = header::find(source, record_type)?;
    for warning in std::mem::take(&mut header.warnings) {
        desk.warn(warning);
    }
    let sheet = header.sheet.clone();
    let mut table = Table { header, desk };
    source.rows(&sheet, &mut table)?;
    Ok(table.desk.summary)
}

/// Judges JSON values as a file's lines; what is no object is a bad line.
pub fn read_json_values(
    values: impl IntoIterator<Item = Value>,
    record_type: &RecordType,
    judge: &mut dyn Judge,
    sink: &mut dyn FnMut(CapturedRow),
) -> FileSummary {
    let mut desk = Desk::new(record_type, judge, sink);
    for (line, value) in (1..).zip(values) {
        desk.object(line, if let Value::Object(object) = value { Some(object) } else { None });
    }
    desk.summary
}

struct Desk<'a> {
    record_type: &'a RecordType,
    judge: &'a mut dyn Judge,
    sink: &'a mut dyn FnMut(CapturedRow),
    /// Of each good row's key: the hash of its content, and its number.
    seen: HashMap<[u8; 16], ([u8; 16], u64)>,
    said: BTreeSet<String>,
    summary: FileSummary,
}

impl<'a> Desk<'a> {
    fn new(
        record_type: &'a RecordType,
        judge: &'a mut dyn Judge,
        sink: &'a mut dyn FnMut(CapturedRow),
    ) -> Self {
        let (seen, said) = (HashMap::new(), BTreeSet::new());
        Self { record_type, judge, sink, seen, said, summary: FileSummary::default() }
    }

    fn count(&mut self, rule: &str) {
        *self.summary.classes.entry(rule.to_owned()).or_default() += 1;
    }

    fn warn(&mut self, warning: Finding) {
        self.count(&warning.rule);
        self.summary.warnings.push(warning);
    }

    fn object(&mut self, line: u64, object: Option<Map<String, Value>>) {
        let Some(mut object) = object else {
            let error = finding(
                "LINE_SYNTAX",
                None,
                "Dòng không phải một đối tượng JSON hợp lệ (tối đa 64 KiB)".to_owned(),
                "the line is not one JSON object of at most 64 KiB".to_owned(),
            );
            return self.finish(line, RowJudgement { errors: vec![error], ..RowJudgement::default() });
        };
        // Our own exports hold the values under `fields`.
        if let Some(Value::Object(fields)) = object.get_mut("fields") {
            object = std::mem::take(fields);
        }
        let mut cells: Vec<(String, RawCell)> = Vec::new();
        let mut twice = None;
        for (name, value) in &object {
            match header::field_of(self.record_type, name) {
                Some(field) if field.class == Class::C4 => self.say_once(name, Some(header::omitted(field))),
                Some(field) if cells.iter().any(|(other, _)| *other == field.name) => {
                    twice = Some(field.name.clone())
                }
                Some(field) => cells.push((field.name.clone(), jsonl::raw(value))),
                // A bounded memory: a hostile file may name a new key on every line.
                None if self.said.len() < 1_000 => {
                    self.say_once(name, header::unknown(self.record_type, name))
                }
                None => {}
            }
        }
        let mut judgement = self.judge.judge(self.record_type, &cells);
        if let Some(name) = twice {
            let vi = "Trường được ghi hai lần trong một dòng".to_owned();
            judgement.errors.push(finding("ROW_SHAPE", Some(&name), vi, "the field stands twice".to_owned()));
        }
        self.finish(line, judgement);
    }

    fn say_once(&mut self, name: &str, warning: Option<Finding>) {
        if self.said.insert(name.to_owned())
            && let Some(warning) = warning
        {
            self.warn(warning);
        }
    }

    fn finish(&mut self, row: u64, mut judgement: RowJudgement) {
        self.summary.rows += 1;
        let mut verdict = Verdict::Good;
        if judgement.errors.is_empty() {
            let (key, content) = self.hashes(&judgement);
            match self.seen.get(&key) {
                None => {
                    self.seen.insert(key, (content, row));
                }
                Some((other, of)) if *other == content => verdict = Verdict::Duplicate { of: *of },
                Some((_, of)) => judgement.errors.push(finding(
                    "DUP_KEY_CONFLICT",
                    self.record_type.key.fields.first().map(String::as_str),
                    format!("Trùng khóa với dòng {of} nhưng khác nội dung; dòng {of} được giữ"),
                    format!("same key as row {of} with other content; row {of} was kept"),
                )),
            }
        }
        if !judgement.errors.is_empty() {
            verdict = Verdict::Rejected;
            self.summary.rejected += 1;
        }
        if matches!(verdict, Verdict::Duplicate { .. }) {
            self.summary.duplicates += 1;
            self.count("DUP");
        }
        for found in judgement.errors.iter().chain(&judgement.warnings) {
            *self.summary.classes.entry(found.rule.clone()).or_default() += 1;
        }
        (self.sink)(CapturedRow { row, judgement, verdict });
    }

    fn hashes(&self, judgement: &RowJudgement) -> ([u8; 16], [u8; 16]) {
        let mut key = Writer::default();
        if self.record_type.key.scope == KeyScope::Unit {
            key.text(judgement.unit.as_ref().map_or("", |unit| unit.as_str()));
        }
        for name in &self.record_type.key.fields {
            judgement.values.get(name).unwrap_or(&lienthong_proto::value::Value::Null).encode(&mut key);
        }
        let mut content = Writer::default();
        for (name, value) in &judgement.values {
            content.text(name);
            value.encode(&mut content);
        }
        (half(&sha256(&[&key.into_bytes()])), half(&sha256(&[&content.into_bytes()])))
    }
}

fn half(digest: &[u8; 32]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}

struct Table<'a> {
    header: Header,
    desk: Desk<'a>,
}

impl RowSink for Table<'_> {
    /// A column without a field (C4 has none here) is read only where it may tell a total from a record.
    fn wants(&self, column: u32) -> bool {
        self.header.columns.contains_key(&column) || column == 0 && !self.header.omitted.contains(&column)
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        if row.number <= self.header.row {
            return ControlFlow::Continue(());
        }
        if self.is_no_record(&row) {
            self.desk.summary.skipped += 1;
            return ControlFlow::Continue(());
        }
        let mut cells: Vec<(String, RawCell)> = Vec::with_capacity(row.cells.len());
        for name in self.header.columns.values() {
            cells.push((name.clone(), RawCell::Empty));
        }
        let too_wide = row.last > self.header.last;
        for (column, cell) in row.cells {
            let name = self.header.columns.get(&column);
            if let Some(slot) = cells.iter_mut().find(|(other, _)| Some(other) == name) {
                slot.1 = cell;
            }
        }
        let mut judgement = self.desk.judge.judge(self.desk.record_type, &cells);
        if too_wide {
            let vi = "Dòng có nhiều ô hơn tiêu đề; kiểm tra dấu ngăn cách".to_owned();
            let en = "the row has more cells than the header; look for a stray separator".to_owned();
            judgement.errors.push(finding("ROW_SHAPE", None, vi, en));
        }
        self.desk.finish(row.number, judgement);
        ControlFlow::Continue(())
    }
}

impl Table<'_> {
    fn is_no_record(&self, row: &Row) -> bool {
        let is_key = |column: &u32| {
            self.header
                .columns
                .get(column)
                .is_some_and(|name| self.desk.record_type.key.fields.contains(name))
        };
        let fields = row.cells.iter().filter(|(column, _)| self.header.columns.contains_key(column)).count();
        if fields == 0 || row.number <= self.header.row + 2 && numbers_columns(row) {
            return true;
        }
        let Some((first, cell)) = row.cells.first() else {
            return true;
        };
        let keyed = row.cells.iter().any(|(column, _)| column != first && is_key(column));
        let RawCell::Text(text) = cell else { return false };
        let lower = text.trim().to_lowercase();
        // "Cộng" keeps its marks here, composed or not: folded, "Công ty" would be a total too.
        let total = ["c\u{1ed9}ng", "co\u{323}\u{302}ng"].iter().any(|word| lower.starts_with(word));
        let text = fold(text);
        let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        if keyed {
            return false;
        }
        if is_key(first) {
            // Here the first cell may be a record's own name, so only what can be no name counts.
            return matches!(text.trim_end_matches(':'), "cong" | "tong cong" | "tong so");
        }
        let alone = row.cells.len() == 1 && self.header.columns.len() > 1;
        alone || total || starts(&["tong cong", "tong so", "ghi chu", "nguoi lap", "noi nhan", "ky ten"])
    }
}

/// The row under a header that numbers its columns: 1, 2, 3 … or (1), (2), (3) …
fn numbers_columns(row: &Row) -> bool {
    let numbers: Option<Vec<u32>> = row
        .cells
        .iter()
        .map(|(_, cell)| match cell {
            RawCell::Text(text) => text.trim().trim_matches(['(', ')']).parse().ok(),
            RawCell::Number(number) => (1..=512).find(|whole| f64::from(*whole) == *number),
            _ => None,
        })
        .collect();
    numbers.is_some_and(|all| {
        all.len() >= 3 && all.iter().zip(all.iter().skip(1)).all(|(a, b)| a.checked_add(1) == Some(*b))
    })
}
