//! A new replica for a unit whose old one is lost, damaged beyond mending, or fenced.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, Context, Write, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::withdrawal::Withdrawal;

use super::refill::{ask, entries_of};
use super::{RECOVERING, RecoverError, RecoverReport, Refilled, io, sync_folder};
use crate::app::open_journal;
use crate::at_rest::KeyRing;
use crate::backup::{BackupError, Identity, Target};
use crate::erasing::Erasures;
use crate::identity::{NodeIdentity, Profile, Proxy, Token, enrol_again, enrol_through, write_private};
use crate::lock::DataLock;
use crate::log::salvage;
use crate::replica::{Journal, log_dir};

/// Where the files of former replicas are kept, each in a folder of its name.
const RETIRED: &str = "retired";
/// Who a replica was, within its files.
const PROFILE: &str = "identity/profile.json";

/// What makes up a replica in a data folder, the identity last: without it the folder is not enrolled.
const PARTS: [&str; 8] = [
    "regressed",
    "log",
    "view",
    "receipts.jsonl",
    "proofs.jsonl",
    "notices.jsonl",
    "ledger.checkpoint",
    "identity",
];

/// Where a new replica's identity waits until the old one's files are set aside.
const NEXT: &str = "recovering.next";

/// Goes on as a new replica: enrols with `token`, or without one by the old replica's certificate, which the province
/// must have approved; refills; writes again. Until the hub has answered nothing is changed, and an attempt that ended
/// anywhere behind that is taken up where it stands.
///
/// # Errors
/// [`RecoverError`]; run it again once the cause is gone.
pub async fn replace(
    data: &Path,
    hub: Option<&str>,
    token: Option<&Token>,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
) -> Result<RecoverReport, RecoverError> {
    replace_through(data, (hub, None), token, catalogue, clock, &KeyRing::default()).await
}

/// As [`replace`]; the hub is reached by a proxy, if one is given, and `keys` open and seal what is stored.
///
/// # Errors
/// As [`replace`].
pub async fn replace_through(
    data: &Path,
    (hub, proxy): (Option<&str>, Option<&Proxy>),
    token: Option<&Token>,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
    keys: &KeyRing,
) -> Result<RecoverReport, RecoverError> {
    let lock = DataLock::take(data, "lienthong-node recover")?;
    // Records end careers: nobody else on this machine reads them.
    let mine = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(data, mine).map_err(io(data))?;
    let (mark, next) = (data.join(RECOVERING), data.join(NEXT));
    let there = NodeIdentity::profile_of(data)?;
    let marked = marked(&mark)?;
    // The identity there is the new one already, if it is another than the one to be recovered.
    let begun = marked.is_some() && there.as_ref().is_some_and(|there| marked != Some(Some(there.replica)));
    if !begun {
        if NodeIdentity::load(&next)?.is_none() {
            crate::folder::make(&next).map_err(io(&next))?;
            // By a token it needs none of the keys of before: they may be what is damaged.
            if let Some(token) = token {
                let address = hub.or_else(|| there.as_ref().map(|there| there.hub.as_str()));
                let address = address.ok_or(RecoverError::NoIdentity)?;
                enrol_through(&next, (address, proxy), token).await?;
            } else {
                let old = NodeIdentity::load(data)?.ok_or(RecoverError::NoIdentity)?.through(proxy);
                enrol_again(&old).await?.keep(&next)?;
            }
        }
        match &there {
            Some(there) => {
                write_private(&mark, there.replica.to_string().as_bytes()).map_err(io(&mark))?;
                retire(data, there.replica)?;
            }
            // What to recover from was laid out by a backup, or there is nothing.
            None if marked.is_none() => write_private(&mark, b"").map_err(io(&mark))?,
            None => {}
        }
        let (from, to) = (next.join("identity"), data.join("identity"));
        std::fs::rename(&from, &to).map_err(io(&from))?;
        sync_folder(data)?;
    }
    if next.exists() {
        std::fs::remove_dir_all(&next).map_err(io(&next))?;
    }
    refill((data, proxy), lock, catalogue, clock, keys).await
}

/// Whom a recovery that is not finished recovers from: nothing if there is none, or nobody is known.
fn marked(mark: &Path) -> Result<Option<Option<ReplicaId>>, RecoverError> {
    match std::fs::read_to_string(mark) {
        Ok(text) => Ok(Some(text.trim().parse().ok())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(mark)(error)),
    }
}

