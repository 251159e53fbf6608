#![allow(clippy::unwrap_used)]

use super::totp::{Seed, step_at};
use super::*;
use crate::pki::{InitOptions, init};

const NOW: UnixMillis = UnixMillis(1);

fn accounts() -> (tempfile::TempDir, Accounts) {
    let dir = tempfile::tempdir().unwrap();
    let options =
        InitOptions { province: "33".parse().unwrap(), domain: "a.example".into(), names: Vec::new() };
    init(dir.path(), &options).unwrap();
    let accounts = Accounts::open(&HubSecrets::load(dir.path()).unwrap()).unwrap();
    (dir, accounts)
}

#[test]
fn p9_init_makes_one_administrator_of_the_user_who_runs_it() {
    let (_dir, accounts) = accounts();
    let uid = rustix::process::getuid().as_raw();
    let name = accounts.authorise(Some(uid), None, Right::KeepAccounts, NOW).unwrap();
    assert_eq!(accounts.list().len(), 1);
    assert!(matches!(
        accounts.authorise(Some(uid), None, Right::Decide, NOW),
        Err(AccountError::Denied { .. })
    ));
    assert!(matches!(
        accounts.authorise(Some(uid + 1), None, Right::Read, NOW),
        Err(AccountError::NoAccount(_))
    ));
    assert!(matches!(accounts.authorise(None, None, Right::Read, NOW), Err(AccountError::NoAccount(_))));
    assert!(matches!(accounts.disable(&name), Err(AccountError::LastAdministrator)));
}

#[test]
fn p9_a_password_lets_its_account_in_and_nobody_else() {
    let (_dir, accounts) = accounts();
    accounts.add("lan", vec![AccountRole::Steward], None, Some("mật khẩu dài"), NOW).unwrap();
    let ask = |user: &str, password: &str| {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned(), code: None };
        accounts.authorise(None, Some(&credentials), Right::Decide, NOW)
    };
    assert_eq!(ask("lan", "mật khẩu dài").unwrap(), "lan");
    assert!(matches!(ask("lan", "mật khẩu khác"), Err(AccountError::Password)));
    assert!(matches!(ask("ai", "mật khẩu dài"), Err(AccountError::Password)));
    accounts.disable("lan").unwrap();
    assert!(matches!(ask("lan", "mật khẩu dài"), Err(AccountError::Password)));
    let roles = vec![AccountRole::Administrator, AccountRole::Steward];
    assert!(matches!(accounts.add("x", roles, Some(9), None, NOW), Err(AccountError::Roles)));
    let role = vec![AccountRole::Operator];
    assert!(matches!(accounts.add("y", role.clone(), None, Some("ngắn"), NOW), Err(AccountError::Form)));
    assert!(matches!(accounts.add("lan", role, Some(9), None, NOW), Err(AccountError::Taken(_))));
}

#[test]
fn p9_with_a_second_factor_a_password_alone_lets_nobody_in() {
    let (_dir, accounts) = accounts();
    let (password, now) = ("mật khẩu dài", UnixMillis(1_800_000_000_000));
    accounts.add("lan", vec![AccountRole::Steward], None, Some(password), now).unwrap();
    let seed = Seed([7; 20]);
    let typed = |step: u64| format!("{:06}", seed.code(step));
    assert!(matches!(accounts.enrol_code("lan", &seed, "000000", now), Err(AccountError::Code)));
    accounts.enrol_code("lan", &seed, &typed(step_at(now)), now).unwrap();
    assert!(matches!(
        accounts.enrol_code("lan", &Seed([8; 20]), "1", now),
        Err(AccountError::Code | AccountError::SecondFactor)
    ));
    let ask = |code: Option<String>, now: UnixMillis| {
        let credentials = Credentials { user: "lan".to_owned(), password: password.to_owned(), code };
        accounts.authorise(None, Some(&credentials), Right::Decide, now)
    };
    assert!(matches!(ask(None, now), Err(AccountError::CodeNeeded)));
    assert!(matches!(ask(Some(typed(step_at(now))), now), Err(AccountError::Code)), "it set the factor up");
    let later = UnixMillis(now.0 + 60_000);
    assert_eq!(ask(Some(typed(step_at(later))), later).unwrap(), "lan");
    assert!(matches!(ask(Some(typed(step_at(later))), later), Err(AccountError::Code)), "used");
    // Reopened from disk it is the same.
    let again = Accounts::open(&HubSecrets::load(_dir.path()).unwrap()).unwrap();
    assert!(again.active("lan").unwrap().has_second_factor());
    assert!(matches!(again.spend_code("lan", &typed(step_at(later)), later), Err(AccountError::Code)));
    again.reset_second_factor("lan").unwrap();
    assert!(!again.active("lan").unwrap().has_second_factor());
}
