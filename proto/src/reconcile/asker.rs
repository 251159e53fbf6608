//! The side that asks, and finds the difference.

use std::collections::{BTreeMap, VecDeque};

use super::{Answer, Holding, Item, Mark, Part, Question, Range, Sum};
use crate::ids::RecordId;
use crate::limits::{RECONCILE_ASKED_MAX, RECONCILE_DIFFERENCES_MAX, RECONCILE_RANGES_MAX};

/// A record the two sides hold differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The record.
    pub record: RecordId,
    /// Its type.
    pub record_type: String,
    /// How it is here, if it is.
    pub here: Option<Mark>,
    /// How it is there, if it is.
    pub there: Option<Mark>,
}

/// Why the conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault<E> {
    /// The other side contradicts what it said before, or answers something else than was asked.
    #[error("the answer contradicts itself: {0}")]
    Contradiction(&'static str),
    /// More records differ than are worth naming one by one.
    #[error("more than {RECONCILE_DIFFERENCES_MAX} records differ")]
    TooMany,
    /// What is held here cannot be read.
    #[error(transparent)]
    Holding(E),
}

/// A range to ask about, and what the other side said it holds of it.
type Open = (Range, Option<Sum>);

/// Asks until every difference is found; every loop in it is bounded by what it may ask.
#[derive(Debug)]
pub struct Asker {
    waiting: VecDeque<Open>,
    asked: Vec<(Open, Sum)>,
    asked_in_all: usize,
    differing: Vec<Difference>,
}

impl Default for Asker {
    fn default() -> Self {
        Self::new()
    }
}

impl Asker {
    /// Begins with all ids.
    #[must_use]
    pub fn new() -> Self {
        let waiting = VecDeque::from([(Range::WHOLE, None)]);
        Self { waiting, asked: Vec::new(), asked_in_all: 0, differing: Vec::new() }
    }

    /// The next question; nothing once everything is known.
    ///
    /// # Errors
    /// [`Fault::Holding`] if the own records cannot be read.
    pub fn question<H: Holding>(&mut self, here: &H) -> Result<Option<Question>, Fault<H::Error>> {
        self.asked.clear();
        let count = self.waiting.len().min(RECONCILE_RANGES_MAX);
        self.asked_in_all += count;
        for open in self.waiting.drain(..count) {
            self.asked.push((open, here.sum(&open.0).map_err(Fault::Holding)?));
        }
        self.asked.sort_unstable_by_key(|((range, _), _)| *range);
        let ranges: Vec<_> = self.asked.iter().map(|((range, _), own)| (*range, *own)).collect();
        Ok((!ranges.is_empty()).then_some(Question { ranges }))
    }

    /// Takes the answer to the question asked last.
    ///
    /// # Errors
    /// [`Fault`]; what was found until then stands.
    pub fn take<H: Holding>(&mut self, answer: Answer, here: &H) -> Result<(), Fault<H::Error>> {
        let asked = std::mem::take(&mut self.asked);
        if answer.parts.len() != asked.len() {
            return Err(Fault::Contradiction("more or fewer answers than questions"));
        }
        for (((range, claimed), own), part) in asked.into_iter().zip(answer.parts) {
            let said = match &part {
                Part::Equal => own,
                Part::Parts(parts) => parts.iter().fold(Sum::default(), |sum, (_, part)| sum.plus(*part)),
                Part::Items(items) => Sum::over(items),
            };
            // What was said of the whole binds what is said of its parts: nobody can lead on for ever.
            if claimed.is_some_and(|claimed| claimed != said) {
                return Err(Fault::Contradiction("the parts are not the whole"));
            }
            match part {
                Part::Equal => {}
                Part::Parts(parts) => self.descend(&range, parts, here)?,
                Part::Items(items) => self.compare(&range, items, here)?,
            }
        }
        Ok(())
    }

    fn descend<H: Holding>(
        &mut self,
        range: &Range,
        theirs: Vec<(u8, Sum)>,
        here: &H,
    ) -> Result<(), Fault<H::Error>> {
        let own: BTreeMap<u8, Sum> = here.parts(range).map_err(Fault::Holding)?.into_iter().collect();
        let theirs: BTreeMap<u8, Sum> = theirs.into_iter().collect();
        for (byte, sum) in &theirs {
            let part = range.part(*byte).ok_or(Fault::Contradiction("parts of a single id"))?;
            if own.get(byte) != Some(sum) {
                self.waiting.push_back((part, Some(*sum)));
            }
            if self.asked_in_all + self.waiting.len() > RECONCILE_ASKED_MAX {
                return Err(Fault::TooMany);
            }
        }
        for byte in own.keys().filter(|byte| !theirs.contains_key(byte)) {
            if let Some(part) = range.part(*byte) {
                // They hold nothing of it: no need to ask.
                self.compare(&part, Vec::new(), here)?;
            }
        }
        Ok(())
    }

    fn compare<H: Holding>(
        &mut self,
        range: &Range,
        theirs: Vec<Item>,
        here: &H,
    ) -> Result<(), Fault<H::Error>> {
        let own = here.sum(range).map_err(Fault::Holding)?;
        if own.count > (RECONCILE_DIFFERENCES_MAX + theirs.len()) as u64 {
            return Err(Fault::TooMany);
        }
        let mut pairs: BTreeMap<(RecordId, String), (Option<Mark>, Option<Mark>)> = BTreeMap::new();
        for item in here.items(range).map_err(Fault::Holding)? {
            pairs.entry((item.record, item.record_type)).or_default().0 = Some(item.mark);
        }
        for item in theirs {
            if !range.contains(&item.record) {
                return Err(Fault::Contradiction("a record of another range"));
            }
            pairs.entry((item.record, item.record_type)).or_default().1 = Some(item.mark);
        }
        for ((record, record_type), (here, there)) in pairs {
            if here != there {
                self.differing.push(Difference { record, record_type, here, there });
            }
        }
        if self.differing.len() > RECONCILE_DIFFERENCES_MAX {
            return Err(Fault::TooMany);
        }
        Ok(())
    }

    /// What was found, in the order of ids.
    #[must_use]
    pub fn into_differing(mut self) -> Vec<Difference> {
        self.differing.sort_by(|a, b| (&a.record, &a.record_type).cmp(&(&b.record, &b.record_type)));
        self.differing
    }
}
