//! Records that refer to one whose identity changed: merged into another, or standing for itself again.

use std::collections::BTreeSet;

use lienthong_proto::change::path;
use lienthong_proto::ids::RecordId;

use super::index::{keys_of, plain};
use super::{Keeper, QualityError};
use crate::dataset::{Key, RecordState};
use crate::store::Keyspace;

impl Keeper {
    /// The records that look for what those of `written` publish that lead, or are led to. To be judged before
    /// them: what they look for is known only as long as it is kept.
    pub(super) fn referring(
        &self,
        written: &BTreeSet<(String, RecordId)>,
    ) -> Result<BTreeSet<(String, RecordId)>, QualityError> {
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for (record_type, id) in written {
            let state = self.dataset().state(record_type, *id)?;
            if !state.is_some_and(|state| is_led(&state)) {
                continue;
            }
            let Some(key) = self.dataset().key(record_type, *id) else { continue };
            let Some(kept) = self.kept(&key)? else { continue };
            for mark in kept.judgement.published().flat_map(|mark| [*mark, plain(mark)]) {
                keys_of(self.dataset().view().as_ref(), Keyspace::Probe, &mark, &mut |other| {
                    keys.insert(*other);
                    true
                })?;
            }
        }
        let named = |key: &Key| self.dataset().named(key);
        let mut referring = BTreeSet::new();
        for key in &keys {
            referring.insert(named(key)?);
        }
        Ok(referring.difference(written).cloned().collect())
    }
}

/// Whether it ever led to another record, or another to it.
fn is_led(state: &RecordState) -> bool {
    state.registers.keys().any(|name| matches!(name.split('/').next(), Some(path::INTO | path::MERGED)))
}
