//! A workbook, written row by row in constant memory.

use std::io::Write;
use std::path::Path;

use lienthong_proto::catalogue::{FieldKind, RecordType};
use lienthong_proto::value::days_of;
use rust_xlsxwriter::{Color, Format, FormatAlign, IgnoreError, Workbook, Worksheet, XlsxError};
use serde_json::Value;

use super::{Cell, ExportFailed, Headers, Table};

/// Rows of a sheet, its header included: what Excel opens.
const ROWS_MAX: u32 = 1_048_576;
/// What a cell can hold, in UTF-16 units.
const CELL_UNITS_MAX: usize = 32_767;
/// A sheet's name is cut here, so that a number still fits behind it.
const NAME_CHARS_MAX: usize = 24;
/// Archives near 4 GiB need another form.
const LARGE_BYTES: u64 = 3 << 30;
/// The day a workbook's serial number 0 stands for, less 1970-01-01; true from March 1900 on.
const EPOCH_DAYS: i32 = 25_569;
/// 1 March 1900, in serial numbers.
const FIRST_TRUE_SERIAL: i32 = 61;
/// The least whole number that is not exact as a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A workbook for people: labels, real dates and numbers, the header frozen and filtered.
pub struct XlsxWriter {
    book: Workbook,
    table: Table,
    formats: Vec<Format>,
    head: Format,
    name: String,
    sheet: usize,
    /// The next row of the sheet.
    line: u32,
    rows_max: u32,
    bytes: u64,
    too_long: u64,
}

impl XlsxWriter {
    /// Begins a workbook of a type's records; rows wait in a nameless file in `folder`.
    ///
    /// # Errors
    /// [`ExportFailed`] if nothing can be written there.
    pub fn new(record_type: &RecordType, headers: Headers, folder: &Path) -> Result<Self, ExportFailed> {
        Self::with_rows(record_type, headers, folder, ROWS_MAX)
    }

    pub(super) fn with_rows(
        record_type: &RecordType,
        headers: Headers,
        folder: &Path,
        rows_max: u32,
    ) -> Result<Self, ExportFailed> {
        let table = Table::new(record_type, headers);
        let mut book = Workbook::new();
        book.set_tempdir(folder)?;
        let head = Format::new()
            .set_bold()
            .set_text_wrap()
            .set_align(FormatAlign::VerticalCenter)
            .set_background_color(Color::RGB(0x00E8_EEF7));
        let name = if headers == Headers::LabelsEn { &record_type.label.en } else { &record_type.label.vi };
        let fits = |c: &char| !matches!(c, '[' | ']' | ':' | '*' | '?' | '/' | '\\' | '\'');
        let name = name.chars().filter(fits).take(NAME_CHARS_MAX).collect();
        let formats = table.kinds().map(format_of).collect();
        let mut writer =
            Self { book, table, formats, head, name, sheet: 0, line: 0, rows_max, bytes: 0, too_long: 0 };
        writer.begin_sheet()?;
        Ok(writer)
    }

    fn begin_sheet(&mut self) -> Result<(), XlsxError> {
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        let number = self.sheet + 1;
        sheet.set_name(if number == 1 { self.name.clone() } else { format!("{} ({number})", self.name) })?;
        sheet.set_freeze_panes(1, 0)?;
        sheet.set_repeat_rows(0, 0)?;
        for (column, (kind, format)) in (0..).zip(self.table.kinds().zip(&self.formats)) {
            sheet.set_column_width(column, width(kind))?;
            sheet.set_column_format(column, format)?;
        }
        for (column, title) in (0..).zip(self.table.titles()) {
            sheet.write_string_with_format(0, column, title, &self.head)?;
        }
        self.line = 1;
        Ok(())
    }

    /// What can be said of a sheet only once its rows are counted.
    fn end_sheet(&mut self) -> Result<(), XlsxError> {
        let last = u16::try_from(self.formats.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let line = self.line.saturating_sub(1);
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        sheet.autofilter(0, 0, line, last)?;
        sheet.ignore_error_range(0, 0, line, last, IgnoreError::NumberStoredAsText)?;
        Ok(())
    }

    /// Writes one record, `{id, unit, fields: {…}}`.
    ///
    /// # Errors
    /// [`ExportFailed`] if it cannot be written.
    pub fn write(&mut self, record: &Value) -> Result<(), ExportFailed> {
        for row in self.table.rows(record) {
            if self.line >= self.rows_max {
                self.end_sheet()?;
                self.sheet += 1;
                self.begin_sheet()?;
            }
            let sheet = self.book.worksheet_from_index(self.sheet)?;
            for (column, (cell, format)) in (0..).zip(row.iter().zip(&self.formats)) {
                let written = write(sheet, (self.line, column), cell, format)?;
                self.too_long += u64::from(written.is_none());
                self.bytes += written.unwrap_or(0);
            }
            self.line += 1;
        }
        Ok(())
    }

    /// Cells left blank because no workbook holds such a long text.
    #[must_use]
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// Writes the workbook to `out`.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn finish(mut self, mut out: impl Write + Send) -> Result<(), ExportFailed> {
        self.end_sheet()?;
        self.book.use_zip_large_file(self.bytes > LARGE_BYTES);
        self.book.save_to_writer(&mut out)?;
        Ok(out.flush()?)
    }
}

/// Writes a cell; about how many bytes it takes, nothing if no cell can hold it.
fn write(
    sheet: &mut Worksheet,
    (line, column): (u32, u16),
    cell: &Cell,
    format: &Format,
) -> Result<Option<u64>, XlsxError> {
    let text = match cell {
        Cell::Blank => return Ok(Some(0)),
        Cell::Boolean(yes) => {
            sheet.write_boolean(line, column, *yes)?;
            return Ok(Some(64));
        }
        Cell::Number(digits) => match exact(digits) {
            Some(number) => {
                sheet.write_number_with_format(line, column, number, format)?;
                return Ok(Some(64));
            }
            None => digits.clone(),
        },
        Cell::Day(day) => {
            let serial = days_of(*day) + EPOCH_DAYS;
            if serial >= FIRST_TRUE_SERIAL {
                sheet.write_number_with_format(line, column, serial, format)?;
                return Ok(Some(64));
            }
            // Before that no day has a serial number, or Excel's is one off.
            day.strftime("%d/%m/%Y").to_string()
        }
        Cell::Text(text) => text.clone(),
    };
    if text.encode_utf16().count() > CELL_UNITS_MAX {
        return Ok(None);
    }
    let bytes = text.len() as u64 + 80;
    sheet.write_string_with_format(line, column, text, format)?;
    Ok(Some(bytes))
}

/// The number that has exactly these digits.
fn exact(digits: &str) -> Option<f64> {
    let number: f64 = digits.parse().ok()?;
    (number.abs() < EXACT && number.to_string() == digits).then_some(number)
}

fn format_of(kind: FieldKind) -> Format {
    Format::new().set_num_format(match kind {
        FieldKind::Date => "dd/mm/yyyy",
        FieldKind::Money => "#,##0",
        FieldKind::Integer => "0",
        FieldKind::Decimal | FieldKind::Boolean => "General",
        // Numbers people know by their digits are text, so that no zero is lost.
        _ => "@",
    })
}

fn width(kind: FieldKind) -> f64 {
    match kind {
        FieldKind::LongText => 45.0,
        FieldKind::Text | FieldKind::List | FieldKind::Reference => 24.0,
        _ => 14.0,
    }
}
