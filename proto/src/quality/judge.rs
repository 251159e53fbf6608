//! Judging one record: a plan held against a subject.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::builtin::Builtin;
use super::course::{Fault, Faults, faults};
use super::expression::{Expression, Item, Items, Outcome, Scope, year_of};
use super::fields::fault_of;
use super::mark::{MarkIndex, Probe, Tuple};
use super::plan::*;
use super::{Deadline, Defect, Expect, Judgement, RuleBook, RuleIndex, Subject};
use crate::catalogue::check::{MetBy, met_by};
use crate::catalogue::{Class, Dimension, FieldKind};
use crate::rules::{CitizenFault, CitizenNumber, months_on};
use crate::text::{fold, fold_name};
use crate::value::{Value, civil, days_of};

/// One judgement in the making.
pub(super) struct Sheet<'a> {
    pub(super) book: &'a RuleBook,
    plan: &'a TypePlan,
    pub(super) subject: &'a Subject,
    today: i32,
    pub(super) this_year: i16,
    pub(super) items: BTreeMap<&'a str, Items<'a>>,
    /// Folded values, each made once.
    folded: BTreeMap<(&'a str, bool), Option<String>>,
    id: OnceCell<String>,
    pub(super) out: Judgement,
}

impl<'a> Sheet<'a> {
    pub(super) fn judge(
        book: &'a RuleBook,
        plan: &'a TypePlan,
        subject: &'a Subject,
        today: i32,
    ) -> Judgement {
        let mut sheet = Self::blank(book, plan, subject, today);
        sheet.sort_items();
        sheet.values();
        sheet.person();
        sheet.completeness();
        sheet.whole();
        sheet.rules();
        sheet.course();
        sheet.freshness();
        sheet.publish();
        sheet.probe();
        sheet.propose();
        let mut out = sheet.out;
        out.defects.sort_unstable();
        out.defects.dedup();
        out.deadlines.sort_unstable();
        out.marks.sort_unstable();
        out.marks.dedup();
        out.proposals.sort_unstable();
        out.proposals.dedup();
        out.proposals.retain(|mark| out.marks.binary_search(mark).is_err());
        out.probes.sort_unstable();
        out
    }

    pub(super) fn blank(book: &'a RuleBook, plan: &'a TypePlan, subject: &'a Subject, today: i32) -> Self {
        Self {
            book,
            plan,
            subject,
            today,
            this_year: civil(today).map_or(0, jiff::civil::Date::year),
            items: BTreeMap::new(),
            folded: BTreeMap::new(),
            id: OnceCell::new(),
            out: Judgement::default(),
        }
    }

