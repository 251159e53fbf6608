//! What the programs tell of themselves: every metric is declared, documented and rendered, health and readiness say
//! why, and one id leads from a capture at a commune to the hub's ledger.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lienthong_hub::observe::names as hub_names;
use lienthong_node::observe::{Kind, Metric, names as node_names};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member};
use serde_json::Value as Json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn declared() -> Vec<Metric> {
    [hub_names::ALL, node_names::ALL].concat()
}

/// The names a text announces, with the numbers it gives for each.
fn rendered(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(name, Vec::new()).is_none(), "twice: {line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let parts = ["_bucket", "_sum", "_count"];
            let family = parts.iter().filter_map(|part| name.strip_suffix(part)).find(|name| {
                declared().iter().any(|metric| metric.name == *name && metric.kind == Kind::Histogram)
            });
            let family = families.get_mut(family.unwrap_or(name));
            family.unwrap_or_else(|| panic!("announced by no TYPE: {line}")).push(line.to_owned());
        }
    }
    families
}

fn names(metrics: &[Metric]) -> BTreeSet<String> {
    metrics.iter().map(|metric| metric.name.to_owned()).collect()
}

#[test]
fn metric_names_end_with_their_units() {
    let mut seen = BTreeSet::new();
    for Metric { name, kind, unit, help, .. } in declared() {
        assert!(seen.insert(name), "{name} is declared twice");
        assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        let stem = name.trim_end_matches("_total");
        // A flag is 0 or 1, and counts of one thing may be called by that thing with its state.
        let plain = ["flag", "units", "conflicts", "failures"].contains(&unit);
        assert!(plain || stem.ends_with(unit), "{name} counts {unit}");
    }
}

/// Goal: operators find every metric in their document with its unit, and none that is not there. Method: the
/// document's table against the declarations.
#[test]
fn the_documented_list_is_the_list() {
    let operations = std::fs::read_to_string(root().join("deploy/OPERATIONS.md")).unwrap();
    let mut documented = BTreeMap::new();
    for line in operations.lines().filter(|line| line.starts_with("| `lienthong_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').split('{').next().unwrap().to_owned();
        let labels =
            cells[1].trim_matches('`').split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
        documented.insert(name, (labels.to_owned(), cells[2].to_owned(), cells[3].to_owned()));
    }
    let listed: BTreeMap<String, (String, String, String)> = declared()
        .iter()
        .map(|metric| {
            let Metric { name, unit, labels, help, .. } = metric;
            ((*name).to_owned(), (labels.join(","), (*unit).to_owned(), (*help).to_owned()))
        })
        .collect();
    let table = |metrics: &[Metric]| {
        let row = |metric: &Metric| {
            let labels = match metric.labels {
                [] => String::new(),
                labels => format!("{{{}}}", labels.join(",")),
            };
            format!("| `{}{labels}` | {} | {} |\n", metric.name, metric.unit, metric.help)
        };
        metrics.iter().map(row).collect::<String>()
    };
    let (hub, node) = (table(hub_names::ALL), table(node_names::ALL));
    assert!(documented == listed, "the tables of deploy/OPERATIONS.md should be:\n\n{hub}\n\n{node}");
    let all = names(&declared());
    let word = |c: char| !c.is_ascii_lowercase() && c != '_';
    let crates = ["lienthong_hub", "lienthong_node"];
    for named in operations.split(word).filter(|word| word.starts_with("lienthong_")) {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|part| named.strip_suffix(part));
        let known = all.contains(named) || stem.is_some_and(|stem| all.contains(stem));
        assert!(known || crates.contains(&named), "OPERATIONS.md names {named}");
    }
}

