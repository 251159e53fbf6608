//! A unit's line of a roll: what the ledger says of its replicas, judged by one who knows what it had handed in.
//!
//! A roll names the replicas of every unit, with the key of each, the entries held of it and where they were accepted; a bundle
//! must show all of that. Each node judges
//! its own unit's line of every roll before it cosigns a ledger that holds it (PROTOCOL.md, “Witnesses”).
//!
//! A unit's line is nobody else's matter: the lines are entries of their own, of which each is shown what it may see. The roll
//! itself is shown to everyone as a whole, and says of each unit's line what commits to it, so that there are no two.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

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

/// In place of a key that is not known.
const NO_KEY: &str = "-";
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

/// What a line says of a replica. As text: `<replica>:<size>:<accepted>:<at>:<key>`, the key in hex or `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Member {
    /// Which.
    pub replica: ReplicaId,
    /// Entries held of its log.
    pub size: u64,
    /// The ledger's entry that accepted the last of them; 0 if nothing is held.
    pub accepted: u64,
    /// When that was, milliseconds; 0 if nothing is held.
    pub at: UnixMillis,
    /// The key of its log, by its enrolment; none is known of a log that its unit's other nodes brought back.
    pub key: Option<[u8; 32]>,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replica, size, accepted, at, key } = self;
        write!(
            f,
            "{replica}:{size}:{accepted}:{}:{}",
            at.0,
            key.map_or_else(|| NO_KEY.to_owned(), hex::encode)
        )
    }
}

impl FromStr for Member {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("a line of a roll");
        let parts: Vec<&str> = text.split(':').collect();
        let [replica, size, accepted, at, key] = parts.as_slice() else { return Err(malformed) };
        let number = |text: &str| text.parse().map_err(|_| malformed);
        let key = (*key != NO_KEY).then(|| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(key, &mut bytes).map(|()| bytes)
        });
        let member = Self {
            replica: replica.parse().map_err(|_| malformed)?,
            size: number(size)?,
            accepted: number(accepted)?,
            at: UnixMillis(number(at)?),
            key: key.transpose().map_err(|_| malformed)?,
        };
        // One form only.
        if member.to_string() == text { Ok(member) } else { Err(malformed) }
    }
}

impl TryFrom<String> for Member {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Member> for String {
    fn from(member: Member) -> Self {
        member.to_string()
    }
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
    /// By replica.
    pub replicas: BTreeMap<ReplicaId, Member>,
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
    /// The key of its log.
    pub key: [u8; 32],
    /// What it was acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// The unit's replicas it was shown, with the time of their enrolment.
    pub shown: BTreeMap<ReplicaId, UnixMillis>,
    /// What the line said that was judged last: of a node that is no more nobody else knows.
    pub judged: BTreeMap<ReplicaId, Member>,
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
    /// Its log is said to be under another key.
    #[error("the roll of {at} has another key of replica {replica} than that of its log")]
    OtherKey {
        /// The roll.
        at: String,
        /// The replica.
        replica: ReplicaId,
    },
    /// It is said to have been accepted elsewhere.
    #[error(
        "the roll of {at} has entry {} of the ledger, of {}, as the acceptance of {size} entries of replica {replica}; it was {}, of {}",
        found.0, found.1.rfc3339(), acknowledged.0, acknowledged.1.rfc3339()
    )]
    OtherAcceptance {
        /// The roll.
        at: String,
        /// The replica.
        replica: ReplicaId,
        /// Entries of its log.
        size: u64,
        /// As the roll says: the ledger's entry, and when.
        found: (u64, UnixMillis),
        /// As acknowledged.
        acknowledged: (u64, UnixMillis),
    },
}

