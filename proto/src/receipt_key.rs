//! The keys a province cosigns its receipts with, one after another: each for the receipts of its span.
//!
//! The first is the one a hub was made with. Each further one is named by an event of the ledger, from a second on that
//! is not past: nobody can end a key for what it has signed already. A receipt holds by the key of its own date, and by
//! no other.

use std::collections::BTreeMap;

use crate::checkpoint::Checkpoint;
use crate::cosignature::verify_cosignature;
use crate::event::Event;
use crate::limits::RECEIPT_KEYS_MAX;
use crate::note::{Algorithm, NoteError, Signature, Verifier};
use crate::time::UnixMillis;
use crate::value::Value;

/// The kind of the ledger's event that names the next key.
pub const RECEIPT_KEY: &str = "receipt_key";

/// A key, and from when on it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptKey {
    /// The key under its name.
    pub verifier: Verifier,
    /// The first second of its span, Unix.
    pub from_seconds: u64,
}

impl ReceiptKey {
    /// The event that names it; it is in force from the next second on.
    #[must_use]
    pub fn naming(verifier: &Verifier, at: UnixMillis, actor: &str) -> Event {
        let from = UnixMillis((at.0 / 1_000 + 1) * 1_000);
        let fields = BTreeMap::from([
            ("key".to_owned(), Value::Text(verifier.to_string())),
            ("from".to_owned(), Value::Timestamp(from)),
        ]);
        Event { kind: RECEIPT_KEY.to_owned(), at, actor: actor.to_owned(), fields }
    }

    /// The key an event names, if it names one: from a whole second on that was to come.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let (Value::Text(key), Value::Timestamp(from)) =
            (event.fields.get("key").filter(|_| event.kind == RECEIPT_KEY)?, event.fields.get("from")?)
        else {
            return None;
        };
        let verifier: Verifier = key.parse().ok()?;
        let fits = verifier.algorithm() == Algorithm::Cosignature && from.0 % 1_000 == 0 && *from > event.at;
        fits.then_some(Self { verifier, from_seconds: from.0 / 1_000 })
    }
}

/// The date of a receipt, Unix seconds, as its key has signed it; `None` if the line is no cosignature.
#[must_use]
pub fn receipt_seconds(line: &str) -> Option<u64> {
    let signature = Signature::parse(line).ok()?;
    signature.bytes.first_chunk::<8>().map(|time| u64::from_be_bytes(*time))
}

/// The keys a ledger names, in the order of their spans. The one before them is known by another way, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptKeys(Vec<ReceiptKey>);

/// What a receipt's own date asks of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// This key, of the ledger's.
    Named(&'a Verifier),
    /// The one before those the ledger names.
    First,
}

impl ReceiptKeys {
    /// Takes the next key; whether it is one. What does not follow the last, or is one too many, is none.
    pub fn take(&mut self, next: ReceiptKey) -> bool {
        let follows = self.0.last().is_none_or(|last| last.from_seconds < next.from_seconds);
        let fits = follows && self.0.len() < RECEIPT_KEYS_MAX;
        if fits {
            self.0.push(next);
        }
        fits
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the ledger names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// They, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ReceiptKey> {
        self.0.iter()
    }

    /// The key that signs what is dated then.
    #[must_use]
    pub fn at(&self, seconds: u64) -> Asked<'_> {
        let named = self.0.iter().rfind(|key| key.from_seconds <= seconds);
        named.map_or(Asked::First, |key| Asked::Named(&key.verifier))
    }

    /// Whether a receipt holds over a checkpoint, by the key of its date; `first` judges what is of before.
    ///
    /// A key the ledger names signs nothing that is dated before its span.
    #[must_use]
    pub fn hold(&self, line: &str, checkpoint: &Checkpoint, first: impl FnOnce() -> bool) -> bool {
        let Some(seconds) = receipt_seconds(line) else { return false };
        match self.at(seconds) {
            Asked::Named(key) => holds(line, checkpoint, key).is_ok(),
            Asked::First => !self.0.iter().any(|key| is_by(line, &key.verifier)) && first(),
        }
    }
}

