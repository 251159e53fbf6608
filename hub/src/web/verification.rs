//! A check of the whole ledger that somebody asked for: one at a time, seen by all who look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde_json::Value as Json;

use super::site::Site;

/// How it stands.
#[derive(Debug, Clone, Default)]
pub(super) enum Check {
    /// Nobody has asked since the start.
    #[default]
    Never,
    /// At work.
    Running {
        /// Who asked.
        by: String,
        /// Since when.
        since: UnixMillis,
    },
    /// Ended.
    Ended {
        /// Who asked.
        by: String,
        /// When it ended.
        at: UnixMillis,
        /// How long it took, seconds.
        seconds: u64,
        /// What `ledger verify` answers, or why there is no answer.
        found: Result<Json, String>,
    },
}

/// The last check, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Verification {
    check: Mutex<Check>,
    read: AtomicU64,
    all: AtomicU64,
}

impl Verification {
    /// How it stands.
    #[must_use]
    pub(super) fn check(&self) -> Check {
        self.check.lock().clone()
    }

    /// Entries read, of how many.
    #[must_use]
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }

    fn begin(&self, by: &str, since: UnixMillis) -> bool {
        let mut check = self.check.lock();
        if matches!(*check, Check::Running { .. }) {
            return false;
        }
        self.read.store(0, Ordering::Relaxed);
        self.all.store(0, Ordering::Relaxed);
        *check = Check::Running { by: by.to_owned(), since };
        true
    }

    fn end(&self, at: UnixMillis, found: Result<Json, String>) {
        let mut check = self.check.lock();
        if let Check::Running { by, since } = &*check {
            *check = Check::Ended { by: by.clone(), at, seconds: at.since(*since) / 1_000, found };
        }
    }
}

/// Begins a check, unless one is at work.
pub(super) fn start(site: &Arc<Site>, by: &str) {
    if !site.verification.begin(by, site.hub.now()) {
        return;
    }
    let site = Arc::clone(site);
    tokio::spawn(async move {
        let at_work = Arc::clone(&site);
        let work = move || {
            let tell = |read, all| {
                at_work.verification.read.store(read, Ordering::Relaxed);
                at_work.verification.all.store(all, Ordering::Relaxed);
            };
            at_work.hub.verify(&tell).map(|answer| answer.body).map_err(|error| error.to_string())
        };
        let found = tokio::task::spawn_blocking(work).await;
        site.verification.end(site.hub.now(), found.unwrap_or_else(|error| Err(error.to_string())));
    });
}
