//! A connection to the hub whose every byte is written down as it leaves TLS, so as the hub gave it to TLS.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot hear has failed"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use lienthong_node::identity::{ALPN_SYNC, NodeIdentity};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::frames::{Papers, kind, shake};

/// Before a frame's payload: length, kind, flags, stream (RFC 9113, 4.1).
const FRAME_HEAD: usize = 9;

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    heard: Arc<Mutex<Vec<u8>>>,
    came: Arc<Notify>,
    ended: CancellationToken,
}

impl Tap {
    /// A channel to the hub with the papers in an enrolled folder.
    pub async fn channel(&self, folder: &Path) -> Channel {
        self.channel_of(folder, None).await
    }

    /// The same, whose streams have no more than so many bytes on their way that nobody has read.
    pub async fn channel_of(&self, folder: &Path, window: impl Into<Option<u32>>) -> Channel {
        let papers = Papers::of(folder);
        let hub = NodeIdentity::load(folder).unwrap().unwrap().profile().hub.clone();
        let tap = self.clone();
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let config = papers.config(&rustls::version::TLS13, &[ALPN_SYNC]);
            let (hub, tap) = (hub.clone(), tap.clone());
            async move {
                let inner = shake(TcpStream::connect(&hub).await?, config).await?;
                Ok::<_, io::Error>(TokioIo::new(Tapped { inner, tap }))
            }
        });
        let endpoint = Endpoint::from_static("https://localhost").initial_stream_window_size(window);
        endpoint.connect_with_connector(connector).await.unwrap()
    }

    /// Waits until the hub has ended the connection, or until a deadline that fails the test. Whether anybody reads the
    /// streams on it makes no difference.
    pub async fn ended(&self) {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.ended.cancelled());
        ended.await.expect("the connection was to end");
    }

    /// Waits until so many bytes of the streams' messages came, or until a deadline that fails the test.
    pub async fn came(&self, bytes: usize) {
        let came = async {
            while self.data_bytes() < bytes {
                let more = self.came.notified();
                if self.data_bytes() < bytes {
                    more.await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), came).await.expect("more was to come");
    }

    /// Bytes that came of the streams' messages.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        let heard = self.heard.lock();
        frames(&heard).filter(|(head, _)| head[3] == kind::DATA).map(|(_, payload)| payload.len()).sum()
    }

    /// Every byte that came, and behind them those of each stream's messages without what HTTP/2 put between.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        let mut all = self.heard.lock().clone();
        let mut streams: BTreeMap<[u8; 4], Vec<u8>> = BTreeMap::new();
        for (head, payload) in frames(&all).filter(|(head, _)| head[3] == kind::DATA) {
            let stream = [head[5], head[6], head[7], head[8]];
            streams.entry(stream).or_default().extend_from_slice(payload);
        }
        all.extend(streams.into_values().flatten());
        all
    }
}

/// The frames of what came, each as its head and its payload; the last one may be on its way still.
fn frames(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(FRAME_HEAD)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (payload, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        Some((head, payload))
    })
}

struct Tapped {
    inner: TlsStream<TcpStream>,
    tap: Tap,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.tap.heard.lock().extend(buf.filled().iter().skip(before));
        self.tap.came.notify_waiters();
        if room > 0 && read.is_ready() && buf.filled().len() == before {
            self.tap.ended.cancel();
        }
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
