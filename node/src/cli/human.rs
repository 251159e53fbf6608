//! What people see of an answer.

use std::fmt::Write as _;
use std::io::Write as _;

use lienthong_proto::catalogue::Dimension;
use lienthong_proto::quality::formula;
use serde_json::Value as Json;

use crate::capture::Language;
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

    /// The same, of import messages.
    #[must_use]
    pub fn language(self) -> Language {
        if self == Self::Vi { Language::Vi } else { Language::En }
    }

    /// One of two texts.
    #[must_use]
    pub fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        if self == Self::Vi { vi } else { en }
    }
}

/// Prints an answer: one JSON document, or lines for people; nothing where the work itself went there.
pub fn print_answer(answer: &Answer, command: &str, json: bool, tongue: Tongue) {
    if answer.body.is_null() {
        return;
    }
    if json {
        say(&format!("{}\n", answer.body));
        return;
    }
    if let Some(error) = answer.body.get("error").and_then(Json::as_str) {
        eprintln!("{}", localised(error, tongue));
        if answer.body.as_object().is_some_and(|body| body.len() <= 2) {
            return;
        }
    }
    let text = match command {
        "api-token" if answer.body.get("token").is_some() => token_text(&answer.body, tongue),
        "grants" => body_text(&grants_at_a_glance(&answer.body), tongue),
        "import" => import_text(&answer.body, tongue),
        "quality" | "defects" => quality_text(&answer.body, tongue),
        "status" if answer.body.get("units").is_some() => province_text(&answer.body, tongue),
        _ => body_text(&answer.body, tongue),
    };
    say(&text);
}

/// The grants of an agency without what only programs read in a line: terms, logs and the receipt's bytes.
fn grants_at_a_glance(body: &Json) -> Json {
    let mut body = body.clone();
    for item in body.get_mut("items").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(fields) = item.as_object_mut() {
            fields.retain(|key, _| !["terms", "logs", "receipt"].contains(&key.as_str()));
        }
    }
    body
}

/// Writes to standard output; a reader that left is no fault.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Columns side by side, the first row as their heads.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let blank = width.saturating_sub(cell.chars().count());
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', blank + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Texts for both languages are written `vi · en`.
#[must_use]
pub(super) fn localised(text: &str, tongue: Tongue) -> &str {
    match text.split_once(" · ") {
        Some((vi, en)) => tongue.pick(vi, en),
        None => text,
    }
}

