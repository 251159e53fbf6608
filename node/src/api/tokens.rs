//! Named bearer tokens of the committee's own software. Only hashes are kept: nobody
//! who reads the file can use it.

use std::path::Path;

use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::secret::{TOKENS_MAX, TokenSecret, is_token_name};
use crate::control::Answer;
use crate::identity::{PrivateList, PrivateListError};

/// The file in the data folder.
const FILE: &str = "api-tokens.json";
/// What every token begins with, so that a search for leaked secrets finds it.
const PREFIX: &str = "lta1.";
/// Revoked ones remembered for the list.
const REVOKED_MAX: usize = 256;

/// Why tokens cannot be kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    /// They cannot be kept.
    #[error(transparent)]
    Kept(#[from] PrivateListError),
    /// A name nobody can tell apart from another.
    #[error(
        "tên chỉ gồm a-z, 0-9, dấu chấm và gạch, tối đa 32 ký tự · names are of a-z, 0-9, dot and dash, at most 32 characters"
    )]
    Form,
    /// The name is in use.
    #[error("đã có mã tên {0}: hãy thu hồi trước · there is a token named {0}: revoke it first")]
    Taken(String),
    /// Nothing of that name is in use.
    #[error("không có mã nào tên {0} · there is no token named {0}")]
    Unknown(String),
    /// Enough is enough.
    #[error("quá nhiều mã: hãy thu hồi bớt · too many tokens: revoke some")]
    TooMany,
}

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    /// SHA-256 of the whole token, hexadecimal; gone once revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<u64>,
}

impl Kept {
    fn is_live(&self, name: &str) -> bool {
        self.sha256.is_some() && self.name == name
    }
}

/// What may be asked of tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "tokens", rename_all = "snake_case")]
pub enum ApiTokenRequest {
    /// Make one; its secret is told this once.
    Create {
        /// For what program.
        name: String,
    },
    /// All of them, without secrets.
    List,
    /// End one, at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// The tokens of a data folder, read when first needed.
#[derive(Debug)]
pub struct ApiTokens {
    kept: PrivateList<Kept>,
}

impl ApiTokens {
    /// The tokens of the folder `data`.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { kept: PrivateList::new(data.join(FILE)) }
    }

    /// Whether they can be read at all: before a listener opens.
    ///
    /// # Errors
    /// [`ApiTokenError`] if not.
    pub fn check(&self) -> Result<(), ApiTokenError> {
        self.kept.with(|_| Ok(()))
    }

    /// The name of the token presented, if it is one and not revoked. Takes as long for any text.
    #[must_use]
    pub fn name_of(&self, presented: &str) -> Option<String> {
        let found = self.kept.with(|kept| {
            let live = kept.iter().filter_map(|token| Some((token.sha256.as_deref()?, &token.name)));
            Ok(TokenSecret::find(presented, live).cloned())
        });
        found.unwrap_or_else(|error: ApiTokenError| {
            tracing::error!(%error, "the tokens cannot be read: nobody is let in");
            None
        })
    }

    /// Makes a token for the program `name`; returns its text, which is kept nowhere.
    ///
    /// # Errors
    /// [`ApiTokenError`] if the name is refused or it cannot be kept.
    pub fn create(&self, name: &str, now: UnixMillis) -> Result<String, ApiTokenError> {
        if !is_token_name(name) {
            return Err(ApiTokenError::Form);
        }
        let TokenSecret { text: token, sha256 } = TokenSecret::random(PREFIX);
        let sha256 = Some(sha256);
        self.kept.change(|kept| {
            if kept.iter().any(|token| token.is_live(name)) {
                return Err(ApiTokenError::Taken(name.to_owned()));
            }
            if kept.iter().filter(|token| token.sha256.is_some()).count() >= TOKENS_MAX {
                return Err(ApiTokenError::TooMany);
            }
            kept.push(Kept { name: name.to_owned(), sha256, created_at: now.0, revoked_at: None });
            Ok(())
        })?;
        Ok(token)
    }

