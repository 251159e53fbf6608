//! Certificates for nodes, and who a certificate says its holder is.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::identity::spki_hash;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::time::UnixMillis;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::authorities::issuer_of;
use super::{Authorities, HubSecrets};

/// How long a node's certificate is valid: a commune may be without a line for months, and a revocation
/// takes effect by the registry, not by expiry.
const VALID: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A node's clock may be behind by this much.
const BACKDATED: Duration = Duration::from_secs(24 * 3_600);

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request or the authority is unusable.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// The clock is beyond the range of certificates.
    #[error("the hub's clock is out of range")]
    Clock,
}

/// Issues certificates with the hub's authority.
pub struct Issuer {
    authorities: Arc<Authorities>,
    domain: String,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer")
    }
}

impl Issuer {
    /// The issuer of a hub.
    #[must_use]
    pub fn new(secrets: &HubSecrets) -> Self {
        Self { authorities: Arc::clone(&secrets.authorities), domain: secrets.profile.domain.clone() }
    }

    /// A certificate for the key of a request; nothing else of the request counts.
    ///
    /// # Errors
    /// [`IssueError`] if the request is none.
    pub fn issue(
        &self,
        csr: &[u8],
        unit: &UnitCode,
        replica: ReplicaId,
        now: UnixMillis,
    ) -> Result<CertificateDer<'static>, IssueError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, unit.as_str());
        let name = format!("spiffe://{}/unit/{unit}/replica/{replica}", self.domain);
        params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (year, month, date) =
            day(now.seconds().saturating_sub(BACKDATED.as_secs())).ok_or(IssueError::Clock)?;
        params.not_before = rcgen::date_time_ymd(year, month, date);
        let (year, month, date) = day(now.seconds() + VALID.as_secs() + 86_400).ok_or(IssueError::Clock)?;
        params.not_after = rcgen::date_time_ymd(year, month, date);
        self.authorities.issue(params, &request.public_key)
    }

    /// A certificate for a key of the hub's own.
    pub(super) fn sign(
        &self,
        params: CertificateParams,
        key: &KeyPair,
    ) -> Result<CertificateDer<'static>, IssueError> {
        self.authorities.sign(params, key)
    }
}

/// The day of a time, as certificates name it.
pub(super) fn day(seconds: u64) -> Option<(i32, u8, u8)> {
    let days = i32::try_from(seconds / 86_400).ok()?;
    let date = lienthong_proto::value::civil(days)?;
    let (month, day) = (u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?);
    Some((i32::from(date.year()), month, day))
}

/// Who a client certificate says it is; believed only together with the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its unit.
    pub unit: UnitCode,
    /// Its replica.
    pub replica: ReplicaId,
    /// SHA-256 of its public key.
    pub key_hash: Digest,
    /// When the certificate ends.
    pub until: UnixMillis,
    /// Whose it is, as [`Authorities::is_current`] takes it.
    pub issuer: String,
}

/// Reads a verified client certificate.
#[must_use]
pub fn peer_identity(certificate: &CertificateDer<'_>) -> Option<PeerIdentity> {
    let key_hash = spki_hash(certificate)?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    })?;
    let [GeneralName::URI(uri)] = names.as_slice() else {
        return None;
    };
    let mut parts = uri.strip_prefix("spiffe://")?.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some("unit"), Some(unit), Some("replica"), Some(replica), None) => {
            let until = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
            let until = UnixMillis(until.saturating_mul(1_000));
            let (unit, replica) = (unit.parse().ok()?, replica.parse().ok()?);
            Some(PeerIdentity { unit, replica, key_hash, until, issuer: issuer_of(certificate) })
        }
        _ => None,
    }
}
