//! Enrolment: a token, a proof of the log key, a certificate.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lienthong_node::identity::proof_message;
use lienthong_node::rpc::enrol::enrolment_server::Enrolment;
use lienthong_proto::hash::{Signer as _, ed25519_verify, sha256};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::limits::UNIT_REPLICAS_MAX;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::enrol as wire;
use rustls_pki_types::CertificateDer;
use tonic::{Request, Response, Status};
use x509_parser::prelude::FromDer as _;

use super::session::not_for;
use crate::accept::Peer;
use crate::app::Hub;
use crate::pki::{
    Approved, Enrolled, PeerIdentity, Refusal, RegistryError, ReplicaState, Role, TokenError, issuer_of,
};
use crate::rights::may_call;

/// Serves enrolment for a hub.
pub struct EnrolmentService {
    hub: Arc<Hub>,
    /// One at a time is plenty, and makes guessing slow.
    turn: tokio::sync::Semaphore,
}

impl EnrolmentService {
    /// The service of a hub.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, turn: tokio::sync::Semaphore::new(1) }
    }

    async fn enrolled(
        &self,
        request: wire::EnrolRequest,
        source: IpAddr,
        peer: Option<PeerIdentity>,
    ) -> Result<wire::EnrolReply, Status> {
        let malformed =
            || Status::invalid_argument("yêu cầu ghi danh không đúng dạng · malformed enrolment request");
        let hub = &self.hub;
        let replica = ReplicaId::from_slice(&request.replica).ok_or_else(malformed)?;
        let log_key: [u8; 32] = request.log_key.as_ref().try_into().map_err(|_| malformed())?;
        let proven = proof_message(&request.token_id, &replica, &request.csr);
        if !ed25519_verify(&log_key, &proven, &request.proof) {
            return Err(malformed());
        }
        let tls_key_hash = request_key_hash(&request.csr).ok_or_else(malformed)?;
        hub.enrols_peers()?;
        // Before anything is spent on it; what is free now is still free when it is logged.
        let (tls_key, log) = (hex::encode(tls_key_hash), hex::encode(log_key));
        let _turn = hub.readmitting.lock().await;
        let held = hub.committer.books().read().replicas.contains_key(&replica);
        let enrolled = hub.registry.get(replica).filter(|known| {
            known.is_active() && known.log_key == log && known.has_tls_key(&tls_key) && peer.is_none()
        });
        if enrolled.is_none()
            && (held || hub.is_ledger(replica) || hub.registry.is_taken(replica, &tls_key, &log))
        {
            return Err(taken());
        }
        let now = hub.now();
        let (unit, role, former) = match peer {
            Some(peer) => self.approved(&peer)?,
            None => {
                let keys = sha256(&[&replica.0, &tls_key_hash, &log_key]);
                let redeemed = hub.tokens.redeem((&request.token_id, &request.token_secret), &keys, now);
                let (unit, role) = match redeemed {
                    Ok(granted) => granted,
                    Err(TokenError::Seal(fault)) => return Err(internal(&fault)),
                    Err(refusal) => return Err(hub.guessed(source, &request.token_id, &refusal).await),
                };
                (unit, role, None)
            }
        };
        if enrolled.is_none() && hub.enrolments_of(&unit).len() >= UNIT_REPLICAS_MAX {
            return Err(full(&unit));
        }
        let certificate = hub.issuer.issue(&request.csr, &unit, replica, now).map_err(|_| malformed())?;
        if let Some(known) = enrolled {
            // The answer was lost: the same one again.
            if (&known.unit, known.role) != (&unit, role) {
                return Err(taken());
            }
            return Ok(self.reply(&unit, role, &certificate, now));
        }
        let entry = Enrolled {
            replica,
            unit: unit.clone(),
            role,
            tls_key_hash: tls_key,
            next: None,
            issuer: issuer_of(&certificate),
            log_key: log,
            enrolled_at: now.0,
            state: ReplicaState::Active,
        };
        // The ledger first: an enrolment that is not in it must not exist.
        let mut fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(replica.to_string())),
            ("unit".to_owned(), Value::Unit(unit.clone())),
            ("role".to_owned(), Value::Text(role.to_string())),
            ("log_key".to_owned(), Value::Text(entry.log_key.clone())),
            ("tls_key_hash".to_owned(), Value::Text(entry.tls_key_hash.clone())),
        ]);
        let actor = if former.is_some() { "recovery" } else { "token" };
        if let Some(former) = former {
            fields.insert("recovers".to_owned(), Value::Text(former.to_string()));
        }
        hub.event("enrolment", actor, fields).await.map_err(|error| internal(&error))?;
        hub.registry.enrol(entry).map_err(|error| match error {
            RegistryError::Taken => taken(),
            other => internal(&other),
        })?;
        if let Some(former) = former {
            self.retire(former, replica).await;
        }
        tracing::info!(%unit, %replica, "a replica was enrolled");
        Ok(self.reply(&unit, role, &certificate, now))
    }

    /// Whom an approved recovery goes to: the unit of the certificate it comes with.
    fn approved(&self, peer: &PeerIdentity) -> Result<(UnitCode, Role, Option<ReplicaId>), Status> {
        let refused = |refusal: Refusal| Status::permission_denied(refusal.to_string());
        let known = self.hub.registry.get(peer.replica).ok_or_else(|| refused(Refusal::Unknown))?;
        if !known.has_tls_key(&hex::encode(peer.key_hash)) || known.unit != peer.unit {
            return Err(refused(Refusal::Unknown));
        }
        if !may_call(known.role, "Enrol, as a recovery") {
            return Err(not_for(known.role));
        }
        if matches!(known.state, ReplicaState::Revoked { .. }) {
            return Err(refused(Refusal::Revoked));
        }
        let approved = self.hub.approvals.redeem(Approved::Recovery, &known.unit, self.hub.now());
        if !approved.map_err(|error| internal(&error))? {
            return Err(Status::failed_precondition(format!(
                "tỉnh chưa duyệt khôi phục: gọi tỉnh, nhờ chạy `lienthong-hub unit approve-recovery {0}`, rồi chạy lại lệnh này · \
                 the province has not approved the recovery: ask it to run `lienthong-hub unit approve-recovery {0}`, then run this again",
                known.unit
            )));
        }
        Ok((known.unit, known.role, Some(known.replica)))
    }

    /// The replica that was recovered from writes no more; a fenced one stays as it is.
    async fn retire(&self, former: ReplicaId, replica: ReplicaId) {
        let reason = format!("recovered as {replica}");
        if self.hub.registry.revoke(&former.to_string(), &reason, self.hub.now()).is_err() {
            return;
        }
        let fields = BTreeMap::from([
            ("whom".to_owned(), Value::Text(former.to_string())),
            ("reason".to_owned(), Value::Text(reason)),
        ]);
        if let Err(error) = self.hub.event("revocation", "recovery", fields).await {
            tracing::error!(%error, "a revocation is not in the ledger");
        }
    }

    fn reply(
        &self,
        unit: &UnitCode,
        role: Role,
        certificate: &CertificateDer<'_>,
        now: UnixMillis,
    ) -> wire::EnrolReply {
        let (hub, secrets) = (&self.hub, &self.hub.secrets);
        wire::EnrolReply {
            chain: vec![certificate.to_vec().into()],
            root: secrets.root().to_vec().into(),
            authority: secrets.authorities.current().note,
            unit_name: hub.tree().title(unit),
            unit: unit.to_string(),
            role: role.to_string(),
            domain: secrets.profile.domain.clone(),
            province: secrets.profile.province.to_string(),
            hub_replica: secrets.profile.replica.0.to_vec().into(),
            ledger_key: secrets.ledger_public().to_vec().into(),
            cosigner_key: secrets.receipt_seeds.first().public_key().to_vec().into(),
            recovery_key: hex::decode(&secrets.profile.recovery_key).unwrap_or_default().into(),
            // It makes record ids: nobody who owns no records has any use of it.
            provincial_key: match role {
                Role::Auditor => Vec::new().into(),
                Role::Commune | Role::Province => secrets.provincial_key.to_vec().into(),
            },
            clock_millis: now.0,
            successions: secrets.profile.successions.clone(),
        }
    }
}

