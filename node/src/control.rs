//! The control socket: a JSON request a line, a JSON answer a line, for the folder's owner only.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// A request of more bytes is refused.
const REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a command came to: the document `--json` prints, and the process's exit code.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// The document.
    pub body: Json,
    /// 0 done, 1 failed, 3 done but some rows were rejected.
    pub exit: u8,
}

impl Answer {
    /// Done.
    #[must_use]
    pub fn done(body: Json) -> Self {
        Self { body, exit: 0 }
    }

    /// Failed, for a reason people can read.
    #[must_use]
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self { body: serde_json::json!({ "error": reason.to_string() }), exit: 1 }
    }

    /// Refused by a rule that programs can tell apart, for a reason people can read.
    #[must_use]
    pub fn refused(rule: &str, reason: impl std::fmt::Display) -> Self {
        Self { body: serde_json::json!({ "error": reason.to_string(), "rule": rule }), exit: 1 }
    }
}

/// Where the socket of a data folder stands.
#[must_use]
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Takes what is said while an answer is still being worked out.
pub type Tell = Arc<dyn Fn(Json) + Send + Sync>;

/// Who asks, and how they hear of long work.
#[derive(Clone)]
pub struct Caller {
    /// The user id, as far as the operating system tells.
    pub uid: Option<u32>,
    /// Says something before the answer; may only be called where blocking is allowed.
    pub tell: Tell,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl Caller {
    /// The user this process runs as, hearing nothing but the answer.
    #[must_use]
    pub fn own() -> Self {
        Self { uid: Some(rustix::process::getuid().as_raw()), tell: Arc::new(|_| {}) }
    }
}

/// What may wait to be heard.
const SAID_WAITING: usize = 16;

/// What somebody hears whose request was not taken.
const ENDED: &str = "chương trình vừa dừng hoặc đang mở lại, chưa nhận yêu cầu: hãy thử lại · \
                     it has just stopped or is being opened anew and did not take the request: try again";

/// Answers one request of a caller.
pub type Handler<R, F> = Arc<dyn Fn(R, Caller) -> F + Send + Sync>;

/// A caller who does not take what is said for so long hears only the answer.
const TELLING_MAX: Duration = Duration::from_secs(10);

/// Those who ask a replica, by whatever door, and how that comes to an end: nobody else is let in, what was asked is
/// answered, and only then may the rest stop.
#[derive(Debug)]
pub struct Serving {
    ending: CancellationToken,
    /// Whoever is at work holds a receiver.
    at_work: watch::Sender<()>,
}

impl Default for Serving {
    fn default() -> Self {
        Self { ending: CancellationToken::new(), at_work: watch::Sender::new(()) }
    }
}

impl Serving {
    /// Cancelled when nobody is to be let in any more.
    #[must_use]
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Does work that the end waits for.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let held = self.at_work.subscribe();
        tokio::spawn(async move {
            work.await;
            drop(held);
        });
    }

    /// Lets nobody in any more, and waits until everybody has an answer.
    pub async fn end(&self) {
        self.ending.cancel();
        self.at_work.closed().await;
    }
}

