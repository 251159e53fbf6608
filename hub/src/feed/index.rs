//! The index of all feeds: unit by unit, in the order of the deciding entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use lienthong_node::dataset::{Dataset, DatasetError, EntryAt, RecordState};
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, UnitCode};
use lienthong_proto::time::UnixMillis;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::FeedEntry;

/// Why the index cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The view fails.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What stands there is not readable.
    #[error("the feed's index is not readable: the view needs a rebuild")]
    Malformed(#[from] Malformed),
}

type Place = (UnitCode, FeedCursor);

/// The index: what the view has, and what it will have. Any number of readers, one writer.
#[derive(Debug, Clone)]
pub struct FeedIndex {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    view: Arc<dyn View>,
    /// The writer's, not durable yet.
    staged: Mutex<Vec<(Place, FeedEntry)>>,
    /// Durable in the ledger, perhaps not in the view yet.
    recent: RwLock<BTreeMap<Place, FeedEntry>>,
    /// Who names whom, not in the view yet. The writer's.
    namings: Mutex<BTreeSet<Vec<u8>>>,
    news: Mutex<HashMap<UnitCode, watch::Sender<u64>>>,
}

/// A change that was admitted, and where that was decided.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// The record's type.
    pub record_type: &'a str,
    /// The record.
    pub record: RecordId,
    /// The unit of its writer.
    pub unit: &'a UnitCode,
    /// When the hub took it; for the hub's own, when it was written.
    pub accepted: UnixMillis,
    /// Its writer does not own the record.
    pub proposal: bool,
    /// Where it stands.
    pub at: EntryAt,
    /// Who owned the record before it, if it says who does.
    pub before: Option<&'a UnitCode>,
    /// It says who owns the record.
    pub names_owner: bool,
    /// Which it is.
    pub dot: Dot,
    /// Where that was decided.
    pub place: FeedCursor,
}

impl Decided<'_> {
    /// Whether by it, as it was applied to the record, a unit came to own what others had written of while nobody did: of that
    /// nobody was told.
    #[must_use]
    pub fn adopts(&self, state: Option<&RecordState>) -> bool {
        let by_others = |state: &RecordState| state.sources.keys().any(|dot| *dot != self.dot);
        self.names_owner && !self.proposal && self.before.is_none() && state.is_some_and(by_others)
    }
}

