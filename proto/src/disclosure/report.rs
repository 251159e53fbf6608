//! What a verified bundle proves, for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cosigned, Left, Terms};
use crate::ids::{RecordId, ReplicaId, UnitCode};
use crate::text::in_both;
use crate::time::{Hlc, UnixMillis};
use crate::withdrawal::Edit;

/// What fails, and why; each as `vi · en`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", in_both(object_half(.object, 0), object_half(.object, 1), .why))]
pub struct Refused {
    /// The object that fails.
    pub object: String,
    /// Why.
    pub why: String,
}

fn object_half(object: &str, half: usize) -> &str {
    object.split(" · ").nth(half).unwrap_or(object)
}

/// A change whose granted values are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// The change; its record is the grant's pseudonym, its writes are those that are opened.
    pub change: crate::change::Change,
    /// The unit whose replica wrote it.
    pub unit: UnitCode,
    /// The stamp that counts.
    pub effective: Hlc,
    /// When the province took it.
    pub accepted: UnixMillis,
    /// Its writer did not own the record.
    pub proposal: bool,
    /// Names of its fields that are withheld, as the hub says.
    pub withheld: Vec<String>,
    /// Fields that name another record, with its pseudonym, as the hub says.
    pub refers: Vec<(String, RecordId)>,
    /// The record's live edits that no withdrawal had seen, as the hub says.
    pub unseen: Vec<Edit>,
}

/// What a line of a bundle or delivery says of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A change of it.
    Shown(Box<Disclosed>),
    /// It is no longer among those the grant means.
    Left(Left),
}

/// How complete what is shown of one type in one log is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// Changes of the type in the log, numbered without a gap.
    pub written: u64,
    /// Those whose granted values are shown.
    pub shown: u64,
    /// Those that are only counted: outside the grant's filter, or in quarantine.
    pub withheld: u64,
    /// How many its writer has signed for; none if it has not yet.
    pub signed_for: Option<u64>,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Its name.
    pub origin: String,
    /// Whose.
    pub unit: UnitCode,
    /// Which replica.
    pub replica: ReplicaId,
    /// Entries.
    pub size: u64,
    /// When the province had taken so much, RFC 3339; of the ledger none.
    pub accepted_at: Option<String>,
    /// Until when its writer has signed for how many changes there are, RFC 3339.
    pub complete_until: Option<String>,
    /// Of the changes that are only counted: those that the province keeps apart, as the ledger has it. The others are outside
    /// the grant's filter, as the hub says.
    pub quarantined: u64,
    /// By type.
    pub types: BTreeMap<String, TypeCount>,
}

/// What the bundle proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The ledger.
    pub ledger: String,
    /// Its entries that everything stands under.
    pub size: u64,
    /// Who has cosigned that, with the time in Unix seconds.
    pub witnesses: Vec<Cosigned>,
    /// Whether the policy asks for witnesses at all.
    pub witnessed: bool,
    /// The grant's number.
    pub grant: u64,
    /// Its terms.
    pub terms: Terms,
    /// Who proposed it.
    pub proposed_by: String,
    /// Who approved it.
    pub approved_by: String,
    /// The ledger's entry that says that this was handed over.
    pub access: u64,
    /// When that was, RFC 3339.
    pub accessed_at: String,
    /// The digest of what was handed over, as that entry has it, hexadecimal.
    pub digest: String,
    /// The logs, the ledger first.
    pub logs: Vec<LogReport>,
    /// How many values of what is shown were erased, by the number of the order.
    pub erased: BTreeMap<String, u64>,
}
