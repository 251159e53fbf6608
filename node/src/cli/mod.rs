//! The command line of the node.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod human;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use lienthong_proto::catalogue::Catalogue;

use args::QuarantineAction;
pub use args::{Cli, Command};
pub use human::{Tongue, print_answer, say, table};

use crate::app::{Node, system_clock};
use crate::config::Config;
use crate::control::{self, Answer};
use crate::identity::{NodeIdentity, Token, enrol};
use crate::records::Listing;
use crate::recover;
use crate::service::Request;
use crate::sync::Settings;

/// Runs a command; returns the exit code.
///
/// # Errors
/// What went wrong, for people.
pub async fn run(cli: Cli) -> anyhow::Result<u8> {
    let config = Config::read(cli.config.as_deref(), &["data", "lang", "catalogue"])?;
    let tongue = Tongue::of(cli.lang.as_deref().or(config.text("lang")));
    let data = config.path(cli.data.as_ref(), "data").unwrap_or_else(|| PathBuf::from("lienthong-data"));
    let folder = |given: Option<&PathBuf>| config.path(given, "catalogue");
    match &cli.command {
        Command::Enrol { hub, token } => {
            let token: Token = token.parse()?;
            std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
            let profile = enrol(&data, hub, &token).await?;
            let root = lienthong_proto::fingerprint::words(&token.root);
            let body = serde_json::json!({
                "unit": profile.unit,
                "unit_name": profile.unit_name,
                "role": profile.role,
                "replica": profile.replica,
                "fingerprint": root,
            });
            print_answer(&Answer::done(body), "enrol", cli.json, tongue);
            Ok(0)
        }
        Command::Recover { hub, token } => {
            let token: Option<Token> = token.as_deref().map(str::parse).transpose()?;
            std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
            let unfinished = data.join(recover::RECOVERING).exists();
            let report = if token.is_some() || unfinished {
                recover::replace(
                    &data,
                    hub.as_deref(),
                    token.as_ref(),
                    catalogue(folder(None).as_deref())?,
                    system_clock,
                )
                .await?
            } else {
                recover::in_place(&data).await?
            };
            print_answer(&Answer::done(serde_json::to_value(report)?), "recover", cli.json, tongue);
            Ok(0)
        }
        Command::Run { catalogue } => daemon(&data, folder(catalogue.as_ref()).as_deref(), tongue).await,
        Command::Check => {
            let identity = NodeIdentity::load(&data)?.context("máy chưa ghi danh · not enrolled")?;
            let answer = crate::check::check(&data, identity.replica());
            print_answer(&answer, "check", cli.json, tongue);
            Ok(answer.exit)
        }
        command => {
            let request = request(command, &data, tongue)?;
            let answer = ask(&data, folder(None).as_deref(), request).await?;
            if matches!(command, Command::Export { out: None, .. }) && answer.exit == 0 {
                pass_on(&passing_file(&data))?;
                return Ok(0);
            }
            print_answer(&answer, command.name(), cli.json, tongue);
            Ok(answer.exit)
        }
    }
}

/// The catalogue that comes with the program, with a folder's files over it.
///
/// # Errors
/// If a file of the folder is at fault.
pub fn catalogue(overrides: Option<&Path>) -> anyhow::Result<Arc<Catalogue>> {
    let Some(folder) = overrides else { return Ok(Arc::new(Catalogue::embedded()?.clone())) };
    let mut files = Vec::new();
    for kind in ["codes", "records", "units"] {
        let Ok(entries) = std::fs::read_dir(folder.join(kind)) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.push((format!("{kind}/{name}"), text));
        }
    }
    Ok(Arc::new(Catalogue::with_overrides(files)?))
}

async fn daemon(data: &Path, overrides: Option<&Path>, tongue: Tongue) -> anyhow::Result<u8> {
    let node = Node::open(data, catalogue(overrides)?, system_clock)?;
    for remark in &node.remarks {
        tracing::warn!("{remark}");
    }
    let handler = Arc::clone(&node);
    let handle: control::Handler<Request, _> =
        Arc::new(move |request, _| Arc::clone(&handler).execute(request));
    control::serve(data, handle, node.stop.clone()).context("control.sock")?;
    node.start_sync(Settings::default());
    let name = &node.identity.profile().unit_name;
    eprintln!("{}", tongue.pick(&format!("{name}: đang chạy"), &format!("{name}: running")));
    stopped().await?;
    eprintln!("{}", tongue.pick("đang dừng…", "stopping…"));
    tokio::spawn(second_signal());
    node.close().await;
    Ok(0)
}

