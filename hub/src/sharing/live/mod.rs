//! Live views: an agency's replica is told what changed of what it is granted, delivery by delivery.
//!
//! A delivery goes on from the one before, as the replica has said that it has it. What changed is found in the
//! ledger's new entries, so that an idle view costs nothing and a change costs what it is.

mod course;
mod given;
mod part;

use std::collections::HashMap;

use lienthong_proto::ids::ReplicaId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use course::{Course, Ready};

/// Who is being told: each replica by one stream, the latest.
#[derive(Debug, Default)]
pub struct Subscribers(Mutex<HashMap<ReplicaId, CancellationToken>>);

impl Subscribers {
    /// A stream of a replica begins; told when another does.
    pub(crate) fn begin(&self, replica: ReplicaId) -> CancellationToken {
        let begun = CancellationToken::new();
        if let Some(before) = self.0.lock().insert(replica, begun.clone()) {
            before.cancel();
        }
        begun
    }
}
