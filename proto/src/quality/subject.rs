//! What is judged.

use std::collections::BTreeMap;

use super::Written;
use crate::ids::{RecordId, UnitCode};
use crate::value::Value;

/// A record as it is shown, and what its keeper knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its type's name.
    pub record_type: String,
    /// Its id.
    pub id: RecordId,
    /// The unit that owns it.
    pub unit: UnitCode,
    /// The shown values by path; those of an item are `field/itemkey/subfield`.
    pub values: BTreeMap<String, Value>,
    /// The units that claim it, the owner among them or not; more than one other is one person in two units.
    pub claims: Vec<UnitCode>,
    /// Whether a value of it awaits a steward's decision.
    pub conflicted: bool,
    /// The day it was last stated or confirmed, since 1970.
    pub confirmed: i32,
    /// Every admitted change, if the course of its type asks for them; a record whose state and whose lock nothing
    /// was written over does without.
    pub history: Vec<Written>,
}

impl Subject {
    /// A record without values yet.
    #[must_use]
    pub fn new(record_type: impl Into<String>, id: RecordId, unit: UnitCode, confirmed: i32) -> Self {
        Self {
            record_type: record_type.into(),
            id,
            unit,
            values: BTreeMap::new(),
            claims: Vec::new(),
            conflicted: false,
            confirmed,
            history: Vec::new(),
        }
    }

    /// A value that is there: `None` for what was never written and for what was cleared.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<&Value> {
        self.values.get(path).filter(|value| **value != Value::Null)
    }

    /// Whether another unit than the owner claims it.
    #[must_use]
    pub fn is_claimed_twice(&self) -> bool {
        self.claims.iter().any(|unit| *unit != self.unit)
    }
}
