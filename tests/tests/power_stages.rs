//! T20, T22: a full disk and kills at the changes that steps make. The long run is `cargo run -p lienthong-tests --bin power --
//! stages --of-each 100`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::stages::at_each_stage;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// Goal: whatever is made again or moved, and wherever that is cut off, it is taken up where it stands; a full disk costs
/// nothing but what was refused. Method: each step is killed, or finds the disk full, at some of its changes.
#[tokio::test(flavor = "multi_thread")]
async fn t20_t22_a_step_that_is_cut_off_anywhere_is_done_by_doing_it_again() {
    let seed = std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed}");
    let report = Box::pin(at_each_stage(Path::new(PROGRAM), 2, seed)).await.unwrap();
    eprintln!("{report:?}");
    assert!(report.steps.len() == 6 && report.full_while_running == 4, "{report:?}");
}
