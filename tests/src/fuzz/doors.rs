//! Requests at the doors: the hub's pages and API and a node's API over real HTTP, control sockets, certificate requests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::app::Hub;
use lienthong_hub::service::Request as HubRequest;
use lienthong_hub::web::api::{BASE, endpoints};
use lienthong_hub::web::routes;
use lienthong_node::api::{self, ENDPOINTS};
use lienthong_node::app::Node;
use lienthong_node::identity::spki_hash;
use lienthong_node::service::Request as NodeRequest;
use lienthong_proto::ids::ReplicaId;
use rustls_pki_types::CertificateDer;

use super::{Bound, Target, small};
use crate::stage::Stage;
use crate::{make_node, member};

/// A request is answered within what its body and the page may hold, and a password's hash (19 MiB); the hub beside it has
/// its own work.
const BOUND: Bound = Bound { each: 128, base: 48 << 20 };

pub(super) const TARGETS: &[Target] = &[
    Target { bound: Bound { each: 256, base: 256 << 10 }, ..small("control", control, requests) },
    Target { name: "csr", run: csr, seeds: csrs, bound: BOUND, rounds: 400 },
    Target {
        name: "hub_pages",
        run: |data| asked(Door::Pages, data),
        seeds: pages,
        bound: BOUND,
        rounds: 500,
    },
    Target {
        name: "hub_api",
        run: |data| asked(Door::HubApi, data),
        seeds: hub_api,
        bound: BOUND,
        rounds: 400,
    },
    Target {
        name: "node_api",
        run: |data| asked(Door::NodeApi, data),
        seeds: node_api,
        bound: BOUND,
        rounds: 500,
    },
];

fn requests() -> Vec<Vec<u8>> {
    let hub = [
        r#"{"command":"status"}"#,
        r#"{"command":"token_create","unit":"11953","role":"commune","ttl_seconds":3600,"actor":"lan"}"#,
        r#"{"command":"ledger_show","from":0,"limit":18446744073709551615}"#,
    ];
    let node = [
        r#"{"command":"sync"}"#,
        r#"{"command":"defects","record_type":null,"page":{"limit":10,"after":null}}"#,
    ];
    hub.iter().chain(&node).map(|text| text.as_bytes().to_vec()).collect()
}

/// What a control socket takes for a request is the same request when it is sent on.
fn control(data: &[u8]) {
    fn sent_on<T: serde::Serialize + serde::de::DeserializeOwned>(data: &[u8]) {
        let Ok(request) = serde_json::from_slice::<T>(data) else { return };
        let again = serde_json::to_vec(&request).unwrap();
        let request: T = serde_json::from_slice(&again).unwrap();
        assert_eq!(serde_json::to_vec(&request).unwrap(), again);
    }
    sent_on::<HubRequest>(data);
    sent_on::<NodeRequest>(data);
    // A body of the API is JSON that says each thing once.
    if api::parsed(data).is_ok() {
        assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok());
    }
}

