//! Entries of a log: the envelope, its commitments and its leaf (PROTOCOL.md, "Entries").
//!
//! The envelope is frozen within a major version. Header and contents are opaque to hashing, so that a
//! reader that does not understand a content can still verify it, keep it and pass it on.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::bytes::{Malformed, Reader, Writer};
use crate::hash::{Digest, sha256};
use crate::ids::{Dot, ReplicaId, Sequence};
use crate::limits;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// One write of some fields of one record.
    Change = 1,
    /// The hub's acceptance of a batch, with its verdicts.
    Acceptance = 2,
    /// Anything else that happened, with its actor.
    Event = 3,
}

impl EntryKind {
    fn from_byte(byte: u8) -> Result<Self, Malformed> {
        match byte {
            1 => Ok(Self::Change),
            2 => Ok(Self::Acceptance),
            3 => Ok(Self::Event),
            _ => Err(Malformed("unknown entry kind")),
        }
    }
}

/// The public part of an entry: it says little on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the entry is.
    pub kind: EntryKind,
    /// Who wrote it, and where in that log it stands.
    pub dot: Dot,
}

const HEADER_VERSION: u8 = 1;
const HEADER_BYTES: usize = 26;
const FORM_FULL: u8 = 1;
const FORM_REDACTED: u8 = 2;

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let (version, rest) = out.split_at_mut(1);
        version.fill(HEADER_VERSION);
        let (kind, rest) = rest.split_at_mut(1);
        kind.fill(self.kind as u8);
        let (replica, sequence) = rest.split_at_mut(16);
        replica.copy_from_slice(&self.dot.replica.0);
        sequence.copy_from_slice(&self.dot.sequence.0.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != HEADER_VERSION {
            return Err(Malformed("unknown header version"));
        }
        let kind = EntryKind::from_byte(input.u8()?)?;
        let replica = ReplicaId(input.array()?);
        let sequence = Sequence(input.u64()?);
        input.end()?;
        Ok(Self { kind, dot: Dot { replica, sequence } })
    }
}

/// A per-field salt, derived from the entry's secret.
pub type Salt = [u8; 16];

/// The salt of one path: first 16 bytes of SHA-256(0x02 ‖ secret ‖ path).
#[must_use]
pub fn salt(secret: &[u8; 16], path: &str) -> Salt {
    let hash = sha256(&[&[0x02], secret, path.as_bytes()]);
    let mut out = [0; 16];
    out.copy_from_slice(hash.split_at(16).0);
    out
}

/// The commitment to one field: SHA-256(0x03 ‖ salt ‖ u16 len ‖ path ‖ u32 len ‖ content).
#[must_use]
pub fn commitment(salt: &Salt, path: &str, content: &[u8]) -> Digest {
    let path_length = u16::try_from(path.len()).unwrap_or(u16::MAX).to_be_bytes();
    let content_length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    sha256(&[&[0x03], salt, &path_length, path.as_bytes(), &content_length, content])
}

/// One field of an entry as it stands in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Path and content are readable.
    Open {
        /// The salt of the commitment.
        salt: Salt,
        /// `field`, `field/itemkey/subfield`, or a reserved `_name`.
        path: &'a str,
        /// Canonical value and context.
        content: &'a [u8],
    },
    /// Only the commitment is left: withheld or erased.
    Withheld(Digest),
}

impl Part<'_> {
    /// The commitment of this field.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        match self {
            Self::Open { salt, path, content } => commitment(salt, path, content),
            Self::Withheld(digest) => *digest,
        }
    }
}

/// An entry read from its bytes, borrowing them.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The parsed header.
    pub header: Header,
    header_bytes: &'a [u8],
    parts: Vec<Part<'a>>,
    whole: bool,
}

