//! The keys that are at hand, the one that seals first.

use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::key::fresh;
use super::{KeyId, MasterKey, NeededKey};

/// Keys in a ring at most: one that seals, and those of rotations that have not ended.
const KEYS_MAX: usize = 8;

/// What is given as keys is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A line is no key.
    #[error("dòng {0}: khóa là 64 chữ số thập lục phân · line {0}: a key is 64 hexadecimal digits")]
    Line(usize),
    /// There are too many.
    #[error("nhiều hơn {KEYS_MAX} khóa · more than {KEYS_MAX} keys")]
    TooMany,
    /// There is none.
    #[error("không có khóa nào trong đó · there is no key in it")]
    Empty,
}

/// Keys at hand. Without any, nothing is sealed. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Arc<[MasterKey]>,
}

impl KeyRing {
    /// A new key's line.
    #[must_use]
    pub fn generate() -> Zeroizing<String> {
        Zeroizing::new(hex::encode(Zeroizing::new(fresh::<32>()).as_ref()))
    }

    /// The key that seals; none if nothing is sealed.
    #[must_use]
    pub fn current(&self) -> Option<&MasterKey> {
        self.keys.first()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of a name.
    ///
    /// # Errors
    /// [`NeededKey`] if it is not at hand.
    pub fn key(&self, id: KeyId) -> Result<&MasterKey, NeededKey> {
        match (self.keys.iter().find(|key| key.id() == id), self.current()) {
            (Some(key), _) => Ok(key),
            (None, None) => Err(NeededKey::Missing(id)),
            (None, Some(given)) => Err(NeededKey::Wrong { needed: id, given: given.id() }),
        }
    }
}

/// One key a line, 64 hexadecimal digits; empty lines and those that begin with `#` say nothing.
impl FromStr for KeyRing {
    type Err = RingError;

    fn from_str(text: &str) -> Result<Self, RingError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut bytes = Zeroizing::new([0; 32]);
            hex::decode_to_slice(line, bytes.as_mut()).map_err(|_| RingError::Line(number))?;
            let key = MasterKey::new(bytes);
            if keys.iter().all(|known| known.id() != key.id()) {
                keys.push(key);
            }
        }
        match keys.len() {
            0 => Err(RingError::Empty),
            1..=KEYS_MAX => Ok(Self { keys: keys.into() }),
            _ => Err(RingError::TooMany),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_seals_and_the_others_open() {
        let (one, two) = (KeyRing::generate(), KeyRing::generate());
        let alone: KeyRing = one.parse().unwrap();
        let both: KeyRing =
            format!("# new\n{}\n\n  {}\n{}\n", two.as_str(), one.as_str(), one.as_str()).parse().unwrap();
        let id = alone.current().unwrap().id();
        assert_ne!(both.current().unwrap().id(), id);
        assert_eq!(both.key(id).unwrap().id(), id);
        let two: KeyRing = two.parse().unwrap();
        assert!(matches!(two.key(id), Err(NeededKey::Wrong { needed, .. }) if needed == id));
        assert_eq!(KeyRing::default().key(id).unwrap_err(), NeededKey::Missing(id));
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_line() {
        let refused = |text: &str| text.parse::<KeyRing>().unwrap_err();
        assert_eq!(refused(""), RingError::Empty);
        assert_eq!(refused("# none\n"), RingError::Empty);
        assert_eq!(refused("\nabc\n"), RingError::Line(2));
        assert_eq!(refused(&"g".repeat(64)), RingError::Line(1));
        assert_eq!(refused(&format!("{}\n", "a".repeat(62))), RingError::Line(1));
        let many: Vec<String> = (0..9).map(|_| KeyRing::generate().to_string()).collect();
        assert_eq!(refused(&many.join("\n")), RingError::TooMany);
    }

    #[test]
    fn a_key_is_never_printed() {
        let line = KeyRing::generate();
        let ring: KeyRing = line.parse().unwrap();
        assert!(!format!("{ring:?}").contains(line.as_str()));
    }
}
