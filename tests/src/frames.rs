//! TLS and HTTP/2 as no honest library speaks them: any papers, any frames, any order.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot speak has failed, and a JSON document answers every index"
)]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_hub::app::Hub;
use lienthong_node::identity::{NodeIdentity, provider};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate and its key.
pub type Pair = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// Whom a dialler trusts, and what it shows.
pub struct Papers {
    /// Who vouches for the hub.
    pub root: CertificateDer<'static>,
    /// Its own; nothing if it shows none.
    pub own: Option<Pair>,
}

impl Clone for Papers {
    fn clone(&self) -> Self {
        let own = self.own.as_ref().map(|(certificate, key)| (certificate.clone(), key.clone_key()));
        Self { root: self.root.clone(), own }
    }
}

impl Papers {
    /// Those of an enrolled node's folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let identity = NodeIdentity::load(folder).unwrap().unwrap();
        let certificate = hex::decode(&identity.profile().chain[0]).unwrap().into();
        let key = PrivatePkcs8KeyDer::from(std::fs::read(folder.join("identity/tls.key")).unwrap());
        Self { root: identity.roots()[0].clone(), own: Some((certificate, key.into())) }
    }

    /// A stranger's, who knows the hub.
    #[must_use]
    pub fn none(hub: &Hub) -> Self {
        Self { root: hub.secrets.root(), own: None }
    }

    /// What an authority issues for a fresh key, as of a time.
    #[must_use]
    pub fn issued(hub: &Hub, by: &Hub, unit: &str, at: UnixMillis) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        let issued = by.issuer.issue(request.der(), &unit.parse().unwrap(), ReplicaId([3; 16]), at).unwrap();
        let key = key.serialize_der().try_into().unwrap();
        Self { root: hub.secrets.root(), own: Some((issued, key)) }
    }

    /// How they are shown.
    #[must_use]
    pub fn config(&self, version: &'static SupportedProtocolVersion, protocols: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.own {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

/// Opens a connection from one of this machine's addresses.
///
/// # Errors
/// The system's.
pub async fn tcp(from: [u8; 4], address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Shakes hands over a connection.
///
/// # Errors
/// If that fails.
pub async fn shake(tcp: TcpStream, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// Dials with papers, by TLS 1.3 and one protocol.
///
/// # Errors
/// If there is no connection.
pub async fn dial(address: SocketAddr, papers: &Papers, protocol: &[u8]) -> io::Result<TlsStream<TcpStream>> {
    let tcp = tcp([127, 0, 0, 1], address).await?;
    shake(tcp, papers.config(&rustls::version::TLS13, &[protocol])).await
}

/// Reads until the other side ends, or until a deadline that fails the test; what came.
pub async fn to_the_end<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut came = Vec::new();
    // A connection that is broken off has ended, too.
    let end = stream.read_to_end(&mut came);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(90), end).await.expect("it was to end");
    came
}

/// Kinds of frames (RFC 9113, 6).
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// `RST_STREAM`.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// `WINDOW_UPDATE`.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
}

/// No more data follows.
pub const END_STREAM: u8 = 1;
/// No more headers follow.
pub const END_HEADERS: u8 = 4;
/// The settings that open every stream with no window.
pub const NO_WINDOW: [(u16, u32); 1] = [(4, 0)];

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, with settings.
#[must_use]
pub fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let pairs =
        settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    let settings = frame(kind::SETTINGS, 0, 0, &pairs.collect::<Vec<u8>>());
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()
}

/// A header that no table remembers (RFC 7541, 6.2.2).
#[must_use]
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).ok().filter(|length| *length < 127).unwrap();
    [&[0, length(name)], name, &[length(value)], value].concat()
}

/// The headers of a call, for a HEADERS frame.
#[must_use]
pub fn call(path: &str) -> Vec<u8> {
    let pairs = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    pairs.iter().flat_map(|(name, value)| header(name, value)).collect()
}

/// A message of a call, for a DATA frame.
#[must_use]
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// What came of a flood.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Rounds written before the other side ended it, or all.
    pub rounds: u32,
    /// Whether the other side ended it.
    pub ended: bool,
    /// The code it said farewell with.
    pub farewell: Option<u32>,
    /// Frames it answered.
    pub answers: u64,
}

/// Writes the preface and then round after round; answers are read meanwhile. Ends when the other side ends it or, where
/// all was written, has answered a last PING.
pub async fn flood(
    stream: TlsStream<TcpStream>,
    rounds: u32,
    mut make: impl FnMut(u32) -> Vec<u8>,
) -> Outcome {
    let (mut from, mut to) = tokio::io::split(stream);
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let writing = async move {
        to.write_all(&preface(&[])).await?;
        for round in 0..rounds {
            to.write_all(&make(round)).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        to.write_all(&frame(kind::PING, 0, 0, b"the last")).await?;
        to.flush().await?;
        Ok::<_, io::Error>(to)
    };
    let reading = async move {
        let mut outcome = Outcome::default();
        loop {
            let Some((header, payload)) = next_frame(&mut from).await else {
                return Outcome { ended: true, ..outcome };
            };
            outcome.answers += 1;
            match header[3] {
                kind::GOAWAY => {
                    outcome.farewell = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()))
                }
                kind::PING if payload == b"the last" => return outcome,
                _ => {}
            }
        }
    };
    let whole = async { tokio::join!(writing, reading).1 };
    let outcome =
        tokio::time::timeout(std::time::Duration::from_secs(90), whole).await.expect("it was to end");
    Outcome { rounds: u32::try_from(written.load(Ordering::Relaxed)).unwrap(), ..outcome }
}

/// Answers PING, as a peer that is there, and takes nothing else, until the other side ends, or until a deadline that fails
/// the test.
pub async fn there_to_the_end(stream: &mut TlsStream<TcpStream>) {
    let there = async {
        while let Some((header, payload)) = next_frame(stream).await {
            if header[3] == kind::PING && header[4] & 1 == 0 {
                let _ = stream.write_all(&frame(kind::PING, 1, 0, &payload)).await;
                let _ = stream.flush().await;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), there).await.expect("it was to end");
}

/// The next frame, unless the other side has ended.
pub async fn next_frame<S: tokio::io::AsyncRead + Unpin>(from: &mut S) -> Option<([u8; 9], Vec<u8>)> {
    let mut header = [0; 9];
    from.read_exact(&mut header).await.ok()?;
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await.ok()?;
    Some((header, payload))
}