impl<'a> Entry<'a> {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`Malformed`] on anything but the one form: unsorted or duplicate paths, a cut or overlong field,
    /// more than the limits, bytes left over.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let form = input.u8()?;
        let bytes_max =
            if form == FORM_REDACTED { limits::REDACTED_BYTES_MAX } else { limits::ENTRY_BYTES_MAX };
        if bytes.len() > bytes_max {
            return Err(Malformed("entry is too large"));
        }
        let header_bytes = input.framed()?;
        let header = Header::decode(header_bytes)?;
        let (parts, whole) = match form {
            FORM_FULL => (Self::decode_full(&mut input)?, true),
            FORM_REDACTED => (Self::decode_redacted(&mut input)?, false),
            _ => return Err(Malformed("unknown entry form")),
        };
        input.end()?;
        Ok(Self { header, header_bytes, parts, whole })
    }

    fn decode_full(input: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Malformed> {
        let secret: [u8; 16] = input.array()?;
        let count = field_count(input)?;
        let mut parts = Vec::with_capacity(count);
        let mut last: Option<&str> = None;
        for _ in 0..count {
            let path = checked_path(input.text()?, &mut last)?;
            parts.push(Part::Open { salt: salt(&secret, path), path, content: input.framed()? });
        }
        Ok(parts)
    }

    fn decode_redacted(input: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Malformed> {
        let count = field_count(input)?;
        let mut parts = Vec::with_capacity(count);
        let mut last: Option<&str> = None;
        for _ in 0..count {
            parts.push(match input.u8()? {
                0 => Part::Withheld(input.array()?),
                1 => {
                    let salt = input.array()?;
                    let path = checked_path(input.text()?, &mut last)?;
                    Part::Open { salt, path, content: input.framed()? }
                }
                _ => return Err(Malformed("unknown part form")),
            });
        }
        Ok(parts)
    }

    /// The fields as they stand.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Whether every field is readable by its form (nothing was withheld).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The content of a path, if it is readable here.
    #[must_use]
    pub fn content(&self, wanted: &str) -> Option<&'a [u8]> {
        self.opened().find(|(path, _)| *path == wanted).map(|(_, content)| content)
    }

    /// The readable paths and contents, in order.
    pub fn opened(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Open { path, content, .. } => Some((*path, *content)),
            Part::Withheld(_) => None,
        })
    }

    /// The leaf hash in its replica's tree:
    /// RFC 6962 leaf over "LT1" ‖ kind ‖ u16 len ‖ header ‖ u16 n ‖ commitments, sorted.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        let mut commitments: Vec<Digest> = self.parts.iter().map(Part::commitment).collect();
        commitments.sort_unstable();
        leaf_hash(self.header.kind, self.header_bytes, &commitments)
    }

    /// The same entry with the parts that `keep` refuses reduced to their commitments.
    #[must_use]
    pub fn redact(&self, keep: impl Fn(&str) -> bool) -> Vec<u8> {
        self.reduced(|part| matches!(part, Part::Open { path, .. } if keep(path)))
    }

    /// The commitments of the readable parts whose path is `wanted`.
    pub fn committed(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Digest> {
        self.parts.iter().filter_map(move |part| match part {
            Part::Open { path, .. } if wanted(path) => Some(part.commitment()),
            _ => None,
        })
    }

    /// The same entry with these parts reduced to their commitments; nothing if none of them is readable here.
    #[must_use]
    pub fn erase(&self, commitments: &BTreeSet<Digest>) -> Option<Vec<u8>> {
        let is_meant =
            |part: &Part<'_>| matches!(part, Part::Open { .. }) && commitments.contains(&part.commitment());
        self.parts.iter().any(is_meant).then(|| self.reduced(|part| !is_meant(part)))
    }

    fn reduced(&self, keep: impl Fn(&Part<'_>) -> bool) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(FORM_REDACTED);
        out.framed(self.header_bytes);
        out.varint(self.parts.len() as u64);
        for part in &self.parts {
            match part {
                Part::Open { salt, path, content } if keep(part) => {
                    out.u8(1);
                    out.raw(salt);
                    out.text(path);
                    out.framed(content);
                }
                part => {
                    out.u8(0);
                    out.raw(&part.commitment());
                }
            }
        }
        out.into_bytes()
    }
}

/// The header of an entry's bytes, without a look at its fields.
///
/// # Errors
/// [`Malformed`] if it has none.
pub fn header_of(bytes: &[u8]) -> Result<Header, Malformed> {
    let mut input = Reader::new(bytes);
    input.u8()?;
    Header::decode(input.framed()?)
}

fn leaf_hash(kind: EntryKind, header: &[u8], commitments: &[Digest]) -> Digest {
    let header_length = u16::try_from(header.len()).unwrap_or(u16::MAX).to_be_bytes();
    let count = u16::try_from(commitments.len()).unwrap_or(u16::MAX).to_be_bytes();
    sha256(&[&[0x00], b"LT1", &[kind as u8], &header_length, header, &count, commitments.as_flattened()])
}

fn field_count(input: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = usize::try_from(input.varint()?).map_err(|_| Malformed("field count"))?;
    if count > limits::ENTRY_FIELDS_MAX { Err(Malformed("too many fields")) } else { Ok(count) }
}

fn checked_path<'a>(path: &'a str, last: &mut Option<&'a str>) -> Result<&'a str, Malformed> {
    if path.is_empty() || path.len() > limits::PATH_BYTES_MAX {
        return Err(Malformed("path length"));
    }
    if last.is_some_and(|last| last >= path) {
        return Err(Malformed("paths are not in order, or one stands twice"));
    }
    *last = Some(path);
    Ok(path)
}

/// Why an entry cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// More bytes than an entry may have.
    #[error("the entry would have {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Two contents for one path.
    #[error("path {0} stands twice")]
    DuplicatePath(String),
    /// Too many fields, or a path that is empty or too long.
    #[error("too many fields, or a path that is empty or too long")]
    Shape,
}

