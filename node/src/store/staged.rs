//! Writes gathered before they are committed together: each is read as if it were.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;

use super::view::{Batch, Keyspace, View, ViewError, Visit, full_key};

/// A view with writes on top of it that it does not have yet. An engine pays for each batch by itself: many small ones
/// cost more than what they write.
#[derive(Debug)]
pub struct StagedView<'a> {
    under: &'a dyn View,
    writes: Mutex<Writes>,
}

/// Full keys, each with its value or none.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl<'a> StagedView<'a> {
    /// Nothing is staged yet.
    #[must_use]
    pub fn over(under: &'a dyn View) -> Self {
        Self { under, writes: Mutex::default() }
    }

    /// How many keys are written.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.writes.lock().len()
    }

    /// Commits what is staged, all or nothing, with `extra`. What is not committed stays staged.
    ///
    /// # Errors
    /// [`ViewError`] of the view below.
    pub fn flush(&self, mut extra: Batch) -> Result<(), ViewError> {
        let mut staged = self.writes.lock();
        let mut batch = Batch { writes: staged.clone().into_iter().collect(), applied: extra.applied.take() };
        batch.writes.append(&mut extra.writes);
        self.under.commit(batch)?;
        staged.clear();
        Ok(())
    }

    /// The staged writes whose keys begin with `prefix`.
    fn among(&self, prefix: &[u8]) -> Writes {
        let writes = self.writes.lock();
        let from = (Bound::Included(prefix.to_vec()), Bound::Unbounded);
        let found = writes.range(from).take_while(|(key, _)| key.starts_with(prefix));
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl View for StagedView<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        if let Some(written) = self.writes.lock().get(&full_key(keyspace, key)) {
            return Ok(written.clone());
        }
        self.under.get(keyspace, key)
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        let staged = self.among(&full_key(keyspace, prefix));
        if staged.is_empty() {
            return self.under.scan(keyspace, from, prefix, visit);
        }
        let first = from.map(|key| full_key(keyspace, key));
        let within = |key: &[u8]| match &first {
            Bound::Included(first) => key >= first.as_slice(),
            Bound::Excluded(before) => key > before.as_slice(),
            Bound::Unbounded => true,
        };
        let mut waiting = staged.iter().filter(|(key, _)| within(key)).peekable();
        let mut goes_on = true;
        let mut show = |key: &[u8], value: &[u8]| {
            goes_on = key.split_first().is_some_and(|(_, bare)| visit(bare, value));
            goes_on
        };
        self.under.scan(keyspace, from, prefix, &mut |bare, value| {
            let key = full_key(keyspace, bare);
            while let Some((written, value)) = waiting.next_if(|(written, _)| **written <= key) {
                if value.as_ref().is_some_and(|value| !show(written, value)) {
                    return false;
                }
            }
            // Where keys come in another order than their own, a staged one may have been shown before this.
            staged.contains_key(&key) || show(&key, value)
        })?;
        for (written, value) in waiting {
            if goes_on && let Some(value) = value {
                goes_on = written.split_first().is_some_and(|(_, bare)| visit(bare, value));
            }
        }
        Ok(())
    }

    /// Stages the batch.
    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        self.writes.lock().extend(batch.into_sorted());
        Ok(())
    }
}
