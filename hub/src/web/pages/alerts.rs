//! The alerts: what needs somebody now, worst first and what nobody looks after before the rest; and what has ended lately.

use std::cmp::Reverse;

use axum::response::{Html, Response};
use maud::{Markup, html};

use super::super::trouble::sentence;
use super::super::view::View;
use super::super::words;
use crate::alerts::{Alert, Severity};

/// Of those that ended so many are shown.
const ENDED_MAX: usize = 50;

/// The whole page.
pub(in super::super) async fn page(view: View) -> Response {
    let title = view.t("Cảnh báo", "Alerts");
    let main = html! {
        h1 { (title) }
        div data-live="/alerts/live" { (parts(&view)) }
    };
    view.page(title, &main)
}

/// What changes of it.
pub(in super::super) async fn live(view: View) -> Html<String> {
    Html(parts(&view).into_string())
}

fn parts(view: &View) -> Markup {
    let (mut ended, mut open): (Vec<Alert>, Vec<Alert>) =
        view.site.hub.alerts.list(true).into_iter().partition(|alert| alert.ended.is_some());
    let mild = |alert: &Alert| alert.kind.severity() != Severity::Critical;
    open.sort_by_key(|alert| (alert.acknowledged.is_some(), mild(alert), alert.begun));
    ended.sort_by_key(|alert| Reverse((alert.ended, alert.id)));
    let unattended = open.iter().filter(|alert| alert.acknowledged.is_none()).count();
    html! {
        section {
            h2 { (view.t("Đang có", "Now")) @if unattended > 0 { " " span.pill title=(view.t("chưa ai nhận xử lý", "nobody looks after them yet")) { (unattended) } } }
            @if open.is_empty() { p.fine { (view.t("Không có gì.", "Nothing.")) } } @else {
                ol.needing { @for alert in &open { (item(view, alert)) } }
            }
        }
        @if !ended.is_empty() {
            section {
                h2 { (view.t("Đã hết gần đây", "Ended lately")) }
                ol.needing { @for alert in ended.iter().take(ENDED_MAX) { (item(view, alert)) } }
            }
        }
    }
}

fn item(view: &View, alert: &Alert) -> Markup {
    html! {
        li class={ @if alert.ended.is_none() { (level(alert)) } } {
            div { a href={ "/alerts/" (alert.id) } { b { (label(view, alert)) } } " " (severity(view, alert)) }
            p { (sentence(view.t(&alert.vi, &alert.en))) }
            p.quiet { (view.t("Từ: ", "Since: ")) (view.time(Some(alert.begun))) }
            @if alert.ended.is_some() { p.quiet { (view.t("Hết lúc: ", "Ended: ")) (view.time(alert.ended)) } }
            @else { (unit(view, alert)) }
            (attended(view, alert))
        }
    }
}

/// How it is marked: as badly as the units' troubles are.
pub(super) fn level(alert: &Alert) -> &'static str {
    if alert.kind.severity() == Severity::Critical { "severity4" } else { "severity2" }
}

/// What kind it is.
pub(super) fn label<'a>(view: &View, alert: &'a Alert) -> &'a str {
    let (vi, en) = alert.kind.label();
    view.tongue.pick(vi, en)
}

/// How soon somebody must act.
pub(super) fn severity(view: &View, alert: &Alert) -> Markup {
    let (class, sign, word) = match (alert.ended.is_some(), alert.kind.severity()) {
        (true, _) => ("online", "●", view.t("đã hết", "ended")),
        (false, Severity::Critical) => ("stopped", "■", view.t("khẩn", "now")),
        (false, Severity::Warning) => ("silent", "◐", view.t("sớm", "soon")),
    };
    html! { span class={ "state " (class) } { span aria-hidden="true" { (sign) " " } (word) } }
}

/// Whose unit it is about, and whom to call there.
pub(super) fn unit(view: &View, alert: &Alert) -> Markup {
    html! {
        @if let Some(unit) = &alert.unit {
            p { (view.t("Đơn vị: ", "Unit: ")) (view.unit(unit.as_str())) }
            p { (view.t("Gọi: ", "Call: ")) (words::person(view, view.site.hub.contacts.get(unit).as_ref())) }
        }
    }
}

/// Who looks after it.
pub(super) fn attended(view: &View, alert: &Alert) -> Markup {
    html! {
        @match &alert.acknowledged {
            Some(by) => p { (view.t("Người nhận xử lý: ", "Looked after by: ")) b { (by.by) } ", " (view.time(Some(by.at))) ": " q { (by.reason) } },
            None if alert.ended.is_none() => p.quiet { (view.t("Chưa ai nhận xử lý.", "Nobody looks after it yet.")) },
            None => "",
        }
    }
}
