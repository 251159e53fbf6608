//! OpenDocument workbooks, as a stream: repeated cells are counted, never laid out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::source::{COLUMNS_MAX, Merge, Row, RowSink, Sheet};
use super::stamps::is_stamp;
use super::xlsx::UNRECKONED;
use super::{FileRefusal, RawCell};

/// What is left is still longer than any rule takes.
const TEXT_MAX: usize = 96 << 10;
/// A row repeated more often is the formatting below a table, not data.
const ROWS_REPEATED_MAX: u64 = 1_000;
const ROWS_MAX: u64 = 1 << 20;
const COLUMNS_REPEATED_MAX: u32 = 1 << 14;

const CONTENT: &str = "content.xml";
/// Where the head and foot of the printed pages stand.
const STYLES: &str = "styles.xml";

type Fault = quick_xml::Error;

/// Runs `read` over the document's content.
fn with_content<T>(
    path: &Path,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, Fault>,
) -> Result<T, FileRefusal> {
    with_member(path, CONTENT, read)?.ok_or_else(|| FileRefusal::Corrupt("no content".to_owned()))
}

/// Runs `read` over a member of the archive, if it is there.
fn with_member<T>(
    path: &Path,
    name: &str,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, Fault>,
) -> Result<Option<T>, FileRefusal> {
    let broken = |error: zip::result::ZipError| FileRefusal::Corrupt(error.to_string());
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?)).map_err(broken)?;
    let member = match archive.by_name(name) {
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        found => found.map_err(broken)?,
    };
    let read = read(&mut BufReader::with_capacity(64 << 10, member));
    read.map(Some).map_err(|error| FileRefusal::Corrupt(error.to_string()))
}

fn reader(content: &mut dyn BufRead) -> Reader<&mut dyn BufRead> {
    let mut reader = Reader::from_reader(content);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = false;
    reader
}

/// The tables, and whether they are hidden.
pub(crate) fn sheets(path: &Path) -> Result<Vec<Sheet>, FileRefusal> {
    with_content(path, |content| {
        let (mut reader, mut buffer) = (reader(content), Vec::new());
        let (mut found, mut hidden_styles, mut style) = (Vec::new(), Vec::new(), String::new());
        loop {
            match reader.read_event_into(&mut buffer)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "style:style" => style = attribute(&tag, "style:name")?.unwrap_or_default(),
                    "style:table-properties"
                        if attribute(&tag, "table:display")?.as_deref() == Some("false") =>
                    {
                        hidden_styles.push(style.clone());
                    }
                    "table:table" => {
                        let name = attribute(&tag, "table:name")?.unwrap_or_default();
                        let style = attribute(&tag, "table:style-name")?;
                        let hidden = style.is_some_and(|style| hidden_styles.contains(&style));
                        found.push(Sheet { name, hidden });
                    }
                    _ => {}
                },
                Event::Eof => return Ok(found),
                _ => {}
            }
            buffer.clear();
        }
    })
}

/// Merged ranges of a table.
pub(crate) fn merges(path: &Path, sheet: &str) -> Result<Vec<Merge>, FileRefusal> {
    let mut merges = Vec::new();
    let mut everything = Everything;
    with_content(path, |content| table(content, sheet, &mut everything, &mut |merge| merges.push(merge)))?;
    Ok(merges)
}

/// Runs `sink` over a table's rows.
pub(crate) fn rows(path: &Path, sheet: &str, sink: &mut dyn RowSink) -> Result<(), FileRefusal> {
    with_content(path, |content| table(content, sheet, sink, &mut |_| {}))
}

