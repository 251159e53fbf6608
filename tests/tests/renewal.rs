//! A certificate is renewed long before it ends, for the same key only, and a revoked one never.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::Node;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity, provider};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync::RenewRequest;
use lienthong_tests::{
    acknowledged, brisk, catalogue, make_hub, make_node, member, open_hub, reopened, retarget,
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName};
use tonic::Code;

const UNIT: &str = "11953";

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

    // Not for another key, and not for a revoked one.
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let request = RenewRequest { csr: csr.der().to_vec().into() };
    let ask = async || {
        let channel = identity::connect(&kept).await.unwrap();
        SyncClient::new(channel).renew(request.clone()).await.unwrap_err().code()
    };
    assert_eq!(ask().await, Code::InvalidArgument);
    hub.registry.revoke(UNIT, "mất máy", hub.now()).unwrap();
    assert_eq!(ask().await, Code::PermissionDenied);
}

/// Days added to the system's clock.
static DAYS: AtomicU64 = AtomicU64::new(0);

fn later() -> UnixMillis {
    UnixMillis(system_clock().0 + DAYS.load(Ordering::Acquire) * 24 * 3_600 * 1_000)
}

/// Who answers at an address by a name, if the hub's root vouches for it.
async fn shown(hub: &Hub, address: &str, name: &str) -> std::io::Result<CertificateDer<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add(hub.secrets.root.clone()).unwrap();
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
    retarget(&folder, &address).unwrap();
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033070000003", "Lê Văn Cường").unwrap()]).await;
    acknowledged(&node).await.unwrap();
}
