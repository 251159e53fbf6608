//! The hub put together, and what ends with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_node::control::Serving;
use lienthong_node::dataset::Dataset;
use lienthong_node::erasing::{self, Erasures, ListError, SettleError};
use lienthong_node::lock::{DataLock, LockError};
use lienthong_node::log::{Disk, HashFile, LogReader};
use lienthong_node::observe::Job;
use lienthong_node::published::{Shelf, ShelfError};
use lienthong_node::quality::{Keeper, Pace, QualityError};
use lienthong_node::replica::{Author, Head, JournalOptions};
use lienthong_node::resealer::Resealer;
use lienthong_node::store::View;
use lienthong_proto::catalogue::{Bundle, Catalogue};
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError};
use lienthong_proto::cosignature::cosign;
use lienthong_proto::event::Event;
use lienthong_proto::hash::Signer as _;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::note::NoteError;
use lienthong_proto::receipt_key::Asked;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::QuarantineReason;
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::accept::TlsError;
use crate::accounts::{AccountError, Accounts, ApiTokens};
use crate::alerts::Alerts;
use crate::erasing::{CatchUpError, catch_up};
use crate::heartbeats::Heartbeats;
use crate::ingest::{CommitError, Committer, CommitterHandle, Release};
use crate::ledger::{self, LedgerError, LedgerOptions};
use crate::live::Live;
use crate::observe::{Observed, jobs};
use crate::pki::{
    Approvals, Contacts, HubSecrets, IssueError, Issuer, Registry, RegistryError, SecretsError,
    ServerCertificate, ServerCertificateError, TokenError, Tokens,
};
use crate::reconcile::Desk;
use crate::sharing::Subscribers;
use crate::witness::{Refusals, Rounds};

