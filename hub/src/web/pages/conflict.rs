//! One record's open conflicts, each with its sides beside each other, the rule that decided for now, and the form that
//! settles it.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::shown::{label, record_path};
use lienthong_node::why::why;
use lienthong_proto::catalogue::{FieldKind, RecordType};
use lienthong_proto::change::path;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{headline, named, record_of, stated, type_of};
use super::super::trouble::Trouble;
use super::super::view::{Fields, View, go_to};
use super::conflicts::address;
use crate::rights::Right;
use crate::service::{Request, Resolution};

/// Choosing none of the sides but another value.
const WRITE: &str = "write";

/// What a form was sent with, and what is wrong with it.
struct Sent<'a> {
    field: &'a str,
    fields: &'a Fields,
    wrong: &'a str,
}

/// The page.
pub(in super::super) async fn page(
    view: View,
    Path((name, id)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let field = query.get("field").map_or("", String::as_str);
    shown(&view, &name, &id, field, StatusCode::OK, None)
}

fn shown(
    view: &View,
    name: &str,
    id: &str,
    field: &str,
    status: StatusCode,
    sent: Option<&Sent<'_>>,
) -> Result<Response, Trouble> {
    let declared = type_of(view, name)?;
    let record = record_of(view, name, id)?;
    let open: Vec<String> = record.conflicts().into_iter().map(|conflict| conflict.field).collect();
    let wanted: Vec<&String> = open.iter().filter(|one| field.is_empty() || *one == field).collect();
    let title = headline(view, &record);
    let read = |field: &str| {
        tokio::task::block_in_place(|| why(&view.site.hub.dataset, &record, field))
            .map_err(|error| Trouble::internal(&error))
    };
    let mut sections = Vec::new();
    for one in &wanted {
        sections.push(section(view, declared, one, &read(one)?, sent.filter(|sent| sent.field == *one)));
    }
    let settled = if wanted.is_empty() && !field.is_empty() { Some(read(field)?) } else { None };
    let others: Vec<&String> = open.iter().filter(|one| !wanted.contains(one)).collect();
    let main = html! {
        p.crumbs { a href="/conflicts" { (view.t("Xung đột", "Conflicts")) } " › " (view.label(&declared.label)) }
        h1 { (title) }
        p {
            (view.t("Đơn vị quản lý: ", "Owning unit: "))
            @match &record.owner { Some(owner) => (view.unit(owner.as_str())), None => "–" }
            " · " a href=(record_path(name, &record.id.to_string())) { (view.t("xem cả bản ghi", "the whole record")) }
        }
        @if let Some(settled) = &settled { (no_longer_open(view, declared, &record, settled)) }
        @else if wanted.is_empty() { p.fine { (view.t("Không còn gì phải quyết định ở bản ghi này.", "Nothing of this record is left to decide.")) } }
        @for section in sections { (section) }
        @if !others.is_empty() {
            section {
                h2 { (view.t("Cũng của bản ghi này", "Also of this record")) }
                ul { @for one in others { li { a href=(address(name, record.id, one)) { (named(view, declared, one)) } } } }
            }
        }
    };
    Ok(view.page_with(status, &title, &main))
}

fn text<'a>(item: &'a Json, name: &str) -> &'a str {
    item.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<'a>(item: &'a Json, name: &str) -> &'a [Json] {
    item.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn is(item: &Json, name: &str) -> bool {
    item.get(name) == Some(&Json::Bool(true))
}

/// The change a side was stated by.
fn dot(side: &Json) -> String {
    format!("{}:{}", text(side, "replica"), side.get("sequence").map(Json::to_string).unwrap_or_default())
}

/// Nothing is open: who decided, and what.
fn no_longer_open(view: &View, declared: &RecordType, record: &Record, why: &Json) -> Markup {
    let field = text(why, "field");
    let last = list(why, "history").iter().rev().find(|past| is(past, "live"));
    html! {
        section {
            h2 { (named(view, declared, field)) }
            p.done role="status" { (view.t("Đã quyết định xong: không còn xung đột.", "Settled: there is no conflict any more.")) }
            @if let Some(shown) = why.get("shown").filter(|shown| !shown.is_null()) {
                p { (view.t("Đang hiện: ", "Shown now: ")) b { (stated(view, declared, field, shown)) } }
            }
            @if let Some(last) = last {
                p.quiet {
                    (text(last, "author")) ", " (view.unit(text(last, "unit"))) ", " (view.time_of(text(last, "at")))
                    @let reason = text(last, "why");
                    @if !reason.is_empty() { ": " (reason) }
                }
            }
            p { a.button href={ (record_path(&record.record_type, &record.id.to_string())) "/why?field=" (field) } { (view.t("Vì sao", "Why")) } }
        }
    }
}

fn section(view: &View, declared: &RecordType, field: &str, why: &Json, sent: Option<&Sent<'_>>) -> Markup {
    let sides = list(why, "siblings");
    let rule = view.half(text(why, "rule"));
    html! {
        section {
            h2 { (named(view, declared, field)) }
            @if let Some(sent) = sent { p.wrong role="alert" { (sent.wrong) } }
            p.quiet {
                (view.t("Quy tắc: ", "Rule: ")) (rule) "."
                @if why.get("shown").is_some_and(Json::is_null) { " " (view.t("Hiện chưa hiện giá trị nào.", "No value is shown for now.")) }
            }
            @if view.may(Right::Decide) { (form(view, declared, field, sides, sent)) } @else {
                ul.sides { @for side in sides { li { (self::side(view, declared, field, side)) } } }
                p.quiet { (view.t("Người quản lý dữ liệu quyết định.", "A steward decides.")) }
            }
        }
    }
}

