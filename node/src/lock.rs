//! One process for each data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// Why the folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("thư mục {path} đang được dùng bởi {holder} · the folder is in use by {holder}")]
    Held {
        /// The folder.
        path: String,
        /// Program and process id.
        holder: String,
    },
    /// The lock cannot be taken.
    #[error("{path}: {source}")]
    Io {
        /// The lock file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes a data folder for `program`.
    ///
    /// # Errors
    /// [`LockError::Held`] names who has it.
    pub fn take(data: &Path, program: &str) -> Result<Self, LockError> {
        let path = data.join("lock");
        let io = |source| LockError::Io { path: path.display().to_string(), source };
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let path = data.display().to_string();
                return Err(LockError::Held { path, holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{program}, pid {}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