/// Whether a text box or shape, a note, or what is printed on each page is a mark of secrecy.
pub(crate) fn stamped(path: &Path) -> Result<bool, FileRefusal> {
    for member in [CONTENT, STYLES] {
        if with_member(path, member, has_stamp)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_stamp(member: &mut dyn BufRead) -> Result<bool, Fault> {
    let (mut reader, mut buffer) = (reader(member), Vec::new());
    let mut text = Paragraphs::default();
    let mut depth = 0_u32;
    loop {
        let event = reader.read_event_into(&mut buffer)?;
        match &event {
            Event::Start(tag) if is_beside(tag.name().as_ref()) => depth += 1,
            Event::End(tag) if is_beside(tag.name().as_ref()) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && is_stamp(&std::mem::take(&mut text).text) {
                    return Ok(true);
                }
            }
            Event::Eof => return Ok(false),
            event if depth > 0 => text.take(event)?,
            _ => {}
        }
        buffer.clear();
    }
}

/// Whether what an element holds is no cell's: a shape, a text box, a note, the head or foot of a page.
fn is_beside(name: &str) -> bool {
    // A group is no shape: each of its own is one for itself.
    name == "office:annotation"
        || name.starts_with("draw:") && name != "draw:g"
        || name.starts_with("style:header")
        || name.starts_with("style:footer")
}

/// The text of paragraphs, one below the other.
#[derive(Default)]
struct Paragraphs {
    text: String,
    count: u32,
}

impl Paragraphs {
    fn take(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => match tag.name().as_ref() {
                "text:p" => {
                    if self.count > 0 {
                        self.push("\n");
                    }
                    self.count += 1;
                }
                "text:s" => self.push(" "),
                "text:tab" => self.push("\t"),
                "text:line-break" => self.push("\n"),
                _ => {}
            },
            Event::Text(piece) if self.count > 0 => self.push(&piece.xml10_content()),
            Event::CData(piece) if self.count > 0 => self.push(&piece.xml10_content()),
            Event::GeneralRef(reference) if self.count > 0 => {
                if let Some(letter) = reference.resolve_char_ref()? {
                    self.push(letter.encode_utf8(&mut [0; 4]));
                } else if let Some(letter) = quick_xml::escape::resolve_predefined_entity(reference) {
                    self.push(letter);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, piece: &str) {
        if self.text.len() < TEXT_MAX {
            self.text.push_str(piece);
        }
    }
}

struct Everything;

impl RowSink for Everything {
    fn wants(&self, _: u32) -> bool {
        false
    }

    fn row(&mut self, _: Row) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn table(
    content: &mut dyn BufRead,
    sheet: &str,
    sink: &mut dyn RowSink,
    merged: &mut dyn FnMut(Merge),
) -> Result<(), Fault> {
    let (mut reader, mut buffer) = (reader(content), Vec::new());
    let (mut inside, mut number) = (false, 0_u64);
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag) if tag.name().as_ref() == "table:table" => {
                inside = attribute(&tag, "table:name")?.as_deref() == Some(sheet);
            }
            Event::Start(tag) if inside && tag.name().as_ref() == "table:table-row" => {
                let repeated = count(&tag, "table:number-rows-repeated")?;
                let mut row = Row { number: number + 1, ..Row::default() };
                read_row(&mut reader, &mut row, sink, merged)?;
                if !row.cells.is_empty() {
                    for copy in 0..repeated.min(ROWS_REPEATED_MAX) {
                        let (number, cells) = (number + 1 + copy, row.cells.clone());
                        let row = Row { number, cells, ..Row::default() };
                        if sink.row(row) == ControlFlow::Break(()) {
                            return Ok(());
                        }
                    }
                }
                number = number.saturating_add(repeated);
                if number > ROWS_MAX {
                    return Ok(());
                }
            }
            Event::End(tag) if inside && tag.name().as_ref() == "table:table" => return Ok(()),
            Event::Eof => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}

fn read_row(
    reader: &mut Reader<&mut dyn BufRead>,
    row: &mut Row,
    sink: &dyn RowSink,
    merged: &mut dyn FnMut(Merge),
) -> Result<(), Fault> {
    let (mut buffer, mut column) = (Vec::new(), 0_u32);
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag)
                if matches!(tag.name().as_ref(), "table:table-cell" | "table:covered-table-cell") =>
            {
                let repeated =
                    u32::try_from(count(&tag, "table:number-columns-repeated")?).unwrap_or(u32::MAX);
                let (down, right) =
                    (count(&tag, "table:number-rows-spanned")?, count(&tag, "table:number-columns-spanned")?);
                if down > 1 || right > 1 {
                    let far =
                        |from: u32, by: u64| from.saturating_add(u32::try_from(by - 1).unwrap_or(u32::MAX));
                    let last_row = row.number.saturating_add(down - 1);
                    merged(Merge { rows: (row.number, last_row), columns: (column, far(column, right)) });
                }
                let cell = read_cell(reader, &tag)?;
                if !cell.is_blank() {
                    for column in column..column.saturating_add(repeated.min(COLUMNS_REPEATED_MAX)) {
                        if row.cells.len() >= COLUMNS_MAX {
                            break;
                        }
                        if sink.wants(column) {
                            row.cells.push((column, cell.clone()));
                        }
                    }
                }
                column = column.saturating_add(repeated);
            }
            Event::End(tag) if tag.name().as_ref() == "table:table-row" => return Ok(()),
            Event::Eof => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}

/// Reads on to the cell's end; its value stands in attributes, its text in paragraphs.
fn read_cell(reader: &mut Reader<&mut dyn BufRead>, tag: &BytesStart<'_>) -> Result<RawCell, Fault> {
    let kind = attribute(tag, "office:value-type")?.unwrap_or_default();
    let error = attribute(tag, "calcext:value-type")?.as_deref() == Some("error");
    // A result, even one without letters, has a kind.
    let unreckoned = kind.is_empty() && attribute(tag, "table:formula")?.is_some();
    let value = match kind.as_str() {
        "float" | "percentage" | "currency" => {
            attribute(tag, "office:value")?.and_then(|number| number.parse().ok()).map(RawCell::Number)
        }
        "date" => attribute(tag, "office:date-value")?.map(RawCell::Iso),
        "boolean" => attribute(tag, "office:boolean-value")?.map(|yes| RawCell::Boolean(yes == "true")),
        _ => attribute(tag, "office:string-value")?.filter(|text| !text.is_empty()).map(RawCell::Text),
    };
    let (mut said, mut buffer) = (Paragraphs::default(), Vec::new());
    // Notes beside a cell, and shapes that hang on it, have paragraphs of their own.
    let mut beside = 0_u32;
    loop {
        let event = reader.read_event_into(&mut buffer)?;
        match &event {
            Event::Start(tag) if is_beside(tag.name().as_ref()) => beside += 1,
            Event::End(tag) => match tag.name().as_ref() {
                "table:table-cell" | "table:covered-table-cell" => break,
                name if is_beside(name) => beside = beside.saturating_sub(1),
                _ => {}
            },
            Event::Eof => break,
            event if beside == 0 => said.take(event)?,
            _ => {}
        }
        buffer.clear();
    }
    let text = said.text;
    if error {
        return Ok(RawCell::Error(text));
    }
    if unreckoned && text.is_empty() {
        return Ok(RawCell::Error(UNRECKONED.to_owned()));
    }
    Ok(value.unwrap_or(RawCell::Text(text)))
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    match tag.try_get_attribute(name)? {
        Some(found) => Ok(Some(found.normalized_value(XmlVersion::Explicit1_0)?.into_owned())),
        None => Ok(None),
    }
}

/// A count that is one where it is not said.
fn count(tag: &BytesStart<'_>, name: &str) -> Result<u64, Fault> {
    Ok(attribute(tag, name)?.and_then(|text| text.parse().ok()).unwrap_or(1).max(1))
}
