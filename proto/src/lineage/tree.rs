//! The units of a day.

use std::collections::BTreeMap;

use super::{LineageFault, Step, StepKind};
use crate::catalogue::{Unit, UnitKind, Units};
use crate::ids::UnitCode;
use crate::text::fold_name;

/// A unit, as it is on the tree's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeUnit {
    /// Its code.
    pub code: UnitCode,
    /// Its name without the kind.
    pub name: String,
    /// What it is.
    pub kind: UnitKind,
}

impl TreeUnit {
    /// What people call it: "Phường Phố Hiến", "Xã Tân Hưng".
    #[must_use]
    pub fn title(&self) -> String {
        match self.kind {
            UnitKind::Commune => format!("Xã {}", self.name),
            UnitKind::Ward => format!("Phường {}", self.name),
            UnitKind::Province | UnitKind::Affiliated | UnitKind::Agency => self.name.clone(),
        }
    }
}

/// How a unit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// As it was last.
    pub unit: TreeUnit,
    /// From which day on it is no more.
    pub on: i32,
    /// By which step.
    pub step: u64,
    /// What came of it.
    pub successors: Vec<UnitCode>,
}

/// The units of a day, and those that ended before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    units: BTreeMap<UnitCode, TreeUnit>,
    ended: BTreeMap<UnitCode, Ending>,
}

impl Tree {
    /// The catalogue's list, before any step.
    #[must_use]
    pub fn of(units: &Units) -> Self {
        let unit = |unit: &Unit| {
            (
                unit.code.clone(),
                TreeUnit { code: unit.code.clone(), name: unit.name.clone(), kind: unit.kind },
            )
        };
        Self { units: units.iter().map(unit).collect(), ended: BTreeMap::new() }
    }

