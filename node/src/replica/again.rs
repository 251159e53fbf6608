//! Putting records made again from the log in the place of those in the view.

use super::{Journal, JournalError};
use crate::dataset::Remade;
use crate::store::Batch;

/// Reads a log for the records that are wanted. Most of it before the writer is asked, the rest by the writer
/// itself, so that nobody waits long.
pub trait Again: Send {
    /// Reads everything the log has that was not read yet.
    ///
    /// # Errors
    /// [`JournalError`] if it cannot be read.
    fn catch_up(&mut self) -> Result<(), JournalError>;

    /// What came of it.
    fn remade(&self) -> &Remade;
}

impl Journal {
    /// Puts records made again in the place of what the view has, counts anew if any was different, and brings
    /// it all to the view, `extra` with it. The inner error says why they cannot be made; nothing changed then.
    ///
    /// # Errors
    /// [`JournalError`] if the state or the view fails.
    pub fn remake(
        &mut self,
        again: &mut dyn Again,
        extra: Batch,
    ) -> Result<Result<u64, JournalError>, JournalError> {
        self.commit()?;
        if let Err(error) = again.catch_up() {
            self.flush_with(extra)?;
            return Ok(Err(error));
        }
        let changed = self.dataset().adopt(again.remade())?;
        self.publish()?;
        if changed > 0 {
            self.dataset().recount()?;
        }
        self.flush_with(extra)?;
        Ok(Ok(changed))
    }
}
