//! The round that is open, who has cosigned it, and the latest checkpoint a quorum has.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_node::identity::write_private;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::merkle::{Hashes, root_at};
use lienthong_proto::note::{Note, Signature, Verifier};
use lienthong_proto::succession::TreeHead;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::witness::{FRESH_MILLIS, Policy};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::history::History;
use crate::ledger::Witnesses;

/// A round is closed so long after the one before, if the ledger grew.
pub const ROUND_MILLIS: u64 = 60_000;
/// Without growth the same checkpoint is asked for again after so long: its cosignatures stay fresh.
pub const REFRESH_MILLIS: u64 = 6 * 3_600 * 1_000;
/// A cosignature whose time is farther from the hub's is not taken: it would make old look fresh, or fresh old.
pub const SKEW_MILLIS: u64 = 10 * 60 * 1_000;

const FILE: &str = "witnessed.json";
/// Where a hub's folder has what was witnessed last.
pub const WITNESSED: &str = "witness/witnessed.json";

/// A checkpoint that the witnesses are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Of the ledger.
    pub checkpoint: Checkpoint,
    /// Signed by the ledger.
    pub note: String,
    /// When it was closed.
    pub at: UnixMillis,
    /// By what its cosignatures are judged, and where that stands.
    pub policy: Option<(u64, Policy)>,
}

/// A checkpoint that a quorum of witnesses has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Of the ledger.
    pub checkpoint: Checkpoint,
    /// The signed note: the ledger's line, then the witnesses', 16 at most.
    pub note: String,
    /// The time a quorum of the cosignatures has reached.
    pub at: UnixMillis,
    /// Where the policy stands that it is judged by.
    pub policy_index: u64,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Kept {
    note: String,
}

/// What became of a cosignature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It counts.
    Counted,
    /// It holds; its witness is none of those whose word counts.
    Beside,
    /// It is of a round that is over.
    Late,
    /// Its time is not now.
    Skewed,
}

/// A cosignature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cosignature is not one of this replica's witness key over the round")]
pub struct BadCosignature;

#[derive(Debug, Default)]
struct Inner {
    round: Option<Arc<Round>>,
    /// Of the open round, by the key's name.
    lines: BTreeMap<String, (u64, Signature)>,
    /// Who cosigned it beside the policy.
    beside: BTreeMap<ReplicaId, u64>,
    witnessed: Option<Arc<Witnessed>>,
}

/// The rounds of a ledger.
#[derive(Debug)]
pub struct Rounds {
    dir: PathBuf,
    inner: Mutex<Inner>,
    history: History,
    open: watch::Sender<Option<Arc<Round>>>,
    /// The size of what was witnessed last.
    reached: watch::Sender<u64>,
    /// Held by the one who closes a round.
    pub(super) closing: tokio::sync::Mutex<()>,
    /// Held while a roll is called for a delivery: whoever waits for it may do with that one.
    pub(crate) calling: tokio::sync::Mutex<()>,
}

impl Witnessed {
    /// What a note shows, if it is the ledger's and has the quorum of the policy that stands in it.
    #[must_use]
    pub fn of(note: &str, origin: &str, key: [u8; 32], witnesses: &Witnesses) -> Option<Self> {
        let signed = SignedCheckpoint::verify(note.as_bytes(), origin, key).ok()?;
        let checkpoint = signed.checkpoint().clone();
        let (policy_index, policy) = witnesses.policy_at(checkpoint.size)?;
        let (_, at) = policy.judge(signed.note()).ok()?;
        let at = UnixMillis(at?.saturating_mul(1_000));
        Some(Self { checkpoint, note: note.to_owned(), at, policy_index })
    }

    /// Whether it was witnessed within the last day: older ones give no ground for anything new, nor do those of a clock that was
    /// set back since.
    #[must_use]
    pub fn is_fresh(&self, now: UnixMillis) -> bool {
        now.since(self.at) <= FRESH_MILLIS && self.at.since(now) <= SKEW_MILLIS
    }
}

