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

/// The last captures, and what all came to.
#[derive(Debug, Default)]
pub struct Captures {
    last: Mutex<VecDeque<Capture>>,
    counts: Mutex<ImportCounts>,
}

impl Captures {
    /// An entry of a capture was written; `first` is its first. What is known of it.
    pub fn written(&self, replica: ReplicaId, first: u64, sequence: u64) -> Capture {
        let mut last = self.last.lock();
        if let Some(known) = last.iter_mut().rev().find(|known| known.first == first) {
            known.size = known.size.max(sequence + 1);
            return *known;
        }
        if last.len() >= CAPTURES_MAX {
            last.pop_front();
        }
        let capture = Capture { trace: TraceId::of(replica, first), first, size: sequence + 1 };
        last.push_back(capture);
        capture
    }

    /// The captures with entries from `first` up to `size`.
    #[must_use]
    pub fn within(&self, first: u64, size: u64) -> Vec<Capture> {
        let last = self.last.lock();
        last.iter().filter(|known| known.first < size && first < known.size).copied().collect()
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

    #[test]
    fn a_range_finds_the_captures_it_touches() {
        let (captures, replica) = (Captures::default(), ReplicaId([1; 16]));
        for sequence in 3..=9 {
            captures.written(replica, 3, sequence);
        }
        captures.written(replica, 10, 10);
        let firsts = |first, size| -> Vec<u64> {
            captures.within(first, size).iter().map(|capture| capture.first).collect()
        };
        assert_eq!(firsts(0, 3), [0; 0]);
        assert_eq!(firsts(0, 4), [3]);
        assert_eq!(firsts(9, 11), [3, 10]);
        assert_eq!(firsts(11, 20), [0; 0]);
    }
}