    /// Ends a token.
    ///
    /// # Errors
    /// [`ApiTokenError`] if there is none or it cannot be kept.
    pub fn revoke(&self, name: &str, now: UnixMillis) -> Result<(), ApiTokenError> {
        self.kept.change(|kept| {
            let token = kept.iter_mut().find(|token| token.is_live(name));
            let token = token.ok_or_else(|| ApiTokenError::Unknown(name.to_owned()))?;
            token.sha256 = None;
            token.revoked_at = Some(now.0);
            let revoked = kept.iter().filter(|token| token.sha256.is_none()).count();
            let mut surplus = revoked.saturating_sub(REVOKED_MAX);
            kept.retain(|token| {
                let forget = token.sha256.is_none() && surplus > 0;
                surplus -= usize::from(forget);
                !forget
            });
            Ok(())
        })
    }

    /// Does what is asked of tokens.
    #[must_use]
    pub fn answer(&self, request: &ApiTokenRequest, now: UnixMillis) -> Answer {
        let answered = match request {
            ApiTokenRequest::Create { name } => self
                .create(name, now)
                .map(|token| json!({ "name": name, "token": token, "created_at": now.rfc3339() })),
            ApiTokenRequest::List => self.list().map(|items| json!({ "items": items, "next": null })),
            ApiTokenRequest::Revoke { name } => {
                self.revoke(name, now).map(|()| json!({ "name": name, "revoked_at": now.rfc3339() }))
            }
        };
        answered.map_or_else(Answer::failed, Answer::done)
    }

    fn list(&self) -> Result<Vec<Json>, ApiTokenError> {
        let time = |millis: u64| UnixMillis(millis).rfc3339();
        let item = |token: &Kept| {
            json!({
                "name": token.name,
                "created_at": time(token.created_at),
                "revoked_at": token.revoked_at.map(time),
            })
        };
        self.kept.with(|kept| Ok(kept.iter().map(item).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_good_until_revoked_and_only_its_hash_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = ApiTokens::of(dir.path());
        let token = tokens.create("quanly-donthu", UnixMillis(1)).unwrap();
        assert!(token.len() >= 5 + 64, "256 bits");
        assert_eq!(tokens.name_of(&token).as_deref(), Some("quanly-donthu"));
        let file = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!file.contains(token.trim_start_matches(PREFIX)), "only the hash");
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let listed = tokens.answer(&ApiTokenRequest::List, UnixMillis(2)).body.to_string();
        assert!(listed.contains("quanly-donthu") && !listed.contains("sha256"), "{listed}");

        // Another process of the folder reads the same.
        let again = ApiTokens::of(dir.path());
        assert!(again.name_of(&token).is_some());
        for wrong in ["", PREFIX, &token[..token.len() - 1], &format!("{token}0"), &token.to_uppercase()] {
            assert_eq!(again.name_of(wrong), None, "{wrong}");
        }
        assert!(matches!(tokens.create("quanly-donthu", UnixMillis(1)), Err(ApiTokenError::Taken(_))));
        for name in ["", "Đơn thư", "a b", "../a", &"x".repeat(33)] {
            assert!(matches!(tokens.create(name, UnixMillis(1)), Err(ApiTokenError::Form)), "{name}");
        }
        tokens.revoke("quanly-donthu", UnixMillis(3)).unwrap();
        assert_eq!(tokens.name_of(&token), None);
        assert_eq!(ApiTokens::of(dir.path()).name_of(&token), None);
        assert!(matches!(tokens.revoke("quanly-donthu", UnixMillis(3)), Err(ApiTokenError::Unknown(_))));
        let second = tokens.create("quanly-donthu", UnixMillis(4)).unwrap();
        assert_ne!(second, token);
        assert_eq!((tokens.name_of(&second).is_some(), tokens.name_of(&token)), (true, None));
    }

    #[test]
    fn a_file_others_may_read_or_that_is_not_ours_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let token = ApiTokens::of(dir.path()).create("a", UnixMillis(1)).unwrap();
        let path = dir.path().join(FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let tokens = ApiTokens::of(dir.path());
        assert!(tokens.check().unwrap_err().to_string().contains("chmod 600"));
        assert_eq!(tokens.name_of(&token), None);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"{").unwrap();
        assert!(matches!(
            ApiTokens::of(dir.path()).check(),
            Err(ApiTokenError::Kept(PrivateListError::Malformed { .. }))
        ));
    }
}
