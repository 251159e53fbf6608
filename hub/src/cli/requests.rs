//! What a command asks of the hub.

use lienthong_node::cli::{ApiTokenAction, author};
use lienthong_node::config::Config;
use lienthong_node::published::read_folder;

use super::args::{
    AlertsAction, AuthorityAction, CatalogueAction, CertificateAction, ConflictsAction, DuplicatesAction,
    LedgerAction, QuarantineAction, ReceiptKeyAction, TokenAction, UnitAction, UserAction, WaiverAction,
};
use super::{Command, args, password, sharing};
use crate::service::{AuthorityRequest, NewWaiver, Pairing, Request, Resolution, SharingRequest, Transfer};

/// The request of a command that is asked of a running hub.
///
/// # Errors
/// If a file it names cannot be read.
pub(super) fn request(command: &Command, config: &Config) -> anyhow::Result<Request> {
    Ok(match command {
        Command::Token { action } => of_token(action)?,
        Command::ApiToken { action } => match action {
            ApiTokenAction::Create { name } => {
                Request::ApiTokenCreate { name: name.clone(), actor: author() }
            }
            ApiTokenAction::List => Request::ApiTokenList,
            ApiTokenAction::Revoke { name } => {
                Request::ApiTokenRevoke { name: name.clone(), actor: author() }
            }
        },
        Command::Unit { action } => of_unit(action)?,
        Command::Transfer { record_type, id, to, reason, unit } => Request::RecordTransfer(Transfer {
            record_type: record_type.clone(),
            id: id.clone(),
            unit: unit.clone(),
            to: to.clone(),
            reason: reason.clone(),
            actor: author(),
        }),
        Command::Handovers { unit, page } => Request::Handovers { unit: unit.clone(), page: page.clone() },
        Command::Quality { unit, tree: None, page } => {
            Request::Quality { unit: unit.clone(), page: page.clone() }
        }
        Command::Quality { unit, tree: Some(tree), page } => {
            Request::QualityOn { unit: unit.clone(), tree: *tree, page: page.clone() }
        }
        Command::Status { tree: Some(tree) } => Request::StatusOn { tree: *tree },
        Command::Reconcile { unit, repair, timeout } => Request::Reconcile {
            unit: unit.clone(),
            repair: *repair,
            timeout_seconds: args::seconds(timeout)?,
            actor: author(),
        },
        Command::Duplicates { action } => duplicates(action),
        Command::Catalogue { action } => of_catalogue(action)?,
        Command::Authority { action: AuthorityAction::Show | AuthorityAction::Rotate { .. } } => {
            Request::Authority(AuthorityRequest::Show)
        }
        Command::ReceiptKey { action: ReceiptKeyAction::Show | ReceiptKeyAction::Rotate { .. } } => {
            Request::ReceiptKeyShow
        }
        Command::Authority { action: AuthorityAction::Retire { now } } => {
            Request::Authority(AuthorityRequest::Retire { now: *now, actor: author() })
        }
        Command::Certificate { action: CertificateAction::Show } => Request::CertificateShow,
        Command::Certificate { action: CertificateAction::Renew { names } } => {
            Request::CertificateRenew { names: names.clone(), actor: author() }
        }
        Command::Waiver { action } => waiver(action),
        Command::Conflicts { action } => conflicts(action),
        Command::Quarantine { action } => match action {
            QuarantineAction::List { page } => Request::QuarantineList { page: page.clone() },
            QuarantineAction::Show { number } => Request::QuarantineShow { number: number.clone() },
            QuarantineAction::Separate { number, reason } => Request::QuarantineSeparate {
                number: number.clone(),
                reason: reason.clone(),
                actor: author(),
            },
            QuarantineAction::Release { number, reason } => {
                Request::QuarantineRelease { number: number.clone(), reason: reason.clone(), actor: author() }
            }
        },
        Command::Agency { action } => action.request(),
        Command::Grant { action } => action.request()?,
        Command::Bundle { grant, out } => sharing::bundle(*grant, out)?,
        Command::Receipt { action } => action.request()?,
        Command::Erase(erase) => erase.request()?,
        Command::Alerts { action } => on_alerts(action),
        Command::User { action } => user(action)?,
        Command::Ledger { action } => match action {
            LedgerAction::Checkpoint => Request::LedgerCheckpoint,
            LedgerAction::Show { from, limit } => Request::LedgerShow { from: *from, limit: *limit },
            LedgerAction::Policy => Request::Sharing(SharingRequest::LedgerPolicy),
            LedgerAction::Verify { full } => Request::LedgerVerify { full: *full },
        },
        Command::Demo { .. }
        | Command::AsNode { .. }
        | Command::Records(_)
        | Command::Status { tree: None }
        | Command::Init { .. }
        | Command::Serve { .. }
        | Command::Key { .. }
        | Command::Restore { .. }
        | Command::Rebuild { .. }
        | Command::Check => Request::Status,
        Command::Backup { to, recipient } => {
            let recipient = lienthong_node::cli::recipient(recipient.as_deref(), config)?;
            Request::Backup { to: std::path::absolute(to)?, recipient }
        }
        Command::ConfirmSuccession => Request::ConfirmSuccession { actor: author() },
    })
}

