//! The main job over real TLS, real files and real sockets, in one process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use lienthong_hub::pki::Role;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::{EnrolError, NodeIdentity, Token, connect, enrol};
use lienthong_node::replica::Outcome;
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::QuarantineReason;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_node, member, open_hub, reopened, retarget,
    token,
};

const UNIT: &str = "11953";
const OTHER: &str = "11977";

/// Goal: a record written at a node is readable at the hub with its source, and a restart of either side
/// loses nothing and sends nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p5_a_record_reaches_the_province_once_signed_and_survives_restarts() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    // Written while nobody is connected.
    let drafts =
        (0..300).map(|n| member(UNIT, &format!("0330700{n:05}"), "Nguyễn Văn An").unwrap()).collect();
    let written = node.write(drafts).await;
    assert!(written.iter().all(|result| result.as_ref().unwrap().outcome == Outcome::Created));
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let id = written[7].as_ref().unwrap().record;
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", id).unwrap().unwrap();
    assert_eq!(record.shown("ho_ten"), Some(&Value::Text("Nguyễn Văn An".into())));
    assert_eq!(record.sources()[0].replica, node.identity.replica());
    assert_eq!(hub.dataset.totals().records, 300);
    let ledger = hub.head().size;

    // Both restart; nothing new to send.
    node.close().await;
    hub.close().await;
    drop((node, hub));
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    assert_eq!(hub.dataset.totals().records, 300);
    let again = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    retarget(&folder, &again).unwrap();
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    let more = node.write(vec![member(UNIT, "033070099999", "Trần Thị Hòa").unwrap()]).await;
    assert!(more[0].is_ok());
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, 301);
    assert!(hub.head().size > ledger);
    let types = ["dang_vien".to_owned()];
    let replica = node.identity.replica();
    let at_node = node.replica.dataset().own_digest(&types, replica).unwrap();
    assert_eq!(at_node, hub.dataset.own_digest(&types, replica).unwrap());
}

/// Goal: the view is only a view. Method: it is deleted at both sides between two runs.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_lost_view_is_rebuilt_from_the_log_at_node_and_hub() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    for n in 0..20 {
        node.write(vec![member(UNIT, &format!("0330700{n:05}"), "Nguyễn Văn An").unwrap()]).await;
    }
    acknowledged(&node).await.unwrap();
    let types = ["dang_vien".to_owned()];
    let replica = node.identity.replica();
    let before = hub.dataset.own_digest(&types, replica).unwrap();
    node.close().await;
    hub.close().await;
    drop((node, hub));
    let hub_view = dir.path().join("hub/view");
    let gone = || Ok(std::fs::remove_dir_all(&hub_view)?);
    reopened(gone);
    std::fs::remove_dir_all(folder.join("view")).unwrap();
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    assert_eq!(hub.dataset.own_digest(&types, replica).unwrap(), before);
    assert_eq!(node.replica.dataset().own_digest(&types, replica).unwrap(), before);
    assert_eq!(hub.dataset.totals().records, 20);
}

/// Goal: one person claimed by two communes keeps both values; a different person under the same number
/// is not merged, is told, and can be released.
#[tokio::test(flavor = "multi_thread")]
async fn p4_p8_two_communes_claim_one_person() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let first = make_node(&hub, &address, &one, UNIT).await.unwrap();
    let second = make_node(&hub, &address, &two, OTHER).await.unwrap();
    first.start_sync(brisk());
    let drafts = vec![
        member(UNIT, "033070000001", "Nguyễn Văn An").unwrap(),
        member(UNIT, "033070000002", "Nguyễn Văn Bình").unwrap(),
    ];
    let written = first.write(drafts).await;
    acknowledged(&first).await.unwrap();
    second.start_sync(brisk());
    let mut stranger = member(OTHER, "033070000002", "Lê Thị Cúc").unwrap();
    stranger.values.insert("ngay_sinh".into(), Value::Date(1_000));
    second.write(vec![member(OTHER, "033070000001", "Nguyễn Văn Ân").unwrap(), stranger]).await;
    acknowledged(&second).await.unwrap();

    let same = written[0].as_ref().unwrap().record;
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", same).unwrap().unwrap();
    assert_eq!(record.owner.as_ref().unwrap().as_str(), UNIT);
    assert_eq!(record.shown("ho_ten"), Some(&Value::Text("Nguyễn Văn An".into())));
    let conflicts = record.conflicts();
    let names: Vec<_> = conflicts.iter().find(|c| c.field == "ho_ten").unwrap().siblings.iter().collect();
    assert_eq!(names.len(), 2);
    assert!(hub.dataset.totals().conflicts_open >= 1);

    let other = written[1].as_ref().unwrap().record;
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", other).unwrap().unwrap();
    assert!(record.conflicts().is_empty());
    let waiting = hub.committer.books().read().quarantine.clone();
    assert_eq!(waiting.len(), 1);
    let (number, waiting) = waiting.iter().next().unwrap();
    assert_eq!(waiting.reason, QuarantineReason::IdentityGuard);
    let release = lienthong_hub::ingest::Release {
        number: *number,
        reason: "đối chiếu giấy tờ".into(),
        actor: "steward".into(),
    };
    hub.committer.release(release.clone()).await.unwrap();
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", other).unwrap().unwrap();
    assert!(!record.conflicts().is_empty());
    assert!(hub.committer.release(release).await.is_err(), "a second release");
    // Told: the quarantine, the proposal and the release.
    let told = || second.evidence.notices().unwrap();
    while told().len() < 3 {
        tokio::task::yield_now().await;
    }
    let kinds: Vec<String> = told().into_iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, ["PROPOSAL", "QUARANTINED", "RELEASED"]);
}

