//! Recovery: a lost, fenced or damaged node goes on, and nothing that can be read is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use lienthong_node::app::{Node, StartError, system_clock};
use lienthong_node::identity::enrol;
use lienthong_node::recover::{RecoverError, in_place, replace};
use lienthong_node::replica::JournalError;
use lienthong_proto::value::Value;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_node, member, reopened, token,
};

const UNIT: &str = "11953";

/// Goal: after a fence the unit goes on as a new replica with everything: what the hub holds, and what only
/// the fenced log held, under its old dot. Method: a clone writes first, then the original has something the
/// hub lacks.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_fenced_replica_goes_on_as_a_new_one_with_what_the_hub_lacked() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.close().await;
    drop(node);
    let copy = dir.path().join("copy");
    reopened(|| copy_folder(&one, &copy));
    let clone = reopened(|| Ok(Node::open(&copy, catalogue()?, system_clock)?));
    clone.write(vec![member(UNIT, "033070000002", "Nguyễn Văn Bình").unwrap()]).await;
    clone.start_sync(brisk());
    acknowledged(&clone).await.unwrap();
    let node = reopened(|| Ok(Node::open(&one, catalogue()?, system_clock)?));
    let mut renamed = member(UNIT, "033070000001", "Nguyễn Văn Ân").unwrap();
    renamed.values.retain(|name, _| name == "so_cccd" || name == "ho_ten");
    node.write(vec![renamed, member(UNIT, "033070000003", "Nguyễn Văn Cường").unwrap()]).await;
    node.start_sync(brisk());
    while !node.is_regressed() {
        tokio::task::yield_now().await;
    }
    node.close().await;
    clone.close().await;
    drop((node, clone));

    let fresh = token(&hub, UNIT).unwrap();
    let mut report = None;
    for _ in 0..1_000 {
        match replace(&one, None, Some(&fresh), catalogue().unwrap(), system_clock).await {
            Ok(done) => {
                report = Some(done);
                break;
            }
            Err(RecoverError::Lock(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    let report = report.unwrap();
    assert_eq!((report.refilled, report.rewritten, report.unreadable), (3, 2, 0), "{report:?}");
    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!(node.replica.dataset().totals().records, 3);
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, 3);
    let id = lienthong_node::replica::key_id(
        &hub.secrets.provincial_key,
        hub.catalogue.record_type("dang_vien").unwrap(),
        &UNIT.parse().unwrap(),
        "033070000001",
    );
    let record = hub.dataset.record(&hub.catalogue, "dang_vien", id).unwrap().unwrap();
    // Written again after it had seen the first name: no conflict, the later name is shown.
    assert_eq!(record.shown("ho_ten"), Some(&Value::Text("Nguyễn Văn Ân".into())));
    assert!(record.conflicts().is_empty());

    // The view is still only a view, with another replica's changes in it.
    let types = ["dang_vien".to_owned()];
    let replica = node.identity.replica();
    let before = node.replica.dataset().own_digest(&types, replica).unwrap();
    node.close().await;
    drop(node);
    reopened(|| Ok(std::fs::remove_dir_all(one.join("view"))?));
    let node = reopened(|| Ok(Node::open(&one, catalogue()?, system_clock)?));
    assert_eq!(node.replica.dataset().totals().records, 3);
    assert_eq!(node.replica.dataset().own_digest(&types, replica).unwrap(), before);
    assert_eq!(hub.dataset.own_digest(&types, replica).unwrap(), before);
}

/// Goal: a stolen or burnt PC costs a token and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_lost_node_is_refilled_from_the_hub() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    let drafts =
        (0..700).map(|n| member(UNIT, &format!("0330700{n:05}"), "Nguyễn Văn An").unwrap()).collect();
    node.write(drafts).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    node.close().await;
    drop(node);

    let two = dir.path().join("new-pc");
    std::fs::create_dir(&two).unwrap();
    let fresh = token(&hub, UNIT).unwrap();
    let none = replace(&two, None, Some(&fresh), catalogue().unwrap(), system_clock).await;
    assert!(matches!(none, Err(RecoverError::NoIdentity)), "without an address");
    let report =
        replace(&two, Some(&address), Some(&fresh), catalogue().unwrap(), system_clock).await.unwrap();
    assert_eq!((report.refilled, report.rewritten), (701, 0));
    let node = Node::open(&two, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!(node.replica.dataset().totals().records, 700);
    // The same sheet again writes nothing.
    let mut again = member(UNIT, "033070000007", "Nguyễn Văn An").unwrap();
    again.intent = lienthong_node::replica::Intent::Capture;
    let written = node.write(vec![again]).await;
    assert_eq!(written[0].as_ref().unwrap().outcome, lienthong_node::replica::Outcome::Unchanged);
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, 700);
}

/// Goal: the end of a log does not vanish without anybody noticing. Method: the anchor is lost and the last frame cut, so
/// that the log itself looks whole; the view knows that there was more.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_log_shorter_than_what_was_made_of_it_does_not_open_and_is_mended() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    node.start_sync(brisk());
    for n in 0..5 {
        node.write(vec![member(UNIT, &format!("0330700{n:05}"), "Nguyễn Văn An").unwrap()]).await;
    }
    acknowledged(&node).await.unwrap();
    let head = *node.replica.head().borrow();
    node.close().await;
    drop(node);
    std::fs::remove_file(one.join("log/anchor")).unwrap();
    let segment = std::fs::OpenOptions::new().write(true).open(one.join("log/00000000.seg")).unwrap();
    segment.set_len(segment.metadata().unwrap().len() - 10).unwrap();
    let opened = reopened_until_unlocked(&one);
    assert!(matches!(opened, Err(StartError::Journal(JournalError::Shorter { .. }))), "{opened:?}");
    in_place(&one).await.unwrap();
    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!(*node.replica.head().borrow(), head);
}

