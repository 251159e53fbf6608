//! From a peer's batch to the ledger: verified in parallel, judged and committed by one.
//!
//! A batch's way: byte budget → decompress → envelope, contiguity, leaves, root, signature (many at
//! once) → verdicts → ledger → fdatasync → receipt → state.

mod access;
mod admit;
mod committer;
mod decide;
mod handle;
mod intake;
mod judge;
mod obstacle;
mod readings;
mod receipt_key;
mod rehome;
mod release;
mod roll;
mod separate;
mod verify;

pub use access::Delivery;
pub use admit::{Admission, admit_late};
pub use committer::{Committer, QUARANTINE_MAX};
pub use decide::{Answered, Decided, Decision};
pub use handle::{Accepted, CommitError, CommitterHandle, PendingAnswer};
pub use intake::{Compared, Contradiction, Intake, Whose};
pub use judge::{Former, Judge, Judgement};
pub use obstacle::Obstacle;
pub use readings::{note_own_readings, note_readings, reading_begins};
pub use rehome::AskedRecord;
pub use release::Release;
pub use separate::{SEPARATION, Separation, separated};
pub use verify::{Content, Envelope, ErasedFor, Held, VerifiedBatch, VerifyError, verify, witnessed};
