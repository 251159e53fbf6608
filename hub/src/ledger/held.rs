//! What the ledger holds of one replica, and how the view keeps it.

use lienthong_node::replica::Fed;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::event::FIRST_ACCEPTED;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::merkle::{EMPTY_ROOT, Frontier};
use lienthong_proto::roll::Member;
use lienthong_proto::time::UnixMillis;

use super::Imports;

/// What the ledger holds of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldReplica {
    /// Its unit.
    pub unit: UnitCode,
    /// The key of its log, by the first enrolment that says it.
    pub key: Option<[u8; 32]>,
    /// The right edge of its tree.
    pub frontier: Frontier,
    /// Its root.
    pub root: Digest,
    /// Its own signed checkpoint; empty while nothing is held.
    pub checkpoint: String,
    /// The ledger's entry of the last acceptance.
    pub ledger_index: u64,
    /// When that was.
    pub at: UnixMillis,
    /// What the next acceptance says of that one and all before it.
    pub accepted: Digest,
    /// Its last imports.
    pub imports: Imports,
    /// Up to where it has said it took the feed.
    pub fed: Fed,
}

impl HeldReplica {
    /// A replica of `unit` of which nothing is held yet.
    #[must_use]
    pub fn empty(unit: UnitCode) -> Self {
        Self {
            unit,
            key: None,
            frontier: Frontier::new(),
            root: EMPTY_ROOT,
            checkpoint: String::new(),
            ledger_index: 0,
            at: UnixMillis(0),
            accepted: FIRST_ACCEPTED,
            imports: Imports::default(),
            fed: Fed::default(),
        }
    }

    /// How a roll lists it.
    #[must_use]
    pub fn member(&self, replica: ReplicaId) -> Member {
        Member {
            replica,
            size: self.frontier.size(),
            accepted: self.ledger_index,
            at: self.at,
            key: self.key,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(self.unit.as_str());
        out.framed(self.key.as_ref().map_or(&[], |key| key.as_slice()));
        out.framed(&self.frontier.encode());
        out.raw(&self.root);
        out.text(&self.checkpoint);
        out.u64(self.ledger_index);
        out.u64(self.at.0);
        out.raw(&self.accepted);
        out.framed(&self.imports.encode());
        out.framed(&self.fed.encode());
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        Some(Self {
            unit: input.text().ok()?.parse().ok()?,
            key: Some(input.framed().ok()?)
                .filter(|key| !key.is_empty())
                .map(<[u8; 32]>::try_from)
                .transpose()
                .ok()?,
            frontier: Frontier::decode(input.framed().ok()?).ok()?,
            root: input.array().ok()?,
            checkpoint: input.text().ok()?.to_owned(),
            ledger_index: input.u64().ok()?,
            at: UnixMillis(input.u64().ok()?),
            accepted: input.array().ok()?,
            imports: Imports::decode(input.framed().ok()?).ok()?,
            fed: Fed::decode(input.framed().ok()?).ok()?,
        })
    }
}
