//! All steps that were ever said, what was undone, and what is left to do.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{self, DONE, STEP, UNDONE, numbered};
use super::{LineageFault, Named, Passage, Step, StepKind, Tree};
use crate::catalogue::Units;
use crate::event::Event;
use crate::ids::{RecordId, Sequence, UnitCode};
use crate::time::UnixMillis;
use crate::value::Value;

/// The field of an event that keeps the number it had in a former ledger.
const KEPT: &str = "kept";

/// The undoing of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The ledger's entry that says so.
    pub number: u64,
    /// The document that orders it.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// When that was said.
    pub at: UnixMillis,
}

/// Records that are still to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work<'a> {
    /// By a step whose day has come.
    Forward(&'a Step),
    /// Back, by the undoing of a step.
    Back(&'a Step, u64),
}

/// The steps of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lineage {
    steps: BTreeMap<u64, Step>,
    undone: BTreeMap<u64, Undo>,
    /// Steps and undoings that are finished, with how many records they moved.
    done: BTreeMap<u64, u64>,
    assigned: BTreeMap<String, BTreeMap<Named, UnitCode>>,
    /// The fields that steps divide records by.
    asked: BTreeSet<String>,
    /// Numbers that are not the place of their event, by place.
    shifted: BTreeMap<u64, u64>,
}

impl Lineage {
    /// Whether an event may speak of steps.
    #[must_use]
    pub fn concerns(event: &Event) -> bool {
        event.kind.starts_with(step::STEP)
    }

    /// Takes an event of the ledger, standing at `place`, into account; whether it speaks of steps.
    pub fn note(&mut self, event: &Event, place: Sequence) -> bool {
        if let Some(step) = Step::of(event, place) {
            let number = self.number_for(event, place);
            self.asked.extend(step.shares.iter().map(|share| share.field.clone()));
            self.steps.insert(number, Step { number, ..step });
            return true;
        }
        if let Some((plan, assigned)) = step::assigned(event) {
            self.assigned.entry(plan).or_default().extend(assigned);
            return true;
        }
        match (event.kind.as_str(), numbered(event, "number")) {
            (UNDONE, Some(number)) => {
                let reason = step::text(event, "reason").unwrap_or_default();
                let own = self.number_for(event, place);
                let undo = Undo { number: own, reason, actor: event.actor.clone(), at: event.at };
                self.undone.entry(number).or_insert(undo);
                true
            }
            (DONE, Some(number)) => {
                self.done.insert(number, numbered(event, "records").unwrap_or(0));
                true
            }
            _ => false,
        }
    }

    /// The number of the step, or of the undoing, that the event at `place` said.
    #[must_use]
    pub fn number_at(&self, place: Sequence) -> u64 {
        self.shifted.get(&place.0).copied().unwrap_or(place.0)
    }

    /// An event that was taken over from a former ledger keeps its number, by which records know it. Otherwise the
    /// place is the number, unless one that was taken over has it.
    fn number_for(&mut self, event: &Event, place: Sequence) -> u64 {
        if let Some(kept) = numbered(event, KEPT) {
            return kept;
        }
        let undone = || self.undone.values().map(|undo| undo.number);
        if !self.steps.contains_key(&place.0) && undone().all(|number| number != place.0) {
            return place.0;
        }
        let last = self.steps.keys().copied().chain(undone()).max().unwrap_or(place.0);
        self.shifted.insert(place.0, last + 1);
        last + 1
    }

    /// An event that stood at `stood` in this ledger, as another ledger says it again.
    #[must_use]
    pub fn said_again(&self, mut event: Event, stood: Sequence) -> Event {
        if matches!(event.kind.as_str(), STEP | UNDONE) && !event.fields.contains_key(KEPT) {
            let number = i64::try_from(self.number_at(stood)).unwrap_or(i64::MAX);
            event.fields.insert(KEPT.to_owned(), Value::Integer(number));
        }
        event
    }

    /// Whether nothing ever happened to a unit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps have begun by a day, and how many were undone: it grows whenever the tree changes.
    #[must_use]
    pub fn count(&self, today: i32) -> u64 {
        let begun = self.steps.values().filter(|step| step.on <= today).count();
        (begun + self.undone.len()) as u64
    }

