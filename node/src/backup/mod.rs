//! Backups: a copy of a data folder that is consistent, verified, and says itself what it is.
//!
//! A [`Target`] folder holds `objects/`, each file under its SHA-256, and one `manifest` that names them, signed by
//! the log's key. Objects come first, each written beside, synced and renamed; the manifest last. So a backup that
//! was cut half way has no manifest, or still the one before, whole; and what the target already has is not copied
//! again. The log is copied up to a size that was synced, with the root of just that size.
//! Encrypted to a [`Recipient`], an object stands under the SHA-256 of its encrypted bytes: that it is whole is seen without
//! the key, and what has not changed is not copied again.

mod error;
mod gather;
mod manifest;
mod recipient;
mod target;

pub use error::BackupError;
pub use gather::{Piece, Source, log_pieces, node_backup};
pub use manifest::{FileEntry, Manifest, SealedEntry, SignedManifest};
pub use recipient::{Identity, Recipient, RecipientError};
pub use target::{Report, Target};
