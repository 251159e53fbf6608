//! Folders whose names outlast a power cut: a file in one that is synced is lost with its folder's name.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a folder and what leads to it, and syncs their names; one that is there may be one whose name a crash kept from
/// being synced.
///
/// # Errors
/// The operating system's.
pub fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    std::fs::create_dir_all(path)?;
    missing.into_iter().skip(1).try_for_each(keep_name)?;
    keep_name(path)
}

/// Syncs what names a file or folder.
///
/// # Errors
/// The operating system's.
pub fn keep_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new("."))) {
        Ok(folder) => folder.sync_all(),
        // A folder above ours that we may pass through and not read was there before.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}
