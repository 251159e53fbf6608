//! One POST over TLS. No redirects, no proxies, nothing of the answer but its status.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why a post did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none.
    #[error("not an https address")]
    Address,
    /// The server cannot be reached, or is not the one it should be.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not speak HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The request cannot be made.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// It refuses.
    #[error("the server answers {0}")]
    Status(StatusCode),
}

/// Posts a JSON document with further headers.
///
/// # Errors
/// [`HttpError`] unless the server answers that it took it.
pub async fn post(
    uri: &Uri,
    tls: &Arc<ClientConfig>,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<(), HttpError> {
    let host = uri.host().ok_or(HttpError::Address)?.to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let name = ServerName::try_from(host.clone()).map_err(|_| HttpError::Address)?;
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let authority = uri.authority().map_or(host.as_str(), http::uri::Authority::as_str);
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("lienthong-hub/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::from(body))?;
    // It ends with the sender, which is gone when this is, however that ends.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(HttpError::Status(status)),
    }
}
