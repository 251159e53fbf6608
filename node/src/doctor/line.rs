//! The line to the hub, step by step: name, port, TLS, and whether the hub takes this node in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use rustls::CertificateError;
use tokio::net::{TcpStream, lookup_host};
use tonic::{Code, Status};

use super::Text;
use crate::identity::{self, NodeIdentity, Proxy, ProxyFault, hub_config, hub_name};
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// A step that takes longer has failed.
const STEP_TIMEOUT: Duration = Duration::from_secs(8);

/// The line as far as it could be tried: a step behind one that failed is not tried.
#[derive(Debug, Clone)]
pub struct Line {
    /// The hub, `host:port`.
    pub hub: String,
    /// The proxy, `host:port`, if there is one.
    pub proxy: Option<String>,
    /// A proxy the environment names for other programs.
    pub environment_proxy: Option<String>,
    /// Which address the first stop's name has: an error if it has none.
    pub name: Result<String, String>,
    /// Whether a connection opens.
    pub port: Option<Result<(), PortFault>>,
    /// Whether the pinned root vouches for who answers.
    pub tls: Option<Result<(), TlsFault>>,
    /// What the hub says to this node.
    pub said: Option<Said>,
}

/// Why no connection opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortFault {
    /// Somebody is there and does not want it.
    Refused,
    /// Nobody says anything.
    Silent,
    /// There is no way.
    Unreachable(String),
    /// The proxy does not answer, or not as one.
    Proxy(String),
    /// The proxy wants a name and password.
    ProxyCredentials(String),
    /// The proxy does not open the way.
    ProxyRefused(String),
}

/// Why TLS fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// Somebody else's certificate.
    Stranger,
    /// The hub's certificate is for other names.
    Name,
    /// By this clock the hub's certificate has ended.
    Ended,
    /// By this clock the hub's certificate has not begun.
    NotBegun,
    /// It is no TLS, or it was cut.
    Cut(String),
}

/// The hub's answer to a question that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Why it does not take this node in, if it does not.
    pub refusal: Option<Refusal>,
    /// Its clock.
    pub hub_clock: Option<UnixMillis>,
    /// This clock then.
    pub own_clock: UnixMillis,
}

/// How a hub refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not know the node.
    Stranger(String),
    /// It knows it and says no.
    Refused(String),
    /// It could not answer.
    Failed(String),
}

impl Line {
    /// Tries the line; with an identity to its end, otherwise as far as the port.
    pub async fn observe(
        hub: &str,
        proxy: Option<&Proxy>,
        identity: Option<&NodeIdentity>,
        clock: fn() -> UnixMillis,
    ) -> Self {
        let first = proxy.map_or_else(|| hub.to_owned(), Proxy::address);
        let mut line = Self {
            hub: hub.to_owned(),
            proxy: proxy.map(Proxy::address),
            environment_proxy: environment_proxy(),
            name: named(&first).await,
            port: None,
            tls: None,
            said: None,
        };
        if line.name.is_err() {
            return line;
        }
        let tcp = match open(hub, proxy).await {
            Ok(tcp) => tcp,
            Err(fault) => return Self { port: Some(Err(fault)), ..line },
        };
        line.port = Some(Ok(()));
        let Some(identity) = identity else { return line };
        let shaken = shake(hub, identity, tcp).await;
        let goes_on = shaken.is_ok();
        line.tls = Some(shaken);
        if goes_on {
            line.said = Some(ask(identity, clock).await);
        }
        line
    }
}

/// What other programs of this machine go by.
fn environment_proxy() -> Option<String> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(|_| name.to_owned()))
}

async fn named(address: &str) -> Result<String, String> {
    match tokio::time::timeout(STEP_TIMEOUT, lookup_host(address)).await {
        Ok(Ok(mut found)) => {
            found.next().map(|at| at.ip().to_string()).ok_or_else(|| "no address".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

async fn open(hub: &str, proxy: Option<&Proxy>) -> Result<TcpStream, PortFault> {
    if let Some(proxy) = proxy {
        return proxy.connect(hub).await.map_err(|fault| match &fault {
            ProxyFault::Credentials(_) => PortFault::ProxyCredentials(fault.to_string()),
            ProxyFault::Refused { .. } => PortFault::ProxyRefused(fault.to_string()),
            _ => PortFault::Proxy(fault.to_string()),
        });
    }
    match tokio::time::timeout(STEP_TIMEOUT, TcpStream::connect(hub)).await {
        Ok(Ok(tcp)) => Ok(tcp),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(PortFault::Refused),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(PortFault::Silent),
        Ok(Err(error)) => Err(PortFault::Unreachable(error.to_string())),
        Err(_) => Err(PortFault::Silent),
    }
}

async fn shake(hub: &str, identity: &NodeIdentity, tcp: TcpStream) -> Result<(), TlsFault> {
    let cut = |error: &dyn std::error::Error| TlsFault::Cut(error.to_string());
    let name = hub_name(hub).map_err(|error| cut(&error))?;
    let config = hub_config(identity).map_err(|error| cut(&error))?;
    let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp);
    match tokio::time::timeout(STEP_TIMEOUT, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(fault_of(&error)),
        Err(_) => Err(TlsFault::Cut("no answer".to_owned())),
    }
}

fn fault_of(error: &io::Error) -> TlsFault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::Name
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Ended,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotBegun,
            _ => TlsFault::Stranger,
        },
        _ => TlsFault::Cut(error.to_string()),
    }
}

/// Asks for a proof of nothing: the hub must look the caller up, and its answer bears its clock.
async fn ask(identity: &NodeIdentity, clock: fn() -> UnixMillis) -> Said {
    let failed =
        |reason: String| Said { refusal: Some(Refusal::Failed(reason)), hub_clock: None, own_clock: clock() };
    let channel = match identity::connect(identity).await {
        Ok(channel) => channel,
        Err(error) => return failed(error.to_string()),
    };
    let mut request =
        tonic::Request::new(wire::ProveRequest { ledger_index: u64::MAX, ..Default::default() });
    request.set_timeout(STEP_TIMEOUT);
    match Rpc::new(channel).prove(request).await {
        Ok(_) => failed("an answer where none can be".to_owned()),
        Err(status) => Said { refusal: refusal(&status), hub_clock: date(&status), own_clock: clock() },
    }
}

fn refusal(status: &Status) -> Option<Refusal> {
    let message = status.message().to_owned();
    match status.code() {
        Code::NotFound => None,
        Code::Unauthenticated => Some(Refusal::Stranger(message)),
        Code::PermissionDenied | Code::FailedPrecondition => Some(Refusal::Refused(message)),
        _ => Some(Refusal::Failed(message)),
    }
}

/// The hub's clock, to the second: HTTP answers are dated.
fn date(status: &Status) -> Option<UnixMillis> {
    let text = status.metadata().get("date")?.to_str().ok()?;
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok().map(UnixMillis)
}

impl PortFault {
    /// The proxy's own words, if it is the proxy.
    pub(super) fn of_proxy(&self) -> Option<Text> {
        match self {
            Self::Proxy(told) | Self::ProxyCredentials(told) | Self::ProxyRefused(told) => {
                Some(Text::of(told))
            }
            _ => None,
        }
    }
}
