//! The rows of a sheet below its header.

use std::ops::ControlFlow;
use std::sync::Arc;

use lienthong_proto::catalogue::{Field, FieldKind, RecordType};
use lienthong_proto::text::{fold, restore_formula};

use super::annotate::{MARK, mark_column};
use super::cell::finding;
use super::header::Header;
use super::judging::{Judged, Judging};
use super::letters::Unread;
use super::shape::Shape;
use super::source::{Row, Spans};
use super::{RawCell, RowJudgement};

/// Rows of signatures have no more cells.
const FOOTER_CELLS_MAX: usize = 3;

/// One sheet's rows below its header.
pub(super) struct Table {
    header: Header,
    /// The header's last row, or where a page repeats it.
    titled: u64,
    /// A list's end was seen, and no record behind it.
    signed: bool,
    sheet: Option<Arc<str>>,
    spans: Spans,
    /// The columns whose last cell was not read: what a merged range says of a row may stand far above.
    unread: Vec<(u32, Unread)>,
    columns: Columns,
    /// The row's cells by field name, in the order of the columns: the names stay, the cells change.
    cells: Vec<(String, RawCell)>,
}

/// What each column is for, as far as the last with a field.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// The first column is read though it is no field: it may tell a total from a record.
    first: bool,
    /// The column that says the sheet is our own export.
    exported: Option<u32>,
    /// The column where an earlier report marks rows whose cells may stand in the wrong columns.
    mark: Option<u32>,
    /// What no record lacks: the columns of the key and of what is required, and whether words alone can be no value there.
    needed: Vec<(u32, bool)>,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// Nothing, or nothing but telling a total from a record.
    Other,
    /// A field.
    Field,
    /// A field of the type's key.
    Key,
}

impl Columns {
    pub(super) fn of(header: &Header, record_type: &RecordType) -> Self {
        let key_fields = &record_type.key.fields;
        let column = |at: u32| match header.columns.get(&at) {
            Some(name) if key_fields.contains(name) => Column::Key,
            Some(_) => Column::Field,
            None => Column::Other,
        };
        let last = header.columns.keys().next_back().copied();
        let columns = last.map(|last| (0..=last).map(column).collect()).unwrap_or_default();
        let (first, exported) = (!header.omitted.contains(&0), header.exported);
        let needed = header.columns.iter().filter_map(|(at, name)| {
            let field = record_type.fields.iter().find(|field| field.name == *name)?;
            (field.required || key_fields.contains(name)).then(|| (*at, needs_digits(field)))
        });
        Self { columns, first, exported, mark: mark_column(header), needed: needed.collect() }
    }

    /// A column without a field (C4 has none here) is read only where it may tell a total from a record.
    pub(super) fn wants(&self, column: u32) -> bool {
        self.at(column) != Column::Other
            || [self.exported, self.mark].contains(&Some(column))
            || column == 0 && self.first
    }

    fn keys(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.columns).filter(|(_, column)| **column == Column::Key).map(|(at, _)| at)
    }

    fn at(&self, column: u32) -> Column {
        self.columns.get(column as usize).copied().unwrap_or(Column::Other)
    }
}

impl Table {
    pub(super) fn new(mut header: Header, sheet: Option<Arc<str>>, record_type: &RecordType) -> Self {
        let (spans, columns) = (Spans::new(&header.merges), Columns::of(&header, record_type));
        let cells = header.columns.values().map(|name| (name.clone(), RawCell::Empty)).collect();
        header.levels.iter_mut().for_each(|level| level.retain(|(column, _)| columns.wants(*column)));
        let (titled, signed, unread) = (header.row, false, Vec::new());
        Self { header, titled, signed, sheet, spans, unread, columns, cells }
    }

    /// Judges a row, unless it is no record.
    pub(super) fn row(&mut self, mut row: Row, judging: &mut Judging<'_>) -> ControlFlow<()> {
        if row.number <= self.header.row {
            return ControlFlow::Continue(());
        }
        self.read_letters(&mut row);
        if self.take_mark(&mut row) {
            row.shape = Shape::Wide;
        }
        let again = self.is_header(&row);
        if again || self.is_no_record(&row) {
            if again {
                self.titled = row.number;
            }
            self.signed |= is_signed(&row);
            judging.told.skip(self.sheet.clone(), row.number);
            return ControlFlow::Continue(());
        }
        self.signed = false;
        self.spans.fill(&mut row);
        let filled = |column: u32| row.cells.iter().any(|(at, _)| *at == column);
        let unread = self.unread.iter().filter(|(column, _)| filled(*column));
        let unread = unread.filter_map(|(column, why)| Some(why.finding(self.header.columns.get(column)?)));
        let unread: Vec<_> = unread.collect();
        row.cells.iter_mut().for_each(|(_, cell)| restore(cell));
        // A record we exported lacks what its row leaves blank: that states nothing, even where a value is due.
        let exported = self.columns.exported.is_some_and(|id| row.cells.iter().any(|(at, _)| *at == id));
        let shape = row.shape;
        let mut read = row.cells.into_iter().peekable();
        for (column, (_, place)) in self.header.columns.keys().zip(&mut self.cells) {
            while read.next_if(|(at, _)| at < column).is_some() {}
            *place = read
                .next_if(|(at, _)| at == column)
                .map_or(RawCell::Empty, |(at, cell)| self.header.read(at, cell));
        }
        let mut judgement = if exported {
            let stated: Vec<_> = self.cells.iter().filter(|(_, cell)| !cell.is_blank()).cloned().collect();
            judging.judge(&stated)
        } else {
            judging.judge(&self.cells)
        };
        say(shape, &mut judgement);
        judgement.errors.extend(unread);
        judging.finish(Judged { sheet: self.sheet.clone(), row: row.number, judgement })
    }

