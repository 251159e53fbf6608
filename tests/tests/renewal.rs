//! A certificate is renewed long before it ends, with a fresh key, and a revoked one never.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request as HubRequest;
use lienthong_node::app::Node;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity, provider};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_node::service::Request;
use lienthong_node::sync::SyncStatus;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync::RenewRequest;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_hub, make_node, member, open_hub, reopened,
    retarget, token,
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tonic::Code;

const UNIT: &str = "11953";
const OTHER: &str = "11980";

/// Forty days ago.
fn past() -> UnixMillis {
    UnixMillis(system_clock().0 - 40 * 24 * 3_600 * 1_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_certificate_is_renewed_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), past).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let folder = dir.path().join("node");
    std::fs::create_dir(&folder).unwrap();
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    let issued = node.identity.validity().unwrap();
    assert!(issued.1.since(issued.0) > 300 * 24 * 3_600 * 1_000, "months without a line are covered");
    node.close().await;
    hub.close().await;
    drop((node, hub));

    let hub = reopened(|| open_hub(&data));
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    retarget(&folder, &address).unwrap();
    let old = NodeIdentity::load(&folder).unwrap().unwrap();
    let node = reopened(|| Ok(lienthong_node::app::Node::open(&folder, catalogue()?, system_clock)?));
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    while node.identity.validity().unwrap() == issued {
        tokio::task::yield_now().await;
    }
    let kept = NodeIdentity::load(&folder).unwrap().unwrap();
    assert_eq!(kept.validity(), node.identity.validity());
    assert!(kept.validity().unwrap().1 > issued.1);
    assert_ne!(kept.tls_key_hash(), old.tls_key_hash(), "the key is a fresh one");

    // The fresh one was used: the one before counts no more, whoever has it.
    node.write(vec![member(UNIT, "033070000002", "Trần Thị Bình").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    while hub.registry.get(node.identity.replica()).unwrap().next.is_some() {
        tokio::task::yield_now().await;
    }
    let (csr, proof) = (request(), vec![7; 64]);
    assert_eq!(asked(&old, &csr, &proof).await, Code::PermissionDenied);
    // Not for a key the log key does not speak for, nothing at all for a revoked one.
    assert_eq!(asked(&kept, &csr, &proof).await, Code::PermissionDenied);
    assert_eq!(asked(&kept, &csr, &[]).await, Code::PermissionDenied);
    assert_eq!(asked(&kept, b"garbage", &proof).await, Code::InvalidArgument);
    assert!(hub.registry.get(kept.replica()).unwrap().next.is_none());
    hub.registry.revoke(UNIT, "mất máy", hub.now()).unwrap();
    assert_eq!(asked(&kept, &csr, &proof).await, Code::PermissionDenied);
}

/// A request for a fresh key.
fn request() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
}

/// How the hub refuses a renewal.
async fn asked(identity: &NodeIdentity, csr: &[u8], proof: &[u8]) -> Code {
    let channel = identity::connect(identity).await.unwrap();
    let request = RenewRequest { csr: csr.to_vec().into(), proof: proof.to_vec().into() };
    SyncClient::new(channel).renew(request).await.unwrap_err().code()
}

/// Goal: keys rotate while people work, and nothing they do fails. Method: records are written all the while, one after
/// the other, as the node's key and the hub's own rotate several times; each write is answered, each record arrives.
#[tokio::test(flavor = "multi_thread")]
async fn t35_keys_rotate_under_load_and_no_call_of_a_user_fails() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    let (stop, writer) = (Arc::new(AtomicBool::new(false)), Arc::clone(&node));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut count = 0_u64;
        while !stopped.load(Ordering::Acquire) || count < 50 {
            count += 1;
            let draft = member(UNIT, &format!("{:012}", 33_070_000_000 + count), "Nguyễn Văn An").unwrap();
            let answers = writer.write(vec![draft]).await;
            assert!(answers.iter().all(Result::is_ok), "a user's call failed");
            acknowledged(&writer).await.unwrap();
        }
        count
    });
    let mut keys = vec![node.identity.tls_key_hash().unwrap()];
    for _ in 0..5 {
        let answer = Arc::clone(&node).execute(Request::KeyRotateTls, Arc::new(|_| {})).await;
        assert_eq!(answer.exit, 0, "{answer:?}");
        let key = node.identity.tls_key_hash().unwrap();
        assert!(!keys.contains(&key));
        keys.push(key);
        // Its first use ends the one before.
        let replica = node.identity.replica();
        while hub.registry.get(replica).unwrap().tls_key_hash != hex::encode(key) {
            tokio::task::yield_now().await;
        }
        assert!(hub.registry.by_key_hash(&keys[keys.len() - 2]).is_none());
        hub.server_certificate.renew(&hub.secrets, &hub.issuer, &[], hub.now()).unwrap();
    }
    stop.store(true, Ordering::Release);
    let count = writing.await.unwrap();
    acknowledged(&node).await.unwrap();
    assert_eq!(hub.dataset.totals().records, count);
    assert!(!node.is_regressed());
    let kept = NodeIdentity::load(&folder).unwrap().unwrap();
    assert_eq!(kept.tls_key_hash().as_ref(), keys.last(), "what is on the disk is what is in use");
}

