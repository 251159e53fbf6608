//! A browser at a page, over real HTTP: cookies, forms, files.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot ask has failed"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The lines before the body.
    pub head: String,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the input of this name.
    #[must_use]
    pub fn input(&self, name: &str) -> String {
        let text = self.text();
        let (_, rest) =
            text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {text}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Sends these bytes and reads until the other side closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Reply {
    // Refused early, the rest is not read: that is no fault here.
    let _ = stream.write_all(bytes).await;
    let (mut received, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        received.extend_from_slice(&piece[..count]);
    }
    answer(&received)
}

fn answer(received: &[u8]) -> Reply {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, bytes: received[end + 4..].to_vec() }
}

/// A browser at the page; `tls` holds what it trusts.
#[derive(Clone)]
pub struct Browser {
    /// Where the page is.
    pub address: SocketAddr,
    /// As the page set them.
    pub cookies: Vec<String>,
    /// What its forms carry.
    pub csrf: String,
    /// What it trusts, where the page is served over TLS.
    pub tls: Option<tokio_rustls::TlsConnector>,
}

impl Browser {
    /// One that was never there.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, cookies: Vec::new(), csrf: String::new(), tls: None }
    }

    fn origin(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Sends these lines and this body, and what every request has.
    pub async fn raw(&self, head: &str, body: &[u8]) -> Reply {
        let cookies = self.cookies.join("; ");
        let length = body.len();
        let head =
            format!("{head}Cookie: {cookies}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let bytes = [head.as_bytes(), body].concat();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        match &self.tls {
            None => exchange(tcp, &bytes).await,
            Some(tls) => {
                let name = ServerName::try_from("localhost").unwrap();
                exchange(tls.connect(name, tcp).await.unwrap(), &bytes).await
            }
        }
    }

    /// Loads a page.
    pub async fn get(&self, path: &str) -> Reply {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address), b"").await
    }

    /// Loads a page that goes on and on; what comes before its body.
    pub async fn begun(&self, path: &str) -> Reply {
        let cookies = self.cookies.join("; ");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\n\r\n", self.address);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n") {
            received.push(stream.read_u8().await.unwrap());
        }
        answer(&received)
    }

    /// Sends a form; returns what is answered, wherever that leads.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        let body: Vec<String> =
            all.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            self.address,
            self.origin(),
        );
        self.raw(&head, body.join("&").as_bytes()).await
    }

    /// Sends a file as the page's form does.
    pub async fn upload(&self, name: &str, record_type: &str, content: &[u8]) -> Reply {
        let part = |name: &str, value: &str| {
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file =
            format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        let mut body = [part("csrf", &self.csrf), part("type", record_type), file].concat().into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let head = format!(
            "POST /import HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nContent-Type: multipart/form-data; boundary=edge\r\n",
            self.address,
            self.origin(),
        );
        self.raw(&head, &body).await
    }

    /// Takes the cookie an answer sets.
    pub fn keep(&mut self, reply: &Reply) {
        let cookie = reply.header("set-cookie").expect("a cookie").split(';').next().unwrap();
        self.cookies.push(cookie.to_owned());
    }

    /// Asks until the page no longer looks again by itself.
    pub async fn settled(&self, path: &str) -> Reply {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let reply = self.get(path).await;
            if !reply.text().contains("http-equiv=\"refresh\"") {
                return reply;
            }
            assert!(Instant::now() < deadline, "{}", reply.text());
        }
    }

    /// Switches to English.
    pub async fn in_english(mut self) -> Self {
        let reply = self.post("/language", &[("to", "en"), ("back", "/records")]).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/records")));
        self.keep(&reply);
        self
    }
}

/// A text as a form's field has it.
#[must_use]
pub fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
