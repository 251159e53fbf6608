//! By which steps of the units a record came to its owner.

use std::sync::Arc;

use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::lineage::{Lineage, Passage};

use super::{Dataset, DatasetError, EntryError, RecordState, Source};

impl RecordState {
    /// The change that last said by which steps the record moved: the province's word only.
    #[must_use]
    pub fn moved_by(&self) -> Option<&Source> {
        let register = self.registers.get(path::LINEAGE)?;
        let sources = register.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        let firm = sources.filter(|source| source.unit.is_province() && !source.proposal);
        firm.max_by_key(|source| (source.effective, source.dot))
    }
}

impl Dataset {
    /// The steps by which a record came to its owner, oldest first.
    ///
    /// # Errors
    /// [`DatasetError`] if the change that says so cannot be read.
    pub fn passages(&self, state: &RecordState) -> Result<Vec<Passage>, DatasetError> {
        let Some(source) = state.moved_by() else { return Ok(Vec::new()) };
        let bytes = self.entries().entry(source.at)?;
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(EntryError::from)?;
        let said = change.writes.iter().find(|write| write.path == path::LINEAGE);
        Ok(said.map(|write| Passage::list(&write.value)).unwrap_or_default())
    }

    /// Whose a record was in the tree of a day.
    ///
    /// # Errors
    /// As [`Dataset::passages`].
    pub fn home_on(
        &self,
        lineage: &Lineage,
        state: &Arc<RecordState>,
        on: i32,
    ) -> Result<Option<UnitCode>, DatasetError> {
        let Some(owner) = state.owner() else { return Ok(None) };
        if !lineage.receives(owner) || state.moved_by().is_none() {
            return Ok(Some(owner.clone()));
        }
        Ok(Some(lineage.home_on(owner, &self.passages(state)?, on)))
    }
}
