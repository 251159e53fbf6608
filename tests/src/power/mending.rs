//! What the program and its runbook (`deploy/OPERATIONS.md`, Disasters) advise where damage was noticed, done until hub and
//! node are whole again, in step, and with everything that was acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lienthong_hub::demo::{Daemon, once};
use serde_json::Value as Json;

use super::cuts::Values;
use super::damage::{Subject, UNITS};
use crate::copy_folder;
use crate::processes::{HubPlace, done, in_step};

/// Where the hub was backed up, in the province's folder.
pub(super) const BACKUP: &str = "backup";
const PATIENCE: Duration = Duration::from_secs(60);
const HUB: &str = "mending-hub";
const NODE: &str = "mending-node";
/// Where one begins anew whose folder tells nothing any more.
const ANEW: &str = "mending-anew";

/// Mends damaged copies of subjects.
#[derive(Debug)]
pub(super) struct Mending {
    place: HubPlace,
    /// Each subject's folder, whole, and the values it holds, by its name.
    wanted: BTreeMap<String, (PathBuf, Values)>,
}

/// The names in an export, by number.
fn names(exported: &str) -> anyhow::Result<Values> {
    let mut names = Values::new();
    for line in exported.lines() {
        let record: Json = serde_json::from_str(line)?;
        let text = |name: &str| record["fields"][name].as_str().unwrap_or_default().to_owned();
        names.insert(text("so_cccd"), text("ho_ten"));
    }
    Ok(names)
}

impl Mending {
    /// With the hub and the node that stood together as each subject's other half.
    pub(super) fn of(place: HubPlace, subjects: &[Subject]) -> anyhow::Result<Self> {
        let wanted = subjects.iter().map(|subject| {
            let exported = subject.shown.first().context("an export")?;
            Ok((subject.name.clone(), (subject.folder.clone(), names(exported)?)))
        });
        Ok(Self { place, wanted: wanted.collect::<anyhow::Result<_>>()? })
    }

    fn whole(&self, name: &str) -> anyhow::Result<&(PathBuf, Values)> {
        self.wanted.get(name).with_context(|| format!("{name} whole"))
    }

    /// Mends what was noticed in a copy of a subject; how.
    pub(super) async fn mend(&self, subject: &Subject, damaged: &Path) -> anyhow::Result<String> {
        let (machine, how) = subject.name.split_once('-').context("a machine and its end")?;
        let hub = format!("hub-{how}");
        let node = format!("node-{how}");
        let way = if machine == "hub" {
            copy_folder(&self.whole(&node)?.0, &self.place.path(NODE))?;
            self.diagnosed(subject, damaged, &["check"]).await?;
            Box::pin(self.restored(&hub, &node)).await?
        } else {
            copy_folder(&self.whole(&hub)?.0, &self.place.path(HUB))?;
            self.diagnosed(subject, damaged, &["check", "doctor"]).await?;
            std::fs::rename(damaged, self.place.path(NODE))?;
            let mended = Box::pin(self.recovered(&hub, &node)).await;
            std::fs::create_dir(damaged)?;
            mended?
        };
        for name in [HUB, NODE, ANEW] {
            let folder = self.place.path(name);
            if folder.exists() {
                std::fs::remove_dir_all(folder)?;
            }
        }
        Ok(format!("{machine}: {way}"))
    }

    /// One of the commands that judge a folder says what is wrong with it.
    async fn diagnosed(&self, subject: &Subject, damaged: &Path, commands: &[&str]) -> anyhow::Result<()> {
        let mut all = Vec::new();
        for command in commands {
            let line = [subject.command, &[command]].concat();
            let (said, code) = once(&self.place.program, &line, damaged).await?;
            if code == 1 {
                return Ok(());
            }
            ensure!(code == 0, "`{command}` ended with {code}: {said}");
            all.push(said);
        }
        anyhow::bail!("none of {commands:?} finds anything wrong: {all:?}")
    }

