//! Signing in, with a password and a code, and out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_proto::value::Value;
use maud::{Markup, html};

use super::super::format::span;
use super::super::guard::{SESSION, set_cookie};
use super::super::session::Stage;
use super::super::site::Scheme;
use super::super::trouble::{Trouble, both};
use super::super::view::{Fields, View, Visitor, go_to};
use super::accounts::authenticator;
use super::language::own_path;
use crate::accounts::totp::Seed;
use crate::accounts::{Account, AccountError};

/// Bytes of a password that are looked at.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// The form for name and password.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    if view.visitor.as_ref().is_some_and(Visitor::is_in) {
        return go_to("/");
    }
    let next = own_path(query.get("next").map_or("/", String::as_str));
    form(&view, StatusCode::OK, "", next, None)
}

fn form(view: &View, status: StatusCode, user: &str, next: &str, wrong: Option<&str>) -> Response {
    let title = view.t("Đăng nhập", "Sign in");
    let main = html! {
        section.narrow {
            h1 { (title) }
            (complaint(wrong))
            form.stacked method="post" action="/sign-in" {
                (view.csrf_field())
                input type="hidden" name="next" value=(next);
                label { span { (view.t("Tên tài khoản", "Account")) }
                    input name="user" value=(user) required autofocus maxlength="32" autocapitalize="none"
                        spellcheck="false" autocomplete="username"; }
                label { span { (view.t("Mật khẩu", "Password")) }
                    input type="password" name="password" required autocomplete="current-password"; }
                button.main { (title) }
            }
            p.quiet {
                (view.t("Chưa có tài khoản hoặc quên mật khẩu: hỏi người quản trị của tỉnh.",
                    "No account, or a forgotten password: ask the province's administrator."))
            }
        }
    };
    view.page_with(status, title, &main)
}

fn complaint(wrong: Option<&str>) -> Markup {
    html! { @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } } }
}

/// Looks at name and password.
pub(in super::super) async fn password(view: View, fields: Fields) -> Result<Response, Trouble> {
    let user = fields.text("user").to_lowercase();
    let next = own_path(fields.text("next")).to_owned();
    if let Some(wait) = must_wait(&view, &user) {
        return Ok(form(&view, StatusCode::TOO_MANY_REQUESTS, &user, &next, Some(&wait)));
    }
    let busy = |_| Trouble::of(StatusCode::SERVICE_UNAVAILABLE);
    let _place = view.site.passwords.try_acquire().map_err(busy)?;
    let (hub, name) = (Arc::clone(&view.site.hub), user.clone());
    let password: String = fields.raw("password").chars().take(PASSWORD_BYTES_MAX).collect();
    let checked = tokio::task::spawn_blocking(move || hub.accounts.named(&name, &password)).await;
    match checked.map_err(|error| Trouble::internal(&error))? {
        Ok(account) => known(&view, &account, &next).await,
        Err(AccountError::Password) => {
            refused(&view, &user, "password").await;
            let wrong = view.t("Tên hoặc mật khẩu không đúng.", "Wrong name or password.");
            Ok(form(&view, StatusCode::UNAUTHORIZED, &user, &next, Some(wrong)))
        }
        Err(error) => Err(Trouble::internal(&error)),
    }
}

/// What a password that is right leads to: the code, setting one up, or in.
async fn known(view: &View, account: &Account, next: &str) -> Result<Response, Trouble> {
    let stage = match (account.has_second_factor(), view.site.scheme) {
        (true, _) => Stage::Code,
        (false, Scheme::Https) => Stage::Enrol(Seed::random()),
        // Only this machine reaches it, and on this machine the command line asks for no more.
        (false, Scheme::Http) => return enter(view, &account.name, next).await,
    };
    Ok(begin(view, &account.name, stage, &code_page(next)))
}

fn code_page(next: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("/sign-in/code?next={next}")
}

fn begin(view: &View, account: &str, stage: Stage, to: &str) -> Response {
    let site = &view.site;
    if let Some(former) = &view.visitor {
        site.sessions.end(&former.cookie);
    }
    let cookie = site.sessions.begin(account, stage, view.now());
    let mut response = go_to(to);
    set_cookie(&mut response, &site.cookie(SESSION, &cookie, None));
    response
}

/// In: the ledger has it before the cookie leaves.
async fn enter(view: &View, account: &str, next: &str) -> Result<Response, Trouble> {
    let fields = BTreeMap::from([
        ("account".to_owned(), Value::Text(account.to_owned())),
        ("address".to_owned(), Value::Text(view.address.to_string())),
    ]);
    view.site.hub.event("sign_in", account, fields).await.map_err(|error| Trouble::internal(&error))?;
    view.site.lockout.succeeded(account);
    Ok(begin(view, account, Stage::In(None), next))
}

/// What there is to say to who must wait.
pub(super) fn must_wait(view: &View, account: &str) -> Option<String> {
    let seconds = view.site.lockout.wait_seconds(account, view.address, view.now());
    let span = span(seconds, view.tongue);
    let vi = format!("Đã thử sai quá nhiều lần. Hãy chờ {span} rồi thử lại.");
    let en = format!("Too many wrong attempts. Wait {span}, then try again.");
    (seconds > 0).then(|| view.t(&vi, &en).to_owned())
}

