//! Rows on their way between threads: many in a few allocations.
//!
//! A string for each cell, made by one thread and dropped by another, would have both wait for the allocator
//! longer than either works on the cell.

use super::RawCell;
use super::shape::Shape;
use super::source::Row;

/// Rows packed at once.
const ROWS_MAX: usize = 256;
/// Bytes of text packed at once: rows of long texts make smaller parcels.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// Rows of one sheet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    /// The texts of all cells, one behind the other.
    text: String,
    cells: Vec<(u32, Packed)>,
    rows: Vec<Outline>,
}

/// A row but for its cells.
#[derive(Debug, Clone, Copy)]
struct Outline {
    number: u64,
    shape: Shape,
    cells: usize,
}

/// A cell whose text stands in the parcel: how many bytes of it.
#[derive(Debug)]
enum Packed {
    Text(usize),
    Iso(usize),
    Error(usize),
    /// A cell without text, or one that no table has.
    Other(RawCell),
}

impl Parcel {
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(Outline { number: row.number, shape: row.shape, cells: row.cells.len() });
        for (column, cell) in row.cells {
            let packed = match cell {
                RawCell::Text(text) => Packed::Text(self.text(&text)),
                RawCell::Iso(text) => Packed::Iso(self.text(&text)),
                RawCell::Error(text) => Packed::Error(self.text(&text)),
                other => Packed::Other(other),
            };
            self.cells.push((column, packed));
        }
    }

    fn text(&mut self, text: &str) -> usize {
        self.text.push_str(text);
        text.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.text.len() >= TEXT_BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as they were packed.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        let Self { text, cells, rows } = self;
        let (mut cells, mut start) = (cells.into_iter(), 0);
        rows.into_iter().map(move |outline| {
            let mut take = |length: usize| {
                let taken = text.get(start..start + length).unwrap_or_default().to_owned();
                start += length;
                taken
            };
            let cells = cells.by_ref().take(outline.cells).map(|(column, packed)| {
                let cell = match packed {
                    Packed::Text(length) => RawCell::Text(take(length)),
                    Packed::Iso(length) => RawCell::Iso(take(length)),
                    Packed::Error(length) => RawCell::Error(take(length)),
                    Packed::Other(cell) => cell,
                };
                (column, cell)
            });
            Row { number: outline.number, cells: cells.collect(), shape: outline.shape, ..Row::default() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let cells = [
            RawCell::Text("Nguyễn".to_owned()),
            RawCell::Empty,
            RawCell::Iso("2026-11-23".to_owned()),
            RawCell::Number(-1.5),
            RawCell::Error("#N/A".to_owned()),
            RawCell::Text(String::new()),
            RawCell::Serial { days: 3.0, epoch_1904: true },
            RawCell::Text("Thúy".to_owned()),
        ];
        let row = |number: u64, from: usize| Row {
            number,
            cells: (10..).zip(cells[from..].iter().cloned()).collect(),
            shape: Shape::Wide,
            ..Row::default()
        };
        let mut parcel = Parcel::default();
        assert!(parcel.is_empty());
        let shapes = [(4, 0), (5, 8), (9, 3)];
        shapes.iter().for_each(|(number, from)| parcel.push(row(*number, *from)));
        let out: Vec<_> = parcel.rows().map(|row| (row.number, row.cells, row.shape)).collect();
        let expected =
            shapes.map(|(number, from)| row(number, from)).map(|row| (row.number, row.cells, row.shape));
        assert_eq!(out, expected);
    }

    #[test]
    fn a_parcel_is_full_by_rows_or_by_text() {
        let row = |text: &str| Row {
            number: 1,
            cells: vec![(0, RawCell::Text(text.to_owned()))],
            ..Row::default()
        };
        let mut parcel = Parcel::default();
        (1..ROWS_MAX).for_each(|_| parcel.push(row("a")));
        assert!(!parcel.is_full());
        parcel.push(row("a"));
        assert!(parcel.is_full());
        let mut parcel = Parcel::default();
        parcel.push(row(&"a".repeat(TEXT_BYTES_MAX)));
        assert!(parcel.is_full());
    }
}
