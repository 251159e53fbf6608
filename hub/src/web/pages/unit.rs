//! One unit: everything that is known of it, and what happened to it.

use axum::extract::Path;
use axum::response::{Html, Response};
use lienthong_node::observe::Room;
use lienthong_proto::catalogue::Dimension;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};

use super::super::format::{self, span, tenths};
use super::super::trouble::Trouble;
use super::super::view::View;
use super::super::words;
use super::quality::said_of;
use super::{conflicts, timeline};
use crate::ledger::ImportLine;
use crate::pki::{Enrolled, ReplicaState};
use crate::rights::Right;
use crate::status::UnitStatus;

/// The unit of an address.
pub(super) fn unit_of(view: &View, code: &str) -> Result<UnitStatus, Trouble> {
    let missing = || Trouble::missing(code);
    let code: UnitCode = code.parse().map_err(|_| missing())?;
    let units = tokio::task::block_in_place(|| view.site.hub.units());
    units.into_iter().find(|unit| unit.unit == code).ok_or_else(missing)
}

/// The whole page.
pub(in super::super) async fn page(view: View, Path(code): Path<String>) -> Result<Response, Trouble> {
    let unit = unit_of(&view, &code)?;
    let main = html! {
        p.crumbs { a href="/units" { (view.t("Đơn vị", "Units")) } " › " (unit.unit) }
        h1 { (unit.name) }
        div data-live={ "/units/" (unit.unit) "/live" } { (parts(&view, &unit)) }
    };
    Ok(view.page(&unit.name, &main))
}

/// What changes of it.
pub(in super::super) async fn live(view: View, Path(code): Path<String>) -> Result<Html<String>, Trouble> {
    let unit = unit_of(&view, &code)?;
    Ok(Html(parts(&view, &unit).into_string()))
}

fn parts(view: &View, unit: &UnitStatus) -> Markup {
    let replicas: Vec<Enrolled> =
        view.site.hub.registry.list().into_iter().filter(|entry| entry.unit == unit.unit).collect();
    html! {
        p {
            (words::state(view, unit.state)) " · " (view.t("liên hệ: ", "contact: ")) (words::contact(view, unit))
            @if view.may(Right::Operate) { " " a href={ "/units/" (unit.unit) "/contact" } { (view.t("Sửa", "Change")) } }
        }
        @if !unit.attention.is_empty() { div class={ "attention severity" (unit.severity) } { (words::reasons(view, unit)) } }
        div.columns {
            (flow(view, unit))
            (quality(view, unit))
        }
        (machines(view, unit, &replicas))
        (imports(view, unit))
        (timeline::section(view, &unit.unit, &replicas))
    }
}

fn flow(view: &View, unit: &UnitStatus) -> Markup {
    let dash = || html! { "–" };
    let lag = match (unit.lag, unit.lag_seconds) {
        (None, _) => dash(),
        (Some(0), _) => html! { (view.t("không: đã về đủ", "none: all is here")) },
        (Some(lag), seconds) => html! {
            (view.number(lag)) " " (view.t("mục", "entries"))
            @if let Some(seconds) = seconds { ", " (view.t("ít nhất", "for at least")) " " (span(seconds, view.tongue)) }
        },
    };
    let conflicts = tokio::task::block_in_place(|| conflicts::open_of(view, &unit.unit));
    let linked = |route: &str, text: Markup| view.link(route, &format!("{route}?unit={}", unit.unit), &text);
    html! {
        section {
            h2 { (view.t("Dữ liệu", "Data")) }
            dl.facts {
                dt { (view.t("Bản ghi", "Records")) } dd { (linked("/records", html! { (view.number(unit.records)) })) }
                dt { (view.t("Chưa về tỉnh", "Lag")) } dd { (lag) }
                dt { (view.t("Thấy lần cuối", "Last heard")) } dd { (view.time(unit.last_seen)) }
                dt { (view.t("Tỉnh đã nhận", "Acknowledged")) } dd { (view.number(unit.acknowledged)) " " (view.t("mục", "entries")) }
                dt { (view.t("Biên nhận", "Receipt")) } dd { (receipt(view, unit)) }
                dt { (view.t("Xung đột đang mở", "Open conflicts")) } dd { (linked("/conflicts", html! { (view.number(conflicts)) })) }
                dt { (view.t("Chờ xử lý", "In quarantine")) } dd { (linked("/quarantine", html! { (view.number(unit.quarantined as u64)) })) }
                @if !unit.successors.is_empty() {
                    dt { (view.t("Kế thừa bởi", "Succeeded by")) }
                    dd { @for successor in &unit.successors { a href={ "/units/" (successor) } { (successor) } " " } }
                }
            }
        }
    }
}

