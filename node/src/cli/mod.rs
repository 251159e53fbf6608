//! The command line of the node.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod daemon;
mod doctor;
mod door;
mod enrol;
mod export;
mod human;
mod import;
mod key;
mod password;
mod proxy;
mod receipt;
mod records;
mod recover;
mod verify;
mod waiting;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser as _;
use futures::future::LocalBoxFuture;

use args::QuarantineAction;
pub use args::{ApiTokenAction, Cli, Command, KEYS};
use daemon::{PageService, Place, Services, daemon};
use door::{Door, asked_or};
pub use export::{Export, ExportFormat};
pub use human::{Tongue, print_answer, say, table};
pub use import::Import;
pub use key::{KeyAction, KeyArguments, given, new_key, new_pair, private_key, recipient};
pub use proxy::ProxyArguments;
pub use records::{Hear, RecordAction, RecordsCommand, day};
pub use waiting::{second_signal, settled, stopped};

use crate::api::{ApiTokens, LoopbackAddress};
use crate::app::system_clock;
use crate::config::Config;
use crate::identity::NodeIdentity;
use crate::published::in_force;
use crate::service::Request;
use crate::web::{Officers, PageRequest};

/// The whole program over its arguments, on threads of its own.
#[must_use]
pub fn program(arguments: Vec<std::ffi::OsString>) -> std::process::ExitCode {
    let cli = Cli::parse_from(arguments);
    let tongue = Tongue::of(cli.lang.as_deref());
    match on_threads(run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error, tongue);
            std::process::ExitCode::FAILURE
        }
    }
}

/// Runs a program's work on as many threads as there are processors.
///
/// # Errors
/// The work's, or the operating system's if it has no thread to give.
pub fn on_threads(work: LocalBoxFuture<'_, anyhow::Result<u8>>) -> anyhow::Result<u8> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Runs a command; returns the exit code.
///
/// # Errors
/// What went wrong, for people.
// Boxed here, it is compiled once, and not again in each program that calls it.
pub fn run(cli: Cli) -> LocalBoxFuture<'static, anyhow::Result<u8>> {
    Box::pin(command(cli))
}

async fn command(cli: Cli) -> anyhow::Result<u8> {
    let config = Config::read(cli.config.as_deref(), &KEYS)?;
    let (format, filter) = (cli.log_format.as_deref(), cli.log_filter.as_deref());
    traces(format.or(config.text("log_format")), filter.or(config.text("log_filter")))?;
    let tongue = Tongue::of(cli.lang.as_deref().or(config.text("lang")));
    let data = config.path(cli.data.as_ref(), "data").unwrap_or_else(|| PathBuf::from("lienthong-data"));
    let folder = |given: Option<&PathBuf>| config.path(given, "catalogue");
    let keys = || cli.keys.load(&config);
    match &cli.command {
        Command::Enrol(enrol) => enrol.run(&data, &config, cli.json, tongue).await,
        Command::Recover(recover) => recover.run(&data, &config, &keys()?, cli.json, tongue).await,
        Command::Doctor(doctor) => doctor.run(&data, &config, &cli.keys, cli.json, tongue).await,
        Command::Run { catalogue, inbox, api, web, metrics, proxy } => {
            let web = config.pick(web.as_deref(), "web", "");
            let services = Services {
                inbox: config.path(inbox.as_ref(), "inbox").unwrap_or_else(|| data.join("inbox")),
                api: loopback(&config, api.as_deref(), "api")?,
                metrics: loopback(&config, metrics.as_deref(), "metrics")?,
                web: if web.is_empty() { None } else { Some(PageService::new(web.parse()?)) },
                proxy: proxy.proxy(&config)?,
            };
            let place = Place { data: &data, overrides: folder(catalogue.as_ref()), keys: &cli.keys };
            daemon(place, &config, services, tongue).await
        }
        Command::ApiToken { action } => {
            let request = action.request();
            let asked = Request::ApiTokens(request.clone());
            let kept = || ApiTokens::of(&data).answer(&request, system_clock());
            let answer = asked_or(&data, &asked, "lienthong-node api-token", kept).await?;
            print_answer(&answer, "api-token", cli.json, tongue);
            Ok(answer.exit)
        }
        Command::Officer { action } => {
            let request = action.request()?;
            let asked = Request::Page(PageRequest::Officers(request.clone()));
            let kept = || Officers::of(&data).answer(&request, system_clock());
            let answer = asked_or(&data, &asked, "lienthong-node officer", kept).await?;
            print_answer(&answer, "officer", cli.json, tongue);
            Ok(answer.exit)
        }
        Command::Verify(verify) => {
            let answer = verify.run(&data, cli.json, tongue)?;
            print_answer(&answer, "verify", cli.json, tongue);
            Ok(answer.exit)
        }
        Command::Receipt(receipt) => {
            let answer = receipt.run(&data)?;
            print_answer(&answer, "receipt", cli.json, tongue);
            Ok(answer.exit)
        }
        Command::Check => {
            let identity = NodeIdentity::load(&data)?.context("máy chưa ghi danh · not enrolled")?;
            let nothing = std::collections::BTreeMap::new();
            let answer =
                crate::check::check_against(&data, identity.replica(), &nothing, &keys()?, &|_, _| {});
            print_answer(&answer, "check", cli.json, tongue);
            Ok(answer.exit)
        }
        Command::Key { action: action @ (KeyAction::New { file } | KeyAction::Pair { file }) } => {
            let one = matches!(action, KeyAction::New { .. });
            let answer = if one { new_key(file)? } else { new_pair(file)? };
            print_answer(&answer, "key", cli.json, tongue);
            Ok(answer.exit)
        }
        command => {
            let overrides = folder(None);
            let proxy = match command {
                Command::Sync { proxy, .. } => proxy.proxy(&config)?,
                _ => None,
            };
            let mut door = Door::open(&data, overrides.as_deref(), proxy.as_ref(), keys).await?;
            let answer = match command {
                Command::Records(command) => {
                    let ask =
                        async |request, hear: &mut Hear<'_>| door.ask(Request::Records(request), hear).await;
                    command.run(in_force(&data, overrides.as_deref())?.as_ref(), tongue, ask).await
                }
                Command::Key { action: KeyAction::Rotate { tls: true, .. } } => {
                    door.ask(Request::KeyRotateTls, &mut |_| {}).await
                }
                Command::Key { action: KeyAction::Rotate { wait, .. } } => match given(&cli.keys, &config) {
                    Ok(keys) => {
                        // Without a daemon it is done here, or not at all.
                        let wait = *wait || matches!(door, Door::Folder(_));
                        door.ask(Request::KeyRotate { keys, wait }, &mut |_| {}).await
                    }
                    Err(error) => Err(error),
                },
                command => match request(command, &config) {
                    Ok(request) => door.ask(request, &mut |_| {}).await,
                    Err(error) => Err(error),
                },
            };
            door.close().await;
            let answer = answer?;
            print_answer(&answer, command.name(), cli.json, tongue);
            Ok(answer.exit)
        }
    }
}

