//! Which column is which field, as the module above tells it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use lienthong_proto::catalogue::{Class, Field, FieldKind, RecordType};
use lienthong_proto::rules::{SECRECY, UNIT_NAME, is_marked_classified, names_unit, tells_secrecy};
use lienthong_proto::text::{Lettering, LetteringCensus, Reading, fold};

use super::cell::finding;
use super::letters::{Letters, Traces, Unread};
use super::marks::{MarkPlace, MarkedRow, MarkedRows};
use super::report::REPORT_TITLE;
use super::source::{Book, Merge, Row, RowSink};
use super::template::LISTS;
use super::{FileRefusal, Finding, RawCell, Source};
use crate::export::is_own_header;

const HEADER_WITHIN: u64 = 30;
/// Rows looked through to tell how the letters of a file stand for Vietnamese.
const CENSUS_ROWS: u64 = 500;

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
    epoch_1904: Option<bool>,
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
    letters: Letters,
    /// Of a file with letters of before Unicode, the rows as far as the header as they were understood.
    above: Vec<Row>,
    /// A title as it was understood.
    sample: String,
    fields: usize,
    missing: Vec<String>,
    /// A field with two columns.
    twice: Option<String>,
    warnings: Vec<Finding>,
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

/// How a file is to be read.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// The sheets to read, in order; never empty.
    pub(crate) sheets: Vec<Header>,
    pub(crate) warnings: Vec<Finding>,
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

fn names(field: &Field) -> impl Iterator<Item = &str> {
    [field.name.as_str(), field.label.vi.as_str(), field.label.en.as_str()]
        .into_iter()
        .chain(field.aliases.iter().map(String::as_str))
}

/// The first rows of every sheet that can be seen.
pub(crate) struct Scouted {
    sheets: Vec<ScoutedSheet>,
    hidden: Vec<String>,
    lettering: Lettering,
    /// Where each sheet's letters are read the same: it is ours, or its bytes are of one lettering.
    letters: Option<Letters>,
    macros: bool,
    epoch_1904: Option<bool>,
    /// A text box is a mark of secrecy, or what is printed on each page.
    stamped: bool,
}

struct ScoutedSheet {
    name: String,
    rows: Vec<Row>,
    merges: Vec<Merge>,
    traces: Traces,
    /// Of all its rows the short ones with a mark of secrecy.
    marked: Vec<MarkedRow>,
}

impl Scouted {
    /// Looks through a file.
    pub(crate) fn of(source: &Source, book: &mut Book<'_>) -> Result<Self, FileRefusal> {
        let mut census = LetteringCensus::default();
        let (mut sheets, mut hidden) = (Vec::new(), Vec::new());
        for sheet in book.sheets()? {
            let mut scout = Scout {
                rows: Vec::new(),
                census: &mut census,
                traces: Traces::default(),
                known: source.text.lettering != Lettering::Unicode,
            };
            // A sheet that is no table (a chart) is passed over; a broken one shows when its rows are read.
            let Ok(()) = book.rows(&sheet.name, &mut scout) else { continue };
            let Scout { rows, traces, .. } = scout;
            if rows.is_empty() {
                continue;
            }
            if sheet.hidden {
                // The lists that our own templates choose from are nobody's records.
                if sheet.name != LISTS {
                    hidden.push(sheet.name);
                }
                continue;
            }
            let merges = if source.merges { book.merges(&sheet.name)? } else { Vec::new() };
            sheets.push(ScoutedSheet { name: sheet.name, rows, merges, traces, marked: Vec::new() });
        }
        if sheets.is_empty() {
            return Err(FileRefusal::Empty);
        }
        // We write Unicode: a sign that could be a letter of another encoding is none in our own exports.
        let ours = sheets.iter().flat_map(|sheet| &sheet.rows).any(|row| exported(&titles(row)).is_some());
        let (lettering, letters) = match source.text.lettering {
            _ if ours => (Lettering::Unicode, Some(Letters::Ours)),
            Lettering::Unicode => (census.decide().ok_or(FileRefusal::Encoding)?, None),
            known => (known, Some(Letters::Legacy(known))),
        };
        for sheet in sheets.iter_mut().filter(|_| source.marks) {
            let mut marked = MarkedRows::new(lettering);
            // A break shows when its rows are read.
            let _ = book.rows(&sheet.name, &mut marked);
            sheet.marked = marked.into_rows();
        }
        let (macros, epoch_1904, stamped) = (source.macros, book.epoch_1904(), source.stamped);
        Ok(Self { sheets, hidden, lettering, letters, macros, epoch_1904, stamped })
    }

