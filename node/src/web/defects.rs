//! What is wrong with the unit's records, and what to do about it.

use axum::extract::Query;
use axum::response::Html;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value as Json;

use super::refusal::Refusal;
use super::shown::{dimension, headline, record_path};
use super::view::{View, sentence};
use crate::records::Page;
use crate::service::{RecordsRequest, Request};

/// Records of one page.
const LIMIT: usize = 50;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default, rename = "type")]
    record_type: String,
    after: Option<String>,
}

pub(super) async fn defects(view: View, Query(asked): Query<Asked>) -> Result<Html<String>, Refusal> {
    let only = Some(asked.record_type.clone()).filter(|name| !name.is_empty());
    let page = Page { limit: Some(LIMIT), after: asked.after };
    let answer = view.ask(Request::Defects { record_type: only.clone(), page }).await?;
    let mut rows = Vec::new();
    for item in answer.get("items").and_then(Json::as_array).into_iter().flatten() {
        rows.push(row(&view, item).await);
    }
    let next = answer.get("next").and_then(Json::as_str);
    let not_judged = answer.get("not_judged_yet").and_then(Json::as_u64).unwrap_or(0);
    let body = html! {
        @if not_judged > 0 {
            p.note.wait { (not_judged) " " (view.t("bản ghi chưa được kiểm tra xong.", "records are still being judged.")) }
        }
        @for remark in answer.get("remarks").and_then(Json::as_array).into_iter().flatten() {
            p.note.wait { (sentence(view.tongue.half(remark.as_str().unwrap_or_default()))) }
        }
        (missing(&view, &answer))
        (filter(&view, &asked.record_type))
        @if rows.is_empty() { p.note.good { (view.t("Không có lỗi nào.", "Nothing is wrong.")) } }
        @else {
            p.quiet { (view.t("Lỗi đỏ giữ bản ghi ngoài dữ liệu dùng chung cho đến khi sửa; lỗi vàng chỉ trừ điểm.", "A red defect keeps the record out of the shared dataset until it is mended; a yellow one only lowers the score.")) }
            ul.defects { @for row in rows { (row) } }
        }
        @if let Some(next) = next {
            p { a href={ "/defects?type=" (asked.record_type) "&after=" (next) } { (view.t("Tiếp theo", "Next")) } }
        }
    };
    Ok(view.page("/defects", view.t("Dữ liệu cần sửa", "Data to mend"), &body))
}

fn filter(view: &View, chosen: &str) -> Markup {
    html! {
        form.line method="get" action="/defects" {
            label for="type" { (view.t("Loại bản ghi", "Record type")) }
            select id="type" name="type" {
                option value="" { (view.t("Tất cả", "All")) }
                @for declared in view.catalogue().record_types() {
                    option value=(declared.name) selected[declared.name == chosen] { (view.tongue.label(&declared.label)) }
                }
            }
            button.quiet { (view.t("Xem", "Show")) }
        }
    }
}

/// What every unit should have and this one has not.
fn missing(view: &View, answer: &Json) -> Markup {
    let gaps = answer.get("missing").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    html! {
        @if !gaps.is_empty() {
            section {
                h2 { (view.t("Phải có mà chưa có", "Should be there and is not")) }
                ul {
                    @for gap in gaps {
                        @let name = gap.get("type").and_then(Json::as_str).unwrap_or_default();
                        li {
                            (message(view, gap))
                            @if let Some(year) = gap.get("year").and_then(Json::as_i64) { " (" (year) ")" }
                            " · " a href={ "/templates/" (name) ".xlsx" } { (view.t("tệp mẫu", "template")) }
                        }
                    }
                }
            }
        }
    }
}

async fn row(view: &View, item: &Json) -> Markup {
    let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
    let (name, id) = (text("type").to_owned(), text("id").to_owned());
    let declared = view.catalogue().record_type(&name);
    let get = RecordsRequest::Get { record_type: name.clone(), id: id.clone(), unit: None };
    let record = view.ask_records(get).await.ok();
    let title = declared
        .zip(record.as_ref())
        .map_or_else(|| id.clone(), |(declared, record)| headline(view, declared, record));
    let label = declared.map_or(name.as_str(), |declared| view.tongue.label(&declared.label));
    html! {
        li {
            p { a href=(record_path(&name, &id)) { (title) } " " span.quiet { (label) } }
            (list(view, item, Some(&record_path(&name, &id))))
        }
    }
}

/// The defects of a record; each leads to its field in the form, if `record` says where that is.
pub(super) fn list(view: &View, item: &Json, record: Option<&str>) -> Markup {
    let found = item.get("defects").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text =
        |defect: &Json, name: &str| defect.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    html! {
        ul.plain {
            @for defect in found {
                @let waived = defect.get("waived");
                li.bad[waived.is_none() && text(defect, "severity") == "error"].warn[waived.is_none() && text(defect, "severity") != "error"] {
                    (message(view, defect))
                    " " span.code { (text(defect, "rule")) } " " span.quiet { (dimension(view.tongue, &text(defect, "dimension"))) }
                    @if let Some(waived) = waived {
                        " " span.quiet { (view.t("được chấp nhận:", "accepted:")) " " (text(waived, "reason")) " (" (text(waived, "approver")) ")" }
                    } @else if let Some(record) = record {
                        " " a href={ (record) "/edit#f." (text(defect, "field")) } { (view.t("sửa", "mend")) }
                    }
                }
            }
        }
    }
}

fn message(view: &View, item: &Json) -> String {
    sentence(view.tongue.half(item.get("message").and_then(Json::as_str).unwrap_or_default()))
}