    fn read_letters(&mut self, row: &mut Row) {
        let unread = self.header.read_letters(row);
        self.unread.retain(|(column, _)| !row.cells.iter().any(|(at, _)| at == column));
        self.unread.extend(unread);
    }

    /// Whether an earlier report marks the row, and nobody has cleared that.
    fn take_mark(&self, row: &mut Row) -> bool {
        let Some(column) = self.columns.mark else { return false };
        let Some(place) = row.cells.iter().position(|(at, _)| *at == column) else { return false };
        matches!(row.cells.remove(place), (_, RawCell::Text(text)) if text.starts_with(MARK))
    }

    /// Whether a page says again what the columns are.
    fn is_header(&self, row: &Row) -> bool {
        let same = |((at, cell), (column, title)): (&(u32, RawCell), &(u32, String))| {
            at == column && matches!(cell, RawCell::Text(text) if text.trim() == title.trim())
        };
        self.header.levels.iter().any(|level| {
            level.len() > 1 && level.len() == row.cells.len() && row.cells.iter().zip(level).all(same)
        })
    }

    /// Whether merged cells complete the key: what stands beside them is of that record, however little it is. Where they
    /// are a part of it only, the row may be a total as any other.
    fn is_beside_key(&self, row: &Row) -> bool {
        let reached = |column: u32| self.spans.reach(row.number, column);
        let own = |column: u32| row.cells.iter().any(|(at, _)| *at == column);
        self.columns.keys().any(reached) && self.columns.keys().all(|column| own(column) || reached(column))
    }

    /// Whether a row could not be taken for a record: it has no value where each has one.
    fn lacks(&self, row: &Row) -> bool {
        let own = |column: u32| row.cells.iter().find(|(at, _)| *at == column);
        let missing = |(column, in_digits): &(u32, bool)| match own(*column) {
            Some((_, cell)) => *in_digits && is_words(cell),
            None => !self.spans.reach(row.number, *column),
        };
        // What an export leaves blank states nothing.
        self.columns.exported.is_none_or(|id| own(id).is_none()) && self.columns.needed.iter().any(missing)
    }

    fn is_no_record(&self, row: &Row) -> bool {
        let is_key = |column: &u32| self.columns.at(*column) == Column::Key;
        let fielded = row.cells.iter().any(|(column, _)| self.columns.at(*column) != Column::Other);
        if !fielded || row.number <= self.titled + 2 && numbers_columns(row) {
            return true;
        }
        if self.is_beside_key(row) {
            return false;
        }
        let Some((first, cell)) = row.cells.first() else {
            return true;
        };
        // Of most rows the second cell already tells.
        if row.cells.iter().all(|(_, cell)| is_count(cell)) {
            let lettered = row.cells.iter().find_map(|(_, cell)| match cell {
                RawCell::Text(text) if text.chars().any(char::is_alphabetic) => Some(text),
                _ => None,
            });
            if lettered.is_some_and(|text| is_total(text)) {
                return true;
            }
        }
        let RawCell::Text(text) = cell else { return false };
        let signed = is_signed(row);
        // Below who signs stands how, and then the names, perhaps in a column of the key.
        let words = |of: &dyn Fn(&u32) -> bool| {
            row.cells.iter().filter(|(column, _)| of(column)).all(|(_, cell)| is_words(cell))
        };
        let in_footer = signed && words(&is_key) || self.signed && words(&|_| true);
        if in_footer && row.cells.len() <= FOOTER_CELLS_MAX && self.lacks(row) {
            return true;
        }
        let is_named = |(column, _): &(u32, RawCell)| column != first && is_key(column);
        if row.cells.iter().any(is_named) {
            return false;
        }
        let lower = text.trim().to_lowercase();
        // "Cộng" keeps its marks here, composed or not: folded, "Công ty" would be a total too.
        let total = ["c\u{1ed9}ng", "co\u{323}\u{302}ng"].iter().any(|word| lower.starts_with(word));
        let raw = text;
        let text = fold(text);
        let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        if is_key(first) {
            // Here the first cell may be a record's own name, so only what can be no name counts.
            return matches!(text.trim_end_matches(':'), "cong" | "tong cong" | "tong so");
        }
        let alone = row.cells.len() == 1 && self.header.columns.len() > 1;
        // “II | Chi bộ thôn 1”: a group's number stands before its title.
        let numbered = row.cells.len() == 2
            && self.header.columns.len() > 2
            && self.columns.at(*first) == Column::Other
            && is_group_number(raw.trim());
        let signs = self.signed && row.cells.len() <= FOOTER_CELLS_MAX;
        alone || numbered || total || signed || signs || starts(&["tong cong", "tong so", "ghi chu"])
    }
}

