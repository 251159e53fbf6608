//! The door to the ledger's writer: what can be asked of it, and how it answers.

use std::sync::Arc;

use lienthong_node::ask::{Pending, ask, put};
use lienthong_node::replica::{Again, Draft, Head, WriteError, Written};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::limits::{ROLL_UNITS_MAX, UNIT_REPLICAS_MAX};
use lienthong_proto::note::Verifier;
use lienthong_proto::text::in_both;
use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::{Decision, Delivery, Obstacle, Release, Separation, VerifiedBatch};
use crate::feed::FeedIndex;
use crate::ledger::Books;

/// What the hub answers to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The replica's log size now held.
    pub size: u64,
    /// The acceptance's place in the ledger.
    pub ledger_index: u64,
    /// The hub's time.
    pub at: UnixMillis,
    /// An order took something of it: its writer is to be told.
    pub erased: bool,
}

/// Why the ledger did not take something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Another stream of the same replica was faster; the sender must greet again.
    #[error(
        "lô bắt đầu từ mục {found}, tỉnh đang giữ {held} · the batch begins at {found}, the hub holds {held}"
    )]
    Overtaken {
        /// What is held.
        held: u64,
        /// Where the batch begins.
        found: u64,
    },
    /// It continues another log than the one held, which has just grown; the sender must greet again.
    #[error(
        "lô nối tiếp một nhật ký khác với nhật ký tỉnh đang giữ, từ mục {at} · the batch continues another log than the hub holds, at {at}"
    )]
    Diverged {
        /// Where the batch begins.
        at: u64,
    },
    /// The replica was never enrolled here.
    #[error("máy {0} chưa được ghi danh · replica {0} is not enrolled")]
    Unknown(ReplicaId),
    /// The unit has too much in quarantine: a person must look first.
    #[error(
        "đơn vị {unit} có {count} thay đổi đang chờ ở tỉnh; tỉnh phải xử lý bớt trước · unit {unit} has {count} changes in quarantine; release or settle them first"
    )]
    QuarantineFull {
        /// Whose.
        unit: UnitCode,
        /// How many.
        count: usize,
    },
    /// No such change in quarantine.
    #[error("không có số {0} trong danh sách chờ · nothing in quarantine has the number {0}")]
    NotQuarantined(String),
    /// It cannot be released: the reason stands.
    #[error("chưa nhập được: {} · it cannot be released: {}", .0.vi, .0.en)]
    NotReleasable(Obstacle),
    /// The grant a delivery names is not in force.
    #[error(
        "giấy cấp quyền số {0} không còn hiệu lực, hoặc việc thay máy chủ chưa được xác nhận · grant {0} is not in force, or a succession was not confirmed"
    )]
    NotGranted(u64),
    /// There are more units than a roll names.
    #[error(
        "danh sách máy nêu được {ROLL_UNITS_MAX} đơn vị, có {0} · a roll names {ROLL_UNITS_MAX} units, there are {0}"
    )]
    TooManyUnits(usize),
    /// A unit has more replicas than a line of a roll holds.
    #[error(
        "đơn vị {0} có nhiều máy hơn danh sách nêu được ({UNIT_REPLICAS_MAX}) · unit {0} has more replicas than a roll lists ({UNIT_REPLICAS_MAX})"
    )]
    TooManyReplicas(UnitCode),
    /// The ledger cannot be read for the records wanted.
    #[error("{}", in_both("không lập lại được bản ghi", "the records cannot be made again", .0))]
    Unreadable(String),
    /// The ledger does not reach the disk; nothing is taken any more.
    #[error("{}", in_both("sổ cái không nhận ghi nữa", "the ledger takes no more writes", .0))]
    Failed(Arc<str>),
}

