//! Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root, signed by its replica.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::{Digest, Signer};
use crate::ids::{ReplicaId, UnitCode};
use crate::note::{Algorithm, Note, NoteError, Verifier, is_name};

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not the form of an origin.
    #[error("malformed origin {0:?}")]
    Origin(String),
    /// Not the form of a checkpoint.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// Another log's checkpoint.
    #[error("the checkpoint is of {found}, not of {expected}")]
    OtherOrigin {
        /// The origin found.
        found: String,
        /// The origin expected.
        expected: String,
    },
    /// The note around it is refused.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Name of a log and of its key: `<domain>/<province>/<unit>/<replica>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    text: String,
    unit: UnitCode,
    replica: ReplicaId,
}

impl Origin {
    /// The origin of a replica's log.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] if the parts do not make one.
    pub fn new(
        domain: &str,
        province: &str,
        unit: &UnitCode,
        replica: ReplicaId,
    ) -> Result<Self, CheckpointError> {
        format!("{domain}/{province}/{unit}/{replica}").parse()
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The unit.
    #[must_use]
    pub fn unit(&self) -> &UnitCode {
        &self.unit
    }

    /// The replica.
    #[must_use]
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Origin {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let wrong = || CheckpointError::Origin(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let [domain, province, unit, replica] = parts.as_slice() else {
            return Err(wrong());
        };
        let digits = province.len() == 2 && province.bytes().all(|b| b.is_ascii_digit());
        if !is_name(text) || domain.is_empty() || !digits {
            return Err(wrong());
        }
        let unit: UnitCode = unit.parse().map_err(|_| wrong())?;
        let id: ReplicaId = replica.parse().map_err(|_| wrong())?;
        // One log, one name: hexadecimal digits are lower case.
        if id.to_string() != *replica {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), unit, replica: id })
    }
}

/// A log's size and root under its origin.
///
/// A ledger's also names its last roll, in an extension line: who cosigns it has judged that one (PROTOCOL.md, “Witnesses”).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// The place of the last roll among them, where there is one.
    pub roll: Option<u64>,
}

/// What the extension line begins with.
const ROLL: &str = "roll ";

impl Checkpoint {
    /// The signed text: origin, size and root, one a line, then the line of the last roll if there is one.
    #[must_use]
    pub fn body(&self) -> String {
        let roll = self.roll.map(|place| format!("{ROLL}{place}\n")).unwrap_or_default();
        format!("{}\n{}\n{}\n{roll}", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads a body in its only form.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] otherwise.
    pub fn parse_body(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed("lines"));
        };
        let size = size.parse().map_err(|_| CheckpointError::Malformed("size"))?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or(CheckpointError::Malformed("root"))?;
        let roll = lines.next().and_then(|line| line.strip_prefix(ROLL)?.parse().ok());
        if roll.is_some_and(|roll| roll >= size) {
            return Err(CheckpointError::Malformed("its last roll is none of its entries"));
        }
        let read = Self { origin: origin.to_owned(), size, root, roll };
        // Writing it again catches leading zeros, a plus sign and other extension lines at once.
        if !is_name(origin) || read.body() != body {
            return Err(CheckpointError::Malformed("not canonical"));
        }
        Ok(read)
    }

    /// Signs it under its origin.
    ///
    /// # Errors
    /// [`CheckpointError`] if the origin cannot be a key's name.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedCheckpoint, CheckpointError> {
        let mut note = Note::new(&self.body())?;
        note.sign(&self.origin, signer)?;
        Ok(SignedCheckpoint { checkpoint: self.clone(), note })
    }
}

/// A checkpoint whose log's signature holds, with every line of its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads and verifies a signed checkpoint of the log `origin` with this key.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is malformed, another log's, or not signed by the key.
    pub fn verify(bytes: &[u8], origin: &str, key: [u8; 32]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse_body(note.text())?;
        if checkpoint.origin != origin {
            let (found, expected) = (checkpoint.origin, origin.to_owned());
            return Err(CheckpointError::OtherOrigin { found, expected });
        }
        note.verify(&[Verifier::new(origin, Algorithm::Ed25519, key)?])?;
        Ok(Self { checkpoint, note })
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, to verify or add cosignatures.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The note, to add cosignatures.
    pub fn note_mut(&mut self) -> &mut Note {
        &mut self.note
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    #[test]
    fn signs_and_verifies_in_one_form_only() {
        let signer = SigningKey::from_seed(&[3; 32]).unwrap();
        let unit: UnitCode = "12004".parse().unwrap();
        let origin = Origin::new("kiemtra.vn", "33", &unit, ReplicaId([0xab; 16])).unwrap();
        assert_eq!(origin.as_str().parse::<Origin>(), Ok(origin.clone()));
        for bad in [origin.as_str().to_uppercase(), "a b/33/x/00".into(), format!("{origin}/x")] {
            assert!(bad.parse::<Origin>().is_err());
        }
        let checkpoint = Checkpoint { origin: origin.to_string(), size: 7, root: [9; 32], roll: None };
        let signed = checkpoint.sign(&signer).unwrap();
        let text = signed.to_string();
        let key = signer.public_key();
        assert_eq!(SignedCheckpoint::verify(text.as_bytes(), origin.as_str(), key), Ok(signed));
        assert!(SignedCheckpoint::verify(text.as_bytes(), origin.as_str(), [1; 32]).is_err());
        assert!(SignedCheckpoint::verify(text.as_bytes(), "other", key).is_err());
        let body = checkpoint.body();
        let lines = ["x", "roll 07", "roll -1", "roll 7", "roll ", "roll 3\nroll 3"];
        let extended = lines.map(|line| format!("{body}{line}\n"));
        for bad in [body.replace("\n7\n", "\n07\n"), body.replace("\n7\n", "\n+7\n")].iter().chain(&extended)
        {
            assert!(Checkpoint::parse_body(bad).is_err(), "{bad}");
        }
        let with_roll = Checkpoint { roll: Some(6), ..checkpoint };
        assert_eq!(with_roll.body(), format!("{body}roll 6\n"));
        assert_eq!(Checkpoint::parse_body(&with_roll.body()), Ok(with_roll));
    }
}
