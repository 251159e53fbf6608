//! The shared dataset: what an error keeps out of it, and how many rules are broken.
//!
//! A defect that a valid waiver covers neither counts nor keeps a record out; it is shown all the same.

use lienthong_proto::catalogue::Severity;
use lienthong_proto::ids::{RecordId, UnitCode};

use super::{Keeper, QualityError};

impl Keeper {
    /// Whether a record is kept out of the shared dataset on a day: it breaks a rule of severity `error`, as far as
    /// it was judged, and nobody accepted that.
    ///
    /// # Errors
    /// [`QualityError`] if what is kept of it cannot be read.
    pub fn is_kept_out(&self, record_type: &str, id: RecordId, as_of: i32) -> Result<bool, QualityError> {
        let (sorted, _) = self.defects(record_type, id, as_of)?;
        Ok(sorted.counted.iter().any(|defect| defect.severity == Severity::Error))
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
            let mut totals = self.totals(&declared.name, unit)?;
            self.waive(&declared.name, unit, as_of, &mut totals)?;
            count = count.saturating_add(totals.defects_on(as_of));
        }
        Ok(Some(count.saturating_add(self.heard_defects(unit, as_of)?)))
    }
}
