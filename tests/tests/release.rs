//! Log before release: nothing leaves for an agency that the ledger does not durably have, and nothing new while nobody
//! outside the hub has witnessed the ledger for a day.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use lienthong_hub::alerts::Limits;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::Role;
use lienthong_hub::service::{ErasingRequest, Request, SharingRequest};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::enrol;
use lienthong_node::log::{Disk, Medium};
use lienthong_node::records::Page;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::asking::at_hub;
use lienthong_tests::listening::Listener;
use lienthong_tests::sharing::{self, HERE, MEMBERS, Shared, ask, delivered, sheet, who};
use lienthong_tests::{Province, acknowledged, asking, brisk, catalogue, make_hub, reopened};
use serde_json::{Value as Json, json};
use tonic::Code;

/// A disk of which every call from a chosen one on fails, counted from when that is said.
#[derive(Debug)]
struct Gate(AtomicI64);

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(i64::MAX)))
    }

    fn fail_at(&self, call: i64) {
        self.0.store(call, Ordering::SeqCst);
    }

    fn has_failed(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }
}

impl Medium for Gate {
    fn permit(&self) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err(io::Error::other("the disk is gone"))
        }
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.permit()?;
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.permit()?;
        file.sync_data()
    }
}

async fn province(disk: Disk, clock: fn() -> UnixMillis) -> Province {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let options = LedgerOptions { disk, ..LedgerOptions::default() };
    let hub = Hub::open(&data, catalogue().unwrap(), &options, clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    Province { dir, hub, address }
}

/// A hub on a disk that will fail, and a grant in force.
async fn on_a_failing_disk() -> (Shared, Arc<Gate>, u64) {
    let gate = Gate::new();
    let disk = Disk::over(Arc::clone(&gate) as Arc<dyn Medium>);
    let shared = Shared::on(province(disk, system_clock).await).await;
    let grant = shared.granted(MEMBERS).await;
    (shared, gate, grant)
}

/// The files below a folder that begin as a sealed bundle does.
fn bundles_below(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += bundles_below(&path);
        } else if path.is_file() {
            count += usize::from(std::fs::read(&path).unwrap().starts_with(b"lienthong sealed"));
        }
    }
    count
}

/// Goal (T45): whichever call of the ledger's disk fails while a bundle is made, the fsync of its access event among them,
/// there is no bundle. Method: each call in turn, until one too late to matter.
#[tokio::test(flavor = "multi_thread")]
async fn t45_no_bundle_without_its_access_event_on_the_disk() {
    for call in 0.. {
        let (shared, gate, grant) = on_a_failing_disk().await;
        let out = shared.path("bundle");
        gate.fail_at(call);
        let body =
            ask(shared.hub(), SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
        if body["access"].is_number() {
            let shown = ask(shared.hub(), SharingRequest::GrantShow { number: grant }).await;
            assert!(call >= 2 && out.exists(), "call {call}: {body:#}");
            assert_eq!(
                (&shown["deliveries"], &shown["last_access"]),
                (&1.into(), &body["access"]),
                "call {call}"
            );
            break;
        }
        assert!(body["error"].is_string() && !out.exists(), "call {call}: {body:#}");
        assert_eq!(bundles_below(shared.province.dir.path()), 0, "call {call}");
        shared.node.close().await;
        shared.hub().close().await;
    }
}

/// Goal (T45): nor does a live view hear a byte of a delivery before that. Method: as above, at the line of an agency.
#[tokio::test(flavor = "multi_thread")]
async fn t45_no_live_delivery_without_its_access_event_on_the_disk() {
    for call in 0.. {
        let (shared, gate, grant) = on_a_failing_disk().await;
        let folder = shared.path("agency");
        std::fs::create_dir_all(&folder).unwrap();
        enrol(&folder, &shared.province.address, &shared.agency_token().await).await.unwrap();
        gate.fail_at(call);
        let mut heard = false;
        if let Ok(mut listener) = Listener::dial(&folder, Vec::new()).await {
            while let Ok(message) = listener.next().await {
                if let wire::granted::Message::Piece(_) = message {
                    heard = true;
                    break;
                }
            }
        }
        if heard {
            let shown = ask(shared.hub(), SharingRequest::GrantShow { number: grant }).await;
            assert!(call >= 2 && shown["deliveries"] == 1, "call {call}: {shown:#}");
            break;
        }
        assert!(gate.has_failed(), "call {call}: it ended for another reason");
        shared.node.close().await;
        shared.hub().close().await;
    }
}

static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD.load(Ordering::SeqCst) * 3_600_000)
}

