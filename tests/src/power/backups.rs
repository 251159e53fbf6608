//! T24: a backup that was edited is refused by `restore`, which names the object, and nothing is left behind.
//!
//! A hub's backup, plain and encrypted to a recipient: bits turned, pages zeroed or swapped, ends cut in an object, the
//! manifest or the kit; objects that stand for each other, are gone, or are of the backup before; another kit, another
//! passphrase, another recipient's key. The whole set of before is no edit: it restores just what it held, and ends there by
//! its manifest.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use lienthong_hub::demo::once;
use lienthong_node::backup::Target;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

use super::cuts::{Values, held};
use super::damage::damage;
use crate::copy_folder;
use crate::processes::{HubPlace, done, in_step, person, put};

const UNIT: &str = "11953";
/// One in so many trials is a set of before, which is restored whole.
const OLD_SETS: u32 = 100;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edit {
    /// Within an object.
    Object,
    /// Within the manifest.
    Manifest,
    /// Two objects stand for each other.
    Exchanged,
    /// An object is gone.
    Missing,
    /// An object is of the backup before.
    Older,
    /// Within the kit.
    Kit,
    /// Another province's kit.
    OtherKit,
    /// Another passphrase, another recipient's key, or none.
    Key,
}

const EDITS: [Edit; 12] = [
    Edit::Object,
    Edit::Object,
    Edit::Object,
    Edit::Object,
    Edit::Object,
    Edit::Manifest,
    Edit::Exchanged,
    Edit::Missing,
    Edit::Older,
    Edit::Kit,
    Edit::OtherKit,
    Edit::Key,
];

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Edited backups that were refused, by what was done: how often.
    pub refused: BTreeMap<String, usize>,
    /// Sets of before that restored what they held.
    pub old_sets: usize,
}

/// A backup as it was made, with what opens it.
struct Backup {
    folder: PathBuf,
    /// The one before it.
    before: PathBuf,
    /// What was held then.
    held_before: Values,
    root_before: String,
    identity: Option<PathBuf>,
}

/// What the trials have.
struct Drill {
    place: HubPlace,
    other: HubPlace,
    other_identity: PathBuf,
    backups: [Backup; 2],
}

/// Edits a backup so often.
///
/// # Errors
/// The edit that was not refused.
pub async fn edited(program: &Path, trials: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(seed);
    let drill = Box::pin(prepare(program, dir.path())).await?;
    let mut report = Report::default();
    for trial in 0..trials {
        super::progress(trial, trials);
        let backup = &drill.backups[trial % 2];
        let what = || format!("seed {seed}, trial {trial}, {}", backup.folder.display());
        if random.random_range(0..OLD_SETS) == 0 {
            Box::pin(drill.old_set(backup)).await.with_context(|| format!("{}: the set before", what()))?;
            report.old_sets += 1;
            continue;
        }
        let edit = *EDITS.choose(&mut random).context("an edit")?;
        let done = Box::pin(drill.edit(backup, edit, &mut random)).await;
        let did = done.with_context(|| format!("{}: {edit:?}", what()))?;
        *report.refused.entry(format!("{edit:?} {did}")).or_default() += 1;
    }
    for backup in &drill.backups {
        Box::pin(drill.old_set(backup)).await.context("the set before")?;
        report.old_sets += 1;
        let (said, code) = drill.restore(&backup.folder, &drill.place, backup.identity.as_deref()).await?;
        ensure!(code == 0, "whole again it is refused: {said}");
        done(&drill.place.program, &["check"], &drill.place.path("new")).await?;
        std::fs::remove_dir_all(drill.place.path("new"))?;
    }
    Ok(report)
}

