//! Which column is which field, as the module above tells it.

use std::collections::{BTreeMap, HashMap};

use lienthong_proto::catalogue::{Class, Field, FieldKind, RecordType};
use lienthong_proto::rules::{SECRECY, UNIT_NAME, names_unit, tells_secrecy};
use lienthong_proto::text::fold;

use super::cell::finding;
use super::letters::{Letters, Unread};
use super::report::REPORT_TITLE;
use super::source::{Merge, Row};
use super::{Finding, RawCell};
use crate::export::is_own_header;

pub(super) const HEADER_WITHIN: u64 = 30;

/// The header of a sheet.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) sheet: String,
    /// Its last row.
    pub(crate) row: u64,
    /// The last column with a title.
    pub(crate) last: u32,
    /// Field name by column; of the column that names a row's unit [`UNIT_NAME`], of the one
    /// that says how secret it is [`SECRECY`].
    pub(crate) columns: BTreeMap<u32, String>,
    /// Columns of dates.
    dates: Vec<u32>,
    /// Of a workbook in which a number can be a day: whether it counts them from 1904.
    pub(super) epoch_1904: Option<bool>,
    /// No required column is missing.
    pub(crate) complete: bool,
    /// Columns of class C4: never read.
    pub(crate) omitted: Vec<u32>,
    /// The column of the record's id: the sheet is one of our own exports.
    pub(crate) exported: Option<u32>,
    /// Columns an earlier report added.
    pub(crate) reports: Vec<u32>,
    /// Merged ranges over several rows, in columns that are read.
    pub(crate) merges: Vec<Merge>,
    /// What its own rows say, by column: one that says the same is it once more.
    pub(crate) levels: Vec<Vec<(u32, String)>>,
    /// How the sheet's letters are read.
    pub(super) letters: Letters,
    /// Of a file with letters of before Unicode, the rows as far as the header as they were understood.
    pub(super) above: Vec<Row>,
    /// A title as it was understood.
    pub(super) sample: String,
    pub(super) fields: usize,
    pub(super) missing: Vec<String>,
    /// A field with two columns.
    pub(super) twice: Option<String>,
    pub(super) warnings: Vec<Finding>,
}

impl Header {
    /// A cell of a column: a number in a column of dates is a day as the workbook counts them.
    pub(crate) fn read(&self, column: u32, cell: RawCell) -> RawCell {
        match self.epoch_1904 {
            Some(epoch_1904) if self.dates.contains(&column) => cell.counted_in_days(epoch_1904),
            _ => cell,
        }
    }

    /// The row's texts in Unicode; the columns whose text was not read, and why.
    pub(super) fn read_letters(&self, row: &mut Row) -> Vec<(u32, Unread)> {
        if row.number > self.row {
            return self.letters.read(row);
        }
        if let Some(understood) = self.above.iter().find(|above| above.number == row.number) {
            row.clone_from(understood);
        }
        Vec::new()
    }
}

/// The captured field a header names, of the record or of one of its items, compared folded.
pub(crate) fn field_of<'a>(record_type: &'a RecordType, header: &str) -> Option<&'a Field> {
    // Programs use the names themselves: nothing has to be folded for them.
    let named = captured(record_type).find(|field| field.name == header);
    named.or_else(|| {
        let folded = fold(header);
        captured(record_type).find(|field| names(field).any(|name| fold(name) == folded))
    })
}

fn captured(record_type: &RecordType) -> impl Iterator<Item = &Field> {
    let own = record_type.fields.iter().filter(|field| field.fields.is_empty());
    let of_items = record_type.fields.iter().flat_map(|field| &field.fields);
    own.chain(of_items)
}

/// [`field_of`] for one who asks it of every cell that may be a header: each name is folded once.
pub(crate) struct Headings<'a> {
    record_type: &'a RecordType,
    by_name: HashMap<String, &'a Field>,
}

impl<'a> Headings<'a> {
    pub(crate) fn of(record_type: &'a RecordType) -> Self {
        let mut by_name = HashMap::new();
        for field in captured(record_type) {
            for name in names(field) {
                by_name.entry(fold(name)).or_insert(field);
            }
        }
        Self { record_type, by_name }
    }

    pub(crate) fn field(&self, header: &str) -> Option<&'a Field> {
        let named = captured(self.record_type).find(|field| field.name == header);
        named.or_else(|| self.by_name.get(&fold(header)).copied())
    }

    /// Whether a column that is no field is read all the same, or is our own.
    fn reads_besides(&self, title: &str) -> bool {
        names_unit(self.record_type, title)
            || tells_secrecy(self.record_type, title)
            || fold(title) == fold(REPORT_TITLE)
    }
}

