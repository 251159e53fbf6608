//! The local HTTP API through its door: who is let in, what is taken, what is said, and that its own
//! description is true.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use lienthong_hub::demo::{Daemon, once};
use lienthong_node::api::{self, BODY_BYTES_MAX, ENDPOINTS, OBJECTS_MAX};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::control;
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, reopened};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNIT: &str = "11953";
const KEY: &str = "033075001234";

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of a problem, which must be well formed.
    fn problem(&self) -> String {
        let body = self.json();
        assert!(self.headers.contains("content-type: application/problem+json"), "{self:?}");
        assert_eq!(body["status"], self.status, "{self:?}");
        for text in ["title", "detail"] {
            assert!(!body[text].as_str().unwrap().is_empty(), "{self:?}");
        }
        body["type"].as_str().unwrap().strip_prefix("urn:lienthong:problem:").unwrap().to_owned()
    }
}

/// Sends these very bytes and reads until the other side closes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Refused early, the rest is not read: that is no fault here.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        received.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8(received).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, headers: head.to_lowercase(), body: body.to_owned() }
}

/// One program's view of the API.
struct Client {
    address: SocketAddr,
    token: Option<String>,
}

impl Client {
    fn with(&self, token: Option<&str>) -> Self {
        Self { address: self.address, token: token.map(str::to_owned) }
    }

    async fn send(&self, method: &str, path: &str, extra: &str, body: &str) -> Reply {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}{extra}Content-Length: {}\r\n\r\n",
            self.address,
            token.unwrap_or_default(),
            body.len(),
        );
        raw(self.address, format!("{head}{body}").as_bytes()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").await
    }

    async fn write(&self, method: &str, path: &str, body: &Json) -> Reply {
        self.send(method, path, "Content-Type: application/json\r\n", &body.to_string()).await
    }

    async fn put(&self, body: &Json) -> Reply {
        self.write("PUT", "/v1/records/dang_vien", body).await
    }
}

struct Stage {
    province: Province,
    node: Arc<Node>,
    client: Client,
}

impl Stage {
    async fn set() -> Self {
        let province = Province::set().await.unwrap();
        let folder = province.dir.path().join("node");
        let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
        let client = serve(&node).await;
        Self { province, node, client }
    }
}

