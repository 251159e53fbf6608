//! Everything that was ever said of a record; and why a field of it shows what it shows.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::shown::record_path;
use lienthong_node::why::why;
use lienthong_proto::catalogue::RecordType;
use maud::{Markup, html};
use serde_json::{Map, Value as Json};

use super::super::shown::{headline, named, record_of, stated, type_of};
use super::super::trouble::Trouble;
use super::super::view::View;
use super::conflicts::address;

/// Changes of one page.
const CHANGES: usize = 25;

fn text<'a>(item: &'a Json, name: &str) -> &'a str {
    item.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<'a>(item: &'a Json, name: &str) -> &'a [Json] {
    item.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn is(item: &Json, name: &str) -> bool {
    item.get(name) == Some(&Json::Bool(true))
}

/// The history of a record, the newest first.
pub(super) fn section(
    view: &View,
    declared: &RecordType,
    record: &Record,
    query: &BTreeMap<String, String>,
) -> Result<Markup, Trouble> {
    let read = view.site.hub.records().history(declared, &record.id.to_string());
    let history = read.map_err(|error| Trouble::internal(&error))?.unwrap_or_default();
    let items = list(&history, "items");
    let pages = items.len().div_ceil(CHANGES).max(1);
    let page = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, pages);
    let path = record_path(&record.record_type, &record.id.to_string());
    Ok(html! {
        section id="history" {
            h2 { (view.t("Quá trình", "History")) " " span.quiet { (items.len()) " " (view.t("thay đổi", "changes")) } }
            ol.timeline {
                @for item in items.iter().rev().skip((page - 1) * CHANGES).take(CHANGES) { (change(view, declared, item)) }
            }
            @if pages > 1 {
                nav.turn aria-label=(view.t("Trang quá trình", "Pages of the history")) {
                    @if page > 1 { a rel="prev" href={ (path) "?page=" (page - 1) "#history" } { "‹ " (view.t("Mới hơn", "Newer")) } }
                    span { (view.t("Trang", "Page")) " " (page) "/" (pages) }
                    @if page < pages { a rel="next" href={ (path) "?page=" (page + 1) "#history" } { (view.t("Cũ hơn", "Older")) " ›" } }
                }
            }
        }
    })
}

fn change(view: &View, declared: &RecordType, item: &Json) -> Markup {
    let none = Map::new();
    let fields = item.get("fields").and_then(Json::as_object).unwrap_or(&none);
    let reason = text(item, "why");
    html! {
        li {
            p { (who(view, item)) (verdict(view, item)) }
            @if !reason.is_empty() { p { (view.t("Lý do: ", "Reason: ")) (reason) } }
            details open[fields.len() <= 4] {
                summary { (fields.len()) " " (view.t("giá trị", "values")) }
                dl.facts {
                    @for (name, value) in fields { dt { (named(view, declared, name)) } dd { (stated(view, declared, name, value)) } }
                }
            }
        }
    }
}

/// Who said it, for which unit, when, and where that stands.
fn who(view: &View, item: &Json) -> Markup {
    let sequence = item.get("sequence").map(Json::to_string).unwrap_or_default();
    html! {
        b { (text(item, "author")) } ", " (view.unit(text(item, "unit"))) ", " (view.time_of(text(item, "at")))
        span.quiet title={ (view.t("máy ", "machine ")) (text(item, "replica")) } { " · " (view.t("mục", "entry")) " " (sequence) }
    }
}

/// What became of it, where that is not just that it was merged.
fn verdict(view: &View, item: &Json) -> Markup {
    html! {
        @match text(item, "verdict") {
            "proposal" => { " " span.tag.wait { (view.t("đề nghị", "proposal")) } },
            "kept_out" => { " " span.tag.wait { (view.t("chưa nhập", "kept out")) } },
            _ => {},
        }
        @if is(item, "live") { " " span.tag { (view.t("còn hiệu lực", "stands")) } }
    }
}

/// Why a field shows what it shows.
pub(in super::super) async fn why_page(
    view: View,
    Path((name, id)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let declared = type_of(&view, &name)?;
    let record = record_of(&view, &name, &id)?;
    let field = query.get("field").map_or("", String::as_str);
    if record.candidates(field).is_none() {
        return Err(Trouble::missing(field));
    }
    let told = tokio::task::block_in_place(|| why(&view.site.hub.dataset, &record, field));
    let told = told.map_err(|error| Trouble::internal(&error))?;
    let label = named(&view, declared, field);
    let path = record_path(&name, &record.id.to_string());
    let main = html! {
        p.crumbs {
            a href="/records" { (view.t("Bản ghi", "Records")) } " › " a href=(path) { (headline(&view, &record)) }
        }
        h1 { (view.t("Vì sao: ", "Why: ")) (label) }
        section {
            h2 { (view.t("Đang hiện", "Shown")) }
            p { b { (stated(&view, declared, field, told.get("shown").unwrap_or(&Json::Null))) } }
            p { (view.t("Quy tắc: ", "Rule: ")) (view.half(text(&told, "rule"))) "." }
            @if is(&told, "open") { p { a.button href=(address(&name, record.id, field)) { (view.t("Quyết định", "Decide")) } } }
        }
        section {
            h2 { (view.t("Các giá trị đang đứng cạnh nhau", "The values that stand")) }
            ul.timeline { @for side in list(&told, "siblings") { li { (word(&view, declared, field, side)) } } }
        }
        section {
            h2 { (view.t("Mọi lần ghi", "Everything that was stated")) }
            ol.timeline { @for past in list(&told, "history").iter().rev() { li { (word(&view, declared, field, past)) (verdict(&view, past)) } } }
        }
    };
    Ok(view.page(&label, &main))
}

fn word(view: &View, declared: &RecordType, field: &str, item: &Json) -> Markup {
    let reason = text(item, "why");
    html! {
        b { (stated(view, declared, field, item.get("value").unwrap_or(&Json::Null))) }
        @if is(item, "shown") { " " span.tag { (view.t("đang hiện", "shown now")) } }
        @if is(item, "proposal") { " " span.tag.wait { (view.t("đề nghị", "proposal")) } }
        span.line { (who(view, item)) }
        @if !reason.is_empty() { span.line { (view.t("Lý do: ", "Reason: ")) (reason) } }
    }
}
