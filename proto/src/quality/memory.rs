//! All records' quality in memory, kept up record by record: the reference for other keepers.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::duplicates::MARK_MEMBERS_MAX;
use super::{
    Defect, Gap, Index, Judgement, Mark, Pair, Probe, RuleBook, RuleIndex, Score, Seen, Silence, Sorted,
    Standing, Subject, Totals, Upkeep, Waiver, note_duplicate, sort_by_waivers,
};
use crate::catalogue::Dimension;
use crate::ids::{RecordId, UnitCode};

/// The records of each mark.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Marks(BTreeMap<Mark, BTreeSet<RecordId>>);

/// Keeps judgements, marks, defects and totals of all records.
#[derive(Debug)]
pub struct MemoryQuality<'b> {
    book: &'b RuleBook,
    today: i32,
    records: BTreeMap<RecordId, Held>,
    published: Marks,
    probed: Marks,
    totals: BTreeMap<(UnitCode, String), Totals>,
    again: BTreeSet<(i32, RecordId)>,
}

/// What is kept of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As it was judged.
    pub subject: Subject,
    /// By itself.
    pub judgement: Judgement,
    /// Among the others.
    pub cross: Vec<Defect>,
    /// Those it is probably one with.
    pub doubles: BTreeSet<RecordId>,
}

/// The records as they stand, asked for where chains lead.
struct Standings<'a> {
    published: &'a Marks,
    records: &'a BTreeMap<RecordId, Held>,
    /// The record that is looked at, which may be none of them yet.
    own: Option<(RecordId, &'a Judgement)>,
}

impl Index for Standings<'_> {
    type Error = Infallible;

    fn count(&self, mark: &Mark, enough: u64) -> Result<u64, Infallible> {
        self.published.count(mark, enough)
    }

    fn members(&self, mark: &Mark, limit: usize) -> Result<Vec<RecordId>, Infallible> {
        self.published.members(mark, limit)
    }

    fn leading(&self, mark: &Mark, rule: RuleIndex) -> Result<Vec<(RecordId, Mark)>, Infallible> {
        let judged = |id: &RecordId| match self.own {
            Some((own, judgement)) if own == *id => Some(judgement),
            _ => self.records.get(id).map(|held| &held.judgement),
        };
        let members = self.published.0.get(mark).into_iter().flatten();
        Ok(members.filter_map(|id| Some((*id, judged(id)?.leads(mark, rule)?))).collect())
    }
}

impl Index for Marks {
    type Error = Infallible;

    fn count(&self, mark: &Mark, _enough: u64) -> Result<u64, Infallible> {
        Ok(self.0.get(mark).map_or(0, |members| members.len() as u64))
    }

    fn members(&self, mark: &Mark, limit: usize) -> Result<Vec<RecordId>, Infallible> {
        Ok(self.0.get(mark).into_iter().flatten().take(limit).copied().collect())
    }

    fn leading(&self, _mark: &Mark, _rule: RuleIndex) -> Result<Vec<(RecordId, Mark)>, Infallible> {
        Ok(Vec::new())
    }
}

impl Marks {
    fn insert(&mut self, mark: Mark, record: RecordId) {
        self.0.entry(mark).or_default().insert(record);
    }

    fn remove(&mut self, mark: &Mark, record: &RecordId) {
        if let Some(members) = self.0.get_mut(mark) {
            members.remove(record);
            if members.is_empty() {
                self.0.remove(mark);
            }
        }
    }
}

impl Held {
    fn standing(&self) -> Standing {
        self.judgement.standing(&self.cross, |_, _| false)
    }
}

impl<'b> MemoryQuality<'b> {
    /// An empty keeper on a day.
    #[must_use]
    pub fn new(book: &'b RuleBook, today: i32) -> Self {
        Self {
            book,
            today,
            records: BTreeMap::new(),
            published: Marks::default(),
            probed: Marks::default(),
            totals: BTreeMap::new(),
            again: BTreeSet::new(),
        }
    }

    /// Takes a record in, or what has become of it; answers the others whose defects were looked at again.
    pub fn apply(&mut self, subject: Subject) -> BTreeSet<RecordId> {
        let judgement = self.book.judge(&subject, self.today);
        self.replace(subject.id, Some((subject, judgement)))
    }

    /// Takes a record out; answers the others whose defects were looked at again.
    pub fn remove(&mut self, id: &RecordId) -> BTreeSet<RecordId> {
        self.replace(*id, None)
    }

    /// Moves on to a later day: records whose judgement may have changed with it are judged again.
    pub fn advance(&mut self, today: i32) {
        self.today = today;
        let due: Vec<RecordId> =
            self.again.iter().take_while(|(day, _)| *day <= today).map(|(_, id)| *id).collect();
        for id in due {
            if let Some(held) = self.records.get(&id) {
                let subject = held.subject.clone();
                self.apply(subject);
            }
        }
    }

