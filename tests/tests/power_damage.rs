//! T11, T12, T56: any file of a data folder damaged. The long run is `cargo run -p lienthong-tests --bin power -- damage
//! --trials 4000`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::damage::{KINDS, Options, damaged};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// Goal: damage anywhere is noticed, mended or harmless. Method: bits turned, pages zeroed, swapped and cut in copies of a
/// hub's and a node's folder; what then is shown is held against what was, and what was noticed is mended by the runbook.
#[tokio::test(flavor = "multi_thread")]
async fn t11_t12_whatever_file_is_damaged_nothing_is_less_or_other_without_a_word() {
    let seed = std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed}");
    let options = Options { trials: 16, kinds: KINDS.to_vec(), seed };
    let report = Box::pin(damaged(Path::new(PROGRAM), &options)).await.unwrap();
    eprintln!("{report:?}");
    assert_eq!(report.trials, 16);
    assert!(report.mended.len() > 1, "at a hub and at a node: {report:?}");
}
