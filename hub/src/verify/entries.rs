//! The ledger's entries, one by one: what each must be, given all before it.

use std::collections::BTreeMap;

use lienthong_node::dataset::Payload;
use lienthong_node::store::Batch;
use lienthong_node::sync::SUCCESSION;
use lienthong_proto::batch;
use lienthong_proto::change::Change;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event, FIRST_ACCEPTED};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::Frontier;
use lienthong_proto::note::{Note, Verifier};
use lienthong_proto::succession::Succession;
use lienthong_proto::value::Value;
use lienthong_proto::witness::{Introduced, POLICY, Policy, WITNESS, witness_name};

use super::rounds::Wanted;
use super::tiles::Tiles;
use super::{Derived, Differs};
use crate::ledger::{READMISSION, Witnesses};
use crate::pki::{HubSecrets, recovery_public};

/// A log that is held.
struct Held {
    origin: String,
    /// None is known of a log that its unit's other nodes brought back.
    key: Option<[u8; 32]>,
    tree: Frontier,
    /// What the next acceptance says of those before it.
    accepted: Digest,
}

pub(super) struct Entries<'a> {
    secrets: &'a HubSecrets,
    tree: Frontier,
    tiles: Tiles,
    wanted: Wanted,
    held: BTreeMap<ReplicaId, Held>,
    witnesses: Witnesses,
    batches: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn new(secrets: &'a HubSecrets, tiles: Tiles, wanted: Wanted) -> Self {
        let (tree, held, witnesses) = (Frontier::new(), BTreeMap::new(), Witnesses::default());
        Self { secrets, tree, tiles, wanted, held, witnesses, batches: 0 }
    }

    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(super) fn end(mut self, end: u64) -> Result<Derived, Differs> {
        if self.tree.size() != end {
            let found = self.tree.size();
            return Err(Differs::at(format!("entry {found}"), format!("not there, of {end}")));
        }
        if end == 0 {
            self.wanted.reached(&self.tree)?;
        }
        let rounds = self.wanted.end(end, &self.witnesses)?;
        Ok(Derived { entries: end, root: self.tree.root(), batches: self.batches, rounds })
    }

    pub(super) fn frame(&mut self, payload: &bytes::Bytes) -> Result<(), Differs> {
        let place = self.tree.size();
        let entry_at = |reason: &dyn std::fmt::Display| Differs::at(format!("entry {place}"), reason);
        match Payload::parse(payload).map_err(|error| entry_at(&error))? {
            Payload::Entry(entry) => match self.own(entry)? {
                Some(_) => Err(entry_at(&"an acceptance without its batch")),
                None => Ok(()),
            },
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed).map_err(|error| entry_at(&error))?;
                for entry in batch::entries(&plain).map_err(|error| entry_at(&error))? {
                    let place = self.tree.size();
                    if self.own(entry)?.is_some() {
                        return Err(Differs::at(format!("entry {place}"), "an acceptance without its batch"));
                    }
                }
                Ok(())
            }
            Payload::Accepted { entry, packed } => {
                let Some(acceptance) = self.own(entry)? else {
                    return Err(entry_at(&"a batch beside what is no acceptance"));
                };
                let object = format!("entry {place}, acceptance of {}", acceptance.replica);
                self.accepted(&acceptance, place, packed).map_err(|reason| Differs::at(object, reason))
            }
        }
    }

    /// An entry of the ledger's own.
    fn own(&mut self, bytes: &[u8]) -> Result<Option<Acceptance>, Differs> {
        let place = self.tree.size();
        let differs = |reason: &dyn std::fmt::Display| Differs::at(format!("entry {place}"), reason);
        let entry = Entry::decode(bytes).map_err(|error| differs(&error))?;
        let dot = entry.header.dot;
        if dot.replica != self.secrets.profile.replica || dot.sequence != Sequence(place) {
            return Err(differs(&"it names another place or ledger"));
        }
        let leaf = entry.leaf_hash();
        self.tree.push(leaf);
        self.tiles.leaf(leaf)?;
        let acceptance = match entry.header.kind {
            EntryKind::Change => {
                Change::of(&entry).map_err(|error| differs(&error))?;
                None
            }
            EntryKind::Event => {
                let event = Event::of(&entry).map_err(|error| differs(&error))?;
                self.event(&event, place)
                    .map_err(|reason| differs(&format!("event {}: {reason}", event.kind)))?;
                None
            }
            EntryKind::Acceptance => Some(Acceptance::of(&entry).map_err(|error| differs(&error))?),
        };
        self.wanted.reached(&self.tree)?;
        Ok(acceptance)
    }

    fn event(&mut self, event: &Event, place: u64) -> Result<(), String> {
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) => Ok(text.as_str()),
            _ => Err(format!("it has no {name}")),
        };
        let replica = || text("replica")?.parse::<ReplicaId>().map_err(|_| "it names no replica".to_owned());
        match event.kind.as_str() {
            "enrolment" | READMISSION => {
                let Some(Value::Unit(unit)) = event.fields.get("unit") else {
                    return Err("it names no unit".to_owned());
                };
                let brought_back = event.kind == READMISSION && !event.fields.contains_key("log_key");
                let mut key = [0; 32];
                let key = if brought_back {
                    None
                } else {
                    let read = hex::decode_to_slice(text("log_key")?, &mut key);
                    Some(read.map(|()| key).map_err(|_| "it has no key".to_owned())?)
                };
                let (replica, origin) = (replica()?, self.secrets.origin(unit, replica()?));
                let (tree, accepted) = match self.held.remove(&replica) {
                    Some(Held { tree, accepted, .. }) => (tree, accepted),
                    None => (Frontier::new(), FIRST_ACCEPTED),
                };
                self.held.insert(replica, Held { origin, key, tree, accepted });
            }
            kind if kind == SUCCESSION.0 => {
                let recovery = recovery_public(&self.secrets.profile).unwrap_or_default();
                let stated =
                    Succession::verify(text(SUCCESSION.1)?, recovery).map_err(|error| error.to_string())?;
                let (origin, key) = (stated.former.origin.to_string(), stated.former.key);
                let former = stated.former.origin.replica();
                let (tree, accepted, key) = (Frontier::new(), FIRST_ACCEPTED, Some(key));
                self.held.entry(former).or_insert(Held { origin, key, tree, accepted });
            }
            WITNESS => {
                let (replica, verifier, introduced) = Introduced::of(event).ok_or("it names no key")?;
                let held = self.held.get(&replica).ok_or("a witness nobody enrolled")?;
                let key = held.key.ok_or("a witness of whose log no key is known")?;
                if !introduced.holds(&replica, &key) || verifier.name() != witness_name(&held.origin) {
                    return Err("the key is not introduced by its replica".to_owned());
                }
                self.witnesses.note(event, Sequence(place), &mut Batch::default());
            }
            POLICY => {
                let policy = Policy::of(event).ok_or("it is no policy")?;
                let known = |key: &Verifier| self.witnesses.keys.values().any(|known| known.verifier == *key);
                if let Some(stranger) = policy.witnesses().iter().find(|key| !known(key)) {
                    return Err(format!("{} is no witness", stranger.name()));
                }
                self.witnesses.note(event, Sequence(place), &mut Batch::default());
            }
            _ => {}
        }
        Ok(())
    }

    /// The batch beside an acceptance, up to its replica's signature.
    fn accepted(&mut self, acceptance: &Acceptance, place: u64, packed: &[u8]) -> Result<(), String> {
        let held = self.held.get_mut(&acceptance.replica).ok_or("of a replica nobody enrolled")?;
        if held.tree.size() != acceptance.first.0 {
            return Err("it does not continue its log".to_owned());
        }
        if acceptance.before != held.accepted {
            return Err("it says otherwise where and when its log was accepted before".to_owned());
        }
        held.accepted = acceptance.chain(place);
        let plain = batch::unpack(packed).map_err(|error| error.to_string())?;
        for bytes in batch::entries(&plain).map_err(|error| error.to_string())? {
            let entry = Entry::decode(bytes).map_err(|error| error.to_string())?;
            let dot = entry.header.dot;
            if dot.replica != acceptance.replica || dot.sequence != Sequence(held.tree.size()) {
                return Err("an entry names another place or replica".to_owned());
            }
            held.tree.push(entry.leaf_hash());
        }
        if (held.tree.size(), held.tree.root()) != (acceptance.size, acceptance.root) {
            return Err("its batch has another root than was accepted".to_owned());
        }
        let signed = signed(&acceptance.checkpoint, held)?;
        if (signed.size, signed.root) != (acceptance.size, acceptance.root) {
            return Err("its replica signed another tree".to_owned());
        }
        self.batches += 1;
        Ok(())
    }
}

/// What a replica signed; of one whose key is not known, what it is said to have signed.
fn signed(note: &str, held: &Held) -> Result<Checkpoint, String> {
    let Held { origin, key, .. } = held;
    match key {
        Some(key) => SignedCheckpoint::verify(note.as_bytes(), origin, *key)
            .map(|signed| signed.checkpoint().clone())
            .map_err(|error| error.to_string()),
        None => {
            let note = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
            let said = Checkpoint::parse_body(note.text()).map_err(|error| error.to_string())?;
            if said.origin == *origin { Ok(said) } else { Err("it is of another log".to_owned()) }
        }
    }
}
