//! The cases of conflict between two machines of one unit that were both away: what is shown, what is open, what stands.
//! The other cases: X01–X03 and X26 `handover.rs`, X04–X06 `duplicates.rs`, X10 and X24 (what is locked stays) `course.rs`, X11,
//! X13–X17 and X25 `bodies.rs`, X19 `lineage.rs`, X20 `proto/src/rules/tests.rs` and, in files, `node/src/intake/tests.rs`, X21 `hostile.rs`, X22 `recovery.rs`, X23
//! `withdraw.rs`, X28 `versions.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::service::Request;
use lienthong_node::app::Node;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_tests::asking::away;
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::{Value as Json, json};

const UNIT: &str = "11953";

/// One case: a record, what each of two machines makes of it without knowing of the other, and what is right.
struct Case {
    name: &'static str,
    record_type: &'static str,
    key: &'static str,
    record: Json,
    one: Json,
    other: Json,
    /// Fields as they are to be shown.
    shown: Json,
    /// Fields somebody has to decide about.
    open: &'static [&'static str],
    /// Values that must stand among those of their field, shown or not.
    kept: &'static [(&'static str, &'static str)],
}

fn member(number: &str, more: &Json) -> Json {
    let mut member = json!({
        "ho_ten": "Nguyễn Văn An", "ngay_sinh": "1975-03-02", "gioi_tinh": "NAM", "so_cccd": number,
        "ngay_vao_dang": "2000-02-01", "chi_bo": "Chi bộ 1", "ma_xa": UNIT, "dien_quan_ly": "CHIBO",
        "tinh_trang": "CHINH_THUC",
    });
    extend(&mut member, more);
    member
}

fn case(number: &str, more: &Json) -> Json {
    let mut case = json!({
        "ma_cuoc": number, "loai": "KT_CHAP_HANH", "chu_the": "UBKT", "doi_tuong": ["Ông A"], "noi_dung": "Kiểm tra",
        "linh_vuc": "LV04", "so_quyet_dinh": "01-QĐ/UBKT", "ngay_quyet_dinh": "2026-09-01",
        "trang_thai": "KE_HOACH", "ma_xa": UNIT,
    });
    extend(&mut case, more);
    case
}

fn extend(one: &mut Json, more: &Json) {
    for (name, value) in more.as_object().unwrap() {
        one[name] = value.clone();
    }
}

fn people() -> Vec<Case> {
    let (a, b, c) = ("033075000001", "033075000002", "033075000003");
    vec![
        Case {
            name: "X07 two fields: both, and nothing to decide",
            record_type: "dang_vien",
            key: a,
            record: member(a, &json!({ "dien_thoai": "0912345671" })),
            one: json!({ "so_cccd": a, "dien_thoai": "0912345672" }),
            other: json!({ "so_cccd": a, "que_quan": "Hưng Yên" }),
            shown: json!({ "dien_thoai": "0912345672", "que_quan": "Hưng Yên" }),
            open: &[],
            kept: &[],
        },
        Case {
            name: "X08 one field of little weight twice: the later is shown, the other seen",
            record_type: "dang_vien",
            key: b,
            record: member(b, &json!({ "dien_thoai": "0912345671" })),
            one: json!({ "so_cccd": b, "dien_thoai": "0912345672" }),
            other: json!({ "so_cccd": b, "dien_thoai": "0912345673" }),
            shown: json!({ "dien_thoai": "0912345673" }),
            open: &["dien_thoai"],
            kept: &[("dien_thoai", "0912345672")],
        },
        Case {
            name: "X09 a name twice: a person decides, both stand",
            record_type: "dang_vien",
            key: c,
            record: member(c, &json!({})),
            one: json!({ "so_cccd": c, "ho_ten": "Nguyễn Văn Ân" }),
            other: json!({ "so_cccd": c, "ho_ten": "Nguyễn Văn Ấn" }),
            shown: json!({}),
            open: &["ho_ten"],
            kept: &[("ho_ten", "Nguyễn Văn Ân"), ("ho_ten", "Nguyễn Văn Ấn")],
        },
    ]
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "X12 team members added at both: all of them",
            record_type: "cuoc_kiem_tra",
            key: "C12",
            record: case(
                "C12",
                &json!({ "thanh_vien_doan": [{ "thanh_vien": "Bà B", "vai_tro": "Trưởng đoàn" }] }),
            ),
            one: json!({ "ma_cuoc": "C12", "thanh_vien_doan": [{ "thanh_vien": "Ông C" }] }),
            other: json!({ "ma_cuoc": "C12", "thanh_vien_doan": [{ "thanh_vien": "Ông D" }] }),
            shown: json!({ "thanh_vien_doan": [
                { "thanh_vien": "Bà B", "vai_tro": "Trưởng đoàn" }, { "thanh_vien": "Ông C" }, { "thanh_vien": "Ông D" }
            ] }),
            open: &[],
            kept: &[],
        },
        Case {
            name: "X18 two extensions: both stand",
            record_type: "cuoc_kiem_tra",
            key: "C18",
            record: case("C18", &json!({})),
            one: json!({ "ma_cuoc": "C18", "gia_han": ["05-QĐ/UBKT ngày 1/10/2026"] }),
            other: json!({ "ma_cuoc": "C18", "gia_han": ["06-QĐ/UBKT ngày 9/10/2026"] }),
            shown: json!({ "gia_han": ["05-QĐ/UBKT ngày 1/10/2026", "06-QĐ/UBKT ngày 9/10/2026"] }),
            open: &[],
            kept: &[],
        },
        Case {
            name: "X27 items of a programme: each side its own, and one item field by field",
            record_type: "chuong_trinh",
            key: "UBKT|NAM 2026",
            record: json!({
                "chu_the": "UBKT", "ky": "NAM 2026", "so_van_ban": "01-CTr/UBKT", "ngay": "2026-01-10", "ma_xa": UNIT,
                "muc": [{ "loai": "KT_CHAP_HANH", "doi_tuong": "Chi bộ 1", "noi_dung": "Kiểm tra" }],
            }),
            one: json!({
                "chu_the": "UBKT", "ky": "NAM 2026",
                "muc": [
                    { "loai": "KT_CHAP_HANH", "doi_tuong": "Chi bộ 1", "noi_dung": "Kiểm tra", "linh_vuc": "LV04" },
                    { "loai": "GS_CHUYEN_DE", "doi_tuong": "Chi bộ 2", "noi_dung": "Giám sát" },
                ],
            }),
            other: json!({
                "chu_the": "UBKT", "ky": "NAM 2026",
                "muc": [{
                    "loai": "KT_CHAP_HANH", "doi_tuong": "Chi bộ 1", "noi_dung": "Kiểm tra",
                    "thoi_gian_du_kien": "2026-06-01",
                }],
            }),
            shown: json!({ "muc": [
                {
                    "doi_tuong": "Chi bộ 1", "linh_vuc": "LV04", "loai": "KT_CHAP_HANH", "noi_dung": "Kiểm tra",
                    "thoi_gian_du_kien": "2026-06-01",
                },
                { "doi_tuong": "Chi bộ 2", "loai": "GS_CHUYEN_DE", "noi_dung": "Giám sát" },
            ] }),
            open: &[],
            kept: &[],
        },
    ]
}

