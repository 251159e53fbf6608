//! What the index says at one place of a unit's feed.

use lienthong_node::dataset::EntryAt;
use lienthong_node::log::FramePosition;
use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;

/// What the index says at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEntry {
    /// A batch of one of the unit's own replicas.
    Batch {
        /// Its acceptance's frame.
        frame: FramePosition,
        /// Its writer.
        replica: ReplicaId,
        /// Not everything in it was simply taken as it was: its writer is told.
        remarkable: bool,
    },
    /// One change by somebody else.
    Change {
        /// Where it stands.
        at: EntryAt,
        /// The unit it was written in.
        unit: UnitCode,
        /// When the hub took it.
        accepted: UnixMillis,
        /// Its writer does not own the record.
        proposal: bool,
    },
    /// A record has come to the unit: it is handed over whole.
    Enter {
        /// Its type.
        record_type: String,
        /// The record.
        record: RecordId,
    },
    /// A record the unit may read and does not own: all that was written of it up to here.
    Reading {
        /// Its type.
        record_type: String,
        /// The record.
        record: RecordId,
    },
    /// One change of such a record.
    Read {
        /// Where it stands.
        at: EntryAt,
        /// The unit it was written in.
        unit: UnitCode,
        /// When the hub took it.
        accepted: UnixMillis,
    },
    /// A late decision on a change of one of the unit's replicas.
    Verdict {
        /// Its writer.
        replica: ReplicaId,
        /// Where it stands in the writer's log.
        sequence: Sequence,
        /// When the hub took it.
        accepted: UnixMillis,
        /// The decision.
        verdict: Verdict,
    },
}

const BATCH: u8 = 1;
const CHANGE: u8 = 2;
const ENTER: u8 = 3;
const VERDICT: u8 = 4;
const READING: u8 = 5;
const READ: u8 = 6;

impl FeedEntry {
    /// The bytes kept in the view.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(40);
        match self {
            Self::Batch { frame, replica, remarkable } => {
                out.u8(BATCH);
                out.u64(frame.pack());
                out.raw(&replica.0);
                out.u8(u8::from(*remarkable));
            }
            Self::Change { at, unit, accepted, proposal } => {
                out.u8(CHANGE);
                out.u64(at.frame.pack());
                out.u16(at.index);
                out.text(unit.as_str());
                out.u64(accepted.0);
                out.u8(u8::from(*proposal));
            }
            Self::Enter { record_type, record } => {
                out.u8(ENTER);
                out.text(record_type);
                out.raw(&record.0);
            }
            Self::Reading { record_type, record } => {
                out.u8(READING);
                out.text(record_type);
                out.raw(&record.0);
            }
            Self::Read { at, unit, accepted } => {
                out.u8(READ);
                out.u64(at.frame.pack());
                out.u16(at.index);
                out.text(unit.as_str());
                out.u64(accepted.0);
            }
            Self::Verdict { replica, sequence, accepted, verdict } => {
                out.u8(VERDICT);
                out.raw(&replica.0);
                out.u64(sequence.0);
                out.u64(accepted.0);
                verdict.encode(&mut out);
            }
        }
        out.into_bytes()
    }

    /// Reads what [`FeedEntry::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for other bytes: the view needs a rebuild.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let entry = match input.u8()? {
            BATCH => {
                let frame = FramePosition::unpack(input.u64()?);
                let replica = ReplicaId(input.array()?);
                Self::Batch { frame, replica, remarkable: input.u8()? == 1 }
            }
            CHANGE => {
                let frame = FramePosition::unpack(input.u64()?);
                let at = EntryAt { frame, index: input.u16()? };
                let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
                let accepted = UnixMillis(input.u64()?);
                Self::Change { at, unit, accepted, proposal: input.u8()? == 1 }
            }
            ENTER => {
                let record_type = input.text()?.to_owned();
                Self::Enter { record_type, record: RecordId(input.array()?) }
            }
            READING => {
                let record_type = input.text()?.to_owned();
                Self::Reading { record_type, record: RecordId(input.array()?) }
            }
            READ => {
                let frame = FramePosition::unpack(input.u64()?);
                let at = EntryAt { frame, index: input.u16()? };
                let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
                Self::Read { at, unit, accepted: UnixMillis(input.u64()?) }
            }
            VERDICT => {
                let replica = ReplicaId(input.array()?);
                let sequence = Sequence(input.u64()?);
                let accepted = UnixMillis(input.u64()?);
                Self::Verdict { replica, sequence, accepted, verdict: Verdict::decode(&mut input)? }
            }
            _ => return Err(Malformed("feed entry")),
        };
        input.end()?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_comes_back_from_its_bytes() {
        let frame = FramePosition { segment: 3, offset: 77 };
        let entries = [
            FeedEntry::Batch { frame, replica: ReplicaId([1; 16]), remarkable: true },
            FeedEntry::Change {
                at: EntryAt { frame, index: 4 },
                unit: "33".parse().unwrap(),
                accepted: UnixMillis(9),
                proposal: true,
            },
            FeedEntry::Enter { record_type: "dang_vien".into(), record: RecordId([2; 16]) },
            FeedEntry::Reading { record_type: "cuoc_kiem_tra".into(), record: RecordId([3; 16]) },
            FeedEntry::Read {
                at: EntryAt { frame, index: 5 },
                unit: "11953".parse().unwrap(),
                accepted: UnixMillis(8),
            },
            FeedEntry::Verdict {
                replica: ReplicaId([1; 16]),
                sequence: Sequence(5),
                accepted: UnixMillis(6),
                verdict: Verdict::Proposal,
            },
        ];
        for entry in entries {
            let bytes = entry.encode();
            assert_eq!(FeedEntry::decode(&bytes).unwrap(), entry);
            assert!(FeedEntry::decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
