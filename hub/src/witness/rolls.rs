//! The rolls of the ledger, and each unit's line of them for its nodes to judge before they cosign.

use std::collections::BTreeMap;

use bytes::Bytes;
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::disclosure::event::{ROLL, ROLL_PART};
use lienthong_proto::entry::{Entry, Part};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::roll::{AHEAD_MILLIS_MAX, LINE, line_of};
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
const PART: u8 = b'r';
const CALLED: u8 = b'c';

/// The rolls, by place, and the entries that have their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rolls {
    /// When each was called.
    called: BTreeMap<u64, UnixMillis>,
    /// The first and the last of the lines of each part: those of a roll stand before it.
    parts: BTreeMap<u64, (String, String)>,
}

impl Rolls {
    /// As the view has it.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut rolls = Self::default();
        let place_of = |key: &[u8]| key.get(1..)?.try_into().ok().map(u64::from_be_bytes);
        view.scan_prefix(Keyspace::Roll, &[PART], &mut |key, bytes| {
            rolls.parts.extend(place_of(key).zip(serde_json::from_slice(bytes).ok()));
            true
        })?;
        view.scan_prefix(Keyspace::Roll, &[CALLED], &mut |key, bytes| {
            let at = bytes.try_into().ok().map(|at| UnixMillis(u64::from_be_bytes(at)));
            rolls.called.extend(place_of(key).zip(at));
            true
        })?;
        Ok(rolls)
    }

    /// Whether an event is of a roll.
    #[must_use]
    pub fn concerns(event: &Event) -> bool {
        [ROLL, ROLL_PART].contains(&event.kind.as_str())
    }

    /// Takes such an event at `place` into account; whether it is one.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        let key = |prefix: u8| [&[prefix], &place.0.to_be_bytes()[..]].concat();
        let mut lines = event.fields.iter().filter(|(name, _)| name.starts_with(LINE));
        match lines.next() {
            Some((first, _)) if event.kind == ROLL_PART => {
                let last = lines.next_back().map_or(first, |(last, _)| last);
                let range = (first.clone(), last.clone());
                view.put(Keyspace::Roll, &key(PART), &serde_json::to_vec(&range).unwrap_or_default());
                self.parts.insert(place.0, range);
                true
            }
            Some((_, Value::Text(_))) if event.kind == ROLL => {
                view.put(Keyspace::Roll, &key(CALLED), &event.at.0.to_be_bytes());
                self.called.insert(place.0, event.at);
                true
            }
            _ => false,
        }
    }

    /// When the last one was called; 1970 if there was none.
    #[must_use]
    pub fn last(&self) -> UnixMillis {
        self.called.last_key_value().map_or(UnixMillis(0), |(_, at)| *at)
    }

    /// The place of the last one of a ledger of `size` entries.
    #[must_use]
    pub fn last_place(&self, size: u64) -> Option<u64> {
        self.called.range(..size).next_back().map(|(place, _)| *place)
    }

    /// The places of the rolls from a place on and below a size of the ledger, each with that of the entry that may have a line.
    fn of<'a>(
        &'a self,
        line: &'a str,
        from: u64,
        size: u64,
    ) -> impl Iterator<Item = (u64, Option<u64>)> + 'a {
        self.called.range(from..size.max(from)).map(move |(place, _)| {
            let before = self.last_place(*place).map_or(0, |before| before + 1);
            let has = |(_, (first, last)): &(&u64, &(String, String))| {
                first.as_str() <= line && line <= last.as_str()
            };
            (*place, self.parts.range(before..*place).rfind(has).map(|(part, _)| *part))
        })
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
        if self.is_called_within(CALLED_MILLIS) { Ok(()) } else { self.log_roll().await }
    }

    /// Whether the last roll was called so few milliseconds ago; one that a wrong clock dated ahead was not.
    pub(crate) fn is_called_within(&self, millis: u64) -> bool {
        let (last, now) = (self.committer.books().read().rolls.last(), self.now());
        now.since(last) < millis && last.0 <= now.0.saturating_add(AHEAD_MILLIS_MAX)
    }

    /// The rolls from a place on, as a ledger of `size` has them, each with a unit's line; and whether there are more.
    #[must_use]
    pub(crate) fn rolls_for(&self, unit: &UnitCode, from: u64, size: u64) -> (Vec<wire::RollShown>, bool) {
        let line = line_of(unit);
        let rolls = std::sync::Arc::clone(&self.committer.books().read().rolls);
        let mut places = rolls.of(&line, from, size);
        let shown = places.by_ref().take(SHOWN_MAX).map_while(|(place, part)| {
            let entry = self.ledger_entry(place)?.into();
            let path = path(inclusion_proof(self.hashes.as_ref(), place, size)?);
            let part = part.and_then(|part| self.ledger_entry(part)).unwrap_or_default();
            let (salt, line) = opened(&part, &line).unwrap_or_default();
            Some(wire::RollShown { entry, path, salt, line })
        });
        let shown = shown.collect();
        (shown, places.next().is_some())
    }
}

/// The salt and content of a line, if an entry has it.
fn opened(entry: &[u8], line: &str) -> Option<(Bytes, Bytes)> {
    Entry::decode(entry).ok()?.parts().iter().find_map(|part| match part {
        Part::Open { salt, path, content } if *path == line => {
            Some((salt.to_vec().into(), content.to_vec().into()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use lienthong_node::store::MemoryView;

    use super::*;

    /// Goal: a line is looked for in the one entry that has it, of each roll; all of it comes back from the view.
    #[test]
    fn the_entry_with_a_line_is_found() {
        let (view, mut batch, mut rolls) = (MemoryView::default(), Batch::default(), Rolls::default());
        let event = |kind: &str, at: u64, units: &[&str], value: &Value| {
            let lines = units.iter().map(|unit| (format!("unit/{unit}"), value.clone()));
            let fields = lines.collect();
            Event { kind: kind.to_owned(), at: UnixMillis(at), actor: "hub".to_owned(), fields }
        };
        let (list, named) = (Value::List(Vec::new()), Value::Text("x".to_owned()));
        let of_before = event(ROLL, 1, &["11953"], &list);
        assert!(!rolls.note(&of_before, Sequence(1), &mut batch), "of another version");
        for (kind, place, at, units, value) in [
            (ROLL_PART, 3, 5, ["11953", "11977", "12004"].as_slice(), &list),
            (ROLL_PART, 4, 5, &["12010", "33"], &list),
            (ROLL, 5, 5, &["11953", "11977", "12004", "12010", "33"], &named),
            (ROLL_PART, 8, 7, &["11953"], &list),
            (ROLL, 9, 7, &["11953"], &named),
        ] {
            assert!(rolls.note(&event(kind, at, units, value), Sequence(place), &mut batch));
        }
        view.commit(batch).unwrap();
        let loaded = Rolls::load(&view).unwrap();
        assert_eq!(loaded, rolls);
        let places = |line: &str, from, size| loaded.of(line, from, size).collect::<Vec<_>>();
        assert_eq!(places("unit/11953", 0, 100), [(5, Some(3)), (9, Some(8))]);
        assert_eq!(places("unit/11953", 6, 9), []);
        assert_eq!(places("unit/33", 0, 100), [(5, Some(4)), (9, None)]);
        assert_eq!(
            (loaded.last(), loaded.last_place(9), loaded.last_place(10)),
            (UnixMillis(7), Some(5), Some(9))
        );
    }
}
