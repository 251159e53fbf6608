//! One master key, and what is derived from it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use lienthong_proto::hash::hmac_sha256;
use rand::RngCore as _;
use zeroize::Zeroizing;

/// Bytes of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;
/// What a key's name is the hash of.
const NAME: &[u8] = b"lienthong at rest: name of a key 1";

/// The name of a master key, which tells nothing of it: it stands in what the key has sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Something is sealed, and its key is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NeededKey {
    /// No key was given at all.
    #[error(
        "kho đã được mã hóa bằng khóa {0}, nhưng chưa chỉ ra khóa nào: đặt at_rest_key_file, at_rest_key_command hoặc tệp bí mật của systemd · the store is encrypted with key {0}, and no key is given: set at_rest_key_file, at_rest_key_command or the systemd credential"
    )]
    Missing(KeyId),
    /// Another was given.
    #[error(
        "sai khóa: kho đã được mã hóa bằng khóa {needed}, khóa được chỉ ra là {given} · the wrong key: the store is encrypted with key {needed}, the key given is {given}"
    )]
    Wrong {
        /// The name of the key that sealed it.
        needed: KeyId,
        /// The first of those given.
        given: KeyId,
    },
}

/// A master key.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(hmac_sha256(bytes.as_ref(), &[NAME]).split_at(8).0);
        Self { bytes, id: KeyId(id) }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The AES-256-GCM key by HKDF-SHA-256, for one purpose and one salt.
    pub(crate) fn derive(&self, purpose: &[u8], salt: &[u8]) -> Option<LessSafeKey> {
        let info = [purpose];
        let pseudorandom = Salt::new(HKDF_SHA256, salt).extract(self.bytes.as_ref());
        let key = pseudorandom.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// Random bytes.
pub(crate) fn fresh<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
