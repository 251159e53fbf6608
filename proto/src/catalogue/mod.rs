//! The catalogue: record types, code lists and units, as data.
//!
//! A new record type is a new file under `catalogue/records`; importers, validation, exports and pages
//! follow from it without code.

pub(crate) mod check;
mod loader;
mod model;
mod rule;

pub use loader::{Catalogue, CatalogueError, Units};
pub use model::*;
pub use rule::*;
