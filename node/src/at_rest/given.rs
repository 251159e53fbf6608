//! Keys on their way to a running program.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyRing, RingError};

/// The text of a source of keys, which is never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct GivenKeys(Zeroizing<String>);

impl GivenKeys {
    /// The keys.
    ///
    /// # Errors
    /// [`RingError`] if they are none.
    pub fn ring(&self) -> Result<KeyRing, RingError> {
        self.0.parse()
    }
}

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenKeys")
    }
}

impl From<String> for GivenKeys {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<GivenKeys> for String {
    fn from(given: GivenKeys) -> Self {
        given.0.as_str().to_owned()
    }
}
