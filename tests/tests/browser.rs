//! The hub's pages in a real browser: forms, cookies, the policy of what may run, and what is live without a reload.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::service::SharingRequest;
use lienthong_hub::sharing::template;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::backup::Identity;
use lienthong_tests::browser::{Browser, Window};
use lienthong_tests::sharing;
use lienthong_tests::stage::{PASSWORD, sign_in};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, reopened};

const UNIT: &str = "11953";
const DESK: Window = Window { width: 1_280, height: 900 };
const PHONE: Window = Window { width: 390, height: 844 };

/// Goal: who watches the overview sees a unit leave and come back, without a reload, under the strict policy.
#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_leaves_and_comes_back_is_seen_live() {
    let Some(browser) = Browser::open(DESK).await else {
        eprintln!("SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)");
        return;
    };
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let pages = hub.serve_web("https://127.0.0.1:0").await.unwrap();
    let pages = format!("https://localhost:{}", pages.address.port());
    hub.accounts.add("lan", vec![AccountRole::Administrator], None, Some(PASSWORD), hub.now()).unwrap();
    let folder = province.dir.path().join("node");
    let node = make_node(hub, &province.address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033075001234", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();

    sign_in(&browser, hub, &pages, "lan").await;
    browser.go(&pages).await;
    browser.script("window.stayed = true").await;
    let tile = |state: &str| format!("document.querySelector('.tile.{state} a[href=\"/units/{UNIT}\"]')");
    browser.until(&tile("online")).await;
    node.close().await;
    drop(node);
    browser.until(&tile("offline")).await;
    browser.until(&format!("document.querySelector('.needing a[href=\"/units/{UNIT}\"]')")).await;
    let node: Arc<Node> = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    browser.until(&tile("online")).await;
    assert_eq!(browser.script("return window.stayed").await, true, "the page was never loaded again");
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    // By keyboard: the first thing reached leads to the content.
    browser.go(&format!("{pages}/units")).await;
    let skip = browser.script("return document.querySelector('a').getAttribute('href')").await;
    assert_eq!(skip, "#main");
    // An account that is disabled is shown the way in again, by itself.
    browser.go(&pages).await;
    hub.accounts.add("minh", vec![AccountRole::Administrator], None, Some(PASSWORD), hub.now()).unwrap();
    hub.accounts.disable("lan").unwrap();
    browser.until("location.pathname === '/sign-in'").await;
    node.close().await;
    browser.close().await;
}

/// Goal: on a phone nothing is wider than the window, in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_nothing_is_wider_than_the_window() {
    let Some(browser) = Browser::open(PHONE).await else {
        eprintln!("SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)");
        return;
    };
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let pages = hub.serve_web("https://127.0.0.1:0").await.unwrap();
    let pages = format!("https://localhost:{}", pages.address.port());
    hub.accounts.add("lan", vec![AccountRole::Administrator], None, Some(PASSWORD), hub.now()).unwrap();
    let folder = province.dir.path().join("node");
    let node = make_node(hub, &province.address, &folder, UNIT).await.unwrap();
    hub.contacts.set(&UNIT.parse().unwrap(), "Trần Thị Lan", "0221 3 555 123").unwrap();
    let (code, name) = ("TTT".parse().unwrap(), Some("Thanh tra tỉnh".to_owned()));
    let key = Some(Identity::generate().unwrap().0.recipient().to_string());
    let agency = SharingRequest::AgencyAdd { code, name, contact: None, key, actor: "minh".to_owned() };
    sharing::ask(hub, agency).await;
    let text = sharing::grant(template("noi-chinh").unwrap().split_once("\n\n").unwrap().1);
    let proposed = sharing::ask(hub, SharingRequest::GrantPropose { text, actor: "minh".to_owned() }).await;
    let grant = format!("/sharing/grants/{}", proposed["number"]);
    sign_in(&browser, hub, &pages, "lan").await;
    for language in ["vi", "en"] {
        browser.go(&format!("{pages}/language/{language}?back=%2F")).await;
        let paths =
            ["/", "/units", "/units/11953", "/units/11953/revoke", "/units/11953/contact", "/administration"];
        for path in paths.into_iter().chain([
            "/administration/accounts",
            "/account",
            "/account/password",
            "/quality",
            "/quality?unit=11953",
            "/integrity",
            "/sharing?template=noi-chinh",
            &grant,
            "/no-such-page",
        ]) {
            browser.go(&format!("{pages}{path}")).await;
            let excess = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.script(excess).await, 0, "{language} {path}");
            assert_eq!(browser.script("return document.documentElement.lang").await, language, "{path}");
            browser.picture(&format!("phone-{language}{}", path.replace(['/', '?', '='], "-"))).await;
        }
    }
    node.close().await;
    browser.close().await;
}
