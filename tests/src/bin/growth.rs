//! How the hub grows: throughput, memory, start-up and disk by records and units, in one table.
//!
//! `cargo run --release -p lienthong-tests --bin growth -- --out tests/reports/growth.txt`. For each number of units a
//! hub in a process of its own is filled step by step with everybody connected, and killed (-9) at each step. The units
//! are the product's own client state machines over mTLS in this process, each with its own certificate and a log
//! made ahead, so that 3,321 of them fit into one machine.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use lienthong_tests::fleet::{Country, Order, free_bytes_enough, program, telling};
use lienthong_tests::machine::{self, Peak};

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fills hubs with records from many units, and tells how the costs grow.
///
/// All of it takes about half an hour in a release build on 2 cores, most of it the 5,000,000 records; needs some 8 GB
/// of disk, which are given back also when it fails or is interrupted, and 4 GB of memory. Progress goes to stderr.
#[derive(Debug, Parser)]
struct Options {
    /// How many records, each step on top of the one before
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 5_000_000])]
    records: Vec<usize>,
    /// How many units, each time with a fresh hub
    #[arg(long, value_delimiter = ',', default_values_t = [8, 104, 1_000, 3_321])]
    units: Vec<usize>,
    /// What the made records follow from
    #[arg(long, default_value_t = 33)]
    seed: u64,
    /// Also write the table to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Make the temporary folder in this one
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seconds that one step may take before it counts as stalled
    #[arg(long, default_value_t = 3_600)]
    patience: u64,
}

/// What one step came to.
#[derive(Debug, Clone, Copy)]
struct Row {
    units: usize,
    records: usize,
    /// Records of this step.
    added: usize,
    /// From the first batch to the last acknowledgement.
    seconds: f64,
    /// The hub's processor time of it.
    cpu: f64,
    /// The highest the hub had, MiB.
    peak: f64,
    /// From the start of the process to its first acknowledgement, seconds.
    start: f64,
    /// Of the hub's folder.
    disk: u64,
}

/// Bytes of disk that a record may take, at the hub and made ahead.
const RECORD_BYTES: u64 = 1_400;
/// A cost may grow by this much more than n log n before it is called worse: machines are noisy.
const NOISE: f64 = 1.5;

fn main() -> anyhow::Result<std::process::ExitCode> {
    program(async || table(&Options::parse()).await)
}

async fn table(options: &Options) -> anyhow::Result<()> {
    ensure!(options.records.is_sorted() && !options.records.is_empty(), "--records must grow");
    let most = options.records.last().copied().unwrap_or_default();
    let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    free_bytes_enough(&parent, most as u64 * RECORD_BYTES)?;
    let (mut rows, mut notes) = (Vec::new(), String::new());
    for units in &options.units {
        let folder = tempfile::Builder::new().prefix("lienthong-growth-").tempdir_in(&parent)?;
        grow(options, *units, folder.path(), (&mut rows, &mut notes)).await?;
        println!("{}", shown(&rows, &notes));
    }
    if let Some(out) = &options.out {
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(out, shown(&rows, &notes)).with_context(|| out.display().to_string())?;
    }
    Ok(())
}

/// Fills one hub.
async fn grow(
    options: &Options,
    units: usize,
    folder: &Path,
    (rows, notes): (&mut Vec<Row>, &mut String),
) -> anyhow::Result<()> {
    let patience = Duration::from_secs(options.patience);
    eprintln!("{units} units: enrolling");
    let mut country = Country::set(folder, units, options.seed).await?;
    // What was built up while enrolling is no part of what a unit costs.
    country.hub.stop().await?;
    country.hub.restart().await?;
    let bare = machine::pss_mib(&[country.pid()?]);
    country.fleet.order(Order::Dial).await?;
    country.fleet.connected(patience, &telling("connected", units)).await?;
    let idle = (machine::pss_mib(&[country.pid()?]) - bare) * 1_024.0 / units as f64;
    writeln!(
        notes,
        "{units} units: enrolled in {:.1} ms each; a hub without records and connections takes {bare:.0} MiB, \
         each connection {idle:.0} KiB",
        country.enrolment.as_secs_f64() * 1_000.0
    )?;
    let mut have = 0;
    for records in &options.records {
        let added = records - have;
        eprintln!("{units} units, {records} records: making {added}");
        country.write(added)?;
        let row = step(&mut country, (units, *records, added), patience).await?;
        eprintln!("{units} units, {records} records: {:.0} records/s", row.added as f64 / row.seconds);
        rows.push(row);
        // With the one that is written to see the hub come back.
        have = records + 1;
    }
    Ok(())
}

