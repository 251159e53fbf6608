//! What any replica is asked of its records, and what answers: alike at a commune and at the province.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::change::path;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::rules::{UnitScope, is_marked_classified, names_a_sender};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::WithdrawalError;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Edit;
use super::following::Following;
use super::reason::{REASON_TELLS, classified_reason};
use crate::capture::{Language, RowOutcome};
use crate::control::Answer;
use crate::dataset::Record;
use crate::erasing::{Erasures, erased_json};
use crate::intake::{Held, Intake, Taken};
use crate::observe::Captures;
use crate::quality::{Keeper, defect_json, waiver_json};
use crate::records::{Listing, Records};
use crate::replica::{ComposeError, Draft, Intent, Outcome, WriteError, Written, preview};

/// What a replica can be asked of its records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "records", rename_all = "snake_case")]
pub enum RecordsRequest {
    /// Take a file in.
    Import {
        /// Absolute path.
        path: PathBuf,
        /// Record type.
        record_type: String,
        /// Write nothing.
        dry_run: bool,
        /// Tell what became of each row.
        rows: bool,
        /// Who brings it.
        author: String,
        /// English messages.
        english: bool,
    },
    /// Take objects in.
    Put {
        /// They.
        values: Vec<Json>,
        /// Record type.
        record_type: String,
        /// Who brings them.
        author: String,
        /// English messages.
        english: bool,
    },
    /// One record.
    Get {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The unit whose numbers are meant; the replica's own otherwise.
        unit: Option<UnitCode>,
    },
    /// A page of records.
    List {
        /// Record type.
        record_type: String,
        /// Which.
        listing: Listing,
    },
    /// Correct fields of one record.
    Edit(Edit),
    /// Take a record out of the shared dataset.
    Withdraw {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The unit whose numbers are meant; the replica's own otherwise.
        unit: Option<UnitCode>,
        /// Why.
        reason: String,
        /// Who withdraws it.
        author: String,
    },
    /// Why a field of a record shows what it shows.
    Why {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The field's name.
        field: String,
        /// The unit whose numbers are meant; the replica's own otherwise.
        unit: Option<UnitCode>,
    },
    /// Every write of a record.
    History {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The unit whose numbers are meant; the replica's own otherwise.
        unit: Option<UnitCode>,
    },
}

impl RecordsRequest {
    /// Whether it writes.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Import { .. } | Self::Put { .. } | Self::Edit(_) | Self::Withdraw { .. })
    }

    /// Names who brings what is written: what the asker says of it is not believed.
    pub fn act_as(&mut self, name: &str) {
        if let Self::Import { author, .. }
        | Self::Put { author, .. }
        | Self::Edit(Edit { author, .. })
        | Self::Withdraw { author, .. } = self
        {
            name.clone_into(author);
        }
    }

    fn record_type(&self) -> &str {
        match self {
            Self::Import { record_type, .. }
            | Self::Put { record_type, .. }
            | Self::Edit(Edit { record_type, .. })
            | Self::Get { record_type, .. }
            | Self::List { record_type, .. }
            | Self::Withdraw { record_type, .. }
            | Self::Why { record_type, .. }
            | Self::History { record_type, .. } => record_type,
        }
    }
}

/// Answers what is asked of one replica's records.
pub struct RecordsService<'a> {
    /// Where they are read.
    pub records: Records<'a>,
    /// Whose rows may be taken in.
    pub scope: UnitScope,
    /// Who writes.
    pub writer: ReplicaId,
    /// The time.
    pub now: UnixMillis,
    /// Writes drafts durably.
    pub write: &'a (dyn Fn(Vec<Draft>) -> Vec<Result<Written, WriteError>> + Sync),
    /// Logs an event durably.
    pub log: &'a dyn Fn(Event) -> Result<Sequence, String>,
    /// Brings what was accepted to the view, if it still can be.
    pub flush: &'a dyn Fn(),
    /// What is wrong with them.
    pub quality: &'a Keeper,
    /// What was erased by orders.
    pub erasures: &'a RwLock<Erasures>,
    /// What is captured, by the id both ends speak of it.
    pub captures: &'a Captures,
    /// Says how long work goes on.
    pub tell: &'a dyn Fn(Json),
}

