//! Which column is which field.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lienthong_proto::catalogue::{Class, Field, RecordType};

use super::cell::finding;
use super::source::{Row, RowSink};
use super::{FileRefusal, Finding, RawCell, Source};
use lienthong_proto::text::fold;

const HEADER_WITHIN: u64 = 30;

/// The header of the sheet that fits a type best.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) sheet: String,
    pub(crate) row: u64,
    /// The last column with a title, of separated text.
    pub(crate) last: u32,
    /// Field name by column.
    pub(crate) columns: BTreeMap<u32, String>,
    /// Columns of class C4: never read.
    pub(crate) omitted: Vec<u32>,
    pub(crate) warnings: Vec<Finding>,
}

/// The captured field a header names, compared folded.
pub(crate) fn field_of<'a>(record_type: &'a RecordType, header: &str) -> Option<&'a Field> {
    // Programs use the names themselves: nothing has to be folded for them.
    if let Some(field) = record_type.field(header) {
        return Some(field).filter(|field| !field.computed);
    }
    let folded = fold(header);
    record_type
        .fields
        .iter()
        .filter(|field| !field.computed)
        .find(|field| names(field).any(|name| fold(name) == folded))
}

fn names(field: &Field) -> impl Iterator<Item = &str> {
    [field.name.as_str(), field.label.vi.as_str(), field.label.en.as_str()]
        .into_iter()
        .chain(field.aliases.iter().map(String::as_str))
}

/// Looks through the first rows of every sheet.
pub(crate) fn find(source: &Source, record_type: &RecordType) -> Result<Header, FileRefusal> {
    let mut best: Option<(usize, String, Row)> = None;
    let mut any = false;
    for sheet in source.sheets()? {
        let mut scout = Scout { record_type, best: None, any: false };
        // A sheet that is no table (a chart) is passed over; a broken one shows when its rows are read.
        let Ok(()) = source.rows(&sheet, &mut scout) else {
            continue;
        };
        any |= scout.any;
        if let Some((score, row)) = scout.best
            && best.as_ref().is_none_or(|(other, ..)| score > *other)
        {
            best = Some((score, sheet, row));
        }
    }
    let Some((_, sheet, row)) = best else {
        return Err(if any {
            FileRefusal::ColumnMissing(record_type.key.fields.join(", "))
        } else {
            FileRefusal::Empty
        });
    };
    assign(record_type, sheet, &row)
}

struct Scout<'a> {
    record_type: &'a RecordType,
    best: Option<(usize, Row)>,
    any: bool,
}

impl RowSink for Scout<'_> {
    fn wants(&self, _: u32) -> bool {
        true
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.any = true;
        if row.number > HEADER_WITHIN {
            return ControlFlow::Break(());
        }
        let score = row
            .cells
            .iter()
            .filter(|(_, cell)| text(cell).is_some_and(|t| field_of(self.record_type, t).is_some()));
        let score = score.count();
        if score > 0 && self.best.as_ref().is_none_or(|(other, _)| score > *other) {
            self.best = Some((score, row));
        }
        ControlFlow::Continue(())
    }
}

fn text(cell: &RawCell) -> Option<&str> {
    if let RawCell::Text(text) = cell { Some(text) } else { None }
}

fn assign(record_type: &RecordType, sheet: String, row: &Row) -> Result<Header, FileRefusal> {
    let mut header = Header { sheet, row: row.number, last: row.last, ..Header::default() };
    let mut seen = Vec::new();
    for (column, cell) in &row.cells {
        let Some(title) = text(cell) else { continue };
        let Some(field) = field_of(record_type, title) else {
            header.warnings.extend(unknown(record_type, title));
            continue;
        };
        if seen.contains(&field.name) {
            return Err(FileRefusal::ColumnTwice(field.name.clone()));
        }
        seen.push(field.name.clone());
        if field.class == Class::C4 {
            header.warnings.push(omitted(field));
            header.omitted.push(*column);
        } else {
            header.columns.insert(*column, field.name.clone());
        }
    }
    let missing: Vec<_> =
        record_type.key.fields.iter().filter(|name| !seen.contains(name)).cloned().collect();
    if !missing.is_empty() {
        return Err(FileRefusal::ColumnMissing(missing.join(", ")));
    }
    for field in record_type.fields.iter().filter(|field| field.required && !field.computed) {
        if !seen.contains(&field.name) {
            header.warnings.push(finding(
                "COLUMN_MISSING",
                Some(&field.name),
                format!("Tệp không có cột bắt buộc “{}”", field.label.vi),
                format!("the file has no column for the required field “{}”", field.label.en),
            ));
        }
    }
    Ok(header)
}

pub(crate) fn omitted(field: &Field) -> Finding {
    finding(
        "C4_OMITTED",
        Some(&field.name),
        format!("Cột “{}” không được đưa vào hệ thống; đã bỏ qua", field.label.vi),
        format!("the column “{}” does not enter the system; it was left out", field.label.en),
    )
}

/// Says that a header matches nothing, with the nearest label; the running number is nobody's field.
pub(crate) fn unknown(record_type: &RecordType, title: &str) -> Option<Finding> {
    let folded = fold(title);
    if matches!(folded.as_str(), "stt" | "tt" | "so tt" | "no" | "no.") {
        return None;
    }
    let mut nearest: Option<(f64, &Field)> = None;
    for field in record_type.fields.iter().filter(|field| !field.computed) {
        let likeness =
            names(field).map(|name| strsim::jaro_winkler(&fold(name), &folded)).fold(0.0, f64::max);
        if likeness > 0.8 && nearest.is_none_or(|(other, _)| likeness > other) {
            nearest = Some((likeness, field));
        }
    }
    let shown: String = title.chars().take(80).collect();
    let (vi, en) = nearest.map_or_else(Default::default, |(_, field)| {
        (format!("; gần nhất: “{}”", field.label.vi), format!("; nearest: “{}”", field.label.en))
    });
    Some(finding(
        "COLUMN_UNKNOWN",
        Some(&shown),
        format!("Không nhận ra cột “{shown}”{vi}"),
        format!("the column “{shown}” is not known{en}"),
    ))
}
