//! Renewal with a fresh key: by the certificate in use, or, once that has ended, by the log key and the province's approval.

use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::hash::sha256;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::wire::{enrol, sync};
use rustls::client::Resumption;
use rustls::{AlertDescription, ClientConfig};
use rustls_pki_types::CertificateDer;
use tonic::Code;
use tonic::transport::Channel;

use super::dial::{client_builder, dial, roots};
use super::enrol::anybody;
use super::{ALPN_ENROL, DialError, IdentityError, NodeIdentity};
use crate::rpc::enrol::enrolment_client::EnrolmentClient;
use crate::rpc::sync::sync_client::SyncClient;

/// An answer must come within this.
const RENEW_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the certificate was not renewed. The one in use stays in use, and asking again costs nothing.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// No connection.
    #[error("không nối được tới tỉnh · the hub cannot be reached: {0}")]
    Dial(#[from] DialError),
    /// The hub said no, in its words.
    #[error("{0}")]
    Refused(String),
    /// The province has not approved it yet; the hub's words say what to ask for.
    #[error("{0}")]
    Unapproved(String),
    /// It cannot be requested or kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<tonic::Status> for RenewError {
    fn from(status: tonic::Status) -> Self {
        let said = status.message().to_owned();
        match status.code() {
            Code::FailedPrecondition => Self::Unapproved(said),
            _ => Self::Refused(said),
        }
    }
}

/// What a renewal says.
pub(crate) struct Renewal {
    /// PKCS#10 request of the fresh key.
    pub(crate) csr: Vec<u8>,
    /// The log key's signature over [`renewal_message`].
    pub(crate) proof: Vec<u8>,
}

/// What the log key signs to have a certificate renewed for a fresh key.
#[must_use]
pub fn renewal_message(replica: &ReplicaId, csr: &[u8]) -> Vec<u8> {
    [b"lienthong renew v1\n", &replica.0[..], &sha256(&[csr])].concat()
}

/// Whether a connection failed because the hub found the certificate ended, or its authority retired.
#[must_use]
pub fn is_ended(reason: &str) -> bool {
    let alerts = [AlertDescription::CertificateExpired, AlertDescription::UnknownCA];
    alerts.iter().any(|alert| reason.contains(&format!("{alert:?}")))
}

/// Whether a connection failed because the hub's certificate is of an authority that is not trusted.
#[must_use]
pub fn is_untrusted(reason: &str) -> bool {
    reason.contains("UnknownIssuer")
}

/// Asks whoever answers at the hub's address for the newest authority's statement, and trusts what the recovery key has
/// signed; whether that was new. Nothing is told there, and nothing else believed: anybody may answer.
///
/// # Errors
/// [`RenewError`].
pub async fn ask_authority(identity: &NodeIdentity) -> Result<bool, RenewError> {
    let config = anybody().map_err(|error| DialError::Own(error.to_string()))?;
    let channel = dial(&identity.profile().hub, identity.way(), Arc::new(config)).await?;
    let mut request = tonic::Request::new(enrol::AuthorityRequest {});
    request.set_timeout(RENEW_TIMEOUT);
    let note = EnrolmentClient::new(channel).authority(request).await?.into_inner().note;
    if note.is_empty() { Ok(false) } else { Ok(identity.trust(&note)?) }
}

/// Renews by the certificate in use; it is used from the next connection on, which ends the old one.
///
/// # Errors
/// [`RenewError`].
pub async fn renew(identity: &NodeIdentity, mut rpc: SyncClient<Channel>) -> Result<(), RenewError> {
    let Renewal { csr, proof } = identity.renewal()?;
    let mut request = tonic::Request::new(sync::RenewRequest { csr: csr.into(), proof: proof.into() });
    request.set_timeout(RENEW_TIMEOUT);
    Ok(identity.renewed(chain(rpc.renew(request).await?.into_inner().chain))?)
}

/// Renews a certificate that has ended, if the province has approved it.
///
/// # Errors
/// [`RenewError`].
pub async fn renew_by_log_key(identity: &NodeIdentity) -> Result<(), RenewError> {
    let own = |error: rustls::Error| DialError::Own(error.to_string());
    let mut config: ClientConfig =
        client_builder().map_err(own)?.with_root_certificates(roots(identity)?).with_no_client_auth();
    config.alpn_protocols = vec![ALPN_ENROL.to_vec()];
    config.resumption = Resumption::disabled();
    let channel = dial(&identity.profile().hub, identity.way(), Arc::new(config)).await?;
    let Renewal { csr, proof } = identity.renewal()?;
    let mut request = tonic::Request::new(enrol::RenewRequest {
        replica: identity.replica().0.to_vec().into(),
        csr: csr.into(),
        proof: proof.into(),
    });
    request.set_timeout(RENEW_TIMEOUT);
    let reply = EnrolmentClient::new(channel).renew(request).await?.into_inner();
    Ok(identity.renewed(chain(reply.chain))?)
}

fn chain(said: Vec<impl AsRef<[u8]>>) -> Vec<CertificateDer<'static>> {
    said.into_iter().map(|der| der.as_ref().to_vec().into()).collect()
}