/// A hub with two backups, each with the one before it.
async fn prepare(program: &Path, dir: &Path) -> anyhow::Result<Drill> {
    let program = program.to_string_lossy();
    let place = HubPlace::make(&program, dir).await?;
    std::fs::create_dir(dir.join("elsewhere"))?;
    let other = HubPlace::make(&program, &dir.join("elsewhere")).await?;
    let (identity, other_identity) = (dir.join("identity"), dir.join("other-identity"));
    let pair = place.done(&["key", "pair", &identity.to_string_lossy()], "hub").await?;
    place.done(&["key", "pair", &other_identity.to_string_lossy()], "hub").await?;
    let recipient = pair["recipient"].as_str().context("a recipient")?;
    let folders = [dir.join("plain"), dir.join("encrypted")];
    let mut hub = place.serve("hub").await?;
    let mut node = place.node(&hub, "node", UNIT).await?;
    let (mut befores, mut held_before) = (Vec::new(), Values::new());
    for round in 0..2u32 {
        let people: Vec<Json> = (0..40).map(|n| person(UNIT, round * 100 + n, "Nguyễn Văn An")).collect();
        put(&node, &people).await?;
        in_step(&node).await?;
        for (number, folder) in folders.iter().enumerate() {
            let to = folder.to_string_lossy();
            let to_whom = if number == 1 { recipient } else { "plain" };
            let made = place.done(&["backup", &to, "--to", to_whom], "hub").await?;
            if round == 0 {
                let before = folder.with_extension("before");
                copy_folder(folder, &before)?;
                befores.push((before, made["root"].as_str().context("a root")?.to_owned()));
            }
        }
        if round == 0 {
            held_before = held(&place.program, &[], hub.data()).await?;
        }
    }
    node.stop().await?;
    hub.stop().await?;
    let mut backups = folders.into_iter().zip(befores).zip([None, Some(identity)]).map(
        |((folder, (before, root_before)), identity)| Backup {
            folder,
            before,
            held_before: held_before.clone(),
            root_before,
            identity,
        },
    );
    let backups = [backups.next().context("a backup")?, backups.next().context("a backup")?];
    Ok(Drill { place, other, other_identity, backups })
}

