//! A steward's decision: an ordinary change by the province, and the event that accounts for it.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::replica::{Draft, JournalError, Outcome, WriteError, Written};
use lienthong_proto::change::path;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Dot, RecordId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::committer::Committer;

const DECISION: &str = "decision";

/// A word that a decision answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The change.
    pub dot: Dot,
    /// What it stated was chosen.
    pub taken: bool,
}

/// What is decided, and for whom.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The change.
    pub draft: Draft,
    /// The record.
    pub record: RecordId,
    /// The field, or `_unit` or `_withdrawn`.
    pub field: String,
    /// Who owns the record.
    pub owner: Option<UnitCode>,
    /// The others' words it answers.
    pub answered: Vec<Answered>,
    /// The changes that stood side by side when it was decided, where it is one among them: if others stand there by
    /// now, it is none.
    pub seen: Option<BTreeSet<Dot>>,
    /// Why.
    pub reason: String,
}

/// What a decision's event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The record's type.
    pub record_type: String,
    /// Who owns the record.
    pub owner: Option<UnitCode>,
    /// The words it answers.
    pub answered: Vec<Answered>,
}

impl Decision {
    fn event(&self, change: Sequence, at: UnixMillis) -> Event {
        let number = i64::try_from(change.0).unwrap_or(i64::MAX);
        let line = |answered: &Answered| {
            let word = if answered.taken { "taken" } else { "declined" };
            Value::Text(format!("{}:{}:{word}", answered.dot.replica, answered.dot.sequence))
        };
        let mut fields = BTreeMap::from([
            ("type".to_owned(), Value::Text(self.draft.record_type.clone())),
            ("record".to_owned(), Value::Reference(self.record)),
            ("field".to_owned(), Value::Text(self.field.clone())),
            ("change".to_owned(), Value::Integer(number)),
            ("reason".to_owned(), Value::Text(self.reason.clone())),
            ("answered".to_owned(), Value::List(self.answered.iter().map(line).collect())),
        ]);
        if let Some(owner) = &self.owner {
            fields.insert("owner".to_owned(), Value::Unit(owner.clone()));
        }
        Event { kind: DECISION.to_owned(), at, actor: self.draft.author.clone(), fields }
    }
}

impl Decided {
    /// What an event says, if it is a decision's.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Some(Value::Text(record_type)) = event.fields.get("type").filter(|_| event.kind == DECISION)
        else {
            return None;
        };
        let owner = match event.fields.get("owner") {
            Some(Value::Unit(owner)) => Some(owner.clone()),
            _ => None,
        };
        let lines = match event.fields.get("answered") {
            Some(Value::List(lines)) => lines.as_slice(),
            _ => &[],
        };
        let answered = lines.iter().filter_map(|line| {
            let Value::Text(line) = line else { return None };
            let mut parts = line.split(':');
            let (replica, sequence, word) = (parts.next()?, parts.next()?, parts.next()?);
            let dot = Dot { replica: replica.parse().ok()?, sequence: Sequence(sequence.parse().ok()?) };
            Some(Answered { dot, taken: word == "taken" })
        });
        Some(Self { record_type: record_type.clone(), owner, answered: answered.collect() })
    }
}

impl Committer {
    /// Carries decisions out in order, until one is refused.
    pub(super) fn decide_all(
        &mut self,
        decisions: Vec<Decision>,
    ) -> Result<Result<Vec<Written>, WriteError>, JournalError> {
        let mut all = Vec::with_capacity(decisions.len());
        for decision in decisions {
            match self.decide(decision)? {
                Ok(written) => all.push(written),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(all))
    }

    fn decide(&mut self, decision: Decision) -> Result<Result<Written, WriteError>, JournalError> {
        if self.journal.is_staged(&decision.record) {
            self.commit()?;
        }
        if let Some(seen) = &decision.seen
            && *seen != self.sides(&decision)?
        {
            return Ok(Err(WriteError::Changed));
        }
        let change = self.journal.next();
        let event = decision.event(change, (self.clock)());
        let result = self.stage(decision.draft)?;
        if matches!(&result, Ok(written) if written.outcome == Outcome::Updated) {
            // Staged behind the change: both are in the same group, and reach the disk together.
            drop(self.event(&event)?);
        }
        Ok(result)
    }
}

impl Committer {
    /// The changes that stand side by side in a decision's field now; beside withdrawals the edits they did not see.
    fn sides(&self, decision: &Decision) -> Result<BTreeSet<Dot>, JournalError> {
        let state = self.journal.dataset().pending_state(&decision.draft.record_type, decision.record)?;
        let Some(state) = state else { return Ok(BTreeSet::new()) };
        let siblings =
            state.registers.get(&decision.field).into_iter().flat_map(|register| &register.siblings);
        let mut sides: BTreeSet<Dot> = siblings.map(|sibling| sibling.dot).collect();
        if decision.field == path::WITHDRAWN {
            sides.extend(state.standing().unseen);
        }
        Ok(sides)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lienthong_node::replica::Intent;
    use lienthong_proto::ids::ReplicaId;

    #[test]
    fn what_a_decision_says_comes_back() {
        let answered = vec![
            Answered { dot: Dot { replica: ReplicaId([1; 16]), sequence: Sequence(4) }, taken: true },
            Answered { dot: Dot { replica: ReplicaId([2; 16]), sequence: Sequence(9) }, taken: false },
        ];
        let owner = "11953".parse().ok();
        let record = RecordId([5; 16]);
        let draft = Draft {
            record_type: "dang_vien".to_owned(),
            owner: "33".parse().unwrap(),
            values: BTreeMap::new(),
            intent: Intent::Amend(record),
            author: "lan".to_owned(),
        };
        let (field, reason) = ("dien_thoai".to_owned(), "theo thẻ".to_owned());
        let (answered_too, seen) = (answered.clone(), None);
        let decision = Decision { draft, record, field, owner, answered: answered_too, seen, reason };
        let event = decision.event(Sequence(3), UnixMillis(1));
        let decided = Decided::of(&event).map(|decided| (decided.owner, decided.answered));
        assert_eq!(decided, Some((decision.owner, answered)));
        assert_eq!(Decided::of(&Event { kind: "import".to_owned(), ..event }), None);
    }
}
