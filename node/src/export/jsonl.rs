//! Records written out: JSON lines and CSV.

use std::io::Write;

use lienthong_proto::catalogue::{Class, RecordType};
use serde_json::Value;

/// An export that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportFailed {
    /// The disk or pipe failed.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The CSV writer failed.
    #[error("the export cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// A record is no JSON.
    #[error("a record cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// One record a line, as it is.
#[derive(Debug)]
pub struct JsonlWriter<W>(W);

impl<W: Write> JsonlWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self(out)
    }

    /// Writes one record.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn write(&mut self, record: &Value) -> Result<(), ExportFailed> {
        serde_json::to_writer(&mut self.0, record)?;
        Ok(self.0.write_all(b"\n")?)
    }

    /// Flushes and gives `out` back.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn finish(mut self) -> Result<W, ExportFailed> {
        self.0.flush()?;
        Ok(self.0)
    }
}

/// What stands in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// Field names.
    Names,
    /// Vietnamese labels.
    LabelsVi,
    /// English labels.
    LabelsEn,
}

/// A table for spreadsheets: UTF-8 with BOM, formulas neutralised.
pub struct CsvWriter<W: Write> {
    out: csv::Writer<W>,
    fields: Vec<String>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header of a type to `out`.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn new(mut out: W, record_type: &RecordType, headers: Headers) -> Result<Self, ExportFailed> {
        out.write_all("\u{feff}".as_bytes())?;
        let fields: Vec<_> = record_type.fields.iter().filter(|field| field.class != Class::C4).collect();
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(["id", "unit"].into_iter().chain(fields.iter().map(|field| match headers {
            Headers::Names => field.name.as_str(),
            Headers::LabelsVi => field.label.vi.as_str(),
            Headers::LabelsEn => field.label.en.as_str(),
        })))?;
        Ok(Self { out: writer, fields: fields.into_iter().map(|field| field.name.clone()).collect() })
    }

    /// Writes one record, `{id, unit, fields: {…}}`.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn write(&mut self, record: &Value) -> Result<(), ExportFailed> {
        let own = ["id", "unit"].into_iter().map(|name| record.get(name));
        let fields = self.fields.iter().map(|name| record.get("fields").and_then(|fields| fields.get(name)));
        let cells: Vec<String> =
            own.chain(fields).map(|value| value.map_or_else(String::new, cell)).collect();
        Ok(self.out.write_record(&cells)?)
    }

    /// Flushes.
    ///
    /// # Errors
    /// [`ExportFailed`] when `out` fails.
    pub fn finish(mut self) -> Result<(), ExportFailed> {
        Ok(self.out.flush()?)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // Text only: a negative number is no formula.
        Value::String(text) => neutralise(text),
        Value::Array(values) => neutralise(&values.iter().map(plain).collect::<Vec<_>>().join("; ")),
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Keeps a spreadsheet from running text as a formula.
fn neutralise(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
