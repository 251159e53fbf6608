//! Separated text: an own small parser, since records here are bounded and blank lines count as rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use lienthong_proto::text::{Lettering, LetteringCensus};

use super::marks::TextWatch;
use super::source::{COLUMNS_MAX, Row, RowSink};
use super::{FileRefusal, RawCell};

/// Longer cells are cut here: what is left is still longer than any rule takes.
const CELL_MAX: usize = 96 << 10;
/// So many zeros are a slip, also in a short file.
const ZEROS_MAX: usize = 2;
/// A line is judged for its lettering in pieces of at most this many bytes.
const LINE_MAX: usize = 16 << 10;

/// How a text file is written.
#[derive(Debug)]
pub(crate) struct Dialect {
    encoding: &'static Encoding,
    separator: char,
    /// Of bytes no Unicode encoding takes: how their letters stand for Vietnamese.
    pub(crate) lettering: Lettering,
    /// Its rows, roughly.
    pub(crate) rows: u64,
    /// A cell may be a mark of secrecy.
    pub(crate) marks: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { encoding: UTF_8, separator: ',', lettering: Lettering::Unicode, rows: 0, marks: false }
    }
}

impl Dialect {
    /// Reads the whole file once: nothing may be taken from a file that turns out undecodable.
    pub(crate) fn of(path: &Path, head: &[u8]) -> Result<Self, FileRefusal> {
        let mut dialect = Self { encoding: unicode(head)?, ..Self::default() };
        let (mut count, mut watch) = (RowCount::default(), TextWatch::default());
        let checked = dialect.decode(File::open(path)?, &mut |text| {
            count.feed(text.as_bytes());
            watch.feed(text);
            ControlFlow::Continue(())
        });
        if dialect.encoding == UTF_8 && matches!(checked, Err(FileRefusal::Encoding)) {
            dialect.encoding = WINDOWS_1252;
            let mut census = LetteringCensus::of_bytes();
            let mut line = String::new();
            (count, watch) = Default::default();
            dialect.decode(File::open(path)?, &mut |text| {
                count.feed(text.as_bytes());
                watch.feed(text);
                for piece in text.split_inclusive(['\n', ',', ';', '\t']) {
                    line.push_str(piece);
                    if line.len() > LINE_MAX || line.ends_with(['\n', ',', ';', '\t']) {
                        census.note(&line);
                        line.clear();
                    }
                }
                ControlFlow::Continue(())
            })?;
            census.note(&line);
            dialect.lettering = census.decide().ok_or(FileRefusal::Encoding)?;
        } else {
            checked?;
        }
        (dialect.separator, dialect.rows) = (dialect.separator_of(head), count.rows());
        dialect.marks = watch.seen;
        if count.quoted {
            // What counted does not know the separator: to be sure, the file is read as it will be.
            rows(&dialect, File::open(path)?, &mut Widths::default())?;
        }
        Ok(dialect)
    }

    /// What makes the most of the first rows equally wide, and them widest; the first of equals.
    fn separator_of(&self, head: &[u8]) -> char {
        let (text, _) = self.encoding.decode_with_bom_removal(head);
        let weight = |separator: &char| {
            let (mut parser, mut widths) = (Parser::new(*separator), Widths::default());
            let _ = text.chars().try_for_each(|letter| parser.letter(letter, &mut widths));
            let _ = parser.end_row(&mut widths);
            let alike = widths.0.iter().map(|(last, rows)| u64::from(*last) * rows);
            alike.max().unwrap_or(0)
        };
        // The first of equals wins, so compare from the back.
        [',', ';', '\t'].into_iter().rev().max_by_key(weight).unwrap_or(',')
    }

