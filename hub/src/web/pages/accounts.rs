//! People's accounts: one's own, and all of them for who keeps them.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};

use super::super::qr;
use super::super::session::Stage;
use super::super::trouble::{Trouble, both};
use super::super::view::{Fields, View, Visitor, go_to};
use super::super::words;
use super::administration::tabs;
use super::sign_in::{code_field, enrolled};
use crate::accounts::totp::Seed;
use crate::accounts::{Account, AccountError, AccountRole};
use crate::service::Request;

fn visitor(view: &View) -> Result<&Visitor, Trouble> {
    view.visitor.as_ref().ok_or_else(|| Trouble::of(StatusCode::FORBIDDEN))
}

/// What an authenticator program scans, or takes typed.
pub(super) fn authenticator(view: &View, account: &str, seed: &Seed) -> Result<Markup, Trouble> {
    let address = seed.address(account, view.site.hub.secrets.profile.province.as_str());
    let label = view.t("Mã QR để quét bằng ứng dụng xác thực", "QR code for an authenticator program");
    let picture =
        qr::picture(&address, label).ok_or_else(|| Trouble::internal(&"the QR code is too large"))?;
    let base32 = seed.base32();
    let groups: Vec<&str> =
        base32.as_bytes().chunks(4).filter_map(|four| std::str::from_utf8(four).ok()).collect();
    Ok(html! {
        p {
            (view.t("Tài khoản ", "The account ")) b { (account) }
            (view.t(" cần một ứng dụng xác thực trên điện thoại (FreeOTP, Aegis, Google Authenticator…). Quét mã này, rồi nhập mã sáu chữ số mà ứng dụng hiện ra.",
                " needs an authenticator program on a phone (FreeOTP, Aegis, Google Authenticator…). Scan this, then type the six digits it shows."))
        }
        (picture)
        details { summary { (view.t("Không quét được? Nhập khóa bằng tay", "Cannot scan? Type the key")) }
            p { code.secret { (groups.join(" ")) } } }
    })
}

/// The reader's own account.
pub(in super::super) async fn own(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let done = query.get("done").map(String::as_str) == Some("password");
    own_with(&view, StatusCode::OK, None, done)
}

fn own_with(
    view: &View,
    status: StatusCode,
    wrong: Option<&str>,
    changed: bool,
) -> Result<Response, Trouble> {
    let visitor = visitor(view)?;
    let account = view.site.hub.accounts.active(&visitor.name);
    let has = account.as_ref().is_some_and(Account::has_second_factor);
    let title = view.t("Tài khoản của bạn", "Your account");
    let offered = match &visitor.stage {
        Stage::In(Some(seed)) if !has => Some(authenticator(view, &visitor.name, seed)?),
        _ => None,
    };
    let main = html! {
        section.narrow {
            h1 { (title) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            @if changed { p.done role="status" { (view.t("Đã đổi mật khẩu; các phiên khác đã kết thúc.", "The password was changed; other sessions have ended.")) } }
            dl.facts {
                dt { (view.t("Tên", "Name")) } dd { (visitor.name) }
                dt { (view.t("Vai trò", "Roles")) } dd { (words::roles(&visitor.roles, view.tongue)) }
                dt { (view.t("Ứng dụng xác thực", "Authenticator")) }
                dd { @if has { (view.t("đã cài đặt", "set up")) } @else { (view.t("chưa có", "none")) } }
            }
            @if account.as_ref().is_some_and(Account::has_password) {
                p { a.button href="/account/password" { (view.t("Đổi mật khẩu", "Change the password")) } }
            }
            @match offered {
                Some(offered) => { (offered) (code_field(view, "/account/totp", "/account")) },
                None if !has => form.inline method="post" action="/account/totp" {
                    (view.csrf_field())
                    button { (view.t("Cài đặt ứng dụng xác thực", "Set an authenticator up")) }
                },
                None => p.quiet {
                    (view.t("Mất điện thoại: nhờ người quản trị đặt lại (Quản trị → Tài khoản, hoặc `user totp TÊN --reset`).",
                        "Lost the phone: an administrator resets it (Administration → Accounts, or `user totp NAME --reset`)."))
                },
            }
        }
    };
    Ok(view.page_with(status, title, &main))
}

/// Offers an authenticator, or sets the offered one up by its first code.
pub(in super::super) async fn totp(view: View, fields: Fields) -> Result<Response, Trouble> {
    let visitor = visitor(&view)?;
    let (site, typed) = (&view.site, fields.text("code"));
    match &visitor.stage {
        Stage::In(Some(seed)) if !typed.is_empty() => {
            let now = view.now();
            let set =
                tokio::task::block_in_place(|| site.hub.accounts.enrol_code(&visitor.name, seed, typed, now));
            match set {
                Ok(()) => {
                    site.sessions.set_stage(&visitor.cookie, Stage::In(None));
                    enrolled(&view, &visitor.name).await?;
                }
                Err(error @ (AccountError::Code | AccountError::SecondFactor)) => {
                    let wrong = error.to_string();
                    return own_with(&view, StatusCode::UNPROCESSABLE_ENTITY, Some(view.half(&wrong)), false);
                }
                Err(error) => return Err(Trouble::internal(&error)),
            }
        }
        _ => site.sessions.set_stage(&visitor.cookie, Stage::In(Some(Seed::random()))),
    }
    Ok(go_to("/account"))
}

/// All accounts, and the form for a new one.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let done = query.get("done").map(String::as_str);
    listed(&view, StatusCode::OK, &Fields::default(), done.and_then(|done| said(&view, done)), None)
}

