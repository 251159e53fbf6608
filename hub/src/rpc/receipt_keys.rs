//! Telling a node which keys receipts are cosigned with.

use std::sync::Arc;

use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use crate::app::Hub;
use crate::erasing::entry_at;

impl Hub {
    /// How many further keys of receipts the ledger names.
    pub(super) fn receipt_keys_named(&self) -> usize {
        self.committer.books().read().receipt_keys.places.len()
    }

    /// Those from the `known`-th on, with their proofs; none if there are no more.
    pub(super) fn receipt_keys_from(&self, known: usize) -> Result<Option<wire::ReceiptKeys>, Status> {
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let places = named.places.get(known..).unwrap_or_default();
        if places.is_empty() {
            return Ok(None);
        }
        let failed = || Status::internal("the ledger cannot be read");
        let head = self.head();
        let shown = |place: &lienthong_proto::ids::Sequence| {
            let entry = entry_at(&self.reader, place.0).map_err(|_| failed())?;
            let path = inclusion_proof(self.hashes.as_ref(), place.0, head.size).ok_or_else(failed)?;
            let path = path.into_iter().map(|hash| hash.to_vec().into()).collect();
            Ok::<_, Status>(wire::ReceiptKeyShown { entry: entry.into(), path })
        };
        let keys = places.iter().map(shown).collect::<Result<_, _>>()?;
        let checkpoint = self.ledger_checkpoint_at(head).map_err(|_| failed())?;
        Ok(Some(wire::ReceiptKeys { keys, checkpoint }))
    }
}
