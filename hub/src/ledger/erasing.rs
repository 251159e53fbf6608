//! Orders to erase, as the ledger tells them: who brought one, who approved it, who has carried it out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_node::erasing::{Kept, told};
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::disclosure::Share;
use lienthong_proto::erasure::{Erasure, Order, event as kind};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};

use super::{Done, Grant};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOrder {
    /// The ledger's entry that proposed it.
    pub number: u64,
    /// What it says.
    pub order: Order,
    /// Who brought it.
    pub proposed: Done,
    /// Who refused it, or took it back.
    pub refused: Option<Done>,
    /// Who approved it.
    pub approved: Option<Done>,
    /// What was ordered by it: one erasure at its approval, and one for each batch that came later with what was written
    /// before. By name, with its place in the ledger.
    pub erasures: BTreeMap<String, u64>,
    /// Units whose replicas may hold something of it.
    pub units: BTreeSet<UnitCode>,
    /// Who says to have carried out which, and when.
    pub confirmed: BTreeMap<ReplicaId, BTreeMap<String, UnixMillis>>,
    /// Receivers that were given the notice: by grant.
    pub notices: BTreeMap<u64, UnixMillis>,
    /// Replicas of agencies that say that what they had under a grant is gone, and when.
    #[serde(default)]
    pub taken: BTreeMap<u64, BTreeMap<ReplicaId, UnixMillis>>,
}

impl ErasureOrder {
    /// Whether a replica says that it has carried out all of it.
    #[must_use]
    pub fn is_confirmed_by(&self, replica: &ReplicaId) -> bool {
        let confirmed = self.confirmed.get(replica);
        self.erasures.keys().all(|id| confirmed.is_some_and(|confirmed| confirmed.contains_key(id)))
    }

    /// Whether something of it may have been handed over under a grant. What was shown of it then is not known any more:
    /// a grant that was older than the erasure, of the type, the fields and one of the units, is one.
    #[must_use]
    pub fn may_concern(&self, grant: &Grant) -> bool {
        let Some(share) = grant.terms.share(&self.order.record_type) else { return false };
        let before = self.erasures.values().any(|place| grant.number < *place);
        let unit = share.units.is_empty() || self.units.iter().any(|unit| share.covers_unit(unit));
        grant.deliveries > 0 && before && unit && !self.granted_fields(share).is_some_and(|it| it.is_empty())
    }

    /// Its fields that a share lets out; nothing where it takes the whole record.
    #[must_use]
    pub fn granted_fields(&self, share: &Share) -> Option<Vec<String>> {
        let fields = &self.order.fields;
        let named = |path: &String, field: &str| path.split('/').next() == Some(field);
        let opened =
            |field: &&String| share.fields.iter().chain(&share.references).any(|path| named(path, field));
        (!fields.is_empty()).then(|| fields.iter().filter(opened).cloned().collect())
    }

    /// Whether a replica of an agency still has to say that what it had under a grant is gone.
    #[must_use]
    pub fn is_owed(&self, grant: &Grant, replica: &ReplicaId) -> bool {
        let taken = self.taken.get(&grant.number).and_then(|by| by.get(replica));
        self.may_concern(grant) && taken.is_none()
    }
}

/// An erasure that this ledger does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// As a replica keeps it.
    pub kept: Kept,
    /// Who says to have carried it out, and when.
    pub by: BTreeMap<ReplicaId, UnixMillis>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// By number.
    pub by_number: Arc<BTreeMap<u64, ErasureOrder>>,
    /// What replicas say to have carried out and this ledger does not know: a restored one may have lost it.
    pub unknown: Arc<BTreeMap<String, Unknown>>,
}

