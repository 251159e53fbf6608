//! The thin client: does what the machine says, over one stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::calls::renew;
use super::reconcile::Reconciler;
use super::stream::{Before, Report, What, connect, hand_over, read_down};
use super::{Action, Event, Machine, Phase, SyncClient, SyncStatus};
use crate::aside::aside;
use crate::identity::NodeIdentity;
use crate::observe::Room;
use crate::recover::former_batches;
use crate::replica::Head;
use crate::rpc::sync::sync_client::SyncClient as Rpc;
pub(super) struct Driver {
    pub(super) client: SyncClient,
    pub(super) machine: Machine,
    pub(super) status: watch::Sender<SyncStatus>,
    pub(super) events: mpsc::Sender<Report>,
    pub(super) connection: Option<Connection>,
    pub(super) generation: u64,
    pub(super) reconciler: Reconciler,
    /// The next greeting names the log key: the hub forgot who is enrolled.
    pub(super) introduces: bool,
    /// The alarm is about the hub's ledger.
    pub(super) estranged: bool,
    /// What was wrong with certificates the last time.
    pub(super) before: Before,
    /// When the last session began, by the hub's clock, and how much of the log was held then.
    pub(super) welcomed: Option<(UnixMillis, u64)>,
    /// Since when the hub, asked for proofs, has answered nothing.
    pub(super) unanswered: Option<UnixMillis>,
    /// What people were told of a receipt that is not proven.
    pub(super) unproven_alarm: Option<String>,
}