pub(super) fn names(field: &Field) -> impl Iterator<Item = &str> {
    [field.name.as_str(), field.label.vi.as_str(), field.label.en.as_str()]
        .into_iter()
        .chain(field.aliases.iter().map(String::as_str))
}

pub(super) fn text(cell: &RawCell) -> Option<&str> {
    if let RawCell::Text(text) = cell { Some(text) } else { None }
}

/// The texts of a row by column.
pub(super) fn titles(row: &Row) -> Vec<(u32, String)> {
    row.cells.iter().filter_map(|(column, cell)| Some((*column, text(cell)?.to_owned()))).collect()
}

/// Titles by column, and the first and last row they stand in.
type Titles = ((u64, u64), Vec<(u32, String)>);

/// The header that names the most fields, then the most of what is read besides: of one row, or of two where that names
/// more. Titles above a header would be its upper row too.
pub(super) fn best(headings: &Headings<'_>, sheet: &str, rows: &[Row], merges: &[Merge]) -> Option<Header> {
    let mut best: Option<((usize, usize), Titles)> = None;
    let mut offer = |titles: Titles| {
        let mut fields: Vec<&str> = titles
            .1
            .iter()
            .filter_map(|(_, title)| headings.field(title).map(|field| field.name.as_str()))
            .collect();
        fields.sort_unstable();
        fields.dedup();
        let most = best.as_ref().map_or(0, |((fields, _), _)| *fields);
        if fields.is_empty() || fields.len() < most {
            return;
        }
        let besides = titles.1.iter().filter(|(_, title)| headings.reads_besides(title)).count();
        let named = (fields.len(), besides);
        if best.as_ref().is_none_or(|(other, _)| named > *other) {
            best = Some((named, titles));
        }
    };
    let uppers = || rows.iter().enumerate().filter(|(_, row)| row.number <= HEADER_WITHIN);
    uppers().for_each(|(_, row)| offer(((row.number, row.number), titles(row))));
    for (place, row) in uppers() {
        if let Some(below) = rows.get(place + 1).filter(|below| below.number == row.number + 1) {
            offer(((row.number, below.number), two_levels(headings, row, below, merges)));
        }
    }
    let (_, (within, found)) = best?;
    let mut header = assign(headings, sheet, (within, found), merges);
    let levels = rows.iter().filter(|row| (within.0..=within.1).contains(&row.number));
    header.levels = levels.map(titles).collect();
    Some(header)
}

/// Each column's title of two rows: the joined, the lower or the upper text, whichever names a field, or else whichever is
/// known besides.
fn two_levels(headings: &Headings<'_>, upper: &Row, lower: &Row, merges: &[Merge]) -> Vec<(u32, String)> {
    let record_type = headings.record_type;
    let at = |row: &Row, column: u32| {
        let cell = row.cells.iter().find(|(at, _)| *at == column)?;
        text(&cell.1).map(str::to_owned)
    };
    // A group's title stands in its first cell: what a range covers, or what is blank beside it, has it too.
    let group = |column: u32| {
        if let Some(own) = at(upper, column) {
            return Some(own);
        }
        let covers = |merge: &&Merge| {
            (merge.rows.0..=merge.rows.1).contains(&upper.number)
                && (merge.columns.0..=merge.columns.1).contains(&column)
        };
        match merges.iter().find(covers) {
            Some(merge) => at(upper, merge.columns.0),
            None if merges.is_empty() => {
                let left = upper.cells.iter().rev().find(|(at, _)| *at < column)?;
                text(&left.1).map(str::to_owned)
            }
            None => None,
        }
    };
    let columns = upper.cells.iter().chain(&lower.cells).map(|(column, _)| *column);
    let columns: std::collections::BTreeSet<u32> = columns.collect();
    // Below one title with the unit's code stands the unit's name, not somebody's native place.
    let beside_code = |column: u32, title: &String| {
        [column.checked_sub(1), column.checked_add(1)].into_iter().flatten().any(|beside| {
            let code = at(lower, beside).and_then(|text| headings.field(&text));
            code.is_some_and(|field| record_type.owner_field() == Some(&field.name))
                && group(beside).as_ref() == Some(title)
        })
    };
    let title = |column: u32| match (group(column), at(lower, column)) {
        (Some(over), Some(lower)) => {
            let joined = format!("{over} {lower}");
            // A group's title alone names only the column it stands over.
            if names_unit(record_type, &lower) && beside_code(column, &over) {
                return Some(lower);
            }
            let own = at(upper, column);
            // A group has a name of its own to say what it groups: it stands over one column to be that column's title.
            let single = own.clone().filter(|title| group(column + 1).as_ref() != Some(title));
            let besides = |text: &String| tells_secrecy(record_type, text) || is_nobodys(text);
            let named = [Some(&joined), Some(&lower), own.as_ref()].into_iter().flatten();
            let named = named.into_iter().find(|text| headings.field(text).is_some());
            let known = || {
                let single = single.as_ref().filter(|text| besides(text) || names_unit(record_type, text));
                Some(&lower).filter(|text| besides(text)).or(single)
            };
            Some(named.or_else(known).unwrap_or(&joined).clone())
        }
        (_, Some(lower)) => Some(lower),
        (_, None) => at(upper, column),
    };
    columns.into_iter().filter_map(|column| Some((column, title(column)?))).collect()
}

