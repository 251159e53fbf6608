//! Runs seeded simulations of the whole province: many, or one again with everything that happens in it.

#![allow(clippy::print_stdout, reason = "what it finds is its output")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use lienthong_tests::simulation::{FAULTS, Report, run};

/// The report is written anew at least this often: a run that is cut short has one.
const WRITTEN: Duration = Duration::from_secs(60);

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
    /// Write the report there, too.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Default)]
struct Sum {
    schedules: u64,
    steps: u64,
    acknowledged: u64,
    ledger: u64,
    rounds: u64,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<(u64, String)>,
    written: Option<Instant>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Result<Report, String>) {
        self.schedules += 1;
        match outcome {
            Ok(report) => {
                self.steps += report.steps;
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

    fn report(&self, args: &Args, begun: Instant) -> String {
        let seconds = begun.elapsed().as_secs_f64();
        let build = if cfg!(debug_assertions) { "without optimisation" } else { "optimised" };
        let each = seconds * 1_000.0 * f64::from(u32::try_from(args.threads).unwrap_or(1))
            / f64::from(u32::try_from(self.schedules.max(1)).unwrap_or(u32::MAX));
        let mut text = String::new();
        let given: Vec<String> = std::env::args().skip(1).collect();
        let _ = writeln!(text, "command          simulate {}", given.join(" "));
        let _ = writeln!(
            text,
            "seeds            {} from {} on, of {} wanted",
            self.schedules, args.from, args.seeds
        );
        let _ = writeln!(text, "failed           {}", self.failed.len());
        let _ = writeln!(
            text,
            "time             {seconds:.0} s on {} threads, {each:.1} ms of one a schedule, {build}",
            args.threads
        );
        let _ = writeln!(text, "steps            {}", self.steps);
        let _ = writeln!(text, "acknowledged     {} writes", self.acknowledged);
        let _ = writeln!(text, "ledgers          {} entries", self.ledger);
        let _ = writeln!(text, "in step          after at most {} simulated seconds", self.rounds);
        let (faults, rest): (Vec<_>, Vec<_>) =
            self.counts.iter().partition(|(what, _)| FAULTS.contains(what));
        for (title, counts) in [("faults", faults), ("beside them", rest)] {
            let _ = writeln!(text, "\n{title}");
            for (what, count) in counts {
                let _ = writeln!(text, "  {what:<15}{count}");
            }
        }
        for (seed, error) in &self.failed {
            let _ = writeln!(text, "\nseed {seed} failed: {error}");
        }
        text
    }

    /// Writes the report, if it is wanted and due.
    fn write(&mut self, args: &Args, begun: Instant) -> std::io::Result<()> {
        let due = self.written.is_none_or(|written| written.elapsed() >= WRITTEN);
        let Some(out) = args.out.as_ref().filter(|_| due) else { return Ok(()) };
        self.written = Some(Instant::now());
        std::fs::write(out, self.report(args, begun))
    }
}

fn one(seed: u64, trace: Option<&mut Vec<String>>) -> Result<Report, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, None, trace)));
    match outcome {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("seed {seed}: the product panicked")),
    }
}

fn replayed(seed: u64, traced: bool) -> anyhow::Result<()> {
    let mut trace = Vec::new();
    let outcome = one(seed, traced.then_some(&mut trace));
    trace.iter().for_each(|line| println!("{line}"));
    let report = outcome.map_err(anyhow::Error::msg)?;
    println!("seed {seed}: {} {report:?}", hex::encode(report.digest));
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return replayed(seed, args.trace);
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
                    let Ok(mut sum) = sum.lock() else { return };
                    sum.add(seed, outcome);
                    if let Err(error) = sum.write(&args, begun) {
                        println!("the report cannot be written: {error}");
                    }
                    if args.first && !sum.failed.is_empty() {
                        next.store(end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut sum = sum.into_inner().map_err(|_| anyhow::anyhow!("a thread ended too early"))?;
    println!("{}", sum.report(&args, begun));
    sum.written = None;
    sum.write(&args, begun)?;
    anyhow::ensure!(sum.failed.is_empty(), "{} schedules broke a promise", sum.failed.len());
    Ok(())
}
