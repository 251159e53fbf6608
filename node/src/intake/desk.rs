//! Judged rows become drafts; what was written becomes outcomes, in the order of the rows.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::{Finding, UnitScope};
use lienthong_proto::value::Value;

use super::beside::{Beside, Wanted};
use super::scribe::{Answers, Scribe};
use super::{Order, Taken};
use crate::capture::{CapturedRow, FileRefusal, FileSummary, ImportReport, RowOutcome, RowStatus, Verdict};
use crate::replica::{ComposeError, Draft, Outcome, WriteError};

/// Drafts written in one go: a few frames of the log, made side by side and synced once.
const DRAFTS: usize = 2_048;
/// Bytes of values written in one go: rows of long texts make smaller groups.
const DRAFT_BYTES: usize = 2 << 20;
/// Rows that may wait with them for their outcome: of a file with nothing but errors no draft is written.
const WAITING: usize = 4_096;
/// Groups handed over and not answered yet: one that is being written, one that comes next.
const GROUPS_AHEAD: usize = 2;

/// Rows whose outcome was not told yet; a draft's is not known until it is written.
#[derive(Default)]
struct Group {
    waiting: Vec<RowOutcome>,
    /// Of each draft its row's place among those waiting.
    places: Vec<usize>,
    /// And what to look for beside it.
    wanted: Vec<Wanted>,
}

pub(super) struct Desk<'a, 'b> {
    order: Order<'a>,
    record_type: &'a RecordType,
    report: ImportReport,
    /// What was said of rows beyond what judging them said, by reason class.
    said: BTreeMap<String, u64>,
    beside: Option<Beside<'a>>,
    scribe: Scribe<'b>,
    hear: &'a mut dyn FnMut(&[RowOutcome], u64),
    extent: u64,
    open: Group,
    drafts: Vec<Draft>,
    draft_bytes: usize,
    handed: VecDeque<Group>,
    failure: Option<WriteError>,
}

impl<'a, 'b> Desk<'a, 'b> {
    pub(super) fn new(
        order: Order<'a>,
        record_type: &'a RecordType,
        report: ImportReport,
        scribe: Scribe<'b>,
        hear: &'a mut dyn FnMut(&[RowOutcome], u64),
        extent: u64,
    ) -> Self {
        Self {
            order,
            record_type,
            report,
            said: BTreeMap::new(),
            beside: None,
            scribe,
            hear,
            extent,
            open: Group::default(),
            drafts: Vec::new(),
            draft_bytes: 0,
            handed: VecDeque::new(),
            failure: None,
        }
    }

    /// Holds rows against each other and what is held.
    pub(super) fn beside(mut self, beside: Option<Beside<'a>>) -> Self {
        self.beside = beside;
        self
    }

