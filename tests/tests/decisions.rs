//! Conflicts settled by people, records given to other units, and old sheets that revert nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request, Resolution, Transfer};
use lienthong_node::app::Node;
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_tests::asking::{self, at_hub, at_node, away, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node, open_hub, reopened};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";
const NUMBER: &str = "033075000001";
const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại\n";

fn sheet(unit: &str, phone: &str) -> String {
    format!(
        "{HEAD}Nguyễn Văn An,02/03/1975,Nam,{NUMBER},01/02/2000,Chi bộ 1,{unit},CHIBO,CHINH_THUC,{phone}\n"
    )
}

async fn import(node: &Arc<Node>, folder: &Path, text: &str) -> Json {
    asking::import(node, folder, "dang_vien", text).await
}

fn get(unit: Option<&str>) -> RecordsRequest {
    let unit = unit.map(|unit| unit.parse().unwrap());
    RecordsRequest::Get { record_type: "dang_vien".to_owned(), id: NUMBER.to_owned(), unit }
}

async fn phone_at(node: &Arc<Node>) -> Json {
    at_node(node, NodeRequest::Records(get(None))).await["fields"]["dien_thoai"].clone()
}

fn resolution(id: &str, pick: Option<usize>, value: Option<&str>) -> Request {
    Request::ConflictsResolve(Resolution {
        id: id.to_owned(),
        field: Some("dien_thoai".to_owned()),
        pick,
        value: value.map(str::to_owned),
        seen: None,
        reason: "theo thẻ đảng viên".to_owned(),
        actor: "minh".to_owned(),
    })
}

async fn decisions(node: &Arc<Node>) -> Vec<String> {
    let body = at_node(node, NodeRequest::Notices { page: Page::default() }).await;
    let items = body["items"].as_array().unwrap().iter().filter(|notice| notice["kind"] == "DECISION");
    items.map(|notice| notice["en"].as_str().unwrap().to_owned()).collect()
}

