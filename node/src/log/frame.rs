//! Frames and segment headers, byte by byte.

use bytes::Bytes;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::ids::{ReplicaId, Sequence};

/// Bytes of a frame's payload at most: a packed batch that did not compress, and its acceptance.
pub const FRAME_PAYLOAD_MAX: usize = 2 * 1024 * 1024;
/// u32 length, u32 CRC-32C, u64 first sequence, u32 count.
pub(crate) const FRAME_HEADER: usize = 20;
/// Magic, replica, first sequence, segment number, CRC-32C.
pub(crate) const SEGMENT_HEADER: usize = 40;
const MAGIC: &[u8; 8] = b"LTSEG01\n";

/// Where a frame stands: segment number and byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FramePosition {
    /// The segment, from 0.
    pub segment: u32,
    /// The offset of its header in the segment file.
    pub offset: u32,
}

impl FramePosition {
    /// Both in one number, in log order.
    #[must_use]
    pub fn pack(self) -> u64 {
        (u64::from(self.segment) << 32) | u64::from(self.offset)
    }

    /// The position behind [`FramePosition::pack`]'s number.
    #[must_use]
    pub fn unpack(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        Self { segment: u32::from_be_bytes([a, b, c, d]), offset: u32::from_be_bytes([e, f, g, h]) }
    }
}

/// A frame read back and checked.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The sequence of its first entry.
    pub first: Sequence,
    /// How many entries it carries.
    pub count: u32,
    /// What was appended.
    pub payload: Bytes,
}

/// The header of a frame, before its payload is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) crc: u32,
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl FrameHeader {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let length = usize::try_from(input.u32().ok()?).ok()?;
        let header =
            Self { length, crc: input.u32().ok()?, first: input.u64().ok()?, count: input.u32().ok()? };
        // A frame of zero entries is what a zeroed page looks like.
        (length <= FRAME_PAYLOAD_MAX && header.count > 0).then_some(header)
    }

    pub(crate) fn holds(&self, payload: &[u8]) -> bool {
        checksum(self.first, self.count, &[payload]) == self.crc
    }
}

fn checksum(first: u64, count: u32, parts: &[&[u8]]) -> u32 {
    let mut crc = crc32c::crc32c(&first.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &count.to_be_bytes());
    parts.iter().fold(crc, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Appends a frame's bytes to `out`.
pub(crate) fn encode_frame(first: u64, count: u32, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&checksum(first, count, parts).to_be_bytes());
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The header of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) replica: ReplicaId,
    pub(crate) first: u64,
    pub(crate) number: u32,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(SEGMENT_HEADER);
        out.raw(MAGIC);
        out.raw(&self.replica.0);
        out.u64(self.first);
        out.u32(self.number);
        let crc = crc32c::crc32c(out.as_slice());
        out.u32(crc);
        out.into_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.get(..SEGMENT_HEADER)?.split_at_checked(SEGMENT_HEADER - 4)?;
        let mut input = Reader::new(body);
        if input.take(8).ok()? != MAGIC || crc32c::crc32c(body).to_be_bytes() != crc {
            return None;
        }
        let replica = ReplicaId(input.array().ok()?);
        Some(Self { replica, first: input.u64().ok()?, number: input.u32().ok()? })
    }
}

pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:08}.seg")
}
