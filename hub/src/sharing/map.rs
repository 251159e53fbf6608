//! Where the ledger says what a bundle needs: one look through it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lienthong_node::dataset::{EntryAt, Payload};
use lienthong_node::log::{FramePosition, LogReader};
use lienthong_node::store::Keyspace;
use lienthong_proto::batch;
use lienthong_proto::disclosure::event;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::erasure::event::ERASURE;
use lienthong_proto::erasure::{ErasedSet, entries_of};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::roll::{LINE, ROLL_MILLIS_MAX, members};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;

use super::SharingError;
use crate::app::Hub;
use crate::ledger::READMISSION;

/// A batch of a replica.
pub(super) struct Held {
    /// The ledger's entry that accepted it.
    pub(super) index: u64,
    /// Where the batch stands.
    pub(super) at: FramePosition,
}

/// What was found.
#[derive(Default)]
pub(super) struct Map {
    /// By replica, in order.
    pub(super) held: BTreeMap<ReplicaId, Vec<Held>>,
    /// Changes that were released from quarantine.
    pub(super) released: HashSet<Dot>,
    /// The place of the last roll, and those of its lines.
    pub(super) roll: Option<u64>,
    pub(super) parts: BTreeSet<u64>,
    /// When it was called, and whom it lists: whether a key of theirs is known.
    roll_at: Option<UnixMillis>,
    listed: BTreeMap<ReplicaId, bool>,
    /// What orders took.
    pub(super) erased: ErasedSet,
    /// The grant's approval is there.
    pub(super) approved: bool,
    /// The grant's deliveries, by their digests.
    accesses: HashMap<String, BTreeSet<u64>>,
    /// The delivery a live view goes on from; two replicas may have been handed the very same.
    pub(super) former: BTreeSet<u64>,
    /// Replicas whose enrolment is there.
    pub(super) enrolled: BTreeSet<ReplicaId>,
}

impl Map {
    /// Looks through the ledger's first `size` entries for the batches of `replicas` and a grant.
    pub(super) fn of(
        reader: &LogReader,
        size: u64,
        replicas: &BTreeSet<ReplicaId>,
        grant: u64,
    ) -> Result<Self, SharingError> {
        Self::between(reader, (0, size), replicas, grant)
    }

    /// The same, of the entries from one place to before another.
    pub(super) fn between(
        reader: &LogReader,
        range: (u64, u64),
        replicas: &BTreeSet<ReplicaId>,
        grant: u64,
    ) -> Result<Self, SharingError> {
        let mut map = Self::default();
        each(reader, range, &mut |place, entry, at| {
            match entry.header.kind {
                EntryKind::Change => {}
                EntryKind::Acceptance => {
                    let acceptance = Acceptance::of(entry)?;
                    if replicas.contains(&acceptance.replica) {
                        map.held.entry(acceptance.replica).or_default().push(Held { index: place, at });
                    }
                }
                EntryKind::Event => {
                    let Ok(event) = Event::of(entry) else { return Ok(()) };
                    match event.kind.as_str() {
                        "release" => map.released.extend(released(&event)),
                        "enrolment" | READMISSION => map.enrolled.extend(replica(&event)),
                        event::GRANT_APPROVED => {
                            let number = i64::try_from(grant).ok().map(Value::Integer);
                            map.approved |= event.fields.get("grant") == number.as_ref();
                        }
                        event::ACCESS => {
                            let number = i64::try_from(grant).ok().map(Value::Integer);
                            if event.fields.get("grant") == number.as_ref()
                                && let Some(Value::Text(digest)) = event.fields.get("digest")
                            {
                                map.accesses.entry(digest.clone()).or_default().insert(place);
                            }
                        }
                        ERASURE => {
                            map.erased.add(&entries_of(&event).unwrap_or_default());
                        }
                        event::ROLL_PART => {
                            // The first behind a roll is of the next.
                            if map.parts.last().copied() < map.roll {
                                (map.parts, map.listed) = (BTreeSet::new(), BTreeMap::new());
                            }
                            map.parts.insert(place);
                            let lines = event.fields.iter().filter(|(name, _)| name.starts_with(LINE));
                            let members = lines.filter_map(|(_, line)| members(line).ok()).flatten();
                            map.listed.extend(members.map(|it| (it.replica, it.key.is_some())));
                        }
                        event::ROLL => (map.roll, map.roll_at) = (Some(place), Some(event.at)),
                        _ => {}
                    }
                }
            }
            Ok(())
        })?;
        Ok(map)
    }

    /// Whether the roll is of late, and lists every replica of which something is shown: whoever gets this refuses another.
    pub(super) fn is_listed(&self, now: UnixMillis) -> bool {
        let of_late = self.roll_at.is_some_and(|at| now.since(at) <= ROLL_MILLIS_MAX);
        let mut shown = self.held.iter().filter(|(_, held)| !held.is_empty());
        of_late && shown.all(|(replica, _)| self.listed.contains_key(replica))
    }

