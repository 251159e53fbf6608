//! What `tests/preload/recorder.c` has written down of a program.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// A file was made.
    Create,
    /// Bytes were written, at a place.
    Write,
    /// A file was made longer or shorter, to a length.
    Resize,
    /// A folder was made.
    MakeFolder,
    /// A name was taken away.
    Remove,
    /// A name was changed; the data is the new one.
    Rename,
    /// A file got another name; the data is that.
    Link,
    /// A sync began.
    SyncBegan,
    /// The sync of that number had done its work.
    SyncEnded,
    /// The sync of that number failed.
    SyncFailed,
    /// A call failed, or did half, because that was wanted.
    Failed,
    /// Something was sent, over a socket of a family.
    Sent,
    /// A file is written through memory, which nobody sees.
    Mapped,
}

impl Did {
    /// Whether it is counted by the library as a change to the disk.
    #[must_use]
    pub fn is_change(self) -> bool {
        !matches!(self, Self::SyncEnded | Self::SyncFailed | Self::Failed | Self::Sent | Self::Mapped)
    }
}

/// A socket on this machine, as [`Did::Sent`] names it.
pub const LOCAL: u64 = 1;

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// When, by the machine's monotonic clock: that of all recorded programs.
    pub nanos: u64,
    /// What it did.
    pub did: Did,
    /// To what, while that existed.
    pub inode: u64,
    /// Place, length, number of a sync, or family.
    pub number: u64,
    /// By what name.
    pub path: PathBuf,
    /// What was written, or the other name.
    pub data: Vec<u8>,
}

const HEAD: usize = 33;

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Reads a journal; none if the program changed nothing. What it was killed over is left out.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Vec<Call>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let (mut calls, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((call, length)) = parse(rest)? {
        calls.push(call);
        rest = rest.get(length..).unwrap_or_default();
    }
    ensure!(calls.is_sorted_by_key(|call| call.nanos), "{}: not in order", path.display());
    Ok(calls)
}

fn parse(bytes: &[u8]) -> anyhow::Result<Option<(Call, usize)>> {
    let Some(head) = bytes.get(..HEAD) else { return Ok(None) };
    let long = |at| take(head, at).map(u64::from_le_bytes).context("a number");
    let short = |at| take(head, at).map(u32::from_le_bytes).context("a length");
    let path = HEAD + short(24)? as usize;
    let end = path + short(28)? as usize;
    let (Some(name), Some(data)) = (bytes.get(HEAD..path), bytes.get(path..end)) else { return Ok(None) };
    let did = match head.get(32) {
        Some(b'C') => Did::Create,
        Some(b'W') => Did::Write,
        Some(b'T') => Did::Resize,
        Some(b'D') => Did::MakeFolder,
        Some(b'U') => Did::Remove,
        Some(b'R') => Did::Rename,
        Some(b'L') => Did::Link,
        Some(b'B') => Did::SyncBegan,
        Some(b'E') => Did::SyncEnded,
        Some(b'F') => Did::SyncFailed,
        Some(b'N') => Did::Failed,
        Some(b'S') => Did::Sent,
        Some(b'X') => Did::Mapped,
        other => bail!("{other:?} is no call"),
    };
    let path = PathBuf::from(std::str::from_utf8(name)?);
    let call = Call { nanos: long(0)?, inode: long(8)?, number: long(16)?, did, path, data: data.to_vec() };
    Ok(Some((call, end)))
}