/// Lays a backup's log aside in a folder that was never enrolled, as that of the replica to recover from; returns the
/// hub's address as the backup knows it. `identity` opens one that is encrypted.
///
/// # Errors
/// [`RecoverError`] if the backup is not whole, or the folder is in use.
pub fn from_backup(data: &Path, backup: &Path, identity: Option<Identity>) -> Result<String, RecoverError> {
    let _lock = DataLock::take(data, "lienthong-node recover")?;
    let target = Target::new(backup).opened_by(identity);
    let read = target.manifest()?;
    let key = read.manifest.key().ok_or_else(|| BackupError::Manifest("key".to_owned()))?;
    let manifest = read.verify(key)?;
    if manifest.kind != "node" {
        return Err(BackupError::Foreign(backup.display().to_string()).into());
    }
    let profile = target.bytes(&manifest, PROFILE)?;
    let profile: Profile = serde_json::from_slice(&profile).map_err(|_| Malformed("profile.json"))?;
    let mark = data.join(RECOVERING);
    if let Some(there) = NodeIdentity::load(data)? {
        // An attempt of before has come further.
        let of_this = marked(&mark)? == Some(Some(manifest.replica)) && there.replica() != manifest.replica;
        let in_use = RecoverError::InUse(data.display().to_string());
        return if of_this { Ok(profile.hub) } else { Err(in_use) };
    }
    let kept = retired(data, manifest.replica);
    // What stands there is wholly laid out, or the log itself.
    if !kept.exists() {
        let damaged = target.damaged(&manifest.files);
        if !damaged.is_empty() {
            return Err(BackupError::Damaged(damaged).into());
        }
        let part = kept.with_extension("part");
        if part.exists() {
            std::fs::remove_dir_all(&part).map_err(io(&part))?;
        }
        crate::folder::make(&part).map_err(io(&part))?;
        target.lay_out(&manifest.files, &part, |path| Some(path.to_owned()))?;
        std::fs::rename(&part, &kept).map_err(io(&part))?;
        sync_folder(&data.join(RETIRED))?;
    }
    write_private(&mark, manifest.replica.to_string().as_bytes()).map_err(io(&mark))?;
    Ok(profile.hub)
}

/// Takes back what the hub holds of the unit, and writes again what it lacks of the former log.
async fn refill(
    (data, proxy): (&Path, Option<&Proxy>),
    lock: DataLock,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
    keys: &KeyRing,
) -> Result<RecoverReport, RecoverError> {
    let mark = data.join(RECOVERING);
    let identity = NodeIdentity::load(data)?.ok_or(RecoverError::NoIdentity)?.through(proxy);
    let former = marked(&mark)?.flatten();
    if let Some(former) = former {
        of_our_unit(&retired(data, former), &identity)?;
    }
    let mut refilled = Refilled::new(identity.unit().clone());
    let (mut journal, _) = open_journal(data, &identity, catalogue, &mut refilled, keys)
        .map_err(|error| RecoverError::Refused(error.to_string()))?;
    refilled.recall(journal.reader())?;
    let mut report = RecoverReport { replica: identity.replica().to_string(), ..RecoverReport::default() };
    let mut pieces = ask(&identity, None).await?;
    while let Some(piece) =
        pieces.message().await.map_err(|status| RecoverError::Refused(status.message().to_owned()))?
    {
        if piece.replica.as_ref() == identity.replica().0 {
            continue;
        }
        report.refilled += refilled.take(&mut journal, &piece, clock())?;
        journal.commit()?;
        if journal.wants_flush() {
            journal.flush()?;
        }
    }
    if let Some(former) = former {
        let kept = retired(data, former);
        report.unreadable =
            write_again(&mut journal, &mut refilled, (former, &log_dir(&kept), keys), &mut report.rewritten)?;
        report.kept = Some(kept);
    }
    journal.commit()?;
    journal.flush()?;
    journal.write_anchor()?;
    drop(journal);
    erase_again(data)?;
    std::fs::remove_file(&mark).map_err(io(&mark))?;
    sync_folder(data)?;
    drop(lock);
    Ok(report)
}

fn retired(data: &Path, replica: ReplicaId) -> PathBuf {
    data.join(RETIRED).join(replica.to_string())
}

