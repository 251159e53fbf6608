//! The rule book: a catalogue's rules, compiled once.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::Env;

use super::compile::Compiler;
use super::judge::Sheet;
use super::mark::Mark;
use super::plan::{ExpectationPlan, TypePlan};
use super::{Count, Index, Judgement, Subject};
use crate::bytes::{Malformed, Reader};
use crate::catalogue::{
    Calendar, Catalogue, CatalogueError, Dimension, Label, Places, Severity, Unit, Units,
};
use crate::hash::{Digest, sha256};
use crate::ids::UnitCode;
use crate::value::{civil, days_of};

/// The engine's own version: it changes whenever equal arguments may give another judgement, or what is kept of
/// one has another form.
const ENGINE: &[u8] = b"lienthong quality 6";

/// A rule's place in its rule book. It means nothing beside another book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleIndex(pub u16);

/// How a rule looks at records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// At single values: the engine's own rules.
    Field,
    /// At one record.
    Record,
    /// At the day.
    Late,
    /// At a record among the others, or at what other units say of it.
    Cross,
    /// At a unit: a record it should have.
    Unit,
}

/// What is to be said about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its id, e.g. `CCCD_FORMAT`; unique but for `REF_UNKNOWN`, which each reference field has.
    pub id: String,
    /// The type it is of; `None` for the engine's own.
    pub record_type: Option<String>,
    /// The field it blames, where that is always the same.
    pub field: Option<String>,
    /// How much it weighs.
    pub severity: Severity,
    /// Which of the six words it serves.
    pub dimension: Dimension,
    /// How it looks at records.
    pub kind: RuleKind,
    /// What is wrong and what to do.
    pub message: Label,
}

/// A rule about records alike that is said of a row as it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The reason class.
    pub class: Arc<str>,
    /// The rule, which says what to do.
    pub rule: RuleIndex,
    /// A record that publishes one of these is like it.
    pub marks: Vec<Mark>,
}

/// A rule about one record that a row breaks by what it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The reason class.
    pub class: Arc<str>,
    /// The rule, which says what to do.
    pub rule: RuleIndex,
    /// The path of the value to blame.
    pub field: Option<String>,
    /// Paths that the rule names and the row has no value of: with what the record has there it may hold.
    pub absent: Vec<String>,
}

/// A record that a unit should have and has not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The unit.
    pub unit: UnitCode,
    /// The type of the missing record.
    pub record_type: String,
    /// The expectation.
    pub rule: RuleIndex,
    /// The year it is missing for.
    pub year: Option<i16>,
}

/// All rules, ready to judge.
pub struct RuleBook {
    pub(super) env: Arc<Env>,
    pub(super) units: Units,
    pub(super) places: Places,
    pub(super) calendar: Calendar,
    pub(super) types: BTreeMap<String, TypePlan>,
    rules: Vec<RuleInfo>,
    /// What an index outside the book leads to.
    unknown: RuleInfo,
    expectations: Vec<ExpectationPlan>,
    fingerprint: Digest,
}

impl std::fmt::Debug for RuleBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprint = hex::encode(self.fingerprint);
        f.debug_struct("RuleBook")
            .field("rules", &self.rules.len())
            .field("fingerprint", &fingerprint)
            .finish_non_exhaustive()
    }
}

impl RuleIndex {
    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        u16::try_from(input.varint()?).map(Self).map_err(|_| Malformed("rule index"))
    }
}

impl RuleBook {
    /// Compiles a catalogue's rules.
    ///
    /// # Errors
    /// [`CatalogueError`] naming the file and the rule: a condition that does not compile, is too long or names
    /// what is no field; an id that stands twice.
    pub fn compile(catalogue: &Catalogue) -> Result<Self, CatalogueError> {
        let compiled = Compiler::run(catalogue)?;
        Ok(Self {
            env: compiled.env,
            units: catalogue.units().clone(),
            places: Places::of(catalogue.units()),
            calendar: catalogue.calendar().clone(),
            types: compiled.types,
            rules: compiled.rules,
            unknown: RuleInfo {
                id: "RULE_UNKNOWN".to_owned(),
                record_type: None,
                field: None,
                severity: Severity::Warning,
                dimension: Dimension::Dung,
                kind: RuleKind::Field,
                message: Label {
                    vi: "quy tắc của danh mục khác: tính lại chất lượng".to_owned(),
                    en: "a rule of another catalogue: compute quality anew".to_owned(),
                },
            },
            expectations: compiled.expectations,
            fingerprint: Self::fingerprint_of(catalogue),
        })
    }

    /// The fingerprint of a catalogue's book, without compiling it.
    #[must_use]
    pub fn fingerprint_of(catalogue: &Catalogue) -> Digest {
        sha256(&[ENGINE, &catalogue.digest()])
    }

