//! The key of receipts rotates while everything works: each signs in its own span, and the ledger says which that is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::pki::NextReceiptKey;
use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::NodeIdentity;
use lienthong_node::sync::{Roots, verify_receipt};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::cosignature::{cosign, verify_cosignature};
use lienthong_proto::hash::Digest;
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::receipt_key::is_by;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::asking::at_hub;
use lienthong_tests::processes::{HubPlace, in_step, person, put, until};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, open_hub, reopened};
use serde_json::Value as Json;

const UNITS: [&str; 3] = ["11953", "11956", "11977"];
const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// A province and nodes that are online.
async fn set() -> (Province, Vec<Arc<Node>>) {
    let province = Province::set().await.unwrap();
    let mut nodes = Vec::new();
    for unit in UNITS {
        let folder = province.dir.path().join(unit);
        let node = make_node(&province.hub, &province.address, &folder, unit).await.unwrap();
        node.start_sync(brisk());
        write(&node, 1).await;
        nodes.push(node);
    }
    (province, nodes)
}

/// One more record of a node's, acknowledged.
async fn write(node: &Node, number: u64) {
    let unit = node.identity.unit().clone();
    let place = UNITS.iter().position(|known| *known == unit.as_str()).unwrap() as u64;
    let number = format!("{:012}", 33_070_000_000 + place * 100_000 + number);
    let draft = member(unit.as_str(), &number, "Nguyễn Văn An").unwrap();
    assert!(node.write(vec![draft]).await.iter().all(Result::is_ok), "a user's call failed");
    acknowledged(node).await.unwrap();
}

async fn rotate(hub: &Arc<Hub>, next: NextReceiptKey) -> Json {
    at_hub(hub, Request::ReceiptKeyRotate { next: Box::new(next), actor: "lan".to_owned() }).await
}

/// The newest key the hub has.
fn newest(hub: &Hub) -> Verifier {
    hub.secrets.receipt_verifier(&hub.secrets.receipt_seeds.last()).unwrap()
}

/// A log of any size, of one root.
struct Rooted(Digest);

impl Roots for Rooted {
    fn root_at(&self, _size: u64) -> Option<Digest> {
        Some(self.0)
    }
}

/// Whether a node believes a receipt dated then and signed by a key of the hub's.
fn believes(node: &Node, hub: &Hub, key: usize, seconds: u64) -> bool {
    let (name, origin, root) = (hub.secrets.cosigner_name(), node.identity.origin(), [7; 32]);
    let checkpoint = Checkpoint { origin: origin.clone(), size: 5, root, roll: None };
    let cosignature =
        cosign(&checkpoint, seconds, &name, hub.secrets.receipt_seeds.all()[key].as_ref()).unwrap();
    let cosigner = (name.as_str(), node.identity.cosigner_key(&cosignature));
    let receipt = wire::Receipt { size: 5, cosignature, ledger_index: 1, at_millis: seconds * 1_000 };
    verify_receipt(&receipt, &Rooted(root), origin, cosigner).is_ok_and(|checkpoint| checkpoint.is_some())
}