/// Counts a failure and writes it down; a name nobody has is not written: it may be a password in the wrong field.
pub(super) async fn refused(view: &View, account: &str, what: &str) {
    let hub = &view.site.hub;
    if !view.site.lockout.failed(account, view.address, view.now()) {
        tracing::warn!("sign-ins are refused faster than the ledger takes them down");
        return;
    }
    let mut fields = BTreeMap::from([
        ("address".to_owned(), Value::Text(view.address.to_string())),
        ("what".to_owned(), Value::Text(what.to_owned())),
    ]);
    if hub.accounts.is_known(account) {
        fields.insert("account".to_owned(), Value::Text(account.to_owned()));
    }
    if let Err(error) = hub.event("sign_in_refused", "hub", fields).await {
        tracing::error!(%error, "a refused sign-in is not in the ledger");
    }
}

/// The form for the code, or for setting an authenticator up.
pub(in super::super) async fn second(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    code_form(&view, StatusCode::OK, own_path(query.get("next").map_or("/", String::as_str)), None)
}

fn code_form(view: &View, status: StatusCode, next: &str, wrong: Option<&str>) -> Result<Response, Trouble> {
    let visitor = half(view)?;
    let title = view.t("Bước hai", "Second step");
    let (action, new) = match &visitor.stage {
        Stage::Enrol(seed) => ("/sign-in/enrol", Some(authenticator(view, &visitor.name, seed)?)),
        _ => ("/sign-in/code", None),
    };
    let main = html! {
        section.narrow {
            h1 { (title) }
            (complaint(wrong))
            @match new {
                Some(new) => (new),
                None => p {
                    (view.t("Nhập mã sáu chữ số mà ứng dụng xác thực của tài khoản ", "Type the six digits the authenticator shows for the account "))
                    b { (visitor.name) } (view.t(" đang hiện.", "."))
                },
            }
            (code_field(view, action, next))
            form.inline method="post" action="/sign-in/code" {
                (view.csrf_field())
                button.plain name="away" value="yes" formnovalidate { (view.t("Thôi, đăng nhập lại", "Start again")) }
            }
        }
    };
    Ok(view.page_with(status, title, &main))
}

/// The field for a code and its button.
pub(super) fn code_field(view: &View, action: &str, next: &str) -> Markup {
    html! {
        form.stacked method="post" action=(action) {
            (view.csrf_field())
            input type="hidden" name="next" value=(next);
            label { span { (view.t("Mã sáu chữ số", "Six-digit code")) }
                input.code name="code" required autofocus inputmode="numeric" autocomplete="one-time-code"
                    pattern="[0-9 ]{6,7}" maxlength="7"; }
            button.main { (view.t("Tiếp tục", "Continue")) }
        }
    }
}

fn half(view: &View) -> Result<&Visitor, Trouble> {
    view.visitor.as_ref().ok_or_else(|| Trouble::of(StatusCode::FORBIDDEN))
}

/// Looks at the code.
pub(in super::super) async fn code(view: View, fields: Fields) -> Result<Response, Trouble> {
    let visitor = half(&view)?;
    if fields.text("away") == "yes" {
        view.site.sessions.end(&visitor.cookie);
        return Ok(go_to("/sign-in"));
    }
    let (hub, now) = (&view.site.hub, view.now());
    let typed = fields.text("code");
    finish(&view, visitor, &fields, || hub.accounts.spend_code(&visitor.name, typed, now)).await
}

/// Sets the authenticator up that was shown, by its first code.
pub(in super::super) async fn enrol(view: View, fields: Fields) -> Result<Response, Trouble> {
    let visitor = half(&view)?;
    let Stage::Enrol(seed) = &visitor.stage else { return Ok(go_to("/sign-in/code")) };
    let (hub, now) = (&view.site.hub, view.now());
    let typed = fields.text("code");
    let response =
        finish(&view, visitor, &fields, || hub.accounts.enrol_code(&visitor.name, seed, typed, now)).await?;
    if response.status() == StatusCode::SEE_OTHER {
        enrolled(&view, &visitor.name).await?;
    }
    Ok(response)
}

/// Says in the ledger that an account has an authenticator now.
pub(super) async fn enrolled(view: &View, account: &str) -> Result<(), Trouble> {
    let fields = BTreeMap::from([("account".to_owned(), Value::Text(account.to_owned()))]);
    let told = view.site.hub.event("account_totp", account, fields).await;
    told.map(drop).map_err(|error| Trouble::internal(&error))
}

async fn finish(
    view: &View,
    visitor: &Visitor,
    fields: &Fields,
    take: impl FnOnce() -> Result<(), AccountError> + Send,
) -> Result<Response, Trouble> {
    let next = own_path(fields.text("next"));
    if let Some(wait) = must_wait(view, &visitor.name) {
        return code_form(view, StatusCode::TOO_MANY_REQUESTS, next, Some(&wait));
    }
    match tokio::task::block_in_place(take) {
        Ok(()) => enter(view, &visitor.name, next).await,
        Err(error @ (AccountError::Code | AccountError::SecondFactor)) => {
            refused(view, &visitor.name, "code").await;
            code_form(view, StatusCode::UNAUTHORIZED, next, Some(view.half(&error.to_string())))
        }
        Err(error) => Err(Trouble::internal(&error)),
    }
}

/// Ends the session.
pub(in super::super) async fn out(view: View) -> Result<Response, Trouble> {
    let visitor = view.visitor.as_ref().ok_or_else(|| {
        Trouble::new(StatusCode::FORBIDDEN, both("Chưa đăng nhập.", "Not signed in."), both("", ""))
    })?;
    view.site.sessions.end(&visitor.cookie);
    let fields = BTreeMap::from([("account".to_owned(), Value::Text(visitor.name.clone()))]);
    if let Err(error) = view.site.hub.event("sign_out", &visitor.name, fields).await {
        tracing::error!(%error, "a sign-out is not in the ledger");
    }
    let mut response = go_to("/sign-in");
    set_cookie(&mut response, &view.site.cookie(SESSION, "", Some(0)));
    Ok(response)
}
