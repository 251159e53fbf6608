//! The replica's handle: any number of callers, one writer thread, one fdatasync for all who wait.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::executor::block_on;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, Sequence};
use lienthong_proto::text::in_both;
use lienthong_proto::time::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};

use super::behind::Behind;
use super::{Again, Author, ComposeError, Draft, Fed, FeedPiece, Head, Journal, JournalError};
use crate::ask::ask;
use crate::dataset::Dataset;
use crate::log::{HashFile, LogReader};
use crate::observe::Job;
use crate::store::Batch;

/// What became of one draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The record.
    pub record: RecordId,
    /// What was done.
    pub outcome: Outcome,
    /// Paths not written because others have changed them since the unit stated the same.
    pub elsewhere: Vec<String>,
    /// Its place in the log, if something was written.
    pub sequence: Option<Sequence>,
}

/// Whether a draft wrote anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The record is new.
    Created,
    /// Some fields were written.
    Updated,
    /// Everything stood already.
    Unchanged,
    /// The record is withdrawn; a sheet's row does not bring it back. Nothing was written.
    Withdrawn,
}

/// Why a write was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The draft itself is at fault; nothing of it was written.
    #[error("{0}")]
    Draft(Arc<ComposeError>),
    /// The draft makes an entry beyond the limits; nothing of it was written.
    #[error("{}", in_both("bản ghi quá lớn", "the record is too large", .0))]
    TooLarge(String),
    /// It was decided on what does not stand so any more; nothing of it was written.
    #[error(
        "đã có giá trị khác từ lúc xem: xem lại rồi quyết định · other values have come since it was looked at: look again, then decide"
    )]
    Changed,
    /// The store failed: nothing of the group was accepted, and it takes no more writes until restarted.
    #[error("{}", in_both("kho không nhận ghi nữa", "the store no longer takes writes", .0))]
    Failed(Arc<str>),
}

/// Why a piece of the feed was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FeedError {
    /// The piece itself is at fault.
    #[error("the feed is not understood: {0}")]
    Malformed(#[from] lienthong_proto::bytes::Malformed),
    /// The store failed.
    #[error("{}", in_both("kho không nhận ghi nữa", "the store no longer takes writes", .0))]
    Failed(Arc<str>),
}

