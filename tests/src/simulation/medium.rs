//! A disk with the true rules: a power cut leaves what was synced, and of the rest whatever it likes.
//!
//! The files are real ones, in memory where the system has such a folder; what stands in them is what the operating
//! system would show. Beside them is kept what was synced: after a crash they are written anew from that.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use lienthong_node::log::Medium;
use parking_lot::Mutex;

use super::random::Random;

/// Bytes a disk writes in one go.
const SECTOR: usize = 512;

/// One host's disk.
#[derive(Debug, Default)]
pub(super) struct SimDisk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, Kept>,
    /// The names the folder surely has.
    names: BTreeMap<String, u64>,
    /// Calls until the power is cut.
    until_cut: Option<u64>,
    /// Calls until the disk is full.
    until_full: Option<u64>,
    cut: bool,
}

#[derive(Debug, Default)]
struct Kept {
    synced: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

impl Kept {
    fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
        if content.len() < at + bytes.len() {
            content.resize(at + bytes.len(), 0);
        }
        for (to, from) in content.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    /// What a power cut leaves: everything synced; of the writes since, those before some point, or any of them; one
    /// of them torn, or its place there and its bytes not.
    fn left(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.synced.clone();
        let kept = random.place(self.pending.len() + 1);
        let any = random.chance(300);
        for (number, (at, bytes)) in self.pending.iter().enumerate() {
            let whole = if any { random.chance(500) } else { number < kept };
            if whole {
                Self::write(&mut content, *at, bytes);
            } else if (any || number == kept) && random.chance(600) {
                let sectors = random.place(bytes.len() / SECTOR + 2) * SECTOR;
                let length = if random.chance(500) { sectors } else { random.place(bytes.len()) };
                let torn = bytes.get(..length).unwrap_or(bytes);
                if random.chance(250) {
                    Self::write(&mut content, *at, &vec![0; torn.len()]);
                } else {
                    Self::write(&mut content, *at, torn);
                }
            }
        }
        content
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.until_cut {
            if *left == 0 {
                self.cut = true;
            }
            *left = left.saturating_sub(1);
        }
        if self.cut {
            return Err(io::Error::other("the power is cut"));
        }
        if let Some(left) = &mut self.until_full {
            if *left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *left -= 1;
        }
        Ok(())
    }
}

impl SimDisk {
    /// The power is cut at the call after so many.
    pub(super) fn cut_after(&self, calls: u64) {
        self.0.lock().until_cut = Some(calls);
    }

    /// The disk is full after so many calls.
    pub(super) fn full_after(&self, calls: u64) {
        self.0.lock().until_full = Some(calls);
    }

    /// There is room again, and power.
    pub(super) fn mend(&self) {
        let mut state = self.0.lock();
        (state.until_cut, state.until_full, state.cut) = (None, None, false);
    }

    /// What stands in the folder now is what a power cut leaves: an opening has synced it.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn rebase(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        (state.files, state.names) = (BTreeMap::new(), listing(dir)?);
        let names = state.names.clone();
        for (name, file) in names.iter().filter(|(name, _)| is_synced(name)) {
            let synced = std::fs::read(dir.join(name))?;
            state.files.insert(*file, Kept { synced, pending: Vec::new() });
        }
        Ok(())
    }

    /// The power was cut: the folder holds what is left. Nobody may have its files open any more.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn crash(&self, dir: &Path, random: &mut Random) -> io::Result<()> {
        {
            let state = self.0.lock();
            for (name, file) in listing(dir)? {
                let path = dir.join(&name);
                if !is_synced(&name) {
                    forgotten(&path, random)?;
                } else if state.names.get(&name) != Some(&file) && random.chance(500) {
                    std::fs::remove_file(&path)?;
                } else if let Some(kept) = state.files.get(&file) {
                    std::fs::write(&path, kept.left(random))?;
                }
            }
        }
        self.mend();
        self.rebase(dir)
    }
}

impl Medium for SimDisk {
    fn permit(&self) -> io::Result<()> {
        self.0.lock().call()
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let called = state.call();
        // A write that fails may have written some of it.
        let bytes = if called.is_ok() { bytes } else { bytes.split_at(bytes.len() / 2).0 };
        file.write_all(bytes)?;
        let end = usize::try_from(file.stream_position()?).unwrap_or(0);
        let kept = state.files.entry(file.metadata()?.ino()).or_default();
        kept.pending.push((end.saturating_sub(bytes.len()), bytes.to_vec()));
        called
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call()?;
        let about = file.metadata()?;
        if about.is_dir() {
            // A folder open by its descriptor is found by that.
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
            state.names = listing(Path::new(&path))?;
        } else if let Some(kept) = state.files.get_mut(&about.ino()) {
            for (at, bytes) in std::mem::take(&mut kept.pending) {
                Kept::write(&mut kept.synced, at, &bytes);
            }
        }
        Ok(())
    }
}

/// Whether a file is one that the log syncs; the leaf hashes beside it are not.
fn is_synced(name: &str) -> bool {
    !name.starts_with("hashes.")
}

/// The names of a folder's files, and which file each is.
fn listing(dir: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut names = BTreeMap::new();
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        if file.file_type()?.is_file() {
            names.insert(file.file_name().to_string_lossy().into_owned(), file.metadata()?.ino());
        }
    }
    Ok(names)
}

/// A file nobody syncs, after a power cut: as it was, shorter, or with pages that never reached the disk.
fn forgotten(path: &Path, random: &mut Random) -> io::Result<()> {
    let mut bytes = std::fs::read(path)?;
    match random.below(4) {
        0 => bytes.truncate(random.place(bytes.len() + 1)),
        1 => {
            let from = random.place(bytes.len() + 1) / SECTOR * SECTOR;
            bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
        }
        2 => {
            let from = random.place(bytes.len() + 1) / SECTOR * SECTOR;
            bytes.iter_mut().skip(from).take(SECTOR).for_each(|byte| *byte = 0);
        }
        _ => {}
    }
    std::fs::write(path, bytes)
}
