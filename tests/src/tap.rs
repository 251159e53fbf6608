//! A connection to the hub whose every byte is written down as it leaves TLS, so as the hub gave it to TLS.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot hear has failed"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use lienthong_node::identity::{ALPN_SYNC, NodeIdentity};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::frames::{Papers, kind, shake};

/// Before a frame's payload: length, kind, flags, stream (RFC 9113, 4.1).
const FRAME_HEAD: usize = 9;

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// A channel to the hub with the papers in an enrolled folder.
    pub async fn channel(&self, folder: &Path) -> Channel {
        let papers = Papers::of(folder);
        let hub = NodeIdentity::load(folder).unwrap().unwrap().profile().hub.clone();
        let heard = Arc::clone(&self.heard);
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let config = papers.config(&rustls::version::TLS13, &[ALPN_SYNC]);
            let (hub, heard) = (hub.clone(), Arc::clone(&heard));
            async move {
                let inner = shake(TcpStream::connect(&hub).await?, config).await?;
                Ok::<_, io::Error>(TokioIo::new(Tapped { inner, heard }))
            }
        });
        Endpoint::from_static("https://localhost").connect_with_connector(connector).await.unwrap()
    }

    /// Every byte that came, and behind them those of each stream's messages without what HTTP/2 put between.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        let mut all = self.heard.lock().clone();
        let mut streams: BTreeMap<[u8; 4], Vec<u8>> = BTreeMap::new();
        let mut rest = all.as_slice();
        while let Some((head, behind)) = rest.split_at_checked(FRAME_HEAD) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (payload, behind) = behind.split_at(length.min(behind.len()));
            if head[3] == kind::DATA {
                let stream = [head[5], head[6], head[7], head[8]];
                streams.entry(stream).or_default().extend_from_slice(payload);
            }
            rest = behind;
        }
        all.extend(streams.into_values().flatten());
        all
    }
}

struct Tapped {
    inner: TlsStream<TcpStream>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.heard.lock().extend(buf.filled().iter().skip(before));
        read
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