    fn replace(&mut self, id: RecordId, new: Option<(Subject, Judgement)>) -> BTreeSet<RecordId> {
        let former = self.records.get(&id).map(|held| &held.judgement);
        let upkeep = Upkeep::between(former, new.as_ref().map(|(_, judgement)| judgement));
        let before = self.records.remove(&id);
        if let Some(held) = &before {
            self.uncount(held);
            if let Some(day) = held.judgement.judge_again {
                self.again.remove(&(day, id));
            }
        }
        upkeep.withdrawn.iter().for_each(|mark| self.published.remove(mark, &id));
        upkeep.published.iter().for_each(|mark| self.published.insert(*mark, id));
        upkeep.released.iter().for_each(|mark| self.probed.remove(mark, &id));
        upkeep.probed.iter().for_each(|mark| self.probed.insert(*mark, id));
        if let Some((subject, judgement)) = new {
            if let Some(day) = judgement.judge_again {
                self.again.insert((day, id));
            }
            let cross = self.assess(id, &judgement);
            let held = Held { subject, judgement, cross, doubles: BTreeSet::new() };
            self.count(&held);
            self.records.insert(id, held);
        }
        let mut others = self.touched(&id, &upkeep);
        let after = self.records.get(&id).map(|held| &held.judgement);
        let index = Standings { published: &self.published, records: &self.records, own: None };
        let chained = Judgement::chained(&id, before.as_ref().map(|held| &held.judgement), after, &index);
        others.extend(chained.unwrap_or_else(|never| match never {}));
        for other in &others {
            if let Some(mut held) = self.records.remove(other) {
                self.uncount(&held);
                held.cross = self.assess(*other, &held.judgement);
                note_duplicate(&mut held.cross, !held.doubles.is_empty());
                self.count(&held);
                self.records.insert(*other, held);
            }
        }
        self.pair_anew(id, before.as_ref());
        others
    }

    /// Finds the doubles of a record that came, changed or went, and of those whose place in a crowd that moved.
    fn pair_anew(&mut self, id: RecordId, before: Option<&Held>) {
        let after = self.records.get(&id).map(|held| &held.judgement);
        let unsettled = self.book.unsettled(&id, before.map(|held| &held.judgement), after, &self.published);
        for one in unsettled.unwrap_or_else(|never| match never {}) {
            let known = self.records.get(&one).map(|held| held.doubles.clone()).unwrap_or_default();
            let lost = before.filter(|_| one == id).map(|held| held.doubles.clone()).unwrap_or_default();
            let now: BTreeSet<RecordId> =
                self.duplicates_of(&one).iter().map(|pair| pair.other(one)).collect();
            for other in known.union(&lost).filter(|other| !now.contains(*other)) {
                self.note_double(*other, one, false);
                self.note_double(one, *other, false);
            }
            for other in &now {
                self.note_double(*other, one, true);
                self.note_double(one, *other, true);
            }
        }
    }

    fn note_double(&mut self, record: RecordId, other: RecordId, is_one: bool) {
        let Some(mut held) = self.records.remove(&record) else { return };
        self.uncount(&held);
        if is_one {
            held.doubles.insert(other);
        } else {
            held.doubles.remove(&other);
        }
        note_duplicate(&mut held.cross, !held.doubles.is_empty());
        self.count(&held);
        self.records.insert(record, held);
    }

    /// The other records that must be assessed again after a change.
    fn touched(&self, id: &RecordId, upkeep: &Upkeep) -> BTreeSet<RecordId> {
        let mut touched = BTreeSet::new();
        let came = upkeep.published.iter().map(|mark| (mark, true));
        for (mark, came) in came.chain(upkeep.withdrawn.iter().map(|mark| (mark, false))) {
            let after = self.published.0.get(mark).map_or(0, |members| members.len() as u64);
            let before = if came { after.saturating_sub(1) } else { after + 1 };
            for other in self.probed.0.get(mark).into_iter().flatten().filter(|other| *other != id) {
                let probes = self.records.get(other).map(|held| held.judgement.probes.as_slice());
                let of_mark = |probe: &&Probe| probe.marks.contains(mark);
                let mut asking = probes.unwrap_or_default().iter().filter(of_mark);
                if asking.any(|probe| probe.expect.tells_apart(before, after)) {
                    touched.insert(*other);
                }
            }
        }
        touched
    }

    fn assess(&self, id: RecordId, judgement: &Judgement) -> Vec<Defect> {
        let index =
            Standings { published: &self.published, records: &self.records, own: Some((id, judgement)) };
        judgement.assess(self.book, &index).unwrap_or_else(|never| match never {})
    }

    fn count(&mut self, held: &Held) {
        let key = (held.subject.unit.clone(), held.subject.record_type.clone());
        self.totals.entry(key).or_default().add(held.standing());
    }

