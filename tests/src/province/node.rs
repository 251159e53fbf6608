//! A node's host: the product's client with everything it keeps, over the simulated network; its log is written by turns.

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Context as _;
use lienthong_hub::pki::Role;
use lienthong_node::dataset::Dataset;
use lienthong_node::erasing::Erasures;
use lienthong_node::identity::{NodeIdentity, Way, enrol_through};
use lienthong_node::log::{self, Disk, HashFile};
use lienthong_node::observe::{Beat, Job, JobSpec, Jobs};
use lienthong_node::published::Shelf;
use lienthong_node::quality::Keeper;
use lienthong_node::replica::{
    Author, Draft, Head, Journal, JournalOptions, NoReplay, Outcome, Replica, Writer, log_dir, secret,
};
use lienthong_node::store::MemoryView;
use lienthong_node::sync::{
    BatchBuilder, Evidence, Phase, Roots as _, Settings, SyncClient, SyncHandle, Witness, run,
};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::value::Value;
use parking_lot::RwLock;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::agency::{Granted, receive};
use super::hub::{HubPlace, SECOND};
use super::place::{Dialler, HUB, PORT, clock, note};
use crate::simulation::{Random, draft};

/// The built-in catalogue, read once.
static CATALOGUE: LazyLock<Option<Arc<Catalogue>>> =
    LazyLock::new(|| Catalogue::embedded().ok().map(|catalogue| Arc::new(catalogue.clone())));

/// The catalogue everybody uses.
pub(super) fn catalogue() -> anyhow::Result<Arc<Catalogue>> {
    CATALOGUE.clone().context("the built-in catalogue does not load")
}

/// Small bounds, so that what happens at a bound happens.
pub(super) fn journal_options(follow: bool) -> JournalOptions {
    let frames_cached = NonZeroUsize::MIN.saturating_add(7);
    JournalOptions { frames_cached, unflushed_max: 32, follow, secret }
}

/// The product's rhythms, only quicker: a run is short.
fn settings() -> Settings {
    let (heartbeat_millis, silence_millis) = (4_000, 12_000);
    Settings { heartbeat_millis, silence_millis, retry_millis: (200, 5_000), ..Settings::default() }
}

/// Members' names that may be: without a digit.
const NAMES: [&str; 4] = ["Trần Văn Minh", "Lê Văn Sơn", "Phạm Đức An", "Hoàng Quang Bình"];

/// A write its user was told is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    /// Where it stands.
    pub(super) sequence: u64,
    /// The record.
    pub(super) record: RecordId,
}

/// What outlasts a crash of a node.
pub(super) struct NodePlace {
    /// Its number.
    pub(super) who: usize,
    /// Its folder.
    pub(super) data: PathBuf,
    /// Of which unit, or agency.
    pub(super) unit: UnitCode,
    /// A commune's, or the agency's.
    pub(super) role: Role,
    /// A commit takes so long.
    pub(super) commit: Duration,
    /// Bytes its line lets through in a second, if that is narrow.
    pub(super) width: Option<u64>,
    /// Between two writes, at most.
    pub(super) rest_millis: u64,
    /// Whether people still work.
    pub(super) at_work: Cell<bool>,
    /// What they do next.
    pub(super) random: RefCell<Random>,
    /// What they were told.
    pub(super) acknowledged: RefCell<Vec<Acknowledged>>,
    /// While it runs.
    pub(super) running: RefCell<Option<Running>>,
}

/// A node that runs, as its checks see it.
#[derive(Clone)]
pub(super) struct Running {
    /// Who it is.
    pub(super) replica: ReplicaId,
    /// Its log's head as it grows.
    pub(super) log: Replica,
    /// How synchronisation fares.
    pub(super) sync: SyncHandle,
    /// What the hub gave in return.
    pub(super) evidence: Arc<Evidence>,
    /// At the agency: what it is granted.
    pub(super) granted: Option<Granted>,
    builder: BatchBuilder,
}

impl Running {
    /// Its log's head.
    pub(super) fn head(&self) -> Head {
        *self.log.head().borrow()
    }