    /// All steps as they were said, undone ones among them.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.values()
    }

    /// One of them.
    #[must_use]
    pub fn step(&self, number: u64) -> Option<&Step> {
        self.steps.get(&number)
    }

    /// The undoing of a step.
    #[must_use]
    pub fn undo_of(&self, step: u64) -> Option<&Undo> {
        self.undone.get(&step)
    }

    /// The step that an event undoes.
    #[must_use]
    pub fn undone_by(&self, event: &Event) -> Option<&Step> {
        let number = numbered(event, "number").filter(|_| event.kind == UNDONE)?;
        self.steps.get(&number)
    }

    /// How many records a step, or an undoing, has moved, once it is finished.
    #[must_use]
    pub fn done(&self, number: u64) -> Option<u64> {
        self.done.get(&number).copied()
    }

    /// The steps that stand, in the order of their days.
    #[must_use]
    pub fn standing(&self) -> Vec<&Step> {
        let mut standing: Vec<&Step> =
            self.steps.values().filter(|step| !self.undone.contains_key(&step.number)).collect();
        standing.sort_by_key(|step| step.place());
        standing
    }

    /// The standing steps whose day has come, in order.
    #[must_use]
    pub fn due(&self, today: i32) -> Vec<&Step> {
        self.standing().into_iter().filter(|step| step.on <= today).collect()
    }

    /// Whether a step moves records today: its day has come, or it has moved them and the clock was put back since.
    #[must_use]
    pub fn has_begun(&self, step: &Step, today: i32) -> bool {
        step.on <= today || self.done.contains_key(&step.number)
    }

    /// What is left to do today, in order: first what goes back.
    #[must_use]
    pub fn work(&self, today: i32) -> Vec<Work<'_>> {
        let undone = self.undone.iter().filter_map(|(step, undo)| Some((self.steps.get(step)?, undo.number)));
        let back = undone
            .filter(|(step, undo)| {
                step.moves() && self.has_begun(step, today) && !self.done.contains_key(undo)
            })
            .map(|(step, undo)| Work::Back(step, undo));
        let forward = self.due(today).into_iter();
        let forward = forward.filter(|step| step.moves() && !self.done.contains_key(&step.number));
        back.chain(forward.map(Work::Forward)).collect()
    }

    /// The catalogue's list without the units that begin by a step.
    fn base(&self, units: &Units) -> Tree {
        Tree::of(units).without(self.standing().into_iter().flat_map(|step| &step.begins))
    }

    /// Those of the units that come of a step that are not there yet.
    #[must_use]
    pub fn begins(&self, units: &Units, step: &Step) -> Vec<UnitCode> {
        let tree = self.tree(units, step.on);
        step.to.iter().filter(|code| tree.get(code).is_none()).cloned().collect()
    }

    /// The units of a day.
    #[must_use]
    pub fn tree(&self, units: &Units, on: i32) -> Tree {
        let mut tree = self.base(units);
        for step in self.due(on) {
            // What was taken once, and cannot be under another list of units, is as if it had never been said.
            let _ = tree.take(units, step);
        }
        tree
    }

    /// The tree of its day with one more step, said `today`; the steps after it must still be possible.
    ///
    /// # Errors
    /// [`LineageFault`] saying why it cannot be.
    pub fn check(&self, units: &Units, step: &Step, today: i32) -> Result<Tree, LineageFault> {
        let (mut tree, mut wanted) = (self.base(units), None);
        let mut all = self.standing();
        all.push(step);
        all.sort_by_key(|step| step.place());
        for known in all {
            let taken = tree.take(units, known);
            if known.number == step.number {
                taken?;
                wanted = Some(tree.clone());
            } else if let (Err(fault), true) = (taken, wanted.is_some()) {
                return Err(LineageFault::Later { step: known.number, fault: Box::new(fault) });
            }
        }
        if let Some((unit, later)) = self.overlapped(step, today) {
            return Err(LineageFault::Overlaps { unit: unit.clone(), later });
        }
        Ok(wanted.unwrap_or(tree))
    }

    /// The first step after a split that has moved records to or from the unit that is divided: what it brought would
    /// be divided too, what it took would not.
    fn overlapped<'a>(&self, step: &'a Step, today: i32) -> Option<(&'a UnitCode, u64)> {
        let unit = step.from.first().filter(|_| step.kind == StepKind::Split)?;
        let touches = |known: &&Step| known.from.contains(unit) || known.to.contains(unit);
        let begun = self.standing().into_iter().filter(|known| known.moves() && self.has_begun(known, today));
        begun.filter(|known| known.place() > step.place()).find(touches).map(|known| (unit, known.number))
    }

    /// The tree of `today` without a step; the steps after it must not stand on it.
    ///
    /// # Errors
    /// [`LineageFault`] saying why it cannot be undone.
    pub fn check_undo(&self, units: &Units, number: u64, today: i32) -> Result<Tree, LineageFault> {
        let step = self.steps.get(&number).ok_or(LineageFault::StepUnknown(number))?;
        if self.undone.contains_key(&number) {
            return Err(LineageFault::UndoneBefore(number));
        }
        let (mut tree, mut today_tree) = (self.base(units), None);
        for known in self.standing().into_iter().filter(|known| known.number != number) {
            if known.on > today {
                today_tree.get_or_insert_with(|| tree.clone());
            }
            let later = known.place() > step.place();
            // What a later step moved on cannot be fetched back past it.
            let on_it = later && known.moves() && known.from.iter().any(|unit| step.to.contains(unit));
            let impossible = tree.take(units, known).is_err() && later;
            if on_it || impossible {
                return Err(LineageFault::StoodOn { step: number, later: known.number });
            }
        }
        Ok(today_tree.unwrap_or(tree))
    }

    /// A plan's list.
    #[must_use]
    pub fn plan(&self, plan: &str) -> Option<&BTreeMap<Named, UnitCode>> {
        self.assigned.get(plan)
    }

    /// Where a plan's list sends a record.
    #[must_use]
    pub fn assigned(&self, plan: &str, record_type: &str, record: RecordId) -> Option<&UnitCode> {
        self.assigned.get(plan)?.get(&(record_type.to_owned(), record))
    }

    /// Whether records of a unit may have to go elsewhere by a step whose day has come.
    #[must_use]
    pub fn gives(&self, unit: &UnitCode, today: i32) -> bool {
        let undone = |step: &Step| self.undone.contains_key(&step.number);
        self.steps.values().any(|step| {
            self.has_begun(step, today) && step.moves() && step.from.contains(unit) && !undone(step)
        })
    }

    /// Whether a record of this unit may belong elsewhere: by a step whose day has come, or one that was undone.
    #[must_use]
    pub fn may_move(&self, unit: &UnitCode, today: i32) -> bool {
        self.gives(unit, today)
            || self
                .steps
                .values()
                .any(|step| step.moves() && step.to.contains(unit) && self.undone.contains_key(&step.number))
    }

    /// The fields of records that steps ask for: with another value a record may belong elsewhere.
    pub fn asks_for(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }

    /// Whether a unit ended by a step whose day has come.
    #[must_use]
    pub fn has_ended(&self, unit: &UnitCode, today: i32) -> bool {
        let undone = |step: &Step| self.undone.contains_key(&step.number);
        self.steps.values().any(|step| {
            self.has_begun(step, today) && step.ends().any(|ended| ended == unit) && !undone(step)
        })
    }

    /// Whether records may have come to a unit by a step, undone or not.
    #[must_use]
    pub fn receives(&self, unit: &UnitCode) -> bool {
        self.steps.values().any(|step| step.moves() && step.to.contains(unit))
    }

    /// Whose a record was in the tree of a day: its passages are followed back as long as they lead to its owner.
    #[must_use]
    pub fn home_on(&self, owner: &UnitCode, passages: &[Passage], on: i32) -> UnitCode {
        let mut home = owner.clone();
        for passage in passages.iter().rev() {
            let after = self.steps.get(&passage.step).is_none_or(|step| step.on > on)
                || self.undone.contains_key(&passage.step);
            if passage.to != home || !after {
                break;
            }
            home.clone_from(&passage.from);
        }
        home
    }

    /// The units a record had until standing steps took it to its owner.
    #[must_use]
    pub fn former(&self, owner: &UnitCode, passages: &[Passage]) -> BTreeSet<UnitCode> {
        let (mut home, mut former) = (owner, BTreeSet::new());
        for passage in passages.iter().rev() {
            if passage.to != *home || self.undone.contains_key(&passage.step) {
                break;
            }
            home = &passage.from;
            former.insert(home.clone());
        }
        former
    }
}
