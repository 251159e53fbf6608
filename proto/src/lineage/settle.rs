//! Where a record belongs today.

use super::{Lineage, Passage, Step, StepKind};
use crate::ids::{RecordId, UnitCode};

/// What is asked of a record to find its unit.
pub trait Asked {
    /// Its type.
    fn record_type(&self) -> &str;
    /// Its id.
    fn record(&self) -> RecordId;
    /// The shown value of a field, as text.
    fn field(&self, name: &str) -> Option<String>;
}

/// Where a record belongs, and by which steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Whose it is.
    pub owner: UnitCode,
    /// By which steps.
    pub passages: Vec<Passage>,
    /// The last step that made a difference, if one did.
    pub by: Option<u64>,
}

impl Lineage {
    /// Where a record of `owner` belongs today. What an undone step brought goes back, unless somebody has moved
    /// it since; then each standing step that it has not gone through takes it on.
    #[must_use]
    pub fn settle(&self, owner: &UnitCode, passages: &[Passage], today: i32, asked: &dyn Asked) -> Settled {
        let mut settled = Settled { owner: owner.clone(), passages: passages.to_vec(), by: None };
        while let Some(last) = settled.passages.last()
            && last.to == settled.owner
            && self.undo_of(last.step).is_some()
        {
            settled.owner.clone_from(&last.from);
            settled.by = Some(last.step);
            settled.passages.pop();
        }
        for step in self.standing().into_iter().filter(|step| step.moves() && self.has_begun(step, today)) {
            let gone = settled.passages.iter().any(|passage| passage.step == step.number);
            if gone || !step.from.contains(&settled.owner) {
                continue;
            }
            let Some(to) = self.target(step, asked).filter(|to| *to != settled.owner) else { continue };
            settled.passages.push(Passage { step: step.number, from: settled.owner, to: to.clone() });
            settled.owner = to;
            settled.by = Some(step.number);
        }
        settled
    }

    /// Where a step sends a record.
    fn target(&self, step: &Step, asked: &dyn Asked) -> Option<UnitCode> {
        if step.kind != StepKind::Split {
            return step.to.first().cloned();
        }
        let plan = step.plan.as_deref();
        if let Some(unit) = plan.and_then(|plan| self.assigned(plan, asked.record_type(), asked.record())) {
            return Some(unit.clone());
        }
        let fits = |field: &str, value: &str| asked.field(field).is_some_and(|shown| shown == value);
        let share = step.shares.iter().find(|share| fits(&share.field, &share.value));
        share.map(|share| share.unit.clone()).or_else(|| step.rest.clone())
    }

    /// Whether a step's list or shares name a record, rather than leaving it with the rest.
    #[must_use]
    pub fn names(&self, step: &Step, asked: &dyn Asked) -> bool {
        let plan = step.plan.as_deref();
        plan.is_some_and(|plan| self.assigned(plan, asked.record_type(), asked.record()).is_some())
            || step
                .shares
                .iter()
                .any(|share| asked.field(&share.field).is_some_and(|shown| shown == share.value))
    }
}
