//! The catalogue: record types, code lists and units, as data.
//!
//! A new record type is a new file under `catalogue/records`; importers, validation, exports and pages
//! follow from it without code. A type whose records move from state to state declares how in its
//! `[course]`: see [`Course`].

mod bundle;
mod calendar;
pub(crate) mod check;
mod check_course;
mod course;
mod handover;
mod loader;
mod model;
mod places;
mod rule;
mod units;

pub use bundle::{Bundle, BundleError, Published};
pub use calendar::Calendar;
pub use course::{Course, Lock, Passage, Reopening};
pub use handover::{Handover, Held};
pub use loader::{Catalogue, CatalogueError};
pub use model::*;
pub use places::Places;
pub use rule::*;
pub use units::{FormerCommune, Units};
