//! What the ledger's entries in a bundle say of keys, acceptances, the grant and the units' replicas.

use std::collections::{BTreeMap, BTreeSet};

use super::Terms;
use crate::entry::{Entry, Part};
use crate::erasure;
use crate::event::{Acceptance, Event, FIRST_ACCEPTED};
use crate::hash::Digest;
use crate::ids::{Dot, ReplicaId, Sequence, UnitCode};
use crate::note::Note;
use crate::receipt_key::{RECEIPT_KEY, ReceiptKey, ReceiptKeys};
use crate::roll::{self, Member};
use crate::succession::Succession;
use crate::time::UnixMillis;
use crate::value::Value;
use crate::verdict::Verdict;

/// Kinds of events, as they stand in the ledger.
pub mod event {
    /// A grant was proposed: `agency`, `terms`; its actor proposes.
    pub const GRANT_PROPOSED: &str = "grant_proposed";
    /// It was approved: `grant`; its actor approves.
    pub const GRANT_APPROVED: &str = "grant_approved";
    /// It was taken back, or refused: `grant`, `reason`.
    pub const GRANT_REVOKED: &str = "grant_revoked";
    /// Something was handed over: `grant`, `agency`, `cut`, `digest`.
    pub const ACCESS: &str = "access";
    /// The agency is told what of that is no longer so: `grant`, `agency`, `since`, `until`, `records`.
    pub const CHANGE_NOTICE: &str = "change_notice";
    /// Which replicas each unit has: `before`, `upto`, and `unit/<code>`, the commitment of the unit's line.
    pub const ROLL: &str = "roll";
    /// Lines of the next roll: `unit/<code>`, a list of members as [`Member`] says.
    pub const ROLL_PART: &str = "roll_part";
    /// In any replica's log: how many changes of each type stand before it, `count/<type>`.
    pub const TALLY: &str = "tally";
}

/// A batch that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: Digest,
    pub(super) at: UnixMillis,
    pub(super) verdicts: BTreeMap<u16, Verdict>,
    pub(super) checkpoint: String,
    /// What the next acceptance of the log must say of those before it.
    chain: Digest,
}

/// A replica's enrolment.
#[derive(Debug, Clone)]
pub(super) struct Enrolment {
    pub(super) unit: UnitCode,
    pub(super) key: [u8; 32],
    pub(super) at: UnixMillis,
}

/// Which replicas units have, with how much was held of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Roll {
    pub(super) at: Option<UnixMillis>,
    /// Where it stands.
    pub(super) place: u64,
    /// Every unit there is; nothing where its line is withheld.
    pub(super) units: BTreeMap<UnitCode, Option<Vec<Member>>>,
}

impl Roll {
    /// Whether none of its lines is withheld.
    pub(super) fn is_whole(&self) -> bool {
        self.units.values().all(Option::is_some)
    }

    /// A unit's line, if it is shown.
    pub(super) fn line(&self, unit: &UnitCode) -> Option<&[Member]> {
        self.units.get(unit)?.as_deref()
    }
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) enrolled: BTreeMap<ReplicaId, Enrolment>,
    pub(super) accepted: BTreeMap<ReplicaId, BTreeMap<u64, Accepted>>,
    pub(super) releases: BTreeMap<Dot, bool>,
    pub(super) proposed: Option<(String, Terms)>,
    pub(super) approved: Option<String>,
    pub(super) roll: Roll,
    lines: BTreeMap<Digest, Vec<Member>>,
    /// The keys of receipts that followed the first.
    pub(super) receipt_keys: ReceiptKeys,
    /// What orders took of an entry: the order's number, and the commitments.
    pub(super) erased: BTreeMap<Dot, Vec<(String, BTreeSet<Digest>)>>,
}

