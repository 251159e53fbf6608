//! "I hold everything U had at T": said from U's own signed word, verifiable without the hub, and kept over a
//! restart. Idle, silent and rolled back are three different states.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::ids::{Dot, RecordId, Sequence};
use lienthong_proto::merkle::Frontier;
use lienthong_proto::note::Verifier;
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, make_hub, make_node, member, reopened, token,
};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tonic::Streaming;

const UNIT: &str = "11953";

/// By how much the hub's clock is put forward.
static AHEAD_MILLIS: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD_MILLIS.load(Ordering::Acquire))
}

async fn shown(hub: &Arc<Hub>) -> Json {
    let show = Request::UnitShow { unit: UNIT.parse().unwrap() };
    let answer = Arc::clone(hub).execute(show, Arc::new(|_| {})).await;
    answer.body["replicas"][0].clone()
}

fn status(hub: &Hub) -> Json {
    let units = hub.status()["units"].as_array().unwrap().clone();
    units.into_iter().find(|unit| unit["unit"] == UNIT).unwrap()
}

/// Waits until what is shown of the replica is as wanted.
async fn until(hub: &Arc<Hub>, what: &str, holds: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = shown(hub).await;
        if holds(&shown["holds"]) {
            return shown;
        }
        assert!(Instant::now() < deadline, "{what}: {shown}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Goal: what is held as of the last heartbeat is said, verifies without the hub, outlives its restart, and an
/// idle node is told from a silent one by time alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_proven_by_the_units_own_signature() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let open = || Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), clock)?);
    let hub = reopened(open);
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    assert!(shown(&hub).await["holds"].is_null(), "before its first word");
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await.remove(0).unwrap();
    acknowledged(&node).await.unwrap();
    node.close().await;
    drop(node);
    // A node with nothing to send says so as soon as it is welcome.
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    let size = node.replica.head().borrow().size;
    let known = until(&hub, "complete", |holds| holds["size"] == size && holds["complete"] == true).await;
    assert_eq!(known["holds"]["state"], "idle");
    assert_eq!(status(&hub)["holds"], known["holds"]);
    let (note, key) = (known["holds"]["checkpoint"].as_str().unwrap(), known["log_key"].as_str().unwrap());
    let key: Verifier = key.parse().unwrap();
    let signed = SignedCheckpoint::verify(note.as_bytes(), key.name(), *key.key()).unwrap();
    assert_eq!(signed.checkpoint().size, size);
    assert_eq!(signed.checkpoint().root, node.replica.head().borrow().root);
    let forged = note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
    assert_ne!(forged, note);
    assert!(SignedCheckpoint::verify(forged.as_bytes(), key.name(), *key.key()).is_err());
    node.close().await;
    hub.close().await;
    drop(hub);
    let hub = reopened(open);
    let again = shown(&hub).await;
    assert_eq!(again["holds"]["checkpoint"], note, "kept over the restart");
    assert_eq!((&again["holds"]["complete"], &again["holds"]["state"]), (&true.into(), &"idle".into()));
    assert!(status(&hub)["last_seen"].is_string());
    AHEAD_MILLIS.store(100_000, Ordering::Release);
    let late = shown(&hub).await;
    assert_eq!((&late["holds"]["complete"], &late["holds"]["state"]), (&true.into(), &"silent".into()));
    hub.close().await;
}

/// A node of our own making, whose log we make up.
struct Peer {
    identity: NodeIdentity,
    _dir: tempfile::TempDir,
}

impl Peer {
    async fn enrolled(province: &Province) -> Self {
        let dir = tempfile::tempdir().unwrap();
        identity::enrol(dir.path(), &province.address, &token(&province.hub, UNIT).unwrap()).await.unwrap();
        Self { identity: NodeIdentity::load(dir.path()).unwrap().unwrap(), _dir: dir }
    }

    async fn greeted(&self, log_size: u64) -> (mpsc::Sender<wire::Up>, Streaming<wire::Down>) {
        let channel = identity::connect(&self.identity).await.unwrap();
        let (up, outgoing) = mpsc::channel(8);
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let down = SyncClient::new(channel).exchange(outgoing).await.unwrap().into_inner();
        let hello = wire::Hello {
            protocol: 1,
            program: "0.0.9".to_owned(),
            replica: self.identity.replica().0.to_vec().into(),
            log_size,
            ..wire::Hello::default()
        };
        up.send(wire::Up { message: Some(wire::up::Message::Hello(hello)) }).await.unwrap();
        (up, down)
    }

    /// The first entries of a log, with some text in each.
    fn entries(&self, count: u64, text: &str) -> (Frontier, Vec<Vec<u8>>) {
        let (mut frontier, mut entries) = (Frontier::new(), Vec::new());
        for sequence in 0..count {
            let write =
                |path: &str, value| Write { path: path.to_owned(), value, context: Context::default() };
            let change = Change {
                dot: Dot { replica: self.identity.replica(), sequence: Sequence(sequence) },
                record: RecordId([sequence as u8; 16]),
                record_type: "dang_vien".to_owned(),
                year: 2026,
                number: sequence,
                meta: Meta { hlc: Hlc(1), author: "x".to_owned(), catalogue: [0; 8] },
                origin: None,
                writes: vec![
                    write("_unit", Value::Unit(UNIT.parse().unwrap())),
                    write("ghi_chu", Value::Text(text.to_owned())),
                ],
            };
            let (bytes, leaf) = change.build(&[7; 16]).unwrap();
            frontier.push(leaf);
            entries.push(bytes);
        }
        (frontier, entries)
    }

    fn checkpoint(&self, frontier: &Frontier) -> String {
        let (size, root) = (frontier.size(), frontier.root());
        let checkpoint = Checkpoint { origin: self.identity.origin(), size, root, roll: None };
        checkpoint.sign(self.identity.log_key().as_ref()).unwrap().note().to_string()
    }

    fn heartbeat(&self, count: u64) -> wire::Up {
        let checkpoint = self.checkpoint(&self.entries(count, "một").0);
        let message =
            wire::up::Message::Heartbeat(wire::Heartbeat { checkpoint, ..wire::Heartbeat::default() });
        wire::Up { message: Some(message) }
    }

    fn batch(&self, count: u64, text: &str) -> wire::Up {
        let (frontier, entries) = self.entries(count, text);
        let packed = batch::pack(entries.iter().map(Vec::as_slice)).unwrap().into();
        let (count, checkpoint) = (u32::try_from(count).unwrap(), self.checkpoint(&frontier));
        wire::Up {
            message: Some(wire::up::Message::Batch(wire::Batch { first: 0, count, packed, checkpoint })),
        }
    }
}

async fn drained(mut down: Streaming<wire::Down>) -> bool {
    let mut fenced = false;
    while let Ok(Some(message)) = down.message().await {
        fenced |= matches!(message.message, Some(wire::down::Message::Fenced(_)));
    }
    fenced
}

/// Goal: what was announced and is not held is said not to be; once the log leads through it, it is held, also
/// when the log has gone on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_announced_is_complete_once_the_log_leads_through_it() {
    let province = Province::set().await.unwrap();
    let (hub, peer) = (Arc::clone(&province.hub), Peer::enrolled(&province).await);
    let (up, _down) = peer.greeted(3).await;
    up.send(peer.heartbeat(3)).await.unwrap();
    let early = until(&hub, "announced", |holds| holds["size"] == 3).await;
    assert_eq!((&early["holds"]["complete"], &early["holds"]["state"]), (&false.into(), &"working".into()));
    up.send(peer.batch(5, "một")).await.unwrap();
    let then = until(&hub, "held", |holds| holds["complete"] == true).await;
    assert_eq!((&then["holds"]["size"], &then["holds"]["state"]), (&3.into(), &"idle".into()));
    assert_eq!(status(&hub)["acknowledged"], 5);
    // Said right behind its batch, which may not be on the disk yet; then the log goes on.
    let (frontier, entries) = peer.entries(7, "một");
    for (first, heartbeat) in [(5, true), (6, false)] {
        let (frontier, _) = peer.entries(first + 1, "một");
        let packed = batch::pack([entries[usize::try_from(first).unwrap()].as_slice()]).unwrap().into();
        let batch = wire::Batch { first, count: 1, packed, checkpoint: peer.checkpoint(&frontier) };
        up.send(wire::Up { message: Some(wire::up::Message::Batch(batch)) }).await.unwrap();
        if heartbeat {
            up.send(peer.heartbeat(first + 1)).await.unwrap();
        }
    }
    until(&hub, "gone on", |holds| holds["size"] == 6 && holds["complete"] == true).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while status(&hub)["acknowledged"] != frontier.size() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shown(&hub).await["holds"]["complete"], true, "also behind it");
    hub.close().await;
}

