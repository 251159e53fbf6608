//! The officer's own sheet once more, with a column that says what became of each row and how to mend it.
//!
//! Columns of class C4 stay blank in it. Mended and imported again, the added column is passed over and only
//! the rows that were mended change anything.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::text::{is_cell_error, is_placeholder, neutralise_formula, restore_formula};
use rust_xlsxwriter::{Color, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};
use serde_json::Value as Json;

use super::header::Header;
use super::report::REPORT_TITLE;
use super::scout::Scouted;
use super::shape::{Shape, Shaping};
use super::source::{Book, Row, RowSink, Spans};
use super::{FileRefusal, ImportReport, Language, RawCell, RowOutcome, RowStatus, SkippedRow};

/// What a sheet without a name is called.
const SHEET: &str = "Dữ liệu";
/// The sheet with what was said of the file.
const NOTES: &str = "Ghi chú (Liên Thông)";
const TEXT_WIDTH: f64 = 60.0;
const COLUMN_WIDTH: f64 = 18.0;
/// How the cell begins that marks a row of separated text whose cells may stand in the wrong columns: a workbook has no
/// separators to count. Whoever has set them right clears it.
pub(super) const MARK: &str = "ROW_SHAPE";
/// What stands for an error or a date that a workbook does not know.
const ERROR: &str = "#VALUE!";
/// What a cell of a workbook can hold.
const CELL_CHARS_MAX: usize = 32_000;

/// What became of a file's rows, kept small: texts repeat.
#[derive(Debug, Default)]
pub struct Annotations {
    rows: HashMap<(u16, u32), (Option<RowStatus>, u32, bool)>,
    sheets: Vec<Arc<str>>,
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    file: Vec<String>,
}

impl Annotations {
    /// Notes a row.
    pub fn note(&mut self, row: &RowOutcome) {
        let sheet = row.sheet.as_deref().map_or(u16::MAX, |sheet| self.sheet_number(sheet));
        let text = match self.numbers.get(row.text.as_str()) {
            Some(number) => *number,
            None => {
                let (text, number): (Arc<str>, _) = (row.text.as_str().into(), self.texts.len());
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                self.texts.push(Arc::clone(&text));
                self.numbers.insert(text, number);
                number
            }
        };
        self.rows
            .insert((sheet, u32::try_from(row.row).unwrap_or(u32::MAX)), (row.status, text, row.withheld));
    }

    /// Notes what an import's answer says of the file as a whole, and which rows were passed over.
    pub fn note_file(&mut self, answer: &Json) {
        let skipped = answer.get("skipped_rows").cloned().unwrap_or_default();
        let skipped: Vec<SkippedRow> = serde_json::from_value(skipped).unwrap_or_default();
        self.note_skipped(&skipped);
        let lists = ["errors", "warnings"].map(|list| answer.get(list).and_then(Json::as_array));
        for found in lists.into_iter().flatten().flatten() {
            if found.get("row").and_then(Json::as_u64) == Some(0)
                && let Some(message) = found.get("message").and_then(Json::as_str)
            {
                self.file.push(message.to_owned());
            }
        }
    }

    /// The same of a report.
    pub fn note_report(&mut self, report: &ImportReport) {
        self.note_skipped(&report.skipped_rows);
        let of_file = report.errors.iter().chain(&report.warnings).filter(|found| found.row == 0);
        self.file.extend(of_file.map(|found| found.message.clone()));
    }

    fn note_skipped(&mut self, rows: &[SkippedRow]) {
        for SkippedRow { sheet, row } in rows {
            let (sheet, status) = (sheet.clone(), Some(RowStatus::Skipped));
            self.note(&RowOutcome { sheet, row: *row, status, text: String::new(), withheld: false });
        }
    }

    /// Notes something about the file as a whole.
    pub fn note_text(&mut self, text: String) {
        self.file.push(text);
    }

