//! Telling a node what was erased.

use std::sync::Arc;

use lienthong_node::erasing::Kept;
use lienthong_proto::ids::{ReplicaId, Sequence, UnitCode};
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use crate::app::Hub;
use crate::erasing::entry_at;
use crate::ingest::ErasedFor;

impl Hub {
    /// What orders took, and take of what comes late.
    pub(crate) fn erased_for(&self) -> ErasedFor {
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        let approved = orders.values().filter_map(|known| {
            let approved = known.approved.as_ref()?;
            Some((Sequence(known.number), known.order.clone(), approved.at))
        });
        ErasedFor { set: self.erasures.read().set().clone(), orders: approved.collect() }
    }

    /// The erasures a replica of a unit is to be told, with their proofs: all that concern it if it has not confirmed
    /// every one in its log, or says that it has carried out fewer than there are.
    pub(super) fn erasures_for(
        &self,
        unit: &UnitCode,
        replica: ReplicaId,
        seen: u64,
    ) -> Result<Vec<wire::Erasure>, Status> {
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        let concerned: Vec<_> = orders.values().filter(|known| known.units.contains(unit)).collect();
        let places: Vec<u64> = concerned.iter().flat_map(|known| known.erasures.values().copied()).collect();
        let has_all = concerned.iter().all(|known| known.is_confirmed_by(&replica));
        if has_all && seen >= places.len() as u64 {
            return Ok(Vec::new());
        }
        let failed = || Status::internal("the ledger cannot be read");
        let head = self.head();
        let checkpoint = self.ledger_checkpoint_at(head).map_err(|_| failed())?;
        let told = places.into_iter().map(|place| {
            let entry = entry_at(&self.reader, place).map_err(|_| failed())?;
            let path = inclusion_proof(self.hashes.as_ref(), place, head.size).ok_or_else(failed)?;
            Ok(Kept::to_wire(entry.into(), &path, checkpoint.clone()))
        });
        told.collect()
    }
}
