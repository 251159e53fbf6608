//! What may not enter the system is nowhere in it, and no field's value is in what programs say of themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use lienthong_hub::alerts::{Limits, Notice, What};
use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request as HubRequest, SharingRequest};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::backup::Identity;
use lienthong_node::records::{Listing, Page};
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_node::web::{Page as OfficersPage, PageRequest, WebLimits};
use lienthong_proto::catalogue::{Catalogue, Class, FieldKind, RecordType};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync::granted::Message;
use lienthong_tests::asking::{at_hub, at_node, import};
use lienthong_tests::aviary::{Aviary, Canary, Lot, Row};
use lienthong_tests::canary::{in_clear, legible, unwrapped, walk};
use lienthong_tests::listening::Listener;
use lienthong_tests::sharing::{HERE, Shared, THERE, ask, opened, who};
use lienthong_tests::visitor::{Browser, encoded};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, reopened};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tracing_subscriber::fmt::MakeWriter;

const UNIT: &str = "11953";
/// The class that never enters: the sender of a letter, as a column, an object's field, and one of a wrong row.
const FORBIDDEN: [&str; 4] = ["CANARYSENDERONE", "CANARYPHONETWO", "CANARYSENDERTHREE", "CANARYSENDERFOUR"];
/// What is stored and shown to who may see it, and told to nobody else.
const KEPT: [&str; 3] = ["CANARYSUBJECT", "CANARYBODY", "CANARYNUMBER"];

/// The reason of a withdrawal: in the logs; with the record where that was shared before, and nowhere else.
const REASON: &str = "CANARYREASON";

/// Everything the programs say of themselves, traces at their most talkative.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

