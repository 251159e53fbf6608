//! A unit's line of a roll: what the ledger says of its replicas, judged by one who knows what it had handed in.
//!
//! A roll names the replicas of every unit with the entries held of each; a bundle must show all of that. Each node judges
//! its own unit's line of every roll before it cosigns a ledger that holds it (PROTOCOL.md, “Witnesses”).
//!
//! A unit's line is nobody else's matter: the lines are entries of their own, of which each is shown what it may see. The roll
//! itself is shown to everyone as a whole, and says of each unit's line what commits to it, so that there are no two.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bytes::{Malformed, Reader};
use crate::disclosure::event::ROLL;
use crate::entry::{Entry, Part, Salt, commitment};
use crate::event::Event;
use crate::hash::Digest;
use crate::ids::{ReplicaId, UnitCode};
use crate::limits::UNIT_REPLICAS_MAX;
use crate::time::UnixMillis;
use crate::value::Value;

/// The place of the roll before this one; the first has none.
pub const BEFORE: &str = "before";
/// The ledger's last acceptance that is counted.
pub const UPTO: &str = "upto";
/// A delivery rests on no roll that was called longer before it: one of months ago would leave out what came since.
pub const ROLL_MILLIS_MAX: u64 = 48 * 3_600_000;
/// So far the hub's clock may have been set back since a roll was called; one dated further ahead is of a wrong clock.
pub const AHEAD_MILLIS_MAX: u64 = 10 * 60 * 1_000;
/// What was taken so long before a roll must be in it, whatever it says it counts.
const SLACK_MILLIS: u64 = 10 * 60 * 1_000;

/// What the path of a line begins with.
pub const LINE: &str = "unit/";

/// The path of a unit's line.
#[must_use]
pub fn line_of(unit: &UnitCode) -> String {
    format!("{LINE}{unit}")
}

/// How a roll names a unit's line.
#[must_use]
pub fn committed(line: &Digest) -> Value {
    Value::Text(STANDARD.encode(line))
}

/// What commits to each unit's line, by the path of the line; nothing if the entry is no roll that is shown as a whole.
#[must_use]
pub fn lines_of(entry: &Entry<'_>, event: &Event) -> Option<BTreeMap<String, Digest>> {
    let whole = entry.parts().iter().all(|part| matches!(part, Part::Open { .. }));
    let digest = |value: &Value| match value {
        Value::Text(text) => STANDARD.decode(text).ok()?.try_into().ok(),
        _ => None,
    };
    let lines = event.fields.iter().filter(|(name, _)| name.starts_with(LINE));
    let lines = lines.map(|(name, value)| Some((name.clone(), digest(value)?)));
    lines.collect::<Option<_>>().filter(|_| whole && event.kind == ROLL)
}

/// One unit's line of a roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollLine {
    /// When the roll was called.
    pub at: UnixMillis,
    /// The place of the one before.
    pub before: Option<u64>,
    /// The ledger's last acceptance that is counted.
    pub upto: u64,
    /// Entries held, by replica.
    pub replicas: BTreeMap<ReplicaId, u64>,
}

/// What was acknowledged to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Entries of its log.
    pub size: u64,
    /// The ledger's entry that says so.
    pub ledger_index: u64,
    /// The hub's time.
    pub at: UnixMillis,
}

/// What somebody of a unit knows of its replicas.
#[derive(Debug, Clone)]
pub struct KnownReplicas {
    /// The one that judges.
    pub own: ReplicaId,
    /// What it was acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// The unit's replicas it was shown, with the time of their enrolment.
    pub shown: BTreeMap<ReplicaId, UnixMillis>,
    /// It is told of each by the time a roll has it; hubs of before told of them when a session began.
    pub is_told: bool,
}

/// Why a line is false.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollFault {
    /// It is no line of a roll for this unit.
    #[error("what is shown is no line of this unit in a roll of the ledger")]
    NoLine,
    /// It does not stand in the ledger.
    #[error("the roll does not stand in the ledger")]
    Unproven,
    /// One was left out.
    #[error("the roll follows entry {found}; the last that was shown here is {known}")]
    Gap {
        /// As known.
        known: String,
        /// As said.
        found: String,
    },
    /// A replica is not there.
    #[error("the roll of {at} does not have replica {replica} of this unit")]
    Missing {
        /// The roll.
        at: String,
        /// The replica.
        replica: ReplicaId,
    },
    /// One is there that nobody of the unit was told of.
    #[error("the roll of {at} has replica {replica} of this unit, of which it was never told")]
    Unknown {
        /// The roll.
        at: String,
        /// The replica.
        replica: ReplicaId,
    },
    /// More are said to be there than a unit has.
    #[error("the province tells of {found} replicas of this unit, which has {UNIT_REPLICAS_MAX} at most")]
    TooMany {
        /// With those that were told of before.
        found: usize,
    },
    /// There is less of it than was acknowledged.
    #[error("the roll of {at} has {found} entries of replica {replica}, {acknowledged} were acknowledged")]
    Less {
        /// The roll.
        at: String,
        /// The replica.
        replica: ReplicaId,
        /// As the roll says.
        found: u64,
        /// As acknowledged.
        acknowledged: u64,
    },
}

