//! Makes the hub that takes over: all of it beside, then put in its place.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_node::at_rest::KeyRing;
use lienthong_node::backup::{BackupError, FileEntry, Identity, Manifest, Target};
use lienthong_node::erasing::Kept;
use lienthong_node::identity::write_private;
use lienthong_node::lock::{DataLock, LockError};
use lienthong_node::log;
use lienthong_node::published::{Shelf, in_force};
use lienthong_node::replica::{Author, JournalError};
use lienthong_node::sync::SUCCESSION;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::erasure::Erasure;
use lienthong_proto::event::Event;
use lienthong_proto::hash::SigningKey;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::succession::{Ledger, Succession, SuccessionError, TreeHead, follow};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::Serialize;

use super::{Carried, carry};
use crate::erasing::{Exported, ExportedError};
use crate::ledger::{self, CARRIED, LedgerError, LedgerOptions};
use crate::pki::{
    AUTHORITIES, Former, HubProfile, HubSecrets, InitError, Kit, KitError, RECEIPTS, Registry, RegistryError,
    SealError, SecretsError, SuccessorError, WRAPPED, ensure_administrator, make_successor, recovery_public,
    unwrap_seal,
};
use crate::witness::{WITNESSED, witnessed_head};

/// Files of `secrets/` that are taken over as they were, under the new seal. Tokens are not: one to
/// enrol by names the old ledger, and a program's may have been revoked since.
const SEALED: [&str; 4] = ["registry.sealed", "accounts.sealed", "contacts.sealed", AUTHORITIES];
/// The statement, to be copied off the machine: it serves a further restore if this hub is lost before its backup.
const NOTE: &str = "succession.note";
/// Stands in a folder that is being made: what an attempt leaves may be cleared away.
const UNFINISHED: &str = "unfinished";

/// How a hub is made again.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The new data folder: not there yet, or empty.
    pub data: PathBuf,
    /// The recovery kit.
    pub kit: PathBuf,
    /// Opens it.
    pub passphrase: String,
    /// Names and addresses nodes dial, besides those of before.
    pub names: Vec<String>,
    /// A statement some nodes have already accepted, of a successor that was lost again.
    pub after: Option<PathBuf>,
    /// The list of erasures that was kept beside the backups; none if nothing was ever erased.
    pub erasures: Option<PathBuf>,
    /// The keys of encryption at rest; the first encrypts, and the backup's log is under one of them if it is encrypted.
    pub keys: KeyRing,
    /// Opens a backup that is encrypted.
    pub identity: Option<Identity>,
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    /// The data folder.
    pub data: PathBuf,
    /// The new ledger's replica.
    pub replica: ReplicaId,
    /// The one before.
    pub former: ReplicaId,
    /// Entries of it that are known.
    pub known: Option<u64>,
    /// What was taken over.
    pub carried: Carried,
    /// Where the former ledger is kept as it was, for its proofs.
    pub archive: Option<PathBuf>,
    /// The signed statement.
    pub note: PathBuf,
}

