//! The simulated hub: the product's ledger, committer, intake and feed, moved by hand.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt as _;
use lienthong_hub::feed::FeedReader;
use lienthong_hub::heartbeats::Heartbeats;
use lienthong_hub::ingest::{
    Accepted, CommitError, Committer, CommitterHandle, Compared, Contradiction, Envelope, Intake,
    VerifyError, Whose, verify,
};
use lienthong_hub::ledger::{HeldReplica, assemble};
use lienthong_hub::observe::Meters;
use lienthong_hub::witness::Rounds;
use lienthong_node::dataset::Dataset;
use lienthong_node::log::{self, Disk, HashFile};
use lienthong_node::replica::Head;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::cosignature::cosign;
use lienthong_proto::event::Event;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::hash::{Digest, SigningKey};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::limits::FLIGHT_BYTES_MAX;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tokio::sync::Semaphore;

use super::parts::{COSIGNER, Identity, Machine, catalogue, job, journal_options};
use super::random::{clock, set_clock};
use super::witnessing::Asking;

type Waiting = Pin<Box<dyn Future<Output = Result<Accepted, CommitError>>>>;

/// How a replica stands in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may come.
    Active,
    /// Its log contradicts what is held.
    Fenced,
    /// Its certificate is revoked.
    Revoked,
}

/// What a session says, and whether it goes on.
pub(super) enum Said {
    /// This, and it goes on.
    Down(Box<wire::Down>),
    /// It ended.
    Ended,
}

struct Session {
    replica: ReplicaId,
    intake: Option<Intake>,
    feed: Option<FeedReader>,
    notices: u64,
    asking: Option<Asking>,
    answers: VecDeque<(Waiting, Checkpoint, Option<u64>)>,
}

/// What a crash ends.
pub(super) struct Life {
    /// The door to the writer.
    pub(super) committer: CommitterHandle,
    writer: Committer,
    /// The merged records.
    pub(super) dataset: Dataset,
    /// The ledger's readers.
    pub(super) reader: log::LogReader,
    /// Its leaf hashes.
    pub(super) hashes: Arc<HashFile>,
    sessions: BTreeMap<u64, Session>,
    heartbeats: Heartbeats,
    places: Arc<Semaphore>,
    pending: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    /// Rounds of its witnesses.
    pub(super) rounds: Rounds,
    /// The next may be closed then, by the true time.
    pub(super) next_round: u64,
}

/// The hub.
pub(super) struct Hub {
    /// Whose ledger it is.
    pub(super) identity: Identity,
    /// What it runs on.
    pub(super) machine: Machine,
    /// Who may come; on the disk before anybody is told.
    pub(super) registry: BTreeMap<ReplicaId, (Identity, Standing)>,
    /// While it runs.
    pub(super) life: Option<Life>,
    /// Heads it has shown to anybody: none may ever be unsaid.
    pub(super) shown: BTreeMap<u64, Digest>,
    /// Heads that ever had a quorum of witnesses.
    pub(super) witnessed: BTreeMap<u64, Digest>,
    cosigner: Arc<SigningKey>,
}

