//! Grants: what an agency may have, of which units and records, for what, until when.
//!
//! A person writes a grant as a file ([`GrantFile`]); it becomes [`Terms`] under the catalogue of the day, in which
//! every field is named, so that no later catalogue widens it. The terms stand in the ledger as they are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Class, Field, FieldKind, RecordType};
use crate::change::path;
use crate::ids::UnitCode;
use crate::text::normalise;
use crate::time::UnixMillis;
use crate::value::{Value, date_text, days_of};

/// The longest grant: who still wants it proposes it again.
const DAYS_MAX: i32 = 366;
/// Characters of a purpose or document number.
const WORDS_MAX: usize = 500;
/// Shares of one grant.
const SHARES_MAX: usize = 32;
/// Entries of one list of a share.
const LIST_MAX: usize = 4_096;
/// Bytes of the terms: they stand in one entry.
const TERMS_BYTES_MAX: usize = 48 * 1024;

/// A day, written `2026-11-01`; days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// The day of an instant at UTC+7, where the province is.
    #[must_use]
    pub fn of(at: UnixMillis) -> Self {
        Self(at.day())
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date_text(self.0))
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let date: Option<jiff::civil::Date> = (text.len() == 10).then(|| text.parse().ok()).flatten();
        let date = date.ok_or_else(|| serde::de::Error::custom("a day is written \"2026-11-01\""))?;
        Ok(Self(days_of(date)))
    }
}

/// A grant as a person writes it (TOML).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantFile {
    /// Who receives.
    pub agency: UnitCode,
    /// What for.
    pub purpose: String,
    /// Number and date of the document that asks for it.
    pub document: String,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub until: Day,
    /// What.
    #[serde(rename = "share")]
    pub shares: Vec<ShareFile>,
}

/// One record type of a grant, as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareFile {
    /// The record type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The units whose records they are; all if there are none.
    #[serde(default)]
    pub units: Vec<UnitCode>,
    /// Years of writing; all if there are none.
    #[serde(default)]
    pub years: Vec<u16>,
    /// Every field up to this class, long texts aside.
    #[serde(default)]
    pub ceiling: Option<Class>,
    /// Fields by name (`field`, or `field/subfield` of items); beside a ceiling, those beyond it.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Only records of which all of this holds.
    #[serde(default)]
    pub only: Vec<Condition>,
}

/// Something that must hold of a record's shown value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// It is one of these (a list has one of them).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
    /// It is a day not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// It is a day not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

/// The terms of a grant, as they stand in the ledger (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Who receives.
    pub agency: UnitCode,
    /// What for.
    pub purpose: String,
    /// The document that asks for it.
    pub document: String,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub until: Day,
    /// What; each record type once.
    pub shares: Vec<Share>,
}

/// One record type of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The record type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The units whose records they are; all if there are none.
    pub units: BTreeSet<UnitCode>,
    /// Years of writing; all if there are none.
    pub years: BTreeSet<u16>,
    /// Fields that are opened: `field`, or `field/subfield` of items.
    pub fields: BTreeSet<String>,
    /// Fields that name another record: the hub states a pseudonym in their place.
    pub references: BTreeSet<String>,
    /// Only records of which all of this holds.
    pub only: Vec<Condition>,
}

/// Why a grant cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not the form of one.
    #[error("văn bản cấp quyền không đúng dạng: {0} · the grant is malformed: {0}")]
    Form(String),
    /// A word or list is missing or too long.
    #[error("{0}: thiếu hoặc quá dài · {0}: missing or too long")]
    Extent(&'static str),
    /// The days make no sense.
    #[error(
        "thời hạn phải từ ngày sớm đến ngày muộn và không quá {DAYS_MAX} ngày · it must run from a day to a later one, for at most {DAYS_MAX} days"
    )]
    Days,
    /// No such record type, or twice.
    #[error(
        "loại bản ghi {0} không có trong danh mục, hoặc lặp lại · record type {0} is not in the catalogue, or stands twice"
    )]
    Type(String),
    /// No such field.
    #[error("loại {0} không có trường {1} · type {0} has no field {1}")]
    Field(String, String),
    /// What nobody gets.
    #[error("trường {1} của {0} không bao giờ ra khỏi đơn vị (C4) · field {1} of {0} never leaves (C4)")]
    Never(String, String),
    /// A ceiling cannot be so high.
    #[error(
        "{0}: mức trần chỉ đến C2; trường C3 phải ghi tên từng trường theo văn bản yêu cầu · {0}: a ceiling goes up to C2; a C3 field is named one by one, by signed request"
    )]
    Ceiling(String),
    /// What an item is known by would stay hidden, and its mark be told.
    #[error(
        "{0}: các mục {1} mang dấu vết của {2}: hãy cấp cả {2}, hoặc không cấp gì của {1} · {0}: items of {1} carry a mark made of {2}: grant {2} as well, or nothing of {1}"
    )]
    ItemKey(String, String, String),
    /// A condition on what names another record.
    #[error(
        "trường {1} của {0} trỏ tới bản ghi khác: không dùng làm điều kiện được, vì phải ghi mã nội bộ vào giấy; hãy chọn trường khác · field {1} of {0} names another record: it cannot be a condition, which would put an internal id into the terms; choose another field"
    )]
    Reference(String, String),
    /// Nothing of it would be opened.
    #[error("loại {0} không mở trường nào · type {0} opens no field")]
    Nothing(String),
}

