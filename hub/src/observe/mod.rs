//! What the hub tells of itself and its units: metrics, readiness, background jobs.
//!
//! Names stand in [`names`]; [`render`] fills them from what the hub knows anyway, and from [`Meters`], which count
//! what passes. `deploy/OPERATIONS.md` lists them, and a test compares.

mod ages;
mod health;
pub mod jobs;
mod meters;
pub mod names;
mod ready;
mod render;
mod traces;
mod units;

use std::sync::Arc;

use lienthong_node::observe::{Captures, Jobs};
use lienthong_proto::time::UnixMillis;

pub use ages::ConflictAges;
pub use meters::{Meters, OpenConnection};
pub use render::render;
pub use traces::{Arrival, Traces};

/// What the hub counts and watches as it goes.
#[derive(Debug)]
pub struct Observed {
    /// What passes.
    pub meters: Arc<Meters>,
    /// The background jobs.
    pub jobs: Jobs,
    /// What the province itself took in.
    pub captures: Arc<Captures>,
    /// How old open conflicts are.
    pub conflicts: ConflictAges,
    /// What came last, by its ids.
    pub traces: Traces,
}

impl Observed {
    /// Nothing yet.
    #[must_use]
    pub fn new(clock: fn() -> UnixMillis) -> Self {
        Self {
            meters: Arc::default(),
            jobs: Jobs::new(clock),
            captures: Arc::default(),
            conflicts: ConflictAges::default(),
            traces: Traces::default(),
        }
    }
}
