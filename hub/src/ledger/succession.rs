//! What the ledger says of its own succession: whom it follows, whom it let in again, whether a person has confirmed it.

use std::collections::BTreeSet;

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_node::sync::SUCCESSION;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};

/// The kind of the event that confirms a succession.
pub const CONFIRMED: &str = "succession_confirmed";
/// The kind of the event that lets a replica in again.
pub const READMISSION: &str = "readmission";
/// The field of an event taken over from a former ledger: whose, and where it stood there.
pub const CARRIED: &str = "carried";

const KEY: &[u8] = b"succession";

/// A succession, as the ledger tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Ledgers this one follows: nobody writes there any more.
    pub former: BTreeSet<ReplicaId>,
    /// When this ledger began after another; nothing if it is the first.
    pub begun: Option<UnixMillis>,
    /// The signed statement.
    pub note: String,
    /// There was a backup.
    pub backup: bool,
    /// Replicas let in again by their certificates.
    pub readmitted: BTreeSet<ReplicaId>,
    /// Who has confirmed it, and when.
    pub confirmed: Option<(String, UnixMillis)>,
}

impl Standing {
    /// As the view has it; what is not understood counts as nothing (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let bytes = view.get(Keyspace::Meta, KEY)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Whether nobody has confirmed yet what the gap may hold: no enrolment and no sharing until then.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.begun.is_some() && self.confirmed.is_none()
    }

    /// Takes an event at `place` into account; whether it changed anything.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let replica = || text("replica").and_then(|replica| replica.parse::<ReplicaId>().ok());
        // What a former ledger went through is its own story.
        let own = !event.fields.contains_key(CARRIED);
        match event.kind.as_str() {
            kind if kind == SUCCESSION.0 => {
                self.former.extend(replica());
                if own && place == Sequence(0) {
                    self.begun = Some(event.at);
                    self.note = text(SUCCESSION.1).unwrap_or_default().to_owned();
                    self.backup = event.fields.get("backup") == Some(&Value::Boolean(true));
                }
            }
            CONFIRMED if own => self.confirmed = Some((event.actor.clone(), event.at)),
            READMISSION if own => self.readmitted.extend(replica()),
            _ => return false,
        }
        view.put(Keyspace::Meta, KEY, &serde_json::to_vec(self).unwrap_or_default());
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(kind: &str, replica: u8, carried: bool) -> Event {
        let replica = Value::Text(ReplicaId([replica; 16]).to_string());
        let mut fields = BTreeMap::from([("replica".to_owned(), replica)]);
        if carried {
            fields.insert(CARRIED.to_owned(), Value::Text("x:0".to_owned()));
        }
        Event { kind: kind.to_owned(), at: UnixMillis(7), actor: "lan".to_owned(), fields }
    }

    /// Goal: only this ledger's own succession is to be confirmed, and only by its own event.
    #[test]
    fn what_a_former_ledger_went_through_confirms_nothing() {
        let (mut standing, mut view) = (Standing::default(), Batch::default());
        assert!(!standing.is_open());
        standing.note(&event("succession", 2, false), Sequence(0), &mut view);
        assert!(standing.is_open());
        standing.note(&event("succession", 1, true), Sequence(1), &mut view);
        standing.note(&event(CONFIRMED, 0, true), Sequence(2), &mut view);
        standing.note(&event(READMISSION, 5, true), Sequence(3), &mut view);
        assert!(standing.is_open() && standing.readmitted.is_empty());
        assert_eq!(standing.former.len(), 2);
        standing.note(&event(CONFIRMED, 0, false), Sequence(9), &mut view);
        assert!(!standing.is_open());
    }
}