    /// The root of its log's first `size` entries.
    pub(super) fn root_at(&self, size: u64) -> Option<Digest> {
        self.builder.root_at(size)
    }

    /// Its records.
    pub(super) fn dataset(&self) -> &Dataset {
        self.log.dataset()
    }

    /// Whether everything it has was acknowledged, on a line that stands.
    pub(super) fn is_in_step(&self) -> bool {
        let status = self.sync.status();
        status.phase == Phase::Streaming && status.acknowledged == self.head().size
    }
}

/// Enrols the node if it is not, then runs it until it is killed.
pub(super) async fn host(place: Rc<NodePlace>, hub: Rc<HubPlace>) -> turmoil::Result {
    let way = Way::Given(Arc::new(Dialler { who: place.who, width: place.width }));
    enrol(&place, &hub, &way).await?;
    let (running, mut writer) = start(&place, way)?;
    let told = place.acknowledged.borrow().iter().map(|written| written.sequence).max();
    let size = running.head().size;
    note("node up", format_args!("{} {size}", place.who));
    if told.is_some_and(|last| last >= size) {
        return Err(format!("node {} lost what was acknowledged: {told:?} of {size}", place.who).into());
    }
    place.running.replace(Some(running.clone()));
    if place.role == Role::Commune {
        tokio::task::spawn_local(people(Rc::clone(&place), running.log.clone()));
    }
    let (mut settled, mut seen) = (Instant::now(), None);
    loop {
        sleep(place.commit).await;
        let due = settled.elapsed() >= SECOND;
        if due {
            settled = Instant::now();
        }
        if !writer.turn(due) {
            let why = running.log.failure();
            return Err(format!("node {} takes no writes: {why:?}", place.who).into());
        }
        let status = running.sync.status();
        let phase = match status.phase {
            Phase::Waiting(until) => format!("waits until {}", until.0),
            other => format!("{other:?}"),
        };
        let now = (running.head().size, status.acknowledged, phase);
        if seen.as_ref() != Some(&now) {
            let receipt = running.evidence.last_receipt().map(|receipt| (receipt.ledger_index, receipt.at));
            note("node", format_args!("{} {now:?} {receipt:?}", place.who));
            seen = Some(now);
        }
        if let Some(alarm) = status.alarm {
            return Err(format!("node {}: {alarm}", place.who).into());
        }
    }
}

/// Enrols; as often as it takes.
async fn enrol(place: &NodePlace, hub: &HubPlace, way: &Way) -> turmoil::Result {
    while NodeIdentity::load(&place.data)?.is_none() {
        if let Some(token) = hub.token(&place.unit, place.role)? {
            let address = format!("{HUB}:{PORT}");
            let enrolled = enrol_through(&place.data, (&address, way.clone()), &token).await;
            note("enrolled", format_args!("{} {}", place.who, enrolled.is_ok()));
        }
        sleep(SECOND).await;
    }
    Ok(())
}

pub(super) fn job() -> Arc<Job> {
    let spec = JobSpec { name: "simulated", rhythm_seconds: 60, beat: Beat::Always, vi: "", en: "" };
    Jobs::new(clock).register(spec)
}

