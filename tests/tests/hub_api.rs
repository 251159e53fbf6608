//! The hub's API through its door: who is let in, what is read and done, and that its own description is true.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::alerts::Limits;
use lienthong_hub::app::Hub;
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::rights;
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_hub::web::Pages;
use lienthong_hub::web::api::{BASE, BODY_BYTES_MAX, endpoints};
use lienthong_node::app::Node;
use lienthong_tests::asking::{at_hub, import, until};
use lienthong_tests::browsing::{FORM, Reader};
use lienthong_tests::programs::{Client, Description, SENT, json_of, problem};
use lienthong_tests::sharing::{self, MEMBERS};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const PASSWORD: &str = "mật khẩu đủ dài";
const HERE: &str = "11953";
const THERE: &str = "12004";
const KEY: &str = "033075000012";
const TWIN: &str = "033075000021";
const ROLES: [(&str, AccountRole); 4] = [
    ("lan", AccountRole::Operator),
    ("minh", AccountRole::Steward),
    ("hoa", AccountRole::Approver),
    ("quan", AccountRole::Administrator),
];
const HEAD: &str = "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại,Số thẻ đảng viên\n";
const PAPER: &str = "Đảng viên,Từ đơn vị,Đến đơn vị,Ngày giới thiệu,Ngày tiếp nhận\n";

fn line(name: &str, born: &str, unit: &str, number: &str, phone: &str) -> String {
    format!("{name},{born},Nam,{number},01/02/2000,Chi bộ 1,{unit},CHIBO,CHINH_THUC,{phone},12345678\n")
}

struct Stage {
    province: Province,
    pages: Pages,
    clients: BTreeMap<&'static str, Client>,
}

impl Stage {
    async fn set() -> Self {
        let province = Province::set().await.unwrap();
        let pages = province.hub.serve_web("https://127.0.0.1:0").await.unwrap();
        let hub = &province.hub;
        let mut clients = BTreeMap::new();
        for (name, role) in ROLES {
            hub.accounts.add(name, vec![role], None, Some(PASSWORD), hub.now()).unwrap();
            let token = hub.api_tokens.create(&format!("cua-{name}"), name, hub.now()).unwrap();
            clients.insert(name, Client { reader: Reader::new(hub, pages), token: Some(token) });
        }
        Self { province, pages, clients }
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.province.hub
    }

    fn client(&self, name: &str) -> &Client {
        &self.clients[name]
    }

    fn size(&self) -> u64 {
        self.hub().head().size
    }

    async fn node(&self, name: &str, unit: &str) -> Arc<Node> {
        let Province { dir, hub, address } = &self.province;
        let node = make_node(hub, address, &dir.path().join(name), unit).await.unwrap();
        node.start_sync(brisk());
        node
    }

    async fn taken_in(&self, node: &Arc<Node>, record_type: &str, text: &str) {
        let report = import(node, self.province.dir.path(), record_type, text).await;
        assert_eq!(report["rejected"], 0, "{report:#}");
        acknowledged(node).await.unwrap();
    }

    /// Two communes, and one of each thing that waits for a person.
    async fn troubled() -> (Self, Arc<Node>, Arc<Node>) {
        let stage = Self::set().await;
        let (here, there) = (stage.node("here", HERE).await, stage.node("there", THERE).await);
        let an = |unit, number, phone| line("Nguyễn Văn An", "02/03/1975", unit, number, phone);
        stage.taken_in(&here, "dang_vien", &format!("{HEAD}{}", an(HERE, KEY, "0912345671"))).await;
        // The same with another telephone: a conflict. The same under a number turned round: a likely duplicate.
        let both = format!("{HEAD}{}{}", an(THERE, KEY, "0912345672"), an(THERE, TWIN, "0912345671"));
        stage.taken_in(&there, "dang_vien", &both).await;
        // Somebody else under that number: quarantine.
        let other = line("Trần Văn Hoa", "09/10/1975", HERE, TWIN, "0912345673");
        stage.taken_in(&here, "dang_vien", &format!("{HEAD}{other}")).await;
        // One half of a handover.
        stage
            .taken_in(&here, "chuyen_sinh_hoat", &format!("{PAPER}{KEY},{HERE},{THERE},01/10/2026,\n"))
            .await;
        // A backup that was never made: an alert.
        stage.hub().look_at_alerts(&Limits { backup_seconds: 0, disk_percent: 0, ..Limits::default() });
        let client = stage.client("lan").clone();
        let duplicates = async || client.read("/duplicates").await;
        until("the pair", duplicates, |list| !list["items"].as_array().unwrap().is_empty()).await;
        (stage, here, there)
    }
}

