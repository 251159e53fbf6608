//! What is asked of a node × the kind of node: what a commune's does, an agency's does, and each refuses. Who asks is the
//! operating system's to say: the control socket is its owner's alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::CommandFactory as _;

use lienthong_node::api::{self, ENDPOINTS};
use lienthong_node::app::Node;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_node::web::{self, Page, PageRequest, WebLimits};
use lienthong_tests::asking::at_node;
use lienthong_tests::sharing::{HERE, Shared, who};
use lienthong_tests::visitor::{Browser, Reply};
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

/// What a command of a node needs: rows of the table above, at the daemon or where it opens the store itself; its folder, which is
/// 0700 and its user's alone; or nothing of a node's.
const COMMANDS: [(&str, &[&str]); 37] = [
    ("enrol", FOLDER),
    ("recover", FOLDER),
    ("run", FOLDER),
    ("open", &["page"]),
    ("officer add", &["page"]),
    ("officer list", &["page"]),
    ("officer remove", &["page"]),
    ("api-token create", &["api-token"]),
    ("api-token list", &["api-token"]),
    ("api-token revoke", &["api-token"]),
    ("status", &["status"]),
    ("sync", &["sync"]),
    ("import", &["import"]),
    ("template", NOTHING),
    ("put", &["put"]),
    ("record get", &["get"]),
    ("record list", &["list"]),
    ("record withdraw", &["withdraw"]),
    ("record why", &["why"]),
    ("record history", &["history"]),
    ("export", &["list"]),
    ("defects", &["defects"]),
    ("grants", &["grants"]),
    ("notices", &["notices"]),
    ("quarantine list", &["quarantine"]),
    ("log checkpoint", &["log checkpoint"]),
    ("log verify", &["log verify"]),
    ("log tally", &["log tally"]),
    ("log receipts", &["log receipts"]),
    ("verify", NOTHING),
    ("receipt", NOTHING),
    ("doctor", FOLDER),
    ("check", FOLDER),
    ("key new", NOTHING),
    ("key pair", NOTHING),
    ("key rotate", &["key rotate", "key rotate, tls"]),
    ("backup", &["backup"]),
];
const FOLDER: &[&str] = &["(folder)"];
const NOTHING: &[&str] = &[];
/// Asked by pages, the API and other programs alone.
const NO_COMMAND: [&str; 3] = ["edit", "log prove", "state digest"];

fn leaves(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
    let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() || (!path.is_empty() && !command.is_subcommand_required_set()) {
        found.insert(path.trim().to_owned());
    }
    for command in below {
        leaves(command, &format!("{path} {}", command.get_name()), found);
    }
}

/// Goal: a node's command without a row is noticed, and so is a row without its command; what commands ask for stands in the
/// table of requests, and what stands there is for a command, or for the pages and the API alone.
#[test]
fn p9_every_command_of_a_node_has_one_row() {
    let mut found = BTreeSet::new();
    leaves(&lienthong_node::cli::Cli::command(), "", &mut found);
    let rows: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!((found, rows.len()), (rows.clone(), COMMANDS.len()));
    let asked: BTreeSet<&str> = COMMANDS.iter().flat_map(|(_, asks)| asks.iter().copied()).collect();
    let known: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).chain(FOLDER.iter().copied()).collect();
    assert_eq!(asked.difference(&known).collect::<Vec<_>>(), [&""; 0]);
    assert_eq!(known.difference(&asked).copied().collect::<Vec<_>>(), NO_COMMAND);
}

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