impl Facts {
    /// Takes an acceptance into account; whether it follows the replica's last, as the replica has judged it by its receipts. All
    /// of a log that is shown are there: one that stands twice, or out of order, could give a batch another date.
    pub(super) fn accept(&mut self, index: u64, acceptance: Acceptance) -> bool {
        let chain = acceptance.chain(index);
        let Acceptance { replica, first, size, root, at, before, verdicts, checkpoint } = acceptance;
        let of_replica = self.accepted.entry(replica).or_default();
        // A live view may be shown it again.
        if of_replica.get(&first.0).is_some_and(|known| known.index == index) {
            return true;
        }
        let last = of_replica.last_key_value().map(|(_, last)| (last.size, last.chain));
        let (held, said) = last.unwrap_or((0, FIRST_ACCEPTED));
        let follows = first.0 == held && size > held && before == said;
        if follows {
            of_replica.insert(first.0, Accepted { index, size, root, at, verdicts, checkpoint, chain });
        }
        follows
    }

    /// Where so many entries of a replica were accepted, and when.
    pub(super) fn accepted_at(&self, replica: ReplicaId, size: u64) -> Option<(u64, UnixMillis)> {
        let of_replica = self.accepted.get(&replica)?;
        let accepted = of_replica.values().find(|accepted| accepted.size == size)?;
        Some((accepted.index, accepted.at))
    }

    /// Takes an event into account; nothing if it lacks what its kind needs. `province` is the unit whose ledger says it.
    pub(super) fn note(
        &mut self,
        entry: &Entry<'_>,
        event: &Event,
        grant: u64,
        province: &UnitCode,
    ) -> Option<()> {
        match event.kind.as_str() {
            // Of a log that its unit's other nodes brought back no key is known: nothing of it is shown to be its writer's.
            "readmission" if !event.fields.contains_key("log_key") => {}
            "enrolment" | "readmission" => {
                let replica = text(event, "replica")?.parse().ok()?;
                let mut key = [0; 32];
                hex::decode_to_slice(text(event, "log_key")?, &mut key).ok()?;
                let unit = unit(event, "unit")?.clone();
                // One id has one key; the ledger's first word on it counts.
                self.enrolled.entry(replica).or_insert(Enrolment { unit, key, at: event.at });
            }
            // A ledger before is held like a replica of the province; its key is in the statement.
            "succession" => {
                let statement = Note::parse(text(event, "note")?.as_bytes()).ok()?;
                let former = Succession::parse(statement.text()).ok()?.former;
                let unit = former.origin.unit().clone();
                // Else any log could pass for a ledger before this one.
                (unit == *province).then_some(())?;
                self.enrolled.entry(former.origin.replica()).or_insert(Enrolment {
                    unit,
                    key: former.key,
                    at: event.at,
                });
            }
            "release" => {
                let replica = text(event, "replica")?.parse().ok()?;
                let sequence = Sequence(number(event, "sequence")?);
                let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
                self.releases.insert(Dot { replica, sequence }, proposal);
            }
            event::GRANT_PROPOSED if entry.header.dot.sequence.0 == grant => {
                let terms = Terms::parse(text(event, "terms")?).ok()?;
                (terms.agency == *unit(event, "agency")?).then_some(())?;
                self.proposed = Some((event.actor.clone(), terms));
            }
            event::GRANT_APPROVED if number(event, "grant")? == grant => {
                self.approved = Some(event.actor.clone());
            }
            event::ROLL_PART => self.note_lines(entry, event)?,
            event::ROLL => self.note_roll(entry, event)?,
            // One that was to begin in the past, or does not follow the last, names none.
            RECEIPT_KEY => {
                if let Some(key) = ReceiptKey::of(event) {
                    self.receipt_keys.take(key);
                }
            }
            erasure::event::ERASURE => {
                let order = text(event, "order")?;
                for erased in erasure::entries_of(event)? {
                    let of_entry = self.erased.entry(erased.dot).or_default();
                    of_entry.push((order.to_owned(), erased.commitments));
                }
            }
            _ => {}
        }
        Some(())
    }