fn said<'a>(view: &'a View, done: &str) -> Option<&'a str> {
    Some(match done {
        "added" => view.t("Đã thêm tài khoản.", "The account was added."),
        "disabled" => view.t(
            "Đã khóa tài khoản; phiên đang mở của nó đã kết thúc.",
            "The account was disabled; its open sessions have ended.",
        ),
        "reset" => view.t(
            "Đã đặt lại ứng dụng xác thực: lần đăng nhập sau sẽ cài lại.",
            "The authenticator was reset: the next sign-in sets one up anew.",
        ),
        _ => return None,
    })
}

fn listed(
    view: &View,
    status: StatusCode,
    fields: &Fields,
    done: Option<&str>,
    wrong: Option<&str>,
) -> Response {
    let title = view.t("Tài khoản", "Accounts");
    let accounts = view.site.hub.accounts.list();
    let main = html! {
        h1 { (view.t("Quản trị", "Administration")) }
        (tabs(view))
        @if let Some(done) = done { p.done role="status" { (done) } }
        section {
            h2 { (title) }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table.rows {
                    thead { tr {
                        th scope="col" { (view.t("Tên", "Name")) }
                        th scope="col" { (view.t("Vai trò", "Roles")) }
                        th scope="col" { (view.t("Đăng nhập bằng", "Signs in by")) }
                        th scope="col" { (view.t("Từ", "Since")) }
                        th scope="col" { (view.t("Việc", "Actions")) }
                    } }
                    tbody { @for account in &accounts { (row(view, account)) } }
                }
            }
        }
        (new(view, fields, wrong))
    };
    view.page_with(status, title, &main)
}

fn row(view: &View, account: &Account) -> Markup {
    let mut ways = Vec::new();
    if account.has_password() {
        ways.push(view.t("mật khẩu", "password").to_owned());
    }
    if account.has_second_factor() {
        ways.push(view.t("mã xác thực", "code").to_owned());
    }
    if let Some(uid) = account.uid {
        ways.push(format!("uid {uid}"));
    }
    let path = format!("/administration/accounts/{}", account.name);
    let act = |what: &str, word: &str, question: &str| {
        html! {
            details.ask {
                summary { (word) }
                form.inline method="post" action={ (path) "/" (what) } {
                    (view.csrf_field())
                    p { (question) }
                    button.danger { (word) }
                }
            }
        }
    };
    html! {
        tr {
            td data-label=(view.t("Tên", "Name")) { b { (account.name) } @if account.disabled { " " span.state.revoked { (view.t("đã khóa", "disabled")) } } }
            td data-label=(view.t("Vai trò", "Roles")) { (words::roles(&account.roles, view.tongue)) }
            td data-label=(view.t("Đăng nhập bằng", "Signs in by")) { (ways.join(" + ")) }
            td data-label=(view.t("Từ", "Since")) { (view.time(Some(UnixMillis(account.created_at)))) }
            td data-label=(view.t("Việc", "Actions")) {
                @if !account.disabled {
                    (act("disable", view.t("Khóa", "Disable"), view.t("Tài khoản này sẽ không làm được gì nữa, và không mở lại được.", "This account may do nothing any more, and cannot be opened again.")))
                    @if account.has_second_factor() {
                        (act("totp", view.t("Đặt lại mã xác thực", "Reset authenticator"), view.t("Chỉ làm khi đã gặp hoặc gọi chính người ấy.", "Only after meeting or calling that very person.")))
                    }
                }
            }
        }
    }
}

