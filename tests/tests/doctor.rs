//! Each usual trouble is planted in a node that is well, and `doctor` must name it and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lienthong_hub::demo::once;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::doctor::{Examination, Finding, Grade};
use lienthong_node::identity::NodeIdentity;
use lienthong_proto::time::UnixMillis;
use lienthong_tests::processes::{HubPlace, until};
use lienthong_tests::proxy::{Manner, SmallProxy};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, member, reopened, retarget};
use serde_json::Value as Json;

const UNIT: &str = "11953";

struct Patient {
    province: Province,
    folder: PathBuf,
    /// What is so on this machine, whoever asks: `/tmp` may be memory.
    /// What is said of it before anything is planted: that its daemon does not run.
    usual: Vec<(&'static str, Grade)>,
}

impl Patient {
    /// A node that is well, its daemon stopped.
    async fn well() -> Self {
        let province = Province::set().await.unwrap();
        let folder = province.dir.path().join("node");
        let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
        node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
        node.start_sync(brisk());
        acknowledged(&node).await.unwrap();
        node.close().await;
        drop(node);
        let mut patient = Self { province, folder, usual: Vec::new() };
        reopened(|| Ok(Node::open(&patient.folder, catalogue()?, system_clock).map(drop)?));
        patient.usual = troubles(&patient.examine().await);
        patient
    }

    fn examination(&self) -> Examination {
        let (data, clock) = (self.folder.clone(), system_clock as fn() -> UnixMillis);
        let keys = lienthong_node::at_rest::KeySource::None;
        Examination { data, inbox: None, proxy: None, hub: None, keys, clock }
    }

    async fn examine(&self) -> Vec<Finding> {
        self.examination().examine().await
    }

    /// What is found that was not there before.
    async fn new_troubles(&self, examination: Examination) -> Vec<(&'static str, Grade)> {
        let found = troubles(&examination.examine().await);
        found.into_iter().filter(|trouble| !self.usual.contains(trouble)).collect()
    }

