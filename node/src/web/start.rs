//! The first page: how it stands, in plain words, and what to do now.

use axum::response::Html;
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::granted;
use super::refusal::Refusal;
use super::shown::{dimension, instant, instant_of, number};
use super::tasks::tasks;
use super::view::View;
use crate::app::Node;
use crate::dataset::EntryAt;
use crate::records::Page;
use crate::service::Request;

/// Notices shown here.
const NOTICES: usize = 5;

pub(super) async fn start(view: View) -> Result<Html<String>, Refusal> {
    let state = body(&view).await?;
    let body = html! { div id="state" data-live="/live" data-from="/state" { (state) } };
    Ok(view.page("/", view.t("Tình hình máy này", "How this machine stands"), &body))
}

/// The same without what is around it: what the script asks for when something changed.
pub(super) async fn state(view: View) -> Result<Html<String>, Refusal> {
    Ok(Html(body(&view).await?.into_string()))
}

async fn body(view: &View) -> Result<Markup, Refusal> {
    if view.is_agency() {
        return granted::body(view).await;
    }
    let status = view.ask(Request::Status).await?;
    let one = Page { limit: Some(1), after: None };
    let defects = view.ask(Request::Defects { record_type: None, page: one }).await?;
    let tasks = tasks(view.tongue, &status, &defects);
    Ok(html! {
        section aria-labelledby="now" {
            h2 id="now" { (view.t("Việc cần làm", "What to do now")) }
            @if tasks.is_empty() {
                p.note.good { (view.t("Không có việc gì phải làm.", "Nothing needs doing.")) }
            } @else {
                ul.tasks {
                    @for task in &tasks {
                        li.bad[task.urgent] {
                            @match task.at {
                                Some(path) => a href=(path) { (task.text) },
                                None => (task.text),
                            }
                        }
                    }
                }
            }
            p.actions { a.button href="/import" { (view.t("Nhập bảng tính", "Import a spreadsheet")) } }
        }
        section aria-labelledby="sent" {
            h2 id="sent" { (view.t("Gửi lên tỉnh", "Sent to the province")) }
            (sending(view, &status))
        }
        section aria-labelledby="quality" {
            h2 id="quality" { (view.t("Chất lượng dữ liệu", "Quality of the data")) }
            (quality(view, &status, &defects))
        }
        section aria-labelledby="told" {
            h2 id="told" { (view.t("Tỉnh báo gần đây", "Told by the province")) }
            (told(view))
        }
    })
}

/// What is sent, what waits, since when.
fn sending(view: &View, status: &Json) -> Markup {
    let t = |vi, en| view.t(vi, en);
    let count = |name: &str| status.get(name).and_then(Json::as_u64).unwrap_or(0);
    let (pending, acknowledged) = (count("pending"), count("acknowledged"));
    let online = status.get("state").and_then(Json::as_str) == Some("online");
    let line = match (online, pending) {
        (true, 0) => t(
            "Đang kết nối với tỉnh. Tất cả đã được tỉnh nhận.",
            "Connected. The province has received everything.",
        ),
        (true, _) => t("Đang kết nối với tỉnh, đang gửi.", "Connected, sending."),
        (false, 0) => t(
            "Chưa kết nối được với tỉnh. Tất cả những gì đã nhập đều đã được tỉnh nhận từ trước.",
            "Not connected. The province had received everything before.",
        ),
        (false, _) => t(
            "Chưa kết nối được với tỉnh. Cứ làm việc bình thường: dữ liệu đã cất an toàn ở máy này và sẽ tự gửi khi có đường truyền.",
            "Not connected. Go on working: everything is safe on this machine and is sent by itself when the line is back.",
        ),
    };
    let last = status.get("last_sync").and_then(Json::as_str);
    let receipt = view.web.node.evidence.last_receipt();
    let since = (pending > 0).then(|| waiting_since(&view.web.node, acknowledged)).flatten();
    html! {
        p.note.(if online { "good" } else { "wait" }) { (line) }
        dl {
            dt { (t("Tỉnh đã nhận", "Received")) } dd { (number(view.tongue, acknowledged)) " " (t("mục", "entries")) }
            dt { (t("Đang chờ gửi", "Waiting")) }
            dd {
                (number(view.tongue, pending)) " " (t("mục", "entries"))
                @if let Some(since) = since { ", " (t("cũ nhất từ", "the oldest since")) " " (instant(view.tongue, since)) }
            }
            dt { (t("Liên lạc với tỉnh lần cuối", "Last heard of the province")) }
            dd { (last.map_or_else(|| t("chưa, kể từ khi chạy", "not since the start").to_owned(), |at| instant_of(view.tongue, at))) }
            @if let Some(receipt) = receipt {
                dt { (t("Biên nhận mới nhất", "Latest receipt")) }
                dd { a href="/receipt" { (instant(view.tongue, UnixMillis(receipt.at))) " · " (t("xem, in", "see, print")) } }
            }
            dt { (t("Bản ghi ở máy này", "Records here")) } dd { (number(view.tongue, count("records"))) }
            @let others = others_of_unit(status);
            @if !others.is_empty() {
                dt { (t("Máy khác đã ghi danh của đơn vị", "Other nodes enrolled for this unit")) }
                dd {
                    @for (replica, at) in &others { code { (replica) } " " (instant_of(view.tongue, at)) br; }
                    (t("Không nhận ra máy nào, hãy gọi tỉnh ngay.", "If you do not know one of them, call the province at once."))
                }
            }
        }
    }
}

