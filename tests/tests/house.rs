//! House rules that no compiler checks: layering, file sizes, and documents that name only what exists.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(below: &Path, ends: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target" && name != ".git") {
                    folders.push(path);
                }
            } else if path.to_string_lossy().ends_with(ends) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn floors_import_only_downwards() {
    let forbidden: [(&str, &[&str]); 2] = [
        (
            "proto/src",
            &[
                "std::fs",
                "std::net",
                "std::thread",
                "tokio",
                "SystemTime",
                "Instant::",
                "rand::",
                "HashMap",
                "HashSet",
            ],
        ),
        ("node/src", &["lienthong_hub"]),
    ];
    for (room, words) in forbidden {
        for path in files(&root().join(room), ".rs") {
            for line in text(&path).lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in words {
                    assert!(
                        !line.contains(word),
                        "{}: {word} does not belong into {room}: {line}",
                        path.display()
                    );
                }
            }
        }
    }
    for path in files(&root().join("node/src"), ".rs") {
        let store = path.to_string_lossy().contains("/store/");
        let sled = text(&path).lines().any(|line| line.contains("sled::"));
        assert!(store || !sled, "{}: sled's types stay in the store", path.display());
    }
}

#[test]
fn files_are_read_in_one_go() {
    for room in ["proto", "node", "hub", "tests"] {
        for path in files(&root().join(room), ".rs") {
            let lines = text(&path).lines().count();
            assert!(lines <= 800, "{} has {lines} lines", path.display());
        }
    }
}

/// Goal (T47): no trace names a record, a key, a file or what was searched for: such names are values. Method: what the
/// traces' macros are given, as it stands in the programs.
#[test]
fn t47_traces_are_given_no_value_and_no_name_of_one() {
    let named = ["id", "record", "key", "path", "file", "sheet", "name", "value", "search", "query"];
    let mut seen = 0;
    for path in ["node/src", "hub/src"].iter().flat_map(|room| files(&root().join(room), ".rs")) {
        let text = text(&path);
        for told in text.split("tracing::").skip(1) {
            let levels = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];
            let Some(told) = levels.iter().find_map(|level| told.strip_prefix(level)) else { continue };
            let told = told.split_once(");").map_or(told, |(told, _)| told);
            for name in named {
                for given in
                    [format!("%{name}"), format!("?{name}"), format!("{name} = %"), format!("{name} = ?")]
                {
                    let is_it = told.match_indices(&given).any(|(at, _)| {
                        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
                        let (before, after) = (&told[..at], &told[at + given.len()..]);
                        let whole = !given.ends_with(name) || !after.starts_with(word);
                        whole && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    });
                    assert!(!is_it, "{}: {given} in {told}", path.display());
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 150, "they were found: {seen}");
}

#[test]
fn the_repository_stands_alone() {
    let words = ["../".to_owned() + "shared", "/".to_owned() + "work/", "localhost".to_owned() + ":5432"];
    for ends in [".rs", ".md", ".toml", ".proto", ".py", "run"] {
        for path in files(&root(), ends) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for word in &words {
                assert!(!text.contains(word.as_str()), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn documents_name_commands_and_settings_that_exist() {
    let (hub, node) = (lienthong_hub::cli::Cli::command(), lienthong_node::cli::Cli::command());
    let readme = text(&root().join("README.md"));
    let mut seen = 0;
    for line in readme.lines().map(str::trim).filter(|line| line.starts_with("target/release/lienthong-")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let program = if words.first().unwrap().ends_with("-hub") { &hub } else { &node };
        let parsed = program.clone().try_get_matches_from(shell(line));
        assert!(parsed.is_ok(), "README: {line}: {}", parsed.unwrap_err());
        seen += 1;
    }
    assert!(seen >= 10, "the README's set-up was found");
    let operations = text(&root().join("deploy/OPERATIONS.md"));
    let sources: String = ["hub/src/cli", "node/src/cli"]
        .iter()
        .flat_map(|room| files(&root().join(room), ".rs"))
        .map(|path| text(&path))
        .collect();
    for variable in operations.split('`').filter(|word| word.starts_with("LIENTHONG_")) {
        assert!(sources.contains(variable), "OPERATIONS.md names the variable {variable}");
    }
}

/// A command line's words, quotes aside.
fn shell(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}
