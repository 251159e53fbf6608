//! The daemon: whether it runs, and what it says of itself.

use std::path::Path;

use serde_json::Value as Json;

use super::{Finding, Text};
use crate::control;
use crate::service::Request;

/// The daemon of a folder.
#[derive(Debug, Clone, PartialEq)]
pub enum Daemon {
    /// It answered with its status.
    Runs(Json),
    /// Nobody listens; another command of this program may hold the folder.
    Absent {
        /// Which, if one does.
        holder: Option<String>,
    },
    /// It cannot be asked.
    Refused(String),
}

impl Daemon {
    /// Asks it.
    pub async fn observe(data: &Path) -> Self {
        match control::call(data, &Request::Status).await {
            Ok(Some(answer)) => Self::Runs(answer.body),
            Ok(None) => Self::Absent { holder: holder(data) },
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    /// Its status, if it runs.
    #[must_use]
    pub fn status(&self) -> Option<&Json> {
        match self {
            Self::Runs(status) => Some(status),
            _ => None,
        }
    }

    /// What that comes to. Where the line is faulty, being offline is its consequence and no trouble of its own.
    #[must_use]
    pub fn judge(&self, line_serves: bool) -> Finding {
        match self {
            Self::Absent { holder: None } => Finding::warning(
                DAEMON,
                Text::new("chương trình không chạy", "the daemon does not run"),
                Text::new("không nhận tệp, không gửi gì về tỉnh", "no file is taken in, nothing is sent"),
                Text::new(
                    "`systemctl enable --now lienthong-node`, hoặc `lienthong-node run`; không lên thì xem `journalctl -u lienthong-node`",
                    "`systemctl enable --now lienthong-node`, or `lienthong-node run`; if it ends: `journalctl -u lienthong-node`",
                ),
            ),
            Self::Absent { holder: Some(holder) } => Finding::warning(
                DAEMON,
                Text::new(format!("{holder} đang giữ thư mục"), format!("{holder} holds the folder")),
                Text::new(
                    "một lệnh khác đang làm việc, chương trình chính không chạy",
                    "another command is at work; the daemon does not run",
                ),
                Text::new(
                    "chờ lệnh đó xong, rồi khởi động dịch vụ",
                    "wait until it is done, then start the service",
                ),
            ),
            Self::Refused(error) => Finding::fault(
                DAEMON,
                Text::new("không hỏi được chương trình đang chạy", "the running daemon cannot be asked"),
                Text::of(error),
                Text::new(
                    "chạy bằng người dùng của dịch vụ, hoặc root",
                    "run this as the service's user, or as root",
                ),
            ),
            Self::Runs(status) => running(status, line_serves),
        }
    }
}

const DAEMON: &str = "daemon";

fn running(status: &Json, line_serves: bool) -> Finding {
    let text = |key: &str| status.get(key).and_then(Json::as_str).unwrap_or_default();
    let pending = status.get("pending").and_then(Json::as_u64).unwrap_or(0);
    if !text("alarm").is_empty() {
        return Finding::fault(
            DAEMON,
            Text::new("chương trình báo động", "the daemon raises an alarm"),
            Text::of(text("alarm")),
            Text::new("gọi tỉnh trước khi làm gì khác", "call the province before anything else"),
        );
    }
    match text("state") {
        // What a mark in the folder says already.
        "online" | "regressed" => Finding::ok(
            DAEMON,
            Text::new(
                format!("đang chạy, còn {pending} mục chưa gửi"),
                format!("it runs, {pending} entries to send"),
            ),
        ),
        "stopped" => Finding::fault(
            DAEMON,
            Text::new("chương trình ngừng nhận ghi", "the daemon accepts no more writes"),
            Text::new(
                "đĩa đầy, hoặc không xác nhận một lần ghi",
                "the disk is full, or did not confirm a write",
            ),
            Text::new(
                "giải phóng hoặc thay đĩa, rồi khởi động lại dịch vụ",
                "make room or replace the disk, then restart the service",
            ),
        ),
        state if line_serves => {
            let why = match text("fault") {
                "" => Text::new("vừa khởi động, hoặc đang nối", "it has just started, or is dialling"),
                fault => Text::of(fault),
            };
            Finding::warning(
                DAEMON,
                Text::new(
                    format!("đang chạy, chưa nối được ({state})"),
                    format!("it runs and is not connected ({state})"),
                ),
                why,
                Text::new(
                    "chờ một phút rồi chạy lại; vẫn vậy thì `systemctl restart lienthong-node` và gọi tỉnh",
                    "run this again in a minute; if it stays so: `systemctl restart lienthong-node`, and call the province",
                ),
            )
        }
        _ => Finding::ok(
            DAEMON,
            Text::new(
                format!("đang chạy ngoại tuyến, còn {pending} mục chưa gửi"),
                format!("it runs offline, {pending} entries to send"),
            ),
        ),
    }
}

/// The process named by a folder's lock, if it is alive and one of ours: the lock itself is left alone.
fn holder(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("lock")).ok()?;
    let pid: u32 = text.trim().rsplit_once("pid ")?.1.parse().ok()?;
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (pid != std::process::id() && comm.starts_with("lienthong")).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Grade;
    use super::*;

    #[test]
    fn what_the_daemon_says_is_graded() {
        let grade = |status: Json, line| Daemon::Runs(status).judge(line).grade;
        assert_eq!(grade(json!({ "state": "online", "pending": 3 }), true), Grade::Ok);
        assert_eq!(grade(json!({ "state": "offline", "fault": "x" }), true), Grade::Warning);
        assert_eq!(grade(json!({ "state": "offline", "fault": "x" }), false), Grade::Ok);
        assert_eq!(grade(json!({ "state": "stopped" }), true), Grade::Fault);
        assert_eq!(grade(json!({ "state": "online", "alarm": "sổ · ledger" }), true), Grade::Fault);
        assert_eq!(Daemon::Absent { holder: None }.judge(true).grade, Grade::Warning);
        assert_eq!(Daemon::Refused("no".to_owned()).judge(true).grade, Grade::Fault);
    }
}
