//! The first page at an agency's node: what it is granted, how it stands, and what that rests on.

use maud::{Markup, html};
use serde_json::{Map, Value as Json};

use super::refusal::Refusal;
use super::shown::{day_of, instant_of, number};
use super::tasks::{Task, tasks};
use super::view::View;
use crate::granted;
use crate::records::Page;
use crate::service::Request;

pub(super) async fn body(view: &View) -> Result<Markup, Refusal> {
    let status = view.ask(Request::Status).await?;
    let grants = view.ask(Request::Grants { page: Page::default() }).await?;
    let items = grants.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut todo = tasks(view.tongue, &status, &Json::Null);
    todo.extend(items.iter().filter_map(|grant| damaged(view, grant)));
    let online = status.get("state").and_then(Json::as_str) == Some("online");
    let last = status.get("last_sync").and_then(Json::as_str);
    Ok(html! {
        section aria-labelledby="now" {
            h2 id="now" { (view.t("Việc cần làm", "What to do now")) }
            @if todo.is_empty() {
                p.note.good { (view.t("Không có việc gì phải làm.", "Nothing needs doing.")) }
            } @else {
                ul.tasks { @for task in &todo { li.bad[task.urgent] { (task.text) } } }
            }
        }
        section aria-labelledby="granted" {
            h2 id="granted" { (view.t("Được cấp quyền", "Granted")) }
            @if items.is_empty() {
                p { (view.t("Chưa nhận được giấy cấp quyền nào.", "No grant has come yet.")) }
            }
            @for grant in items { (one(view, grant)) }
        }
        section aria-labelledby="line" {
            h2 id="line" { (view.t("Kết nối với tỉnh", "The line to the province")) }
            p.note.(if online { "good" } else { "wait" }) {
                @if online { (view.t("Đang kết nối: thay đổi đến ngay khi tỉnh nhận.", "Connected: changes come as the province takes them.")) }
                @else { (view.t("Chưa kết nối được: dữ liệu dưới đây là của lần nhận cuối.", "Not connected: what is shown is of the last delivery.")) }
            }
            dl {
                dt { (view.t("Liên lạc với tỉnh lần cuối", "Last heard of the province")) }
                dd { (last.map_or_else(|| view.t("chưa, kể từ khi chạy", "not since the start").to_owned(), |at| instant_of(view.tongue, at))) }
            }
        }
    })
}

/// An agency's node writes nothing: the pages for that are not shown there.
pub(super) fn writes_nothing(view: &View) -> Result<(), Refusal> {
    if view.is_agency() { Err(Refusal::of(&granted::writes_nothing())) } else { Ok(()) }
}

/// The types of the grants that are here, by name.
pub(super) async fn types(view: &View) -> Result<Vec<String>, Refusal> {
    let grants = view.ask(Request::Grants { page: Page::default() }).await?;
    let items = grants.get("items").and_then(Json::as_array).into_iter().flatten();
    let types = items.filter_map(|grant| grant.get("types")?.as_array()).flatten();
    Ok(types.filter_map(Json::as_str).map(str::to_owned).collect())
}

fn damaged(view: &View, grant: &Json) -> Option<Task> {
    let found = grant.get("damaged")?.as_str()?;
    let number = grant.get("number").and_then(Json::as_u64).unwrap_or_default();
    let text = view.t(
        "dữ liệu đã nhận bị hỏng trên đĩa, đang nhận lại từ đầu",
        "what had come was damaged on the disk, and is sent again from its beginning",
    );
    let text = format!("{} {number}: {text} ({found})", view.t("Giấy cấp quyền số", "Grant"));
    Some(Task { urgent: true, text, at: None })
}

fn one(view: &View, grant: &Json) -> Markup {
    let t = |vi, en| view.t(vi, en);
    let text = |name: &str| grant.get(name).and_then(Json::as_str);
    let count = |name: &str| grant.get(name).and_then(Json::as_u64);
    let records: Option<&Map<String, Json>> = grant.get("records").and_then(Json::as_object);
    let named = |name: &str| {
        let declared = view.catalogue().record_type(name);
        declared.map_or_else(|| name.to_owned(), |declared| view.tongue.label(&declared.label).to_owned())
    };
    let state = match text("state").unwrap_or_default() {
        "active" => t("đang hiệu lực", "in force"),
        "revoked" => t(
            "đã bị thu hồi: giữ những gì đã nhận, không nhận thêm",
            "taken back: what came stays, no more comes",
        ),
        "expired" => {
            t("đã hết hạn: giữ những gì đã nhận, không nhận thêm", "over: what came stays, no more comes")
        }
        "unwitnessed" => t(
            "tạm dừng: quá 24 giờ chưa có đủ nhân chứng ký sổ cái",
            "waiting: for 24 hours too few witnesses have cosigned the ledger",
        ),
        other => other,
    };
    let erased: Vec<&str> =
        grant.get("erased").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    html! {
        article {
            h3 { (t("Giấy số", "Grant")) " " (count("number").unwrap_or_default()) @if let Some(purpose) = text("purpose") { ": " (purpose) } }
            dl {
                dt { (t("Tình trạng", "State")) } dd { (state) }
                @if let Some(document) = text("document") { dt { (t("Văn bản", "Document")) } dd { (document) } }
                @if let (Some(from), Some(until)) = (text("from"), text("until")) { dt { (t("Thời hạn", "Valid")) } dd { (day_of(from)) " – " (day_of(until)) } }
                dt { (t("Bản ghi đã nhận", "Records received")) }
                dd {
                    @match records {
                        Some(records) if !records.is_empty() => {
                            @for (name, found) in records {
                                a href={ "/records?type=" (name) } { (named(name)) } ": " (number(view.tongue, found.as_u64().unwrap_or_default())) br;
                            }
                        },
                        _ => (t("chưa có", "none yet")),
                    }
                }
                @if let Some(at) = text("received") {
                    dt { (t("Nhận lần cuối", "Last delivery")) }
                    dd { (instant_of(view.tongue, at)) ", " (t("ghi trong sổ cái ở mục", "in the ledger at entry")) " " (count("access").unwrap_or_default()) }
                }
                dt { (t("Bằng chứng", "Proof")) }
                dd {
                    @if text("trust") == Some("policy") {
                        (t("kiểm tra theo chính sách tin cậy; số nhân chứng đã ký sổ cái:", "checked by the trust policy; witnesses that have cosigned the ledger:")) " " (count("witnesses").unwrap_or_default())
                    } @else {
                        (t("chỉ theo khóa sổ cái biết từ khi ghi danh: hãy lấy chính sách tin cậy (ledger policy) và đặt bằng --trust", "by the ledger's key known since enrolment alone: get the trust policy (ledger policy) and name it with --trust"))
                    }
                }
                @if let Some(at) = grant.pointer("/receipt/at").and_then(Json::as_str) {
                    dt { (t("Đã ký nhận", "Signed for")) } dd { (instant_of(view.tongue, at)) }
                }
                @if !erased.is_empty() {
                    dt { (t("Đã xóa theo lệnh", "Erased by order")) } dd { (erased.join(", ")) }
                }
            }
        }
    }
}
