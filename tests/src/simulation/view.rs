//! A view that a power cut takes back by some commits, as an engine that syncs in its own time does.

use std::collections::VecDeque;
use std::ops::Bound;

use lienthong_node::store::{Batch, Keyspace, MemoryView, View, ViewError, Visit};
use parking_lot::Mutex;

use super::random::Random;

/// Commits a power cut may take back.
const BEHIND_MAX: usize = 4;

/// One host's view.
#[derive(Debug, Default)]
pub(super) struct SimView {
    now: MemoryView,
    behind: Mutex<Behind>,
}

#[derive(Debug, Default)]
struct Behind {
    base: MemoryView,
    since: VecDeque<Batch>,
}

impl SimView {
    /// What a power cut leaves: a state between the commits, or nothing at all.
    #[must_use]
    pub(super) fn crashed(&self, random: &mut Random) -> Self {
        if random.chance(50) {
            return Self::default();
        }
        let mut behind = self.behind.lock();
        let kept = random.place(behind.since.len() + 1);
        for batch in behind.since.drain(..).take(kept).collect::<Vec<_>>() {
            drop(behind.base.commit(batch));
        }
        Self::of(behind.base.clone())
    }

    /// As it is now, for another machine.
    #[must_use]
    pub(super) fn image(&self) -> Self {
        Self::of(self.now.clone())
    }

    fn of(view: MemoryView) -> Self {
        Self { behind: Mutex::new(Behind { base: view.clone(), since: VecDeque::new() }), now: view }
    }
}

impl View for SimView {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.now.get(keyspace, key)
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        self.now.scan(keyspace, from, prefix, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        let mut behind = self.behind.lock();
        behind.since.push_back(batch.clone());
        if behind.since.len() > BEHIND_MAX
            && let Some(oldest) = behind.since.pop_front()
        {
            behind.base.commit(oldest)?;
        }
        self.now.commit(batch)
    }
}
