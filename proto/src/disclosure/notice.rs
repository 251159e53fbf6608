//! The notice to a receiver of bundles that something in them was erased by an order.
//!
//! A signed note of the ledger's key: a line that says what it is, and a line of JSON.

use serde::{Deserialize, Serialize};

use crate::hash::Signer;
use crate::ids::{RecordId, UnitCode};
use crate::note::{Algorithm, Note, NoteError, Verifier};

/// The first line of a notice.
pub const NOTICE_FORM: &str = "lienthong erasure notice 1";

/// What it says.
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

impl ErasureNotice {
    /// The signed note.
    ///
    /// # Errors
    /// [`NoteError`] if it cannot be signed.
    pub fn sign(&self, key: &dyn Signer) -> Result<String, NoteError> {
        let body = serde_json::to_string(self).map_err(|_| NoteError::Malformed("notice"))?;
        let mut note = Note::new(&format!("{NOTICE_FORM}\n{body}\n"))?;
        note.sign(&self.ledger, key)?;
        Ok(note.to_string())
    }

    /// Reads a notice, if the ledger it names signed it; `key` tells that ledger's key, if it is to be believed.
    ///
    /// # Errors
    /// [`NoteError`] otherwise.
    pub fn verify(bytes: &[u8], key: impl Fn(&str) -> Option<[u8; 32]>) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed("notice");
        let note = Note::parse(bytes)?;
        let body = note.text().strip_prefix(NOTICE_FORM).and_then(|rest| rest.strip_prefix('\n'));
        let notice: Self =
            serde_json::from_str(body.ok_or_else(malformed)?.trim_end()).map_err(|_| malformed())?;
        let key = key(&notice.ledger).ok_or(NoteError::Unsigned)?;
        note.verify(&[Verifier::new(&notice.ledger, Algorithm::Ed25519, key)?])?;
        Ok(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    /// Goal: a notice is believed only as it was signed. Method: each byte changed in turn.
    #[test]
    fn every_byte_of_a_notice_counts() {
        let key = SigningKey::from_seed(&[5; 32]).unwrap();
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
        let public = key.public_key();
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
