//! The rolls of the ledger, and each unit's line of them for its nodes to judge before they cosign.

use std::collections::BTreeMap;

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::disclosure::event::ROLL;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::roll::{AHEAD_MILLIS_MAX, BEFORE, line_of};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;

use super::show::path;
use crate::app::Hub;
use crate::ingest::CommitError;

/// A roll is called so long after the last: what is handed over under a checkpoint of a day ago still rests on one within
/// [`lienthong_proto::roll::ROLL_MILLIS_MAX`].
const CALLED_MILLIS: u64 = 20 * 3_600_000;
/// Lines of one round: more come with the next.
const SHOWN_MAX: usize = 16;
const PREFIX: u8 = b'r';

/// One entry of a roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPart {
    /// When the roll was called: the same of all its entries.
    pub at: UnixMillis,
    /// The first and the last of the lines in it.
    lines: (String, String),
}

/// The entries of all rolls, by place.
#[derive(Debug, Clone, Default)]
pub struct Rolls(BTreeMap<u64, RollPart>);

impl Rolls {
    /// As the view has it.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut rolls = BTreeMap::new();
        view.scan_prefix(Keyspace::Roll, &[PREFIX], &mut |key, bytes| {
            let place = key.get(1..).and_then(|place| place.try_into().ok()).map(u64::from_be_bytes);
            let kept: Option<(u64, String, String)> = serde_json::from_slice(bytes).ok();
            if let (Some(place), Some((at, first, last))) = (place, kept) {
                rolls.insert(place, RollPart { at: UnixMillis(at), lines: (first, last) });
            }
            true
        })?;
        Ok(Self(rolls))
    }

    /// Takes an event at `place` into account; whether it is of a roll that says which one it follows.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        if event.kind != ROLL || !matches!(event.fields.get(BEFORE), Some(Value::Timestamp(_))) {
            return false;
        }
        let mut lines = event.fields.keys().filter(|name| name.starts_with("unit/"));
        let Some(first) = lines.next() else { return false };
        let last = lines.next_back().unwrap_or(first);
        let kept = serde_json::to_vec(&(event.at.0, first, last)).unwrap_or_default();
        view.put(Keyspace::Roll, &[&[PREFIX], &place.0.to_be_bytes()[..]].concat(), &kept);
        self.0.insert(place.0, RollPart { at: event.at, lines: (first.clone(), last.clone()) });
        true
    }

    /// When the last one was called; 1970 if there was none.
    #[must_use]
    pub fn last(&self) -> UnixMillis {
        self.0.last_key_value().map_or(UnixMillis(0), |(_, part)| part.at)
    }

    /// The place of the last entry of one.
    #[must_use]
    pub fn last_place(&self) -> Option<u64> {
        self.0.last_key_value().map(|(place, _)| *place)
    }

    /// The places of the entries that may have a line, from a place on and below a size of the ledger.
    fn of(&self, line: &str, from: u64, size: u64) -> impl Iterator<Item = u64> + '_ {
        let line = line.to_owned();
        let below = self.0.range(from..size.max(from));
        below.filter(move |(_, part)| part.lines.0 <= line && line <= part.lines.1).map(|(place, _)| *place)
    }
}

impl Hub {
    /// Calls the roll, of all units there are.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger does not take it.
    pub(crate) async fn log_roll(&self) -> Result<(), CommitError> {
        let units = self.catalogue.units().iter().map(|unit| unit.code.clone()).collect();
        self.committer.roll(units).await.map(drop)
    }

    /// Calls the roll where none was called for most of a day: under whatever checkpoint something is handed over, there is
    /// one of late, and every unit's nodes have judged their line of it.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger does not take it.
    pub(super) async fn keep_called(&self) -> Result<(), CommitError> {
        let (last, now) = (self.committer.books().read().rolls.last(), self.now());
        let of_late = now.since(last) < CALLED_MILLIS && last.0 <= now.0.saturating_add(AHEAD_MILLIS_MAX);
        if of_late { Ok(()) } else { self.log_roll().await }
    }

    /// A unit's lines of the rolls from a place on, as a ledger of `size` has them; and whether there are more.
    #[must_use]
    pub(crate) fn rolls_for(&self, unit: &UnitCode, from: u64, size: u64) -> (Vec<wire::RollShown>, bool) {
        let line = line_of(unit);
        let rolls = std::sync::Arc::clone(&self.committer.books().read().rolls);
        let mut places = rolls.of(&line, from, size);
        let shown = places.by_ref().take(SHOWN_MAX).map_while(|place| {
            let bytes = self.ledger_entry(place)?;
            let entry = Entry::decode(&bytes).ok()?;
            let shown = entry.redact(|name| name == line || !name.starts_with("unit/"));
            let proof = inclusion_proof(self.hashes.as_ref(), place, size)?;
            Some(wire::RollShown { entry: shown.into(), path: path(proof) })
        });
        let shown = shown.collect();
        (shown, places.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use lienthong_node::store::MemoryView;

    use super::*;

    /// Goal: a line is looked for in the one entry that has it, of each roll; all of it comes back from the view.
    #[test]
    fn the_entry_with_a_line_is_found() {
        let (view, mut batch, mut rolls) = (MemoryView::default(), Batch::default(), Rolls::default());
        let event = |at: u64, units: &[&str], before: bool| {
            let lines = units.iter().map(|unit| (format!("unit/{unit}"), Value::List(Vec::new())));
            let mut fields: BTreeMap<String, Value> = lines.collect();
            if before {
                fields.insert(BEFORE.to_owned(), Value::Timestamp(UnixMillis(0)));
            }
            Event { kind: ROLL.to_owned(), at: UnixMillis(at), actor: "hub".to_owned(), fields }
        };
        assert!(!rolls.note(&event(1, &["11953"], false), Sequence(1), &mut batch), "of another version");
        for (place, at, units) in
            [(3, 5, ["11953", "11977", "12004"].as_slice()), (5, 5, &["12010", "33"]), (9, 7, &["11953"])]
        {
            assert!(rolls.note(&event(at, units, true), Sequence(place), &mut batch));
        }
        view.commit(batch).unwrap();
        let loaded = Rolls::load(&view).unwrap();
        assert_eq!(loaded.0, rolls.0);
        let places = |line: &str, from, size| loaded.of(line, from, size).collect::<Vec<_>>();
        assert_eq!(places("unit/11953", 0, 100), [3, 9]);
        assert_eq!(places("unit/11953", 4, 9), [0_u64; 0]);
        assert_eq!(places("unit/33", 0, 100), [5]);
        assert_eq!(loaded.last(), UnixMillis(7));
    }
}
