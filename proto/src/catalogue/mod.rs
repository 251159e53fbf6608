//! The catalogue: record types, code lists and units, as data.
//!
//! A new record type is a new file under `catalogue/records`; importers, validation, exports and pages
//! follow from it without code.

mod loader;
mod model;

pub use loader::{Catalogue, CatalogueError, Units};
pub use model::*;