/// Goal: another key takes over under load: no call of a user fails, every receipt holds by the key of its date and both
/// kinds are there, who was away picks it up when it is back, and a receipt by the key of before, dated in the next one's
/// span, is refused. Method: one node writes all the while, one is idle, one is away; bad requests are fed first.
#[tokio::test(flavor = "multi_thread")]
async fn t35_the_key_of_receipts_rotates_under_load() {
    let (Province { dir, hub, address: _ }, mut nodes) = set().await;
    let away = nodes.pop().unwrap();
    away.close().await;
    drop(away);
    let (stop, writer) = (Arc::new(AtomicBool::new(false)), Arc::clone(&nodes[0]));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut count = 1;
        while !stopped.load(Ordering::Acquire) || count < 20 {
            count += 1;
            write(&writer, count).await;
        }
        count
    });
    let first = newest(&hub);
    for wrong in [NextReceiptKey::made(1), NextReceiptKey::made(3)] {
        assert!(rotate(&hub, wrong).await["error"].as_str().unwrap().contains("not 2"));
    }
    let next = NextReceiptKey::made(2);
    let shown = rotate(&hub, next.clone()).await;
    let from = shown["keys"][1]["from"].as_str().unwrap().to_owned();
    assert_eq!((&shown["keys"][0]["until"], &shown["keys"][1]["until"]), (&Json::from(from), &Json::Null));
    assert!(rotate(&hub, next).await["error"].as_str().unwrap().contains("not 3"), "once");
    let again: NextReceiptKey =
        serde_json::from_value(serde_json::json!({ "number": 3, "seed": "00" })).unwrap();
    assert!(rotate(&hub, again).await["error"].is_string());
    let second = newest(&hub);
    assert_ne!(first, second);
    let last_is_by =
        |node: &Node, key: &Verifier| is_by(&node.evidence.last_receipt().unwrap().cosignature, key);
    let mut idle = 1;
    while !last_is_by(&nodes[0], &second) || !last_is_by(&nodes[1], &second) {
        idle += 1;
        write(&nodes[1], idle).await;
    }
    stop.store(true, Ordering::Release);
    let count = writing.await.unwrap();
    assert_eq!(hub.dataset.totals().records, count + idle + 1);

    // Each by the key of its date, on the node's disk; both kinds are there.
    for node in &nodes {
        let named = node.identity.receipt_keys();
        let from = named.iter().next().unwrap().from_seconds;
        let mut by = [0, 0];
        for receipt in node.evidence.receipts().unwrap() {
            let of = usize::from(receipt.at / 1_000 >= from);
            let key = [&first, &second][of];
            let checkpoint = Checkpoint::parse_body(&receipt.checkpoint).unwrap();
            let date = verify_cosignature(&receipt.cosignature, &checkpoint, *key.key(), key.name());
            assert_eq!(date, Ok(receipt.at / 1_000));
            by[of] += 1;
        }
        assert!(by[0] > 0 && by[1] > 0, "{by:?}");
        let ends = [(0, from - 1, true), (0, from, false), (1, from - 1, false), (1, from, true)];
        for (key, seconds, holds) in ends {
            assert_eq!(believes(node, &hub, key, seconds), holds, "key {key} at {seconds}, next from {from}");
        }
    }

    let slept = dir.path().join(UNITS[2]);
    let away = reopened(|| Ok(Node::open(&slept, catalogue()?, system_clock)?));
    let from = nodes[0].identity.receipt_keys().iter().next().unwrap().from_seconds;
    assert!(believes(&away, &hub, 0, from), "it was not told yet");
    away.start_sync(brisk());
    while away.identity.receipt_keys().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!believes(&away, &hub, 0, from) && believes(&away, &hub, 1, from));
    write(&away, 2).await;
    assert!(last_is_by(&away, &second));
    let kept = NodeIdentity::load(&slept).unwrap().unwrap();
    assert_eq!(kept.receipt_keys(), away.identity.receipt_keys());
    nodes.push(away);
    assert!(nodes.iter().all(|node| node.sync().unwrap().watch().borrow().alarm.is_none()));
}

/// Goal: what a hub shows as a key of receipts is believed only if its ledger names it. Method: the true words, and the same
/// with one thing changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_ledger_does_not_name_is_refused() {
    use lienthong_node::sync::shown_keys;
    use lienthong_proto::ids::Sequence;
    use lienthong_proto::merkle::inclusion_proof;

    let (Province { dir: _dir, hub, address: _ }, nodes) = set().await;
    rotate(&hub, NextReceiptKey::made(2)).await;
    let place = hub.committer.books().read().receipt_keys.places[0];
    let entry = |place: Sequence| {
        let frame = hub.reader.frame(hub.reader.locate(place).unwrap().unwrap()).unwrap();
        match lienthong_node::dataset::Payload::parse(&frame.payload).unwrap() {
            lienthong_node::dataset::Payload::Entry(entry)
            | lienthong_node::dataset::Payload::Accepted { entry, .. } => entry.to_vec(),
            lienthong_node::dataset::Payload::Batch(packed) => {
                let plain = lienthong_proto::batch::unpack(packed).unwrap();
                let entries = lienthong_proto::batch::entries(&plain).unwrap();
                let of = |bytes: &&[u8]| {
                    lienthong_proto::entry::Entry::decode(bytes).unwrap().header.dot.sequence == place
                };
                entries.into_iter().find(of).unwrap().to_vec()
            }
        }
    };
    let head = hub.head();
    let shown = |place: Sequence| wire::ReceiptKeyShown {
        entry: entry(place).into(),
        path: inclusion_proof(hub.hashes.as_ref(), place.0, head.size)
            .unwrap()
            .into_iter()
            .map(|hash| hash.to_vec().into())
            .collect(),
    };
    let checkpoint = hub.ledger_checkpoint_at(head).unwrap();
    let honest = wire::ReceiptKeys { keys: vec![shown(place)], checkpoint };
    let (ledger, name) = (nodes[0].identity.ledger(), nodes[0].identity.cosigner_name());
    let judged = |came: &wire::ReceiptKeys| shown_keys(came, &ledger, &name);
    let keys = judged(&honest).unwrap();
    assert_eq!(keys[0].verifier, newest(&hub));
    let key = Verifier::new("a.vn/33/receipts", Algorithm::Cosignature, *keys[0].verifier.key()).unwrap();
    assert!(shown_keys(&honest, &ledger, key.name()).is_err(), "another province's");
    let mut elsewhere = honest.clone();
    elsewhere.keys[0].path.pop();
    let mut altered = honest.clone();
    let mut bytes = altered.keys[0].entry.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    altered.keys[0].entry = bytes.into();
    let no_key = wire::ReceiptKeys { keys: vec![shown(Sequence(0))], ..honest.clone() };
    let unsigned = wire::ReceiptKeys { checkpoint: String::new(), ..honest.clone() };
    let garbage = wire::ReceiptKeys {
        keys: vec![wire::ReceiptKeyShown { entry: vec![1, 2].into(), path: vec![vec![0; 5].into()] }],
        ..honest
    };
    for (what, came) in [elsewhere, altered, no_key, unsigned, garbage].iter().enumerate() {
        assert!(judged(came).is_err(), "{what}");
    }
}

