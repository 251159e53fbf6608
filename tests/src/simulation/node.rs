//! A simulated node: the product's log, writer, state machine and batches, moved by hand.

use std::collections::BTreeSet;
use std::pin::Pin;

use futures::FutureExt as _;
use lienthong_node::log::{self, Disk, HashFile, OpenError};
use lienthong_node::recover::Refilled;
use lienthong_node::replica::{
    Draft, FeedError, Head, Journal, JournalError, Outcome, Replica, WriteError, Writer, Written,
};
use lienthong_node::sync::{
    Action, BatchBuilder, Bearer, Event, Machine as Sync, Phase, Roots as _, Settings, Witness, feed_piece,
    verify_receipt,
};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, Sequence};
use lienthong_proto::wire::sync as wire;

use super::parts::{COSIGNER, Identity, Machine, Trusted, catalogue, job, journal_options};
use super::random::{clock, seed, set_clock};
use super::witnessing::longest_seen;

type Answer<T> = Pin<Box<dyn Future<Output = T>>>;

/// What became of a node for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It serves.
    Serving,
    /// It knows that its log contradicts what the hub holds, or is told so: read-only.
    Regressed,
    /// Its log is damaged; it does not open.
    Damaged,
    /// Its certificate was revoked.
    Revoked,
    /// A new replica goes on in its place.
    Replaced,
}

/// A write its user was told is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// Where it stands.
    pub(super) sequence: u64,
    /// The record.
    pub(super) record: RecordId,
}

/// What a crash ends.
pub(super) struct Life {
    /// The handle its users have.
    pub(super) replica: Replica,
    /// The one who writes.
    pub(super) writer: Writer,
    /// What it does about its hub.
    pub(super) sync: Sync,
    /// Makes batches.
    pub(super) builder: BatchBuilder,
    /// What it promises about the ledger.
    pub(super) witness: Witness,
    head: Head,
    writes: Vec<Answer<Vec<Result<Written, WriteError>>>>,
    feeding: Option<Answer<Result<(), FeedError>>>,
}

/// One node.
pub(super) struct Node {
    /// Who it is.
    pub(super) identity: Identity,
    /// What it runs on.
    pub(super) machine: Machine,
    /// While it runs.
    pub(super) life: Option<Life>,
    /// What became of it.
    pub(super) fate: Fate,
    /// Its line to the hub.
    pub(super) line: Option<u64>,
    /// What its users were told.
    pub(super) acknowledged: Vec<Acknowledged>,
    /// When it is to look at its clock, by the true time: a timer runs on whatever the clock is set to.
    alarm: Option<u64>,
    /// The highest receipt it believed.
    pub(super) receipt: u64,
    /// Notices it was told.
    pub(super) notices: BTreeSet<u64>,
    /// Another machine goes by the same name, or has: what it wrote may be in a log that is fenced.
    pub(super) doubled: bool,
    /// What it knows of its hub.
    pub(super) trusted: Trusted,
    /// Heads of the ledger it ever cosigned.
    pub(super) cosigned: Vec<(u64, Digest)>,
    /// Why it ever refused its hub.
    pub(super) refused: Vec<String>,
    /// What users were told is durable by the replica in whose place it goes on: where, and the leaf.
    pub(super) inherited: Vec<(Dot, Digest)>,
}

/// What a node wants of the world.
pub(super) enum Wish {
    /// A line.
    Dial,
    /// Its end.
    HangUp,
    /// This said on it.
    Say(Box<wire::Up>),
}

/// How opening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It runs.
    Runs,
    /// Its log is damaged.
    Damaged,
}

impl Node {
    /// One that does not run yet.
    #[must_use]
    pub(super) fn new(identity: Identity, machine: Machine, trusted: Trusted) -> Self {
        Self {
            identity,
            machine,
            life: None,
            fate: Fate::Serving,
            line: None,
            acknowledged: Vec::new(),
            alarm: None,
            receipt: 0,
            notices: BTreeSet::new(),
            doubled: false,
            trusted,
            cosigned: Vec::new(),
            refused: Vec::new(),
            inherited: Vec::new(),
        }
    }

