//! One change in quarantine: why it waits, what of it may be shown beside the record it would join, and what can be done.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::shown::record_path;
use lienthong_proto::change::{Change, Write, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::QuarantineReason;
use lienthong_proto::withdrawal::Withdrawal;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{may_be_shown, named, stated};
use super::super::trouble::{Trouble, both, sentence};
use super::super::view::{Fields, View, go_to};
use super::quarantine::{record, short};
use crate::ledger::Quarantined;
use crate::rights::Right;
use crate::service::Request;

/// What a form was sent with, and what is wrong with it.
type Sent<'a> = (&'a Fields, &'a str);

fn parsed(number: &str) -> Option<(u64, u16)> {
    let (ledger, place) = number.split_once('.')?;
    Some((ledger.parse().ok()?, place.parse().ok()?))
}

fn find(view: &View, number: &str) -> Result<Quarantined, Trouble> {
    let waiting = parsed(number)
        .and_then(|number| view.site.hub.committer.books().read().quarantine.get(&number).cloned());
    waiting.ok_or_else(|| {
        let what = both(
            format!("Không có thay đổi {number} đang chờ: có thể đã được xử lý."),
            format!("No change {number} waits: it may have been dealt with."),
        );
        let cure = both("Xem danh sách đang chờ.", "See what waits.");
        Trouble::new(StatusCode::NOT_FOUND, what, cure)
    })
}

/// The page.
pub(in super::super) async fn page(view: View, Path(number): Path<String>) -> Result<Response, Trouble> {
    shown(&view, &number, StatusCode::OK, None)
}

fn shown(view: &View, number: &str, status: StatusCode, sent: Option<Sent<'_>>) -> Result<Response, Trouble> {
    let waiting = find(view, number)?;
    let title = format!("{} {number}", view.t("Thay đổi đang chờ", "Waiting change"));
    let main = tokio::task::block_in_place(|| {
        html! {
            p.crumbs { a href="/quarantine" { (view.t("Chờ xử lý", "Quarantine")) } }
            h1 { (title) }
            @if let Some((_, wrong)) = sent { p.wrong role="alert" { (wrong) } }
            section {
                h2.capital { (short(view, waiting.reason)) }
                p { (sentence(view.t(waiting.reason.vi(), waiting.reason.en()))) " " span.quiet { (waiting.reason.code()) } }
                dl.facts {
                    dt { (view.t("Đơn vị gửi", "From the unit")) } dd { (view.unit(waiting.unit.as_str())) }
                    dt { (view.t("Loại", "Type")) } dd { (view.type_label(&waiting.record_type)) }
                    dt { (view.t("Bản ghi", "Record")) } dd { (record(view, &waiting)) }
                    dt { (view.t("Nhận lúc", "Received")) } dd { (view.time(Some(waiting.accepted_at))) }
                    dt { (view.t("Máy, mục", "Machine, entry")) } dd { code { (waiting.dot.replica) } ", " (waiting.dot.sequence) }
                }
            }
            (content(view, &waiting))
            @if view.may(Right::Decide) { (forms(view, number, &waiting, sent)) }
            @else { p.quiet { (view.t("Người quản lý dữ liệu quyết định.", "A steward decides.")) } }
        }
    });
    Ok(view.page_with(status, &title, &main))
}

/// What it states, as far as that may be shown, beside what stands.
fn content(view: &View, waiting: &Quarantined) -> Markup {
    let none = |vi, en| html! { p { (view.t(vi, en)) } };
    let inner = match waiting.reason {
        QuarantineReason::Forbidden => none(
            "Không hiện gì: nội dung không được đưa vào hệ thống đã bị loại bỏ và không lưu ở đâu.",
            "Nothing is shown: what may not enter the system was dropped, and is kept nowhere.",
        ),
        QuarantineReason::Undecodable => {
            none("Không hiện gì: nội dung không đọc được.", "Nothing is shown: it cannot be read.")
        }
        _ => match change(view, waiting) {
            Some(change) => writes(view, waiting, &change),
            None => none("Không hiện gì: nội dung không đọc được.", "Nothing is shown: it cannot be read."),
        },
    };
    html! { section { h2 { (view.t("Nội dung", "Content")) } (inner) } }
}

fn change(view: &View, waiting: &Quarantined) -> Option<Change> {
    let bytes = view.site.hub.dataset.entries().entry(waiting.at).ok()?;
    Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).ok()
}

