//! One record: its fields, where values differ, what is wrong, and everything that was ever said of it.

use axum::extract::Path;
use axum::response::{Html, Redirect};
use lienthong_proto::catalogue::{Field, FieldKind, RecordType};
use maud::{Markup, html};
use serde_json::Value as Json;

use super::defects::list as defect_list;
use super::form::Checked;
use super::refusal::Refusal;
use super::shown::{headline, instant_of, plain, record_path, value};
use super::view::View;
use crate::service::{RecordsRequest, known_type};

pub(super) async fn record(
    view: View,
    Path((name, id)): Path<(String, String)>,
) -> Result<Html<String>, Refusal> {
    page(&view, &name, &id, None).await
}

/// Withdraws a record; what is refused is said on its page.
pub(super) async fn withdraw(
    view: View,
    Path((name, id)): Path<(String, String)>,
    Checked(fields): Checked,
) -> Result<Result<Redirect, (axum::http::StatusCode, Html<String>)>, Refusal> {
    let request = RecordsRequest::Withdraw {
        record_type: name.clone(),
        id: id.clone(),
        unit: None,
        reason: fields.get("reason").unwrap_or_default().to_owned(),
        author: view.session.user.clone(),
    };
    match view.ask_records(request).await {
        Ok(record) => {
            // Its own id: what stood in the address may be a key with anything in it.
            let text = |name: &str| record.get(name).and_then(Json::as_str).unwrap_or_default();
            Ok(Ok(Redirect::to(&record_path(text("type"), text("id")))))
        }
        Err(refusal)
            if refusal.status == axum::http::StatusCode::UNPROCESSABLE_ENTITY && !view.is_agency() =>
        {
            let fault = view.tongue.half(&refusal.text).to_owned();
            Ok(Err((refusal.status, page(&view, &name, &id, Some(&fault)).await?)))
        }
        Err(refusal) => Err(refusal),
    }
}

async fn page(view: &View, name: &str, id: &str, fault: Option<&str>) -> Result<Html<String>, Refusal> {
    let declared = known_type(view.catalogue(), name).map_err(|refusal| Refusal::of(&refusal))?;
    let of = || (name.to_owned(), id.to_owned());
    let (record_type, key) = of();
    let record = view.ask_records(RecordsRequest::Get { record_type, id: key, unit: None }).await?;
    let (record_type, key) = of();
    // Of what it is granted an agency's node tells no history.
    let history = if view.is_agency() {
        None
    } else {
        Some(view.ask_records(RecordsRequest::History { record_type, id: key, unit: None }).await?)
    };
    let own = record.get("unit").and_then(Json::as_str) == Some(view.web.node.identity.unit().as_str());
    let place = record_path(name, record.get("id").and_then(Json::as_str).unwrap_or(id));
    let withdrawn = record.get("withdrawn");
    let any = |list: &str| record.get(list).and_then(Json::as_array).is_some_and(|list| !list.is_empty());
    let body = html! {
        p { span.quiet { (view.tongue.label(&declared.label)) " · " (unit(view, &record)) } }
        @if let Some(withdrawn) = withdrawn { (withdrawn_note(view, withdrawn)) }
        @for erased in record.get("erased").and_then(Json::as_array).into_iter().flatten() { (erased_note(view, erased)) }
        @if let Some(into) = record.get("merged_into").and_then(Json::as_str) {
            p.note.wait { (view.t("Bản ghi này được gộp vào", "This record was merged into")) " " a href=(record_path(name, into)) { (view.t("bản ghi khác", "another")) } }
        }
        @if !own && !view.is_agency() { p.note.wait { (view.t("Bản ghi do đơn vị khác quản lý: chỉ xem.", "Another unit keeps this record: it can only be read.")) } }
        @if own && withdrawn.is_none() { p.actions { a.button href={ (place) "/edit" } { (view.t("Sửa", "Edit")) } } }
        @if any("defects") {
            section { h2 { (view.t("Cần sửa", "To mend")) } (defect_list(view, &record, Some(&place).filter(|_| own).map(String::as_str))) }
        }
        @if any("conflicts") { section { h2 { (view.t("Giá trị khác nhau", "Values differ")) } (conflicts(view, declared, &record)) } }
        section { h2 { (view.t("Nội dung", "Fields")) } (fields(view, declared, &record)) }
        @if let Some(history) = &history {
            section { h2 { (view.t("Quá trình: ai ghi, ai quyết định", "History: who wrote, who decided")) } (past(view, declared, history)) }
        }
        @if own && withdrawn.is_none() { (withdrawal(view, &place, fault)) }
    };
    let title = headline(view, declared, &record);
    Ok(view.page("/records", &title, &body))
}

fn unit(view: &View, record: &Json) -> String {
    unit_title(view, record.get("unit").and_then(Json::as_str).unwrap_or_default())
}

fn unit_title(view: &View, code: &str) -> String {
    code.parse().map_or_else(|_| code.to_owned(), |unit| view.catalogue().units().title(&unit))
}

/// By whose order something of the record is gone.
fn erased_note(view: &View, erased: &Json) -> Markup {
    let text = |name: &str| erased.get(name).and_then(Json::as_str).unwrap_or_default();
    let fields = erased.get("fields").and_then(Json::as_array).into_iter().flatten();
    let fields: Vec<&str> = fields.filter_map(Json::as_str).collect();
    html! {
        p.attention {
            (view.t("Đã xóa theo lệnh ", "Erased by order ")) (text("order")) " – " (text("issuer")) ", " (text("date")) ": "
            @if fields.is_empty() { (view.t("toàn bộ bản ghi", "the whole record")) } @else { (fields.join(", ")) }
        }
    }
}

