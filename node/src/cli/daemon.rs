//! The daemon: a node that is served until it is told to stop.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::{KeyArguments, Tongue, author, second_signal, settled, stopped};
use crate::api::LoopbackAddress;
use crate::app::{Node, system_clock};
use crate::at_rest::KeyRing;
use crate::config::Config;
use crate::control;
use crate::identity::Proxy;
use crate::notify;
use crate::published::in_force;
use crate::service::Request;
use crate::sync::Settings;
use crate::web::{self, Page, PageRequest, WebAddress, WebLimits};

/// What a daemon serves besides its control socket.
pub(super) struct Services {
    pub(super) inbox: PathBuf,
    pub(super) api: Option<LoopbackAddress>,
    pub(super) metrics: Option<LoopbackAddress>,
    pub(super) web: Option<PageService>,
    pub(super) proxy: Option<Proxy>,
}

/// The officers' page: who is at it stays so when the node opens anew.
pub(super) struct PageService {
    listen: WebAddress,
    page: Option<Arc<Page>>,
}

impl PageService {
    pub(super) fn new(listen: WebAddress) -> Self {
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
pub(super) struct Place<'a> {
    pub(super) data: &'a Path,
    pub(super) overrides: Option<PathBuf>,
    pub(super) keys: &'a KeyArguments,
}

/// Serves a node until it is told to stop, and opens it anew whenever something asks for that.
pub(super) async fn daemon(
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
