//! Runs the province over a simulated network, from seeds: many, or one again with everything that happens in it.

#![allow(clippy::print_stdout, reason = "what it finds is its output")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use lienthong_tests::province::{Report, Scale, Template, run, steady};

/// Runs the province over a simulated network, with the product's own TLS and gRPC.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Just this one.
    #[arg(long)]
    seed: Option<u64>,
    /// All 109 hosts rather than a few.
    #[arg(long)]
    whole: bool,
    /// Print everything that happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print each seed's hashes: of everything that happened, and of every byte on the lines.
    #[arg(long)]
    hashes: bool,
    /// Threads, each with runs of its own.
    #[arg(long, default_value_t = 1)]
    threads: u64,
}

#[derive(Default)]
struct Sum {
    runs: u64,
    acknowledged: u64,
    ledger: u64,
    latest_seconds: u64,
    slowest_seconds: f64,
    counts: BTreeMap<&'static str, u64>,
    hashes: BTreeMap<u64, String>,
    failed: Vec<u64>,
}

/// A run in a thread of its own: what the thread is asked for begins anew.
fn one(template: &Template, seed: u64, args: &Args) -> (anyhow::Result<Report>, Vec<String>, f64) {
    let scale = if args.whole { Scale::Whole } else { Scale::Few };
    let mut trace = Vec::new();
    let begun = Instant::now();
    let outcome = std::thread::scope(|scope| {
        let traced = args.trace.then_some(&mut trace);
        let thread = scope.spawn(move || run(template, seed, scale, traced));
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("seed {seed}: the product panicked")))
    });
    (outcome, trace, begun.elapsed().as_secs_f64())
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: anyhow::Result<Report>, seconds: f64) {
        self.runs += 1;
        self.slowest_seconds = self.slowest_seconds.max(seconds);
        match outcome {
            Ok(report) => {
                self.acknowledged += report.acknowledged;
                self.ledger += report.ledger;
                self.latest_seconds = self.latest_seconds.max(report.in_step.as_secs());
                let hashes = format!("{} {}", hex::encode(report.digest), hex::encode(report.wire));
                self.hashes.insert(seed, hashes);
                for (what, count) in report.counts {
                    *self.counts.entry(what).or_default() += count;
                }
            }
            Err(error) => {
                println!("{error:#}");
                self.failed.push(seed);
            }
        }
    }
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> anyhow::Result<ExitCode> {
    if !steady::is_steady() {
        let ended = steady::again(std::env::args_os().skip(1))?;
        return Ok(code(ended.success()));
    }
    let args = Args::parse();
    // In a thread of its own, too.
    let template = std::thread::spawn(Template::make).join();
    let template = template.map_err(|_| anyhow::anyhow!("no hub can be made"))??;
    if let Some(seed) = args.seed {
        let (outcome, trace, seconds) = one(&template, seed, &args);
        trace.iter().for_each(|line| println!("{line}"));
        let report = outcome?;
        println!("seed {seed}: {} in {seconds:.2} s {report:?}", hex::encode(report.digest));
        return Ok(ExitCode::SUCCESS);
    }
    let begun = Instant::now();
    let (next, end) = (AtomicU64::new(args.from), args.from + args.seeds);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..args.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let (outcome, _, seconds) = one(&template, seed, &args);
                    if let Ok(mut sum) = sum.lock() {
                        sum.add(seed, outcome, seconds);
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().map_err(|_| anyhow::anyhow!("a thread failed"))?;
    if args.hashes {
        sum.hashes.iter().for_each(|(seed, hash)| println!("hash {seed} {hash}"));
    }
    println!(
        "{} runs in {:.1} s, the slowest in {:.2} s; {} writes acknowledged, {} entries of ledgers, in step after at \
         most {} simulated seconds",
        sum.runs,
        begun.elapsed().as_secs_f64(),
        sum.slowest_seconds,
        sum.acknowledged,
        sum.ledger,
        sum.latest_seconds
    );
    println!("{:?}", sum.counts);
    println!("failed: {:?}", sum.failed);
    Ok(code(sum.failed.is_empty()))
}
