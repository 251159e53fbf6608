//! Two records that are one, two that only look so, and taking either back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::{Pairing, Request, Resolution};
use lienthong_node::app::Node;
use lienthong_node::records::{Listing, Page};
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::change::record_id;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::merging::separated_id;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_hub, at_node, away, import, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node, open_hub, reopened};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";
/// The same person, of whom one commune has two digits of the number the other way round.
const AT_HERE: &str = "033075000012";
const AT_THERE: &str = "033075000021";
const CARD: &str = "12345678";
const HEAD: &str = "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại,Dân tộc,Số thẻ đảng viên\n";

fn line(unit: &str, number: &str, phone: &str, people: &str) -> String {
    format!(
        "Nguyễn Văn An,02/03/1975,Nam,{number},01/02/2000,Chi bộ 1,{unit},CHIBO,CHINH_THUC,{phone},{people},{CARD}\n"
    )
}

fn get(id: &str) -> RecordsRequest {
    RecordsRequest::Get { record_type: "dang_vien".to_owned(), id: id.to_owned(), unit: None }
}

async fn held(hub: &Arc<Hub>, id: &str) -> Json {
    at_hub(hub, Request::Records(get(id))).await
}

async fn listed(hub: &Arc<Hub>) -> usize {
    let list = RecordsRequest::List { record_type: "dang_vien".to_owned(), listing: Listing::default() };
    at_hub(hub, Request::Records(list)).await["items"].as_array().unwrap().len()
}

async fn proposed(hub: &Arc<Hub>, pairs: usize) {
    let ask = async || at_hub(hub, Request::DuplicatesList { page: Page::default() }).await;
    until("proposed pairs", ask, |list| list["items"].as_array().unwrap().len() == pairs).await;
}

/// Waits until so many records are not clean because they are probably another's double.
async fn not_clean(hub: &Arc<Hub>, records: usize) {
    let ask =
        async || at_hub(hub, Request::Defects { record_type: None, unit: None, page: Page::default() }).await;
    let doubles = |list: &Json| {
        let rows = list["items"].as_array().unwrap().iter();
        rows.flat_map(|row| row["defects"].as_array().unwrap()).filter(|d| d["rule"] == "DUPLICATE").count()
    };
    until("doubles", ask, |list| doubles(list) == records).await;
}

fn pairing(first: &str, second: Option<&str>, keep: Option<&str>) -> Pairing {
    Pairing {
        record_type: "dang_vien".to_owned(),
        first: first.to_owned(),
        second: second.map(str::to_owned),
        keep: keep.map(str::to_owned),
        unit: None,
        reason: "một người, số ghi nhầm".to_owned(),
        actor: "minh".to_owned(),
    }
}

fn merge() -> Request {
    Request::DuplicatesMerge(pairing(AT_THERE, Some(AT_HERE), Some(AT_HERE)))
}

/// A province with the same person in two communes.
struct Set {
    province: Province,
    here: Arc<Node>,
    there: Arc<Node>,
}

async fn set() -> Set {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, address } = &province;
    let here = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(hub, address, &dir.path().join("there"), THERE).await.unwrap();
    for (node, unit, number, phone, people) in
        [(&here, HERE, AT_HERE, "", "Kinh"), (&there, THERE, AT_THERE, "0912345671", "Tày")]
    {
        let text = format!("{HEAD}{}", line(unit, number, phone, people));
        let taken = import(node, dir.path(), "dang_vien", &text).await;
        assert_eq!(taken["created"], 1, "{taken:#}");
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    Set { here, there, province }
}

