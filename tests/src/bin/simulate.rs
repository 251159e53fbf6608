//! Runs seeded simulations of the whole province: many, or one again with everything that happens in it.

#![allow(clippy::print_stdout, reason = "what it finds is its output")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use lienthong_tests::simulation::{Report, run};

/// Runs seeded simulations of the whole province.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Just this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Threads, each with schedules of its own.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Stop at the first that fails.
    #[arg(long)]
    first: bool,
}

#[derive(Default)]
struct Sum {
    schedules: u64,
    acknowledged: u64,
    ledger: u64,
    rounds: u64,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Result<Report, String>) {
        self.schedules += 1;
        match outcome {
            Ok(report) => {
                self.acknowledged += report.acknowledged;
                self.ledger += report.ledger;
                self.rounds = self.rounds.max(report.rounds);
                for (what, count) in report.counts {
                    *self.counts.entry(what).or_default() += count;
                }
            }
            Err(error) => {
                println!("{error}");
                self.failed.push((seed, error));
            }
        }
    }
}

fn one(seed: u64, trace: Option<&mut Vec<String>>) -> Result<Report, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, None, trace)));
    match outcome {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("seed {seed}: the product panicked")),
    }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let mut trace = Vec::new();
        let outcome = one(seed, args.trace.then_some(&mut trace));
        trace.iter().for_each(|line| println!("{line}"));
        return match outcome {
            Ok(report) => {
                println!("seed {seed}: {} {report:?}", hex::encode(report.digest));
                std::process::ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{error}");
                std::process::ExitCode::FAILURE
            }
        };
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
                    let outcome = one(seed, None);
                    if let Ok(mut sum) = sum.lock() {
                        sum.add(seed, outcome);
                        if args.first && !sum.failed.is_empty() {
                            next.store(end, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let Ok(sum) = sum.into_inner() else { return std::process::ExitCode::FAILURE };
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} schedules in {seconds:.1} s, {:.1} a second; {} writes acknowledged, {} entries of ledgers, in step \
         after at most {} rounds",
        sum.schedules,
        f64::from(u32::try_from(sum.schedules).unwrap_or(u32::MAX)) / seconds,
        sum.acknowledged,
        sum.ledger,
        sum.rounds
    );
    println!("{:?}", sum.counts);
    println!("failed: {:?}", sum.failed.iter().map(|(seed, _)| seed).collect::<Vec<_>>());
    if sum.failed.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
