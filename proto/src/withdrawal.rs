//! Withdrawal: how a record is taken out of the shared dataset and nothing of it is lost.
//!
//! A withdrawal is a value of the register `_withdrawn`: the reason, and the live writes of the record its
//! writer saw. A write it did not see, that did not see it, is not taken out with the rest: the record is
//! shown and a person decides (DESIGN 6, X23). `null` says that the record stands again.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, path};
use crate::ids::{Dot, ReplicaId, Sequence};
use crate::text;
use crate::value::{LIST_LENGTH_MAX, Value};

/// Characters of a reason: a sentence or two, as a cell of short text.
pub const REASON_CHARS_MAX: usize = 300;

/// Why a withdrawal cannot be stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WithdrawalError {
    /// It says nothing.
    #[error("thiếu lý do thu hồi: hãy ghi rõ · a reason is needed: say why it is withdrawn")]
    ReasonMissing,
    /// It says too much, or holds what no line of text may.
    #[error(
        "lý do thu hồi phải là một dòng không quá 300 ký tự · the reason must be one line of at most 300 characters"
    )]
    ReasonForm,
    /// More replicas have live values in the record than a list holds.
    #[error("bản ghi có giá trị của quá nhiều máy · values of too many replicas stand in the record")]
    TooMany,
}

/// A record is withdrawn, for a reason, by one who had seen these writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    reason: String,
    seen: BTreeSet<Dot>,
}

impl Withdrawal {
    /// A withdrawal by one who has seen the live writes `seen`.
    ///
    /// # Errors
    /// [`WithdrawalError`] if the reason is blank, too long or holds control characters.
    pub fn new(reason: &str, seen: impl IntoIterator<Item = Dot>) -> Result<Self, WithdrawalError> {
        let reason = text::normalise(reason);
        if text::is_placeholder(&reason) {
            return Err(WithdrawalError::ReasonMissing);
        }
        let withdrawal = Self { reason, seen: seen.into_iter().collect() };
        withdrawal.check()?;
        Ok(withdrawal)
    }

    fn check(&self) -> Result<(), WithdrawalError> {
        if text::normalise(&self.reason).is_empty() {
            return Err(WithdrawalError::ReasonMissing);
        }
        if self.reason.chars().count() > REASON_CHARS_MAX || self.reason.contains(char::is_control) {
            return Err(WithdrawalError::ReasonForm);
        }
        let replicas: BTreeSet<ReplicaId> = self.seen.iter().map(|dot| dot.replica).collect();
        if replicas.len() as u64 >= LIST_LENGTH_MAX {
            return Err(WithdrawalError::TooMany);
        }
        Ok(())
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The live writes its writer saw.
    #[must_use]
    pub fn seen(&self) -> &BTreeSet<Dot> {
        &self.seen
    }

    /// The same, having seen the writes that `renamed` gives for its own: of a log that was written again.
    #[must_use]
    pub fn renamed(&self, renamed: impl Fn(Dot) -> Dot) -> Self {
        Self { reason: self.reason.clone(), seen: self.seen.iter().map(|dot| renamed(*dot)).collect() }
    }

    /// The register's value: a list of the reason, then for each replica, ascending, one text
    /// `replica:sequence,sequence…`, sequences ascending.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut by_replica: BTreeMap<ReplicaId, Vec<String>> = BTreeMap::new();
        for dot in &self.seen {
            by_replica.entry(dot.replica).or_default().push(dot.sequence.to_string());
        }
        let seen = by_replica.iter().map(|(replica, sequences)| format!("{replica}:{}", sequences.join(",")));
        let texts = std::iter::once(self.reason.clone()).chain(seen);
        Value::List(texts.map(Value::Text).collect())
    }

    /// Reads a register's value; `None` if it is no withdrawal in its one form.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let Value::List(texts) = value else { return None };
        let mut texts = texts.iter().map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let reason = texts.next()??.to_owned();
        let mut seen = BTreeSet::new();
        for text in texts {
            let (replica, sequences) = text?.split_once(':')?;
            let replica: ReplicaId = replica.parse().ok()?;
            for sequence in sequences.split(',') {
                seen.insert(Dot { replica, sequence: Sequence(sequence.parse().ok()?) });
            }
        }
        let withdrawal = Self { reason, seen };
        (withdrawal.check().is_ok() && withdrawal.to_value() == *value).then_some(withdrawal)
    }
}

/// What a write of `_withdrawn` states, its reason aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// The record is withdrawn, as far as these writes go.
    Withdrawn(BTreeSet<Dot>),
    /// It stands.
    Standing,
}

impl Stated {
    /// What a change states; `None` if it states nothing of it, or in a form that is not understood.
    #[must_use]
    pub fn by(change: &Change) -> Option<Self> {
        let write = change.writes.iter().find(|write| write.path == path::WITHDRAWN)?;
        match &write.value {
            Value::Null => Some(Self::Standing),
            value => {
                let mut seen = Withdrawal::of(value)?.seen;
                // Nobody has seen a write of their own that is yet to come.
                seen.retain(|dot| dot.replica != change.dot.replica || dot.sequence < change.dot.sequence);
                // What is written with the withdrawal belongs to it.
                if change.writes.len() > 1 {
                    seen.insert(change.dot);
                }
                Some(Self::Withdrawn(seen))
            }
        }
    }
}

/// A live write of anything but `_withdrawn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// The write.
    pub dot: Dot,
    /// Its writer does not own the record.
    pub proposal: bool,
}

/// How a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// It is not part of the shared dataset.
    pub withdrawn: bool,
    /// A person has to decide whether it is.
    pub contested: bool,
    /// The edits no withdrawal had seen.
    pub unseen: BTreeSet<Dot>,
}

