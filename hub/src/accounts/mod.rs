//! People's accounts; what each role may do stands in [`crate::rights`].
//!
//! A command acts as the account of the operating-system user who gives it, or as `--as USER` with that
//! account's password, and a code once its second factor is set up; a page acts as the account that signed in.
//! The names of accounts stand in every event; passwords only as Argon2id hashes, sealed, as are the seeds of
//! codes.

mod api_tokens;
mod second;
#[cfg(test)]
mod tests;
pub mod totp;

use std::collections::BTreeMap;
use std::path::PathBuf;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

pub use self::api_tokens::{ApiToken, ApiTokenError, ApiTokens};
use self::second::SecondFactor;
use crate::pki::{HubSecrets, Seal, SealError};
pub use crate::rights::Right;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second_factor: Option<SecondFactor>,
    /// It may do nothing any more.
    pub disabled: bool,
    /// Since when, milliseconds.
    pub created_at: u64,
}

impl Account {
    /// Whether it can sign in by a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether one of its roles has a right.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.roles.iter().any(|role| role.may(right))
    }
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
    /// The password is right, and a code is to come.
    #[error("cần mã sáu chữ số của ứng dụng xác thực · the authenticator's six-digit code is needed")]
    CodeNeeded,
    /// Wrong, too old, or used already.
    #[error(
        "mã không đúng hoặc đã dùng: chờ mã kế tiếp · the code is wrong or was used: wait for the next one"
    )]
    Code,
    /// There is a second factor already.
    #[error(
        "tài khoản đã có ứng dụng xác thực; người quản trị có thể đặt lại · the account has an authenticator already; an administrator can reset it"
    )]
    SecondFactor,
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
    /// The authenticator's code, once the account has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
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
        let account = Account {
            name: name.to_owned(),
            roles,
            uid,
            password,
            second_factor: None,
            disabled: false,
            created_at: now.0,
        };
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
        let keeps = |account: &Account| !account.disabled && account.may(Right::KeepAccounts);
        if !next.values().any(keeps) {
            return Err(AccountError::LastAdministrator);
        }
        self.keep(&next)?;
        *accounts = next;
        Ok(())
    }

    fn change(
        &self,
        name: &str,
        how: impl FnOnce(&mut Account) -> Result<(), AccountError>,
    ) -> Result<(), AccountError> {
        let mut accounts = self.accounts.write();
        let mut next = accounts.clone();
        how(next.get_mut(name).ok_or_else(|| AccountError::Unknown(name.to_owned()))?)?;
        self.keep(&next)?;
        *accounts = next;
        Ok(())
    }

    /// Gives an account another password, after the old one; whether it is right, the caller has looked at.
    ///
    /// # Errors
    /// [`AccountError::Form`] if it is too short, [`AccountError::Unknown`] if there is no such account in use.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), AccountError> {
        if password.chars().count() < PASSWORD_CHARS_MIN {
            return Err(AccountError::Form);
        }
        let hash = hashed(password)?;
        self.change(name, |account| {
            if account.disabled {
                return Err(AccountError::Unknown(account.name.clone()));
            }
            account.password = Some(hash);
            Ok(())
        })
    }

    /// All accounts, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Account> {
        self.accounts.read().values().cloned().collect()
    }

    /// An account that is in use.
    #[must_use]
    pub fn active(&self, name: &str) -> Option<Account> {
        self.accounts.read().get(name).filter(|account| !account.disabled).cloned()
    }

    /// Whether there is an account of that name, in use or not.
    #[must_use]
    pub fn is_known(&self, name: &str) -> bool {
        self.accounts.read().contains_key(name)
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
        now: UnixMillis,
    ) -> Result<String, AccountError> {
        let account = match credentials {
            Some(credentials) => {
                let account = self.named(&credentials.user, &credentials.password)?;
                if account.has_second_factor() {
                    let code = credentials.code.as_deref().ok_or(AccountError::CodeNeeded)?;
                    self.spend_code(&account.name, code, now)?;
                }
                account
            }
            None => {
                let uid = uid.unwrap_or(u32::MAX);
                let accounts = self.accounts.read();
                let own = accounts.values().find(|account| account.uid == Some(uid) && !account.disabled);
                own.cloned().ok_or(AccountError::NoAccount(uid))?
            }
        };
        if account.may(needed) {
            Ok(account.name)
        } else {
            Err(AccountError::Denied { name: account.name, needed })
        }
    }

    /// The account a name and password are of; takes as long for every wrong pair.
    ///
    /// # Errors
    /// [`AccountError::Password`] without saying which of the two is wrong.
    pub fn named(&self, user: &str, password: &str) -> Result<Account, AccountError> {
        let _turn = self.turn.lock();
        let account = self.accounts.read().get(user).cloned();
        // An unknown name costs as much as a wrong password.
        let stored = account.as_ref().and_then(|account| account.password.clone());
        let known = stored.is_some();
        let stored = match stored {
            Some(stored) => stored,
            None => hashed("no such account")?,
        };
        let parsed = PasswordHash::new(&stored).map_err(|_| AccountError::Password)?;
        let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
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
