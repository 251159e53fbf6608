//! The API behind the pages: `/api/v1`, JSON for programs and for the pages' own scripts.
//!
//! A request's way: `guard` looks at the host, the token or session, and the right the endpoint's row in
//! [`crate::rights::REQUESTS`] asks for; `given` reads path, query and body as `table` declares them, nothing more and
//! nothing less; the hub is asked what the command line asks, as the account; `selection` filters, sorts and pages a
//! list; `refusal` says what was refused. Router and description are both made of `table`.
//!
//! ```text
//! curl --cacert ca.pem -H "Authorization: Bearer $TOKEN" 'https://hub:8443/api/v1/units?state=offline&sort=-lag'
//! ```

mod actions;
mod endpoint;
mod given;
mod guard;
mod openapi;
mod reads;
mod refusal;
mod respond;
mod schemas;
mod selection;
mod table;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::site::Site;

pub use endpoint::Endpoint;
pub use table::endpoints;

/// Where it stands on the pages' listener.
pub const BASE: &str = "/api/v1";
/// Bytes of a request's body: a reason and a few names.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Requests worked on at once; others wait.
const WORK_MAX: usize = 4;
/// How long a request waits for its turn.
const WORK_WAIT: Duration = Duration::from_secs(10);

/// What the endpoints share.
#[derive(Debug)]
struct Api {
    site: Arc<Site>,
    work: Semaphore,
    openapi: Bytes,
}

/// The router over [`endpoints`], to stand at [`BASE`].
pub(super) fn router(site: &Arc<Site>) -> Router {
    let document = openapi::document(&site.hub.catalogue);
    let api = Arc::new(Api {
        site: Arc::clone(site),
        work: Semaphore::new(WORK_MAX),
        openapi: Bytes::from(document.to_string()),
    });
    let to = |endpoint: Option<&'static Endpoint>, missing| {
        let api = Arc::clone(&api);
        move |request: Request| async move { api.answer(endpoint, missing, request).await }
    };
    let mut router = Router::new();
    for endpoint in endpoints() {
        let filter = if endpoint.method == "POST" { MethodFilter::POST } else { MethodFilter::GET };
        router = router.route(endpoint.path, on(filter, to(Some(endpoint), respond::Missing::Path)));
    }
    router
        .fallback(to(None, respond::Missing::Path))
        .method_not_allowed_fallback(to(None, respond::Missing::Method))
}
