//! The command line of the hub.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod erasing;
mod lineage;
mod reconcile;
mod requests;
mod rotation;
mod sharing;

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use lienthong_node::app::system_clock;
use lienthong_node::at_rest::{KeyRing, KeySourceError};
use lienthong_node::cli::{
    Hear, KeyAction, Tongue, author, given, new_key, new_pair, print_answer, private_key, second_signal,
    settled, stopped,
};
use lienthong_node::config::Config;
use lienthong_node::control::{self, Answer, Caller};
use lienthong_node::notify;
use lienthong_node::published::in_force;
use serde_json::json;

pub(crate) use args::seconds;
use args::{AuthorityAction, LedgerAction, ReceiptKeyAction, SuccessorArguments, UnitAction};
pub use args::{Cli, Command, KEYS};
use requests::request;

use crate::accounts::Credentials;
use crate::alerts::{self, AlertSettings};
use crate::app::Hub;
use crate::demo::{self, DemoOptions};
use crate::ledger::LedgerOptions;
use crate::pki::{HubSecrets, InitOptions, init};
use crate::service::{Asked, CODE_NEEDED, Request};
use crate::succession::{RestoreOptions, rebuild, restore};

/// The whole program over its arguments, on threads of its own.
#[must_use]
pub fn program(arguments: Vec<std::ffi::OsString>) -> std::process::ExitCode {
    let cli = Cli::parse_from(arguments);
    let tongue = Tongue::of(cli.lang.as_deref());
    match lienthong_node::cli::on_threads(Box::pin(run(cli))) {
        Ok(exit) => exit.into(),
        Err(error) => {
            lienthong_node::cli::complain(&error, tongue);
            std::process::ExitCode::FAILURE
        }
    }
}

/// Runs a node's command line; its exit code.
async fn as_node(arguments: &[std::ffi::OsString]) -> u8 {
    let program = std::iter::once(std::ffi::OsString::from("lienthong-node"));
    let cli = lienthong_node::cli::Cli::parse_from(program.chain(arguments.iter().cloned()));
    let tongue = Tongue::of(cli.lang.as_deref());
    let ran = lienthong_node::cli::run(cli).await;
    ran.unwrap_or_else(|error| {
        lienthong_node::cli::complain(&error, tongue);
        1
    })
}

/// The settings of the file named, with traces set up by them.
fn configured(cli: &Cli) -> anyhow::Result<Config> {
    let config = Config::read(cli.config.as_deref(), &[&KEYS[..], &alerts::KEYS[..]].concat())?;
    let (format, filter) = (cli.log_format.as_deref(), cli.log_filter.as_deref());
    let (format, filter) = (format.or(config.text("log_format")), filter.or(config.text("log_filter")));
    lienthong_node::cli::traces(format, filter)?;
    Ok(config)
}

