//! The hub and the nodes of the demo: real processes of this executable, killed for real.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lienthong_node::control::{self, Answer};
use serde_json::Value as Json;
use tokio::process::{Child, Command};

/// A program at work in a data folder; it dies with this.
#[derive(Debug)]
pub(super) struct Daemon {
    data: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

fn command(arguments: &[String], data: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg("--data").arg(data).kill_on_drop(true).stdin(Stdio::null());
    // The demo's own variables are not the processes'.
    command.env_remove("LIENTHONG_DATA");
    Ok(command)
}

impl Daemon {
    /// Starts a process and waits until it answers.
    pub(super) async fn start(arguments: &[&str], data: &Path) -> anyhow::Result<Self> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(&arguments, data)?;
        let mut daemon = Self { data: data.to_owned(), arguments, child };
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
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Starts it again in its folder; returns how long it took to answer.
    pub(super) async fn restart(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.child = spawn(&self.arguments, &self.data)?;
        self.answers().await?;
        Ok(begun.elapsed())
    }

    /// Asks it.
    pub(super) async fn ask<R: serde::Serialize>(&self, request: &R) -> anyhow::Result<Answer> {
        let answer = control::call(&self.data, request).await?;
        answer.with_context(|| format!("{} is not running", self.data.display()))
    }

    /// Its status.
    pub(super) async fn status(&self) -> anyhow::Result<Json> {
        Ok(self.ask(&serde_json::json!({ "command": "status" })).await?.body)
    }
}

fn spawn(arguments: &[String], data: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(data.with_extension("log"))?;
    let mut command = command(arguments, data)?;
    Ok(command.stdout(Stdio::null()).stderr(log).spawn()?)
}

/// Runs a command to its end and reads the document it prints.
pub(super) async fn once(arguments: &[&str], data: &Path) -> anyhow::Result<(Json, i32)> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let output = command(&arguments, data)?.arg("--json").stderr(Stdio::piped()).output().await?;
    let code = output.status.code().unwrap_or(-1);
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(
        |_| serde_json::json!({ "error": String::from_utf8_lossy(&output.stderr).into_owned() }),
    );
    Ok((document, code))
}
