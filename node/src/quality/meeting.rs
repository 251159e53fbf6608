//! What of the judged records a row that comes in is like.

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::{Index as _, Mark};

use super::index::ViewIndex;
use super::{Keeper, QualityError};

impl Keeper {
    /// Whether any record of a type was judged.
    ///
    /// # Errors
    /// [`QualityError`] if what is kept cannot be read.
    pub fn knows(&self, record_type: &RecordType) -> Result<bool, QualityError> {
        let mut knows = false;
        self.each_kept(&record_type.name, None, &mut |_, _| {
            knows = true;
            false
        })?;
        Ok(knows)
    }

    /// Whether a record other than `own` publishes one of these marks, of those that were judged.
    ///
    /// # Errors
    /// [`QualityError`] if the marks cannot be read.
    pub fn is_met(&self, marks: &[Mark], own: RecordId) -> Result<bool, QualityError> {
        let index = ViewIndex { view: self.dataset().view().as_ref(), own: None };
        for mark in marks {
            if index.members(mark, 2)?.iter().any(|member| *member != own) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
