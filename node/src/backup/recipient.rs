//! To whom a backup is encrypted: a key pair whose private half stands nowhere near the machine that is backed up.
//!
//! HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. An object is the encapsulated secret,
//! then pieces of at most [`PIECE`] bytes, each with a byte that says whether it is the last and its length before it; the
//! byte is authenticated with it, so that an object that is cut is noticed.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use lienthong_proto::hash::{SigningKey, hmac_sha256};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::identity::read_secret;

const INFO: &[u8] = b"lienthong backup object 1";
/// What the key of receipts is bound to.
const RECEIPTS: &[u8] = b"lienthong receipt key 1";
const MAGIC: &[u8; 8] = b"LTBAK01\n";
const KEY_BYTES: usize = 32;
/// Plain bytes of a piece.
const PIECE: usize = 256 * 1024;
const TAG: usize = 16;
const PUBLIC: &str = "x25519:";
const PRIVATE: &str = "x25519-private:";
/// Before a piece that others follow, and before the last.
const MORE: u8 = 0;
const LAST: u8 = 1;

/// What is given as a recipient or an identity is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// A recipient.
    #[error("người nhận bản sao lưu có dạng x25519:<64 chữ số> · a backup's recipient is x25519:<64 digits>")]
    Recipient,
    /// An identity.
    #[error(
        "tệp khóa riêng phải có một dòng x25519-private:<64 chữ số> · a private key's file has one line, x25519-private:<64 digits>"
    )]
    Identity,
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recipient([u8; KEY_BYTES]);

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn digits(text: &str, before: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(text.trim().strip_prefix(before)?, key.as_mut()).ok()?;
    Some(key)
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        digits(text, PUBLIC).map(|key| Self(*key)).ok_or(RecipientError::Recipient)
    }
}

impl Recipient {
    /// The key as the library has it.
    pub(crate) fn hpke(&self) -> HpkePublicKey {
        HpkePublicKey(self.0.to_vec())
    }
}

impl TryFrom<String> for Recipient {
    type Error = RecipientError;

    fn try_from(text: String) -> Result<Self, RecipientError> {
        text.parse()
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.to_string()
    }
}

/// The private half.
#[derive(Clone)]
pub struct Identity {
    key: Zeroizing<[u8; KEY_BYTES]>,
    recipient: Recipient,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity of {}", self.recipient)
    }
}

impl Identity {
    /// A new one, and the line of its file.
    ///
    /// # Errors
    /// [`RecipientError`] if there is no randomness to be had.
    pub fn generate() -> Result<(Self, Zeroizing<String>), RecipientError> {
        let (_, private) = SUITE.generate_key_pair().map_err(|_| RecipientError::Identity)?;
        let line = Zeroizing::new(format!("{PRIVATE}{}", hex::encode(private.secret_bytes())));
        Ok((line.parse()?, line))
    }

    /// Reads a private file.
    ///
    /// # Errors
    /// The operating system's, [`io::ErrorKind::InvalidData`] if it holds none.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = Zeroizing::new(read_secret(path)?);
        let text = std::str::from_utf8(&text).unwrap_or_default();
        text.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The key as the library has it.
    pub(crate) fn hpke(&self) -> HpkePrivateKey {
        HpkePrivateKey::from(self.key.to_vec())
    }

    /// Whose it is.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        self.recipient
    }

    /// What its holder signs receipts by: made of the private half, and of use for nothing else.
    ///
    /// # Errors
    /// [`RecipientError`] if the library makes no key of it.
    pub fn receipt_key(&self) -> Result<SigningKey, RecipientError> {
        let seed = Zeroizing::new(hmac_sha256(self.key.as_ref(), &[RECEIPTS]));
        SigningKey::from_seed(&seed).map_err(|_| RecipientError::Identity)
    }
}

impl FromStr for Identity {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let key = digits(text, PRIVATE).ok_or(RecipientError::Identity)?;
        let private = PrivateKey::from_private_key(&X25519, key.as_ref());
        let private = private.map_err(|_| RecipientError::Identity)?;
        let public = private.compute_public_key().map_err(|_| RecipientError::Identity)?;
        let public = public.as_ref().try_into().map_err(|_| RecipientError::Identity)?;
        Ok(Self { key, recipient: Recipient(public) })
    }
}

