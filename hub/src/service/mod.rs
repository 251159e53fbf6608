//! What a hub does when asked: the one place behind the control socket and the command line.

mod api_tokens;
mod authority;
mod catalogue;
mod certificate;
mod change_notice;
mod decisions;
mod duplicates;
mod erasing;
mod erasure_notice;
mod evidence;
mod handover;
mod lineage;
mod notice;
mod people;
mod quality;
mod receipt_key;
mod receipts;
mod reconcile;
mod recovery;
mod request;
mod sharing;
mod units;
mod waiting;
mod waivers;

use std::sync::Arc;

use lienthong_node::control::{Answer, Caller, Tell};
use lienthong_node::records::Records;
use lienthong_node::service::{RecordsRequest, RecordsService, state_digest};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::UnitScope;
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use crate::accounts::AccountError;
use crate::app::Hub;
use crate::pki::Approved;

pub use authority::AuthorityRequest;
pub use erasing::ErasingRequest;
pub use receipt_key::NamingError;
pub use request::{Asked, MapLine, NewWaiver, Pairing, Reorganisation, Request, Resolution, Transfer};
pub use sharing::SharingRequest;

/// The rule of a refusal that a code undoes.
pub const CODE_NEEDED: &str = "CODE_NEEDED";

fn unit_unknown(unit: &UnitCode) -> Answer {
    Answer::refused("UNIT_UNKNOWN", format!("không có đơn vị {unit} · there is no unit {unit}"))
}

fn list(items: Vec<Json>) -> Answer {
    Answer::done(json!({ "items": items, "next": null }))
}

impl Hub {
    /// Does what is asked, if the account of the one who asks may.
    pub async fn execute_as(self: Arc<Self>, mut asked: Asked, caller: Caller) -> Answer {
        let credentials = asked.credentials.take();
        let Some(right) = asked.request.right() else {
            return Answer::failed("không ai được phép · nobody may do that");
        };
        let allowed = tokio::task::block_in_place(|| {
            self.accounts.authorise(caller.uid, credentials.as_ref(), right, self.now())
        });
        match allowed {
            Ok(name) => {
                asked.request.act_as(&name);
                self.execute(asked.request, caller.tell).await
            }
            Err(refusal @ AccountError::CodeNeeded) => Answer::refused(CODE_NEEDED, refusal),
            Err(refusal) => Answer::failed(refusal),
        }
    }

