//! The door of the pages: TLS, and bounds in number, size and time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lienthong_node::identity::provider;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::guard::Peer;
use super::site::Scheme;
use crate::accept::TlsError;
use crate::pki::ServerCertificate;
use crate::places::{Place, Places};

/// Connections at once; a browser holds some six.
const CONNECTIONS_MAX: usize = 512;
/// Of one address: an office shares one.
const OF_ADDRESS_MAX: usize = 128;
/// Time for a handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Time for a request's head, and for silence between two.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Bytes of a request's head, and its lines.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// A connection is asked to end after this time; a stream of events begins anew by itself.
const CONNECTION_TIME: Duration = Duration::from_secs(15 * 60);
/// What is under way may take so long once a connection is asked to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where the pages are asked to be: `HOST:PORT`, or with `http://` or `https://` before it. Without, loopback is served
/// in clear and everything else over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    scheme: Option<Scheme>,
    address: String,
}

impl FromStr for WebAddress {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches('/');
        let (scheme, address) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(address), _) => (Some(Scheme::Https), address),
            (_, Some(address)) => (Some(Scheme::Http), address),
            (None, None) => (None, text),
        };
        Ok(Self { scheme, address: address.to_owned() })
    }
}

/// The pages cannot be served so.
#[derive(Debug, thiserror::Error)]
#[error(
    "web: {0} không phải địa chỉ của riêng máy này: chỉ phục vụ qua https:// · is not this machine's own: only https:// is served there"
)]
pub struct NotLoopback(SocketAddr);

impl WebAddress {
    /// What to bind.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the address that was taken is served.
    ///
    /// # Errors
    /// [`NotLoopback`] if it is to be in clear, and others than this machine could reach it.
    pub fn scheme(&self, taken: SocketAddr) -> Result<Scheme, NotLoopback> {
        match (self.scheme, taken.ip().is_loopback()) {
            (Some(Scheme::Http), false) => Err(NotLoopback(taken)),
            (Some(scheme), _) => Ok(scheme),
            (None, true) => Ok(Scheme::Http),
            (None, false) => Ok(Scheme::Https),
        }
    }
}

/// Where the pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// How.
    pub scheme: Scheme,
    /// The address taken.
    pub address: SocketAddr,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.address)
    }
}

/// TLS 1.3 for browsers, with the hub's own certificate; a renewed one needs no restart.
///
/// # Errors
/// [`TlsError`].
pub(super) fn tls(certificate: &Arc<ServerCertificate>) -> Result<TlsAcceptor, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificate) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the connections share.
pub(super) struct Door {
    pub(super) app: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) stop: CancellationToken,
    places: Arc<Places<IpAddr>>,
}

impl Door {
    pub(super) fn new(app: Router, tls: Option<TlsAcceptor>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { app, tls, stop, places: Places::new(OF_ADDRESS_MAX) })
    }
}

/// Accepts until stopped.
pub(super) async fn accept(listener: TcpListener, door: Arc<Door>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Who comes when all are taken waits in the system's queue.
        let accepted = tokio::select! {
            () = door.stop.cancelled() => return,
            permit = Arc::clone(&connections).acquire_owned() => {
                let Ok(permit) = permit else { return };
                tokio::select! {
                    () = door.stop.cancelled() => return,
                    accepted = listener.accept() => accepted.map(|(tcp, address)| (tcp, address, permit)),
                }
            }
        };
        match accepted {
            Ok((tcp, address, permit)) => match door.places.take(address.ip()) {
                Some(place) => drop(tokio::spawn(greet(tcp, address, Arc::clone(&door), (place, permit)))),
                None => tracing::warn!(%address, "too many connections of one address: one was refused"),
            },
            Err(error) => {
                // Out of file descriptors, most likely: give others time to close theirs.
                tracing::warn!(%error, "a connection to the pages cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn greet(
    tcp: TcpStream,
    address: SocketAddr,
    door: Arc<Door>,
    _held: (Place<IpAddr>, OwnedSemaphorePermit),
) {
    let (door, peer) = (&*door, Peer(address.ip()));
    let _ = tcp.set_nodelay(true);
    match &door.tls {
        None => converse(tcp, peer, door).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(tcp)).await {
            Ok(Ok(stream)) => converse(stream, peer, door).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "a handshake of the pages failed"),
            Err(_) => tracing::debug!(%address, "a handshake of the pages took too long"),
        },
    }
}

async fn converse<S>(stream: S, peer: Peer, door: &Door)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let app = door.app.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        app.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = door.stop.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_WORDS, connection).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn in_clear_only_on_this_machine() {
        let scheme = |asked: &str, taken: &str| {
            let asked: WebAddress = asked.parse().unwrap();
            asked.scheme(taken.parse().unwrap()).ok()
        };
        assert_eq!(scheme("127.0.0.1:8443", "127.0.0.1:8443"), Some(Scheme::Http));
        assert_eq!(scheme("https://127.0.0.1:8443", "127.0.0.1:8443"), Some(Scheme::Https));
        assert_eq!(scheme("0.0.0.0:8443", "0.0.0.0:8443"), Some(Scheme::Https));
        assert_eq!(scheme("[::1]:0", "[::1]:5"), Some(Scheme::Http));
        assert_eq!(scheme("http://0.0.0.0:8443", "0.0.0.0:8443"), None);
        assert_eq!(scheme("http://hub:8443/", "192.168.1.2:8443"), None);
        let again: WebAddress = Pages { scheme: Scheme::Https, address: "127.0.0.1:1".parse().unwrap() }
            .to_string()
            .parse()
            .unwrap();
        assert_eq!((again.address(), again.scheme), ("127.0.0.1:1", Some(Scheme::Https)));
    }
}
