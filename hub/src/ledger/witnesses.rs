//! Who witnesses the ledger, as the ledger tells it: each witness's key, and whose cosignatures count from where on.

use std::collections::BTreeMap;

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::note::Verifier;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::witness::{Introduced, Policy};
use serde::{Deserialize, Serialize};

const KEYS: &[u8] = b"witness/";
const POLICIES: &[u8] = b"witness_policy/";

/// A replica's key as a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    /// The key under its name.
    pub verifier: Verifier,
    /// When it was named.
    pub at: UnixMillis,
    /// By which entry.
    pub place: u64,
}

/// Keys and policies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// By replica: its latest.
    pub keys: BTreeMap<ReplicaId, WitnessKey>,
    /// By the entry that names it; each holds for longer checkpoints until the next.
    pub policies: BTreeMap<u64, Policy>,
}

#[derive(Serialize, Deserialize)]
struct KeyRow {
    key: String,
    at: UnixMillis,
    place: u64,
}

#[derive(Serialize, Deserialize)]
struct PolicyRow {
    witnesses: Vec<String>,
    quorum: usize,
}

impl Witnesses {
    /// As the view has it; what is not understood counts as nothing (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut witnesses = Self::default();
        view.scan_prefix(Keyspace::Meta, KEYS, &mut |key, bytes| {
            let replica = key.strip_prefix(KEYS).and_then(ReplicaId::from_slice);
            if let (Some(replica), Ok(row)) = (replica, serde_json::from_slice::<KeyRow>(bytes))
                && let Ok(verifier) = row.key.parse()
            {
                witnesses.keys.insert(replica, WitnessKey { verifier, at: row.at, place: row.place });
            }
            true
        })?;
        view.scan_prefix(Keyspace::Meta, POLICIES, &mut |key, bytes| {
            let place = key.strip_prefix(POLICIES).and_then(|place| place.try_into().ok());
            if let (Some(place), Ok(row)) = (place, serde_json::from_slice::<PolicyRow>(bytes)) {
                let keys = row.witnesses.iter().map(|key| key.parse()).collect::<Result<Vec<Verifier>, _>>();
                if let Some(policy) = keys.ok().and_then(|keys| Policy::with(keys, row.quorum).ok()) {
                    witnesses.policies.insert(u64::from_be_bytes(place), policy);
                }
            }
            true
        })?;
        Ok(witnesses)
    }

    /// Whether an event is of any interest here.
    #[must_use]
    pub fn concerns(event: &Event) -> bool {
        Introduced::of(event).is_some() || Policy::of(event).is_some()
    }

    /// Takes an event at `place` into account.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        if let Some((replica, verifier, _)) = Introduced::of(event) {
            let row = KeyRow { key: verifier.to_string(), at: event.at, place: place.0 };
            put(view, KEYS, &replica.0, &row);
            self.keys.insert(replica, WitnessKey { verifier, at: event.at, place: place.0 });
        }
        if let Some(policy) = Policy::of(event) {
            let witnesses = policy.witnesses().iter().map(ToString::to_string).collect();
            put(view, POLICIES, &place.0.to_be_bytes(), &PolicyRow { witnesses, quorum: policy.quorum() });
            self.policies.insert(place.0, policy);
        }
    }

    /// By which policy a checkpoint of `size` entries is judged: the last that stands in it, and its place.
    #[must_use]
    pub fn policy_at(&self, size: u64) -> Option<(u64, &Policy)> {
        self.policies.range(..size).next_back().map(|(place, policy)| (*place, policy))
    }
}

fn put<T: Serialize>(view: &mut Batch, prefix: &[u8], rest: &[u8], row: &T) {
    let key = [prefix, rest].concat();
    view.put(Keyspace::Meta, &key, &serde_json::to_vec(row).unwrap_or_default());
}
