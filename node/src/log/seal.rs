//! How the frames of a sealed segment are sealed.
//!
//! Each segment has a key of its own, by HKDF from the master and a random salt in its header. A frame's nonce is the
//! byte of the file it begins at (a counter of frames would not be known behind a damaged stretch, where whole frames are
//! still to be saved), so that no nonce comes twice under one key: a segment that was opened again is never appended to,
//! and one that is rewritten gets another salt. What a frame says of itself, its segment and its replica is authenticated
//! with it: frames cannot be swapped, moved or put into another segment.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use lienthong_proto::bytes::Writer;

use super::frame::{FrameHeader, SegmentHeader};
use crate::at_rest::{KeyId, KeyRing, MasterKey, NeededKey, TAG_BYTES, fresh};

const PURPOSE: &[u8] = b"lienthong at rest: segment 1";
/// Bytes of a segment's salt.
pub(crate) const SALT_BYTES: usize = 32;

/// What the header of a sealed segment says of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealMark {
    /// The master key's name.
    pub(crate) key: KeyId,
    pub(crate) salt: [u8; SALT_BYTES],
}

impl SealMark {
    /// A fresh one.
    pub(crate) fn new(key: &MasterKey) -> Self {
        Self { key: key.id(), salt: fresh() }
    }
}

/// Seals and opens the frames of one segment.
pub(crate) struct SegmentSeal {
    key: LessSafeKey,
    /// The segment's header: replica, place, salt.
    bound: Vec<u8>,
}

impl std::fmt::Debug for SegmentSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SegmentSeal")
    }
}

impl SegmentSeal {
    /// The seal of a segment; none if it is not sealed.
    pub(crate) fn of(header: &SegmentHeader, keys: &KeyRing) -> Result<Option<Self>, NeededKey> {
        let Some(mark) = header.seal else { return Ok(None) };
        let derived = keys.key(mark.key)?.derive(PURPOSE, &mark.salt);
        let key = derived.ok_or(NeededKey::Missing(mark.key))?;
        Ok(Some(Self { key, bound: header.encode() }))
    }

    fn bound(&self, header: FrameHeader) -> Aad<Vec<u8>> {
        let mut out = Writer::with_capacity(self.bound.len() + 16);
        out.raw(&self.bound);
        out.u64(header.first);
        out.u32(header.count);
        Aad::from(out.into_bytes())
    }

    /// Seals a payload where it stands.
    pub(crate) fn seal(
        &self,
        offset: u64,
        header: FrameHeader,
        payload: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let sealed = self.key.seal_in_place_separate_tag(nonce(offset), self.bound(header), payload).ok()?;
        sealed.as_ref().try_into().ok()
    }

    /// Opens a payload with its tag where it stands; whether it is what was sealed there.
    pub(crate) fn open(&self, offset: u64, header: FrameHeader, sealed: &mut [u8]) -> bool {
        self.key.open_in_place(nonce(offset), self.bound(header), sealed).is_ok()
    }
}

fn nonce(offset: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.split_at_mut(4).1.copy_from_slice(&offset.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
