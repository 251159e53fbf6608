//! Files people hand in become judged rows, in bounded memory.
//!
//! A file is first measured and refused whole when it is broken ([`open`]); then its header is found and
//! its rows flow one at a time through a [`Judge`] to the caller ([`read`]).

mod archive;
mod cell;
mod csv;
mod header;
mod jsonl;
mod read;
mod refusal;
mod report;
mod source;
#[cfg(test)]
mod tests;
mod xlsx;

pub use cell::{Finding, Judge, RawCell, RowJudgement};
pub use read::{CapturedRow, FileSummary, Verdict, read, read_json_values};
pub use refusal::FileRefusal;
pub use report::{FINDINGS_MAX, ImportReport, Language, ReportedFinding};
pub use source::{Format, Source, open};
