//! One record: what it shows and why, where values stand side by side, what is wrong with it, and everything that was ever
//! said of it. One that is withdrawn or was found to be another has its page all the same, which leads on.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::quality::{defect_json, waiver_json};
use lienthong_node::shown::record_path;
use lienthong_proto::catalogue::{Class, Dimension, Field, FieldKind, RecordType};
use lienthong_proto::change::path;
use lienthong_proto::erasure::Order;
use lienthong_proto::merge::Candidate;
use lienthong_proto::value::Value;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{headline, named, record_link, record_of, stated, type_of};
use super::super::trouble::{Trouble, sentence};
use super::super::view::{Fields, View, go_to};
use super::conflicts::address;
use super::{duplicate, history};
use crate::rights::Right;
use crate::service::{Request, Transfer};

/// The page.
pub(in super::super) async fn page(
    view: View,
    Path((name, id)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    shown(&view, &name, &id, &query, None)
}

/// Gives it to another unit; what is refused is said beside the form.
pub(in super::super) async fn transfer(
    view: View,
    Path((name, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let record = record_of(&view, &name, &id)?;
    let refused = |wrong: &str| shown(&view, &name, &id, &BTreeMap::new(), Some((&fields, wrong)));
    let Ok(to) = fields.text("to").parse() else {
        return refused(view.t("Chọn đơn vị nhận.", "Choose the unit that receives it."));
    };
    let request = Request::RecordTransfer(Transfer {
        record_type: name.clone(),
        id: record.id.to_string(),
        unit: None,
        to,
        reason: fields.text("reason").to_owned(),
        actor: String::new(),
    });
    match view.ask(request).await {
        Ok(_) => Ok(go_to(&format!("{}?given=yes", record_path(&name, &record.id.to_string())))),
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            refused(view.t(&trouble.what.0, &trouble.what.1))
        }
        Err(trouble) => Err(trouble),
    }
}

fn shown(
    view: &View,
    name: &str,
    id: &str,
    query: &BTreeMap<String, String>,
    refused: Option<(&Fields, &str)>,
) -> Result<Response, Trouble> {
    let declared = type_of(view, name)?;
    let record = record_of(view, name, id)?;
    let title = headline(view, &record);
    let defects = tokio::task::block_in_place(|| defects(view, declared, &record))?;
    let main = html! {
        p.crumbs {
            a href="/records" { (view.t("Bản ghi", "Records")) } " › "
            a href={ "/records?type=" (declared.name) } { (view.label(&declared.label)) }
        }
        h1 { (title) }
        (notes(view, &record, query))
        p {
            (view.t("Đơn vị quản lý: ", "Owning unit: "))
            @match &record.owner { Some(owner) => (view.unit(owner.as_str())), None => "–" }
            @for name in [path::UNIT, path::WITHDRAWN].into_iter().filter(|name| record.is_open(name)) {
                " " a.tag.wait href=(address(&record.record_type, record.id, name)) { (named(view, declared, name)) ": " (view.t("cần quyết định", "to be decided")) }
            }
            " · " span.quiet { (view.t("mã ", "id ")) code { (record.id) } }
        }
        @if let Some(defects) = defects { (defects) }
        section { h2 { (view.t("Nội dung", "Fields")) } (plain_fields(view, declared, &record)) (items(view, declared, &record)) }
        @if view.may(Right::Decide) && !record.is_withdrawn() { (transfer_form(view, &record, refused)) }
        (tokio::task::block_in_place(|| history::section(view, declared, &record, query))?)
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(view.page_with(status, &title, &main))
}

/// What became of it, and what was just done.
fn notes(view: &View, record: &Record, query: &BTreeMap<String, String>) -> Markup {
    let done = |name: &str| query.get(name).is_some_and(|value| value == "yes");
    let others: Vec<_> = record.merged().collect();
    let erased: Vec<Order> =
        view.site.hub.erasures.read().of_record(record.id).map(|erasure| erasure.order.clone()).collect();
    html! {
        @for order in &erased {
            p.attention {
                (view.t("Đã xóa theo lệnh ", "Erased by order ")) (order.number) " – " (order.issuer) ", " (Value::Date(order.date).to_text()) ": "
                @if order.fields.is_empty() { (view.t("toàn bộ bản ghi", "the whole record")) } @else { (order.fields.join(", ")) }
            }
        }
        @if let Some(field) = query.get("decided") {
            p.done role="status" {
                (view.t("Đã quyết định, đã ghi vào sổ cái. ", "Decided, and in the ledger. "))
                a href={ "#f." (field) } { (view.t("Xem giá trị", "See the value")) } " · "
                a href="/conflicts" { (view.t("Các xung đột còn lại", "The conflicts that are left")) }
            }
        }
        @if done("given") { p.done role="status" { (view.t("Đã chuyển đơn vị quản lý.", "Given over.")) } }
        @if done("released") { p.done role="status" { (view.t("Đã nhập thay đổi đang chờ.", "The waiting change was merged.")) } }
        @if done("separated") { p.done role="status" { (view.t("Đã tách thành bản ghi riêng: đây.", "It has a record of its own now: this one.")) } }
        @if let Some(merging) = record.merging() {
            p.attention {
                (view.t("Bản ghi này đã gộp vào ", "This record was merged into ")) (record_link(view, &record.record_type, &merging.into.to_string()))
                ". " a href=(duplicate::address(&record.record_type, record.id, merging.into)) { (view.t("Xem cặp này", "See the pair")) }
            }
        }
        @if let Some(withdrawn) = record.withdrawn() {
            p.attention {
                @if record.merging().is_none() { (view.t("Đã thu hồi: ", "Withdrawn: ")) }
                (withdrawn.reason) " – " (withdrawn.author) ", " (view.unit(&withdrawn.unit)) ", " (view.time_of(&withdrawn.at))
            }
        }
        @if !others.is_empty() {
            p.attention {
                (view.t("Đã gộp vào đây: ", "Merged into this one: "))
                @for (place, other) in others.iter().enumerate() {
                    @if place > 0 { ", " }
                    (record_link(view, &record.record_type, &other.to_string()))
                }
            }
        }
    }
}

/// What is wrong with it; nothing if nothing is.
fn defects(view: &View, declared: &RecordType, record: &Record) -> Result<Option<Markup>, Trouble> {
    let quality = &view.site.hub.quality;
    let fail = |error: lienthong_node::quality::QualityError| Trouble::internal(&error);
    let (found, waivers) = quality.defects(&record.record_type, record.id, quality.today()).map_err(fail)?;
    if found.counted.is_empty() && found.waived.is_empty() {
        return Ok(None);
    }
    let book = quality.book().map_err(fail)?;
    let counted = found.counted.iter().map(|defect| (defect_json(&book, defect), None));
    let waived = found
        .waived
        .iter()
        .map(|(defect, place)| (defect_json(&book, defect), waivers.get(*place).map(waiver_json)));
    let all: Vec<(Json, Option<Json>)> = counted.chain(waived).collect();
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let word = |name: &str| {
        let found = Dimension::ALL.into_iter().find(|known| known.name() == name);
        found.map_or_else(String::new, |known| view.tongue.language().pick(known.label()))
    };
    Ok(Some(html! {
        section {
            h2 { (view.t("Lỗi", "Defects")) " " span.pill { (found.counted.len()) } }
            ul.defects {
                @for (defect, waiver) in &all {
                    @let error = text(defect, "severity") == "error";
                    li.bad[error && waiver.is_none()] {
                        @let field = text(defect, "field");
                        @let label = named(view, declared, &field);
                        @if record.candidates(&field).is_some() { a href={ "#f." (field) } { (label) } ": " }
                        @else if !field.is_empty() { (label) ": " }
                        (sentence(view.half(&text(defect, "message"))))
                        " " span.quiet { (text(defect, "rule")) " · " (word(&text(defect, "dimension"))) }
                        @if error && waiver.is_none() { " " span.tag.wait { (view.t("ngoài dữ liệu dùng chung", "kept out of the shared dataset")) } }
                        @if let Some(waiver) = waiver {
                            " " span.quiet { (view.t("được chấp nhận đến ", "accepted until ")) (text(waiver, "until")) ": " (text(waiver, "reason")) " (" (text(waiver, "approver")) ")" }
                        }
                    }
                }
            }
        }
    }))
}

/// Its fields that are no items: what is shown, what else stands, who said it, and the way to why.
fn plain_fields(view: &View, declared: &RecordType, record: &Record) -> Markup {
    let known =
        declared.fields.iter().filter(|field| field.kind != FieldKind::Items && field.class < Class::C4);
    let known = known.map(|field| field.name.as_str());
    let unknown = record
        .values()
        .map(|(name, _)| name)
        .filter(|name| !name.contains('/') && declared.field(name).is_none());
    let names: Vec<&str> = known.chain(unknown).filter(|name| record.candidates(name).is_some()).collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(view.t("Nội dung", "Fields")) {
            table.rows {
                thead { tr {
                    th scope="col" { (view.t("Trường", "Field")) } th scope="col" { (view.t("Giá trị", "Value")) }
                    th scope="col" { (view.t("Ai ghi", "Stated by")) }
                } }
                tbody { @for name in names { (field_row(view, declared, record, name)) } }
            }
        }
    }
}

fn field_row(view: &View, declared: &RecordType, record: &Record, name: &str) -> Markup {
    let (_, sides) = record.candidates(name).unwrap_or_default();
    let shown = record.shown(name);
    let others: Vec<&Candidate> = sides.iter().filter(|side| Some(&side.value) != shown).collect();
    let by: Vec<&Candidate> = sides.iter().filter(|side| Some(&side.value) == shown).collect();
    let field: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let why = format!("{}/why?field={field}", record_path(&record.record_type, &record.id.to_string()));
    html! {
        tr id={ "f." (name) } {
            td data-label=(view.t("Trường", "Field")) { (named(view, declared, name)) }
            td data-label=(view.t("Giá trị", "Value")) {
                div {
                    b { (stated(view, declared, name, &shown.map_or(Json::Null, Value::to_json))) }
                    @if record.is_open(name) { " " a.tag.wait href=(address(&record.record_type, record.id, name)) { (view.t("cần quyết định", "to be decided")) } }
                    @for other in &others {
                        span.quiet.line {
                            (view.t("khác: ", "also: ")) (stated(view, declared, name, &other.value.to_json())) " – " (view.unit(other.unit.as_str()))
                            @if other.proposal { " (" (view.t("đề nghị", "proposal")) ")" }
                        }
                    }
                }
            }
            td data-label=(view.t("Ai ghi", "Stated by")) {
                div {
                    @for one in by.iter().take(3) { span.line { (view.unit(one.unit.as_str())) ", " (view.time(Some(one.effective.at()))) } }
                    a href=(why) { (view.t("Vì sao", "Why")) }
                }
            }
        }
    }
}

/// The items of its lists of items, a table each.
fn items(view: &View, declared: &RecordType, record: &Record) -> Markup {
    let lists =
        declared.fields.iter().filter(|field| field.kind == FieldKind::Items && field.class < Class::C4);
    html! {
        @for list in lists {
            @let found = items_of(record, &list.name);
            @if !found.is_empty() {
                h3 { (view.label(&list.label)) }
                div.scroll tabindex="0" role="region" aria-label=(view.label(&list.label)) {
                    table.rows {
                        thead { tr { @for field in shown_of(list) { th scope="col" { (view.label(&field.label)) } } } }
                        tbody { @for (item, stated) in &found {
                            tr { @for field in shown_of(list) {
                                td data-label=(view.label(&field.label)) { (item_cell(view, declared, record, &format!("{}/{item}/{}", list.name, field.name), stated.get(field.name.as_str()).copied())) }
                            } }
                        } }
                    }
                }
            }
        }
    }
}

fn shown_of(list: &Field) -> impl Iterator<Item = &Field> {
    list.fields.iter().filter(|field| field.class < Class::C4)
}

fn items_of<'a>(record: &'a Record, list: &str) -> BTreeMap<&'a str, BTreeMap<&'a str, &'a Value>> {
    let mut items: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (name, value) in record.values() {
        let mut parts = name.splitn(3, '/');
        if let (Some(first), Some(item), Some(field)) = (parts.next(), parts.next(), parts.next())
            && first == list
        {
            items.entry(item).or_default().insert(field, value);
        }
    }
    items.retain(|_, stated| stated.get("_gone") != Some(&&Value::Boolean(true)));
    items
}

