//! Which catalogue was published last, as the ledger tells it.

use std::collections::BTreeMap;

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::catalogue::Published;
use lienthong_proto::event::Event;
use lienthong_proto::value::Value;

/// The kind of the event that publishes a catalogue.
pub const PUBLISHED: &str = "catalogue";

const KEY: &[u8] = b"catalogue";

/// What the event says that publishes a catalogue for a reason.
#[must_use]
pub fn publishing(published: Published, reason: String) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("number".to_owned(), Value::Integer(i64::try_from(published.number).unwrap_or(i64::MAX))),
        ("digest".to_owned(), Value::Text(hex::encode(published.digest))),
        ("reason".to_owned(), Value::Text(reason)),
    ])
}

/// What an event publishes, if it does; keeps it in the view.
pub(super) fn note(event: &Event, view: &mut Batch) -> Option<Published> {
    let (Value::Integer(number), Value::Text(digest)) =
        (event.fields.get("number").filter(|_| event.kind == PUBLISHED)?, event.fields.get("digest")?)
    else {
        return None;
    };
    let mut published = Published { number: u64::try_from(*number).ok()?, digest: [0; 32] };
    hex::decode_to_slice(digest, &mut published.digest).ok()?;
    let mut out = Writer::default();
    out.u64(published.number);
    out.raw(&published.digest);
    view.put(Keyspace::Meta, KEY, out.as_slice());
    Some(published)
}

/// As the view has it; what is not understood counts as nothing (a rebuild brings it back).
pub(super) fn load(view: &dyn View) -> Result<Option<Published>, ViewError> {
    let bytes = view.get(Keyspace::Meta, KEY)?.unwrap_or_default();
    let mut input = Reader::new(&bytes);
    let (Ok(number), Ok(digest)) = (input.u64(), input.array()) else { return Ok(None) };
    Ok(Some(Published { number, digest }))
}