async fn serve(node: &Arc<Node>) -> Client {
    let address = api::serve(node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let name = format!("quanly-{}", address.port());
    let token = node.api_tokens.create(&name, node.now()).unwrap();
    Client { address, token: Some(token) }
}

fn person(number: &str, name: &str) -> Json {
    json!({
        "so_cccd": number, "ho_ten": name, "ngay_sinh": "1975-03-12", "gioi_tinh": "NAM",
        "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": UNIT, "dien_quan_ly": "CHIBO",
        "tinh_trang": "CHINH_THUC",
    })
}

/// A documented path with a real record's type and key.
fn real(path: &str) -> String {
    path.replace("{type}", "dang_vien").replace("{id}", KEY)
}

/// What a request of this endpoint carries to be good.
fn body_of(method: &str) -> String {
    match method {
        "PUT" => person(KEY, "Nguyễn Văn An").to_string(),
        "POST" => json!({ "reason": "nhập nhầm" }).to_string(),
        _ => String::new(),
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Goal: deny by default. Method: every endpoint with every sort of token; only the description is public.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_endpoint_asks_for_a_token_that_is_good() {
    let Stage { node, client, province: _province } = Stage::set().await;
    assert_eq!(client.put(&person(KEY, "Nguyễn Văn An")).await.status, 200);
    let size = node.replica.head().borrow().size;
    let revoked = node.api_tokens.create("cu", node.now()).unwrap();
    assert_eq!(client.with(Some(&revoked)).get("/v1/status").await.status, 200);
    node.api_tokens.revoke("cu", node.now()).unwrap();
    let good = client.token.clone().unwrap();
    let wrong = [
        None,
        Some(String::new()),
        Some("x".repeat(69)),
        Some(revoked),
        Some(good[..good.len() - 1].to_owned()),
        Some(format!("{good} {good}")),
        Some(good.to_uppercase()),
    ];
    for endpoint in ENDPOINTS {
        let (method, path) = (endpoint.method, real(endpoint.path));
        let public = endpoint.path == "/v1/openapi.json";
        for token in &wrong {
            let reply = client.with(token.as_deref()).send(method, &path, JSON, &body_of(method)).await;
            let expected = if public { 200 } else { 401 };
            assert_eq!(reply.status, expected, "{method} {path} {token:?}");
            if !public {
                assert_eq!(reply.problem(), "unauthorized");
                assert!(reply.headers.contains("www-authenticate: bearer"), "{reply:?}");
            }
        }
        let twice = format!("{JSON}Authorization: Bearer {good}\r\n");
        let reply = client.send(method, &path, &twice, &body_of(method)).await;
        assert_eq!(reply.status, if public { 200 } else { 401 }, "two headers: {method} {path}");
    }
    assert_eq!(client.with(None).get("/v1/nowhere").await.status, 401, "what exists is told to nobody");
    let in_path = format!("/v1/status?token={good}&access_token={good}");
    assert_eq!(client.with(None).get(&in_path).await.status, 401);
    assert_eq!(node.replica.head().borrow().size, size, "nothing was written");
    for endpoint in ENDPOINTS {
        let (method, path) = (endpoint.method, real(endpoint.path));
        let reply = client.send(method, &path, JSON, &body_of(method)).await;
        assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
        for header in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(reply.headers.contains(header), "{reply:?}");
        }
        assert!(!reply.headers.contains("access-control-") && !reply.headers.contains("set-cookie"));
    }
}

/// Goal: no web page is answered, by whatever name it comes (DNS rebinding), token or not.
#[tokio::test(flavor = "multi_thread")]
async fn p9_strange_hosts_and_web_pages_are_refused() {
    let Stage { client, province: _province, .. } = Stage::set().await;
    let (address, port) = (client.address, client.address.port());
    let token = client.token.as_ref().unwrap();
    let ask = async |target: &str, headers: &str| {
        let head = format!(
            "GET {target} HTTP/1.1\r\n{headers}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        raw(address, head.as_bytes()).await
    };
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(ask("/v1/status", &format!("Host: {host}\r\n")).await.status, 200, "{host}");
    }
    for headers in [
        String::new(),
        "Host: 127.0.0.1\r\n".to_owned(),
        "Host: localhost\r\n".to_owned(),
        format!("Host: 127.0.0.1:{}\r\n", port ^ 1),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: localhost.evil.example:{port}\r\n"),
        format!("Host: evil@127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example:{port}\r\n"),
    ] {
        for target in ["/v1/status", "/v1/openapi.json"] {
            let reply = ask(target, &headers).await;
            assert_eq!((reply.status, reply.problem()), (403, "host".to_owned()), "{headers:?}");
        }
    }
    let reply = ask(&format!("http://evil.example:{port}/v1/status"), &format!("Host: {address}\r\n")).await;
    assert_eq!(reply.problem(), "host");
    for origin in ["null", "https://evil.example", &format!("http://{address}")] {
        for target in ["/v1/status", "/v1/openapi.json"] {
            let reply = ask(target, &format!("Host: {address}\r\nOrigin: {origin}\r\n")).await;
            assert_eq!((reply.status, reply.problem()), (403, "origin".to_owned()), "{origin}");
        }
    }
    let preflight = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n";
    let reply = client.with(None).send("OPTIONS", "/v1/records/dang_vien", preflight, "").await;
    assert_eq!(reply.status, 401);
    assert!(!reply.headers.contains("access-control-"), "{reply:?}");
}

/// Goal: a record goes in, is read back in every way, is withdrawn, and reaches the province so; the token's
/// name stands as author.
#[tokio::test(flavor = "multi_thread")]
async fn p2_records_go_in_and_come_back_and_the_same_again_changes_nothing() {
    let Stage { node, client, province } = Stage::set().await;
    node.start_sync(brisk());
    let people = json!([person(KEY, "Nguyễn Văn An"), person("033075001235", "Trần Văn Bình")]);
    let first = client.put(&people).await;
    assert_eq!((first.status, &first.json()["created"]), (200, &json!(2)), "{first:?}");
    let size = node.replica.head().borrow().size;
    let again = client.put(&people).await;
    assert_eq!((again.status, &again.json()["unchanged"]), (200, &json!(2)));
    assert_eq!(node.replica.head().borrow().size, size, "nothing was written");
    let mut changed = person(KEY, "Nguyễn Văn An");
    changed["chi_bo"] = "Chi bộ 2".into();
    assert_eq!(client.put(&changed).await.json()["updated"], 1);

    let path = format!("/v1/records/dang_vien/{KEY}");
    let record = client.get(&path).await.json();
    assert_eq!((&record["fields"]["chi_bo"], &record["unit"]), (&json!("Chi bộ 2"), &json!(UNIT)));
    let id = record["id"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&format!("/v1/records/dang_vien/{id}")).await.json(), record);
    assert_eq!(
        client.get(&format!("/v1/records/dang_vien/%30{}", &KEY[1..])).await.json(),
        record,
        "encoded"
    );
    let history = client.get(&format!("{path}/history")).await.json();
    let authors: BTreeSet<&str> =
        history["items"].as_array().unwrap().iter().map(|item| item["author"].as_str().unwrap()).collect();
    assert_eq!(authors, BTreeSet::from([format!("api:quanly-{}", client.address.port()).as_str()]));

    let page = client.get("/v1/records/dang_vien?limit=1").await.json();
    let next = page["next"].as_str().unwrap();
    let second = client.get(&format!("/v1/records/dang_vien?limit=1&after={next}")).await.json();
    let ids = [&page["items"][0]["id"], &second["items"][0]["id"]];
    assert!(ids[0] != ids[1] && ids.iter().any(|found| **found == *id), "{page} {second}");
    let found = client.get("/v1/records/dang_vien?search=tran%20van%20binh&unit=11953").await.json();
    assert_eq!(found["items"][0]["fields"]["so_cccd"], "033075001235");
    assert_eq!(client.get("/v1/records/dang_vien?unit=11977").await.json()["items"], json!([]));

    let gone = client.write("POST", &format!("{path}/withdraw"), &json!({ "reason": "nhập nhầm" })).await;
    assert_eq!((gone.status, &gone.json()["changed"]), (200, &json!(true)), "{gone:?}");
    let gone = client.write("POST", &format!("{path}/withdraw"), &json!({ "reason": "nhập nhầm" })).await;
    assert_eq!((gone.status, &gone.json()["changed"]), (200, &json!(false)), "{gone:?}");
    assert_eq!(client.get(&path).await.json()["withdrawn"]["reason"], "nhập nhầm");
    let count = |reply: &Reply| reply.json()["items"].as_array().unwrap().len();
    assert_eq!(count(&client.get("/v1/records/dang_vien").await), 1);
    assert_eq!(count(&client.get("/v1/records/dang_vien?all=true").await), 2);
    acknowledged(&node).await.unwrap();
    assert_eq!(province.hub.dataset.totals().records, 1);
    let at_hub = province.hub.dataset.record(&province.hub.catalogue, "dang_vien", id.parse().unwrap());
    let at_hub = at_hub.unwrap().unwrap().withdrawn().unwrap();
    assert_eq!((at_hub.reason.as_str(), at_hub.unit.as_str()), ("nhập nhầm", UNIT));
    assert_eq!(at_hub.author, format!("api:quanly-{}", client.address.port()));
    assert_eq!(client.get("/v1/status").await.json()["addresses"]["api"], client.address.to_string());
}

/// Goal: keys with slashes, bars and marks are reached by their encoded form.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_any_characters_is_a_path() {
    let Stage { client, province: _province, .. } = Stage::set().await;
    let notice = json!({
        "so_thong_bao": "12-TB/UBKTĐU", "ngay_ban_hanh": "2026-03-02", "ma_cuoc": "KT-01",
        "don_vi_thuc_hien": "Chi bộ 1", "ma_xa": UNIT,
    });
    let reply = client.write("PUT", "/v1/records/ket_luan", &notice).await;
    assert_eq!((reply.status, &reply.json()["created"]), (200, &json!(1)), "{reply:?}");
    let path = "/v1/records/ket_luan/12-TB%2FUBKT%C4%90U";
    assert_eq!(client.get(path).await.json()["fields"]["so_thong_bao"], "12-TB/UBKTĐU");
    assert_eq!(
        client.get(&format!("{path}?unit=11977")).await.problem(),
        "record-unknown",
        "another's number"
    );
    assert_eq!(client.get(&format!("{path}/history")).await.status, 200);
    assert_eq!(client.get("/v1/records/ket_luan/12-TB%ff").await.problem(), "bad-request");
}

