//! A replica: the one log of this store, the state merged from it, and the one writer.

mod again;
mod behind;
mod compose;
mod error;
mod fed;
mod frames;
mod journal;
mod numbers;
mod replay;
mod stated;
mod tally;
mod writer;

pub use again::Again;
pub use compose::{Aimed, ComposeError, Composed, Draft, Intent, Look, aim, key_id, meant_id, preview};
pub use error::JournalError;
pub use fed::{Fed, FeedPiece, taken as feed_taken};
pub use frames::FrameError;
pub use journal::{Appended, Author, Head, Journal, JournalOptions, Stage, log_dir, secret};
pub use numbers::Numbers;
pub use replay::{NoReplay, Replay, Replayed};
pub use writer::{FeedError, Outcome, Replica, WriteError, Writer, Written, settler};

#[cfg(test)]
mod tests;