    /// A replica of which something is shown, and whose key is not known: whoever gets this refuses it.
    pub(super) fn keyless(&self) -> Option<ReplicaId> {
        let mut shown = self.held.iter().filter(|(_, held)| !held.is_empty());
        shown.find(|(replica, _)| self.listed.get(replica) == Some(&false)).map(|(replica, _)| *replica)
    }

    /// Looks for the delivery with a digest, which a live view goes on from; whether it is there.
    pub(super) fn goes_on_from(&mut self, digest: &[u8; 32]) -> bool {
        self.former = self.accesses.get(&hex::encode(digest)).cloned().unwrap_or_default();
        !self.former.is_empty()
    }

    /// Whether the verdict on a change keeps it out of the dataset for now.
    pub(super) fn keeps_out(&self, dot: Dot, verdict: Option<&Verdict>) -> bool {
        matches!(verdict, Some(Verdict::Quarantined(_))) && !self.released.contains(&dot)
    }
}

/// The change a release speaks of.
fn released(event: &Event) -> Option<Dot> {
    let Some(Value::Integer(sequence)) = event.fields.get("sequence") else { return None };
    Some(Dot { replica: replica(event)?, sequence: Sequence(u64::try_from(*sequence).ok()?) })
}

fn replica(event: &Event) -> Option<ReplicaId> {
    let Some(Value::Text(replica)) = event.fields.get("replica") else { return None };
    replica.parse().ok()
}

/// Visits the ledger's own entries from one place to before another: place, entry, and the frame it stands in.
pub(super) fn each(
    reader: &LogReader,
    (from, size): (u64, u64),
    visit: &mut dyn FnMut(u64, &Entry<'_>, FramePosition) -> Result<(), SharingError>,
) -> Result<(), SharingError> {
    for frame in reader.clone().scan(Sequence(from)) {
        let (at, frame) = frame?;
        if frame.first.0 >= size {
            break;
        }
        let plain;
        let entries = match Payload::parse(&frame.payload)? {
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
            Payload::Batch(packed) => {
                plain = batch::unpack(packed)?;
                batch::entries(&plain)?
            }
        };
        for (place, bytes) in (frame.first.0..size).zip(entries).filter(|(place, _)| *place >= from) {
            visit(place, &Entry::decode(bytes)?, at)?;
        }
    }
    Ok(())
}

/// What an entry of the ledger brought.
pub(super) enum Came<'a> {
    /// A change: the province's own, or one of a batch.
    Change(&'a Entry<'a>),
    /// A change's release from quarantine.
    Released(Dot),
}

/// Visits the changes that came by the ledger's entries from one place to before another, each with the entry's place.
pub(super) fn each_change(
    reader: &LogReader,
    range: (u64, u64),
    visit: &mut dyn FnMut(u64, Came<'_>),
) -> Result<(), SharingError> {
    each(reader, range, &mut |place, entry, frame| {
        match entry.header.kind {
            EntryKind::Change => visit(place, Came::Change(entry)),
            EntryKind::Acceptance => {
                if let Payload::Accepted { packed, .. } = Payload::parse(&reader.frame(frame)?.payload)? {
                    let plain = batch::unpack(packed)?;
                    for bytes in batch::entries(&plain)? {
                        let entry = Entry::decode(bytes)?;
                        if entry.header.kind == EntryKind::Change {
                            visit(place, Came::Change(&entry));
                        }
                    }
                }
            }
            EntryKind::Event => {
                let event = Event::of(entry).ok().filter(|event| event.kind == "release");
                if let Some(dot) = event.as_ref().and_then(released) {
                    visit(place, Came::Released(dot));
                }
            }
        }
        Ok(())
    })
}

/// The bytes of a change that a batch of its replica brought, wherever it stands.
pub(super) fn entry_of(hub: &Hub, dot: Dot) -> Result<Option<Vec<u8>>, SharingError> {
    let mut found = None;
    hub.dataset.view().scan_prefix(Keyspace::Index, &dot.replica.0, &mut |key, at| {
        let first = key.get(16..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let before = first.is_some_and(|first| first <= dot.sequence.0);
        if before {
            found = first.zip(at.try_into().ok().map(u64::from_be_bytes));
        }
        before
    })?;
    let Some((first, at)) = found else { return Ok(None) };
    let index = u16::try_from(dot.sequence.0 - first).unwrap_or(u16::MAX);
    let place = EntryAt { frame: FramePosition::unpack(at), index };
    Ok(Some(hub.dataset.entries().entry(place)?.to_vec()))
}
