//! `check`: judges log, leaf hashes and checkpoints against each other, without changing anything.

use std::path::Path;

use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::Frontier;
use serde_json::json;

use crate::control::Answer;
use crate::dataset::Payload;
use crate::log::{self, Frame, LogReader};
use crate::replica::log_dir;

/// Checks the log of a data folder and names what differs.
#[must_use]
pub fn check(data: &Path, replica: ReplicaId) -> Answer {
    let dir = log_dir(data);
    let (end, faults) = match log::verify(&dir, replica) {
        Ok(found) => found,
        Err(error) => return Answer::failed(error),
    };
    let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let root = match log::open_read_only(&dir, replica) {
        Ok(reader) if faults.is_empty() => rebuild(&reader, replica, end, &mut faults),
        _ => None,
    };
    let exit = u8::from(!faults.is_empty());
    Answer { body: json!({ "entries": end, "root": root, "faults": faults }), exit }
}

fn rebuild(
    reader: &LogReader,
    replica: ReplicaId,
    end: Sequence,
    faults: &mut Vec<String>,
) -> Option<String> {
    let mut frontier = Frontier::new();
    for frame in reader.clone().scan(Sequence(0)) {
        let entered = frame.map_err(|error| error.to_string()).and_then(|(_, frame)| {
            enter(&frame, replica, &mut frontier)
                .map_err(|error| format!("entry {}: {error}", frontier.size()))
        });
        if let Err(fault) = entered {
            faults.push(fault);
            return None;
        }
    }
    if frontier.size() != end.0 {
        faults.push(format!("{} entries were read, {end} were expected", frontier.size()));
    }
    Some(hex::encode(frontier.root()))
}

fn enter(frame: &Frame, replica: ReplicaId, frontier: &mut Frontier) -> Result<(), Malformed> {
    let plain;
    let entries = match Payload::parse(&frame.payload)? {
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
        Payload::Batch(packed) => {
            plain = batch::unpack(packed).map_err(|_| Malformed("a batch does not open"))?;
            batch::entries(&plain)?
        }
    };
    for bytes in entries {
        let entry = Entry::decode(bytes)?;
        if entry.header.dot.replica != replica || entry.header.dot.sequence.0 != frontier.size() {
            return Err(Malformed("it names another place or replica"));
        }
        frontier.push(entry.leaf_hash());
    }
    Ok(())
}
