//! Administration: enrolment tokens, each with its printable slip.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};

use super::super::trouble::{Trouble, both};
use super::super::view::{Fields, View, go_to};
use super::slip::slip;
use crate::pki::{Role, TokenEntry};
use crate::rights::Right;
use crate::service::Request;

/// Tokens shown: the newest.
const TOKENS_MAX: usize = 200;
/// For how many hours a token may be good.
const HOURS: [(u64, &str, &str); 3] =
    [(24, "một ngày", "a day"), (72, "ba ngày", "three days"), (168, "một tuần", "a week")];

/// The pages of administration.
pub(super) fn tabs(view: &View) -> Markup {
    let current = |path: &str| (view.path.split('?').next() == Some(path)).then_some("page");
    html! {
        nav.tabs aria-label=(view.t("Quản trị", "Administration")) {
            a href="/administration" aria-current=[current("/administration")] { (view.t("Mã ghi danh", "Enrolment tokens")) }
            @if view.may(Right::KeepAccounts) {
                a href="/administration/accounts" aria-current=[current("/administration/accounts")] { (view.t("Tài khoản", "Accounts")) }
            }
        }
    }
}

/// Tokens, and the form for a new one.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let chosen = query.get("unit").map_or("", String::as_str);
    let mut tokens = view.site.hub.tokens.list();
    tokens.reverse();
    tokens.truncate(TOKENS_MAX);
    let main = html! {
        h1 { (view.t("Quản trị", "Administration")) }
        (tabs(&view))
        (new(&view, chosen))
        section {
            h2 { (view.t("Mã ghi danh đã tạo", "Tokens made")) }
            @if tokens.is_empty() { p.quiet { (view.t("Chưa có.", "None yet.")) } } @else { (listed(&view, &tokens)) }
        }
    };
    view.page(view.t("Quản trị", "Administration"), &main)
}

fn new(view: &View, chosen: &str) -> Markup {
    let tree = view.site.hub.tree();
    html! {
        section.narrow id="token" {
            h2 { (view.t("Tạo mã ghi danh", "Make an enrolment token")) }
            p.quiet { (view.t("Dùng một lần, cho một máy của một đơn vị. Mã chỉ hiện một lần, trên phiếu để in.",
                "Good once, for one machine of one unit. It is shown once, on a slip to print.")) }
            form.stacked method="post" action="/administration/tokens" {
                (view.csrf_field())
                label { span { (view.t("Đơn vị", "Unit")) }
                    input name="unit" list="units" required autocomplete="off" value=(chosen)
                        placeholder=(view.t("mã đơn vị, ví dụ 11953", "the unit's code, as 11953")); }
                datalist id="units" { @for unit in tree.iter() { option value=(unit.code) { (unit.title()) } } }
                label { span { (view.t("Hiệu lực", "Good for")) }
                    select name="hours" { @for (hours, vi, en) in HOURS { option value=(hours) { (view.t(vi, en)) } } } }
                button.main { (view.t("Tạo mã và phiếu", "Make token and slip")) }
            }
        }
    }
}

fn listed(view: &View, tokens: &[TokenEntry]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(view.t("Mã ghi danh đã tạo", "Tokens made")) {
            table.rows {
                thead { tr {
                    th scope="col" { (view.t("Số", "Number")) }
                    th scope="col" { (view.t("Đơn vị", "Unit")) }
                    th scope="col" { (view.t("Người tạo", "Made by")) }
                    th scope="col" { (view.t("Tình trạng", "State")) }
                    th scope="col" { (view.t("Việc", "Actions")) }
                } }
                tbody { @for token in tokens { (row(view, token)) } }
            }
        }
    }
}

fn row(view: &View, token: &TokenEntry) -> Markup {
    let open = token.used.is_none() && !token.revoked && token.expires > view.now().0;
    html! {
        tr {
            td data-label=(view.t("Số", "Number")) { code { (token.id) } }
            td data-label=(view.t("Đơn vị", "Unit")) { a href={ "/units/" (token.unit) } { (view.site.hub.tree().title(&token.unit)) } }
            td data-label=(view.t("Người tạo", "Made by")) { (token.actor) }
            td data-label=(view.t("Tình trạng", "State")) { (standing(view, token)) }
            td data-label=(view.t("Việc", "Actions")) {
                @if open {
                    form.inline method="post" action={ "/administration/tokens/" (token.id) "/revoke" } {
                        (view.csrf_field())
                        button.danger { (view.t("Thu hồi", "Revoke")) }
                    }
                }
            }
        }
    }
}

fn standing(view: &View, token: &TokenEntry) -> Markup {
    let expires = UnixMillis(token.expires);
    html! {
        @if let Some(used) = token.used { (view.t("đã dùng ", "used ")) (view.time(Some(UnixMillis(used)))) }
        @else if token.revoked { (view.t("đã thu hồi", "revoked")) }
        @else if expires <= view.now() { (view.t("hết hạn ", "expired ")) (view.time(Some(expires))) }
        @else { (view.t("còn hiệu lực đến ", "good until ")) (super::super::format::instant(expires)) }
        @if token.failures > 0 { " · " (token.failures) " " (view.t("lần thử sai", "wrong attempts")) }
    }
}

/// Makes a token, and shows its slip.
pub(in super::super) async fn create(view: View, fields: Fields) -> Result<Response, Trouble> {
    let unknown =
        |_| Trouble::form(both("Không có đơn vị nào mang mã này.", "There is no unit of that code."));
    let unit: UnitCode = fields.text("unit").parse().map_err(unknown)?;
    let hours =
        HOURS.iter().map(|(hours, ..)| *hours).find(|hours| hours.to_string() == fields.text("hours"));
    let hours = hours.ok_or_else(|| Trouble::of(StatusCode::BAD_REQUEST))?;
    let request = Request::TokenCreate {
        unit: unit.clone(),
        role: Role::Commune,
        ttl_seconds: hours * 3_600,
        actor: String::new(),
    };
    let answer = view.ask(request).await?;
    let token = answer.body.get("token").and_then(|token| token.as_str()).unwrap_or_default();
    Ok(slip(&view, &unit, token, UnixMillis(view.now().0 + hours * 3_600_000)))
}

/// Takes a token back.
pub(in super::super) async fn revoke(view: View, Path(id): Path<String>) -> Result<Response, Trouble> {
    view.ask(Request::TokenRevoke { id, actor: String::new() }).await?;
    Ok(go_to("/administration"))
}