    /// Whether it is started again when it is down.
    #[must_use]
    pub(super) fn is_kept(&self) -> bool {
        !matches!(self.fate, Fate::Damaged | Fate::Replaced)
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it fails otherwise than a damaged log does.
    pub(super) fn open(&mut self, true_millis: u64) -> anyhow::Result<Opened> {
        set_clock(self.machine.now(true_millis).0);
        let dir = &self.machine.dir;
        let disk = Disk::over(std::sync::Arc::clone(&self.machine.disk) as _);
        let opened = match log::open(dir, self.identity.replica, disk) {
            Ok(opened) => opened,
            Err(OpenError::Damaged(_) | OpenError::OtherReplica { .. }) => {
                self.fate = Fate::Damaged;
                return Ok(Opened::Damaged);
            }
            Err(other) => return Err(other.into()),
        };
        let hashes = HashFile::open(dir, opened.writer.next_sequence().0)?;
        let view = std::sync::Arc::clone(&self.machine.view);
        let journal = Journal::open(
            opened.writer,
            opened.reader,
            hashes,
            view,
            catalogue()?,
            self.identity.author(),
            journal_options(false),
            &mut Refilled::new(self.identity.unit.clone()),
        );
        let journal = match journal {
            Ok(journal) => journal,
            Err(JournalError::Shorter { .. }) => {
                self.fate = Fate::Damaged;
                return Ok(Opened::Damaged);
            }
            Err(other) => return Err(other.into()),
        };
        self.machine.disk.rebase(dir)?;
        let (replica, writer) = Replica::without_threads(journal, clock, job());
        let head = *replica.head().borrow();
        let key = std::sync::Arc::clone(&self.identity.key);
        let (reader, hashes) = (replica.reader().clone(), std::sync::Arc::clone(replica.hashes()));
        let origin = self.identity.origin();
        let builder = BatchBuilder::new(reader, hashes, origin.clone(), key);
        let log = self.identity.key.as_ref();
        let bearer = Bearer { replica: self.identity.replica, origin: &origin, log };
        let ledger = self.trusted.ledger.origin.to_string();
        std::fs::create_dir_all(dir.join("identity"))?;
        let witness = Witness::of(dir, &bearer, ledger, (seed, clock()))?;
        let settings = Settings { retry_millis: (50, 5_000), flight_bytes_max: 3_000, ..Settings::default() };
        let sync = Sync::new(settings, head, self.receipt.min(head.size), clock());
        let (writes, feeding) = (Vec::new(), None);
        self.life = Some(Life { replica, writer, sync, builder, witness, head, writes, feeding });
        self.line = None;
        self.wind(true_millis);
        Ok(Opened::Runs)
    }

    /// Whether it takes writes.
    #[must_use]
    pub(super) fn writes(&self) -> bool {
        self.life.is_some() && matches!(self.fate, Fate::Serving | Fate::Revoked)
    }

    /// Whether a piece of the feed is on its way to the disk: nothing behind it is read then.
    #[must_use]
    pub(super) fn is_feeding(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.feeding.is_some())
    }

    /// A user writes.
    pub(super) fn write(&mut self, drafts: Vec<Draft>) {
        let Some(life) = &mut self.life else { return };
        let replica = life.replica.clone();
        let mut answer: Answer<_> = Box::pin(async move { replica.write(drafts).await });
        // Polled once, it waits in the writer's queue.
        if answer.as_mut().now_or_never().is_none() {
            life.writes.push(answer);
        }
    }

