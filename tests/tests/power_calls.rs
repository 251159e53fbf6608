//! T10: calls on the disk that fail under real programs. The long run is `cargo run -p lienthong-tests --bin power -- calls
//! --points 20`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use lienthong_tests::power::calls::failing_calls;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// Goal: whichever call fails, nothing that was acknowledged is lost, and a log whose sync failed takes no more and says so.
/// Method: a hub's and a node's calls fail with an error, with a full disk, as a sync, or half, once or from there on.
#[tokio::test(flavor = "multi_thread")]
async fn t10_whichever_call_of_a_program_fails_what_was_acknowledged_stays() {
    let seed = std::env::var("LIENTHONG_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("LIENTHONG_SEED={seed}");
    let report = Box::pin(failing_calls(Path::new(PROGRAM), 1, seed)).await.unwrap();
    eprintln!("{report:?}");
    assert_eq!(report.trials + report.unreached, 9, "{report:?}");
    assert!(report.trials > 4, "{report:?}");
}
