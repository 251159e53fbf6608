//! The writer's own word on how many changes of each type its log has: once a day, and when asked. Who is shown a part
//! of the log can so be shown that nothing of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::disclosure::event::TALLY;
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use super::{Journal, JournalError};
use crate::store::{View, ViewError};

/// Where the view keeps it.
pub(super) const UNTALLIED: &[u8] = b"untallied";

/// What the last tally leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Untallied {
    /// The day of the first entry behind it, if there is one.
    first: Option<u64>,
    /// The day it was signed, if there is one.
    signed: Option<u64>,
}

impl Untallied {
    /// As the view has it; what is not understood counts as covered: the next entry says otherwise.
    pub(super) fn load(view: &dyn View) -> Result<Self, ViewError> {
        let bytes = view.get(crate::store::Keyspace::Meta, UNTALLIED)?.unwrap_or_default();
        let mut days = bytes.chunks_exact(8).map(|day| day.try_into().map_or(NEVER, u64::from_be_bytes));
        let mut next = || days.next().filter(|day| *day != NEVER);
        Ok(Self { first: next(), signed: next() })
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let days = [self.first, self.signed].map(|day| day.unwrap_or(NEVER).to_be_bytes());
        days.concat()
    }

    /// Something was written.
    pub(super) fn written(&mut self, at: UnixMillis) {
        self.first.get_or_insert(day(at));
    }

    /// A tally of a day covers all.
    pub(super) fn covered(&mut self, at: UnixMillis) {
        *self = Self { first: None, signed: Some(day(at)) };
    }
}

const NEVER: u64 = u64::MAX;

fn day(at: UnixMillis) -> u64 {
    u64::try_from(at.day()).unwrap_or_default()
}

impl Journal {
    /// Whether the day of an entry that no tally covers has ended.
    #[must_use]
    pub fn is_tally_due(&self, now: UnixMillis) -> bool {
        self.untallied.first.is_some_and(|first| first < day(now))
    }

    /// Whether no tally was signed on this day. The first entries of a day bring one along: nobody who is shown them must then ask
    /// what else was written since the last.
    #[must_use]
    pub fn is_tally_of_before(&self, now: UnixMillis) -> bool {
        self.untallied.signed != Some(day(now))
    }

    /// Stages a tally, if anything was written since the last one.
    ///
    /// # Errors
    /// [`JournalError::Build`] if there are too many types.
    pub fn stage_tally(&mut self, now: UnixMillis, actor: &str) -> Result<Option<Sequence>, JournalError> {
        if self.untallied.first.is_none() {
            return Ok(None);
        }
        self.stage_tally_of_day(now, actor).map(Some)
    }

    /// Stages a tally.
    ///
    /// # Errors
    /// [`JournalError::Build`] if there are too many types.
    pub fn stage_tally_of_day(&mut self, now: UnixMillis, actor: &str) -> Result<Sequence, JournalError> {
        // Zeros too: that nothing of a type was written must be provable.
        let declared = self.catalogue().record_types().map(|declared| declared.name.clone());
        let types: BTreeSet<String> = declared.chain(self.numbers.types().map(str::to_owned)).collect();
        let count = |name: &str| i64::try_from(self.numbers.peek(name)).unwrap_or(i64::MAX);
        let fields: BTreeMap<String, Value> =
            types.iter().map(|name| (format!("count/{name}"), Value::Integer(count(name)))).collect();
        let event = Event { kind: TALLY.to_owned(), at: now, actor: actor.to_owned(), fields };
        let sequence = self.stage_event(&event)?;
        self.untallied.covered(now);
        Ok(sequence)
    }
}