/// One of the sides: what, who, when, why.
fn side(view: &View, declared: &RecordType, field: &str, side: &Json) -> Markup {
    let value = side.get("value").unwrap_or(&Json::Null);
    let withdraws = field == path::WITHDRAWN;
    html! {
        @if withdraws && value.is_object() { b { (view.t("Giữ bản ghi, với lần sửa này", "Keep the record, with this edit")) } (stated(view, declared, field, value)) }
        @else if withdraws && value.is_null() { b { (view.t("Giữ bản ghi", "Keep the record")) } }
        @else if withdraws { b { (view.t("Thu hồi: ", "Withdraw: ")) (stated(view, declared, field, value)) } }
        @else { b { (stated(view, declared, field, value)) } }
        @if is(side, "shown") { " " span.tag { (view.t("đang hiện", "shown now")) } }
        @if is(side, "proposal") { " " span.tag.wait { (view.t("đề nghị", "proposal")) } }
        span.quiet.line { (view.unit(text(side, "unit"))) " · " (text(side, "author")) " · " (view.time_of(text(side, "at"))) }
        @let reason = text(side, "why");
        @if !reason.is_empty() { span.quiet.line { (view.t("Lý do: ", "Reason: ")) (reason) } }
    }
}

fn form(view: &View, declared: &RecordType, field: &str, sides: &[Json], sent: Option<&Sent<'_>>) -> Markup {
    let before = |name: &str| sent.map_or("", |sent| sent.fields.text(name));
    let seen = sides.iter().map(dot).collect::<Vec<_>>().join(" ");
    let written = declared.field(field).filter(|_| !field.contains('/'));
    html! {
        form.stacked method="post" {
            (view.csrf_field())
            input type="hidden" name="field" value=(field);
            input type="hidden" name="seen" value=(seen);
            fieldset.sides {
                legend { (view.t("Giá trị nào đúng", "Which is right")) }
                @for one in sides {
                    @let dot = dot(one);
                    label.choice.side { input type="radio" name="choice" value=(dot) required checked[before("choice") == dot]; span { (side(view, declared, field, one)) } }
                }
                @if let Some(declared) = written {
                    div.other {
                        label.choice {
                            input type="radio" name="choice" value=(WRITE) required checked[before("choice") == WRITE];
                            span { (view.t("Giá trị khác:", "Another value:")) }
                        }
                        @let codes = declared.codes.as_deref().filter(|_| declared.kind == FieldKind::Code);
                        @let codes = codes.and_then(|name| view.catalogue().code_list(name));
                        @if let Some(codes) = codes {
                            select name="value" aria-label=(view.t("Giá trị khác", "Another value")) {
                                option value="" { "" }
                                @for code in &codes.codes {
                                    option value=(code.code) selected[before("value") == code.code] { (label(view.tongue.language(), &code.label)) }
                                }
                            }
                        } @else {
                            input name="value" autocomplete="off" aria-label=(view.t("Giá trị khác", "Another value")) value=(before("value"));
                        }
                    }
                }
            }
            label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                textarea name="reason" required rows="2" maxlength="300" { (before("reason")) } }
            div { button.main { (view.t("Quyết định", "Decide")) } }
        }
    }
}

/// Settles it. What was settled meanwhile is said, with what stands now; what has changed meanwhile decides nothing.
pub(in super::super) async fn resolve(
    view: View,
    Path((name, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let field = fields.text("field");
    let again = |status, wrong: &str| {
        shown(&view, &name, &id, field, status, Some(&Sent { field, fields: &fields, wrong }))
    };
    let record = record_of(&view, &name, &id)?;
    if !record.is_open(field) {
        return shown(&view, &name, &id, field, StatusCode::CONFLICT, None);
    }
    let read = || why(&view.site.hub.dataset, &record, field);
    let sides = tokio::task::block_in_place(read).map_err(|error| Trouble::internal(&error))?;
    let seen: BTreeSet<String> = fields.text("seen").split_whitespace().map(str::to_owned).collect();
    let (pick, value) = match fields.text("choice") {
        WRITE => (None, Some(fields.text("value").to_owned())),
        chosen => {
            let side = list(&sides, "siblings").iter().find(|side| dot(side) == chosen);
            let pick = side.and_then(|side| side.get("pick")).and_then(Json::as_u64);
            (pick.and_then(|pick| usize::try_from(pick).ok()), None)
        }
    };
    let stand: BTreeSet<String> = list(&sides, "siblings").iter().map(dot).collect();
    if pick.is_none() && value.is_none() && seen == stand {
        let wrong = view.t("Chọn một giá trị.", "Choose a value.");
        return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    }
    let request = Request::ConflictsResolve(Resolution {
        id: format!("{name}/{}/{field}", record.id),
        field: Some(field.to_owned()),
        pick,
        value,
        seen: Some(seen),
        reason: fields.text("reason").to_owned(),
        actor: String::new(),
    });
    match view.ask(request).await {
        Ok(_) => {
            let field: String = form_urlencoded::byte_serialize(field.as_bytes()).collect();
            Ok(go_to(&format!("{}?decided={field}", record_path(&name, &record.id.to_string()))))
        }
        Err(trouble) if &*trouble.rule == "CONFLICT_UNKNOWN" => {
            shown(&view, &name, &id, field, StatusCode::CONFLICT, None)
        }
        Err(trouble) if &*trouble.rule == "CONFLICT_CHANGED" => {
            again(StatusCode::CONFLICT, view.t(&trouble.what.0, &trouble.what.1))
        }
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            again(trouble.status, view.t(&trouble.what.0, &trouble.what.1))
        }
        Err(trouble) => Err(trouble),
    }
}