    /// The texts of the rows a header may stand in, also as they read in the file's lettering.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let cells = self.sheets.iter().flat_map(|sheet| &sheet.rows).flat_map(|row| &row.cells);
        cells.filter_map(|(_, cell)| text(cell)).flat_map(|text| self.both(text))
    }

    /// Where the file is marked as classified, if the sheets of these headers are read as a type.
    fn marked_as(&self, headers: &[Header], record_type: &RecordType) -> Option<MarkPlace> {
        let of_sheet = |sheet: &ScoutedSheet| {
            let Some(header) = headers.iter().find(|header| header.sheet == sheet.name) else {
                return sheet.marked.iter().find(|row| row.is_of_file()).map(|row| row.number);
            };
            let mut below = sheet.marked.iter().filter(|row| row.number > header.row);
            let below = || below.find(|row| row.is_of_table(header, record_type)).map(|row| row.number);
            self.marked_above(sheet, header).or_else(below)
        };
        self.first_marked(of_sheet)
    }

    /// The same where no sheet is read.
    pub(crate) fn marked(&self) -> Option<MarkPlace> {
        self.first_marked(|sheet| sheet.marked.iter().find(|row| row.is_of_file()).map(|row| row.number))
    }

    fn first_marked(&self, row_of: impl Fn(&ScoutedSheet) -> Option<u64>) -> Option<MarkPlace> {
        if self.stamped {
            return Some(MarkPlace::Page);
        }
        let several = self.sheets.len() > 1;
        (1..).zip(&self.sheets).find_map(|(number, sheet)| {
            Some(MarkPlace::Row { sheet: several.then_some(number), row: row_of(sheet)? })
        })
    }

    /// The row above a table that marks it as classified, be it within other words.
    fn marked_above(&self, sheet: &ScoutedSheet, header: &Header) -> Option<u64> {
        let mut above = sheet.rows.iter().filter(|row| row.number < header.row);
        let is_marked = |row: &&Row| {
            let texts = row.cells.iter().filter_map(|(_, cell)| text(cell));
            texts.flat_map(|text| self.both(text)).any(|text| is_marked_classified(&text))
        };
        above.find(is_marked).map(|row| row.number)
    }

    /// A text as it stands and as the file's lettering reads it.
    fn both(&self, text: &str) -> impl Iterator<Item = String> + use<> {
        let read = self.lettering.read(text).into_owned();
        let stands = (read != text).then(|| text.to_owned());
        stands.into_iter().chain([read])
    }

    /// A sheet's first rows with the titles as the headings know them: as they stand before in the file's lettering.
    fn understood(&self, headings: &Headings<'_>, sheet: &ScoutedSheet) -> Vec<Row> {
        let mut rows = sheet.rows.clone();
        for text in rows.iter_mut().flat_map(|row| &mut row.cells).filter_map(|(_, cell)| text_mut(cell)) {
            let read = match self.lettering.reading(text) {
                Reading::Legacy(read) => read,
                Reading::Doubtful(Some(read)) if self.letters.is_some() => read,
                Reading::Doubtful(Some(read)) => {
                    let known = [text.as_str(), &read].map(|title| headings.field(title).is_some());
                    if known == [false, true] || known == [false; 2] && sheet.traces.is_legacy_throughout() {
                        read
                    } else {
                        continue;
                    }
                }
                Reading::Standing | Reading::Doubtful(None) => continue,
            };
            *text = read;
        }
        rows
    }

    fn header(&self, headings: &Headings<'_>, sheet: &ScoutedSheet) -> Option<Header> {
        let mut rows = Vec::new();
        if self.lettering != Lettering::Unicode {
            rows = self.understood(headings, sheet);
        }
        let shown = if rows.is_empty() { &sheet.rows } else { &rows };
        let mut header = best(headings, &sheet.name, shown, &sheet.merges)?;
        let of_sheet = || Letters::of(self.lettering, &sheet.traces, header.row);
        header.letters = self.letters.clone().unwrap_or_else(of_sheet);
        rows.retain(|row| row.number <= header.row);
        header.above = rows;
        Some(header)
    }

    /// How it is to be read as a type.
    pub(crate) fn layout(&self, record_type: &RecordType) -> Result<Layout, FileRefusal> {
        self.layout_if(record_type).map_err(|refusal| match self.marked() {
            Some(place) => FileRefusal::Classified(place),
            None => refusal,
        })
    }

    /// The same, if it is of that type: what is a mark of secrecy elsewhere may be a record's own word in it.
    pub(crate) fn layout_if(&self, record_type: &RecordType) -> Result<Layout, FileRefusal> {
        let mut layout = Layout::default();
        let headings = Headings::of(record_type);
        let found = self.sheets.iter().filter_map(|sheet| self.header(&headings, sheet));
        layout.choose(record_type, found.collect())?;
        if let Some(place) = self.marked_as(&layout.sheets, record_type) {
            return Err(FileRefusal::Classified(place));
        }
        layout.sheets.iter_mut().for_each(|header| header.epoch_1904 = self.epoch_1904);
        layout.say(self.macros, &self.hidden);
        Ok(layout)
    }
}

