//! Live views, as they stand on the agency's disk: nothing is taken that is not proven, logged and next in line; what is
//! taken survives, and what is damaged is found and asked for again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::service::SharingRequest;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::check::check_against;
use lienthong_node::granted::{TakeError, Views, trust_path};
use lienthong_node::identity::{NodeIdentity, enrol};
use lienthong_proto::wire::sync as wire;
use lienthong_tests::listening::Listener;
use lienthong_tests::sharing::{HERE, MEMBERS, Shared, THERE, ask, sheet};
use lienthong_tests::{asking, brisk, catalogue, make_node, reopened};
use serde_json::Value as Json;

async fn enrolled(shared: &Shared) -> PathBuf {
    let folder = shared.path("agency");
    std::fs::create_dir_all(&folder).unwrap();
    enrol(&folder, &shared.province.address, &shared.agency_token().await).await.unwrap();
    folder
}

fn views(folder: &Path, keys: &KeyRing) -> Views {
    let identity = NodeIdentity::load(folder).unwrap().unwrap();
    Views::open(folder, Arc::new(identity), keys).unwrap()
}

fn take(views: &Views, grant: u64, lines: &str) -> Result<(), TakeError> {
    let mut spool = views.spool().unwrap();
    spool.write_all(lines.as_bytes()).unwrap();
    views.take(grant, spool, system_clock()).map(|_| ())
}

fn held(views: &Views) -> Vec<wire::ViewHeld> {
    let view = |(grant, since): (u64, lienthong_proto::disclosure::Since)| wire::ViewHeld {
        grant,
        cut: since.cut,
        digest: since.digest.0.to_vec().into(),
    };
    views.held().into_iter().map(view).collect()
}

/// The lines with one kind of line made otherwise.
fn with(lines: &str, kind: &str, otherwise: impl Fn(&str) -> Option<String>) -> String {
    let begins = format!("{{\"line\":\"{kind}\"");
    let each = lines
        .lines()
        .filter_map(|line| if line.starts_with(&begins) { otherwise(line) } else { Some(line.to_owned()) });
    each.map(|line| line + "\n").collect()
}

/// Goal: what has no access event, or another's, is refused; so is what comes twice, out of order, or for another grant;
/// what is held stays as it was.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_does_not_have_is_not_taken() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let folder = enrolled(&shared).await;
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (_, first) = listener.delivery().await.unwrap();
    listener.sign(number, &first).await;
    let text = sheet(HERE, 3);
    asking::import(&shared.node, shared.province.dir.path(), "dang_vien", &text).await;
    let (_, second) = listener.delivery().await.unwrap();
    let access =
        |lines: &str| lines.lines().find(|line| line.starts_with("{\"line\":\"access\"")).unwrap().to_owned();

    let views = views(&folder, &KeyRing::default());
    let refused = |lines: &str| take(&views, number, lines).unwrap_err().to_string();
    let without = with(&first, "access", |_| None);
    assert!(refused(&without).contains("out of place"), "{}", refused(&without));
    let forged = with(&first, "access", |_| Some(access(&second)));
    assert!(refused(&forged).contains("another delivery"), "{}", refused(&forged));
    // What no proof leads to is held by the digest alone.
    let withheld = first.split_once("\"withheld\":[").unwrap().1.split_once(',').unwrap().0;
    let forged = first.replacen(&format!("[{withheld},"), "[", 1);
    assert!(forged != first && refused(&forged).contains("not what was logged"), "{}", refused(&forged));
    let cut_off = first.rsplit_once("{\"line\":\"end\"").unwrap().0;
    assert!(refused(cut_off).contains("cut off"));
    assert!(refused(&second).contains("does not go on"));
    assert!(matches!(take(&views, number + 1, &first), Err(TakeError::Other)));
    assert!(views.held().values().all(|since| since.is_nothing()), "nothing of it is held");

    take(&views, number, &first).unwrap();
    assert!(matches!(take(&views, number, &first), Err(TakeError::Older)), "an old beginning");
    let forged = with(&second, "access", |_| Some(access(&first)));
    assert!(refused(&forged).contains("another delivery"), "{}", refused(&forged));
    take(&views, number, &second).unwrap();
    assert!(refused(&second).contains("does not go on"));
    let before = views.held();
    assert_eq!(self::views(&folder, &KeyRing::default()).held(), before, "opened again it is the same");
}

