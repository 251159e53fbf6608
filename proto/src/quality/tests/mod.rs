//! The engine against examples, laws and random histories.

mod course;
mod duplicates;
mod engine;
mod laws;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::*;
use crate::catalogue::{Catalogue, Field, FieldKind};
use crate::ids::RecordId;
use crate::value::{Value, days_of};

/// 23/11/2026.
const TODAY: i32 = 20_780;
/// The unit of all records unless told.
const UNIT: &str = "11953";

static BOOK: LazyLock<RuleBook> =
    LazyLock::new(|| RuleBook::compile(Catalogue::embedded().unwrap()).unwrap());

fn id(number: u8) -> RecordId {
    RecordId([number; 16])
}

fn day(text: &str) -> i32 {
    days_of(text.parse::<jiff::civil::Date>().unwrap())
}

/// A value from text, by its field: `#7` is the record 7, lists are parted by `;`.
fn value_of(field: &Field, kind: FieldKind, text: &str) -> Value {
    if field.kind == FieldKind::List && kind == FieldKind::List {
        return Value::List(text.split(';').map(|part| value_of(field, field.member_kind(), part)).collect());
    }
    match kind {
        FieldKind::Text | FieldKind::LongText => Value::Text(text.to_owned()),
        FieldKind::Integer => Value::Integer(text.parse().unwrap()),
        FieldKind::Money => Value::Money(text.parse().unwrap()),
        FieldKind::Date => Value::Date(text.parse().unwrap_or_else(|_| day(text))),
        FieldKind::Boolean => Value::Boolean(text == "true"),
        FieldKind::Code => Value::Code(text.to_owned()),
        FieldKind::Unit => Value::Unit(text.parse().unwrap()),
        FieldKind::Timestamp => Value::Timestamp(crate::time::UnixMillis(text.parse().unwrap())),
        FieldKind::Reference => Value::Reference(id(text.trim_start_matches('#').parse().unwrap())),
        other => panic!("{other:?}"),
    }
}

/// Writes `field=value|field=value` into a subject; an empty value clears, `!` leads to what is no field, and
/// `~` before a value makes it text whatever the field is. `!steps=A>B>C+` is a history of states by one writer, a
/// `+` giving a reason; `!edited=field` says that the field was first written after them.
fn patch(subject: &mut Subject, text: &str) {
    let declared = Catalogue::embedded().unwrap().record_type(&subject.record_type).unwrap();
    for part in text.split('|').map(str::trim).filter(|part| !part.is_empty()) {
        let (path, text) = part.split_once('=').unwrap();
        match path {
            "!unit" => subject.unit = text.parse().unwrap(),
            "!claims" => subject.claims = vec![subject.unit.clone(), text.parse().unwrap()],
            "!conflicted" => subject.conflicted = text == "true",
            "!confirmed" => subject.confirmed = day(text),
            "!steps" => course::steps(subject, text),
            "!edited" => course::edited(subject, text),
            _ if text.is_empty() => {
                subject.values.remove(path);
            }
            _ => {
                let value = match text.strip_prefix('~') {
                    Some(text) => Value::Text(text.to_owned()),
                    None => {
                        let field = declared.field(path).unwrap_or_else(|| panic!("{path}"));
                        value_of(field, field.kind, text)
                    }
                };
                subject.values.insert(path.to_owned(), value);
            }
        }
    }
}

/// One line `type #id: field=value|…`.
fn subject(line: &str) -> Subject {
    let (head, fields) = line.split_once(": ").unwrap();
    let (record_type, number) = head.trim().split_once(" #").unwrap();
    let mut subject = Subject::new(record_type, id(number.parse().unwrap()), UNIT.parse().unwrap(), TODAY);
    patch(&mut subject, fields);
    subject
}

/// Records that agree with each other and break no rule.
fn good_world() -> BTreeMap<RecordId, Subject> {
    let world = include_str!("good_world.txt");
    world.lines().filter(|line| !line.is_empty()).map(subject).map(|subject| (subject.id, subject)).collect()
}

fn quality_of(world: &BTreeMap<RecordId, Subject>) -> MemoryQuality<'static> {
    let mut quality = MemoryQuality::new(&BOOK, TODAY);
    for subject in world.values() {
        quality.apply(subject.clone());
    }
    quality
}

/// The ids of the rules a record breaks.
fn broken(quality: &MemoryQuality<'_>, record: &RecordId, as_of: i32) -> Vec<String> {
    quality.defects(record, as_of).iter().map(|defect| BOOK.rule(defect.rule).id.clone()).collect()
}