    async fn troubles(&self) -> Vec<(&'static str, Grade)> {
        self.new_troubles(self.examination()).await
    }
}

/// What is judged of the machine's disk, which is as it is where the tests run; the tests of that room plant it.
const OF_THE_DISK: [&str; 2] = ["space", "file_system"];

fn troubles(found: &[Finding]) -> Vec<(&'static str, Grade)> {
    let of_the_node = found.iter().filter(|finding| !OF_THE_DISK.contains(&finding.check));
    of_the_node.map(|f| (f.check, f.grade)).filter(|(_, grade)| *grade != Grade::Ok).collect()
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_well_has_no_fault_and_every_check_was_made() {
    let patient = Patient::well().await;
    assert_eq!(patient.usual, [("daemon", Grade::Warning)], "only that it does not run");
    let made: Vec<&str> = patient.examine().await.iter().map(|finding| finding.check).collect();
    let all = [
        "data_folder",
        "space",
        "file_system",
        "identity",
        "certificate",
        "name",
        "proxy",
        "port",
        "tls",
        "hub",
        "clock",
        "daemon",
        "log",
        "inbox",
    ];
    assert_eq!(made, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_in_the_folder_is_named() {
    let patient = Patient::well().await;
    let folder = patient.folder.as_path();
    mode(folder, 0o755);
    assert_eq!(patient.troubles().await, [("data_folder", Grade::Fault)]);
    mode(folder, 0o700);

    let seed = folder.join("identity/log.seed");
    mode(&seed, 0o644);
    assert_eq!(patient.troubles().await, [("identity", Grade::Fault)]);
    mode(&seed, 0o600);

    std::fs::write(folder.join("recovering"), "").unwrap();
    assert_eq!(patient.troubles().await, [("recovery", Grade::Fault)]);
    std::fs::remove_file(folder.join("recovering")).unwrap();

    std::fs::write(folder.join("regressed"), "").unwrap();
    assert_eq!(patient.troubles().await, [("recovery", Grade::Fault)]);
    std::fs::remove_file(folder.join("regressed")).unwrap();

    let file = folder.join("a-file");
    std::fs::write(&file, "").unwrap();
    let examination = Examination { inbox: Some(file.join("inbox")), ..patient.examination() };
    assert_eq!(patient.new_troubles(examination).await, [("inbox", Grade::Fault)]);

    let elsewhere = Examination { data: file, ..patient.examination() };
    assert_eq!(
        patient.new_troubles(elsewhere).await,
        [("data_folder", Grade::Fault), ("identity", Grade::Warning)]
    );
    assert!(patient.troubles().await.is_empty(), "everything was mended");
}

/// Goal: an identity that is damaged is said to be, and not taken for a bad line or a new machine. Method: each of its
/// files turned, emptied or taken away, and put back.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_damaged_is_named() {
    let patient = Patient::well().await;
    let at = |name: &str| patient.folder.join("identity").join(name);
    let profile = std::fs::read_to_string(at("profile.json")).unwrap();
    let turned = {
        let mut document: Json = serde_json::from_str(&profile).unwrap();
        let certificate = document["chain"][0].as_str().unwrap().to_owned();
        // In its signature, which ends it.
        let (kept, last) = certificate.split_at(certificate.len() - 12);
        let other = if last.starts_with('0') { "1" } else { "0" };
        document["chain"][0] = format!("{kept}{other}{}", &last[1..]).into();
        document.to_string()
    };
    for (name, bytes, check) in [
        ("profile.json", Some(turned.as_str()), "certificate"),
        ("profile.json", Some(""), "identity"),
        ("profile.json", None, "identity"),
        ("tls.key", Some(""), "certificate"),
        ("tls.key", None, "identity"),
        ("log.seed", Some("x"), "identity"),
    ] {
        let whole = std::fs::read(at(name)).unwrap();
        match bytes {
            Some(bytes) => std::fs::write(at(name), bytes).unwrap(),
            None => std::fs::remove_file(at(name)).unwrap(),
        }
        let found = patient.examine().await;
        let faults = troubles(&found).into_iter().filter(|(_, grade)| *grade == Grade::Fault);
        assert_eq!(faults.map(|(check, _)| check).collect::<Vec<_>>(), [check], "{name} {bytes:?}");
        let next = found.iter().find(|f| f.check == check).and_then(|f| f.next.clone()).unwrap();
        assert!(next.vi.contains("recover") && next.en.contains("recover"), "{name} {bytes:?}: {next:?}");
        std::fs::write(at(name), whole).unwrap();
        mode(&at(name), 0o600);
    }
    assert!(patient.troubles().await.is_empty(), "everything was mended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_named_and_left_as_it_is() {
    let patient = Patient::well().await;
    let segment = patient.folder.join("log/00000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(patient.troubles().await, [("log", Grade::Fault)]);
    assert_eq!(std::fs::read(&segment).unwrap().len(), whole.len() - 3, "nothing was cut");
    let mut flipped = whole.clone();
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    std::fs::write(&segment, &flipped).unwrap();
    assert_eq!(patient.troubles().await, [("log", Grade::Fault)]);
    // Behind the anchor: an unfinished write, which the next start cuts.
    std::fs::write(&segment, [&whole[..], b"half a frame"].concat()).unwrap();
    assert!(patient.troubles().await.is_empty());
    // Each frame is whole, and those the anchor vouches for are not all there: an older copy was put back.
    let node = reopened(|| Ok(Node::open(&patient.folder, catalogue()?, system_clock)?));
    node.write(vec![member(UNIT, "033070000002", "Trần Thị Bình").unwrap()]).await;
    node.close().await;
    drop(node);
    reopened(|| Ok(Node::open(&patient.folder, catalogue()?, system_clock).map(drop)?));
    assert!(patient.troubles().await.is_empty());
    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(patient.troubles().await, [("log", Grade::Fault)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_on_the_line_is_named() {
    let patient = Patient::well().await;
    let (folder, address) = (patient.folder.clone(), patient.province.address.clone());
    let at = |hub: &str| retarget(&folder, hub).unwrap();
    at("hub.invalid:7443");
    assert_eq!(patient.troubles().await, [("name", Grade::Fault)]);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    at(&free.to_string());
    assert_eq!(patient.troubles().await, [("port", Grade::Fault)]);
    // Somebody else's hub.
    let other = Province::set().await.unwrap();
    at(&other.address);
    assert_eq!(patient.troubles().await, [("tls", Grade::Fault)]);
    // The right one by a name its certificate does not have.
    at(&address.replace("127.0.0.1", "127.0.0.2"));
    let listening = patient.province.hub.listen(&address.replace("127.0.0.1", "127.0.0.2")).await;
    assert!(listening.is_ok());
    assert_eq!(patient.troubles().await, [("tls", Grade::Fault)]);
    at(&address);
    assert!(patient.troubles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_named_once() {
    let patient = Patient::well().await;
    let with = |clock| Examination { clock, ..patient.examination() };
    let behind: fn() -> UnixMillis = || UnixMillis(system_clock().0 - 5 * 60_000);
    assert_eq!(patient.new_troubles(with(behind)).await, [("clock", Grade::Warning)]);
    let ahead: fn() -> UnixMillis = || UnixMillis(system_clock().0 + 3 * 24 * 3_600_000);
    assert_eq!(patient.new_troubles(with(ahead)).await, [("clock", Grade::Fault)]);
    let ended: fn() -> UnixMillis = || UnixMillis(system_clock().0 + 400 * 24 * 3_600_000);
    assert_eq!(patient.new_troubles(with(ended)).await, [("certificate", Grade::Fault)]);
    let found = with(ended).examine().await;
    let next = found.into_iter().find(|f| f.check == "certificate").and_then(|f| f.next).unwrap();
    assert!(next.vi.contains("unit approve-renewal") && next.en.contains("this clock"), "{next:?}");
    let unborn: fn() -> UnixMillis = || UnixMillis(0);
    assert_eq!(patient.new_troubles(with(unborn)).await, [("certificate", Grade::Fault)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_does_not_serve_is_named() {
    let patient = Patient::well().await;
    let hub = &patient.province.address;
    let through = |proxy: &SmallProxy| {
        let proxy = Some(proxy.url().parse().unwrap());
        Examination { proxy, ..patient.examination() }
    };
    let open = SmallProxy::start(hub, hub, Manner::Open).await.unwrap();
    assert!(patient.new_troubles(through(&open)).await.is_empty());
    assert!(open.opened() > 0);
    for answer in ["HTTP/1.1 407 No\r\n\r\n", "HTTP/1.1 403 No\r\n\r\n", "nothing of the kind"] {
        let proxy = SmallProxy::start(hub, hub, Manner::Says(answer.to_owned())).await.unwrap();
        assert_eq!(patient.new_troubles(through(&proxy)).await, [("proxy", Grade::Fault)], "{answer}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody =
        Examination { proxy: Some(format!("http://{free}").parse().unwrap()), ..patient.examination() };
    assert_eq!(patient.new_troubles(nobody).await, [("proxy", Grade::Fault)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_says_no_is_quoted() {
    let patient = Patient::well().await;
    let replica = NodeIdentity::load(&patient.folder).unwrap().unwrap().replica();
    patient.province.hub.registry.revoke(&replica.to_string(), "mất máy", system_clock()).unwrap();
    assert_eq!(patient.troubles().await, [("hub", Grade::Fault)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_can_be_tried_before_enrolment() {
    let province = Province::set().await.unwrap();
    let data = province.dir.path().join("new");
    let new = |hub: Option<String>| Examination {
        data: data.clone(),
        inbox: None,
        proxy: None,
        hub,
        keys: lienthong_node::at_rest::KeySource::None,
        clock: system_clock,
    };
    let found = new(None).examine().await;
    assert_eq!(troubles(&found), [("data_folder", Grade::Warning), ("identity", Grade::Warning)]);
    assert!(!data.exists(), "looking makes nothing");
    let found = new(Some(province.address.clone())).examine().await;
    assert!(found.iter().any(|finding| finding.check == "port" && finding.grade == Grade::Ok));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = new(Some(free.to_string())).examine().await;
    assert!(troubles(&found).contains(&("port", Grade::Fault)));
}

/// With real processes: beside the daemon, by the command line, with exit codes.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_daemon_it_says_so_and_exits_by_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(env!("CARGO_BIN_EXE_hub"), dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNIT).await.unwrap();
    until(&node, "online", |status| status["state"] == "online").await.unwrap();
    let doctor = async |more: &[&str]| {
        let arguments = [&["as-node", "doctor"][..], more].concat();
        once(&place.program, &arguments, &place.path("node")).await.unwrap()
    };
    let grade = |document: &Json, check: &str| {
        let found = document["findings"].as_array().unwrap().iter().find(|f| f["check"] == check).cloned();
        found.map(|finding| finding["grade"].as_str().unwrap().to_owned())
    };
    let (document, exit) = doctor(&[]).await;
    assert_eq!((exit, grade(&document, "daemon").as_deref()), (0, Some("ok")), "{document}");
    for finding in document["findings"].as_array().unwrap() {
        for text in
            ["what", "why", "next"].map(|key| &finding[key]).into_iter().filter(|text| !text.is_null())
        {
            assert!(text["vi"].as_str().is_some_and(|t| !t.is_empty()), "{finding}");
            assert!(text["en"].as_str().is_some_and(|t| !t.is_empty()), "{finding}");
        }
    }
    hub.stop().await.unwrap();
    let (document, exit) = doctor(&[]).await;
    assert_eq!((exit, grade(&document, "port").as_deref()), (1, Some("fault")), "{document}");
    assert_eq!(grade(&document, "daemon").as_deref(), Some("ok"), "offline because of the line");
    node.stop().await.unwrap();
    let (document, _) = doctor(&[]).await;
    assert_eq!(grade(&document, "daemon").as_deref(), Some("warning"), "{document}");
}
