//! Lawful erasure, with real processes: what an order takes is nowhere any more, and everything else still holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::service::{Asked, ErasingRequest, Request, SharingRequest};
use lienthong_node::control;
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_tests::asking::{self, at_hub, at_node};
use lienthong_tests::canary::{found, written};
use lienthong_tests::processes::{HubPlace, in_step, person, put};
use lienthong_tests::sharing::{MEMBERS, contains, decoded, delivered, opened};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const PASSWORD: &str = "một mật khẩu dài và khó đoán";
const UNIT: &str = "11953";
const OTHER: &str = "12004";
/// In a name, and in a phone number's place.
const CANARY: &str = "Hoàng Yến Mười Ba";
const LATE: &str = "Lê Thị Viết Muộn";
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
            other if Instant::now() > deadline => {
                let said = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                panic!("{other:#?}\n{said}");
            }
            _ => {}
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

/// Waits until a node was fed what the other had written.
async fn fed(place: &HubPlace, name: &str) {
    let shown = ["as-node", "record", "get", "dang_vien", "033070000001"];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (said, _) = once(Path::new(PROGRAM), &shown, &place.path(name)).await.unwrap();
        if said.to_string().contains("Nguyễn Văn Sau") {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is fed: {said:#}");
    }
}

/// Orders that ask for what cannot be.
async fn refused(place: &HubPlace) {
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
}

/// Everybody's copy of the record says by which order something of it is gone.
async fn said_by_all(place: &HubPlace) {
    for (program, folder) in [(None, "hub"), (Some("as-node"), "node"), (Some("as-node"), "twin")] {
        let mut get: Vec<&str> = program.into_iter().collect();
        get.extend(["record", "get", "dang_vien", "033070000001"]);
        let record = place.done(&get, folder).await.unwrap();
        let erased = record["erased"].as_array().unwrap();
        let changes = erased.iter().flat_map(|erased| erased["changes"].as_array().unwrap()).count();
        assert!(erased.iter().all(|erased| erased["order"] == "12/QĐ"), "{folder}: {record:#}");
        assert_eq!(changes, 3, "{folder}: {record:#}");
        assert!(!record.to_string().contains("Nguyễn Văn Sau"), "{record:#}");
        assert_eq!(record["fields"]["chi_bo"], json!("Chi bộ 1"), "the rest stays: {record:#}");
    }
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
    fed(&place, "twin").await;
    twin.kill().await.unwrap();
    // What it writes meanwhile, without a line, was written before the order.
    let late = written(place.path("late.json"), &person(UNIT, 1, LATE).to_string());
    place.done(&["as-node", "put", "--type", "dang_vien", &late], "twin").await.unwrap();
    for folder in ["hub", "node", "twin"] {
        assert!(!found(&place.path(folder), CANARY).is_empty(), "{folder} has it before");
        assert!(!found(&place.path(folder), COURSE).is_empty(), "{folder} has it before");
    }

    let name = written(
        place.path("name.toml"),
        &order("12/QĐ", "type = \"dang_vien\"\nrecord = \"033070000001\"\nfields = [\"ho_ten\"]\n"),
    );
    refused(&place).await;
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
    // Killed as soon as it has answered, it goes on where it was.
    approve(&mut hub, whole).await;
    hub.kill().await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
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
    said_by_all(&place).await;
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
        for value in [CANARY, "Nguyễn Văn Sau", COURSE, LATE] {
            assert_eq!(found(&place.path(folder), value), Vec::<String>::new(), "{folder}, {value}");
        }
    }
    for folder in ["node", "twin"] {
        place.done(&["as-node", "check"], folder).await.unwrap();
    }
    place.done(&["check"], "hub").await.unwrap();
}