enum Command {
    Write(Vec<Draft>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Event(Event, oneshot::Sender<Result<Sequence, WriteError>>),
    Feed(FeedPiece, oneshot::Sender<Result<(), FeedError>>),
    Remake(Box<dyn Again>, oneshot::Sender<Result<u64, Arc<str>>>),
    Tally(String, oneshot::Sender<Result<Option<Sequence>, WriteError>>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
    /// A second has passed.
    Settle,
}

/// Why nothing is taken any more.
const ENDING: &str = "chương trình đang dừng · it is shutting down";

/// Who signs the daily tally.
const DAILY: &str = "daily";
/// How many commands may wait for the writer.
const COMMANDS_MAX: usize = 256;
/// How many entries one group commit may hold.
const GROUP_MAX: usize = 4_096;
/// How often the state is brought to the view and the log anchored, if anything was written.
const SETTLE: Duration = Duration::from_secs(1);

/// While the state is brought to the view, so many times the records that begin it may wait.
const UNFLUSHED_FOLD: usize = 2;

/// A running replica.
#[derive(Clone)]
pub struct Replica {
    commands: mpsc::Sender<Command>,
    dataset: Dataset,
    reader: LogReader,
    hashes: Arc<HashFile>,
    head: watch::Receiver<Head>,
    fed: watch::Receiver<Fed>,
    author: Author,
    catalogue: Arc<Catalogue>,
    failed: watch::Receiver<Option<Arc<str>>>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("author", &self.author).finish_non_exhaustive()
    }
}

impl Replica {
    /// Starts the writer thread of a journal; `clock` tells it the time, it tells `job` of its rounds.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(
        journal: Journal,
        clock: fn() -> UnixMillis,
        job: Arc<Job>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (replica, writer) = Self::attended(journal, clock, job, Behind::start()?);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run())?;
        settler(replica.commands.downgrade(), || Command::Settle)?;
        Ok((replica, thread))
    }

    /// As [`Replica::start`], without threads: nothing happens but by [`Writer::turn`].
    #[must_use]
    pub fn without_threads(journal: Journal, clock: fn() -> UnixMillis, job: Arc<Job>) -> (Self, Writer) {
        Self::attended(journal, clock, job, Behind::Later(None))
    }

    fn attended(journal: Journal, clock: fn() -> UnixMillis, job: Arc<Job>, view: Behind) -> (Self, Writer) {
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (failure, failed) = watch::channel(None);
        let replica = Self {
            commands,
            dataset: journal.dataset().clone(),
            reader: journal.reader().clone(),
            hashes: Arc::clone(journal.hashes()),
            head: journal.head(),
            fed: journal.fed(),
            author: journal.author().clone(),
            catalogue: Arc::clone(journal.catalogue()),
            failed,
        };
        (replica, Writer { journal, queue, clock, anchored: 0, failure, view, job })
    }

    /// Writes drafts durably; each gets its own answer, in order.
    pub async fn write(&self, drafts: Vec<Draft>) -> Vec<Result<Written, WriteError>> {
        let count = drafts.len();
        let written = ask(&self.commands, |answer| Command::Write(drafts, answer)).await;
        written.unwrap_or_else(|| std::iter::repeat_with(|| Err(self.refusal())).take(count).collect())
    }

    /// As [`Replica::write`], from a thread that may block.
    #[must_use]
    pub fn write_blocking(&self, drafts: Vec<Draft>) -> Vec<Result<Written, WriteError>> {
        block_on(self.write(drafts))
    }

    /// Logs an event durably.
    ///
    /// # Errors
    /// [`WriteError`] if it was not accepted.
    pub async fn event(&self, event: Event) -> Result<Sequence, WriteError> {
        let logged = ask(&self.commands, |answer| Command::Event(event, answer)).await;
        logged.unwrap_or_else(|| Err(self.refusal()))
    }

    /// Signs for how many changes of each type the log has, unless nothing was written since it last did.
    ///
    /// # Errors
    /// [`WriteError`] if it was not accepted.
    pub async fn tally(&self, actor: String) -> Result<Option<Sequence>, WriteError> {
        let signed = ask(&self.commands, |answer| Command::Tally(actor, answer)).await;
        signed.unwrap_or_else(|| Err(self.refusal()))
    }

    /// As [`Replica::event`], from a thread that may block.
    ///
    /// # Errors
    /// [`WriteError`] if it was not accepted.
    pub fn event_blocking(&self, event: Event) -> Result<Sequence, WriteError> {
        block_on(self.event(event))
    }

    /// Takes a piece of the feed in durably.
    ///
    /// # Errors
    /// [`FeedError`]; nothing of it was taken then.
    pub async fn feed(&self, piece: FeedPiece) -> Result<(), FeedError> {
        let taken = ask(&self.commands, |answer| Command::Feed(piece, answer)).await;
        taken.unwrap_or_else(|| Err(FeedError::Failed(self.ending())))
    }

    /// Puts records made again from the log in the place of those in the view; how many were different.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn remake(&self, again: Box<dyn Again>) -> Result<u64, Arc<str>> {
        let remade = ask(&self.commands, |answer| Command::Remake(again, answer)).await;
        remade.unwrap_or_else(|| Err(self.ending()))
    }

    /// Up to where the feed was taken, as it grows.
    #[must_use]
    pub fn fed(&self) -> watch::Receiver<Fed> {
        self.fed.clone()
    }

    /// Brings what was accepted to the view, from a thread that may block; nothing if the store failed.
    pub fn flush_blocking(&self) {
        let _ = block_on(ask(&self.commands, Command::Flush));
    }

    /// Ends the writer: what was accepted is in the view and anchored.
    pub async fn close(&self) {
        let _ = ask(&self.commands, Command::Close).await;
    }

    /// The merged state.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The log's readers.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The leaf hashes.
    #[must_use]
    pub fn hashes(&self) -> &Arc<HashFile> {
        &self.hashes
    }

    /// Size and root as they grow.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// Who writes here.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// The catalogue in force.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Why writes are refused, once they are.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        self.failed.borrow().clone()
    }

    fn refusal(&self) -> WriteError {
        WriteError::Failed(self.ending())
    }

    fn ending(&self) -> Arc<str> {
        self.failure().unwrap_or_else(|| Arc::from(ENDING))
    }
}

