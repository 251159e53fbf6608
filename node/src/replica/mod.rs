//! A replica: the one log of this store, the state merged from it, and the one writer.

mod behind;
mod compose;
mod frames;
mod journal;
mod numbers;
mod replay;
mod writer;

pub use compose::{Aimed, ComposeError, Composed, Draft, Intent, Look, aim, key_id, meant_id, preview};
pub use frames::FrameError;
pub use journal::{Author, Head, Journal, JournalError, JournalOptions, Stage, log_dir, secret};
pub use numbers::Numbers;
pub use replay::{NoReplay, Replay, Replayed};
pub use writer::{Outcome, Replica, WriteError, Written, settler};
