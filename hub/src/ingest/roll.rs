//! The roll: which replicas every unit has, and how much the ledger holds of each, as entries of the ledger. A bundle
//! without one of them is not whole.
//!
//! It is called within the writer: each follows the one before, whoever asked for it, and its entries share a frame of the
//! log, so that a stop leaves all of it or nothing. A part that is missing would look like a roll left out to the nodes
//! whose lines are in it.

use std::collections::BTreeMap;

use lienthong_node::replica::JournalError;
use lienthong_proto::disclosure::event::ROLL;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::limits::UNIT_REPLICAS_MAX;
use lienthong_proto::roll::{AHEAD_MILLIS_MAX, BEFORE, UPTO, line_of};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::CommitError;
use super::committer::Committer;

/// Units of one entry: each node is shown the entry that has its own, 32 bytes for every other unit in it.
const UNITS: usize = 16;

impl Committer {
    /// Calls the roll as of now; `units` are listed even if nothing of them ever enrolled, for that must be said.
    pub(super) fn roll(
        &mut self,
        units: Vec<UnitCode>,
    ) -> Result<Result<Sequence, CommitError>, JournalError> {
        let mut lines: BTreeMap<String, Vec<Value>> =
            units.iter().map(|unit| (line_of(unit), Vec::new())).collect();
        let (mut upto, before) = (0, self.books.rolls.last());
        for (replica, held) in &self.books.replicas {
            // What is acknowledged behind it is not counted: everything up to there is.
            upto = upto.max(held.ledger_index);
            let members = lines.entry(line_of(&held.unit)).or_default();
            if members.len() < UNIT_REPLICAS_MAX {
                members.push(Value::Text(format!("{replica}:{}", held.frontier.size())));
            }
        }
        let lines: Vec<_> = lines.into_iter().collect();
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        // Its time is its name. Behind one that a wrong clock dated ahead it is today's all the same.
        let now = (self.clock)().0;
        let ahead = before.0 > now.saturating_add(AHEAD_MILLIS_MAX);
        let at = UnixMillis(if ahead { now } else { now.max(before.0 + 1) });
        let parts: Vec<_> = lines.chunks(UNITS).collect();
        let mut last = self.journal.next();
        // In a frame of its own.
        self.journal.append_staged()?;
        for (part, lines) in parts.iter().enumerate() {
            let mut fields: BTreeMap<String, Value> =
                lines.iter().map(|(name, members)| (name.clone(), Value::List(members.clone()))).collect();
            fields.insert("part".to_owned(), number(part as u64));
            fields.insert("parts".to_owned(), number(parts.len() as u64));
            fields.insert(BEFORE.to_owned(), Value::Timestamp(before));
            fields.insert(UPTO.to_owned(), number(upto));
            let event = Event { kind: ROLL.to_owned(), at, actor: "hub".to_owned(), fields };
            match self.event(&event)? {
                Ok(place) => last = place,
                refused => return Ok(refused),
            }
        }
        self.journal.append_staged()?;
        Ok(Ok(last))
    }
}