    fn sheet_number(&mut self, sheet: &str) -> u16 {
        let place = self.sheets.iter().rposition(|known| **known == *sheet).unwrap_or_else(|| {
            self.sheets.push(sheet.into());
            self.sheets.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// A row's status and text; a file of which one sheet is read names none.
    fn of(&self, sheet: &str, row: u64) -> Option<Said<'_>> {
        let named = self.sheets.iter().position(|known| **known == *sheet);
        let sheet = named.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX);
        let (status, text, withheld) = self.rows.get(&(sheet, u32::try_from(row).ok()?))?;
        let text = self.texts.get(usize::try_from(*text).ok()?).map_or("", |text| text);
        Some(Said { status: *status, text, withheld: *withheld })
    }
}

/// What is said of a row.
struct Said<'a> {
    status: Option<RowStatus>,
    text: &'a str,
    /// Nothing of the row may be kept.
    withheld: bool,
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// The file cannot be read again.
    #[error(transparent)]
    File(#[from] FileRefusal),
    /// The workbook cannot be written.
    #[error("the report cannot be written: {0}")]
    Xlsx(#[from] XlsxError),
}

/// Writes the report of an import of `path` to `out`. Of a file that is no table, or was refused, it holds
/// what was said of the file and of its lines.
///
/// # Errors
/// [`AnnotateError`].
pub fn annotate(
    path: &Path,
    record_type: &RecordType,
    annotations: &Annotations,
    out: &Path,
    language: Language,
) -> Result<(), AnnotateError> {
    let mut workbook = Workbook::new();
    let style = Style::new(language);
    match copied(path, record_type, annotations, &mut workbook, &style) {
        Ok(()) if annotations.file.is_empty() => {}
        Ok(()) => noted(annotations, workbook.add_worksheet(), &style)?,
        Err(AnnotateError::File(_)) => {
            tracing::debug!("no table to annotate");
            workbook = Workbook::new();
            listed(annotations, workbook.add_worksheet(), &style)?;
        }
        Err(other) => return Err(other),
    }
    Ok(workbook.save(out)?)
}

/// Writes what was said of a file, without the file.
///
/// # Errors
/// [`AnnotateError`].
pub fn annotate_file(annotations: &Annotations, out: &Path, language: Language) -> Result<(), AnnotateError> {
    let mut workbook = Workbook::new();
    listed(annotations, workbook.add_worksheet(), &Style::new(language))?;
    Ok(workbook.save(out)?)
}

struct Style {
    language: Language,
    wrong: Format,
    kept: Format,
    title: Format,
    date: Format,
    text: Format,
}

impl Style {
    fn new(language: Language) -> Self {
        let noted = || Format::new().set_text_wrap().set_align(FormatAlign::Top);
        Self {
            language,
            wrong: noted()
                .set_background_color(Color::RGB(0x00FD_E2E1))
                .set_font_color(Color::RGB(0x008A_1C1C)),
            kept: noted(),
            title: Format::new().set_bold().set_text_wrap(),
            date: Format::new().set_num_format("dd/mm/yyyy"),
            text: Format::new().set_num_format("@"),
        }
    }

    fn status(&self, status: Option<RowStatus>) -> &'static str {
        let vi = self.language == Language::Vi;
        match status {
            Some(RowStatus::Created) => {
                if vi {
                    "Đã nhập mới"
                } else {
                    "New"
                }
            }
            Some(RowStatus::Updated) => {
                if vi {
                    "Đã cập nhật"
                } else {
                    "Updated"
                }
            }
            Some(RowStatus::Unchanged) => {
                if vi {
                    "Không đổi"
                } else {
                    "Unchanged"
                }
            }
            Some(RowStatus::Duplicate) => {
                if vi {
                    "Trùng"
                } else {
                    "Duplicate"
                }
            }
            Some(RowStatus::Rejected) => {
                if vi {
                    "BỊ LOẠI"
                } else {
                    "REJECTED"
                }
            }
            Some(RowStatus::Skipped) => {
                if vi {
                    "Bỏ qua: không phải bản ghi"
                } else {
                    "Passed over: no record"
                }
            }
            None => {
                if vi {
                    "Chưa ghi"
                } else {
                    "Not written"
                }
            }
        }
    }

    fn mark(&self) -> String {
        let what = match self.language {
            Language::Vi => "sửa cho mỗi ô về đúng cột, rồi xóa ô này",
            Language::En => "set each cell in its column, then clear this cell",
        };
        format!("{MARK}: {what}")
    }

    fn annotation(&self, status: Option<RowStatus>, text: &str) -> String {
        let shown = self.status(status);
        let whole = match (status, text) {
            (_, "") => shown.to_owned(),
            (Some(RowStatus::Duplicate), text) => text.to_owned(),
            (_, text) => format!("{shown}: {text}"),
        };
        whole.chars().take(CELL_CHARS_MAX).collect()
    }
}

fn copied(
    path: &Path,
    record_type: &RecordType,
    annotations: &Annotations,
    workbook: &mut Workbook,
    style: &Style,
) -> Result<(), AnnotateError> {
    let source = super::open(path)?;
    if source.format == super::Format::Jsonl {
        return Err(FileRefusal::Type("no table".to_owned()).into());
    }
    let mut book = Book::open(&source)?;
    let layout = Scouted::of(&source, &mut book)?.layout(record_type)?;
    for header in &layout.sheets {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        let name = if header.sheet.is_empty() { SHEET } else { &header.sheet };
        // What other programs call a sheet may be too long for a workbook: then it keeps its number.
        if sheet.set_name(name).is_err() {
            tracing::debug!("a sheet is copied under another name");
        }
        sheet.set_freeze_panes(u32::try_from(header.row).unwrap_or(0), 0)?;
        let added = narrow(added_column(header));
        for column in 0..added {
            sheet.set_column_width(column, COLUMN_WIDTH)?;
        }
        sheet.set_column_width(added, TEXT_WIDTH)?;
        let spans = Spans::new(&header.merges);
        let mut copy = Copy { sheet, header, spans, annotations, style, failed: None };
        let mut shaping = Shaping::new(header, &mut copy);
        book.rows(&header.sheet, &mut shaping)?;
        let _ = shaping.hand_over();
        if let Some(error) = copy.failed {
            return Err(error.into());
        }
    }
    Ok(())
}

struct Copy<'a> {
    sheet: &'a mut Worksheet,
    header: &'a Header,
    spans: Spans,
    annotations: &'a Annotations,
    style: &'a Style,
    failed: Option<XlsxError>,
}