enum Answer {
    Write(Vec<Result<Written, WriteError>>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Event(Result<Sequence, WriteError>, oneshot::Sender<Result<Sequence, WriteError>>),
    Feed(Result<(), FeedError>, oneshot::Sender<Result<(), FeedError>>),
    Remake(Result<u64, Arc<str>>, oneshot::Sender<Result<u64, Arc<str>>>),
    Tally(Result<Option<Sequence>, WriteError>, oneshot::Sender<Result<Option<Sequence>, WriteError>>),
}

/// The one who writes: in a thread, or turn by turn.
pub struct Writer {
    journal: Journal,
    queue: mpsc::Receiver<Command>,
    clock: fn() -> UnixMillis,
    anchored: u64,
    failure: watch::Sender<Option<Arc<str>>>,
    view: Behind,
    job: Arc<Job>,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            if !self.round(first) {
                return;
            }
        }
        if let Err(error) = self.settle_wholly() {
            self.fail(&error, Vec::new());
        }
    }

    /// Does everything that waits, first what is `due` once a second; whether the writer goes on.
    pub fn turn(&mut self, due: bool) -> bool {
        let mut next = due.then_some(Command::Settle).or_else(|| self.queue.try_recv().ok());
        while let Some(first) = next {
            if !self.round(first) {
                return false;
            }
            next = self.queue.try_recv().ok();
        }
        true
    }

    /// One group commit, from its first command on; whether the writer goes on.
    fn round(&mut self, first: Command) -> bool {
        let mut answers = Vec::new();
        let mut closing = None;
        let mut flushed = Vec::new();
        let mut due = false;
        let mut next = Some(first);
        let mut outcome = Ok(());
        let before = self.journal.next();
        while let Some(command) = next {
            match command {
                Command::Close(answer) => {
                    closing = Some(answer);
                    break;
                }
                Command::Settle => {
                    due = true;
                    outcome = self.tally_if_due();
                }
                Command::Flush(answer) => flushed.push(answer),
                command => outcome = self.take(command, &mut answers),
            }
            if outcome.is_err() || self.journal.staged() >= GROUP_MAX {
                break;
            }
            next = self.queue.try_recv().ok();
        }
        let outcome = outcome.and_then(|()| self.tally_of_day(before)).and_then(|()| self.journal.commit());
        if let Err(error) = outcome {
            self.fail(&error, answers);
            return false;
        }
        deliver(answers);
        let waits = closing.is_some() || !flushed.is_empty();
        let settled = if waits { self.settle_wholly() } else { self.settle(due) };
        if let Err(error) = settled {
            self.fail(&error, Vec::new());
            return false;
        }
        self.job.progress();
        for answer in flushed {
            let _ = answer.send(());
        }
        let goes_on = closing.is_none();
        if let Some(answer) = closing {
            let _ = answer.send(());
        }
        goes_on
    }

    /// Stages one command; its answer waits for the commit.
    fn take(&mut self, command: Command, answers: &mut Vec<Answer>) -> Result<(), JournalError> {
        match command {
            Command::Write(drafts, sender) => {
                let mut results = Vec::with_capacity(drafts.len());
                for draft in drafts {
                    results.push(self.stage(draft)?);
                }
                answers.push(Answer::Write(results, sender));
            }
            Command::Event(event, sender) => {
                let result = match self.journal.stage_event(&event) {
                    Err(JournalError::Build(error)) => Err(WriteError::TooLarge(error.to_string())),
                    other => Ok(other?),
                };
                if result.is_ok() {
                    self.journal.untallied.written((self.clock)());
                }
                answers.push(Answer::Event(result, sender));
            }
            Command::Feed(piece, sender) => {
                let result = self.journal.feed(&piece, (self.clock)())?;
                if result.is_ok() {
                    self.journal.untallied.written((self.clock)());
                }
                answers.push(Answer::Feed(result.map_err(FeedError::from), sender));
            }
            Command::Remake(mut again, sender) => {
                // What is on its way to the view must not come behind what is made again.
                self.flushed()?;
                let result = self.journal.remake(again.as_mut(), Batch::default())?;
                answers.push(Answer::Remake(result.map_err(|error| error.to_string().into()), sender));
            }
            Command::Tally(actor, sender) => {
                let result = self.journal.stage_tally((self.clock)(), &actor)?;
                answers.push(Answer::Tally(Ok(result), sender));
            }
            Command::Close(_) | Command::Flush(_) | Command::Settle => {}
        }
        Ok(())
    }

    fn tally_if_due(&mut self) -> Result<(), JournalError> {
        let now = (self.clock)();
        if self.journal.is_tally_due(now) {
            self.journal.stage_tally(now, DAILY)?;
        }
        Ok(())
    }

    /// The first entries of a day bring a tally.
    fn tally_of_day(&mut self, before: Sequence) -> Result<(), JournalError> {
        let now = (self.clock)();
        if self.journal.next() > before && self.journal.is_tally_of_before(now) {
            self.journal.stage_tally_of_day(now, DAILY)?;
        }
        Ok(())
    }

    /// Faults of the draft are its own answer; faults of the store end the writer.
    fn stage(&mut self, draft: Draft) -> Result<Result<Written, WriteError>, JournalError> {
        match self.journal.stage(draft, (self.clock)()) {
            Ok(stage) => Ok(Ok(stage.written())),
            Err(JournalError::Compose(ComposeError::Dataset(fault))) => Err(fault.into()),
            Err(JournalError::Compose(error)) => Ok(Err(WriteError::Draft(Arc::new(error)))),
            Err(JournalError::Build(error)) => Ok(Err(WriteError::TooLarge(error.to_string()))),
            Err(other) => Err(other),
        }
    }

    /// Brings all of the state to the view, and anchors the log.
    fn settle_wholly(&mut self) -> Result<(), JournalError> {
        self.flushed()?;
        self.settle(true)?;
        self.flushed()
    }

    /// Begins to bring the state to the view when enough waits; when due (once a second), all of it, and
    /// anchors the log.
    fn settle(&mut self, due: bool) -> Result<(), JournalError> {
        if self.journal.wants_flush() || (due && self.journal.dataset().unflushed() > 0) {
            self.flush()?;
        }
        let size = self.journal.frontier().size();
        if due && size > self.anchored {
            self.journal.write_anchor()?;
            self.anchored = size;
        }
        Ok(())
    }

    /// Begins to bring the state to the view, beside the next writes. While that goes on a bounded number of
    /// records waits.
    fn flush(&mut self) -> Result<(), JournalError> {
        let room = self.journal.options.unflushed_max.saturating_mul(UNFLUSHED_FOLD);
        if self.view.is_busy()? && self.journal.dataset().unflushed() < room {
            return Ok(());
        }
        self.view.wait()?;
        Ok(self.view.begin(self.journal.begin_flush(Batch::default()))?)
    }

    /// Waits until what was begun is in the view.
    fn flushed(&mut self) -> Result<(), JournalError> {
        Ok(self.view.wait()?)
    }

    fn fail(&self, error: &JournalError, answers: Vec<Answer>) {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(reason, "the store failed; no more writes are taken");
        let reason: Arc<str> = reason.into();
        self.failure.send_replace(Some(Arc::clone(&reason)));
        let refused = answers.into_iter().map(|answer| match answer {
            Answer::Write(results, sender) => {
                let refusals = results.iter().map(|_| Err(WriteError::Failed(Arc::clone(&reason)))).collect();
                Answer::Write(refusals, sender)
            }
            Answer::Event(_, sender) => Answer::Event(Err(WriteError::Failed(Arc::clone(&reason))), sender),
            Answer::Feed(_, sender) => Answer::Feed(Err(FeedError::Failed(Arc::clone(&reason))), sender),
            Answer::Remake(_, sender) => Answer::Remake(Err(Arc::clone(&reason)), sender),
            Answer::Tally(_, sender) => Answer::Tally(Err(WriteError::Failed(Arc::clone(&reason))), sender),
        });
        deliver(refused.collect());
    }
}

fn deliver(answers: Vec<Answer>) {
    for answer in answers {
        match answer {
            Answer::Write(results, sender) => drop(sender.send(results)),
            Answer::Event(result, sender) => drop(sender.send(result)),
            Answer::Feed(result, sender) => drop(sender.send(result)),
            Answer::Remake(result, sender) => drop(sender.send(result)),
            Answer::Tally(result, sender) => drop(sender.send(result)),
        }
    }
}

/// Asks a writer once a second to settle, until it is gone. A slow writer is not asked twice.
///
/// # Errors
/// The operating system's, if it has no thread to give.
pub fn settler<T: Send + 'static>(
    commands: mpsc::WeakSender<T>,
    settle: impl Fn() -> T + Send + 'static,
) -> std::io::Result<()> {
    let work = move || {
        loop {
            std::thread::sleep(SETTLE);
            let Some(commands) = commands.upgrade() else { return };
            let _ = commands.try_send(settle());
        }
    };
    std::thread::Builder::new().name("settler".into()).spawn(work).map(|_| ())
}
