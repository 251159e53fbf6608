//! A list that grows by one JSON line each, with a checksum in each.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Stands before the checksum of what a line says without it, which is its last field.
const SUM: &str = ",\"sum\":\"";
/// The checksum, and what ends the line's object.
const SUM_BYTES: usize = SUM.len() + 8 + 2;

/// A list's file.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    /// Where the last line begins, if it was cut off: the next one takes its place.
    cut: Option<u64>,
}

/// What a list's file holds.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// The sound lines.
    pub(super) lines: Vec<T>,
    /// The numbers of those, from 1, that say something else than was written.
    pub(super) changed: Vec<u64>,
    /// How many hold a zero byte, which none is written with: a power cut may have left that of what was not synced.
    pub(super) unwritten: usize,
}

impl Lines {
    /// Opens a list.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).read(true).open(&path)?;
        let bytes = std::fs::read(&path)?;
        let whole = whole(&bytes).len();
        let cut = (whole < bytes.len()).then_some(whole as u64);
        // What is synced in it must be found under its name.
        crate::folder::keep_name(&path)?;
        Ok(Self { path, file, cut })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, an object.
    pub(super) fn append<T: Serialize>(&mut self, line: &T, sync: bool) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        let sum = crc32c::crc32c(text.as_bytes());
        text.truncate(text.len().saturating_sub(1));
        text.push_str(&format!("{SUM}{sum:08x}\"}}\n"));
        if let Some(whole) = self.cut.take() {
            self.file.set_len(whole)?;
        }
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // What a full disk took of it is no line.
            self.cut = Some(before);
            return Err(error);
        }
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    /// All lines, without one that was cut off at the end; those of earlier versions have no checksum.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self) -> io::Result<Held<T>> {
        let bytes = std::fs::read(&self.path)?;
        let mut held = Held { lines: Vec::new(), changed: Vec::new(), unwritten: 0 };
        for (number, line) in (1..).zip(whole(&bytes).split_inclusive(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            match serde_json::from_slice(line) {
                Ok(parsed) if is_sound(line) => held.lines.push(parsed),
                _ if line.contains(&0) => held.unwritten += 1,
                _ => held.changed.push(number),
            }
        }
        Ok(held)
    }
}

/// Up to the last line that was ended.
fn whole(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Whether a line says what was written, as far as it says how to tell.
fn is_sound(line: &[u8]) -> bool {
    let Some((said, sum)) = line.len().checked_sub(SUM_BYTES).map(|at| line.split_at(at)) else {
        return true;
    };
    if !sum.starts_with(SUM.as_bytes()) {
        // Of an earlier version; or its very checksum is damaged.
        return !line.windows(5).any(|part| part == b"\"sum\"");
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(said), b"}");
    sum.get(SUM.len()..SUM.len() + 8) == Some(format!("{crc:08x}").as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn what_is_damaged_is_named_and_what_is_cut_off_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.jsonl");
        std::fs::write(&path, "{\"of\":\"an earlier version\"}\n").unwrap();
        let mut list = Lines::open(path.clone()).unwrap();
        let lines =
            [json!({ "of": "an earlier version" }), json!({ "n": 1, "text": "số 1" }), json!({ "n": 2 })];
        lines[1..].iter().for_each(|line| list.append(line, true).unwrap());
        let read = || Lines::open(path.clone()).unwrap().read::<Json>().unwrap();
        let said = |held: &Held<Json>| -> Vec<Json> {
            let said = held.lines.iter().cloned().map(|mut line| {
                line.as_object_mut().unwrap().retain(|name, _| ["of", "n", "text"].contains(&name.as_str()));
                line
            });
            said.collect()
        };
        let held = read();
        assert_eq!((said(&held), held.changed.len()), (lines.to_vec(), 0));

        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in second..whole.len() {
            for bit in 0..8 {
                let mut other = whole.clone();
                other[at] ^= 1 << bit;
                std::fs::write(&path, &other).unwrap();
                let held = read();
                // Where only the checksum's own name is another, the line says what it said.
                let all = said(&held) == lines || at == whole.len() - 1;
                assert!(all || !held.changed.is_empty() || held.unwritten > 0, "bit {bit} of byte {at}");
                assert!(said(&held).iter().all(|line| lines.contains(line)));
            }
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let held = read();
            assert!(held.changed.is_empty() && lines.starts_with(&said(&held)), "cut at {length}");
            Lines::open(path.clone()).unwrap().append(&lines[2], false).unwrap();
            assert_eq!(
                (said(&read()).last(), read().changed.len()),
                (lines.last(), 0),
                "goes on after {length}"
            );
        }
        let mut cut = whole.clone();
        cut[second..second + 40].fill(0);
        std::fs::write(&path, &cut).unwrap();
        assert_eq!((read().lines.len(), read().changed.len(), read().unwritten), (2, 0, 1));
    }
}
