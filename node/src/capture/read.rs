//! Rows through the judge, doubles marked by their hashes.
//!
//! Reading and judging go on in a thread of their own, while the caller writes what was judged before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use lienthong_proto::catalogue::{Class, FieldKind, RecordType};
use serde_json::{Map, Value};

use super::cell::finding;
use super::doubles::Doubles;
use super::header::{self, Header, Scouted};
use super::source::{Book, Row, RowSink, Spans};
use super::{FileRefusal, Finding, Format, Judge, RawCell, RowJudgement, Source, jsonl};
use lienthong_proto::text::{Lettering, fold, restore_formula};
use lienthong_proto::value::Value as FieldValue;

/// Rows handed over at once between the threads.
const BATCH: usize = 256;
/// Bytes of values handed over at once: rows of long texts make smaller batches.
const BATCH_BYTES: usize = 512 << 10;
/// Batches that may wait between them.
const BATCHES_WAITING: usize = 8;
/// Names of unknown keys remembered: a hostile file may name a new one on every line.
const NAMES_MAX: usize = 1_000;

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
    /// Its sheet, where more than one is read.
    pub sheet: Option<Arc<str>>,
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
    /// A column of class C4 was left out: the file itself must not be kept.
    pub omitted: bool,
}

/// Reads a file's rows in order, each handed to `sink` once judged.
///
/// # Errors
/// [`FileRefusal`] when no header with the key's columns is found or the container breaks midway; what
/// went to `sink` before a break must then be thrown away.
pub fn read(
    source: &Source,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow),
) -> Result<FileSummary, FileRefusal> {
    let sink = &mut |row| {
        sink(row);
        ControlFlow::Continue(())
    };
    Ok(read_while(source, record_type, judge, sink)?.unwrap_or_default())
}

/// As [`read`], as long as `sink` says so: after its `Break` no more is read, and there is no summary.
///
/// # Errors
/// As [`read`].
pub fn read_while(
    source: &Source,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow) -> ControlFlow<()>,
) -> Result<Option<FileSummary>, FileRefusal> {
    let mut desk = Desk::new(record_type, sink);
    desk.summary.sha256 = source.sha256;
    let (sender, judged) = sync_channel::<Vec<Judged>>(BATCHES_WAITING);
    let told = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut reader = RowReader::new(record_type, judge, Some(sender));
            reader.file(source)?;
            Ok::<Told, FileRefusal>(reader.end())
        });
        // The loop ends by dropping the receiver, which stops the reader.
        let stopped = judged.into_iter().flatten().any(|row| desk.finish(row).is_break());
        let broken = |_| FileRefusal::Corrupt("its parts contradict each other".to_owned());
        let told = reading.join().map_err(broken)?;
        if stopped { Ok(None) } else { told.map(Some) }
    })?;
    let Some(told) = told else { return Ok(None) };
    desk.told(told);
    Ok(Some(desk.summary))
}

/// Judges JSON values as a file's lines; what is no object is a bad line.
pub fn read_json_values(
    values: impl IntoIterator<Item = Value>,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow),
) -> FileSummary {
    let sink = &mut |row| {
        sink(row);
        ControlFlow::Continue(())
    };
    let mut desk = Desk::new(record_type, sink);
    let mut reader = RowReader::new(record_type, judge, None);
    for (line, value) in (1..).zip(values) {
        let _ = reader.object(line, if let Value::Object(object) = value { Some(object) } else { None });
        for row in std::mem::take(&mut reader.batch) {
            let _ = desk.finish(row);
        }
    }
    desk.told(reader.end());
    desk.summary
}

/// A judged row on its way to the desk.
struct Judged {
    sheet: Option<Arc<str>>,
    row: u64,
    judgement: RowJudgement,
}

/// What the reader has to say besides rows.
#[derive(Default)]
struct Told {
    skipped: u64,
    warnings: Vec<Finding>,
    omitted: bool,
}

/// Reads and judges.
struct RowReader<'a> {
    record_type: &'a RecordType,
    judge: &'a mut (dyn Judge + Send),
    sender: Option<SyncSender<Vec<Judged>>>,
    batch: Vec<Judged>,
    batch_bytes: usize,
    said: BTreeSet<String>,
    told: Told,
}

