//! The local HTTP API: how the committee's own software puts records in and reads them back.
//!
//! JSON over HTTP/1.1 on a loopback address, for programs that hold a named bearer token. A request's way:
//! the connection is one of a few and must speak within its time; `guard` looks at the host it names,
//! whether a web page sent it, and whose token it carries; `routes` reads a bounded body and asks the node
//! what the command line asks, so that both judge alike. `openapi` describes the same routes.
//!
//! A web page in the officer's browser reaches loopback too. It cannot hold a token; a page that renames
//! its own host to this address (DNS rebinding) names the wrong host; and whatever carries an `Origin` is
//! refused, so that no page is ever answered.
//!
//! The hub's API stands on the same pieces: problems, bodies, tokens' secrets, the description of records.

mod body;
pub mod describe;
mod guard;
mod header;
mod json;
mod openapi;
mod problem;
mod routes;
mod schema;
mod secret;
mod tokens;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::app::Node;
use crate::serving::HttpServing;

pub use body::{body, parsed};
pub use header::{bearer, one};
pub use problem::{Kind, Problem};
pub use routes::{ENDPOINTS, Endpoint};
pub use schema::types;
pub use secret::{TOKENS_MAX, TokenSecret, is_token_name};
pub use tokens::{ApiTokenError, ApiTokenRequest, ApiTokens};

/// Bytes of a request's body: as the largest batch.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Objects of one request.
pub const OBJECTS_MAX: usize = 1_000;
/// Connections at once: a committee has a handful of programs, and each may hold a whole body.
const CONNECTIONS_MAX: usize = 16;
/// Requests worked on at once; others wait.
const WORK_MAX: usize = 4;
/// How long a request waits for its turn.
const WORK_WAIT: Duration = Duration::from_secs(10);
/// A connection is asked to end after this time: one that is never read cannot be held for ever.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The setting is no address.
    #[error("api: “{0}” không phải địa chỉ như 127.0.0.1:8081 · is no address like 127.0.0.1:8081")]
    Address(String),
    /// Others than this machine could reach it.
    #[error(
        "api: {0} không phải địa chỉ của riêng máy này: chỉ 127.0.0.1 hoặc [::1] · is not this machine's own: only 127.0.0.1 or [::1] is served"
    )]
    NotLoopback(SocketAddr),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] ApiTokenError),
    /// The address is not to be had.
    #[error("api: {address}: {source}")]
    Io {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// An address only this machine reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbackAddress(SocketAddr);

impl LoopbackAddress {
    pub(crate) fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for LoopbackAddress {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let local = local.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let address =
            local.or_else(|| text.parse().ok()).ok_or_else(|| ApiError::Address(text.to_owned()))?;
        if !address.ip().is_loopback() {
            return Err(ApiError::NotLoopback(address));
        }
        Ok(Self(address))
    }
}

/// What the routes share.
struct Api {
    node: Arc<Node>,
    port: u16,
    work: Semaphore,
    openapi: Bytes,
}

/// Serves the API of a node until it stops; returns the address taken.
///
/// # Errors
/// [`ApiError`] if the tokens are unreadable or the address is not to be had.
pub async fn serve(node: &Arc<Node>, listen: LoopbackAddress) -> Result<SocketAddr, ApiError> {
    node.api_tokens.check()?;
    let io = |source| ApiError::Io { address: listen.0, source };
    let listener = TcpListener::bind(listen.0).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let document = openapi::document(node.replica.catalogue(), address);
    let api = Api {
        node: Arc::clone(node),
        port: address.port(),
        work: Semaphore::new(WORK_MAX),
        openapi: Bytes::from(document.to_string()),
    };
    let app = routes::router(Arc::new(api));
    node.addresses.write().insert("api".to_owned(), address.to_string());
    let serving = HttpServing {
        app,
        tls: None,
        connections_max: CONNECTIONS_MAX,
        connection_time: CONNECTION_TIME,
        doors: Arc::clone(&node.serving),
    };
    node.serving.spawn(serving.accept(listener));
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_addresses_are_served() {
        for fine in ["127.0.0.1:8081", "127.0.0.1:0", "[::1]:8081", "localhost:8081", "127.8.9.1:1"] {
            assert!(fine.parse::<LoopbackAddress>().is_ok(), "{fine}");
        }
        for elsewhere in ["0.0.0.0:8081", "192.168.1.5:8081", "[::]:8081", "10.0.0.1:0"] {
            let error = elsewhere.parse::<LoopbackAddress>().unwrap_err();
            assert!(matches!(error, ApiError::NotLoopback(_)), "{elsewhere}");
        }
        for none in ["", "8081", "127.0.0.1", "localhost", "example.org:80", "127.0.0.1:99999"] {
            assert!(matches!(none.parse::<LoopbackAddress>(), Err(ApiError::Address(_))), "{none}");
        }
    }
}
