//! The list beside the ledger follows the ledger: what was ordered is on it, whatever was cut short.

use lienthong_node::dataset::Payload;
use lienthong_node::erasing::{Erasures, Kept, ListError, Taken};
use lienthong_node::log::{LogReader, ReadError};
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::entry::{Entry, header_of};
use lienthong_proto::erasure::Erasure;
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::value::Value;

use super::LATE;
use crate::ledger::Orders;

/// Why the list does not follow; nothing is served then.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The list fails.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A batch does not open.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An entry is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Puts on the list what the ledger orders and is not there; whether anything waits to be carried out now.
///
/// # Errors
/// [`CatchUpError`].
pub fn catch_up(erasures: &mut Erasures, orders: &Orders, reader: &LogReader) -> Result<bool, CatchUpError> {
    let ordered = orders.by_number.values().flat_map(|order| &order.erasures);
    for (id, place) in ordered {
        if erasures.iter().any(|(_, erasure)| erasure.id() == *id) {
            continue;
        }
        let bytes = entry_at(reader, *place)?;
        let event = Event::of(&Entry::decode(&bytes)?)?;
        let erasure = Erasure::of(&event).ok_or(Malformed("an erasure"))?;
        let done = event.fields.get(LATE) == Some(&Value::Boolean(true));
        if erasures.keep(Kept { done, ..Kept::of(&bytes) }, erasure)? == Taken::New && !done {
            tracing::warn!(place, "an erasure of the ledger waits to be carried out");
        }
    }
    Ok(erasures.is_pending())
}

/// An entry of the ledger's own.
///
/// # Errors
/// [`CatchUpError`] if it cannot be read.
pub fn entry_at(reader: &LogReader, place: u64) -> Result<Vec<u8>, CatchUpError> {
    let frame = reader.clone().scan(Sequence(place)).next();
    let (_, frame) = frame.ok_or(Malformed("no such entry"))??;
    let plain;
    let entries = match Payload::parse(&frame.payload)? {
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
        Payload::Batch(packed) => {
            plain = batch::unpack(packed)?;
            batch::entries(&plain)?
        }
    };
    let is_there = |bytes: &&&[u8]| header_of(bytes).is_ok_and(|header| header.dot.sequence.0 == place);
    let found = entries.iter().find(is_there).ok_or(Malformed("no such entry"))?;
    Ok(found.to_vec())
}
