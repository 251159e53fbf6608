//! The line between the communes and the province: slow, and cut when the demo says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Upward bytes per second of one commune: a poor line.
const BYTES_PER_SECOND: u64 = 96 * 1024;
const PIECE_BYTES: usize = 4 * 1024;

/// A line that can be cut and mended.
#[derive(Debug)]
pub(super) struct Line {
    /// Where the communes dial.
    pub(super) address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    carried: Arc<AtomicU64>,
}

impl Line {
    /// A line on a free port, not connected yet.
    pub(super) async fn lay() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (upstream, watched) = watch::channel(None);
        let carried = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&carried);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (watched, counter) = (watched.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let _ = carry(stream, watched, &counter).await;
                });
            }
        });
        Ok(Self { address, upstream, carried })
    }

    /// Leads to this hub from now on.
    pub(super) fn mend(&self, hub: SocketAddr) {
        self.upstream.send_replace(Some(hub));
    }

    /// Drops every connection and takes none until mended.
    pub(super) fn cut(&self) {
        self.upstream.send_replace(None);
    }

    /// Bytes carried so far, both ways.
    pub(super) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

async fn carry(
    commune: TcpStream,
    mut upstream: watch::Receiver<Option<SocketAddr>>,
    carried: &AtomicU64,
) -> std::io::Result<()> {
    let Some(address) = *upstream.borrow_and_update() else { return Ok(()) };
    let hub = TcpStream::connect(address).await?;
    let (mut from_commune, mut to_commune) = commune.into_split();
    let (mut from_hub, mut to_hub) = hub.into_split();
    let up = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = from_commune.read(&mut piece).await?;
            if read == 0 {
                return to_hub.shutdown().await;
            }
            to_hub.write_all(piece.get(..read).unwrap_or_default()).await?;
            carried.fetch_add(read as u64, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_micros(read as u64 * 1_000_000 / BYTES_PER_SECOND)).await;
        }
    };
    let down = async {
        let copied = tokio::io::copy(&mut from_hub, &mut to_commune).await?;
        carried.fetch_add(copied, Ordering::Relaxed);
        Ok(())
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
        _ = upstream.changed() => Ok(()),
    }
}
