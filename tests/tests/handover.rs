//! A member goes from commune to commune by the word of both.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request, Transfer};
use lienthong_node::app::Node;
use lienthong_node::records::Page;
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_hub, at_node, import, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";
const NUMBER: &str = "033075000001";
const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại\n";
const PAPER: &str = "Đảng viên,Từ đơn vị,Đến đơn vị,Ngày giới thiệu,Ngày tiếp nhận\n";

async fn taken_in(node: &Arc<Node>, folder: &Path, record_type: &str, text: &str) {
    let taken = import(node, folder, record_type, text).await;
    assert_eq!(taken["rejected"], 0, "{taken:#}");
    acknowledged(node).await.unwrap();
}

fn get() -> RecordsRequest {
    RecordsRequest::Get { record_type: "dang_vien".to_owned(), id: NUMBER.to_owned(), unit: None }
}

async fn stands(hub: &Arc<Hub>, state: Option<&str>) {
    let ask = async || at_hub(hub, Request::Handovers { unit: None, page: Page::default() }).await;
    until("how it stands", ask, |list| match (list["items"].as_array().unwrap().as_slice(), state) {
        ([], None) => true,
        (all, Some(state)) => !all.is_empty() && all.iter().all(|item| item["state"] == state),
        _ => false,
    })
    .await;
}

async fn set() -> (Province, Arc<Node>, Arc<Node>) {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, address } = &province;
    let here = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(hub, address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    let member = format!(
        "{HEAD}Nguyễn Văn An,02/03/1975,Nam,{NUMBER},01/02/2000,Chi bộ 1,{HERE},CHIBO,CHINH_THUC,0912345671\n"
    );
    taken_in(&here, dir.path(), "dang_vien", &member).await;
    (province, here, there)
}

fn paper(received: &str) -> String {
    format!("{PAPER}{NUMBER},{HERE},{THERE},01/10/2026,{received}\n")
}

/// What a steward says of whose the member is.
fn give(to: &str) -> Request {
    Request::RecordTransfer(Transfer {
        record_type: "dang_vien".to_owned(),
        id: NUMBER.to_owned(),
        unit: None,
        to: to.parse().unwrap(),
        reason: "theo công văn".to_owned(),
        actor: "minh".to_owned(),
    })
}

/// The day the releasing unit reads that the member was received, once it reads one.
async fn received(node: &Arc<Node>) -> String {
    let list = RecordsRequest::List {
        record_type: "chuyen_sinh_hoat".to_owned(),
        listing: lienthong_node::records::Listing::default(),
    };
    let ask = async || {
        at_node(node, NodeRequest::Records(list.clone())).await["items"][0]["fields"]["ngay_tiep_nhan"]
            .clone()
    };
    until("it reads that it was received", ask, Json::is_string).await.as_str().unwrap().to_owned()
}

/// Nothing is to be given over, and the member is where it was.
async fn it_stays(hub: &Arc<Hub>) {
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
    stands(hub, None).await;
    assert_eq!(at_hub(hub, Request::Records(get())).await["unit"], HERE);
}

