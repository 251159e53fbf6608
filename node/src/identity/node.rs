//! The node's identity on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_proto::authority::AuthorityError;
use lienthong_proto::checkpoint::Origin;
use lienthong_proto::disclosure::Trust;
use lienthong_proto::hash::{BadSeed, Digest, Signer as _, SigningKey, sha256};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::note::{Algorithm, Note, NoteError, Verifier};
use lienthong_proto::receipt_key::{Asked, ReceiptKey, ReceiptKeys, receipt_seconds};
use lienthong_proto::succession::{self, Ledger, Succession, SuccessionError};
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use rcgen::CertificateParams;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::certified::{Certified, KEY, next_key, settle};
use super::renew::{Renewal, renewal_message};
use super::trusted::Trusted;
use super::{Way, read_private, write_private};
use crate::sync::KnownLedger;

/// What enrolment settled; kept as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// Format of this file.
    pub version: u32,
    /// Where the hub listens, `host:port`.
    pub hub: String,
    /// The own unit.
    pub unit: UnitCode,
    /// Its name.
    pub unit_name: String,
    /// The role the token gave.
    pub role: String,
    /// The own replica.
    pub replica: ReplicaId,
    /// Domain of origins and certificates.
    pub domain: String,
    /// The province's code.
    pub province: String,
    /// The hub's replica.
    pub hub_replica: ReplicaId,
    /// The ledger's Ed25519 key, hex.
    pub ledger_key: String,
    /// The first of the receipts' Ed25519 keys, hex.
    pub cosigner_key: String,
    /// The offline recovery key's public half, hex.
    pub recovery_key: String,
    /// Certificates, DER in hex, the own first.
    pub chain: Vec<String>,
    /// The hub's root, DER in hex.
    pub root: String,
    /// The signed statement of another authority that is trusted too, or alone; empty for none.
    #[serde(default)]
    pub authority: String,
    /// The signed statements by which the ledger known came to follow the one of enrolment, the oldest first.
    #[serde(default)]
    pub successions: Vec<String>,
    /// The further keys of receipts that the ledger known names: each as text, and its first second.
    #[serde(default)]
    pub receipt_keys: Vec<(String, u64)>,
    /// SHA-256, hex, of the files beside this one that stay as enrolment made them; an earlier version kept none.
    #[serde(default)]
    pub sums: BTreeMap<String, String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("unit", &self.unit)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

