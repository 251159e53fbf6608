//! From a peer's batch to the ledger: verified in parallel, judged and committed by one.
//!
//! A batch's way: byte budget → decompress → envelope, contiguity, leaves, root, signature (many at
//! once) → verdicts → ledger → fdatasync → receipt → state.

mod committer;
mod judge;
mod verify;

pub use committer::{
    Accepted, CommitError, Committer, CommitterHandle, PendingAnswer, QUARANTINE_MAX, Release,
};
pub use judge::{Judge, Judgement};
pub use verify::{Content, Envelope, Held, VerifiedBatch, VerifyError, verify};
