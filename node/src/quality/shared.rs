//! The shared dataset: what an error keeps out of it, and how many rules are broken.
//!
//! A defect that a valid waiver covers neither counts nor keeps a record out; it is shown all the same.

use std::sync::Arc;

use lienthong_proto::catalogue::Severity;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Sorted, Waiver, sort_by_waivers};

use super::{Keeper, QualityError};

impl Keeper {
    /// Puts the waivers that are in force, instead of those before.
    pub fn set_waivers(&self, waivers: Vec<Waiver>) {
        *self.waivers.write() = waivers.into();
    }

    /// Whether a record is kept out of the shared dataset on a day: it breaks a rule of severity `error`, as far as
    /// it was judged, and nobody accepted that.
    ///
    /// # Errors
    /// [`QualityError`] if what is kept of it cannot be read.
    pub fn is_kept_out(&self, record_type: &str, id: RecordId, as_of: i32) -> Result<bool, QualityError> {
        let counted = self.sorted(record_type, id, as_of)?.counted;
        Ok(counted.iter().any(|defect| defect.severity == Severity::Error))
    }

    /// How many rules a unit's records break on a day, as of the last that was judged; nothing while none was.
    ///
    /// # Errors
    /// [`QualityError`] if the sums cannot be read.
    pub fn open_defects(&self, unit: &UnitCode, as_of: i32) -> Result<Option<u64>, QualityError> {
        if self.cursor()? == 0 && self.behind()? > 0 {
            return Ok(None);
        }
        let mut count = 0_u64;
        for declared in self.catalogue().record_types() {
            count = count.saturating_add(self.totals(&declared.name, unit)?.defects_on(as_of));
        }
        Ok(Some(count.saturating_sub(self.waived(unit, as_of)?)))
    }

    /// How many of a unit's defects are covered by a waiver: the sums do not know of waivers.
    fn waived(&self, unit: &UnitCode, as_of: i32) -> Result<u64, QualityError> {
        let waivers = Arc::clone(&self.waivers.read());
        let valid = waivers.iter().filter(|waiver| as_of <= waiver.until);
        let mut records: Vec<RecordId> = valid.map(|waiver| waiver.record).collect();
        records.sort_unstable();
        records.dedup();
        let mut count = 0;
        for id in records {
            // A waiver does not say of which type its record is.
            for declared in self.catalogue().record_types() {
                let Some(key) = self.dataset().key(&declared.name, id) else { continue };
                if self.kept(&key)?.is_some_and(|kept| kept.unit == *unit) {
                    count += self.sorted(&declared.name, id, as_of)?.waived.len() as u64;
                }
            }
        }
        Ok(count)
    }

    fn sorted(&self, record_type: &str, id: RecordId, as_of: i32) -> Result<Sorted, QualityError> {
        let defects = self.defects(record_type, id, as_of)?;
        if defects.is_empty() {
            return Ok(Sorted::default());
        }
        let waivers = Arc::clone(&self.waivers.read());
        Ok(sort_by_waivers(&*self.book()?, &id, defects, &waivers, as_of))
    }
}
