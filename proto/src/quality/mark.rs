//! Marks: what a record leaves in an index, and what it looks for there.

use std::fmt;

#[cfg(doc)]
use super::Judgement;
use super::RuleIndex;
use crate::bytes::{Malformed, Reader, Writer};
use crate::hash::sha256;

/// One entry of an index over all records: 16 bytes of the hash of an index's name and of the values that
/// meet in it. A keeper holds per mark the records that publish it and those that probe it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub [u8; 16]);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({})", hex::encode(self.0))
    }
}

/// What a probe must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expect {
    /// Each mark has at most one record: the one that probes.
    Unique,
    /// Each mark has a record.
    Present,
    /// The marks have at least so many records together.
    AtLeast(u32),
    /// The marks have at most so many records together.
    AtMost(u32),
    /// The marks have exactly so many records together.
    Exactly(u32),
    /// Every mark has as many records as the others.
    Alike,
    /// What leads from the second mark on does not come back to the first ([`Judgement::assess`] follows it).
    Acyclic,
}

/// How many records are counted, where all must be.
const CROWD_MAX: u64 = 10_000;

/// A rule across records, as it stands for one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// The rule that is broken if it does not find what it expects.
    pub rule: RuleIndex,
    /// Where it looks.
    pub marks: Vec<Mark>,
    /// What must be there.
    pub expect: Expect,
}

impl Expect {
    /// Whether so many records at the marks are as expected.
    #[must_use]
    pub fn is_met(self, counts: &[u64]) -> bool {
        let sum = || counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        match self {
            Self::Unique => counts.iter().all(|count| *count <= 1),
            Self::Present => counts.iter().all(|count| *count >= 1),
            Self::AtLeast(least) => sum() >= u64::from(least),
            Self::AtMost(most) => sum() <= u64::from(most),
            Self::Exactly(number) => sum() == u64::from(number),
            Self::Alike => counts.windows(2).all(|pair| pair.first() == pair.last()),
            Self::Acyclic => true,
        }
    }

    /// Whether a probe may come to another answer when one of its marks goes from so many records to so many.
    /// Where it may not, a keeper need not assess the record that probes: in a crowd of equals, most need not.
    #[must_use]
    pub fn tells_apart(self, before: u64, after: u64) -> bool {
        match self {
            // Whom it concerns is found by following the chain: [`Judgement::chained`].
            Self::Acyclic => false,
            Self::Unique | Self::Present => self.is_met(&[before]) != self.is_met(&[after]),
            Self::AtLeast(_) | Self::AtMost(_) | Self::Exactly(_) | Self::Alike => before != after,
        }
    }

    /// The largest count it tells from larger ones; beyond, a keeper need not count.
    #[must_use]
    pub fn count_max(self) -> u64 {
        match self {
            Self::Unique => 2,
            Self::Present => 1,
            Self::AtLeast(number) => u64::from(number),
            Self::AtMost(number) | Self::Exactly(number) => u64::from(number) + 1,
            Self::Alike => CROWD_MAX,
            Self::Acyclic => 0,
        }
    }

    fn parts(self) -> (u8, u32) {
        match self {
            Self::Unique => (0, 0),
            Self::Present => (1, 0),
            Self::AtLeast(number) => (2, number),
            Self::AtMost(number) => (3, number),
            Self::Exactly(number) => (4, number),
            Self::Alike => (5, 0),
            Self::Acyclic => (6, 0),
        }
    }
}

impl Probe {
    /// Appends the canonical bytes.
    pub(super) fn encode(&self, out: &mut Writer) {
        let (tag, number) = self.expect.parts();
        out.varint(u64::from(self.rule.0));
        out.u8(tag);
        out.varint(u64::from(number));
        encode_marks(&self.marks, out);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let rule = RuleIndex::decode(input)?;
        let tag = input.u8()?;
        let number = u32::try_from(input.varint()?).map_err(|_| Malformed("probe number"))?;
        let expect = match (tag, number) {
            (0, 0) => Expect::Unique,
            (1, 0) => Expect::Present,
            (2, number) => Expect::AtLeast(number),
            (3, number) => Expect::AtMost(number),
            (4, number) => Expect::Exactly(number),
            (5, 0) => Expect::Alike,
            (6, 0) => Expect::Acyclic,
            _ => return Err(Malformed("probe expectation")),
        };
        Ok(Self { rule, marks: decode_marks(input)?, expect })
    }
}

pub(super) fn encode_marks(marks: &[Mark], out: &mut Writer) {
    out.varint(marks.len() as u64);
    for mark in marks {
        out.raw(&mark.0);
    }
}

pub(super) fn decode_marks(input: &mut Reader<'_>) -> Result<Vec<Mark>, Malformed> {
    let length = input.varint()?;
    let fits = usize::try_from(length).is_ok_and(|length| length <= input.left() / 16);
    if !fits {
        return Err(Malformed("marks"));
    }
    (0..length).map(|_| input.array().map(Mark)).collect()
}

/// One index: records meet in it by a tuple of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MarkIndex([u8; 8]);

impl MarkIndex {
    /// The index of that name; two specifications of one name are one index.
    pub(super) fn named(name: &str) -> Self {
        let mut tag = [0; 8];
        tag.copy_from_slice(sha256(&[b"lienthong mark index", name.as_bytes()]).split_at(8).0);
        Self(tag)
    }

    /// The mark of a tuple.
    pub(super) fn mark<'a>(self, parts: impl IntoIterator<Item = &'a str>) -> Mark {
        let mut tuple = self.tuple();
        parts.into_iter().for_each(|part| tuple.add(part));
        tuple.mark()
    }

    /// A tuple to be filled part by part.
    pub(super) fn tuple(self) -> Tuple {
        let mut out = Writer::with_capacity(96);
        out.raw(&self.0);
        Tuple(out)
    }
}

/// A tuple in the making.
pub(super) struct Tuple(Writer);

impl Tuple {
    pub(super) fn add(&mut self, part: &str) {
        self.0.text(part);
    }

    pub(super) fn mark(&self) -> Mark {
        let mut mark = [0; 16];
        mark.copy_from_slice(sha256(&[self.0.as_slice()]).split_at(16).0);
        Mark(mark)
    }
}
