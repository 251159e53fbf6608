//! What is published and waits for the view, and its way there.

use std::sync::Arc;

use lienthong_proto::ids::RecordId;

use super::stored::Stored;
use super::table::{Key, Pasts, Published};
use super::totals::TOTALS;
use super::{Dataset, DatasetError, past};
use crate::store::{Batch, Keyspace};

/// The published state as it stood at one size of the log, on its way to the view. Until it is there,
/// readers find it in memory, so it may be committed beside them and beside the writer.
#[derive(Debug)]
#[must_use = "nothing reaches the view before it is committed"]
pub struct Flush {
    dataset: Dataset,
    batch: Batch,
    past: Pasts,
}

impl Flush {
    /// Brings it to the view, all or nothing.
    ///
    /// # Errors
    /// [`DatasetError`] if the view refuses; what waits stays waiting.
    pub fn commit(self) -> Result<(), DatasetError> {
        let Self { dataset, batch, past } = self;
        dataset.view().commit(batch)?;
        dataset.flushed(&past);
        Ok(())
    }
}

impl Published {
    /// What waits of a record, if anything does.
    pub(super) fn waiting(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.overlay.get(key).or_else(|| self.leaving.get(key))
    }

    /// Everything that waits, in no order; of a record changed meanwhile what it was comes before what it is.
    pub(super) fn all_waiting(&self) -> impl Iterator<Item = (&Key, &Arc<Stored>)> {
        self.leaving.iter().chain(&self.overlay)
    }
}

impl Dataset {
    /// How many records wait for the view.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        let published = self.inner.published.read();
        published.overlay.len() + published.leaving.len()
    }

    /// Whether a record waits for the view.
    #[must_use]
    pub fn is_waiting(&self, record_type: &str, id: RecordId) -> bool {
        self.key(record_type, id).is_some_and(|key| self.inner.published.read().waiting(&key).is_some())
    }

    /// The writer's: brings everything published to the view, with `extra` and the applied sequence in
    /// the same all-or-nothing batch.
    ///
    /// # Errors
    /// [`DatasetError`] if the view refuses; what waits stays waiting.
    pub fn flush(&self, applied: u64, extra: Batch) -> Result<(), DatasetError> {
        self.begin_flush(applied, extra).commit()
    }

    /// The writer's: takes what [`Dataset::flush`] brings to the view; `applied` is the log's size at which
    /// it was published.
    pub fn begin_flush(&self, applied: u64, mut batch: Batch) -> Flush {
        let (leaving, past) = {
            let mut published = self.inner.published.write();
            batch.put(Keyspace::Meta, TOTALS, &published.totals.encode());
            let overlay = std::mem::take(&mut published.overlay);
            if published.leaving.is_empty() {
                published.leaving = Arc::new(overlay);
            } else {
                // The flush before failed.
                Arc::make_mut(&mut published.leaving).extend(overlay);
            }
            (Arc::clone(&published.leaving), published.past.clone())
        };
        let mut sorted: Vec<(&Key, &Arc<Stored>)> = leaving.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        for (key, state) in sorted {
            batch.put(Keyspace::Record, key, &state.bytes);
        }
        for ((key, dot), past) in &past {
            past::put(key, dot, past.as_ref(), &self.inner.words, &mut batch);
        }
        let settled = std::mem::take(&mut self.inner.pending.lock().settled);
        for (key, path, open) in &settled {
            let mut name = key.to_vec();
            name.extend_from_slice(path.as_bytes());
            if *open {
                batch.put(Keyspace::Conflict, &name, &[]);
            } else {
                batch.delete(Keyspace::Conflict, &name);
            }
        }
        self.inner.words.store(&mut batch);
        batch.set_applied(applied);
        Flush { dataset: self.clone(), batch, past }
    }

    /// What was leaving the view now has: it need not be held in memory.
    fn flushed(&self, past: &Pasts) {
        let mut published = self.inner.published.write();
        published.past.retain(|place, now| past.get(place) != Some(now));
        let left = std::mem::take(&mut published.leaving);
        drop(published);
        drop(left);
    }
}
