//! The long runs of what is done to real programs: power cuts, kills, damaged files and backups, full and
//! failing disks, a lost hub.
//!
//! `cargo run --release -p lienthong-tests --bin power -- cuts --points 500 --out tests/reports/cuts.txt`; `kills --rounds
//! 1000`, `calls --points 20`, `damage --trials 4000`, `backups --trials 2000`, `restores --records 1000000` and `stages`
//! likewise. With other words it is the hub's program, which it tests.
#![allow(clippy::print_stdout, reason = "what it finds is its output")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use lienthong_tests::power::{backups, calls, cuts, damage, kills, restores, stages};

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is done to real programs.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    drill: Drill,
    /// Where the choices come from; drawn if not said
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Where the outcome is written
    #[arg(long, global = true)]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Drill {
    /// Edits backups, which are then restored
    Backups {
        /// How often
        #[arg(long, default_value_t = 2_000)]
        trials: usize,
    },
    /// Cuts the power at acknowledgements
    Cuts {
        /// How many
        #[arg(long, default_value_t = 500)]
        points: usize,
    },
    /// Lets calls on the disk fail, once and from there on
    Calls {
        /// At how many calls of each kind, at a hub and at a node
        #[arg(long, default_value_t = 20)]
        points: usize,
    },
    /// Damages files of copied folders
    Damage {
        /// How many copies
        #[arg(long, default_value_t = 4_000)]
        trials: usize,
        /// In which ways
        #[arg(long, value_delimiter = ',', default_values = ["flip", "zero", "cut", "swap"])]
        kinds: Vec<damage::Damage>,
    },
    /// Loses a hub and restores it from its backup, with a clock
    Restores {
        /// Of how many records
        #[arg(long, default_value_t = 1_000_000)]
        records: u32,
    },
    /// Kills and fills up the disk at the changes that steps make
    Stages {
        /// At how many changes of each step
        #[arg(long, default_value_t = 100)]
        of_each: usize,
    },
    /// Kills hubs and nodes under load
    Kills {
        /// How often
        #[arg(long, default_value_t = 1_000)]
        rounds: u32,
    },
}

const DRILLS: [&str; 7] = ["backups", "calls", "cuts", "damage", "kills", "restores", "stages"];

fn main() -> anyhow::Result<ExitCode> {
    if std::env::args().nth(1).is_none_or(|word| !DRILLS.contains(&word.as_str()) && !word.starts_with('-')) {
        return Ok(lienthong_hub::cli::program(std::env::args_os().collect()));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(rand::random);
    let line: Vec<String> = std::env::args().skip(1).collect();
    let mut said = format!("power {}\nseed {seed}\n", line.join(" "));
    let begun = Instant::now();
    let program = std::env::current_exe()?;
    let outcome = runtime.block_on(Box::pin(run(&program, &options.drill, seed)));
    let failed = outcome.is_err();
    match outcome {
        Ok(found) => writeln!(said, "{found}")?,
        Err(error) => writeln!(said, "FAILED: {error:#}")?,
    }
    let build = if cfg!(debug_assertions) { "without optimisation" } else { "release" };
    writeln!(said, "{} s, {build}", begun.elapsed().as_secs())?;
    print!("{said}");
    if let Some(out) = &options.out {
        std::fs::write(out, said)?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

async fn run(program: &Path, drill: &Drill, seed: u64) -> anyhow::Result<String> {
    Ok(match drill {
        Drill::Cuts { points } => {
            let options = cuts::Options { points: *points, starts_every: 10, seed, unsynced: None };
            format!("{:#?}", Box::pin(cuts::power_cuts(program, &options)).await?)
        }
        Drill::Backups { trials } => {
            format!("{:#?}", Box::pin(backups::edited(program, *trials, seed)).await?)
        }
        Drill::Calls { points } => {
            format!("{:#?}", Box::pin(calls::failing_calls(program, *points, seed)).await?)
        }
        Drill::Damage { trials, kinds } => {
            let options = damage::Options { trials: *trials, kinds: kinds.clone(), seed };
            format!("{:#?}", Box::pin(damage::damaged(program, &options)).await?)
        }
        Drill::Restores { records } => {
            let report = Box::pin(restores::restored(program, *records)).await?;
            format!("{report:#?}\nwithout a hub for {:.1} s, and the disk", report.away().as_secs_f64())
        }
        Drill::Stages { of_each } => {
            format!("{:#?}", Box::pin(stages::at_each_stage(program, *of_each, seed)).await?)
        }
        Drill::Kills { rounds } => format!("{:#?}", Box::pin(kills::kill(program, *rounds, seed)).await?),
    })
}
