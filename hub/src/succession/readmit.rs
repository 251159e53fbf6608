//! Lets a replica in again that the hub was made without: by its certificate, while the succession is not confirmed.

use std::collections::BTreeMap;

use lienthong_node::identity::introduction_message;
use lienthong_proto::hash::ed25519_verify;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use crate::app::Hub;
use crate::ingest::{CommitError, Envelope, Held, chained};
use crate::ledger::{HeldReplica, READMISSION};
use crate::pki::{Enrolled, PeerIdentity, Refusal, ReplicaState, Role};

impl Hub {
    /// Whether replicas may come that the registry has lost.
    pub(crate) fn readmits(&self) -> bool {
        self.committer.books().read().succession.is_open()
    }

    /// Enrols a peer whose certificate is of our authority and whom the registry does not know, logged as what it is.
    ///
    /// # Errors
    /// What the peer is told.
    pub(crate) async fn readmit(&self, peer: &PeerIdentity, hello: &wire::Hello) -> Result<Enrolled, Status> {
        let refused = || Status::permission_denied(Refusal::Unknown.to_string());
        if self.registry.get(peer.replica).is_some() || self.catalogue.units().get(&peer.unit).is_none() {
            return Err(refused());
        }
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
        let claimed = self.committer.books().read().replicas.get(&peer.replica).map(|held| held.unit.clone());
        if let Some(claimed) = claimed.filter(|claimed| *claimed != peer.unit) {
            tracing::error!(unit = %peer.unit, %claimed, replica = %peer.replica, "another unit has claimed this replica's log");
            return Err(refused());
        }
        let role = if peer.unit.is_province() { Role::Province } else { Role::Commune };
        let enrolled = Enrolled {
            replica: peer.replica,
            unit: peer.unit.clone(),
            role,
            tls_key_hash: hex::encode(peer.key_hash),
            log_key: hex::encode(log_key),
            enrolled_at: self.now().0,
            state: ReplicaState::Active,
        };
        // The ledger first, as with every enrolment.
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(enrolled.replica.to_string())),
            ("unit".to_owned(), Value::Unit(enrolled.unit.clone())),
            ("role".to_owned(), Value::Text(role.to_string())),
            ("log_key".to_owned(), Value::Text(enrolled.log_key.clone())),
            ("tls_key_hash".to_owned(), Value::Text(enrolled.tls_key_hash.clone())),
        ]);
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(%error, "a replica cannot be let in again");
            Status::internal("máy chủ gặp lỗi; hãy báo tỉnh · the hub failed; tell the province")
        };
        self.event(READMISSION, "hub", fields).await.map_err(|error| failed(&error))?;
        self.registry.enrol(enrolled.clone()).map_err(|error| failed(&error))?;
        tracing::warn!(unit = %enrolled.unit, replica = %enrolled.replica, "a replica was let in again by its certificate");
        Ok(enrolled)
    }

    /// Takes a batch of a former replica of a unit, which its present one was refilled with when it was recovered: the
    /// ledger before had it, and it is nowhere else any more. What is held already is passed over.
    ///
    /// # Errors
    /// What the peer is told.
    pub(crate) async fn take_former(&self, by: &Enrolled, former: wire::Former) -> Result<(), Status> {
        let malformed = || Status::invalid_argument("a batch of no former replica of this unit");
        let replica = ReplicaId::from_slice(&former.replica).ok_or_else(malformed)?;
        if !self.readmits() || replica == by.replica {
            return Ok(());
        }
        let held = || self.committer.books().read().replicas.get(&replica).cloned();
        let known = held();
        let known = match known {
            Some(known) if known.unit == by.unit => known,
            Some(_) => return Err(malformed()),
            None => {
                let fields = BTreeMap::from([
                    ("replica".to_owned(), Value::Text(replica.to_string())),
                    ("unit".to_owned(), Value::Unit(by.unit.clone())),
                    ("by".to_owned(), Value::Text(by.replica.to_string())),
                ]);
                let logged = self.event(READMISSION, "hub", fields).await;
                logged.map_err(|error| Status::internal(error.to_string()))?;
                HeldReplica::empty(by.unit.clone())
            }
        };
        if former.first < known.frontier.size() {
            return Ok(());
        }
        let origin = self.secrets.origin(&by.unit, replica);
        let held = Held { replica, origin, key: [0; 32], frontier: known.frontier, announced: None };
        let envelope = Envelope {
            first: former.first,
            count: former.count,
            packed: former.packed,
            checkpoint: String::new(),
        };
        let verified = chained(&held, &envelope);
        let verified = verified.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let permit = self.budget().await.ok_or_else(|| Status::unavailable("the hub is shutting down"))?;
        let pending = self.committer.submit(verified, permit).await;
        let taken = match pending {
            Ok(pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        match taken {
            // Another stream of the unit was faster.
            Ok(_) | Err(CommitError::Overtaken { .. }) => Ok(()),
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }
}
