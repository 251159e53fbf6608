//! A file that was sniffed, measured and may be read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::cell::finding;
use super::shape::{Line, Shape};
use super::{FileRefusal, Finding, RawCell, archive, csv, jsonl, ods, xls, xlsx};

/// More columns than any type has; a hostile sheet has 16,384.
pub(crate) const COLUMNS_MAX: usize = 512;
/// Bytes of a file that is read.
pub const FILE_MAX: u64 = 2 << 30;

/// Pictures, papers, archives and programs that people drop by mistake.
const MAGICS: [&[u8]; 9] = [
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"%PDF",
    b"\x1f\x8b",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x7fELF",
    b"MZ\x90",
];

/// What a file is, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An Office Open XML workbook.
    Xlsx,
    /// A workbook of before 2007.
    Xls,
    /// An OpenDocument workbook.
    Ods,
    /// Separated text.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// What people call it, in Vietnamese and in English.
    fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Xlsx => ("bảng tính Excel (.xlsx)", "an Excel workbook (.xlsx)"),
            Self::Xls => ("bảng tính Excel cũ (.xls)", "an old Excel workbook (.xls)"),
            Self::Ods => ("bảng tính OpenDocument (.ods)", "an OpenDocument workbook (.ods)"),
            Self::Csv => ("văn bản có dấu ngăn cách (.csv)", "separated text (.csv)"),
            Self::Jsonl => ("JSON Lines (.jsonl)", "JSON lines (.jsonl)"),
        }
    }

    /// What a file of this ending should be, where that says anything.
    fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "xlsx" | "xlsm" => Self::Xlsx,
            "xls" => Self::Xls,
            "ods" => Self::Ods,
            "csv" | "tsv" => Self::Csv,
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            _ => return None,
        })
    }
}

/// A file that may be read.
#[derive(Debug)]
pub struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: csv::Dialect,
    /// What it is.
    pub format: Format,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Rows it holds, roughly; 0 if that is not known.
    pub extent: u64,
    /// It carries macros, which are neither run nor kept.
    pub macros: bool,
    pub(crate) merges: bool,
    pub(crate) formulas: bool,
    /// A cell may be a mark of secrecy.
    pub(crate) marks: bool,
    /// A text box is one, a note, or what is printed on each page.
    pub(crate) stamped: bool,
}

impl Source {
    /// Says as what a file was read whose name says something else.
    pub(crate) fn misnamed(&self) -> Option<Finding> {
        let ending = self.path.extension()?.to_str()?.to_ascii_lowercase();
        if Format::of_ending(&ending)? == self.format {
            return None;
        }
        let (vi, en) = self.format.label();
        Some(finding(
            "FILE_TYPE",
            None,
            format!("Tên tệp có đuôi .{ending} nhưng nội dung là {vi}: đã đọc theo nội dung"),
            format!("the file is named .{ending}, but is {en}: it was read as that"),
        ))
    }
}

/// One row with the cells that are not blank, by column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) cells: Vec<(u32, RawCell)>,
    pub(crate) line: Line,
    pub(crate) shape: Shape,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) hidden: bool,
}

/// Cells that are one, by first and last row (from 1) and column (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) rows: (u64, u64),
    pub(crate) columns: (u32, u32),
}

impl Merge {
    pub(crate) fn of(found: &calamine::Dimensions) -> Self {
        Self {
            rows: (u64::from(found.start.0) + 1, u64::from(found.end.0) + 1),
            columns: (found.start.1, found.end.1),
        }
    }
}

/// Fills down what ranges merged over several rows say: the same for each of them.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// Ranges not begun yet, the first one last.
    ahead: Vec<Merge>,
    /// Of ranges that were begun: column, last row, cell.
    open: Vec<(u32, u64, RawCell)>,
}

impl Spans {
    /// Over ranges in the order of their first rows.
    pub(crate) fn new(merges: &[Merge]) -> Self {
        Self { ahead: merges.iter().rev().copied().collect(), open: Vec::new() }
    }

