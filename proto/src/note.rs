//! Signed notes (C2SP signed-note): a text, a blank line, and one line for each signature.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature;
use crate::hash::{Signer, ed25519_verify, sha256};

/// The longest note accepted, in bytes.
pub const BYTES_MAX: usize = 16 * 1024;
/// The most signature lines accepted.
pub const SIGNATURES_MAX: usize = 16;

/// What a key signs; the byte stands in its id and in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 over the text: 0x01.
    Ed25519,
    /// Ed25519 over the text and a time, as a cosigner: 0x04.
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }
}

/// Why a note, or a key's text, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too long.
    #[error("the note has {0} bytes, more than {BYTES_MAX}")]
    TooLong(usize),
    /// Not the form of a note.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// Not the form of a key.
    #[error("malformed key: {0}")]
    Key(&'static str),
    /// A known key's signature does not hold.
    #[error("the signature of known key {0} does not hold")]
    BadSignature(String),
    /// No known key signed.
    #[error("no known key signed the note")]
    Unsigned,
}

/// Whether `name` can be a key's name: not empty, no space, no control character, no plus.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A key that verifies: its name, its algorithm, the public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    algorithm: Algorithm,
    key: [u8; 32],
}

impl Verifier {
    /// A key under a name.
    ///
    /// # Errors
    /// [`NoteError::Key`] if the name cannot be one.
    pub fn new(name: &str, algorithm: Algorithm, key: [u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key("name"));
        }
        Ok(Self { name: name.to_owned(), algorithm, key })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// First four bytes of SHA-256 over name, newline, algorithm byte and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[self.algorithm.byte()], &self.key]);
        [a, b, c, d]
    }

    /// The cosigner's time (0 for a plain signature) if `signature` holds over `text`.
    fn check(&self, text: &str, signature: &[u8]) -> Option<u64> {
        match self.algorithm {
            Algorithm::Ed25519 => ed25519_verify(&self.key, text.as_bytes(), signature).then_some(0),
            Algorithm::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                let message = cosignature::message(text, time);
                ed25519_verify(&self.key, message.as_bytes(), signature).then_some(time)
            }
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.algorithm.byte()], self.key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("form"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key("base64"))?;
        let (algorithm, key) = bytes.split_first().ok_or(NoteError::Key("length"))?;
        let algorithm = match algorithm {
            1 => Algorithm::Ed25519,
            4 => Algorithm::Cosignature,
            _ => return Err(NoteError::Key("algorithm")),
        };
        let verifier = Self::new(name, algorithm, key.try_into().map_err(|_| NoteError::Key("length"))?)?;
        if hex::encode(verifier.id()) != id {
            return Err(NoteError::Key("id"));
        }
        Ok(verifier)
    }
}

/// One signature line, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// What the key's algorithm made.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// Reads a line, without its newline.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if it has not the form of one.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("signature line");
        let (name, body) =
            line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(malformed.clone())?;
        let bytes = STANDARD.decode(body).map_err(|_| malformed.clone())?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if is_name(name) && !bytes.is_empty() => {
                Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(body))
    }
}

/// A known key whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The key.
    pub key: &'a Verifier,
    /// The cosigner's time in seconds; 0 if the signature has none.
    pub time: u64,
}