fn failed<E>(_: E) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not open: another key, or altered")
}

/// Reads until a piece is full or there is no more.
fn fill(input: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Encrypts everything of `input` to a recipient.
///
/// # Errors
/// The operating system's.
pub(super) fn encrypt(recipient: &Recipient, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let key = HpkePublicKey(recipient.0.to_vec());
    let (secret, mut sealer) = SUITE.setup_sealer(INFO, &key).map_err(failed)?;
    output.write_all(MAGIC)?;
    output.write_all(&secret.0)?;
    let (mut piece, mut next) = (vec![0; PIECE], vec![0; PIECE]);
    let mut length = fill(input, &mut piece)?;
    loop {
        let following = if length == PIECE { fill(input, &mut next)? } else { 0 };
        let place = if following == 0 { LAST } else { MORE };
        let plain = piece.get(..length).unwrap_or_default();
        let sealed = sealer.seal(&[place], plain).map_err(failed)?;
        output.write_all(&[place])?;
        output.write_all(&u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes())?;
        output.write_all(&sealed)?;
        if place == LAST {
            return Ok(());
        }
        std::mem::swap(&mut piece, &mut next);
        length = following;
    }
}

/// Decrypts everything of `input`.
///
/// # Errors
/// The operating system's, or [`io::ErrorKind::InvalidData`] if it was encrypted to somebody else, altered or cut.
pub(super) fn decrypt(identity: &Identity, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let (mut magic, mut secret) = ([0; MAGIC.len()], vec![0; KEY_BYTES]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut secret)?;
    if magic != *MAGIC {
        return Err(failed(()));
    }
    let key = HpkePrivateKey::from(identity.key.to_vec());
    let mut opener = SUITE.setup_opener(&EncapsulatedSecret(secret), INFO, &key).map_err(failed)?;
    loop {
        let (mut place, mut length) = ([0; 1], [0; 4]);
        input.read_exact(&mut place)?;
        input.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(failed)?;
        if !(TAG..=PIECE + TAG).contains(&length) {
            return Err(failed(()));
        }
        let mut sealed = vec![0; length];
        input.read_exact(&mut sealed)?;
        output.write_all(&opener.open(&place, &sealed).map_err(failed)?)?;
        if place == [LAST] {
            return if input.read(&mut [0])? == 0 { Ok(()) } else { Err(failed(())) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn encrypted(to: &Identity, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        encrypt(&to.recipient(), &mut &plain[..], &mut sealed).unwrap();
        sealed
    }

    fn decrypted(by: &Identity, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decrypt(by, &mut &sealed[..], &mut plain).map(|()| plain)
    }

    #[test]
    fn whatever_is_encrypted_its_recipient_alone_decrypts() {
        let (one, line) = Identity::generate().unwrap();
        let (two, _) = Identity::generate().unwrap();
        let again: Identity = line.parse().unwrap();
        assert_eq!(again.recipient(), one.recipient());
        assert_eq!(one.recipient().to_string().parse::<Recipient>().unwrap(), one.recipient());
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7] {
            let plain: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let sealed = encrypted(&one, &plain);
            assert_eq!(decrypted(&one, &sealed).unwrap(), plain, "{length}");
            assert!(decrypted(&two, &sealed).is_err());
        }
    }

    #[test]
    fn what_is_altered_or_cut_does_not_decrypt() {
        let (one, _) = Identity::generate().unwrap();
        let sealed = encrypted(&one, &vec![7; PIECE + 5]);
        let whole_piece = MAGIC.len() + KEY_BYTES + 5 + PIECE + TAG;
        let places = (0..80).chain(whole_piece - 20..sealed.len());
        for at in places {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            assert!(decrypted(&one, &bytes).is_err(), "byte {at}");
            assert!(decrypted(&one, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(decrypted(&one, &[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "x25519:", "x25519:00", &format!("x25519:{}", "g".repeat(64)), &"a".repeat(64)] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
        let (one, line) = Identity::generate().unwrap();
        assert!(one.recipient().to_string().parse::<Identity>().is_err(), "a public half is no private one");
        assert!(line.parse::<Recipient>().is_err());
        assert!(!format!("{one:?}").contains(line.trim_start_matches(PRIVATE)));
    }
}