/// Why no hub was made. Nothing is left of the attempt, and what was there is untouched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is not whole, or not what it says.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The kit does not serve.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// Backup and kit are of two hubs.
    #[error(
        "bản sao lưu và bộ khôi phục không cùng một máy chủ: {0} · the backup and the recovery kit are of two hubs: {0}"
    )]
    OtherHub(String),
    /// Another attempt goes on.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Something is there.
    #[error("{0} đã có dữ liệu: chọn thư mục mới · holds something already: choose a new folder")]
    Occupied(String),
    /// The log in the backup is damaged.
    #[error("sổ cái trong bản sao lưu bị hỏng: {0} · the ledger in the backup is damaged: {0}")]
    Damaged(String),
    /// The statements do not fit.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
    /// The new secrets cannot be made.
    #[error(transparent)]
    Successor(#[from] SuccessorError),
    /// The new secrets do not open.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A sealed file does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The registry does not open.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The first account cannot be made.
    #[error(transparent)]
    Account(#[from] InitError),
    /// The old log does not open.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The new ledger does not open.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An entry cannot be taken over.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The list of erasures does not serve.
    #[error(transparent)]
    Erasures(#[from] ExportedError),
    /// A file fails.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> RestoreError + use<> {
    let path = path.display().to_string();
    move |source| RestoreError::Io { path, source }
}

/// Makes a hub from a backup and the recovery kit.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    backup: &Path,
    options: &RestoreOptions,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
) -> Result<RestoreReport, RestoreError> {
    let kit = Kit::open(&options.kit, &options.passphrase)?;
    let target = Target::new(backup).opened_by(options.identity.clone());
    let (manifest, profile) = believed(&target, &kit)?;
    let known = TreeHead {
        size: manifest.size,
        root: manifest.root().ok_or_else(|| RestoreError::Damaged("root".to_owned()))?,
    };
    let ledger = ledger_of(&manifest)?;
    let mut names = profile.names.clone();
    names.extend(options.names.iter().filter(|name| !profile.names.contains(name)).cloned());
    let mut former = after(options, &kit, &ledger, manifest.successions.clone())?;
    // Of a successor that was lost again nothing is known.
    former.known = Some(known).filter(|_| former.told_only.is_empty());
    former.witnessed = witnessed(&target, &manifest, &ledger).filter(|_| former.told_only.is_empty());
    (former.backup, former.names) = (true, names);
    let list = erasures(options, &ledger, manifest.size)?;
    let place = Place::take(&options.data)?;
    let made = (|| {
        let archive = format!("former/{}", manifest.replica);
        lay_out(&target, &manifest, &place.part, &archive)?;
        let old = place.part.join(&archive).join("log");
        let (_, faults) = log::verify(&old, manifest.replica, &options.keys)?;
        if let Some(fault) = faults.first() {
            return Err(RestoreError::Damaged(fault.to_string()));
        }
        make_successor(&place.part, &kit, &former)?;
        let seal = unwrap_seal(&kit, &target.bytes(&manifest, &format!("secrets/{WRAPPED}"))?)?;
        let secrets = HubSecrets::load(&place.part)?;
        for name in SEALED {
            let path = format!("secrets/{name}");
            if manifest.file(&path).is_some() {
                let plain = seal.open(name, &target.bytes(&manifest, &path)?)?;
                secrets.seal.write(&secrets.dir, name, &plain)?;
            }
        }
        let path = format!("secrets/{RECEIPTS}");
        if manifest.file(&path).is_some() {
            let former = seal.open(RECEIPTS, &target.bytes(&manifest, &path)?)?;
            secrets.receipt_seeds.behind(&former)?;
        }
        let seed = seal.open("ledger.seed", &target.bytes(&manifest, "secrets/ledger.seed")?)?;
        let seed: [u8; 32] = seed.try_into().map_err(|_| SecretsError::Malformed("ledger.seed"))?;
        let key = Arc::new(SigningKey::from_seed(&seed).map_err(SecretsError::from)?);
        let reader = log::open_read_only(&old, manifest.replica, &options.keys)?;
        let own = place.part.join("catalogue");
        let damaged = |error: &dyn std::fmt::Display| RestoreError::Damaged(error.to_string());
        let published = Shelf::of(&place.part).kept().map_err(|error| damaged(&error))?;
        let catalogue = if own.is_dir() || published.is_some() {
            let overrides = own.is_dir().then_some(own.as_path());
            in_force(&place.part, overrides).map_err(|error| damaged(&error))?
        } else {
            catalogue
        };
        let mut opened = begin(&place.part, &secrets, &former, (catalogue, &options.keys), clock)?;
        let (carried, root) = carry(&reader, &ledger.origin, key, &mut opened)?;
        if (carried.entries, root) != (known.size, known.root) {
            let found = carried.entries;
            let fault = format!("{found} entries with another root than the manifest's {}", known.size);
            return Err(RestoreError::Damaged(fault));
        }
        enrol_again(&secrets, &mut opened, clock())?;
        // What it names is erased before anything is served.
        Exported::lay(&place.part, list)?;
        finish(&place.part, opened)?;
        Ok((secrets.profile.clone(), carried, archive))
    })();
    let (profile, carried, archive) = place.settle(made)?;
    Ok(report(&options.data, &profile, &former, carried, Some(options.data.join(archive))))
}

/// Makes a hub from nothing but the recovery kit: a new ledger with the statement, into which the nodes send their
/// logs again. What the province itself had written is not in them.
///
/// # Errors
/// [`RestoreError`].
pub fn rebuild(
    options: &RestoreOptions,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
) -> Result<RestoreReport, RestoreError> {
    let kit = Kit::open(&options.kit, &options.passphrase)?;
    let first = kit.first_ledger()?;
    let mut former = after(options, &kit, &first, Vec::new())?;
    let mut names = kit.profile.names.clone();
    names.extend(options.names.iter().filter(|name| !kit.profile.names.contains(name)).cloned());
    former.names = names;
    let list = erasures(options, &first, 0)?;
    let place = Place::take(&options.data)?;
    let made = (|| {
        make_successor(&place.part, &kit, &former)?;
        let secrets = HubSecrets::load(&place.part)?;
        let opened = begin(&place.part, &secrets, &former, (catalogue, &options.keys), clock)?;
        Exported::lay(&place.part, list)?;
        finish(&place.part, opened)?;
        Ok(secrets.profile.clone())
    })();
    let profile = place.settle(made)?;
    Ok(report(&options.data, &profile, &former, Carried::default(), None))
}

/// The list that was kept beside the backups: signed by the ledger, and no older than its backup.
fn erasures(
    options: &RestoreOptions,
    ledger: &Ledger,
    size: u64,
) -> Result<Vec<(Kept, Erasure)>, RestoreError> {
    let Some(path) = &options.erasures else { return Ok(Vec::new()) };
    Ok(Exported::read(path, (ledger.origin.as_str(), ledger.key), size)?)
}

fn report(
    data: &Path,
    profile: &HubProfile,
    former: &Former,
    carried: Carried,
    archive: Option<PathBuf>,
) -> RestoreReport {
    RestoreReport {
        data: data.to_owned(),
        replica: profile.replica,
        former: former.ledger.origin.replica(),
        known: former.known.map(|known| known.size),
        carried,
        archive,
        note: data.join(NOTE),
    }
}

/// The highest checkpoint of a backup's ledger that was witnessed, as it was kept; it may be behind what was copied.
fn witnessed(target: &Target, manifest: &Manifest, ledger: &Ledger) -> Option<TreeHead> {
    let kept = target.bytes(manifest, WITNESSED).ok()?;
    witnessed_head(&kept, ledger.origin.as_str(), ledger.key)
}

/// The ledger a backup is of.
fn ledger_of(manifest: &Manifest) -> Result<Ledger, RestoreError> {
    let altered = |what: &str| BackupError::Manifest(what.to_owned());
    let origin = manifest.origin.parse().map_err(|_| altered("origin"))?;
    Ok(Ledger { origin, key: manifest.key().ok_or_else(|| altered("key"))? })
}

/// The manifest, once it is signed by a ledger the kit vouches for, and every file is as it was copied.
fn believed(target: &Target, kit: &Kit) -> Result<(Manifest, HubProfile), RestoreError> {
    let read = target.manifest()?;
    let said = &read.manifest;
    if said.kind != "hub" {
        let kind = said.kind.clone();
        return Err(RestoreError::OtherHub(format!("a backup of a {kind}, of unit {}", said.unit)));
    }
    let (first, stated) = (kit.first_ledger()?, ledger_of(said)?);
    let recovery = lienthong_proto::hash::Signer::public_key(&kit.recovery_key()?);
    let vouched = if said.successions.is_empty() {
        first
    } else {
        follow(&first, &said.successions, recovery)
            .map_err(|error| RestoreError::OtherHub(error.to_string()))?
            .0
    };
    if vouched != stated {
        return Err(RestoreError::OtherHub(format!("{} ≠ {}", stated.origin, vouched.origin)));
    }
    let manifest = read.verify(vouched.key)?;
    let damaged = target.damaged(&manifest.files);
    if !damaged.is_empty() {
        return Err(BackupError::Damaged(damaged).into());
    }
    let profile = target.bytes(&manifest, "secrets/profile.json")?;
    let profile = serde_json::from_slice(&profile).map_err(|_| SecretsError::Malformed("profile.json"))?;
    Ok((manifest, profile))
}

/// The ledger to follow: the one known, or the last of the statements that nodes have accepted since.
fn after(
    options: &RestoreOptions,
    kit: &Kit,
    known: &Ledger,
    mut successions: Vec<String>,
) -> Result<Former, RestoreError> {
    let (mut ledger, mut told_only) = (known.clone(), Vec::new());
    if let Some(path) = &options.after {
        let text = std::fs::read_to_string(path).map_err(io(path))?;
        let notes: Vec<String> = serde_json::from_str(&text).unwrap_or_else(|_| vec![text]);
        let recovery = lienthong_proto::hash::Signer::public_key(&kit.recovery_key()?);
        (ledger, told_only) = follow(known, &notes, recovery)?;
        successions.extend(told_only.clone());
    }
    Ok(Former {
        ledger,
        successions,
        known: None,
        witnessed: None,
        told_only,
        backup: false,
        names: Vec::new(),
    })
}

/// Lays the backup out: the former log apart, the rest where it belongs; secrets are made anew.
fn lay_out(target: &Target, manifest: &Manifest, part: &Path, archive: &str) -> Result<(), RestoreError> {
    let place = |path: &str| match path.split_once('/') {
        Some(("secrets", _)) => None,
        Some(("log" | "witness", _)) => Some(format!("{archive}/{path}")),
        // What an earlier succession kept stays where it was.
        _ => Some(path.to_owned()),
    };
    let wanted: Vec<FileEntry> = manifest.files.clone();
    target.lay_out(&wanted, part, place)?;
    let copy = part.join(archive).join("manifest");
    let bytes = std::fs::read(target.manifest_path()).map_err(io(&copy))?;
    write_private(&copy, &bytes).map_err(io(&copy))?;
    Ok(())
}

/// Opens the new ledger and gives it its first entry.
fn begin(
    part: &Path,
    secrets: &HubSecrets,
    former: &Former,
    (catalogue, keys): (Arc<Catalogue>, &KeyRing),
    clock: fn() -> UnixMillis,
) -> Result<ledger::Opened, RestoreError> {
    let author = Author {
        replica: secrets.profile.replica,
        unit: secrets.profile.province.clone(),
        provincial_key: Arc::clone(&secrets.provincial_key),
    };
    let options = LedgerOptions { keys: keys.clone(), ..LedgerOptions::default() };
    let mut opened = ledger::open(part, author, catalogue, &options)?;
    let note = secrets.profile.successions.last().cloned().unwrap_or_default();
    let succession = |note: &str, before: ReplicaId| {
        let fields = BTreeMap::from([
            (SUCCESSION.1.to_owned(), Value::Text(note.to_owned())),
            ("replica".to_owned(), Value::Text(before.to_string())),
            ("unit".to_owned(), Value::Unit(secrets.profile.province.clone())),
            ("backup".to_owned(), Value::Boolean(former.backup)),
        ]);
        let actor = lienthong_node::cli::author();
        Event { kind: SUCCESSION.0.to_owned(), at: clock(), actor, fields }
    };
    say(&mut opened, &succession(&note, former.ledger.origin.replica()))?;
    for note in &former.told_only {
        let recovery = recovery_public(&secrets.profile).unwrap_or_default();
        let stated = Succession::verify(note, recovery)?;
        let mut event = succession(note, stated.former.origin.replica());
        event.fields.insert(CARRIED.to_owned(), Value::Text("statement".to_owned()));
        say(&mut opened, &event)?;
    }
    let path = part.join(NOTE);
    let notes = serde_json::to_vec_pretty(&secrets.profile.successions).unwrap_or_default();
    write_private(&path, &notes).map_err(io(&path))?;
    Ok(opened)
}

fn say(opened: &mut ledger::Opened, event: &Event) -> Result<(), JournalError> {
    let place = opened.journal.stage_event(event)?;
    let mut view = lienthong_node::store::Batch::default();
    opened.books.note_event(event, place, &mut view);
    opened.journal.commit()?;
    opened.journal.flush_with(view)
}

/// Whoever the registry has and the ledger up to the backup has not, was enrolled while it was made.
fn enrol_again(
    secrets: &HubSecrets,
    opened: &mut ledger::Opened,
    now: UnixMillis,
) -> Result<(), RestoreError> {
    for entry in Registry::open(secrets)?.list() {
        if opened.books.replicas.contains_key(&entry.replica) {
            continue;
        }
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(entry.replica.to_string())),
            ("unit".to_owned(), Value::Unit(entry.unit.clone())),
            ("role".to_owned(), Value::Text(entry.role.to_string())),
            ("log_key".to_owned(), Value::Text(entry.log_key.clone())),
            ("tls_key_hash".to_owned(), Value::Text(entry.tls_key_hash.clone())),
            (CARRIED.to_owned(), Value::Text("registry".to_owned())),
        ]);
        let event = Event { kind: "enrolment".to_owned(), at: now, actor: "restore".to_owned(), fields };
        say(opened, &event)?;
    }
    Ok(())
}