static SAID: LazyLock<Said> = LazyLock::new(|| {
    let said = Said::default();
    let traces = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
    traces.with_writer(said.clone()).init();
    said
});

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Goal (T46, T47): a sender's name and number, given by sheet and by object, in good rows and bad ones, are on no disk of
/// node or hub, in no answer and no trace; what may be kept is in the logs, and in no trace and no metric. Method: traces at
/// their most talkative, every file walked, every batch opened.
#[tokio::test(flavor = "multi_thread")]
async fn t46_t47_canaries_are_nowhere_they_may_not_be() {
    let said = SAID.clone();
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let sheets = tempfile::tempdir().unwrap();
    let sheet = format!(
        "Mã đơn,Ngày nhận,Loại đơn,Người gửi,Liên hệ người gửi,Đối tượng,Nội dung,Lĩnh vực,Mã xã,Thẩm quyền,Cơ quan giải quyết,Tình trạng,Nặc danh\n\
         {},02/09/2026,TO_CAO,{},{},{},Việc thu chi,LV04,{UNIT},CUA_TA,{},DANG_XU_LY,không\n\
         X2,hôm qua,TO_CAO,{},,Ông B,Việc khác,LV04,{UNIT},CUA_TA,UBKT,DANG_XU_LY,không\n",
        KEPT[2], FORBIDDEN[0], FORBIDDEN[1], KEPT[0], KEPT[1], FORBIDDEN[2]
    );
    let report = import(&node, sheets.path(), "don_thu", &sheet).await;
    assert_eq!((&report["created"], &report["rejected"]), (&json!(1), &json!(1)), "{report:#}");
    let put = RecordsRequest::Put {
        values: vec![json!({ "ma_don": "X3", "nguoi_gui": FORBIDDEN[3], "loai_don": "TO_CAO" })],
        record_type: "don_thu".to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    let answer = at_node(&node, Request::Records(put)).await;
    acknowledged(&node).await.unwrap();
    hub.committer.flush().await;
    let logs = [in_clear(node.replica.reader()), in_clear(&hub.reader)];
    node.close().await;
    hub.close().await;
    for word in FORBIDDEN {
        assert!(
            !has(report.to_string().as_bytes(), word) && !has(answer.to_string().as_bytes(), word),
            "{word}"
        );
        assert!(logs.iter().all(|log| !has(log, word)), "{word} is in a log");
        walk(dir.path(), &mut |path, bytes| assert!(!has(bytes, word), "{word} is in {}", path.display()));
    }
    for word in KEPT {
        assert!(logs.iter().all(|log| has(log, word)), "{word} is kept");
    }
    let said = said.0.lock();
    assert!(has(&said, "TRACE") || has(&said, "DEBUG"), "traces are talkative");
    for word in FORBIDDEN.iter().chain(&KEPT) {
        assert!(!has(&said, word), "{word} is in a trace");
    }
}

/// Goal: what a node has in its log all the same, as one with an older catalogue may, is dropped by the hub, and then goes
/// from the node's log too; its proofs hold, and the node goes on. Method: a change of the forbidden kind, written past the
/// doors.
#[tokio::test(flavor = "multi_thread")]
async fn p9_what_the_hub_drops_leaves_the_nodes_log_too() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let values = [("ma_don", "X9"), ("nguoi_gui", FORBIDDEN[0]), ("noi_dung", KEPT[1])];
    let letter = Draft {
        record_type: "don_thu".to_owned(),
        owner: UNIT.parse().unwrap(),
        values: values.map(|(name, value)| (name.to_owned(), text(value))).into(),
        intent: Intent::Assert,
        author: "lan".to_owned(),
    };
    assert!(node.write(vec![letter]).await[0].is_ok());
    assert!(has(&in_clear(node.replica.reader()), FORBIDDEN[0]));
    node.start_sync(brisk());
    tokio::time::timeout(Duration::from_secs(60), node.superseded.cancelled()).await.unwrap();
    // The feed goes on into the log until the node is closed.
    node.close().await;
    let root = node.replica.head().borrow().root;
    drop(node);
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    assert_eq!(node.replica.head().borrow().root, root, "every proof holds");
    assert!(!node.superseded.is_cancelled(), "once is enough");
    node.start_sync(brisk());
    node.write(vec![lienthong_tests::member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    hub.committer.flush().await;
    let logs = [in_clear(node.replica.reader()), in_clear(&hub.reader)];
    node.close().await;
    hub.close().await;
    for word in [FORBIDDEN[0], KEPT[1]] {
        assert!(logs.iter().all(|log| !has(log, word)), "{word} is in a log");
        walk(dir.path(), &mut |path, bytes| assert!(!has(bytes, word), "{word} is in {}", path.display()));
    }
}

/// A province at whose every door canaries are given.
struct Coop {
    shared: Shared,
    aviary: Aviary,
    sheets: tempfile::TempDir,
    browser: Browser,
    api: (SocketAddr, String),
    /// What was answered at the doors.
    answers: Vec<u8>,
}

impl Coop {
    async fn set() -> Self {
        let shared = Shared::set().await;
        let node = &shared.node;
        let page = OfficersPage::new(&node.data, WebLimits::default()).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let address = lienthong_node::web::serve(node, &page, listen).await.unwrap();
        let open = Request::Page(PageRequest::Open { author: who("lan") });
        let url = at_node(node, open).await["url"].as_str().unwrap().to_owned();
        let mut browser = Browser::new(address);
        let entered = browser.get(url.strip_prefix(&format!("http://{address}")).unwrap()).await;
        browser.keep(&entered);
        browser.csrf = browser.get("/").await.input("csrf");
        let address = lienthong_node::api::serve(node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let api = (address, node.api_tokens.create("quanly", node.now()).unwrap());
        let sheets = tempfile::tempdir().unwrap();
        Self { shared, aviary: Aviary::default(), sheets, browser, api, answers: Vec::new() }
    }

    fn rows(&mut self, declared: &RecordType, door: &'static str, lots: &[Lot]) -> Vec<Row> {
        let catalogue = catalogue().unwrap();
        let row = |lot: &Lot| self.aviary.row(&catalogue, declared, (door, *lot), (HERE, THERE));
        lots.iter().filter_map(row).collect()
    }

    fn heard(&mut self, answer: &Json) {
        self.answers.extend_from_slice(answer.to_string().as_bytes());
    }

    /// As a sheet of either form, by the command line and by the page; what is classified in a sheet of its own.
    async fn by_sheets(&mut self, declared: &RecordType) {
        for lots in [&[Lot::Good, Lot::Wrong][..], &[Lot::Classified]] {
            let rows = self.rows(declared, "csv", lots);
            if rows.is_empty() {
                continue;
            }
            let answer = import(&self.shared.node, self.sheets.path(), &declared.name, &csv(&rows)).await;
            self.heard(&answer);
            let rows = self.rows(declared, "xlsx", lots);
            let path = self.sheets.path().join("sheet.xlsx");
            xlsx(&rows, &path);
            let request = RecordsRequest::Import {
                path,
                record_type: declared.name.clone(),
                dry_run: false,
                rows: true,
                author: who("lan"),
                english: true,
            };
            let answer = at_node(&self.shared.node, Request::Records(request)).await;
            self.heard(&answer);
            let rows = self.rows(declared, "page", lots);
            let sent = self.browser.upload("sheet.csv", &declared.name, csv(&rows).as_bytes()).await;
            let place = sent.header("location").unwrap().to_owned();
            let shown = self.browser.settled(&place).await;
            self.answers.extend(shown.bytes);
            self.browser.post(&place, &[("do", "take")]).await;
            let shown = self.browser.settled(&place).await;
            self.answers.extend(shown.bytes);
            let report = self.browser.get(&format!("{place}/report.xlsx")).await;
            self.answers.extend(unwrapped(&report.bytes).concat());
        }
    }

    /// As objects: by the command line at the commune and at the province, and by the API.
    async fn by_objects(&mut self, declared: &RecordType) {
        let put = |rows: &[Row]| RecordsRequest::Put {
            values: rows.iter().map(|row| row.object.clone()).collect(),
            record_type: declared.name.clone(),
            author: who("lan"),
            english: true,
        };
        let all = [Lot::Good, Lot::Wrong, Lot::Classified];
        let rows = self.rows(declared, "put", &all);
        let answer = at_node(&self.shared.node, Request::Records(put(&rows))).await;
        self.heard(&answer);
        let rows = self.rows(declared, "province", &[Lot::Good, Lot::Classified]);
        let answer = at_hub(self.shared.hub(), HubRequest::Records(put(&rows))).await;
        self.heard(&answer);
        for row in self.rows(declared, "api", &all) {
            let body = row.object.to_string();
            let answer = self.call("PUT", &format!("/v1/records/{}", declared.name), &body).await;
            self.answers.extend(answer);
        }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (address, token) = &self.api;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        );
        let client = Browser { cookies: Vec::new(), ..Browser::new(*address) };
        client.raw(&head, body.as_bytes()).await.bytes
    }

    /// In the page's form, field by field, over a record that is there.
    async fn by_form(&mut self, declared: &RecordType) {
        let listed = self.browser.get(&format!("/records?type={}", declared.name)).await.text();
        let start = format!("/records/{}/", declared.name);
        let id = listed.split(&start).nth(1).unwrap_or_else(|| panic!("none of {start}: {listed}"));
        let place = format!("{start}{}/edit", id.split('"').next().unwrap());
        let form = self.browser.get(&place).await;
        let mut typed = vec![("seen".to_owned(), form.input("seen"))];
        for field in &declared.fields {
            let name = format!("f.{}", field.name);
            let plain = matches!(field.kind, FieldKind::Text | FieldKind::LongText) && field.check.is_none();
            if plain && form.text().contains(&format!("name=\"{name}\"")) {
                typed.push((name, self.aviary.text("form", &declared.name, field, Lot::Good)));
            }
        }
        let fields: Vec<(&str, &str)> =
            typed.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let saved = self.browser.post(&place, &fields).await;
        assert_eq!(saved.status, 303, "{place}: {}", saved.text());
    }

    /// In the watched folder, in files whose names are values too.
    async fn by_inbox(&mut self) {
        let (inbox, mut files) = (self.shared.path("inbox"), 0);
        for declared in catalogue().unwrap().record_types() {
            let folder = inbox.join(&declared.name);
            std::fs::create_dir_all(&folder).unwrap();
            for lots in [&[Lot::Good, Lot::Wrong][..], &[Lot::Classified]] {
                let rows = self.rows(declared, "inbox", lots);
                let (false, Some(field)) = (rows.is_empty(), declared.fields.first()) else { continue };
                let name = self.aviary.text("inbox", &declared.name, field, Lot::Wrong);
                std::fs::write(folder.join(format!("{name}.csv")), csv(&rows)).unwrap();
                files += 1;
            }
        }
        self.shared.node.start_inbox(&inbox).unwrap();
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let status = self.shared.node.inbox_status().unwrap();
            if status.done + status.rejected == files {
                return;
            }
            assert!(Instant::now() < deadline, "{files} files are taken in: {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whoever looks for something says it: in addresses and queries.
    async fn looked_for(&self) {
        for canary in self.aviary.canaries().iter().filter(|canary| canary.is_shown()).step_by(40) {
            let (name, word) = (&canary.record_type, canary.text());
            self.call("GET", &format!("/v1/records/{name}/{}", encoded(word)), "").await;
            self.call("GET", &format!("/v1/records/{name}?search={}", encoded(word)), "").await;
            self.browser.get(&format!("/records?type={name}&q={}", encoded(word))).await;
            self.browser.get(&format!("/records/{name}/{}", encoded(word))).await;
            let get = RecordsRequest::Get { record_type: name.clone(), id: word.to_owned(), unit: None };
            at_hub(self.shared.hub(), HubRequest::Records(get)).await;
        }
    }

    /// A node whose catalogue takes what is never stored for harmless.
    async fn smuggled(&mut self) -> Arc<Node> {
        let province = &self.shared.province;
        let folder = self.shared.path("there");
        let node = make_node(&province.hub, &province.address, &folder, THERE).await.unwrap();
        node.close().await;
        drop(node);
        let harmless = Catalogue::embedded_files().into_iter().filter(|(_, text)| text.contains("\"C4\""));
        let harmless = harmless.map(|(name, text)| (name, text.replace("\"C4\"", "\"C3\"")));
        let harmless = Arc::new(Catalogue::with_overrides(harmless).unwrap());
        let node = reopened(|| Ok(Node::open(&folder, Arc::clone(&harmless), system_clock)?));
        for declared in catalogue().unwrap().record_types() {
            let never = declared.fields.iter().filter(|field| {
                field.class == Class::C4 && !matches!(field.kind, FieldKind::Attachment | FieldKind::Items)
            });
            let mut values: BTreeMap<String, Value> = BTreeMap::new();
            for field in never {
                let word = self.aviary.text("smuggled", &declared.name, field, Lot::Smuggled);
                let text = Value::Text(word);
                let is_list = field.kind == FieldKind::List;
                values.insert(field.name.clone(), if is_list { Value::List(vec![text]) } else { text });
            }
            if values.is_empty() {
                continue;
            }
            for key in &declared.key.fields {
                let field = declared.field(key).unwrap();
                let word = self.aviary.text("smuggled", &declared.name, field, Lot::Smuggled);
                values.insert(key.clone(), Value::Text(word));
            }
            write(&node, declared, values).await;
        }
        for declared in catalogue().unwrap().record_types() {
            let Some(secrecy) = declared.fields.iter().find(|field| field.codes.as_deref() == Some("do_mat"))
            else {
                continue;
            };
            let text = declared.fields.iter().filter(|field| field.kind == FieldKind::Text);
            let mut values: BTreeMap<String, Value> = text
                .map(|field| {
                    let word = self.aviary.text("smuggled", &declared.name, field, Lot::Smuggled);
                    (field.name.clone(), Value::Text(word))
                })
                .collect();
            values.insert(secrecy.name.clone(), Value::Code("MAT".to_owned()));
            write(&node, declared, values).await;
        }
        node.start_sync(brisk());
        acknowledged(&node).await.unwrap();
        node
    }

    /// One is taken back before anything is shared: its reason concerns no agency.
    async fn withdrawn(&self) {
        let listing = Listing { limit: Some(1), ..Listing::default() };
        let list = RecordsRequest::List { record_type: "dang_vien".to_owned(), listing };
        let first = at_node(&self.shared.node, Request::Records(list)).await["items"][0]["id"].clone();
        let withdraw = RecordsRequest::Withdraw {
            record_type: "dang_vien".to_owned(),
            id: first.as_str().unwrap().to_owned(),
            unit: None,
            reason: REASON.to_owned(),
            author: who("lan"),
        };
        let withdrawn = at_node(&self.shared.node, Request::Records(withdraw)).await;
        assert_eq!(withdrawn["withdrawn"]["reason"], REASON, "{withdrawn:#}");
    }

    /// A grant of every type up to a class.
    async fn granted(&self, ceiling: Class) -> u64 {
        let share =
            |declared: &RecordType| format!("[[share]]\ntype = '{}'\nceiling = '{ceiling}'\n", declared.name);
        let opens = |declared: &&RecordType| {
            declared.fields.iter().any(|field| field.class <= ceiling && field.kind == FieldKind::Text)
        };
        let shares: String = catalogue().unwrap().record_types().filter(opens).map(share).collect();
        self.shared.granted(&shares).await
    }

    /// Those in the bytes of a folder, and in its logs.
    fn found_below(&self, folder: &Path) -> BTreeMap<String, BTreeSet<usize>> {
        let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        walk(folder, &mut |path, bytes| {
            let here = self.aviary.found_in(bytes);
            if !here.is_empty() {
                found.entry(path.display().to_string()).or_default().extend(here);
            }
        });
        found
    }

    fn only_below(&self, folder: &Path, may: impl Fn(&Canary) -> bool) {
        for (place, found) in self.found_below(folder) {
            self.aviary.only(&place, &found, &may);
        }
    }
}

/// Writes at a node behind its doors, where nothing is judged.
async fn write(node: &Node, declared: &RecordType, values: BTreeMap<String, Value>) {
    let (record_type, owner) = (declared.name.clone(), THERE.parse().unwrap());
    let draft = Draft { record_type, owner, values, intent: Intent::Assert, author: who("x") };
    let written = node.write(vec![draft]).await;
    assert!(written.iter().all(Result::is_ok), "{}: {written:?}", declared.name);
}

fn csv(rows: &[Row]) -> String {
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
        cells.join(",") + "\n"
    };
    let heads = rows[0].cells.iter().map(|(head, _)| head.as_str()).collect();
    let rows = rows.iter().map(|row| line(row.cells.iter().map(|(_, cell)| cell.as_str()).collect()));
    line(heads) + &rows.collect::<String>()
}

fn xlsx(rows: &[Row], path: &Path) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, (head, _)) in (0..).zip(&rows[0].cells) {
        sheet.write_string(0, column, head).unwrap();
        for (line, row) in (1..).zip(rows) {
            sheet.write_string(line, column, &row.cells[usize::from(column)].1).unwrap();
        }
    }
    book.save(path).unwrap();
}

/// What is said of a hub and of a node to whoever watches them.
fn watched(hub: &Arc<Hub>, node: &Node) -> String {
    hub.look_at_alerts(&Limits { backup_seconds: 0, disk_percent: 100, ..Limits::default() });
    let alerts = hub.alerts.list(true);
    assert!(alerts.iter().any(|alert| alert.key.starts_with("quarantine/")), "{alerts:?}");
    let told = Notice::of(What::Begun, alerts, hub.now());
    let told = told
        .iter()
        .map(|notice| format!("{}\n{}\n{}\n", notice.to_json("33"), notice.subject(), notice.text()));
    let told: String = told.collect();
    let (ready, standing) = (format!("{:?}{:?}", hub.readiness(), node.readiness()), hub.status());
    let metrics = lienthong_hub::observe::render(hub) + &lienthong_node::observe::render(node);
    assert!(metrics.contains("lienthong_"), "there are metrics");
    format!("{told}{ready}{standing}{}{metrics}", node.status())
}

/// Goal (T46, T47, T48): what is given at any door, in any field of any type, is only where it may be. Nothing of what never
/// enters, of rows that say they are secret, and of rejected rows is at the province or in a log; nothing at all is in traces,
/// metrics, health, alerts and messages; a bundle and a live view have just the classes they were granted. Method: a value
/// of its own in each field the catalogue has, at each door; every file, answer and line searched, unpacked.
#[tokio::test(flavor = "multi_thread")]
async fn t46_t47_t48_each_field_has_a_canary_that_is_only_where_it_may_be() {
    let said = SAID.clone();
    let mut coop = Coop::set().await;
    let embedded = catalogue().unwrap();
    for declared in embedded.record_types() {
        coop.by_sheets(declared).await;
        coop.by_objects(declared).await;
        coop.by_form(declared).await;
    }
    coop.by_inbox().await;
    let smuggler = coop.smuggled().await;
    coop.looked_for().await;
    coop.withdrawn().await;
    let node = Arc::clone(&coop.shared.node);
    let hub = Arc::clone(coop.shared.hub());
    at_node(&node, Request::LogTally { actor: who("lan") }).await;
    acknowledged(&node).await.unwrap();
    hub.committer.flush().await;
    hub.quality.settle_until_now(&mut |_| ()).unwrap();

    // In the logs is all that may be, and nothing else.
    let own = coop.aviary.found_in(&in_clear(node.replica.reader()));
    let at_province = coop.aviary.found_in(&in_clear(&hub.reader));
    let here = |canary: &Canary| canary.is_shown() && canary.door != "province";
    coop.aviary.all("the node's log", &own, here);
    coop.aviary.all("the ledger", &at_province, Canary::is_shown);
    coop.aviary.only("the node's log", &own, Canary::may_be_stored);
    coop.aviary.only("the ledger", &at_province, Canary::may_be_stored);
    let answered = coop.aviary.found_in(&coop.answers);
    coop.aviary.only("answers", &answered, Canary::may_be_told);
    assert!(has(&in_clear(node.replica.reader()), REASON) && has(&in_clear(&hub.reader), REASON));
    assert!(!has(watched(&hub, &node).as_bytes(), REASON));
    coop.aviary.only("what is watched", &coop.aviary.found_in(watched(&hub, &node).as_bytes()), |_| false);

    shared_as_granted(&coop).await;

    // Backups: in clear what the folders have, sealed nothing.
    let (key, _) = Identity::generate().unwrap();
    let backups = ["backup", "sealed", "node-backup", "node-sealed"].map(|name| coop.shared.path(name));
    hub.backup(&backups[0]).unwrap();
    hub.backup_to(&backups[1], Some(key.recipient())).unwrap();
    for (to, recipient) in [(&backups[2], None), (&backups[3], Some(key.recipient()))] {
        let backed = at_node(&node, Request::Backup { to: to.clone(), recipient }).await;
        assert!(backed["error"].is_null(), "{backed:#}");
    }
    smuggler.close().await;
    node.close().await;
    hub.close().await;
    coop.only_below(&hub.data, Canary::may_be_stored);
    for (number, folder) in backups.iter().enumerate() {
        assert!(std::fs::read_dir(folder).unwrap().count() > 0, "{}", folder.display());
        coop.only_below(folder, |canary| number % 2 == 0 && canary.may_be_stored());
    }
    // What an officer has brought stays with the officer, rejected rows and all, until it is thrown away.
    let kept = |canary: &Canary| ["page", "inbox"].contains(&canary.door) && canary.may_be_told();
    coop.only_below(&node.data, |canary| canary.may_be_stored() || kept(canary));
    coop.only_below(&coop.shared.path("inbox"), kept);
    assert!(!has(&said.0.lock(), REASON));
    for bytes in unwrapped(&said.0.lock()) {
        coop.aviary.only("traces", &coop.aviary.found_in(&bytes), |_| false);
    }
}

/// A bundle and a live view, each with what it may have.
async fn shared_as_granted(coop: &Coop) {
    let shared = &coop.shared;
    let under = |ceiling: Class| {
        move |canary: &Canary| {
            canary.may_be_stored() && canary.class <= ceiling && canary.kind != FieldKind::LongText
        }
    };
    let grant = coop.granted(Class::C2).await;
    let bundle = shared.bundle(grant, "bundle").await;
    let sealed = std::fs::read(&bundle).unwrap();
    coop.aviary.only("a sealed bundle", &coop.aviary.found_in(&sealed), |_| false);
    let lines = opened(&bundle, &shared.identity);
    assert!(!in_clear_lines(lines.as_bytes()).iter().any(|bytes| has(bytes, REASON)));
    let found = in_lines(coop, lines.as_bytes());
    coop.aviary.only("the bundle", &found, under(Class::C2));
    assert!(found.len() > 300, "the bundle shows what it may: {}", found.len());
    let verified = shared.verified(&bundle).await.unwrap();
    let records = json!(verified.records).to_string();
    coop.aviary.only("its records", &coop.aviary.found_in(records.as_bytes()), under(Class::C2));

    let revoke = SharingRequest::GrantRevoke { number: grant, reason: who("xong"), actor: who("minh") };
    ask(shared.hub(), revoke).await;
    let grant = coop.granted(Class::C1).await;
    let agency = shared.agency("agency").await;
    let there =
        |line: &Json| line["number"] == grant && line["state"] == "active" && !line["access"].is_null();
    let grants = async || at_node(&agency, Request::Grants { page: Page::default() }).await;
    let any = |body: &Json| body["items"].as_array().unwrap().iter().any(there);
    lienthong_tests::asking::until("the view", grants, any).await;
    let mut shown = BTreeSet::new();
    for declared in catalogue().unwrap().record_types() {
        let listing = Listing { all: true, limit: Some(1_000), ..Listing::default() };
        let list = RecordsRequest::List { record_type: declared.name.clone(), listing };
        let list = at_node(&agency, Request::Records(list)).await;
        shown.extend(coop.aviary.found_in(list.to_string().as_bytes()));
    }
    coop.aviary.only("what the agency is shown", &shown, under(Class::C1));
    assert!(shown.len() > 200, "the view shows what it may: {}", shown.len());
    agency.close().await;
    let folder = shared.path("agency");
    walk(&folder, &mut |path, bytes| {
        assert!(!in_clear_lines(bytes).iter().any(|bytes| has(bytes, REASON)), "{}", path.display());
        let found = in_lines(coop, bytes);
        coop.aviary.only(&path.display().to_string(), &found, under(Class::C1));
    });
    // And what went over the line, to one that has nothing yet.
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (grant, lines) = listener.delivery().await.unwrap();
    listener.sign(grant, &lines).await;
    while !matches!(listener.next().await.unwrap(), Message::CaughtUp(_)) {}
    let found = in_lines(coop, &listener.tap.heard());
    coop.aviary.only("the line", &found, under(Class::C1));
    assert!(found.len() > 200, "the line has what it may: {}", found.len());
}

/// The bytes of the lines of a bundle or delivery, as they are and decoded.
fn in_clear_lines(lines: &[u8]) -> Vec<Vec<u8>> {
    unwrapped(lines).into_iter().flat_map(|bytes| [legible(&bytes), bytes]).collect()
}

/// What stands in the lines of a bundle or delivery, entries opened.
fn in_lines(coop: &Coop, lines: &[u8]) -> BTreeSet<usize> {
    let opened = unwrapped(lines)
        .into_iter()
        .flat_map(|bytes| [coop.aviary.found_in(&legible(&bytes)), coop.aviary.found_in(&bytes)]);
    opened.flatten().collect()
}
