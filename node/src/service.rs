//! What a node does when asked: the one place behind the control socket and the command line.

use std::path::PathBuf;
use std::sync::Arc;

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::event::Event;
use lienthong_proto::rules::UnitScope;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::app::Node;
use crate::capture::Language;
use crate::control::Answer;
use crate::export::{CsvWriter, Headers, JsonlWriter};
use crate::intake::{Intake, Taken};
use crate::records::{Listing, Page, Records};
use crate::replica::preview;
use crate::sync::{NoticeLine, Phase};

/// What a node can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Where it stands.
    Status,
    /// Dial now and wait until everything is acknowledged.
    Sync,
    /// Take a file in.
    Import {
        /// Absolute path.
        path: PathBuf,
        /// Record type.
        record_type: String,
        /// Write nothing.
        dry_run: bool,
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
    RecordGet {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
    },
    /// A page of records.
    RecordList {
        /// Record type.
        record_type: String,
        /// Which.
        listing: Listing,
    },
    /// Every write of a record.
    RecordHistory {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
    },
    /// All records of a type, to a file.
    Export {
        /// Record type.
        record_type: String,
        /// `jsonl` or `csv`.
        format: String,
        /// Absolute path.
        out: PathBuf,
        /// Which.
        listing: Listing,
    },
    /// What the hub told.
    Notices {
        /// Which.
        page: Page,
    },
    /// What the hub keeps in quarantine.
    Quarantine {
        /// Which.
        page: Page,
    },
    /// The log's signed checkpoint.
    LogCheckpoint,
    /// Whether log, hashes and view agree.
    LogVerify,
    /// The hub's receipts.
    LogReceipts {
        /// From this time on.
        since: UnixMillis,
        /// Which.
        page: Page,
    },
    /// The path of an entry to a checkpoint of this log.
    LogProve {
        /// Which entry.
        sequence: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// The digest of everything live this replica wrote: the hub's must be equal.
    StateDigest,
}

/// The record type asked for, or the answer that says which is nearest.
///
/// # Errors
/// The answer to give.
pub fn known_type<'a>(
    catalogue: &'a lienthong_proto::catalogue::Catalogue,
    name: &str,
) -> Result<&'a RecordType, Answer> {
    catalogue.record_type(name).ok_or_else(|| {
        let nearest = catalogue.nearest_type(name).unwrap_or_default();
        let reason = format!(
            "không có loại bản ghi “{name}”; có phải “{nearest}”? · there is no record type {name:?}; did you mean {nearest:?}?"
        );
        Answer { body: json!({ "error": reason, "rule": "TYPE_UNKNOWN" }), exit: 1 }
    })
}

/// The answer of an import or put.
#[must_use]
pub fn taken_answer(taken: &Taken) -> Answer {
    let mut body = serde_json::to_value(&taken.report).unwrap_or_default();
    if let (Some(failure), Some(fields)) = (&taken.failure, body.as_object_mut()) {
        fields.insert("error".to_owned(), Json::from(failure.to_string()));
    }
    Answer { body, exit: taken.exit() }
}

/// The import's summary as an event: hash, counts and reason classes, never a value.
#[must_use]
pub fn import_event(taken: &Taken, actor: &str, at: UnixMillis) -> Option<Event> {
    let summary = taken.summary.as_ref()?;
    let number = |count: u64| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let reasons: Vec<String> =
        summary.classes.iter().map(|(class, count)| format!("{class}={count}")).collect();
    let report = &taken.report;
    let fields = [
        ("type", Value::Text(report.record_type.clone())),
        ("sha256", Value::Text(hex::encode(summary.sha256))),
        ("rows", number(report.rows)),
        ("created", number(report.created)),
        ("updated", number(report.updated)),
        ("unchanged", number(report.unchanged)),
        ("duplicates", number(report.duplicates)),
        ("rejected", number(report.rejected)),
        ("reasons", Value::Text(reasons.join(","))),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Event { kind: "import".to_owned(), at, actor: actor.to_owned(), fields })
}

/// Writes an export.
///
/// # Errors
/// The answer to give.
pub fn export(
    records: &Records<'_>,
    record_type: &RecordType,
    format: &str,
    out: &std::path::Path,
    listing: &Listing,
) -> Result<Answer, Answer> {
    let failed = |error: &dyn std::fmt::Display| Answer::failed(format!("{}: {error}", out.display()));
    let file = std::io::BufWriter::new(std::fs::File::create(out).map_err(|error| failed(&error))?);
    let mut count = 0u64;
    let mut fault = None;
    let visited = match format {
        "csv" => {
            let mut writer =
                CsvWriter::new(file, record_type, Headers::LabelsVi).map_err(|error| failed(&error))?;
            let visited = records.each(record_type, listing, &mut |record| {
                count += 1;
                fault = writer.write(&record.to_json()).err();
                fault.is_none()
            });
            fault = fault.or(writer.finish().err());
            visited
        }
        "jsonl" => {
            let mut writer = JsonlWriter::new(file);
            let visited = records.each(record_type, listing, &mut |record| {
                count += 1;
                fault = writer.write(&record.to_json()).err();
                fault.is_none()
            });
            fault = fault.or(writer.finish().err());
            visited
        }
        other => {
            return Err(Answer::failed(format!(
                "định dạng {other} chưa có: jsonl hoặc csv · no format {other}: jsonl or csv"
            )));
        }
    };
    visited.map_err(Answer::failed)?;
    if let Some(fault) = fault {
        return Err(failed(&fault));
    }
    Ok(Answer::done(json!({ "file": out.display().to_string(), "records": count })))
}

