//! The node's page: what an officer sees and does in a browser.
//!
//! A request's way: the connection is one of a few (`serving`); `guard` looks at the host it names, at the page it
//! was sent from and at whose session it is; forms are read in bounded time and must carry the session's token
//! (`form`); a page then asks the node what the command line asks, so that all doors judge alike.
//!
//! On a loopback address the page opens by a link that is good once (`lienthong-node open`), for the
//! operating-system user who asked for it. On any other address it is served over TLS alone, to officers with a
//! password each (`lienthong-node officer add`). Pages work without the script.

mod attempts;
mod certificate;
mod defects;
mod edit;
mod edit_form;
mod entrance;
mod form;
mod granted;
mod guard;
mod import;
mod import_page;
mod live;
mod notices;
mod officers;
mod receipt;
mod receive;
mod record;
mod records;
mod refusal;
mod sessions;
mod shown;
mod start;
mod tasks;
mod templates;
mod uploads;
mod view;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, any, get, post};
use axum::{Router, middleware};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::app::Node;
use crate::control::Answer;
use crate::serving::HttpServing;
use attempts::Attempts;
use certificate::PageCertificate;
use sessions::{LINK_MILLIS, Sessions};
use uploads::Uploads;

pub use certificate::CertificateError;
pub use officers::{OfficerError, OfficerRequest, Officers};