impl Rounds {
    /// Those of a hub's folder: the latest that a quorum has, judged again by what the ledger says.
    #[must_use]
    pub fn open(data: &Path, (origin, key): (&str, [u8; 32]), witnesses: &Witnesses) -> Self {
        let dir = data.join("witness");
        let witnessed = match std::fs::read(dir.join(FILE))
            .map(|bytes| serde_json::from_slice::<Kept>(&bytes))
        {
            Ok(Ok(kept)) => {
                let witnessed = Witnessed::of(&kept.note, origin, key, witnesses);
                if witnessed.is_none() {
                    tracing::error!(
                        "{FILE} shows no quorum of this ledger: what was witnessed comes back from the witnesses"
                    );
                }
                witnessed
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "{FILE} is not readable: what was witnessed comes back from the witnesses");
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!(%error, "{FILE} cannot be read: what was witnessed comes back from the witnesses");
                None
            }
        };
        let (reached, _) = watch::channel(witnessed.as_ref().map_or(0, |known| known.checkpoint.size));
        let inner = Inner { witnessed: witnessed.map(Arc::new), ..Inner::default() };
        let history = History::of(&dir);
        let (open, _) = watch::channel(None);
        let (closing, calling) = Default::default();
        Self { dir, inner: Mutex::new(inner), history, open, reached, closing, calling }
    }

    /// Of the rounds that are over, the latest of at most so many entries that a quorum had cosigned.
    #[must_use]
    pub fn before(
        &self,
        size: u64,
        (origin, key): (&str, [u8; 32]),
        witnesses: &Witnesses,
    ) -> Option<Witnessed> {
        let notes = self.history.notes();
        let notes = notes.inspect_err(|error| tracing::error!(%error, "the rounds before cannot be read"));
        let is_before = |note: &String| {
            let text = Note::parse(note.as_bytes()).ok();
            let checkpoint = text.and_then(|note| Checkpoint::parse_body(note.text()).ok());
            checkpoint.is_some_and(|checkpoint| checkpoint.size <= size)
        };
        notes.ok()?.filter(is_before).find_map(|note| Witnessed::of(&note, origin, key, witnesses))
    }

    /// Follows the rounds.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Round>>> {
        self.open.subscribe()
    }

    /// The open round.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Round>> {
        self.inner.lock().round.clone()
    }

    /// The latest checkpoint that a quorum has.
    #[must_use]
    pub fn witnessed(&self) -> Option<Arc<Witnessed>> {
        self.inner.lock().witnessed.clone()
    }

    /// How many of the policy's witnesses have cosigned the open round, and how many others.
    #[must_use]
    pub fn cosigned(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.lines.len(), inner.beside.len())
    }

    /// The size of what was witnessed last, as it grows.
    #[must_use]
    pub fn reached(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    /// Whether a ledger of `size` entries is due to be asked for.
    #[must_use]
    pub fn is_due(&self, size: u64, now: UnixMillis) -> bool {
        let inner = self.inner.lock();
        match &inner.round {
            None => size > 0,
            Some(round) if size > round.checkpoint.size => true,
            Some(round) => now.since(round.at) >= REFRESH_MILLIS,
        }
    }

    /// How long ago the open round was closed.
    #[must_use]
    pub fn age_millis(&self, now: UnixMillis) -> Option<u64> {
        self.inner.lock().round.as_ref().map(|round| now.since(round.at))
    }

    /// Opens a round; the one before goes into the history, with all its lines.
    ///
    /// # Errors
    /// The operating system's: the round is open all the same.
    pub fn close(&self, round: Round) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let kept = self.archive(&inner);
        let round = Arc::new(round);
        inner.round = Some(Arc::clone(&round));
        inner.lines.clear();
        inner.beside.clear();
        drop(inner);
        self.open.send_replace(Some(round));
        kept
    }

    /// Keeps the open round as far as it came; called once more at the end.
    fn archive(&self, inner: &Inner) -> io::Result<()> {
        let Some(round) = inner.round.as_ref().filter(|_| !inner.lines.is_empty()) else { return Ok(()) };
        let note = full(round, &inner.lines).ok_or(io::ErrorKind::InvalidData)?;
        // A round may be of what was witnessed before a restart, and not have come so far: that is not written over.
        let is_latest =
            inner.witnessed.as_ref().is_some_and(|witnessed| witnessed.checkpoint == round.checkpoint);
        if is_latest && quorum_at(round, &note).is_some() {
            self.keep(&note)?;
        }
        self.history.add(round.at, &note)
    }

    /// Keeps what is open, before the hub ends.
    ///
    /// # Errors
    /// The operating system's.
    pub fn end(&self) -> io::Result<()> {
        self.archive(&self.inner.lock())
    }

    fn keep(&self, note: &str) -> io::Result<()> {
        lienthong_node::folder::make(&self.dir)?;
        write_private(&self.dir.join(FILE), &serde_json::to_vec(&Kept { note: note.to_owned() })?)
    }

    /// A note that a witness holds and this hub lost: taken if it shows more than what is known, by a quorum of the policy
    /// that stands in the ledger, and of just this ledger. Whether at least as much is known now.
    #[must_use]
    pub fn bring_back(
        &self,
        note: &str,
        (origin, key): (&str, [u8; 32]),
        witnesses: &Witnesses,
        hashes: &dyn Hashes,
    ) -> bool {
        let Some(brought) = Witnessed::of(note, origin, key, witnesses) else { return false };
        let mut inner = self.inner.lock();
        let size = brought.checkpoint.size;
        if inner.witnessed.as_ref().is_some_and(|known| known.checkpoint.size >= size) {
            return true;
        }
        if root_at(hashes, size) != Some(brought.checkpoint.root) {
            tracing::error!(size, "a witness holds a checkpoint that this ledger does not come to");
            return false;
        }
        tracing::warn!(size, "what was witnessed came back from a witness");
        if let Err(error) = self.keep(note) {
            tracing::error!(%error, "what was witnessed cannot be kept");
        }
        self.reached.send_replace(size);
        inner.witnessed = Some(Arc::new(brought));
        true
    }

    /// A replica's cosignature of a round of `size` entries, by the key the ledger names.
    ///
    /// # Errors
    /// [`BadCosignature`]: nothing of it is kept.
    pub fn hear(
        &self,
        (replica, verifier): (ReplicaId, &Verifier),
        (size, line): (u64, &str),
        now: UnixMillis,
    ) -> Result<Heard, BadCosignature> {
        let mut inner = self.inner.lock();
        let Some(round) = inner.round.clone().filter(|round| round.checkpoint.size == size) else {
            return Ok(Heard::Late);
        };
        let signature = Signature::parse(line).map_err(|_| BadCosignature)?;
        let mut note = Note::new(&round.checkpoint.body()).map_err(|_| BadCosignature)?;
        note.add(signature.clone()).map_err(|_| BadCosignature)?;
        let verified = note.verify(std::slice::from_ref(verifier)).map_err(|_| BadCosignature)?;
        let time = verified.first().ok_or(BadCosignature)?.time;
        let skew = UnixMillis(time.saturating_mul(1_000)).0.abs_diff(now.0);
        if skew > SKEW_MILLIS {
            return Ok(Heard::Skewed);
        }
        let named = |(_, policy): &&(u64, Policy)| policy.names(verifier);
        let Some((policy_index, _)) = round.policy.as_ref().filter(named) else {
            inner.beside.insert(replica, time);
            return Ok(Heard::Beside);
        };
        inner.lines.insert(verifier.name().to_owned(), (time, signature));
        let Some(note) = full(&round, &inner.lines) else { return Err(BadCosignature) };
        let Some(at) = quorum_at(&round, &note) else { return Ok(Heard::Counted) };
        let known = inner.witnessed.as_ref().is_some_and(|known| known.checkpoint == round.checkpoint);
        let stale = inner.witnessed.as_ref().is_some_and(|known| now.since(known.at) > REFRESH_MILLIS);
        if (!known || stale)
            && let Err(error) = self.keep(&note)
        {
            tracing::error!(%error, "what was witnessed cannot be kept");
        }
        let (checkpoint, policy_index) = (round.checkpoint.clone(), *policy_index);
        self.reached.send_replace(checkpoint.size);
        inner.witnessed = Some(Arc::new(Witnessed { checkpoint, note, at, policy_index }));
        Ok(Heard::Counted)
    }
}

