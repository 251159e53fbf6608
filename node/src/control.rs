//! The control socket: a JSON request a line, a JSON answer a line, for the folder's owner only.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
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

/// Answers one request of the peer with this user id.
pub type Handler<R, F> = Arc<dyn Fn(R, Option<u32>) -> F + Send + Sync>;

/// Serves requests until stopped.
///
/// # Errors
/// The operating system's, if the socket cannot be made.
pub fn serve<R, F>(data: &Path, handle: Handler<R, F>, stop: CancellationToken) -> io::Result<()>
where
    R: DeserializeOwned + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let path = socket_path(data);
    // The folder's lock is ours, so a socket that stands there is a dead process's.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                let handle = Arc::clone(&handle);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, handle.as_ref()).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
        }
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn converse<R, F>(
    stream: UnixStream,
    handle: &(dyn Fn(R, Option<u32>) -> F + Send + Sync),
) -> io::Result<()>
where
    R: DeserializeOwned,
    F: Future<Output = Answer>,
{
    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut lines).take(REQUEST_BYTES_MAX).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(request) => handle(request, uid).await,
            Err(error) => Answer::failed(error),
        };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        write.write_all(&bytes).await?;
    }
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
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        self.write.write_all(&bytes).await?;
        let mut line = String::new();
        self.read.read_line(&mut line).await?;
        Ok(serde_json::from_str(&line)?)
    }
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
