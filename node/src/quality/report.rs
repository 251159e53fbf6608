//! Scores, defects and probable duplicates as documents.

use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Reason, RuleBook, Score, Seen, Totals};
use serde_json::{Value as Json, json};

use super::answers::text;
use super::index::ViewIndex;
use super::kept::subject;
use super::{Keeper, QualityError, counts_json, defect_json, quality_json};
use crate::dataset::Record;
use crate::records::{LIMIT_MAX, Page};

/// Records shown beside a unit's figures, if nobody says.
const ROWS_SHOWN: usize = 50;
/// Pairs of one answer; of more the likeliest.
const PAIRS_MAX: usize = 100_000;
/// Records that are read at once in looking for them.
const LOOKED_AT_ONCE: usize = 1_024;

/// Whether a record is the unit's, given its type, id and owner.
type Whose<'a> = dyn FnMut(&str, RecordId, &UnitCode) -> Result<bool, QualityError> + 'a;

impl Keeper {
    /// A unit's score over all types on a day.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn unit_score(
        &self,
        unit: &UnitCode,
        seen: impl Into<Seen>,
        as_of: i32,
    ) -> Result<Score, QualityError> {
        let (mut score, seen) = (Score::default(), seen.into());
        for record_type in self.book()?.record_types() {
            score.tally += self.score(unit, record_type, seen.silence, as_of)?.tally;
        }
        score.see(seen);
        Ok(score)
    }

    /// A unit's figures with the counts and formulas behind them, by type, what is missing, and a page of the
    /// records that lose points: `next` leads to the others.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn unit_report(&self, unit: &UnitCode, seen: Seen, page: &Page) -> Result<Json, QualityError> {
        let mut kept_totals = |record_type: &str, as_of: i32| {
            let mut totals = self.totals(record_type, unit)?;
            self.waive(record_type, unit, as_of, &mut totals)?;
            Ok(totals)
        };
        self.report_over(unit, seen, page, &mut kept_totals, &mut |_, _, owner| Ok(owner == unit))
    }

    /// The same over whatever records `whose` takes for the unit's, with the sums `totals` has of them.
    pub(super) fn report_over(
        &self,
        unit: &UnitCode,
        seen: Seen,
        page: &Page,
        totals: &mut dyn FnMut(&str, i32) -> Result<Totals, QualityError>,
        whose: &mut Whose<'_>,
    ) -> Result<Json, QualityError> {
        let (book, as_of) = (&*self.book()?, self.today());
        let (mut types, mut behind) = (Vec::new(), Vec::new());
        let mut whole = Score::default();
        for record_type in book.record_types() {
            let sums = totals(record_type, as_of)?;
            let score = self.score_over(unit, record_type, &sums, seen.silence, as_of)?;
            whole.tally += score.tally;
            let records = sums.records;
            if score.total().is_some() {
                types.push(json!({
                    "type": record_type, "records": records,
                    "quality": quality_json(&score), "counts": counts_json(&score),
                }));
            }
            if records > 0 {
                behind.push(record_type);
            }
        }
        whole.see(seen);
        let gaps: Vec<Json> = self.gaps(Some(unit), as_of)?.iter().map(|gap| {
            let rule = book.rule(gap.rule);
            json!({ "type": gap.record_type, "rule": rule.id, "year": gap.year, "message": text(&rule.message) })
        }).collect();
        let (rows, next) = self.rows_behind(&behind, page, whose)?;
        Ok(json!({
            "unit": unit, "silence": format!("{:?}", seen.silence).to_lowercase(), "alike": seen.alike,
            "quality": quality_json(&whole), "counts": counts_json(&whole), "types": types, "missing": gaps,
            "rows": rows, "next": next,
        }))
    }

    /// A page of the records of these types that lose points, and after which the next page begins.
    fn rows_behind(
        &self,
        types: &[&str],
        page: &Page,
        whose: &mut Whose<'_>,
    ) -> Result<(Vec<Json>, Option<String>), QualityError> {
        let (book, as_of) = (&*self.book()?, self.today());
        let limit = page.limit.unwrap_or(ROWS_SHOWN).clamp(1, LIMIT_MAX);
        let after = page.after.as_deref().and_then(|after| after.split_once('/'));
        let mut rows: Vec<Json> = Vec::new();
        let (mut last, mut next) = (String::new(), None);
        for record_type in types.iter().copied() {
            let from = match after {
                Some((done, _)) if record_type < done => continue,
                Some((done, id)) if record_type == done => id.parse::<RecordId>().ok(),
                _ => None,
            };
            let mut fault = None;
            self.each_defective(record_type, from, as_of, &mut |id, owner, defects| {
                match whose(record_type, id, owner) {
                    Ok(true) if rows.len() < limit => {
                        let defects: Vec<Json> =
                            defects.iter().map(|defect| defect_json(book, defect)).collect();
                        rows.push(json!({ "type": record_type, "id": id, "defects": defects }));
                        last = format!("{record_type}/{id}");
                    }
                    Ok(true) => next = Some(last.clone()),
                    Ok(false) => {}
                    Err(error) => fault = Some(error),
                }
                fault.is_none() && next.is_none()
            })?;
            fault.map_or(Ok(()), Err)?;
            if next.is_some() {
                break;
            }
        }
        Ok((rows, next))
    }

    /// A page of the records with defects, of one type or of all, of one unit or of all: `{items, next}`.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn defect_list(
        &self,
        record_type: Option<&str>,
        unit: Option<&UnitCode>,
        page: &Page,
    ) -> Result<Json, QualityError> {
        let book = &*self.book()?;
        let limit = page.limit.unwrap_or(100).clamp(1, LIMIT_MAX);
        let after = page.after.as_deref().and_then(|after| after.split_once('/'));
        let (mut items, mut next) = (Vec::new(), Json::Null);
        for name in book.record_types().filter(|name| record_type.is_none_or(|only| only == *name)) {
            let from = match after {
                Some((last, _)) if name < last => continue,
                Some((last, id)) if name == last => id.parse::<RecordId>().ok(),
                _ => None,
            };
            self.each_defective(name, from, self.today(), &mut |id, owner, defects| {
                if unit.is_some_and(|unit| unit != owner) {
                    return true;
                }
                let defects: Vec<Json> = defects.iter().map(|defect| defect_json(book, defect)).collect();
                items.push(json!({ "type": name, "id": id, "unit": owner, "defects": defects }));
                if items.len() >= limit {
                    next = format!("{name}/{id}").into();
                }
                items.len() < limit
            })?;
            if items.len() >= limit {
                break;
            }
        }
        Ok(json!({ "items": items, "next": next }))
    }

    /// Pairs of records that are probably one, with the score and what speaks for it.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn duplicates(&self) -> Result<Vec<Json>, QualityError> {
        let (book, dataset, catalogue) = (&*self.book()?, self.dataset(), self.catalogue());
        let index = ViewIndex { view: dataset.view().as_ref(), own: None };
        let mut items: Vec<(u8, Json)> = Vec::new();
        for name in book.record_types() {
            let mut after = None;
            loop {
                let mut some = Vec::new();
                self.each_kept(name, after, &mut |id, kept| {
                    some.push((id, kept.judgement));
                    some.len() < LOOKED_AT_ONCE
                })?;
                let Some((last, _)) = some.last() else { break };
                after = Some(*last);
                for (id, judgement) in some.iter().filter(|(_, judgement)| !judgement.proposals.is_empty()) {
                    let others = book.candidates(id, judgement, &index)?;
                    for other in others.into_iter().filter(|other| other > id) {
                        let read = |id| dataset.record(catalogue, name, id);
                        let (Some(first), Some(second)) = (read(*id)?, read(other)?) else { continue };
                        if !first.is_apart_from(other) {
                            items.extend(likeness(book, &first, &second));
                        }
                    }
                    if items.len() >= 2 * PAIRS_MAX {
                        keep_likeliest(&mut items);
                    }
                }
            }
        }
        keep_likeliest(&mut items);
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    /// How two records would stand in that list; nothing if they are not probably one.
    ///
    /// # Errors
    /// [`QualityError`] if the rules are not to be had.
    pub fn likeness(&self, first: &Record, second: &Record) -> Result<Option<Json>, QualityError> {
        Ok(likeness(&*self.book()?, first, second).map(|(_, item)| item))
    }
}

fn keep_likeliest(items: &mut Vec<(u8, Json)>) {
    items.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    items.truncate(PAIRS_MAX);
}

/// The score of a pair that is probably one, and its line.
pub(super) fn likeness(book: &RuleBook, first: &Record, second: &Record) -> Option<(u8, Json)> {
    let (a, b) = (subject(first)?, subject(second)?);
    let name = &first.record_type;
    let likeness = book.likeness(name, &a.values, &b.values).filter(|likeness| likeness.is_probable())?;
    let reason = |reason: &Reason| format!("{} {:?} {:+}", reason.field, reason.agreement, reason.points);
    let reasons: Vec<String> = likeness.reasons.iter().map(reason).collect();
    let line = json!({
        "type": name, "first": first.id, "second": second.id, "score": likeness.score,
        "units": [a.unit, b.unit], "reasons": reasons,
    });
    Some((likeness.score, line))
}