/// Runs a command; returns the exit code.
///
/// # Errors
/// What went wrong, for people.
pub async fn run(cli: Cli) -> anyhow::Result<u8> {
    let config = configured(&cli)?;
    let tongue = Tongue::of(cli.lang.as_deref().or(config.text("lang")));
    let data = config.path(cli.data.as_ref(), "data").unwrap_or_else(|| PathBuf::from("lienthong-hub-data"));
    let keys = || cli.keys.load(&config);
    let answer = match &cli.command {
        Command::Demo { once, tamper, units } => {
            let options = DemoOptions { once: *once, tamper: *tamper, data: cli.data.clone(), units: *units };
            return Box::pin(demo::run(options, tongue)).await;
        }
        Command::AsNode { arguments } => return Ok(as_node(arguments).await),
        Command::Init { province, names, domain } => {
            let options =
                InitOptions { province: province.parse()?, domain: domain.clone(), names: names.clone() };
            lienthong_node::folder::make(&data).with_context(|| data.display().to_string())?;
            let report = init(&data, &options)?;
            Answer::done(json!({
                "province": options.province,
                "replica": report.replica,
                "fingerprint": report.fingerprint,
                "recovery_kit": report.kit.display().to_string(),
                "recovery_passphrase": report.kit_passphrase,
                "administrator": report.administrator,
            }))
        }
        Command::Serve { .. } => return serve_as(&cli, &config, &data, tongue).await,
        Command::Ledger { action: LedgerAction::Verify { full: true } }
            if control::Connection::open(&data).await.context("control.sock")?.is_none() =>
        {
            let secrets = HubSecrets::load(&data)?;
            crate::verify::answer(&data, &secrets, &keys()?, 0)
        }
        Command::Grant { action } if let Some(text) = action.printed()? => {
            lienthong_node::cli::say(&text);
            return Ok(0);
        }
        Command::Check => {
            let secrets = HubSecrets::load(&data)?;
            crate::succession::check(&data, &secrets, &keys()?, &|_, _| {})?
        }
        Command::Restore { backup, identity, how } => {
            let identity = private_key(identity.as_deref())?;
            let options = RestoreOptions { identity, ..successor(&data, how, keys()?)? };
            let catalogue = in_force(&data, config.path(None, "catalogue").as_deref())?;
            Answer::done(serde_json::to_value(restore(backup, &options, catalogue, system_clock)?)?)
        }
        Command::Rebuild { how } => {
            let options = successor(&data, how, keys()?)?;
            let catalogue = in_force(&data, config.path(None, "catalogue").as_deref())?;
            Answer::done(serde_json::to_value(rebuild(&options, catalogue, system_clock)?)?)
        }
        Command::Key { action: KeyAction::New { file } } => new_key(file)?,
        Command::Key { action: KeyAction::Pair { file } } => new_pair(file)?,
        command => {
            let credentials = credentials(&cli)?;
            let overrides = config.path(None, "catalogue");
            let place = Place { data: &data, overrides: overrides.as_deref(), keys: &keys };
            let mut door = Door::open(place).await?;
            let asked = |request| Asked { credentials: credentials.clone(), request };
            let answer = match command {
                Command::Records(command) => {
                    let ask = async |request, hear: &mut Hear<'_>| {
                        door.ask(asked(Request::Records(request)), hear).await
                    };
                    command.run(in_force(&data, overrides.as_deref())?.as_ref(), tongue, ask).await
                }
                Command::Authority { action: AuthorityAction::Rotate { kits } } => {
                    rotation::authority(kits, async |request| door.ask(asked(request), &mut |_| {}).await)
                        .await
                }
                Command::ReceiptKey { action: ReceiptKeyAction::Rotate { kits } } => {
                    rotation::receipt_key(kits, async |request| door.ask(asked(request), &mut |_| {}).await)
                        .await
                }
                Command::Key { action: KeyAction::Rotate { tls: true, .. } } => {
                    let request = Request::CertificateRenew { names: Vec::new(), actor: author() };
                    door.ask(asked(request), &mut |_| {}).await
                }
                Command::Key { action: KeyAction::Rotate { wait, .. } } => match given(&cli.keys, &config) {
                    Ok(keys) => {
                        // Without a daemon it is done here, or not at all.
                        let wait = *wait || matches!(door, Door::Folder(_));
                        door.ask(asked(Request::KeyRotate { keys, wait }), &mut |_| {}).await
                    }
                    Err(error) => Err(error),
                },
                command => match request(command, &config) {
                    Ok(request) => {
                        let mut said = std::time::Instant::now();
                        door.ask(asked(request), &mut |heard| lineage::hear(&heard, &mut said, tongue)).await
                    }
                    Err(error) => Err(error),
                },
            };
            door.close().await;
            answer?
        }
    };
    print(&cli, &answer, tongue);
    Ok(answer.exit)
}

/// Prints what a command came to.
fn print(cli: &Cli, answer: &Answer, tongue: Tongue) {
    if let (Command::Reconcile { .. }, false, true) =
        (&cli.command, cli.json, answer.body.get("state").is_some())
    {
        reconcile::print(&answer.body, tongue);
    } else if let (Command::Unit { .. }, false, true) =
        (&cli.command, cli.json, answer.body.get("kind").is_some())
    {
        lineage::print(&answer.body, tongue);
    } else if let (true, false) = (lists_units(&cli.command) && answer.exit == 0, cli.json) {
        lineage::say_day(&answer.body, tongue);
        lineage::print_list(&answer.body, tongue);
    } else {
        if let (Command::Quality { .. }, false) = (&cli.command, cli.json) {
            lineage::say_day(&answer.body, tongue);
        }
        print_answer(answer, name(&cli.command), cli.json, tongue);
    }
}

