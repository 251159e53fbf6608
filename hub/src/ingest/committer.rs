//! The one writer of the ledger: takes what all streams have verified, judges it, logs it in one go, and
//! answers everyone after one fdatasync.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use lienthong_node::observe::Job;
use lienthong_node::replica::{Draft, Head, Journal, JournalError, WriteError, Written, settler};
use lienthong_node::store::Batch;
use lienthong_proto::batch;
use lienthong_proto::change::path;
use lienthong_proto::entry::Entry;
use lienthong_proto::erasure::{Erased, Erasure};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::handle::Command;
use super::verify::Content;
use super::{
    Accepted, Admission, CommitError, CommitterHandle, Former, Judge, Judgement, VerifiedBatch,
    note_own_readings, reading_begins,
};
use crate::erasing::LATE;
use crate::feed::{Decided, FeedIndex};
use crate::ledger::{Books, HeldReplica as Held, Touched};
use crate::observe::Meters;
use crate::reconcile::handed_over;

/// Batches and commands that may wait for the writer.
const QUEUE: usize = 128;
/// Batches one group may hold: bounds the time to the first answer.
const GROUP_MAX: usize = 64;
/// Changes of one unit that may wait in quarantine.
pub const QUARANTINE_MAX: usize = 10_000;

enum Answer {
    Accept(
        Result<Accepted, CommitError>,
        OwnedSemaphorePermit,
        oneshot::Sender<Result<Accepted, CommitError>>,
    ),
    Write(Vec<Result<Written, WriteError>>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Sequence(Result<Sequence, CommitError>, oneshot::Sender<Result<Sequence, CommitError>>),
    Record(Result<RecordId, CommitError>, oneshot::Sender<Result<RecordId, CommitError>>),
    Decided(Result<Vec<Written>, WriteError>, oneshot::Sender<Result<Vec<Written>, WriteError>>),
    /// How many records were made again, or moved.
    Remake(Result<u64, CommitError>, oneshot::Sender<Result<u64, CommitError>>),
}

/// The ledger's writer.
pub struct Committer {
    pub(super) journal: Journal,
    queue: mpsc::Receiver<Command>,
    /// The writer's own copy of the books, ahead of what is published within a group.
    pub(super) books: Books,
    published: Arc<RwLock<Books>>,
    pub(super) feed: FeedIndex,
    pub(super) touched: HashSet<RecordId>,
    /// How long the logs are of those who came while a succession is open, as they said.
    greeted: HashMap<ReplicaId, u64>,
    pub(super) view: Batch,
    pub(super) clock: fn() -> UnixMillis,
    anchored: u64,
    /// The head as readers are told of it.
    told: watch::Sender<Head>,
    noticed: watch::Sender<u64>,
    failure: watch::Sender<Option<Arc<str>>>,
    meters: Arc<Meters>,
    job: Arc<Job>,
}

impl Committer {
    /// Starts the writer in a thread of its own; `handle` is its.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(self, handle: &CommitterHandle) -> std::io::Result<JoinHandle<()>> {
        settler(handle.commands.downgrade(), || Command::Settle)?;
        std::thread::Builder::new().name("committer".into()).spawn(move || self.run())
    }