impl<'a> RowReader<'a> {
    fn new(
        record_type: &'a RecordType,
        judge: &'a mut (dyn Judge + Send),
        sender: Option<SyncSender<Vec<Judged>>>,
    ) -> Self {
        let (said, told) = (BTreeSet::new(), Told::default());
        Self { record_type, judge, sender, batch: Vec::new(), batch_bytes: 0, said, told }
    }

    fn file(&mut self, source: &Source) -> Result<(), FileRefusal> {
        if source.format == Format::Jsonl {
            let file = BufReader::new(File::open(&source.path)?);
            return jsonl::lines(file, &mut |line, object| self.object(line, object));
        }
        let mut book = Book::open(source)?;
        let layout = Scouted::of(source, &mut book)?.layout(self.record_type)?;
        self.told.warnings = layout.warnings;
        let several = layout.sheets.len() > 1;
        for header in layout.sheets {
            self.told.omitted |= !header.omitted.is_empty();
            let name = header.sheet.clone();
            let sheet = several.then(|| Arc::from(name.as_str()));
            let mut table = Table::new(header, layout.lettering, sheet, self);
            book.rows(&name, &mut table)?;
            if table.stopped {
                break;
            }
        }
        Ok(())
    }

    fn end(mut self) -> Told {
        let _ = self.flush();
        self.told
    }

    /// `Break` once nobody takes rows any more.
    fn flush(&mut self) -> ControlFlow<()> {
        let Some(sender) = &self.sender else { return ControlFlow::Continue(()) };
        self.batch_bytes = 0;
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if sender.send(batch).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn push(&mut self, sheet: Option<Arc<str>>, row: u64, judgement: RowJudgement) -> ControlFlow<()> {
        self.batch_bytes += judgement.values.values().map(FieldValue::text_bytes).sum::<usize>();
        self.batch.push(Judged { sheet, row, judgement });
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
            return self.flush();
        }
        ControlFlow::Continue(())
    }

    fn object(&mut self, line: u64, object: Option<Map<String, Value>>) -> ControlFlow<()> {
        let Some(mut object) = object else {
            let error = finding(
                "LINE_SYNTAX",
                None,
                "Dòng không phải một đối tượng JSON hợp lệ (tối đa 64 KiB)".to_owned(),
                "the line is not one JSON object of at most 64 KiB".to_owned(),
            );
            return self.push(None, line, RowJudgement { errors: vec![error], ..RowJudgement::default() });
        };
        // Our own exports hold the values under `fields`.
        if let Some(Value::Object(fields)) = object.get_mut("fields") {
            object = std::mem::take(fields);
        }
        let mut twice = None;
        let mut items: Vec<Vec<(String, RawCell)>> = Vec::new();
        let mut own: Vec<(String, RawCell)> = Vec::new();
        for (name, value) in &object {
            let of_items = self.record_type.fields.iter().find(|field| field.name == *name);
            if let (Some(FieldKind::Items), Value::Array(values)) = (of_items.map(|field| field.kind), value)
            {
                for item in values.iter().filter_map(Value::as_object) {
                    let mut cells = Vec::new();
                    item.iter().for_each(|(name, value)| self.key(name, value, &mut cells, &mut twice));
                    items.push(cells);
                }
            } else {
                self.key(name, value, &mut own, &mut twice);
            }
        }
        let mut judgement = self.judge.judge(self.record_type, &own);
        // Each item is judged beside the record's own values, as if it stood in a row of its own.
        for mut item in items {
            item.extend(own.iter().cloned());
            let with_item = self.judge.judge(self.record_type, &item);
            judgement.values.extend(with_item.values);
            let news = |all: &[Finding], one: Vec<Finding>| {
                one.into_iter().filter(|found| !all.contains(found)).collect::<Vec<_>>()
            };
            let (errors, warnings) =
                (news(&judgement.errors, with_item.errors), news(&judgement.warnings, with_item.warnings));
            judgement.errors.extend(errors);
            judgement.warnings.extend(warnings);
        }
        if let Some(name) = twice {
            let vi = "Trường được ghi hai lần trong một dòng".to_owned();
            judgement.errors.push(finding("ROW_SHAPE", Some(&name), vi, "the field stands twice".to_owned()));
        }
        self.push(None, line, judgement)
    }