    /// Whether a range that was begun reaches this row in a column.
    pub(crate) fn reach(&self, row: u64, column: u32) -> bool {
        self.open.iter().any(|(at, last, _)| *last >= row && *at == column)
    }

    /// Completes a row; rows come in order.
    pub(crate) fn fill(&mut self, row: &mut Row) {
        if self.ahead.is_empty() && self.open.is_empty() {
            return;
        }
        self.open.retain(|(_, last, _)| *last >= row.number);
        for (column, _, cell) in &self.open {
            if let Err(place) = row.cells.binary_search_by_key(column, |(at, _)| *at) {
                row.cells.insert(place, (*column, cell.clone()));
            }
        }
        while let Some(Merge { rows, columns }) = self.ahead.pop_if(|merge| merge.rows.0 <= row.number) {
            let head = row.cells.iter().find(|(at, _)| *at == columns.0 && rows.0 == row.number);
            if let Some((column, cell)) = head {
                self.open.push((*column, rows.1, cell.clone()));
            }
        }
    }
}

/// Takes rows as they are read.
pub(crate) trait RowSink {
    /// Whether a column's cells are to be read at all.
    fn wants(&self, column: u32) -> bool;
    /// Takes a row; `Break` ends the reading.
    fn row(&mut self, row: Row) -> ControlFlow<()>;
}

/// Sniffs and measures a file; what it returns can be read in bounded memory.
///
/// # Errors
/// [`FileRefusal`] when the file is empty, broken, encrypted, too large, of another type or undecodable.
pub fn open(path: &Path) -> Result<Source, FileRefusal> {
    let size = size_of(path)?;
    if size == 0 {
        return Err(FileRefusal::Empty);
    }
    let mut head = Vec::new();
    File::open(path)?.take(64 << 10).read_to_end(&mut head)?;
    let mut source = Source {
        path: path.to_owned(),
        text: csv::Dialect::default(),
        format: Format::Csv,
        sha256: hash(path)?,
        extent: size,
        macros: false,
        merges: true,
        formulas: false,
        marks: false,
        stamped: false,
    };
    if head.starts_with(b"PK") {
        let measured = archive::measure(BufReader::new(File::open(path)?), size)?;
        source.format = if measured.ods { Format::Ods } else { Format::Xlsx };
        (source.extent, source.macros) = (measured.rows, measured.macros);
        (source.merges, source.formulas) = (measured.merges > 0, measured.formulas);
        (source.marks, source.stamped) = (measured.marks, measured.stamped);
        if measured.ods && measured.marks {
            source.stamped = ods::stamped(path)?;
        }
        return Ok(source);
    }
    if xls::is_compound(&head) {
        let measured = xls::measure(path, size)?;
        (source.extent, source.stamped) = (measured.rows, measured.stamped);
        source.format = Format::Xls;
        // Its bytes are not gone through: it is small.
        source.marks = true;
        return Ok(source);
    }
    let named = |extension: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(extension));
    let body = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    let small = body.get(..64).unwrap_or(body).to_ascii_lowercase();
    if ["<html", "<!doctype", "<table", "<?xml", "<meta"].iter().any(|tag| small.starts_with(tag.as_bytes()))
    {
        return Err(FileRefusal::Type("a web page or XML under another name".to_owned()));
    }
    if MAGICS.iter().any(|magic| head.starts_with(magic)) {
        return Err(FileRefusal::Type("not what its name says".to_owned()));
    }
    if ["xlsx", "xlsm", "xls", "ods", "xlsb"].into_iter().any(named) {
        return Err(FileRefusal::Misnamed);
    }
    if body.is_empty() && size <= head.len() as u64 {
        return Err(FileRefusal::Empty);
    }
    let json = named("jsonl") || named("json") || named("ndjson");
    if jsonl::is_array(body) {
        return Err(FileRefusal::JsonArray);
    }
    if json || body.starts_with(b"{") {
        if csv::unicode(&head)? != encoding_rs::UTF_8 {
            return Err(FileRefusal::Encoding);
        }
        source.format = Format::Jsonl;
        source.extent = jsonl::count(BufReader::with_capacity(64 << 10, File::open(path)?))?;
    } else {
        source.text = csv::Dialect::of(path, &head)?;
        (source.extent, source.marks) = (source.text.rows, source.text.marks);
    }
    Ok(source)
}

