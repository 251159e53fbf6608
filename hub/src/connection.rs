//! A connection after its handshake: it speaks soon, holds its place, and can be cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lienthong_node::identity::Line;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::observe::OpenConnection;
use crate::pki::PeerIdentity;

/// HTTP/2 begins with this many bytes, always the same; keep-alive counts from then on only.
const PREFACE_BYTES: usize = 24;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// From where.
    pub address: SocketAddr,
    /// Who, by a certificate of our authority; nobody yet when enrolling.
    pub identity: Option<PeerIdentity>,
    /// Ends the connection, whether or not the other side reads what it is told.
    pub cut: CancellationToken,
}

/// Places that come back when they are dropped.
pub(crate) type Held = Box<dyn Send + Sync>;

/// A finished connection.
pub struct HubStream {
    inner: Box<dyn Line>,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until when it must have begun to speak, and how much of that is still to come.
    silent: Option<(Pin<Box<Sleep>>, usize)>,
    _held: (Held, OwnedSemaphorePermit, OpenConnection),
}

impl HubStream {
    /// Of a handshake that is done; it must begin to speak within `patience`.
    pub(crate) fn new(
        inner: Box<dyn Line>,
        peer: Peer,
        patience: Duration,
        held: (Held, OwnedSemaphorePermit, OpenConnection),
    ) -> Self {
        let cut = Box::pin(peer.cut.clone().cancelled_owned());
        let silent = Some((Box::pin(tokio::time::sleep(patience)), PREFACE_BYTES));
        Self { inner, peer, cut, silent, _held: held }
    }

    /// Whether it was cut; wakes the reader or writer when it is.
    fn uncut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the hub cut it")),
            Poll::Pending => Ok(()),
        }
    }

    /// Counts what came of the first bytes; one that waits for them too long has said nothing in time.
    fn speaks(&mut self, cx: &mut Context<'_>, came: usize) -> io::Result<()> {
        let Some((patience, missing)) = &mut self.silent else { return Ok(()) };
        *missing = missing.saturating_sub(came);
        if *missing == 0 {
            self.silent = None;
        } else if patience.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not begin to speak"));
        }
        Ok(())
    }
}

impl Connected for HubStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for HubStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.inner).poll_read(cx, buf);
        if !matches!(read, Poll::Ready(Err(_))) {
            self.speaks(cx, buf.filled().len() - before)?;
        }
        read
    }
}

impl AsyncWrite for HubStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.uncut(cx)?;
        Pin::new(&mut *self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}