fn withdrawn_note(view: &View, withdrawn: &Json) -> Markup {
    let text = |name: &str| withdrawn.get(name).and_then(Json::as_str).unwrap_or_default();
    html! {
        p.note.wait {
            (view.t("Đã thu hồi", "Withdrawn")) " " (instant_of(view.tongue, text("at"))) ", "
            (text("author")) " (" (unit_title(view, text("unit"))) "): " (text("reason"))
        }
    }
}

fn fields(view: &View, declared: &RecordType, record: &Json) -> Markup {
    let shown = |name: &str| record.get("fields").and_then(|fields| fields.get(name));
    html! {
        dl {
            @for field in declared.fields.iter().filter(|field| field.kind != FieldKind::Items) {
                @if let Some(found) = shown(&field.name) {
                    dt { (view.tongue.label(&field.label)) } dd { (value(view, Some(field), found)) }
                }
            }
        }
        @for field in declared.fields.iter().filter(|field| field.kind == FieldKind::Items) {
            @if let Some(Json::Array(items)) = shown(&field.name) { (items_table(view, field, items)) }
        }
    }
}

fn items_table(view: &View, parent: &Field, items: &[Json]) -> Markup {
    html! {
        h3 { (view.tongue.label(&parent.label)) }
        div.wide { table {
            thead { tr { @for field in &parent.fields { th { (view.tongue.label(&field.label)) } } } }
            tbody { @for item in items {
                tr { @for field in &parent.fields {
                    td { @if let Some(found) = item.get(&field.name) { (value(view, Some(field), found)) } @else { "–" } }
                } }
            } }
        } }
    }
}

/// What a register is called: a field's label, or what the system's own ones mean.
fn named(view: &View, declared: &RecordType, path: &str) -> String {
    match path {
        "_unit" => view.t("Đơn vị quản lý", "Owning unit").to_owned(),
        "_withdrawn" => view.t("Thu hồi", "Withdrawal").to_owned(),
        path => declared
            .field(path)
            .map_or_else(|| path.to_owned(), |field| view.tongue.label(&field.label).to_owned()),
    }
}

fn conflicts(view: &View, declared: &RecordType, record: &Json) -> Markup {
    let open = record.get("conflicts").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    html! {
        p.quiet { (view.t("Không giá trị nào bị mất. Tỉnh quyết định; nếu đơn vị biết chắc, hãy sửa và ghi giá trị đúng.", "No value is lost. The province decides; if you know which is right, edit the record and state it.")) }
        @for conflict in open {
            @let field = text(conflict, "field");
            h3 { (named(view, declared, &field)) }
            ul {
                @for side in conflict.get("siblings").and_then(Json::as_array).into_iter().flatten() {
                    li {
                        b { (value(view, declared.field(&field), side.get("value").unwrap_or(&Json::Null))) }
                        " · " (unit_title(view, &text(side, "unit"))) ", " (instant_of(view.tongue, &text(side, "at")))
                        @if side.get("proposal") == Some(&Json::Bool(true)) { " · " (view.t("đề nghị", "proposal")) }
                    }
                }
            }
        }
    }
}

fn past(view: &View, declared: &RecordType, history: &Json) -> Markup {
    let items = history.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    html! {
        ol.past {
            @for item in items.iter().rev() {
                li {
                    p {
                        b { (instant_of(view.tongue, &text(item, "at"))) } " · " (text(item, "author")) ", " (unit_title(view, &text(item, "unit")))
                        @match text(item, "verdict").as_str() {
                            "proposal" => { " " span.tag.warn { (view.t("đề nghị", "proposal")) } },
                            "kept_out" => { " " span.tag.bad { (view.t("tỉnh chưa nhập", "kept out")) } },
                            _ => {},
                        }
                    }
                    @let why = text(item, "why");
                    @if !why.is_empty() { p { (view.t("Lý do", "Reason")) ": " (why) } }
                    details {
                        summary { (item.get("fields").and_then(Json::as_object).map_or(0, serde_json::Map::len)) " " (view.t("giá trị", "values")) }
                        dl {
                            @for (path, stated) in item.get("fields").and_then(Json::as_object).into_iter().flatten() {
                                dt { (named(view, declared, path)) }
                                dd {
                                    @if stated.is_null() { em { (view.t("xóa", "cleared")) } }
                                    @else if path.starts_with('_') && path != "_unit" { (plain(stated)) }
                                    @else if path == "_unit" { (unit_title(view, &plain(stated))) }
                                    @else { (value(view, declared.field(path), stated)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn withdrawal(view: &View, place: &str, fault: Option<&str>) -> Markup {
    html! {
        section {
            h2 { (view.t("Thu hồi", "Withdraw")) }
            p.quiet { (view.t("Chỉ khi ghi nhầm. Bản ghi ra khỏi dữ liệu dùng chung, lịch sử vẫn giữ. Người đã mất, chuyển đi hay bị khai trừ là tình trạng, không phải thu hồi.", "Only for what was written by mistake. The record leaves the shared dataset, its history stays. Who died, moved or was expelled has a state; that is no withdrawal.")) }
            details open[fault.is_some()] {
                summary { (view.t("Thu hồi bản ghi này", "Withdraw this record")) }
                form.narrow method="post" action={ (place) "/withdraw" } {
                    (view.csrf())
                    label for="reason" { (view.t("Lý do", "Reason")) }
                    input id="reason" name="reason" maxlength="300" required aria-invalid=[fault.map(|_| "true")] aria-describedby="reason-fault";
                    @if let Some(fault) = fault { p.fault id="reason-fault" { (fault) } }
                    button.danger { (view.t("Thu hồi", "Withdraw")) }
                }
            }
        }
    }
}
