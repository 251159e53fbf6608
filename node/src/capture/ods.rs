//! OpenDocument workbooks, as a stream: repeated cells are counted, never laid out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::source::{COLUMNS_MAX, Merge, Row, RowSink, Sheet};
use super::xlsx::UNRECKONED;
use super::{FileRefusal, RawCell};

/// What is left is still longer than any rule takes.
const TEXT_MAX: usize = 96 << 10;
/// A row repeated more often is the formatting below a table, not data.
const ROWS_REPEATED_MAX: u64 = 1_000;
const ROWS_MAX: u64 = 1 << 20;
const COLUMNS_REPEATED_MAX: u32 = 1 << 14;

type Fault = quick_xml::Error;

/// Runs `read` over the document's content.
fn with_content<T>(
    path: &Path,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, Fault>,
) -> Result<T, FileRefusal> {
    let broken = |error: zip::result::ZipError| FileRefusal::Corrupt(error.to_string());
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?)).map_err(broken)?;
    let content = archive.by_name("content.xml").map_err(broken)?;
    read(&mut BufReader::with_capacity(64 << 10, content))
        .map_err(|error| FileRefusal::Corrupt(error.to_string()))
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
    let (mut text, mut buffer) = (String::new(), Vec::new());
    // Notes beside a cell have paragraphs of their own.
    let (mut paragraphs, mut notes) = (0_u32, 0_u32);
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag) => match tag.name().as_ref() {
                "office:annotation" => notes += 1,
                "text:p" if notes == 0 => {
                    if paragraphs > 0 {
                        push(&mut text, "\n");
                    }
                    paragraphs += 1;
                }
                "text:s" if notes == 0 => push(&mut text, " "),
                "text:tab" if notes == 0 => push(&mut text, "\t"),
                "text:line-break" if notes == 0 => push(&mut text, "\n"),
                _ => {}
            },
            Event::Text(piece) if notes == 0 && paragraphs > 0 => push(&mut text, &piece.xml10_content()),
            Event::CData(piece) if notes == 0 && paragraphs > 0 => push(&mut text, &piece.xml10_content()),
            Event::GeneralRef(reference) if notes == 0 && paragraphs > 0 => {
                if let Some(letter) = reference.resolve_char_ref()? {
                    push(&mut text, letter.encode_utf8(&mut [0; 4]));
                } else if let Some(letter) = quick_xml::escape::resolve_predefined_entity(&reference) {
                    push(&mut text, letter);
                }
            }
            Event::End(tag) => match tag.name().as_ref() {
                "office:annotation" => notes = notes.saturating_sub(1),
                "table:table-cell" | "table:covered-table-cell" => break,
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
        buffer.clear();
    }
    if error {
        return Ok(RawCell::Error(text));
    }
    if unreckoned && text.is_empty() {
        return Ok(RawCell::Error(UNRECKONED.to_owned()));
    }
    Ok(value.unwrap_or(RawCell::Text(text)))
}

fn push(text: &mut String, piece: &str) {
    if text.len() < TEXT_MAX {
        text.push_str(piece);
    }
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
