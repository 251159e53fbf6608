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

/// The record an event speaks of: of a release the one whose change was released, of a waiver the one waived.
fn concerned(dataset: &Dataset, event: &Event) -> Result<Option<(String, RecordId)>, QualityError> {
    if let Some(stated) = event::waived(event) {
        return Ok(Some(stated));
    }
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
