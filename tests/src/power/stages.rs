//! T20, T22: each step that makes or remakes files, killed at each of its changes to the disk, and with a disk that is full
//! from each of them on.
//!
//! There is one format of the log; what a later version has to make again or move is the view, what is sealed under a key,
//! and a ledger that follows another. A step that was cut off is taken up by doing it again, as its operator would;
//! afterwards the folder shows what it showed before, with the same root, and passes `check`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use lienthong_hub::demo::{Daemon, once};
use lienthong_node::at_rest::KeyRing;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use serde_json::Value as Json;

use super::{Recorder, Recording, read};
use crate::copy_folder;
use crate::processes::{HubPlace, in_step, person, put, until};

const UNIT: &str = "11953";
/// Of the province that the steps are done to.
const RECORDS: u32 = 21;
/// A program that starts and then writes has come beyond its start by then.
const FULL_AT_MAX: usize = 120;

/// What happens at a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Die,
    Full,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Of each step: how many changes it makes, and at how many of them it was killed, and the disk full.
    pub steps: Vec<(String, usize, usize, usize)>,
    /// How often the disk of a running program filled up, its writes were refused with a reason and its reads answered.
    pub full_while_running: usize,
}

/// A step: a command in a folder of which it makes another state.
struct Step {
    name: &'static str,
    /// What the folder is before it; empty if absent.
    before: Option<PathBuf>,
    /// What is taken away from that.
    without: Option<&'static str>,
    command: Vec<String>,
    /// What is said to every later command.
    after: Vec<String>,
    is_node: bool,
    /// The root that `check` must find; a new one where the step makes a new log.
    root: Option<Json>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Kills and fills up each step at so many of its changes; all of them if there are fewer.
///
/// # Errors
/// What was lost, or did not go on.
pub async fn at_each_stage(program: &Path, of_each: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(seed);
    let recorder = Recorder::build(program, dir.path())?;
    let steps = Box::pin(steps(program, dir.path())).await?;
    let mut report = Report::default();
    for step in &steps {
        let whole = Box::pin(step.changes(program, &recorder, dir.path())).await;
        let changes = whole.with_context(|| step.name.to_owned())?;
        let mut counts = [0; 2];
        for (fault, count) in [Fault::Die, Fault::Full].into_iter().zip(&mut counts) {
            for at in (0..changes).choose_multiple(&mut random, of_each) {
                super::progress(*count, of_each);
                let failed = Box::pin(step.fails(program, &recorder, dir.path(), fault, at)).await;
                failed
                    .with_context(|| format!("seed {seed}: {}, {fault:?} at {at} of {changes}", step.name))?;
                *count += 1;
            }
        }
        report.steps.push((step.name.to_owned(), changes, counts[0], counts[1]));
    }
    for name in ["hub", "node"] {
        for at in (0..FULL_AT_MAX).choose_multiple(&mut random, of_each) {
            let filled = Box::pin(full_while_running(program, &recorder, dir.path(), name, at)).await;
            filled.with_context(|| format!("a {name} whose disk is full from its change {at} on"))?;
            report.full_while_running += 1;
        }
    }
    Ok(report)
}

/// A province that has seen something, stopped, and what is then done to it.
async fn steps(program: &Path, dir: &Path) -> anyhow::Result<Vec<Step>> {
    let place = HubPlace::make(&program.to_string_lossy(), dir).await?;
    let mut hub = place.serve("hub").await?;
    let mut node = place.node(&hub, "node", UNIT).await?;
    let people: Vec<Json> = (0..20).map(|serial| person(UNIT, serial, "Nguyễn Văn An")).collect();
    put(&node, &people).await?;
    put(&hub, &[person(UNIT, 30, "Lê Thị Bình")]).await?;
    in_step(&node).await?;
    until(&node, "the province's record", |status| status["records"] == RECORDS).await?;
    node.stop().await?;
    hub.stop().await?;
    place.done(&["backup", &dir.join("backup").to_string_lossy(), "--to", "plain"], "hub").await?;
    let key = dir.join("key");
    let keys = [KeyRing::generate(), KeyRing::generate()];
    lienthong_node::identity::write_private(&key, keys[0].as_bytes())?;
    let named = words(&["--at-rest-key-file", &key.to_string_lossy()]);
    for name in ["hub", "node"] {
        copy_folder(&place.path(name), &dir.join(format!("sealed-{name}")))?;
        let command: &[&str] =
            if name == "node" { &["as-node", "record", "list", "dang_vien"] } else { &["unit", "list"] };
        let mut line = words(command);
        line.extend(named.clone());
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        place.done(&line, &format!("sealed-{name}")).await?;
    }
    // Another key stands before the first from now on.
    let both = format!("{}\n{}", keys[1].as_str(), keys[0].as_str());
    lienthong_node::identity::write_private(&key, both.as_bytes())?;
    let root = |of: &Json| of["root"].clone();
    let hub_root = root(&place.done(&["check"], "hub").await?);
    let node_root = root(&place.done(&["as-node", "check"], "node").await?);
    let with = |command: &[&str]| [words(command), named.clone()].concat();
    let step = |name, folder: &str, command: Vec<String>, after: &[String]| Step {
        name,
        before: Some(dir.join(folder)),
        without: None,
        command,
        after: after.to_vec(),
        is_node: folder.ends_with("node"),
        root: Some(if folder.ends_with("node") { node_root.clone() } else { hub_root.clone() }),
    };
    let backup = dir.join("backup");
    let restore = place.successor(&["restore", backup.to_str().context("a name")?]);
    let restore = words(&restore);
    Ok(vec![
        Step {
            without: Some("view"),
            ..step("view of a hub made again", "hub", words(&["unit", "list"]), &[])
        },
        Step {
            without: Some("view"),
            ..step(
                "view of a node made again",
                "node",
                words(&["as-node", "record", "list", "dang_vien"]),
                &[],
            )
        },
        step("view of a hub sealed", "hub", with(&["unit", "list"]), &named),
        step("hub sealed by another key", "sealed-hub", with(&["key", "rotate"]), &named),
        step("node sealed by another key", "sealed-node", with(&["as-node", "key", "rotate"]), &named),
        Step { before: None, root: None, ..step("a ledger that follows another", "hub", restore, &[]) },
    ])
}

impl Step {
    /// Does the step whole; how many changes it makes.
    async fn changes(&self, program: &Path, recorder: &Recorder, dir: &Path) -> anyhow::Result<usize> {
        let recording = self.prepared(dir)?;
        let (said, code) = self.run(recorder, &recording).await?;
        ensure!(code == 0, "{said}");
        let changes = read(&recording.journal)?.iter().filter(|call| call.did.is_change()).count();
        ensure!(changes > 0, "it changes nothing");
        self.judge(program, &recording.data).await?;
        clear(&recording)?;
        Ok(changes)
    }

