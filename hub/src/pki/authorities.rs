//! The authorities of certificates: the one that issues, and, while nodes move to it, the one before.
//!
//! A rotation makes a new root with the recovery kit at hand ([`Kit::rotated`]). From then on nodes' certificates are
//! issued under it and both are trusted; the hub itself shows a certificate of the one before, which everybody knows,
//! until no active replica's certificate hangs on it. Then it is retired. The state is one sealed file, written whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use lienthong_node::identity::{provider, write_private};
use lienthong_proto::authority::{Authority, AuthorityError, FIRST};
use lienthong_proto::hash::sha256;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::init::authority_params;
use super::kit::{Kit, KitError};
use super::secrets::recovery_public;
use super::{HubProfile, IssueError, Seal, SealError};

/// The sealed state; without it there is the first authority only.
pub(crate) const FILE: &str = "authorities.sealed";

/// Why authorities do not open or change.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The file fails.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A certificate or key is unusable.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// One in it cannot be trusted.
    #[error("an authority's certificate is unusable: {0}")]
    Rustls(#[from] rustls::Error),
    /// Nobody's certificates can be checked by them.
    #[error(transparent)]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The recovery key has not signed for it.
    #[error(transparent)]
    Statement(#[from] AuthorityError),
    /// The kit does not serve.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// Another one was made meanwhile.
    #[error("số thứ tự không phải {0}: hãy làm lại · its number is not {0}: make it again")]
    Number(u32),
    /// The one before is not retired yet.
    #[error(
        "gốc trước chưa nghỉ: chờ các máy đổi xong (authority show) · the one before is not retired yet: wait until all machines have moved (authority show)"
    )]
    Moving,
    /// There is none to retire.
    #[error("không có gốc cũ nào đang nghỉ dần · there is no former authority")]
    Alone,
}

impl From<rcgen::Error> for AuthoritiesError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue(error.into())
    }
}

/// An authority as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct Root {
    /// Counted from 1.
    pub number: u32,
    /// The certificate.
    pub pem: String,
    /// Its key, PKCS#8 PEM; without one it is trusted only.
    pub(super) key: Option<String>,
    /// The recovery key's statement; the first has none.
    pub note: String,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Root").field("number", &self.number).finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) current: Root,
    pub(super) former: Option<Root>,
    /// When the current one was made.
    pub(super) begun: UnixMillis,
}

struct State {
    kept: Kept,
    /// Signs nodes' certificates.
    issuing: rcgen::Issuer<'static, KeyPair>,
    /// Signs the hub's own.
    serving: rcgen::Issuer<'static, KeyPair>,
    serving_root: CertificateDer<'static>,
    current_subject: String,
    clients: Arc<dyn ClientCertVerifier>,
}

/// A hub's authorities.
pub struct Authorities {
    state: ArcSwap<State>,
    turn: Mutex<()>,
    changes: watch::Sender<u32>,
    seal: Seal,
    dir: PathBuf,
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorities").field("current", &self.current()).finish_non_exhaustive()
    }
}

fn root_of(pem: &str) -> Result<CertificateDer<'static>, IssueError> {
    let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes());
    let (_, pem) = parsed.map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
    Ok(pem.contents.into())
}

/// Whose certificate one is: a digest of the issuer's name, which no two authorities of a hub share.
#[must_use]
pub(crate) fn issuer_of(certificate: &CertificateDer<'_>) -> String {
    let parsed = X509Certificate::from_der(certificate).ok();
    parsed.map(|(_, parsed)| hex::encode(sha256(&[parsed.issuer().as_raw()]))).unwrap_or_default()
}

impl State {
    fn of(kept: Kept) -> Result<Self, AuthoritiesError> {
        let issuer = |root: &Root| -> Result<_, AuthoritiesError> {
            let key = KeyPair::from_pem(root.key.as_deref().unwrap_or_default())?;
            Ok(rcgen::Issuer::from_ca_cert_pem(&root.pem, key)?)
        };
        let serving = kept.former.as_ref().filter(|former| former.key.is_some()).unwrap_or(&kept.current);
        let mut roots = RootCertStore::empty();
        for root in std::iter::once(&kept.current).chain(&kept.former) {
            roots.add(root_of(&root.pem)?)?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        Ok(Self {
            issuing: issuer(&kept.current)?,
            serving: issuer(serving)?,
            serving_root: root_of(&serving.pem)?,
            // A root has issued itself.
            current_subject: issuer_of(&root_of(&kept.current.pem)?),
            clients,
            kept,
        })
    }
}

impl Authorities {
    /// What is kept; the first alone, if nothing is.
    pub(super) fn open(
        seal: &Seal,
        dir: &Path,
        (pem, key): (String, String),
    ) -> Result<Self, AuthoritiesError> {
        let kept = if dir.join(FILE).exists() {
            let bytes = seal.read(dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            let current = Root { number: FIRST, pem, key: Some(key), note: String::new() };
            Kept { current, former: None, begun: UnixMillis(0) }
        };
        let (changes, _) = watch::channel(kept.current.number);
        let state = ArcSwap::from_pointee(State::of(kept)?);
        Ok(Self { state, turn: Mutex::new(()), changes, seal: seal.clone(), dir: dir.to_owned() })
    }

    /// The one that issues nodes' certificates.
    #[must_use]
    pub fn current(&self) -> Root {
        self.state.load().kept.current.clone()
    }

    /// The one before, while it is not retired, and since when there is another.
    #[must_use]
    pub fn former(&self) -> Option<(Root, UnixMillis)> {
        let state = self.state.load();
        state.kept.former.clone().map(|former| (former, state.kept.begun))
    }

    /// The root of the hub's own certificate.
    #[must_use]
    pub fn serving_root(&self) -> CertificateDer<'static> {
        self.state.load().serving_root.clone()
    }

