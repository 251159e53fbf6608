//! The log's end: whole, and as far as its anchor says it reached. The whole of it is `check`'s.

use std::path::Path;

use lienthong_proto::ids::ReplicaId;

use super::{Finding, Text};
use crate::log::{self, OpenError};
use crate::replica::log_dir;

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEnd {
    /// Nothing was written yet.
    Empty,
    /// Whole, so many entries.
    Whole(u64),
    /// Damaged, and where.
    Damaged(String),
    /// It cannot be read.
    Unreadable(String),
}

impl LogEnd {
    /// Reads the last segment; nothing is changed.
    #[must_use]
    pub fn observe(data: &Path, replica: ReplicaId) -> Self {
        let dir = log_dir(data);
        if !dir.exists() {
            return Self::Empty;
        }
        match log::verify_end(&dir, replica) {
            Ok(entries) => Self::Whole(entries.0),
            Err(OpenError::Io { path, source }) => Self::Unreadable(format!("{path}: {source}")),
            Err(damage) => Self::Damaged(damage.to_string()),
        }
    }

    /// What that comes to.
    #[must_use]
    pub fn judge(&self) -> Finding {
        match self {
            Self::Empty => Finding::ok(LOG, Text::new("nhật ký chưa có gì", "the log is empty yet")),
            Self::Whole(entries) => Finding::ok(
                LOG,
                Text::new(
                    format!("nhật ký nguyên vẹn ở cuối, {entries} mục"),
                    format!("the log’s end is whole, {entries} entries"),
                ),
            ),
            Self::Damaged(where_) => Finding::fault(
                LOG,
                Text::new("nhật ký bị hỏng", "the log is damaged"),
                Text::new(format!("chỗ hỏng: {where_}"), where_),
                Text::new(
                    "dừng dịch vụ, `lienthong-node check`, rồi `lienthong-node recover`; kiểm tra đĩa (`smartctl -a`)",
                    "stop the service, `lienthong-node check`, then `lienthong-node recover`; test the disk (`smartctl -a`)",
                ),
            ),
            Self::Unreadable(error) => Finding::fault(
                LOG,
                Text::new("không đọc được nhật ký", "the log cannot be read"),
                Text::of(error),
                Text::new(
                    "chạy bằng đúng người dùng; nếu đĩa báo lỗi: thay đĩa, khôi phục (`lienthong-node recover`)",
                    "run as the folder's owner; if the disk reports errors: replace it, recover (`lienthong-node recover`)",
                ),
            ),
        }
    }
}

const LOG: &str = "log";

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn damage_is_a_fault_and_an_empty_log_is_none() {
        assert_eq!(LogEnd::Empty.judge().grade, Grade::Ok);
        assert_eq!(LogEnd::Whole(3).judge().grade, Grade::Ok);
        assert_eq!(LogEnd::Damaged("segment 0".to_owned()).judge().grade, Grade::Fault);
        assert_eq!(LogEnd::Unreadable("segment 0".to_owned()).judge().grade, Grade::Fault);
    }
}