/// A path of the table with what there is in a province just made, or is not.
fn real(path: &str) -> String {
    path.replace("{type}", "dang_vien")
        .replace("{unit}", HERE)
        .replace("/alerts/{id}", "/alerts/1")
        .replace("/waivers/{number}", "/waivers/1")
        .replace("/grants/{number}", "/grants/1")
        .replace("{number}", "12.0")
        .replace("{replica}", &"0".repeat(32))
        .replace("{name}", "khong-co")
        .replace("{id}", KEY)
}

/// An agency that grants can be for.
async fn agency(hub: &Arc<Hub>) {
    let (code, name) = ("TTT".parse().unwrap(), Some("Thanh tra tỉnh".to_owned()));
    let request = SharingRequest::AgencyAdd { code, name, contact: None, key: None, actor: "lan".to_owned() };
    assert!(sharing::ask(hub, request).await["ledger_index"].is_number());
}

/// Goal: deny by default. Method: every endpoint with every sort of token, and with each role's; the table of rights
/// says which may; nothing is written by any who may not.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_endpoint_is_for_just_these_roles() {
    let stage = Stage::set().await;
    let good = stage.client("lan").token.clone().unwrap();
    let hub = stage.hub();
    let revoked = hub.api_tokens.create("cu", "lan", hub.now()).unwrap();
    hub.api_tokens.revoke("cu", "lan", false, hub.now()).unwrap();
    hub.accounts.add("thu", vec![AccountRole::Operator], None, Some(PASSWORD), hub.now()).unwrap();
    let disabled = hub.api_tokens.create("cua-thu", "thu", hub.now()).unwrap();
    assert_eq!(stage.client("lan").with(Some(&disabled)).get("/status").await.status, 200);
    hub.accounts.disable("thu").unwrap();
    let size = stage.size();
    let mut wrong = vec![None, Some(String::new()), Some("x".repeat(69)), Some(revoked), Some(disabled)];
    wrong.extend([Some(good[..good.len() - 1].to_owned()), Some(good.to_uppercase())]);
    for endpoint in endpoints() {
        let (method, path) = (endpoint.method, real(endpoint.path));
        let public = endpoint.path == "/openapi.json";
        assert_eq!(endpoint.action.is_none(), public);
        for token in &wrong {
            let reply = stage.client("lan").with(token.as_deref()).send(method, &path, &[SENT], "{}").await;
            assert_eq!(reply.status, if public { 200 } else { 401 }, "{method} {path} {token:?}");
            if !public {
                assert_eq!(problem(&reply), "unauthorized");
                assert!(reply.header("www-authenticate").starts_with("Bearer"), "{reply:?}");
            }
        }
        let Some(action) = endpoint.action else { continue };
        let needed = rights::of_request(action).unwrap_or_else(|| panic!("{action} has no row"));
        for (name, role) in ROLES {
            let reply = stage.client(name).send(method, &path, &[SENT], "{}").await;
            let refused = reply.status == 403 && problem(&reply) == "forbidden";
            assert_eq!(refused, !role.may(needed), "{name}: {method} {path}: {reply:?}");
            assert_ne!(reply.status, 503, "{method} {path}: {reply:?}");
            assert_eq!(reply.header("cache-control"), "no-store");
            assert_eq!(reply.header("access-control-allow-origin"), "");
        }
    }
    let stranger = stage.client("lan").with(None);
    for path in ["/nowhere", "/status/nothing", ""] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}: what exists is told to nobody");
        assert_eq!(problem(&stage.client("lan").get(path).await), "not-found", "{path}");
    }
    assert_eq!(stranger.get(&format!("/status?token={good}")).await.status, 401);
    for (method, path) in
        [("DELETE", "/status"), ("POST", "/status"), ("PUT", "/units"), ("GET", "/duplicates/merge")]
    {
        let reply = stage.client("lan").send(method, path, &[SENT], "{}").await;
        assert_eq!((reply.status, problem(&reply).as_str()), (405, "method"), "{method} {path}");
        assert!(!reply.header("allow").is_empty(), "{reply:?}");
    }
    assert_eq!(stage.size(), size, "nothing was written");
}

