//! One-time enrolment tokens, kept hashed and sealed.

use std::path::PathBuf;

use lienthong_node::identity::{Token, spki_hash};
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::{Guesses, HubSecrets, Seal, SealError};

/// What a replica is enrolled as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A commune, ward or affiliated committee.
    Commune,
    /// The province.
    Province,
    /// An agency that receives.
    Auditor,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Commune => "commune",
            Self::Province => "province",
            Self::Auditor => "auditor",
        })
    }
}

/// One token as the hub knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Its number, hex.
    pub id: String,
    secret_hash: String,
    /// For which unit.
    pub unit: UnitCode,
    /// As what.
    pub role: Role,
    /// Until when, milliseconds.
    pub expires: u64,
    /// Who made it.
    pub actor: String,
    /// When it was used, milliseconds.
    pub used: Option<u64>,
    /// Digest of the keys it was used for: the same ask again if the answer was lost.
    #[serde(default)]
    used_by: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Wrong secrets tried.
    pub failures: u32,
}

impl TokenEntry {
    /// Whether wrong secrets locked it, of which whoever made it must hear as long as it would be good.
    #[must_use]
    pub fn is_guessed(&self, now: UnixMillis) -> bool {
        self.failures >= FAILURES_MAX && self.expires > now.0
    }

    /// What people may see of it: never the secret.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id,
            "unit": self.unit,
            "role": self.role,
            "expires": UnixMillis(self.expires).rfc3339(),
            "actor": self.actor,
            "used": self.used.map(|at| UnixMillis(at).rfc3339()),
            "revoked": self.revoked,
            "failures": self.failures,
        })
    }
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No such token, or a wrong secret.
    #[error("mã ghi danh không đúng · the token is not right")]
    Unknown,
    /// Spent.
    #[error("mã ghi danh đã được dùng; hãy xin mã mới · the token was used already; ask for a new one")]
    Used,
    /// Too late.
    #[error("mã ghi danh đã hết hạn; hãy xin mã mới · the token has expired; ask for a new one")]
    Expired,
    /// Taken back, or tried too often.
    #[error("mã ghi danh đã bị thu hồi; hãy xin mã mới · the token was revoked; ask for a new one")]
    Revoked,
    /// The file of tokens fails.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A token locks itself after so many wrong secrets.
const FAILURES_MAX: u32 = 5;
const FILE: &str = "tokens.sealed";

/// The hub's tokens.
#[derive(Debug)]
pub struct Tokens {
    /// Wrong ones of late.
    pub guesses: Guesses,
    entries: Mutex<Vec<TokenEntry>>,
    seal: Seal,
    dir: PathBuf,
}

impl Tokens {
    /// Opens the tokens of a hub.
    ///
    /// # Errors
    /// [`TokenError::Seal`] if they do not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, TokenError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let entries = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            Vec::new()
        };
        Ok(Self { guesses: Guesses::default(), entries: Mutex::new(entries), seal, dir })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenError::Seal`] if it cannot be kept.
    pub fn create(
        &self,
        secrets: &HubSecrets,
        unit: UnitCode,
        role: Role,
        expires: UnixMillis,
        actor: String,
    ) -> Result<Token, TokenError> {
        let (mut id, mut secret) = ([0; 8], [0; 16]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut secret);
        let root = spki_hash(&secrets.root()).unwrap_or_default();
        let ledger = sha256(&[&secrets.ledger_public()]);
        let entry = TokenEntry {
            id: hex::encode(id),
            secret_hash: hex::encode(sha256(&[&secret])),
            unit,
            role,
            expires: expires.0,
            actor,
            used: None,
            used_by: String::new(),
            revoked: false,
            failures: 0,
        };
        let mut entries = self.entries.lock();
        entries.push(entry);
        self.keep(&entries)?;
        Ok(Token { id, secret, root, ledger })
    }

    /// Spends a token on keys of which this is the digest: durably, before anything is issued for it. The same keys may
    /// ask again as long as it would be good.
    ///
    /// # Errors
    /// [`TokenError`] saying why not.
    pub fn redeem(
        &self,
        (id, secret): (&[u8], &[u8]),
        keys: &Digest,
        now: UnixMillis,
    ) -> Result<(UnitCode, Role), TokenError> {
        let mut entries = self.entries.lock();
        let id = hex::encode(id);
        let hash = hex::encode(sha256(&[secret]));
        let Some(entry) = entries.iter_mut().find(|entry| entry.id == id) else {
            return Err(TokenError::Unknown);
        };
        if entry.revoked {
            return Err(TokenError::Revoked);
        }
        // Both are digests of secrets: comparing them tells nothing about the secret.
        if entry.secret_hash != hash {
            entry.failures += 1;
            entry.revoked = entry.failures >= FAILURES_MAX;
            if entry.revoked {
                tracing::error!(id, "an enrolment token was tried too often and is locked");
            }
            self.keep(&entries)?;
            return Err(TokenError::Unknown);
        }
        let keys = hex::encode(keys);
        if entry.used.is_some() && entry.used_by != keys {
            return Err(TokenError::Used);
        }
        if entry.expires <= now.0 {
            return Err(TokenError::Expired);
        }
        let granted = (entry.unit.clone(), entry.role);
        if entry.used.is_some() {
            return Ok(granted);
        }
        (entry.used, entry.used_by) = (Some(now.0), keys);
        self.keep(&entries)?;
        Ok(granted)
    }

    /// Whether there is a token of that number, good or not: no secret, and nothing that can be guessed.
    #[must_use]
    pub fn is_known(&self, id: &[u8]) -> bool {
        let id = hex::encode(id);
        self.entries.lock().iter().any(|entry| entry.id == id)
    }

    /// All tokens.
    #[must_use]
    pub fn list(&self) -> Vec<TokenEntry> {
        self.entries.lock().clone()
    }

    /// Whether one is out that can be used still.
    #[must_use]
    pub fn any_open(&self, now: UnixMillis) -> bool {
        let open = |entry: &TokenEntry| entry.used.is_none() && !entry.revoked && entry.expires > now.0;
        self.entries.lock().iter().any(open)
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// [`TokenError::Unknown`] if there is none of that number.
    pub fn revoke(&self, id: &str) -> Result<(), TokenError> {
        let mut entries = self.entries.lock();
        let entry = entries.iter_mut().find(|entry| entry.id == id).ok_or(TokenError::Unknown)?;
        entry.revoked = true;
        self.keep(&entries)
    }

    fn keep(&self, entries: &[TokenEntry]) -> Result<(), TokenError> {
        let bytes = serde_json::to_vec(entries).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        Ok(self.seal.write(&self.dir, FILE, &bytes)?)
    }
}
