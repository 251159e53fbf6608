//! JSON lines.

use std::io::Write;

use serde_json::Value;

use super::ExportFailed;

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
