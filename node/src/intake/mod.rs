//! Import and put: judged rows become drafts, drafts become answers.

use std::path::Path;

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::{Finding, JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde_json::Value as Json;

use crate::capture::{
    self, CapturedRow, FileRefusal, FileSummary, ImportReport, Language, RowOutcome, RowStatus, Verdict,
};
use crate::replica::{ComposeError, Draft, Intent, Outcome, WriteError, Written};

/// Drafts written in one go: one frame of the log.
const DRAFTS: usize = 512;
/// Rows that may wait with them for their outcome: of a file with nothing but errors no draft is written.
const WAITING: usize = 2_048;

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
    /// Hears what became of rows, in their order, some at a time; and of about how many.
    pub hear: &'a mut dyn FnMut(&[RowOutcome], u64),
}

/// What an intake came to.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The answer.
    pub report: ImportReport,
    /// What the file held, if it was read to its end.
    pub summary: Option<FileSummary>,
    /// SHA-256 of the file, if its bytes could be read.
    pub sha256: Option<[u8; 32]>,
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
    /// Takes a file in. A file that is refused leaves nothing; one that breaks midway, which measuring it
    /// did not show, leaves the rows before the break, and says so.
    pub fn file(&mut self, path: &Path, record_type: &RecordType) -> Taken {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let language = self.language;
        let refused = |refusal: &FileRefusal| Taken {
            report: ImportReport::refused(&name, &record_type.name, language, refusal),
            summary: None,
            sha256: capture::hash(path).ok(),
            failure: None,
        };
        let source = match capture::open(path) {
            Ok(source) => source,
            Err(refusal) => return refused(&refusal),
        };
        let mut desk = Desk::new(self, &name, record_type, source.extent);
        let context = desk.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let mut taken = match capture::read(&source, record_type, &mut judge, &mut |row| desk.row(row)) {
            Ok(summary) => desk.finish(Some(summary)),
            Err(refusal) if desk.report.rows == 0 => return refused(&refusal),
            Err(refusal) => {
                desk.report.error(None, 0, refusal.finding());
                desk.finish(None)
            }
        };
        taken.sha256 = Some(source.sha256);
        taken
    }

    /// Takes JSON objects in: `put`.
    pub fn values(&mut self, values: Vec<Json>, record_type: &RecordType) -> Taken {
        let mut desk = Desk::new(self, "-", record_type, values.len() as u64);
        let context = desk.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let summary = capture::read_json_values(values, record_type, &mut judge, &mut |row| desk.row(row));
        desk.finish(Some(summary))
    }
}

struct Desk<'a, 'b> {
    intake: &'b mut Intake<'a>,
    record_type: &'b RecordType,
    report: ImportReport,
    /// Rows whose outcome was not told yet; a draft's is not known until it is written.
    waiting: Vec<RowOutcome>,
    /// Drafts, each with its row's place among those waiting.
    drafts: Vec<(usize, Draft)>,
    failure: Option<WriteError>,
    intent: Intent,
    extent: u64,
}

impl<'a, 'b> Desk<'a, 'b> {
    fn new(intake: &'b mut Intake<'a>, name: &str, record_type: &'b RecordType, extent: u64) -> Self {
        let report = ImportReport::new(name, &record_type.name, intake.language);
        let intent = if name == "-" { Intent::Assert } else { Intent::Capture };
        let (waiting, drafts) = (Vec::new(), Vec::new());
        Self { intake, record_type, report, waiting, drafts, failure: None, intent, extent }
    }

    fn context(&self) -> JudgeContext<'a> {
        let today = i32::try_from(self.intake.now.seconds() / 86_400).unwrap_or(i32::MAX);
        JudgeContext { catalogue: self.intake.catalogue, today, scope: self.intake.scope.clone() }
    }

    fn row(&mut self, row: CapturedRow) {
        self.report.note(&row);
        self.waiting.push(RowOutcome::of(&row, self.record_type, self.intake.language));
        if row.verdict == Verdict::Good && self.failure.is_none() {
            let draft = self.draft(row);
            self.drafts.push((self.waiting.len() - 1, draft));
        }
        if self.drafts.len() >= DRAFTS || self.waiting.len() >= WAITING {
            self.write();
        }
    }

    fn draft(&self, row: CapturedRow) -> Draft {
        let owner: UnitCode = match (&row.judgement.unit, &self.intake.scope) {
            (Some(unit), _) => unit.clone(),
            (None, UnitScope::Own(unit) | UnitScope::Any(unit)) => unit.clone(),
        };
        let mut values = row.judgement.values;
        if let Some(field) = &self.record_type.unit_field {
            values.entry(field.clone()).or_insert_with(|| Value::Unit(owner.clone()));
        }
        Draft {
            record_type: self.record_type.name.clone(),
            owner,
            values,
            intent: self.intent,
            author: self.intake.author.clone(),
        }
    }

    /// Writes the drafts, and tells what became of everything that waits.
    fn write(&mut self) {
        let (places, drafts): (Vec<usize>, Vec<Draft>) = std::mem::take(&mut self.drafts).into_iter().unzip();
        let results = if drafts.is_empty() { Vec::new() } else { (self.intake.write)(drafts) };
        for (place, result) in places.into_iter().zip(results) {
            let Some(row) = self.waiting.get_mut(place) else { continue };
            let (status, count) = match result.map(|written| written.outcome) {
                Ok(Outcome::Created) => (RowStatus::Created, &mut self.report.created),
                Ok(Outcome::Updated) => (RowStatus::Updated, &mut self.report.updated),
                Ok(Outcome::Unchanged) => (RowStatus::Unchanged, &mut self.report.unchanged),
                Ok(Outcome::Withdrawn) => {
                    let found = withdrawn();
                    row.say(&found, self.record_type, self.intake.language);
                    self.report.warning(row.sheet.as_deref(), row.row, found);
                    (RowStatus::Unchanged, &mut self.report.unchanged)
                }
                Err(WriteError::Failed(reason)) => {
                    self.failure = Some(WriteError::Failed(reason));
                    continue;
                }
                Err(error) => {
                    let found = unwritten(&error);
                    row.say(&found, self.record_type, self.intake.language);
                    self.report.error(row.sheet.as_deref(), row.row, found);
                    (RowStatus::Rejected, &mut self.report.rejected)
                }
            };
            row.status = Some(status);
            *count += 1;
        }
        (self.intake.hear)(&self.waiting, self.extent);
        self.waiting.clear();
    }

    fn finish(mut self, summary: Option<FileSummary>) -> Taken {
        self.write();
        if let Some(summary) = &summary {
            self.report.note_file(summary);
        }
        Taken { report: self.report, summary, sha256: None, failure: self.failure }
    }
}

/// What is said of a row that was good and is not written all the same.
fn unwritten(error: &WriteError) -> Finding {
    if let WriteError::Draft(fault) = error
        && let ComposeError::KeyMissing(field) = fault.as_ref()
    {
        let (vi, en) = ("thiếu giá trị của khóa", "a key field has no value");
        return Finding::new("REQ_MISSING", Some(field), vi, en);
    }
    let (vi, en) = (format!("dòng không ghi được: {error}"), format!("the row cannot be written: {error}"));
    Finding::new("TEXT_TOO_LONG", None, vi, en)
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
