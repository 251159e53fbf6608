//! Import and put: judged rows become drafts, drafts become answers.

use std::path::Path;

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::{Finding, JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde_json::Value as Json;

use crate::capture::{self, CapturedRow, FileRefusal, FileSummary, Format, ImportReport, Language, Verdict};
use crate::replica::{ComposeError, Draft, Intent, Outcome, WriteError, Written};

/// Drafts written in one go: one frame of the log.
const DRAFTS: usize = 512;

/// What rows are taken in for, and how.
pub struct Intake<'a> {
    /// Types, lists and units.
    pub catalogue: &'a Catalogue,
    /// Whose rows.
    pub scope: UnitScope,
    /// Who brings them.
    pub author: String,
    /// The time.
    pub now: UnixMillis,
    /// The language of messages.
    pub language: Language,
    /// Writes drafts durably, or only says what writing them would do.
    pub write: &'a mut dyn FnMut(Vec<Draft>) -> Vec<Result<Written, WriteError>>,
}

/// What an intake came to.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The answer.
    pub report: ImportReport,
    /// What the file held, if it was read at all.
    pub summary: Option<FileSummary>,
    /// Why nothing more could be written.
    pub failure: Option<WriteError>,
}

impl Taken {
    /// 0 done, 1 failed, 3 some rows were rejected.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match (&self.failure, &self.summary, self.report.rejected) {
            (None, Some(_), 0) => 0,
            (None, Some(_), _) => 3,
            _ => 1,
        }
    }
}

impl Intake<'_> {
    /// Takes a file in.
    pub fn file(&mut self, path: &Path, record_type: &RecordType) -> Taken {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let language = self.language;
        let refused = |refusal: &FileRefusal| Taken {
            report: ImportReport::refused(&name, &record_type.name, language, refusal),
            summary: None,
            failure: None,
        };
        let source = match capture::open(path) {
            Ok(source) => source,
            Err(refusal) => return refused(&refusal),
        };
        // A workbook was measured to its end when it was opened; a text file may still break midway, and
        // then nothing of it may have been written: it is read once for nothing.
        if source.format != Format::Xlsx {
            let mut blind = |_: &RecordType, _: &[(String, RawCell)]| capture::RowJudgement::default();
            if let Err(refusal) = capture::read(&source, record_type, &mut blind, &mut |_| {}) {
                return refused(&refusal);
            }
        }
        let mut desk = Desk::new(self, &name, record_type);
        let context = desk.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        match capture::read(&source, record_type, &mut judge, &mut |row| desk.row(row)) {
            Ok(summary) => desk.finish(summary),
            Err(refusal) => refused(&refusal),
        }
    }

    /// Takes JSON objects in: `put`.
    pub fn values(&mut self, values: Vec<Json>, record_type: &RecordType) -> Taken {
        let mut desk = Desk::new(self, "-", record_type);
        let context = desk.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let summary = capture::read_json_values(values, record_type, &mut judge, &mut |row| desk.row(row));
        desk.finish(summary)
    }
}

struct Desk<'a, 'b> {
    intake: &'b mut Intake<'a>,
    record_type: &'b RecordType,
    report: ImportReport,
    drafts: Vec<(u64, Draft)>,
    failure: Option<WriteError>,
    intent: Intent,
}

impl<'a, 'b> Desk<'a, 'b> {
    fn new(intake: &'b mut Intake<'a>, name: &str, record_type: &'b RecordType) -> Self {
        let report = ImportReport::new(name, &record_type.name, intake.language);
        let intent = if name == "-" { Intent::Assert } else { Intent::Capture };
        Self { intake, record_type, report, drafts: Vec::new(), failure: None, intent }
    }

    fn context(&self) -> JudgeContext<'a> {
        let today = i32::try_from(self.intake.now.seconds() / 86_400).unwrap_or(i32::MAX);
        JudgeContext { catalogue: self.intake.catalogue, today, scope: self.intake.scope.clone() }
    }

    fn row(&mut self, row: CapturedRow) {
        self.report.note(&row);
        if row.verdict != Verdict::Good || self.failure.is_some() {
            return;
        }
        let owner: UnitCode = match (&row.judgement.unit, &self.intake.scope) {
            (Some(unit), _) => unit.clone(),
            (None, UnitScope::Own(unit) | UnitScope::Any(unit)) => unit.clone(),
        };
        let mut values = row.judgement.values;
        if let Some(field) = &self.record_type.unit_field {
            values.entry(field.clone()).or_insert_with(|| Value::Unit(owner.clone()));
        }
        let draft = Draft {
            record_type: self.record_type.name.clone(),
            owner,
            values,
            intent: self.intent,
            author: self.intake.author.clone(),
        };
        self.drafts.push((row.row, draft));
        if self.drafts.len() >= DRAFTS {
            self.write();
        }
    }

    fn write(&mut self) {
        let (rows, drafts): (Vec<u64>, Vec<Draft>) = std::mem::take(&mut self.drafts).into_iter().unzip();
        if drafts.is_empty() {
            return;
        }
        let results = (self.intake.write)(drafts);
        for (row, result) in rows.into_iter().zip(results) {
            match result.map(|written| written.outcome) {
                Ok(Outcome::Created) => self.report.created += 1,
                Ok(Outcome::Updated) => self.report.updated += 1,
                Ok(Outcome::Unchanged) => self.report.unchanged += 1,
                Ok(Outcome::Withdrawn) => {
                    self.report.unchanged += 1;
                    self.report.warning(row, withdrawn());
                }
                Err(WriteError::Failed(reason)) => self.failure = Some(WriteError::Failed(reason)),
                Err(WriteError::Draft(fault)) if matches!(*fault, ComposeError::KeyMissing(_)) => {
                    self.report.rejected += 1;
                    self.report.error(row, key_missing(&fault));
                }
                Err(error) => {
                    self.report.rejected += 1;
                    let found = Finding::new(
                        "TEXT_TOO_LONG",
                        None,
                        format!("dòng không ghi được: {error}"),
                        format!("the row cannot be written: {error}"),
                    );
                    self.report.error(row, found);
                }
            }
        }
    }

    fn finish(mut self, summary: FileSummary) -> Taken {
        self.write();
        self.report.note_file(&summary);
        Taken { report: self.report, summary: Some(summary), failure: self.failure }
    }
}

/// What is said of an object that lacks a part of its key.
fn key_missing(fault: &ComposeError) -> Finding {
    let field = match fault {
        ComposeError::KeyMissing(field) => Some(field.as_str()),
        _ => None,
    };
    let (vi, en) = ("thiếu giá trị của khóa", "a key field has no value");
    Finding::new("REQ_MISSING", field, vi, en)
}

/// What is said of a row whose record is withdrawn.
fn withdrawn() -> Finding {
    Finding::new(
        "RECORD_WITHDRAWN",
        None,
        "bản ghi đã được thu hồi, dòng này không khôi phục nó; nếu thu hồi nhầm, hãy ghi lại bằng lệnh put",
        "the record is withdrawn and this row does not bring it back; if that was a mistake, state it again with put",
    )
}
