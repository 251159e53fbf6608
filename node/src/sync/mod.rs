//! Synchronisation from the node's side: a state machine without I/O, and the thin client that does what
//! it says.

mod batches;
mod calls;
mod client;
mod driver;
mod evidence;
mod hearing;
mod ledger;
mod lines;
mod machine;
mod proof;
mod proving;
mod receipt_keys;
mod reconcile;
mod stream;
mod witness;

pub use batches::{BatchBuilder, BatchFault, OutBatch};
pub use calls::feed_piece;
pub use client::{SyncClient, SyncHandle, SyncStatus, run};
pub use evidence::{
    Evidence, EvidenceError, KnownLedger, NoticeLine, ProofLine, Proving, ReceiptLine, RefusalLine,
};
pub use ledger::{LedgerFault, SUCCESSION, Welcomed, judge, judge_known};
pub use machine::{Action, Backoff, Event, Machine, Phase, Roots, Settings};
pub use proof::{Promised, ProofFault, verify_proof, verify_receipt};
pub use receipt_keys::{ReceiptKeyFault, shown_keys};
pub use stream::{FENCED, REFUSAL, UNKNOWN};
pub use witness::{Bearer, QuorumFault, RoundFault, Witness};
