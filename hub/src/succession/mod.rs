//! A hub that takes over: from a backup, or from nothing but the recovery kit.
//!
//! [`restore`] checks a backup wholly, opens a new ledger whose first entry is the recovery key's statement, and takes
//! the old ledger over into it ([`carry`]); [`rebuild`] has only the statement. Both are made beside, and put in
//! their place as a whole. The nodes then follow the statement and send what is lacking; until an administrator has
//! confirmed, nobody is enrolled, and those whose enrolment was lost are let in again by their certificates.

mod carry;
mod check;
mod confirm;
mod readmit;
mod restore;

pub use carry::{Carried, carry};
pub use check::check;
pub use restore::{RestoreError, RestoreOptions, RestoreReport, rebuild, restore};