/// X01, X02: a member goes once both units have said so, in whatever order; until then it counts once, where it was;
/// afterwards the former unit's writes are proposals, and the releasing unit reads that it was received. Given back by
/// a steward it is not given over again.
#[tokio::test(flavor = "multi_thread")]
async fn x01_x02_a_member_goes_once_both_units_say_so() {
    for received_first in [false, true] {
        let (Province { dir, hub, .. }, here, there) = set().await;
        let halves =
            [(&here, String::new(), "not_received"), (&there, "05/10/2026".to_owned(), "not_released")];
        let [first, second] =
            if received_first { [&halves[1], &halves[0]] } else { [&halves[0], &halves[1]] };
        taken_in(first.0, dir.path(), "chuyen_sinh_hoat", &paper(&first.1)).await;
        stands(&hub, Some(first.2)).await;
        let owner = async || at_hub(&hub, Request::Records(get())).await;
        assert_eq!(owner().await["unit"], HERE);
        taken_in(second.0, dir.path(), "chuyen_sinh_hoat", &paper(&second.1)).await;
        until("it goes", owner, |one| one["unit"] == THERE && one["fields"]["ma_xa"] == THERE).await;
        stands(&hub, None).await;
        let ask = async || at_node(&there, NodeRequest::Records(get())).await;
        until("it arrives", ask, |one| one["unit"] == THERE && one["fields"]["dien_thoai"] == "0912345671")
            .await;
        assert_eq!(received(&here).await, "2026-10-05");
        // What the former unit still writes of it waits.
        let late = format!(
            "{HEAD}Nguyễn Văn An,02/03/1975,Nam,{NUMBER},01/02/2000,Chi bộ 1,{HERE},CHIBO,CHINH_THUC,0912345679\n"
        );
        taken_in(&here, dir.path(), "dang_vien", &late).await;
        let one = owner().await;
        assert_eq!(
            (&one["unit"], &one["fields"]["dien_thoai"]),
            (&THERE.into(), &"0912345671".into()),
            "{one:#}"
        );
        // Given back, it stays.
        assert_eq!(at_hub(&hub, give(HERE)).await["changed"], true);
        taken_in(second.0, dir.path(), "chuyen_sinh_hoat", &paper(&second.1)).await;
        it_stays(&hub).await;
        // Also if the receiving unit mends its day.
        taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("06/10/2026")).await;
        it_stays(&hub).await;
    }
}

/// One a steward gave over before both units' papers were there was given over once: undone by hand, it stays.
#[tokio::test(flavor = "multi_thread")]
async fn x01_what_a_steward_gave_over_is_not_given_over_again() {
    let (Province { dir, hub, .. }, here, there) = set().await;
    assert_eq!(at_hub(&hub, give(THERE)).await["changed"], true);
    taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("05/10/2026")).await;
    stands(&hub, None).await;
    assert_eq!(received(&here).await, "2026-10-05");
    assert_eq!(at_hub(&hub, give(HERE)).await["changed"], true);
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("06/10/2026")).await;
    it_stays(&hub).await;
}

fn case(unit: &str, state: &str, concluded: &str) -> String {
    format!(
        "Mã cuộc,Loại,Chủ thể,Đối tượng,Nội dung,Lĩnh vực,Số quyết định,Ngày quyết định,Trạng thái,Ngày triển khai,Ngày kết luận,Mã xã\n\
         C1,KT_DHVP,UBKT,{NUMBER},Kiểm tra,LV04,01-QĐ/UBKT,01/09/2026,{state},05/09/2026,{concluded},{unit}\n"
    )
}

/// X03: while a case about the member is under way it stays where it is; it goes when the case is concluded.
#[tokio::test(flavor = "multi_thread")]
async fn x03_a_member_under_inspection_stays() {
    let (Province { dir, hub, .. }, here, there) = set().await;
    taken_in(&here, dir.path(), "cuoc_kiem_tra", &case(HERE, "DANG_TRIEN_KHAI", "")).await;
    taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("05/10/2026")).await;
    stands(&hub, Some("held")).await;
    let owner = async || at_hub(&hub, Request::Records(get())).await;
    assert_eq!(owner().await["unit"], HERE);
    taken_in(&here, dir.path(), "cuoc_kiem_tra", &case(HERE, "DA_KET_LUAN", "01/11/2026")).await;
    until("it goes", owner, |one| one["unit"] == THERE).await;
}

