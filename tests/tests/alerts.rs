//! What needs a person is said by itself, once at each end, to those who are to hear it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lienthong_hub::alerts::{Limits, Look, Mail, Way, Webhook, tls};
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request;
use lienthong_node::app::system_clock;
use lienthong_node::observe::{Beat, JobSpec};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_tests::{acknowledged, asking, brisk, catalogue, make_hub, make_node, member};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use serde_json::{Value as Json, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

const DAY: u64 = 86_400;

/// A hub whose clock is set ahead by a test of its own.
macro_rules! clock {
    ($ahead:ident, $clock:ident) => {
        static $ahead: AtomicU64 = AtomicU64::new(0);
        fn $clock() -> UnixMillis {
            UnixMillis(system_clock().0 + $ahead.load(Ordering::SeqCst) * 1_000)
        }
    };
}

fn open(data: &Path, clock: fn() -> UnixMillis) -> Arc<Hub> {
    lienthong_tests::reopened(|| Ok(Hub::open(data, catalogue()?, &LedgerOptions::default(), clock)?))
}

/// A server's certificate for `localhost`, and the file of the authority that signed it.
fn server(dir: &Path) -> (TlsAcceptor, PathBuf) {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).unwrap();
    let file = dir.join("ca.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params, authority);
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(lienthong_node::identity::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

/// What a webhook got: its headers and its document.
type Posted = (BTreeMap<String, String>, Vec<u8>);

/// A webhook that answers with these codes, then always with the last.
async fn webhook(acceptor: TlsAcceptor, codes: &'static [u16]) -> (u16, mpsc::Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got, posted) = mpsc::channel(64);
    tokio::spawn(async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(acceptor.accept(tcp).await.unwrap());
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let Some((name, value)) = line.trim().split_once(": ") else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let mut body = vec![0; headers["content-length"].parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            let code = codes.get(number).or(codes.last()).unwrap();
            let answer = format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            got.send((headers, body)).await.unwrap();
        }
    });
    (port, posted)
}

async fn next<T>(got: &mut mpsc::Receiver<T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), got.recv()).await.unwrap().unwrap()
}

fn keys(look: &Look) -> Vec<&str> {
    look.begun.iter().map(|alert| alert.key.as_str()).collect()
}

/// Goal: one message when something begins, again only until it was taken, one when it ends, signed; what was
/// acknowledged is told nobody and kept over a restart. Method: a webhook of our own that refuses the first try.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_hears_each_end_once_and_can_check_who_says_it() {
    clock!(AHEAD, clock);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = open(&data, clock);
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &dir.path().join("node"), "11953").await.unwrap();

    let (acceptor, ca) = server(dir.path());
    let (port, mut posted) = webhook(acceptor, &[503, 200]).await;
    let secret = b"mot bi mat dai hon 16 byte".to_vec();
    let uri = format!("https://localhost:{port}/hook").parse().unwrap();
    hub.start_telling(vec![Way::Webhook(Webhook {
        uri,
        tls: tls(Some(&ca)).unwrap(),
        secret: Some(secret.clone()),
    })]);

    // Nothing was ever backed up.
    // Whatever disk this machine has.
    let lax = Limits { disk_percent: 0, ..Limits::default() };
    let strict = Limits { backup_seconds: 0, ..lax };
    assert_eq!(keys(&hub.look_at_alerts(&strict)), ["backup/hub"]);
    let (refused, again) = (next(&mut posted).await, next(&mut posted).await);
    assert_eq!(refused.1, again.1, "the same, until it was taken");
    let (headers, body) = again;
    let signed = [headers["lienthong-timestamp"].as_bytes(), b".", &body].concat();
    let expected = hex::encode(lienthong_proto::hash::hmac_sha256(&secret, &[&signed]));
    assert_eq!(headers["lienthong-signature"], format!("sha256={expected}"));
    let told: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!((told["event"].as_str(), told["province"].as_str()), (Some("begun"), Some("33")));
    assert_eq!(told["alerts"][0]["key"], "backup/hub");
    assert_eq!(told["alerts"][0]["runbook"], "deploy/OPERATIONS.md#alert-backup");
    assert!(told["alerts"][0]["vi"].as_str().unwrap().contains("sao lưu"));

    for _ in 0..3 {
        assert!(hub.look_at_alerts(&strict).begun.is_empty());
    }
    // It is gone for longer than a moment.
    assert!(hub.look_at_alerts(&lax).ended.is_empty());
    AHEAD.store(61, Ordering::SeqCst);
    hub.look_at_alerts(&lax);
    let (_, body) = next(&mut posted).await;
    let told: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (told["event"].as_str(), told["alerts"][0]["key"].as_str()),
        (Some("ended"), Some("backup/hub"))
    );
    assert!(posted.try_recv().is_err());

    // Who looks after it is not told of it again, nor is anybody else.
    hub.look_at_alerts(&strict);
    next(&mut posted).await;
    let id = hub.alerts.list(false)[0].id;
    let acknowledge = |reason: &str| {
        let request = json!({ "command": "alerts_acknowledge", "id": id, "reason": reason, "actor": "lan" });
        serde_json::from_value::<Request>(request).unwrap()
    };
    assert_eq!(acknowledge("x").right(), Some(lienthong_hub::accounts::Right::Operate));
    let tell: lienthong_node::control::Tell = Arc::new(|_| {});
    let answer = Arc::clone(&hub).execute(acknowledge(" "), Arc::clone(&tell)).await;
    assert_eq!((answer.exit, answer.body["rule"].as_str()), (1, Some("REASON_MISSING")));
    let answer = Arc::clone(&hub).execute(acknowledge("đang lắp đĩa"), tell).await;
    assert_eq!((answer.exit, answer.body["acknowledged"]["by"].as_str()), (0, Some("lan")));
    let shown = asking::at_hub(&hub, Request::LedgerShow { from: 0, limit: 100 }).await;
    let said = shown["items"].as_array().unwrap().iter().map(|item| &item["entry"]);
    let said: Vec<&Json> = said.filter(|entry| entry["event"] == "alert_acknowledged").collect();
    assert_eq!((said.len(), said[0]["actor"].as_str()), (1, Some("lan")), "once, when it was done");
    node.close().await;
    hub.close().await;
    drop(hub);
    let hub = open(&data, clock);
    let kept = hub.alerts.list(true);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(kept[1].acknowledged.as_ref().unwrap().reason, "đang lắp đĩa");
    assert!(hub.look_at_alerts(&strict).begun.is_empty());
    assert_eq!(hub.status()["alerts"], json!({ "open": 1, "unacknowledged": 0 }));
    assert!(!String::from_utf8(body).unwrap().contains("lắp đĩa"));
    hub.close().await;
}