fn new(view: &View, fields: &Fields, wrong: Option<&str>) -> Markup {
    html! {
        section.narrow {
            h2 { (view.t("Thêm tài khoản", "Add an account")) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stacked method="post" action="/administration/accounts" {
                (view.csrf_field())
                label { span { (view.t("Tên (a-z, 0-9, dấu chấm, gạch)", "Name (a-z, 0-9, dot, dash)")) }
                    input name="name" value=(fields.text("name")) required maxlength="32" pattern="[a-z0-9._\\-]+"
                        autocapitalize="none" spellcheck="false" autocomplete="off"; }
                fieldset {
                    legend { (view.t("Vai trò", "Roles")) }
                    @for role in AccountRole::ALL {
                        label.choice {
                            input type="checkbox" name=(field_of(role)) value="yes" checked[fields.text(field_of(role)) == "yes"];
                            span { (words::role(role, view.tongue)) }
                        }
                    }
                    p.quiet { (view.t("Người quản trị không thể đồng thời quản lý dữ liệu hay phê duyệt.", "An administrator is neither steward nor approver.")) }
                }
                label { span { (view.t("Mật khẩu đầu tiên (ít nhất 10 ký tự)", "First password (at least 10 characters)")) }
                    input type="password" name="password" required minlength="10" autocomplete="new-password"; }
                button.main { (view.t("Thêm", "Add")) }
            }
        }
    }
}

fn field_of(role: AccountRole) -> &'static str {
    match role {
        AccountRole::Operator => "operator",
        AccountRole::Steward => "steward",
        AccountRole::Approver => "approver",
        AccountRole::Administrator => "administrator",
    }
}

/// Adds an account.
pub(in super::super) async fn add(view: View, fields: Fields) -> Result<Response, Trouble> {
    let chosen = AccountRole::ALL.into_iter().filter(|role| fields.text(field_of(*role)) == "yes");
    let request = Request::UserAdd {
        name: fields.text("name").to_owned(),
        roles: chosen.collect(),
        uid: None,
        password: Some(fields.raw("password").to_owned()),
        actor: String::new(),
    };
    match view.ask(request).await {
        Ok(_) => Ok(go_to("/administration/accounts?done=added")),
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let wrong = view.t(&trouble.what.0, &trouble.what.1);
            Ok(listed(&view, trouble.status, &fields, None, Some(wrong)))
        }
        Err(trouble) => Err(trouble),
    }
}

/// Ends an account.
pub(in super::super) async fn disable(view: View, Path(name): Path<String>) -> Result<Response, Trouble> {
    if view.visitor.as_ref().is_some_and(|visitor| visitor.name == name) {
        let what = both("Không tự khóa tài khoản của mình.", "Nobody disables their own account.");
        return Err(Trouble::form(what));
    }
    view.ask(Request::UserDisable { name, actor: String::new() }).await?;
    Ok(go_to("/administration/accounts?done=disabled"))
}

/// Takes an account's authenticator away.
pub(in super::super) async fn reset(view: View, Path(name): Path<String>) -> Result<Response, Trouble> {
    view.ask(Request::UserTotpReset { name, actor: String::new() }).await?;
    Ok(go_to("/administration/accounts?done=reset"))
}
