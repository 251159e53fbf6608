//! Steering in a real browser: an alert comes by itself and is taken, a machine is revoked and seen to go, a spreadsheet is
//! dropped on a node's page, read and taken in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::alerts::Limits;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_node::web::{self, Page, PageRequest, WebLimits};
use lienthong_tests::asking::at_node;
use lienthong_tests::browser::{Browser, Window};
use lienthong_tests::stage::{PASSWORD, Stage, sign_in};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member};
use serde_json::json;

const UNIT: &str = "11953";
const DESK: Window = Window { width: 1_280, height: 900 };
const PHONE: Window = Window { width: 390, height: 844 };
const EXCESS: &str = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// Goal: who watches sees an alert begin without a reload, takes it with a note, revokes a machine, and sees it go; the
/// machine is told why. Method: the pages as people use them, at a desk and on a phone, in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_taken_and_a_machine_revoked_in_a_browser() {
    let (Some(browser), Some(phone)) = (Browser::open(DESK).await, Browser::open(PHONE).await) else {
        eprintln!("SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)");
        return;
    };
    let stage = Stage::tls().await;
    let Province { dir, hub, address } = &stage.province;
    let pages = stage.address();
    for name in ["lan", "minh"] {
        hub.accounts.add(name, vec![AccountRole::Administrator], None, Some(PASSWORD), hub.now()).unwrap();
    }
    hub.contacts.set(&UNIT.parse().unwrap(), "Trần Thị Lan", "0221 3 555 123").unwrap();
    let node = make_node(hub, address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033075001234", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();

    sign_in(&browser, hub, &pages, "lan").await;
    browser.go(&format!("{pages}/alerts")).await;
    browser.script("window.stayed = true").await;
    let year = 10 * 365 * 86_400;
    let strict =
        Limits { backup_seconds: 0, certificate_seconds: year, disk_percent: 0, ..Limits::default() };
    hub.look_at_alerts(&strict);
    let id = hub.alerts.list(false).iter().find(|alert| alert.unit.is_some()).unwrap().id;
    let link = format!("a[href=\"/alerts/{id}\"]");
    browser.until(&format!("document.querySelector('{}')", link.replace('\'', ""))).await;
    assert_eq!(browser.script("return window.stayed").await, true, "it came by itself");
    browser.picture("desk-vi-alerts").await;
    browser.click(&link).await;
    browser.until(&format!("location.pathname === '/alerts/{id}'")).await;
    browser.picture("desk-vi-alert").await;
    browser.fill("textarea[name=reason]", "đã gọi xã, sáng mai nối mạng").await;
    browser.click("form.stacked button.main").await;
    browser.until("document.querySelector('q')?.textContent.includes('sáng mai')").await;
    assert_eq!(stage.count("alert_acknowledged").await, 1);

    browser.go(&format!("{pages}/units/{UNIT}")).await;
    browser.click(&format!("a[href=\"/units/{UNIT}/revoke\"]")).await;
    browser.until("document.querySelector('input[name=confirm]')").await;
    browser.fill("textarea[name=reason]", "mất máy").await;
    browser.fill("input[name=confirm]", UNIT).await;
    browser.picture("desk-vi-revoke").await;
    browser.click("button.danger").await;
    browser.until(&format!("location.pathname === '/units/{UNIT}'")).await;
    browser.until("document.querySelector('.state.revoked')").await;
    browser.picture("desk-vi-revoked").await;
    browser.go(&pages).await;
    browser.until(&format!("document.querySelector('.tile.revoked a[href=\"/units/{UNIT}\"]')")).await;
    browser.picture("desk-vi-overview").await;
    let mut status = node.sync().unwrap().watch();
    let told = |status: &lienthong_node::sync::SyncStatus| {
        status.fault.as_ref().is_some_and(|said| said.contains("revoked"))
    };
    status.wait_for(told).await.unwrap();
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    sign_in(&phone, hub, &pages, "minh").await;
    for language in ["vi", "en"] {
        phone.go(&format!("{pages}/language/{language}?back=%2Falerts")).await;
        for path in ["/alerts", &format!("/alerts/{id}"), &format!("/units/{UNIT}")] {
            phone.go(&format!("{pages}{path}")).await;
            phone.script("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
            assert_eq!(phone.script(EXCESS).await, 0, "{language} {path}");
            phone.picture(&format!("phone-{language}{}", path.replace('/', "-"))).await;
        }
    }
    browser.go(&format!("{pages}/language/en?back=%2Falerts")).await;
    browser.picture("desk-en-alerts").await;
    node.close().await;
    browser.close().await;
    phone.close().await;
}

/// Goal: a spreadsheet dropped on the node's page is read, its report seen, and taken in with the good rows only. Method:
/// the page's own script takes the drop; the record is asked for behind the page's back.
#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_is_dropped_on_the_nodes_page_read_and_taken_in() {
    for (window, name) in [(DESK, "desk"), (PHONE, "phone")] {
        let Some(browser) = Browser::open(window).await else {
            eprintln!(
                "SKIPPED: no chromium and chromedriver here (apt-get install chromium chromium-driver)"
            );
            return;
        };
        let province = Province::set().await.unwrap();
        let folder = province.dir.path().join("node");
        let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
        let page = Page::new(&folder, WebLimits { upload_bytes_max: 64 * 1024 }).unwrap();
        let taken = web::serve(&node, &page, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = SocketAddr::new([127, 0, 0, 1].into(), taken.port());
        let open = Request::Page(PageRequest::Open { author: "lan".to_owned() });
        let link = at_node(&node, open).await["url"].as_str().unwrap().to_owned();
        browser.go(&link).await;
        browser.go(&format!("http://{address}/import")).await;
        browser.picture(&format!("node-{name}-import")).await;
        let row = |name: &str, born: &str, number: &str| {
            format!("{name},{born},Nam,{number},03/02/2000,Chi bộ 1,{UNIT},Chính thức,CHIBO\n")
        };
        let head =
            "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Tình trạng,Diện quản lý\n";
        let good = row("NGUYỄN VĂN AN", "12/03/1975", "033075001234");
        let sheet = [head.to_owned(), good, row("Trần Văn Bình", "31/02/1975", "033075001235")].concat();
        let drop = format!(
            "const form = document.querySelector('form.drop'); const carried = new DataTransfer();
             carried.items.add(new File([{}], 'Danh sách.csv', {{ type: 'text/csv' }}));
             form.dispatchEvent(new DragEvent('drop', {{ dataTransfer: carried, cancelable: true }}));
             return form.querySelector('input[type=file]').files.length",
            json!(sheet)
        );
        assert_eq!(browser.script(&drop).await, 1, "the page took what was dropped");
        browser.click("form.drop button").await;
        browser.until("document.querySelector('button[value=take]')").await;
        let said = browser.script("return document.body.innerText").await;
        assert!(said.as_str().unwrap().contains("31/02/1975"), "{said}");
        assert_eq!(browser.script(EXCESS).await, 0, "{name}");
        browser.picture(&format!("node-{name}-report")).await;
        assert_eq!(node.replica.head().borrow().size, 0, "nothing is written yet");
        browser.click("button[value=take]").await;
        browser.until("!document.querySelector('button[value=take]') && document.body.innerText.includes('Đã nhập')").await;
        browser.picture(&format!("node-{name}-taken")).await;
        let get =
            RecordsRequest::Get { record_type: "dang_vien".into(), id: "033075001234".into(), unit: None };
        let record = at_node(&node, Request::Records(get)).await;
        assert_eq!(record["fields"]["ho_ten"], "Nguyễn Văn An");
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        Arc::clone(&node).close().await;
        browser.close().await;
    }
}
