#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::service::{AuthorityRequest, ErasingRequest, Request, SharingRequest};

/// O operator, S steward, P approver, A administrator.
fn written(may: impl Fn(AccountRole) -> bool) -> String {
    let letters = AccountRole::ALL.into_iter().zip("OSPA".chars());
    letters.map(|(role, letter)| if may(role) { letter } else { '.' }).collect()
}

/// Who may make which request: written out, so that a change of the table is seen as what it is.
const WHO_MAY_REQUEST: &str = "
    OSPA status
    O..A token_create
    OSPA token_list
    .S.. reorganise
    OSPA reorganise, dry
    .S.. lineage_undo
    OSPA lineage_undo, dry
    OSPA lineage_list
    OSPA status_on
    OSPA quality_on
    O..A token_revoke
    OSPA unit_list
    OSPA unit_show
    O..A unit_revoke
    O..A unit_contact
    O..A unit_approve_recovery
    O..A unit_approve_renewal
    OSPA receipt_key_show
    ...A receipt_key_rotate
    OSPA authority_show
    ...A authority_rotate
    ...A authority_retire
    OSPA records
    O..A records, written
    OSPA quality
    OSPA quality_rows
    OSPA reconcile
    O..A reconcile, mended
    OSPA duplicates_list
    .S.. duplicates_merge
    .S.. duplicates_separate
    .S.. duplicates_undo
    OSPA handovers
    OSPA catalogue_show
    OSPA catalogue_check
    ..P. catalogue_publish
    ..P. waiver_add
    OSPA waiver_list
    ..P. waiver_end
    OSPA conflicts_list
    OSPA conflicts_show
    .S.. conflicts_resolve
    .S.. record_transfer
    OSPA quarantine_list
    OSPA quarantine_show
    .S.. quarantine_release
    .S.. quarantine_separate
    OSPA certificate_show
    O..A certificate_renew
    OSPA alerts_list
    O..A alerts_acknowledge
    OSPA api_token_create
    OSPA api_token_list
    OSPA api_token_revoke
    OSPA defects
    ...A user_add
    OSPA user_list
    ...A user_disable
    ...A user_totp_reset
    O..A backup
    O..A key_rotate
    ...A confirm_succession
    OSPA ledger_checkpoint
    OSPA ledger_show
    OSPA ledger_verify
    OSPA ledger_policy
    O..A agency_add
    OSPA agency_list
    O..A agency_signer
    O..A grant_propose
    ..P. grant_approve
    O..A grant_revoke
    OSPA grant_list
    OSPA grant_show
    O..A grant_notice
    OSPA grant_notice, dry
    O..A bundle
    O..A receipt_add
    O..A erase_propose
    O..A erase_propose, dry
    ..P. erase_approve
    O..A erase_refuse
    OSPA erase_list
    O..A erase_notice
    O..A erase_export
    OSPA record_source
    OSPA state_digest
";

/// Who may open which page, beside roles those who have only given a password (halfway) and strangers.
const WHO_MAY_OPEN: &str = "
    OSPA GET /
    OSPA GET /live
    OSPA GET /events
    OSPA GET /assets/{name} · halfway, stranger
    OSPA GET /healthz · halfway, stranger
    OSPA GET /readyz · halfway, stranger
    OSPA GET /metrics
    OSPA GET /language/{language} · halfway, stranger
    OSPA GET /sign-in · halfway, stranger
    OSPA POST /sign-in · halfway, stranger
    .... GET /sign-in/code · halfway
    .... POST /sign-in/code · halfway
    .... POST /sign-in/enrol · halfway
    OSPA POST /sign-out
    OSPA GET /account
    OSPA POST /account/totp
    OSPA GET /account/password
    OSPA POST /account/password
    OSPA GET /units
    OSPA GET /units/{unit}
    OSPA GET /units/{unit}/live
    O..A GET /units/{unit}/contact
    O..A POST /units/{unit}/contact
    O..A GET /units/{unit}/revoke
    O..A POST /units/{unit}/revoke
    OSPA GET /alerts
    OSPA GET /alerts/live
    OSPA GET /alerts/{id}
    O..A POST /alerts/{id}/acknowledge
    OSPA GET /sharing
    O..A POST /sharing/agencies
    O..A POST /sharing/grants
    OSPA GET /sharing/grants/{number}
    ..P. POST /sharing/grants/{number}/approve
    O..A POST /sharing/grants/{number}/revoke
    O..A POST /sharing/grants/{number}/bundle
    OSPA GET /records
    OSPA GET /records/{type}/{id}
    OSPA GET /records/{type}/{id}/why
    .S.. POST /records/{type}/{id}/transfer
    OSPA GET /conflicts
    OSPA GET /conflicts/handovers
    OSPA GET /conflicts/{type}/{id}
    .S.. POST /conflicts/{type}/{id}
    OSPA GET /duplicates
    OSPA GET /duplicates/decided
    OSPA GET /duplicates/{type}/{first}/{second}
    .S.. POST /duplicates/{type}/{first}/{second}/merge
    .S.. POST /duplicates/{type}/{first}/{second}/separate
    .S.. POST /duplicates/{type}/{first}/{second}/undo
    OSPA GET /quarantine
    OSPA GET /quarantine/{number}
    .S.. POST /quarantine/{number}/release
    .S.. POST /quarantine/{number}/separate
    OSPA GET /quality
    OSPA GET /integrity
    OSPA GET /integrity/live
    OSPA POST /integrity/verify
    O..A GET /administration
    O..A POST /administration/tokens
    O..A POST /administration/tokens/{id}/revoke
    ...A GET /administration/accounts
    ...A POST /administration/accounts
    ...A POST /administration/accounts/{name}/disable
    ...A POST /administration/accounts/{name}/totp