/// Names people see instead of a document's keys.
const LABELS: &[(&str, &str, &str)] = &[
    ("url", "Mở trang", "Open"),
    (
        "certificate_sha256",
        "SHA-256 của chứng thư (đối chiếu trong trình duyệt)",
        "The certificate's SHA-256 (compare it in the browser)",
    ),
    ("backup", "Bản sao lưu", "Backup"),
    ("warning", "Lưu ý", "Warning"),
    ("size", "Số mục", "Entries"),
    ("files", "Số tệp", "Files"),
    ("bytes", "Dung lượng (byte)", "Bytes"),
    ("copied", "Chép lần này (byte)", "Copied now (bytes)"),
    ("carried", "Đã chuyển sang sổ mới", "Taken over"),
    ("former", "Sổ trước", "The ledger before"),
    ("archive", "Sổ trước, giữ để đọc", "The ledger before, kept for reading"),
    ("note", "Chữ ký kế tục (cất cùng bộ khôi phục)", "Statement of succession (keep it with the kit)"),
    ("missing", "Còn thiếu", "Missing"),
    ("unit_name", "Đơn vị", "Unit"),
    ("unit", "Mã đơn vị", "Unit code"),
    ("name", "Tên", "Name"),
    ("state", "Trạng thái", "State"),
    ("role", "Vai trò", "Role"),
    ("hub", "Máy chủ tỉnh", "Hub"),
    ("records", "Bản ghi", "Records"),
    ("left_out", "Để ngoài vì còn lỗi", "Left out for errors"),
    ("acknowledged", "Tỉnh đã nhận (mục)", "Acknowledged (entries)"),
    ("pending", "Chưa gửi (mục)", "Pending (entries)"),
    ("quarantined", "Tỉnh chưa nhập", "In quarantine"),
    ("conflicts_open", "Xung đột đang mở", "Open conflicts"),
    ("last_sync", "Nghe tỉnh lần cuối", "Last heard"),
    ("last_seen", "Thấy lần cuối", "Last seen"),
    ("fault", "Lỗi gần nhất", "Last fault"),
    ("fingerprint", "Tám từ để đối chiếu qua điện thoại", "Eight words to compare by phone"),
    ("token", "Mã ghi danh", "Token"),
    ("expires", "Hết hạn", "Expires"),
    ("province", "Tỉnh", "Province"),
    ("replica", "Bản sao", "Replica"),
    ("replicas", "Bản sao", "Replicas"),
    ("damaged_lines", "Dòng bị hỏng, không hiện (chạy check)", "Damaged lines, not shown (run check)"),
    ("recovery_kit", "Bộ khôi phục (cất ngoài máy này)", "Recovery kit (keep it off this machine)"),
    ("recovery_passphrase", "Mật khẩu bộ khôi phục (chép ra giấy)", "Its passphrase (write it on paper)"),
    ("administrator", "Người quản trị đầu tiên", "First administrator"),
    ("file", "Tệp", "File"),
    ("type", "Loại", "Type"),
    ("record", "Bản ghi", "Record"),
    ("field", "Trường", "Field"),
    ("number", "Số", "Number"),
    ("reason", "Lý do", "Reason"),
    ("at", "Lúc", "At"),
    ("log", "Nhật ký", "Log"),
    ("ledger", "Sổ cái", "Ledger"),
    ("addresses", "Địa chỉ", "Addresses"),
    ("version", "Phiên bản", "Version"),
    ("entries", "Số mục", "Entries"),
    ("root", "Gốc", "Root"),
    ("faults", "Sai hỏng", "Faults"),
    ("conflicts", "Xung đột", "Conflicts"),
    ("siblings", "Các giá trị", "Values"),
    ("sources", "Nguồn", "Sources"),
    ("fields", "Nội dung", "Fields"),
    ("defects", "Lỗi dữ liệu", "Defects"),
    ("withdrawn", "Đã thu hồi", "Withdrawn"),
    ("merged_into", "Đã gộp vào", "Merged into"),
    ("merged", "Gộp từ", "Merged from"),
    ("filled", "Bổ sung từ bản ghi kia", "Filled from the other"),
    ("united", "Danh sách gộp chung", "Lists united"),
    ("gone", "Mục bản ghi giữ lại đã bỏ", "Items the kept record has dropped"),
    ("differing", "Khác nhau, giữ bản ghi còn lại", "Differ; the kept record’s stands"),
    ("cleared", "Trả lại là trống", "Empty again"),
    ("restored", "Trả lại như trước", "As before again"),
    ("changed_since", "Đã có người ghi lại, giữ nguyên", "Stated again since, left as it is"),
    ("author", "Người ghi", "Author"),
    ("created_at", "Lập lúc", "Created"),
    ("revoked_at", "Thu hồi lúc", "Revoked"),
    ("certificate_until", "Chứng thư dùng đến", "Certificate good until"),
    ("alarm", "Báo động", "Alarm"),
    ("catalogue", "Danh mục", "Catalogue"),
    ("refused", "Không nhận", "Refused"),
    ("erased", "Xóa theo lệnh", "Erased by order"),
    ("orders", "Số lệnh", "Orders"),
    ("sheets", "Bảng tính còn giữ giá trị đã xóa", "Sheets that still hold what was erased"),
    ("inbox", "Thư mục theo dõi", "Watched folder"),
    ("waiting", "Đang chờ", "Waiting"),
    ("granted", "Được chia sẻ", "Granted"),
    ("at_rest", "Mã hóa kho", "Encryption of the store"),
    ("unit_replicas", "Máy đã ghi danh của đơn vị", "Nodes enrolled for this unit"),
    ("own", "Máy này", "This one"),
    ("jobs", "Việc chạy nền", "Background jobs"),
    ("last_progress", "Tiến triển lần cuối", "Last progress"),
    ("rhythm_seconds", "Nhịp (giây)", "Rhythm (seconds)"),
    ("failures", "Số lần lỗi", "Failures"),
    ("vi", "Làm gì", "What it does"),
    ("en", "Làm gì", "What it does"),
    ("enrolled_at", "Ghi danh lúc", "Enrolled"),
    ("lag", "Chậm (mục)", "Behind (entries)"),
    ("lag_seconds", "Chậm (giây)", "Behind (seconds)"),
    ("successors", "Được kế tục bởi", "Succeeded by"),
    ("last_import", "Lần nhập gần nhất", "Last import"),
    ("imports", "Các lần nhập gần đây", "Last imports"),
    ("whole", "Đọc hết tệp", "Read to the end"),
    ("rows", "Số dòng", "Rows"),
    ("created", "Mới", "New"),
    ("updated", "Cập nhật", "Updated"),
    ("unchanged", "Không đổi", "Unchanged"),
    ("duplicates", "Trùng", "Duplicate"),
    ("rejected", "Bị loại", "Rejected"),
    ("reasons", "Theo lớp lý do", "By reason class"),
];

