//! Rows of an .xlsx workbook, cell by cell: a range would allocate what the sheet merely claims to span.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use calamine::{DataRef, ExcelDateTime, ExcelDateTimeType, Reader, SheetType, SheetVisible, Xlsx};

use super::source::{COLUMNS_MAX, Merge, Row, RowSink, Sheet};
use super::{FileRefusal, RawCell};

/// Room for the cells of most rows.
const USUAL_COLUMNS: usize = 16;

/// What is shown of a formula without a result.
pub(super) const UNRECKONED: &str =
    "chưa tính: mở bằng Excel rồi lưu lại · not reckoned: open in Excel and save";

pub(crate) fn workbook<R: Read + Seek>(file: R) -> Result<Xlsx<R>, FileRefusal> {
    Xlsx::new(file).map_err(corrupt)
}

pub(crate) fn sheets<R: Read + Seek>(book: &Xlsx<R>) -> Vec<Sheet> {
    listed(book.sheets_metadata())
}

/// The sheets that can hold a table.
pub(super) fn listed(sheets: &[calamine::Sheet]) -> Vec<Sheet> {
    let tables = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    tables
        .map(|sheet| Sheet { name: sheet.name.clone(), hidden: sheet.visible != SheetVisible::Visible })
        .collect()
}

pub(crate) fn merges<R: Read + Seek>(book: &mut Xlsx<R>, sheet: &str) -> Result<Vec<Merge>, FileRefusal> {
    Ok(book.merge_cells_by_sheet_name(sheet).map_err(corrupt)?.iter().map(Merge::of).collect())
}

pub(crate) fn rows<R: Read + Seek>(
    book: &mut Xlsx<R>,
    sheet: &str,
    formulas: bool,
    sink: &mut dyn RowSink,
) -> Result<(), FileRefusal> {
    let mut reader = book.worksheet_cells_reader(sheet).map_err(corrupt)?;
    let mut rows = Rows { row: Row::default(), sink };
    if !formulas {
        // The usual list: its cells cost a fifth less where nobody asks for formulas.
        while let Some(cell) = reader.next_cell().map_err(corrupt)? {
            let place = cell.get_position();
            if rows.cell(place, || raw(cell.get_value())) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        return rows.end();
    }
    while let Some(cell) = reader.next_cell_with_formula_metadata().map_err(corrupt)? {
        let read = || match (&cell.value, &cell.formula) {
            // Programs that only write formulas leave the reckoning to whoever opens the file.
            (DataRef::Empty, Some(_)) => RawCell::Error(UNRECKONED.to_owned()),
            (value, _) => raw(value),
        };
        if rows.cell(cell.pos, read) == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    rows.end()
}

/// Cells that come one by one.
struct Rows<'a> {
    row: Row,
    sink: &'a mut dyn RowSink,
}

impl Rows<'_> {
    fn cell(&mut self, (line, column): (u32, u32), read: impl FnOnce() -> RawCell) -> ControlFlow<()> {
        let number = u64::from(line) + 1;
        if number != self.row.number {
            let next = Row { number, cells: Vec::with_capacity(USUAL_COLUMNS), ..Row::default() };
            let row = std::mem::replace(&mut self.row, next);
            if !row.cells.is_empty() {
                self.sink.row(row)?;
            }
        }
        if self.row.cells.len() < COLUMNS_MAX && self.sink.wants(column) {
            let raw = read();
            if !raw.is_blank() {
                self.row.cells.push((column, raw));
            }
        }
        ControlFlow::Continue(())
    }

    fn end(self) -> Result<(), FileRefusal> {
        if !self.row.cells.is_empty() {
            let _ = self.sink.row(self.row);
        }
        Ok(())
    }
}

fn raw(cell: &DataRef<'_>) -> RawCell {
    match cell {
        DataRef::Empty => RawCell::Empty,
        #[expect(clippy::cast_precision_loss, reason = "a spreadsheet holds every number as a double")]
        DataRef::Int(number) => RawCell::Number(*number as f64),
        DataRef::Float(number) => RawCell::Number(*number),
        DataRef::String(text) => RawCell::Text(text.clone()),
        DataRef::SharedString(text) => RawCell::Text((*text).to_owned()),
        DataRef::Bool(yes) => RawCell::Boolean(*yes),
        DataRef::DateTime(at) => serial(at),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => RawCell::Iso(text.clone()),
        DataRef::Error(error) => RawCell::Error(error.to_string()),
    }
}

/// A date as the number it stands on; a duration is a number only.
pub(super) fn serial(at: &ExcelDateTime) -> RawCell {
    if at.is_duration() {
        return RawCell::Number(at.as_f64());
    }
    let in_1904 = ExcelDateTime::new(at.as_f64(), ExcelDateTimeType::DateTime, true);
    RawCell::Serial { days: at.as_f64(), epoch_1904: *at == in_1904 }
}

fn corrupt(error: calamine::XlsxError) -> FileRefusal {
    FileRefusal::Corrupt(error.to_string())
}
