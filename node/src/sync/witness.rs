//! This node as a witness of the ledger: cosigns its checkpoints, and refuses a ledger that is not the one it has seen.
//!
//! What it cosigned is on its disk before the cosignature leaves. Key and state are one file: a state that is lost takes
//! its key along, and another key promises nothing about what this one had seen.

mod rolls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use lienthong_proto::cosignature::cosign;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::hash::{Digest, Signer, SigningKey};
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::note::{Note, NoteError, Verifier};
use lienthong_proto::roll::Member;
use lienthong_proto::succession::Ledger;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{FRESH_MILLIS, Fork, Introduced, Policy, of_one_ledger, witness_name};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::identity::{NodeIdentity, read_private, write_private};

/// Beside the other keys.
const FILE: &str = "identity/witness.json";

/// Why a round is refused: the ledger is not the one known.
#[derive(Debug, thiserror::Error)]
pub enum RoundFault {
    /// Not a checkpoint of the ledger, by its key.
    #[error("a round without a good checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Another tree than the one seen.
    #[error("a round of another ledger: {0}")]
    Fork(#[from] Fork),
    /// Less than was cosigned.
    #[error("a round of {found} entries, {cosigned} were cosigned")]
    Backwards {
        /// As cosigned.
        cosigned: u64,
        /// As asked for.
        found: u64,
    },
}

/// Why a checkpoint that is said to be witnessed is not believed.
#[derive(Debug, thiserror::Error)]
pub enum QuorumFault {
    /// None is shown, and there was one.
    #[error("the province shows no witnessed checkpoint, and had one of {0} entries")]
    Gone(u64),
    /// An older one than before.
    #[error("the witnessed checkpoint has {found} entries, one of {known} was shown before")]
    Older {
        /// As known.
        known: u64,
        /// As shown.
        found: u64,
    },
    /// Not enough witnesses.
    #[error("{found} of {quorum} witnesses have signed it")]
    TooFew {
        /// As found.
        found: usize,
        /// As needed.
        quorum: usize,
    },
    /// It is judged by a policy this node does not have.
    #[error("its policy is not known")]
    Policy,
    /// Its note is not one of the ledger.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A witness's line does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is another tree's.
    #[error(transparent)]
    Fork(#[from] Fork),
    /// The policy's entry is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The policy does not stand where it is said to.
    #[error("its policy does not stand in the ledger: {0}")]
    Path(#[from] ProofError),
}

/// A policy and its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptPolicy {
    index: u64,
    /// Keys as text.
    witnesses: Vec<String>,
    quorum: usize,
}

/// The file.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The witness's key, hex.
    seed: String,
    /// The ledger it is about.
    ledger: String,
    /// Since when.
    since: UnixMillis,
    /// The checkpoint cosigned last, signed by the ledger.
    cosigned: Option<String>,
    /// The latest one with a quorum, and the time the quorum had reached.
    witnessed: Option<(String, UnixMillis)>,
    policy: Option<KeptPolicy>,
    /// The unit's replicas it was shown, with the time of their enrolment.
    #[serde(default)]
    replicas: BTreeMap<ReplicaId, UnixMillis>,
    /// Those of them that were revoked, fenced or replaced.
    #[serde(default)]
    ended: BTreeSet<ReplicaId>,
    /// The places of the last rolls that were shown, and from where on none was.
    #[serde(default)]
    rolls: BTreeSet<u64>,
    #[serde(default)]
    rolls_seen: u64,
    /// The unit's line of the last roll that was found true.
    #[serde(default)]
    judged: Vec<Member>,
    /// Why a roll was found false, until a true one follows.
    #[serde(default)]
    false_roll: Option<String>,
    /// How the hub dated what it had taken back, until it dates something as it should.
    #[serde(default)]
    dated: Option<String>,
    /// Which acceptance is not what was promised, until one is proven to be.
    #[serde(default)]
    unproven: Option<String>,
}

/// Whose witness it is.
pub struct Bearer<'a> {
    /// The replica.
    pub replica: ReplicaId,
    /// Its log's name.
    pub origin: &'a str,
    /// Its log's key.
    pub log: &'a dyn Signer,
}