/// Goal: an account's rights are those of this moment, and a token is nobody else's to use or end.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_token_is_its_account_and_ends_with_it() {
    let stage = Stage::set().await;
    let lan = stage.client("lan");
    let listed = lan.read("/api-tokens?account=minh").await;
    assert_eq!(listed["items"][0]["name"], "cua-minh");
    assert!(!listed.to_string().contains("sha256"), "{listed}");
    let revoke = async |who: &str, name: &str| {
        stage.client(who).post(&format!("/api-tokens/{name}/revoke"), &json!({})).await
    };
    let foreign = revoke("lan", "cua-minh").await;
    assert_eq!((foreign.status, problem(&foreign).as_str()), (403, "forbidden"));
    assert_eq!(revoke("minh", "cua-minh").await.status, 200, "one's own");
    assert_eq!(stage.client("minh").get("/status").await.status, 401, "at once");
    assert_eq!(revoke("quan", "cua-hoa").await.status, 200, "who keeps accounts");
    let unknown = revoke("quan", "cua-hoa").await;
    assert_eq!((unknown.status, problem(&unknown).as_str()), (404, "unknown"));
    stage.hub().accounts.disable("lan").unwrap();
    assert_eq!(lan.get("/status").await.status, 401, "a disabled account's");
    let events = stage.client("quan").read("/ledger/entries").await;
    let ended: Vec<&Json> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["entry"]["event"] == "api_token_revoked")
        .map(|item| &item["entry"]["actor"])
        .collect();
    assert_eq!(ended, ["minh", "quan"]);
}

/// Goal: what is read is what the description says. Method: a province
/// with one of each trouble; every reading endpoint's answer against its schema, strictly.
#[tokio::test(flavor = "multi_thread")]
async fn p8_everything_is_read_as_described() {
    let (stage, _here, _there) = Stage::troubled().await;
    let (client, described) = (stage.client("hoa"), Description::of(stage.client("hoa")).await);
    let defect = client.read("/defects?limit=1").await["items"][0].clone();
    let (id, rule) = (&defect["id"], &defect["defects"][0]["rule"]);
    let waived = json!({
        "type": defect["type"], "id": id, "rule": rule, "until": "2027-06-30", "reason": "chờ hồ sơ",
    });
    let reply = client.post("/waivers", &waived).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    described.judge("POST", "/waivers", &json_of(&reply));
    agency(stage.hub()).await;
    let proposed = json!({ "text": sharing::grant(MEMBERS) });
    let grant = json_of(&stage.client("lan").post("/grants", &proposed).await)["number"].clone();
    let number = client.read("/quarantine").await["items"][0]["number"].as_str().unwrap().to_owned();
    for endpoint in endpoints().filter(|endpoint| endpoint.method == "GET") {
        let path = endpoint.path.replace("/quarantine/{number}", &format!("/quarantine/{number}"));
        let path = match endpoint.path {
            "/conflicts/{id}" => {
                let listed = client.read("/conflicts").await;
                path.replace("{id}", listed["items"][0]["id"].as_str().unwrap())
            }
            "/grants/{number}" => format!("/grants/{grant}"),
            "/records/{type}/{id}/why" => format!("{path}?field=dien_thoai"),
            _ => path,
        };
        let path = real(&path);
        let answer = client.read(&path).await;
        described.judge("GET", endpoint.path, &answer);
        let items = answer["items"].as_array().map(Vec::len);
        assert_ne!(items, Some(0), "{path}: there is something to judge");
    }
}