    pub(super) fn sort_items(&mut self) {
        for (name, field) in &self.plan.fields {
            if field.field.kind == FieldKind::Items {
                self.items.insert(name, Items::new());
            }
        }
        if self.items.is_empty() {
            return;
        }
        let mut gone = Vec::new();
        for (path, value) in &self.subject.values {
            let mut parts = path.splitn(3, '/');
            let (Some(field), Some(key), Some(subfield)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if subfield == "_gone" {
                if *value == Value::Boolean(true) {
                    gone.push((field, key));
                }
            } else if *value != Value::Null
                && let Some(items) = self.items.get_mut(field)
            {
                items.entry(key).or_default().insert(subfield, value);
            }
        }
        for (field, key) in gone {
            if let Some(items) = self.items.get_mut(field) {
                items.remove(key);
            }
        }
    }

    fn count(&mut self, dimension: Dimension) {
        let [dung, du, sach, song, thong_nhat, dung_chung] = &mut self.out.checks;
        let count = match dimension {
            Dimension::Dung => dung,
            Dimension::Du => du,
            Dimension::Sach => sach,
            Dimension::Song => song,
            Dimension::ThongNhat => thong_nhat,
            Dimension::DungChung => dung_chung,
        };
        *count = count.saturating_add(1);
    }

    fn found(&mut self, rule: Builtin, field: Option<&str>) {
        self.out.defects.push(Defect {
            rule: rule.index(),
            field: field.map(str::to_owned),
            severity: rule.severity(),
            dimension: rule.dimension(),
        });
    }

    fn again_on(&mut self, day: i32) {
        self.out.judge_again = Some(self.out.judge_again.map_or(day, |known| known.min(day)));
    }

    pub(super) fn again_next_year(&mut self) {
        if let Ok(date) = jiff::civil::Date::new(self.this_year.saturating_add(1), 1, 1) {
            self.again_on(days_of(date));
        }
    }

    /// Single values, of fields and of items.
    fn values(&mut self) {
        let (plan, subject) = (self.plan, self.subject);
        for (path, value) in &subject.values {
            if *value == Value::Null {
                continue;
            }
            // Paths of items are no fields.
            if let Some(field) = plan.fields.get(path.as_str()) {
                self.value(field, path, value);
            }
        }
        let items: Vec<(String, &FieldPlan, &Value)> = self
            .items
            .iter()
            .filter_map(|(name, items)| plan.fields.get(*name).map(|field| (name, field, items)))
            .flat_map(|(name, field, items)| {
                items.iter().flat_map(move |(key, values)| {
                    values.iter().filter_map(move |(subfield, value)| {
                        let plan = field.fields.get(*subfield)?;
                        Some((format!("{name}/{key}/{subfield}"), plan, *value))
                    })
                })
            })
            .collect();
        for (path, field, value) in items {
            self.value(field, &path, value);
        }
    }

    fn value(&mut self, field: &FieldPlan, path: &str, value: &Value) {
        if field.field.class == Class::C4 {
            return;
        }
        self.count(Dimension::Dung);
        if let Some(fault) = fault_of(field, value, &self.book.units, self.today) {
            if let (Builtin::DateFuture, Value::Date(day)) = (fault, value) {
                self.again_on(*day);
            }
            self.found(fault, Some(path));
        }
    }

    /// The citizen number against birth date and sex, and every date against the birth date.
    fn person(&mut self) {
        let (plan, subject) = (self.plan, self.subject);
        let born = plan.birth.as_deref().and_then(|name| match subject.value(name) {
            Some(Value::Date(day)) => Some(*day),
            _ => None,
        });
        if let Some(born) = born {
            for (path, value) in &subject.values {
                if matches!(value, Value::Date(day) if *day < born) && plan.fields.contains_key(path.as_str())
                {
                    self.found(Builtin::DateOrder, Some(path));
                }
            }
        }
        let Some(name) = plan.citizen.as_deref() else { return };
        let Some(Value::Text(digits)) = subject.value(name) else { return };
        let Ok(number) = CitizenNumber::parse(digits) else { return };
        let female = match subject.value("gioi_tinh") {
            Some(Value::Code(code)) => Some(code == "NU"),
            _ => None,
        };
        match number.fits(born.and_then(civil).map(jiff::civil::Date::year), female) {
            Ok(()) => {}
            Err(CitizenFault::BirthYear) => self.found(Builtin::CccdBirthyear, Some(name)),
            Err(_) => self.found(Builtin::CccdCenturySex, Some(name)),
        }
    }

    fn completeness(&mut self) {
        let plan = self.plan;
        let mut missing: Vec<String> = Vec::new();
        for (name, field) in &plan.fields {
            if field.required {
                self.count(Dimension::Du);
                let there = match field.field.kind {
                    FieldKind::Items => self.items.get(name.as_str()).is_some_and(|items| !items.is_empty()),
                    _ => self.subject.value(name).is_some(),
                };
                if !there {
                    missing.push(name.clone());
                }
            }
            let required: Vec<&String> =
                field.fields.iter().filter(|(_, field)| field.required).map(|(name, _)| name).collect();
            let mut count = 0;
            for (key, item) in self.items.get(name.as_str()).into_iter().flatten() {
                for subfield in &required {
                    count += 1;
                    if !item.contains_key(subfield.as_str()) {
                        missing.push(format!("{name}/{key}/{subfield}"));
                    }
                }
            }
            for _ in 0..count {
                self.count(Dimension::Du);
            }
        }
        for path in missing {
            self.found(Builtin::ReqMissing, Some(&path));
        }
    }

    /// What counts once per record.
    fn whole(&mut self) {
        self.count(Dimension::Sach);
        self.count(Dimension::ThongNhat);
        if self.plan.shared {
            self.count(Dimension::DungChung);
        }
        if self.subject.conflicted {
            self.found(Builtin::ConflictOpen, None);
        }
    }

    fn rules(&mut self) {
        let plan = self.plan;
        for rule in &plan.rules {
            self.rule_on_all(rule);
        }
    }

    pub(super) fn rule_on_all(&mut self, rule: &RulePlan) {
        let Some(each) = &rule.each else {
            self.rule(rule, None);
            return;
        };
        let items = self.items.get(each.as_str()).cloned().unwrap_or_default();
        for (key, item) in &items {
            self.rule(rule, Some((each, key, item)));
        }
    }

    fn rule(&mut self, rule: &RulePlan, item: Option<(&str, &str, &Item<'_>)>) {
        let plan = self.plan;
        let of_item = item.and_then(|(each, _, values)| Some((values, &plan.fields.get(each)?.names)));
        if let Some(when) = &rule.when
            && self.outcome(when, of_item) != Outcome::Holds
        {
            return;
        }
        let subject = self.subject;
        let blamed = || {
            let there = |name: &&String| match item {
                Some((_, _, values)) => values.contains_key(name.as_str()),
                None => subject.value(name).is_some(),
            };
            let name = rule.blame.iter().find(there).or(rule.blame.first())?;
            let of_item = |name: &String| of_item.is_some_and(|(_, names)| names.contains(name));
            match item {
                Some((each, key, _)) if of_item(name) => Some(format!("{each}/{key}/{name}")),
                _ => Some(name.clone()),
            }
        };
        let holds = match &rule.judge {
            Judge::OneUnit => !subject.is_claimed_twice(),
            Judge::Holds(condition) => match self.outcome(condition, of_item) {
                Outcome::Holds => true,
                Outcome::Fails => false,
                Outcome::Undefined => return,
            },
            Judge::Late { after, months, days, working_days } => {
                let value = match item {
                    Some((_, _, values)) => values.get(after.as_str()).copied(),
                    None => subject.value(after),
                };
                if let Some(Value::Date(day)) = value {
                    let month = months_on(*day, *months).unwrap_or(*day);
                    let last = self.book.calendar.after(month.saturating_add(*days), *working_days);
                    self.out.deadlines.push(Deadline { last, rule: rule.rule, field: blamed() });
                }
                return;
            }
        };
        let field = if holds { None } else { blamed() };
        if matches!(rule.dimension, Dimension::Du | Dimension::ThongNhat) {
            self.count(rule.dimension);
        }
        if !holds {
            let (severity, dimension) = (rule.severity, rule.dimension);
            self.out.defects.push(Defect { rule: rule.rule, field, severity, dimension });
        }
    }

    /// The steps of its course, and what changed while it was locked.
    fn course(&mut self) {
        let (plan, subject) = (self.plan, self.subject);
        let Some(plan) = &plan.course else { return };
        let course = &plan.course;
        let shown = subject.value(&course.state);
        let found = if subject.history.is_empty() {
            // Written once: its state is its first.
            let first = match shown {
                Some(Value::Code(code)) if plan.codes.contains(code) && !course.may_begin(code) => Some(code),
                _ => None,
            };
            let steps = first.map(|to| Fault { from: None, to: Some(to.clone()) });
            Faults { steps: steps.into_iter().collect(), ..Faults::default() }
        } else {
            faults(course, &plan.codes, &subject.history, shown)
        };
        let broken = |rule: RuleIndex, field: &str| Defect {
            rule,
            field: Some(field.to_owned()),
            severity: self.book.rule(rule).severity,
            dimension: Dimension::Dung,
        };
        let steps = found.steps.iter().map(|fault| broken(plan.rule_of(fault), &course.state));
        let locked = found.locked.iter().map(|path| broken(plan.lock, path));
        let defects: Vec<Defect> = steps.chain(locked).collect();
        for field in defects.iter().filter_map(|defect| defect.field.as_deref()) {
            // What is blamed counts, and what was cleared was not counted yet.
            if subject.value(field).is_none() {
                self.count(Dimension::Dung);
            }
        }
        self.out.defects.extend(defects);
    }

    fn outcome(
        &mut self,
        condition: &Expression,
        item: Option<(&Item<'_>, &std::collections::BTreeSet<String>)>,
    ) -> Outcome {
        if condition.daily {
            self.again_on(self.today.saturating_add(1));
        }
        if condition.yearly {
            self.again_next_year();
        }
        let (known, values, items) = (&self.plan.names, &self.subject.values, &self.items);
        let (today, this_year, calendar) = (self.today, self.this_year, &self.book.calendar);
        let scope = Scope { known, values, items, item, today, this_year, calendar };
        let outcome = condition.evaluate(&self.book.env, &scope);
        if outcome == Outcome::Undefined {
            self.out.not_evaluated = self.out.not_evaluated.saturating_add(1);
        }
        outcome
    }

    pub(super) fn holds(&mut self, condition: Option<&Expression>) -> bool {
        condition.is_none_or(|condition| self.outcome(condition, None) == Outcome::Holds)
    }

    fn freshness(&mut self) {
        let plan = self.plan;
        if let Some((days, limited)) = &plan.freshness
            && self.holds(limited.as_ref())
        {
            let last = self.subject.confirmed.saturating_add(*days);
            self.out.deadlines.push(Deadline { last, rule: Builtin::Stale.index(), field: None });
        }
        if !self.out.deadlines.is_empty() {
            self.count(Dimension::Song);
        }
    }

    /// What a value meets others by; `None` for what is absent. `bare` leaves all marks out.
    pub(super) fn key(&mut self, name: &'a str, bare: bool) -> Option<&str> {
        match name {
            "_id" => return Some(self.id.get_or_init(|| self.subject.id.to_string())),
            "_unit" => return Some(self.subject.unit.as_str()),
            _ => {}
        }
        let subject = self.subject;
        let folded = self.folded.entry((name, bare));
        let places = &self.book.places;
        let (field, by) = met_by(name);
        let text = || {
            let value = subject.value(field)?;
            match by {
                MetBy::Value => key_text(value, bare),
                MetBy::Year => year_of(value).map(|year| year.to_string()),
                MetBy::Commune => match value {
                    Value::Text(place) => places.unit(place).map(|unit| fold_name(unit.as_str())),
                    _ => None,
                },
            }
        };
        folded.or_insert_with(text).as_deref()
    }

    /// The tuple of some values; `None` if one is absent.
    pub(super) fn tuple(&mut self, index: MarkIndex, names: &'a [String], bare: bool) -> Option<Tuple> {
        let mut tuple = index.tuple();
        for name in names {
            tuple.add(self.key(name, bare)?);
        }
        Some(tuple)
    }

    fn publish(&mut self) {
        let plan = self.plan;
        for publish in &plan.publishes {
            if !self.holds(publish.having.as_ref()) {
                continue;
            }
            let Some(mut tuple) = self.tuple(publish.index, &publish.fields, false) else { continue };
            if let Some(field) = &publish.year {
                let Some(year) = self.subject.value(field).and_then(year_of) else { continue };
                tuple.add(&year.to_string());
            }
            self.out.marks.push(tuple.mark());
        }
    }

    fn probe(&mut self) {
        let plan = self.plan;
        for probe in &plan.probes {
            if !self.holds(probe.when.as_ref()) {
                continue;
            }
            let Some((mut marks, expect)) = self.look(&probe.look) else { continue };
            // Of a chain the first is where it stands, the second where it leads.
            if expect != Expect::Acyclic {
                marks.sort_unstable();
                marks.dedup();
            }
            if matches!(probe.dimension, Dimension::Du | Dimension::ThongNhat) {
                self.count(probe.dimension);
            }
            self.out.probes.push(Probe { rule: probe.rule, marks, expect });
        }
    }

    fn propose(&mut self) {
        let plan = self.plan;
        for (index, fields) in &plan.proposals {
            if let Some(tuple) = self.tuple(*index, fields, true) {
                self.out.proposals.push(tuple.mark());
            }
        }
        if let Some((index, fields)) = &plan.similar {
            let marks = self.band_marks(*index, fields);
            self.out.proposals.extend(marks);
        }
    }
}

/// A value as records meet by it.
pub(super) fn key_text(value: &Value, bare: bool) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        // Numbers fold to themselves.
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.clone(),
        Value::Text(text) if bare => fold(text),
        Value::Text(text) => fold_name(text),
        Value::Date(day) => day.to_string(),
        Value::Code(text) | Value::Decimal(text) => text.clone(),
        Value::List(values) => {
            let mut parts: Vec<String> = values.iter().filter_map(|value| key_text(value, bare)).collect();
            parts.sort_unstable();
            parts.join("\u{1f}")
        }
        other => other.to_text(),
    };
    (!text.is_empty()).then_some(text)
}