    /// Whether a certificate whose issuer's digest this is, is the current one's; where none is known it is the first's.
    #[must_use]
    pub fn is_current(&self, issuer: &str) -> bool {
        let state = self.state.load();
        if issuer.is_empty() { state.kept.current.number == FIRST } else { issuer == state.current_subject }
    }

    /// Changes when the current one does: its number.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u32> {
        self.changes.subscribe()
    }

    /// Goes on with another one; both are trusted.
    ///
    /// # Errors
    /// [`AuthoritiesError`]; nothing is changed then.
    pub fn rotate(&self, next: Root, profile: &HubProfile, now: UnixMillis) -> Result<(), AuthoritiesError> {
        let _turn = self.turn.lock();
        let kept = self.state.load().kept.clone();
        if kept.former.is_some() {
            return Err(AuthoritiesError::Moving);
        }
        let recovery = recovery_public(profile).unwrap_or_default();
        let stated = Authority::verify(&next.note, &province(profile), recovery)?;
        if stated.number != next.number || stated.root != root_of(&next.pem)?.as_ref() {
            return Err(AuthorityError::Malformed("another root than the certificate's").into());
        }
        if next.number != kept.current.number + 1 {
            return Err(AuthoritiesError::Number(kept.current.number + 1));
        }
        // For browsers.
        let path = self.dir.join(format!("authority-{}.pem", next.number));
        write_private(&path, next.pem.as_bytes())
            .map_err(|source| SealError::Io { path: path.display().to_string(), source })?;
        self.keep(Kept { current: next, former: Some(kept.current), begun: now })
    }

    /// The one before is trusted no more.
    ///
    /// # Errors
    /// [`AuthoritiesError`] if there is none, or it cannot be kept.
    pub fn retire(&self) -> Result<Root, AuthoritiesError> {
        let _turn = self.turn.lock();
        let mut kept = self.state.load().kept.clone();
        let former = kept.former.take().ok_or(AuthoritiesError::Alone)?;
        self.keep(kept)?;
        Ok(former)
    }

    fn keep(&self, kept: Kept) -> Result<(), AuthoritiesError> {
        let bytes = serde_json::to_vec(&kept).map_err(|error| SealError::Opened(error.to_string()))?;
        let (number, state) = (kept.current.number, State::of(kept)?);
        self.seal.write(&self.dir, FILE, &bytes)?;
        self.state.store(Arc::new(state));
        self.changes.send_replace(number);
        Ok(())
    }

    pub(super) fn issue(
        &self,
        params: CertificateParams,
        key: &impl rcgen::PublicKeyData,
    ) -> Result<CertificateDer<'static>, IssueError> {
        Ok(params.signed_by(key, &self.state.load().issuing)?.der().clone())
    }

    pub(super) fn sign(
        &self,
        params: CertificateParams,
        key: &KeyPair,
    ) -> Result<CertificateDer<'static>, IssueError> {
        Ok(params.signed_by(key, &self.state.load().serving)?.der().clone())
    }
}

/// Whose province a hub is, as statements name it.
#[must_use]
pub(super) fn province(profile: &HubProfile) -> String {
    format!("{}/{}", profile.domain, profile.province)
}

impl Kit {
    /// Another authority, and this kit with it: sealed anew under the same passphrase.
    ///
    /// # Errors
    /// [`AuthoritiesError`].
    pub fn rotated(&self, passphrase: &str, number: u32) -> Result<(Vec<u8>, Root), AuthoritiesError> {
        let key = KeyPair::generate()?;
        let certificate = authority_params(&self.profile.province, number)?.self_signed(&key)?;
        let root = certificate.der().to_vec();
        let stated = Authority { province: province(&self.profile), number, root };
        let note = stated.sign(&self.recovery_key()?)?.to_string();
        let next = Root { number, pem: certificate.pem(), key: Some(key.serialize_pem()), note };
        // A hub made from it shows the new one; machines that have not moved yet ask for its statement.
        let before = match &self.rotated {
            Some(kept) => kept.current.clone(),
            None => Root { number: FIRST, pem: self.authority.clone(), key: None, note: String::new() },
        };
        let kept =
            Kept { current: next.clone(), former: Some(Root { key: None, ..before }), begun: UnixMillis(0) };
        let kit = Self { rotated: Some(kept), ..self.clone() };
        Ok((kit.seal(passphrase.trim())?, next))
    }
}

/// Checks nodes' certificates by the authorities of the moment: a rotation needs no restart.
#[derive(Debug)]
pub struct TrustedClients(pub Arc<Authorities>);

impl ClientCertVerifier for TrustedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0.state.load().clients.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
