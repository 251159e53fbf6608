//! What is answered: to each range, in order, the least that tells where it differs.

use super::{Holding, Item, Question, Range, Sum};
use crate::bytes::{Malformed, Reader, Writer};
use crate::limits::{RECONCILE_ITEMS_MAX, RECONCILE_RANGES_MAX};

/// What is said of one range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The sums are equal.
    Equal,
    /// The sums of its parts that hold anything, by their byte, ascending.
    Parts(Vec<(u8, Sum)>),
    /// Its records, in their order: at most [`RECONCILE_ITEMS_MAX`].
    Items(Vec<Item>),
}

/// To each range of a question, in order, what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// As many as were asked about.
    pub parts: Vec<Part>,
}

const EQUAL: u8 = 0;
const PARTS: u8 = 1;
const ITEMS: u8 = 2;

/// Answers a question from what is held.
///
/// # Errors
/// The holding's, if it cannot be read.
pub fn answer<H: Holding>(holding: &H, question: &Question) -> Result<Answer, H::Error> {
    let parts: Result<Vec<Part>, _> =
        question.ranges.iter().map(|(range, theirs)| part(holding, range, *theirs)).collect();
    Ok(Answer { parts: parts? })
}

fn part<H: Holding>(holding: &H, range: &Range, theirs: Sum) -> Result<Part, H::Error> {
    let own = holding.sum(range)?;
    if own == theirs {
        Ok(Part::Equal)
    } else if own.count <= RECONCILE_ITEMS_MAX as u64 || range.depth() == Range::DEPTH_MAX {
        Ok(Part::Items(holding.items(range)?))
    } else {
        Ok(Part::Parts(holding.parts(range)?))
    }
}

impl Answer {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        out.varint(self.parts.len() as u64);
        for part in &self.parts {
            match part {
                Part::Equal => out.u8(EQUAL),
                Part::Parts(parts) => {
                    out.u8(PARTS);
                    out.varint(parts.len() as u64);
                    for (byte, sum) in parts {
                        out.u8(*byte);
                        sum.encode(&mut out);
                    }
                }
                Part::Items(items) => {
                    out.u8(ITEMS);
                    out.varint(items.len() as u64);
                    items.iter().for_each(|item| item.encode(&mut out));
                }
            }
        }
        out.into_bytes()
    }

    /// Reads what [`Answer::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for more than a question can ask, lists that are too long or out of order, empty parts, or
    /// cut bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let count = input.varint()?;
        if count > RECONCILE_RANGES_MAX as u64 {
            return Err(Malformed("too many answers"));
        }
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(match input.u8()? {
                EQUAL => Part::Equal,
                PARTS => Part::Parts(decode_parts(&mut input)?),
                ITEMS => Part::Items(decode_items(&mut input)?),
                _ => return Err(Malformed("unknown answer")),
            });
        }
        input.end()?;
        Ok(Self { parts })
    }
}

fn decode_parts(input: &mut Reader<'_>) -> Result<Vec<(u8, Sum)>, Malformed> {
    let mut parts: Vec<(u8, Sum)> = Vec::new();
    for _ in 0..input.varint()? {
        let byte = input.u8()?;
        let sum = Sum::decode(input)?;
        // Ascending bytes bound the list by 256.
        if sum.count == 0 || parts.last().is_some_and(|(before, _)| *before >= byte) {
            return Err(Malformed("parts empty or out of order"));
        }
        parts.push((byte, sum));
    }
    Ok(parts)
}

fn decode_items(input: &mut Reader<'_>) -> Result<Vec<Item>, Malformed> {
    let count = input.varint()?;
    if count > RECONCILE_ITEMS_MAX as u64 {
        return Err(Malformed("too many records in a list"));
    }
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..count {
        let item = Item::decode(input)?;
        let name = |item: &Item| (item.record, item.record_type.clone());
        if items.last().is_some_and(|before| name(before) >= name(&item)) {
            return Err(Malformed("records out of order"));
        }
        items.push(item);
    }
    Ok(items)
}
