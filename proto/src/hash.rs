//! Hashes and signatures, in one place: SHA-256, HMAC-SHA-256 and Ed25519 by aws-lc-rs.

use aws_lc_rs::{digest, hmac, signature};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Messages of at most this many bytes are put together and hashed in one call: a context of its own would cost
/// more than the hashing of a field.
const TOGETHER_BYTES_MAX: usize = 256;

/// SHA-256 over the pieces, one after the other.
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> Digest {
    if let [whole] = pieces {
        return into_digest(&digest::digest(&digest::SHA256, whole));
    }
    let mut together = [0; TOGETHER_BYTES_MAX];
    let mut length = 0;
    for piece in pieces {
        let Some(place) = together.get_mut(length..length + piece.len()) else {
            return in_pieces(pieces);
        };
        place.copy_from_slice(piece);
        length += piece.len();
    }
    into_digest(&digest::digest(&digest::SHA256, together.split_at(length).0))
}

fn in_pieces(pieces: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(piece);
    }
    into_digest(&context.finish())
}

/// SHA-256 over what comes piece by piece.
#[derive(Clone)]
pub struct Streamed(digest::Context);

impl Default for Streamed {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Streamed {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash over all of them.
    #[must_use]
    pub fn finish(self) -> Digest {
        into_digest(&self.0.finish())
    }
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").finish_non_exhaustive()
    }
}

/// HMAC-SHA-256 over the pieces, one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8], pieces: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for piece in pieces {
        context.update(piece);
    }
    let tag = context.sign();
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

/// Whether `signature` is `key`'s Ed25519 signature over `message`.
#[must_use]
pub fn ed25519_verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
}

fn into_digest(hash: &digest::Digest) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    out
}

/// Something that signs with an Ed25519 key it keeps.
pub trait Signer {
    /// The public key.
    fn public_key(&self) -> [u8; 32];
    /// The signature over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// An Ed25519 key pair held in memory.
pub struct SigningKey {
    pair: signature::Ed25519KeyPair,
    public: [u8; 32],
}

/// A seed that does not make an Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the 32-byte seed does not make an Ed25519 key")]
pub struct BadSeed;

impl SigningKey {
    /// The key pair of a 32-byte seed.
    ///
    /// # Errors
    /// [`BadSeed`] if the library refuses it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, BadSeed> {
        use aws_lc_rs::signature::KeyPair as _;
        let pair = signature::Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadSeed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadSeed)?;
        Ok(Self { pair, public })
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &hex::encode(self.public)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_matter_in_which_pieces_a_message_comes() {
        let message: Vec<u8> = (0..=255).cycle().take(3 * TOGETHER_BYTES_MAX).collect();
        for length in [0, 1, 63, 64, 255, 256, 257, 300, message.len()] {
            let message = &message[..length];
            let whole = in_pieces(&[message]);
            for cut in [0, 1, length / 2, length] {
                let (head, tail) = message.split_at(cut.min(length));
                assert_eq!(sha256(&[head, tail]), whole, "{length} bytes cut at {cut}");
            }
            assert_eq!(sha256(&[message]), whole, "{length} bytes");
        }
        assert_eq!(sha256(&[]), in_pieces(&[]));
    }
}