    /// Hands the text on piece by piece; anything malformed refuses the file.
    pub(crate) fn decode(
        &self,
        mut file: impl Read,
        take: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), FileRefusal> {
        let mut decoder = self.encoding.new_decoder_with_bom_removal();
        let (mut bytes, mut text) = (vec![0_u8; 32 << 10], String::with_capacity(128 << 10));
        loop {
            let read = file.read(&mut bytes)?;
            let mut rest = bytes.get(..read).unwrap_or_default();
            loop {
                text.clear();
                let (result, used) = decoder.decode_to_string_without_replacement(rest, &mut text, read == 0);
                if matches!(result, DecoderResult::Malformed(..)) {
                    return Err(FileRefusal::Encoding);
                }
                if take(&text) == ControlFlow::Break(()) {
                    return Ok(());
                }
                rest = rest.get(used..).unwrap_or_default();
                if result == DecoderResult::InputEmpty {
                    break;
                }
            }
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// How many rows end in which column.
#[derive(Default)]
struct Widths(BTreeMap<u32, u64>);

impl RowSink for Widths {
    fn wants(&self, _: u32) -> bool {
        true
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        *self.0.entry(row.line.last).or_default() += 1;
        ControlFlow::Continue(())
    }
}

/// Counts rows below the header, before the separator is known: the line ends that stand outside quotes.
#[derive(Default)]
struct RowCount {
    ends: u64,
    quoted: bool,
    last: Option<u8>,
}

impl RowCount {
    fn feed(&mut self, text: &[u8]) {
        for at in memchr::memchr2_iter(b'"', b'\n', text) {
            let before = match at.checked_sub(1) {
                Some(before) => text.get(before).copied(),
                None => self.last,
            };
            if text.get(at) == Some(&b'\n') {
                self.ends += u64::from(!self.quoted);
            } else if self.quoted {
                self.quoted = false;
            } else {
                // A cell begins, or the quote before was the first half of a doubled one.
                self.quoted = matches!(before, None | Some(b',' | b';' | b'\t' | b'\n' | b'\r' | b'"'));
            }
        }
        self.last = text.last().copied().or(self.last);
    }

    fn rows(&self) -> u64 {
        let open = self.last.is_some_and(|last| last != b'\n');
        (self.ends + u64::from(open)).saturating_sub(1)
    }
}

/// The Unicode encoding by byte order mark, or by where the zeros of ASCII letters stand.
pub(super) fn unicode(head: &[u8]) -> Result<&'static Encoding, FileRefusal> {
    match head {
        [0xff, 0xfe, ..] => return Ok(UTF_16LE),
        [0xfe, 0xff, ..] => return Ok(UTF_16BE),
        _ => {}
    }
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    match (zeros(0), zeros(1)) {
        // Vietnamese in UTF-16 is at least half ASCII: blanks, separators, consonants; few letters end in a zero.
        (high, low) if low * 8 > head.len() && high * 8 < low => Ok(UTF_16LE),
        (high, low) if high * 8 > head.len() && low * 8 < high => Ok(UTF_16BE),
        // A stray one is its cell's fault.
        (high, low) if (high + low) * 256 <= head.len().max(256 * ZEROS_MAX) => Ok(UTF_8),
        _ => Err(FileRefusal::Type("binary data".to_owned())),
    }
}

pub(crate) fn rows(dialect: &Dialect, file: impl Read, sink: &mut dyn RowSink) -> Result<(), FileRefusal> {
    let mut parser = Parser::new(dialect.separator);
    let mut ended = false;
    dialect.decode(file, &mut |text| {
        for letter in text.chars() {
            if parser.letter(letter, sink) == ControlFlow::Break(()) {
                ended = true;
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    if ended {
        return Ok(());
    }
    if parser.quoted && !parser.quote_seen {
        return Err(FileRefusal::QuoteOpen(parser.opened));
    }
    parser.row.line.open = true;
    let _ = parser.end_row(sink);
    Ok(())
}

struct Parser {
    separator: char,
    cell: String,
    column: u32,
    row: Row,
    quoted: bool,
    /// The row in which quotes began last.
    opened: u64,
    /// A quote inside quotes: its end, or the first half of a doubled one.
    quote_seen: bool,
    after_return: bool,
}

impl Parser {
    fn new(separator: char) -> Self {
        let row = Row { number: 1, ..Row::default() };
        Self {
            separator,
            cell: String::new(),
            column: 0,
            row,
            quoted: false,
            opened: 0,
            quote_seen: false,
            after_return: false,
        }
    }

    fn letter(&mut self, letter: char, sink: &mut dyn RowSink) -> ControlFlow<()> {
        let after_return = std::mem::take(&mut self.after_return);
        if self.quoted && !self.quote_seen {
            if letter == '"' {
                self.quote_seen = true;
            } else {
                self.push(letter);
            }
            return ControlFlow::Continue(());
        }
        if std::mem::take(&mut self.quote_seen) {
            if letter == '"' {
                self.push('"');
                return ControlFlow::Continue(());
            }
            self.quoted = false;
        }
        match letter {
            '"' if self.cell.is_empty() => (self.quoted, self.opened) = (true, self.row.number),
            '\n' if after_return => {}
            '\n' | '\r' => {
                self.after_return = letter == '\r';
                return self.end_row(sink);
            }
            _ if letter == self.separator => self.end_cell(sink),
            _ => self.push(letter),
        }
        ControlFlow::Continue(())
    }

    fn push(&mut self, letter: char) {
        if self.cell.len() < CELL_MAX {
            self.cell.push(letter);
        }
    }

    fn end_cell(&mut self, sink: &dyn RowSink) {
        let cell = std::mem::take(&mut self.cell);
        if !cell.trim().is_empty() {
            self.row.line.last = self.column;
        }
        if !cell.trim().is_empty() && self.row.cells.len() < COLUMNS_MAX && sink.wants(self.column) {
            self.row.cells.push((self.column, RawCell::Text(cell)));
        }
        self.column = self.column.saturating_add(1);
    }

    fn end_row(&mut self, sink: &mut dyn RowSink) -> ControlFlow<()> {
        self.end_cell(sink);
        self.row.line.width = std::mem::take(&mut self.column);
        let number = self.row.number;
        let row = std::mem::replace(&mut self.row, Row { number: number + 1, ..Row::default() });
        if row.cells.is_empty() { ControlFlow::Continue(()) } else { sink.row(row) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_however_their_cells_are_quoted() {
        let rows = |pieces: &[&str]| {
            let mut count = RowCount::default();
            pieces.iter().for_each(|piece| count.feed(piece.as_bytes()));
            count.rows()
        };
        assert_eq!(rows(&["a,b\n1,2\n3,4\n"]), 2);
        assert_eq!(rows(&["a,b\n1,2\n3,4"]), 2);
        assert_eq!(rows(&["a,b\n1,\"two\nlines, \"\"quoted\"\"\n\"\n3,4\n"]), 2);
        assert_eq!(rows(&["a,b\n1,\"two\nli", "nes\"", "\n3,", "\"4\"\n"]), 2);
        assert_eq!(rows(&["a;b\n1;ống 5\" thép\n3;4\n"]), 2);
        assert_eq!(rows(&[]), 0);
    }
}
