//! Synchronisation: who calls, and a session for each stream.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use lienthong_node::rpc::sync::sync_server::Sync;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::wire::sync as wire;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::prove::prove;
use super::refill::{REFILL_QUEUE, Refill, Refills};
use super::renewal;
use super::session::{Session, greeting, not_for, refused};
use super::sessions::{Sessions, Way};
use super::subscribe::subscribe;
use crate::accept::Peer;
use crate::app::Hub;
use crate::pki::{Enrolled, PeerIdentity};
use crate::rights::may_call;

const PROOFS_MAX: usize = 4;

/// Serves synchronisation for a hub.
pub struct SyncService {
    hub: Arc<Hub>,
    refills: Refills,
    sessions: Sessions,
    /// Proofs that are made at a time: one may read thousands of the ledger's frames.
    proofs: Semaphore,
}

impl SyncService {
    /// The service of a hub.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let proofs = Semaphore::new(PROOFS_MAX);
        Self { hub, refills: Refills::default(), sessions: Sessions::default(), proofs }
    }

    /// Asked on every call: the certificate alone is not enough, and each role has its calls.
    fn authorise<T>(&self, request: &Request<T>, call: &str) -> Result<Enrolled, Status> {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.identity.as_ref());
        let peer = peer.ok_or_else(|| Status::unauthenticated("no client certificate"))?;
        let meters = &self.hub.observed.meters;
        match self.hub.registry.authorise(peer) {
            Ok(enrolled) if !may_call(enrolled.role, call) => {
                meters.refused("role");
                Err(not_for(enrolled.role))
            }
            Ok(enrolled) => {
                meters.certified(enrolled.replica, peer.until);
                Ok(enrolled)
            }
            Err(refusal) => {
                meters.refused(refusal.name());
                Err(refused(refusal))
            }
        }
    }

    /// A peer with a good certificate whom the registry has lost, or of whose key it has lost, while such may come.
    fn forgotten<T>(&self, request: &Request<T>) -> Option<PeerIdentity> {
        let peer = request.extensions().get::<Peer>()?.identity.clone()?;
        let known = self.hub.registry.get(peer.replica);
        let lost = known.is_none_or(|known| !known.has_tls_key(&hex::encode(peer.key_hash)));
        (self.hub.readmits() && lost).then_some(peer)
    }
}

/// Hears a forgotten replica's greeting, and goes on with it once it is let in again.
async fn readmitted(hub: Arc<Hub>, peer: PeerIdentity, way: Way, mut up: Streaming<wire::Up>) {
    let admitted = match greeting(&mut up).await {
        Ok(hello) => hub.readmit(&peer, &hello).await.map(|enrolled| (enrolled, hello)),
        Err(status) => Err(status),
    };
    match admitted {
        Ok((enrolled, hello)) => Session::new(hub, enrolled, way).run(up, Some(hello)).await,
        Err(status) => drop(way.down.send(Err(status)).await),
    }
}

#[tonic::async_trait]
impl Sync for SyncService {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<wire::Down, Status>> + Send>>;
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<wire::Granted, Status>> + Send>>;
    type RefillStream = Pin<Box<dyn Stream<Item = Result<wire::RefillPiece, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<wire::Up>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let Some(Peer { identity: Some(peer), cut, .. }) = request.extensions().get::<Peer>().cloned() else {
            return Err(Status::unauthenticated("no client certificate"));
        };
        let (way, queue) = Way::open(self.sessions.begin(peer.replica), cut);
        match self.authorise(&request, "Exchange") {
            Ok(enrolled) => {
                let session = Session::new(Arc::clone(&self.hub), enrolled, way);
                tokio::spawn(session.run(request.into_inner(), None));
            }
            Err(refusal) => {
                let peer = self.forgotten(&request).ok_or(refusal)?;
                tokio::spawn(readmitted(Arc::clone(&self.hub), peer, way, request.into_inner()));
            }
        }
        Ok(Response::new(Box::pin(queue)))
    }

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::Taken>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let enrolled = self.authorise(&request, "Subscribe")?;
        let cut = request.extensions().get::<Peer>().map(|peer| peer.cut.clone()).unwrap_or_default();
        let granted = subscribe(Arc::clone(&self.hub), enrolled, cut, request.into_inner());
        Ok(Response::new(Box::pin(granted)))
    }

    async fn prove(
        &self,
        request: Request<wire::ProveRequest>,
    ) -> Result<Response<wire::ProveReply>, Status> {
        let enrolled = self.authorise(&request, "Prove")?;
        let _turn = self.proofs.acquire().await;
        prove(&self.hub, enrolled, request.get_ref()).await.map(Response::new)
    }

    async fn refuse(
        &self,
        request: Request<wire::RefuseRequest>,
    ) -> Result<Response<wire::RefuseReply>, Status> {
        let enrolled = self.authorise(&request, "Refuse")?;
        let refused = self.hub.refused_by(&enrolled, request.get_ref()).await;
        refused.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(wire::RefuseReply {}))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewReply>, Status> {
        let enrolled = self.authorise(&request, "Renew")?;
        let wire::RenewRequest { csr, proof } = request.into_inner();
        let certificate = renewal::by_certificate(&self.hub, &enrolled, (&csr, &proof)).await?;
        Ok(Response::new(wire::RenewReply { chain: vec![certificate.into()] }))
    }

    async fn refill(
        &self,
        request: Request<wire::RefillRequest>,
    ) -> Result<Response<Self::RefillStream>, Status> {
        let enrolled = self.authorise(&request, "Refill")?;
        let wanted = request.into_inner().replica;
        let wanted = match ReplicaId::from_slice(&wanted) {
            None if !wanted.is_empty() => return Err(Status::invalid_argument("not a replica's name")),
            wanted => wanted,
        };
        let hub = Arc::clone(&self.hub);
        if hub.readmits() {
            return Err(Status::failed_precondition(
                "tỉnh vừa khôi phục máy chủ, chưa có đủ dữ liệu của đơn vị: chạy lại sau khi tỉnh xác nhận ·                  the hub was restored and does not hold everything of the unit yet: run this again once the province has confirmed",
            ));
        }
        let Some(turn) = self.refills.turn(enrolled.replica) else {
            return Err(Status::resource_exhausted(
                "đang có nhiều máy lấy lại dữ liệu: thử lại sau ít phút · others are being refilled: try again in some minutes",
            ));
        };
        let (pieces, queue) = mpsc::channel(REFILL_QUEUE);
        let refill = Refill { hub, enrolled, wanted, pieces, _turn: turn };
        tokio::task::spawn_blocking(move || refill.run());
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }
}
