//! Whether the hub lives, takes writes, and its figures for Prometheus.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use lienthong_node::observe;

use super::guard::drawn;
use super::view::View;

/// The process lives.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The ledger takes writes, and why not.
pub(super) async fn ready(view: View) -> Response {
    drawn(observe::answer(&view.site.hub.readiness()))
}

/// Figures.
pub(super) async fn metrics(view: View) -> Response {
    let text = tokio::task::block_in_place(|| crate::observe::render(&view.site.hub));
    ([(header::CONTENT_TYPE, observe::Exposition::CONTENT_TYPE)], text).into_response()
}
