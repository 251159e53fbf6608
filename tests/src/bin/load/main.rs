//! Measures the whole way: K node processes, M records, one hub.
//!
//! Every measurement is one line; with `--json` one JSON object a line, in the fields of the peer benches
//! (PostgreSQL, NATS, CouchDB), so that both can be run in turn and laid side by side. Bytes on the wire are
//! the loopback device's: run it in a network namespace of its own (`unshare -n`) for a clean figure.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::pki::{InitOptions, Role, init};
use lienthong_hub::service::Request as HubRequest;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::capture::Language;
use lienthong_node::control::Connection;
use lienthong_node::intake::{Held, Intake};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::rules::UnitScope;
use lienthong_tests::corpus::{self, TYPE};
use lienthong_tests::machine::{self, Peak, Percentiles, round};
use serde_json::{Value as Json, json};

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures catch-up, latency, reconnection and recovery with real processes.
#[derive(Debug, Parser)]
struct Options {
    /// Node processes
    #[arg(long, default_value_t = 4)]
    units: usize,
    /// Records in all
    #[arg(long, default_value_t = 10_000)]
    records: usize,
    /// Folder of site-N.ndjson files
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// What the made records follow from
    #[arg(long, default_value_t = 33)]
    seed: u64,
    /// JSON lines
    #[arg(long)]
    json: bool,
    /// Keep everything in this folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// Ends after the catch-up
    #[arg(long)]
    catch_up_only: bool,
    /// Seconds that each of the two idle minutes lasts; what they tell is a minute's all the same
    #[arg(long, default_value_t = 60)]
    minute_seconds: u64,
    /// Only write the records as site-N.ndjson files to this folder, for the peers' benches
    #[arg(long, value_name = "DIR")]
    write_corpus: Option<PathBuf>,
}

/// The writer's own arguments: a process that commits a site's records one by one, hub away.
#[derive(Debug, Parser)]
struct Writer {
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    catalogue: PathBuf,
    #[arg(long)]
    corpus: Option<PathBuf>,
    #[arg(long)]
    site: usize,
    #[arg(long)]
    count: usize,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    json: bool,
}

/// Writers at once: one for each core.
const WRITERS: usize = 2;
/// A measurement that takes longer has stalled.
const STALL: Duration = Duration::from_secs(600);
/// Records of the steady state.
const STEADY: usize = 600;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some("as-hub") => {
            arguments.remove(1);
            Ok(lienthong_hub::cli::program(arguments))
        }
        Some("as-writer") => {
            arguments.remove(1);
            runtime()?.block_on(write(Writer::parse_from(arguments)))?;
            Ok(std::process::ExitCode::SUCCESS)
        }
        _ => {
            let options = Options::parse_from(arguments);
            if let Some(folder) = &options.write_corpus {
                corpus::write(folder, options.units, options.records, options.seed)?;
                return Ok(std::process::ExitCode::SUCCESS);
            }
            runtime()?.block_on(Box::pin(measure(options)))?;
            Ok(std::process::ExitCode::SUCCESS)
        }
    }
}

/// Commits records one by one, each durable before the next, then judges them, as a node does while the line is down.
async fn write(writer: Writer) -> anyhow::Result<()> {
    let catalogue = lienthong_node::published::in_force(&writer.data, Some(&writer.catalogue))?;
    let records = corpus::records(writer.corpus.as_deref(), writer.site, writer.count, writer.seed)?;
    let node = Node::open(&writer.data, Arc::clone(&catalogue), system_clock)?;
    let worker = Arc::clone(&node);
    let (took, judged) = tokio::task::spawn_blocking(move || -> anyhow::Result<(Vec<f64>, f64)> {
        let declared = catalogue.record_type(TYPE).context("no such type")?;
        let mut took = Vec::with_capacity(records.len());
        for record in records {
            let mut intake = Intake {
                catalogue: &catalogue,
                scope: UnitScope::Own(worker.identity.unit().clone()),
                author: "load".to_owned(),
                now: worker.now(),
                language: Language::En,
                held: Some(Held {
                    dataset: worker.replica.dataset(),
                    quality: &worker.quality,
                    provincial_key: worker.identity.provincial_key(),
                }),
                write: &mut |drafts| worker.replica.write_blocking(drafts),
                hear: &mut |_, _| {},
            };
            let begun = Instant::now();
            let taken = intake.values(vec![record], declared);
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
            ensure!(taken.report.created == 1, "{:?}", taken.report);
        }
        worker.replica.flush_blocking();
        let begun = Instant::now();
        worker.quality.settle()?;
        Ok((took, begun.elapsed().as_secs_f64() * 1_000.0))
    })
    .await??;
    node.close().await;
    println!("{}", json!({ "written": took.len(), "commit_ms": Percentiles::of(took), "judged_ms": judged }));
    Ok(())
}

