//! A view in memory, with faults on demand.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use super::view::{Batch, Keyspace, View, ViewError, Visit, full_key};

/// Keeps everything in memory.
#[derive(Debug)]
pub struct MemoryView {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    commits_left: AtomicI64,
}

impl Default for MemoryView {
    fn default() -> Self {
        Self { map: RwLock::default(), commits_left: AtomicI64::new(i64::MAX) }
    }
}

impl Clone for MemoryView {
    /// What it holds now, and none of its faults.
    fn clone(&self) -> Self {
        Self { map: RwLock::new(self.map.read().clone()), ..Self::default() }
    }
}

impl MemoryView {
    /// A view whose commits fail after the first `commits`.
    #[must_use]
    pub fn failing_after(commits: u32) -> Self {
        Self { map: RwLock::default(), commits_left: AtomicI64::new(i64::from(commits)) }
    }
}

impl View for MemoryView {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.map.read().get(&full_key(keyspace, key)).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        let full_prefix = full_key(keyspace, prefix);
        let low = from.map(|key| full_key(keyspace, key));
        let map = self.map.read();
        for (key, value) in map.range((low, Bound::Unbounded)) {
            let in_prefix = key.starts_with(&full_prefix);
            if !in_prefix && *key > full_prefix {
                break;
            }
            let Some((_, bare)) = key.split_first() else {
                continue;
            };
            if in_prefix && !visit(bare, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        if self.commits_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(ViewError::Engine("planned fault".to_owned()));
        }
        let mut map = self.map.write();
        for (key, value) in batch.into_sorted() {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }
}
