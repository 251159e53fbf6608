//! Opening a log: what is whole, what was never finished, what is damaged.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lienthong_proto::ids::{ReplicaId, Sequence};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::anchor::AnchorFile;
use super::frame::{FRAME_HEADER, FrameHeader, SEALED_HEADER, SEGMENT_HEADER, SegmentHeader, segment_name};
use super::reader::{Place, SegmentState, Shared};
use super::seal::SegmentSeal;
use super::{Anchor, Disk, LogReader, LogWriter};
use crate::at_rest::{KeyRing, NeededKey, TAG_BYTES};

/// Segments a process may have open without asking for more.
const FILES_FEW: usize = 256;
const ENDS_EARLY: &str = "the log ends before its anchor";

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// For the one writer.
    pub writer: LogWriter,
    /// For everyone else.
    pub reader: LogReader,
    /// An unfinished write that was cut away.
    pub cut: Option<CutTail>,
    /// The last anchor.
    pub anchor: Option<Anchor>,
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter").field("next", &self.next_sequence()).finish_non_exhaustive()
    }
}

/// An unfinished write at the end of the log: nobody was told it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutTail {
    /// The segment.
    pub segment: u32,
    /// Where the log ends now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// One damaged place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} is damaged at byte {offset}, entry {sequence}: {reason}")]
pub struct Fault {
    /// The segment.
    pub segment: u32,
    /// The byte.
    pub offset: u64,
    /// The entry expected there.
    pub sequence: u64,
    /// What is wrong.
    pub reason: &'static str,
}