    fn prepared(&self, dir: &Path) -> anyhow::Result<Recording> {
        let recording = Recording::around(dir, "stage")?;
        if let Some(before) = &self.before {
            copy_folder(before, &recording.data)?;
        }
        if let Some(without) = self.without {
            std::fs::remove_dir_all(recording.data.join(without))?;
        }
        Ok(recording)
    }

    async fn run(&self, recorder: &Recorder, recording: &Recording) -> anyhow::Result<(Json, i32)> {
        let line: Vec<&str> = self.command.iter().map(String::as_str).collect();
        recorder.once(recording, &line).await
    }

    /// The step meets a fault, and is done again without.
    async fn fails(
        &self,
        program: &Path,
        recorder: &Recorder,
        dir: &Path,
        fault: Fault,
        at: usize,
    ) -> anyhow::Result<()> {
        let mut recording = self.prepared(dir)?;
        recording.faults.push(match fault {
            Fault::Die => format!("RECORDER_DIE_AT={at}"),
            Fault::Full => format!("RECORDER_FULL_AT={at}"),
        });
        let (said, code) = self.run(recorder, &recording).await?;
        let reason = said["error"].as_str().or(said["fault"].as_str()).unwrap_or_default();
        // What is only made again at will may fail unseen.
        ensure!(fault == Fault::Die || code == 0 || (code == 1 && !reason.is_empty()), "{code}: {said}");
        recording.faults.clear();
        let (again, code) = self.run(recorder, &recording).await?;
        // One that was done when it was cut off may not be done twice.
        let judged = self.judge(program, &recording.data).await;
        judged.with_context(|| format!("after {said}; again, {code}: {again}"))?;
        clear(&recording)
    }

