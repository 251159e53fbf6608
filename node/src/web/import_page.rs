//! The pages of an import: choosing a file, waiting, what would happen, what happened.

use axum::response::Html;
use lienthong_proto::catalogue::RecordType;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::import::is_classified;
use super::shown::number;
use super::uploads::{Outcome, Upload};
use super::view::{View, sentence};

/// Seconds between two looks at a file being read.
const AGAIN: u32 = 1;

pub(super) fn choose(view: &View) -> Html<String> {
    let t = |vi, en| view.t(vi, en);
    let most = view.web.page.limits.upload_bytes_max;
    let body = html! {
        p { (t("Chọn bảng tính của đơn vị (XLSX, XLS, ODS, CSV, JSONL). Máy đọc thử trước và cho xem kết quả; chưa ghi gì cho đến khi đồng chí bấm nhập.",
               "Choose your spreadsheet (XLSX, XLS, ODS, CSV, JSONL). It is read first and you see what would happen; nothing is written until you say so.")) }
        form.narrow.drop method="post" action="/import" enctype="multipart/form-data" data-upload=(most)
            data-large=(t("Tệp quá lớn.", "The file is too large.")) data-broken=(t("Không gửi được tệp: hãy thử lại.", "The file could not be sent: try again.")) {
            (view.csrf())
            label for="type" { (t("Loại bản ghi", "Record type")) }
            select id="type" name="type" {
                option value="" { (t("Theo tiêu đề các cột", "As the headers say")) }
                (types(view, None))
            }
            label for="file" { (t("Tệp (kéo thả vào đây cũng được)", "File (or drop it here)")) }
            input id="file" name="file" type="file" required accept=".xlsx,.xlsm,.xls,.ods,.csv,.txt,.jsonl";
            progress hidden max="100" value="0" {}
            p.note.bad role="alert" hidden {}
            button { (t("Đọc thử", "Read it")) }
        }
        section aria-labelledby="templates" {
            h2 id="templates" { (t("Tệp mẫu để điền", "Workbooks to fill in")) }
            ul.columns {
                @for declared in view.catalogue().record_types() {
                    li { a href={ "/templates/" (declared.name) ".xlsx" } download { (view.tongue.label(&declared.label)) } }
                }
            }
        }
    };
    view.page("/import", t("Nhập bảng tính", "Import a spreadsheet"), &body)
}

/// The types as options, of those named or of all.
fn types(view: &View, only: Option<&[String]>) -> Markup {
    let wanted = |declared: &&RecordType| only.is_none_or(|only| only.contains(&declared.name));
    html! {
        @for declared in view.catalogue().record_types().filter(wanted) {
            option value=(declared.name) { (view.tongue.label(&declared.label)) }
        }
    }
}

pub(super) fn choosing(view: &View, upload: &Upload, fitting: &[String]) -> Html<String> {
    let t = |vi, en| view.t(vi, en);
    let only = (!fitting.is_empty()).then_some(fitting);
    let body = html! {
        p.note.wait {
            b { (upload.name) } ": "
            @if fitting.is_empty() {
                (t("tiêu đề các cột không đủ cột khóa của loại nào. Nếu đồng chí biết loại, hãy chọn để xem thiếu cột gì.", "its headers have the key columns of no type. If you know the type, choose it to see which column is missing."))
            } @else {
                (t("tiêu đề các cột hợp với nhiều loại: hãy chọn.", "its headers fit several types: choose one."))
            }
        }
        form.narrow method="post" {
            (view.csrf())
            label for="type" { (t("Loại bản ghi", "Record type")) }
            select id="type" name="type" required { (types(view, only)) }
            div.actions {
                button name="do" value="read" { (t("Đọc thử", "Read it")) }
                button.quiet name="do" value="forget" formnovalidate { (t("Bỏ tệp này", "Let go of it")) }
            }
        }
    };
    view.page("/import", t("Tệp này thuộc loại nào?", "Of which type is this file?"), &body)
}

pub(super) fn working(view: &View, upload: &Upload, dry: bool, (done, of): (u64, u64)) -> Html<String> {
    let rows = view.t("dòng", "rows");
    let body = html! {
        p { b { (upload.name) } }
        @if of >= done && of > 0 { progress max=(of) value=(done) {} } @else { progress {} }
        p role="status" { (number(view.tongue, done)) " " (rows) }
    };
    let title = if dry {
        view.t("Đang đọc thử…", "Reading…")
    } else {
        view.t("Đang nhập…", "Taking it in…")
    };
    view.page_again("/import", title, Some(AGAIN), &body)
}

