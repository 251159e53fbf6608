//! Agencies, grants and bundles.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lienthong_node::backup::Recipient;
use lienthong_node::control::{Answer, Tell};
use lienthong_node::records::{Page, numbered};
use lienthong_proto::disclosure::{GrantFile, ReceiptSigner, Trust, event};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::receipt_key::ReceiptKey;
use lienthong_proto::text::normalise;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::witness::WITNESSES_FEW;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::waivers::reason_of;
use crate::app::Hub;
use crate::ledger::{AGENCY, Agency, Done, Grant, GrantState};
use crate::pki::Role;

/// Characters of an agency's name or contact.
const NAME_MAX: usize = 200;
/// Bytes of a grant's file.
const GRANT_FILE_MAX: usize = 256 * 1024;

/// What can be asked about sharing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "sharing", rename_all = "snake_case")]
pub enum SharingRequest {
    /// Name an agency, or say something of it anew.
    AgencyAdd {
        /// Its code.
        code: UnitCode,
        /// Its name; as before if there is none.
        name: Option<String>,
        /// Whom to call; as before if there is none.
        contact: Option<String>,
        /// What bundles are sealed to; as before if there is none.
        key: Option<String>,
        /// Who.
        actor: String,
    },
    /// All agencies.
    AgencyList {
        /// Which.
        page: Page,
    },
    /// Propose a grant.
    GrantPropose {
        /// The file's text.
        text: String,
        /// Who.
        actor: String,
    },
    /// Approve one somebody else proposed.
    GrantApprove {
        /// Which.
        number: u64,
        /// Who.
        actor: String,
    },
    /// Take one back, or refuse it.
    GrantRevoke {
        /// Which.
        number: u64,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// All grants.
    GrantList {
        /// Which.
        page: Page,
    },
    /// One grant, whole.
    GrantShow {
        /// Which.
        number: u64,
    },
    /// Say what became, since the last delivery under a grant, of what it handed over.
    GrantNotice {
        /// Which.
        number: u64,
        /// Where its notice is written: an absolute path where nothing is yet; without one it is only counted.
        out: Option<PathBuf>,
        /// Who.
        actor: String,
    },
    /// Write what a grant gives to a file.
    Bundle {
        /// Under which.
        grant: u64,
        /// Where: an absolute path where nothing is yet.
        out: PathBuf,
        /// Who.
        actor: String,
    },
    /// Say whom an agency's receipts for bundles are signed by.
    AgencySigner {
        /// Its code.
        code: UnitCode,
        /// Who signs.
        signer: ReceiptSigner,
        /// Who says so.
        actor: String,
    },
    /// Take in the receipt an agency has sent back for a bundle.
    ReceiptAdd {
        /// The file's text.
        text: String,
        /// Who.
        actor: String,
    },
    /// Whom a verifier should believe.
    LedgerPolicy,
}

impl SharingRequest {
    /// Its name in the table of rights.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::AgencyAdd { .. } => "agency_add",
            Self::AgencyList { .. } => "agency_list",
            Self::GrantPropose { .. } => "grant_propose",
            Self::GrantApprove { .. } => "grant_approve",
            Self::GrantRevoke { .. } => "grant_revoke",
            Self::GrantList { .. } => "grant_list",
            Self::GrantShow { .. } => "grant_show",
            Self::GrantNotice { out: Some(_), .. } => "grant_notice",
            Self::GrantNotice { .. } => "grant_notice, dry",
            Self::Bundle { .. } => "bundle",
            Self::AgencySigner { .. } => "agency_signer",
            Self::ReceiptAdd { .. } => "receipt_add",
            Self::LedgerPolicy => "ledger_policy",
        }
    }

    /// Names the account that acts.
    pub(crate) fn act_as(&mut self, name: &str) {
        match self {
            Self::AgencyAdd { actor, .. }
            | Self::AgencySigner { actor, .. }
            | Self::ReceiptAdd { actor, .. }
            | Self::GrantPropose { actor, .. }
            | Self::GrantApprove { actor, .. }
            | Self::GrantRevoke { actor, .. }
            | Self::GrantNotice { actor, .. }
            | Self::Bundle { actor, .. } => name.clone_into(actor),
            Self::AgencyList { .. }
            | Self::GrantList { .. }
            | Self::GrantShow { .. }
            | Self::LedgerPolicy => {}
        }
    }
}

type Fields = BTreeMap<String, Value>;

