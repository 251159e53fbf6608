//! Every bound of the protocol, each with its unit and reason. Checked before anything is allocated.

/// Bytes of one encoded entry: a record is a row of a form, not a document.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a redacted entry: each field it still opens carries its own salt, each other its commitment.
pub const REDACTED_BYTES_MAX: usize = ENTRY_BYTES_MAX + ENTRY_FIELDS_MAX * 33;
/// Bytes of a batch after decompression: bounds what one peer makes the other hold.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Entries in a batch: bounds the work behind one signature.
pub const BATCH_ENTRIES_MAX: usize = 1_024;
/// Fields in one entry, reserved ones included.
pub const ENTRY_FIELDS_MAX: usize = 1_024;
/// Bytes of a path: `field/itemkey/subfield`.
pub const PATH_BYTES_MAX: usize = 256;
/// log2 of the zstd window accepted: 1 MiB, the size of a batch.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 20;
/// Replicas in one register: more writers of one field are quarantined.
pub const REGISTER_REPLICAS_MAX: usize = 64;
/// Bytes that the registers of one record weigh, values aside: a value of the view holds 64 KiB. A change that would
/// make a record heavier is quarantined.
pub const RECORD_WEIGHT_MAX: usize = 48 * 1024;
/// Bytes of one gRPC message: a batch that does not compress, and its checkpoint.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX + 64 * 1024;
/// Unacknowledged batch bytes a node keeps in flight.
pub const FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Entries a sender gathers into a batch: past this, zstd gains little.
pub const BATCH_ENTRIES_AIM: usize = 512;
/// Bytes a sender gathers into a batch before compression.
pub const BATCH_BYTES_AIM: usize = 512 * 1024;
/// Replicas of one unit, as many as a list of a roll holds: no more are enrolled, and its nodes believe in no more. A unit has
/// had so many only if something is very wrong.
pub const UNIT_REPLICAS_MAX: usize = 350;
/// Further keys of receipts a ledger names: one a month for twenty years, and what a node keeps of them stays small.
pub const RECEIPT_KEYS_MAX: usize = 256;
/// Acceptances of one log that one answer shows with the proof of a later one; who asks goes on behind the last of them.
pub const PROVEN_BEFORE_MAX: usize = 1_024;
/// Ranges in one question of a reconciliation: with 256 parts each, the answer stays below a third of a MiB.
pub const RECONCILE_RANGES_MAX: usize = 64;
/// Records a range may hold to be listed one by one: about what the sums of its parts would take.
pub const RECONCILE_ITEMS_MAX: usize = 32;
/// Records a reconciliation names one by one: past this, a view is better made again.
pub const RECONCILE_DIFFERENCES_MAX: usize = 10_000;
/// Ranges one reconciliation asks about in all: three levels for each difference, and room.
pub const RECONCILE_ASKED_MAX: usize = 65_536;
/// Units that a roll names.
pub const ROLL_UNITS_MAX: usize = 700;