/// The replicas a line lists.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn members(value: &Value) -> Result<Vec<Member>, Malformed> {
    let malformed = Malformed("a line of a roll");
    let Value::List(members) = value else { return Err(malformed) };
    let member = |member: &Value| match member {
        Value::Text(text) => text.parse(),
        _ => Err(malformed),
    };
    let members: Vec<Member> = members.iter().map(member).collect::<Result<_, _>>()?;
    // Each once, in order: whoever reads a line finds the same of a replica.
    if members.is_sorted_by(|one, next| one.replica < next.replica) { Ok(members) } else { Err(malformed) }
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
                    .map(|member| (member.replica, member))
                    .collect()
            }
            _ => return Err(RollFault::NoLine),
        };
        Ok(Self { at: event.at, before, upto, replicas })
    }

    /// Judges it by what is known of the unit's replicas.
    ///
    /// # Errors
    /// [`RollFault`] if a replica is missing, has less than was acknowledged, has another key or acceptance, or is not known.
    pub fn judge(&self, known: &KnownReplicas) -> Result<(), RollFault> {
        let (at, long_before) = (self.at.rfc3339(), |time: UnixMillis| self.at.0 > time.0 + SLACK_MILLIS);
        let missing = |replica: &ReplicaId| RollFault::Missing { at: at.clone(), replica: *replica };
        let counted = known
            .acknowledged
            .iter()
            .filter(|acknowledged| acknowledged.ledger_index <= self.upto || long_before(acknowledged.at));
        if let Some(acknowledged) = counted.map(|acknowledged| acknowledged.size).max() {
            let found = self.replicas.get(&known.own).ok_or_else(|| missing(&known.own))?;
            self.goes_on(found, acknowledged)?;
        }
        let own = self.replicas.get(&known.own);
        if own.is_some_and(|own| own.key != Some(known.key)) {
            return Err(RollFault::OtherKey { at, replica: known.own });
        }
        // One of before may have come before its receipt.
        for own in own.into_iter().chain(known.judged.get(&known.own)) {
            for acknowledged in known.acknowledged.iter().filter(|it| it.size == own.size) {
                self.is_accepted(own, (acknowledged.ledger_index, acknowledged.at))?;
            }
        }
        for judged in known.judged.values() {
            let found = self.replicas.get(&judged.replica).ok_or_else(|| missing(&judged.replica))?;
            self.goes_on(found, judged.size)?;
            if judged.key.is_some() && found.key != judged.key {
                return Err(RollFault::OtherKey { at, replica: judged.replica });
            }
            if found.size == judged.size {
                self.is_accepted(found, (judged.accepted, judged.at))?;
            }
        }
        let mut shown = known.shown.iter().filter(|(_, enrolled)| long_before(**enrolled));
        if let Some((replica, _)) = shown.find(|(replica, _)| !self.replicas.contains_key(*replica)) {
            return Err(missing(replica));
        }
        let known_here = |replica: &ReplicaId| *replica == known.own || known.shown.contains_key(replica);
        match self.replicas.keys().find(|replica| !known_here(replica)) {
            Some(replica) => Err(RollFault::Unknown { at, replica: *replica }),
            None => Ok(()),
        }
    }

    fn goes_on(&self, found: &Member, acknowledged: u64) -> Result<(), RollFault> {
        let Member { replica, size: found, .. } = *found;
        if found >= acknowledged {
            return Ok(());
        }
        Err(RollFault::Less { at: self.at.rfc3339(), replica, found, acknowledged })
    }

    fn is_accepted(&self, found: &Member, acknowledged: (u64, UnixMillis)) -> Result<(), RollFault> {
        let (Member { replica, size, .. }, found) = (*found, (found.accepted, found.at));
        if found == acknowledged {
            return Ok(());
        }
        Err(RollFault::OtherAcceptance { at: self.at.rfc3339(), replica, size, found, acknowledged })
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
    const TAKEN: UnixMillis = UnixMillis(4_990_000);

    const SECRET: [u8; 16] = [7; 16];

    fn here() -> UnitCode {
        "11953".parse().unwrap()
    }

    /// Each with its own key, and accepted at four times its size.
    fn of(replica: ReplicaId, size: u64) -> Member {
        Member { replica, size, accepted: 4 * size, at: TAKEN, key: Some([replica.0[0]; 32]) }
    }

    fn content(members: &[Member]) -> Vec<u8> {
        let members = members.iter().map(|member| Value::Text(member.to_string()));
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

    fn listed(members: &[(ReplicaId, u64)]) -> Vec<Member> {
        members.iter().map(|&(replica, size)| of(replica, size)).collect()
    }

    fn line(members: &[Member]) -> Result<RollLine, RollFault> {
        let content = content(members);
        let roll = roll(&[("unit/11953", &content), ("unit/12004", b"another's")]);
        let opened = salt(&SECRET, "unit/11953");
        RollLine::of(&Entry::decode(&roll).unwrap(), &here(), Some((&opened, &content)))
    }

    /// Goal: a unit has the one line that the roll commits to: no other, none of another unit, none that is not shown, and none of
    /// a roll of which something is withheld, for that may be another line.
    #[test]
    fn p5_a_unit_has_one_line() {
        let (own, other) = (content(&[of(OWN, 10)]), content(&[of(OWN, 3)]));
        let bytes = roll(&[("unit/11953", &own), ("unit/12004", &other)]);
        let (roll, key) = (Entry::decode(&bytes).unwrap(), salt(&SECRET, "unit/11953"));
        let read = |opened| RollLine::of(&roll, &here(), opened).map(|line| line.replicas);
        assert_eq!(read(Some((&key, &own))), Ok([(OWN, of(OWN, 10))].into()));
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
        let (acknowledged, judged) = (acknowledged.collect(), BTreeMap::new());
        KnownReplicas { own: OWN, key: [1; 32], acknowledged, shown, judged }
    }

    /// Goal: a line is judged by what counts when it was called, and by nothing that came at the same time or later.
    #[test]
    fn a_line_is_judged_by_what_was_acknowledged() {
        let judge = |members: &[(ReplicaId, u64)], known: &KnownReplicas| {
            line(&listed(members)).unwrap().judge(known)
        };
        let receipts = known(&[(10, 40, 4_990_000), (20, 80, 4_999_000)], &[]);
        assert_eq!(judge(&[(OWN, 10)], &receipts), Ok(()), "the second is behind what it counts");
        assert!(matches!(
            judge(&[(OWN, 9)], &receipts),
            Err(RollFault::Less { found: 9, acknowledged: 10, .. })
        ));
        assert!(matches!(judge(&[(OTHER, 99)], &receipts), Err(RollFault::Missing { replica: OWN, .. })));
        // One that counts less than there long was is none.
        let old = known(&[(20, 80, 1_000_000)], &[]);
        assert!(matches!(judge(&[(OWN, 10)], &old), Err(RollFault::Less { .. })));
        // Nothing acknowledged: nothing to miss.
        assert_eq!(judge(&[], &known(&[], &[])), Ok(()));
        let shown = known(&[], &[(OTHER, 1_000_000)]);
        assert!(matches!(judge(&[(OWN, 1)], &shown), Err(RollFault::Missing { replica: OTHER, .. })));
        assert_eq!(judge(&[(OWN, 1)], &known(&[], &[(OTHER, 4_999_000)])), Ok(()), "enrolled meanwhile");
        assert_eq!(judge(&[(OTHER, 0)], &shown), Ok(()));
        // A false replica of the unit is told of, or the ledger is not cosigned.
        let receipts = known(&[(10, 40, 4_990_000)], &[]);
        let unknown = Err(RollFault::Unknown { at: UnixMillis(5_000_000).rfc3339(), replica: OTHER });
        assert_eq!(judge(&[(OWN, 10), (OTHER, 1)], &receipts), unknown);
    }

    /// Goal: a line binds the key of a log and where it was accepted, of the node's own and of the others' as it was judged
    /// before; so that neither another enrolment nor another acceptance passes for it.
    #[test]
    fn p5_a_line_binds_keys_and_acceptances() {
        let judge =
            |member: Member, known: &KnownReplicas| line(&[of(OWN, 10), member]).unwrap().judge(known);
        let base = known(&[(10, 40, 4_990_000)], &[(OTHER, 1_000_000)]);
        let at = UnixMillis(5_000_000).rfc3339();
        let other_key = |replica| Err(RollFault::OtherKey { at: at.clone(), replica });
        let own = |member: Member| line(&[member, of(OTHER, 5)]).unwrap().judge(&base);
        assert_eq!(own(of(OWN, 10)), Ok(()));
        for key in [None, Some([9; 32])] {
            assert_eq!(own(Member { key, ..of(OWN, 10) }), other_key(OWN));
        }
        assert!(matches!(
            own(Member { accepted: 41, ..of(OWN, 10) }),
            Err(RollFault::OtherAcceptance { size: 10, found: (41, _), acknowledged: (40, _), .. })
        ));
        let dated = own(Member { at: UnixMillis(TAKEN.0 - 1), ..of(OWN, 10) });
        assert!(matches!(dated, Err(RollFault::OtherAcceptance { found: (40, _), .. })));
        // What the last roll said before the receipt came is held against it now.
        let before = [(OWN, Member { accepted: 39, ..of(OWN, 10) })].into();
        let later = KnownReplicas { judged: before, ..base.clone() };
        let said = line(&[of(OWN, 12), of(OTHER, 5)]).unwrap().judge(&later);
        assert!(matches!(said, Err(RollFault::OtherAcceptance { size: 10, found: (39, _), .. })));
        assert_eq!(own(Member { accepted: 45, ..of(OWN, 11) }), Ok(()), "its receipt is on its way");
        // Nothing is known of the other but what was judged before.
        assert_eq!(judge(Member { key: Some([9; 32]), ..of(OTHER, 1) }, &base), Ok(()));
        let later = KnownReplicas { judged: [(OTHER, of(OTHER, 5))].into(), ..base.clone() };
        assert_eq!(judge(of(OTHER, 5), &later), Ok(()));
        assert_eq!(judge(of(OTHER, 6), &later), Ok(()));
        assert_eq!(judge(Member { key: Some([9; 32]), ..of(OTHER, 6) }, &later), other_key(OTHER));
        assert!(matches!(
            judge(of(OTHER, 4), &later),
            Err(RollFault::Less { found: 4, acknowledged: 5, .. })
        ));
        let moved = judge(Member { accepted: 21, ..of(OTHER, 5) }, &later);
        assert!(matches!(
            moved,
            Err(RollFault::OtherAcceptance { found: (21, _), acknowledged: (20, _), .. })
        ));
        let gone = line(&[of(OWN, 10)]).unwrap().judge(&KnownReplicas { shown: BTreeMap::new(), ..later });
        assert_eq!(gone, Err(RollFault::Missing { at: at.clone(), replica: OTHER }));
        // A key that was not known then may be now.
        let keyless = Member { key: None, ..of(OTHER, 5) };
        let later = KnownReplicas { judged: [(OTHER, keyless)].into(), ..base };
        assert_eq!(judge(of(OTHER, 5), &later), Ok(()));
    }

    #[test]
    fn a_member_has_one_form() {
        for member in [of(OWN, u64::MAX / 4), Member { key: None, ..of(OTHER, 0) }] {
            assert_eq!(member.to_string().parse(), Ok(member));
        }
        let of = |rest: &str| format!("{OWN}:{rest}").parse::<Member>();
        for bad in
            ["1", "1:2:-", "1:2:3:", "1:2:3:-:", "+1:2:3:-", "01:2:3:-", "1:2:3:ab", "1:2:3:--", ":2:3:-"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of(&format!("1:2:3:{}", "AB".repeat(32))).is_err());
    }

    /// Goal: a replica stands in a line once, and in its place: whoever reads the first of two must not find another than who
    /// reads the last.
    #[test]
    fn p5_a_replica_stands_in_a_line_once() {
        let read = |members: &[Member]| line(members).map(|line| line.replicas.len());
        assert_eq!(read(&[of(OWN, 1), of(OTHER, 2)]), Ok(2));
        for bad in [[of(OWN, 1), of(OWN, 2)], [of(OWN, 1), of(OWN, 1)], [of(OTHER, 2), of(OWN, 1)]] {
            assert_eq!(read(&bad), Err(RollFault::NoLine));
        }
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
