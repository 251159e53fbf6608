//! A stream of numbers that a seed fixes for good (SplitMix64): no crate's update may change what a kept seed does.

use std::cell::Cell;

use lienthong_proto::time::UnixMillis;

/// Numbers of a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// A place in something so long.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Whether something that happens so often of a thousand times happens now.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.place(of.len()))
    }

    /// Thirty-two bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes());
        }
        bytes
    }
}

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static SALT: Cell<u64> = const { Cell::new(0) };
}

/// The clock of whichever host is at work, as the product is given it.
#[must_use]
pub(super) fn clock() -> UnixMillis {
    UnixMillis(NOW.get())
}

/// Sets the clock that [`clock`] shows.
pub(super) fn set_clock(millis: u64) {
    NOW.set(millis);
}

/// The secrets that salt entries, as the product is given them: of the seed, so that runs are equal.
#[must_use]
pub(super) fn salt() -> [u8; 16] {
    let mut random = Random::of(SALT.get());
    let bytes = (u128::from(random.number()) << 64 | u128::from(random.number())).to_be_bytes();
    SALT.set(random.number());
    bytes
}

/// The seed of a key, as the product is given it: of the seed of the schedule.
#[must_use]
pub(super) fn seed() -> [u8; 32] {
    let mut random = Random::of(SALT.get());
    let bytes = random.bytes();
    SALT.set(random.number());
    bytes
}

/// Begins the secrets of a seed.
pub(super) fn set_salt(seed: u64) {
    SALT.set(seed);
}
