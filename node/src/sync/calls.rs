//! What a connection does beside its stream's messages.

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::roll::RollFault;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use tonic::transport::Channel;

use super::stream::PROVE_TIMEOUT;
use super::witness::checkpoint_of;
use super::{Evidence, ReceiptLine, RefusalLine, Witness};
use crate::identity::{self, NodeIdentity};
use crate::replica::{Fed, FeedPiece, Replica};
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// A certificate older than this is renewed with the next connection.
const RENEW_AFTER_MILLIS: u64 = 30 * 24 * 3_600 * 1_000;

/// Renews the certificate in good time, or under another authority, with a fresh key; whether it did.
pub(super) async fn renew(rpc: Rpc<Channel>, identity: &NodeIdentity, clock: fn() -> UnixMillis) -> bool {
    let young = |(from, _): (UnixMillis, UnixMillis)| clock().since(from) < RENEW_AFTER_MILLIS;
    if identity.validity().is_some_and(young) && identity.is_under_newest() {
        return false;
    }
    match identity::renew(identity, rpc).await {
        Ok(()) => tracing::info!("the certificate was renewed, with a fresh key"),
        Err(reason) => {
            tracing::warn!(%reason, "the certificate was not renewed; the next connection tries again");
            return false;
        }
    }
    true
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

/// Judges the rolls of a round; what shows that one is false is kept.
pub(super) fn judge_rolls(
    witness: &Witness,
    identity: &NodeIdentity,
    evidence: &Evidence,
    round: &wire::Round,
    (seen, now): (Option<&Checkpoint>, UnixMillis),
) {
    if round.rolls.is_empty() {
        return;
    }
    let receipts = || {
        let mut receipts = evidence.receipts().unwrap_or_default();
        receipts.retain(|receipt| receipt.ledger == identity.ledger_mark());
        receipts
    };
    let acknowledged = || receipts().iter().map(ReceiptLine::promised).collect();
    let (fault, shown) = match witness.rolls(identity, round, seen, &acknowledged) {
        Ok(None) => return,
        Ok(Some(found)) => found,
        Err(error) => {
            tracing::error!(%error, "what was judged of a roll cannot be kept");
            return;
        }
    };
    tracing::error!(%fault, "this node gives no cosignature: a roll of the ledger is false");
    let contradicted = match &fault {
        RollFault::Less { acknowledged: size, .. } | RollFault::OtherAcceptance { size, .. } => {
            receipts().into_iter().find(|receipt| receipt.size == *size)
        }
        _ => receipts().into_iter().next_back(),
    };
    let refusal = RefusalLine {
        at: now.0,
        reason: fault.to_string(),
        known: contradicted.and_then(|receipt| serde_json::to_string(&receipt).ok()).unwrap_or_default(),
        shown: round.checkpoint.clone(),
        roll: Some((hex::encode(&shown.entry), shown.path.iter().map(hex::encode).collect())),
        line: Some((hex::encode(&shown.salt), hex::encode(&shown.line))),
        ..RefusalLine::default()
    };
    if let Err(error) = evidence.keep_refusal(&refusal) {
        tracing::error!(%error, "the proof of a false roll cannot be kept");
    }
}
