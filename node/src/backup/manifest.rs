//! The manifest: what a backup holds, under the signature of the log it is a copy of.

use lienthong_proto::hash::{Digest, Signer, sha256};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::note::{Algorithm, Note, Verifier};
use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{BackupError, Recipient};

const FORM: &str = "lienthong backup 1";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its place in the data folder, parts joined by `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hex: the name of its object, unless that is encrypted.
    pub sha256: String,
    /// The file's time of change when it was copied, nanoseconds; nothing for what was made for the backup.
    pub modified: Option<u64>,
    /// How its object is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedEntry>,
}

/// An encrypted object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedEntry {
    /// To whom.
    pub to: Recipient,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, hex: its name.
    pub sha256: String,
}

impl FileEntry {
    /// The name of its object: the SHA-256 of the object's bytes, hex.
    #[must_use]
    pub fn object(&self) -> &str {
        self.sealed.as_ref().map_or(&self.sha256, |sealed| &sealed.sha256)
    }

    /// The length of its object.
    #[must_use]
    pub fn object_bytes(&self) -> u64 {
        self.sealed.as_ref().map_or(self.bytes, |sealed| sealed.bytes)
    }
}

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format.
    pub version: u32,
    /// `hub` or `node`.
    pub kind: String,
    /// The program's version.
    pub program: String,
    /// The unit.
    pub unit: UnitCode,
    /// The replica.
    pub replica: ReplicaId,
    /// The log's name in checkpoints.
    pub origin: String,
    /// The log's key, hex.
    pub key: String,
    /// When.
    pub made_at: UnixMillis,
    /// Entries of the log.
    pub size: u64,
    /// Their root, hex.
    pub root: String,
    /// The log's signed checkpoint of that size.
    pub checkpoint: String,
    /// How this ledger came to follow others, the oldest first.
    pub successions: Vec<String>,
    /// The files, by path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// The root, if it is one.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        let mut root = [0; 32];
        hex::decode_to_slice(&self.root, &mut root).ok().map(|()| root)
    }

    /// The log's key, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        hex::decode_to_slice(&self.key, &mut key).ok().map(|()| key)
    }

    /// A file by its place.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The manifest's file: its document on one line, then the signed note that names it.
    ///
    /// # Errors
    /// [`BackupError`] if it cannot be signed.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, BackupError> {
        let body = serde_json::to_vec(self).map_err(|error| BackupError::Manifest(error.to_string()))?;
        let mut note = Note::new(&self.text(&body))?;
        note.sign(&self.origin, signer)?;
        let note = note.to_string();
        Ok([&body[..], b"\n", note.as_bytes()].concat())
    }

    fn text(&self, body: &[u8]) -> String {
        format!("{FORM}\n{}\n{}\n{}\n{}\n", self.origin, self.size, self.root, hex::encode(sha256(&[body])))
    }
}

/// A manifest as read, its signature not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    /// What it says.
    pub manifest: Manifest,
    note: Note,
}

impl SignedManifest {
    /// Reads a manifest's file in its only form.
    ///
    /// # Errors
    /// [`BackupError::Manifest`] if a byte of the document is not the one that was signed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let altered = |what: &str| BackupError::Manifest(what.to_owned());
        let cut = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| altered("one line"))?;
        let (body, note) = bytes.split_at(cut);
        let manifest: Manifest =
            serde_json::from_slice(body).map_err(|error| BackupError::Manifest(error.to_string()))?;
        let note = note.get(1..).unwrap_or_default();
        let note = Note::parse(note).map_err(|error| BackupError::Manifest(error.to_string()))?;
        if manifest.version != 1 {
            return Err(altered("another version: a newer program made it"));
        }
        if note.text() != manifest.text(body) {
            return Err(altered("its document is not the one that was signed"));
        }
        Ok(Self { manifest, note })
    }

    /// Believes it, if `key` signed it.
    ///
    /// # Errors
    /// [`BackupError::Signature`] otherwise.
    pub fn verify(self, key: [u8; 32]) -> Result<Manifest, BackupError> {
        let key = Verifier::new(&self.manifest.origin, Algorithm::Ed25519, key)?;
        self.note.verify(&[key])?;
        Ok(self.manifest)
    }
}

#[cfg(test)]
mod tests {
    use lienthong_proto::hash::SigningKey;

    use super::*;

    /// Goal: one byte changed anywhere in the manifest is noticed. Method: each byte in turn.
    #[test]
    fn every_byte_of_a_manifest_counts() {
        let signer = SigningKey::from_seed(&[5; 32]).unwrap();
        let file = FileEntry {
            path: "log/00000000.seg".into(),
            bytes: 3,
            sha256: "ab".into(),
            modified: None,
            sealed: None,
        };
        let manifest = Manifest {
            version: 1,
            kind: "hub".into(),
            program: "0".into(),
            unit: "33".parse().unwrap(),
            replica: ReplicaId([7; 16]),
            origin: "kiemtra.vn/33/33/07".into(),
            key: hex::encode(signer.public_key()),
            made_at: UnixMillis(5),
            size: 4,
            root: hex::encode([1; 32]),
            checkpoint: "x\n".into(),
            successions: Vec::new(),
            files: vec![file],
        };
        let bytes = manifest.sign(&signer).unwrap();
        let read =
            |bytes: &[u8]| SignedManifest::parse(bytes).and_then(|read| read.verify(signer.public_key()));
        assert_eq!(read(&bytes).unwrap(), manifest);
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            assert!(read(&altered).is_err(), "byte {place}");
            assert!(read(&bytes[..place]).is_err(), "cut at {place}");
        }
    }
}
