//! A look through a file before it is read: its sheets' first rows, its letters, its marks; and so how it is to be read.

use std::ops::ControlFlow;

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::rules::is_marked_classified;
use lienthong_proto::text::{Lettering, LetteringCensus, Reading};

use super::cell::finding;
use super::header::{HEADER_WITHIN, Header, Headings, best, exported, text, titles};
use super::letters::{Letters, Traces};
use super::marks::{MarkPlace, MarkedRow, MarkedRows};
use super::source::{Book, Merge, Row, RowSink};
use super::template::LISTS;
use super::{FileRefusal, Finding, RawCell, Source};

/// Rows looked through to tell how the letters of a file stand for Vietnamese.
const CENSUS_ROWS: u64 = 500;

/// How a file is to be read.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// The sheets to read, in order; never empty.
    pub(crate) sheets: Vec<Header>,
    pub(crate) warnings: Vec<Finding>,
}

impl Layout {
    fn choose(&mut self, record_type: &RecordType, found: Vec<Header>) -> Result<(), FileRefusal> {
        let most = found.iter().filter(|header| header.missing.is_empty()).map(|header| header.fields).max();
        let Some(most) = most else {
            let nearest = found.into_iter().max_by_key(|header| header.fields);
            let missing = nearest.map_or_else(|| record_type.key.fields.clone(), |header| header.missing);
            return Err(FileRefusal::ColumnMissing(missing.join(", ")));
        };
        for header in found {
            if header.missing.is_empty() && header.fields * 2 >= most {
                if let Some(twice) = header.twice {
                    return Err(FileRefusal::ColumnTwice(twice));
                }
                self.sheets.push(header);
            } else if header.fields * 2 >= most {
                let (sheet, missing) = (&header.sheet, header.missing.join(", "));
                self.warnings.push(finding(
                    "COLUMN_MISSING",
                    None,
                    format!("Trang “{sheet}” không được đọc: thiếu cột {missing}"),
                    format!("the sheet “{sheet}” was not read: it has no column for {missing}"),
                ));
            }
        }
        // What several sheets have in common is said once.
        for header in &mut self.sheets {
            for warning in std::mem::take(&mut header.warnings) {
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, macros: bool, hidden: &[String]) {
        // Only a title may be shown: a cell may be of class C4.
        let told = self.sheets.iter().find_map(|header| header.letters.warning(&header.sample));
        self.warnings.extend(told);
        for sheet in hidden {
            self.warnings.push(finding(
                "SHEET_HIDDEN",
                None,
                format!("Trang ẩn “{sheet}” không được đọc: bỏ ẩn nếu cần nhập"),
                format!("the hidden sheet “{sheet}” was not read: unhide it if it is meant"),
            ));
        }
        if macros {
            self.warnings.push(finding(
                "MACRO",
                None,
                "Tệp có macro: không chạy và không lưu".to_owned(),
                "the workbook holds macros: they are neither run nor kept".to_owned(),
            ));
        }
    }
}

/// The first rows of every sheet that can be seen.
pub(crate) struct Scouted {
    sheets: Vec<ScoutedSheet>,
    /// The names of those that cannot.
    hidden: Vec<String>,
    lettering: Lettering,
    /// Where each sheet's letters are read the same: it is ours, or its bytes are of one lettering.
    letters: Option<Letters>,
    macros: bool,
    epoch_1904: Option<bool>,
}

struct ScoutedSheet {
    name: String,
    /// Which it is of those that can be seen, or of the hidden ones, from 1.
    number: usize,
    rows: Vec<Row>,
    merges: Vec<Merge>,
    traces: Traces,
    /// Of all its rows the short ones with a mark of secrecy.
    marked: Vec<MarkedRow>,
}

impl Scouted {
    /// Looks through a file.
    ///
    /// # Errors
    /// [`FileRefusal::Classified`] where it is marked whatever it is of; another one if it cannot be read.
    pub(crate) fn of(source: &Source, book: &mut Book<'_>) -> Result<Self, FileRefusal> {
        if source.stamped {
            return Err(FileRefusal::Classified(MarkPlace::Page));
        }
        let mut census = LetteringCensus::default();
        let (mut sheets, mut hidden) = (Vec::new(), Vec::new());
        let (mut seen, mut unseen) = (0, 0);
        for sheet in book.sheets()? {
            let number = if sheet.hidden { &mut unseen } else { &mut seen };
            *number += 1;
            let number = *number;
            let mut scout = Scout {
                rows: Vec::new(),
                any: false,
                census: &mut census,
                traces: Traces::default(),
                known: source.text.lettering != Lettering::Unicode,
            };
            // A sheet that is no table (a chart) is passed over; a broken one shows when its rows are read.
            let Ok(()) = book.rows(&sheet.name, &mut scout) else { continue };
            let Scout { rows, traces, any, .. } = scout;
            if !any {
                continue;
            }
            if sheet.hidden {
                hidden.push((number, sheet.name));
                continue;
            }
            let merges = if source.merges { book.merges(&sheet.name)? } else { Vec::new() };
            sheets.push(ScoutedSheet { name: sheet.name, number, rows, merges, traces, marked: Vec::new() });
        }
        // We write Unicode: a sign that could be a letter of another encoding is none in our own exports.
        let ours = sheets.iter().flat_map(|sheet| &sheet.rows).any(|row| exported(&titles(row)).is_some());
        let (lettering, letters) = match source.text.lettering {
            _ if ours => (Lettering::Unicode, Some(Letters::Ours)),
            Lettering::Unicode => (census.decide().ok_or(FileRefusal::Encoding)?, None),
            known => (known, Some(Letters::Legacy(known))),
        };
        for (number, name) in hidden.iter().filter(|_| source.marks) {
            let marked = marked_rows(book, name, MarkedRows::hidden(lettering));
            if let Some(row) = marked.iter().find(|row| row.is_of_file()).map(|row| row.number) {
                return Err(FileRefusal::Classified(MarkPlace::Hidden { sheet: *number, row }));
            }
        }
        if sheets.is_empty() {
            return Err(FileRefusal::Empty);
        }
        for sheet in sheets.iter_mut().filter(|_| source.marks) {
            sheet.marked = marked_rows(book, &sheet.name, MarkedRows::new(lettering));
        }
        // The lists that our own templates choose from are nobody's records.
        let hidden = hidden.into_iter().map(|(_, name)| name).filter(|name| name != LISTS).collect();
        let (macros, epoch_1904) = (source.macros, book.epoch_1904());
        Ok(Self { sheets, hidden, lettering, letters, macros, epoch_1904 })
    }

    /// The texts of the rows a header may stand in, also as they read in the file's lettering.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let cells = self.sheets.iter().flat_map(|sheet| &sheet.rows).flat_map(|row| &row.cells);
        cells.filter_map(|(_, cell)| text(cell)).flat_map(|text| self.both(text))
    }

    /// Where the file is marked as classified, if the sheets of these headers are read as a type.
    fn marked_as(&self, headers: &[Header], record_type: &RecordType) -> Option<MarkPlace> {
        let of_sheet = |sheet: &ScoutedSheet| {
            let Some(header) = headers.iter().find(|header| header.sheet == sheet.name) else {
                return sheet.marked.iter().find(|row| row.is_of_file()).map(|row| row.number);
            };
            let mut below = sheet.marked.iter().filter(|row| row.number > header.row);
            let below = || below.find(|row| row.is_of_table(header, record_type)).map(|row| row.number);
            self.marked_above(sheet, header).or_else(below)
        };
        self.first_marked(of_sheet)
    }

    /// The same where no sheet is read.
    pub(crate) fn marked(&self) -> Option<MarkPlace> {
        self.first_marked(|sheet| sheet.marked.iter().find(|row| row.is_of_file()).map(|row| row.number))
    }

    fn first_marked(&self, row_of: impl Fn(&ScoutedSheet) -> Option<u64>) -> Option<MarkPlace> {
        let several = self.sheets.len() > 1;
        self.sheets.iter().find_map(|sheet| {
            Some(MarkPlace::Row { sheet: several.then_some(sheet.number), row: row_of(sheet)? })
        })
    }

    /// The row above a table that marks it as classified, be it within other words.
    fn marked_above(&self, sheet: &ScoutedSheet, header: &Header) -> Option<u64> {
        let mut above = sheet.rows.iter().filter(|row| row.number < header.row);
        let is_marked = |row: &&Row| {
            let texts = row.cells.iter().filter_map(|(_, cell)| text(cell));
            texts.flat_map(|text| self.both(text)).any(|text| is_marked_classified(&text))
        };
        above.find(is_marked).map(|row| row.number)
    }

    /// A text as it stands and as the file's lettering reads it.
    fn both(&self, text: &str) -> impl Iterator<Item = String> + use<> {
        let read = self.lettering.read(text).into_owned();
        let stands = (read != text).then(|| text.to_owned());
        stands.into_iter().chain([read])
    }

    /// A sheet's first rows with the titles as the headings know them: as they stand before in the file's lettering.
    fn understood(&self, headings: &Headings<'_>, sheet: &ScoutedSheet) -> Vec<Row> {
        let mut rows = sheet.rows.clone();
        for text in rows.iter_mut().flat_map(|row| &mut row.cells).filter_map(|(_, cell)| text_mut(cell)) {
            let read = match self.lettering.reading(text) {
                Reading::Legacy(read) => read,
                Reading::Doubtful(Some(read)) if self.letters.is_some() => read,
                Reading::Doubtful(Some(read)) => {
                    let known = [text.as_str(), &read].map(|title| headings.field(title).is_some());
                    if known == [false, true] || known == [false; 2] && sheet.traces.is_legacy_throughout() {
                        read
                    } else {
                        continue;
                    }
                }
                Reading::Standing | Reading::Doubtful(None) => continue,
            };
            *text = read;
        }
        rows
    }

    fn header(&self, headings: &Headings<'_>, sheet: &ScoutedSheet) -> Option<Header> {
        let mut rows = Vec::new();
        if self.lettering != Lettering::Unicode {
            rows = self.understood(headings, sheet);
        }
        let shown = if rows.is_empty() { &sheet.rows } else { &rows };
        let mut header = best(headings, &sheet.name, shown, &sheet.merges)?;
        let of_sheet = || Letters::of(self.lettering, &sheet.traces, header.row);
        header.letters = self.letters.clone().unwrap_or_else(of_sheet);
        rows.retain(|row| row.number <= header.row);
        header.above = rows;
        Some(header)
    }

    /// How it is to be read as a type.
    pub(crate) fn layout(&self, record_type: &RecordType) -> Result<Layout, FileRefusal> {
        self.layout_if(record_type).map_err(|refusal| match self.marked() {
            Some(place) => FileRefusal::Classified(place),
            None => refusal,
        })
    }

    /// The same, if it is of that type: what is a mark of secrecy elsewhere may be a record's own word in it.
    pub(crate) fn layout_if(&self, record_type: &RecordType) -> Result<Layout, FileRefusal> {
        let mut layout = Layout::default();
        let headings = Headings::of(record_type);
        let found = self.sheets.iter().filter_map(|sheet| self.header(&headings, sheet));
        layout.choose(record_type, found.collect())?;
        if let Some(place) = self.marked_as(&layout.sheets, record_type) {
            return Err(FileRefusal::Classified(place));
        }
        layout.sheets.iter_mut().for_each(|header| header.epoch_1904 = self.epoch_1904);
        layout.say(self.macros, &self.hidden);
        Ok(layout)
    }
}

/// What stands in a sheet's short rows with a mark of secrecy.
fn marked_rows(book: &mut Book<'_>, sheet: &str, mut marked: MarkedRows) -> Vec<MarkedRow> {
    // A break shows when its rows are read.
    let _ = book.rows(sheet, &mut marked);
    marked.into_rows()
}

struct Scout<'a> {
    rows: Vec<Row>,
    /// There is a row, be it below the first ones.
    any: bool,
    census: &'a mut LetteringCensus,
    traces: Traces,
    /// The lettering is that of the file's bytes.
    known: bool,
}

impl RowSink for Scout<'_> {
    fn wants(&self, _: u32) -> bool {
        true
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.traces.note(&row, self.census);
        self.any = true;
        let number = row.number;
        if number <= HEADER_WITHIN + 1 {
            self.rows.push(row);
        }
        // Where there are letters of before Unicode, a single row can tell that there are others too.
        let told = || self.known || self.census.decide() == Some(Lettering::Unicode);
        if number > CENSUS_ROWS && told() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn text_mut(cell: &mut RawCell) -> Option<&mut String> {
    if let RawCell::Text(text) = cell { Some(text) } else { None }
}
