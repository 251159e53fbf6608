//! A catalogue published at the province is in force there and at every node, without anybody's going there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::app::Hub;
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::Role;
use lienthong_hub::service::{Asked, Reorganisation, Request as HubRequest};
use lienthong_node::app::system_clock;
use lienthong_node::control;
use lienthong_node::published::in_force;
use lienthong_node::records::Listing;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::catalogue::Bundle;
use lienthong_proto::lineage::StepKind;
use lienthong_tests::asking::at_hub;
use lienthong_tests::{make_hub, reopened};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const PASSWORD: &str = "một mật khẩu dài và khó đoán";
const UNIT: &str = "11953";
const ROWS: u64 = 20_000;
const NEW: &str = "name = \"thi_dua\"\nlabel = { vi = \"Thi đua\", en = \"Emulation\" }\n\
    key = { fields = [\"ma\"], scope = \"unit\" }\n\
    [[field]]\nname = \"ma\"\nlabel = { vi = \"Mã\", en = \"Code\" }\ntype = \"text\"\nrequired = true\nclass = \"C1\"\n";

fn publish(path: &str, text: &str) -> Asked {
    let request = HubRequest::CataloguePublish {
        files: BTreeMap::from([(path.to_owned(), text.to_owned())]),
        reason: "công văn 12".to_owned(),
        actor: String::new(),
    };
    Asked {
        credentials: Some(Credentials { user: "lan".to_owned(), password: PASSWORD.to_owned(), code: None }),
        request,
    }
}