    /// Drill D: the hub is made again from its backup, and the node sends the rest.
    async fn restored(&self, hub: &str, node: &str) -> anyhow::Result<&'static str> {
        let backup = self.place.path(BACKUP).to_string_lossy().into_owned();
        self.place.done(&self.place.successor(&["restore", &backup]), HUB).await?;
        let serving = self.place.serve(HUB).await?;
        let running = self.place.run(NODE).await?;
        self.in_step(serving, (hub, &[]), running, (node, NODE), Some("confirm-succession")).await?;
        Ok("restore, confirm-succession")
    }

    /// Drills C, B and A, as far as is needed.
    async fn recovered(&self, hub: &str, node: &str) -> anyhow::Result<&'static str> {
        let serving = self.place.serve(HUB).await?;
        let recover = async |folder: &str, with: &[&str]| {
            let line = [&["as-node", "recover"], with].concat();
            once(&self.place.program, &line, &self.place.path(folder)).await
        };
        let (mut way, mut name) = ("recover", NODE);
        let (mut said, mut code) = recover(NODE, &[]).await?;
        if code != 0 && said.to_string().contains("approve-recovery") {
            self.place.done(&["unit", "approve-recovery", UNITS[0]], HUB).await?;
            way = "unit approve-recovery, recover";
            (said, code) = recover(NODE, &[]).await?;
        }
        if code != 0 {
            let token = self.place.token(&serving, UNITS[0]).await?;
            way = "recover --token";
            (said, code) = recover(NODE, &["--token", &token]).await.context(said)?;
        }
        if code != 0 {
            let token = self.place.token(&serving, UNITS[0]).await?;
            (way, name) = ("recover --token in a new folder", ANEW);
            let with = ["--hub", &self.place.listen, "--token", &token];
            (said, code) = recover(ANEW, &with).await.context(said)?;
        }
        ensure!(code == 0, "{way}: {said}");
        let running = self.place.run(name).await.with_context(|| format!("after {way}: {said}"))?;
        self.in_step(serving, (hub, &[]), running, (node, name), None).await.context(way)?;
        Ok(way)
    }

    /// A node in whose lists `check` finds something goes on with its records; no other fault stays.
    pub(super) async fn goes_on(&self, subject: &Subject, damaged: &Path) -> anyhow::Result<()> {
        let (machine, how) = subject.name.split_once('-').context("a machine and its end")?;
        ensure!(machine == "node", "only a node's lists say less, and go on");
        let hub = format!("hub-{how}");
        copy_folder(&self.whole(&hub)?.0, &self.place.path(HUB))?;
        let name = damaged.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let serving = self.place.serve(HUB).await?;
        let running = self.place.run(&name).await?;
        self.in_step(serving, (&hub, &[".jsonl"]), running, (&subject.name, &name), None).await?;
        std::fs::remove_dir_all(self.place.path(HUB))?;
        Ok(())
    }

    /// Hub and node come into step with all they held, and pass `check`, but for faults of the node that name one of those files.
    async fn in_step(
        &self,
        mut hub: Daemon,
        (of_hub, but): (&str, &[&str]),
        mut node: Daemon,
        (of_node, folder): (&str, &str),
        then: Option<&str>,
    ) -> anyhow::Result<()> {
        in_step(&node).await?;
        self.holds(&[], HUB, of_hub).await?;
        self.holds(&["as-node"], folder, of_node).await?;
        if let Some(command) = then {
            self.place.done(&[command], HUB).await?;
        }
        node.stop().await?;
        hub.stop().await?;
        done(&self.place.program, &["check"], &self.place.path(HUB)).await?;
        let (said, code) = once(&self.place.program, &["as-node", "check"], &self.place.path(folder)).await?;
        let of_those =
            |fault: &Json| fault.as_str().is_some_and(|fault| but.iter().any(|file| fault.contains(file)));
        let spared = said["faults"].as_array().is_some_and(|faults| faults.iter().all(of_those));
        ensure!(code == 0 || (!but.is_empty() && spared), "check of the node: {said}");
        Ok(())
    }

    /// A running program holds what a subject holds: at once, or when it has come.
    async fn holds(&self, command: &[&str], folder: &str, subject: &str) -> anyhow::Result<()> {
        let (_, wanted) = self.whole(subject)?;
        let out = self.place.path("mending.jsonl");
        let path = out.to_string_lossy().into_owned();
        let export = ["export", "--type", "dang_vien", "--all", "--format", "jsonl", "--out", &path];
        let line = [command, &export].concat();
        let deadline = Instant::now() + PATIENCE;
        loop {
            done(&self.place.program, &line, &self.place.path(folder)).await?;
            let held = names(&std::fs::read_to_string(&out)?)?;
            std::fs::remove_file(&out)?;
            if held == *wanted {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{folder} holds {held:?}\nand not {wanted:?}");
        }
    }
}