/// The objects that hold something, by name.
fn objects(backup: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(backup.join("objects"))? {
        let entry = entry?;
        if entry.metadata()?.len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Some object that the manifest names.
fn some(backup: &Backup, random: &mut StdRng) -> anyhow::Result<PathBuf> {
    Ok(objects(&backup.folder)?.choose(random).context("an object")?.clone())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Damages a file, until it is another; what it was, and what was done.
fn change(path: &Path, random: &mut StdRng) -> anyhow::Result<(Vec<u8>, String)> {
    let before = std::fs::read(path)?;
    loop {
        let mut bytes = before.clone();
        let did = damage(&mut bytes, random);
        if bytes != before {
            std::fs::write(path, bytes)?;
            return Ok((before, format!("{did:?}")));
        }
    }
}

impl Drill {
    /// Tries to restore a backup, with a place's kit, and a key.
    async fn restore(
        &self,
        folder: &Path,
        whose: &HubPlace,
        identity: Option<&Path>,
    ) -> anyhow::Result<(Json, i32)> {
        let folder = folder.to_string_lossy();
        let mut line = whose.successor(&["restore", &folder, "--lang", "en"]);
        let identity = identity.map(|path| path.to_string_lossy().into_owned());
        line.extend(identity.iter().flat_map(|path| ["--identity", path.as_str()]));
        once(&self.place.program, &line, &self.place.path("new")).await
    }

    /// It must be refused, by one of these words, and leave nothing.
    async fn refused(
        &self,
        backup: &Backup,
        whose: &HubPlace,
        identity: Option<&Path>,
        named: &[&str],
    ) -> anyhow::Result<()> {
        let (document, code) = self.restore(&backup.folder, whose, identity).await?;
        let said = document["error"].as_str().unwrap_or_default();
        ensure!(code == 1 && !said.is_empty(), "{code}: {document}");
        ensure!(named.iter().any(|name| said.contains(name)), "none of {named:?} is named: {said}");
        for left in ["new", "new.restoring"] {
            ensure!(!self.place.path(left).exists(), "{left} is left behind: {said}");
        }
        Ok(())
    }

    /// One edit, refused, and put back.
    async fn edit(&self, backup: &Backup, edit: Edit, random: &mut StdRng) -> anyhow::Result<String> {
        let own = backup.identity.as_deref();
        let refused = async |named: &[&str]| self.refused(backup, &self.place, own, named).await;
        match edit {
            Edit::Object | Edit::Manifest | Edit::Kit => {
                let (path, named) = match edit {
                    Edit::Object => {
                        let path = some(backup, random)?;
                        let name = name_of(&path);
                        (path, name)
                    }
                    Edit::Manifest => (backup.folder.join("manifest"), "manifest".to_owned()),
                    _ => (self.place.kit.clone(), "kit".to_owned()),
                };
                let (before, did) = change(&path, random)?;
                refused(&[&named]).await?;
                std::fs::write(path, before)?;
                Ok(did)
            }
            Edit::Exchanged => {
                let one = some(backup, random)?;
                let others: Vec<PathBuf> =
                    objects(&backup.folder)?.into_iter().filter(|path| *path != one).collect();
                let other = others.choose(random).context("two objects")?;
                let kept = self.place.path("kept");
                let exchange = || -> std::io::Result<()> {
                    std::fs::rename(&one, &kept)?;
                    std::fs::rename(other, &one)?;
                    std::fs::rename(&kept, other)
                };
                exchange()?;
                refused(&[&name_of(&one), &name_of(other)]).await?;
                exchange()?;
                Ok(String::new())
            }
            Edit::Missing => {
                let (gone, kept) = (some(backup, random)?, self.place.path("kept"));
                std::fs::rename(&gone, &kept)?;
                refused(&[&name_of(&gone)]).await?;
                std::fs::rename(kept, gone)?;
                Ok(String::new())
            }
            Edit::Older => {
                let now: Vec<String> = objects(&backup.folder)?.iter().map(|path| name_of(path)).collect();
                let old: Vec<PathBuf> = objects(&backup.before)?
                    .into_iter()
                    .filter(|path| !now.contains(&name_of(path)))
                    .collect();
                let (old, new) = (old.choose(random).context("an object of before")?, some(backup, random)?);
                let whole = std::fs::read(&new)?;
                std::fs::copy(old, &new)?;
                refused(&[&name_of(&new)]).await?;
                std::fs::write(new, whole)?;
                Ok(String::new())
            }
            Edit::OtherKit => {
                self.refused(backup, &self.other, own, &["two hubs"]).await?;
                Ok(String::new())
            }
            Edit::Key => Box::pin(self.wrong_key(backup, random)).await,
        }
    }

    async fn wrong_key(&self, backup: &Backup, random: &mut StdRng) -> anyhow::Result<String> {
        if backup.identity.is_some() && random.random_bool(0.7) {
            let other = random.random_bool(0.5).then_some(self.other_identity.as_path());
            self.refused(backup, &self.place, other, &["--identity", "the one given is"]).await?;
            return Ok(if other.is_some() { "of another" } else { "missing" }.to_owned());
        }
        let passphrase = self.place.path("other-passphrase");
        std::fs::write(&passphrase, "ba be bi bo bu ca ce ci")?;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600))?;
        let other = HubPlace { passphrase, ..self.place.clone() };
        self.refused(backup, &other, backup.identity.as_deref(), &["wrong passphrase"]).await?;
        Ok("passphrase".to_owned())
    }

    /// The whole set of before restores what it held.
    async fn old_set(&self, backup: &Backup) -> anyhow::Result<()> {
        let manifest = Target::new(&backup.before).manifest()?.manifest;
        ensure!(manifest.root == backup.root_before, "another root than when it was made");
        let restored = self.restore(&backup.before, &self.place, backup.identity.as_deref()).await;
        let (said, code) = restored?;
        ensure!(code == 0, "{said}");
        let new = self.place.path("new");
        ensure!(
            held(&self.place.program, &[], &new).await? == backup.held_before,
            "not what it held: {said}"
        );
        done(&self.place.program, &["check"], &new).await?;
        std::fs::remove_dir_all(new)?;
        Ok(())
    }
}