/// A witness.
pub struct Witness {
    path: PathBuf,
    key: SigningKey,
    name: String,
    introduced: Introduced,
    kept: Mutex<Kept>,
    /// Why no cosignature is given now.
    withheld: Mutex<Option<String>>,
    /// Which roll the last round named that was not shown.
    unshown: Mutex<Option<String>>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The checkpoint of a note that was verified when it was kept.
pub(super) fn checkpoint_of(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse_body(Note::parse(note.as_bytes()).ok()?.text()).ok()
}

fn digests(path: &[Bytes]) -> Result<Vec<Digest>, Malformed> {
    let step = |step: &Bytes| step.as_ref().try_into().map_err(|_| Malformed("a step of the path"));
    path.iter().map(step).collect()
}

/// The consistency proof of a message, if it is between a checkpoint and one of that size.
pub(super) fn path_between(proof: Option<&wire::Consistency>, size: u64) -> Option<Vec<Digest>> {
    let proof = proof.filter(|proof| proof.between == size)?;
    digests(&proof.path).ok()
}

impl Witness {
    /// The witness of a data folder; a new one if there is none, or it cannot be read any more.
    ///
    /// # Errors
    /// The operating system's, if a new one cannot be kept.
    pub fn open(data: &Path, identity: &NodeIdentity, now: UnixMillis) -> std::io::Result<Self> {
        let (origin, ledger) = (identity.origin(), identity.ledger().origin.to_string());
        let bearer =
            Bearer { replica: identity.replica(), origin: &origin, log: identity.log_key().as_ref() };
        Self::of(data, &bearer, ledger, (rand::random, now))
    }

    /// As [`Witness::open`], for whoever has no identity's files: the witness of a replica about a ledger of that name;
    /// `seed` gives a new one its key.
    ///
    /// # Errors
    /// As [`Witness::open`].
    pub fn of(
        data: &Path,
        bearer: &Bearer<'_>,
        ledger: String,
        (seed, now): (fn() -> [u8; 32], UnixMillis),
    ) -> std::io::Result<Self> {
        let path = data.join(FILE);
        let read = match read_private(&path) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let key_of = |kept: &Kept| {
            let mut seed = [0; 32];
            hex::decode_to_slice(&kept.seed, &mut seed).ok()?;
            SigningKey::from_seed(&seed).ok()
        };
        let usable = read.and_then(|kept| Some((key_of(&kept)?, kept)));
        let (key, kept) = match usable {
            Some(usable) => usable,
            None => {
                if path.exists() {
                    tracing::warn!(
                        "{FILE} is not readable: this node is a witness with a new key from now on"
                    );
                }
                let seed = seed();
                let key = SigningKey::from_seed(&seed).map_err(std::io::Error::other)?;
                (key, Kept::new(hex::encode(seed), ledger, now))
            }
        };
        let introduced = Introduced::sign(&bearer.replica, bearer.log, &key);
        let name = witness_name(bearer.origin);
        let (withheld, unshown) = Default::default();
        let witness = Self { path, key, name, introduced, kept: Mutex::new(kept), withheld, unshown };
        if !witness.path.exists() {
            witness.keep(&witness.kept.lock())?;
        }
        Ok(witness)
    }

    fn keep(&self, kept: &Kept) -> std::io::Result<()> {
        write_private(&self.path, &serde_json::to_vec(kept)?)
    }

    /// Keeps what changed, durably, before it counts.
    fn change(&self, change: impl FnOnce(&mut Kept)) -> std::io::Result<()> {
        let mut kept = self.kept.lock();
        let mut next = kept.clone();
        change(&mut next);
        self.keep(&next)?;
        *kept = next;
        Ok(())
    }

