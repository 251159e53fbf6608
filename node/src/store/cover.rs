//! How a sealed view stands on the disk.
//!
//! The view's own random keys stand in the view, wrapped by the master. Values are sealed by AES-256-GCM, bound to their
//! key; a generation of the key serves until the master changes, and then each value is sealed again by the next.
//!
//! Keys of the view are in clear (numbers of types, record ids, ledger places, days on which to judge again: their order
//! is needed) except where values are in them: a mark, which is a hash of field values and could be guessed, is enciphered
//! as one AES block, by which equal marks stay equal and nothing else is told; the path of a conflict, which may name an
//! item by a value, is sealed with a nonce made of it. These two keep the view's index key when the master changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::hash::hmac_sha256;
use zeroize::Zeroizing;

use super::view::{Keyspace, ViewError};
use crate::at_rest::{KeyId, KeyRing, MasterKey, NeededKey, TAG_BYTES, fresh};

const PURPOSE: &[u8] = b"lienthong at rest: view 1";
/// The form of a sealed value: this, its generation, nonce, sealed value, tag.
const MAGIC: u8 = 0xA5;
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 1 + 4 + NONCE_BYTES;
/// Keyspace byte and mark.
const MARKED: usize = 1 + 16;
/// Keyspace byte and record key.
const CONFLICT: usize = 1 + 20;

fn damaged<E>(_: E) -> ViewError {
    ViewError::Damaged
}

fn aead(key: &[u8; 32]) -> Result<LessSafeKey, ViewError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(damaged)?))
}

/// A key of values.
struct Generation {
    number: u32,
    bytes: Zeroizing<[u8; 32]>,
    key: LessSafeKey,
}

impl Generation {
    fn new(number: u32, bytes: Zeroizing<[u8; 32]>) -> Result<Self, ViewError> {
        let key = aead(&bytes)?;
        Ok(Self { number, bytes, key })
    }
}

/// The keys of a view, at one time.
pub(super) struct Cover {
    /// The master that wraps them.
    pub(super) master: KeyId,
    index: Arc<Index>,
    /// The last one seals.
    generations: Vec<Arc<Generation>>,
    nonces: Nonces,
}

impl std::fmt::Debug for Cover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cover").field("master", &self.master).finish_non_exhaustive()
    }
}

/// Nonces from a random beginning on: none comes twice in one opening, and two openings would have to begin within as
/// many values of each other as they write.
struct Nonces {
    start: u128,
    count: AtomicU64,
}

impl Nonces {
    fn new() -> Self {
        Self { start: u128::from_be_bytes(fresh()), count: AtomicU64::new(0) }
    }

    fn next(&self) -> [u8; NONCE_BYTES] {
        let number = self.start.wrapping_add(u128::from(self.count.fetch_add(1, Ordering::Relaxed)));
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(number.to_be_bytes().split_at(4).1);
        nonce
    }
}

/// Enciphers what of keys must not stand in clear.
struct Index {
    bytes: Zeroizing<[u8; 32]>,
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
    paths: LessSafeKey,
}

impl Index {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Result<Self, ViewError> {
        let marks = Zeroizing::new(hmac_sha256(bytes.as_ref(), &[b"marks"]));
        let paths = Zeroizing::new(hmac_sha256(bytes.as_ref(), &[b"paths"]));
        let cipher = || UnboundCipherKey::new(&AES_256, marks.as_ref()).map_err(damaged);
        Ok(Self {
            encrypting: EncryptingKey::ecb(cipher()?).map_err(damaged)?,
            decrypting: DecryptingKey::ecb(cipher()?).map_err(damaged)?,
            paths: aead(&paths)?,
            bytes,
        })
    }
}

impl Cover {
    /// Fresh keys, wrapped by a master.
    pub(super) fn fresh(master: &MasterKey) -> Result<Self, ViewError> {
        Ok(Self {
            master: master.id(),
            index: Arc::new(Index::new(Zeroizing::new(fresh()))?),
            generations: vec![Arc::new(Generation::new(0, Zeroizing::new(fresh()))?)],
            nonces: Nonces::new(),
        })
    }