async fn conversation<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    tls: bool,
) -> Vec<String> {
    let (mut said, mut message) = (Vec::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return said;
        }
        let line = line.trim_end().to_owned();
        let answer = match line.split(' ').next().unwrap() {
            "." => "250 taken\r\n",
            _ if message => "",
            "EHLO" => "250-mail\r\n250 STARTTLS\r\n",
            "AUTH" => "235 welcome\r\n",
            "DATA" => "354 go on\r\n",
            "STARTTLS" if tls => "220 go on\r\n",
            "STARTTLS" => "502 no\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        message = if line == "." { false } else { message || line == "DATA" };
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        said.push(line.clone());
        if line == "STARTTLS" || line == "QUIT" {
            return said;
        }
    }
}

/// Goal: a mail goes whole, readable and encrypted, or not at all. Method: a mail server of our own, once with and
/// once without STARTTLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_encrypted_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    make_hub(&dir.path().join("hub")).unwrap();
    let hub = open(&dir.path().join("hub"), system_clock);
    let (acceptor, ca) = server(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mail = Mail {
        host: "localhost".to_owned(),
        port: listener.local_addr().unwrap().port(),
        tls: tls(Some(&ca)).unwrap(),
        from: "lienthong@hungyen.example".to_owned(),
        to: vec!["truc@hungyen.example".to_owned(), "lan@hungyen.example".to_owned()],
        login: Some(("user".to_owned(), "pass".to_owned())),
    };
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &dir.path().join("node"), "11953").await.unwrap();
    hub.start_telling(vec![Way::Mail(mail)]);
    hub.look_at_alerts(&Limits { backup_seconds: 0, disk_percent: 0, ..Limits::default() });

    let greeted = async |tls| {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"220 mail\r\n").await.unwrap();
        let mut plain = BufReader::new(tcp);
        let said = conversation(&mut plain, tls).await;
        assert_eq!(said, ["EHLO lienthong-hub", "STARTTLS"], "nothing else goes over an open line");
        plain
    };
    let mut plain = greeted(false).await;
    let mut rest = Vec::new();
    plain.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    let plain = greeted(true).await;
    let mut stream = BufReader::new(acceptor.accept(plain.into_inner()).await.unwrap());
    let said = conversation(&mut stream, true).await;
    let line =
        |start: &str| said.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}"));
    assert_eq!(line("AUTH"), &format!("AUTH PLAIN {}", STANDARD.encode("\0user\0pass")));
    assert_eq!(line("MAIL"), "MAIL FROM:<lienthong@hungyen.example>");
    assert_eq!(said.iter().filter(|line| line.starts_with("RCPT TO:<")).count(), 2);
    assert!(line("Date: ").ends_with("+0000"));
    let text = said.iter().skip_while(|line| !line.is_empty()).skip(1).take_while(|line| *line != ".");
    let text = String::from_utf8(STANDARD.decode(text.cloned().collect::<String>()).unwrap()).unwrap();
    assert!(text.contains("chưa sao lưu") && text.contains("no backup"), "{text}");
    node.close().await;
    hub.close().await;
}

