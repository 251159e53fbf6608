//! One step, and the events that speak of steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::UnitKind;
use crate::event::Event;
use crate::ids::{RecordId, Sequence, UnitCode};
use crate::time::UnixMillis;
use crate::value::Value;

pub(super) const STEP: &str = "lineage";
pub(super) const ASSIGNED: &str = "lineage_assigned";
pub(super) const UNDONE: &str = "lineage_undo";
pub(super) const DONE: &str = "lineage_done";

/// A record, by its type and id.
pub type Named = (String, RecordId);

/// What happens to units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// One begins.
    Add,
    /// One or more go into another.
    Merge,
    /// One goes into several, or gives a part away.
    Split,
    /// One has another name.
    Rename,
    /// One ends; another takes its records.
    Dissolve,
}

impl StepKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Add, Self::Merge, Self::Split, Self::Rename, Self::Dissolve];

    /// Its word in events and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Merge => "merge",
            Self::Split => "split",
            Self::Rename => "rename",
            Self::Dissolve => "dissolve",
        }
    }
}

/// Records of a divided unit whose field has this value go to this unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The field.
    pub field: String,
    /// Its value, as text.
    pub value: String,
    /// Where they go.
    pub unit: UnitCode,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The ledger's entry that says so: its name among people; 0 while it is only thought of.
    pub number: u64,
    /// What happens.
    pub kind: StepKind,
    /// From which day on, since 1970.
    pub on: i32,
    /// The units it happens to.
    pub from: Vec<UnitCode>,
    /// The units that come of it.
    pub to: Vec<UnitCode>,
    /// Those of them that begin by it: before its day they are not, whatever the catalogue lists by now.
    pub begins: Vec<UnitCode>,
    /// Names of units that begin or are renamed.
    pub names: BTreeMap<UnitCode, String>,
    /// What units that begin are; what the first of `from` is otherwise.
    pub unit_kind: Option<UnitKind>,
    /// Of a split: whose the records are that nothing else assigns; itself one of `from` or `to`.
    pub rest: Option<UnitCode>,
    /// Of a split: which records go where, the first that fits.
    pub shares: Vec<Share>,
    /// Of a split: the list of records assigned one by one.
    pub plan: Option<String>,
    /// The document that orders it.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// When that was said.
    pub at: UnixMillis,
}

impl Step {
    /// The units that end by it.
    pub fn ends(&self) -> impl Iterator<Item = &UnitCode> {
        let stays = |unit: &UnitCode| match self.kind {
            StepKind::Add | StepKind::Rename => true,
            StepKind::Split => self.rest.as_ref() == Some(unit),
            StepKind::Merge | StepKind::Dissolve => false,
        };
        self.from.iter().filter(move |unit| !stays(unit))
    }

    /// Whether records may move by it.
    #[must_use]
    pub fn moves(&self) -> bool {
        matches!(self.kind, StepKind::Merge | StepKind::Split | StepKind::Dissolve)
    }

    /// Its place among the steps: by day, then as they were said.
    #[must_use]
    pub fn place(&self) -> (i32, u64) {
        (self.on, if self.number == 0 { u64::MAX } else { self.number })
    }

    /// Whether another says the same.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let plain = |step: &Self| Self {
            number: 0,
            begins: Vec::new(),
            plan: None,
            actor: String::new(),
            at: UnixMillis(0),
            ..step.clone()
        };
        plain(self) == plain(other) && self.plan.is_some() == other.plan.is_some()
    }

    /// The event that says it.
    #[must_use]
    pub fn event(&self) -> Event {
        let units = |units: &[UnitCode]| Value::List(units.iter().cloned().map(Value::Unit).collect());
        let mut fields = BTreeMap::from([
            ("step".to_owned(), Value::Text(self.kind.name().to_owned())),
            ("on".to_owned(), Value::Date(self.on)),
            ("from".to_owned(), units(&self.from)),
            ("to".to_owned(), units(&self.to)),
            ("reason".to_owned(), Value::Text(self.reason.clone())),
        ]);
        let lines = |lines: Vec<String>| Value::List(lines.into_iter().map(Value::Text).collect());
        if !self.names.is_empty() {
            let names = self.names.iter().map(|(unit, name)| format!("{unit}={name}")).collect();
            fields.insert("names".to_owned(), lines(names));
        }
        if !self.begins.is_empty() {
            fields.insert("begins".to_owned(), units(&self.begins));
        }
        if let Some(kind) = self.unit_kind {
            fields.insert("unit_kind".to_owned(), Value::Text(kind_word(kind).to_owned()));
        }
        if let Some(rest) = &self.rest {
            fields.insert("rest".to_owned(), Value::Unit(rest.clone()));
        }
        if !self.shares.is_empty() {
            let share = |share: &Share| format!("{}:{}={}", share.unit, share.field, share.value);
            fields.insert("shares".to_owned(), lines(self.shares.iter().map(share).collect()));
        }
        if let Some(plan) = &self.plan {
            fields.insert("plan".to_owned(), Value::Text(plan.clone()));
        }
        Event { kind: STEP.to_owned(), at: self.at, actor: self.actor.clone(), fields }
    }

    /// The step an event at `place` says, if it says one.
    #[must_use]
    pub fn of(event: &Event, place: Sequence) -> Option<Self> {
        if event.kind != STEP {
            return None;
        }
        let word = text(event, "step")?;
        let kind = StepKind::ALL.into_iter().find(|kind| kind.name() == word)?;
        let Some(Value::Date(on)) = event.fields.get("on") else { return None };
        let names = lines(event, "names").into_iter().filter_map(|line| {
            let (unit, name) = line.split_once('=')?;
            Some((unit.parse().ok()?, name.to_owned()))
        });
        let shares = lines(event, "shares").into_iter().filter_map(|line| {
            let (unit, rule) = line.split_once(':')?;
            let (field, value) = rule.split_once('=')?;
            Some(Share { field: field.to_owned(), value: value.to_owned(), unit: unit.parse().ok()? })
        });
        let rest = match event.fields.get("rest") {
            Some(Value::Unit(unit)) => Some(unit.clone()),
            _ => None,
        };
        Some(Self {
            number: place.0,
            kind,
            on: *on,
            from: units(event, "from"),
            to: units(event, "to"),
            begins: units(event, "begins"),
            names: names.collect(),
            unit_kind: text(event, "unit_kind").and_then(|word| kind_of(&word)),
            rest,
            shares: shares.collect(),
            plan: text(event, "plan"),
            reason: text(event, "reason").unwrap_or_default(),
            actor: event.actor.clone(),
            at: event.at,
        })
    }
}