/// Goal: a list is whole in pages, and filtered and sorted as asked.
#[tokio::test(flavor = "multi_thread")]
async fn p7_lists_are_filtered_sorted_and_paged() {
    let (stage, _here, _there) = Stage::troubled().await;
    let client = stage.client("hoa");
    let units = client.read("/units?limit=1000").await["items"].as_array().unwrap().clone();
    assert!(units.len() > 100);
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.read(&format!("/units?limit=40&sort=-records{after}")).await;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let codes = |units: &[Json]| units.iter().map(|unit| unit["unit"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!((paged.len(), codes(&paged)), (units.len(), codes(&units)));
    assert_eq!(
        (&paged[0]["records"], &paged[1]["records"], &paged[2]["records"]),
        (&json!(2), &json!(1), &json!(0))
    );
    let online = client.read("/units?state=online").await;
    assert_eq!(codes(online["items"].as_array().unwrap()).len(), 2, "{online}");
    let found = client.read(&format!("/units?search={}", units[0]["unit"].as_str().unwrap())).await;
    assert_eq!(found["items"][0]["unit"], units[0]["unit"]);
    let none = client.read("/conflicts?type=can_bo").await;
    assert_eq!(none, json!({ "items": [], "next": null }));
    assert_eq!(client.read("/waivers?expired=true").await["items"], json!([]));
    assert_eq!(
        client.read(&format!("/duplicates?units={THERE}")).await["items"].as_array().unwrap().len(),
        1
    );
    let records = client.read("/records/dang_vien?limit=1&search=nguyen%20van%20an").await;
    let second = format!("/records/dang_vien?after={}", records["next"].as_str().unwrap());
    assert_eq!(client.read(&second).await["items"].as_array().unwrap().len(), 1, "{records:#}");
    let defects = client.read("/defects?limit=1").await;
    let rest = client.read(&format!("/defects?after={}", defects["next"].as_str().unwrap())).await;
    assert_ne!(rest["items"][0]["id"], defects["items"][0]["id"]);
    let first = client.read("/ledger/entries?limit=2").await;
    let next = client.read(&format!("/ledger/entries?limit=2&after={}", first["next"])).await;
    assert_eq!(next["items"][0]["index"], 2, "{next:#}");
}

/// Goal: a question that is not understood is refused, and what is wrong with it named.
#[tokio::test(flavor = "multi_thread")]
async fn p8_a_question_that_is_not_understood_is_refused_by_name() {
    let stage = Stage::set().await;
    let client = stage.client("hoa");
    for (path, parameter) in [
        ("/units?colour=red", "colour"),
        ("/units?limit=0", "limit"),
        ("/units?limit=1001", "limit"),
        ("/units?limit=x", "limit"),
        ("/units?limit=1&limit=2", "limit"),
        ("/units?sort=phone", "sort"),
        ("/units?sort=unit&sort=name", "sort"),
        ("/units?after=x", "after"),
        ("/units?state=asleep", "state"),
        ("/units?unit=%00", "unit"),
        ("/units/a%20b", "unit"),
        ("/records/dang_vien?after=x", "after"),
        ("/records/dang_vien?after=", "after"),
        ("/defects?after=dang_vien", "after"),
        ("/records/dang_vien?sort=id", "sort"),
        ("/records/dang_vien/1/why", "field"),
        ("/alerts?all=yes", "all"),
        ("/status?x", "x"),
        ("/conflicts?type=khong_co", "type"),
        ("/defects?type=khong_co", "type"),
        ("/quarantine/12", "number"),
    ] {
        let reply = client.get(path).await;
        assert_eq!((reply.status, problem(&reply).as_str()), (400, "bad-request"), "{path}");
        assert_eq!(json_of(&reply)["parameter"], parameter, "{path}");
    }
    let by_name = client.read("/units?limit=1&sort=name").await["next"].as_str().unwrap().to_owned();
    assert_eq!(problem(&client.get(&format!("/units?sort=unit&after={by_name}")).await), "bad-request");
    for (path, kind) in [
        ("/records/dang_vienn", "type-unknown"),
        ("/records/dang_vien/033070009999", "record-unknown"),
        ("/units/99999", "unknown"),
        ("/quality/99999", "unknown"),
        ("/conflicts/0123", "unknown"),
        ("/quarantine/999.0", "unknown"),
        ("/grants/999", "unknown"),
    ] {
        let reply = client.get(path).await;
        assert_eq!((reply.status, problem(&reply).as_str()), (404, kind), "{path}");
    }
    assert_eq!(client.get("/records/dang_vien/%ff").await.status, 400);
}

/// Acts, and holds what is answered against the description.
struct Acting<'a> {
    stage: &'a Stage,
    described: Description,
    tried: Mutex<BTreeSet<String>>,
}

impl<'a> Acting<'a> {
    async fn at(stage: &'a Stage) -> Self {
        let described = Description::of(stage.client("lan")).await;
        Self { stage, described, tried: Mutex::default() }
    }

    async fn done(&self, who: &str, template: &str, path: &str, body: Json) -> Json {
        let reply = self.stage.client(who).post(path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        self.described.judge("POST", template, &json_of(&reply));
        self.tried.lock().unwrap().insert(template.to_owned());
        json_of(&reply)
    }

    async fn refused(&self, who: &str, path: &str, body: Json) -> (u16, String) {
        let reply = self.stage.client(who).post(path, &body).await;
        (reply.status, problem(&reply))
    }

    /// Fails unless these are all the actions there are.
    fn all_tried(&self, but: impl Fn(&str) -> bool) {
        let wanted = endpoints().filter(|endpoint| endpoint.method == "POST").map(|endpoint| endpoint.path);
        let wanted: BTreeSet<String> = wanted.filter(|path| !but(path)).map(str::to_owned).collect();
        assert_eq!(*self.tried.lock().unwrap(), wanted);
    }
}

fn why(text: &str) -> Json {
    json!({ "reason": text })
}

/// What decides about records; released is one in `feed.rs` by the same request.
fn decides(path: &str) -> bool {
    ["/quarantine", "/conflicts", "/duplicates", "/records"].iter().any(|begin| path.starts_with(begin))
}

/// Goal: each decision is what the command line's is, as the account, and answers as described; again or by mistake it
/// says so.
#[tokio::test(flavor = "multi_thread")]
async fn p8_decisions_are_made_as_described() {
    let (stage, _here, _there) = Stage::troubled().await;
    let acting = Acting::at(&stage).await;
    let number =
        stage.client("minh").read("/quarantine").await["items"][0]["number"].as_str().unwrap().to_owned();
    let path = format!("/quarantine/{number}/separate");
    let own = acting.done("minh", "/quarantine/{number}/separate", &path, why("hai người")).await;
    assert_eq!(stage.client("minh").read("/quarantine").await["items"], json!([]));
    let record = format!("/records/dang_vien/{}", own["id"].as_str().unwrap());
    assert_eq!(stage.client("minh").read(&record).await["fields"]["ho_ten"], "Trần Văn Hoa");
    for action in ["separate", "release"] {
        let path = format!("/quarantine/{number}/{action}");
        assert_eq!(acting.refused("minh", &path, why("x")).await, (404, "unknown".to_owned()), "{action}");
    }

    let listed = stage.client("minh").read("/conflicts?field=dien_thoai").await;
    let id = listed["items"][0]["id"].as_str().unwrap();
    let path = format!("/conflicts/{id}/resolve");
    let choice = json!({ "field": "dien_thoai", "value": "0912345999", "reason": "theo thẻ", "pick": 1 });
    assert_eq!(acting.refused("minh", &path, choice).await, (422, "refused".to_owned()));
    let choice = json!({ "field": "dien_thoai", "value": "0912345999", "reason": "theo thẻ" });
    assert_eq!(acting.done("minh", "/conflicts/{id}/resolve", &path, choice).await["changed"], true);
    let record = stage.client("minh").read(&format!("/records/dang_vien/{KEY}")).await;
    assert_eq!(record["fields"]["dien_thoai"], "0912345999");
    let past = stage.client("minh").read(&format!("/records/dang_vien/{KEY}/history")).await;
    assert_eq!(past["items"].as_array().unwrap().last().unwrap()["author"], "minh");

    let pair =
        |second: &str| json!({ "type": "dang_vien", "first": KEY, "second": second, "reason": "một người" });
    let merged = acting.done("minh", "/duplicates/merge", "/duplicates/merge", pair(TWIN)).await;
    assert_eq!(merged["changed"], true);
    assert_eq!(acting.refused("minh", "/duplicates/merge", pair(TWIN)).await.0, 422);
    assert_eq!(
        acting.refused("minh", "/duplicates/merge", pair("033070009999")).await,
        (404, "record-unknown".to_owned())
    );
    assert_eq!(
        acting.done("minh", "/duplicates/undo", "/duplicates/undo", pair(TWIN)).await["undone"],
        "merge"
    );
    acting.done("minh", "/duplicates/separate", "/duplicates/separate", pair(TWIN)).await;
    assert_eq!(
        acting.done("minh", "/duplicates/undo", "/duplicates/undo", pair(TWIN)).await["undone"],
        "separate"
    );

    let transfer = format!("/records/dang_vien/{TWIN}/transfer");
    let to = json!({ "to": HERE, "reason": "theo công văn" });
    acting.done("minh", "/records/{type}/{id}/transfer", &transfer, to).await;
    assert_eq!(stage.client("minh").read(&format!("/records/dang_vien/{TWIN}")).await["unit"], HERE);
    assert_eq!(acting.refused("minh", &transfer, json!({ "to": "99999", "reason": "x" })).await.0, 422);

    acting.all_tried(|path| !decides(path) || path.ends_with("/release"));
}

/// Goal: each other action likewise, and the ledger names who did it.
#[tokio::test(flavor = "multi_thread")]
async fn p8_everything_else_is_done_as_described() {
    let (stage, _here, there) = Stage::troubled().await;
    let acting = Acting::at(&stage).await;
    let alert = stage.client("lan").read("/alerts").await["items"][0]["id"].clone();
    let path = format!("/alerts/{alert}/acknowledge");
    let seen = acting.done("lan", "/alerts/{id}/acknowledge", &path, why("đang sao lưu")).await;
    assert_eq!(seen["acknowledged"]["by"], "lan");
    assert_eq!(acting.refused("lan", "/alerts/999/acknowledge", why("x")).await, (404, "unknown".to_owned()));

    let contact = json!({ "name": "Trần Thị Lan", "phone": "0221 3 555 123" });
    acting.done("lan", "/units/{unit}/contact", &format!("/units/{HERE}/contact"), contact.clone()).await;
    assert_eq!(acting.refused("lan", "/units/99999/contact", contact).await, (404, "unknown".to_owned()));
    let made = acting.done("lan", "/tokens", "/tokens", json!({ "unit": HERE, "ttl_seconds": 600 })).await;
    assert!(made["token"].as_str().unwrap().len() > 40);
    let token =
        stage.client("lan").read("/tokens?actor=lan").await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/tokens/{token}/revoke");
    acting.done("lan", "/tokens/{id}/revoke", &path, json!({})).await;
    assert_eq!(stage.client("lan").read("/tokens?revoked=true").await["items"][0]["id"], token.as_str());
    assert_eq!(acting.refused("lan", "/tokens/0123/revoke", json!({})).await, (404, "unknown".to_owned()));

    let defect = stage.client("hoa").read("/defects?limit=1").await["items"][0].clone();
    let mut body = json!({
        "type": defect["type"], "id": defect["id"], "rule": defect["defects"][0]["rule"],
        "until": "2027-06-30", "reason": "chờ hồ sơ",
    });
    let waiver = acting.done("hoa", "/waivers", "/waivers", body.clone()).await;
    assert_eq!(waiver["approver"], "hoa");
    body["rule"] = "NO_SUCH_RULE".into();
    assert_eq!(acting.refused("hoa", "/waivers", body).await, (422, "refused".to_owned()));
    let path = format!("/waivers/{}/end", waiver["number"]);
    acting.done("hoa", "/waivers/{number}/end", &path, why("đã có hồ sơ")).await;
    assert_eq!(acting.refused("hoa", &path, why("x")).await, (404, "unknown".to_owned()));

    agency(stage.hub()).await;
    let proposed = json!({ "text": sharing::grant(MEMBERS) });
    let grant = acting.done("lan", "/grants", "/grants", proposed.clone()).await["number"].clone();
    let (approve, revoke) = (format!("/grants/{grant}/approve"), format!("/grants/{grant}/revoke"));
    let approved = acting.done("hoa", "/grants/{number}/approve", &approve, json!({})).await;
    assert_eq!((&approved["state"], &approved["approved"]["by"]), (&"active".into(), &"hoa".into()));
    assert_eq!(acting.refused("hoa", &approve, json!({})).await, (422, "refused".to_owned()));
    let revoked = acting.done("lan", "/grants/{number}/revoke", &revoke, why("xong việc")).await;
    assert_eq!(revoked["revoked"]["reason"], "xong việc");
    assert_eq!(acting.refused("lan", "/grants", json!({ "text": "x" })).await, (422, "refused".to_owned()));

    let replica = format!("/replicas/{}/revoke", there.identity.profile().replica);
    let ended = acting.done("lan", "/replicas/{replica}/revoke", &replica, why("máy hỏng")).await;
    assert_eq!(ended["revoked"].as_array().unwrap().len(), 1);
    acting.done("lan", "/units/{unit}/revoke", &format!("/units/{HERE}/revoke"), why("máy hỏng")).await;
    assert_eq!(acting.refused("lan", &replica, why("x")).await, (404, "unknown".to_owned()));
    let own = "/api-tokens/cua-lan/revoke";
    acting.done("lan", "/api-tokens/{name}/revoke", own, json!({})).await;

    let events = at_hub(stage.hub(), Request::LedgerShow { from: 0, limit: 1_000 }).await;
    let said: BTreeSet<(&str, &str)> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| Some((item["entry"]["event"].as_str()?, item["entry"]["actor"].as_str()?)))
        .collect();
    for event in [
        ("contact", "lan"),
        ("token", "lan"),
        ("revocation", "lan"),
        ("waiver", "hoa"),
        ("api_token_revoked", "lan"),
    ] {
        assert!(said.contains(&event), "{event:?}: {said:?}");
    }
    acting.all_tried(decides);
}

/// Goal: what is hostile or mistaken is said as what it is, names no value, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p8_hostile_requests_are_said_and_change_nothing() {
    let stage = Stage::set().await;
    let (lan, path) = (stage.client("lan"), format!("/units/{HERE}/revoke"));
    let size = stage.size();
    for body in [
        "",
        "{",
        "nothing",
        "[1,]",
        "{} {}",
        "\"a text\"",
        "12",
        "null",
        "[]",
        "{\"reason\": \"x\", \"reason\": \"y\"}",
        "{\"reason\": \"\\ud800\"}",
        "{\"reason\": 1}",
        "{\"reason\": \" \"}",
        "{\"reason\": null}",
        "{\"reason\": \"x\", \"actor\": \"quan\"}",
        "{\"reason\": \"x\", \"unit\": \"11977\"}",
        "{}",
        &format!("{{\"reason\": \"{}\"}}", "x".repeat(501)),
        &"[".repeat(60_000),
    ] {
        let reply = lan.send("POST", &path, &[SENT], body).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!((reply.status, problem(&reply).as_str()), (400, "bad-request"), "{start}");
    }
    assert_eq!(
        problem(&lan.send("POST", &path, &[SENT], &"x".repeat(BODY_BYTES_MAX + 1)).await),
        "too-large"
    );
    for lines in [&[][..], &[FORM], &[("Content-Type", "text/plain")], &[SENT, ("Content-Encoding", "gzip")]]
    {
        let reply = lan.send("POST", &path, lines, "{\"reason\": \"x\"}").await;
        assert_eq!((reply.status, problem(&reply).as_str()), (415, "media-type"), "{lines:?}");
    }
    for origin in ["https://evil.example", "null", &format!("http://{}", lan.reader.host)] {
        let reply = lan.send("GET", "/status", &[("Origin", origin)], "").await;
        assert_eq!((reply.status, problem(&reply).as_str()), (403, "origin"), "{origin}");
    }
    let mut elsewhere = lan.clone();
    elsewhere.reader.host = "evil.example".to_owned();
    for path in ["/status", "/openapi.json"] {
        let reply = elsewhere.get(path).await;
        assert_eq!((reply.status, problem(&reply).as_str()), (403, "host"), "{path}");
    }
    let good = format!("Bearer {}", lan.token.as_ref().unwrap());
    let twice = lan.send("GET", "/status", &[("Authorization", &good)], "").await;
    assert_eq!(twice.status, 401, "two tokens are none");
    assert_eq!(stage.size(), size, "nothing was written");
}

