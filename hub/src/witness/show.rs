//! What a node is shown of the ledger: proofs between checkpoints, and the latest witnessed one with its policy.

use bytes::Bytes;
use lienthong_node::dataset::Payload;
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

pub(super) fn path(hashes: Vec<Digest>) -> Vec<Bytes> {
    hashes.into_iter().map(|hash| hash.to_vec().into()).collect()
}

impl Hub {
    /// The bytes of the ledger's entry at `index`, if it is there and readable.
    #[must_use]
    pub fn ledger_entry(&self, index: u64) -> Option<Vec<u8>> {
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

    /// The proof between the ledger at two sizes, in any order; nothing if it does not have them.
    #[must_use]
    pub fn consistency(&self, one: u64, other: u64) -> Option<wire::Consistency> {
        let (old, new) = (one.min(other), one.max(other));
        let proof = if old == 0 || old == new {
            (new <= self.head().size).then(Vec::new)?
        } else {
            consistency_proof(self.hashes.as_ref(), old, new)?
        };
        Some(wire::Consistency { between: one, path: path(proof) })
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
        let Witnessed { checkpoint, policy_index, .. } = witnessed.as_ref();
        let proof = self.consistency(checkpoint.size, head.size)?.path;
        let note = if witnessed_seen == checkpoint.size {
            String::new()
        } else {
            self.with_quorum_only(&witnessed).unwrap_or_else(|| witnessed.note.clone())
        };
        let mut shown =
            wire::Witnessed { note, path: proof, policy_index: *policy_index, ..Default::default() };
        if policy_seen != policy_index + 1 {
            let proof = inclusion_proof(self.hashes.as_ref(), *policy_index, head.size)?;
            (shown.policy, shown.policy_path) = (self.ledger_entry(*policy_index)?.into(), path(proof));
        }
        Some(shown)
    }

    /// The note with just as many lines as are needed, the latest: nothing more need travel.
    fn with_quorum_only(&self, witnessed: &Witnessed) -> Option<String> {
        let books = std::sync::Arc::clone(&self.committer.books().read().witnesses);
        let policy = books.policies.get(&witnessed.policy_index)?;
        let full = Note::parse(witnessed.note.as_bytes()).ok()?;
        let mut verified = full.verify(policy.witnesses()).ok()?;
        verified.sort_by_key(|verified| std::cmp::Reverse(verified.time));
        verified.truncate(policy.quorum());
        let mut note = Note::new(full.text()).ok()?;
        let ledger = self.secrets.ledger_origin();
        for line in full.signatures() {
            let needed = verified.iter().any(|verified| verified.key.name() == line.name);
            if needed || line.name == ledger {
                note.add(line.clone()).ok()?;
            }
        }
        Some(note.to_string())
    }
}
