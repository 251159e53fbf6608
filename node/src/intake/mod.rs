//! Import and put: judged rows become drafts, drafts become answers.
//!
//! Of a file, three things go on at once, each in a thread of its own and with a bound on what waits between
//! them: rows are read and judged ([`capture::read_while`]), told apart from doubles and made drafts (`desk.rs`),
//! and written (`scribe.rs`). Rows, drafts and answers keep one order throughout.
//!
//! What is said of a row for what stands beside it, in its file or among the records held (`beside.rs`), is a warning:
//! `HOMONYM`, `POSSIBLE_SAME_LETTER`, `REF_UNKNOWN`; so is what it says against itself, by the rules of its record.

mod beside;
mod desk;
mod scribe;
#[cfg(test)]
mod tests;

use std::path::Path;

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::rules::{JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::time::UnixMillis;
use serde_json::Value as Json;

use self::beside::Beside;
pub use self::beside::Held;
use self::desk::Desk;
use self::scribe::Scribe;
use crate::capture::{self, CapturedRow, FileRefusal, FileSummary, ImportReport, Language, RowOutcome};
use crate::replica::{Draft, Intent, WriteError, Written};

/// Writes drafts durably, or only says what writing them would do: an answer for each, in their order.
pub type Write<'a> = dyn FnMut(Vec<Draft>) -> Vec<Result<Written, WriteError>> + Send + 'a;

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
    /// What the replica holds, if rows are held against it and against each other.
    pub held: Option<Held<'a>>,
    /// Writes drafts durably, or only says what writing them would do.
    pub write: &'a mut Write<'a>,
    /// Hears what became of rows, in their order, some at a time; and of about how many. Of a few it hears once more at
    /// the end, when that showed more of them.
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

impl<'a> Intake<'a> {
    /// Takes a file in. A file that is refused leaves nothing; one that breaks midway, which measuring it
    /// did not show, leaves the rows before the break, and says so. Once the store has failed nothing more
    /// is read.
    pub fn file(&mut self, path: &Path, record_type: &RecordType) -> Taken {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let source = match capture::open(path) {
            Ok(source) => source,
            Err(refusal) => return self.refused(&name, record_type, &refusal, capture::hash(path).ok()),
        };
        let context = self.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let order = Order { author: &self.author, scope: &self.scope, intent: Intent::Capture };
        let beside = self.beside(record_type);
        let (language, hear) = (self.language, &mut *self.hear);
        let report = ImportReport::new(&name, &record_type.name, language);
        let write = &mut *self.write;
        let taken = std::thread::scope(|scope| {
            let scribe = Scribe::beside(scope, write);
            let mut desk = Desk::new(order, record_type, report, scribe, hear, source.extent).beside(beside);
            match capture::read_while(&source, record_type, &mut judge, &mut |row| desk.row(row)) {
                Ok(summary) => Ok(desk.finish(summary)),
                Err(refusal) if desk.is_untouched() => Err(refusal),
                Err(refusal) => Ok(desk.broken(&refusal)),
            }
        });
        let sha256 = Some(source.sha256);
        match taken {
            Ok(taken) => Taken { sha256, ..taken },
            Err(refusal) => self.refused(&name, record_type, &refusal, sha256),
        }
    }

    /// Takes JSON objects in: `put`.
    pub fn values(&mut self, values: Vec<Json>, record_type: &RecordType) -> Taken {
        let context = self.context();
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let order = Order { author: &self.author, scope: &self.scope, intent: Intent::Assert };
        let report = ImportReport::new("-", &record_type.name, self.language);
        let beside = self.beside(record_type);
        let scribe = Scribe::at_once(&mut *self.write);
        let mut desk = Desk::new(order, record_type, report, scribe, &mut *self.hear, values.len() as u64)
            .beside(beside);
        let take = &mut |row: CapturedRow| {
            let _ = desk.row(row);
        };
        let summary = capture::read_json_values(values, record_type, &mut judge, take);
        desk.finish(Some(summary))
    }

    fn today(&self) -> i32 {
        self.now.day()
    }

    fn context(&self) -> JudgeContext<'a> {
        JudgeContext { catalogue: self.catalogue, today: self.today(), scope: self.scope.clone() }
    }

    fn beside<'r>(&self, record_type: &'r RecordType) -> Option<Beside<'r>>
    where
        'a: 'r,
    {
        let held = self.held?;
        Some(Beside::new(held, self.catalogue, record_type, &self.scope, self.today()))
    }

    fn refused(
        &self,
        name: &str,
        record_type: &RecordType,
        refusal: &FileRefusal,
        sha256: Option<[u8; 32]>,
    ) -> Taken {
        let report = ImportReport::refused(name, &record_type.name, self.language, refusal);
        Taken { report, summary: None, sha256, failure: None }
    }
}

/// For whom drafts are made, and how they are meant.
#[derive(Debug, Clone, Copy)]
struct Order<'a> {
    author: &'a str,
    scope: &'a UnitScope,
    intent: Intent,
}
