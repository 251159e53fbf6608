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
use lienthong_proto::limits::UNIT_REPLICAS_MAX;
use lienthong_proto::roll::{AHEAD_MILLIS_MAX, BEFORE, LINE, UPTO, committed, line_of};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::CommitError;
use super::committer::Committer;

/// Lines of one entry: whoever is shown one of them takes 32 bytes for every other.
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
        let event = |kind: &str, fields| Event { kind: kind.to_owned(), at, actor: "hub".to_owned(), fields };
        let mut fields =
            BTreeMap::from([(BEFORE.to_owned(), Value::Timestamp(before)), (UPTO.to_owned(), number(upto))]);
        // In a frame of its own.
        self.journal.append_staged()?;
        for lines in lines.chunks(UNITS) {
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