    /// The same without some units.
    pub(super) fn without<'a>(mut self, codes: impl Iterator<Item = &'a UnitCode>) -> Self {
        for code in codes {
            self.units.remove(code);
        }
        self
    }

    /// A unit of the day.
    #[must_use]
    pub fn get(&self, code: &UnitCode) -> Option<&TreeUnit> {
        self.units.get(code)
    }

    /// All units of the day, by code.
    pub fn iter(&self) -> impl Iterator<Item = &TreeUnit> {
        self.units.values()
    }

    /// The units of the day as a catalogue has them.
    pub fn listed(&self) -> impl Iterator<Item = Unit> {
        self.units.values().map(|unit| Unit {
            code: unit.code.clone(),
            name: unit.name.clone(),
            kind: unit.kind,
            old_codes: Vec::new(),
            partial_old_codes: Vec::new(),
        })
    }

    /// How a unit ended, if it did.
    #[must_use]
    pub fn ending(&self, code: &UnitCode) -> Option<&Ending> {
        self.ended.get(code)
    }

    /// All that ended, by code.
    pub fn endings(&self) -> impl Iterator<Item = &Ending> {
        self.ended.values()
    }

    /// What people call a unit, also one that ended.
    #[must_use]
    pub fn title(&self, code: &UnitCode) -> String {
        let unit = self.units.get(code).or_else(|| self.ended.get(code).map(|ending| &ending.unit));
        unit.map_or_else(|| code.to_string(), TreeUnit::title)
    }

    /// The units of the day that a unit went into, itself if it still is, however many steps away.
    #[must_use]
    pub fn successors(&self, code: &UnitCode) -> Vec<UnitCode> {
        let (mut found, mut open) = (Vec::new(), vec![code.clone()]);
        while let Some(code) = open.pop() {
            match self.ended.get(&code) {
                Some(ending) => open.extend(ending.successors.iter().cloned()),
                None if !found.contains(&code) => found.push(code),
                None => {}
            }
        }
        found.sort_unstable();
        found
    }

    /// The units that ended and went, at least in part, into a unit of the day.
    #[must_use]
    pub fn predecessors(&self, code: &UnitCode) -> Vec<UnitCode> {
        self.ended.keys().filter(|ended| self.successors(ended).contains(code)).cloned().collect()
    }

    /// Takes a step; nothing has changed if it is refused.
    ///
    /// # Errors
    /// [`LineageFault`] saying why it cannot be.
    pub fn take(&mut self, units: &Units, step: &Step) -> Result<(), LineageFault> {
        twice(&step.from)?;
        twice(&step.to)?;
        for unit in &step.from {
            self.standing(unit)?;
        }
        match step.kind {
            StepKind::Add => {
                lacks(step, !step.from.is_empty() || step.to.is_empty(), "một đơn vị mới · one new unit")?;
                for unit in &step.to {
                    if self.units.contains_key(unit) {
                        return Err(LineageFault::CodeTaken(unit.clone()));
                    }
                }
                lacks(step, step.unit_kind.is_none(), "loại đơn vị · the unit’s kind")?;
            }
            StepKind::Merge | StepKind::Dissolve => {
                lacks(step, step.from.is_empty(), "đơn vị kết thúc · the units that end")?;
                lacks(step, step.to.len() != 1, "một đơn vị kế thừa · one successor")?;
            }
            StepKind::Split => {
                lacks(step, step.from.len() != 1, "một đơn vị bị chia · the one unit that is split")?;
                lacks(step, step.to.is_empty(), "đơn vị nhận · the units it goes into")?;
                let Some(rest) = &step.rest else {
                    return lacks(
                        step,
                        true,
                        "đơn vị giữ phần còn lại (--default) · who keeps the rest (--default)",
                    );
                };
                let takes = |unit: &UnitCode| step.to.contains(unit) || step.from.contains(unit);
                if let Some(other) = std::iter::once(rest)
                    .chain(step.shares.iter().map(|share| &share.unit))
                    .find(|u| !takes(u))
                {
                    return Err(LineageFault::NotSuccessor(other.clone()));
                }
            }
            StepKind::Rename => {
                lacks(step, step.from.len() != 1 || step.to != step.from, "một đơn vị · one unit")?;
                lacks(step, step.names.is_empty(), "tên mới · the new name")?;
            }
        }
        if step.kind != StepKind::Rename
            && let Some(itself) = step.to.iter().find(|unit| step.from.contains(unit))
        {
            return Err(LineageFault::Itself(itself.clone()));
        }
        let begun = self.begun(units, step)?;
        self.named(step)?;
        let successors = |rest: &Option<UnitCode>| {
            let mut all = step.to.clone();
            all.extend(rest.iter().filter(|rest| !step.to.contains(rest)).cloned());
            all
        };
        for code in step.ends() {
            if let Some(unit) = self.units.remove(code) {
                let successors = successors(&step.rest);
                let ending = Ending { unit, on: step.on, step: step.number, successors };
                self.ended.insert(code.clone(), ending);
            }
        }
        self.units.extend(begun);
        for (code, name) in &step.names {
            if let Some(unit) = self.units.get_mut(code) {
                unit.name.clone_from(name);
            }
        }
        Ok(())
    }

    /// A unit that something can happen to.
    fn standing(&self, code: &UnitCode) -> Result<&TreeUnit, LineageFault> {
        if let Some(ending) = self.ended.get(code) {
            return Err(LineageFault::Ended { unit: code.clone(), step: ending.step });
        }
        let unit = self.units.get(code).ok_or_else(|| LineageFault::Unknown(code.clone()))?;
        if matches!(unit.kind, UnitKind::Province | UnitKind::Agency) {
            return Err(LineageFault::Fixed(code.clone()));
        }
        Ok(unit)
    }

    /// The units that begin by a step.
    fn begun(&self, units: &Units, step: &Step) -> Result<Vec<(UnitCode, TreeUnit)>, LineageFault> {
        let like = step.from.first().and_then(|unit| self.units.get(unit)).map(|unit| unit.kind);
        let mut begun = Vec::new();
        for code in &step.to {
            if let Some(known) = self.units.get(code) {
                let takes = known.kind != UnitKind::Agency
                    && (known.kind != UnitKind::Province || step.kind == StepKind::Dissolve);
                if !takes {
                    return Err(LineageFault::Fixed(code.clone()));
                }
                continue;
            }
            if self.ended.contains_key(code) {
                return Err(LineageFault::CodeTaken(code.clone()));
            }
            let Some(name) = step.names.get(code) else {
                return Err(LineageFault::SuccessorUnknown(code.clone()));
            };
            let text = code.as_str();
            let digits = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            let affiliated = text.split_once('-').is_some_and(|(province, rest)| {
                province.len() == 2 && province.bytes().all(|byte| byte.is_ascii_digit()) && !rest.is_empty()
            });
            if !digits && !affiliated {
                return Err(LineageFault::CodeForm(code.clone()));
            }
            if units.elsewhere(text).is_some() {
                return Err(LineageFault::CodeOutside(code.clone()));
            }
            if !units.by_old_code(text).is_empty() {
                return Err(LineageFault::CodeOld(code.clone()));
            }
            let kind = step.unit_kind.or(like).unwrap_or(UnitKind::Commune);
            begun.push((code.clone(), TreeUnit { code: code.clone(), name: name.clone(), kind }));
        }
        Ok(begun)
    }

    /// Whether the names a step gives are new ones.
    fn named(&self, step: &Step) -> Result<(), LineageFault> {
        for (code, name) in &step.names {
            if !step.to.contains(code) {
                return Err(LineageFault::NotSuccessor(code.clone()));
            }
            if name.trim().is_empty() {
                return lacks(step, true, "tên · the name");
            }
            let same = |unit: &&TreeUnit| fold_name(&unit.name) == fold_name(name);
            let ends = |unit: &&TreeUnit| step.ends().any(|ended| *ended == unit.code);
            match self.units.values().filter(same).find(|unit| !ends(unit)) {
                Some(unit) if unit.code != *code => return Err(LineageFault::NameTaken(unit.code.clone())),
                Some(unit) if step.kind == StepKind::Rename && unit.name == *name => {
                    return Err(LineageFault::SameName(code.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn twice(units: &[UnitCode]) -> Result<(), LineageFault> {
    let again =
        units.iter().enumerate().find(|(at, unit)| units.iter().take(*at).any(|known| known == *unit));
    again.map_or(Ok(()), |(_, unit)| Err(LineageFault::Twice(unit.clone())))
}

fn lacks(step: &Step, lacks: bool, what: &'static str) -> Result<(), LineageFault> {
    if lacks { Err(LineageFault::Lacks { kind: step.kind, what }) } else { Ok(()) }
}
