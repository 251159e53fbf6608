//! One's own password: another one, after the old one.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use lienthong_proto::value::Value;
use maud::html;

use super::super::trouble::Trouble;
use super::super::view::{Fields, View, go_to};
use super::sign_in::{must_wait, refused};
use crate::accounts::AccountError;

/// The form.
pub(in super::super) async fn page(view: View) -> Response {
    form(&view, StatusCode::OK, None)
}

fn form(view: &View, status: StatusCode, wrong: Option<&str>) -> Response {
    let title = view.t("Đổi mật khẩu", "Change the password");
    let field = |name: &str, label: &str, kind: &str| {
        html! { label { span { (label) }
        input type="password" name=(name) required maxlength="200" autocomplete=(kind); } }
    };
    let main = html! {
        section.narrow {
            p.crumbs { a href="/account" { (view.t("Tài khoản của bạn", "Your account")) } }
            h1 { (title) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stacked method="post" action="/account/password" {
                (view.csrf_field())
                (field("old", view.t("Mật khẩu hiện tại", "Present password"), "current-password"))
                (field("new", view.t("Mật khẩu mới (ít nhất 10 ký tự)", "New password (at least 10 characters)"), "new-password"))
                (field("again", view.t("Nhập lại mật khẩu mới", "The new password again"), "new-password"))
                p.quiet { (view.t("Mọi phiên khác của tài khoản này sẽ kết thúc.", "All other sessions of this account will end.")) }
                button.main { (view.t("Đổi", "Change")) }
            }
        }
    };
    view.page_with(status, title, &main)
}

/// Changes it; who guesses at the old one waits as at the sign-in.
pub(in super::super) async fn change(view: View, fields: Fields) -> Result<Response, Trouble> {
    let Some(visitor) = view.visitor.clone() else { return Err(Trouble::of(StatusCode::FORBIDDEN)) };
    let wrong = |text: &str| Ok(form(&view, StatusCode::UNPROCESSABLE_ENTITY, Some(text)));
    let (old, new) = (fields.raw("old").to_owned(), fields.raw("new").to_owned());
    if new != fields.raw("again") {
        return wrong(view.t("Hai lần nhập mật khẩu mới không giống nhau.", "The two new passwords differ."));
    }
    if old == new {
        return wrong(view.t("Mật khẩu mới giống mật khẩu cũ.", "The new password is the old one."));
    }
    if let Some(wait) = must_wait(&view, &visitor.name) {
        return Ok(form(&view, StatusCode::TOO_MANY_REQUESTS, Some(&wait)));
    }
    let Ok(_turn) = view.site.passwords.try_acquire() else {
        return Err(Trouble::of(StatusCode::SERVICE_UNAVAILABLE));
    };
    let (hub, name) = (std::sync::Arc::clone(&view.site.hub), visitor.name.clone());
    let set = move || {
        hub.accounts.named(&name, &old)?;
        hub.accounts.set_password(&name, &new)
    };
    match tokio::task::spawn_blocking(set).await.map_err(|error| Trouble::internal(&error))? {
        Ok(()) => {}
        Err(AccountError::Password) => {
            refused(&view, &visitor.name, "password").await;
            return wrong(view.t("Mật khẩu hiện tại không đúng.", "The present password is wrong."));
        }
        Err(AccountError::Form) => {
            return wrong(view.t(
                "Mật khẩu mới phải có ít nhất 10 ký tự.",
                "The new password needs at least 10 characters.",
            ));
        }
        Err(error) => return Err(Trouble::internal(&error)),
    }
    // Whoever else knew the old one is out.
    view.site.sessions.end_others(&visitor.name, &visitor.cookie);
    let fields = BTreeMap::from([("account".to_owned(), Value::Text(visitor.name.clone()))]);
    let told = view.site.hub.event("account_password", &visitor.name, fields).await;
    told.map_err(|error| Trouble::internal(&error))?;
    Ok(go_to("/account?done=password"))
}
