//! Writes groups of drafts in their order: at once, or beside the one who makes them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;

use super::Write;
use crate::replica::{Draft, WriteError, Written};

/// The answers of a group of drafts, in their order; none of one that holds no drafts.
pub(super) type Answers = Vec<Result<Written, WriteError>>;

/// Takes groups of drafts and gives back their answers, in the same order. How many groups wait is for the
/// one to bound who hands them over.
pub(super) enum Scribe<'a> {
    /// Writes while the one who asks waits.
    AtOnce {
        /// Writes.
        write: &'a mut Write<'a>,
        /// What was answered and not asked for yet.
        answered: VecDeque<Answers>,
    },
    /// Writes in a thread of its own.
    Beside {
        /// To the thread.
        groups: Sender<Vec<Draft>>,
        /// From the thread.
        answered: Receiver<Answers>,
    },
}

impl<'a> Scribe<'a> {
    pub(super) fn at_once(write: &'a mut Write<'a>) -> Self {
        Self::AtOnce { write, answered: VecDeque::new() }
    }

    /// The thread ends with the scribe.
    pub(super) fn beside<'scope>(scope: &'scope Scope<'scope, '_>, write: &'scope mut Write<'_>) -> Self {
        let (groups, queue) = channel::<Vec<Draft>>();
        let (answer, answered) = channel();
        scope.spawn(move || {
            for drafts in queue {
                let answers = if drafts.is_empty() { Answers::new() } else { write(drafts) };
                if answer.send(answers).is_err() {
                    return;
                }
            }
        });
        Self::Beside { groups, answered }
    }

    pub(super) fn write(&mut self, drafts: Vec<Draft>) {
        match self {
            Self::AtOnce { write, answered } => {
                answered.push_back(if drafts.is_empty() { Answers::new() } else { write(drafts) });
            }
            // The thread is gone only if it panicked, and that ends whoever waits for it.
            Self::Beside { groups, .. } => drop(groups.send(drafts)),
        }
    }

    /// The answers of the next group, once they are there.
    pub(super) fn wait(&mut self) -> Option<Answers> {
        match self {
            Self::AtOnce { answered, .. } => answered.pop_front(),
            Self::Beside { answered, .. } => answered.recv().ok(),
        }
    }

    /// The answers of the next group, if they are there.
    pub(super) fn look(&mut self) -> Option<Answers> {
        match self {
            Self::AtOnce { answered, .. } => answered.pop_front(),
            Self::Beside { answered, .. } => answered.try_recv().ok(),
        }
    }
}
