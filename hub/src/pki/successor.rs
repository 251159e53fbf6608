//! The secrets of a hub that takes over: the old authority, a new ledger, and the recovery key's word for it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use lienthong_node::folder::keep_name;
use lienthong_node::identity::write_private;
use lienthong_proto::checkpoint::Origin;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::succession::{Ledger, Succession, SuccessionError, TreeHead};
use zeroize::Zeroizing;

use super::init::{InitError, random, server_certificate};
use super::kit::{Kit, KitError};
use super::receipt_seeds;
use super::secrets::folder;
use super::{AUTHORITIES, HubProfile, RECEIPTS, Seal, SealError};

/// Why no successor is made.
#[derive(Debug, thiserror::Error)]
pub enum SuccessorError {
    /// The kit does not serve.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// Files or certificates cannot be made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Something cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The statement cannot be made.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
}

/// What a successor follows.
#[derive(Debug, Clone)]
pub struct Former {
    /// The ledger before.
    pub ledger: Ledger,
    /// How it had come to be, the oldest first.
    pub successions: Vec<String>,
    /// How far it is known.
    pub known: Option<TreeHead>,
    /// The highest checkpoint of it that is known to have been witnessed.
    pub witnessed: Option<TreeHead>,
    /// Statements among them about ledgers of which nothing else tells: each is said again in the new one.
    pub told_only: Vec<String>,
    /// There is a backup.
    pub backup: bool,
    /// Names in the hub's certificate.
    pub names: Vec<String>,
}

/// Makes the secrets of a successor in `data`: authority, receipt and provincial keys are the kit's, so that nodes'
/// certificates, receipts and record ids stay good; ledger, seal and server certificate are new.
///
/// # Errors
/// [`SuccessorError`].
pub fn make_successor(data: &Path, kit: &Kit, former: &Former) -> Result<HubProfile, SuccessorError> {
    let dir = folder(data);
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |source| InitError::Io { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io(&dir))?;
    keep_name(&dir).map_err(io(&dir))?;
    let HubProfile { domain, province, .. } = &kit.profile;
    let (replica, seed): (ReplicaId, [u8; 32]) = (ReplicaId(random()), random());
    let ledger_key = SigningKey::from_seed(&seed).map_err(KitError::from)?;
    let origin = Origin::new(domain, province.as_str(), province, replica).map_err(KitError::from)?;
    let succession = Succession {
        successor: Ledger { origin, key: ledger_key.public_key() },
        former: former.ledger.clone(),
        known: former.known,
        witnessed: former.witnessed,
    };
    let note = succession.sign(&kit.recovery_key()?)?.to_string();
    let mut successions = former.successions.clone();
    successions.push(note);
    let profile = HubProfile {
        version: 1,
        province: province.clone(),
        domain: domain.clone(),
        replica,
        names: former.names.clone(),
        recovery_key: kit.profile.recovery_key.clone(),
        successions,
    };
    let (server, server_key, authority) =
        server_certificate(&kit.authority, &kit.authority_key, &profile.names)?;
    let seal_key = Zeroizing::new(random::<32>());
    let seal = Seal::new(seal_key.as_ref())?;
    let plain = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        write_private(&path, bytes).map_err(io(&path))
    };
    plain("seal.key", seal_key.as_ref())?;
    plain("authority.pem", kit.authority.as_bytes())?;
    plain("authority.der", &authority)?;
    plain("server.der", &server)?;
    seal.write(&dir, "authority.key", kit.authority_key.as_bytes())?;
    seal.write(&dir, "server.key", &server_key)?;
    seal.write(&dir, "ledger.seed", &seed)?;
    seal.write(&dir, "cosigner.seed", &kit.cosigner_seed()?)?;
    seal.write(&dir, "provincial.key", &kit.provincial_key()?)?;
    if let Some(rotated) = &kit.rotated {
        let bytes = serde_json::to_vec(rotated).map_err(|error| SealError::Opened(error.to_string()))?;
        seal.write(&dir, AUTHORITIES, &bytes)?;
    }
    if !kit.receipts.is_empty() {
        seal.write(&dir, RECEIPTS, &receipt_seeds::list(&kit.receipts))?;
    }
    plain("profile.json", &serde_json::to_vec_pretty(&profile).unwrap_or_default())?;
    Ok(profile)
}
