//! T24: backups that were edited. The long run is `cargo run -p lienthong-tests --bin power -- backups --trials 2000`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::backups::edited;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const TRIALS: usize = 48;

/// Goal: no edited backup is restored, and what is wrong is named. Method: a plain and an encrypted backup, edited in their
/// objects, manifest and kit, or opened by another's key; the set before restores just what it held.
#[tokio::test(flavor = "multi_thread")]
async fn t24_an_edited_backup_is_refused_by_name() {
    let seed = std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed}");
    let report = Box::pin(edited(Path::new(PROGRAM), TRIALS, seed)).await.unwrap();
    eprintln!("{report:?}");
    assert_eq!(report.refused.values().sum::<usize>() + report.old_sets, TRIALS + 2, "{report:?}");
}
