//! Runs the province over a simulated network, from seeds: many, or one again with everything that happens in it.
//!
//! Each seed is run in a process of its own, in which whatever the system is asked for is answered alike each time.

#![allow(clippy::print_stdout, reason = "what it finds is its output")]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use lienthong_tests::province::{Report, Scale, Steady, is_steady, run};

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
    /// Run each seed in a second process, too: everything must be the same.
    #[arg(long)]
    twice: bool,
    /// Seeds at once.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
}

#[derive(Default)]
struct Sum {
    runs: u64,
    nodes: usize,
    acknowledged: u64,
    ledger: u64,
    in_step_millis: u64,
    slowest_seconds: f64,
    counts: BTreeMap<String, u64>,
    failed: Vec<u64>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: anyhow::Result<Report>, seconds: f64) {
        self.runs += 1;
        self.slowest_seconds = self.slowest_seconds.max(seconds);
        match outcome {
            Ok(report) => {
                println!("seed {seed}: {} {} in {seconds:.1} s", report.digest, report.wire);
                self.nodes += report.nodes;
                self.acknowledged += report.acknowledged;
                self.ledger += report.ledger;
                self.in_step_millis = self.in_step_millis.max(report.in_step_millis);
                for (what, count) in report.counts {
                    *self.counts.entry(what).or_default() += count;
                }
            }
            Err(error) => {
                println!("seed {seed} failed: {error:#}");
                self.failed.push(seed);
            }
        }
    }
}

/// This program again, for one seed.
fn again(steady: &Steady, args: &Args, seed: u64) -> anyhow::Result<Command> {
    let mut program = steady.again()?;
    program.args(["--seed", &seed.to_string()]);
    for (name, given) in [("--whole", args.whole), ("--trace", args.trace)] {
        if given {
            program.arg(name);
        }
    }
    Ok(program)
}

/// A seed in a process of its own, or in two.
fn seed(steady: &Steady, args: &Args, seed: u64) -> anyhow::Result<Report> {
    let once = || {
        let output = again(steady, args, seed)?.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Report>(&output.stdout).context("it says nothing")
    };
    let report = once()?;
    if args.twice {
        let second = once()?;
        ensure!(report == second, "not the same in a second process: {report:?}, {second:?}");
    }
    Ok(report)
}

/// In the process of one seed: runs it, and says how it went.
fn here(args: &Args) -> anyhow::Result<ExitCode> {
    let scale = if args.whole { Scale::Whole } else { Scale::Few };
    let seed = args.seed.context("a process runs one seed")?;
    let report = run(seed, scale, args.trace.then_some(&mut |line: &str| println!("{line}")))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(ExitCode::SUCCESS)
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if is_steady() {
        return here(&args);
    }
    let steady = Steady::build()?;
    if let (Some(seed), true) = (args.seed, args.trace) {
        return Ok(code(again(&steady, &args, seed)?.status()?.success()));
    }
    let begun = Instant::now();
    let (from, seeds) = args.seed.map_or((args.from, args.seeds), |seed| (seed, 1));
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let (seed_begun, number) = (Instant::now(), from + number);
                    let outcome = seed(&steady, &args, number);
                    if let Ok(mut sum) = sum.lock() {
                        sum.add(number, outcome, seed_begun.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().map_err(|_| anyhow::anyhow!("a thread failed"))?;
    let processes = if args.twice { "each in two processes" } else { "each in one process" };
    println!(
        "{} seeds, {processes}, in {:.0} s, the slowest in {:.1} s; {} nodes, {} writes acknowledged, {} entries of \
         ledgers, in step after at most {:.1} simulated seconds",
        sum.runs,
        begun.elapsed().as_secs_f64(),
        sum.slowest_seconds,
        sum.nodes,
        sum.acknowledged,
        sum.ledger,
        Duration::from_millis(sum.in_step_millis).as_secs_f64()
    );
    println!("{:?}", sum.counts);
    println!("failed: {:?}", sum.failed);
    Ok(code(sum.failed.is_empty()))
}