/// Says of a row that it has not as many cells as the header.
fn say(shape: Shape, judgement: &mut RowJudgement) {
    let found = |vi: &str, en: &str| Some(finding("ROW_SHAPE", None, vi.to_owned(), en.to_owned()));
    match shape {
        Shape::Even => {}
        Shape::Wide => judgement.errors.extend(found(
            "Dòng có nhiều ô hơn tiêu đề; kiểm tra dấu ngăn cách",
            "the row has more cells than the header; look for a stray separator",
        )),
        Shape::Narrow => judgement.errors.extend(found(
            "Dòng có ít ô hơn tiêu đề; kiểm tra ô bị mất hoặc dòng bị cắt",
            "the row has fewer cells than the header; look for a lost cell or a row that was cut",
        )),
        Shape::Trimmed => judgement.warnings.extend(found(
            "Dòng có ít ô hơn tiêu đề, các ô cuối được coi là trống; xem dòng có bị mất ô hoặc bị cắt không",
            "the row has fewer cells than the header, the last ones count as blank; see whether a cell was lost or the row was cut",
        )),
    }
}

/// Takes back what an export put before text that looks like a formula.
fn restore(cell: &mut RawCell) {
    if let RawCell::Text(text) = cell
        && restore_formula(text).len() < text.len()
    {
        text.remove(0);
    }
}

/// Whether a row begins with what stands above the names at a list's end.
fn is_signed(row: &Row) -> bool {
    const BEGINNINGS: [&str; 11] = [
        "nguoi lap",
        "noi nhan",
        "ky ten",
        "ky ghi ro",
        "xac nhan",
        "t m ",
        "tm ",
        "nguoi ky",
        "thu truong",
        "kt ",
        "tl ",
    ];
    /// A post is a record's own word, unless it stands alone.
    const POSTS: [&str; 4] = ["bi thu", "chu nhiem", "chu tich", "truong ban"];
    let Some((_, RawCell::Text(text))) = row.cells.first() else { return false };
    row.cells.len() <= FOOTER_CELLS_MAX && {
        let text = fold(text);
        let begins = |words: &[&str]| words.iter().any(|words| text.starts_with(words));
        begins(&BEGINNINGS) || row.cells.len() == 1 && begins(&POSTS)
    }
}

/// Whether a field's value has digits in it whatever it is.
fn needs_digits(field: &Field) -> bool {
    let counted = matches!(
        field.kind,
        FieldKind::Integer | FieldKind::Money | FieldKind::Decimal | FieldKind::Date | FieldKind::Timestamp
    );
    counted || field.check.as_deref() == Some("cccd")
}

/// What numbers groups and no records: a Roman numeral, or a capital letter.
fn is_group_number(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ')', ':']);
    let roman = text.len() <= 6 && text.chars().all(|c| "IVX".contains(c));
    !text.is_empty() && (roman || text.len() == 1 && text.chars().all(|c| c.is_ascii_uppercase()))
}

/// A text without a digit: no number that names a record.
fn is_words(cell: &RawCell) -> bool {
    matches!(cell, RawCell::Text(text) if !text.contains(|c: char| c.is_numeric()))
}

/// What only a total's row says, perhaps with the count behind it.
fn is_total(text: &str) -> bool {
    // A letter that folds to c or t is one of them or not ASCII: most cells need no folding.
    let first = text.chars().find(|c| c.is_alphanumeric());
    let title = || fold(text.split(':').next().unwrap_or_default());
    first.is_some_and(|c| !c.is_ascii() || matches!(c, 'c' | 'C' | 't' | 'T'))
        && matches!(
            title().as_str(),
            "cong" | "tong" | "tong cong" | "tong so" | "tong so dang vien" | "trong do"
        )
}

/// Beside a total's title stand counts and nothing else, perhaps with what they count: “Nam: 2”.
fn is_count(cell: &RawCell) -> bool {
    match cell {
        RawCell::Number(_) => true,
        RawCell::Text(text) => {
            let count = text.rsplit(':').next().unwrap_or_default().trim();
            is_total(text) || count.len() <= 6 && count.parse::<u32>().is_ok()
        }
        _ => false,
    }
}

/// The row under a header that numbers its columns: 1, 2, 3 … or (1), (2), (3) …
fn numbers_columns(row: &Row) -> bool {
    let numbers: Option<Vec<u32>> = row
        .cells
        .iter()
        .map(|(_, cell)| match cell {
            RawCell::Text(text) => text.trim().trim_matches(['(', ')']).parse().ok(),
            RawCell::Number(number) => (1..=512).find(|whole| f64::from(*whole) == *number),
            _ => None,
        })
        .collect();
    numbers.is_some_and(|all| {
        all.len() >= 3 && all.iter().zip(all.iter().skip(1)).all(|(a, b)| a.checked_add(1) == Some(*b))
    })
}
