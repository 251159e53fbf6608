//! Whose request it is: a program's by its token, or one of the pages' own by its session.

use axum::http::request::Parts;
use axum::http::{Method, header};
use lienthong_node::api::{Kind, Problem, bearer, one};

use crate::accounts::AccountRole;
use crate::rights::Right;
use crate::web::guard::{SESSION, cookie, is_from_here, names_us, visitor_of};
use crate::web::site::Site;

/// The header in which a page's script repeats its session's token.
pub(super) const CSRF: &str = "x-csrf-token";

/// The account that asks, as it is now.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) name: String,
    roles: Vec<AccountRole>,
}

impl Caller {
    /// Whether it has a right.
    pub(super) fn may(&self, right: Right) -> bool {
        self.roles.iter().any(|role| role.may(right))
    }
}

/// Refuses what is not meant for this hub, or comes from a page of elsewhere.
pub(super) fn is_for_us(site: &Site, parts: &Parts) -> Result<(), Problem> {
    if !names_us(site, &parts.headers) {
        let detail = "máy chủ này không mang tên đó · this hub does not go by that name";
        return Err(Problem::new(Kind::HOST, detail));
    }
    if parts.headers.contains_key(header::ORIGIN) && !is_from_here(site.scheme, &parts.headers) {
        let detail = "yêu cầu đến từ một trang khác · the request comes from a page of elsewhere";
        return Err(Problem::new(Kind::ORIGIN, detail));
    }
    Ok(())
}

/// Who asks. A token that is given is the only thing looked at.
pub(super) fn caller(site: &Site, parts: &Parts) -> Result<Caller, Problem> {
    let found = if parts.headers.contains_key(header::AUTHORIZATION) {
        by_token(site, parts)
    } else {
        by_session(site, parts)?
    };
    found.ok_or_else(|| {
        let detail = "gửi tiêu đề Authorization: Bearer với mã do `lienthong-hub api-token create` tạo · send Authorization: Bearer with a token of `lienthong-hub api-token create`";
        Problem::new(Kind::UNAUTHORIZED, detail)
    })
}

fn by_token(site: &Site, parts: &Parts) -> Option<Caller> {
    let token = one(&parts.headers, &header::AUTHORIZATION).and_then(bearer)?;
    let account = site.hub.accounts.active(&site.hub.api_tokens.account_of(token)?)?;
    Some(Caller { name: account.name, roles: account.roles })
}

/// A script of our pages, which says by its session's token that it could read one of them.
fn by_session(site: &Site, parts: &Parts) -> Result<Option<Caller>, Problem> {
    let visitor = cookie(site, &parts.headers, SESSION).and_then(|secret| visitor_of(site, secret, false));
    let Some(visitor) = visitor.filter(|visitor| visitor.is_in()) else { return Ok(None) };
    if ![Method::GET, Method::HEAD].contains(&parts.method) {
        let sent = parts.headers.get(CSRF).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(sent, visitor.csrf.as_bytes()).is_ok();
        if !same || !is_from_here(site.scheme, &parts.headers) {
            let detail = "thiếu mã của phiên (X-CSRF-Token) · the session’s token is missing (X-CSRF-Token)";
            return Err(Problem::new(Kind::ORIGIN, detail));
        }
    }
    Ok(Some(Caller { name: visitor.name, roles: visitor.roles }))
}
