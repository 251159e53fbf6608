//! What the course of a record's type asks for: its history, where something was written over its state or its lock.

use lienthong_proto::catalogue::{Catalogue, Course};
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::{Subject, Written};
use lienthong_proto::value::Value;

use super::kept::subject;
use crate::dataset::{Dataset, DatasetError, Record, RecordState, Source};

/// Changes without live values that are read of one record's history, the latest: whoever writes a record over for ever
/// makes judging it no dearer. What lies before is a past nobody knows, and is not judged.
pub(super) const PAST_READ_MAX: usize = 1_024;

/// A record as the rules see it, with its history if its course asks for it; nothing of one that is withdrawn, has no
/// owner yet or is not there.
pub(super) fn judged(
    dataset: &Dataset,
    catalogue: &Catalogue,
    record_type: &str,
    id: RecordId,
) -> Result<Option<Subject>, DatasetError> {
    let Some(state) = dataset.state(record_type, id)? else { return Ok(None) };
    let record = Record::read(dataset.entries(), catalogue, record_type, id, &state)?;
    let Some(mut subject) = subject(&record) else { return Ok(None) };
    lead(dataset, catalogue, &mut subject)?;
    let course = catalogue.record_type(record_type).and_then(|declared| declared.course.as_ref());
    if course.is_some_and(|course| asks_for_history(course, &state, &record)) {
        subject.history = history(dataset, record_type, id, &state)?;
    }
    Ok(Some(subject))
}

/// References to a record that was found to be one with another mean the one that stays.
fn lead(dataset: &Dataset, catalogue: &Catalogue, subject: &mut Subject) -> Result<(), DatasetError> {
    let Some(declared) = catalogue.record_type(&subject.record_type) else { return Ok(()) };
    for (path, value) in &mut subject.values {
        let Some(target) = declared.field(path).and_then(|field| field.target.as_deref()) else { continue };
        let values = match value {
            Value::List(values) => values.as_mut_slice(),
            value => std::slice::from_mut(value),
        };
        for value in values {
            if let Value::Reference(id) = value {
                *id = dataset.led(target, *id)?;
            }
        }
    }
    Ok(())
}

/// Whether the state was ever written over, or there is another change beside the one that locks. Of all other
/// records, most of them, what is shown is enough.
fn asks_for_history(course: &Course, state: &RecordState, record: &Record) -> bool {
    let Some(register) = state.registers.get(&course.state) else { return false };
    let rewritten = register.siblings.len() > 1 || !register.superseded.is_empty();
    let locked = matches!(record.shown(&course.state), Some(Value::Code(code)) if course.is_locked(code));
    rewritten || (locked && state.sources.len() > 1)
}

/// The admitted changes of a record: those with live values, and the latest of the others. What was erased of it is no
/// part of its history any more.
fn history(
    dataset: &Dataset,
    record_type: &str,
    id: RecordId,
    state: &RecordState,
) -> Result<Vec<Written>, DatasetError> {
    let admitted = dataset.history(record_type, id)?.into_iter().filter(|past| !past.kept_out);
    let (live, mut past): (Vec<Source>, Vec<Source>) =
        admitted.map(|past| past.source).partition(|source| state.sources.contains_key(&source.dot));
    if past.len() > PAST_READ_MAX {
        past.sort_unstable_by_key(|source| std::cmp::Reverse((source.effective, source.dot)));
        past.truncate(PAST_READ_MAX);
    }
    let mut history = Vec::with_capacity(live.len() + past.len());
    for source in live.into_iter().chain(past) {
        let bytes = dataset.entries().entry(source.at)?;
        let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) else { continue };
        history.push(Written {
            dot: source.dot,
            effective: source.effective,
            proposal: source.proposal,
            writes: change.writes,
        });
    }
    Ok(history)
}