/// A province with one node that has written the canary, and a backup from before it was erased.
async fn backed_up(place: &HubPlace, backup: &str) -> (Daemon, Daemon) {
    let mut hub = place.serve("hub").await.unwrap();
    with_approver(&mut hub).await;
    let node = place.node(&hub, "node", UNIT).await.unwrap();
    put(&node, &[person(UNIT, 1, CANARY), person(UNIT, 2, "Trần Văn Hai")]).await.unwrap();
    in_step(&node).await.unwrap();
    place.done(&["backup", backup, "--to", "plain"], "hub").await.unwrap();
    (hub, node)
}

async fn erase_name(place: &HubPlace, hub: &mut Daemon) {
    let name = written(
        place.path("name.toml"),
        &order("12/QĐ", "type = \"dang_vien\"\nrecord = \"033070000001\"\nfields = [\"ho_ten\"]\n"),
    );
    let number = place.done(&["erase", "--order", &name], "hub").await.unwrap()["number"].as_u64().unwrap();
    approve(hub, number).await;
    carried_out(hub.data(), "12/QĐ", 1).await;
}

/// `restore` with a list of erasures instead of none.
fn with_list<'a>(place: &'a HubPlace, backup: &'a str, list: &'a str) -> Vec<&'a str> {
    let mut arguments = place.successor(&["restore", backup]);
    arguments.pop();
    arguments.push(list);
    arguments
}

/// Goal: a backup from before the erasure, restored, erases again before it serves, by the list that is kept beside it;
/// without that word it is not restored, nor with a list that is older or was altered. Method: real processes.
#[tokio::test(flavor = "multi_thread")]
async fn t49_a_backup_restored_later_erases_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    let (mut hub, mut node) = backed_up(&place, backup).await;
    let old = place.path("old.json");
    let old = old.to_str().unwrap();
    place.done(&["erase", "export", "--out", old], "hub").await.unwrap();
    erase_name(&place, &mut hub).await;
    let list = place.path("list.json");
    let list = list.to_str().unwrap();
    assert_eq!(place.done(&["erase", "export", "--out", list], "hub").await.unwrap()["erasures"], 1);
    hub.kill().await.unwrap();
    std::fs::remove_dir_all(place.path("hub")).unwrap();

    let mut silent = place.successor(&["restore", backup]);
    silent.truncate(silent.len() - 2);
    let (said, code) = once(Path::new(PROGRAM), &silent, &place.path("new")).await.unwrap();
    assert!(code != 0 && said.to_string().contains("--erasures"), "{said}");
    // Every byte of what a list proves counts: an order taken out of it is missed, one put in is not believed.
    let text = std::fs::read_to_string(list).unwrap();
    let altered = written(place.path("altered.json"), &text.replacen("\"entry\": \"A", "\"entry\": \"B", 1));
    assert_ne!(std::fs::read_to_string(&altered).unwrap(), text);
    let said = place.refused(&with_list(&place, backup, &altered), "new").await.unwrap();
    assert!(said.contains("not proven"), "{said}");
    let stray = written(place.path("stray.json"), "{}");
    let said = place.refused(&with_list(&place, backup, &stray), "new").await.unwrap();
    assert!(said.contains("erase export"), "{said}");
    place.done(&with_list(&place, backup, list), "new").await.unwrap();
    assert!(!found(&place.path("new"), CANARY).is_empty(), "the backup has it");
    let mut hub = place.serve("new").await.unwrap();
    let get = ["record", "get", "dang_vien", "033070000001"];
    let record = place.done(&get, "new").await.unwrap();
    assert_eq!(record["erased"][0]["order"], "12/QĐ", "{record:#}");
    in_step(&node).await.unwrap();
    carried_out(hub.data(), "12/QĐ", 1).await;
    assert_eq!(place.done(&["ledger", "verify", "--full"], "new").await.unwrap()["differs"], Json::Null);
    node.kill().await.unwrap();
    hub.kill().await.unwrap();
    for folder in ["new", "node"] {
        assert_eq!(found(&place.path(folder), CANARY), Vec::<String>::new(), "{folder}");
    }
}

