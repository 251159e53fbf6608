//! Workbooks of before 2007, measured before the library that reads them may allocate.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{Data, DataType as _, Reader as _, Xls, XlsError};

use super::source::{COLUMNS_MAX, Merge, Row, RowSink, Sheet};
use super::xlsx::serial;
use super::{FileRefusal, RawCell};

/// Larger ones were never written by people; a workbook of that age holds at most 65,536 rows a sheet.
const FILE_MAX: u64 = 128 << 20;
/// The library holds every cell of a sheet's rectangle: about 100 MB at most.
const CELLS_MAX: u64 = 3_000_000;
/// A full sheet: more cannot be declared in good faith.
const DECLARED_MAX: u64 = 65_536 * 256;

const BOF: [u16; 4] = [0x0009, 0x0209, 0x0409, 0x0809];
const DIMENSIONS: u16 = 0x0200;
const FILE_PASS: u16 = 0x002F;
const FORMULAS: [u16; 3] = [0x0006, 0x0206, 0x0406];
/// Blank, number, label, boolean, multiple numbers, RK, string of the table, rich string.
const CELLS: [u16; 9] = [0x0203, 0x0204, 0x0205, 0x00BD, 0x027E, 0x00FD, 0x00D6, 0x0003, 0x0004];

pub(crate) type Workbook = Xls<BufReader<File>>;

/// Whether the bytes begin a compound file: an old workbook, or an encrypted new one.
pub(crate) fn is_compound(head: &[u8]) -> bool {
    head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// Refuses what is no workbook, is encrypted, or would need too much memory; returns its rows, roughly.
pub(crate) fn measure(path: &Path, size: u64) -> Result<u64, FileRefusal> {
    if size > FILE_MAX {
        return Err(FileRefusal::TooLarge(format!("{size} bytes")));
    }
    let mut compound = cfb::open(path).map_err(|error| FileRefusal::Corrupt(error.to_string()))?;
    if compound.exists("/EncryptedPackage") {
        return Err(FileRefusal::Encrypted);
    }
    let name = ["/Workbook", "/Book"].into_iter().find(|name| compound.is_stream(name));
    let name = name.ok_or_else(|| FileRefusal::Type("a compound file, but no workbook".to_owned()))?;
    let mut stream = Vec::new();
    let opened = compound.open_stream(name).map_err(|error| FileRefusal::Corrupt(error.to_string()))?;
    opened
        .take(FILE_MAX)
        .read_to_end(&mut stream)
        .map_err(|error| FileRefusal::Corrupt(error.to_string()))?;
    walk(&stream)
}

/// What a sheet's records span.
#[derive(Default)]
struct Span {
    rows: Option<(u16, u16)>,
    columns: Option<(u16, u16)>,
}

impl Span {
    fn note(&mut self, row: u16, first: u16, last: u16) {
        let wider = |span: &mut Option<(u16, u16)>, low: u16, high: u16| {
            let (from, to) = span.unwrap_or((low, high));
            *span = Some((from.min(low), to.max(high)));
        };
        wider(&mut self.rows, row, row);
        wider(&mut self.columns, first, last);
    }

    fn area(&self) -> u64 {
        let length = |span: Option<(u16, u16)>| span.map_or(0, |(from, to)| u64::from(to - from) + 1);
        length(self.rows) * length(self.columns)
    }
}

fn walk(stream: &[u8]) -> Result<u64, FileRefusal> {
    let (mut cells, mut formulas) = (Span::default(), Span::default());
    let (mut area, mut rows) = (0, 0);
    let mut at = 0;
    loop {
        let number = |from: usize| {
            let pair = stream.get(from..from + 2)?;
            pair.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes))
        };
        let record = number(at).zip(number(at + 2));
        let ends = record.is_none_or(|(kind, _)| BOF.contains(&kind));
        if ends {
            area += cells.area() + formulas.area();
            rows += cells.rows.map_or(0, |(from, to)| u64::from(to - from) + 1);
            (cells, formulas) = (Span::default(), Span::default());
        }
        let Some((kind, length)) = record else { break };
        let (start, end) = (at + 4, at + 4 + usize::from(length));
        let place = number(start).zip(number(start + 2));
        match (kind, place) {
            (FILE_PASS, Some((scheme, _))) if scheme != 0 => return Err(FileRefusal::Encrypted),
            (DIMENSIONS, _) => declared(stream.get(start..end).unwrap_or_default())?,
            (kind, Some((row, column))) if CELLS.contains(&kind) || FORMULAS.contains(&kind) => {
                let last =
                    if kind == 0x00BD { number(end.saturating_sub(2)).unwrap_or(column) } else { column };
                let span = if FORMULAS.contains(&kind) { &mut formulas } else { &mut cells };
                span.note(row, column.min(last), last.max(column));
            }
            _ => {}
        }
        at = end;
    }
    if area > CELLS_MAX {
        return Err(FileRefusal::TooLarge(format!("its cells span {area} places")));
    }
    Ok(rows)
}

