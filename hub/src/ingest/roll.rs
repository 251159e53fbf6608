//! The roll: which replicas every unit has, and how much the ledger holds of each, as entries of the ledger. A bundle
//! without one of them is not whole.
//!
//! It is called within the writer: each follows the one before, whoever asked for it, and its entries share a frame of the
//! log, so that a stop leaves all of it or nothing: first the units' lines, then the roll, which commits to them.

use std::collections::BTreeMap;

use lienthong_node::replica::JournalError;
use lienthong_proto::disclosure::event::{ROLL, ROLL_PART};
use lienthong_proto::entry::{Entry, Part};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::limits::{ENTRY_BYTES_MAX, ROLL_UNITS_MAX, UNIT_REPLICAS_MAX};
use lienthong_proto::roll::{AHEAD_MILLIS_MAX, BEFORE, LINE, UPTO, committed, line_of};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::CommitError;
use super::committer::Committer;

/// Lines of one entry: whoever is shown one of them takes 32 bytes for every other.
const UNITS: usize = 16;
/// Bytes of a member of a line at most (as a value), and of what a line or an entry has besides.
const MEMBER_BYTES: usize = 170;
const LINE_BYTES: usize = 128;

/// The lines of each entry: so many, or as many as it has room for; of one unit there is always room.
fn parts(lines: &[(String, Vec<Value>)]) -> Vec<&[(String, Vec<Value>)]> {
    let (mut parts, mut rest) = (Vec::new(), lines);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(_, members): &&(String, Vec<Value>)| {
            bytes += LINE_BYTES + members.len() * MEMBER_BYTES;
            bytes <= ENTRY_BYTES_MAX - LINE_BYTES
        };
        let count = rest.iter().take(UNITS).take_while(fits).count().max(1);
        let (part, behind) = rest.split_at(count);
        parts.push(part);
        rest = behind;
    }
    parts
}

impl Committer {
    /// Calls the roll as of now; `units` are listed even if nothing of them ever enrolled, for that must be said.
    pub(super) fn roll(
        &mut self,
        units: Vec<UnitCode>,
    ) -> Result<Result<Sequence, CommitError>, JournalError> {
        let mut lines: BTreeMap<String, Vec<Value>> =
            units.iter().map(|unit| (line_of(unit), Vec::new())).collect();
        let (mut upto, before) = (0, self.books.rolls.last());
        let follows = self.books.rolls.last_place(u64::MAX);
        for (replica, held) in &self.books.replicas {
            // What is acknowledged behind it is not counted: everything up to there is.
            upto = upto.max(held.ledger_index);
            let members = lines.entry(line_of(&held.unit)).or_default();
            if members.len() >= UNIT_REPLICAS_MAX {
                return Ok(Err(CommitError::TooManyReplicas(held.unit.clone())));
            }
            members.push(Value::Text(held.member(*replica).to_string()));
        }
        let lines: Vec<_> = lines.into_iter().collect();
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        // Its time is its name. Behind one that a wrong clock dated ahead it is today's all the same.
        let now = (self.clock)().0;
        let ahead = before.0 > now.saturating_add(AHEAD_MILLIS_MAX);
        let at = UnixMillis(if ahead { now } else { now.max(before.0 + 1) });
        let event = |kind: &str, fields| Event { kind: kind.to_owned(), at, actor: "hub".to_owned(), fields };
        let mut fields = BTreeMap::from([(UPTO.to_owned(), number(upto))]);
        fields.extend(follows.map(|place| (BEFORE.to_owned(), number(place))));
        if lines.len() > ROLL_UNITS_MAX {
            return Ok(Err(CommitError::TooManyUnits(lines.len())));
        }
        // In a frame of its own.
        self.journal.append_staged()?;
        for lines in parts(&lines) {
            let lines = lines.iter().map(|(name, members)| (name.clone(), Value::List(members.clone())));
            let refused = self.event(&event(ROLL_PART, lines.collect()))?;
            if refused.is_err() {
                return Ok(refused);
            }
            let part = self.journal.staged_last().unwrap_or_default();
            let part = Entry::decode(part)
                .map_err(|source| JournalError::Malformed { sequence: self.journal.next(), source })?;
            fields.extend(part.parts().iter().filter_map(|line| match line {
                Part::Open { path, .. } if path.starts_with(LINE) => {
                    Some(((*path).to_owned(), committed(&line.commitment())))
                }
                _ => None,
            }));
        }
        let called = self.event(&event(ROLL, fields))?;
        self.journal.append_staged()?;
        Ok(called)
    }
}

#[cfg(test)]
mod tests {
    use lienthong_proto::ids::{Dot, ReplicaId};
    use lienthong_proto::roll::Member;

    use super::*;

    /// Goal: each part fits into an entry, however many replicas its units have.
    #[test]
    fn p10_a_part_of_a_roll_fits_into_an_entry() {
        let line = |unit: usize, members: usize| {
            let member = |n: usize| Member {
                replica: ReplicaId(u128::try_from(n).unwrap().to_be_bytes()),
                size: u64::MAX,
                accepted: u64::MAX,
                at: UnixMillis(u64::MAX),
                key: Some([0xFF; 32]),
            };
            let member = |n: usize| Value::Text(member(n).to_string());
            (format!("unit/{unit:032}"), (0..members).map(member).collect::<Vec<_>>())
        };
        let lines: Vec<_> =
            (0..40).map(|unit| line(unit, [0, 1, 120, UNIT_REPLICAS_MAX][unit % 4])).collect();
        let parts = parts(&lines);
        assert_eq!(parts.concat(), lines);
        let fits = |kind: &str, fields: BTreeMap<String, Value>| {
            let dot = Dot { replica: ReplicaId([1; 16]), sequence: Sequence(7) };
            let (kind, at) = (kind.to_owned(), UnixMillis(u64::MAX));
            Event { kind, at, actor: "hub".to_owned(), fields }.build(dot, &[2; 16]).unwrap();
        };
        for part in parts {
            fits(
                ROLL_PART,
                part.iter().cloned().map(|(name, members)| (name, Value::List(members))).collect(),
            );
        }
        let named = (0..ROLL_UNITS_MAX).map(|unit| (format!("unit/{unit:032}"), committed(&[3; 32])));
        fits(ROLL, named.collect());
    }
}