    /// Whether no row has come yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.report.rows == 0
    }

    /// Takes a row; `Break` if no more can be written.
    pub(super) fn row(&mut self, row: CapturedRow) -> ControlFlow<()> {
        self.report.note(&row);
        self.open.waiting.push(RowOutcome::of(&row, self.record_type, self.report.language));
        if row.verdict == Verdict::Good && self.failure.is_none() {
            self.open.places.push(self.open.waiting.len() - 1);
            let mut draft = self.draft(row);
            let wanted = self.beside.as_ref().map(|beside| beside.wanted(&mut draft));
            self.open.wanted.push(wanted.unwrap_or_default());
            self.draft_bytes += draft.values.values().map(Value::text_bytes).sum::<usize>();
            self.drafts.push(draft);
        }
        if self.drafts.len() >= DRAFTS
            || self.draft_bytes >= DRAFT_BYTES
            || self.open.waiting.len() >= WAITING
        {
            self.hand_over();
            self.settle(GROUPS_AHEAD);
        }
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn draft(&self, row: CapturedRow) -> Draft {
        let owner: UnitCode = match (row.judgement.unit, self.order.scope) {
            (Some(unit), _) => unit,
            (None, UnitScope::Own(unit) | UnitScope::Any(unit)) => unit.clone(),
        };
        let mut values = row.judgement.values;
        if let Some(field) = &self.record_type.unit_field
            && !values.contains_key(field)
        {
            values.insert(field.clone(), Value::Unit(owner.clone()));
        }
        Draft {
            record_type: self.record_type.name.clone(),
            owner,
            values,
            intent: self.order.intent,
            author: self.order.author.to_owned(),
        }
    }

    fn hand_over(&mut self) {
        let drafts = std::mem::take(&mut self.drafts);
        self.draft_bytes = 0;
        self.scribe.write(drafts);
        self.handed.push_back(std::mem::take(&mut self.open));
    }

    /// Tells what became of the groups handed over, until at most `ahead` have no answer.
    fn settle(&mut self, ahead: usize) {
        while let Some(group) = self.handed.pop_front() {
            // The group taken out is one of those without an answer.
            let answers = if self.handed.len() >= ahead { self.scribe.wait() } else { self.scribe.look() };
            let Some(answers) = answers else {
                self.handed.push_front(group);
                return;
            };
            self.tell(group, answers);
        }
    }

    fn tell(&mut self, mut group: Group, answers: Answers) {
        for ((place, wanted), result) in group.places.into_iter().zip(group.wanted).zip(answers) {
            let Some(row) = group.waiting.get_mut(place) else { continue };
            let record = result.as_ref().ok().map(|written| written.record);
            if let Ok(written) = &result {
                written.elsewhere.iter().for_each(|path| self.warn(row, elsewhere(path)));
            }
            let (status, count) = match result.map(|written| written.outcome) {
                Ok(Outcome::Created) => (RowStatus::Created, &mut self.report.created),
                Ok(Outcome::Updated) => (RowStatus::Updated, &mut self.report.updated),
                Ok(Outcome::Unchanged) => (RowStatus::Unchanged, &mut self.report.unchanged),
                Ok(Outcome::Withdrawn) => {
                    self.warn(row, withdrawn());
                    (RowStatus::Unchanged, &mut self.report.unchanged)
                }
                // The store's fault, not the row's.
                Err(error) if is_failure(&error) => {
                    self.failure = Some(error);
                    continue;
                }
                Err(error) => {
                    let found = unwritten(&error);
                    row.say(&found, self.record_type, self.report.language);
                    self.report.error(row.sheet.as_deref(), row.row, found);
                    (RowStatus::Rejected, &mut self.report.rejected)
                }
            };
            row.status = Some(status);
            *count += 1;
            if let (Some(beside), Some(record)) = (&mut self.beside, record) {
                let found = beside.found(row, record, wanted);
                found.into_iter().for_each(|found| self.warn(row, found));
            }
        }
        (self.hear)(&group.waiting, self.extent);
    }

    fn warn(&mut self, row: &mut RowOutcome, found: Finding) {
        row.say(&found, self.record_type, self.report.language);
        *self.said.entry(found.rule.clone()).or_default() += 1;
        self.report.warning(row.sheet.as_deref(), row.row, found);
    }

    /// What only the file's end shows.
    fn tell_late(&mut self) {
        let late = self.beside.as_mut().map(Beside::left_over).unwrap_or_default();
        let mut rows = Vec::with_capacity(late.len());
        for (mut row, found) in late {
            found.into_iter().for_each(|found| self.warn(&mut row, found));
            rows.push(row);
        }
        if !rows.is_empty() {
            (self.hear)(&rows, self.extent);
        }
    }

    /// Everything is written and told; `summary` is there if the file was read to its end.
    pub(super) fn finish(mut self, mut summary: Option<FileSummary>) -> Taken {
        self.hand_over();
        self.settle(0);
        self.tell_late();
        if let Some(summary) = &mut summary {
            self.report.note_file(summary);
            for (class, rows) in std::mem::take(&mut self.said) {
                *summary.classes.entry(class).or_default() += rows;
            }
        }
        Taken { report: self.report, summary, sha256: None, failure: self.failure }
    }

    /// The file broke midway: what came before is written.
    pub(super) fn broken(mut self, refusal: &FileRefusal) -> Taken {
        self.report.error(None, 0, refusal.finding());
        self.finish(None)
    }
}

fn is_failure(error: &WriteError) -> bool {
    match error {
        WriteError::Failed(_) => true,
        WriteError::Draft(fault) => matches!(fault.as_ref(), ComposeError::Dataset(_)),
        WriteError::TooLarge(_) | WriteError::Changed => false,
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

/// What is said of a value that others have changed since the same was stated here.
fn elsewhere(path: &str) -> Finding {
    let column = path.split('/').next_back();
    Finding::new(
        "CHANGED_ELSEWHERE",
        column,
        "giá trị này đã được nơi khác sửa sau lần nhập trước, bảng cũ không ghi đè; nếu bảng này đúng, hãy ghi lại bằng lệnh put",
        "this value was changed elsewhere since it was taken in here, and an old sheet does not overwrite it; if the sheet is right, state it with put",
    )
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
