//! Why a replica's writer cannot go on.

use lienthong_proto::batch;
use lienthong_proto::entry::BuildError;
use lienthong_proto::ids::Sequence;

use super::ComposeError;
use super::frames::FrameError;
use crate::dataset::{DatasetError, EntryError};
use crate::log::{AppendError, ReadError, SyncError};
use crate::store::ViewError;

/// Why the journal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The log refused an entry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log did not reach the disk: nothing of the group was accepted.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The view was brought to more than the log has: the log has lost what was accepted.
    #[error("the log has {found} entries, {applied} were applied: its end is lost")]
    Shorter {
        /// As the view has it.
        applied: u64,
        /// As the log has it.
        found: u64,
    },
    /// An entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry is not understood.
    #[error("entry {sequence} of the log is not understood")]
    Malformed {
        /// Which.
        sequence: Sequence,
        /// Why.
        #[source]
        source: lienthong_proto::bytes::Malformed,
    },
    /// The state fails.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The view fails.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Values cannot become a change.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A change cannot become an entry.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A batch cannot be opened.
    #[error(transparent)]
    Pack(#[from] batch::BatchError),
    /// A frame cannot be made.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The leaf hashes beside the log cannot be written.
    #[error("the file of leaf hashes cannot be written")]
    Hashes(#[source] std::io::Error),
}
