//! Which keys the ledger names for receipts, one after another, and where.

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::receipt_key::{ReceiptKey, ReceiptKeys};

const KEYS: &[u8] = b"receipt_key/";

/// The keys and their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedKeys {
    /// In the order of their spans.
    pub keys: ReceiptKeys,
    /// The entry that names each, in the same order.
    pub places: Vec<Sequence>,
}

impl NamedKeys {
    /// As the view has it; what is not understood counts as nothing (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut named = Self::default();
        view.scan_prefix(Keyspace::Meta, KEYS, &mut |key, bytes| {
            let place = key.strip_prefix(KEYS).and_then(|place| place.try_into().ok());
            let row = serde_json::from_slice::<(String, u64)>(bytes).ok();
            if let (Some(place), Some((key, from_seconds))) = (place, row)
                && let Ok(verifier) = key.parse()
            {
                named.take(ReceiptKey { verifier, from_seconds }, Sequence(u64::from_be_bytes(place)));
            }
            true
        })?;
        Ok(named)
    }

    fn take(&mut self, key: ReceiptKey, place: Sequence) -> bool {
        let taken = self.keys.take(key);
        if taken {
            self.places.push(place);
        }
        taken
    }

    /// Takes an event at `place` into account; whether it names a key.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        let Some(named) = ReceiptKey::of(event) else { return false };
        let row = (named.verifier.to_string(), named.from_seconds);
        let taken = self.take(named, place);
        if taken {
            let key = [KEYS, &place.0.to_be_bytes()].concat();
            view.put(Keyspace::Meta, &key, &serde_json::to_vec(&row).unwrap_or_default());
        }
        taken
    }
}
