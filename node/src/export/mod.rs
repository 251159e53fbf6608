//! Records written out: JSON lines, CSV and workbooks.
//!
//! A sheet, separated text or workbook, has the columns of the template behind the record's id and unit, one row
//! for each record, or for each item of one that has several: what was exported can be imported again as it is,
//! and changes nothing. A column of class C4 never leaves, and no text is left that a spreadsheet would run.

mod columns;
mod csv;
mod jsonl;
#[cfg(test)]
mod tests;
mod whole;
mod xlsx;

pub use columns::{Cell, Headers, Table, is_own_header, sheet_fields};
pub use csv::CsvWriter;
pub use jsonl::JsonlWriter;
pub use whole::{WholeFile, whole_file};
pub use xlsx::XlsxWriter;

use rust_xlsxwriter::XlsxError;

/// An export that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportFailed {
    /// The disk or pipe failed.
    #[error("không ghi được tệp xuất: {0} · the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The CSV writer failed.
    #[error("không ghi được tệp xuất: {0} · the export cannot be written: {0}")]
    Csv(#[from] ::csv::Error),
    /// A record is no JSON.
    #[error("a record cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The workbook cannot be made.
    #[error("không ghi được tệp xuất: {0} · the export cannot be written: {0}")]
    Xlsx(#[source] XlsxError),
}

impl From<XlsxError> for ExportFailed {
    fn from(error: XlsxError) -> Self {
        match error {
            XlsxError::IoError(error) => Self::Io(error),
            other => Self::Xlsx(other),
        }
    }
}
