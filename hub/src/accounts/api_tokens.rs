//! Named bearer tokens of programs, each an account's: its hash beside the accounts, sealed.
//!
//! A token has no rights of its own. Whoever presents it is the account it belongs to, as that is at this moment: an
//! account that loses a role or is disabled takes its tokens along.

use std::path::PathBuf;

use lienthong_node::api::{TOKENS_MAX, TokenSecret, is_token_name};
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::pki::{HubSecrets, Seal, SealError};

const FILE: &str = "api-tokens.sealed";
/// What every token begins with, so that a search for leaked secrets finds it.
const PREFIX: &str = "lth1.";
/// Revoked ones remembered for the list.
const REVOKED_MAX: usize = 256;

/// Why a token is not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    /// They cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
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
    /// It is somebody else's.
    #[error(
        "mã {0} của tài khoản khác: chỉ người quản trị thu hồi được · token {0} is another account’s: only an administrator can revoke it"
    )]
    Foreign(String),
    /// Enough is enough.
    #[error("quá nhiều mã: hãy thu hồi bớt · too many tokens: revoke some")]
    TooMany,
}

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// For what program.
    pub name: String,
    /// Whose rights it has.
    pub account: String,
    /// SHA-256 of the whole token, hexadecimal; gone once revoked.
    sha256: Option<String>,
    created_at: u64,
    revoked_at: Option<u64>,
}

impl ApiToken {
    fn is_live(&self, name: &str) -> bool {
        self.sha256.is_some() && self.name == name
    }

    /// As lists show it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let time = |millis: u64| UnixMillis(millis).rfc3339();
        serde_json::json!({
            "name": self.name,
            "account": self.account,
            "created_at": time(self.created_at),
            "revoked_at": self.revoked_at.map(time),
        })
    }
}

/// The API's tokens of a hub.
#[derive(Debug)]
pub struct ApiTokens {
    tokens: RwLock<Vec<ApiToken>>,
    seal: Seal,
    dir: PathBuf,
}

impl ApiTokens {
    /// Opens the tokens of a hub.
    ///
    /// # Errors
    /// [`SealError`] if they do not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, SealError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let tokens = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            Vec::new()
        };
        Ok(Self { tokens: RwLock::new(tokens), seal, dir })
    }

    /// The account a presented token belongs to, if it is one and not revoked. Takes as long for any text.
    #[must_use]
    pub fn account_of(&self, presented: &str) -> Option<String> {
        let tokens = self.tokens.read();
        let live = tokens.iter().filter_map(|token| Some((token.sha256.as_deref()?, &token.account)));
        TokenSecret::find(presented, live).cloned()
    }

    /// Makes a token of an account for the program `name`; returns its text, which is kept nowhere.
    ///
    /// # Errors
    /// [`ApiTokenError`] if the name is refused or it cannot be kept.
    pub fn create(&self, name: &str, account: &str, now: UnixMillis) -> Result<String, ApiTokenError> {
        if !is_token_name(name) {
            return Err(ApiTokenError::Form);
        }
        let secret = TokenSecret::random(PREFIX);
        self.change(|tokens| {
            if tokens.iter().any(|token| token.is_live(name)) {
                return Err(ApiTokenError::Taken(name.to_owned()));
            }
            if tokens.iter().filter(|token| token.sha256.is_some()).count() >= TOKENS_MAX {
                return Err(ApiTokenError::TooMany);
            }
            tokens.push(ApiToken {
                name: name.to_owned(),
                account: account.to_owned(),
                sha256: Some(secret.sha256.clone()),
                created_at: now.0,
                revoked_at: None,
            });
            Ok(())
        })?;
        Ok(secret.text)
    }

    /// Ends a token, one's own or, for who keeps accounts, anybody's.
    ///
    /// # Errors
    /// [`ApiTokenError`] if there is none, it is another's, or it cannot be kept.
    pub fn revoke(&self, name: &str, by: &str, any: bool, now: UnixMillis) -> Result<(), ApiTokenError> {
        self.change(|tokens| {
            let token = tokens.iter_mut().find(|token| token.is_live(name));
            let token = token.ok_or_else(|| ApiTokenError::Unknown(name.to_owned()))?;
            if !any && token.account != by {
                return Err(ApiTokenError::Foreign(name.to_owned()));
            }
            token.sha256 = None;
            token.revoked_at = Some(now.0);
            let mut surplus =
                tokens.iter().filter(|token| token.sha256.is_none()).count().saturating_sub(REVOKED_MAX);
            tokens.retain(|token| {
                let forget = token.sha256.is_none() && surplus > 0;
                surplus -= usize::from(forget);
                !forget
            });
            Ok(())
        })
    }

    /// All tokens, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<ApiToken> {
        self.tokens.read().clone()
    }

    /// Changes them; a change is on disk before it counts, and counts at once.
    fn change(
        &self,
        how: impl FnOnce(&mut Vec<ApiToken>) -> Result<(), ApiTokenError>,
    ) -> Result<(), ApiTokenError> {
        let mut tokens = self.tokens.write();
        let mut next = tokens.clone();
        how(&mut next)?;
        let bytes = serde_json::to_vec(&next).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        self.seal.write(&self.dir, FILE, &bytes)?;
        *tokens = next;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pki::{InitOptions, init};

    #[test]
    fn p9_a_token_is_an_accounts_until_revoked_and_only_its_hash_is_kept_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let options =
            InitOptions { province: "33".parse().unwrap(), domain: "a.example".into(), names: Vec::new() };
        init(dir.path(), &options).unwrap();
        let open = || ApiTokens::open(&HubSecrets::load(dir.path()).unwrap()).unwrap();
        let now = UnixMillis(1);
        let token = open().create("doi-soat", "lan", now).unwrap();
        assert_eq!(open().account_of(&token).as_deref(), Some("lan"));
        for wrong in ["", PREFIX, &token[..token.len() - 1], &token.to_uppercase()] {
            assert_eq!(open().account_of(wrong), None, "{wrong}");
        }
        let bytes = std::fs::read(dir.path().join("secrets").join(FILE)).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"doi-soat"), "not in clear");
        assert!(matches!(open().create("doi-soat", "minh", now), Err(ApiTokenError::Taken(_))));
        for name in ["", "Đối soát", "../a", &"x".repeat(33)] {
            assert!(matches!(open().create(name, "lan", now), Err(ApiTokenError::Form)), "{name}");
        }
        assert!(matches!(open().revoke("doi-soat", "minh", false, now), Err(ApiTokenError::Foreign(_))));
        assert_eq!(open().account_of(&token).as_deref(), Some("lan"));
        open().revoke("doi-soat", "quan-tri", true, now).unwrap();
        assert_eq!(open().account_of(&token), None);
        assert!(matches!(open().revoke("doi-soat", "lan", false, now), Err(ApiTokenError::Unknown(_))));
        assert!(open().create("doi-soat", "minh", now).is_ok(), "the name is free again");
        let tokens = open();
        for number in 1..TOKENS_MAX {
            tokens.create(&format!("t{number}"), "lan", now).unwrap();
        }
        assert!(matches!(tokens.create("one-more", "lan", now), Err(ApiTokenError::TooMany)));
    }
}
