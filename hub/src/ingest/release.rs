//! Merging a quarantined change after all, when a steward decides so.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::dataset::RecordState;
use lienthong_node::replica::{Fed, JournalError};
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::limits::RECORD_WEIGHT_MAX;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};

use super::committer::Committer;
use super::{CommitError, Former, Judge, Judgement, Obstacle, admit_late};
use crate::ledger::Quarantined;

/// A steward's decision to merge a quarantined change after all.
#[derive(Debug, Clone)]
pub struct Release {
    /// `ledger index.place`, as the list shows it.
    pub number: (u64, u16),
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

impl Committer {
    pub(super) fn release(
        &mut self,
        release: &Release,
    ) -> Result<Result<Sequence, CommitError>, JournalError> {
        let Some(waiting) = self.books.quarantine.get(&release.number).cloned() else {
            let (ledger, place) = release.number;
            return Ok(Err(CommitError::NotQuarantined(format!("{ledger}.{place}"))));
        };
        let reason = match waiting.reason {
            QuarantineReason::Forbidden => Some(Obstacle::NEVER_STORED),
            QuarantineReason::Undecodable => Some(Obstacle::NOT_UNDERSTOOD),
            QuarantineReason::ContextAhead => Some(Obstacle::AHEAD),
            QuarantineReason::TypeUnknown
                if self.journal.catalogue().record_type(&waiting.record_type).is_none() =>
            {
                Some(Obstacle::TYPE_UNKNOWN)
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Ok(Err(CommitError::NotReleasable(reason)));
        }
        let bytes = self.journal.dataset().entries().entry(waiting.at)?;
        let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) else {
            return Ok(Err(CommitError::NotReleasable(Obstacle::NOT_UNDERSTOOD)));
        };
        let state = self.journal.dataset().pending_state(&change.record_type, change.record)?;
        let added = RecordState::weight_of(change.writes.iter(), state.as_deref());
        if state.map_or(0, |state| state.weight()) + added > RECORD_WEIGHT_MAX {
            return Ok(Err(CommitError::NotReleasable(Obstacle::TOO_HEAVY)));
        }
        // A change of an unknown type was never judged: it is now.
        let proposal = match waiting.reason {
            QuarantineReason::TypeUnknown => match self.judge_late(&waiting.unit, &change)? {
                Verdict::Quarantined(reason) => {
                    let why = Obstacle { vi: reason.vi(), en: reason.en() };
                    return Ok(Err(CommitError::NotReleasable(why)));
                }
                verdict => verdict == Verdict::Proposal,
            },
            // Joining another unit's record gives no right over it.
            _ => {
                let state = self.journal.dataset().pending_state(&change.record_type, change.record)?;
                let owner = state.as_ref().and_then(|state| state.owner());
                owner.is_some_and(|owner| *owner != waiting.unit) && !waiting.unit.is_province()
            }
        };
        let now = (self.clock)();
        let event = release_event(release, &waiting, proposal, now);
        let sequence = self.journal.stage_event(&event)?;
        self.books.note_event(&event, sequence, &mut self.view);
        let (books, feed, view) = (&mut self.books, &self.feed, &mut self.view);
        admit_late(&self.journal, &change, &waiting, proposal, sequence, now, books, feed, view)?;
        self.touched.insert(change.record);
        self.books.released(release.number, &waiting, sequence.0, now, &mut self.view);
        Ok(Ok(sequence))
    }

    fn judge_late(&self, unit: &UnitCode, change: &Change) -> Result<Verdict, JournalError> {
        let catalogue = Arc::clone(self.journal.catalogue());
        let key = Arc::clone(&self.journal.author().provincial_key);
        let held = |_| u64::MAX;
        // What was written before its type was known was written before anything was told of it.
        let (lineage, ledger) = (&self.books.lineage, self.journal.author().replica);
        let former = Former { lineage, ledger, at: (self.clock)(), fed: Fed::default() };
        let mut judge =
            Judge::new(self.journal.dataset(), (&catalogue, &key), unit, &|_| false, &held).with(former);
        match judge.judge(change)? {
            Judgement::Verdict(verdict) => Ok(verdict),
            Judgement::NotSynced => Ok(Verdict::Applied),
        }
    }
}

fn release_event(release: &Release, waiting: &Quarantined, proposal: bool, at: UnixMillis) -> Event {
    let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let fields = BTreeMap::from([
        ("ledger_index".to_owned(), number(release.number.0)),
        ("place".to_owned(), number(u64::from(release.number.1))),
        ("replica".to_owned(), Value::Text(waiting.dot.replica.to_string())),
        ("sequence".to_owned(), number(waiting.dot.sequence.0)),
        ("reason".to_owned(), Value::Text(release.reason.clone())),
        ("proposal".to_owned(), Value::Boolean(proposal)),
    ]);
    Event { kind: "release".to_owned(), at, actor: release.actor.clone(), fields }
}
