//! A small HTTP proxy for tests: it alone knows where the hub's name leads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a proxy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Opens the way to the hub.
    Open,
    /// Opens it to who sends this `Proxy-Authorization` line.
    Asks(String),
    /// Answers with this, and closes.
    Says(String),
}

/// A proxy at work; it ends with the test's runtime.
#[derive(Debug)]
pub struct SmallProxy {
    /// Where it listens.
    pub address: SocketAddr,
    opened: Arc<AtomicUsize>,
}

impl SmallProxy {
    /// Leads everyone who asks for `name` to `hub`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(name: &str, hub: &str, manner: Manner) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let opened = Arc::new(AtomicUsize::new(0));
        let (counted, name, hub) = (Arc::clone(&opened), name.to_owned(), hub.to_owned());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (counted, name, hub) = (Arc::clone(&counted), name.clone(), hub.clone());
                let manner = manner.clone();
                tokio::spawn(async move { serve(tcp, (&name, &hub), &manner, &counted).await });
            }
        });
        Ok(Self { address, opened })
    }

    /// How many ways it has opened.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Acquire)
    }

    /// As a setting names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(
    mut tcp: TcpStream,
    (name, hub): (&str, &str),
    manner: &Manner,
    opened: &AtomicUsize,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let refusal = match manner {
        Manner::Says(answer) => Some(answer.as_str()),
        Manner::Asks(line) if !head.lines().any(|said| said == line) => {
            Some("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
        }
        _ if !head.starts_with(&format!("CONNECT {name} HTTP/1.1\r\n")) => {
            Some("HTTP/1.1 403 Forbidden\r\n\r\n")
        }
        _ => None,
    };
    if let Some(refusal) = refusal {
        return tcp.write_all(refusal.as_bytes()).await;
    }
    let mut hub = TcpStream::connect(hub).await?;
    tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    opened.fetch_add(1, Ordering::AcqRel);
    tokio::io::copy_bidirectional(&mut tcp, &mut hub).await.map(drop)
}
