//! What a hub can be asked: the commands of the control socket, with what each is asked about.

mod asked;
mod records;
mod units;
mod waiver;

use std::collections::BTreeMap;

use lienthong_node::quality::Wanted;
use lienthong_node::records::Page;
use lienthong_node::service::RecordsRequest;
use lienthong_proto::ids::{RecordId, ReplicaId, UnitCode};
use serde::{Deserialize, Serialize};

use super::{AuthorityRequest, ErasingRequest, SharingRequest};
use crate::accounts::AccountRole;
use crate::pki::Role;

pub use asked::Asked;
pub use records::{Pairing, Resolution, Transfer};
pub use units::{MapLine, Reorganisation};
pub use waiver::NewWaiver;

/// What a hub can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Where everything stands.
    Status,
    /// How many records the units of a day have, and how good they are.
    StatusOn {
        /// The day, since 1970.
        tree: i32,
    },
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
    /// Take a token back.
    TokenRevoke {
        /// Its number.
        id: String,
        /// Who.
        actor: String,
    },
    /// The hub's own certificate.
    CertificateShow,
    /// Issue the hub's own certificate anew, now.
    CertificateRenew {
        /// Further names nodes will dial.
        names: Vec<String>,
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
    /// Revoke a unit's replicas, or one replica.
    UnitRevoke {
        /// Unit code or replica id.
        whom: String,
        /// Why.
        reason: String,
        /// Who.
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
    /// Make, merge, split, rename or dissolve units.
    Reorganise(Reorganisation),
    /// All steps of the units.
    LineageList {
        /// Which.
        page: Page,
    },
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
    /// Something about records.
    Records(RecordsRequest),
    /// Give a record to another unit.
    RecordTransfer(Transfer),
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
    /// How good the units' data is, or one unit's with the rows behind it.
    Quality {
        /// Which.
        unit: Option<UnitCode>,
        /// Which of the rows behind one unit's.
        #[serde(default)]
        page: Page,
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
    /// The records behind a figure, and how often each rule is broken.
    QualityRows {
        /// Which.
        wanted: Wanted,
        /// Which part.
        page: Page,
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
    /// Records that are to go from unit to unit and have not gone.
    Handovers {
        /// Only those this unit has part in.
        unit: Option<UnitCode>,
        /// Which.
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
    /// About agencies, grants and bundles.
    Sharing(SharingRequest),
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
    /// Confirm that this ledger follows another.
    ConfirmSuccession {
        /// Who.
        actor: String,
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
    /// Something about the authorities of certificates.
    Authority(AuthorityRequest),
    /// The first of these keys encrypts from now on, and everything is brought under it.
    KeyRotate {
        /// Them.
        keys: lienthong_node::at_rest::GivenKeys,
        /// Answer when it is done.
        wait: bool,
    },
    /// Copy everything needed to a folder.
    Backup {
        /// Which: an absolute path.
        to: std::path::PathBuf,
        /// To whom it is encrypted.
        #[serde(default)]
        recipient: Option<lienthong_node::backup::Recipient>,
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
}
