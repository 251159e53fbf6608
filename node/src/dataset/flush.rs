//! The way of the published state to the view.

use super::table::Pasts;
use super::{Dataset, DatasetError};
use crate::store::Batch;

/// The published state as it stood at one size of the log, on its way to the view. Until it is there,
/// readers find it in memory, so it may be committed beside them and beside the writer.
#[derive(Debug)]
#[must_use = "nothing reaches the view before it is committed"]
pub struct Flush {
    pub(super) dataset: Dataset,
    pub(super) batch: Batch,
    pub(super) past: Pasts,
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
