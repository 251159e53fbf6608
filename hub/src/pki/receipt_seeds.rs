//! The keys receipts are cosigned with: the first, made with the hub, and those that followed it.
//!
//! A rotation makes the next with the recovery kit at hand ([`Kit::with_receipt_key`]). None is ever thrown away: a receipt
//! is made anew whenever it is asked for, by the key of its own date. Which dates those are, the ledger says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_proto::hash::{BadSeed, Signer as _, SigningKey};
use lienthong_proto::limits::RECEIPT_KEYS_MAX;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::init::random;
use super::kit::Kit;
use super::{Seal, SealError};

/// The sealed list of those that followed the first; without it there are none.
pub(crate) const FILE: &str = "receipts.sealed";

/// Why another key is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptSeedsError {
    /// The file fails.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is no key.
    #[error(transparent)]
    Seed(#[from] BadSeed),
    /// Another one was made meanwhile, or it is of another kit.
    #[error("số thứ tự không phải {0}: hãy làm lại · its number is not {0}: make it again")]
    Number(u32),
    /// It is one of those there are.
    #[error("khóa này đã có · this key is there already")]
    Known,
    /// There are too many.
    #[error("đã đổi khóa biên nhận quá nhiều lần · the receipt key was rotated too often")]
    Full,
    /// The kit has fewer keys than the hub, or one that the hub was never given.
    #[error(
        "bộ khôi phục không phải bộ của lần đổi khóa gần nhất: hãy dùng bộ đó · the recovery kit is not the one of the hub's last rotation: take that one"
    )]
    OtherKit,
}

/// The next key, on its way to the hub.
#[derive(Clone, Serialize, Deserialize)]
pub struct NextReceiptKey {
    /// Counted from 1, the first.
    pub number: u32,
    /// Its seed, hex.
    seed: String,
}

impl std::fmt::Debug for NextReceiptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NextReceiptKey").field("number", &self.number).finish_non_exhaustive()
    }
}

impl NextReceiptKey {
    /// A fresh one, to be counted as `number`.
    #[must_use]
    pub fn made(number: u32) -> Self {
        Self { number, seed: hex::encode(random::<32>()) }
    }
}

/// A hub's keys of receipts, oldest first.
pub struct ReceiptSeeds {
    first: Arc<SigningKey>,
    later: RwLock<Later>,
    seal: Seal,
    dir: PathBuf,
}

#[derive(Clone, Default)]
struct Later {
    seeds: Vec<String>,
    keys: Vec<Arc<SigningKey>>,
}

impl Later {
    fn of(seeds: Vec<String>) -> Result<Self, SealError> {
        let key =
            |seed: &String| seed_of(seed).and_then(|seed| SigningKey::from_seed(&seed).ok()).map(Arc::new);
        let keys = seeds.iter().map(key).collect::<Option<_>>();
        let keys = keys.ok_or_else(|| SealError::Opened(FILE.to_owned()))?;
        Ok(Self { seeds, keys })
    }
}

impl std::fmt::Debug for ReceiptSeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiptSeeds").field("number", &self.number()).finish_non_exhaustive()
    }
}

fn seed_of(text: &str) -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    hex::decode_to_slice(text, &mut seed).ok().map(|()| seed)
}

/// The list in a sealed file's bytes.
fn listed(bytes: &[u8]) -> Result<Vec<String>, SealError> {
    serde_json::from_slice(bytes).map_err(|_| SealError::Opened(FILE.to_owned()))
}

/// A sealed file's bytes.
pub(super) fn list(seeds: &[String]) -> Vec<u8> {
    serde_json::to_vec(seeds).unwrap_or_default()
}

impl ReceiptSeeds {
    pub(super) fn open(seal: &Seal, dir: &Path, first: Arc<SigningKey>) -> Result<Self, SealError> {
        let seeds = if dir.join(FILE).exists() { listed(&seal.read(dir, FILE)?)? } else { Vec::new() };
        let later = RwLock::new(Later::of(seeds)?);
        Ok(Self { first, later, seal: seal.clone(), dir: dir.to_owned() })
    }

    /// The one the hub was made with.
    #[must_use]
    pub fn first(&self) -> Arc<SigningKey> {
        Arc::clone(&self.first)
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Arc<SigningKey> {
        self.later.read().keys.last().map_or_else(|| self.first(), Arc::clone)
    }

    /// The number of the newest, counted from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        u32::try_from(self.later.read().keys.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<SigningKey>> {
        std::iter::once(self.first()).chain(self.later.read().keys.iter().cloned()).collect()
    }

    /// The one with this public half.
    #[must_use]
    pub fn of(&self, public: &[u8; 32]) -> Option<Arc<SigningKey>> {
        self.all().into_iter().find(|key| key.public_key() == *public)
    }

    /// Keeps the next one, on the disk before it is used.
    ///
    /// # Errors
    /// [`ReceiptSeedsError`]; nothing is changed then.
    pub fn add(&self, next: NextReceiptKey) -> Result<(), ReceiptSeedsError> {
        let mut later = self.later.write();
        let number = u32::try_from(later.seeds.len()).unwrap_or(u32::MAX).saturating_add(2);
        if next.number != number {
            return Err(ReceiptSeedsError::Number(number));
        }
        if later.seeds.len() >= RECEIPT_KEYS_MAX {
            return Err(ReceiptSeedsError::Full);
        }
        let key = SigningKey::from_seed(&seed_of(&next.seed).ok_or(BadSeed)?)?;
        let public = key.public_key();
        if self.first.public_key() == public || later.keys.iter().any(|known| known.public_key() == public) {
            return Err(ReceiptSeedsError::Known);
        }
        let with = Later::of(later.seeds.iter().cloned().chain([next.seed]).collect())?;
        self.seal.write(&self.dir, FILE, &list(&with.seeds))?;
        *later = with;
        Ok(())
    }

    /// Puts those of a backup before its own, in a hub that takes over: the newest is the kit's, if the backup is of before
    /// it, and none is lost.
    ///
    /// # Errors
    /// [`SealError`] if they cannot be kept.
    pub(crate) fn behind(&self, former: &[u8]) -> Result<(), SealError> {
        let mut later = self.later.write();
        let mut seeds = listed(former)?;
        let new: Vec<String> = later.seeds.iter().filter(|seed| !seeds.contains(seed)).cloned().collect();
        seeds.extend(new);
        let all = Later::of(seeds)?;
        self.seal.write(&self.dir, FILE, &list(&all.seeds))?;
        *later = all;
        Ok(())
    }
}

impl Kit {
    /// Another key of receipts, and this kit with it: sealed anew under the same passphrase. `number` is what the hub
    /// counts it as.
    ///
    /// # Errors
    /// [`ReceiptSeedsError`] if this kit is not the last one.
    pub fn with_receipt_key(
        &self,
        passphrase: &str,
        number: u32,
    ) -> Result<(Vec<u8>, NextReceiptKey), ReceiptSeedsError> {
        if u32::try_from(self.receipts.len()).ok().and_then(|count| count.checked_add(2)) != Some(number) {
            return Err(ReceiptSeedsError::OtherKit);
        }
        let next = NextReceiptKey::made(number);
        let receipts = self.receipts.iter().cloned().chain([next.seed.clone()]).collect();
        let kit = Self { receipts, ..self.clone() };
        Ok((kit.seal(passphrase.trim()).map_err(ReceiptSeedsError::Seal)?, next))
    }
}
