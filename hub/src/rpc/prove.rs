//! The proof of an acceptance, for whoever has a receipt of it: that it stands in the ledger, and behind which others of its log.

use std::sync::Arc;

use bytes::Bytes;
use lienthong_node::aside::aside;
use lienthong_node::dataset::Payload;
use lienthong_node::log::FramePosition;
use lienthong_node::store::Keyspace;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::{Acceptance, Link};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::Sequence;
use lienthong_proto::limits::PROVEN_BEFORE_MAX;
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use crate::app::Hub;
use crate::pki::Enrolled;

/// Bytes of verdicts that one answer holds, but for those of one acceptance.
const PROVEN_BYTES_AIM: usize = 1 << 20;

/// The acceptance that is asked for, if it is of the caller's unit, with its path to the checkpoint of the size that is asked for, and
/// what it is bound to.
pub(super) async fn prove(
    hub: &Arc<Hub>,
    caller: Enrolled,
    asked: &wire::ProveRequest,
) -> Result<wire::ProveReply, Status> {
    let (index, known_size, size) = (asked.ledger_index, asked.known_size, asked.ledger_size);
    if index >= size || size > hub.head().size {
        return Err(unknown());
    }
    let (reader, prover) = (Arc::clone(hub), Arc::clone(hub));
    let (entry, acceptance) = beside(move || acceptance(&reader, &caller, index)).await?;
    let before = match known_size.filter(|known| *known < acceptance.first.0) {
        Some(known) => before(hub, &acceptance, known).await?,
        None => Vec::new(),
    };
    beside(move || {
        let path = inclusion_proof(prover.hashes.as_ref(), index, size).ok_or_else(unknown)?;
        let digest = |hash: Digest| Bytes::copy_from_slice(&hash);
        Ok(wire::ProveReply { entry, path: path.into_iter().map(digest).collect(), before })
    })
    .await
}

fn acceptance(hub: &Hub, caller: &Enrolled, index: u64) -> Result<(Bytes, Acceptance), Status> {
    let mut scan = hub.reader.clone().scan(Sequence(index));
    let (_, frame) = scan.next().ok_or_else(unknown)?.map_err(|error| failed(&error))?;
    let Ok(Payload::Accepted { entry, .. }) = Payload::parse(&frame.payload) else { return Err(unknown()) };
    let acceptance = Entry::decode(entry).and_then(|entry| Acceptance::of(&entry)).map_err(|e| failed(&e))?;
    let unit = hub.registry.get(acceptance.replica).map(|known| known.unit);
    if unit.as_ref() != Some(&caller.unit) {
        return Err(unknown());
    }
    Ok((Bytes::copy_from_slice(entry), acceptance))
}

/// The acceptances of its log before this one, from `known` entries on: all, or as many as one answer holds.
async fn before(hub: &Arc<Hub>, of: &Acceptance, known: u64) -> Result<Vec<wire::AcceptedBefore>, Status> {
    // The last batches may not be in the view yet.
    for flushed in [false, true] {
        if flushed {
            hub.committer.flush().await;
        }
        let (reader, replica, range) = (Arc::clone(hub), of.replica, (known, of.first.0));
        let Shown { begins, is_all, is_cut, links } =
            beside(move || links(&reader, &replica.0, range)).await?;
        if begins.map_or(is_all, |begins| begins != known) {
            return Err(Status::invalid_argument("no acceptance ends at what is said to be known"));
        }
        if is_cut || links.last().map(|link| link.size) == Some(of.first.0) {
            let told = |link: Link| wire::AcceptedBefore {
                ledger_index: link.index,
                size: link.size,
                at_millis: link.at.0,
                verdicts: link.verdicts.into(),
            };
            return Ok(links.into_iter().map(told).collect());
        }
    }
    Err(Status::data_loss("the acceptances before it are not found"))
}

/// Acceptances of the batches that begin in a range, as the view has them.
struct Shown {
    /// Where the first of them begins.
    begins: Option<u64>,
    /// The view has all of them.
    is_all: bool,
    /// There are more than one answer holds.
    is_cut: bool,
    links: Vec<Link>,
}

fn links(hub: &Hub, replica: &[u8; 16], (from, to): (u64, u64)) -> Result<Shown, Status> {
    let (mut begins, mut is_all, mut frames) = (None, false, Vec::new());
    let scanned = hub.dataset.view().scan_prefix(Keyspace::Index, replica, &mut |key, at| {
        let first = key.get(16..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let at = at.try_into().ok().map(u64::from_be_bytes);
        if let (Some(first), Some(at)) = (first, at)
            && (from..to).contains(&first)
        {
            begins = begins.or(Some(first));
            frames.push(FramePosition::unpack(at));
        }
        is_all |= first.is_some_and(|first| first >= to);
        first.is_some_and(|first| first < to) && frames.len() <= PROVEN_BEFORE_MAX
    });
    scanned.map_err(|error| failed(&error))?;
    let mut is_cut = frames.len() > PROVEN_BEFORE_MAX;
    frames.truncate(PROVEN_BEFORE_MAX);
    let link = |at: FramePosition| {
        let frame = hub.reader.frame(at).map_err(|error| failed(&error))?;
        let Ok(Payload::Accepted { entry, .. }) = Payload::parse(&frame.payload) else {
            return Err(unknown());
        };
        let entry = Entry::decode(entry).map_err(|error| failed(&error))?;
        let acceptance = Acceptance::of(&entry).map_err(|error| failed(&error))?;
        Ok(acceptance.link(entry.header.dot.sequence.0))
    };
    let (mut links, mut bytes) = (Vec::new(), 0);
    for frame in frames {
        if bytes > PROVEN_BYTES_AIM {
            is_cut = true;
            break;
        }
        let link = link(frame)?;
        bytes += link.verdicts.len();
        links.push(link);
    }
    Ok(Shown { begins, is_all, is_cut, links })
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    // It is going down.
    aside(work).await.map_err(|error| Status::unavailable(error.to_string()))?
}

fn unknown() -> Status {
    Status::not_found("no acceptance of this unit stands there")
}

fn failed(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "a proof cannot be made");
    Status::internal("the ledger cannot be read")
}
