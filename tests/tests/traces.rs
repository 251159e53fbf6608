//! One id leads from an import at a commune to the hub's ledger and on, in logs that hold no value.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;

use lienthong_hub::demo::Daemon;
use lienthong_tests::processes::{HubPlace, done, in_step, person, until};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const TRACED: [&str; 4] = ["--log-format", "json", "--log-filter", "info"];

/// A daemon's log, a document a line.
fn log(data: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(data.with_extension("log")).unwrap();
    let json = text.lines().filter(|line| line.starts_with('{'));
    json.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// What one `grep` of an id finds.
fn grep<'a>(log: &'a [Json], id: &str) -> Vec<&'a Json> {
    log.iter().filter(|line| line.to_string().contains(id)).collect()
}

fn messages(lines: &[&Json]) -> BTreeSet<String> {
    lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

fn set(messages: &[&str]) -> BTreeSet<String> {
    messages.iter().map(|message| (*message).to_owned()).collect()
}

/// Goal: one grep finds one import, of many batches and written without a line, at both ends, and nothing of what it
/// holds is in any log. Method: real processes with JSON logs; two nodes of one unit, so that the import is fed on.
#[tokio::test(flavor = "multi_thread")]
async fn one_grep_finds_one_import_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let serve = ["serve", "--listen", &place.listen, "--web", "127.0.0.1:0"];
    let serve = [&TRACED[..], &serve].concat();
    let mut hub = Daemon::start(&place.program, &serve, &place.path("hub")).await.unwrap();
    let run = [&["as-node"], &TRACED[..], &["run", "--metrics", "127.0.0.1:0"]].concat();
    for name in ["node", "other"] {
        let token = place.token(&hub, "11953").await.unwrap();
        let enrol = ["as-node", "enrol", "--hub", &place.listen, "--token", &token];
        done(&place.program, &enrol, &place.path(name)).await.unwrap();
    }
    // An earlier capture, so that the import does not begin the log.
    let node = Daemon::start(&place.program, &run, &place.path("node")).await.unwrap();
    lienthong_tests::processes::put(&node, &[person("11953", 1, "Bùi Thị Riêng")]).await.unwrap();
    in_step(&node).await.unwrap();
    hub.stop().await.unwrap();

    let rows = 1_500;
    let file = dir.path().join("danh sach mat.jsonl");
    let text: Vec<String> =
        (0..rows).map(|row| person("11953", 100 + row, "Lò Văn Kín").to_string()).collect();
    std::fs::write(&file, text.join("\n")).unwrap();
    let request = json!({
        "command": "records", "records": "import", "path": file, "record_type": "dang_vien",
        "dry_run": false, "rows": false, "author": "test", "english": true,
    });
    let answer = node.ask(&request).await.unwrap();
    assert_eq!((answer.exit, answer.body["created"].as_u64()), (0, Some(u64::from(rows))), "{}", answer.body);

    let hub = Daemon::start(&place.program, &serve, &place.path("hub")).await.unwrap();
    in_step(&node).await.unwrap();
    let other = Daemon::start(&place.program, &run, &place.path("other")).await.unwrap();
    until(&other, "fed", |status| status["records"] == rows + 1).await.unwrap();
    let status = node.status().await.unwrap();
    assert!(status["addresses"]["metrics"].as_str().unwrap().starts_with("127.0.0.1:"));
    let jobs: Vec<&str> =
        status["jobs"].as_array().unwrap().iter().filter_map(|job| job["name"].as_str()).collect();
    assert_eq!(jobs, ["journal", "sync", "inbox", "quality"]);
    assert!(
        hub.status().await.unwrap()["jobs"].as_array().unwrap().iter().all(|job| job["state"] != "stalled")
    );

    let (of_node, of_hub) = (log(node.data()), log(hub.data()));
    let written = |rows: u64| {
        let mut found =
            of_node.iter().filter(|line| line["message"] == "captured: written" && line["rows"] == rows);
        let line = found.next().unwrap_or_else(|| panic!("{of_node:#?}"));
        (
            line["trace"].as_str().unwrap().to_owned(),
            line["first"].as_u64().unwrap(),
            line["size"].as_u64().unwrap(),
        )
    };
    let (import, first, size) = written(u64::from(rows));
    assert!(first > 0 && size == first + u64::from(rows) + 1, "the rows and the import's own event");
    let at_node = grep(&of_node, &import);
    let way = set(&["captured: written", "captured: sent", "captured: acknowledged"]);
    assert!(messages(&at_node).is_superset(&way));
    let sent: Vec<_> = at_node.iter().filter(|line| line["message"] == "captured: sent").collect();
    assert!(sent.len() > 1, "it took several batches");
    let at_hub = grep(&of_hub, &import);
    // Its first batch begins where it does, and has the same id.
    let all = set(&["captured: received", "captured: committed", "captured: fed"]);
    assert!(messages(&at_hub).is_superset(&all), "{of_hub:#?}");
    let committed = at_hub.iter().find(|line| line["message"] == "captured: committed").unwrap();
    assert_eq!((committed["first"].as_u64(), committed["size"].as_u64()), (Some(first), Some(size)));
    assert!(committed["ledger_first"].as_u64() < committed["ledger"].as_u64());
    assert_eq!(committed["unit"], "11953");
    for line in sent {
        let batch = line["batch"].as_str().unwrap();
        assert!(!grep(&of_hub, batch).is_empty(), "each of its batches is found too");
    }
    // The put, on a line that was up.
    let (put, _, _) = written(1);
    assert!(put != import);
    assert!(messages(&grep(&of_node, &put)).is_superset(&way));
    assert!(messages(&grep(&of_hub, &put)).contains("batch: committed"));

    for data in [node.data(), other.data(), hub.data()] {
        let text = std::fs::read_to_string(data.with_extension("log")).unwrap();
        for value in ["danh sach", "Kín", "Riêng", "033070000"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}
