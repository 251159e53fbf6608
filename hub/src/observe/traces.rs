//! Follows imports and batches by their ids through the hub: received, committed, fed.
//!
//! A batch's id is worked out from its replica and first entry, as at the node; an import's from the first entry its
//! own event names. So one id found at a commune is found here, and nothing more goes over the wire. Kept in memory
//! only, the last ones: what is fed later is traced by its place in the ledger.

use std::collections::{BTreeSet, VecDeque};

use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::trace::TraceId;
use lienthong_proto::value::Value;
use parking_lot::Mutex;

use crate::ingest::{Content, VerifiedBatch};

/// Batches remembered.
const BATCHES_MAX: usize = 1_024;
/// Imports of one batch that are followed: an honest node seldom ends more than one.
const IMPORTS_MAX: usize = 16;

/// An import that ends in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Import {
    trace: TraceId,
    first: u64,
    size: u64,
}

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    replica: ReplicaId,
    trace: TraceId,
    first: u64,
    size: u64,
    imports: Vec<Import>,
}

impl Arrival {
    /// A batch that was verified; says so.
    #[must_use]
    pub fn received(batch: &VerifiedBatch, unit: &UnitCode) -> Self {
        let (replica, first, size) = (batch.replica, batch.first.0, batch.frontier.size());
        let imports = (first..).zip(&batch.contents).filter_map(|(at, content)| import(replica, at, content));
        let imports = imports.take(IMPORTS_MAX).collect();
        let arrival = Self { replica, trace: TraceId::of(replica, first), first, size, imports };
        arrival.each(|trace, what, first, size| {
            tracing::info!(%trace, %unit, first, size, "{what}: received");
        });
        arrival
    }

    /// Each of its ids, with what it is the id of and where that begins and ends.
    fn each(&self, say: impl Fn(TraceId, &str, u64, u64)) {
        if self.imports.iter().all(|import| import.trace != self.trace) {
            say(self.trace, "batch", self.first, self.size);
        }
        for import in &self.imports {
            say(import.trace, "captured", import.first, import.size);
        }
    }
}

fn import(replica: ReplicaId, at: u64, content: &Content) -> Option<Import> {
    let Content::Event(event) = content else { return None };
    if event.kind != "import" {
        return None;
    }
    let named = match event.fields.get("first") {
        Some(Value::Integer(first)) => u64::try_from(*first).ok().filter(|first| *first <= at),
        _ => None,
    };
    let first = named.unwrap_or(at);
    Some(Import { trace: TraceId::of(replica, first), first, size: at + 1 })
}

#[derive(Debug)]
struct Committed {
    ledger: u64,
    replica: ReplicaId,
    first: u64,
    size: u64,
    traces: BTreeSet<TraceId>,
}

/// The batches that were committed last.
#[derive(Debug, Default)]
pub struct Traces {
    last: Mutex<VecDeque<Committed>>,
}

impl Traces {
    /// A batch is in the ledger; says so, for an import with where it begins there.
    pub fn committed(&self, arrival: &Arrival, unit: &UnitCode, ledger: u64) {
        let mut last = self.last.lock();
        if last.len() >= BATCHES_MAX {
            last.pop_front();
        }
        let Arrival { replica, trace, first, size, .. } = *arrival;
        last.push_back(Committed { ledger, replica, first, size, traces: BTreeSet::from([trace]) });
        let mut begins = Vec::new();
        for import in &arrival.imports {
            let touches = |known: &&mut Committed| {
                known.replica == replica && known.first < import.size && import.first < known.size
            };
            // Its earlier batches are known to be its own only now.
            let mut begin = ledger;
            for known in last.iter_mut().filter(touches) {
                known.traces.insert(import.trace);
                begin = begin.min(known.ledger);
            }
            begins.push((import.trace, begin));
        }
        drop(last);
        arrival.each(|trace, what, first, size| {
            let begin = begins.iter().find(|(known, _)| *known == trace).map_or(ledger, |(_, begin)| *begin);
            tracing::info!(%trace, %unit, first, size, ledger_first = begin, ledger, "{what}: committed");
        });
    }

    /// What stands at these places of the ledger goes to a node.
    pub fn fed(&self, places: &BTreeSet<u64>, unit: &UnitCode, to: ReplicaId) {
        let last = self.last.lock();
        let mut said = BTreeSet::new();
        for known in last.iter().filter(|known| places.contains(&known.ledger)) {
            for trace in known.traces.iter().filter(|trace| said.insert(**trace)) {
                tracing::info!(%trace, to_unit = %unit, to_replica = %to, ledger = known.ledger, "captured: fed");
            }
        }
    }
}
