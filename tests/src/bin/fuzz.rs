//! Mutations for as long as is wanted, without libFuzzer: `fuzz [TARGET] [--rounds N] [--seed S]`; `fuzz --write-corpus`
//! writes each target's seeds into the corpus.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use clap::Parser as _;
use lienthong_tests::fuzz::{Mutator, corpus, inputs, targets, watch, watched};

/// Throws mutated inputs at every reader of foreign bytes.
#[derive(Debug, clap::Parser)]
struct Options {
    /// Only this target
    target: Option<String>,
    /// Mutations for each target
    #[arg(long, default_value_t = 100_000)]
    rounds: u64,
    /// What the mutations follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the seeds into the corpus instead
    #[arg(long)]
    write_corpus: bool,
    /// Where findings go
    #[arg(long, default_value = "findings")]
    out: PathBuf,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let options = Options::parse();
    watch();
    let mut found = 0_u32;
    for target in
        targets().iter().filter(|target| options.target.as_ref().is_none_or(|only| only == target.name))
    {
        if options.write_corpus {
            let folder = corpus().join(target.name);
            std::fs::create_dir_all(&folder)?;
            for (number, seed) in
                (1..).zip((target.seeds)()).filter(|(_, seed)| seed.len() <= 80 << 10).take(5)
            {
                std::fs::write(folder.join(format!("seed-{number:0>2}")), seed)?;
            }
            continue;
        }
        let (inputs, mut mutator) = (inputs(target), Mutator::new(options.seed));
        for round in 0..options.rounds {
            let data = mutator.mutated(&inputs);
            if let Err(why) = watched(target, &data) {
                found += 1;
                std::fs::create_dir_all(&options.out)?;
                let path = options.out.join(format!("{}-{round}", target.name));
                std::fs::write(&path, &data)?;
                println!("{}: round {round}: {why} ({})", target.name, path.display());
            }
        }
        println!("{}: {} rounds", target.name, options.rounds);
    }
    Ok(if found == 0 { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE })
}
