//! The thin client: does what the machine says, over one stream.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::catalogue::Bundle;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::quality::Told;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::calls::{judge_rolls, longest_seen, refuse, renew};
use super::reconcile::Reconciler;
use super::stream::{Before, Report, What, connect, hand_over, prove, read_down};
use super::{
    Action, BatchBuilder, Event, Evidence, LedgerFault, Machine, NoticeLine, Phase, Promised, ReceiptLine,
    RefusalLine, Roots as _, Settings, Welcomed, Witness, judge, verify_proof, verify_receipt,
};
use crate::erasing::{self, Erasures};
use crate::identity::NodeIdentity;
use crate::observe::{Captures, Job, Room};
use crate::published::{Shelf, Taken};
use crate::quality::{Keeper, Telling, ToldCursor};
use crate::recover::former_batches;
use crate::replica::{Head, Replica};
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// What people see of synchronisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStatus {
    /// Where it stands.
    pub phase: Phase,
    /// Entries the hub has acknowledged.
    pub acknowledged: u64,
    /// When the hub was last heard.
    pub last_sync: Option<UnixMillis>,
    /// Why the last attempt failed.
    pub fault: Option<String>,
    /// The hub could not show what it promised: somebody must look.
    pub alarm: Option<String>,
    /// The hub's ledger is not witnessed as it should be: somebody must look.
    pub unwitnessed: Option<String>,
    /// This machine's clock less the hub's at the last welcome, milliseconds.
    pub skew_millis: Option<i64>,
}

/// Lets others watch and nudge the client.
#[derive(Debug, Clone)]
pub struct SyncHandle {
    status: watch::Receiver<SyncStatus>,
    nudge: mpsc::Sender<Event>,
}

impl SyncHandle {
    /// The current state.
    #[must_use]
    pub fn status(&self) -> SyncStatus {
        self.status.borrow().clone()
    }

    /// Follows the state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }

    /// Dials now, if it was waiting.
    pub fn dial_now(&self) {
        let _ = self.nudge.try_send(Event::DialNow);
    }

    /// Makes the line again at once: the certificate is another.
    pub fn redial(&self) {
        let _ = self.nudge.try_send(Event::Redial);
    }
}

/// What the client works with.
pub struct SyncClient {
    /// Who we are and whom we trust.
    pub identity: Arc<NodeIdentity>,
    /// Makes batches and checkpoints.
    pub builder: BatchBuilder,
    /// Keeps receipts and notices.
    pub evidence: Arc<Evidence>,
    /// Cosigns the ledger.
    pub witness: Arc<Witness>,
    /// What was erased by orders.
    pub erasures: Arc<RwLock<Erasures>>,
    /// Takes the feed in.
    pub replica: Replica,
    /// Keeps what the province tells of the records.
    pub quality: Arc<Keeper>,
    /// What was captured here, to speak of it by its id.
    pub captures: Arc<Captures>,
    /// Tells of its rounds.
    pub job: Arc<Job>,
    /// The node's folder: the province hears how full its disk is.
    pub data: PathBuf,
    /// The log as it grows.
    pub head: watch::Receiver<Head>,
    /// Where the catalogue the province publishes is kept.
    pub shelf: Shelf,
    /// Told when there is a newer catalogue than the one in force.
    pub superseded: CancellationToken,
    /// First bytes of the catalogue's digest.
    pub catalogue: Vec<u8>,
    /// Rhythms.
    pub settings: Settings,
    /// Tells the time.
    pub clock: fn() -> UnixMillis,
    /// Called once when the log proves regressed: stop writing.
    pub regress: Box<dyn Fn() + Send + Sync>,
}

