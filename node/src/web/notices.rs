//! What the province told: what it keeps apart, and what it decided.

use axum::extract::Query;
use axum::response::Html;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value as Json;

use super::refusal::Refusal;
use super::shown::instant;
use super::view::View;
use crate::records::Page;
use crate::service::Request;

/// Items of one page.
const LIMIT: usize = 100;

#[derive(Deserialize)]
pub(super) struct Asked {
    after: Option<String>,
}

pub(super) async fn notices(view: View, Query(asked): Query<Asked>) -> Result<Html<String>, Refusal> {
    let all = Page { limit: Some(LIMIT), after: None };
    let apart = view.ask(Request::Quarantine { page: all }).await?;
    let page = Page { limit: Some(LIMIT), after: asked.after };
    let told = view.ask(Request::Notices { page }).await?;
    let next = told.get("next").and_then(Json::as_str);
    let body = html! {
        section aria-labelledby="apart" {
            h2 id="apart" { (view.t("Tỉnh chưa nhập", "Kept apart by the province")) }
            p.quiet { (view.t("Tỉnh đã nhận và cất những thay đổi này nhưng chưa đưa vào dữ liệu chung. Không phải gửi lại; sửa theo lý do, hoặc chờ tỉnh quyết định.", "The province has received these and keeps them, and has not merged them. Do not send them again: mend what is said, or wait for the decision.")) }
            (list(&view, &apart, "QUARANTINED"))
        }
        section aria-labelledby="told" {
            h2 id="told" { (view.t("Thông báo và quyết định", "Notices and decisions")) }
            (list(&view, &told, ""))
            @if let Some(next) = next { p { a href={ "/notices?after=" (next) } { (view.t("Tiếp theo", "Next")) } } }
        }
    };
    Ok(view.page("/notices", view.t("Tỉnh báo", "Told by the province"), &body))
}

fn list(view: &View, answer: &Json, only: &str) -> Markup {
    let items = answer.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        return html! { p { (view.t("Không có.", "None.")) } };
    }
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    html! {
        div.wide {
            table {
                thead { tr {
                    th { (view.t("Lúc", "At")) } @if only.is_empty() { th { (view.t("Loại tin", "Kind")) } }
                    th { (view.t("Nội dung", "What")) } th { (view.t("Loại bản ghi", "Record type")) } th { (view.t("Mục", "Entry")) }
                } }
                tbody {
                    @for item in items {
                        tr {
                            td { (instant(view.tongue, UnixMillis(item.get("at").and_then(Json::as_u64).unwrap_or(0)))) }
                            @if only.is_empty() { td { (kind(view, &text(item, "kind"))) } }
                            td { (view.t(&text(item, "vi"), &text(item, "en"))) " " span.code { (text(item, "reason")) } }
                            td { (type_name(view, &text(item, "record_type"))) }
                            td { (item.get("sequence").and_then(Json::as_u64).unwrap_or(0)) }
                        }
                    }
                }
            }
        }
    }
}

fn type_name(view: &View, name: &str) -> String {
    let declared = view.catalogue().record_type(name);
    declared.map_or_else(|| name.to_owned(), |declared| view.tongue.label(&declared.label).to_owned())
}

fn kind(view: &View, kind: &str) -> String {
    match kind {
        "QUARANTINED" => view.t("chưa nhập", "kept apart"),
        "RELEASED" => view.t("đã nhập", "merged"),
        "PROPOSAL" => view.t("chờ xử lý", "waiting"),
        "DECISION" => view.t("quyết định", "decision"),
        other => other,
    }
    .to_owned()
}
