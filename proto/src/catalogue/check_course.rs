//! What can be wrong in a type's course: names of fields and states, states nobody can come to, locks without a key.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::in_both;

use super::{Catalogue, Class, Course, Field, FieldKind, RecordType};

/// Checks the course of one type.
///
/// # Errors
/// What is wrong.
pub(super) fn check_course(catalogue: &Catalogue, declared: &RecordType) -> Result<(), String> {
    let Some(course) = &declared.course else { return Ok(()) };
    check(catalogue, declared, course).map_err(|reason| in_both("tiến trình", "course", &reason))
}

fn check(catalogue: &Catalogue, declared: &RecordType, course: &Course) -> Result<(), String> {
    let state = field(declared, &course.state)?;
    let list = state.codes.as_deref().filter(|_| state.kind == FieldKind::Code);
    let Some(list) = list.and_then(|list| catalogue.code_list(list)) else {
        return Err(format!("{0} không phải trường kiểu mã · {0} is no field of type code", state.name));
    };
    let codes: BTreeSet<&str> = list.codes.iter().map(|code| code.code.as_str()).collect();
    let known = |code: &str| match codes.contains(code) {
        true => Ok(()),
        false => Err(format!("{code} không phải mã của {0} · {code} is no code of {0}", list.name)),
    };
    let none = BTreeMap::new();
    let reopening = course.reopen.as_ref().map_or(&none, |reopen| &reopen.steps);
    let locked = course.lock.as_ref().map_or(&[][..], |lock| &lock.states);
    course.first.iter().chain(locked).try_for_each(|code| known(code))?;
    let steps: Vec<(&str, &str)> = pairs(&course.steps).chain(pairs(reopening)).collect();
    let mut seen = BTreeSet::new();
    for (from, to) in &steps {
        known(from)?;
        known(to)?;
        if from == to {
            return Err(format!(
                "{from} dẫn về chính nó, không phải bước · {from} leads to itself, which is no step"
            ));
        }
        if !seen.insert((from, to)) {
            return Err(format!(
                "bước từ {from} đến {to} có hai lần · the step from {from} to {to} stands twice"
            ));
        }
    }
    check_reachable(course, &codes, &steps)?;
    check_reopening(declared, course)?;
    check_lock(declared, course)
}

fn check_reachable(course: &Course, codes: &BTreeSet<&str>, steps: &[(&str, &str)]) -> Result<(), String> {
    let mut reached: BTreeSet<&str> = codes.iter().copied().filter(|code| course.may_begin(code)).collect();
    // Each round reaches one more, or nothing more is to be reached.
    for _ in codes {
        reached.extend(
            steps.iter().filter(|(from, _)| reached.contains(from)).map(|(_, to)| *to).collect::<Vec<_>>(),
        );
    }
    match codes.difference(&reached).next() {
        Some(state) => Err(format!("không bước nào dẫn đến {state} · no step leads to {state}")),
        None => Ok(()),
    }
}

fn check_reopening(declared: &RecordType, course: &Course) -> Result<(), String> {
    let Some(reopen) = &course.reopen else { return Ok(()) };
    let reason = field(declared, &reopen.field)?;
    if !matches!(reason.kind, FieldKind::Text | FieldKind::LongText) {
        return Err(format!("lý do {0} không phải văn bản · the reason {0} is no text", reason.name));
    }
    if reason.class == Class::C4 {
        return Err(format!(
            "lý do {0} không bao giờ được lưu · the reason {0} is never stored",
            reason.name
        ));
    }
    Ok(())
}

fn check_lock(declared: &RecordType, course: &Course) -> Result<(), String> {
    let Some(lock) = &course.lock else { return Ok(()) };
    for excepted in &lock.except {
        field(declared, excepted)?;
    }
    for state in &lock.states {
        let leaves =
            |steps: &BTreeMap<String, Vec<String>>| steps.get(state).is_some_and(|to| !to.is_empty());
        if leaves(&course.steps) {
            return Err(format!(
                "{state} khóa bản ghi mà rời đi không cần lý do · {state} locks the record, and is left without a reason"
            ));
        }
        if !course.reopen.as_ref().is_some_and(|reopen| leaves(&reopen.steps)) {
            return Err(format!(
                "{state} khóa bản ghi mà không gì mở lại · {state} locks the record, and nothing opens it again"
            ));
        }
    }
    Ok(())
}

fn pairs(steps: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (&str, &str)> {
    steps.iter().flat_map(|(from, after)| after.iter().map(|to| (from.as_str(), to.as_str())))
}

fn field<'a>(declared: &'a RecordType, name: &str) -> Result<&'a Field, String> {
    let found = declared.fields.iter().find(|field| field.name == name);
    found.ok_or_else(|| format!("{0} không có trường {name} · {0} has no field {name}", declared.name))
}
