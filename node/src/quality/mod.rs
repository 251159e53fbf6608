//! The quality of the records, kept up as they change: judged once each, and again when another record, the day
//! or the rules make a difference.
//!
//! The [`Keeper`] goes through the log behind the view at its own pace, with a cursor of its own, and may stop at
//! any instant. Everything it writes can be thrown away; a rule book of another fingerprint makes it begin anew.

mod answers;
mod course;
mod event;
mod index;
mod keeper;
mod kept;
mod meeting;
mod outbox;
mod overall;
mod pass;
mod referring;
mod regrouped;
mod remarks;
mod report;
mod rows;
mod shared;
#[cfg(test)]
mod tests;
mod waivers;
mod written;

pub use answers::{counts_json, defect_json, quality_json, waiver_json};
pub use event::{WaiverStep, waiver_end_event, waiver_event};
pub use keeper::{Keeper, Pace, QualityError};
pub use kept::Kept;
pub use outbox::{Telling, ToldCursor};
pub use overall::Overall;
pub use regrouped::{Home, Regrouped};
pub use remarks::{Viewpoint, remarks, remarks_text};
pub use rows::Wanted;
pub use waivers::{Waivers, delete_waiver, put_waiver};
