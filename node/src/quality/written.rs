//! Which records a stretch of the log wrote to.

use std::collections::BTreeSet;

use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Event;
use lienthong_proto::feed::FeedNote;
use lienthong_proto::ids::{RecordId, Sequence};
use lienthong_proto::value::Value;

use super::{QualityError, event};
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
    let mut many = 0;
    for frame in entries.log().clone().scan(Sequence(from)) {
        let (position, frame) = frame?;
        if frame.first.0 >= end || many >= limit {
            break;
        }
        next = frame.first.0 + u64::from(frame.count);
        // What other replicas say happened there decides nothing here.
        let own = !matches!(Payload::parse(&frame.payload), Ok(Payload::Accepted { .. }));
        let count = entries.count(position).map_err(DatasetError::from)?;
        if !own && count > 0 {
            let head = entries.entry(EntryAt { frame: position, index: 0 }).map_err(DatasetError::from)?;
            found.extend(decided(dataset, &head)?);
        }
        for index in 0..count {
            let bytes = entries.entry(EntryAt { frame: position, index }).map_err(DatasetError::from)?;
            let Ok(entry) = Entry::decode(&bytes) else { continue };
            match entry.header.kind {
                EntryKind::Change => found.extend(named(&entry)),
                EntryKind::Event if own => {
                    if let Ok(event) = Event::of(&entry) {
                        found.extend(concerned(dataset, &event)?);
                    }
                }
                EntryKind::Event | EntryKind::Acceptance => {}
            }
        }
        many += usize::from(count);
    }
    Ok((found, next))
}

/// The records of own changes that the notes of a piece of the feed decide on; none if they are no notes.
fn decided(dataset: &Dataset, head: &[u8]) -> Result<Vec<(String, RecordId)>, QualityError> {
    let mut found = Vec::new();
    for note in FeedNote::decode(head).unwrap_or_default() {
        let FeedNote::Verdict { sequence, .. } = note else { continue };
        let entries = dataset.entries();
        let Some(frame) = entries.log().clone().scan(sequence).next() else { continue };
        let (position, frame) = frame?;
        let Ok(index) = u16::try_from(sequence.0.saturating_sub(frame.first.0)) else { continue };
        let bytes = entries.entry(EntryAt { frame: position, index }).map_err(DatasetError::from)?;
        found.extend(Entry::decode(&bytes).ok().as_ref().and_then(named));
    }
    Ok(found)
}

fn named(entry: &Entry<'_>) -> Option<(String, RecordId)> {
    Change::of(entry).ok().map(|change| (change.record_type, change.record))
}

/// The records an event speaks of: of a release the one whose change was released, of a waiver the one waived, of
/// a repair those that were made again.
fn concerned(dataset: &Dataset, event: &Event) -> Result<Vec<(String, RecordId)>, QualityError> {
    if event.kind == "repair" {
        return Ok(repaired(event).collect());
    }
    if let Some(stated) = event::waived(event) {
        return Ok(vec![stated]);
    }
    Ok(released(dataset, event)?.into_iter().collect())
}

fn repaired(event: &Event) -> impl Iterator<Item = (String, RecordId)> + '_ {
    let lists = ["records", "others"].into_iter().filter_map(|name| match event.fields.get(name) {
        Some(Value::List(list)) => Some(list),
        _ => None,
    });
    lists.flatten().filter_map(|named| {
        let Value::Text(text) = named else { return None };
        let (record_type, record) = text.split_once('/')?;
        Some((record_type.to_owned(), record.parse().ok()?))
    })
}

fn released(dataset: &Dataset, event: &Event) -> Result<Option<(String, RecordId)>, QualityError> {
    let number = |name: &str| match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(ledger), Some(place)) = (number("ledger_index"), number("place")) else { return Ok(None) };
    if event.kind != "release" {
        return Ok(None);
    }
    let entries = dataset.entries();
    let (Some(position), Ok(index)) = (entries.log().locate(Sequence(ledger))?, u16::try_from(place)) else {
        return Ok(None);
    };
    let bytes = entries.entry(EntryAt { frame: position, index }).map_err(DatasetError::from)?;
    Ok(Entry::decode(&bytes).ok().as_ref().and_then(named))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lienthong_proto::time::UnixMillis;

    use super::*;

    #[test]
    fn what_was_repaired_is_judged_again() {
        let list =
            |names: &[&str]| Value::List(names.iter().map(|name| Value::Text((*name).into())).collect());
        let (one, two) = ("07".repeat(16), "09".repeat(16));
        let fields = BTreeMap::from([
            ("records".to_owned(), list(&[&format!("dang_vien/{one}"), "rubbish"])),
            ("others".to_owned(), list(&[&format!("vu_viec/{two}")])),
        ]);
        let event = Event { kind: "repair".into(), at: UnixMillis(1), actor: "lan".into(), fields };
        let expected =
            [("dang_vien".to_owned(), RecordId([7; 16])), ("vu_viec".to_owned(), RecordId([9; 16]))];
        assert_eq!(repaired(&event).collect::<Vec<_>>(), expected);
    }
}
