//! One unit's end of its connection: the product's own client decides ([`Machine`]), this does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::replica::Head;
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_node::sync::{Action, Event, Machine, Phase, Settings, Witness};
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::limits::MESSAGE_BYTES_MAX;
use lienthong_proto::wire::sync as wire;
use tokio::sync::{mpsc, watch};
use tonic::Streaming;

use super::log::{Shared, StoredLog};

/// Messages that may wait to be sent.
const UP_QUEUE: usize = 16;

/// What somebody wants of a client.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// The log has grown: send what is new.
    Send,
    /// Dial now, whatever was waited for.
    Dial,
    /// Hang up, and dial no more until told to.
    Leave,
}

/// Where a client stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// In which phase.
    pub phase: Phase,
    /// Entries that the hub has acknowledged.
    pub acknowledged: u64,
    /// When it last acknowledged any.
    pub acknowledged_at: Option<Instant>,
    /// How often it was dialled.
    pub dials: u32,
    /// Why the last connection ended.
    pub lost: Option<String>,
    /// Something that must not be: the hub has refused for good.
    pub fault: Option<String>,
}

/// What is told of the connection; what is stale carries an older generation.
struct Report {
    generation: u64,
    what: What,
}

enum What {
    Opened(mpsc::Sender<wire::Up>),
    Down(Box<wire::Down>),
    Sent { end: u64, bytes: usize },
    Say(Box<wire::up::Message>),
    Lost(String),
}

/// What the hub is told it need not say again.
#[derive(Default)]
struct Heard {
    notices: u64,
    told: (u64, u64),
    fed: (Vec<u8>, u64, u32),
    erasures: u64,
    /// The ledger's longest checkpoint.
    seen: Option<Checkpoint>,
}

