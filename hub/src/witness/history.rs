//! The rounds that are over, with their cosignatures: all of today's and yesterday's, of each day before the last.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use lienthong_node::folder;
use lienthong_node::identity::write_private;
use lienthong_proto::note::{Note, Signature};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const FILE: &str = "rounds.jsonl";
const DAY_SECONDS: u64 = 24 * 3_600;

/// A round that is over, as a line of the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRound {
    /// The ledger's line and the witnesses'.
    pub note: String,
}

impl PastRound {
    /// The day it was cosigned, by the first witness's word.
    fn day(&self) -> u64 {
        let signed = Note::parse(self.note.as_bytes()).ok();
        let time = |line: &Signature| line.bytes.split_first_chunk::<8>().map(|(time, _)| *time);
        let line = signed.as_ref().and_then(|note| note.signatures().get(1)).and_then(time);
        line.map_or(0, u64::from_be_bytes) / DAY_SECONDS
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    /// The day it was last thinned.
    thinned: Mutex<Option<u64>>,
}

/// Where a hub's folder has them.
pub const ROUNDS: &str = "witness/rounds.jsonl";

/// The rounds of the file, oldest first; a line that is not just what is written there is nothing, in its place.
#[must_use]
pub fn past_rounds(bytes: &[u8]) -> Vec<Option<PastRound>> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
    let read = |line: &[u8]| {
        let round: PastRound = serde_json::from_slice(line).ok()?;
        (serde_json::to_vec(&round).ok()? == line).then_some(round)
    };
    if bytes.is_empty() { Vec::new() } else { lines.map(read).collect() }
}

impl History {
    pub(super) fn of(dir: &Path) -> Self {
        Self { path: dir.join(FILE), thinned: Mutex::default() }
    }

    pub(super) fn add(&self, at: UnixMillis, note: &str) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            folder::make(dir)?;
        }
        let mut thinned = self.thinned.lock();
        let day = at.0 / 1_000 / DAY_SECONDS;
        if *thinned != Some(day) {
            self.thin(day)?;
            *thinned = Some(day);
        }
        let mut line = serde_json::to_vec(&PastRound { note: note.to_owned() })?;
        line.push(b'\n');
        let fresh = !self.path.exists();
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()?;
        if fresh { folder::keep_name(&self.path) } else { Ok(()) }
    }

    /// The notes that are kept, latest first.
    pub(super) fn notes(&self) -> io::Result<impl Iterator<Item = String>> {
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        Ok(past_rounds(&bytes).into_iter().rev().flatten().map(|round| round.note))
    }

    /// Leaves the last round of each day before yesterday, and no line that was cut short.
    fn thin(&self, today: u64) -> io::Result<()> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let rounds: Vec<PastRound> = past_rounds(&bytes).into_iter().flatten().collect();
        let days: Vec<u64> = rounds.iter().map(PastRound::day).collect();
        let next = days.iter().skip(1).copied().chain([u64::MAX]);
        let mut left = Vec::new();
        for ((round, day), next) in rounds.iter().zip(&days).zip(next) {
            if day + 1 >= today || next != *day {
                serde_json::to_writer(&mut left, round)?;
                left.push(b'\n');
            }
        }
        if left == bytes { Ok(()) } else { write_private(&self.path, &left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MILLIS: u64 = DAY_SECONDS * 1_000;

    fn note(at: UnixMillis) -> String {
        let mut note = Note::new("a\n").unwrap();
        let time = (at.0 / 1_000).to_be_bytes().to_vec();
        note.add(Signature { name: "ledger".to_owned(), id: [0; 4], bytes: vec![1] }).unwrap();
        note.add(Signature { name: "witness".to_owned(), id: [0; 4], bytes: time }).unwrap();
        note.to_string()
    }

    #[test]
    fn of_days_before_yesterday_the_last_round_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |day: u64, hour: u64| UnixMillis(day * DAY_MILLIS + hour * 3_600_000);
        let history = History::of(dir.path());
        for (day, hour) in [(10, 1), (10, 9), (11, 3), (12, 1), (12, 2)] {
            history.add(at(day, hour), &note(at(day, hour))).unwrap();
        }
        let path = dir.path().join(FILE);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"note\":").unwrap();
        assert_eq!(past_rounds(&std::fs::read(&path).unwrap()).pop(), Some(None), "cut short");
        History::of(dir.path()).add(at(13, 1), &note(at(13, 1))).unwrap();
        let left: Vec<String> = past_rounds(&std::fs::read(&path).unwrap())
            .into_iter()
            .map(|round| round.unwrap().note)
            .collect();
        let wanted = [at(10, 9), at(11, 3), at(12, 1), at(12, 2), at(13, 1)].map(note);
        assert_eq!(left, wanted);
    }
}
