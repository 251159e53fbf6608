//! Witnesses: nodes that cosign the ledger's checkpoints, so that it cannot be rewritten or shown in two forms.
//!
//! A witness has a key of its own, which the ledger names ([`WITNESS`]); whose cosignatures count, and how many are
//! needed, stands in the ledger too ([`Policy`]). PROTOCOL.md, "Witnesses".

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Checkpoint;
use crate::event::Event;
use crate::hash::{Digest, Signer, ed25519_verify};
use crate::ids::ReplicaId;
use crate::merkle::{ProofError, verify_consistency};
use crate::note::{Algorithm, Note, NoteError, Verifier};
use crate::value::Value;

/// The kind of the event that names a witness's key.
pub const WITNESS: &str = "witness";
/// The kind of the event that names whose cosignatures count.
pub const POLICY: &str = "witness_policy";
/// Witnesses a policy may name: with the ledger's own line, a note has 16.
pub const WITNESSES_MAX: usize = 15;
/// A policy of fewer is said to be weak: a few who agree could sign two ledgers.
pub const WITNESSES_FEW: usize = 5;
/// A checkpoint that was witnessed longer ago is not fresh.
pub const FRESH_MILLIS: u64 = 24 * 3_600 * 1_000;

/// The name a replica cosigns with.
#[must_use]
pub fn witness_name(origin: &str) -> String {
    format!("{origin}/witness")
}

/// What both the witness's key and the replica's log key sign, so that neither is claimed by somebody else.
#[must_use]
pub fn introduction(replica: &ReplicaId, log_key: &[u8; 32], witness_key: &[u8; 32]) -> Vec<u8> {
    [b"lienthong witness v1\n", &replica.0[..], log_key, witness_key].concat()
}

/// A witness's key with the two signatures that introduce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduced {
    /// The witness's Ed25519 key.
    pub key: [u8; 32],
    /// Its own signature.
    pub proof: Vec<u8>,
    /// The log key's.
    pub vouched: Vec<u8>,
}

impl Introduced {
    /// A replica's witness key, signed by both.
    #[must_use]
    pub fn sign(replica: &ReplicaId, log: &dyn Signer, witness: &dyn Signer) -> Self {
        let key = witness.public_key();
        let message = introduction(replica, &log.public_key(), &key);
        Self { key, proof: witness.sign(&message).to_vec(), vouched: log.sign(&message).to_vec() }
    }

    /// Whether both signatures hold, and the keys are two.
    #[must_use]
    pub fn holds(&self, replica: &ReplicaId, log_key: &[u8; 32]) -> bool {
        let message = introduction(replica, log_key, &self.key);
        self.key != *log_key
            && ed25519_verify(&self.key, &message, &self.proof)
            && ed25519_verify(log_key, &message, &self.vouched)
    }

    /// The fields of its event.
    #[must_use]
    pub fn fields(&self, verifier: &Verifier, replica: ReplicaId) -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("replica".to_owned(), Value::Text(replica.to_string())),
            ("key".to_owned(), Value::Text(verifier.to_string())),
            ("proof".to_owned(), Value::Text(hex::encode(&self.proof))),
            ("vouched".to_owned(), Value::Text(hex::encode(&self.vouched))),
        ])
    }

    /// Replica, key and signatures of an event, if it names a witness.
    #[must_use]
    pub fn of(event: &Event) -> Option<(ReplicaId, Verifier, Self)> {
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) if event.kind == WITNESS => Some(text.as_str()),
            _ => None,
        };
        let verifier: Verifier = text("key")?.parse().ok()?;
        let (proof, vouched) = (hex::decode(text("proof")?).ok()?, hex::decode(text("vouched")?).ok()?);
        let introduced = Self { key: *verifier.key(), proof, vouched };
        (verifier.algorithm() == Algorithm::Cosignature).then_some((
            text("replica")?.parse().ok()?,
            verifier,
            introduced,
        ))
    }
}

/// Whose cosignatures count, and how many of them make a checkpoint witnessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    witnesses: Vec<Verifier>,
    quorum: usize,
}