/// Goal (P4): a conflict is shown side by side with units, authors, times and the rule; a steward's decision is an
/// ordinary change with its reason, reaches both communes, is not undone by an edit that comes late, can be
/// superseded by who has seen it, and an old sheet does not revert it.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_decision_reaches_both_communes_and_stands() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    assert_eq!(import(&here, dir.path(), &sheet(HERE, "0912345671")).await["created"], 1);
    acknowledged(&here).await.unwrap();
    // The other commune has the same person, with another telephone: a proposal.
    assert_eq!(import(&there, dir.path(), &sheet(THERE, "0912345672")).await["created"], 1);
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    let list = at_hub(&hub, Request::ConflictsList { page: Page::default() }).await;
    let open: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["field"].as_str().unwrap()).collect();
    assert!(open.contains(&"dien_thoai"), "{list:#}");
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = at_hub(&hub, Request::ConflictsShow { id: id.clone() }).await;
    let phone = shown["conflicts"].as_array().unwrap().iter().find(|c| c["field"] == "dien_thoai").unwrap();
    let units: Vec<&Json> = phone["siblings"].as_array().unwrap().iter().map(|s| &s["unit"]).collect();
    assert_eq!(units.len(), 2, "{shown:#}");
    assert!(phone["siblings"][0]["author"] == "lan" && phone["rule"].as_str().unwrap().contains(" · "));
    let pick = phone["siblings"].as_array().unwrap().iter().find(|s| s["unit"] == THERE).unwrap()["pick"]
        .as_u64()
        .unwrap();
    // Refusals.
    for (request, rule) in [
        (resolution("0123", Some(1), None), "CONFLICT_UNKNOWN"),
        (resolution(&id, Some(9), None), "PICK_RANGE"),
        (resolution(&id, None, None), "PICK_RANGE"),
        (resolution(&id, None, Some("không phải số")), "PHONE_INVALID"),
    ] {
        let body = at_hub(&hub, request).await;
        assert!(body["rule"] == rule || body["rule"] == "REQ_MISSING", "{rule}: {body:#}");
    }
    // The commune goes away, and writes what it did not know was being decided.
    let here = away(here, &folder).await;
    let decided = at_hub(&hub, resolution(&id, usize::try_from(pick).ok(), None)).await;
    assert_eq!((&decided["changed"], &decided["answered"]), (&true.into(), &2.into()), "{decided:#}");
    let at_province = async || at_hub(&hub, Request::Records(get(None))).await;
    assert_eq!(at_province().await["fields"]["dien_thoai"], "0912345672");
    let list = at_hub(&hub, Request::ConflictsShow { id: id.clone() }).await;
    assert!(!list.to_string().contains("dien_thoai"), "settled: {list:#}");
    // Why, with the reason.
    let why = RecordsRequest::Why {
        record_type: "dang_vien".to_owned(),
        id: NUMBER.to_owned(),
        field: "dien_thoai".to_owned(),
        unit: None,
    };
    let told = at_hub(&hub, Request::Records(why.clone())).await;
    assert_eq!(told["siblings"][0]["why"], "theo thẻ đảng viên", "{told:#}");
    assert_eq!(told["history"].as_array().unwrap().len(), 3);
    // Both communes hear of it; the owner has the value, the other one reads nothing.
    here.start_sync(brisk());
    until("the decision", async || phone_at(&here).await, |phone| phone == "0912345672").await;
    let heard = async |node: &Arc<Node>, what: &'static str| {
        let ask = async || Json::from(decisions(node).await);
        until(what, ask, |found| found.to_string().contains("the province chose")).await
    };
    assert!(heard(&there, "at the proposer").await.to_string().contains("chose the value"));
    assert!(heard(&here, "at the owner").await.to_string().contains("chose another"));
    let told = at_node(&here, NodeRequest::Records(why)).await;
    assert_eq!(told["siblings"][0]["why"], "theo thẻ đảng viên", "the reason travels with the change");
    // The old sheet says what the commune said before: it reverts nothing, and that is said.
    let again = import(&here, dir.path(), &sheet(HERE, "0912345671")).await;
    assert_eq!((&again["unchanged"], &again["updated"]), (&1.into(), &0.into()), "{again:#}");
    assert!(again["warnings"].to_string().contains("CHANGED_ELSEWHERE"), "{again:#}");
    // A new value is a new word: it has seen the decision and supersedes it.
    assert_eq!(import(&here, dir.path(), &sheet(HERE, "0912345673")).await["updated"], 1);
    acknowledged(&here).await.unwrap();
    assert_eq!(at_province().await["fields"]["dien_thoai"], "0912345673");
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal: an edit that was on its way while the steward decided does not undo the decision silently: both stand, as
/// an open conflict.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_did_not_see_the_decision_is_a_conflict_again() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    here.start_sync(brisk());
    import(&here, dir.path(), &sheet(HERE, "0912345671")).await;
    acknowledged(&here).await.unwrap();
    let here = away(here, &folder).await;
    let put = |phone: &str| RecordsRequest::Put {
        values: vec![serde_json::json!({"so_cccd": NUMBER, "dien_thoai": phone})],
        record_type: "dang_vien".to_owned(),
        author: "minh".to_owned(),
        english: true,
    };
    assert_eq!(at_hub(&hub, Request::Records(put("0912345679"))).await["updated"], 1);
    assert_eq!(import(&here, dir.path(), &sheet(HERE, "0912345674")).await["updated"], 1);
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    let record = at_hub(&hub, Request::Records(get(None))).await;
    let siblings = record["conflicts"][0]["siblings"].as_array().unwrap().len();
    assert_eq!((&record["conflicts"][0]["field"], siblings), (&"dien_thoai".into(), 2), "{record:#}");
    here.close().await;
    hub.close().await;
}

