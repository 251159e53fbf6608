//! A course becomes a plan: its rules, with what to say of each illegal step.

use std::collections::{BTreeMap, BTreeSet};

use super::course::Fault;
use super::{RuleIndex, RuleInfo, RuleKind};
use crate::catalogue::{CodeList, Course, Dimension, Label, Passage, RecordType, Severity};

/// A course, compiled.
#[derive(Debug)]
pub(super) struct CoursePlan {
    /// As declared.
    pub(super) course: Course,
    /// The states.
    pub(super) codes: BTreeSet<String>,
    /// The rule of a step that has none of its own.
    step: RuleIndex,
    /// The rules of the steps that can be illegal; all of one id, each with its states in the message.
    steps: BTreeMap<(Option<String>, Option<String>), RuleIndex>,
    /// The rule of changes while the record is locked.
    pub(super) lock: RuleIndex,
}

impl CoursePlan {
    /// The plan of a type's course; `push` takes each rule in.
    ///
    /// # Errors
    /// What `push` answers with.
    pub(super) fn compile(
        declared: &RecordType,
        course: &Course,
        list: &CodeList,
        push: &mut dyn FnMut(RuleInfo) -> Result<RuleIndex, String>,
    ) -> Result<Self, String> {
        let info = |id: &str, message: Label| RuleInfo {
            id: id.to_owned(),
            record_type: Some(declared.name.clone()),
            field: Some(course.state.clone()),
            severity: Severity::Error,
            dimension: Dimension::Dung,
            kind: RuleKind::Record,
            message,
        };
        let step = push(info(&course.rule, any_step()))?;
        let lock = match &course.lock {
            Some(lock) => push(RuleInfo { field: None, ..info(&lock.rule, changed()) })?,
            None => step,
        };
        let label = |code: &str| list.codes.iter().find(|known| known.code == code).map(|known| &known.label);
        let codes: BTreeSet<String> = list.codes.iter().map(|code| code.code.clone()).collect();
        let reason = course.reopen.as_ref().map(|reopen| {
            let field = declared.field(&reopen.field).map(|field| field.label.clone()).unwrap_or_default();
            (reopen.rule.as_str(), field)
        });
        let mut steps = BTreeMap::new();
        for from in codes.iter().map(Some).chain([None]) {
            for to in codes.iter().map(Some).chain([None]) {
                let labels = (from.and_then(|from| label(from)), to.and_then(|to| label(to)));
                let (id, message) = match (from, to, labels) {
                    (Some(from), Some(to), (Some(one), Some(other))) if from != to => {
                        match (course.passage(from, to), &reason) {
                            (Passage::Free, _) => continue,
                            (Passage::WithReason, Some((id, field))) => (*id, no_reason(one, other, field)),
                            _ => (course.rule.as_str(), no_step(one, other)),
                        }
                    }
                    (None, Some(to), (_, Some(other))) if !course.may_begin(to) => {
                        (course.rule.as_str(), no_beginning(other))
                    }
                    (Some(from), None, (Some(one), _)) if course.is_locked(from) => {
                        (course.rule.as_str(), cleared(one))
                    }
                    _ => continue,
                };
                steps.insert((from.cloned(), to.cloned()), push(info(id, message))?);
            }
        }
        Ok(Self { course: course.clone(), codes, step, steps, lock })
    }

    /// The rule an illegal step breaks.
    pub(super) fn rule_of(&self, fault: &Fault) -> RuleIndex {
        self.steps.get(&(fault.from.clone(), fault.to.clone())).copied().unwrap_or(self.step)
    }
}

fn any_step() -> Label {
    Label {
        vi: "trạng thái này không tiếp sau trạng thái trước: ghi lại trạng thái trước hoặc trạng thái đi tiếp được"
            .to_owned(),
        en: "this state does not follow the one before: put it back, or state one that may follow".to_owned(),
    }
}

fn no_step(from: &Label, to: &Label) -> Label {
    Label {
        vi: format!(
            "không chuyển từ “{}” sang “{}” được: ghi lại trạng thái trước hoặc trạng thái đi tiếp được",
            from.vi, to.vi
        ),
        en: format!(
            "no step leads from “{}” to “{}”: put the state back, or state one that may follow",
            from.en, to.en
        ),
    }
}

fn no_reason(from: &Label, to: &Label, field: &Label) -> Label {
    Label {
        vi: format!(
            "chuyển từ “{}” về “{}” phải có lý do: ghi lại trạng thái cùng với “{}”",
            from.vi, to.vi, field.vi
        ),
        en: format!(
            "a step from “{}” to “{}” needs a reason: state it again together with “{}”",
            from.en, to.en, field.en
        ),
    }
}

fn no_beginning(to: &Label) -> Label {
    Label {
        vi: format!("bản ghi không bắt đầu ở “{}”: ghi trạng thái đầu trước", to.vi),
        en: format!("a record does not begin with “{}”: state its first state before", to.en),
    }
}

fn cleared(from: &Label) -> Label {
    Label {
        vi: format!("bản ghi đã khóa ở “{}” mà bị xóa trạng thái: ghi lại trạng thái", from.vi),
        en: format!("locked by “{}”, and its state was cleared: state it again", from.en),
    }
}

fn changed() -> Label {
    Label {
        vi: "bản ghi đã khóa mà giá trị này bị sửa: ghi lại giá trị cũ, hoặc mở lại bản ghi có lý do"
            .to_owned(),
        en: "changed while the record was locked: put the value back, or open the record again with a reason"
            .to_owned(),
    }
}