    /// The writer has its turn; what the node then wants, and whether it still runs.
    pub(super) fn turn(&mut self, true_millis: u64, due: bool, random: u64) -> (Vec<Wish>, bool) {
        set_clock(self.machine.now(true_millis).0);
        let Some(life) = &mut self.life else { return (Vec::new(), false) };
        let goes_on = life.writer.turn(due);
        let mut waiting = Vec::new();
        for mut answer in std::mem::take(&mut life.writes) {
            match answer.as_mut().now_or_never() {
                Some(results) => {
                    for written in results.into_iter().flatten() {
                        if let (Some(Sequence(sequence)), Outcome::Created | Outcome::Updated) =
                            (written.sequence, written.outcome)
                        {
                            self.acknowledged.push(Acknowledged { sequence, record: written.record });
                        }
                    }
                }
                None => waiting.push(answer),
            }
        }
        life.writes = waiting;
        let mut lost = false;
        if let Some(fed) = life.feeding.as_mut().and_then(|feeding| feeding.as_mut().now_or_never()) {
            life.feeding = None;
            lost = fed.is_err();
        }
        let head = *life.replica.head().borrow();
        let grown = head != life.head;
        life.head = head;
        let mut wishes = Vec::new();
        if lost {
            wishes.push(Wish::HangUp);
            wishes.extend(self.event(true_millis, random, Event::Lost));
        }
        if grown {
            wishes.extend(self.event(true_millis, random, Event::Grown(head)));
        }
        (wishes, goes_on)
    }