/// X04: after a merging both ids and keys lead to one record, which has what only the other had; it counts once, the
/// sheet of either commune goes on working, nothing anybody stated is lost; and undone, everything is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn x04_two_records_become_one_and_two_again() {
    let Set { province: Province { dir, hub, .. }, here, there } = set().await;
    assert_eq!(listed(&hub).await, 2);
    proposed(&hub, 1).await;
    let (before_here, before_there) = (held(&hub, AT_HERE).await, held(&hub, AT_THERE).await);
    let merged = at_hub(&hub, merge()).await;
    assert_eq!(merged["filled"], serde_json::json!(["dien_thoai"]), "{merged:#}");
    let differing: Vec<&Json> = merged["differing"].as_array().unwrap().iter().map(|d| &d["field"]).collect();
    assert!(differing.contains(&&"dan_toc".into()) && !differing.contains(&&"so_cccd".into()), "{merged:#}");
    for id in [AT_HERE, AT_THERE, before_here["id"].as_str().unwrap(), before_there["id"].as_str().unwrap()] {
        let one = held(&hub, id).await;
        assert_eq!((&one["id"], &one["unit"]), (&before_here["id"], &HERE.into()), "{one:#}");
        assert_eq!(one["fields"]["dien_thoai"], "0912345671");
        assert_eq!(one["merged"], serde_json::json!([before_there["id"]]));
    }
    assert_eq!(listed(&hub).await, 1);
    proposed(&hub, 0).await;
    // Both communes know, each as far as it may read.
    let ask = async || at_node(&here, NodeRequest::Records(get(AT_THERE))).await;
    until("the other key leads at the keeping commune", ask, |one| {
        one["id"] == before_here["id"] && one["fields"]["dien_thoai"] == "0912345671"
    })
    .await;
    let ask = async || at_node(&there, NodeRequest::Records(get(AT_THERE))).await;
    until("the other commune hears where its record leads", ask, |one| {
        one["merged_into"] == before_here["id"] && one["fields"]["dan_toc"] == "Tày"
    })
    .await;
    // Its sheet, with a new telephone: a proposal on the one that stays.
    let text = format!("{HEAD}{}", line(THERE, AT_THERE, "0912345672", "Tày"));
    let taken = import(&there, dir.path(), "dang_vien", &text).await;
    assert_eq!(taken["rejected"], 0, "{taken:#}");
    acknowledged(&there).await.unwrap();
    let one = held(&hub, AT_THERE).await;
    let phones = one["conflicts"].as_array().unwrap().iter().find(|c| c["field"] == "dien_thoai").unwrap();
    let stated: Vec<&Json> = phones["siblings"].as_array().unwrap().iter().map(|s| &s["value"]).collect();
    assert!(stated.contains(&&"0912345672".into()) && one["fields"]["dien_thoai"] == "0912345671", "{one:#}");
    assert!(!one["conflicts"].to_string().contains("so_cccd"), "a key leads, and states nothing: {one:#}");
    assert_eq!(import(&there, dir.path(), "dang_vien", &text).await["unchanged"], 1);
    // Undone.
    let undone = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
    assert_eq!(undone["undone"], "merge", "{undone:#}");
    assert_eq!(listed(&hub).await, 2);
    let (after_here, after_there) = (held(&hub, AT_HERE).await, held(&hub, AT_THERE).await);
    assert_eq!(after_there["fields"], before_there["fields"]);
    assert_eq!((&after_there["unit"], &after_there["id"]), (&THERE.into(), &before_there["id"]));
    assert_eq!(after_here["id"], before_here["id"]);
    let again = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
    assert_eq!(again["rule"], "NOTHING_TO_UNDO");
    let ask = async || at_node(&there, NodeRequest::Records(get(AT_THERE))).await;
    until("its record is the commune's again", ask, |one| {
        one["merged_into"].is_null() && one["withdrawn"].is_null() && one["unit"] == THERE
    })
    .await;
}

/// What a commune wrote before it heard of the merging is not lost: it waits for a person. A view made again from the
/// log says the same.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_late_edit_of_a_record_left_out_is_seen() {
    let Set { province: Province { dir, hub, address }, here, there } = set().await;
    let folder = dir.path().join("there");
    let there = away(there, &folder).await;
    let merged = at_hub(&hub, merge()).await;
    assert_eq!(merged["changed"], true, "{merged:#}");
    let text = format!("{HEAD}{}", line(THERE, AT_THERE, "0912345679", "Tày"));
    assert_eq!(import(&there, dir.path(), "dang_vien", &text).await["updated"], 1);
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    let open = async |hub: &Arc<Hub>| {
        let list = at_hub(hub, Request::ConflictsList { page: Page::default() }).await;
        let items = list["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["id"] == merged["merged"]).unwrap_or(list)
    };
    let item = open(&hub).await;
    assert!(item["id"] == merged["merged"] && item["field"] == "_withdrawn", "{item:#}");
    let shown =
        at_hub(&hub, Request::ConflictsShow { id: merged["merged"].as_str().unwrap().to_owned() }).await;
    assert!(shown.to_string().contains("0912345679"), "{shown:#}");
    let one = held(&hub, AT_THERE).await;
    assert_eq!(one["id"], merged["id"]);
    // From the log alone.
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
    drop(hub);
    std::fs::remove_dir_all(dir.path().join("hub/view")).unwrap();
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    assert_eq!(held(&hub, AT_THERE).await["id"], merged["id"]);
    assert_eq!(open(&hub).await, item);
    drop(address);
}

