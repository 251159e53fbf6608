//! Reconciliation: exactly the records that differ are named, mended, and nothing else is touched; whoever cannot
//! answer is told apart.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::Right;
use lienthong_hub::app::Hub;
use lienthong_hub::reconcile::Outcome;
use lienthong_hub::service::{Asked, Request};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::control::{Answer, Caller};
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::records::Page;
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_node::store::{Batch, Keyspace, SledView, View as _};
use lienthong_proto::catalogue::Dimension;
use lienthong_proto::change::path;
use lienthong_proto::ids::RecordId;
use lienthong_proto::merkle::EMPTY_ROOT;
use lienthong_proto::reconcile::{Answer as Said, Part, Sum};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::asking::{at_hub, until};
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, make_node, member, open_hub, reopened, retarget, token,
};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tonic::Streaming;

const UNIT: &str = "11953";
const OTHER: &str = "12004";
const TYPE: &str = "dang_vien";

fn number(n: u32) -> String {
    format!("0330700{n:05}")
}

fn id_of(hub: &Hub, n: u32) -> RecordId {
    let declared = hub.catalogue.record_type(TYPE).unwrap();
    key_id(&hub.secrets.provincial_key, declared, &hub.secrets.profile.province, &number(n))
}

fn phone(n: u32, unit: &str, phone: &str) -> Draft {
    let text = |text: &str| Value::Text(text.to_owned());
    let values = [("so_cccd", text(&number(n))), ("dien_thoai", text(phone))];
    Draft {
        record_type: TYPE.to_owned(),
        owner: unit.parse().unwrap(),
        values: values.map(|(name, value)| (name.to_owned(), value)).into(),
        intent: Intent::Assert,
        author: "lan".to_owned(),
    }
}

async fn asked(hub: &Arc<Hub>, repair: bool, timeout_seconds: u64) -> Answer {
    let unit = UNIT.parse().unwrap();
    let request = Request::Reconcile { unit, repair, timeout_seconds, actor: "lan".to_owned() };
    Arc::clone(hub).execute_as(Asked { credentials: None, request }, Caller::own()).await
}

