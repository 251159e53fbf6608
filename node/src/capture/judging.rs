//! Rows are judged, doubles told by their hashes, and everything counted.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use lienthong_proto::catalogue::{Class, FieldKind, RecordType};
use lienthong_proto::rules::{SECRECY, UNIT_NAME, names_unit, tells_secrecy};
use serde_json::Value;

use super::cell::finding;
use super::doubles::Doubles;
use super::jsonl::{self, Line};
use super::letters::unread;
use super::{
    CapturedRow, FileSummary, Finding, Judge, RawCell, RowJudgement, SKIPPED_LISTED_MAX, SkippedRow, Verdict,
    header,
};

/// Names of unknown keys remembered: a hostile file may name a new one on every line.
const NAMES_MAX: usize = 1_000;

/// A row that was judged, but for doubles.
pub(super) struct Judged {
    pub(super) sheet: Option<Arc<str>>,
    pub(super) row: u64,
    pub(super) judgement: RowJudgement,
}

/// What there is to say besides rows.
#[derive(Default)]
pub(super) struct Told {
    pub(super) skipped: u64,
    pub(super) skipped_rows: Vec<SkippedRow>,
    pub(super) warnings: Vec<Finding>,
    pub(super) omitted: bool,
}

impl Told {
    /// Notes a row that is no record.
    pub(super) fn skip(&mut self, sheet: Option<Arc<str>>, row: u64) {
        self.skipped += 1;
        if self.skipped_rows.len() < SKIPPED_LISTED_MAX {
            self.skipped_rows.push(SkippedRow { sheet, row });
        }
    }
}

/// Judges rows and hands them on.
pub(super) struct Judging<'a> {
    record_type: &'a RecordType,
    judge: &'a mut dyn Judge,
    sink: &'a mut dyn FnMut(CapturedRow) -> ControlFlow<()>,
    doubles: Doubles<'a>,
    summary: FileSummary,
    said: BTreeSet<String>,
    pub(super) told: Told,
}

impl<'a> Judging<'a> {
    pub(super) fn new(
        record_type: &'a RecordType,
        judge: &'a mut dyn Judge,
        sink: &'a mut dyn FnMut(CapturedRow) -> ControlFlow<()>,
    ) -> Self {
        let (doubles, summary) = (Doubles::new(record_type), FileSummary::default());
        Self { record_type, judge, sink, doubles, summary, said: BTreeSet::new(), told: Told::default() }
    }