/// Goal: what is wrong is said as what it is, and enters nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p8_hostile_and_mistaken_requests_are_said_and_enter_nothing() {
    let Stage { node, client, province: _province } = Stage::set().await;
    let put = "/v1/records/dang_vien";
    for body in [
        "",
        "{",
        "nothing",
        "[1,]",
        "{\"so_cccd\": 033075001234}",
        "{\"so_cccd\": 1e999}",
        "{\"ho_ten\": \"\\ud800\"}",
        "{} {}",
        "\"a text\"",
        "12",
        "null",
        "{\"so_cccd\": \"033075001234\", \"so_cccd\": \"033075001235\"}",
        &"[".repeat(100_000),
        &"{\"a\":".repeat(100_000),
    ] {
        let reply = client.send("PUT", put, JSON, body).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!((reply.status, reply.problem()), (400, "bad-request".to_owned()), "{start}");
        assert!(!reply.body.contains("033075001234"), "no value in a refusal: {reply:?}");
    }
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(client.send("PUT", put, JSON, &large).await.problem(), "too-large");
    let many = Json::from(vec![json!({}); OBJECTS_MAX + 1]);
    assert_eq!(client.put(&many).await.problem(), "too-large");
    let token = client.token.as_ref().unwrap();
    let head = format!(
        "PUT {put} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{JSON}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        client.address
    );
    let piece = format!("10000\r\n{}\r\n", " ".repeat(65_536)).repeat(17);
    let reply = raw(client.address, format!("{head}{piece}0\r\n\r\n").as_bytes()).await;
    assert_eq!((reply.status, reply.problem()), (413, "too-large".to_owned()), "a length that is not told");
    for header in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"]
    {
        assert_eq!(client.send("PUT", put, header, "{}").await.problem(), "media-type", "{header}");
    }
    let packed = format!("{JSON}Content-Encoding: gzip\r\n");
    assert_eq!(client.send("PUT", put, &packed, "{}").await.problem(), "media-type");
    let wide = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    assert_eq!(client.send("GET", "/v1/status", &wide, "").await.status, 431);
    assert_eq!(client.send("GET", "/v1/status", &"X-Many: x\r\n".repeat(200), "").await.status, 431);

    for (method, path) in [("DELETE", put), ("POST", put), ("PUT", "/v1/status"), ("PATCH", "/v1/types")] {
        let reply = client.send(method, path, JSON, "{}").await;
        assert_eq!((reply.status, reply.problem()), (405, "method".to_owned()), "{method} {path}");
        assert!(reply.headers.contains("allow: "), "{reply:?}");
    }
    for path in ["/", "/v1", "/v2/status", "/v1/records", "/v1/records/dang_vien/1/2/3"] {
        assert_eq!(client.get(path).await.problem(), "not-found", "{path}");
    }
    for path in ["?limit=0", "?limit=1001", "?limit=-1", "?limit=x", "?after=x", "?unit=%00", "?colour=red"] {
        assert_eq!(client.get(&format!("{put}{path}")).await.problem(), "bad-request", "{path}");
    }
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.path.contains("{type}")) {
        let path = endpoint.path.replace("{type}", "dang_vienn").replace("{id}", KEY);
        let reply = client.send(endpoint.method, &path, JSON, &body_of(endpoint.method)).await;
        assert_eq!((reply.status, reply.problem()), (404, "type-unknown".to_owned()), "{path}");
        assert!(reply.json()["detail"].as_str().unwrap().contains("“dang_vien”"), "nearest: {reply:?}");
    }
    for path in [format!("{put}/{KEY}"), format!("{put}/{KEY}/history"), format!("{put}/{}", "0".repeat(32))]
    {
        assert_eq!(client.get(&path).await.problem(), "record-unknown", "{path}");
    }

    assert_eq!(node.replica.head().borrow().size, 0, "nothing was written");
}

