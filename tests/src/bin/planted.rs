//! Plants each fault of `tests/planted/faults.toml` in a copy of the tree and says whether its test goes red.
//!
//! `cargo run -p lienthong-tests --bin planted -- [--only NAME]… [--list] [--work DIR] [--out FILE]`. The copy and what is
//! built of it stay in the work folder, so that the next run builds only what changed.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use lienthong_tests::planted::{Fault, faults, root};
use tokio::process::Command;

/// A test that takes longer hangs, and that is red too.
const TEST_TIME: Duration = Duration::from_secs(600);

/// Shows that each planted fault is caught by a test.
#[derive(Debug, clap::Parser)]
struct Options {
    /// Only these faults
    #[arg(long)]
    only: Vec<String>,
    /// Names them, and ends
    #[arg(long)]
    list: bool,
    /// Where the copy and what is built of it stand
    #[arg(long, default_value = "target/planted")]
    work: PathBuf,
    /// The table to keep up, after each fault: what other faults came to stays in it
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Caught,
    Hangs,
    NotCaught,
    DoesNotCompile,
    RedWithout,
}

impl Found {
    fn said(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Hangs => "caught (the test hangs)",
            Self::NotCaught => "NOT caught",
            Self::DoesNotCompile => "does not compile",
            Self::RedWithout => "red without the fault",
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let all = faults(&root())?;
    let unknown = options.only.iter().find(|name| all.iter().all(|fault| fault.name != **name));
    ensure!(unknown.is_none(), "there is no fault {unknown:?}");
    let chosen: Vec<&Fault> =
        all.iter().filter(|fault| options.only.is_empty() || options.only.contains(&fault.name)).collect();
    if options.list {
        chosen.iter().for_each(|fault| println!("{:<36} {}", fault.name, fault.breaks));
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::create_dir_all(&options.work)?;
    let work = options.work.canonicalize()?;
    let tree = work.join("tree");
    copy(&tree).await?;
    let mut green = BTreeMap::new();
    let mut bad = 0_usize;
    for fault in &chosen {
        let test = (fault.package.as_str(), fault.target.as_str(), fault.test.as_str());
        let is_green = match green.get(&test) {
            Some(known) => *known,
            None => run(&tree, &work, fault).await? == Found::NotCaught,
        };
        green.insert(test, is_green);
        let found = if is_green { tried(&tree, &work, fault).await? } else { Found::RedWithout };
        bad += usize::from(!matches!(found, Found::Caught | Found::Hangs));
        let row = format!("{:<36} {:<24} {} {} {}", fault.name, found.said(), test.0, test.1, test.2);
        println!("{row}");
        if let Some(out) = &options.out {
            noted(out, &all, &fault.name, row)?;
        }
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts a fault's row into the table; those of other faults stay as they were found last.
fn noted(out: &Path, all: &[Fault], name: &str, row: String) -> anyhow::Result<()> {
    let before = std::fs::read_to_string(out).unwrap_or_default();
    let name_of = |row: &str| row.split(' ').next().unwrap_or_default().to_owned();
    let mut rows: BTreeMap<String, String> =
        before.lines().map(|row| (name_of(row), row.to_owned())).collect();
    rows.insert(name.to_owned(), row);
    let known: Vec<&String> = all.iter().filter_map(|fault| rows.get(&fault.name)).collect();
    let caught = known.iter().filter(|row| !row.contains("NOT caught") && row.contains(" caught")).count();
    let never: Vec<&str> =
        all.iter().map(|fault| fault.name.as_str()).filter(|name| !rows.contains_key(*name)).collect();
    let never = if never.is_empty() { "none".to_owned() } else { never.join(", ") };
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let (count, tried) = (all.len(), known.len());
    let head = format!("{tried} of {count} faults were planted, {caught} caught.\nNot planted yet: {never}.");
    Ok(std::fs::write(out, format!("{head}\n\n{}\n", known.join("\n")))?)
}

/// Plants a fault, runs its test, and puts the text back.
async fn tried(tree: &Path, work: &Path, fault: &Fault) -> anyhow::Result<Found> {
    let path = tree.join(&fault.file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    std::fs::write(&path, fault.planted(&text)?)?;
    let found = run(tree, work, fault).await;
    std::fs::write(&path, text)?;
    found
}

/// Builds and runs a test: caught is red.
async fn run(tree: &Path, work: &Path, fault: &Fault) -> anyhow::Result<Found> {
    let cargo = |rest: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(fault.arguments()).args(rest).current_dir(tree).kill_on_drop(true);
        // Warnings are what a fault makes; they decide nothing.
        command.env("CARGO_TARGET_DIR", work.join("target")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if !cargo(&["--no-run"]).status().await?.success() {
        return Ok(Found::DoesNotCompile);
    }
    let mut test = cargo(&["--", "--exact", &fault.test]).spawn()?;
    match tokio::time::timeout(TEST_TIME, test.wait()).await {
        Ok(ended) => Ok(if ended?.success() { Found::NotCaught } else { Found::Caught }),
        Err(_) => {
            test.kill().await?;
            Ok(Found::Hangs)
        }
    }
}

/// Copies what git knows of the tree, and what it does not ignore; what is there already and the same stays untouched.
async fn copy(tree: &Path) -> anyhow::Result<()> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .await?;
    ensure!(listed.status.success(), "git does not list the tree");
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), tree.join(name));
        let Ok(bytes) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        std::fs::create_dir_all(to.parent().unwrap_or(tree))?;
        std::fs::copy(&from, &to)?;
    }
    Ok(())
}