/// Why an identity is not usable.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} không còn đúng nội dung: {reason} · {path} does not hold what it should: {reason}")]
    Malformed {
        /// Which.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The log key's seed is unusable.
    #[error(transparent)]
    Seed(#[from] BadSeed),
    /// Another authority is not one the recovery key has named.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Another ledger is not the successor of the one known.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
}

/// Keys and certificate of an enrolled node.
pub struct NodeIdentity {
    /// As enrolment settled it; chain and ledger may have moved on since.
    profile: Profile,
    log_key: Arc<SigningKey>,
    provincial_key: Arc<[u8]>,
    certified: RwLock<Certified>,
    data: PathBuf,
    trusted: RwLock<Trusted>,
    known: RwLock<Known>,
    recovery_key: [u8; 32],
    cosigner_key: [u8; 32],
    way: Way,
}

/// The ledger known, how it came to be, and which further keys of receipts it names.
#[derive(Debug, Clone)]
struct Known {
    ledger: Ledger,
    successions: Vec<String>,
    receipt_keys: ReceiptKeys,
}

impl std::fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeIdentity").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The seed of the log key.
const SEED: &str = "log.seed";
/// The key of record ids.
const PROVINCIAL: &str = "provincial.key";

fn folder(data: &Path) -> PathBuf {
    data.join("identity")
}

impl NodeIdentity {
    /// What enrolment settled for a data folder, whatever became of its keys; nothing if it is not enrolled.
    ///
    /// # Errors
    /// [`IdentityError`] if it cannot be read.
    pub fn profile_of(data: &Path) -> Result<Option<Profile>, IdentityError> {
        let path = folder(data).join("profile.json");
        if !path.exists() {
            return Ok(None);
        }
        let name = path.display().to_string();
        let bytes = read_private(&path).map_err(|source| IdentityError::Io { path: name.clone(), source })?;
        let malformed =
            |error: serde_json::Error| IdentityError::Malformed { path: name, reason: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(malformed)
    }

    /// The identity of a data folder, if it is enrolled.
    ///
    /// # Errors
    /// [`IdentityError`] if it is there and not usable.
    pub fn load(data: &Path) -> Result<Option<Self>, IdentityError> {
        let dir = folder(data);
        let Some(profile) = Self::profile_of(data)? else { return Ok(None) };
        let read = |name: &str| {
            let path = dir.join(name);
            read_private(&path)
                .map_err(|source| IdentityError::Io { path: path.display().to_string(), source })
        };
        let malformed = |reason: String| IdentityError::Malformed { path: dir.display().to_string(), reason };
        // By another provincial key every new record would be another than the same record elsewhere.
        let unchanged = |name: &str| {
            let bytes = read(name)?;
            match profile.sums.get(name) {
                Some(sum) if *sum != hex::encode(sha256(&[&bytes])) => {
                    Err(malformed(format!("{name} was changed")))
                }
                _ => Ok(bytes),
            }
        };
        let seed: [u8; 32] =
            unchanged(SEED)?.try_into().map_err(|_| malformed("log.seed is not 32 bytes".to_owned()))?;
        let der = |text: &String| hex::decode(text).map(CertificateDer::from);
        let chain = profile.chain.iter().map(der).collect::<Result<_, _>>();
        let chain = chain.map_err(|error| malformed(error.to_string()))?;
        let key = |text: &String| {
            let mut key = [0; 32];
            hex::decode_to_slice(text, &mut key).map_err(|error| malformed(error.to_string())).map(|()| key)
        };
        let unit = profile.province.parse().map_err(|_| malformed("the province's code".to_owned()))?;
        let origin = Origin::new(&profile.domain, &profile.province, &unit, profile.hub_replica);
        let origin = origin.map_err(|error| malformed(error.to_string()))?;
        let ledger = Ledger { origin, key: key(&profile.ledger_key)? };
        let (recovery_key, province) = (key(&profile.recovery_key)?, province_of(&profile));
        let mut receipt_keys = ReceiptKeys::default();
        for (key, from_seconds) in &profile.receipt_keys {
            let verifier = key.parse().map_err(|_| malformed("a key of receipts".to_owned()))?;
            receipt_keys.take(ReceiptKey { verifier, from_seconds: *from_seconds });
        }
        let root = der(&profile.root).map_err(|error| malformed(error.to_string()))?;
        let trusted = Trusted::of(root, &profile.authority, &province, recovery_key)?;
        Ok(Some(Self {
            trusted: RwLock::new(trusted),
            known: RwLock::new(Known { ledger, successions: profile.successions.clone(), receipt_keys }),
            recovery_key,
            log_key: Arc::new(SigningKey::from_seed(&seed)?),
            provincial_key: unchanged(PROVINCIAL)?.into(),
            certified: RwLock::new(Certified::load(&dir, chain)?),
            data: data.to_owned(),
            cosigner_key: key(&profile.cosigner_key)?,
            profile,
            way: Way::Straight,
        }))
    }

    /// The same identity, which reaches the hub this way from now on: by a proxy, if one is given.
    #[must_use]
    pub fn through(self, way: impl Into<Way>) -> Self {
        Self { way: way.into(), ..self }
    }

    /// How the hub is reached.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Keeps a fresh identity; the profile last, so that a crash leaves none rather than half of one.
    ///
    /// # Errors
    /// [`IdentityError::Io`].
    pub(crate) fn store(
        data: &Path,
        profile: &Profile,
        seed: &[u8; 32],
        tls_key: &[u8],
        provincial_key: &[u8],
    ) -> Result<(), IdentityError> {
        let dir = folder(data);
        let io = |path: &Path, source| IdentityError::Io { path: path.display().to_string(), source };
        crate::folder::make(&dir).map_err(|source| io(&dir, source))?;
        let stay = [(SEED, &seed[..]), (PROVINCIAL, provincial_key)];
        let sums = stay.map(|(name, bytes)| (name.to_owned(), hex::encode(sha256(&[bytes]))));
        let profile = Profile { sums: BTreeMap::from(sums), ..profile.clone() };
        let profile_json = serde_json::to_vec_pretty(&profile).map_err(|error| IdentityError::Malformed {
            path: "profile.json".into(),
            reason: error.to_string(),
        })?;
        for (name, bytes) in stay.into_iter().chain([(KEY, tls_key), ("profile.json", &profile_json)]) {
            let path = dir.join(name);
            write_private(&path, bytes).map_err(|source| io(&path, source))?;
        }
        Ok(())
    }

    /// What enrolment settled.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The own replica.
    #[must_use]
    pub fn replica(&self) -> ReplicaId {
        self.profile.replica
    }

    /// The own unit.
    #[must_use]
    pub fn unit(&self) -> &UnitCode {
        &self.profile.unit
    }

    /// Signs the log's checkpoints.
    #[must_use]
    pub fn log_key(&self) -> &Arc<SigningKey> {
        &self.log_key
    }

    /// The log key and its proof, for a hub that was restored or rebuilt and does not know this replica.
    #[must_use]
    pub fn introduction(&self) -> (Vec<u8>, Vec<u8>) {
        let tls_key = self.certified.read().key_hash().unwrap_or_default();
        let proof = self.log_key.sign(&introduction_message(&self.replica(), &tls_key));
        (self.log_key.public_key().to_vec(), proof.to_vec())
    }

    /// Makes record ids.
    #[must_use]
    pub fn provincial_key(&self) -> &Arc<[u8]> {
        &self.provincial_key
    }

    /// The own log's name in checkpoints.
    #[must_use]
    pub fn origin(&self) -> String {
        let Profile { domain, province, unit, replica, .. } = &self.profile;
        format!("{domain}/{province}/{unit}/{replica}")
    }

    /// The ledger this node knows: the one of enrolment, or its successor.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.known.read().ledger.clone()
    }

    /// The ledger, if it is not the one of enrolment: what was kept of another is marked with its own.
    #[must_use]
    pub fn ledger_mark(&self) -> Option<ReplicaId> {
        let known = self.known.read();
        (!known.successions.is_empty()).then(|| known.ledger.origin.replica())
    }

    /// The ledger, and how much of the one before was taken over into it, as its statement of succession says.
    #[must_use]
    pub fn known_ledger(&self) -> KnownLedger {
        let known = self.known.read();
        let stated = |note: &String| {
            let note = Note::parse(note.as_bytes()).ok()?;
            Succession::parse(note.text()).ok()
        };
        let former = known.successions.last().and_then(stated).map(|last| {
            let mark = (known.successions.len() > 1).then(|| last.former.origin.replica());
            (mark, last.known.map_or(0, |head| head.size))
        });
        let mark = (!known.successions.is_empty()).then(|| known.ledger.origin.replica());
        KnownLedger { mark, former }
    }

    /// Where signed statements of succession lead from the ledger known; nothing is settled by asking.
    ///
    /// # Errors
    /// [`SuccessionError`] if they lead nowhere from there, or the recovery key did not sign them.
    pub fn followed(&self, notes: &[String]) -> Result<Ledger, SuccessionError> {
        succession::follow(&self.ledger(), notes, self.recovery_key).map(|(ledger, _)| ledger)
    }

    /// Takes a successor for good: kept durably before anything is done with it.
    ///
    /// # Errors
    /// [`IdentityError`] if the statements do not lead on, or it cannot be kept.
    pub fn succeed(&self, notes: &[String]) -> Result<Ledger, IdentityError> {
        let mut known = self.known.write();
        let chain = self.certified.read().chain.iter().map(hex::encode).collect();
        let (ledger, taken) = succession::follow(&known.ledger, notes, self.recovery_key)?;
        let successions = [&known.successions[..], &taken].concat();
        // Another ledger names its keys of receipts itself, from the first on.
        let next = Known { ledger: ledger.clone(), successions, receipt_keys: ReceiptKeys::default() };
        self.keep(chain, &next, &self.trusted.read())?;
        *known = next;
        Ok(ledger)
    }

    /// The further keys of receipts that the ledger known names.
    #[must_use]
    pub fn receipt_keys(&self) -> ReceiptKeys {
        self.known.read().receipt_keys.clone()
    }

    /// Keeps further keys of receipts that the ledger known names, before one is used; whether any was new.
    ///
    /// # Errors
    /// [`IdentityError`] if they cannot be kept; what was known stays then.
    pub fn name_receipt_keys(&self, keys: Vec<ReceiptKey>) -> Result<bool, IdentityError> {
        let mut known = self.known.write();
        let mut next = known.clone();
        for key in keys {
            next.receipt_keys.take(key);
        }
        if next.receipt_keys == known.receipt_keys {
            return Ok(false);
        }
        let chain = self.certified.read().chain.iter().map(hex::encode).collect();
        self.keep(chain, &next, &self.trusted.read())?;
        *known = next;
        Ok(true)
    }

    /// The name the hub cosigns receipts with.
    #[must_use]
    pub fn cosigner_name(&self) -> String {
        cosigner_name(&self.profile.domain, &self.profile.province)
    }

    /// Whom to believe by this machine's enrolment alone: the ledger, and the key of its first receipts; no witness is asked for.
    ///
    /// # Errors
    /// [`NoteError`] if a name is none to sign under.
    pub fn pinned(&self) -> Result<Trust, NoteError> {
        let ledger = self.ledger();
        let log = Verifier::new(ledger.origin.as_str(), Algorithm::Ed25519, ledger.key)?;
        let first = Verifier::new(&self.cosigner_name(), Algorithm::Cosignature, self.cosigner_key)?;
        Ok(Trust::new(log, [], 0).with_cosigner("receipts", first))
    }

    /// The key that must have cosigned a receipt: that of its date.
    #[must_use]
    pub fn cosigner_key(&self, receipt: &str) -> [u8; 32] {
        let known = self.known.read();
        match known.receipt_keys.at(receipt_seconds(receipt).unwrap_or_default()) {
            Asked::First => self.cosigner_key,
            Asked::Named(key) => *key.key(),
        }
    }

    /// Certificate and key, of one another.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub(crate) fn certified(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), &'static str> {
        self.certified.read().pair()
    }

    /// When the certificate was issued and when it ends; `None` if it cannot be read.
    #[must_use]
    pub fn validity(&self) -> Option<(UnixMillis, UnixMillis)> {
        let certified = self.certified.read();
        let (_, certificate) = X509Certificate::from_der(certified.chain.first()?).ok()?;
        let millis = |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let validity = certificate.validity();
        Some((millis(validity.not_before.timestamp()), millis(validity.not_after.timestamp())))
    }

    /// SHA-256 of the key in use for TLS.
    #[must_use]
    pub fn tls_key_hash(&self) -> Option<Digest> {
        self.certified.read().key_hash()
    }

    /// What a renewal says: a request for a fresh key, and the log key's word that it is this replica's.
    pub(crate) fn renewal(&self) -> Result<Renewal, IdentityError> {
        let malformed = |error: rcgen::Error| IdentityError::Malformed {
            path: "a certificate request".to_owned(),
            reason: error.to_string(),
        };
        let key = next_key(&folder(&self.data))?;
        let request = CertificateParams::default().serialize_request(&key).map_err(malformed)?;
        let csr = request.der().to_vec();
        let proof = self.log_key.sign(&renewal_message(&self.replica(), &csr)).to_vec();
        Ok(Renewal { csr, proof })
    }

    /// Goes on with a renewed certificate, kept before it is used.
    pub(crate) fn renewed(&self, chain: Vec<CertificateDer<'static>>) -> Result<(), IdentityError> {
        // Held while writing: a succession must not be written over by a renewal.
        let known = self.known.read();
        let mut certified = self.certified.write();
        let dir = folder(&self.data);
        let next = certified.renewed(&dir, chain)?;
        let hex = next.chain.iter().map(hex::encode).collect();
        self.keep(hex, &known, &self.trusted.read())?;
        let moved = next.key_hash() != certified.key_hash();
        *certified = next;
        if moved { settle(&dir) } else { Ok(()) }
    }

    fn keep(&self, chain: Vec<String>, known: &Known, trusted: &Trusted) -> Result<(), IdentityError> {
        let Known { ledger, successions, receipt_keys } = known;
        let profile = Profile {
            chain,
            hub_replica: ledger.origin.replica(),
            ledger_key: hex::encode(ledger.key),
            successions: successions.clone(),
            receipt_keys: receipt_keys
                .iter()
                .map(|key| (key.verifier.to_string(), key.from_seconds))
                .collect(),
            root: hex::encode(&trusted.root),
            authority: trusted.note.clone(),
            ..self.profile.clone()
        };
        let path = folder(&self.data).join("profile.json");
        let io = |source| IdentityError::Io { path: path.display().to_string(), source };
        let bytes = serde_json::to_vec_pretty(&profile).map_err(|error| io(error.into()))?;
        write_private(&path, &bytes).map_err(io)
    }

    /// Whose certificates are believed: one root, or two while one follows the other.
    #[must_use]
    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.trusted.read().roots()
    }

    /// The number of the newest authority known.
    #[must_use]
    pub fn authority(&self) -> u32 {
        self.trusted.read().number()
    }

    /// Whether the own certificate is of the newest authority known.
    #[must_use]
    pub fn is_under_newest(&self) -> bool {
        let (certified, trusted) = (self.certified.read(), self.trusted.read());
        certified.chain.first().is_some_and(|own| trusted.has_issued(own))
    }

    /// Trusts another authority beside the one known, kept before it is used; whether it was new.
    ///
    /// # Errors
    /// [`IdentityError`] if the recovery key has not named it, or it cannot be kept; what was trusted stays.
    pub fn trust(&self, note: &str) -> Result<bool, IdentityError> {
        self.turn(|trusted| Ok(trusted.with(note, &province_of(&self.profile), self.recovery_key)?))
    }

    /// Trusts the newest authority alone from now on, if this is its number and the own certificate is of it.
    ///
    /// # Errors
    /// [`IdentityError`] if that cannot be kept.
    pub(crate) fn trust_alone(&self, number: u32) -> Result<bool, IdentityError> {
        let settled = number == self.authority() && self.is_under_newest();
        self.turn(|trusted| Ok(trusted.alone().filter(|_| settled)))
    }

    fn turn(
        &self,
        next: impl FnOnce(&Trusted) -> Result<Option<Trusted>, IdentityError>,
    ) -> Result<bool, IdentityError> {
        let known = self.known.read();
        let chain = self.certified.read().chain.iter().map(hex::encode).collect();
        let mut trusted = self.trusted.write();
        let Some(next) = next(&trusted)? else { return Ok(false) };
        self.keep(chain, &known, &next)?;
        *trusted = next;
        Ok(true)
    }
}

/// Whose province a profile is: `<domain>/<province>`.
pub(super) fn province_of(profile: &Profile) -> String {
    format!("{}/{}", profile.domain, profile.province)
}

/// What the log key signs to introduce a replica to a hub that does not know it.
#[must_use]
pub fn introduction_message(replica: &ReplicaId, tls_key: &Digest) -> Vec<u8> {
    [b"lienthong readmit v1\n", &replica.0[..], tls_key].concat()
}

/// The name of a hub's receipt key.
#[must_use]
pub fn cosigner_name(domain: &str, province: &str) -> String {
    format!("{domain}/{province}/receipts")
}
