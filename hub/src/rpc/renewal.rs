//! Renewal: a certificate for a fresh key of an enrolled replica, asked for by the certificate in use, or, once that has
//! ended, by the log key and with the province's approval.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::identity::renewal_message;
use lienthong_proto::hash::ed25519_verify;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::value::Value;
use lienthong_proto::wire::enrol as wire;
use tonic::Status;

use super::enrolment::{internal, request_key_hash};
use super::session::refused;
use crate::app::Hub;
use crate::pki::{APPROVAL_MILLIS, Approved, Enrolled, Refusal, ReplicaState};

fn malformed() -> Status {
    Status::invalid_argument("yêu cầu gia hạn không đúng dạng · malformed request of renewal")
}

/// Whether a replica's log key asks for a certificate of the key in a request.
fn is_asked(enrolled: &Enrolled, csr: &[u8], proof: &[u8]) -> bool {
    let message = renewal_message(&enrolled.replica, csr);
    enrolled.log_public().is_some_and(|key| ed25519_verify(&key, &message, proof))
}

fn unproven() -> Status {
    Status::permission_denied(
        "yêu cầu không do khóa nhật ký của máy này ký · the request is not signed with this machine's log key",
    )
}

/// Renews for whoever calls with the certificate in use; for the key in use without more, for another only by the log
/// key, so that who stole the one has not the other.
pub(super) async fn by_certificate(
    hub: &Hub,
    enrolled: &Enrolled,
    (csr, proof): (&[u8], &[u8]),
) -> Result<Vec<u8>, Status> {
    let key = request_key_hash(csr).ok_or_else(malformed)?;
    if hex::encode(key) != enrolled.tls_key_hash && !is_asked(enrolled, csr, proof) {
        return Err(unproven());
    }
    hub.certify(enrolled, csr, "renewal").await
}

/// Renews for whoever has the log key, once for each approval.
pub(super) async fn by_log_key(hub: &Arc<Hub>, request: wire::RenewRequest) -> Result<Vec<u8>, Status> {
    let replica = ReplicaId::from_slice(&request.replica).ok_or_else(malformed)?;
    let key = hex::encode(request_key_hash(&request.csr).ok_or_else(malformed)?);
    let known = hub.registry.get(replica).ok_or_else(|| refused(Refusal::Unknown))?;
    if !is_asked(&known, &request.csr, &request.proof) {
        return Err(unproven());
    }
    match known.state {
        ReplicaState::Active => {}
        ReplicaState::Revoked { .. } => return Err(refused(Refusal::Revoked)),
        ReplicaState::Fenced { .. } => return Err(refused(Refusal::Fenced)),
    }
    let now = hub.now();
    // The answer to an approved one may have been lost.
    let again = known.next.as_ref().is_some_and(|next| {
        next.tls_key_hash == key && now.since(lienthong_proto::time::UnixMillis(next.at)) < APPROVAL_MILLIS
    });
    let approved = again || {
        let redeemed = hub.approvals.redeem(Approved::Renewal, &known.unit, now);
        redeemed.map_err(|error| internal(&error))?
    };
    if !approved {
        tracing::warn!(unit = %known.unit, %replica, "a machine asks for its certificate's renewal: the unit may be called and it be approved");
        return Err(Status::failed_precondition(format!(
            "giấy chứng nhận của máy này đã hết hạn: gọi tỉnh, nhờ duyệt bằng `lienthong-hub unit approve-renewal {0}`; được duyệt là máy tự nối lại · \
             this machine's certificate has ended: call the province and ask it to approve with `lienthong-hub unit approve-renewal {0}`; the machine then goes on by itself",
            known.unit
        )));
    }
    hub.certify(&known, &request.csr, "approval").await
}

impl Hub {
    /// A certificate for a replica's key; one the registry has not is in the ledger and there before it is certified.
    pub(crate) async fn certify(
        &self,
        enrolled: &Enrolled,
        csr: &[u8],
        actor: &str,
    ) -> Result<Vec<u8>, Status> {
        let issued = self.issuer.issue(csr, &enrolled.unit, enrolled.replica, self.now());
        let certificate = issued.map_err(|_| malformed())?.to_vec();
        let key = request_key_hash(csr).ok_or_else(malformed)?;
        self.let_in(enrolled, key, actor).await?;
        tracing::info!(unit = %enrolled.unit, replica = %enrolled.replica, actor, "a certificate was renewed");
        Ok(certificate)
    }

    /// Lets a replica in by another TLS key, too, logged before it counts.
    pub(crate) async fn let_in(&self, enrolled: &Enrolled, key: [u8; 32], actor: &str) -> Result<(), Status> {
        // One at a time: what is free now is still free when it is logged.
        let _turn = self.readmitting.lock().await;
        let hash = hex::encode(key);
        match self.registry.by_key_hash(&key) {
            Some(known) if known.replica == enrolled.replica => return Ok(()),
            Some(_) => return Err(malformed()),
            None => {}
        }
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(enrolled.replica.to_string())),
            ("unit".to_owned(), Value::Unit(enrolled.unit.clone())),
            ("tls_key_hash".to_owned(), Value::Text(hash.clone())),
        ]);
        self.event("tls_key", actor, fields).await.map_err(|error| internal(&error))?;
        let certified = self.registry.certify(enrolled.replica, &hash, self.now());
        certified.map(drop).map_err(|error| internal(&error))
    }
}