/// Puts a certificate that ended five weeks ago in place of an enrolled folder's own, for the same key.
fn end(hub: &Hub, folder: &Path) {
    let path = folder.join("identity/profile.json");
    let mut profile: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let key = PrivatePkcs8KeyDer::from(std::fs::read(folder.join("identity/tls.key")).unwrap());
    let key = rcgen::KeyPair::try_from(&key).unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let unit = profile["unit"].as_str().unwrap().parse().unwrap();
    let replica = profile["replica"].as_str().unwrap().parse().unwrap();
    let then = UnixMillis(hub.now().0 - 400 * 24 * 3_600 * 1_000);
    let ended = hub.issuer.issue(csr.der(), &unit, replica, then).unwrap();
    profile["chain"] = serde_json::json!([hex::encode(&ended)]);
    std::fs::write(&path, serde_json::to_vec(&profile).unwrap()).unwrap();
}

/// Goal: a machine whose certificate has ended says what is needed and goes on by itself once the province has approved
/// it, as the replica it is; nobody else does. Method: such a machine with something to send, and at the same door
/// another unit's log key, a revoked machine, one nobody knows, and the same approval a second time.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_certificate_that_ended_is_renewed_by_the_log_key_once_it_is_approved() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let [folder, other] = ["node", "other"].map(|name| dir.path().join(name));
    for (folder, unit) in [(&folder, UNIT), (&other, OTHER)] {
        let node = make_node(&hub, &address, folder, unit).await.unwrap();
        node.write(vec![member(unit, &format!("0330{unit}001"), "Nguyễn Văn An").unwrap()]).await;
        node.close().await;
        drop(node);
        end(&hub, folder);
    }
    let copies = ["wrong", "twice"].map(|name| dir.path().join(name));
    for copy in &copies {
        reopened(|| copy_folder(&folder, copy));
    }
    let refused = async |folder: &Path| {
        let identity = NodeIdentity::load(folder).unwrap().unwrap();
        identity::renew_by_log_key(&identity).await.unwrap_err().to_string()
    };

    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    let replica = node.identity.replica();
    node.start_sync(brisk());
    let mut status = node.sync().unwrap().watch();
    let told = |status: &SyncStatus| {
        status.fault.as_ref().is_some_and(|said| said.contains("approve-renewal 11953"))
    };
    status.wait_for(told).await.unwrap();
    let shown = Arc::clone(&node).execute(Request::Status, Arc::new(|_| {})).await.body;
    assert!(shown["fault"].as_str().unwrap().contains("approve-renewal 11953"), "{shown}");

    // Another unit's log key speaks for this one's replica.
    std::fs::copy(other.join("identity/log.seed"), copies[0].join("identity/log.seed")).unwrap();
    let said = NodeIdentity::load(&copies[0]).unwrap_err().to_string();
    assert!(said.contains("log.seed was changed"), "{said}");
    let profile = copies[0].join("identity/profile.json");
    let mut unsaid: serde_json::Value = serde_json::from_slice(&std::fs::read(&profile).unwrap()).unwrap();
    unsaid["sums"] = serde_json::json!({});
    std::fs::write(&profile, unsaid.to_string()).unwrap();
    assert!(refused(&copies[0]).await.contains("log key"));
    // An approval is a unit's own.
    approve(&hub, OTHER).await;
    assert!(refused(&copies[1]).await.contains("approve-renewal 11953"));
    hub.registry.revoke(OTHER, "mất máy", hub.now()).unwrap();
    assert!(refused(&other).await.contains("revoked"), "approved or not");

    // A hub says so too where this machine's clock is behind, unless the line breaks first: it is dialled again then.
    let late = NodeIdentity::load(&folder).unwrap().unwrap();
    let said = async || match identity::connect(&late).await {
        Ok(channel) => {
            let asked = SyncClient::new(channel).renew(RenewRequest::default()).await.unwrap_err();
            format!("{asked:?}")
        }
        Err(error) => error.to_string(),
    };
    while !identity::is_ended(&said().await) {
        tokio::task::yield_now().await;
    }

    approve(&hub, UNIT).await;
    acknowledged(&node).await.unwrap();
    assert_eq!(node.identity.replica(), replica, "never a new replica");
    assert!(node.identity.validity().unwrap().1 > hub.now());
    assert_eq!(hub.registry.list().len(), 2);
    assert!(refused(&copies[1]).await.contains("approve-renewal 11953"), "good once");
    assert_eq!(hub.dataset.totals().records, 1);
}