    fn key(
        &mut self,
        name: &str,
        value: &Value,
        cells: &mut Vec<(String, RawCell)>,
        twice: &mut Option<String>,
    ) {
        match header::field_of(self.record_type, name) {
            Some(field) if field.class == Class::C4 => {
                self.told.omitted = true;
                self.say_once(name, Some(header::omitted(field)));
            }
            Some(field) if cells.iter().any(|(other, _)| *other == field.name) => {
                *twice = Some(field.name.clone());
            }
            Some(field) => cells.push((field.name.clone(), jsonl::raw(value))),
            None if self.said.len() < NAMES_MAX => {
                self.say_once(name, header::unknown(self.record_type, name));
            }
            None => {}
        }
    }

    fn say_once(&mut self, name: &str, warning: Option<Finding>) {
        if self.said.insert(name.to_owned()) {
            self.told.warnings.extend(warning);
        }
    }
}

/// Counts, and tells doubles.
struct Desk<'a> {
    doubles: Doubles<'a>,
    sink: &'a mut dyn FnMut(CapturedRow) -> ControlFlow<()>,
    summary: FileSummary,
}

impl<'a> Desk<'a> {
    fn new(record_type: &'a RecordType, sink: &'a mut dyn FnMut(CapturedRow) -> ControlFlow<()>) -> Self {
        Self { doubles: Doubles::new(record_type), sink, summary: FileSummary::default() }
    }

    fn count(&mut self, rule: &str) {
        if let Some(count) = self.summary.classes.get_mut(rule) {
            *count += 1;
        } else {
            self.summary.classes.insert(rule.to_owned(), 1);
        }
    }

    fn told(&mut self, told: Told) {
        for warning in &told.warnings {
            self.count(&warning.rule);
        }
        self.summary.skipped = told.skipped;
        self.summary.omitted = told.omitted;
        self.summary.warnings = told.warnings;
    }

    fn finish(&mut self, judged: Judged) -> ControlFlow<()> {
        let Judged { sheet, row, mut judgement } = judged;
        self.summary.rows += 1;
        let mut verdict = Verdict::Good;
        if judgement.errors.is_empty() {
            match self.doubles.note(row, sheet.as_ref(), &judgement) {
                Ok(None) => {}
                Ok(Some(of)) => verdict = Verdict::Duplicate { of },
                Err(conflict) => judgement.errors.push(conflict),
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
            self.count(&found.rule);
        }
        (self.sink)(CapturedRow { sheet, row, judgement, verdict })
    }
}

/// One sheet's rows below its header.
struct Table<'a, 'b> {
    header: Header,
    lettering: Lettering,
    sheet: Option<Arc<str>>,
    reader: &'a mut RowReader<'b>,
    spans: Spans,
    /// What each column is, as far as the last with a field.
    columns: Vec<Column>,
    /// The row's cells by field name, in the order of the columns: the names stay, the cells change.
    cells: Vec<(String, RawCell)>,
    /// Nobody takes rows any more.
    stopped: bool,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// Nothing, or nothing but telling a total from a record.
    Other,
    /// A field.
    Field,
    /// A field of the type's key.
    Key,
}

impl<'a, 'b> Table<'a, 'b> {
    fn new(
        header: Header,
        lettering: Lettering,
        sheet: Option<Arc<str>>,
        reader: &'a mut RowReader<'b>,
    ) -> Self {
        let spans = Spans::new(&header.merges);
        let last = header.columns.keys().next_back().copied();
        let key_fields = &reader.record_type.key.fields;
        let column = |at: u32| match header.columns.get(&at) {
            Some(name) if key_fields.contains(name) => Column::Key,
            Some(_) => Column::Field,
            None => Column::Other,
        };
        let columns = last.map(|last| (0..=last).map(column).collect()).unwrap_or_default();
        let cells = header.columns.values().map(|name| (name.clone(), RawCell::Empty)).collect();
        Self { header, lettering, sheet, reader, spans, columns, cells, stopped: false }
    }

    fn column(&self, at: u32) -> Column {
        self.columns.get(at as usize).copied().unwrap_or(Column::Other)
    }
}

impl RowSink for Table<'_, '_> {
    /// A column without a field (C4 has none here) is read only where it may tell a total from a record.
    fn wants(&self, column: u32) -> bool {
        self.column(column) != Column::Other
            || self.header.exported == Some(column)
            || column == 0 && !self.header.omitted.contains(&column)
    }

