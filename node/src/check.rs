//! `check`: judges log, leaf hashes, checkpoints and view against each other, without changing anything.
//!
//! The log is read to its end and its root made again from the entries. Held against that root: the file of
//! leaf hashes, every receipt, and at a hub every acceptance against the batch beside it. Held against the
//! log: every record of the view, each of whose sources must be readable there; and against the view every
//! admitted change, whose record must be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::entry::{Entry, EntryKind, header_of};
use lienthong_proto::erasure::ErasedSet;
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::feed::{self, FeedNote};
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence};
use lienthong_proto::merkle::{Frontier, root_at};
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;
use serde_json::{Value as Json, json};

use crate::at_rest::KeyRing;
use crate::control::Answer;
use crate::dataset::{Dataset, Payload, Record};
use crate::erasing::Erasures;
use crate::identity::NodeIdentity;
use crate::lock::DataLock;
use crate::log::{self, Frame, HashFile, LogReader};
use crate::replica::{feed_taken, log_dir};
use crate::store::{SledView, View as _};
use crate::sync::{Evidence, KnownLedger};

/// Faults named one by one; more are only counted.
const FAULTS_MAX: usize = 100;
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// Checks a data folder that is not encrypted and names what differs.
#[must_use]
pub fn check(data: &Path, replica: ReplicaId) -> Answer {
    check_against(data, replica, &BTreeMap::new(), &KeyRing::default(), &|_, _| {})
}

/// As [`check`]; `keys` open what is encrypted. At a hub what is held of each replica is held against the size and root it
/// has signed. `tell` hears how many entries of how many were read.
#[must_use]
pub fn check_against(
    data: &Path,
    replica: ReplicaId,
    signed: &BTreeMap<ReplicaId, (u64, Digest)>,
    keys: &KeyRing,
    tell: &dyn Fn(u64, u64),
) -> Answer {
    let dir = log_dir(data);
    let (end, faults) = match log::verify(&dir, replica, keys) {
        Ok(found) => found,
        Err(error) => return Answer::failed(error),
    };
    let erasures = match Erasures::open(data) {
        Ok(erasures) => erasures,
        Err(error) => return Answer::failed(error),
    };
    let mut judge = Judge {
        replica,
        frontier: Frontier::new(),
        others: BTreeMap::new(),
        signed,
        reached: BTreeMap::new(),
        fed: BTreeMap::new(),
        receipts: receipts(data),
        erased: erasures.set().clone(),
        changes: Vec::new(),
        kept_out: BTreeSet::new(),
        faults: Vec::new(),
    };
    judge.faults.extend(faults.iter().map(ToString::to_string));
    let mut view = Json::Null;
    if judge.faults.is_empty() {
        match log::open_read_only(&dir, replica, keys) {
            Ok(reader) => {
                judge.log(&reader, end, tell);
                judge.hashes(&dir, end);
                view = judge.view(data, reader, keys);
            }
            Err(error) => judge.fault(error.to_string()),
        }
    }
    judge.granted(data, keys);
    judge.evidence(data);
    let root = hex::encode(judge.frontier.root());
    let replicas = judge.replicas();
    let exit = u8::from(!judge.faults.is_empty());
    let faults = judge.faults;
    let body = json!({ "entries": end, "root": root, "view": view, "replicas": replicas, "faults": faults });
    Answer { body, exit }
}

impl Judge<'_> {
    /// Each line of what the hub gave in return says what was written.
    fn evidence(&mut self, data: &Path) {
        let Some(damaged) = evidence(data).map(|evidence| evidence.damaged()) else { return };
        match damaged {
            Ok(damaged) => {
                let changed = damaged.changed.iter();
                changed.for_each(|(name, line)| self.fault(format!("{name}: line {line} was changed")));
            }
            Err(error) => self.fault(error.to_string()),
        }
    }

    /// At an agency's node: each delivery it holds goes on from the one before, and proves what it did.
    fn granted(&mut self, data: &Path, keys: &KeyRing) {
        let Ok(Some(identity)) = NodeIdentity::load(data) else { return };
        match crate::granted::judge(data, &identity, keys) {
            Ok(faults) => faults.into_iter().for_each(|fault| self.fault(fault)),
            Err(error) => self.fault(error.to_string()),
        }
    }
}

/// What the hub gave in return, as a node keeps it; nothing at a hub.
fn evidence(data: &Path) -> Option<Evidence> {
    data.join("receipts.jsonl").exists().then(|| Evidence::open(data, KnownLedger::default()).ok()).flatten()
}

/// Sizes and roots the hub has confirmed.
fn receipts(data: &Path) -> BTreeMap<u64, Digest> {
    let receipts = evidence(data).and_then(|evidence| evidence.receipts().ok()).unwrap_or_default();
    let parsed = receipts.iter().filter_map(|receipt| Checkpoint::parse_body(&receipt.checkpoint).ok());
    parsed.map(|checkpoint| (checkpoint.size, checkpoint.root)).collect()
}