    /// Does what is asked; `tell` hears of long work.
    pub async fn execute(self: Arc<Self>, request: Request, tell: Tell) -> Answer {
        let answered = match request {
            Request::TokenCreate { unit, role, ttl_seconds, actor } => {
                self.token_create(unit, role, ttl_seconds, actor).await
            }
            Request::TokenRevoke { id, actor } => self.token_revoke(&id, &actor).await,
            Request::UnitRevoke { whom, reason, actor } => self.unit_revoke(&whom, &reason, &actor).await,
            Request::UnitContact { unit, name, phone, actor } => {
                self.unit_contact(&unit, &name, &phone, &actor).await
            }
            Request::UnitApproveRecovery { unit, actor } => {
                self.approve(Approved::Recovery, &unit, &actor).await
            }
            Request::UnitApproveRenewal { unit, actor } => {
                self.approve(Approved::Renewal, &unit, &actor).await
            }
            Request::QuarantineRelease { number, reason, actor } => {
                self.release(&number, &reason, actor).await
            }
            Request::QuarantineSeparate { number, reason, actor } => {
                self.separate_quarantined(&number, &reason, actor).await
            }
            Request::AlertsAcknowledge { id, reason, actor } => {
                self.alerts_acknowledge(id, &reason, &actor).await
            }
            Request::WaiverAdd(waiver) => self.waiver_add(waiver).await,
            Request::ConflictsResolve(resolution) => self.resolve(resolution).await,
            Request::RecordTransfer(transfer) => self.transfer(transfer).await,
            Request::DuplicatesMerge(pairing) => self.merge(pairing).await,
            Request::DuplicatesSeparate(pairing) => self.separate(pairing).await,
            Request::DuplicatesUndo(pairing) => self.undo(pairing).await,
            Request::CataloguePublish { files, reason, actor } => {
                self.catalogue_publish(files, &reason, &actor).await
            }
            Request::Reorganise(asked) => self.reorganisation(asked, &tell).await,
            Request::LineageUndo { number, reason, apply, actor } => {
                self.lineage_undo(number, &reason, apply, &actor, &tell).await
            }
            Request::WaiverEnd { number, reason, actor } => self.waiver_end(number, &reason, &actor).await,
            Request::UserAdd { name, roles, uid, password, actor } => {
                self.user_add(name, roles, uid, password.as_deref(), &actor).await
            }
            Request::ApiTokenCreate { name, actor } => self.api_token_create(&name, &actor).await,
            Request::ApiTokenRevoke { name, actor } => self.api_token_revoke(&name, &actor).await,
            Request::UserDisable { name, actor } => self.user_disable(name, &actor).await,
            Request::CertificateRenew { names, actor } => self.certificate_renew(&names, &actor).await,
            Request::UserTotpReset { name, actor } => self.user_totp_reset(name, &actor).await,
            Request::ConfirmSuccession { actor } => self.confirm_succession(&actor).await,
            Request::ReceiptKeyRotate { next, actor } => self.receipt_key_rotate(*next, &actor).await,
            Request::Authority(request) => self.authority(request).await,
            Request::Sharing(request) => self.sharing(request, &tell).await,
            Request::Erasing(request) => self.erasing(request).await,
            Request::Reconcile { unit, repair, timeout_seconds, actor } => {
                self.reconcile(&unit, repair, timeout_seconds, &actor).await
            }
            // Here rather than on another thread: a hand-over costs more than most answers.
            request => {
                let runtime = Handle::current();
                tokio::task::block_in_place(|| self.answer(request, &runtime, &tell))
            }
        };
        answered.unwrap_or_else(|refusal| refusal)
    }

