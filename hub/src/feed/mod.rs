//! The feed: what each unit's replicas are handed of the records the unit owns.
//!
//! Who is concerned is decided when a change is decided on, and written down beside it ([`FeedIndex`]); a replica
//! follows its unit's part with a cursor ([`FeedReader`]), so that catching up costs what changed, and nothing is
//! ever looked for in the dataset.

mod entry;
mod index;
mod reader;
mod reading;

pub use entry::FeedEntry;
pub use index::{Decided, FeedIndex};
pub use reader::{FeedReader, Piece};
pub use reading::{is_kept, kept_by, may_read, named};