struct Judge<'a> {
    replica: ReplicaId,
    frontier: Frontier,
    others: BTreeMap<ReplicaId, Frontier>,
    /// What others have signed of their logs.
    signed: &'a BTreeMap<ReplicaId, (u64, Digest)>,
    /// Whether the log held led through that, to the hash.
    reached: BTreeMap<ReplicaId, bool>,
    /// How far ledgers had come, by what others have logged of their feeds.
    fed: BTreeMap<ReplicaId, u64>,
    receipts: BTreeMap<u64, Digest>,
    /// What orders took.
    erased: ErasedSet,
    /// Admitted changes: where they stand in this log, and their records.
    changes: Vec<(u64, String, RecordId)>,
    /// Own changes the hub keeps out of the dataset.
    kept_out: BTreeSet<u64>,
    faults: Vec<String>,
}

impl Judge<'_> {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// What is held of each replica, and whether it is all that replica has signed.
    fn replicas(&self) -> Vec<Json> {
        let known = self.others.keys().chain(self.signed.keys());
        let known = known.chain(self.fed.keys().filter(|of| **of != self.replica)).collect::<BTreeSet<_>>();
        let told = |replica: &ReplicaId| {
            let held = self.others.get(replica);
            let signed = self.signed.get(replica).map(|(size, _)| *size);
            json!({
                "replica": replica,
                "size": held.map_or(0, Frontier::size),
                "root": hex::encode(held.map_or(lienthong_proto::merkle::EMPTY_ROOT, Frontier::root)),
                "signed": signed,
                "fed": self.fed.get(replica),
                "complete": signed.map(|size| size == 0 || self.reached.get(replica) == Some(&true)),
            })
        };
        known.into_iter().map(told).collect()
    }

    fn log(&mut self, reader: &LogReader, end: Sequence, tell: &dyn Fn(u64, u64)) {
        for frame in reader.clone().scan(Sequence(0)) {
            let judged = frame.map_err(|error| error.to_string()).and_then(|(_, frame)| {
                self.frame(&frame).map_err(|error| format!("entry {}: {error}", self.frontier.size()))
            });
            if let Err(fault) = judged {
                self.fault(fault);
                return;
            }
            tell(self.frontier.size(), end.0);
        }
        if self.frontier.size() != end.0 {
            let found = self.frontier.size();
            self.fault(format!("{found} entries were read, {end} were expected"));
        }
        if let Some((size, _)) = self.receipts.range(end.0 + 1..).next() {
            let size = *size;
            self.fault(format!("the hub confirmed {size} entries, the log has {end}"));
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Malformed> {
        let opened = |packed| batch::unpack(packed).map_err(|_| Malformed("a batch does not open"));
        match Payload::parse(&frame.payload)? {
            Payload::Entry(entry) => self.own(entry).map(|_| ()),
            Payload::Batch(packed) => {
                let plain = opened(packed)?;
                batch::entries(&plain)?.into_iter().try_for_each(|entry| self.own(entry).map(|_| ()))
            }
            Payload::Accepted { entry, packed } => {
                let place = self.frontier.size();
                let acceptance = self.own(entry)?;
                let plain = opened(packed)?;
                let beside = batch::entries(&plain)?;
                match Event::of(&Entry::decode(entry)?).ok().filter(|event| feed_taken(event).is_some()) {
                    Some(event) => self.fed(place, &event, packed, &beside),
                    None => self.beside(place, acceptance.as_ref(), &beside),
                }
            }
        }
    }

    /// An entry of this log.
    fn own(&mut self, bytes: &[u8]) -> Result<Option<Acceptance>, Malformed> {
        let entry = Entry::decode(bytes)?;
        let place = self.frontier.size();
        if entry.header.dot.replica != self.replica || entry.header.dot.sequence.0 != place {
            return Err(Malformed("it names another place or replica"));
        }
        self.frontier.push(entry.leaf_hash());
        let root = self.frontier.root();
        if self.receipts.get(&self.frontier.size()).is_some_and(|confirmed| *confirmed != root) {
            return Err(Malformed("the root is not the one the hub confirmed"));
        }
        match entry.header.kind {
            EntryKind::Change => {
                let change = Change::of(&entry)?;
                self.changes.push((place, change.record_type, change.record));
                Ok(None)
            }
            EntryKind::Acceptance => Acceptance::of(&entry).map(Some),
            EntryKind::Event => Ok(None),
        }
    }

    /// A piece of the feed beside the event that says it was taken.
    fn fed(&mut self, place: u64, event: &Event, packed: &[u8], beside: &[&[u8]]) -> Result<(), Malformed> {
        let stated = Value::Text(hex::encode(sha256(&[packed])));
        // Where something was erased it is packed anew; each entry of it is still what its commitments say.
        let erased =
            |bytes: &[u8]| header_of(bytes).is_ok_and(|header| self.erased.of(&header.dot).is_some());
        if event.fields.get("sha256") != Some(&stated) && !beside.iter().any(|bytes| erased(bytes)) {
            return Err(Malformed("the piece of the feed is not the one that was taken"));
        }
        for item in feed::items(beside)? {
            match (item.note, item.entry) {
                (FeedNote::Verdict { sequence, verdict: Verdict::Quarantined(_), .. }, _) => {
                    self.kept_out.insert(sequence.0);
                }
                (FeedNote::Verdict { sequence, .. }, _) => {
                    self.kept_out.remove(&sequence.0);
                }
                (FeedNote::Change { .. }, Some((_, bytes))) => {
                    // What this version does not understand is not in the view either.
                    if let Ok(change) = Change::of(&Entry::decode(bytes)?) {
                        self.changes.push((place, change.record_type, change.record));
                    }
                }
                (FeedNote::Change { .. }, None) => {}
            }
        }
        Ok(())
    }

    /// The batch beside an entry: at a hub it must be the one the acceptance names.
    fn beside(
        &mut self,
        place: u64,
        acceptance: Option<&Acceptance>,
        entries: &[&[u8]],
    ) -> Result<(), Malformed> {
        let Some(acceptance) = acceptance else {
            return entries.iter().try_for_each(|bytes| Entry::decode(bytes).map(|_| ()));
        };
        let frontier = self.others.entry(acceptance.replica).or_default();
        if frontier.size() != acceptance.first.0 {
            return Err(Malformed("the accepted batch does not continue its log"));
        }
        for (index, bytes) in entries.iter().enumerate() {
            let entry = Entry::decode(bytes)?;
            frontier.push(entry.leaf_hash());
            if let Some((size, root)) = self.signed.get(&acceptance.replica)
                && frontier.size() == *size
            {
                self.reached.insert(acceptance.replica, frontier.root() == *root);
            }
            if entry.header.kind == EntryKind::Event
                && let Some((_, to)) = Event::of(&entry).ok().as_ref().and_then(feed_taken)
            {
                let fed = self.fed.entry(to.of).or_default();
                *fed = to.cursor.ledger.max(*fed);
            }
            let verdict = u16::try_from(index).ok().and_then(|index| acceptance.verdicts.get(&index));
            if matches!(verdict, None | Some(Verdict::Proposal))
                && entry.header.kind == EntryKind::Change
                && let Ok(change) = Change::of(&entry)
            {
                self.changes.push((place, change.record_type, change.record));
            }
        }
        if frontier.size() != acceptance.size || frontier.root() != acceptance.root {
            return Err(Malformed("the accepted batch has another root than was accepted"));
        }
        Ok(())
    }

    fn hashes(&mut self, dir: &Path, end: Sequence) {
        match HashFile::open(dir, end.0) {
            // A shorter file is made longer at the next start.
            Ok(hashes) if hashes.len() < end.0 => {}
            Ok(hashes) => {
                if root_at(&hashes, end.0) != Some(self.frontier.root()) {
                    self.fault("the file of leaf hashes has another root than the log".to_owned());
                }
            }
            Err(error) => self.fault(format!("the file of leaf hashes: {error}")),
        }
    }

    /// Judges the view, unless a daemon has it.
    fn view(&mut self, data: &Path, reader: LogReader, keys: &KeyRing) -> Json {
        let dir = data.join("view");
        let Ok(_lock) = DataLock::take(data, "lienthong check") else {
            return json!(
                "chương trình đang chạy: dừng nó để kiểm tra cả bản dựng · the daemon runs: stop it to judge the view too"
            );
        };
        if !dir.exists() {
            return Json::Null;
        }
        let judged = SledView::inspect_sealed(&dir, CACHE_BYTES, keys)
            .map_err(|error| error.to_string())
            .and_then(|view| {
                let applied = view.applied().map_err(|error| error.to_string())?.unwrap_or(0);
                let frames = NonZeroUsize::MIN.saturating_add(15);
                let dataset = Dataset::open(Arc::new(view), reader, frames).map_err(|e| e.to_string())?;
                let records = self.records(&dataset, applied)?;
                Ok(json!({ "applied": applied, "records": records }))
            });
        judged.unwrap_or_else(|fault| {
            self.fault(format!("the view: {fault}"));
            Json::Null
        })
    }

    fn records(&mut self, dataset: &Dataset, applied: u64) -> Result<u64, String> {
        let catalogue = Catalogue::embedded().map_err(|error| error.to_string())?;
        let types: BTreeSet<String> = self.changes.iter().map(|(_, name, _)| name.clone()).collect();
        let mut count = 0;
        for name in &types {
            let mut after = None;
            loop {
                let page = dataset.page(name, after, 1_000).map_err(|error| error.to_string())?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (id, state) in &page {
                    count += 1;
                    if let Err(error) = Record::read(dataset.entries(), catalogue, name, *id, state) {
                        self.fault(format!("the view: {error}"));
                    }
                }
            }
        }
        for (place, name, id) in std::mem::take(&mut self.changes) {
            if self.kept_out.contains(&place) {
                continue;
            }
            if place < applied && dataset.state(&name, id).map_err(|error| error.to_string())?.is_none() {
                self.fault(format!("the view lacks record {id}, written by entry {place}"));
            }
        }
        Ok(count)
    }
}
