//! What a node is shown of the ledger: proofs between checkpoints, and the latest witnessed one with its policy.

use std::sync::Arc;

use bytes::Bytes;
use lienthong_node::dataset::Payload;
use lienthong_node::log::{HashFile, LogReader};
use lienthong_node::replica::Head;
use lienthong_proto::batch;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::Sequence;
use lienthong_proto::merkle::{consistency_proof, inclusion_proof};
use lienthong_proto::note::Note;
use lienthong_proto::wire::sync as wire;

use super::Witnessed;
use crate::app::Hub;
use crate::ledger::Witnesses;

pub(super) fn path(hashes: Vec<Digest>) -> Vec<Bytes> {
    hashes.into_iter().map(|hash| hash.to_vec().into()).collect()
}

/// A ledger, as far as it takes to show it.
#[derive(Debug, Clone, Copy)]
pub struct Showing<'a> {
    /// Its entries.
    pub reader: &'a LogReader,
    /// Its leaf hashes.
    pub hashes: &'a HashFile,
    /// Its name in checkpoints.
    pub origin: &'a str,
}

impl Showing<'_> {
    /// The bytes of the entry at `index`, if it is there and readable.
    #[must_use]
    pub fn entry(&self, index: u64) -> Option<Vec<u8>> {
        let (_, frame) = self.reader.clone().scan(Sequence(index)).next()?.ok()?;
        let found = |bytes: &[u8]| {
            let entry = Entry::decode(bytes).ok()?;
            (entry.header.dot.sequence == Sequence(index)).then(|| bytes.to_vec())
        };
        match Payload::parse(&frame.payload).ok()? {
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => found(entry),
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed).ok()?;
                batch::entries(&plain).ok()?.into_iter().find_map(found)
            }
        }
    }

    /// The proof between the ledger of `size` entries at two sizes, in any order; nothing if it does not have them.
    #[must_use]
    pub fn consistency(&self, size: u64, (one, other): (u64, u64)) -> Option<wire::Consistency> {
        let (old, new) = (one.min(other), one.max(other));
        let proof = if old == 0 || old == new {
            (new <= size).then(Vec::new)?
        } else {
            consistency_proof(self.hashes, old, new)?
        };
        Some(wire::Consistency { between: one, path: path(proof) })
    }

    /// A witnessed checkpoint, proven against the ledger at `head`, of which there may be more than `size` entries; what
    /// the node says it has, of what was witnessed and of the policies, is left out.
    #[must_use]
    pub fn witnessed(
        &self,
        (witnessed, witnesses): (&Witnessed, &Witnesses),
        (head, size): (Head, u64),
        (witnessed_seen, policy_seen): (u64, u64),
    ) -> Option<wire::Witnessed> {
        let Witnessed { checkpoint, policy_index, .. } = witnessed;
        let proof = self.consistency(size, (checkpoint.size, head.size))?.path;
        let note = if witnessed_seen == checkpoint.size {
            String::new()
        } else {
            self.with_quorum_only(witnessed, witnesses).unwrap_or_else(|| witnessed.note.clone())
        };
        let mut shown =
            wire::Witnessed { note, path: proof, policy_index: *policy_index, ..Default::default() };
        if policy_seen != policy_index + 1 {
            let proof = inclusion_proof(self.hashes, *policy_index, head.size)?;
            (shown.policy, shown.policy_path) = (self.entry(*policy_index)?.into(), path(proof));
        }
        Some(shown)
    }

    /// The note with just as many lines as are needed, the latest: nothing more need travel.
    fn with_quorum_only(&self, witnessed: &Witnessed, witnesses: &Witnesses) -> Option<String> {
        let policy = witnesses.policies.get(&witnessed.policy_index)?;
        let full = Note::parse(witnessed.note.as_bytes()).ok()?;
        let mut verified = full.verify(policy.witnesses()).ok()?;
        verified.sort_by_key(|verified| std::cmp::Reverse(verified.time));
        verified.truncate(policy.quorum());
        let mut note = Note::new(full.text()).ok()?;
        for line in full.signatures() {
            let needed = verified.iter().any(|verified| verified.key.name() == line.name);
            if needed || line.name == self.origin {
                note.add(line.clone()).ok()?;
            }
        }
        Some(note.to_string())
    }
}

impl Hub {
    fn showing<T>(&self, show: impl FnOnce(Showing<'_>) -> T) -> T {
        let origin = self.secrets.ledger_origin();
        show(Showing { reader: &self.reader, hashes: &self.hashes, origin: &origin })
    }

    /// The bytes of the ledger's entry at `index`, if it is there and readable.
    #[must_use]
    pub fn ledger_entry(&self, index: u64) -> Option<Vec<u8>> {
        self.showing(|ledger| ledger.entry(index))
    }

    /// The proof between the ledger at two sizes, in any order; nothing if it does not have them.
    #[must_use]
    pub fn consistency(&self, one: u64, other: u64) -> Option<wire::Consistency> {
        let size = self.head().size;
        self.showing(|ledger| ledger.consistency(size, (one, other)))
    }

    /// The latest witnessed checkpoint, proven against the ledger at `head`; what the node says it has is left out.
    #[must_use]
    pub fn witnessed_for(
        &self,
        head: Head,
        witnessed_seen: u64,
        policy_seen: u64,
    ) -> Option<wire::Witnessed> {
        let witnessed = self.witnessed()?;
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let size = self.head().size;
        self.showing(|ledger| {
            ledger.witnessed((&witnessed, &witnesses), (head, size), (witnessed_seen, policy_seen))
        })
    }
}
