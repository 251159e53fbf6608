//! HTTP/1.1 for the few programs and people of one committee: few connections, each in bounded time.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::control::Serving;

/// Bytes of a request's head: well above a token and a long key.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Time for a TLS handshake, for a request's head, and for silence between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What is under way may take so long once a connection is asked to end.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The two ends of a request's connection, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The address of ours that was dialled.
    pub(crate) local: SocketAddr,
    /// Who dialled.
    pub(crate) peer: SocketAddr,
}

/// How a router is served.
#[derive(Clone)]
pub(crate) struct HttpServing {
    pub(crate) app: Router,
    /// Without it, plain text.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Connections at once.
    pub(crate) connections_max: usize,
    /// A connection is asked to end after this time: one that is never read cannot be held for ever.
    pub(crate) connection_time: Duration,
    /// Whose end it heeds, and who waits for it.
    pub(crate) doors: Arc<Serving>,
}

impl HttpServing {
    /// Accepts until stopped.
    pub(crate) async fn accept(self, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(self.connections_max));
        loop {
            // Who comes when all are taken waits in the system's queue.
            let accepted = tokio::select! {
                () = self.doors.ending().cancelled() => return,
                permit = Arc::clone(&connections).acquire_owned() => {
                    let Ok(permit) = permit else { return };
                    tokio::select! {
                        () = self.doors.ending().cancelled() => return,
                        accepted = listener.accept() => accepted.map(|(tcp, peer)| (tcp, peer, permit)),
                    }
                }
            };
            match accepted {
                Ok((tcp, peer, permit)) => self.doors.spawn(self.clone().greet(tcp, peer, permit)),
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn greet(self, tcp: TcpStream, peer: SocketAddr, _permit: OwnedSemaphorePermit) {
        let Ok(local) = tcp.local_addr() else { return };
        let ends = Ends { local, peer };
        let Some(tls) = self.tls.clone() else { return self.converse(TokioIo::new(tcp), ends).await };
        match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(tcp)).await {
            Ok(Ok(stream)) => self.converse(TokioIo::new(stream), ends).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn converse(self, io: impl Read + Write + Unpin + Send + 'static, ends: Ends) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX);
        let app = self.app.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ends);
            app.clone().oneshot(request)
        });
        let mut connection = pin!(http.serve_connection(io, service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.doors.ending().cancelled() => {}
            () = tokio::time::sleep(self.connection_time) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_WORDS, connection).await;
    }
}
