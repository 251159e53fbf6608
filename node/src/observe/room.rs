//! How much room a folder's disk has.

use std::path::Path;

/// Bytes of a folder's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free for this program.
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

impl Room {
    /// That of the disk `path` is on; nothing if it does not say.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Self { free_bytes: bytes(disk.f_bavail), total_bytes: bytes(disk.f_blocks) })
    }

    /// What a peer says of its own; nothing if it says nothing, or what cannot be.
    #[must_use]
    pub fn said(free_bytes: u64, total_bytes: u64) -> Option<Self> {
        (total_bytes > 0 && free_bytes <= total_bytes).then_some(Self { free_bytes, total_bytes })
    }

    /// Free, in hundredths of all.
    #[must_use]
    pub fn free_percent(self) -> u64 {
        self.free_bytes.saturating_mul(100) / self.total_bytes.max(1)
    }
}

/// Bytes of the files right in a folder.
#[must_use]
pub fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let files = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}
