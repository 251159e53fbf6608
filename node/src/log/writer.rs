//! Writing: buffered appends, one fdatasync for all of them, then shown to readers.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};

use super::anchor::AnchorFile;
use super::frame::{FRAME_HEADER, SegmentHeader, encode_frame, encode_sealed, segment_name};
use super::reader::{Place, SegmentState, Shared};
use super::seal::{SealMark, SegmentSeal};
use super::{Anchor, Disk, FRAME_PAYLOAD_MAX, FramePosition};

/// A segment is closed once it has grown past this.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Buffered bytes are written out past this, so that a large group needs little memory.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Why an entry was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The payload is beyond the limit; the log goes on.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The disk is full. Nothing since the last sync is accepted.
    #[error("the disk is full: free some space, then start again")]
    DiskFull(#[source] io::Error),
    /// A write failed. Nothing since the last sync is accepted.
    #[error("the log cannot be written")]
    Io(#[source] io::Error),
    /// An earlier write or sync failed.
    #[error("an earlier write failed; the log takes no more until it is opened again")]
    Ended,
}

/// Why what was appended is not durable.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A buffered write failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// fdatasync failed: it must never be tried again.
    #[error("the disk did not confirm a write")]
    Sync(#[source] io::Error),
}

/// The one writer of a log.
pub struct LogWriter {
    dir: PathBuf,
    disk: Disk,
    replica: ReplicaId,
    shared: Arc<Shared>,
    current: Option<Current>,
    next: u64,
    synced: u64,
    anchor_file: AnchorFile,
    anchor: Option<Anchor>,
    ended: bool,
}

struct Current {
    number: u32,
    file: File,
    state: Arc<SegmentState>,
    /// Bytes written to the file.
    written: u64,
    /// Where the next frame will stand.
    place: Place,
    buffer: Vec<u8>,
}

impl LogWriter {
    pub(crate) fn new(
        dir: &Path,
        disk: Disk,
        replica: ReplicaId,
        shared: Arc<Shared>,
        anchor_file: AnchorFile,
    ) -> io::Result<Self> {
        let next = shared.next.load(Ordering::Acquire);
        let last = shared.segments.read().last().cloned();
        // A sealed segment is never gone on with: what was cut from its end may have used up nonces. Nor is a plain one
        // once there is a key.
        let plain = last.filter(|state| state.header.seal.is_none() && shared.keys.read().is_empty());
        let current = match plain {
            Some(state) => {
                let number = state.header.number;
                let file = OpenOptions::new().append(true).open(dir.join(segment_name(number)))?;
                let written = state.published.load(Ordering::Acquire);
                let end = u32::try_from(written).map_err(|_| io::ErrorKind::FileTooLarge)?;
                let place = Place { plain: end, stored: written };
                Some(Current { number, file, state, written, place, buffer: Vec::new() })
            }
            None => None,
        };
        shared.open.store(current.as_ref().map_or(0, |it| u64::from(it.number) + 1), Ordering::Release);
        let dir = dir.to_owned();
        Ok(Self {
            dir,
            disk,
            replica,
            shared,
            current,
            next,
            synced: next,
            anchor_file,
            anchor: None,
            ended: false,
        })
    }

    /// Whose log it is.
    #[must_use]
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// The sequence the next appended entry gets.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.next)
    }

    /// Appends a frame of `count` entries whose payload is `parts` put together. It is neither durable nor
    /// visible before [`LogWriter::sync`].
    ///
    /// # Errors
    /// [`AppendError`]; all but *too large* end the writer.
    pub fn append_parts(&mut self, count: u32, parts: &[&[u8]]) -> Result<FramePosition, AppendError> {
        if self.ended {
            return Err(AppendError::Ended);
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > FRAME_PAYLOAD_MAX {
            return Err(AppendError::TooLarge(length));
        }
        let appended = self.append_frame(count, parts);
        appended.map_err(|error| {
            self.ended = true;
            full_or_io(error)
        })
    }

    fn append_frame(&mut self, count: u32, parts: &[&[u8]]) -> io::Result<FramePosition> {
        self.turn()?;
        if self.current.as_ref().is_none_or(|current| u64::from(current.place.plain) >= SEGMENT_BYTES) {
            self.roll()?;
        }
        let disk = self.disk.clone();
        let first = self.next;
        let Some(current) = &mut self.current else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let place = current.place;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        match &current.state.seal {
            None => encode_frame(first, count, parts, &mut current.buffer),
            Some(seal) => {
                if !encode_sealed(seal, place.stored, (first, count), parts, &mut current.buffer) {
                    return Err(io::Error::other("a frame cannot be sealed"));
                }
            }
        }
        current.place = place.after(length, current.state.header.tag_length());
        current.state.index(first, place);
        if current.buffer.len() >= BUFFER_BYTES {
            current.write_out(&disk)?;
        }
        self.next += u64::from(count);
        Ok(FramePosition { segment: current.number, offset: place.plain })
    }

    /// Closes the current segment if another key seals now: the next frame begins one under it.
    fn turn(&mut self) -> io::Result<()> {
        let Some(current) = &self.current else { return Ok(()) };
        let sealed_by = current.state.header.seal.map(|mark| mark.key);
        if sealed_by != self.shared.keys.read().current().map(crate::at_rest::MasterKey::id) {
            self.end_segment()?;
        }
        Ok(())
    }

    /// Where everything is synced: closes a segment that another key is to follow, so that it may be rewritten.
    ///
    /// # Errors
    /// [`SyncError`] ends the writer.
    pub fn settle(&mut self) -> Result<(), SyncError> {
        if self.ended || self.synced != self.next {
            return Ok(());
        }
        self.turn().map_err(|error| {
            self.ended = true;
            SyncError::Sync(error)
        })
    }

    fn end_segment(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        current.write_out(&self.disk)?;
        self.disk.sync(&current.file)?;
        self.shared.open.store(0, Ordering::Release);
        Ok(())
    }

    /// Closes the current segment and begins the next.
    fn roll(&mut self) -> io::Result<()> {
        self.end_segment()?;
        let number = u32::try_from(self.shared.segments.read().len()).unwrap_or(u32::MAX);
        let keys = self.shared.keys.read().clone();
        let seal = keys.current().map(SealMark::new);
        let header = SegmentHeader { replica: self.replica, first: self.next, number, seal };
        let seal = SegmentSeal::of(&header, &keys).map_err(io::Error::other)?;
        let path = self.dir.join(segment_name(number));
        self.disk.permit()?;
        let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        let place = Place::first(&header);
        // Before any frame: a power cut that left frames, and no header before them, would pass for damage.
        self.disk.write(&mut file, &header.encode())?;
        self.disk.sync(&file)?;
        self.disk.sync(&File::open(&self.dir)?)?;
        let state = Arc::new(SegmentState::new(File::open(&path)?, header, seal, place.stored));
        // Before it is seen: it must not be taken for one that is closed.
        self.shared.open.store(u64::from(number) + 1, Ordering::Release);
        self.shared.segments.write().push(Arc::clone(&state));
        let (written, buffer) = (place.stored, Vec::new());
        self.current = Some(Current { number, file, state, written, place, buffer });
        Ok(())
    }

    /// Makes everything appended durable by one fdatasync, then shows it to readers.
    ///
    /// # Errors
    /// [`SyncError`] ends the writer: nothing since the last sync is accepted.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        if self.ended {
            return Err(AppendError::Ended.into());
        }
        if self.synced == self.next {
            return Ok(());
        }
        let disk = self.disk.clone();
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if let Err(error) = current.write_out(&disk) {
            self.ended = true;
            return Err(full_or_io(error).into());
        }
        let synced = disk.sync(&current.file);
        if let Err(error) = synced {
            self.ended = true;
            return Err(SyncError::Sync(error));
        }
        // Earlier segments of this group were written out and synced when they were closed.
        let written = current.written;
        for state in self.shared.segments.read().iter().rev().skip(1) {
            let length = state.file.metadata().map(|file| file.len()).unwrap_or(0);
            if state.published.swap(length, Ordering::AcqRel) == length {
                break;
            }
        }
        current.state.published.store(written, Ordering::Release);
        self.synced = self.next;
        self.shared.next.store(self.next, Ordering::Release);
        Ok(())
    }

    /// What the next [`LogWriter::write_anchor`] will say of everything synced so far.
    pub fn set_anchor(&mut self, root: Digest, frontier: &[u8]) {
        let frontier = frontier.to_vec();
        self.anchor = Some(Anchor { replica: self.replica, next: self.synced, root, frontier });
    }

    /// Writes and syncs the anchor, if there is anything new to say.
    ///
    /// # Errors
    /// [`SyncError`] ends the writer.
    pub fn write_anchor(&mut self) -> Result<(), SyncError> {
        let Some(anchor) = self.anchor.take() else {
            return Ok(());
        };
        self.anchor_file.write(&self.disk, &anchor).map_err(|error| {
            self.ended = true;
            SyncError::Sync(error)
        })
    }
}

impl Current {
    fn write_out(&mut self, disk: &Disk) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        disk.write(&mut self.file, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES + FRAME_HEADER);
        Ok(())
    }
}

fn full_or_io(error: io::Error) -> AppendError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::DiskFull(error),
        _ => AppendError::Io(error),
    }
}
