//! The feed: what others write of a unit's records reaches the unit, and nothing else does.

#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Dataset;
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_proto::change::path;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, reopened};

const HERE: &str = "11953";
const THERE: &str = "12004";
const TYPE: &str = "dang_vien";

fn id_of(hub: &Hub, number: &str) -> RecordId {
    let declared = hub.catalogue.record_type(TYPE).unwrap();
    key_id(&hub.secrets.provincial_key, declared, &hub.secrets.profile.province, number)
}

fn digest(dataset: &Dataset, id: RecordId) -> Option<Digest> {
    dataset.state(TYPE, id).unwrap().map(|state| state.digest(id))
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A statement about one member; `more` beside number and name.
fn states(number: &str, unit: &str, more: &[(&str, Value)]) -> Draft {
    let mut values = BTreeMap::from([("so_cccd".to_owned(), Value::Text(number.to_owned()))]);
    values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Draft {
        record_type: TYPE.to_owned(),
        owner: unit.parse().unwrap(),
        values,
        intent: Intent::Assert,
        author: "lan".to_owned(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn shown(dataset: &Dataset, id: RecordId, field: &str) -> Option<String> {
    let record = dataset.record(&catalogue().unwrap(), TYPE, id).unwrap()?;
    record.shown(field).map(Value::to_text)
}

async fn province_writes(hub: &Hub, draft: Draft) {
    for written in hub.committer.write(vec![draft]).await {
        written.unwrap();
    }
}

async fn same(hub: &Hub, node: &Node, id: RecordId) {
    until("both ends hold the same", || digest(&hub.dataset, id) == digest(node.replica.dataset(), id)).await;
}

async fn start(hub: &Hub, address: &str, folder: &Path, unit: &str) -> Arc<Node> {
    let node = make_node(hub, address, folder, unit).await.unwrap();
    node.start_sync(brisk());
    node
}

/// Goal (P3, P9): what the province writes of a unit's record reaches the unit; what another unit writes of it
/// reaches the owner as a proposal, while its writer reads nothing of the record; all ends agree, also after a
/// view was thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_unit_is_handed_what_concerns_its_records_and_a_writer_reads_nothing() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = start(&hub, &address, &folder, HERE).await;
    let there = start(&hub, &address, &dir.path().join("there"), THERE).await;
    let number = "033070000001";
    let id = id_of(&hub, number);
    here.write(vec![member(HERE, number, "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&here).await.unwrap();
    province_writes(&hub, states(number, HERE, &[("dien_thoai", text("0912345678"))])).await;
    until("the province's word", || {
        shown(here.replica.dataset(), id, "dien_thoai").as_deref() == Some("0912345678")
    })
    .await;
    same(&hub, &here, id).await;
    // A proposal: another number for the telephone.
    there
        .write(vec![states(
            number,
            THERE,
            &[("ho_ten", text("Nguyễn Văn An")), ("dien_thoai", text("0987654321"))],
        )])
        .await;
    acknowledged(&there).await.unwrap();
    until("the proposal", || {
        let record = here.replica.dataset().record(&hub.catalogue, TYPE, id).unwrap();
        record.is_some_and(|record| {
            record
                .conflicts()
                .iter()
                .any(|c| c.field == "dien_thoai" && c.siblings.iter().any(|s| s.proposal))
        })
    })
    .await;
    same(&hub, &here, id).await;
    assert_eq!(shown(here.replica.dataset(), id, "dien_thoai").as_deref(), Some("0912345678"));
    // Its writer knows its own words, as a proposal, and nothing else.
    let own = || there.replica.dataset().state(TYPE, id).unwrap().unwrap();
    until("the verdict", || own().sources.values().all(|source| source.proposal)).await;
    assert_eq!(own().sources.len(), 1);
    assert_eq!(own().owner().map(ToString::to_string).as_deref(), Some(THERE), "as far as it knows");
    // Thrown away and made again from the log, the fed pieces included.
    here.close().await;
    drop(here);
    let before = digest(&hub.dataset, id);
    let here = reopened(|| {
        let _ = std::fs::remove_dir_all(folder.join("view"));
        Ok(Node::open(&folder, catalogue()?, system_clock)?)
    });
    assert_eq!(digest(here.replica.dataset(), id), before);
    let checked = here.replica.dataset().history(TYPE, id).unwrap();
    assert_eq!(checked.len(), 3, "the creation, the province's word, the proposal");
    here.close().await;
    let replica = here.identity.replica();
    drop(here);
    let judged = reopened(|| {
        let judged = lienthong_node::check::check(&folder, replica);
        anyhow::ensure!(judged.exit == 0, "{:#}", judged.body);
        Ok(judged)
    });
    assert_eq!(judged.body["faults"].as_array().map(Vec::len), Some(0));
    there.close().await;
    hub.close().await;
}

/// Goal: a record that moves to another unit arrives there whole, with what was superseded; where it was it is
/// seen to leave, and nothing of it comes any more. Later writes of its former owner are proposals.
#[tokio::test(flavor = "multi_thread")]
async fn a_transferred_record_arrives_whole_and_stops_where_it_was() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = start(&hub, &address, &dir.path().join("here"), HERE).await;
    let there = start(&hub, &address, &dir.path().join("there"), THERE).await;
    let number = "033070000001";
    let id = id_of(&hub, number);
    here.write(vec![member(HERE, number, "Nguyễn Văn An").unwrap()]).await;
    for phone in ["0912345671", "0912345672"] {
        here.write(vec![states(number, HERE, &[("dien_thoai", text(phone))])]).await;
    }
    acknowledged(&here).await.unwrap();
    assert!(there.replica.dataset().state(TYPE, id).unwrap().is_none());
    province_writes(&hub, states(number, HERE, &[(path::UNIT, Value::Unit(THERE.parse().unwrap()))])).await;
    until("it arrives", || there.replica.dataset().state(TYPE, id).unwrap().is_some()).await;
    same(&hub, &there, id).await;
    assert_eq!(there.replica.dataset().history(TYPE, id).unwrap().len(), 4, "what was superseded as well");
    assert_eq!(shown(there.replica.dataset(), id, "dien_thoai").as_deref(), Some("0912345672"));
    let owner = |node: &Node| {
        node.replica.dataset().state(TYPE, id).unwrap().and_then(|s| s.owner().map(ToString::to_string))
    };
    until("it leaves", || owner(&here).as_deref() == Some(THERE)).await;
    // The new owner writes; the old one is told nothing of it.
    there.write(vec![states(number, THERE, &[("dien_thoai", text("0912345673"))])]).await;
    acknowledged(&there).await.unwrap();
    here.write(vec![states(number, HERE, &[("dien_thoai", text("0912345674"))])]).await;
    acknowledged(&here).await.unwrap();
    until("a proposal of the former owner", || {
        let state = there.replica.dataset().state(TYPE, id).unwrap().unwrap();
        state.sources.values().any(|source| source.proposal)
    })
    .await;
    same(&hub, &there, id).await;
    assert_eq!(shown(there.replica.dataset(), id, "dien_thoai").as_deref(), Some("0912345673"));
    let known = here.replica.dataset().history(TYPE, id).unwrap();
    assert!(known.iter().all(|past| past.source.unit.as_str() != THERE), "nothing of the new owner's");
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal (P9): a unit that was away while a record came to it and left again gets what was written of it until it left, and
/// nothing that was written after.
#[tokio::test(flavor = "multi_thread")]
async fn p9_who_was_away_while_a_record_came_and_went_reads_nothing_of_later() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = start(&hub, &address, &dir.path().join("here"), HERE).await;
    let folder = dir.path().join("there");
    let there = start(&hub, &address, &folder, THERE).await;
    let number = "033070000001";
    let id = id_of(&hub, number);
    here.write(vec![member(HERE, number, "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&here).await.unwrap();
    acknowledged(&there).await.unwrap();
    there.close().await;
    drop(there);
    for unit in [THERE, HERE] {
        let moved = [(path::UNIT, Value::Unit(unit.parse().unwrap()))];
        province_writes(&hub, states(number, HERE, &moved)).await;
    }
    let back =
        || here.replica.dataset().state(TYPE, id).unwrap().is_some_and(|state| state.sources.len() > 1);
    until("it is back", back).await;
    let after = here.replica.head().borrow().size;
    here.write(vec![states(number, HERE, &[("dien_thoai", text("0912345679"))])]).await;
    acknowledged(&here).await.unwrap();
    let there = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    there.start_sync(brisk());
    let owner = || {
        let state = there.replica.dataset().state(TYPE, id).unwrap();
        state.and_then(|state| state.owner().map(ToString::to_string))
    };
    until("it came and went", || owner().as_deref() == Some(HERE)).await;
    let known = there.replica.dataset().history(TYPE, id).unwrap();
    let of_here =
        known.iter().map(|past| past.source.dot).filter(|dot| dot.replica == here.identity.replica());
    let of_here: Vec<u64> = of_here.map(|dot| dot.sequence.0).collect();
    assert!(!of_here.is_empty() && of_here.iter().all(|sequence| *sequence < after), "{of_here:?}, {after}");
    assert_eq!(shown(there.replica.dataset(), id, "dien_thoai"), None);
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal: a change the hub keeps out disappears from its writer's dataset as it is not in the province's, and
/// comes back when it is released.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_change_goes_at_its_writer_and_returns_when_released() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = start(&hub, &address, &dir.path().join("here"), HERE).await;
    let folder = dir.path().join("there");
    let there = start(&hub, &address, &folder, THERE).await;
    let number = "033070000001";
    let id = id_of(&hub, number);
    here.write(vec![member(HERE, number, "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&here).await.unwrap();
    // Another person under the same number: name and birth date both differ.
    let mut other = member(THERE, number, "Trần Thị Bình").unwrap();
    other.values.insert("ngay_sinh".to_owned(), Value::Date(400));
    there.write(vec![other]).await;
    assert!(there.replica.dataset().state(TYPE, id).unwrap().is_some(), "until the province has spoken");
    there.quality.refresh(TYPE, id).unwrap();
    acknowledged(&there).await.unwrap();
    until("kept out", || there.replica.dataset().state(TYPE, id).unwrap().is_none()).await;
    assert_eq!(there.replica.dataset().totals().records, 0);
    // Nor is it judged any more.
    let key = there.replica.dataset().key(TYPE, id).unwrap();
    until("judged again", || {
        there.quality.catch_up().unwrap();
        there.quality.kept(&key).unwrap().is_none()
    })
    .await;
    assert!(there.replica.dataset().page(TYPE, None, 10).unwrap().is_empty());
    assert!(there.replica.dataset().history(TYPE, id).unwrap().iter().all(|past| past.kept_out));
    // Also when all is made again from the log.
    there.close().await;
    drop(there);
    let there = reopened(|| {
        let _ = std::fs::remove_dir_all(folder.join("view"));
        Ok(Node::open(&folder, catalogue()?, system_clock)?)
    });
    assert!(there.replica.dataset().state(TYPE, id).unwrap().is_none());
    there.start_sync(brisk());
    let number = *hub.committer.books().read().quarantine.keys().next().unwrap();
    let release =
        lienthong_hub::ingest::Release { number, reason: "một người".into(), actor: "lan".into() };
    hub.committer.release(release).await.unwrap();
    until("released", || there.replica.dataset().state(TYPE, id).unwrap().is_some()).await;
    until("at the owner", || {
        here.replica.dataset().state(TYPE, id).unwrap().is_some_and(|state| state.sources.len() == 2)
    })
    .await;
    same(&hub, &here, id).await;
    // It joined the record, and waits there for its owner: whose it is and whom it shows did not change.
    let state = hub.dataset.state(TYPE, id).unwrap().unwrap();
    assert_eq!(state.owner().map(ToString::to_string).as_deref(), Some(HERE));
    assert_eq!(shown(&hub.dataset, id, "ho_ten").as_deref(), Some("Nguyễn Văn An"));
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal (P7): a node that was away is handed what changed, in proportion. Method: a thousand records of which the
/// province touches three while the commune is away; what is fed is counted in its log.
#[tokio::test(flavor = "multi_thread")]
async fn p7_what_was_missed_is_handed_over_and_only_that() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = start(&hub, &address, &folder, HERE).await;
    let number = |n: u32| format!("0330700{n:05}");
    let drafts: Vec<Draft> = (0..1_000).map(|n| member(HERE, &number(n), "Nguyễn Văn An").unwrap()).collect();
    here.write(drafts).await;
    acknowledged(&here).await.unwrap();
    here.close().await;
    let size = here.replica.head().borrow().size;
    drop(here);
    for n in [3, 500, 999] {
        province_writes(&hub, states(&number(n), HERE, &[("dien_thoai", text("0912345678"))])).await;
    }
    let here = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    here.start_sync(brisk());
    for n in [3, 500, 999] {
        same(&hub, &here, id_of(&hub, &number(n))).await;
    }
    // One event for the piece: three changes came together.
    until("acknowledged", || here.sync().unwrap().status().acknowledged > size).await;
    let grown = here.replica.head().borrow().size - size;
    assert!((1..=3).contains(&grown), "{grown} entries for three changes");
    let fed: usize = here
        .replica
        .reader()
        .clone()
        .scan(lienthong_proto::ids::Sequence(size))
        .map(|frame| frame.unwrap().1.payload.len())
        .sum();
    assert!(fed < 4_096, "{fed} bytes for three changes");
    here.close().await;
    hub.close().await;
}
