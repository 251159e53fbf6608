//! What rows of a file are remembered by: a million entries in little more memory than they have bytes.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

/// Entries that are allocated together: a whole table that grows would stand there twice while it is copied.
const CHUNK: usize = 4_096;

/// A row: its number, and which of the sheets met.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    row: [u8; 4],
    sheet: [u8; 2],
}

impl Place {
    pub(crate) fn row(self) -> u32 {
        u32::from_ne_bytes(self.row)
    }
}

/// The sheets whose rows were met.
#[derive(Default)]
pub(crate) struct Sheets(Vec<Arc<str>>);

impl Sheets {
    /// A row's place, short.
    pub(crate) fn place(&mut self, row: u64, sheet: Option<&Arc<str>>) -> Place {
        let sheet = sheet.map_or(usize::MAX, |sheet| {
            self.0.iter().rposition(|known| Arc::ptr_eq(known, sheet)).unwrap_or_else(|| {
                self.0.push(Arc::clone(sheet));
                self.0.len() - 1
            })
        });
        Place {
            row: u32::try_from(row).unwrap_or(u32::MAX).to_ne_bytes(),
            sheet: u16::try_from(sheet).unwrap_or(u16::MAX).to_ne_bytes(),
        }
    }

    /// The sheet's name, if the file has several.
    pub(crate) fn name(&self, place: Place) -> Option<&str> {
        self.0.get(usize::from(u16::from_ne_bytes(place.sheet))).map(|name| &**name)
    }
}

/// Something remembered by a key that it holds.
pub(crate) trait Keyed {
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;
}

/// Entries of distinct keys. Where they stand is four bytes each, and only those move when there are more; which keys
/// meet in the index nobody outside can aim at.
pub(crate) struct Remembered<T> {
    chunks: Vec<Vec<T>>,
    places: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), places: HashTable::new(), hasher: RandomState::new() }
    }
}

impl<T: Keyed> Remembered<T> {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        let is_it = |place: &u32| at(&self.chunks, *place).is_some_and(|entry| entry.key() == key);
        let place = self.places.find(self.hasher.hash_one(key), is_it)?;
        at(&self.chunks, *place)
    }

    /// Remembers the entry, unless there is one of its key; no more than 2³² are.
    pub(crate) fn insert(&mut self, entry: T) {
        let Ok(place) = u32::try_from(self.places.len()) else { return };
        if self.get(entry.key()).is_some() {
            return;
        }
        let Self { chunks, places, hasher } = self;
        let hash = hasher.hash_one(entry.key());
        match chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(entry),
            None => {
                let mut chunk = Vec::with_capacity(if place == 0 { 0 } else { CHUNK });
                chunk.push(entry);
                chunks.push(chunk);
            }
        }
        places.insert_unique(hash, place, |place| {
            at(chunks, *place).map_or(0, |entry| hasher.hash_one(entry.key()))
        });
    }
}

fn at<T>(chunks: &[Vec<T>], place: u32) -> Option<&T> {
    let place = usize::try_from(place).ok()?;
    chunks.get(place / CHUNK)?.get(place % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for (u64, u64) {
        type Key = u64;

        fn key(&self) -> &u64 {
            &self.0
        }
    }

    #[test]
    fn each_key_is_remembered_by_its_first_entry() {
        let mut remembered = Remembered::default();
        for round in 0..2 {
            for key in 0..3 * CHUNK as u64 + 1 {
                remembered.insert((key, key + round));
            }
        }
        assert_eq!(remembered.len(), 3 * CHUNK + 1);
        for key in 0..3 * CHUNK as u64 + 1 {
            assert_eq!(remembered.get(&key), Some(&(key, key)));
        }
        assert_eq!(remembered.get(&(3 * CHUNK as u64 + 1)), None);
    }
}