    fn uncount(&mut self, held: &Held) {
        let key = (held.subject.unit.clone(), held.subject.record_type.clone());
        if let Some(totals) = self.totals.get_mut(&key) {
            totals.remove(held.standing());
            if totals.is_empty() {
                self.totals.remove(&key);
            }
        }
    }

    /// All records, by id.
    pub fn records(&self) -> impl Iterator<Item = (&RecordId, &Held)> {
        self.records.iter()
    }

    /// The totals by unit and type.
    #[must_use]
    pub fn totals(&self) -> &BTreeMap<(UnitCode, String), Totals> {
        &self.totals
    }

    /// A record's defects on a day from today on, as far as the days' passing alone makes them.
    #[must_use]
    pub fn defects(&self, id: &RecordId, as_of: i32) -> Vec<Defect> {
        self.records
            .get(id)
            .map_or_else(Vec::new, |held| held.judgement.defects_on(self.book, &held.cross, as_of))
    }

    /// The same, those that waivers cover apart.
    #[must_use]
    pub fn sorted(&self, id: &RecordId, waivers: &[Waiver], as_of: i32) -> Sorted {
        sort_by_waivers(self.book, id, self.defects(id, as_of), waivers, as_of)
    }

    /// The records that units should have and have not.
    #[must_use]
    pub fn gaps(&self, as_of: i32) -> Vec<Gap> {
        self.book.gaps(&self.published, as_of).unwrap_or_else(|never| match never {})
    }

    /// A unit's score in one type on a day.
    #[must_use]
    pub fn score(
        &self,
        unit: &UnitCode,
        record_type: &str,
        silence: Silence,
        waivers: &[Waiver],
        as_of: i32,
    ) -> Score {
        let key = (unit.clone(), record_type.to_owned());
        let mut totals = self.totals.get(&key).cloned().unwrap_or_default();
        let valid: BTreeSet<RecordId> =
            waivers.iter().filter(|waiver| as_of <= waiver.until).map(|waiver| waiver.record).collect();
        for id in valid {
            let Some(held) = self.records.get(&id) else { continue };
            if held.subject.unit != *unit || held.subject.record_type != record_type {
                continue;
            }
            let waived = |rule: RuleIndex, field: Option<&str>| {
                let rule = &self.book.rule(rule).id;
                waivers.iter().any(|waiver| waiver.covers(&id, rule, field, as_of))
            };
            totals.remove(held.standing());
            totals.add(held.judgement.standing(&held.cross, waived));
        }
        let mut tally = totals.on(as_of, silence);
        if let Some(unit) = self.book.unit(unit) {
            let expected = self.book.expected(unit, record_type, &self.published, as_of);
            tally[Dimension::Du] += expected.unwrap_or_else(|never| match never {});
        }
        Score { tally }
    }

    /// A unit's score over all types on a day.
    #[must_use]
    pub fn unit_score(
        &self,
        unit: &UnitCode,
        seen: impl Into<Seen>,
        waivers: &[Waiver],
        as_of: i32,
    ) -> Score {
        let (mut score, seen) = (Score::default(), seen.into());
        for record_type in self.book.record_types() {
            score.tally += self.score(unit, record_type, seen.silence, waivers, as_of).tally;
        }
        score.see(seen);
        score
    }

    /// The probable duplicates of one record, by id.
    #[must_use]
    pub fn duplicates_of(&self, id: &RecordId) -> Vec<Pair> {
        let Some(held) = self.records.get(id) else { return Vec::new() };
        let candidates = self.book.candidates(id, &held.judgement, &self.published);
        let candidates = candidates.unwrap_or_else(|never| match never {});
        candidates.iter().filter_map(|other| self.pair(*id, *other)).collect()
    }

    /// All probable duplicates, by id.
    #[must_use]
    pub fn duplicates(&self) -> Vec<Pair> {
        let mut proposed = BTreeSet::new();
        let marks: BTreeSet<&Mark> =
            self.records.values().flat_map(|held| &held.judgement.proposals).collect();
        for members in marks.into_iter().filter_map(|mark| self.published.0.get(mark)) {
            let members: Vec<RecordId> = members.iter().take(MARK_MEMBERS_MAX).copied().collect();
            for (at, first) in members.iter().enumerate() {
                proposed.extend(members.iter().skip(at + 1).map(|second| (*first, *second)));
            }
        }
        proposed.into_iter().filter_map(|(first, second)| self.pair(first, second)).collect()
    }

    fn pair(&self, one: RecordId, other: RecordId) -> Option<Pair> {
        let (first, second) = (one.min(other), one.max(other));
        let (a, b) = (&self.records.get(&first)?.subject, &self.records.get(&second)?.subject);
        if a.record_type != b.record_type {
            return None;
        }
        let likeness = self.book.likeness(&a.record_type, &a.values, &b.values)?;
        likeness.is_probable().then_some(Pair { first, second, likeness })
    }
}