fn taken() -> Status {
    Status::already_exists("máy này đã được ghi danh · enrolled already")
}

/// A unit with more would have nodes that no roll lists.
fn full(unit: &UnitCode) -> Status {
    tracing::error!(%unit, "so many replicas were enrolled in a unit's name that it gets no more");
    Status::resource_exhausted(format!(
        "đơn vị {unit} đã có {UNIT_REPLICAS_MAX} máy được ghi danh, không nhận thêm: gọi tỉnh · \
         unit {unit} has had {UNIT_REPLICAS_MAX} replicas, no more are enrolled: call the province"
    ))
}

pub(super) fn internal(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "enrolment failed");
    Status::internal("máy chủ gặp lỗi; hãy báo tỉnh · the hub failed; tell the province")
}

/// SHA-256 of the public key in a certificate request.
pub(super) fn request_key_hash(csr: &[u8]) -> Option<[u8; 32]> {
    use x509_parser::certification_request::X509CertificationRequest;
    let (_, request) = X509CertificationRequest::from_der(csr).ok()?;
    Some(sha256(&[request.certification_request_info.subject_pki.raw]))
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(
        &self,
        request: Request<wire::EnrolRequest>,
    ) -> Result<Response<wire::EnrolReply>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let (source, identity) =
            peer.map_or((IpAddr::V4(Ipv4Addr::UNSPECIFIED), None), |peer| (peer.address.ip(), peer.identity));
        let request = request.into_inner();
        // Who only guesses takes no turn from those who enrol.
        if identity.is_none() && !self.hub.tokens.is_known(&request.token_id) {
            self.hub.enrols_peers()?;
            return Err(self.hub.guessed(source, &request.token_id, &TokenError::Unknown).await);
        }
        let _turn = self.turn.acquire().await.map_err(|_| Status::unavailable("shutting down"))?;
        self.enrolled(request, source, identity).await.map(Response::new)
    }

    async fn authority(
        &self,
        _request: Request<wire::AuthorityRequest>,
    ) -> Result<Response<wire::AuthorityReply>, Status> {
        let note = self.hub.secrets.authorities.current().note;
        Ok(Response::new(wire::AuthorityReply { note }))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewReply>, Status> {
        let _turn = self.turn.acquire().await.map_err(|_| Status::unavailable("shutting down"))?;
        let certificate = super::renewal::by_log_key(&self.hub, request.into_inner()).await?;
        Ok(Response::new(wire::RenewReply { chain: vec![certificate.into()] }))
    }
}
