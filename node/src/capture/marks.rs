//! Marks of secrecy that stand by themselves, and so are of the whole file.
//!
//! A classified file leaves nothing, so a mark must be known before the first row is written, and it may stand below the last.
//! Measuring goes through all bytes of a file anyway: there the few letters of a mark are looked for. Only where they are
//! found are the sheets gone through once more, for the short rows that have one.

use std::ops::ControlFlow;

use lienthong_proto::catalogue::{Label, RecordType};
use lienthong_proto::rules::{MARK_BYTES_MAX, SECRECY, is_secrecy_mark};
use lienthong_proto::text::{Lettering, fold, normalise};

use super::RawCell;
use super::header::Header;
use super::source::{Row, RowSink};

/// A mark stands beside no more cells than this, itself among them.
const CELLS_MAX: usize = 3;
/// More short rows with a mark are no table of ours.
const ROWS_MAX: usize = 10_000;
/// The letters between the first and the last of “mật”, however they are written, have no more bytes.
const VOWEL_BYTES_MAX: usize = 8;

/// Where a mark stands, told without a word of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkPlace {
    /// In a text box, a note, or at the head or foot of the printed page.
    Page,
    /// In a row of a sheet.
    Row {
        /// Which of the sheets that can be seen, from 1, if there are several.
        sheet: Option<usize>,
        /// The row.
        row: u64,
    },
    /// In a row of a hidden sheet.
    Hidden {
        /// Which of the hidden sheets, from 1.
        sheet: usize,
        /// The row.
        row: u64,
    },
}

impl MarkPlace {
    /// In words that follow “stands”.
    pub(super) fn label(self) -> Label {
        match self {
            Self::Page => Label {
                vi: "trong hộp chữ, ghi chú hoặc ở đầu, chân trang in".to_owned(),
                en: "in a text box, a note, or at the head or foot of the printed page".to_owned(),
            },
            Self::Row { sheet: None, row } => {
                Label { vi: format!("ở dòng {row}"), en: format!("in row {row}") }
            }
            Self::Row { sheet: Some(sheet), row } => Label {
                vi: format!("ở trang thứ {sheet}, dòng {row}"),
                en: format!("in sheet {sheet}, row {row}"),
            },
            Self::Hidden { sheet, row } => Label {
                vi: format!("ở trang ẩn thứ {sheet}, dòng {row} (bỏ ẩn để xem)"),
                en: format!("in hidden sheet {sheet}, row {row} (unhide it to see)"),
            },
        }
    }
}

/// Whether a text in markup may be a mark.
pub(super) fn may_be_mark(text: &[u8]) -> bool {
    // Numbers are most of a sheet.
    if text.len() > MARK_BYTES_MAX || text.last().is_none_or(u8::is_ascii_digit) {
        return false;
    }
    stems(text).next().is_some_and(|stem| {
        let text = String::from_utf8_lossy(text);
        // A letter that is written as its number is left to who reads the sheet.
        text.get(stem + 1..).is_some_and(|behind| behind.starts_with("&#"))
            || is_mark(&text.replace("&quot;", " "))
    })
}

/// Watches separated text go by, piece by piece, for a cell that may be a mark.
#[derive(Debug, Default)]
pub(super) struct TextWatch {
    /// The last bytes before: a cell may lie across the border of two pieces.
    tail: Vec<u8>,
    pub(super) seen: bool,
}

impl TextWatch {
    pub(super) fn feed(&mut self, text: &str) {
        if self.seen {
            return;
        }
        let text = text.as_bytes();
        self.tail.extend(text.iter().take(MARK_BYTES_MAX));
        self.seen = has_marked_cell(&self.tail) || has_marked_cell(text);
        if text.len() > MARK_BYTES_MAX {
            self.tail = text.to_vec();
        }
        self.tail.drain(..self.tail.len().saturating_sub(MARK_BYTES_MAX));
    }
}

fn has_marked_cell(text: &[u8]) -> bool {
    let border = |byte: &u8| matches!(byte, b',' | b';' | b'\t' | b'\n' | b'\r' | b'"');
    stems(text).any(|at| {
        let near = at.saturating_sub(MARK_BYTES_MAX);
        let before = text.get(near..at).unwrap_or_default().iter().rposition(border);
        let from = before.map(|place| near + place + 1).or((near == 0).then_some(0));
        let behind = text.iter().skip(at).take(MARK_BYTES_MAX).position(border);
        let cell = from.and_then(|from| text.get(from..behind.map_or(text.len(), |place| at + place)));
        cell.is_some_and(|cell| cell.len() <= MARK_BYTES_MAX && std::str::from_utf8(cell).is_ok_and(is_mark))
    })
}

