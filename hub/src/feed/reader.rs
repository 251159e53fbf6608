//! One replica's way through its unit's feed, piece by piece.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lienthong_node::dataset::{Dataset, DatasetError, EntryError, Payload};
use lienthong_node::log::FramePosition;
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Acceptance;
use lienthong_proto::feed::{FeedCursor, FeedNote};
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::limits::{BATCH_BYTES_AIM, BATCH_ENTRIES_AIM};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;

use super::index::IndexError;
use super::{FeedEntry, FeedIndex, may_read};

/// Index entries looked at for one piece.
const LOOK: usize = 1_024;

/// Why a piece cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FeedFault {
    /// The index fails.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The records cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// What stands in the ledger is not understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The piece cannot be packed.
    #[error(transparent)]
    Pack(#[from] BatchError),
}

/// A piece, ready to go.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where a new stream goes on once this piece is taken.
    pub to: FeedCursor,
    /// Notes and entries, packed.
    pub packed: Bytes,
    /// The ledger's entries that decided on them.
    pub places: BTreeSet<u64>,
}

/// Follows the feed of one replica.
pub struct FeedReader {
    index: FeedIndex,
    dataset: Dataset,
    catalogue: Arc<Catalogue>,
    unit: UnitCode,
    replica: ReplicaId,
    cursor: FeedCursor,
    /// Up to where the replica will have taken the feed once everything sent is taken.
    sent: FeedCursor,
    /// Items of the entry at the cursor that went already.
    gone: usize,
}

#[derive(Default)]
struct Gathered {
    notes: Vec<FeedNote>,
    entries: Vec<Bytes>,
    bytes: usize,
    places: BTreeSet<u64>,
}

impl Gathered {
    fn is_full(&self) -> bool {
        // One element more for the notes.
        self.bytes >= BATCH_BYTES_AIM || self.notes.len() >= BATCH_ENTRIES_AIM
    }

    fn push(&mut self, place: FeedCursor, (note, entry): (FeedNote, Option<Bytes>)) {
        self.places.insert(place.ledger);
        self.notes.push(note);
        self.bytes += entry.as_ref().map_or(0, Bytes::len) + 32;
        self.entries.extend(entry);
    }

    fn piece(self, to: FeedCursor) -> Result<Piece, BatchError> {
        let notes = FeedNote::encode(&self.notes);
        let elements = std::iter::once(&notes[..]).chain(self.entries.iter().map(|entry| &entry[..]));
        let packed = batch::pack(elements)?.into();
        Ok(Piece { to, packed, places: self.places })
    }
}

type Item = (FeedNote, Option<Bytes>);

impl FeedReader {
    /// The reader of `replica` of `unit`, which has `taken` so much; nothing before `from` concerns it.
    #[must_use]
    pub fn new(
        index: FeedIndex,
        (dataset, catalogue): (Dataset, Arc<Catalogue>),
        unit: UnitCode,
        replica: ReplicaId,
        taken: FeedCursor,
        from: FeedCursor,
    ) -> Self {
        Self { index, dataset, catalogue, unit, replica, cursor: from.max(taken), sent: taken, gone: 0 }
    }

    /// What was found out: a replica that has taken the first will find nothing of concern before the second.
    #[must_use]
    pub fn seen(&self) -> (FeedCursor, FeedCursor) {
        (self.sent, self.cursor)
    }