/// Every path of a node's two doors, and the status it answers with: to whoever brings no token, a wrong one, or the right one to
/// a commune's node, and to an agency's. Told apart are the page's session and the API's bearer token.
const PATHS: &str = "
    page GET  /                               403 403 200 200
    page GET  /state                          403 403 200 200
    page GET  /live                           403 403 200 200
    page GET  /receipt                        403 403 200 200
    page GET  /import                         403 403 200 422
    page POST /import                         403 403 303 303
    page GET  /import/{id}                    403 403 200 200
    page POST /import/{id}                    403 403 303 303
    page GET  /import/{id}/report.xlsx        403 403 200 200
    page GET  /templates/{type}               403 403 200 200
    page GET  /defects                        403 403 200 200
    page GET  /records                        403 403 200 200
    page GET  /records/{type}/{id}            403 403 200 200
    page GET  /records/{type}/{id}/edit       403 403 200 422
    page POST /records/{type}/{id}/edit       403 403 303 422
    page POST /records/{type}/{id}/withdraw   403 403 303 422
    page GET  /notices                        403 403 200 200
    page GET  /open                           403 403 403 403
    page GET  /sign-in                        403 403 403 403
    page POST /sign-in                        404 404 404 404
    page POST /sign-out                       403 403 303 303
    page POST /language                       303 303 303 303
    page GET  /page.css                       200 200 200 200
    page GET  /page.js                        200 200 200 200
    page GET  /icon.svg                       200 200 200 200
    api  GET  /v1/types                       401 401 200 200
    api  PUT  /v1/records/{type}              401 401 200 403
    api  GET  /v1/records/{type}              401 401 200 200
    api  GET  /v1/records/{type}/{id}         401 401 200 200
    api  GET  /v1/records/{type}/{id}/history 401 401 200 403
    api  POST /v1/records/{type}/{id}/withdraw 401 401 200 403
    api  GET  /v1/status                      401 401 200 200
    api  GET  /v1/openapi.json                200 200 200 200
";

/// A node's doors, and who comes to them.
struct Doors {
    page: SocketAddr,
    api: SocketAddr,
    /// Who came by the page's link.
    officer: Browser,
    /// The API's token.
    token: String,
    /// The record and, once there is one, the file on its way that paths name.
    record: String,
    upload: String,
}

const KINDS: [&str; 2] = ["a commune", "an agency"];

/// What is brought along.
#[derive(Clone, Copy, PartialEq)]
enum Brings {
    Nothing,
    Wrong,
    Right,
}