/// Whether “mật” may stand in a text, in whatever letters.
pub(super) fn has_stem(text: &[u8]) -> bool {
    stems(text).next().is_some()
}

/// Where “mật” may begin, in whatever letters: most texts have no such place.
fn stems(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr2_iter(b'm', b'M', text).filter(|at| {
        let behind = text.get(at + 1..).unwrap_or_default();
        let vowel = |byte: &&u8| !byte.is_ascii() || matches!(byte, b'a' | b'A');
        let vowels = behind.iter().take(VOWEL_BYTES_MAX + 1).take_while(vowel).count();
        vowels > 0 && matches!(behind.get(vowels), Some(b't' | b'T')) || behind.starts_with(b"&#")
    })
}

/// Whether a text is a mark, in Unicode or before.
pub(super) fn is_mark(text: &str) -> bool {
    is_secrecy_mark(text) || Lettering::LEGACY.iter().any(|lettering| is_secrecy_mark(&lettering.read(text)))
}

/// Whether a text is the word for what is not secret.
pub(super) fn is_open(text: &str) -> bool {
    matches!(fold(text).as_str(), "thuong" | "khong mat" | "khong")
}

/// What a cell of a short row says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// A word for how secret something is; whether it is one for classified papers.
    Word(String, bool),
    /// How many of something there are.
    Count,
    Other,
}

impl Told {
    fn of(cell: &RawCell, lettering: Lettering) -> Self {
        let RawCell::Text(text) = cell else {
            return if matches!(cell, RawCell::Number(_)) { Self::Count } else { Self::Other };
        };
        if text.len() > MARK_BYTES_MAX {
            return Self::Other;
        }
        let read = lettering.read(text);
        if [text, read.as_ref()].into_iter().any(is_secrecy_mark) {
            return Self::Word(normalise(&read).to_lowercase(), true);
        }
        match fold(&read).as_str() {
            open if is_open(open) => Self::Word(open.to_owned(), false),
            count if !count.is_empty() && count.chars().all(|c| c.is_ascii_digit() || c == ' ') => {
                Self::Count
            }
            _ => Self::Other,
        }
    }

    fn is_mark(&self) -> bool {
        matches!(self, Self::Word(_, true))
    }

    /// Whether two are words of one list: those beside each other in it differ.
    fn is_listed_with(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Word(one, _), Self::Word(other, _)) if one != other)
    }
}

/// A short row with a word for secrecy.
#[derive(Debug, Clone)]
pub(super) struct MarkedRow {
    pub(super) number: u64,
    cells: Vec<(u32, Told)>,
    /// The word stands in a list of such words, or beside a count.
    listed: bool,
}

impl MarkedRow {
    fn of(row: &Row, lettering: Lettering) -> Option<Self> {
        if row.cells.len() > CELLS_MAX { None } else { Self::of_any(row, lettering) }
    }

    /// The same of a row of any length.
    fn of_any(row: &Row, lettering: Lettering) -> Option<Self> {
        let cells: Vec<_> = row.cells.iter().map(|(at, cell)| (*at, Told::of(cell, lettering))).collect();
        let told = |at: usize| cells.get(at).map(|(_, told)| told);
        let beside = |one: usize, other: usize| Some(told(one)?.is_listed_with(told(other)?));
        let listed =
            [(0, 1), (1, 2), (0, 2)].into_iter().any(|(one, other)| beside(one, other) == Some(true))
                || cells.iter().any(|(_, told)| *told == Told::Count);
        let any = cells.iter().any(|(_, told)| matches!(told, Told::Word(..)));
        any.then_some(Self { number: row.number, cells, listed })
    }

    fn has_mark(&self) -> bool {
        self.cells.iter().any(|(_, told)| told.is_mark())
    }

    fn is_listed_below(&self, before: &Self) -> bool {
        let other = |at: u32| before.cells.iter().find(|(column, _)| *column == at);
        self.number == before.number + 1
            && self
                .cells
                .iter()
                .any(|(at, told)| other(*at).is_some_and(|(_, above)| told.is_listed_with(above)))
    }