/// Goal: where that list is lost with the hub, the nodes bring the order, and it is believed for its proof alone.
/// Method: as above, restored with no list.
#[tokio::test(flavor = "multi_thread")]
async fn t49_nodes_bring_an_erasure_that_a_backup_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    let (mut hub, mut node) = backed_up(&place, backup).await;
    erase_name(&place, &mut hub).await;
    in_step(&node).await.unwrap();
    hub.kill().await.unwrap();
    place.done(&place.successor(&["restore", backup]), "new").await.unwrap();
    let mut hub = place.serve("new").await.unwrap();
    // It dials now, and need not wait as long as it does after a lost line.
    node.ask(&json!({ "command": "sync" })).await.unwrap();
    carried_out(hub.data(), "12/QĐ", 1).await;
    node.kill().await.unwrap();
    hub.kill().await.unwrap();
    for folder in ["new", "node"] {
        assert_eq!(found(&place.path(folder), CANARY), Vec::<String>::new(), "{folder}");
    }
}

fn python(bundle: &str, policy: &str, key: &str) -> Option<Json> {
    let ready = std::process::Command::new("python3").args(["-c", "import cryptography"]).output();
    if !ready.is_ok_and(|ready| ready.status.success()) {
        println!("skipped: needs python3 (3.11) with the package `cryptography`");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier/verify_bundle.py");
    let mut python = std::process::Command::new("python3");
    let output = python.args([script, bundle, "--trust", policy, "--key", key]).output().unwrap();
    Some(
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| json!({ "said": String::from_utf8_lossy(&output.stderr) })),
    )
}

/// An agency with a grant in force, and the file of its key.
async fn granted(place: &HubPlace, hub: &Daemon, key: &str) -> u64 {
    let pair = place.done(&["key", "pair", key], "hub").await.unwrap();
    let recipient = pair["recipient"].as_str().unwrap_or_else(|| panic!("{pair:#}")).to_owned();
    place.done(&["agency", "add", "TTT", "--name", "Thanh tra", "--key", &recipient], "hub").await.unwrap();
    granted_more(place, hub, MEMBERS).await
}

/// Another grant of that agency in force.
async fn granted_more(place: &HubPlace, hub: &Daemon, rest: &str) -> u64 {
    let file = written(place.path("grant.toml"), &lienthong_tests::sharing::grant(rest));
    let grant = place.done(&["grant", "propose", &file], "hub").await.unwrap()["number"].as_u64().unwrap();
    let credentials = Credentials { user: "lan".to_owned(), password: PASSWORD.to_owned(), code: None };
    let request = Request::Sharing(SharingRequest::GrantApprove { number: grant, actor: String::new() });
    assert_eq!(hub.ask(&Asked { credentials: Some(credentials), request }).await.unwrap().exit, 0);
    grant
}

/// Goal: an agency's live view is handed anew without what was erased, and nothing of it stays on the agency's disk. Method:
/// real processes; the deliveries as they stand in files.
#[tokio::test(flavor = "multi_thread")]
async fn t49_a_live_view_is_handed_anew_without_what_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let unused = place.path("backup");
    let (mut hub, node) = backed_up(&place, unused.to_str().unwrap()).await;
    place.done(&["as-node", "log", "tally"], "node").await.unwrap();
    in_step(&node).await.unwrap();
    granted(&place, &hub, place.path("agency.key").to_str().unwrap()).await;
    let live = place.node(&hub, "live", "TTT").await.unwrap();
    let shown = async |wanted: &dyn Fn(&Json) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            live.ask(&json!({ "command": "sync" })).await.unwrap();
            let arguments = ["as-node", "record", "list", "dang_vien"];
            let (said, code) = once(Path::new(PROGRAM), &arguments, live.data()).await.unwrap();
            if code == 0 && wanted(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{said:#}");
        }
    };
    shown(&|said| said.to_string().contains(CANARY)).await;
    assert!(delivered(live.data(), CANARY));
    erase_name(&place, &mut hub).await;
    let anew = |said: &Json| {
        !said.to_string().contains(CANARY) && said["items"].as_array().is_some_and(|items| !items.is_empty())
    };
    shown(&anew).await;
    assert!(!delivered(live.data(), CANARY));
    assert_eq!(found(live.data(), CANARY), Vec::<String>::new());
    agency_has_confirmed(&place, true).await;
    let checked = place.done(&["as-node", "check"], "live").await;
    assert!(checked.is_ok(), "{checked:?}");
}

