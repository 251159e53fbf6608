//! The one writer of the ledger: takes what all streams have verified, judges it, logs it in one go, and
//! answers everyone after one fdatasync.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;

use lienthong_node::dataset::{Admitted, EntryAt, Source};
use lienthong_node::log::FramePosition;
use lienthong_node::replica::{
    Draft, Head, Journal, JournalError, Outcome, WriteError, Written, secret, settler,
};
use lienthong_node::store::Batch;
use lienthong_proto::batch;
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::verify::Content;
use super::{Judge, Judgement, VerifiedBatch};
use crate::ledger::{Books, HeldReplica as Held, Quarantined};

/// What the hub answers to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The replica's log size now held.
    pub size: u64,
    /// The acceptance's place in the ledger.
    pub ledger_index: u64,
    /// The hub's time.
    pub at: UnixMillis,
}

/// Why the ledger did not take something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Another stream of the same replica was faster; the sender must greet again.
    #[error("the batch begins at {found}, the hub holds {held}")]
    Overtaken {
        /// What is held.
        held: u64,
        /// Where the batch begins.
        found: u64,
    },
    /// The replica was never enrolled here.
    #[error("replica {0} is not enrolled")]
    Unknown(ReplicaId),
    /// The unit has too much in quarantine: a person must look first.
    #[error("unit {unit} has {count} changes in quarantine; release or settle them first")]
    QuarantineFull {
        /// Whose.
        unit: UnitCode,
        /// How many.
        count: usize,
    },
    /// No such change in quarantine.
    #[error("nothing in quarantine has the number {0}")]
    NotQuarantined(String),
    /// It cannot be released: the reason stands.
    #[error("it cannot be released: {0}")]
    NotReleasable(&'static str),
    /// The ledger does not reach the disk; nothing is taken any more.
    #[error("the ledger takes no more writes: {0}")]
    Failed(Arc<str>),
}

/// A steward's decision to merge a quarantined change after all.
#[derive(Debug, Clone)]
pub struct Release {
    /// `ledger index.place`, as the list shows it.
    pub number: (u64, u16),
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

enum Command {
    Accept(Box<VerifiedBatch>, OwnedSemaphorePermit, oneshot::Sender<Result<Accepted, CommitError>>),
    Write(Vec<Draft>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Event(Event, oneshot::Sender<Result<Sequence, CommitError>>),
    Release(Release, oneshot::Sender<Result<Sequence, CommitError>>),
    Close(oneshot::Sender<()>),
    /// A second has passed.
    Settle,
}

/// Batches and commands that may wait for the writer.
const QUEUE: usize = 128;
/// Batches one group may hold: bounds the time to the first answer.
const GROUP_MAX: usize = 64;
/// Changes of one unit that may wait in quarantine.
pub const QUARANTINE_MAX: usize = 10_000;

/// Asks things of the ledger's writer; cheap to clone.
#[derive(Clone)]
pub struct CommitterHandle {
    commands: mpsc::Sender<Command>,
    books: Arc<RwLock<Books>>,
    head: watch::Receiver<Head>,
    noticed: watch::Receiver<u64>,
    failed: watch::Receiver<Option<Arc<str>>>,
}

impl CommitterHandle {
    /// Hands a verified batch over, in the order of the calls; the answer comes after its fdatasync. The
    /// batch's place in memory is given back by the writer, whether or not anyone listens for the answer.
    ///
    /// # Errors
    /// [`CommitError::Failed`] if the ledger takes nothing any more.
    pub async fn submit(
        &self,
        batch: VerifiedBatch,
        place: OwnedSemaphorePermit,
    ) -> Result<PendingAnswer, CommitError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Accept(Box::new(batch), place, answer);
        self.commands.send(command).await.map_err(|_| self.refusal())?;
        Ok(PendingAnswer { answered, failed: self.failed.clone() })
    }

    /// Writes the province's own records.
    pub async fn write(&self, drafts: Vec<Draft>) -> Vec<Result<Written, WriteError>> {
        let count = drafts.len();
        let (answer, answered) = oneshot::channel();
        match self.ask(Command::Write(drafts, answer), answered).await {
            Ok(results) => results,
            Err(error) => {
                let reason: Arc<str> = error.to_string().into();
                std::iter::repeat_with(|| Err(WriteError::Failed(Arc::clone(&reason)))).take(count).collect()
            }
        }
    }

