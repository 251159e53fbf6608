//! A file that is done with and still lies where it was: somebody has it open, or the share refuses to move it.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Where it lies, how it was when it was copied, and where it belongs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    /// Nowhere, if nothing of it may be kept.
    pub(super) aside: Option<PathBuf>,
}

impl Left {
    /// Moves or removes it. One that has changed since it was copied is another file: it stays, to be taken in.
    ///
    /// # Errors
    /// The operating system's; it then lies where it was.
    pub(super) fn clear(&self) -> io::Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(about) if about.len() != self.size || about.modified().ok() != self.modified => Ok(()),
            Ok(_) => match &self.aside {
                Some(aside) => std::fs::rename(&self.path, aside),
                None => std::fs::remove_file(&self.path),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lying(folder: &std::path::Path) -> Left {
        let path = folder.join("a.csv");
        std::fs::write(&path, "one").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().ok();
        Left { path, size: 3, modified, aside: Some(folder.join("done/a.csv")) }
    }

    #[test]
    fn it_stays_until_it_can_be_moved() {
        let dir = tempfile::tempdir().unwrap();
        let left = lying(dir.path());
        assert!(left.clear().is_err());
        assert!(left.path.exists());
        std::fs::create_dir(dir.path().join("done")).unwrap();
        left.clear().unwrap();
        assert!(!left.path.exists() && dir.path().join("done/a.csv").exists());
        left.clear().unwrap();
    }

    #[test]
    fn p1_what_was_written_over_it_is_not_moved() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("done")).unwrap();
        let left = lying(dir.path());
        std::fs::write(&left.path, "another").unwrap();
        left.clear().unwrap();
        assert!(left.path.exists());
        let forbidden = Left { aside: None, ..left };
        forbidden.clear().unwrap();
        assert!(forbidden.path.exists());
    }
}