/// Goal: an agency's live view tells of no order about a record it is not shown; when that record comes to be shown, the order
/// is told with it, and the view holds. Method: as above; one record comes into the grant's condition behind an order about it.
#[tokio::test(flavor = "multi_thread")]
async fn t49_a_live_view_tells_of_orders_with_their_records() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let unused = place.path("backup");
    let (mut hub, node) = backed_up(&place, unused.to_str().unwrap()).await;
    let elsewhere = json!({ "chi_bo": "Chi bộ 2" });
    let moved = |name: &str, to: &Json| {
        let mut member = person(UNIT, if name == CANARY { 1 } else { 2 }, name);
        member.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        member
    };
    put(&node, &[moved(CANARY, &elsewhere)]).await.unwrap();
    place.done(&["as-node", "log", "tally"], "node").await.unwrap();
    in_step(&node).await.unwrap();
    let pair = place.path("agency.key");
    let pair = place.done(&["key", "pair", pair.to_str().unwrap()], "hub").await.unwrap();
    let recipient = pair["recipient"].as_str().unwrap().to_owned();
    place.done(&["agency", "add", "TTT", "--name", "Thanh tra", "--key", &recipient], "hub").await.unwrap();
    granted_more(&place, &hub, &format!("{MEMBERS}[[share.only]]\nfield = 'chi_bo'\nis = ['Chi bộ 1']\n"))
        .await;
    let live = place.node(&hub, "live", "TTT").await.unwrap();
    let view = async || {
        once(Path::new(PROGRAM), &["as-node", "grants"], &place.path("live")).await.unwrap().0["items"][0]
            .clone()
    };
    let received = async |count: u64, behind: u64| {
        let wanted =
            |line: &Json| line["records"]["dang_vien"] == count && line["access"].as_u64() > Some(behind);
        asking::until("the view", view, wanted).await["access"].as_u64().unwrap()
    };
    let before = received(1, 0).await;
    erase_name(&place, &mut hub).await;
    // Whatever the order changed is told by now, and behind it what another record brings.
    put(&node, &[moved("Trần Văn Ba", &json!({}))]).await.unwrap();
    let anew = received(1, before).await;
    assert!(!delivered(live.data(), "12/QĐ"), "of a record that is not shown");
    put(&node, &[json!({ "so_cccd": "033070000001", "ma_xa": UNIT, "chi_bo": "Chi bộ 1" })]).await.unwrap();
    received(2, anew).await;
    assert!(delivered(live.data(), "12/QĐ") && !delivered(live.data(), CANARY));
    let checked = place.done(&["as-node", "check"], "live").await;
    assert!(checked.is_ok(), "{checked:?}");
}

/// Waits until the one agency has, or has not, said that what it had is gone; the line that says so.
async fn agency_has_confirmed(place: &HubPlace, wanted: bool) -> Json {
    let confirmed = |body: &Json| body["items"][0]["agencies"][0]["replicas"][0]["confirmed"] == wanted;
    let body = until(&place.path("hub"), &listed(), confirmed).await;
    body["items"][0]["agencies"].clone()
}