    /// Logs an event.
    ///
    /// # Errors
    /// [`CommitError`] if it was not taken.
    pub async fn event(&self, event: Event) -> Result<Sequence, CommitError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Event(event, answer), answered).await?
    }

    /// Releases a change from quarantine.
    ///
    /// # Errors
    /// [`CommitError`] if there is none, or it may not be released.
    pub async fn release(&self, release: Release) -> Result<Sequence, CommitError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Release(release, answer), answered).await?
    }

    /// Ends the writer: what was accepted is in the view and anchored.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        let _ = self.ask(Command::Close(answer), answered).await;
    }

    /// What the ledger holds of each replica, in quarantine, and to tell.
    #[must_use]
    pub fn books(&self) -> &Arc<RwLock<Books>> {
        &self.books
    }

    /// The ledger's head as it grows.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// Changes whenever there is a new notice.
    #[must_use]
    pub fn noticed(&self) -> watch::Receiver<u64> {
        self.noticed.clone()
    }

    /// Why nothing is taken any more, once that is so.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        self.failed.borrow().clone()
    }

    async fn ask<T>(&self, command: Command, answered: oneshot::Receiver<T>) -> Result<T, CommitError> {
        self.commands.send(command).await.map_err(|_| self.refusal())?;
        answered.await.map_err(|_| self.refusal())
    }

    fn refusal(&self) -> CommitError {
        refusal(&self.failed)
    }
}

fn refusal(failed: &watch::Receiver<Option<Arc<str>>>) -> CommitError {
    CommitError::Failed(failed.borrow().clone().unwrap_or_else(|| Arc::from("it is shutting down")))
}

/// An answer that comes after the batch's fdatasync.
#[derive(Debug)]
pub struct PendingAnswer {
    answered: oneshot::Receiver<Result<Accepted, CommitError>>,
    failed: watch::Receiver<Option<Arc<str>>>,
}

impl PendingAnswer {
    /// Waits for it.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was taken then.
    pub async fn wait(self) -> Result<Accepted, CommitError> {
        self.answered.await.map_err(|_| refusal(&self.failed))?
    }
}

