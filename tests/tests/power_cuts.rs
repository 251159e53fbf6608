//! T09: power cuts of real programs. The long run is `cargo run -p lienthong-tests --bin power -- cuts --points 500`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::cuts::{Options, power_cuts};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// Goal: what a hub and a node have acknowledged is on their disks when the power goes. Method: images of what was synced,
/// and of parts of the rest, at the instants before answers leave.
#[tokio::test(flavor = "multi_thread")]
async fn t09_what_was_acknowledged_outlasts_a_power_cut() {
    let seed = std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed}");
    let options = Options { points: 8, starts_every: 4, seed, unsynced: None };
    let report = Box::pin(power_cuts(Path::new(PROGRAM), &options)).await.unwrap();
    eprintln!("{report:?}");
    assert!(report.images == 16 && report.torn == 8 && report.starts == 2, "{report:?}");
}

/// Goal: the images see what they are for: without the sync of the log they fail. Method: the log's syncs do nothing.
#[tokio::test(flavor = "multi_thread")]
async fn t09_a_log_that_is_not_synced_is_found() {
    let options = Options { points: 2, starts_every: 6, seed: 1, unsynced: Some(".seg".to_owned()) };
    let found = Box::pin(power_cuts(Path::new(PROGRAM), &options)).await.unwrap_err();
    let found = format!("{found:#}");
    assert!(found.contains("was acknowledged") || found.contains("is damaged"), "{found}");
}
