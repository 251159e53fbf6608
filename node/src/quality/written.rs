//! Which records a stretch of the log wrote to.

use std::collections::BTreeSet;

use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, Sequence};
use lienthong_proto::value::Value;

use super::QualityError;
use crate::dataset::{Dataset, DatasetError, EntryAt, Payload};

/// The records written to by the frames from `from` on, before `end`, until there are `limit`; and the log's size
/// behind the last of those frames. A change that left quarantine is written where its release stands.
pub(super) fn written(
    dataset: &Dataset,
    from: u64,
    end: u64,
    limit: usize,
) -> Result<(BTreeSet<(String, RecordId)>, u64), QualityError> {
    let entries = dataset.entries();
    let (mut found, mut next) = (BTreeSet::new(), from);
    let mut note = |at: EntryAt| -> Result<(), QualityError> {
        let bytes = entries.entry(at).map_err(DatasetError::from)?;
        if let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) {
            found.insert((change.record_type, change.record));
        }
        Ok(())
    };
    let mut many = 0;
    for frame in entries.log().clone().scan(Sequence(from)) {
        let (position, frame) = frame?;
        if frame.first.0 >= end || many >= limit {
            break;
        }
        next = frame.first.0 + u64::from(frame.count);
        if let Ok(Payload::Entry(entry)) = Payload::parse(&frame.payload)
            && let Ok(event) = Entry::decode(entry).and_then(|entry| Event::of(&entry))
        {
            if let Some(at) = released(dataset, &event)? {
                note(at)?;
                many += 1;
            }
            continue;
        }
        let count = entries.count(position).map_err(DatasetError::from)?;
        for index in 0..count {
            note(EntryAt { frame: position, index })?;
        }
        many += usize::from(count);
    }
    Ok((found, next))
}

/// The change a release event speaks of.
fn released(dataset: &Dataset, event: &Event) -> Result<Option<EntryAt>, QualityError> {
    let number = |name: &str| match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(ledger), Some(place)) = (number("ledger_index"), number("place")) else { return Ok(None) };
    if event.kind != "release" {
        return Ok(None);
    }
    let Some(frame) = dataset.entries().log().clone().scan(Sequence(ledger)).next() else { return Ok(None) };
    let (position, _) = frame?;
    Ok(u16::try_from(place).ok().map(|index| EntryAt { frame: position, index }))
}