/// Goal: each heartbeat is answered; one without a checkpoint says again what was said on the stream, and nothing on
/// one where none was.
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_answered_and_need_not_repeat_its_checkpoint() {
    let province = Province::set().await.unwrap();
    let (hub, peer) = (Arc::clone(&province.hub), Peer::enrolled(&province).await);
    let same = || wire::Up { message: Some(wire::up::Message::Heartbeat(wire::Heartbeat::default())) };
    let (up, mut down) = peer.greeted(3).await;
    for heartbeat in [peer.heartbeat(3), same(), same()] {
        up.send(heartbeat).await.unwrap();
        let answered = async {
            while let Ok(Some(down)) = down.message().await {
                if matches!(down.message, Some(wire::down::Message::Alive(_))) {
                    return true;
                }
            }
            false
        };
        assert!(tokio::time::timeout(Duration::from_secs(30), answered).await.unwrap());
        assert_eq!(shown(&hub).await["holds"]["size"], 3);
        assert_eq!(status(&hub)["lag"], 3, "{}", status(&hub));
    }
    let (up, mut down) = peer.greeted(3).await;
    up.send(same()).await.unwrap();
    let refused = loop {
        if let Err(status) = down.message().await {
            break status;
        }
    };
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "none was said before");
    hub.close().await;
}

