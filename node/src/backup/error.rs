//! Why a backup is not made, or not believed.

use std::path::Path;

use lienthong_proto::note::NoteError;

use super::Recipient;
use crate::lock::LockError;

/// Why a backup is not made, or not believed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another process writes it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error(
        "đĩa đầy khi ghi {0}: bản sao lưu trước (nếu có) vẫn nguyên; dọn chỗ rồi chạy lại · the disk is full at {0}: the backup before it, if any, is whole; make room and run again"
    )]
    DiskFull(String),
    /// The target is in the folder that is copied.
    #[error(
        "{0} nằm trong thư mục dữ liệu: chọn chỗ khác, trên đĩa khác · is in the data folder: choose another place, on another disk"
    )]
    Inside(String),
    /// Something else is there.
    #[error(
        "{0} không trống và không phải bản sao lưu: chọn thư mục khác · is neither empty nor a backup: choose another folder"
    )]
    Foreign(String),
    /// Another log's backup is there.
    #[error(
        "{path} chứa bản sao lưu của {found}, không phải của {expected} · holds a backup of {found}, not of {expected}"
    )]
    Other {
        /// Where.
        path: String,
        /// Whose it is.
        found: String,
        /// Whose it was to be.
        expected: String,
    },
    /// There is no manifest.
    #[error(
        "{0} không có bản sao lưu hoàn chỉnh: lần sao lưu đã bị cắt giữa chừng, hoặc đây là thư mục khác · holds no complete backup: it was cut half way, or this is another folder"
    )]
    Incomplete(String),
    /// The manifest was altered.
    #[error(
        "danh mục của bản sao lưu bị sửa hoặc hỏng: {0} · the backup's manifest was altered or damaged: {0}"
    )]
    Manifest(String),
    /// The manifest is not signed by the log's key.
    #[error(
        "danh mục của bản sao lưu không mang chữ ký đúng · the backup's manifest is not signed as it should be: {0}"
    )]
    Signature(#[from] NoteError),
    /// It is encrypted, and no private key, or another, was given.
    #[error(
        "bản sao lưu được mã hóa cho {needed}: cần --identity với tệp khóa riêng của người nhận đó{} · the backup is encrypted to {needed}: --identity with that recipient's private key is needed{}",
        .given.map(|given| format!(" (đã đưa khóa của {given})")).unwrap_or_default(),
        .given.map(|given| format!(" (the one given is {given}'s)")).unwrap_or_default()
    )]
    Encrypted {
        /// To whom.
        needed: Recipient,
        /// Whose private key was given.
        given: Option<Recipient>,
    },
    /// Files are missing or other than they were.
    #[error("bản sao lưu hỏng: {} · the backup is damaged: {}", .0.join("; "), .0.join("; "))]
    Damaged(Vec<String>),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[from] crate::log::ReadError),
    /// The log's hashes do not lead to its root.
    #[error("the leaf hashes do not lead to the log's root: run `check`")]
    Root,
}

/// The error of a file.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + use<> {
    let path = path.display().to_string();
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => BackupError::DiskFull(path),
        _ => BackupError::Io { path, source },
    }
}
