//! Who is let in: decided in one place, before anything of a request's body is read.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN};
use axum::http::header::{HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::header::{bearer, one};
use super::problem::{Kind, Problem};
use super::{Api, routes};

/// The program that asks, by its token's name.
#[derive(Debug, Clone)]
pub(super) struct Caller(String);

impl Caller {
    /// As whom it writes.
    pub(super) fn author(&self) -> String {
        format!("api:{}", self.0)
    }
}

/// Admits or refuses, and marks every answer as nobody's to keep, frame or guess at.
pub(super) async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let mut response = match admit(&api, &request) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // The route, never the path: a path names a record.
    let status = response.status().as_u16();
    tracing::debug!(%method, route = route.as_deref().unwrap_or("none"), status, "answered");
    response
}

/// The caller, if the route needs one.
fn admit(api: &Api, request: &Request) -> Result<Option<Caller>, Problem> {
    let headers = request.headers();
    let named = one(headers, &HOST).filter(|host| is_ours(host, api.port));
    let authority = request.uri().authority().is_none_or(|authority| is_ours(authority.as_str(), api.port));
    if named.is_none() || !authority {
        let detail = "tiêu đề Host phải là 127.0.0.1, localhost hoặc [::1] với cổng này · the Host header must be 127.0.0.1, localhost or [::1] with this port";
        return Err(Problem::new(Kind::HOST, detail));
    }
    if headers.contains_key(ORIGIN) {
        let detail = "không nhận yêu cầu có tiêu đề Origin · requests with an Origin header are refused";
        return Err(Problem::new(Kind::ORIGIN, detail));
    }
    if routes::is_public(request.method(), request.uri().path()) {
        return Ok(None);
    }
    let caller =
        one(headers, &AUTHORIZATION).and_then(bearer).and_then(|token| api.node.api_tokens.name_of(token));
    match caller {
        Some(name) => Ok(Some(Caller(name))),
        None => {
            let detail = "gửi tiêu đề Authorization: Bearer với mã do `lienthong-node api-token create` tạo · send Authorization: Bearer with a token of `lienthong-node api-token create`";
            Err(Problem::new(Kind::UNAUTHORIZED, detail))
        }
    }
}

/// Whether a host is this machine by a name no stranger's DNS can give out, with our port.
fn is_ours(host: &str, port: u16) -> bool {
    let Some((name, given)) = host.rsplit_once(':') else { return false };
    let loopback = ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost");
    loopback && given == port.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_with_our_port_are_ours() {
        for host in ["127.0.0.1:8081", "localhost:8081", "LocalHost:8081", "[::1]:8081"] {
            assert!(is_ours(host, 8081), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "[::1]",
            "127.0.0.1:8082",
            "127.0.0.1:08081",
            "evil.example:8081",
            "localhost.evil.example:8081",
            "127.0.0.1.evil.example:8081",
            "evil@127.0.0.1:8081",
            "localhost.:8081",
            "0.0.0.0:8081",
        ] {
            assert!(!is_ours(host, 8081), "{host}");
        }
    }
}