/// Batches verified or waiting for the disk at once: each holds at most 1 MiB opened.
const BATCHES_AT_ONCE: usize = 32;

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The secrets do not open.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The tokens do not open.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The accounts do not open.
    #[error(transparent)]
    Accounts(#[from] AccountError),
    /// The registry does not open.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The authority is unusable.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    ServerCertificate(#[from] ServerCertificateError),
    /// The ledger does not open.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The rules cannot be kept.
    #[error(transparent)]
    Quality(#[from] QualityError),
    /// The published catalogue cannot be read.
    #[error(transparent)]
    Catalogue(#[from] ShelfError),
    /// What was ordered to be erased cannot be: nothing is served before.
    #[error(transparent)]
    Erasing(#[from] SettleError),
    /// The list of erasures cannot follow the ledger.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// A thread or socket is refused.
    #[error("{what}: {source}")]
    Io {
        /// What was wanted.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl From<ListError> for StartError {
    fn from(error: ListError) -> Self {
        SettleError::from(error).into()
    }
}

/// A hub at work.
pub struct Hub {
    /// Its folder.
    pub data: PathBuf,
    /// Its keys.
    pub secrets: HubSecrets,
    /// Who is enrolled.
    pub registry: Registry,
    /// Enrolment tokens.
    pub tokens: Tokens,
    /// Tokens of the API.
    pub api_tokens: ApiTokens,
    /// Recoveries that were approved.
    pub approvals: Approvals,
    /// Whom to call at units.
    pub contacts: Contacts,
    /// People's accounts.
    pub accounts: Accounts,
    /// Issues certificates.
    pub issuer: Issuer,
    /// What it shows to those who dial it.
    pub server_certificate: Arc<ServerCertificate>,
    /// The catalogue in force, with the units of the day it was opened.
    pub catalogue: Arc<Catalogue>,
    /// The catalogue nodes are sent, if not just the program's own, and its number.
    pub sent: Option<(u64, Bundle)>,
    /// How often units were reorganised, as of the day it was opened.
    pub reorganised: u64,
    /// A newer one was published, or an erasure ordered: the hub must be opened anew.
    pub superseded: CancellationToken,
    /// The catalogue as its files have it.
    pub listed: Arc<Catalogue>,
    /// The ledger's writer.
    pub committer: CommitterHandle,
    /// The merged records.
    pub dataset: Dataset,
    /// How good they are.
    pub quality: Arc<Keeper>,
    /// What was erased by orders.
    pub erasures: Arc<RwLock<Erasures>>,
    /// The ledger's readers.
    pub reader: LogReader,
    /// The ledger's leaf hashes.
    pub hashes: Arc<HashFile>,
    /// Connected nodes.
    pub live: Live,
    /// What they last signed.
    pub heartbeats: Heartbeats,
    /// What they are asked to witness, and have.
    pub rounds: Rounds,
    /// Those who refuse the ledger.
    pub refusals: Refusals,
    /// Agencies' replicas that are told what they are granted.
    pub subscribers: Subscribers,
    /// Asks them things.
    pub desk: Desk,
    /// Held by the one comparison that runs.
    pub reconciling: tokio::sync::Mutex<()>,
    /// Held by the one who lets a replica in, new or again.
    pub readmitting: tokio::sync::Mutex<()>,
    /// Held by the one who publishes a catalogue.
    pub publishing: tokio::sync::Mutex<()>,
    /// Held by the one who changes the key of receipts.
    pub rotating: tokio::sync::Mutex<()>,
    /// Held by the one who orders an erasure.
    pub erasing: tokio::sync::Mutex<()>,
    /// Held by the one who changes units, or moves their records.
    pub reorganising: tokio::sync::Mutex<()>,
    /// Keeps what is stored under the key that encrypts now.
    pub resealer: Arc<Resealer>,
    /// Those who ask it by its control socket.
    pub serving: Arc<Serving>,
    /// What needs a person.
    pub alerts: Arc<Alerts>,
    /// What it counts and watches.
    pub observed: Observed,
    /// Ends everything.
    pub stop: CancellationToken,
    /// What opening remarked.
    pub remarks: Vec<String>,
    /// The folder with catalogue files over the built-in ones, if there is one.
    pub catalogue_folder: std::sync::OnceLock<PathBuf>,
    /// The addresses taken, by what is served there.
    pub addresses: RwLock<BTreeMap<String, String>>,
    heartbeating: Arc<Job>,
    batches: Arc<Semaphore>,
    clock: fn() -> UnixMillis,
    _lock: DataLock,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("data", &self.data).finish_non_exhaustive()
    }
}

/// The number of a sent catalogue: that of the published one, then so many bits for how often units were reorganised.
const REORGANISED_BITS: u32 = 20;

/// What nodes are sent: what was published, with the units of the day where they were reorganised. Its number grows with
/// either.
fn sent(
    data: &Path,
    secrets: &HubSecrets,
    catalogue: &Catalogue,
    reorganised: u64,
) -> Result<Option<(u64, Bundle)>, StartError> {
    let kept = Shelf::of(data).kept()?;
    let said = kept.as_ref().map(Bundle::says).transpose().map_err(ShelfError::from)?;
    let number = said.map_or(0, |published| published.number);
    let (origin, key) = (secrets.ledger_origin(), secrets.ledger_key.as_ref());
    let files = match kept {
        None if reorganised == 0 => return Ok(None),
        // One that a former ledger signed is signed anew.
        Some(bundle) if reorganised == 0 && bundle.published(&origin, key.public_key()).is_ok() => {
            return Ok(Some((number, bundle)));
        }
        Some(bundle) => bundle.files().map_err(ShelfError::from)?,
        None => Catalogue::embedded_files(),
    };
    let (number, files) = match reorganised {
        0 => (number, files),
        _ => (number << REORGANISED_BITS | reorganised, catalogue.files_with_its_units(&files)),
    };
    let bundle = Bundle::publish(number, &files, (&origin, key)).map_err(ShelfError::from)?;
    Ok(Some((number, bundle)))
}

/// A ledger, and what was erased of it.
type OpenedLedger = Result<(ledger::Opened, Erasures), StartError>;

/// Opens the ledger once everything it orders to be erased is gone from it.
fn open_erased(
    data: &Path,
    author: &Author,
    catalogue: &Arc<Catalogue>,
    options: &LedgerOptions,
) -> OpenedLedger {
    let mut remarks = Vec::new();
    loop {
        let tell = |at, of| tracing::info!(at, of, "erasing: segments of the log looked through");
        let settled = erasing::settle(data, author.replica, &options.keys, &Disk::real(), &tell)?;
        remarks.extend(settled.map(|settled| settled.to_string()));
        let mut opened = ledger::open(data, author.clone(), Arc::clone(catalogue), options)?;
        let mut erasures = Erasures::open(data)?;
        // An order that was cut short: the ledger has it, the list did not.
        if !catch_up(&mut erasures, &opened.books.orders, opened.journal.reader())? {
            opened.remarks.extend(remarks);
            return Ok((opened, erasures));
        }
    }
}

impl Hub {
    /// Opens the hub in `data`; nothing listens yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(
        data: &Path,
        catalogue: Arc<Catalogue>,
        options: &LedgerOptions,
        clock: fn() -> UnixMillis,
    ) -> Result<Arc<Self>, StartError> {
        let ledger =
            |author: &Author, catalogue: &Arc<Catalogue>| open_erased(data, author, catalogue, options);
        let (hub, committer) = Self::put_together(data, catalogue, ledger, clock)?;
        let io = |what: &str| {
            let what = what.to_owned();
            move |source| StartError::Io { what, source }
        };
        committer.start(&hub.committer).map_err(io("the ledger's thread"))?;
        hub.quality
            .start(hub.stop.clone(), Pace::Prompt, hub.observed.jobs.register(jobs::QUALITY))
            .map_err(io("the thread for quality"))?;
        Ok(hub)
    }

    /// As [`Hub::open`], with this view in the place of its own and without threads: the ledger is written by the turns of
    /// the committer, and quality is judged when it is settled. Nothing is erased from what is there.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn without_threads(
        data: &Path,
        catalogue: Arc<Catalogue>,
        (view, options): (Arc<dyn View>, JournalOptions),
        clock: fn() -> UnixMillis,
    ) -> Result<(Arc<Self>, Committer), StartError> {
        let ledger = |author: &Author, catalogue: &Arc<Catalogue>| {
            let opened = ledger::open_over(data, author.clone(), Arc::clone(catalogue), (&view, options))?;
            Ok((opened, Erasures::open(data)?))
        };
        Self::put_together(data, catalogue, ledger, clock)
    }

    fn put_together(
        data: &Path,
        catalogue: Arc<Catalogue>,
        ledger: impl FnOnce(&Author, &Arc<Catalogue>) -> OpenedLedger,
        clock: fn() -> UnixMillis,
    ) -> Result<(Arc<Self>, Committer), StartError> {
        let secrets = HubSecrets::load(data)?;
        let lock = DataLock::take(data, "lienthong-hub")?;
        let registry = Registry::open(&secrets)?;
        let tokens = Tokens::open(&secrets)?;
        let approvals = Approvals::open(&secrets).map_err(TokenError::from)?;
        let api_tokens = ApiTokens::open(&secrets).map_err(TokenError::from)?;
        let contacts = Contacts::open(&secrets).map_err(TokenError::from)?;
        let accounts = Accounts::open(&secrets)?;
        let issuer = Issuer::new(&secrets);
        let server_certificate = Arc::new(ServerCertificate::open(&secrets, &issuer, clock())?);
        let author = Author {
            replica: secrets.profile.replica,
            unit: secrets.profile.province.clone(),
            provincial_key: Arc::clone(&secrets.provincial_key),
        };
        let (opened, erasures) = ledger(&author, &catalogue)?;
        let superseded = CancellationToken::new();
        // A publishing that was cut short: the ledger has it, or it never was.
        if Shelf::of(data).settle(opened.books.catalogue)? {
            superseded.cancel();
        }
        let (listed, lineage) = (catalogue, &opened.books.lineage);
        let reorganised = lineage.count(clock().day());
        let catalogue = if lineage.is_empty() {
            Arc::clone(&listed)
        } else {
            Arc::new(listed.with_units(lineage.tree(listed.units(), clock().day()).listed()))
        };
        let dataset = opened.journal.dataset().clone();
        let reader = opened.journal.reader().clone();
        let hashes = Arc::clone(opened.journal.hashes());
        let ledger = (secrets.ledger_origin(), secrets.ledger_public());
        let rounds = Rounds::open(data, (&ledger.0, ledger.1), &opened.books.witnesses);
        let observed = Observed::new(clock);
        let counted = (Arc::clone(&observed.meters), observed.jobs.register(jobs::COMMITTER));
        let (committer, writer) =
            Committer::without_threads(opened.journal, opened.books, opened.feed, clock, counted);
        let quality = Keeper::open_telling(dataset.clone(), Arc::clone(&catalogue), clock)?;
        // A rule that does not compile is said at the start, not when it is first needed.
        quality.book()?;
        let sent = sent(data, &secrets, &catalogue, reorganised)?;
        let stop = CancellationToken::new();
        let resealer = Resealer::new(data, reader.clone(), Arc::clone(dataset.view()));
        let heartbeating = observed.jobs.register(jobs::HEARTBEATS);
        let hub = Arc::new(Self {
            data: data.to_owned(),
            secrets,
            registry,
            tokens,
            approvals,
            api_tokens,
            contacts,
            accounts,
            issuer,
            server_certificate,
            catalogue,
            sent,
            reorganised,
            superseded,
            listed,
            committer,
            dataset,
            quality,
            erasures: Arc::new(RwLock::new(erasures)),
            reader,
            hashes,
            live: Live::default(),
            heartbeats: Heartbeats::open(data),
            rounds,
            refusals: Refusals::open(data),
            subscribers: Subscribers::default(),
            desk: Desk::default(),
            reconciling: tokio::sync::Mutex::default(),
            readmitting: tokio::sync::Mutex::default(),
            publishing: tokio::sync::Mutex::default(),
            rotating: tokio::sync::Mutex::default(),
            erasing: tokio::sync::Mutex::default(),
            reorganising: tokio::sync::Mutex::default(),
            resealer,
            serving: Arc::default(),
            alerts: Arc::new(Alerts::open(data)),
            observed,
            stop,
            remarks: opened.remarks,
            catalogue_folder: std::sync::OnceLock::new(),
            addresses: RwLock::default(),
            heartbeating,
            batches: Arc::new(Semaphore::new(BATCHES_AT_ONCE)),
            clock,
            _lock: lock,
        });
        Ok((hub, writer))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        (self.clock)()
    }

    /// What tells it.
    #[must_use]
    pub fn clock(&self) -> fn() -> UnixMillis {
        self.clock
    }

    /// The ledger's size and root.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.committer.head().borrow()
    }

    /// The ledger's current checkpoint, signed.
    ///
    /// # Errors
    /// [`CheckpointError`] if the ledger's name is none.
    pub fn ledger_checkpoint(&self) -> Result<String, CheckpointError> {
        self.ledger_checkpoint_at(self.head())
    }

    /// The ledger's checkpoint at a head it had, signed.
    ///
    /// # Errors
    /// [`CheckpointError`] if the ledger's name is none.
    pub fn ledger_checkpoint_at(&self, head: Head) -> Result<String, CheckpointError> {
        Ok(self.checkpoint_at(head).sign(self.secrets.ledger_key.as_ref())?.note().to_string())
    }

    /// The ledger's checkpoint at a head it had.
    #[must_use]
    pub fn checkpoint_at(&self, head: Head) -> Checkpoint {
        let Head { size, root } = head;
        let roll = self.committer.books().read().rolls.last_place(size);
        Checkpoint { origin: self.secrets.ledger_origin(), size, root, roll }
    }

    /// Cosigns a replica's checkpoint that is held, as of a time: the signature's line, by the key of that time.
    ///
    /// # Errors
    /// [`NoteError`] if the name cannot be signed under, or this hub has not that key.
    pub fn cosign(&self, checkpoint: &Checkpoint, at_millis: u64) -> Result<String, NoteError> {
        let (name, seconds) = (self.secrets.cosigner_name(), at_millis / 1_000);
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let seeds = &self.secrets.receipt_seeds;
        let key = match named.keys.at(seconds) {
            Asked::First => Some(seeds.first()),
            Asked::Named(key) => seeds.of(key.key()),
        };
        cosign(checkpoint, seconds, &name, key.ok_or(NoteError::Key("of receipts"))?.as_ref())
    }

    /// Logs an event in the ledger.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger does not take it.
    pub async fn event(
        &self,
        kind: &str,
        actor: &str,
        fields: BTreeMap<String, Value>,
    ) -> Result<Sequence, CommitError> {
        let event = Event { kind: kind.to_owned(), at: self.now(), actor: actor.to_owned(), fields };
        self.committer.event(event).await
    }

    /// Releases what waited only for its record type, now that the catalogue knows it; returns how many.
    pub async fn release_known_types(&self) -> usize {
        let waiting = Arc::clone(&self.committer.books().read().quarantine);
        let mut released = 0;
        for (number, waiting) in waiting.iter() {
            let known = self.catalogue.record_type(&waiting.record_type).is_some();
            if waiting.reason != QuarantineReason::TypeUnknown || !known {
                continue;
            }
            let release = Release {
                number: *number,
                reason: "the catalogue knows the type".to_owned(),
                actor: "hub".to_owned(),
            };
            match self.committer.release(release).await {
                Ok(_) => released += 1,
                Err(error) => tracing::warn!(%error, "a change stays in quarantine"),
            }
        }
        released
    }

    /// Fences a replica: its log contradicts what is held. Logged, kept with both proofs, and loud.
    pub async fn fence(&self, replica: ReplicaId, proofs: &[String]) {
        tracing::error!(%replica, "a replica's log contradicts what is held: it is fenced");
        if let Err(error) = self.registry.fence(replica, proofs, self.now()) {
            tracing::warn!(%error, %replica, "the replica was not active any more");
            return;
        }
        let mut fields = BTreeMap::from([("replica".to_owned(), Value::Text(replica.to_string()))]);
        for (number, proof) in proofs.iter().enumerate() {
            fields.insert(format!("proof_{number}"), Value::Text(proof.clone()));
        }
        if let Err(error) = self.event("fence", "hub", fields).await {
            tracing::error!(%error, "the fence is not in the ledger");
        }
    }

    /// When a replica was last heard, as far as is known: its last word, its last batch, or its last heartbeat
    /// before a restart.
    #[must_use]
    pub fn last_heard(&self, replica: ReplicaId) -> Option<UnixMillis> {
        let live = self.live.get(replica).and_then(|live| live.last_seen);
        let books = self.committer.books().read();
        let held = books.replicas.get(&replica).map(|held| held.at).filter(|at| at.0 > 0);
        live.max(held).max(self.heartbeats.get(replica).map(|heartbeat| heartbeat.at))
    }

    /// A place for one more batch in memory.
    pub async fn budget(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.batches).acquire_owned().await.ok()
    }

    /// Writes the heartbeats that are new.
    pub fn keep_heartbeats(&self) {
        self.heartbeating.begin();
        match self.heartbeats.write(self.now()) {
            Ok(()) => self.heartbeating.done(),
            Err(error) => {
                self.heartbeating.failed();
                tracing::error!(%error, "heartbeats cannot be kept");
            }
        }
    }

    /// Stops: what was asked is answered, no more connections, what was accepted reaches the view.
    pub async fn close(&self) {
        self.serving.end().await;
        self.stop.cancel();
        self.keep_heartbeats();
        if let Err(error) = self.rounds.end() {
            tracing::error!(%error, "the last round cannot be kept");
        }
        self.quality.ended().await;
        let resealer = Arc::clone(&self.resealer);
        let _ = tokio::task::spawn_blocking(move || resealer.end()).await;
        self.committer.close().await;
    }
}