    /// What comes brings a roll of its own.
    pub(super) fn forget_roll(&mut self) {
        (self.roll, self.lines) = (Roll::default(), BTreeMap::new());
    }

    /// The lines of the next roll, by what commits to them.
    fn note_lines(&mut self, entry: &Entry<'_>, event: &Event) -> Option<()> {
        for part in entry.parts() {
            let Part::Open { path, .. } = part else { continue };
            if path.starts_with(roll::LINE) {
                self.lines.insert(part.commitment(), roll::members(event.fields.get(*path)?).ok()?);
            }
        }
        Some(())
    }

    fn note_roll(&mut self, entry: &Entry<'_>, event: &Event) -> Option<()> {
        let lines = std::mem::take(&mut self.lines);
        let place = entry.header.dot.sequence.0;
        let mut read = Roll { at: Some(event.at), place, ..Roll::default() };
        for (path, commitment) in roll::lines_of(entry, event)? {
            let unit = path.strip_prefix(roll::LINE)?.parse().ok()?;
            read.units.insert(unit, lines.get(&commitment).cloned());
        }
        self.roll = read;
        Some(())
    }

    /// Whether what was taken of a replica behind so many entries is dated before an instant.
    pub(super) fn is_taken_before(&self, replica: ReplicaId, size: u64, instant: UnixMillis) -> bool {
        let of_replica = self.accepted.get(&replica).into_iter();
        of_replica.flat_map(|accepted| accepted.range(size..)).any(|(_, accepted)| accepted.at < instant)
    }

    /// By which order each of these commitments of an entry was erased; nothing if one was not.
    pub(super) fn erased_by(&self, dot: &Dot, commitments: &BTreeSet<Digest>) -> Option<Vec<&str>> {
        let orders = self.erased.get(dot)?;
        let order = |commitment: &Digest| {
            let mut orders = orders.iter().filter(|(_, erased)| erased.contains(commitment));
            orders.next().map(|(order, _)| order.as_str())
        };
        // Others are withheld by the grant.
        Some(commitments.iter().filter_map(order).collect())
    }

    /// The batch an entry of a replica was accepted with, and the first of that batch.
    pub(super) fn acceptance_of(&self, dot: &Dot) -> Option<(u64, &Accepted)> {
        let (first, accepted) = self.accepted.get(&dot.replica)?.range(..=dot.sequence.0).next_back()?;
        (dot.sequence.0 < accepted.size).then_some((*first, accepted))
    }

    /// What is proven of how a replica's change was taken, and when; none if its acceptance is not shown.
    pub(super) fn standing_of(&self, dot: &Dot) -> Option<(Standing, UnixMillis)> {
        let (first, accepted) = self.acceptance_of(dot)?;
        let place = u16::try_from(dot.sequence.0 - first).unwrap_or(u16::MAX);
        let standing = match (accepted.verdicts.get(&place), self.releases.get(dot)) {
            (_, Some(proposal)) => Standing::Taken { proposal: *proposal },
            (None | Some(Verdict::Applied), None) => Standing::Taken { proposal: false },
            (Some(Verdict::Proposal), None) => Standing::Taken { proposal: true },
            (Some(Verdict::Quarantined(_)), None) => Standing::Quarantined,
        };
        Some((standing, accepted.at))
    }
}

/// How a change was taken.
pub(super) enum Standing {
    /// Into the dataset, or as a proposal to it.
    Taken { proposal: bool },
    /// Kept apart.
    Quarantined,
}

/// A text of an event.
pub(super) fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// A unit of an event.
pub(super) fn unit<'a>(event: &'a Event, name: &str) -> Option<&'a UnitCode> {
    match event.fields.get(name) {
        Some(Value::Unit(unit)) => Some(unit),
        _ => None,
    }
}

/// A number of an event that is not negative.
pub(super) fn number(event: &Event, name: &str) -> Option<u64> {
    match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}
