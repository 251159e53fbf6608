//! What an order takes: one look through the whole ledger, at whatever its verdict was.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::dataset::Payload;
use lienthong_node::log::{LogReader, ReadError};
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::{Entry, EntryKind, header_of};
use lienthong_proto::erasure::{ENTRIES_BYTES_MAX, Erased, ErasedSet, Order, encode_entries};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::value::Value;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A batch does not open, or would not without what is erased.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An entry is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Too many changes for one order.
    #[error(
        "bản ghi có quá nhiều thay đổi cho một lệnh ({0} byte, tối đa {ENTRIES_BYTES_MAX}): chia theo trường · too many changes for one order ({0} bytes, at most {ENTRIES_BYTES_MAX}): divide it by fields"
    )]
    TooMany(usize),
}

/// What an order takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// By entry, in order.
    pub entries: Vec<Erased>,
    /// How many entries of each replica.
    pub replicas: BTreeMap<ReplicaId, usize>,
    /// Units that ever owned the record, by what was said of it.
    pub owners: BTreeSet<UnitCode>,
    /// Whether any change of the record is held.
    pub is_known: bool,
    /// Records it leads to, or that lead to it: an order names one.
    pub kin: BTreeSet<RecordId>,
}

impl Plan {
    /// Looks through the ledger.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn of(reader: &LogReader, order: &Order) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        let mut found: BTreeMap<Dot, Erased> = BTreeMap::new();
        for frame in reader.clone().scan(Sequence(0)) {
            let (_, frame) = frame?;
            let plain;
            let entries = match Payload::parse(&frame.payload)? {
                Payload::Entry(entry) => vec![entry],
                Payload::Batch(packed) | Payload::Accepted { packed, .. } => {
                    plain = batch::unpack(packed)?;
                    batch::entries(&plain)?
                }
            };
            for bytes in entries {
                if header_of(bytes)?.kind != EntryKind::Change {
                    continue;
                }
                let entry = Entry::decode(bytes)?;
                plan.look_at(order, &entry);
                if let Some(erased) = order.taken(&entry) {
                    // A former ledger's entries are held as its log, too.
                    found.insert(erased.dot, erased);
                }
            }
        }
        for erased in found.values() {
            *plan.replicas.entry(erased.dot.replica).or_default() += 1;
        }
        plan.entries = found.into_values().collect();
        let bytes = encode_entries(&plan.entries).len();
        if bytes > ENTRIES_BYTES_MAX {
            return Err(PlanError::TooMany(bytes));
        }
        plan.check(reader)?;
        Ok(plan)
    }

    fn look_at(&mut self, order: &Order, entry: &Entry<'_>) {
        let Ok(change) = Change::of(entry) else { return };
        if change.record != order.record || change.record_type != order.record_type {
            return;
        }
        self.is_known = true;
        self.owners.extend(change.unit().cloned());
        for write in &change.writes {
            let named = write.path.strip_prefix(path::MERGED).and_then(|rest| rest.strip_prefix('/'));
            self.kin.extend(named.and_then(|id| id.parse::<RecordId>().ok()));
            if let (path::INTO, Value::Reference(id)) = (write.path.as_str(), &write.value) {
                self.kin.insert(*id);
            }
        }
    }

    /// Every batch it changes opens again afterwards.
    fn check(&self, reader: &LogReader) -> Result<(), PlanError> {
        let mut set = ErasedSet::default();
        set.add(&self.entries);
        for frame in reader.clone().scan(Sequence(0)) {
            let (_, frame) = frame?;
            if let Payload::Batch(packed) | Payload::Accepted { packed, .. } = Payload::parse(&frame.payload)?
            {
                set.strip_packed(packed)?;
            }
        }
        Ok(())
    }
}