    fn row(&mut self, mut row: Row) -> ControlFlow<()> {
        if row.number <= self.header.row {
            return ControlFlow::Continue(());
        }
        header::read_letters(self.lettering, &mut row);
        if self.is_no_record(&row) {
            self.reader.told.skipped += 1;
            return ControlFlow::Continue(());
        }
        self.spans.fill(&mut row);
        row.cells.iter_mut().for_each(|(_, cell)| restore(cell));
        // A record we exported lacks what its row leaves blank: that states nothing, even where a value is due.
        let exported = self.header.exported.is_some_and(|id| row.cells.iter().any(|(at, _)| *at == id));
        let too_wide = row.last > self.header.last;
        let mut read = row.cells.into_iter().peekable();
        for (column, (_, place)) in self.header.columns.keys().zip(&mut self.cells) {
            while read.next_if(|(at, _)| at < column).is_some() {}
            *place = read.next_if(|(at, _)| at == column).map_or(RawCell::Empty, |(_, cell)| cell);
        }
        let stated: Vec<(String, RawCell)>;
        let cells = if exported {
            stated = self.cells.iter().filter(|(_, cell)| !cell.is_blank()).cloned().collect();
            &stated
        } else {
            &self.cells
        };
        let mut judgement = self.reader.judge.judge(self.reader.record_type, cells);
        if too_wide {
            let vi = "Dòng có nhiều ô hơn tiêu đề; kiểm tra dấu ngăn cách".to_owned();
            let en = "the row has more cells than the header; look for a stray separator".to_owned();
            judgement.errors.push(finding("ROW_SHAPE", None, vi, en));
        }
        let flow = self.reader.push(self.sheet.clone(), row.number, judgement);
        self.stopped = flow.is_break();
        flow
    }
}

/// Takes back what an export put before text that looks like a formula.
fn restore(cell: &mut RawCell) {
    if let RawCell::Text(text) = cell
        && restore_formula(text).len() < text.len()
    {
        text.remove(0);
    }
}

impl Table<'_, '_> {
    fn is_no_record(&self, row: &Row) -> bool {
        let is_key = |column: &u32| self.column(*column) == Column::Key;
        let fielded = row.cells.iter().any(|(column, _)| self.column(*column) != Column::Other);
        if !fielded || row.number <= self.header.row + 2 && numbers_columns(row) {
            return true;
        }
        let Some((first, cell)) = row.cells.first() else {
            return true;
        };
        // Of most rows the second cell already tells.
        if row.cells.iter().all(|(_, cell)| is_count(cell)) {
            let lettered = row.cells.iter().find_map(|(_, cell)| match cell {
                RawCell::Text(text) if text.chars().any(char::is_alphabetic) => Some(text),
                _ => None,
            });
            if lettered.is_some_and(|text| is_total(text)) {
                return true;
            }
        }
        let RawCell::Text(text) = cell else { return false };
        if row.cells.iter().any(|(column, _)| column != first && is_key(column)) {
            return false;
        }
        let lower = text.trim().to_lowercase();
        // "Cộng" keeps its marks here, composed or not: folded, "Công ty" would be a total too.
        let total = ["c\u{1ed9}ng", "co\u{323}\u{302}ng"].iter().any(|word| lower.starts_with(word));
        let text = fold(text);
        let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        if is_key(first) {
            // Here the first cell may be a record's own name, so only what can be no name counts.
            return matches!(text.trim_end_matches(':'), "cong" | "tong cong" | "tong so");
        }
        let alone = row.cells.len() == 1 && self.header.columns.len() > 1;
        alone || total || starts(&["tong cong", "tong so", "ghi chu", "nguoi lap", "noi nhan", "ky ten"])
    }
}

/// What only a total's row says.
fn is_total(text: &str) -> bool {
    // A letter that folds to c or t is one of them or not ASCII: most cells need no folding.
    let first = text.chars().find(|c| c.is_alphanumeric());
    first.is_some_and(|c| !c.is_ascii() || matches!(c, 'c' | 'C' | 't' | 'T'))
        && matches!(fold(text).as_str(), "cong" | "tong" | "tong cong" | "tong so" | "tong so dang vien")
}

/// Beside a total's title stand counts and nothing else.
fn is_count(cell: &RawCell) -> bool {
    match cell {
        RawCell::Number(_) => true,
        RawCell::Text(text) => is_total(text) || text.trim().len() <= 6 && text.trim().parse::<u32>().is_ok(),
        _ => false,
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
