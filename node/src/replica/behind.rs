//! What brings the state to the view beside the writer: a thread, or without threads the writer's own later turn.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::Builder;

use crate::dataset::{DatasetError, Flush};
use crate::store::ViewError;

/// Commits one flush after the other.
pub(super) enum Behind {
    /// In a thread of its own.
    Thread(Beside),
    /// Where it is next asked for; what was begun and not committed yet.
    Later(Option<Flush>),
}

/// The thread's handle.
pub(super) struct Beside {
    flushes: SyncSender<Flush>,
    committed: Receiver<Result<(), DatasetError>>,
    /// One was handed over and not heard of yet.
    going_on: bool,
}

impl Behind {
    /// Starts the thread; it ends with its handle.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub(super) fn start() -> std::io::Result<Self> {
        let (flushes, queue) = sync_channel::<Flush>(1);
        let (commit, committed) = sync_channel(1);
        Builder::new().name("view".into()).spawn(move || {
            for flush in queue {
                if commit.send(flush.commit()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self::Thread(Beside { flushes, committed, going_on: false }))
    }

    /// Whether a flush goes on.
    ///
    /// # Errors
    /// [`DatasetError`] if the view refused one.
    pub(super) fn is_busy(&mut self) -> Result<bool, DatasetError> {
        match self {
            Self::Later(_) => self.wait().map(|()| false),
            Self::Thread(beside) => {
                if beside.going_on {
                    match beside.committed.try_recv() {
                        Err(TryRecvError::Empty) => {}
                        Ok(committed) => beside.heard(committed)?,
                        Err(TryRecvError::Disconnected) => return Err(gone()),
                    }
                }
                Ok(beside.going_on)
            }
        }
    }

    /// Waits until what was begun is in the view.
    ///
    /// # Errors
    /// [`DatasetError`] if the view refused it.
    pub(super) fn wait(&mut self) -> Result<(), DatasetError> {
        match self {
            Self::Later(flush) => flush.take().map_or(Ok(()), Flush::commit),
            Self::Thread(beside) if beside.going_on => {
                let committed = beside.committed.recv().map_err(|_| gone())?;
                beside.heard(committed)
            }
            Self::Thread(_) => Ok(()),
        }
    }

    /// Hands a flush over; the one before must have been heard of.
    ///
    /// # Errors
    /// [`DatasetError`] if the thread is gone.
    pub(super) fn begin(&mut self, flush: Flush) -> Result<(), DatasetError> {
        match self {
            Self::Later(begun) => *begun = Some(flush),
            Self::Thread(beside) => {
                beside.flushes.send(flush).map_err(|_| gone())?;
                beside.going_on = true;
            }
        }
        Ok(())
    }
}

impl Beside {
    fn heard(&mut self, committed: Result<(), DatasetError>) -> Result<(), DatasetError> {
        self.going_on = false;
        committed
    }
}

fn gone() -> DatasetError {
    ViewError::Engine("the thread that writes the view is gone".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use lienthong_proto::ids::ReplicaId;

    use super::*;
    use crate::dataset::Dataset;
    use crate::log::Disk;
    use crate::store::{Batch, Keyspace, MemoryView, View as _};

    fn dataset(folder: &std::path::Path, view: Arc<MemoryView>) -> Dataset {
        let opened = crate::log::open(folder, ReplicaId([1; 16]), Disk::real()).unwrap();
        Dataset::open(view, opened.reader, NonZeroUsize::MIN).unwrap()
    }

    #[test]
    fn what_was_begun_is_in_the_view_once_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let view = Arc::new(MemoryView::default());
        let dataset = dataset(folder.path(), Arc::clone(&view));
        let mut behind = Behind::start().unwrap();
        for applied in 1..=3 {
            let mut extra = Batch::default();
            extra.put(Keyspace::Meta, b"x", &[u8::try_from(applied).unwrap()]);
            behind.begin(dataset.begin_flush(applied, extra)).unwrap();
            behind.wait().unwrap();
            assert!(!behind.is_busy().unwrap());
            assert_eq!(view.applied().unwrap(), Some(applied));
        }
    }

    #[test]
    fn a_refusal_is_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path(), Arc::new(MemoryView::failing_after(0)));
        let mut behind = Behind::start().unwrap();
        behind.begin(dataset.begin_flush(1, Batch::default())).unwrap();
        assert!(matches!(behind.wait(), Err(DatasetError::View(_))));
        assert!(!behind.is_busy().unwrap());
    }
}