/// A commune's late edit of a record that was left out, and what the steward says of it.
async fn settled(hub: &Arc<Hub>, merged: &Json, pick: usize) {
    let settled = Request::ConflictsResolve(Resolution {
        id: merged["merged"].as_str().unwrap().to_owned(),
        field: Some("_withdrawn".to_owned()),
        pick: Some(pick),
        value: None,
        seen: None,
        reason: "theo hồ sơ".to_owned(),
        actor: "minh".to_owned(),
    });
    let settled = at_hub(hub, settled).await;
    assert_eq!(settled["changed"], true, "{settled:#}");
}

/// A steward who is asked about a late edit may say that the record left out stays out: it goes on leading to the other;
/// or that it stands: it leads nowhere, now and however it is withdrawn later, and the merging can still be taken back.
#[tokio::test(flavor = "multi_thread")]
async fn x04_a_merging_that_was_contested_leads_or_can_be_undone() {
    let Set { province: Province { dir, hub, .. }, there, .. } = set().await;
    let folder = dir.path().join("there");
    let there = away(there, &folder).await;
    let before = held(&hub, AT_THERE).await;
    let merged = at_hub(&hub, merge()).await;
    assert_eq!(merged["changed"], true, "{merged:#}");
    let text = format!("{HEAD}{}", line(THERE, AT_THERE, "0912345679", "Tày"));
    import(&there, dir.path(), "dang_vien", &text).await;
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    // It stays out.
    settled(&hub, &merged, 1).await;
    assert_eq!(held(&hub, AT_THERE).await["id"], merged["id"]);
    // A second late edit; it stands.
    let there = away(there, &folder).await;
    let put = RecordsRequest::Put {
        values: vec![serde_json::json!({ "so_cccd": AT_HERE, "que_quan": "Hưng Yên" })],
        record_type: "dang_vien".to_owned(),
        author: "minh".to_owned(),
        english: true,
    };
    at_hub(&hub, Request::Records(put)).await;
    let draft = Draft {
        record_type: "dang_vien".to_owned(),
        owner: THERE.parse().unwrap(),
        values: [("que_quan".to_owned(), Value::Text("Thái Bình".to_owned()))].into(),
        intent: Intent::Stand(before["id"].as_str().unwrap().parse().unwrap()),
        author: "lan".to_owned(),
    };
    assert!(there.write(vec![draft]).await[0].is_ok());
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    settled(&hub, &merged, 2).await;
    let one = held(&hub, AT_THERE).await;
    assert!(one["id"] == before["id"] && one["merged_into"].is_null(), "{one:#}");
    // Withdrawn for another reason it does not lead on.
    let withdraw = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: AT_THERE.to_owned(),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: "minh".to_owned(),
    };
    let withdrawn = at_hub(&hub, Request::Records(withdraw)).await;
    assert_eq!((&withdrawn["id"], &withdrawn["changed"]), (&before["id"], &true.into()), "{withdrawn:#}");
    let one = held(&hub, AT_THERE).await;
    assert!(one["id"] == before["id"] && one["merged_into"].is_null(), "{one:#}");
    // It is one half of a merging all the same.
    assert_eq!(at_hub(&hub, merge()).await["rule"], "RECORD_MERGED");
    let undone = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
    assert_eq!(undone["undone"], "merge", "{undone:#}");
    let one = held(&hub, AT_THERE).await;
    assert_eq!((&one["id"], &one["unit"]), (&before["id"], &THERE.into()), "{one:#}");
    assert!(held(&hub, AT_HERE).await["merged"].is_null());
    let again = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
    assert_eq!(again["rule"], "NOTHING_TO_UNDO");
}