/// Goal: what an order takes goes from an agency's disk also where its grant is over: the view, what was set aside as damaged,
/// what is left of a former ledger; until the agency has said so the hub lists it, and the agency keeps the signed reason.
/// Method: real processes; the agency is away while the order is carried out.
#[tokio::test(flavor = "multi_thread")]
async fn t49_what_a_grant_that_is_over_had_let_out_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let unused = place.path("backup");
    let (mut hub, node) = backed_up(&place, unused.to_str().unwrap()).await;
    place.done(&["as-node", "log", "tally"], "node").await.unwrap();
    in_step(&node).await.unwrap();
    let grant = granted(&place, &hub, place.path("agency.key").to_str().unwrap()).await;
    let mut live = place.node(&hub, "live", "TTT").await.unwrap();
    let grants = async || {
        once(Path::new(PROGRAM), &["as-node", "grants"], &place.path("live")).await.unwrap().0["items"][0]
            .clone()
    };
    asking::until("the view", grants, |line| line["records"]["dang_vien"].is_u64()).await;
    assert!(delivered(live.data(), CANARY));
    let revoke = ["grant", "revoke", &grant.to_string(), "--reason", "xong việc"];
    place.done(&revoke, "hub").await.unwrap();
    asking::until("it is over", grants, |line| line["state"] == "revoked").await;
    live.stop().await.unwrap();
    let all = place.path("live").join("granted");
    let view = std::fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let view = view.unwrap();
    let former = all.join(format!("{}-3", "ab".repeat(16)));
    for aside in [&view.with_extension("damaged"), &former] {
        std::fs::create_dir(aside).unwrap();
        for file in std::fs::read_dir(&view).unwrap().map(|file| file.unwrap().path()) {
            std::fs::copy(&file, aside.join(file.file_name().unwrap())).unwrap();
        }
    }
    erase_name(&place, &mut hub).await;
    let owed = agency_has_confirmed(&place, false).await;
    assert_eq!((&owed[0]["agency"], &owed[0]["grant"]), (&json!("TTT"), &json!(grant)), "{owed:#}");
    assert!(delivered(&place.path("live"), CANARY));
    let mut live = place.run("live").await.unwrap();
    agency_has_confirmed(&place, true).await;
    assert!(!delivered(live.data(), CANARY));
    assert_eq!(found(live.data(), CANARY), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [view], "what was aside is gone");
    for _ in 0..2 {
        let line = grants().await;
        assert_eq!((&line["erased"], &line["records"]), (&json!(["12/QĐ"]), &json!({})), "{line:#}");
        live.stop().await.unwrap();
        place.done(&["as-node", "check"], "live").await.unwrap();
        live = place.run("live").await.unwrap();
    }
}