fn number(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn done_json(done: &Done) -> Json {
    json!({ "by": done.by, "at": done.at.rfc3339(), "reason": done.reason })
}

fn agency_json(agency: &Agency) -> Json {
    let Agency { code, name, contact, key, signer, at } = agency;
    json!({
        "code": code, "name": name, "contact": contact, "key": key, "signer": signer, "at": at.rfc3339(),
    })
}

impl Hub {
    pub(super) async fn sharing(
        self: &Arc<Self>,
        request: SharingRequest,
        tell: &Tell,
    ) -> Result<Answer, Answer> {
        match request {
            SharingRequest::AgencyAdd { code, name, contact, key, actor } => {
                self.agency_add(code, (name, contact, key), &actor).await
            }
            SharingRequest::AgencyList { page } => {
                let agencies = Arc::clone(&self.committer.books().read().sharing.agencies);
                let items = agencies.values().map(agency_json).collect();
                let code = |item: &Json| item["code"].as_str().unwrap_or_default().to_owned();
                Ok(Answer::done(page.of(items, code, str::to_owned)))
            }
            SharingRequest::GrantPropose { text, actor } => self.grant_propose(&text, &actor).await,
            SharingRequest::GrantApprove { number, actor } => self.grant_approve(number, &actor).await,
            SharingRequest::GrantRevoke { number, reason, actor } => {
                self.grant_revoke(number, &reason, &actor).await
            }
            SharingRequest::GrantList { page } => {
                let grants = Arc::clone(&self.committer.books().read().sharing.grants);
                let items = grants.values().map(|grant| self.grant_line(grant)).collect();
                Ok(Answer::done(page.of(items, |item| item["number"].to_string(), numbered)))
            }
            SharingRequest::GrantShow { number } => self.grant_show(number),
            SharingRequest::GrantNotice { number, out, actor } => {
                self.grant_notice(number, out.as_deref(), &actor).await
            }
            SharingRequest::Bundle { grant, out, actor } => {
                if !out.is_absolute() {
                    return Err(Answer::failed("cần đường dẫn đầy đủ · an absolute path is needed"));
                }
                let report = self.bundle(grant, &out, &actor, tell).await.map_err(Answer::failed)?;
                Ok(Answer::done(json!(report)))
            }
            SharingRequest::AgencySigner { code, signer, actor } => {
                self.agency_signer(&code, signer, &actor).await
            }
            SharingRequest::ReceiptAdd { text, actor } => self.receipt_add(&text, &actor).await,
            SharingRequest::LedgerPolicy => {
                let policy = self.policy().map_err(Answer::failed)?.to_text();
                let weak = self.weak_policy();
                let remark = weak.iter().map(|weak| format!("# {weak}\n")).collect::<String>();
                let policy = policy + &self.receipt_spans() + &remark;
                Ok(Answer::done(json!({ "policy": policy, "weak": weak })))
            }
        }
    }

    /// Whom a verifier should believe, as far as the hub may say so itself: to be compared over another channel.
    fn policy(&self) -> Result<Trust, lienthong_proto::note::NoteError> {
        let origin = self.secrets.ledger_origin();
        let log = Verifier::new(&origin, Algorithm::Ed25519, self.secrets.ledger_public())?;
        let first = self.secrets.receipt_verifier(&self.secrets.receipt_seeds.first())?;
        let (witnesses, named) = {
            let books = self.committer.books().read();
            (Arc::clone(&books.witnesses), Arc::clone(&books.receipt_keys))
        };
        let policy = witnesses.policy_at(u64::MAX).map(|(_, policy)| policy);
        let counted = policy.into_iter().flat_map(|policy| policy.witnesses());
        let counted = counted.map(|witness| (witness.name().to_owned(), witness.clone()));
        let needed = policy.map_or(0, lienthong_proto::witness::Policy::quorum);
        let trust = Trust::new(log, counted, needed).with_cosigner("receipts", first);
        // Each of its span: which that is, the ledger says in every bundle.
        let further = (2..).zip(named.keys.iter());
        Ok(further.fold(trust, |trust, (number, key): (u32, _)| {
            trust.with_cosigner(&format!("receipts-{number}"), key.verifier.clone())
        }))
    }

    /// Why the witnesses in force prove less than they should, as `vi · en`; a remark of the policy, so that its reader is told
    /// too.
    fn weak_policy(&self) -> Vec<String> {
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let Some((_, policy)) = witnesses.policy_at(u64::MAX) else {
            return vec![
                "chưa có nhân chứng: chưa giao được gì · there is no witness yet: nothing is handed over"
                    .to_owned(),
            ];
        };
        let counted = policy.witnesses();
        let agencies = self.registry.list().into_iter().filter(|enrolled| enrolled.role == Role::Auditor);
        let keys: Vec<_> = agencies.filter_map(|agency| witnesses.keys.get(&agency.replica)).collect();
        let outside = counted.iter().any(|witness| keys.iter().any(|key| key.verifier == *witness));
        let few = (counted.len() < WITNESSES_FEW).then(|| {
            let number = counted.len();
            format!("chỉ có {number} nhân chứng: nên có ít nhất {WITNESSES_FEW} · only {number} witnesses: there should be at least {WITNESSES_FEW}")
        });
        let within = (!outside).then(|| "không có nhân chứng nào ngoài các đơn vị của tỉnh: nên có máy của một cơ quan nhận dữ liệu · no witness from outside the province's own units: a receiving agency's node should be one".to_owned());
        few.into_iter().chain(within).collect()
    }

    /// For people: the span of each further key of receipts, as remarks of a policy. A verifier reads it in the ledger.
    fn receipt_spans(&self) -> String {
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let from = |seconds: u64| UnixMillis(seconds.saturating_mul(1_000)).rfc3339();
        let line =
            |(number, key): (u32, &ReceiptKey)| format!("# receipts-{number}: {}\n", from(key.from_seconds));
        (2..).zip(named.keys.iter()).map(line).collect()
    }

    pub(super) fn known_grant(&self, number: u64) -> Result<Grant, Answer> {
        let grants = Arc::clone(&self.committer.books().read().sharing.grants);
        grants.get(&number).cloned().ok_or_else(|| {
            Answer::refused(
                "GRANT_UNKNOWN",
                format!("không có giấy cấp quyền số {number} · there is no grant {number}"),
            )
        })
    }

    fn grant_show(&self, number: u64) -> Result<Answer, Answer> {
        let grant = self.known_grant(number)?;
        let mut line = self.grant_line(&grant);
        if let Some(fields) = line.as_object_mut() {
            fields.insert("terms".to_owned(), json!(grant.terms));
        }
        Ok(Answer::done(line))
    }

    fn grant_line(&self, grant: &Grant) -> Json {
        json!({
            "number": grant.number,
            "agency": grant.terms.agency,
            "state": grant.state(self.now()),
            "purpose": grant.terms.purpose,
            "document": grant.terms.document,
            "from": grant.terms.from,
            "until": grant.terms.until,
            "types": grant.terms.shares.iter().map(|share| &share.record_type).collect::<Vec<_>>(),
            "proposed": done_json(&grant.proposed),
            "approved": grant.approved.as_ref().map(done_json),
            "revoked": grant.revoked.as_ref().map(done_json),
            "deliveries": grant.deliveries,
            "last_delivery": grant.last_delivery.map(UnixMillis::rfc3339),
            "last_access": grant.last_access,
            "last_notice": grant.last_notice.map(UnixMillis::rfc3339),
            "untold": self.alerts.owes_notice(grant.number),
            "receipt": grant.receipt.as_ref().map(|receipt| json!({
                "access": receipt.access, "replica": receipt.replica, "at": receipt.at.rfc3339(),
            })),
            "bundle_receipts": grant.bundle_receipts.iter().map(|(access, at)| json!({
                "access": access, "at": at.rfc3339(),
            })).collect::<Vec<_>>(),
        })
    }

    async fn agency_add(
        &self,
        code: UnitCode,
        (name, contact, key): (Option<String>, Option<String>, Option<String>),
        actor: &str,
    ) -> Result<Answer, Answer> {
        let (known, taken) = {
            let books = self.committer.books().read();
            let taken = self.catalogue.units().get(&code).is_some()
                || code.is_province()
                || books.replicas.values().any(|held| held.unit == code);
            (books.sharing.agencies.get(&code).cloned(), taken)
        };
        if taken && known.is_none() {
            return Err(Answer::refused(
                "AGENCY_CODE",
                format!("mã {code} là của một đơn vị trong tỉnh · {code} is a unit of the province"),
            ));
        }
        let words = |said: Option<String>, before: Option<&String>, needed: bool| {
            let text = said.map(|text| normalise(&text)).or_else(|| before.cloned()).unwrap_or_default();
            let length = text.chars().count();
            if length > NAME_MAX || (needed && length == 0) {
                return Err(Answer::refused(
                    "AGENCY_NAME",
                    format!(
                        "cần tên cơ quan, tối đa {NAME_MAX} ký tự · the agency needs a name of at most {NAME_MAX} characters"
                    ),
                ));
            }
            Ok(text)
        };
        let name = words(name, known.as_ref().map(|agency| &agency.name), true)?;
        let contact = words(contact, known.as_ref().map(|agency| &agency.contact), false)?;
        let signer = known.as_ref().and_then(|agency| agency.signer);
        let key = key.or_else(|| known.and_then(|agency| agency.key)).unwrap_or_default();
        if !key.is_empty() {
            key.parse::<Recipient>().map_err(|error| Answer::refused("AGENCY_KEY", error))?;
        }
        let key = (!key.is_empty()).then_some(key);
        self.agency_named(&Agency { code, name, contact, key, signer, at: self.now() }, actor).await
    }

    /// The ledger says what an agency is now.
    pub(super) async fn agency_named(&self, agency: &Agency, actor: &str) -> Result<Answer, Answer> {
        let Agency { code, name, contact, key, signer, .. } = agency;
        let mut fields = Fields::from([
            ("agency".to_owned(), Value::Unit(code.clone())),
            ("name".to_owned(), Value::Text(name.clone())),
            ("contact".to_owned(), Value::Text(contact.clone())),
            ("key".to_owned(), Value::Text(key.clone().unwrap_or_default())),
        ]);
        fields.extend(signer.map(|signer| ("signer".to_owned(), Value::Text(signer.to_string()))));
        let place = self.event(AGENCY, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({
            "code": code, "name": name, "contact": contact, "key": key, "signer": signer,
            "ledger_index": place,
        })))
    }

    async fn grant_propose(&self, text: &str, actor: &str) -> Result<Answer, Answer> {
        let refused = |error: &dyn std::fmt::Display| Answer::refused("GRANT_FILE", error);
        if text.len() > GRANT_FILE_MAX {
            return Err(refused(&"tệp quá lớn · the file is too large"));
        }
        let terms = GrantFile::parse(text)
            .and_then(|file| file.terms(&self.catalogue))
            .map_err(|error| refused(&error))?;
        if !self.committer.books().read().sharing.agencies.contains_key(&terms.agency) {
            return Err(Answer::refused(
                "AGENCY_UNKNOWN",
                format!(
                    "chưa có cơ quan {0}: chạy `lienthong-hub agency add {0} --name …` · there is no agency {0}: run `lienthong-hub agency add {0} --name …`",
                    terms.agency
                ),
            ));
        }
        if terms.is_over(self.now()) {
            return Err(refused(&"thời hạn đã qua · its term is over"));
        }
        for unit in terms.shares.iter().flat_map(|share| &share.units) {
            let known = self.catalogue.units().get(unit).is_some()
                || *unit == self.secrets.profile.province
                || self.committer.books().read().replicas.values().any(|held| held.unit == *unit);
            if !known {
                return Err(Answer::refused(
                    "UNIT_UNKNOWN",
                    format!("không có đơn vị {unit} · there is no unit {unit}"),
                ));
            }
        }
        let fields = Fields::from([
            ("agency".to_owned(), Value::Unit(terms.agency.clone())),
            ("terms".to_owned(), Value::Text(terms.to_json())),
        ]);
        let place = self.event(event::GRANT_PROPOSED, actor, fields).await.map_err(Answer::failed)?;
        self.grant_show(place.0)
    }

    async fn grant_approve(&self, grant: u64, actor: &str) -> Result<Answer, Answer> {
        let known = self.known_grant(grant)?;
        if known.state(self.now()) != GrantState::Proposed {
            return Err(Answer::refused(
                "GRANT_STATE",
                format!(
                    "giấy cấp quyền số {grant} không chờ duyệt · grant {grant} does not wait for approval"
                ),
            ));
        }
        if known.proposed.by == actor {
            return Err(Answer::refused(
                "TWO_PERSONS",
                "người đề nghị không được tự duyệt; cần một tài khoản khác · who proposed it may not approve it; another account is needed",
            ));
        }
        let fields = Fields::from([("grant".to_owned(), number(grant))]);
        self.event(event::GRANT_APPROVED, actor, fields).await.map_err(Answer::failed)?;
        self.grant_show(grant)
    }

    async fn grant_revoke(&self, grant: u64, reason: &str, actor: &str) -> Result<Answer, Answer> {
        let reason = reason_of(reason)?;
        let known = self.known_grant(grant)?;
        if known.revoked.is_some() {
            return Err(Answer::refused(
                "GRANT_STATE",
                format!("giấy cấp quyền số {grant} đã bị thu hồi · grant {grant} was revoked already"),
            ));
        }
        let fields =
            Fields::from([("grant".to_owned(), number(grant)), ("reason".to_owned(), Value::Text(reason))]);
        self.event(event::GRANT_REVOKED, actor, fields).await.map_err(Answer::failed)?;
        self.grant_show(grant)
    }
}
