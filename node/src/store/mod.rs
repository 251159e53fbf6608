//! The view: an ordered key-value store that can be thrown away and rebuilt from the log.

mod cover;
mod memory;
mod sled_view;
mod staged;
mod view;

pub use memory::MemoryView;
pub use sled_view::{SledView, ViewOpened};
pub use staged::StagedView;
pub use view::{Batch, Keyspace, View, ViewError, Visit};

#[cfg(test)]
mod contract;
