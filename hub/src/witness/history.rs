//! The rounds that are over, with their cosignatures: all of today's and yesterday's, of each day before the last.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use lienthong_node::identity::write_private;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const FILE: &str = "rounds.jsonl";
const DAY_MILLIS: u64 = 24 * 3_600 * 1_000;

/// A round that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRound {
    /// When it was closed.
    pub at: UnixMillis,
    /// The ledger's line and the witnesses'.
    pub note: String,
}

/// The file.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    /// The day it was last thinned.
    thinned: Mutex<Option<u64>>,
}

/// The rounds of a folder, oldest first, by the lines of the file; a line that is none is an error in its place.
///
/// # Errors
/// The operating system's, if there is a file and it cannot be read.
pub fn past_rounds(data: &Path) -> io::Result<Vec<Result<PastRound, serde_json::Error>>> {
    match std::fs::read_to_string(data.join("witness").join(FILE)) {
        Ok(text) => Ok(text.lines().map(serde_json::from_str).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl History {
    pub(super) fn of(dir: &Path) -> Self {
        Self { path: dir.join(FILE), thinned: Mutex::default() }
    }

    pub(super) fn add(&self, at: UnixMillis, note: &str) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut thinned = self.thinned.lock();
        let day = at.0 / DAY_MILLIS;
        if *thinned != Some(day) {
            self.thin(day)?;
            *thinned = Some(day);
        }
        let mut line = serde_json::to_vec(&PastRound { at, note: note.to_owned() })?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()
    }

    /// Leaves the last round of each day before yesterday, and no line that was cut short.
    fn thin(&self, today: u64) -> io::Result<()> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let rounds: Vec<PastRound> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let days = rounds.iter().skip(1).map(|next| next.at.0 / DAY_MILLIS).chain([u64::MAX]);
        let mut left = Vec::new();
        for (round, next) in rounds.iter().zip(days) {
            let day = round.at.0 / DAY_MILLIS;
            if day + 1 >= today || next != day {
                serde_json::to_writer(&mut left, round)?;
                left.push(b'\n');
            }
        }
        if left == text.as_bytes() { Ok(()) } else { write_private(&self.path, &left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_days_before_yesterday_the_last_round_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("witness");
        let at = |day: u64, hour: u64| UnixMillis(day * DAY_MILLIS + hour * 3_600_000);
        let history = History::of(&folder);
        for (day, hour) in [(10, 1), (10, 9), (11, 3), (12, 1), (12, 2)] {
            history.add(at(day, hour), "n").unwrap();
        }
        std::fs::OpenOptions::new().append(true).open(folder.join(FILE)).unwrap().write_all(b"{\"at\":").unwrap();
        History::of(&folder).add(at(13, 1), "n").unwrap();
        let times: Vec<UnixMillis> =
            past_rounds(dir.path()).unwrap().into_iter().map(|round| round.unwrap().at).collect();
        assert_eq!(times, [at(10, 9), at(11, 3), at(12, 1), at(12, 2), at(13, 1)]);
    }
}
