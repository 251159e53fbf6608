//! Files only their owner may read, replaced as a whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Writes a file of mode 0600 durably: a new file, synced, renamed, and the folder synced.
///
/// # Errors
/// The operating system's.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()
}

/// Reads a private file; one that others may read is refused.
///
/// # Errors
/// The operating system's, or `PermissionDenied` if the mode gives others access.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    read_masked(path, 0o077)
}

/// Reads a secret that was given by a file: a private one, or a credential systemd has laid out for this service. Where
/// systemd lays it out by an access list, the list's mask shows as the group's right to read.
///
/// # Errors
/// As [`read_private`].
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let laid_out = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder));
    read_masked(path, if laid_out { 0o037 } else { 0o077 })
}

fn read_masked(path: &Path, others: u32) -> io::Result<Vec<u8>> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & others != 0 {
        let reason =
            format!("{} may be read by others (mode {:o}): chmod 600 it", path.display(), mode & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    std::fs::read(path)
}