/// Starts the client; it ends with `stop`.
#[must_use]
pub fn run(client: SyncClient, stop: CancellationToken) -> (SyncHandle, tokio::task::JoinHandle<()>) {
    let acknowledged = client.evidence.last_receipt().map_or(0, |receipt| receipt.size);
    let now = (client.clock)();
    let head = *client.head.borrow();
    let machine = Machine::new(client.settings, head, acknowledged.min(head.size), now);
    let status = SyncStatus {
        phase: machine.phase(),
        acknowledged,
        last_sync: None,
        fault: None,
        alarm: None,
        unwitnessed: None,
        skew_millis: None,
    };
    let (status_sender, status) = watch::channel(status);
    let (nudge, nudged) = mpsc::channel(1);
    let (events, inbox) = mpsc::channel(64);
    let reconciler = Reconciler::new(client.replica.clone());
    let driver = Driver {
        client,
        machine,
        status: status_sender,
        events,
        connection: None,
        generation: 0,
        reconciler,
        introduces: false,
        estranged: false,
        before: Before::default(),
    };
    let task = tokio::spawn(driver.run(inbox, nudged, stop));
    (SyncHandle { status, nudge }, task)
}

struct Driver {
    client: SyncClient,
    machine: Machine,
    status: watch::Sender<SyncStatus>,
    events: mpsc::Sender<Report>,
    connection: Option<Connection>,
    generation: u64,
    reconciler: Reconciler,
    /// The next greeting names the log key: the hub forgot who is enrolled.
    introduces: bool,
    /// The alarm is about the hub's ledger.
    estranged: bool,
    /// What was wrong with certificates the last time.
    before: Before,
}

