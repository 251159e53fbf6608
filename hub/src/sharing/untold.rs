//! Which agencies hold what is no longer so, and were not told.

use std::collections::BTreeMap;

use lienthong_proto::time::UnixMillis;

use super::changed::look_on;
use crate::app::Hub;
use crate::ledger::{Grant, GrantState};

/// What came into the ledger is looked through so often: it may be much, and an agency is not told within minutes.
const LOOK_MILLIS: u64 = 3_600_000;
/// Entries of the ledger that one look goes through: other alerts wait for it.
const PIECE: u64 = 20_000;

/// What the looks found, by grant.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    at: Option<UnixMillis>,
    /// The ledger is looked through up to here, in pieces.
    goal: u64,
    grants: BTreeMap<u64, Looked>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    /// The last delivery and the last notice: another of either, and it is looked from there.
    since: (Option<u64>, Option<u64>),
    /// The ledger was looked through up to here.
    until: Option<u64>,
    /// The goal that was reached, or given up because something could not be read: with the next it is tried again.
    goal: u64,
    found: bool,
}

impl Untold {
    /// The grants whose agency holds something that is no longer so and was neither delivered again nor told, as far as the
    /// ledger was looked through.
    pub(crate) fn look(&mut self, hub: &Hub) -> Vec<Grant> {
        let now = hub.now();
        if self.at.is_none_or(|at| at > now || now.since(at) >= LOOK_MILLIS) {
            self.at = Some(now);
            self.goal = hub.head().size;
        }
        let grants = hub.committer.books().read().sharing.grants.clone();
        let due: Vec<&Grant> = grants.values().filter(|grant| is_due(hub, grant, now)).collect();
        self.grants.retain(|number, _| due.iter().any(|grant| grant.number == *number));
        let mut left = PIECE;
        due.into_iter().filter(|grant| self.is_untold(hub, grant, &mut left)).cloned().collect()
    }

    fn is_untold(&mut self, hub: &Hub, grant: &Grant, left: &mut u64) -> bool {
        let since = (grant.last_access, grant.last_told);
        let known = self.grants.get(&grant.number).copied().filter(|looked| looked.since == since);
        let mut looked = known.unwrap_or_else(|| {
            // Another delivery or notice is looked at at once.
            self.goal = hub.head().size;
            Looked { since, until: None, goal: 0, found: false }
        });
        if looked.found || looked.goal >= self.goal || *left == 0 {
            return looked.found;
        }
        match look_on(hub, grant, looked.until, self.goal, *left) {
            Ok(piece) => {
                *left -= piece.entries;
                looked.until = Some(piece.until);
                looked.found = piece.found;
                looked.goal = if piece.until >= self.goal { self.goal } else { looked.goal };
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be told whether an agency holds what is no longer so");
                looked.goal = self.goal;
            }
        }
        self.grants.insert(grant.number, looked);
        looked.found
    }
}

/// Whether somebody has to tell its agency: it was handed something, and no replica that follows the grant is given each
/// change as it comes.
fn is_due(hub: &Hub, grant: &Grant, now: UnixMillis) -> bool {
    let receiver = grant.receipt.as_ref().and_then(|receipt| receipt.replica.parse().ok());
    let enrolled =
        receiver.and_then(|replica| hub.registry.get(replica)).is_some_and(|known| known.is_active());
    grant.last_access.is_some() && !(enrolled && grant.state(now) == GrantState::Active)
}
