//! A published catalogue: all its files in one piece, numbered and signed by the ledger's key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Catalogue, CatalogueError};
use crate::bytes::{Malformed, Reader, Writer};
use crate::hash::{Digest, Signer, sha256};
use crate::note::{Algorithm, Note, NoteError, Verifier};

/// The most bytes of all files together.
const CATALOGUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most bytes of them packed.
const CATALOGUE_PACKED_MAX: usize = 1024 * 1024;

const HEAD: &str = "lienthong catalogue";
const LEVEL: i32 = 19;

/// Why a published catalogue is refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Its files take too much room.
    #[error("danh mục quá lớn: {0} byte · the catalogue is too large: {0} bytes")]
    TooLarge(usize),
    /// It does not unpack.
    #[error("the catalogue does not unpack: {0}")]
    Packed(#[source] std::io::Error),
    /// Its bytes are not understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is not signed by the ledger's key.
    #[error("the catalogue's signature: {0}")]
    Note(#[from] NoteError),
    /// What was signed is another one.
    #[error("the catalogue is not the one that was signed")]
    OtherDigest,
    /// A file of it is at fault.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// A published catalogue as it travels and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The signed note: head, number, digest.
    pub note: String,
    /// The files, packed.
    pub packed: Vec<u8>,
}

/// What a note of a published catalogue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The how-manieth it is, from 1.
    pub number: u64,
    /// SHA-256 over its files, by path: [`Catalogue::digest`].
    pub digest: Digest,
}

impl Bundle {
    /// Packs and signs all files of a catalogue, which is not looked at.
    ///
    /// # Errors
    /// [`BundleError`] if they are too large, or the name cannot sign.
    pub fn publish(
        number: u64,
        files: &BTreeMap<String, String>,
        (origin, key): (&str, &dyn Signer),
    ) -> Result<Self, BundleError> {
        let plain = plain(files);
        let digest = sha256(&[&plain]);
        if plain.len() > CATALOGUE_BYTES_MAX {
            return Err(BundleError::TooLarge(plain.len()));
        }
        let packed = zstd::bulk::compress(&plain, LEVEL).map_err(BundleError::Packed)?;
        if packed.len() > CATALOGUE_PACKED_MAX {
            return Err(BundleError::TooLarge(packed.len()));
        }
        let mut note = Note::new(&format!("{HEAD}\n{number}\n{}\n", STANDARD.encode(digest)))?;
        note.sign(origin, key)?;
        Ok(Self { note: note.to_string(), packed })
    }

    /// What the note says, if the ledger's key signed it.
    ///
    /// # Errors
    /// [`BundleError`] if it is no such note.
    pub fn published(&self, origin: &str, key: [u8; 32]) -> Result<Published, BundleError> {
        let note = Note::parse(self.note.as_bytes())?;
        note.verify(&[Verifier::new(origin, Algorithm::Ed25519, key)?])?;
        Ok(said(&note)?)
    }

    /// What the note says, whoever signed it: of one that was verified before it was kept.
    ///
    /// # Errors
    /// [`BundleError`] if it is no such note.
    pub fn says(&self) -> Result<Published, BundleError> {
        Ok(said(&Note::parse(self.note.as_bytes())?)?)
    }

    /// The files, checked against what was signed.
    ///
    /// # Errors
    /// [`BundleError`] if they are others, or not readable.
    pub fn files(&self) -> Result<BTreeMap<String, String>, BundleError> {
        if self.packed.len() > CATALOGUE_PACKED_MAX {
            return Err(BundleError::TooLarge(self.packed.len()));
        }
        let plain = zstd::bulk::decompress(&self.packed, CATALOGUE_BYTES_MAX).map_err(BundleError::Packed)?;
        let mut input = Reader::new(&plain);
        let mut files = BTreeMap::new();
        while !input.is_empty() {
            let path = input.text()?.to_owned();
            files.insert(path, input.text()?.to_owned());
        }
        if sha256(&[&plain]) != self.says()?.digest {
            return Err(BundleError::OtherDigest);
        }
        Ok(files)
    }

    /// The catalogue.
    ///
    /// # Errors
    /// [`BundleError`] if it is not the one that was signed, or does not hold.
    pub fn catalogue(&self) -> Result<Catalogue, BundleError> {
        Ok(Catalogue::load(self.files()?)?)
    }

    /// As it is kept in a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(self.packed.len() + self.note.len() + 16);
        out.text(&self.note);
        out.framed(&self.packed);
        out.into_bytes()
    }

    /// Reads a file of one.
    ///
    /// # Errors
    /// [`BundleError`] if it is cut.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut input = Reader::new(bytes);
        let (note, packed) = (input.text()?.to_owned(), input.framed()?.to_vec());
        input.end()?;
        Ok(Self { note, packed })
    }
}

/// The bytes the digest is of.
pub(super) fn plain(files: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Writer::default();
    for (path, text) in files {
        out.text(path);
        out.text(text);
    }
    out.into_bytes()
}

fn said(note: &Note) -> Result<Published, Malformed> {
    let mut lines = note.text().lines();
    let fault = Malformed("the note of a catalogue");
    if lines.next() != Some(HEAD) {
        return Err(fault);
    }
    let number = lines.next().and_then(|line| line.parse().ok()).filter(|number| *number > 0);
    let digest = lines.next().and_then(|line| STANDARD.decode(line).ok()?.try_into().ok());
    match (number, digest, lines.next()) {
        (Some(number), Some(digest), None) => Ok(Published { number, digest }),
        _ => Err(fault),
    }
}
