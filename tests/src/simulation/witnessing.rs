//! Rounds of witnesses: the hub asks for its checkpoint, its nodes cosign it, and what they cosigned binds the hub.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use lienthong_hub::ledger::Witnesses;
use lienthong_hub::witness::{Candidate, Round, SKEW_MILLIS, Showing, choose};
use lienthong_node::replica::Head;
use lienthong_node::sync::{Event, Welcomed, judge_known};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::merkle::{Frontier, Hashes};
use lienthong_proto::note::{Algorithm, Note, Verifier};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{Introduced, POLICY, WITNESS, witness_name};

use super::hub::{Hub, Standing};
use super::node::{Fate, Life, Node, Wish, say};
use super::parts::{Identity, Machine};
use super::random::clock;
use super::world::World;

/// A round is closed so long after the one before, milliseconds of the true time.
const ROUND_MILLIS: u64 = 2_000;

/// What a session knows of its node as a witness.
pub(super) struct Asking {
    verifier: Verifier,
    seen: u64,
    policy_seen: u64,
    witnessed_seen: u64,
    asked: Option<(UnixMillis, u64)>,
    /// It gave back what the hub had lost.
    brought: bool,
}

fn checkpoint_of(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse_body(Note::parse(note.as_bytes()).ok()?.text()).ok()
}

/// The longest checkpoint of the ledger that was shown, or cosigned.
pub(super) fn longest_seen(machine: &Machine, life: &Life) -> Option<Checkpoint> {
    let notes = [machine.seen.clone(), life.witness.cosigned()].into_iter().flatten();
    notes.filter_map(|note| checkpoint_of(&note)).max_by_key(|checkpoint| checkpoint.size)
}

/// The roots that a tree had at these sizes, read leaf by leaf.
pub(super) fn roots_at(hashes: &dyn Hashes, sizes: impl IntoIterator<Item = u64>) -> BTreeMap<u64, Digest> {
    let mut sizes: Vec<u64> = sizes.into_iter().collect();
    sizes.sort_unstable();
    let (mut frontier, mut roots) = (Frontier::new(), BTreeMap::new());
    for size in sizes {
        while frontier.size() < size {
            let Some(leaf) = hashes.leaf(frontier.size()) else { return roots };
            frontier.push(leaf);
        }
        roots.insert(size, frontier.root());
    }
    roots
}

impl Hub {
    /// Who witnesses the ledger, by its own word.
    pub(super) fn witnesses(&self) -> Option<Arc<Witnesses>> {
        Some(Arc::clone(&self.life.as_ref()?.committer.books().read().witnesses))
    }