/// What the states of things are called.
const STATES: &[(&str, &str, &str)] = &[
    ("online", "đang nối với tỉnh", "online"),
    ("offline", "không nối được", "offline"),
    ("silent", "im lặng", "silent"),
    ("never", "chưa ghi danh", "never enrolled"),
    ("unenrolled", "chưa ghi danh", "not enrolled"),
    ("regressed", "nhật ký lùi: cần khôi phục", "regressed: recover it"),
    ("stopped", "đã dừng nhận ghi", "stopped: takes no writes"),
    ("revoked", "đã thu hồi", "revoked"),
    ("fenced", "bị chặn", "fenced"),
    ("active", "đang dùng", "active"),
    ("ended", "đã thay thế hoặc thu hồi", "replaced or revoked"),
    ("proposed", "chờ duyệt", "proposed"),
    ("coming", "chưa đến ngày", "not begun yet"),
    ("expired", "hết hạn", "expired"),
    ("working", "đang làm", "working"),
    ("idle", "đang nghỉ", "idle"),
    ("stalled", "bị kẹt", "stalled"),
];

fn label(key: &str, tongue: Tongue) -> String {
    let known = LABELS.iter().find(|(name, _, _)| *name == key);
    known.map_or(key, |(_, vi, en)| tongue.pick(vi, en)).to_owned()
}

/// A document as lines: lists as tables, the rest as `label: value`.
fn body_text(body: &Json, tongue: Tongue) -> String {
    if let Some(checkpoint) = body.get("checkpoint").and_then(Json::as_str)
        && body.as_object().is_some_and(|body| body.len() == 1)
    {
        return checkpoint.to_owned();
    }
    if let Some(items) = body.get("items").and_then(Json::as_array) {
        return list_text(items, tongue);
    }
    let mut text = String::new();
    lines(body, tongue, 0, &mut text);
    text
}

fn lines(body: &Json, tongue: Tongue, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for (key, value) in body.as_object().into_iter().flatten() {
        let label = label(key, tongue);
        match value {
            Json::Null => {}
            Json::Object(fields) if fields.is_empty() => {}
            Json::Array(items) if items.is_empty() => {}
            Json::Object(_) => {
                let _ = writeln!(text, "{indent}{label}:");
                lines(value, tongue, depth + 1, text);
            }
            Json::Array(items) if items.iter().any(Json::is_object) => {
                let _ = writeln!(text, "{indent}{label}:");
                for line in list_text(items, tongue).lines() {
                    let _ = writeln!(text, "{indent}  {line}");
                }
            }
            value => {
                let _ = writeln!(text, "{indent}{label}: {}", told(key, value, tongue));
            }
        }
    }
}

fn cell(value: &Json, tongue: Tongue) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => localised(text, tongue).replace('\n', " "),
        Json::Array(items) => items.iter().map(|item| cell(item, tongue)).collect::<Vec<_>>().join(", "),
        Json::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !value.is_null());
            let said =
                said.map(|(key, value)| format!("{}: {}", label(key, tongue), told(key, value, tongue)));
            said.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// What a key's value is called: a state has a name in each language.
fn told(key: &str, value: &Json, tongue: Tongue) -> String {
    let state = value.as_str().filter(|_| key == "state");
    let known = state.and_then(|state| STATES.iter().find(|(name, _, _)| *name == state));
    known.map_or_else(|| cell(value, tongue), |(_, vi, en)| tongue.pick(vi, en).to_owned())
}

