//! The streams a replica has open: the newest few. What a bad line left hanging makes way, and who opens them by the dozen
//! has the hub keep answers for those few only.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::wire::sync as wire;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use crate::places::Turns;

/// Streams of one replica; it needs one.
const OF_REPLICA_MAX: usize = 4;
/// Messages that may wait for a slow reader; past them its stream stalls, nobody else's.
const DOWN_QUEUE: usize = 32;

/// A stream's number, and what tells it to make way.
type Open = (u64, CancellationToken);

#[derive(Debug, Default)]
struct Known {
    next: u64,
    open: HashMap<ReplicaId, VecDeque<Open>>,
}

#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    turns: Turns<ReplicaId>,
}

/// Of all replicas.
#[derive(Debug, Clone)]
pub(super) struct Sessions(Arc<Shared>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Arc::new(Shared { known: Mutex::default(), turns: Turns::new(OF_REPLICA_MAX) }))
    }
}

impl Sessions {
    /// One more of a replica; its oldest makes way if there are too many.
    pub(super) fn begin(&self, replica: ReplicaId) -> Turn {
        let overtaken = CancellationToken::new();
        let mut known = self.0.known.lock();
        let number = known.next;
        known.next += 1;
        let open = known.open.entry(replica).or_default();
        open.push_back((number, overtaken.clone()));
        if open.len() > OF_REPLICA_MAX
            && let Some((_, oldest)) = open.pop_front()
        {
            oldest.cancel();
        }
        drop(known);
        Turn { sessions: self.clone(), replica, number, overtaken }
    }
}

/// A stream's place among its replica's; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    sessions: Sessions,
    replica: ReplicaId,
    number: u64,
    overtaken: CancellationToken,
}

impl Turn {
    /// Ends when newer ones took over.
    pub(super) async fn overtaken(&self) {
        self.overtaken.cancelled().await;
    }

    /// Waits until one that made way is gone; nothing if newer ones take over meanwhile.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.overtaken.cancelled() => None,
            place = self.sessions.0.turns.take(self.replica) => place,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut known = self.sessions.0.known.lock();
        if let Some(open) = known.open.get_mut(&self.replica) {
            open.retain(|(number, _)| *number != self.number);
            if open.is_empty() {
                known.open.remove(&self.replica);
            }
        }
    }
}

/// What goes down to the peer; it says so when nobody takes it any more.
pub(super) struct Down {
    queue: ReceiverStream<Result<wire::Down, Status>>,
    _gone: DropGuard,
}

impl Stream for Down {
    type Item = Result<wire::Down, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.queue).poll_next(cx)
    }
}

/// The way to a peer.
pub(super) struct Way {
    /// What it is told.
    pub(super) down: mpsc::Sender<Result<wire::Down, Status>>,
    /// Cancelled when nobody takes what it is told any more.
    pub(super) gone: CancellationToken,
    /// Ends the connection of one who does not take it.
    pub(super) cut: CancellationToken,
    /// Its place.
    pub(super) turn: Turn,
}

impl Way {
    /// The way, and what goes down it.
    pub(super) fn open(turn: Turn, cut: CancellationToken) -> (Self, Down) {
        let (down, queue) = mpsc::channel(DOWN_QUEUE);
        let gone = CancellationToken::new();
        let queue = Down { queue: ReceiverStream::new(queue), _gone: gone.clone().drop_guard() };
        (Self { down, gone, cut, turn }, queue)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn the_oldest_makes_way_and_nobody_is_remembered_for_ever() {
        let sessions = Sessions::default();
        let (one, other) = (ReplicaId([1; 16]), ReplicaId([2; 16]));
        let turns: Vec<Turn> = (0..=OF_REPLICA_MAX).map(|_| sessions.begin(one)).collect();
        let beside = sessions.begin(other);
        let overtaken: Vec<bool> = turns.iter().map(|turn| turn.overtaken.is_cancelled()).collect();
        assert_eq!(overtaken, [true, false, false, false, false]);
        assert!(!beside.overtaken.is_cancelled());
        drop((turns, beside));
        assert!(sessions.0.known.lock().open.is_empty());
    }

    #[tokio::test]
    async fn a_newer_one_waits_until_the_oldest_is_gone() {
        let (sessions, one) = (Sessions::default(), ReplicaId([1; 16]));
        let mut held = Vec::new();
        for _ in 0..OF_REPLICA_MAX {
            let turn = sessions.begin(one);
            let place = turn.place().await;
            assert!(place.is_some());
            held.push((turn, place));
        }
        let newer = sessions.begin(one);
        assert!(newer.place().now_or_never().is_none(), "the oldest is there still");
        held.remove(0);
        assert!(newer.place().await.is_some());
        let newest: Vec<Turn> = (0..OF_REPLICA_MAX).map(|_| sessions.begin(one)).collect();
        assert!(newer.place().await.is_none(), "it was overtaken itself");
        drop(newest);
    }
}