/// The fields of an entry that is being made: their contents one behind the other, in one buffer.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    contents: Writer,
    places: Vec<(&'a str, Range<usize>)>,
}

impl<'a> Fields<'a> {
    /// Room for `fields` fields of the usual size.
    #[must_use]
    pub fn with_capacity(fields: usize) -> Self {
        Self { contents: Writer::with_capacity(fields * 32), places: Vec::with_capacity(fields) }
    }

    /// Adds a field; `write` appends its content.
    pub fn push(&mut self, path: &'a str, write: impl FnOnce(&mut Writer)) {
        let start = self.contents.len();
        write(&mut self.contents);
        self.places.push((path, start..self.contents.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&'a str, &[u8])> {
        let contents = self.contents.as_slice();
        self.places.iter().map(|(path, place)| (*path, contents.get(place.clone()).unwrap_or_default()))
    }
}

/// Makes an entry's bytes and leaf hash from its fields.
///
/// `secret` must be fresh and random for each entry.
///
/// # Errors
/// [`BuildError`] if a limit is exceeded or a path stands twice.
pub fn build(header: Header, secret: &[u8; 16], fields: Fields<'_>) -> Result<(Vec<u8>, Digest), BuildError> {
    let (bytes, fields) = encoded(header, secret, fields)?;
    let mut commitments: Vec<Digest> =
        fields.iter().map(|(path, content)| commitment(&salt(secret, path), path, content)).collect();
    commitments.sort_unstable();
    Ok((bytes, leaf_hash(header.kind, &header.encode(), &commitments)))
}

/// Makes an entry's bytes as [`build`] does; its leaf, which costs more than they, is
/// [`Entry::leaf_hash`] of them.
///
/// # Errors
/// [`BuildError`] if a limit is exceeded or a path stands twice.
pub fn encode(header: Header, secret: &[u8; 16], fields: Fields<'_>) -> Result<Vec<u8>, BuildError> {
    encoded(header, secret, fields).map(|(bytes, _)| bytes)
}

fn encoded<'a>(
    header: Header,
    secret: &[u8; 16],
    mut fields: Fields<'a>,
) -> Result<(Vec<u8>, Fields<'a>), BuildError> {
    fields.places.sort_by(|a, b| a.0.cmp(b.0));
    let twice = fields.places.iter().zip(fields.places.iter().skip(1)).find(|(a, b)| a.0 == b.0);
    if let Some(((path, _), _)) = twice {
        return Err(BuildError::DuplicatePath((*path).to_owned()));
    }
    let count = fields.places.len();
    let long = fields.places.iter().any(|(path, _)| path.is_empty() || path.len() > limits::PATH_BYTES_MAX);
    if long || count > limits::ENTRY_FIELDS_MAX {
        return Err(BuildError::Shape);
    }
    let paths: usize = fields.places.iter().map(|(path, _)| path.len() + 4).sum();
    let mut out = Writer::with_capacity(64 + paths + fields.contents.len());
    out.u8(FORM_FULL);
    out.framed(&header.encode());
    out.raw(secret);
    out.varint(count as u64);
    for (path, content) in fields.iter() {
        out.text(path);
        out.framed(content);
    }
    if out.len() > limits::ENTRY_BYTES_MAX {
        return Err(BuildError::TooLarge { bytes: out.len(), max: limits::ENTRY_BYTES_MAX });
    }
    Ok((out.into_bytes(), fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let dot = Dot { replica: ReplicaId([1; 16]), sequence: Sequence(7) };
        Header { kind: EntryKind::Change, dot }
    }

    fn of(pairs: &[(&'static str, &[u8])]) -> Fields<'static> {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(path, content)| fields.push(path, |out| out.raw(content)));
        fields
    }

    fn fields() -> Fields<'static> {
        of(&[("b", &[2]), ("a", &[1, 1]), ("_id", &[9; 17])])
    }

    #[test]
    fn an_entry_comes_back_with_the_same_leaf() {
        let (bytes, leaf) = build(header(), &[5; 16], fields()).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        assert_eq!(entry.header, header());
        assert_eq!(entry.leaf_hash(), leaf);
        assert_eq!(entry.content("a"), Some(&[1u8, 1][..]));
    }

    #[test]
    fn bytes_alone_are_the_same_bytes() {
        let (bytes, _) = build(header(), &[5; 16], fields()).unwrap();
        assert_eq!(encode(header(), &[5; 16], fields()).unwrap(), bytes);
    }

    #[test]
    fn redaction_keeps_the_leaf_and_loses_the_content() {
        let (bytes, leaf) = build(header(), &[5; 16], fields()).unwrap();
        let redacted = Entry::decode(&bytes).unwrap().redact(|path| path == "_id");
        let entry = Entry::decode(&redacted).unwrap();
        assert_eq!(entry.leaf_hash(), leaf);
        assert_eq!(entry.content("a"), None);
        assert!(entry.content("_id").is_some());
    }

    #[test]
    fn a_path_twice_and_disorder_are_refused() {
        let twice = of(&[("a", &[1]), ("a", &[2])]);
        assert!(matches!(build(header(), &[5; 16], twice), Err(BuildError::DuplicatePath(_))));
        let (mut bytes, _) = build(header(), &[5; 16], of(&[("a", &[]), ("b", &[])])).unwrap();
        let length = bytes.len();
        bytes.swap(length - 2, length - 5);
        assert!(Entry::decode(&bytes).is_err());
    }

    #[test]
    fn p5_any_flipped_byte_changes_the_leaf_or_is_refused() {
        let (bytes, leaf) = build(header(), &[5; 16], fields()).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(Entry::decode(&other).map_or(true, |entry| entry.leaf_hash() != leaf), "byte {at}");
        }
    }
}
