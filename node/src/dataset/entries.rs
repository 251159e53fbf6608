//! From a position in the log to an entry's bytes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::ids::Sequence;
use lru::LruCache;
use parking_lot::Mutex;

use crate::log::{FramePosition, LogReader, ReadError};

/// Where an entry stands: its frame, and its place among the frame's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryAt {
    /// The frame.
    pub frame: FramePosition,
    /// The place among its entries.
    pub index: u16,
}

/// Why an entry cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The frame cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The batch in it does not open.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The bytes are not what they should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What a frame's payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// One entry as it is.
    Entry(&'a [u8]),
    /// Consecutive entries of this log, packed.
    Batch(&'a [u8]),
    /// An acceptance (one entry of this log) with the accepted batch beside it.
    Accepted {
        /// The acceptance.
        entry: &'a [u8],
        /// The other replica's entries, packed, as they came.
        packed: &'a [u8],
    },
}

const ENTRY: u8 = 0;
const BATCH: u8 = 1;
const ACCEPTED: u8 = 2;

impl<'a> Payload<'a> {
    /// The pieces to append to the log, and the 5 bytes that come first.
    #[must_use]
    pub fn prefix(&self) -> [u8; 5] {
        let (form, length) = match self {
            Self::Entry(entry) => (ENTRY, entry.len()),
            Self::Batch(packed) => (BATCH, packed.len()),
            Self::Accepted { entry, .. } => (ACCEPTED, entry.len()),
        };
        let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        [form, a, b, c, d]
    }

    /// Reads a frame's payload.
    ///
    /// # Errors
    /// [`Malformed`] for an unknown form or a cut payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = lienthong_proto::bytes::Reader::new(bytes);
        let form = input.u8()?;
        let length = usize::try_from(input.u32()?).map_err(|_| Malformed("payload length"))?;
        let head = input.take(length)?;
        let rest = input.take(input.left())?;
        match form {
            ENTRY if rest.is_empty() => Ok(Self::Entry(head)),
            BATCH if rest.is_empty() => Ok(Self::Batch(head)),
            ACCEPTED => Ok(Self::Accepted { entry: head, packed: rest }),
            _ => Err(Malformed("unknown payload form")),
        }
    }
}

/// Entries of one frame, opened.
#[derive(Debug)]
struct Opened {
    plain: Bytes,
    ranges: Vec<(u32, u32)>,
}

/// Reads entries; keeps the last opened frames.
#[derive(Debug, Clone)]
pub struct EntrySource {
    log: LogReader,
    opened: Arc<Mutex<LruCache<FramePosition, Arc<Opened>>>>,
}

impl EntrySource {
    /// A source over `log` that keeps at most `frames` opened frames (each at most 1 MiB).
    #[must_use]
    pub fn new(log: LogReader, frames: NonZeroUsize) -> Self {
        Self { log, opened: Arc::new(Mutex::new(LruCache::new(frames))) }
    }

    /// The log behind it.
    #[must_use]
    pub fn log(&self) -> &LogReader {
        &self.log
    }

    /// The bytes of the entry at `at`; of an acceptance's frame, the accepted batch's entries.
    ///
    /// # Errors
    /// [`EntryError`] if the frame is damaged or has no such entry.
    pub fn entry(&self, at: EntryAt) -> Result<Bytes, EntryError> {
        let opened = self.open(at.frame)?;
        let (start, end) = opened
            .ranges
            .get(usize::from(at.index))
            .map(|(start, end)| (*start as usize, *end as usize))
            .ok_or(Malformed("no such entry in its frame"))?;
        Ok(opened.plain.slice(start..end))
    }

    /// How many entries [`EntrySource::entry`] finds in a frame.
    ///
    /// # Errors
    /// [`EntryError`] if the frame is damaged.
    pub fn count(&self, position: FramePosition) -> Result<u16, EntryError> {
        let count = self.open(position)?.ranges.len();
        Ok(u16::try_from(count).map_err(|_| Malformed("too many entries in a frame"))?)
    }

    /// The sequence of a frame's first entry; of an acceptance's, its place in the ledger.
    ///
    /// # Errors
    /// [`EntryError`] if the frame is damaged.
    pub fn sequence(&self, position: FramePosition) -> Result<Sequence, EntryError> {
        Ok(self.log.frame(position)?.first)
    }

    fn open(&self, position: FramePosition) -> Result<Arc<Opened>, EntryError> {
        if let Some(opened) = self.opened.lock().get(&position) {
            return Ok(Arc::clone(opened));
        }
        let frame = self.log.frame(position)?;
        let opened = Arc::new(open_payload(&frame.payload)?);
        self.opened.lock().put(position, Arc::clone(&opened));
        Ok(opened)
    }
}

fn open_payload(payload: &Bytes) -> Result<Opened, EntryError> {
    match Payload::parse(payload)? {
        Payload::Entry(entry) => {
            let plain = payload.slice_ref(entry);
            let end = u32::try_from(entry.len()).map_err(|_| Malformed("entry length"))?;
            Ok(Opened { plain, ranges: vec![(0, end)] })
        }
        Payload::Batch(packed) | Payload::Accepted { packed, .. } => {
            let plain = batch::unpack(packed)?;
            let mut ranges = Vec::new();
            let mut at = 0u32;
            for entry in batch::entries(&plain)? {
                let start = at + 4;
                at = start + u32::try_from(entry.len()).map_err(|_| Malformed("entry length"))?;
                ranges.push((start, at));
            }
            Ok(Opened { plain: Bytes::from(plain), ranges })
        }
    }
}
