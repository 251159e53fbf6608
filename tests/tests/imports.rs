//! What the province learns of the units' imports: each of the last ones, by type, hash, counts and reason classes, and
//! no value.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::{IMPORTS_MAX, LedgerOptions};
use lienthong_hub::service::Request;
use lienthong_node::app::system_clock;
use lienthong_proto::hash::sha256;
use lienthong_tests::asking::{at_hub, import, until};
use lienthong_tests::browsing::Reader;
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, reopened};
use serde_json::{Value as Json, json};

const UNIT: &str = "11953";
const PASSWORD: &str = "mật khẩu đủ dài";
const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng\n";
/// Two good rows, one with a number too short, one with a date that is none and a code nobody has.
const ROWS: &str = "Nguyễn Văn An,02/03/1975,Nam,033075000001,01/02/2000,Chi bộ 1,11953,CHIBO,CHINH_THUC\n\
                    Trần Thị Bình,05/01/1980,Nữ,033180000123,03/02/2005,Chi bộ 1,11953,CHIBO,CHINH_THUC\n\
                    Phạm Quang Dũng,02/03/1976,Nam,0330,01/02/2000,Chi bộ 1,11953,CHIBO,CHINH_THUC\n\
                    Lê Minh Châu,31/02/1990,Nữ,033190000789,01/02/2010,Chi bộ 1,11953,CHIBO,KHONG_RO\n";

async fn shown(hub: &Arc<Hub>) -> Json {
    at_hub(hub, Request::UnitShow { unit: UNIT.parse().unwrap() }).await
}

fn open(data: &Path) -> Arc<Hub> {
    reopened(|| Ok(Hub::open(data, catalogue()?, &LedgerOptions::default(), system_clock)?))
}

/// Goal: an import's fields and reasons arrive at the hub and hold no value; they outlive a restart and come back from
/// the ledger; no more than a bounded number is kept; a file refused whole is one too.
#[tokio::test(flavor = "multi_thread")]
async fn imports_are_seen_at_the_province_without_a_value() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let sheet = format!("{HEAD}{ROWS}");
    let report = import(&node, dir.path(), "dang_vien", &sheet).await;
    acknowledged(&node).await.unwrap();
    let arrived = |count: usize| move |body: &Json| body["imports"].as_array().map(Vec::len) == Some(count);
    let body = until("the import", async || shown(&hub).await, arrived(1)).await;
    let line = &body["imports"][0];
    assert_eq!(line["type"], "dang_vien");
    assert_eq!(line["sha256"], hex::encode(sha256(&[sheet.as_bytes()])));
    assert_eq!(
        [&line["rows"], &line["created"], &line["rejected"], &line["whole"]],
        [&json!(4), &json!(2), &json!(2), &json!(true)],
        "{line:#}"
    );
    for found in report["errors"].as_array().unwrap() {
        assert!(line["reasons"][found["rule"].as_str().unwrap()].as_u64() >= Some(1), "{found}: {line:#}");
    }
    assert!(line["reasons"]["CCCD_FORMAT"] == 1 && line["reasons"]["DATE_INVALID"] == 1, "{line:#}");
    let status = hub.status()["units"].as_array().unwrap().iter().find(|u| u["unit"] == UNIT).cloned();
    assert_eq!(status.unwrap()["last_import"], *line);

    hub.accounts.add("lan", vec![AccountRole::Steward], None, Some(PASSWORD), hub.now()).unwrap();
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap();
    let mut reader = Reader::new(&hub, pages);
    assert_eq!(reader.sign_in("lan", PASSWORD).await.status, 303);
    let page = reader.get(&format!("/units/{UNIT}")).await;
    let (_, section) = page.body.split_once("Các lần nhập gần đây").unwrap();
    assert!(section.contains("CCCD_FORMAT") && section.contains("Đảng viên"), "{section}");

    // A file refused whole, and more than are kept.
    import(&node, dir.path(), "to_chuc_dang", "").await;
    for extra in 0..IMPORTS_MAX {
        let name = if extra % 2 == 0 { "Nguyễn Văn An" } else { "Nguyễn Văn Ân" };
        import(&node, dir.path(), "dang_vien", &sheet.replace("Nguyễn Văn An", name)).await;
        if extra == 0 {
            acknowledged(&node).await.unwrap();
            let body = until("the refused one", async || shown(&hub).await, arrived(3)).await;
            let refused = &body["imports"][1];
            assert_eq!([&refused["rows"], &refused["whole"]], [&json!(0), &json!(false)], "{body:#}");
            assert_eq!(refused["reasons"]["FILE_EMPTY"], 1, "{body:#}");
        }
    }
    acknowledged(&node).await.unwrap();
    let kept =
        until("the last ones", async || shown(&hub).await, arrived(IMPORTS_MAX)).await["imports"].clone();
    assert!(kept.as_array().unwrap().iter().all(|line| line["type"] == "dang_vien"), "{kept:#}");
    let said = format!("{body}{kept}");
    for value in ["Nguyễn", "Dũng", "033075000001", "0330,", "31/02", "KHONG_RO", "Chi bộ"] {
        assert!(!said.contains(value), "{value}: {said}");
    }

    node.close().await;
    hub.close().await;
    drop(reader);
    drop(hub);
    let data = dir.path().join("hub");
    let hub = open(&data);
    assert_eq!(shown(&hub).await["imports"], kept, "kept over a restart");
    hub.close().await;
    drop(hub);
    std::fs::remove_dir_all(data.join("view")).unwrap();
    let hub = open(&data);
    assert_eq!(shown(&hub).await["imports"], kept, "made again from the ledger");
    hub.close().await;
}
