//! Reading: only what is synced, checked at every read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lienthong_proto::ids::Sequence;
use parking_lot::{Mutex, RwLock};

use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, segment_name};
use super::seal::SegmentSeal;
use super::{Frame, FramePosition};
use crate::at_rest::{KeyRing, NeededKey};

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
/// In a sealed segment the headers between a point and a frame are read to find the frame.
const INDEX_EVERY_SEALED: u64 = 16 * 1024;

/// Where a frame stands in its segment: its place in the plain form, and its byte in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) plain: u32,
    pub(crate) stored: u64,
}

impl Place {
    /// Where the first frame of a segment stands.
    pub(crate) fn first(header: &SegmentHeader) -> Self {
        let plain = u32::try_from(SEGMENT_HEADER).unwrap_or(0);
        Self { plain, stored: header.length() as u64 }
    }

    /// Where the frame behind one of such a payload stands.
    pub(crate) fn after(self, payload: usize, tag: usize) -> Self {
        let length = u32::try_from(FRAME_HEADER + payload).unwrap_or(u32::MAX);
        let stored = self.stored + (FRAME_HEADER + payload + tag) as u64;
        Self { plain: self.plain.saturating_add(length), stored }
    }
}

#[derive(Debug)]
pub(crate) struct SegmentState {
    pub(crate) file: File,
    pub(crate) header: SegmentHeader,
    /// Opens its frames; none if they are not sealed.
    pub(crate) seal: Option<SegmentSeal>,
    /// Bytes of the file that readers may see.
    pub(crate) published: AtomicU64,
    /// Sequence and place of a frame every [`INDEX_EVERY`] bytes.
    points: RwLock<Vec<(u64, Place)>>,
}

impl SegmentState {
    pub(crate) fn new(file: File, header: SegmentHeader, seal: Option<SegmentSeal>, published: u64) -> Self {
        let points = RwLock::new(vec![(header.first, Place::first(&header))]);
        Self { file, header, seal, published: AtomicU64::new(published), points }
    }

    pub(crate) fn index(&self, sequence: u64, place: Place) {
        let every = if self.header.seal.is_some() { INDEX_EVERY_SEALED } else { INDEX_EVERY };
        let mut points = self.points.write();
        let last = points.last().map_or(0, |(_, place)| u64::from(place.plain));
        if u64::from(place.plain) >= last + every {
            points.push((sequence, place));
        }
    }

    fn nearest(&self, sequence: u64) -> Place {
        let points = self.points.read();
        let at = points.partition_point(|(first, _)| *first <= sequence);
        points.get(at.saturating_sub(1)).map_or_else(|| Place::first(&self.header), |(_, place)| *place)
    }

    /// Where the frame of a plain place stands, if there is one.
    fn find(&self, plain: u32) -> std::io::Result<Option<Place>> {
        if self.header.seal.is_none() {
            return Ok(Some(Place { plain, stored: u64::from(plain) }));
        }
        let nearest = {
            let points = self.points.read();
            let at = points.partition_point(|(_, place)| place.plain <= plain);
            at.checked_sub(1).and_then(|at| points.get(at)).map(|(_, place)| *place)
        };
        let Some(mut place) = nearest else { return Ok(None) };
        let end = self.published.load(Ordering::Acquire);
        while place.plain < plain && place.stored + FRAME_HEADER as u64 <= end {
            let mut header = [0; FRAME_HEADER];
            self.file.read_exact_at(&mut header, place.stored)?;
            let Some(header) = FrameHeader::decode(&header) else { return Ok(None) };
            place = place.after(header.length, self.header.tag_length());
        }
        Ok((place.plain == plain).then_some(place))
    }

    /// The frame at a place.
    pub(crate) fn read(&self, place: Place) -> Result<Frame, ReadError> {
        let (segment, offset) = (self.header.number, place.plain);
        let end = self.published.load(Ordering::Acquire);
        if place.stored + FRAME_HEADER as u64 > end {
            return Err(ReadError::Missing { segment, offset });
        }
        let io = |source| ReadError::Io { segment, offset, source };
        let mut header = [0; FRAME_HEADER];
        self.file.read_exact_at(&mut header, place.stored).map_err(io)?;
        let damaged = ReadError::Damaged { segment, offset };
        let Some(header) = FrameHeader::decode(&header) else {
            return Err(damaged);
        };
        let length = header.length + self.header.tag_length();
        let start = place.stored + FRAME_HEADER as u64;
        if start + length as u64 > end {
            return Err(damaged);
        }
        let mut payload = vec![0; length];
        self.file.read_exact_at(&mut payload, start).map_err(io)?;
        if !header.holds(&payload) || !self.unsealed(place, header, &mut payload) {
            return Err(damaged);
        }
        Ok(Frame { first: Sequence(header.first), count: header.count, payload: Bytes::from(payload) })
    }

