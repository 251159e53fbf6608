//! The way in: the link that is good once, the officers' passwords, the language, and the way out.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::header::{HeaderName, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::Web;
use super::form::{Checked, Unchecked};
use super::guard::{SIGN_IN, TONGUE_COOKIE, cookie, cookie_name};
use super::refusal::Refusal;
use super::view::{Tongue, outside};
use crate::serving::Ends;

/// Seconds a chosen language is kept: a year.
const TONGUE_SECONDS: u32 = 31_536_000;

#[derive(Deserialize)]
pub(super) struct OpenQuery {
    token: Option<String>,
}

/// The link `lienthong-node open` prints. It answers with a page of its own rather than leading on: a browser that came
/// here from elsewhere would not send the new cookie on the way.
pub(super) async fn open(
    State(web): State<Arc<Web>>,
    Extension(tongue): Extension<Tongue>,
    Query(asked): Query<OpenQuery>,
) -> Response {
    let now = web.node.now();
    let user = asked.token.and_then(|token| web.page.sessions.redeem(&token, now));
    let Some(user) = user.filter(|_| !web.is_public()) else {
        return (StatusCode::FORBIDDEN, no_session(&web, tongue)).into_response();
    };
    let body = html! {
        meta http-equiv="refresh" content="0;url=/";
        p { a href="/" { (tongue.t("Vào trang", "Go to the page")) } }
    };
    let page = outside(tongue, tongue.t("Đã mở", "Opened"), &body);
    (session_cookie(&web, &user), page).into_response()
}

fn session_cookie(web: &Web, user: &str) -> [(HeaderName, String); 1] {
    let value = web.page.sessions.begin(user, web.node.now());
    let secure = if web.is_public() { "; Secure" } else { "" };
    let name = cookie_name(web);
    [(SET_COOKIE, format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"))]
}

/// What somebody without a session sees, whatever they ask for.
pub(super) fn no_session(web: &Web, tongue: Tongue) -> Html<String> {
    let t = |vi, en| tongue.t(vi, en);
    let body = if web.is_public() {
        html! { p { a href=(SIGN_IN) { (t("Đăng nhập", "Sign in")) } } }
    } else {
        html! {
            p { (t("Trang này chỉ mở bằng liên kết dùng một lần. Trên chính máy này, chạy lệnh:", "This page opens only by a link that is good once. On this very machine, run:")) }
            pre { "lienthong-node open" }
            p { (t("rồi mở liên kết lệnh in ra (có hiệu lực 10 phút, một lần).", "and open the link it prints (good for 10 minutes, once).")) }
        }
    };
    outside(tongue, t("Chưa mở trang", "The page is not open"), &body)
}

pub(super) async fn sign_in(State(web): State<Arc<Web>>, Extension(tongue): Extension<Tongue>) -> Response {
    if !web.is_public() {
        return (StatusCode::FORBIDDEN, no_session(&web, tongue)).into_response();
    }
    sign_in_page(tongue, StatusCode::OK, "", None)
}

fn sign_in_page(tongue: Tongue, status: StatusCode, name: &str, fault: Option<&str>) -> Response {
    let t = |vi, en| tongue.t(vi, en);
    let body: Markup = html! {
        @if let Some(fault) = fault { p.note.bad role="alert" { (fault) } }
        form.narrow method="post" action=(SIGN_IN) {
            label for="name" { (t("Tên", "Name")) }
            input id="name" name="name" value=(name) autocomplete="username" autocapitalize="none" required;
            label for="password" { (t("Mật khẩu", "Password")) }
            input id="password" name="password" type="password" autocomplete="current-password" required;
            button { (t("Đăng nhập", "Sign in")) }
        }
        p.quiet { (t("Quên mật khẩu: người quản trị máy xóa rồi thêm lại tên (`lienthong-node officer`).", "Password forgotten: whoever keeps this machine removes the name and adds it again (`lienthong-node officer`).")) }
    };
    (status, outside(tongue, t("Đăng nhập", "Sign in"), &body)).into_response()
}

pub(super) async fn signed_in(
    State(web): State<Arc<Web>>,
    Extension(tongue): Extension<Tongue>,
    Extension(ends): Extension<Ends>,
    Unchecked(fields): Unchecked,
) -> Response {
    if !web.is_public() {
        return Refusal::missing().into_response();
    }
    let (name, from) = (fields.get("name").unwrap_or_default().trim(), ends.peer.ip());
    let password = fields.get("password").unwrap_or_default();
    // Counted before it is tried: many at once are no way around.
    let locked = web.page.attempts.lock().begin(name, from, web.node.now());
    if locked {
        let vi = "Sai quá nhiều lần: chờ 15 phút rồi thử lại.";
        let en = "Too many failures: wait 15 minutes, then try again.";
        return sign_in_page(tongue, StatusCode::TOO_MANY_REQUESTS, name, Some(tongue.t(vi, en)));
    }
    let known = tokio::task::block_in_place(|| web.node.officers.is_password(name, password));
    if !known {
        tracing::warn!("a sign-in to the page failed");
        let fault = tongue.t("Tên hoặc mật khẩu không đúng.", "Wrong name or password.");
        return sign_in_page(tongue, StatusCode::FORBIDDEN, name, Some(fault));
    }
    web.page.attempts.lock().succeeded(name, from);
    (StatusCode::SEE_OTHER, session_cookie(&web, name), [(LOCATION, "/")]).into_response()
}

pub(super) async fn sign_out(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Checked(_): Checked,
) -> Response {
    let name = cookie_name(&web);
    if let Some(cookie) = cookie(&headers, &name) {
        web.page.sessions.end(cookie);
    }
    let secure = if web.is_public() { "; Secure" } else { "" };
    let gone = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}");
    (StatusCode::SEE_OTHER, [(SET_COOKIE, gone)], [(LOCATION, "/")]).into_response()
}

/// Anybody may choose the language of what they read.
pub(super) async fn language(Unchecked(fields): Unchecked) -> Response {
    let to = Tongue::of(fields.get("to"));
    // Only a path of ours: `//host` and `/\host` are somebody else's.
    let own = |back: &&str| {
        back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\r', '\n', '\t'])
    };
    let back = fields.get("back").filter(own).unwrap_or("/");
    let kept =
        format!("{TONGUE_COOKIE}={}; Path=/; Max-Age={TONGUE_SECONDS}; HttpOnly; SameSite=Strict", to.code());
    ([(SET_COOKIE, kept)], Redirect::to(back)).into_response()
}