struct Bench {
    program: PathBuf,
    catalogue: PathBuf,
    options: Options,
    folder: PathBuf,
    hub: Daemon,
    nodes: Vec<Daemon>,
    total: u64,
}

async fn measure(options: Options) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = options.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let folder = std::fs::canonicalize(folder)?;
    let mut bench = Bench::prepare(options, folder).await?;
    bench.catch_up().await?;
    if !bench.options.catch_up_only {
        bench.one_change().await?;
        // What changed is witnessed within a minute: that is not idling yet.
        bench.minute("minute-behind-a-change").await?;
        bench.minute(&format!("idle-{}s", bench.options.minute_seconds)).await?;
        bench.steady().await?;
        bench.recovery().await?;
    }
    Ok(())
}

impl Bench {
    fn emit(&self, mut line: Json) {
        line["peer"] = "lienthong".into();
        line["k"] = self.options.units.into();
        if self.options.json {
            println!("{line}");
            return;
        }
        let mut text = line["what"].as_str().unwrap_or_default().to_owned();
        for (key, value) in line.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "what" | "peer") {
                text.push_str(&format!("  {key}={value}"));
            }
        }
        println!("{text}");
    }

    /// Enrols every node, then writes and judges every record with the hub away.
    async fn prepare(options: Options, folder: PathBuf) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let catalogue = folder.join("catalogue");
        corpus::write_catalogue(&catalogue, options.units)?;
        let communes = corpus::communes(&*corpus::catalogue(options.units)?);
        let units: Vec<_> = communes.into_iter().take(options.units).collect();
        let data = folder.join("hub");
        std::fs::create_dir(&data)?;
        let domain = "load.lienthong.vn".to_owned();
        init(&data, &InitOptions { province: "33".parse()?, domain, names: Vec::new() })?;
        // The port is kept over restarts, as in the field.
        let listen =
            format!("127.0.0.1:{}", std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        let shown = catalogue.display().to_string();
        let serve = ["as-hub", "serve", "--listen", &listen, "--web", "127.0.0.1:0", "--catalogue", &shown];
        let mut hub = Daemon::start(&program, &serve, &data).await?;
        for unit in &units {
            let request = HubRequest::TokenCreate {
                unit: unit.clone(),
                role: Role::Commune,
                ttl_seconds: 3_600,
                actor: "load".to_owned(),
            };
            let token = hub.ask(&request).await?.body;
            let token = token["token"].as_str().context("no token")?;
            let node = folder.join(format!("node-{unit}"));
            let enrol = ["as-hub", "as-node", "enrol", "--hub", &listen, "--token", token];
            let (said, code) = once(&program, &enrol, &node).await?;
            ensure!(code == 0, "{said}");
        }
        hub.stop().await?;
        let mut bench = Self { program, catalogue, options, folder, hub, nodes: Vec::new(), total: 0 };
        let datas: Vec<PathBuf> =
            units.iter().map(|unit| bench.folder.join(format!("node-{unit}"))).collect();
        bench.fill(&datas).await?;
        for data in &datas {
            let run = ["as-hub", "as-node", "run", "--catalogue", &shown];
            let node = Daemon::start(&bench.program, &run, data).await?;
            bench.nodes.push(node);
        }
        Ok(bench)
    }

    async fn fill(&mut self, datas: &[PathBuf]) -> anyhow::Result<()> {
        let begun = Instant::now();
        let turns = Arc::new(tokio::sync::Semaphore::new(WRITERS));
        let mut writers = tokio::task::JoinSet::new();
        for (site, data) in datas.iter().enumerate() {
            let count = corpus::share(self.options.records, datas.len(), site);
            let mut arguments: Vec<String> =
                ["as-writer", "--site", &site.to_string(), "--count", &count.to_string()]
                    .map(str::to_owned)
                    .to_vec();
            arguments.extend(["--seed".to_owned(), self.options.seed.to_string()]);
            arguments.extend(["--catalogue".to_owned(), self.catalogue.display().to_string()]);
            if let Some(corpus) = &self.options.corpus {
                arguments
                    .extend(["--corpus".to_owned(), std::fs::canonicalize(corpus)?.display().to_string()]);
            }
            let (program, data, turns) = (self.program.clone(), data.clone(), Arc::clone(&turns));
            writers.spawn(async move {
                let _turn = turns.acquire().await?;
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let (said, code) = once(&program, &arguments, &data).await?;
                ensure!(code == 0, "{said}");
                Ok(said)
            });
        }
        let (mut medians, mut judged) = (Vec::new(), 0.0);
        while let Some(done) = writers.join_next().await {
            let said = done??;
            self.total += said["written"].as_u64().unwrap_or(0);
            medians.push(said["commit_ms"]["p50"].as_f64().unwrap_or(0.0));
            judged += said["judged_ms"].as_f64().unwrap_or(0.0);
        }
        let wall = begun.elapsed().as_secs_f64();
        let line = json!({ "what": "commit", "n": self.total, "wall_s": round(wall), "commit_ms_p50": Percentiles::of(medians).p50 });
        self.emit(line);
        let each = judged * 1_000.0 / self.total.max(1) as f64;
        self.emit(json!({ "what": "judge", "n": self.total, "us_per_rec": round(each) }));
        Ok(())
    }

    fn node_pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Daemon::pid).collect()
    }

    fn hub_pids(&self) -> Vec<u32> {
        self.hub.pid().into_iter().collect()
    }

    /// Everyone dials at once.
    fn press_sync(&self) {
        for node in &self.nodes {
            let data = node.data().to_owned();
            tokio::spawn(async move { lienthong_node::control::call(&data, &NodeRequest::Sync).await });
        }
    }

    /// Waits until the hub holds and shows this many records.
    async fn until_records(&self, wanted: u64, poll: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let status = self.hub.ask(&HubRequest::LedgerCheckpoint).await;
            let records = match status {
                Ok(_) => self.hub.status().await?["records"].as_u64().unwrap_or(0),
                Err(_) => 0,
            };
            if records >= wanted {
                return Ok(());
            }
            ensure!(begun.elapsed() < STALL, "stalled at {records} of {wanted} records");
            tokio::time::sleep(poll).await;
        }
    }

    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let idle = machine::pss_mib(&self.node_pids()) / self.nodes.len().max(1) as f64;
        self.hub.restart().await?;
        let hub_idle = machine::pss_mib(&self.hub_pids());
        self.emit(json!({ "what": "idle-memory", "src_pss_mb": round(idle), "hub_pss_mb": round(hub_idle) }));
        let disk = machine::disk_bytes(self.hub.data());
        let (hub, nodes) = (self.hub_pids(), self.node_pids());
        let (hub_peak, src_peak) =
            (Peak::watch(hub.clone()), Peak::watch(nodes.iter().take(1).copied().collect()));
        let before = (machine::wire_bytes(), machine::cpu_seconds(&nodes), machine::cpu_seconds(&hub));
        let begun = Instant::now();
        self.press_sync();
        self.until_records(self.total, Duration::from_millis(20)).await?;
        let wall = begun.elapsed().as_secs_f64();
        let after = (machine::wire_bytes(), machine::cpu_seconds(&nodes), machine::cpu_seconds(&hub));
        let n = self.total as f64;
        let (src, at_hub) = (after.1 - before.1, after.2 - before.2);
        let line = json!({
            "what": "catch-up", "n": self.total, "wall_s": round(wall), "rec_s": (n / wall).round(),
            "cpu_src": round(src), "cpu_hub": round(at_hub), "cpu_us_per_rec": round((src + at_hub) / n * 1e6),
            "wire_per_rec": round((after.0 - before.0) as f64 / n),
            "hub_peak_pss": round(hub_peak.end()), "hub_peak_rss": round(machine::peak_rss_mib(hub[0])),
            "src_peak_pss": round(src_peak.end()), "src_peak_rss": round(machine::peak_rss_mib(nodes[0])),
            "hub_disk_per_rec": round((machine::disk_bytes(self.hub.data()) - disk) as f64 / n),
        });
        self.emit(line);
        Ok(())
    }

    /// The hub goes, one record changes, the hub comes, everyone reconnects.
    async fn one_change(&mut self) -> anyhow::Result<()> {
        for rep in 1..=3 {
            self.hub.stop().await?;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let first = corpus::records(self.options.corpus.as_deref(), 0, 1, self.options.seed)?;
            let mut record = first.into_iter().next().context("an empty corpus")?;
            record["v"] = rep.into();
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            self.put(0, vec![record]).await?;
            self.hub.restart().await?;
            let before = machine::wire_bytes();
            let begun = Instant::now();
            self.press_sync();
            let read =
                HubRequest::Records(RecordsRequest::Get { record_type: TYPE.to_owned(), id, unit: None });
            loop {
                let seen = self.hub.ask(&read).await?.body;
                if seen["fields"]["v"] == rep {
                    break;
                }
                ensure!(begun.elapsed() < STALL, "the change did not come: {seen}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let took = begun.elapsed().as_secs_f64() * 1_000.0;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let bytes = machine::wire_bytes() - before;
            self.emit(json!({
                "what": "one-change-reconnect", "rep": rep, "ms": round(took), "wire_all": bytes,
                "wire_per_site": bytes / self.options.units as u64,
            }));
        }
        Ok(())
    }

    async fn minute(&self, what: &str) -> anyhow::Result<()> {
        let before = machine::wire_bytes();
        let cpu = machine::cpu_seconds(&[self.hub_pids(), self.node_pids()].concat());
        let seconds = self.options.minute_seconds.max(1);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let bytes = (machine::wire_bytes() - before) * 60 / seconds / self.options.units as u64;
        let cpu = machine::cpu_seconds(&[self.hub_pids(), self.node_pids()].concat()) - cpu;
        let cpu = cpu * 60.0 / seconds as f64;
        let memory = machine::pss_mib(&self.node_pids()) / self.nodes.len().max(1) as f64;
        self.emit(json!({
            "what": what, "wire_per_site_per_min": bytes, "cpu_per_min": round(cpu), "src_pss_mb": round(memory),
        }));
        Ok(())
    }

    async fn put(&self, node: usize, values: Vec<Json>) -> anyhow::Result<()> {
        let node = self.nodes.get(node).context("no such node")?;
        let answer = node.ask(&put(values)).await?;
        ensure!(answer.exit == 0, "{}", answer.body);
        Ok(())
    }

    /// One record every 10 ms at one node; how long until a read at the hub shows it.
    async fn steady(&self) -> anyhow::Result<()> {
        let sent: Arc<parking_lot::Mutex<Vec<Instant>>> = Arc::default();
        let hub = self.hub.data().to_owned();
        let poll = tokio::spawn(async move {
            let mut seen = Vec::new();
            let begun = Instant::now();
            let Ok(Some(mut hub)) = Connection::open(&hub).await else { return seen };
            while seen.len() < STEADY && begun.elapsed() < STALL {
                let id = format!("steady-{}", seen.len());
                let read =
                    HubRequest::Records(RecordsRequest::Get { record_type: TYPE.to_owned(), id, unit: None });
                match hub.ask(&read).await {
                    Ok(answer) if answer.exit == 0 => seen.push(Instant::now()),
                    // The runtime's own sleep is counted in whole milliseconds: too coarse for what is measured.
                    _ => tokio::task::block_in_place(|| std::thread::sleep(Duration::from_micros(500))),
                }
            }
            seen
        });
        let (mut commits, mut next) = (Vec::new(), Instant::now());
        let node = self.nodes.first().context("no node")?;
        let mut node = Connection::open(node.data()).await?.context("the node is not running")?;
        // Read once: a corpus takes the processor from what is measured.
        let template = corpus::records(self.options.corpus.as_deref(), 0, 1, self.options.seed)?;
        for number in 0..STEADY {
            let mut records = template.clone();
            records[0]["id"] = format!("steady-{number}").into();
            let request = put(records);
            let begun = Instant::now();
            let answer = node.ask(&request).await?;
            ensure!(answer.exit == 0, "{}", answer.body);
            sent.lock().push(Instant::now());
            commits.push(begun.elapsed().as_secs_f64() * 1_000.0);
            next += Duration::from_millis(10);
            tokio::time::sleep_until(next.into()).await;
        }
        let seen = poll.await?;
        ensure!(seen.len() == STEADY, "only {} of {STEADY} arrived", seen.len());
        let sent = sent.lock().clone();
        let late = seen
            .iter()
            .zip(&sent)
            .map(|(seen, sent)| seen.saturating_duration_since(*sent).as_secs_f64() * 1_000.0);
        let line = json!({
            "what": "latency", "lat_ms": Percentiles::of(late.collect()), "commit_ms": Percentiles::of(commits),
        });
        self.emit(line);
        Ok(())
    }

    /// Kill -9 and back: the full hub to its first acknowledgement, a node to its first answer.
    async fn recovery(&mut self) -> anyhow::Result<()> {
        let mut at_node = Vec::new();
        let node = self.nodes.first_mut().context("no node")?;
        node.kill().await?;
        at_node.push(node.restart().await?.as_secs_f64());
        self.hub.kill().await?;
        let mut record = corpus::records(self.options.corpus.as_deref(), 0, 1, self.options.seed)?;
        record[0]["id"] = "after-kill".into();
        self.put(0, record).await?;
        let begun = Instant::now();
        self.hub.restart().await?;
        let answers = begun.elapsed().as_secs_f64();
        self.press_sync();
        loop {
            let status = self.nodes[0].status().await?;
            if status["pending"] == 0 {
                break;
            }
            ensure!(begun.elapsed() < STALL, "no acknowledgement: {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let first = begun.elapsed().as_secs_f64();
        self.emit(json!({
            "what": "kill-9", "node_restart_s": round(at_node[0]), "hub_answers_s": round(answers),
            "hub_first_ack_s": round(first), "n": self.total,
        }));
        Ok(())
    }
}

fn put(values: Vec<Json>) -> NodeRequest {
    NodeRequest::Records(RecordsRequest::Put {
        values,
        record_type: TYPE.to_owned(),
        author: "load".to_owned(),
        english: true,
    })
}
