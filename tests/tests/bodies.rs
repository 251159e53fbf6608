//! The cases of conflict between bodies that each have a say: who rules, what stays beside it, what is left to people.
//! Those between two machines of one unit: `cases.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::Request;
use lienthong_node::app::Node;
use lienthong_node::dataset::Payload;
use lienthong_node::log::LogReader;
use lienthong_node::records::{Listing, Page};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::batch;
use lienthong_proto::ids::Sequence;
use lienthong_tests::asking::{at_hub, at_node, away, import, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::{Value as Json, json};

const UNIT: &str = "11953";
const OTHER: &str = "11977";

/// What is asked alike of a node and of the hub.
trait Asked {
    async fn ask(&self, request: RecordsRequest) -> Json;

    async fn put(&self, record_type: &str, value: &Json) {
        let request = RecordsRequest::Put {
            values: vec![value.clone()],
            record_type: record_type.to_owned(),
            author: "lan".to_owned(),
            english: true,
        };
        let body = self.ask(request).await;
        assert_eq!(body["created"].as_u64().unwrap() + body["updated"].as_u64().unwrap(), 1, "{body:#}");
    }

    async fn get(&self, record_type: &str, unit: &str, id: &str) -> Json {
        let (record_type, id) = (record_type.to_owned(), id.to_owned());
        self.ask(RecordsRequest::Get { record_type, id, unit: Some(unit.parse().unwrap()) }).await
    }

    async fn withdraw(&self, record_type: &str, id: &str) -> Json {
        let request = RecordsRequest::Withdraw {
            record_type: record_type.to_owned(),
            id: id.to_owned(),
            unit: None,
            reason: "nhập nhầm".to_owned(),
            author: "lan".to_owned(),
        };
        self.ask(request).await
    }
}

impl Asked for Arc<Node> {
    async fn ask(&self, request: RecordsRequest) -> Json {
        at_node(self, NodeRequest::Records(request)).await
    }
}

impl Asked for Arc<Hub> {
    async fn ask(&self, request: RecordsRequest) -> Json {
        at_hub(self, Request::Records(request)).await
    }
}

async fn node(province: &Province, name: &str, unit: &str) -> Arc<Node> {
    let Province { dir, hub, address } = province;
    make_node(hub, address, &dir.path().join(name), unit).await.unwrap()
}

async fn sent(nodes: &[&Arc<Node>]) {
    for node in nodes {
        if node.sync().is_none() {
            node.start_sync(brisk());
        }
        acknowledged(node).await.unwrap();
    }
}

fn rules(record: &Json) -> Vec<&str> {
    let defects = record["defects"].as_array().unwrap().iter();
    defects.map(|defect| defect["rule"].as_str().unwrap()).collect()
}

/// Waits until a record at the hub breaks exactly those of some rules.
async fn breaks(hub: &Arc<Hub>, (of, unit, id): (&str, &str, &str), asked: &[&str], wanted: &[&str]) {
    let ask = async || hub.get(of, unit, id).await;
    until(&format!("{id} breaks {wanted:?} of {asked:?}"), ask, |record| {
        let mut found: Vec<&str> = rules(record).into_iter().filter(|rule| asked.contains(rule)).collect();
        found.sort_unstable();
        found == wanted
    })
    .await;
}

fn file(name: &str, hash: char) -> Json {
    json!({
        "doi_tuong_id": "KT01", "loai_ho_so": "Quyết định", "ten_tep": name, "kich_thuoc": 10,
        "sha256": hash.to_string().repeat(64), "do_mat": "THUONG", "ma_xa": UNIT,
    })
}

/// X11: files added at both places are all there; the owner takes one out with a reason; what was signed stays, whoever
/// withdraws it, and the machine that did hears so.
#[tokio::test(flavor = "multi_thread")]
async fn x11_files_add_up_and_a_signed_one_stays() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let one = node(&province, "one", UNIT).await;
    let other = node(&province, "other", UNIT).await;
    let hash = |hash: char| hash.to_string().repeat(64);
    for (name, of) in [("a.pdf", 'a'), ("d.pdf", 'd')] {
        one.put("ho_so", &file(name, of)).await;
    }
    sent(&[&one, &other]).await;
    let ask = async || other.get("ho_so", UNIT, &hash('d')).await;
    until("the other machine has both", ask, |file| file["fields"]["ten_tep"] == "d.pdf").await;
    let one = away(one, &province.dir.path().join("one")).await;
    let other = away(other, &province.dir.path().join("other")).await;
    one.put("ho_so", &file("b.pdf", 'b')).await;
    other.put("ho_so", &file("c.pdf", 'c')).await;
    assert!(other.withdraw("ho_so", &hash('a')).await["withdrawn"].is_object());
    // One signs what the other, not knowing, withdraws.
    one.put("ho_so", &json!({ "sha256": hash('d'), "ky_so": true })).await;
    assert_eq!(one.withdraw("ho_so", &hash('d')).await["rule"], "RECORD_KEPT");
    assert!(other.withdraw("ho_so", &hash('d')).await["withdrawn"].is_object());
    sent(&[&one, &other]).await;
    for (of, there) in [('a', false), ('b', true), ('c', true), ('d', true)] {
        let file = hub.get("ho_so", UNIT, &hash(of)).await;
        assert_eq!(file["withdrawn"].is_null(), there, "{file:#}");
    }
    assert_eq!(hub.withdraw("ho_so", &hash('d')).await["rule"], "RECORD_KEPT");
    let list = at_hub(hub, Request::QuarantineList { page: Page::default() }).await;
    assert_eq!(list["items"][0]["reason"], "RECORD_KEPT", "{list:#}");
    let ask = async || other.get("ho_so", UNIT, &hash('d')).await;
    until("the machine that withdrew it has it again", ask, |file| file["withdrawn"].is_null()).await;
}