pub(super) struct Client {
    identity: Arc<NodeIdentity>,
    witness: Arc<Witness>,
    log: Shared,
    machine: Machine,
    standing: watch::Sender<Standing>,
    events: mpsc::Sender<Report>,
    generation: u64,
    connection: Option<(tokio::task::AbortHandle, Option<mpsc::Sender<wire::Up>>)>,
    heard: Heard,
    /// As far as it was told to send: what it says of its log goes no further.
    head: Head,
    away: bool,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Client {
    /// One that stays away until it is told to dial, and where it stands.
    pub(super) fn start(
        identity: Arc<NodeIdentity>,
        witness: Arc<Witness>,
        log: Arc<parking_lot::Mutex<StoredLog>>,
        settings: Settings,
    ) -> (impl Future<Output = ()>, mpsc::Sender<Order>, watch::Receiver<Standing>) {
        let head = log.lock().head();
        let machine = Machine::new(settings, head, 0, system_clock());
        let (standing, watched) = watch::channel(Standing {
            phase: machine.phase(),
            acknowledged: 0,
            acknowledged_at: None,
            dials: 0,
            lost: None,
            fault: None,
        });
        let (orders, ordered) = mpsc::channel(4);
        let (events, inbox) = mpsc::channel(16);
        let client = Self {
            identity,
            witness,
            log: Shared(log),
            machine,
            standing,
            events,
            generation: 0,
            connection: None,
            heard: Heard { fed: (vec![0; 16], 0, 0), ..Heard::default() },
            head,
            away: true,
        };
        (client.run(ordered, inbox), orders, watched)
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut inbox: mpsc::Receiver<Report>) {
        loop {
            let due = self.machine.wake_at().filter(|_| !self.away);
            let due = due.map(|at| Duration::from_millis(at.since(system_clock())));
            let event = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.ordered(order),
                    None => return,
                },
                Some(report) = inbox.recv() => self.reported(report),
                () = sleep(due) => Some(Event::Tick),
            };
            if let Some(event) = event {
                self.decide(event);
            }
            let (phase, acknowledged) = (self.machine.phase(), self.machine.acknowledged());
            self.standing.send_if_modified(|standing| {
                let grown = acknowledged > standing.acknowledged;
                if grown {
                    standing.acknowledged_at = Some(Instant::now());
                }
                let changed = grown || standing.phase != phase;
                (standing.acknowledged, standing.phase) = (acknowledged, phase);
                changed
            });
        }
    }

    fn decide(&mut self, event: Event) {
        let log = self.log.clone();
        for action in self.machine.handle(system_clock(), rand::random(), event, &log) {
            self.act(action);
        }
    }

    fn ordered(&mut self, order: Order) -> Option<Event> {
        match order {
            Order::Send => {
                self.head = self.log.0.lock().head();
                Some(Event::Grown(self.head))
            }
            Order::Dial => {
                self.away = false;
                Some(Event::DialNow)
            }
            Order::Leave => {
                self.away = true;
                self.hang_up();
                Some(Event::Lost)
            }
        }
    }

    fn reported(&mut self, report: Report) -> Option<Event> {
        if report.generation != self.generation {
            return None;
        }
        match report.what {
            What::Opened(up) => {
                if let Some((_, sender)) = &mut self.connection {
                    *sender = Some(up);
                }
                Some(Event::Connected)
            }
            What::Sent { end, bytes } => Some(Event::Sent { end, bytes }),
            What::Say(message) => {
                self.say(*message);
                None
            }
            What::Lost(reason) => {
                self.connection = None;
                self.standing.send_modify(|standing| standing.lost = Some(reason));
                Some(Event::Lost)
            }
            What::Down(down) => down.message.map(|message| self.hear(message)),
        }
    }

    fn hear(&mut self, message: wire::down::Message) -> Event {
        use wire::down::Message;
        match message {
            Message::Welcome(welcome) => {
                let ledger = self.identity.ledger();
                let signed = welcome.ledger_checkpoint.as_bytes();
                let signed = SignedCheckpoint::verify(signed, ledger.origin.as_str(), ledger.key);
                match signed.map(|signed| signed.checkpoint().clone()) {
                    Ok(seen) => self.heard.seen = Some(seen),
                    Err(error) => return self.fault(error.to_string()),
                }
                let root = welcome.held_root.as_ref().try_into().unwrap_or_default();
                let held = Head { size: welcome.held_size, root };
                return Event::Welcome { held, flight_bytes_max: welcome.flight_bytes_max };
            }
            Message::Receipt(receipt) => return Event::Receipt { size: receipt.size },
            Message::Busy(busy) => return Event::Busy { retry_after_millis: busy.retry_after_millis },
            Message::Fenced(fenced) => return self.fault(fenced.en),
            Message::Notice(notice) => {
                if notice.kind == "QUARANTINED" {
                    return self.fault(notice.en);
                }
                self.heard.notices = notice.number + 1;
            }
            Message::Quality(quality) => self.heard.told = (quality.epoch, quality.next),
            Message::Feed(feed) => self.heard.fed = (feed.of.to_vec(), feed.ledger, feed.place),
            Message::Erasure(_) => self.heard.erasures += 1,
            Message::Round(round) => self.witness(round),
            Message::Reconcile(_)
            | Message::Mend(_)
            | Message::Catalogue(_)
            | Message::Authority(_)
            | Message::ReceiptKeys(_)
            | Message::Alive(_) => {}
        }
        Event::Heard
    }

    fn fault(&self, fault: String) -> Event {
        self.standing.send_modify(|standing| standing.fault = Some(fault));
        Event::Fenced
    }

    /// Cosigns a round, durably before the cosignature leaves.
    fn witness(&mut self, round: wire::Round) {
        let (witness, ledger) = (Arc::clone(&self.witness), self.identity.ledger());
        let (seen, events, generation) = (self.heard.seen.clone(), self.events.clone(), self.generation);
        tokio::task::spawn_blocking(move || {
            if let Ok((cosigned, _)) = witness.round(&ledger, &round, seen.as_ref(), system_clock()) {
                let what = What::Say(Box::new(wire::up::Message::Cosigned(cosigned)));
                let _ = events.blocking_send(Report { generation, what });
            }
        });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial => self.dial(),
            Action::HangUp => self.hang_up(),
            Action::Hello(head) => self.say(wire::up::Message::Hello(self.hello(head))),
            Action::Heartbeat => {
                let checkpoint = self.log.0.lock().checkpoint(self.head);
                let Ok(checkpoint) = checkpoint else { return };
                let clock_millis = system_clock().0;
                let heartbeat = wire::Heartbeat { checkpoint, clock_millis, ..wire::Heartbeat::default() };
                self.say(wire::up::Message::Heartbeat(heartbeat));
            }
            Action::SendBatch { from } => self.send_batch(from),
            Action::ProveFork { .. } | Action::Regress => {
                let fault = "the hub holds another log than this one".to_owned();
                self.standing.send_modify(|standing| {
                    standing.fault.get_or_insert(fault);
                });
            }
        }
    }

    fn hang_up(&mut self) {
        self.generation += 1;
        if let Some((task, _)) = self.connection.take() {
            task.abort();
        }
    }

    fn dial(&mut self) {
        self.hang_up();
        self.standing.send_modify(|standing| standing.dials += 1);
        let (generation, events) = (self.generation, self.events.clone());
        let identity = Arc::clone(&self.identity);
        let task = tokio::spawn(async move {
            let lost = converse(&identity, generation, &events).await;
            let _ = events.send(Report { generation, what: What::Lost(lost) }).await;
        });
        self.connection = Some((task.abort_handle(), None));
    }

    fn up(&self) -> Option<mpsc::Sender<wire::Up>> {
        self.connection.as_ref().and_then(|(_, up)| up.clone())
    }

    fn say(&self, message: wire::up::Message) {
        if let Some(up) = self.up() {
            let _ = up.try_send(wire::Up { message: Some(message) });
        }
    }

    /// Told before it goes: its receipt must not come before it counts as sent.
    fn send_batch(&self, from: u64) {
        let Some(up) = self.up() else { return };
        let (log, events, generation) = (self.log.clone(), self.events.clone(), self.generation);
        tokio::spawn(async move {
            let read = tokio::task::spawn_blocking(move || log.0.lock().batch(from)).await;
            let what = match read {
                Ok(Ok(batch)) => {
                    let Ok(place) = up.reserve().await else { return };
                    let end = batch.first + u64::from(batch.count);
                    let what = What::Sent { end, bytes: batch.packed.len() };
                    if events.send(Report { generation, what }).await.is_ok() {
                        place.send(wire::Up { message: Some(wire::up::Message::Batch(batch)) });
                    }
                    return;
                }
                Ok(Err(error)) => What::Lost(format!("{error:#}")),
                Err(error) => What::Lost(error.to_string()),
            };
            let _ = events.send(Report { generation, what }).await;
        });
    }

    fn hello(&self, head: Head) -> wire::Hello {
        let (ledger, heard) = (self.identity.ledger(), &self.heard);
        let mut hello = wire::Hello {
            protocol: lienthong_node::sync_protocol(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            replica: self.identity.replica().0.to_vec().into(),
            log_size: head.size,
            log_root: head.root.to_vec().into(),
            notice_cursor: heard.notices,
            clock_millis: system_clock().0,
            told_epoch: heard.told.0,
            told_next: heard.told.1,
            feed_of: heard.fed.0.clone().into(),
            feed_ledger: heard.fed.1,
            feed_place: heard.fed.2,
            erasures_seen: heard.erasures,
            ledger: ledger.origin.replica().0.to_vec().into(),
            authority: self.identity.authority(),
            ledger_seen: heard.seen.as_ref().map_or(0, |seen| seen.size),
            ..wire::Hello::default()
        };
        self.witness.greet(&mut hello);
        hello
    }
}

/// Dials, opens the stream, and tells what the hub says until it ends; why it did.
async fn converse(identity: &NodeIdentity, generation: u64, events: &mpsc::Sender<Report>) -> String {
    let channel = match identity::connect(identity).await {
        Ok(channel) => channel,
        Err(error) => return error.to_string(),
    };
    let (up, queue) = mpsc::channel(UP_QUEUE);
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(queue);
    let mut rpc = SyncClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut down: Streaming<wire::Down> = match rpc.exchange(outgoing).await {
        Ok(opened) => opened.into_inner(),
        Err(status) => return status.to_string(),
    };
    if events.send(Report { generation, what: What::Opened(up) }).await.is_err() {
        return String::new();
    }
    loop {
        let what = match down.message().await {
            Ok(Some(message)) => What::Down(Box::new(message)),
            Ok(None) => return "the hub closed the stream".to_owned(),
            Err(status) => return status.to_string(),
        };
        if events.send(Report { generation, what }).await.is_err() {
            return String::new();
        }
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
