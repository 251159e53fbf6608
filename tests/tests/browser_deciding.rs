//! The pages that people decide on in a real browser.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use lienthong_hub::accounts::AccountRole;
use lienthong_node::app::Node;
use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use lienthong_tests::browser::{Browser, Window};
use lienthong_tests::stage::{Stage, sign_in};
use lienthong_tests::{acknowledged, brisk, make_node, member};

const HERE: &str = "11953";
const THERE: &str = "12004";
const DESK: Window = Window { width: 1_280, height: 900 };
const PHONE: Window = Window { width: 390, height: 844 };

/// A member two communes spell in two ways, a pair that looks like one, and somebody who waits because of a number.
async fn set(stage: &Stage) -> (RecordId, Vec<std::sync::Arc<Node>>) {
    let (hub, province) = (&stage.province.hub, &stage.province);
    let mut nodes = Vec::new();
    let mut first = None;
    for (unit, name, twin) in
        [(HERE, "Nguyễn Văn An", "033075000012"), (THERE, "Nguyễn Văn Ân", "033075000021")]
    {
        let node = make_node(hub, &province.address, &province.dir.path().join(unit), unit).await.unwrap();
        let mut stranger =
            member(unit, "033075000002", if unit == HERE { "Trần Thị Bưởi" } else { "Lê Thị Cúc" }).unwrap();
        if unit == THERE {
            stranger.values.insert("ngay_sinh".into(), Value::Date(1_000));
        }
        let mut double = member(unit, twin, "Phạm Văn Dũng").unwrap();
        double.values.insert("so_the_dang".into(), Value::Text("12345678".to_owned()));
        let written = node.write(vec![member(unit, "033075000001", name).unwrap(), stranger, double]).await;
        first = first.or(written[0].as_ref().ok().map(|written| written.record));
        node.start_sync(brisk());
        acknowledged(&node).await.unwrap();
        nodes.push(node);
    }
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
    (first.unwrap(), nodes)
}

/// Goal: a steward signs in, opens a conflict from the list, settles it, sees the record show the value and the list
/// without it; by the form alone, under the strict policy.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_conflict_is_settled_in_a_browser() {
    let Some(browser) = Browser::open(DESK).await else {
        eprintln!("SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)");
        return;
    };
    let stage = Stage::tls().await;
    let (id, nodes) = set(&stage).await;
    let pages = stage.address();
    stage.account("thu", AccountRole::Steward);
    sign_in(&browser, &stage.province.hub, &pages, "thu").await;
    browser.click("nav a[href='/conflicts']").await;
    let conflict = format!("/conflicts/dang_vien/{id}?field=ho_ten");
    browser.click(&format!("a[href='{conflict}']")).await;
    // By the label: the whole of it can be pressed.
    let side = "[...document.querySelectorAll('.sides label')].find(side => side.innerText.includes('Nguyễn Văn Ân'))";
    browser.script(&format!("{side}.id = 'theirs'")).await;
    browser.click("#theirs b").await;
    browser.fill("textarea[name=reason]", "theo giấy khai sinh").await;
    browser.click("button.main").await;
    browser.until("location.pathname.startsWith('/records/dang_vien/')").await;
    browser.until("document.querySelector('.done')").await;
    let name = browser.script("return document.getElementById('f.ho_ten').innerText").await;
    assert!(name.as_str().unwrap().contains("Nguyễn Văn Ân"), "{name}");
    let history = browser.script("return document.getElementById('history').innerText").await;
    assert!(history.as_str().unwrap().contains("theo giấy khai sinh"), "{history}");
    browser.click(".done a[href='/conflicts']").await;
    browser.until("location.pathname === '/conflicts'").await;
    let left = format!("return document.querySelector(\"a[href='{conflict}']\")");
    assert!(browser.script(&left).await.is_null(), "it is gone");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let record =
        stage.province.hub.dataset.record(&stage.province.hub.catalogue, "dang_vien", id).unwrap().unwrap();
    assert_eq!(record.shown("ho_ten"), Some(&Value::Text("Nguyễn Văn Ân".into())));
    for node in nodes {
        node.close().await;
    }
    browser.close().await;
}

/// Goal: nothing is wider than the window, on a phone as on a desk, in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_on_fits_the_window() {
    for (window, name) in [(PHONE, "phone"), (DESK, "desk")] {
        let Some(browser) = Browser::open(window).await else {
            eprintln!(
                "SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)"
            );
            return;
        };
        fits(&browser, name).await;
        browser.close().await;
    }
}

async fn fits(browser: &Browser, window: &str) {
    let stage = Stage::tls().await;
    let (id, nodes) = set(&stage).await;
    let pages = stage.address();
    stage.account("thu", AccountRole::Steward);
    let hub = &stage.province.hub;
    let pair = hub.quality.duplicates().unwrap();
    let pair = |name: &str| pair[0][name].as_str().unwrap().to_owned();
    let (ledger, place) = *hub.committer.books().read().quarantine.keys().next().unwrap();
    let record = format!("/records/dang_vien/{id}");
    let paths = [
        ("types", "/records".to_owned()),
        ("records", "/records?type=dang_vien&q=nguyen".to_owned()),
        ("record", record.clone()),
        ("why", format!("{record}/why?field=ho_ten")),
        ("conflicts", "/conflicts".to_owned()),
        ("handovers", "/conflicts/handovers".to_owned()),
        ("conflict", format!("/conflicts/dang_vien/{id}?field=ho_ten")),
        ("duplicates", "/duplicates".to_owned()),
        ("decided", "/duplicates/decided".to_owned()),
        ("pair", format!("/duplicates/dang_vien/{}/{}", pair("first"), pair("second"))),
        ("quarantine", "/quarantine".to_owned()),
        ("waiting", format!("/quarantine/{ledger}.{place}")),
    ];
    sign_in(browser, hub, &pages, "thu").await;
    for language in ["vi", "en"] {
        browser.go(&format!("{pages}/language/{language}?back=%2F")).await;
        for (name, path) in &paths {
            browser.go(&format!("{pages}{path}")).await;
            browser.picture(&format!("{name}-{window}-{language}")).await;
            let excess = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.script(excess).await, 0, "{window} {language} {path}");
            assert_eq!(browser.script("return document.documentElement.lang").await, language, "{path}");
            assert!(browser.script("return document.querySelector('main h1')").await.is_object(), "{path}");
        }
    }
    for node in nodes {
        node.close().await;
    }
}