impl Policy {
    /// A policy of these witnesses, in this order; more than half of them are needed.
    ///
    /// # Errors
    /// [`NoteError::Key`] if they are none, too many, or one twice.
    pub fn new(witnesses: Vec<Verifier>) -> Result<Self, NoteError> {
        let quorum = witnesses.len() / 2 + 1;
        Self::with(witnesses, quorum)
    }

    /// A policy of these witnesses, of which so many are needed.
    ///
    /// # Errors
    /// As [`Policy::new`], and if they are not more than half.
    pub fn with(witnesses: Vec<Verifier>, quorum: usize) -> Result<Self, NoteError> {
        let keys: BTreeSet<&[u8; 32]> = witnesses.iter().map(Verifier::key).collect();
        let names: BTreeSet<&str> = witnesses.iter().map(Verifier::name).collect();
        if witnesses.is_empty() || witnesses.len() > WITNESSES_MAX {
            return Err(NoteError::Key("count of witnesses"));
        }
        if keys.len() != witnesses.len() || names.len() != witnesses.len() {
            return Err(NoteError::Key("a witness twice"));
        }
        if witnesses.iter().any(|witness| witness.algorithm() != Algorithm::Cosignature) {
            return Err(NoteError::Key("algorithm"));
        }
        if quorum * 2 <= witnesses.len() || quorum > witnesses.len() {
            return Err(NoteError::Key("quorum"));
        }
        Ok(Self { witnesses, quorum })
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Verifier] {
        &self.witnesses
    }

    /// How many are needed: always more than half.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// Whether a key is one of them.
    #[must_use]
    pub fn names(&self, verifier: &Verifier) -> bool {
        self.witnesses.contains(verifier)
    }

    /// The fields of its event.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Value> {
        let witnesses = self.witnesses.iter().map(|witness| Value::Text(witness.to_string())).collect();
        BTreeMap::from([
            ("witnesses".to_owned(), Value::List(witnesses)),
            ("quorum".to_owned(), Value::Integer(i64::try_from(self.quorum).unwrap_or(i64::MAX))),
        ])
    }

    /// What an event says, if it is a policy's and a good one.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let (Value::List(listed), Value::Integer(quorum)) =
            (event.fields.get("witnesses").filter(|_| event.kind == POLICY)?, event.fields.get("quorum")?)
        else {
            return None;
        };
        let key = |value: &Value| match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let witnesses = listed.iter().map(key).collect::<Option<Vec<Verifier>>>()?;
        Self::with(witnesses, usize::try_from(*quorum).ok()?).ok()
    }

    /// How many of the witnesses have signed a note, and the time in seconds that a quorum of them has reached;
    /// nothing while they are too few. Lines of others are passed over.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if a witness's line does not hold.
    pub fn judge(&self, note: &Note) -> Result<(usize, Option<u64>), NoteError> {
        let verified = match note.verify(&self.witnesses) {
            Ok(verified) => verified,
            Err(NoteError::Unsigned) => return Ok((0, None)),
            Err(other) => return Err(other),
        };
        let mut times: Vec<u64> = verified.iter().map(|verified| verified.time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        Ok((times.len(), times.get(self.quorum - 1).copied()))
    }
}

/// Why two checkpoints are not of one ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fork {
    /// They have two names.
    #[error("they are two ledgers' checkpoints")]
    Origin,
    /// The same size, another tree.
    #[error("two roots at the size {0}")]
    Root(u64),
    /// Of one ledger, another last roll.
    #[error("the ledger of {old} entries is said to have another last roll than the one of {new}")]
    Roll {
        /// The smaller size.
        old: u64,
        /// The larger.
        new: u64,
    },
    /// The proof does not lead from one to the other.
    #[error("the tree of {old} entries does not lead to the one of {new}: {source}")]
    Proof {
        /// The smaller size.
        old: u64,
        /// The larger.
        new: u64,
        /// Why not.
        source: ProofError,
    },
}

