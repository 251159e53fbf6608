//! The hub's log as everybody's book: what is held of each replica, what waits in quarantine, what each
//! unit must be told. Everything here is a function of the ledger, and is rebuilt from it.

mod books;
mod catalogues;
mod course;
mod erasing;
mod held;
mod imports;
mod notices;
mod open;
mod quarantined;
mod readings;
mod receipt_keys;
mod sharing;
mod succession;
mod witnesses;

pub use books::Books;
pub use catalogues::{PUBLISHED, publishing};
pub use course::Touched;
pub use erasing::{ErasureOrder, Orders};
pub use held::HeldReplica;
pub use imports::{IMPORTS_MAX, ImportLine, Imports, RowCounts};
pub use notices::NoticeEntry;
pub use open::{LedgerError, LedgerOptions, Opened, assemble, open, open_over};
pub use quarantined::Quarantined;
pub use readings::{Reading, Readings};
pub use receipt_keys::NamedKeys;
pub use sharing::{AGENCY, Agency, Done, Grant, GrantState, Sharing};
pub use succession::{CARRIED, CONFIRMED, READMISSION, Standing};
pub use witnesses::{WitnessKey, Witnesses};