/// The note of a file that was kept, if the file is just what is written there.
#[must_use]
pub fn witnessed_note(kept: &[u8]) -> Option<String> {
    let read: Kept = serde_json::from_slice(kept).ok()?;
    (serde_json::to_vec(&read).ok()? == kept).then_some(read.note)
}

/// Size and root of what a file shows that was kept, if the ledger signed it.
#[must_use]
pub fn witnessed_head(kept: &[u8], origin: &str, key: [u8; 32]) -> Option<TreeHead> {
    let note = witnessed_note(kept)?;
    let signed = SignedCheckpoint::verify(note.as_bytes(), origin, key).ok()?;
    let Checkpoint { size, root, .. } = *signed.checkpoint();
    Some(TreeHead { size, root })
}

/// The time that a quorum of a round's witnesses has reached by the lines of its note, if a quorum has signed it.
fn quorum_at(round: &Round, note: &str) -> Option<UnixMillis> {
    let (_, policy) = round.policy.as_ref()?;
    let (_, at) = policy.judge(&Note::parse(note.as_bytes()).ok()?).ok()?;
    Some(UnixMillis(at?.saturating_mul(1_000)))
}

/// The round's note with the lines of its witnesses, in the policy's order.
fn full(round: &Round, lines: &BTreeMap<String, (u64, Signature)>) -> Option<String> {
    let mut note = Note::parse(round.note.as_bytes()).ok()?;
    for witness in round.policy.as_ref().map_or(&[][..], |(_, policy)| policy.witnesses()) {
        if let Some((_, signature)) = lines.get(witness.name()) {
            note.add(signature.clone()).ok()?;
        }
    }
    Some(note.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use lienthong_proto::cosignature::cosign;
    use lienthong_proto::hash::{Digest, Signer as _, SigningKey};
    use lienthong_proto::merkle::{Frontier, leaf_hash};
    use lienthong_proto::note::Algorithm;

    use super::*;

    const ORIGIN: &str = "hungyen.example/lienthong/33/hub";
    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    /// A ledger whose first entry names three witnesses, two of which are a quorum.
    struct Ledger {
        leaves: Vec<Digest>,
        key: SigningKey,
        witnesses: Vec<(ReplicaId, Verifier, SigningKey)>,
        known: Witnesses,
    }

    impl Hashes for Ledger {
        fn leaf(&self, index: u64) -> Option<Digest> {
            self.leaves.get(usize::try_from(index).ok()?).copied()
        }

        fn tile(&self, _level: u8, _index: u64) -> Option<Digest> {
            None
        }
    }

    impl Ledger {
        fn new(seed: u8) -> Self {
            let witness = |number: u8| {
                let key = SigningKey::from_seed(&[number; 32]).unwrap();
                let name = format!("{ORIGIN}/{number}/witness");
                let verifier = Verifier::new(&name, Algorithm::Cosignature, key.public_key()).unwrap();
                (ReplicaId([number; 16]), verifier, key)
            };
            let witnesses: Vec<_> = (1..=3).map(witness).collect();
            let policy = Policy::new(witnesses.iter().map(|(_, verifier, _)| verifier.clone()).collect());
            let known = Witnesses { policies: [(0, policy.unwrap())].into(), ..Witnesses::default() };
            let leaves = (0..20).map(|index| leaf_hash(&[index, seed])).collect();
            Self { leaves, key: SigningKey::from_seed(&[9; 32]).unwrap(), witnesses, known }
        }

        fn round(&self, size: u64) -> Round {
            let mut frontier = Frontier::new();
            self.leaves.iter().take(usize::try_from(size).unwrap()).for_each(|leaf| frontier.push(*leaf));
            let checkpoint =
                Checkpoint { origin: ORIGIN.to_owned(), size, root: frontier.root(), roll: None };
            let note = checkpoint.sign(&self.key).unwrap().to_string();
            let policy = self.known.policy_at(size).map(|(place, policy)| (place, policy.clone()));
            Round { checkpoint, note, at: NOW, policy }
        }

        fn open(&self, data: &Path) -> Rounds {
            Rounds::open(data, (ORIGIN, self.key.public_key()), &self.known)
        }

        fn cosigned_by(&self, rounds: &Rounds, which: &[usize]) {
            let round = rounds.current().unwrap();
            for (replica, verifier, key) in which.iter().map(|index| &self.witnesses[*index]) {
                let line = cosign(&round.checkpoint, NOW.0 / 1_000, verifier.name(), key).unwrap();
                let heard = rounds.hear((*replica, verifier), (round.checkpoint.size, &line), NOW);
                assert_eq!(heard, Ok(Heard::Counted));
            }
        }

        fn brought(&self, rounds: &Rounds, note: &str) -> bool {
            rounds.bring_back(note, (ORIGIN, self.key.public_key()), &self.known, self)
        }

        /// What a quorum of `which` makes of a round of `size` entries.
        fn note(&self, size: u64, which: &[usize]) -> String {
            let dir = tempfile::tempdir().unwrap();
            let rounds = self.open(dir.path());
            rounds.close(self.round(size)).unwrap();
            self.cosigned_by(&rounds, which);
            let inner = rounds.inner.lock();
            full(inner.round.as_ref().unwrap(), &inner.lines).unwrap()
        }
    }

    /// The same checkpoint is asked for again after a restart; stopped before a quorum has come again, it is still
    /// witnessed.
    #[test]
    fn p6_a_round_without_a_quorum_never_takes_the_place_of_one_with() {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new(0));
        let rounds = ledger.open(dir.path());
        rounds.close(ledger.round(5)).unwrap();
        ledger.cosigned_by(&rounds, &[0, 1]);
        rounds.end().unwrap();
        let witnessed = ledger.open(dir.path()).witnessed().unwrap();
        let again = ledger.open(dir.path());
        again.close(ledger.round(5)).unwrap();
        ledger.cosigned_by(&again, &[2]);
        again.end().unwrap();
        assert_eq!(ledger.open(dir.path()).witnessed(), Some(witnessed));
    }

    /// What a roll stands behind is found among the rounds that are over, also after a restart: the last of those a quorum had,
    /// and no later one.
    #[test]
    fn p9_what_was_witnessed_before_a_place_is_found() {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new(0));
        let rounds = ledger.open(dir.path());
        for (size, which) in [(3, [0, 1].as_slice()), (5, &[0, 2]), (7, &[1]), (9, &[0, 1])] {
            rounds.close(ledger.round(size)).unwrap();
            ledger.cosigned_by(&rounds, which);
        }
        rounds.end().unwrap();
        for rounds in [rounds, ledger.open(dir.path())] {
            let before = |size| {
                let found = rounds.before(size, (ORIGIN, ledger.key.public_key()), &ledger.known);
                found.map(|found| found.checkpoint.size)
            };
            assert_eq!([2, 3, 4, 8, 9].map(before), [None, Some(3), Some(3), Some(5), Some(9)]);
        }
    }

    /// What came back is there at once and after the next start; what is less, or no quorum's, or another tree's, is not
    /// taken.
    #[test]
    fn p6_only_what_a_quorum_saw_of_this_ledger_comes_back() {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new(0));
        let rounds = ledger.open(dir.path());
        for bad in [ledger.note(5, &[0]), Ledger::new(1).note(5, &[0, 1]), String::new(), "x".repeat(9_000)] {
            assert!(!ledger.brought(&rounds, &bad));
            assert!(rounds.witnessed().is_none());
        }
        let note = ledger.note(5, &[0, 2]);
        assert!(ledger.brought(&rounds, &note));
        assert_eq!(*rounds.reached().borrow(), 5);
        assert!(ledger.brought(&rounds, &ledger.note(4, &[0, 1])), "more is known already");
        for rounds in [rounds, ledger.open(dir.path())] {
            assert_eq!(rounds.witnessed().unwrap().note, note);
        }
    }
}