    pub(crate) fn records(&self) -> Records<'_> {
        Records {
            dataset: &self.dataset,
            catalogue: &self.catalogue,
            provincial_key: &self.secrets.provincial_key,
            unit: &self.secrets.profile.province,
            lineage: None,
        }
    }

    fn on_records(
        &self,
        mut request: RecordsRequest,
        runtime: &Handle,
        tell: &Tell,
    ) -> Result<Answer, Answer> {
        let lineage = self.lineage();
        if let RecordsRequest::List { listing, .. } = &mut request
            && let Some(unit) = &listing.unit
        {
            listing.tree = self.day_asked(unit, listing.tree)?;
        }
        let service = RecordsService {
            records: Records { lineage: Some(&lineage), ..self.records() },
            scope: UnitScope::Any(self.secrets.profile.province.clone()),
            writer: self.secrets.profile.replica,
            now: self.now(),
            write: &|drafts| runtime.block_on(self.committer.write(drafts)),
            log: &|event| {
                let logged = runtime.block_on(self.committer.event(event));
                logged.map_err(|error| error.to_string())
            },
            flush: &|| runtime.block_on(self.committer.flush()),
            quality: &self.quality,
            erasures: &self.erasures,
            captures: &self.observed.captures,
            tell: &|said| tell(said),
        };
        service.answer(request)
    }

    fn answer(&self, request: Request, runtime: &Handle, tell: &Tell) -> Result<Answer, Answer> {
        match request {
            Request::Status => Ok(Answer::done(self.status())),
            Request::Records(request) => self.on_records(request, runtime, tell),
            Request::TokenList => Ok(list(self.tokens.list().iter().map(|token| token.to_json()).collect())),
            Request::UnitList => Ok(self.unit_list()),
            Request::UnitShow { unit } => self.unit_show(&unit),
            Request::UserList => Ok(self.user_list()),
            Request::ApiTokenList => Ok(self.api_token_list()),
            Request::CertificateShow => Ok(self.certificate_show()),
            Request::Quality { unit, page } => self.quality_report(unit.as_ref(), &page),
            Request::Defects { record_type, unit, page } => {
                self.defects(record_type.as_deref(), unit.as_ref(), &page)
            }
            Request::QualityRows { wanted, page } => self.quality_rows(&wanted, &page),
            Request::AlertsList { all, page } => Ok(self.alerts_list(all, &page)),
            Request::Handovers { unit, page } => self.handovers(unit.as_ref(), &page),
            Request::CatalogueShow => self.catalogue_show(),
            Request::CatalogueCheck { files } => self.catalogue_check(files),
            Request::QualityOn { unit, tree, page } => self.quality_on(unit.as_ref(), tree, &page),
            Request::StatusOn { tree } => self.status_on(tree),
            Request::LineageList { page } => Ok(self.lineage_list(&page)),
            Request::DuplicatesList { page } => self.duplicates_list(&page),
            Request::WaiverList { unit, page } => self.waiver_list(unit.as_ref(), &page),
            Request::ConflictsList { page } => Ok(self.conflicts_list(&page)),
            Request::ConflictsShow { id } => self.conflicts_show(&id),
            Request::QuarantineList { page } => Ok(self.quarantine_list(&page)),
            Request::QuarantineShow { number } => self.quarantine_show(&number),
            Request::LedgerCheckpoint => {
                let checkpoint = self.ledger_checkpoint().map_err(Answer::failed)?;
                Ok(Answer::done(json!({ "checkpoint": checkpoint })))
            }
            Request::Backup { to, recipient } => self.backup_answer(&to, recipient),
            Request::ReceiptKeyShow => Ok(Answer::done(self.receipt_keys_json())),
            Request::KeyRotate { keys, wait } => self.resealer.answer(&keys, wait),
            Request::LedgerShow { from, limit } => self.ledger_show(from, limit),
            Request::LedgerVerify { full: true } => {
                self.keep_heartbeats();
                let (data, secrets, keys) = (&self.data, &self.secrets, self.reader.keys());
                Ok(crate::verify::answer(data, secrets, &keys, self.head().size))
            }
            Request::LedgerVerify { full: false } => self.verify(&|_, _| {}).map_err(Answer::failed),
            Request::RecordSource { record_type, id } => self.record_source(&record_type, id),
            Request::StateDigest { replica } => state_digest(&self.dataset, &self.catalogue, replica),
            Request::TokenCreate { .. }
            | Request::TokenRevoke { .. }
            | Request::UnitRevoke { .. }
            | Request::UnitContact { .. }
            | Request::UnitApproveRecovery { .. }
            | Request::UnitApproveRenewal { .. }
            | Request::QuarantineRelease { .. }
            | Request::QuarantineSeparate { .. }
            | Request::WaiverAdd(_)
            | Request::AlertsAcknowledge { .. }
            | Request::ConflictsResolve(_)
            | Request::RecordTransfer(_)
            | Request::DuplicatesMerge(_)
            | Request::DuplicatesSeparate(_)
            | Request::DuplicatesUndo(_)
            | Request::Reorganise(_)
            | Request::LineageUndo { .. }
            | Request::WaiverEnd { .. }
            | Request::CataloguePublish { .. }
            | Request::Reconcile { .. }
            | Request::ConfirmSuccession { .. }
            | Request::ReceiptKeyRotate { .. }
            | Request::Authority(_)
            | Request::Sharing(_)
            | Request::Erasing(_)
            | Request::CertificateRenew { .. }
            | Request::ApiTokenCreate { .. }
            | Request::ApiTokenRevoke { .. }
            | Request::UserAdd { .. }
            | Request::UserDisable { .. }
            | Request::UserTotpReset { .. } => Err(Answer::failed("not a question")),
        }
    }
}
