//! P7, P8, P12: what changed is what travels; what one side does not know yet waits and loses nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::enrol;
use lienthong_node::replica::{Draft, Intent};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, make_hub, make_node, member, open_hub, reopened, retarget,
    token,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const UNIT: &str = "11953";

const NEW_TYPE: &str = r#"
name = "loai_moi"
label = { vi = "Loại mới", en = "New type" }
key = { fields = ["ma"], scope = "province" }

[[field]]
name = "ma"
label = { vi = "Mã", en = "Code" }
type = "text"
required = true
class = "C1"
"#;

fn newer() -> Arc<Catalogue> {
    let file = ("records/loai_moi.toml".to_owned(), NEW_TYPE.to_owned());
    Arc::new(Catalogue::with_overrides([file]).unwrap())
}

/// Goal: a node one catalogue ahead is served; what the hub does not know waits, what it knows flows past
/// it, and the catalogue's arrival releases it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn p8_p12_an_unknown_type_waits_and_enters_with_its_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = open_hub(&data).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let folder = dir.path().join("node");
    std::fs::create_dir(&folder).unwrap();
    enrol(&folder, &address, &token(&hub, UNIT).unwrap()).await.unwrap();
    let node = Node::open(&folder, newer(), system_clock).unwrap();
    let unknown = Draft {
        record_type: "loai_moi".to_owned(),
        owner: UNIT.parse().unwrap(),
        values: BTreeMap::from([("ma".to_owned(), Value::Text("A1".to_owned()))]),
        intent: Intent::Assert,
        author: "test".to_owned(),
    };
    node.write(vec![unknown, member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, 1, "what is known flows past");
    let reasons = |hub: &Hub| -> Vec<&str> {
        let waiting = hub.committer.books().read().quarantine.clone();
        waiting.values().map(|waiting| waiting.reason.code()).collect()
    };
    assert_eq!(reasons(&hub), ["TYPE_UNKNOWN"]);
    assert_eq!(hub.release_known_types().await, 0, "not known yet");
    hub.close().await;
    drop(hub);

    let hub = reopened(|| Ok(Hub::open(&data, newer(), &LedgerOptions::default(), system_clock)?));
    assert_eq!(hub.release_known_types().await, 1);
    assert_eq!(hub.dataset.totals().records, 2);
    assert!(reasons(&hub).is_empty());
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    node.close().await;
    drop(node);
    retarget(&folder, &address).unwrap();
    let node = reopened(|| Ok(Node::open(&folder, newer(), system_clock)?));
    node.start_sync(brisk());
    while !node.evidence.notices().unwrap().iter().any(|notice| notice.kind == "RELEASED") {
        tokio::task::yield_now().await;
    }
    // An older node than the catalogue reads what it knows and keeps the rest.
    node.close().await;
    drop(node);
    let older = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    assert_eq!(older.replica.dataset().totals().records, 2);
}

/// Carries bytes between a node and the hub, and counts them.
async fn counting_line(hub: String) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let carried = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&carried);
    tokio::spawn(async move {
        while let Ok((node, _)) = listener.accept().await {
            let hub = TcpStream::connect(&hub).await.unwrap();
            let (node, hub) = (node.into_split(), hub.into_split());
            for (mut from, mut to) in [(node.0, hub.1), (hub.0, node.1)] {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut piece = vec![0; 16 * 1024];
                    while let Ok(read @ 1..) = from.read(&mut piece).await {
                        counter.fetch_add(read as u64, Ordering::Relaxed);
                        if to.write_all(&piece[..read]).await.is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown().await;
                });
            }
        }
    });
    (address, carried)
}

/// Goal: after months offline the line carries what changed, not what exists.
#[tokio::test(flavor = "multi_thread")]
async fn p7_catching_up_costs_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    make_hub(&dir.path().join("hub")).unwrap();
    let hub = open_hub(&dir.path().join("hub")).unwrap();
    let direct = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let (address, carried) = counting_line(direct).await;
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    // Works for as long as it likes with nobody at the other end.
    for hundred in 0..30 {
        let drafts = (0..100)
            .map(|n| member(UNIT, &format!("0330700{:05}", hundred * 100 + n), "Nguyễn Văn An").unwrap())
            .collect();
        assert!(node.write(drafts).await.iter().all(Result::is_ok));
    }
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let everything = carried.load(Ordering::Relaxed);
    node.close().await;
    drop(node);
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.write(vec![member(UNIT, "033070099999", "Trần Thị Hòa").unwrap()]).await;
    let before = carried.load(Ordering::Relaxed);
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    // With the proof of the receipt of before.
    while node.evidence.receipts().unwrap().iter().all(|receipt| !receipt.proven) {
        tokio::task::yield_now().await;
    }
    let one = carried.load(Ordering::Relaxed) - before;
    assert!(everything > 100_000 && one < 16_000, "{one} bytes for one change, {everything} for all");
    assert_eq!(hub.dataset.totals().records, 3_001);
}

/// An hour ahead.
fn ahead() -> UnixMillis {
    UnixMillis(system_clock().0 + 3_600_000)
}

/// Goal: a clock that runs ahead is flagged at the hub and wins nothing: its stamps count as late as they
/// came.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_clock_ahead_is_flagged_and_gains_nothing() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    std::fs::create_dir(&folder).unwrap();
    enrol(&folder, &address, &token(&hub, UNIT).unwrap()).await.unwrap();
    let node = Node::open(&folder, catalogue().unwrap(), ahead).unwrap();
    let written = node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let id = written[0].as_ref().unwrap().record;
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", id).unwrap().unwrap();
    let (_, candidates) = record.candidates("ho_ten").unwrap();
    assert!(candidates[0].effective.at() <= hub.now(), "not later than it came");
    let flagged = |unit: &lienthong_hub::status::UnitStatus| {
        unit.unit.as_str() == UNIT && unit.attention.iter().any(|reason| reason.contains("đồng hồ"))
    };
    assert!(hub.units().iter().any(flagged));
}
