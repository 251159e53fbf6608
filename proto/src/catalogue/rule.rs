//! The shapes of rules: what a good record satisfies, alone and among the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Dimension, Label, Severity, UnitKind};

/// A rule that stored records are judged by. Exactly one of `cel`, `late` and `cross` says what is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Identifier, e.g. `KL_HAN_SAU_BAN_HANH`; unique in the catalogue.
    pub id: String,
    /// `error` keeps a record out of the shared dataset, `warning` lowers the score.
    pub severity: Severity,
    /// Which of the six words it serves.
    pub dimension: Dimension,
    /// Judged only where this CEL condition holds: what it does not reach is neither good nor bad.
    #[serde(default)]
    pub when: Option<String>,
    /// What a good record satisfies, in CEL over the record's fields, `today` and `this_year`.
    #[serde(default)]
    pub cel: Option<String>,
    /// By which day something must have happened (dimension `song`).
    #[serde(default)]
    pub late: Option<Late>,
    /// A check across records.
    #[serde(default)]
    pub cross: Option<Cross>,
    /// The items field whose every item is judged, its subfields being the variables.
    #[serde(default)]
    pub each: Option<String>,
    /// The field to blame; otherwise the first that the condition names.
    #[serde(default)]
    pub field: Option<String>,
    /// The reason class under which it is said of a row already as it comes in; of `cel`, `unique` and `similar` only.
    #[serde(default)]
    pub at_import: Option<String>,
    /// What is wrong when it fails, and what to do.
    pub message: Label,
}

/// A day that must not pass while the rule's condition holds: so many months after another, so many days after that, and so
/// many working days after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// The date field it counts from.
    pub after: String,
    /// Months, as the calendar has them.
    #[serde(default)]
    pub months: u32,
    /// Days.
    #[serde(default)]
    pub days: u32,
    /// Working days, by the catalogue's [`super::Calendar`].
    #[serde(default)]
    pub working_days: u32,
}

/// Steps of a chain that is followed to see whether it comes back: more than any organisation has above it.
pub const CHAIN_MAX: usize = 16;

/// A check across records. Text is compared by its name fold; a record that lacks a compared field is
/// not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cross {
    /// No other record (for which `when` holds too) has the same values in these fields.
    Unique {
        /// The fields; `x__year` is the year that field `x` speaks of, `x__commune` the unit in which the place that it
        /// names is today ([`super::Places`]).
        by: Vec<String>,
        /// Only among the records of the same unit.
        #[serde(default)]
        in_unit: bool,
    },
    /// The period of no other record (for which `when` holds too) with the same values in these fields has a day in
    /// common with this one's.
    Apart {
        /// The fields they share.
        by: Vec<String>,
        /// The date field of a period's first day.
        from: String,
        /// The date field of the day on which it is over; while that is absent, it goes on. A period that ends on the day it
        /// begins has that day.
        to: String,
    },
    /// All records (for which `when` holds too) that have the same values in these fields agree in another.
    Agrees {
        /// The fields they share.
        by: Vec<String>,
        /// What they must agree in.
        field: String,
    },
    /// No other record (for which `when` holds too) with the same values in these fields ranks higher.
    Ranks {
        /// The fields they share.
        by: Vec<String>,
        /// Code fields, the weightiest first; the later a code stands in its list, the higher it ranks. Without a
        /// code a record ranks lowest.
        order: Vec<String>,
    },
    /// The records that this reference field names are there.
    Resolves {
        /// The field.
        field: String,
    },
    /// There are at least `at_least` (1 if not said) matching records.
    Exists(Matching),
    /// There is no matching record.
    Absent(Matching),
    /// There are exactly as many matching records as the field `equals` says.
    Counts(Matching),
    /// Only one unit claims the record.
    OneUnit {},
    /// No chain of records, each leading from one field's value to the record that has it in another, comes back to
    /// where it began within [`CHAIN_MAX`] steps.
    Acyclic {
        /// The field that says where a record stands.
        by: String,
        /// The field that says where it leads.
        to: String,
    },
    /// No other record's text is much like this one's.
    Similar {
        /// The text fields.
        by: Vec<String>,
    },
}

/// Which records of another type match a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// Their type.
    pub of: String,
    /// Their field → this record's field, or a choice of several; `_id` is this record itself, `items/subfield` stands
    /// for what all items say there (of `absent` only).
    pub by: BTreeMap<String, OneOrMore>,
    /// They count only where this CEL condition over their fields holds.
    #[serde(default)]
    pub having: Option<String>,
    /// Only records of the same unit.
    #[serde(default)]
    pub in_unit: bool,
    /// Only records of the years before this one's.
    #[serde(default)]
    pub preceding: Option<Preceding>,
    /// Their date, year or text field whose year must be this or last year.
    #[serde(default)]
    pub recent: Option<String>,
    /// A value that is a unit's code matches by itself: the units stand above the records.
    #[serde(default)]
    pub or_unit: bool,
    /// For `exists`: how many there must be.
    #[serde(default)]
    pub at_least: Option<u32>,
    /// For `counts`: the field with the number.
    #[serde(default)]
    pub equals: Option<String>,
}

/// The years before the one that a record speaks of, itself not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preceding {
    /// The date, year or text field that tells the year, theirs and this record's.
    pub field: String,
    /// How many.
    pub years: u8,
}

/// One name, or a choice of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}

/// A record that every unit of some kinds should have: once, or each year (dimension `du`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Identifier, unique among the rules.
    pub id: String,
    /// How much a gap weighs.
    pub severity: Severity,
    /// Which units.
    pub units: Vec<UnitKind>,
    /// Only records for which this CEL condition holds fulfil it.
    #[serde(default)]
    pub having: Option<String>,
    /// The date, number or text field that tells the year; without it one record is enough for ever.
    #[serde(default)]
    pub year: Option<String>,
    /// Month and day (`MM-DD`) by which a year's record is due; before, the year before is asked for.
    #[serde(default)]
    pub due: Option<String>,
    /// What is missing and what to do.
    pub message: Label,
}

/// How probable duplicates of a type are proposed and weighed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Field sets; records that agree in one set (text without any marks) are compared.
    #[serde(default)]
    pub propose: Vec<Vec<String>>,
    /// Text fields; records much alike in them are compared.
    #[serde(default)]
    pub similar: Vec<String>,
    /// What speaks for and against one record being the other.
    pub evidence: Vec<Evidence>,
}

/// What one field says about two records being one; points add up to 0–100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The field.
    pub field: String,
    /// How it is compared.
    pub compare: Comparison,
    /// Points if equal.
    pub same: i32,
    /// Points if nearly equal.
    #[serde(default)]
    pub near: i32,
    /// Points if different.
    #[serde(default)]
    pub differs: i32,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Names: nearly equal without their marks.
    Name,
    /// Digits: nearly equal if one differs or two neighbours changed places.
    Number,
    /// Citizen numbers: as `number`, but two speak against each other only if both can be right.
    Citizen,
    /// Days: nearly equal if day and month changed places, or one of the three parts differs.
    Date,
    /// Equal or not.
    Exact,
    /// Long text: points in proportion to what the two have in common.
    Text,
}
