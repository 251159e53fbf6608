//! The further keys of receipts a hub shows: each stands in its ledger.

use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{CheckpointError, SignedCheckpoint};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::receipt_key::ReceiptKey;
use lienthong_proto::succession::Ledger;
use lienthong_proto::wire::sync as wire;

/// Why what came as keys of receipts is none.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptKeyFault {
    /// An entry is not understood, names no key, or one under another name.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The checkpoint is not the ledger's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An entry does not stand in the ledger.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The keys named `name` that a hub shows, if its ledger names each.
///
/// # Errors
/// [`ReceiptKeyFault`]; none is believed then.
pub fn shown_keys(
    came: &wire::ReceiptKeys,
    ledger: &Ledger,
    name: &str,
) -> Result<Vec<ReceiptKey>, ReceiptKeyFault> {
    let signed = SignedCheckpoint::verify(came.checkpoint.as_bytes(), ledger.origin.as_str(), ledger.key)?;
    let head = signed.checkpoint();
    let key = |shown: &wire::ReceiptKeyShown| -> Result<ReceiptKey, ReceiptKeyFault> {
        let entry = Entry::decode(&shown.entry)?;
        let step =
            |step: &bytes::Bytes| step.as_ref().try_into().map_err(|_| Malformed("a step of the path"));
        let path: Vec<Digest> = shown.path.iter().map(step).collect::<Result<_, _>>()?;
        let dot = entry.header.dot;
        verify_inclusion(&entry.leaf_hash(), dot.sequence.0, head.size, &path, &head.root)?;
        // Of the ledger's own entries: in its tree stand no others.
        let key = ReceiptKey::of(&Event::of(&entry)?).filter(|key| key.verifier.name() == name);
        Ok(key.ok_or(Malformed("no key of receipts"))?)
    };
    came.keys.iter().map(key).collect()
}
