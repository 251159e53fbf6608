//! T23: the drill of a backup, with a clock: communes write, the hub is backed up, they write on, the hub is lost, it is
//! restored at the same address, and the communes send the rest.
//!
//! What was restored is, before anybody dials, what the backup's manifest names, by its root; in the end everything that was acknowledged is
//! there, and the new ledger passes `check`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lienthong_hub::demo::Daemon;
use lienthong_node::backup::Target;
use lienthong_node::log::HashFile;
use lienthong_proto::merkle::root_at;
use serde_json::Value as Json;

use crate::machine::disk_bytes;
use crate::processes::{HubPlace, done, in_step, person, put};

const UNITS: [&str; 4] = ["11953", "11977", "12004", "11983"];
/// Records of a write.
const AT_ONCE: u32 = 500;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Records that were acknowledged.
    pub records: u32,
    /// Of them, those that the backup did not have.
    pub behind_the_backup: u32,
    /// What the backup takes on the disk.
    pub backup_bytes: u64,
    /// Making it, beside the running hub.
    pub backup: Duration,
    /// Restoring it, in a new folder.
    pub restore: Duration,
    /// From the start of the restored hub until all communes are in step, with everything sent.
    pub in_step: Duration,
    /// `check` of the restored hub, afterwards.
    pub check: Duration,
}

impl Report {
    /// What a province waits for that has lost its hub: restoring, and the communes back in step.
    #[must_use]
    pub fn away(&self) -> Duration {
        self.restore + self.in_step
    }
}

/// Loses a hub with so many records, a tenth of them not in the backup, and restores it.
///
/// # Errors
/// What did not come back.
pub async fn restored(program: &Path, records: u32) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let place = HubPlace::make(&program.to_string_lossy(), dir.path()).await?;
    let mut hub = place.serve("hub").await?;
    let mut nodes = Vec::new();
    for unit in UNITS {
        nodes.push(place.node(&hub, unit, unit).await?);
    }
    let mut report = Report { records, behind_the_backup: records / 10, ..Report::default() };
    let before = records - report.behind_the_backup;
    written(&nodes, 0, before).await?;
    let backup = place.path("backup");
    let begun = Instant::now();
    place.done(&["backup", &backup.to_string_lossy(), "--to", "plain"], "hub").await?;
    report.backup = begun.elapsed();
    report.backup_bytes = disk_bytes(&backup);
    written(&nodes, before, records).await?;
    ensure!(hub.status().await?["records"] == records, "not all is at the hub");
    hub.kill().await?;
    std::fs::remove_dir_all(place.path("hub"))?;

    let begun = Instant::now();
    let made = place.done(&place.successor(&["restore", &backup.to_string_lossy()]), "new").await?;
    report.restore = begun.elapsed();
    is_the_backups(&made, &backup)?;
    let begun = Instant::now();
    let mut hub = place.serve("new").await?;
    for node in &nodes {
        in_step(node).await?;
    }
    report.in_step = begun.elapsed();
    let found = hub.status().await?["records"].clone();
    ensure!(found == records, "{found} of {records} records are back");
    place.done(&["confirm-succession"], "new").await?;
    for node in &mut nodes {
        node.stop().await?;
        done(program, &["as-node", "check"], node.data()).await?;
    }
    hub.stop().await?;
    let begun = Instant::now();
    place.done(&["check"], "new").await?;
    report.check = begun.elapsed();
    Ok(report)
}

/// Lets the communes write, each its part, until all of it is acknowledged.
async fn written(nodes: &[Daemon], from: u32, to: u32) -> anyhow::Result<()> {
    let parts = nodes.len() as u32;
    let writing = nodes.iter().zip(UNITS).zip(0..).map(async |((node, unit), part)| {
        let serials: Vec<u32> = (from..to).filter(|serial| serial % parts == part).collect();
        for serials in serials.chunks(AT_ONCE as usize) {
            let people: Vec<Json> =
                serials.iter().map(|serial| person(unit, *serial, "Nguyễn Văn An")).collect();
            put(node, &people).await?;
        }
        in_step(node).await
    });
    futures::future::try_join_all(writing).await?;
    Ok(())
}

/// The former ledger that was restored is the one the backup's manifest tells of, by its root.
fn is_the_backups(made: &Json, backup: &Path) -> anyhow::Result<()> {
    let manifest = Target::new(backup).manifest()?.manifest;
    let archive = made["archive"].as_str().context("where the former ledger is kept")?;
    let hashes = HashFile::open(&Path::new(archive).join("log"), manifest.size)?;
    let root = root_at(&hashes, manifest.size);
    ensure!(root.is_some() && root == manifest.root(), "another root than the manifest's: {made}");
    Ok(())
}