async fn get(address: &str, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The document in an answer, whether it came in one piece or in chunks.
fn document(body: &str) -> Json {
    let (from, to) = (body.find('{').unwrap(), body.rfind('}').unwrap());
    serde_json::from_str(&body[from..=to]).unwrap()
}

/// Goal: what is declared is rendered, by real programs with real work done; no value of a record among it. Method:
/// a commune writes a member, the numbers of both sides are read.
#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_told_and_no_value() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let node = make_node(hub, &province.address, &province.dir.path().join("node"), "11953").await.unwrap();
    node.start_sync(brisk());
    let written = node.write(vec![member("11953", "033070000001", "Trần Thị Chim Hoàng Yến").unwrap()]).await;
    assert!(written.iter().all(Result::is_ok));
    acknowledged(&node).await.unwrap();

    let of_hub = lienthong_hub::observe::render(hub);
    let of_node = lienthong_node::observe::render(&node);
    assert_eq!(rendered(&of_hub).into_keys().collect::<BTreeSet<_>>(), names(hub_names::ALL));
    assert_eq!(rendered(&of_node).into_keys().collect::<BTreeSet<_>>(), names(node_names::ALL));
    for told in [&of_hub, &of_node] {
        for value in ["033070000001", "Chim", "Hoàng"] {
            assert!(!told.contains(value), "{told}");
        }
    }
    let hub_told = rendered(&of_hub);
    for line in [
        "lienthong_ready 1",
        "lienthong_units{state=\"online\"} 1",
        "lienthong_unit_state{unit=\"11953\",state=\"online\"} 1",
        "lienthong_unit_lag_entries{unit=\"11953\"} 0",
        "lienthong_records 1",
        "lienthong_accepted_batches_total 1",
        "lienthong_accepted_entries_total 1",
        "lienthong_streams 1",
        "lienthong_fenced_replicas 0",
        "lienthong_succession_open 0",
        "lienthong_job_stalled{job=\"committer\"} 0",
    ] {
        assert!(hub_told.values().flatten().any(|told| told == line), "{line} not in\n{of_hub}");
    }
    let above = |line: &str, least: f64| -> bool {
        let told =
            of_hub.lines().find(|told| told.starts_with(line)).unwrap_or_else(|| panic!("{line}\n{of_hub}"));
        told.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > least
    };
    assert!(above("lienthong_unit_certificate_seconds{unit=\"11953\"} ", 300.0 * 86_400.0));
    assert!(above("lienthong_certificate_seconds ", 300.0 * 86_400.0));
    assert!(above("lienthong_commit_seconds_count ", 0.0));
    assert!(above("lienthong_disk_free_bytes ", 0.0));
    assert!(above("lienthong_ledger_bytes ", 0.0));
    assert!(of_node.contains("lienthong_node_state{state=\"online\"} 1\n"), "{of_node}");
    assert!(of_node.contains("lienthong_node_pending_entries 0\n"), "{of_node}");
    node.close().await;
    hub.close().await;
}

/// Goal: who watches over HTTP gets numbers, life and reasons. Method: a node's and a hub's addresses are asked, the
/// node's again when its log was found to contradict the hub's.
#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_say_why() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap().to_string();
    assert_eq!(get(&pages, "/healthz").await.0, 200);
    let (status, ready) = get(&pages, "/readyz").await;
    assert_eq!((status, document(&ready)["ready"].as_bool()), (200, Some(true)));
    assert!(get(&pages, "/metrics").await.1.contains("# TYPE lienthong_units gauge"));

    let folder = province.dir.path().join("node");
    let node = make_node(hub, &province.address, &folder, "11953").await.unwrap();
    let served = lienthong_node::observe::serve(&node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let served = served.to_string();
    assert_eq!(get(&served, "/healthz").await.0, 200);
    assert_eq!(get(&served, "/readyz").await.0, 200);
    assert!(get(&served, "/metrics").await.1.contains("lienthong_node_log_entries 0"));
    node.close().await;
    std::fs::write(folder.join("regressed"), b"").unwrap();
    drop(node);
    let node = lienthong_tests::reopened(|| {
        let catalogue = lienthong_tests::catalogue()?;
        Ok(lienthong_node::app::Node::open(&folder, catalogue, lienthong_node::app::system_clock)?)
    });
    let ready = node.readiness().to_json();
    assert_eq!(ready["ready"], false);
    assert_eq!(ready["reasons"][0]["code"], "REGRESSED");
    node.close().await;

    hub.close().await;
    let ready = hub.readiness().to_json();
    assert_eq!(
        (ready["ready"].as_bool(), ready["reasons"][0]["code"].as_str()),
        (Some(false), Some("STOPPING"))
    );
}

/// Goal: gRPC health answers beside the services, and only who has a certificate of the authority. Method: a node's
/// own channel asks; the enrolment's door, which needs none, does not know the question.
#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_answers_who_has_a_certificate() {
    let province = Province::set().await.unwrap();
    let folder = province.dir.path().join("node");
    let node = make_node(&province.hub, &province.address, &folder, "11953").await.unwrap();
    let channel = lienthong_node::identity::connect(&node.identity).await.unwrap();
    let mut health = HealthClient::new(channel);
    for service in ["", "lienthong.sync.v1.Sync"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, 1, "{service}: serving");
    }
    let unknown = HealthCheckRequest { service: "lienthong.x".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
    node.close().await;
    province.hub.close().await;
}
