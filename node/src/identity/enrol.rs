//! Enrolment: a one-time token becomes keys and a certificate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lienthong_proto::authority::Authority;
use lienthong_proto::hash::{Digest, Signer as _, SigningKey, sha256};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::wire::enrol as wire;
use rand::RngCore as _;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;

use super::dial::{client_builder, connect, dial};
use super::node::province_of;
use super::{ALPN_ENROL, DialError, IdentityError, NodeIdentity, Profile, Token, Way, provider, spki_hash};
use super::{read_private, write_private};
use crate::rpc::enrol::enrolment_client::EnrolmentClient;

/// Why enrolment failed. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The folder is enrolled already.
    #[error("máy này đã ghi danh cho đơn vị {0} · this folder is enrolled for unit {0} already")]
    AlreadyEnrolled(String),
    /// No connection.
    #[error("không nối được tới tỉnh · the hub cannot be reached: {0}")]
    Dial(#[from] DialError),
    /// The hub said no.
    #[error("{0}")]
    Refused(String),
    /// The hub's answer does not fit the token.
    #[error("câu trả lời của máy chủ không khớp mã ghi danh · the hub's answer does not fit the token: {0}")]
    Reply(&'static str),
    /// Keys cannot be made.
    #[error("no keys can be made: {0}")]
    Keys(String),
    /// The identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What the log key signs to prove that the node holds it.
#[must_use]
pub fn proof_message(token_id: &[u8], replica: &ReplicaId, csr: &[u8]) -> Vec<u8> {
    [b"lienthong enrol v1\n", token_id, &replica.0, &sha256(&[csr])].concat()
}

/// Enrols `data` at `hub` (`host:port`) with a token.
///
/// # Errors
/// [`EnrolError`]; no identity was kept then. Where the answer was lost, the same token goes on: the keys it was used with
/// are kept until it comes.
pub async fn enrol(data: &Path, hub: &str, token: &Token) -> Result<Profile, EnrolError> {
    enrol_through(data, (hub, Way::Straight), token).await
}

/// As [`enrol`], by a proxy if there is one, or whatever way.
///
/// # Errors
/// As [`enrol`].
pub async fn enrol_through(
    data: &Path,
    (hub, way): (&str, impl Into<Way>),
    token: &Token,
) -> Result<Profile, EnrolError> {
    if let Some(known) = NodeIdentity::load(data)? {
        return Err(EnrolError::AlreadyEnrolled(known.unit().to_string()));
    }
    let channel = dial(hub, &way.into(), Arc::new(enrol_config(token)?)).await?;
    let fresh = Fresh::for_token(data, token)?;
    let reply = fresh.ask(channel, Some(token)).await?;
    if sha256(&[&reply.ledger_key]) != token.ledger {
        return Err(EnrolError::Reply("another ledger key"));
    }
    if spki_hash(&CertificateDer::from(reply.root.to_vec())) != Some(token.root) {
        return Err(EnrolError::Reply("another root certificate"));
    }
    let profile = checked(hub, fresh.replica, &reply)?;
    let profile = Enrolment { fresh, profile, provincial_key: reply.provincial_key.to_vec() }.keep(data)?;
    // Behind the identity: what is left of it is never looked at again.
    if let Err(error) = std::fs::remove_file(data.join(ENROLLING)) {
        tracing::warn!(%error, "the file of an enrolment that is done is not removed");
    }
    Ok(profile)
}

/// Asks for an enrolment as a new replica by an old one's certificate, which the province must have approved; nothing is
/// kept yet.
///
/// # Errors
/// [`EnrolError`]; an approval may be spent only if the hub answered.
pub async fn enrol_again(old: &NodeIdentity) -> Result<Enrolment, EnrolError> {
    let fresh = Fresh::make()?;
    let reply = fresh.ask(connect(old).await?, None).await?;
    if !old.roots().iter().any(|root| root.as_ref() == reply.root.as_ref()) {
        return Err(EnrolError::Reply("another root certificate"));
    }
    let profile = checked(&old.profile().hub, fresh.replica, &reply)?;
    let known = old.ledger();
    let same = profile.hub_replica == known.origin.replica() && profile.ledger_key == hex::encode(known.key);
    if !same {
        let followed = old.followed(&reply.successions).map_err(|_| EnrolError::Reply("another ledger"))?;
        if profile.ledger_key != hex::encode(followed.key) {
            return Err(EnrolError::Reply("another ledger key"));
        }
    }
    if profile.unit != *old.unit() || profile.recovery_key != old.profile().recovery_key {
        return Err(EnrolError::Reply("another unit or recovery key"));
    }
    Ok(Enrolment { fresh, profile, provincial_key: reply.provincial_key.to_vec() })
}

/// The role that is given no provincial key.
const AUDITOR: &str = "auditor";

/// Keys made for a new replica.
struct Fresh {
    replica: ReplicaId,
    seed: [u8; 32],
    tls: KeyPair,
}

/// Keys a token was used with, until the hub's answer came.
#[derive(Serialize, Deserialize)]
struct Enrolling {
    token: String,
    replica: ReplicaId,
    seed: String,
    tls: String,
}

/// Where they stand in the data folder.
const ENROLLING: &str = "enrolling";

/// An enrolment the hub has given, not kept yet.
pub struct Enrolment {
    fresh: Fresh,
    profile: Profile,
    provincial_key: Vec<u8>,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Enrolment {
    /// Keeps it in a data folder.
    ///
    /// # Errors
    /// [`EnrolError::Identity`].
    pub fn keep(self, data: &Path) -> Result<Profile, EnrolError> {
        // Records end careers: nobody else on this machine reads them.
        let mine = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(data, mine)
            .map_err(|source| IdentityError::Io { path: data.display().to_string(), source })?;
        let Self { fresh, profile, provincial_key } = self;
        NodeIdentity::store(data, &profile, &fresh.seed, &fresh.tls.serialize_der(), &provincial_key)?;
        Ok(profile)
    }
}

impl Fresh {
    fn make() -> Result<Self, EnrolError> {
        let tls = KeyPair::generate().map_err(|error| EnrolError::Keys(error.to_string()))?;
        let (mut seed, mut replica) = ([0; 32], ReplicaId([0; 16]));
        rand::rng().fill_bytes(&mut seed);
        rand::rng().fill_bytes(&mut replica.0);
        Ok(Self { replica, seed, tls })
    }

    /// The keys that go with a token: those it was used with before, if its answer did not come, or new ones, kept before
    /// the hub hears of them.
    fn for_token(data: &Path, token: &Token) -> Result<Self, EnrolError> {
        let (path, id) = (data.join(ENROLLING), hex::encode(token.id));
        let kept: Option<Enrolling> =
            read_private(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.token == id)
            && let Some(kept) = Self::again(&kept)
        {
            return Ok(kept);
        }
        let fresh = Self::make()?;
        let (seed, tls) = (hex::encode(fresh.seed), hex::encode(fresh.tls.serialize_der()));
        let kept = Enrolling { token: id, replica: fresh.replica, seed, tls };
        let bytes = serde_json::to_vec(&kept).map_err(|error| EnrolError::Keys(error.to_string()))?;
        let io = |source| IdentityError::Io { path: path.display().to_string(), source };
        write_private(&path, &bytes).map_err(io)?;
        Ok(fresh)
    }

    fn again(kept: &Enrolling) -> Option<Self> {
        let mut seed = [0; 32];
        hex::decode_to_slice(&kept.seed, &mut seed).ok()?;
        let tls = hex::decode(&kept.tls).ok()?;
        let tls = KeyPair::try_from(&PrivatePkcs8KeyDer::from(tls)).ok()?;
        Some(Self { replica: kept.replica, seed, tls })
    }

    async fn ask(&self, channel: Channel, token: Option<&Token>) -> Result<wire::EnrolReply, EnrolError> {
        let keys = |error: String| EnrolError::Keys(error);
        let csr =
            CertificateParams::default().serialize_request(&self.tls).map_err(|e| keys(e.to_string()))?;
        let log_key = SigningKey::from_seed(&self.seed).map_err(|error| keys(error.to_string()))?;
        let id = token.map(|token| token.id.to_vec()).unwrap_or_default();
        let proof = log_key.sign(&proof_message(&id, &self.replica, csr.der()));
        let request = wire::EnrolRequest {
            token_id: id.into(),
            token_secret: token.map(|token| token.secret.to_vec()).unwrap_or_default().into(),
            replica: self.replica.0.to_vec().into(),
            csr: csr.der().to_vec().into(),
            log_key: log_key.public_key().to_vec().into(),
            proof: proof.to_vec().into(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let asked = EnrolmentClient::new(channel).enrol(request).await;
        asked
            .map(tonic::Response::into_inner)
            .map_err(|status| EnrolError::Refused(status.message().to_owned()))
    }
}

fn checked(hub: &str, replica: ReplicaId, reply: &wire::EnrolReply) -> Result<Profile, EnrolError> {
    // An agency's node makes no record ids.
    let provincial = reply.provincial_key.len() == if reply.role == AUDITOR { 0 } else { 32 };
    let keys = [&reply.cosigner_key, &reply.recovery_key];
    if !provincial || reply.chain.is_empty() || keys.iter().any(|key| key.len() != 32) {
        return Err(EnrolError::Reply("a certificate or key is missing"));
    }
    let profile = Profile {
        version: 1,
        hub: hub.to_owned(),
        unit: reply.unit.parse().map_err(|_| EnrolError::Reply("unit"))?,
        unit_name: reply.unit_name.clone(),
        role: reply.role.clone(),
        replica,
        domain: reply.domain.clone(),
        province: reply.province.clone(),
        hub_replica: ReplicaId::from_slice(&reply.hub_replica).ok_or(EnrolError::Reply("hub replica"))?,
        ledger_key: hex::encode(&reply.ledger_key),
        receipt_keys: Vec::new(),
        cosigner_key: hex::encode(&reply.cosigner_key),
        recovery_key: hex::encode(&reply.recovery_key),
        chain: reply.chain.iter().map(hex::encode).collect(),
        root: hex::encode(&reply.root),
        authority: reply.authority.clone(),
        successions: Vec::new(),
        sums: BTreeMap::new(),
    };
    if !reply.authority.is_empty() {
        let recovery = reply.recovery_key.as_ref().try_into().unwrap_or_default();
        let stated = Authority::verify(&reply.authority, &province_of(&profile), recovery);
        stated.map_err(|_| EnrolError::Reply("another authority"))?;
    }
    Ok(profile)
}

fn enrol_config(token: &Token) -> Result<ClientConfig, EnrolError> {
    pinned(Some(token.root)).map_err(|error| EnrolError::Keys(error.to_string()))
}

/// TLS to whoever answers: only to ask for what is believed by another's signature.
pub(super) fn anybody() -> Result<ClientConfig, rustls::Error> {
    pinned(None)
}

fn pinned(root: Option<Digest>) -> Result<ClientConfig, rustls::Error> {
    let verifier = PinnedRoot { root, provider: provider() };
    let mut config = client_builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_ENROL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Trusts exactly the root whose public key the token names, everything else is checked as usual; or anybody.
#[derive(Debug)]
struct PinnedRoot {
    root: Option<Digest>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedRoot {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        if self.root.is_none() {
            return Ok(ServerCertVerified::assertion());
        }
        let pinned = |certificate: &&CertificateDer<'_>| spki_hash(certificate) == self.root;
        let root = intermediates.iter().find(pinned).ok_or_else(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
