//! Which records were written since somebody dealt with them: durable, in the batch that writes them.

use lienthong_proto::ids::RecordId;

use super::table::key;
use super::{Dataset, DatasetError, Key};
use crate::store::{Batch, Keyspace, View, ViewError};

/// Keys noted at once where all are.
const NOTED: usize = 10_000;

impl Dataset {
    /// Records written since [`Dataset::dealt_with`] was last told of them, with the number of that writing; at
    /// most `limit`, in key order.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn changed(&self, limit: usize) -> Result<Vec<(Key, u64)>, DatasetError> {
        let mut changed = Vec::new();
        self.inner.view.scan_prefix(Keyspace::Changed, &[], &mut |key, bytes| {
            if let Ok(key) = Key::try_from(key) {
                changed.push((key, number_of(bytes)));
            }
            changed.len() < limit
        })?;
        Ok(changed)
    }

    /// The number of a record's writing, if it was not dealt with since.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn change_of(&self, key: &Key) -> Result<Option<u64>, DatasetError> {
        Ok(self.inner.view.get(Keyspace::Changed, key)?.map(|bytes| number_of(&bytes)))
    }

    /// Grows with each writing.
    #[must_use]
    pub fn writings(&self) -> u64 {
        *self.inner.changes.lock()
    }

    /// Brings `batch` to the view and forgets that a record was written, unless it was again meanwhile.
    ///
    /// # Errors
    /// [`DatasetError`] if the view refuses.
    pub fn dealt_with(&self, key: &Key, number: u64, mut batch: Batch) -> Result<(), DatasetError> {
        let _turn = self.inner.changes.lock();
        let now = self.inner.view.get(Keyspace::Changed, key)?;
        if now.is_some_and(|bytes| number_of(&bytes) == number) {
            batch.delete(Keyspace::Changed, key);
        }
        Ok(self.inner.view.commit(batch)?)
    }

    /// Notes every record as written.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read or refuses.
    pub fn all_changed(&self) -> Result<(), DatasetError> {
        let mut changes = self.inner.changes.lock();
        *changes += 1;
        let (mut keys, mut batch) = (Vec::new(), Batch::default());
        self.inner.view.scan_prefix(Keyspace::Record, &[], &mut |key, _| {
            keys.push(key.to_vec());
            true
        })?;
        for (place, key) in keys.iter().enumerate() {
            batch.put(Keyspace::Changed, key, &changes.to_be_bytes());
            if place % NOTED == NOTED - 1 {
                self.inner.view.commit(std::mem::take(&mut batch))?;
            }
        }
        Ok(self.inner.view.commit(batch)?)
    }

    /// The type and id of a record's key.
    ///
    /// # Errors
    /// [`DatasetError`] if the key is no record's.
    pub fn named(&self, key: &Key) -> Result<(String, RecordId), DatasetError> {
        Ok(self.split(key)?)
    }

    /// The key of a record, if a record of its type was ever written.
    #[must_use]
    pub fn key(&self, record_type: &str, id: RecordId) -> Option<Key> {
        self.inner.words.find(record_type.as_bytes()).map(|number| key(number, id))
    }
}

/// The number of the last writing that was noted.
pub(super) fn last_change(view: &dyn View) -> Result<u64, ViewError> {
    let mut last = 0;
    view.scan_prefix(Keyspace::Changed, &[], &mut |_, bytes| {
        last = last.max(number_of(bytes));
        true
    })?;
    Ok(last)
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