fn item_cell(
    view: &View,
    declared: &RecordType,
    record: &Record,
    name: &str,
    value: Option<&Value>,
) -> Markup {
    html! {
        div {
            @match value { Some(value) => (stated(view, declared, name, &value.to_json())), None => "–" }
            @if record.is_open(name) { " " a.tag.wait href=(address(&record.record_type, record.id, name)) { (view.t("cần quyết định", "to be decided")) } }
        }
    }
}

fn transfer_form(view: &View, record: &Record, refused: Option<(&Fields, &str)>) -> Markup {
    let before = |name: &str| refused.map_or("", |(fields, _)| fields.text(name));
    let units = view.tree().iter().filter(|unit| Some(&unit.code) != record.owner.as_ref());
    html! {
        section id="transfer" {
            h2 { (view.t("Đổi đơn vị quản lý", "Give it to another unit")) }
            @if let Some((_, wrong)) = refused { p.wrong role="alert" { (wrong) } }
            details.ask open[refused.is_some()] {
                summary { (view.t("Chuyển bản ghi này…", "Give this record over…")) }
                form.stacked.narrow method="post" action={ (record_path(&record.record_type, &record.id.to_string())) "/transfer" } {
                    (view.csrf_field())
                    label { span { (view.t("Đơn vị nhận", "To the unit")) }
                        select name="to" required {
                            option value="" { "" }
                            @for unit in units {
                                option value=(unit.code) selected[before("to") == unit.code.as_str()] { (unit.title()) " (" (unit.code) ")" }
                            }
                        } }
                    label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                        textarea name="reason" required rows="2" maxlength="300" { (before("reason")) } }
                    div { button.main { (view.t("Chuyển", "Give over")) } }
                }
            }
        }
    }
}
