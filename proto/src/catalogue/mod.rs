//! The catalogue: record types, code lists and units, as data.

mod model;

pub use model::*;
