//! Which files have stopped changing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lienthong_proto::time::UnixMillis;

/// A file that did not change for so long is whole.
const SETTLED_MILLIS: u64 = 5_000;
/// An empty file may be one whose copying has only begun.
const EMPTY_MILLIS: u64 = 60_000;
/// A file that could not be worked on is tried again after so long.
const AGAIN_MILLIS: u64 = 60_000;

/// A file as one look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

/// Remembers looks; the time is an argument.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How each file was found, and since when it is so; not before the later time.
    files: BTreeMap<PathBuf, (Seen, UnixMillis, UnixMillis)>,
}

impl Watch {
    /// Takes a look's findings; returns the files that are whole.
    pub(super) fn look(&mut self, now: UnixMillis, seen: Vec<Seen>) -> Vec<PathBuf> {
        let mut before = std::mem::take(&mut self.files);
        let mut ready = Vec::new();
        for found in seen {
            let (since, not_before) = match before.remove(&found.path) {
                Some((same, since, not_before)) if same == found => (since, not_before),
                _ => (now, UnixMillis(0)),
            };
            let wait = if found.size == 0 { EMPTY_MILLIS } else { SETTLED_MILLIS };
            // A clock set back starts the waits again rather than never ending them.
            let since = UnixMillis(since.0.min(now.0));
            let not_before = UnixMillis(not_before.0.min(now.0 + AGAIN_MILLIS));
            if now.0 - since.0 >= wait && now >= not_before {
                ready.push(found.path.clone());
            }
            self.files.insert(found.path.clone(), (found, since, not_before));
        }
        ready
    }

    /// A file could not be worked on: not again before a while.
    pub(super) fn again_later(&mut self, path: &Path, now: UnixMillis) {
        if let Some((_, _, not_before)) = self.files.get_mut(path) {
            *not_before = UnixMillis(now.0 + AGAIN_MILLIS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(size: u64) -> Vec<Seen> {
        vec![Seen { path: "a.xlsx".into(), size, modified: Some(SystemTime::UNIX_EPOCH) }]
    }

    #[test]
    fn a_file_is_taken_once_it_has_stopped_changing() {
        let mut watch = Watch::default();
        let at = |seconds: u64| UnixMillis(1_000_000 + seconds * 1_000);
        assert!(watch.look(at(0), seen(10)).is_empty());
        assert!(watch.look(at(4), seen(10)).is_empty());
        assert!(watch.look(at(6), seen(20)).is_empty(), "it grew");
        assert!(watch.look(at(10), seen(20)).is_empty());
        assert_eq!(watch.look(at(11), seen(20)).len(), 1);
        watch.again_later(Path::new("a.xlsx"), at(11));
        assert!(watch.look(at(20), seen(20)).is_empty());
        assert_eq!(watch.look(at(72), seen(20)).len(), 1);
        assert!(watch.look(at(73), Vec::new()).is_empty());
        assert!(watch.look(at(74), seen(20)).is_empty(), "laid down anew");
    }

    #[test]
    fn an_empty_file_is_waited_for_and_a_clock_set_back_ends_no_wait() {
        let mut watch = Watch::default();
        let at = |seconds: u64| UnixMillis(1_000_000 + seconds * 1_000);
        assert!(watch.look(at(0), seen(0)).is_empty());
        assert!(watch.look(at(59), seen(0)).is_empty());
        assert_eq!(watch.look(at(60), seen(0)).len(), 1);
        assert!(watch.look(at(100), seen(7)).is_empty());
        assert!(watch.look(at(2), seen(7)).is_empty());
        assert_eq!(watch.look(at(7), seen(7)).len(), 1);
    }
}
