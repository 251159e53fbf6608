//! The log: the truth of a replica, in append-only segment files of our own.
//!
//! Durable writes, in order: `append` (buffered) → `sync` (written, one fdatasync, then shown to readers).
//! A failed write or sync ends the writer for good: what reached the disk is then unknown until the next
//! start. On open a bad frame beyond the anchor that no valid frame follows is an unfinished write and is
//! cut; anything else is damage, and the log opens no more for writing.

mod anchor;
mod disk;
mod frame;
mod hashes;
mod open;
mod reader;
mod salvage;
#[cfg(test)]
mod tests;
mod writer;

pub use anchor::{Anchor, anchor_bytes, anchors};
pub use disk::Disk;
pub use frame::{FRAME_PAYLOAD_MAX, Frame, FramePosition};
pub use hashes::HashFile;
pub use open::{CutTail, Fault, OpenError, Opened, anchored, open, open_read_only, verify, verify_end};
pub use reader::{LogReader, ReadError, Scan};
pub use salvage::salvage;
pub use writer::{AppendError, LogWriter, SyncError};
