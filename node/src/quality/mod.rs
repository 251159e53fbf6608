//! The quality of the records, kept up as they change: judged once each, and again when another record, the day
//! or the rules make a difference.
//!
//! The [`Keeper`] goes through the log behind the view at its own pace, with a cursor of its own, and may stop at
//! any instant. Everything it writes can be thrown away; a rule book of another fingerprint makes it begin anew.

mod answers;
mod index;
mod keeper;
mod kept;
mod report;
mod shared;
#[cfg(test)]
mod tests;
mod written;

pub use answers::{counts_json, defect_json, quality_json};
pub use keeper::{Keeper, Pace, QualityError};
pub use kept::Kept;
