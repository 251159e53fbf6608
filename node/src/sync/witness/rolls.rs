//! What a witness was shown of the units' replicas: the rolls it judges, its own unit's line of each.

use std::collections::BTreeSet;

use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::disclosure::event::ROLL;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::hash::Signer as _;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::limits::UNIT_REPLICAS_MAX;
use lienthong_proto::merkle::verify_inclusion;
use lienthong_proto::roll::{Acknowledged, KnownReplicas, RollFault, RollLine};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::of_one_ledger;

use super::{Kept, Witness, checkpoint_of, digests, path_between};
use crate::identity::NodeIdentity;

/// Places of rolls that are kept: far more than there are in the days an earlier checkpoint is shown as witnessed.
const ROLLS_MAX: usize = 1_000;
/// What the hub says of an enrolment that was not ended.
const ACTIVE: &str = "active";

impl Witness {
    /// Whoever relies on a checkpoint relies on the roll it names: that is the last one judged here, or it is not cosigned; and
    /// one that others have cosigned names none that was not shown here.
    pub(super) fn unshown_roll(&self, checkpoint: &Checkpoint) -> Option<String> {
        let kept = self.kept.lock();
        let judged = kept.rolls.last().copied();
        if judged != checkpoint.roll {
            let (named, judged) = (said(checkpoint.roll), said(judged));
            return Some(format!(
                "the ledger's last roll is said to be {named}, the last that was shown here is {judged}"
            ));
        }
        let witnessed = kept.witnessed.as_ref().and_then(|(note, _)| checkpoint_of(note)?.roll)?;
        let forgotten =
            kept.rolls.len() >= ROLLS_MAX && kept.rolls.first().is_some_and(|first| witnessed < *first);
        let is_known = forgotten || kept.rolls.contains(&witnessed);
        (!is_known).then(|| {
            format!("others have cosigned a checkpoint with the roll {witnessed}, which was never shown here")
        })
    }

    /// Takes over what the hub says of the unit's replicas: nothing that was once said goes, so that nothing is taken of what
    /// would be more than a unit has.
    pub(super) fn shown_replicas(&self, enrolments: &[wire::Enrolment]) -> Result<(), RollFault> {
        if enrolments.is_empty() {
            return Ok(());
        }
        let kept = self.kept.lock().clone();
        let told = enrolments.iter().filter_map(|shown| ReplicaId::from_slice(&shown.replica));
        let known: BTreeSet<ReplicaId> = kept.replicas.keys().copied().chain(told).collect();
        if known.len() > UNIT_REPLICAS_MAX {
            return Err(RollFault::TooMany { found: known.len() });
        }
        let (mut replicas, mut ended) = (kept.replicas.clone(), kept.ended.clone());
        for shown in enrolments {
            let Some(replica) = ReplicaId::from_slice(&shown.replica) else { continue };
            let at = UnixMillis(shown.at_millis);
            if replicas
                .insert(replica, at.max(kept.replicas.get(&replica).copied().unwrap_or_default()))
                .is_none()
                && !kept.replicas.is_empty()
            {
                tracing::warn!(%replica, "another node has enrolled in this unit's name");
            }
            if shown.state == ACTIVE {
                ended.remove(&replica)
            } else {
                ended.insert(replica)
            };
        }
        if (&replicas, &ended) != (&kept.replicas, &kept.ended)
            && let Err(error) = self.change(|kept| (kept.replicas, kept.ended) = (replicas, ended))
        {
            tracing::error!(%error, "the unit's replicas cannot be kept");
        }
        Ok(())
    }

