//! Every disaster of `deploy/OPERATIONS.md`, with real processes: a hub that is lost and comes back from a backup or from
//! nothing, nodes that are lost, restored from an old image, or run twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_hub::demo::Daemon;
use lienthong_hub::pki::{open_kit, seal_kit};
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_tests::copy_folder;
use lienthong_tests::processes::{HubPlace, done, in_step, person, put, until};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNITS: [&str; 3] = ["11953", "11977", "12004"];
/// An old image is recognised within a second of its contact with the hub (T13); a busy machine is given ten times that.
const RECOGNISED_MAX: Duration = Duration::from_secs(10);

/// How long a step of a drill took, for the runbook.
fn drill(what: &str, begun: Instant) {
    eprintln!("drill: {what}: {:.1} s", begun.elapsed().as_secs_f64());
}

/// Waits until something holds, asked again and again.
async fn eventually(what: &str, wanted: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wanted().await {
        assert!(Instant::now() < deadline, "{what}");
    }
}

async fn records(hub: &Daemon) -> u64 {
    hub.status().await.unwrap()["records"].as_u64().unwrap()
}

async fn name_of(place: &HubPlace, folder: &str, serial: u32) -> Json {
    let id = format!("033070{serial:06}");
    let got = place.done(&["record", "get", "dang_vien", &id], folder).await.unwrap();
    got["fields"]["ho_ten"].clone()
}

fn many(unit: &str, serials: std::ops::Range<u32>, name: &str) -> Vec<Json> {
    serials.map(|serial| person(unit, serial, name)).collect()
}

