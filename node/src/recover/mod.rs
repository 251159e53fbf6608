//! Recovery: a log never forks, so what cannot go on as it was goes on as a new replica.
//!
//! [`replace`] enrols a new replica, refills it with what the hub holds of the unit, and writes again what
//! the hub lacks of the old log, with the old dot as origin. [`in_place`] mends a log that is damaged only
//! below what the hub holds of it: the hub's entries are taken back if they are, to the hash, those this
//! replica signed. Both can be run again after a crash; nothing of the old folder is deleted.

mod again;
mod in_place;
mod refill;
mod replace;

pub use again::OwnLog;
pub use in_place::{in_place, in_place_through, is_half_mended};
pub use refill::{Refilled, former_batches};
pub use replace::{from_backup, replace, replace_through, write_again};

use std::path::{Path, PathBuf};

use lienthong_proto::batch::BatchError;
use lienthong_proto::bytes::Malformed;

use crate::identity::{DialError, EnrolError, IdentityError};
use crate::lock::LockError;
use crate::log::{AppendError, OpenError, SyncError};
use crate::replica::JournalError;

/// While this file stands, a recovery is not finished: the node does not run.
pub const RECOVERING: &str = "recovering";

/// What a recovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct RecoverReport {
    /// The replica that goes on.
    pub replica: String,
    /// Entries taken back from the hub.
    pub refilled: u64,
    /// Changes of the old log the hub lacked, written again.
    pub rewritten: u64,
    /// Damaged stretches of the old log that could not be read.
    pub unreadable: u64,
    /// Where the old files are kept.
    pub kept: Option<PathBuf>,
}

/// Why a folder is not recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// It runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is nothing to recover from.
    #[error(
        "máy chưa ghi danh: xin tỉnh mã ghi danh và chạy `recover --hub --token` · not enrolled: ask the province for a token, then `recover --hub --token`"
    )]
    NoIdentity,
    /// The old replica must not write any more.
    #[error(
        "nhật ký này khác bản tỉnh giữ: xin tỉnh mã ghi danh mới và chạy `recover --token` · this log contradicts what the province holds: ask for a new token, then `recover --token`"
    )]
    NeedsToken,
    /// Another replica lives there.
    #[error(
        "{0} đã ghi danh: dùng thư mục mới cho bản sao lưu · is enrolled: use a new folder for the backup"
    )]
    InUse(String),
    /// The backup is another unit's than the token.
    #[error(
        "bản sao lưu là của đơn vị {0}, mã ghi danh là của {1}: làm lại trong thư mục mới với đúng bản · the backup is unit {0}'s, the token {1}'s: begin again in a new folder with the right one"
    )]
    OtherUnit(String, String),
    /// The backup does not serve.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    /// The log is whole.
    #[error("nhật ký không hỏng: không có gì phải khôi phục · the log is whole: there is nothing to recover")]
    Whole,
    /// What is damaged was never sent.
    #[error(
        "phần hỏng (mục {0}) chưa gửi về tỉnh: xin mã ghi danh mới và chạy `recover --token` · the damaged part (entry {0}) was never sent: ask for a new token, then `recover --token`"
    )]
    Unsent(u64),
    /// The hub sent something else than this replica signed.
    #[error(
        "bản tỉnh gửi không khớp chữ ký của máy này ở mục {0}: báo tỉnh · what the hub sent is not what this replica signed, at entry {0}: tell the province"
    )]
    Foreign(u64),
    /// Enrolment failed.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The identity is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The hub cannot be reached.
    #[error("không nối được tới tỉnh · the hub cannot be reached: {0}")]
    Dial(#[from] DialError),
    /// The hub refused.
    #[error("{0}")]
    Refused(String),
    /// The new log fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The new log does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new log does not take an entry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The new log does not reach the disk.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The list of erasures fails.
    #[error(transparent)]
    Erasures(#[from] crate::erasing::ListError),
    /// A batch does not open.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An entry is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A file fails.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes what was renamed into a folder durable.
fn sync_folder(path: &Path) -> Result<(), RecoverError> {
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(io(path))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> RecoverError + use<> {
    let path = path.display().to_string();
    move |source| RecoverError::Io { path, source }
}
