//! A node's end of a line: what goes over it is noted byte by byte, and where it is narrow only so many bytes go through
//! in a second, each way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::place::passed;

/// A narrow line takes at most so much at once: what a slow modem would hold.
const PIECE_BYTES: usize = 1_024;

/// The line.
pub(super) struct Wire<L> {
    who: usize,
    line: L,
    up: Gate,
    down: Gate,
}

/// One way.
struct Gate {
    bytes_a_second: Option<u64>,
    /// Until what went last is through.
    busy: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(busy) = &mut self.busy {
            ready!(busy.as_mut().poll(cx));
            self.busy = None;
        }
        Poll::Ready(())
    }

    fn most(&self) -> usize {
        if self.bytes_a_second.is_some() { PIECE_BYTES } else { usize::MAX }
    }

    fn went(&mut self, bytes: usize) {
        if let Some(bytes_a_second) = self.bytes_a_second {
            let micros = (bytes as u64).saturating_mul(1_000_000) / bytes_a_second.max(1);
            self.busy = Some(Box::pin(sleep(Duration::from_micros(micros))));
        }
    }
}

impl<L> Wire<L> {
    /// Node `who`'s end of a line; `bytes_a_second`, if it is narrow.
    pub(super) fn over(line: L, who: usize, bytes_a_second: Option<u64>) -> Self {
        let gate = || Gate { bytes_a_second, busy: None };
        Self { who, line, up: gate(), down: gate() }
    }
}

impl<L: AsyncRead + Unpin> AsyncRead for Wire<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.down.poll(cx));
        let before = buf.filled().len();
        if self.down.most() < buf.remaining() {
            let mut room = [0; PIECE_BYTES];
            let mut piece = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.line).poll_read(cx, &mut piece))?;
            buf.put_slice(piece.filled());
        } else {
            ready!(Pin::new(&mut self.line).poll_read(cx, buf))?;
        }
        let bytes = buf.filled().get(before..).unwrap_or_default();
        passed(self.who, false, bytes);
        self.down.went(bytes.len());
        Poll::Ready(Ok(()))
    }
}

impl<L: AsyncWrite + Unpin> AsyncWrite for Wire<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.up.poll(cx));
        let most = self.up.most().min(buf.len());
        let went = ready!(Pin::new(&mut self.line).poll_write(cx, buf.get(..most).unwrap_or(buf)))?;
        passed(self.who, true, buf.get(..went).unwrap_or(buf));
        self.up.went(went);
        Poll::Ready(Ok(went))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}