/// A province with pages and accounts, and a node with an API, in a runtime of their own.
struct Fixture {
    _runtime: tokio::runtime::Runtime,
    _stage: Stage,
    _node: Arc<Node>,
    hub: Arc<Hub>,
    pages: SocketAddr,
    node_api: SocketAddr,
    /// What stands in requests, and what it stands for.
    words: Vec<(&'static [u8], String)>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::make);

impl Fixture {
    fn make() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stage, node, node_api, cookie, csrf) = runtime.block_on(async {
            let stage = Stage::plain().await;
            let hub = &stage.province.hub;
            let folder = stage.province.dir.path().join("node");
            let node = make_node(hub, &stage.province.address, &folder, "11953").await.unwrap();
            node.write(vec![member("11953", "033075000001", "Nguyễn Văn An").unwrap()]).await;
            let node_api = api::serve(&node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
            let mut reader = stage.signed_in("quan", AccountRole::Administrator).await;
            let csrf = reader.get("/account").await.csrf();
            let cookies: Vec<String> =
                reader.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (stage, node, node_api, cookies.join("; "), csrf)
        });
        let (hub, pages) = (Arc::clone(&stage.province.hub), stage.pages.address);
        let hub_token = hub.api_tokens.create("thu", "quan", hub.now()).unwrap();
        let node_token = node.api_tokens.create("thu", node.now()).unwrap();
        let words = vec![
            (&b"@HOST@"[..], format!("localhost:{}", pages.port())),
            (b"@NODE@", format!("localhost:{}", node_api.port())),
            (b"@COOKIE@", cookie),
            (b"@CSRF@", csrf),
            (b"@HUB_TOKEN@", hub_token),
            (b"@NODE_TOKEN@", node_token),
        ];
        Self { _runtime: runtime, _stage: stage, _node: node, hub, pages, node_api, words }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Pages,
    HubApi,
    NodeApi,
}

fn filled(path: &str) -> String {
    let known =
        [("{unit}", "11953"), ("{type}", "dang_vien"), ("{number}", "1"), ("{name}", "ai"), ("{id}", "7")];
    let path = known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    // What is left in braces is some record's or replica's id.
    let mut out = String::new();
    let mut rest = path.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        out = format!("{out}{before}{}", "0a".repeat(16));
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn pages() -> Vec<Vec<u8>> {
    let left = ["/sign-out", "/events", "/account/password"];
    let form = "user=lan&password=mat+khau&code=123456&reason=%C4%91%E1%BB%A7&unit=12004&field=ho_ten&value=A&name=ai&\
                note=&phone=0912345678&until=2026-12-31&roles=operator&after=%00&page=2&type=dang_vien&q=H%C3%B2a";
    let one = |(method, path): (&str, &str)| match method {
        "POST" => format!(
            "POST {} HTTP/1.1\nHost: @HOST@\nCookie: @COOKIE@\nOrigin: http://@HOST@\n\
             Content-Type: application/x-www-form-urlencoded\n\ncsrf=@CSRF@&{form}",
            filled(path)
        ),
        _ => format!("GET {}?{form} HTTP/1.1\nHost: @HOST@\nCookie: @COOKIE@\n\n", filled(path)),
    };
    routes()
        .into_iter()
        .filter(|(_, path)| !left.contains(path))
        .map(|asked| one(asked).into_bytes())
        .collect()
}

const BODY: &str = r#"{"reason":"đủ","unit":"12004","name":"ai","until":"2026-12-31","type":"dang_vien","field":"ho_ten","value":null,"first":"0a","second":"0b","role":"commune"}"#;

fn hub_api() -> Vec<Vec<u8>> {
    let one = |method: &str, path: &str| {
        let query = if method == "GET" { "?limit=5&after=0a&unit=11953&q=H%C3%B2a" } else { "" };
        let body = if method == "GET" { "" } else { BODY };
        format!(
            "{method} {BASE}{}{query} HTTP/1.1\nHost: @HOST@\nAuthorization: Bearer @HUB_TOKEN@\n\
             Content-Type: application/json\n\n{body}",
            filled(path)
        )
    };
    endpoints().map(|endpoint| one(endpoint.method, endpoint.path).into_bytes()).collect()
}

fn node_api() -> Vec<Vec<u8>> {
    let row =
        r#"{"so_cccd":"033075000001","ho_ten":"Nguyễn Văn An","ngay_sinh":"1975-03-02","ma_xa":"11953"}"#;
    let one = |method: &str, path: &str| {
        let query = if method == "GET" { "?limit=5&after=0a&updated_since=2026-01-01T00:00:00Z" } else { "" };
        let body = if method == "GET" { String::new() } else { format!("[{row},{row},null,[1]]") };
        format!(
            "{method} {}{query} HTTP/1.1\nHost: @NODE@\nAuthorization: Bearer @NODE_TOKEN@\n\
             Content-Type: application/json\n\n{body}",
            filled(path)
        )
    };
    ENDPOINTS.iter().map(|endpoint| one(endpoint.method, endpoint.path).into_bytes()).collect()
}

fn replaced(bytes: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(word) {
            out.extend_from_slice(with);
            at += word.len();
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    out
}

/// The request's lines as they are, with the length its body has: what would keep the connection open goes.
fn request(data: &[u8]) -> Vec<u8> {
    let cut = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = (&data[..cut], data.get(cut + 2..).unwrap_or_default());
    let mut out = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        let small = line.to_ascii_lowercase();
        let framing: [&[u8]; 5] = [b"content-length", b"transfer-", b"expect", b"connection", b"upgrade"];
        let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\r').collect();
        if !line.is_empty() && !framing.iter().any(|name| small.starts_with(name)) {
            out.extend_from_slice(&line);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out
}

/// A request is answered, and never by a fault of the program's own; whoever asks next is answered too.
fn asked(door: Door, data: &[u8]) {
    let fixture = &*FIXTURE;
    let mut bytes = request(data);
    for (word, with) in &fixture.words {
        bytes = replaced(&bytes, word, with.as_bytes());
    }
    let address = if door == Door::NodeApi { fixture.node_api } else { fixture.pages };
    let status = answered(address, &bytes);
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    match status {
        Some(status) => assert!(status < 500 || status == 503, "{status}: {}", text()),
        // What is no HTTP at all, or too long a line, is cut off; what is HTTP is not.
        None => assert!(!bytes.starts_with(b"GET / HTTP/1.1\r\n"), "no answer: {}", text()),
    }
    assert_eq!(fixture.hub.dataset.totals().records, 0, "a request wrote what no node sent");
}

/// The status of the answer.
fn answered(address: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Refused early, the rest is not read: that is no fault here.
    let _ = stream.write_all(bytes);
    let mut head = [0; 16];
    let mut read = 0;
    while read < 12 {
        match stream.read(&mut head[read..]) {
            Ok(count @ 1..) => read += count,
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            other => panic!("an answer that does not come: {other:?}"),
        }
    }
    std::str::from_utf8(&head[..read]).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn csrs() -> Vec<Vec<u8>> {
    // The key is fixed, so that the request is: PKCS#8 of the Ed25519 seed of ones.
    let pkcs8 =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &[1; 32]].concat();
    let key = rcgen::KeyPair::try_from(pkcs8.as_slice()).unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    vec![request.der().to_vec(), certificate.der().to_vec()]
}

/// A certificate is issued for the key of a request that is signed by it, and for no other.
fn csr(data: &[u8]) {
    let hub = &FIXTURE.hub;
    let unit = "11953".parse().unwrap();
    let [ref good, ref certificate] = csrs()[..] else { return };
    if let Ok(issued) = hub.issuer.issue(data, &unit, ReplicaId([3; 16]), hub.now()) {
        let of = spki_hash(&CertificateDer::from(certificate.as_slice())).unwrap();
        assert_eq!(spki_hash(&issued), Some(of), "a key that signed nothing has a certificate");
        // Bytes behind a request, or other attributes than were signed, would be another request.
        assert!(data.starts_with(good) || data.len() >= good.len() / 2);
    }
    let _ = spki_hash(&CertificateDer::from(data));
}