/// Asks a folder's daemon until the answer is as wanted; one that is being opened anew does not answer for a moment.
async fn until(data: &Path, request: &NodeRequest, wanted: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = control::call(data, request).await.ok().flatten().map(|answer| answer.body);
        match answer {
            Some(body) if wanted(&body) => return body,
            other => assert!(Instant::now() < deadline, "{other:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn asked(hub: &mut Daemon, request: &HubRequest, wanted: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match hub.ask(request).await {
            Ok(answer) if wanted(&answer.body) => return answer.body,
            other => assert!(Instant::now() < deadline, "{other:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Goal: a published type is known at the province at once and at a node that is connected, or comes back, by itself;
/// its records travel. Method: real processes; one node is away when it is published.
#[tokio::test(flavor = "multi_thread")]
async fn p12_a_published_catalogue_reaches_every_node() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    std::fs::create_dir(&data).unwrap();
    make_hub(&data).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    let mut hub = Daemon::start(Path::new(PROGRAM), &serve, &data).await.unwrap();
    let status = hub.ask(&HubRequest::Status).await.unwrap().body;
    let listen = status["addresses"]["nodes"].as_str().unwrap().to_owned();
    let mut nodes = Vec::new();
    for unit in [UNIT, "12004"] {
        let request = HubRequest::TokenCreate {
            unit: unit.parse().unwrap(),
            role: Role::Commune,
            ttl_seconds: 600,
            actor: String::new(),
        };
        let token = hub.ask(&request).await.unwrap().body["token"].as_str().unwrap().to_owned();
        let folder = dir.path().join(unit);
        let enrol = ["as-node", "enrol", "--hub", &listen, "--token", &token];
        assert_eq!(once(Path::new(PROGRAM), &enrol, &folder).await.unwrap().1, 0);
        nodes.push(Daemon::start(Path::new(PROGRAM), &["as-node", "run"], &folder).await.unwrap());
    }
    nodes[1].kill().await.unwrap();
    let number = |number: u64| move |body: &Json| body["catalogue"]["number"] == number;
    until(&dir.path().join(UNIT), &NodeRequest::Status, number(0)).await;
    let own = publish("records/thi_dua.toml", NEW).request;
    assert!(hub.ask(&own).await.unwrap().body.to_string().contains("Approve"), "who keeps accounts may not");
    let approver = HubRequest::UserAdd {
        name: "lan".to_owned(),
        roles: vec![AccountRole::Approver],
        uid: None,
        password: Some(PASSWORD.to_owned()),
        actor: String::new(),
    };
    assert_eq!(hub.ask(&approver).await.unwrap().exit, 0);
    // What cannot be published is not.
    for (path, text, why) in [
        ("records/thi_dua.toml", "name = ", "thi_dua"),
        ("records/quan_triet.toml", &NEW.replace("thi_dua", "quan_triet") as &str, "key"),
        (
            "codes/linh_vuc.toml",
            "name = \"linh_vuc\"\nlabel = { vi = \"x\", en = \"x\" }\ncode = []\n",
            "LV01",
        ),
    ] {
        let refused = hub.ask(&publish(path, text)).await.unwrap();
        assert!(refused.exit != 0 && refused.body.to_string().contains(why), "{}", refused.body);
    }
    // Who keeps a connection and asks nothing holds nobody up; who brings a long sheet is waited for.
    let idle = [hub.data(), nodes[0].data()].map(Path::to_owned);
    let mut kept = Vec::new();
    for folder in &idle {
        kept.push(control::Connection::open(folder).await.unwrap().unwrap());
    }
    let (begun, import) = import_under_way(dir.path()).await;
    begun.await.unwrap();
    let published = hub.ask(&publish("records/thi_dua.toml", NEW)).await.unwrap();
    assert_eq!(published.body["number"], 1, "{}", published.body);
    let taken = import.await.unwrap();
    assert_eq!((&taken["created"], &taken["error"]), (&ROWS.into(), &Json::Null), "{taken}");
    let in_force = |body: &Json| body["number"] == 1 && body["is_published"] == true;
    let shown = asked(&mut hub, &HubRequest::CatalogueShow, in_force).await;
    assert!(shown["types"].to_string().contains("thi_dua"));
    let same = hub.ask(&publish("records/thi_dua.toml", NEW)).await.unwrap();
    assert_eq!(same.body["rule"], "CATALOGUE_SAME");
    nodes[1].restart().await.unwrap();
    for unit in [UNIT, "12004"] {
        let folder = dir.path().join(unit);
        until(&folder, &NodeRequest::Status, number(1)).await;
        let put = NodeRequest::Records(RecordsRequest::Put {
            values: vec![json!({ "ma": "TD1" })],
            record_type: "thi_dua".to_owned(),
            author: "lan".to_owned(),
            english: true,
        });
        until(&folder, &put, |body| body["created"] == 1 || body["unchanged"] == 1).await;
    }
    let listing = RecordsRequest::List { record_type: "thi_dua".to_owned(), listing: Listing::default() };
    let items = |body: &Json| body["items"].as_array().is_some_and(|items| items.len() == 2);
    asked(&mut hub, &HubRequest::Records(listing), items).await;
    a_unit_is_renamed(&mut hub, dir.path()).await;
    // Opened anew, not made anew.
    for folder in ["hub", UNIT, "12004"] {
        let aside = std::fs::read_dir(dir.path().join(folder)).unwrap().flatten();
        let aside: Vec<_> = aside.map(|entry| entry.file_name()).filter(|name| name != "view").collect();
        assert!(!aside.iter().any(|name| name.to_string_lossy().starts_with("view")), "{folder}: {aside:?}");
    }
}

/// What is wrong with a catalogue is said in both tongues, with the file, whichever place it is in.
#[tokio::test(flavor = "multi_thread")]
async fn p8_what_is_wrong_with_a_catalogue_is_said_in_both_tongues() {
    let dir = tempfile::tempdir().unwrap();
    make_hub(dir.path()).unwrap();
    let hub = lienthong_tests::open_hub(dir.path()).unwrap();
    let rule = "[[rule]]\nid = \"TD_1\"\ndimension = \"dung\"\nseverity = \"error\"\n\
                message = { vi = \"x\", en = \"x\" }\n";
    for (text, vi, en) in [
        (NEW.replace("thi_dua", "khac"), "khai báo khac", "declares khac"),
        (NEW.replace("[\"ma\"]", "[\"so\"]"), "nêu trường so", "names the field so"),
        (format!("{NEW}{rule}"), "quy tắc TD_1: cần đúng một", "rule TD_1: needs exactly one"),
        (format!("{NEW}{rule}cel = \"khac > 1\"\n"), "nêu khac, không phải", "names khac, which"),
        (format!("{NEW}khac = 1\n"), "tệp danh mục", "unknown field"),
    ] {
        let files = BTreeMap::from([("records/thi_dua.toml".to_owned(), text)]);
        let refused = at_hub(&hub, HubRequest::CatalogueCheck { files }).await;
        let (in_vi, in_en) = refused["error"].as_str().and_then(|both| both.split_once(" · ")).unwrap();
        assert!(in_vi.starts_with("tệp danh mục records/thi_dua.toml: ") && in_vi.contains(vi), "{in_vi}");
        assert!(in_en.starts_with("catalogue file records/thi_dua.toml: ") && in_en.contains(en), "{in_en}");
    }
}

/// Goal: a publishing is done wholly or never was, wherever it is cut short; two at once are one after the other; the
/// numbers follow the ledger. Method: the files are put as a stop between two steps would leave them.
#[tokio::test(flavor = "multi_thread")]
async fn a_publishing_is_whole_or_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let open = || {
        let open = || Ok(Hub::open(&data, in_force(&data, None)?, &LedgerOptions::default(), system_clock)?);
        reopened(open)
    };
    let again = async |hub: Arc<Hub>| {
        hub.close().await;
        drop(hub);
        open()
    };
    let new = |name: &str| publish(&format!("records/{name}.toml"), &NEW.replace("thi_dua", name)).request;
    let shown = async |hub: &Arc<Hub>| {
        let shown = at_hub(hub, HubRequest::CatalogueShow).await;
        let own = |name: &&str| shown["types"].to_string().contains(&format!("\"{name}\""));
        let types: Vec<&str> =
            ["thi_dua", "khen_thuong", "ghi_chu", "tham_dinh"].into_iter().filter(own).collect();
        (shown["number"].as_u64(), types.join(" "))
    };
    let hub = open();
    let both = tokio::join!(at_hub(&hub, new("thi_dua")), at_hub(&hub, new("khen_thuong")));
    assert_eq!((&both.0["number"], &both.1["number"]), (&1.into(), &2.into()), "{both:?}");
    let hub = again(hub).await;
    assert_eq!(shown(&hub).await, (Some(2), "thi_dua khen_thuong".to_owned()));
    // Cut short when the ledger has it.
    let [kept, prepared] = ["catalogue.published", "catalogue.prepared"].map(|name| data.join(name));
    let before = std::fs::read(&kept).unwrap();
    assert_eq!(at_hub(&hub, new("ghi_chu")).await["number"], 3);
    assert!(!prepared.exists());
    std::fs::rename(&kept, &prepared).unwrap();
    std::fs::write(&kept, before).unwrap();
    let hub = again(hub).await;
    assert!(hub.superseded.is_cancelled() && !prepared.exists(), "it is opened anew at once");
    let hub = again(hub).await;
    assert_eq!(shown(&hub).await, (Some(3), "thi_dua khen_thuong ghi_chu".to_owned()));
    // Cut short before that.
    let mut files = lienthong_node::published::files(&data).unwrap();
    files.insert("records/tham_dinh.toml".to_owned(), NEW.replace("thi_dua", "tham_dinh"));
    let (origin, key) = (hub.secrets.ledger_origin(), hub.secrets.ledger_key.as_ref());
    let bundle = Bundle::publish(4, &files, (&origin, key)).unwrap();
    lienthong_node::published::Shelf::of(&data).prepare(&bundle).unwrap();
    let hub = again(hub).await;
    assert!(!hub.superseded.is_cancelled() && !prepared.exists(), "it never was");
    assert_eq!(shown(&hub).await, (Some(3), "thi_dua khen_thuong ghi_chu".to_owned()));
    // The file is lost: the number is not given again.
    std::fs::remove_file(&kept).unwrap();
    std::fs::remove_dir_all(data.join("view")).unwrap();
    let hub = again(hub).await;
    assert_eq!(at_hub(&hub, new("tham_dinh")).await["number"], 4);
}

/// A long sheet at a node: when its first rows are in, and what comes of it.
async fn import_under_way(dir: &Path) -> (oneshot::Receiver<()>, JoinHandle<Json>) {
    let line = |number: u64| {
        format!("Nguyễn Văn An,02/03/1975,Nam,{number:012},01/02/2000,Chi bộ 1,{UNIT},CHIBO,CHINH_THUC\n")
    };
    let head = "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng\n";
    let path = dir.join("long.csv");
    let lines: String = (0..ROWS).map(|row| line(33_075_000_000 + row)).collect();
    std::fs::write(&path, format!("{head}{lines}")).unwrap();
    let import = NodeRequest::Records(RecordsRequest::Import {
        path,
        record_type: "dang_vien".to_owned(),
        dry_run: false,
        rows: true,
        author: "lan".to_owned(),
        english: true,
    });
    let mut connection = control::Connection::open(&dir.join(UNIT)).await.unwrap().unwrap();
    let (begin, begun) = oneshot::channel();
    let mut begin = Some(begin);
    let work = async move {
        let mut hear = |_| begin.take().into_iter().for_each(|begin| begin.send(()).unwrap());
        connection.ask_hearing(&import, &mut hear).await.unwrap().body
    };
    (begun, tokio::spawn(work))
}

/// A unit that gets another name has it everywhere, of its day.
async fn a_unit_is_renamed(hub: &mut Daemon, dir: &Path) {
    let steward = HubRequest::UserAdd {
        name: "minh".to_owned(),
        roles: vec![AccountRole::Steward],
        uid: None,
        password: Some(PASSWORD.to_owned()),
        actor: String::new(),
    };
    assert_eq!(hub.ask(&steward).await.unwrap().exit, 0);
    let rename = HubRequest::Reorganise(Reorganisation {
        kind: StepKind::Rename,
        from: vec![UNIT.parse().unwrap()],
        to: vec![UNIT.parse().unwrap()],
        names: BTreeMap::from([(UNIT.parse().unwrap(), "Phố Mới".to_owned())]),
        unit_kind: None,
        rest: None,
        shares: Vec::new(),
        map: Vec::new(),
        on: "2026-01-01".to_owned(),
        reason: "NQ 12".to_owned(),
        apply: true,
        actor: String::new(),
    });
    let credentials =
        Some(Credentials { user: "minh".to_owned(), password: PASSWORD.to_owned(), code: None });
    let renamed = hub.ask(&Asked { credentials, request: rename }).await.unwrap();
    assert_eq!(renamed.exit, 0, "{}", renamed.body);
    for unit in [UNIT, "12004"] {
        let folder = dir.join(unit);
        until(&folder, &NodeRequest::Status, |body| body["catalogue"]["number"].as_u64() > Some(1)).await;
        let known = lienthong_node::published::in_force(&folder, None).unwrap();
        assert_eq!(known.units().title(&UNIT.parse().unwrap()), "Phường Phố Mới");
        assert_eq!((known.units().iter().count(), known.units().by_old_code("12322").len()), (109, 2));
        assert!(known.record_type("thi_dua").is_some() && known.units().elsewhere("00004").is_some());
    }
    asked(hub, &HubRequest::CatalogueShow, |body| body["number"] == 1 && body["sent"].as_u64() > Some(1))
        .await;
}
