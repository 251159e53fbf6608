//! A session's part in witnessing: names the node's key, asks for each round, hears what became of it.

use std::sync::Arc;

use lienthong_node::replica::Head;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{Introduced, WITNESS, witness_name};
use tonic::Status;

use crate::app::Hub;
use crate::pki::Enrolled;
use crate::witness::Heard;

/// A replica's key is named anew at most this often: each is an entry of the ledger.
const RENAMED_MILLIS: u64 = 24 * 3_600 * 1_000;
/// What was witnessed is shown again within a session after so long.
const SHOWN_MILLIS: u64 = 3_600 * 1_000;

/// A node that says nothing of a round is asked for another after so long: what it said may be lost.
const ANSWER_MILLIS: u64 = 600_000;

/// What is known of a node as a witness.
pub(super) struct Asking {
    replica: ReplicaId,
    unit: UnitCode,
    verifier: Verifier,
    /// The longest checkpoint it has seen.
    seen: u64,
    policy_seen: u64,
    witnessed_seen: u64,
    /// The place of the last roll it has judged, plus one.
    rolls_seen: u64,
    shown_at: UnixMillis,
    /// When the round was closed at which it gave back what it knows to be witnessed.
    brought: Option<UnixMillis>,
    /// When the round was closed that it was asked for, and from where that and the rolls were shown.
    asked: Option<(UnixMillis, u64, u64)>,
    /// Since when it has not answered that.
    waiting: Option<UnixMillis>,
}

impl Asking {
    /// The witness a greeting introduces, if it does and both signatures hold; `head` is what it is
    /// welcomed with, and `own` says that it knows this ledger and no former one.
    pub(super) fn of(
        hub: &Hub,
        enrolled: &Enrolled,
        hello: &wire::Hello,
        (head, own): (Head, bool),
    ) -> Result<Option<(Self, Introduced)>, Status> {
        if hello.witness_key.is_empty() {
            return Ok(None);
        }
        let wrong = || Status::invalid_argument("the witness key is not introduced as it should be");
        let introduced = Introduced {
            key: hello.witness_key.as_ref().try_into().map_err(|_| wrong())?,
            proof: hello.witness_key_proof.to_vec(),
            vouched: hello.witness_key_vouched.to_vec(),
        };
        let log_key = enrolled.log_public().ok_or_else(wrong)?;
        if !introduced.holds(&enrolled.replica, &log_key) {
            return Err(wrong());
        }
        let name = witness_name(&hub.secrets.origin(&enrolled.unit, enrolled.replica));
        let verifier = Verifier::new(&name, Algorithm::Cosignature, introduced.key).map_err(|_| wrong())?;
        let asking = Self {
            replica: enrolled.replica,
            unit: enrolled.unit.clone(),
            verifier,
            seen: head.size,
            policy_seen: if own { hello.policy_seen } else { 0 },
            witnessed_seen: if own { hello.witnessed_seen } else { 0 },
            rolls_seen: if own { hello.rolls_seen } else { 0 },
            shown_at: hub.now(),
            brought: None,
            asked: None,
            waiting: None,
        };
        Ok(Some((asking, introduced)))
    }

    /// What its welcome shows of what was witnessed.
    pub(super) fn witnessed(&self, hub: &Hub, head: Head) -> Option<wire::Witnessed> {
        hub.witnessed_for(head, self.witnessed_seen, self.policy_seen)
    }

    /// Names the key in the ledger, if it is not the one that stands there; whether it does then.
    pub(super) async fn named(&self, hub: &Hub, enrolled: &Enrolled, introduced: &Introduced) -> bool {
        let known = hub.committer.books().read().witnesses.keys.get(&self.replica).cloned();
        match known {
            Some(known) if known.verifier == self.verifier => return true,
            Some(known) if hub.now().since(known.at) < RENAMED_MILLIS => {
                tracing::warn!(unit = %enrolled.unit, replica = %self.replica, "another witness key within a day: not named yet");
                return false;
            }
            _ => {}
        }
        let mut fields = introduced.fields(&self.verifier, self.replica);
        fields.insert("unit".to_owned(), Value::Unit(enrolled.unit.clone()));
        let named = hub.event(WITNESS, "hub", fields).await;
        if let Err(error) = &named {
            tracing::warn!(%error, "a witness's key is not in the ledger");
        }
        named.is_ok()
    }

