//! A reader of the hub's pages, as far as a browser is one: cookies, forms with their tokens, redirects not followed.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot read has failed")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::web::{Pages, Scheme};
use lienthong_node::identity::provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its header lines, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its text.
    pub body: String,
}

impl Reply {
    /// A header; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The token of the page's forms.
    #[must_use]
    pub fn csrf(&self) -> String {
        let after = self.body.split("name=\"csrf\" value=\"").nth(1).unwrap_or_default();
        after.split('"').next().unwrap_or_default().to_owned()
    }
}

/// One browser's worth of state.
#[derive(Clone)]
pub struct Reader {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    /// As a browser would say it.
    pub host: String,
    /// Its cookies.
    pub cookies: BTreeMap<String, String>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Reader {
    /// One who trusts the hub's authority.
    #[must_use]
    pub fn new(hub: &Hub, pages: Pages) -> Self {
        let tls = (pages.scheme == Scheme::Https).then(|| {
            let mut roots = RootCertStore::empty();
            roots.add(hub.secrets.root()).unwrap();
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        });
        let address = pages.address;
        Self { address, tls, host: format!("localhost:{}", address.port()), cookies: BTreeMap::new() }
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Sends these very lines and a body.
    pub async fn send(&mut self, method: &str, path: &str, lines: &[(&str, &str)], body: &str) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        if !cookies.is_empty() {
            head += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        for (name, value) in lines {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let reply = match &self.tls {
            None => exchange(tcp, head.as_bytes()).await,
            Some(tls) => {
                let name = ServerName::try_from("localhost").unwrap();
                exchange(tls.connect(name, tcp).await.unwrap(), head.as_bytes()).await
            }
        };
        for (_, line) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Sends a form from one of the hub's own pages, as browsers do for pages that name no referrer.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let lines = [("Origin", "null"), ("Sec-Fetch-Site", "same-origin"), FORM];
        self.send("POST", path, &lines, &encoded(fields)).await
    }

    /// Opens a page and sends a form with the token it has.
    pub async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = self.get(page).await.csrf();
        let fields: Vec<(&str, &str)> =
            fields.iter().copied().chain(std::iter::once(("csrf", csrf.as_str()))).collect();
        self.post(action, &fields).await
    }

    /// Gives name and password.
    pub async fn sign_in(&mut self, user: &str, password: &str) -> Reply {
        self.fill("/sign-in", "/sign-in", &[("user", user), ("password", password)]).await
    }

    /// Where a form of this site would say it comes from.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.host)
    }
}

/// What a form is.
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A form's fields as they are sent.
#[must_use]
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let text = |text: &str| text.bytes().map(byte).collect::<String>();
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
    pairs.join("&")
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Reply {
    // Refused early, the rest is not read: that is no fault here.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        received.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    // A file that is handed over is no text; its heads are.
    let text = String::from_utf8_lossy(&received);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Reply { status, headers, body: body.to_owned() }
}
