//! What a replica of an agency was given under a grant, as far as it has said so itself.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::quality::ToldCursor;
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::disclosure::{Hash, Since};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::merkle::Frontier;

/// Which entries of a log went with their values, a bit for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks(Vec<u8>);

impl Marks {
    pub(super) fn set(&mut self, at: u64) {
        let Ok(byte) = usize::try_from(at / 8) else { return };
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(byte) {
            *bits |= 1 << (at % 8);
        }
    }

    pub(super) fn has(&self, at: u64) -> bool {
        let bits = usize::try_from(at / 8).ok().and_then(|byte| self.0.get(byte));
        bits.is_some_and(|bits| bits & (1 << (at % 8)) != 0)
    }
}

/// How far a log went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GivenLog {
    pub(super) edge: Frontier,
    pub(super) shown: Marks,
}

/// All of it. It says nothing that the deliveries did not: lost, all is given anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Given {
    /// The last delivery.
    pub(super) since: Since,
    /// The ledger among them, under its own name.
    pub(super) logs: BTreeMap<ReplicaId, GivenLog>,
    /// Share and record: those the grant means.
    pub(super) meant: BTreeSet<(u16, RecordId)>,
    /// Changes that were released from quarantine.
    pub(super) released: BTreeSet<Dot>,
    /// Which news of the records' quality was heard.
    pub(super) told: ToldCursor,
    /// The day and the catalogue the records were looked at by.
    pub(super) judged: (i32, [u8; 8]),
}

const FORM: u8 = 1;
/// Bytes of one value in the view.
const PIECE: usize = 60_000;

impl Given {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        out.u8(FORM);
        out.u64(self.since.cut);
        out.raw(&self.since.digest.0);
        out.u64(number(self.logs.len()));
        for (replica, log) in &self.logs {
            out.raw(&replica.0);
            for bytes in [&log.edge.encode(), &log.shown.0] {
                out.u64(number(bytes.len()));
                out.raw(bytes);
            }
        }
        out.u64(number(self.meant.len()));
        for (share, record) in &self.meant {
            out.u16(*share);
            out.raw(&record.0);
        }
        out.u64(number(self.released.len()));
        for dot in &self.released {
            out.raw(&dot.replica.0);
            out.u64(dot.sequence.0);
        }
        out.u64(self.told.epoch);
        out.u64(self.told.next);
        out.u64(u64::from(self.judged.0.cast_unsigned()));
        out.raw(&self.judged.1);
        out.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != FORM {
            return Err(Malformed("another form"));
        }
        let since = Since { cut: input.u64()?, digest: Hash(input.array()?) };
        let mut given = Self { since, ..Self::default() };
        for _ in 0..input.u64()? {
            let replica = ReplicaId(input.array()?);
            let mut piece = || -> Result<Vec<u8>, Malformed> {
                let length = usize::try_from(input.u64()?).map_err(|_| Malformed("length"))?;
                Ok(input.take(length)?.to_vec())
            };
            let edge = Frontier::decode(&piece()?)?;
            given.logs.insert(replica, GivenLog { edge, shown: Marks(piece()?) });
        }
        for _ in 0..input.u64()? {
            given.meant.insert((input.u16()?, RecordId(input.array()?)));
        }
        for _ in 0..input.u64()? {
            let replica = ReplicaId(input.array()?);
            given.released.insert(Dot { replica, sequence: Sequence(input.u64()?) });
        }
        given.told = ToldCursor { epoch: input.u64()?, next: input.u64()? };
        let day = u32::try_from(input.u64()?).map_err(|_| Malformed("day"))?;
        given.judged = (day.cast_signed(), input.array()?);
        input.end()?;
        Ok(given)
    }

    /// As the view has it in one of its two places; nothing if what is there is not whole.
    pub(super) fn load(view: &dyn View, whose: Whose, place: u8) -> Result<Option<Self>, ViewError> {
        let mut bytes = Vec::new();
        view.scan_prefix(Keyspace::Sharing, &prefix(whose, place), &mut |_, piece| {
            bytes.extend_from_slice(piece);
            true
        })?;
        Ok(Self::decode(&bytes).ok())
    }

    /// Keeps it in one of the view's two places: until the replica has said that it has a delivery, what it had before
    /// stays in the other.
    pub(super) fn keep(&self, view: &dyn View, whose: Whose, place: u8) -> Result<(), ViewError> {
        let (mut batch, prefix) = (Batch::default(), prefix(whose, place));
        view.scan_prefix(Keyspace::Sharing, &prefix, &mut |key, _| {
            batch.delete(Keyspace::Sharing, key);
            true
        })?;
        for (number, piece) in (0u32..).zip(self.encode().chunks(PIECE)) {
            batch.put(Keyspace::Sharing, &[&prefix[..], &number.to_be_bytes()].concat(), piece);
        }
        view.commit(batch)
    }
}

/// Which grant, and which replica.
pub(super) type Whose = (u64, ReplicaId);

/// Beside agencies and grants.
fn prefix((grant, replica): Whose, place: u8) -> Vec<u8> {
    [b"l", &grant.to_be_bytes()[..], &replica.0, &[place]].concat()
}

#[cfg(test)]
mod tests {
    use lienthong_node::store::MemoryView;
    use lienthong_proto::merkle::leaf_hash;

    use super::*;

    #[test]
    fn what_was_given_comes_back_and_nothing_else_does() {
        let mut log = GivenLog::default();
        for at in [0, 7, 8, 600_000] {
            log.shown.set(at);
            log.edge.push(leaf_hash(b"x"));
        }
        assert!(log.shown.has(600_000) && log.shown.has(7) && !log.shown.has(9) && !log.shown.has(9_000_000));
        let given = Given {
            since: Since { cut: 9, digest: Hash([3; 32]) },
            logs: [(ReplicaId([1; 16]), log)].into(),
            meant: (0..9_000_u16).map(|n| (n, RecordId([7; 16]))).collect(),
            released: [Dot { replica: ReplicaId([2; 16]), sequence: Sequence(4) }].into(),
            told: ToldCursor { epoch: 5, next: 6 },
            judged: (-3, [8; 8]),
        };
        let (view, replica) = (MemoryView::default(), ReplicaId([4; 16]));
        assert_eq!(Given::load(&view, (1, replica), 0).unwrap(), None);
        given.keep(&view, (1, replica), 0).unwrap();
        assert_eq!(Given::load(&view, (1, replica), 0).unwrap().as_ref(), Some(&given));
        assert_eq!(Given::load(&view, (2, replica), 0).unwrap(), None);
        assert_eq!(Given::load(&view, (1, replica), 1).unwrap(), None);
        Given::default().keep(&view, (1, replica), 0).unwrap();
        assert_eq!(Given::load(&view, (1, replica), 0).unwrap(), Some(Given::default()));
        let bytes = given.encode();
        assert!(Given::decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
