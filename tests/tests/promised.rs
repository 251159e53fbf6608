//! What a hub has promised by receipts is what its ledger must say: of each batch, not of the last one only.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Payload;
use lienthong_node::identity::NodeIdentity;
use lienthong_node::sync::{ProofLine, RefusalLine};
use lienthong_proto::batch;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::Sequence;
use lienthong_proto::limits::PROVEN_BEFORE_MAX;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::peer::{Peer, received, say};
use lienthong_tests::{acknowledged, brisk, catalogue, copy_folder, make_hub, make_node, member, reopened};

const UNIT: &str = "12004";

/// The hub's clock: it stands.
static NOW: AtomicU64 = AtomicU64::new(0);

fn standing_clock() -> UnixMillis {
    UnixMillis(NOW.load(Ordering::SeqCst))
}

/// How far the node's clock is ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn running_clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD.load(Ordering::SeqCst))
}

async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wanted() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

async fn started(data: &Path, address: &str) -> Arc<Hub> {
    let options = LedgerOptions::default();
    let hub = reopened(|| Ok(Hub::open(data, catalogue()?, &options, standing_clock)?));
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = hub.listen(address).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::task::yield_now().await;
    }
    hub
}

fn opened(data: &Path) -> Arc<Node> {
    let node = reopened(|| Ok(Node::open(data, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    node
}

async fn writes(node: &Node, number: u32) {
    node.write(vec![member(UNIT, &format!("03307000000{number}"), "Nguyễn Văn An").unwrap()]).await;
    acknowledged(node).await.unwrap();
}

fn alarm(node: &Node) -> Option<String> {
    node.sync().unwrap().watch().borrow().alarm.clone()
}

/// The entries of a node's log, as they stand there.
fn entries(node: &Node) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for frame in node.replica.reader().clone().scan(Sequence(0)) {
        match Payload::parse(&frame.unwrap().1.payload).unwrap() {
            // What came by a piece of the feed stands beside its entry.
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => found.push(entry.to_vec()),
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed).unwrap();
                found.extend(batch::entries(&plain).unwrap().into_iter().map(<[u8]>::to_vec));
            }
        }
    }
    found
}

/// A hub that gave a node receipts, and keeps another ledger.
struct Lied {
    hub: Arc<Hub>,
    /// Of the node.
    folder: PathBuf,
    /// When the second batch was taken, by its receipt and by the ledger.
    taken: (UnixMillis, UnixMillis),
}

/// Made by the hub's own program, from its own folder and the node's log: batch by batch, the second one dated five minutes earlier;
/// or, where the last receipt is to be `denied`, all in one batch behind the place it has.
async fn lied(dir: &Path, denied: bool) -> Lied {
    let [data, other, folder] = ["hub", "other", "node"].map(|name| dir.join(name));
    make_hub(&data).unwrap();
    let begun = system_clock().0;
    let at = |time: u64| NOW.store(time, Ordering::SeqCst);
    at(begun);
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), standing_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    writes(&node, 1).await;
    eventually("it is a witness", || !hub.committer.books().read().witnesses.keys.is_empty()).await;
    node.close().await;
    drop(node);
    let node = opened(&folder);
    let proven = || node.evidence.receipts().unwrap().iter().any(|receipt| receipt.proven);
    eventually("the first receipt is proven", proven).await;
    node.close().await;
    hub.close().await;
    drop((node, hub));
    copy_folder(&data, &other).unwrap();

    let hub = started(&data, &address).await;
    let node = opened(&folder);
    for number in 2..4 {
        at(begun + 600_000 * u64::from(number));
        writes(&node, number).await;
    }
    node.close().await;
    hub.close().await;
    let (receipts, entries) = (node.evidence.receipts().unwrap(), entries(&node));
    drop((node, hub));

    let hub = started(&other, &address).await;
    let mut peer = Peer::of(NodeIdentity::load(&folder).unwrap().unwrap());
    let replica = peer.identity.replica();
    let held = |hub: &Hub| hub.committer.books().read().replicas[&replica].clone();
    let before = held(&hub).frontier.size();
    let push = |peer: &mut Peer, size: u64| {
        for bytes in &entries[peer.frontier.size() as usize..size as usize] {
            peer.frontier.push(Entry::decode(bytes).unwrap().leaf_hash());
            peer.entries.push(bytes.clone());
        }
    };
    push(&mut peer, before);
    peer.entries.clear();
    let (up, mut down) = peer.greeted(4).await;
    let behind: Vec<_> = receipts.iter().filter(|receipt| receipt.size > before).collect();
    let (first, last) = (behind[0], *behind.last().unwrap());
    let dated = UnixMillis(first.at - 300_000);
    for (number, receipt) in behind.iter().enumerate().skip(if denied { behind.len() - 1 } else { 0 }) {
        at(if number == 0 { dated.0 } else { receipt.at });
        while hub.head().size < receipt.ledger_index + u64::from(denied) {
            hub.event("import", "x", Default::default()).await.unwrap();
        }
        push(&mut peer, receipt.size);
        let batch = peer.batch();
        up.send(say(wire::up::Message::Batch(batch))).await.unwrap();
        received(&mut down, receipt.size).await;
    }
    let now = held(&hub);
    assert_eq!((now.frontier.size(), now.at.0), (last.size, last.at));
    assert_eq!(now.ledger_index, last.ledger_index + u64::from(denied));
    Lied { hub, folder, taken: (UnixMillis(first.at), dated) }
}

