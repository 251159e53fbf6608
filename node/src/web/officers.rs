//! The officers who may open the page from the office network, each with a password of their own.

use std::path::Path;

use argon2::password_hash::SaltString;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::Answer;
use crate::identity::{PrivateList, PrivateListError};

/// The file in the data folder.
const FILE: &str = "officers.json";
const PASSWORD_CHARS_MIN: usize = 10;
/// Longer ones are refused rather than hashed.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// A committee has a handful.
const OFFICERS_MAX: usize = 64;

/// Why officers cannot be kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum OfficerError {
    /// They cannot be kept.
    #[error(transparent)]
    Kept(#[from] PrivateListError),
    /// A name nobody can tell apart, or a password too short to keep anyone out.
    #[error(
        "tên chỉ gồm a-z, 0-9, dấu chấm và gạch, tối đa 32 ký tự; mật khẩu ít nhất 10 ký tự · names are of a-z, 0-9, dot and dash, at most 32 characters; passwords of at least 10 characters"
    )]
    Form,
    /// The name is in use.
    #[error("đã có cán bộ {0}: hãy xóa trước · there is an officer {0}: remove that one first")]
    Taken(String),
    /// Nobody of that name.
    #[error("không có cán bộ {0} · there is no officer {0}")]
    Unknown(String),
    /// Enough is enough.
    #[error("quá nhiều cán bộ: hãy xóa bớt · too many officers: remove some")]
    TooMany,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    name: String,
    /// Argon2id, in its own notation.
    password: String,
    created_at: u64,
}

/// What may be asked of officers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "officers", rename_all = "snake_case")]
pub enum OfficerRequest {
    /// Let one in from now on.
    Add {
        /// As the records they write will name them.
        name: String,
        /// Their password.
        password: String,
    },
    /// All of them.
    List,
    /// Let one in no more, at once.
    Remove {
        /// Who.
        name: String,
    },
}

impl std::fmt::Debug for OfficerRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfficerRequest")
    }
}

/// The officers of a data folder, read when first needed.
pub struct Officers {
    kept: PrivateList<Kept>,
    /// One password at a time: guessing stays slow, and so does what it takes of memory.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Officers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Officers").finish_non_exhaustive()
    }
}

impl Officers {
    /// The officers of the folder `data`.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { kept: PrivateList::new(data.join(FILE)), turn: Mutex::new(()) }
    }

    /// Whether they can be read at all: before a listener opens.
    ///
    /// # Errors
    /// [`OfficerError`] if not.
    pub fn check(&self) -> Result<(), OfficerError> {
        self.kept.with(|_| Ok(()))
    }

    /// Whether this is that officer's password. An unknown name costs as much as a wrong password.
    #[must_use]
    pub fn is_password(&self, name: &str, password: &str) -> bool {
        let _turn = self.turn.lock();
        let stored = self.kept.with(|kept| {
            let found = kept.iter().find(|officer| officer.name == name);
            Ok(found.map(|officer| officer.password.clone()))
        });
        let stored = stored.unwrap_or_else(|error: OfficerError| {
            tracing::error!(%error, "the officers cannot be read: nobody is let in");
            None
        });
        let known = stored.is_some();
        let Ok(stored) = stored.map_or_else(|| hashed("no such officer"), Ok) else { return false };
        let Ok(parsed) = PasswordHash::new(&stored) else { return false };
        let fits = password.len() <= PASSWORD_BYTES_MAX
            && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        known && fits
    }

    /// Does what is asked.
    #[must_use]
    pub fn answer(&self, request: &OfficerRequest, now: UnixMillis) -> Answer {
        let answered = match request {
            OfficerRequest::Add { name, password } => {
                self.add(name, password, now).map(|()| json!({ "name": name, "created_at": now.rfc3339() }))
            }
            OfficerRequest::List => self.list(),
            OfficerRequest::Remove { name } => {
                self.remove(name).map(|()| json!({ "name": name, "removed_at": now.rfc3339() }))
            }
        };
        answered.map_or_else(Answer::failed, Answer::done)
    }

    fn add(&self, name: &str, password: &str, now: UnixMillis) -> Result<(), OfficerError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        let named = !name.is_empty() && name.len() <= 32 && name.chars().all(fine);
        let long = password.chars().count() >= PASSWORD_CHARS_MIN && password.len() <= PASSWORD_BYTES_MAX;
        if !named || !long {
            return Err(OfficerError::Form);
        }
        let password = hashed(password)?;
        self.kept.change(|kept| {
            if kept.iter().any(|officer| officer.name == name) {
                return Err(OfficerError::Taken(name.to_owned()));
            }
            if kept.len() >= OFFICERS_MAX {
                return Err(OfficerError::TooMany);
            }
            kept.push(Kept { name: name.to_owned(), password, created_at: now.0 });
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> Result<(), OfficerError> {
        self.kept.change(|kept| {
            let before = kept.len();
            kept.retain(|officer| officer.name != name);
            if kept.len() == before { Err(OfficerError::Unknown(name.to_owned())) } else { Ok(()) }
        })
    }

    fn list(&self) -> Result<serde_json::Value, OfficerError> {
        self.kept.with(|kept| {
            let item = |officer: &Kept| {
                json!({ "name": officer.name, "created_at": UnixMillis(officer.created_at).rfc3339() })
            };
            Ok(json!({ "items": kept.iter().map(item).collect::<Vec<_>>(), "next": null }))
        })
    }
}

fn hashed(password: &str) -> Result<String, OfficerError> {
    let salt: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&salt).map_err(|_| OfficerError::Form)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| OfficerError::Form)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_lets_its_officer_in_until_removed_and_is_kept_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let officers = Officers::of(dir.path());
        let add = |name: &str, password: &str| officers.add(name, password, UnixMillis(1));
        add("lan", "mật khẩu dài").unwrap();
        assert!(officers.is_password("lan", "mật khẩu dài"));
        for (name, password) in [("lan", "mật khẩu khác"), ("lan", ""), ("ai", "no such officer"), ("", "")]
        {
            assert!(!officers.is_password(name, password), "{name}");
        }
        let path = dir.path().join(FILE);
        let file = std::fs::read_to_string(&path).unwrap();
        assert!(file.contains("$argon2id$") && !file.contains("mật khẩu"), "{file}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            Officers::of(dir.path()).is_password("lan", "mật khẩu dài"),
            "another process reads the same"
        );
        assert!(matches!(add("lan", "mật khẩu dài"), Err(OfficerError::Taken(_))));
        for (name, password) in [("Lan", "mật khẩu dài"), ("", "mật khẩu dài"), ("minh", "ngắn")]
        {
            assert!(matches!(add(name, password), Err(OfficerError::Form)), "{name}");
        }
        let listed = officers.answer(&OfficerRequest::List, UnixMillis(2)).body.to_string();
        assert!(listed.contains("lan") && !listed.contains("argon2"), "{listed}");
        officers.remove("lan").unwrap();
        assert!(!officers.is_password("lan", "mật khẩu dài"));
        assert!(matches!(officers.remove("lan"), Err(OfficerError::Unknown(_))));
    }

    #[test]
    fn a_file_others_may_read_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        Officers::of(dir.path()).add("lan", "mật khẩu dài", UnixMillis(1)).unwrap();
        let path = dir.path().join(FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let officers = Officers::of(dir.path());
        assert!(officers.check().is_err() && !officers.is_password("lan", "mật khẩu dài"));
    }
}