    /// From now on it is about this ledger; what it promised about another stands in its cosignatures.
    ///
    /// # Errors
    /// The operating system's.
    pub fn turn_to(&self, ledger: &Ledger, now: UnixMillis) -> std::io::Result<()> {
        let origin = ledger.origin.to_string();
        if self.kept.lock().ledger == origin {
            return Ok(());
        }
        (*self.withheld.lock(), *self.unshown.lock()) = (None, None);
        self.change(|kept| *kept = Kept::new(kept.seed.clone(), origin, now))
    }

    /// The checkpoint cosigned last, signed by the ledger.
    #[must_use]
    pub fn cosigned(&self) -> Option<String> {
        self.kept.lock().cosigned.clone()
    }

    /// What a greeting says of it.
    pub fn greet(&self, hello: &mut wire::Hello) {
        hello.witness_key = self.introduced.key.to_vec().into();
        hello.witness_key_proof = self.introduced.proof.clone().into();
        hello.witness_key_vouched = self.introduced.vouched.clone().into();
        let kept = self.kept.lock();
        hello.policy_seen = kept.policy.as_ref().map_or(0, |policy| policy.index + 1);
        let witnessed = kept.witnessed.as_ref().and_then(|(note, _)| checkpoint_of(note));
        hello.witnessed_seen = witnessed.map_or(0, |checkpoint| checkpoint.size);
        hello.rolls_seen = kept.rolls_seen;
    }

    /// Judges what a welcome, whose checkpoint was found good, says of other witnesses; without a quorum where there
    /// was one, no cosignature is given. `proven` says whether the checkpoint follows from what had been seen.
    pub fn welcomed(&self, ledger: &Ledger, welcome: &wire::Welcome, shown: &Checkpoint, proven: bool) {
        if let Err(fault) = self.shown_replicas(&welcome.enrolments)
            && let Err(error) = self.found_false(&fault, None)
        {
            tracing::error!(%error, "what is said of the unit's replicas cannot be kept");
        }
        let withheld = if proven {
            self.quorum(ledger, welcome.witnessed.as_ref(), shown).err().map(|fault| fault.to_string())
        } else {
            Some("the province does not prove that its ledger follows from the one seen".to_owned())
        };
        if let Some(reason) = &withheld {
            tracing::warn!(reason, "this node gives no cosignature");
        }
        *self.withheld.lock() = withheld;
    }

    fn quorum(
        &self,
        ledger: &Ledger,
        witnessed: Option<&wire::Witnessed>,
        shown: &Checkpoint,
    ) -> Result<(), QuorumFault> {
        let known = self.kept.lock().clone();
        let before = known.witnessed.as_ref().and_then(|(note, _)| checkpoint_of(note));
        let before = before.map_or(0, |checkpoint| checkpoint.size);
        let Some(witnessed) = witnessed else {
            return if before == 0 { Ok(()) } else { Err(QuorumFault::Gone(before)) };
        };
        let note = match &known.witnessed {
            Some((note, _)) if witnessed.note.is_empty() => note.clone(),
            _ => witnessed.note.clone(),
        };
        let signed = SignedCheckpoint::verify(note.as_bytes(), ledger.origin.as_str(), ledger.key)?;
        let checkpoint = signed.checkpoint();
        if checkpoint.size < before {
            return Err(QuorumFault::Older { known: before, found: checkpoint.size });
        }
        of_one_ledger(checkpoint, shown, &digests(&witnessed.path)?)?;
        let policy = match known.policy {
            Some(known) if witnessed.policy.is_empty() && known.index == witnessed.policy_index => known,
            _ => policy_of(witnessed, shown)?,
        };
        if policy.index >= checkpoint.size {
            return Err(QuorumFault::Policy);
        }
        let rule = policy.read()?;
        let (found, at) = rule.judge(signed.note())?;
        let at = at.ok_or(QuorumFault::TooFew { found, quorum: rule.quorum() })?;
        let at = UnixMillis(at.saturating_mul(1_000));
        let news = Some((note, at));
        if news != known.witnessed
            && let Err(error) = self.change(|kept| (kept.witnessed, kept.policy) = (news, Some(policy)))
        {
            tracing::error!(%error, "what was witnessed cannot be kept");
        }
        Ok(())
    }

