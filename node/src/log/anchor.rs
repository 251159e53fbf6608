//! The anchor: how far the log certainly reached, kept outside the segments in two alternating slots.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;

use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;

use super::Disk;

/// What an anchor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Whose log.
    pub replica: ReplicaId,
    /// The next sequence at that time.
    pub next: u64,
    /// The root over everything before.
    pub root: Digest,
    /// The right edge of the tree.
    pub frontier: Vec<u8>,
}

const SLOT: usize = 4_096;
const NAME: &str = "anchor";

pub(crate) struct AnchorFile {
    file: File,
    counter: u64,
}

impl AnchorFile {
    /// Opens the file and reads the newer valid slot.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Option<Anchor>)> {
        let path = dir.join(NAME);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        let newest = newest(&std::fs::read(&path)?);
        let counter = newest.as_ref().map_or(0, |(counter, _)| *counter);
        Ok((Self { file, counter }, newest.map(|(_, anchor)| anchor)))
    }

    /// Reads the newer valid slot, if there is a file; nothing is made.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Anchor>> {
        match std::fs::read(dir.join(NAME)) {
            Ok(bytes) => Ok(newest(&bytes).map(|(_, anchor)| anchor)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the older slot and syncs it.
    pub(crate) fn write(&mut self, disk: &Disk, anchor: &Anchor) -> io::Result<()> {
        let counter = self.counter + 1;
        let slot = encode(counter, anchor);
        self.file.seek(SeekFrom::Start((counter % 2) * SLOT as u64))?;
        disk.write(&mut self.file, &slot)?;
        disk.sync(&self.file)?;
        self.counter = counter;
        Ok(())
    }
}

/// The bytes of an anchor file that says just this, for a copy of a log.
#[must_use]
pub fn anchor_bytes(replica: ReplicaId, next: u64, root: Digest, frontier: &[u8]) -> Vec<u8> {
    let anchor = Anchor { replica, next, root, frontier: frontier.to_vec() };
    [vec![0; SLOT], encode(1, &anchor)].concat()
}

/// The anchors of a log's folder as they stand, slot by slot: nothing for an empty one, an error for one that is not just
/// what is written there.
///
/// # Errors
/// The operating system's, if there is a file and it cannot be read.
pub fn anchors(dir: &Path) -> io::Result<Vec<Result<Option<Anchor>, &'static str>>> {
    let bytes = match std::fs::read(dir.join(NAME)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let slot = |slot: &[u8]| match decode(slot) {
        _ if slot.iter().all(|byte| *byte == 0) => Ok(None),
        Some((counter, anchor)) if encode(counter, &anchor) == slot => Ok(Some(anchor)),
        _ => Err("a slot is not one that is written"),
    };
    Ok(bytes.chunks(SLOT).map(slot).collect())
}

fn newest(bytes: &[u8]) -> Option<(u64, Anchor)> {
    bytes.chunks(SLOT).filter_map(decode).max_by_key(|(counter, _)| *counter)
}

fn encode(counter: u64, anchor: &Anchor) -> Vec<u8> {
    let mut out = Writer::with_capacity(SLOT);
    out.u64(counter);
    out.raw(&anchor.replica.0);
    out.u64(anchor.next);
    out.raw(&anchor.root);
    out.framed(&anchor.frontier);
    let crc = crc32c::crc32c(out.as_slice());
    out.u32(crc);
    let mut bytes = out.into_bytes();
    bytes.resize(SLOT, 0);
    bytes
}

fn decode(slot: &[u8]) -> Option<(u64, Anchor)> {
    let mut input = Reader::new(slot);
    let counter = input.u64().ok()?;
    let replica = ReplicaId(input.array().ok()?);
    let next = input.u64().ok()?;
    let root = input.array().ok()?;
    let frontier = input.framed().ok()?.to_vec();
    let length = slot.len() - input.left();
    let crc = input.u32().ok()?;
    (crc32c::crc32c(slot.get(..length)?) == crc)
        .then_some((counter, Anchor { replica, next, root, frontier }))
}
