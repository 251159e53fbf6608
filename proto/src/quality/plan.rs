//! A record type's rules, compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expression::Expression;
use super::mark::MarkIndex;
use super::steps::CoursePlan;
use super::{Expect, RuleIndex};
use crate::catalogue::{Dimension, Duplicates, Field, FieldKind, Severity};

/// One type.
#[derive(Debug, Default)]
pub(super) struct TypePlan {
    /// Its fields by name.
    pub(super) fields: BTreeMap<String, FieldPlan>,
    /// Their names, as conditions know them.
    pub(super) names: BTreeSet<String>,
    /// Days and, if it is limited, the condition of freshness.
    pub(super) freshness: Option<(i32, Option<Expression>)>,
    /// A person's fields, for checks that go over several.
    pub(super) citizen: Option<String>,
    pub(super) birth: Option<String>,
    /// Whether it has fields that outside agencies or the sector may see.
    pub(super) shared: bool,
    /// Rules over the record alone.
    pub(super) rules: Vec<RulePlan>,
    /// Rules across records.
    pub(super) probes: Vec<ProbePlan>,
    /// What it publishes for others' rules.
    pub(super) publishes: Vec<PublishPlan>,
    /// Field sets whose equality proposes a duplicate.
    pub(super) proposals: Vec<(MarkIndex, Vec<String>)>,
    /// Text fields whose likeness proposes a duplicate.
    pub(super) similar: Option<(MarkIndex, Vec<String>)>,
    /// How proposed duplicates are weighed.
    pub(super) duplicates: Option<Duplicates>,
    /// Its course, if it has one.
    pub(super) course: Option<CoursePlan>,
}

/// One field or subfield.
#[derive(Debug)]
pub(super) struct FieldPlan {
    /// As declared.
    pub(super) field: Field,
    /// What its single values are.
    pub(super) kind: FieldKind,
    pub(super) check: Check,
    /// The codes it may hold.
    pub(super) codes: BTreeSet<String>,
    /// Most characters of a text.
    pub(super) chars_max: usize,
    /// An item's fields.
    pub(super) fields: BTreeMap<String, FieldPlan>,
    /// Their names.
    pub(super) names: BTreeSet<String>,
    /// Whether a record without it is not complete.
    pub(super) required: bool,
}

/// A declared check of single values, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    None,
    PersonName,
    Citizen,
    Phone,
    PartyCard,
    Sha256,
    Past,
    Positive,
    Year,
    Secrecy,
    Letter,
}

/// A rule over one record.
#[derive(Debug)]
pub(super) struct RulePlan {
    pub(super) rule: RuleIndex,
    pub(super) severity: Severity,
    pub(super) dimension: Dimension,
    /// The items whose each is judged.
    pub(super) each: Option<String>,
    pub(super) when: Option<Expression>,
    pub(super) judge: Judge,
    /// The fields to blame: the first that is present.
    pub(super) blame: Vec<String>,
    /// The reason class under which it is said of rows as they come in.
    pub(super) at_import: Option<Arc<str>>,
}

/// How a rule over one record judges.
#[derive(Debug)]
pub(super) enum Judge {
    Holds(Expression),
    Late { after: String, months: u32, days: i32, working_days: u32 },
    OneUnit,
}

/// A rule across records.
#[derive(Debug)]
pub(super) struct ProbePlan {
    pub(super) rule: RuleIndex,
    pub(super) dimension: Dimension,
    pub(super) when: Option<Expression>,
    pub(super) look: Look,
    /// The reason class under which it is said of rows as they come in.
    pub(super) at_import: Option<Arc<str>>,
}

/// Where a rule across records looks.
#[derive(Debug)]
pub(super) enum Look {
    /// At its own mark, which it publishes.
    Unique { index: MarkIndex, by: Vec<String>, in_unit: bool },
    /// At the mark of what it shares and at the mark of what it must agree in too; it publishes both.
    Agrees { shared: MarkIndex, index: MarkIndex, by: Vec<String>, field: String },
    /// At the mark of its own rank, which those above it publish.
    Ranks { index: MarkIndex, by: Vec<String>, order: Vec<OrderPlan> },
    /// At the blocks of days of its period and those around them.
    Apart(ApartPlan),
    /// At the mark it leads to, and at what that leads to; it publishes the mark of where it stands.
    Acyclic { index: MarkIndex, by: Vec<String>, to: Vec<String> },
    /// At the marks of a text's bands, which it publishes.
    Similar { index: MarkIndex, by: Vec<String> },
    /// At the marks of the records a field refers to.
    Referred { index: MarkIndex, field: String },
    /// At what another type publishes.
    Matching(MatchPlan),
}

/// Periods that must have no day in common: see [`super::periods`].
#[derive(Debug)]
pub(super) struct ApartPlan {
    /// Every block that a period's blocks lie in, themselves among them.
    pub(super) under: MarkIndex,
    /// The blocks of a period.
    pub(super) blocks: MarkIndex,
    pub(super) by: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
}

/// A code field that ranks, and its codes from the lowest on.
#[derive(Debug)]
pub(super) struct OrderPlan {
    pub(super) field: String,
    pub(super) codes: Vec<String>,
}

/// A rule's look at another type's marks.
#[derive(Debug)]
pub(super) struct MatchPlan {
    pub(super) index: MarkIndex,
    /// For each compared field of theirs, mine to choose from.
    pub(super) choices: Vec<Vec<String>>,
    pub(super) in_unit: bool,
    pub(super) recent: bool,
    /// My field that tells the year, and how many before it.
    pub(super) preceding: Option<(String, u8)>,
    pub(super) or_unit: bool,
    pub(super) expect: MatchExpect,
}

/// What is expected there.
#[derive(Debug)]
pub(super) enum MatchExpect {
    Fixed(Expect),
    /// As many as this field says.
    Field(String),
}

/// A mark a type publishes.
#[derive(Debug)]
pub(super) struct PublishPlan {
    pub(super) index: MarkIndex,
    /// The fields that meet; `_id` is the record itself, `_unit` its unit.
    pub(super) fields: Vec<String>,
    /// The field that tells the year, last in the tuple.
    pub(super) year: Option<String>,
    pub(super) having: Option<Expression>,
}

/// A record each unit should have.
#[derive(Debug)]
pub(super) struct ExpectationPlan {
    pub(super) rule: RuleIndex,
    pub(super) record_type: String,
    pub(super) units: Vec<crate::catalogue::UnitKind>,
    pub(super) index: MarkIndex,
    pub(super) yearly: bool,
    /// Month and day by which a year's record is due.
    pub(super) due: Option<(i8, i8)>,
}
