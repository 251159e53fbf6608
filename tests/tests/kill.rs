//! P1 by violence: real hub and node processes are killed (-9) at random instants while records are written;
//! in the end every accepted record is at the hub, value by value, and both stores pass `check`.
//!
//! A short run stands here; the long one is `cargo run --release -p lienthong-tests --bin power -- kills --rounds 1000`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::kills::kill;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

#[tokio::test(flavor = "multi_thread")]
async fn p1_what_was_accepted_survives_kill_9_at_any_instant() {
    let rounds: u32 = std::env::var("LIENTHONG_KILL_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap());
    let seed: u64 =
        std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed} LIENTHONG_KILL_ROUNDS={rounds}");
    let report = Box::pin(kill(Path::new(PROGRAM), rounds, seed)).await.unwrap();
    eprintln!("{report:?}");
}
