//! Waivers: defects that somebody with authority accepts until a day.

use lienthong_node::control::Answer;
use lienthong_node::quality::{waiver_end_event, waiver_event, waiver_json};
use lienthong_node::records::{Page, Records, numbered};
use lienthong_node::service::{classified_reason, known_type};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::quality::{RuleKind, Waiver};
use lienthong_proto::rules::is_marked_classified;
use lienthong_proto::value::days_of;
use serde_json::{Value as Json, json};

use super::NewWaiver;
use crate::app::Hub;

/// Nothing is accepted for longer: who still wants it says so again.
const YEARS_MAX: i32 = 2;
/// Characters of a reason.
const REASON_MAX: usize = 500;

impl Hub {
    /// Accepts a defect a record has now.
    pub(super) async fn waiver_add(&self, new: NewWaiver) -> Result<Answer, Answer> {
        let waiver = tokio::task::block_in_place(|| self.waiver_of(new))?;
        let sequence =
            self.committer.event(waiver_event(&waiver, self.now())).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.waiver_line(&Waiver { number: sequence.0, ..waiver })))
    }

    /// Ends a waiver; what it covered counts again.
    pub(super) async fn waiver_end(&self, number: u64, reason: &str, actor: &str) -> Result<Answer, Answer> {
        let reason = reason_of(reason)?;
        let waiver = self.committer.books().read().waivers.get(&number).cloned();
        let waiver = waiver.ok_or_else(|| {
            Answer::refused(
                "WAIVER_UNKNOWN",
                format!("không có miễn trừ số {number} · there is no waiver {number}"),
            )
        })?;
        let event = waiver_end_event(&waiver, &reason, actor, self.now());
        let sequence = self.committer.event(event).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "ended": number, "ledger_index": sequence })))
    }

    /// The waivers that were not ended, the newest last.
    pub(super) fn waiver_list(&self, unit: Option<&UnitCode>, page: &Page) -> Result<Answer, Answer> {
        let waivers = std::sync::Arc::clone(&self.committer.books().read().waivers);
        let mut items = Vec::new();
        for waiver in waivers.values() {
            let line = self.waiver_line(waiver);
            if unit.is_none_or(|unit| line.get("unit").and_then(Json::as_str) == Some(unit.as_str())) {
                items.push(line);
            }
        }
        Ok(Answer::done(page.of(items, |item| item["number"].to_string(), numbered)))
    }

    fn waiver_line(&self, waiver: &Waiver) -> Json {
        let mut line = waiver_json(waiver);
        let owner = match self.dataset.state(&waiver.record_type, waiver.record) {
            Ok(state) => state.and_then(|state| state.owner().cloned()),
            Err(error) => {
                tracing::error!(%error, "a waiver's record cannot be read");
                None
            }
        };
        if let Some(fields) = line.as_object_mut() {
            fields.insert("unit".to_owned(), json!(owner));
            fields.insert("expired".to_owned(), (waiver.until < self.quality.today()).into());
        }
        line
    }

    fn waiver_of(&self, new: NewWaiver) -> Result<Waiver, Answer> {
        let declared = known_type(&self.catalogue, &new.record_type)?;
        let records = self.records();
        let records = Records { unit: new.unit.as_ref().unwrap_or(records.unit), ..records };
        let record = records.get(declared, &new.id).map_err(Answer::failed)?.ok_or_else(|| {
            Answer::refused("RECORD_UNKNOWN", "không tìm thấy bản ghi · there is no such record")
        })?;
        let book = self.quality.book().map_err(Answer::failed)?;
        let of_type =
            |record_type: &Option<String>| record_type.as_ref().is_none_or(|name| *name == declared.name);
        let known = book.rules().any(|(_, rule)| {
            rule.id == new.rule && of_type(&rule.record_type) && rule.kind != RuleKind::Unit
        });
        if !known {
            return Err(Answer::refused(
                "RULE_UNKNOWN",
                format!(
                    "loại {0} không có quy tắc {1} · type {0} has no rule {1}",
                    new.record_type, new.rule
                ),
            ));
        }
        let until = self.last_day(&new.until)?;
        let reason = reason_of(&new.reason)?;
        self.quality.refresh(&record.record_type, record.id).map_err(Answer::failed)?;
        let today = self.quality.today();
        let (found, _) =
            self.quality.defects(&record.record_type, record.id, today).map_err(Answer::failed)?;
        let meant = |rule: &str, field: Option<&str>| {
            rule == new.rule && new.field.as_deref().is_none_or(|only| field == Some(only))
        };
        if !found.counted.iter().any(|defect| meant(&book.rule(defect.rule).id, defect.field.as_deref())) {
            return Err(Answer::refused(
                "DEFECT_UNKNOWN",
                "bản ghi không có lỗi này, hoặc lỗi đã được miễn trừ · the record has no such defect, or it is waived already",
            ));
        }
        Ok(Waiver {
            number: 0,
            record_type: declared.name.clone(),
            record: record.id,
            rule: new.rule,
            field: new.field,
            reason,
            approver: new.approver,
            until,
        })
    }

    fn last_day(&self, text: &str) -> Result<i32, Answer> {
        let day: jiff::civil::Date = text.parse().map_err(|_| {
            Answer::refused(
                "DATE_INVALID",
                format!("{text}: ngày có dạng 2027-06-30 · a day looks like 2027-06-30"),
            )
        })?;
        let (until, today) = (days_of(day), self.quality.today());
        if until < today || until > today + YEARS_MAX * 366 {
            return Err(Answer::refused(
                "DATE_RANGE",
                format!(
                    "{text}: phải từ hôm nay đến {YEARS_MAX} năm tới · it must lie between today and {YEARS_MAX} years ahead"
                ),
            ));
        }
        Ok(until)
    }
}

pub(super) fn reason_of(text: &str) -> Result<String, Answer> {
    let text = lienthong_proto::text::normalise(text);
    let long = text.chars().count();
    if long == 0 || long > REASON_MAX {
        return Err(Answer::refused(
            "REASON_FORM",
            format!(
                "cần lý do, tối đa {REASON_MAX} ký tự · a reason is needed, of at most {REASON_MAX} characters"
            ),
        ));
    }
    // It stands in the ledger for ever, and goes to agencies where it is why a record was withdrawn.
    if is_marked_classified(&text) {
        return Err(classified_reason());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_reason_with_a_mark_of_secrecy_is_none() {
        let refused = |text: &str| reason_of(text).err().map(|answer| answer.body["rule"].clone());
        assert_eq!(refused("theo công văn 12 (Mật)").unwrap(), "CLASSIFIED");
        assert_eq!(refused(" ").unwrap(), "REASON_FORM");
        assert!(refused("trùng hồ sơ, theo công văn 12").is_none());
    }
}
