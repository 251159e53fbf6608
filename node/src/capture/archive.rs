//! Measuring an archive by inflating it through a counter: declared sizes may lie.

use std::io::{self, Read, Seek};
use std::sync::mpsc::sync_channel;

use memchr::memchr;

use super::FileRefusal;
use super::stamps::Texts;

const INFLATED_MAX: u64 = 2 << 30;
const RATIO_MAX: u64 = 1_000;
/// Below this the ratio says nothing: small sheets of blanks compress very well.
const RATIO_FROM: u64 = 16 << 20;
const SHARED_STRINGS_MAX: u64 = 256 << 20;
const CELL_MAX: u64 = 64 << 10;
/// Each shared string costs memory even when it is empty.
const STRINGS_MAX: u32 = 4_000_000;
/// Each merged range is held while its sheet is read.
const MERGES_MAX: u64 = 200_000;
const MEMBERS_MAX: usize = 10_000;
/// A member of more packed bytes is inflated beside what is done with it.
const SHORT_MAX: u64 = 128 << 10;
/// Bytes inflated at a time.
const PIECE: usize = 128 << 10;
/// Pieces that may wait for what is done with them.
const PIECES_WAITING: usize = 4;
/// The names of tags that count are shorter.
const TAG_NAME_MAX: usize = 24;

/// What a workbook's archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Measured {
    /// It is an OpenDocument workbook, else Office Open XML.
    pub(crate) ods: bool,
    /// Rows of all sheets, roughly.
    pub(crate) rows: u64,
    /// Merged ranges of all sheets.
    pub(crate) merges: u64,
    /// It carries macros; they are neither run nor kept.
    pub(crate) macros: bool,
    /// A cell has a formula.
    pub(crate) formulas: bool,
    /// A cell may be a mark of secrecy.
    pub(crate) marks: bool,
    /// A text box of an Office Open XML workbook is one, a note, or what is printed on each page.
    pub(crate) stamped: bool,
}

/// Refuses an archive that is broken, unsafe or inflates beyond the limits.
pub(crate) fn measure<R: Read + Seek + Send>(file: R, packed: u64) -> Result<Measured, FileRefusal> {
    let mut archive = zip::ZipArchive::new(file).map_err(corrupt)?;
    if archive.len() > MEMBERS_MAX {
        return Err(FileRefusal::TooLarge(format!("{} members", archive.len())));
    }
    let mut measured = Measured::default();
    let (mut total, mut workbook) = (0_u64, None);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(corrupt)?;
        let name = member.name().map_err(corrupt)?.into_owned();
        if member.enclosed_name().is_none() {
            return Err(FileRefusal::UnsafePath(name));
        }
        if member.encrypted() {
            return Err(FileRefusal::Encrypted);
        }
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "xl/workbook.xml" => workbook = Some(false),
            "content.xml" if workbook.is_none() => workbook = Some(true),
            "xl/workbook.bin" => return Err(FileRefusal::Type("a binary workbook (.xlsb)".to_owned())),
            _ => {}
        }
        measured.macros |= lower.ends_with("vbaproject.bin") || lower.starts_with("basic/");
        let strings = lower.ends_with("sharedstrings.xml");
        let markup = lower.ends_with(".xml") || lower.ends_with(".rels");
        let (mut size, mut gauge) = (0_u64, CellGauge { texts: Texts::of(&lower), ..CellGauge::default() });
        let is_short = member.compressed_size() <= SHORT_MAX;
        inflate(&mut member, is_short, &mut |piece| {
            size += piece.len() as u64;
            total += piece.len() as u64;
            let too_dense = total > RATIO_FROM && total / RATIO_MAX > packed;
            if total > INFLATED_MAX || too_dense || (strings && size > SHARED_STRINGS_MAX) {
                return Err(FileRefusal::TooLarge(format!("{name} inflates beyond the limit")));
            }
            if markup { gauge.feed(piece, &name) } else { Ok(()) }
        })?;
        measured.marks |= gauge.texts.marks;
        measured.stamped |= gauge.texts.stamped;
        if lower.starts_with("xl/worksheets/") || lower == "content.xml" {
            measured.rows += gauge.rows;
            measured.merges += gauge.merges;
            measured.formulas |= gauge.formulas;
        }
        // The manifest of an OpenDocument archive says which of its members are encrypted.
        if gauge.encrypted && lower == "meta-inf/manifest.xml" {
            return Err(FileRefusal::Encrypted);
        }
    }
    measured.ods = workbook.ok_or_else(|| FileRefusal::Type("an archive, but no workbook".to_owned()))?;
    Ok(measured)
}

