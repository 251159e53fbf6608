//! What the rules make of one record.

use std::collections::BTreeSet;

use super::mark::{decode_marks, encode_marks};
use super::{Count, Expect, Index, Mark, Probe, RuleIndex, Tally};
use crate::bytes::{Malformed, Reader, Writer};
use crate::catalogue::{CHAIN_MAX, Dimension, Severity};
use crate::ids::RecordId;

/// A rule that a record breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defect {
    /// The rule; [`super::RuleBook::rule`] has its id and what to say.
    pub rule: RuleIndex,
    /// The path of the value to blame.
    pub field: Option<String>,
    /// How much it weighs.
    pub severity: Severity,
    /// Which of the six words it lowers.
    pub dimension: Dimension,
}

/// A day that must not pass without something happening to the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The last good day, since 1970.
    pub last: i32,
    /// The rule that is broken from the next day on.
    pub rule: RuleIndex,
    /// The path of the value to blame.
    pub field: Option<String>,
}

/// What can be said of one record by itself, and what must be looked up among the others. Its bytes are
/// canonical; they mean something only beside the [`super::RuleBook::fingerprint`] they were made with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// The rules it breaks by itself, in order.
    pub defects: Vec<Defect>,
    /// When it turns stale, or something is late.
    pub deadlines: Vec<Deadline>,
    /// What it publishes, in order, without repetition.
    pub marks: Vec<Mark>,
    /// What it publishes to be compared with records that publish the same: probable duplicates.
    pub proposals: Vec<Mark>,
    /// What it looks for among the others.
    pub probes: Vec<Probe>,
    /// How many checks count in each dimension, in the order of [`Dimension`]; of `song`, see `deadlines`.
    pub checks: [u32; 6],
    /// Rules that could not be evaluated: not applicable, and no defect.
    pub not_evaluated: u32,
    /// The first day on which it must be made anew even if nothing changes.
    pub judge_again: Option<i32>,
}

/// What one record adds to its unit's totals: all but `song`, which depends on the day asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Checks and passes.
    pub tally: Tally,
    /// The last day on which it is live; `None` if it has no limit and does not count for `song`.
    pub alive_until: Option<i32>,
    /// The rules it breaks whatever the day.
    pub defects: u64,
    /// The last good day of each rule that it breaks from the next day on.
    pub late_after: Vec<i32>,
}

impl Defect {
    /// Appends the canonical bytes, as a keeper stores the defects among the others.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(u64::from(self.rule.0));
        let dimension = DIMENSIONS.iter().position(|known| *known == self.dimension).unwrap_or_default();
        out.u8((dimension as u8) << 1 | u8::from(self.severity == Severity::Warning));
        encode_field(self.field.as_deref(), out);
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they are cut or of no dimension.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let rule = RuleIndex::decode(input)?;
        let bits = input.u8()?;
        let severity = if bits & 1 == 1 { Severity::Warning } else { Severity::Error };
        let dimension = DIMENSIONS.get(usize::from(bits >> 1)).copied().ok_or(Malformed("dimension"))?;
        Ok(Self { rule, field: decode_field(input)?, severity, dimension })
    }
}

const VERSION: u8 = 1;
/// Bytes of a defect, deadline, mark or probe, amply: a path is two names and an item's key.
const PART_BYTES: usize = 256;
const DIMENSIONS: [Dimension; 6] = Dimension::ALL;

impl Judgement {
    /// The rules it breaks among the others, in order.
    ///
    /// # Errors
    /// What the index answers with.
    pub fn assess<I: Index>(&self, book: &super::RuleBook, index: &I) -> Result<Vec<Defect>, I::Error> {
        let mut defects = Vec::new();
        let mut counts = Vec::new();
        for probe in &self.probes {
            counts.clear();
            let is_met = if let (Expect::Acyclic, [own, next]) = (probe.expect, probe.marks.as_slice()) {
                !chain(index, probe.rule, *next, *own)?.1
            } else {
                for mark in &probe.marks {
                    counts.push(index.count(mark, probe.expect.count_max())?);
                }
                probe.expect.is_met(&counts)
            };
            if !is_met {
                let rule = book.rule(probe.rule);
                defects.push(Defect {
                    rule: probe.rule,
                    field: rule.field.clone(),
                    severity: rule.severity,
                    dimension: rule.dimension,
                });
            }
        }
        defects.sort_unstable();
        Ok(defects)
    }

