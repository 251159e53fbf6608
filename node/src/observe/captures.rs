//! What was captured here, by the id under which both ends' logs speak of it.
//!
//! The id is worked out from the replica and the first sequence of the import or put ([`TraceId`]), so it needs no
//! place on the wire; the import's event in the log names that sequence. Kept in memory only, the last ones.

use std::collections::{BTreeMap, VecDeque};

use lienthong_proto::ids::ReplicaId;
use lienthong_proto::trace::TraceId;
use parking_lot::Mutex;

/// Captures remembered: what a node has unsent at a time, as a rule.
const CAPTURES_MAX: usize = 256;
/// Reason classes counted apart; there are some thirty.
const CLASSES_MAX: usize = 64;

/// One import or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// Its id.
    pub trace: TraceId,
    /// The first entry of it.
    pub first: u64,
    /// The place behind its last entry so far.
    pub size: u64,
}

/// Rows taken in since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// By what became of them.
    pub rows: BTreeMap<&'static str, u64>,
    /// The rejected, by reason class; one row may have several.
    pub reasons: BTreeMap<String, u64>,
}

impl ImportCounts {
    /// Rows that ended so.
    pub fn note(&mut self, outcome: &'static str, rows: u64) {
        *self.rows.entry(outcome).or_default() += rows;
    }

    /// Rows rejected for a reason. What does not look like a class, or is one too many, is counted as `OTHER`: a
    /// metric's labels are no place for what somebody may have written there.
    pub fn reject(&mut self, class: &str, rows: u64) {
        let fine = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let known = self.reasons.contains_key(class);
        let looks = (1..=32).contains(&class.len()) && class.chars().all(fine);
        let class = if known || (looks && self.reasons.len() < CLASSES_MAX) { class } else { "OTHER" };
        *self.reasons.entry(class.to_owned()).or_default() += rows;
    }

    /// Takes an import event's `CLASS=rows,…` in.
    pub fn reject_all(&mut self, classes: &str) {
        for (class, rows) in classes.split(',').filter_map(|class| class.split_once('=')) {
            self.reject(class, rows.parse().unwrap_or(0));
        }
    }
}

/// A piece of the log that went, or was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Passed {
    first: u64,
    size: u64,
    /// Where the hub's ledger has it, once it was acknowledged.
    ledger: Option<u64>,
}

impl Passed {
    fn say(self, replica: ReplicaId, capture: &Capture) {
        let Self { first, size, ledger } = self;
        let trace = capture.trace;
        match ledger {
            Some(ledger) => tracing::info!(%trace, size, ledger, "captured: acknowledged"),
            None => {
                let batch = TraceId::of(replica, first);
                tracing::info!(%trace, %batch, first, size, "captured: sent");
            }
        }
    }
}

#[derive(Debug, Default)]
struct Last {
    captures: VecDeque<Capture>,
    passed: VecDeque<Passed>,
}

/// The last captures, and what all came to.
#[derive(Debug, Default)]
pub struct Captures {
    last: Mutex<Last>,
    counts: Mutex<ImportCounts>,
}

impl Captures {
    /// An entry of a capture was written; `first` is its first. On a quick line it may have gone before this is
    /// known: that is said now.
    pub fn written(&self, replica: ReplicaId, first: u64, sequence: u64) {
        let mut last = self.last.lock();
        let known = last.captures.iter().rposition(|known| known.first == first);
        let before = known.and_then(|place| last.captures.get(place)).map_or(first, |known| known.size);
        let size = before.max(sequence + 1);
        let capture = Capture { trace: TraceId::of(replica, first), first, size };
        match known.and_then(|place| last.captures.get_mut(place)) {
            Some(known) => *known = capture,
            None => push(&mut last.captures, capture),
        }
        for passed in &last.passed {
            let touched = |size: u64| passed.first < size && first < passed.size;
            if touched(size) && (before == first || !touched(before)) {
                passed.say(replica, &capture);
            }
        }
    }

    /// A batch goes: said under its own id, unless a capture in it has the same, and under those of the captures.
    pub fn sent(&self, replica: ReplicaId, first: u64, size: u64) {
        let own = TraceId::of(replica, first);
        if self.passed(replica, Passed { first, size, ledger: None }).iter().all(|known| known.trace != own) {
            tracing::info!(trace = %own, first, size, "batch: sent");
        }
    }

    /// The hub has it up to `size`, in its ledger's entry `ledger`.
    pub fn acknowledged(&self, replica: ReplicaId, first: u64, size: u64, ledger: u64) {
        self.passed(replica, Passed { first, size, ledger: Some(ledger) });
    }

    fn passed(&self, replica: ReplicaId, passed: Passed) -> Vec<Capture> {
        let mut last = self.last.lock();
        push(&mut last.passed, passed);
        let touched = |known: &&Capture| known.first < passed.size && passed.first < known.size;
        let within: Vec<Capture> = last.captures.iter().filter(touched).copied().collect();
        within.iter().for_each(|capture| passed.say(replica, capture));
        within
    }

    /// The capture that begins there.
    #[must_use]
    pub fn begun(&self, first: u64) -> Option<Capture> {
        self.last.lock().captures.iter().rev().find(|known| known.first == first).copied()
    }

    /// Counts what rows came to.
    pub fn count(&self, note: impl FnOnce(&mut ImportCounts)) {
        note(&mut self.counts.lock());
    }

    /// What all rows came to since the start.
    #[must_use]
    pub fn counts(&self) -> ImportCounts {
        self.counts.lock().clone()
    }
}

/// Keeps the last ones.
fn push<T>(last: &mut VecDeque<T>, new: T) {
    if last.len() >= CAPTURES_MAX {
        last.pop_front();
    }
    last.push_back(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_classes_become_labels() {
        let mut counts = ImportCounts::default();
        counts.reject_all("CODE_UNKNOWN=2,Nguyễn Văn A=1,so_cccd=4,=3,CODE_UNKNOWN=1");
        let found: Vec<(&str, u64)> =
            counts.reasons.iter().map(|(class, rows)| (class.as_str(), *rows)).collect();
        assert_eq!(found, [("CODE_UNKNOWN", 3), ("OTHER", 8)]);
        for number in 0..1_000 {
            counts.reject(&format!("X{number}"), 1);
        }
        assert!(counts.reasons.len() <= CLASSES_MAX + 1);
    }

    /// Goal: what went and what was captured find each other, whichever is known first. Method: the captures a
    /// batch meets, and that they grow.
    #[test]
    fn a_batch_finds_the_captures_it_touches() {
        let (captures, replica) = (Captures::default(), ReplicaId([1; 16]));
        for sequence in 3..=9 {
            captures.written(replica, 3, sequence);
        }
        captures.written(replica, 10, 10);
        assert_eq!(captures.begun(3).map(|known| known.size), Some(10));
        let firsts = |first, size| -> Vec<u64> {
            let found = captures.passed(replica, Passed { first, size, ledger: None });
            found.iter().map(|capture| capture.first).collect()
        };
        assert_eq!(firsts(0, 3), [0; 0]);
        assert_eq!(firsts(0, 4), [3]);
        assert_eq!(firsts(9, 11), [3, 10]);
        assert_eq!(firsts(11, 20), [0; 0]);
        for number in 0..1_000 {
            captures.written(replica, 100 + number, 100 + number);
        }
        assert!(captures.last.lock().captures.len() <= CAPTURES_MAX);
    }
}
