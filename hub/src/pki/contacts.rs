//! Whom to call at a unit. Sealed beside the accounts, not in the ledger: a name and a number must be forgettable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lienthong_proto::ids::UnitCode;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::{HubSecrets, Seal, SealError};

const FILE: &str = "contacts.sealed";
const NAME_CHARS_MAX: usize = 80;
const PHONE_CHARS_MAX: usize = 30;

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// Their number, as people write it.
    pub phone: String,
}

/// Why a contact is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// The file fails.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Neither a name nor a number, or too long.
    #[error(
        "tên tối đa 80 ký tự; số điện thoại gồm chữ số, dấu cách, +, -, ., () · a name has at most 80 characters; a number is of digits, spaces, +, -, ., ()"
    )]
    Form,
}

/// The contacts of all units.
#[derive(Debug)]
pub struct Contacts {
    contacts: RwLock<BTreeMap<UnitCode, Contact>>,
    seal: Seal,
    dir: PathBuf,
}

impl Contacts {
    /// Opens the contacts of a hub.
    ///
    /// # Errors
    /// [`SealError`] if they do not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, SealError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let contacts = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            BTreeMap::new()
        };
        Ok(Self { contacts: RwLock::new(contacts), seal, dir })
    }

    /// A unit's contact.
    #[must_use]
    pub fn get(&self, unit: &UnitCode) -> Option<Contact> {
        self.contacts.read().get(unit).cloned()
    }

    /// Sets a unit's contact; one that is empty is forgotten.
    ///
    /// # Errors
    /// [`ContactError`] if it is of no such form, or cannot be kept.
    pub fn set(&self, unit: &UnitCode, name: &str, phone: &str) -> Result<(), ContactError> {
        let (name, phone) = (name.trim(), phone.trim());
        let dialled = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '.' | '(' | ')');
        let long = name.chars().count() > NAME_CHARS_MAX || phone.len() > PHONE_CHARS_MAX;
        if long || !phone.chars().all(dialled) || name.chars().any(char::is_control) {
            return Err(ContactError::Form);
        }
        let mut contacts = self.contacts.write();
        let mut next = contacts.clone();
        if name.is_empty() && phone.is_empty() {
            next.remove(unit);
        } else {
            next.insert(unit.clone(), Contact { name: name.to_owned(), phone: phone.to_owned() });
        }
        let bytes = serde_json::to_vec(&next).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        self.seal.write(&self.dir, FILE, &bytes)?;
        *contacts = next;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pki::{InitOptions, init};

    #[test]
    fn a_contact_is_kept_sealed_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let options =
            InitOptions { province: "33".parse().unwrap(), domain: "a.example".into(), names: Vec::new() };
        init(dir.path(), &options).unwrap();
        let open = || Contacts::open(&HubSecrets::load(dir.path()).unwrap()).unwrap();
        let unit: UnitCode = "11953".parse().unwrap();
        open().set(&unit, " Trần Thị Lan ", "0221 3 555 123").unwrap();
        let kept = Contact { name: "Trần Thị Lan".to_owned(), phone: "0221 3 555 123".to_owned() };
        assert_eq!(open().get(&unit), Some(kept));
        let bytes = std::fs::read(dir.path().join("secrets").join(FILE)).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"555"), "not in clear");
        for (name, phone) in [("a", "gọi sau"), ("x\ny", "1"), (&*"x".repeat(81), "1")] {
            assert!(matches!(open().set(&unit, name, phone), Err(ContactError::Form)), "{name} {phone}");
        }
        open().set(&unit, "", "").unwrap();
        assert_eq!(open().get(&unit), None);
    }
}