    /// What the node is asked to cosign: the open round, once from each place it is proven from, and nothing before it has
    /// answered for the round before. Each shows all rolls that it has not judged, which would pile up on a slow line.
    pub(super) fn ask(&mut self, hub: &Hub) -> Option<wire::Round> {
        let now = hub.now();
        if self.waiting.is_some_and(|since| now.since(since) < ANSWER_MILLIS) {
            return None;
        }
        let round = hub.rounds.current()?;
        let asked = (round.at, self.seen, self.rolls_seen);
        if self.asked == Some(asked) {
            return None;
        }
        let seen = hub.consistency(self.seen, round.checkpoint.size)?;
        (self.asked, self.waiting) = (Some(asked), Some(now));
        let head = Head { size: round.checkpoint.size, root: round.checkpoint.root };
        let due = now.since(self.shown_at) >= SHOWN_MILLIS;
        let witnessed = due.then(|| hub.witnessed_for(head, self.witnessed_seen, self.policy_seen)).flatten();
        if let Some(witnessed) = &witnessed {
            (self.policy_seen, self.shown_at) = (witnessed.policy_index + 1, now);
            self.witnessed_seen = hub.witnessed().map_or(0, |witnessed| witnessed.checkpoint.size);
        }
        let (rolls, more_rolls) = hub.rolls_for(&self.unit, self.rolls_seen, round.checkpoint.size);
        let enrolments = if rolls.is_empty() { Vec::new() } else { hub.enrolments_of(&self.unit) };
        let checkpoint = round.note.clone();
        Some(wire::Round { checkpoint, seen: Some(seen), witnessed, rolls, more_rolls, enrolments })
    }

    /// What the node says of a round; whether it is to be asked again: from where it stands, or for the round that was
    /// closed meanwhile.
    pub(super) fn hear(&mut self, hub: &Arc<Hub>, said: &wire::Cosigned) -> Result<bool, Status> {
        self.waiting = None;
        let again = self.heard(hub, said)?;
        let asked = self.asked.map(|(at, ..)| at);
        Ok(again || hub.rounds.current().is_some_and(|round| asked != Some(round.at)))
    }

    fn heard(&mut self, hub: &Arc<Hub>, said: &wire::Cosigned) -> Result<bool, Status> {
        if said.fault.is_empty() {
            hub.refusals.ended(self.replica);
        } else {
            hub.found_false(self.replica, &self.unit, &said.fault);
        }
        // Nobody has judged more than there is.
        let judged = said.rolls_seen > self.rolls_seen && said.rolls_seen <= hub.head().size;
        self.rolls_seen = if judged { said.rolls_seen } else { self.rolls_seen };
        let round = hub.rounds.current().map(|round| round.at);
        if !said.witnessed.is_empty() && self.brought != round && hub.bring_back(&said.witnessed) {
            // It is shown what it misses, with the same round; once.
            (self.shown_at, self.asked, self.brought) = (UnixMillis(0), None, round);
            self.seen = said.seen.min(hub.head().size);
            return Ok(true);
        }
        if said.line.is_empty() {
            // Nobody has seen more than there is.
            let moved = said.seen != self.seen && said.seen <= hub.head().size;
            self.seen = if moved { said.seen } else { self.seen };
            return Ok(moved || (judged && said.fault.is_empty()));
        }
        self.seen = said.seen.min(hub.head().size).max(self.seen);
        let heard = hub.rounds.hear((self.replica, &self.verifier), (said.size, &said.line), hub.now());
        match heard {
            Ok(Heard::Skewed) => {
                tracing::warn!(replica = %self.replica, "a cosignature is not taken: the node's clock is wrong");
            }
            Ok(_) => {}
            Err(error) => return Err(Status::invalid_argument(error.to_string())),
        }
        Ok(false)
    }
}
