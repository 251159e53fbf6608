//! Where a rule across records looks, for one record: at which marks, and what must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expression::year_of;
use super::judge::{Sheet, key_text};
use super::mark::{Mark, MarkIndex};
use super::periods::{Block, Period};
use super::plan::*;
use super::shingles::{bands, shingles};
use super::{Contradiction, Expect, Meeting, RuleBook, Subject};
use crate::value::Value;

impl<'a> Sheet<'a> {
    /// The marks that records alike share, by the rules that are said of rows as they come in.
    pub(super) fn meetings(
        book: &'a RuleBook,
        plan: &'a TypePlan,
        subject: &'a Subject,
        today: i32,
    ) -> Vec<Meeting> {
        let mut sheet = Self::blank(book, plan, subject, today);
        sheet.sort_items();
        let mut meetings = Vec::new();
        for probe in &plan.probes {
            let Some(class) = &probe.at_import else { continue };
            if sheet.holds(probe.when.as_ref())
                && let Some((marks, _)) = sheet.look(&probe.look)
            {
                meetings.push(Meeting { class: Arc::clone(class), rule: probe.rule, marks });
            }
        }
        meetings
    }

    /// What a row says against itself, by the rules that are said of rows as they come in.
    pub(super) fn contradictions(
        book: &'a RuleBook,
        plan: &'a TypePlan,
        subject: &'a Subject,
        today: i32,
    ) -> Vec<Contradiction> {
        let mut said = plan.rules.iter().filter_map(|rule| Some((rule, rule.at_import.as_ref()?))).peekable();
        if said.peek().is_none() {
            return Vec::new();
        }
        let mut sheet = Self::blank(book, plan, subject, today);
        sheet.sort_items();
        let mut found = Vec::new();
        for (rule, class) in said {
            sheet.rule_on_all(rule);
            for broken in sheet.out.defects.drain(..) {
                let item = rule.each.is_some().then(|| broken.field.as_deref()?.rsplit_once('/')).flatten();
                let of_item = |name: &String| item.map(|(item, _)| format!("{item}/{name}"));
                let is_there = |name: &String| {
                    subject.value(name).is_some()
                        || of_item(name).is_some_and(|path| subject.value(&path).is_some())
                };
                let absent = rule.blame.iter().filter(|name| !is_there(name));
                let absent = absent.map(|name| of_item(name).unwrap_or_else(|| name.clone())).collect();
                found.push(Contradiction {
                    class: Arc::clone(class),
                    rule: rule.rule,
                    field: broken.field,
                    absent,
                });
            }
        }
        found
    }

    /// Where a rule looks and what must be there; nothing if it does not apply. Publishes what others find there.
    pub(super) fn look(&mut self, look: &'a Look) -> Option<(Vec<Mark>, Expect)> {
        match look {
            Look::Unique { index, by, in_unit } => {
                let mut tuple = self.tuple(*index, by, false)?;
                if *in_unit {
                    tuple.add(self.subject.unit.as_str());
                }
                let mark = tuple.mark();
                self.out.marks.push(mark);
                Some((vec![mark], Expect::Unique))
            }
            Look::Agrees { shared, index, by, field } => {
                let with = self.tuple(*shared, by, false)?;
                let mut agreed = self.tuple(*index, by, false)?;
                let value = self.key(field, false).map(str::to_owned)?;
                agreed.add(&value);
                let marks = vec![with.mark(), agreed.mark()];
                self.out.marks.extend(&marks);
                Some((marks, Expect::Alike))
            }
            Look::Ranks { index, by, order } => {
                let ranks = self.ranks(order);
                let mut marks = Vec::with_capacity(ranks.len());
                for rank in ranks {
                    let Some(mut tuple) = self.tuple(*index, by, false) else { break };
                    tuple.add(&rank);
                    marks.push(tuple.mark());
                }
                // The last is its own; to those below it says that it is there.
                let own = marks.pop()?;
                self.out.marks.extend(&marks);
                Some((vec![own], Expect::AtMost(0)))
            }
            Look::Apart(plan) => self.apart(plan),
            Look::Acyclic { index, by, to } => {
                let own = self.tuple(*index, by, false)?.mark();
                let next = self.tuple(*index, to, false)?.mark();
                self.out.marks.push(own);
                Some((vec![own, next], Expect::Acyclic))
            }
            Look::Similar { index, by } => {
                let marks = self.band_marks(*index, by);
                self.out.marks.extend(&marks);
                (!marks.is_empty()).then_some((marks, Expect::Unique))
            }
            Look::Referred { index, field } => {
                let ids = match self.subject.value(field) {
                    Some(Value::Reference(id)) => vec![id.to_string()],
                    Some(Value::List(values)) => values.iter().map(Value::to_text).collect(),
                    _ => return None,
                };
                let marks: Vec<Mark> = ids.iter().map(|id| index.mark([id.as_str()])).collect();
                (!marks.is_empty()).then_some((marks, Expect::Present))
            }
            Look::Matching(matching) => self.matching(matching),
        }
    }

