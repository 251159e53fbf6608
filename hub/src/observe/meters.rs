//! Counts what passes, where it passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_node::observe::{Histogram, ImportCounts};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use parking_lot::Mutex;

/// What has passed since the start.
#[derive(Debug)]
pub struct Meters {
    /// How long groups of entries took to reach the disk.
    pub commits: Histogram,
    batches: AtomicU64,
    entries: AtomicU64,
    connections: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    told: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    imports: Mutex<ImportCounts>,
    certificates: Mutex<BTreeMap<ReplicaId, UnixMillis>>,
    differing: Mutex<BTreeMap<UnitCode, UnixMillis>>,
}

/// Why peers are turned away, and what becomes of rows: told as 0 before it happens, so that the first time shows.
const REFUSALS: [&str; 7] = ["busy", "handshake", "timeout", "unknown", "revoked", "fenced", "token"];
const OUTCOMES: [&str; 5] = ["created", "updated", "unchanged", "duplicates", "rejected"];

impl Default for Meters {
    fn default() -> Self {
        let mut imports = ImportCounts::default();
        OUTCOMES.iter().for_each(|outcome| imports.note(outcome, 0));
        Self {
            commits: Histogram::default(),
            batches: AtomicU64::default(),
            entries: AtomicU64::default(),
            connections: AtomicU64::default(),
            refused: Mutex::new(REFUSALS.iter().map(|reason| (*reason, 0)).collect()),
            told: Mutex::default(),
            imports: Mutex::new(imports),
            certificates: Mutex::default(),
            differing: Mutex::default(),
        }
    }
}

/// A connection; counted while this lives.
#[derive(Debug)]
pub struct OpenConnection(Arc<Meters>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meters {
    /// A batch of so many entries was accepted.
    pub fn accepted(&self, entries: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    /// Batches accepted.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Entries accepted.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// A connection was opened.
    #[must_use]
    pub fn connected(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// A peer was turned away, for one of the reasons the program knows.
    pub fn refused(&self, reason: &'static str) {
        *self.refused.lock().entry(reason).or_default() += 1;
    }

    /// How many were turned away, by reason.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().clone()
    }

    /// There is such a way to tell people of alerts.
    pub fn tells(&self, way: &'static str) {
        let mut told = self.told.lock();
        for outcome in ["sent", "failed", "dropped"] {
            told.entry((way, outcome)).or_default();
        }
    }

    /// People were told of alerts, or not: by which way, with which outcome.
    pub fn told(&self, way: &'static str, outcome: &'static str) {
        *self.told.lock().entry((way, outcome)).or_default() += 1;
    }

    /// How often people were told, by way and outcome.
    #[must_use]
    pub fn tellings(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.told.lock().clone()
    }

    /// A unit's import came: its counts, nothing else of it.
    pub fn imported(&self, event: &Event) {
        let mut counts = self.imports.lock();
        for outcome in OUTCOMES {
            if let Some(Value::Integer(rows)) = event.fields.get(outcome) {
                counts.note(outcome, u64::try_from(*rows).unwrap_or(0));
            }
        }
        if let Some(Value::Text(classes)) = event.fields.get("reasons") {
            counts.reject_all(classes);
        }
    }

    /// What the units' imports came to.
    #[must_use]
    pub fn imports(&self) -> ImportCounts {
        self.imports.lock().clone()
    }

    /// A replica showed a certificate that is good until then.
    pub fn certified(&self, replica: ReplicaId, until: UnixMillis) {
        self.certificates.lock().insert(replica, until);
    }

    /// Until when the certificate is good that a replica showed last, if it came since the start.
    #[must_use]
    pub fn certificate_until(&self, replica: ReplicaId) -> Option<UnixMillis> {
        self.certificates.lock().get(&replica).copied()
    }

    /// A comparison with a unit's node ended: whether records differ.
    pub fn compared(&self, unit: &UnitCode, differs: bool, now: UnixMillis) {
        let mut differing = self.differing.lock();
        if differs {
            differing.entry(unit.clone()).or_insert(now);
        } else {
            differing.remove(unit);
        }
    }

    /// The units whose node was last found to hold other records than the hub, since when.
    #[must_use]
    pub fn differing(&self) -> BTreeMap<UnitCode, UnixMillis> {
        self.differing.lock().clone()
    }
}
