//! Looks again and again at what needs a person, keeps it, and has people told.
//!
//! A thread of its own, apart from the runtime everything else shares: if that hangs, this still says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lienthong_node::identity::write_private;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::conditions::Standing;
use super::sender::Office;
use super::{
    Acknowledged, Alert, AlertError, AlertSettings, Book, Limits, Look, Notice, Notifier, Way, What,
};
use crate::app::Hub;
use crate::observe::jobs;
use crate::sharing::Untold;

/// Beside the ledger.
const FILE: &str = "alerts.json";
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(15);
/// How often the end is looked for.
const STOP: Duration = Duration::from_millis(200);

/// The alerts of a hub.
#[derive(Debug)]
pub struct Alerts {
    path: PathBuf,
    book: Mutex<Book>,
    standing: Mutex<Standing>,
    untold: Mutex<Untold>,
    /// What the last look found: grants whose agency is to be told.
    owed: Mutex<BTreeSet<u64>>,
    notifier: OnceLock<Notifier>,
    limits: OnceLock<Limits>,
}

impl Alerts {
    /// Those of a hub's folder; what cannot be read begins anew.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE);
        let book = match std::fs::read(&path).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(book)) => book,
            Ok(Err(error)) => {
                tracing::warn!(%error, "{FILE} is not readable: alerts begin anew");
                Book::default()
            }
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(%error, "{FILE} cannot be read: alerts begin anew");
                }
                Book::default()
            }
        };
        Self {
            path,
            book: Mutex::new(book),
            standing: Mutex::default(),
            untold: Mutex::default(),
            owed: Mutex::default(),
            notifier: OnceLock::new(),
            limits: OnceLock::new(),
        }
    }

    /// From when on somebody is called, as it was set.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.get().copied().unwrap_or_default()
    }

    /// Writes the file whole.
    fn keep(&self, book: &Book) -> std::io::Result<()> {
        write_private(&self.path, &serde_json::to_vec(book)?)
    }

    fn keep_or_say(&self, book: &Book) {
        if let Err(error) = self.keep(book) {
            tracing::error!(%error, "alerts cannot be kept");
        }
    }

    /// People were told that these began.
    pub fn told(&self, ids: &[u64]) {
        let mut book = self.book.lock();
        book.told(ids);
        self.keep_or_say(&book);
    }

    /// Somebody looks after one.
    ///
    /// # Errors
    /// [`AlertError`] if it is not open, there is no reason, or it cannot be kept.
    pub fn acknowledge(&self, id: u64, by: Acknowledged) -> Result<Alert, AlertError> {
        let mut book = self.book.lock();
        let alert = book.acknowledge(id, by)?;
        self.keep(&book).map_err(|error| AlertError::Kept(error.to_string()))?;
        Ok(alert)
    }

    /// The open alerts, and those that ended if they are wanted, in the order of their numbers.
    #[must_use]
    pub fn list(&self, ended: bool) -> Vec<Alert> {
        let book = self.book.lock();
        let mut all: Vec<Alert> = book.open().cloned().collect();
        if ended {
            all.extend(book.ended().cloned());
        }
        all.sort_by_key(|alert| alert.id);
        all
    }

    /// How many are open, and of them nobody looks after.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let open = self.book.lock().open().count();
        json!({ "open": open, "unacknowledged": self.unattended() })
    }

    /// Whether the last look found something that an agency holds under a grant, that is no longer so, and that it was not told.
    #[must_use]
    pub fn owes_notice(&self, grant: u64) -> bool {
        self.owed.lock().contains(&grant)
    }

    /// How many are open that nobody looks after.
    #[must_use]
    pub fn unattended(&self) -> u64 {
        self.book.lock().open().filter(|alert| alert.acknowledged.is_none()).count() as u64
    }
}

impl Hub {
    /// Looks once at what needs a person; keeps it, and hands over what people are to be told.
    pub fn look_at_alerts(&self, limits: &Limits) -> Look {
        self.observed.conflicts.look(self);
        let alerts = &self.alerts;
        let mut found = self.conditions(limits, &mut alerts.standing.lock());
        let owed = alerts.untold.lock().look(self);
        *alerts.owed.lock() = owed.iter().map(|grant| grant.number).collect();
        self.of_agencies(&owed, &mut found);
        let now = self.now();
        let look = {
            let mut book = alerts.book.lock();
            let look = book.look(now, found);
            if look.changed {
                alerts.keep_or_say(&book);
            }
            look
        };
        for alert in &look.begun {
            tracing::warn!(key = alert.key, "an alert begins");
        }
        for alert in &look.ended {
            tracing::info!(key = alert.key, "an alert ends");
        }
        if let Some(notifier) = alerts.notifier.get() {
            let ended = Notice::of(What::Ended, look.ended.clone(), now);
            let begun = Notice::of(What::Begun, look.begun.clone(), now);
            ended.iter().chain(&begun).for_each(|notice| notifier.tell(notice));
        }
        look
    }

    /// Begins to tell people of what looks find, until the hub stops.
    pub fn start_telling(&self, ways: Vec<Way>) {
        let office = Office {
            alerts: Arc::clone(&self.alerts),
            meters: Arc::clone(&self.observed.meters),
            jobs: self.observed.jobs.clone(),
            province: self.secrets.profile.province.to_string(),
            clock: self.clock(),
            stop: self.stop.clone(),
        };
        if !ways.is_empty() {
            let _ = self.alerts.notifier.set(Notifier::start(ways, &office));
        }
    }

    /// Begins to look and to tell, until the hub stops.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn keep_watch(self: &Arc<Self>, settings: AlertSettings) -> std::io::Result<()> {
        self.start_telling(settings.ways);
        let _ = self.alerts.limits.set(settings.limits);
        let (hub, stop) = (Arc::downgrade(self), self.stop.clone());
        let job = self.observed.jobs.register(jobs::ALERTS);
        let work = move || {
            while !stop.is_cancelled() {
                // Not held between looks: whoever ends the hub waits for nobody.
                let Some(hub) = hub.upgrade() else { return };
                hub.look_at_alerts(&settings.limits);
                drop(hub);
                job.progress();
                let mut waited = Duration::ZERO;
                while waited < LOOK && !stop.is_cancelled() {
                    std::thread::sleep(STOP);
                    waited += STOP;
                }
            }
        };
        std::thread::Builder::new().name("alerts".into()).spawn(work).map(drop)
    }
}

/// By whom an alert was acknowledged, why and when.
pub(super) fn acknowledged(by: &str, reason: &str, at: UnixMillis) -> Acknowledged {
    Acknowledged { by: by.to_owned(), at, reason: reason.trim().to_owned() }
}
