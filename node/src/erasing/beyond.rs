//! What the province may not order: an erasure that names more of this log than its order covers is not carried out.

use lienthong_proto::batch;
use lienthong_proto::entry::Entry;
use lienthong_proto::erasure::Erasure;
use lienthong_proto::ids::{Dot, ReplicaId};

use crate::dataset::Payload;
use crate::log::LogReader;

/// The first of this log's own entries of which an erasure names what its order does not cover, or that cannot be read.
#[must_use]
pub fn beyond(reader: &LogReader, replica: ReplicaId, erasure: &Erasure) -> Option<Dot> {
    let own = erasure.entries.iter().map(|erased| erased.dot).filter(|dot| dot.replica == replica);
    own.into_iter().find(|dot| !within(reader, *dot, erasure).unwrap_or(false))
}

fn within(reader: &LogReader, dot: Dot, erasure: &Erasure) -> Option<bool> {
    let bytes = own_entry(reader, dot)?;
    Entry::decode(&bytes).ok().map(|entry| !erasure.goes_beyond(&entry))
}

/// An entry of a log's own, if it is there and can be read.
pub(super) fn own_entry(reader: &LogReader, dot: Dot) -> Option<Vec<u8>> {
    let (_, frame) = reader.clone().scan(dot.sequence).next()?.ok()?;
    let plain;
    let entries = match Payload::parse(&frame.payload).ok()? {
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
        Payload::Batch(packed) => {
            plain = batch::unpack(packed).ok()?;
            batch::entries(&plain).ok()?
        }
    };
    let found = |bytes: &&[u8]| Entry::decode(bytes).is_ok_and(|entry| entry.header.dot == dot);
    entries.into_iter().find(found).map(<[u8]>::to_vec)
}
