//! Connections to the hub: TLS 1.3, the pinned root only, no resumption.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::time::UnixMillis;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tonic::transport::{Channel, Endpoint, Uri};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{NodeIdentity, Way};

/// The protocol of synchronisation: a client certificate is demanded.
pub const ALPN_SYNC: &[u8] = b"h2";
/// The protocol of enrolment: no client certificate yet.
pub const ALPN_ENROL: &[u8] = b"lienthong-enrol/1";
/// A dial is given up after this.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is none.
    #[error("{0:?} is no host:port")]
    Address(String),
    /// The own keys or certificates are unusable.
    #[error("the node's certificate or key is unusable: {0}")]
    Own(String),
    /// The other side is not there, or not who it should be.
    #[error("{address}: {reason}")]
    Connect {
        /// Whom.
        address: String,
        /// Why, causes included.
        reason: String,
    },
}

/// aws-lc-rs with the post-quantum key exchange first.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// SHA-256 of a certificate's public key (SPKI).
#[must_use]
pub fn spki_hash(certificate: &CertificateDer<'_>) -> Option<Digest> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(sha256(&[parsed.public_key().raw]))
}

/// Dials the hub with the node's certificate.
///
/// # Errors
/// [`DialError`] saying what fails and where.
pub async fn connect(identity: &NodeIdentity) -> Result<Channel, DialError> {
    let config = hub_config(identity)?;
    dial(&identity.profile().hub, identity.way(), Arc::new(config)).await
}

/// TLS to the hub with the node's certificate: the pinned root and nothing else is trusted.
///
/// # Errors
/// [`DialError::Own`].
pub(crate) fn hub_config(identity: &NodeIdentity) -> Result<ClientConfig, DialError> {
    let own = |reason: String| DialError::Own(reason);
    let (chain, key) = identity.certified().map_err(|reason| own(reason.to_owned()))?;
    let mut config = client_builder()
        .map_err(|error| own(error.to_string()))?
        .with_root_certificates(roots(identity)?)
        .with_client_auth_cert(chain, key)
        .map_err(|error| own(error.to_string()))?;
    config.alpn_protocols = vec![ALPN_SYNC.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// TLS 1.3 and nothing older.
pub(super) fn client_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])
}

/// Whom a node trusts to vouch for its hub.
pub(super) fn roots(identity: &NodeIdentity) -> Result<RootCertStore, DialError> {
    let mut roots = RootCertStore::empty();
    for root in identity.roots() {
        roots.add(root).map_err(|error| DialError::Own(error.to_string()))?;
    }
    Ok(roots)
}

/// Whether the node's own key and certificate are of one another, and whole by the root's signature at that time. A root
/// that is not trusted any more is no flaw of theirs.
///
/// # Errors
/// [`DialError::Own`].
pub(crate) fn own_pair(identity: &NodeIdentity, now: UnixMillis) -> Result<(), DialError> {
    let own = |reason: String| DialError::Own(reason);
    hub_config(identity)?;
    let (chain, _) = identity.certified().map_err(|reason| own(reason.to_owned()))?;
    let (own_certificate, between) = chain.split_first().ok_or_else(|| own("there is none".to_owned()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(identity)?), provider());
    let verifier = verifier.build().map_err(|error| own(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
    match verifier.verify_client_cert(own_certificate, between, now) {
        Ok(_) | Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Ok(()),
        Err(error) => Err(own(error.to_string())),
    }
}

/// The name a hub's certificate must bear, of the address it is dialled by.
///
/// # Errors
/// [`DialError::Address`].
pub(crate) fn hub_name(address: &str) -> Result<ServerName<'static>, DialError> {
    let bad = || DialError::Address(address.to_owned());
    let (host, _) = address.rsplit_once(':').ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| bad())
}

/// Dials `host:port` that way, with a TLS configuration.
pub(crate) async fn dial(address: &str, way: &Way, config: Arc<ClientConfig>) -> Result<Channel, DialError> {
    let bad = || DialError::Address(address.to_owned());
    let name = hub_name(address)?;
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .map_err(|_| bad())?
        .connect_timeout(DIAL_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(40))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(false);
    let connector = tokio_rustls::TlsConnector::from(config);
    let (target, way) = (address.to_owned(), way.clone());
    let service = tower::service_fn(move |_: Uri| {
        let (connector, name, target) = (connector.clone(), name.clone(), target.clone());
        let way = way.clone();
        async move {
            let tls = connector.connect(name, way.open(&target).await?).await?;
            if tls.get_ref().1.alpn_protocol().is_none() {
                return Err(std::io::Error::other("the other side does not speak this protocol"));
            }
            Ok::<_, std::io::Error>(TokioIo::new(tls))
        }
    });
    endpoint.connect_with_connector(service).await.map_err(|error| {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        DialError::Connect { address: address.to_owned(), reason }
    })
}