/// How a record stands, by the live statements of `_withdrawn` (with whether each is a proposal) and the
/// live edits.
///
/// A proposal neither withdraws a record nor keeps one from being withdrawn, but it leaves something to
/// decide.
#[must_use]
pub fn standing<'a>(
    statements: impl IntoIterator<Item = (&'a Stated, bool)>,
    edits: impl IntoIterator<Item = Edit>,
) -> Standing {
    let (mut firmly, mut proposed) = (None::<BTreeSet<Dot>>, None::<BTreeSet<Dot>>);
    let (mut stands, mut disputed) = (false, false);
    for (statement, proposal) in statements {
        match (statement, proposal) {
            (Stated::Withdrawn(seen), false) => firmly.get_or_insert_default().extend(seen),
            (Stated::Withdrawn(seen), true) => proposed.get_or_insert_default().extend(seen),
            (Stated::Standing, false) => stands = true,
            (Stated::Standing, true) => disputed = true,
        }
    }
    let Some(seen) = firmly.as_ref().or(proposed.as_ref()) else { return Standing::default() };
    let unseen: Vec<Edit> = edits.into_iter().filter(|edit| !seen.contains(&edit.dot)).collect();
    let held = stands || unseen.iter().any(|edit| !edit.proposal);
    Standing {
        withdrawn: firmly.is_some() && !held,
        contested: firmly.is_none() || held || disputed || !unseen.is_empty(),
        unseen: unseen.into_iter().map(|edit| edit.dot).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(replica: u8, sequence: u64) -> Dot {
        Dot { replica: ReplicaId([replica; 16]), sequence: Sequence(sequence) }
    }

    fn edit(replica: u8, sequence: u64) -> Edit {
        Edit { dot: dot(replica, sequence), proposal: replica > 7 }
    }

    #[test]
    fn a_withdrawal_has_one_form_and_comes_back() {
        let dots = [dot(2, 11), dot(1, 3), dot(2, 4)];
        let withdrawal = Withdrawal::new("  nhập nhầm\u{200B} ", dots).unwrap();
        assert_eq!(withdrawal.reason(), "nhập nhầm");
        let value = withdrawal.to_value();
        assert_eq!(Withdrawal::of(&value), Some(withdrawal));
        let Value::List(texts) = value else { panic!("a list") };
        assert_eq!(texts[2], Value::Text(format!("{}:4,11", "02".repeat(16))));
        let text = |text: &str| Value::Text(text.to_owned());
        for other in [
            Value::Null,
            text("nhập nhầm"),
            Value::List(Vec::new()),
            Value::List(vec![text(" ")]),
            Value::List(vec![text("\u{200B}")]),
            Value::List(vec![text("hai\ndòng")]),
            Value::List(vec![text("nhập nhầm"), Value::Integer(1)]),
            Value::List(vec![text("nhập nhầm"), text(&format!("{}:4,04", "02".repeat(16)))]),
            Value::List(vec![text("nhập nhầm"), text(&format!("{}:11,4", "02".repeat(16)))]),
            Value::List(vec![text("nhập nhầm"), text(&format!("{}:4", "AB".repeat(16)))]),
            Value::List(vec![text(&"x".repeat(301))]),
        ] {
            assert_eq!(Withdrawal::of(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_reason_is_demanded_and_bounded() {
        for (reason, error) in [
            ("", WithdrawalError::ReasonMissing),
            ("-", WithdrawalError::ReasonMissing),
            ("Không", WithdrawalError::ReasonMissing),
            (" \u{200B}\u{A0}\n", WithdrawalError::ReasonMissing),
            (&*"x".repeat(301), WithdrawalError::ReasonForm),
            ("a\u{0}b", WithdrawalError::ReasonForm),
        ] {
            assert_eq!(Withdrawal::new(reason, []), Err(error), "{reason:?}");
        }
        assert!(Withdrawal::new(&"ế".repeat(300), []).is_ok());
    }

    /// Goal: every case of who states what and which edits were seen. Method: a table.
    #[test]
    fn how_a_record_stands() {
        let saw = |dots: &[Dot]| Stated::Withdrawn(dots.iter().copied().collect());
        let (all, none) = (saw(&[dot(1, 0), dot(2, 0)]), saw(&[]));
        let edits = [edit(1, 0), edit(2, 0)];
        let judge = |statements: &[(&Stated, bool)], edits: &[Edit]| {
            let standing = standing(statements.iter().copied(), edits.iter().copied());
            (standing.withdrawn, standing.contested, standing.unseen.len())
        };
        let up = Stated::Standing;
        assert_eq!(judge(&[], &edits), (false, false, 0), "nobody said anything");
        assert_eq!(judge(&[(&all, false)], &edits), (true, false, 0));
        assert_eq!(judge(&[(&up, false)], &edits), (false, false, 0), "brought back");
        assert_eq!(judge(&[(&none, false)], &edits), (false, true, 2), "edits it did not see");
        assert_eq!(judge(&[(&none, false), (&all, false)], &edits), (true, false, 0), "one saw them");
        assert_eq!(judge(&[(&all, false), (&up, false)], &edits), (false, true, 0), "one says it stands");
        assert_eq!(judge(&[(&all, true)], &edits), (false, true, 0), "only proposed");
        assert_eq!(judge(&[(&all, false), (&up, true)], &edits), (true, true, 0), "disputed");
        let foreign = [edits[0], edits[1], edit(9, 0)];
        assert_eq!(judge(&[(&all, false)], &foreign), (true, true, 1), "a proposal it did not see");
    }
}
