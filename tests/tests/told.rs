//! What only the province sees of a unit's records, seen at the unit; and defects accepted until a day.

use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::{NewWaiver, Request};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::date_text;
use lienthong_tests::asking::{at_hub, until};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, open_hub, reopened};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";

async fn defects(node: &Arc<Node>) -> Json {
    let request = NodeRequest::Defects { record_type: None, page: Page::default() };
    Arc::clone(node).execute(request, Arc::new(|_| {})).await.body
}

fn rules(report: &Json) -> Vec<String> {
    let rows = report["items"].as_array().map_or(&[][..], Vec::as_slice);
    let defects = rows.iter().flat_map(|row| row["defects"].as_array().into_iter().flatten());
    defects.filter_map(|defect| defect["rule"].as_str().map(str::to_owned)).collect()
}

fn has(rule: &'static str) -> impl Fn(&Json) -> bool {
    move |report| rules(report).iter().any(|found| found == rule)
}

fn waiver(hub: &Hub, rule: &str, days: i32) -> NewWaiver {
    NewWaiver {
        record_type: "dang_vien".to_owned(),
        id: "033070000001".to_owned(),
        unit: None,
        rule: rule.to_owned(),
        field: None,
        until: date_text(hub.quality.today() + days),
        reason: "đã đối chiếu hai người".to_owned(),
        approver: "lan".to_owned(),
    }
}