fn of_token(action: &TokenAction) -> anyhow::Result<Request> {
    Ok(match action {
        TokenAction::Create { unit, role, ttl } => Request::TokenCreate {
            unit: unit.parse()?,
            role: *role,
            ttl_seconds: args::seconds(ttl)?,
            actor: author(),
        },
        TokenAction::List => Request::TokenList,
        TokenAction::Revoke { id } => Request::TokenRevoke { id: id.clone(), actor: author() },
    })
}

fn of_unit(action: &UnitAction) -> anyhow::Result<Request> {
    Ok(match action {
        UnitAction::Add(add) => add.request(),
        UnitAction::Merge(merge) => merge.request(),
        UnitAction::Split(split) => split.request()?,
        UnitAction::Rename(rename) => rename.request(),
        UnitAction::Dissolve(dissolve) => dissolve.request(),
        UnitAction::Lineage(lineage) => lineage.request()?,
        UnitAction::List => Request::UnitList,
        UnitAction::Show { unit } => Request::UnitShow { unit: unit.parse()? },
        UnitAction::ApproveRenewal { unit } => {
            Request::UnitApproveRenewal { unit: unit.parse()?, actor: author() }
        }
        UnitAction::ApproveRecovery { unit } => {
            Request::UnitApproveRecovery { unit: unit.parse()?, actor: author() }
        }
        UnitAction::Contact { unit, name, phone } => Request::UnitContact {
            unit: unit.clone(),
            name: name.clone(),
            phone: phone.clone(),
            actor: author(),
        },
        UnitAction::Revoke { whom, reason } => {
            Request::UnitRevoke { whom: whom.clone(), reason: reason.clone(), actor: author() }
        }
    })
}

fn on_alerts(action: &AlertsAction) -> Request {
    match action {
        AlertsAction::List { all, page } => Request::AlertsList { all: *all, page: page.clone() },
        AlertsAction::Acknowledge { id, reason } => {
            Request::AlertsAcknowledge { id: *id, reason: reason.clone(), actor: author() }
        }
    }
}

fn user(action: &UserAction) -> anyhow::Result<Request> {
    Ok(match action {
        UserAction::Add { name, roles, uid, new_password_file } => {
            let new_password = match (new_password_file, uid) {
                (Some(file), _) => Some(password(Some(file), name)?),
                (None, Some(_)) => None,
                (None, None) => Some(password(None, name)?),
            };
            Request::UserAdd {
                name: name.clone(),
                roles: roles.clone(),
                uid: *uid,
                password: new_password,
                actor: author(),
            }
        }
        UserAction::List => Request::UserList,
        UserAction::Totp { name, reset: _ } => Request::UserTotpReset { name: name.clone(), actor: author() },
        UserAction::Disable { name } => Request::UserDisable { name: name.clone(), actor: author() },
    })
}

fn waiver(action: &WaiverAction) -> Request {
    match action {
        WaiverAction::Add { record_type, id, rule, field, until, reason, unit } => {
            Request::WaiverAdd(NewWaiver {
                record_type: record_type.clone(),
                id: id.clone(),
                unit: unit.clone(),
                rule: rule.clone(),
                field: field.clone(),
                until: until.clone(),
                reason: reason.clone(),
                approver: author(),
            })
        }
        WaiverAction::List { unit, page } => Request::WaiverList { unit: unit.clone(), page: page.clone() },
        WaiverAction::End { number, reason } => {
            Request::WaiverEnd { number: *number, reason: reason.clone(), actor: author() }
        }
    }
}

fn of_catalogue(action: &CatalogueAction) -> anyhow::Result<Request> {
    Ok(match action {
        CatalogueAction::Show => Request::CatalogueShow,
        CatalogueAction::Check { folder } => Request::CatalogueCheck { files: read_folder(folder)? },
        CatalogueAction::Publish { folder, reason } => {
            Request::CataloguePublish { files: read_folder(folder)?, reason: reason.clone(), actor: author() }
        }
    })
}

fn duplicates(action: &DuplicatesAction) -> Request {
    let pairing = |pair: &args::Pair, keep: Option<&String>| Pairing {
        record_type: pair.record_type.clone(),
        first: pair.first.clone(),
        second: Some(pair.second.clone()),
        keep: keep.cloned(),
        unit: pair.unit.clone(),
        reason: pair.reason.clone(),
        actor: author(),
    };
    match action {
        DuplicatesAction::List { page } => Request::DuplicatesList { page: page.clone() },
        DuplicatesAction::Merge { pair, keep } => Request::DuplicatesMerge(pairing(pair, keep.as_ref())),
        DuplicatesAction::Separate { pair } => Request::DuplicatesSeparate(pairing(pair, None)),
        DuplicatesAction::Undo { record_type, first, second, reason, unit } => {
            Request::DuplicatesUndo(Pairing {
                record_type: record_type.clone(),
                first: first.clone(),
                second: second.clone(),
                keep: None,
                unit: unit.clone(),
                reason: reason.clone(),
                actor: author(),
            })
        }
    }
}

fn conflicts(action: &ConflictsAction) -> Request {
    match action {
        ConflictsAction::List { page } => Request::ConflictsList { page: page.clone() },
        ConflictsAction::Show { id } => Request::ConflictsShow { id: id.clone() },
        ConflictsAction::Resolve { id, field, pick, value, reason } => {
            Request::ConflictsResolve(Resolution {
                id: id.clone(),
                field: field.clone(),
                pick: *pick,
                value: value.clone(),
                seen: None,
                reason: reason.clone(),
                actor: author(),
            })
        }
    }
}
