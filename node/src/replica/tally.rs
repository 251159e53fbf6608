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

/// The day of the first change no tally covers yet, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Untallied(Option<u64>);

impl Untallied {
    /// As the view has it; what is not understood counts as covered: the next change says otherwise.
    pub(super) fn load(view: &dyn View) -> Result<Self, ViewError> {
        let bytes = view.get(crate::store::Keyspace::Meta, UNTALLIED)?;
        let day = bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()).map(u64::from_be_bytes);
        Ok(Self(day.filter(|day| *day != u64::MAX)))
    }

    pub(super) fn encode(self) -> [u8; 8] {
        self.0.unwrap_or(u64::MAX).to_be_bytes()
    }

    /// A change was written.
    pub(super) fn written(&mut self, at: UnixMillis) {
        self.0.get_or_insert(day(at));
    }

    /// A tally covers all.
    pub(super) fn covered(&mut self) {
        self.0 = None;
    }
}

fn day(at: UnixMillis) -> u64 {
    u64::try_from(at.day()).unwrap_or_default()
}

impl Journal {
    /// Whether the day of a change that no tally covers has ended.
    #[must_use]
    pub fn is_tally_due(&self, now: UnixMillis) -> bool {
        self.untallied.0.is_some_and(|first| first < day(now))
    }

    /// Stages a tally, if any change was written since the last one.
    ///
    /// # Errors
    /// [`JournalError::Build`] if there are too many types.
    pub fn stage_tally(&mut self, now: UnixMillis, actor: &str) -> Result<Option<Sequence>, JournalError> {
        if self.untallied == Untallied::default() {
            return Ok(None);
        }
        // Zeros too: that nothing of a type was written must be provable.
        let declared = self.catalogue().record_types().map(|declared| declared.name.clone());
        let types: BTreeSet<String> = declared.chain(self.numbers.types().map(str::to_owned)).collect();
        let count = |name: &str| i64::try_from(self.numbers.peek(name)).unwrap_or(i64::MAX);
        let fields: BTreeMap<String, Value> =
            types.iter().map(|name| (format!("count/{name}"), Value::Integer(count(name)))).collect();
        let event = Event { kind: TALLY.to_owned(), at: now, actor: actor.to_owned(), fields };
        let sequence = self.stage_event(&event)?;
        self.untallied.covered();
        Ok(Some(sequence))
    }
}
