//! What goes into a backup.

use std::path::{Path, PathBuf};

use lienthong_proto::hash::Digest;
use lienthong_proto::ids::Sequence;
use lienthong_proto::merkle::{Frontier, Hashes as _};

use super::error::io;
use super::{BackupError, Manifest, Recipient, Report, Target};
use crate::app::Node;
use crate::log::{HashFile, LogReader, anchor_bytes};
use crate::replica::{Head, log_dir};

/// One file to be copied.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Its place in the data folder, parts joined by `/`.
    pub path: String,
    /// Its bytes.
    pub source: Source,
}

/// Where a piece's bytes come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, or its first bytes.
    File {
        /// Which.
        path: PathBuf,
        /// How many bytes; all of them if not said.
        bytes: Option<u64>,
    },
    /// Made for the backup.
    Bytes(Vec<u8>),
}

/// The files of a log up to a size that is synced: segments, hashes, and an anchor of just that size.
///
/// # Errors
/// [`BackupError`] if the log cannot be read there, or its hashes do not lead to `head`'s root.
pub fn log_pieces(
    data: &Path,
    reader: &LogReader,
    hashes: &HashFile,
    replica: lienthong_proto::ids::ReplicaId,
    head: Head,
) -> Result<Vec<Piece>, BackupError> {
    let dir = log_dir(data);
    let file = |name: String, bytes| Piece {
        path: format!("log/{name}"),
        source: Source::File { path: dir.join(name), bytes: Some(bytes) },
    };
    let mut pieces: Vec<Piece> =
        reader.extent(Sequence(head.size))?.into_iter().map(|(name, bytes)| file(name, bytes)).collect();
    let mut frontier = Frontier::new();
    for index in 0..head.size {
        frontier.push(hashes.leaf(index).ok_or(BackupError::Root)?);
    }
    let root: Digest = frontier.root();
    if root != head.root {
        return Err(BackupError::Root);
    }
    for (level, size) in [(0, head.size), (1, head.size / 256), (2, head.size / 65_536)] {
        pieces.push(file(format!("hashes.{level}"), size * 32));
    }
    let anchor = anchor_bytes(replica, head.size, root, &frontier.encode());
    pieces.push(Piece { path: "log/anchor".to_owned(), source: Source::Bytes(anchor) });
    Ok(pieces)
}

/// What a node's backup holds besides its log, as far as it is there. Never its keys: a log is not gone on with from a
/// backup, and a thief of the backup must not be able to speak for the unit.
const BESIDE: [&str; 8] = [
    "identity/profile.json",
    "receipts.jsonl",
    "proofs.jsonl",
    "notices.jsonl",
    "refusals.jsonl",
    "api-tokens.json",
    "officers.json",
    "inbox.work/known.jsonl",
];

/// Backs a node up, beside its running, encrypted to a recipient if one is named.
///
/// # Errors
/// [`BackupError`]; a backup that was there before is still whole then.
pub fn node_backup(node: &Node, to: &Path, recipient: Option<Recipient>) -> Result<Report, BackupError> {
    let head = *node.replica.head().borrow();
    let _held = node.replica.reader().hold();
    let identity = &node.identity;
    let mut pieces =
        log_pieces(&node.data, node.replica.reader(), node.replica.hashes(), identity.replica(), head)?;
    for name in BESIDE {
        let path = node.data.join(name);
        if path.exists() {
            // Lines are added while it is copied: what is there now.
            let bytes = path.metadata().map_err(io(&path))?.len();
            pieces.push(Piece { path: name.to_owned(), source: Source::File { path, bytes: Some(bytes) } });
        }
    }
    let checkpoint =
        node.builder().checkpoint(head.size).map_err(|error| BackupError::Manifest(error.to_string()))?;
    let key = identity.log_key();
    Target::new(to).encrypted_to(recipient).write(&node.data, &identity.origin(), &pieces, |files| {
        let manifest = Manifest {
            version: 1,
            kind: "node".to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            unit: identity.unit().clone(),
            replica: identity.replica(),
            origin: identity.origin(),
            key: hex::encode(lienthong_proto::hash::Signer::public_key(key.as_ref())),
            made_at: node.now(),
            size: head.size,
            root: hex::encode(head.root),
            checkpoint,
            successions: Vec::new(),
            files,
        };
        let bytes = manifest.sign(key.as_ref())?;
        Ok((manifest, bytes))
    })
}
