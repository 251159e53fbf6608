//! The province over a simulated network, TLS and gRPC on it: seeds hold, and a seed is the same in another process.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

/// Seeds in each run of the tests, each in two processes: what an unoptimised build does in about a minute. All 200, and
/// more, are a command: `cargo run --release -p lienthong-tests --bin province -- --seeds 200`.
const SEEDS: u64 = 10;
/// The kept ones: each once broke a promise.
const KEPT: &str = include_str!("../province_seeds.txt");

/// The hashes of runs, by seed.
fn hashes(args: &[&str]) -> BTreeMap<String, String> {
    let program = Command::new(env!("CARGO_BIN_EXE_province")).args(args).arg("--hashes").output().unwrap();
    let said = String::from_utf8(program.stdout).unwrap();
    assert!(program.status.success(), "{said}{}", String::from_utf8_lossy(&program.stderr));
    let pair = |line: &str| {
        let (seed, hash) = line.strip_prefix("hash ")?.split_once(' ')?;
        Some((seed.to_owned(), hash.to_owned()))
    };
    said.lines().filter_map(pair).collect()
}

/// The same in two processes at once: they hold, and are equal.
fn twice(args: &[&str]) -> usize {
    let (first, second) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| hashes(args));
        (hashes(args), beside.join().unwrap())
    });
    assert_eq!(first, second, "a seed is not the same in another process");
    first.len()
}

#[test]
fn t04_t05_seeds_converge_and_are_the_same_in_another_process() {
    assert_eq!(twice(&["--from", "1000", "--seeds", &SEEDS.to_string()]) as u64, SEEDS);
}

#[test]
fn t05_a_seed_is_the_same_alone_as_among_others() {
    let among = hashes(&["--from", "20", "--seeds", "3"]);
    let alone = hashes(&["--from", "22", "--seeds", "1"]);
    assert_eq!(among.get("22"), alone.get("22"));
}

#[test]
fn t07_the_whole_province_converges_but_for_those_cut_off() {
    assert_eq!(twice(&["--whole", "--from", "7", "--seeds", "1"]), 1);
}

#[test]
fn kept_seeds_hold() {
    let seeds = KEPT.lines().filter(|line| !line.starts_with('#'));
    for seed in seeds.filter_map(|line| line.split_whitespace().next()) {
        assert_eq!(hashes(&["--from", seed, "--seeds", "1"]).len(), 1);
    }
}
