//! T10: a call by which a program changes its disk fails, once or from there on: with an error, with a full disk, as a sync
//! that kept nothing, or it does half.
//!
//! A hub and a node run, and both are written at; between one of them and its disk stands the library that lets the call
//! fail. What was acknowledged stays: in the folder, and in what a power cut would leave of it behind a failed sync. A log
//! whose sync failed takes no more, and says so, until it is started again, and then both come into step. A write of which
//! half was done is only gone on with.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::Daemon;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

use super::cuts::{Values, judge, letters};
use super::{Did, Image, Recorder, Recording, read};
use crate::copy_folder;
use crate::processes::{HubPlace, in_step, person, put, until};

const UNIT: &str = "11953";
/// The hub's own records begin here.
const PROVINCE: u32 = 500_000;
/// How often each of the two is written at.
const ROUNDS: u32 = 12;
/// Waiting for both to be in step, as often as that, with a write at each between.
const WAITS_MAX: u32 = 60;
const LOOKS: u32 = 40;
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const STOPPED: &str = "no longer takes writes";

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Error,
    Full,
    Short,
    Sync,
}

const FAILURES: [Failure; 4] = [Failure::Error, Failure::Full, Failure::Short, Failure::Sync];

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Full => "full",
            Self::Short => "short",
            Self::Sync => "sync",
        }
    }

    /// Whether a call is one that fails so; of some that need room it is only known when they are made.
    fn concerns(self, did: Did) -> bool {
        match self {
            Self::Error => did.is_change(),
            Self::Full => matches!(did, Did::Write | Did::Create | Did::MakeFolder | Did::Link),
            Self::Short => did == Did::Write,
            Self::Sync => did == Did::SyncBegan,
        }
    }
}

/// What once ended a program with a panic, and not with what it had to say: whether at the hub, and the call.
const FOUND: [(bool, Trial); 1] = [(false, Trial { failure: Failure::Sync, at: 2, stays: true })];

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Programs whose call failed.
    pub trials: usize,
    /// Those that were done before that call.
    pub unreached: usize,
    /// Those that did not start, and said why.
    pub unstarted: usize,
    /// Those that took no more writes, and said so.
    pub stopped: usize,
    /// Those that refused a write, and took the next.
    pub refused: usize,
    /// Images of what a power cut leaves behind a failed sync.
    pub images: usize,
    /// Values that were acknowledged, as often as they were looked for.
    pub values: usize,
}

/// Which call fails, and how.
#[derive(Debug, Clone, Copy)]
struct Trial {
    failure: Failure,
    at: usize,
    stays: bool,
}

/// What one machine was asked to write.
#[derive(Debug, Default)]
struct Asked {
    accepted: Values,
    /// Refused, or not answered: it may have been kept all the same.
    refused: Values,
    /// It said that it takes no more writes.
    stopped: bool,
    /// It refused, and took the next.
    went_on: bool,
    count: u32,
}

/// Lets so many calls of each kind fail, at a hub and at a node, each once or from there on.
///
/// # Errors
/// What was lost, or taken when nothing could be.
pub async fn failing_calls(program: &Path, points: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(seed);
    let recorder = Recorder::build(program, dir.path())?;
    let place = Box::pin(prepare(program, dir.path())).await?;
    let mut report = Report::default();
    for (on_hub, trial) in FOUND {
        let done = Box::pin(tried(&place, &recorder, on_hub, Some(trial), &mut report)).await;
        done.with_context(|| format!("{trial:?} (on the hub: {on_hub})"))?;
    }
    for on_hub in [true, false] {
        let whole = Box::pin(tried(&place, &recorder, on_hub, None, &mut report)).await;
        let journal = whole.with_context(|| format!("nothing fails (on the hub: {on_hub})"))?;
        for failure in FAILURES {
            let calls = journal.iter().filter(|did| failure.concerns(**did)).count();
            for (number, at) in (0..calls).choose_multiple(&mut random, points).into_iter().enumerate() {
                super::progress(number, points.min(calls));
                let trial = Trial { failure, at, stays: random.random_bool(0.5) };
                let done = Box::pin(tried(&place, &recorder, on_hub, Some(trial), &mut report)).await;
                done.with_context(|| format!("seed {seed}: {trial:?} of {calls} (on the hub: {on_hub})"))?;
            }
        }
    }
    Ok(report)
}

