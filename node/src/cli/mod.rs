//! The command line of the node.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod doctor;
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

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use futures::future::LocalBoxFuture;

use args::QuarantineAction;
pub use args::{ApiTokenAction, Cli, Command, KEYS};
pub use export::{Export, ExportFormat};
pub use human::{Tongue, print_answer, say, table};
pub use import::Import;
pub use key::{KeyAction, KeyArguments, given, new_key, new_pair, private_key, recipient};
pub use proxy::ProxyArguments;
pub use records::{Hear, RecordAction, RecordsCommand, day};

use crate::api::{ApiTokens, LoopbackAddress};
use crate::app::{Node, system_clock};
use crate::at_rest::{KeyRing, KeySourceError};
use crate::config::Config;
use crate::control::{self, Answer};
use crate::identity::{NodeIdentity, Proxy};
use crate::lock::DataLock;
use crate::notify;
use crate::published::in_force;
use crate::service::Request;
use crate::sync::Settings;
use crate::web::{self, Officers, Page, PageRequest, WebAddress, WebLimits};

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

/// What the running daemon answers; without one, what `kept` does to a file of the folder.
async fn asked_or(
    data: &Path,
    asked: &Request,
    who: &str,
    kept: impl FnOnce() -> Answer,
) -> anyhow::Result<Answer> {
    if let Some(answer) = control::call(data, asked).await.context("control.sock")? {
        return Ok(answer);
    }
    NodeIdentity::load(data)?.context("máy chưa ghi danh · not enrolled")?;
    // No daemon may start and read while the file changes.
    let _lock = DataLock::take(data, who)?;
    Ok(kept())
}

/// An address only this machine reaches, if one is given or configured.
fn loopback(config: &Config, given: Option<&str>, key: &str) -> anyhow::Result<Option<LoopbackAddress>> {
    match config.pick(given, key, "") {
        none if none.is_empty() => Ok(None),
        some => Ok(Some(some.parse().with_context(|| key.to_owned())?)),
    }
}

/// How long a folder that was closed may still be held.
const LET_GO: std::time::Duration = std::time::Duration::from_secs(30);

/// What a daemon serves besides its control socket.
struct Services {
    inbox: PathBuf,
    api: Option<LoopbackAddress>,
    metrics: Option<LoopbackAddress>,
    web: Option<PageService>,
    proxy: Option<Proxy>,
}

/// The officers' page: who is at it stays so when the node opens anew.
struct PageService {
    listen: WebAddress,
    page: Option<Arc<Page>>,
}

impl PageService {
    fn new(listen: WebAddress) -> Self {
        Self { listen, page: None }
    }

    /// Serves it; from then on at the very address that was taken.
    async fn serve(&mut self, node: &Arc<Node>, again: bool) -> anyhow::Result<()> {
        // The folder is ours only now.
        let page = match &self.page {
            Some(page) => Arc::clone(page),
            None => Arc::clone(self.page.insert(Page::new(&node.data, WebLimits::default())?)),
        };
        let listen = self.listen;
        let address = settled(again, async || Ok(web::serve(node, &page, listen).await?)).await?;
        self.listen = address.to_string().parse()?;
        Ok(())
    }
}

/// A node's folder, the one with catalogue files over the published ones, and where its keys are.
struct Place<'a> {
    data: &'a Path,
    overrides: Option<PathBuf>,
    keys: &'a KeyArguments,
}

async fn daemon(
    Place { data, overrides, keys }: Place<'_>,
    config: &Config,
    mut services: Services,
    tongue: Tongue,
) -> anyhow::Result<u8> {
    let overrides = overrides.as_deref();
    services.inbox = std::path::absolute(services.inbox)?;
    // One for all rounds: no signal falls between two.
    let mut stopped = std::pin::pin!(stopped());
    let mut ring = keys.load(config)?;
    let open = |proxy: Option<&Proxy>, keys: &KeyRing| -> anyhow::Result<_> {
        Ok(Node::open_through(data, in_force(data, overrides)?, system_clock, proxy, keys)?)
    };
    let mut node = open(services.proxy.as_ref(), &ring)?;
    let mut again = false;
    loop {
        let served = serve(&node, &services, again).await?;
        if let Some(page) = &mut services.web {
            page.serve(&node, again).await?;
        }
        notify::ready();
        let name = &node.identity.profile().unit_name;
        eprintln!("{}", tongue.pick(&format!("{name}: đang chạy"), &format!("{name}: running")));
        if !again {
            say_page(&node, tongue);
        }
        if let Some(address) = served {
            eprintln!("API: http://{address}/v1/openapi.json");
            services.api = Some(address.to_string().parse()?);
        }
        if let Some(address) = node.addresses.read().get("metrics") {
            // Opened anew, it is served where it was.
            services.metrics = Some(address.parse()?);
        }
        tokio::select! {
            stopped = &mut stopped => stopped?,
            () = node.superseded.cancelled() => {
                eprintln!("{}", tongue.pick("có thay đổi phải mở lại…", "something changed: opening anew…"));
                node.close().await;
                // What a service was given at its start may be older than the key in force.
                ring = node.replica.reader().keys();
                drop(node);
                again = true;
                let anew = async || open(services.proxy.as_ref(), &ring);
                node = tokio::select! {
                    stopped = &mut stopped => return stopped.map(|()| 0),
                    opened = settled(again, anew) => opened?,
                };
                continue;
            }
        }
        eprintln!("{}", tongue.pick("đang dừng…", "stopping…"));
        notify::stopping();
        tokio::spawn(second_signal());
        node.close().await;
        return Ok(0);
    }
}