impl GrantFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`GrantError::Form`] naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        toml::from_str(text).map_err(|error| GrantError::Form(error.message().to_owned()))
    }

    /// The terms it comes to under a catalogue.
    ///
    /// # Errors
    /// [`GrantError`] for what it asks that cannot be.
    pub fn terms(&self, catalogue: &Catalogue) -> Result<Terms, GrantError> {
        let words = |name, text: &str| {
            let text = normalise(text);
            let length = text.chars().count();
            if length == 0 || length > WORDS_MAX { Err(GrantError::Extent(name)) } else { Ok(text) }
        };
        let days = self.until.0 - self.from.0;
        if !(0..=DAYS_MAX).contains(&days) {
            return Err(GrantError::Days);
        }
        if self.shares.is_empty() || self.shares.len() > SHARES_MAX {
            return Err(GrantError::Extent("share"));
        }
        let mut shares: Vec<Share> = Vec::new();
        for share in &self.shares {
            if shares.iter().any(|known| known.record_type == share.record_type) {
                return Err(GrantError::Type(share.record_type.clone()));
            }
            shares.push(share.resolved(catalogue)?);
        }
        let terms = Terms {
            agency: self.agency.clone(),
            purpose: words("purpose", &self.purpose)?,
            document: words("document", &self.document)?,
            from: self.from,
            until: self.until,
            shares,
        };
        if terms.to_json().len() > TERMS_BYTES_MAX { Err(GrantError::Extent("share")) } else { Ok(terms) }
    }
}

impl ShareFile {
    fn resolved(&self, catalogue: &Catalogue) -> Result<Share, GrantError> {
        let name = &self.record_type;
        let declared = catalogue.record_type(name).ok_or_else(|| GrantError::Type(name.clone()))?;
        if [self.units.len(), self.years.len(), self.fields.len(), self.only.len()]
            .iter()
            .any(|n| *n > LIST_MAX)
        {
            return Err(GrantError::Extent("share"));
        }
        if self.ceiling.is_some_and(|ceiling| ceiling > Class::C2) {
            return Err(GrantError::Ceiling(name.clone()));
        }
        let mut share = Share {
            record_type: name.clone(),
            units: self.units.iter().cloned().collect(),
            years: self.years.iter().copied().collect(),
            fields: BTreeSet::new(),
            references: BTreeSet::new(),
            only: self.only.clone(),
        };
        for (path, field) in leaves_of(declared) {
            let under = self.ceiling.is_some_and(|ceiling| field.class <= ceiling);
            if under && field.member_kind() != FieldKind::LongText {
                share.open(path, field);
            }
        }
        for wanted in &self.fields {
            let found: Vec<_> = leaves_of(declared)
                .filter(|(path, _)| {
                    path == wanted || path.split_once('/').is_some_and(|(head, _)| head == wanted)
                })
                .collect();
            if found.is_empty() {
                return Err(GrantError::Field(name.clone(), wanted.clone()));
            }
            for (path, field) in found {
                if field.class == Class::C4 {
                    return Err(GrantError::Never(name.clone(), path));
                }
                // All of an item's subfields at once do not bring its long texts along.
                if path == *wanted || field.member_kind() != FieldKind::LongText {
                    share.open(path, field);
                }
            }
        }
        if share.fields.is_empty() {
            return Err(GrantError::Nothing(name.clone()));
        }
        for items in declared.fields.iter().filter(|field| share.opens_any_of(field)) {
            let mut keys = items.item_key.iter().map(|key| format!("{}/{key}", items.name));
            if let Some(hidden) = keys.find(|path| !share.fields.contains(path)) {
                return Err(GrantError::ItemKey(name.clone(), items.name.clone(), hidden));
            }
        }
        for condition in &share.only {
            let mut fields = declared.fields.iter();
            let known = fields.find(|field| field.name == condition.field && field.class < Class::C4);
            let missing = || GrantError::Field(name.clone(), condition.field.clone());
            if known.ok_or_else(missing)?.member_kind() == FieldKind::Reference {
                return Err(GrantError::Reference(name.clone(), condition.field.clone()));
            }
            if condition.is.is_empty() && condition.from.is_none() && condition.until.is_none() {
                return Err(GrantError::Extent("only"));
            }
        }
        Ok(share)
    }
}

/// Every field that is a register of its own, with its path: of items their subfields.
fn leaves_of(declared: &RecordType) -> impl Iterator<Item = (String, &Field)> {
    declared.fields.iter().flat_map(|field| -> Vec<(String, &Field)> {
        if field.kind == FieldKind::Items {
            let subfields = field.fields.iter();
            subfields.map(|sub| (format!("{}/{}", field.name, sub.name), sub)).collect()
        } else {
            vec![(field.name.clone(), field)]
        }
    })
}

