//! Sharing with agencies: what a grant lets out, how it is proven, and that it stands in the ledger before it leaves.

mod bundle;
mod changed;
mod live;
mod map;
mod scope;
mod sink;
mod templates;
mod untold;

pub use bundle::{BundleReport, SharingError};
pub(crate) use changed::{Changed, changed_since};
pub use live::Subscribers;
pub(crate) use live::{Course, Ready};
pub(crate) use scope::pseudonym;
pub use templates::{TEMPLATES, template};
pub(crate) use untold::Untold;