/// A hub and a node with some records, stopped.
async fn prepare(program: &Path, dir: &Path) -> anyhow::Result<HubPlace> {
    let place = HubPlace::make(&program.to_string_lossy(), dir).await?;
    let mut hub = place.serve("hub").await?;
    let mut node = place.node(&hub, "node", UNIT).await?;
    put(&node, &[person(UNIT, 900_000, "Nguyễn Văn An")]).await?;
    in_step(&node).await?;
    node.stop().await?;
    hub.stop().await?;
    Ok(place)
}

/// One trial, or what is done in each of them with nothing that fails; the calls there were.
async fn tried(
    place: &HubPlace,
    recorder: &Recorder,
    on_hub: bool,
    trial: Option<Trial>,
    report: &mut Report,
) -> anyhow::Result<Vec<Did>> {
    let mut recording = Recording::of(&place.dir, if on_hub { "hub-failing" } else { "node-failing" });
    copy_folder(&place.path("hub"), &place.path("hub-failing"))?;
    copy_folder(&place.path("node"), &place.path("node-failing"))?;
    let mut image = Image::of(&recording.folder)?;
    recording.faults = trial.map_or_else(Vec::new, Trial::told);
    let (mut hub, mut node) = (Asked::default(), Asked::default());
    let run = Box::pin(run(place, recorder, &recording, on_hub, (&mut hub, &mut node))).await;
    let calls = read(&recording.journal)?;
    let failed: Vec<_> = calls.iter().filter(|call| call.did == Did::Failed).collect();
    let what = failed.first().map(|call| call.path.display().to_string()).unwrap_or_default();
    let started = run.with_context(|| format!("first at {what}"))?;
    let asked = if on_hub { &hub } else { &node };
    let unharmed = trial.is_none_or(|trial| trial.failure == Failure::Short) || failed.is_empty();
    ensure!(
        !unharmed || (started && asked.refused.is_empty()),
        "refused, though it could be done: {:?}",
        asked.refused
    );
    if trial.is_some() {
        let counted = if failed.is_empty() { &mut report.unreached } else { &mut report.trials };
        *counted += 1;
        report.unstarted += usize::from(!started);
        report.stopped += usize::from(asked.stopped);
        report.refused += usize::from(asked.went_on);
    }
    if calls.iter().any(|call| call.did == Did::SyncFailed) {
        calls.iter().try_for_each(|call| image.take(call))?;
        let cut = place.path("cut-failing");
        image.cut(&cut, None)?;
        let command: &[&str] = if on_hub { &[] } else { &["as-node"] };
        let judged = judge(&place.program, command, &cut, (&asked.accepted, &asked.refused), true).await;
        judged.with_context(|| format!("a power cut behind a failed sync, first at {what}"))?;
        report.images += 1;
        report.values += asked.accepted.len();
        std::fs::remove_dir_all(&cut)?;
        // Where nothing but syncs failed, it is also the cut folder that is started again.
        if trial.is_some_and(|trial| trial.failure == Failure::Sync) {
            std::fs::remove_dir_all(&recording.folder)?;
            image.cut(&recording.folder, None)?;
        }
    }
    let judged = Box::pin(again(place, &hub, &node)).await;
    judged.with_context(|| format!("both are started again, first at {what}"))?;
    report.values += 2 * (hub.accepted.len() + node.accepted.len());
    for name in ["hub-failing", "node-failing"] {
        let _ = std::fs::remove_dir_all(place.path(name));
        let _ = std::fs::remove_file(place.path(name).with_extension("log"));
    }
    std::fs::remove_file(&recording.journal)?;
    Ok(calls.into_iter().map(|call| call.did).collect())
}

impl Trial {
    /// As the library is told.
    fn told(self) -> Vec<String> {
        let mut told =
            vec![format!("RECORDER_FAIL={}", self.failure.name()), format!("RECORDER_FAIL_AT={}", self.at)];
        told.extend(self.stays.then(|| "RECORDER_FAIL_ON=1".to_owned()));
        told
    }
}