/// The same where both records are one commune's: its late edit counts, so the record stands until it is settled.
#[tokio::test(flavor = "multi_thread")]
async fn x04_a_late_edit_of_ones_own_is_settled_either_way() {
    for stays_out in [true, false] {
        let Province { dir, hub, address } = Province::set().await.unwrap();
        let folder = dir.path().join("here");
        let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
        let sheet = |phone: &str| {
            format!("{HEAD}{}{}", line(HERE, AT_HERE, "", "Kinh"), line(HERE, AT_THERE, phone, "Kinh"))
        };
        assert_eq!(import(&here, dir.path(), "dang_vien", &sheet("0912345671")).await["created"], 2);
        here.start_sync(brisk());
        acknowledged(&here).await.unwrap();
        let here = away(here, &folder).await;
        let merged = at_hub(&hub, merge()).await;
        assert_eq!(merged["changed"], true, "{merged:#}");
        assert_eq!(import(&here, dir.path(), "dang_vien", &sheet("0912345679")).await["updated"], 1);
        here.start_sync(brisk());
        acknowledged(&here).await.unwrap();
        assert_eq!(held(&hub, AT_THERE).await["id"], merged["merged"], "it stands for now");
        if stays_out {
            settled(&hub, &merged, 1).await;
            assert_eq!(held(&hub, AT_THERE).await["id"], merged["id"]);
        }
        let undone = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
        assert_eq!(undone["undone"], "merge", "{undone:#}");
        let one = held(&hub, AT_THERE).await;
        assert_eq!(one["fields"]["dien_thoai"], "0912345679", "{one:#}");
        assert!(one["merged_into"].is_null() && one["withdrawn"].is_null(), "{one:#}");
        assert!(!one["conflicts"].to_string().contains("_withdrawn"), "{one:#}");
        let one = held(&hub, AT_HERE).await;
        assert!(one["merged"].is_null() && one["fields"]["dien_thoai"].is_null(), "{one:#}");
    }
}

/// What another unit only proposed of a record does not become the province's word by a merging, and is not answered by
/// it unseen.
#[tokio::test(flavor = "multi_thread")]
async fn x04_a_merging_takes_no_proposal_for_a_word() {
    for keep in [AT_HERE, AT_THERE] {
        let province = Province::set().await.unwrap();
        let Province { dir, hub, address } = &province;
        let here = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
        let there = make_node(hub, address, &dir.path().join("there"), THERE).await.unwrap();
        // The one commune states no telephone of its member, the other one proposes it, and has a record of its own.
        let own = if keep == AT_HERE { "0912345671" } else { "" };
        for (node, unit, number, phone) in [
            (&here, HERE, AT_HERE, ""),
            (&there, THERE, AT_HERE, "0912345672"),
            (&there, THERE, AT_THERE, own),
        ] {
            let text = format!("{HEAD}{}", line(unit, number, phone, "Kinh"));
            assert_eq!(import(node, dir.path(), "dang_vien", &text).await["rejected"], 0);
            node.start_sync(brisk());
            acknowledged(node).await.unwrap();
        }
        let merge = Request::DuplicatesMerge(pairing(AT_THERE, Some(AT_HERE), Some(keep)));
        let merged = at_hub(hub, merge).await;
        assert_eq!(merged["changed"], true, "{merged:#}");
        assert!(!merged["filled"].to_string().contains("dien_thoai"), "{merged:#}");
        let one = held(hub, keep).await;
        if keep == AT_THERE {
            assert!(one["fields"]["dien_thoai"].is_null(), "{one:#}");
        } else {
            let told = serde_json::json!({ "field": "dien_thoai", "kept": null, "left_out": own });
            assert!(merged["differing"].as_array().unwrap().contains(&told), "{merged:#}");
            assert!(one["conflicts"].to_string().contains("0912345672"), "{one:#}");
        }
    }
}