/// Goal: tokens and identities are worth what the hub says they are worth, and at once.
#[tokio::test(flavor = "multi_thread")]
async fn p9_tokens_and_revocation() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let elsewhere = Province::set().await.unwrap();
    let folder = |name: &str| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    let good = token(&hub, UNIT).unwrap();
    let one = folder("one");
    enrol(&one, &address, &good).await.unwrap();
    assert!(matches!(enrol(&one, &address, &good).await, Err(EnrolError::AlreadyEnrolled(_))));
    let refused = |result: Result<_, EnrolError>| match result {
        Err(EnrolError::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let two = folder("two");
    assert!(refused(enrol(&two, &address, &good).await).contains("đã được dùng"));
    let guessed = Token { secret: [0; 16], ..token(&hub, UNIT).unwrap() };
    assert!(refused(enrol(&two, &address, &guessed).await).contains("không đúng"));
    let unit = UNIT.parse().unwrap();
    let late = hub.tokens.create(&hub.secrets, unit, Role::Commune, UnixMillis(1), "t".into()).unwrap();
    assert!(refused(enrol(&two, &address, &late).await).contains("hết hạn"));
    // A token of another hub pins another root: not a byte of it is sent here.
    let foreign = token(&elsewhere.hub, UNIT).unwrap();
    assert!(matches!(enrol(&two, &address, &foreign).await, Err(EnrolError::Dial(_))));
    assert!(!two.join("identity/profile.json").exists());

    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    hub.registry.revoke(UNIT, "máy bị mất", hub.now()).unwrap();
    let mut status = node.sync().unwrap().watch();
    let told = status.wait_for(|status| status.fault.as_ref().is_some_and(|fault| fault.contains("thu hồi")));
    tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap().unwrap();
    node.write(vec![member(UNIT, "033070000002", "Nguyễn Văn Bình").unwrap()]).await;
    assert_eq!(hub.dataset.totals().records, 1);
    // One that goes on as if it had not been told is let in to nothing.
    let mut rpc = SyncClient::new(connect(&NodeIdentity::load(&one).unwrap().unwrap()).await.unwrap());
    let refused = rpc.prove(wire::ProveRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused}");
}

/// Goal: a copy of a node's folder run beside it is recognised; both proofs are kept.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_clone_is_fenced() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.close().await;
    drop(node);
    let copy = dir.path().join("copy");
    reopened(|| copy_folder(&folder, &copy));
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    let clone = reopened(|| Ok(Node::open(&copy, catalogue()?, system_clock)?));
    node.write(vec![member(UNIT, "033070000002", "Nguyễn Văn Bình").unwrap()]).await;
    clone.write(vec![member(UNIT, "033070000003", "Nguyễn Văn Cường").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    clone.start_sync(brisk());
    while !clone.is_regressed() {
        tokio::task::yield_now().await;
    }
    let refused = clone.write(vec![member(UNIT, "033070000004", "Nguyễn Văn Dũng").unwrap()]).await;
    assert!(refused[0].is_err());
    let fenced = |entry: &lienthong_hub::pki::Enrolled| matches!(&entry.state, lienthong_hub::pki::ReplicaState::Fenced { proofs, .. } if proofs.len() == 2);
    while !hub.registry.list().iter().any(fenced) {
        tokio::task::yield_now().await;
    }
}
