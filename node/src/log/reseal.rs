//! Rewriting closed segments: under the key that seals now, one by one, beside writer and readers; or, while nobody writes
//! or reads, with some of their frames in another form.
//!
//! A new file, synced, read back and compared, renamed over the old one, the folder synced; readers then go on in the new
//! file, and those who hold the old one finish in it. A crash anywhere leaves the old file or the new one, and every place
//! in the log stays what it was, unless frames are given another form.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::frame::{SegmentHeader, encode_frame, encode_sealed, segment_name};
use super::reader::{Place, SegmentState};
use super::seal::{SealMark, SegmentSeal};
use super::{Disk, FRAME_PAYLOAD_MAX, Frame, LogReader, ReadError};
use crate::at_rest::{KeyRing, MasterKey, NeededKey};

/// The ending of a file that is not finished.
const UNFINISHED: &str = ".seg.new";
/// Written out at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// How far segments are under the key that seals now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resealing {
    /// Segments.
    pub segments: usize,
    /// Those that are plain or under another key.
    pub waiting: usize,
}

/// Why a segment was not rewritten; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new one cannot be written.
    #[error("a segment cannot be rewritten: {0}")]
    Io(#[from] io::Error),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] NeededKey),
    /// A frame cannot be given its new form.
    #[error("entry {0} cannot be rewritten: {1}")]
    Form(lienthong_proto::ids::Sequence, lienthong_proto::batch::BatchError),
    /// What was written is not what was read.
    #[error("segment {0} read back is not what it was; it is left as it was")]
    Differs(u32),
}

/// How many segments there are, and how many wait to be rewritten.
#[must_use]
pub fn resealing(reader: &LogReader) -> Resealing {
    let keys = reader.keys();
    let segments = reader.shared.segments.read();
    let waiting = segments.iter().filter(|state| !is_under(state, &keys)).count();
    Resealing { segments: segments.len(), waiting }
}

fn is_under(state: &SegmentState, keys: &KeyRing) -> bool {
    state.header.seal.map(|mark| mark.key) == keys.current().map(MasterKey::id)
}

/// Rewrites the next closed segment that is plain or under another key than the one that seals now; `false` if there is
/// none. `stop` is asked at each frame: it is given up then, and nothing has changed.
///
/// # Errors
/// [`ResealError`].
pub fn reseal(
    dir: &Path,
    reader: &LogReader,
    disk: &Disk,
    stop: &dyn Fn() -> bool,
) -> Result<bool, ResealError> {
    let keys = reader.keys();
    let Some((old, end)) = next(reader, &keys) else { return Ok(false) };
    let number = old.header.number;
    let header = SegmentHeader { seal: keys.current().map(SealMark::new), ..old.header };
    let path = dir.join(format!("{number:08}{UNFINISHED}"));
    let new = write(&path, &old, (header, end), &keys, disk, (stop, &as_it_was))?;
    let Some(new) = new else {
        std::fs::remove_file(&path)?;
        return Ok(false);
    };
    let _held = reader.shared.replacing.lock();
    disk.permit()?;
    std::fs::rename(&path, dir.join(segment_name(number)))?;
    disk.sync(&File::open(dir)?)?;
    if let Some(place) = reader.shared.segments.write().get_mut(number as usize) {
        *place = Arc::new(new);
    }
    Ok(true)
}

/// The next segment to be rewritten, and the entry behind its last.
fn next(reader: &LogReader, keys: &KeyRing) -> Option<(Arc<SegmentState>, u64)> {
    // Before the segments: one that is opened meanwhile is under the key that seals now.
    let open = reader.shared.open.load(Ordering::Acquire);
    let segments = reader.shared.segments.read();
    segments.iter().enumerate().find_map(|(at, state)| {
        let closed = u64::from(state.header.number) + 1 != open;
        let end = segments.get(at + 1).map_or_else(|| reader.next().0, |next| next.header.first);
        (closed && !is_under(state, keys)).then(|| (Arc::clone(state), end))
    })
}

/// What becomes of a frame's payload; nothing: it stays.
pub type Edit<'a> = dyn Fn(&Frame) -> Result<Option<Bytes>, ResealError> + 'a;

fn as_it_was(_: &Frame) -> Result<Option<Bytes>, ResealError> {
    Ok(None)
}

