//! That a unit's figures are lowered by its silence and by no record is said in words, at both ends.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::records::Page;
use lienthong_node::service::Request as NodeRequest;
use lienthong_proto::time::UnixMillis;
use lienthong_tests::asking::{at_hub, at_node};
use lienthong_tests::browsing::Reader;
use lienthong_tests::{acknowledged, brisk, catalogue, make_hub, make_node, member, reopened};
use serde_json::Value as Json;

const UNIT: &str = "11953";
const PASSWORD: &str = "mật khẩu đủ dài";
const HOUR_MILLIS: u64 = 3_600_000;

/// By how much the hub's clock is put forward.
static AHEAD_MILLIS: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD_MILLIS.load(Ordering::Acquire))
}

async fn report(hub: &Arc<Hub>) -> Json {
    hub.committer.flush().await;
    tokio::task::block_in_place(|| hub.quality.settle()).unwrap();
    at_hub(hub, Request::Quality { unit: Some(UNIT.parse().unwrap()), page: Page::default() }).await
}

fn remarks(body: &Json) -> String {
    body["remarks"].as_array().unwrap().iter().map(|remark| remark.as_str().unwrap()).collect()
}

async fn at_page(hub: &Arc<Hub>, address: &str) -> String {
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap();
    let mut reader = Reader::new(hub, pages);
    assert_eq!(reader.sign_in("lan", PASSWORD).await.status, 303);
    reader.get(address).await.body
}

/// Goal: amber after a day, nought after three; each time with since when and what to do, in the report, the list of
/// units and on the pages; and nothing is said while the unit is heard.
#[tokio::test(flavor = "multi_thread")]
async fn what_silence_does_to_a_figure_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), clock)?));
    hub.accounts.add("lan", vec![AccountRole::Steward], None, Some(PASSWORD), hub.now()).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    let alone: Arc<Node> = Arc::clone(&node);
    let before = at_node(&alone, NodeRequest::Defects { record_type: None, page: Page::default() }).await;
    assert_eq!(before["silence"], "silent");
    assert!(remarks(&before).contains("chưa lần nào liên lạc được với tỉnh"), "{before:#}");
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await.remove(0).unwrap();
    acknowledged(&node).await.unwrap();
    let here = at_node(&node, NodeRequest::Defects { record_type: None, page: Page::default() }).await;
    assert_eq!((&here["silence"], remarks(&here)), (&"heard".into(), String::new()));
    node.close().await;
    let heard = report(&hub).await;
    assert_eq!((&heard["silence"], &heard["quality"]["song"]), (&"heard".into(), &100.into()));
    assert_eq!(remarks(&heard), "");

    AHEAD_MILLIS.store(30 * HOUR_MILLIS, Ordering::Release);
    let amber = report(&hub).await;
    assert_eq!((&amber["silence"], &amber["quality"]["song"]), (&"amber".into(), &100.into()));
    let said = remarks(&amber);
    assert!(said.contains("báo vàng") && said.contains("amber") && said.contains("gọi đơn vị"), "{said}");
    let page = at_page(&hub, &format!("/quality?unit={UNIT}")).await;
    assert!(page.contains("báo vàng"), "{page}");

    AHEAD_MILLIS.store(80 * HOUR_MILLIS, Ordering::Release);
    let silent = report(&hub).await;
    assert_eq!((&silent["silence"], &silent["quality"]["song"]), (&"silent".into(), &0.into()));
    let said = remarks(&silent);
    assert!(said.contains("quá 72 giờ") && said.contains("last heard at") && said.contains("/20"), "{said}");
    let list = at_hub(&hub, Request::Quality { unit: None, page: Page::default() }).await;
    let line = list["items"].as_array().unwrap().iter().find(|line| line["unit"] == UNIT).unwrap();
    assert_eq!(line["remarks"], silent["remarks"]);
    for address in [format!("/quality?unit={UNIT}"), format!("/units/{UNIT}"), "/quality".to_owned()] {
        let page = at_page(&hub, &address).await;
        assert!(
            page.contains("không phải vì bản ghi nào") && page.contains("quá 72 giờ"),
            "{address}: {page}"
        );
    }
    hub.close().await;
}
