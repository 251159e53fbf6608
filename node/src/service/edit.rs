//! One record corrected field by field: what a person who has it before them changes, and nothing else.

use std::collections::BTreeMap;

use lienthong_proto::catalogue::{Class, Field, FieldKind, RecordType};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::{Finding, JudgeContext, RawCell, RowJudgement, judge_row};
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::RecordsService;
use super::records::missing;
use crate::capture::{Language, ReportedFinding, raw_cell, unread};
use crate::control::Answer;
use crate::dataset::Record;
use crate::replica::{Draft, Intent, Outcome, WriteError};

/// What is to be corrected of one record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Edit {
    /// Record type.
    pub record_type: String,
    /// Id or natural key.
    pub id: String,
    /// The unit whose numbers are meant; the replica's own otherwise.
    pub unit: Option<UnitCode>,
    /// Only the fields to be changed; null or blank clears one, an array of objects states items.
    pub fields: Map<String, Json>,
    /// Who corrects it.
    pub author: String,
    /// English messages.
    pub english: bool,
}

/// A record as it will be, judged, and what of it is stated anew.
#[derive(Default)]
struct Stated {
    values: BTreeMap<String, Value>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl RecordsService<'_> {
    /// Corrects a record the asker's unit owns. Everything is judged as a row of a sheet would be, the other
    /// fields beside it; with any error nothing is written. The answer is `{type, id, changed, warnings}`, or of
    /// an edit with errors `{error, rule: "FIELDS", errors, warnings}` with the field of each as `column`
    /// (`items/2/field` of an item, counted from 0).
    ///
    /// # Errors
    /// The refusal, as the answer to give.
    pub(super) fn edit(&self, declared: &RecordType, edit: Edit) -> Result<Answer, Answer> {
        let records = self.of(edit.unit.as_ref());
        let record = records.get(declared, &edit.id).map_err(Answer::failed)?.ok_or_else(missing)?;
        self.owned(&record)?;
        if record.is_withdrawn() {
            let reason = "bản ghi đã thu hồi: không sửa được · the record is withdrawn: it cannot be edited";
            return Err(Answer::refused("RECORD_WITHDRAWN", reason));
        }
        known_fields(declared, &edit.fields)?;
        let language = if edit.english { Language::En } else { Language::Vi };
        let stated = self.stated(declared, &record, &edit.fields);
        let reported = |found: &Finding| reported(found, language);
        let warnings: Vec<_> = stated.warnings.iter().map(reported).collect();
        if !stated.errors.is_empty() {
            let errors: Vec<_> = stated.errors.iter().map(reported).collect();
            let error = "có ô chưa đúng: chưa ghi gì · some fields are wrong: nothing was written";
            let body = json!({ "error": error, "rule": "FIELDS", "errors": errors, "warnings": warnings });
            return Ok(Answer { body, exit: 1 });
        }
        let draft = Draft {
            record_type: declared.name.clone(),
            owner: records.unit.clone(),
            values: stated.values,
            intent: Intent::Amend(record.id),
            author: edit.author,
        };
        let changed = !draft.values.is_empty() && self.written(draft)? != Outcome::Unchanged;
        let body =
            json!({ "type": declared.name, "id": record.id, "changed": changed, "warnings": warnings });
        Ok(Answer::done(body))
    }

    fn written(&self, draft: Draft) -> Result<Outcome, Answer> {
        let written = (self.write)(vec![draft]).into_iter().next();
        match written.ok_or_else(|| Answer::failed("nothing was written"))? {
            Ok(written) => Ok(written.outcome),
            Err(WriteError::Draft(fault)) => Err(Answer::refused("RECORD_UNKNOWN", fault)),
            Err(error) => Err(Answer::failed(error)),
        }
    }

    /// Judges the record as it will be. Of errors in fields nobody touched, only those count that what was
    /// changed has part in: somebody who mends one thing is not held up by another.
    fn stated(&self, declared: &RecordType, record: &Record, fields: &Map<String, Json>) -> Stated {
        let shown = record.fields_json();
        let before = self.judged_as(declared, &cells(declared, &shown, &Map::new()));
        let own = cells(declared, &shown, fields);
        let after = self.judged_as(declared, &own);
        let mut out = Stated::default();
        let touched =
            |found: &Finding| found.column.as_ref().is_none_or(|column| fields.contains_key(column));
        let old = |found: &Finding| before.errors.contains(found) && !touched(found);
        out.errors.extend(after.errors.iter().filter(|found| !old(found)).cloned());
        let anew = own.iter().filter(|(name, _)| fields.contains_key(name));
        out.errors.extend(anew.filter_map(|(name, cell)| unread(name, cell)));
        // A sheet's row is taken in without a cell that is left out; a person who typed it would find it gone.
        let left_out =
            |found: &Finding| found.column.as_ref().is_some_and(|column| !after.values.contains_key(column));
        for found in after.warnings.iter().filter(|found| touched(found)) {
            let list = if left_out(found) { &mut out.errors } else { &mut out.warnings };
            list.push(found.clone());
        }
        for field in declared.fields.iter().filter(|field| fields.contains_key(&field.name)) {
            match (field.kind, fields.get(&field.name)) {
                (FieldKind::Items, Some(Json::Array(items))) => {
                    for (place, item) in items.iter().enumerate() {
                        self.item(declared, (field, place), item, &own, record, &mut out);
                    }
                }
                _ => state(field, &after, record, &mut out),
            }
        }
        out
    }

