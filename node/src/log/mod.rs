//! The log: the truth of a replica, in append-only segment files of our own.
//!
//! Durable writes, in order: `append` (buffered) → `sync` (written, one fdatasync, then shown to readers).
//! A failed write or sync ends the writer for good: what reached the disk is then unknown until the next
//! start. On open a bad frame beyond the anchor that no valid frame follows is an unfinished write and is
//! cut; anything else is damage, and the log opens no more for writing.
//!
//! With a key at hand segments are sealed ([`crate::at_rest`]); those of before, plain or under another key, are read as
//! they are, and rewritten one by one by [`reseal`]. The anchor and the leaf hashes stay as they are: hashes are salted
//! commitments, which tell nothing of a value, and the log must be told whole from damaged without a key.

mod anchor;
mod disk;
mod frame;
mod hashes;
mod open;
mod reader;
mod reseal;
mod salvage;
mod seal;
#[cfg(test)]
mod sealed_tests;
#[cfg(test)]
mod tests;
mod writer;

pub use anchor::{Anchor, anchor_bytes, anchors};
pub use disk::{Disk, Medium};
pub use frame::{FRAME_PAYLOAD_MAX, Frame, FramePosition};
pub use hashes::HashFile;
pub use open::{
    CutTail, Fault, OpenError, Opened, anchored, needed_key, open, open_read_only, open_sealed, verify,
    verify_end,
};
pub use reader::{LogReader, ReadError, Scan};
pub use reseal::{Edit, ResealError, Resealing, reseal, resealing, rewrite};
pub use salvage::salvage;
pub use writer::{AppendError, LogWriter, SyncError};
