//! How connections to the hub are opened, before TLS: straight, by an office's proxy, or as whoever embeds a node says.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Proxy;

/// Bytes both ways, in order.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// A line that is being opened.
pub type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Line>>> + Send>>;

/// Opens lines; what it stands on is its own: a simulated network, for instance.
pub trait Opener: Debug + Send + Sync {
    /// Opens a line to `target` (`host:port`).
    fn open(&self, target: &str) -> Opening;
}

/// How the hub is reached.
#[derive(Debug, Clone, Default)]
pub enum Way {
    /// By TCP.
    #[default]
    Straight,
    /// By an HTTP proxy.
    Proxy(Proxy),
    /// As somebody else opens lines.
    Given(Arc<dyn Opener>),
}

impl From<Option<&Proxy>> for Way {
    fn from(proxy: Option<&Proxy>) -> Self {
        proxy.map_or(Self::Straight, |proxy| Self::Proxy(proxy.clone()))
    }
}

impl Way {
    /// Opens a line to `target` (`host:port`).
    pub(super) async fn open(&self, target: &str) -> io::Result<Box<dyn Line>> {
        let tcp = match self {
            Self::Straight => TcpStream::connect(target).await?,
            Self::Proxy(proxy) => proxy.connect(target).await.map_err(io::Error::other)?,
            Self::Given(opener) => return opener.open(target).await,
        };
        tcp.set_nodelay(true)?;
        Ok(Box::new(tcp))
    }
}
