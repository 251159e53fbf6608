//! `ledger verify --full`: derives everything again from the stored bytes, and names the first object that differs.
//!
//! In this order: the log's segments and anchors, frame by frame; each entry, its leaf and the tiles beside the log; each
//! accepted batch against its acceptance and the checkpoint its replica signed, by the key its enrolment names; the
//! witnesses' keys and policies; the statement of a succession; each round and what was witnessed, against the root
//! derived and by the policy that stands in it. Receipts are not stored here: each is made of its acceptance when it is
//! asked for. What is not believed on anybody's word: checksums, the view, the registry.

mod entries;
mod rounds;
mod tiles;

use std::path::Path;

use lienthong_node::at_rest::KeyRing;
use lienthong_node::control::Answer;
use lienthong_node::log;
use lienthong_node::replica::log_dir;
use lienthong_proto::hash::Signer as _;
use lienthong_proto::ids::Sequence;
use serde_json::json;

use crate::pki::HubSecrets;
use entries::Entries;
use rounds::Wanted;
use tiles::Tiles;

/// The first object that differs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {reason}")]
pub struct Differs {
    /// Which: a file with its place, or an entry.
    pub object: String,
    /// How.
    pub reason: String,
}

impl Differs {
    fn at(object: impl Into<String>, reason: impl ToString) -> Self {
        Self { object: object.into(), reason: reason.to_string() }
    }
}

/// What was derived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Derived {
    /// Entries of the ledger.
    pub entries: u64,
    /// Their root.
    pub root: lienthong_proto::hash::Digest,
    /// Accepted batches.
    pub batches: u64,
    /// Rounds with their cosignatures.
    pub rounds: u64,
}

/// Verifies a hub's folder; `at_least` entries are known to be synced.
///
/// # Errors
/// [`Differs`]: the first object that is not what it should be.
pub fn verify(data: &Path, secrets: &HubSecrets, keys: &KeyRing, at_least: u64) -> Result<Derived, Differs> {
    let (dir, replica) = (log_dir(data), secrets.profile.replica);
    let (end, faults) = log::verify(&dir, replica, keys).map_err(|error| Differs::at("log", error))?;
    if let Some(fault) = faults.first() {
        return Err(Differs::at(format!("log/{:08}.seg", fault.segment), fault));
    }
    if end.0 < at_least {
        return Err(Differs::at("log", format!("{end} entries, {at_least} were there")));
    }
    let mut wanted = Wanted::gather(data, &secrets.ledger_origin(), secrets.ledger_key.public_key())?;
    wanted.anchors(&dir, replica)?;
    let tiles = Tiles::open(&dir).map_err(|error| Differs::at("log/hashes.0", error))?;
    let mut entries = Entries::new(secrets, tiles, wanted);
    let reader = log::open_read_only(&dir, replica, keys).map_err(|error| Differs::at("log", error))?;
    for frame in reader.scan(Sequence(0)) {
        let (_, frame) = frame.map_err(|error| Differs::at(format!("entry {}", entries.size()), error))?;
        entries.frame(&frame.payload)?;
    }
    entries.end(end.0)
}

/// The same as an answer.
pub(crate) fn answer(data: &Path, secrets: &HubSecrets, keys: &KeyRing, at_least: u64) -> Answer {
    match verify(data, secrets, keys, at_least) {
        Ok(derived) => Answer::done(json!({
            "entries": derived.entries,
            "root": hex::encode(derived.root),
            "batches": derived.batches,
            "rounds": derived.rounds,
            "differs": null,
        })),
        Err(differs) => {
            let error = format!(
                "{differs}: khác với những gì suy ra từ dữ liệu gốc · is not what the stored bytes lead to"
            );
            let differs = json!({ "object": differs.object, "reason": differs.reason });
            Answer { body: json!({ "differs": differs, "error": error }), exit: 1 }
        }
    }
}
