//! The accept loop: handshakes apart from each other, bounded in number and time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lienthong_node::identity::{ALPN_ENROL, ALPN_SYNC, Line, provider};
use lienthong_proto::ids::ReplicaId;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::connection::Held;
pub use crate::connection::{HubStream, Peer};
use crate::observe::Meters;
use crate::pki::{HubSecrets, PeerIdentity, ServerCertificate, TrustedClients, peer_identity};
use crate::places::{Places, Turns, network};

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct AcceptLimits {
    /// Handshakes at once, once the other side has begun.
    pub handshakes_max: usize,
    /// Of them of one address, which others then do not wait for.
    pub handshakes_of_address_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Of them unfinished ones of one address.
    pub unfinished_of_address_max: usize,
    /// Of them strangers' who enrol.
    pub enrolling_max: usize,
    /// Of those of one address.
    pub enrolling_of_address_max: usize,
    /// Connections of one replica: it needs one or two, and what a bad line left hanging.
    pub of_replica_max: usize,
    /// Time for a handshake, and from it to the first word.
    pub handshake_timeout: Duration,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            handshakes_max: 256,
            handshakes_of_address_max: 64,
            connections_max: 8_192,
            unfinished_of_address_max: 4_096,
            enrolling_max: 256,
            enrolling_of_address_max: 64,
            of_replica_max: 16,
            handshake_timeout: Duration::from_secs(5),
        }
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

/// Where lines come in: by TCP, or from a simulated network.
pub trait Listener: Send + 'static {
    /// What a line is before TLS.
    type Line: Line + 'static;

    /// The next line, and from where.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Line, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Line = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (tcp, address) = Self::accept(self).await?;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%address, %error, "what is small may wait on this line");
        }
        Ok((tcp, address))
    }
}

/// Finished connections, by what they are for.
pub struct Incoming {
    /// With a client certificate.
    pub sync: mpsc::Receiver<io::Result<HubStream>>,
    /// Without, for enrolment only.
    pub enrol: mpsc::Receiver<io::Result<HubStream>>,
}

/// Accepts until `stop`.
#[must_use]
pub fn accept(
    mut listener: impl Listener,
    tls: TlsConfigs,
    limits: AcceptLimits,
    meters: Arc<Meters>,
    stop: CancellationToken,
) -> Incoming {
    let (sync_sender, sync) = mpsc::channel(64);
    let (enrol_sender, enrol) = mpsc::channel(8);
    let door = Arc::new(Door {
        tls,
        limits,
        handshakes: Semaphore::new(limits.handshakes_max),
        of_address: Turns::new(limits.handshakes_of_address_max),
        enrolling: Arc::new(Semaphore::new(limits.enrolling_max)),
        enrolling_of_address: Places::new(limits.enrolling_of_address_max),
        of_replica: Places::new(limits.of_replica_max),
        sync: sync_sender,
        enrol: enrol_sender,
    });
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let unfinished = Places::new(limits.unfinished_of_address_max);
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
            let source = network(address.ip());
            let (Ok(permit), Some(begun)) =
                (Arc::clone(&connections).try_acquire_owned(), unfinished.take(source))
            else {
                meters.refused("busy");
                tracing::warn!(%address, "too many connections: one was refused");
                continue;
            };
            let (door, meters) = (Arc::clone(&door), Arc::clone(&meters));
            tokio::spawn(async move {
                let greeted =
                    tokio::time::timeout(door.limits.handshake_timeout, door.greet(line, source)).await;
                drop(begun);
                match greeted {
                    Ok(Ok(Greeted::Seated { stream, identity, seat })) => {
                        let held = (seat, permit, meters.connected());
                        let enrolling = identity.is_none();
                        let peer = Peer { address, identity, cut: CancellationToken::new() };
                        let stream = HubStream::new(stream, peer, door.limits.handshake_timeout, held);
                        let queue = if enrolling { &door.enrol } else { &door.sync };
                        let _ = queue.send(Ok(stream)).await;
                    }
                    Ok(Ok(Greeted::Full)) => {
                        meters.refused("busy");
                        tracing::warn!(%address, "too many connections of one replica, or of strangers: one was refused");
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

struct Door {
    tls: TlsConfigs,
    limits: AcceptLimits,
    handshakes: Semaphore,
    of_address: Turns<IpAddr>,
    enrolling: Arc<Semaphore>,
    enrolling_of_address: Arc<Places<IpAddr>>,
    of_replica: Arc<Places<ReplicaId>>,
    sync: mpsc::Sender<io::Result<HubStream>>,
    enrol: mpsc::Sender<io::Result<HubStream>>,
}

/// How a handshake ended.
enum Greeted {
    Seated {
        stream: Box<dyn Line>,
        identity: Option<PeerIdentity>,
        seat: Held,
    },
    /// There is no place left for such as this one.
    Full,
}

impl Door {
    async fn greet(&self, line: impl Line + 'static, source: IpAddr) -> io::Result<Greeted> {
        // Who says nothing takes no place from those who do.
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), line).await?;
        let stopped = || io::Error::other("the door is closed");
        // And who stops half way takes one from its own address first.
        let _own = self.of_address.take(source).await.ok_or_else(stopped)?;
        let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
        let enrolling =
            start.client_hello().alpn().is_some_and(|mut protocols| protocols.any(|p| p == ALPN_ENROL));
        if enrolling {
            let permit = Arc::clone(&self.enrolling).try_acquire_owned();
            let (Ok(permit), Some(place)) = (permit, self.enrolling_of_address.take(source)) else {
                return Ok(Greeted::Full);
            };
            let stream = Box::new(start.into_stream(Arc::clone(&self.tls.enrol)).await?);
            agreed(&stream)?;
            return Ok(Greeted::Seated { stream, identity: None, seat: Box::new((permit, place)) });
        }
        let stream = Box::new(start.into_stream(Arc::clone(&self.tls.sync)).await?);
        agreed(&stream)?;
        let identity = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(peer_identity)
            .ok_or_else(|| io::Error::other("the certificate names no unit and replica"))?;
        let Some(place) = self.of_replica.take(identity.replica) else { return Ok(Greeted::Full) };
        Ok(Greeted::Seated { stream, identity: Some(identity), seat: Box::new(place) })
    }
}

fn agreed<L>(stream: &TlsStream<L>) -> io::Result<()> {
    let protocol = stream.get_ref().1.alpn_protocol();
    protocol.map(|_| ()).ok_or_else(|| io::Error::other("no protocol was agreed on"))
}
