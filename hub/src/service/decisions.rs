//! What a steward decides about records: which of several values is right, and whose a record is.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::control::Answer;
use lienthong_node::dataset::Record;
use lienthong_node::records::Records;
use lienthong_node::replica::{Draft, Intent, Outcome, WriteError};
use lienthong_node::service::known_type;
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::change::path;
use lienthong_proto::ids::Dot;
use lienthong_proto::rules::{Finding, JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::Withdrawal;
use serde_json::{Value as Json, json};

use super::lineage::codes;
use super::waivers::reason_of;
use super::{Resolution, Transfer};
use crate::app::Hub;
use crate::ingest::{Answered, Decision};

impl Hub {
    /// Settles a conflict: an ordinary change by the province that has seen every side.
    pub(super) async fn resolve(&self, resolution: Resolution) -> Result<Answer, Answer> {
        let (decision, warnings) = tokio::task::block_in_place(|| self.resolution(resolution))?;
        self.carry_out(decision, &warnings).await
    }

    /// Gives a record to another unit, with what says so in its fields.
    pub(super) async fn transfer(&self, transfer: Transfer) -> Result<Answer, Answer> {
        let decision = tokio::task::block_in_place(|| self.transfer_of(transfer))?;
        self.carry_out(decision, &[]).await
    }

    async fn carry_out(&self, decision: Decision, warnings: &[Finding]) -> Result<Answer, Answer> {
        let warning = |found: &Finding| json!({ "rule": found.rule, "message": format!("{} · {}", found.message.vi, found.message.en) });
        let warnings: Vec<Json> = warnings.iter().map(warning).collect();
        let (record_type, id) = (decision.draft.record_type.clone(), decision.record);
        let (field, told) = (decision.field.clone(), decision.answered.len());
        let changed = self.decide(vec![decision]).await?;
        Ok(Answer::done(json!({
            "type": record_type, "id": id, "field": field, "changed": changed, "answered": told,
            "warnings": warnings,
        })))
    }

    /// Carries decisions out; whether any changed anything.
    pub(super) async fn decide(&self, decisions: Vec<Decision>) -> Result<bool, Answer> {
        match self.committer.decide(decisions).await {
            Ok(written) => Ok(written.iter().any(|written| written.outcome == Outcome::Updated)),
            Err(WriteError::Changed) => Err(changed()),
            Err(WriteError::Draft(fault)) => Err(Answer::refused("RECORD_UNKNOWN", fault)),
            Err(error) => Err(Answer::failed(error)),
        }
    }

    /// What is to be decided, and what there is to say of the value that was stated for it.
    fn resolution(&self, resolution: Resolution) -> Result<(Decision, Vec<Finding>), Answer> {
        let (record, open) = self.open_conflicts(&resolution.id)?;
        let field = match (resolution.field, open.as_slice()) {
            (Some(field), open) if open.contains(&field) => field,
            (None, [only]) => only.clone(),
            (_, open) => {
                let open = open.join(", ");
                let reason = format!("chọn --field trong: {open} · choose --field among: {open}");
                return Err(Answer::refused("CONFLICT_UNKNOWN", reason));
            }
        };
        let reason = reason_of(&resolution.reason)?;
        let (_, candidates) = record.candidates(&field).unwrap_or_default();
        let sides = sides(&record, &field);
        let named = |dot: &Dot| format!("{}:{}", dot.replica, dot.sequence);
        if resolution.seen.is_some_and(|seen| seen != sides.iter().map(named).collect()) {
            return Err(changed());
        }
        let mut warnings = Vec::new();
        let value = match (resolution.pick, resolution.value) {
            (Some(pick), None) => {
                let picked = pick.checked_sub(1).and_then(|at| candidates.get(at));
                let picked = picked.map(|candidate| candidate.value.clone());
                // Beyond the withdrawals of a record stand the edits they did not see.
                match picked {
                    Some(value) => value,
                    None if field == path::WITHDRAWN && (1..=sides.len()).contains(&pick) => Value::Null,
                    None => {
                        let sides = sides.len();
                        let reason = format!("--pick từ 1 đến {sides} · --pick is between 1 and {sides}");
                        return Err(Answer::refused("PICK_RANGE", reason));
                    }
                }
            }
            (None, Some(text)) => self.stated(&record, &field, &text, &mut warnings)?,
            _ => {
                let reason = "cần --pick hoặc --value · either --pick or --value is needed";
                return Err(Answer::refused("PICK_RANGE", reason));
            }
        };
        let province = &self.secrets.profile.province;
        let others = candidates.iter().filter(|candidate| candidate.unit != *province);
        let answered = others
            .map(|candidate| Answered { dot: candidate.dot, taken: candidate.value == value })
            .collect();
        let withdraws = Withdrawal::of(&value).filter(|_| field == path::WITHDRAWN);
        let (intent, values) = match &withdraws {
            // To withdraw is to have seen what is there now: the list of what was seen is made anew.
            Some(_) => {
                let text = Value::Text(reason.clone());
                let mut values = BTreeMap::from([(field.clone(), text)]);
                // One that was merged is out because of that, and goes on leading to the other.
                let (_, into) = record.candidates(path::INTO).unwrap_or_default();
                let merged = into.iter().any(|into| candidates.iter().any(|side| side.dot == into.dot));
                if let Some(merging) = record.merging().filter(|_| merged) {
                    values.insert(path::INTO.to_owned(), merging.to_value());
                }
                (Intent::Withdraw(record.id), values)
            }
            None => (
                Intent::Amend(record.id),
                BTreeMap::from([(field.clone(), value), (path::WHY.to_owned(), Value::Text(reason.clone()))]),
            ),
        };
        let decision = Decision {
            draft: Draft {
                record_type: record.record_type.clone(),
                owner: province.clone(),
                values,
                intent,
                author: resolution.actor,
            },
            record: record.id,
            field,
            owner: record.owner,
            answered,
            seen: Some(sides),
            reason,
        };
        Ok((decision, warnings))
    }

    /// A value a person typed, judged as a sheet's cell would be.
    fn stated(
        &self,
        record: &Record,
        field: &str,
        text: &str,
        warnings: &mut Vec<Finding>,
    ) -> Result<Value, Answer> {
        let declared = known_type(&self.catalogue, &record.record_type)?;
        if declared.field(field).is_none() || field.contains('/') {
            let reason = format!("{field}: chỉ chọn được bằng --pick · can only be settled with --pick");
            return Err(Answer::refused("COLUMN_UNKNOWN", reason));
        }
        let context = JudgeContext {
            catalogue: &self.catalogue,
            today: self.quality.today(),
            scope: UnitScope::Any(self.secrets.profile.province.clone()),
        };
        let cells = [(field.to_owned(), RawCell::Text(text.to_owned()))];
        let judged = judge_row(declared, &cells, &context);
        if let Some(found) = judged.errors.iter().find(|found| found.column.as_deref() == Some(field)) {
            let reason = format!("{} · {}", found.message.vi, found.message.en);
            return Err(Answer::refused(&found.rule, reason));
        }
        let of_field = |found: &Finding| found.column.as_deref() == Some(field);
        warnings.extend(judged.warnings.into_iter().filter(of_field));
        judged.values.get(field).cloned().ok_or_else(|| {
            Answer::refused("REQ_MISSING", format!("{field}: không có giá trị · there is no value"))
        })
    }

    fn transfer_of(&self, transfer: Transfer) -> Result<Decision, Answer> {
        let declared = known_type(&self.catalogue, &transfer.record_type)?;
        let tree = self.tree();
        let to = tree.get(&transfer.to).filter(|unit| unit.kind != UnitKind::Agency);
        if to.is_none() {
            let reason = match tree.ending(&transfer.to) {
                Some(ending) => format!(
                    "đơn vị {0} đã kết thúc, kế thừa: {1} · unit {0} has ended, its successors are {1}",
                    transfer.to,
                    codes(&ending.successors)
                ),
                None => format!("không có đơn vị {0} · there is no unit {0}", transfer.to),
            };
            return Err(Answer::refused("CODE_UNKNOWN", reason));
        }
        let records = self.records();
        let records = Records { unit: transfer.unit.as_ref().unwrap_or(records.unit), ..records };
        let found = records.get(declared, &transfer.id).map_err(Answer::failed)?;
        let record = found.filter(|record| !record.is_withdrawn()).ok_or_else(|| {
            let reason =
                "không tìm thấy bản ghi, hoặc đã thu hồi · there is no such record, or it is withdrawn";
            Answer::refused("RECORD_UNKNOWN", reason)
        })?;
        if record.owner.as_ref() == Some(&transfer.to) {
            let reason = format!("bản ghi đã thuộc {0} · the record is {0}’s already", transfer.to);
            return Err(Answer::refused("UNIT_SAME", reason));
        }
        let reason = reason_of(&transfer.reason)?;
        let mut values = BTreeMap::from([
            (path::UNIT.to_owned(), Value::Unit(transfer.to.clone())),
            (path::WHY.to_owned(), Value::Text(reason.clone())),
        ]);
        if let Some(field) = declared.owner_field() {
            values.insert(field.to_owned(), Value::Unit(transfer.to));
        }
        Ok(Decision {
            draft: Draft {
                record_type: declared.name.clone(),
                owner: self.secrets.profile.province.clone(),
                values,
                intent: Intent::Amend(record.id),
                author: transfer.actor,
            },
            record: record.id,
            field: path::UNIT.to_owned(),
            owner: record.owner,
            answered: Vec::new(),
            seen: None,
            reason,
        })
    }
}

fn changed() -> Answer {
    Answer::refused("CONFLICT_CHANGED", WriteError::Changed)
}

/// The changes that stand side by side in a field; beside withdrawals the edits they did not see.
fn sides(record: &Record, field: &str) -> BTreeSet<Dot> {
    let (_, candidates) = record.candidates(field).unwrap_or_default();
    let unseen = record.unseen().filter(|_| field == path::WITHDRAWN).map(|(dot, _)| dot);
    candidates.iter().map(|candidate| candidate.dot).chain(unseen).collect()
}
