//! What readers hand to the rules, and what they get back.

use lienthong_proto::catalogue::RecordType;
pub use lienthong_proto::rules::{Finding, RawCell, RowJudgement};

/// Judges one row; its cells come by field name.
pub trait Judge {
    /// The row's values and everything wrong with it.
    fn judge(&mut self, record_type: &RecordType, cells: &[(String, RawCell)]) -> RowJudgement;
}

impl<F: FnMut(&RecordType, &[(String, RawCell)]) -> RowJudgement> Judge for F {
    fn judge(&mut self, record_type: &RecordType, cells: &[(String, RawCell)]) -> RowJudgement {
        self(record_type, cells)
    }
}

pub(crate) fn finding(rule: &str, column: Option<&str>, vi: String, en: String) -> Finding {
    Finding::new(rule, column, vi, en)
}
