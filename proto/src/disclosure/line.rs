//! The lines of a bundle: JSON, one object each, in one form only (PROTOCOL.md, "Bundles").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Terms;
use crate::hash::Digest;
use crate::ids::RecordId;

/// The form of bundle written and read here.
pub const BUNDLE_VERSION: u32 = 1;
/// The longest line: an entry of the largest size and its proof aside, a proof of a very large log.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A hash, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub Digest);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?.0;
        bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Head(Head),
    /// A log begins: the ledger first, then the replicas'.
    Log(LogHead),
    /// An entry of the log that began.
    Entry(Shown),
    /// The log ends: what covers the entries that are not shown.
    Proof(Proof),
    /// The delivery's own access event.
    Access(Access),
    /// The last.
    End(End),
}

/// What the bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`BUNDLE_VERSION`].
    pub version: u32,
    /// The ledger's name.
    pub ledger: String,
    /// The ledger's checkpoint that everything here stands under, with its witnesses' cosignatures.
    pub cut: String,
    /// The ledger's entry that proposed the grant: the grant's number.
    pub grant: u64,
    /// Its terms; the ledger's must be the same.
    pub terms: Terms,
}

/// Which log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// Its name.
    pub origin: String,
    /// How much of it: of the ledger the cut's size, of others that of an acceptance.
    pub size: u64,
    /// The ledger's entry that accepted so much; none for the ledger itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// The province's cosignature over the log's checkpoint of this size: its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Its bytes, whole or redacted.
    pub entry: Bytes,
    /// Its leaf hash: a damaged entry is named by it.
    pub leaf: Hash,
    /// Of a change whose values are opened: the record, under the grant's pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// The names of its fields that are withheld, as the hub says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// Fields that name another record, and its pseudonym, as the hub says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refers: Vec<(String, RecordId)>,
    /// How many of its fields were erased by orders: each stands in an erasure that is shown.
    #[serde(default, skip_serializing_if = "is_none")]
    pub erased: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What covers the rest of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// See [`super::covered_root`].
    pub hashes: Vec<Hash>,
}

/// The access event, and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The event.
    pub entry: Bytes,
    /// Its path in the ledger.
    pub path: Vec<Hash>,
    /// The ledger's signed checkpoint the path leads to.
    pub checkpoint: String,
    /// That this checkpoint goes on from the cut.
    pub consistency: Vec<Hash>,
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Lines before it.
    pub lines: u64,
}

impl Line {
    /// The line's text, without its newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line in the one form [`Line::to_text`] gives it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let line: Self = serde_json::from_str(text).ok()?;
        (line.to_text() == text).then_some(line)
    }
}