/// What is written again must be the unit's own: a backup of another unit is of no use here.
fn of_our_unit(kept: &Path, identity: &NodeIdentity) -> Result<(), RecoverError> {
    let path = kept.join(PROFILE);
    if !path.exists() {
        return Ok(());
    }
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let profile: Profile = serde_json::from_slice(&bytes).map_err(|_| Malformed("profile.json"))?;
    if profile.unit != *identity.unit() {
        return Err(RecoverError::OtherUnit(profile.unit.to_string(), identity.unit().to_string()));
    }
    Ok(())
}

/// What was erased once is looked for again before anything is served: what a backup or a damaged log brought back is
/// older than the order.
pub(super) fn erase_again(data: &Path) -> Result<(), RecoverError> {
    let mut erasures = Erasures::open(data)?;
    if erasures.is_empty() { Ok(()) } else { Ok(erasures.again()?) }
}

/// Sets the old replica's files aside.
fn retire(data: &Path, replica: ReplicaId) -> Result<(), RecoverError> {
    let kept = retired(data, replica);
    crate::folder::make(&kept).map_err(io(&kept))?;
    for part in PARTS {
        let from = data.join(part);
        if from.exists() {
            std::fs::rename(&from, kept.join(part)).map_err(io(&from))?;
        }
    }
    sync_folder(&kept)
}

/// Writes again every change of the old log, the one in the folder `dir`, that the hub does not hold as it is; returns
/// how many damaged stretches were skipped.
///
/// # Errors
/// [`RecoverError`]; what was written again by then is not once more, if `refilled` was told of it as the log was opened.
pub fn write_again(
    journal: &mut Journal,
    refilled: &mut Refilled,
    (former, dir, keys): (ReplicaId, &Path, &KeyRing),
    rewritten: &mut u64,
) -> Result<u64, RecoverError> {
    let mut frames = Vec::new();
    if !dir.exists() {
        return Ok(0);
    }
    let skipped = salvage(dir, keys, &mut |frame| frames.push(frame)).map_err(io(dir))?;
    // Where the old log and what the hub holds of it part: from there on nothing was seen by both.
    let mut fork = None;
    for frame in frames {
        for bytes in entries_of(&frame.payload)? {
            let entry = Entry::decode(&bytes)?;
            let dot = entry.header.dot;
            if dot.replica != former || refilled.leaves.get(&dot) == Some(&entry.leaf_hash()) {
                continue;
            }
            let fork = *fork.get_or_insert(dot.sequence.0);
            if refilled.origins.contains_key(&dot) {
                continue;
            }
            let Ok(change) = Change::of(&entry) else { continue };
            let own = journal.author().replica;
            let writes =
                change.writes.iter().map(|write| again(write, former, fork, own, refilled)).collect();
            let sequence = journal.stage_again(&change, writes)?;
            refilled.origins.insert(dot, sequence);
            *rewritten += 1;
        }
        journal.commit()?;
        if journal.wants_flush() {
            journal.flush()?;
        }
    }
    Ok(skipped)
}

/// A write with its context as it holds for the new replica: what it had seen of the old log below the
/// fork stays seen; what it had seen above was written again, and is seen there.
fn again(write: &Write, former: ReplicaId, fork: u64, own: ReplicaId, refilled: &Refilled) -> Write {
    let mut context = Context::default();
    for (replica, seen) in write.context.iter() {
        if replica != former || seen < fork {
            context.raise(replica, seen);
            continue;
        }
        if let Some(below) = fork.checked_sub(1) {
            context.raise(former, below);
        }
        let range = Dot { replica: former, sequence: Sequence(fork) }..=Dot {
            replica: former,
            sequence: Sequence(seen),
        };
        if let Some((_, sequence)) = refilled.origins.range(range).next_back() {
            context.raise(own, sequence.0);
        }
    }
    // A withdrawal names what it had seen by dot.
    let renamed = |dot: Dot| match refilled.origins.get(&dot) {
        Some(sequence) => Dot { replica: own, sequence: *sequence },
        None => dot,
    };
    let value = match Withdrawal::of(&write.value).filter(|_| write.path == path::WITHDRAWN) {
        Some(withdrawal) => withdrawal.renamed(renamed).to_value(),
        None => write.value.clone(),
    };
    Write { context, value, path: write.path.clone() }
}