/// What the hub can prove of it.
fn receipt(view: &View, unit: &UnitStatus) -> Markup {
    html! {
        @match &unit.holds {
            None => "–",
            Some(holds) => {
                @if holds.complete { (view.t("tỉnh giữ đủ ", "the province holds all ")) } @else { (view.t("tỉnh chưa giữ đủ ", "the province does not hold all ")) }
                (view.number(holds.checkpoint.size)) " " (view.t("mục đơn vị đã ký lúc ", "entries the unit signed at "))
                (view.time(Some(holds.at)))
            }
        }
    }
}

fn quality(view: &View, unit: &UnitStatus) -> Markup {
    let figure = |tenth: Option<u16>| {
        tenth.map_or_else(|| "–".to_owned(), |value| tenths(u64::from(value), view.tongue))
    };
    let address = format!("/quality?unit={}", unit.unit);
    let total = unit.score.total().and_then(|(_, count)| count.tenths());
    html! {
        section {
            h2 { (view.t("Chất lượng", "Quality")) }
            dl.facts {
                dt { (view.t("Tổng (thấp nhất)", "Total (the least)")) } dd { b { (figure(total)) } }
                @for dimension in Dimension::ALL {
                    @let count = unit.score.figure(dimension);
                    dt { (view.tongue.language().pick(dimension.label())) }
                    dd {
                        (view.link("/quality", &format!("{address}&dimension={}", dimension.name()), &html! { (figure(count.tenths())) }))
                        @if count.all > 0 { " " span.quiet { (view.number(count.good)) "/" (view.number(count.all)) } }
                    }
                }
                dt { (view.t("Lỗi đang mở", "Open defects")) }
                dd { (view.link("/quality", &address, &html! { (unit.defects.map_or_else(|| "–".to_owned(), |count| view.number(count))) })) }
            }
            @for remark in said_of(view, unit) { p.quiet { (remark) } }
        }
    }
}

fn machines(view: &View, unit: &UnitStatus, replicas: &[Enrolled]) -> Markup {
    html! {
        section {
            h2 { (view.t("Máy đã ghi danh", "Enrolled machines")) }
            @if replicas.is_empty() {
                p.quiet { (view.t("Chưa có máy nào.", "None yet.")) }
                @if view.may(Right::Operate) {
                    p { a.button href={ "/administration?unit=" (unit.unit) "#token" } { (view.t("Tạo mã ghi danh", "Make an enrolment token")) } }
                }
            }
            @for entry in replicas { (machine(view, entry)) }
            @if view.may(Right::Operate) && replicas.iter().any(Enrolled::is_active) {
                p { a.button.danger href={ "/units/" (unit.unit) "/revoke" } { (view.t("Thu hồi…", "Revoke…")) } }
            }
        }
    }
}

fn machine(view: &View, entry: &Enrolled) -> Markup {
    let live = view.site.hub.live.get(entry.replica).unwrap_or_default();
    let words = entry.fingerprint().unwrap_or_default();
    let program = if live.program.is_empty() { "–" } else { live.program.as_str() };
    html! {
        article.machine {
            h3 { code { (entry.replica) } }
            dl.facts {
                dt { (view.t("Trạng thái", "State")) } dd { (standing(view, &entry.state)) }
                dt { (view.t("Ghi danh", "Enrolled")) } dd { (view.time(Some(UnixMillis(entry.enrolled_at)))) }
                dt { (view.t("Phiên bản", "Version")) } dd { (program) }
                dt { (view.t("Lệch đồng hồ", "Clock skew")) } dd { (skew(view, live.skew_millis)) }
                dt { (view.t("Đĩa còn trống", "Free disk")) } dd { (room(view, live.room)) }
                dt { (view.t("Chứng thư dùng đến", "Certificate good until")) } dd { (until(view, view.site.hub.observed.meters.certificate_until(entry.replica))) }
                dt { (view.t("Tám từ của khóa nhật ký", "Eight words of its log's key")) } dd { (words) }
            }
        }
    }
}

