//! A node in an office that lets nothing out but by an HTTP proxy: the hub's name is known to the proxy alone, so that
//! whatever reaches the hub went through it; TLS stands between node and hub, not at the proxy.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::identity::{DialError, EnrolError, Proxy, enrol, enrol_through};
use lienthong_node::recover::replace_through;
use lienthong_tests::proxy::{Manner, SmallProxy};
use lienthong_tests::{acknowledged, brisk, catalogue, member, open_hub, token};

const UNIT: &str = "11953";
/// A name nothing resolves (RFC 2606).
const NAME: &str = "hub.invalid:7443";
/// `lan:secret` in Base64.
const CREDENTIALS: &str = "Proxy-Authorization: Basic bGFuOnNlY3JldA==";

struct Office {
    dir: tempfile::TempDir,
    hub: Arc<Hub>,
    proxy: SmallProxy,
}

impl Office {
    async fn with(manner: Manner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("hub");
        let names = vec!["hub.invalid".to_owned()];
        let options =
            InitOptions { province: "33".parse().unwrap(), domain: "hungyen.example".to_owned(), names };
        init(&data, &options).unwrap();
        let hub = open_hub(&data).unwrap();
        let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
        let proxy = SmallProxy::start(NAME, &address, manner).await.unwrap();
        Self { dir, hub, proxy }
    }

    fn proxy(&self) -> Proxy {
        self.proxy.url().parse().unwrap()
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    async fn enrol(&self, folder: &Path, proxy: &Proxy) -> Result<(), EnrolError> {
        let token = token(&self.hub, UNIT).unwrap();
        enrol_through(folder, (NAME, Some(proxy)), &token).await.map(drop)
    }
}

fn reason(enrolled: Result<(), EnrolError>) -> String {
    match enrolled {
        Err(EnrolError::Dial(DialError::Connect { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_node_enrols_synchronises_and_recovers_by_a_proxy() {
    let office = Office::with(Manner::Open).await;
    let (folder, proxy) = (office.folder("node"), office.proxy());
    let direct = enrol(&folder, NAME, &token(&office.hub, UNIT).unwrap()).await;
    assert!(matches!(direct, Err(EnrolError::Dial(_))), "there is no other way");
    office.enrol(&folder, &proxy).await.unwrap();
    let node =
        Node::open_through(&folder, catalogue().unwrap(), system_clock, Some(&proxy), &KeyRing::default())
            .unwrap();
    node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    assert_eq!(office.hub.dataset.totals().records, 1);
    assert_eq!(office.proxy.opened(), 2, "one to enrol, one to synchronise");
    node.close().await;
    drop(node);

    let other = office.folder("other");
    let fresh = token(&office.hub, UNIT).unwrap();
    let reach = (Some(NAME), Some(&proxy));
    let report =
        replace_through(&other, reach, Some(&fresh), catalogue().unwrap(), system_clock, &KeyRing::default())
            .await
            .unwrap();
    assert_eq!(report.refilled, 2, "the record, and the count of what was written");
    assert_eq!(office.proxy.opened(), 4, "one to enrol, one to refill");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_asks_for_credentials_gets_them_from_a_file() {
    let office = Office::with(Manner::Asks(CREDENTIALS.to_owned())).await;
    let folder = office.folder("node");
    let told = reason(office.enrol(&folder, &office.proxy()).await);
    assert!(told.contains("407"), "{told}");
    let path = office.dir.path().join("credentials");
    std::fs::write(&path, "lan:secret\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let proxy = office.proxy().with_credentials(&path).unwrap();
    office.enrol(&folder, &proxy).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_says_instead_is_told() {
    for (answer, told) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n<html>", "403"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "HTTP"),
        ("HTTP/1.1 200 OK\r\n\r\nnot from the hub", "HTTP"),
    ] {
        let office = Office::with(Manner::Says(answer.to_owned())).await;
        let reason = reason(office.enrol(&office.folder("node"), &office.proxy()).await);
        assert!(reason.contains(told) && reason.contains("proxy"), "{answer}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_a_proxy_that_leads_to_somebody_else_is_found_out() {
    let office = Office::with(Manner::Open).await;
    let impostor = Office::with(Manner::Open).await;
    let folder = office.folder("node");
    let token = token(&office.hub, UNIT).unwrap();
    let led = enrol_through(&folder, (NAME, Some(&impostor.proxy())), &token).await;
    assert!(reason(led.map(drop)).contains("certificate"));
}