/// Whether a command lists units, or what happened to them.
fn lists_units(command: &Command) -> bool {
    match command {
        Command::Status { tree } => tree.is_some(),
        Command::Unit { action: UnitAction::Lineage(lineage) } => lineage.undo.is_none(),
        _ => false,
    }
}

fn successor(data: &Path, how: &SuccessorArguments, keys: KeyRing) -> anyhow::Result<RestoreOptions> {
    Ok(RestoreOptions {
        data: std::path::absolute(data)?,
        kit: how.kit.clone(),
        passphrase: password(Some(&how.passphrase_file), "kit")?,
        names: how.names.clone(),
        after: how.after.clone(),
        erasures: Some(PathBuf::from(&how.erasures)).filter(|_| how.erasures != "none"),
        keys,
        identity: None,
    })
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Records(command) => command.name(),
        Command::Status { tree: None } => "status",
        Command::Quality { .. } => "quality",
        Command::ApiToken { .. } => "api-token",
        _ => "other",
    }
}

/// A hub's folder, the one with catalogue files over the published ones, and where its keys are.
#[derive(Clone, Copy)]
struct Place<'a> {
    data: &'a Path,
    overrides: Option<&'a Path>,
    keys: &'a dyn Fn() -> Result<KeyRing, KeySourceError>,
}

/// Serves as arguments and settings say.
async fn serve_as(cli: &Cli, config: &Config, data: &Path, tongue: Tongue) -> anyhow::Result<u8> {
    let Command::Serve { listen, web, tiles, catalogue } = &cli.command else { return Ok(1) };
    let keys = || cli.keys.load(config);
    let listen = config.pick(listen.as_deref(), "listen", "127.0.0.1:7443");
    let web = config.pick(web.as_deref(), "web", "127.0.0.1:8443");
    let tiles = tiles.clone().or_else(|| config.text("tiles").map(str::to_owned));
    let overrides = config.path(catalogue.as_ref(), "catalogue");
    let alerts = AlertSettings::read(config)?;
    let place = Place { data, overrides: overrides.as_deref(), keys: &keys };
    serve(place, (&listen, &web, tiles), &alerts, tongue).await
}

async fn serve(
    place: Place<'_>,
    (listen, web, mut tiles): (&str, &str, Option<String>),
    alerts: &AlertSettings,
    tongue: Tongue,
) -> anyhow::Result<u8> {
    // One for all rounds: no signal falls between two.
    let mut stopped = std::pin::pin!(stopped());
    let (mut listen, mut web) = (listen.to_owned(), web.to_owned());
    let mut ring = (place.keys)()?;
    let mut hub = opened(place, &ring)?;
    let mut again = false;
    loop {
        (listen, web) = serve_once(&hub, (&listen, &web), again, tongue).await?;
        if let Some(asked) = &tiles {
            tiles = Some(settled(again, async || Ok(hub.serve_tiles(asked).await?)).await?.to_string());
        }
        hub.keep_watch(alerts.clone()).context("alerts")?;
        tokio::select! {
            stopped = &mut stopped => stopped?,
            () = hub.superseded.cancelled() => {
                eprintln!("{}", tongue.pick("có thay đổi phải mở lại…", "something changed: opening anew…"));
                hub.close().await;
                // What a service was given at its start may be older than the key in force.
                ring = hub.reader.keys();
                drop(hub);
                again = true;
                hub = tokio::select! {
                    stopped = &mut stopped => return stopped.map(|()| 0),
                    opened = settled(again, async || opened(place, &ring)) => opened?,
                };
                continue;
            }
        }
        eprintln!("{}", tongue.pick("đang dừng…", "stopping…"));
        notify::stopping();
        tokio::spawn(second_signal());
        hub.close().await;
        return Ok(0);
    }
}