/// A source's sheets, opened for as often as they must be gone through.
pub(crate) enum Book<'a> {
    /// And whether cells have formulas.
    Xlsx(Box<calamine::Xlsx<BufReader<File>>>, bool),
    Xls(Box<xls::Workbook>),
    Ods(&'a Path),
    Text(&'a Source),
}

impl<'a> Book<'a> {
    pub(crate) fn open(source: &'a Source) -> Result<Self, FileRefusal> {
        Ok(match source.format {
            Format::Xlsx => {
                let book = xlsx::workbook(BufReader::new(File::open(&source.path)?))?;
                Self::Xlsx(Box::new(book), source.formulas)
            }
            Format::Xls => Self::Xls(Box::new(xls::open(&source.path)?)),
            Format::Ods => Self::Ods(&source.path),
            Format::Csv | Format::Jsonl => Self::Text(source),
        })
    }

    /// The sheets in their order; separated text has one without a name.
    pub(crate) fn sheets(&self) -> Result<Vec<Sheet>, FileRefusal> {
        Ok(match self {
            Self::Xlsx(book, _) => xlsx::sheets(book),
            Self::Xls(book) => xls::sheets(book),
            Self::Ods(path) => ods::sheets(path)?,
            Self::Text(_) => vec![Sheet { name: String::new(), hidden: false }],
        })
    }

    /// Of a workbook in which a number can be a day: whether it counts them from 1904.
    pub(crate) fn epoch_1904(&self) -> Option<bool> {
        match self {
            Self::Xlsx(book, _) => Some(book.has_1904_epoch()),
            Self::Xls(book) => Some(book.has_1904_epoch()),
            // Dates of an open document are written out; what counts its days is nowhere in a number.
            Self::Ods(_) | Self::Text(_) => None,
        }
    }

    pub(crate) fn merges(&mut self, sheet: &str) -> Result<Vec<Merge>, FileRefusal> {
        match self {
            Self::Xlsx(book, _) => xlsx::merges(book, sheet),
            Self::Xls(book) => Ok(xls::merges(book, sheet)),
            Self::Ods(path) => ods::merges(path, sheet),
            Self::Text(_) => Ok(Vec::new()),
        }
    }

    /// Runs `sink` over a sheet's rows.
    pub(crate) fn rows(&mut self, sheet: &str, sink: &mut dyn RowSink) -> Result<(), FileRefusal> {
        match self {
            Self::Xlsx(book, formulas) => xlsx::rows(book, sheet, *formulas, sink),
            Self::Xls(book) => xls::rows(book, sheet, sink),
            Self::Ods(path) => ods::rows(path, sheet, sink),
            Self::Text(source) => csv::rows(&source.text, File::open(&source.path)?, sink),
        }
    }
}

/// A file's size: of one that may be read to its end, since a pipe or a device has none.
fn size_of(path: &Path) -> Result<u64, FileRefusal> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(FileRefusal::Type("no file".to_owned()));
    }
    if about.len() > FILE_MAX {
        return Err(FileRefusal::TooLarge(format!("{} bytes", about.len())));
    }
    Ok(about.len())
}

/// SHA-256 of a file's bytes.
///
/// # Errors
/// [`FileRefusal::Io`] if it cannot be read, [`FileRefusal::TooLarge`] or [`FileRefusal::Type`] if it is too large or no file.
pub fn hash(path: &Path) -> Result<[u8; 32], FileRefusal> {
    size_of(path)?;
    let (mut file, mut context, mut buffer) =
        (File::open(path)?, Context::new(&SHA256), vec![0_u8; 64 << 10]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        context.update(buffer.get(..read).unwrap_or_default());
    }
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    Ok(digest)
}
