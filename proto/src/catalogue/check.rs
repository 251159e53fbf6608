//! What can be wrong in a type's rules without compiling them: names of fields, types and days.

use std::collections::BTreeSet;

use crate::text::in_both;

use super::{Catalogue, Cross, FieldKind, Matching, RecordType, Rule};

/// Checks the rules, expectations and duplicates of one type.
///
/// # Errors
/// What is wrong, naming the rule.
pub(super) fn check_rules(catalogue: &Catalogue, declared: &RecordType) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for rule in &declared.rules {
        if !seen.insert(rule.id.as_str()) {
            return Err(format!("khai báo quy tắc {0} hai lần · declares the rule {0} twice", rule.id));
        }
        check_rule(catalogue, declared, rule).map_err(|reason| of_rule(&rule.id, &reason))?;
    }
    for rule in declared.course.iter().flat_map(super::Course::rules) {
        if !seen.insert(rule) {
            return Err(format!("khai báo quy tắc {rule} hai lần · declares the rule {rule} twice"));
        }
    }
    for expected in &declared.expectations {
        let fault = |reason: String| {
            in_both(&format!("chờ có {}", expected.id), &format!("expect {}", expected.id), &reason)
        };
        if !seen.insert(expected.id.as_str()) {
            return Err(format!("khai báo quy tắc {0} hai lần · declares the rule {0} twice", expected.id));
        }
        if let Some(year) = &expected.year {
            plain(declared, year).map_err(fault)?;
        }
        if expected.due.as_deref().is_some_and(|due| month_and_day(due).is_none()) {
            return Err(fault("`due` là tháng và ngày, MM-DD · `due` is month and day, MM-DD".to_owned()));
        }
    }
    if let Some(field) = &declared.kept_once
        && plain(declared, field)?.kind != FieldKind::Boolean
    {
        return Err(format!(
            "kept_once: {field} không phải trường có/không · kept_once: {field} is no boolean"
        ));
    }
    let duplicates = declared.duplicates.iter();
    let named = duplicates.flat_map(|duplicates| {
        let proposed = duplicates.propose.iter().flatten().chain(&duplicates.similar);
        proposed.chain(duplicates.evidence.iter().map(|evidence| &evidence.field))
    });
    for field in named {
        plain(declared, field).map_err(|reason| in_both("trùng lặp", "duplicates", &reason))?;
    }
    Ok(())
}

fn check_rule(catalogue: &Catalogue, declared: &RecordType, rule: &Rule) -> Result<(), String> {
    let ways = [rule.cel.is_some(), rule.late.is_some(), rule.cross.is_some()];
    if ways.into_iter().filter(|there| *there).count() != 1 {
        return Err(
            "cần đúng một trong `cel`, `late`, `cross` · needs exactly one of `cel`, `late`, `cross`"
                .to_owned(),
        );
    }
    let alike = matches!(rule.cross, Some(Cross::Unique { .. } | Cross::Similar { .. }));
    if rule.at_import.is_some() && !alike && rule.cel.is_none() {
        return Err(
            "`at_import` đi với `cel`, `unique` hay `similar` · `at_import` goes with `cel`, `unique` or `similar`"
                .to_owned(),
        );
    }
    let mut scope = &declared.fields;
    if let Some(each) = &rule.each {
        let items = plain(declared, each)?;
        if items.kind != FieldKind::Items || rule.cross.is_some() {
            return Err(format!(
                "`each` đi với `cel` hay `late` trên các mục, {each} không có mục · `each` goes with `cel` or `late` over items, {each} has none"
            ));
        }
        scope = &items.fields;
    }
    let known = |name: &String| {
        scope
            .iter()
            .find(|field| field.name == met_by(name).0)
            .ok_or_else(|| format!("không có trường {name} · there is no field {name}"))
    };
    if let Some(field) = &rule.field {
        known(field)?;
    }
    if let Some(late) = &rule.late {
        if late.months > MONTHS_MAX {
            return Err(format!("`late`: tối đa {MONTHS_MAX} tháng · `late`: at most {MONTHS_MAX} months"));
        }
        if known(&late.after)?.kind != FieldKind::Date {
            return Err(format!("{0} không phải ngày · {0} is no date", late.after));
        }
    }
    let Some(cross) = &rule.cross else { return Ok(()) };
    match cross {
        Cross::Unique { by, .. } | Cross::Similar { by } => {
            by.iter().try_for_each(|name| known(name).map(|_| ()))
        }
        Cross::Agrees { by, field } => by.iter().chain([field]).try_for_each(|name| known(name).map(|_| ())),
        Cross::Apart { by, from, to } => {
            by.iter().try_for_each(|name| known(name).map(|_| ()))?;
            for name in [from, to] {
                if known(name)?.kind != FieldKind::Date {
                    return Err(format!("{name} không phải ngày · {name} is no date"));
                }
            }
            Ok(())
        }
        Cross::Acyclic { by, to } => [by, to].into_iter().try_for_each(|name| known(name).map(|_| ())),
        Cross::Ranks { by, order } => {
            by.iter().try_for_each(|name| known(name).map(|_| ()))?;
            check_order(catalogue, declared, order)
        }
        Cross::Resolves { field } => {
            let reference = known(field)?.member_kind() == FieldKind::Reference;
            if reference {
                Ok(())
            } else {
                Err(format!("{field} không phải tham chiếu · {field} is no reference"))
            }
        }
        Cross::Absent(matching) => check_matching(catalogue, declared, matching),
        Cross::Exists(matching) => {
            single(matching)?;
            check_matching(catalogue, declared, matching)
        }
        Cross::Counts(matching) => {
            single(matching)?;
            known(matching.equals.as_ref().ok_or("`counts` cần `equals` · `counts` needs `equals`")?)?;
            check_matching(catalogue, declared, matching)
        }
        Cross::OneUnit {} => Ok(()),
    }
}

