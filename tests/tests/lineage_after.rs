//! What stands after units have merged and split: what a former unit may still write, who is asked
//! where a record belongs, and the same said by a ledger that follows or is read anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_hub::service::{Reorganisation, Request};
use lienthong_hub::succession::{RestoreOptions, restore};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Dataset;
use lienthong_node::records::Page;
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::event::Event;
use lienthong_proto::ids::RecordId;
use lienthong_proto::lineage::{Share, StepKind};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::{Value, date_text};
use lienthong_tests::asking::{at_hub, at_node, away};
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, make_hub, make_node, member, open_hub, reopened, retarget,
};
use serde_json::{Value as Json, json};

const HERE: &str = "11953";
const THERE: &str = "12004";
const TYPE: &str = "dang_vien";
const DAY_MILLIS: u64 = 86_400_000;
/// The branch that a split gives away.
const GOES: &str = "Chi bộ 2";
const STAYS: &str = "Chi bộ 5";

fn number(n: usize) -> String {
    format!("0330750{n:05}")
}

fn id_of(hub: &Hub, n: usize) -> RecordId {
    let declared = hub.catalogue.record_type(TYPE).unwrap();
    key_id(&hub.secrets.provincial_key, declared, &hub.secrets.profile.province, &number(n))
}

fn owner(dataset: &Dataset, id: RecordId) -> Option<String> {
    dataset.state(TYPE, id).unwrap().and_then(|state| state.owner().map(ToString::to_string))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A member of a branch.
fn of_branch(unit: &str, n: usize, branch: &str) -> Draft {
    let mut draft = member(unit, &number(n), "Nguyễn Văn An").unwrap();
    draft.values.insert("chi_bo".to_owned(), Value::Text(branch.to_owned()));
    draft
}

/// A statement about a record that is there.
fn amending(hub: &Hub, n: usize, path: &str, value: Value) -> Draft {
    let values = BTreeMap::from([(path.to_owned(), value)]);
    let intent = Intent::Amend(id_of(hub, n));
    Draft { values, intent, ..member(HERE, &number(n), "x").unwrap() }
}

fn phone(number: &str) -> Value {
    Value::Text(number.to_owned())
}

async fn writes(node: &Node, draft: Draft) {
    node.write(vec![draft]).await.remove(0).unwrap();
}

async fn province_writes(hub: &Hub, draft: Draft) {
    hub.committer.write(vec![draft]).await.remove(0).unwrap();
}

fn day(days: i32) -> String {
    date_text(system_clock().day() + days)
}

fn order(kind: StepKind, from: &[&str], to: &[&str]) -> Reorganisation {
    let units = |codes: &[&str]| codes.iter().map(|code| code.parse().unwrap()).collect();
    Reorganisation {
        kind,
        from: units(from),
        to: units(to),
        names: BTreeMap::new(),
        unit_kind: None,
        rest: None,
        shares: Vec::new(),
        map: Vec::new(),
        on: day(0),
        reason: "QĐ 12-QĐ/TU".to_owned(),
        apply: true,
        actor: "minh".to_owned(),
    }
}

/// One branch goes, the unit stays.
fn split() -> Reorganisation {
    let share = Share { field: "chi_bo".to_owned(), value: GOES.to_owned(), unit: THERE.parse().unwrap() };
    let rest = Some(HERE.parse().unwrap());
    Reorganisation { rest, shares: vec![share], ..order(StepKind::Split, &[HERE], &[THERE]) }
}

async fn done(hub: &Arc<Hub>, order: Reorganisation) -> Json {
    let body = at_hub(hub, Request::Reorganise(order)).await;
    assert_eq!(body["state"], "done", "{body:#}");
    body
}

async fn undo(hub: &Arc<Hub>, step: &Json) -> Json {
    let (number, reason) = (step["number"].as_u64().unwrap(), "QĐ 13-QĐ/TU".to_owned());
    let undo = Request::LineageUndo { number, reason, apply: true, actor: "minh".to_owned() };
    at_hub(hub, undo).await
}

/// Whether anything in a record waits for a decision.
fn proposed(hub: &Hub, n: usize) -> bool {
    let state = hub.dataset.state(TYPE, id_of(hub, n)).unwrap().unwrap();
    state.sources.values().any(|source| source.proposal)
}

fn quarantined(hub: &Hub) -> Vec<&'static str> {
    hub.committer.books().read().quarantine.values().map(|waiting| waiting.reason.code()).collect()
}

