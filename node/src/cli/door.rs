//! How a command reaches a node: its daemon where one runs, its folder otherwise.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::Hear;
use crate::app::{Node, system_clock};
use crate::at_rest::{KeyRing, KeySourceError};
use crate::control::{self, Answer};
use crate::identity::{NodeIdentity, Proxy};
use crate::lock::DataLock;
use crate::published::in_force;
use crate::service::Request;
use crate::sync::Settings;

/// The way to a node: its running daemon, or its folder opened for the one command.
pub(super) enum Door {
    Daemon(control::Connection),
    Folder(Arc<Node>),
    Unenrolled,
}

impl Door {
    pub(super) async fn open(
        data: &Path,
        overrides: Option<&Path>,
        proxy: Option<&Proxy>,
        keys: impl Fn() -> Result<KeyRing, KeySourceError>,
    ) -> anyhow::Result<Self> {
        if let Some(connection) = control::Connection::open(data).await.context("control.sock")? {
            return Ok(Self::Daemon(connection));
        }
        if NodeIdentity::load(data)?.is_none() {
            return Ok(Self::Unenrolled);
        }
        let catalogue = in_force(data, overrides)?;
        Ok(Self::Folder(Node::open_through(data, catalogue, system_clock, proxy, &keys()?)?))
    }

    pub(super) async fn ask(&mut self, request: Request, hear: &mut Hear<'_>) -> anyhow::Result<Answer> {
        match self {
            Self::Daemon(connection) => connection.ask_hearing(&request, hear).await.context("control.sock"),
            Self::Folder(node) => {
                if matches!(request, Request::Sync) {
                    node.start_sync(Settings::default());
                }
                let node = Arc::clone(node);
                Ok(control::hearing(hear, |tell| node.execute(request, tell)).await)
            }
            Self::Unenrolled if matches!(request, Request::Status) => {
                Ok(Answer::done(crate::service::unenrolled()))
            }
            Self::Unenrolled => anyhow::bail!("máy chưa ghi danh · not enrolled"),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Folder(node) = self {
            node.close().await;
        }
    }
}

/// What the running daemon answers; without one, what `kept` does to a file of the folder.
pub(super) async fn asked_or(
    data: &Path,
    asked: &Request,
    who: &str,
    kept: impl FnOnce() -> Answer,
) -> anyhow::Result<Answer> {
    if let Some(answer) = control::call(data, asked).await.context("control.sock")? {
        return Ok(answer);
    }
    NodeIdentity::load(data)?.context("máy chưa ghi danh · not enrolled")?;
    // No daemon may start and read while the file changes.
    let _lock = DataLock::take(data, who)?;
    Ok(kept())
}