fn standing(view: &View, state: &ReplicaState) -> Markup {
    html! {
        @match state {
            ReplicaState::Active => (view.t("đang dùng", "in use")),
            ReplicaState::Revoked { at, reason } => {
                (view.t("đã thu hồi ", "revoked ")) (view.time(Some(UnixMillis(*at)))) ": " (reason)
            }
            ReplicaState::Fenced { at, .. } => {
                (view.t("đã dừng vì nhật ký mâu thuẫn ", "stopped, its log contradicts itself ")) (view.time(Some(UnixMillis(*at))))
            }
        }
    }
}

fn skew(view: &View, millis: Option<i64>) -> String {
    let Some(millis) = millis else { return "–".to_owned() };
    let seconds = millis.unsigned_abs() / 1_000;
    match (seconds, millis > 0) {
        (0..=1, _) => view.t("không đáng kể", "none to speak of").to_owned(),
        (_, true) => format!("{} {}", view.t("nhanh", "ahead by"), span(seconds, view.tongue)),
        (_, false) => format!("{} {}", view.t("chậm", "behind by"), span(seconds, view.tongue)),
    }
}

/// When something ends, and how long that is.
fn until(view: &View, at: Option<UnixMillis>) -> String {
    let Some(at) = at else { return "–".to_owned() };
    let left = span(at.since(view.now()) / 1_000, view.tongue);
    format!("{} ({} {left})", format::instant(at), view.t("còn", "in"))
}

fn room(view: &View, room: Option<Room>) -> String {
    let Some(room) = room else { return "–".to_owned() };
    let bytes = |bytes| format::bytes(bytes, view.tongue);
    format!("{} / {} ({} %)", bytes(room.free_bytes), bytes(room.total_bytes), room.free_percent())
}

/// Its last imports, the newest first: what kind of file, how many rows, and why some were rejected.
fn imports(view: &View, unit: &UnitStatus) -> Markup {
    let imports = view.site.hub.imports_of(&unit.unit);
    let title = view.t("Các lần nhập gần đây", "Last imports");
    html! {
        section {
            h2 { (title) }
            @if imports.is_empty() { p.quiet { (view.t("Chưa nhập tệp nào.", "No file was imported yet.")) } }
            @else {
                p.quiet { (view.t("Một dòng có thể có nhiều lý do.", "A row may have several reasons.")) }
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table.rows {
                        thead { tr {
                            th scope="col" { (view.t("Lúc", "At")) }
                            th scope="col" { (view.t("Loại", "Type")) }
                            th.figures scope="col" { (view.t("Số dòng", "Rows")) }
                            th.figures scope="col" { (view.t("Mới", "New")) }
                            th.figures scope="col" { (view.t("Cập nhật", "Updated")) }
                            th.figures scope="col" { (view.t("Bị loại", "Rejected")) }
                            th scope="col" { (view.t("Theo lớp lý do", "By reason class")) }
                            th scope="col" { (view.t("Mã băm của tệp", "The file's hash")) }
                        } }
                        tbody { @for line in &imports { (import(view, line)) } }
                    }
                }
            }
        }
    }
}

fn import(view: &View, line: &ImportLine) -> Markup {
    let declared = view.site.hub.catalogue.record_type(&line.record_type);
    let kind = declared.map_or(line.record_type.clone(), |declared| {
        view.tongue.language().pick(declared.label.clone()).to_owned()
    });
    let rows = &line.rows;
    html! {
        tr {
            td data-label=(view.t("Lúc", "At")) { (view.time(Some(line.at))) }
            td data-label=(view.t("Loại", "Type")) {
                @if kind.is_empty() { "–" } @else { (kind) }
                @if !line.whole { " " span.pill { (view.t("không đọc hết", "not read to the end")) } }
            }
            td.figures data-label=(view.t("Số dòng", "Rows")) { (view.number(rows.read)) }
            td.figures data-label=(view.t("Mới", "New")) { (view.number(rows.created)) }
            td.figures data-label=(view.t("Cập nhật", "Updated")) { (view.number(rows.updated)) }
            td.figures data-label=(view.t("Bị loại", "Rejected")) { (view.number(rows.rejected)) }
            td data-label=(view.t("Theo lớp lý do", "By reason class")) {
                @for (class, count) in &line.reasons { code { (class) } " " (view.number(*count)) " " }
            }
            td data-label=(view.t("Mã băm của tệp", "The file's hash")) {
                @if let Some(digest) = line.sha256.map(hex::encode) {
                    code title=(digest) { (digest.get(..12).unwrap_or_default()) "…" }
                }
            }
        }
    }
}