/// Serves one opening of a hub; the addresses it serves at.
async fn serve_once(
    hub: &Arc<Hub>,
    (listen, web): (&str, &str),
    again: bool,
    tongue: Tongue,
) -> anyhow::Result<(String, String)> {
    for remark in &hub.remarks {
        tracing::warn!("{remark}");
    }
    let released = hub.release_known_types().await;
    if released > 0 {
        tracing::info!(released, "changes left quarantine: the catalogue knows their type now");
    }
    hub.keep_units();
    hub.resealer.start().context("at_rest")?;
    // An opening before this one lets go of its addresses when its last answer is given.
    let nodes = settled(again, async || Ok(hub.listen(listen).await?)).await?;
    let pages = settled(again, async || Ok(hub.serve_web(web).await?)).await?;
    let handler = Arc::clone(hub);
    let handle: control::Handler<Asked, _> =
        Arc::new(move |asked, caller| Arc::clone(&handler).execute_as(asked, caller));
    control::serve(&hub.data, handle, &hub.serving).context("control.sock")?;
    notify::ready();
    let vi = format!("đang phục vụ các đơn vị tại {nodes}, trang web: {pages}/");
    let en = format!("serving nodes at {nodes}, pages: {pages}/");
    eprintln!("{}", tongue.pick(&vi, &en));
    Ok((nodes.to_string(), pages.to_string()))
}

fn opened(Place { data, overrides, .. }: Place<'_>, keys: &KeyRing) -> anyhow::Result<Arc<Hub>> {
    let options = LedgerOptions { keys: keys.clone(), ..LedgerOptions::default() };
    let hub = Hub::open(data, in_force(data, overrides)?, &options, system_clock)?;
    if let Some(folder) = overrides {
        let _ = hub.catalogue_folder.set(std::path::absolute(folder)?);
    }
    Ok(hub)
}

/// The way to a hub: its running daemon, or its folder opened for the one command.
enum Door {
    Daemon(control::Connection),
    Folder(Arc<Hub>),
}

impl Door {
    async fn open(place: Place<'_>) -> anyhow::Result<Self> {
        if let Some(connection) = control::Connection::open(place.data).await.context("control.sock")? {
            return Ok(Self::Daemon(connection));
        }
        Ok(Self::Folder(opened(place, &(place.keys)()?)?))
    }

    /// Asks; who needs a code beside the password is asked for it, if somebody sits there.
    async fn ask(&mut self, asked: Asked, hear: &mut Hear<'_>) -> anyhow::Result<Answer> {
        let typed = asked.credentials.is_some() && std::io::stdin().is_terminal();
        let again = typed.then(|| asked.clone());
        let answer = self.ask_once(asked, hear).await?;
        match again {
            Some(mut again) if answer.body.get("rule").is_some_and(|rule| rule == CODE_NEEDED) => {
                let code = rpassword::prompt_password("mã xác thực · code: ")?;
                if let Some(credentials) = &mut again.credentials {
                    credentials.code = Some(code);
                }
                self.ask_once(again, hear).await
            }
            _ => Ok(answer),
        }
    }

    async fn ask_once(&mut self, asked: Asked, hear: &mut Hear<'_>) -> anyhow::Result<Answer> {
        match self {
            Self::Daemon(connection) => connection.ask_hearing(&asked, hear).await.context("control.sock"),
            Self::Folder(hub) => {
                let hub = Arc::clone(hub);
                let asking = |tell| hub.execute_as(asked, Caller { tell, ..Caller::own() });
                Ok(control::hearing(hear, asking).await)
            }
        }
    }

    async fn close(self) {
        if let Self::Folder(hub) = self {
            hub.close().await;
        }
    }
}

/// `--as USER`, with a password from a file or typed.
fn credentials(cli: &Cli) -> anyhow::Result<Option<Credentials>> {
    let Some(user) = cli.as_user.clone() else { return Ok(None) };
    let password = password(cli.password_file.as_deref(), &user)?;
    Ok(Some(Credentials { user, password, code: None }))
}

/// A password: the first line of a file only its owner can read, or typed.
fn password(file: Option<&Path>, user: &str) -> anyhow::Result<String> {
    let Some(path) = file else {
        return Ok(rpassword::prompt_password(format!("{user}: "))?);
    };
    let mode = std::fs::metadata(path).with_context(|| path.display().to_string())?.mode();
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{}: chỉ chủ tệp được đọc (chmod 600) · only its owner may read it (chmod 600)",
        path.display()
    );
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
