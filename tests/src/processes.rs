//! A province of real processes, for what only processes and files can show.
// A JSON document answers every index, with null for what it has not.
#![allow(clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::{Daemon, once};
use rand::Rng as _;
use serde_json::{Value as Json, json};

/// A wait that is not over by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub's folder, address and recovery kit; its daemon is the caller's.
#[derive(Debug, Clone)]
pub struct HubPlace {
    /// The program.
    pub program: PathBuf,
    /// Where everything of this province stands.
    pub dir: PathBuf,
    /// Where nodes dial.
    pub listen: String,
    /// The kit, off the data folder.
    pub kit: PathBuf,
    /// Its passphrase.
    pub passphrase: PathBuf,
}

/// Runs a command that must do its work.
///
/// # Errors
/// If it does not exit with 0.
pub async fn done(program: &Path, arguments: &[&str], data: &Path) -> anyhow::Result<Json> {
    let (document, code) = once(program, arguments, data).await?;
    ensure!(code == 0, "{arguments:?} exits {code}: {document}");
    Ok(document)
}

/// Runs a command that must be refused; returns what it says.
///
/// # Errors
/// If it does its work all the same.
pub async fn refused(program: &Path, arguments: &[&str], data: &Path) -> anyhow::Result<String> {
    let arguments = [arguments, &["--lang", "en"]].concat();
    let (document, code) = once(program, &arguments, data).await?;
    ensure!(code == 1, "{arguments:?} exits {code}: {document}");
    Ok(document.get("error").and_then(Json::as_str).unwrap_or_default().to_owned())
}

/// Waits until a daemon's status is as wanted.
///
/// # Errors
/// If that takes too long.
pub async fn until(daemon: &Daemon, what: &str, wanted: impl Fn(&Json) -> bool) -> anyhow::Result<Json> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = daemon.status().await?;
        if wanted(&status) {
            return Ok(status);
        }
        if Instant::now() > deadline {
            bail!("{what}: {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a node is in step, with everything acknowledged.
///
/// # Errors
/// If for too long no more is acknowledged.
pub async fn in_step(node: &Daemon) -> anyhow::Result<Json> {
    let (mut deadline, mut known) = (Instant::now() + PATIENCE, None);
    loop {
        let status = node.ask(&json!({ "command": "sync" })).await?.body;
        if status["state"] == "online" && status["pending"] == 0 {
            return Ok(status);
        }
        let acknowledged = status["acknowledged"].as_u64();
        if acknowledged > known {
            (deadline, known) = (Instant::now() + PATIENCE, acknowledged);
        }
        if Instant::now() > deadline {
            bail!("not in step: {status}");
        }
    }
}

/// One member's record.
#[must_use]
pub fn person(unit: &str, serial: u32, name: &str) -> Json {
    json!({
        "so_cccd": format!("033070{serial:06}"),
        "ho_ten": name,
        "ngay_sinh": "1970-05-06",
        "gioi_tinh": "NAM",
        "ngay_vao_dang": "2000-02-03",
        "chi_bo": "Chi bộ 1",
        "ma_xa": unit,
        "dien_quan_ly": "CHIBO",
        "tinh_trang": "CHINH_THUC",
    })
}

/// Puts records at a hub or node; they must be accepted.
///
/// # Errors
/// If they are not.
pub async fn put(daemon: &Daemon, values: &[Json]) -> anyhow::Result<()> {
    let record_type = "dang_vien";
    let request = json!({
        "command": "records", "records": "put", "values": values, "record_type": record_type,
        "author": "test", "english": true,
    });
    let answer = daemon.ask(&request).await?;
    ensure!(answer.exit == 0, "{}", answer.body);
    Ok(())
}

/// An address that nobody takes while the hub is down: its port is below those that the system gives to connections.
fn quiet_address() -> anyhow::Result<String> {
    let mut ports = (0..1_000).map(|_| rand::rng().random_range(15_000..32_000_u16));
    let bound = ports.find_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok());
    Ok(bound.context("no port is free")?.local_addr()?.to_string())
}

impl HubPlace {
    /// Makes a hub in `dir/hub`, with its kit beside it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn make(program: &str, dir: &Path) -> anyhow::Result<Self> {
        let program = PathBuf::from(program);
        let data = dir.join("hub");
        let arguments = ["init", "--domain", "hungyen.example"];
        let made = done(&program, &arguments, &data).await?;
        let (kit, passphrase) = (dir.join("kit"), dir.join("passphrase"));
        std::fs::rename(data.join("recovery-kit.lienthong"), &kit)?;
        std::fs::write(&passphrase, made["recovery_passphrase"].as_str().context("passphrase")?)?;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600))?;
        let listen = quiet_address()?;
        Ok(Self { program, dir: dir.to_owned(), listen, kit, passphrase })
    }

    /// A place in the province's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Serves a hub's folder where the nodes dial.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn serve(&self, name: &str) -> anyhow::Result<Daemon> {
        let serve = ["serve", "--listen", &self.listen, "--web", "127.0.0.1:0"];
        Daemon::start(&self.program, &serve, &self.path(name)).await
    }

    /// Enrols a unit's node in the folder `name` and runs it.
    ///
    /// # Errors
    /// If the hub refuses.
    pub async fn node(&self, hub: &Daemon, name: &str, unit: &str) -> anyhow::Result<Daemon> {
        let token = self.token(hub, unit).await?;
        let enrol = ["as-node", "enrol", "--hub", &self.listen, "--token", &token];
        done(&self.program, &enrol, &self.path(name)).await?;
        self.run(name).await
    }

    /// Runs an enrolled node.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn run(&self, name: &str) -> anyhow::Result<Daemon> {
        Daemon::start(&self.program, &["as-node", "run"], &self.path(name)).await
    }

    /// A token for a unit.
    ///
    /// # Errors
    /// If the hub refuses.
    pub async fn token(&self, hub: &Daemon, unit: &str) -> anyhow::Result<String> {
        let made = done(&self.program, &["token", "create", "--unit", unit], hub.data()).await?;
        Ok(made["token"].as_str().context("token")?.to_owned())
    }

    /// A command that takes the kit.
    #[must_use]
    pub fn with_kit<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = command.to_vec();
        arguments.extend(["--kit", self.kit.to_str().unwrap_or_default()]);
        arguments.extend(["--passphrase-file", self.passphrase.to_str().unwrap_or_default()]);
        arguments
    }

    /// `restore BACKUP` or `rebuild`, with the kit, where nothing was ever erased.
    #[must_use]
    pub fn successor<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = self.with_kit(command);
        arguments.extend(["--erasures", "none"]);
        arguments
    }

    /// Runs a command of the hub that must do its work.
    ///
    /// # Errors
    /// If it does not.
    pub async fn done(&self, arguments: &[&str], name: &str) -> anyhow::Result<Json> {
        done(&self.program, arguments, &self.path(name)).await
    }

    /// Runs a command of the hub that must be refused.
    ///
    /// # Errors
    /// If it is not.
    pub async fn refused(&self, arguments: &[&str], name: &str) -> anyhow::Result<String> {
        refused(&self.program, arguments, &self.path(name)).await
    }
}