/// Goal: a bundle from before the erasure still verifies; one made after it does, and says by whose order values are
/// gone, to both verifiers; who has the first gets a notice that only the ledger can have signed. Method: real processes.
#[tokio::test(flavor = "multi_thread")]
async fn t49_bundles_hold_and_receivers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let unused = place.path("backup");
    let (mut hub, node) = backed_up(&place, unused.to_str().unwrap()).await;
    place.done(&["as-node", "log", "tally"], "node").await.unwrap();
    in_step(&node).await.unwrap();
    let [key, before, after, policy, notice] = ["agency.key", "before", "after", "policy", "notice"]
        .map(|name| place.path(name).to_str().unwrap().to_owned());
    let grant = granted(&place, &hub, &key).await.to_string();
    place.done(&["bundle", "--grant", &grant, "--out", &before], "hub").await.unwrap();
    erase_name(&place, &mut hub).await;
    in_step(&node).await.unwrap();
    place.done(&["bundle", "--grant", &grant, "--out", &after], "hub").await.unwrap();
    let said = place.done(&["ledger", "policy"], "hub").await.unwrap();
    let _ = written(place.path("policy"), said["policy"].as_str().unwrap());
    let verify =
        |bundle: &str| ["as-node", "verify", bundle, "--trust", &policy, "--key", &key].map(str::to_owned);
    for (bundle, erased) in [(&before, json!({})), (&after, json!({ "12/QĐ": 1 }))] {
        let arguments = verify(bundle);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let verified = place.done(&arguments, "agency").await.unwrap();
        assert_eq!(verified["report"]["erased"], erased, "{verified:#}");
        if let Some(second) = python(bundle, &policy, &key) {
            assert_eq!(second["valid"], true, "{second:#}");
        }
    }
    bundle_in_words(&place, &after, &policy, &key);
    // Who is not shown the record is not told of the order.
    let none = format!("{MEMBERS}[[share.only]]\nfield = 'chi_bo'\nis = ['Chi bộ khác']\n");
    let (grant_of_none, without) =
        (granted_more(&place, &hub, &none).await.to_string(), place.path("without"));
    place
        .done(&["bundle", "--grant", &grant_of_none, "--out", without.to_str().unwrap()], "hub")
        .await
        .unwrap();
    let identity = std::fs::read_to_string(&key).unwrap().trim().parse().unwrap();
    for (bundle, is_told) in [(place.path("after"), true), (without, false)] {
        let entries = decoded(&opened(&bundle, &identity));
        assert_eq!(entries.iter().any(|entry| contains(entry, "12/QĐ".as_bytes())), is_told, "{bundle:?}");
    }
    let number = place.done(&["erase", "list"], "hub").await.unwrap()["items"][0]["number"].to_string();
    place.done(&["erase", "notice", &number, "--grant", &grant, "--out", &notice], "hub").await.unwrap();
    let arguments = verify(&notice);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = place.done(&arguments, "agency").await.unwrap();
    assert_eq!((&told["notice"]["order"], &told["notice"]["fields"]), (&json!("12/QĐ"), &json!(["ho_ten"])));
    assert!(!told.to_string().contains("033070000001"), "{told:#}");
    assert_eq!(told["anchored"], true);
    for (lang, trust, wanted) in [
        ("vi", Some(&policy), ["✓ Thông báo xóa theo lệnh 12/QĐ", "do sổ cái của tỉnh ký"]),
        ("en", Some(&policy), ["✓ A notice of erasure by order 12/QĐ", "signed by the province's ledger"]),
        ("vi", None, ["~ Thông báo xóa theo lệnh 12/QĐ", "chưa neo vào chính sách tin cậy"]),
        ("en", None, ["~ A notice of erasure by order 12/QĐ", "not anchored in a trust policy"]),
    ] {
        let said = words_of(&place, &notice, (trust.map(String::as_str), &key), lang, &[]);
        assert!(wanted.iter().all(|wanted| said.contains(wanted)) && said.contains("ho_ten"), "{said}");
    }
    let listed = place.done(&["erase", "list"], "hub").await.unwrap();
    assert_eq!(listed["items"][0]["notices"][0]["grant"].to_string(), grant);
}