fn decision(unit: &str, number: &str, level: &str, form: &str) -> Json {
    json!({
        "doi_tuong": "033075000001", "loai_doi_tuong": "DANG_VIEN", "hinh_thuc": form, "so_qd": number,
        "ngay": "2026-06-10", "co_quan_qd": "UBKT", "cap_qd": level, "noi_dung_vi_pham": "Cấp đất sai thẩm quyền",
        "hieu_luc_tu": "2026-06-10", "trang_thai": "HIEU_LUC", "ma_xa": unit,
    })
}

/// X13, X14: of two decisions on one violation both are kept; the higher body's is in force, the other is to be marked as
/// replaced. What an appeal lowered stays lowered, although the first was more severe.
#[tokio::test(flavor = "multi_thread")]
async fn x13_x14_the_higher_body_rules_and_an_appeal_wins_over_severity() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let commune = node(&province, "commune", UNIT).await;
    commune.put("ky_luat", &decision(UNIT, "01-QĐ/CB", "CHI_BO", "KHIEN_TRACH")).await;
    hub.put("ky_luat", &decision("33", "02-QĐ/UBKTTU", "TINH", "CANH_CAO")).await;
    sent(&[&commune]).await;
    let (lower, higher) =
        (("ky_luat", UNIT, "01-QĐ/CB|033075000001"), ("ky_luat", "33", "02-QĐ/UBKTTU|033075000001"));
    let asked = &["KYL_CAP_CAO_HON", "KL_HIEU_LUC_MOT"];
    breaks(hub, lower, asked, &["KL_HIEU_LUC_MOT", "KYL_CAP_CAO_HON"]).await;
    breaks(hub, higher, asked, &["KL_HIEU_LUC_MOT"]).await;
    // The commune is told, of what it cannot see itself.
    let ask = async || commune.get("ky_luat", UNIT, lower.2).await;
    until("the commune is told", ask, |record| rules(record).contains(&"KYL_CAP_CAO_HON")).await;
    let replaced = json!({
        "so_qd": "01-QĐ/CB", "doi_tuong": "033075000001", "trang_thai": "BI_THAY_THE", "quyet_dinh_thay_the": "02-QĐ/UBKTTU",
    });
    commune.put("ky_luat", &replaced).await;
    sent(&[&commune]).await;
    breaks(hub, lower, asked, &[]).await;
    breaks(hub, higher, asked, &[]).await;
    assert_eq!(
        hub.get("ky_luat", UNIT, lower.2).await["fields"]["hinh_thuc"],
        "KHIEN_TRACH",
        "both are kept"
    );
    // The appeal: less severe, of the same level, and the first one replaced by it.
    hub.put("ky_luat", &decision("33", "03-QĐ/UBKTTU", "TINH", "KHIEN_TRACH")).await;
    let appeal = ("ky_luat", "33", "03-QĐ/UBKTTU|033075000001");
    breaks(hub, appeal, asked, &["KL_HIEU_LUC_MOT", "KYL_CAP_CAO_HON"]).await;
    let lowered = json!({
        "so_qd": "02-QĐ/UBKTTU", "doi_tuong": "033075000001", "ma_xa": "33", "trang_thai": "BI_THAY_THE",
        "quyet_dinh_thay_the": "03-QĐ/UBKTTU",
    });
    hub.put("ky_luat", &lowered).await;
    breaks(hub, appeal, asked, &[]).await;
    breaks(hub, higher, asked, &[]).await;
}

fn letter(unit: &str, number: &str) -> Json {
    json!({
        "ma_don": number, "ngay_nhan": "2026-10-01", "loai_don": "TO_CAO", "doi_tuong": "Ông Nguyễn Văn A, Chủ tịch",
        "noi_dung": "Chủ tịch phường cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2024, thu tiền không có biên lai",
        "linh_vuc": "LV01", "ma_xa": unit, "tham_quyen": "CUA_TA", "co_quan_giai_quyet": "UBKT", "tinh_trang": "MOI",
    })
}

