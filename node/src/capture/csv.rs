//! Separated text: an own small parser, since records here are bounded and blank lines count as rows.

use std::io::Read;
use std::ops::ControlFlow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::source::{COLUMNS_MAX, Row, RowSink};
use super::{FileRefusal, RawCell};

/// Longer cells are cut here: what is left is still longer than any rule takes.
const CELL_MAX: usize = 96 << 10;

/// How a text file is written.
#[derive(Debug)]
pub(crate) struct Dialect {
    encoding: &'static Encoding,
    separator: char,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { encoding: UTF_8, separator: ',' }
    }
}

impl Dialect {
    /// Encoding by byte order mark, separator by what stands most often outside quotes.
    pub(crate) fn sniff(head: &[u8]) -> Result<Self, FileRefusal> {
        let encoding = match head {
            [0xff, 0xfe, ..] => UTF_16LE,
            [0xfe, 0xff, ..] => UTF_16BE,
            _ => UTF_8,
        };
        if head.starts_with(b"%PDF") || (encoding == UTF_8 && head.contains(&0)) {
            return Err(FileRefusal::Type("binary data".to_owned()));
        }
        let (text, _) = encoding.decode_with_bom_removal(head);
        let (mut quoted, mut counts) = (false, [(',', 0_u32), (';', 0), ('\t', 0)]);
        for letter in text.chars() {
            quoted ^= letter == '"';
            for (separator, count) in &mut counts {
                *count += u32::from(!quoted && letter == *separator);
            }
        }
        // The first of equals wins, so compare from the back.
        let separator =
            counts.iter().rev().max_by_key(|(_, count)| *count).map_or(',', |(separator, _)| *separator);
        Ok(Self { encoding, separator })
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
    if !ended {
        let _ = parser.end_row(sink);
    }
    Ok(())
}

struct Parser {
    separator: char,
    cell: String,
    column: u32,
    row: Row,
    quoted: bool,
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
            '"' if self.cell.is_empty() => self.quoted = true,
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
            self.row.last = self.column;
        }
        if !cell.trim().is_empty() && self.row.cells.len() < COLUMNS_MAX && sink.wants(self.column) {
            self.row.cells.push((self.column, RawCell::Text(cell)));
        }
        self.column = self.column.saturating_add(1);
    }

    fn end_row(&mut self, sink: &mut dyn RowSink) -> ControlFlow<()> {
        self.end_cell(sink);
        self.column = 0;
        let number = self.row.number;
        let row = std::mem::replace(&mut self.row, Row { number: number + 1, ..Row::default() });
        if row.cells.is_empty() { ControlFlow::Continue(()) } else { sink.row(row) }
    }
}
