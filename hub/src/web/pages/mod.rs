//! The pages, one file each.

pub(super) mod accounts;
pub(super) mod administration;
pub(super) mod alert;
pub(super) mod alerts;
pub(super) mod conflict;
pub(super) mod conflicts;
pub(super) mod duplicate;
pub(super) mod duplicates;
pub(super) mod history;
pub(super) mod integrity;
pub(super) mod language;
pub(super) mod overview;
pub(super) mod password;
pub(super) mod quality;
mod quality_rows;
pub(super) mod quarantine;
pub(super) mod record;
pub(super) mod records;
pub(super) mod sharing;
pub(super) mod sign_in;
mod slip;
mod timeline;
pub(super) mod unit;
pub(super) mod unit_contact;
pub(super) mod unit_revoke;
pub(super) mod units;
pub(super) mod waiting;
