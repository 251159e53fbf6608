//! Two people under one number: what a unit stated of the other one gets a record of its own (DOMAIN X05).

use std::collections::BTreeMap;

use lienthong_node::replica::{Draft, Intent, JournalError};
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::merging::separated_id;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::QuarantineReason;

use super::committer::Committer;
use super::{CommitError, Obstacle};
use crate::ledger::Quarantined;

/// A steward's decision that what waits speaks of somebody else.
#[derive(Debug, Clone)]
pub struct Separation {
    /// `ledger index.place`, as the list shows it: one of the unit's changes on the record.
    pub number: (u64, u16),
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

/// The kind of the event.
pub const SEPARATION: &str = "separation";

/// What waits because of who it speaks of: of which unit, of which record.
struct Other {
    unit: UnitCode,
    record_type: String,
    record: RecordId,
}

impl Other {
    fn of(waiting: &Quarantined) -> Option<Self> {
        let record = waiting.record.filter(|_| waiting.reason == QuarantineReason::IdentityGuard)?;
        Some(Self { unit: waiting.unit.clone(), record_type: waiting.record_type.clone(), record })
    }

    fn has(&self, waiting: &Quarantined) -> bool {
        waiting.reason == QuarantineReason::IdentityGuard
            && waiting.unit == self.unit
            && waiting.record == Some(self.record)
            && waiting.record_type == self.record_type
    }
}

impl Committer {
    /// Gives what waits of a unit on a record, all of it, a record of its own.
    pub(super) fn separate(
        &mut self,
        separation: &Separation,
    ) -> Result<Result<RecordId, CommitError>, JournalError> {
        let (ledger, place) = separation.number;
        let Some(waiting) = self.books.quarantine.get(&separation.number) else {
            return Ok(Err(CommitError::NotQuarantined(format!("{ledger}.{place}"))));
        };
        let Some(other) = Other::of(waiting) else {
            return Ok(Err(CommitError::NotReleasable(Obstacle::OTHERWISE)));
        };
        self.stand_apart(&other, &separation.reason, &separation.actor)
    }

    /// What came with the acceptance at `ledger` of somebody told apart before goes the same way at once.
    pub(super) fn keep_apart(&mut self, ledger: u64) -> Result<(), JournalError> {
        let came = self.books.quarantine.range((ledger, 0)..=(ledger, u16::MAX));
        let others: Vec<Other> = came.filter_map(|(_, waiting)| Other::of(waiting)).collect();
        for other in others {
            if self.owner_of_own(&other)?.as_ref() == Some(&other.unit) {
                // What waits is read from the log.
                self.commit()?;
                let kept = self.stand_apart(&other, "đã tách trước đây · told apart before", "hub")?;
                if let Err(error) = kept {
                    tracing::error!(%error, "what belongs to a separated record stays in quarantine");
                }
            }
        }
        Ok(())
    }

    /// Who owns the record of its own, if it is there.
    fn owner_of_own(&self, other: &Other) -> Result<Option<UnitCode>, JournalError> {
        let state = self.journal.dataset().pending_state(&other.record_type, self.own_of(other))?;
        Ok(state.and_then(|state| state.owner().cloned()))
    }

    fn own_of(&self, other: &Other) -> RecordId {
        let key = &self.journal.author().provincial_key;
        separated_id(key.as_ref(), &other.record_type, other.record, &other.unit)
    }

    fn stand_apart(
        &mut self,
        other: &Other,
        reason: &str,
        actor: &str,
    ) -> Result<Result<RecordId, CommitError>, JournalError> {
        let waiting: Vec<((u64, u16), Quarantined)> = self
            .books
            .quarantine
            .iter()
            .filter(|(_, waiting)| other.has(waiting))
            .map(|(number, waiting)| (*number, waiting.clone()))
            .collect();
        if self.owner_of_own(other)?.is_some_and(|owner| owner != other.unit) {
            // Anybody of the province can make that id; what the unit states goes to nobody else.
            return Ok(Err(CommitError::NotReleasable(Obstacle::TAKEN)));
        }
        let mut values = BTreeMap::new();
        for (_, waiting) in &waiting {
            let bytes = self.journal.dataset().entries().entry(waiting.at)?;
            let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) else {
                return Ok(Err(CommitError::NotReleasable(Obstacle::NOT_UNDERSTOOD)));
            };
            let stated = change.writes.into_iter().filter(|write| !write.path.starts_with('_'));
            values.extend(stated.map(|write| (write.path, write.value)));
        }
        if values.is_empty() {
            return Ok(Ok(self.own_of(other)));
        }
        let own = self.own_of(other);
        values.insert(path::WHY.to_owned(), Value::Text(reason.to_owned()));
        let draft = Draft {
            record_type: other.record_type.clone(),
            owner: other.unit.clone(),
            values,
            intent: Intent::Stand(own),
            author: actor.to_owned(),
        };
        if let Err(error) = self.stage(draft)? {
            return Ok(Err(CommitError::Unreadable(error.to_string())));
        }
        let number = |(ledger, place): &(u64, u16)| Value::Text(format!("{ledger}.{place}"));
        let word =
            |waiting: &Quarantined| Value::Text(format!("{}:{}", waiting.dot.replica, waiting.dot.sequence));
        let fields = BTreeMap::from([
            ("type".to_owned(), Value::Text(other.record_type.clone())),
            ("record".to_owned(), Value::Reference(other.record)),
            ("own".to_owned(), Value::Reference(own)),
            ("unit".to_owned(), Value::Unit(other.unit.clone())),
            ("reason".to_owned(), Value::Text(reason.to_owned())),
            ("numbers".to_owned(), Value::List(waiting.iter().map(|(at, _)| number(at)).collect())),
            ("changes".to_owned(), Value::List(waiting.iter().map(|(_, waiting)| word(waiting)).collect())),
        ]);
        let event =
            Event { kind: SEPARATION.to_owned(), at: (self.clock)(), actor: actor.to_owned(), fields };
        Ok(self.event(&event)?.map(|_: Sequence| own))
    }
}

/// The places in quarantine of what an event gave a record of its own; none if it did not.
#[must_use]
pub fn separated(event: &Event) -> Vec<(u64, u16)> {
    let Some(Value::List(numbers)) = event.fields.get("numbers").filter(|_| event.kind == SEPARATION) else {
        return Vec::new();
    };
    let number = |value: &Value| {
        let Value::Text(text) = value else { return None };
        let (ledger, place) = text.split_once('.')?;
        Some((ledger.parse().ok()?, place.parse().ok()?))
    };
    numbers.iter().filter_map(number).collect()
}