/// Goal: damage below what the hub holds is mended in place, to the hash; damage of what was never sent is
/// said and left alone. Method: a bit is flipped in the middle of the log.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_damaged_log_is_mended_from_the_hub_or_left_alone() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    node.start_sync(brisk());
    for n in 0..20 {
        node.write(vec![member(UNIT, &format!("0330700{n:05}"), "Nguyễn Văn An").unwrap()]).await;
    }
    acknowledged(&node).await.unwrap();
    let head = *node.replica.head().borrow();
    node.close().await;
    drop(node);
    let segment = one.join("log/00000000.seg");
    flip(&segment, 2);
    let opened = reopened_until_unlocked(&one);
    assert!(matches!(opened, Err(StartError::Log(_))), "{opened:?}");
    let report = in_place(&one).await.unwrap();
    assert_eq!(report.refilled, 21);
    assert!(report.kept.unwrap().exists());
    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!(*node.replica.head().borrow(), head);
    assert_eq!(node.replica.dataset().totals().records, 20);
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000077", "Nguyễn Văn Sáu").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, 21);
    node.close().await;
    drop(node);
    let whole = loop {
        match in_place(&one).await {
            Err(RecoverError::Lock(_)) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert!(matches!(whole, Err(RecoverError::Whole)), "{whole:?}");

    // Two entries are never sent, the first of them is damaged.
    let node = reopened(|| Ok(Node::open(&one, catalogue()?, system_clock)?));
    let end = std::fs::metadata(&segment).unwrap().len();
    node.write(vec![member(UNIT, "033070000078", "Nguyễn Văn Bảy").unwrap()]).await;
    node.write(vec![member(UNIT, "033070000079", "Nguyễn Văn Tám").unwrap()]).await;
    node.close().await;
    drop(node);
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = usize::try_from(end).unwrap() + 60;
    bytes[place] ^= 1;
    reopened(|| Ok(std::fs::write(&segment, &bytes)?));
    let unsent = loop {
        match in_place(&one).await {
            Err(RecoverError::Lock(_)) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert!(matches!(unsent, Err(RecoverError::Unsent(22))), "{unsent:?}");
    let fresh = token(&hub, UNIT).unwrap();
    let report = replace(&one, None, Some(&fresh), catalogue().unwrap(), system_clock).await.unwrap();
    assert_eq!((report.rewritten, report.unreadable), (1, 1));
    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!(node.replica.dataset().totals().records, 22);
}

/// Goal: a recovery that was cut off anywhere is taken up where it stands, whatever had been done: no second replica, no log
/// written anew under the old name. Method: the folder as each step leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_recovery_cut_off_anywhere_is_taken_up_where_it_stands() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    node.close().await;
    drop(node);
    let node = reopened(|| Ok(Node::open(&one, catalogue()?, system_clock)?));
    let old = node.identity.replica();
    node.write(vec![member(UNIT, "033070000002", "Nguyễn Văn Bình").unwrap()]).await;
    node.close().await;
    drop(node);

    let set = |name: &str| {
        let folder = dir.path().join(name);
        reopened(|| copy_folder(&one, &folder));
        folder
    };
    let mark = |folder: &Path| std::fs::write(folder.join("recovering"), old.to_string()).unwrap();
    let kept = |folder: &Path| folder.join("retired").join(old.to_string());
    let set_aside = |folder: &Path, parts: &[&str]| {
        std::fs::create_dir_all(kept(folder)).unwrap();
        for part in parts {
            std::fs::rename(folder.join(part), kept(folder).join(part)).unwrap();
        }
    };
    // Marked, the log set aside, the hub not asked: without a token or an approval nothing goes on, and nothing is lost.
    let marked = set("marked");
    mark(&marked);
    set_aside(&marked, &["log"]);
    let refused = replace(&marked, None, None, catalogue().unwrap(), system_clock).await.unwrap_err();
    assert!(refused.to_string().contains("approve-recovery 11953"), "{refused}");
    assert!(matches!(Node::open(&marked, catalogue().unwrap(), system_clock), Err(StartError::Recovering)));
    let fresh = token(&hub, UNIT).unwrap();
    let report = replace(&marked, None, Some(&fresh), catalogue().unwrap(), system_clock).await.unwrap();
    assert_eq!((report.refilled, report.rewritten), (2, 1));

    // The hub has answered: from there on it needs nobody's word again.
    let steps: [&[&str]; 3] = [&[], &["log", "view"], &["log", "view", "receipts.jsonl", "identity"]];
    for (number, parts) in steps.into_iter().enumerate() {
        let folder = set(&format!("answered-{number}"));
        let next = folder.join("recovering.next");
        std::fs::create_dir(&next).unwrap();
        let enrolled = enrol(&next, &address, &token(&hub, UNIT).unwrap()).await.unwrap();
        if number > 0 {
            mark(&folder);
            set_aside(&folder, parts);
        }
        let report = replace(&folder, None, None, catalogue().unwrap(), system_clock).await.unwrap();
        assert_eq!(report.replica, enrolled.replica.to_string(), "{parts:?}");
        assert_eq!(report.rewritten, 1, "{parts:?}");
        let node = Node::open(&folder, catalogue().unwrap(), system_clock).unwrap();
        assert_eq!(node.replica.dataset().totals().records, 2);
        assert!(!next.exists());
    }

    // A key that the disk has changed is never used, and a token is all it needs.
    for key in ["log.seed", "provincial.key"] {
        let changed = set(key);
        flip(&changed.join("identity").join(key), 2);
        let refused = Node::open(&changed, catalogue().unwrap(), system_clock).unwrap_err();
        assert!(refused.to_string().contains(&format!("{key} was changed")), "{refused}");
        let fresh = token(&hub, UNIT).unwrap();
        let report = replace(&changed, None, Some(&fresh), catalogue().unwrap(), system_clock).await.unwrap();
        assert_eq!((report.refilled, report.rewritten), (2, 1), "{key}");
        let node = Node::open(&changed, catalogue().unwrap(), system_clock).unwrap();
        assert_eq!(node.replica.dataset().totals().records, 2, "{key}");
    }

    // Mended in place, and cut off between the damaged log's going and the mended one's coming.
    let half = set("half");
    std::fs::rename(half.join("log"), half.join("log.recovering")).unwrap();
    assert!(matches!(Node::open(&half, catalogue().unwrap(), system_clock), Err(StartError::Recovering)));
    assert!(!half.join("log").exists(), "no log is begun anew under the old name");
    in_place(&half).await.unwrap();
    let node = Node::open(&half, catalogue().unwrap(), system_clock).unwrap();
    assert_eq!((node.identity.replica(), node.replica.dataset().totals().records), (old, 2));
}

fn reopened_until_unlocked(folder: &Path) -> Result<std::sync::Arc<Node>, StartError> {
    loop {
        match Node::open(folder, catalogue().unwrap(), system_clock) {
            Err(StartError::Lock(_)) => std::thread::yield_now(),
            other => return other,
        }
    }
}

fn flip(path: &Path, share: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let place = bytes.len() / share;
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
