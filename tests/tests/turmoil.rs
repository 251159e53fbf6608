//! The province over a simulated network, TLS and gRPC on it: seeds hold, and each is the same in another process.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Runs seeds, each in two processes that must not differ.
fn province(args: &[&str]) {
    let program =
        Command::new(env!("CARGO_BIN_EXE_province")).args(["--twice", "--jobs", "2"]).args(args).output();
    let program = program.unwrap();
    let (said, errors) = (String::from_utf8_lossy(&program.stdout), String::from_utf8_lossy(&program.stderr));
    assert!(program.status.success(), "{said}{errors}");
}

/// What an unoptimised build does in about a minute; more is a command: see the README.
#[test]
fn t04_t05_seeds_converge_and_are_the_same_in_another_process() {
    province(&["--from", "1000", "--seeds", "30"]);
}

#[test]
fn t07_the_whole_province_converges_but_for_those_cut_off() {
    province(&["--whole", "--seed", "7"]);
}

#[test]
fn seeds_that_once_broke_a_promise_hold() {
    let kept = include_str!("../province_seeds.txt");
    let seeds = kept.lines().filter(|line| !line.starts_with('#'));
    for seed in seeds.filter_map(|line| line.split_whitespace().next()) {
        province(&["--seed", seed]);
    }
}