/// Who else enrolled in the unit's name, and when.
fn others_of_unit(status: &Json) -> Vec<(&str, &str)> {
    let listed = status.get("unit_replicas").and_then(Json::as_array).into_iter().flatten();
    listed
        .filter(|item| item.get("own") != Some(&Json::Bool(true)))
        .filter(|item| item.get("state").and_then(Json::as_str) == Some("active"))
        .filter_map(|item| Some((item.get("replica")?.as_str()?, item.get("enrolled_at")?.as_str()?)))
        .collect()
}

/// When the first entry that the province does not have was written.
fn waiting_since(node: &Node, acknowledged: u64) -> Option<UnixMillis> {
    let entries = node.replica.dataset().entries();
    let (position, frame) = entries.log().clone().scan(Sequence(acknowledged)).next()?.ok()?;
    let index = u16::try_from(acknowledged.checked_sub(frame.first.0)?).ok()?;
    let bytes = entries.entry(EntryAt { frame: position, index }).ok()?;
    let entry = Entry::decode(&bytes).ok()?;
    let change = Change::of(&entry).map(|change| change.meta.hlc.at());
    change.or_else(|_| Event::of(&entry).map(|event| event.at)).ok()
}

fn quality(view: &View, status: &Json, defects: &Json) -> Markup {
    let found = status.get("defects").and_then(Json::as_u64);
    let scores = defects.get("quality").and_then(Json::as_object);
    let names = scores.into_iter().flatten().filter(|(name, _)| *name != "total");
    html! {
        p {
            @match found {
                Some(0) => (view.t("Không có lỗi nào đang mở.", "No open defects.")),
                Some(found) => { a href="/defects" { (number(view.tongue, found)) " " (view.t("lỗi đang mở", "open defects")) } },
                None => (view.t("Đang kiểm tra.", "Being judged.")),
            }
        }
        ul.scores {
            @for (name, score) in names {
                @if let Some(score) = score.as_u64() {
                    li { b { (score) } span { (dimension(view.tongue, name)) } }
                }
            }
        }
    }
}

fn told(view: &View) -> Markup {
    let notices = view.web.node.evidence.notices().unwrap_or_default();
    html! {
        @if notices.is_empty() { p { (view.t("Chưa có thông báo nào.", "Nothing yet.")) } }
        @else {
            ul {
                @for notice in notices.iter().rev().take(NOTICES) {
                    li { (instant(view.tongue, UnixMillis(notice.at))) ": " (view.t(&notice.vi, &notice.en)) }
                }
            }
            p { a href="/notices" { (view.t("Tất cả thông báo", "All notices")) } }
        }
    }
}
