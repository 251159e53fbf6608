//! Whether a unit's node holds its records as the hub does, and mending what is not so.
//!
//! The hub asks over the node's own stream ([`Desk`]), range by range, until it knows exactly which records differ
//! (`lienthong_proto::reconcile`). Both must stand at the same place: the node with nothing unacknowledged and the
//! feed taken, which the order of the stream sees to, the hub with nothing new for the unit since it began. What
//! was written meanwhile makes it begin again, never a false difference.

mod compare;
mod desk;
mod ledger_log;
mod mend;
mod outcome;

pub use desk::{Ask, AskError, Desk, Line};
pub use ledger_log::LedgerLog;
pub(crate) use mend::handed_over;
pub use outcome::{Comparison, Outcome};