    /// The others whose chains may lead through a record whose judgement changed: those that its own leads to, from
    /// where it led before and from where it leads now. Only they can be on one circle with it.
    ///
    /// # Errors
    /// What the index, which has the change already, answers with.
    pub fn chained<I: Index>(
        id: &RecordId,
        before: Option<&Self>,
        after: Option<&Self>,
        index: &I,
    ) -> Result<BTreeSet<RecordId>, I::Error> {
        let chains = |judgement: Option<&Self>| -> BTreeSet<Probe> {
            let probes = judgement.into_iter().flat_map(|judgement| &judgement.probes);
            probes.filter(|probe| probe.expect == Expect::Acyclic).cloned().collect()
        };
        let mut found = BTreeSet::new();
        for probe in chains(before).symmetric_difference(&chains(after)) {
            if let [own, next] = probe.marks.as_slice() {
                found.extend(chain(index, probe.rule, *next, *own)?.0);
            }
        }
        found.remove(id);
        Ok(found)
    }

    /// Where it leads by a rule that follows chains, if it publishes a mark.
    #[must_use]
    pub fn leads(&self, mark: &Mark, rule: RuleIndex) -> Option<Mark> {
        let probe = self.probes.iter().find(|probe| probe.rule == rule)?;
        match probe.marks.as_slice() {
            [own, next] if own == mark => Some(*next),
            _ => None,
        }
    }

    /// Everything that is wrong on a day: by itself, among the others (`cross`), and late.
    #[must_use]
    pub fn defects_on(&self, book: &super::RuleBook, cross: &[Defect], as_of: i32) -> Vec<Defect> {
        let late = self.deadlines.iter().filter(|deadline| deadline.last < as_of).map(|deadline| Defect {
            rule: deadline.rule,
            field: deadline.field.clone(),
            severity: book.rule(deadline.rule).severity,
            dimension: Dimension::Song,
        });
        let mut all: Vec<Defect> = self.defects.iter().chain(cross).cloned().chain(late).collect();
        all.sort_unstable();
        all
    }

    /// What it counts for, with the defects among the others, less what is `waived`.
    #[must_use]
    pub fn standing(&self, cross: &[Defect], waived: impl Fn(RuleIndex, Option<&str>) -> bool) -> Standing {
        let counted = || {
            let all = self.defects.iter().chain(cross);
            all.filter(|defect| !waived(defect.rule, defect.field.as_deref()))
        };
        let of = |dimension: Dimension| counted().filter(move |defect| defect.dimension == dimension);
        let mut tally = Tally::default();
        for (dimension, all) in DIMENSIONS.into_iter().zip(self.checks) {
            let bad = match dimension {
                Dimension::Song => continue,
                // Values are counted, not rules: two rules may blame one value.
                Dimension::Dung => {
                    of(dimension).map(|defect| defect.field.as_deref()).collect::<BTreeSet<_>>().len()
                }
                Dimension::Du | Dimension::ThongNhat => of(dimension).count(),
                // Here the record as a whole is good or not.
                Dimension::Sach => usize::from(of(dimension).next().is_some()),
                Dimension::DungChung => {
                    let held_out =
                        |defect: &Defect| defect.severity == Severity::Error || defect.dimension == dimension;
                    usize::from(counted().any(held_out))
                }
            };
            let all = u64::from(all);
            tally[dimension] = Count { good: all.saturating_sub(bad as u64), all };
        }
        let live = self.deadlines.iter().filter(|deadline| !waived(deadline.rule, deadline.field.as_deref()));
        let late_after: Vec<i32> = live.map(|deadline| deadline.last).collect();
        let alive_until = late_after.iter().copied().min();
        // With every limit waived it is live without end, and counts as such.
        let alive_until = alive_until.or((!self.deadlines.is_empty()).then_some(i32::MAX));
        Standing { tally, alive_until, defects: counted().count() as u64, late_after }
    }