/// Checks that two checkpoints, in any order, are of one ledger; `path` is the consistency proof between their sizes.
///
/// # Errors
/// [`Fork`] if that is not shown.
pub fn of_one_ledger(one: &Checkpoint, other: &Checkpoint, path: &[Digest]) -> Result<(), Fork> {
    if one.origin != other.origin {
        return Err(Fork::Origin);
    }
    let (old, new) = if one.size < other.size { (one, other) } else { (other, one) };
    // The last roll of the longer is that of the shorter, or stands behind it.
    if new.roll != old.roll && new.roll.is_none_or(|roll| roll < old.size) {
        return Err(Fork::Roll { old: old.size, new: new.size });
    }
    if one.size == other.size {
        return if one.root == other.root { Ok(()) } else { Err(Fork::Root(one.size)) };
    }
    verify_consistency(old.size, &old.root, new.size, &new.root, path).map_err(|source| Fork::Proof {
        old: old.size,
        new: new.size,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::cosign;
    use crate::hash::SigningKey;
    use crate::merkle::{Frontier, Hashes, consistency_proof, leaf_hash};
    use crate::note::Signature;
    use crate::time::UnixMillis;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_seed(&[number; 32]).unwrap()
    }

    fn witness(number: u8) -> Verifier {
        let name = format!("a.vn/33/{number}/witness");
        Verifier::new(&name, Algorithm::Cosignature, key(number).public_key()).unwrap()
    }

    fn policy(count: u8) -> Policy {
        Policy::new((1..=count).map(witness).collect()).unwrap()
    }

    struct Tree(Vec<Digest>);

    impl Hashes for Tree {
        fn leaf(&self, index: u64) -> Option<Digest> {
            self.0.get(usize::try_from(index).ok()?).copied()
        }

        fn tile(&self, _level: u8, _index: u64) -> Option<Digest> {
            None
        }
    }

    fn tree(seed: u8, shared: u64, size: u64) -> (Tree, Checkpoint) {
        let leaf =
            |index: u64| leaf_hash(&[if index < shared { 0 } else { seed }, u8::try_from(index).unwrap()]);
        let leaves: Vec<Digest> = (0..size).map(leaf).collect();
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        (
            Tree(leaves),
            Checkpoint { origin: "a.vn/33/33/x".to_owned(), size, root: frontier.root(), roll: None },
        )
    }

    #[test]
    fn a_key_is_introduced_by_itself_and_by_the_log_and_comes_back() {
        let (log, own, replica) = (key(1), key(2), ReplicaId([7; 16]));
        let introduced = Introduced::sign(&replica, &log, &own);
        assert!(introduced.holds(&replica, &log.public_key()));
        assert!(!introduced.holds(&ReplicaId([8; 16]), &log.public_key()), "another replica's");
        assert!(!introduced.holds(&replica, &key(3).public_key()), "another log's");
        let claimed = Introduced { proof: vec![0; 64], ..introduced.clone() };
        assert!(!claimed.holds(&replica, &log.public_key()), "a key somebody else has");
        assert!(
            !Introduced::sign(&replica, &log, &log).holds(&replica, &log.public_key()),
            "one key for two"
        );
        let fields = introduced.fields(&witness(2), replica);
        let event = Event { kind: WITNESS.to_owned(), at: UnixMillis(1), actor: "hub".to_owned(), fields };
        assert_eq!(Introduced::of(&event), Some((replica, witness(2), introduced)));
        assert_eq!(Introduced::of(&Event { kind: "enrolment".to_owned(), ..event }), None);
    }

    #[test]
    fn a_policy_comes_back_from_its_event_and_is_never_less_than_more_than_half() {
        let event =
            |fields| Event { kind: POLICY.to_owned(), at: UnixMillis(1), actor: "hub".to_owned(), fields };
        for (count, quorum) in [(1, 1), (2, 2), (5, 3), (15, 8)] {
            let policy = policy(count);
            assert_eq!(policy.quorum(), quorum);
            assert_eq!(Policy::of(&event(policy.fields())), Some(policy));
        }
        let mut fields = policy(4).fields();
        for quorum in [0, 2, 5, -1] {
            fields.insert("quorum".to_owned(), Value::Integer(quorum));
            assert_eq!(Policy::of(&event(fields.clone())), None, "{quorum} of 4");
        }
        assert!(Policy::new(vec![witness(1), witness(1)]).is_err(), "one twice");
        assert!(Policy::new((1..=16).map(witness).collect()).is_err() && Policy::new(Vec::new()).is_err());
    }

    /// Goal: a quorum's time is one that a quorum has reached, and a stranger's or a bad line makes none.
    #[test]
    fn a_quorum_is_more_than_half_of_the_witnesses_named() {
        let (policy, (_, checkpoint)) = (policy(4), tree(1, 0, 5));
        let mut note = Note::new(&checkpoint.body()).unwrap();
        let mut add = |number: u8, time: u64, name: &str| {
            let line = cosign(&checkpoint, time, name, &key(number)).unwrap();
            note.add(Signature::parse(&line).unwrap()).unwrap();
            policy.judge(&note)
        };
        assert_eq!(add(9, 50, "a.vn/33/9/witness"), Ok((0, None)), "a stranger");
        assert_eq!(add(1, 10, witness(1).name()), Ok((1, None)));
        assert_eq!(add(1, 11, witness(1).name()), Ok((1, None)), "one counts once");
        assert_eq!(add(2, 30, witness(2).name()), Ok((2, None)), "half is not more than half");
        assert_eq!(add(3, 20, witness(3).name()), Ok((3, Some(11))));
        let mut bad = Signature::parse(&cosign(&checkpoint, 9, witness(4).name(), &key(4)).unwrap()).unwrap();
        bad.bytes[20] ^= 1;
        note.add(bad).unwrap();
        assert!(policy.judge(&note).is_err());
    }

    #[test]
    fn p6_two_checkpoints_are_of_one_ledger_only_with_a_proof() {
        let (all, new) = tree(1, 6, 11);
        let (_, old) = tree(1, 6, 6);
        let path = consistency_proof(&all, 6, 11).unwrap();
        assert_eq!(of_one_ledger(&old, &new, &path), Ok(()));
        assert_eq!(of_one_ledger(&new, &old, &path), Ok(()), "in any order");
        assert_eq!(of_one_ledger(&new, &new, &[]), Ok(()));
        let (forked, other) = tree(2, 4, 11);
        assert_eq!(of_one_ledger(&new, &other, &[]), Err(Fork::Root(11)));
        let path = consistency_proof(&forked, 6, 11).unwrap();
        assert!(matches!(of_one_ledger(&old, &other, &path), Err(Fork::Proof { old: 6, new: 11, .. })));
        assert!(of_one_ledger(&old, &new, &[]).is_err(), "without a proof");
        // The last roll stays the last one until there is another, behind it.
        let path = consistency_proof(&all, 6, 11).unwrap();
        let of = |old_roll: Option<u64>, new_roll: Option<u64>| {
            let (old, new) =
                (Checkpoint { roll: old_roll, ..old.clone() }, Checkpoint { roll: new_roll, ..new.clone() });
            of_one_ledger(&old, &new, &path)
        };
        for (old_roll, new_roll) in [(None, None), (Some(3), Some(3)), (Some(3), Some(6)), (None, Some(10))] {
            assert_eq!(of(old_roll, new_roll), Ok(()), "{old_roll:?}, {new_roll:?}");
        }
        for (old_roll, new_roll) in [(Some(3), None), (Some(3), Some(4)), (Some(3), Some(2)), (None, Some(5))]
        {
            assert_eq!(
                of(old_roll, new_roll),
                Err(Fork::Roll { old: 6, new: 11 }),
                "{old_roll:?}, {new_roll:?}"
            );
        }
        let with_roll = Checkpoint { roll: Some(4), ..new.clone() };
        assert!(matches!(of_one_ledger(&with_roll, &new, &[]), Err(Fork::Roll { .. })), "of one size");
        let renamed = Checkpoint { origin: "b.vn".to_owned(), ..new.clone() };
        assert_eq!(of_one_ledger(&renamed, &new, &[]), Err(Fork::Origin));
    }
}
