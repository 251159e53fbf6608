//! Mends a log that is damaged only below what the hub holds of it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use lienthong_proto::batch;
use lienthong_proto::checkpoint::SignedCheckpoint;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::Signer as _;
use lienthong_proto::ids::Sequence;
use lienthong_proto::merkle::Frontier;

use super::refill::{ask, entries_of};
use super::replace::erase_again;
use super::{RecoverError, RecoverReport, io, sync_folder};
use crate::app::CACHE_BYTES;
use crate::at_rest::KeyRing;
use crate::dataset::Payload;
use crate::identity::{NodeIdentity, Proxy};
use crate::lock::DataLock;
use crate::log::{self, Disk, LogWriter, salvage};
use crate::replica::log_dir;
use crate::store::{SledView, View as _};

/// Where the mended log is made.
const FRESH: &str = "log.recovering";

/// Whether a mended log waits to be put in the place of the damaged one, which was set aside already.
#[must_use]
pub fn is_half_mended(data: &Path) -> bool {
    !log_dir(data).exists() && data.join(FRESH).exists()
}

/// Takes back from the hub what is damaged, verified against the checkpoints this replica signed; entries
/// that were never sent are kept if they are whole.
///
/// # Errors
/// [`RecoverError`]; the damaged log is left as it is then.
pub async fn in_place(data: &Path) -> Result<RecoverReport, RecoverError> {
    in_place_through(data, None, &KeyRing::default()).await
}

/// As [`in_place`]; the hub is reached by a proxy, if one is given, and `keys` open and seal the log.
///
/// # Errors
/// As [`in_place`].
pub async fn in_place_through(
    data: &Path,
    proxy: Option<&Proxy>,
    keys: &KeyRing,
) -> Result<RecoverReport, RecoverError> {
    let _lock = DataLock::take(data, "lienthong-node recover")?;
    let identity = NodeIdentity::load(data)?.ok_or(RecoverError::NoIdentity)?.through(proxy);
    if data.join("regressed").exists() {
        return Err(RecoverError::NeedsToken);
    }
    let dir = log_dir(data);
    let fresh = data.join(FRESH);
    let mut report = RecoverReport { replica: identity.replica().to_string(), ..RecoverReport::default() };
    if is_half_mended(data) {
        std::fs::rename(&fresh, &dir).map_err(io(&fresh))?;
        sync_folder(data)?;
        return Ok(report);
    }
    let (found, faults) = log::verify(&dir, identity.replica(), keys)?;
    if faults.is_empty() && !is_outrun(data, found, keys) {
        return Err(RecoverError::Whole);
    }
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(io(&fresh))?;
    }
    let mut mended = Mended {
        writer: log::open_sealed(&fresh, identity.replica(), Disk::real(), keys)?.writer,
        frontier: Frontier::new(),
    };
    let mut pieces = ask(&identity, Some(identity.replica())).await?;
    while let Some(piece) =
        pieces.message().await.map_err(|status| RecoverError::Refused(status.message().to_owned()))?
    {
        mended.piece(&identity, piece.first, &piece.packed, &piece.checkpoint)?;
        report.refilled += u64::from(piece.count);
    }
    report.unreadable = mended.tail(&dir, keys)?;
    mended.finish()?;
    // The view is made again from the mended log.
    let view = data.join("view");
    if view.exists() {
        std::fs::remove_dir_all(&view).map_err(io(&view))?;
    }
    erase_again(data)?;
    let millis = crate::app::system_clock().0;
    let aside = data.join(format!("log.damaged-{millis}"));
    std::fs::rename(&dir, &aside).map_err(io(&dir))?;
    std::fs::rename(&fresh, &dir).map_err(io(&fresh))?;
    sync_folder(data)?;
    report.kept = Some(aside);
    Ok(report)
}

/// Whether the view was brought to more than the log has by now: its end is lost, and passes for one that was never
/// written. A view that does not open says nothing.
fn is_outrun(data: &Path, found: Sequence, keys: &KeyRing) -> bool {
    let view = data.join("view");
    let opened = view.exists().then(|| SledView::open_sealed(&view, CACHE_BYTES, keys));
    let applied = opened.and_then(Result::ok).and_then(|opened| opened.view.applied().ok().flatten());
    applied.is_some_and(|applied| applied > found.0)
}

struct Mended {
    writer: LogWriter,
    frontier: Frontier,
}

impl Mended {
    /// Appends a batch of the hub if it is, to the hash, what this replica signed.
    fn piece(
        &mut self,
        identity: &NodeIdentity,
        first: u64,
        packed: &[u8],
        checkpoint: &str,
    ) -> Result<(), RecoverError> {
        let foreign = || RecoverError::Foreign(first);
        let plain = batch::unpack(packed)?;
        let entries = batch::entries(&plain)?;
        if first != self.frontier.size() {
            return Err(foreign());
        }
        for bytes in &entries {
            self.enter(bytes)?;
        }
        let key = identity.log_key().public_key();
        let signed = SignedCheckpoint::verify(checkpoint.as_bytes(), &identity.origin(), key)
            .map_err(|_| foreign())?;
        if signed.checkpoint().size != self.frontier.size()
            || signed.checkpoint().root != self.frontier.root()
        {
            return Err(foreign());
        }
        let payload = Payload::Batch(packed);
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.writer.append_parts(count, &[&payload.prefix(), packed])?;
        Ok(())
    }

    fn enter(&mut self, bytes: &[u8]) -> Result<(), RecoverError> {
        let entry = Entry::decode(bytes)?;
        if entry.header.dot.sequence.0 != self.frontier.size() {
            return Err(RecoverError::Foreign(self.frontier.size()));
        }
        self.frontier.push(entry.leaf_hash());
        Ok(())
    }

    /// Appends what was never sent, if nothing of it is missing.
    fn tail(&mut self, dir: &Path, keys: &KeyRing) -> Result<u64, RecoverError> {
        let mut frames: BTreeMap<u64, Bytes> = BTreeMap::new();
        let skipped = salvage(dir, keys, &mut |frame| {
            frames.insert(frame.first.0, frame.payload);
        })
        .map_err(io(dir))?;
        let anchored = log::anchored(dir).map_err(io(dir))?;
        for (first, payload) in frames {
            let entries = entries_of(&payload)?;
            let next = self.frontier.size();
            if first + entries.len() as u64 <= next {
                continue;
            }
            if first > next {
                return Err(RecoverError::Unsent(next));
            }
            // A recovery's batch stands beside its entry and goes with it.
            if first == next && matches!(Payload::parse(&payload)?, Payload::Accepted { .. }) {
                for bytes in &entries {
                    self.enter(bytes)?;
                }
                self.writer.append_parts(1, &[&payload])?;
                continue;
            }
            let skip = usize::try_from(next - first).unwrap_or(usize::MAX);
            for bytes in entries.iter().skip(skip) {
                self.enter(bytes)?;
                let payload = Payload::Entry(bytes);
                self.writer.append_parts(1, &[&payload.prefix(), bytes])?;
            }
        }
        if self.frontier.size() < anchored {
            return Err(RecoverError::Unsent(self.frontier.size()));
        }
        Ok(skipped)
    }

    fn finish(mut self) -> Result<(), RecoverError> {
        self.writer.sync()?;
        self.writer.set_anchor(self.frontier.root(), &self.frontier.encode());
        self.writer.write_anchor()?;
        Ok(())
    }
}
