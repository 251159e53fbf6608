//! A node's numbers over HTTP, at a loopback address of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Exposition, Readiness, render};
use crate::api::{ApiError, LoopbackAddress};
use crate::app::Node;
use crate::serving::HttpServing;

/// Who asks for numbers is one or two.
const CONNECTIONS_MAX: usize = 16;
/// A connection is asked to end after this time.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// Serves `/metrics`, `/healthz` and `/readyz` of a node until it stops; returns the address taken.
///
/// # Errors
/// [`ApiError::Io`] if the address is not to be had.
pub async fn serve(node: &Arc<Node>, listen: LoopbackAddress) -> Result<SocketAddr, ApiError> {
    let io = |source| ApiError::Io { address: listen.address(), source };
    let listener = TcpListener::bind(listen.address()).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let pages = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|State(node): State<Arc<Node>>| async move { answer(&node.readiness()) }))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(node));
    node.addresses.write().insert("metrics".to_owned(), address.to_string());
    let serving = HttpServing {
        app: pages,
        tls: None,
        connections_max: CONNECTIONS_MAX,
        connection_time: CONNECTION_TIME,
        doors: Arc::clone(&node.serving),
    };
    node.serving.spawn(serving.accept(listener));
    Ok(address)
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    let text = tokio::task::block_in_place(|| render(&node));
    ([(header::CONTENT_TYPE, Exposition::CONTENT_TYPE)], text).into_response()
}

/// What `/readyz` answers: 200 or 503, with the reasons.
#[must_use]
pub fn answer(ready: &Readiness) -> Response {
    let status = if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = format!("{}\n", ready.to_json());
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
