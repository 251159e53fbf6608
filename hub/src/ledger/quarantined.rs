//! A change in quarantine, and how the view keeps it.

use lienthong_node::dataset::EntryAt;
use lienthong_node::log::FramePosition;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::QuarantineReason;

/// A change in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The change.
    pub dot: Dot,
    /// Whose.
    pub unit: UnitCode,
    /// Why.
    pub reason: QuarantineReason,
    /// The record's type, if readable.
    pub record_type: String,
    /// The record, if readable.
    pub record: Option<RecordId>,
    /// When the hub took it.
    pub accepted_at: UnixMillis,
    /// Where it stands.
    pub at: EntryAt,
}

impl Quarantined {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.dot.replica.0);
        out.u64(self.dot.sequence.0);
        out.text(self.unit.as_str());
        out.u8(self.reason as u8);
        out.text(&self.record_type);
        out.framed(self.record.as_ref().map_or(&[][..], |record| &record.0));
        out.u64(self.accepted_at.0);
        out.u64(self.at.frame.pack());
        out.u16(self.at.index);
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let replica = ReplicaId(input.array().ok()?);
        let dot = Dot { replica, sequence: Sequence(input.u64().ok()?) };
        Some(Self {
            dot,
            unit: input.text().ok()?.parse().ok()?,
            reason: QuarantineReason::from_byte(input.u8().ok()?)?,
            record_type: input.text().ok()?.to_owned(),
            record: RecordId::from_slice(input.framed().ok()?),
            accepted_at: UnixMillis(input.u64().ok()?),
            at: EntryAt { frame: FramePosition::unpack(input.u64().ok()?), index: input.u16().ok()? },
        })
    }
}

pub(super) fn encode_number(number: (u64, u16)) -> Vec<u8> {
    let mut key = number.0.to_be_bytes().to_vec();
    key.extend_from_slice(&number.1.to_be_bytes());
    key
}

pub(super) fn decode_number(key: &[u8]) -> Option<(u64, u16)> {
    let (ledger, place) = key.split_at_checked(8)?;
    Some((u64::from_be_bytes(ledger.try_into().ok()?), u16::from_be_bytes(place.try_into().ok()?)))
}
