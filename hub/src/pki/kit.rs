//! The recovery kit: everything a hub cannot be made again without, sealed by a passphrase, kept off the machine.

use std::path::Path;

use lienthong_proto::checkpoint::{CheckpointError, Origin};
use lienthong_proto::hash::{BadSeed, Signer as _, SigningKey};
use lienthong_proto::succession::Ledger;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authorities::Kept;
use super::{HubProfile, SealError, open_kit, seal_kit};

/// Why a kit does not serve.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Wrong passphrase, or altered.
    #[error(
        "bộ khôi phục không mở được: sai mật khẩu, hoặc tệp bị hỏng · the recovery kit does not open: a wrong passphrase, or a damaged file"
    )]
    Closed,
    /// It does not hold what a kit should.
    #[error("the recovery kit does not hold what it should: {0}")]
    Malformed(String),
}

impl From<BadSeed> for KitError {
    fn from(error: BadSeed) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<CheckpointError> for KitError {
    fn from(error: CheckpointError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What a kit holds. It stays good after a succession: only the ledger's key is another then.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kit {
    /// The hub as it was made.
    pub profile: HubProfile,
    /// The authority's key, PKCS#8 PEM.
    pub(super) authority_key: String,
    /// The authority's certificate, PEM.
    pub(super) authority: String,
    /// The first ledger's seed, hex.
    pub(super) ledger: String,
    /// The first seed of receipts, hex.
    pub(super) cosigner: String,
    /// The recovery key's seed, hex.
    pub(super) recovery: String,
    /// The provincial key, hex.
    pub(super) provincial: String,
    /// The authorities, if there was another after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rotated: Option<Kept>,
    /// The seeds of receipts that followed the first, hex, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) receipts: Vec<String>,
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Kit {
    /// Opens the kit in a file.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn open(path: &Path, passphrase: &str) -> Result<Self, KitError> {
        let io = |source| KitError::Io { path: path.display().to_string(), source };
        let sealed = std::fs::read(path).map_err(io)?;
        let plain = Zeroizing::new(open_kit(passphrase.trim(), &sealed).map_err(|_| KitError::Closed)?);
        let kit: Self =
            serde_json::from_slice(&plain).map_err(|error| KitError::Malformed(error.to_string()))?;
        let pinned = hex::encode(kit.recovery_key()?.public_key());
        if pinned == kit.profile.recovery_key {
            Ok(kit)
        } else {
            Err(KitError::Malformed("its recovery key is not the one nodes have pinned".to_owned()))
        }
    }

    /// The kit's bytes, sealed.
    ///
    /// # Errors
    /// [`SealError`].
    pub(super) fn seal(&self, passphrase: &str) -> Result<Vec<u8>, SealError> {
        let plain = serde_json::to_vec(self).map_err(|error| SealError::Opened(error.to_string()))?;
        seal_kit(passphrase, &Zeroizing::new(plain))
    }

    fn seed(text: &str) -> Result<[u8; 32], KitError> {
        let mut seed = [0; 32];
        hex::decode_to_slice(text, &mut seed).map_err(|error| KitError::Malformed(error.to_string()))?;
        Ok(seed)
    }

    /// Signs successions.
    ///
    /// # Errors
    /// [`KitError::Malformed`].
    pub fn recovery_key(&self) -> Result<SigningKey, KitError> {
        Ok(SigningKey::from_seed(&Self::seed(&self.recovery)?)?)
    }

    pub(super) fn cosigner_seed(&self) -> Result<[u8; 32], KitError> {
        Self::seed(&self.cosigner)
    }

    pub(super) fn provincial_key(&self) -> Result<[u8; 32], KitError> {
        Self::seed(&self.provincial)
    }

    /// The ledger the hub was made with.
    ///
    /// # Errors
    /// [`KitError::Malformed`].
    pub fn first_ledger(&self) -> Result<Ledger, KitError> {
        let HubProfile { domain, province, replica, .. } = &self.profile;
        let origin = Origin::new(domain, province.as_str(), province, *replica)?;
        let key = SigningKey::from_seed(&Self::seed(&self.ledger)?)?.public_key();
        Ok(Ledger { origin, key })
    }
}