pub(super) struct Connection {
    pub(super) up: Option<mpsc::Sender<wire::Up>>,
    pub(super) rpc: Option<Rpc<Channel>>,
    /// Lets the reader go on behind the welcome.
    pub(super) admit: Option<oneshot::Sender<()>>,
    /// The hub answers heartbeats.
    pub(super) answers: bool,
    /// The head the last heartbeat's checkpoint was of.
    pub(super) beaten: Option<Head>,
    /// When it was asked for a proof last, and whether it has answered.
    pub(super) asked: Option<(UnixMillis, bool)>,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Driver {
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Report>,
        mut nudged: mpsc::Receiver<Event>,
        stop: CancellationToken,
    ) {
        let mut head = self.client.head.clone();
        loop {
            self.client.job.progress();
            let now = (self.client.clock)();
            let wait = self.machine.wake_at().map(|at| Duration::from_millis(at.since(now)));
            let event = tokio::select! {
                () = stop.cancelled() => return,
                Some(report) = inbox.recv() => self.report(report),
                Ok(()) = head.changed() => Some(Event::Grown(*head.borrow_and_update())),
                Some(event) = nudged.recv() => Some(event),
                () = sleep(wait) => Some(Event::Tick),
            };
            if let Some(event) = event {
                self.step(event);
            }
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        let now = (self.client.clock)();
        let actions = self.machine.handle(now, rand::random(), event, &self.client.builder);
        for action in actions {
            self.act(action);
        }
        let (phase, acknowledged) = (self.machine.phase(), self.machine.acknowledged());
        // Without a line nothing can be said of it that was not known before.
        let unwitnessed = (phase == Phase::Streaming).then(|| self.client.witness.alarm(now));
        self.status.send_if_modified(|status| {
            let unwitnessed = unwitnessed.unwrap_or_else(|| status.unwitnessed.clone());
            let changed = (status.phase, status.acknowledged, &status.unwitnessed)
                != (phase, acknowledged, &unwitnessed);
            (status.phase, status.acknowledged, status.unwitnessed) = (phase, acknowledged, unwitnessed);
            changed
        });
    }

    /// Turns a report into the machine's event, keeping what must be kept first.
    pub(super) fn report(&mut self, report: Report) -> Option<Event> {
        if report.generation != self.generation {
            return None;
        }
        match report.what {
            What::Opened(up, rpc) => {
                if let Some(connection) = &mut self.connection {
                    (connection.up, connection.rpc) = (Some(up), Some(rpc));
                }
                Some(Event::Connected)
            }
            What::Told(welcomed) => Some(welcomed),
            What::Sent { end, bytes } => Some(Event::Sent { end, bytes }),
            What::Proof(asked, answer) => {
                self.keep_proof(&asked, answer);
                Some(Event::Heard)
            }
            What::Renewed => {
                self.reconciler.forget();
                Some(Event::Redial)
            }
            What::Lost(left) => {
                tracing::debug!(reason = left.reason, "the connection to the hub is lost");
                self.introduces = left.stranger;
                self.left_unsaid();
                self.before = Before { ended: left.ended, untrusted: left.untrusted };
                self.status.send_modify(|status| status.fault = Some(left.reason));
                if left.fenced {
                    return Some(Event::Fenced);
                }
                self.connection = None;
                self.reconciler.forget();
                Some(Event::Lost)
            }
            What::Down(down) => {
                let now = (self.client.clock)();
                self.status.send_modify(|status| {
                    status.last_sync = Some(now);
                    status.fault = None;
                });
                self.down(*down)
            }
        }
    }

    pub(super) fn down(&mut self, down: wire::Down) -> Option<Event> {
        use wire::down::Message;
        match down.message? {
            Message::Welcome(welcome) => {
                if let Err(fault) = self.welcome(&welcome) {
                    return Some(self.estranged(fault, welcome.ledger_checkpoint));
                }
                let skew = (self.client.clock)().0.cast_signed() - welcome.clock_millis.cast_signed();
                self.status.send_modify(|status| status.skew_millis = Some(skew));
                if let Some(keys) = &welcome.receipt_keys {
                    self.take_receipt_keys(keys);
                }
                if let Some(connection) = &mut self.connection {
                    connection.answers = welcome.answers_heartbeats;
                }
                if let Some(receipt) = &welcome.receipt
                    && self.keep_receipt(receipt) == Some(true)
                {
                    self.judge_date(receipt);
                }
                self.ask_proof(self.client.evidence.last_receipt().map_or(0, |kept| kept.size));
                self.begins(UnixMillis(welcome.clock_millis), welcome.held_size);
                let root = welcome.held_root.as_ref().try_into().unwrap_or([0; 32]);
                let held = Head { size: welcome.held_size, root };
                let welcomed = Event::Welcome { held, flight_bytes_max: welcome.flight_bytes_max };
                if welcome.wants_former {
                    self.send_former(&welcome.held_of_unit, welcomed);
                    return Some(Event::Heard);
                }
                Some(welcomed)
            }
            Message::Receipt(receipt) => {
                let kept = self.keep_receipt(&receipt);
                if kept == Some(true) && !self.judge_date(&receipt) {
                    self.connection = None;
                    return Some(Event::Lost);
                }
                if kept.is_some() { Some(Event::Receipt { size: receipt.size }) } else { Some(Event::Heard) }
            }
            Message::Notice(notice) => {
                self.keep_notice(notice);
                Some(Event::Heard)
            }
            Message::Quality(quality) => match self.hear(&quality) {
                Ok(()) => Some(Event::Heard),
                Err(reason) => {
                    // Nothing behind it may be kept before it: it is asked for again.
                    tracing::error!(reason, "what the province tells of the records cannot be kept");
                    self.connection = None;
                    Some(Event::Lost)
                }
            },
            Message::Catalogue(catalogue) => {
                self.take_catalogue(catalogue);
                Some(Event::Heard)
            }
            Message::ReceiptKeys(keys) => {
                self.take_receipt_keys(&keys);
                Some(Event::Heard)
            }
            Message::Erasure(erasure) => {
                self.take_erasure(&erasure);
                Some(Event::Heard)
            }
            Message::Round(round) => match self.round(&round) {
                Ok(()) => Some(Event::Heard),
                Err(fault) => Some(self.estranged(fault, round.checkpoint)),
            },
            Message::Authority(came) => {
                let rpc = self.connection.as_ref().and_then(|connection| connection.rpc.clone());
                if let (true, Some(rpc)) = (self.hear_authority(&came.note), rpc) {
                    let (identity, clock) = (Arc::clone(&self.client.identity), self.client.clock);
                    let told = (self.events.clone(), self.generation);
                    tokio::spawn(renew_and_say(rpc, identity, clock, told));
                }
                Some(Event::Heard)
            }
            // The reader has taken it in.
            Message::Feed(_) => Some(Event::Heard),
            Message::Alive(_) => Some(Event::Heard),
            Message::Reconcile(asked) => {
                if let Some(up) = self.up() {
                    self.reconciler.hear(asked, self.machine.acknowledged(), up);
                }
                Some(Event::Heard)
            }
            Message::Mend(asked) => {
                if let Some(up) = self.up() {
                    self.reconciler.mend(asked, up);
                }
                Some(Event::Heard)
            }
            Message::Fenced(fenced) => {
                tracing::error!(vi = fenced.vi, en = fenced.en, "the hub has fenced this replica");
                self.status.send_modify(|status| status.fault = Some(fenced.vi));
                Some(Event::Fenced)
            }
            Message::Busy(busy) => {
                self.connection = None;
                Some(Event::Busy { retry_after_millis: busy.retry_after_millis })
            }
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Dial => self.dial(),
            Action::HangUp => {
                self.generation += 1;
                self.connection = None;
            }
            Action::Hello(head) => self.send(self.hello(head)),
            Action::Heartbeat => self.heartbeat(),
            Action::ProveFork { size } => {
                if let Ok(checkpoint) = self.client.builder.checkpoint(size) {
                    self.send(wire::up::Message::Prefix(wire::Prefix { checkpoint }));
                }
            }
            Action::SendBatch { from } => self.send_batch(from),
            Action::Regress => {
                tracing::error!("this log contradicts what the hub holds; it takes no more writes");
                (self.client.regress)();
            }
        }
    }

    pub(super) fn hello(&self, head: Head) -> wire::up::Message {
        // What cannot be read is told again.
        let heard = self.client.quality.heard().unwrap_or_default();
        let fed = *self.client.replica.fed().borrow();
        let identity = &self.client.identity;
        let ledger = identity.ledger();
        let (log_key, log_key_proof) =
            if self.introduces { identity.introduction() } else { (vec![], vec![]) };
        let mut hello = wire::Hello {
            protocol: crate::sync_protocol(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            replica: self.client.identity.replica().0.to_vec().into(),
            log_size: head.size,
            log_root: head.root.to_vec().into(),
            notice_cursor: self.client.evidence.notice_cursor(),
            catalogue: self.client.catalogue.clone().into(),
            clock_millis: (self.client.clock)().0,
            told_epoch: heard.epoch,
            told_next: heard.next,
            feed_of: fed.of.0.to_vec().into(),
            feed_ledger: fed.cursor.ledger,
            feed_place: u32::from(fed.cursor.place),
            erasures_seen: self.client.erasures.read().len() as u64,
            catalogue_seen: self.client.shelf.seen((&ledger.origin.to_string(), ledger.key)).0,
            ledger: ledger.origin.replica().0.to_vec().into(),
            log_key: log_key.into(),
            log_key_proof: log_key_proof.into(),
            authority: identity.authority(),
            receipt_keys_seen: u32::try_from(identity.receipt_keys().len()).unwrap_or(u32::MAX),
            ledger_seen: self.seen().map_or(0, |(seen, _)| seen.size),
            ..wire::Hello::default()
        };
        self.client.witness.greet(&mut hello);
        wire::up::Message::Hello(hello)
    }

    /// Says something short, without waiting: where the queue is full, batches are on their way, and a hub
    /// that does not read them is given up by its silence.
    pub(super) fn send(&self, message: wire::up::Message) {
        if let Some(up) = self.up() {
            let _ = up.try_send(wire::Up { message: Some(message) });
        }
    }

    /// Says that all is well, and how long the log is; a checkpoint the hub has from this stream is not said again.
    fn heartbeat(&mut self) {
        let head = *self.client.head.borrow();
        let Some(connection) = &mut self.connection else { return };
        let known = connection.answers && connection.beaten == Some(head);
        let checkpoint = if known { Ok(String::new()) } else { self.client.builder.checkpoint(head.size) };
        let (Ok(checkpoint), Some(up)) = (checkpoint, &connection.up) else { return };
        let room = Room::of(&self.client.data);
        let heartbeat = wire::Heartbeat {
            checkpoint,
            clock_millis: (self.client.clock)().0,
            disk_free_bytes: room.map_or(0, |room| room.free_bytes),
            disk_total_bytes: room.map_or(0, |room| room.total_bytes),
        };
        // What does not fit was not said.
        if up.try_send(wire::Up { message: Some(wire::up::Message::Heartbeat(heartbeat)) }).is_ok() {
            connection.beaten = Some(head);
        }
    }

    pub(super) fn up(&self) -> Option<mpsc::Sender<wire::Up>> {
        self.connection.as_ref().and_then(|connection| connection.up.clone())
    }

    pub(super) fn dial(&mut self) {
        self.generation += 1;
        let generation = self.generation;
        let identity = Arc::clone(&self.client.identity);
        let events = self.events.clone();
        let replica = self.client.replica.clone();
        let (admit, admitted) = oneshot::channel();
        let now = (self.client.clock)();
        let ended = self.before.ended || identity.validity().is_some_and(|(_, until)| until <= now);
        let before = Before { ended, ..self.before };
        let task = tokio::spawn(async move {
            let left = match connect(&identity, before).await {
                Ok((rpc, up, down)) => {
                    let opened = Report { generation, what: What::Opened(up, rpc) };
                    if events.send(opened).await.is_err() {
                        return;
                    }
                    read_down(down, generation, &replica, &events, admitted).await
                }
                Err(left) => left,
            };
            let _ = events.send(Report { generation, what: What::Lost(left) }).await;
        });
        self.connection = Some(Connection {
            up: None,
            rpc: None,
            admit: Some(admit),
            answers: false,
            beaten: None,
            asked: None,
            task,
        });
    }

    /// Sends what this log holds of former replicas of the unit, then lets the welcome count: what the unit writes now
    /// builds on what they wrote.
    pub(super) fn send_former(&self, held: &[wire::Extent], welcomed: Event) {
        let Some(up) = self.up() else { return };
        let extent = |held: &wire::Extent| Some((ReplicaId::from_slice(&held.replica)?, held.size));
        let held: HashMap<ReplicaId, u64> = held.iter().filter_map(extent).collect();
        let (reader, events, generation) =
            (self.client.replica.reader().clone(), self.events.clone(), self.generation);
        tokio::task::spawn_blocking(move || {
            // A line that takes them one by one is slow, not silent.
            let tell = |event| events.blocking_send(Report { generation, what: What::Told(event) }).is_ok();
            let sent = former_batches(&reader, &held, &mut |former| {
                let message = Some(wire::up::Message::Former(former));
                up.blocking_send(wire::Up { message }).is_ok() && tell(Event::Heard)
            });
            let what = match sent {
                Ok(()) => What::Told(welcomed),
                Err(error) => What::Lost(error.to_string().into()),
            };
            let _ = events.blocking_send(Report { generation, what });
        });
    }

    pub(super) fn send_batch(&self, from: u64) {
        let Some(up) = self.up() else { return };
        let builder = self.client.builder.clone();
        let events = self.events.clone();
        let generation = self.generation;
        let (captures, replica) = (Arc::clone(&self.client.captures), self.client.identity.replica());
        // A few fresh entries take less than handing them to another thread.
        let few = self.client.head.borrow().size.saturating_sub(from) <= SMALL_BATCH_ENTRIES;
        let here = few.then(|| builder.batch(from));
        tokio::spawn(async move {
            let made = match here {
                Some(made) => Ok(made),
                None => aside(move || builder.batch(from)).await,
            };
            let reason = match made {
                Ok(Ok(batch)) => {
                    captures.sent(replica, batch.first, batch.first + u64::from(batch.count));
                    return hand_over(batch, generation, &up, &events).await;
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, from, "no batch can be made of the log");
                    error.to_string()
                }
                Err(error) => error.to_string(),
            };
            let _ = events.send(Report { generation, what: What::Lost(reason.into()) }).await;
        });
    }
}

/// Renews if it is time, and says so: the line is made again then.
pub(super) async fn renew_and_say(
    rpc: Rpc<Channel>,
    identity: Arc<NodeIdentity>,
    clock: fn() -> UnixMillis,
    (events, generation): (mpsc::Sender<Report>, u64),
) {
    if renew(rpc, &identity, clock).await {
        let _ = events.send(Report { generation, what: What::Renewed }).await;
    }
}

/// Batches of at most this many entries are made where they are wanted.
const SMALL_BATCH_ENTRIES: u64 = 8;

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
