//! What is known of the logs while a bundle is read, and what a verifier keeps of a live view between deliveries.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Origin;
use crate::disclosure::facts::{Facts, Standing};
use crate::disclosure::report::{LogReport, TypeCount};
use crate::disclosure::{Since, Terms};
use crate::hash::Digest;
use crate::ids::{Dot, RecordId, Sequence};
use crate::merkle::Frontier;
use crate::time::UnixMillis;

/// What a verifier keeps of a live view between deliveries: of each log its edge and what was counted in it, of the
/// ledger what it says of keys, acceptances and the grant. It is a function of the deliveries, and never leaves.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Which view: the ledger, the grant in it, and its terms; none before the first delivery.
    pub(super) of: Option<(String, u64, Terms)>,
    /// What the next delivery goes on from.
    pub(super) since: Since,
    /// The ledger's entry that logged the last one, and its leaf: the next one shows that it stands there.
    pub(super) access: Option<(u64, Digest)>,
    pub(super) facts: Facts,
    /// In the order they came, the ledger first.
    pub(super) logs: Vec<LogState>,
    /// The records the grant means, as far as it was told.
    pub(super) standing: BTreeSet<(String, RecordId)>,
}

impl Progress {
    /// What the next delivery goes on from.
    #[must_use]
    pub fn since(&self) -> Since {
        self.since
    }

    /// The ledger's entry that logged the last delivery.
    #[must_use]
    pub fn access(&self) -> Option<u64> {
        self.access.map(|(index, _)| index)
    }

    /// The terms of its grant, once a delivery came.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.of.as_ref().map(|(_, _, terms)| terms)
    }

    /// Whether a record is among those the grant means, as far as it was told.
    #[must_use]
    pub fn stands(&self, record_type: &str, record: RecordId) -> bool {
        self.standing.contains(&(record_type.to_owned(), record))
    }

    pub(super) fn log(&self, origin: &str) -> Option<&LogState> {
        self.logs.iter().find(|log| log.origin.as_str() == origin)
    }

    /// What an acceptance proves was looked at by now, where its log has come so far.
    pub(super) fn settle(&mut self) {
        for log in &self.logs {
            let accepted = self.facts.accepted.get_mut(&log.origin.replica());
            for accepted in accepted.into_iter().flat_map(BTreeMap::values_mut) {
                if accepted.size <= log.size {
                    accepted.checkpoint = String::new();
                }
            }
        }
    }
}

/// One log, as far as it was read.
#[derive(Debug, Clone)]
pub(super) struct LogState {
    pub(super) origin: Origin,
    pub(super) size: u64,
    /// The edge of its tree, in a live view.
    pub(super) edge: Frontier,
    /// Where and when so much of it was accepted; of the ledger none.
    pub(super) accepted: Option<(u64, UnixMillis)>,
    pub(super) enrolled: Option<UnixMillis>,
    pub(super) types: BTreeMap<String, TypeCount>,
    pub(super) signed_for: Option<UnixMillis>,
    /// The place of the entry that says so.
    pub(super) signed_by: Option<u64>,
    /// Changes that are only counted, by what commits to them.
    pub(super) withheld: BTreeMap<u64, Digest>,
}

impl LogState {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            size: 0,
            edge: Frontier::new(),
            accepted: None,
            enrolled: None,
            types: BTreeMap::new(),
            signed_for: None,
            signed_by: None,
            withheld: BTreeMap::new(),
        }
    }

    pub(super) fn report(&self, facts: &Facts) -> LogReport {
        let is_apart = |sequence: &&u64| {
            let dot = Dot { replica: self.origin.replica(), sequence: Sequence(**sequence) };
            matches!(facts.standing_of(&dot), Some((Standing::Quarantined, _)))
        };
        LogReport {
            quarantined: self.withheld.keys().filter(is_apart).count() as u64,
            unit: self.origin.unit().clone(),
            replica: self.origin.replica(),
            origin: self.origin.to_string(),
            size: self.size,
            accepted_at: self.accepted.map(|(_, at)| at.rfc3339()),
            complete_until: self.signed_for.map(UnixMillis::rfc3339),
            types: self.types.clone(),
        }
    }
}

/// A log that is being read.
#[derive(Debug)]
pub(super) struct OpenLog {
    /// As it was, growing with each entry.
    pub(super) state: LogState,
    /// How far it is read now.
    pub(super) size: u64,
    /// What that must lead to.
    pub(super) root: Digest,
    pub(super) leaves: Vec<(u64, Digest)>,
}
