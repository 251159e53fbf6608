//! One admitted change of a record, as the course of its type is judged by.

use crate::change::{Context, Write};
use crate::ids::Dot;
use crate::time::Hlc;
use crate::value::Value;

/// An admitted change, with what its keeper knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The change.
    pub dot: Dot,
    /// The stamp that counts.
    pub effective: Hlc,
    /// Its writer does not own the record.
    pub proposal: bool,
    /// What it writes.
    pub writes: Vec<Write>,
}

impl Written {
    /// Its write of a path.
    #[must_use]
    pub fn write(&self, path: &str) -> Option<&Write> {
        self.writes.iter().find(|write| write.path == path)
    }

    /// Whether it states a text that says something.
    #[must_use]
    pub fn says(&self, path: &str) -> bool {
        self.write(path)
            .is_some_and(|write| matches!(&write.value, Value::Text(text) if !text.trim().is_empty()))
    }

    /// What of a write's context counts: all, or of a proposal the writer's own part.
    pub(super) fn seen(&self, write: &Write) -> Context {
        if self.proposal {
            Context::new(write.context.iter().filter(|pair| pair.0 == self.dot.replica))
        } else {
            write.context.clone()
        }
    }

    /// Whether it was written after another change: by its place in one replica's log, otherwise by the stamps
    /// that count.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        if self.dot.replica == other.dot.replica {
            return self.dot.sequence > other.dot.sequence;
        }
        (self.effective, self.dot) > (other.effective, other.dot)
    }
}