impl RowSink for Copy<'_> {
    fn wants(&self, column: u32) -> bool {
        column < 16_000
    }

    fn row(&mut self, mut row: Row) -> ControlFlow<()> {
        let unread = self.header.read_letters(&mut row);
        for (_, cell) in row.cells.iter_mut().filter(|(at, _)| unread.iter().any(|(column, _)| column == at))
        {
            lose_letters(cell);
        }
        self.spans.fill(&mut row);
        match self.write(&row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Copy<'_> {
    fn write(&mut self, row: &Row) -> Result<(), XlsxError> {
        let line = u32::try_from(row.number - 1).unwrap_or(u32::MAX);
        let below = row.number > self.header.row;
        // A row of a workbook in constant memory is written from left to right.
        let added = added_column(self.header);
        let (mut said, mut marked, mut withheld) = (Vec::new(), false, false);
        if row.number == self.header.row {
            let style = self.style;
            said.push((REPORT_TITLE.to_owned(), &style.title));
        } else if below && let Some(found) = self.annotations.of(&self.header.sheet, row.number) {
            let style = self.style;
            let wrong = matches!(found.status, Some(RowStatus::Rejected) | None);
            let format = if wrong { &style.wrong } else { &style.kept };
            said.push((self.style.annotation(found.status, found.text), format));
            marked = found.status == Some(RowStatus::Rejected)
                && !found.withheld
                && matches!(row.shape, Shape::Wide | Shape::Narrow);
            if marked {
                said.push((self.style.mark(), format));
            }
            withheld = found.withheld;
        }
        // What stood beside the table makes room for the new columns.
        let room = u32::from(self.header.reports.is_empty()) + u32::from(marked);
        let mut said = (added..).zip(said);
        for (column, cell) in &row.cells {
            let behind = *column >= added;
            if behind {
                self.tell(line, &mut said)?;
            }
            let secret = withheld || below && self.header.omitted.contains(column);
            if secret || self.header.reports.contains(column) {
                continue;
            }
            let day =
                matches!(cell, RawCell::Number(_) if below).then(|| self.header.read(*column, cell.clone()));
            let column = if behind { column + room } else { *column };
            self.cell(line, narrow(column), day.as_ref().unwrap_or(cell))?;
        }
        self.tell(line, &mut said)
    }

    fn tell(
        &mut self,
        line: u32,
        said: &mut dyn Iterator<Item = (u32, (String, &Format))>,
    ) -> Result<(), XlsxError> {
        for (column, (text, format)) in said {
            self.sheet.write_string_with_format(line, narrow(column), cut(&text), format)?;
        }
        Ok(())
    }

    fn cell(&mut self, line: u32, column: u16, cell: &RawCell) -> Result<(), XlsxError> {
        match cell {
            RawCell::Number(number) => self.sheet.write_number(line, column, *number)?,
            RawCell::Serial { days, epoch_1904 } => {
                // The workbook written here counts from 1900.
                let days = if *epoch_1904 { days + 1_462.0 } else { *days };
                self.sheet.write_number_with_format(line, column, days, &self.style.date)?
            }
            RawCell::Boolean(yes) => self.sheet.write_boolean(line, column, *yes)?,
            // Written out, a date would be text like any other.
            RawCell::Iso(text) => match ExcelDateTime::parse_from_str(text) {
                Ok(at) => self.sheet.write_datetime_with_format(line, column, &at, &self.style.date)?,
                Err(_) => self.sheet.write_string(line, column, ERROR)?,
            },
            RawCell::Error(text) => {
                let known = if is_cell_error(text) { text } else { ERROR };
                self.sheet.write_string(line, column, known)?
            }
            RawCell::Text(text) => {
                let text = cut(text);
                // A cell that only says that there is nothing runs nothing either.
                let text = if is_placeholder(&text) {
                    text
                } else {
                    neutralise_formula(restore_formula(&text)).into_owned()
                };
                self.sheet.write_string_with_format(line, column, text, &self.style.text)?
            }
            RawCell::Empty | RawCell::List(_) | RawCell::Object => return Ok(()),
        };
        Ok(())
    }
}

/// Where an earlier report marks rows: beside its column.
pub(super) fn mark_column(header: &Header) -> Option<u32> {
    let beside = header.reports.first().map(|column| column + 1);
    beside.filter(|column| !header.columns.contains_key(column) && !header.omitted.contains(column))
}

/// What cannot be read is not written as other letters, which the next reader would take for its own.
fn lose_letters(cell: &mut RawCell) {
    if let RawCell::Text(text) = cell {
        let lost = |letter: char| if letter.is_ascii() { letter } else { char::REPLACEMENT_CHARACTER };
        *text = text.chars().map(lost).collect();
    }
}

/// As much of a text as a cell holds: names of sheets and columns may be longer.
fn cut(text: &str) -> String {
    text.chars().take(CELL_CHARS_MAX).collect()
}

/// What was said of the file, beside its rows.
fn noted(annotations: &Annotations, sheet: &mut Worksheet, style: &Style) -> Result<(), XlsxError> {
    sheet.set_name(NOTES)?;
    sheet.set_column_width(0, TEXT_WIDTH)?;
    for (line, text) in (0..).zip(&annotations.file) {
        sheet.write_string_with_format(line, 0, cut(text), &style.kept)?;
    }
    Ok(())
}

/// Where the report's column stands: where an earlier one stood, or behind the last title.
fn added_column(header: &Header) -> u32 {
    header.reports.first().copied().unwrap_or(header.last + 1)
}

fn narrow(column: u32) -> u16 {
    u16::try_from(column).unwrap_or(u16::MAX)
}

/// What was said of the file, then of its lines.
fn listed(annotations: &Annotations, sheet: &mut Worksheet, style: &Style) -> Result<(), XlsxError> {
    sheet.set_column_width(1, TEXT_WIDTH)?;
    let row_title = if style.language == Language::Vi { "Dòng" } else { "Row" };
    sheet.write_string_with_format(0, 0, row_title, &style.title)?;
    sheet.write_string_with_format(0, 1, REPORT_TITLE, &style.title)?;
    let mut line = 1;
    for text in &annotations.file {
        sheet.write_string_with_format(line, 1, cut(text), &style.wrong)?;
        line += 1;
    }
    let rows: BTreeMap<_, _> = annotations.rows.iter().collect();
    for ((_, row), (status, text, _)) in rows {
        let text = usize::try_from(*text).ok().and_then(|text| annotations.texts.get(text));
        let format = if *status == Some(RowStatus::Rejected) { &style.wrong } else { &style.kept };
        sheet.write_number(line, 0, *row)?;
        let text = style.annotation(*status, text.map_or("", |text| text));
        sheet.write_string_with_format(line, 1, cut(&text), format)?;
        line += 1;
    }
    Ok(())
}
