//! T11, T12, T56: any file of a data folder damaged, view, leaf hashes, keys, lists and books as well as the log.
//!
//! The folders of a real hub and a real node, left by a kill and left by a clean stop. In a copy one file is damaged; then
//! the program starts on it and what it holds is read: it says that something is wrong, or shows just what it showed
//! before. Where it starts, `check` has the last word. Less, or other, without a word is a failure; only a node's lists of
//! what the hub has said may lose their end, for they are continued from where they end, or lines they say are damaged.
//! What was noticed is then mended as the program and its runbook advise ([`super::mending`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::once;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

use super::mending::{BACKUP, Mending};
use crate::copy_folder;
use crate::processes::{HubPlace, done, in_step, person, put};

pub(super) const UNITS: [&str; 2] = ["11953", "11977"];
const PAGE: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(60);

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Damage {
    /// One bit turned.
    Flip,
    /// A page zeroed.
    Zero,
    /// Its end cut off.
    Cut,
    /// Two pages swapped.
    Swap,
}

/// All kinds of it.
pub const KINDS: [Damage; 4] = [Damage::Flip, Damage::Zero, Damage::Cut, Damage::Swap];

/// Damages a file's bytes somewhere; they may happen to stay the same.
pub fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) -> Damage {
    let kind = KINDS[random.random_range(0..KINDS.len())];
    kind.done(bytes, random);
    kind
}

impl Damage {
    /// Does it somewhere in a file's bytes; they may happen to stay the same.
    pub fn done(self, bytes: &mut Vec<u8>, random: &mut StdRng) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        let page = at / PAGE * PAGE;
        match self {
            Self::Flip => bytes[at] ^= 1 << random.random_range(0..8),
            Self::Zero => bytes.iter_mut().skip(page).take(PAGE).for_each(|byte| *byte = 0),
            Self::Cut => bytes.truncate(at),
            Self::Swap => {
                let other = random.random_range(0..bytes.len()) / PAGE * PAGE;
                for offset in 0..PAGE {
                    if page.max(other) + offset < bytes.len() {
                        bytes.swap(page + offset, other + offset);
                    }
                }
            }
        }
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many damaged copies.
    pub trials: usize,
    /// In which ways.
    pub kinds: Vec<Damage>,
    /// Where the choices come from.
    pub seed: u64,
}

/// What came of it, for each part of a folder.
#[derive(Debug, Default)]
pub struct Report {
    /// Damaged copies that were started.
    pub trials: usize,
    /// How those that said that something is wrong were mended: how often.
    pub mended: BTreeMap<String, usize>,
    /// By part: how many said so at the start, were noticed by `check`, were mended, or showed all there was.
    pub parts: BTreeMap<String, Found>,
}

/// How trials ended.
#[derive(Debug, Default, Clone, Copy)]
pub struct Found {
    /// The program did not start, or did not read, and said why.
    pub noticed: usize,
    /// It showed all there was; `check` says that something is wrong.
    pub noticed_by_check: usize,
    /// It set the damaged view aside and made it again from the log.
    pub healed: usize,
    /// A list of what the hub has said lost its end, as by a power cut; the next connection brings it again.
    pub said_again: usize,
    /// It showed all there was, and `check` finds nothing wrong.
    pub harmless: usize,
}

/// A folder that is damaged, and what it shows.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) command: &'static [&'static str],
    pub(super) folder: PathBuf,
    readings: &'static [&'static [&'static str]],
    pub(super) shown: Vec<String>,
    files: Vec<PathBuf>,
}

const HUB: &[&[&str]] = &[
    &["export", "--type", "dang_vien", "--all", "--format", "jsonl"],
    &["unit", "list"],
    &["conflicts", "list"],
];
const NODE: &[&[&str]] =
    &[&["export", "--type", "dang_vien", "--all", "--format", "jsonl"], SAID[0], SAID[1]];
/// With another of these a program would go on, and be another's: never without a word.
const KEYS: [&str; 7] = [
    "log.seed",
    "identity/provincial.key",
    "ledger.seed",
    "cosigner.seed",
    "authority.key",
    "secrets/provincial.key",
    "seal.key",
];
/// What the hub says again from where a node's list ends; receipts are not even synced, for the last stands for all.
const SAID: [&[&str]; 2] = [&["notices"], &["log", "receipts", "--limit", "1000"]];

/// The log, which is damaged in the first copies of all, so that no run is without something to mend.
const LOG: &str = "log/00000000.seg";

