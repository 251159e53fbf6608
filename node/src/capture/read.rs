//! Rows through the judge, doubles marked by their hashes.
//!
//! Reading goes on in a thread of its own (`reading.rs`), while the caller judges what was read before
//! (`judging.rs`, `table.rs`). Between them rows go in parcels (`parcel.rs`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use lienthong_proto::catalogue::RecordType;
use serde_json::Value;

use super::judging::Judging;
use super::reading::{Fed, Reading};
use super::table::Table;
use super::{FileRefusal, Finding, Judge, RowJudgement, SkippedRow, Source};

/// What may wait between the threads.
const FED_WAITING: usize = 8;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be written.
    Good,
    /// Equal to an earlier row; dropped.
    Duplicate {
        /// The row it equals.
        of: u64,
    },
    /// Not written, for the judgement's errors.
    Rejected,
}

/// One row that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedRow {
    /// Its sheet, where more than one is read.
    pub sheet: Option<Arc<str>>,
    /// As the spreadsheet shows it; of JSON the line.
    pub row: u64,
    /// Its values and what is wrong with it.
    pub judgement: RowJudgement,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSummary {
    /// SHA-256 of the file; zeros for values that came in no file.
    pub sha256: [u8; 32],
    /// Rows judged: good, duplicate and rejected.
    pub rows: u64,
    /// Rows dropped as equal to an earlier one.
    pub duplicates: u64,
    /// Rows with errors.
    pub rejected: u64,
    /// Totals, notes, groups and other rows that are no records.
    pub skipped: u64,
    /// Which those are, at most [`SKIPPED_LISTED_MAX`](super::SKIPPED_LISTED_MAX).
    pub skipped_rows: Vec<SkippedRow>,
    /// Findings by reason class.
    pub classes: BTreeMap<String, u64>,
    /// What to say about the file as a whole.
    pub warnings: Vec<Finding>,
    /// A column of class C4 was left out: the file itself must not be kept.
    pub omitted: bool,
}

/// Reads a file's rows in order, each handed to `sink` once judged.
///
/// # Errors
/// [`FileRefusal`] when no header with the key's columns is found or the container breaks midway; what
/// went to `sink` before a break must then be thrown away.
pub fn read(
    source: &Source,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow),
) -> Result<FileSummary, FileRefusal> {
    let sink = &mut |row| {
        sink(row);
        ControlFlow::Continue(())
    };
    Ok(read_while(source, record_type, judge, sink)?.unwrap_or_default())
}

/// As [`read`], as long as `sink` says so: after its `Break` no more is read, and there is no summary.
///
/// # Errors
/// As [`read`].
pub fn read_while(
    source: &Source,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow) -> ControlFlow<()>,
) -> Result<Option<FileSummary>, FileRefusal> {
    let mut judging = Judging::new(record_type, judge, sink);
    let (sender, fed) = sync_channel(FED_WAITING);
    let read = std::thread::scope(|scope| {
        let reading = scope.spawn(move || Reading { record_type, sender }.file(source));
        let mut table = None;
        // Leaving the loop drops the receiver, and that stops the reader.
        let stopped = fed.into_iter().any(|fed| take(fed, &mut table, &mut judging).is_break());
        let broken = |_| FileRefusal::Corrupt("its parts contradict each other".to_owned());
        let read = reading.join().map_err(broken)?;
        if stopped { Ok(None) } else { read.map(Some) }
    })?;
    Ok(read.map(|layout| {
        judging.told.omitted |= layout.omitted;
        judging.end(source.sha256, source.misnamed().into_iter().chain(layout.warnings).collect())
    }))
}

fn take(fed: Fed, table: &mut Option<Table>, judging: &mut Judging<'_>) -> ControlFlow<()> {
    match (fed, table) {
        (Fed::Sheet { header, sheet }, table) => {
            *table = Some(Table::new(*header, sheet, judging.record_type()));
            ControlFlow::Continue(())
        }
        (Fed::Rows(parcel), Some(table)) => parcel.rows().try_for_each(|row| table.row(row, judging)),
        (Fed::Rows(_), None) => ControlFlow::Continue(()),
        (Fed::Lines(lines), _) => {
            lines.into_iter().try_for_each(|(number, line)| judging.object(number, line))
        }
    }
}

/// Judges JSON values as a file's lines; what is no object is a bad line.
pub fn read_json_values(
    values: impl IntoIterator<Item = Value>,
    record_type: &RecordType,
    judge: &mut (dyn Judge + Send),
    sink: &mut dyn FnMut(CapturedRow),
) -> FileSummary {
    let sink = &mut |row| {
        sink(row);
        ControlFlow::Continue(())
    };
    let mut judging = Judging::new(record_type, judge, sink);
    for (number, value) in (1..).zip(values) {
        let _ = judging.object(number, value.into());
    }
    judging.end([0; 32], Vec::new())
}
