//! The overview: what needs a person now, worst first; all units as a tile map; the counters.

use axum::response::{Html, Response};
use lienthong_proto::witness::FRESH_MILLIS;
use maud::{Markup, html};

use super::super::view::View;
use super::super::words::{self, STATES};
use crate::rights::Right;
use crate::status::UnitStatus;

/// Units shown of those that need a person; a link leads to all.
const NEEDING_MAX: usize = 15;

/// The whole page.
pub(in super::super) async fn page(view: View) -> Response {
    let title = view.t("Tổng quan", "Overview");
    let main = html! {
        h1 { (title) }
        div data-live="/live" { (parts(&view)) }
    };
    view.page(title, &main)
}

/// What changes of it.
pub(in super::super) async fn live(view: View) -> Html<String> {
    Html(parts(&view).into_string())
}

fn parts(view: &View) -> Markup {
    let units = tokio::task::block_in_place(|| view.site.hub.units());
    html! {
        @if view.site.hub.committer.failure().is_some() {
            p.wrong role="alert" {
                (view.t("Sổ cái không ghi được nữa: xem đĩa và nhật ký của máy chủ, rồi khởi động lại.",
                    "The ledger takes no more writes: look at the hub's disk and log, then start it anew."))
            }
        }
        (witnesses(view))
        (counters(view, &units))
        (needing(view, &units))
        (tiles(view, &units))
    }
}

/// What the witnesses have to say, if something is wrong with the ledger.
fn witnesses(view: &View) -> Markup {
    let hub = &view.site.hub;
    let refused = hub.refusals.standing();
    html! {
        @for refused in refused.values() {
            p.wrong role="alert" {
                (hub.tree().title(&refused.unit)) ": "
                @if refused.known.is_empty() {
                    (view.t("máy xã không ký làm chứng: sổ cái ghi sai về máy của đơn vị. Không xóa gì; xem sổ tay, mục alert-refused.",
                        "its node gives no cosignature: what the ledger says of the unit’s nodes is false. Delete nothing; see the runbook, alert-refused."))
                } @else {
                    (view.t("máy xã từ chối sổ cái này, vì không phải sổ đã thấy. Không xóa gì; xem sổ tay, mục alert-refused.",
                        "its node refuses this ledger, which is not the one it saw. Delete nothing; see the runbook, alert-refused."))
                }
            }
        }
        @if hub.unwitnessed_millis().is_some_and(|age| age > FRESH_MILLIS) {
            p.wrong role="alert" {
                (view.t("Sổ cái chưa được đủ máy làm chứng trong 24 giờ qua: không chia sẻ thêm.",
                    "No quorum has witnessed the ledger for 24 hours: nothing new is shared."))
            }
        }
    }
}

fn counters(view: &View, units: &[UnitStatus]) -> Markup {
    let hub = &view.site.hub;
    let totals = hub.dataset.totals();
    let quarantined = hub.committer.books().read().quarantine.len() as u64;
    let of = |state: &str| units.iter().filter(|unit| unit.state == state).count() as u64;
    let enrolled = units.len() as u64 - of("never");
    let lag: u64 = units.iter().filter_map(|unit| unit.lag).sum();
    let counter = |route: &str, address: &str, value: u64, vi: &str, en: &str| {
        let inner = html! { b { (view.number(value)) } span { (view.t(vi, en)) } };
        html! { li { (view.link(route, address, &inner)) } }
    };
    html! {
        ul.counters aria-label=(view.t("Các con số", "Counters")) {
            (counter("/records", "/records", totals.records, "bản ghi", "records"))
            (counter("/units", "/units?state=online", of("online"), "đơn vị trực tuyến", "units online"))
            (counter("/units", "/units?enrolled=yes", enrolled, "đơn vị đã ghi danh", "units enrolled"))
            (counter("/units", "/units?sort=lag&order=down", lag, "mục chưa về tỉnh", "entries not here yet"))
            (counter("/conflicts", "/conflicts", totals.conflicts_open, "xung đột đang mở", "open conflicts"))
            (counter("/alerts", "/alerts", hub.alerts.unattended(), "cảnh báo chưa ai nhận", "alerts nobody looks after"))
            (counter("/quarantine", "/quarantine", quarantined, "thay đổi chưa nhập được", "changes in quarantine"))
        }
    }
}

fn needing(view: &View, units: &[UnitStatus]) -> Markup {
    let needing: Vec<&UnitStatus> = units.iter().filter(|unit| !unit.attention.is_empty()).collect();
    html! {
        section {
            h2 { (view.t("Cần người xử lý", "Needs a person now")) @if !needing.is_empty() { " " span.pill { (needing.len()) } } }
            @if needing.is_empty() { p.fine { (view.t("Không có gì.", "Nothing.")) } } @else {
                ol.needing {
                    @for unit in needing.iter().take(NEEDING_MAX) { (need(view, unit)) }
                }
                @if needing.len() > NEEDING_MAX {
                    p { (view.link("/units", "/units?attention=yes", &html! { (view.t("Xem tất cả", "See all")) " (" (needing.len()) ")" })) }
                }
            }
        }
    }
}

fn need(view: &View, unit: &UnitStatus) -> Markup {
    let name = html! { b { (unit.name) } " " span.quiet { (unit.unit) } };
    html! {
        li class={ "severity" (unit.severity) } {
            div { (view.link("/units/{unit}", &format!("/units/{}", unit.unit), &name)) " " (words::state(view, unit.state)) }
            (words::reasons(view, unit))
            p.quiet { (view.t("Thấy lần cuối: ", "Last heard: ")) (view.time(unit.last_seen)) }
            @if view.may(Right::Read) { p { (view.t("Gọi: ", "Call: ")) (words::contact(view, unit)) } }
        }
    }
}

fn tiles(view: &View, units: &[UnitStatus]) -> Markup {
    let mut sorted: Vec<&UnitStatus> = units.iter().collect();
    sorted.sort_by(|a, b| a.unit.cmp(&b.unit));
    html! {
        section {
            h2 { (view.t("Tất cả đơn vị", "All units")) }
            ul.legend {
                @for (state, ..) in STATES {
                    @let count = units.iter().filter(|unit| unit.state == state).count();
                    @if count > 0 {
                        li { (view.link("/units", &format!("/units?state={state}"), &html! { (words::state(view, state)) " " (count) })) }
                    }
                }
            }
            ul.tiles { @for unit in sorted { (tile(view, unit)) } }
        }
    }
}

fn tile(view: &View, unit: &UnitStatus) -> Markup {
    let (sign, word) = words::state_words(unit.state, view.tongue);
    let inner = html! {
        span.sign aria-hidden="true" { (sign) }
        span.unit { (unit.name) }
        span.figure { (view.number(unit.records)) span.hidden { " " (view.t("bản ghi", "records")) ", " (word) } }
    };
    let title =
        format!("{} · {word} · {} {}", unit.name, view.number(unit.records), view.t("bản ghi", "records"));
    html! { li class={ "tile " (unit.state) } title=(title) { (view.link("/units/{unit}", &format!("/units/{}", unit.unit), &inner)) } }
}