struct Connection {
    up: Option<mpsc::Sender<wire::Up>>,
    rpc: Option<Rpc<Channel>>,
    /// Lets the reader go on behind the welcome.
    admit: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Driver {
    async fn run(
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

    fn step(&mut self, event: Event) {
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
    fn report(&mut self, report: Report) -> Option<Event> {
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
            What::Proof(receipt, reply) => {
                self.keep_proof(&receipt, reply);
                Some(Event::Heard)
            }
            What::Renewed => {
                self.reconciler.forget();
                Some(Event::Redial)
            }
            What::Lost(left) => {
                tracing::debug!(reason = left.reason, "the connection to the hub is lost");
                self.introduces = left.stranger;
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

    fn down(&mut self, down: wire::Down) -> Option<Event> {
        use wire::down::Message;
        match down.message? {
            Message::Welcome(welcome) => {
                if let Err(fault) = self.welcome(&welcome) {
                    return Some(self.estranged(fault, welcome.ledger_checkpoint));
                }
                let skew = (self.client.clock)().0.cast_signed() - welcome.clock_millis.cast_signed();
                self.status.send_modify(|status| status.skew_millis = Some(skew));
                if let Some(receipt) = &welcome.receipt {
                    self.keep_receipt(receipt);
                }
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
                if self.keep_receipt(&receipt) {
                    Some(Event::Receipt { size: receipt.size })
                } else {
                    Some(Event::Heard)
                }
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

    /// Judges the hub's ledger before anything goes there; a successor is taken for good.
    fn welcome(&mut self, welcome: &wire::Welcome) -> Result<(), String> {
        let client = &self.client;
        let (identity, evidence) = (&client.identity, &client.evidence);
        let seen = self.seen().map(|(seen, _)| seen);
        let acknowledged = evidence.last_receipt().map_or(0, |receipt| receipt.size);
        let judged = judge(identity, seen.as_ref(), acknowledged, welcome);
        let (shown, proven) = match judged.map_err(|fault: LedgerFault| fault.to_string())? {
            Welcomed::Same { shown, proven } => (shown, proven),
            Welcomed::Successor(shown) => {
                let notes =
                    welcome.successor.as_ref().map(|successor| &successor.notes[..]).unwrap_or_default();
                identity.succeed(notes).map_err(|error| error.to_string())?;
                evidence.turn_to(identity.ledger_mark()).map_err(|error| error.to_string())?;
                let now = (client.clock)();
                client.witness.turn_to(&identity.ledger(), now).map_err(|error| error.to_string())?;
                tracing::warn!(
                    ledger = shown.origin,
                    "the hub's ledger has a successor, signed by the recovery key"
                );
                (shown, true)
            }
        };
        if proven && seen.as_ref() != Some(&shown) {
            self.keep_seen(&welcome.ledger_checkpoint);
        }
        client.witness.welcomed(&identity.ledger(), welcome, &shown, proven);
        if std::mem::take(&mut self.estranged) {
            self.status.send_modify(|status| status.alarm = None);
        }
        self.hear_authority(&welcome.authority);
        match self.client.identity.trust_alone(welcome.authority_alone) {
            Ok(true) => tracing::info!("the authority of before is trusted no more"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "who is trusted cannot be kept"),
        }
        let unproven = self.client.evidence.unproven();
        let (identity, clock) = (Arc::clone(&self.client.identity), self.client.clock);
        if let Some(connection) = &mut self.connection {
            if let Some(admit) = connection.admit.take() {
                let _ = admit.send(());
            }
            if let Some(rpc) = connection.rpc.clone() {
                let (asking, events, generation) = (rpc.clone(), self.events.clone(), self.generation);
                tokio::spawn(renew_and_say(asking, identity, clock, (events, generation)));
                if let Some(receipt) = unproven {
                    tokio::spawn(prove(rpc, receipt, self.generation, self.events.clone()));
                }
            }
        }
        Ok(())
    }

    /// Trusts another authority, if the recovery key has named it; what was trusted stays otherwise.
    fn hear_authority(&self, note: &str) -> bool {
        if note.is_empty() {
            return false;
        }
        match self.client.identity.trust(note) {
            Ok(new) => {
                if new {
                    tracing::warn!(
                        "another authority of certificates is trusted, signed for by the recovery key"
                    );
                }
                new
            }
            Err(error) => {
                tracing::error!(%error, "what came as another authority is refused");
                let alarm = format!(
                    "tỉnh gửi gốc chứng nhận không do khóa khôi phục ký, không nhận: gọi tỉnh · an authority that the recovery key did not sign for was refused: call the province ({error})"
                );
                self.status.send_modify(|status| status.alarm = Some(alarm));
                false
            }
        }
    }

    /// The longest checkpoint of the ledger known that was seen, and its note.
    fn seen(&self) -> Option<(Checkpoint, String)> {
        let ledger = self.client.identity.ledger();
        longest_seen(&self.client.evidence, &self.client.witness, ledger.origin.as_str())
    }

    fn keep_seen(&self, note: &str) {
        if let Err(error) = self.client.evidence.keep_seen(note) {
            tracing::warn!(%error, "the ledger's checkpoint cannot be kept");
        }
    }

    /// Cosigns a round of the ledger, unless it is not the one known.
    fn round(&mut self, round: &wire::Round) -> Result<(), String> {
        let client = &self.client;
        let seen = self.seen().map(|(seen, _)| seen);
        let (ledger, now) = (client.identity.ledger(), (client.clock)());
        judge_rolls(&client.witness, &client.identity, &client.evidence, round, now);
        let judged = client.witness.round(&ledger, round, seen.as_ref(), now);
        let (cosigned, checkpoint) = judged.map_err(|fault| fault.to_string())?;
        if checkpoint.is_some_and(|checkpoint| seen.is_none_or(|seen| checkpoint.size > seen.size)) {
            self.keep_seen(&round.checkpoint);
        }
        self.send(wire::up::Message::Cosigned(cosigned));
        Ok(())
    }

    /// The hub's ledger is refused: kept with both checkpoints, told, and nothing goes there.
    fn estranged(&mut self, fault: String, shown: String) -> Event {
        self.alarm(&fault);
        let known = self.seen().map(|(_, note)| note).unwrap_or_default();
        let rpc = self.connection.as_ref().and_then(|connection| connection.rpc.clone());
        let refusal = RefusalLine { at: (self.client.clock)().0, reason: fault, known, shown, roll: None };
        refuse(&self.client.evidence, rpc, refusal);
        Event::Estranged
    }

    /// The hub is not the one known: loud, and nothing goes there.
    fn alarm(&mut self, fault: &str) {
        tracing::error!(fault, "the hub's ledger is refused: nothing is sent");
        self.estranged = true;
        let alarm = format!(
            "sổ cái của tỉnh không phải sổ đã biết, không gửi gì; hãy gọi tỉnh: {fault} · \
             the province's ledger is not the one known, nothing is sent; call the province: {fault}"
        );
        self.status.send_modify(|status| status.alarm = Some(alarm));
    }

    /// Keeps a receipt whose cosignature holds over our own checkpoint of that size; others are not believed.
    fn keep_receipt(&self, receipt: &wire::Receipt) -> bool {
        let client = &self.client;
        if client.evidence.last_receipt().is_some_and(|kept| kept.size >= receipt.size) {
            return true;
        }
        let name = client.identity.cosigner_name();
        let cosigner = (name.as_str(), client.identity.cosigner_key());
        let verified = verify_receipt(receipt, &client.builder, client.identity.origin(), cosigner);
        let checkpoint = match verified {
            Ok(Some(checkpoint)) => checkpoint,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(%error, size = receipt.size, "the hub's receipt does not hold");
                return false;
            }
        };
        let line = ReceiptLine {
            ledger: None,
            size: receipt.size,
            checkpoint: checkpoint.body(),
            cosignature: receipt.cosignature.clone(),
            ledger_index: receipt.ledger_index,
            at: receipt.at_millis,
            proven: false,
        };
        let before = client.evidence.last_receipt().map_or(0, |kept| kept.size);
        if let Err(error) = client.evidence.keep_receipt(line) {
            tracing::error!(%error, "a receipt cannot be kept");
        }
        let replica = client.identity.replica();
        client.captures.acknowledged(replica, before, receipt.size, receipt.ledger_index);
        true
    }

    /// Keeps the proof of a receipt; a hub that cannot give one has broken its promise.
    fn keep_proof(&self, receipt: &ReceiptLine, reply: Result<wire::ProveReply, String>) {
        let client = &self.client;
        let ledger = client.identity.ledger();
        let promised = Promised {
            receipt,
            replica: client.identity.replica(),
            root: client.builder.root_at(receipt.size).unwrap_or([0; 32]),
            ledger_origin: ledger.origin.as_str(),
            ledger_key: ledger.key,
        };
        let kept = reply
            .and_then(|reply| verify_proof(promised, &reply).map_err(|fault| fault.to_string()))
            .and_then(|proof| client.evidence.keep_proof(proof).map_err(|fault| fault.to_string()));
        let alarm = kept.err().map(|reason| {
            tracing::error!(reason, ledger_index = receipt.ledger_index, "a receipt is not proven");
            format!(
                "tỉnh chưa chứng minh được biên nhận số {0}: {reason} · the province has not proven receipt {0}: {reason}",
                receipt.ledger_index
            )
        });
        self.status.send_modify(|status| status.alarm = alarm);
    }

    /// Keeps what the province tells of this unit's records.
    fn hear(&self, quality: &wire::Quality) -> Result<(), String> {
        let told: Result<Vec<Told>, _> = quality.told.iter().map(|told| Told::decode(told)).collect();
        let told = told.map_err(|malformed| malformed.to_string())?;
        let cursor = ToldCursor { epoch: quality.epoch, next: quality.next };
        let telling = Telling { cursor, anew: quality.anew, told };
        self.client.quality.hear(&telling).map_err(|error| error.to_string())
    }

    fn keep_notice(&self, notice: wire::Notice) {
        let line = NoticeLine {
            ledger: None,
            number: notice.number,
            at: notice.at_millis,
            kind: notice.kind,
            sequence: notice.sequence,
            reason: notice.reason,
            record_type: notice.record_type,
            vi: notice.vi,
            en: notice.en,
        };
        match self.client.evidence.keep_notice(line) {
            Ok(()) => {
                let cursor = self.client.evidence.notice_cursor();
                // A full queue loses only the acknowledgement: the hub then sends the notice again.
                self.send(wire::up::Message::NoticesTaken(wire::NoticesTaken { cursor }));
            }
            Err(error) => tracing::error!(%error, "a notice cannot be kept"),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial => self.dial(),
            Action::HangUp => {
                self.generation += 1;
                self.connection = None;
            }
            Action::Hello(head) => self.send(self.hello(head)),
            Action::Heartbeat => {
                let head = *self.client.head.borrow();
                if let Ok(checkpoint) = self.client.builder.checkpoint(head.size) {
                    let clock_millis = (self.client.clock)().0;
                    let room = Room::of(&self.client.data);
                    let heartbeat = wire::Heartbeat {
                        checkpoint,
                        clock_millis,
                        disk_free_bytes: room.map_or(0, |room| room.free_bytes),
                        disk_total_bytes: room.map_or(0, |room| room.total_bytes),
                    };
                    self.send(wire::up::Message::Heartbeat(heartbeat));
                }
            }
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

    fn hello(&self, head: Head) -> wire::up::Message {
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
            ledger_seen: self.seen().map_or(0, |(seen, _)| seen.size),
            ..wire::Hello::default()
        };
        self.client.witness.greet(&mut hello);
        wire::up::Message::Hello(hello)
    }

    fn take_catalogue(&self, came: wire::Catalogue) {
        let identity = &self.client.identity;
        let bundle = Bundle { note: came.note, packed: came.packed.to_vec() };
        let ledger = identity.ledger();
        match self.client.shelf.take(&bundle, (&ledger.origin.to_string(), ledger.key)) {
            Ok(Taken::New(published)) => {
                tracing::info!(number = published.number, "a new catalogue came and will be in force");
                self.client.superseded.cancel();
            }
            Ok(Taken::Known) => {}
            Ok(Taken::Refused(published, why)) => tracing::error!(
                number = published.number,
                why,
                "the published catalogue is not understood: this program is too old for it"
            ),
            Err(error) => tracing::error!(%error, "what came as a catalogue is refused"),
        }
    }

    fn take_erasure(&self, came: &wire::Erasure) {
        let ledger = self.client.identity.ledger();
        let verified = erasing::verified(came, (ledger.origin.as_str(), ledger.key));
        let (kept, erasure) = match verified {
            Ok(verified) => verified,
            Err(error) => {
                tracing::error!(%error, "what came as an erasure is not in the ledger: refused");
                return;
            }
        };
        match self.client.erasures.write().keep(kept, erasure) {
            Ok(erasing::Taken::New) => {
                tracing::warn!("an erasure was ordered: it is carried out at once");
                self.client.superseded.cancel();
            }
            Ok(erasing::Taken::Known) => {}
            Err(error) => tracing::error!(%error, "an erasure cannot be kept; the hub tells it again"),
        }
    }

    /// Says something short, without waiting: where the queue is full, batches are on their way, and a hub
    /// that does not read them is given up by its silence.
    fn send(&self, message: wire::up::Message) {
        if let Some(up) = self.up() {
            let _ = up.try_send(wire::Up { message: Some(message) });
        }
    }

    fn up(&self) -> Option<mpsc::Sender<wire::Up>> {
        self.connection.as_ref().and_then(|connection| connection.up.clone())
    }

    fn dial(&mut self) {
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
        self.connection = Some(Connection { up: None, rpc: None, admit: Some(admit), task });
    }

    /// Sends what this log holds of former replicas of the unit, then lets the welcome count: what the unit writes now
    /// builds on what they wrote.
    fn send_former(&self, held: &[wire::Extent], welcomed: Event) {
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

    fn send_batch(&self, from: u64) {
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
                None => tokio::task::spawn_blocking(move || builder.batch(from)).await,
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
async fn renew_and_say(
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