/// Goal: a hub lost after its last backup comes back from it, and nothing acknowledged is lost: what the backup lacks
/// comes from the nodes, of which one had enrolled behind it; receipts of the old ledger stay; new enrolments wait for
/// an administrator. Method: kill -9, the folder deleted, restored at the same address.
#[tokio::test(flavor = "multi_thread")]
async fn p1_p6_a_hub_restored_from_an_older_backup_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut one = place.node(&hub, "one", UNITS[0]).await.unwrap();
    let two = place.node(&hub, "two", UNITS[1]).await.unwrap();
    put(&one, &many(UNITS[0], 0..40, "Nguyễn Văn An")).await.unwrap();
    put(&two, &many(UNITS[1], 100..140, "Lê Thị Bình")).await.unwrap();
    // A conflict, a proposal and its notice, and the province's own word before and behind the backup.
    in_step(&one).await.unwrap();
    put(&two, &[person(UNITS[1], 3, "Nguyễn Văn Ân")]).await.unwrap();
    in_step(&two).await.unwrap();
    put(&hub, &[person(UNITS[0], 5, "Nguyễn Văn Năm")]).await.unwrap();
    in_step(&one).await.unwrap();
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    let begun = Instant::now();
    place.done(&["backup", backup, "--to", "plain"], "hub").await.unwrap();
    drill("backup of 80 records", begun);
    let conflicts = place.done(&["conflicts", "list"], "hub").await.unwrap();
    // Behind the backup: more of one, a third unit enrols, the province writes.
    put(&one, &many(UNITS[0], 40..60, "Trần Văn Chi")).await.unwrap();
    put(&one, &[person(UNITS[0], 0, "Nguyễn Văn Không")]).await.unwrap();
    let mut three = place.node(&hub, "three", UNITS[2]).await.unwrap();
    put(&three, &many(UNITS[2], 200..230, "Phạm Văn Dũng")).await.unwrap();
    put(&hub, &[person(UNITS[0], 41, "Trần Văn Bốn")]).await.unwrap();
    for node in [&one, &two, &three] {
        in_step(node).await.unwrap();
    }
    until(&one, "the province's word has come", |_| true).await.unwrap();
    let receipts = place.done(&["as-node", "log", "receipts"], "one").await.unwrap();
    let held = records(&hub).await;
    hub.kill().await.unwrap();
    std::fs::remove_dir_all(place.path("hub")).unwrap();

    // One of them writes on without a hub, with what it saw of the province in its context.
    put(&one, &[person(UNITS[0], 41, "Trần Văn Bốn Mốt"), person(UNITS[0], 61, "Vũ Văn Sáu")]).await.unwrap();
    let begun = Instant::now();
    let restored = place.done(&place.successor(&["restore", backup]), "new").await.unwrap();
    drill("restore of 80 records", begun);
    assert!(restored["carried"]["batches"].as_u64().unwrap() >= 3, "{restored}");
    let hub = place.serve("new").await.unwrap();
    let begun = Instant::now();
    for node in [&one, &two, &three] {
        in_step(node).await.unwrap();
    }
    drill("three nodes back in step", begun);
    assert_eq!(records(&hub).await, held + 1);
    assert_eq!(name_of(&place, "new", 0).await, "Nguyễn Văn Không");
    assert_eq!(
        name_of(&place, "new", 5).await,
        "Nguyễn Văn Năm",
        "the province's own word of before the backup"
    );
    assert_eq!(name_of(&place, "new", 41).await, "Trần Văn Bốn Mốt", "written with sight of what was lost");
    assert_eq!(name_of(&place, "new", 229).await, "Phạm Văn Dũng");
    let again = place.done(&["conflicts", "list"], "new").await.unwrap();
    assert_eq!(again["items"].as_array().unwrap().len(), conflicts["items"].as_array().unwrap().len());
    assert_eq!(hub.status().await.unwrap()["quarantined"], 0);
    // Receipts of the old ledger are kept beside the new ones.
    let now = place.done(&["as-node", "log", "receipts", "--limit", "1000"], "one").await.unwrap();
    let now = now["items"].as_array().unwrap();
    assert!(receipts["items"].as_array().unwrap().iter().all(|receipt| {
        now.contains(receipt)
            || now
                .iter()
                .any(|kept| kept["size"] == receipt["size"] && kept["cosignature"] == receipt["cosignature"])
    }));
    assert!(now.iter().any(|receipt| !receipt["ledger"].is_null()), "{now:?}");
    // A notice is not told twice.
    let notices = place.done(&["as-node", "notices"], "two").await.unwrap();
    assert_eq!(notices["items"].as_array().unwrap().len(), 1, "{notices}");

    // Nobody new until an administrator has confirmed; the one who was forgotten is named.
    let status = hub.status().await.unwrap();
    assert!(status["succession"]["confirmed"].is_null(), "{status}");
    let third = three.status().await.unwrap()["replica"].clone();
    assert_eq!(status["succession"]["readmitted"], json!([third]));
    let said = place.refused(&["token", "create", "--unit", UNITS[0]], "new").await.unwrap();
    assert!(said.contains("confirm-succession"), "{said}");
    place.done(&["confirm-succession"], "new").await.unwrap();
    assert!(place.refused(&["confirm-succession"], "new").await.unwrap().contains("has confirmed"));
    place.token(&hub, UNITS[0]).await.unwrap();

    // Everything a node has signed is held, and everything is whole at both ends.
    judged(&place, hub, vec![("one", &mut one), ("three", &mut three)]).await;
    // A view made again from the new ledger says the same.
    // Defects aside: they are judged behind the log, sooner or later.
    let list = async || {
        let list = ["record", "list", "dang_vien", "--limit", "1000"];
        let mut records = place.done(&list, "new").await.unwrap();
        for record in records["items"].as_array_mut().unwrap() {
            record["defects"] = Json::Null;
        }
        records
    };
    let before = list().await;
    std::fs::remove_dir_all(place.path("new/view")).unwrap();
    assert!(before == list().await, "the same records");
    // And so does a backup of the new one, restored again: a chain of two.
    let backup = place.path("backup-2");
    let backup = backup.to_str().unwrap();
    place.done(&["backup", backup, "--to", "plain"], "new").await.unwrap();
    place.done(&place.successor(&["restore", backup]), "newer").await.unwrap();
    let hub = place.serve("newer").await.unwrap();
    let one = place.run("one").await.unwrap();
    put(&one, &[person(UNITS[0], 62, "Vũ Văn Bảy")]).await.unwrap();
    in_step(&one).await.unwrap();
    in_step(&two).await.unwrap();
    assert_eq!(records(&hub).await, held + 2);
    let profile: Json =
        serde_json::from_slice(&std::fs::read(place.path("one/identity/profile.json")).unwrap()).unwrap();
    assert_eq!(profile["successions"].as_array().unwrap().len(), 2);
}