    /// Judges a round against the longest checkpoint seen (signed by the ledger) and cosigns it; an empty line where
    /// no cosignature is given now. The round's checkpoint comes along.
    ///
    /// # Errors
    /// [`RoundFault`]: the ledger is not the one known, and nothing more may be said to it.
    pub fn round(
        &self,
        ledger: &Ledger,
        round: &wire::Round,
        seen: Option<&Checkpoint>,
        now: UnixMillis,
    ) -> Result<(wire::Cosigned, Option<Checkpoint>), RoundFault> {
        let text = round.checkpoint.as_bytes();
        let signed = SignedCheckpoint::verify(text, ledger.origin.as_str(), ledger.key)?;
        let checkpoint = signed.checkpoint().clone();
        let cosigned = self.cosigned().as_deref().and_then(checkpoint_of);
        let cosigned = cosigned.filter(|cosigned| cosigned.origin == checkpoint.origin);
        if let Some(cosigned) = cosigned.as_ref().filter(|cosigned| checkpoint.size < cosigned.size) {
            return Err(RoundFault::Backwards { cosigned: cosigned.size, found: checkpoint.size });
        }
        let Some(seen) = seen.filter(|seen| seen.origin == checkpoint.origin) else {
            return Ok((wire::Cosigned { size: checkpoint.size, ..wire::Cosigned::default() }, None));
        };
        let silent = |seen: u64| {
            let kept = self.kept.lock();
            wire::Cosigned {
                size: checkpoint.size,
                seen,
                rolls_seen: kept.rolls_seen,
                fault: kept.false_roll.clone().unwrap_or_default(),
                ..wire::Cosigned::default()
            }
        };
        // Proven from elsewhere: it is asked again from here.
        let Some(path) = path_between(round.seen.as_ref(), seen.size) else {
            return Ok((silent(seen.size), None));
        };
        of_one_ledger(seen, &checkpoint, &path)?;
        let reached = seen.size.max(checkpoint.size);
        if round.witnessed.is_some() {
            let judged = self.quorum(ledger, round.witnessed.as_ref(), &checkpoint);
            *self.withheld.lock() = judged.err().map(|fault| fault.to_string());
        }
        let false_roll = self.kept.lock().false_roll.is_some();
        if self.withheld.lock().is_some() {
            let witnessed = self.kept.lock().witnessed.clone().map_or_else(String::new, |(note, _)| note);
            return Ok((wire::Cosigned { witnessed, ..silent(reached) }, Some(checkpoint)));
        }
        if false_roll || round.more_rolls {
            return Ok((silent(reached), Some(checkpoint)));
        }
        let unshown = self.unshown_roll(&checkpoint);
        self.unshown.lock().clone_from(&unshown);
        if let Some(fault) = unshown.or_else(|| self.kept.lock().misdated()) {
            tracing::error!(fault, "this node gives no cosignature");
            return Ok((wire::Cosigned { fault, ..silent(reached) }, Some(checkpoint)));
        }
        let text = round.checkpoint.clone();
        if cosigned.as_ref() != Some(&checkpoint)
            && let Err(error) = self.change(|kept| kept.cosigned = Some(text))
        {
            tracing::error!(%error, "what is to be cosigned cannot be kept: it is not cosigned");
            return Ok((silent(reached), Some(checkpoint)));
        }
        let line = cosign(&checkpoint, now.0 / 1_000, &self.name, &self.key).unwrap_or_default();
        Ok((wire::Cosigned { line, ..silent(reached) }, Some(checkpoint)))
    }