/// Serves requests until that comes to an end.
///
/// # Errors
/// The operating system's, if the socket cannot be made.
pub fn serve<R, F>(data: &Path, handle: Handler<R, F>, serving: &Arc<Serving>) -> io::Result<()>
where
    R: DeserializeOwned + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let path = socket_path(data);
    // The folder's lock is ours, so a socket that stands there is a dead process's.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let doors = Arc::clone(serving);
    serving.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = doors.ending.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                let (handle, ending) = (Arc::clone(&handle), doors.ending.clone());
                doors.spawn(async move {
                    if let Err(error) = converse(stream, handle.as_ref(), &ending).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
        }
        // Before the folder is anybody else's: theirs must not go.
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn converse<R, F>(
    stream: UnixStream,
    handle: &(dyn Fn(R, Caller) -> F + Send + Sync),
    ending: &CancellationToken,
) -> io::Result<()>
where
    R: DeserializeOwned,
    F: Future<Output = Answer>,
{
    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
    let (read, write) = stream.into_split();
    let write = Arc::new(Mutex::new(Some(write)));
    let caller = Caller { uid, tell: teller(Arc::clone(&write), Handle::current()) };
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut asked = (&mut lines).take(REQUEST_BYTES_MAX);
        let read = tokio::select! {
            // Who keeps a connection and asks nothing holds nobody up.
            () = ending.cancelled() => return Ok(()),
            read = asked.read_line(&mut line) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(request) => handle(request, caller.clone()).await,
            Err(error) => Answer::failed(error),
        };
        let mut write = write.lock().await;
        let Some(write) = write.as_mut() else { return Ok(()) };
        tokio::select! {
            sent = send(write, &answer) => sent?,
            () = too_late(ending) => return Ok(()),
        }
    }
}

/// Ends some time after the end began: who does not take an answer then gets none.
async fn too_late(ending: &CancellationToken) {
    ending.cancelled().await;
    tokio::time::sleep(TELLING_MAX).await;
}

async fn send(write: &mut OwnedWriteHalf, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await
}

/// Writes what is said as a line of its own; a caller who stops listening is not waited for again.
fn teller(write: Arc<Mutex<Option<OwnedWriteHalf>>>, runtime: Handle) -> Tell {
    Arc::new(move |said| {
        runtime.block_on(async {
            let mut write = write.lock().await;
            let Some(half) = write.as_mut() else { return };
            let line = serde_json::json!({ "said": said });
            let sent = tokio::time::timeout(TELLING_MAX, send(half, &line)).await;
            if !matches!(sent, Ok(Ok(()))) {
                *write = None;
            }
        });
    })
}

/// A connection to a running daemon.
#[derive(Debug)]
pub struct Connection {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Connection {
    /// Connects to the daemon of a data folder; `None` if none is running.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn open(data: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(socket_path(data)).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Some(Self { read: BufReader::new(read), write }))
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The operating system's, or `InvalidData` if the daemon speaks otherwise or ends.
    pub async fn ask<R: Serialize>(&mut self, request: &R) -> io::Result<Answer> {
        self.ask_hearing(request, &mut |_| {}).await
    }

    /// Asks, and waits for the answer; `hear` takes what is said before.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub async fn ask_hearing<R: Serialize>(
        &mut self,
        request: &R,
        hear: &mut (dyn FnMut(Json) + Send),
    ) -> io::Result<Answer> {
        send(&mut self.write, request).await?;
        loop {
            let mut line = String::new();
            if self.read.read_line(&mut line).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ENDED));
            }
            let mut document: Json = serde_json::from_str(&line)?;
            match document.get_mut("said") {
                Some(said) => hear(said.take()),
                None => return Ok(serde_json::from_value(document)?),
            }
        }
    }
}

/// Does work in a task of its own, and hands what it says to `hear` as it comes.
pub async fn hearing<F>(hear: &mut (dyn FnMut(Json) + Send), work: impl FnOnce(Tell) -> F) -> Answer
where
    F: Future<Output = Answer> + Send + 'static,
{
    let (sender, mut said) = tokio::sync::mpsc::channel(SAID_WAITING);
    let working = tokio::spawn(work(Arc::new(move |said| drop(sender.blocking_send(said)))));
    // The work holds the only sender: what it says ends with it.
    while let Some(said) = said.recv().await {
        hear(said);
    }
    working.await.unwrap_or_else(Answer::failed)
}

/// Asks the daemon of a data folder; `None` if none is running.
///
/// # Errors
/// The operating system's, or `InvalidData` if the daemon speaks otherwise.
pub async fn call<R: Serialize>(data: &Path, request: &R) -> io::Result<Option<Answer>> {
    match Connection::open(data).await? {
        Some(mut connection) => connection.ask(request).await.map(Some),
        None => Ok(None),
    }
}
