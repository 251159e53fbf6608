//! The node put together.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::Sequence;
use lienthong_proto::text::in_both;
use lienthong_proto::time::UnixMillis;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::api::ApiTokens;
use crate::at_rest::{KeyRing, NeededKey};
use crate::control::Serving;
use crate::erasing::{self, Erasures, ListError, SettleError};
use crate::granted::{Subscriber, Views, ViewsError};
use crate::identity::{IdentityError, NodeIdentity, Proxy};
use crate::inbox::{self, Inbox, InboxStatus};
use crate::lock::{DataLock, LockError};
use crate::log::{self, Disk, HashFile};
use crate::observe::{Captures, Jobs};
use crate::published::Shelf;
use crate::quality::{Keeper, Pace, QualityError};
use crate::recover::{self, RECOVERING, Refilled};
use crate::replica::{
    Author, Draft, Journal, JournalError, JournalOptions, Replay, Replica, WriteError, Written, log_dir,
};
use crate::resealer::Resealer;
use crate::store::{SledView, View, ViewError};
use crate::sync::{self, BatchBuilder, Evidence, EvidenceError, Settings, SyncClient, SyncHandle, Witness};
use crate::web::{Officers, Page};

/// sled's cache at a node: an old office PC has little memory to give.
pub(crate) const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Records that may wait for the view. What sled replaces while it takes a batch is freed behind it: eight times as many take
/// 70 MB more, and no less time.
const UNFLUSHED_MAX: usize = 1_024;
/// Opened frames kept for readers.
const FRAMES_CACHED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
/// A replica that must not write any more is marked by this file.
const REGRESSED: &str = "regressed";

/// The role of an agency's node.
const AUDITOR: &str = "auditor";

/// The background jobs of a node.
pub(crate) mod jobs {
    use crate::observe::{Beat, JobSpec};