pub(super) fn done(view: &View, upload: &Upload, outcome: &Outcome) -> Html<String> {
    let t = |vi, en| view.t(vi, en);
    let count = |name: &str| outcome.body.get(name).and_then(Json::as_u64).unwrap_or(0);
    let (rows, rejected) = (count("rows"), count("rejected"));
    let nothing = rows == rejected;
    let title = match (outcome.dry, nothing) {
        (true, _) => t("Kết quả đọc thử: chưa ghi gì", "What would happen: nothing is written yet"),
        (false, true) => t("Không nhập được dòng nào", "Nothing was taken in"),
        (false, false) => t("Đã nhập", "Taken in"),
    };
    let declared = view.catalogue().record_type(&outcome.record_type);
    let named = declared.map_or(outcome.record_type.as_str(), |declared| view.tongue.label(&declared.label));
    let body = html! {
        p { b { (upload.name) } " · " (named) }
        @if let Some(error) = outcome.body.get("error").and_then(Json::as_str) {
            p.note.bad role="alert" { (sentence(view.tongue.half(error))) }
        }
        @if !outcome.dry && !nothing {
            p.note.good role="status" { (t("Dữ liệu đã cất an toàn ở máy này và tự gửi lên tỉnh.", "The data is safe on this machine and travels to the province by itself.")) }
        }
        (counts(view, outcome))
        (next_step(view, outcome, nothing))
        (findings(view, declared, outcome, "errors", t("Phải sửa", "To mend")))
        (findings(view, declared, outcome, "warnings", t("Nên xem lại", "To look at")))
        @if outcome.unlisted > 0 {
            p { (number(view.tongue, outcome.unlisted as u64)) " " (t("nội dung khác: xem trong tệp báo cáo.", "more: see the report.")) }
        }
    };
    view.page("/import", title, &body)
}

fn counts(view: &View, outcome: &Outcome) -> Markup {
    let names = [
        ("rows", "Dòng", "Rows"),
        ("created", "Mới", "New"),
        ("updated", "Cập nhật", "Updated"),
        ("unchanged", "Không đổi", "Unchanged"),
        ("duplicates", "Trùng", "Duplicates"),
        ("rejected", "Không nhận", "Rejected"),
        ("skipped", "Bỏ qua (dòng tổng, ghi chú…)", "Passed over (totals, notes …)"),
    ];
    html! {
        ul.scores {
            @for (name, vi, en) in names {
                @let count = outcome.body.get(name).and_then(Json::as_u64).unwrap_or(0);
                li.bad[name == "rejected" && count > 0] { b { (number(view.tongue, count)) } span { (view.t(vi, en)) } }
            }
        }
    }
}

fn next_step(view: &View, outcome: &Outcome, nothing: bool) -> Markup {
    let t = |vi, en| view.t(vi, en);
    html! {
        @if outcome.withheld {
            p.note.bad {
                @if is_classified(&outcome.body) {
                    (t("Tệp mang dấu mật nên máy không giữ tệp.", "The file is marked classified, so it is not kept."))
                } @else {
                    (t("Tệp có dòng mang dấu mật nên máy không giữ tệp. Bỏ những dòng đó rồi gửi lại.", "The file has rows marked classified, so it is not kept. Take them out and send it again."))
                }
            }
        }
        form.actions method="post" {
            (view.csrf())
            @if outcome.dry && !nothing && !outcome.withheld {
                button name="do" value="take" { (t("Nhập những dòng tốt", "Take the good rows in")) }
            }
            @if outcome.report {
                a.button.quiet href=(report_path(view)) download { (t("Tải bảng có cột kết quả (XLSX)", "Your sheet with a column of results (XLSX)")) }
            }
            button.quiet name="do" value="forget" { (if outcome.dry { t("Bỏ, chọn tệp khác", "Let go, choose another") } else { t("Xong", "Done") }) }
        }
    }
}

fn report_path(view: &View) -> String {
    format!("{}/report.xlsx", view.back.split('?').next().unwrap_or_default())
}

fn findings(
    view: &View,
    declared: Option<&RecordType>,
    outcome: &Outcome,
    list: &str,
    title: &str,
) -> Markup {
    let found = outcome.body.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let column = |name: &str| {
        let field = declared.and_then(|declared| {
            let own = declared.fields.iter();
            own.flat_map(|field| std::iter::once(field).chain(&field.fields)).find(|field| field.name == name)
        });
        field.map_or_else(|| name.to_owned(), |field| view.tongue.label(&field.label).to_owned())
    };
    html! {
        @if !found.is_empty() {
            section {
                h2 { (title) }
                div.wide { table {
                    thead { tr { th { (view.t("Dòng", "Row")) } th { (view.t("Cột", "Column")) } th { (view.t("Trong ô", "In the cell")) } th { (view.t("Sai gì, sửa thế nào", "What is wrong, what to do")) } } }
                    tbody { @for item in found {
                        @let row = item.get("row").and_then(Json::as_u64).unwrap_or(0);
                        tr {
                            td { @if row == 0 { (view.t("tệp", "file")) } @else { (text(item, "sheet")) " " (row) } }
                            td { (column(&text(item, "column"))) }
                            td { (text(item, "value")) }
                            td { (sentence(&text(item, "message"))) " " span.code { (text(item, "rule")) } }
                        }
                    } }
                } }
            }
        }
    }
}