    fn showing<T>(&self, show: impl FnOnce(Showing<'_>) -> T) -> Option<T> {
        let (life, origin) = (self.life.as_ref()?, self.identity.origin());
        Some(show(Showing { reader: &life.reader, hashes: &life.hashes, origin: &origin }))
    }

    /// What a welcome says of the ledger to one that has `seen` so much of it.
    pub(super) fn shown_to(&self, seen: u64, asking: Option<&Asking>, welcome: &mut wire::Welcome) {
        let Some(head) = self.head() else { return };
        welcome.ledger_checkpoint = self.signed(head).map(|(_, note)| note).unwrap_or_default();
        welcome.seen = self.showing(|ledger| ledger.consistency(head.size, (seen, head.size))).flatten();
        welcome.witnessed = asking.and_then(|asking| self.witnessed_for(asking, head));
    }

    fn signed(&self, head: Head) -> Option<(Checkpoint, String)> {
        let Head { size, root } = head;
        let checkpoint = Checkpoint { origin: self.identity.origin(), size, root, roll: None };
        let note = checkpoint.sign(self.identity.key.as_ref()).ok()?.to_string();
        Some((checkpoint, note))
    }

    fn witnessed_for(&self, asking: &Asking, head: Head) -> Option<wire::Witnessed> {
        let (witnesses, size) = (self.witnesses()?, self.head()?.size);
        let witnessed = self.life.as_ref()?.rounds.witnessed()?;
        let seen = (asking.witnessed_seen, asking.policy_seen);
        self.showing(|ledger| ledger.witnessed((&witnessed, &witnesses), (head, size), seen)).flatten()
    }

    /// The witness a greeting introduces; its key is named in the ledger, in the next turn.
    pub(super) fn asking(&mut self, identity: &Identity, hello: &wire::Hello) -> Option<Asking> {
        let introduced = Introduced {
            key: hello.witness_key.as_ref().try_into().ok()?,
            proof: hello.witness_key_proof.to_vec(),
            vouched: hello.witness_key_vouched.to_vec(),
        };
        if !introduced.holds(&identity.replica, &identity.public()) {
            return None;
        }
        let name = witness_name(&identity.origin());
        let verifier = Verifier::new(&name, Algorithm::Cosignature, introduced.key).ok()?;
        let known = self.witnesses()?.keys.get(&identity.replica).cloned();
        if known.is_none_or(|known| known.verifier != verifier) {
            let mut fields = introduced.fields(&verifier, identity.replica);
            fields.insert("unit".to_owned(), Value::Unit(identity.unit.clone()));
            self.log(WITNESS, fields);
        }
        let (policy_seen, witnessed_seen) = (hello.policy_seen, hello.witnessed_seen);
        Some(Asking {
            verifier,
            seen: self.head()?.size,
            policy_seen,
            witnessed_seen,
            asked: None,
            brought: false,
        })
    }

    fn candidates(&self) -> Vec<Candidate> {
        let Some(witnesses) = self.witnesses() else { return Vec::new() };
        let active = self.registry.values().filter(|(_, standing)| *standing == Standing::Active);
        let candidate = |(identity, _): &(Identity, Standing)| {
            let key = witnesses.keys.get(&identity.replica)?;
            let (verifier, unit) = (key.verifier.clone(), identity.unit.clone());
            Some(Candidate { verifier, unit, agency: false, place: key.place })
        };
        active.filter_map(candidate).collect()
    }

    /// Closes a round if one is due; where others are to count, they are named first.
    pub(super) fn close_round(&mut self, true_millis: u64) {
        let (Some(head), Some(books)) = (self.head(), self.witnesses()) else { return };
        let due = self
            .life
            .as_ref()
            .is_some_and(|life| life.next_round <= true_millis && life.rounds.is_due(head.size, clock()));
        if !due {
            return;
        }
        let current = books.policy_at(u64::MAX).map(|(_, policy)| policy);
        if let Some(policy) = choose(self.candidates(), current) {
            return self.log(POLICY, policy.fields());
        }
        let policy = books.policy_at(head.size).map(|(place, policy)| (place, policy.clone()));
        let Some((checkpoint, note)) = self.signed(head) else { return };
        self.shown.insert(head.size, head.root);
        if let Some(life) = &mut self.life {
            life.next_round = true_millis + ROUND_MILLIS;
            drop(life.rounds.close(Round { checkpoint, note, at: clock(), policy }));
        }
    }

    /// What a node is asked to cosign.
    pub(super) fn ask_to_witness(&self, asking: &mut Asking) -> Option<wire::Round> {
        let round = self.life.as_ref()?.rounds.current()?;
        let (asked, size) = (Some((round.at, asking.seen)), round.checkpoint.size);
        if asking.asked == asked {
            return None;
        }
        let ledger = self.head()?.size;
        let seen = self.showing(|showing| showing.consistency(ledger, (asking.seen, size))).flatten()?;
        asking.asked = asked;
        let head = Head { size, root: round.checkpoint.root };
        let last = self.life.as_ref()?.rounds.witnessed().filter(|last| last.checkpoint.size <= size);
        let last = last.filter(|last| last.checkpoint.size != asking.witnessed_seen);
        let witnessed = last.as_ref().and_then(|_| self.witnessed_for(asking, head));
        if let (Some(last), Some(shown)) = (last, &witnessed) {
            (asking.witnessed_seen, asking.policy_seen) = (last.checkpoint.size, shown.policy_index + 1);
        }
        let checkpoint = round.note.clone();
        Some(wire::Round { checkpoint, seen: Some(seen), witnessed, ..wire::Round::default() })
    }

    /// What a node says of a round; whether the session goes on.
    pub(super) fn cosigned(
        &mut self,
        asking: &mut Asking,
        replica: ReplicaId,
        said: &wire::Cosigned,
    ) -> bool {
        let (Some(head), Some(life)) = (self.head(), &self.life) else { return false };
        if !said.witnessed.is_empty() && !asking.brought {
            let Some(books) = self.witnesses() else { return false };
            let ledger = (self.identity.origin(), self.identity.public());
            asking.brought =
                life.rounds.bring_back(&said.witnessed, (&ledger.0, ledger.1), &books, life.hashes.as_ref());
            asking.witnessed_seen = 0;
        }
        if said.line.is_empty() {
            asking.seen = if said.seen <= head.size { said.seen } else { asking.seen };
            return true;
        }
        asking.seen = said.seen.min(head.size).max(asking.seen);
        let heard = life.rounds.hear((replica, &asking.verifier), (said.size, &said.line), clock());
        if let Some(witnessed) = life.rounds.witnessed() {
            self.witnessed.insert(witnessed.checkpoint.size, witnessed.checkpoint.root);
        }
        heard.is_ok()
    }
}

impl Node {
    /// The longest checkpoint of the ledger that it remembers.
    #[must_use]
    pub(super) fn seen(&self) -> Option<Checkpoint> {
        longest_seen(&self.machine, self.life.as_ref()?)
    }

