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
    let (checks, quality) = said.split_once("\n\n").unwrap();
    assert!(checks.lines().count() >= 8 && checks.lines().all(|line| line.starts_with('✓')), "{said}");
    for done in [
        "the agency checks its bundle offline",
        "one byte of it altered: refused",
        "the agency's node receives its part",
        "citizen numbers in it",
        "a commune corrects a value, and the agency sees it",
        "the grant is revoked, and the line is cut",
    ] {
        assert!(checks.lines().any(|line| line.contains(done)), "{done}: {said}");
    }
    let (score, rows) = quality.split_once('\n').unwrap();
    assert!(score.starts_with("Quality of ") && score.contains(" = min(right "), "{said}");
    let is_row = |line: &str| line.starts_with("! ") && line.contains('[') && line.contains(':');
    assert!(rows.lines().count() >= 1 && rows.lines().all(is_row), "{said}");
    for how in ["drop", "alter", "duplicate"] {
        let broken = demo(&["--break", how]);
        assert_eq!(broken.status.code(), Some(1), "{how}");
        assert!(String::from_utf8_lossy(&broken.stdout).contains('✗'), "{how}");
    }
}