/// Goal: whatever was decided stands in the new ledger as it stood in the old one: verdicts, releases, decisions,
/// transfers, waivers, withdrawals, and every dot. Method: a hub with one of each is restored, and both are asked the same.
#[tokio::test(flavor = "multi_thread")]
async fn p3_what_was_decided_stands_in_the_ledger_that_follows() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let hub = place.serve("hub").await.unwrap();
    let one = place.node(&hub, "one", UNITS[0]).await.unwrap();
    let two = place.node(&hub, "two", UNITS[1]).await.unwrap();
    put(&one, &many(UNITS[0], 0..6, "Nguyễn Văn An")).await.unwrap();
    in_step(&one).await.unwrap();
    // A proposal and a conflict, two strangers under known numbers.
    let stranger = |serial| {
        let mut stranger = person(UNITS[1], serial, "Lê Thị Cúc");
        stranger["ngay_sinh"] = "1970-02-03".into();
        stranger
    };
    put(&two, &[person(UNITS[1], 0, "Nguyễn Văn Ân"), stranger(1), stranger(2)]).await.unwrap();
    in_step(&two).await.unwrap();
    let password = place.path("password");
    std::fs::write(&password, "mat khau du dai").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = password.to_str().unwrap();
    for (name, role) in [("minh", "steward"), ("hoa", "approver")] {
        let add = ["user", "add", name, "--role", role, "--new-password-file", file];
        place.done(&add, "hub").await.unwrap();
    }
    let minh = ["--as", "minh", "--password-file", file];
    let hoa = ["--as", "hoa", "--password-file", file];
    let asked = async |words: &[&str], whose: &[&str]| {
        place.done(&[words, &["--reason", "đối chiếu"], whose].concat(), "hub").await.unwrap()
    };
    let waiting = place.done(&["quarantine", "list"], "hub").await.unwrap();
    let number = waiting["items"][0]["number"].as_str().unwrap().to_owned();
    asked(&["quarantine", "release", &number], &minh).await;
    let conflicts = place.done(&["conflicts", "list"], "hub").await.unwrap();
    let open = conflicts["items"].as_array().unwrap();
    let settled = open.iter().find(|open| open["field"] == "ho_ten").unwrap();
    let (id, field) = (settled["id"].as_str().unwrap().to_owned(), "ho_ten");
    asked(&["conflicts", "resolve", &id, "--field", field, "--pick", "1"], &minh).await;
    asked(&["transfer", "dang_vien", "033070000003", "--to", UNITS[1]], &minh).await;
    asked(&["record", "withdraw", "dang_vien", "033070000004"], &[]).await;
    answers(&place, &hub, "hub").await;
    for (serial, until) in [("033070000002", "2027-06-30"), ("033070000005", "2027-07-31")] {
        let judged = place.done(&["record", "get", "dang_vien", serial], "hub").await.unwrap();
        let rule = judged["defects"][0]["rule"].as_str().unwrap_or_else(|| panic!("{judged}"));
        let waive = ["waiver", "add", "dang_vien", serial, "--rule", rule, "--until", until];
        asked(&waive, &hoa).await;
    }
    let waivers = place.done(&["waiver", "list"], "hub").await.unwrap();
    let ended = waivers["items"][0]["number"].to_string();
    asked(&["waiver", "end", &ended], &hoa).await;
    in_step(&one).await.unwrap();
    in_step(&two).await.unwrap();
    let backup = place.path("backup");
    place.done(&["backup", backup.to_str().unwrap(), "--to", "plain"], "hub").await.unwrap();
    place.done(&place.successor(&["restore", backup.to_str().unwrap()]), "new").await.unwrap();
    drop((one, two));
    let mut new = {
        let mut hub = hub;
        let before = answers(&place, &hub, "hub").await;
        hub.stop().await.unwrap();
        let new = place.serve("new").await.unwrap();
        same(&answers(&place, &new, "new").await, &before);
        new
    };
    // Made again from the log alone it says the same.
    let live = answers(&place, &new, "new").await;
    new.stop().await.unwrap();
    std::fs::remove_dir_all(place.path("new/view")).unwrap();
    new.restart().await.unwrap();
    same(&answers(&place, &new, "new").await, &live);
    // The numbers that are places lead where they should.
    let waiting = place.done(&["quarantine", "list"], "new").await.unwrap();
    let number = waiting["items"][0]["number"].as_str().unwrap().to_owned();
    let release = [&["quarantine", "release", &number, "--reason", "đúng người"][..], &minh].concat();
    place.done(&release, "new").await.unwrap();
    new.stop().await.unwrap();
    place.done(&["check"], "new").await.unwrap();
    place.done(&["ledger", "verify", "--full"], "new").await.unwrap();
}

/// Compares answer by answer: what differs is then readable.
fn same(here: &[Json], there: &[Json]) {
    assert_eq!(here.len(), there.len());
    for (here, there) in here.iter().zip(there) {
        assert_eq!(here, there);
    }
}

