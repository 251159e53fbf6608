//! Who is let in: decided in one place, before anything of a page is done.
//!
//! In this order: the host that is named, the page's row in [`crate::rights::PAGES`] (none: nobody), the session and the
//! account behind it as it is now, the row's need, and for whatever is sent: where it comes from and its token.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use lienthong_node::cli::Tongue;

use super::layout;
use super::session::{Stage, secret};
use super::site::{Scheme, Site};
use super::trouble::{Trouble, both};
use super::view::{Fields, View, Visitor, denied, go_to};
use crate::rights::{self, Need};

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// Time for a form to arrive.
const FORM_TIME: Duration = Duration::from_secs(20);
/// Time for a page to be made.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// The cookie of a session, of one who is about to sign in, of the language.
pub(super) const SESSION: &str = "session";
const VISIT: &str = "visit";
pub(super) const LANGUAGE: &str = "language";

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// An answer that says all it is to say, whatever its status.
#[derive(Debug, Clone, Copy)]
struct Drawn;

/// Marks an answer so.
pub(super) fn drawn(mut response: Response) -> Response {
    response.extensions_mut().insert(Drawn);
    response
}

/// Admits or refuses; draws what went wrong; marks every answer as nobody's to keep, frame or guess at.
pub(super) async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let mut view = view_of(&site, &request);
    let visit =
        (view.visitor.is_none()).then(|| cookie(&site, request.headers(), VISIT).unwrap_or_else(secret));
    if let Some(visit) = &visit {
        view.csrf = site.guest_csrf(visit);
    }
    let need = matched.as_deref().and_then(|path| rights::of_page(as_get(&method).as_str(), path));
    let mut response = match admit(&site, &view, need, &mut request).await {
        Ok(()) => {
            request.extensions_mut().insert(view.clone());
            match tokio::time::timeout(PAGE_TIME, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Trouble::of(StatusCode::GATEWAY_TIMEOUT).into_response(),
            }
        }
        Err(refusal) => *refusal,
    };
    if let Some(trouble) = trouble_of(&mut response) {
        response = layout::trouble(&view, &trouble);
    }
    if let Some(visit) = visit.filter(|_| matched.as_deref() == Some("/sign-in") && method == Method::GET) {
        set_cookie(&mut response, &site.cookie(VISIT, &visit, None));
    }
    harden(&site, &mut response);
    // The route, never the path: a path names a record.
    let (route, status) = (matched.as_deref().unwrap_or("none"), response.status().as_u16());
    tracing::debug!(%method, route, status, "answered");
    response
}

fn as_get(method: &Method) -> &Method {
    if *method == Method::HEAD { &Method::GET } else { method }
}

/// The reader of a request.
fn view_of(site: &Arc<Site>, request: &Request) -> View {
    let (headers, uri) = (request.headers(), request.uri());
    // What a page asks for by itself does not keep a session.
    let by_person = uri.path() != "/events" && !uri.path().ends_with("/live");
    let visitor = cookie(site, headers, SESSION).and_then(|cookie| visitor_of(site, cookie, by_person));
    let tongue = match cookie(site, headers, LANGUAGE).as_deref() {
        Some("en") => Tongue::En,
        _ => Tongue::Vi,
    };
    let peer = request.extensions().get::<Peer>().copied();
    let forwarded = ["forwarded", "x-forwarded-for"].iter().any(|name| headers.contains_key(*name));
    let here = peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback()) && !forwarded;
    let scraped = uri.path() == "/metrics";
    let csrf = visitor.as_ref().map_or_else(String::new, |visitor| visitor.csrf.clone());
    View {
        site: Arc::clone(site),
        tongue,
        path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        visitor,
        address: peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| address.to_canonical()),
        csrf,
        glances: here && (site.scheme == Scheme::Http || scraped),
        units: super::shown::Units::default(),
    }
}

/// Who a session is, if its account is still in use: one that was disabled ends with its next request.
pub(super) fn visitor_of(site: &Site, cookie: String, by_person: bool) -> Option<Visitor> {
    let session = site.sessions.find(&cookie, site.hub.now(), by_person)?;
    let Some(account) = site.hub.accounts.active(&session.account) else {
        site.sessions.end(&cookie);
        return None;
    };
    let lost = session.stage == Stage::Code && !account.has_second_factor();
    if lost {
        site.sessions.end(&cookie);
        return None;
    }
    Some(Visitor {
        name: account.name,
        roles: account.roles,
        stage: session.stage,
        csrf: session.csrf,
        cookie,
    })
}

/// Whether a visitor with this cookie is still in: asked by streams while they last.
pub(super) fn is_still_in(site: &Site, visitor: Option<&Visitor>) -> bool {
    visitor.is_none_or(|visitor| visitor_of(site, visitor.cookie.clone(), false).is_some_and(|v| v.is_in()))
}

async fn admit(
    site: &Site,
    view: &View,
    need: Option<Need>,
    request: &mut Request,
) -> Result<(), Box<Response>> {
    let refuse = |trouble: Trouble| Box::new(trouble.into_response());
    if !names_us(site, request.headers()) {
        let what = both("Máy chủ này không mang tên đó.", "This hub does not go by that name.");
        let cure = both(
            "Mở trang bằng một tên hay địa chỉ đã khai khi khởi tạo (init --name).",
            "Open it by a name or address it was made with (init --name).",
        );
        return Err(refuse(Trouble::new(StatusCode::MISDIRECTED_REQUEST, what, cure)));
    }
    let Some(need) = need else {
        // No page at all, or one without a row: nobody's.
        return Err(refuse(Trouble::of(StatusCode::NOT_FOUND)));
    };
    if !view.meets(need) {
        return Err(Box::new(turned_away(view, need, request)));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let fields = form(view, request).await.map_err(refuse)?;
        request.extensions_mut().insert(fields);
    }
    Ok(())
}

