//! Waivers: defects that someone with authority accepts until a day.

use super::{Defect, RuleBook};
use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::RecordId;

/// An accepted defect: it does not count while it is valid, is shown as waived, and comes back after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiver {
    /// The ledger's entry that says so: its name among people.
    pub number: u64,
    /// The record's type.
    pub record_type: String,
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
    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.text(&self.record_type);
        out.raw(&self.record.0);
        out.text(&self.rule);
        out.text(self.field.as_deref().unwrap_or_default());
        out.text(&self.reason);
        out.text(&self.approver);
        out.zigzag(i64::from(self.until));
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they are cut or name no day.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = input.varint()?;
        let record_type = input.text()?.to_owned();
        let record = RecordId(input.array()?);
        let rule = input.text()?.to_owned();
        let field = Some(input.text()?.to_owned()).filter(|field| !field.is_empty());
        let reason = input.text()?.to_owned();
        let approver = input.text()?.to_owned();
        let until = i32::try_from(input.zigzag()?).map_err(|_| Malformed("day"))?;
        Ok(Self { number, record_type, record, rule, field, reason, approver, until })
    }

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