    /// Leaves out what makes it larger than so many bytes, the ends of the longest lists first; whether anything. Half
    /// of what is wrong is said rather than nothing.
    pub fn bound(&mut self, bytes_max: usize) -> bool {
        let mut cut = false;
        let looked_for = self.probes.iter().map(|probe| 1 + probe.marks.len()).sum::<usize>();
        let of_paths = self.defects.len() + self.deadlines.len();
        if (of_paths + looked_for + self.marks.len() + self.proposals.len()) * PART_BYTES <= bytes_max {
            return false;
        }
        while self.encode().len() > bytes_max {
            cut = true;
            let looked_for = self.probes.iter().map(|probe| 1 + probe.marks.len()).sum::<usize>();
            let (defects, deadlines) = (self.defects.len(), self.deadlines.len());
            let (marks, proposals) = (self.marks.len(), self.proposals.len());
            match [defects, deadlines, marks, proposals, looked_for].into_iter().max().unwrap_or_default() {
                0 => return cut,
                most if most == defects => self.defects.truncate(defects / 2),
                most if most == deadlines => self.deadlines.truncate(deadlines / 2),
                most if most == marks => self.marks.truncate(marks / 2),
                most if most == proposals => self.proposals.truncate(proposals / 2),
                _ => self.probes.truncate(self.probes.len() / 2),
            }
        }
        cut
    }

    /// All marks it publishes, proposals included.
    pub fn published(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().chain(&self.proposals)
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64 + 16 * (self.marks.len() + self.proposals.len()));
        out.u8(VERSION);
        out.varint(self.defects.len() as u64);
        for defect in &self.defects {
            defect.encode(&mut out);
        }
        out.varint(self.deadlines.len() as u64);
        for deadline in &self.deadlines {
            out.zigzag(i64::from(deadline.last));
            out.varint(u64::from(deadline.rule.0));
            encode_field(deadline.field.as_deref(), &mut out);
        }
        encode_marks(&self.marks, &mut out);
        encode_marks(&self.proposals, &mut out);
        out.varint(self.probes.len() as u64);
        for probe in &self.probes {
            probe.encode(&mut out);
        }
        for count in self.checks {
            out.varint(u64::from(count));
        }
        out.varint(u64::from(self.not_evaluated));
        out.u8(u8::from(self.judge_again.is_some()));
        if let Some(day) = self.judge_again {
            out.zigzag(i64::from(day));
        }
        out.into_bytes()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they are cut, too long or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Malformed("judgement of another version"));
        }
        let mut judgement = Self::default();
        for _ in 0..input.varint()? {
            judgement.defects.push(Defect::decode(&mut input)?);
        }
        for _ in 0..input.varint()? {
            let last = day(&mut input)?;
            let rule = RuleIndex::decode(&mut input)?;
            judgement.deadlines.push(Deadline { last, rule, field: decode_field(&mut input)? });
        }
        judgement.marks = decode_marks(&mut input)?;
        judgement.proposals = decode_marks(&mut input)?;
        for _ in 0..input.varint()? {
            judgement.probes.push(Probe::decode(&mut input)?);
        }
        for count in &mut judgement.checks {
            *count = number(&mut input)?;
        }
        judgement.not_evaluated = number(&mut input)?;
        judgement.judge_again = match input.u8()? {
            0 => None,
            1 => Some(day(&mut input)?),
            _ => return Err(Malformed("judgement day")),
        };
        input.end()?;
        Ok(judgement)
    }
}

/// The records that a chain goes through from a mark on, and whether it comes back to `own`.
fn chain<I: Index>(
    index: &I,
    rule: RuleIndex,
    from: Mark,
    own: Mark,
) -> Result<(BTreeSet<RecordId>, bool), I::Error> {
    let (mut found, mut seen, mut ends) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::from([from]));
    let mut is_back = false;
    for _ in 0..CHAIN_MAX {
        is_back |= ends.contains(&own);
        let mut next = BTreeSet::new();
        for mark in ends {
            if seen.insert(mark) {
                for (record, end) in index.leading(&mark, rule)? {
                    found.insert(record);
                    next.insert(end);
                }
            }
        }
        ends = next;
    }
    Ok((found, is_back))
}

fn number(input: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(input.varint()?).map_err(|_| Malformed("count"))
}

fn day(input: &mut Reader<'_>) -> Result<i32, Malformed> {
    i32::try_from(input.zigzag()?).map_err(|_| Malformed("day"))
}

fn encode_field(field: Option<&str>, out: &mut Writer) {
    out.text(field.unwrap_or_default());
}

fn decode_field(input: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    let text = input.text()?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
