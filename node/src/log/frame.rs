//! Frames and segment headers, byte by byte.
//!
//! A sealed segment holds the same frames: its header is longer by what leads to its key, and behind each payload, which
//! is sealed, stands a tag. A frame's *place* is where it would stand in the plain form, so that a segment may be
//! rewritten from one form into the other, or under another key, and every place that was noted stays good.

use bytes::Bytes;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::ids::{ReplicaId, Sequence};

use super::seal::{SALT_BYTES, SealMark, SegmentSeal};
use crate::at_rest::{KeyId, TAG_BYTES};

/// Bytes of a frame's payload at most: a packed batch that did not compress, and its acceptance.
pub const FRAME_PAYLOAD_MAX: usize = 2 * 1024 * 1024;
/// u32 length, u32 CRC-32C, u64 first sequence, u32 count.
pub(crate) const FRAME_HEADER: usize = 20;
/// Magic, replica, first sequence, segment number, CRC-32C. Places in any segment begin behind it.
pub(crate) const SEGMENT_HEADER: usize = 40;
/// The same, and before the CRC-32C the master key's name and the salt.
pub(crate) const SEALED_HEADER: usize = SEGMENT_HEADER + 8 + SALT_BYTES;
const MAGIC: &[u8; 8] = b"LTSEG01\n";
const SEALED_MAGIC: &[u8; 8] = b"LTSEG02\n";

/// Where a frame stands: segment number and byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FramePosition {
    /// The segment, from 0.
    pub segment: u32,
    /// The offset of its header in the segment's plain form.
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

    /// Whether the checksum holds over a payload, of a sealed frame with its tag.
    pub(crate) fn holds(&self, stored: &[u8]) -> bool {
        checksum(self.first, self.count, &[stored]) == self.crc
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&self.crc.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
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
    FrameHeader { length, crc: checksum(first, count, parts), first, count }.encode(out);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends a sealed frame's bytes to `out`; `offset` is where it will stand in its file. `false` if it cannot be sealed.
pub(crate) fn encode_sealed(
    seal: &SegmentSeal,
    offset: u64,
    (first, count): (u64, u32),
    parts: &[&[u8]],
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut header = FrameHeader { length, crc: 0, first, count };
    header.encode(out);
    for part in parts {
        out.extend_from_slice(part);
    }
    let Some((head, payload)) =
        out.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(FRAME_HEADER))
    else {
        return false;
    };
    let Some(tag) = seal.seal(offset, header, payload) else { return false };
    header.crc = checksum(first, count, &[payload, &tag]);
    if let Some(crc) = head.get_mut(4..8) {
        crc.copy_from_slice(&header.crc.to_be_bytes());
    }
    out.extend_from_slice(&tag);
    true
}

/// The header of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) replica: ReplicaId,
    pub(crate) first: u64,
    pub(crate) number: u32,
    /// How it is sealed, if it is.
    pub(crate) seal: Option<SealMark>,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(SEALED_HEADER);
        out.raw(if self.seal.is_some() { SEALED_MAGIC } else { MAGIC });
        out.raw(&self.replica.0);
        out.u64(self.first);
        out.u32(self.number);
        if let Some(mark) = &self.seal {
            out.raw(&mark.key.0);
            out.raw(&mark.salt);
        }
        let crc = crc32c::crc32c(out.as_slice());
        out.u32(crc);
        out.into_bytes()
    }

    /// Reads the header at the beginning of a file.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let sealed = bytes.starts_with(SEALED_MAGIC);
        let length = if sealed { SEALED_HEADER } else { SEGMENT_HEADER };
        let (body, crc) = bytes.get(..length)?.split_at_checked(length - 4)?;
        let mut input = Reader::new(body);
        let magic = input.take(8).ok()?;
        if (magic != MAGIC && !sealed) || crc32c::crc32c(body).to_be_bytes() != crc {
            return None;
        }
        let replica = ReplicaId(input.array().ok()?);
        let (first, number) = (input.u64().ok()?, input.u32().ok()?);
        let seal = match sealed {
            true => Some(SealMark { key: KeyId(input.array().ok()?), salt: input.array().ok()? }),
            false => None,
        };
        Some(Self { replica, first, number, seal })
    }

    /// Its bytes.
    pub(crate) fn length(&self) -> usize {
        if self.seal.is_some() { SEALED_HEADER } else { SEGMENT_HEADER }
    }

    /// Bytes behind each payload.
    pub(crate) fn tag_length(&self) -> usize {
        if self.seal.is_some() { TAG_BYTES } else { 0 }
    }
}

pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:08}.seg")
}