    /// A period meets another where a block of one lies in a block of the other: at every block its own lie in nobody has
    /// a block, and in its own blocks lies nobody else.
    fn apart(&mut self, plan: &'a ApartPlan) -> Option<(Vec<Mark>, Expect)> {
        let day = |name: &str| match self.subject.value(name) {
            Some(Value::Date(day)) => Some(*day),
            _ => None,
        };
        let period = Period::of(day(&plan.from)?, day(&plan.to))?;
        let mut marks = |index: MarkIndex, blocks: &BTreeSet<Block>| -> Option<Vec<Mark>> {
            let mark = |block: &Block| {
                let mut tuple = self.tuple(index, &plan.by, false)?;
                tuple.add(&block.name());
                Some(tuple.mark())
            };
            blocks.iter().map(mark).collect()
        };
        let (blocks, around) = (period.blocks(), period.around());
        let (own, own_under) = (marks(plan.blocks, &blocks)?, marks(plan.under, &blocks)?);
        let (others, around_under) = (marks(plan.blocks, &around)?, marks(plan.under, &around)?);
        self.out.marks.extend(own.iter().chain(&own_under).chain(&around_under));
        let most = u32::try_from(own_under.len()).unwrap_or(u32::MAX);
        Some(([own_under, others].concat(), Expect::AtMost(most)))
    }

    /// Every rank up to its own, from the lowest on.
    fn ranks(&self, order: &[OrderPlan]) -> Vec<String> {
        let place = |plan: &OrderPlan| match self.subject.value(&plan.field) {
            Some(Value::Code(code)) => {
                plan.codes.iter().position(|known| known == code).map_or(0, |at| at + 1)
            }
            _ => 0,
        };
        // As digits of one number, the weightiest first.
        let own = order.iter().fold(0, |number, plan| number * (plan.codes.len() + 1) + place(plan));
        (0..=own).map(|rank| rank.to_string()).collect()
    }

    fn matching(&mut self, matching: &'a MatchPlan) -> Option<(Vec<Mark>, Expect)> {
        let expect = match &matching.expect {
            MatchExpect::Fixed(expect) => *expect,
            MatchExpect::Field(field) => match self.subject.value(field) {
                Some(Value::Integer(number)) => Expect::Exactly(u32::try_from(*number).unwrap_or(u32::MAX)),
                _ => return None,
            },
        };
        let mut tuples: Vec<Vec<String>> = vec![Vec::new()];
        for choice in &matching.choices {
            let mut longer = Vec::new();
            let keys: Vec<String> = choice.iter().flat_map(|name| self.keys(name)).collect();
            for key in keys {
                if matching.or_unit && self.book.is_unit(&key) {
                    return None;
                }
                longer.extend(
                    tuples.iter().map(|tuple| [tuple.as_slice(), std::slice::from_ref(&key)].concat()),
                );
            }
            tuples = longer;
        }
        if tuples.is_empty() {
            return None;
        }
        if matching.in_unit {
            let unit = self.subject.unit.to_string();
            tuples.iter_mut().for_each(|tuple| tuple.push(unit.clone()));
        }
        let years = match &matching.preceding {
            Some((field, years)) => {
                let year = self.subject.value(field).and_then(year_of)?;
                Some(year.saturating_sub(i16::from(*years))..=year.saturating_sub(1))
            }
            None if matching.recent => {
                self.again_next_year();
                Some(self.this_year.saturating_sub(1)..=self.this_year)
            }
            None => None,
        };
        if let Some(years) = years {
            let with = |tuple: &Vec<String>, year: i16| [tuple.as_slice(), &[year.to_string()]].concat();
            tuples = years.flat_map(|year| tuples.iter().map(move |tuple| with(tuple, year))).collect();
        }
        let mark = |tuple: &Vec<String>| matching.index.mark(tuple.iter().map(String::as_str));
        Some((tuples.iter().map(mark).collect(), expect))
    }

    /// What a name of a choice stands for: a value, or those of all items.
    fn keys(&mut self, name: &'a str) -> Vec<String> {
        let Some((items, subfield)) = name.split_once('/') else {
            return self.key(name, false).map(str::to_owned).into_iter().collect();
        };
        let items = self.items.get(items).into_iter().flat_map(BTreeMap::values);
        items.filter_map(|item| key_text(item.get(subfield)?, false)).collect()
    }

    pub(super) fn band_marks(&self, index: MarkIndex, by: &[String]) -> Vec<Mark> {
        let texts = by.iter().filter_map(|name| self.subject.value(name)).map(Value::to_text);
        let text = texts.collect::<Vec<_>>().join(" ");
        bands(&shingles(&text)).iter().map(|band| index.mark([band.as_str()])).collect()
    }
}