/// Asked once the node is connected.
async fn compared(hub: &Arc<Hub>, repair: bool) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = asked(hub, repair, 60).await;
        if answer.body["state"] != "offline" {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is said of the unit's quality once all is judged and its node's last word is held, and how many checks across
/// records it passes of how many; the status of all units says the same.
async fn unified(hub: &Arc<Hub>) -> (Json, (u64, u64)) {
    tokio::task::block_in_place(|| hub.quality.settle()).unwrap();
    let unit = Some(UNIT.parse().unwrap());
    let ask = async || {
        at_hub(hub, Request::Quality { unit: unit.clone(), page: Page { limit: Some(1), after: None } }).await
    };
    let report = until("its last word", ask, |report| !report["alike"].is_null()).await;
    let count = &report["counts"]["thong_nhat"];
    let (good, all) = (count["good"].as_u64().unwrap(), count["all"].as_u64().unwrap());
    let status = hub.units().into_iter().find(|status| status.unit.as_str() == UNIT).unwrap();
    let figure = status.score.figure(Dimension::ThongNhat);
    assert_eq!((figure.good, figure.all), (good, all));
    (report, (good, all))
}

/// The ids named, each with whether it is held here and there.
fn named(body: &Json) -> BTreeSet<(String, bool, bool)> {
    let found = body["differing"].as_array().unwrap().iter();
    found
        .map(|found| {
            assert_eq!(found["type"], TYPE);
            (found["id"].as_str().unwrap().to_owned(), !found["here"].is_null(), !found["there"].is_null())
        })
        .collect()
}

/// Meddles with a stopped store's view: the first record gets the second's bytes, the third is removed.
fn meddle(data: &Path, altered: RecordId, like: RecordId, removed: RecordId) {
    let view = reopened(|| Ok(SledView::inspect(&data.join("view"), 1 << 20)?));
    let mut keys = Vec::new();
    let scanned = view.scan_prefix(Keyspace::Record, &[], &mut |key, bytes| {
        keys.push((key.to_vec(), bytes.to_vec()));
        true
    });
    scanned.unwrap();
    let of = |id: RecordId| keys.iter().find(|(key, _)| key.ends_with(&id.0)).unwrap().clone();
    let mut batch = Batch::default();
    batch.put(Keyspace::Record, &of(altered).0, &of(like).1);
    batch.delete(Keyspace::Record, &of(removed).0);
    view.commit(batch).unwrap();
}

async fn set(count: u32) -> (Province, Arc<Node>, std::path::PathBuf) {
    let province = Province::set().await.unwrap();
    let folder = province.dir.path().join("node");
    let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    let drafts = (0..count).map(|n| member(UNIT, &number(n), "Nguyễn Văn An").unwrap()).collect();
    for written in node.write(drafts).await {
        written.unwrap();
    }
    acknowledged(&node).await.unwrap();
    (province, node, folder)
}

async fn reopen(folder: &Path) -> Arc<Node> {
    let node = reopened(|| Ok(Node::open(folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    node
}

/// Goal: of three thousand records exactly those whose view was meddled with are named, in few bytes; `--repair`
/// mends them from the logs, in the ledger with its actor, also in the counts, and for good.
#[tokio::test(flavor = "multi_thread")]
async fn p7_exactly_what_was_meddled_with_is_named_and_mended() {
    let (Province { dir: _dir, hub, .. }, node, folder) = set(3_000).await;
    for n in [5, 6] {
        hub.committer.write(vec![phone(n, UNIT, "0912345678")]).await.remove(0).unwrap();
    }
    let whole = compared(&hub, false).await;
    assert_eq!((whole.exit, &whole.body["state"]), (0, &"equal".into()), "{}", whole.body);
    assert_eq!(whole.body["records"], 3_000);
    assert_eq!(whole.body["replica"], node.identity.replica().to_string());
    assert!(whole.body["bytes"].as_u64().unwrap() < 128, "{}", whole.body);
    node.close().await;
    drop(node);
    // One with the province's word, one of the unit's own words only.
    let (altered, removed) = (id_of(&hub, 5), id_of(&hub, 17));
    meddle(&folder, altered, id_of(&hub, 400), removed);
    let node = reopen(&folder).await;
    let found = compared(&hub, false).await;
    let expected = [(altered.to_string(), true, true), (removed.to_string(), true, false)];
    assert_eq!(named(&found.body), expected.into(), "{}", found.body);
    assert_eq!((found.exit, &found.body["equal"]), (1, &false.into()));
    let (apart, lost) = unified(&hub).await;
    assert_eq!(apart["alike"], false);
    assert!(
        apart["remarks"].to_string().contains("hub and node do not hold the same"),
        "{}",
        apart["remarks"]
    );
    // Two levels of 256 parts, and two lists.
    let bytes = found.body["bytes"].as_u64().unwrap();
    assert!(bytes < 8 * 1_024, "{bytes} bytes for two of 3,000");
    let size = hub.head().size;
    let mended = compared(&hub, true).await;
    assert_eq!((mended.exit, &mended.body["state"]), (0, &"equal".into()), "{}", mended.body);
    let (again, whole) = unified(&hub).await;
    assert_eq!((&again["alike"], &again["remarks"]), (&true.into(), &Json::Array(Vec::new())));
    assert_eq!((whole.0, whole.1), (lost.0 + 1, lost.1), "one check of those of the unit");
    assert_eq!((&mended.body["repair"]["here"], &mended.body["repair"]["there"]), (&0.into(), &2.into()));
    let event = mended.body["repair"]["events"][0].as_u64().unwrap();
    assert!(event >= size);
    let shown =
        Arc::clone(&hub).execute(Request::LedgerShow { from: event, limit: 1 }, Arc::new(|_| {})).await;
    let text = shown.body.to_string();
    let account = hub.accounts.list().first().unwrap().name.clone();
    assert!(text.contains("repair") && text.contains(&account), "{text}");
    let same = |node: &Node| {
        for id in [altered, removed] {
            let (here, there) = (
                hub.dataset.state(TYPE, id).unwrap().unwrap(),
                node.replica.dataset().state(TYPE, id).unwrap(),
            );
            assert_eq!(here.mark(TYPE, id), there.unwrap().mark(TYPE, id));
            let known = |dataset: &lienthong_node::dataset::Dataset| dataset.history(TYPE, id).unwrap().len();
            assert_eq!(known(&hub.dataset), known(node.replica.dataset()));
        }
    };
    same(&node);
    assert_eq!(node.replica.dataset().totals(), hub.dataset.totals(), "counted anew");
    // It stands in the log: so does a view that is made again, and so does the next start.
    node.close().await;
    drop(node);
    let node = reopen(&folder).await;
    same(&node);
    node.close().await;
    drop(node);
    std::fs::remove_dir_all(folder.join("view")).unwrap();
    let node = reopen(&folder).await;
    same(&node);
    assert_eq!(compared(&hub, false).await.exit, 0);
    node.close().await;
    hub.close().await;
}

/// Goal: where the hub's own view is at fault, it is the hub's that is made again, from its ledger, proposals and
/// released changes included.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_hub_is_mended_from_its_ledger() {
    let (Province { dir, hub, address }, node, folder) = set(40).await;
    let other = make_node(&hub, &address, &dir.path().join("other"), OTHER).await.unwrap();
    other.start_sync(brisk());
    // A proposal, and one that was kept out and released.
    other.write(vec![phone(3, OTHER, "0987654321")]).await.remove(0).unwrap();
    let mut stranger = member(OTHER, &number(4), "Trần Thị Bình").unwrap();
    stranger.values.insert("ngay_sinh".to_owned(), Value::Date(400));
    other.write(vec![stranger]).await.remove(0).unwrap();
    acknowledged(&other).await.unwrap();
    let number = *hub.committer.books().read().quarantine.keys().next().unwrap();
    let release =
        lienthong_hub::ingest::Release { number, reason: "một người".into(), actor: "lan".into() };
    hub.committer.release(release).await.unwrap();
    assert_eq!(compared(&hub, false).await.exit, 0);
    let marks = |hub: &Hub| -> Vec<_> {
        let mark = |n| hub.dataset.state(TYPE, id_of(hub, n)).unwrap().map(|s| s.mark(TYPE, id_of(hub, n)));
        (0..40).map(mark).collect()
    };
    let (before, totals) = (marks(&hub), hub.dataset.totals());
    node.close().await;
    other.close().await;
    hub.close().await;
    let data = dir.path().join("hub");
    let (altered, like, removed) = (id_of(&hub, 4), id_of(&hub, 9), id_of(&hub, 3));
    drop((node, other, hub));
    meddle(&data, altered, like, removed);
    let hub = reopened(|| open_hub(&data));
    retarget(&folder, &hub.listen("127.0.0.1:0").await.unwrap().to_string()).unwrap();
    let node = reopen(&folder).await;
    let found = compared(&hub, false).await;
    // The release left the one with its owner, as a proposal; the meddled view of the hub does not know it.
    let expected = [(altered.to_string(), true, true), (removed.to_string(), false, true)];
    assert_eq!(named(&found.body), expected.into(), "{}", found.body);
    let mended = compared(&hub, true).await;
    assert_eq!(mended.body["repair"]["handed_over"], 2, "{}", mended.body);
    assert_eq!(mended.exit, 0, "{}", mended.body);
    assert_eq!((&mended.body["repair"]["here"], &mended.body["repair"]["there"]), (&2.into(), &0.into()));
    assert_eq!(marks(&hub), before);
    assert_eq!(hub.dataset.totals(), totals, "counted anew");
    node.close().await;
    hub.close().await;
}

/// Goal: to look needs no more than to read, to mend is an operator's.
#[test]
fn to_look_is_to_read_and_to_mend_is_to_operate() {
    let request = |repair| {
        let unit = UNIT.parse().unwrap();
        Request::Reconcile { unit, repair, timeout_seconds: 1, actor: String::new() }.right()
    };
    assert_eq!((request(false), request(true)), (Some(Right::Read), Some(Right::Operate)));
}

/// Goal: records that changed hands are their owner's: the former owner's stale copy, and a proposal on a record
/// of somebody else, are no differences. Nobody is handed another's record.
#[tokio::test(flavor = "multi_thread")]
async fn p9_only_what_the_unit_owns_is_compared() {
    let (Province { dir, hub, address }, node, _folder) = set(3).await;
    let other = make_node(&hub, &address, &dir.path().join("other"), OTHER).await.unwrap();
    other.start_sync(brisk());
    // Away to another unit, which then writes.
    let mut moved = phone(0, UNIT, "0912345671");
    moved.values.insert(path::UNIT.to_owned(), Value::Unit(OTHER.parse().unwrap()));
    hub.committer.write(vec![moved]).await.remove(0).unwrap();
    let arrived = || other.replica.dataset().state(TYPE, id_of(&hub, 0)).unwrap().is_some();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !arrived() {
        assert!(Instant::now() < deadline, "the record arrives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.write(vec![phone(0, OTHER, "0912345672")]).await.remove(0).unwrap();
    acknowledged(&other).await.unwrap();
    // A proposal on another's record, which its writer takes for its own as far as it knows.
    other.write(vec![member(OTHER, &number(9), "Trần Thị Bình").unwrap()]).await.remove(0).unwrap();
    acknowledged(&other).await.unwrap();
    node.write(vec![member(UNIT, &number(9), "Trần Thị Bình").unwrap()]).await.remove(0).unwrap();
    acknowledged(&node).await.unwrap();
    let answer = compared(&hub, false).await;
    assert_eq!((answer.exit, &answer.body["records"]), (0, &2.into()), "{}", answer.body);
    let there = hub.compare(&OTHER.parse().unwrap(), Duration::from_secs(60)).await;
    assert_eq!((there.outcome, there.records), (Outcome::Equal, 2));
    for node in [node, other] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal: a node that is not there is said to be, at once; so is a unit that never was.
#[tokio::test(flavor = "multi_thread")]
async fn an_offline_node_gives_a_clear_answer() {
    let (Province { dir: _dir, hub, .. }, node, _folder) = set(3).await;
    node.close().await;
    drop(node);
    let deadline = Instant::now() + Duration::from_secs(30);
    let answer = loop {
        let answer = asked(&hub, true, 60).await;
        if answer.body["state"] == "offline" {
            break answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.body);
    };
    assert_eq!(answer.exit, 1);
    assert!(answer.body["error"].as_str().unwrap().contains("đang kết nối"), "{}", answer.body);
    assert_eq!(answer.body["differing"], serde_json::json!([]));
    let unit = "99999".parse().unwrap();
    let unknown = Request::Reconcile { unit, repair: false, timeout_seconds: 1, actor: String::new() };
    let unknown = Arc::clone(&hub).execute(unknown, Arc::new(|_| {})).await;
    assert!(unknown.body["error"].as_str().unwrap().contains("no unit"));
    hub.close().await;
}

/// A node of our own making that is connected and says what we want.
struct Peer {
    identity: NodeIdentity,
    _dir: tempfile::TempDir,
    up: mpsc::Sender<wire::Up>,
    down: Streaming<wire::Down>,
}

impl Peer {
    async fn connected(province: &Province) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = token(&province.hub, UNIT).unwrap();
        identity::enrol(dir.path(), &province.address, &token).await.unwrap();
        let identity = NodeIdentity::load(dir.path()).unwrap().unwrap();
        let (up, down) = Self::dial(&identity).await;
        Self { identity, _dir: dir, up, down }
    }

    async fn dial(identity: &NodeIdentity) -> (mpsc::Sender<wire::Up>, Streaming<wire::Down>) {
        let channel = identity::connect(identity).await.unwrap();
        let (up, outgoing) = mpsc::channel(8);
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let mut down = SyncClient::new(channel).exchange(outgoing).await.unwrap().into_inner();
        let hello = wire::Hello {
            protocol: 1,
            program: "0.0.9".to_owned(),
            replica: identity.replica().0.to_vec().into(),
            log_root: EMPTY_ROOT.to_vec().into(),
            ..wire::Hello::default()
        };
        up.send(wire::Up { message: Some(wire::up::Message::Hello(hello)) }).await.unwrap();
        let welcome = down.message().await.unwrap().unwrap();
        assert!(matches!(welcome.message, Some(wire::down::Message::Welcome(_))));
        (up, down)
    }

    /// Answers the next question with what `say` makes of it.
    async fn answers(&mut self, say: impl Fn(&wire::Reconcile) -> wire::Reconciled) {
        loop {
            let message = self.down.message().await.unwrap().unwrap().message;
            if let Some(wire::down::Message::Reconcile(asked)) = message
                && !asked.question.is_empty()
            {
                let said = wire::up::Message::Reconciled(say(&asked));
                return self.up.send(wire::Up { message: Some(said) }).await.unwrap();
            }
        }
    }
}

fn saying(asked: &wire::Reconcile, answer: Vec<u8>) -> wire::Reconciled {
    wire::Reconciled { run: asked.run, answer: answer.into(), ..Default::default() }
}

/// Goal: an older node, which does not know the question, is told by its silence, in the time given.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_node_is_told_by_its_silence() {
    let province = Province::set().await.unwrap();
    let _silent = Peer::connected(&province).await;
    let answer = asked(&province.hub, false, 1).await;
    assert_eq!((answer.exit, &answer.body["state"]), (1, &"no_answer".into()), "{}", answer.body);
    let error = answer.body["error"].as_str().unwrap();
    assert!(error.contains("0.0.9") && error.contains("older version"), "{error}");
    province.hub.close().await;
}

/// Goal: whatever a peer answers, the hub says what is wrong and serves on. Method: rubbish, lies that contradict
/// each other, answers to another question, a log that is not held, a fault with control characters, leaving.
#[tokio::test(flavor = "multi_thread")]
async fn p10_wrong_answers_are_survived() {
    let province = Province::set().await.unwrap();
    let mut peer = Peer::connected(&province).await;
    let hub = Arc::clone(&province.hub);
    let ask = |seconds| {
        let hub = Arc::clone(&hub);
        tokio::spawn(async move { asked(&hub, true, seconds).await })
    };
    let claim = |count| {
        let sum = Sum { count, total: 1 };
        Said { parts: vec![Part::Parts((0..=255).map(|byte| (byte, sum)).collect())] }.encode()
    };
    let asking = ask(60);
    peer.answers(|asked| saying(asked, vec![0xff; 70_000])).await;
    let answer = asking.await.unwrap();
    assert_eq!(answer.body["state"], "faulty", "rubbish: {}", answer.body);
    let asking = ask(60);
    peer.answers(|asked| saying(asked, claim(1 << 40))).await;
    peer.answers(|asked| saying(asked, claim(1))).await;
    let answer = asking.await.unwrap();
    assert_eq!(answer.body["state"], "faulty", "too few answers: {}", answer.body);
    let asking = ask(60);
    peer.answers(|asked| wire::Reconciled { fault: "hỏng\u{1b}[2J".repeat(90), ..saying(asked, claim(1)) })
        .await;
    let answer = asking.await.unwrap();
    let error = answer.body["error"].as_str().unwrap();
    assert!(!error.contains('\u{1b}') && error.len() < 1_000, "{error}");
    // What belongs to another run is no answer; a log that is not held makes no comparison.
    let asking = ask(1);
    peer.answers(|asked| wire::Reconciled { run: asked.run + 1, ..saying(asked, claim(1)) }).await;
    assert_eq!(asking.await.unwrap().body["state"], "no_answer");
    let asking = ask(1);
    loop {
        let answered = peer.answers(|asked| wire::Reconciled { log_size: 7, ..saying(asked, claim(1)) });
        if tokio::time::timeout(Duration::from_secs(2), answered).await.is_err() {
            break;
        }
    }
    let answer = asking.await.unwrap();
    assert_eq!(answer.body["state"], "not_in_step", "{}", answer.body);
    assert!(answer.body["error"].as_str().unwrap().contains('7'));
    let asking = ask(60);
    let Peer { identity, _dir, up, down } = peer;
    drop((up, down));
    assert_eq!(asking.await.unwrap().body["state"], "offline");
    // Another stream of the same replica is asked and answers well.
    let (up, down) = Peer::dial(&identity).await;
    let mut peer = Peer { identity, _dir, up, down };
    let asking = ask(60);
    peer.answers(|asked| saying(asked, Said { parts: vec![Part::Equal] }.encode())).await;
    assert_eq!(asking.await.unwrap().body["state"], "equal");
    province.hub.close().await;
}
