//! A certificate is renewed long before it ends, for the same key only, and a revoked one never.
#![allow(clippy::unwrap_used)]

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync::RenewRequest;
use lienthong_tests::{
    acknowledged, brisk, catalogue, make_hub, make_node, member, open_hub, reopened, retarget,
};
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
