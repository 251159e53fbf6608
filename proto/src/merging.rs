//! Two records that are one: how the one that is left out leads to the one that stays.
//!
//! The record left out is withdrawn and its register `_into` says where it leads; the one that stays keeps a
//! register `_merged/ID` for each that leads to it. Two records that only look alike are told apart by a register
//! `_apart/ID` on the one with the lower id. All are written by the province alone, and undone by `null`.

use crate::change::{Change, path, record_id};
use crate::ids::{RecordId, UnitCode};
use crate::value::Value;

/// Where a record that is left out leads, and what undoing that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merging {
    /// The record that stays.
    pub into: RecordId,
    /// Who owned the one that is left out.
    pub owner: UnitCode,
}

impl Merging {
    /// The register's value: a list of the record and the unit.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::List(vec![Value::Reference(self.into), Value::Unit(self.owner.clone())])
    }

    /// Reads a register's value; `None` if it leads nowhere.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else { return None };
        let [Value::Reference(into), Value::Unit(owner)] = parts.as_slice() else { return None };
        Some(Self { into: *into, owner: owner.clone() })
    }

    /// What a change states of where its record leads.
    #[must_use]
    pub fn by(change: &Change) -> Option<Self> {
        change.writes.iter().find(|write| write.path == path::INTO).and_then(|write| Self::of(&write.value))
    }
}

/// The register by which the record that stays knows one that leads to it.
#[must_use]
pub fn merged_path(left_out: RecordId) -> String {
    format!("{}/{left_out}", path::MERGED)
}

/// The register that tells the record with the lower id from the other.
#[must_use]
pub fn apart_path(other: RecordId) -> String {
    format!("{}/{other}", path::APART)
}

/// The record that stands for what `unit` states of `record`, after the province found that it speaks of somebody
/// else who shares the number.
#[must_use]
pub fn separated_id(provincial_key: &[u8], record_type: &str, record: RecordId, unit: &UnitCode) -> RecordId {
    record_id(provincial_key, &format!("{record_type}/separated"), Some(unit), &[record.to_string()])
}

/// Whether a path belongs to the province alone.
#[must_use]
pub fn is_the_provinces(name: &str) -> bool {
    matches!(name.split('/').next(), Some(path::INTO | path::MERGED | path::APART | path::LINEAGE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn where_it_leads_comes_back() {
        let merging = Merging { into: RecordId([7; 16]), owner: "11953".parse().unwrap() };
        assert_eq!(Merging::of(&merging.to_value()), Some(merging));
        let wrong = [
            Value::Null,
            Value::Reference(RecordId([7; 16])),
            Value::List(vec![]),
            Value::List(vec![Value::Reference(RecordId([7; 16])), Value::Integer(9)]),
            Value::List(vec![Value::Unit("11953".parse().unwrap()), Value::Reference(RecordId([7; 16]))]),
        ];
        assert!(wrong.iter().all(|value| Merging::of(value).is_none()));
    }

    #[test]
    fn the_provinces_paths_are_told_from_fields() {
        let id = RecordId([7; 16]);
        assert!([merged_path(id), apart_path(id), "_into".to_owned()].iter().all(|p| is_the_provinces(p)));
        assert!(!["ho_ten", "_unit", "vi_pham/_into/x", "_intox"].into_iter().any(is_the_provinces));
    }
}
