//! What hosts stand on: the simulated network, the clock of the simulation, and the diary of everything that happens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Arguments, Write as _};
use std::io;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use lienthong_hub::accept::Listener;
use lienthong_node::identity::{Line, Opener, Opening};
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::time::UnixMillis;
use turmoil::net::{TcpListener, TcpStream};

use super::BEGIN_SECONDS;
use super::wire::Wire;

/// Where the hub listens.
pub(super) const PORT: u16 = 7443;
/// What the hub is called.
pub(super) const HUB: &str = "hub";

thread_local! {
    /// The time between two steps of the simulation, when no host is at work.
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static DIARY: RefCell<Diary> = RefCell::default();
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(super) struct Diary {
    /// Of every line so far.
    pub(super) digest: Digest,
    /// Of every byte that passed a node's end of a line.
    pub(super) wire: Digest,
    /// How often what.
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// The lines, if wanted.
    pub(super) lines: Option<Vec<String>>,
}

/// Begins a diary, and forgets the one before.
pub(super) fn begin(traced: bool) {
    ELAPSED.set(Duration::ZERO);
    PANICS.set(0);
    DIARY.replace(Diary { lines: traced.then(Vec::new), ..Diary::default() });
    watch_panics();
}

/// Ends the diary.
pub(super) fn end() -> Diary {
    DIARY.take()
}

/// Notes what happened, with its time.
pub(super) fn note(what: &'static str, more: Arguments<'_>) {
    let at = clock().0 - BEGIN_SECONDS * 1_000;
    DIARY.with_borrow_mut(|diary| {
        *diary.counts.entry(what).or_default() += 1;
        let mut line = String::new();
        let _ = write!(line, "{at} {what} {more}");
        diary.digest = sha256(&[&diary.digest, line.as_bytes()]);
        if let Some(lines) = &mut diary.lines {
            lines.push(line);
        }
    });
}

/// Notes bytes that passed node `who`'s end of a line, `up` or down.
pub(super) fn passed(who: usize, up: bool, bytes: &[u8]) {
    DIARY.with_borrow_mut(|diary| {
        let head = [who as u64, u64::from(up), bytes.len() as u64].map(u64::to_be_bytes);
        diary.wire = sha256(&[&diary.wire, head.as_flattened(), bytes]);
    });
}

/// How often something happened so far.
pub(super) fn count(what: &str) -> u64 {
    DIARY.with_borrow(|diary| diary.counts.get(what).copied().unwrap_or(0))
}

/// The clock of all hosts, as the product is given it.
pub(super) fn clock() -> UnixMillis {
    let elapsed = turmoil::sim_elapsed().unwrap_or_else(|| ELAPSED.get());
    UnixMillis(BEGIN_SECONDS * 1_000 + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Sets what the clock shows between two steps.
pub(super) fn set_elapsed(elapsed: Duration) {
    ELAPSED.set(elapsed);
}

/// How often a task of this simulation panicked: the runtime of a host goes on without it.
pub(super) fn panics() -> u32 {
    PANICS.get()
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// Opens a node's lines over the simulated network.
#[derive(Debug)]
pub(super) struct Dialler {
    /// Which node.
    pub(super) who: usize,
    /// Bytes its line lets through in a second, if that is narrow.
    pub(super) width: Option<u64>,
}

impl Opener for Dialler {
    fn open(&self, target: &str) -> Opening {
        let (who, width, target) = (self.who, self.width, target.to_owned());
        Box::pin(async move {
            note("dial", format_args!("{who}"));
            let host = target.rsplit_once(':').map_or(target.as_str(), |(host, _)| host).to_owned();
            let line = TcpStream::connect((host, PORT)).await;
            note("dialled", format_args!("{who} {}", line.is_ok()));
            let line = line?;
            Ok(Box::new(Wire::over(line, who, width)) as Box<dyn Line>)
        })
    }
}

/// Where lines come in at the hub.
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Line = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (line, address) = self.0.accept().await?;
        note("accepted", format_args!("{address}"));
        Ok((line, address))
    }
}