/// Goal: with a key, nothing stands on the disk in the clear; a node that was killed goes on from what it had, receipt or
/// not; a damaged delivery is found by the check, set aside, and the view asked for again from the beginning.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_survives_and_what_is_damaged_is_asked_for_again() {
    let shared = Shared::set().await;
    // Enough witnesses, also while the agency's node is away.
    let there = shared.path("there");
    let there = make_node(shared.hub(), &shared.province.address, &there, THERE).await.unwrap();
    there.start_sync(brisk());
    let number = shared.granted(MEMBERS).await;
    let (folder, dir) = (enrolled(&shared).await, shared.province.dir.path());
    std::fs::write(trust_path(&folder), shared.trust().await.to_text()).unwrap();
    let keys: KeyRing = KeyRing::generate().parse().unwrap();
    let open = || {
        let opened = || Ok(Node::open_through(&folder, catalogue()?, system_clock, None, &keys)?);
        let node = reopened(opened);
        node.start_sync(brisk());
        node
    };
    let count = |wanted: usize| move |items: &[Json]| items.len() == wanted;
    let node = open();
    shared.shows(&node, "the first delivery", count(2)).await;
    let line = shared.grant_at(&node, "trust", |line| line["receipt"]["access"] == line["access"]).await;
    assert_eq!(line["trust"], "policy");
    node.close().await;
    drop(node);
    let files = || {
        let folders = std::fs::read_dir(folder.join("granted")).unwrap();
        let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_none());
        let folder = folders.filter(|path| path.is_dir()).last().unwrap();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "lines"));
        files.sort();
        files
    };
    let names = || files().iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(), ["000000-00000000.lines"]);
    let bytes = std::fs::read(&files()[0]).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"\"line\""), "it stands in the clear");

    // Killed behind the rename and before the receipt, with half of another delivery in the spool.
    asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 3)).await;
    {
        let views = views(&folder, &keys);
        let mut listener = Listener::dial(&folder, held(&views)).await.unwrap();
        let (_, lines) = listener.delivery().await.unwrap();
        assert!(!lines.contains("\"since\":{\"cut\":0"), "it goes on");
        take(&views, number, &lines).unwrap();
        std::fs::write(folder.join("granted/incoming"), &bytes[..bytes.len() / 2]).unwrap();
    }
    let node = open();
    shared.shows(&node, "what was taken before", count(3)).await;
    asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 4)).await;
    shared.shows(&node, "what came since", count(4)).await;
    node.close().await;
    drop(node);
    assert_eq!(names(), ["000000-00000000.lines", "000000-00000001.lines", "000000-00000002.lines"]);

    // Damaged: found, set aside, sent again from the beginning.
    let replica = NodeIdentity::load(&folder).unwrap().unwrap().replica();
    let judged = || check_against(&folder, replica, &Default::default(), &keys, &|_, _| {});
    // The view is free once the last thread of the node that was closed has let go of it.
    let sound = || {
        reopened(|| {
            let answer = judged();
            anyhow::ensure!(answer.exit == 0, "{:#}", answer.body);
            Ok(())
        });
    };
    sound();
    let damaged = files()[1].clone();
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    assert_eq!(judged().exit, 1);
    assert!(judged().body["faults"].to_string().contains("00000001.lines"), "{:#}", judged().body);
    let before = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    let node = open();
    shared.shows(&node, "all of it again", count(4)).await;
    shared.grant_at(&node, "no longer damaged", |line| line["damaged"].is_null()).await;
    node.close().await;
    drop(node);
    assert_eq!(names(), ["000000-00000000.lines"]);
    sound();
    let after = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    let deliveries = |line: &Json| line["deliveries"].as_u64().unwrap();
    assert_eq!(deliveries(&after), deliveries(&before) + 1, "each delivery is logged");
}