    /// Whether it marks its file, standing in a sheet that is not read.
    pub(super) fn is_of_file(&self) -> bool {
        !self.listed && self.has_mark()
    }

    /// Whether it marks its file, standing below the header of a sheet that is read: a row with a key is a record, and a
    /// column of secrecy is of its own row, unless there is nothing else in that.
    pub(super) fn is_of_table(&self, header: &Header, record_type: &RecordType) -> bool {
        let names = |at: u32| header.columns.get(&at).map(String::as_str);
        let tells = |name: &str| {
            let field = record_type.field(name);
            name == SECRECY || field.is_some_and(|field| field.codes.as_deref() == Some(SECRECY))
        };
        let alone = self.cells.len() == 1;
        let stands = |(at, told): &(u32, Told)| told.is_mark() && (alone || !names(*at).is_some_and(tells));
        let keys = header.columns.iter().filter(|(_, name)| record_type.key.fields.contains(name));
        let mut keys = keys.map(|(at, _)| *at);
        let has = |column: u32| {
            let own = self.cells.iter().any(|(at, told)| *at == column && !told.is_mark());
            own || header.merges.iter().any(|merge| {
                merge.columns.0 == column && merge.rows.0 < self.number && self.number <= merge.rows.1
            })
        };
        self.is_of_file() && self.cells.iter().any(stands) && !keys.all(has)
    }
}

/// Takes from a sheet the short rows that have a mark.
pub(super) struct MarkedRows {
    lettering: Lettering,
    /// A longer row may begin a list of such words that goes on in short ones: so do lists beside each other that cells are
    /// chosen from, which are what most hidden sheets are for.
    among_lists: bool,
    /// The last row, if it is longer and may begin one.
    longer: Option<Row>,
    before: Option<MarkedRow>,
    found: Vec<MarkedRow>,
}

impl MarkedRows {
    pub(super) fn new(lettering: Lettering) -> Self {
        Self { lettering, among_lists: false, longer: None, before: None, found: Vec::new() }
    }

    /// Of a hidden sheet.
    pub(super) fn hidden(lettering: Lettering) -> Self {
        Self { among_lists: true, ..Self::new(lettering) }
    }

    pub(super) fn into_rows(mut self) -> Vec<MarkedRow> {
        self.keep();
        self.found
    }

    fn keep(&mut self) {
        self.found.extend(self.before.take().filter(MarkedRow::has_mark));
    }
}

impl RowSink for MarkedRows {
    fn wants(&self, _: u32) -> bool {
        true
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        let Some(mut marked) = MarkedRow::of(&row, self.lettering) else {
            self.longer = Some(row).filter(|_| self.among_lists);
            return ControlFlow::Continue(());
        };
        let longer = self.longer.take().and_then(|longer| MarkedRow::of_any(&longer, self.lettering));
        marked.listed |= longer.is_some_and(|longer| marked.is_listed_below(&longer));
        if let Some(before) = &mut self.before
            && marked.is_listed_below(before)
        {
            (before.listed, marked.listed) = (true, true);
        }
        self.keep();
        self.before = Some(marked);
        if self.found.len() < ROWS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_mark_is_seen_in_the_bytes() {
        for text in
            ["MẬT", "Độ mật: Tối mật", "(MA\u{302}\u{323}T)", "MËT", "MAÄT", "&quot;MẬT&quot;", "M&#7852;T"]
        {
            assert!(may_be_mark(text.as_bytes()), "{text}");
        }
        for text in ["", "12", "Độ mật", "một", "Nguyễn Thị Mật", "lộ bí mật công tác", "mặt"]
        {
            assert!(!may_be_mark(text.as_bytes()), "{text}");
        }
    }

    /// Method: one text cut at every place.
    #[test]
    fn a_cell_is_seen_wherever_the_text_is_cut() {
        let text = format!("a,b\n{},x\n;\"TỐI MẬT\";\nbí mật,y\n", "z".repeat(100));
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let mut watch = TextWatch::default();
            let (one, other) = text.split_at(at);
            [one, other].iter().for_each(|piece| watch.feed(piece));
            assert!(watch.seen, "{at}");
        }
        let mut watch = TextWatch::default();
        text.replace("TỐI MẬT", "một mặt")
            .replace("mật", "mở")
            .split_inclusive(' ')
            .for_each(|piece| watch.feed(piece));
        assert!(!watch.seen);
    }
}