/// Goal: a commune is told of what only the province can see of its records, also after it was away or lost
/// its view, and is told when it is mended. Method: two people of one name and birth date in two communes.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_province_sees_reaches_the_commune_and_goes_when_mended() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let place = dir.path().join("here");
    let here = make_node(&hub, &address, &place, HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    here.write(vec![member(HERE, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&here).await.unwrap();
    assert!(!has("DV_TRUNG_TEN")(&defects(&here).await), "alone it is nobody's double");
    there.write(vec![member(THERE, "033070000002", "Nguyễn Văn An").unwrap()]).await;
    let seen = until("told", async || defects(&here).await, has("DV_TRUNG_TEN")).await;
    // What is told carries nothing of the other unit.
    assert!(!seen.to_string().contains("033070000002") && !seen.to_string().contains(THERE), "{seen:#}");
    // The view is thrown away while the commune is away: it is told again.
    here.close().await;
    drop(here);
    let here = reopened(|| {
        let _ = std::fs::remove_dir_all(place.join("view"));
        Ok(Node::open(&place, catalogue()?, system_clock)?)
    });
    assert!(!has("DV_TRUNG_TEN")(&defects(&here).await), "the view was thrown away");
    here.start_sync(brisk());
    until("told again", async || defects(&here).await, has("DV_TRUNG_TEN")).await;
    there.write(vec![member(THERE, "033070000002", "Nguyễn Văn Bình").unwrap()]).await;
    until("mended", async || defects(&here).await, |body| !has("DV_TRUNG_TEN")(body)).await;
    // Somebody else's record is nobody else's business: there nothing of this is known.
    assert!(!rules(&defects(&there).await).contains(&"DV_TRUNG_TEN".to_owned()));
    here.close().await;
    there.close().await;
    hub.close().await;
}

/// Goal: an accepted defect stops counting at both ends, is shown as accepted with who and why, comes back when
/// it is ended, and survives a restart of the hub with its view thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn a_waived_defect_does_not_count_until_the_waiver_ends() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), HERE).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(HERE, "033070000001", "An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    until("judged", async || defects(&node).await, has("NAME_INVALID")).await;
    let refused = |body: &Json| body["rule"].as_str().map(str::to_owned);
    for (rule, days, why) in [
        ("NO_SUCH_RULE", 10, "RULE_UNKNOWN"),
        ("CCCD_FORMAT", 10, "DEFECT_UNKNOWN"),
        ("NAME_INVALID", -1, "DATE_RANGE"),
        ("NAME_INVALID", 4_000, "DATE_RANGE"),
    ] {
        let body = at_hub(&hub, Request::WaiverAdd(waiver(&hub, rule, days))).await;
        assert_eq!(refused(&body).as_deref(), Some(why), "{body:#}");
    }
    let silent = NewWaiver { reason: " ".to_owned(), ..waiver(&hub, "NAME_INVALID", 10) };
    assert_eq!(refused(&at_hub(&hub, Request::WaiverAdd(silent)).await).as_deref(), Some("REASON_FORM"));
    let unit = Some(HERE.parse().unwrap());
    let dung = async |hub: &Arc<Hub>| {
        let report = at_hub(hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
        (report["counts"]["dung"]["good"].as_u64(), report["counts"]["dung"]["all"].as_u64())
    };
    let before = dung(&hub).await;
    let added = at_hub(&hub, Request::WaiverAdd(waiver(&hub, "NAME_INVALID", 10))).await;
    let number = added["number"].as_u64().unwrap();
    assert_eq!((added["unit"].as_str(), added["approver"].as_str()), (Some(HERE), Some("lan")));
    until("waived here", async || defects(&node).await, |body| !has("NAME_INVALID")(body)).await;
    let get = RecordsRequest::Get {
        record_type: "dang_vien".to_owned(),
        id: "033070000001".to_owned(),
        unit: None,
    };
    let shown = async |node: &Arc<Node>| {
        let request = NodeRequest::Records(get.clone());
        Arc::clone(node).execute(request, Arc::new(|_| {})).await.body
    };
    let record = shown(&node).await;
    let waived = record["defects"].as_array().unwrap().iter().find(|d| d["rule"] == "NAME_INVALID").unwrap();
    assert_eq!(waived["waived"]["reason"], "đã đối chiếu hai người", "{record:#}");
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    let counts_more = |report: &Json| report["counts"]["dung"]["good"].as_u64() > before.0;
    until("waived there", ask, counts_more).await;
    let again = at_hub(&hub, Request::WaiverAdd(waiver(&hub, "NAME_INVALID", 10))).await;
    assert_eq!(refused(&again).as_deref(), Some("DEFECT_UNKNOWN"), "it is waived already");
    // The waiver is in the ledger: a hub that lost its view has it still.
    node.close().await;
    hub.close().await;
    drop(hub);
    let folder = dir.path().join("hub");
    let hub = reopened(|| {
        let _ = std::fs::remove_dir_all(folder.join("view"));
        open_hub(&folder)
    });
    let list = at_hub(&hub, Request::WaiverList { unit: unit.clone(), page: Page::default() }).await;
    assert_eq!(list["items"][0]["number"].as_u64(), Some(number), "{list:#}");
    assert_eq!(list["items"][0]["expired"], false);
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    until("waived after the rebuild", ask, counts_more).await;
    let end =
        Request::WaiverEnd { number, reason: "giấy tờ đã có".to_owned(), actor: "lan".to_owned() };
    assert_eq!(at_hub(&hub, end.clone()).await["ended"].as_u64(), Some(number));
    assert_eq!(refused(&at_hub(&hub, end).await).as_deref(), Some("WAIVER_UNKNOWN"), "twice");
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    until("counts again", ask, |report| report["counts"]["dung"]["good"].as_u64() == before.0).await;
    hub.close().await;
}

fn later() -> UnixMillis {
    UnixMillis(system_clock().0 + 11 * 86_400_000)
}

/// Goal: a waiver holds until its day and no longer, at both ends, without anybody writing anything. Method: both are opened
/// again after that day, apart from each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiver_that_has_run_out_brings_the_defect_back_at_both_ends() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let (place, folder) = (dir.path().join("node"), dir.path().join("hub"));
    let node = make_node(&hub, &address, &place, HERE).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(HERE, "033070000001", "An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    until("judged", async || defects(&node).await, has("NAME_INVALID")).await;
    let unit = Some(HERE.parse().unwrap());
    let quality = async |hub: &Arc<Hub>| {
        at_hub(hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await
    };
    let good = |report: &Json| report["counts"]["dung"]["good"].as_u64();
    let before = good(&quality(&hub).await);
    assert!(before.is_some());
    at_hub(&hub, Request::WaiverAdd(waiver(&hub, "NAME_INVALID", 10))).await;
    until("waived", async || defects(&node).await, |body| !has("NAME_INVALID")(body)).await;
    until("waived there", async || quality(&hub).await, |report| good(report) > before).await;
    node.close().await;
    hub.close().await;
    drop((node, hub));
    let node = reopened(|| Ok(Node::open(&place, catalogue()?, later)?));
    until("here again", async || defects(&node).await, has("NAME_INVALID")).await;
    let hub = reopened(|| Ok(Hub::open(&folder, catalogue()?, &LedgerOptions::default(), later)?));
    until("there again", async || quality(&hub).await, |report| good(report) == before).await;
    let list = at_hub(&hub, Request::WaiverList { unit: unit.clone(), page: Page::default() }).await;
    assert_eq!(list["items"][0]["expired"], true, "{list:#}");
    node.close().await;
    hub.close().await;
}
