//! Erasures of a ledger before this one that its backup did not have: nodes bring them, or the list kept beside backups.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::erasing::{Kept, Taken};
use lienthong_proto::erasure::{Erasure, event};
use lienthong_proto::hash::Signer as _;
use lienthong_proto::ids::Sequence;
use lienthong_proto::succession::Succession;
use lienthong_proto::value::Value;

use super::CatchUpError;
use crate::app::Hub;
use crate::ingest::CommitError;
use crate::ledger::CARRIED;
use crate::observe::jobs;
use crate::pki::recovery_public;

/// Why an erasure is not taken over; the next try goes on.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The list fails, or the ledger.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// The ledger does not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Hub {
    /// Keeps list and ledger alike, and opens anew where anything waits to be erased.
    pub(crate) async fn keep_erased(self: Arc<Self>) {
        let job = self.observed.jobs.register(jobs::ERASING);
        let mut head = self.committer.head();
        loop {
            job.begin();
            match self.adopt().await {
                Ok(false) => job.done(),
                Ok(true) => {
                    job.done();
                    self.superseded.cancel();
                }
                Err(error) => {
                    job.failed();
                    tracing::error!(%error, "an erasure is not taken over");
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = head.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Takes over what is proven and unknown here; whether anything waits to be carried out.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub async fn adopt(&self) -> Result<bool, AdoptError> {
        let _one = self.erasing.lock().await;
        let unknown = Arc::clone(&self.committer.books().read().orders.unknown);
        for (id, heard) in unknown.iter() {
            let kept = &heard.kept;
            let former = self.former_ledgers();
            let proven = former.iter().find_map(|(origin, key)| kept.verify((origin, *key)).ok());
            // Whoever says so without a proof may say it; nothing is erased for it.
            let Some(erasure) = proven.filter(|erasure| erasure.id() == *id) else { continue };
            let kept = Kept { done: false, told: false, ..kept.clone() };
            if self.erasures.write().keep(kept, erasure).map_err(CatchUpError::from)? == Taken::New {
                tracing::warn!(id, "a node brought an erasure that this ledger had lost");
            }
        }
        let known: Vec<Erasure> = {
            let books = self.committer.books().read();
            let ordered =
                |id: &String| books.orders.by_number.values().any(|it| it.erasures.contains_key(id));
            let erasures = self.erasures.read();
            erasures.iter().filter(|(_, it)| !ordered(&it.id())).map(|(_, it)| it.clone()).collect()
        };
        for erasure in known {
            self.order_again(&erasure).await?;
        }
        let orders = self.committer.books().read().orders.clone();
        Ok(super::catch_up(&mut self.erasures.write(), &orders, &self.reader)?)
    }

    /// Says an erasure of a ledger before this one again.
    async fn order_again(&self, erasure: &Erasure) -> Result<(), CommitError> {
        let carried = (CARRIED.to_owned(), Value::Text("erasures".to_owned()));
        let mut fields: BTreeMap<String, Value> = erasure.order.to_fields();
        fields.extend([carried.clone()]);
        let proposal = self.event(event::PROPOSED, "hub", fields).await?;
        let mut event = erasure.to_event(Sequence(proposal.0), "hub");
        event.fields.extend([carried]);
        self.committer.event(event).await.map(drop)
    }

    /// The ledgers before this one, by the recovery key's word, and their keys.
    fn former_ledgers(&self) -> Vec<(String, [u8; 32])> {
        let recovery = recovery_public(&self.secrets.profile).unwrap_or_default();
        let stated = self.secrets.profile.successions.iter();
        let stated = stated.filter_map(|note| Succession::verify(note, recovery).ok());
        let former = stated.map(|stated| (stated.former.origin.to_string(), stated.former.key));
        let own = (self.secrets.ledger_origin(), self.secrets.ledger_key.public_key());
        former.chain([own]).collect()
    }
}