/// Goal (P6): a log that comes back shorter, or otherwise, than its owner had signed is rolled back, though the
/// hub held nothing of it: fenced with both proofs, and told from silence.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_log_that_was_rolled_back_is_told_by_its_own_heartbeat() {
    for shorter in [true, false] {
        let province = Province::set().await.unwrap();
        let (hub, peer) = (Arc::clone(&province.hub), Peer::enrolled(&province).await);
        let (up, down) = peer.greeted(3).await;
        up.send(peer.heartbeat(3)).await.unwrap();
        until(&hub, "announced", |holds| holds["size"] == 3).await;
        drop((up, down));
        let (up, down) = peer.greeted(if shorter { 2 } else { 4 }).await;
        if !shorter {
            up.send(peer.batch(4, "hai")).await.unwrap();
        }
        let fenced = tokio::time::timeout(Duration::from_secs(30), drained(down)).await.unwrap();
        assert!(fenced, "shorter: {shorter}");
        let known = until(&hub, "rolled back", |holds| holds["state"] == "rolled_back").await;
        assert_eq!(known["holds"]["complete"], false);
        assert_eq!(known["state"]["proofs"].as_array().map(Vec::len), Some(2), "{known}");
        assert_eq!(status(&hub)["state"], "stopped");
        assert_eq!(hub.dataset.totals().records, 0, "nothing of it was taken");
        hub.close().await;
    }
}

/// Goal (P6): of two machines with one replica's log the one that says nothing new finds out too, while both are
/// connected: its heartbeat tells of less than is held, it has to dial again, and there it is told.
#[tokio::test(flavor = "multi_thread")]
async fn p6_of_two_copies_the_silent_one_is_told_by_its_heartbeat() {
    let province = Province::set().await.unwrap();
    let (hub, peer) = (Arc::clone(&province.hub), Peer::enrolled(&province).await);
    let (silent, mut told) = peer.greeted(3).await;
    silent.send(peer.heartbeat(3)).await.unwrap();
    until(&hub, "announced", |holds| holds["size"] == 3).await;
    let (other, _down) = peer.greeted(5).await;
    other.send(peer.batch(5, "một")).await.unwrap();
    until(&hub, "held", |holds| holds["complete"] == true).await;
    silent.send(peer.heartbeat(3)).await.unwrap();
    let ended = async {
        loop {
            if let Err(status) = told.message().await {
                break status;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert_eq!(ended.code(), tonic::Code::Aborted, "{ended:?}");
    assert_ne!(status(&hub)["state"], "stopped", "which of them is the copy is not known yet");
    let (_up, down) = peer.greeted(3).await;
    assert!(tokio::time::timeout(Duration::from_secs(30), drained(down)).await.unwrap());
    until(&hub, "rolled back", |holds| holds["state"] == "rolled_back").await;
    hub.close().await;
}