    /// The next piece; nothing if there is nothing more for now.
    ///
    /// # Errors
    /// `FeedFault` if it cannot be made.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, FeedFault> {
        let piece = self.gather()?;
        if let Some(piece) = &piece {
            self.sent = piece.to;
        }
        Ok(piece)
    }

    fn gather(&mut self) -> Result<Option<Piece>, FeedFault> {
        let mut gathered = Gathered::default();
        loop {
            let found = self.index.entries(&self.unit, self.cursor, LOOK)?;
            if found.is_empty() {
                break;
            }
            for (place, entry) in found {
                if place != self.cursor {
                    (self.cursor, self.gone) = (place, 0);
                }
                let items = self.items(place, &entry)?;
                let count = items.len();
                for item in items.into_iter().skip(self.gone) {
                    if gathered.is_full() {
                        return Ok(Some(gathered.piece(self.cursor)?));
                    }
                    gathered.push(place, item);
                    self.gone += 1;
                }
                debug_assert!(self.gone >= count, "all of it went");
                (self.cursor, self.gone) = (place.next(), 0);
                if gathered.is_full() {
                    return Ok(Some(gathered.piece(self.cursor)?));
                }
            }
        }
        if gathered.notes.is_empty() {
            return Ok(None);
        }
        Ok(Some(gathered.piece(self.cursor)?))
    }

    fn items(&self, place: FeedCursor, entry: &FeedEntry) -> Result<Vec<Item>, FeedFault> {
        match entry {
            FeedEntry::Batch { frame, replica, remarkable } if *replica == self.replica => {
                if *remarkable {
                    self.remarks(*frame)
                } else {
                    Ok(Vec::new())
                }
            }
            FeedEntry::Batch { frame, .. } => self.batch(*frame),
            FeedEntry::Change { at, unit, accepted, proposal } => {
                let bytes = self.dataset.entries().entry(*at)?;
                if Entry::decode(&bytes)?.header.dot.replica == self.replica {
                    return Ok(Vec::new());
                }
                let note = FeedNote::Change { unit: unit.clone(), accepted: *accepted, proposal: *proposal };
                Ok(vec![(note, Some(bytes))])
            }
            FeedEntry::Enter { record_type, record } => {
                let mut items = Vec::new();
                for past in self.dataset.history(record_type, *record)? {
                    let source = past.source;
                    // What was decided later has places of its own, while the unit had the record.
                    let later = self.dataset.entries().sequence(source.at.frame)?.0 > place.ledger;
                    if source.dot.replica == self.replica || later {
                        continue;
                    }
                    // A stamp that counts was never later than the hub took it.
                    let note = FeedNote::Change {
                        unit: source.unit,
                        accepted: source.effective.at(),
                        proposal: source.proposal,
                    };
                    items.push((note, Some(self.dataset.entries().entry(source.at)?)));
                }
                Ok(items)
            }
            FeedEntry::Reading { record_type, record } => self.reading(record_type, *record, place),
            FeedEntry::Read { at, unit, accepted } => {
                let bytes = self.dataset.entries().entry(*at)?;
                Ok(self.shown(&bytes, unit.clone(), *accepted)?.into_iter().collect())
            }
            FeedEntry::Verdict { replica, sequence, accepted, verdict } => {
                if *replica != self.replica {
                    return Ok(Vec::new());
                }
                let (sequence, accepted, verdict) = (*sequence, *accepted, verdict.clone());
                Ok(vec![(FeedNote::Verdict { sequence, accepted, verdict }, None)])
            }
        }
    }

    /// What a reader is handed of a record when it begins to read it: what was written of it up to there. What is
    /// written later has places of its own, as long as it reads on.
    fn reading(
        &self,
        record_type: &str,
        record: RecordId,
        place: FeedCursor,
    ) -> Result<Vec<Item>, FeedFault> {
        let mut items = Vec::new();
        for past in self.dataset.history(record_type, record)? {
            let (source, entries) = (past.source, self.dataset.entries());
            if past.kept_out || source.proposal || entries.sequence(source.at.frame)?.0 > place.ledger {
                continue;
            }
            let bytes = entries.entry(source.at)?;
            items.extend(self.shown(&bytes, source.unit, source.effective.at())?);
        }
        Ok(items)
    }

    /// A change as one sees it who does not own its record; nothing of the receiver's own.
    fn shown(&self, bytes: &[u8], unit: UnitCode, accepted: UnixMillis) -> Result<Option<Item>, FeedFault> {
        let entry = Entry::decode(bytes)?;
        if entry.header.dot.replica == self.replica {
            return Ok(None);
        }
        let record_type = Change::of(&entry)?.record_type;
        let declared = self.catalogue.record_type(&record_type);
        let shown = entry.redact(|path| may_read(declared, path));
        Ok(Some((FeedNote::Change { unit, accepted, proposal: false }, Some(shown.into()))))
    }

    /// What its writer must hear of a batch: every verdict but *applied*, and stamps that count as earlier.
    fn remarks(&self, frame: FramePosition) -> Result<Vec<Item>, FeedFault> {
        let (acceptance, entries) = self.accepted(frame)?;
        let mut items = Vec::new();
        for (index, bytes) in (0u16..).zip(entries) {
            let verdict = acceptance.verdicts.get(&index).cloned();
            let ahead = || Change::of(&Entry::decode(&bytes)?).map(|change| change.meta.hlc);
            let verdict = match verdict {
                Some(verdict) => verdict,
                None if ahead().is_ok_and(|hlc| hlc.effective(acceptance.at) < hlc) => Verdict::Applied,
                None => continue,
            };
            let sequence = Sequence(acceptance.first.0 + u64::from(index));
            items.push((FeedNote::Verdict { sequence, accepted: acceptance.at, verdict }, None));
        }
        Ok(items)
    }

    /// What another replica of the unit is handed of a batch: the changes that were applied.
    fn batch(&self, frame: FramePosition) -> Result<Vec<Item>, FeedFault> {
        let (acceptance, entries) = self.accepted(frame)?;
        let mut items = Vec::new();
        for (index, bytes) in (0u16..).zip(entries) {
            let change = Entry::decode(&bytes).is_ok_and(|entry| entry.header.kind == EntryKind::Change);
            if change && !acceptance.verdicts.contains_key(&index) {
                let (unit, accepted) = (self.unit.clone(), acceptance.at);
                items.push((FeedNote::Change { unit, accepted, proposal: false }, Some(bytes)));
            }
        }
        Ok(items)
    }

    fn accepted(&self, frame: FramePosition) -> Result<(Acceptance, Vec<Bytes>), FeedFault> {
        let log = self.dataset.entries().log();
        let payload = log.frame(frame).map_err(EntryError::from)?.payload;
        let Payload::Accepted { entry, packed } = Payload::parse(&payload)? else {
            return Err(Malformed("no acceptance stands there").into());
        };
        let acceptance = Acceptance::of(&Entry::decode(entry)?)?;
        let plain = Bytes::from(batch::unpack(packed)?);
        let entries = batch::entries(&plain)?.into_iter().map(|entry| plain.slice_ref(entry)).collect();
        Ok((acceptance, entries))
    }
}
