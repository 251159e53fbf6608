//! Backups: a copy of a data folder that is consistent, verified, and says itself what it is.
//!
//! A [`Target`] folder holds `objects/`, each file under its SHA-256, and one `manifest` that names them, signed by
//! the log's key. Objects come first, each written beside, synced and renamed; the manifest last. So a backup that
//! was cut half way has no manifest, or still the one before, whole; and what the target already has is not copied
//! again. The log is copied up to a size that was synced, with the root of just that size.

mod error;
mod gather;
mod manifest;
mod target;

pub use error::BackupError;
pub use gather::{Piece, Source, log_pieces, node_backup};
pub use manifest::{FileEntry, Manifest, SignedManifest};
pub use target::{Report, Target};
