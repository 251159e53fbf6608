//! Answering the hub's questions which records are held otherwise, and making records again when it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lienthong_proto::reconcile::{Named, Question, answer};
use lienthong_proto::wire::sync as wire;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::dataset::Holdings;
use crate::recover::OwnLog;
use crate::replica::{Again as _, Fed, Head, Replica};

/// Of which state something was read.
type Moment = (Head, Fed);

/// The sums of one run, and the moment they are of.
#[derive(Clone)]
struct Kept {
    run: u64,
    moment: Moment,
    holdings: Arc<Holdings>,
}

/// Answers one question at a time; between those of one run it keeps the sums, 2 MiB.
#[derive(Clone)]
pub(super) struct Reconciler {
    replica: Replica,
    busy: Arc<AtomicBool>,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Reconciler {
    pub(super) fn new(replica: Replica) -> Self {
        Self { replica, busy: Arc::default(), kept: Arc::default() }
    }

    /// Answers in its own time; what comes while it does is not answered.
    pub(super) fn hear(&self, asked: wire::Reconcile, acknowledged: u64, up: mpsc::Sender<wire::Up>) {
        if asked.question.is_empty() {
            self.forget();
            return;
        }
        let this = self.clone();
        self.work(up, move || wire::up::Message::Reconciled(this.reconciled(&asked, acknowledged)));
    }

    /// Makes records again, then says so.
    pub(super) fn mend(&self, asked: wire::Mend, up: mpsc::Sender<wire::Up>) {
        let this = self.clone();
        let runtime = tokio::runtime::Handle::current();
        self.work(up, move || {
            let (changed, fault) = match this.remade(&asked, &runtime) {
                Ok(changed) => (changed, String::new()),
                Err(fault) => (0, fault),
            };
            this.forget();
            wire::up::Message::Mended(wire::Mended { run: asked.run, changed, fault })
        });
    }

    /// Nothing is kept of a run.
    pub(super) fn forget(&self) {
        *self.kept.lock() = None;
    }

    fn work(&self, up: mpsc::Sender<wire::Up>, work: impl FnOnce() -> wire::up::Message + Send + 'static) {
        if self.busy.swap(true, Ordering::AcqRel) {
            tracing::warn!("the hub asks before it was answered");
            return;
        }
        let busy = Arc::clone(&self.busy);
        tokio::spawn(async move {
            let done = tokio::task::spawn_blocking(work).await;
            busy.store(false, Ordering::Release);
            if let Ok(message) = done {
                let _ = up.send(wire::Up { message: Some(message) }).await;
            }
        });
    }

    fn moment(&self) -> Moment {
        (*self.replica.head().borrow(), *self.replica.fed().borrow())
    }

    fn reconciled(&self, asked: &wire::Reconcile, acknowledged: u64) -> wire::Reconciled {
        let before = self.moment();
        let outstanding = before.0.size.saturating_sub(acknowledged);
        let mut said =
            wire::Reconciled { run: asked.run, log_size: before.0.size, outstanding, ..Default::default() };
        if outstanding > 0 {
            return said;
        }
        match self.answer(asked, before) {
            // Something was written while it was read: it is about no moment.
            Ok(_) if self.moment() != before => {}
            Ok(answer) => said.answer = answer.into(),
            Err(fault) => {
                tracing::error!(fault, "the hub's question cannot be answered");
                said.fault = fault;
            }
        }
        said
    }

    fn answer(&self, asked: &wire::Reconcile, moment: Moment) -> Result<Vec<u8>, String> {
        let question = Question::decode(&asked.question).map_err(|error| error.to_string())?;
        let fits = |kept: &Kept| (kept.run, kept.moment) == (asked.run, moment);
        let kept = self.kept.lock().clone().filter(fits);
        let holdings = match kept {
            Some(kept) => kept.holdings,
            None => {
                let (dataset, unit) = (self.replica.dataset(), &self.replica.author().unit);
                let holdings = Holdings::gather(dataset, unit).map_err(|error| error.to_string())?;
                let holdings = Arc::new(holdings);
                let kept = Kept { run: asked.run, moment, holdings: Arc::clone(&holdings) };
                *self.kept.lock() = Some(kept);
                holdings
            }
        };
        Ok(answer(holdings.as_ref(), &question).map_err(|error| error.to_string())?.encode())
    }

    fn remade(&self, asked: &wire::Mend, runtime: &tokio::runtime::Handle) -> Result<u64, String> {
        let records = Named::decode(&asked.records).map_err(|error| error.to_string())?;
        tracing::warn!(records = records.len(), "the hub has records made again from this log");
        let mut again = OwnLog::new(&self.replica, records).map_err(|error| error.to_string())?;
        again.catch_up().map_err(|error| error.to_string())?;
        let remade = runtime.block_on(self.replica.remake(Box::new(again)));
        remade.map_err(|reason| reason.to_string())
    }
}