/// X26: who was expelled before the day he was received is not handed over; expelled later he is, and the receiving unit
/// carries the decision out.
#[tokio::test(flavor = "multi_thread")]
async fn x26_who_was_expelled_before_is_not_handed_over() {
    for (decided, goes) in [("03/10/2026", false), ("05/10/2026", false), ("06/10/2026", true)] {
        let (Province { dir, hub, .. }, here, there) = set().await;
        let decision = format!(
            "Đối tượng,Loại đối tượng,Hình thức kỷ luật,Số quyết định,Ngày quyết định,Cơ quan quyết định,Mã xã,Nội dung vi phạm,Hiệu lực từ,Trạng thái\n\
             {NUMBER},DANG_VIEN,KHAI_TRU,07-QĐ/UBKT,{decided},UBKT,{HERE},Vi phạm,{decided},HIEU_LUC\n"
        );
        taken_in(&here, dir.path(), "ky_luat", &decision).await;
        taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
        taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("05/10/2026")).await;
        let owner = async || at_hub(&hub, Request::Records(get())).await;
        if goes {
            until("it goes", owner, |one| one["unit"] == THERE).await;
            continue;
        }
        stands(&hub, Some("held")).await;
        let list = at_hub(&hub, Request::Handovers { unit: None, page: Page::default() }).await;
        assert!(list["items"][0]["en"].as_str().unwrap().contains("expelled"), "{list:#}");
        assert_eq!(owner().await["unit"], HERE);
    }
}

/// What a third unit writes of a half waits as a proposal, and hands nobody over.
#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_hands_nobody_over() {
    let (Province { dir, hub, address }, here, there) = set().await;
    taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    stands(&hub, Some("not_received")).await;
    let list = at_hub(&hub, Request::Handovers { unit: None, page: Page::default() }).await;
    let records = list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap());
    let third = make_node(&hub, &address, &dir.path().join("third"), "11977").await.unwrap();
    let draft = |id: &str| Draft {
        record_type: "chuyen_sinh_hoat".to_owned(),
        owner: "11977".parse().unwrap(),
        values: [("ngay_tiep_nhan".to_owned(), Value::Date(20_000))].into(),
        intent: Intent::Stand(lienthong_proto::ids::RecordId::from_slice(&hex::decode(id).unwrap()).unwrap()),
        author: "kẻ khác".to_owned(),
    };
    let written = third.write(records.map(draft).collect()).await;
    assert!(written.len() == 2 && written.iter().all(Result::is_ok));
    third.start_sync(brisk());
    acknowledged(&third).await.unwrap();
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
    stands(&hub, Some("not_received")).await;
    assert_eq!(at_hub(&hub, Request::Records(get())).await["unit"], HERE);
}

/// X03: only a case of the unit he leaves, or of the province, keeps a member where he is: not one that the unit he goes
/// to writes about him.
#[tokio::test(flavor = "multi_thread")]
async fn x03_the_new_units_case_holds_nobody_up() {
    let (Province { dir, hub, .. }, here, there) = set().await;
    taken_in(&there, dir.path(), "cuoc_kiem_tra", &case(THERE, "DANG_TRIEN_KHAI", "")).await;
    taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("05/10/2026")).await;
    stands(&hub, None).await;
    assert_eq!(at_hub(&hub, Request::Records(get())).await["unit"], THERE);
}

/// Both units may say so before the member's own record has come: it goes as soon as it is there.
#[tokio::test(flavor = "multi_thread")]
async fn x02_a_member_who_comes_after_the_papers_goes_too() {
    let (Province { dir, hub, .. }, here, there) = set().await;
    let paper = |received: &str| paper(received).replace(NUMBER, "033075000002");
    taken_in(&here, dir.path(), "chuyen_sinh_hoat", &paper("")).await;
    taken_in(&there, dir.path(), "chuyen_sinh_hoat", &paper("05/10/2026")).await;
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
    stands(&hub, Some("not_there")).await;
    let member = format!(
        "{HEAD}Trần Văn Bình,02/03/1975,Nam,033075000002,01/02/2000,Chi bộ 1,{HERE},CHIBO,CHINH_THUC,0912345672\n"
    );
    taken_in(&here, dir.path(), "dang_vien", &member).await;
    stands(&hub, None).await;
    let late = RecordsRequest::Get {
        record_type: "dang_vien".to_owned(),
        id: "033075000002".to_owned(),
        unit: None,
    };
    assert_eq!(at_hub(&hub, Request::Records(late)).await["unit"], THERE);
}
