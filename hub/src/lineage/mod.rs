//! Units that merge, split, are renamed and dissolved: what is planned, the records that move, figures by the units
//! of any day.
//!
//! A step is an event of the ledger (`lienthong_proto::lineage`). Its records move by ordinary changes of the
//! province, batch by batch (`job`), so that they go down the feeds like any other; what an ended unit's node
//! brings later is moved on by the ledger's writer itself (`ingest::rehome`). Who stops half way goes on at the next
//! start: whatever is still the old unit's is what is left to do.

mod figures;
mod job;
mod plan;

pub use job::ReorganiseError;
pub use plan::{Kept, Move, Plan, Problem};
