//! Hub and nodes as real processes, killed for real: by the demo, the tests and the load program.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lienthong_node::control::{self, Answer};
use serde_json::Value as Json;
use tokio::process::{Child, Command};

/// A program at work in a data folder; it dies with this.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    data: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

fn command(program: &Path, arguments: &[String], data: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg("--data").arg(data).kill_on_drop(true).stdin(Stdio::null());
    // The demo's own variables are not the processes'.
    command.env_remove("LIENTHONG_DATA");
    command
}

impl Daemon {
    /// Starts a process and waits until it answers.
    ///
    /// # Errors
    /// If it ends, or does not answer within half a minute.
    pub async fn start(program: &Path, arguments: &[&str], data: &Path) -> anyhow::Result<Self> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(program, &arguments, data)?;
        let mut daemon = Self { program: program.to_owned(), data: data.to_owned(), arguments, child };
        daemon.answers().await?;
        Ok(daemon)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(Some(_)) = control::call(&self.data, &serde_json::json!({ "command": "status" })).await
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
                bail!("{} ended ({status}): {said}", self.data.display());
            }
            if Instant::now() > deadline {
                bail!("{} does not answer", self.data.display());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Starts it again in its folder; returns how long it took to answer.
    ///
    /// # Errors
    /// As for [`Daemon::start`].
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.child = spawn(&self.program, &self.arguments, &self.data)?;
        self.answers().await?;
        Ok(begun.elapsed())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends it as an operator would, and waits.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        self.child.wait().await?;
        Ok(())
    }

    /// Asks it.
    ///
    /// # Errors
    /// If it is not running.
    pub async fn ask<R: serde::Serialize>(&self, request: &R) -> anyhow::Result<Answer> {
        let answer = control::call(&self.data, request).await?;
        answer.with_context(|| format!("{} is not running", self.data.display()))
    }

    /// Its status.
    ///
    /// # Errors
    /// If it is not running.
    pub async fn status(&self) -> anyhow::Result<Json> {
        Ok(self.ask(&serde_json::json!({ "command": "status" })).await?.body)
    }
}

fn spawn(program: &Path, arguments: &[String], data: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(data.with_extension("log"))?;
    let mut command = command(program, arguments, data);
    Ok(command.stdout(Stdio::null()).stderr(log).spawn()?)
}

/// Runs a command to its end and reads the document it prints.
///
/// # Errors
/// If the program cannot be run.
pub async fn once(program: &Path, arguments: &[&str], data: &Path) -> anyhow::Result<(Json, i32)> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let output = command(program, &arguments, data).arg("--json").stderr(Stdio::piped()).output().await?;
    let code = output.status.code().unwrap_or(-1);
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(
        |_| serde_json::json!({ "error": String::from_utf8_lossy(&output.stderr).into_owned() }),
    );
    Ok((document, code))
}
