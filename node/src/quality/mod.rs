//! The quality of the records, kept up as they change: judged once each, and again when another record, the day
//! or the rules make a difference.
//!
//! What changed is noted in the batch that writes it ([`crate::dataset::Dataset::changed`]); the [`Keeper`] deals
//! with it at its own pace, one record a batch, so that it may stop at any instant. Everything it writes can be
//! thrown away; a rule book of another fingerprint makes it begin anew.

mod answers;
mod index;
mod keeper;
mod kept;
mod report;
#[cfg(test)]
mod tests;

pub use answers::{counts_json, defect_json, dimension_name, quality_json};
pub use keeper::{Keeper, QualityError};
pub use kept::Kept;