impl Share {
    fn open(&mut self, path: String, field: &Field) {
        if field.class == Class::C4 {
            return;
        }
        let references = field.member_kind() == FieldKind::Reference;
        if references { &mut self.references } else { &mut self.fields }.insert(path);
    }

    fn opens_any_of(&self, items: &Field) -> bool {
        let mut granted = self.fields.iter().chain(&self.references);
        granted.any(|path| path.split_once('/').is_some_and(|(head, _)| head == items.name))
    }

    /// Whether an item's path may be seen: the items' key is in it, hashed, and what it is made of can be guessed. Of what
    /// is no item, always.
    #[must_use]
    pub fn shows_key_of(&self, declared: &RecordType, wanted: &str) -> bool {
        let Some((head, _)) = wanted.split_once('/').filter(|_| !wanted.starts_with('_')) else {
            return true;
        };
        let items = declared.fields.iter().find(|field| field.name == head);
        let key = items.map_or(&[][..], |items| &items.item_key);
        key.iter().all(|key| self.fields.contains(&format!("{head}/{key}")))
    }

    /// Whether a change's register or fact of this path leaves with the change.
    ///
    /// The record's id, what leads to other records by their ids, and reasons in free words never do, but for the reason of a
    /// withdrawal: it stands in one value with what the withdrawal had seen, without which nobody can tell what it took.
    #[must_use]
    pub fn opens(&self, wanted: &str) -> bool {
        if wanted.starts_with('_') {
            return SHOWN_OF_RECORDS.contains(&wanted);
        }
        self.names(&self.fields, wanted)
    }

    /// Whether a register of this path is replaced by a pseudonym of the record it names.
    #[must_use]
    pub fn refers(&self, wanted: &str) -> bool {
        !wanted.starts_with('_') && self.names(&self.references, wanted)
    }

    fn names(&self, granted: &BTreeSet<String>, wanted: &str) -> bool {
        let mut parts = wanted.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(field), Some(_), Some("_gone")) => {
                granted.iter().any(|path| path.split_once('/').is_some_and(|(head, _)| head == field))
            }
            (Some(field), Some(_), Some(subfield)) => granted.contains(&format!("{field}/{subfield}")),
            _ => granted.contains(wanted),
        }
    }

    /// Whether records of a unit are meant.
    #[must_use]
    pub fn covers_unit(&self, unit: &UnitCode) -> bool {
        self.units.is_empty() || self.units.contains(unit)
    }

    /// Whether what was written in a year is meant.
    #[must_use]
    pub fn covers_year(&self, year: u16) -> bool {
        self.years.is_empty() || self.years.contains(&year)
    }

    /// Whether all conditions hold of the values a record shows.
    #[must_use]
    pub fn admits<'a>(&self, shown: impl Fn(&str) -> Option<&'a Value>) -> bool {
        self.only.iter().all(|condition| condition.holds(shown(&condition.field)))
    }
}

/// What is opened of a change of a granted record, whatever the fields.
const SHOWN_OF_RECORDS: &[&str] =
    &[path::META, path::NUMBER, path::TYPE, path::UNIT, path::WITHDRAWN, path::YEAR];

/// What is opened of every change of a granted type: that it exists.
pub const SHOWN_OF_ALL: &[&str] = &[path::NUMBER, path::TYPE, path::YEAR];

impl Condition {
    /// Whether it holds of a value; of none it does not.
    #[must_use]
    pub fn holds(&self, shown: Option<&Value>) -> bool {
        let Some(shown) = shown else { return false };
        let members = match shown {
            Value::List(members) => members.as_slice(),
            one => std::slice::from_ref(one),
        };
        members.iter().any(|value| {
            let day = match value {
                Value::Date(days) => Some(Day(*days)),
                _ => None,
            };
            let not_before = self.from.is_none_or(|from| day.is_some_and(|day| day >= from));
            let not_after = self.until.is_none_or(|until| day.is_some_and(|day| day <= until));
            (self.is.is_empty() || self.is.contains(&value.to_text())) && not_before && not_after
        })
    }
}

impl Terms {
    /// The terms as they stand in the ledger.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads terms.
    ///
    /// # Errors
    /// [`GrantError::Form`] if they are none.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        serde_json::from_str(text).map_err(|error| GrantError::Form(error.to_string()))
    }

    /// What it shares of a type.
    #[must_use]
    pub fn share(&self, record_type: &str) -> Option<&Share> {
        self.shares.iter().find(|share| share.record_type == record_type)
    }

    /// Whether its first day has begun.
    #[must_use]
    pub fn has_begun(&self, at: UnixMillis) -> bool {
        Day::of(at) >= self.from
    }

    /// Whether its last day is over.
    #[must_use]
    pub fn is_over(&self, at: UnixMillis) -> bool {
        Day::of(at) > self.until
    }

    /// Whether a unit's records are meant by any share.
    #[must_use]
    pub fn covers_unit(&self, unit: &UnitCode) -> bool {
        self.shares.iter().any(|share| share.covers_unit(unit))
    }
}

#[cfg(test)]
mod tests;