/// Why a log does not open for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system failed.
    #[error("the log in {path} cannot be opened: {source}")]
    Io {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Part of what was accepted is not readable: read-only until repaired.
    #[error("the log is damaged: {0}")]
    Damaged(#[from] Fault),
    /// The log is another replica's.
    #[error("the log is replica {found}'s, not {expected}'s")]
    OtherReplica {
        /// As opened.
        expected: ReplicaId,
        /// As found.
        found: ReplicaId,
    },
    /// It is sealed, and the key is not at hand.
    #[error(transparent)]
    Key(#[from] NeededKey),
}

/// Opens a replica's log that is not sealed for writing, cutting an unfinished write away.
///
/// # Errors
/// [`OpenError`]; a damaged log is left as it is.
pub fn open(dir: &Path, replica: ReplicaId, disk: Disk) -> Result<Opened, OpenError> {
    open_sealed(dir, replica, disk, &KeyRing::default())
}

/// As [`open`]; what is written is sealed by the first of `keys`, if there is one, and what is there may be sealed by
/// any of them.
///
/// # Errors
/// [`OpenError`]; nothing is changed if a key is missing.
pub fn open_sealed(dir: &Path, replica: ReplicaId, disk: Disk, keys: &KeyRing) -> Result<Opened, OpenError> {
    let io = |source| OpenError::Io { path: dir.display().to_string(), source };
    crate::folder::make(dir).map_err(io)?;
    let (anchor_file, anchor) = AnchorFile::open(dir).map_err(io)?;
    let mut walk = Walk::new(dir, replica, anchor.as_ref().map_or(0, |anchor| anchor.next));
    walk.keys = Some(keys);
    walk.run()?;
    if walk.next < walk.anchored {
        let reason = ENDS_EARLY;
        let (segment, offset) = (walk.number.saturating_sub(1), 0);
        return Err(Fault { segment, offset, sequence: walk.next, reason }.into());
    }
    if let Some(cut) = walk.cut {
        cut_tail(dir, cut).map_err(io)?;
    }
    super::reseal::forget_unfinished(dir).map_err(io)?;
    let shared = Arc::new(Shared::default());
    *shared.keys.write() = keys.clone();
    shared.next.store(walk.next, Ordering::Release);
    *shared.segments.write() = walk.segments;
    let writer = LogWriter::new(dir, disk, replica, Arc::clone(&shared), anchor_file).map_err(io)?;
    Ok(Opened { writer, reader: LogReader { shared }, cut: walk.cut, anchor })
}

/// Reads a whole log without changing it and names every fault; an unfinished tail is none. What is sealed is opened.
///
/// # Errors
/// [`OpenError::Io`] if the folder cannot be read, [`OpenError::Key`] if a key is missing.
pub fn verify(dir: &Path, replica: ReplicaId, keys: &KeyRing) -> Result<(Sequence, Vec<Fault>), OpenError> {
    let io = |source| OpenError::Io { path: dir.display().to_string(), source };
    let anchored = anchored(dir).map_err(io)?;
    let mut walk = Walk::new(dir, replica, anchored);
    walk.keys = Some(keys);
    walk.unseals = true;
    match walk.run() {
        Ok(()) if walk.next < anchored => {
            let reason = ENDS_EARLY;
            let fault = Fault { segment: walk.number, offset: 0, sequence: walk.next, reason };
            Ok((Sequence(walk.next), vec![fault]))
        }
        Ok(()) => Ok((Sequence(walk.next), Vec::new())),
        Err(OpenError::Damaged(fault)) => Ok((Sequence(walk.next), vec![fault])),
        Err(other) => Err(other),
    }
}

/// Reads the last segment of a log without changing it, beside its writer too: how many entries the log has. An
/// unfinished tail is no fault; no key is needed.
///
/// # Errors
/// [`OpenError`] if its end is damaged or not readable.
pub fn verify_end(dir: &Path, replica: ReplicaId) -> Result<Sequence, OpenError> {
    let io = |source| OpenError::Io { path: dir.display().to_string(), source };
    // The anchor first: the log only grows meanwhile.
    let anchored = anchored(dir).map_err(io)?;
    let mut walk = Walk::new(dir, replica, anchored);
    // One whose header is unfinished is judged together with the one before.
    for number in segment_numbers(dir).into_iter().rev().take(2) {
        let file = File::open(dir.join(segment_name(number))).map_err(io)?;
        let mut header = Vec::new();
        file.take(SEALED_HEADER as u64).read_to_end(&mut header).map_err(io)?;
        if let Some(header) = SegmentHeader::decode(&header) {
            (walk.number, walk.next) = (number, header.first);
            break;
        }
    }
    walk.run()?;
    if walk.next < anchored {
        return Err(walk.fault(0, ENDS_EARLY).into());
    }
    Ok(Sequence(walk.next))
}

/// The numbers of a log's segments, in order.
fn segment_numbers(dir: &Path) -> Vec<u32> {
    let number = |file: std::fs::DirEntry| {
        let name = file.file_name();
        name.to_str()?.strip_suffix(".seg")?.parse::<u32>().ok()
    };
    let mut numbers: Vec<u32> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// How many entries the log's anchor vouches for.
///
/// # Errors
/// The operating system's, if the anchor cannot be read.
pub fn anchored(dir: &Path) -> io::Result<u64> {
    Ok(AnchorFile::read(dir)?.map_or(0, |anchor| anchor.next))
}

/// Opens a log for reading only, as far as it is whole; nothing on disk changes.
///
/// # Errors
/// [`OpenError`].
pub fn open_read_only(dir: &Path, replica: ReplicaId, keys: &KeyRing) -> Result<LogReader, OpenError> {
    let mut walk = Walk::new(dir, replica, 0);
    walk.keys = Some(keys);
    walk.run()?;
    let shared = Arc::new(Shared::default());
    *shared.keys.write() = keys.clone();
    shared.next.store(walk.next, Ordering::Release);
    *shared.segments.write() = walk.segments;
    Ok(LogReader { shared })
}

/// The key that a log's last sealed segment needs; none if no segment is sealed. A segment that cannot be read says
/// nothing.
#[must_use]
pub fn needed_key(dir: &Path, keys: &KeyRing) -> Option<NeededKey> {
    segment_numbers(dir).into_iter().rev().find_map(|number| {
        let mut bytes = Vec::new();
        let file = File::open(dir.join(segment_name(number))).ok()?;
        file.take(SEALED_HEADER as u64).read_to_end(&mut bytes).ok()?;
        keys.key(SegmentHeader::decode(&bytes)?.seal?.key).err()
    })
}

fn cut_tail(dir: &Path, cut: CutTail) -> io::Result<()> {
    let path = dir.join(segment_name(cut.segment));
    if cut.offset < SEGMENT_HEADER as u64 {
        std::fs::remove_file(&path)?;
        return File::open(dir)?.sync_all();
    }
    let file = std::fs::OpenOptions::new().write(true).open(&path)?;
    file.set_len(cut.offset)?;
    file.sync_all()
}

struct Walk<'a> {
    dir: &'a Path,
    replica: ReplicaId,
    anchored: u64,
    number: u32,
    next: u64,
    segments: Vec<Arc<SegmentState>>,
    cut: Option<CutTail>,
    /// Every key must be among them; if not said, none is needed, and no frame can be read afterwards.
    keys: Option<&'a KeyRing>,
    /// Whether sealed frames are opened on the way.
    unseals: bool,
}

impl<'a> Walk<'a> {
    fn new(dir: &'a Path, replica: ReplicaId, anchored: u64) -> Self {
        let (segments, cut, keys) = (Vec::new(), None, None);
        Self { dir, replica, anchored, number: 0, next: 0, segments, cut, keys, unseals: false }
    }

    fn run(&mut self) -> Result<(), OpenError> {
        if segment_numbers(self.dir).len() > FILES_FEW {
            allow_files();
        }
        while self.cut.is_none() {
            let path = self.dir.join(segment_name(self.number));
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(source) => {
                    return Err(OpenError::Io { path: path.display().to_string(), source });
                }
            };
            self.segment(file).map_err(|stop| match stop {
                Stop::Io(source) => OpenError::Io { path: path.display().to_string(), source },
                Stop::Open(error) => error,
            })?;
            self.number += 1;
        }
        // A hole in the numbering means a lost file.
        if self.later_segment() {
            return Err(self.fault(0, "a segment file is missing").into());
        }
        Ok(())
    }

    fn segment(&mut self, file: File) -> Result<(), Stop> {
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(256 * 1024, file.try_clone()?);
        let mut header = vec![0; SEALED_HEADER.min(usize::try_from(length).unwrap_or(usize::MAX))];
        input.read_exact(&mut header)?;
        let Some(header) = SegmentHeader::decode(&header) else {
            // Whether its frames have tags, only the header said.
            return self.stop_at(0, length, &[0, TAG_BYTES], "the segment's header");
        };
        input.seek_relative(i64::try_from(header.length()).unwrap_or(0) - header_read(length))?;
        if header.replica != self.replica {
            let (expected, found) = (self.replica, header.replica);
            return Err(Stop::Open(OpenError::OtherReplica { expected, found }));
        }
        if header.number != self.number || header.first != self.next {
            return Err(Stop::Open(self.fault(0, "the segment does not continue the one before").into()));
        }
        let seal = match self.keys {
            Some(keys) => SegmentSeal::of(&header, keys).map_err(|key| Stop::Open(key.into()))?,
            None => None,
        };
        let (state, tag) = (SegmentState::new(file, header, seal, length), header.tag_length());
        let mut place = Place::first(&header);
        let mut payload = Vec::new();
        while place.stored < length {
            match read_frame(&mut input, length - place.stored, tag, &mut payload)? {
                Some(frame) if frame.first == self.next => {
                    if self.unseals && !state.unsealed(place, frame, &mut payload) {
                        let reason = "a frame does not open: it was altered, or moved here";
                        return Err(Stop::Open(self.fault(place.stored, reason).into()));
                    }
                    state.index(self.next, place);
                    self.next += u64::from(frame.count);
                    place = place.after(frame.length, tag);
                }
                _ => {
                    state.published.store(place.stored, Ordering::Release);
                    self.segments.push(Arc::new(state));
                    return self.stop_at(place.stored, length, &[tag], "a frame's checksum or sequence");
                }
            }
        }
        self.segments.push(Arc::new(state));
        Ok(())
    }

    /// A bad frame: unfinished, if it is beyond the anchor and nothing good follows; otherwise damage.
    fn stop_at(
        &mut self,
        offset: u64,
        length: u64,
        tags: &[usize],
        reason: &'static str,
    ) -> Result<(), Stop> {
        if self.next < self.anchored || self.later_segment() || self.good_frame_after(offset, tags)? {
            return Err(Stop::Open(self.fault(offset, reason).into()));
        }
        self.cut = Some(CutTail { segment: self.number, offset, bytes: length - offset });
        Ok(())
    }

    fn later_segment(&self) -> bool {
        segment_numbers(self.dir).last().is_some_and(|last| *last > self.number)
    }

    fn good_frame_after(&self, offset: u64, tags: &[usize]) -> io::Result<bool> {
        let mut file = File::open(self.dir.join(segment_name(self.number)))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        for start in 1..rest.len().saturating_sub(FRAME_HEADER) {
            let Some(tail) = rest.get(start..) else { break };
            let Some(header) = FrameHeader::decode(tail) else {
                continue;
            };
            // A frame worth the checksum continues the log from near here.
            let near = header.first >= self.next && header.first - self.next < 1 << 24;
            let holds = |tag: &usize| {
                let stored = tail.get(FRAME_HEADER..FRAME_HEADER + header.length + tag);
                stored.is_some_and(|stored| header.holds(stored))
            };
            if near && tags.iter().any(holds) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fault(&self, offset: u64, reason: &'static str) -> Fault {
        Fault { segment: self.number, offset, sequence: self.next, reason }
    }
}

/// Each segment is a file that stays open, and each opening under a key begins one: as many as the system lets a process
/// have. Where it lets it have no more, opening says so.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// How many bytes of a file were read to find its header.
fn header_read(length: u64) -> i64 {
    i64::try_from(length.min(SEALED_HEADER as u64)).unwrap_or(0)
}

fn read_frame(
    input: &mut BufReader<File>,
    left: u64,
    tag: usize,
    payload: &mut Vec<u8>,
) -> io::Result<Option<FrameHeader>> {
    if left < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let mut header = [0; FRAME_HEADER];
    input.read_exact(&mut header)?;
    let Some(header) = FrameHeader::decode(&header) else {
        return Ok(None);
    };
    let length = header.length + tag;
    if (FRAME_HEADER + length) as u64 > left {
        return Ok(None);
    }
    payload.resize(length, 0);
    input.read_exact(payload)?;
    Ok(header.holds(payload).then_some(header))
}

enum Stop {
    Io(io::Error),
    Open(OpenError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
