//! The feed: what a hub hands to a replica of the records it owns (PROTOCOL.md, "Feed").
//!
//! A piece is a packed batch whose first element is its notes: one for each item, in order. A change has its entry
//! behind the notes, in the same order; a verdict speaks of an entry the receiver has in its own log.

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::{Sequence, UnitCode};
use crate::time::UnixMillis;
use crate::verdict::Verdict;

/// A place in a feed: the next deciding entry wanted, and the place beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedCursor {
    /// The ledger's entry.
    pub ledger: u64,
    /// The place among what it decides.
    pub place: u16,
}

impl FeedCursor {
    /// The place behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self.place.checked_add(1) {
            Some(place) => Self { place, ..self },
            None => Self { ledger: self.ledger + 1, place: 0 },
        }
    }
}

/// What is said of one item of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedNote {
    /// Another replica's change.
    Change {
        /// The unit it was written in.
        unit: UnitCode,
        /// When the hub took it: no stamp in it counts as later.
        accepted: UnixMillis,
        /// Its writer does not own the record.
        proposal: bool,
    },
    /// What was decided of a change of the receiver's own.
    Verdict {
        /// Where it stands in the receiver's log.
        sequence: Sequence,
        /// When the hub took it.
        accepted: UnixMillis,
        /// The decision, the latest word on it.
        verdict: Verdict,
    },
}

const CHANGE: u8 = 0;
const PROPOSAL: u8 = 1;
const VERDICT: u8 = 2;

impl FeedNote {
    /// The canonical bytes of a piece's notes.
    #[must_use]
    pub fn encode(notes: &[Self]) -> Vec<u8> {
        let mut out = Writer::with_capacity(notes.len() * 24);
        for note in notes {
            match note {
                Self::Change { unit, accepted, proposal } => {
                    out.u8(if *proposal { PROPOSAL } else { CHANGE });
                    out.text(unit.as_str());
                    out.u64(accepted.0);
                }
                Self::Verdict { sequence, accepted, verdict } => {
                    out.u8(VERDICT);
                    out.u64(sequence.0);
                    out.u64(accepted.0);
                    verdict.encode(&mut out);
                }
            }
        }
        out.into_bytes()
    }

    /// Reads a piece's notes.
    ///
    /// # Errors
    /// [`Malformed`] for an unknown kind, a unit that is none, or cut bytes.
    pub fn decode(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut input = Reader::new(bytes);
        let mut notes = Vec::new();
        while !input.is_empty() {
            notes.push(match input.u8()? {
                kind @ (CHANGE | PROPOSAL) => {
                    let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
                    let accepted = UnixMillis(input.u64()?);
                    Self::Change { unit, accepted, proposal: kind == PROPOSAL }
                }
                VERDICT => {
                    let sequence = Sequence(input.u64()?);
                    let accepted = UnixMillis(input.u64()?);
                    Self::Verdict { sequence, accepted, verdict: Verdict::decode(&mut input)? }
                }
                _ => return Err(Malformed("unknown feed note")),
            });
        }
        Ok(notes)
    }
}

/// A piece, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedItem<'a> {
    /// What is said of it.
    pub note: FeedNote,
    /// The entry of a change, and its place among the piece's elements.
    pub entry: Option<(u16, &'a [u8])>,
}

/// The items of a piece's elements, notes first.
///
/// # Errors
/// [`Malformed`] if notes and entries do not fit each other.
pub fn items<'a>(elements: &[&'a [u8]]) -> Result<Vec<FeedItem<'a>>, Malformed> {
    let (notes, entries) = elements.split_first().ok_or(Malformed("a feed piece without notes"))?;
    let mut entries = (1u16..).zip(entries.iter().copied());
    let mut items = Vec::new();
    for note in FeedNote::decode(notes)? {
        let entry = match note {
            FeedNote::Change { .. } => {
                Some(entries.next().ok_or(Malformed("a feed note without its entry"))?)
            }
            FeedNote::Verdict { .. } => None,
        };
        items.push(FeedItem { note, entry });
    }
    if entries.next().is_some() {
        return Err(Malformed("a feed entry without its note"));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::QuarantineReason;

    fn notes() -> Vec<FeedNote> {
        vec![
            FeedNote::Change { unit: "33".parse().unwrap(), accepted: UnixMillis(7), proposal: false },
            FeedNote::Verdict {
                sequence: Sequence(4),
                accepted: UnixMillis(8),
                verdict: Verdict::Quarantined(QuarantineReason::IdentityGuard),
            },
            FeedNote::Change { unit: "12004".parse().unwrap(), accepted: UnixMillis(9), proposal: true },
        ]
    }

    #[test]
    fn notes_and_entries_find_each_other() {
        let head = FeedNote::encode(&notes());
        let items = items(&[&head, b"one", b"two"]).unwrap();
        assert_eq!(items.iter().map(|item| item.note.clone()).collect::<Vec<_>>(), notes());
        let entries: Vec<_> = items.iter().map(|item| item.entry).collect();
        assert_eq!(entries, [Some((1, &b"one"[..])), None, Some((2, &b"two"[..]))]);
    }

    #[test]
    fn p8_what_does_not_fit_is_refused() {
        let head = FeedNote::encode(&notes());
        assert!(items(&[]).is_err());
        assert!(items(&[&head, b"one"]).is_err());
        assert!(items(&[&head, b"one", b"two", b"three"]).is_err());
        assert!(items(&[&head[..head.len() - 1], b"one", b"two"]).is_err());
        assert!(items(&[b"\x09"]).is_err());
    }
}
