//! T23: a hub is lost and restored from its backup. The long run is `cargo run --release -p lienthong-tests --bin power --
//! restores --records 1000000`, which tells the times.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::restores::restored;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// Goal: a backup is worth its name: the ledger it restores is the manifest's, and with what the communes send again nothing
/// acknowledged is missing. Method: the command's own drill, small.
#[tokio::test(flavor = "multi_thread")]
async fn t23_a_lost_hub_is_back_from_its_backup_with_what_the_communes_still_have() {
    let report = Box::pin(restored(Path::new(PROGRAM), 2_000)).await.unwrap();
    eprintln!("{report:?}");
    assert!(report.behind_the_backup == 200 && report.backup_bytes > 0, "{report:?}");
}
