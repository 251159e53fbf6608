//! Probable duplicates: pairs proposed by shared marks, weighed by what their fields say.

use std::collections::{BTreeMap, BTreeSet};

use super::builtin::Builtin;
use super::shingles::{resemblance_percent, shingles};
use super::{Defect, Index, Judgement, Mark, RuleBook};
use crate::catalogue::{Comparison, Evidence};
use crate::ids::RecordId;
use crate::rules::CitizenNumber;
use crate::text::{fold, fold_name};
use crate::value::{Value, civil};

/// Records of one mark that are compared with each other; the first by id, so that everyone compares the same.
pub(super) const MARK_MEMBERS_MAX: usize = 32;

/// How a field of two records agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Equal.
    Same,
    /// Nearly equal: but for marks, for one digit or two that changed places, for day and month.
    Near,
    /// Different.
    Differs,
}

/// One thing that speaks for or against two records being one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The field.
    pub field: String,
    /// How it agrees.
    pub agreement: Agreement,
    /// What that counts, for or against.
    pub points: i32,
}

/// How likely two records are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness {
    /// 0 to 100: the sum of the reasons, cut to that.
    pub score: u8,
    /// Why, in the order the catalogue declares the evidence.
    pub reasons: Vec<Reason>,
}

/// Two records that may be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The one with the lower id: a merged set goes by it.
    pub first: RecordId,
    /// The other.
    pub second: RecordId,
    /// How likely they are one.
    pub likeness: Likeness,
}

impl Pair {
    /// Which of the two is not this one.
    #[must_use]
    pub fn other(&self, one: RecordId) -> RecordId {
        if self.first == one { self.second } else { self.first }
    }
}

impl Likeness {
    /// From this score on a pair is listed; below, it is two records that happen to agree.
    pub const SCORE_MIN: u8 = 50;

    /// Whether the pair is to be listed.
    #[must_use]
    pub fn is_probable(&self) -> bool {
        self.score >= Self::SCORE_MIN
    }
}

impl RuleBook {
    /// How likely two records of a type are one, by their values; `None` if the type declares no evidence.
    /// Symmetric.
    #[must_use]
    pub fn likeness(
        &self,
        record_type: &str,
        one: &BTreeMap<String, Value>,
        other: &BTreeMap<String, Value>,
    ) -> Option<Likeness> {
        let evidence = &self.types.get(record_type)?.duplicates.as_ref()?.evidence;
        let reasons: Vec<Reason> = evidence
            .iter()
            .filter_map(|evidence| weigh(evidence, one.get(&evidence.field)?, other.get(&evidence.field)?))
            .collect();
        let sum = reasons.iter().fold(0i32, |sum, reason| sum.saturating_add(reason.points)).clamp(0, 100);
        Some(Likeness { score: u8::try_from(sum).unwrap_or_default(), reasons })
    }

    /// The records that share a proposal mark with a judged record, itself excepted, by id.
    ///
    /// # Errors
    /// What the index answers with.
    pub fn candidates<I: Index>(
        &self,
        id: &RecordId,
        judgement: &Judgement,
        index: &I,
    ) -> Result<Vec<RecordId>, I::Error> {
        let mut found = BTreeSet::new();
        for mark in &judgement.proposals {
            let members = index.members(mark, MARK_MEMBERS_MAX)?;
            if members.contains(id) {
                found.extend(members);
            }
        }
        found.remove(id);
        Ok(found.into_iter().collect())
    }
}

impl RuleBook {
    /// The records whose pairs may be others after a record's judgement changed: itself, and of each crowd that it came
    /// into or left the one at the border of those that are compared.
    ///
    /// # Errors
    /// What the index, which has the change already, answers with.
    pub fn unsettled<I: Index>(
        &self,
        id: &RecordId,
        before: Option<&Judgement>,
        after: Option<&Judgement>,
        index: &I,
    ) -> Result<BTreeSet<RecordId>, I::Error> {
        let proposed = |judgement: Option<&Judgement>| -> BTreeSet<Mark> {
            judgement.into_iter().flat_map(|judgement| &judgement.proposals).copied().collect()
        };
        let mut found = BTreeSet::from([*id]);
        for mark in proposed(before).symmetric_difference(&proposed(after)) {
            let members = index.members(mark, MARK_MEMBERS_MAX + 1)?;
            let border = members.iter().skip(MARK_MEMBERS_MAX - 1);
            // Behind the border nobody moves it.
            found.extend(border.filter(|_| members.get(MARK_MEMBERS_MAX - 1).is_some_and(|last| id <= last)));
        }
        Ok(found)
    }
}

