//! A file that was sniffed, measured and may be read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{FileRefusal, RawCell, archive, csv, xlsx};

/// More columns than any type has; a hostile sheet has 16,384.
pub(crate) const COLUMNS_MAX: usize = 512;
const FILE_MAX: u64 = 2 << 30;

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
    /// Separated text.
    Csv,
    /// One JSON object a line.
    Jsonl,
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
}

/// One row with the cells that are not blank, by column.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) cells: Vec<(u32, RawCell)>,
    /// The last column with anything in it, of separated text; workbooks may carry notes beside a table.
    pub(crate) last: u32,
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
/// [`FileRefusal`] when the file is empty, broken, too large, of another type or undecodable.
pub fn open(path: &Path) -> Result<Source, FileRefusal> {
    let size = std::fs::metadata(path)?.len();
    if size == 0 {
        return Err(FileRefusal::Empty);
    }
    if size > FILE_MAX {
        return Err(FileRefusal::TooLarge(format!("{size} bytes")));
    }
    let mut head = Vec::new();
    File::open(path)?.take(64 << 10).read_to_end(&mut head)?;
    let mut source = Source {
        path: path.to_owned(),
        text: csv::Dialect::default(),
        format: Format::Csv,
        sha256: hash(path)?,
    };
    if head.starts_with(b"PK") {
        archive::measure(BufReader::new(File::open(path)?), size)?;
        source.format = Format::Xlsx;
        return Ok(source);
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(FileRefusal::Type(
            "an old .xls or an encrypted workbook; save it as .xlsx without password".into(),
        ));
    }
    let named = |extension: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(extension));
    if named("xlsx") || named("xlsm") || MAGICS.iter().any(|magic| head.starts_with(magic)) {
        return Err(FileRefusal::Type("not what its name says; save it as .xlsx, .csv or .jsonl".into()));
    }
    source.text = csv::Dialect::sniff(&head)?;
    let json = named("jsonl") || named("json");
    let body = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    if body.is_empty() && size <= head.len() as u64 {
        return Err(FileRefusal::Empty);
    }
    if json || body.starts_with(b"{") {
        source.format = Format::Jsonl;
    } else {
        // A whole pass first: rows must not flow from a file that turns out undecodable.
        source.text.decode(File::open(path)?, &mut |_| ControlFlow::Continue(()))?;
    }
    Ok(source)
}

impl Source {
    /// Runs `sink` over a sheet's rows; CSV has the one sheet `""`.
    pub(crate) fn rows(&self, sheet: &str, sink: &mut dyn RowSink) -> Result<(), FileRefusal> {
        match self.format {
            Format::Xlsx => {
                xlsx::rows(&mut xlsx::workbook(BufReader::new(File::open(&self.path)?))?, sheet, sink)
            }
            Format::Csv | Format::Jsonl => csv::rows(&self.text, File::open(&self.path)?, sink),
        }
    }

    pub(crate) fn sheets(&self) -> Result<Vec<String>, FileRefusal> {
        match self.format {
            Format::Xlsx => Ok(xlsx::sheets(&xlsx::workbook(BufReader::new(File::open(&self.path)?))?)),
            Format::Csv | Format::Jsonl => Ok(vec![String::new()]),
        }
    }
}

fn hash(path: &Path) -> Result<[u8; 32], FileRefusal> {
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