/// An address only this machine reaches, if one is given or configured.
fn loopback(config: &Config, given: Option<&str>, key: &str) -> anyhow::Result<Option<LoopbackAddress>> {
    match config.pick(given, key, "") {
        none if none.is_empty() => Ok(None),
        some => Ok(Some(some.parse().with_context(|| key.to_owned())?)),
    }
}

fn request(command: &Command, config: &Config) -> anyhow::Result<Request> {
    Ok(match command {
        Command::Status => Request::Status,
        Command::Sync { .. } => Request::Sync,
        Command::Grants { page } => Request::Grants { page: page.clone() },
        Command::Defects { record_type, page } => {
            Request::Defects { record_type: record_type.clone(), page: page.clone() }
        }
        Command::Notices { page } => Request::Notices { page: page.clone() },
        Command::Quarantine { action: QuarantineAction::List { page } } => {
            Request::Quarantine { page: page.clone() }
        }
        Command::Log { action } => action.request()?,
        Command::Backup { to, recipient } => {
            let recipient = key::recipient(recipient.as_deref(), config)?;
            Request::Backup { to: std::path::absolute(to)?, recipient }
        }
        Command::ApiToken { action } => Request::ApiTokens(action.request()),
        Command::Open => Request::Page(PageRequest::Open { author: author() }),
        Command::Enrol(_)
        | Command::Recover(_)
        | Command::Run { .. }
        | Command::Officer { .. }
        | Command::Check
        | Command::Verify(_)
        | Command::Receipt(_)
        | Command::Key { .. }
        | Command::Doctor(_)
        | Command::Records(_) => Request::Status,
    })
}

/// The operating-system user who gives a command.
#[must_use]
pub fn author() -> String {
    std::env::var("USER").unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Writes traces to standard error as `text` (the default) or `json`, a document a line; those the filter lets
/// through, warnings by default.
///
/// # Errors
/// Another format, or a filter that is none.
pub fn traces(format: Option<&str>, filter: Option<&str>) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter.unwrap_or("warn")).context("log_filter")?;
    let traces = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Where something writes them already, it goes on.
    let _ = match format.unwrap_or("text") {
        "text" => traces.try_init(),
        "json" => traces.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        other => anyhow::bail!("log_format: {other}: text | json"),
    };
    Ok(())
}

/// Says an error and its causes on standard error.
pub fn complain(error: &anyhow::Error, tongue: Tongue) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let cause = human::localised(&cause.to_string(), tongue).to_owned();
        // Many an error says its cause itself.
        if causes.last().is_none_or(|said| !said.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    eprintln!("{}", causes.join(": "));
}
