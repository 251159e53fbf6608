//! The lines of a bundle: JSON, one object each, in one form only (PROTOCOL.md, "Bundles").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Terms;
use crate::hash::Digest;
use crate::ids::{RecordId, ReplicaId};

/// The form of bundle written and read here.
pub const BUNDLE_VERSION: u32 = 1;
/// The longest line: an entry of the largest size and its proof aside, a proof of a very large log.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A hash, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// An entry of a log that was withheld before, and is to be seen now.
    Again(Again),
    /// A record is no longer among those the grant means.
    Left(Left),
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
    /// Of a delivery of a live view: what it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// The ledger's checkpoint that everything here stands under, with its witnesses' cosignatures.
    pub cut: String,
    /// An earlier one, cosigned likewise, that the roll stands behind: when it was called is not the hub's word alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_roll: Option<String>,
    /// The ledger's entry that proposed the grant: the grant's number.
    pub grant: u64,
    /// Its terms; the ledger's must be the same.
    pub terms: Terms,
}

/// The delivery before, in a live view; the first one goes on from nothing: zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// The size of the ledger it stood under.
    pub cut: u64,
    /// The digest its access event had.
    pub digest: Hash,
}

impl Since {
    /// Whether nothing came before.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
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
    /// Of a record somebody withdrew: the live edits no withdrawal had seen, whatever field they are of, as the hub says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
}

/// An edit: its replica, its sequence, and whether its writer did not own the record.
pub type Unseen = (ReplicaId, u64, bool);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// An entry that only was counted when its log was told of, with the values the grant gives of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Its log's name.
    pub log: String,
    /// As in [`Shown`].
    pub entry: Bytes,
    /// The leaf hash it had.
    pub leaf: Hash,
    /// The record, under the grant's pseudonym.
    pub record: RecordId,
    /// As in [`Shown`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// As in [`Shown`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refers: Vec<(String, RecordId)>,
    /// As in [`Shown`].
    #[serde(default, skip_serializing_if = "is_none")]
    pub erased: u32,
    /// As in [`Shown`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
}

impl Again {
    /// What is shown of an entry of `log`; nothing if that is no change with a record.
    #[must_use]
    pub fn of(log: &str, shown: Shown) -> Option<Self> {
        let Shown { entry, leaf, record, withheld, refers, erased, unseen } = shown;
        Some(Self { log: log.to_owned(), entry, leaf, record: record?, withheld, refers, erased, unseen })
    }

    /// Its log's name, and what is shown of it.
    #[must_use]
    pub fn into_shown(self) -> (String, Shown) {
        let Self { log, entry, leaf, record, withheld, refers, erased, unseen } = self;
        (log, Shown { entry, leaf, record: Some(record), withheld, refers, erased, unseen })
    }
}

/// A record the grant no longer means: what was shown of it stands, nothing more of it follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The record, under the grant's pseudonym.
    pub record: RecordId,
    /// Why, as the hub says.
    pub why: LeftWhy,
}

/// Why a record left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftWhy {
    /// It is another unit's now, or the grant's conditions hold no longer.
    Scope,
    /// An error keeps it out of the shared dataset.
    Defect,
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
