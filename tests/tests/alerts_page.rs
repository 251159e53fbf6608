//! The page of alerts over real TLS: what is the matter, whom to call, what to do, and who looks after it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::alerts::Limits;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request;
use lienthong_node::app::system_clock;
use lienthong_proto::time::UnixMillis;
use lienthong_tests::stage::{Stage, hardened};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_hub, make_node, member};

const UNIT: &str = "11953";
const YEARS: u64 = 10 * 365 * 86_400;

static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD.load(Ordering::SeqCst) * 1_000)
}

/// A hub with its pages, whose clock a test sets ahead.
async fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let pages = hub.serve_web("https://127.0.0.1:0").await.unwrap();
    Stage { province: Province { dir, hub, address }, pages }
}

/// Goal: people see what is the matter now and what has ended lately, in their language; an operator takes one with a
/// note, the ledger says who, and nobody else may. Method: a unit's certificate that ends soon and a backup that was
/// never made; bad notes, bad numbers, the wrong role, and the same one twice.
#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_with_whom_to_call_and_taken_with_a_note() {
    let stage = stage().await;
    let Province { dir, hub, address } = &stage.province;
    let node = make_node(hub, address, &dir.path().join("node"), UNIT).await.unwrap();
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let contact = Request::UnitContact {
        unit: UNIT.parse().unwrap(),
        name: "Phạm Văn Dũng".to_owned(),
        phone: "0221 3862 001".to_owned(),
        actor: "lan".to_owned(),
    };
    assert_eq!(Arc::clone(hub).execute(contact, Arc::new(|_| {})).await.exit, 0);
    let mut lan = stage.signed_in("lan", AccountRole::Operator).await;
    let mut hoa = stage.signed_in("hoa", AccountRole::Steward).await;
    let away = stage.reader().get("/alerts").await;
    assert_eq!((away.status, away.header("location")), (303, "/sign-in?next=%2Falerts"));
    let none = lan.get("/alerts").await;
    assert!(none.status == 200 && none.body.contains("Không có gì."), "{none:?}");

    let lax = Limits { disk_percent: 0, ..Limits::default() };
    let strict = Limits { backup_seconds: 0, certificate_seconds: YEARS, ..lax };
    hub.look_at_alerts(&strict);
    let open = hub.alerts.list(false);
    let id = |key: &str| open.iter().find(|alert| alert.key == key).unwrap().id;
    let (backup, unit) = (id("backup/hub"), id("certificate/11953"));
    let page = lan.get("/alerts").await;
    hardened(&page);
    for said in [
        "Lâu chưa sao lưu",
        "Chứng thư sắp hết hạn",
        "Phạm Văn Dũng",
        "href=\"tel:02213862001\"",
        &format!("href=\"/units/{UNIT}\""),
        &format!("href=\"/alerts/{backup}\""),
        "data-live=\"/alerts/live\"",
        "Chưa ai nhận xử lý",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(lan.get("/").await.body.contains("cảnh báo chưa ai nhận"));

    // What to do, and the manual's own words, where the hub runs.
    let one = format!("/alerts/{unit}");
    let page = lan.get(&one).await;
    hardened(&page);
    for said in ["approve-renewal", "<code>alert-certificate</code>", "Phạm Văn Dũng", "Tôi nhận"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let action = format!("{one}/acknowledge");
    let empty = lan.fill(&one, &action, &[("reason", "  ")]).await;
    assert!(empty.status == 422 && empty.body.contains("Cần lý do"), "{empty:?}");
    for wrong in ["/alerts/999", "/alerts/x", "/alerts/-1"] {
        assert_eq!(lan.get(wrong).await.status, 404, "{wrong}");
        assert_eq!(lan.fill(&one, &format!("{wrong}/acknowledge"), &[("reason", "x")]).await.status, 404);
    }
    let page = hoa.get(&one).await;
    assert!(!page.body.contains("Tôi nhận") && page.body.contains("Người vận hành nhận xử lý"));
    assert_eq!(hoa.fill("/account", &action, &[("reason", "x")]).await.status, 403);
    assert_eq!(stage.count("alert_acknowledged").await, 0);

    let note = "đang gọi <b>xã</b>";
    let done = lan.fill(&one, &action, &[("reason", note)]).await;
    assert_eq!((done.status, done.header("location")), (303, one.as_str()), "{done:?}");
    let live = hoa.get("/alerts/live").await.body;
    assert!(live.contains("đang gọi &lt;b&gt;xã&lt;/b&gt;") && live.contains("<b>lan</b>"), "{live}");
    let (taken, open) = (live.find(&one).unwrap(), live.find(&format!("/alerts/{backup}\"")).unwrap());
    assert!(open < taken, "what nobody looks after stands first");
    assert!(stage.events().await.contains(&("alert_acknowledged".to_owned(), "lan".to_owned())));

    // In English, once it has ended.
    assert!(!live.contains("Đã hết gần đây"));
    hub.look_at_alerts(&lax);
    AHEAD.store(61, Ordering::SeqCst);
    hub.look_at_alerts(&lax);
    hoa.get("/language/en?back=%2Falerts").await;
    let page = hoa.get("/alerts").await;
    for said in ["Ended lately", "A certificate ends soon", "The last backup is old", "Looked after by"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let late = lan.fill("/account", &action, &[("reason", "x")]).await;
    assert!(late.status == 422 && late.body.contains("Không có cảnh báo"), "{late:?}");
    let page = hoa.get(&one).await;
    assert!(
        page.body.contains("Have the unit switch its machine on")
            && !page.body.contains("<form class=\"stacked\"")
    );
}