/// X04: lists that are united anywhere are united by a merging too, and taking it back leaves exactly the former list.
#[tokio::test(flavor = "multi_thread")]
async fn x04_lists_are_united_and_parted_again() {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, address } = &province;
    let put = |code: &str, unit: &str, next: &[&str]| RecordsRequest::Put {
        values: vec![serde_json::json!({
            "ma": code, "ten": "Chi bộ 1", "cap": "TT", "ma_cha": "33", "loai_hinh": "XA_PHUONG", "ma_xa": unit,
            "ngay_thanh_lap": "2025-07-01", "to_chuc_ke_thua": next,
        })],
        record_type: "to_chuc_dang".to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    let get = |code: &str| RecordsRequest::Get {
        record_type: "to_chuc_dang".to_owned(),
        id: code.to_owned(),
        unit: None,
    };
    let lists = async |code: &str| {
        at_hub(hub, Request::Records(get(code))).await["fields"]["to_chuc_ke_thua"].clone()
    };
    let here = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(hub, address, &dir.path().join("there"), THERE).await.unwrap();
    for (node, code, unit, next) in
        [(&here, "CB1", HERE, ["CB6", "CB7"]), (&there, "CB2", THERE, ["CB7", "CB8"])]
    {
        let taken = at_node(node, NodeRequest::Records(put(code, unit, &next[..1]))).await;
        assert_eq!(taken["created"], 1, "{taken:#}");
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
        // A word of the province's own that the commune has seen and replaced.
        let taken = at_hub(hub, Request::Records(put(code, unit, &["CB9"]))).await;
        assert_eq!(taken["updated"], 1, "{taken:#}");
        let ask = async || at_node(node, NodeRequest::Records(get(code))).await;
        until("the province's word", ask, |one| {
            one["fields"]["to_chuc_ke_thua"] == serde_json::json!(["CB9"])
        })
        .await;
        assert_eq!(at_node(node, NodeRequest::Records(put(code, unit, &next))).await["updated"], 1);
        acknowledged(node).await.unwrap();
    }
    let pair = |keep| Pairing { record_type: "to_chuc_dang".to_owned(), ..pairing("CB1", Some("CB2"), keep) };
    let merged = at_hub(hub, Request::DuplicatesMerge(pair(Some("CB1")))).await;
    assert_eq!(merged["united"], serde_json::json!(["to_chuc_ke_thua"]), "{merged:#}");
    assert!(!merged["differing"].to_string().contains("to_chuc_ke_thua"), "{merged:#}");
    assert_eq!(lists("CB1").await, serde_json::json!(["CB6", "CB7", "CB8"]));
    let undone = at_hub(hub, Request::DuplicatesUndo(pair(None))).await;
    assert_eq!(undone["undone"], "merge", "{undone:#}");
    assert_eq!(lists("CB1").await, serde_json::json!(["CB6", "CB7"]));
    assert_eq!(lists("CB2").await, serde_json::json!(["CB7", "CB8"]));
}

/// X06: homonyms told apart are not proposed again, until that is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn x06_homonyms_are_told_apart() {
    let Set { province: Province { hub, .. }, .. } = set().await;
    let pair = || pairing(AT_THERE, Some(AT_HERE), None);
    proposed(&hub, 1).await;
    not_clean(&hub, 2).await;
    let said = at_hub(&hub, Request::DuplicatesSeparate(pair())).await;
    assert_eq!(said["changed"], true, "{said:#}");
    proposed(&hub, 0).await;
    not_clean(&hub, 0).await;
    assert_eq!(listed(&hub).await, 2);
    assert_eq!(at_hub(&hub, Request::DuplicatesUndo(pair())).await["undone"], "separate");
    proposed(&hub, 1).await;
    not_clean(&hub, 2).await;
    // Refusals: nothing is written.
    for (request, rule) in [
        (Request::DuplicatesMerge(pairing(AT_HERE, Some(AT_HERE), None)), "RECORD_SAME"),
        (Request::DuplicatesMerge(pairing(AT_HERE, None, None)), "RECORD_UNKNOWN"),
        (Request::DuplicatesMerge(pairing(AT_HERE, Some("033075009999"), None)), "RECORD_UNKNOWN"),
        (Request::DuplicatesMerge(Pairing { reason: " ".to_owned(), ..pair() }), "REASON_FORM"),
        (Request::DuplicatesUndo(pair()), "NOTHING_TO_UNDO"),
    ] {
        let body = at_hub(&hub, request).await;
        assert_eq!(body["rule"], rule, "{body:#}");
    }
    assert_eq!(listed(&hub).await, 2);
    proposed(&hub, 1).await;
    at_hub(&hub, merge()).await;
    assert_eq!(at_hub(&hub, merge()).await["rule"], "RECORD_MERGED");
    not_clean(&hub, 0).await;
}