impl RecordsService<'_> {
    /// Does what is asked.
    ///
    /// # Errors
    /// The refusal, as the answer to give.
    pub fn answer(&self, request: RecordsRequest) -> Result<Answer, Answer> {
        let declared = known_type(self.records.catalogue, request.record_type())?;
        match request {
            RecordsRequest::Import { path, dry_run, rows, author, english, .. } => {
                let manner = Manner { dry_run, rows, author, english };
                self.take(manner, |intake| intake.file(&path, declared))
            }
            RecordsRequest::Put { values, author, english, .. } => {
                let manner = Manner { dry_run: false, rows: false, author, english };
                self.take(manner, |intake| intake.values(values, declared))
            }
            RecordsRequest::Get { id, unit, .. } => {
                let found = self.of(unit.as_ref()).get(declared, &id).map_err(Answer::failed)?;
                let record = found.ok_or_else(missing)?;
                // The province judges by itself and soon; at a commune somebody who asks may be the first.
                if matches!(self.scope, UnitScope::Own(_)) {
                    self.quality.refresh(&record.record_type, record.id).map_err(Answer::failed)?;
                }
                self.with_defects(&record).map(Answer::done)
            }
            RecordsRequest::List { listing, .. } => self.list(declared, &listing),
            RecordsRequest::Edit(edit) => self.edit(declared, edit),
            RecordsRequest::Withdraw { id, unit, reason, author, .. } => {
                self.withdraw(declared, &id, unit.as_ref(), reason, author)
            }
            RecordsRequest::Why { id, field, unit, .. } => {
                let known = field.starts_with('_') || declared.field(&field).is_some();
                if !known {
                    let reason = format!(
                        "loại {0} không có trường {field} · type {0} has no field {field}",
                        declared.name
                    );
                    return Err(Answer::refused("COLUMN_UNKNOWN", reason));
                }
                let found = self.of(unit.as_ref()).why(declared, &id, &field).map_err(Answer::failed)?;
                self.with_erasures(declared, &id, unit.as_ref(), found).map(Answer::done)
            }
            RecordsRequest::History { id, unit, .. } => {
                let found = self.of(unit.as_ref()).history(declared, &id).map_err(Answer::failed)?;
                self.with_erasures(declared, &id, unit.as_ref(), found).map(Answer::done)
            }
        }
    }

    /// A record with what is wrong with it, as far as it was judged.
    pub(super) fn with_defects(&self, record: &Record) -> Result<Json, Answer> {
        let quality = self.quality;
        // What another unit keeps is not for this one to mend, and perhaps not shown whole.
        if self.owned(record).is_err() {
            return Ok(record.to_json());
        }
        let found = quality.defects(&record.record_type, record.id, quality.today());
        let (found, waivers) = found.map_err(Answer::failed)?;
        let mut body = record.to_json();
        let any = !found.counted.is_empty() || !found.waived.is_empty();
        if let (true, Some(fields)) = (any, body.as_object_mut()) {
            let book = quality.book().map_err(Answer::failed)?;
            let counted = found.counted.iter().map(|defect| defect_json(&book, defect));
            let waived = found.waived.iter().filter_map(|(defect, position)| {
                let mut shown = defect_json(&book, defect);
                shown.as_object_mut()?.insert("waived".to_owned(), waiver_json(waivers.get(*position)?));
                Some(shown)
            });
            fields.insert("defects".to_owned(), counted.chain(waived).collect());
        }
        self.note_erasures(record.id, &mut body);
        Ok(body)
    }

    /// What is told of a record, with the orders that took something of it.
    fn with_erasures(
        &self,
        declared: &RecordType,
        id: &str,
        unit: Option<&UnitCode>,
        found: Option<Json>,
    ) -> Result<Json, Answer> {
        let mut body = found.ok_or_else(missing)?;
        if let Some(record) = self.of(unit).named(declared, id).map_err(Answer::failed)? {
            self.note_erasures(record.id, &mut body);
        }
        Ok(body)
    }

    fn note_erasures(&self, record: RecordId, body: &mut Json) {
        let erased: Vec<Json> = self.erasures.read().of_record(record).map(erased_json).collect();
        if let (false, Some(fields)) = (erased.is_empty(), body.as_object_mut()) {
            fields.insert("erased".to_owned(), erased.into());
        }
    }

    pub(super) fn of<'b>(&'b self, unit: Option<&'b UnitCode>) -> Records<'b> {
        Records { unit: unit.unwrap_or(self.records.unit), ..self.records }
    }

    /// Withdraws a record the asker's unit owns; the province may withdraw any.
    fn withdraw(
        &self,
        declared: &RecordType,
        id: &str,
        unit: Option<&UnitCode>,
        reason: String,
        author: String,
    ) -> Result<Answer, Answer> {
        if is_marked_classified(&reason) {
            return Err(classified_reason());
        }
        let tells = names_a_sender(&reason);
        let records = self.of(unit);
        let record = records.get(declared, id).map_err(Answer::failed)?.ok_or_else(missing)?;
        self.owned(&record)?;
        let draft = Draft {
            record_type: declared.name.clone(),
            owner: records.unit.clone(),
            values: BTreeMap::from([(path::WITHDRAWN.to_owned(), Value::Text(reason))]),
            intent: Intent::Withdraw(record.id),
            author,
        };
        let written = (self.write)(vec![draft]).into_iter().next();
        let written = match written.ok_or_else(|| Answer::failed("nothing was written"))? {
            Ok(written) => written,
            Err(WriteError::Draft(fault)) => {
                let rule = match fault.as_ref() {
                    ComposeError::Withdrawal(WithdrawalError::ReasonMissing) => "REASON_MISSING",
                    ComposeError::Withdrawal(_) => "REASON_FORM",
                    ComposeError::Kept(_) => "RECORD_KEPT",
                    _ => "RECORD_UNKNOWN",
                };
                return Err(Answer::refused(rule, fault));
            }
            Err(error) => return Err(Answer::failed(error)),
        };
        let record = records.get(declared, &record.id.to_string()).map_err(Answer::failed)?;
        let mut body = record.ok_or_else(missing)?.to_json();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("changed".to_owned(), (written.outcome != Outcome::Unchanged).into());
            if tells {
                fields.insert(
                    "warnings".to_owned(),
                    json!([{ "rule": "SENDER_LIKE", "message": REASON_TELLS }]),
                );
            }
        }
        Ok(Answer::done(body))
    }

    /// Whether the record is the asker's to change; the province may change any.
    pub(super) fn owned(&self, record: &Record) -> Result<(), Answer> {
        if let (UnitScope::Own(own), Some(owner)) = (&self.scope, &record.owner)
            && own != owner
        {
            let reason = format!(
                "bản ghi thuộc đơn vị {owner}: chỉ đơn vị đó hoặc tỉnh được sửa, thu hồi · the record is owned by unit {owner}: only that unit or the province may edit or withdraw it"
            );
            return Err(Answer::refused("UNIT_FOREIGN", reason));
        }
        Ok(())
    }

    fn take(&self, manner: Manner, work: impl FnOnce(&mut Intake<'_>) -> Taken) -> Result<Answer, Answer> {
        let mut progress = Progress { done: 0, said: Instant::now(), rows: manner.rows, tell: self.tell };
        let taken = self.taken(&manner, &mut |outcomes, extent| progress.hear(outcomes, extent), work);
        Ok(taken_answer(&taken.map_err(Answer::failed)?))
    }

    /// Takes rows in and logs what came of it, if they came in a file.
    ///
    /// # Errors
    /// Why the summary could not be logged.
    pub(crate) fn taken(
        &self,
        manner: &Manner,
        hear: &mut dyn FnMut(&[RowOutcome], u64),
        work: impl FnOnce(&mut Intake<'_>) -> Taken,
    ) -> Result<Taken, String> {
        let Records { dataset, catalogue, provincial_key, .. } = self.records;
        let (UnitScope::Own(unit) | UnitScope::Any(unit)) = &self.scope;
        let (write, writer) = (self.write, self.writer);
        let following = Following::new(self.captures, writer);
        let follow = &following;
        let mut intake = Intake {
            catalogue,
            scope: self.scope.clone(),
            author: manner.author.clone(),
            now: self.now,
            language: if manner.english { Language::En } else { Language::Vi },
            held: Some(Held { dataset, quality: self.quality, provincial_key }),
            write: &mut |drafts| match manner.dry_run {
                true => preview(dataset, catalogue, provincial_key, (writer, unit), drafts),
                false => {
                    let answers = write(drafts);
                    follow.note(&answers);
                    answers
                }
            },
            hear,
        };
        let taken = work(&mut intake);
        if manner.dry_run {
            return Ok(taken);
        }
        if taken.report.file != "-"
            && let Some(mut event) = import_event(&taken, &manner.author, self.now)
        {
            // So that whoever reads the log knows where it began, and both ends name it alike.
            if let Some(first) = following.first() {
                event.fields.insert("first".to_owned(), number(first));
            }
            following.reached((self.log)(event)?);
        }
        following.say(&taken);
        Ok(taken)
    }
}

/// How rows are taken in.
pub(crate) struct Manner {
    pub(crate) dry_run: bool,
    pub(crate) rows: bool,
    pub(crate) author: String,
    pub(crate) english: bool,
}

/// How often progress is said at most.
const SAID_EVERY: Duration = Duration::from_millis(200);

struct Progress<'a> {
    done: u64,
    said: Instant,
    rows: bool,
    tell: &'a dyn Fn(Json),
}