fn assign(headings: &Headings<'_>, sheet: &str, ((_, row), titles): Titles, merges: &[Merge]) -> Header {
    let record_type = headings.record_type;
    let last = titles.iter().map(|(column, _)| *column).max().unwrap_or(0);
    let mut header = Header { sheet: sheet.to_owned(), row, last, ..Header::default() };
    let mut seen: Vec<&str> = Vec::new();
    header.exported = exported(&titles);
    for (column, title) in &titles {
        // What an export says before the fields is no field, whatever a field's title is.
        if header.exported.is_some_and(|id| *column == id || *column == id + 1) {
            continue;
        }
        let Some(field) = headings.field(title) else {
            let named = header.columns.values().any(|name| name == UNIT_NAME);
            if !named && names_unit(record_type, title) {
                header.columns.insert(*column, UNIT_NAME.to_owned());
                continue;
            }
            let told = header.columns.values().any(|name| name == SECRECY);
            if !told && tells_secrecy(record_type, title) {
                header.columns.insert(*column, SECRECY.to_owned());
                continue;
            }
            if fold(title) == fold(REPORT_TITLE) {
                header.reports.push(*column);
            }
            header.warnings.extend(unknown(record_type, title));
            continue;
        };
        if seen.contains(&field.name.as_str()) {
            header.twice = Some(field.name.clone());
            continue;
        }
        seen.push(&field.name);
        if header.sample.is_empty() && !title.is_ascii() {
            header.sample = title.chars().take(60).collect();
        }
        if field.class == Class::C4 {
            header.warnings.push(omitted(field));
            header.omitted.push(*column);
        } else {
            if field.member_kind() == FieldKind::Date {
                header.dates.push(*column);
            }
            header.columns.insert(*column, field.name.clone());
        }
    }
    let has = |name: &String| seen.contains(&name.as_str());
    header.complete = true;
    header.missing = record_type.key.fields.iter().filter(|name| !has(name)).cloned().collect();
    header.fields = seen.len();
    for field in record_type.fields.iter().filter(|field| field.required) {
        if field.fields.is_empty() && !has(&field.name) {
            header.complete = false;
            header.warnings.push(finding(
                "COLUMN_MISSING",
                Some(&field.name),
                format!("Tệp không có cột bắt buộc “{}”", field.label.vi),
                format!("the file has no column for the required field “{}”", field.label.en),
            ));
        }
    }
    let read = |merge: &Merge| header.columns.contains_key(&merge.columns.0) && merge.rows.1 > merge.rows.0;
    header.merges = merges.iter().copied().filter(read).collect();
    header.merges.sort_unstable_by_key(|merge| (merge.rows.0, merge.columns.0));
    header
}

/// Where the id stands in one of our own exports.
pub(super) fn exported(titles: &[(u32, String)]) -> Option<u32> {
    let next = titles.iter().skip(1).map(Some).chain([None]);
    titles.iter().zip(next).find_map(|((column, title), next)| {
        let beside = next.filter(|(at, _)| *at == column + 1).map(|(_, title)| title.as_str());
        is_own_header(Some(title), beside).then_some(*column)
    })
}

pub(crate) fn omitted(field: &Field) -> Finding {
    finding(
        "C4_OMITTED",
        Some(&field.name),
        format!(
            "Cột “{}” không được đưa vào hệ thống; đã bỏ qua: giữ trong sổ, hồ sơ giấy của đơn vị; ở đây chỉ cần số vào sổ, với đơn thư thêm đơn có ẩn danh hay không",
            field.label.vi
        ),
        format!(
            "the column “{}” does not enter the system; it was left out: keep it in the unit’s paper register; here its number there is enough, and of a letter whether it is anonymous",
            field.label.en
        ),
    )
}

/// The running number and our own column of an earlier report.
fn is_nobodys(title: &str) -> bool {
    let folded = fold(title);
    matches!(folded.as_str(), "" | "stt" | "tt" | "so tt" | "no") || folded == fold(REPORT_TITLE)
}

/// Says that a header matches nothing, with the nearest label; what [`is_nobodys`] field needs none.
pub(crate) fn unknown(record_type: &RecordType, title: &str) -> Option<Finding> {
    if is_nobodys(title) {
        return None;
    }
    let folded = fold(title);
    let mut nearest: Option<(f64, &Field)> = None;
    for field in &record_type.fields {
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
