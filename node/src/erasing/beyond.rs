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
    let (_, frame) = reader.clone().scan(dot.sequence).next()?.ok()?;
    let plain;
    let entries = match Payload::parse(&frame.payload).ok()? {
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
        Payload::Batch(packed) => {
            plain = batch::unpack(packed).ok()?;
            batch::entries(&plain).ok()?
        }
    };
    let mut decoded = entries.into_iter().filter_map(|bytes| Entry::decode(bytes).ok());
    decoded.find(|entry| entry.header.dot == dot).map(|entry| !erasure.goes_beyond(&entry))
}
