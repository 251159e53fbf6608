//! Notices to a receiver of what became of something it was handed: it was erased by an order, or it is no longer as it was.
//!
//! A signed note of the ledger's key: a line that says what it is, and a line of JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hash::Signer;
use crate::ids::{RecordId, UnitCode};
use crate::note::{Algorithm, Note, NoteError, Verifier};

/// The first line of a notice of erasure.
pub const NOTICE_FORM: &str = "lienthong erasure notice 1";
/// The first line of a notice of changes.
pub const CHANGES_FORM: &str = "lienthong change notice 1";

/// What a notice of erasure says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureNotice {
    /// The ledger.
    pub ledger: String,
    /// The grant something was handed over under.
    pub grant: u64,
    /// To whom.
    pub agency: UnitCode,
    /// Number of the order's document.
    pub order: String,
    /// Who issued it.
    pub issuer: String,
    /// Its day.
    pub date: String,
    /// When it was approved.
    pub approved: String,
    /// The record's type.
    pub record_type: String,
    /// The record, under the grant's pseudonym.
    pub record: RecordId,
    /// All of the record.
    pub whole: bool,
    /// The fields of it that the grant lets out.
    pub fields: Vec<String>,
}

/// What a notice of changes says: which records handed over under a grant are no longer as they were. What they are now is
/// not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeNotice {
    /// The ledger.
    pub ledger: String,
    /// The grant something was handed over under.
    pub grant: u64,
    /// To whom.
    pub agency: UnitCode,
    /// The last delivery under it shows the ledger before this entry.
    pub since: u64,
    /// The notice tells of the ledger before this entry.
    pub until: u64,
    /// When it was written.
    pub at: String,
    /// The records.
    pub records: Vec<ChangedRecord>,
}

/// A record that was handed over and is no longer as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedRecord {
    /// Its type.
    pub record_type: String,
    /// It, under the grant's pseudonym.
    pub record: RecordId,
    /// What became of it.
    pub became: Became,
    /// The granted fields of it that were written since.
    pub fields: Vec<String>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It was withdrawn.
    Withdrawn,
    /// The grant does not mean it now: it is of another unit, or shows what a condition does not.
    Left,
    /// Granted fields of it were written.
    Changed,
}

impl ErasureNotice {
    /// The signed note.
    ///
    /// # Errors
    /// [`NoteError`] if it cannot be signed.
    pub fn sign(&self, key: &dyn Signer) -> Result<String, NoteError> {
        signed(NOTICE_FORM, self, &self.ledger, key)
    }

    /// Reads a notice, if the ledger it names signed it; `key` tells that ledger's key, if it is to be believed.
    ///
    /// # Errors
    /// [`NoteError`] otherwise.
    pub fn verify(bytes: &[u8], key: impl Fn(&str) -> Option<[u8; 32]>) -> Result<Self, NoteError> {
        verified(NOTICE_FORM, bytes, |notice: &Self| notice.ledger.clone(), key)
    }
}

impl ChangeNotice {
    /// The signed note.
    ///
    /// # Errors
    /// [`NoteError`] if it cannot be signed.
    pub fn sign(&self, key: &dyn Signer) -> Result<String, NoteError> {
        signed(CHANGES_FORM, self, &self.ledger, key)
    }

    /// As [`ErasureNotice::verify`].
    ///
    /// # Errors
    /// [`NoteError`] if the ledger it names did not sign it, or is not to be believed.
    pub fn verify(bytes: &[u8], key: impl Fn(&str) -> Option<[u8; 32]>) -> Result<Self, NoteError> {
        verified(CHANGES_FORM, bytes, |notice: &Self| notice.ledger.clone(), key)
    }
}

fn signed(form: &str, notice: &impl Serialize, ledger: &str, key: &dyn Signer) -> Result<String, NoteError> {
    let body = serde_json::to_string(notice).map_err(|_| NoteError::Malformed("notice"))?;
    let mut note = Note::new(&format!("{form}\n{body}\n"))?;
    note.sign(ledger, key)?;
    Ok(note.to_string())
}

fn verified<T: DeserializeOwned>(
    form: &str,
    bytes: &[u8],
    ledger: impl Fn(&T) -> String,
    key: impl Fn(&str) -> Option<[u8; 32]>,
) -> Result<T, NoteError> {
    let malformed = || NoteError::Malformed("notice");
    let note = Note::parse(bytes)?;
    let body = note.text().strip_prefix(form).and_then(|rest| rest.strip_prefix('\n'));
    let notice: T = serde_json::from_str(body.ok_or_else(malformed)?.trim_end()).map_err(|_| malformed())?;
    let ledger = ledger(&notice);
    let key = key(&ledger).ok_or(NoteError::Unsigned)?;
    note.verify(&[Verifier::new(&ledger, Algorithm::Ed25519, key)?])?;
    Ok(notice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    /// Goal: a notice is believed only as it was signed. Method: each byte changed in turn; one kind read as the other.
    #[test]
    fn every_byte_of_a_notice_counts() {
        let key = SigningKey::from_seed(&[5; 32]).unwrap();
        let public = key.public_key();
        let changes = ChangeNotice {
            ledger: "kiemtra.vn/33/33/07".into(),
            grant: 4,
            agency: "TTT".parse().unwrap(),
            since: 70,
            until: 99,
            at: "2026-11-21T00:00:00Z".into(),
            records: vec![ChangedRecord {
                record_type: "dang_vien".into(),
                record: RecordId([9; 16]),
                became: Became::Changed,
                fields: vec!["ho_ten".into()],
            }],
        };
        let text = changes.sign(&key).unwrap();
        let read = |bytes: &[u8]| ChangeNotice::verify(bytes, |_| Some(public));
        assert_eq!(read(text.as_bytes()).unwrap(), changes);
        assert!(ErasureNotice::verify(text.as_bytes(), |_| Some(public)).is_err());
        for place in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[place] ^= 1;
            assert!(read(&altered).is_err(), "byte {place}");
        }
        let notice = ErasureNotice {
            ledger: "kiemtra.vn/33/33/07".into(),
            grant: 4,
            agency: "TTT".parse().unwrap(),
            order: "12".into(),
            issuer: "UBKT".into(),
            date: "2026-11-20".into(),
            approved: "2026-11-21T00:00:00Z".into(),
            record_type: "dang_vien".into(),
            record: RecordId([9; 16]),
            whole: false,
            fields: vec!["ho_ten".into()],
        };
        let text = notice.sign(&key).unwrap();
        let read = |bytes: &[u8]| ErasureNotice::verify(bytes, |_| Some(public));
        assert_eq!(read(text.as_bytes()).unwrap(), notice);
        assert!(ErasureNotice::verify(text.as_bytes(), |_| None).is_err());
        for place in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[place] ^= 1;
            assert!(read(&altered).is_err(), "byte {place}");
        }
    }
}