/// The size a sheet declares is reserved by the reader before it has seen a cell.
fn declared(record: &[u8]) -> Result<(), FileRefusal> {
    let wide = |from: usize| {
        record
            .get(from..from + 4)
            .and_then(|b| b.first_chunk::<4>())
            .map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
    };
    let narrow = |from: usize| {
        record
            .get(from..from + 2)
            .and_then(|b| b.first_chunk::<2>())
            .map_or(0, |b| u64::from(u16::from_le_bytes(*b)))
    };
    let (rows, columns) = match record.len() {
        10 => (narrow(2).saturating_sub(narrow(0)), narrow(6)),
        _ => (wide(4).saturating_sub(wide(0)), narrow(10)),
    };
    let backwards = match record.len() {
        10 => narrow(2) < narrow(0),
        _ => wide(4) < wide(0),
    };
    if backwards || rows.saturating_mul(columns) > DECLARED_MAX {
        return Err(FileRefusal::Corrupt("a sheet declares an impossible size".to_owned()));
    }
    Ok(())
}

/// Opens a measured workbook.
pub(crate) fn open(path: &Path) -> Result<Workbook, FileRefusal> {
    let file = BufReader::new(File::open(path)?);
    // The library indexes what a damaged file declares; its panic is the file's fault, not ours.
    let opened = catch_unwind(AssertUnwindSafe(|| Xls::new(file)));
    match opened {
        Ok(Ok(book)) => Ok(book),
        Ok(Err(XlsError::Password)) => Err(FileRefusal::Encrypted),
        Ok(Err(error)) => Err(FileRefusal::Corrupt(error.to_string())),
        Err(_) => Err(FileRefusal::Corrupt("its records contradict each other".to_owned())),
    }
}

pub(crate) fn sheets(book: &Workbook) -> Vec<Sheet> {
    super::xlsx::listed(book.sheets_metadata())
}

pub(crate) fn merges(book: &Workbook, sheet: &str) -> Vec<Merge> {
    let found = book.merge_cells_by_sheet_name(sheet).unwrap_or_default();
    found.iter().map(Merge::of).collect()
}

pub(crate) fn rows(book: &mut Workbook, sheet: &str, sink: &mut dyn RowSink) -> Result<(), FileRefusal> {
    let range = book.worksheet_range(sheet).map_err(|error| FileRefusal::Corrupt(error.to_string()))?;
    let (first_row, first_column) = range.start().unwrap_or_default();
    for (number, cells) in (u64::from(first_row) + 1..).zip(range.rows()) {
        let mut row = Row { number, ..Row::default() };
        for (column, cell) in (first_column..).zip(cells) {
            if row.cells.len() < COLUMNS_MAX && !cell.is_empty() && sink.wants(column) {
                let raw = raw(cell);
                if !raw.is_blank() {
                    row.cells.push((column, raw));
                }
            }
        }
        if !row.cells.is_empty() && sink.row(row) == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    Ok(())
}

fn raw(cell: &Data) -> RawCell {
    match cell {
        Data::Empty => RawCell::Empty,
        #[expect(clippy::cast_precision_loss, reason = "a spreadsheet holds every number as a double")]
        Data::Int(number) => RawCell::Number(*number as f64),
        Data::Float(number) => RawCell::Number(*number),
        Data::String(text) => RawCell::Text(text.clone()),
        Data::Bool(yes) => RawCell::Boolean(*yes),
        Data::DateTime(at) => serial(at),
        Data::DateTimeIso(text) | Data::DurationIso(text) => RawCell::Iso(text.clone()),
        Data::Error(error) => RawCell::Error(error.to_string()),
    }
}