/// What refers to a record left out refers to the one that stays, and back when it is undone.
#[tokio::test(flavor = "multi_thread")]
async fn references_follow() {
    let Set { province: Province { dir, hub, .. }, there, .. } = set().await;
    let text = format!(
        "Đảng viên,Đơn vị,Chức danh,Chuyên trách,Từ ngày,Lý luận chính trị,Quản lý nhà nước,Kỹ năng số\n{AT_THERE},{THERE},ỦY VIÊN,Có,01/07/2025,Trung cấp,Sơ cấp,Có\n"
    );
    let taken = import(&there, dir.path(), "can_bo", &text).await;
    assert_eq!(taken["created"], 1, "{taken:#}");
    acknowledged(&there).await.unwrap();
    let list = RecordsRequest::List { record_type: "can_bo".to_owned(), listing: Listing::default() };
    let officer = at_hub(&hub, Request::Records(list)).await["items"][0]["id"].as_str().unwrap().to_owned();
    let judged = async |unresolved: bool| {
        let get = RecordsRequest::Get { record_type: "can_bo".to_owned(), id: officer.clone(), unit: None };
        hub.committer.flush().await;
        hub.quality.settle().unwrap();
        let one = at_hub(&hub, Request::Records(get)).await;
        assert_eq!(one["defects"].to_string().contains("CB_DANG_VIEN"), unresolved, "{one:#}");
    };
    judged(false).await;
    assert_eq!(at_hub(&hub, merge()).await["changed"], true);
    judged(false).await;
    // Without the one that stays there is nothing to refer to.
    let withdraw = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: AT_HERE.to_owned(),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: "minh".to_owned(),
    };
    at_hub(&hub, Request::Records(withdraw)).await;
    judged(true).await;
    let undone = at_hub(&hub, Request::DuplicatesUndo(pairing(AT_THERE, None, None))).await;
    assert_eq!(undone["undone"], "merge", "{undone:#}");
    judged(false).await;
}

