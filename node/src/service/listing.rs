//! Pages of records: everything, with what is wrong with it, or only the shared dataset.

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::rules::UnitScope;
use serde_json::{Value as Json, json};

use super::RecordsService;
use crate::control::Answer;
use crate::dataset::Record;
use crate::quality::QualityError;
use crate::records::{LIMIT_MAX, Listing};

impl RecordsService<'_> {
    /// A page of a listing: `{items, next}`, and how many records were `left_out` of the shared dataset.
    pub(super) fn list(&self, declared: &RecordType, listing: &Listing) -> Result<Answer, Answer> {
        if listing.tree.is_some() && self.records.lineage.is_none() {
            let reason = "chỉ máy tỉnh biết đơn vị của từng ngày · only the hub knows the units of a day";
            return Err(Answer::refused("TREE_UNKNOWN", reason));
        }
        let limit = listing.limit.unwrap_or(100).clamp(1, LIMIT_MAX);
        let unjudged = self.keep_up(listing).map_err(Answer::failed)?;
        let (mut items, mut left_out, mut fault) = (Vec::new(), 0_u64, None);
        let next = self.records.each(declared, listing, &mut |record| {
            match self.shown(record, listing, unjudged) {
                Ok(Some(shown)) => items.push(shown),
                Ok(None) => left_out += 1,
                Err(refusal) => fault = Some(refusal),
            }
            fault.is_none() && items.len() < limit
        });
        if let Some(refusal) = fault {
            return Err(refusal);
        }
        let mut body = json!({ "items": items, "next": next.map_err(Answer::failed)? });
        if let (true, Some(fields)) = (listing.shared, body.as_object_mut()) {
            fields.insert("left_out".to_owned(), left_out.into());
        }
        Ok(Answer::done(body))
    }

    /// Has everything judged that decides what is shared; whether some records may not be judged as they are.
    fn keep_up(&self, listing: &Listing) -> Result<bool, QualityError> {
        let quality = self.quality;
        if listing.shared {
            if listing.after.is_none() {
                (self.flush)();
            }
            quality.settle_until_now(&mut |left| (self.tell)(json!({ "left_to_judge": left })))?;
            return Ok(self.records.dataset.unflushed() > 0);
        }
        // The province judges by itself and soon; at a commune somebody who asks may be the first.
        let own = matches!(self.scope, UnitScope::Own(_));
        Ok(own && (quality.behind()? > 0 || self.records.dataset.unflushed() > 0))
    }

    /// A record as it is listed; nothing if an error keeps it out of what is asked for.
    fn shown(&self, record: &Record, listing: &Listing, unjudged: bool) -> Result<Option<Json>, Answer> {
        let (record_type, quality) = (&record.record_type, self.quality);
        let waits = || self.records.dataset.is_waiting(record_type, record.id);
        if unjudged && (!listing.shared || waits()) {
            quality.refresh(record_type, record.id).map_err(Answer::failed)?;
        }
        let today = quality.today();
        if listing.shared && quality.is_kept_out(record_type, record.id, today).map_err(Answer::failed)? {
            return Ok(None);
        }
        self.with_defects(record).map(Some)
    }
}
