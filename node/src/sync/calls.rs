//! What a connection does beside its stream's messages.

use std::sync::Arc;

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use tonic::transport::Channel;

use super::stream::PROVE_TIMEOUT;
use super::witness::checkpoint_of;
use super::{Evidence, RefusalLine, Witness};
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

/// A piece of the feed as it came; none if it names no ledger or place.
#[must_use]
pub fn feed_piece(feed: wire::Feed) -> Option<FeedPiece> {
    let of = ReplicaId::from_slice(&feed.of)?;
    let cursor = FeedCursor { ledger: feed.ledger, place: u16::try_from(feed.place).ok()? };
    Some(FeedPiece { to: Fed { of, cursor }, packed: feed.packed })
}

/// Takes in a piece of the feed, durably.
pub(super) async fn take_feed(feed: wire::Feed, replica: &Replica) -> Result<(), String> {
    let piece = feed_piece(feed).ok_or("the feed names no ledger or place")?;
    replica.feed(piece).await.map_err(|error| error.to_string())
}

/// The longest checkpoint of the ledger `origin` that this node has seen, or cosigned, with the note the ledger signed.
pub(super) fn longest_seen(
    evidence: &Evidence,
    witness: &Witness,
    origin: &str,
) -> Option<(Checkpoint, String)> {
    let cosigned = witness.cosigned().and_then(|note| Some((checkpoint_of(&note)?, note)));
    let cosigned = cosigned.filter(|(checkpoint, _)| checkpoint.origin == origin);
    let seen = evidence.seen(origin);
    seen.into_iter().chain(cosigned).max_by_key(|(checkpoint, _)| checkpoint.size)
}

/// Keeps what shows that the ledger is not the one known, and tells whoever has the hub.
pub(super) fn refuse(evidence: &Evidence, rpc: Option<Rpc<Channel>>, refusal: RefusalLine) {
    if let Err(error) = evidence.keep_refusal(&refusal) {
        tracing::error!(%error, "the proof of a refused ledger cannot be kept");
    }
    let Some(mut rpc) = rpc else { return };
    let RefusalLine { known, shown, reason, .. } = refusal;
    tokio::spawn(async move {
        let mut request = tonic::Request::new(wire::RefuseRequest { known, shown, reason });
        request.set_timeout(PROVE_TIMEOUT);
        if let Err(status) = rpc.refuse(request).await {
            tracing::warn!(reason = status.message(), "the hub does not hear that its ledger is refused");
        }
    });
}