/// Goal (T52): when no witness has cosigned for a day, no bundle is made and no live view goes on, and the province is told;
/// what communes write is taken in all the same; as soon as a witness is back, sharing goes on by itself. Method: the hub's
/// clock a day ahead, so that nobody's cosignature is of now; then nodes whose clocks are right again.
#[tokio::test(flavor = "multi_thread")]
async fn t52_without_witnesses_for_a_day_nothing_new_is_shared_and_all_else_goes_on() {
    let shared = Shared::on(province(Disk::real(), clock).await).await;
    let hub = Arc::clone(shared.hub());
    let grant = shared.granted(MEMBERS).await;
    let agency = shared.agency("agency").await;
    shared.shows(&agency, "the first delivery", |items| items.len() == 2).await;
    let witnessed = async || {
        let _ = hub.close_round().await;
        hub.witnessed().map_or(Json::Null, |witnessed| witnessed.checkpoint.size.into())
    };
    asking::until("a round is witnessed", witnessed, Json::is_u64).await;
    shared.bundle(grant, "before").await;

    AHEAD.store(25, Ordering::SeqCst);
    assert!(!hub.is_witnessed_freshly(hub.now()));
    let dir = shared.province.dir.path();
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 3)).await["created"], 1);
    acknowledged(&shared.node).await.unwrap();
    let out = shared.path("meanwhile");
    let refused = ask(&hub, SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("too few witnesses") && !out.exists(), "{refused:#}");
    shared.grant_at(&agency, "it is told", |line| line["state"] == "unwitnessed").await;
    let items = shared.shows(&agency, "what it had", |items| !items.is_empty()).await;
    assert_eq!(items.len(), 2, "{items:#?}");
    hub.look_at_alerts(&Limits::default());
    let alerts = hub.alerts.list(false);
    assert!(alerts.iter().any(|alert| alert.key.starts_with("unwitnessed/")), "{alerts:?}");

    let Shared { province, node, identity, secret } = shared;
    let (node, agency) = (in_time(node, clock).await, in_time(agency, clock).await);
    let shared = Shared { province, node, identity, secret };
    shared.shows(&agency, "what came meanwhile, by itself", |items| items.len() == 3).await;
    assert!(hub.is_witnessed_freshly(hub.now()));
    shared.bundle(grant, "after").await;
    agency.close().await;
}

static LATER: AtomicU64 = AtomicU64::new(0);

fn later() -> UnixMillis {
    UnixMillis(system_clock().0 + LATER.load(Ordering::SeqCst) * 3_600_000)
}

/// Goal (T49): while nobody witnesses, nothing is handed over anew, and what an order takes goes from an agency's disk all the
/// same: its view, with the signed reason in its place, until a witness is back; the hub lists it as gone no sooner. Method: as
/// above; the hub is opened anew, as its program does when an order is carried out.
#[tokio::test(flavor = "multi_thread")]
async fn t49_t52_without_witnesses_a_live_view_goes_until_it_is_handed_anew() {
    const NAME: &str = "Nguyễn Văn An";
    let shared = Shared::on(province(Disk::real(), later).await).await;
    shared.granted(MEMBERS).await;
    let agency = shared.agency("agency").await;
    shared.shows(&agency, "the first delivery", |items| items.len() == 2).await;
    let folder = agency.data.clone();
    assert!(delivered(&folder, NAME));
    LATER.store(25, Ordering::SeqCst);
    let fields = "record = \"033075000001\"\nunit = \"11953\"\nfields = [\"ho_ten\"]\n";
    let text = format!(
        "order = \"7/QĐ\"\nissuer = \"UBKT Tỉnh ủy\"\ndate = \"2026-11-20\"\nreason = \"ghi nhầm người\"\ntype = \"dang_vien\"\n{fields}"
    );
    let hub = Arc::clone(shared.hub());
    let proposed = ErasingRequest::Propose { text, dry_run: false, actor: who("minh") };
    let proposed = at_hub(&hub, Request::Erasing(proposed)).await;
    let number = proposed["number"].as_u64().unwrap_or_else(|| panic!("{proposed:#}"));
    let approved = ErasingRequest::Approve { number, actor: who("hoa") };
    at_hub(&hub, Request::Erasing(approved)).await;
    assert!(hub.superseded.is_cancelled(), "it is to be opened anew");
    let confirmed = async |hub: &Arc<Hub>| {
        let list = Request::Erasing(ErasingRequest::List { page: Page::default() });
        at_hub(hub, list).await["items"][0]["agencies"][0]["replicas"][0]["confirmed"].clone()
    };
    assert_eq!(confirmed(&hub).await, false);
    let Shared { province, node, identity, secret } = shared;
    let (data, address) = (hub.data.clone(), province.address.clone());
    hub.close().await;
    let Province { dir, hub: ended, .. } = province;
    drop((hub, ended));
    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), later)?));
    hub.listen(&address).await.unwrap();
    let shared = Shared { province: Province { dir, hub, address }, node, identity, secret };
    asking::until("it says that it is gone", async || confirmed(shared.hub()).await, |said| *said == true)
        .await;
    assert!(!delivered(&folder, NAME));
    let gone = |line: &Json| line["erased"] == json!(["7/QĐ"]) && line["records"] == json!({});
    let line = shared.grant_at(&agency, "its view is gone", gone).await;
    assert_eq!(line["state"], "unwitnessed", "{line:#}");

    let Shared { province, node, identity, secret } = shared;
    let (node, agency) = (in_time(node, later).await, in_time(agency, later).await);
    let shared = Shared { province, node, identity, secret };
    let line = shared.grant_at(&agency, "it is handed anew", |line| line["records"]["dang_vien"] == 2).await;
    assert_eq!((&line["erased"], delivered(&folder, NAME)), (&json!([]), true), "{line:#}");
    let items = shared.shows(&agency, "both", |items| items.len() == 2).await;
    assert_eq!(items.iter().filter(|item| item["fields"]["ho_ten"].is_null()).count(), 1, "{items:#?}");
    agency.close().await;
}

