//! Roles × actions: what each role may do, and what every request and every page needs. Deny by default.
//!
//! This is the only table. What stands in no row is nobody's: a request is looked up by its name on the control
//! socket, an endpoint of the API by the request it makes, a page by its method and path, before anything of it is done. The tests below write the whole table out;
//! `tests/tests/web.rs` goes through the pages with each role.

mod calls;
mod commands;

pub use calls::{CALLS, may_call, saying};

use crate::accounts::AccountRole;

pub use commands::{COMMANDS, Doing, of_command};

/// What an action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See records and state.
    Read,
    /// Tokens, units, the province's own records.
    Operate,
    /// Decide about records.
    Decide,
    /// Merge, split, rename and dissolve units: their records move.
    Reorganise,
    /// Accept on the province's behalf what a rule refuses, for a time.
    Approve,
    /// Keep accounts.
    KeepAccounts,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Operate, Self::Decide, Self::Reorganise, Self::Approve, Self::KeepAccounts];
}

impl AccountRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Steward, Self::Approver, Self::Administrator];

    /// The table of roles and rights.
    #[must_use]
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::Read => true,
            Right::Operate => matches!(self, Self::Operator | Self::Administrator),
            Right::Decide | Right::Reorganise => self == Self::Steward,
            Right::Approve => self == Self::Approver,
            Right::KeepAccounts => self == Self::Administrator,
        }
    }
}

/// Every request of the control socket and what it needs, by the name [`crate::service::Request::action`] gives it.
pub const REQUESTS: &[(&str, Right)] = &[
    ("status", Right::Read),
    ("token_create", Right::Operate),
    ("token_list", Right::Read),
    ("reorganise", Right::Reorganise),
    ("reorganise, dry", Right::Read),
    ("lineage_undo", Right::Reorganise),
    ("lineage_undo, dry", Right::Read),
    ("lineage_list", Right::Read),
    ("status_on", Right::Read),
    ("quality_on", Right::Read),
    ("token_revoke", Right::Operate),
    ("unit_list", Right::Read),
    ("unit_show", Right::Read),
    ("unit_revoke", Right::Operate),
    ("unit_contact", Right::Operate),
    ("unit_approve_recovery", Right::Operate),
    ("unit_approve_renewal", Right::Operate),
    ("receipt_key_show", Right::Read),
    ("receipt_key_rotate", Right::KeepAccounts),
    ("authority_show", Right::Read),
    ("authority_rotate", Right::KeepAccounts),
    ("authority_retire", Right::KeepAccounts),
    ("records", Right::Read),
    ("records, written", Right::Operate),
    ("quality", Right::Read),
    ("quality_rows", Right::Read),
    ("reconcile", Right::Read),
    ("reconcile, mended", Right::Operate),
    ("duplicates_list", Right::Read),
    ("duplicates_merge", Right::Decide),
    ("duplicates_separate", Right::Decide),
    ("duplicates_undo", Right::Decide),
    ("handovers", Right::Read),
    ("catalogue_show", Right::Read),
    ("catalogue_check", Right::Read),
    ("catalogue_publish", Right::Approve),
    ("waiver_add", Right::Approve),
    ("waiver_list", Right::Read),
    ("waiver_end", Right::Approve),
    ("conflicts_list", Right::Read),
    ("conflicts_show", Right::Read),
    ("conflicts_resolve", Right::Decide),
    ("record_transfer", Right::Decide),
    ("quarantine_list", Right::Read),
    ("quarantine_show", Right::Read),
    ("quarantine_release", Right::Decide),
    ("quarantine_separate", Right::Decide),
    ("certificate_show", Right::Read),
    ("certificate_renew", Right::Operate),
    ("alerts_list", Right::Read),
    ("alerts_acknowledge", Right::Operate),
    ("api_token_create", Right::Read),
    ("api_token_list", Right::Read),
    ("api_token_revoke", Right::Read),
    ("defects", Right::Read),
    ("user_add", Right::KeepAccounts),
    ("user_list", Right::Read),
    ("user_disable", Right::KeepAccounts),
    ("user_totp_reset", Right::KeepAccounts),
    ("backup", Right::Operate),
    ("key_rotate", Right::Operate),
    ("confirm_succession", Right::KeepAccounts),
    ("ledger_checkpoint", Right::Read),
    ("ledger_show", Right::Read),
    ("ledger_verify", Right::Read),
    ("ledger_policy", Right::Read),
    ("agency_add", Right::Operate),
    ("agency_list", Right::Read),
    ("agency_signer", Right::Operate),
    ("grant_propose", Right::Operate),
    ("grant_approve", Right::Approve),
    ("grant_revoke", Right::Operate),
    ("grant_list", Right::Read),
    ("grant_show", Right::Read),
    ("grant_notice", Right::Operate),
    ("grant_notice, dry", Right::Read),
    ("bundle", Right::Operate),
    ("receipt_add", Right::Operate),
    ("erase_propose", Right::Operate),
    ("erase_propose, dry", Right::Operate),
    ("erase_approve", Right::Approve),
    ("erase_refuse", Right::Operate),
    ("erase_list", Right::Read),
    ("erase_notice", Right::Operate),
    ("erase_export", Right::Operate),
    ("record_source", Right::Read),
    ("state_digest", Right::Read),
];

/// What a request of this name needs; of one in no row nobody has the right.
#[must_use]
pub fn of_request(action: &str) -> Option<Right> {
    REQUESTS.iter().find(|(name, _)| *name == action).map(|(_, right)| *right)
}

