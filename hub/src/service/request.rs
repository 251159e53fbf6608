//! What a hub can be asked, and what right each needs.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::quality::Wanted;
use lienthong_node::records::Page;
use lienthong_node::service::RecordsRequest;
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::ids::{RecordId, ReplicaId, UnitCode};
use lienthong_proto::lineage::{Share, StepKind};
use serde::{Deserialize, Serialize};

use super::{AuthorityRequest, ErasingRequest, SharingRequest};
use crate::accounts::{AccountRole, Credentials};
use crate::pki::Role;
use crate::rights::{self, Right};

/// What a hub can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Where everything stands.
    Status,
    /// Make an enrolment token.
    TokenCreate {
        /// For which unit.
        unit: UnitCode,
        /// As what.
        role: Role,
        /// For how long.
        ttl_seconds: u64,
        /// Who makes it.
        actor: String,
    },
    /// All tokens.
    TokenList,
    /// The hub's own certificate.
    CertificateShow,
    /// Issue the hub's own certificate anew, now.
    CertificateRenew {
        /// Further names nodes will dial.
        names: Vec<String>,
        /// Who.
        actor: String,
    },
    /// Make, merge, split, rename or dissolve units.
    Reorganise(Reorganisation),
    /// Undo a step of the units.
    LineageUndo {
        /// Its number.
        number: u64,
        /// The document that orders it.
        reason: String,
        /// Do it, not only say what it would do.
        apply: bool,
        /// Who.
        actor: String,
    },
    /// All steps of the units.
    LineageList {
        /// Which.
        page: Page,
    },
    /// How many records the units of a day have, and how good they are.
    StatusOn {
        /// The day, since 1970.
        tree: i32,
    },
    /// How good the data of the units of a day is, or of one of them.
    QualityOn {
        /// Which.
        unit: Option<UnitCode>,
        /// The day, since 1970.
        tree: i32,
        /// Which of the rows behind one unit's.
        #[serde(default)]
        page: Page,
    },
    /// Take a token back.
    TokenRevoke {
        /// Its number.
        id: String,
        /// Who.
        actor: String,
    },
    /// All units.
    UnitList,
    /// One unit.
    UnitShow {
        /// Which.
        unit: UnitCode,
    },
    /// Revoke a unit's replicas, or one replica.
    UnitRevoke {
        /// Unit code or replica id.
        whom: String,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// Whom to call at a unit; nobody, if both are empty.
    UnitContact {
        /// Which.
        unit: UnitCode,
        /// Their name.
        name: String,
        /// Their number.
        phone: String,
        /// Who says so.
        actor: String,
    },
    /// Let a unit go on as a new replica by its old certificate, once.
    UnitApproveRecovery {
        /// Which.
        unit: UnitCode,
        /// Who.
        actor: String,
    },
    /// Let a unit's machine go on by its log key with a fresh certificate, once.
    UnitApproveRenewal {
        /// Which.
        unit: UnitCode,
        /// Who.
        actor: String,
    },
    /// Something about records.
    Records(RecordsRequest),
    /// How good the units' data is, or one unit's with the rows behind it.
    Quality {
        /// Which.
        unit: Option<UnitCode>,
        /// Which of the rows behind one unit's.
        #[serde(default)]
        page: Page,
    },
    /// The records behind a figure, and how often each rule is broken.
    QualityRows {
        /// Which.
        wanted: Wanted,
        /// Which part.
        page: Page,
    },
    /// Whether a unit's node holds its records as the hub does.
    Reconcile {
        /// Which unit.
        unit: UnitCode,
        /// Mend what differs.
        repair: bool,
        /// How long it may take, in each of its steps.
        timeout_seconds: u64,
        /// Who.
        actor: String,
    },
    /// Records that are probably one.
    DuplicatesList {
        /// Which.
        page: Page,
    },
    /// Two records are one.
    DuplicatesMerge(Pairing),
    /// Two records only look alike.
    DuplicatesSeparate(Pairing),
    /// Neither, after all.
    DuplicatesUndo(Pairing),
    /// Records that are to go from unit to unit and have not gone.
    Handovers {
        /// Only those this unit has part in.
        unit: Option<UnitCode>,
        /// Which.
        page: Page,
    },
    /// The catalogue in force.
    CatalogueShow,
    /// Whether these files could be published.
    CatalogueCheck {
        /// By path; those in force stand where none is given.
        files: BTreeMap<String, String>,
    },
    /// Publish them.
    CataloguePublish {
        /// By path; those in force stand where none is given.
        files: BTreeMap<String, String>,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// Accept a defect until a day.
    WaiverAdd(NewWaiver),
    /// All waivers that were not ended.
    WaiverList {
        /// Only of this unit's records.
        unit: Option<UnitCode>,
        /// Which.
        page: Page,
    },
    /// End a waiver before its day.
    WaiverEnd {
        /// Its number.
        number: u64,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// All open conflicts.
    ConflictsList {
        /// Which.
        page: Page,
    },
    /// The conflicts of one record.
    ConflictsShow {
        /// Record id, or the key of an item of the list.
        id: String,
    },
    /// Settle a conflict.
    ConflictsResolve(Resolution),
    /// Give a record to another unit.
    RecordTransfer(Transfer),
    /// All of the quarantine.
    QuarantineList {
        /// Which.
        page: Page,
    },
    /// One change in quarantine.
    QuarantineShow {
        /// `ledger.place`.
        number: String,
    },
    /// Merge it after all.
    QuarantineRelease {
        /// `ledger.place`.
        number: String,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// It speaks of somebody else: give it a record of its own.
    QuarantineSeparate {
        /// `ledger.place`.
        number: String,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// A new account.
    UserAdd {
        /// Its name.
        name: String,
        /// What it is for.
        roles: Vec<AccountRole>,
        /// The operating-system user it belongs to.
        uid: Option<u32>,
        /// Its password.
        password: Option<String>,
        /// Who.
        actor: String,
    },
    /// What needs a person.
    AlertsList {
        /// Also what has ended.
        all: bool,
        /// Which.
        page: Page,
    },
    /// Somebody looks after an alert.
    AlertsAcknowledge {
        /// Its number.
        id: u64,
        /// Why nobody else need be told.
        reason: String,
        /// Who.
        actor: String,
    },
    /// A token of the API, for a program of the account that asks.
    ApiTokenCreate {
        /// For what program.
        name: String,
        /// Who, and whose rights it has.
        actor: String,
    },
    /// All tokens of the API.
    ApiTokenList,
    /// End a token of the API.
    ApiTokenRevoke {
        /// Its name.
        name: String,
        /// Who.
        actor: String,
    },
    /// The records with defects.
    Defects {
        /// Only of this type.
        record_type: Option<String>,
        /// Only this unit's.
        unit: Option<UnitCode>,
        /// Which.
        page: Page,
    },
    /// All accounts.
    UserList,
    /// End an account.
    UserDisable {
        /// Its name.
        name: String,
        /// Who.
        actor: String,
    },
    /// Take an account's second factor away, to be set up anew.
    UserTotpReset {
        /// Its name.
        name: String,
        /// Who.
        actor: String,
    },
    /// Copy everything needed to a folder.
    Backup {
        /// Which: an absolute path.
        to: std::path::PathBuf,
        /// To whom it is encrypted.
        #[serde(default)]
        recipient: Option<lienthong_node::backup::Recipient>,
    },
    /// The first of these keys encrypts from now on, and everything is brought under it.
    KeyRotate {
        /// Them.
        keys: lienthong_node::at_rest::GivenKeys,
        /// Answer when it is done.
        wait: bool,
    },
    /// Which keys receipts are cosigned with.
    ReceiptKeyShow,
    /// Cosign receipts with another one.
    ReceiptKeyRotate {
        /// It.
        next: Box<crate::pki::NextReceiptKey>,
        /// Who.
        actor: String,
    },
    /// Confirm that this ledger follows another.
    ConfirmSuccession {
        /// Who.
        actor: String,
    },
    /// About agencies, grants and bundles.
    Sharing(SharingRequest),
    /// Something about the authorities of certificates.
    Authority(AuthorityRequest),
    /// About what is erased by orders.
    Erasing(ErasingRequest),
    /// The ledger's signed checkpoint.
    LedgerCheckpoint,
    /// Entries of the ledger.
    LedgerShow {
        /// From which.
        from: u64,
        /// How many.
        limit: usize,
    },
    /// Whether the ledger is whole.
    LedgerVerify {
        /// Everything is derived again from the stored bytes.
        #[serde(default)]
        full: bool,
    },
    /// What the hub holds of a record's first source: its leaf, and the log it stands in.
    RecordSource {
        /// Record type.
        record_type: String,
        /// Record id.
        id: RecordId,
    },
    /// The digest of everything live a replica wrote: the replica's must be equal.
    StateDigest {
        /// Which replica.
        replica: ReplicaId,
    },
}

/// A defect to be accepted until a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewWaiver {
    /// Record type.
    pub record_type: String,
    /// Id or natural key.
    pub id: String,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// The rule's id.
    pub rule: String,
    /// Only where it blames this field.
    pub field: Option<String>,
    /// The last day, `yyyy-mm-dd`.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who accepts it.
    pub approver: String,
}

/// What is to happen to units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reorganisation {
    /// What.
    pub kind: StepKind,
    /// To which units.
    pub from: Vec<UnitCode>,
    /// What comes of them.
    pub to: Vec<UnitCode>,
    /// Names of units that begin or are renamed.
    #[serde(default)]
    pub names: BTreeMap<UnitCode, String>,
    /// What units that begin are.
    #[serde(default)]
    pub unit_kind: Option<UnitKind>,
    /// Whose records are that nothing else assigns.
    #[serde(default)]
    pub rest: Option<UnitCode>,
    /// Which records go where.
    #[serde(default)]
    pub shares: Vec<Share>,
    /// Records assigned one by one.
    #[serde(default)]
    pub map: Vec<MapLine>,
    /// From which day on, `yyyy-mm-dd`.
    pub on: String,
    /// The document that orders it.
    pub reason: String,
    /// Do it, not only say what it would do.
    pub apply: bool,
    /// Who.
    pub actor: String,
}

/// One line of a list that assigns records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MapLine {
    /// Where it stands in its file.
    pub line: u64,
    /// The record's type.
    pub record_type: String,
    /// Its id or natural key.
    pub id: String,
    /// Where it goes.
    pub unit: String,
}

/// How a conflict is settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolution {
    /// Record id, or the key of an item of the list.
    pub id: String,
    /// The field; the only open one if none is named.
    pub field: Option<String>,
    /// The number of the value to choose, as `conflicts show` numbers them.
    pub pick: Option<usize>,
    /// Another value instead.
    pub value: Option<String>,
    /// The changes that were looked at, each as `replica:sequence`: where others stand by now, nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<BTreeSet<String>>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

/// What two records are to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pairing {
    /// Record type.
    pub record_type: String,
    /// Id or natural key of one.
    pub first: String,
    /// Of the other; of an undone merging not needed.
    pub second: Option<String>,
    /// Which of the two stays; otherwise the one with the lower id.
    pub keep: Option<String>,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

/// Whom a record goes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transfer {
    /// Record type.
    pub record_type: String,
    /// Id or natural key.
    pub id: String,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// Its new unit.
    pub to: UnitCode,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

/// A request, and whom it is to act as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// An account with its password; otherwise the operating-system user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

impl Request {
    /// Its name, as the table of rights has it: that of the control socket, with what makes it more or less.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::TokenCreate { .. } => "token_create",
            Self::TokenList => "token_list",
            Self::Reorganise(Reorganisation { apply: true, .. }) => "reorganise",
            Self::Reorganise(_) => "reorganise, dry",
            Self::LineageUndo { apply: true, .. } => "lineage_undo",
            Self::LineageUndo { .. } => "lineage_undo, dry",
            Self::LineageList { .. } => "lineage_list",
            Self::StatusOn { .. } => "status_on",
            Self::QualityOn { .. } => "quality_on",
            Self::TokenRevoke { .. } => "token_revoke",
            Self::UnitList => "unit_list",
            Self::UnitShow { .. } => "unit_show",
            Self::UnitRevoke { .. } => "unit_revoke",
            Self::UnitContact { .. } => "unit_contact",
            Self::UnitApproveRecovery { .. } => "unit_approve_recovery",
            Self::UnitApproveRenewal { .. } => "unit_approve_renewal",
            Self::Records(request) if request.writes() => "records, written",
            Self::Records(_) => "records",
            Self::Quality { .. } => "quality",
            Self::QualityRows { .. } => "quality_rows",
            Self::Reconcile { repair: true, .. } => "reconcile, mended",
            Self::Reconcile { .. } => "reconcile",
            Self::DuplicatesList { .. } => "duplicates_list",
            Self::DuplicatesMerge(_) => "duplicates_merge",
            Self::DuplicatesSeparate(_) => "duplicates_separate",
            Self::DuplicatesUndo(_) => "duplicates_undo",
            Self::Handovers { .. } => "handovers",
            Self::CatalogueShow => "catalogue_show",
            Self::CatalogueCheck { .. } => "catalogue_check",
            Self::CataloguePublish { .. } => "catalogue_publish",
            Self::WaiverAdd(_) => "waiver_add",
            Self::WaiverList { .. } => "waiver_list",
            Self::WaiverEnd { .. } => "waiver_end",
            Self::ConflictsList { .. } => "conflicts_list",
            Self::ConflictsShow { .. } => "conflicts_show",
            Self::ConflictsResolve(_) => "conflicts_resolve",
            Self::RecordTransfer(_) => "record_transfer",
            Self::QuarantineList { .. } => "quarantine_list",
            Self::QuarantineShow { .. } => "quarantine_show",
            Self::QuarantineRelease { .. } => "quarantine_release",
            Self::QuarantineSeparate { .. } => "quarantine_separate",
            Self::CertificateShow => "certificate_show",
            Self::CertificateRenew { .. } => "certificate_renew",
            Self::AlertsList { .. } => "alerts_list",
            Self::AlertsAcknowledge { .. } => "alerts_acknowledge",
            Self::ApiTokenCreate { .. } => "api_token_create",
            Self::ApiTokenList => "api_token_list",
            Self::ApiTokenRevoke { .. } => "api_token_revoke",
            Self::Defects { .. } => "defects",
            Self::UserAdd { .. } => "user_add",
            Self::UserList => "user_list",
            Self::UserDisable { .. } => "user_disable",
            Self::UserTotpReset { .. } => "user_totp_reset",
            Self::Backup { .. } => "backup",
            Self::KeyRotate { .. } => "key_rotate",
            Self::ReceiptKeyShow => "receipt_key_show",
            Self::ReceiptKeyRotate { .. } => "receipt_key_rotate",
            Self::ConfirmSuccession { .. } => "confirm_succession",
            Self::Sharing(request) => request.action(),
            Self::Authority(request) => request.action(),
            Self::Erasing(request) => request.action(),
            Self::LedgerCheckpoint => "ledger_checkpoint",
            Self::LedgerShow { .. } => "ledger_show",
            Self::LedgerVerify { .. } => "ledger_verify",
            Self::RecordSource { .. } => "record_source",
            Self::StateDigest { .. } => "state_digest",
        }
    }

    /// What it needs; nothing is nobody's.
    #[must_use]
    pub fn right(&self) -> Option<Right> {
        rights::of_request(self.action())
    }

    /// Names the account that acts: what the command line says of it is not believed.
    pub(crate) fn act_as(&mut self, name: &str) {
        match self {
            Self::TokenCreate { actor, .. }
            | Self::TokenRevoke { actor, .. }
            | Self::UnitRevoke { actor, .. }
            | Self::UnitContact { actor, .. }
            | Self::LineageUndo { actor, .. }
            | Self::UnitApproveRecovery { actor, .. }
            | Self::UnitApproveRenewal { actor, .. }
            | Self::QuarantineRelease { actor, .. }
            | Self::QuarantineSeparate { actor, .. }
            | Self::WaiverEnd { actor, .. }
            | Self::CataloguePublish { actor, .. }
            | Self::Reconcile { actor, .. }
            | Self::ReceiptKeyRotate { actor, .. }
            | Self::ConfirmSuccession { actor }
            | Self::CertificateRenew { actor, .. }
            | Self::AlertsAcknowledge { actor, .. }
            | Self::ApiTokenCreate { actor, .. }
            | Self::ApiTokenRevoke { actor, .. }
            | Self::UserAdd { actor, .. }
            | Self::UserDisable { actor, .. }
            | Self::UserTotpReset { actor, .. } => name.clone_into(actor),
            Self::Records(request) => request.act_as(name),
            Self::Sharing(request) => request.act_as(name),
            Self::Authority(request) => request.act_as(name),
            Self::Erasing(request) => request.act_as(name),
            Self::WaiverAdd(waiver) => name.clone_into(&mut waiver.approver),
            Self::ConflictsResolve(resolution) => name.clone_into(&mut resolution.actor),
            Self::RecordTransfer(transfer) => name.clone_into(&mut transfer.actor),
            Self::DuplicatesMerge(pairing)
            | Self::DuplicatesSeparate(pairing)
            | Self::DuplicatesUndo(pairing) => name.clone_into(&mut pairing.actor),
            Self::Reorganise(step) => name.clone_into(&mut step.actor),
            _ => {}
        }
    }
}