/// Hands a member's bytes on, piece by piece, until told to stop.
fn inflate(
    member: &mut (impl Read + Send),
    is_short: bool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), FileRefusal>,
) -> Result<(), FileRefusal> {
    let broken = |error: io::Error| FileRefusal::Corrupt(error.to_string());
    if is_short {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = member.read(&mut buffer).map_err(broken)?;
            if read == 0 {
                return Ok(());
            }
            take(buffer.get(..read).unwrap_or_default())?;
        }
    }
    std::thread::scope(|scope| {
        let (pieces, inflated) = sync_channel(PIECES_WAITING);
        scope.spawn(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = member.read(&mut piece);
                piece.truncate(*read.as_ref().unwrap_or(&0));
                let is_last = piece.is_empty();
                if pieces.send(read.map(|_| piece)).is_err() || is_last {
                    return;
                }
            }
        });
        // Leaving the loop drops the receiver, and that stops the thread.
        inflated.into_iter().try_for_each(|piece| take(&piece.map_err(broken)?))
    })
}

fn corrupt(error: zip::result::ZipError) -> FileRefusal {
    match error {
        zip::result::ZipError::UnsupportedArchive(reason) if reason.contains("assword") => {
            FileRefusal::Encrypted
        }
        other => FileRefusal::Corrupt(other.to_string()),
    }
}

/// Watches how much text stands between the borders of cells, since a reader holds a cell in memory, and
/// counts what the reading will need to know.
#[derive(Default)]
struct CellGauge {
    in_tag: bool,
    tag: u64,
    name: Vec<u8>,
    text: u64,
    strings: u32,
    rows: u64,
    merges: u64,
    formulas: bool,
    encrypted: bool,
    texts: Texts,
}

impl CellGauge {
    fn feed(&mut self, mut rest: &[u8], member: &str) -> Result<(), FileRefusal> {
        while !rest.is_empty() {
            let end = memchr(if self.in_tag { b'>' } else { b'<' }, rest);
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            // A tag that comes in one piece, as nearly all do, need not be copied.
            let whole = self.in_tag && end.is_some() && self.name.is_empty();
            let room = TAG_NAME_MAX.saturating_sub(self.name.len());
            let head = piece.get(..room).unwrap_or(piece);
            if self.in_tag {
                self.tag += piece.len() as u64;
                if !whole {
                    self.name.extend_from_slice(head);
                }
            } else {
                self.text += piece.len() as u64;
                self.texts.take(piece, end.is_some());
            }
            if self.tag.max(self.text) > CELL_MAX {
                return Err(FileRefusal::TooLarge(format!("{member} has a cell beyond {CELL_MAX} bytes")));
            }
            if end.is_some() {
                if whole {
                    self.close(head, member)?;
                } else if self.in_tag {
                    let mut name = std::mem::take(&mut self.name);
                    self.close(&name, member)?;
                    name.clear();
                    self.name = name;
                }
                self.in_tag = !self.in_tag;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends a tag of which `head` are the first bytes.
    fn close(&mut self, head: &[u8], member: &str) -> Result<(), FileRefusal> {
        // Most tags are around a cell's value, and neither count nor end a cell.
        if matches!(head.strip_prefix(b"/").unwrap_or(head), [b'v' | b't' | b'f'] | [b'i', b's']) {
            self.tag = 0;
            self.formulas |= head == b"f";
            self.texts.value_tag(head);
            return Ok(());
        }
        let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let name = head.split(ends).next().unwrap_or_default();
        if name.starts_with(b"!DOCTYPE") || name.starts_with(b"!ENTITY") {
            return Err(FileRefusal::Type(format!(
                "{member} declares entities; no spreadsheet program does"
            )));
        }
        // Prefixes of namespaces aside; a closing tag keeps its slash.
        let closing = name.first() == Some(&b'/');
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let name = name.strip_suffix(b"/").unwrap_or(name);
        let local =
            name.iter().rposition(|byte| *byte == b':').map_or(name, |at| name.get(at + 1..).unwrap_or(name));
        self.texts.tag(name, local, closing);
        match local {
            b"si" if !closing => self.strings += 1,
            b"row" | b"table-row" if !closing => self.rows += 1,
            b"mergeCell" | b"covered-table-cell" if !closing => self.merges += 1,
            b"f" => self.formulas = true,
            b"encryption-data" => self.encrypted = true,
            _ => {}
        }
        // CDATA and comments may carry text of a cell.
        if name.first() == Some(&b'!') {
            self.text += self.tag;
        }
        if matches!(local, b"c" | b"si" | b"comment" | b"sp" | b"table-cell" | b"covered-table-cell" | b"p") {
            self.text = 0;
        }
        self.tag = 0;
        if self.strings > STRINGS_MAX || self.merges > MERGES_MAX {
            return Err(FileRefusal::TooLarge(format!("{member} has too many strings or merged cells")));
        }
        Ok(())
    }
}
