//! The answer of `import` and `put`: a contract that scripts depend on.

use std::sync::Arc;

use lienthong_proto::catalogue::{Label, RecordType};
use serde::{Deserialize, Serialize};

use super::{CapturedRow, FileRefusal, FileSummary, Finding, Verdict};

/// The title of the column a report adds to the officer's own sheet; importing passes it over.
pub(crate) const REPORT_TITLE: &str = "Kết quả nhập Liên Thông";

/// The most findings a list holds; the rest is counted.
pub const FINDINGS_MAX: usize = 10_000;

/// The most rows passed over that are listed; all are counted.
pub const SKIPPED_LISTED_MAX: usize = 1_000;

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Language {
    /// The label's words in it.
    #[must_use]
    pub fn pick(self, label: Label) -> String {
        match self {
            Self::Vi => label.vi,
            Self::En => label.en,
        }
    }
}

/// One finding as people's tools see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFinding {
    /// The sheet, where the file has several that are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The row; 0 is the file.
    pub row: u64,
    /// The field or header.
    pub column: Option<String>,
    /// What stood there.
    pub value: Option<String>,
    /// The reason class.
    pub rule: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What became of a row in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// A record is new.
    Created,
    /// A record changed.
    Updated,
    /// The record was so already.
    Unchanged,
    /// Equal to an earlier row.
    Duplicate,
    /// Not taken.
    Rejected,
    /// Passed over: no record.
    Skipped,
}

/// What became of a row, and what to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// Its sheet, where the file has several that are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Arc<str>>,
    /// As the spreadsheet shows it.
    pub row: u64,
    /// What became of it; nothing if the store failed before.
    pub status: Option<RowStatus>,
    /// What is wrong and how to mend it; empty if nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Nothing of the row may be kept: it is classified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

impl RowOutcome {
    /// Of a row that was judged; a good one's status is not known yet.
    #[must_use]
    pub fn of(row: &CapturedRow, record_type: &RecordType, language: Language) -> Self {
        let status = match row.verdict {
            Verdict::Good => None,
            Verdict::Duplicate { .. } => Some(RowStatus::Duplicate),
            Verdict::Rejected => Some(RowStatus::Rejected),
        };
        let withheld = row.judgement.errors.iter().any(|found| found.rule == "CLASSIFIED");
        let mut outcome =
            Self { sheet: row.sheet.clone(), row: row.row, status, text: String::new(), withheld };
        if let Verdict::Duplicate { of } = row.verdict {
            outcome.text = language.pick(duplicate(of));
        }
        for found in row.judgement.errors.iter().chain(&row.judgement.warnings) {
            outcome.say(found, record_type, language);
        }
        outcome
    }

    /// Adds what was found.
    pub fn say(&mut self, found: &Finding, record_type: &RecordType, language: Language) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        if let Some(column) = &found.column {
            let label = super::header::field_of(record_type, column).map(|field| field.label.clone());
            self.text.push_str(&label.map_or_else(|| column.clone(), |label| language.pick(label)));
            self.text.push_str(": ");
        }
        self.text.push_str(&language.pick(found.message.clone()));
    }
}

fn duplicate(of: u64) -> Label {
    Label { vi: format!("Trùng với dòng {of}; đã bỏ"), en: format!("equal to row {of}; dropped") }
}

/// A row that is no record: a total, a note, a group's title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRow {
    /// Its sheet, where the file has several that are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Arc<str>>,
    /// As the spreadsheet shows it.
    pub row: u64,
}

/// What an import did. `rows` = created + updated + unchanged + duplicates + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportReport {
    /// The file's name.
    pub file: String,
    /// The record type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// Rows judged.
    pub rows: u64,
    /// Records that are new; the writer counts them.
    pub created: u64,
    /// Records that changed; the writer counts them.
    pub updated: u64,
    /// Rows that changed nothing; the writer counts them.
    pub unchanged: u64,
    /// Rows equal to an earlier one.
    pub duplicates: u64,
    /// Rows with errors.
    pub rejected: u64,
    /// Rows passed over as no records; they are not among `rows`.
    #[serde(default)]
    pub skipped: u64,
    /// Which, as far as they are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_rows: Vec<SkippedRow>,
    /// Why rows were rejected.
    pub errors: Vec<ReportedFinding>,
    /// What else to look at.
    pub warnings: Vec<ReportedFinding>,
    /// Errors beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errors_omitted: u64,
    /// Warnings beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings_omitted: u64,
    /// The language of the messages.
    #[serde(skip)]
    pub language: Language,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ImportReport {
    /// A report with nothing in it yet.
    #[must_use]
    pub fn new(file: &str, record_type: &str, language: Language) -> Self {
        Self { file: file.to_owned(), record_type: record_type.to_owned(), language, ..Self::default() }
    }

    /// The report of a file refused whole: no rows, one error of row 0.
    #[must_use]
    pub fn refused(file: &str, record_type: &str, language: Language, refusal: &FileRefusal) -> Self {
        let mut report = Self::new(file, record_type, language);
        report.error(None, 0, refusal.finding());
        report
    }

    /// Notes a row's findings and counts it if it is a duplicate or rejected.
    pub fn note(&mut self, row: &CapturedRow) {
        self.rows += 1;
        let sheet = row.sheet.as_deref();
        match row.verdict {
            Verdict::Good => {}
            Verdict::Duplicate { of } => {
                self.duplicates += 1;
                let found =
                    Finding { column: None, value: None, rule: "DUP".to_owned(), message: duplicate(of) };
                self.warning(sheet, row.row, found);
            }
            Verdict::Rejected => self.rejected += 1,
        }
        for error in &row.judgement.errors {
            self.error(sheet, row.row, error.clone());
        }
        for warning in &row.judgement.warnings {
            self.warning(sheet, row.row, warning.clone());
        }
    }

    /// Notes what was said about the file as a whole.
    pub fn note_file(&mut self, summary: &FileSummary) {
        self.skipped = summary.skipped;
        self.skipped_rows.clone_from(&summary.skipped_rows);
        for warning in &summary.warnings {
            self.warning(None, 0, warning.clone());
        }
    }

    /// Adds an error.
    pub fn error(&mut self, sheet: Option<&str>, row: u64, found: Finding) {
        let reported = reported(sheet, row, found, self.language);
        add(&mut self.errors, &mut self.errors_omitted, reported);
    }

    /// Adds a warning.
    pub fn warning(&mut self, sheet: Option<&str>, row: u64, found: Finding) {
        let reported = reported(sheet, row, found, self.language);
        add(&mut self.warnings, &mut self.warnings_omitted, reported);
    }
}

fn add(list: &mut Vec<ReportedFinding>, omitted: &mut u64, found: ReportedFinding) {
    if list.len() < FINDINGS_MAX {
        list.push(found);
    } else {
        *omitted += 1;
    }
}

fn reported(sheet: Option<&str>, row: u64, found: Finding, language: Language) -> ReportedFinding {
    let Finding { column, value, rule, message } = found;
    ReportedFinding {
        sheet: sheet.map(str::to_owned),
        row,
        column,
        value,
        rule,
        message: language.pick(message),
    }
}
