//! Taking the hub's feed in: a piece stands in the log beside an event that says what was taken, so that it is
//! durable with everything else, replayed in order, and acknowledged to the hub by the log itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use lienthong_proto::batch;
use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::feed::{self, FeedCursor, FeedItem, FeedNote};
use lienthong_proto::hash::sha256;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;

use super::error::JournalError;
use super::journal::Journal;
use crate::dataset::{Admitted, EntryAt, Source};
use crate::log::FramePosition;

const FEED: &str = "feed";

/// Up to where which ledger's feed was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// The ledger; all zeros before the first piece.
    pub of: ReplicaId,
    /// The place wanted next.
    pub cursor: FeedCursor,
}

impl Default for Fed {
    fn default() -> Self {
        Self { of: ReplicaId([0; 16]), cursor: FeedCursor::default() }
    }
}

impl Fed {
    /// The bytes kept in the view.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(26);
        out.raw(&self.of.0);
        out.u64(self.cursor.ledger);
        out.u16(self.cursor.place);
        out.into_bytes()
    }

    /// Reads what [`Fed::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let of = ReplicaId(input.array()?);
        let cursor = FeedCursor { ledger: input.u64()?, place: input.u16()? };
        input.end()?;
        Ok(Self { of, cursor })
    }

    /// What a replica has taken once its log says so up to `to`: what it knows of one ledger it does not unlearn.
    #[must_use]
    pub fn heard(self, to: Self) -> Self {
        if to.of == self.of && to.cursor < self.cursor { self } else { to }
    }

    /// What is taken once a piece from `from` to `to` is: a piece that begins behind a gap moves nothing, so
    /// that what is missing is asked for again.
    fn after(self, from: Self, to: Self) -> Self {
        let anew = from.cursor == FeedCursor::default();
        let follows = from.of == self.of && from.cursor <= self.cursor && to.cursor >= self.cursor;
        if (from.of == to.of && follows) || (anew && to.of != self.of) { to } else { self }
    }
}

/// A piece of the feed as the hub sends it.
#[derive(Debug, Clone)]
pub struct FeedPiece {
    /// Up to where it leads.
    pub to: Fed,
    /// Its notes and entries, packed.
    pub packed: Bytes,
}

/// What was decided of an own change.
struct Decision {
    sequence: Sequence,
    accepted: UnixMillis,
    verdict: Verdict,
}

impl Journal {
    /// Takes a piece in durably: everything staged before it is committed with it. The inner error says why the
    /// piece itself is refused; nothing of it was taken then.
    ///
    /// # Errors
    /// [`JournalError`] if the log or the state fails.
    pub fn feed(
        &mut self,
        piece: &FeedPiece,
        now: UnixMillis,
    ) -> Result<Result<(), Malformed>, JournalError> {
        let Ok(plain) = batch::unpack(&piece.packed) else {
            return Ok(Err(Malformed("a feed piece that does not open")));
        };
        let opened = batch::entries(&plain).and_then(|elements| feed::items(&elements));
        let items = match opened {
            Ok(items) => items,
            Err(malformed) => return Ok(Err(malformed)),
        };
        // A piece of another ledger begins a feed anew.
        let from = if piece.to.of == self.fed.of {
            self.fed
        } else {
            Fed { of: piece.to.of, cursor: FeedCursor::default() }
        };
        let event = fed_event(from, piece, items.len(), now);
        let dot = Dot { replica: self.author().replica, sequence: self.next() };
        let (bytes, leaf) = event.build(dot, &self.secret())?;
        let position = self.append_accepted(&bytes, leaf, &piece.packed)?;
        let decisions = self.apply_fed(&items, position, now)?;
        // An own change is read back from the log, and must be synced for that.
        self.commit()?;
        if !decisions.is_empty() {
            self.decide_fed(&decisions)?;
            self.publish()?;
        }
        self.set_fed(self.fed.after(from, piece.to));
        Ok(Ok(()))
    }

