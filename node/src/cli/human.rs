//! What people see of an answer.

use serde_json::Value as Json;

use crate::control::Answer;

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

impl Tongue {
    /// As asked for, or as the locale says; Vietnamese otherwise.
    #[must_use]
    pub fn of(asked: Option<&str>) -> Self {
        let locale = std::env::var("LC_ALL").or_else(|_| std::env::var("LANG")).unwrap_or_default();
        match asked.unwrap_or(&locale) {
            text if text.starts_with("en") => Self::En,
            _ => Self::Vi,
        }
    }

    /// One of two texts.
    #[must_use]
    pub fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        if self == Self::Vi { vi } else { en }
    }
}

/// Prints an answer: one JSON document, or lines for people.
pub fn print_answer(answer: &Answer, command: &str, json: bool, tongue: Tongue) {
    if json {
        println!("{}", answer.body);
        return;
    }
    if let Some(error) = answer.body.get("error").and_then(Json::as_str) {
        eprintln!("{}", localised(error, tongue));
        if answer.body.as_object().is_some_and(|body| body.len() <= 2) {
            return;
        }
    }
    match command {
        "import" => print_import(&answer.body, tongue),
        "status" => print_lines(&answer.body, &STATUS, tongue),
        "enrol" => print_lines(&answer.body, &ENROL, tongue),
        _ => println!("{:#}", answer.body),
    }
}

/// Texts for both languages are written `vi · en`.
#[must_use]
pub(super) fn localised(text: &str, tongue: Tongue) -> &str {
    match text.split_once(" · ") {
        Some((vi, en)) => tongue.pick(vi, en),
        None => text,
    }
}

const STATUS: [(&str, &str, &str); 9] = [
    ("unit_name", "Đơn vị", "Unit"),
    ("state", "Trạng thái", "State"),
    ("hub", "Máy chủ tỉnh", "Hub"),
    ("records", "Bản ghi", "Records"),
    ("acknowledged", "Tỉnh đã nhận (mục)", "Acknowledged (entries)"),
    ("pending", "Chưa gửi (mục)", "Pending (entries)"),
    ("quarantined", "Tỉnh chưa nhập", "In quarantine"),
    ("last_sync", "Đồng bộ lần cuối", "Last heard"),
    ("fault", "Lỗi gần nhất", "Last fault"),
];

const ENROL: [(&str, &str, &str); 3] = [
    ("unit_name", "Đã ghi danh cho", "Enrolled for"),
    ("role", "Vai trò", "Role"),
    ("fingerprint", "Tám từ để đối chiếu qua điện thoại", "Eight words to compare by phone"),
];

fn print_lines(body: &Json, lines: &[(&str, &str, &str)], tongue: Tongue) {
    for (key, vi, en) in lines {
        let value = match body.get(*key) {
            None | Some(Json::Null) => continue,
            Some(Json::String(text)) => localised(text, tongue).to_owned(),
            Some(other) => other.to_string(),
        };
        println!("{}: {value}", tongue.pick(vi, en));
    }
}

fn print_import(body: &Json, tongue: Tongue) {
    let number = |key: &str| body.get(key).and_then(Json::as_u64).unwrap_or(0);
    let (rows, created, updated) = (number("rows"), number("created"), number("updated"));
    let (unchanged, duplicates, rejected) = (number("unchanged"), number("duplicates"), number("rejected"));
    let vi = format!(
        "{rows} dòng: {created} mới, {updated} cập nhật, {unchanged} không đổi, {duplicates} trùng, {rejected} bị loại"
    );
    let en = format!(
        "{rows} rows: {created} new, {updated} updated, {unchanged} unchanged, {duplicates} duplicate, {rejected} rejected"
    );
    println!("{}", tongue.pick(&vi, &en));
    for (list, mark) in [("errors", "✗"), ("warnings", "!")] {
        let found = body.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        for finding in found.iter().take(50) {
            let text = |key: &str| finding.get(key).and_then(Json::as_str).unwrap_or_default();
            let row = finding.get("row").and_then(Json::as_u64).unwrap_or(0);
            let place =
                if row == 0 { String::new() } else { format!("{} {row}", tongue.pick("dòng", "row")) };
            println!("{mark} {place} {} [{}] {}", text("column"), text("rule"), text("message"));
        }
        if found.len() > 50 {
            println!("{mark} … +{}", found.len() - 50);
        }
    }
}
