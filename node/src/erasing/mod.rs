//! Lawful erasure at a replica, hub or node: what its ledger ordered is kept in a list, and carried out before anything
//! is opened.
//!
//! An order that comes while the replica runs is kept durably and the replica is opened anew. Opening carries out what
//! waits: the log is rewritten without the values, segment by segment, and the view is made again from it. A stop
//! anywhere leaves the list as it was, and the next opening does it from the beginning.

mod imports;
mod list;
mod settle;
mod tell;

pub use imports::sheets_in;
pub use list::{Erasures, Kept, ListError, Taken, verified};
pub use settle::{SettleError, Settled, settle};
pub use tell::{tell, told};

/// The list's file in a data folder.
pub const LIST: &str = "erasures.json";