/// What a page needs of the one who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it shows nothing of the province.
    Nothing,
    /// [`Right::Read`]; without a sign-in only over plain HTTP, which only this machine reaches.
    Glance,
    /// [`Right::Read`]; without a sign-in only from this machine.
    Machine,
    /// A password was right; the second factor is to come, or to be set up.
    Halfway,
    /// Any account, signed in.
    Account,
    /// An account with this right, signed in.
    Right(Right),
}

/// Every page and what it needs, by method and path.
pub const PAGES: &[(&str, &str, Need)] = &[
    ("GET", "/", Need::Glance),
    ("GET", "/live", Need::Glance),
    ("GET", "/events", Need::Glance),
    ("GET", "/assets/{name}", Need::Nothing),
    ("GET", "/healthz", Need::Nothing),
    ("GET", "/readyz", Need::Nothing),
    ("GET", "/metrics", Need::Machine),
    ("GET", "/language/{language}", Need::Nothing),
    ("GET", "/sign-in", Need::Nothing),
    ("POST", "/sign-in", Need::Nothing),
    ("GET", "/sign-in/code", Need::Halfway),
    ("POST", "/sign-in/code", Need::Halfway),
    ("POST", "/sign-in/enrol", Need::Halfway),
    ("POST", "/sign-out", Need::Account),
    ("GET", "/account", Need::Account),
    ("POST", "/account/totp", Need::Account),
    ("GET", "/account/password", Need::Account),
    ("POST", "/account/password", Need::Account),
    ("GET", "/units", Need::Right(Right::Read)),
    ("GET", "/units/{unit}", Need::Right(Right::Read)),
    ("GET", "/units/{unit}/live", Need::Right(Right::Read)),
    ("GET", "/units/{unit}/contact", Need::Right(Right::Operate)),
    ("POST", "/units/{unit}/contact", Need::Right(Right::Operate)),
    ("GET", "/units/{unit}/revoke", Need::Right(Right::Operate)),
    ("POST", "/units/{unit}/revoke", Need::Right(Right::Operate)),
    ("GET", "/alerts", Need::Right(Right::Read)),
    ("GET", "/alerts/live", Need::Right(Right::Read)),
    ("GET", "/alerts/{id}", Need::Right(Right::Read)),
    ("POST", "/alerts/{id}/acknowledge", Need::Right(Right::Operate)),
    ("GET", "/sharing", Need::Right(Right::Read)),
    ("POST", "/sharing/agencies", Need::Right(Right::Operate)),
    ("POST", "/sharing/grants", Need::Right(Right::Operate)),
    ("GET", "/sharing/grants/{number}", Need::Right(Right::Read)),
    ("POST", "/sharing/grants/{number}/approve", Need::Right(Right::Approve)),
    ("POST", "/sharing/grants/{number}/revoke", Need::Right(Right::Operate)),
    ("POST", "/sharing/grants/{number}/bundle", Need::Right(Right::Operate)),
    ("GET", "/records", Need::Right(Right::Read)),
    ("GET", "/records/{type}/{id}", Need::Right(Right::Read)),
    ("GET", "/records/{type}/{id}/why", Need::Right(Right::Read)),
    ("POST", "/records/{type}/{id}/transfer", Need::Right(Right::Decide)),
    ("GET", "/conflicts", Need::Right(Right::Read)),
    ("GET", "/conflicts/handovers", Need::Right(Right::Read)),
    ("GET", "/conflicts/{type}/{id}", Need::Right(Right::Read)),
    ("POST", "/conflicts/{type}/{id}", Need::Right(Right::Decide)),
    ("GET", "/duplicates", Need::Right(Right::Read)),
    ("GET", "/duplicates/decided", Need::Right(Right::Read)),
    ("GET", "/duplicates/{type}/{first}/{second}", Need::Right(Right::Read)),
    ("POST", "/duplicates/{type}/{first}/{second}/merge", Need::Right(Right::Decide)),
    ("POST", "/duplicates/{type}/{first}/{second}/separate", Need::Right(Right::Decide)),
    ("POST", "/duplicates/{type}/{first}/{second}/undo", Need::Right(Right::Decide)),
    ("GET", "/quarantine", Need::Right(Right::Read)),
    ("GET", "/quarantine/{number}", Need::Right(Right::Read)),
    ("POST", "/quarantine/{number}/release", Need::Right(Right::Decide)),
    ("POST", "/quarantine/{number}/separate", Need::Right(Right::Decide)),
    ("GET", "/quality", Need::Right(Right::Read)),
    ("GET", "/integrity", Need::Right(Right::Read)),
    ("GET", "/integrity/live", Need::Right(Right::Read)),
    ("POST", "/integrity/verify", Need::Right(Right::Read)),
    ("GET", "/administration", Need::Right(Right::Operate)),
    ("POST", "/administration/tokens", Need::Right(Right::Operate)),
    ("POST", "/administration/tokens/{id}/revoke", Need::Right(Right::Operate)),
    ("GET", "/administration/accounts", Need::Right(Right::KeepAccounts)),
    ("POST", "/administration/accounts", Need::Right(Right::KeepAccounts)),
    ("POST", "/administration/accounts/{name}/disable", Need::Right(Right::KeepAccounts)),
    ("POST", "/administration/accounts/{name}/totp", Need::Right(Right::KeepAccounts)),
];

/// What a page needs; one in no row is nobody's.
#[must_use]
pub fn of_page(method: &str, path: &str) -> Option<Need> {
    PAGES.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, need)| *need)
}

#[cfg(test)]
mod tests;
