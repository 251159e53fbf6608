//! Lets a replica in again that the hub was made without: by its certificate, while the succession is not confirmed.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::identity::introduction_message;
use lienthong_proto::hash::{Signer as _, ed25519_verify};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::receipt_key::is_by;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use crate::app::Hub;
use crate::ingest::{CommitError, Envelope, Held, witnessed};
use crate::ledger::{HeldReplica, READMISSION};
use crate::pki::{Enrolled, PeerIdentity, Refusal, ReplicaState, Role};

impl Hub {
    /// Whether replicas may come that the registry has lost.
    pub(crate) fn readmits(&self) -> bool {
        self.committer.books().read().succession.is_open()
    }

    /// Whether a replica's name is a ledger's, this one's or one it follows: nobody else writes under it.
    pub(crate) fn is_ledger(&self, replica: ReplicaId) -> bool {
        replica == self.secrets.profile.replica
            || self.committer.books().read().succession.former.contains(&replica)
    }

    /// Enrols a peer whose certificate is of our authority and whom the registry does not know, logged as what it is.
    ///
    /// # Errors
    /// What the peer is told.
    pub(crate) async fn readmit(&self, peer: &PeerIdentity, hello: &wire::Hello) -> Result<Enrolled, Status> {
        let refused = || Status::permission_denied(Refusal::Unknown.to_string());
        let log_key: Result<[u8; 32], _> = hello.log_key.as_ref().try_into();
        let Ok(log_key) = log_key else {
            return Err(Status::unauthenticated(
                "tỉnh đang dựng lại sổ ghi danh · the province makes its register of enrolments again",
            ));
        };
        let message = introduction_message(&peer.replica, &peer.key_hash);
        if hello.replica.as_ref() != peer.replica.0
            || !ed25519_verify(&log_key, &message, &hello.log_key_proof)
        {
            return Err(refused());
        }
        if let Some(known) = self.registry.get(peer.replica) {
            return self.readmit_key(&known, peer, &log_key).await;
        }
        let role = if peer.unit.is_province() { Role::Province } else { Role::Commune };
        let enrolled = Enrolled {
            replica: peer.replica,
            unit: peer.unit.clone(),
            role,
            tls_key_hash: hex::encode(peer.key_hash),
            next: None,
            issuer: peer.issuer.clone(),
            log_key: hex::encode(log_key),
            enrolled_at: self.now().0,
            state: ReplicaState::Active,
        };
        // One at a time: what is free now is still free when it is logged.
        let _turn = self.readmitting.lock().await;
        let known_unit = self.catalogue.units().get(&peer.unit).is_some();
        let taken = self.registry.is_taken(peer.replica, &enrolled.tls_key_hash, &enrolled.log_key);
        if !self.readmits() || !known_unit || self.is_ledger(peer.replica) || taken {
            return Err(refused());
        }
        let claimed = self.committer.books().read().replicas.get(&peer.replica).map(|held| held.unit.clone());
        if let Some(claimed) = claimed.filter(|claimed| *claimed != peer.unit) {
            tracing::error!(unit = %peer.unit, %claimed, replica = %peer.replica, "the log of this name is another unit's");
            return Err(refused());
        }
        // The ledger first, as with every enrolment.
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(enrolled.replica.to_string())),
            ("unit".to_owned(), Value::Unit(enrolled.unit.clone())),
            ("role".to_owned(), Value::Text(role.to_string())),
            ("log_key".to_owned(), Value::Text(enrolled.log_key.clone())),
            ("tls_key_hash".to_owned(), Value::Text(enrolled.tls_key_hash.clone())),
        ]);
        self.event(READMISSION, "hub", fields).await.map_err(|error| failed(&error))?;
        self.registry.enrol(enrolled.clone()).map_err(|error| failed(&error))?;
        tracing::warn!(unit = %enrolled.unit, replica = %enrolled.replica, "a replica was let in again by its certificate");
        Ok(enrolled)
    }

    /// Lets a replica in by a key it took after the backup the hub was made from: the log key is the one that is known.
    async fn readmit_key(
        &self,
        known: &Enrolled,
        peer: &PeerIdentity,
        log_key: &[u8; 32],
    ) -> Result<Enrolled, Status> {
        let refused = |refusal: Refusal| Status::permission_denied(refusal.to_string());
        if known.log_key != hex::encode(log_key) || known.unit != peer.unit || !self.readmits() {
            return Err(refused(Refusal::Unknown));
        }
        if known.is_active() {
            self.let_in(known, peer.key_hash, "hub").await?;
            tracing::warn!(unit = %known.unit, replica = %known.replica, "a replica was let in by a key that the register of enrolments had lost");
        }
        self.registry.authorise(peer).map_err(refused)
    }

    /// What is held of the other replicas of a unit, for one that may bring more of them.
    pub(crate) fn held_of_unit(&self, of: &Enrolled) -> Vec<wire::Extent> {
        let books = self.committer.books().read();
        let others =
            books.replicas.iter().filter(|(replica, held)| held.unit == of.unit && **replica != of.replica);
        let extent = |(replica, held): (&ReplicaId, &HeldReplica)| wire::Extent {
            replica: replica.0.to_vec().into(),
            size: held.frontier.size(),
        };
        others.map(extent).collect()
    }

    /// Takes a batch of a former replica of a unit, which its present one was refilled with when it was recovered: the
    /// ledger before had it, as its cosignature shows, and it is nowhere else any more. What is held already is passed
    /// over; so is what does not hold, and said in the log: who brings it may have been wronged himself.
    ///
    /// # Errors
    /// What the peer is told: the hub takes nothing at the moment.
    pub(crate) async fn take_former(&self, by: &Enrolled, former: wire::Former) -> Result<(), Status> {
        let passed = |replica: &dyn std::fmt::Display, reason: &dyn std::fmt::Display| {
            tracing::warn!(unit = %by.unit, by = %by.replica, %replica, %reason, "a batch of a former replica is passed over");
            Ok(())
        };
        let Some(replica) = ReplicaId::from_slice(&former.replica) else {
            return passed(&"?", &"not a replica's name");
        };
        if !self.readmits() || replica == by.replica {
            return Ok(());
        }
        let known = self.committer.books().read().replicas.get(&replica).cloned();
        let new = known.is_none();
        let known = known.unwrap_or_else(|| HeldReplica::empty(by.unit.clone()));
        if known.unit != by.unit || self.is_ledger(replica) {
            return passed(&replica, &"another unit's, or a ledger's");
        }
        if former.first < known.frontier.size() {
            return Ok(());
        }
        let Some(permit) = self.budget().await else { return Err(refused_now()) };
        let origin = self.secrets.origin(&by.unit, replica);
        let erased = Arc::new(self.erased_for());
        let held = Held { replica, origin, key: [0; 32], frontier: known.frontier, announced: None, erased };
        // Any that the province ever had: of when each was, the ledger before would have told.
        let seeds = &self.secrets.receipt_seeds;
        let mut verifiers =
            seeds.all().into_iter().filter_map(|key| self.secrets.receipt_verifier(&key).ok());
        let signer = verifiers.find(|key| is_by(&former.cosignature, key));
        let key = signer.map_or_else(|| seeds.first().public_key(), |signer| *signer.key());
        let name = self.secrets.cosigner_name();
        let verified = tokio::task::spawn_blocking(move || {
            let envelope = Envelope {
                first: former.first,
                count: former.count,
                packed: former.packed,
                checkpoint: former.checkpoint,
            };
            witnessed(&held, &envelope, &former.cosignature, (&name, key))
        });
        let verified = match verified.await.map_err(|error| failed(&error))? {
            Ok(verified) => verified,
            Err(error) => return passed(&replica, &error),
        };
        if new {
            let fields = BTreeMap::from([
                ("replica".to_owned(), Value::Text(replica.to_string())),
                ("unit".to_owned(), Value::Unit(by.unit.clone())),
                ("by".to_owned(), Value::Text(by.replica.to_string())),
            ]);
            self.event(READMISSION, "hub", fields).await.map_err(|error| failed(&error))?;
        }
        let taken = match self.committer.submit(verified, permit).await {
            Ok(pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        match taken {
            // Another stream of the unit was faster.
            Ok(_) | Err(CommitError::Overtaken { .. }) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "a batch of a former replica was not taken");
                Err(refused_now())
            }
        }
    }
}

fn failed(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "a replica cannot be let in again");
    Status::internal("máy chủ gặp lỗi; hãy báo tỉnh · the hub failed; tell the province")
}

fn refused_now() -> Status {
    Status::unavailable("the hub takes no writes at the moment")
}