/// Goal: some objects good: 200 with both said; none good: 422 with the same answer. What may not enter does
/// not, and what is another's is not withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn p8_rejected_objects_are_said_and_the_others_taken() {
    let Stage { node, client, province: _province } = Stage::set().await;
    let put = "/v1/records/dang_vien";
    let bad = json!({ "so_cccd": "12", "ho_ten": "An", "ma_xa": "11977", "ngay_sinh": "31/02/1975" });
    let reply = client.put(&json!([bad, 7, "x", [], {}])).await;
    assert_eq!((reply.status, &reply.json()["rejected"]), (422, &json!(5)), "{reply:?}");
    let secret =
        json!({ "ten_tep": "a.pdf", "kich_thuoc": 1, "sha256": "00", "do_mat": "MAT", "loai_ho_so": "x" });
    let reply = client.write("PUT", "/v1/records/ho_so", &secret).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["rule"]), (422, &json!("CLASSIFIED")), "{reply:?}");
    assert_eq!(node.replica.head().borrow().size, 0, "nothing was written");
    let reply = client.put(&json!([bad, person(KEY, "Nguyễn Văn An")])).await;
    let report = reply.json();
    assert_eq!(
        (reply.status, &report["created"], &report["rejected"]),
        (200, &json!(1), &json!(1)),
        "{reply:?}"
    );
    let english = format!("{JSON}Accept-Language: en\r\n");
    let (vi, en) =
        (client.put(&bad).await.json(), client.send("PUT", put, &english, &bad.to_string()).await.json());
    assert_ne!(vi["errors"][0]["message"], en["errors"][0]["message"]);

    let withdraw = format!("{put}/{KEY}/withdraw");
    for body in [json!({}), json!({ "reason": 1 }), json!([]), json!({ "reason": "x", "more": 1 })] {
        assert_eq!(client.write("POST", &withdraw, &body).await.problem(), "bad-request", "{body}");
    }
    for reason in ["", " \u{a0}", &"x".repeat(301)] {
        assert_eq!(client.write("POST", &withdraw, &json!({ "reason": reason })).await.problem(), "reason");
    }
    let letter = json!({
        "ma_don": "D-01", "ngay_nhan": "2026-03-02", "loai_don": "TO_CAO", "nguoi_gui": "Nguyễn Thị Canary",
        "noi_dung": "tóm tắt", "doi_tuong": "x", "linh_vuc": "LV01", "ma_xa": UNIT, "tham_quyen": "CUA_TA",
        "co_quan_giai_quyet": "x", "tinh_trang": "MOI",
    });
    let reply = client.write("PUT", "/v1/records/don_thu", &letter).await;
    assert!(!reply.body.contains("Canary"), "{reply:?}");
    assert!(reply.json()["warnings"].as_array().unwrap().iter().any(|found| found["rule"] == "C4_OMITTED"));
    assert!(!client.get("/v1/records/don_thu").await.body.contains("Canary"));
    assert!(!client.get("/v1/types").await.body.contains("nguoi_gui"), "C4 is not offered");

    // A record another unit owns.
    node.write(vec![member("11977", "033070000009", "Lê Văn Cường").unwrap()]).await;
    let reply =
        client.write("POST", &format!("{put}/033070000009/withdraw"), &json!({ "reason": "x" })).await;
    assert_eq!((reply.status, reply.problem()), (403, "unit-foreign".to_owned()));
}

