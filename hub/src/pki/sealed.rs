//! AES-256-GCM for files at rest and for the recovery kit.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use lienthong_node::identity::{read_private, write_private};
use rand::RngCore as _;

/// Why something sealed does not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Wrong key, wrong place, or altered.
    #[error("{0} does not open: the key is wrong, or it was altered or moved")]
    Opened(String),
    /// The passphrase cannot be stretched.
    #[error("the passphrase cannot be used: {0}")]
    Passphrase(String),
}

/// Seals small files with one key; each is bound to its name.
#[derive(Clone)]
pub struct Seal {
    key: std::sync::Arc<LessSafeKey>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// A seal of a 32-byte key.
    ///
    /// # Errors
    /// [`SealError::Opened`] if the key has another length.
    pub fn new(key: &[u8]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::Opened("the key".to_owned()))?;
        Ok(Self { key: std::sync::Arc::new(LessSafeKey::new(key)) })
    }

    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut out = plain.to_vec();
        let aad = Aad::from(name.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut out)
            .map_err(|_| SealError::Opened(name.to_owned()))?;
        Ok([&nonce[..], &out].concat())
    }

    /// Opens what was sealed under a name.
    ///
    /// # Errors
    /// [`SealError::Opened`] for another key, another name or altered bytes.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let refused = || SealError::Opened(name.to_owned());
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut body = body.to_vec();
        let plain =
            self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut body).map_err(|_| refused())?;
        Ok(plain.to_vec())
    }

    /// Writes a sealed file durably.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn write(&self, dir: &Path, name: &str, plain: &[u8]) -> Result<(), SealError> {
        let path = dir.join(name);
        write_private(&path, &self.seal(name, plain)?)
            .map_err(|source| SealError::Io { path: path.display().to_string(), source })
    }

    /// Reads a sealed file.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn read(&self, dir: &Path, name: &str) -> Result<Vec<u8>, SealError> {
        let path = dir.join(name);
        let sealed = read_private(&path)
            .map_err(|source| SealError::Io { path: path.display().to_string(), source })?;
        self.open(name, &sealed)
    }
}

const KIT: &str = "lienthong recovery kit 1";
const KIT_SALT: usize = 16;

fn kit_seal(passphrase: &str, salt: &[u8]) -> Result<Seal, SealError> {
    let mut key = [0; 32];
    argon2::Argon2::default()
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .map_err(|error| SealError::Passphrase(error.to_string()))?;
    Seal::new(&key)
}

/// Seals the recovery kit with a passphrase (Argon2id).
///
/// # Errors
/// [`SealError`].
pub fn seal_kit(passphrase: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut salt = [0; KIT_SALT];
    rand::rng().fill_bytes(&mut salt);
    Ok([&salt[..], &kit_seal(passphrase, &salt)?.seal(KIT, plain)?].concat())
}

/// Opens a recovery kit.
///
/// # Errors
/// [`SealError`] for another passphrase or an altered kit.
pub fn open_kit(passphrase: &str, kit: &[u8]) -> Result<Vec<u8>, SealError> {
    let (salt, body) =
        kit.split_at_checked(KIT_SALT).ok_or_else(|| SealError::Opened("the recovery kit".to_owned()))?;
    kit_seal(passphrase, salt)?.open(KIT, body)
}