async fn put(node: &Arc<Node>, record_type: &str, value: &Json) {
    let request = NodeRequest::Records(RecordsRequest::Put {
        values: vec![value.clone()],
        record_type: record_type.to_owned(),
        author: "lan".to_owned(),
        english: true,
    });
    let body = Arc::clone(node).execute(request, Arc::new(|_| {})).await.body;
    assert_eq!(body["created"].as_u64().unwrap() + body["updated"].as_u64().unwrap(), 1, "{body:#}");
}

async fn get(hub: &Arc<Hub>, case: &Case) -> Json {
    let request = RecordsRequest::Get {
        record_type: case.record_type.to_owned(),
        id: case.key.to_owned(),
        unit: Some(UNIT.parse().unwrap()),
    };
    Arc::clone(hub).execute(Request::Records(request), Arc::new(|_| {})).await.body
}

/// Goal: each case comes out as it is right, and the same at the hub and at both machines. Method: one machine writes
/// the records, the other hears of them; then each is away and writes its part.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_machines_of_a_unit_write_meets_as_is_right() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let all: Vec<Case> = people().into_iter().chain(cases()).collect();
    let one = make_node(&hub, &address, &dir.path().join("one"), UNIT).await.unwrap();
    let other = make_node(&hub, &address, &dir.path().join("other"), UNIT).await.unwrap();
    for case in &all {
        put(&one, case.record_type, &case.record).await;
    }
    for node in [&one, &other] {
        node.start_sync(brisk());
    }
    acknowledged(&one).await.unwrap();
    let begun = Instant::now();
    while other.replica.dataset().totals().records < all.len() as u64 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the other machine hears of them");
        tokio::task::yield_now().await;
    }
    let one = away(one, &dir.path().join("one")).await;
    let other = away(other, &dir.path().join("other")).await;
    for case in &all {
        put(&one, case.record_type, &case.one).await;
    }
    for case in &all {
        put(&other, case.record_type, &case.other).await;
    }
    for node in [&one, &other] {
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    for case in &all {
        let found = get(&hub, case).await;
        for (name, value) in case.shown.as_object().unwrap() {
            assert_eq!(&found["fields"][name], value, "{}: {found:#}", case.name);
        }
        let conflicts = found["conflicts"].as_array().unwrap();
        let open: Vec<&str> = conflicts.iter().map(|conflict| conflict["field"].as_str().unwrap()).collect();
        assert_eq!(open, case.open, "{}: {found:#}", case.name);
        for (field, value) in case.kept {
            let conflict = conflicts.iter().find(|conflict| conflict["field"] == *field).unwrap();
            let stands = conflict["siblings"].as_array().unwrap().iter().any(|s| s["value"] == *value);
            assert!(stands, "{}: {field} {value}: {found:#}", case.name);
        }
    }
}
