//! Makes a hub: authority, certificate, ledger and receipt keys, recovery kit. Once.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lienthong_node::folder::keep_name;
use lienthong_node::identity::{spki_hash, write_private};
use lienthong_proto::authority::FIRST;
use lienthong_proto::fingerprint;
use lienthong_proto::hash::{BadSeed, Signer as _, SigningKey};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use rand::RngCore as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use zeroize::Zeroizing;

use super::secrets::folder;
use super::server::server_params;
use super::{HubProfile, HubSecrets, IssueError, Kit, Seal, SealError};
use crate::accounts::{AccountRole, Accounts};

/// What a hub is made with.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The province's code.
    pub province: UnitCode,
    /// Domain of origins and certificates.
    pub domain: String,
    /// Names and addresses nodes will dial, besides `localhost` and `127.0.0.1`.
    pub names: Vec<String>,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct InitReport {
    /// The hub's own replica.
    pub replica: ReplicaId,
    /// Eight words of the root's key, to compare by phone.
    pub fingerprint: String,
    /// The recovery kit: to be taken off the machine.
    pub kit: PathBuf,
    /// Opens the kit; shown once, kept nowhere.
    pub kit_passphrase: String,
    /// The first administrator's account: the operating-system user who made the hub.
    pub administrator: String,
}

/// Why no hub was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The fresh secrets do not open.
    #[error(transparent)]
    Secrets(#[from] super::SecretsError),
    /// The first account cannot be kept.
    #[error(transparent)]
    Account(#[from] crate::accounts::AccountError),
    /// There is one.
    #[error("{0} đã được khởi tạo; không ghi đè · is initialised already; nothing was overwritten")]
    Exists(String),
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate cannot be made, for instance of a name that is none.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Something cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The server's certificate cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A key cannot be made.
    #[error(transparent)]
    Seed(#[from] BadSeed),
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Makes the first administrator of the operating-system user, if nobody has an account.
///
/// # Errors
/// [`InitError`] if it cannot be kept.
pub fn ensure_administrator(data: &Path) -> Result<(), InitError> {
    let accounts = Accounts::open(&HubSecrets::load(data)?)?;
    let uid = rustix::process::getuid().as_raw();
    let known = accounts.list().iter().any(|account| account.uid == Some(uid) && !account.disabled);
    if known { Ok(()) } else { first_administrator(data).map(drop) }
}

/// Makes a hub in `data`.
///
/// # Errors
/// [`InitError`]; a hub that is there is never touched.
pub fn init(data: &Path, options: &InitOptions) -> Result<InitReport, InitError> {
    let dir = folder(data);
    if dir.join("profile.json").exists() {
        return Err(InitError::Exists(data.display().to_string()));
    }
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |source| InitError::Io { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io(&dir))?;
    keep_name(&dir).map_err(io(&dir))?;
    let mine = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(data, mine).map_err(io(data))?;
    let authority_key = KeyPair::generate()?;
    let authority = authority_params(&options.province, FIRST)?.self_signed(&authority_key)?;
    let (server, server_key, _) =
        server_certificate(&authority.pem(), &authority_key.serialize_pem(), &options.names)?;
    let seal_key = Zeroizing::new(random::<32>());
    let seal = Seal::new(seal_key.as_ref())?;
    let [ledger, cosigner, recovery] = [random::<32>(), random::<32>(), random::<32>()];
    let provincial: [u8; 32] = random();
    let profile = HubProfile {
        version: 1,
        province: options.province.clone(),
        domain: options.domain.clone(),
        replica: ReplicaId(random()),
        names: options.names.clone(),
        recovery_key: hex::encode(SigningKey::from_seed(&recovery)?.public_key()),
        successions: Vec::new(),
    };
    let passphrase = fingerprint::words(&random());
    let kit_path = data.join("recovery-kit.lienthong");
    let kit = Kit {
        profile: profile.clone(),
        authority_key: authority_key.serialize_pem(),
        authority: authority.pem(),
        ledger: hex::encode(ledger),
        cosigner: hex::encode(cosigner),
        recovery: hex::encode(recovery),
        provincial: hex::encode(provincial),
        rotated: None,
        receipts: Vec::new(),
    };
    write_private(&kit_path, &kit.seal(&passphrase)?).map_err(io(&kit_path))?;
    let plain = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        write_private(&path, bytes).map_err(io(&path))
    };
    plain("seal.key", seal_key.as_ref())?;
    plain("authority.pem", authority.pem().as_bytes())?;
    plain("authority.der", authority.der())?;
    plain("server.der", &server)?;
    seal.write(&dir, "authority.key", authority_key.serialize_pem().as_bytes())?;
    seal.write(&dir, "server.key", &server_key)?;
    seal.write(&dir, "ledger.seed", &ledger)?;
    seal.write(&dir, "cosigner.seed", &cosigner)?;
    seal.write(&dir, "provincial.key", &provincial)?;
    // Last: a hub without its profile is none, so a crash on the way leaves nothing half made.
    let profile_json = serde_json::to_vec_pretty(&profile).unwrap_or_default();
    plain("profile.json", &profile_json)?;
    let fingerprint = spki_hash(authority.der()).map(|hash| fingerprint::words(&hash)).unwrap_or_default();
    let administrator = first_administrator(data)?;
    Ok(InitReport {
        replica: profile.replica,
        fingerprint,
        kit: kit_path,
        kit_passphrase: passphrase,
        administrator,
    })
}

fn first_administrator(data: &Path) -> Result<String, InitError> {
    let accounts = Accounts::open(&HubSecrets::load(data)?)?;
    let uid = rustix::process::getuid().as_raw();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let name: String =
        lienthong_node::cli::author().to_lowercase().chars().filter(|c| fine(*c)).take(29).collect();
    // A restored hub may have an account of that name, of another user's.
    let free = |name: &String| !accounts.list().iter().any(|account| account.name == *name);
    let names = std::iter::once(name.clone()).chain((2..100).map(|n| format!("{name}-{n}")));
    let name = names.into_iter().find(free).unwrap_or(name);
    let roles = vec![AccountRole::Administrator];
    Ok(accounts.add(&name, roles, Some(uid), None, lienthong_node::app::system_clock())?.name)
}

/// What a root certificate says; each of a province has a name of its own.
pub(super) fn authority_params(province: &UnitCode, number: u32) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mark = if number == FIRST { String::new() } else { format!(" ({number})") };
    params.distinguished_name.push(DnType::CommonName, format!("Liên Thông {province}{mark}"));
    Ok(params)
}

/// A server's certificate, its key, and the authority's certificate, all in DER.
pub(super) type ServerCertificate = (Vec<u8>, Vec<u8>, Vec<u8>);

/// A fresh certificate for a hub of these names.
pub(super) fn server_certificate(
    authority: &str,
    authority_key: &str,
    names: &[String],
) -> Result<ServerCertificate, InitError> {
    let issuer = rcgen::Issuer::from_ca_cert_pem(authority, KeyPair::from_pem(authority_key)?)?;
    let key = KeyPair::generate()?;
    let server = server_params(names, lienthong_node::app::system_clock())?.signed_by(&key, &issuer)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(authority.as_bytes())
        .map_err(|_| InitError::Certificate(rcgen::Error::CouldNotParseCertificate))?;
    Ok((server.der().to_vec(), key.serialize_der(), pem.contents))
}
