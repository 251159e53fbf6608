//! T08: hub and nodes killed (-9) at random microseconds while records are written; in the end everything that was accepted
//! is at the hub, value by value, and all folders pass `check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::Daemon;
use lienthong_node::control;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value as Json, json};

use super::cuts::held;
use crate::processes::{HubPlace, done};

const UNITS: [&str; 2] = ["11953", "11977"];
/// Rounds that one province sees, so that reading it through does not become most of the work.
const ROUNDS_OF_A_PROVINCE: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a node said it accepted: number → name.
type Accepted = BTreeMap<String, String>;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Hubs that were killed.
    pub hub_kills: u32,
    /// Nodes that were killed.
    pub node_kills: u32,
    /// Records that were accepted; each was there in the end.
    pub accepted: usize,
    /// Provinces they were written in.
    pub provinces: u32,
    /// The longest that a killed program took to answer again.
    pub back_after: Duration,
}

/// Kills in so many rounds, in as many provinces as that needs.
///
/// # Errors
/// What was lost, or did not open.
pub async fn kill(program: &Path, rounds: u32, seed: u64) -> anyhow::Result<Report> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut report, mut left) = (Report::default(), rounds);
    while left > 0 {
        let now = left.min(ROUNDS_OF_A_PROVINCE);
        Box::pin(province(program, now, &mut random, &mut report)).await?;
        report.provinces += 1;
        left -= now;
    }
    Ok(report)
}

/// What a node was asked to write.
#[derive(Debug, Default)]
struct Asked {
    accepted: Accepted,
    /// The write that was cut off by a kill and not asked for again: it may have been kept all the same.
    unanswered: Accepted,
}

/// Writes to a node, over and over, and remembers what was accepted.
async fn write(data: PathBuf, unit: usize, stop: Arc<AtomicBool>) -> anyhow::Result<Asked> {
    let mut asked = Asked::default();
    let mut serial = 0u32;
    while !stop.load(Ordering::Relaxed) {
        let values: Vec<Json> = (0..1 + serial % 5)
            .map(|part| {
                // Every third write changes a record of before.
                let number = if serial % 3 == 2 { serial - 2 } else { serial };
                json!({
                    "so_cccd": format!("03307{unit}{:06}", u64::from(number) * 5 + u64::from(part)),
                    "ho_ten": format!("Nguyễn Văn {}", ["An", "Bình", "Chi"][(serial % 3) as usize]),
                    "ngay_sinh": format!("197{unit}-05-06"),
                    "gioi_tinh": "NAM",
                    "ngay_vao_dang": "2000-02-03",
                    "chi_bo": "Chi bộ 1",
                    "ma_xa": UNITS[unit],
                    "dien_quan_ly": "CHIBO",
                    "tinh_trang": "CHINH_THUC",
                })
            })
            .collect();
        let request = NodeRequest::Records(RecordsRequest::Put {
            values: values.clone(),
            record_type: "dang_vien".to_owned(),
            author: "test".to_owned(),
            english: true,
        });
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let names = values.iter().map(|value| (text(&value["so_cccd"]), text(&value["ho_ten"]))).collect();
        match control::call(&data, &request).await {
            Ok(Some(answer)) if answer.exit == 0 => {
                asked.accepted.extend(names);
                asked.unanswered.clear();
                serial += 1;
            }
            Ok(Some(answer)) => bail!("{}", answer.body),
            // Killed on the way: what became of it is not promised. The next try is the same record's turn.
            _ => {
                asked.unanswered = names;
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(asked)
}

async fn synchronised(node: &Daemon) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let body = node.ask(&NodeRequest::Sync).await?.body;
        if body["pending"] == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{body}");
    }
}

async fn province(
    program: &Path,
    rounds: u32,
    random: &mut StdRng,
    report: &mut Report,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let place = HubPlace::make(&program.to_string_lossy(), dir.path()).await?;
    let mut hub = place.serve("hub").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (mut nodes, mut writers) = (Vec::new(), Vec::new());
    for (number, unit) in UNITS.iter().enumerate() {
        nodes.push(place.node(&hub, unit, unit).await?);
        writers.push(tokio::spawn(write(place.path(unit), number, Arc::clone(&stop))));
    }
    for round in 0..rounds {
        super::progress(round as usize, rounds as usize);
        // The instant is the stimulus, not something waited for.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..150_000))).await;
        let (hub_dies, node_dies) =
            [(true, false), (true, false), (false, true), (true, true)][random.random_range(0..4)];
        let victim = random.random_range(0..UNITS.len());
        if hub_dies {
            hub.kill().await?;
            report.hub_kills += 1;
        }
        if node_dies {
            let node = nodes.get_mut(victim).context("a node")?;
            node.kill().await?;
            report.node_kills += 1;
            let took = node.restart().await.context("a killed node does not open")?;
            report.back_after = report.back_after.max(took);
        }
        if hub_dies {
            let took = hub.restart().await.context("a killed hub does not open")?;
            report.back_after = report.back_after.max(took);
        }
        let pressed = nodes[1 - victim].data().to_owned();
        tokio::spawn(async move { control::call(&pressed, &NodeRequest::Sync).await });
    }
    stop.store(true, Ordering::Relaxed);
    let (mut accepted, mut unanswered) = (Accepted::new(), Accepted::new());
    for writer in writers {
        let asked = writer.await??;
        accepted.extend(asked.accepted);
        unanswered.extend(asked.unanswered);
    }
    for node in &nodes {
        synchronised(node).await?;
    }
    for node in &mut nodes {
        node.stop().await?;
        done(program, &["as-node", "check"], node.data()).await?;
    }
    hub.stop().await?;
    let held = held(program, &[], hub.data()).await?;
    let lost: Vec<_> = accepted.keys().filter(|number| !held.contains_key(*number)).collect();
    ensure!(lost.is_empty(), "{} of {} accepted records are lost: {lost:?}", lost.len(), accepted.len());
    let is_asked = |number: &String, name: &String| {
        let found = held.get(number);
        found == Some(name) || (found.is_some() && found == unanswered.get(number))
    };
    let other: Vec<_> = accepted.iter().filter(|(number, name)| !is_asked(number, name)).collect();
    ensure!(other.is_empty(), "{} of {} have another value: {other:?}", other.len(), accepted.len());
    done(program, &["check"], hub.data()).await?;
    report.accepted += accepted.len();
    Ok(())
}
