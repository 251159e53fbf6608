//! How long open conflicts have been open.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::ids::RecordId;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;

use crate::app::Hub;

/// Records read at one look: the rest is read at the next ones.
const LOOK: usize = 256;

type Open = (String, RecordId, String);

/// Since when each open conflict is one, as far as it was looked up.
#[derive(Debug, Default)]
pub struct ConflictAges {
    known: Mutex<BTreeMap<Open, UnixMillis>>,
}

impl ConflictAges {
    /// Forgets those that are settled, and looks some of the new ones up.
    pub fn look(&self, hub: &Hub) {
        let open: BTreeSet<Open> = hub.dataset.conflicts().into_iter().collect();
        self.known.lock().retain(|conflict, _| open.contains(conflict));
        let known = self.known.lock().clone();
        let new = open.into_iter().filter(|conflict| !known.contains_key(conflict)).take(LOOK);
        for conflict in new {
            let since = since(hub, &conflict).unwrap_or(hub.now());
            self.known.lock().insert(conflict, since);
        }
    }

    /// Since when the oldest is open.
    #[must_use]
    pub fn oldest(&self) -> Option<UnixMillis> {
        self.known.lock().values().min().copied()
    }
}

/// A conflict begins with its second side.
fn since(hub: &Hub, (record_type, id, path): &Open) -> Option<UnixMillis> {
    let record = hub.dataset.record(&hub.catalogue, record_type, *id).ok()??;
    let conflict = record.conflicts().into_iter().find(|conflict| conflict.field == *path)?;
    let mut stated: Vec<UnixMillis> =
        conflict.siblings.iter().filter_map(|sibling| instant(&sibling.at)).collect();
    stated.sort_unstable();
    let second = stated.get(1).or(stated.first())?;
    Some((*second).min(hub.now()))
}

fn instant(text: &str) -> Option<UnixMillis> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(UnixMillis)
}
