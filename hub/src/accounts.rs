//! People's accounts: who may do what at the hub. Deny by default, decided here and nowhere else.
//!
//! A command acts as the account of the operating-system user who gives it, or as `--as USER` with that
//! account's password. The names of accounts stand in every event; passwords only as Argon2id hashes,
//! sealed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::pki::{HubSecrets, Seal, SealError};

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    /// Keeps the hub and its units running.
    Operator,
    /// Settles conflicts and the quarantine.
    Steward,
    /// Approves what another has proposed.
    Approver,
    /// Keeps the accounts.
    Administrator,
}

/// What a command needs.
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

impl AccountRole {
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

/// One person's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, as events show it.
    pub name: String,
    /// What it is for.
    pub roles: Vec<AccountRole>,
    /// The operating-system user it belongs to, if any.
    pub uid: Option<u32>,
    /// Argon2id, in PHC form.
    password: Option<String>,
    /// It may do nothing any more.
    pub disabled: bool,
    /// Since when, milliseconds.
    pub created_at: u64,
}

/// Why an account is refused or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The accounts do not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Nobody of that name.
    #[error("không có tài khoản {0} · there is no account {0}")]
    Unknown(String),
    /// The operating-system user has none.
    #[error(
        "người dùng hệ điều hành (uid {0}) không có tài khoản: dùng --as · the operating-system user (uid {0}) has no account: use --as"
    )]
    NoAccount(u32),
    /// The name is taken.
    #[error("đã có tài khoản {0} · there is an account {0} already")]
    Taken(String),
    /// The account may not do that.
    #[error(
        "tài khoản {name} không có quyền này (cần {needed:?}) · account {name} may not do this (it needs {needed:?})"
    )]
    Denied {
        /// Whose.
        name: String,
        /// What it would need.
        needed: Right,
    },
    /// Wrong password, unknown name or disabled: not told apart.
    #[error("tên hoặc mật khẩu không đúng · wrong name or password")]
    Password,
    /// The roles cannot go together.
    #[error(
        "người giữ tài khoản không thể vừa là người quyết định · who keeps accounts is neither steward nor approver"
    )]
    Roles,
    /// A name people cannot tell apart, or a password too short to keep anyone out.
    #[error(
        "tên chỉ gồm a-z, 0-9, dấu chấm và gạch, mật khẩu ít nhất 10 ký tự · names are of a-z, 0-9, dot and dash, passwords of at least 10 characters"
    )]
    Form,
    /// The last administrator stays.
    #[error("phải còn ít nhất một người quản trị · at least one administrator must remain")]
    LastAdministrator,
}

/// Whom a command wants to act as.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The account.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

const FILE: &str = "accounts.sealed";
const PASSWORD_CHARS_MIN: usize = 10;

/// All accounts of a hub.
#[derive(Debug)]
pub struct Accounts {
    accounts: RwLock<BTreeMap<String, Account>>,
    seal: Seal,
    dir: PathBuf,
    /// One password at a time: guessing stays slow.
    turn: parking_lot::Mutex<()>,
}

