//! The list that is kept beside backups: an older backup, restored, erases again what it names.

use std::path::{Path, PathBuf};

use lienthong_node::erasing::{Erasures, Kept, ListError, Unproven};
use lienthong_proto::checkpoint::{CheckpointError, SignedCheckpoint};
use lienthong_proto::erasure::Erasure;
use serde::{Deserialize, Serialize};

const FORM: &str = "lienthong erasures 1";

/// Every erasure of a ledger with its proof, and the ledger's signed checkpoint when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    form: String,
    /// The ledger.
    pub ledger: String,
    /// Its signed checkpoint: nothing was erased before it that is not here.
    pub checkpoint: String,
    /// Each.
    pub erasures: Vec<Kept>,
}

/// Why a list does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ExportedError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no such document.
    #[error("{0}: không phải danh sách do `erase export` ghi · not a list that `erase export` wrote")]
    Document(PathBuf),
    /// It is not the ledger's.
    #[error(
        "danh sách xóa không do sổ cái này ký: {0} · the list of erasures is not signed by this ledger: {0}"
    )]
    Checkpoint(#[from] CheckpointError),
    /// One of its erasures is not the ledger's.
    #[error("danh sách xóa có mục không được chứng minh: {0} · an erasure of the list is not proven: {0}")]
    Unproven(#[from] Unproven),
    /// It is older than the backup.
    #[error(
        "danh sách xóa (sổ cái {list} mục) cũ hơn bản sao lưu ({backup} mục): dùng danh sách mới hơn · the list of erasures (of {list} entries) is older than the backup (of {backup}): take a newer one"
    )]
    Older {
        /// Entries of the ledger at the list.
        list: u64,
        /// At the backup.
        backup: u64,
    },
    /// The list in the new folder fails.
    #[error(transparent)]
    List(#[from] ListError),
}

impl Exported {
    /// One of a ledger.
    #[must_use]
    pub fn new(ledger: String, checkpoint: String, erasures: Vec<Kept>) -> Self {
        Self { form: FORM.to_owned(), ledger, checkpoint, erasures }
    }

    /// Reads one that a ledger signed, and that is at least as new as its `size`th entry.
    ///
    /// # Errors
    /// [`ExportedError`].
    pub fn read(
        path: &Path,
        ledger: (&str, [u8; 32]),
        size: u64,
    ) -> Result<Vec<(Kept, Erasure)>, ExportedError> {
        let io = |source| ExportedError::Io { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(io)?;
        let read = serde_json::from_slice(&bytes).ok().filter(|read: &Self| read.form == FORM);
        let read: Self = read.ok_or_else(|| ExportedError::Document(path.to_owned()))?;
        let signed = SignedCheckpoint::verify(read.checkpoint.as_bytes(), ledger.0, ledger.1)?;
        let list = signed.checkpoint().size;
        if list < size {
            return Err(ExportedError::Older { list, backup: size });
        }
        let proven = read.erasures.into_iter().map(|kept| {
            let erasure = kept.verify(ledger)?;
            Ok((Kept { done: false, told: false, ..kept }, erasure))
        });
        proven.collect()
    }

    /// Adds what a list names to that of a data folder: what is new there waits to be carried out.
    ///
    /// # Errors
    /// [`ExportedError`].
    pub fn lay(data: &Path, list: Vec<(Kept, Erasure)>) -> Result<(), ExportedError> {
        let mut erasures = Erasures::open(data)?;
        for (kept, erasure) in list {
            erasures.keep(kept, erasure)?;
        }
        Ok(())
    }
}