/// The replicas a line lists, each with the entries held of it.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn members(value: &Value) -> Result<Vec<(ReplicaId, u64)>, Malformed> {
    let malformed = Malformed("a line of a roll");
    let Value::List(members) = value else { return Err(malformed) };
    let member = |member: &Value| {
        let Value::Text(text) = member else { return None };
        let (replica, size) = text.split_once(':')?;
        Some((replica.parse().ok()?, size.parse().ok()?))
    };
    members.iter().map(|value| member(value).ok_or(malformed)).collect()
}

impl RollLine {
    /// A unit's line of the roll that an entry is: it stands elsewhere, and is opened by its salt and content. A unit that the
    /// roll does not name has none, and nothing is opened.
    ///
    /// # Errors
    /// [`RollFault::NoLine`].
    pub fn of(entry: &Entry<'_>, unit: &UnitCode, opened: Option<(&Salt, &[u8])>) -> Result<Self, RollFault> {
        let event = Event::of(entry).map_err(|_| RollFault::NoLine)?;
        let lines = lines_of(entry, &event).ok_or(RollFault::NoLine)?;
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).map(Some).map_err(|_| RollFault::NoLine),
            None => Ok(None),
            Some(_) => Err(RollFault::NoLine),
        };
        let (before, upto) = (number(BEFORE)?, number(UPTO)?.ok_or(RollFault::NoLine)?);
        let path = line_of(unit);
        let replicas = match (lines.get(&path), opened) {
            (None, _) => BTreeMap::new(),
            (Some(line), Some((salt, content))) if commitment(salt, &path, content) == *line => {
                let mut input = Reader::new(content);
                let value = Value::decode(&mut input).map_err(|_| RollFault::NoLine)?;
                input
                    .end()
                    .and_then(|()| members(&value))
                    .map_err(|_| RollFault::NoLine)?
                    .into_iter()
                    .collect()
            }
            _ => return Err(RollFault::NoLine),
        };
        Ok(Self { at: event.at, before, upto, replicas })
    }

    /// Judges it by what is known of the unit's replicas.
    ///
    /// # Errors
    /// [`RollFault`] if a replica is missing, has less than was acknowledged, or is not known.
    pub fn judge(&self, known: &KnownReplicas) -> Result<(), RollFault> {
        let (at, long_before) = (self.at.rfc3339(), |time: UnixMillis| self.at.0 > time.0 + SLACK_MILLIS);
        let missing = |replica: &ReplicaId| RollFault::Missing { at: at.clone(), replica: *replica };
        let counted = known
            .acknowledged
            .iter()
            .filter(|acknowledged| acknowledged.ledger_index <= self.upto || long_before(acknowledged.at));
        if let Some(acknowledged) = counted.map(|acknowledged| acknowledged.size).max() {
            let found = *self.replicas.get(&known.own).ok_or_else(|| missing(&known.own))?;
            if found < acknowledged {
                return Err(RollFault::Less { at, replica: known.own, found, acknowledged });
            }
        }
        let mut shown = known.shown.iter().filter(|(_, enrolled)| long_before(**enrolled));
        if let Some((replica, _)) = shown.find(|(replica, _)| !self.replicas.contains_key(*replica)) {
            return Err(missing(replica));
        }
        let known_here = |replica: &ReplicaId| {
            *replica == known.own || known.shown.contains_key(replica) || !known.is_told
        };
        match self.replicas.keys().find(|replica| !known_here(replica)) {
            Some(replica) => Err(RollFault::Unknown { at, replica: *replica }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Writer;
    use crate::entry::salt;
    use crate::ids::{Dot, Sequence};

    const OWN: ReplicaId = ReplicaId([1; 16]);
    const OTHER: ReplicaId = ReplicaId([2; 16]);

    const SECRET: [u8; 16] = [7; 16];

    fn here() -> UnitCode {
        "11953".parse().unwrap()
    }

    fn content(members: &[(ReplicaId, u64)]) -> Vec<u8> {
        let members = members.iter().map(|(replica, size)| Value::Text(format!("{replica}:{size}")));
        let mut out = Writer::default();
        Value::List(members.collect()).encode(&mut out);
        out.into_bytes()
    }

    /// A roll that names these lines.
    fn roll(lines: &[(&str, &[u8])]) -> Vec<u8> {
        let mut fields =
            BTreeMap::from([(BEFORE.to_owned(), Value::Integer(9)), (UPTO.to_owned(), Value::Integer(50))]);
        let line = |(path, content): &(&str, &[u8])| {
            ((*path).to_owned(), committed(&commitment(&salt(&SECRET, path), path, content)))
        };
        fields.extend(lines.iter().map(line));
        let event =
            Event { kind: ROLL.to_owned(), at: UnixMillis(5_000_000), actor: "hub".to_owned(), fields };
        event.build(Dot { replica: OTHER, sequence: Sequence(60) }, &[8; 16]).unwrap().0
    }

    fn line(members: &[(ReplicaId, u64)]) -> Result<RollLine, RollFault> {
        let content = content(members);
        let roll = roll(&[("unit/11953", &content), ("unit/12004", b"another's")]);
        let opened = salt(&SECRET, "unit/11953");
        RollLine::of(&Entry::decode(&roll).unwrap(), &here(), Some((&opened, &content)))
    }

    /// Goal: a unit has the one line that the roll commits to: no other, none of another unit, none that is not shown, and none of
    /// a roll of which something is withheld, for that may be another line.
    #[test]
    fn p5_a_unit_has_one_line() {
        let (own, other) = (content(&[(OWN, 10)]), content(&[(OWN, 3)]));
        let bytes = roll(&[("unit/11953", &own), ("unit/12004", &other)]);
        let (roll, key) = (Entry::decode(&bytes).unwrap(), salt(&SECRET, "unit/11953"));
        let read = |opened| RollLine::of(&roll, &here(), opened).map(|line| line.replicas);
        assert_eq!(read(Some((&key, &own))), Ok([(OWN, 10)].into()));
        let foreign = salt(&SECRET, "unit/12004");
        for opened in [None, Some((&key, other.as_slice())), Some((&foreign, &other)), Some((&foreign, &own))]
        {
            assert_eq!(read(opened), Err(RollFault::NoLine));
        }
        let unnamed = RollLine::of(&roll, &"12010".parse().unwrap(), None).map(|line| line.replicas);
        assert_eq!(unnamed, Ok(BTreeMap::new()));
        let withheld = roll.redact(|path| path != "unit/12004");
        let withheld = Entry::decode(&withheld).unwrap();
        assert_eq!(RollLine::of(&withheld, &here(), Some((&key, &own))), Err(RollFault::NoLine));
    }

    fn known(acknowledged: &[(u64, u64, u64)], shown: &[(ReplicaId, u64)]) -> KnownReplicas {
        let acknowledged = acknowledged.iter().map(|&(size, ledger_index, at)| Acknowledged {
            size,
            ledger_index,
            at: UnixMillis(at),
        });
        let shown = shown.iter().map(|&(replica, at)| (replica, UnixMillis(at))).collect();
        KnownReplicas { own: OWN, acknowledged: acknowledged.collect(), shown, is_told: true }
    }

    /// Goal: a line is judged by what counts when it was called, and by nothing that came at the same time or later.
    #[test]
    fn a_line_is_judged_by_what_was_acknowledged() {
        let judge = |members: &[(ReplicaId, u64)], known: &KnownReplicas| line(members).unwrap().judge(known);
        let receipts = known(&[(10, 40, 4_990_000), (20, 51, 4_999_000)], &[]);
        assert_eq!(judge(&[(OWN, 10)], &receipts), Ok(()), "the second is behind what it counts");
        assert!(matches!(
            judge(&[(OWN, 9)], &receipts),
            Err(RollFault::Less { found: 9, acknowledged: 10, .. })
        ));
        assert!(matches!(judge(&[(OTHER, 99)], &receipts), Err(RollFault::Missing { replica: OWN, .. })));
        // One that counts less than there long was is none.
        let old = known(&[(20, 51, 1_000_000)], &[]);
        assert!(matches!(judge(&[(OWN, 10)], &old), Err(RollFault::Less { .. })));
        // Nothing acknowledged: nothing to miss.
        assert_eq!(judge(&[], &known(&[], &[])), Ok(()));
        let shown = known(&[], &[(OTHER, 1_000_000)]);
        assert!(matches!(judge(&[(OWN, 1)], &shown), Err(RollFault::Missing { replica: OTHER, .. })));
        assert_eq!(judge(&[(OWN, 1)], &known(&[], &[(OTHER, 4_999_000)])), Ok(()), "enrolled meanwhile");
        assert_eq!(judge(&[(OTHER, 0)], &shown), Ok(()));
        // A false replica of the unit is told of, or the ledger is not cosigned.
        let unknown = Err(RollFault::Unknown { at: UnixMillis(5_000_000).rfc3339(), replica: OTHER });
        assert_eq!(judge(&[(OWN, 10), (OTHER, 1)], &receipts), unknown);
        let by_an_older_hub = KnownReplicas { is_told: false, ..receipts };
        assert_eq!(judge(&[(OWN, 10), (OTHER, 1)], &by_an_older_hub), Ok(()));
    }

    #[test]
    fn what_is_no_line_is_none() {
        let other: UnitCode = "12004".parse().unwrap();
        let event = Event {
            kind: "access".to_owned(),
            at: UnixMillis(1),
            actor: "hub".to_owned(),
            fields: BTreeMap::new(),
        };
        let (bytes, _) = event.build(Dot { replica: OWN, sequence: Sequence(0) }, &[7; 16]).unwrap();
        assert_eq!(RollLine::of(&Entry::decode(&bytes).unwrap(), &other, None), Err(RollFault::NoLine));
        for bad in
            [Value::Null, Value::List(vec![Value::Integer(1)]), Value::List(vec![Value::Text("x:1".into())])]
        {
            assert!(members(&bad).is_err());
        }
    }
}