/// Goal (13): an ended unit writes for its successor, but has no say any more in whose the record is; that it once made
/// it, it may say. Method: one node of the unit has seen the record go and takes it back, then leaves it to nobody;
/// another, that was away all along, makes the same record.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_unit_does_not_take_a_record_back() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    let second = make_node(&hub, &address, &dir.path().join("second"), HERE).await.unwrap();
    here.start_sync(brisk());
    writes(&here, of_branch(HERE, 1, STAYS)).await;
    acknowledged(&here).await.unwrap();
    writes(&second, of_branch(HERE, 1, STAYS)).await;
    done(&hub, order(StepKind::Merge, &[HERE], &[THERE])).await;
    let id = id_of(&hub, 1);
    until("it leaves", || owner(here.replica.dataset(), id).as_deref() == Some(THERE)).await;
    for taken in [Value::Unit(HERE.parse().unwrap()), Value::Null] {
        writes(&here, amending(&hub, 1, "_unit", taken)).await;
        acknowledged(&here).await.unwrap();
        assert_eq!(owner(&hub.dataset, id).as_deref(), Some(THERE));
    }
    assert_eq!(quarantined(&hub), ["OWNER_CHANGE", "OWNER_CHANGE"]);
    second.start_sync(brisk());
    acknowledged(&second).await.unwrap();
    writes(&second, amending(&hub, 1, "dien_thoai", phone("0987654321"))).await;
    acknowledged(&second).await.unwrap();
    assert_eq!(owner(&hub.dataset, id).as_deref(), Some(THERE));
    assert!(quarantined(&hub).len() == 2 && !proposed(&hub, 1), "its own words stand");
    for node in [here, second] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal (13): a unit that goes on proposes to a record it saw go, also if its log then says that it had seen less.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_does_not_unlearn_what_it_was_told() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    here.start_sync(brisk());
    writes(&here, of_branch(HERE, 2, GOES)).await;
    acknowledged(&here).await.unwrap();
    done(&hub, split()).await;
    let id = id_of(&hub, 2);
    until("it leaves", || owner(here.replica.dataset(), id).as_deref() == Some(THERE)).await;
    let ledger = Value::Text(hub.secrets.profile.replica.to_string());
    let places = ["from_ledger", "from_place", "ledger", "place"];
    let mut fields: BTreeMap<_, _> =
        places.iter().map(|name| ((*name).to_owned(), Value::Integer(0))).collect();
    fields.insert("of".to_owned(), ledger);
    let less = Event { kind: "feed".to_owned(), at: system_clock(), actor: "hub".to_owned(), fields };
    here.replica.event(less.clone()).await.unwrap();
    acknowledged(&here).await.unwrap();
    // Once more, in one batch with what is written behind it.
    here.replica.event(less).await.unwrap();
    writes(&here, amending(&hub, 2, "dien_thoai", phone("0911111111"))).await;
    acknowledged(&here).await.unwrap();
    assert!(proposed(&hub, 2));
    here.close().await;
    hub.close().await;
}

/// Goal (15): a withdrawn record goes where its branch went when the province brings it back, as when its unit does.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_province_brings_back_is_asked_where_it_belongs() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    here.start_sync(brisk());
    writes(&here, of_branch(HERE, 2, GOES)).await;
    let withdraw = RecordsRequest::Withdraw {
        record_type: TYPE.to_owned(),
        id: number(2),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: "lan".to_owned(),
    };
    at_node(&here, NodeRequest::Records(withdraw)).await;
    acknowledged(&here).await.unwrap();
    assert_eq!(done(&hub, split()).await["withdrawn"], 1);
    let put = RecordsRequest::Put {
        values: vec![json!({ "so_cccd": number(2), "dien_thoai": "0987654321" })],
        record_type: TYPE.to_owned(),
        author: "minh".to_owned(),
        english: true,
    };
    assert_eq!(at_hub(&hub, Request::Records(put)).await["updated"], 1);
    hub.committer.flush().await;
    let id = id_of(&hub, 2);
    assert!(!hub.dataset.state(TYPE, id).unwrap().unwrap().standing().withdrawn);
    assert_eq!(owner(&hub.dataset, id).as_deref(), Some(THERE));
    here.close().await;
    hub.close().await;
}

/// Goal (15): a record goes when it comes to belong elsewhere, however late: its branch is corrected after the split.
/// A view made again from the ledger moves nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_branch_moves_its_record() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    here.start_sync(brisk());
    writes(&here, of_branch(HERE, 1, STAYS)).await;
    acknowledged(&here).await.unwrap();
    done(&hub, split()).await;
    // One that came after the split was looked at, and was where it belongs.
    for n in [3, 4, 5] {
        writes(&here, of_branch(HERE, n, STAYS)).await;
    }
    acknowledged(&here).await.unwrap();
    let branch = || Value::Text(GOES.to_owned());
    for n in [1, 3] {
        writes(&here, amending(&hub, n, "chi_bo", branch())).await;
    }
    writes(&here, amending(&hub, 5, "dien_thoai", phone("0911111111"))).await;
    acknowledged(&here).await.unwrap();
    province_writes(&hub, amending(&hub, 4, "chi_bo", branch())).await;
    hub.committer.flush().await;
    let owners = |hub: &Hub| [1, 3, 4, 5].map(|n| owner(&hub.dataset, id_of(hub, n)).unwrap());
    assert_eq!(owners(&hub), [THERE, THERE, THERE, HERE]);
    here.close().await;
    hub.close().await;
    drop(hub);
    let data = dir.path().join("hub");
    let hub = reopened(|| {
        let _ = std::fs::remove_dir_all(data.join("view"));
        open_hub(&data)
    });
    let size = hub.head().size;
    hub.committer.rehome(Vec::new()).await.unwrap();
    hub.committer.flush().await;
    assert_eq!(owners(&hub), [THERE, THERE, THERE, HERE]);
    assert_eq!(hub.head().size, size, "nothing is moved again");
    hub.close().await;
}

