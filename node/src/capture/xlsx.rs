//! Rows of an .xlsx workbook, cell by cell: a range would allocate what the sheet merely claims to span.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use calamine::{DataRef, ExcelDateTime, ExcelDateTimeType, Reader, Xlsx};

use super::source::{COLUMNS_MAX, Row, RowSink};
use super::{FileRefusal, RawCell};

pub(crate) fn workbook<R: Read + Seek>(file: R) -> Result<Xlsx<R>, FileRefusal> {
    Xlsx::new(file).map_err(corrupt)
}

pub(crate) fn sheets<R: Read + Seek>(book: &Xlsx<R>) -> Vec<String> {
    book.sheet_names()
}

pub(crate) fn rows<R: Read + Seek>(
    book: &mut Xlsx<R>,
    sheet: &str,
    sink: &mut dyn RowSink,
) -> Result<(), FileRefusal> {
    let mut reader = book.worksheet_cells_reader(sheet).map_err(corrupt)?;
    let mut row = Row::default();
    while let Some(cell) = reader.next_cell().map_err(corrupt)? {
        let (line, column) = cell.get_position();
        let number = u64::from(line) + 1;
        if number != row.number {
            if !row.cells.is_empty() && sink.row(std::mem::take(&mut row)) == ControlFlow::Break(()) {
                return Ok(());
            }
            row = Row { number, ..Row::default() };
        }
        if row.cells.len() < COLUMNS_MAX && sink.wants(column) {
            let raw = raw(cell.get_value());
            if !raw.is_blank() {
                row.cells.push((column, raw));
            }
        }
    }
    if !row.cells.is_empty() {
        let _ = sink.row(row);
    }
    Ok(())
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
        DataRef::DateTime(at) if at.is_duration() => RawCell::Number(at.as_f64()),
        DataRef::DateTime(at) => {
            let in_1904 = ExcelDateTime::new(at.as_f64(), ExcelDateTimeType::DateTime, true);
            RawCell::Serial { days: at.as_f64(), epoch_1904: *at == in_1904 }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => RawCell::Iso(text.clone()),
        DataRef::Error(error) => RawCell::Error(error.to_string()),
    }
}

fn corrupt(error: calamine::XlsxError) -> FileRefusal {
    FileRefusal::Corrupt(error.to_string())
}
