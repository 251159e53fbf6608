//! What is asked: ranges, with what the asker holds of each.

use super::{Range, Sum};
use crate::bytes::{Malformed, Reader, Writer};
use crate::limits::RECONCILE_RANGES_MAX;

/// Ranges, ascending, each with the asker's sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// At most [`RECONCILE_RANGES_MAX`].
    pub ranges: Vec<(Range, Sum)>,
}

impl Question {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(4 + self.ranges.len() * 24);
        out.varint(self.ranges.len() as u64);
        for (range, sum) in &self.ranges {
            range.encode(&mut out);
            sum.encode(&mut out);
        }
        out.into_bytes()
    }

    /// Reads what [`Question::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for too many ranges, ranges out of order, or cut bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let count = input.varint()?;
        if count > RECONCILE_RANGES_MAX as u64 {
            return Err(Malformed("too many ranges"));
        }
        let mut ranges: Vec<(Range, Sum)> = Vec::new();
        for _ in 0..count {
            let range = Range::decode(&mut input)?;
            if ranges.last().is_some_and(|(before, _)| *before >= range) {
                return Err(Malformed("ranges out of order"));
            }
            ranges.push((range, Sum::decode(&mut input)?));
        }
        input.end()?;
        Ok(Self { ranges })
    }
}