impl Accounts {
    /// Opens the accounts of a hub.
    ///
    /// # Errors
    /// [`AccountError::Seal`] if the file does not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, AccountError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let list: Vec<Account> = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            Vec::new()
        };
        let accounts = list.into_iter().map(|account| (account.name.clone(), account)).collect();
        Ok(Self { accounts: RwLock::new(accounts), seal, dir, turn: parking_lot::Mutex::new(()) })
    }

    /// Adds an account; `uid` or `password` is how its owner proves to be it.
    ///
    /// # Errors
    /// [`AccountError`] if the name is taken or the form or roles are refused.
    pub fn add(
        &self,
        name: &str,
        roles: Vec<AccountRole>,
        uid: Option<u32>,
        password: Option<&str>,
        now: UnixMillis,
    ) -> Result<Account, AccountError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        let short = password.is_some_and(|password| password.chars().count() < PASSWORD_CHARS_MIN);
        if name.is_empty() || name.len() > 32 || !name.chars().all(fine) || short || roles.is_empty() {
            return Err(AccountError::Form);
        }
        let decides = |role: &AccountRole| matches!(role, AccountRole::Steward | AccountRole::Approver);
        if roles.contains(&AccountRole::Administrator) && roles.iter().any(decides) {
            return Err(AccountError::Roles);
        }
        let password = password.map(hashed).transpose()?;
        let account =
            Account { name: name.to_owned(), roles, uid, password, disabled: false, created_at: now.0 };
        let mut accounts = self.accounts.write();
        if accounts.contains_key(name) || accounts.values().any(|known| uid.is_some() && known.uid == uid) {
            return Err(AccountError::Taken(name.to_owned()));
        }
        let mut next = accounts.clone();
        next.insert(name.to_owned(), account.clone());
        self.keep(&next)?;
        *accounts = next;
        Ok(account)
    }

    /// Ends an account.
    ///
    /// # Errors
    /// [`AccountError`] if there is none, or it is the last administrator's.
    pub fn disable(&self, name: &str) -> Result<(), AccountError> {
        let mut accounts = self.accounts.write();
        let mut next = accounts.clone();
        next.get_mut(name).ok_or_else(|| AccountError::Unknown(name.to_owned()))?.disabled = true;
        let keeps = |account: &Account| {
            !account.disabled && account.roles.iter().any(|role| role.may(Right::KeepAccounts))
        };
        if !next.values().any(keeps) {
            return Err(AccountError::LastAdministrator);
        }
        self.keep(&next)?;
        *accounts = next;
        Ok(())
    }

    /// All accounts, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Account> {
        self.accounts.read().values().cloned().collect()
    }

    /// The account that may use `right`: the one named with its password, or the operating-system user's.
    ///
    /// # Errors
    /// [`AccountError`] saying why not.
    pub fn authorise(
        &self,
        uid: Option<u32>,
        credentials: Option<&Credentials>,
        needed: Right,
    ) -> Result<String, AccountError> {
        let account = match credentials {
            Some(credentials) => self.named(credentials)?,
            None => {
                let uid = uid.unwrap_or(u32::MAX);
                let accounts = self.accounts.read();
                let own = accounts.values().find(|account| account.uid == Some(uid) && !account.disabled);
                own.cloned().ok_or(AccountError::NoAccount(uid))?
            }
        };
        if account.roles.iter().any(|role| role.may(needed)) {
            Ok(account.name)
        } else {
            Err(AccountError::Denied { name: account.name, needed })
        }
    }

    fn named(&self, credentials: &Credentials) -> Result<Account, AccountError> {
        let _turn = self.turn.lock();
        let account = self.accounts.read().get(&credentials.user).cloned();
        // An unknown name costs as much as a wrong password.
        let stored = account.as_ref().and_then(|account| account.password.clone());
        let known = stored.is_some();
        let stored = match stored {
            Some(stored) => stored,
            None => hashed("no such account")?,
        };
        let parsed = PasswordHash::new(&stored).map_err(|_| AccountError::Password)?;
        let matches = Argon2::default().verify_password(credentials.password.as_bytes(), &parsed).is_ok();
        match account {
            Some(account) if known && matches && !account.disabled => Ok(account),
            _ => Err(AccountError::Password),
        }
    }

    fn keep(&self, accounts: &BTreeMap<String, Account>) -> Result<(), AccountError> {
        let list: Vec<&Account> = accounts.values().collect();
        let bytes = serde_json::to_vec(&list).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        Ok(self.seal.write(&self.dir, FILE, &bytes)?)
    }
}

fn hashed(password: &str) -> Result<String, AccountError> {
    let salt: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&salt).map_err(|_| AccountError::Form)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| AccountError::Form)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
    fn p9_the_table_of_roles_and_rights() {
        use AccountRole::{Administrator, Approver, Operator, Steward};
        let rights = [
            Right::Read,
            Right::Operate,
            Right::Decide,
            Right::Reorganise,
            Right::Approve,
            Right::KeepAccounts,
        ];
        let table = [
            (Operator, [true, true, false, false, false, false]),
            (Steward, [true, false, true, true, false, false]),
            (Approver, [true, false, false, false, true, false]),
            (Administrator, [true, true, false, false, false, true]),
        ];
        for (role, allowed) in table {
            assert_eq!(rights.map(|right| role.may(right)), allowed, "{role:?}");
        }
    }

    #[test]
    fn p9_init_makes_one_administrator_of_the_user_who_runs_it() {
        let (_dir, accounts) = accounts();
        let uid = rustix::process::getuid().as_raw();
        let name = accounts.authorise(Some(uid), None, Right::KeepAccounts).unwrap();
        assert_eq!(accounts.list().len(), 1);
        assert!(matches!(
            accounts.authorise(Some(uid), None, Right::Decide),
            Err(AccountError::Denied { .. })
        ));
        assert!(matches!(
            accounts.authorise(Some(uid + 1), None, Right::Read),
            Err(AccountError::NoAccount(_))
        ));
        assert!(matches!(accounts.authorise(None, None, Right::Read), Err(AccountError::NoAccount(_))));
        assert!(matches!(accounts.disable(&name), Err(AccountError::LastAdministrator)));
    }

    #[test]
    fn p9_a_password_lets_its_account_in_and_nobody_else() {
        let (_dir, accounts) = accounts();
        accounts.add("lan", vec![AccountRole::Steward], None, Some("mật khẩu dài"), NOW).unwrap();
        let ask = |user: &str, password: &str| {
            let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
            accounts.authorise(None, Some(&credentials), Right::Decide)
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
}
