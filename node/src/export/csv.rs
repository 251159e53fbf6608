//! Separated text for spreadsheets.

use std::io::Write;

use lienthong_proto::catalogue::RecordType;
use serde_json::Value;

use super::{Cell, ExportFailed, Headers, Table};

/// A table for spreadsheets: UTF-8 with BOM, formulas neutralised.
pub struct CsvWriter<W: Write> {
    out: csv::Writer<W>,
    table: Table,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header of a type to `out`.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn new(mut out: W, record_type: &RecordType, headers: Headers) -> Result<Self, ExportFailed> {
        out.write_all("\u{feff}".as_bytes())?;
        let table = Table::new(record_type, headers);
        let mut out = csv::Writer::from_writer(out);
        out.write_record(table.titles())?;
        Ok(Self { out, table })
    }

    /// Writes one record, `{id, unit, fields: {…}}`.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn write(&mut self, record: &Value) -> Result<(), ExportFailed> {
        for row in self.table.rows(record) {
            self.out.write_record(row.into_iter().map(text))?;
        }
        Ok(())
    }

    /// Flushes.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn finish(mut self) -> Result<(), ExportFailed> {
        Ok(self.out.flush()?)
    }
}

fn text(cell: Cell) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) | Cell::Number(text) => text,
        Cell::Day(day) => day.to_string(),
        Cell::Boolean(yes) => yes.to_string(),
    }
}