    /// What judgements depend on besides records and day: keep it beside them, and compute them anew when it
    /// changes.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// A rule.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> &RuleInfo {
        self.rules.get(usize::from(index.0)).unwrap_or(&self.unknown)
    }

    /// The index of a rule the book does not have, as another version's may be.
    #[must_use]
    pub fn unknown_rule(&self) -> RuleIndex {
        RuleIndex(u16::MAX)
    }

    /// All rules, the engine's own first, then by type as declared.
    pub fn rules(&self) -> impl Iterator<Item = (RuleIndex, &RuleInfo)> {
        (0u16..).map(RuleIndex).zip(&self.rules)
    }

    /// The rule of an id; of `REF_UNKNOWN` the first.
    #[must_use]
    pub fn rule_of_id(&self, id: &str) -> Option<RuleIndex> {
        self.rules().find(|(_, rule)| rule.id == id).map(|(index, _)| index)
    }

    /// Judges a record by itself on a day. A record of a type the catalogue does not have is not judged.
    #[must_use]
    pub fn judge(&self, subject: &Subject, today: i32) -> Judgement {
        self.types
            .get(&subject.record_type)
            .map_or_else(Judgement::default, |plan| Sheet::judge(self, plan, subject, today))
    }

    /// Where a row that comes in meets records like it: in the index, and at the same marks of other rows.
    #[must_use]
    pub fn meetings(&self, subject: &Subject, today: i32) -> Vec<Meeting> {
        let plan = self.types.get(&subject.record_type);
        plan.map_or_else(Vec::new, |plan| Sheet::meetings(self, plan, subject, today))
    }

    /// What a row that comes in says against itself.
    #[must_use]
    pub fn contradictions(&self, subject: &Subject, today: i32) -> Vec<Contradiction> {
        let plan = self.types.get(&subject.record_type);
        plan.map_or_else(Vec::new, |plan| Sheet::contradictions(self, plan, subject, today))
    }

    /// The records that the province's units should have on a day and have not, by unit.
    ///
    /// # Errors
    /// What the index answers with.
    pub fn gaps<I: Index>(&self, index: &I, as_of: i32) -> Result<Vec<Gap>, I::Error> {
        let mut gaps = Vec::new();
        for unit in self.units.iter() {
            gaps.extend(self.gaps_of(unit, index, as_of)?);
        }
        gaps.sort_unstable();
        Ok(gaps)
    }

    /// The records that one unit should have on a day and has not.
    ///
    /// # Errors
    /// What the index answers with.
    pub fn gaps_of<I: Index>(&self, unit: &Unit, index: &I, as_of: i32) -> Result<Vec<Gap>, I::Error> {
        let mut gaps = Vec::new();
        for expected in self.expectations.iter().filter(|expected| expected.units.contains(&unit.kind)) {
            let year = expected.yearly.then(|| expected.year_on(as_of));
            if index.count(&expected.mark(unit.code.as_str(), year), 1)? == 0 {
                let record_type = expected.record_type.clone();
                gaps.push(Gap { unit: unit.code.clone(), record_type, rule: expected.rule, year });
            }
        }
        Ok(gaps)
    }

    /// How many records one unit should have of a type, and has: counts for `du` beside the records' own.
    ///
    /// # Errors
    /// What the index answers with.
    pub fn expected<I: Index>(
        &self,
        unit: &Unit,
        record_type: &str,
        index: &I,
        as_of: i32,
    ) -> Result<Count, I::Error> {
        let of_type = |expected: &&ExpectationPlan| {
            expected.record_type == record_type && expected.units.contains(&unit.kind)
        };
        let mut count = Count::default();
        for expected in self.expectations.iter().filter(of_type) {
            let year = expected.yearly.then(|| expected.year_on(as_of));
            count.all += 1;
            count.good += index.count(&expected.mark(unit.code.as_str(), year), 1)?.min(1);
        }
        Ok(count)
    }

    /// A unit of the province.
    #[must_use]
    pub fn unit(&self, code: &UnitCode) -> Option<&Unit> {
        self.units.get(code)
    }

    /// The types the book has rules for, by name.
    pub fn record_types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Whether a folded text is the code of a unit of the province.
    pub(super) fn is_unit(&self, folded: &str) -> bool {
        folded.to_uppercase().parse().is_ok_and(|code| self.units.get(&code).is_some())
    }
}

impl ExpectationPlan {
    /// The year whose record must be there on a day.
    fn year_on(&self, as_of: i32) -> i16 {
        let year = civil(as_of).map_or(0, jiff::civil::Date::year);
        let due = self.due.and_then(|(month, day)| jiff::civil::Date::new(year, month, day).ok());
        if due.is_some_and(|due| as_of <= days_of(due)) { year - 1 } else { year }
    }

    fn mark(&self, unit: &str, year: Option<i16>) -> Mark {
        let year = year.map(|year| year.to_string());
        self.index.mark([unit].into_iter().chain(year.as_deref()))
    }
}