    async fn judge(&self, program: &Path, folder: &Path) -> anyhow::Result<()> {
        let out = folder.with_extension("jsonl");
        let path = out.to_string_lossy().into_owned();
        let own: &[&str] = if self.is_node { &["as-node"] } else { &[] };
        let run = async |command: &[&str]| -> anyhow::Result<Json> {
            let line = [own, command].concat();
            let line: Vec<&str> = line.into_iter().chain(self.after.iter().map(String::as_str)).collect();
            let (said, code) = once(program, &line, folder).await?;
            ensure!(code == 0, "{command:?}: {code}: {said}");
            Ok(said)
        };
        run(&["export", "--type", "dang_vien", "--all", "--format", "jsonl", "--out", &path]).await?;
        let records = std::fs::read_to_string(&out)?.lines().count();
        ensure!(records == RECORDS as usize, "{records} of {RECORDS} records");
        let check = run(&["check"]).await?;
        ensure!(self.root.as_ref().is_none_or(|root| *root == check["root"]), "another root: {check}");
        Ok(())
    }
}

fn clear(recording: &Recording) -> anyhow::Result<()> {
    std::fs::remove_dir_all(&recording.folder)?;
    std::fs::remove_file(&recording.journal)?;
    Ok(())
}

/// A running program's disk fills up: what it then cannot keep it refuses, it still answers, and once there is room and it
/// was started again it goes on with everything it had accepted.
async fn full_while_running(
    program: &Path,
    recorder: &Recorder,
    dir: &Path,
    name: &str,
    at: usize,
) -> anyhow::Result<()> {
    let mut recording = Recording::of(dir, "full");
    copy_folder(&dir.join(name), &recording.folder)?;
    recording.faults.push(format!("RECORDER_FULL_AT={at}"));
    let (run, check): (&[&str], &[&str]) = match name {
        "hub" => (&["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"], &["check"]),
        _ => (&["as-node", "run"], &["as-node", "check"]),
    };
    let mut accepted = 0;
    match recorder.start(&recording, run).await {
        // It could not even start, and says why.
        Err(error) => ensure!(format!("{error:#}").contains("os error 28"), "{error:#}"),
        Ok(mut daemon) => {
            let refused = loop {
                match put(&daemon, &[person(UNIT, 100 + accepted, "Trần Văn Chi")]).await {
                    Ok(()) => accepted += 1,
                    Err(error) => break format!("{error:#}"),
                }
                ensure!(accepted < 200, "the disk never was full");
            };
            let records = daemon.status().await.context("it still answers")?["records"].clone();
            ensure!(records == RECORDS + accepted, "{records} and not {accepted} more, after {refused}");
            daemon.kill().await?;
        }
    }
    let mut daemon = Daemon::start(program, run, &recording.folder).await.context("there is room again")?;
    put(&daemon, &[person(UNIT, 99, "Phạm Văn Dũng")]).await?;
    let records = daemon.status().await?["records"].as_u64().unwrap_or_default();
    // What was refused may have been kept all the same.
    let expected = u64::from(RECORDS + 1 + accepted);
    ensure!((expected..=expected + 1).contains(&records), "{records} of {expected}");
    daemon.stop().await?;
    let (said, code) = once(program, check, &recording.folder).await?;
    ensure!(code == 0, "{said}");
    clear(&recording)
}
