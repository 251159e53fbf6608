//! Reading: only what is synced, checked at every read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lienthong_proto::ids::Sequence;
use parking_lot::RwLock;

use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, segment_name};
use super::{Frame, FramePosition};

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system failed.
    #[error("segment {segment} at {offset} cannot be read")]
    Io {
        /// The segment.
        segment: u32,
        /// The offset.
        offset: u32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not what was written.
    #[error("segment {segment} is damaged at {offset}")]
    Damaged {
        /// The segment.
        segment: u32,
        /// The offset.
        offset: u32,
    },
    /// There is no such frame.
    #[error("the log has no frame at segment {segment}, offset {offset}")]
    Missing {
        /// The segment.
        segment: u32,
        /// The offset.
        offset: u32,
    },
}

/// One index point for so many bytes of log: a lookup reads at most this much.
const INDEX_EVERY: u64 = 64 * 1024;

#[derive(Debug)]
pub(crate) struct SegmentState {
    pub(crate) file: File,
    pub(crate) first: u64,
    /// Bytes that readers may see.
    pub(crate) published: AtomicU64,
    /// Sequence and offset of a frame every [`INDEX_EVERY`] bytes.
    points: RwLock<Vec<(u64, u32)>>,
}

impl SegmentState {
    pub(crate) fn new(file: File, first: u64, published: u64) -> Self {
        let start = u32::try_from(SEGMENT_HEADER).unwrap_or(0);
        let points = RwLock::new(vec![(first, start)]);
        Self { file, first, published: AtomicU64::new(published), points }
    }

    pub(crate) fn index(&self, sequence: u64, offset: u32) {
        let mut points = self.points.write();
        let last = points.last().map_or(0, |(_, offset)| u64::from(*offset));
        if u64::from(offset) >= last + INDEX_EVERY {
            points.push((sequence, offset));
        }
    }

    fn nearest(&self, sequence: u64) -> u32 {
        let points = self.points.read();
        let at = points.partition_point(|(first, _)| *first <= sequence);
        points.get(at.saturating_sub(1)).map_or(0, |(_, offset)| *offset)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) segments: RwLock<Vec<Arc<SegmentState>>>,
    pub(crate) next: AtomicU64,
}

impl Shared {
    fn segment(&self, number: u32) -> Option<Arc<SegmentState>> {
        self.segments.read().get(number as usize).cloned()
    }
}

/// Reads the log; cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    /// The next sequence: how many entries are synced.
    #[must_use]
    pub fn next(&self) -> Sequence {
        Sequence(self.shared.next.load(Ordering::Acquire))
    }

    /// The frame at a position.
    ///
    /// # Errors
    /// [`ReadError`] if there is none there, or its checksum does not hold.
    pub fn frame(&self, position: FramePosition) -> Result<Frame, ReadError> {
        let FramePosition { segment, offset } = position;
        let state = self.shared.segment(segment).ok_or(ReadError::Missing { segment, offset })?;
        let end = state.published.load(Ordering::Acquire);
        if u64::from(offset) + FRAME_HEADER as u64 > end {
            return Err(ReadError::Missing { segment, offset });
        }
        let io = |source| ReadError::Io { segment, offset, source };
        let mut header = [0; FRAME_HEADER];
        state.file.read_exact_at(&mut header, u64::from(offset)).map_err(io)?;
        let damaged = ReadError::Damaged { segment, offset };
        let Some(header) = FrameHeader::decode(&header) else {
            return Err(damaged);
        };
        let start = u64::from(offset) + FRAME_HEADER as u64;
        if start + header.length as u64 > end {
            return Err(damaged);
        }
        let mut payload = vec![0; header.length];
        state.file.read_exact_at(&mut payload, start).map_err(io)?;
        if !header.holds(&payload) {
            return Err(damaged);
        }
        Ok(Frame { first: Sequence(header.first), count: header.count, payload: Bytes::from(payload) })
    }

    /// The frames from the one that holds `from` on, up to what is synced now.
    #[must_use]
    pub fn scan(self, from: Sequence) -> Scan {
        let segments = self.shared.segments.read();
        let at = segments.partition_point(|segment| segment.first <= from.0).saturating_sub(1);
        let offset = segments.get(at).map_or(0, |segment| segment.nearest(from.0));
        drop(segments);
        let end = self.next().0;
        let position = FramePosition { segment: u32::try_from(at).unwrap_or(u32::MAX), offset };
        Scan { reader: self, from: from.0, end, position }
    }

    /// The segment files, and how many bytes of each, that hold exactly the entries below `next`.
    ///
    /// # Errors
    /// [`ReadError`] if the log is damaged there, or no frame ends at `next`.
    pub fn extent(&self, next: Sequence) -> Result<Vec<(String, u64)>, ReadError> {
        let Some(last) = next.0.checked_sub(1) else { return Ok(Vec::new()) };
        let missing = ReadError::Missing { segment: u32::MAX, offset: 0 };
        let (position, frame) = self.clone().scan(Sequence(last)).next().ok_or(missing)??;
        let FramePosition { segment, offset } = position;
        if frame.first.0 + u64::from(frame.count) != next.0 {
            return Err(ReadError::Missing { segment, offset });
        }
        let mut files = Vec::new();
        for (number, state) in (0u32..).zip(self.shared.segments.read().iter()).take(segment as usize) {
            files.push((segment_name(number), state.published.load(Ordering::Acquire)));
        }
        let end = u64::from(offset) + (FRAME_HEADER + frame.payload.len()) as u64;
        files.push((segment_name(segment), end));
        Ok(files)
    }

    /// The frame that holds an entry.
    ///
    /// # Errors
    /// [`ReadError`] if the log is damaged on the way.
    pub fn locate(&self, sequence: Sequence) -> Result<Option<FramePosition>, ReadError> {
        match self.clone().scan(sequence).next() {
            Some(found) => found.map(|(position, _)| Some(position)),
            None => Ok(None),
        }
    }
}

/// Frames in log order.
#[derive(Debug)]
pub struct Scan {
    reader: LogReader,
    from: u64,
    end: u64,
    position: FramePosition,
}

impl Iterator for Scan {
    type Item = Result<(FramePosition, Frame), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.from < self.end {
            let state = self.reader.shared.segment(self.position.segment)?;
            if u64::from(self.position.offset) >= state.published.load(Ordering::Acquire) {
                let start = u32::try_from(SEGMENT_HEADER).unwrap_or(0);
                self.position = FramePosition { segment: self.position.segment + 1, offset: start };
                continue;
            }
            let position = self.position;
            let frame = match self.reader.frame(position) {
                Ok(frame) => frame,
                Err(error) => {
                    self.end = 0;
                    return Some(Err(error));
                }
            };
            let length = u32::try_from(FRAME_HEADER + frame.payload.len()).unwrap_or(u32::MAX);
            self.position.offset = position.offset.saturating_add(length);
            let end = frame.first.0 + u64::from(frame.count);
            if end > self.from {
                self.from = end;
                return Some(Ok((position, frame)));
            }
        }
        None
    }
}
