//! Follows what one import or put writes, so that its id is known while it goes on.

use std::sync::OnceLock;

use lienthong_proto::ids::{ReplicaId, Sequence};

use crate::intake::Taken;
use crate::observe::Captures;
use crate::replica::{WriteError, Written};

/// One import or put on its way into the log.
pub(super) struct Following<'a> {
    captures: &'a Captures,
    replica: ReplicaId,
    first: OnceLock<u64>,
}

impl<'a> Following<'a> {
    pub(super) fn new(captures: &'a Captures, replica: ReplicaId) -> Self {
        Self { captures, replica, first: OnceLock::new() }
    }

    /// Its first entry, once it has one.
    pub(super) fn first(&self) -> Option<u64> {
        self.first.get().copied()
    }

    /// Some drafts were answered.
    pub(super) fn note(&self, answers: &[Result<Written, WriteError>]) {
        let mut written = answers.iter().filter_map(|answer| answer.as_ref().ok()?.sequence);
        if let Some(first) = written.next() {
            self.reached(first);
            self.reached(written.next_back().unwrap_or(first));
        }
    }

    /// It has an entry there.
    pub(super) fn reached(&self, sequence: Sequence) {
        let first = *self.first.get_or_init(|| sequence.0);
        self.captures.written(self.replica, first, sequence.0);
    }

    /// What it came to: counted, and said under its id. Nothing of the file or its values.
    pub(super) fn say(&self, taken: &Taken) {
        let report = &taken.report;
        self.captures.count(|counts| {
            counts.note("created", report.created);
            counts.note("updated", report.updated);
            counts.note("unchanged", report.unchanged);
            counts.note("duplicates", report.duplicates);
            counts.note("rejected", report.rejected);
            match &taken.summary {
                Some(summary) => {
                    summary.classes.iter().for_each(|(class, rows)| counts.reject(class, *rows));
                }
                None => report.errors.iter().for_each(|found| counts.reject(&found.rule, 1)),
            }
        });
        let Some(first) = self.first() else { return };
        if let Some(capture) = self.captures.begun(first) {
            tracing::info!(
                trace = %capture.trace, first, size = capture.size, rows = report.rows,
                rejected = report.rejected, record_type = report.record_type, "captured: written"
            );
        }
    }
}
