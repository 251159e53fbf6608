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

/// The words of an expression that are metrics of ours.
fn used(expression: &str) -> Vec<&str> {
    let word = |c: char| !c.is_ascii_lowercase() && c != '_';
    expression.split(word).filter(|word| word.starts_with("lienthong_")).collect()
}

/// The names an expression may use: those declared, and a histogram's parts.
fn queryable() -> BTreeSet<String> {
    let mut all = names(&declared());
    for metric in declared().iter().filter(|metric| metric.kind == Kind::Histogram) {
        for part in ["_bucket", "_sum", "_count"] {
            all.remove(metric.name);
            all.insert(format!("{}{part}", metric.name));
        }
    }
    all
}

fn expressions(of: &Json, found: &mut Vec<String>) {
    match of {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Json::String(text) if name == "expr" => found.push(text.clone()),
                    value => expressions(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// The labels an expression gives to a metric right behind its name, as `metric{label="…"}`.
fn labels_exist(expression: &str) {
    for metric in declared() {
        for part in expression.split(&format!("{}{{", metric.name)).skip(1) {
            let inside = part.split('}').next().unwrap();
            for pair in inside.split(',') {
                let label = pair.split(['=', '!']).next().unwrap().trim();
                let known = metric.labels.contains(&label) || label == "job" || label == "instance";
                assert!(known, "{} has no label {label}: {expression}", metric.name);
            }
        }
    }
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_exist() {
    let text = std::fs::read_to_string(root().join("deploy/grafana/lienthong.json")).unwrap();
    let (mut found, exist) = (Vec::new(), queryable());
    expressions(&serde_json::from_str(&text).unwrap(), &mut found);
    assert!(found.len() > 30);
    for expression in &found {
        let used = used(expression);
        assert!(!used.is_empty(), "{expression}");
        used.iter().for_each(|name| assert!(exist.contains(*name), "the dashboard asks for {name}"));
        labels_exist(expression);
    }
}

/// Goal: whoever is called finds what to do. Method: every rule asks only for metrics that exist, has its test and its
/// place in the runbook, and so has every kind of alert of the hub's own.
#[test]
fn every_alert_has_metrics_a_test_and_a_place_in_the_runbook() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (rules, shown) = (read("deploy/prometheus/alerts.yml"), read("deploy/prometheus/alerts_test.yml"));
    let operations = read("deploy/OPERATIONS.md");
    let place = |anchor: &str| operations.lines().any(|line| line == format!("### {anchor}"));
    let exist = queryable();
    let mut count = 0;
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap().trim();
        let expression = rule.split("labels: {severity").next().unwrap().split_once("expr:").unwrap().1;
        used(expression).iter().for_each(|used| assert!(exist.contains(*used), "{name} asks for {used}"));
        labels_exist(expression);
        let anchor = rule.split("runbook: deploy/OPERATIONS.md#").nth(1).unwrap().lines().next().unwrap();
        assert!(place(anchor), "{name}: no place {anchor}");
        assert!(shown.contains(&format!("alertname: {name}\n")), "{name} has no test");
        count += 1;
    }
    assert!(count > 20);
    for kind in lienthong_hub::alerts::Kind::ALL {
        let anchor = kind.runbook();
        assert!(place(anchor.split('#').nth(1).unwrap()), "{anchor}");
    }
    for key in lienthong_hub::alerts::KEYS {
        assert!(operations.contains(&format!("`{key}`")), "OPERATIONS.md does not name {key}");
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
        "lienthong_accepted_entries_total 2",
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
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap().address.to_string();
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
