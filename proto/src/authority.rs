//! Another authority of certificates for a province, by the word of the offline recovery key.
//!
//! Nodes pin the authority's root when they are enrolled. When it is to be another, the recovery key signs which, under a
//! number one higher each time; a node trusts both until it has met its hub under the new one alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Signer;
use crate::note::{Algorithm, Note, NoteError, Verifier};

const FORM: &str = "lienthong authority 1";
/// A root certificate is shorter.
const ROOT_BYTES_MAX: usize = 4_096;

/// The number of the authority a province was made with.
pub const FIRST: u32 = 1;

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Not the form of one.
    #[error("malformed statement of an authority: {0}")]
    Malformed(&'static str),
    /// Not signed by the recovery key.
    #[error("the authority is not signed for by the recovery key: {0}")]
    Note(#[from] NoteError),
}

/// The statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Whose: `<domain>/<province>`.
    pub province: String,
    /// Which, counted from [`FIRST`], the one of the beginning, of which nothing is stated.
    pub number: u32,
    /// Its root certificate, DER.
    pub root: Vec<u8>,
}

impl Authority {
    /// The signed text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{FORM}\n{}\n{}\n{}\n", self.province, self.number, STANDARD.encode(&self.root))
    }

    /// Reads a text in its only form.
    ///
    /// # Errors
    /// [`AuthorityError`] otherwise.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [FORM, province, number, root, ""] = lines.as_slice() else {
            return Err(AuthorityError::Malformed("lines"));
        };
        let number = number.parse().ok().filter(|number| *number > FIRST);
        let root = STANDARD.decode(root).ok().filter(|root| !root.is_empty() && root.len() <= ROOT_BYTES_MAX);
        let read = Self {
            province: (*province).to_owned(),
            number: number.ok_or(AuthorityError::Malformed("number"))?,
            root: root.ok_or(AuthorityError::Malformed("root"))?,
        };
        if read.text() == text { Ok(read) } else { Err(AuthorityError::Malformed("not canonical")) }
    }

    /// Signs it with the recovery key.
    ///
    /// # Errors
    /// [`AuthorityError`] if the name cannot be signed under.
    pub fn sign(&self, recovery: &dyn Signer) -> Result<Note, AuthorityError> {
        let mut note = Note::new(&self.text())?;
        note.sign(&format!("{}/recovery", self.province), recovery)?;
        Ok(note)
    }

    /// Reads a province's signed statement.
    ///
    /// # Errors
    /// [`AuthorityError`] if it is none, another province's, or not signed by the recovery key.
    pub fn verify(note: &str, province: &str, recovery: [u8; 32]) -> Result<Self, AuthorityError> {
        let note = Note::parse(note.as_bytes())?;
        let read = Self::parse(note.text())?;
        if read.province != province {
            return Err(AuthorityError::Malformed("another province's"));
        }
        note.verify(&[Verifier::new(&format!("{province}/recovery"), Algorithm::Ed25519, recovery)?])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    fn second() -> Authority {
        Authority { province: "kiemtra.vn/33".to_owned(), number: 2, root: vec![7; 300] }
    }

    #[test]
    fn p7_only_the_recovery_key_names_another_authority_and_only_in_one_form() {
        let [recovery, other] = [3, 4].map(|seed| SigningKey::from_seed(&[seed; 32]).unwrap());
        let key = recovery.public_key();
        let note = second().sign(&recovery).unwrap().to_string();
        let verify = |note: &str, province: &str| Authority::verify(note, province, key);
        assert_eq!(verify(&note, "kiemtra.vn/33"), Ok(second()));
        assert!(verify(&note, "kiemtra.vn/34").is_err());
        assert!(verify(&second().sign(&other).unwrap().to_string(), "kiemtra.vn/33").is_err());
        assert!(verify(&note.replacen("\n2\n", "\n3\n", 1), "kiemtra.vn/33").is_err(), "edited");
        let text = second().text();
        for (was, is) in
            [("\n2\n", "\n02\n"), ("\n2\n", "\n1\n"), ("\n2\n", "\n-2\n"), ("authority 1", "authority 2")]
        {
            assert!(Authority::parse(&text.replacen(was, is, 1)).is_err(), "{was} → {is}");
        }
        assert!(Authority::parse(&format!("{text}x\n")).is_err());
        assert!(Authority::parse(&Authority { root: Vec::new(), ..second() }.text()).is_err());
        assert!(Authority::parse(&Authority { root: vec![0; 5_000], ..second() }.text()).is_err());
    }
}
