//! Which agencies hold what is no longer so, and were not told.

use std::collections::BTreeMap;

use lienthong_proto::time::UnixMillis;

use super::changed::is_untold;
use crate::app::Hub;
use crate::ledger::{Grant, GrantState};

/// What came into the ledger is looked through so often: it may be much, and an agency is not told within minutes.
const LOOK_MILLIS: u64 = 3_600_000;

/// What the last look found, by grant.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    at: Option<UnixMillis>,
    grants: BTreeMap<u64, Looked>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    /// The last delivery and the last notice: another of either, and it is looked from there.
    since: (Option<u64>, Option<u64>),
    /// The ledger was looked through up to here.
    until: u64,
    found: bool,
}

impl Untold {
    /// The grants whose agency holds something that is no longer so and was neither delivered again nor told.
    pub(crate) fn look(&mut self, hub: &Hub) -> Vec<Grant> {
        let now = hub.now();
        let again = self.at.is_none_or(|at| at > now || now.since(at) >= LOOK_MILLIS);
        if again {
            self.at = Some(now);
        }
        let grants = hub.committer.books().read().sharing.grants.clone();
        let due = |grant: &&Grant| {
            // A replica that follows the grant is given it as it becomes.
            let follows = grant.state(now) == GrantState::Active && grant.receipt.is_some();
            grant.last_access.is_some() && !follows
        };
        let due: Vec<&Grant> = grants.values().filter(due).collect();
        self.grants.retain(|number, _| due.iter().any(|grant| grant.number == *number));
        due.into_iter().filter(|grant| self.is_untold(hub, grant, again)).cloned().collect()
    }

    fn is_untold(&mut self, hub: &Hub, grant: &Grant, again: bool) -> bool {
        let since = (grant.last_access, grant.last_told);
        let known = self.grants.get(&grant.number).copied().filter(|looked| looked.since == since);
        if let Some(known) = known.filter(|looked| looked.found || !again) {
            return known.found;
        }
        let until = hub.head().size;
        match is_untold(hub, grant, known.map(|looked| looked.until), until) {
            Ok(found) => {
                self.grants.insert(grant.number, Looked { since, until, found });
                found
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be told whether an agency holds what is no longer so");
                false
            }
        }
    }
}