    /// Judges a welcome; whether the hub may be spoken to.
    pub(super) fn welcomed(&mut self, welcome: &wire::Welcome) -> bool {
        let (seen, ledger) = (self.seen(), &self.trusted.ledger);
        // What a log that came back shorter forgot of its receipts, it cannot hold against the hub.
        let acknowledged = self.receipt.min(self.head().map_or(0, |head| head.size));
        match judge_known(ledger, seen.as_ref(), acknowledged, welcome) {
            Ok(Welcomed::Same { shown, proven }) => {
                if proven && seen.as_ref() != Some(&shown) {
                    self.machine.seen = Some(welcome.ledger_checkpoint.clone());
                }
                if let Some(life) = &self.life {
                    life.witness.welcomed(ledger, welcome, &shown, proven);
                }
                true
            }
            Ok(Welcomed::Successor(_)) => self.refuses("a successor without a succession"),
            Err(fault) => self.refuses(&fault.to_string()),
        }
    }

    fn refuses(&mut self, fault: &str) -> bool {
        self.refused.push(fault.to_owned());
        false
    }

    /// Cosigns a round of the ledger, unless it is not the one known.
    pub(super) fn round(&mut self, true_millis: u64, random: u64, round: &wire::Round) -> Vec<Wish> {
        let seen = self.seen();
        let Some(life) = &self.life else { return Vec::new() };
        match life.witness.round(&self.trusted.ledger, round, seen.as_ref(), clock()) {
            Ok((cosigned, checkpoint)) => {
                if let Some(checkpoint) = checkpoint {
                    if seen.is_none_or(|seen| checkpoint.size > seen.size) {
                        self.machine.seen = Some(round.checkpoint.clone());
                    }
                    if !cosigned.line.is_empty() {
                        self.cosigned.push((checkpoint.size, checkpoint.root));
                    }
                }
                let mut wishes = self.event(true_millis, random, Event::Heard);
                wishes.push(say(wire::up::Message::Cosigned(cosigned)));
                wishes
            }
            Err(fault) => {
                self.refuses(&fault.to_string());
                self.event(true_millis, random, Event::Estranged)
            }
        }
    }
}

impl World {
    /// Whether the ledger, as it is, has the quorum it can have: a node whose clock is elsewhere is not counted.
    #[must_use]
    pub(super) fn is_witnessed(&self) -> bool {
        let (Some(head), Some(books)) = (self.hub.head(), self.hub.witnesses()) else { return false };
        let Some((_, policy)) = books.policy_at(head.size) else { return true };
        let now = |machine: &Machine| machine.now(self.now).0;
        let can = |node: &&Node| {
            let replica = node.identity.replica;
            let named = books.keys.get(&replica).is_some_and(|key| policy.names(&key.verifier));
            let clocks = now(&node.machine).abs_diff(now(&self.hub.machine));
            let close = clocks + 5_000 < SKEW_MILLIS;
            named && close && node.fate == Fate::Serving && self.standing(replica) == Some(Standing::Active)
        };
        let mut able: Vec<_> = self.nodes.iter().filter(can).map(|node| node.identity.replica).collect();
        able.sort();
        able.dedup();
        let witnessed = self.hub.life.as_ref().and_then(|life| life.rounds.witnessed());
        able.len() < policy.quorum() || witnessed.is_some_and(|last| last.checkpoint.size == head.size)
    }

    /// What anybody cosigned, and what was ever witnessed, stands in the ledger; nobody refused it.
    pub(super) fn witnessed_holds(&self, hashes: &dyn Hashes) -> anyhow::Result<()> {
        let cosigned = self.nodes.iter().flat_map(|node| node.cosigned.iter().copied());
        let all: Vec<(u64, Digest)> =
            cosigned.chain(self.hub.witnessed.iter().map(|(size, root)| (*size, *root))).collect();
        let roots = roots_at(hashes, all.iter().map(|(size, _)| *size));
        for (size, root) in all {
            ensure!(roots.get(&size) == Some(&root), "what was cosigned at {size} is not the ledger's");
        }
        for (at, node) in self.nodes.iter().enumerate() {
            ensure!(node.refused.is_empty(), "node {at} refused the hub: {:?}", node.refused);
        }
        Ok(())
    }
}
