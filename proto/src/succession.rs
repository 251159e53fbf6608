//! Succession: one ledger takes over from another, by the word of the offline recovery key.
//!
//! A hub that was restored or rebuilt opens a new ledger: its old one may have gone on behind the backup, and two
//! trees of one name would be a fork. The statement names both, and how far the old one is known to have come. A
//! replica that knows the old ledger follows a chain of such statements to the one it meets, and to no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, Origin};
use crate::hash::{Digest, Signer};
use crate::note::{Algorithm, Note, NoteError, Verifier};

/// Statements a chain may have: a province does not lose its hub more often.
pub const CHAIN_MAX: usize = 16;

const FORM: &str = "lienthong succession 1";

/// Why a statement, or a chain of them, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Not the form of one.
    #[error("malformed succession: {0}")]
    Malformed(&'static str),
    /// A name in it is none.
    #[error(transparent)]
    Origin(#[from] CheckpointError),
    /// Not signed by the recovery key.
    #[error("the succession is not signed by the recovery key: {0}")]
    Note(#[from] NoteError),
    /// The chain begins nowhere near the ledger known, or breaks off.
    #[error("no succession leads on from the ledger {0}")]
    NotFollowing(String),
    /// The chain is too long.
    #[error("a chain of {0} successions, more than {CHAIN_MAX}")]
    TooMany(usize),
}

/// A ledger as others know it: its name in checkpoints, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Its name in checkpoints.
    pub origin: Origin,
    /// Its Ed25519 key.
    pub key: [u8; 32],
}

/// Size and root of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves.
    pub size: u64,
    /// Their root.
    pub root: Digest,
}

/// The statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// Who takes over.
    pub successor: Ledger,
    /// From whom.
    pub former: Ledger,
    /// How far the former is known: what the backup holds; nothing if there was none.
    pub known: Option<TreeHead>,
    /// Its highest witnessed checkpoint, as far as is known.
    pub witnessed: Option<TreeHead>,
}

/// The name the recovery key signs with: `<domain>/<province>/recovery`.
#[must_use]
pub fn recovery_name(origin: &Origin) -> String {
    let mut parts = origin.as_str().split('/');
    let (domain, province) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{domain}/{province}/recovery")
}

impl Succession {
    /// The signed text.
    #[must_use]
    pub fn text(&self) -> String {
        let head = |name: &str, head: Option<TreeHead>| match head {
            Some(TreeHead { size, root }) => format!("{name} {size} {}", STANDARD.encode(root)),
            None => format!("{name} none"),
        };
        let Self { successor, former, known, witnessed } = self;
        format!(
            "{FORM}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            successor.origin,
            STANDARD.encode(successor.key),
            former.origin,
            STANDARD.encode(former.key),
            head("known", *known),
            head("witnessed", *witnessed),
        )
    }

    /// Reads a text in its only form.
    ///
    /// # Errors
    /// [`SuccessionError`] otherwise.
    pub fn parse(text: &str) -> Result<Self, SuccessionError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [FORM, successor, successor_key, former, former_key, known, witnessed, ""] = lines.as_slice()
        else {
            return Err(SuccessionError::Malformed("lines"));
        };
        let ledger = |origin: &str, key: &str| {
            let key = STANDARD.decode(key).ok().and_then(|key| key.try_into().ok());
            let key = key.ok_or(SuccessionError::Malformed("key"))?;
            Ok::<_, SuccessionError>(Ledger { origin: origin.parse()?, key })
        };
        let read = Self {
            successor: ledger(successor, successor_key)?,
            former: ledger(former, former_key)?,
            known: head("known", known)?,
            witnessed: head("witnessed", witnessed)?,
        };
        if read.successor.origin == read.former.origin || read.successor.key == read.former.key {
            return Err(SuccessionError::Malformed("a ledger that follows itself"));
        }
        if recovery_name(&read.successor.origin) != recovery_name(&read.former.origin) {
            return Err(SuccessionError::Malformed("a ledger of another province"));
        }
        if read.text() != text {
            return Err(SuccessionError::Malformed("not canonical"));
        }
        Ok(read)
    }

    /// Signs it with the recovery key.
    ///
    /// # Errors
    /// [`SuccessionError`] if the names cannot be signed under.
    pub fn sign(&self, recovery: &dyn Signer) -> Result<Note, SuccessionError> {
        let mut note = Note::new(&self.text())?;
        note.sign(&recovery_name(&self.successor.origin), recovery)?;
        Ok(note)
    }

    /// Reads a signed statement.
    ///
    /// # Errors
    /// [`SuccessionError`] if it is none, or not signed by the recovery key.
    pub fn verify(note: &str, recovery: [u8; 32]) -> Result<Self, SuccessionError> {
        let note = Note::parse(note.as_bytes())?;
        let read = Self::parse(note.text())?;
        let name = recovery_name(&read.successor.origin);
        note.verify(&[Verifier::new(&name, Algorithm::Ed25519, recovery)?])?;
        Ok(read)
    }
}