/// Goal: the description is whole and true: every route is in it, every path in it answers, every reference
/// leads somewhere, and what it says of a type suffices to write one.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_the_api() {
    let Stage { client, province: _province, .. } = Stage::set().await;
    assert_eq!(client.put(&person(KEY, "Nguyễn Văn An")).await.status, 200);
    let described = client.with(None).get("/v1/openapi.json").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    assert_eq!(described["servers"][0]["url"], format!("http://{}", client.address));
    let mut documented = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let reply = client.send(&method, &real(path), JSON, &body_of(&method)).await;
            assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            let named: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let wanted = ["type", "id"].into_iter().filter(|name| path.contains(&format!("{{{name}}}")));
            assert_eq!(named, wanted.collect(), "{path}");
            let open = operation["security"] == json!([]);
            assert_eq!(
                client.with(None).send(&method, &real(path), "", "").await.status != 401,
                open,
                "{path}"
            );
            documented.insert((method, path.clone()));
        }
    }
    let routes: BTreeSet<_> =
        ENDPOINTS.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(documented, routes);

    let mut references = Vec::new();
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
    assert!(references.len() > 40);
    for reference in references {
        assert!(described.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }

    let schemas = &described["components"]["schemas"];
    let catalogue = catalogue().unwrap();
    for declared in catalogue.record_types() {
        let schema = &schemas[&declared.name];
        assert_eq!(schema["required"], json!(declared.key.fields), "{}", declared.name);
        for field in &declared.fields {
            let told = schemas[format!("{}.fields", declared.name)]["properties"][&field.name].is_object();
            assert_eq!(told, field.class != lienthong_proto::catalogue::Class::C4, "{}", field.name);
        }
    }
    let record = client.get(&real("/v1/records/{type}/{id}")).await.json();
    for member in schemas["Record"]["required"].as_array().unwrap() {
        assert!(record.get(member.as_str().unwrap()).is_some(), "{member}");
    }
    let properties = schemas["dang_vien"]["properties"].as_object().unwrap();
    assert!(record["fields"].as_object().unwrap().keys().all(|name| properties.contains_key(name)));
    let types = client.get("/v1/types").await.json();
    let told: Vec<&str> =
        types["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(told, catalogue.record_types().map(|declared| declared.name.as_str()).collect::<Vec<_>>());
    for item in types["items"].as_array().unwrap() {
        for field in item["fields"].as_array().unwrap() {
            if let Some(list) = field["codes"].as_str() {
                assert!(!types["codes"][list]["codes"].as_array().unwrap().is_empty(), "{list}");
            }
        }
    }
}

/// Goal: a replica that must not write any more is read all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_node_answers_and_takes_nothing() {
    let Stage { province, node, client } = Stage::set().await;
    assert_eq!(client.put(&person(KEY, "Nguyễn Văn An")).await.status, 200);
    node.close().await;
    let folder = province.dir.path().join("node");
    drop(node);
    std::fs::write(folder.join("regressed"), b"").unwrap();
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    let client = serve(&node).await;
    for (method, path) in [("PUT", "/v1/records/{type}"), ("POST", "/v1/records/{type}/{id}/withdraw")] {
        let reply = client.send(method, &real(path), JSON, &body_of(method)).await;
        assert_eq!((reply.status, reply.problem()), (409, "read-only".to_owned()), "{method}");
    }
    assert_eq!(client.get(&real("/v1/records/{type}/{id}")).await.status, 200);
    assert_eq!(client.get("/v1/status").await.json()["state"], "regressed");
}

