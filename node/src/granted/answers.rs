//! What an agency's node answers about what it is granted.

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::RecordId;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

use super::Views;
use super::views::Known;
use crate::control::Answer;
use crate::records::{LIMIT_MAX, Listing, Page, numbered};
use crate::service::{RecordsRequest, known_type};

impl Views {
    /// The grants, and what came under each.
    #[must_use]
    pub fn grants(&self, page: &Page) -> Answer {
        let inner = self.inner.lock();
        let items = inner.grants.iter().map(|(number, known)| line(*number, known, inner.anchored)).collect();
        Answer::done(page.of(items, |item| item["number"].to_string(), numbered))
    }

    /// How the views stand, for `status`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let inner = self.inner.lock();
        let lines = inner.grants.iter().map(|(number, known)| line(*number, known, inner.anchored));
        lines.collect()
    }

    /// Answers what is asked of records; only what reads.
    ///
    /// # Errors
    /// The refusal.
    pub fn answer(&self, request: RecordsRequest, catalogue: &Catalogue) -> Result<Answer, Answer> {
        match request {
            RecordsRequest::List { record_type, listing } => {
                known_type(catalogue, &record_type)?;
                self.list(&record_type, &listing, catalogue)
            }
            RecordsRequest::Get { record_type, id, .. } => {
                known_type(catalogue, &record_type)?;
                let id: Option<RecordId> = id.parse().ok();
                let inner = self.inner.lock();
                let mut views = inner.grants.values().map(|known| &known.view.tables);
                let found =
                    id.and_then(|id| views.find_map(|table| table.record(catalogue, &record_type, id)));
                found.map(Answer::done).ok_or_else(|| {
                    Answer::refused("RECORD_UNKNOWN", "không tìm thấy bản ghi · there is no such record")
                })
            }
            _ => Err(writes_nothing()),
        }
    }

    /// A page over all grants, the latest grant's view of a record first: each gives records names of its own.
    fn list(&self, record_type: &str, listing: &Listing, catalogue: &Catalogue) -> Result<Answer, Answer> {
        if listing.search.is_some() || listing.unit.is_some() || listing.tree.is_some() {
            return Err(Answer::refused(
                "AGENCY",
                "máy của cơ quan chỉ liệt kê theo loại · an agency's node lists by type only",
            ));
        }
        let limit = listing.limit.unwrap_or(100).clamp(1, LIMIT_MAX);
        let inner = self.inner.lock();
        let mut items: Vec<(RecordId, Json)> = Vec::new();
        for (number, known) in &inner.grants {
            let page = known.view.tables.page(catalogue, record_type, listing, limit + 1);
            items.extend(page.into_iter().filter_map(|(id, mut record)| {
                record.as_object_mut()?.insert("grant".to_owned(), (*number).into());
                Some((id, record))
            }));
        }
        items.sort_by_key(|(id, _)| *id);
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items.last().map(|(id, _)| *id)
        });
        let items: Vec<Json> = items.into_iter().map(|(_, record)| record).collect();
        Ok(Answer::done(json!({ "items": items, "next": next.flatten(), "left_out": 0 })))
    }
}

/// What an agency's node says to whoever would write.
pub(crate) fn writes_nothing() -> Answer {
    Answer::refused(
        "AGENCY",
        "máy của cơ quan chỉ xem và xuất dữ liệu được cấp, không ghi · an agency's node shows and exports what it is granted; it writes nothing",
    )
}

fn line(number: u64, known: &Known, anchored: bool) -> Json {
    let (report, terms) = (known.view.report.as_ref(), known.terms.as_ref());
    json!({
        "number": number,
        "state": known.state,
        "purpose": terms.map(|terms| &terms.purpose),
        "document": terms.map(|terms| &terms.document),
        "from": terms.map(|terms| terms.from),
        "until": terms.map(|terms| terms.until),
        "types": terms.map(|terms| terms.shares.iter().map(|share| &share.record_type).collect::<Vec<_>>()),
        "terms": terms,
        "cut": report.map(|report| report.size),
        "access": report.map(|report| report.access),
        "received": report.map(|report| &report.accessed_at),
        "trust": if anchored { "policy" } else { "ledger" },
        "witnesses": report.map(|report| report.witnesses.len()),
        "logs": report.map(|report| &report.logs),
        "records": known.view.tables.counts(),
        "receipt": known.receipt.as_ref().map(|receipt| json!({
            "access": receipt.access, "digest": receipt.digest, "signature": receipt.signature,
            "at": UnixMillis(receipt.at).rfc3339(),
        })),
        "damaged": known.damaged,
        "erased": known.erased,
    })
}
