//! What a node does when asked: the one place behind the control socket and the command line.

mod edit;
mod following;
mod listing;
mod reason;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_proto::quality::{Seen, Silence};
use lienthong_proto::rules::UnitScope;
use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::api::ApiTokenRequest;
use crate::app::Node;
use crate::at_rest::GivenKeys;
use crate::backup::Recipient;
use crate::check::check_against;
use crate::control::{Answer, Tell};
use crate::published::Shelf;
use crate::quality::{Viewpoint, remarks_text};
use crate::records::{Page, Records, numbered};
use crate::rpc::sync::sync_client::SyncClient;
use crate::sync::{NoticeLine, Phase};
use crate::web::PageRequest;

pub use edit::{Edit, is_editable};
pub use reason::classified_reason;
pub(crate) use records::Manner;
pub use records::{RecordsRequest, RecordsService, known_type};

/// What a node can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Where it stands.
    Status,
    /// Dial now and wait until everything is acknowledged.
    Sync,
    /// Something about records.
    Records(RecordsRequest),
    /// Something about the local API's tokens.
    ApiTokens(ApiTokenRequest),
    /// Something about the page.
    Page(PageRequest),
    /// What this agency is granted.
    Grants {
        /// Which.
        page: Page,
    },
    /// What the hub told.
    Notices {
        /// Which.
        page: Page,
    },
    /// The records with defects.
    Defects {
        /// Only of this type.
        record_type: Option<String>,
        /// Which.
        page: Page,
    },
    /// What the hub keeps in quarantine.
    Quarantine {
        /// Which.
        page: Page,
    },
    /// Copy what is needed to a folder.
    Backup {
        /// Which: an absolute path.
        to: std::path::PathBuf,
        /// To whom it is encrypted.
        #[serde(default)]
        recipient: Option<Recipient>,
    },
    /// The first of these keys encrypts from now on, and everything is brought under it.
    KeyRotate {
        /// Them.
        keys: GivenKeys,
        /// Answer when it is done.
        wait: bool,
    },
    /// Another key of the line to the hub, and a certificate for it.
    KeyRotateTls,
    /// The log's signed checkpoint.
    LogCheckpoint,
    /// Whether log, hashes and view agree.
    LogVerify,
    /// Sign for how many changes of each type the log has.
    LogTally {
        /// Who asks for it.
        actor: String,
    },
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

/// `status --json` of a folder that was never enrolled.
#[must_use]
pub fn unenrolled() -> Json {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "unit": null, "replica": null, "hub": null, "addresses": {},
        "state": "unenrolled", "log": null, "acknowledged": 0, "pending": 0, "records": 0, "defects": null,
        "quarantined": 0, "last_sync": null, "fault": null, "alarm": null, "certificate_until": null,
        "inbox": null, "granted": null, "at_rest": null, "unit_replicas": [], "jobs": [],
    })
}

impl Node {
    /// Does what is asked; `tell` hears of long work.
    pub async fn execute(self: Arc<Self>, request: Request, tell: Tell) -> Answer {
        match request {
            Request::Sync => self.sync_now().await,
            Request::KeyRotateTls => self.rotate_tls().await.unwrap_or_else(|refusal| refusal),
            Request::LogTally { actor } => self.tally(actor).await,
            // Here rather than on another thread: a hand-over costs more than most answers.
            request => tokio::task::block_in_place(|| self.execute_blocking(request, &tell)),
        }
    }

    /// Takes another key of the line to the hub; what is on the line goes on with it.
    async fn rotate_tls(&self) -> Result<Answer, Answer> {
        let identity = &self.identity;
        let channel = crate::identity::connect(identity).await.map_err(Answer::failed)?;
        crate::identity::renew(identity, SyncClient::new(channel)).await.map_err(Answer::failed)?;
        if let Some(sync) = self.sync() {
            sync.redial();
        }
        let until = identity.validity().map(|(_, until)| until.rfc3339());
        let key = identity.tls_key_hash().map(|hash| lienthong_proto::fingerprint::words(&hash));
        Ok(Answer::done(json!({ "certificate_until": until, "fingerprint": key })))
    }

    fn on_records(&self, request: RecordsRequest, tell: &Tell) -> Result<Answer, Answer> {
        if request.writes() && self.is_regressed() {
            return Err(Answer::refused(
                "READ_ONLY",
                "máy này đang chỉ đọc: hãy chạy `lienthong-node recover` · this node is read-only: run `lienthong-node recover`",
            ));
        }
        self.with_records(&|said| tell(said), |service| service.answer(request))
    }

