//! The inclusion proof of a receipt: the acceptance the hub promised stands in its ledger.

use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use lienthong_proto::cosignature::verify_cosignature;
use lienthong_proto::entry::{Entry, Part};
use lienthong_proto::event::Acceptance;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::note::NoteError;
use lienthong_proto::wire::sync as wire;

use super::{ProofLine, ReceiptLine, Roots};

/// Why a proof does not show what the receipt promised.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    /// The entry is no acceptance.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The entry stands for another batch, place or log.
    #[error("the acceptance is not the one that was promised")]
    Other,
    /// The ledger's checkpoint is not signed by the ledger.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead to the ledger's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Whose receipt, and whose ledger.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// The receipt.
    pub receipt: &'a ReceiptLine,
    /// Our replica.
    pub replica: ReplicaId,
    /// Our root at the receipt's size.
    pub root: Digest,
    /// The ledger's name in checkpoints.
    pub ledger_origin: &'a str,
    /// The ledger's key.
    pub ledger_key: [u8; 32],
}

/// Checks the hub's proof of a receipt.
///
/// # Errors
/// [`ProofFault`]: the hub could not show what it promised.
pub fn verify_proof(promised: Promised<'_>, reply: &wire::ProveReply) -> Result<ProofLine, ProofFault> {
    let Promised { receipt, replica, root, ledger_origin, ledger_key } = promised;
    let entry = Entry::decode(&reply.entry)?;
    let acceptance = Acceptance::of(&entry)?;
    let whole = entry.parts().iter().all(|part| matches!(part, Part::Open { .. }));
    let same = whole
        && acceptance.replica == replica
        && acceptance.size == receipt.size
        && acceptance.root == root
        && acceptance.at.0 == receipt.at
        && entry.header.dot.sequence == Sequence(receipt.ledger_index);
    if !same {
        return Err(ProofFault::Other);
    }
    let signed = SignedCheckpoint::verify(reply.checkpoint.as_bytes(), ledger_origin, ledger_key)?;
    let step = |step: &bytes::Bytes| step.as_ref().try_into().map_err(|_| Malformed("a step of the path"));
    let path: Vec<Digest> = reply.path.iter().map(step).collect::<Result<_, _>>()?;
    let ledger = signed.checkpoint();
    verify_inclusion(&entry.leaf_hash(), receipt.ledger_index, ledger.size, &path, &ledger.root)?;
    Ok(ProofLine {
        ledger_index: receipt.ledger_index,
        size: receipt.size,
        entry: hex::encode(&reply.entry),
        path: path.iter().map(hex::encode).collect(),
        checkpoint: reply.checkpoint.clone(),
        ledger: None,
    })
}

/// What a receipt says the hub holds, if the hub's cosignature holds over our own checkpoint of that size; nothing if
/// our log has no such size.
///
/// # Errors
/// [`NoteError`]: the hub has not signed for that.
pub fn verify_receipt(
    receipt: &wire::Receipt,
    roots: &dyn Roots,
    origin: String,
    (name, key): (&str, [u8; 32]),
) -> Result<Option<Checkpoint>, NoteError> {
    let Some(root) = roots.root_at(receipt.size) else { return Ok(None) };
    let checkpoint = Checkpoint { origin, size: receipt.size, root, roll: None };
    let time = verify_cosignature(&receipt.cosignature, &checkpoint, key, name)?;
    // What it says beside its signature is what it signed.
    if time != receipt.at_millis / 1_000 {
        return Err(NoteError::BadSignature(name.to_owned()));
    }
    Ok(Some(checkpoint))
}
