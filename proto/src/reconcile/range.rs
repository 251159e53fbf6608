//! The ids that begin alike.

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::RecordId;

/// All ids whose first bytes are given; without any, all ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first id of the range: zeros behind the bytes given.
    low: RecordId,
    depth: u8,
}

impl Range {
    /// Bytes of an id: no range is deeper.
    pub const DEPTH_MAX: u8 = 16;
    /// All ids.
    pub const WHOLE: Self = Self { low: RecordId([0; 16]), depth: 0 };

    /// Its first id.
    #[must_use]
    pub fn low(&self) -> RecordId {
        self.low
    }

    /// How many bytes are given.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The bytes given.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.low.0.get(..usize::from(self.depth)).unwrap_or_default()
    }

    /// Whether an id is in it.
    #[must_use]
    pub fn contains(&self, id: &RecordId) -> bool {
        id.0.starts_with(self.prefix())
    }

    /// The part whose next byte is `byte`; none of a range that is one id.
    #[must_use]
    pub fn part(&self, byte: u8) -> Option<Self> {
        let mut low = self.low;
        *low.0.get_mut(usize::from(self.depth))? = byte;
        Some(Self { low, depth: self.depth + 1 })
    }

    /// In which of its parts an id is.
    #[must_use]
    pub fn part_of(&self, id: &RecordId) -> Option<u8> {
        id.0.get(usize::from(self.depth)).copied()
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.framed(self.prefix());
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut range = Self::WHOLE;
        for byte in input.framed()? {
            range = range.part(*byte).ok_or(Malformed("a range deeper than an id"))?;
        }
        Ok(range)
    }
}
