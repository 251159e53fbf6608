//! The merged state: registers as dots and log positions in the view, values in the log.
//!
//! A change enters by [`Dataset::apply`] with its verdict, becomes visible to readers by
//! [`Dataset::publish`] once the log is synced, and reaches the view by [`Dataset::flush`]. The view can
//! be thrown away at any time: everything here is a function of changes and verdicts.

mod dictionary;
mod entries;
mod flush;
mod holdings;
mod known;
mod passages;
mod past;
mod record;
mod remade;
mod state;
mod stored;
mod table;
mod totals;

pub use dictionary::Dictionary;
pub use entries::{EntryAt, EntryError, EntrySource, Payload};
pub use flush::Flush;
pub use holdings::Holdings;
pub use past::Past;
pub(crate) use record::withdrawal_json;
pub use record::{Conflict, Record, RecordError, SiblingView, SourceView, WithdrawnView};
pub use remade::Remade;
pub use state::{Merged, RecordState, Source};
pub use table::{Admitted, Dataset, DatasetError, Key, LED_MAX};
pub use totals::Totals;