/// The same node, whose clock is the hub's.
async fn in_time(node: Arc<Node>, clock: fn() -> UnixMillis) -> Arc<Node> {
    let folder = node.data.clone();
    node.close().await;
    drop(node);
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, clock)?));
    node.start_sync(brisk());
    node
}

static DAYS: AtomicU64 = AtomicU64::new(0);

fn by_days() -> UnixMillis {
    UnixMillis(system_clock().0 + DAYS.load(Ordering::SeqCst) * 86_400_000)
}

/// Goal (P9, T55): after its last day a grant gives nothing more: no bundle, no next delivery on an open stream, none on a
/// new one, no token. Method: a grant until tomorrow, and the hub's clock the day after.
#[tokio::test(flavor = "multi_thread")]
async fn p9_after_its_last_day_a_grant_gives_nothing_more() {
    let shared = Shared::on(province(Disk::real(), by_days).await).await;
    let hub = Arc::clone(shared.hub());
    let text = sharing::grant(MEMBERS).replace(&sharing::day(90), &sharing::day(1));
    let proposed = ask(&hub, SharingRequest::GrantPropose { text, actor: who("minh") }).await;
    let grant = proposed["number"].as_u64().unwrap_or_else(|| panic!("{proposed:#}"));
    ask(&hub, SharingRequest::GrantApprove { number: grant, actor: who("hoa") }).await;
    let folder = shared.path("agency");
    std::fs::create_dir_all(&folder).unwrap();
    enrol(&folder, &shared.province.address, &shared.agency_token().await).await.unwrap();
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (_, lines) = listener.delivery().await.unwrap();
    listener.sign(grant, &lines).await;
    shared.bundle(grant, "before").await;

    DAYS.store(3, Ordering::SeqCst);
    let out = shared.path("late");
    let refused = ask(&hub, SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
    assert!(refused["error"].as_str().unwrap().contains("not in force") && !out.exists(), "{refused:#}");
    // Something is written, so that there would be something to tell.
    let dir = shared.province.dir.path();
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 3)).await["created"], 1);
    acknowledged(&shared.node).await.unwrap();
    let before = ask(&hub, SharingRequest::GrantShow { number: grant }).await;
    assert_eq!(before["state"], "expired", "{before:#}");
    let ended = listener.delivery().await.err().unwrap();
    assert!(
        ended.code() == Code::PermissionDenied && ended.message().contains("no longer in force"),
        "{ended}"
    );
    let mut again = Listener::dial(&folder, Vec::new()).await.unwrap();
    loop {
        match again.next().await.unwrap() {
            wire::granted::Message::Standing(standing) => assert_eq!(standing.state, "expired"),
            wire::granted::Message::CaughtUp(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let token = Request::TokenCreate {
        unit: "TTT".parse().unwrap(),
        role: Role::Auditor,
        ttl_seconds: 60,
        actor: who("minh"),
    };
    assert_eq!(asking::at_hub(&hub, token).await["rule"], "GRANT_NEEDED");
    let after = ask(&hub, SharingRequest::GrantShow { number: grant }).await;
    assert_eq!(after["deliveries"], before["deliveries"]);
}