/// The first interrupt or termination.
///
/// # Errors
/// If signals cannot be had.
pub async fn stopped() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// A second signal does not wait.
pub async fn second_signal() {
    if stopped().await.is_ok() {
        std::process::exit(1);
    }
}

/// Asks the running daemon, or opens the folder for this one request.
async fn ask(data: &Path, overrides: Option<&Path>, request: Request) -> anyhow::Result<Answer> {
    if let Some(answer) = control::call(data, &request).await.context("control.sock")? {
        return Ok(answer);
    }
    if matches!(request, Request::Status) && NodeIdentity::load(data)?.is_none() {
        let body = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "unit": null, "replica": null, "hub": null, "addresses": {},
            "state": "unenrolled", "log": null, "acknowledged": 0, "pending": 0, "defects": null,
            "quarantined": 0, "last_sync": null,
        });
        return Ok(Answer::done(body));
    }
    let node = Node::open(data, catalogue(overrides)?, system_clock)?;
    if matches!(request, Request::Sync) {
        node.start_sync(Settings::default());
    }
    let answer = Arc::clone(&node).execute(request).await;
    node.close().await;
    Ok(answer)
}

fn request(command: &Command, data: &Path, tongue: Tongue) -> anyhow::Result<Request> {
    let passing = passing_file(data);
    let english = tongue == Tongue::En;
    let absolute = |path: &PathBuf| std::path::absolute(path).with_context(|| path.display().to_string());
    Ok(match command {
        Command::Status => Request::Status,
        Command::Sync { .. } => Request::Sync,
        Command::Import { file, record_type, dry_run } => Request::Import {
            path: absolute(file)?,
            record_type: record_type.clone(),
            dry_run: *dry_run,
            author: author(),
            english,
        },
        Command::Put { file, record_type } => Request::Put {
            values: read_values(file)?,
            record_type: record_type.clone(),
            author: author(),
            english,
        },
        Command::Record { action } => action.request(),
        Command::Export { record_type, format, out, unit } => Request::Export {
            record_type: record_type.clone(),
            format: format.clone(),
            out: absolute(out.as_ref().unwrap_or(&passing))?,
            listing: Listing { unit: unit.as_deref().map(str::parse).transpose()?, ..Listing::default() },
        },
        Command::Notices { page } => Request::Notices { page: page.clone() },
        Command::Quarantine { action: QuarantineAction::List { page } } => {
            Request::Quarantine { page: page.clone() }
        }
        Command::Log { action } => action.request()?,
        Command::Enrol { .. } | Command::Recover { .. } | Command::Run { .. } | Command::Check => {
            Request::Status
        }
    })
}

/// Where an export stands that goes to standard output: in the data folder, which nobody else may read.
#[must_use]
pub fn passing_file(data: &Path) -> PathBuf {
    data.join(format!("export-{}.tmp", std::process::id()))
}

/// Copies an export to standard output and removes it.
///
/// # Errors
/// If it cannot be read; a reader that left is no fault.
pub fn pass_on(path: &Path) -> anyhow::Result<()> {
    let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    std::fs::remove_file(path)?;
    match std::io::copy(&mut file, &mut std::io::stdout().lock()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One JSON object, an array of them, or one a line; `-` is standard input.
///
/// # Errors
/// If it cannot be read.
pub fn read_values(file: &str) -> anyhow::Result<Vec<serde_json::Value>> {
    let text = if file == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file).with_context(|| file.to_owned())?
    };
    if let Ok(serde_json::Value::Array(values)) = serde_json::from_str(&text) {
        return Ok(values);
    }
    if let Ok(value) = serde_json::from_str(&text) {
        return Ok(vec![value]);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(|line| serde_json::from_str(line).unwrap_or(serde_json::Value::Null)).collect())
}

/// The operating-system user who gives a command.
#[must_use]
pub fn author() -> String {
    std::env::var("USER").unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Writes traces to standard error; `LIENTHONG_LOG` filters them.
pub fn traces() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LIENTHONG_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Says an error and its causes on standard error.
pub fn complain(error: &anyhow::Error, tongue: Tongue) {
    let causes: Vec<String> =
        error.chain().map(|cause| human::localised(&cause.to_string(), tongue).to_owned()).collect();
    eprintln!("{}", causes.join(": "));
}
