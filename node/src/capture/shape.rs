//! Whether a row of separated text has as many cells as its header.
//!
//! Excel gives each sixteen rows as many separators as the widest of them needs, and other programs leave out the blank cells
//! at a row's end; so a width alone tells nothing. A row is measured by those beside it: what sixteen of them have alike is
//! how they are written. One that differs has a cell too many, or too few where a wider one beside it keeps the blank cell at
//! its end. Where none does, the missing cells may have been blank: such a row is taken, and that is said.

use std::ops::{ControlFlow, RangeInclusive};

use super::header::Header;
use super::source::{Row, RowSink};

/// Rows that Excel widens alike, counted from a sheet's first.
const ROWS_ALIKE: u64 = 16;

/// A row of separated text as it stands in the file; zeros of a workbook's, which may carry notes beside its table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its cells, blank ones too.
    pub(crate) width: u32,
    /// The last column with anything in it.
    pub(crate) last: u32,
    /// The file ends in it.
    pub(crate) open: bool,
}

impl Line {
    fn ends_blank(self) -> bool {
        self.width > self.last + 1
    }
}

/// How a row's cells stand to the header's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One below the other, as far as can be told.
    #[default]
    Even,
    /// More cells.
    Wide,
    /// Fewer cells.
    Narrow,
    /// Fewer cells; those that are missing may have been blank.
    Trimmed,
}

/// Tells the shape of the rows below a header, each before it is handed on; a few wait for those beside them.
pub(crate) struct Shaping<'a> {
    header_row: u64,
    /// The header's widths: to its last title, and with the blank cells behind it.
    widths: RangeInclusive<u32>,
    alike: Vec<Row>,
    sink: &'a mut dyn RowSink,
}

impl<'a> Shaping<'a> {
    pub(crate) fn new(header: &Header, sink: &'a mut dyn RowSink) -> Self {
        let titles = header.last + 1;
        Self { header_row: header.row, widths: titles..=titles, alike: Vec::new(), sink }
    }

    /// Hands on the rows that wait.
    pub(crate) fn hand_over(&mut self) -> ControlFlow<()> {
        let mut rows = std::mem::take(&mut self.alike);
        let lines: Vec<Line> = rows.iter().map(|row| row.line).collect();
        rows.iter_mut().for_each(|row| row.shape = self.shape(row.line, &lines));
        rows.into_iter().try_for_each(|row| self.sink.row(row))
    }

    fn shape(&self, line: Line, beside: &[Line]) -> Shape {
        let (titles, header) = (*self.widths.start(), *self.widths.end());
        let alike = beside.len() > 1 && beside.iter().all(|other| other.width == line.width);
        if line.last >= titles || line.width > header && !alike {
            return Shape::Wide;
        }
        if line.width >= titles || alike && !line.open {
            return Shape::Even;
        }
        let keeps_blanks = |other: &Line| other.width > line.width && other.ends_blank();
        if beside.iter().any(keeps_blanks) { Shape::Narrow } else { Shape::Trimmed }
    }
}

impl RowSink for Shaping<'_> {
    fn wants(&self, column: u32) -> bool {
        self.sink.wants(column)
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        if row.number <= self.header_row || row.line == Line::default() {
            if row.number == self.header_row {
                self.widths = *self.widths.start()..=row.line.width.max(*self.widths.start());
            }
            return self.sink.row(row);
        }
        let place = |row: &Row| (row.number - 1) / ROWS_ALIKE;
        if self.alike.last().is_some_and(|before| place(before) != place(&row)) {
            self.hand_over()?;
        }
        self.alike.push(row);
        ControlFlow::Continue(())
    }
}
