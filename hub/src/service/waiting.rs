//! What waits for a person: open conflicts and the quarantine.

use std::sync::Arc;

use lienthong_node::control::Answer;
use lienthong_node::dataset::Record;
use lienthong_node::records::Page;
use lienthong_node::why::why;
use lienthong_proto::ids::RecordId;
use serde_json::{Value as Json, json};

use super::waivers::reason_of;
use crate::app::Hub;
use crate::ingest::{CommitError, Release, Separation};
use crate::ledger::Quarantined;

impl Hub {
    /// The open conflicts of a record, or the one of a list's key: each side by side, with the rule that picks.
    pub(super) fn conflicts_show(&self, id: &str) -> Result<Answer, Answer> {
        let (record, fields) = self.open_conflicts(id)?;
        let mut conflicts = Vec::new();
        for field in &fields {
            conflicts.push(why(&self.dataset, &record, field).map_err(Answer::failed)?);
        }
        Ok(Answer::done(json!({
            "type": record.record_type, "id": record.id, "unit": record.owner, "conflicts": conflicts,
        })))
    }

    /// The record an id or a list's key means, and its open fields that are meant.
    pub(super) fn open_conflicts(&self, id: &str) -> Result<(Record, Vec<String>), Answer> {
        let none = || {
            Answer::refused("CONFLICT_UNKNOWN", format!("{id}: không có xung đột đang mở · no open conflict"))
        };
        let named = |record_type: &str, record: &RecordId, field: &str| {
            record.to_string() == id || format!("{record_type}/{record}/{field}") == id
        };
        let open: Vec<(String, RecordId, String)> =
            self.dataset.conflicts().into_iter().filter(|(t, record, f)| named(t, record, f)).collect();
        let (record_type, record, _) = open.first().ok_or_else(none)?;
        let found = self.dataset.record(&self.catalogue, record_type, *record).map_err(Answer::failed)?;
        let fields = open.iter().map(|(_, _, field)| field.clone()).collect();
        Ok((found.ok_or_else(none)?, fields))
    }

    /// The open conflicts, a field each.
    pub(super) fn conflicts_list(&self, page: &Page) -> Answer {
        let mut items: Vec<Json> = self
            .dataset
            .conflicts()
            .into_iter()
            .map(|(record_type, id, field)| {
                let key = format!("{record_type}/{id}/{field}");
                json!({ "key": key, "type": record_type, "id": id, "field": field })
            })
            .collect();
        let key = |item: &Json| item["key"].as_str().unwrap_or_default().to_owned();
        items.sort_by_cached_key(key);
        Answer::done(page.of(items, key, str::to_owned))
    }

    pub(super) fn quarantine_list(&self, page: &Page) -> Answer {
        let waiting = Arc::clone(&self.committer.books().read().quarantine);
        let items = waiting.iter().map(|(number, waiting)| quarantined_json(*number, waiting)).collect();
        let number = |item: &Json| item["number"].as_str().unwrap_or_default().to_owned();
        Answer::done(page.of(items, number, |number| number_of(number).ok()))
    }

    pub(super) fn quarantine_show(&self, number: &str) -> Result<Answer, Answer> {
        let parsed = number_of(number)?;
        let waiting = self.committer.books().read().quarantine.get(&parsed).cloned();
        let waiting = waiting.ok_or_else(|| {
            Answer::refused("NOT_QUARANTINED", format!("không có {number} · there is no {number}"))
        })?;
        Ok(Answer::done(quarantined_json(parsed, &waiting)))
    }

    pub(super) async fn release(&self, number: &str, reason: &str, actor: String) -> Result<Answer, Answer> {
        let release = Release { number: number_of(number)?, reason: reason_of(reason)?, actor };
        let sequence = self.committer.release(release).await.map_err(|error| match error {
            error @ CommitError::NotQuarantined(_) => Answer::refused("NOT_QUARANTINED", error),
            error @ CommitError::NotReleasable(_) => Answer::refused("NOT_RELEASABLE", error),
            error => Answer::failed(error),
        })?;
        Ok(Answer::done(json!({ "released": number, "ledger_index": sequence })))
    }

    /// Two people under one number: what the unit stated gets a record of its own.
    pub(super) async fn separate_quarantined(
        &self,
        number: &str,
        reason: &str,
        actor: String,
    ) -> Result<Answer, Answer> {
        let separation = Separation { number: number_of(number)?, reason: reason_of(reason)?, actor };
        match self.committer.separate(separation).await {
            Ok(own) => Ok(Answer::done(json!({ "separated": number, "id": own }))),
            Err(error @ CommitError::NotQuarantined(_)) => Err(Answer::refused("NOT_QUARANTINED", error)),
            Err(error) => Err(Answer::refused("NOT_SEPARABLE", error)),
        }
    }
}

/// What a quarantine list shows of a change.
fn quarantined_json(number: (u64, u16), waiting: &Quarantined) -> Json {
    json!({
        "number": format!("{}.{}", number.0, number.1),
        "unit": waiting.unit,
        "type": waiting.record_type,
        "record": waiting.record,
        "reason": waiting.reason.code(),
        "vi": waiting.reason.vi(),
        "en": waiting.reason.en(),
        "at": waiting.accepted_at.rfc3339(),
        "replica": waiting.dot.replica,
        "sequence": waiting.dot.sequence,
    })
}

fn number_of(text: &str) -> Result<(u64, u16), Answer> {
    let parsed =
        text.split_once('.').and_then(|(ledger, place)| Some((ledger.parse().ok()?, place.parse().ok()?)));
    let form = || format!("{text}: số có dạng 12.0 · a number looks like 12.0");
    parsed.ok_or_else(|| Answer::refused("NUMBER_FORM", form()))
}