impl Progress<'_> {
    fn hear(&mut self, outcomes: &[RowOutcome], extent: u64) {
        self.done += outcomes.len() as u64;
        if self.rows {
            (self.tell)(json!({ "rows": outcomes }));
        }
        if self.said.elapsed() >= SAID_EVERY {
            self.said = Instant::now();
            (self.tell)(json!({ "done": self.done, "of": extent }));
        }
    }
}

/// The record type asked for.
///
/// # Errors
/// The answer that says which is nearest.
pub fn known_type<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a RecordType, Answer> {
    catalogue.record_type(name).ok_or_else(|| {
        let nearest = catalogue.nearest_type(name).unwrap_or_default();
        let reason = format!(
            "không có loại bản ghi “{name}”; có phải “{nearest}”? · there is no record type {name:?}; did you mean {nearest:?}?"
        );
        Answer::refused("TYPE_UNKNOWN", reason)
    })
}

pub(super) fn missing() -> Answer {
    Answer::refused("RECORD_UNKNOWN", "không tìm thấy bản ghi · there is no such record")
}

/// The answer of an import or put.
fn taken_answer(taken: &Taken) -> Answer {
    let mut body = serde_json::to_value(&taken.report).unwrap_or_default();
    if let (Some(failure), Some(fields)) = (&taken.failure, body.as_object_mut()) {
        fields.insert("error".to_owned(), Json::from(failure.to_string()));
    }
    Answer { body, exit: taken.exit() }
}

