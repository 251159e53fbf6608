//! The second factor of accounts.

use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::totp::{SEED_BYTES, Seed};
use super::{Account, AccountError, Accounts};

/// An account's second factor as it is kept, sealed with the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecondFactor {
    /// Hex.
    seed: String,
    /// The last step a code was used of.
    used: u64,
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecondFactor")
    }
}

impl SecondFactor {
    fn seed(&self) -> Option<Seed> {
        let mut seed = [0; SEED_BYTES];
        hex::decode_to_slice(&self.seed, &mut seed).ok().map(|()| Seed(seed))
    }
}

impl Account {
    /// Whether a code is asked beside the password.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.second_factor.is_some()
    }
}

impl Accounts {
    /// Sets an account's second factor up: its owner shows a first code, so that nobody is locked out by a seed
    /// that never arrived.
    ///
    /// # Errors
    /// [`AccountError::Code`] if the code is not the seed's, [`AccountError::SecondFactor`] if there is one already.
    pub fn enrol_code(
        &self,
        name: &str,
        seed: &Seed,
        typed: &str,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let used = seed.step_of(typed, now, 0).ok_or(AccountError::Code)?;
        self.change(name, |account| {
            if account.second_factor.is_some() {
                return Err(AccountError::SecondFactor);
            }
            account.second_factor = Some(SecondFactor { seed: hex::encode(seed.0), used });
            Ok(())
        })
    }

    /// Takes a typed code, once: durably, before anybody is let in for it.
    ///
    /// # Errors
    /// [`AccountError::Code`] if it is wrong or used.
    pub fn spend_code(&self, name: &str, typed: &str, now: UnixMillis) -> Result<(), AccountError> {
        self.change(name, |account| {
            let factor = account.second_factor.as_mut().ok_or(AccountError::Code)?;
            let step = factor.seed().and_then(|seed| seed.step_of(typed, now, factor.used));
            factor.used = step.ok_or(AccountError::Code)?;
            Ok(())
        })
    }

    /// Takes an account's second factor away, so that it can be set up anew.
    ///
    /// # Errors
    /// [`AccountError::Unknown`] if there is no such account.
    pub fn reset_second_factor(&self, name: &str) -> Result<(), AccountError> {
        self.change(name, |account| {
            account.second_factor = None;
            Ok(())
        })
    }
}