pub(super) enum Command {
    Accept(Box<VerifiedBatch>, OwnedSemaphorePermit, oneshot::Sender<Result<Accepted, CommitError>>),
    Write(Vec<Draft>, oneshot::Sender<Vec<Result<Written, WriteError>>>),
    Event(Event, oneshot::Sender<Result<Sequence, CommitError>>),
    Deliver(Delivery, oneshot::Sender<Result<Sequence, CommitError>>),
    ReceiptKey(Verifier, String, oneshot::Sender<Result<Sequence, CommitError>>),
    Tally(String, oneshot::Sender<Result<Sequence, CommitError>>),
    Roll(Vec<UnitCode>, oneshot::Sender<Result<Sequence, CommitError>>),
    Separate(Separation, oneshot::Sender<Result<RecordId, CommitError>>),
    Decide(Vec<Decision>, oneshot::Sender<Result<Vec<Written>, WriteError>>),
    Release(Release, oneshot::Sender<Result<Sequence, CommitError>>),
    Remake(Box<dyn Again>, oneshot::Sender<Result<u64, CommitError>>),
    /// A replica came, with a log of this size.
    Greeted(ReplicaId, u64),
    Rehome(Vec<(String, RecordId)>, oneshot::Sender<Result<u64, CommitError>>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
    /// A second has passed.
    Settle,
}

/// Asks things of the ledger's writer; cheap to clone.
#[derive(Clone)]
pub struct CommitterHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) books: Arc<RwLock<Books>>,
    pub(super) feed: FeedIndex,
    pub(super) head: watch::Receiver<Head>,
    pub(super) noticed: watch::Receiver<u64>,
    pub(super) failed: watch::Receiver<Option<Arc<str>>>,
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
        let put = put(&self.commands, |answer| Command::Accept(Box::new(batch), place, answer)).await;
        let pending = put.ok_or_else(|| self.refusal())?;
        Ok(PendingAnswer { pending, failed: self.failed.clone() })
    }

    /// Says that a replica came, with a log of `size`: while a succession is open, nobody has seen more of it.
    pub async fn greeted(&self, replica: ReplicaId, size: u64) {
        let _ = self.commands.send(Command::Greeted(replica, size)).await;
    }

    /// Writes the province's own records.
    pub async fn write(&self, drafts: Vec<Draft>) -> Vec<Result<Written, WriteError>> {
        let count = drafts.len();
        match self.ask(|answer| Command::Write(drafts, answer)).await {
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
        self.ask(|answer| Command::Event(event, answer)).await?
    }

    /// Logs a delivery, if its grant is in force at this very moment: only then may anything be released.
    ///
    /// # Errors
    /// [`CommitError::NotGranted`] if it is not; else as [`Self::event`].
    pub async fn deliver(&self, delivery: Delivery) -> Result<Sequence, CommitError> {
        self.ask(|answer| Command::Deliver(delivery, answer)).await?
    }

    /// Signs for how many changes of each type the province itself has written, unless nothing was since it last did;
    /// the answer is the ledger's next place then.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn tally(&self, actor: &str) -> Result<Sequence, CommitError> {
        self.ask(|answer| Command::Tally(actor.to_owned(), answer)).await?
    }

    /// Calls the roll; the answer is the place of its last entry.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn roll(&self, units: Vec<UnitCode>) -> Result<Sequence, CommitError> {
        self.ask(|answer| Command::Roll(units, answer)).await?
    }

    /// Writes a steward's decisions, each with the event that accounts for it: both or none. They are carried
    /// out in order; what stands before a refused one stays.
    ///
    /// # Errors
    /// [`WriteError`] if one was not accepted.
    pub async fn decide(&self, decisions: Vec<Decision>) -> Result<Vec<Written>, WriteError> {
        match self.ask(|answer| Command::Decide(decisions, answer)).await {
            Ok(result) => result,
            Err(error) => Err(WriteError::Failed(error.to_string().into())),
        }
    }

    /// Gives what a unit states of somebody else under a number a record of its own; its id.
    ///
    /// # Errors
    /// [`CommitError`] if nothing waits, or not for that.
    pub async fn separate(&self, separation: Separation) -> Result<RecordId, CommitError> {
        self.ask(|answer| Command::Separate(separation, answer)).await?
    }

    /// Releases a change from quarantine.
    ///
    /// # Errors
    /// [`CommitError`] if there is none, or it may not be released.
    pub async fn release(&self, release: Release) -> Result<Sequence, CommitError> {
        self.ask(|answer| Command::Release(release, answer)).await?
    }

    /// Puts records made again from the ledger in the place of those in the view; how many were different.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger cannot be read.
    pub async fn remake(&self, again: Box<dyn Again>) -> Result<u64, CommitError> {
        self.ask(|answer| Command::Remake(again, answer)).await?
    }

    /// Moves those of these records that a step of the units, or the undoing of one, leaves to move; how many.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger takes nothing any more.
    pub async fn rehome(&self, records: Vec<(String, RecordId)>) -> Result<u64, CommitError> {
        self.ask(|answer| Command::Rehome(records, answer)).await?
    }

    /// Brings what was accepted to the view; nothing if the ledger failed.
    pub async fn flush(&self) {
        let _ = self.ask(Command::Flush).await;
    }

    /// Ends the writer: what was accepted is in the view and anchored.
    pub async fn close(&self) {
        let _ = self.ask(Command::Close).await;
    }

    /// What the ledger holds of each replica, in quarantine, and to tell.
    #[must_use]
    pub fn books(&self) -> &Arc<RwLock<Books>> {
        &self.books
    }

    /// Who is to be handed what.
    #[must_use]
    pub fn feed(&self) -> &FeedIndex {
        &self.feed
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

    /// Holds why nothing is taken any more, once that is so.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failed.clone()
    }

    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, CommitError> {
        ask(&self.commands, question).await.ok_or_else(|| self.refusal())
    }

    fn refusal(&self) -> CommitError {
        refusal(&self.failed)
    }
}

fn refusal(failed: &watch::Receiver<Option<Arc<str>>>) -> CommitError {
    CommitError::Failed(
        failed.borrow().clone().unwrap_or_else(|| Arc::from("chương trình đang dừng · it is shutting down")),
    )
}

/// An answer that comes after the batch's fdatasync.
pub struct PendingAnswer {
    pending: Pending<Command, Result<Accepted, CommitError>>,
    failed: watch::Receiver<Option<Arc<str>>>,
}

impl PendingAnswer {
    /// Waits for it.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was taken then.
    pub async fn wait(self) -> Result<Accepted, CommitError> {
        self.pending.wait().await.ok_or_else(|| refusal(&self.failed))?
    }
}