impl Hub {
    /// One that does not run yet.
    #[must_use]
    pub(super) fn new(identity: Identity, machine: Machine, cosigner: Arc<SigningKey>) -> Self {
        let (registry, shown, witnessed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { identity, machine, registry, life: None, shown, witnessed, cosigner }
    }

    /// Starts it.
    ///
    /// # Errors
    /// If its ledger does not open: nothing done to it here may damage what was synced.
    pub(super) fn open(&mut self, true_millis: u64) -> anyhow::Result<()> {
        set_clock(self.machine.now(true_millis).0);
        let dir = &self.machine.dir;
        let log = log::open(dir, self.identity.replica, Disk::over(Arc::clone(&self.machine.disk) as _))?;
        let hashes = HashFile::open(dir, log.writer.next_sequence().0)?;
        let view = Arc::clone(&self.machine.view);
        let opened =
            assemble((log, hashes, view), self.identity.author(), catalogue()?, journal_options(true))?;
        self.machine.disk.rebase(dir)?;
        let dataset = opened.journal.dataset().clone();
        let reader = opened.journal.reader().clone();
        let hashes = Arc::clone(opened.journal.hashes());
        let counted = (Arc::<Meters>::default(), job());
        let (committer, writer) =
            Committer::without_threads(opened.journal, opened.books, opened.feed, clock, counted);
        let (sessions, pending) = (BTreeMap::new(), Vec::new());
        let (heartbeats, places) = (Heartbeats::open(dir), Arc::new(Semaphore::new(64)));
        let witnesses = Arc::clone(&committer.books().read().witnesses);
        let rounds = Rounds::open(dir, (&self.identity.origin(), self.identity.public()), &witnesses);
        self.life = Some(Life {
            committer,
            writer,
            dataset,
            reader,
            hashes,
            sessions,
            heartbeats,
            places,
            pending,
            rounds,
            next_round: 0,
        });
        Ok(())
    }

    /// What runs ends at once.
    pub(super) fn stop(&mut self) {
        self.life = None;
    }

    /// Enters a replica in the ledger, in the next turn.
    pub(super) fn enter(&mut self, identity: &Identity) {
        let unit = Value::Unit(identity.unit.clone());
        let replica = Value::Text(identity.replica.to_string());
        self.event("enrolment", [("replica", replica), ("unit", unit)]);
    }

    /// Lets a replica in, if the ledger has it: an enrolment that is not in it must not exist.
    pub(super) fn let_in(&mut self, identity: &Identity) -> bool {
        let replica = identity.replica;
        let entered = self
            .life
            .as_ref()
            .is_some_and(|life| life.committer.books().read().replicas.contains_key(&replica));
        if entered {
            self.registry.insert(replica, (identity.clone(), Standing::Active));
        }
        entered
    }

    /// Logs an event, in the next turn.
    pub(super) fn event<const N: usize>(&mut self, kind: &str, fields: [(&str, Value); N]) {
        self.log(kind, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }

    /// As [`Hub::event`].
    pub(super) fn log(&mut self, kind: &str, fields: BTreeMap<String, Value>) {
        let event = Event { kind: kind.to_owned(), at: clock(), actor: "hub".to_owned(), fields };
        self.ask(|committer| async move { drop(committer.event(event).await) });
    }

    /// Asks something of the writer, to be done in its next turn.
    pub(super) fn ask<F: Future<Output = ()> + 'static>(&mut self, ask: impl FnOnce(CommitterHandle) -> F) {
        let Some(life) = &mut self.life else { return };
        let mut asked: Pin<Box<dyn Future<Output = ()>>> = Box::pin(ask(life.committer.clone()));
        if asked.as_mut().now_or_never().is_none() {
            life.pending.push(asked);
        }
    }

    /// The head its readers see.
    #[must_use]
    pub(super) fn head(&self) -> Option<Head> {
        Some(*self.life.as_ref()?.committer.head().borrow())
    }

    /// The writer has its turn; whether it still runs.
    pub(super) fn turn(&mut self, true_millis: u64, due: bool) -> bool {
        set_clock(self.machine.now(true_millis).0);
        let Some(life) = &mut self.life else { return false };
        let goes_on = life.writer.turn(due);
        life.pending.retain_mut(|asked| asked.as_mut().now_or_never().is_none());
        if due {
            drop(life.heartbeats.write(clock()));
            self.close_round(true_millis);
        }
        goes_on
    }

    /// A line is open: who calls was seen at its certificate.
    pub(super) fn answer(&mut self, line: u64, replica: ReplicaId) -> bool {
        let active = self.registry.get(&replica).is_some_and(|(_, standing)| *standing == Standing::Active);
        let Some(life) = self.life.as_mut().filter(|_| active) else { return false };
        let (intake, feed, asking, answers) = (None, None, None, VecDeque::new());
        life.sessions.insert(line, Session { replica, intake, feed, notices: 0, asking, answers });
        true
    }

    /// A line is gone.
    pub(super) fn hang_up(&mut self, line: u64) {
        if let Some(life) = &mut self.life {
            life.sessions.remove(&line);
        }
    }

    /// Lines on which somebody is.
    #[must_use]
    pub(super) fn lines(&self) -> Vec<u64> {
        self.life.as_ref().map(|life| life.sessions.keys().copied().collect()).unwrap_or_default()
    }

    /// A replica says something; what it is told.
    pub(super) fn hear(&mut self, true_millis: u64, line: u64, up: wire::Up) -> Vec<Said> {
        use wire::up::Message;
        set_clock(self.machine.now(true_millis).0);
        let Some(session) = self.life.as_mut().and_then(|life| life.sessions.remove(&line)) else {
            return vec![Said::Ended];
        };
        let mut session = session;
        let said = match up.message {
            Some(Message::Hello(hello)) if session.intake.is_none() => self.greet(&mut session, &hello),
            Some(Message::Batch(batch)) => self.batch(&mut session, batch),
            Some(Message::Heartbeat(heartbeat)) => self.heartbeat(&session, &heartbeat),
            Some(Message::Cosigned(said)) => {
                let (replica, asking) = (session.replica, session.asking.as_mut());
                let holds = asking.is_some_and(|asking| self.cosigned(asking, replica, &said));
                if holds { Vec::new() } else { vec![Said::Ended] }
            }
            Some(Message::Prefix(prefix)) => match &session.intake {
                Some(intake) if intake.signed(&prefix.checkpoint).is_ok() => {
                    let held = self.held(session.replica).checkpoint;
                    self.fence(&session, &Contradiction { held, shown: prefix.checkpoint })
                }
                _ => vec![Said::Ended],
            },
            _ => vec![Said::Ended],
        };
        let ended = said.iter().any(|said| matches!(said, Said::Ended));
        if let Some(life) = self.life.as_mut().filter(|_| !ended) {
            life.sessions.insert(line, session);
        }
        said
    }

    /// What it holds of a replica.
    pub(super) fn held(&self, replica: ReplicaId) -> HeldReplica {
        let held =
            self.life.as_ref().and_then(|life| life.committer.books().read().replicas.get(&replica).cloned());
        let unit = self.registry.get(&replica).map_or(&self.identity.unit, |(identity, _)| &identity.unit);
        held.unwrap_or_else(|| HeldReplica::empty(unit.clone()))
    }

    fn greet(&mut self, session: &mut Session, hello: &wire::Hello) -> Vec<Said> {
        let Some((identity, Standing::Active)) = self.registry.get(&session.replica).cloned() else {
            return vec![Said::Ended];
        };
        let held = self.held(session.replica);
        let (replica, origin, key) = (session.replica, identity.origin(), identity.public());
        let Some(life) = &self.life else { return vec![Said::Ended] };
        let said = life.heartbeats.get(replica);
        let intake = match Intake::greeted(
            Whose { replica, origin: origin.clone(), key, erased: Arc::default() },
            &held,
            said.as_ref(),
            hello.log_size,
        ) {
            Ok(intake) => intake,
            Err(contradiction) => return self.fence(session, &contradiction),
        };
        session.intake = Some(intake);
        session.notices = hello.notice_cursor;
        let taken = match (ReplicaId::from_slice(&hello.feed_of), u16::try_from(hello.feed_place)) {
            (Some(of), Ok(place)) if of == self.identity.replica => {
                FeedCursor { ledger: hello.feed_ledger, place }
            }
            _ => FeedCursor::default(),
        };
        let Ok(catalogue) = catalogue() else { return vec![Said::Ended] };
        let (feed, records) = (life.committer.feed().clone(), (life.dataset.clone(), catalogue));
        session.feed = Some(FeedReader::new(feed, records, identity.unit.clone(), replica, taken, taken));
        session.asking = self.asking(&identity, hello);
        let held_size = held.frontier.size();
        let checkpoint = Checkpoint { origin, size: held_size, root: held.root, roll: None };
        let receipt = (held_size > 0).then(|| self.receipt(&checkpoint, held.ledger_index, held.at.0));
        self.show();
        let mut welcome = wire::Welcome {
            protocol: lienthong_node::sync_protocol(),
            held_size,
            held_root: held.root.to_vec().into(),
            held_checkpoint: held.checkpoint,
            receipt,
            clock_millis: clock().0,
            flight_bytes_max: FLIGHT_BYTES_MAX as u64,
            ..wire::Welcome::default()
        };
        self.shown_to(hello.ledger_seen, session.asking.as_ref(), &mut welcome);
        vec![down(wire::down::Message::Welcome(welcome))]
    }

    fn batch(&mut self, session: &mut Session, batch: wire::Batch) -> Vec<Said> {
        let (Some(life), Some(intake)) = (&self.life, &mut session.intake) else { return vec![Said::Ended] };
        let announced = life.heartbeats.awaited(session.replica);
        let Some(held) = intake.expected(batch.first, announced) else { return Vec::new() };
        let Ok(place) = Arc::clone(&life.places).try_acquire_owned() else { return vec![Said::Ended] };
        let envelope = Envelope {
            first: batch.first,
            count: batch.count,
            packed: batch.packed,
            checkpoint: batch.checkpoint,
        };
        let verified = match verify(&held, &envelope) {
            Ok(verified) => verified,
            Err(error) => {
                let Some(shown) = error.contradicts() else { return vec![Said::Ended] };
                let said = life.heartbeats.get(session.replica).map(|said| said.note);
                let own = matches!(error, VerifyError::Announced);
                let held = if own { said.unwrap_or_default() } else { self.held(session.replica).checkpoint };
                return self.fence(session, &Contradiction { held, shown: shown.to_owned() });
            }
        };
        let checkpoint = intake.follow(&verified);
        let reached = verified.reached;
        match life.committer.submit(verified, place).now_or_never() {
            Some(Ok(pending)) => {
                session.answers.push_back((Box::pin(pending.wait()), checkpoint, reached));
                Vec::new()
            }
            _ => vec![Said::Ended],
        }
    }

    fn heartbeat(&mut self, session: &Session, heartbeat: &wire::Heartbeat) -> Vec<Said> {
        let (Some(life), Some(intake)) = (&self.life, &session.intake) else { return vec![Said::Ended] };
        let Ok(signed) = intake.signed(&heartbeat.checkpoint) else { return vec![Said::Ended] };
        let held = life.committer.books().read().replicas.get(&session.replica).cloned();
        match intake.compared(&signed, held.as_ref()) {
            Ok(Compared::Overtaken) => vec![Said::Ended],
            Ok(compared) => {
                let reached = compared == Compared::Reached;
                life.heartbeats.heard(session.replica, &signed, reached, clock());
                Vec::new()
            }
            Err(contradiction) => self.fence(session, &contradiction),
        }
    }

    fn fence(&mut self, session: &Session, contradiction: &Contradiction) -> Vec<Said> {
        if let Some((_, standing)) = self.registry.get_mut(&session.replica) {
            *standing = Standing::Fenced;
        }
        let replica = Value::Text(session.replica.to_string());
        self.event("fence", [("replica", replica), ("proof_0", Value::Text(contradiction.held.clone()))]);
        let held_checkpoint = contradiction.held.clone();
        let fenced = wire::Fenced { held_checkpoint, ..wire::Fenced::default() };
        vec![down(wire::down::Message::Fenced(fenced)), Said::Ended]
    }

    fn receipt(&self, checkpoint: &Checkpoint, ledger_index: u64, at_millis: u64) -> wire::Receipt {
        let cosigned = cosign(checkpoint, at_millis / 1_000, COSIGNER, self.cosigner.as_ref());
        let cosignature = cosigned.unwrap_or_default();
        wire::Receipt { size: checkpoint.size, cosignature, ledger_index, at_millis }
    }

    /// Whoever is told anything may know the ledger's head by it.
    fn show(&mut self) {
        if let Some(head) = self.head() {
            self.shown.insert(head.size, head.root);
        }
    }

    /// What a session says of itself: receipts that are due, notices, the next piece of the feed.
    pub(super) fn say(&mut self, line: u64) -> Vec<Said> {
        let Some(mut session) = self.life.as_mut().and_then(|life| life.sessions.remove(&line)) else {
            return Vec::new();
        };
        let mut said = Vec::new();
        let active = self.registry.get(&session.replica).map(|(_, standing)| *standing);
        if active != Some(Standing::Active) {
            return vec![Said::Ended];
        }
        if session.intake.is_some() {
            said = self.news(&mut session);
        }
        let ended = said.iter().any(|said| matches!(said, Said::Ended));
        if let Some(life) = self.life.as_mut().filter(|_| !ended) {
            life.sessions.insert(line, session);
        }
        self.show();
        said
    }

    fn news(&mut self, session: &mut Session) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some((waiting, checkpoint, reached)) = session.answers.front_mut() {
            match waiting.as_mut().now_or_never() {
                None => break,
                Some(Err(_)) => return vec![Said::Ended],
                Some(Ok(accepted)) => {
                    let (checkpoint, reached) = (checkpoint.clone(), *reached);
                    session.answers.pop_front();
                    if let (Some(size), Some(life)) = (reached, &self.life) {
                        life.heartbeats.reached(session.replica, size);
                    }
                    let receipt = self.receipt(&checkpoint, accepted.ledger_index, accepted.at.0);
                    said.push(down(wire::down::Message::Receipt(receipt)));
                }
            }
        }
        let Some(life) = &self.life else { return vec![Said::Ended] };
        for notice in life.committer.books().read().notices_from(session.replica, session.notices) {
            session.notices = notice.number + 1;
            let notice =
                wire::Notice { number: notice.number, sequence: notice.sequence, ..Default::default() };
            said.push(down(wire::down::Message::Notice(notice)));
        }
        match session.feed.as_mut().map(FeedReader::next_piece) {
            Some(Ok(Some(piece))) => said.push(down(wire::down::Message::Feed(wire::Feed {
                ledger: piece.to.ledger,
                place: u32::from(piece.to.place),
                packed: piece.packed,
                of: self.identity.replica.0.to_vec().into(),
            }))),
            Some(Err(_)) => return vec![Said::Ended],
            _ => {}
        }
        let round = session.asking.as_mut().and_then(|asking| self.ask_to_witness(asking));
        said.extend(round.map(|round| down(wire::down::Message::Round(round))));
        said
    }

    /// Whether a session has nothing more to say.
    #[must_use]
    pub(super) fn is_idle(&self) -> bool {
        self.life.as_ref().is_some_and(|life| {
            life.pending.is_empty() && life.sessions.values().all(|session| session.answers.is_empty())
        })
    }
}

fn down(message: wire::down::Message) -> Said {
    Said::Down(Box::new(wire::Down { message: Some(message) }))
}
