//! A short list in a private file: read when first needed, changed as a whole.

use std::path::PathBuf;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{read_private, write_private};

/// Why a list cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PrivateListError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not ours.
    #[error(
        "{path} không đọc được: hãy xóa tệp rồi tạo lại các mục · is not readable: remove it and make its entries again"
    )]
    Malformed {
        /// The file.
        path: String,
    },
}

/// Such a list.
#[derive(Debug)]
pub(crate) struct PrivateList<T> {
    path: PathBuf,
    kept: Mutex<Option<Vec<T>>>,
}

impl<T: Clone + Serialize + DeserializeOwned> PrivateList<T> {
    /// The list in a file that need not be there yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, kept: Mutex::new(None) }
    }

    /// Looks at it.
    pub(crate) fn with<R, E: From<PrivateListError>>(
        &self,
        work: impl FnOnce(&mut Vec<T>) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut kept = self.kept.lock();
        if kept.is_none() {
            *kept = Some(self.read()?);
        }
        work(kept.get_or_insert_default())
    }

    /// Changes it; a change is on disk before it counts, and counts at once.
    pub(crate) fn change<E: From<PrivateListError>>(
        &self,
        work: impl FnOnce(&mut Vec<T>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.with(|kept| {
            let mut next = kept.clone();
            work(&mut next)?;
            let bytes = serde_json::to_vec_pretty(&next).unwrap_or_default();
            write_private(&self.path, &bytes).map_err(|source| self.io(source))?;
            *kept = next;
            Ok(())
        })
    }

    fn read(&self) -> Result<Vec<T>, PrivateListError> {
        match read_private(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| PrivateListError::Malformed { path: self.path.display().to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(self.io(source)),
        }
    }

    fn io(&self, source: std::io::Error) -> PrivateListError {
        PrivateListError::Io { path: self.path.display().to_string(), source }
    }
}