/// Connections at once: a committee has a handful of browsers, each with a handful of connections.
const CONNECTIONS_MAX: usize = 64;
/// A large sheet over a slow office network takes its time.
const CONNECTION_TIME: Duration = Duration::from_secs(900);
/// Browsers that follow the state live at once.
const LIVE_MAX: usize = 16;
/// Bytes of a form: several long texts, as a browser encodes Vietnamese.
const FORM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The setting is no address.
    #[error("web: “{0}” không phải địa chỉ như 127.0.0.1:8080 · is no address like 127.0.0.1:8080")]
    Address(String),
    /// The officers cannot be read.
    #[error(transparent)]
    Officers(#[from] OfficerError),
    /// There is no TLS to serve others with.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The address is not to be had, or the folder for files on their way.
    #[error("web: {what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Where the page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebAddress(SocketAddr);

impl FromStr for WebAddress {
    type Err = WebError;

    fn from_str(text: &str) -> Result<Self, WebError> {
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let local = local.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let address = local.or_else(|| text.parse().ok());
        address.map(Self).ok_or_else(|| WebError::Address(text.to_owned()))
    }
}

/// Bounds of what is sent to the page.
#[derive(Debug, Clone, Copy)]
pub struct WebLimits {
    /// Bytes of one file.
    pub upload_bytes_max: u64,
}

impl Default for WebLimits {
    fn default() -> Self {
        // Ten times the largest sheet a commune has sent; the watched folder takes larger ones.
        Self { upload_bytes_max: 128 * 1024 * 1024 }
    }
}

/// What outlives an opening of the node: who is at the page, and which files are on their way.
pub struct Page {
    limits: WebLimits,
    sessions: Sessions,
    attempts: Mutex<Attempts>,
    uploads: Uploads,
    /// Where it is served: what links begin with.
    base: Mutex<Option<Base>>,
}

/// What the page's addresses begin with, and what proves it.
#[derive(Debug, Clone)]
struct Base {
    address: SocketAddr,
    fingerprint: Option<String>,
}

impl Page {
    /// The page of a data folder. Files a stopped process left on their way are removed.
    ///
    /// # Errors
    /// [`WebError::Io`] if the folder for files on their way is not to be had.
    pub fn new(data: &Path, limits: WebLimits) -> Result<Arc<Self>, WebError> {
        let io = |source| WebError::Io { what: "page.work".to_owned(), source };
        Ok(Arc::new(Self {
            limits,
            sessions: Sessions::default(),
            attempts: Mutex::default(),
            uploads: Uploads::open(data).map_err(io)?,
            base: Mutex::new(None),
        }))
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What may be asked of the page from the command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "page", rename_all = "snake_case")]
pub enum PageRequest {
    /// A link that opens it once.
    Open {
        /// For whom.
        author: String,
    },
    /// Something about officers.
    Officers(OfficerRequest),
}

impl Node {
    /// Answers what the command line asks of the page.
    pub(crate) fn page_answer(&self, request: &PageRequest) -> Answer {
        match request {
            PageRequest::Open { author } => self.open_page(author),
            PageRequest::Officers(request) => {
                let answer = self.officers.answer(request, self.now());
                if let (OfficerRequest::Remove { name }, Some(page)) = (request, &*self.page.read()) {
                    page.sessions.end_of(name);
                }
                answer
            }
        }
    }

    fn open_page(&self, author: &str) -> Answer {
        let page = self.page.read().clone();
        let base = page.as_ref().and_then(|page| page.base.lock().clone());
        let (Some(page), Some(base)) = (page, base) else {
            let reason = "trang chưa bật: hãy chạy `lienthong-node run --web 127.0.0.1:8080` · the page is not served: run `lienthong-node run --web 127.0.0.1:8080`";
            return Answer::refused("PAGE_OFF", reason);
        };
        let address = base.address;
        if base.fingerprint.is_some() {
            let url = format!("https://{address}/");
            return Answer::done(
                json!({ "url": url, "certificate_sha256": base.fingerprint, "until": null }),
            );
        }
        let now = self.now();
        let token = page.sessions.link(author, now);
        let until = lienthong_proto::time::UnixMillis(now.0 + LINK_MILLIS).rfc3339();
        Answer::done(json!({ "url": format!("http://{address}/open?token={token}"), "until": until }))
    }
}

/// What the pages share.
struct Web {
    node: Arc<Node>,
    page: Arc<Page>,
    listen: SocketAddr,
    /// The certificate's fingerprint, where the page is for the office network.
    fingerprint: Option<String>,
    /// Files taken in at once: one, as by the watched folder.
    work: Arc<Semaphore>,
    live: Arc<Semaphore>,
}

impl Web {
    /// Whether it is served beyond this machine: over TLS, to officers with passwords.
    fn is_public(&self) -> bool {
        self.fingerprint.is_some()
    }
}

/// Serves the page of a node until it stops; returns the address taken.
///
/// # Errors
/// [`WebError`] if the address, the certificate or the officers are not to be had.
pub async fn serve(node: &Arc<Node>, page: &Arc<Page>, listen: WebAddress) -> Result<SocketAddr, WebError> {
    node.officers.check()?;
    let io = |source| WebError::Io { what: listen.0.to_string(), source };
    let public = !listen.0.ip().is_loopback();
    let certificate = public.then(|| PageCertificate::of(&node.data, listen.0)).transpose()?;
    let listener = TcpListener::bind(listen.0).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let fingerprint = certificate.as_ref().map(|certificate| certificate.fingerprint.clone());
    *page.base.lock() = Some(Base { address, fingerprint: fingerprint.clone() });
    let web = Web {
        node: Arc::clone(node),
        page: Arc::clone(page),
        listen: address,
        fingerprint,
        work: Arc::new(Semaphore::new(1)),
        live: Arc::new(Semaphore::new(LIVE_MAX)),
    };
    let serving = HttpServing {
        app: router(Arc::new(web)),
        tls: certificate.map(|certificate| TlsAcceptor::from(certificate.config)),
        connections_max: CONNECTIONS_MAX,
        connection_time: CONNECTION_TIME,
        doors: Arc::clone(&node.serving),
    };
    *node.page.write() = Some(Arc::clone(page));
    node.addresses.write().insert("web".to_owned(), address.to_string());
    node.serving.spawn(serving.accept(listener));
    Ok(address)
}

/// Every method of every path: the router is made of them. Who is nobody we know reaches only those that
/// `guard::OPEN_TO_ALL` names.
pub const ROUTES: [(&str, &str); 25] = [
    ("GET", "/"),
    ("GET", "/state"),
    ("GET", "/live"),
    ("GET", "/receipt"),
    ("GET", "/import"),
    ("POST", "/import"),
    ("GET", "/import/{id}"),
    ("POST", "/import/{id}"),
    ("GET", "/import/{id}/report.xlsx"),
    ("GET", "/templates/{type}"),
    ("GET", "/defects"),
    ("GET", "/records"),
    ("GET", "/records/{type}/{id}"),
    ("GET", "/records/{type}/{id}/edit"),
    ("POST", "/records/{type}/{id}/edit"),
    ("POST", "/records/{type}/{id}/withdraw"),
    ("GET", "/notices"),
    ("GET", guard::OPEN),
    ("GET", guard::SIGN_IN),
    ("POST", guard::SIGN_IN),
    ("POST", "/sign-out"),
    ("POST", guard::LANGUAGE),
    ("GET", guard::STYLE),
    ("GET", guard::SCRIPT),
    ("GET", guard::ICON),
];

/// What answers at a route; nowhere if it is none of [`ROUTES`].
fn handler(route: (&str, &str)) -> MethodRouter<Arc<Web>> {
    let asset =
        |kind: &'static str, text: &'static str| get(move || async move { ([(CONTENT_TYPE, kind)], text) });
    match route {
        ("GET", "/") => get(start::start),
        ("GET", "/state") => get(start::state),
        ("GET", "/live") => get(live::live),
        ("GET", "/receipt") => get(receipt::receipt),
        ("GET", "/import") => get(import::choose),
        ("POST", "/import") => post(import::receive).layer(DefaultBodyLimit::disable()),
        ("GET", "/import/{id}") => get(import::show),
        ("POST", "/import/{id}") => post(import::take),
        ("GET", "/import/{id}/report.xlsx") => get(import::report),
        ("GET", "/templates/{type}") => get(templates::template),
        ("GET", "/defects") => get(defects::defects),
        ("GET", "/records") => get(records::records),
        ("GET", "/records/{type}/{id}") => get(record::record),
        ("GET", "/records/{type}/{id}/edit") => get(edit::edit),
        ("POST", "/records/{type}/{id}/edit") => post(edit::save),
        ("POST", "/records/{type}/{id}/withdraw") => post(record::withdraw),
        ("GET", "/notices") => get(notices::notices),
        ("GET", guard::OPEN) => get(entrance::open),
        ("GET", guard::SIGN_IN) => get(entrance::sign_in),
        ("POST", guard::SIGN_IN) => post(entrance::signed_in),
        ("POST", "/sign-out") => post(entrance::sign_out),
        ("POST", guard::LANGUAGE) => post(entrance::language),
        ("GET", guard::STYLE) => asset("text/css; charset=utf-8", include_str!("page.css")),
        ("GET", guard::SCRIPT) => asset("text/javascript; charset=utf-8", include_str!("page.js")),
        ("GET", guard::ICON) => asset("image/svg+xml", include_str!("icon.svg")),
        _ => any(refusal::nowhere),
    }
}

fn router(web: Arc<Web>) -> Router {
    let router =
        ROUTES.into_iter().fold(Router::new(), |router, route| router.route(route.1, handler(route)));
    router
        .fallback(refusal::nowhere)
        .method_not_allowed_fallback(refusal::nowhere)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&web), guard::guard))
        .with_state(web)
}