    pub(crate) const JOURNAL: JobSpec = JobSpec {
        name: "journal",
        rhythm_seconds: 30,
        beat: Beat::Always,
        vi: "ghi nhật ký, đưa vào bảng tra",
        en: "writes the log and brings it to the view",
    };
    pub(crate) const SYNC: JobSpec = JobSpec {
        name: "sync",
        rhythm_seconds: 120,
        beat: Beat::Always,
        vi: "đồng bộ với tỉnh, gọi lại khi mất đường truyền",
        en: "keeps in step with the hub, dials again when the line is lost",
    };
    pub(crate) const GRANTED: JobSpec = JobSpec {
        name: "granted",
        rhythm_seconds: 600,
        beat: Beat::WithWork,
        vi: "nhận dữ liệu được cấp quyền",
        en: "receives what is granted",
    };
    pub(crate) const INBOX: JobSpec = JobSpec {
        name: "inbox",
        rhythm_seconds: 600,
        beat: Beat::Always,
        vi: "nhận tệp từ thư mục theo dõi",
        en: "takes in files of the watched folder",
    };
    pub(crate) const QUALITY: JobSpec = JobSpec {
        name: "quality",
        rhythm_seconds: 120,
        beat: Beat::Always,
        vi: "đánh giá chất lượng bản ghi",
        en: "judges records",
    };
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It was never enrolled.
    #[error(
        "{0} chưa ghi danh: hãy chạy `lienthong-node enrol` · is not enrolled: run `lienthong-node enrol` first"
    )]
    Unenrolled(String),
    /// A recovery was begun and not finished.
    #[error(
        "khôi phục chưa xong: hãy chạy lại `lienthong-node recover` · a recovery is not finished: run `lienthong-node recover` again"
    )]
    Recovering,
    /// The identity is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It is encrypted, and the key is not at hand.
    #[error(transparent)]
    Key(NeededKey),
    /// What is granted cannot be opened.
    #[error(transparent)]
    Granted(#[from] ViewsError),
    /// The log does not open.
    #[error("{}", in_both("hãy chạy `lienthong-node check`", "run `lienthong-node check`", &.0.to_string()))]
    Log(log::OpenError),
    /// The view cannot be made.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Something in the log is not readable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Receipts and notices cannot be opened.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The rules cannot be kept.
    #[error(transparent)]
    Quality(#[from] QualityError),
    /// What was ordered to be erased cannot be: nothing is served before.
    #[error(transparent)]
    Erasing(#[from] SettleError),
    /// A thread or file is refused.
    #[error("{what}: {source}")]
    Io {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl From<ListError> for StartError {
    fn from(error: ListError) -> Self {
        SettleError::from(error).into()
    }
}

impl From<log::OpenError> for StartError {
    fn from(error: log::OpenError) -> Self {
        match error {
            log::OpenError::Key(needed) => Self::Key(needed),
            other => Self::Log(other),
        }
    }
}

/// A node at work.
pub struct Node {
    /// Its folder.
    pub data: PathBuf,
    /// Who it is.
    pub identity: Arc<NodeIdentity>,
    /// Its log and state.
    pub replica: Replica,
    /// Receipts and notices.
    pub evidence: Arc<Evidence>,
    /// Cosigns the hub's ledger.
    pub witness: Arc<Witness>,
    /// How good its records are.
    pub quality: Arc<Keeper>,
    /// What was erased by orders.
    pub erasures: Arc<RwLock<Erasures>>,
    /// Sheets in the watched folder that had brought what was erased.
    pub sheets: RwLock<Vec<PathBuf>>,
    /// Whom the local API lets in.
    pub api_tokens: ApiTokens,
    /// Whom the page lets in from the office network.
    pub officers: Officers,
    /// The page, once it is served.
    pub page: RwLock<Option<Arc<Page>>>,
    /// What was captured since the start.
    pub captures: Arc<Captures>,
    /// Its background jobs.
    pub jobs: Jobs,
    /// The addresses served, by what is served there.
    pub addresses: RwLock<BTreeMap<String, String>>,
    /// What opening remarked.
    pub remarks: Vec<String>,
    /// At an agency's node: what it is granted.
    pub granted: Option<Arc<Views>>,
    /// Keeps what is stored under the key that encrypts now.
    pub resealer: Arc<Resealer>,
    /// Those who ask it.
    pub serving: Arc<Serving>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// A newer catalogue came: to be in force, the node must be opened anew.
    pub superseded: CancellationToken,
    clock: fn() -> UnixMillis,
    regressed: Arc<AtomicBool>,
    sync: Mutex<Option<SyncHandle>>,
    subscriber: Mutex<Option<Subscriber>>,
    inbox: Mutex<Option<Inbox>>,
    _lock: DataLock,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the node in `data`; it does not dial yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(
        data: &Path,
        catalogue: Arc<Catalogue>,
        clock: fn() -> UnixMillis,
    ) -> Result<Arc<Self>, StartError> {
        Self::open_through(data, catalogue, clock, None, &KeyRing::default())
    }

    /// As [`Node::open`]; the hub is reached by a proxy, if one is given, and what is stored is sealed by the first of
    /// `keys`, if there is one.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open_through(
        data: &Path,
        catalogue: Arc<Catalogue>,
        clock: fn() -> UnixMillis,
        proxy: Option<&Proxy>,
        keys: &KeyRing,
    ) -> Result<Arc<Self>, StartError> {
        let identity =
            NodeIdentity::load(data)?.ok_or_else(|| StartError::Unenrolled(data.display().to_string()))?;
        let identity = identity.through(proxy);
        let lock = DataLock::take(data, "lienthong-node")?;
        if data.join(RECOVERING).exists() || recover::is_half_mended(data) {
            return Err(StartError::Recovering);
        }
        let settled = erasing::settle(data, identity.replica(), keys, &Disk::real(), &|_, _| {})?;
        let mut refilled = Refilled::new(identity.unit().clone());
        let (journal, mut remarks) =
            open_journal(data, &identity, Arc::clone(&catalogue), &mut refilled, keys)?;
        remarks.extend(settled.map(|settled| settled.to_string()));
        let erasures = Erasures::open(data)?;
        let io = |what| move |source| StartError::Io { what, source };
        let known = Jobs::new(clock);
        let writing = known.register(jobs::JOURNAL);
        let (replica, _thread) = Replica::start(journal, clock, writing).map_err(io("the log's thread"))?;
        let regressed = data.join(REGRESSED).exists();
        let witness = Witness::open(data, &identity, clock()).map_err(io("the witness's key"))?;
        witness.turn_to(&identity.ledger(), clock()).map_err(io("the witness's key"))?;
        let view = Arc::clone(replica.dataset().view());
        let resealer = Resealer::new(data, replica.reader().clone(), view);
        let evidence = Evidence::open(data, identity.known_ledger())?;
        let superseded = CancellationToken::new();
        // What the program of then did not know to be forbidden, this one may.
        let told = evidence.notices()?;
        let told = told.iter().filter(|notice| notice.drops()).map(|notice| Sequence(notice.sequence));
        let log = (replica.reader(), identity.replica());
        if erasing::drop_forbidden(data, log, told)? {
            superseded.cancel();
        }
        let quality = Keeper::open(replica.dataset().clone(), catalogue, clock)?;
        let identity = Arc::new(identity);
        let auditor = identity.profile().role == AUDITOR;
        let views = || Views::open(data, Arc::clone(&identity), keys).map(Arc::new);
        let granted = auditor.then(views).transpose()?;
        Ok(Arc::new(Self {
            data: data.to_owned(),
            evidence: Arc::new(evidence),
            granted,
            identity,
            witness: Arc::new(witness),
            replica,
            quality,
            erasures: Arc::new(RwLock::new(erasures)),
            sheets: RwLock::default(),
            api_tokens: ApiTokens::of(data),
            officers: Officers::of(data),
            page: RwLock::default(),
            captures: Arc::default(),
            jobs: known,
            addresses: RwLock::default(),
            remarks,
            resealer,
            serving: Arc::default(),
            stop: CancellationToken::new(),
            superseded,
            clock,
            regressed: Arc::new(AtomicBool::new(regressed)),
            sync: Mutex::new(None),
            subscriber: Mutex::new(None),
            inbox: Mutex::new(None),
            _lock: lock,
        }))
    }

    /// Begins to synchronise; a regressed replica never does.
    pub fn start_sync(&self, settings: Settings) {
        if self.is_regressed() {
            tracing::error!("this log contradicts what the hub holds; run `lienthong-node recover`");
            return;
        }
        let mark = self.data.join(REGRESSED);
        let regressed = Arc::clone(&self.regressed);
        let regress = Box::new(move || {
            regressed.store(true, Ordering::Release);
            // Durable, so that a restart does not write again.
            if let Err(error) = crate::identity::write_private(&mark, b"") {
                tracing::error!(%error, "the mark of a regressed replica cannot be kept");
            }
        });
        let client = SyncClient {
            identity: Arc::clone(&self.identity),
            builder: self.builder(),
            evidence: Arc::clone(&self.evidence),
            witness: Arc::clone(&self.witness),
            erasures: Arc::clone(&self.erasures),
            replica: self.replica.clone(),
            quality: Arc::clone(&self.quality),
            captures: Arc::clone(&self.captures),
            job: self.jobs.register(jobs::SYNC),
            data: self.data.clone(),
            head: self.replica.head(),
            shelf: Shelf::of(&self.data),
            superseded: self.superseded.clone(),
            catalogue: self.replica.catalogue().digest().to_vec(),
            settings,
            clock: self.clock,
            regress,
        };
        let (replica, erasures, clock) = (self.replica.clone(), Arc::clone(&self.erasures), self.clock);
        tokio::spawn(async move { erasing::tell(&replica, &erasures, clock()).await });
        let (handle, _task) = sync::run(client, self.stop.clone());
        *self.sync.lock() = Some(handle);
        if let Some(views) = &self.granted {
            let told = (self.clock, self.jobs.register(jobs::GRANTED));
            let (views, identity) = (Arc::clone(views), Arc::clone(&self.identity));
            let subscriber =
                Subscriber::start(views, identity, settings.retry_millis, told, self.stop.clone());
            *self.subscriber.lock() = Some(subscriber);
        }
    }

    /// Begins to judge records by itself, when there is nothing else to do.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start_judging(&self) -> std::io::Result<()> {
        self.quality.start(self.stop.clone(), Pace::Gentle, self.jobs.register(jobs::QUALITY))
    }

    /// Begins to watch a folder for files to take in; an agency's node takes none.
    ///
    /// # Errors
    /// The operating system's, if the data folder or a thread refuses.
    pub fn start_inbox(self: &Arc<Self>, folder: &Path) -> std::io::Result<()> {
        if self.granted.is_some() {
            return Ok(());
        }
        let sheets = erasing::sheets_in(folder, &self.erasures.read())?;
        if !sheets.is_empty() {
            // Their names may be persons': `status` has them, the log does not.
            tracing::warn!(
                sheets = sheets.len(),
                "sheets that were taken in hold what was erased: they are the officer's to throw away"
            );
        }
        *self.sheets.write() = sheets;
        *self.inbox.lock() = Some(inbox::start(self, folder)?);
        Ok(())
    }

    /// How the watched folder fares, if one is watched.
    #[must_use]
    pub fn inbox_status(&self) -> Option<InboxStatus> {
        self.inbox.lock().as_ref().map(Inbox::status)
    }

    /// Makes batches and checkpoints of the log.
    #[must_use]
    pub fn builder(&self) -> BatchBuilder {
        BatchBuilder::new(
            self.replica.reader().clone(),
            Arc::clone(self.replica.hashes()),
            self.identity.origin(),
            Arc::clone(self.identity.log_key()),
        )
    }

    /// Watches and nudges synchronisation, once it was begun.
    #[must_use]
    pub fn sync(&self) -> Option<SyncHandle> {
        self.sync.lock().clone()
    }

    /// Watches and nudges the granted views, at an agency's node that was begun.
    #[must_use]
    pub fn subscriber(&self) -> Option<Subscriber> {
        self.subscriber.lock().clone()
    }

    /// Whether the hub holds something this log contradicts: it takes no more writes.
    #[must_use]
    pub fn is_regressed(&self) -> bool {
        self.regressed.load(Ordering::Acquire)
    }

    /// Writes drafts durably, unless the replica is regressed.
    pub async fn write(&self, drafts: Vec<Draft>) -> Vec<Result<Written, WriteError>> {
        if self.granted.is_some() {
            let reason: Arc<str> =
                Arc::from("máy của cơ quan không ghi dữ liệu · an agency's node writes nothing");
            return drafts.iter().map(|_| Err(WriteError::Failed(Arc::clone(&reason)))).collect();
        }
        if self.is_regressed() {
            let reason: Arc<str> = Arc::from(
                "nhật ký máy này khác bản tỉnh đang giữ; hãy chạy `lienthong-node recover` · \
                 this log contradicts what the province holds; run `lienthong-node recover`",
            );
            return drafts.iter().map(|_| Err(WriteError::Failed(Arc::clone(&reason)))).collect();
        }
        self.replica.write(drafts).await
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        (self.clock)()
    }

    /// Stops: what was asked is answered, what was accepted reaches the view.
    pub async fn close(&self) {
        self.serving.end().await;
        self.stop.cancel();
        let inbox = self.inbox.lock().take();
        if let Some(inbox) = inbox {
            inbox.ended().await;
        }
        self.quality.ended().await;
        let resealer = Arc::clone(&self.resealer);
        let _ = tokio::task::spawn_blocking(move || resealer.end()).await;
        self.replica.close().await;
    }
}

/// Opens log, leaf hashes and view of a node, and replays what the view lacks; also what was remarked.
///
/// # Errors
/// [`StartError`].
pub(crate) fn open_journal(
    data: &Path,
    identity: &NodeIdentity,
    catalogue: Arc<Catalogue>,
    replay: &mut dyn Replay,
    keys: &KeyRing,
) -> Result<(Journal, Vec<String>), StartError> {
    match try_open_journal(data, identity, Arc::clone(&catalogue), replay, keys) {
        // Damage in the view that was met only now: it is made again.
        Err(error) if SledView::is_suspect(&data.join("view")) => {
            tracing::warn!(%error, "opening once more, with another view");
            try_open_journal(data, identity, catalogue, replay, keys)
        }
        opened => opened,
    }
}

fn try_open_journal(
    data: &Path,
    identity: &NodeIdentity,
    catalogue: Arc<Catalogue>,
    replay: &mut dyn Replay,
    keys: &KeyRing,
) -> Result<(Journal, Vec<String>), StartError> {
    let mut remarks = Vec::new();
    let dir = log_dir(data);
    let opened = log::open_sealed(&dir, identity.replica(), Disk::real(), keys)?;
    if let Some(cut) = opened.cut {
        remarks.push(format!("an unfinished write of {} bytes was cut from the log", cut.bytes));
    }
    let hashes = HashFile::open(&dir, opened.writer.next_sequence().0)
        .map_err(|source| StartError::Io { what: "leaf hashes", source })?;
    let view = SledView::open_sealed(&data.join("view"), CACHE_BYTES, keys)?;
    if view.remade {
        remarks.push("the view was not encrypted: made again from the log, encrypted".to_owned());
    }
    if let Some(aside) = view.set_aside {
        remarks.push(format!("the view was damaged: set aside as {}, rebuilt", aside.display()));
    }
    let view: Arc<dyn View> = Arc::new(view.view);
    let author = Author {
        replica: identity.replica(),
        unit: identity.unit().clone(),
        provincial_key: Arc::clone(identity.provincial_key()),
    };
    let options = JournalOptions {
        frames_cached: FRAMES_CACHED,
        unflushed_max: UNFLUSHED_MAX,
        follow: false,
        secret: crate::replica::secret,
    };
    let journal =
        Journal::open(opened.writer, opened.reader, hashes, view, catalogue, author, options, replay)?;
    Ok((journal, remarks))
}

/// The system's clock.
#[must_use]
pub fn system_clock() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