/// Where the page is. A link that opens it is printed to a person only: what is kept of a service's output may be read
/// by others.
fn say_page(node: &Node, tongue: Tongue) {
    let answer = node.page_answer(&PageRequest::Open { author: author() });
    let Some(url) = answer.body.get("url").and_then(serde_json::Value::as_str) else { return };
    let fingerprint = answer.body.get("certificate_sha256").and_then(serde_json::Value::as_str);
    match fingerprint {
        Some(fingerprint) => eprintln!("{}: {url}\nSHA-256: {fingerprint}", tongue.pick("Trang", "Page")),
        None if std::io::stderr().is_terminal() => {
            let until = tongue.pick("dùng một lần, trong 10 phút", "good once, for 10 minutes");
            eprintln!("{} ({until}): {url}", tongue.pick("Trang", "Page"));
        }
        None => eprintln!("{}", tongue.pick("Trang: lienthong-node open", "Page: lienthong-node open")),
    }
}

/// Serves one opening of a node.
async fn serve(
    node: &Arc<Node>,
    services: &Services,
    again: bool,
) -> anyhow::Result<Option<std::net::SocketAddr>> {
    for remark in &node.remarks {
        tracing::warn!("{remark}");
    }
    let served = match services.api {
        Some(listen) => Some(settled(again, async || Ok(crate::api::serve(node, listen).await?)).await?),
        None => None,
    };
    if let Some(listen) = services.metrics {
        settled(again, async || Ok(crate::observe::serve(node, listen).await?)).await?;
    }
    let handler = Arc::clone(node);
    let handle: control::Handler<Request, _> =
        Arc::new(move |request, caller| Arc::clone(&handler).execute(request, caller.tell));
    control::serve(&node.data, handle, &node.serving).context("control.sock")?;
    node.start_sync(Settings::default());
    node.start_inbox(&services.inbox).context("inbox")?;
    node.start_judging().context("quality")?;
    node.resealer.start().context("at_rest")?;
    crate::observe::watch_jobs(node).context("watchdog")?;
    Ok(served)
}

/// Takes a folder or an address. One that this process has just let go of (`again`) is held a little longer by whoever
/// still answers somebody.
///
/// # Errors
/// What taking it says, if that goes on for half a minute.
pub async fn settled<T>(again: bool, take: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = std::time::Instant::now();
    loop {
        match take().await {
            Err(_) if again && begun.elapsed() < LET_GO => tokio::time::sleep(LET_GO / 600).await,
            opened => return opened,
        }
    }
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

/// The way to a node: its running daemon, or its folder opened for the one command.
enum Door {
    Daemon(control::Connection),
    Folder(Arc<Node>),
    Unenrolled,
}

impl Door {
    async fn open(
        data: &Path,
        overrides: Option<&Path>,
        proxy: Option<&Proxy>,
        keys: impl Fn() -> Result<KeyRing, KeySourceError>,
    ) -> anyhow::Result<Self> {
        if let Some(connection) = control::Connection::open(data).await.context("control.sock")? {
            return Ok(Self::Daemon(connection));
        }
        if NodeIdentity::load(data)?.is_none() {
            return Ok(Self::Unenrolled);
        }
        let catalogue = in_force(data, overrides)?;
        Ok(Self::Folder(Node::open_through(data, catalogue, system_clock, proxy, &keys()?)?))
    }

    async fn ask(&mut self, request: Request, hear: &mut Hear<'_>) -> anyhow::Result<Answer> {
        match self {
            Self::Daemon(connection) => connection.ask_hearing(&request, hear).await.context("control.sock"),
            Self::Folder(node) => {
                if matches!(request, Request::Sync) {
                    node.start_sync(Settings::default());
                }
                let node = Arc::clone(node);
                Ok(control::hearing(hear, |tell| node.execute(request, tell)).await)
            }
            Self::Unenrolled if matches!(request, Request::Status) => {
                Ok(Answer::done(crate::service::unenrolled()))
            }
            Self::Unenrolled => anyhow::bail!("máy chưa ghi danh · not enrolled"),
        }
    }

    async fn close(self) {
        if let Self::Folder(node) = self {
            node.close().await;
        }
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