/// What `verify` says to people, at the machine of a node that is enrolled.
fn words_of(
    place: &HubPlace,
    file: &str,
    (trust, key): (Option<&str>, &str),
    lang: &str,
    more: &[&str],
) -> String {
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["as-node", "verify", file, "--key", key, "--lang", lang]).args(more);
    command.args(trust.into_iter().flat_map(|trust| ["--trust", trust]));
    let output = command.arg("--data").arg(place.path("node")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is said of a bundle in either language: with a policy that it holds, without one that it is consistent and not
/// anchored, and never more; its tables in each format.
fn bundle_in_words(place: &HubPlace, bundle: &str, policy: &str, key: &str) {
    for (lang, trust, first, said, never) in [
        ("vi", Some(policy), "✓ Gói hợp lệ: ", ["nhân chứng đã ký: ", "bị xóa theo lệnh 12/QĐ"], "chưa neo"),
        (
            "en",
            Some(policy),
            "✓ The bundle holds: ",
            ["cosigned by: ", "erased by order 12/QĐ"],
            "not anchored",
        ),
        ("vi", None, "~ Gói nhất quán, chưa neo: ", ["Nhân chứng không được xét", "--trust"], "✓"),
        (
            "en",
            None,
            "~ The bundle is consistent, not anchored: ",
            ["Witnesses were not looked at", "--trust"],
            "✓",
        ),
    ] {
        let text = words_of(place, bundle, (trust, key), lang, &[]);
        assert!(text.starts_with(first) && said.iter().all(|said| text.contains(said)), "{text}");
        assert!(!text.contains(never), "{text}");
        // Who wrote how much of it, what is only counted, what is withheld, and what rests on the hub's word.
        let rest: [&str; 4] = match lang {
            "vi" => ["thay đổi, mở ", "chỉ đếm ", "trường không được cấp", "Theo lời máy chủ tỉnh"],
            _ => ["changes, ", "only counted", "fields that are not granted", "By the hub's word"],
        };
        assert!(rest.iter().all(|said| text.contains(said)), "{text}");
    }
    let mut ids: Vec<std::collections::BTreeSet<String>> = Vec::new();
    for format in ["jsonl", "csv", "xlsx"] {
        let folder = place.path(&format!("tables-{format}"));
        let more = ["--export", folder.to_str().unwrap(), "--format", format];
        let text = words_of(place, bundle, (Some(policy), key), "en", &more);
        let path = folder.join(format!("dang_vien.{format}"));
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        ids.push(match format {
            "jsonl" => {
                let text = std::fs::read_to_string(&path).unwrap();
                let id = |line: &str| {
                    serde_json::from_str::<Json>(line).unwrap()["id"].as_str().unwrap().to_owned()
                };
                text.lines().map(id).collect()
            }
            "csv" => {
                let text = std::fs::read_to_string(&path).unwrap();
                text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
            }
            _ => {
                let mut book: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
                let range = calamine::Reader::worksheet_range_at(&mut book, 0).unwrap().unwrap();
                range.rows().map(|row| row[0].to_string()).filter(|cell| cell.len() == 32).collect()
            }
        });
    }
    assert!(!ids[0].is_empty() && ids.iter().all(|found| *found == ids[0]), "{ids:?}");
}

/// An order about the first member, as the file's text.
fn order_for(number: &str, rest: &str) -> ErasingRequest {
    let record = format!("type = \"dang_vien\"\nrecord = \"033070000001\"\n{rest}");
    ErasingRequest::Propose { text: order(number, &record), dry_run: false, actor: "minh".to_owned() }
}

/// Goal (T38, T49): who brought an order does not approve it, whatever rights the account has; what a case under way is about
/// is not erased: neither brought while it is open, nor approved when it was opened meanwhile; nor is the case itself. Method:
/// the answers of the hub itself, behind the door that judges rights.
#[tokio::test(flavor = "multi_thread")]
async fn t38_t49_two_persons_and_no_open_case() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let taken_in = async |record_type: &str, value: Json| {
        let record_type = record_type.to_owned();
        let (author, english) = ("lan".to_owned(), true);
        let put = RecordsRequest::Put { values: vec![value], record_type, author, english };
        let answer = at_node(&node, NodeRequest::Records(put)).await;
        assert_eq!((&answer["rows"], &answer["rejected"]), (&json!(1), &json!(0)), "{answer:#}");
        acknowledged(&node).await.unwrap();
        hub.committer.flush().await;
    };
    let ask = async |request: ErasingRequest| at_hub(&hub, Request::Erasing(request)).await;
    let approve = |number: &Json, actor: &str| ErasingRequest::Approve {
        number: number.as_u64().unwrap(),
        actor: actor.to_owned(),
    };
    taken_in("dang_vien", person(UNIT, 1, CANARY)).await;
    let case = |state: &str| {
        json!({
            "ma_cuoc": "C1", "loai": "KT_DHVP", "chu_the": "UBKT", "doi_tuong": ["033070000001"], "noi_dung": "Kiểm tra",
            "linh_vuc": "LV04", "so_quyet_dinh": "01-QĐ/UBKT", "ngay_quyet_dinh": "2026-09-01", "trang_thai": state,
            "ngay_trien_khai": "2026-09-05", "ngay_ket_luan": "2026-11-01", "ma_xa": UNIT,
        })
    };
    let before = ask(order_for("1", "fields = [\"ho_ten\"]\n")).await;
    taken_in("cuoc_kiem_tra", case("DANG_TRIEN_KHAI")).await;
    let size = hub.head().size;
    for refused in [
        ask(order_for("2", "whole = true\n")).await,
        ask(approve(&before["number"], "hoa")).await,
        ask(ErasingRequest::Propose {
            text: order(
                "3",
                &format!("type = \"cuoc_kiem_tra\"\nrecord = \"C1\"\nunit = \"{UNIT}\"\nwhole = true\n"),
            ),
            dry_run: false,
            actor: "minh".to_owned(),
        })
        .await,
    ] {
        assert_eq!(refused["rule"], "CASE_OPEN", "{refused:#}");
    }
    taken_in("cuoc_kiem_tra", case("DA_KET_LUAN")).await;
    let own = ask(approve(&before["number"], "minh")).await;
    assert_eq!(own["rule"], "TWO_PERSONS", "{own:#}");
    let events = at_hub(&hub, Request::LedgerShow { from: size, limit: 1_000 }).await.to_string();
    assert!(!events.contains("erasure"), "nothing of it is in the ledger: {events}");
    assert!(!hub.superseded.is_cancelled(), "and nothing is carried out");
    let other = ask(approve(&before["number"], "hoa")).await;
    assert!(other["error"].is_null() && hub.superseded.is_cancelled(), "{other:#}");
    node.close().await;
    hub.close().await;
}