/// Everything a hub says of its records and of what was decided, but for the numbers that are places in its ledger.
async fn answers(place: &HubPlace, hub: &Daemon, folder: &str) -> Vec<Json> {
    let mut said = Vec::new();
    let out = place.path("answers.jsonl");
    // The shared dataset first: for that everything is judged up to now.
    for all in [&[][..], &["--all"]] {
        let export = ["export", "--type", "dang_vien", "--format", "jsonl", "--out", out.to_str().unwrap()];
        place.done(&[&export, all].concat(), folder).await.unwrap();
    }
    said.extend(
        std::fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()),
    );
    for command in [
        ["conflicts", "list"],
        ["quarantine", "list"],
        ["waiver", "list"],
        ["user", "list"],
        ["unit", "list"],
    ] {
        said.push(place.done(&command, folder).await.unwrap());
    }
    let status = hub.status().await.unwrap();
    let replicas =
        status["units"].as_array().unwrap().iter().flat_map(|unit| unit["replicas"].as_array().unwrap());
    for replica in replicas {
        said.push(hub.ask(&json!({ "command": "state_digest", "replica": replica })).await.unwrap().body);
    }
    said.iter_mut().for_each(without_numbers);
    said
}

/// Takes every number out that is a place in the ledger.
fn without_numbers(said: &mut Json) {
    match said {
        Json::Object(fields) => {
            fields.remove("number");
            fields.values_mut().for_each(without_numbers);
        }
        Json::Array(items) => items.iter_mut().for_each(without_numbers),
        _ => {}
    }
}

/// Stops everything and has it judged.
async fn judged(place: &HubPlace, mut hub: Daemon, nodes: Vec<(&str, &mut Daemon)>) {
    for (name, node) in nodes {
        in_step(node).await.unwrap();
        let size = node.status().await.unwrap()["log"]["size"].clone();
        let replica = node.status().await.unwrap()["replica"].clone();
        let shown = |status: &Json| {
            let units = status["units"].as_array().unwrap();
            units.iter().any(|unit| {
                unit["replicas"].as_array().unwrap().contains(&replica)
                    && unit["holds"]["size"] == size
                    && unit["holds"]["complete"] == true
            })
        };
        // It signs its log's end anew when it greets.
        node.stop().await.unwrap();
        node.restart().await.unwrap();
        until(&hub, "its last heartbeat is held", shown).await.unwrap();
        node.stop().await.unwrap();
        place.done(&["as-node", "check"], name).await.unwrap();
    }
    let name = hub.data().file_name().unwrap().to_str().unwrap().to_owned();
    hub.stop().await.unwrap();
    let check = place.done(&["check"], &name).await.unwrap();
    let of_nodes = check["replicas"].as_array().unwrap().iter().filter(|line| !line["signed"].is_null());
    let complete: Vec<_> = of_nodes.map(|line| line["complete"].clone()).collect();
    assert!(!complete.is_empty() && complete.iter().all(|complete| *complete == true), "{check}");
    place.done(&["ledger", "verify", "--full"], &name).await.unwrap();
}

