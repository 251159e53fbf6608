//! One record as it is compared, and sums over many.

use std::fmt;

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::RecordId;

/// What a record's state comes to: 16 bytes of a hash, equal where the states are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub [u8; 16]);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({self})")
    }
}

/// One record as it is compared; the order is that of lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The record.
    pub record: RecordId,
    /// Its type.
    pub record_type: String,
    /// Its state.
    pub mark: Mark,
}

impl Item {
    pub(super) fn encode(&self, out: &mut Writer) {
        out.raw(&self.record.0);
        out.text(&self.record_type);
        out.raw(&self.mark.0);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let record = RecordId(input.array()?);
        let record_type = input.text()?.to_owned();
        Ok(Self { record, record_type, mark: Mark(input.array()?) })
    }
}

/// How many records a range holds, and their marks added modulo 2^128: the same in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Records.
    pub count: u64,
    /// Their marks.
    pub total: u128,
}

impl Sum {
    /// Adds a record.
    pub fn add(&mut self, mark: Mark) {
        *self = self.plus(Self { count: 1, total: u128::from_be_bytes(mark.0) });
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let count = self.count.saturating_add(other.count);
        Self { count, total: self.total.wrapping_add(other.total) }
    }

    /// The sum over records.
    #[must_use]
    pub fn over(items: &[Item]) -> Self {
        let mut sum = Self::default();
        for item in items {
            sum.add(item.mark);
        }
        sum
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.varint(self.count);
        out.raw(&self.total.to_be_bytes());
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { count: input.varint()?, total: u128::from_be_bytes(input.array()?) })
    }
}