enum Answer {
    Accept(
        Result<Accepted, CommitError>,
        OwnedSemaphorePermit,
        oneshot::Sender<Result<Accepted, CommitError>>,
    ),
    Write(Vec<Result<Written, WriteError>>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Sequence(Result<Sequence, CommitError>, oneshot::Sender<Result<Sequence, CommitError>>),
}

/// The ledger's writer.
pub struct Committer {
    journal: Journal,
    /// The writer's own copy of the books, ahead of what is published within a group.
    books: Books,
    published: Arc<RwLock<Books>>,
    touched: HashSet<RecordId>,
    view: Batch,
    clock: fn() -> UnixMillis,
    anchored: u64,
    noticed: watch::Sender<u64>,
    failure: watch::Sender<Option<Arc<str>>>,
}

impl Committer {
    /// Starts the writer over an opened journal and the books replayed with it.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(
        journal: Journal,
        books: Books,
        clock: fn() -> UnixMillis,
    ) -> std::io::Result<(CommitterHandle, JoinHandle<()>)> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (failure, failed) = watch::channel(None);
        let (noticed_sender, noticed) = watch::channel(0);
        let published = Arc::new(RwLock::new(books.clone()));
        let handle = CommitterHandle {
            commands,
            books: Arc::clone(&published),
            head: journal.head(),
            noticed,
            failed,
        };
        let committer = Self {
            journal,
            books,
            published,
            touched: HashSet::new(),
            view: Batch::default(),
            clock,
            anchored: 0,
            noticed: noticed_sender,
            failure,
        };
        settler(handle.commands.downgrade(), || Command::Settle)?;
        let thread =
            std::thread::Builder::new().name("committer".into()).spawn(move || committer.run(queue))?;
        Ok((handle, thread))
    }

    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(first) = queue.blocking_recv() {
            let mut answers = Vec::new();
            let mut closing = None;
            let mut due = false;
            let mut next = Some(first);
            let mut outcome = Ok(());
            while let Some(command) = next {
                if let Command::Close(answer) = command {
                    closing = Some(answer);
                    break;
                }
                due |= matches!(command, Command::Settle);
                outcome = self.take(command, &mut answers);
                if outcome.is_err() || answers.len() >= GROUP_MAX {
                    break;
                }
                next = queue.try_recv().ok();
            }
            let outcome = outcome.and_then(|()| self.commit());
            if let Err(error) = outcome {
                self.fail(&error, answers);
                return;
            }
            answers.into_iter().for_each(deliver);
            if let Err(error) = self.settle(due || closing.is_some()) {
                self.fail(&error, Vec::new());
                return;
            }
            if let Some(answer) = closing {
                let _ = answer.send(());
                return;
            }
        }
        if let Err(error) = self.settle(true) {
            self.fail(&error, Vec::new());
        }
    }

    fn take(&mut self, command: Command, answers: &mut Vec<Answer>) -> Result<(), JournalError> {
        match command {
            Command::Accept(batch, place, sender) => {
                let result = self.accept(*batch)?;
                answers.push(Answer::Accept(result, place, sender));
            }
            Command::Write(drafts, sender) => {
                self.commit()?;
                let mut results = Vec::with_capacity(drafts.len());
                for draft in &drafts {
                    results.push(self.stage(draft)?);
                }
                answers.push(Answer::Write(results, sender));
            }
            Command::Event(event, sender) => {
                let result = self.event(&event)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Release(release, sender) => {
                self.commit()?;
                let result = self.release(&release)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Close(_) | Command::Settle => {}
        }
        Ok(())
    }

    fn stage(&mut self, draft: &Draft) -> Result<Result<Written, WriteError>, JournalError> {
        use lienthong_node::replica::ComposeError;
        match self.journal.stage(draft, (self.clock)()) {
            Ok(stage) => {
                let outcome = match (stage.created, stage.written) {
                    (true, _) => Outcome::Created,
                    (false, true) => Outcome::Updated,
                    (false, false) => Outcome::Unchanged,
                };
                Ok(Ok(Written { record: stage.record, outcome }))
            }
            Err(JournalError::Compose(ComposeError::Dataset(fault))) => Err(fault.into()),
            Err(JournalError::Compose(error)) => Ok(Err(WriteError::Draft(Arc::new(error)))),
            Err(JournalError::Build(error)) => Ok(Err(WriteError::TooLarge(error.to_string()))),
            Err(other) => Err(other),
        }
    }

    fn event(&mut self, event: &Event) -> Result<Result<Sequence, CommitError>, JournalError> {
        let sequence = self.journal.stage_event(event)?;
        self.books.note_event(event, &mut self.view);
        Ok(Ok(sequence))
    }

    fn accept(&mut self, batch: VerifiedBatch) -> Result<Result<Accepted, CommitError>, JournalError> {
        let Some(held) = self.books.replicas.get(&batch.replica) else {
            return Ok(Err(CommitError::Unknown(batch.replica)));
        };
        if held.frontier.size() != batch.first.0 {
            let (held, found) = (held.frontier.size(), batch.first.0);
            return Ok(Err(CommitError::Overtaken { held, found }));
        }
        let unit = held.unit.clone();
        let count = self.books.quarantined_of(&unit);
        if count >= QUARANTINE_MAX {
            return Ok(Err(CommitError::QuarantineFull { unit, count }));
        }
        let now = (self.clock)();
        let verdicts = self.judge(&unit, &batch)?;
        let packed = strip_forbidden(&batch, &verdicts)?;
        let acceptance = Acceptance {
            replica: batch.replica,
            first: batch.first,
            size: batch.frontier.size(),
            root: batch.root,
            at: now,
            verdicts,
            checkpoint: batch.checkpoint.clone(),
        };
        // Staged entries of this group come first, so the acceptance's place is next().
        let dot = Dot { replica: self.journal.author().replica, sequence: self.journal.next() };
        let (bytes, leaf) = acceptance.build(dot, &secret())?;
        let position = self.journal.append_accepted(&bytes, leaf, &packed)?;
        self.admit(&unit, &acceptance, &batch.contents, dot.sequence, position)?;
        let held = Held {
            frontier: batch.frontier,
            root: batch.root,
            checkpoint: batch.checkpoint,
            ledger_index: dot.sequence.0,
            at: now,
            ..self.books.replicas.get(&batch.replica).cloned().unwrap_or_else(|| Held::empty(unit))
        };
        let accepted = Accepted { size: acceptance.size, ledger_index: dot.sequence.0, at: now };
        self.books.hold(batch.replica, held, batch.first, position, &mut self.view);
        Ok(Ok(accepted))
    }

    fn judge(
        &mut self,
        unit: &UnitCode,
        batch: &VerifiedBatch,
    ) -> Result<BTreeMap<u16, Verdict>, JournalError> {
        loop {
            let mut synced = true;
            let mut verdicts = BTreeMap::new();
            {
                let touched = &self.touched;
                let unsynced = |record: &RecordId| touched.contains(record);
                let catalogue = Arc::clone(self.journal.catalogue());
                let (own, next) = (self.journal.author().replica, self.journal.next().0);
                let replicas = &self.books.replicas;
                let held = |replica: ReplicaId| match replicas.get(&replica) {
                    Some(held) => held.frontier.size(),
                    None if replica == own => next,
                    None => 0,
                };
                let mut judge = Judge::new(self.journal.dataset(), &catalogue, unit, &unsynced, &held);
                for (index, content) in batch.contents.iter().enumerate() {
                    let verdict = match content {
                        Content::Change(change) => match judge.judge(change)? {
                            Judgement::Verdict(verdict) => verdict,
                            Judgement::NotSynced => {
                                synced = false;
                                break;
                            }
                        },
                        Content::Event(_) => Verdict::Applied,
                        Content::Opaque => Verdict::Quarantined(QuarantineReason::Undecodable),
                    };
                    if verdict != Verdict::Applied {
                        verdicts.insert(u16::try_from(index).unwrap_or(u16::MAX), verdict);
                    }
                }
            }
            if synced {
                return Ok(verdicts);
            }
            self.commit()?;
        }
    }

    /// Applies the admitted changes of an acceptance and books the others.
    fn admit(
        &mut self,
        unit: &UnitCode,
        acceptance: &Acceptance,
        contents: &[Content],
        ledger: Sequence,
        position: FramePosition,
    ) -> Result<(), JournalError> {
        for (index, content) in contents.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let at = EntryAt { frame: position, index };
            let verdict = acceptance.verdicts.get(&index);
            if let (Content::Change(change), None | Some(Verdict::Proposal)) = (content, verdict) {
                let source = Source::accepted(change, unit, acceptance.at, verdict.is_some(), at);
                self.journal.apply(Admitted { change, source })?;
                self.touched.insert(change.record);
            }
            self.books.note_content(unit, acceptance, content, index, &mut self.view);
            if let Some(verdict) = verdict {
                self.books.note_verdict(unit, acceptance, content, verdict, ledger.0, at, &mut self.view);
            }
        }
        Ok(())
    }

    fn release(&mut self, release: &Release) -> Result<Result<Sequence, CommitError>, JournalError> {
        let Some(waiting) = self.books.quarantine.get(&release.number).cloned() else {
            let (ledger, place) = release.number;
            return Ok(Err(CommitError::NotQuarantined(format!("{ledger}.{place}"))));
        };
        let reason = match waiting.reason {
            QuarantineReason::Forbidden => Some("its content was never stored"),
            QuarantineReason::Undecodable => Some("this version does not understand it"),
            QuarantineReason::ContextAhead => Some("it would win against every later write"),
            QuarantineReason::TypeUnknown
                if self.journal.catalogue().record_type(&waiting.record_type).is_none() =>
            {
                Some("the catalogue does not know its type yet")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Ok(Err(CommitError::NotReleasable(reason)));
        }
        let bytes = self.journal.dataset().entries().entry(waiting.at)?;
        let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) else {
            return Ok(Err(CommitError::NotReleasable("this version does not understand it")));
        };
        // A change of an unknown type was never judged: it is now.
        let proposal = match waiting.reason {
            QuarantineReason::TypeUnknown => match self.judge_late(&waiting.unit, &change)? {
                Verdict::Quarantined(reason) => return Ok(Err(CommitError::NotReleasable(reason.en()))),
                verdict => verdict == Verdict::Proposal,
            },
            _ => false,
        };
        let now = (self.clock)();
        let event = release_event(release, &waiting, proposal, now);
        let sequence = self.journal.stage_event(&event)?;
        self.books.note_event(&event, &mut self.view);
        let source = Source::accepted(&change, &waiting.unit, waiting.accepted_at, proposal, waiting.at);
        self.journal.apply(Admitted { change: &change, source })?;
        self.touched.insert(change.record);
        self.books.released(release.number, &waiting, sequence.0, now, &mut self.view);
        Ok(Ok(sequence))
    }

    fn judge_late(&self, unit: &UnitCode, change: &Change) -> Result<Verdict, JournalError> {
        let catalogue = Arc::clone(self.journal.catalogue());
        let held = |_| u64::MAX;
        let mut judge = Judge::new(self.journal.dataset(), &catalogue, unit, &|_| false, &held);
        match judge.judge(change)? {
            Judgement::Verdict(verdict) => Ok(verdict),
            Judgement::NotSynced => Ok(Verdict::Applied),
        }
    }

    /// One fdatasync for the whole group; then readers, streams and pages see it.
    fn commit(&mut self) -> Result<(), JournalError> {
        self.journal.commit()?;
        self.touched.clear();
        if self.books.take_changed() {
            let noticed = self.books.notice_count();
            self.published.write().clone_from(&self.books);
            self.noticed.send_if_modified(|last| std::mem::replace(last, noticed) != noticed);
        }
        Ok(())
    }

    fn settle(&mut self, due: bool) -> Result<(), JournalError> {
        let size = self.journal.frontier().size();
        let news = size > self.anchored;
        if self.journal.wants_flush() || (due && news) {
            self.journal.flush_with(std::mem::take(&mut self.view))?;
        }
        if due && news {
            self.journal.write_anchor()?;
            self.anchored = size;
        }
        Ok(())
    }

    fn fail(&self, error: &JournalError, answers: Vec<Answer>) {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(reason, "the ledger failed; nothing more is taken");
        let reason: Arc<str> = reason.into();
        self.failure.send_replace(Some(Arc::clone(&reason)));
        for answer in answers {
            let failed = || CommitError::Failed(Arc::clone(&reason));
            deliver(match answer {
                Answer::Accept(_, place, sender) => Answer::Accept(Err(failed()), place, sender),
                Answer::Sequence(_, sender) => Answer::Sequence(Err(failed()), sender),
                Answer::Write(results, sender) => {
                    let refused = || Err(WriteError::Failed(Arc::clone(&reason)));
                    Answer::Write(results.iter().map(|_| refused()).collect(), sender)
                }
            });
        }
    }
}