    /// Runs `work` over this node's records.
    pub(crate) fn with_records<T>(
        &self,
        tell: &dyn Fn(Json),
        work: impl FnOnce(&RecordsService<'_>) -> T,
    ) -> T {
        work(&RecordsService {
            records: Records {
                dataset: self.replica.dataset(),
                catalogue: self.replica.catalogue(),
                provincial_key: self.identity.provincial_key(),
                unit: self.identity.unit(),
                lineage: None,
            },
            scope: UnitScope::Own(self.identity.unit().clone()),
            writer: self.identity.replica(),
            now: self.now(),
            write: &|drafts| self.replica.write_blocking(drafts),
            log: &|event| self.replica.event_blocking(event).map_err(|error| error.to_string()),
            flush: &|| self.replica.flush_blocking(),
            quality: &self.quality,
            erasures: &self.erasures,
            captures: &self.captures,
            tell,
        })
    }

    fn execute_blocking(&self, request: Request, tell: &Tell) -> Answer {
        self.answer(request, tell).unwrap_or_else(|refusal| refusal)
    }

    fn answer(&self, request: Request, tell: &Tell) -> Result<Answer, Answer> {
        let catalogue = self.replica.catalogue();
        match request {
            Request::Status | Request::Sync | Request::KeyRotateTls | Request::LogTally { .. } => {
                Ok(Answer::done(self.status()))
            }
            Request::Records(request) => match &self.granted {
                Some(views) => views.answer(request, catalogue),
                None => self.on_records(request, tell),
            },
            Request::Grants { page } => {
                self.granted.as_ref().map(|views| views.grants(&page)).ok_or_else(|| {
                    Answer::refused(
                        "AGENCY",
                        "máy này không phải máy của cơ quan được cấp quyền · this is no agency's node",
                    )
                })
            }
            Request::ApiTokens(request) => Ok(self.api_tokens.answer(&request, self.now())),
            Request::Page(request) => Ok(self.page_answer(&request)),
            Request::Defects { record_type, page } => self.defects(record_type.as_deref(), &page),
            Request::Notices { page } => self.notices(&page, &|_| true),
            Request::Quarantine { page } => self.quarantined(&page),
            Request::LogCheckpoint => {
                let size = self.replica.head().borrow().size;
                let checkpoint = self.builder().checkpoint(size).map_err(Answer::failed)?;
                Ok(Answer::done(json!({ "checkpoint": checkpoint })))
            }
            Request::Backup { to, recipient } => {
                let report = crate::backup::node_backup(self, &to, recipient).map_err(Answer::failed)?;
                crate::observe::backup_made(&self.data, self.now());
                Ok(Answer::done(json!(report)))
            }
            Request::KeyRotate { keys, wait } => self.resealer.answer(&keys, wait),
            Request::LogVerify => {
                let keys = self.replica.reader().keys();
                Ok(check_against(&self.data, self.identity.replica(), &BTreeMap::new(), &keys, &|_, _| {}))
            }
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
                Ok(self.told(page.of(items, |item| item["size"].to_string(), numbered)))
            }
        }
    }

    /// A list of what the hub has told; lines that were damaged are not shown, but that there are such is.
    fn told(&self, mut body: Json) -> Answer {
        let damaged = self.evidence.damaged().map_or(1, |damaged| damaged.changed.len() + damaged.unwritten);
        if let (1.., Some(fields)) = (damaged, body.as_object_mut()) {
            fields.insert("damaged_lines".to_owned(), damaged.into());
        }
        Answer::done(body)
    }

