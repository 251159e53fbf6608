//! Tier C of the faults: real programs, power cuts, damaged files, full disks and kills, judged by `check`.
//!
//! A program runs with `tests/preload/recorder.c` between it and its files ([`Recorder`]), which writes down what it did
//! to its data folder; from that, [`Image`] makes what a power cut at any instant leaves. [`cuts`] does so at instants
//! at which something was acknowledged, [`calls`] lets single calls fail, [`damage`] turns bits, [`stages`] fills the disk
//! or kills at each change of a step, [`kills`] kills at any instant, [`backups`] edits backups, [`restores`]
//! loses a hub. The long runs are commands of the program `power`, whose last output is in
//! `tests/reports`.
#![allow(
    clippy::indexing_slicing,
    reason = "a JSON document answers every index, with null for what it has not"
)]

pub mod backups;
pub mod calls;
pub mod cuts;
pub mod damage;
mod image;
mod journal;
pub mod kills;
mod mending;
pub mod restores;
pub mod stages;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use lienthong_hub::demo::{Daemon, once};
use serde_json::Value as Json;

pub use self::image::Image;
pub use self::journal::{Call, Did, LOCAL, read};

/// The library that records, built for this run.
#[derive(Debug, Clone)]
pub struct Recorder {
    library: PathBuf,
    program: PathBuf,
}

/// One recorded program's folder and what was written down of it.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The data folder.
    pub data: PathBuf,
    /// What is recorded: the data folder, or the one around it.
    pub folder: PathBuf,
    /// Where it is written down.
    pub journal: PathBuf,
    /// What else the library is told.
    pub faults: Vec<String>,
}

/// Says on standard error how far a long run has come, a hundred times in all.
#[allow(clippy::print_stderr, reason = "whoever started it waits for long")]
fn progress(done: usize, of: usize) {
    if of >= 100 && done.is_multiple_of(of / 100) {
        eprintln!("{done} of {of}");
    }
}

impl Recorder {
    /// Builds the library in a folder, with the compiler that also links programs here.
    ///
    /// # Errors
    /// If there is none.
    pub fn build(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/recorder.c");
        let library = dir.join("recorder.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-pthread");
        let output = compiler.output().context("a C compiler, cc, is needed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { library, program: program.to_owned() })
    }

    fn arguments(&self, recording: &Recording, arguments: &[&str]) -> Vec<String> {
        let set = |name: &str, path: &Path| format!("{name}={}", path.display());
        let mut line = vec![
            set("LD_PRELOAD", &self.library),
            set("RECORDER_FOLDER", &recording.folder),
            set("RECORDER_JOURNAL", &recording.journal),
        ];
        line.extend(recording.faults.iter().cloned());
        line.push(self.program.to_string_lossy().into_owned());
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        line
    }

    /// Runs a command that is recorded.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn once(&self, recording: &Recording, arguments: &[&str]) -> anyhow::Result<(Json, i32)> {
        let line = self.arguments(recording, arguments);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        once(Path::new("/usr/bin/env"), &line, &recording.data).await
    }

    /// Starts a program that is recorded.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn start(&self, recording: &Recording, arguments: &[&str]) -> anyhow::Result<Daemon> {
        let line = self.arguments(recording, arguments);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        Daemon::start(Path::new("/usr/bin/env"), &line, &recording.data).await
    }
}

impl Recording {
    /// Of the folder `dir/name`.
    #[must_use]
    pub fn of(dir: &Path, name: &str) -> Self {
        let (folder, journal) = (dir.join(name), dir.join(format!("{name}.journal")));
        Self { data: folder.clone(), folder, journal, faults: Vec::new() }
    }

    /// Of the folder `dir/name/data`, with what is made beside it.
    ///
    /// # Errors
    /// If `dir/name` cannot be made.
    pub fn around(dir: &Path, name: &str) -> std::io::Result<Self> {
        let of = Self::of(dir, name);
        std::fs::create_dir(&of.folder)?;
        Ok(Self { data: of.folder.join("data"), ..of })
    }

    /// The last thing the program sent over its control socket: the answer that its one asker has just got.
    ///
    /// # Errors
    /// If it never answered.
    pub fn answered(&self) -> anyhow::Result<u64> {
        let calls = read(&self.journal)?;
        let last = calls.iter().rev().find(|call| call.did == Did::Sent && call.number == LOCAL);
        Ok(last.context("it has answered nothing")?.nanos)
    }
}
