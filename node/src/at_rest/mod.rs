//! Encryption at rest: log and view are sealed with AES-256-GCM under a master key that stands outside the data folder.
//!
//! The master key never seals anything itself. Each log segment has a key of its own, by HKDF from the master and the
//! segment's random salt; the view has a random key of its own, which the master wraps. Whoever starts a program names
//! one source of keys: a file, a systemd credential or a command. It gives one key a line: the first seals whatever is
//! written from now on, the others only open what they once sealed, until all of it is sealed by the first.
//!
//! ```
//! use lienthong_node::at_rest::KeyRing;
//!
//! let new = KeyRing::generate();
//! let both = format!("{}\n{}\n", new.as_str(), KeyRing::generate().as_str());
//! let ring: KeyRing = both.parse()?;
//! assert_eq!(ring.current().map(|key| key.id()), new.parse::<KeyRing>()?.current().map(|key| key.id()));
//! # Ok::<(), lienthong_node::at_rest::RingError>(())
//! ```

mod given;
mod key;
mod ring;
mod source;

pub use given::GivenKeys;
pub use key::{KeyId, MasterKey, NeededKey};
pub(crate) use key::{TAG_BYTES, fresh};
pub use ring::{KeyRing, RingError};
pub use source::{CREDENTIAL, KeySource, KeySourceError};