/// Runs both, the one recorded, and writes at both; both are killed in the end. Whether the recorded one started.
async fn run(
    place: &HubPlace,
    recorder: &Recorder,
    recording: &Recording,
    on_hub: bool,
    (by_hub, by_node): (&mut Asked, &mut Asked),
) -> anyhow::Result<bool> {
    let serve = ["serve", "--listen", &place.listen, "--web", "127.0.0.1:0"];
    let command: &[&str] = if on_hub { &serve } else { &["as-node", "run"] };
    let other = if on_hub { place.run("node-failing").await } else { place.serve("hub-failing").await };
    let mut other = other.context("the other one")?;
    let mut recorded = match recorder.start(recording, command).await {
        Ok(recorded) => recorded,
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("ended (exit status: 1)") && said.contains("os error"), "{said}");
            other.kill().await?;
            return Ok(false);
        }
    };
    let (hub, node) = if on_hub { (&recorded, &other) } else { (&other, &recorded) };
    let mut waits = 0;
    loop {
        by_hub.write(hub, PROVINCE, recording).await.context("at the hub")?;
        by_node.write(node, 0, recording).await.context("at the node")?;
        if by_hub.count < ROUNDS {
            continue;
        }
        let asked = if on_hub { &*by_hub } else { &*by_node };
        if asked.stopped {
            says_so(&recorded, on_hub).await?;
            break;
        }
        if settles(node).await {
            break;
        }
        waits += 1;
        ensure!(waits < WAITS_MAX, "neither in step nor stopped");
    }
    recorded.kill().await?;
    other.kill().await?;
    Ok(true)
}

/// Whether everything is acknowledged a little later: with each further write it has to come into step again, which a
/// slow disk may not see between two of them.
async fn settles(node: &Daemon) -> bool {
    for _ in 0..LOOKS {
        if node.status().await.is_ok_and(|status| status["pending"] == 0) {
            return true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// A program that takes no more writes says so when it is asked how it is.
async fn says_so(daemon: &Daemon, is_hub: bool) -> anyhow::Result<()> {
    let status = daemon.status().await.context("it still answers")?;
    let says = if is_hub { status["failure"].is_string() } else { status["state"] == "stopped" };
    ensure!(says, "it takes no more writes and does not say so: {status}");
    Ok(())
}

/// Whether a sync of the log has failed.
fn log_failed(recording: &Recording) -> anyhow::Result<bool> {
    let of_log = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("log"));
    Ok(read(&recording.journal)?.iter().any(|call| call.did == Did::SyncFailed && of_log(&call.path)))
}

impl Asked {
    /// Writes a record, or every third time changes one of before.
    async fn write(&mut self, daemon: &Daemon, base: u32, recording: &Recording) -> anyhow::Result<()> {
        let concerned = recording.folder == daemon.data();
        let failed = concerned && log_failed(recording)?;
        let serial = if self.count % 3 == 2 { self.count - 2 } else { self.count };
        let name = format!("Nguyễn Văn {}", letters(self.count as usize));
        let value = person(UNIT, base + serial, &name);
        let number = value["so_cccd"].as_str().unwrap_or_default().to_owned();
        self.count += 1;
        match put(daemon, &[value]).await {
            Ok(()) => {
                ensure!(!failed, "it took a write when a sync of its log had failed");
                ensure!(!self.stopped, "it took a write when it had said that it takes none");
                self.went_on |= !self.refused.is_empty();
                self.refused.remove(&number);
                self.accepted.insert(number, name);
            }
            Err(error) if !concerned => bail!("{error:#}"),
            Err(error) => {
                let said = format!("{error:#}");
                ensure!(
                    !failed || said.contains(STOPPED),
                    "refused, but not as by a log that failed: {said}"
                );
                ensure!(
                    said.contains("os error") || said.contains(STOPPED),
                    "refused without a reason: {said}"
                );
                self.stopped |= said.contains(STOPPED);
                self.refused.insert(number, name);
            }
        }
        Ok(())
    }
}

/// Both are started again with nothing that fails, and come into step with everything.
async fn again(place: &HubPlace, by_hub: &Asked, by_node: &Asked) -> anyhow::Result<()> {
    let mut hub = place.serve("hub-failing").await?;
    let mut node = place.run("node-failing").await?;
    in_step(&node).await?;
    let records = |status: &Json| status["records"].clone();
    let at_hub = records(&hub.status().await?);
    until(&node, "as many records as the hub", |status| records(status) == at_hub).await?;
    node.stop().await?;
    hub.stop().await?;
    let mut accepted = by_hub.accepted.clone();
    accepted.extend(by_node.accepted.clone());
    let mut newer = by_hub.refused.clone();
    newer.extend(by_node.refused.clone());
    judge(&place.program, &[], hub.data(), (&accepted, &newer), false).await.context("the hub")?;
    let judged = judge(&place.program, &["as-node"], node.data(), (&accepted, &newer), false).await;
    judged.context("the node")?;
    Ok(())
}