";

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn p9_every_request_is_for_just_these_roles() {
    let table =
        REQUESTS.iter().map(|(action, right)| format!("{} {action}", written(|role| role.may(*right))));
    assert_eq!(table.collect::<Vec<_>>(), lines(WHO_MAY_REQUEST));
}

#[test]
fn p9_every_page_is_for_just_these_readers() {
    let table = PAGES.iter().map(|(method, path, need)| {
        let (may, others): (String, &str) = match need {
            Need::Nothing => (written(|_| true), " · halfway, stranger"),
            Need::Halfway => (written(|_| false), " · halfway"),
            Need::Account => (written(|_| true), ""),
            Need::Glance | Need::Machine => (written(|role| role.may(Right::Read)), ""),
            Need::Right(right) => (written(|role| role.may(*right)), ""),
        };
        format!("{may} {method} {path}{others}")
    });
    assert_eq!(table.collect::<Vec<_>>(), lines(WHO_MAY_OPEN));
}

/// The names of all requests, as the control socket's own reader lists them when it meets none of them.
fn requests() -> BTreeSet<String> {
    let named = |said: serde_json::Error| {
        let said = said.to_string();
        let (_, names) = said.split_once("expected one of").unwrap();
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let none = "no such request";
    let unknown = serde_json::json!({ "command": none, "sharing": none, "authority": none, "erasing": none });
    let mut all = named(serde_json::from_value::<Request>(unknown.clone()).unwrap_err());
    // Those about sharing, authorities and erasing are rooms of their own.
    assert!(all.remove("sharing") && all.remove("authority") && all.remove("erasing"));
    all.extend(named(serde_json::from_value::<SharingRequest>(unknown.clone()).unwrap_err()));
    all.extend(named(serde_json::from_value::<AuthorityRequest>(unknown.clone()).unwrap_err()));
    let erasing = named(serde_json::from_value::<ErasingRequest>(unknown).unwrap_err());
    all.extend(erasing.into_iter().map(|name| format!("erase_{name}")));
    all
}

#[test]
fn p9_a_request_without_a_row_is_noticed_and_nobodys() {
    let plain = |action: &str| action.split(',').next().unwrap().to_owned();
    let rows: BTreeSet<String> = REQUESTS.iter().map(|(action, _)| plain(action)).collect();
    assert!(rows.len() > 40);
    assert_eq!(requests(), rows);
    let once: BTreeSet<&str> = REQUESTS.iter().map(|(action, _)| *action).collect();
    assert_eq!(once.len(), REQUESTS.len());
    assert_eq!(of_request("no such request"), None);
    assert_eq!(Request::Status.right(), Some(Right::Read));
}

#[test]
fn p9_a_page_without_a_row_is_noticed_and_nobodys() {
    let rows: BTreeSet<(&str, &str)> = PAGES.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(rows.len(), PAGES.len());
    assert_eq!(crate::web::routes().into_iter().collect::<BTreeSet<_>>(), rows);
    assert_eq!(of_page("GET", "/no-such-page"), None);
    assert_eq!(of_page("POST", "/"), None);
}

#[test]
fn p9_nothing_is_changed_by_who_is_not_signed_in() {
    for (method, path, need) in PAGES.iter().filter(|(method, ..)| *method != "GET") {
        let begins = path.starts_with("/sign-in");
        let signed_in = matches!(need, Need::Account | Need::Right(_));
        assert!(begins || signed_in, "{method} {path}");
    }
}

#[test]
fn p9_who_keeps_accounts_decides_nothing() {
    for right in Right::ALL {
        let keeper = AccountRole::Administrator.may(right);
        let decides = matches!(right, Right::Decide | Right::Reorganise | Right::Approve);
        assert!(!(keeper && decides), "{right:?}");
    }
}