/// Goal: the pages' own scripts may use their session, and nobody else may: what is sent needs the session's token and
/// comes from here; a token that is given is all that counts.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_session_is_for_the_pages_own_scripts() {
    let stage = Stage::set().await;
    let mut reader = Reader::new(stage.hub(), stage.pages);
    assert_eq!(reader.sign_in("lan", PASSWORD).await.status, 303);
    let status = format!("{BASE}/status");
    assert_eq!(reader.get(&status).await.status, 401, "a password alone is not in");
    let shown = reader.get("/sign-in/code").await;
    let seed = shown.body.split("<code class=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    let seed = lienthong_hub::accounts::totp::Seed::of_base32(seed).unwrap();
    let code = format!("{:06}", seed.code(lienthong_hub::accounts::totp::step_at(stage.hub().now())));
    assert_eq!(reader.fill("/sign-in/code", "/sign-in/enrol", &[("code", &code)]).await.status, 303);
    assert_eq!(reader.get(&status).await.status, 200);
    let csrf = reader.get("/account").await.csrf();
    let origin = reader.origin();
    let path = format!("{BASE}/units/{HERE}/contact");
    let body = json!({ "name": "Lan", "phone": "0221" }).to_string();
    let size = stage.size();
    for lines in [
        vec![SENT],
        vec![SENT, ("Origin", origin.as_str())],
        vec![SENT, ("Origin", origin.as_str()), ("X-CSRF-Token", "x")],
        vec![SENT, ("X-CSRF-Token", csrf.as_str())],
        vec![SENT, ("Origin", "https://evil.example"), ("X-CSRF-Token", csrf.as_str())],
    ] {
        let reply = reader.send("POST", &path, &lines, &body).await;
        assert_eq!((reply.status, problem(&reply).as_str()), (403, "origin"), "{lines:?}");
    }
    let token = [("Authorization", "Bearer lth1.none")];
    assert_eq!(reader.send("GET", &status, &token, "").await.status, 401, "a wrong token is not helped");
    assert_eq!(stage.size(), size, "nothing was written");
    let lines = [SENT, ("Origin", origin.as_str()), ("X-CSRF-Token", csrf.as_str())];
    let reply = reader.send("POST", &path, &lines, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let beyond = reader.send("POST", &format!("{BASE}/duplicates/undo"), &lines, "{}").await;
    assert_eq!(problem(&beyond), "forbidden");
}

/// Goal: the description is whole: every route is in it and the reverse, every reference leads somewhere, every
/// parameter is told of.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_the_api() {
    let stage = Stage::set().await;
    let described = stage.client("lan").with(None).read("/openapi.json").await;
    assert_eq!((&described["openapi"], &described["servers"][0]["url"]), (&json!("3.1.0"), &json!(BASE)));
    let mut documented = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let reply = stage.client("lan").send(&method, &real(path), &[SENT], "{}").await;
            assert!(![405, 503].contains(&reply.status), "{method} {path}: {reply:?}");
            let routed = reply.status != 404 || problem(&reply) != "not-found";
            assert!(routed, "{method} {path}: {reply:?}");
            assert!(names.insert(operation["operationId"].to_string()), "{operation}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named: BTreeSet<&str> = parameters.iter().map(|p| p["name"].as_str().unwrap()).collect();
            assert_eq!(named.len(), parameters.len(), "{path}: one name, one meaning");
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(named.contains(part), "{path}: {part}");
            }
            documented.insert((method, path.clone()));
        }
    }
    let routes: BTreeSet<_> =
        endpoints().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(documented, routes);
    let mut references = BTreeSet::new();
    let mut open = vec![&described];
    while let Some(value) = open.pop() {
        match value {
            Json::Object(members) => {
                references.extend(members.get("$ref").and_then(Json::as_str));
                open.extend(members.values());
            }
            Json::Array(values) => open.extend(values),
            _ => {}
        }
    }
    for reference in &references {
        assert!(described.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for name in described["components"]["schemas"].as_object().unwrap().keys() {
        assert!(references.contains(format!("#/components/schemas/{name}").as_str()), "{name} is used");
    }
}

/// Goal: the command line's part with real processes: a token is made, told once, listed and revoked, in the daemon at
/// once; it survives a restart; its text stands nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn p1_tokens_of_a_real_process() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let (program, command) = (Path::new(PROGRAM), async |arguments: &[&str]| {
        once(Path::new(PROGRAM), arguments, &data).await.unwrap()
    });
    assert_eq!(command(&["init", "--province", "33"]).await.1, 0);
    let (made, code) = command(&["api-token", "create", "truoc"]).await;
    assert_eq!(code, 0, "without a daemon: {made}");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    let mut hub = Daemon::start(program, &serve, &data).await.unwrap();
    let ask = async |hub: &mut Daemon, made: &Json| {
        let address = hub.status().await.unwrap()["addresses"]["web"].as_str().unwrap().to_owned();
        let token = made["token"].as_str().unwrap();
        let head = format!(
            "GET {BASE}/status HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        let mut reply = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut reply).await.unwrap();
        reply.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(ask(&mut hub, &made).await, 200);
    let (second, code) = command(&["api-token", "create", "sau"]).await;
    assert_eq!((code, &second["account"]), (0, &made["account"]), "{second}");
    assert_eq!(command(&["api-token", "create", "sau"]).await.1, 1, "the name is taken");
    assert_eq!(command(&["api-token", "create", "Đối soát"]).await.1, 1);
    assert_eq!(ask(&mut hub, &second).await, 200);
    let (listed, _) = command(&["api-token", "list"]).await;
    assert_eq!(listed["items"][1]["name"], "sau");
    assert_eq!(command(&["api-token", "revoke", "truoc"]).await.1, 0);
    assert_eq!(command(&["api-token", "revoke", "truoc"]).await.1, 1, "no more");
    assert_eq!((ask(&mut hub, &made).await, ask(&mut hub, &second).await), (401, 200), "at once");
    let (events, _) = command(&["ledger", "show"]).await;
    for kind in ["api_token", "api_token_revoked"] {
        assert!(events.to_string().contains(&format!("\"event\":\"{kind}\"")), "{kind}: {events}");
    }
    hub.stop().await.unwrap();
    let mut hub = Daemon::start(program, &serve, &data).await.unwrap();
    assert_eq!((ask(&mut hub, &made).await, ask(&mut hub, &second).await), (401, 200), "after a restart");
    hub.stop().await.unwrap();
    let secret = second["token"].as_str().unwrap().trim_start_matches("lth1.");
    let mut folders = vec![data];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap_or_default();
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds the token", path.display());
            }
        }
    }
}
