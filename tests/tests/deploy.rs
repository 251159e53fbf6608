//! What `deploy/` ships is what the programs take: settings, units, packages, container files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use lienthong_node::config::Config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Programs with their example and the keys they know.
fn programs() -> [(&'static str, &'static str, Vec<&'static str>); 2] {
    let of_hub = [&lienthong_hub::cli::KEYS[..], &lienthong_hub::alerts::KEYS[..]].concat();
    [
        ("hub", "deploy/examples/hub.toml", of_hub),
        ("node", "deploy/examples/node.toml", lienthong_node::cli::KEYS.to_vec()),
    ]
}

/// An example with every key in force: those that are shown as comments too.
fn in_force(example: &str) -> String {
    let key = |line: &str| {
        let shown = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        shown.unwrap_or(line).to_owned()
    };
    example.lines().map(key).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_name_every_key_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    for (name, example, keys) in programs() {
        let shipped = Config::read(Some(&root().join(example)), &keys).unwrap();
        assert!(shipped.text("data").is_some(), "{name}: as shipped it says where the data is");
        let whole = dir.path().join(name);
        std::fs::write(&whole, in_force(&text(example))).unwrap();
        let read = Config::read(Some(&whole), &keys).unwrap();
        for key in &keys {
            assert!(read.text(key).is_some(), "{example} does not show {key}");
        }
        std::fs::write(&whole, format!("{}\ncolour = \"red\"\n", in_force(&text(example)))).unwrap();
        assert!(Config::read(Some(&whole), &keys).is_err(), "{name}: an unknown key is refused");
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let operations = text("deploy/OPERATIONS.md");
    let settings = operations.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let documented: BTreeSet<&str> =
        settings.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    // Those of alerts stand together, by their section's own table.
    let mut known: BTreeSet<&str> = programs().into_iter().flat_map(|(_, _, keys)| keys).collect();
    known.retain(|key| !key.starts_with("alert_"));
    known.insert("alert_…");
    assert_eq!(documented, known);
}

fn parsed(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = match words[0].rsplit('/').next().unwrap() {
        "lienthong-hub" => lienthong_hub::cli::Cli::command(),
        "lienthong-node" => lienthong_node::cli::Cli::command(),
        other => return Err(format!("no such program: {other}")),
    };
    command.try_get_matches_from(words).map(drop).map_err(|error| error.to_string())
}

#[test]
fn units_run_commands_that_exist_with_settings_that_are_installed() {
    let mut run = 0;
    for entry in std::fs::read_dir(root().join("deploy/systemd")).unwrap() {
        let path = entry.unwrap().path();
        let unit = std::fs::read_to_string(&path).unwrap();
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            parsed(line).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            run += 1;
        }
        let hardened =
            ["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "SystemCallFilter="];
        let service = path.extension().is_some_and(|extension| extension == "service");
        assert!(!service || hardened.iter().all(|line| unit.contains(line)), "{}", path.display());
    }
    assert_eq!(run, 4, "two daemons, two backups");
}

#[test]
fn packages_ship_files_that_are_there_and_every_unit() {
    for (name, _, _) in programs() {
        let manifest: toml::Table = text(&format!("{name}/Cargo.toml")).parse().unwrap();
        let deb = &manifest["package"]["metadata"]["deb"];
        let sources: Vec<&str> =
            deb["assets"].as_array().unwrap().iter().map(|asset| asset[0].as_str().unwrap()).collect();
        for source in sources.iter().filter(|source| !source.starts_with("target/")) {
            assert!(root().join(name).join(source).is_file(), "{name}: {source}");
        }
        for entry in std::fs::read_dir(root().join("deploy/systemd")).unwrap() {
            let unit = entry.unwrap().file_name().into_string().unwrap();
            let ours = unit.starts_with(&format!("lienthong-{name}"));
            assert_eq!(
                ours,
                sources.iter().any(|source| source.ends_with(&format!("/{unit}"))),
                "{name}: {unit}"
            );
        }
        let scripts = root().join(name).join(deb["maintainer-scripts"].as_str().unwrap());
        assert!(scripts.join("postinst").is_file());
    }
}

/// Goal: an image can be built, and what it starts exists. Method: every path the file names, everything a program takes
/// in at its building, and both command lines.
#[test]
fn the_images_have_what_they_are_built_of() {
    let file = text("deploy/container/Containerfile");
    let copied: Vec<&str> = file
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split_whitespace().rev().skip(1).collect::<Vec<_>>())
        .collect();
    for path in &copied {
        assert!(root().join(path).exists(), "{path}");
    }
    let workspace: toml::Table = text("Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap().iter().filter_map(|m| m.as_str());
    for needed in members.chain(["Cargo.toml", "Cargo.lock", ".cargo"]) {
        assert!(copied.contains(&needed), "{needed} is not copied: {copied:?}");
    }
    let mut sources = Vec::new();
    for folder in ["proto", "node", "hub"] {
        sources_of(&root().join(folder), &mut sources);
    }
    let mut taken_in = 0;
    for source in sources {
        let code = std::fs::read_to_string(&source).unwrap();
        for named in code.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let path = source.parent().unwrap().join(named).canonicalize().unwrap();
            let held = copied.iter().any(|copy| path.starts_with(root().join(copy).canonicalize().unwrap()));
            assert!(held, "{}: {named} is not copied", source.display());
            taken_in += 1;
        }
    }
    assert!(taken_in > 0);
    for line in ["/usr/bin/lienthong-node run", "/usr/bin/lienthong-hub serve --listen 0.0.0.0:7443"] {
        parsed(line).unwrap();
        let words: Vec<String> = line.split_whitespace().map(|word| format!("\"{word}\"")).collect();
        let (program, arguments) = words.split_first().unwrap();
        assert!(file.contains(&format!("ENTRYPOINT [{program}]\nCMD [{}]", arguments.join(", "))), "{line}");
    }
}

fn sources_of(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_of(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Goal: what the compose file mounts is there, and what is mounted is what its reader takes.
#[test]
fn the_compose_file_mounts_what_is_there() {
    let compose = text("deploy/compose.yaml");
    let mounted = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./")?.split(':').next());
    let mounted: Vec<&str> = mounted.collect();
    assert_eq!(mounted.len(), 4, "{mounted:?}");
    for path in mounted {
        assert!(root().join("deploy").join(path).exists(), "{path}");
    }
    let file = text("deploy/container/Containerfile");
    for target in compose.lines().filter_map(|line| line.trim().strip_prefix("target: ")) {
        assert!(file.contains(&format!(" AS {target}\n")), "{target}");
    }
    // Beside the rules stands their test, which is none.
    let rules = "/etc/prometheus/rules/";
    let prometheus = text("deploy/container/prometheus.yml");
    let named = prometheus.lines().find_map(|line| line.strip_prefix("rule_files: ")).unwrap();
    let named: Vec<&str> = named.split('"').filter_map(|part| part.strip_prefix(rules)).collect();
    assert_eq!(named, ["alerts.yml"]);
    assert!(compose.contains(&format!("- ./prometheus:{}:ro", rules.trim_end_matches('/'))));
    assert!(root().join("deploy/prometheus/alerts.yml").is_file());
}

/// Command lines of OPERATIONS.md, prompts and remarks aside; those with an ellipsis are not whole.
fn operations_commands(operations: &str) -> Vec<String> {
    let as_user = |line: &str| match line.strip_prefix("sudo -u ") {
        Some(rest) => rest.split_once(' ').map(|(_, command)| command.to_owned()),
        None => Some(line.to_owned()),
    };
    let indented = operations.lines().filter_map(|line| line.strip_prefix("    "));
    let commands =
        indented.flat_map(|line| line.split(" · ")).map(|line| line.split(" # ").next().unwrap().trim());
    commands
        .filter(|line| !line.contains(['…', '[', '"']))
        .filter_map(as_user)
        .filter(|line| line.starts_with("lienthong-"))
        .collect()
}

#[test]
fn commands_of_the_runbook_exist() {
    let commands = operations_commands(&text("deploy/OPERATIONS.md"));
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        // `A|B` stands for either.
        let first: Vec<&str> =
            command.split_whitespace().map(|word| word.split('|').next().unwrap()).collect();
        parsed(&first.join(" ")).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}
