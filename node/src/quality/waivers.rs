//! The waivers a view holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_proto::bytes::Reader;
use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::Waiver;

use super::{Keeper, QualityError};
use crate::store::{Batch, Keyspace, View, ViewError};

/// All waivers that were not ended, by record; expired ones among them.
#[derive(Debug, Clone, Default)]
pub struct Waivers(BTreeMap<RecordId, Vec<Waiver>>);

impl Waivers {
    /// Loads the waivers a view holds; what is not understood is left out (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut waivers = Self::default();
        view.scan_prefix(Keyspace::Waiver, &[], &mut |_, bytes| {
            if let Ok(waiver) = Waiver::decode(&mut Reader::new(bytes)) {
                waivers.0.entry(waiver.record).or_default().push(waiver);
            }
            true
        })?;
        Ok(waivers)
    }

    /// A record's.
    #[must_use]
    pub fn of(&self, record: &RecordId) -> &[Waiver] {
        self.0.get(record).map_or(&[], Vec::as_slice)
    }

    /// All, by record.
    pub fn iter(&self) -> impl Iterator<Item = &Waiver> {
        self.0.values().flatten()
    }
}

/// Keeps a waiver.
pub fn put_waiver(waiver: &Waiver, batch: &mut Batch) {
    let mut out = lienthong_proto::bytes::Writer::with_capacity(64);
    waiver.encode(&mut out);
    batch.put(Keyspace::Waiver, &place(&waiver.record, waiver.number), out.as_slice());
}

/// Keeps it no longer.
pub fn delete_waiver(record: &RecordId, number: u64, batch: &mut Batch) {
    batch.delete(Keyspace::Waiver, &place(record, number));
}

fn place(record: &RecordId, number: u64) -> Vec<u8> {
    [&record.0[..], &number.to_be_bytes()].concat()
}

impl Keeper {
    /// The waivers as the view has them. Read anew only after the view has changed.
    ///
    /// # Errors
    /// [`QualityError`] if they cannot be read.
    pub fn waivers(&self) -> Result<Arc<Waivers>, QualityError> {
        let view = self.dataset().view();
        let applied = view.applied()?.unwrap_or(0);
        let mut known = self.waived.lock();
        if let Some((of, waivers)) = known.as_ref().filter(|(of, _)| *of == applied) {
            let _ = of;
            return Ok(Arc::clone(waivers));
        }
        let waivers = Arc::new(Waivers::load(view.as_ref())?);
        *known = Some((applied, Arc::clone(&waivers)));
        Ok(waivers)
    }

    /// They were changed by other means than an entry of the log.
    pub(super) fn forget_waivers(&self) {
        *self.waived.lock() = None;
    }
}