    /// Opens a payload that is sealed, where it stands.
    pub(crate) fn unsealed(&self, place: Place, header: FrameHeader, payload: &mut Vec<u8>) -> bool {
        let Some(seal) = &self.seal else { return self.header.seal.is_none() };
        let opened = seal.open(place.stored, header, payload);
        payload.truncate(header.length);
        opened
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) segments: RwLock<Vec<Arc<SegmentState>>>,
    pub(crate) next: AtomicU64,
    /// The keys at hand; the first seals.
    pub(crate) keys: RwLock<KeyRing>,
    /// One more than the number of the segment that is appended to; 0 if none is.
    pub(crate) open: AtomicU64,
    /// Held while a segment's file is replaced, or must not be.
    pub(crate) replacing: Mutex<()>,
}

impl Shared {
    pub(crate) fn segment(&self, number: u32) -> Option<Arc<SegmentState>> {
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
        let missing = ReadError::Missing { segment, offset };
        let Some(state) = self.shared.segment(segment) else { return Err(missing) };
        let place = state.find(offset).map_err(|source| ReadError::Io { segment, offset, source })?;
        state.read(place.ok_or(missing)?)
    }

    /// The frames from the one that holds `from` on, up to what is synced now.
    #[must_use]
    pub fn scan(self, from: Sequence) -> Scan {
        let segments = self.shared.segments.read();
        let at = segments.partition_point(|segment| segment.header.first <= from.0).saturating_sub(1);
        let current = segments.get(at).map(|state| (Arc::clone(state), state.nearest(from.0)));
        drop(segments);
        let end = self.next().0;
        Scan { reader: self, from: from.0, end, current }
    }

    /// The segment files, and how many bytes of each, that hold exactly the entries below `next`. They are good while
    /// [`LogReader::hold`] is held: until then one may be replaced by another form of itself.
    ///
    /// # Errors
    /// [`ReadError`] if the log is damaged there, or no frame ends at `next`.
    pub fn extent(&self, next: Sequence) -> Result<Vec<(String, u64)>, ReadError> {
        let Some(last) = next.0.checked_sub(1) else { return Ok(Vec::new()) };
        let missing = ReadError::Missing { segment: u32::MAX, offset: 0 };
        let mut scan = self.clone().scan(Sequence(last));
        let (position, frame) = scan.next().ok_or(missing)??;
        let FramePosition { segment, offset } = position;
        if frame.first.0 + u64::from(frame.count) != next.0 {
            return Err(ReadError::Missing { segment, offset });
        }
        let mut files = Vec::new();
        for (number, state) in (0u32..).zip(self.shared.segments.read().iter()).take(segment as usize) {
            files.push((segment_name(number), state.published.load(Ordering::Acquire)));
        }
        let end = scan.current.map_or(0, |(_, place)| place.stored);
        files.push((segment_name(segment), end));
        Ok(files)
    }

    /// While this is held, no segment's file is replaced.
    #[must_use]
    pub fn hold(&self) -> impl Drop + '_ {
        self.shared.replacing.lock()
    }

    /// The keys at hand.
    #[must_use]
    pub fn keys(&self) -> KeyRing {
        self.shared.keys.read().clone()
    }

    /// From now on the first of these keys seals: the next frame begins a segment under it.
    ///
    /// # Errors
    /// [`NeededKey`] if a segment is sealed with none of them; nothing is changed then.
    pub fn set_keys(&self, keys: KeyRing) -> Result<(), NeededKey> {
        // Nothing is sealed by a key that goes away meanwhile.
        let mut held = self.shared.keys.write();
        let segments = self.shared.segments.read();
        let mut marks = segments.iter().filter_map(|state| state.header.seal);
        marks.try_for_each(|mark| keys.key(mark.key).map(drop))?;
        *held = keys;
        Ok(())
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
    /// The segment and where its next frame stands; it is read to its end in the form it was met in.
    current: Option<(Arc<SegmentState>, Place)>,
}

impl Iterator for Scan {
    type Item = Result<(FramePosition, Frame), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.from < self.end {
            let (state, place) = self.current.as_mut()?;
            if place.stored >= state.published.load(Ordering::Acquire) {
                let next = self.reader.shared.segment(state.header.number + 1);
                self.current = next.map(|state| {
                    let place = Place::first(&state.header);
                    (state, place)
                });
                continue;
            }
            let position = FramePosition { segment: state.header.number, offset: place.plain };
            let frame = match state.read(*place) {
                Ok(frame) => frame,
                Err(error) => {
                    self.end = 0;
                    return Some(Err(error));
                }
            };
            *place = place.after(frame.payload.len(), state.header.tag_length());
            let end = frame.first.0 + u64::from(frame.count);
            if end > self.from {
                self.from = end;
                return Some(Ok((position, frame)));
            }
        }
        None
    }
}