/// Goal: a rotation that was cut short between the hub's disk and its ledger is brought to its end, once. Method: the key is
/// kept, and the hub opened anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_cut_short_is_brought_to_its_end() {
    let Province { dir, hub, address: _ } = Province::set().await.unwrap();
    hub.secrets.receipt_seeds.add(NextReceiptKey::made(2)).unwrap();
    hub.close().await;
    drop(hub);
    for _ in 0..2 {
        let hub = reopened(|| open_hub(&dir.path().join("hub")));
        hub.listen("127.0.0.1:0").await.unwrap();
        let named = Arc::clone(&hub.committer.books().read().receipt_keys);
        assert_eq!(named.keys.iter().map(|key| &key.verifier).collect::<Vec<_>>(), [&newest(&hub)]);
        hub.close().await;
    }
}

/// The number and the texts of the keys a hub shows.
async fn keys(place: &HubPlace, name: &str) -> (u64, Vec<String>) {
    let shown = place.done(&["receipt-key", "show"], name).await.unwrap();
    let keys = shown["keys"].as_array().unwrap().iter();
    (shown["number"].as_u64().unwrap(), keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect())
}

fn with_kit(place: &HubPlace, kit: &Path) -> HubPlace {
    HubPlace { kit: kit.to_owned(), ..place.clone() }
}

/// Goal: after rotations a hub is made again with what is at hand, and its nodes go on: from a backup with an older kit,
/// whose keys are in the backup, from nothing with the last kit, and from nothing with an older one. Method: the programs.
#[tokio::test(flavor = "multi_thread")]
async fn t35_a_hub_is_made_again_after_the_key_of_receipts_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let old_kit = place.kit.clone();
    let mut hub = place.serve("hub").await.unwrap();
    let node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    let records = |count: u64| move |status: &Json| status["records"] == count;
    let mut serial = 0;
    let mut goes_on = async |hub: &_| {
        serial += 1;
        put(&node, &[person(UNITS[0], serial, "Nguyễn Văn An")]).await.unwrap();
        in_step(&node).await.unwrap();
        until(hub, "everything is there", records(u64::from(serial))).await.unwrap();
    };
    goes_on(&hub).await;
    let (kit_2, kit_3) = (place.path("kit-2"), place.path("kit-3"));
    let two = ["receipt-key", "rotate", "--new-kit", kit_2.to_str().unwrap()];
    let three = ["receipt-key", "rotate", "--new-kit", kit_3.to_str().unwrap()];
    place.done(&place.with_kit(&two), "hub").await.unwrap();
    goes_on(&hub).await;
    assert!(place.refused(&place.with_kit(&three), "hub").await.unwrap().contains("last rotation"));
    let place = with_kit(&place, &kit_2);
    assert!(place.refused(&place.with_kit(&two), "hub").await.unwrap().contains("overwritten"));
    place.done(&place.with_kit(&three), "hub").await.unwrap();
    goes_on(&hub).await;
    let (number, before) = keys(&place, "hub").await;
    assert_eq!((number, before.len()), (3, 3));
    let policy = place.done(&["ledger", "policy"], "hub").await.unwrap()["policy"].to_string();
    assert!(before.iter().all(|key| policy.contains(key)), "{policy}");
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    place.done(&["backup", backup, "--to", "plain"], "hub").await.unwrap();
    hub.stop().await.unwrap();

    let place = with_kit(&place, &old_kit);
    place.done(&place.successor(&["restore", backup]), "restored").await.unwrap();
    let mut hub = place.serve("restored").await.unwrap();
    goes_on(&hub).await;
    assert_eq!(keys(&place, "restored").await, (3, before.clone()), "as the ledger before had named them");
    hub.stop().await.unwrap();

    // From nothing: the ledger is new, and names the last key the kit has; the first needs no naming.
    let mut note = place.path("restored").join("succession.note");
    for (kit, name, named) in [(&kit_3, "rebuilt", vec![0, 2]), (&old_kit, "again", vec![0])] {
        let place = with_kit(&place, kit);
        place.done(&place.successor(&["rebuild", "--after", note.to_str().unwrap()]), name).await.unwrap();
        let mut hub = place.serve(name).await.unwrap();
        in_step(&node).await.unwrap();
        goes_on(&hub).await;
        let named: Vec<String> = named.into_iter().map(|key: usize| before[key].clone()).collect();
        assert_eq!(keys(&place, name).await.1, named);
        note = place.path(name).join("succession.note");
        hub.stop().await.unwrap();
    }
}