/// Goal: nodes follow exactly one successor, by the recovery key's word only; a second one, the old hub, a copy of it of
/// before, and a forged statement get nothing, loudly. Method: each is served at the nodes' address in turn.
#[tokio::test(flavor = "multi_thread")]
async fn p6_one_successor_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    for some in [0..5, 5..10] {
        put(&node, &many(UNITS[0], some, "Nguyễn Văn An")).await.unwrap();
        in_step(&node).await.unwrap();
    }
    place.node(&hub, "other", UNITS[1]).await.unwrap().stop().await.unwrap();
    let backup = place.path("backup");
    let backup = backup.to_str().unwrap();
    place.done(&["backup", backup, "--to", "plain"], "hub").await.unwrap();
    hub.stop().await.unwrap();
    copy_folder(&place.path("hub"), &place.path("older")).unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    put(&node, &[person(UNITS[0], 10, "Lê Thị Bình")]).await.unwrap();
    in_step(&node).await.unwrap();
    // Another has lost nothing itself, and has seen the ledger later.
    let mut other = place.run("other").await.unwrap();
    in_step(&other).await.unwrap();
    other.stop().await.unwrap();
    hub.stop().await.unwrap();

    // A copy of the hub of before: the same ledger, shorter.
    alarmed(&place, "older", &node, "holds 11 of our entries and has acknowledged 12").await;
    let mut hub = place.serve("older").await.unwrap();
    other.restart().await.unwrap();
    // What the copy has logged of its own by now may have made it longer: then it is another one.
    let told =
        |alarm: &str| alarm.contains("its ledger has") || alarm.contains("its ledger is another than before");
    let shorter = |status: &Json| status["alarm"].as_str().is_some_and(told);
    until(&other, "the same ledger, shorter", shorter).await.unwrap();
    other.stop().await.unwrap();
    hub.stop().await.unwrap();
    // A successor whose statement another key signed: whoever has the authority's key but not the recovery key.
    let forged = forge(&place, dir.path());
    let arguments = forged.successor(&["restore", backup]);
    place.done(&arguments, "forged").await.unwrap();
    alarmed(&place, "forged", &node, "recovery key").await;
    // The right one is still the old one, as long as there is no true successor.
    let mut hub = place.serve("hub").await.unwrap();
    in_step(&node).await.unwrap();
    assert!(node.status().await.unwrap()["alarm"].is_null(), "what is mended is no longer said");
    hub.stop().await.unwrap();

    place.done(&place.successor(&["restore", backup]), "first").await.unwrap();
    place.done(&place.successor(&["restore", backup]), "second").await.unwrap();
    let mut first = place.serve("first").await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&first).await, 12);
    // Each batch that the backup held stands in it with the date that its receipt had said.
    let lines = |name: &str| -> Vec<Json> {
        let text = std::fs::read_to_string(place.path("node").join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let proof = || lines("proofs.jsonl").into_iter().find(|proof| !proof["ledger"].is_null());
    eventually("the successor proves what it holds", async || proof().is_some()).await;
    let proof = proof().unwrap();
    let told: Vec<[&Json; 2]> =
        proof["before"].as_array().unwrap().iter().map(|link| [&link[1], &link[2]]).collect();
    let former: Vec<Json> =
        lines("receipts.jsonl").into_iter().filter(|line| line["ledger"].is_null()).collect();
    assert!(told.contains(&[&former[0]["size"], &former[0]["at"]]), "{told:?} {former:?}");
    assert!(node.status().await.unwrap()["alarm"].is_null());
    first.stop().await.unwrap();
    node.stop().await.unwrap();
    node.restart().await.unwrap();
    alarmed(&place, "second", &node, "no succession leads on").await;
    alarmed(&place, "hub", &node, "no succession leads on").await;
    let first = place.serve("first").await.unwrap();
    put(&node, &[person(UNITS[0], 12, "Trần Văn Chi")]).await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&first).await, 13, "what was written for the others went to the right one");

    // The first is lost again before its first backup: its statement lets another follow it.
    let note = place.path("first/succession.note");
    let after = [&["restore", backup], &["--after", note.to_str().unwrap()][..]].concat();
    place.done(&place.successor(&after), "third").await.unwrap();
    drop(first);
    let third = place.serve("third").await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&third).await, 13);
}

/// Serves a hub the node must refuse: an alarm that says why, nothing sent.
async fn alarmed(place: &HubPlace, folder: &str, node: &Daemon, why: &str) {
    let mut hub = place.serve(folder).await.unwrap();
    let size = |status: &Json| status["ledger"]["size"].clone();
    let before = size(&hub.status().await.unwrap());
    let serial = 11;
    put(node, &[person(UNITS[0], serial, "Vũ Văn Sáu")]).await.unwrap();
    let dial = json!({ "command": "sync" });
    let ask = node.ask(&dial);
    let seen =
        until(node, folder, |status| status["alarm"].as_str().is_some_and(|alarm| alarm.contains(why)));
    tokio::select! {
        seen = seen => drop(seen.unwrap()),
        answer = ask => panic!("{folder}: {:?}", answer.unwrap().body),
    }
    assert_ne!(node.status().await.unwrap()["state"], "online");
    assert_eq!(size(&hub.status().await.unwrap()), before, "{folder}: nothing was sent");
    hub.stop().await.unwrap();
}

/// The same province with a kit in which the recovery key is another.
fn forge(place: &HubPlace, dir: &Path) -> HubPlace {
    let passphrase = std::fs::read_to_string(&place.passphrase).unwrap();
    let plain = open_kit(&passphrase, &std::fs::read(&place.kit).unwrap()).unwrap();
    let mut kit: Json = serde_json::from_slice(&plain).unwrap();
    let seed = [7; 32];
    kit["recovery"] = hex::encode(seed).into();
    kit["profile"]["recovery_key"] = hex::encode(SigningKey::from_seed(&seed).unwrap().public_key()).into();
    let forged = HubPlace { kit: dir.join("forged-kit"), ..place.clone() };
    std::fs::write(&forged.kit, seal_kit(&passphrase, kit.to_string().as_bytes()).unwrap()).unwrap();
    forged
}