    /// Something happens to its state machine.
    pub(super) fn event(&mut self, true_millis: u64, random: u64, event: Event) -> Vec<Wish> {
        set_clock(self.machine.now(true_millis).0);
        let mut wishes = Vec::new();
        let Some(life) = &mut self.life else { return wishes };
        let mut actions: std::collections::VecDeque<Action> =
            life.sync.handle(clock(), random, event, &life.builder).into();
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Dial => wishes.push(Wish::Dial),
                Action::HangUp => wishes.push(Wish::HangUp),
                Action::Hello(head) => {
                    let fed = *life.replica.fed().borrow();
                    let mut hello = wire::Hello {
                        protocol: lienthong_node::sync_protocol(),
                        replica: self.identity.replica.0.to_vec().into(),
                        log_size: head.size,
                        log_root: head.root.to_vec().into(),
                        notice_cursor: self.notices.last().map_or(0, |last| last + 1),
                        clock_millis: clock().0,
                        feed_of: fed.of.0.to_vec().into(),
                        feed_ledger: fed.cursor.ledger,
                        feed_place: u32::from(fed.cursor.place),
                        ledger_seen: longest_seen(&self.machine, life).map_or(0, |seen| seen.size),
                        ..wire::Hello::default()
                    };
                    life.witness.greet(&mut hello);
                    wishes.push(say(wire::up::Message::Hello(hello)));
                }
                Action::SendBatch { from } => match life.builder.batch(from) {
                    Ok(batch) => {
                        let (end, bytes) = (batch.first + u64::from(batch.count), batch.packed.len());
                        let message = wire::up::Message::Batch(wire::Batch {
                            first: batch.first,
                            count: batch.count,
                            packed: batch.packed,
                            checkpoint: batch.checkpoint,
                        });
                        // It counts as sent before it goes.
                        actions.extend(life.sync.handle(
                            clock(),
                            random,
                            Event::Sent { end, bytes },
                            &life.builder,
                        ));
                        wishes.push(say(message));
                    }
                    Err(_) => wishes.push(Wish::HangUp),
                },
                Action::Heartbeat => {
                    if let Ok(checkpoint) = life.builder.checkpoint(life.head.size) {
                        let clock_millis = clock().0;
                        let heartbeat = wire::Heartbeat { checkpoint, clock_millis, ..Default::default() };
                        wishes.push(say(wire::up::Message::Heartbeat(heartbeat)));
                    }
                }
                Action::ProveFork { size } => {
                    if let Ok(checkpoint) = life.builder.checkpoint(size) {
                        wishes.push(say(wire::up::Message::Prefix(wire::Prefix { checkpoint })));
                    }
                }
                Action::Regress => self.fate = Fate::Regressed,
            }
        }
        self.wind(true_millis);
        wishes
    }

    /// The hub says something.
    pub(super) fn hear(&mut self, true_millis: u64, random: u64, down: wire::Down) -> Vec<Wish> {
        use wire::down::Message;
        set_clock(self.machine.now(true_millis).0);
        let Some(message) = down.message else { return Vec::new() };
        let event = match message {
            Message::Welcome(welcome) if !self.welcomed(&welcome) => Event::Estranged,
            Message::Round(round) => return self.round(true_millis, random, &round),
            Message::Welcome(welcome) => {
                if let Some(receipt) = &welcome.receipt {
                    self.believe(receipt);
                }
                let root = welcome.held_root.as_ref().try_into().unwrap_or([0; 32]);
                let held = Head { size: welcome.held_size, root };
                Event::Welcome { held, flight_bytes_max: welcome.flight_bytes_max }
            }
            Message::Receipt(receipt) => {
                if self.believe(&receipt) {
                    Event::Receipt { size: receipt.size }
                } else {
                    Event::Heard
                }
            }
            Message::Notice(notice) => {
                self.notices.insert(notice.number);
                Event::Heard
            }
            Message::Feed(feed) => {
                let Some(life) = &mut self.life else { return Vec::new() };
                if let Some(piece) = feed_piece(feed) {
                    let replica = life.replica.clone();
                    let mut taking: Answer<_> = Box::pin(async move { replica.feed(piece).await });
                    if taking.as_mut().now_or_never().is_none() {
                        life.feeding = Some(taking);
                    }
                }
                Event::Heard
            }
            Message::Fenced(_) => Event::Fenced,
            Message::Busy(busy) => Event::Busy { retry_after_millis: busy.retry_after_millis },
            _ => Event::Heard,
        };
        self.event(true_millis, random, event)
    }

    fn believe(&mut self, receipt: &wire::Receipt) -> bool {
        let Some(life) = &self.life else { return false };
        let cosigner = (COSIGNER, self.trusted.cosigner);
        let holds = verify_receipt(receipt, &life.builder, self.identity.origin(), cosigner);
        let holds = matches!(holds, Ok(Some(_)));
        if holds {
            self.receipt = self.receipt.max(receipt.size);
        }
        holds
    }

    /// Whether time alone makes something happen by now.
    #[must_use]
    pub(super) fn is_due(&self, true_millis: u64) -> bool {
        self.life.is_some() && self.alarm.is_some_and(|at| at <= true_millis)
    }

    /// Sets the timer anew, as the product does before it waits.
    fn wind(&mut self, true_millis: u64) {
        let now = self.machine.now(true_millis);
        let wake_at = self.life.as_ref().and_then(|life| life.sync.wake_at());
        self.alarm = wake_at.map(|at| true_millis + at.since(now));
    }

    /// Whether it is in step: everything it has was acknowledged.
    #[must_use]
    pub(super) fn is_in_step(&self) -> bool {
        self.life.as_ref().is_some_and(|life| {
            life.sync.phase() == Phase::Streaming
                && life.sync.acknowledged() == life.head.size
                && life.writes.is_empty()
                && life.feeding.is_none()
        })
    }

    /// Its log's head.
    #[must_use]
    pub(super) fn head(&self) -> Option<Head> {
        self.life.as_ref().map(|life| life.head)
    }

    /// The root of its log's first `size` entries.
    #[must_use]
    pub(super) fn root_at(&self, size: u64) -> Option<[u8; 32]> {
        self.life.as_ref()?.builder.root_at(size)
    }

    /// What runs ends at once.
    pub(super) fn stop(&mut self) {
        (self.life, self.line) = (None, None);
    }
}

/// Something for the hub.
pub(super) fn say(message: wire::up::Message) -> Wish {
    Wish::Say(Box::new(wire::Up { message: Some(message) }))
}