/// X15: a letter that was sent to three bodies is found at the province, whoever registered it; named as repeats of the
/// first, two of them are out of the count and nothing is open any more.
#[tokio::test(flavor = "multi_thread")]
async fn x15_one_letter_to_three_bodies_is_one_and_two_repeats() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let here = node(&province, "here", UNIT).await;
    let there = node(&province, "there", OTHER).await;
    here.put("don_thu", &letter(UNIT, "D1")).await;
    there.put("don_thu", &letter(OTHER, "D7")).await;
    hub.put("don_thu", &letter("33", "D9")).await;
    sent(&[&here, &there]).await;
    let all = [(UNIT, "D1"), (OTHER, "D7"), ("33", "D9")];
    for (unit, number) in all {
        breaks(hub, ("don_thu", unit, number), &["DT_TRUNG"], &["DT_TRUNG"]).await;
    }
    let ask = async || at_hub(hub, Request::DuplicatesList { page: Page::default() }).await;
    until("each pair is listed", ask, |list| list["items"].as_array().unwrap().len() == 3).await;
    let first = hub.get("don_thu", UNIT, "D1").await["id"].clone();
    for (unit, number) in &all[1..] {
        let repeat = json!({ "ma_don": number, "ma_xa": unit, "don_goc_id": first });
        hub.put("don_thu", &repeat).await;
    }
    for (unit, number) in all {
        breaks(hub, ("don_thu", unit, number), &["DT_TRUNG"], &[]).await;
    }
    let ask = async || there.get("don_thu", OTHER, "D7").await;
    until("the commune hears which is the first", ask, |repeat| repeat["fields"]["don_goc_id"] == first)
        .await;
}

/// X16: who sent a letter stays in the paper registers: two nodes that hold different names send neither, and a merging
/// carries none across.
#[tokio::test(flavor = "multi_thread")]
async fn x16_a_senders_name_is_nowhere() {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, .. } = &province;
    let here = node(&province, "here", UNIT).await;
    let there = node(&province, "there", OTHER).await;
    let head = "Mã đơn,Ngày nhận đơn,Loại đơn,Đối tượng,Nội dung,Lĩnh vực,Thẩm quyền,Cơ quan giải quyết,Tình trạng,Mã xã,Người gửi,Ẩn danh\n";
    let line = |number: &str, unit: &str, sender: &str, anonymous: &str| {
        format!(
            "{head}{number},01/10/2026,TO_CAO,Ông A,Cấp đất sai thẩm quyền tại thôn Đoài,LV01,CUA_TA,UBKT,MOI,{unit},{sender},{anonymous}\n"
        )
    };
    for (node, unit, sender, anonymous) in
        [(&here, UNIT, "Hoàng Kín Miệng", "không"), (&there, OTHER, "Tạ Bí Danh", "có")]
    {
        let taken = import(node, dir.path(), "don_thu", &line("D1", unit, sender, anonymous)).await;
        let warned = taken["warnings"].as_array().unwrap().iter().any(|found| found["rule"] == "C4_OMITTED");
        assert!(taken["created"] == 1 && warned, "{taken:#}");
    }
    sent(&[&here, &there]).await;
    let pairing = lienthong_hub::service::Pairing {
        record_type: "don_thu".to_owned(),
        first: "D1".to_owned(),
        second: hub.get("don_thu", OTHER, "D1").await["id"].as_str().map(str::to_owned),
        keep: None,
        unit: Some(UNIT.parse().unwrap()),
        reason: "một đơn".to_owned(),
        actor: "minh".to_owned(),
    };
    let merged = at_hub(hub, Request::DuplicatesMerge(pairing)).await;
    assert!(merged["differing"].to_string().contains("an_danh"), "what differs is said: {merged:#}");
    let history = |unit: &str| RecordsRequest::History {
        record_type: "don_thu".to_owned(),
        id: "D1".to_owned(),
        unit: Some(unit.parse().unwrap()),
    };
    let said = [
        hub.get("don_thu", UNIT, "D1").await,
        hub.ask(history(UNIT)).await,
        hub.ask(history(OTHER)).await,
        here.ask(history(UNIT)).await,
        there.ask(history(OTHER)).await,
        merged,
    ];
    let said = said.map(|body| body.to_string()).concat();
    assert!(said.contains("an_danh") && !said.contains("Kín Miệng") && !said.contains("Bí Danh"));
    for reader in [&hub.reader, here.replica.reader(), there.replica.reader()] {
        assert!(in_log(reader, "cấp đất") || in_log(reader, "Cấp đất"), "the log is read");
        assert!(!in_log(reader, "Kín Miệng") && !in_log(reader, "Bí Danh"));
    }
}

