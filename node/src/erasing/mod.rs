//! Lawful erasure at a replica, hub or node: what its ledger ordered is kept in a list, and carried out before anything
//! is opened.
//!
//! An order that comes while the replica runs is kept durably and the replica is opened anew. Opening carries out what
//! waits: the log is rewritten without the values, segment by segment, and the view is made again from it. A stop
//! anywhere leaves the list as it was, and the next opening does it from the beginning.

mod beyond;
mod dropped;
mod imports;
mod list;
mod settle;
mod tell;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

use lienthong_proto::erasure::{Erasure, Order};
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

pub use beyond::beyond;
pub use dropped::drop_forbidden;
pub use imports::sheets_in;
pub use list::{Erasures, Kept, ListError, Taken, Unproven, verified};
pub use settle::{SettleError, Settled, settle};
pub use tell::{tell, told};

/// An order for people and scripts: what is gone, by whose order; never what it was.
#[must_use]
pub fn erased_json(erasure: &Erasure) -> Json {
    let Order { number, issuer, date, fields, .. } = &erasure.order;
    let changes: Vec<Json> = erasure
        .entries
        .iter()
        .map(|erased| json!({ "replica": erased.dot.replica, "sequence": erased.dot.sequence, "values": erased.commitments.len() }))
        .collect();
    json!({
        "order": number,
        "issuer": issuer,
        "date": Value::Date(*date).to_text(),
        "at": erasure.at.rfc3339(),
        "fields": fields,
        "whole": fields.is_empty(),
        "changes": changes,
    })
}

/// The list's file in a data folder.
pub const LIST: &str = "erasures.json";
/// What goes without an order: the province dropped it, and this node's catalogue says the same.
const DROPPED: &str = "dropped.json";
