//! Files people hand in become judged rows, in bounded memory.
//!
//! A file is first sniffed by its bytes, measured, and refused whole when it is broken, encrypted or would
//! need too much memory ([`open`]); then the headers of its sheets are found, the letters of legacy fonts are
//! turned into Unicode, and its rows flow through a [`Judge`] to the caller ([`read`]).
//!
//! How a column finds its field is told in `header.rs`: by label, alias or name, folded, on one level or two.

mod annotate;
mod archive;
mod cell;
mod csv;
mod doubles;
mod fitting;
mod header;
mod jsonl;
mod judging;
mod ods;
mod parcel;
mod read;
mod reading;
mod refusal;
mod report;
mod source;
mod table;
pub mod template;
#[cfg(test)]
mod tests;
mod xls;
mod xlsx;

pub use annotate::{AnnotateError, Annotations, annotate, annotate_file};
pub use cell::{Finding, Judge, RawCell, RowJudgement};
pub use fitting::{fitting, forbidden};
#[cfg(test)]
pub(crate) use header::field_of;
pub(crate) use jsonl::raw as raw_cell;
pub use read::{CapturedRow, FileSummary, Verdict, read, read_json_values, read_while};
pub use refusal::FileRefusal;
pub use report::{FINDINGS_MAX, ImportReport, Language, ReportedFinding, RowOutcome, RowStatus};
pub use source::{Format, Source, hash, open};