/// X05: two people under one number. What the later commune states waits; told apart, it has a record of its own there
/// and at the province, its sheets go on working, and what it wrote before it heard of it goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn x05_two_people_under_one_number_are_told_apart() {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, address } = &province;
    let here = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
    let folder = dir.path().join("there");
    let there = make_node(hub, address, &folder, THERE).await.unwrap();
    let text = format!("{HEAD}{}", line(HERE, AT_HERE, "0912345671", "Kinh"));
    assert_eq!(import(&here, dir.path(), "dang_vien", &text).await["created"], 1);
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    let other = |phone: &str| {
        format!("{HEAD}{}", line(THERE, AT_HERE, phone, "Tày"))
            .replace("Nguyễn Văn An", "Trần Quốc Bình")
            .replace("02/03/1975", "05/06/1975")
    };
    assert_eq!(import(&there, dir.path(), "dang_vien", &other("0912345672")).await["created"], 1);
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    assert_eq!(listed(hub).await, 1);
    let quarantine = async || at_hub(hub, Request::QuarantineList { page: Page::default() }).await;
    let waiting = quarantine().await;
    let number = waiting["items"][0]["number"].as_str().unwrap().to_owned();
    let separate = |number: &str| Request::QuarantineSeparate {
        number: number.to_owned(),
        reason: "hai người, xem căn cước".to_owned(),
        actor: "minh".to_owned(),
    };
    assert_eq!(at_hub(hub, separate("99.0")).await["rule"], "NOT_QUARANTINED");
    // The commune goes away, and writes what it did not know was being decided.
    let there = away(there, &folder).await;
    let said = at_hub(hub, separate(&number)).await;
    let own = said["id"].as_str().unwrap().to_owned();
    assert_eq!(import(&there, dir.path(), "dang_vien", &other("0912345673")).await["rejected"], 0);
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    let ask = async || held(hub, &own).await;
    let one = until("what came late", ask, |one| one["fields"]["dien_thoai"] == "0912345673").await;
    assert_eq!((&one["unit"], &one["fields"]["ho_ten"]), (&THERE.into(), &"Trần Quốc Bình".into()));
    assert!(quarantine().await["items"].as_array().unwrap().is_empty());
    let first = held(hub, AT_HERE).await;
    assert_eq!(
        (&first["fields"]["ho_ten"], first["conflicts"].as_array().unwrap().len()),
        (&"Nguyễn Văn An".into(), 0)
    );
    // At the commune its number means its own person, who is corrected by a sheet as ever.
    let ask = async || at_node(&there, NodeRequest::Records(get(AT_HERE))).await;
    until("its own record", ask, |one| one["id"] == own.as_str()).await;
    let taken = import(&there, dir.path(), "dang_vien", &other("0912345674")).await;
    assert_eq!(taken["updated"], 1, "{taken:#}");
    acknowledged(&there).await.unwrap();
    assert_eq!(held(hub, &own).await["fields"]["dien_thoai"], "0912345674");
    assert_eq!(listed(hub).await, 2);
    // From the log alone.
    let before = (held(hub, &own).await, held(hub, AT_HERE).await);
    for node in [here, there] {
        node.close().await;
    }
    let Province { dir, hub, .. } = province;
    hub.close().await;
    drop(hub);
    std::fs::remove_dir_all(dir.path().join("hub/view")).unwrap();
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    let bare = |mut one: Json| {
        one["defects"] = Json::Null;
        one
    };
    assert_eq!(bare(held(&hub, &own).await), bare(before.0));
    assert_eq!(bare(held(&hub, AT_HERE).await), bare(before.1));
    assert!(
        at_hub(&hub, Request::QuarantineList { page: Page::default() }).await["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// P9: an id is that of the key its record states. A third commune that makes a record where a separated one would
/// stand, or where another's next number will be, gets and blocks nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p9_nobody_makes_a_record_where_anothers_will_be() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    let third = make_node(&hub, &address, &dir.path().join("third"), "11977").await.unwrap();
    let text = format!("{HEAD}{}", line(HERE, AT_HERE, "0912345671", "Kinh"));
    assert_eq!(import(&here, dir.path(), "dang_vien", &text).await["created"], 1);
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    let id = held(&hub, AT_HERE).await["id"].as_str().unwrap().parse().unwrap();
    let key = &hub.secrets.provincial_key;
    let (mine, theirs): (UnitCode, UnitCode) = ("11977".parse().unwrap(), THERE.parse().unwrap());
    let trap = separated_id(key, "dang_vien", id, &theirs);
    let number = record_id(key, "don_thu", Some(&theirs), &["12/2026".to_owned()]);
    let member = lienthong_tests::member("11977", "033075009999", "Kẻ Khác").unwrap();
    let letter = Draft {
        record_type: "don_thu".to_owned(),
        values: [("ma_don".to_owned(), Value::Text("12/2026".to_owned()))].into(),
        owner: mine,
        ..member.clone()
    };
    let traps = vec![
        Draft { intent: Intent::Stand(trap), ..member },
        Draft { intent: Intent::Stand(number), ..letter },
    ];
    assert!(third.write(traps).await.iter().all(Result::is_ok));
    third.start_sync(brisk());
    acknowledged(&third).await.unwrap();
    let quarantine =
        async || at_hub(&hub, Request::QuarantineList { page: Page::default() }).await["items"].clone();
    let waiting = quarantine().await;
    assert!(waiting.as_array().unwrap().iter().all(|item| item["reason"] == "KEY_MISSING"), "{waiting:#}");
    assert_eq!(waiting.as_array().unwrap().len(), 2);
    // Why it is not told apart is said in both tongues.
    let separate = Request::QuarantineSeparate {
        number: waiting[0]["number"].as_str().unwrap().to_owned(),
        reason: "hai người".to_owned(),
        actor: "minh".to_owned(),
    };
    let refused = at_hub(&hub, separate).await;
    let (vi, en) = refused["error"].as_str().and_then(|both| both.split_once(" · ")).unwrap();
    assert!(vi.contains("không chờ vì") && en.contains("does not wait because"), "{refused:#}");
    // Somebody else under the number is told apart all the same.
    let other = format!("{HEAD}{}", line(THERE, AT_HERE, "0912345672", "Tày"))
        .replace("Nguyễn Văn An", "Trần Quốc Bình")
        .replace("02/03/1975", "05/06/1975");
    import(&there, dir.path(), "dang_vien", &other).await;
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    let waiting = quarantine().await;
    let guarded = waiting.as_array().unwrap().iter().find(|item| item["reason"] == "IDENTITY_GUARD").unwrap();
    let separate = Request::QuarantineSeparate {
        number: guarded["number"].as_str().unwrap().to_owned(),
        reason: "hai người".to_owned(),
        actor: "minh".to_owned(),
    };
    assert_eq!(at_hub(&hub, separate).await["id"], trap.to_string());
    assert_eq!(held(&hub, &trap.to_string()).await["unit"], THERE);
}

/// An item that was taken away in the record left out takes none away in the one that stays.
#[tokio::test(flavor = "multi_thread")]
async fn p4_an_item_gone_in_one_stays_in_the_other() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    let officer = |from: &str| {
        serde_json::json!({
            "dang_vien_id": AT_HERE, "don_vi": HERE, "chuc_danh": "UY_VIEN", "chuyen_trach": true, "tu_ngay": from,
            "ly_luan_ct": "TRUNG_CAP", "quan_ly_nn": "SO_CAP", "ky_nang_so": true,
            "boi_duong": [{ "khoa": "Khóa 1", "so_gio": 40, "ngay": "2025-06-01" }],
        })
    };
    let put = RecordsRequest::Put {
        values: vec![officer("2025-07-01"), officer("2025-07-02")],
        record_type: "can_bo".to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    let taken = at_node(&here, NodeRequest::Records(put)).await;
    assert_eq!(taken["created"], 2, "{taken:#}");
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    let list = RecordsRequest::List { record_type: "can_bo".to_owned(), listing: Listing::default() };
    let list = at_hub(&hub, Request::Records(list)).await;
    let ids: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    // The item of the second goes: by a change that says so.
    let second = lienthong_proto::ids::RecordId::from_slice(&hex::decode(&ids[1]).unwrap()).unwrap();
    let record = hub.dataset.record(&hub.catalogue, "can_bo", second).unwrap().unwrap();
    let item = record.values().find_map(|(name, _)| name.strip_suffix("/khoa").map(str::to_owned)).unwrap();
    let draft = Draft {
        record_type: "can_bo".to_owned(),
        owner: HERE.parse().unwrap(),
        values: [(format!("{item}/_gone"), Value::Boolean(true))].into(),
        intent: Intent::Amend(second),
        author: "lan".to_owned(),
    };
    assert!(here.write(vec![draft]).await[0].is_ok());
    acknowledged(&here).await.unwrap();
    let merge =
        Pairing { record_type: "can_bo".to_owned(), ..pairing(&ids[1], Some(&ids[0]), Some(&ids[0])) };
    let merged = at_hub(&hub, Request::DuplicatesMerge(merge)).await;
    assert_eq!(merged["changed"], true, "{merged:#}");
    let get = || {
        Request::Records(RecordsRequest::Get {
            record_type: "can_bo".to_owned(),
            id: ids[1].clone(),
            unit: None,
        })
    };
    let one = at_hub(&hub, get()).await;
    assert_eq!(one["fields"]["boi_duong"][0]["khoa"], "Khóa 1", "{one:#}");
    // The other way round it stays gone, and that is said.
    let pair = |keep: Option<&str>| Pairing {
        record_type: "can_bo".to_owned(),
        ..pairing(&ids[1], Some(&ids[0]), keep)
    };
    assert_eq!(at_hub(&hub, Request::DuplicatesUndo(pair(None))).await["undone"], "merge");
    let merged = at_hub(&hub, Request::DuplicatesMerge(pair(Some(&ids[1])))).await;
    assert_eq!(merged["gone"], serde_json::json!([item]), "{merged:#}");
    assert!(!merged["filled"].to_string().contains("boi_duong"), "{merged:#}");
    let one = at_hub(&hub, get()).await;
    assert!(!one["fields"]["boi_duong"].to_string().contains("Khóa 1"), "{one:#}");
}
