//! Brings log and view under the key that seals now, beside everything else: what is plain or under another key is sealed
//! again, and whoever asks is told how far that is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use lienthong_proto::text::in_both;
use parking_lot::{Condvar, Mutex};
use serde_json::{Value as Json, json};

use crate::at_rest::{GivenKeys, KeyId, KeyRing, MasterKey, NeededKey};
use crate::control::Answer;
use crate::log::{self, Disk, LogReader, ResealError};
use crate::replica::log_dir;
use crate::store::{View, ViewError};

/// A segment that is still appended to is closed by the writer's next round: it is looked for again after this.
const AGAIN: Duration = Duration::from_millis(200);

/// Why the key is not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The store is not encrypted.
    #[error(
        "kho chưa mã hóa: chỉ ra khóa trong cấu hình rồi khởi động lại · the store is not encrypted: name a key in the settings, then start again"
    )]
    Plain,
    /// The keys given do not open what is there.
    #[error("{}", in_both("giữ khóa cũ ở dòng sau khóa mới cho tới khi xong", "keep the old key on a line behind the new one until it is done", &.0.to_string()))]
    Needed(#[from] NeededKey),
    /// There is no thread for it.
    #[error("{0}")]
    Thread(#[from] std::io::Error),
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Log(#[from] ResealError),
    #[error(transparent)]
    View(#[from] ViewError),
}

#[derive(Default)]
struct State {
    running: bool,
    ending: bool,
    fault: Option<String>,
    thread: Option<JoinHandle<()>>,
}

/// Seals again.
pub struct Resealer {
    dir: PathBuf,
    reader: LogReader,
    view: Arc<dyn View>,
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Resealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resealer").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Resealer {
    /// For the log and the view of a data folder; nothing is done yet.
    #[must_use]
    pub fn new(data: &Path, reader: LogReader, view: Arc<dyn View>) -> Arc<Self> {
        let dir = log_dir(data);
        Arc::new(Self { dir, reader, view, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Begins, if anything is to be done and it is not being done already.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let mut state = self.state.lock();
        if state.running || state.ending || self.is_done() {
            return Ok(());
        }
        let here = Arc::clone(self);
        let thread = std::thread::Builder::new().name("reseal".into()).spawn(move || here.run())?;
        (state.running, state.fault, state.thread) = (true, None, Some(thread));
        Ok(())
    }

    /// From now on the first of `keys` seals; what is there is sealed again in the background.
    ///
    /// # Errors
    /// [`RotateError`]; nothing is changed then.
    pub fn rotate(self: &Arc<Self>, keys: KeyRing) -> Result<(), RotateError> {
        let now = self.reader.keys();
        let current = now.current().ok_or(RotateError::Plain)?;
        // What is under the key of now needs it until all of it is sealed again.
        keys.key(current.id())?;
        self.reader.set_keys(keys)?;
        Ok(self.start()?)
    }

    /// What somebody hears who changes the key; with `wait` when all is done.
    ///
    /// # Errors
    /// The answer to give.
    pub fn answer(self: &Arc<Self>, keys: &GivenKeys, wait: bool) -> Result<Answer, Answer> {
        self.rotate(keys.ring().map_err(Answer::failed)?).map_err(Answer::failed)?;
        if wait {
            self.wait();
        }
        let body = self.to_json();
        let faulty = body.get("fault").is_some_and(|fault| !fault.is_null());
        Ok(Answer { body, exit: u8::from(faulty) })
    }

    /// Waits until it has ended, by itself or by [`Resealer::end`].
    pub fn wait(&self) {
        let mut state = self.state.lock();
        while state.running {
            self.changed.wait(&mut state);
        }
    }

    /// Ends it where it is; what is sealed again stays so.
    pub fn end(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.ending = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// `at_rest` of the status: nothing if nothing is encrypted.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let Some(key) = self.key() else { return Json::Null };
        let segments = log::resealing(&self.reader);
        let state = self.state.lock();
        json!({
            "key": key.to_string(),
            "segments": segments.segments,
            "segments_waiting": segments.waiting,
            "view_waiting": self.view.sealed_by() != Some(key),
            "done": self.is_done(),
            "fault": state.fault,
        })
    }

    fn key(&self) -> Option<KeyId> {
        self.reader.keys().current().map(MasterKey::id)
    }

    fn is_done(&self) -> bool {
        self.key()
            .is_none_or(|key| log::resealing(&self.reader).waiting == 0 && self.view.sealed_by() == Some(key))
    }

    fn run(&self) {
        let outcome = self.work();
        if let Err(fault) = &outcome {
            tracing::error!(%fault, "sealing again has stopped; what is sealed stays so");
        }
        let mut state = self.state.lock();
        state.running = false;
        state.fault = outcome.err().map(|fault| fault.to_string());
        self.changed.notify_all();
    }

    fn work(&self) -> Result<(), Fault> {
        let ending = || self.state.lock().ending;
        while !ending() && !self.is_done() {
            let disk = Disk::real();
            while log::reseal(&self.dir, &self.reader, &disk, &ending)? {}
            if !ending() {
                self.view.reseal(&self.reader.keys(), &ending)?;
            }
            let mut state = self.state.lock();
            if !state.ending && log::resealing(&self.reader).waiting > 0 {
                self.changed.wait_for(&mut state, AGAIN);
            }
        }
        Ok(())
    }
}
