//! Waivers: defects that someone with authority accepts until a day.

use super::{Defect, RuleBook};
use crate::ids::RecordId;

/// An accepted defect: it does not count while it is valid, is shown as waived, and comes back after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiver {
    /// The record.
    pub record: RecordId,
    /// The rule's id.
    pub rule: String,
    /// Only for the value at this path; otherwise wherever the rule blames.
    pub field: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Who accepted it.
    pub approver: String,
    /// The last day it is valid, since 1970.
    pub until: i32,
}

impl Waiver {
    /// Whether it speaks of this defect on this day.
    #[must_use]
    pub fn covers(&self, record: &RecordId, rule: &str, field: Option<&str>, as_of: i32) -> bool {
        self.record == *record
            && as_of <= self.until
            && self.rule == rule
            && self.field.as_deref().is_none_or(|only| field == Some(only))
    }
}

/// A record's defects, those that count apart from those that are waived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sorted {
    /// Those that count.
    pub counted: Vec<Defect>,
    /// Those that a valid waiver covers, with the position of the first that does.
    pub waived: Vec<(Defect, usize)>,
}

/// Sorts a record's defects by the waivers valid on a day.
#[must_use]
pub fn sort_by_waivers(
    book: &RuleBook,
    record: &RecordId,
    defects: Vec<Defect>,
    waivers: &[Waiver],
    as_of: i32,
) -> Sorted {
    let mut sorted = Sorted::default();
    for defect in defects {
        let rule = &book.rule(defect.rule).id;
        let covering =
            waivers.iter().position(|waiver| waiver.covers(record, rule, defect.field.as_deref(), as_of));
        match covering {
            Some(position) => sorted.waived.push((defect, position)),
            None => sorted.counted.push(defect),
        }
    }
    sorted
}