/// Writes among a record's defects among the others whether it is probably another's double (`sach`).
pub fn note_duplicate(cross: &mut Vec<Defect>, is_one: bool) {
    let rule = Builtin::Duplicate;
    cross.retain(|defect| defect.rule != rule.index());
    if is_one {
        let (severity, dimension) = (rule.severity(), rule.dimension());
        cross.push(Defect { rule: rule.index(), field: None, severity, dimension });
        cross.sort_unstable();
    }
}

fn weigh(evidence: &Evidence, one: &Value, other: &Value) -> Option<Reason> {
    if *one == Value::Null || *other == Value::Null {
        return None;
    }
    let reason = |agreement, points| Some(Reason { field: evidence.field.clone(), agreement, points });
    let agreement = match (evidence.compare, one, other) {
        (Comparison::Name, Value::Text(one), Value::Text(other)) => {
            if fold_name(one) == fold_name(other) {
                Agreement::Same
            } else if fold(one) == fold(other) {
                Agreement::Near
            } else {
                Agreement::Differs
            }
        }
        (Comparison::Number, Value::Text(one), Value::Text(other)) => digits(one, other),
        (Comparison::Citizen, Value::Text(one), Value::Text(other)) => match digits(one, other) {
            Agreement::Differs if CitizenNumber::parse(one).and(CitizenNumber::parse(other)).is_err() => {
                return None;
            }
            agreement => agreement,
        },
        (Comparison::Date, Value::Date(one), Value::Date(other)) => dates(*one, *other),
        (Comparison::Text, Value::Text(one), Value::Text(other)) => {
            let percent = resemblance_percent(&shingles(one), &shingles(other));
            let share = i32::try_from(percent).unwrap_or_default();
            let points = evidence.same.saturating_mul(share) / 100;
            return match percent {
                100 => reason(Agreement::Same, evidence.same),
                30.. => reason(Agreement::Near, points),
                _ => reason(Agreement::Differs, evidence.differs),
            };
        }
        (_, one, other) if one == other => Agreement::Same,
        _ => Agreement::Differs,
    };
    let points = match agreement {
        Agreement::Same => evidence.same,
        Agreement::Near => evidence.near,
        Agreement::Differs => evidence.differs,
    };
    (points != 0).then(|| reason(agreement, points)).flatten()
}

/// Numbers are near if one digit differs or two neighbours changed places.
fn digits(one: &str, other: &str) -> Agreement {
    if one == other {
        return Agreement::Same;
    }
    if one.len() != other.len() {
        return Agreement::Differs;
    }
    let differing: Vec<(usize, (u8, u8))> =
        one.bytes().zip(other.bytes()).enumerate().filter(|(_, (a, b))| a != b).collect();
    match differing.as_slice() {
        [_] => Agreement::Near,
        [(at, (a, b)), (next, (c, d))] if at + 1 == *next && a == d && b == c => Agreement::Near,
        _ => Agreement::Differs,
    }
}

/// Days are near if day and month changed places, or two of year, month and day are the same.
fn dates(one: i32, other: i32) -> Agreement {
    if one == other {
        return Agreement::Same;
    }
    let (Some(one), Some(other)) = (civil(one), civil(other)) else { return Agreement::Differs };
    let swapped = one.year() == other.year() && one.month() == other.day() && one.day() == other.month();
    let same = [one.year() == other.year(), one.month() == other.month(), one.day() == other.day()];
    if swapped || same.into_iter().filter(|same| *same).count() == 2 {
        Agreement::Near
    } else {
        Agreement::Differs
    }
}
