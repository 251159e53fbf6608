//! Who is enrolled. Asked on every call; a revocation takes effect at once, on open streams too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lienthong_proto::fingerprint::words;
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

/// A TLS key that was certified and not used yet; until then the one before it is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextKey {
    /// SHA-256 of it, hex.
    pub tls_key_hash: String,
    /// When it was certified first, milliseconds.
    pub at: u64,
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
    /// The TLS key that takes over with its first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextKey>,
    /// Whose its certificate is, as [`super::Authorities::is_current`] takes it.
    #[serde(default)]
    pub issuer: String,
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
        self.replica == replica || self.has_tls_key(tls_key_hash) || self.log_key == log_key
    }

    /// Whether a TLS key (hash, hex) is the one in use, or the next.
    #[must_use]
    pub fn has_tls_key(&self, hash: &str) -> bool {
        self.tls_key_hash == hash || self.is_next(hash)
    }

    /// Whether a TLS key (hash, hex) is the next.
    #[must_use]
    pub fn is_next(&self, hash: &str) -> bool {
        self.next.as_ref().is_some_and(|next| next.tls_key_hash == hash)
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

    /// The eight words of that key.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.log_public().map(|key| words(&key))
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

    /// Lets a replica's next TLS key (hash, hex) in: it takes over with its first use. Whether it was not let in before.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if the replica is not in use, [`RegistryError::Taken`] if somebody has that key.
    pub fn certify(
        &self,
        replica: ReplicaId,
        tls_key_hash: &str,
        now: UnixMillis,
    ) -> Result<bool, RegistryError> {
        let mut entries = self.entries.write();
        let mut next = entries.clone();
        let unknown = || RegistryError::Unknown(replica.to_string());
        let entry = next.get_mut(&replica).filter(|entry| entry.is_active()).ok_or_else(unknown)?;
        if entry.has_tls_key(tls_key_hash) {
            return Ok(false);
        }
        if entries.values().any(|known| known.has_tls_key(tls_key_hash)) {
            return Err(RegistryError::Taken);
        }
        entry.next = Some(NextKey { tls_key_hash: tls_key_hash.to_owned(), at: now.0 });
        self.keep(&next)?;
        *entries = next;
        Ok(true)
    }

    /// A replica's next TLS key was used: the one before is good no more, on open streams neither.
    fn take_over(
        &self,
        PeerIdentity { replica, issuer, .. }: &PeerIdentity,
        tls_key_hash: &str,
    ) -> Result<(), RegistryError> {
        let mut entries = self.entries.write();
        let mut next = entries.clone();
        // Another call of the same key may have been faster.
        let Some(entry) = next.get_mut(replica).filter(|entry| entry.is_next(tls_key_hash)) else {
            return Ok(());
        };
        entry.next = None;
        tls_key_hash.clone_into(&mut entry.tls_key_hash);
        issuer.clone_into(&mut entry.issuer);
        self.keep(&next)?;
        *entries = next;
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether a peer may call, and as what. A key that was certified last takes over with this.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn authorise(&self, peer: &PeerIdentity) -> Result<Enrolled, Refusal> {
        let mut entry = self.get(peer.replica).ok_or(Refusal::Unknown)?;
        let hash = hex::encode(peer.key_hash);
        if !entry.has_tls_key(&hash) || entry.unit != peer.unit {
            return Err(Refusal::Unknown);
        }
        match entry.state {
            ReplicaState::Active if entry.is_next(&hash) => {
                if let Err(error) = self.take_over(peer, &hash) {
                    // It goes on with both; the next call tries again.
                    tracing::error!(replica = %peer.replica, %error, "a key's first use cannot be kept");
                }
                entry.next = None;
                entry.tls_key_hash = hash;
                Ok(entry)
            }
            ReplicaState::Active => Ok(entry),
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
        self.entries.read().values().find(|entry| entry.has_tls_key(&wanted)).cloned()
    }

    /// The replicas of a unit.
    #[must_use]
    pub fn of_unit(&self, unit: &UnitCode) -> Vec<Enrolled> {
        self.entries.read().values().filter(|entry| entry.unit == *unit).cloned().collect()
    }

    /// How many replicas there are, in use or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.read().len()
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
