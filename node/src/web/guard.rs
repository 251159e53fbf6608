//! Who is let in: decided in one place, before anything of a request's body is read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::refusal::Refusal;
use super::view::{Tongue, View, plain};
use super::{Web, certificate, entrance};
use crate::serving::Ends;

pub(super) const OPEN: &str = "/open";
pub(super) const SIGN_IN: &str = "/sign-in";
pub(super) const LANGUAGE: &str = "/language";
pub(super) const STYLE: &str = "/page.css";
pub(super) const SCRIPT: &str = "/page.js";
pub(super) const ICON: &str = "/icon.svg";

/// What needs no session: nothing of it says anything of a record.
pub(super) const OPEN_TO_ALL: [&str; 6] = [OPEN, SIGN_IN, LANGUAGE, STYLE, SCRIPT, ICON];
/// What never changes while the program runs.
const ASSETS: [&str; 3] = [STYLE, SCRIPT, ICON];

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where cookies of the page stand. Cookies know no ports: two nodes of one machine must not share one.
pub(super) fn cookie_name(web: &Web) -> String {
    if web.is_public() { "__Host-lienthong".to_owned() } else { format!("lienthong-{}", web.listen.port()) }
}

/// The language's cookie.
pub(super) const TONGUE_COOKIE: &str = "lienthong-lang";

/// Admits or refuses, and marks every answer as nobody's to keep, frame or guess at.
pub(super) async fn guard(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let tongue = Tongue::of(cookie(request.headers(), TONGUE_COOKIE));
    request.extensions_mut().insert(tongue);
    let mut response = match admit(&web, &request) {
        Ok(None) => next.run(request).await,
        Ok(Some(view)) => {
            request.extensions_mut().insert(view.clone());
            let mut response = next.run(request).await;
            if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
                response = (refusal.status, view.refused(&refusal)).into_response();
            }
            response
        }
        Err(Admission::Refused(refusal)) => refusal.into_response(),
        Err(Admission::Unknown) if web.is_public() && method == Method::GET => {
            Redirect::to(SIGN_IN).into_response()
        }
        Err(Admission::Unknown) => {
            (StatusCode::FORBIDDEN, entrance::no_session(&web, tongue)).into_response()
        }
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = (refusal.status, plain(tongue, tongue.half(&refusal.text))).into_response();
    }
    let keep = if ASSETS.contains(&path.as_str()) { "max-age=3600" } else { "no-store" };
    for (name, value) in [
        (CACHE_CONTROL, keep),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` browsers send `Origin: null` with our own forms too.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // The route, never the path: a path names a record.
    let status = response.status().as_u16();
    tracing::debug!(%method, route = route.as_deref().unwrap_or("none"), status, "answered");
    response
}

enum Admission {
    Refused(Refusal),
    /// Nobody we know.
    Unknown,
}

/// Who asks, if the path needs somebody.
fn admit(web: &Arc<Web>, request: &Request) -> Result<Option<View>, Admission> {
    let headers = request.headers();
    let ends = request.extensions().get::<Ends>().copied();
    let refused = |text: &str| Admission::Refused(Refusal::new(StatusCode::FORBIDDEN, text));
    let ours = |host: &str| ends.is_some_and(|ends| is_ours(web, host, ends.local));
    let host = one(headers, &HOST).filter(|host| ours(host));
    let authority = request.uri().authority().is_none_or(|authority| ours(authority.as_str()));
    let Some(host) = host.filter(|_| authority) else {
        return Err(refused(
            "tên máy trong địa chỉ không được nhận: dùng đúng địa chỉ đã in ra · the host name is refused: use the address as it was printed",
        ));
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !is_own_page(web, headers, host) {
        return Err(refused("yêu cầu không đến từ trang này · the request does not come from this page"));
    }
    let path = request.uri().path();
    let session =
        cookie(headers, &cookie_name(web)).and_then(|cookie| web.page.sessions.of(cookie, web.node.now()));
    match session {
        Some(session) => {
            let tongue = Tongue::of(cookie(headers, TONGUE_COOKIE));
            let back = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
            Ok(Some(View { web: Arc::clone(web), session, tongue, back }))
        }
        None if OPEN_TO_ALL.contains(&path) => Ok(None),
        None => Err(Admission::Unknown),
    }
}

/// Whether a request that changes something was sent by a page of ours: browsers always say so.
fn is_own_page(web: &Web, headers: &HeaderMap, host: &str) -> bool {
    let scheme = if web.is_public() { "https" } else { "http" };
    let own = format!("{scheme}://{host}");
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    site && one(headers, &ORIGIN).is_some_and(|origin| origin.eq_ignore_ascii_case(&own))
}

/// Whether a host is this machine by a name no stranger's DNS can give out, with our port: on loopback its own
/// names, elsewhere the very address that was dialled or the machine's name.
fn is_ours(web: &Web, host: &str, dialled: SocketAddr) -> bool {
    let usual = if web.is_public() { 443 } else { 80 };
    let port = web.listen.port();
    let name = match host.rsplit_once(':') {
        Some((name, given)) if given == port.to_string() => name,
        _ if port == usual && (host.ends_with(']') || !host.contains(':')) => host,
        _ => return false,
    };
    if !web.is_public() {
        return ["127.0.0.1", "[::1]"].contains(&name)
            || name.eq_ignore_ascii_case("localhost")
            || name.parse() == Ok(dialled.ip());
    }
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) => address.to_canonical() == dialled.ip().to_canonical(),
        Err(_) => {
            name.eq_ignore_ascii_case(&certificate::host_name())
                || (dialled.ip().to_canonical().is_loopback() && name.eq_ignore_ascii_case("localhost"))
        }
    }
}

/// The one value of a header; of several none is believed.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// A cookie's value.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}