fn head(name: &'static str, line: &str) -> Result<Option<TreeHead>, SuccessionError> {
    let rest = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.ok_or(SuccessionError::Malformed(name))?;
    if rest == "none" {
        return Ok(None);
    }
    let (size, root) = rest.split_once(' ').ok_or(SuccessionError::Malformed(name))?;
    let size = size.parse().map_err(|_| SuccessionError::Malformed(name))?;
    let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
    Ok(Some(TreeHead { size, root: root.ok_or(SuccessionError::Malformed(name))? }))
}

/// Where a chain of signed statements, the oldest first, leads from a known ledger, and by which of them.
///
/// # Errors
/// [`SuccessionError`] if one of them is refused, or they do not lead on from `known`.
pub fn follow(
    known: &Ledger,
    notes: &[String],
    recovery: [u8; 32],
) -> Result<(Ledger, Vec<String>), SuccessionError> {
    if notes.len() > CHAIN_MAX {
        return Err(SuccessionError::TooMany(notes.len()));
    }
    let mut at = known.clone();
    let mut taken = Vec::new();
    for note in notes {
        let stated = Succession::verify(note, recovery)?;
        if stated.former == at {
            at = stated.successor;
            taken.push(note.clone());
        } else if !taken.is_empty() {
            return Err(SuccessionError::NotFollowing(at.origin.to_string()));
        }
    }
    if taken.is_empty() {
        return Err(SuccessionError::NotFollowing(known.origin.to_string()));
    }
    Ok((at, taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;
    use crate::ids::ReplicaId;

    fn ledger(number: u8) -> Ledger {
        let unit = "33".parse().unwrap();
        let origin = Origin::new("kiemtra.vn", "33", &unit, ReplicaId([number; 16])).unwrap();
        Ledger { origin, key: [number; 32] }
    }

    fn stated(former: u8, successor: u8) -> Succession {
        let known = Some(TreeHead { size: 7, root: [9; 32] });
        Succession { successor: ledger(successor), former: ledger(former), known, witnessed: None }
    }

    fn note(former: u8, successor: u8, recovery: &SigningKey) -> String {
        stated(former, successor).sign(recovery).unwrap().to_string()
    }

    #[test]
    fn it_comes_back_from_its_text_and_from_no_other() {
        let text = stated(1, 2).text();
        assert_eq!(Succession::parse(&text), Ok(stated(1, 2)));
        for (was, is) in [("known 7", "known 07"), ("witnessed none", "witnessed  none"), ("1\n", "2\n")] {
            assert!(Succession::parse(&text.replacen(was, is, 1)).is_err(), "{was} → {is}");
        }
        assert!(Succession::parse(&format!("{text}x\n")).is_err());
        assert!(Succession::parse(&stated(1, 1).text()).is_err(), "after itself");
        assert!(Succession::parse(&text.replacen("kiemtra.vn/33", "kiemtra.vn/34", 1)).is_err());
    }

    #[test]
    fn p6_only_the_recovery_key_names_a_successor() {
        let (recovery, other) =
            (SigningKey::from_seed(&[3; 32]).unwrap(), SigningKey::from_seed(&[4; 32]).unwrap());
        let key = recovery.public_key();
        assert_eq!(Succession::verify(&note(1, 2, &recovery), key), Ok(stated(1, 2)));
        assert!(Succession::verify(&note(1, 2, &other), key).is_err());
        let edited = note(1, 2, &recovery).replacen("known 7", "known 8", 1);
        assert!(Succession::verify(&edited, key).is_err());
    }

    #[test]
    fn a_chain_leads_on_from_where_one_stands_and_branches_nowhere() {
        let recovery = SigningKey::from_seed(&[3; 32]).unwrap();
        let key = recovery.public_key();
        let chain = [note(1, 2, &recovery), note(2, 3, &recovery)];
        assert_eq!(follow(&ledger(1), &chain, key), Ok((ledger(3), chain.to_vec())));
        assert_eq!(follow(&ledger(2), &chain, key), Ok((ledger(3), chain[1..].to_vec())));
        assert!(follow(&ledger(3), &chain, key).is_err(), "nobody follows the last");
        assert!(
            follow(&ledger(2), &[note(1, 4, &recovery)], key).is_err(),
            "another successor of the one before"
        );
        assert!(
            follow(&ledger(1), &[note(1, 2, &recovery), note(1, 4, &recovery)], key).is_err(),
            "two at once"
        );
        let renamed = Ledger { key: [8; 32], ..ledger(1) };
        assert!(follow(&renamed, &chain, key).is_err(), "the same name under another key");
        let long: Vec<String> = (0..17).map(|n| note(n + 1, n + 2, &recovery)).collect();
        assert!(matches!(follow(&ledger(1), &long, key), Err(SuccessionError::TooMany(17))));
    }
}