    pub(super) fn record_type(&self) -> &'a RecordType {
        self.record_type
    }

    pub(super) fn judge(&mut self, cells: &[(String, RawCell)]) -> RowJudgement {
        self.judge.judge(self.record_type, cells)
    }

    /// Judges a line's object; what is none is a bad line.
    pub(super) fn object(&mut self, number: u64, line: Line) -> ControlFlow<()> {
        let Line { object, mut twice } = line;
        let Some(mut object) = object else {
            let error = finding(
                "LINE_SYNTAX",
                None,
                "Dòng không phải một đối tượng JSON hợp lệ (tối đa 64 KiB)".to_owned(),
                "the line is not one JSON object of at most 64 KiB".to_owned(),
            );
            let judgement = RowJudgement { errors: vec![error], ..RowJudgement::default() };
            return self.finish(Judged { sheet: None, row: number, judgement });
        };
        // Our own exports hold the values under `fields`; what stands there was taken in once, letters and all.
        let ours = object.contains_key("id");
        let mut exported = false;
        if let Some(Value::Object(fields)) = object.get_mut("fields") {
            object = std::mem::take(fields);
            exported = ours;
        }
        let mut items: Vec<Vec<(String, RawCell)>> = Vec::new();
        let mut own: Vec<(String, RawCell)> = Vec::new();
        for (name, value) in &object {
            let of_items = self.record_type.fields.iter().find(|field| field.name == *name);
            if let (Some(FieldKind::Items), Value::Array(values)) = (of_items.map(|field| field.kind), value)
            {
                for item in values.iter().filter_map(Value::as_object) {
                    let mut cells = Vec::new();
                    item.iter().for_each(|(name, value)| self.key(name, value, &mut cells, &mut twice));
                    items.push(cells);
                }
            } else {
                self.key(name, value, &mut own, &mut twice);
            }
        }
        let cells = own.iter().chain(items.iter().flatten()).filter(|_| !exported);
        let unread: Vec<_> = cells.filter_map(|(name, cell)| unread(name, cell)).collect();
        let mut judgement = self.judge(&own);
        judgement.errors.extend(unread);
        // Each item is judged beside the record's own values, as if it stood in a row of its own.
        for mut item in items {
            item.extend(own.iter().cloned());
            let with_item = self.judge(&item);
            judgement.values.extend(with_item.values);
            let news = |all: &[Finding], one: Vec<Finding>| {
                one.into_iter().filter(|found| !all.contains(found)).collect::<Vec<_>>()
            };
            let (errors, warnings) =
                (news(&judgement.errors, with_item.errors), news(&judgement.warnings, with_item.warnings));
            judgement.errors.extend(errors);
            judgement.warnings.extend(warnings);
        }
        if let Some(name) = twice {
            let vi = "Trường được ghi hai lần trong một dòng".to_owned();
            judgement.errors.push(finding("ROW_SHAPE", Some(&name), vi, "the field stands twice".to_owned()));
        }
        self.finish(Judged { sheet: None, row: number, judgement })
    }

    fn key(
        &mut self,
        name: &str,
        value: &Value,
        cells: &mut Vec<(String, RawCell)>,
        twice: &mut Option<String>,
    ) {
        match header::field_of(self.record_type, name) {
            Some(field) if field.class == Class::C4 => {
                self.told.omitted = true;
                self.say_once(name, Some(header::omitted(field)));
            }
            Some(field) if cells.iter().any(|(other, _)| *other == field.name) => {
                *twice = Some(field.name.clone());
            }
            Some(field) => cells.push((field.name.clone(), jsonl::raw(value))),
            None if names_unit(self.record_type, name)
                && !cells.iter().any(|(other, _)| other == UNIT_NAME) =>
            {
                cells.push((UNIT_NAME.to_owned(), jsonl::raw(value)));
            }
            None if tells_secrecy(self.record_type, name)
                && !cells.iter().any(|(other, _)| other == SECRECY) =>
            {
                cells.push((SECRECY.to_owned(), jsonl::raw(value)));
            }
            None if self.said.len() < NAMES_MAX => {
                self.say_once(name, header::unknown(self.record_type, name));
            }
            None => {}
        }
    }

    fn say_once(&mut self, name: &str, warning: Option<Finding>) {
        if self.said.insert(name.to_owned()) {
            self.told.warnings.extend(warning);
        }
    }

    fn count(&mut self, rule: &str) {
        if let Some(count) = self.summary.classes.get_mut(rule) {
            *count += 1;
        } else {
            self.summary.classes.insert(rule.to_owned(), 1);
        }
    }

    /// What the file held; `warnings` are the reader's, said before those found in rows.
    pub(super) fn end(mut self, sha256: [u8; 32], mut warnings: Vec<Finding>) -> FileSummary {
        warnings.append(&mut self.told.warnings);
        for warning in &warnings {
            self.count(&warning.rule);
        }
        let Told { skipped, skipped_rows, omitted, .. } = self.told;
        FileSummary { sha256, skipped, skipped_rows, omitted, warnings, ..self.summary }
    }

    /// Tells a double, counts, and hands the row on.
    pub(super) fn finish(&mut self, judged: Judged) -> ControlFlow<()> {
        let Judged { sheet, row, mut judgement } = judged;
        self.summary.rows += 1;
        let mut verdict = Verdict::Good;
        if judgement.errors.is_empty() {
            match self.doubles.note(row, sheet.as_ref(), &judgement) {
                Ok(None) => {}
                Ok(Some(of)) => verdict = Verdict::Duplicate { of },
                Err(conflict) => judgement.errors.push(conflict),
            }
        }
        if !judgement.errors.is_empty() {
            verdict = Verdict::Rejected;
            self.summary.rejected += 1;
        }
        if matches!(verdict, Verdict::Duplicate { .. }) {
            self.summary.duplicates += 1;
            self.count("DUP");
        }
        for found in judgement.errors.iter().chain(&judgement.warnings) {
            self.count(&found.rule);
        }
        (self.sink)(CapturedRow { sheet, row, judgement, verdict })
    }
}
