//! Figures of units as they were on another day: sums made anew, by whose each record was then.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{RuleIndex, Score, Seen, Totals};
use serde_json::Value as Json;

use super::{Keeper, QualityError};
use crate::records::Page;

/// Whose a record is to count for, given its type, id and owner.
pub type Home<'a> = dyn FnMut(&str, RecordId, &UnitCode) -> Result<UnitCode, QualityError> + 'a;

/// The sums over all records, by unit and type.
#[derive(Debug, Default)]
pub struct Regrouped(BTreeMap<(UnitCode, String), Totals>);

impl Regrouped {
    /// The records of a unit that were judged.
    #[must_use]
    pub fn records(&self, unit: &UnitCode) -> u64 {
        self.0.iter().filter(|((of, _), _)| of == unit).map(|(_, totals)| totals.records).sum()
    }

    fn totals(&self, unit: &UnitCode, record_type: &str) -> Totals {
        self.0.get(&(unit.clone(), record_type.to_owned())).cloned().unwrap_or_default()
    }
}

impl Keeper {
    /// Goes through all judgements, and sums them up by `home`.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn regrouped(&self, home: &mut Home<'_>) -> Result<Regrouped, QualityError> {
        let (book, waivers, as_of) = (self.book()?, self.waivers()?, self.today());
        let mut sums = Regrouped::default();
        for record_type in book.record_types() {
            let valid =
                waivers.iter().filter(|waiver| as_of <= waiver.until && waiver.record_type == record_type);
            let waived: BTreeSet<RecordId> = valid.map(|waiver| waiver.record).collect();
            let mut fault = None;
            self.each_kept(record_type, None, &mut |id, kept| {
                let standing = if waived.contains(&id) {
                    let covered = |rule: RuleIndex, field: Option<&str>| {
                        let rule = &book.rule(rule).id;
                        waivers.of(&id).iter().any(|waiver| waiver.covers(&id, rule, field, as_of))
                    };
                    kept.judgement.standing(&kept.cross, covered)
                } else {
                    kept.standing()
                };
                match home(record_type, id, &kept.unit) {
                    Ok(unit) => sums.0.entry((unit, record_type.to_owned())).or_default().add(standing),
                    Err(error) => fault = Some(error),
                }
                fault.is_none()
            })?;
            fault.map_or(Ok(()), Err)?;
        }
        Ok(sums)
    }

    /// A unit's score over all types from such sums.
    ///
    /// # Errors
    /// [`QualityError`] if the marks cannot be read.
    pub fn regrouped_score(
        &self,
        unit: &UnitCode,
        seen: Seen,
        sums: &Regrouped,
    ) -> Result<Score, QualityError> {
        let mut score = Score::default();
        score.see(seen);
        for record_type in self.book()?.record_types() {
            let totals = sums.totals(unit, record_type);
            score.tally += self.score_over(unit, record_type, &totals, seen.silence, self.today())?.tally;
        }
        Ok(score)
    }

    /// A unit's figures as [`Keeper::unit_report`] tells them, over the records `home` takes for its.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn regrouped_report(
        &self,
        unit: &UnitCode,
        seen: Seen,
        page: &Page,
        home: &mut Home<'_>,
    ) -> Result<Json, QualityError> {
        let sums = self.regrouped(home)?;
        let mut totals = |record_type: &str, _| Ok(sums.totals(unit, record_type));
        let mut whose = |record_type: &str, id, owner: &UnitCode| Ok(home(record_type, id, owner)? == *unit);
        self.report_over(unit, seen, page, &mut totals, &mut whose)
    }
}