/// Opens its log, with everything else made of it again, and begins to synchronise.
fn start(place: &NodePlace, way: Way) -> anyhow::Result<(Running, Writer)> {
    let (data, catalogue) = (&place.data, catalogue()?);
    let identity = NodeIdentity::load(data)?.context("it is not enrolled")?.through(way);
    let dir = log_dir(data);
    let opened = log::open(&dir, identity.replica(), Disk::real())?;
    let hashes = HashFile::open(&dir, opened.writer.next_sequence().0)?;
    let author = Author {
        replica: identity.replica(),
        unit: identity.unit().clone(),
        provincial_key: Arc::clone(identity.provincial_key()),
    };
    let journal = Journal::open(
        opened.writer,
        opened.reader,
        hashes,
        Arc::new(MemoryView::default()),
        Arc::clone(&catalogue),
        author,
        journal_options(false),
        &mut NoReplay,
    )?;
    let (replica, writer) = Replica::without_threads(journal, clock, job());
    let (reader, leaves) = (replica.reader().clone(), Arc::clone(replica.hashes()));
    let builder = BatchBuilder::new(reader, leaves, identity.origin(), Arc::clone(identity.log_key()));
    let witness = Witness::open(data, &identity, clock())?;
    witness.turn_to(&identity.ledger(), clock())?;
    let evidence = Arc::new(Evidence::open(data, identity.known_ledger())?);
    let (who, identity) = (place.who, Arc::new(identity));
    let granted = (place.role == Role::Auditor).then(|| receive(data, &identity, settings().retry_millis));
    let client = SyncClient {
        builder: builder.clone(),
        evidence: Arc::clone(&evidence),
        witness: Arc::new(witness),
        erasures: Arc::new(RwLock::new(Erasures::open(data)?)),
        replica: replica.clone(),
        quality: Keeper::open(replica.dataset().clone(), Arc::clone(&catalogue), clock)?,
        captures: Arc::default(),
        job: job(),
        // No disk to say anything of: how full it is is not the simulation's.
        data: data.join("no-disk"),
        head: replica.head(),
        shelf: Shelf::of(data),
        superseded: CancellationToken::new(),
        catalogue: catalogue.digest().to_vec(),
        settings: settings(),
        clock,
        regress: Box::new(move || note("regressed", format_args!("{who}"))),
        identity,
    };
    let id = client.identity.replica();
    let (sync, _task) = run(client, CancellationToken::new());
    let granted = granted.transpose()?;
    Ok((Running { replica: id, log: replica, sync, evidence, granted, builder }, writer))
}

/// What an office does: states, corrects and withdraws members, now and then several at once.
async fn people(place: Rc<NodePlace>, replica: Replica) {
    while place.at_work.get() {
        let rest = place.random.borrow_mut().below(place.rest_millis);
        sleep(Duration::from_millis(rest)).await;
        let drafts = drafts(&place);
        for written in replica.write(drafts).await.into_iter().flatten() {
            if let (Some(Sequence(sequence)), Outcome::Created | Outcome::Updated) =
                (written.sequence, written.outcome)
            {
                let record = written.record;
                place.acknowledged.borrow_mut().push(Acknowledged { sequence, record });
                note("acknowledged", format_args!("{} {sequence} {record}", place.who));
            }
        }
    }
}

fn drafts(place: &NodePlace) -> Vec<Draft> {
    let known: Vec<_> = place.acknowledged.borrow().iter().map(|written| written.record).collect();
    let random = &mut *place.random.borrow_mut();
    // A sheet, now and then: a batch that is not small.
    let count = if random.chance(50) { 30 } else { 1 + random.below(3) };
    (0..count).map(|_| person(place.who, draft(&place.unit, &known, random), random)).collect()
}

/// Mostly one of the unit's own people; else one that others write of, too.
fn person(who: usize, mut draft: Draft, random: &mut Random) -> Draft {
    if let (Some(Value::Text(number)), true) = (draft.values.get_mut("so_cccd"), random.chance(800)) {
        number.replace_range(6..10, &format!("{:04}", who + 1));
        // One of a unit's own is mostly whole, so that the rules let it out to the agency.
        if random.chance(800) {
            draft.values.remove("dien_thoai");
            let name = random.pick(&NAMES).copied().unwrap_or_default();
            draft.values.extend(whole(name).map(|(field, value)| (field.to_owned(), value)));
        }
    }
    draft
}

/// What a member of this number must have.
fn whole(name: &str) -> [(&'static str, Value); 7] {
    let code = |code: &str| Value::Code(code.to_owned());
    [
        ("ho_ten", Value::Text(name.to_owned())),
        ("ngay_sinh", Value::Date(7_500)),
        ("gioi_tinh", code("NAM")),
        ("ngay_vao_dang", Value::Date(17_000)),
        ("chi_bo", Value::Text("Chi bộ 1".to_owned())),
        ("dien_quan_ly", code("CHIBO")),
        ("tinh_trang", code("CHINH_THUC")),
    ]
}
