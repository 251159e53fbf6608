//! The authority of certificates rotates while everything works, by the recovery key's word only, and whoever slept through
//! it comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::pki::{InitOptions, Kit, Root, init};
use lienthong_hub::service::{AuthorityRequest, Request};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::sync::SyncStatus;
use lienthong_tests::processes::{HubPlace, in_step, person, put, until};
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_node, member, open_hub, reopened,
};

const UNITS: [&str; 3] = ["11953", "11956", "11977"];
const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// A province, its kit's passphrase, and nodes that are online.
async fn set() -> (Province, String, Vec<Arc<Node>>) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let options = InitOptions {
        province: "33".parse().unwrap(),
        domain: "hungyen.example".to_owned(),
        names: Vec::new(),
    };
    let passphrase = init(&data, &options).unwrap().kit_passphrase;
    let hub = open_hub(&data).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let mut nodes = Vec::new();
    for unit in UNITS {
        let node = make_node(&hub, &address, &dir.path().join(unit), unit).await.unwrap();
        node.start_sync(brisk());
        node.write(vec![member(unit, &format!("0330{unit}999"), "Nguyễn Văn An").unwrap()]).await;
        acknowledged(&node).await.unwrap();
        nodes.push(node);
    }
    (Province { dir, hub, address }, passphrase, nodes)
}

fn kit(data: &Path, passphrase: &str) -> Kit {
    Kit::open(&data.join("hub/recovery-kit.lienthong"), passphrase).unwrap()
}

async fn ask(hub: &Arc<Hub>, request: AuthorityRequest) -> (u8, String) {
    let answer = Arc::clone(hub).execute(Request::Authority(request), Arc::new(|_| {})).await;
    (answer.exit, answer.body.to_string())
}

fn rotate(root: &Root) -> AuthorityRequest {
    AuthorityRequest::Rotate { root: Box::new(root.clone()), actor: "lan".to_owned() }
}

async fn moved(hub: &Hub, node: &Node) {
    let replica = node.identity.replica();
    while hub.waiting_for_authority().iter().any(|entry| entry.replica == replica) {
        tokio::task::yield_now().await;
    }
}

/// Goal: another authority takes over under load: no call of a user fails, both are trusted while machines move, the one
/// before is retired when the last has, and from then on its certificates open nothing. Method: one node writes all the
/// while, one is idle, one is away during the rotation; bad statements are fed first.
#[tokio::test(flavor = "multi_thread")]
async fn t35_the_authority_rotates_under_load_and_the_one_before_is_retired_when_nobody_needs_it() {
    let (Province { dir, hub, address }, passphrase, mut nodes) = set().await;
    let away = nodes.pop().unwrap();
    away.close().await;
    drop(away);
    let slept = dir.path().join(UNITS[2]);
    let old = dir.path().join("old");
    reopened(|| copy_folder(&slept, &old));
    let (stop, writer) = (Arc::new(AtomicBool::new(false)), Arc::clone(&nodes[0]));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut count = 0_u64;
        while !stopped.load(Ordering::Acquire) || count < 50 {
            count += 1;
            let number = format!("{:012}", 33_070_000_000 + count);
            let answers = writer.write(vec![member(UNITS[0], &number, "Nguyễn Văn An").unwrap()]).await;
            assert!(answers.iter().all(Result::is_ok), "a user's call failed");
            acknowledged(&writer).await.unwrap();
        }
        count
    });

    // What is fed is refused unless the recovery key speaks for just that, as the next.
    let kit = kit(dir.path(), &passphrase);
    let (_, root) = kit.rotated(&passphrase, 2).unwrap();
    let (_, third) = kit.rotated(&passphrase, 3).unwrap();
    let strangers = tempfile::tempdir().unwrap();
    let options = InitOptions {
        province: "33".parse().unwrap(),
        domain: "hungyen.example".to_owned(),
        names: Vec::new(),
    };
    let other = init(&strangers.path().join("hub"), &options).unwrap().kit_passphrase;
    let (_, forged) = self::kit(strangers.path(), &other).rotated(&other, 2).unwrap();
    let (mut mixed, mut garbage) = (root.clone(), root.clone());
    mixed.pem.clone_from(&third.pem);
    garbage.note = "garbage".to_owned();
    for wrong in [&third, &forged, &mixed, &garbage] {
        assert_eq!(ask(&hub, rotate(wrong)).await.0, 1);
    }
    assert_eq!(hub.secrets.authorities.current().number, 1);
    assert!(nodes[0].identity.trust(&forged.note).is_err());
    assert_eq!(nodes[0].identity.roots().len(), 1, "what was trusted stays");

    let first = hub.secrets.root();
    assert_eq!(ask(&hub, rotate(&root)).await.0, 0);
    for node in &nodes {
        moved(&hub, node).await;
        assert!(node.identity.is_under_newest());
    }
    assert_eq!(hub.secrets.root(), first, "the hub shows what everybody knows");
    let (_, fourth) = kit.rotated(&passphrase, 3).unwrap();
    assert!(ask(&hub, rotate(&fourth)).await.1.contains("not retired"), "one at a time");
    let (exit, said) = ask(&hub, AuthorityRequest::Retire { now: false, actor: "lan".to_owned() }).await;
    assert!(exit == 1 && said.contains("1 machines"), "{said}");
    assert!(!hub.retire_authority_if_due().await, "one machine was away");
    let (_, shown) = ask(&hub, AuthorityRequest::Show).await;
    assert!(shown.contains(&format!("\"unit\":\"{}\"", UNITS[2])), "{shown}");

    let away = reopened(|| Ok(Node::open(&slept, catalogue()?, system_clock)?));
    away.start_sync(brisk());
    moved(&hub, &away).await;
    assert!(hub.retire_authority_if_due().await);
    assert_ne!(hub.secrets.root(), first);
    nodes.push(away);
    for node in &nodes {
        // The next line is under the new one, and the one before is trusted no more.
        let answer =
            Arc::clone(node).execute(lienthong_node::service::Request::KeyRotateTls, Arc::new(|_| {})).await;
        assert_eq!(answer.exit, 0, "{answer:?}");
        while node.identity.roots().contains(&first) {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Release);
    let count = writing.await.unwrap();
    assert_eq!(hub.dataset.totals().records, count + 3);
    let old = NodeIdentity::load(&old).unwrap().unwrap();
    let refused = identity::connect(&old).await.unwrap_err().to_string();
    assert!(identity::is_untrusted(&refused), "{refused}");
    let enrolled = make_node(&hub, &address, &dir.path().join("new"), UNITS[0]).await.unwrap();
    assert_eq!((enrolled.identity.roots(), enrolled.identity.authority()), (vec![hub.secrets.root()], 2));
    assert!(nodes.iter().all(|node| !node.is_regressed()));
}

