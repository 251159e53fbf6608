//! One alert: why, whose, whom to call, what to do, and who looks after it.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::super::trouble::{Trouble, both, sentence};
use super::super::view::{Fields, View, go_to};
use super::alerts::{attended, label, severity, unit};
use crate::alerts::{Alert, runbook};
use crate::rights::Right;
use crate::service::Request;

/// What a form was sent with, and what is wrong with it.
type Sent<'a> = (&'a Fields, &'a str);

fn find(view: &View, number: &str) -> Result<Alert, Trouble> {
    let id = number.parse::<u64>().ok();
    let found = view.site.hub.alerts.list(true).into_iter().find(|alert| Some(alert.id) == id);
    found.ok_or_else(|| {
        let what = both(
            "Không có cảnh báo này, hoặc đã hết từ lâu.",
            "There is no such alert, or it ended long ago.",
        );
        let cure = both("Xem các cảnh báo đang có.", "See the alerts there are.");
        Trouble::new(StatusCode::NOT_FOUND, what, cure)
    })
}

/// The page.
pub(in super::super) async fn page(view: View, Path(number): Path<String>) -> Result<Response, Trouble> {
    let alert = find(&view, &number)?;
    Ok(shown(&view, &alert, StatusCode::OK, None))
}

fn shown(view: &View, alert: &Alert, status: StatusCode, sent: Option<Sent<'_>>) -> Response {
    let title = label(view, alert);
    let (vi, en) = alert.kind.cure();
    let main = html! {
        p.crumbs { a href="/alerts" { (view.t("Cảnh báo", "Alerts")) } }
        h1 { (title) " " (severity(view, alert)) }
        @if let Some((_, wrong)) = sent { p.wrong role="alert" { (wrong) } }
        section {
            p { (sentence(view.t(&alert.vi, &alert.en))) }
            p.quiet {
                (view.t("Từ ", "Since ")) (view.time(Some(alert.begun)))
                @if alert.ended.is_some() { " · " (view.t("hết lúc ", "ended ")) (view.time(alert.ended)) }
            }
            (unit(view, alert))
            (attended(view, alert))
        }
        section {
            h2 { (view.t("Việc cần làm", "What to do")) }
            (manual(view.t(vi, en)))
            details {
                summary { (view.t("Sổ tay vận hành (tiếng Anh): ", "Operations manual: ")) code { "alert-" (alert.kind.name()) } }
                (manual(runbook(alert.kind)))
            }
        }
        @if alert.ended.is_none() { (form(view, alert, sent)) }
    };
    view.page_with(status, title, &main)
}

/// The manual's text: paragraphs, and what stands between backquotes as it is typed.
fn manual(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n") {
            p { @for (place, part) in paragraph.split('`').enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            } }
        }
    }
}

fn form(view: &View, alert: &Alert, sent: Option<Sent<'_>>) -> Markup {
    let before = sent.map_or("", |(fields, _)| fields.text("reason"));
    html! {
        @if view.may(Right::Operate) {
            section {
                h2 { (view.t("Nhận xử lý", "Look after it")) }
                p.quiet { (view.t("Từ lúc đó không báo thêm cho ai nữa, tới khi hết rồi lại có. Sổ cái ghi ai nhận; lời ghi chú chỉ hiện ở đây.",
                    "From then on nobody is told any more until it has ended and begins anew. The ledger says who; the note is shown here only.")) }
                form.stacked method="post" action={ "/alerts/" (alert.id) "/acknowledge" } {
                    (view.csrf_field())
                    label { span { (view.t("Ghi chú: đang làm gì", "Note: what is being done")) }
                        textarea name="reason" required rows="2" maxlength="300" { (before) } }
                    div { button.main { (view.t("Tôi nhận", "I look after it")) } }
                }
            }
        } @else { p.quiet { (view.t("Người vận hành nhận xử lý.", "An operator looks after it.")) } }
    }
}

/// Somebody looks after it.
pub(in super::super) async fn acknowledge(
    view: View,
    Path(number): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let alert = find(&view, &number)?;
    let reason = fields.text("reason").to_owned();
    let request = Request::AlertsAcknowledge { id: alert.id, reason, actor: String::new() };
    match view.ask(request).await {
        Ok(_) => Ok(go_to(&format!("/alerts/{}", alert.id))),
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let wrong = view.t(&trouble.what.0, &trouble.what.1);
            Ok(shown(&view, &alert, trouble.status, Some((&fields, wrong))))
        }
        Err(trouble) => Err(trouble),
    }
}