    /// One item, judged beside the record's own values.
    fn item(
        &self,
        declared: &RecordType,
        (parent, place): (&Field, usize),
        item: &Json,
        own: &[(String, RawCell)],
        record: &Record,
        out: &mut Stated,
    ) {
        let Some(item) = item.as_object() else { return };
        let mut cells: Vec<_> = item.iter().map(|(name, value)| (name.clone(), raw_cell(value))).collect();
        let part = |name: &str| parent.fields.iter().any(|field| field.name == name);
        cells.retain(|(name, _)| part(name));
        let unread: Vec<_> = cells.iter().filter_map(|(name, cell)| unread(name, cell)).collect();
        cells.extend(own.iter().cloned());
        let judged = self.judged_as(declared, &cells);
        let lost = judged.warnings.into_iter().filter(|found| {
            let ends = found.column.as_ref().map(|column| format!("/{column}"));
            ends.is_some_and(|ends| !judged.values.keys().any(|path| path.ends_with(&ends)))
        });
        for found in judged.errors.into_iter().chain(lost).chain(unread) {
            if let Some(column) = found.column.clone().filter(|column| part(column)) {
                let column = Some(format!("{}/{place}/{column}", parent.name));
                out.errors.push(Finding { column, ..found });
            }
        }
        let within = format!("{}/", parent.name);
        let mut key = None;
        for (path, value) in judged.values.into_iter().filter(|(path, _)| path.starts_with(&within)) {
            key = path.rsplit_once('/').map(|(key, _)| key.to_owned());
            out.values.insert(path, value);
        }
        let Some(key) = key else { return };
        for name in item.keys().filter(|name| part(name)) {
            let path = format!("{key}/{name}");
            if !out.values.contains_key(&path) && has(record, &path) {
                out.values.insert(path, Value::Null);
            }
        }
    }

    fn judged_as(&self, declared: &RecordType, cells: &[(String, RawCell)]) -> RowJudgement {
        let today = self.now.day();
        let context = JudgeContext { catalogue: self.records.catalogue, today, scope: self.scope.clone() };
        judge_row(declared, cells, &context)
    }
}

/// The record's cells with what is stated in place of what is shown. What neither shows nor states has no cell: a field
/// that was always missing is a defect, not a reason to refuse another field's correction.
fn cells(
    declared: &RecordType,
    shown: &Map<String, Json>,
    stated: &Map<String, Json>,
) -> Vec<(String, RawCell)> {
    let own = declared.fields.iter().filter(|field| field.kind != FieldKind::Items);
    own.filter_map(|field| {
        let value = stated.get(&field.name).or_else(|| shown.get(&field.name))?;
        Some((field.name.clone(), raw_cell(value)))
    })
    .collect()
}

/// What is stated of a plain field: its value, or that it is cleared.
fn state(field: &Field, judged: &RowJudgement, record: &Record, out: &mut Stated) {
    if let Some(value) = judged.values.get(&field.name) {
        out.values.insert(field.name.clone(), value.clone());
    } else if has(record, &field.name) {
        out.values.insert(field.name.clone(), Value::Null);
    }
}

fn has(record: &Record, path: &str) -> bool {
    record.shown(path).is_some_and(|value| *value != Value::Null)
}

/// Whether a person may correct the field in place. The key makes the record's id, and its unit is changed by a
/// transfer; neither is corrected by an edit.
#[must_use]
pub fn is_editable(declared: &RecordType, field: &Field) -> bool {
    let fixed =
        declared.key.fields.contains(&field.name) || declared.owner_field() == Some(field.name.as_str());
    !fixed && field.class != Class::C4 && field.kind != FieldKind::Attachment
}

fn known_fields(declared: &RecordType, fields: &Map<String, Json>) -> Result<(), Answer> {
    for name in fields.keys() {
        let Some(field) = declared.fields.iter().find(|field| field.name == *name) else {
            let reason =
                format!("loại {0} không có trường {name} · type {0} has no field {name}", declared.name);
            return Err(Answer::refused("COLUMN_UNKNOWN", reason));
        };
        if !is_editable(declared, field) {
            let reason = format!(
                "“{}” không sửa tại chỗ được · {} cannot be edited in place",
                field.label.vi, field.label.en
            );
            return Err(Answer::refused("FIELD_FIXED", reason));
        }
    }
    Ok(())
}

fn reported(found: &Finding, language: Language) -> ReportedFinding {
    let Finding { column, value, rule, message } = found.clone();
    ReportedFinding { sheet: None, row: 0, column, value, rule, message: language.pick(message) }
}
