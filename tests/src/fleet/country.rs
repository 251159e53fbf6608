//! A hub in a process of its own, and a fleet of units enrolled at it.
#![allow(clippy::print_stderr, reason = "what measures for minutes says how far it is")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::Daemon;
use lienthong_hub::pki::{InitOptions, Role, init};
use lienthong_hub::service::Request;
use lienthong_node::sync::Settings;
use lienthong_proto::catalogue::Catalogue;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Fleet;
use crate::corpus;

/// Enrolments between two lines of progress.
const TELL_EVERY: usize = 500;

/// A hub and its units.
pub struct Country {
    /// The hub; it dies with this.
    pub hub: Daemon,
    /// The units.
    pub fleet: Fleet,
    /// What both go by.
    pub catalogue: Arc<Catalogue>,
    /// How long enrolling took, for each unit.
    pub enrolment: Duration,
}

/// Runs this very program as the hub, if its first argument says so.
fn run_as_hub() -> Option<std::process::ExitCode> {
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if arguments.get(1).is_none_or(|argument| argument != "as-hub") {
        return None;
    }
    arguments.remove(1);
    Some(lienthong_hub::cli::program(arguments))
}

/// Runs a measuring program, whose own copy is the hub; interrupted, it leaves as it does at its end: the folder and the
/// hub go with what is dropped.
///
/// # Errors
/// The work's; and that it was interrupted.
pub fn program<W: Future<Output = anyhow::Result<()>>>(
    work: impl FnOnce() -> W,
) -> anyhow::Result<std::process::ExitCode> {
    if let Some(code) = run_as_hub() {
        return Ok(code);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = Box::pin(work()) => done,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    Ok(std::process::ExitCode::SUCCESS)
}

/// Lets this process and those it starts open as many files and connections as the system allows.
///
/// # Errors
/// If that is not enough for `wanted`.
pub fn files_enough(wanted: usize) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    ensure!(
        maximum.is_none_or(|maximum| maximum >= wanted as u64),
        "{wanted} open files are needed, the system allows {maximum:?}: raise it with ulimit -n"
    );
    Ok(())
}

/// Whether a file system has room for this much.
///
/// # Errors
/// If it has not.
pub fn free_bytes_enough(folder: &Path, wanted: u64) -> anyhow::Result<()> {
    let room = rustix::fs::statvfs(folder).with_context(|| folder.display().to_string())?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    ensure!(
        free >= wanted,
        "{} has {} MiB free, {} MiB may be needed: name another folder with --dir, or take fewer records",
        folder.display(),
        free >> 20,
        wanted >> 20
    );
    Ok(())
}

/// Tells how many of the units are so far.
pub fn telling(what: &str, units: usize) -> impl Fn(usize) + '_ {
    move |reached| eprintln!("  {reached} of {units} units are {what}")
}

impl Country {
    /// Makes a hub below `folder`, starts it and enrols this many units.
    ///
    /// # Errors
    /// If something of it fails.
    pub async fn set(folder: &Path, units: usize, seed: u64) -> anyhow::Result<Self> {
        files_enough(units * 2 + 512)?;
        let folder: PathBuf = std::fs::canonicalize(folder)?;
        let (data, files) = (folder.join("hub"), folder.join("catalogue"));
        corpus::write_catalogue(&files, units)?;
        let catalogue = corpus::catalogue(units)?;
        let codes = corpus::communes(&catalogue);
        ensure!(codes.len() >= units, "there are {} communes", codes.len());
        std::fs::create_dir_all(&data)?;
        let domain = "load.lienthong.vn".to_owned();
        init(&data, &InitOptions { province: "33".parse()?, domain, names: Vec::new() })?;
        // The port is kept over restarts, as in the field.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let shown = files.display().to_string();
        let serve = ["as-hub", "serve", "--listen", &listen, "--web", "127.0.0.1:0", "--catalogue", &shown];
        let hub = Daemon::start(&std::env::current_exe()?, &serve, &data).await?;
        let (mut fleet, begun) = (Fleet::default(), Instant::now());
        for (number, unit) in codes.into_iter().take(units).enumerate() {
            let request = Request::TokenCreate {
                unit,
                role: Role::Commune,
                ttl_seconds: 3_600,
                actor: "load".to_owned(),
            };
            let body = hub.ask(&request).await?.body;
            let token = body.get("token").and_then(serde_json::Value::as_str);
            let token = token.with_context(|| body.to_string())?.parse()?;
            fleet.enrol(&folder, &listen, &token, (seed, Settings::default())).await?;
            if (number + 1) % TELL_EVERY == 0 {
                eprintln!(
                    "  {} of {units} units enrolled, {:.0} s",
                    number + 1,
                    begun.elapsed().as_secs_f64()
                );
            }
        }
        let enrolment = begun.elapsed() / u32::try_from(units.max(1))?;
        Ok(Self { hub, fleet, catalogue, enrolment })
    }

    /// The hub's process.
    ///
    /// # Errors
    /// If it is not there.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.hub.pid().context("the hub is not running")
    }

    /// Makes this many records more, shared out among the units; nobody sends them yet.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn write(&mut self, records: usize) -> anyhow::Result<()> {
        let catalogue = Arc::clone(&self.catalogue);
        tokio::task::block_in_place(|| self.fleet.write(&catalogue, records))
    }

    /// Makes one record more, of the first unit.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn write_first(&mut self) -> anyhow::Result<()> {
        let catalogue = Arc::clone(&self.catalogue);
        tokio::task::block_in_place(|| self.fleet.write_one(&catalogue, 0))
    }

    /// How many records the hub shows.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn records(&self) -> anyhow::Result<u64> {
        let status = self.hub.status().await?;
        status.get("records").and_then(serde_json::Value::as_u64).context("no records in the status")
    }
}