async fn step(
    country: &mut Country,
    (units, records, added): (usize, usize, usize),
    patience: Duration,
) -> anyhow::Result<Row> {
    let pids = vec![country.pid()?];
    let (watched, cpu) = (Peak::watch(pids.clone()), machine::cpu_seconds(&pids));
    let begun = Instant::now();
    country.fleet.order(Order::Send).await?;
    country.fleet.acknowledged(patience, &telling("in step", units)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = machine::cpu_seconds(&pids) - cpu;
    let peak = watched.end();
    let shown = country.records().await?;
    ensure!(shown >= records as u64, "the hub shows {shown} of {records} records");
    let start = first_acknowledgement(country, patience).await?;
    let disk = machine::disk_bytes(country.hub.data());
    country.fleet.order(Order::Dial).await?;
    country.fleet.connected(patience, &telling("connected again", units)).await?;
    Ok(Row { units, records, added, seconds, cpu, peak, start, disk })
}

/// Kills the hub, and tells how long after its next start it acknowledges something new.
async fn first_acknowledgement(country: &mut Country, patience: Duration) -> anyhow::Result<f64> {
    country.fleet.order(Order::Leave).await?;
    country.hub.kill().await?;
    country.write_first()?;
    let Country { hub, fleet, .. } = country;
    let first = fleet.members.first().context("no unit")?;
    let size = first.log.lock().head().size;
    first.order(Order::Send).await?;
    let begun = Instant::now();
    let came = async {
        let deadline = begun + patience;
        let acknowledged = first.until(deadline, |standing| standing.acknowledged >= size);
        tokio::pin!(acknowledged);
        loop {
            first.order(Order::Dial).await?;
            tokio::select! {
                at = &mut acknowledged => return at,
                () = tokio::time::sleep(DIAL_EVERY) => {}
            }
        }
    };
    let (_, at) = tokio::try_join!(hub.restart(), came)?;
    Ok(at.context("nothing was acknowledged")?.saturating_duration_since(begun).as_secs_f64())
}

/// While the hub starts, somebody knocks so often.
const DIAL_EVERY: Duration = Duration::from_millis(5);

/// How much more a cost for each record is than it would be if the whole grew with n log n.
fn beyond(before: (usize, f64), now: (usize, f64)) -> f64 {
    let log = |n: usize| (n.max(2) as f64).ln();
    (now.1 / before.1) / (log(now.0) / log(before.0))
}

fn shown(rows: &[Row], notes: &str) -> String {
    let mut text = String::from(
        "   units    records  records/s  hub CPU   × n log n  hub peak  start-up  hub disk\n\
         \x20                                µs/rec  (to before)    MiB         s     B/rec\n",
    );
    let mut worse = Vec::new();
    let mut before: Option<&Row> = None;
    for row in rows {
        let each = |row: &Row| row.cpu * 1e6 / row.added as f64;
        let same = before.filter(|before| before.units == row.units);
        let factor = same.map(|before| beyond((before.records, each(before)), (row.records, each(row))));
        let start = same.map(|before| {
            let each = |row: &Row| row.start / row.records as f64;
            beyond((before.records, each(before)), (row.records, each(row)))
        });
        let _ = writeln!(
            text,
            "{:>8} {:>10} {:>10.0} {:>8.1} {:>11} {:>9.0} {:>9.2} {:>9.0}",
            row.units,
            row.records,
            row.added as f64 / row.seconds,
            each(row),
            factor.map_or_else(|| "–".to_owned(), |factor| format!("{factor:.2}")),
            row.peak,
            row.start,
            row.disk as f64 / row.records as f64,
        );
        for (what, factor) in [("the time a record takes", factor), ("the start", start)] {
            if let Some(factor) = factor.filter(|factor| *factor > NOISE) {
                worse.push(format!(
                    "{what} at {} units and {} records: {factor:.2} times n log n",
                    row.units, row.records
                ));
            }
        }
        before = Some(row);
    }
    let judged = match worse.as_slice() {
        [] => format!("Nothing grows worse than n log n (by more than {NOISE} times from step to step).\n"),
        worse => format!("WORSE than n log n: {}.\n", worse.join("; ")),
    };
    format!("{text}\n{notes}{judged}")
}
