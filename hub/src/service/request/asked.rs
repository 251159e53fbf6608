//! Who asks, and what right a request needs.

use serde::{Deserialize, Serialize};

use super::{Reorganisation, Request};
use crate::accounts::Credentials;
use crate::rights::{self, Right};

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
            Self::StatusOn { .. } => "status_on",
            Self::TokenCreate { .. } => "token_create",
            Self::TokenList => "token_list",
            Self::TokenRevoke { .. } => "token_revoke",
            Self::CertificateShow => "certificate_show",
            Self::CertificateRenew { .. } => "certificate_renew",
            Self::UnitList => "unit_list",
            Self::UnitShow { .. } => "unit_show",
            Self::UnitContact { .. } => "unit_contact",
            Self::UnitRevoke { .. } => "unit_revoke",
            Self::UnitApproveRecovery { .. } => "unit_approve_recovery",
            Self::UnitApproveRenewal { .. } => "unit_approve_renewal",
            Self::Reorganise(Reorganisation { apply: true, .. }) => "reorganise",
            Self::Reorganise(_) => "reorganise, dry",
            Self::LineageList { .. } => "lineage_list",
            Self::LineageUndo { apply: true, .. } => "lineage_undo",
            Self::LineageUndo { .. } => "lineage_undo, dry",
            Self::Records(request) if request.writes() => "records, written",
            Self::Records(_) => "records",
            Self::RecordTransfer(_) => "record_transfer",
            Self::RecordSource { .. } => "record_source",
            Self::StateDigest { .. } => "state_digest",
            Self::Quality { .. } => "quality",
            Self::QualityOn { .. } => "quality_on",
            Self::QualityRows { .. } => "quality_rows",
            Self::Defects { .. } => "defects",
            Self::WaiverAdd(_) => "waiver_add",
            Self::WaiverList { .. } => "waiver_list",
            Self::WaiverEnd { .. } => "waiver_end",
            Self::ConflictsList { .. } => "conflicts_list",
            Self::ConflictsShow { .. } => "conflicts_show",
            Self::ConflictsResolve(_) => "conflicts_resolve",
            Self::DuplicatesList { .. } => "duplicates_list",
            Self::DuplicatesMerge(_) => "duplicates_merge",
            Self::DuplicatesSeparate(_) => "duplicates_separate",
            Self::DuplicatesUndo(_) => "duplicates_undo",
            Self::QuarantineList { .. } => "quarantine_list",
            Self::QuarantineShow { .. } => "quarantine_show",
            Self::QuarantineRelease { .. } => "quarantine_release",
            Self::QuarantineSeparate { .. } => "quarantine_separate",
            Self::Handovers { .. } => "handovers",
            Self::Reconcile { repair: true, .. } => "reconcile, mended",
            Self::Reconcile { .. } => "reconcile",
            Self::CatalogueShow => "catalogue_show",
            Self::CatalogueCheck { .. } => "catalogue_check",
            Self::CataloguePublish { .. } => "catalogue_publish",
            Self::Sharing(request) => request.action(),
            Self::Erasing(request) => request.action(),
            Self::LedgerCheckpoint => "ledger_checkpoint",
            Self::LedgerShow { .. } => "ledger_show",
            Self::LedgerVerify { .. } => "ledger_verify",
            Self::ConfirmSuccession { .. } => "confirm_succession",
            Self::ReceiptKeyShow => "receipt_key_show",
            Self::ReceiptKeyRotate { .. } => "receipt_key_rotate",
            Self::Authority(request) => request.action(),
            Self::KeyRotate { .. } => "key_rotate",
            Self::Backup { .. } => "backup",
            Self::AlertsList { .. } => "alerts_list",
            Self::AlertsAcknowledge { .. } => "alerts_acknowledge",
            Self::UserAdd { .. } => "user_add",
            Self::UserList => "user_list",
            Self::UserDisable { .. } => "user_disable",
            Self::UserTotpReset { .. } => "user_totp_reset",
            Self::ApiTokenCreate { .. } => "api_token_create",
            Self::ApiTokenList => "api_token_list",
            Self::ApiTokenRevoke { .. } => "api_token_revoke",
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