/// Goal: a machine that slept through a rotation to its end comes back by itself, as the replica it is, once it is
/// approved. Method: the one before is retired though a machine hangs on it; what the hub shows is then unknown to it.
#[tokio::test(flavor = "multi_thread")]
async fn t35_who_slept_through_a_rotation_is_told_by_the_recovery_keys_word() {
    let (Province { dir, hub, address: _ }, passphrase, mut nodes) = set().await;
    let away = nodes.pop().unwrap();
    away.write(vec![member(UNITS[2], "033070000001", "Nguyễn Văn Bình").unwrap()]).await;
    away.close().await;
    drop(away);
    let (_, root) = kit(dir.path(), &passphrase).rotated(&passphrase, 2).unwrap();
    assert_eq!(ask(&hub, rotate(&root)).await.0, 0);
    for node in &nodes {
        moved(&hub, node).await;
    }
    assert_eq!(ask(&hub, AuthorityRequest::Retire { now: true, actor: "lan".to_owned() }).await.0, 0);
    let away = reopened(|| Ok(Node::open(&dir.path().join(UNITS[2]), catalogue()?, system_clock)?));
    let replica = away.identity.replica();
    away.start_sync(brisk());
    let told = |status: &SyncStatus| {
        status.fault.as_ref().is_some_and(|said| said.contains("approve-renewal 11977"))
    };
    away.sync().unwrap().watch().wait_for(told).await.unwrap();
    assert_eq!(away.identity.authority(), 2);
    let approve = Request::UnitApproveRenewal { unit: UNITS[2].parse().unwrap(), actor: "lan".to_owned() };
    assert_eq!(Arc::clone(&hub).execute(approve, Arc::new(|_| {})).await.exit, 0);
    acknowledged(&away).await.unwrap();
    assert_eq!((away.identity.replica(), hub.registry.list().len()), (replica, 3));
}

/// Goal: after a rotation a hub is made again with what is at hand: from a backup with the old kit too, and from nothing
/// with the new one. Method: the programs themselves.
#[tokio::test(flavor = "multi_thread")]
async fn t35_a_hub_is_made_again_after_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    put(&node, &[person(UNITS[0], 1, "Nguyễn Văn An")]).await.unwrap();
    in_step(&node).await.unwrap();
    let new_kit = place.path("kit-2");
    let new = new_kit.to_str().unwrap();
    let arguments = place.with_kit(&["authority", "rotate", "--new-kit", new]);
    let made = place.done(&arguments, "hub").await.unwrap();
    assert_eq!((made["number"].as_u64(), made["former"]["number"].as_u64()), (Some(2), Some(1)), "{made}");
    assert!(place.refused(&arguments, "hub").await.unwrap().contains("not retired"));
    while place.done(&["authority", "show"], "hub").await.unwrap()["former"]["waiting"]
        != serde_json::json!([])
    {
        tokio::task::yield_now().await;
    }
    // The token it was enrolled by is used: nothing is out.
    let retired = place.done(&["authority", "retire"], "hub").await.unwrap();
    assert!(retired["former"].is_null(), "{retired}");
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    place.done(&["backup", backup, "--to", "plain"], "hub").await.unwrap();
    hub.stop().await.unwrap();

    place.done(&place.successor(&["restore", backup]), "restored").await.unwrap();
    let mut hub = place.serve("restored").await.unwrap();
    put(&node, &[person(UNITS[0], 2, "Trần Thị Bình")]).await.unwrap();
    in_step(&node).await.unwrap();
    let records = |count: u64| move |status: &serde_json::Value| status["records"] == count;
    until(&hub, "everything is there", records(2)).await.unwrap();
    hub.stop().await.unwrap();

    let note = place.path("restored").join("succession.note");
    let after = ["rebuild", "--after", note.to_str().unwrap()];
    let place = HubPlace { kit: new_kit.clone(), ..place };
    place.done(&place.successor(&after), "rebuilt").await.unwrap();
    let hub = place.serve("rebuilt").await.unwrap();
    in_step(&node).await.unwrap();
    until(&hub, "everything is there", records(2)).await.unwrap();
}
