//! Leaf hashes beside the log, with the roots of every 256 and 65,536 of them: proofs over millions of
//! entries read a few pages. Not synced; rebuilt from the log when short, or when a power cut left other bytes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::{Frontier, Hashes};
use parking_lot::Mutex;

const LEVELS: usize = 3;
const FAN: u64 = 256;

/// Hashes of one log. One appender, any number of readers.
#[derive(Debug)]
pub struct HashFile {
    files: [File; LEVELS],
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Hashes at each level.
    lengths: [u64; LEVELS],
    /// The unfinished group at each level below the last.
    groups: [Frontier; LEVELS - 1],
}

impl HashFile {
    /// Opens the files in a log's folder; anything beyond `entries` is forgotten.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(dir: &Path, entries: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let open = |level: usize| {
            let path = dir.join(format!("hashes.{level}"));
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
        };
        let files = [open(0)?, open(1)?, open(2)?];
        let [leaves, ..] = &files;
        let length = (leaves.metadata()?.len() / 32).min(entries);
        let hashes = Self { files, inner: Mutex::default() };
        hashes.restore(length)?;
        Ok(hashes)
    }

    /// Makes the upper levels again from the leaves: they are few, and this way they always fit.
    fn restore(&self, length: u64) -> io::Result<()> {
        let mut chunk = vec![0; 32 * 8_192];
        let mut at = 0;
        while at < length {
            let want = usize::try_from((length - at).min(8_192)).unwrap_or(0) * 32;
            let Some(buffer) = chunk.get_mut(..want) else {
                break;
            };
            let [leaves, ..] = &self.files;
            leaves.read_exact_at(buffer, at * 32)?;
            let digests: &[Digest] = buffer.as_chunks::<32>().0;
            self.push(digests, false)?;
            at += digests.len() as u64;
        }
        Ok(())
    }

    /// How many leaf hashes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        let [leaves, ..] = self.inner.lock().lengths;
        leaves
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all of them, to be made again.
    pub fn forget(&self) {
        *self.inner.lock() = Inner::default();
    }

    /// Appends leaf hashes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn append(&self, leaves: &[Digest]) -> io::Result<()> {
        self.push(leaves, true)
    }

    fn push(&self, leaves: &[Digest], write: bool) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let Inner { lengths: [zero, one, two], groups: [lower, upper] } = &mut *inner;
        let [file, file_one, file_two] = &self.files;
        if write {
            file.write_all_at(leaves.as_flattened(), *zero * 32)?;
        }
        *zero += leaves.len() as u64;
        for leaf in leaves {
            lower.push(*leaf);
            if lower.size() < FAN {
                continue;
            }
            let root = std::mem::take(lower).root();
            file_one.write_all_at(&root, *one * 32)?;
            *one += 1;
            upper.push(root);
            if upper.size() == FAN {
                let root = std::mem::take(upper).root();
                file_two.write_all_at(&root, *two * 32)?;
                *two += 1;
            }
        }
        Ok(())
    }

    fn read(&self, level: usize, index: u64) -> Option<Digest> {
        if index >= *self.inner.lock().lengths.get(level)? {
            return None;
        }
        let mut digest = [0; 32];
        self.files.get(level)?.read_exact_at(&mut digest, index * 32).ok()?;
        Some(digest)
    }
}

impl Hashes for HashFile {
    fn leaf(&self, index: u64) -> Option<Digest> {
        self.read(0, index)
    }

    fn tile(&self, level: u8, index: u64) -> Option<Digest> {
        if level == 0 { None } else { self.read(usize::from(level), index) }
    }
}