/// Goal: what only another unit says of a field is shown, and never without being seen: it is an open conflict at the
/// province and at the owner, also in a view made again, until the steward or the owner says that it is so.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_others_say_is_open_until_somebody_settles_it() {
    for steward_settles in [true, false] {
        let Province { dir, hub, address } = Province::set().await.unwrap();
        let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
        let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
        for (node, unit, phone) in [(&here, HERE, ""), (&there, THERE, "0912345672")] {
            import(node, dir.path(), &sheet(unit, phone)).await;
            node.start_sync(brisk());
            acknowledged(node).await.unwrap();
        }
        let phones = async |hub: &Arc<Hub>| {
            let list = at_hub(hub, Request::ConflictsList { page: Page::default() }).await;
            let of_phone = |item: &&Json| item["field"] == "dien_thoai";
            list["items"].as_array().unwrap().iter().filter(of_phone).cloned().collect::<Vec<_>>()
        };
        let open = phones(&hub).await;
        assert_eq!(open.len(), 1, "{open:#?}");
        let open_at_owner = async || {
            let one = at_node(&here, NodeRequest::Records(get(None))).await;
            Json::from(one["conflicts"].to_string().contains("dien_thoai"))
        };
        until("it is open at the owner", open_at_owner, |open| open == true).await;
        if steward_settles {
            let id = open[0]["id"].as_str().unwrap().to_owned();
            let decided = at_hub(&hub, resolution(&id, Some(1), None)).await;
            assert_eq!((&decided["changed"], &decided["answered"]), (&true.into(), &1.into()), "{decided:#}");
        } else {
            // The owner's sheet with the same number: its own word now.
            assert_eq!(import(&here, dir.path(), &sheet(HERE, "0912345672")).await["updated"], 1);
            acknowledged(&here).await.unwrap();
        }
        assert_eq!(phones(&hub).await, Vec::<Json>::new());
        until("it is settled at the owner", open_at_owner, |open| open == false).await;
        let one = at_hub(&hub, Request::Records(get(None))).await;
        assert_eq!(one["fields"]["dien_thoai"], "0912345672", "{one:#}");
        // Who proposed it says nothing new by saying it again.
        assert_eq!(import(&there, dir.path(), &sheet(THERE, "0912345672")).await["unchanged"], 1);
        let list = async |hub: &Arc<Hub>| at_hub(hub, Request::ConflictsList { page: Page::default() }).await;
        let before = list(&hub).await;
        for node in [here, there] {
            node.close().await;
        }
        hub.close().await;
        drop(hub);
        std::fs::remove_dir_all(dir.path().join("hub/view")).unwrap();
        assert_eq!(list(&reopened(|| open_hub(&dir.path().join("hub")))).await, before);
    }
}

/// Goal: a member moves by one command: the new commune has the record whole and may write it; the old one sees it
/// go, and its old sheet brings nothing back.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_moves_a_member_with_the_reason() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    import(&here, dir.path(), &sheet(HERE, "0912345671")).await;
    acknowledged(&here).await.unwrap();
    let transfer = |to: &str, reason: &str| {
        Request::RecordTransfer(Transfer {
            record_type: "dang_vien".to_owned(),
            id: NUMBER.to_owned(),
            unit: None,
            to: to.parse().unwrap(),
            reason: reason.to_owned(),
            actor: "minh".to_owned(),
        })
    };
    for (to, reason, rule) in
        [("99999", "x", "CODE_UNKNOWN"), (HERE, "x", "UNIT_SAME"), (THERE, " ", "REASON_FORM")]
    {
        assert_eq!(at_hub(&hub, transfer(to, reason)).await["rule"], rule);
    }
    assert_eq!(at_hub(&hub, transfer(THERE, "giấy giới thiệu 12")).await["changed"], true);
    let record = async |node: &Arc<Node>| at_node(node, NodeRequest::Records(get(None))).await;
    let arrived = until("it arrives", async || record(&there).await, |body| body["unit"] == THERE).await;
    assert_eq!(
        (&arrived["fields"]["dien_thoai"], &arrived["fields"]["ma_xa"]),
        (&"0912345671".into(), &THERE.into())
    );
    until("it leaves", async || record(&here).await, |body| body["unit"] == THERE).await;
    let again = import(&here, dir.path(), &sheet(HERE, "0912345671")).await;
    assert_eq!(again["updated"], 0, "{again:#}");
    assert_eq!(import(&there, dir.path(), &sheet(THERE, "0912345675")).await["updated"], 1);
    acknowledged(&there).await.unwrap();
    let at_province = at_hub(&hub, Request::Records(get(None))).await;
    assert_eq!(at_province["fields"]["dien_thoai"], "0912345675");
    assert_eq!(at_province["conflicts"].as_array().map(Vec::len), Some(0), "{at_province:#}");
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}