    /// What is wrong with this unit's records, and which it should have and has not.
    fn defects(&self, record_type: Option<&str>, page: &Page) -> Result<Answer, Answer> {
        if let Some(name) = record_type {
            known_type(self.replica.catalogue(), name)?;
        }
        let left = self.quality.catch_up().map_err(Answer::failed)?;
        let unit = self.identity.unit();
        let mut body = self.quality.defect_list(record_type, Some(unit), page).map_err(Answer::failed)?;
        let (seen, last) = self.seen();
        let report = self.quality.unit_report(unit, seen, &Page::default()).map_err(Answer::failed)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("not_judged_yet".to_owned(), left.into());
            for name in ["quality", "counts", "missing", "silence", "alike"] {
                fields.insert(name.to_owned(), report.get(name).cloned().unwrap_or_default());
            }
            fields.insert("remarks".to_owned(), remarks_text(seen, last, Viewpoint::Node).into());
        }
        Ok(Answer::done(body))
    }

    async fn tally(&self, actor: String) -> Answer {
        if self.granted.is_some() {
            return Answer::refused(
                "AGENCY",
                "máy của cơ quan không có bản ghi nào của mình để ký tổng · an agency's node has no records of its own to sign for",
            );
        }
        if self.is_regressed() {
            return Answer::refused(
                "READ_ONLY",
                "máy này đang chỉ đọc: hãy chạy `lienthong-node recover` · this node is read-only: run `lienthong-node recover`",
            );
        }
        match self.replica.tally(actor).await {
            Ok(sequence) => Answer::done(json!({ "sequence": sequence })),
            Err(error) => Answer::failed(error),
        }
    }

    /// How this node stands to the hub, and when the hub was heard last. A receipt was held against the own log when
    /// it came: one for all of it says that both hold the same.
    fn seen(&self) -> (Seen, Option<UnixMillis>) {
        let receipt = self.evidence.last_receipt();
        let last = self.sync().and_then(|handle| handle.status().last_sync);
        let last = last.max(receipt.as_ref().map(|receipt| UnixMillis(receipt.at)));
        let size = self.replica.head().borrow().size;
        let alike = match receipt {
            _ if self.is_regressed() => Some(false),
            Some(receipt) if receipt.size == size => Some(true),
            _ => None,
        };
        (Seen { silence: Silence::of(last, self.now()), alike }, last)
    }

    fn notices(&self, page: &Page, wanted: &dyn Fn(&NoticeLine) -> bool) -> Result<Answer, Answer> {
        let notices = self.evidence.notices().map_err(Answer::failed)?;
        let items = notices.iter().filter(|notice| wanted(notice)).map(|notice| json!(notice)).collect();
        Ok(self.told(page.of(items, |item| item["number"].to_string(), numbered)))
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

    /// `status --json` of the command line's contract.
    #[must_use]
    pub fn status(&self) -> Json {
        let head = *self.replica.head().borrow();
        let ledger = self.identity.ledger();
        let seen = Shelf::of(&self.data).seen((&ledger.origin.to_string(), ledger.key));
        let (catalogue, refused) = seen;
        let sync = self.sync().map(|handle| handle.status());
        let acknowledged = match &sync {
            Some(status) => status.acknowledged,
            None => self.evidence.last_receipt().map_or(0, |receipt| receipt.size),
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "unit": self.identity.unit(),
            "unit_name": self.identity.profile().unit_name,
            "replica": self.identity.replica(),
            "hub": self.identity.profile().hub,
            "addresses": *self.addresses.read(),
            "state": self.state(),
            "log": { "size": head.size, "root": hex::encode(head.root) },
            "acknowledged": acknowledged,
            "pending": head.size.saturating_sub(acknowledged),
            "records": self.replica.dataset().totals().records,
            "defects": self.quality.open_defects(self.identity.unit(), self.quality.today()).ok().flatten(),
            "quarantined": self.quarantine_count(),
            "last_sync": sync.as_ref().and_then(|s| s.last_sync).map(UnixMillis::rfc3339),
            "fault": sync.as_ref().and_then(|s| s.fault.clone()),
            "alarm": sync.and_then(|s| s.alarm.or(s.unwitnessed)),
            "certificate_until": self.identity.validity().map(|(_, until)| until.rfc3339()),
            "catalogue": { "number": catalogue, "refused": refused },
            "erased": { "orders": self.erasures.read().len(), "sheets": *self.sheets.read() },
            "inbox": self.inbox_status(),
            "granted": self.granted_json(),
            "at_rest": self.resealer.to_json(),
            "unit_replicas": self.unit_replicas(),
            "jobs": self.jobs.to_json(),
        })
    }

    /// Every node that enrolled in the unit's name: whoever does not know one of them is to call the province.
    fn unit_replicas(&self) -> Vec<Json> {
        let own = self.identity.replica();
        let line = |(replica, at, active): (lienthong_proto::ids::ReplicaId, UnixMillis, bool)| {
            json!({
                "replica": replica, "enrolled_at": at.rfc3339(), "own": replica == own,
                "state": if active { "active" } else { "ended" },
            })
        };
        self.witness.replicas().into_iter().map(line).collect()
    }

    /// How many changes the hub keeps apart, as it told.
    pub(crate) fn quarantine_count(&self) -> u64 {
        self.evidence.notices().map_or(0, |notices| {
            let count = |kind: &str| notices.iter().filter(|notice| notice.kind == kind).count() as u64;
            count("QUARANTINED").saturating_sub(count("RELEASED"))
        })
    }

    /// How the granted views fare, at an agency's node.
    fn granted_json(&self) -> Json {
        let Some(views) = &self.granted else { return Json::Null };
        let status = self.subscriber().map(|subscriber| subscriber.status()).unwrap_or_default();
        json!({
            "grants": views.to_json(),
            "last": status.last.map(UnixMillis::rfc3339),
            "fault": status.fault,
        })
    }

    /// Waits until everything that is granted has come, from now on; whether it has.
    async fn caught_up(&self) -> bool {
        let Some(subscriber) = self.subscriber() else { return true };
        subscriber.dial_now();
        let before = subscriber.status().caught_up;
        let mut status = subscriber.watch();
        let done = status
            .wait_for(|status| status.caught_up > before || status.caught_up > 0 && status.fault.is_none());
        tokio::time::timeout(std::time::Duration::from_secs(600), done).await.is_ok_and(|done| done.is_ok())
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
        let settled = tokio::select! {
            // Who only waits holds no end up.
            () = self.serving.ending().cancelled() => false,
            settled = tokio::time::timeout(std::time::Duration::from_secs(120), done) => settled.is_ok(),
        };
        let settled = settled && self.caught_up().await;
        let exit = u8::from(!settled || self.is_regressed());
        Answer { body: self.status(), exit }
    }
}