    /// The writer over an opened journal and the books replayed with it; it counts, and tells of its rounds. Until it is
    /// started nothing happens but by [`Committer::turn`].
    pub fn without_threads(
        journal: Journal,
        mut books: Books,
        feed: FeedIndex,
        clock: fn() -> UnixMillis,
        (meters, job): (Arc<Meters>, Arc<Job>),
    ) -> (CommitterHandle, Self) {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (failure, failed) = watch::channel(None);
        let (noticed_sender, noticed) = watch::channel(0);
        let (told, head) = watch::channel(*journal.head().borrow());
        let published = Arc::new(RwLock::new(books.for_readers()));
        let handle = CommitterHandle {
            commands,
            books: Arc::clone(&published),
            feed: feed.clone(),
            head,
            noticed,
            failed,
        };
        let committer = Self {
            journal,
            queue,
            books,
            published,
            feed,
            touched: HashSet::new(),
            greeted: HashMap::new(),
            view: Batch::default(),
            clock,
            anchored: 0,
            noticed: noticed_sender,
            told,
            failure,
            meters,
            job,
        };
        (handle, committer)
    }

    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            if !self.round(first) {
                return;
            }
        }
        if let Err(error) = self.settle(true) {
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
        while let Some(command) = next {
            if let Command::Close(answer) = command {
                closing = Some(answer);
                break;
            }
            due |= matches!(command, Command::Settle);
            if let Command::Flush(answer) = command {
                flushed.push(answer);
            } else {
                outcome = self.take(command, &mut answers);
            }
            if outcome.is_err() || answers.len() >= GROUP_MAX {
                break;
            }
            next = self.queue.try_recv().ok();
        }
        let outcome = outcome.and_then(|()| self.commit());
        if let Err(error) = outcome {
            self.fail(&error, answers);
            return false;
        }
        answers.into_iter().for_each(deliver);
        if let Err(error) = self.redirect().and_then(|()| self.settle_readings()) {
            self.fail(&error, Vec::new());
            return false;
        }
        if let Err(error) = self.settle(due || closing.is_some() || !flushed.is_empty()) {
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

    fn take(&mut self, command: Command, answers: &mut Vec<Answer>) -> Result<(), JournalError> {
        match command {
            Command::Accept(batch, place, sender) => {
                let result = self.accept(*batch)?;
                if let Ok(accepted) = &result {
                    self.keep_apart(accepted.ledger_index)?;
                }
                answers.push(Answer::Accept(result, place, sender));
            }
            Command::Write(drafts, sender) => {
                self.commit()?;
                let mut results = Vec::with_capacity(drafts.len());
                for draft in drafts {
                    results.push(self.stage(draft)?);
                }
                answers.push(Answer::Write(results, sender));
            }
            Command::Event(event, sender) => {
                let result = self.event(&event)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Deliver(delivery, sender) => {
                let result = self.deliver(&delivery)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::ReceiptKey(key, actor, sender) => {
                let result = self.name_receipt_key(&key, &actor)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Tally(actor, sender) => {
                let place = self.journal.stage_tally((self.clock)(), &actor)?;
                answers.push(Answer::Sequence(Ok(place.unwrap_or_else(|| self.journal.next())), sender));
            }
            Command::Roll(units, sender) => {
                let result = self.roll(units)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Settle => {
                let now = (self.clock)();
                if self.journal.is_tally_due(now) {
                    self.journal.stage_tally(now, "daily")?;
                }
            }
            Command::Decide(decisions, sender) => {
                self.commit()?;
                let result = self.decide_all(decisions)?;
                answers.push(Answer::Decided(result, sender));
            }
            Command::Separate(separation, sender) => {
                self.commit()?;
                let result = self.separate(&separation)?;
                answers.push(Answer::Record(result, sender));
            }
            Command::Release(release, sender) => {
                self.commit()?;
                let result = self.release(&release)?;
                answers.push(Answer::Sequence(result, sender));
            }
            Command::Remake(mut again, sender) => {
                self.commit()?;
                let view = std::mem::take(&mut self.view);
                let result = self.journal.remake(again.as_mut(), view)?;
                self.feed.forget(self.journal.frontier().size());
                let result = result.map_err(|error| CommitError::Unreadable(error.to_string()));
                answers.push(Answer::Remake(result, sender));
            }
            Command::Rehome(records, sender) => {
                self.commit()?;
                let moved = self.rehome(&records)?;
                answers.push(Answer::Remake(Ok(moved), sender));
            }
            Command::Greeted(replica, size) => {
                if self.books.succession.is_open() {
                    self.greeted.insert(replica, size);
                }
            }
            Command::Close(_) | Command::Flush(_) => {}
        }
        Ok(())
    }

    pub(super) fn stage(&mut self, draft: Draft) -> Result<Result<Written, WriteError>, JournalError> {
        use lienthong_node::replica::ComposeError;
        match self.journal.stage(draft, (self.clock)()) {
            Ok(stage) => Ok(Ok(stage.written())),
            Err(JournalError::Compose(ComposeError::Dataset(fault))) => Err(fault.into()),
            Err(JournalError::Compose(error)) => Ok(Err(WriteError::Draft(Arc::new(error)))),
            Err(JournalError::Build(error)) => Ok(Err(WriteError::TooLarge(error.to_string()))),
            Err(other) => Err(other),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<Result<Sequence, CommitError>, JournalError> {
        let sequence = self.journal.stage_event(event)?;
        self.books.note_event(event, sequence, &mut self.view);
        handed_over(event, sequence, &self.feed, &mut self.view);
        reading_begins(event, sequence, &self.feed, &mut self.view);
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
        // Two machines with one replica's disk, each on a line of its own: what one sent may be as long as what the
        // other is followed through by its session, and yet another log.
        if held.frontier.root() != batch.onto {
            return Ok(Err(CommitError::Diverged { at: batch.first.0 }));
        }
        let (unit, before) = (held.unit.clone(), held.accepted);
        let count = self.books.quarantined_of(&unit);
        if count >= QUARANTINE_MAX {
            return Ok(Err(CommitError::QuarantineFull { unit, count }));
        }
        let now = (self.clock)();
        // What the province has written in this group stands before the batch, and is judged with.
        self.journal.append_staged()?;
        let verdicts = self.judge(&unit, &batch)?;
        let packed = strip_forbidden(&batch, &verdicts)?;
        let acceptance = Acceptance {
            replica: batch.replica,
            first: batch.first,
            size: batch.frontier.size(),
            root: batch.root,
            at: now,
            before,
            verdicts,
            checkpoint: batch.checkpoint.clone(),
        };
        // Staged entries of this group come first, so the acceptance's place is next().
        let dot = Dot { replica: self.journal.author().replica, sequence: self.journal.next() };
        let (bytes, leaf) = acceptance.build(dot, &self.journal.secret())?;
        let position = self.journal.append_accepted(&bytes, leaf, &packed)?;
        let admission = Admission {
            acceptance: &acceptance,
            contents: &batch.contents,
            ledger: dot.sequence,
            frame: position,
        };
        let (touched, feed, view) = (&mut self.touched, &self.feed, &mut self.view);
        admission.admit(&self.journal, &unit, &mut self.books, feed, view, &mut |record| {
            touched.insert(record);
        })?;
        let held = Held {
            frontier: batch.frontier,
            root: batch.root,
            checkpoint: batch.checkpoint,
            ledger_index: dot.sequence.0,
            at: now,
            accepted: acceptance.chain(dot.sequence.0),
            ..self.books.replicas.get(&batch.replica).cloned().unwrap_or_else(|| Held::empty(unit))
        };
        let erased = !batch.late.is_empty();
        let accepted = Accepted { size: acceptance.size, ledger_index: dot.sequence.0, at: now, erased };
        self.count(&batch.contents);
        self.books.hold(batch.replica, held, batch.first, position, &mut self.view);
        for (proposal, entries) in batch.late {
            self.erase_late(batch.replica, proposal, entries)?;
        }
        Ok(Ok(accepted))
    }

    /// What an order took of a batch that was written before it and came behind it is ordered as well.
    fn erase_late(
        &mut self,
        replica: ReplicaId,
        proposal: Sequence,
        entries: Vec<Erased>,
    ) -> Result<(), JournalError> {
        let Some(known) = self.books.orders.by_number.get(&proposal.0) else { return Ok(()) };
        let mut units = known.units.clone();
        units.extend(self.books.replicas.get(&replica).map(|held| held.unit.clone()));
        let erasure = Erasure { order: known.order.clone(), units, entries, at: (self.clock)() };
        let mut event = erasure.to_event(proposal, "hub");
        event.fields.insert(LATE.to_owned(), Value::Boolean(true));
        self.event(&event).map(drop)
    }

    fn count(&self, contents: &[Content]) {
        self.meters.accepted(contents.len());
        for content in contents {
            if let Content::Event(event) = content
                && event.kind == "import"
            {
                self.meters.imported(event);
            }
        }
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
                let (touched, journal) = (&self.touched, &self.journal);
                let unsynced = |record: &RecordId| touched.contains(record) || journal.is_staged(record);
                let catalogue = Arc::clone(self.journal.catalogue());
                let (own, next) = (self.journal.author().replica, self.journal.next().0);
                let (replicas, succession) = (&self.books.replicas, &self.books.succession);
                let greeted = &self.greeted;
                let held = |replica: ReplicaId| {
                    let held = replicas.get(&replica).map_or(0, |held| held.frontier.size());
                    match replica {
                        _ if replica == own => next,
                        // Nobody writes there any more: what was seen behind its backup wins against nothing to come.
                        _ if succession.former.contains(&replica) => u64::MAX,
                        // What a log that is not back yet was seen to hold, the ledger before had judged; one that is
                        // back has said itself how long it is.
                        _ if succession.is_open() => {
                            greeted.get(&replica).map_or(u64::MAX, |size| held.max(*size))
                        }
                        _ => held,
                    }
                };
                let key = Arc::clone(&self.journal.author().provincial_key);
                let fed = replicas.get(&batch.replica).map(|held| held.fed).unwrap_or_default();
                let former = Former { lineage: &self.books.lineage, ledger: own, at: (self.clock)(), fed };
                let mut judge =
                    Judge::new(self.journal.dataset(), (&catalogue, &key), unit, &unsynced, &held)
                        .with(former);
                for (index, content) in batch.contents.iter().enumerate() {
                    let verdict = match content {
                        Content::Change(change) => match judge.judge(change)? {
                            Judgement::Verdict(verdict) => verdict,
                            Judgement::NotSynced => {
                                synced = false;
                                break;
                            }
                        },
                        Content::Event(event) => {
                            judge.heard(event);
                            Verdict::Applied
                        }
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

    /// One fdatasync for the whole group; then readers, streams and pages see it.
    pub(super) fn commit(&mut self) -> Result<(), JournalError> {
        let (begun, before) = (Instant::now(), self.journal.head().borrow().size);
        let after = self.journal.commit()?.size;
        if after > before {
            self.meters.commits.note(begun.elapsed());
        }
        self.touched.clear();
        self.note_own()?;
        self.feed.publish();
        if self.books.take_changed() {
            let noticed = self.books.notice_count() + self.books.orders.count();
            self.books.hand_over(&mut self.published.write());
            self.noticed.send_if_modified(|last| std::mem::replace(last, noticed) != noticed);
        }
        // Last: whoever waits for it finds the books as they are by then.
        let head = *self.journal.head().borrow();
        self.told.send_if_modified(|last| std::mem::replace(last, head) != head);
        Ok(())
    }

    /// Notes the province's own changes for those whose records they concern.
    fn note_own(&mut self) -> Result<(), JournalError> {
        for appended in self.journal.take_appended() {
            let touched = Touched {
                record_type: &appended.record_type,
                record: appended.record,
                writes: &|path| appended.paths.iter().any(|written| written == path),
                by_province: true,
            };
            self.books.look_at(&self.journal, &touched, appended.written, &mut self.view)?;
            let decided = Decided {
                record_type: &appended.record_type,
                record: appended.record,
                unit: &self.journal.author().unit,
                accepted: appended.written,
                proposal: false,
                at: appended.at,
                before: appended.before.as_ref(),
                names_owner: appended.paths.iter().any(|written| written == path::UNIT),
                dot: Dot { replica: self.journal.author().replica, sequence: appended.sequence },
                place: FeedCursor { ledger: appended.sequence.0, place: 0 },
            };
            self.feed.note_change(self.journal.dataset(), &decided, &mut self.view)?;
            note_own_readings(&self.journal, &decided, &mut self.books, &self.feed, &mut self.view)?;
        }
        Ok(())
    }

    fn settle(&mut self, due: bool) -> Result<(), JournalError> {
        let size = self.journal.frontier().size();
        let news = size > self.anchored;
        if self.journal.wants_flush() || (due && news) {
            self.journal.flush_with(std::mem::take(&mut self.view))?;
            self.feed.forget(size);
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
                Answer::Record(_, sender) => Answer::Record(Err(failed()), sender),
                Answer::Decided(_, sender) => {
                    Answer::Decided(Err(WriteError::Failed(Arc::clone(&reason))), sender)
                }
                Answer::Remake(_, sender) => Answer::Remake(Err(failed()), sender),
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
        Answer::Decided(result, sender) => drop(sender.send(result)),
        Answer::Record(result, sender) => drop(sender.send(result)),
        Answer::Remake(result, sender) => drop(sender.send(result)),
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