/// Rewrites the segments of a log that nobody writes or reads, where `edit` gives a frame another form: as many entries,
/// from the same sequence on. Returns how many frames were changed; `tell` hears of each segment that was looked through
/// how many there are. Frames behind a changed one stand elsewhere afterwards: whatever noted places in this log is to be
/// made again.
///
/// # Errors
/// [`ResealError`]: what was not rewritten is as it was, and it can be done again.
pub fn rewrite(
    dir: &Path,
    reader: &LogReader,
    disk: &Disk,
    edit: &Edit<'_>,
    tell: &dyn Fn(usize, usize),
) -> Result<u64, ResealError> {
    let keys = reader.keys();
    let segments = reader.shared.segments.read().clone();
    let mut changed = 0;
    for (at, old) in segments.iter().enumerate() {
        let mut found = 0;
        for frame in Frames::of(old) {
            found += u64::from(edit(&frame?)?.is_some());
        }
        if found > 0 {
            let end = segments.get(at + 1).map_or_else(|| reader.next().0, |next| next.header.first);
            let header = SegmentHeader { seal: keys.current().map(SealMark::new), ..old.header };
            let path = dir.join(format!("{:08}{UNFINISHED}", header.number));
            let new = write(&path, old, (header, end), &keys, disk, (&|| false, edit))?;
            new.ok_or(ResealError::Differs(header.number))?;
            disk.permit()?;
            std::fs::rename(&path, dir.join(segment_name(header.number)))?;
            disk.sync(&File::open(dir)?)?;
            changed += found;
        }
        tell(at + 1, segments.len());
    }
    Ok(changed)
}

/// Writes a segment in its new form; nothing if it was stopped, or if part of the segment is not to be seen yet.
fn write(
    path: &Path,
    old: &SegmentState,
    (header, end): (SegmentHeader, u64),
    keys: &KeyRing,
    disk: &Disk,
    (stop, edit): (&dyn Fn() -> bool, &Edit<'_>),
) -> Result<Option<SegmentState>, ResealError> {
    let seal = SegmentSeal::of(&header, keys)?;
    disk.permit()?;
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let state = SegmentState::new(File::open(path)?, header, seal, 0);
    let (mut buffer, mut place, mut next) = (header.encode(), Place::first(&header), header.first);
    for frame in Frames::of(old) {
        if stop() {
            return Ok(None);
        }
        let frame = frame?;
        let (first, count) = (frame.first.0, frame.count);
        let payload = edit(&frame)?.unwrap_or(frame.payload);
        if payload.len() > FRAME_PAYLOAD_MAX {
            return Err(io::Error::other("a frame would be too large").into());
        }
        match &state.seal {
            None => encode_frame(first, count, &[&payload], &mut buffer),
            Some(seal) => {
                if !encode_sealed(seal, place.stored, (first, count), &[&payload], &mut buffer) {
                    return Err(io::Error::other("a frame cannot be sealed").into());
                }
            }
        }
        state.index(first, place);
        place = place.after(payload.len(), header.tag_length());
        next = first + u64::from(count);
        if buffer.len() >= BUFFER_BYTES {
            disk.write(&mut file, &buffer)?;
            buffer.clear();
        }
    }
    disk.write(&mut file, &buffer)?;
    disk.sync(&file)?;
    if next != end {
        return Ok(None);
    }
    state.published.store(place.stored, Ordering::Release);
    // The log is the truth: the old file goes only when the new one says the same.
    let mut again = Frames::of(&state);
    for frame in Frames::of(old) {
        let (was, is) = (frame?, again.next().ok_or(ResealError::Differs(header.number))??);
        let wanted = edit(&was)?.unwrap_or(was.payload);
        if (was.first, was.count, &wanted) != (is.first, is.count, &is.payload) {
            return Err(ResealError::Differs(header.number));
        }
        if stop() {
            return Ok(None);
        }
    }
    Ok(Some(state))
}

/// The frames of one segment.
struct Frames<'a> {
    state: &'a SegmentState,
    place: Place,
}

impl<'a> Frames<'a> {
    fn of(state: &'a SegmentState) -> Self {
        Self { state, place: Place::first(&state.header) }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.place.stored >= self.state.published.load(Ordering::Acquire) {
            return None;
        }
        let read = self.state.read(self.place);
        if let Ok(frame) = &read {
            self.place = self.place.after(frame.payload.len(), self.state.header.tag_length());
        }
        Some(read)
    }
}

/// Removes what a crash has left of rewriting.
pub(super) fn forget_unfinished(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
