//! Lawful erasure, with real processes: what an order takes is nowhere any more, and everything else still holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::service::{Asked, ErasingRequest, Request};
use lienthong_node::control;
use lienthong_node::records::Page;
use lienthong_tests::canary::{found, written};
use lienthong_tests::processes::{HubPlace, in_step, person, put};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const PASSWORD: &str = "một mật khẩu dài và khó đoán";
const UNIT: &str = "11953";
const OTHER: &str = "12004";
/// In a name, and in a phone number's place.
const CANARY: &str = "Hoàng Yến Mười Ba";
const COURSE: &str = "Khóa Chim Hoàng Yến";

fn order(number: &str, rest: &str) -> String {
    format!(
        "order = \"{number}\"\nissuer = \"UBKT Tỉnh ủy\"\ndate = \"2026-11-20\"\nreason = \"ghi nhầm người\"\n{rest}"
    )
}

fn approver(request: ErasingRequest) -> Asked {
    let credentials = Credentials { user: "lan".to_owned(), password: PASSWORD.to_owned(), code: None };
    Asked { credentials: Some(credentials), request: Request::Erasing(request) }
}

/// Asks a hub's folder until it answers as wanted; one that is opened anew does not answer for a moment.
async fn until(data: &Path, request: &Request, wanted: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = control::call(data, request).await.ok().flatten().map(|answer| answer.body);
        match answer {
            Some(body) if wanted(&body) => return body,
            other => assert!(Instant::now() < deadline, "{other:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn listed() -> Request {
    Request::Erasing(ErasingRequest::List { page: Page::default() })
}

/// Waits until an order is carried out at the hub and so many nodes have confirmed it.
async fn carried_out(data: &Path, order: &str, nodes: usize) -> Json {
    let is = |item: &Json| {
        let confirmed =
            item["nodes"].as_array().unwrap().iter().filter(|node| node["confirmed"] == true).count();
        item["order"] == order && item["state"] == "done" && confirmed == nodes
    };
    until(data, &listed(), |body| body["items"].as_array().is_some_and(|items| items.iter().any(is))).await
}

async fn with_approver(hub: &mut Daemon) {
    let request = Request::UserAdd {
        name: "lan".to_owned(),
        roles: vec![AccountRole::Approver],
        uid: None,
        password: Some(PASSWORD.to_owned()),
        actor: String::new(),
    };
    assert_eq!(hub.ask(&request).await.unwrap().exit, 0);
}

async fn approve(hub: &mut Daemon, number: u64) -> Json {
    let approved =
        hub.ask(&approver(ErasingRequest::Approve { number, actor: String::new() })).await.unwrap();
    assert_eq!(approved.exit, 0, "{:#}", approved.body);
    approved.body
}

async fn put_type(daemon: &Daemon, record_type: &str, value: Json) {
    let request = json!({
        "command": "records", "records": "put", "values": [value], "record_type": record_type,
        "author": "test", "english": true,
    });
    let answer = daemon.ask(&request).await.unwrap();
    assert_eq!(answer.exit, 0, "{:#}", answer.body);
}

/// Goal: what two persons order to be erased is, afterwards, in no byte of hub and nodes: one that wrote it, one that was
/// fed it, one that was away; who stands alone, what is no record and what is held by a case is refused; ledger, logs and
/// records hold. Method: real processes; canaries in a field, in items, in a value that was superseded.
#[tokio::test(flavor = "multi_thread")]
async fn t49_what_was_erased_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let hub_data = place.path("hub");
    with_approver(&mut hub).await;
    let mut node = place.node(&hub, "node", UNIT).await.unwrap();
    let mut twin = place.node(&hub, "twin", UNIT).await.unwrap();
    let mut stranger = place.node(&hub, "stranger", OTHER).await.unwrap();
    // The canary, then another name over it; and somebody beside it in the same batch.
    put(&node, &[person(UNIT, 1, CANARY), person(UNIT, 2, "Trần Văn Hai")]).await.unwrap();
    put(&node, &[person(UNIT, 1, "Nguyễn Văn Sau")]).await.unwrap();
    put_type(
        &node,
        "can_bo",
        json!({
            "dang_vien_id": "033070000001", "don_vi": UNIT, "chuc_danh": "UY_VIEN", "chuyen_trach": true,
            "tu_ngay": "2024-01-01", "ly_luan_ct": "CAO_CAP", "quan_ly_nn": "CAO_CAP", "ky_nang_so": true,
            "boi_duong": [{ "khoa": COURSE, "ngay": "2025-01-02", "so_gio": 8 }],
        }),
    )
    .await;
    for daemon in [&node, &twin, &stranger] {
        in_step(daemon).await.unwrap();
    }
    let shown = ["as-node", "record", "get", "dang_vien", "033070000001"];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (said, _) = once(Path::new(PROGRAM), &shown, &place.path("twin")).await.unwrap();
        if said.to_string().contains("Nguyễn Văn Sau") {
            break;
        }
        assert!(Instant::now() < deadline, "the twin is fed: {said:#}");
    }
    twin.kill().await.unwrap();
    for folder in ["hub", "node", "twin"] {
        assert!(!found(&place.path(folder), CANARY).is_empty(), "{folder} has it before");
        assert!(!found(&place.path(folder), COURSE).is_empty(), "{folder} has it before");
    }

    // What is refused.
    let name = written(
        place.path("name.toml"),
        &order("12/QĐ", "type = \"dang_vien\"\nrecord = \"033070000001\"\nfields = [\"ho_ten\"]\n"),
    );
    let refusals = [
        ("type = \"dang_vien\"\nrecord = \"033070000009\"\nfields = [\"ho_ten\"]\n", "no such record"),
        ("type = \"dang_vien\"\nrecord = \"033070000001\"\nfields = [\"mau_mat\"]\n", "no field mau_mat"),
        ("type = \"dang_vien\"\nrecord = \"033070000001\"\nfields = [\"dien_thoai\"]\n", "never had a value"),
        ("type = \"dang_vien\"\nrecord = \"033070000001\"\n", "one of the two"),
        (
            "type = \"dang_vien\"\nrecord = \"033070000001\"\nwhole = true\ndespite_open_case = true\n",
            "despite_open_case",
        ),
    ];
    for (rest, why) in refusals {
        let file = written(place.path("bad.toml"), &order("1", rest));
        let said = place.refused(&["erase", "--order", &file], "hub").await.unwrap();
        assert!(said.contains(why), "{said}");
    }
    let dry = place.done(&["erase", "--order", &name, "--dry-run"], "hub").await.unwrap();
    assert_eq!((&dry["entries"], &dry["values"]), (&json!(2), &json!(2)), "{dry:#}");
    assert_eq!(dry["replicas"][0]["unit"], UNIT);
    let proposed = place.done(&["erase", "--order", &name], "hub").await.unwrap();
    let number = proposed["number"].as_u64().unwrap();
    assert!(!proposed.to_string().contains("033070000001"), "the key is in the file alone: {proposed:#}");
    let again = place.done(&["erase", "--order", &name], "hub").await.unwrap();
    assert_eq!(again["number"], number, "the same order is not two");
    let own = place.refused(&["erase", "--approve", &number.to_string()], "hub").await.unwrap();
    assert!(own.contains("Approve"), "{own}");
    let items = written(
        place.path("items.toml"),
        &order(
            "13/QĐ",
            &format!(
                "type = \"can_bo\"\nrecord = \"{}\"\nwhole = true\n",
                place.done(&["record", "list", "can_bo"], "hub").await.unwrap()["items"][0]["id"]
                    .as_str()
                    .unwrap()
            ),
        ),
    );
    let whole = place.done(&["erase", "--order", &items], "hub").await.unwrap()["number"].as_u64().unwrap();

    // Approved by another; the one that is away hears it when it is back.
    approve(&mut hub, number).await;
    carried_out(&hub_data, "12/QĐ", 1).await;
    approve(&mut hub, whole).await;
    let body = carried_out(&hub_data, "13/QĐ", 1).await;
    assert_eq!(
        body["items"][0]["nodes"].as_array().unwrap().len(),
        2,
        "the stranger holds nothing of it: {body:#}"
    );
    let mut twin = place.run("twin").await.unwrap();
    carried_out(&hub_data, "12/QĐ", 2).await;
    carried_out(&hub_data, "13/QĐ", 2).await;

    // The record says so, and who and when; nobody is asked twice.
    for (program, folder) in [(None, "hub"), (Some("as-node"), "node"), (Some("as-node"), "twin")] {
        let mut get: Vec<&str> = program.into_iter().collect();
        get.extend(["record", "get", "dang_vien", "033070000001"]);
        let record = place.done(&get, folder).await.unwrap();
        assert_eq!(record["erased"][0]["order"], "12/QĐ", "{folder}: {record:#}");
        assert_eq!(record["erased"][0]["changes"].as_array().unwrap().len(), 2, "{record:#}");
        assert!(!record.to_string().contains("Nguyễn Văn Sau"), "{record:#}");
        assert_eq!(record["fields"]["chi_bo"], json!("Chi bộ 1"), "the rest stays: {record:#}");
    }
    assert_eq!(place.done(&["erase", "--order", &name], "hub").await.unwrap()["state"], "done");
    let verified = place.done(&["ledger", "verify", "--full"], "hub").await.unwrap();
    assert_eq!(verified["differs"], Json::Null);
    // What is written later travels as ever, and converges.
    put(&node, &[person(UNIT, 1, "Nguyễn Văn Mới")]).await.unwrap();
    for daemon in [&node, &twin] {
        in_step(daemon).await.unwrap();
    }
    let reconciled = place.done(&["reconcile", "--unit", UNIT], "hub").await.unwrap();
    assert_eq!(reconciled["state"], "equal", "{reconciled:#}");
    for daemon in [&mut node, &mut twin, &mut stranger] {
        daemon.kill().await.unwrap();
    }
    hub.kill().await.unwrap();
    for folder in ["hub", "node", "twin", "stranger"] {
        for value in [CANARY, "Nguyễn Văn Sau", COURSE] {
            assert_eq!(found(&place.path(folder), value), Vec::<String>::new(), "{folder}, {value}");
        }
    }
    for folder in ["node", "twin"] {
        place.done(&["as-node", "check"], folder).await.unwrap();
    }
    place.done(&["check"], "hub").await.unwrap();
}