fn finish(part: &Path, mut opened: ledger::Opened) -> Result<(), RestoreError> {
    opened.journal.commit()?;
    opened.journal.flush()?;
    opened.journal.write_anchor()?;
    drop(opened);
    Ok(ensure_administrator(part)?)
}

/// A folder that is made beside the one it will be.
struct Place {
    data: PathBuf,
    part: PathBuf,
    _lock: DataLock,
}

impl Place {
    fn take(data: &Path) -> Result<Self, RestoreError> {
        let occupied = |path: &Path| RestoreError::Occupied(path.display().to_string());
        if data.exists() && std::fs::read_dir(data).map_err(io(data))?.next().is_some() {
            return Err(occupied(data));
        }
        let name = data.file_name().ok_or_else(|| occupied(data))?;
        let part = data.with_file_name(format!("{}.restoring", name.to_string_lossy()));
        DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(io(&part))?;
        let mark = part.join(UNFINISHED);
        // Only what an attempt of before has left is cleared away.
        if !mark.exists() {
            if std::fs::read_dir(&part).map_err(io(&part))?.next().is_some() {
                return Err(occupied(&part));
            }
            File::create_new(&mark).map_err(io(&mark))?;
        }
        let lock = DataLock::take(&part, "lienthong-hub restore")?;
        for left in std::fs::read_dir(&part).map_err(io(&part))? {
            let left = left.map_err(io(&part))?;
            let is_folder = left.file_type().map_err(io(&part))?.is_dir();
            match left.file_name().to_str() {
                Some(UNFINISHED | "lock") => Ok(()),
                _ if is_folder => std::fs::remove_dir_all(left.path()),
                _ => std::fs::remove_file(left.path()),
            }
            .map_err(io(&left.path()))?;
        }
        Ok(Self { data: data.to_owned(), part, _lock: lock })
    }

    /// Puts what was made in its place, or clears it away.
    fn settle<T>(&self, made: Result<T, RestoreError>) -> Result<T, RestoreError> {
        let settled = made.and_then(|made| {
            File::open(&self.part).and_then(|dir| dir.sync_all()).map_err(io(&self.part))?;
            std::fs::rename(&self.part, &self.data).map_err(io(&self.data))?;
            let parent = self.data.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            File::open(parent).and_then(|dir| dir.sync_all()).map_err(io(parent))?;
            // It says so only while it stands beside its place: whoever is cut off here has a whole hub.
            let _ = std::fs::remove_file(self.data.join(UNFINISHED));
            Ok(made)
        });
        if settled.is_err() {
            let _ = std::fs::remove_dir_all(&self.part);
        }
        settled
    }
}
