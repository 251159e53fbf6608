//! What a connection does beside its stream's messages.

use std::sync::Arc;

use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use tonic::transport::Channel;

use super::stream::PROVE_TIMEOUT;
use crate::identity::NodeIdentity;
use crate::replica::{Fed, FeedPiece, Replica};
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// A certificate older than this is renewed with the next connection.
const RENEW_AFTER_MILLIS: u64 = 30 * 24 * 3_600 * 1_000;

/// Renews the certificate in good time; it is used from the next connection on.
pub(super) async fn renew(mut rpc: Rpc<Channel>, identity: Arc<NodeIdentity>, clock: fn() -> UnixMillis) {
    let young = |(from, _): (UnixMillis, UnixMillis)| clock().since(from) < RENEW_AFTER_MILLIS;
    if identity.validity().is_some_and(young) {
        return;
    }
    let csr = match identity.renewal_request() {
        Ok(csr) => csr,
        Err(error) => return tracing::error!(%error, "no certificate can be requested"),
    };
    let mut request = tonic::Request::new(wire::RenewRequest { csr: csr.into() });
    request.set_timeout(PROVE_TIMEOUT);
    let kept = match rpc.renew(request).await {
        Ok(reply) => {
            let chain = reply.into_inner().chain.into_iter().map(|der| der.to_vec().into()).collect();
            identity.renewed(chain).map_err(|error| error.to_string())
        }
        Err(status) => Err(status.message().to_owned()),
    };
    match kept {
        Ok(()) => tracing::info!("the certificate was renewed"),
        Err(reason) => {
            tracing::warn!(reason, "the certificate was not renewed; the next connection tries again")
        }
    }
}

/// Takes in a piece of the feed, durably.
pub(super) async fn take_feed(feed: wire::Feed, replica: &Replica) -> Result<(), String> {
    let (Some(of), Ok(place)) = (ReplicaId::from_slice(&feed.of), u16::try_from(feed.place)) else {
        return Err("the feed names no ledger or place".to_owned());
    };
    let to = Fed { of, cursor: FeedCursor { ledger: feed.ledger, place } };
    let piece = FeedPiece { to, packed: feed.packed };
    replica.feed(piece).await.map_err(|error| error.to_string())
}
