//! A reconnect storm: a hub is killed and comes back, and everybody dials at once with something to send.
//!
//! `cargo run --release -p lienthong-tests --bin storm -- 3321`. The units are the product's own client state machines
//! over mTLS in this process, each with its own certificate; how they come back is the product's own doing.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use lienthong_node::sync::Phase;
use lienthong_tests::fleet::{Country, Order, free_bytes_enough, program, telling};
use lienthong_tests::machine::{self, Peak, Percentiles, round};
use serde_json::json;

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Kills a hub with many units connected, lets them all back at once, and tells when each had everything acknowledged.
///
/// With 3,321 units it takes about five minutes in a release build on 2 cores, most of it enrolling them; needs 1 GB of
/// disk, given back also when it fails or is interrupted, and 2 GB of memory. Progress goes to stderr.
#[derive(Debug, Parser)]
struct Options {
    /// How many units
    #[arg(default_value_t = 3_321)]
    units: usize,
    /// Records that each has sent before
    #[arg(long, default_value_t = 30)]
    records: usize,
    /// Records that each has waiting when the hub comes back
    #[arg(long, default_value_t = 3)]
    backlog: usize,
    /// How often it is done
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What the made records follow from
    #[arg(long, default_value_t = 33)]
    seed: u64,
    /// JSON lines
    #[arg(long)]
    json: bool,
    /// Make the temporary folder in this one
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seconds that a round may take before it counts as stalled
    #[arg(long, default_value_t = 900)]
    patience: u64,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    program(async || storms(&Options::parse()).await)
}

async fn storms(options: &Options) -> anyhow::Result<()> {
    let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    free_bytes_enough(&parent, 1 << 30)?;
    let folder = tempfile::Builder::new().prefix("lienthong-storm-").tempdir_in(&parent)?;
    let (units, patience) = (options.units, Duration::from_secs(options.patience));
    eprintln!("{units} units: enrolling");
    let mut country = Country::set(folder.path(), units, options.seed).await?;
    country.write(units * options.records)?;
    eprintln!("{units} units: filling");
    country.fleet.order(Order::Send).await?;
    country.fleet.order(Order::Dial).await?;
    country.fleet.connected(patience, &telling("connected", units)).await?;
    country.fleet.acknowledged(patience, &telling("in step", units)).await?;
    for number in 1..=options.rounds {
        round_of(options, &mut country, number).await?;
    }
    Ok(())
}

async fn round_of(options: &Options, country: &mut Country, number: usize) -> anyhow::Result<()> {
    let (units, patience) = (options.units, Duration::from_secs(options.patience));
    let idle = machine::pss_mib(&[country.pid()?]);
    country.write(units * options.backlog)?;
    country.hub.kill().await?;
    let lost = |phase: Phase| matches!(phase, Phase::Waiting(_) | Phase::Dialling);
    country.fleet.until(patience, |_, standing| lost(standing.phase), &telling("lost", units)).await?;
    country.fleet.order(Order::Send).await?;
    let dials = country.fleet.dials();
    eprintln!("round {number}: the hub comes back");
    let begun = Instant::now();
    let answers = country.hub.restart().await?.as_secs_f64();
    let watched = Peak::watch(vec![country.pid()?]);
    // Whoever waits for its next try waits no longer: worse than in the field, where tries are spread.
    country.fleet.order(Order::Dial).await?;
    country.fleet.acknowledged(patience, &telling("in step", units)).await?;
    let (peak, rss) = (watched.end(), machine::peak_rss_mib(country.pid()?));
    let mut times = country.fleet.times(begun)?;
    times.sort_by(f64::total_cmp);
    let shown = country.records().await?;
    ensure!(shown == country.fleet.size(), "the hub shows {shown} of {} records", country.fleet.size());
    let Percentiles { p50, p99, max, .. } = Percentiles::of(times.clone());
    let first = times.first().copied().unwrap_or_default();
    let dials = (country.fleet.dials() - dials) as f64 / units as f64;
    if options.json {
        let line = json!({
            "what": "storm", "round": number, "units": units, "backlog": options.backlog,
            "hub_answers_s": round(answers), "first_s": round(first), "p50_s": p50, "p99_s": p99, "last_s": max,
            "dials_per_unit": round(dials), "hub_idle_pss": round(idle), "hub_peak_pss": round(peak),
            "hub_peak_rss": round(rss), "records": shown,
        });
        println!("{line}");
        return Ok(());
    }
    println!(
        "{units} units with {} records each, round {number}: the hub answers after {answers:.2} s; in step after \
         {first:.2} s (first), {p50:.2} s (half), {p99:.2} s (99 in 100), {max:.2} s (last); {dials:.1} dials each; \
         hub memory {idle:.0} MiB before, {peak:.0} MiB at the peak ({rss:.0} MiB resident); nothing missing of \
         {shown} records",
        options.backlog
    );
    Ok(())
}