/// The digest of everything live that `replica` wrote, over all record types.
///
/// # Errors
/// The answer to give.
pub fn state_digest(
    dataset: &crate::dataset::Dataset,
    catalogue: &lienthong_proto::catalogue::Catalogue,
    replica: lienthong_proto::ids::ReplicaId,
) -> Result<Answer, Answer> {
    let types: Vec<String> = catalogue.record_types().map(|declared| declared.name.clone()).collect();
    let digest = dataset.own_digest(&types, replica).map_err(Answer::failed)?;
    Ok(Answer::done(json!({ "replica": replica, "digest": hex::encode(digest) })))
}

impl Node {
    /// Does what is asked.
    pub async fn execute(self: Arc<Self>, request: Request) -> Answer {
        match request {
            Request::Sync => self.sync_now().await,
            // Here rather than on another thread: a hand-over costs more than most answers.
            request => tokio::task::block_in_place(|| self.execute_blocking(request)),
        }
    }

    fn records(&self) -> Records<'_> {
        Records {
            dataset: self.replica.dataset(),
            catalogue: self.replica.catalogue(),
            provincial_key: self.identity.provincial_key(),
            unit: self.identity.unit(),
        }
    }

    fn execute_blocking(&self, request: Request) -> Answer {
        self.answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn answer(&self, request: Request) -> Result<Answer, Answer> {
        let catalogue = self.replica.catalogue();
        let records = self.records();
        match request {
            Request::Status | Request::Sync => Ok(Answer::done(self.status())),
            Request::Import { path, record_type, dry_run, author, english } => {
                let record_type = known_type(catalogue, &record_type)?;
                Ok(self.take(dry_run, author, english, |intake| intake.file(&path, record_type)))
            }
            Request::Put { values, record_type, author, english } => {
                let record_type = known_type(catalogue, &record_type)?;
                Ok(self.take(false, author, english, |intake| intake.values(values, record_type)))
            }
            Request::RecordGet { record_type, id } => {
                let found = records.get(known_type(catalogue, &record_type)?, &id).map_err(Answer::failed)?;
                found.map(|record| Answer::done(record.to_json())).ok_or_else(not_found)
            }
            Request::RecordList { record_type, listing } => {
                let page = records.list(known_type(catalogue, &record_type)?, &listing);
                page.map(Answer::done).map_err(Answer::failed)
            }
            Request::RecordHistory { record_type, id } => {
                let found =
                    records.history(known_type(catalogue, &record_type)?, &id).map_err(Answer::failed)?;
                found.map(Answer::done).ok_or_else(not_found)
            }
            Request::Export { record_type, format, out, listing } => {
                export(&records, known_type(catalogue, &record_type)?, &format, &out, &listing)
            }
            Request::Notices { page } => self.notices(&page, &|_| true),
            Request::Quarantine { page } => self.quarantined(&page),
            Request::LogCheckpoint => {
                let size = self.replica.head().borrow().size;
                let checkpoint = self.builder().checkpoint(size).map_err(Answer::failed)?;
                Ok(Answer::done(json!({ "checkpoint": checkpoint })))
            }
            Request::LogVerify => Ok(crate::check::check(&self.data, self.identity.replica())),
            Request::LogProve { sequence, size } => {
                let hashes = self.replica.hashes();
                let path = lienthong_proto::merkle::inclusion_proof(hashes.as_ref(), sequence, size);
                let path = path
                    .ok_or_else(|| Answer::failed("nhật ký không có mục đó · the log has no such entry"))?;
                let checkpoint = self.builder().checkpoint(size).map_err(Answer::failed)?;
                let path: Vec<String> = path.iter().map(hex::encode).collect();
                Ok(Answer::done(json!({ "sequence": sequence, "path": path, "checkpoint": checkpoint })))
            }
            Request::StateDigest => state_digest(self.replica.dataset(), catalogue, self.identity.replica()),
            Request::LogReceipts { since, page } => {
                let receipts = self.evidence.receipts().map_err(Answer::failed)?;
                let wanted = receipts.iter().filter(|receipt| receipt.at >= since.0);
                let items = wanted.map(|receipt| json!(receipt)).collect();
                Ok(Answer::done(page.of(items, |item| item["size"].to_string())))
            }
        }
    }

    fn notices(&self, page: &Page, wanted: &dyn Fn(&NoticeLine) -> bool) -> Result<Answer, Answer> {
        let notices = self.evidence.notices().map_err(Answer::failed)?;
        let items = notices.iter().filter(|notice| wanted(notice)).map(|notice| json!(notice)).collect();
        Ok(Answer::done(page.of(items, |item| item["number"].to_string())))
    }

    /// What the hub keeps apart and has not released.
    fn quarantined(&self, page: &Page) -> Result<Answer, Answer> {
        let notices = self.evidence.notices().map_err(Answer::failed)?;
        let released: Vec<u64> =
            notices.iter().filter(|notice| notice.kind == "RELEASED").map(|notice| notice.sequence).collect();
        let waits =
            |notice: &NoticeLine| notice.kind == "QUARANTINED" && !released.contains(&notice.sequence);
        self.notices(page, &waits)
    }

    fn take(
        &self,
        dry_run: bool,
        author: String,
        english: bool,
        work: impl FnOnce(&mut Intake<'_>) -> Taken,
    ) -> Answer {
        if self.is_regressed() {
            return Answer::failed(
                "máy này đang chỉ đọc: hãy chạy `lienthong-node recover` · this node is read-only: run `lienthong-node recover`",
            );
        }
        let mut intake = Intake {
            catalogue: self.replica.catalogue(),
            scope: UnitScope::Own(self.identity.unit().clone()),
            author: author.clone(),
            now: self.now(),
            language: if english { Language::En } else { Language::Vi },
            write: &mut |drafts| match dry_run {
                true => preview(
                    self.replica.dataset(),
                    self.replica.catalogue(),
                    self.identity.provincial_key(),
                    self.identity.replica(),
                    &drafts,
                ),
                false => self.replica.write_blocking(drafts),
            },
        };
        let taken = work(&mut intake);
        if !dry_run
            && let Some(event) = import_event(&taken, &author, self.now())
            && taken.report.file != "-"
            && let Err(error) = self.replica.event_blocking(event)
        {
            return Answer::failed(error);
        }
        taken_answer(&taken)
    }

    /// `status --json` of the command line's contract.
    #[must_use]
    pub fn status(&self) -> Json {
        let head = *self.replica.head().borrow();
        let sync = self.sync().map(|handle| handle.status());
        let acknowledged = match &sync {
            Some(status) => status.acknowledged,
            None => self.evidence.last_receipt().map_or(0, |receipt| receipt.size),
        };
        let state = match (self.is_regressed(), self.replica.failure(), sync.as_ref().map(|s| s.phase)) {
            (true, _, _) | (_, _, Some(Phase::Regressed)) => "regressed",
            (_, Some(_), _) => "stopped",
            (_, _, Some(Phase::Streaming)) => "online",
            _ => "offline",
        };
        let quarantined = self.evidence.notices().map_or(0, |notices| {
            let count = |kind: &str| notices.iter().filter(|notice| notice.kind == kind).count();
            count("QUARANTINED").saturating_sub(count("RELEASED"))
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "unit": self.identity.unit(),
            "unit_name": self.identity.profile().unit_name,
            "replica": self.identity.replica(),
            "hub": self.identity.profile().hub,
            "addresses": {},
            "state": state,
            "log": { "size": head.size, "root": hex::encode(head.root) },
            "acknowledged": acknowledged,
            "pending": head.size.saturating_sub(acknowledged),
            "records": self.replica.dataset().totals().records,
            "defects": null,
            "quarantined": quarantined,
            "last_sync": sync.as_ref().and_then(|s| s.last_sync).map(UnixMillis::rfc3339),
            "fault": sync.as_ref().and_then(|s| s.fault.clone()),
            "alarm": sync.and_then(|s| s.alarm),
            "certificate_until": self.identity.validity().map(|(_, until)| until.rfc3339()),
        })
    }

    async fn sync_now(&self) -> Answer {
        let Some(handle) = self.sync() else {
            return Answer::failed("máy này không đồng bộ được · this node cannot synchronise");
        };
        handle.dial_now();
        let size = self.replica.head().borrow().size;
        let mut status = handle.watch();
        let done = status.wait_for(|status| {
            status.phase == Phase::Regressed
                || (status.phase == Phase::Streaming && status.acknowledged >= size)
        });
        let settled = tokio::time::timeout(std::time::Duration::from_secs(120), done).await.is_ok();
        let exit = u8::from(!settled || self.is_regressed());
        Answer { body: self.status(), exit }
    }
}

fn not_found() -> Answer {
    Answer::failed("không tìm thấy bản ghi · there is no such record")
}
