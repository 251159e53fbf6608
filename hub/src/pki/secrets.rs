//! The hub's keys in `DATA/secrets`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_node::identity::read_private;
use lienthong_proto::hash::{BadSeed, Signer as _, SigningKey, hmac_sha256};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::note::{Algorithm, NoteError, Verifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::{Authorities, AuthoritiesError, Kit, KitError, ReceiptSeeds, Seal, SealError};

/// What is public of the hub.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HubProfile {
    /// Format of this file.
    pub version: u32,
    /// The province's code.
    pub province: UnitCode,
    /// Domain of origins and certificates.
    pub domain: String,
    /// The hub's own replica.
    pub replica: ReplicaId,
    /// Names and addresses in the hub's certificate.
    pub names: Vec<String>,
    /// The offline recovery key's public half, hex.
    pub recovery_key: String,
    /// The signed statements by which this ledger follows others, the oldest first.
    #[serde(default)]
    pub successions: Vec<String>,
}

/// Why the secrets are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// There are none.
    #[error(
        "{0} chưa được khởi tạo: hãy chạy `lienthong-hub init` · is not initialised: run `lienthong-hub init` first"
    )]
    Uninitialised(String),
    /// A sealed file does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The authorities do not open.
    #[error(transparent)]
    Authorities(#[from] Box<AuthoritiesError>),
    /// A file does not hold what it should.
    #[error("{0} does not hold what it should")]
    Malformed(&'static str),
    /// A key's seed is unusable.
    #[error(transparent)]
    Seed(#[from] BadSeed),
}

/// The hub's keys, opened.
pub struct HubSecrets {
    /// What is public.
    pub profile: HubProfile,
    /// Seals further files.
    pub seal: Seal,
    /// Where they stand.
    pub dir: PathBuf,
    /// Signs ledger checkpoints.
    pub ledger_key: Arc<SigningKey>,
    /// Cosign receipts, each those of its span.
    pub receipt_seeds: ReceiptSeeds,
    /// Makes record ids.
    pub provincial_key: Arc<[u8]>,
    /// Issue certificates, and are trusted.
    pub authorities: Arc<Authorities>,
    /// The hub's own certificate.
    pub server: CertificateDer<'static>,
    server_key: Vec<u8>,
}

impl std::fmt::Debug for HubSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSecrets").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The public half of the offline recovery key.
#[must_use]
pub fn recovery_public(profile: &HubProfile) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(&profile.recovery_key, &mut key).ok().map(|()| key)
}

/// The seal's key in a backup.
pub const WRAPPED: &str = "seal.key.wrapped";

/// Seals the seal's key for a backup: who has the recovery kit opens it.
fn backup_seal(cosigner_seed: &[u8]) -> Result<Seal, SealError> {
    Seal::new(&hmac_sha256(cosigner_seed, &[b"lienthong backup seal 1"]))
}

/// The seal of a backup's secrets, opened with the kit.
///
/// # Errors
/// [`KitError`] if the kit is another hub's.
pub fn unwrap_seal(kit: &Kit, wrapped: &[u8]) -> Result<Seal, KitError> {
    let closed = |_| KitError::Closed;
    let key =
        backup_seal(&kit.cosigner_seed()?).and_then(|seal| seal.open(WRAPPED, wrapped)).map_err(closed)?;
    Seal::new(&key).map_err(closed)
}

/// The folder of a hub's secrets.
pub(super) fn folder(data: &Path) -> PathBuf {
    data.join("secrets")
}

impl HubSecrets {
    /// Opens the secrets of a data folder.
    ///
    /// # Errors
    /// [`SecretsError`] if there are none, or they do not open.
    pub fn load(data: &Path) -> Result<Self, SecretsError> {
        let dir = folder(data);
        if !dir.join("profile.json").exists() {
            return Err(SecretsError::Uninitialised(data.display().to_string()));
        }
        let plain = |name: &str| {
            let path = dir.join(name);
            read_private(&path).map_err(|source| SealError::Io { path: path.display().to_string(), source })
        };
        let seal = Seal::new(&plain("seal.key")?)?;
        let seed = |name: &'static str| -> Result<Arc<SigningKey>, SecretsError> {
            let seed = seal.read(&dir, name)?.try_into().map_err(|_| SecretsError::Malformed(name))?;
            Ok(Arc::new(SigningKey::from_seed(&seed)?))
        };
        let text = |bytes: Vec<u8>, name| String::from_utf8(bytes).map_err(|_| SecretsError::Malformed(name));
        let first = (
            text(plain("authority.pem")?, "authority.pem")?,
            text(seal.read(&dir, "authority.key")?, "authority.key")?,
        );
        let authorities = Authorities::open(&seal, &dir, first).map_err(Box::new)?;
        Ok(Self {
            profile: serde_json::from_slice(&plain("profile.json")?)
                .map_err(|_| SecretsError::Malformed("profile.json"))?,
            ledger_key: seed("ledger.seed")?,
            receipt_seeds: ReceiptSeeds::open(&seal, &dir, seed("cosigner.seed")?)?,
            provincial_key: seal.read(&dir, "provincial.key")?.into(),
            authorities: Arc::new(authorities),
            server: CertificateDer::from(plain("server.der")?),
            server_key: seal.read(&dir, "server.key")?,
            seal,
            dir,
        })
    }

    /// The root of the hub's own certificate.
    #[must_use]
    pub fn root(&self) -> CertificateDer<'static> {
        self.authorities.serving_root()
    }

    /// The key of the hub's own certificate.
    ///
    /// # Errors
    /// [`SecretsError::Malformed`] if it is no private key.
    pub fn server_key(&self) -> Result<PrivateKeyDer<'static>, SecretsError> {
        PrivateKeyDer::try_from(self.server_key.clone()).map_err(|_| SecretsError::Malformed("server.key"))
    }

    /// The seal's key, sealed with what the recovery kit holds: a backup holds no key in clear.
    ///
    /// # Errors
    /// [`SecretsError`] if a file does not open.
    pub fn wrapped_seal_key(&self) -> Result<Vec<u8>, SecretsError> {
        let path = self.dir.join("seal.key");
        let key = read_private(&path)
            .map_err(|source| SealError::Io { path: path.display().to_string(), source })?;
        let cosigner = self.seal.read(&self.dir, "cosigner.seed")?;
        Ok(backup_seal(&cosigner)?.seal(WRAPPED, &key)?)
    }

    /// A key of its own for a purpose and what it is about: the hub alone can make it, and makes it again after a
    /// restore.
    ///
    /// # Errors
    /// [`SecretsError`] if the seed does not open.
    pub fn keyed(&self, purpose: &str, about: &[u8]) -> Result<[u8; 32], SecretsError> {
        let seed = self.seal.read(&self.dir, "cosigner.seed")?;
        Ok(hmac_sha256(&seed, &[purpose.as_bytes(), &[0], about]))
    }

    /// The ledger's name in checkpoints.
    #[must_use]
    pub fn ledger_origin(&self) -> String {
        self.origin(&self.profile.province, self.profile.replica)
    }

    /// The name of a replica's log in checkpoints.
    #[must_use]
    pub fn origin(&self, unit: &UnitCode, replica: ReplicaId) -> String {
        let HubProfile { domain, province, .. } = &self.profile;
        format!("{domain}/{province}/{unit}/{replica}")
    }

    /// The name receipts are cosigned with.
    #[must_use]
    pub fn cosigner_name(&self) -> String {
        lienthong_node::identity::cosigner_name(&self.profile.domain, self.profile.province.as_str())
    }

    /// A key of receipts under its name.
    ///
    /// # Errors
    /// [`NoteError`] if the name cannot be one.
    pub fn receipt_verifier(&self, key: &SigningKey) -> Result<Verifier, NoteError> {
        Verifier::new(&self.cosigner_name(), Algorithm::Cosignature, key.public_key())
    }

    /// The ledger's public key.
    #[must_use]
    pub fn ledger_public(&self) -> [u8; 32] {
        self.ledger_key.public_key()
    }
}
