//! Synchronisation as others see it: what it needs, what it tells, how it is nudged.

use std::path::PathBuf;
use std::sync::Arc;

use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::reconcile::Reconciler;
use super::stream::Before;
use super::{BatchBuilder, Event, Evidence, Machine, Phase, Settings, Witness};
use crate::erasing::Erasures;
use crate::identity::NodeIdentity;
use crate::observe::{Captures, Job};
use crate::published::Shelf;
use crate::quality::Keeper;
use crate::replica::{Head, Replica};
/// Nudges that wait: one to dial now must not keep out one to make the line again.
const NUDGES: usize = 16;

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
    let (nudge, nudged) = mpsc::channel(NUDGES);
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
        welcomed: None,
        unanswered: None,
        unproven_alarm: None,
    };
    let task = tokio::spawn(driver.run(inbox, nudged, stop));
    (SyncHandle { status, nudge }, task)
}
