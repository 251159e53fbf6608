//! Who is enrolled. Asked on every call; a revocation takes effect at once, on open streams too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{HubSecrets, PeerIdentity, Role, Seal, SealError};

/// Where a replica stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ReplicaState {
    /// In use.
    Active,
    /// Taken back by a person.
    Revoked {
        /// When, milliseconds.
        at: u64,
        /// Why.
        reason: String,
    },
    /// Its log contradicts what is held: read-only for ever.
    Fenced {
        /// When, milliseconds.
        at: u64,
        /// What it showed: the held and the other signed checkpoint.
        proofs: Vec<String>,
    },
}

/// One enrolled replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Which.
    pub replica: ReplicaId,
    /// Its unit.
    pub unit: UnitCode,
    /// As what.
    pub role: Role,
    /// SHA-256 of its TLS key, hex.
    pub tls_key_hash: String,
    /// The Ed25519 key of its log, hex.
    pub log_key: String,
    /// When, milliseconds.
    pub enrolled_at: u64,
    /// Where it stands.
    pub state: ReplicaState,
}

impl Enrolled {
    /// Whether the id or one of the keys (hex) is its own.
    fn has(&self, replica: ReplicaId, tls_key_hash: &str, log_key: &str) -> bool {
        self.replica == replica || self.tls_key_hash == tls_key_hash || self.log_key == log_key
    }

    /// Whether it is in use.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == ReplicaState::Active
    }

    /// The key of its log.
    #[must_use]
    pub fn log_public(&self) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        hex::decode_to_slice(&self.log_key, &mut key).ok().map(|()| key)
    }
}

/// Why a peer may not call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its certificate's key is not enrolled.
    #[error("máy này chưa được ghi danh · this machine is not enrolled")]
    Unknown,
    /// Its enrolment was taken back.
    #[error(
        "quyền của máy này đã bị thu hồi; hãy liên hệ tỉnh · this machine's enrolment was revoked; call the province"
    )]
    Revoked,
    /// Its log contradicts what is held.
    #[error(
        "nhật ký của máy này khác bản tỉnh đang giữ; hãy chạy `lienthong-node recover` · this machine's log contradicts what the province holds; run `lienthong-node recover`"
    )]
    Fenced,
}

impl Refusal {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Fenced => "fenced",
        }
    }
}

/// Why the registry did not change.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file fails.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// That replica id or key is enrolled already.
    #[error("this replica or key is enrolled already")]
    Taken,
    /// There is no such replica or unit.
    #[error("không có máy nào được ghi danh cho {0} · nothing is enrolled as {0}")]
    Unknown(String),
}

const FILE: &str = "registry.sealed";

/// The enrolled replicas.
#[derive(Debug)]
pub struct Registry {
    entries: RwLock<BTreeMap<ReplicaId, Enrolled>>,
    changes: watch::Sender<u64>,
    seal: Seal,
    dir: PathBuf,
}

impl Registry {
    /// Opens the registry of a hub.
    ///
    /// # Errors
    /// [`RegistryError::Seal`] if it does not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, RegistryError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let list: Vec<Enrolled> = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            Vec::new()
        };
        let entries = RwLock::new(list.into_iter().map(|entry| (entry.replica, entry)).collect());
        Ok(Self { entries, changes: watch::channel(0).0, seal, dir })
    }

    /// Enrols a replica durably.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] if its id or key is known.
    pub fn enrol(&self, entry: Enrolled) -> Result<(), RegistryError> {
        let mut entries = self.entries.write();
        if entries.values().any(|known| known.has(entry.replica, &entry.tls_key_hash, &entry.log_key)) {
            return Err(RegistryError::Taken);
        }
        let mut next = entries.clone();
        next.insert(entry.replica, entry);
        self.keep(&next)?;
        *entries = next;
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether an id or one of two keys (hex) is enrolled already.
    #[must_use]
    pub fn is_taken(&self, replica: ReplicaId, tls_key_hash: &str, log_key: &str) -> bool {
        self.entries.read().values().any(|known| known.has(replica, tls_key_hash, log_key))
    }

    /// Whether a peer may call, and as what.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn authorise(&self, peer: &PeerIdentity) -> Result<Enrolled, Refusal> {
        let entries = self.entries.read();
        let entry = entries.get(&peer.replica).ok_or(Refusal::Unknown)?;
        if entry.tls_key_hash != hex::encode(peer.key_hash) || entry.unit != peer.unit {
            return Err(Refusal::Unknown);
        }
        match entry.state {
            ReplicaState::Active => Ok(entry.clone()),
            ReplicaState::Revoked { .. } => Err(Refusal::Revoked),
            ReplicaState::Fenced { .. } => Err(Refusal::Fenced),
        }
    }

    /// Changes state of every active replica of a unit, or of one replica; returns which.
    fn change(&self, whom: &str, state: impl Fn() -> ReplicaState) -> Result<Vec<ReplicaId>, RegistryError> {
        let mut entries = self.entries.write();
        let mut next = entries.clone();
        let mut changed = Vec::new();
        for entry in next.values_mut() {
            let meant = entry.unit.as_str() == whom || entry.replica.to_string() == whom;
            if meant && entry.state == ReplicaState::Active {
                entry.state = state();
                changed.push(entry.replica);
            }
        }
        if changed.is_empty() {
            return Err(RegistryError::Unknown(whom.to_owned()));
        }
        self.keep(&next)?;
        *entries = next;
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
        Ok(changed)
    }

    /// Revokes a unit's replicas, or one replica.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if nothing active is meant.
    pub fn revoke(&self, whom: &str, reason: &str, now: UnixMillis) -> Result<Vec<ReplicaId>, RegistryError> {
        self.change(whom, || ReplicaState::Revoked { at: now.0, reason: reason.to_owned() })
    }

    /// Fences a replica whose log contradicts what is held.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if it is not active.
    pub fn fence(&self, replica: ReplicaId, proofs: &[String], now: UnixMillis) -> Result<(), RegistryError> {
        let state = || ReplicaState::Fenced { at: now.0, proofs: proofs.to_vec() };
        self.change(&replica.to_string(), state).map(|_| ())
    }

    /// Changes whenever the registry does: open streams look again.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A replica's entry.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<Enrolled> {
        self.entries.read().get(&replica).cloned()
    }

    /// The replica a TLS key belongs to.
    #[must_use]
    pub fn by_key_hash(&self, key_hash: &Digest) -> Option<Enrolled> {
        let wanted = hex::encode(key_hash);
        self.entries.read().values().find(|entry| entry.tls_key_hash == wanted).cloned()
    }

    /// All replicas.
    #[must_use]
    pub fn list(&self) -> Vec<Enrolled> {
        self.entries.read().values().cloned().collect()
    }

    fn keep(&self, entries: &BTreeMap<ReplicaId, Enrolled>) -> Result<(), RegistryError> {
        let list: Vec<&Enrolled> = entries.values().collect();
        let bytes = serde_json::to_vec(&list).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        Ok(self.seal.write(&self.dir, FILE, &bytes)?)
    }
}
