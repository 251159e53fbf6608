//! The demo as a newcomer runs it, and that its checks notice what they are there to notice.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["demo", "--once", "--units", "3", "--lang", "en"])
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_demo_holds_and_notices_what_is_dropped_altered_or_doubled() {
    let whole = demo(&[]);
    let said = String::from_utf8_lossy(&whole.stdout).into_owned();
    assert!(whole.status.success(), "{said}{}", String::from_utf8_lossy(&whole.stderr));
    assert!(said.lines().count() >= 8 && said.lines().all(|line| line.starts_with('✓')), "{said}");
    for how in ["drop", "alter", "duplicate"] {
        let broken = demo(&["--break", how]);
        assert_eq!(broken.status.code(), Some(1), "{how}");
        assert!(String::from_utf8_lossy(&broken.stdout).contains('✗'), "{how}");
    }
}