/// Goal: a province that lost its hub and every backup gets back everything the communes wrote, from them alone, and is
/// told what of its own is not there. Method: a new ledger from nothing but the kit.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_hub_rebuilt_without_a_backup_is_filled_by_the_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut one = place.node(&hub, "one", UNITS[0]).await.unwrap();
    let mut two = place.node(&hub, "two", UNITS[1]).await.unwrap();
    put(&one, &many(UNITS[0], 0..40, "Nguyễn Văn An")).await.unwrap();
    put(&two, &many(UNITS[1], 100..140, "Lê Thị Bình")).await.unwrap();
    put(&hub, &[person(UNITS[2], 300, "Hoàng Văn Tỉnh")]).await.unwrap();
    in_step(&one).await.unwrap();
    in_step(&two).await.unwrap();
    assert_eq!(records(&hub).await, 81);
    // A third unit whose PC was replaced: what its former replica wrote stands only beside its log.
    let mut three = place.node(&hub, "three", UNITS[2]).await.unwrap();
    put(&three, &many(UNITS[2], 200..230, "Phạm Văn Dũng")).await.unwrap();
    in_step(&three).await.unwrap();
    three.stop().await.unwrap();
    std::fs::remove_dir_all(place.path("three")).unwrap();
    let token = place.token(&hub, UNITS[2]).await.unwrap();
    let recover = ["as-node", "recover", "--hub", &place.listen, "--token", &token];
    place.done(&recover, "three").await.unwrap();
    let three = place.run("three").await.unwrap();
    put(&three, &[person(UNITS[2], 201, "Phạm Văn Sửa")]).await.unwrap();
    in_step(&three).await.unwrap();
    // The province's word on a commune's record, which the commune is fed.
    put(&hub, &[person(UNITS[0], 1, "Nguyễn Văn Một")]).await.unwrap();
    let folder = place.path("one");
    let heard = async || {
        let got =
            done(&place.program, &["as-node", "record", "get", "dang_vien", "033070000001"], &folder).await;
        got.unwrap()["fields"]["ho_ten"] == "Nguyễn Văn Một"
    };
    eventually("the commune is fed the province's word", heard).await;
    // One unit proposes, the owner answers with sight of it: its context names the other's log.
    put(&two, &[person(UNITS[1], 2, "Nguyễn Văn Đề Nghị")]).await.unwrap();
    in_step(&two).await.unwrap();
    let proposed = async || {
        let got =
            done(&place.program, &["as-node", "record", "get", "dang_vien", "033070000002"], &folder).await;
        !got.unwrap()["conflicts"].as_array().unwrap().is_empty()
    };
    eventually("the owner is fed the proposal", proposed).await;
    put(&one, &[person(UNITS[0], 2, "Nguyễn Văn Trả Lời")]).await.unwrap();
    in_step(&one).await.unwrap();
    two.stop().await.unwrap();
    hub.kill().await.unwrap();
    std::fs::remove_dir_all(place.path("hub")).unwrap();
    let begun = Instant::now();
    place.done(&place.successor(&["rebuild"]), "new").await.unwrap();
    let mut hub = place.serve("new").await.unwrap();
    // The one that has seen the other comes first.
    in_step(&one).await.unwrap();
    two.restart().await.unwrap();
    in_step(&two).await.unwrap();
    drill("rebuild, two nodes with 80 records back", begun);
    in_step(&three).await.unwrap();
    assert_eq!(records(&hub).await, 110, "all but the province's own");
    assert_eq!(name_of(&place, "new", 229).await, "Phạm Văn Dũng", "written by a replica that is no more");
    assert_eq!(name_of(&place, "new", 201).await, "Phạm Văn Sửa", "and what was built on it");
    assert_eq!(name_of(&place, "new", 2).await, "Nguyễn Văn Trả Lời");
    let status = hub.status().await.unwrap();
    assert_eq!(status["quarantined"], 0, "what was seen of a log that is not back yet is believed: {status}");
    assert_eq!(status["succession"]["readmitted"].as_array().unwrap().len(), 4);
    assert_eq!(status["succession"]["backup"], false);
    // What is missing is named, by nobody's guess.
    let former = status["succession"]["former"][0].clone();
    hub.stop().await.unwrap();
    let check = place.done(&["check"], "new").await.unwrap();
    let missing = &check["missing"];
    assert_eq!((missing.as_array().unwrap().len(), &missing[0]["former_ledger"]), (1, &former), "{missing}");
    assert_eq!((&missing[0]["known"], &missing[0]["held"]), (&Json::Null, &json!(0)));
    // The other unit was fed the province's word on its record.
    assert!(missing[0]["reached_at_least"].as_u64().unwrap() > 3, "{missing}");
    hub.restart().await.unwrap();
    // Once confirmed, a certificate alone lets nobody in any more.
    place.done(&["confirm-succession"], "new").await.unwrap();
    judged(&place, hub, vec![("one", &mut one), ("two", &mut two)]).await;
}

