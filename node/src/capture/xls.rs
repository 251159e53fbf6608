//! Workbooks of before 2007, measured before the library that reads them may allocate.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{Data, DataType as _, Reader as _, Xls, XlsError};

use super::source::{COLUMNS_MAX, Merge, Row, RowSink, Sheet};
use super::stamps::{is_page_stamp, is_stamp};
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
/// Of a file of 1997 or later, the first bytes of what begins a part of it.
const VERSION_8: [u8; 2] = [0x00, 0x06];
const HEADER: u16 = 0x0014;
const FOOTER: u16 = 0x0015;
const HEADERS_MORE: u16 = 0x089C;
/// Before its texts stand what it is of, its flags and their lengths.
const HEADERS_MORE_FROM: usize = 38;
/// A text box or a note; its text is in the records that continue it.
const TEXT_BOX: u16 = 0x01B6;
const CONTINUE: u16 = 0x003C;
/// As much of such a text is looked at, beyond what one record holds.
const BOX_TEXT_MAX: usize = 4 << 10;

pub(crate) type Workbook = Xls<BufReader<File>>;

/// Whether the bytes begin a compound file: an old workbook, or an encrypted new one.
pub(crate) fn is_compound(head: &[u8]) -> bool {
    head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// What an old workbook holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Rows of all sheets, roughly.
    pub(crate) rows: u64,
    /// A text box is a mark of secrecy, a note, or what is printed on each page.
    pub(crate) stamped: bool,
}

/// Refuses what is no workbook, is encrypted, or would need too much memory.
pub(crate) fn measure(path: &Path, size: u64) -> Result<Measured, FileRefusal> {
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

fn walk(stream: &[u8]) -> Result<Measured, FileRefusal> {
    let (mut cells, mut formulas) = (Span::default(), Span::default());
    let (mut area, mut rows) = (0, 0);
    let (mut at, mut stamps) = (0, Stamps::default());
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
        stamps.note(kind, stream.get(start..end.min(stream.len())).unwrap_or_default());
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
    Ok(Measured { rows, stamped: stamps.seen })
}

/// Watches records go by for a mark of secrecy beside the cells.
#[derive(Default)]
struct Stamps {
    /// Texts are of one byte a letter, and of no other: the file is of before 1997.
    is_narrow: bool,
    /// What of a text box or a note went by, and how many letters of it are to come.
    text: String,
    left: usize,
    seen: bool,
}

impl Stamps {
    fn note(&mut self, kind: u16, record: &[u8]) {
        match kind {
            CONTINUE if self.left > 0 => self.go_on(record),
            _ => self.end(),
        }
        match kind {
            _ if BOF.contains(&kind) => self.is_narrow = !record.starts_with(&VERSION_8),
            TEXT_BOX if !self.is_narrow => {
                let count = record.get(10..).and_then(|behind| behind.first_chunk::<2>());
                self.left = count.map_or(0, |count| usize::from(u16::from_le_bytes(*count)));
            }
            HEADER | FOOTER if self.is_narrow => {
                let text = record.get(1..).unwrap_or_default();
                let read =
                    [encoding_rs::WINDOWS_1252, encoding_rs::WINDOWS_1258].map(|code| code.decode(text).0);
                self.seen |= read.iter().any(|text| is_page_stamp(text));
            }
            HEADER | FOOTER => self.heads(record),
            // Those of the first page and of even ones.
            HEADERS_MORE => self.heads(record.get(HEADERS_MORE_FROM..).unwrap_or_default()),
            _ => {}
        }
    }

    /// Judges what is printed, text after text: a count of letters, how wide they are, and them.
    fn heads(&mut self, mut record: &[u8]) {
        while let Some(([low, high, flags], behind)) = record.split_first_chunk::<3>() {
            let count = usize::from(u16::from_le_bytes([*low, *high]));
            let (text, read) = letters(*flags, behind, count);
            self.seen |= is_page_stamp(&text);
            record = behind.get(read..).unwrap_or_default();
        }
    }

    /// Takes what a record more has of a text; each says for itself how wide its letters are.
    fn go_on(&mut self, record: &[u8]) {
        let Some((flags, behind)) = record.split_first() else { return };
        let (text, read) = letters(*flags, behind, self.left);
        let count = if flags & 1 == 0 { read } else { read / 2 };
        self.left = self.left.saturating_sub(count);
        if self.text.len() < BOX_TEXT_MAX {
            self.text.push_str(&text);
        }
        if self.left == 0 {
            self.end();
        }
    }

    /// Judges a text of which no more comes.
    fn end(&mut self) {
        if !self.text.is_empty() {
            self.seen |= is_stamp(&std::mem::take(&mut self.text));
        }
        self.left = 0;
    }
}

/// As many letters as are there, of one byte or two as a flag says, and how many bytes they are.
fn letters(flags: u8, bytes: &[u8], count: usize) -> (String, usize) {
    if flags & 1 == 0 {
        let bytes = bytes.get(..count).unwrap_or(bytes);
        return (bytes.iter().map(|byte| char::from(*byte)).collect(), bytes.len());
    }
    let bytes = bytes.get(..count * 2).unwrap_or(bytes);
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk::<2>());
    let units = units.map(|pair| u16::from_le_bytes(*pair));
    let text =
        char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    (text, bytes.len())
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn stream(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (kind, data) in records {
            stream.extend(kind.to_le_bytes());
            stream.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
            stream.extend(data);
        }
        stream
    }

    proptest! {
        /// Goal: records that say anything are walked to their end, or to where the file is cut.
        #[test]
        fn no_records_break_the_walk(
            records in vec((prop::sample::select(vec![
                0x0809_u16, HEADER, FOOTER, HEADERS_MORE, TEXT_BOX, CONTINUE, DIMENSIONS, 0x0203, 0x00BD,
            ]), vec(any::<u8>(), 0..60)), 0..20),
            cut in 0_usize..400,
        ) {
            let stream = stream(&records);
            let _ = walk(&stream);
            let _ = walk(stream.get(..cut).unwrap_or(&stream));
        }
    }
}