impl Doors {
    async fn open(node: &Arc<Node>, record: &str) -> Self {
        let page = Page::new(&node.data, WebLimits::default()).unwrap();
        let at = web::serve(node, &page, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let open = Request::Page(PageRequest::Open { author: who("lan") });
        let link = at_node(node, open).await["url"].as_str().unwrap().to_owned();
        let mut officer = Browser::new(at);
        let opened = officer.get(link.strip_prefix(&format!("http://{at}")).unwrap()).await;
        officer.keep(&opened);
        officer.csrf = officer.get("/").await.input("csrf");
        let api = api::serve(node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let token = node.api_tokens.create("quanly", node.now()).unwrap();
        Self { page: at, api, officer, token, record: record.to_owned(), upload: "x".to_owned() }
    }

    /// Asks as a good request of that path does, but for what is brought along; `wrong` has what is good at another node.
    async fn ask(&mut self, (door, method, path): (&str, &str, &str), brings: Brings, wrong: &Self) -> Reply {
        let id = if path.starts_with("/import/") { &self.upload } else { &self.record };
        let path =
            path.replace("{type}", if path.contains("templates") { "dang_vien.xlsx" } else { "dang_vien" });
        let path = path.replace("{id}", id);
        if door == "api" {
            return self.ask_api(method, &path, brings, wrong).await;
        }
        let mut browser = self.officer.clone();
        match brings {
            Brings::Nothing => browser.cookies.clear(),
            Brings::Wrong => {
                let value = wrong.officer.cookies[0].split_once('=').unwrap().1;
                browser.cookies = vec![format!("lienthong-{}={value}", self.page.port())];
            }
            Brings::Right => {}
        }
        if path == "/import" && method == "POST" {
            let sent = browser
                .upload("a.csv", "dang_vien", lienthong_tests::sharing::sheet(HERE, 8).as_bytes())
                .await;
            let place = sent.header("location").and_then(|place| place.strip_prefix("/import/"));
            self.upload = place.map_or_else(|| self.upload.clone(), str::to_owned);
            return sent;
        }
        match (method, path.as_str()) {
            ("GET", "/live") => return browser.begun(&path).await,
            ("GET", _) => return browser.get(&path).await,
            _ => {}
        }
        let form = if path.ends_with("/edit") { Some(self.officer.get(&path).await) } else { None };
        let seen = form.filter(|form| form.status == 200).map(|form| form.input("seen")).unwrap_or_default();
        let fields = [
            ("seen", seen.as_str()),
            ("f.chi_bo", "Chi bộ 9"),
            ("reason", "nhập nhầm"),
            ("do", "take"),
            ("to", "en"),
            ("back", "/"),
            ("name", "lan"),
            ("password", "một mật khẩu dài"),
        ];
        browser.post(&path, &fields).await
    }

    async fn ask_api(&self, method: &str, path: &str, brings: Brings, wrong: &Self) -> Reply {
        let token = match brings {
            Brings::Nothing => String::new(),
            Brings::Wrong => format!("Authorization: Bearer {}\r\n", wrong.token),
            Brings::Right => format!("Authorization: Bearer {}\r\n", self.token),
        };
        let body = match method {
            "PUT" => {
                json!({ "so_cccd": "033075000009", "ho_ten": "Nguyễn Văn Tám", "ngay_sinh": "1975-03-12", "gioi_tinh": "NAM",
                "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": HERE, "dien_quan_ly": "CHIBO", "tinh_trang": "CHINH_THUC" })
            }
            _ => json!({ "reason": "nhập nhầm" }),
        };
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{token}",
            self.api
        );
        Browser::new(self.api).raw(&head, body.as_bytes()).await
    }
}

/// Goal: every path of a node's page and API is for just those in the table, at a commune's node and at an agency's; one without a
/// row is none. Method: the lists the routers are made of; each path with no token, with one that is good at the other node
/// only, and with the right one.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_path_of_a_nodes_doors_at_each_kind_of_node() {
    let rows: Vec<Vec<&str>> = PATHS
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<&str>| !row.is_empty())
        .collect();
    let listed: Vec<(&str, &str, &str)> = rows.iter().map(|row| (row[0], row[1], row[2])).collect();
    let page = web::ROUTES.map(|(method, path)| ("page", method, path));
    let api = ENDPOINTS.map(|endpoint| ("api", endpoint.method, endpoint.path));
    assert_eq!(listed, [&page[..], &api].concat(), "a path without a row, or a row without a path");

    let shared = Shared::set().await;
    shared.granted("[[share]]\ntype = \"dang_vien\"\nceiling = \"C2\"\n").await;
    let agency = shared.agency("agency").await;
    let shown = shared.shows(&agency, "members", |items| items.len() == 2).await;
    let list = RecordsRequest::List { record_type: who("dang_vien"), listing: <_>::default() };
    let own = at_node(&shared.node, Request::Records(list)).await;
    let [mut commune, mut of_agency] = [
        Doors::open(&shared.node, own["items"][0]["id"].as_str().unwrap()).await,
        Doors::open(&agency, shown[0]["id"].as_str().unwrap()).await,
    ];
    let sizes = || [&shared.node, &agency].map(|node| node.replica.head().borrow().size);
    let before = sizes();
    let mut otherwise = Vec::new();
    let mut met = |row: &[&str], kind: &str, wanted: &str, reply: &Reply| {
        if reply.status.to_string() != wanted {
            otherwise.push(format!("{} at {kind}'s node: {}", row.join(" "), reply.status));
        }
    };
    for row in &rows {
        let path = (row[0], row[1], row[2]);
        for (brings, wanted) in [(Brings::Nothing, row[3]), (Brings::Wrong, row[4])] {
            let replies =
                [commune.ask(path, brings, &of_agency).await, of_agency.ask(path, brings, &commune).await];
            for (reply, kind) in replies.iter().zip(KINDS) {
                met(row, kind, wanted, reply);
                assert!(!reply.text().contains("Nguyễn"), "{path:?}: {}", reply.text());
            }
        }
    }
    assert_eq!(sizes(), before, "one whom nobody knows has written");
    for row in &rows {
        let path = (row[0], row[1], row[2]);
        let replies = [
            commune.ask(path, Brings::Right, &of_agency).await,
            of_agency.ask(path, Brings::Right, &commune).await,
        ];
        for ((reply, kind), wanted) in replies.iter().zip(KINDS).zip(&row[5..]) {
            met(row, kind, wanted, reply);
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    assert!(sizes()[0] > before[0], "the commune's has written");
    assert_eq!(sizes()[1], before[1], "the agency's has not");
}