/// Goal: a background job that should get on and does not raises an alert by itself. Method: a job that has work and
/// says nothing, and a clock set ahead.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_job_raises_an_alert_by_itself() {
    clock!(AHEAD, clock);
    let dir = tempfile::tempdir().unwrap();
    make_hub(dir.path()).unwrap();
    let hub = open(dir.path(), clock);
    let spec = JobSpec { name: "test", rhythm_seconds: 60, beat: Beat::WithWork, vi: "thử", en: "a test" };
    let job = hub.observed.jobs.register(spec);
    let has = |key: &str| hub.alerts.list(false).iter().any(|alert| alert.key == key);
    let look = |ahead: u64| {
        AHEAD.store(ahead, Ordering::SeqCst);
        hub.look_at_alerts(&Limits { disk_percent: 0, ..Limits::default() });
    };
    look(10_000);
    look(10_100);
    assert!(!has("job/test"), "it has nothing to do");
    job.begin();
    look(10_200);
    look(10_250);
    assert!(!has("job/test"), "three rounds are let pass");
    look(10_300);
    look(10_340);
    assert!(has("job/test"));
    let ready = hub.readiness();
    assert!(!ready.reasons.iter().any(|reason| reason.en.contains("test")), "it holds up no node");
    let told = lienthong_hub::observe::render(&hub);
    assert!(told.contains("lienthong_job_stalled{job=\"test\"} 1\n"), "{told}");
    assert!(told.contains("lienthong_open_alerts{kind=\"job\",acknowledged=\"no\"}"), "{told}");
    job.done();
    look(10_350);
    look(10_420);
    assert!(!has("job/test"));
    hub.close().await;
}

/// Goal: each thing that needs a person is found, names its unit and says why in both languages, without a value of
/// a record. Method: a province where everything goes wrong, and a clock set ahead.
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_needs_a_person_is_found() {
    clock!(AHEAD, clock);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = open(&data, clock);
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node =
        async |name: &str, unit: &str| make_node(&hub, &address, &dir.path().join(name), unit).await.unwrap();
    let (a, b, other) = (node("a", "11953").await, node("b", "11953").await, node("c", "11977").await);
    let number = "033070000001";
    // Two of one unit state different names without sight of each other; another unit's person has the same number.
    a.write(vec![member("11953", number, "Chim Hoàng Yến").unwrap()]).await;
    b.write(vec![member("11953", number, "Chim Hoàng Oanh").unwrap()]).await;
    let mut stranger = member("11977", number, "Trần Văn Khác").unwrap();
    stranger.values.insert("ngay_sinh".to_owned(), Value::Date(9_000));
    other.write(vec![stranger]).await;
    for node in [&a, &b, &other] {
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    let limits = Limits::default();
    hub.look_at_alerts(&limits);
    let open = || -> Vec<String> { hub.alerts.list(false).iter().map(|alert| alert.key.clone()).collect() };
    assert_eq!(open(), ["quarantine/11977"]);

    hub.fence(a.identity.replica(), &["one".to_owned(), "other".to_owned()]).await;
    for node in [&a, &b, &other] {
        node.close().await;
    }
    // Streams end in their own time.
    while hub.units().iter().any(|unit| unit.state == "online") {
        tokio::task::yield_now().await;
    }
    AHEAD.store(8 * DAY, Ordering::SeqCst);
    hub.look_at_alerts(&limits);
    hub.committer.flush().await;
    let found = open();
    for key in ["away/11977", "backup/hub", "conflicts/hub"] {
        assert!(found.iter().any(|found| found == key), "{key} not in {found:?}");
    }
    AHEAD.store(340 * DAY, Ordering::SeqCst);
    hub.look_at_alerts(&Limits { disk_percent: 100, certificate_seconds: 40 * DAY, ..limits });
    AHEAD.store(340 * DAY + 60, Ordering::SeqCst);
    hub.look_at_alerts(&Limits { disk_percent: 100, certificate_seconds: 40 * DAY, ..limits });
    let found = open();
    for key in ["certificate/11977", "disk/hub"] {
        assert!(found.iter().any(|found| found == key), "{key} not in {found:?}");
    }
    for alert in hub.alerts.list(true) {
        assert!(!alert.vi.is_empty() && !alert.en.is_empty());
        let unit = alert.unit.as_ref().map(ToString::to_string);
        assert!(unit.is_none_or(|unit| alert.key.ends_with(&unit)));
    }
    let kept = std::fs::read_to_string(data.join("alerts.json")).unwrap();
    for value in [number, "Chim", "Hoàng Oanh", "Trần Văn"] {
        assert!(!kept.contains(value), "{kept}");
    }
    hub.close().await;
}