    /// Takes a piece in that the log holds already. Whatever stands beside another event is not looked at.
    pub(super) fn replay_fed(
        &mut self,
        entry: &Entry<'_>,
        position: FramePosition,
        packed: &[u8],
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: entry.header.dot.sequence, source };
        let event = Event::of(entry).map_err(malformed)?;
        let Some((from, to)) = taken(&event) else { return Ok(()) };
        let plain = batch::unpack(packed)?;
        let elements = batch::entries(&plain).map_err(malformed)?;
        let items = feed::items(&elements).map_err(malformed)?;
        let decisions = self.apply_fed(&items, position, event.at)?;
        self.decide_fed(&decisions)?;
        self.set_fed(self.fed.after(from, to));
        Ok(())
    }

    fn apply_fed(
        &mut self,
        items: &[FeedItem<'_>],
        position: FramePosition,
        now: UnixMillis,
    ) -> Result<Vec<Decision>, JournalError> {
        let mut decisions = Vec::new();
        for item in items {
            match (&item.note, item.entry) {
                (FeedNote::Change { unit, accepted, proposal }, Some((index, bytes))) => {
                    // What this version does not understand it keeps; a later one applies it.
                    let Ok(change) = Entry::decode(bytes).and_then(|entry| Change::of(&entry)) else {
                        tracing::warn!("the feed holds a change this version does not understand");
                        continue;
                    };
                    if change.dot.replica == self.author().replica {
                        continue;
                    }
                    // What is only read comes without some of its fields: it takes the place of nothing whole.
                    let whole = Entry::decode(bytes).is_ok_and(|entry| entry.is_whole());
                    if !whole && self.holds(&change)? {
                        continue;
                    }
                    self.clock.observe(change.meta.hlc, now);
                    let at = EntryAt { frame: position, index };
                    let source = Source::accepted(&change, unit, *accepted, *proposal, at);
                    self.apply(Admitted { change: &change, source })?;
                }
                (FeedNote::Verdict { sequence, accepted, verdict }, _) => {
                    let (sequence, accepted, verdict) = (*sequence, *accepted, verdict.clone());
                    decisions.push(Decision { sequence, accepted, verdict });
                }
                (FeedNote::Change { .. }, None) => {}
            }
        }
        Ok(decisions)
    }

    /// Whether a change that has live values is held already.
    fn holds(&self, change: &Change) -> Result<bool, JournalError> {
        let state = self.dataset().pending_state(&change.record_type, change.record)?;
        Ok(state.is_some_and(|state| state.sources.contains_key(&change.dot)))
    }

    fn decide_fed(&self, decisions: &[Decision]) -> Result<(), JournalError> {
        for decision in decisions {
            if let Some(change) = self.own_change(decision.sequence)? {
                self.dataset().decide(&change, decision.accepted, &decision.verdict)?;
            }
        }
        Ok(())
    }

    fn own_change(&self, sequence: Sequence) -> Result<Option<Change>, JournalError> {
        let Some(found) = self.reader().clone().scan(sequence).next() else { return Ok(None) };
        let (frame, found) = found?;
        let Ok(index) = u16::try_from(sequence.0.saturating_sub(found.first.0)) else { return Ok(None) };
        let bytes = self.dataset().entries().entry(EntryAt { frame, index })?;
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).ok();
        let own = Dot { replica: self.author().replica, sequence };
        Ok(change.filter(|change| change.dot == own))
    }
}

fn fed_event(from: Fed, piece: &FeedPiece, items: usize, now: UnixMillis) -> Event {
    let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let fields = BTreeMap::from([
        ("of".to_owned(), Value::Text(piece.to.of.to_string())),
        ("from_ledger".to_owned(), number(from.cursor.ledger)),
        ("from_place".to_owned(), number(u64::from(from.cursor.place))),
        ("ledger".to_owned(), number(piece.to.cursor.ledger)),
        ("place".to_owned(), number(u64::from(piece.to.cursor.place))),
        ("items".to_owned(), number(items as u64)),
        ("sha256".to_owned(), Value::Text(hex::encode(sha256(&[&piece.packed])))),
    ]);
    Event { kind: FEED.to_owned(), at: now, actor: "hub".to_owned(), fields }
}

/// From where to where the piece leads that an event says was taken, if it says so.
#[must_use]
pub fn taken(event: &Event) -> Option<(Fed, Fed)> {
    if event.kind != FEED {
        return None;
    }
    let number = |name: &str| match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let Some(Value::Text(of)) = event.fields.get("of") else { return None };
    let of = of.parse().ok()?;
    let fed = |ledger: &str, place: &str| {
        let place = u16::try_from(number(place)?).ok()?;
        Some(Fed { of, cursor: FeedCursor { ledger: number(ledger)?, place } })
    };
    Some((fed("from_ledger", "from_place")?, fed("ledger", "place")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(of: u8, ledger: u64, place: u16) -> Fed {
        Fed { of: ReplicaId([of; 16]), cursor: FeedCursor { ledger, place } }
    }

    #[test]
    fn the_cursor_moves_only_over_what_was_taken() {
        let start = Fed::default();
        assert_eq!(start.after(fed(1, 0, 0), fed(1, 5, 0)), fed(1, 5, 0), "the first piece");
        let five = fed(1, 5, 0);
        assert_eq!(five.after(fed(1, 5, 0), fed(1, 5, 0)), five, "the first half of what is long");
        assert_eq!(five.after(fed(1, 5, 0), fed(1, 9, 2)), fed(1, 9, 2));
        assert_eq!(five.after(fed(1, 6, 0), fed(1, 9, 0)), five, "what came between is missing");
        assert_eq!(five.after(fed(1, 0, 0), fed(1, 3, 0)), five, "known already");
        assert_eq!(five.after(fed(2, 0, 0), fed(2, 1, 0)), fed(2, 1, 0), "another ledger");
        assert_eq!(five.after(fed(2, 4, 0), fed(2, 6, 0)), five, "another ledger from its middle");
    }

    #[test]
    fn what_was_heard_of_one_ledger_is_not_unlearned() {
        assert_eq!(Fed::default().heard(fed(1, 5, 2)), fed(1, 5, 2));
        assert_eq!(fed(1, 5, 2).heard(fed(1, 5, 1)), fed(1, 5, 2));
        assert_eq!(fed(1, 5, 2).heard(fed(1, 6, 0)), fed(1, 6, 0));
        assert_eq!(fed(1, 5, 2).heard(fed(2, 0, 0)), fed(2, 0, 0), "another ledger begins anew");
    }

    #[test]
    fn it_comes_back_from_its_bytes() {
        assert_eq!(Fed::decode(&fed(3, 7, 2).encode()).unwrap(), fed(3, 7, 2));
        assert!(Fed::decode(&[1; 25]).is_err());
    }
}
