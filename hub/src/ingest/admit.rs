//! What an acceptance or a release does, alike when it happens and when it is replayed: changes are applied,
//! the others booked, and whoever is concerned will be handed them.

use lienthong_node::dataset::{Admitted, EntryAt, Source};
use lienthong_node::log::FramePosition;
use lienthong_node::replica::{Journal, JournalError};
use lienthong_node::store::Batch;
use lienthong_proto::change::Change;
use lienthong_proto::event::Acceptance;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;

use super::{Content, note_readings};
use crate::feed::{Decided, FeedEntry, FeedIndex};
use crate::ledger::{Books, Quarantined, Touched};

/// An acceptance, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// The acceptance.
    pub acceptance: &'a Acceptance,
    /// What its batch holds, in order.
    pub contents: &'a [Content],
    /// Its place in the ledger.
    pub ledger: Sequence,
    /// Its frame.
    pub frame: FramePosition,
}

impl Admission<'_> {
    /// Applies what was admitted, books the rest, notes who is to be handed what; `touched` hears of each record
    /// applied to.
    ///
    /// # Errors
    /// [`JournalError`] if the state cannot be read.
    pub fn admit(
        &self,
        journal: &Journal,
        unit: &UnitCode,
        books: &mut Books,
        feed: &FeedIndex,
        view: &mut Batch,
        touched: &mut dyn FnMut(RecordId),
    ) -> Result<(), JournalError> {
        let Self { acceptance, contents, ledger, frame } = *self;
        let mut remarkable = !acceptance.verdicts.is_empty();
        for (index, content) in (0u16..).zip(contents) {
            let at = EntryAt { frame, index };
            let verdict = acceptance.verdicts.get(&index);
            if let (Content::Change(change), None | Some(Verdict::Proposal)) = (content, verdict) {
                let proposal = verdict.is_some();
                let decided = |before| Decided {
                    record_type: &change.record_type,
                    record: change.record,
                    unit,
                    accepted: acceptance.at,
                    proposal,
                    at,
                    before,
                    names_owner: change.unit().is_some(),
                    dot: change.dot,
                    place: FeedCursor { ledger: ledger.0, place: index },
                };
                let before = if unit.is_province() { journal.owner_before(change)? } else { None };
                let source = Source::accepted(change, unit, acceptance.at, proposal, at);
                remarkable |= source.effective < change.meta.hlc;
                journal.apply(Admitted { change, source })?;
                touched(change.record);
                if !proposal {
                    look_at(journal, unit, change, acceptance.at, books, view)?;
                }
                // What a unit writes of its own records its batch tells; the rest is told one by one.
                let told = proposal || unit.is_province() || is_anothers(journal, books, unit, change)?;
                if told || is_adopted(journal, &decided(before.as_ref()))? {
                    feed.note_change(journal.dataset(), &decided(before.as_ref()), view)?;
                }
                note_readings(journal, &decided(before.as_ref()), &change.writes, books, feed, view)?;
            }
            books.note_content(unit, acceptance, content, index, view);
            if let Some(verdict) = verdict {
                books.note_verdict(unit, acceptance, content, verdict, ledger.0, at, view);
            }
        }
        if remarkable || contents.iter().any(|content| matches!(content, Content::Change(_))) {
            feed.note_batch(unit, ledger.0, frame, acceptance.replica, remarkable, view);
        }
        Ok(())
    }
}

/// Has the record looked at if it may belong elsewhere by the change, which one of `unit` wrote.
fn look_at(
    journal: &Journal,
    unit: &UnitCode,
    change: &Change,
    at: UnixMillis,
    books: &mut Books,
    view: &mut Batch,
) -> Result<(), JournalError> {
    let touched = Touched {
        record_type: &change.record_type,
        record: change.record,
        writes: &|path| change.writes.iter().any(|write| write.path == path),
        by_province: unit.is_province(),
    };
    books.look_at(journal, &touched, at, view)
}

/// Whether the record is another unit's by now: what its former unit writes of it, late, is not a proposal.
fn is_anothers(
    journal: &Journal,
    books: &Books,
    unit: &UnitCode,
    change: &Change,
) -> Result<bool, JournalError> {
    if !books.lineage.steps().any(|step| step.from.contains(unit)) {
        return Ok(false);
    }
    let state = journal.dataset().pending_state(&change.record_type, change.record)?;
    Ok(state.as_ref().and_then(|state| state.owner()).is_some_and(|owner| owner != unit))
}

/// Whether by the change a unit came to own a record of which it has not been told everything.
fn is_adopted(journal: &Journal, decided: &Decided<'_>) -> Result<bool, JournalError> {
    if !decided.names_owner {
        return Ok(false);
    }
    let state = journal.dataset().pending_state(decided.record_type, decided.record)?;
    Ok(decided.adopts(state.as_deref()))
}

/// Applies a change that was released from quarantine by the ledger's entry at `ledger`.
///
/// # Errors
/// [`JournalError`] if the state cannot be read.
#[expect(clippy::too_many_arguments, reason = "what a release is, and what it is noted in")]
pub fn admit_late(
    journal: &Journal,
    change: &Change,
    waiting: &Quarantined,
    proposal: bool,
    ledger: Sequence,
    at: UnixMillis,
    books: &mut Books,
    feed: &FeedIndex,
    view: &mut Batch,
) -> Result<(), JournalError> {
    let before = journal.owner_before(change)?;
    let source = Source::accepted(change, &waiting.unit, waiting.accepted_at, proposal, waiting.at);
    journal.apply(Admitted { change, source })?;
    if !proposal {
        look_at(journal, &waiting.unit, change, at, books, view)?;
    }
    let decided = Decided {
        record_type: &change.record_type,
        record: change.record,
        unit: &waiting.unit,
        accepted: waiting.accepted_at,
        proposal,
        at: waiting.at,
        before: before.as_ref(),
        names_owner: change.unit().is_some(),
        dot: change.dot,
        place: FeedCursor { ledger: ledger.0, place: 0 },
    };
    feed.note_change(journal.dataset(), &decided, view)?;
    note_readings(journal, &decided, &change.writes, books, feed, view)?;
    let verdict = FeedEntry::Verdict {
        replica: waiting.dot.replica,
        sequence: waiting.dot.sequence,
        accepted: waiting.accepted_at,
        verdict: if proposal { Verdict::Proposal } else { Verdict::Applied },
    };
    feed.note(&waiting.unit, FeedCursor { ledger: ledger.0, place: 1 }, verdict, view);
    Ok(())
}
