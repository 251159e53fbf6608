//! What is to be done now, worst first, from what the node says of itself.

use serde_json::Value as Json;

use super::view::Tongue;

/// Something a person should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) urgent: bool,
    pub(super) text: String,
    /// Where it is done, if here.
    pub(super) at: Option<&'static str>,
}

/// What `status` and `defects` give a person to do.
pub(super) fn tasks(tongue: Tongue, status: &Json, defects: &Json) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut add = |urgent, at, vi: String, en: String| {
        let text = if tongue == Tongue::Vi { vi } else { en };
        tasks.push(Task { urgent, text, at });
    };
    let text = |name: &str| status.get(name).and_then(Json::as_str);
    let count = |name: &str| status.get(name).and_then(Json::as_u64).unwrap_or(0);
    match text("state") {
        Some("regressed") => add(
            true,
            None,
            "Máy này chỉ đọc: nhật ký khác bản tỉnh đang giữ. Gọi tỉnh, rồi chạy `lienthong-node recover`.".into(),
            "This machine is read-only: its log contradicts what the province holds. Call the province, then run `lienthong-node recover`.".into(),
        ),
        Some("stopped") => add(
            true,
            None,
            "Máy này không ghi được nữa: kiểm tra ổ đĩa rồi khởi động lại chương trình.".into(),
            "This machine can no longer write: look at the disk, then start the program again.".into(),
        ),
        _ => {}
    }
    if text("alarm").is_some() {
        add(
            true,
            None,
            "Tỉnh không chứng minh được điều đã hứa: gọi bộ phận vận hành của tỉnh.".into(),
            "The province cannot show what it promised: call its operators.".into(),
        );
    }
    let quarantined = count("quarantined");
    if quarantined > 0 {
        let vi = format!("{quarantined} thay đổi tỉnh chưa nhập: xem lý do.");
        let en = format!("{quarantined} changes the province keeps apart: see why.");
        add(true, Some("/notices"), vi, en);
    }
    let found = count("defects");
    if found > 0 {
        let vi = format!("{found} lỗi dữ liệu cần sửa.");
        let en = format!("{found} defects to mend.");
        add(false, Some("/defects"), vi, en);
    }
    let missing = defects.get("missing").and_then(Json::as_array).map_or(0, Vec::len);
    if missing > 0 {
        let vi = format!("{missing} nội dung phải có mà chưa có.");
        let en = format!("{missing} things that should be there and are not.");
        add(false, Some("/defects"), vi, en);
    }
    if status.pointer("/inbox/fault").is_some_and(Json::is_string) {
        add(
            false,
            None,
            "Thư mục nhận tệp không dùng được: kiểm tra thư mục hoặc ổ mạng.".into(),
            "The watched folder cannot be worked on: look at the folder or the share.".into(),
        );
    }
    tasks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_worst_first_and_nothing_else() {
        let well = json!({ "state": "online", "quarantined": 0, "defects": 0, "alarm": null, "inbox": { "fault": null } });
        assert_eq!(tasks(Tongue::Vi, &well, &json!({ "missing": [] })), []);
        let ill = json!({
            "state": "regressed", "quarantined": 2, "defects": 3, "alarm": "x", "inbox": { "fault": "gone" },
        });
        let said = tasks(Tongue::En, &ill, &json!({ "missing": [{}] }));
        assert_eq!(said.len(), 6);
        assert!(said.is_sorted_by_key(|task| !task.urgent));
        assert!(said[0].text.contains("recover") && said[3].text.starts_with("3 defects"));
    }
}
