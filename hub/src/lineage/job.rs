//! Moves the records of steps whose day has come, and of steps that were undone.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::control::Tell;
use lienthong_node::dataset::{DatasetError, RecordState};
use lienthong_proto::ids::RecordId;
use lienthong_proto::lineage::{Lineage, Step, Work, done_event};
use serde_json::json;

use crate::app::Hub;
use crate::ingest::CommitError;
use crate::observe::jobs;

/// Records handed to the ledger's writer at a time: others are answered in between.
const CHUNK: usize = 128;
/// Records looked at in one go.
const PAGE: usize = 512;
/// How often it is looked whether a step's day has come.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Why the records do not move.
#[derive(Debug, thiserror::Error)]
pub enum ReorganiseError {
    /// The records cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The ledger does not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// One piece of work, with what it is about.
struct Task {
    step: Step,
    /// The undoing's number, if it is one.
    undo: Option<u64>,
}

impl Hub {
    /// Looks now and then whether a step's day has come, and goes on with what was left.
    pub fn keep_units(self: &Arc<Self>) {
        let hub = Arc::clone(self);
        let job = self.observed.jobs.register(jobs::LINEAGE);
        tokio::spawn(async move {
            while !hub.stop.is_cancelled() {
                let moving = Arc::clone(&job);
                match hub.reorganise(&(Arc::new(move |_| moving.progress()) as Tell)).await {
                    Ok(_) => job.progress(),
                    Err(error) => {
                        job.failed();
                        tracing::error!(%error, "records of reorganised units do not move");
                    }
                }
                // The units of the day are others than those it was opened with, here and at the nodes.
                if hub.lineage().count(hub.now().day()) != hub.reorganised {
                    hub.superseded.cancel();
                }
                tokio::select! {
                    () = hub.stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
    }

    /// Does everything that is left to do today; how many records moved.
    ///
    /// # Errors
    /// [`ReorganiseError`]; the next try goes on.
    pub async fn reorganise(self: &Arc<Self>, tell: &Tell) -> Result<u64, ReorganiseError> {
        let _one = self.reorganising.lock().await;
        self.carry_on(tell).await
    }

    /// The same for one who holds [`Hub::reorganising`].
    pub(crate) async fn carry_on(self: &Arc<Self>, tell: &Tell) -> Result<u64, ReorganiseError> {
        let mut moved = 0;
        while let Some(task) = self.next_task() {
            // What was judged before the step's day came is in the dataset once the writer has answered this.
            self.committer.rehome(Vec::new()).await?;
            moved += self.pass(&task, tell).await?;
            let number = task.undo.unwrap_or(task.step.number);
            let records = tokio::task::block_in_place(|| self.gone_through(&task.step))?;
            let event = done_event(number, records, "hub", self.now());
            self.committer.event(event).await?;
            tracing::info!(
                step = task.step.number,
                undone = task.undo.is_some(),
                moved,
                "units: records moved"
            );
        }
        Ok(moved)
    }

    fn next_task(&self) -> Option<Task> {
        let books = self.committer.books().read();
        books.lineage.work(self.now().day()).first().map(|work| match work {
            Work::Forward(step) => Task { step: (*step).clone(), undo: None },
            Work::Back(step, undo) => Task { step: (*step).clone(), undo: Some(*undo) },
        })
    }

    /// Goes once through all records; those that are not the old unit's any more cost a look.
    async fn pass(&self, task: &Task, tell: &Tell) -> Result<u64, ReorganiseError> {
        let wanted = |state: &RecordState| {
            let owner = state.owner();
            match task.undo {
                Some(_) => {
                    state.moved_by().is_some() && owner.is_some_and(|owner| task.step.to.contains(owner))
                }
                None => owner.is_some_and(|owner| task.step.from.contains(owner)),
            }
        };
        let units = if task.undo.is_some() { &task.step.to } else { &task.step.from };
        let totals = self.dataset.totals();
        let of: u64 = units.iter().filter_map(|unit| totals.by_unit.get(unit)).sum();
        let (mut looked, mut moved) = (0_u64, 0);
        for record_type in self.dataset.types()? {
            let mut after = None;
            loop {
                let page = tokio::task::block_in_place(|| self.dataset.page(&record_type, after, PAGE))?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                let found: Vec<(String, RecordId)> = page
                    .iter()
                    .filter(|(_, state)| wanted(state))
                    .map(|(id, _)| (record_type.clone(), *id))
                    .collect();
                for chunk in found.chunks(CHUNK) {
                    moved += self.committer.rehome(chunk.to_vec()).await?;
                    looked += chunk.len() as u64;
                    tokio::task::block_in_place(|| tell(json!({ "done": looked, "of": of.max(looked) })));
                }
            }
        }
        Ok(moved)
    }

    /// How many records have gone through a step and not come back.
    fn gone_through(&self, step: &Step) -> Result<u64, DatasetError> {
        let mut count = 0;
        self.each_passed(step, &mut |_, _, _| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    /// Visits the records that have gone through a step and not come back, until told to stop.
    pub(crate) fn each_passed(
        &self,
        step: &Step,
        visit: &mut dyn FnMut(&str, RecordId, &RecordState) -> bool,
    ) -> Result<(), DatasetError> {
        for record_type in self.dataset.types()? {
            let mut after = None;
            loop {
                let page = self.dataset.page(&record_type, after, PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (id, state) in &page {
                    let passed = state.moved_by().is_some()
                        && self.dataset.passages(state)?.iter().any(|passage| passage.step == step.number);
                    if passed && !visit(&record_type, *id, state) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The course of units, as of now.
    #[must_use]
    pub fn lineage(&self) -> Arc<Lineage> {
        Arc::clone(&self.committer.books().read().lineage)
    }
}