/// Goal (14, 15): the ledger that follows a restore says the same: who was told that a record had gone proposes to it;
/// the province's own word on whose a record is stands; an undoing is told to who was away. Method: a split with one
/// branch gone, the unit's name changed and changed back while it is away, a backup, a restore.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_follows_says_the_same_of_units() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let (province, domain) = ("33".parse().unwrap(), "hungyen.example".to_owned());
    let made = init(&data, &InitOptions { province, domain, names: Vec::new() }).unwrap();
    let hub = open_hub(&data).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    here.start_sync(brisk());
    writes(&here, of_branch(HERE, 2, GOES)).await;
    acknowledged(&here).await.unwrap();
    done(&hub, split()).await;
    let id = id_of(&hub, 2);
    until("it leaves", || owner(here.replica.dataset(), id).as_deref() == Some(THERE)).await;
    acknowledged(&here).await.unwrap();
    province_writes(&hub, of_branch(HERE, 3, GOES)).await;
    hub.committer.flush().await;
    assert_eq!(owner(&hub.dataset, id_of(&hub, 3)).as_deref(), Some(HERE), "the province says so");
    let here = away(here, &folder).await;
    let mut renamed = order(StepKind::Rename, &[HERE], &[HERE]);
    renamed.names.insert(HERE.parse().unwrap(), "Phố Mới".to_owned());
    let renamed = done(&hub, renamed).await;
    assert_eq!(undo(&hub, &renamed).await["state"], "undone");
    let backup = dir.path().join("backup");
    hub.backup(&backup).unwrap();
    hub.close().await;
    drop(hub);

    let data = dir.path().join("new");
    let options = RestoreOptions {
        erasures: None,
        data: data.clone(),
        kit: made.kit,
        passphrase: made.kit_passphrase,
        names: Vec::new(),
        after: None,
        keys: lienthong_node::at_rest::KeyRing::default(),
        identity: None,
    };
    restore(&backup, &options, catalogue().unwrap(), system_clock).unwrap();
    let hub = reopened(|| open_hub(&data));
    hub.committer.rehome(Vec::new()).await.unwrap();
    hub.committer.flush().await;
    assert_eq!(owner(&hub.dataset, id_of(&hub, 3)).as_deref(), Some(HERE), "and it stands");
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    here.close().await;
    drop(here);
    retarget(&folder, &address).unwrap();
    let here = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    here.start_sync(brisk());
    let told = || {
        let books = hub.committer.books().read();
        let fed = books.replicas[&here.identity.replica()].fed;
        fed.of == hub.secrets.profile.replica && owner(here.replica.dataset(), id).as_deref() == Some(THERE)
    };
    until("the new ledger's feed is taken", told).await;
    writes(&here, amending(&hub, 2, "dien_thoai", phone("0911111111"))).await;
    acknowledged(&here).await.unwrap();
    assert_eq!(owner(&hub.dataset, id).as_deref(), Some(THERE));
    assert!(proposed(&hub, 2), "it was told");
    let notices = at_node(&here, NodeRequest::Notices { page: Page::default() }).await;
    let told = notices["items"].as_array().unwrap();
    let said = |reason: &str| told.iter().filter(|item| item["reason"] == reason).count();
    assert_eq!((said("LINEAGE"), said("LINEAGE_UNDONE")), (2, 1), "{notices:#}");
    here.close().await;
    hub.close().await;
}