/// Goal: a folder that runs twice stops at both places, with both proofs at the hub; the unit goes on by its old
/// certificate once the province has approved it, and not before. Method: the copy writes first.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_folder_that_runs_twice_stops_twice_and_is_recovered_once_approved() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    put(&node, &many(UNITS[0], 0..10, "Nguyễn Văn An")).await.unwrap();
    in_step(&node).await.unwrap();
    node.stop().await.unwrap();
    copy_folder(&place.path("node"), &place.path("copy")).unwrap();
    let mut copy = place.run("copy").await.unwrap();
    put(&copy, &[person(UNITS[0], 20, "Lê Thị Bình")]).await.unwrap();
    in_step(&copy).await.unwrap();
    node.restart().await.unwrap();
    let regressed = |status: &Json| status["state"] == "regressed";
    until(&node, "the original is stopped", regressed).await.unwrap();
    until(&copy, "the copy is stopped", regressed).await.unwrap();
    for stopped in [&node, &copy] {
        let refused = put(stopped, &[person(UNITS[0], 21, "Trần Văn Chi")]).await.unwrap_err().to_string();
        assert!(refused.contains("READ_ONLY"), "{refused}");
    }
    let alarmed = |status: &Json| {
        let unit = status["units"].as_array().unwrap().iter().find(|unit| unit["unit"] == UNITS[0]).unwrap();
        unit["state"] == "stopped" && !unit["attention"].as_array().unwrap().is_empty()
    };
    until(&hub, "the hub says so", alarmed).await.unwrap();
    let list = place.done(&["unit", "list"], "hub").await.unwrap();
    assert_eq!(list["items"][0]["state"]["proofs"].as_array().unwrap().len(), 2, "{list}");

    // Not before it is approved, and nothing is changed by asking.
    node.stop().await.unwrap();
    let said = place.refused(&["as-node", "recover"], "node").await.unwrap();
    assert!(said.contains("approve-recovery 11953"), "{said}");
    assert!(place.path("node/regressed").exists() && !place.path("node/recovering").exists());
    place.done(&["unit", "approve-recovery", UNITS[0]], "hub").await.unwrap();
    let begun = Instant::now();
    let report = place.done(&["as-node", "recover"], "node").await.unwrap();
    drill("recovery by the old certificate, 11 records", begun);
    assert_eq!(report["refilled"], 11 + ours(&report), "{report}");
    node.restart().await.unwrap();
    put(&node, &[person(UNITS[0], 22, "Phạm Văn Dũng")]).await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&hub).await, 12);
    // The approval was good once: the copy does not come back with it.
    copy.stop().await.unwrap();
    let said = place.refused(&["as-node", "recover"], "copy").await.unwrap();
    assert!(said.contains("approve-recovery"), "{said}");
    place.done(&["as-node", "check"], "node").await.unwrap();
}

/// Entries of a refill that are no changes: what the node logged of the feed.
fn ours(report: &Json) -> u64 {
    report["refilled"].as_u64().unwrap_or(0).saturating_sub(11)
}