fn deliver(answer: Answer) {
    match answer {
        Answer::Accept(result, _place, sender) => drop(sender.send(result)),
        Answer::Write(results, sender) => drop(sender.send(results)),
        Answer::Sequence(result, sender) => drop(sender.send(result)),
    }
}

/// The bytes to log: as they came, unless something in them may not enter the system.
fn strip_forbidden(
    batch: &VerifiedBatch,
    verdicts: &BTreeMap<u16, Verdict>,
) -> Result<bytes::Bytes, JournalError> {
    let forbidden = Verdict::Quarantined(QuarantineReason::Forbidden);
    if !verdicts.values().any(|verdict| *verdict == forbidden) {
        return Ok(batch.packed.clone());
    }
    let malformed = |source| JournalError::Malformed { sequence: batch.first, source };
    let plain = batch::unpack(&batch.packed)?;
    let mut kept = Vec::new();
    for (index, bytes) in batch::entries(&plain).map_err(malformed)?.into_iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        if verdicts.get(&index) == Some(&forbidden) {
            let entry = Entry::decode(bytes).map_err(malformed)?;
            kept.push(entry.redact(|name| matches!(name, path::TYPE | path::YEAR | path::NUMBER)));
        } else {
            kept.push(bytes.to_vec());
        }
    }
    Ok(batch::pack(kept.iter().map(Vec::as_slice))?.into())
}

fn release_event(release: &Release, waiting: &Quarantined, proposal: bool, at: UnixMillis) -> Event {
    let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let fields = BTreeMap::from([
        ("ledger_index".to_owned(), number(release.number.0)),
        ("place".to_owned(), number(u64::from(release.number.1))),
        ("replica".to_owned(), Value::Text(waiting.dot.replica.to_string())),
        ("sequence".to_owned(), number(waiting.dot.sequence.0)),
        ("reason".to_owned(), Value::Text(release.reason.clone())),
        ("proposal".to_owned(), Value::Boolean(proposal)),
    ]);
    Event { kind: "release".to_owned(), at, actor: release.actor.clone(), fields }
}