/// Goal (P5, P9): when something was handed in is what its receipt says. A hub that gives receipts and keeps another ledger, which
/// holds every entry and stands where it said it would: the next connection of the node finds it out, people hear of it at both ends,
/// what shows it is kept, and the ledger has one witness less. So it is where the hub has nothing to show.
#[tokio::test(flavor = "multi_thread")]
async fn p5_p9_an_earlier_batch_is_logged_as_its_receipt_says() {
    for denied in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let Lied { hub, folder, taken: (promised, logged) } = lied(dir.path(), denied).await;
        let said = if denied {
            vec!["no acceptance of this unit".to_owned()]
        } else {
            vec![logged.rfc3339(), promised.rfc3339()]
        };
        let node = opened(&folder);
        eventually("it is found", || alarm(&node).is_some()).await;
        let told = alarm(&node).unwrap();
        assert!(said.iter().all(|said| told.contains(said)), "{told}");
        let kept = node.evidence.refusals().unwrap();
        let shown = |line: &RefusalLine| !line.before.is_empty() && line.known.contains("cosignature");
        assert!(kept.len() == usize::from(!denied) && kept.iter().all(shown), "{kept:#?}");
        hub.close_round().await.unwrap();
        let refused = || hub.refusals.standing().values().any(|why| why.reason.contains(&said[0]));
        eventually("the hub is told", refused).await;
        assert_eq!(hub.rounds.cosigned(), (0, 0));
        node.close().await;
        drop(node);
        // What was found once is not forgotten by a restart.
        let node = opened(&folder);
        eventually("it is found again", || alarm(&node).is_some()).await;
        assert_eq!(node.evidence.refusals().unwrap().len(), usize::from(!denied));
        node.close().await;
        hub.close().await;
    }
}

/// Goal (P5): of what a node was given no receipts for, it is shown all there is, however much. Method: its log is sent entry by
/// entry by another program of its name, more batches than one answer shows.
#[tokio::test(flavor = "multi_thread")]
async fn p5_what_came_before_the_first_receipt_is_shown_piece_by_piece() {
    const WRITTEN: u32 = PROVEN_BEFORE_MAX as u32 + 10;
    let dir = tempfile::tempdir().unwrap();
    let [data, folder] = ["hub", "node"].map(|name| dir.path().join(name));
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    let drafts =
        (0..WRITTEN).map(|number| member(UNIT, &format!("033070{number:06}"), "Nguyễn Văn An").unwrap());
    node.write(drafts.collect()).await;
    let entries = entries(&node);
    node.close().await;
    drop(node);
    let mut peer = Peer::of(NodeIdentity::load(&folder).unwrap().unwrap());
    let (up, mut down) = peer.greeted(64).await;
    let sent = async {
        for bytes in &entries {
            peer.frontier.push(Entry::decode(bytes).unwrap().leaf_hash());
            peer.entries.push(bytes.clone());
            up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
        }
    };
    tokio::join!(sent, received(&mut down, entries.len() as u64));
    drop((up, down));

    let node = opened(&folder);
    eventually("all is proven", || node.evidence.last_receipt().is_some() && node.evidence.is_proven()).await;
    assert_eq!(alarm(&node), None);
    let proofs = std::fs::read_to_string(folder.join("proofs.jsonl")).unwrap();
    let proof: ProofLine = serde_json::from_str(proofs.lines().next().unwrap()).unwrap();
    assert!(proof.before.len() > PROVEN_BEFORE_MAX, "{}", proof.before.len());
    node.close().await;
    hub.close().await;
}

/// Goal (P5): what is promised in a connection that lasts for weeks is proven all the same.
#[tokio::test(flavor = "multi_thread")]
async fn p5_receipts_are_proven_in_a_connection_that_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let [data, there] = ["hub", "node"].map(|name| dir.path().join(name));
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    drop(make_node(&hub, &address, &there, UNIT).await.unwrap());
    let node = reopened(|| Ok(Node::open(&there, catalogue()?, running_clock)?));
    node.start_sync(brisk());
    for number in 1..4 {
        writes(&node, number).await;
    }
    eventually("it is a witness", || !hub.committer.books().read().witnesses.keys.is_empty()).await;
    hub.close_round().await.unwrap();
    let cosigned = || hub.rounds.cosigned().0 + hub.rounds.cosigned().1 == 1;
    eventually("it cosigns", cosigned).await;
    assert!(node.evidence.receipts().unwrap().iter().all(|receipt| !receipt.proven), "none is an hour old");
    AHEAD.store(3_600_001, Ordering::SeqCst);
    hub.event("import", "x", Default::default()).await.unwrap();
    hub.close_round().await.unwrap();
    eventually("all are proven", || node.evidence.is_proven()).await;
    assert_eq!(alarm(&node), None);
    node.close().await;
    hub.close().await;
}
