//! What is known of connected nodes only from their connections: nothing here survives a restart.

use std::collections::HashMap;

use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync::Hello;
use parking_lot::RwLock;

/// One replica's connection, as last known.
#[derive(Debug, Clone, Default)]
pub struct LiveReplica {
    /// How many streams it has open.
    pub streams: u32,
    /// When it was last heard.
    pub last_seen: Option<UnixMillis>,
    /// The log size it last announced.
    pub announced: Option<u64>,
    /// Its clock less the hub's, milliseconds.
    pub skew_millis: Option<i64>,
    /// Its program's version.
    pub program: String,
    /// Once it has taken the feed up to the first, nothing before the second concerns it.
    pub fed: Option<(FeedCursor, FeedCursor)>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Live {
    replicas: RwLock<HashMap<ReplicaId, LiveReplica>>,
}

impl Live {
    /// A replica greeted.
    pub fn greeted(&self, replica: ReplicaId, hello: &Hello, now: UnixMillis) {
        let mut replicas = self.replicas.write();
        let live = replicas.entry(replica).or_default();
        live.streams += 1;
        live.last_seen = Some(now);
        live.announced = Some(hello.log_size);
        live.skew_millis = Some(hello.clock_millis.cast_signed() - now.0.cast_signed());
        live.program.clone_from(&hello.program);
    }

    /// A replica said something.
    pub fn heard(&self, replica: ReplicaId, now: UnixMillis) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.last_seen = Some(now);
        }
    }

    /// A replica announced its log's size.
    pub fn announced(&self, replica: ReplicaId, size: u64, skew_millis: i64, now: UnixMillis) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.announced = Some(size);
            live.skew_millis = Some(skew_millis);
            live.last_seen = Some(now);
        }
    }

    /// A replica's stream ended.
    pub fn left(&self, replica: ReplicaId, now: UnixMillis) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.streams = live.streams.saturating_sub(1);
            live.last_seen = Some(now);
        }
    }

    /// What a reader of its feed found out.
    pub fn fed(&self, replica: ReplicaId, seen: (FeedCursor, FeedCursor)) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.fed = Some(seen);
        }
    }

    /// From where its feed need be read, when it has taken so much: what does not concern it is gone through once.
    #[must_use]
    pub fn feed_from(&self, replica: ReplicaId, taken: FeedCursor) -> FeedCursor {
        let known = self.replicas.read().get(&replica).and_then(|live| live.fed);
        known.filter(|(needs, _)| taken >= *needs).map_or(taken, |(_, reached)| reached.max(taken))
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.replicas.read().values().map(|live| u64::from(live.streams)).sum()
    }

    /// What is known of a replica.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<LiveReplica> {
        self.replicas.read().get(&replica).cloned()
    }
}