/// Damages copies of a hub's and a node's folder, so many of them.
///
/// # Errors
/// The damage that nobody noticed, or that cannot be mended.
pub async fn damaged(program: &Path, options: &Options) -> anyhow::Result<Report> {
    let (trials, seed) = (options.trials, options.seed);
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(seed);
    let (subjects, place) = Box::pin(subjects(program, dir.path())).await?;
    let mending = Mending::of(place, &subjects)?;
    let mut report = Report::default();
    while report.trials < trials {
        let subject = &subjects[report.trials % subjects.len()];
        let folder = dir.path().join("damaged");
        copy_folder(&subject.folder, &folder)?;
        let is_first = report.trials < subjects.len();
        let file = if is_first { PathBuf::from(LOG) } else { subject.file(&mut random)? };
        let before = std::fs::read(folder.join(&file))?;
        let mut bytes = before.clone();
        let did = *options.kinds.choose(&mut random).context("a kind of damage")?;
        did.done(&mut bytes, &mut random);
        if bytes != before {
            std::fs::write(folder.join(&file), bytes)?;
            let what = format!(
                "seed {seed}, trial {}: {did:?} in {} of {}",
                report.trials,
                file.display(),
                subject.name
            );
            let part = subject.part(&file);
            let found = report.parts.entry(part).or_default();
            let before = *found;
            Box::pin(subject.judge(program, &folder, found)).await.with_context(|| what.clone())?;
            let found = *found;
            ensure!(
                found.noticed > before.noticed || !KEYS.iter().any(|key| file.ends_with(key)),
                "{what}: unnoticed"
            );
            if found.noticed > before.noticed {
                let mended = Box::pin(mending.mend(subject, &folder)).await;
                let how = mended.with_context(|| format!("{what}: noticed, and not mended"))?;
                *report.mended.entry(how).or_default() += 1;
            } else if found.noticed_by_check > before.noticed_by_check {
                let goes_on = Box::pin(mending.goes_on(subject, &folder)).await;
                goes_on.with_context(|| format!("{what}: noticed by `check`"))?;
                *report.mended.entry("a list of the hub's word: nothing to do".to_owned()).or_default() += 1;
            }
            report.trials += 1;
            super::progress(report.trials, trials);
        }
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}

/// A hub and a node as a kill left them, and as a clean stop did.
async fn subjects(program: &Path, dir: &Path) -> anyhow::Result<(Vec<Subject>, HubPlace)> {
    let place = HubPlace::make(&program.to_string_lossy(), dir).await?;
    let mut hub = place.serve("hub").await?;
    let mut one = place.node(&hub, "one", UNITS[0]).await?;
    let two = place.node(&hub, "two", UNITS[1]).await?;
    for round in 0..8 {
        let people: Vec<Json> =
            (0..5).map(|serial| person(UNITS[0], round * 5 + serial, "Nguyễn Văn An")).collect();
        put(&one, &people).await?;
    }
    in_step(&one).await?;
    // A proposal of another unit, of which its owner hears, and the province's own word.
    put(&two, &[person(UNITS[1], 100, "Lê Thị Bình"), person(UNITS[1], 3, "Nguyễn Văn Ân")]).await?;
    in_step(&two).await?;
    put(&hub, &[person(UNITS[0], 5, "Nguyễn Văn Năm")]).await?;
    in_step(&one).await?;
    place.done(&["backup", &dir.join(BACKUP).to_string_lossy(), "--to", "plain"], "hub").await?;
    // What the backup does not have, and the node sends again.
    put(&one, &[person(UNITS[0], 60, "Trần Văn Sáu"), person(UNITS[0], 7, "Nguyễn Văn Bảy")]).await?;
    in_step(&one).await?;
    anchored(program, &[], hub.data()).await?;
    anchored(program, &["as-node"], one.data()).await?;
    hub.kill().await?;
    one.kill().await?;
    copy_folder(hub.data(), &dir.join("hub-killed"))?;
    copy_folder(one.data(), &dir.join("node-killed"))?;
    hub.restart().await?;
    one.restart().await?;
    in_step(&one).await?;
    one.stop().await?;
    hub.stop().await?;
    copy_folder(hub.data(), &dir.join("hub-stopped"))?;
    copy_folder(one.data(), &dir.join("node-stopped"))?;
    let mut subjects = Vec::new();
    for name in ["hub-killed", "node-killed", "hub-stopped", "node-stopped"] {
        let (command, readings): (&[&str], _) =
            if name.starts_with("hub") { (&[], HUB) } else { (&["as-node"], NODE) };
        let folder = dir.join(name);
        let mut subject = Subject {
            name: name.to_owned(),
            command,
            folder,
            readings,
            shown: Vec::new(),
            files: Vec::new(),
        };
        files(&subject.folder, Path::new(""), &mut subject.files)?;
        let copy = dir.join("whole");
        copy_folder(&subject.folder, &copy)?;
        match subject.read(program, &copy).await? {
            Ok(shown) => subject.shown = shown,
            Err(said) => bail!("{name} is whole: {said}"),
        }
        std::fs::remove_dir_all(&copy)?;
        subjects.push(subject);
    }
    Ok((subjects, place))
}

/// What was exported, without the defects: a program that was just started is still judging.
fn exported(out: &Path) -> anyhow::Result<String> {
    let mut records = String::new();
    for line in std::fs::read_to_string(out)?.lines() {
        let mut record: Json = serde_json::from_str(line)?;
        record["defects"] = Json::Null;
        records.push_str(&record.to_string());
        records.push('\n');
    }
    Ok(records)
}

/// Whether a list is the beginning of another, or says that some of its lines are damaged and has no other than that one's;
/// what was proven of it may have to be proven again.
fn is_of(now: &str, whole: &str) -> anyhow::Result<bool> {
    let items = |text: &Json| -> anyhow::Result<Vec<Json>> {
        let mut items = text["items"].as_array().context("items")?.clone();
        items.iter_mut().filter_map(Json::as_object_mut).for_each(|item| drop(item.remove("proven")));
        Ok(items)
    };
    let (now, whole) = (serde_json::from_str(now)?, serde_json::from_str(whole)?);
    let (listed, all) = (items(&now)?, items(&whole)?);
    Ok(all.starts_with(&listed)
        || (now["damaged_lines"].is_u64() && listed.iter().all(|item| all.contains(item))))
}

/// Waits until the anchor vouches for the whole log: before, damage at its end cannot be told from an unfinished write.
async fn anchored(program: &Path, command: &[&str], folder: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let check = done(program, &[command, &["check"]].concat(), folder).await?;
        if check["entries"] == lienthong_node::log::anchored(&folder.join("log"))? {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not anchored: {check}");
    }
}

/// Every file that holds something, but for what is said of the running program.
fn files(folder: &Path, within: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder.join(within))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(folder, &path, found)?;
        } else if entry.metadata()?.len() > 0 && entry.file_name() != "lock" {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

impl Subject {
    /// The part of the folder a file is of.
    fn part(&self, file: &Path) -> String {
        let machine = self.name.split('-').next().unwrap_or_default();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.starts_with("view") {
            return format!("{machine}/view");
        }
        format!("{machine}/{}", file.with_file_name(name).display())
    }

    /// The view two times in five, the log one time in five, else any file.
    fn file(&self, random: &mut StdRng) -> anyhow::Result<PathBuf> {
        let part = match random.random_range(0..5) {
            0 | 1 => Some("view"),
            2 => Some("log"),
            _ => None,
        };
        let files: Vec<&PathBuf> =
            self.files.iter().filter(|file| part.is_none_or(|part| file.starts_with(part))).collect();
        Ok((*files.choose(random).context("a file")?).clone())
    }

    /// What a folder shows, or what is said instead.
    async fn read(&self, program: &Path, folder: &Path) -> anyhow::Result<Result<Vec<String>, String>> {
        let mut shown = Vec::new();
        let out = folder.with_extension("jsonl");
        let path = out.to_string_lossy().into_owned();
        for reading in self.readings {
            let mut arguments = [self.command, reading].concat();
            let exports = reading.first() == Some(&"export");
            if exports {
                arguments.extend(["--out", &path]);
            }
            let (document, code) = once(program, &arguments, folder).await?;
            if code != 0 {
                let said = document["error"].as_str().unwrap_or_default().to_owned();
                ensure!(!said.is_empty() && code != 101, "it ended with {code} and said: {document}");
                return Ok(Err(said));
            }
            shown.push(if exports { exported(&out)? } else { document.to_string() });
        }
        let _ = std::fs::remove_file(&out);
        Ok(Ok(shown))
    }

    async fn judge(&self, program: &Path, folder: &Path, found: &mut Found) -> anyhow::Result<()> {
        let shown = match self.read(program, folder).await? {
            Ok(shown) => shown,
            Err(_) => {
                found.noticed += 1;
                return Ok(());
            }
        };
        let mut is_less = false;
        for ((reading, now), whole) in self.readings.iter().zip(&shown).zip(&self.shown) {
            let is_of = SAID.contains(reading) && is_of(now, whole)?;
            ensure!(
                now == whole || is_of,
                "less or other without a word, by {reading:?}:\n{now}\ninstead of\n{whole}"
            );
            is_less |= now != whole;
        }
        let (_, code) = once(program, &[self.command, &["check"]].concat(), folder).await?;
        if code != 0 {
            found.noticed_by_check += 1;
        } else if folder.join("view.damaged-1").exists() {
            found.healed += 1;
        } else if is_less {
            found.said_again += 1;
        } else {
            found.harmless += 1;
        }
        Ok(())
    }
}
