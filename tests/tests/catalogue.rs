//! A catalogue published at the province is in force there and at every node, without anybody's going there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::pki::Role;
use lienthong_hub::service::{Asked, Reorganisation, Request as HubRequest};
use lienthong_node::control;
use lienthong_node::records::Listing;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::lineage::StepKind;
use lienthong_tests::make_hub;
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const PASSWORD: &str = "một mật khẩu dài và khó đoán";
const UNIT: &str = "11953";
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
    let published = hub.ask(&publish("records/thi_dua.toml", NEW)).await.unwrap();
    assert_eq!(published.body["number"], 1, "{}", published.body);
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
