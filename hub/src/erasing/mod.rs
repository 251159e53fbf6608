//! Lawful erasure at the province: what an order takes, and carrying it out.

mod adopt;
mod catch_up;
mod exported;
mod file;
mod plan;

/// A field of an erasure's event: the ledger never held what it takes, for that came later and was stripped on its way in.
pub(crate) const LATE: &str = "late";

pub use catch_up::{CatchUpError, catch_up, entry_at};
pub use exported::{Exported, ExportedError};
pub use file::{OrderFile, OrderFileError};
pub use plan::{Plan, PlanError};