fn number(count: u64) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The import's summary as an event: hash, counts and reason classes, never a value. A file refused whole
/// is one too; so the province sees that a commune tries in vain. One that is too large to be read has no hash.
fn import_event(taken: &Taken, actor: &str, at: UnixMillis) -> Option<Event> {
    let report = &taken.report;
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    for found in &report.errors {
        *classes.entry(&found.rule).or_default() += 1;
    }
    if let Some(summary) = &taken.summary {
        classes = summary.classes.iter().map(|(class, count)| (class.as_str(), *count)).collect();
    }
    let reasons: Vec<String> = classes.iter().map(|(class, count)| format!("{class}={count}")).collect();
    if taken.sha256.is_none() && !classes.contains_key("FILE_TOO_LARGE") {
        return None;
    }
    let fields = [
        ("type", Value::Text(report.record_type.clone())),
        ("sha256", Value::Text(taken.sha256.map(hex::encode).unwrap_or_default())),
        ("whole", Value::Boolean(taken.summary.is_some() && taken.failure.is_none())),
        ("rows", number(report.rows)),
        ("created", number(report.created)),
        ("updated", number(report.updated)),
        ("unchanged", number(report.unchanged)),
        ("duplicates", number(report.duplicates)),
        ("rejected", number(report.rejected)),
        ("skipped", number(report.skipped)),
        ("reasons", Value::Text(reasons.join(","))),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Event { kind: "import".to_owned(), at, actor: actor.to_owned(), fields })
}
