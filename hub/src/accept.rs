//! The accept loop: handshakes apart from each other, bounded in number and time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lienthong_node::identity::{ALPN_ENROL, ALPN_SYNC, Line, provider};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::observe::{Meters, OpenConnection};
use crate::pki::{HubSecrets, PeerIdentity, ServerCertificate, TrustedClients, peer_identity};

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct AcceptLimits {
    /// Handshakes at once, once the other side has begun.
    pub handshakes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { handshakes_max: 256, connections_max: 8_192, handshake_timeout: Duration::from_secs(5) }
    }
}

/// Why the listener's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key is unusable.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// TLS 1.3 only, no resumption; a client certificate for everything but enrolment.
#[derive(Debug, Clone)]
pub struct TlsConfigs {
    sync: Arc<ServerConfig>,
    enrol: Arc<ServerConfig>,
}

impl TlsConfigs {
    /// The configurations of a hub.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(secrets: &HubSecrets, certificate: &Arc<ServerCertificate>) -> Result<Self, TlsError> {
        let verifier = Arc::new(TrustedClients(Arc::clone(&secrets.authorities)));
        // Asked at each handshake: a renewed one needs no restart.
        let certificate = || Arc::clone(certificate) as Arc<dyn ResolvesServerCert>;
        let builder = || {
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])
        };
        let mut sync = builder()?.with_client_cert_verifier(verifier).with_cert_resolver(certificate());
        let mut enrol = builder()?.with_no_client_auth().with_cert_resolver(certificate());
        for (config, alpn) in [(&mut sync, ALPN_SYNC), (&mut enrol, ALPN_ENROL)] {
            config.alpn_protocols = vec![alpn.to_vec()];
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config.max_early_data_size = 0;
        }
        Ok(Self { sync: Arc::new(sync), enrol: Arc::new(enrol) })
    }
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// From where.
    pub address: SocketAddr,
    /// Who, by a certificate of our authority; nobody yet when enrolling.
    pub identity: Option<PeerIdentity>,
}

/// Where lines come in: by TCP, or from whatever a hub is simulated on.
pub trait Listener: Send + 'static {
    /// A line, before TLS.
    type Line: Line + 'static;

    /// The next line, and from where.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Line, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Line = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Line, SocketAddr)> {
        let (tcp, address) = TcpListener::accept(self).await?;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%address, %error, "what is small may wait on this line");
        }
        Ok((tcp, address))
    }
}

/// A finished connection.
pub struct HubStream<L> {
    inner: Box<TlsStream<L>>,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
    _open: OpenConnection,
}

/// Finished connections, by what they are for.
pub struct Incoming<L> {
    /// With a client certificate.
    pub sync: mpsc::Receiver<io::Result<HubStream<L>>>,
    /// Without, for enrolment only.
    pub enrol: mpsc::Receiver<io::Result<HubStream<L>>>,
}

/// Accepts until `stop`.
#[must_use]
pub fn accept<I: Listener>(
    mut listener: I,
    tls: TlsConfigs,
    limits: AcceptLimits,
    meters: Arc<Meters>,
    stop: CancellationToken,
) -> Incoming<I::Line> {
    let (sync_sender, sync) = mpsc::channel(64);
    let (enrol_sender, enrol) = mpsc::channel(8);
    let handshakes = Semaphore::new(limits.handshakes_max);
    let door = Arc::new(Door { tls, limits, handshakes, sync: sync_sender, enrol: enrol_sender });
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (line, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(connection) = Arc::clone(&connections).try_acquire_owned() else {
                meters.refused("busy");
                tracing::warn!(%address, "too many connections: one was refused");
                continue;
            };
            let (door, meters) = (Arc::clone(&door), Arc::clone(&meters));
            tokio::spawn(async move {
                let finished = tokio::time::timeout(door.limits.handshake_timeout, door.greet(line));
                match finished.await {
                    Ok(Ok((inner, identity, enrolling))) => {
                        let peer = Peer { address, identity };
                        let _open = meters.connected();
                        let inner = Box::new(inner);
                        let stream = HubStream { inner, peer, _permit: connection, _open };
                        let queue = if enrolling { &door.enrol } else { &door.sync };
                        let _ = queue.send(Ok(stream)).await;
                    }
                    Ok(Err(error)) => {
                        meters.refused("handshake");
                        tracing::debug!(%address, %error, "a handshake failed");
                    }
                    Err(_) => {
                        meters.refused("timeout");
                        tracing::debug!(%address, "a handshake took too long");
                    }
                }
            });
        }
    });
    Incoming { sync, enrol }
}

struct Door<L> {
    tls: TlsConfigs,
    limits: AcceptLimits,
    handshakes: Semaphore,
    sync: mpsc::Sender<io::Result<HubStream<L>>>,
    enrol: mpsc::Sender<io::Result<HubStream<L>>>,
}

impl<L: Line> Door<L> {
    async fn greet(&self, line: L) -> io::Result<(TlsStream<L>, Option<PeerIdentity>, bool)> {
        // Who says nothing takes no place from those who do.
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), line).await?;
        let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
        let enrolling =
            start.client_hello().alpn().is_some_and(|mut protocols| protocols.any(|p| p == ALPN_ENROL));
        let config = if enrolling { &self.tls.enrol } else { &self.tls.sync };
        let stream = start.into_stream(Arc::clone(config)).await?;
        let session = stream.get_ref().1;
        if session.alpn_protocol().is_none() {
            return Err(io::Error::other("no protocol was agreed on"));
        }
        if enrolling {
            return Ok((stream, None, true));
        }
        let identity = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(peer_identity)
            .ok_or_else(|| io::Error::other("the certificate names no unit and replica"))?;
        Ok((stream, Some(identity), false))
    }
}

impl<L> Connected for HubStream<L> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl<L: Line> AsyncRead for HubStream<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_read(cx, buf)
    }
}

impl<L: Line> AsyncWrite for HubStream<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}
