//! The records, by type, searched without marks.

use axum::extract::Query;
use axum::response::Html;
use lienthong_proto::catalogue::{Field, RecordType};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value as Json;

use super::granted;
use super::refusal::Refusal;
use super::shown::{cell, columns, record_path, short};
use super::view::View;
use crate::records::Listing;
use crate::service::{RecordsRequest, known_type};

/// Records of one page.
const LIMIT: usize = 50;
/// Fields of a record in the list.
const COLUMNS: usize = 5;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default, rename = "type")]
    record_type: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
    /// Withdrawn ones too.
    #[serde(default)]
    all: String,
}

pub(super) async fn records(view: View, Query(asked): Query<Asked>) -> Result<Html<String>, Refusal> {
    let title = view.t("Bản ghi", "Records").to_owned();
    let types = if view.is_agency() { Some(granted::types(&view).await?) } else { None };
    let is_here = |declared: &&RecordType| types.as_ref().is_none_or(|types| types.contains(&declared.name));
    let shown: Vec<&RecordType> = view.catalogue().record_types().filter(is_here).collect();
    let first = shown.iter().copied().find(|declared| declared.name == "dang_vien");
    let first = first.or(shown.first().copied()).or_else(|| view.catalogue().record_types().next());
    let declared = match asked.record_type.as_str() {
        "" => first.ok_or_else(Refusal::missing)?,
        name => known_type(view.catalogue(), name).map_err(|refusal| Refusal::of(&refusal))?,
    };
    let listing = Listing {
        search: Some(asked.q.clone()).filter(|words| !words.trim().is_empty()),
        limit: Some(LIMIT),
        after: asked.after.parse().ok(),
        all: !asked.all.is_empty(),
        ..Listing::default()
    };
    let record_type = declared.name.clone();
    let answer = view.ask_records(RecordsRequest::List { record_type, listing }).await?;
    let body = html! {
        (search(&view, &shown, declared, &asked))
        (table(&view, declared, &answer))
        @if let Some(next) = answer.get("next").and_then(Json::as_str) {
            form.line method="get" action="/records" {
                input type="hidden" name="type" value=(declared.name);
                input type="hidden" name="q" value=(asked.q);
                input type="hidden" name="all" value=(asked.all);
                button.quiet name="after" value=(next) { (view.t("Tiếp theo", "Next")) }
            }
        }
    };
    Ok(view.page("/records", &title, &body))
}

fn search(view: &View, types: &[&RecordType], chosen: &RecordType, asked: &Asked) -> Markup {
    html! {
        form.line method="get" action="/records" role="search" {
            label for="type" { (view.t("Loại", "Type")) }
            select id="type" name="type" {
                @for declared in types {
                    option value=(declared.name) selected[declared.name == chosen.name] { (view.tongue.label(&declared.label)) }
                }
            }
            // What it is granted an agency's node lists by type only.
            @if !view.is_agency() {
                label for="q" { (view.t("Tìm (không cần dấu)", "Search (marks aside)")) }
                input id="q" name="q" type="search" value=(asked.q);
            }
            label.check { input type="checkbox" name="all" value="1" checked[!asked.all.is_empty()]; (view.t("cả đã thu hồi", "withdrawn too")) }
            button { @if view.is_agency() { (view.t("Xem", "Show")) } @else { (view.t("Tìm", "Search")) } }
        }
    }
}

fn value_of<'a>(item: &'a Json, field: &Field) -> Option<&'a Json> {
    item.get("fields")?.get(&field.name)
}

fn table(view: &View, declared: &RecordType, answer: &Json) -> Markup {
    let items = answer.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut columns = columns(declared, COLUMNS);
    if view.is_agency() {
        // What is not granted is in no record.
        let granted = |field: &&Field| items.iter().any(|item| value_of(item, field).is_some());
        columns = declared.fields.iter().filter(granted).take(COLUMNS).collect();
    }
    let own = view.web.node.identity.unit().as_str();
    let text = |item: &Json, field: &Field| Some(cell(view, field, value_of(item, field)?));
    let defects = |item: &Json| item.get("defects").and_then(Json::as_array).map_or(0, Vec::len);
    let open = |item: &Json| item.get("conflicts").and_then(Json::as_array).map_or(0, Vec::len);
    html! {
        @if items.is_empty() { p { (view.t("Không có bản ghi nào.", "No records.")) } }
        @else {
            div.wide { table {
                thead { tr { @for field in &columns { th { (view.tongue.label(&field.label)) } } th { (view.t("Ghi chú", "Remarks")) } } }
                tbody { @for item in items {
                    @let path = record_path(&declared.name, item.get("id").and_then(Json::as_str).unwrap_or_default());
                    tr {
                        @for (place, field) in columns.iter().enumerate() {
                            @let text = text(item, field).map_or_else(|| "–".to_owned(), |text| short(&text));
                            td { @if place == 0 { a href=(path) { (text) } } @else { (text) } }
                        }
                        td {
                            @if view.is_agency() { (item.get("unit").and_then(Json::as_str).unwrap_or("–")) " " }
                            @else if item.get("unit").and_then(Json::as_str) != Some(own) { span.tag { (view.t("chỉ xem, của", "read only, of")) " " (item.get("unit").and_then(Json::as_str).unwrap_or("–")) } " " }
                            @if item.get("withdrawn").is_some() { span.tag { (view.t("đã thu hồi", "withdrawn")) } " " }
                            @if defects(item) > 0 { span.tag.warn { (defects(item)) " " (view.t("lỗi", "defects")) } " " }
                            @if open(item) > 0 { span.tag.bad { (view.t("có giá trị khác nhau", "values differ")) } }
                        }
                    }
                } }
            } }
        }
    }
}