async fn approve(hub: &Arc<Hub>, unit: &str) {
    let request = HubRequest::UnitApproveRenewal { unit: unit.parse().unwrap(), actor: "lan".to_owned() };
    let answer = Arc::clone(hub).execute(request, Arc::new(|_| {})).await;
    assert_eq!(answer.exit, 0, "{answer:?}");
}

/// Goal: a hub's answer to an enrolment that is lost costs no new token. Method: the line is dropped between the
/// registry and the answer; the same token goes on for the same keys only, and not beyond its day.
#[tokio::test(flavor = "multi_thread")]
async fn p7_an_enrolment_whose_answer_was_lost_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), after).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let [folder, other] = ["node", "other"].map(|name| dir.path().join(name));
    for folder in [&folder, &other] {
        std::fs::create_dir(folder).unwrap();
    }
    let fresh = token(&hub, UNIT).unwrap();
    let lose = async || {
        let mut enrolled = hub.registry.watch();
        tokio::select! {
            biased;
            changed = enrolled.changed() => changed.unwrap(),
            done = identity::enrol(&folder, &address, &fresh) => panic!("{done:?}"),
        }
    };
    lose().await;
    let known = hub.registry.list();
    assert_eq!(known.len(), 1);
    assert!(NodeIdentity::load(&folder).unwrap().is_none());
    let refused = identity::enrol(&other, &address, &fresh).await.unwrap_err().to_string();
    assert!(refused.contains("used already"), "{refused}");
    AFTER.store(2, Ordering::Release);
    let refused = identity::enrol(&folder, &address, &fresh).await.unwrap_err().to_string();
    assert!(refused.contains("expired"), "{refused}");
    AFTER.store(0, Ordering::Release);

    let profile = identity::enrol(&folder, &address, &fresh).await.unwrap();
    assert_eq!(hub.registry.list(), known, "enrolled once");
    assert_eq!(profile.replica, known[0].replica);
    assert!(!folder.join("enrolling").exists());
    let node = Node::open(&folder, catalogue().unwrap(), system_clock).unwrap();
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
}

/// Hours added to the system's clock.
static AFTER: AtomicU64 = AtomicU64::new(0);

fn after() -> UnixMillis {
    UnixMillis(system_clock().0 + AFTER.load(Ordering::Acquire) * 3_600 * 1_000)
}

/// Days added to the system's clock.
static DAYS: AtomicU64 = AtomicU64::new(0);

fn later() -> UnixMillis {
    UnixMillis(system_clock().0 + DAYS.load(Ordering::Acquire) * 24 * 3_600 * 1_000)
}

/// Who answers at an address by a name, if the hub's root vouches for it.
async fn shown(hub: &Hub, address: &str, name: &str) -> std::io::Result<CertificateDer<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add(hub.secrets.root()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![identity::ALPN_ENROL.to_vec()];
    let tcp = tokio::net::TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    Ok(tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_the_hubs_certificate_is_issued_anew_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), later).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let folder = dir.path().join("node");
    let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    let first = shown(&hub, &address, "localhost").await.unwrap();
    DAYS.store(29, Ordering::Release);
    hub.renew_certificate_if_due().await;
    assert_eq!(shown(&hub, &address, "localhost").await.unwrap(), first, "not before it is time");
    DAYS.store(31, Ordering::Release);
    hub.renew_certificate_if_due().await;
    let second = shown(&hub, &address, "localhost").await.unwrap();
    assert_ne!(second, first);
    assert_ne!(identity::spki_hash(&second), identity::spki_hash(&first), "the key is another too");

    // Who was connected goes on as before.
    node.write(vec![member(UNIT, "033070000002", "Trần Thị Bình").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    assert_eq!(node.sync().unwrap().status().fault, None, "on the same line");

    // A name that nodes will dial from now on.
    assert!(shown(&hub, &address, "hub.example").await.is_err());
    hub.server_certificate.renew(&hub.secrets, &hub.issuer, &["hub.example".to_owned()], hub.now()).unwrap();
    let third = shown(&hub, &address, "hub.example").await.unwrap();
    node.close().await;
    hub.close().await;
    drop((node, hub));

    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), later)?));
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    assert_eq!(shown(&hub, &address, "hub.example").await.unwrap(), third, "kept over a restart");
    hub.close().await;
    drop(hub);

    // A crash between the two files: key and certificate are not of one another.
    std::fs::write(data.join("secrets/server.der"), &second).unwrap();
    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), later)?));
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let fourth = shown(&hub, &address, "hub.example").await.unwrap();
    assert!(fourth != second && fourth != third);
    hub.close().await;
    drop(hub);

    // The disk turned a bit of its signature: no node would take it.
    let mut changed = fourth.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(data.join("secrets/server.der"), &changed).unwrap();
    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), later)?));
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let fifth = shown(&hub, &address, "hub.example").await.unwrap();
    assert!(fifth != fourth && fifth.as_ref() != changed);
    retarget(&folder, &address).unwrap();
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000003", "Lê Văn Cường").unwrap()]).await;
    acknowledged(&node).await.unwrap();
}
