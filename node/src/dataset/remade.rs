//! Some records, made again from the log beside the dataset, and put in the place of what the view has.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lienthong_proto::change::Change;
use lienthong_proto::ids::Dot;
use lienthong_proto::reconcile::Named;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;

use super::past::{Look, Past};
use super::table::{Dataset, DatasetError, key};
use super::{Admitted, RecordState};
use crate::log::LogReader;
use crate::store::MemoryView;

/// Opened frames kept while records are made again.
const FRAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// The wanted records with nothing but what the log says of them: a dataset of its own in memory, so that they
/// come out as they would of a whole rebuild.
#[derive(Debug)]
pub struct Remade {
    wanted: BTreeSet<Named>,
    scratch: Dataset,
}

impl Remade {
    /// Nothing applied yet; `log` is where the changes will stand.
    ///
    /// # Errors
    /// [`DatasetError`], never in fact: the view is in memory.
    pub fn new(wanted: impl IntoIterator<Item = Named>, log: LogReader) -> Result<Self, DatasetError> {
        let scratch = Dataset::open(Arc::new(MemoryView::default()), log, FRAMES)?;
        Ok(Self { wanted: wanted.into_iter().collect(), scratch })
    }

    /// Whether a change is of a wanted record.
    #[must_use]
    pub fn wants(&self, change: &Change) -> bool {
        let (record_type, record) = (change.record_type.clone(), change.record);
        self.wanted.contains(&Named { record_type, record })
    }

    /// Applies an admitted change, if it is of a wanted record.
    ///
    /// # Errors
    /// [`DatasetError`] if a state cannot be read.
    pub fn apply(&self, admitted: Admitted<'_>) -> Result<(), DatasetError> {
        if self.wants(admitted.change) { self.scratch.apply(admitted) } else { Ok(()) }
    }

    /// Takes a later verdict on a change that was applied.
    ///
    /// # Errors
    /// [`DatasetError`] if the record's changes cannot be read.
    pub fn decide(
        &self,
        change: &Change,
        accepted: UnixMillis,
        verdict: &Verdict,
    ) -> Result<(), DatasetError> {
        if self.wants(change) { self.scratch.decide(change, accepted, verdict) } else { Ok(()) }
    }

    fn made(&self, named: &Named) -> Result<(RecordState, BTreeMap<Dot, Past>), DatasetError> {
        let Named { record_type, record } = named;
        let Some(state) = self.scratch.pending_state(record_type, *record)? else {
            let Some(key) = self.scratch.key(record_type, *record) else { return Ok(Default::default()) };
            return Ok((RecordState::default(), self.scratch.past(&key, Look::Pending)?));
        };
        let past = match self.scratch.key(record_type, *record) {
            Some(key) => self.scratch.past(&key, Look::Pending)?,
            None => BTreeMap::new(),
        };
        Ok(((*state).clone(), past))
    }
}

impl Dataset {
    /// The writer's: puts records made again in the place of what stands there; how many were different. Readers
    /// see them after [`Dataset::publish`].
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn adopt(&self, remade: &Remade) -> Result<u64, DatasetError> {
        let mut changed = 0;
        for named in &remade.wanted {
            let (state, past) = remade.made(named)?;
            let Named { record_type, record } = named;
            let before = match self.state(record_type, *record) {
                Ok(before) => before.map(|state| state.mark(record_type, *record)),
                Err(DatasetError::State(_)) => None,
                Err(error) => return Err(error),
            };
            let after = (!state.is_empty()).then(|| state.mark(record_type, *record));
            changed += u64::from(before != after);
            let key = key(self.inner.words.number(record_type.as_bytes()), *record);
            let was_past: Vec<Dot> = self.past(&key, Look::Pending)?.into_keys().collect();
            self.put_in_place(key, &state)?;
            let mut pending = self.inner.pending.lock();
            for dot in was_past.into_iter().filter(|dot| !past.contains_key(dot)) {
                pending.past.insert((key, dot), None);
            }
            pending.past.extend(past.into_iter().map(|(dot, past)| ((key, dot), Some(past))));
        }
        Ok(changed)
    }
}