/// Whether a receipt names a key as its own; nothing is verified.
#[must_use]
pub fn is_by(line: &str, key: &Verifier) -> bool {
    Signature::parse(line).is_ok_and(|signature| signature.name == key.name() && signature.id == key.id())
}

fn holds(line: &str, checkpoint: &Checkpoint, key: &Verifier) -> Result<u64, NoteError> {
    verify_cosignature(line, checkpoint, *key.key(), key.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::cosign;
    use crate::hash::{Signer as _, SigningKey};

    const NAME: &str = "a.vn/33/receipts";

    fn seed(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32]).unwrap()
    }

    fn key(n: u8) -> Verifier {
        Verifier::new(NAME, Algorithm::Cosignature, seed(n).public_key()).unwrap()
    }

    fn named(n: u8, at: u64) -> ReceiptKey {
        ReceiptKey::of(&ReceiptKey::naming(&key(n), UnixMillis(at), "lan")).unwrap()
    }

    /// Goal: a receipt holds by the key of its date, and no other. Method: three keys one after another; each signs at the
    /// first and the last second of each span.
    #[test]
    fn each_key_signs_in_its_span_only() {
        let mut keys = ReceiptKeys::default();
        assert!(keys.take(named(2, 99_500)) && keys.take(named(3, 200_000)));
        let spans = [(1, 0, 99), (2, 100, 200), (3, 201, u64::MAX)];
        let checkpoint = Checkpoint { origin: "a.vn/log".into(), size: 7, root: [9; 32], roll: None };
        for (signer, ..) in spans {
            for (owner, begins, ends) in spans {
                for seconds in [begins, ends] {
                    let line = cosign(&checkpoint, seconds, NAME, &seed(signer)).unwrap();
                    let first = || holds(&line, &checkpoint, &key(1)).is_ok();
                    assert_eq!(
                        keys.hold(&line, &checkpoint, first),
                        signer == owner,
                        "{signer} in {owner}'s at {seconds}"
                    );
                    let unknown = keys.hold(&line, &checkpoint, || true);
                    assert_eq!(
                        unknown,
                        signer == owner,
                        "who does not know the first key: {signer} in {owner}'s"
                    );
                }
            }
        }
        let line = cosign(&checkpoint, 150, NAME, &seed(2)).unwrap();
        let other = Checkpoint { size: 8, ..checkpoint };
        assert!(!keys.hold(&line, &other, || true) && !keys.hold("garbage", &other, || true));
    }

    #[test]
    fn an_event_names_a_key_for_what_is_to_come() {
        let event = ReceiptKey::naming(&key(2), UnixMillis(5_999), "lan");
        assert_eq!(named(2, 5_999).from_seconds, 6);
        assert_eq!(named(2, 6_000).from_seconds, 7, "what is taken in this second is still the one's before");
        let with = |name: &str, value: Value| {
            let mut event = event.clone();
            event.fields.insert(name.to_owned(), value);
            ReceiptKey::of(&event)
        };
        assert_eq!(with("from", Value::Timestamp(UnixMillis(5_000))), None, "in the past");
        assert_eq!(with("from", Value::Timestamp(UnixMillis(6_500))), None, "half a second");
        assert_eq!(with("from", Value::Integer(6)), None);
        assert_eq!(with("key", Value::Text("garbage".to_owned())), None);
        let plain = Verifier::new(NAME, Algorithm::Ed25519, seed(2).public_key()).unwrap();
        assert_eq!(with("key", Value::Text(plain.to_string())), None, "no cosigner's");
        assert_eq!(ReceiptKey::of(&Event { kind: "tally".to_owned(), ..event }), None);
    }

    #[test]
    fn keys_follow_each_other_and_are_not_without_end() {
        let mut keys = ReceiptKeys::default();
        assert!(keys.take(named(2, 9_000)) && !keys.take(named(3, 9_500)) && !keys.take(named(3, 4_000)));
        for second in 1..RECEIPT_KEYS_MAX as u64 {
            assert!(keys.take(named(2, 9_000 + second * 1_000)));
        }
        assert!(!keys.take(named(3, 9_000_000)));
        assert_eq!(keys.len(), RECEIPT_KEYS_MAX);
    }
}