impl FeedIndex {
    /// The index in a view.
    #[must_use]
    pub fn new(view: Arc<dyn View>) -> Self {
        let inner = Inner {
            view,
            staged: Mutex::default(),
            recent: RwLock::default(),
            namings: Mutex::default(),
            news: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The writer's: notes what a unit is to be handed; readers see it after [`FeedIndex::publish`].
    pub fn note(&self, unit: &UnitCode, place: FeedCursor, entry: FeedEntry, view: &mut Batch) {
        view.put(Keyspace::Feed, &key(unit, place), &entry.encode());
        self.inner.staged.lock().push(((unit.clone(), place), entry));
    }

    /// The writer's: notes an admitted change for the unit that owns its record now, and for the one that owned
    /// it before, so that it sees it leave. A batch of the owner's own is noted as a whole instead.
    ///
    /// # Errors
    /// [`DatasetError`] if the owner cannot be read.
    pub fn note_change(
        &self,
        dataset: &Dataset,
        decided: &Decided<'_>,
        view: &mut Batch,
    ) -> Result<(), DatasetError> {
        let Decided { record_type, record, at, unit, accepted, proposal, before, place, .. } = *decided;
        let state = dataset.pending_state(record_type, record)?;
        let Some(owner) = state.as_ref().and_then(|state| state.owner()) else { return Ok(()) };
        let entry = || FeedEntry::Change { at, unit: unit.clone(), accepted, proposal };
        if let Some(left) = before.filter(|before| *before != owner) {
            self.note(left, place, entry(), view);
        }
        if before.is_some_and(|before| before != owner) || decided.adopts(state.as_deref()) {
            let record_type = record_type.to_owned();
            self.note(owner, place, FeedEntry::Enter { record_type, record }, view);
        } else {
            self.note(owner, place, entry(), view);
        }
        Ok(())
    }

    /// The writer's: shows what was noted to readers. Call it once the ledger is synced.
    pub fn publish(&self) {
        let staged = std::mem::take(&mut *self.inner.staged.lock());
        if staged.is_empty() {
            return;
        }
        let units: BTreeSet<UnitCode> = staged.iter().map(|((unit, _), _)| unit.clone()).collect();
        self.inner.recent.write().extend(staged);
        let mut news = self.inner.news.lock();
        for unit in units {
            if let Some(sender) = news.get(&unit) {
                sender.send_modify(|count| *count += 1);
                if sender.is_closed() {
                    news.remove(&unit);
                }
            }
        }
    }

    /// The writer's: the view has everything decided below this place of the ledger.
    pub fn forget(&self, applied: u64) {
        self.inner.namings.lock().clear();
        self.inner.recent.write().retain(|(_, place), _| place.ledger >= applied);
    }

    /// The writer's: a record names another.
    pub fn note_naming(&self, named: RecordId, (record_type, record): (&str, RecordId), view: &mut Batch) {
        let key = [&named.0, record_type.as_bytes(), &[0], &record.0].concat();
        view.put(Keyspace::Naming, &key, &[]);
        self.inner.namings.lock().insert(key);
    }

    /// The writer's: the records that ever named a record.
    ///
    /// # Errors
    /// [`ViewError`] if the view cannot be read.
    pub fn naming(&self, named: RecordId) -> Result<BTreeSet<(String, RecordId)>, ViewError> {
        let mut found = BTreeSet::new();
        let mut take = |key: &[u8]| found.extend(key.get(16..).and_then(namer));
        self.inner.view.scan_prefix(Keyspace::Naming, &named.0, &mut |key, _| {
            take(key);
            true
        })?;
        let namings = self.inner.namings.lock();
        namings
            .range(named.0.to_vec()..)
            .take_while(|key| key.starts_with(&named.0))
            .for_each(|key| take(key));
        Ok(found)
    }

    /// Changes whenever there is something new for a unit.
    #[must_use]
    pub fn news(&self, unit: &UnitCode) -> watch::Receiver<u64> {
        let mut news = self.inner.news.lock();
        news.entry(unit.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// A unit's entries from a place on, at most `limit`, in order.
    ///
    /// # Errors
    /// `IndexError` if they cannot be read.
    pub fn entries(
        &self,
        unit: &UnitCode,
        from: FeedCursor,
        limit: usize,
    ) -> Result<Vec<(FeedCursor, FeedEntry)>, IndexError> {
        // Memory first: a flush moves entries from there to the view.
        let end = (unit.clone(), FeedCursor { ledger: u64::MAX, place: u16::MAX });
        let mut found: BTreeMap<FeedCursor, FeedEntry> = {
            let recent = self.inner.recent.read();
            let range = recent.range((unit.clone(), from)..=end);
            range.take(limit).map(|((_, place), entry)| (*place, entry.clone())).collect()
        };
        let (first, prefix) = (key(unit, from), prefix(unit));
        let (mut stored, mut fault) = (0, None);
        self.inner.view.scan(Keyspace::Feed, Bound::Included(&first), &prefix, &mut |at, bytes| match (
            at.get(prefix.len()..).and_then(place_of),
            FeedEntry::decode(bytes),
        ) {
            (Some(place), Ok(entry)) => {
                found.insert(place, entry);
                stored += 1;
                stored < limit
            }
            (_, Err(malformed)) => {
                fault = Some(malformed);
                false
            }
            (None, _) => true,
        })?;
        if let Some(malformed) = fault {
            return Err(malformed.into());
        }
        Ok(found.into_iter().take(limit).collect())
    }

    /// The writer of a batch is `replica`: what its unit is handed of it.
    pub fn note_batch(
        &self,
        unit: &UnitCode,
        ledger: u64,
        frame: lienthong_node::log::FramePosition,
        replica: ReplicaId,
        remarkable: bool,
        view: &mut Batch,
    ) {
        let entry = FeedEntry::Batch { frame, replica, remarkable };
        self.note(unit, FeedCursor { ledger, place: BATCH_PLACE }, entry, view);
    }
}

/// A batch as a whole stands behind its single changes, which have their own places.
const BATCH_PLACE: u16 = u16::MAX;

fn prefix(unit: &UnitCode) -> Vec<u8> {
    [unit.as_str().as_bytes(), &[0]].concat()
}

fn key(unit: &UnitCode, place: FeedCursor) -> Vec<u8> {
    [&prefix(unit)[..], &place.ledger.to_be_bytes(), &place.place.to_be_bytes()].concat()
}

fn namer(bytes: &[u8]) -> Option<(String, RecordId)> {
    let (record_type, record) = bytes.split_at_checked(bytes.len().checked_sub(16)?)?;
    let record_type = std::str::from_utf8(record_type.strip_suffix(&[0])?).ok()?;
    Some((record_type.to_owned(), RecordId::from_slice(record)?))
}

fn place_of(bytes: &[u8]) -> Option<FeedCursor> {
    let (ledger, place) = bytes.split_at_checked(8)?;
    let ledger = u64::from_be_bytes(ledger.try_into().ok()?);
    Some(FeedCursor { ledger, place: u16::from_be_bytes(place.try_into().ok()?) })
}