/// Goal: the command line's part, with a real process: tokens with and without a daemon take effect at
/// once, the address is told, other than loopback is refused, and traces say nothing of what passes.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_traces_of_a_real_process() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let data = dir.path().join("node");
    drop(make_node(&hub, &address, &data, UNIT).await.unwrap());
    let command = async |arguments: &[&str]| {
        let arguments: Vec<&str> = ["as-node"].iter().chain(arguments).copied().collect();
        loop {
            let (body, code) = once(Path::new(PROGRAM), &arguments, &data).await.unwrap();
            // The last thread of the node above may still be leaving.
            if !body["error"].as_str().is_some_and(|error| error.contains("đang được dùng")) {
                return (body, code);
            }
        }
    };
    let (made, code) = command(&["api-token", "create", "truoc"]).await;
    assert_eq!(code, 0, "{made}");
    for (address, words) in
        [("0.0.0.0:0", "127.0.0.1"), ("10.1.2.3:80", "127.0.0.1"), ("nowhere", "127.0.0.1:8081")]
    {
        let (body, code) = command(&["run", "--api", address]).await;
        assert!(code == 1 && body["error"].as_str().unwrap().contains(words), "{address}: {body}");
    }

    let log = std::fs::File::create(dir.path().join("trace.log")).unwrap();
    let mut process = tokio::process::Command::new(PROGRAM)
        .args(["as-node", "run", "--api", "127.0.0.1:0", "--data"])
        .arg(&data)
        .env("LIENTHONG_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = loop {
        if let Ok(Some(answer)) = control::call(&data, &json!({ "command": "status" })).await {
            break answer.body;
        }
        assert!(process.try_wait().unwrap().is_none(), "it ended");
        tokio::task::yield_now().await;
    };
    let address: SocketAddr = status["addresses"]["api"].as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback());
    let client = |body: &Json| Client { address, token: Some(body["token"].as_str().unwrap().to_owned()) };
    let before = client(&made);
    assert_eq!(before.get("/v1/status").await.status, 200, "made without a daemon");
    let (made, code) = command(&["api-token", "create", "sau"]).await;
    assert_eq!(code, 0, "{made}");
    let after = client(&made);
    assert_eq!(after.put(&person(KEY, "Nguyễn Văn Canary")).await.json()["created"], 1, "made with one");
    let path = format!("/v1/records/dang_vien/{KEY}");
    assert_eq!(
        after.write("POST", &format!("{path}/withdraw"), &json!({ "reason": "Canary" })).await.status,
        200
    );
    let (listed, _) = command(&["api-token", "list"]).await;
    assert_eq!(listed["items"][1]["name"], "sau");
    assert!(!listed.to_string().contains(after.token.as_ref().unwrap()), "{listed}");
    assert_eq!(command(&["api-token", "create", "sau"]).await.1, 1, "the name is taken");
    assert_eq!(command(&["api-token", "revoke", "truoc"]).await.1, 0);
    assert_eq!(command(&["api-token", "revoke", "truoc"]).await.1, 1, "no more");
    assert_eq!((before.get(&path).await.status, after.get(&path).await.status), (401, 200), "at once");

    let pid = rustix::process::Pid::from_raw(process.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(process.wait().await.unwrap().success());
    assert_eq!(command(&["api-token", "revoke", "sau"]).await.1, 0, "without a daemon");
    let traces = std::fs::read_to_string(dir.path().join("trace.log")).unwrap();
    assert!(traces.contains("answered"), "traces were on");
    let token = after.token.as_ref().unwrap();
    for secret in [KEY, "Canary", token.as_str(), token.trim_start_matches("lta1.")] {
        let line = traces.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a trace carries what passed");
    }
    // A daemon of the same folder that is not told to serves nothing.
    let mut quiet = Daemon::start(Path::new(PROGRAM), &["as-node", "run"], &data).await.unwrap();
    assert_eq!(quiet.status().await.unwrap()["addresses"], json!({}));
    quiet.stop().await.unwrap();
}
