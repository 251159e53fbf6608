//! The hub's own certificate: issued anew by its authority long before it ends, in use at the next handshake.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lienthong_node::identity::{provider, write_private};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::issue::{Issuer, day};
use super::{HubProfile, HubSecrets, IssueError, SealError, SecretsError};

/// How long it is valid. It begins long ago, so that a node whose clock fell back to its battery's zero still connects.
const VALID: Duration = Duration::from_secs(365 * 24 * 3_600);
/// One with less left is issued anew: key and certificate are then a month old.
const LEFT_MIN: Duration = Duration::from_secs(335 * 24 * 3_600);
/// One that ends later, in the year 3000, was made by a program that let it never end. One that merely ends later than a
/// fresh one would is kept: this clock is behind.
const ENDLESS: UnixMillis = UnixMillis(32_503_680_000_000);
/// More names than this are somebody's mistake.
const NAMES_MAX: usize = 64;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum ServerCertificateError {
    /// It cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What is kept is none.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// It does not serve.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// Too many names.
    #[error("quá {NAMES_MAX} tên máy · more than {NAMES_MAX} names")]
    Names,
}

/// The certificate in use; handshakes take what it is at that moment.
pub struct ServerCertificate {
    current: ArcSwap<CertifiedKey>,
    /// What the next one will bear; held by whoever issues it.
    names: Mutex<Vec<String>>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("ends", &self.ends()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl ServerCertificate {
    /// The one that is kept; where key and certificate are not of one another (a crash fell between them), or it is due, a
    /// fresh one.
    ///
    /// # Errors
    /// [`ServerCertificateError`].
    pub fn open(
        secrets: &HubSecrets,
        issuer: &Issuer,
        now: UnixMillis,
    ) -> Result<Self, ServerCertificateError> {
        let names = secrets.profile.names.clone();
        let kept = secrets.server_key().map_err(ServerCertificateError::from);
        let kept = kept.and_then(|key| certified(secrets, secrets.server.clone(), key));
        let current = match kept {
            Ok(kept) if !is_due(&kept, now) && is_of(&kept, secrets.root(), now) => kept,
            _ => issue(secrets, issuer, &names, now)?,
        };
        Ok(Self { current: ArcSwap::from_pointee(current), names: Mutex::new(names) })
    }

    /// Issues a fresh one if it is time; whether it was.
    ///
    /// # Errors
    /// [`ServerCertificateError`]; the one in use stays in use.
    pub fn renew_if_due(
        &self,
        secrets: &HubSecrets,
        issuer: &Issuer,
        now: UnixMillis,
    ) -> Result<bool, ServerCertificateError> {
        let due = is_due(&self.current.load(), now);
        if due {
            self.renew(secrets, issuer, &[], now)?;
        }
        Ok(due)
    }

    /// Issues a fresh one now, with a fresh key, for further names too.
    ///
    /// # Errors
    /// [`ServerCertificateError`]; the one in use stays in use.
    pub fn renew(
        &self,
        secrets: &HubSecrets,
        issuer: &Issuer,
        further: &[String],
        now: UnixMillis,
    ) -> Result<(), ServerCertificateError> {
        let mut names = self.names.lock();
        let mut all = names.clone();
        all.extend(further.iter().filter(|name| !names.contains(name)).cloned());
        all.dedup();
        if all.len() > NAMES_MAX {
            return Err(ServerCertificateError::Names);
        }
        let fresh = issue(secrets, issuer, &all, now)?;
        if all != *names {
            keep_names(secrets, &all)?;
            *names = all;
        }
        self.current.store(Arc::new(fresh));
        Ok(())
    }

    /// The names nodes may dial it by, besides `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.names.lock().clone()
    }

    /// When the one in use ends; `None` if it cannot be read.
    #[must_use]
    pub fn ends(&self) -> Option<UnixMillis> {
        ends(&self.current.load())
    }
}

fn certified(
    secrets: &HubSecrets,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, ServerCertificateError> {
    Ok(CertifiedKey::from_der(vec![certificate, secrets.root()], key, &provider())?)
}

/// Makes a fresh key and its certificate and keeps both, before either is used.
fn issue(
    secrets: &HubSecrets,
    issuer: &Issuer,
    names: &[String],
    now: UnixMillis,
) -> Result<CertifiedKey, ServerCertificateError> {
    let key = KeyPair::generate().map_err(IssueError::from)?;
    let params = server_params(names, now)?;
    let certificate = issuer.sign(params, &key)?;
    let kept = certified(secrets, certificate.clone(), key_of(&key)?)?;
    secrets.seal.write(&secrets.dir, "server.key", &key.serialize_der())?;
    let path = secrets.dir.join("server.der");
    write_private(&path, &certificate)
        .map_err(|source| SealError::Io { path: path.display().to_string(), source })?;
    Ok(kept)
}

fn key_of(key: &KeyPair) -> Result<PrivateKeyDer<'static>, SecretsError> {
    PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| SecretsError::Malformed("server.key"))
}

/// A certificate for a hub of these names.
pub(super) fn server_params(given: &[String], now: UnixMillis) -> Result<CertificateParams, IssueError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(given.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "lienthong-hub");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let (year, month, date) = day(now.seconds() + VALID.as_secs()).ok_or(IssueError::Clock)?;
    params.not_after = rcgen::date_time_ymd(year, month, date);
    Ok(params)
}

/// The profile in the file may say more than the one that was opened: only its names are changed.
fn keep_names(secrets: &HubSecrets, names: &[String]) -> Result<(), ServerCertificateError> {
    let path = secrets.dir.join("profile.json");
    let io = |source| SealError::Io { path: path.display().to_string(), source };
    let bytes = std::fs::read(&path).map_err(io)?;
    let profile: HubProfile =
        serde_json::from_slice(&bytes).map_err(|_| SecretsError::Malformed("profile.json"))?;
    let profile = HubProfile { names: names.to_vec(), ..profile };
    let bytes = serde_json::to_vec_pretty(&profile).map_err(|error| io(error.into()))?;
    write_private(&path, &bytes).map_err(io)?;
    Ok(())
}

fn ends(key: &CertifiedKey) -> Option<UnixMillis> {
    let (_, certificate) = X509Certificate::from_der(key.cert.first()?).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(UnixMillis(seconds.saturating_mul(1_000)))
}

/// Whether it is that authority's and whole, as a node would see it: a crash may have fallen between retiring one and this.
fn is_of(key: &CertifiedKey, root: CertificateDer<'static>, now: UnixMillis) -> bool {
    let mut roots = RootCertStore::empty();
    let verifier = roots
        .add(root)
        .ok()
        .and_then(|()| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok());
    let (Some(verifier), Some(own), Ok(name)) =
        (verifier, key.cert.first(), ServerName::try_from("localhost"))
    else {
        return false;
    };
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.seconds()));
    verifier.verify_server_cert(own, &[], &name, &[], at).is_ok()
}

fn is_due(key: &CertifiedKey, now: UnixMillis) -> bool {
    let fine = |ends: UnixMillis| ends < ENDLESS && ends.since(now) / 1_000 >= LEFT_MIN.as_secs();
    !ends(key).is_some_and(fine)
}
