//! The watched folder: a file laid into it is taken in, then moved aside with its report.
//!
//! `inbox/<type>/` takes files of that type, `inbox/` itself files whose headers fit exactly one. The folder may
//! stand on a network share, so it is looked at again and again (no notice of changes crosses a share), files
//! are copied into the data folder before they are read, and a claim written there first makes a restart
//! finish the file exactly once.

mod desk;
mod left;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use lienthong_proto::text::fold;
use parking_lot::Mutex;
use serde::Serialize;

use crate::app::{Node, jobs};
use crate::observe::Job;
use desk::Desk;
use watch::{Seen, Watch};

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often the end is looked for.
const STOP: Duration = Duration::from_millis(200);
/// How long the end of a file's work is waited for.
const END: Duration = Duration::from_secs(10);
/// Where files go that were taken in.
const DONE: &str = "done";
/// Where files go of which nothing was taken.
const REJECTED: &str = "rejected";
/// More files at once are left for the next look.
const FILES_MAX: usize = 1_000;

/// How the watched folder fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InboxStatus {
    /// The folder.
    pub folder: PathBuf,
    /// Files that lie in it.
    pub waiting: usize,
    /// Files taken in since the start.
    pub done: u64,
    /// Files rejected since the start.
    pub rejected: u64,
    /// Why the folder or a file in it cannot be worked on now; it is tried again.
    pub fault: Option<String>,
}

/// A folder that is watched.
#[derive(Debug)]
pub struct Inbox {
    status: Arc<Mutex<InboxStatus>>,
    thread: JoinHandle<()>,
}

impl Inbox {
    /// How it fares.
    #[must_use]
    pub fn status(&self) -> InboxStatus {
        self.status.lock().clone()
    }

    /// Waits until the watching has ended, but not for a share that does not answer.
    pub(crate) async fn ended(self) {
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < END {
            tokio::time::sleep(STOP / 4).await;
            waited += STOP / 4;
        }
    }
}

/// Starts watching `folder`; ends with the node.
///
/// # Errors
/// The operating system's, if the data folder or the thread refuses; a share that is away is waited for.
pub(crate) fn start(node: &Arc<Node>, folder: &Path) -> std::io::Result<Inbox> {
    let desk = Desk::open(folder, &node.data)?;
    if let Err(error) = make(folder) {
        tracing::warn!(%error, "the inbox is not there; it is waited for");
    }
    let status = InboxStatus { folder: folder.to_owned(), ..InboxStatus::default() };
    let status = Arc::new(Mutex::new(status));
    let (node, shown) = (Arc::clone(node), Arc::clone(&status));
    let job = node.jobs.register(jobs::INBOX);
    let work = move || run(&node, desk, &shown, &job);
    let thread = std::thread::Builder::new().name("inbox".into()).spawn(work)?;
    Ok(Inbox { status, thread })
}

fn run(node: &Node, mut desk: Desk, status: &Mutex<InboxStatus>, job: &Job) {
    let mut watch = Watch::default();
    while !node.stop.is_cancelled() {
        // What was begun is finished before another file is claimed.
        let fault = match desk.finish_claimed(node).and_then(|()| look(&mut desk)) {
            Ok((seen, unmoved)) => {
                let mut met = unmoved;
                status.lock().waiting = seen.len();
                for path in watch.look(node.now(), seen) {
                    if node.stop.is_cancelled() {
                        return;
                    }
                    match desk.take(node, &path) {
                        Ok(taken) => {
                            job.progress();
                            let mut status = status.lock();
                            if taken { status.done += 1 } else { status.rejected += 1 }
                        }
                        Err(error) if desk.is_claimed() => {
                            met = Some(error);
                            break;
                        }
                        Err(error) => {
                            // Its name may be a person's: the log holds none.
                            tracing::warn!(%error, "a file of the inbox cannot be worked on; it is tried again");
                            watch.again_later(&path, node.now());
                            met = Some(error);
                        }
                    }
                }
                met
            }
            Err(error) => Some(error),
        };
        // A folder that is away is waited for, and said in the status: no stuck job.
        job.progress();
        status.lock().fault = fault.map(|error| error.to_string());
        let mut waited = Duration::ZERO;
        while waited < LOOK && !node.stop.is_cancelled() {
            std::thread::sleep(STOP);
            waited += STOP;
        }
    }
}

/// The files that wait to be taken in, and why one that was taken in cannot be moved.
fn look(desk: &mut Desk) -> std::io::Result<(Vec<Seen>, Option<std::io::Error>)> {
    let refused = desk.clear_left()?.map(|error| {
        let vi = "tệp đã làm xong nhưng không chuyển đi được: đóng tệp nếu đang mở";
        let en = "a file is done with but cannot be moved: close it if it is open";
        std::io::Error::other(format!("{vi} · {en} ({error})"))
    });
    let mut seen = list(&desk.folder)?;
    seen.retain(|found| !desk.is_left(&found.path));
    Ok((seen, refused))
}

/// Makes a folder that is not there, and none above it: nothing may take the place of a share that is away.
fn make(folder: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The files of the folder and of its folders named after types.
fn list(folder: &Path) -> std::io::Result<Vec<Seen>> {
    make(folder)?;
    let mut seen = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // A link could lead out of the folder.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() && inner == folder && name != DONE && name != REJECTED && !name.starts_with('.')
            {
                folders.push(path);
            } else if about.is_file() && !is_temporary(&name) && seen.len() < FILES_MAX {
                let modified = about.modified().ok();
                seen.push(Seen { path, size: about.len(), modified });
            }
        }
    }
    seen.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(seen)
}

/// What programs leave beside a file they are still writing.
fn is_temporary(name: &str) -> bool {
    let lower = name.to_lowercase();
    let ends = [".part", ".partial", ".tmp", ".crdownload", ".download", ".lnk", ".swp"];
    name.starts_with(['.', '~'])
        || ends.iter().any(|end| lower.ends_with(end))
        || matches!(fold(&lower).as_str(), "thumbs db" | "desktop ini")
}
