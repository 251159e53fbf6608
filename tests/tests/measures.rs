//! The programs that measure still run, in small: what they tell is theirs, that they come to their end is held here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

/// Runs one of them to its end; what it printed.
fn ran(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Goal: `load` measures each of its figures. Method: two nodes, some hundred records, idle minutes of a second.
#[test]
fn load_measures_all_it_should() {
    let small = ["--units", "2", "--records", "400", "--minute-seconds", "1", "--json"];
    let printed = ran(env!("CARGO_BIN_EXE_load"), &small);
    let lines: Vec<Json> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: BTreeSet<&str> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    for wanted in [
        "commit",
        "judge",
        "idle-memory",
        "catch-up",
        "one-change-reconnect",
        "minute-behind-a-change",
        "idle-1s",
        "latency",
        "kill-9",
    ] {
        assert!(found.contains(wanted), "{wanted}: {found:?}");
    }
}

/// Goal: `growth` fills hubs step by step, and each step is a row. Method: two steps of some hundred records.
#[test]
fn growth_tells_a_row_for_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("growth.txt");
    let small = ["--units", "3", "--records", "300,600", "--out", out.to_str().unwrap()];
    let printed = ran(env!("CARGO_BIN_EXE_growth"), &small);
    assert_eq!(printed.trim_end(), std::fs::read_to_string(&out).unwrap().trim_end());
    let row = |line: &&str| {
        let numbers: Vec<&str> = line.split_whitespace().collect();
        numbers.len() == 8 && numbers[0] == "3" && ["300", "600"].contains(&numbers[1])
    };
    assert_eq!(printed.lines().filter(row).count(), 2, "{printed}");
}