    /// The time a quorum had reached on the latest witnessed checkpoint that was shown.
    #[must_use]
    pub fn witnessed_at(&self) -> Option<UnixMillis> {
        self.kept.lock().witnessed.as_ref().map(|(_, at)| *at)
    }

    /// Keeps how the hub dated what it took, from the first time it did so falsely to where it no longer does; whether that is news.
    ///
    /// # Errors
    /// The operating system's.
    pub fn found_dated(&self, fault: Option<String>) -> std::io::Result<bool> {
        if self.kept.lock().dated.is_some() == fault.is_some() {
            return Ok(false);
        }
        self.change(|kept| kept.dated = fault)?;
        Ok(true)
    }

    /// Keeps which acceptance is not what was promised, from the first one that is not to the next that is proven; whether that
    /// is news.
    ///
    /// # Errors
    /// The operating system's.
    pub fn found_unproven(&self, fault: Option<String>) -> std::io::Result<bool> {
        if self.kept.lock().unproven == fault {
            return Ok(false);
        }
        self.change(|kept| kept.unproven = fault)?;
        Ok(true)
    }

    /// What people must hear: no cosignature is given and why, or nothing was witnessed for a day.
    #[must_use]
    pub fn alarm(&self, now: UnixMillis) -> Option<String> {
        let kept = self.kept.lock();
        let since = kept.witnessed.as_ref().map_or(kept.since, |(_, at)| *at);
        let withheld = kept.false_roll.clone().or_else(|| self.withheld.lock().clone());
        let withheld = withheld.or_else(|| self.unshown.lock().clone()).or_else(|| kept.misdated());
        let hours = now.since(since) / 3_600_000;
        if now.since(since) > FRESH_MILLIS {
            let why = withheld.map(|why| format!(" ({why})")).unwrap_or_default();
            return Some(format!(
                "sổ cái của tỉnh chưa được đủ máy làm chứng trong {hours} giờ{why}; hãy gọi tỉnh · \
                 the province's ledger was not witnessed by enough nodes for {hours} hours{why}; call the province"
            ));
        }
        withheld.map(|why| {
            format!(
                "máy này ngừng làm chứng cho sổ cái của tỉnh: {why} · \
                 this node does not witness the province's ledger any more: {why}"
            )
        })
    }
}

impl Kept {
    fn new(seed: String, ledger: String, since: UnixMillis) -> Self {
        Self {
            version: 1,
            seed,
            ledger,
            since,
            cosigned: None,
            witnessed: None,
            policy: None,
            replicas: BTreeMap::new(),
            ended: BTreeSet::new(),
            rolls: BTreeSet::new(),
            rolls_seen: 0,
            judged: Vec::new(),
            false_roll: None,
            dated: None,
            unproven: None,
        }
    }

    /// What was taken otherwise than it should have been, or than was promised.
    fn misdated(&self) -> Option<String> {
        self.unproven.clone().or_else(|| self.dated.clone())
    }
}

impl KeptPolicy {
    fn read(&self) -> Result<Policy, QuorumFault> {
        let keys = self.witnesses.iter().map(|key| key.parse()).collect::<Result<Vec<Verifier>, _>>();
        Ok(Policy::with(keys?, self.quorum)?)
    }
}

/// The policy a message brings, proven to stand in the ledger.
fn policy_of(witnessed: &wire::Witnessed, shown: &Checkpoint) -> Result<KeptPolicy, QuorumFault> {
    let index = witnessed.policy_index;
    let entry = Entry::decode(&witnessed.policy)?;
    if entry.header.dot.sequence != Sequence(index) {
        return Err(QuorumFault::Policy);
    }
    let path = digests(&witnessed.policy_path)?;
    verify_inclusion(&entry.leaf_hash(), index, shown.size, &path, &shown.root)?;
    let policy = Policy::of(&Event::of(&entry)?).ok_or(QuorumFault::Policy)?;
    let witnesses = policy.witnesses().iter().map(ToString::to_string).collect();
    Ok(KeptPolicy { index, witnesses, quorum: policy.quorum() })
}
