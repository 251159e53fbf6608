//! Short numbers for texts that recur in every record: types, units, replicas, paths, shapes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::store::{Batch, Keyspace, View, ViewError};

/// Words past which no shapes and names are added; replicas and units, which the province enrols, always are.
const WORDS_MAX: usize = 16_384;
/// Bytes of a shape that is kept: the fields of a form.
const SHAPE_BYTES_MAX: usize = 1_024;
/// Bytes of a name that is kept.
const NAME_BYTES_MAX: usize = 64;

/// Interned byte strings; numbers are given out by the one writer and never change.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    words: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32>,
    /// How many of `words` the view holds.
    stored: usize,
}

impl Dictionary {
    /// Loads the dictionary a view holds.
    ///
    /// # Errors
    /// [`ViewError`] if the view cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut inner = Inner::default();
        view.scan_prefix(Keyspace::Dictionary, &[], &mut |_, word| {
            inner.push(word);
            true
        })?;
        inner.stored = inner.words.len();
        Ok(Self { inner: Arc::new(RwLock::new(inner)) })
    }

    /// The number of a word, given out if it is new.
    #[must_use]
    pub fn number(&self, word: &[u8]) -> u32 {
        if let Some(number) = self.inner.read().numbers.get(word) {
            return *number;
        }
        self.inner.write().push(word)
    }

    /// The number of the shape of a record, if it may have one. Anybody can state fields nobody knows: past a bound of
    /// words no new ones are kept in memory for ever.
    #[must_use]
    pub fn shape(&self, shape: &str) -> Option<u32> {
        self.bounded(shape, SHAPE_BYTES_MAX)
    }

    /// The number of a field's name, if it may have one.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<u32> {
        self.bounded(name, NAME_BYTES_MAX)
    }

    fn bounded(&self, word: &str, bytes: usize) -> Option<u32> {
        if let Some(number) = self.find(word.as_bytes()) {
            return Some(number);
        }
        let grows = word.len() <= bytes && self.inner.read().words.len() < WORDS_MAX;
        grows.then(|| self.number(word.as_bytes()))
    }

    /// The number of a word, if it has one.
    #[must_use]
    pub fn find(&self, word: &[u8]) -> Option<u32> {
        self.inner.read().numbers.get(word).copied()
    }

    /// The word behind a number.
    #[must_use]
    pub fn word(&self, number: u64) -> Option<Arc<[u8]>> {
        self.inner.read().words.get(usize::try_from(number).ok()?).cloned()
    }

    /// Adds the words the view does not hold yet to a batch.
    pub fn store(&self, batch: &mut Batch) {
        let mut inner = self.inner.write();
        for (number, word) in inner.words.iter().enumerate().skip(inner.stored) {
            let key = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
            batch.put(Keyspace::Dictionary, &key, word);
        }
        inner.stored = inner.words.len();
    }
}

impl Inner {
    fn push(&mut self, word: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let word: Arc<[u8]> = Arc::from(word);
        self.words.push(Arc::clone(&word));
        self.numbers.insert(word, number);
        number
    }
}