/// Goal: a node whose folder was put back from an old image is recognised, reads only, and goes on as a new replica with
/// everything: what the hub holds, and what it wrote in the meantime, marked by its old number.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_node_restored_from_an_old_image_is_recognised_and_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    put(&node, &many(UNITS[0], 0..10, "Nguyễn Văn An")).await.unwrap();
    in_step(&node).await.unwrap();
    node.stop().await.unwrap();
    copy_folder(&place.path("node"), &place.path("image")).unwrap();
    node.restart().await.unwrap();
    put(&node, &many(UNITS[0], 10..15, "Lê Thị Bình")).await.unwrap();
    in_step(&node).await.unwrap();
    node.stop().await.unwrap();
    hub.stop().await.unwrap();
    // The old image writes before it meets the hub.
    std::fs::remove_dir_all(place.path("node")).unwrap();
    std::fs::rename(place.path("image"), place.path("node")).unwrap();
    node.restart().await.unwrap();
    put(&node, &[person(UNITS[0], 30, "Trần Văn Chi"), person(UNITS[0], 0, "Nguyễn Văn Không")])
        .await
        .unwrap();
    hub.restart().await.unwrap();
    let begun = Instant::now();
    let _ = node.ask(&json!({ "command": "sync" })).await;
    until(&node, "recognised", |status| status["state"] == "regressed").await.unwrap();
    drill("an old image is recognised", begun);
    assert!(
        begun.elapsed() <= RECOGNISED_MAX,
        "an old image was recognised only after {:?}",
        begun.elapsed()
    );
    let refused = put(&node, &[person(UNITS[0], 31, "Vũ Văn Sáu")]).await.unwrap_err().to_string();
    assert!(refused.contains("READ_ONLY"), "{refused}");
    assert_eq!(node.status().await.unwrap()["records"], 11, "it still reads");
    node.stop().await.unwrap();
    place.done(&["unit", "approve-recovery", UNITS[0]], "hub").await.unwrap();
    let report = place.done(&["as-node", "recover"], "node").await.unwrap();
    assert_eq!(report["rewritten"], 2, "{report}");
    node.restart().await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&hub).await, 16);
    assert_eq!(name_of(&place, "hub", 0).await, "Nguyễn Văn Không");
    place.done(&["as-node", "check"], "node").await.unwrap();
    hub.stop().await.unwrap();
    place.done(&["check"], "hub").await.unwrap();
}

/// Goal: a burnt PC costs nothing that was backed up or sent. Method: the backup has what was never sent, the hub what
/// came after the backup.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_lost_node_comes_back_from_the_hub_and_its_backup() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNITS[0]).await.unwrap();
    put(&node, &many(UNITS[0], 0..10, "Nguyễn Văn An")).await.unwrap();
    in_step(&node).await.unwrap();
    hub.stop().await.unwrap();
    put(&node, &many(UNITS[0], 10..13, "Lê Thị Bình")).await.unwrap();
    let backup = place.path("node-backup");
    let backup = backup.to_str().unwrap();
    place.done(&["as-node", "backup", backup, "--to", "plain"], "node").await.unwrap();
    node.kill().await.unwrap();
    std::fs::remove_dir_all(place.path("node")).unwrap();
    hub.restart().await.unwrap();
    let token = place.token(&hub, UNITS[0]).await.unwrap();
    // A damaged backup is refused, and the token is not spent on it.
    let objects = std::fs::read_dir(place.path("node-backup/objects")).unwrap();
    let object =
        objects.map(|entry| entry.unwrap().path()).find(|path| path.metadata().unwrap().len() > 0).unwrap();
    let whole = std::fs::read(&object).unwrap();
    let mut altered = whole.clone();
    altered[0] ^= 1;
    std::fs::write(&object, altered).unwrap();
    let recover = ["as-node", "recover", "--hub", &place.listen, "--token", &token, "--from", backup];
    assert!(place.refused(&recover, "pc").await.unwrap().contains("damaged"));
    std::fs::write(&object, whole).unwrap();
    // Nor is it written again in another unit's name.
    let other = place.token(&hub, UNITS[1]).await.unwrap();
    let foreign = ["as-node", "recover", "--hub", &place.listen, "--token", &other, "--from", backup];
    let said = place.refused(&foreign, "foreign").await.unwrap();
    assert!(said.contains(UNITS[0]) && said.contains(UNITS[1]), "{said}");
    let begun = Instant::now();
    let report = place.done(&recover, "pc").await.unwrap();
    drill("a lost PC, 10 records from the hub and 3 from its backup", begun);
    assert_eq!((&report["rewritten"], &report["unreadable"]), (&json!(3), &json!(0)), "{report}");
    let node = place.run("pc").await.unwrap();
    put(&node, &[person(UNITS[0], 20, "Trần Văn Chi")]).await.unwrap();
    in_step(&node).await.unwrap();
    assert_eq!(records(&hub).await, 14);
    place.done(&["as-node", "check"], "pc").await.unwrap();
}