/// Goal: the sheet that had brought what an order took stays the officer's to throw away: it is remembered by its hash and
/// told in the node's status, its report is gone, no line of the log has its name; the same sheet again brings nothing back.
/// Method: a real node and its watched folder.
#[tokio::test(flavor = "multi_thread")]
async fn t49_the_sheet_that_brought_it_is_told_to_its_officer() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    with_approver(&mut hub).await;
    let mut node = place.node(&hub, "node", UNIT).await.unwrap();
    let inbox = place.path("node").join("inbox/dang_vien");
    std::fs::create_dir_all(&inbox).unwrap();
    let text = format!(
        "{}{CANARY},02/03/1970,Nam,033070000001,01/02/2000,Chi bộ 1,{UNIT},CHIBO,CHINH_THUC,\n",
        lienthong_tests::sharing::HEAD
    );
    let name = "Ông Tên Trong Tệp.csv";
    let bring = || std::fs::write(inbox.join(name), &text).unwrap();
    let status = async || node.status().await.unwrap();
    let counted = async |done: u64| {
        asking::until("the sheet is taken in", status, |status| status["inbox"]["done"] == done).await;
    };
    bring();
    counted(1).await;
    in_step(&node).await.unwrap();
    let done = place.path("node").join("inbox/done");
    let files = || -> Vec<String> {
        let names = std::fs::read_dir(&done).unwrap().map(|file| file.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    assert_eq!(files().len(), 2, "the sheet and its report: {:?}", files());
    erase_name(&place, &mut hub).await;
    let told = asking::until("it is told", status, |status| {
        status["erased"]["sheets"].as_array().is_some_and(|sheets| !sheets.is_empty())
    });
    let sheets = told.await["erased"]["sheets"].clone();
    assert!(sheets.as_array().unwrap().len() == 1 && sheets[0].as_str().unwrap().ends_with(name), "{sheets}");
    assert_eq!(files().len(), 1, "its report copies it: {:?}", files());
    let log = std::fs::read_to_string(place.path("node").with_extension("log")).unwrap();
    assert!(log.contains("hold what was erased") && !log.contains("Ông Tên"), "{log}");
    // The same file again: it is known.
    let size = status().await["log"]["size"].clone();
    bring();
    // Counted since it was opened anew.
    counted(1).await;
    assert_eq!(status().await["log"]["size"], size);
    let record =
        place.done(&["as-node", "record", "get", "dang_vien", "033070000001"], "node").await.unwrap();
    assert!(record["fields"]["ho_ten"].is_null(), "{record:#}");
    node.kill().await.unwrap();
    hub.kill().await.unwrap();
    for file in std::fs::read_dir(&done).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    for folder in ["hub", "node"] {
        assert_eq!(found(&place.path(folder), CANARY), Vec::<String>::new(), "{folder}");
    }
}