fn list_text(items: &[Json], tongue: Tongue) -> String {
    if items.is_empty() {
        return format!("{}\n", tongue.pick("(không có)", "(none)"));
    }
    // A record's values are what a list of records is about.
    let flat: Vec<serde_json::Map<String, Json>> = items.iter().map(flattened).collect();
    let mut keys: Vec<&String> = Vec::new();
    for key in flat.iter().flat_map(serde_json::Map::keys) {
        // One language of a pair of texts is enough.
        let other = tongue.pick("en", "vi");
        if !keys.contains(&key) && key != other {
            keys.push(key);
        }
    }
    let empty = |key: &&String| {
        flat.iter().all(|item| item.get(*key).is_none_or(|value| cell(value, tongue).is_empty()))
    };
    keys.retain(|key| !empty(key));
    let mut rows = vec![keys.iter().map(|key| label(key, tongue)).collect::<Vec<_>>()];
    let value = |item: &serde_json::Map<String, Json>, key: &String| {
        item.get(key).map(|value| told(key, value, tongue)).unwrap_or_default()
    };
    rows.extend(flat.iter().map(|item| keys.iter().map(|key| value(item, key)).collect()));
    table(&rows)
}

fn flattened(item: &Json) -> serde_json::Map<String, Json> {
    let mut flat = serde_json::Map::new();
    for (key, value) in item.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("fields" | "entry", Json::Object(fields)) => flat.extend(fields.clone()),
            ("sources" | "defects", Json::Array(_)) => {}
            ("conflicts", Json::Array(conflicts)) => {
                if !conflicts.is_empty() {
                    flat.insert(key.clone(), conflicts.len().into());
                }
            }
            (_, Json::Array(values)) if values.is_empty() => {}
            ("withdrawn", Json::Object(withdrawn)) => {
                flat.insert(key.clone(), withdrawn.get("reason").cloned().unwrap_or_default());
            }
            _ => {
                flat.insert(key.clone(), value.clone());
            }
        }
    }
    flat
}