    /// Judges the lines of the rolls that a round shows, in order, before anything of it is cosigned: `acknowledged` is
    /// what the hub gave receipts for. One that is false is kept as a reason to cosign nothing, until a true one follows;
    /// the first comes back with what shows it.
    ///
    /// # Errors
    /// The operating system's, if what was judged cannot be kept.
    pub fn rolls(
        &self,
        identity: &NodeIdentity,
        round: &wire::Round,
        seen: Option<&Checkpoint>,
        acknowledged: &dyn Fn() -> Vec<Acknowledged>,
    ) -> std::io::Result<Option<(RollFault, wire::RollShown)>> {
        let ledger = identity.ledger();
        let signed =
            SignedCheckpoint::verify(round.checkpoint.as_bytes(), ledger.origin.as_str(), ledger.key);
        let Ok(signed) = signed else { return Ok(None) };
        // What a ledger says that was not proven to be the one seen is no word of it.
        let follows = |seen: &&Checkpoint| {
            let path = path_between(round.seen.as_ref(), seen.size);
            path.is_some_and(|path| of_one_ledger(seen, signed.checkpoint(), &path).is_ok())
        };
        if seen.filter(follows).is_none() {
            return Ok(None);
        }
        // One that was enrolled during the session is told of with the roll that has it.
        let too_many = self.shown_replicas(&round.enrolments).err();
        let (mut known, mut first): (Option<KnownReplicas>, _) = (None, None);
        for shown in &round.rolls {
            let (last, next) = {
                let kept = self.kept.lock();
                (kept.rolls.last().copied(), kept.rolls_seen)
            };
            let known = known.get_or_insert_with(|| {
                let kept = self.kept.lock().clone();
                KnownReplicas {
                    own: identity.replica(),
                    key: identity.log_key().public_key(),
                    acknowledged: acknowledged(),
                    shown: kept.replicas,
                    judged: kept.judged.iter().map(|member| (member.replica, *member)).collect(),
                }
            });
            let judged = proven_roll(shown, signed.checkpoint(), identity.unit());
            let (line, index) = match judged {
                // Judged already.
                Ok((_, index)) if index < next => continue,
                Ok((None, index)) => {
                    self.change(|kept| kept.rolls_seen = index + 1)?;
                    continue;
                }
                Ok((Some(line), index)) => (line, index),
                // One that was judged already is not wanted again.
                Err((_, Some(index))) if index < next => continue,
                Err((fault, place)) => {
                    self.found_false(&fault, place)?;
                    first.get_or_insert((fault, shown.clone()));
                    continue;
                }
            };
            let gap = || RollFault::Gap { known: said(last), found: said(line.before) };
            let judged = if line.before == last { line.judge(known) } else { Err(gap()) };
            match judged {
                Ok(()) => {
                    known.judged = line.replicas;
                    let members = known.judged.values().copied().collect();
                    self.change(|kept| {
                        kept.is_shown(index);
                        (kept.judged, kept.false_roll) = (members, None);
                    })?;
                }
                Err(fault) => {
                    self.found_false(&fault, Some(index))?;
                    first.get_or_insert((fault, shown.clone()));
                }
            }
        }
        // Behind a true one as well nothing is cosigned.
        if let Some(fault) = too_many {
            self.found_false(&fault, None)?;
            first = Some((fault, round.rolls.first().cloned().unwrap_or_default()));
        }
        Ok(first)
    }

    pub(super) fn found_false(&self, fault: &RollFault, place: Option<u64>) -> std::io::Result<()> {
        self.change(|kept| {
            place.into_iter().for_each(|place| kept.is_shown(place));
            kept.false_roll = Some(fault.to_string());
        })
    }

    /// The nodes that have enrolled in the unit's name, as far as this one was told: each with the time, and whether it is one
    /// still.
    #[must_use]
    pub fn replicas(&self) -> Vec<(ReplicaId, UnixMillis, bool)> {
        let kept = self.kept.lock();
        kept.replicas.iter().map(|(replica, at)| (*replica, *at, !kept.ended.contains(replica))).collect()
    }
}

impl Kept {
    fn is_shown(&mut self, roll: u64) {
        self.rolls.insert(roll);
        while self.rolls.len() > ROLLS_MAX {
            self.rolls.pop_first();
        }
        self.rolls_seen = roll + 1;
    }
}

fn said(roll: Option<u64>) -> String {
    roll.map_or_else(|| "none".to_owned(), |place| place.to_string())
}

/// A line of a unit, proven to stand in the ledger, and where; none of a roll in the form of before, which no checkpoint names. Where
/// a roll stands is said as well of one that is none for the unit: what follows it can be judged.
fn proven_roll(
    shown: &wire::RollShown,
    checkpoint: &Checkpoint,
    unit: &UnitCode,
) -> Result<(Option<RollLine>, u64), (RollFault, Option<u64>)> {
    let entry = Entry::decode(&shown.entry).map_err(|_| (RollFault::NoLine, None))?;
    let index = entry.header.dot.sequence.0;
    let unproven = || (RollFault::Unproven, None);
    let path = digests(&shown.path).map_err(|_| unproven())?;
    verify_inclusion(&entry.leaf_hash(), index, checkpoint.size, &path, &checkpoint.root)
        .map_err(|_| unproven())?;
    let salt = shown.salt.as_ref().try_into().ok();
    let opened = salt.as_ref().map(|salt| (salt, shown.line.as_ref()));
    if Event::of(&entry).is_ok_and(|event| event.kind == ROLL && event.fields.contains_key("part")) {
        return Ok((None, index));
    }
    let is_roll = Event::of(&entry).is_ok_and(|event| event.kind == ROLL);
    let line = RollLine::of(&entry, unit, opened).map_err(|fault| (fault, is_roll.then_some(index)))?;
    Ok((Some(line), index))
}