fn writes(view: &View, waiting: &Quarantined, change: &Change) -> Markup {
    let declared = view.catalogue().record_type(&waiting.record_type);
    let own = |name: &str| matches!(name, path::UNIT | path::WITHDRAWN);
    let (open, closed): (Vec<&Write>, Vec<&Write>) =
        change.writes.iter().filter(|write| own(&write.path) || !write.path.starts_with('_')).partition(
            |write| declared.is_some() && (own(&write.path) || may_be_shown(declared, &write.path)),
        );
    let dataset = &view.site.hub.dataset;
    let joined: Option<Record> = waiting
        .record
        .and_then(|id| dataset.record(view.catalogue(), &waiting.record_type, id).ok().flatten());
    let said = |name: &str| {
        joined.as_ref().and_then(|record| record.shown(name)).filter(|value| **value != Value::Null)
    };
    html! {
        p.quiet { (view.t("Ghi bởi ", "Stated by ")) (change.meta.author) }
        @if let (Some(declared), false) = (declared, open.is_empty()) {
            div.scroll tabindex="0" role="region" aria-label=(view.t("Nội dung", "Content")) {
                table.rows.pair {
                    thead { tr {
                        th scope="col" { (view.t("Trường", "Field")) } th scope="col" { (view.t("Đang chờ", "Waits")) }
                        @if joined.is_some() { th scope="col" { (view.t("Bản ghi hiện có", "The record there is")) } }
                    } }
                    tbody {
                        @for write in &open {
                            tr.differs[joined.is_some() && said(&write.path) != Some(&write.value)] {
                                td data-label=(view.t("Trường", "Field")) { (named(view, declared, &write.path)) }
                                td data-label=(view.t("Đang chờ", "Waits")) { (stated(view, declared, &write.path, &json(write))) }
                                @if joined.is_some() {
                                    td data-label=(view.t("Hiện có", "There is")) {
                                        @match said(&write.path) { Some(value) => (stated(view, declared, &write.path, &value.to_json())), None => "–" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !closed.is_empty() {
            p { (closed.len()) " " (view.t("giá trị không hiện: danh mục chưa biết trường đó, hoặc không cho hiện.", "values are not shown: the catalogue does not know their fields, or does not let them be shown.")) }
        }
    }
}

fn json(write: &Write) -> Json {
    let withdrawal = Withdrawal::of(&write.value).filter(|_| write.path == path::WITHDRAWN);
    withdrawal.map_or_else(|| write.value.to_json(), |withdrawal| withdrawal.reason().into())
}

fn forms(view: &View, number: &str, waiting: &Quarantined, sent: Option<Sent<'_>>) -> Markup {
    let before = sent.map_or("", |(fields, _)| fields.text("reason"));
    let form = |action: &str, heading: &str, what: &str, button: &str| {
        html! {
            section {
                h2 { (heading) }
                p.quiet { (what) }
                form.stacked method="post" action={ "/quarantine/" (number) "/" (action) } {
                    (view.csrf_field())
                    label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                        textarea name="reason" required rows="2" maxlength="300" { (before) } }
                    div { button.main { (button) } }
                }
            }
        }
    };
    html! {
        @if waiting.reason == QuarantineReason::Forbidden {
            p.quiet { (view.t("Không thể nhập: đơn vị gửi lại phần được phép.", "It cannot be merged: the unit sends anew what may enter.")) }
        } @else {
            div.columns {
                (form("release", view.t("Nhập vào", "Merge it"), view.t("Thay đổi vào bản ghi như mọi thay đổi khác; nếu bản ghi của đơn vị khác thì là đề nghị.",
                    "It joins the record as any other change; of another unit’s record it is a proposal."), view.t("Nhập", "Merge")))
                @if waiting.reason == QuarantineReason::IdentityGuard {
                    (form("separate", view.t("Là hai người: tách", "Two persons: separate"), view.t("Mọi điều đơn vị này ghi dưới số đó thành một bản ghi riêng.",
                        "All that this unit stated under the number becomes a record of its own."), view.t("Tách", "Separate")))
                }
            }
        }
    }
}

/// Merges it after all.
pub(in super::super) async fn release(
    view: View,
    Path(number): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let waiting = find(&view, &number)?;
    let request = Request::QuarantineRelease {
        number: number.clone(),
        reason: fields.text("reason").to_owned(),
        actor: String::new(),
    };
    match view.ask(request).await {
        Ok(_) => Ok(go_to(&match waiting.record {
            Some(id) => format!("{}?released=yes", record_path(&waiting.record_type, &id.to_string())),
            None => "/quarantine".to_owned(),
        })),
        Err(trouble) => refused(&view, &number, &fields, trouble),
    }
}

/// It speaks of somebody else.
pub(in super::super) async fn separate(
    view: View,
    Path(number): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let waiting = find(&view, &number)?;
    let request = Request::QuarantineSeparate {
        number: number.clone(),
        reason: fields.text("reason").to_owned(),
        actor: String::new(),
    };
    match view.ask(request).await {
        Ok(answer) => {
            let own = answer.body.get("id").and_then(Json::as_str).unwrap_or_default();
            Ok(go_to(&format!("{}?separated=yes", record_path(&waiting.record_type, own))))
        }
        Err(trouble) => refused(&view, &number, &fields, trouble),
    }
}

/// What the hub refuses is said in the form; what is gone meanwhile by its page.
fn refused(view: &View, number: &str, fields: &Fields, trouble: Trouble) -> Result<Response, Trouble> {
    if trouble.status != StatusCode::UNPROCESSABLE_ENTITY {
        return Err(trouble);
    }
    shown(view, number, trouble.status, Some((fields, view.t(&trouble.what.0, &trouble.what.1))))
}