/// The province at one look: what needs a person first.
fn province_text(body: &Json, tongue: Tongue) -> String {
    let number = |key: &str| body.get(key).and_then(Json::as_u64).unwrap_or(0);
    let units = body.get("units").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text = |unit: &Json, key: &str| unit.get(key).map(|value| cell(value, tongue)).unwrap_or_default();
    let enrolled: Vec<&Json> = units.iter().filter(|unit| text(unit, "state") != "never").collect();
    let mut out = String::new();
    let (records, conflicts, waiting) = (number("records"), number("conflicts_open"), number("quarantined"));
    let (known, all) = (enrolled.len(), units.len());
    let vi = format!(
        "{records} bản ghi · {known}/{all} đơn vị đã ghi danh · {conflicts} xung đột · {waiting} chưa nhập được"
    );
    let en = format!(
        "{records} records · {known}/{all} units enrolled · {conflicts} conflicts · {waiting} quarantined"
    );
    let _ = writeln!(out, "{}", tongue.pick(&vi, &en));
    if let Some(failure) = body.get("failure").and_then(Json::as_str) {
        let _ = writeln!(out, "✗ {failure}");
    }
    if let Some(succession) = body.get("succession").filter(|succession| succession.is_object())
        && succession.get("confirmed").is_none_or(Json::is_null)
    {
        let forgotten = succession.get("readmitted").and_then(Json::as_array).map_or(0, Vec::len);
        let vi = format!(
            "! máy chủ vừa được khôi phục: chưa ghi danh ai cho tới khi quản trị chạy `lienthong-hub confirm-succession`; {forgotten} máy được nhận lại bằng giấy chứng nhận"
        );
        let en = format!(
            "! the hub was restored: nobody is enrolled until an administrator runs `lienthong-hub confirm-succession`; {forgotten} nodes were let in again by their certificates"
        );
        let _ = writeln!(out, "{}", tongue.pick(&vi, &en));
    }
    let heads = [
        tongue.pick("Đơn vị", "Unit"),
        tongue.pick("Trạng thái", "State"),
        tongue.pick("Bản ghi", "Records"),
        tongue.pick("Còn thiếu", "Lag"),
        tongue.pick("Thấy lần cuối", "Last seen"),
        tongue.pick("Cần gọi vì", "Call because"),
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for unit in enrolled {
        let attention = tongue.pick("attention", "attention_en");
        let keys = ["name", "state", "records", "lag", "last_seen", attention];
        rows.push(keys.map(|key| text(unit, key)).to_vec());
    }
    out.push_str(&table(&rows));
    out
}

/// The token alone goes to standard output, so that it can be put where it belongs.
fn token_text(body: &Json, tongue: Tongue) -> String {
    let vi = "Chỉ hiện một lần: hãy cất vào nơi phần mềm đọc được, không gửi qua thư.";
    let en = "Shown this once: keep it where the program reads it, and send it nowhere.";
    eprintln!("{}", tongue.pick(vi, en));
    format!("{}\n", body.get("token").and_then(Json::as_str).unwrap_or_default())
}

/// Scores, with what they come from and the rows that lose points.
fn quality_text(body: &Json, tongue: Tongue) -> String {
    let figure = |quality: Option<&Json>, name: &str| {
        let found = quality.and_then(|quality| quality.get(name)).and_then(Json::as_u64);
        found.map_or_else(|| "–".to_owned(), |figure| figure.to_string())
    };
    let word = |dimension: Dimension| tongue.language().pick(dimension.label());
    let text = |item: &Json, key: &str| item.get(key).map(|value| cell(value, tongue)).unwrap_or_default();
    let mut out = String::new();
    if let Some(left) = body.get("not_judged_yet").and_then(Json::as_u64).filter(|left| *left > 0) {
        let (vi, en) = (
            format!("còn {left} mục nhật ký chưa chấm"),
            format!("{left} entries of the log are not judged yet"),
        );
        let _ = writeln!(out, "{}", tongue.pick(&vi, &en));
    }
    if let Some(counts) = body.get("counts") {
        let total = figure(body.get("quality"), "total");
        let _ = writeln!(out, "{} {} {total}", text(body, "name"), tongue.pick("điểm chung", "score"));
        let mut rows = Vec::new();
        for dimension in Dimension::ALL {
            let name = dimension.name();
            let count = counts.get(name).cloned().unwrap_or_default();
            let of = format!("{}/{}", text(&count, "good"), text(&count, "all"));
            rows.push(vec![word(dimension), figure(body.get("quality"), name), of, text(&count, "formula")]);
        }
        out.push_str(&table(&rows));
        remarks(body, "", &mut out, tongue);
        for (key, mark) in [("missing", "–"), ("rows", "!"), ("items", "!")] {
            for item in body.get(key).and_then(Json::as_array).into_iter().flatten() {
                let (record_type, id) = (text(item, "type"), text(item, "id"));
                let defects = item.get("defects").and_then(Json::as_array).cloned();
                for defect in defects.unwrap_or_else(|| vec![item.clone()]) {
                    let (rule, message) = (text(&defect, "rule"), text(&defect, "message"));
                    let _ = writeln!(
                        out,
                        "{mark} {record_type} {id} {} [{rule}] {message}",
                        text(&defect, "field")
                    );
                }
            }
        }
        if let Some(next) = body.get("next").and_then(Json::as_str) {
            let _ = writeln!(out, "{} --after {next}", tongue.pick("… còn nữa:", "… there is more:"));
        }
        return out;
    }
    let mut rows = vec![vec![tongue.pick("Đơn vị", "Unit").to_owned()]];
    if let Some(head) = rows.first_mut() {
        head.extend(Dimension::ALL.map(word));
        head.push(tongue.pick("chung", "total").to_owned());
    }
    for item in body.get("items").and_then(Json::as_array).into_iter().flatten() {
        let mut row = vec![text(item, "name")];
        row.extend(Dimension::ALL.map(|dimension| figure(item.get("quality"), dimension.name())));
        row.push(figure(item.get("quality"), "total"));
        rows.push(row);
    }
    out.push_str(&table(&rows));
    for item in body.get("items").and_then(Json::as_array).into_iter().flatten() {
        remarks(item, &format!("{}: ", text(item, "name")), &mut out, tongue);
    }
    let of_all = (tongue.pick("chung", "total"), formula(None));
    let _ = writeln!(out, "\n{} = {}", of_all.0, tongue.pick(&of_all.1.vi, &of_all.1.en));
    for label in Dimension::ALL.map(|dimension| formula(Some(dimension))) {
        let _ = writeln!(out, "{}", tongue.pick(&label.vi, &label.en));
    }
    out
}

/// What lowers figures and is of no record.
fn remarks(body: &Json, whose: &str, out: &mut String, tongue: Tongue) {
    for remark in body.get("remarks").and_then(Json::as_array).into_iter().flatten() {
        let _ = writeln!(out, "! {whose}{}", cell(remark, tongue));
    }
}

fn import_text(body: &Json, tongue: Tongue) -> String {
    let number = |key: &str| body.get(key).and_then(Json::as_u64).unwrap_or(0);
    let (rows, created, updated) = (number("rows"), number("created"), number("updated"));
    let (unchanged, duplicates, rejected) = (number("unchanged"), number("duplicates"), number("rejected"));
    let vi = format!(
        "{rows} dòng: {created} mới, {updated} cập nhật, {unchanged} không đổi, {duplicates} trùng, {rejected} bị loại"
    );
    let en = format!(
        "{rows} rows: {created} new, {updated} updated, {unchanged} unchanged, {duplicates} duplicate, {rejected} rejected"
    );
    let mut out = format!("{}\n", tongue.pick(&vi, &en));
    out.push_str(&skipped_text(body, tongue));
    for (list, mark) in [("errors", "✗"), ("warnings", "!")] {
        let found = body.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        for finding in found.iter().take(50) {
            let text = |key: &str| finding.get(key).and_then(Json::as_str).unwrap_or_default();
            let row = finding.get("row").and_then(Json::as_u64).unwrap_or(0);
            let row =
                if row == 0 { String::new() } else { format!("{} {row} ", tongue.pick("dòng", "row")) };
            let value = text("value");
            let value = if value.is_empty() { String::new() } else { format!(" “{value}”") };
            let column = text("column");
            let _ = writeln!(out, "{mark} {row}{column}{value} [{}] {}", text("rule"), text("message"));
        }
        if found.len() > 50 {
            let _ = writeln!(out, "{mark} … +{}", found.len() - 50);
        }
    }
    out
}

/// Which rows were passed over, so that none is missed.
fn skipped_text(body: &Json, tongue: Tongue) -> String {
    let count = body.get("skipped").and_then(Json::as_u64).unwrap_or(0);
    if count == 0 {
        return String::new();
    }
    let listed = body.get("skipped_rows").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let place = |skipped: &Json| {
        let row = skipped.get("row").and_then(Json::as_u64).unwrap_or(0);
        match skipped.get("sheet").and_then(Json::as_str) {
            Some(sheet) => format!("{sheet} {row}"),
            None => row.to_string(),
        }
    };
    let places = listed.iter().take(50).map(place).collect::<Vec<_>>().join(", ");
    let more = if count > 50 { ", …" } else { "" };
    let vi =
        format!("Bỏ qua {count} dòng không phải bản ghi (tổng, ghi chú, tiêu đề nhóm): {places}{more}\n");
    let en = format!("{count} rows passed over as no records (totals, notes, groups): {places}{more}\n");
    tongue.pick(&vi, &en).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_in_one_language_and_has_no_document_in_it() {
        let body = json!({
            "state": "offline", "certificate_until": "2027-11-27T00:00:00Z",
            "replicas": [{ "state": "fenced", "ended": { "state": "revoked", "at": "x" }, "reason": "mất máy · lost" }],
            "jobs": [{ "state": "idle", "vi": "ghi", "en": "writes" }],
        });
        let vi = body_text(&body, Tongue::Vi);
        for said in
            ["Trạng thái: không nối được", "Chứng thư dùng đến: 2027", "bị chặn", "Lý do", "mất máy", "ghi"]
        {
            assert!(vi.contains(said), "{said}\n{vi}");
        }
        let en = body_text(&body, Tongue::En);
        for said in ["State: offline", "Certificate good until: 2027", "fenced", "lost", "writes"] {
            assert!(en.contains(said), "{said}\n{en}");
        }
        for text in [vi, en] {
            assert!(!text.contains(['{', '"', '·']), "{text}");
        }
    }

    #[test]
    fn figures_are_told_with_what_is_no_records_fault_and_the_way_on() {
        let count = json!({ "good": 0, "all": 3, "score": 0, "formula": "sống · live" });
        let unit = json!({
            "name": "Phố Hiến", "quality": { "song": 0, "total": 0 }, "counts": { "song": count },
            "remarks": ["im lặng từ 07:05 · silent since 07:05"], "rows": [], "next": "dang_vien/07",
        });
        let (vi, en) = (quality_text(&unit, Tongue::Vi), quality_text(&unit, Tongue::En));
        assert!(
            vi.contains("! im lặng từ 07:05\n") && vi.contains("còn nữa: --after dang_vien/07\n"),
            "{vi}"
        );
        assert!(en.contains("! silent since 07:05\n") && en.contains("more: --after dang_vien/07\n"), "{en}");
        let list = quality_text(&json!({ "items": [unit] }), Tongue::Vi);
        assert!(list.contains("! Phố Hiến: im lặng từ 07:05\n"), "{list}");
        assert!(
            list.contains("chung = số thấp nhất trong sáu số") && list.contains("\nđúng = số giá trị"),
            "{list}"
        );
    }
}