/// A note: its text and its signature lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A note still without signatures.
    ///
    /// # Errors
    /// [`NoteError`] if the text cannot be a note's.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        if text.len() > BYTES_MAX {
            return Err(NoteError::TooLong(text.len()));
        }
        if !text.ends_with('\n') || text.contains(|c: char| c.is_control() && c != '\n') {
            return Err(NoteError::Malformed("text"));
        }
        Ok(Self { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Reads a note; nothing is verified yet.
    ///
    /// # Errors
    /// [`NoteError`] if it is too long or has not the form of one.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > BYTES_MAX {
            return Err(NoteError::TooLong(bytes.len()));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let at = all.rfind("\n\n").ok_or(NoteError::Malformed("no blank line"))?;
        let (text, lines) = all.split_at_checked(at + 1).ok_or(NoteError::Malformed("text"))?;
        let mut note = Self::new(text)?;
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        for line in lines.ok_or(NoteError::Malformed("no signature"))?.split('\n') {
            note.add(Signature::parse(line)?)?;
        }
        Ok(note)
    }

    /// The signed text, newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature line.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if there are already as many as may be, [`NoteError::TooLong`] if nobody would read the
    /// note with it.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::Malformed("too many signatures"));
        }
        // The dash, two spaces and the newline; four characters for each three bytes.
        let line =
            |line: &Signature| "— ".len() + line.name.len() + 2 + (line.bytes.len() + 4).div_ceil(3) * 4;
        let length = self.text.len() + 1 + self.signatures.iter().map(line).sum::<usize>() + line(&signature);
        if length > BYTES_MAX {
            return Err(NoteError::TooLong(length));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Signs the text as `name`.
    ///
    /// # Errors
    /// [`NoteError`] if the name cannot be a key's or the lines are full.
    pub fn sign(&mut self, name: &str, signer: &dyn Signer) -> Result<(), NoteError> {
        let id = Verifier::new(name, Algorithm::Ed25519, signer.public_key())?.id();
        let bytes = signer.sign(self.text.as_bytes()).to_vec();
        self.add(Signature { name: name.to_owned(), id, bytes })
    }

    /// The known keys that signed, each once, with its latest time. Unknown keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if a known key's signature does not hold; [`NoteError::Unsigned`] if no
    /// known key signed.
    pub fn verify<'a>(&self, known: &'a [Verifier]) -> Result<Vec<Verified<'a>>, NoteError> {
        let mut found: Vec<Verified<'a>> = Vec::new();
        for line in &self.signatures {
            for key in known.iter().filter(|key| key.name == line.name && key.id() == line.id) {
                let time = key
                    .check(&self.text, &line.bytes)
                    .ok_or_else(|| NoteError::BadSignature(key.name.clone()))?;
                match found.iter_mut().find(|verified| verified.key == key) {
                    Some(earlier) => earlier.time = earlier.time.max(time),
                    None => found.push(Verified { key, time }),
                }
            }
        }
        if found.is_empty() { Err(NoteError::Unsigned) } else { Ok(found) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    #[test]
    fn signs_parses_and_refuses() {
        let signer = SigningKey::from_seed(&[1; 32]).unwrap();
        let key = Verifier::new("a.vn/log", Algorithm::Ed25519, signer.public_key()).unwrap();
        assert_eq!(key.to_string().parse::<Verifier>(), Ok(key.clone()));
        let other = Verifier::new("b.vn", Algorithm::Ed25519, [2; 32]).unwrap();
        let mut note = Note::new("one\n\ntwo\n").unwrap();
        note.sign("a.vn/log", &signer).unwrap();
        note.sign("unknown", &signer).unwrap();
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read, note);
        assert_eq!(read.verify(std::slice::from_ref(&key)).unwrap().len(), 1);
        assert_eq!(read.verify(&[other]), Err(NoteError::Unsigned));
        let changed = note.to_string().replace("two", "six");
        let changed = Note::parse(changed.as_bytes()).unwrap();
        assert_eq!(changed.verify(&[key]), Err(NoteError::BadSignature("a.vn/log".into())));
        for bad in ["", "a\n", "a\n\n", "a\n\n— x AAAA\n", "a\tb\n\n— x AAAAAAAA\n", "a\n\n— x AAAAAAAA"]
        {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        // What would be too long to be read is not made; what just fits is both.
        for (length, fits) in [(BYTES_MAX - 107, true), (BYTES_MAX - 106, false)] {
            let mut note = Note::new(&format!("{}\n", "a".repeat(length - 1))).unwrap();
            assert_eq!(note.sign("a.vn/log", &signer).is_ok(), fits, "{length}");
            let bytes = note.to_string().into_bytes();
            assert!(!fits || (bytes.len() == BYTES_MAX && Note::parse(&bytes).as_ref() == Ok(&note)));
        }
        let many = format!("a\n\n{}", "— x AAAAAAAA\n".repeat(17));
        assert!(Note::parse(many.as_bytes()).is_err());
        assert!(Note::parse(&[b'a'; BYTES_MAX + 1]).is_err());
    }
}
