//! How all units stand, at once: one pass over the sums instead of a look for each unit and type.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::catalogue::Dimension;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Score, Seen, Totals};

use super::index::ViewIndex;
use super::{Keeper, QualityError};
use crate::store::Keyspace;

/// How good one unit's records are, of all types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overall {
    /// As [`Keeper::unit_score`] has it.
    pub score: Score,
    /// As [`Keeper::open_defects`] has it.
    pub defects: Option<u64>,
}

impl Keeper {
    /// The standing of each of these units on a day.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn overall(
        &self,
        units: &BTreeMap<UnitCode, Seen>,
        as_of: i32,
    ) -> Result<BTreeMap<UnitCode, Overall>, QualityError> {
        let judged = self.cursor()? > 0 || self.behind()? == 0;
        let none = Overall { score: Score::default(), defects: judged.then_some(0) };
        let mut all: BTreeMap<UnitCode, Overall> = units.keys().map(|unit| (unit.clone(), none)).collect();
        self.add_sums(units, as_of, &mut all)?;
        let (book, index) = (self.book()?, ViewIndex { view: self.dataset().view().as_ref(), own: None });
        for (code, one) in &mut all {
            if let Some(unit) = book.unit(code) {
                for record_type in book.record_types() {
                    one.score.tally[Dimension::Du] += book.expected(unit, record_type, &index, as_of)?;
                }
            }
            one.score.see(units.get(code).copied().unwrap_or_default());
            let heard = self.heard_defects(code, as_of)?;
            one.defects = one.defects.map(|defects| defects.saturating_add(heard));
        }
        Ok(all)
    }

    fn add_sums(
        &self,
        units: &BTreeMap<UnitCode, Seen>,
        as_of: i32,
        all: &mut BTreeMap<UnitCode, Overall>,
    ) -> Result<(), QualityError> {
        let (book, waivers) = (self.book()?, self.waivers()?);
        let valid = waivers.iter().filter(|waiver| as_of <= waiver.until);
        let waived: BTreeSet<&str> = valid.map(|waiver| waiver.record_type.as_str()).collect();
        let scored: BTreeSet<&str> = book.record_types().collect();
        for declared in self.catalogue().record_types() {
            let record_type = declared.name.as_str();
            let Some(key) = self.dataset().key(record_type, RecordId([0; 16])) else { continue };
            let (prefix, _) = key.split_at(4);
            let mut sums = Vec::new();
            self.dataset().view().scan_prefix(Keyspace::Quality, prefix, &mut |place, bytes| {
                let unit = place.get(4..).and_then(|unit| std::str::from_utf8(unit).ok()?.parse().ok());
                sums.extend(unit.map(|unit: UnitCode| (unit, Totals::decode(bytes))));
                true
            })?;
            for (unit, totals) in sums {
                let (Some(one), Some(seen)) = (all.get_mut(&unit), units.get(&unit)) else { continue };
                let mut totals = totals?;
                if waived.contains(record_type) {
                    self.waive(record_type, &unit, as_of, &mut totals)?;
                }
                if scored.contains(record_type) {
                    one.score.tally += totals.on(as_of, seen.silence);
                }
                let defects = totals.defects_on(as_of);
                one.defects = one.defects.map(|before| before.saturating_add(defects));
            }
        }
        Ok(())
    }
}