struct Scout<'a> {
    rows: Vec<Row>,
    census: &'a mut LetteringCensus,
    traces: Traces,
    /// The lettering is that of the file's bytes.
    known: bool,
}

impl RowSink for Scout<'_> {
    fn wants(&self, _: u32) -> bool {
        true
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.traces.note(&row, self.census);
        let number = row.number;
        if number <= HEADER_WITHIN + 1 {
            self.rows.push(row);
        }
        // Where there are letters of before Unicode, a single row can tell that there are others too.
        let told = || self.known || self.census.decide() == Some(Lettering::Unicode);
        if number > CENSUS_ROWS && told() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn text(cell: &RawCell) -> Option<&str> {
    if let RawCell::Text(text) = cell { Some(text) } else { None }
}

fn text_mut(cell: &mut RawCell) -> Option<&mut String> {
    if let RawCell::Text(text) = cell { Some(text) } else { None }
}

/// The texts of a row by column.
fn titles(row: &Row) -> Vec<(u32, String)> {
    row.cells.iter().filter_map(|(column, cell)| Some((*column, text(cell)?.to_owned()))).collect()
}

/// Titles by column, and the first and last row they stand in.
type Titles = ((u64, u64), Vec<(u32, String)>);

/// The header that names the most fields, then the most of what is read besides: of one row, or of two where that names
/// more. Titles above a header would be its upper row too.
fn best(headings: &Headings<'_>, sheet: &str, rows: &[Row], merges: &[Merge]) -> Option<Header> {
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
fn exported(titles: &[(u32, String)]) -> Option<u32> {
    let next = titles.iter().skip(1).map(Some).chain([None]);
    titles.iter().zip(next).find_map(|((column, title), next)| {
        let beside = next.filter(|(at, _)| *at == column + 1).map(|(_, title)| title.as_str());
        is_own_header(Some(title), beside).then_some(*column)
    })
}

impl Layout {
    fn choose(&mut self, record_type: &RecordType, found: Vec<Header>) -> Result<(), FileRefusal> {
        let most = found.iter().filter(|header| header.missing.is_empty()).map(|header| header.fields).max();
        let Some(most) = most else {
            let nearest = found.into_iter().max_by_key(|header| header.fields);
            let missing = nearest.map_or_else(|| record_type.key.fields.clone(), |header| header.missing);
            return Err(FileRefusal::ColumnMissing(missing.join(", ")));
        };
        for header in found {
            if header.missing.is_empty() && header.fields * 2 >= most {
                if let Some(twice) = header.twice {
                    return Err(FileRefusal::ColumnTwice(twice));
                }
                self.sheets.push(header);
            } else if header.fields * 2 >= most {
                let (sheet, missing) = (&header.sheet, header.missing.join(", "));
                self.warnings.push(finding(
                    "COLUMN_MISSING",
                    None,
                    format!("Trang “{sheet}” không được đọc: thiếu cột {missing}"),
                    format!("the sheet “{sheet}” was not read: it has no column for {missing}"),
                ));
            }
        }
        // What several sheets have in common is said once.
        for header in &mut self.sheets {
            for warning in std::mem::take(&mut header.warnings) {
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, macros: bool, hidden: &[String]) {
        // Only a title may be shown: a cell may be of class C4.
        let told = self.sheets.iter().find_map(|header| header.letters.warning(&header.sample));
        self.warnings.extend(told);
        for sheet in hidden {
            self.warnings.push(finding(
                "SHEET_HIDDEN",
                None,
                format!("Trang ẩn “{sheet}” không được đọc: bỏ ẩn nếu cần nhập"),
                format!("the hidden sheet “{sheet}” was not read: unhide it if it is meant"),
            ));
        }
        if macros {
            self.warnings.push(finding(
                "MACRO",
                None,
                "Tệp có macro: không chạy và không lưu".to_owned(),
                "the workbook holds macros: they are neither run nor kept".to_owned(),
            ));
        }
    }
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
