//! What a program tells of itself: metrics, readiness, background jobs, and the id by which one import is followed.
//!
//! Metric names stand in one place at each program ([`names`] here, `observe::names` at the hub), each with its kind,
//! unit and meaning; the document for operators is compared with them by a test. Labels name units, states, jobs and
//! reason classes, never a value, an id of a record or a file's name.

mod backup_mark;
mod captures;
mod exposition;
mod histogram;
mod jobs;
mod metric;
pub mod names;
mod ready;
mod render;
mod room;
mod serve;
mod watchdog;

pub use backup_mark::{backup_made, last_backup};
pub use captures::{Capture, Captures, ImportCounts};
pub use exposition::Exposition;
pub use histogram::Histogram;
pub use jobs::{Beat, Job, JobSpec, JobState, Jobs};
pub use metric::{Kind, Metric, counter, gauge, histogram};
pub use ready::{Readiness, Unready};
pub use render::{render, seconds_until, signed_seconds};
pub use room::{Room, folder_bytes};
pub use serve::{answer, serve};
pub use watchdog::watch_jobs;
