//! What is known of connected nodes only from their connections: nothing here survives a restart.

use std::collections::HashMap;

use lienthong_node::observe::Room;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync::{Heartbeat, Hello};
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
    /// What was held of it, and since when nothing came of it although it had announced more.
    pub standing: Option<(u64, UnixMillis)>,
    /// How much room its disk has, as it says itself.
    pub room: Option<Room>,
    /// Its clock less the hub's, milliseconds.
    pub skew_millis: Option<i64>,
    /// Its program's version.
    pub program: String,
    /// Once it has taken the feed up to the first, nothing before the second concerns it.
    pub fed: Option<(FeedCursor, FeedCursor)>,
}

impl LiveReplica {
    fn announces(&mut self, size: u64, held: u64, now: UnixMillis) {
        self.announced = Some(size);
        let before = self.standing.filter(|(before, _)| *before == held);
        self.standing = (size > held).then(|| before.unwrap_or((held, now)));
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Live {
    replicas: RwLock<HashMap<ReplicaId, LiveReplica>>,
}

impl Live {
    /// A replica greeted, of whose log so much is held.
    pub fn greeted(&self, replica: ReplicaId, hello: &Hello, held: u64, now: UnixMillis) {
        let mut replicas = self.replicas.write();
        let live = replicas.entry(replica).or_default();
        live.streams += 1;
        live.last_seen = Some(now);
        live.announces(hello.log_size, held, now);
        live.skew_millis = Some(hello.clock_millis.cast_signed().saturating_sub(now.0.cast_signed()));
        live.program.clone_from(&hello.program);
    }

    /// A replica said something.
    pub fn heard(&self, replica: ReplicaId, now: UnixMillis) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.last_seen = Some(now);
        }
    }

    /// A replica announced its log's size, of which so much is held.
    pub fn announced(
        &self,
        replica: ReplicaId,
        heartbeat: &Heartbeat,
        (size, held): (u64, u64),
        now: UnixMillis,
    ) {
        if let Some(live) = self.replicas.write().get_mut(&replica) {
            live.announces(size, held, now);
            live.room = Room::said(heartbeat.disk_free_bytes, heartbeat.disk_total_bytes);
            live.skew_millis = Some(heartbeat.clock_millis.cast_signed().saturating_sub(now.0.cast_signed()));
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
