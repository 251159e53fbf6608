//! Which records the view can hold at all.
//!
//! Most rows of a first import are of records nobody has written yet. To ask the view for each of them costs
//! more than to compose it, so a Bloom filter over the ids answers first: it says *no* only of what is surely
//! not there. Ids are keyed hashes, so their own bytes are the filter's hashes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Key;
use crate::store::{Keyspace, View};

/// Bits of the filter, 2 MiB: at a million records one in five hundred others is asked for in vain.
const BITS: u32 = 1 << 24;
/// Words that are made at once: to make them one by one takes long without optimisation.
const WORDS: usize = 1_024;
/// With more records than this in a view when it is opened there is no filter: to go through them would
/// delay the start, and of what is written then most is there already.
const SCANNED_MAX: usize = 50_000;

/// A filter over the keys of a view, if it has one.
#[derive(Debug)]
pub(super) struct Known {
    words: Option<Vec<[AtomicU64; WORDS]>>,
}

impl Known {
    /// Over what a view holds when it is opened.
    pub(super) fn of(view: &dyn View) -> Self {
        let words = (0..BITS as usize / 64 / WORDS).map(|_| [const { AtomicU64::new(0) }; WORDS]);
        let known = Self { words: Some(words.collect()) };
        let (mut count, mut whole) = (0, true);
        let scanned = view.scan_prefix(Keyspace::Record, &[], &mut |key, _| {
            count += 1;
            match Key::try_from(key) {
                Ok(key) if count <= SCANNED_MAX => known.insert(&key),
                _ => whole = false,
            }
            whole
        });
        if whole && scanned.is_ok() { known } else { Self { words: None } }
    }

    /// Notes a record before it goes to the view.
    pub(super) fn insert(&self, key: &Key) {
        let Some(words) = &self.words else { return };
        for bit in bits(key) {
            if let Some(word) = words.as_flattened().get(bit as usize / 64) {
                word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
            }
        }
    }

    /// `false` only of a record that is surely not in the view.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        let Some(words) = &self.words else { return true };
        let set = |bit: u32| {
            words
                .as_flattened()
                .get(bit as usize / 64)
                .is_none_or(|word| word.load(Ordering::Relaxed) >> (bit % 64) & 1 == 1)
        };
        bits(key).all(set)
    }
}

/// Four places for the record id that a key ends with.
fn bits(key: &Key) -> impl Iterator<Item = u32> {
    let (words, _) = key.as_chunks::<4>();
    words.iter().skip(1).map(|word| u32::from_be_bytes(*word) % BITS)
}

#[cfg(test)]
mod tests {
    use lienthong_proto::hash::sha256;

    use super::*;
    use crate::store::{Batch, MemoryView};

    fn key(number: u32) -> Key {
        let mut key = [0; 20];
        key[4..].copy_from_slice(&sha256(&[&number.to_be_bytes()])[..16]);
        key
    }

    fn view(records: u32) -> MemoryView {
        let view = MemoryView::default();
        let mut batch = Batch::default();
        (0..records).for_each(|number| batch.put(Keyspace::Record, &key(number), &[]));
        view.commit(batch).unwrap();
        view
    }

    #[test]
    fn what_is_there_is_never_denied_and_most_else_is() {
        let known = Known::of(&view(2_000));
        (3_000..5_000).for_each(|number| known.insert(&key(number)));
        assert!((0..2_000).chain(3_000..5_000).all(|number| known.may_hold(&key(number))));
        assert!((10_000..20_000).filter(|number| known.may_hold(&key(*number))).count() < 10);
    }

    #[test]
    fn a_view_with_too_many_records_is_always_asked() {
        let known = Known::of(&view(u32::try_from(SCANNED_MAX).unwrap() + 1));
        assert!(known.may_hold(&key(0)) && known.may_hold(&key(u32::MAX)));
    }
}