/// The word of a unit's kind in events and on the command line.
#[must_use]
pub fn kind_word(kind: UnitKind) -> &'static str {
    match kind {
        UnitKind::Province => "province",
        UnitKind::Commune => "commune",
        UnitKind::Ward => "ward",
        UnitKind::Affiliated => "affiliated",
        UnitKind::Agency => "agency",
    }
}

fn kind_of(word: &str) -> Option<UnitKind> {
    [UnitKind::Commune, UnitKind::Ward, UnitKind::Affiliated]
        .into_iter()
        .find(|kind| kind_word(*kind) == word)
}

/// The event that assigns records of a split one by one; it comes before the step that names its plan.
#[must_use]
pub fn assigned_event(plan: &str, assigned: &[(Named, UnitCode)], actor: &str, at: UnixMillis) -> Event {
    let line = |((record_type, record), unit): &(Named, UnitCode)| {
        Value::Text(format!("{record_type}:{record}:{unit}"))
    };
    let fields = BTreeMap::from([
        ("plan".to_owned(), Value::Text(plan.to_owned())),
        ("assigned".to_owned(), Value::List(assigned.iter().map(line).collect())),
    ]);
    Event { kind: ASSIGNED.to_owned(), at, actor: actor.to_owned(), fields }
}

/// What an event of [`assigned_event`] says.
pub(super) fn assigned(event: &Event) -> Option<(String, Vec<(Named, UnitCode)>)> {
    if event.kind != ASSIGNED {
        return None;
    }
    let read = |line: &String| {
        let mut parts = line.split(':');
        let (record_type, record, unit) = (parts.next()?, parts.next()?, parts.next()?);
        Some(((record_type.to_owned(), record.parse().ok()?), unit.parse().ok()?))
    };
    Some((text(event, "plan")?, lines(event, "assigned").iter().filter_map(read).collect()))
}

/// The event that undoes a step.
#[must_use]
pub fn undo_event(step: u64, reason: &str, actor: &str, at: UnixMillis) -> Event {
    let fields = BTreeMap::from([
        ("number".to_owned(), number(step)),
        ("reason".to_owned(), Value::Text(reason.to_owned())),
    ]);
    Event { kind: UNDONE.to_owned(), at, actor: actor.to_owned(), fields }
}

/// The event that says that everything a step, or the undoing of one, had to move has moved.
#[must_use]
pub fn done_event(of: u64, records: u64, actor: &str, at: UnixMillis) -> Event {
    let fields = BTreeMap::from([("number".to_owned(), number(of)), ("records".to_owned(), number(records))]);
    Event { kind: DONE.to_owned(), at, actor: actor.to_owned(), fields }
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The number in a field of an event.
pub(super) fn numbered(event: &Event, name: &str) -> Option<u64> {
    match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

pub(super) fn text(event: &Event, name: &str) -> Option<String> {
    match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn lines(event: &Event, name: &str) -> Vec<String> {
    let Some(Value::List(values)) = event.fields.get(name) else { return Vec::new() };
    let read = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().filter_map(read).collect()
}

fn units(event: &Event, name: &str) -> Vec<UnitCode> {
    let Some(Value::List(values)) = event.fields.get(name) else { return Vec::new() };
    let read = |value: &Value| match value {
        Value::Unit(unit) => Some(unit.clone()),
        _ => None,
    };
    values.iter().filter_map(read).collect()
}