    /// The keys that were wrapped.
    pub(super) fn unwrap(wrapped: &[u8], keys: &KeyRing) -> Result<Self, ViewError> {
        let mut input = Reader::new(wrapped);
        if input.u8().map_err(damaged)? != VERSION {
            return Err(ViewError::Damaged);
        }
        let master = KeyId(input.array().map_err(damaged)?);
        let key = keys.key(master)?;
        let salt: [u8; 32] = input.array().map_err(damaged)?;
        let mut sealed = Zeroizing::new(input.take(input.left()).map_err(damaged)?.to_vec());
        let wrapping = key.derive(PURPOSE, &salt).ok_or(ViewError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key([0; NONCE_BYTES]);
        let plain = wrapping.open_in_place(nonce, Aad::from(master.0), &mut sealed).map_err(damaged)?;
        let mut input = Reader::new(plain);
        let index = Index::new(Zeroizing::new(input.array().map_err(damaged)?))?;
        let mut generations = Vec::new();
        while !input.is_empty() {
            let number = input.u32().map_err(damaged)?;
            let bytes = Zeroizing::new(input.array().map_err(damaged)?);
            generations.push(Arc::new(Generation::new(number, bytes)?));
        }
        if generations.is_empty() {
            return Err(ViewError::Damaged);
        }
        Ok(Self { master, index: Arc::new(index), generations, nonces: Nonces::new() })
    }

    /// The keys, wrapped.
    pub(super) fn wrap(&self, keys: &KeyRing) -> Result<Vec<u8>, ViewError> {
        let salt: [u8; 32] = fresh();
        let mut plain = Writer::default();
        plain.raw(self.index.bytes.as_ref());
        for generation in &self.generations {
            plain.u32(generation.number);
            plain.raw(generation.bytes.as_ref());
        }
        let mut sealed = Zeroizing::new(plain.into_bytes());
        // The salt is fresh, and so is the key: one nonce is enough.
        let wrapping = keys.key(self.master)?.derive(PURPOSE, &salt).ok_or(ViewError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key([0; NONCE_BYTES]);
        let aad = Aad::from(self.master.0);
        let tag = wrapping.seal_in_place_separate_tag(nonce, aad, &mut sealed).map_err(damaged)?;
        Ok([&[VERSION], &self.master.0[..], &salt, &sealed, tag.as_ref()].concat())
    }

    /// The same keys with another generation, which seals from then on, and another master.
    pub(super) fn next(&self, master: &MasterKey) -> Result<Self, ViewError> {
        let mut generations = self.generations.clone();
        let number = generations.last().map_or(0, |last| last.number.wrapping_add(1));
        generations.push(Arc::new(Generation::new(number, Zeroizing::new(fresh()))?));
        let (master, index) = (master.id(), Arc::clone(&self.index));
        Ok(Self { master, index, generations, nonces: Nonces::new() })
    }

    /// The same keys with the last generation only.
    pub(super) fn last(&self) -> Self {
        let generations = self.generations.last().cloned().into_iter().collect();
        Self { master: self.master, index: Arc::clone(&self.index), generations, nonces: Nonces::new() }
    }

    /// Whether values of generations before may stand in the view.
    pub(super) fn is_mixed(&self) -> bool {
        self.generations.len() > 1
    }

    /// Whether a value is sealed by the last generation.
    pub(super) fn is_last(&self, sealed: &[u8]) -> bool {
        self.generations.last().is_some_and(|last| {
            sealed.first() == Some(&MAGIC) && sealed.get(1..5) == Some(&last.number.to_be_bytes())
        })
    }

    /// Seals the value of a stored key.
    pub(super) fn seal(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, ViewError> {
        let generation = self.generations.last().ok_or(ViewError::Damaged)?;
        let nonce = self.nonces.next();
        let mut out = Vec::with_capacity(HEAD_BYTES + value.len() + TAG_BYTES);
        out.push(MAGIC);
        out.extend_from_slice(&generation.number.to_be_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(value);
        let body = out.get_mut(HEAD_BYTES..).ok_or(ViewError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = generation.key.seal_in_place_separate_tag(nonce, Aad::from(key), body);
        out.extend_from_slice(sealed.map_err(damaged)?.as_ref());
        Ok(out)
    }

    /// Opens the value of a stored key.
    pub(super) fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, ViewError> {
        let mut input = Reader::new(sealed);
        if input.u8().map_err(damaged)? != MAGIC {
            return Err(ViewError::Damaged);
        }
        let number = input.u32().map_err(damaged)?;
        let nonce: [u8; NONCE_BYTES] = input.array().map_err(damaged)?;
        let generation = self.generations.iter().find(|it| it.number == number);
        let generation = generation.ok_or(ViewError::Damaged)?;
        let mut body = input.take(input.left()).map_err(damaged)?.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = generation.key.open_in_place(nonce, Aad::from(key), &mut body).map_err(damaged)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// A key, as it is stored.
    pub(super) fn key(&self, mut key: Vec<u8>) -> Result<Vec<u8>, ViewError> {
        match hidden(&key) {
            Some(Hidden::Mark) if key.len() >= MARKED => {
                let block = key.get_mut(1..MARKED).ok_or(ViewError::Damaged)?;
                self.index.encrypting.encrypt(block).map_err(damaged)?;
            }
            Some(Hidden::Path) if key.len() > CONFLICT => {
                let path = key.split_off(CONFLICT);
                let mut nonce = [0; NONCE_BYTES];
                let made = hmac_sha256(self.index.bytes.as_ref(), &[b"nonce", &key, &path]);
                nonce.copy_from_slice(made.split_at(NONCE_BYTES).0);
                let (mut sealed, aad) = (path, Aad::from(key.clone()));
                let unique = Nonce::assume_unique_for_key(nonce);
                self.index.paths.seal_in_place_append_tag(unique, aad, &mut sealed).map_err(damaged)?;
                key.extend_from_slice(&nonce);
                key.extend_from_slice(&sealed);
            }
            _ => {}
        }
        Ok(key)
    }

    /// The key that is stored so.
    pub(super) fn plain(&self, stored: &[u8]) -> Result<Vec<u8>, ViewError> {
        let mut key = stored.to_vec();
        match hidden(&key) {
            Some(Hidden::Mark) if key.len() >= MARKED => {
                let block = key.get_mut(1..MARKED).ok_or(ViewError::Damaged)?;
                self.index.decrypting.decrypt(block, DecryptionContext::None).map_err(damaged)?;
            }
            Some(Hidden::Path) if key.len() > CONFLICT => {
                let sealed = key.split_off(CONFLICT);
                let mut input = Reader::new(&sealed);
                let nonce = Nonce::assume_unique_for_key(input.array().map_err(damaged)?);
                let mut path = input.take(input.left()).map_err(damaged)?.to_vec();
                let aad = Aad::from(key.clone());
                let path = self.index.paths.open_in_place(nonce, aad, &mut path).map_err(damaged)?;
                key.extend_from_slice(path);
            }
            _ => {}
        }
        Ok(key)
    }

    /// What the stored forms of all keys with a prefix begin with.
    pub(super) fn prefix(&self, prefix: &[u8]) -> Result<Vec<u8>, ViewError> {
        let whole = match hidden(prefix) {
            Some(Hidden::Mark) if prefix.len() < MARKED => 1,
            Some(Hidden::Path) => CONFLICT.min(prefix.len()),
            _ => prefix.len(),
        };
        self.key(prefix.get(..whole).unwrap_or(prefix).to_vec())
    }
}

enum Hidden {
    Mark,
    Path,
}

fn hidden(key: &[u8]) -> Option<Hidden> {
    let keyspace = *key.first()?;
    if keyspace == Keyspace::Mark as u8 || keyspace == Keyspace::Probe as u8 {
        return Some(Hidden::Mark);
    }
    (keyspace == Keyspace::Conflict as u8).then_some(Hidden::Path)
}

/// Whether keys are stored in another order than their own.
pub(super) fn is_hidden(keyspace: Keyspace) -> bool {
    hidden(&[keyspace as u8]).is_some()
}

impl From<NeededKey> for ViewError {
    fn from(needed: NeededKey) -> Self {
        Self::Key(needed)
    }
}
