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
use super::{RECOVERING, RecoverError, RecoverReport, Refilled, io};
use crate::app::open_journal;
use crate::backup::{BackupError, Target};
use crate::identity::{NodeIdentity, Profile, Token, enrol, enrol_again};
use crate::lock::DataLock;
use crate::log::salvage;
use crate::replica::{Journal, log_dir};

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

/// Goes on as a new replica: enrols with `token` (unless an earlier attempt did), refills, writes again.
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
    let lock = DataLock::take(data, "lienthong-node recover")?;
    let mark = data.join(RECOVERING);
    // An attempt that had enrolled before it ended is taken up where it stands.
    let begun = mark.exists() && NodeIdentity::load(data)?.is_some();
    if let Some(token) = token.filter(|_| !begun) {
        let old = NodeIdentity::load(data)?;
        let address = hub.map(str::to_owned).or_else(|| old.as_ref().map(|old| old.profile().hub.clone()));
        let address = address.ok_or(RecoverError::NoIdentity)?;
        if let Some(old) = old {
            crate::identity::write_private(&mark, old.replica().to_string().as_bytes()).map_err(io(&mark))?;
            retire(data, old.replica())?;
        } else if !mark.exists() {
            crate::identity::write_private(&mark, b"").map_err(io(&mark))?;
        }
        enrol(data, &address, token).await?;
    }
    refill(data, lock, catalogue, clock).await
}

/// Goes on as a new replica by the old one's certificate, once the province has approved that. While it has not, nothing
/// is changed.
///
/// # Errors
/// [`RecoverError`]; run it again once the cause is gone.
pub async fn replace_approved(
    data: &Path,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
) -> Result<RecoverReport, RecoverError> {
    let lock = DataLock::take(data, "lienthong-node recover")?;
    let mark = data.join(RECOVERING);
    let old = NodeIdentity::load(data)?.ok_or(RecoverError::NoIdentity)?;
    let enrolment = enrol_again(&old).await?;
    crate::identity::write_private(&mark, old.replica().to_string().as_bytes()).map_err(io(&mark))?;
    retire(data, old.replica())?;
    enrolment.keep(data)?;
    refill(data, lock, catalogue, clock).await
}

/// Lays a backup's log aside in a folder that was never enrolled, as that of the replica to recover from; returns the
/// hub's address as the backup knows it.
///
/// # Errors
/// [`RecoverError`] if the backup is not whole, or the folder is in use.
pub fn from_backup(data: &Path, backup: &Path) -> Result<String, RecoverError> {
    let _lock = DataLock::take(data, "lienthong-node recover")?;
    let target = Target::new(backup);
    let read = target.manifest()?;
    let key = read.manifest.key().ok_or_else(|| BackupError::Manifest("key".to_owned()))?;
    let manifest = read.verify(key)?;
    if manifest.kind != "node" {
        return Err(BackupError::Foreign(backup.display().to_string()).into());
    }
    let damaged = target.damaged(&manifest.files);
    if !damaged.is_empty() {
        return Err(BackupError::Damaged(damaged).into());
    }
    let profile = target.bytes(&manifest, "identity/profile.json")?;
    let profile: Profile = serde_json::from_slice(&profile).map_err(|_| Malformed("profile.json"))?;
    let mark = data.join(RECOVERING);
    if NodeIdentity::load(data)?.is_some() {
        return Err(RecoverError::InUse(data.display().to_string()));
    }
    let kept = retired(data, manifest.replica);
    if kept.exists() {
        // An attempt of before has laid it out, perhaps not wholly.
        std::fs::remove_dir_all(&kept).map_err(io(&kept))?;
    }
    std::fs::create_dir_all(&kept).map_err(io(&kept))?;
    target.lay_out(&manifest.files, &kept, |path| Some(path.to_owned()))?;
    crate::identity::write_private(&mark, manifest.replica.to_string().as_bytes()).map_err(io(&mark))?;
    Ok(profile.hub)
}

/// Takes back what the hub holds of the unit, and writes again what it lacks of the former log.
async fn refill(
    data: &Path,
    lock: DataLock,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
) -> Result<RecoverReport, RecoverError> {
    let mark = data.join(RECOVERING);
    let identity = NodeIdentity::load(data)?.ok_or(RecoverError::NoIdentity)?;
    let former = std::fs::read_to_string(&mark).map_err(io(&mark))?;
    let mut refilled = Refilled::new(identity.unit().clone(), true);
    let (mut journal, _) = open_journal(data, &identity, catalogue, &mut refilled)
        .map_err(|error| RecoverError::Refused(error.to_string()))?;
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
    if let Ok(former) = former.trim().parse::<ReplicaId>() {
        let kept = retired(data, former);
        report.unreadable = write_again(&mut journal, &mut refilled, former, &kept, &mut report.rewritten)?;
        report.kept = Some(kept);
    }
    journal.commit()?;
    journal.flush()?;
    journal.write_anchor()?;
    drop(journal);
    std::fs::remove_file(&mark).map_err(io(&mark))?;
    drop(lock);
    Ok(report)
}

fn retired(data: &Path, replica: ReplicaId) -> PathBuf {
    data.join("retired").join(replica.to_string())
}

/// Sets the old replica's files aside.
fn retire(data: &Path, replica: ReplicaId) -> Result<(), RecoverError> {
    let kept = retired(data, replica);
    std::fs::create_dir_all(&kept).map_err(io(&kept))?;
    for part in PARTS {
        let from = data.join(part);
        if from.exists() {
            std::fs::rename(&from, kept.join(part)).map_err(io(&from))?;
        }
    }
    Ok(())
}

/// Writes again every change of the old log that the hub does not hold as it is; returns how many damaged
/// stretches were skipped.
fn write_again(
    journal: &mut Journal,
    refilled: &mut Refilled,
    former: ReplicaId,
    kept: &Path,
    rewritten: &mut u64,
) -> Result<u64, RecoverError> {
    let mut frames = Vec::new();
    let dir = log_dir(kept);
    if !dir.exists() {
        return Ok(0);
    }
    let skipped = salvage(&dir, &mut |frame| frames.push(frame)).map_err(io(&dir))?;
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