/// To the sign-in, to what is left of it, or to nothing.
fn turned_away(view: &View, need: Need, request: &Request) -> Response {
    let asked = [Method::GET, Method::HEAD].contains(request.method());
    let by_script = request.uri().path() == "/events" || request.uri().path().ends_with("/live");
    match &view.visitor {
        Some(visitor) if visitor.is_in() && need == Need::Halfway => go_to("/"),
        Some(visitor) if visitor.is_in() => denied().into_response(),
        _ if !asked || by_script || need == Need::Machine => drawn(StatusCode::UNAUTHORIZED.into_response()),
        Some(_) => go_to("/sign-in/code"),
        None if need == Need::Halfway => go_to("/sign-in"),
        None => {
            let next: String = form_urlencoded::byte_serialize(view.path.as_bytes()).collect();
            go_to(&format!("/sign-in?next={next}"))
        }
    }
}

/// What was sent, if it comes from one of our own pages and carries its token.
async fn form(view: &View, request: &mut Request) -> Result<Fields, Trouble> {
    let foreign = || {
        let what = both("Biểu mẫu không đến từ trang này.", "The form does not come from this site.");
        let cure = both("Mở lại trang rồi gửi lại.", "Open the page again and send it from there.");
        Trouble::new(StatusCode::FORBIDDEN, what, cure)
    };
    if !is_from_here(view.site.scheme, request.headers()) {
        return Err(foreign());
    }
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let bytes: Bytes = match tokio::time::timeout(FORM_TIME, to_bytes(body, FORM_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Trouble::of(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Err(Trouble::of(StatusCode::REQUEST_TIMEOUT)),
    };
    let pairs = form_urlencoded::parse(&bytes);
    let fields: BTreeMap<String, String> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
    let token = fields.get("csrf").map_or("", String::as_str);
    let same =
        aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), view.csrf.as_bytes()).is_ok();
    if view.csrf.is_empty() || !same {
        return Err(foreign());
    }
    Ok(Fields(fields))
}

/// A browser says where a form comes from by `Origin`, or, since our pages name no referrer, as `null`: then
/// `Sec-Fetch-Site` says it, which no page can set.
pub(super) fn is_from_here(scheme: Scheme, headers: &HeaderMap) -> bool {
    let host = one(headers, &header::HOST).unwrap_or_default();
    match one(headers, &header::ORIGIN) {
        Some(origin) if origin != "null" => origin == format!("{}://{host}", scheme.name()),
        _ => one(headers, &HeaderName::from_static("sec-fetch-site")) == Some("same-origin"),
    }
}

/// A page of another name that leads here (DNS rebinding) names its own host; an address is nobody's to rebind.
pub(super) fn names_us(site: &Site, headers: &HeaderMap) -> bool {
    let Some(host) = one(headers, &header::HOST) else { return false };
    let bare = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let ours = &site.hub.secrets.profile.names;
    bare.parse::<IpAddr>().is_ok()
        || bare.eq_ignore_ascii_case("localhost")
        || ours.iter().any(|name| name.eq_ignore_ascii_case(bare))
}

/// The one value of a header; of several none is believed.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

pub(super) fn cookie(site: &Site, headers: &HeaderMap, name: &str) -> Option<String> {
    let name = site.cookie_name(name);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Adds a `Set-Cookie` line to an answer.
pub(super) fn set_cookie(response: &mut Response, line: &str) {
    if let Ok(value) = HeaderValue::from_str(line) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// What is to be drawn instead of an answer: a trouble, or a bare status of the router.
fn trouble_of(response: &mut Response) -> Option<Trouble> {
    if let Some(trouble) = response.extensions_mut().remove::<Trouble>() {
        return Some(trouble);
    }
    let (status, drawn) = (response.status(), response.extensions_mut().remove::<Drawn>().is_some());
    ((status.is_client_error() || status.is_server_error()) && !drawn).then(|| Trouble::of(status))
}

pub(super) fn harden(site: &Site, response: &mut Response) {
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if site.scheme == Scheme::Https {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    // What is not said to last is nobody's to keep.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_forms_of_our_own_pages_come_from_here() {
        let here = |pairs: &[(&'static str, &'static str)]| is_from_here(Scheme::Https, &headers(pairs));
        assert!(here(&[("host", "hub:8443"), ("origin", "https://hub:8443")]));
        assert!(here(&[("host", "hub"), ("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(here(&[("host", "hub"), ("sec-fetch-site", "same-origin")]));
        for foreign in [
            &[("host", "hub:8443")][..],
            &[("host", "hub:8443"), ("origin", "http://hub:8443")],
            &[("host", "hub:8443"), ("origin", "https://hub:9")],
            &[("host", "hub"), ("origin", "https://evil"), ("sec-fetch-site", "same-origin")],
            &[("host", "hub"), ("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("host", "hub"), ("origin", "null"), ("sec-fetch-site", "same-site")],
            &[("host", "hub"), ("origin", "null"), ("sec-fetch-site", "none")],
            &[("host", "hub"), ("origin", "null")],
        ] {
            assert!(!here(foreign), "{foreign:?}");
        }
    }
}