impl Orders {
    /// As the view has them; what is not understood is left out (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let (mut orders, mut unknown) = (BTreeMap::new(), BTreeMap::new());
        view.scan_prefix(Keyspace::Erasure, &[], &mut |key, bytes| {
            match key.split_first() {
                Some((&ORDER, _)) => {
                    let order: Option<ErasureOrder> = serde_json::from_slice(bytes).ok();
                    orders.extend(order.map(|order| (order.number, order)));
                }
                Some((_, id)) => {
                    let known: Option<Unknown> = serde_json::from_slice(bytes).ok();
                    unknown.extend(String::from_utf8(id.to_vec()).ok().zip(known));
                }
                None => {}
            }
            true
        })?;
        Ok(Self { by_number: Arc::new(orders), unknown: Arc::new(unknown) })
    }

    /// Takes an event of the ledger at `place` into account; whether it changed anything.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        let done = |reason: &str| Done { by: event.actor.clone(), at: event.at, reason: reason.to_owned() };
        match event.kind.as_str() {
            kind::PROPOSED => {
                let Some(order) = Order::of(event) else { return false };
                let order = ErasureOrder {
                    number: place.0,
                    order,
                    proposed: done(""),
                    refused: None,
                    approved: None,
                    erasures: BTreeMap::new(),
                    units: BTreeSet::new(),
                    confirmed: BTreeMap::new(),
                    notices: BTreeMap::new(),
                    taken: BTreeMap::new(),
                };
                keep(&order, view);
                Arc::make_mut(&mut self.by_number).insert(place.0, order);
                true
            }
            kind::ERASURE => {
                let Some(erasure) = Erasure::of(event) else { return false };
                let id = erasure.id();
                let heard = Arc::make_mut(&mut self.unknown).remove(&id);
                if heard.is_some() {
                    view.delete(Keyspace::Erasure, &unknown_key(&id));
                }
                self.change(event, view, |order| {
                    order.approved.get_or_insert_with(|| done(""));
                    order.units.extend(erasure.units.iter().cloned());
                    for (replica, at) in heard.into_iter().flat_map(|heard| heard.by) {
                        order.confirmed.entry(replica).or_default().insert(id.clone(), at);
                    }
                    order.erasures.insert(id, place.0);
                    // Whoever said that all was gone has not said it of this.
                    order.taken.clear();
                })
            }
            kind::REFUSED => {
                let reason = match event.fields.get("reason") {
                    Some(Value::Text(reason)) => reason.as_str(),
                    _ => "",
                };
                let refused = done(reason);
                self.change(event, view, |order| order.refused = Some(refused))
            }
            kind::NOTICE => {
                let Some(grant) = number(event, "grant") else { return false };
                self.change(event, view, |order| {
                    order.notices.insert(grant, event.at);
                })
            }
            kind::TAKEN => {
                let replica = match event.fields.get("replica") {
                    Some(Value::Text(replica)) => replica.parse().ok(),
                    _ => None,
                };
                let Some((grant, replica)) = number(event, "grant").zip(replica) else { return false };
                self.change(event, view, |order| {
                    order.taken.entry(grant).or_default().insert(replica, event.at);
                })
            }
            _ => false,
        }
    }

    /// Takes an event of a replica's log into account; whether it changed anything.
    pub fn hear(&mut self, replica: ReplicaId, event: &Event, view: &mut Batch) -> bool {
        let Some((id, kept)) = told(event) else { return false };
        let orders = Arc::make_mut(&mut self.by_number);
        if let Some(order) = orders.values_mut().find(|order| order.erasures.contains_key(&id)) {
            order.confirmed.entry(replica).or_default().insert(id, event.at);
            keep(order, view);
            return true;
        }
        if self.unknown.len() >= UNKNOWN_MAX {
            return false;
        }
        let place = unknown_key(&id);
        let new = || Unknown { kept, by: BTreeMap::new() };
        let heard = Arc::make_mut(&mut self.unknown).entry(id).or_insert_with(new);
        heard.by.insert(replica, event.at);
        view.put(Keyspace::Erasure, &place, &serde_json::to_vec(heard).unwrap_or_default());
        true
    }

    /// How many erasures were ordered.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_number.values().map(|order| order.erasures.len() as u64).sum()
    }

    fn change(&mut self, event: &Event, view: &mut Batch, change: impl FnOnce(&mut ErasureOrder)) -> bool {
        let Some(number) = number(event, "proposal") else { return false };
        let Some(order) = Arc::make_mut(&mut self.by_number).get_mut(&number) else { return false };
        change(order);
        keep(order, view);
        true
    }
}

/// Erasures of other ledgers that are remembered until they are looked at.
const UNKNOWN_MAX: usize = 1_024;
const ORDER: u8 = b'o';
const UNKNOWN: u8 = b'u';

fn unknown_key(id: &str) -> Vec<u8> {
    [&[UNKNOWN], id.as_bytes()].concat()
}

fn keep(order: &ErasureOrder, view: &mut Batch) {
    let place = [&[ORDER], order.number.to_be_bytes().as_slice()].concat();
    view.put(Keyspace::Erasure, &place, &serde_json::to_vec(order).unwrap_or_default());
}

fn number(event: &Event, name: &str) -> Option<u64> {
    match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}
