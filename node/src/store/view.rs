//! What every engine promises.

use std::ops::Bound;

use crate::at_rest::{KeyId, KeyRing, NeededKey};

/// The parts of a view; the one list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Keyspace {
    /// Counters and edges.
    Meta = 0,
    /// Type number, record id → registers.
    Record = 1,
    /// Number → word.
    Dictionary = 2,
    /// Replica → what is held of it.
    Replica = 3,
    /// Ledger place → a quarantined change.
    Quarantine = 4,
    /// Replica, number → a notice.
    Notice = 5,
    /// Record key, path → nothing: an open conflict.
    Conflict = 6,
    /// Replica, first sequence → the batch's frame.
    Index = 7,
    /// Record key → its judgement.
    Judgement = 8,
    /// Mark, record key → nothing: who publishes it.
    Mark = 9,
    /// Mark, record key → nothing: who looks for it.
    Probe = 10,
    /// Day, record key → nothing: to be judged again from that day on.
    Again = 11,
    /// Type number, unit → sums over its records' standings.
    Quality = 12,
    /// Record id, number → a waiver.
    Waiver = 13,
    /// Unit, zero, number → the key of a record its unit must be told about.
    Outbox = 14,
    /// Record key → where it stands in the outbox, and the hash of what is told.
    Told = 15,
    /// Record id → what the province told about it.
    Heard = 16,
    /// Record key, dot → a change of the record without a live value.
    Past = 17,
    /// Unit, zero, ledger place → what the feed says there.
    Feed = 18,
    /// Ledger place → an event about the course of units.
    Lineage = 19,
    /// Type, record id → nothing: a record whose unit may have to be another by a step.
    Stray = 20,
    /// `a` and code, or `g` and number → an agency, or a grant.
    Sharing = 21,
    /// Ledger place → an order to erase.
    Erasure = 22,
    /// Record id, type, record id → nothing: the second names the first.
    Naming = 25,
    /// `d` and record → to be looked at; `r`, record and unit → who reads it beside its owner.
    Reading = 26,
    /// `r` and ledger place → an entry of a roll.
    Roll = 27,
}

/// Why a view does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The engine failed.
    #[error("the view's engine failed: {0}")]
    Engine(String),
    /// Somebody else has it open: an opening before this one, for a moment.
    #[error("the view is still open elsewhere")]
    Held,
    /// A value is not what was written under its key: the view must be rebuilt.
    #[error("the view is damaged; it is rebuilt from the log at the next start")]
    Damaged,
    /// It is sealed, and the key is not at hand.
    #[error(transparent)]
    Key(NeededKey),
    /// A value is beyond the engine's bound.
    #[error("a value of {0} bytes is too large for the view")]
    TooLarge(usize),
}

/// Writes that become visible together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(crate) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) applied: Option<u64>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) {
        self.writes.push((full_key(keyspace, key), Some(value.to_vec())));
    }

    /// Removes a key.
    pub fn delete(&mut self, keyspace: Keyspace, key: &[u8]) {
        self.writes.push((full_key(keyspace, key), None));
    }

    /// The log size this batch brings the view to.
    pub fn set_applied(&mut self, applied: u64) {
        self.applied = Some(applied);
    }

    /// The writes in key order, the last of each key only, the applied size among them.
    pub(crate) fn into_sorted(mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        if let Some(applied) = self.applied {
            self.put(Keyspace::Meta, APPLIED, &applied.to_be_bytes());
        }
        // A stable sort keeps the writes of one key in order; of each run the last counts.
        self.writes.sort_by(|a, b| a.0.cmp(&b.0));
        self.writes.reverse();
        self.writes.dedup_by(|earlier, later| earlier.0 == later.0);
        self.writes.reverse();
        self.writes
    }
}

pub(crate) const APPLIED: &[u8] = b"applied";

pub(crate) fn full_key(keyspace: Keyspace, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(keyspace as u8);
    full.extend_from_slice(key);
    full
}

/// Called with key and value; `false` ends the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// An ordered key-value store with all-or-nothing commits.
pub trait View: Send + Sync + std::fmt::Debug {
    /// The value of a key.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError>;

    /// Visits the keys that begin with `prefix`, from `from` on, in order; those of marks and conflicts in any.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError>;

    /// Writes a batch, all or nothing.
    ///
    /// # Errors
    /// [`ViewError`]; nothing was written then.
    fn commit(&self, batch: Batch) -> Result<(), ViewError>;

    /// The key that all of it is sealed by; none if it is not sealed, or its values are under several.
    fn sealed_by(&self) -> Option<KeyId> {
        None
    }

    /// Seals every value of a sealed view by the first of `keys`, beside its use; `stop` is asked on the way. A view that
    /// is not sealed stays so: it is made again when it is opened with a key.
    ///
    /// # Errors
    /// [`ViewError`]; what was sealed by then stays so, and the rest readable.
    fn reseal(&self, keys: &KeyRing, stop: &dyn Fn() -> bool) -> Result<(), ViewError> {
        let _ = (keys, stop);
        Ok(())
    }

    /// What it holds contradicts itself: it is made again at its next opening.
    fn distrust(&self) {}

    /// Visits the keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn scan_prefix(&self, keyspace: Keyspace, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.scan(keyspace, Bound::Included(prefix), prefix, visit)
    }

    /// The log size the view was brought to.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn applied(&self) -> Result<Option<u64>, ViewError> {
        match self.get(Keyspace::Meta, APPLIED)? {
            Some(bytes) => {
                Ok(Some(u64::from_be_bytes(bytes.as_slice().try_into().map_err(|_| ViewError::Damaged)?)))
            }
            None => Ok(None),
        }
    }
}
