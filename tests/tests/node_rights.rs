//! What is asked of a node × the kind of node: what a commune's does, an agency's does, and each refuses. Who asks is the
//! operating system's to say: the control socket is its owner's alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_node::app::Node;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_tests::sharing::{HERE, Shared, who};
use serde_json::json;

/// What a request comes to: done, or the rule that refuses it.
async fn asked(node: &Arc<Node>, request: Request) -> String {
    let answer = Arc::clone(node).execute(request, Arc::new(|_| {})).await;
    if answer.exit != 1 {
        return "done".to_owned();
    }
    let text = |name: &str| answer.body[name].as_str().map(str::to_owned);
    text("rule").or_else(|| text("error")).unwrap_or_else(|| panic!("{:#}", answer.body))
}

/// The row of the table a request belongs to. No wildcard: what a node can be asked stands in it, or this does not compile.
fn row(request: &Request) -> &'static str {
    match request {
        Request::Status => "status",
        Request::Sync => "sync",
        Request::Records(RecordsRequest::Import { .. }) => "import",
        Request::Records(RecordsRequest::Put { .. }) => "put",
        Request::Records(RecordsRequest::Get { .. }) => "get",
        Request::Records(RecordsRequest::List { .. }) => "list",
        Request::Records(RecordsRequest::Edit(_)) => "edit",
        Request::Records(RecordsRequest::Withdraw { .. }) => "withdraw",
        Request::Records(RecordsRequest::Why { .. }) => "why",
        Request::Records(RecordsRequest::History { .. }) => "history",
        Request::ApiTokens(_) => "api-token",
        Request::Page(_) => "page",
        Request::Grants { .. } => "grants",
        Request::Notices { .. } => "notices",
        Request::Defects { .. } => "defects",
        Request::Quarantine { .. } => "quarantine",
        Request::Backup { .. } => "backup",
        Request::KeyRotate { .. } => "key rotate",
        Request::KeyRotateTls => "key rotate, tls",
        Request::LogCheckpoint => "log checkpoint",
        Request::LogVerify => "log verify",
        Request::LogTally { .. } => "log tally",
        Request::LogReceipts { .. } => "log receipts",
        Request::LogProve { .. } => "log prove",
        Request::StateDigest => "state digest",
    }
}

/// Row, what a commune's node says, and an agency's.
const TABLE: [(&str, &str, &str); 25] = [
    ("status", "done", "done"),
    ("sync", "done", "done"),
    ("import", "done", "AGENCY"),
    ("put", "done", "AGENCY"),
    ("get", "done", "done"),
    ("list", "done", "done"),
    ("edit", "done", "AGENCY"),
    ("why", "done", "AGENCY"),
    ("history", "done", "AGENCY"),
    ("withdraw", "done", "AGENCY"),
    ("api-token", "done", "done"),
    ("page", "done", "done"),
    ("grants", "AGENCY", "done"),
    ("notices", "done", "done"),
    ("defects", "done", "done"),
    ("quarantine", "done", "done"),
    ("backup", "done", "done"),
    ("key rotate", "no key", "no key"),
    ("key rotate, tls", "done", "done"),
    ("log checkpoint", "done", "done"),
    ("log verify", "done", "done"),
    ("log tally", "done", "AGENCY"),
    ("log receipts", "done", "done"),
    ("log prove", "done", "nothing there"),
    ("state digest", "done", "done"),
];

/// Goal: a commune's node keeps its records and knows nothing of grants; an agency's shows what it is granted and writes
/// nothing, whatever it is asked; and no request is missing from the table.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_request_at_each_kind_of_node() {
    let shared = Shared::set().await;
    shared.granted("[[share]]\ntype = \"dang_vien\"\nceiling = \"C2\"\n").await;
    let agency = shared.agency("agency").await;
    let shown = shared.shows(&agency, "members", |items| items.len() == 2).await;
    let written = agency.status()["log"]["size"].clone();
    let own = Request::Records(RecordsRequest::List {
        record_type: "dang_vien".to_owned(),
        listing: <_>::default(),
    });
    let own = Arc::clone(&shared.node).execute(own, Arc::new(|_| {})).await.body;
    let sheet = shared.path("another.csv");
    std::fs::write(&sheet, lienthong_tests::sharing::sheet(HERE, 7)).unwrap();

    let mut met = Vec::new();
    for (kind, node, id) in
        [("commune", &shared.node, &own["items"][0]["id"]), ("agency", &agency, &shown[0]["id"])]
    {
        let record = json!({ "command": "records", "record_type": "dang_vien", "id": id, "author": "lan", "english": true });
        let records = |action: &str, more: &[(&str, serde_json::Value)]| {
            let mut asked = record.clone();
            asked["records"] = json!(action);
            more.iter().for_each(|(name, value)| asked[*name] = value.clone());
            asked
        };
        let (page, to) = (json!({}), shared.path(&format!("backup of {kind}")));
        let requests = [
            json!({ "command": "status" }),
            json!({ "command": "sync" }),
            records("import", &[("path", json!(sheet)), ("dry_run", json!(false)), ("rows", json!(false))]),
            records("put", &[("values", json!([{ "so_cccd": "x" }]))]),
            records("get", &[]),
            records("list", &[("listing", json!({}))]),
            records("edit", &[("fields", json!({ "que_quan": "xã khác" }))]),
            records("why", &[("field", json!("ho_ten"))]),
            records("history", &[]),
            records("withdraw", &[("reason", json!("nhập nhầm"))]),
            json!({ "command": "api_tokens", "tokens": "list" }),
            json!({ "command": "page", "page": "officers", "officers": "list" }),
            json!({ "command": "grants", "page": page }),
            json!({ "command": "notices", "page": page }),
            json!({ "command": "defects", "record_type": null, "page": page }),
            json!({ "command": "quarantine", "page": page }),
            json!({ "command": "backup", "to": to }),
            json!({ "command": "key_rotate", "keys": "", "wait": true }),
            json!({ "command": "key_rotate_tls" }),
            json!({ "command": "log_checkpoint" }),
            json!({ "command": "log_verify" }),
            json!({ "command": "log_tally", "actor": who("lan") }),
            json!({ "command": "log_receipts", "since": 0, "page": page }),
            json!({ "command": "log_prove", "sequence": 0, "size": 1 }),
            json!({ "command": "state_digest" }),
        ];
        for request in requests {
            let request: Request =
                serde_json::from_value(request.clone()).unwrap_or_else(|error| panic!("{error}: {request}"));
            let row = row(&request);
            let (_, commune, of_agency) = TABLE.iter().find(|(name, ..)| *name == row).unwrap();
            let wanted = if kind == "commune" { commune } else { of_agency };
            let said = asked(node, request).await;
            match *wanted {
                "done" | "AGENCY" => assert_eq!(said, *wanted, "{row} at a {kind}'s node"),
                _ => assert!(said != "done" && said != "AGENCY", "{row} at a {kind}'s node: {said}"),
            }
            met.push(row);
        }
    }
    for (row, ..) in TABLE {
        assert_eq!(met.iter().filter(|met| **met == row).count(), 2, "{row}");
    }
    assert_eq!(agency.status()["log"]["size"], written, "an agency's node wrote");
}