/// Whether a text stands in a log, in what was packed too.
fn in_log(reader: &LogReader, text: &str) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    reader.clone().scan(Sequence(0)).any(|frame| {
        let payload = frame.unwrap().1.payload;
        let packed = match Payload::parse(&payload).unwrap() {
            Payload::Entry(_) => None,
            Payload::Batch(packed) | Payload::Accepted { packed, .. } => Some(packed),
        };
        holds(&payload) || packed.is_some_and(|packed| holds(&batch::unpack(packed).unwrap()))
    })
}

/// X17: a commune reports what was asked of it as mended, the issuing body says it is not: the issuing body's word is
/// shown, the commune's own report stands beside it.
#[tokio::test(flavor = "multi_thread")]
async fn x17_the_issuing_bodys_word_rules_and_the_report_stays_beside_it() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let commune = node(&province, "commune", UNIT).await;
    let notice = |state: &str| {
        let mut item = json!({
            "noi_dung_khac_phuc": "Thu hồi đất", "han_khac_phuc": "2026-10-01", "tinh_trang": state,
        });
        if state == "DA_KHAC_PHUC" {
            item["ngay_hoan_thanh"] = "2026-09-01".into();
        }
        json!({
            "so_thong_bao": "12-TB/UBKT", "ngay_ban_hanh": "2026-06-05", "ma_cuoc": "KT01",
            "don_vi_thuc_hien": "Chi bộ thôn 1", "ma_xa": UNIT, "yeu_cau": [item],
        })
    };
    commune.put("ket_luan", &notice("DANG")).await;
    sent(&[&commune]).await;
    let commune = away(commune, &province.dir.path().join("commune")).await;
    hub.put("ket_luan", &notice("CHUA")).await;
    commune.put("ket_luan", &notice("DA_KHAC_PHUC")).await;
    sent(&[&commune]).await;
    let key = "12-TB/UBKT";
    let ask = async || hub.get("ket_luan", UNIT, key).await;
    let found =
        until("both words stand", ask, |notice| !notice["conflicts"].as_array().unwrap().is_empty()).await;
    assert_eq!(found["fields"]["yeu_cau"][0]["tinh_trang"], "CHUA", "{found:#}");
    let conflict = found["conflicts"].as_array().unwrap().iter();
    let conflict = conflict.clone().find(|c| c["field"].as_str().unwrap().ends_with("/tinh_trang")).unwrap();
    let stated: Vec<&Json> = conflict["siblings"].as_array().unwrap().iter().map(|s| &s["value"]).collect();
    assert!(stated.contains(&&json!("DA_KHAC_PHUC")) && stated.contains(&&json!("CHUA")), "{found:#}");
}

/// X25: of two lists drawn for one plan both are named, until the draw that does not count is said to be revoked.
#[tokio::test(flavor = "multi_thread")]
async fn x25_a_second_draw_needs_a_decision_that_revokes_the_first() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let declared = |year: u32| {
        json!({
            "dang_vien_id": "033075000001", "co_quan": "UBND", "ma_xa": UNIT, "nam_ke_khai": year,
            "loai_ke_khai": "HANG_NAM", "ngay_nop": format!("{year}-12-20"), "tong_gia_tri": "2000000000",
        })
    };
    for year in [2024, 2025] {
        hub.put("ke_khai", &declared(year)).await;
    }
    let listing = Listing::default();
    let list = hub.ask(RecordsRequest::List { record_type: "ke_khai".to_owned(), listing }).await;
    let ids = list["items"].as_array().unwrap().iter();
    let ids: Vec<String> = ids.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    let drawn = |id: &str, minutes: &str| {
        json!({
            "dang_vien_id": "033075000001", "ke_khai_id": id, "ke_hoach": "03-KH/UBKT", "ma_xa": UNIT,
            "can_cu": "NGAU_NHIEN", "bien_ban_boc_tham": minutes, "ket_qua": "TRUNG_THUC", "ngay_ket_luan": "2026-08-01",
        })
    };
    hub.put("xac_minh_ts", &drawn(&ids[0], "BB01")).await;
    hub.put("xac_minh_ts", &drawn(&ids[1], "BB02")).await;
    let key = |id: &str| format!("{id}|03-KH/UBKT");
    let asked = &["XM_MOT_LAN_BOC"];
    for id in &ids {
        breaks(hub, ("xac_minh_ts", UNIT, &key(id)), asked, asked).await;
    }
    let mut revoked = drawn(&ids[0], "BB01");
    revoked["quyet_dinh_huy"] = "09-QĐ/UBKT".into();
    hub.put("xac_minh_ts", &revoked).await;
    for id in &ids {
        breaks(hub, ("xac_minh_ts", UNIT, &key(id)), asked, &[]).await;
    }
}