/// Ranks there may be: each record leaves a mark for every rank below its own.
const RANKS_MAX: usize = 100;
/// Months that may pass: a century.
const MONTHS_MAX: u32 = 1_200;

fn check_order(catalogue: &Catalogue, declared: &RecordType, order: &[String]) -> Result<(), String> {
    let mut ranks = 1_usize;
    for name in order {
        let list = plain(declared, name)?.codes.as_deref().and_then(|list| catalogue.code_list(list));
        let codes = list
            .ok_or_else(|| {
                format!("{name} không có danh mục mã để xếp bậc · {name} has no code list to rank by")
            })?
            .codes
            .len();
        ranks = ranks.saturating_mul(codes + 1);
    }
    if order.is_empty() || ranks > RANKS_MAX {
        return Err(format!(
            "`ranks` cần thứ tự không quá {RANKS_MAX} bậc, ở đây là {ranks} · `ranks` needs an order of at most {RANKS_MAX} ranks, this is one of {ranks}"
        ));
    }
    Ok(())
}

/// What all items say is looked for only to see that it is not there.
fn single(matching: &Matching) -> Result<(), String> {
    match matching.by.values().flat_map(|mine| mine.names()).find(|name| name.contains('/')) {
        Some(path) => Err(format!("{path} đi với `absent` · {path} goes with `absent`")),
        None => Ok(()),
    }
}

fn check_matching(catalogue: &Catalogue, mine: &RecordType, matching: &Matching) -> Result<(), String> {
    let Some(theirs) = catalogue.record_type(&matching.of) else {
        return Err(format!("không có loại bản ghi {0} · there is no record type {0}", matching.of));
    };
    for (their_field, my_fields) in &matching.by {
        if their_field != "_id" {
            plain(theirs, met_by(their_field).0)?;
        }
        for name in my_fields.names().iter().filter(|name| *name != "_id") {
            match name.split_once('/') {
                Some((items, subfield)) => {
                    let subfields = &plain(mine, items)?.fields;
                    if matching.or_unit || !subfields.iter().any(|field| field.name == subfield) {
                        return Err(format!("không có mục {name} · there are no items {name}"));
                    }
                }
                None => {
                    plain(mine, met_by(name).0)?;
                }
            }
        }
    }
    if let Some(preceding) = &matching.preceding {
        if matching.recent.is_some() {
            return Err("chỉ `recent` hoặc `preceding` · only one of `recent` and `preceding`".to_owned());
        }
        plain(theirs, &preceding.field)?;
        plain(mine, &preceding.field)?;
    }
    matching.recent.as_ref().map_or(Ok(()), |field| plain(theirs, field).map(|_| ()))
}

fn plain<'a>(declared: &'a RecordType, name: &str) -> Result<&'a super::Field, String> {
    let found = declared.fields.iter().find(|field| field.name == name);
    found.ok_or_else(|| format!("{0} không có trường {name} · {0} has no field {name}", declared.name))
}

/// What records meet by: a field's value, or something of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetBy {
    Value,
    /// The year it speaks of.
    Year,
    /// The unit in which the place it names is today.
    Commune,
}

/// The field that a name records meet by is of.
pub(crate) fn met_by(name: &str) -> (&str, MetBy) {
    let of = |suffix: &str, by: MetBy| name.strip_suffix(suffix).map(|field| (field, by));
    of("__year", MetBy::Year).or_else(|| of("__commune", MetBy::Commune)).unwrap_or((name, MetBy::Value))
}

/// What is wrong with a rule.
pub(crate) fn of_rule(id: &str, reason: &str) -> String {
    in_both(&format!("quy tắc {id}"), &format!("rule {id}"), reason)
}

/// Month and day of `MM-DD`.
pub(crate) fn month_and_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    jiff::civil::Date::new(2_000, month, day).ok().map(|_| (month, day))
}