/// Goal (15): a unit is not divided as of a day after which its records were moved in or out: that would divide others'
/// records, or none. Ahead of steps that are still to come it may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_of_a_day_before_other_moves_is_refused() {
    let Province { dir: _dir, hub, .. } = Province::set().await.unwrap();
    province_writes(&hub, of_branch(HERE, 2, GOES)).await;
    let merge = |from: &str, to: &str, days| Reorganisation {
        on: day(days),
        ..order(StepKind::Merge, &[from], &[to])
    };
    let backdated = || Reorganisation { on: day(-5), ..split() };
    let into = done(&hub, merge("11977", HERE, -2)).await;
    let before = hub.lineage();
    let refused = at_hub(&hub, Request::Reorganise(backdated())).await;
    assert_eq!(refused["rule"], "STEP_OVERLAPS", "{refused:#}");
    let said = refused["error"].as_str().unwrap();
    assert!(said.contains(&into["number"].to_string()) && said.contains(" · "), "{said}");
    assert_eq!(hub.lineage(), before);
    undo(&hub, &into).await;
    let out = done(&hub, merge(HERE, THERE, -2)).await;
    let refused = at_hub(&hub, Request::Reorganise(Reorganisation { apply: false, ..backdated() })).await;
    assert_eq!(refused["rule"], "STEP_OVERLAPS", "{refused:#}");
    undo(&hub, &out).await;
    assert_eq!(at_hub(&hub, Request::Reorganise(merge(HERE, "11983", 3))).await["state"], "waiting");
    assert_eq!(done(&hub, backdated()).await["moved"], 1);
    hub.close().await;
}

/// By how much the hub's clock is put forward.
static AHEAD_MILLIS: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD_MILLIS.load(Ordering::Acquire))
}

fn quiet() -> lienthong_node::control::Tell {
    Arc::new(|_| {})
}

/// Goal (15): what a step has moved goes back when it is undone, also at a hub whose clock was put back since.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_done_has_begun_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let data: PathBuf = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(Path::new(&data), catalogue().unwrap(), &LedgerOptions::default(), clock).unwrap();
    province_writes(&hub, of_branch(HERE, 1, STAYS)).await;
    let step = at_hub(
        &hub,
        Request::Reorganise(Reorganisation { on: day(2), ..order(StepKind::Merge, &[HERE], &[THERE]) }),
    )
    .await;
    assert_eq!(step["state"], "waiting", "{step:#}");
    AHEAD_MILLIS.store(2 * DAY_MILLIS, Ordering::Release);
    assert_eq!(hub.reorganise(&quiet()).await.unwrap(), 1);
    AHEAD_MILLIS.store(0, Ordering::Release);
    let undone = undo(&hub, &step).await;
    assert_eq!((&undone["state"], &undone["moved"]), (&"undone".into(), &1.into()), "{undone:#}");
    assert_eq!(owner(&hub.dataset, id_of(&hub, 1)).as_deref(), Some(HERE));
    hub.close().await;
}

/// Holds the ledger's writer at its next look at the clock, if asked to.
#[derive(PartialEq)]
enum Gate {
    Open,
    Asked,
    Holding,
}

static GATE: (Mutex<Gate>, Condvar) = (Mutex::new(Gate::Open), Condvar::new());
/// By how much the held writer's clock is put forward.
static AHEAD_OF_GATE_MILLIS: AtomicU64 = AtomicU64::new(0);

fn gated_clock() -> UnixMillis {
    let now = UnixMillis(system_clock().0 + AHEAD_OF_GATE_MILLIS.load(Ordering::Acquire));
    let mut gate = GATE.0.lock().unwrap();
    if *gate == Gate::Asked && std::thread::current().name() == Some("committer") {
        *gate = Gate::Holding;
        drop(GATE.1.wait_while(gate, |gate| *gate == Gate::Holding).unwrap());
    }
    now
}

/// Goal (15): a record written as the last of a day, and synced only when the pass over the next day's step has begun,
/// goes too. Method: the writer is held when it has looked at the clock, the day comes, the pass is begun.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_just_before_the_day_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), gated_clock).unwrap();
    let later = Reorganisation { on: day(2), ..order(StepKind::Merge, &[HERE], &[THERE]) };
    assert_eq!(at_hub(&hub, Request::Reorganise(later)).await["state"], "waiting");
    *GATE.0.lock().unwrap() = Gate::Asked;
    let writing = tokio::spawn({
        let hub = Arc::clone(&hub);
        async move { province_writes(&hub, of_branch(HERE, 1, STAYS)).await }
    });
    until("the writer is held", || *GATE.0.lock().unwrap() == Gate::Holding).await;
    AHEAD_OF_GATE_MILLIS.store(2 * DAY_MILLIS, Ordering::Release);
    let tell = quiet();
    let mut pass = Box::pin(hub.reorganise(&tell));
    // As far as it comes without the writer.
    let waits = std::future::poll_fn(|context| Poll::Ready(pass.as_mut().poll(context).is_pending())).await;
    assert!(waits, "for the writer");
    *GATE.0.lock().unwrap() = Gate::Open;
    GATE.1.notify_all();
    writing.await.unwrap();
    // If the writer was held at another look than that of the write, it is of the next day, and the writer moves it.
    assert!(pass.await.unwrap() <= 1);
    let goes = || owner(&hub.dataset, id_of(&hub, 1)).as_deref() == Some(THERE);
    until("it goes too", goes).await;
    hub.close().await;
}
