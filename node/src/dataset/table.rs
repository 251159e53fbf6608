//! All records: the published state, and the writer's pending state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::ops::{Bound, RangeBounds as _};
use std::sync::Arc;

use lienthong_proto::bytes::{Malformed, Reader};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, path};
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId};
use parking_lot::{Mutex, RwLock};

use super::known::Known;
use super::past::Past;
use super::record::{Record, RecordError};
use super::stored::Stored;
use super::totals::{TOTALS, Totals};
use super::{Dictionary, EntryError, EntrySource, Merged, RecordState, Source};
use crate::log::LogReader;
use crate::store::{Keyspace, View, ViewError};

/// How often one record may lead to the next.
pub const LED_MAX: usize = 16;

/// A change the hub's verdict (or its own writer) admitted, and where it stands.
#[derive(Debug)]
pub struct Admitted<'a> {
    /// The change.
    pub change: &'a Change,
    /// What ranking it needs.
    pub source: Source,
}

/// Why the dataset cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The view fails.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log fails.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A state in the view is not readable: the view needs a rebuild.
    #[error("a record's state in the view is not readable")]
    State(#[from] Malformed),
    /// A record cannot be shown.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Type number, then record id: records of a type stand together in the view.
pub type Key = [u8; 20];

/// Changes without live values, and those that are none any more.
pub(super) type Pasts = BTreeMap<(Key, Dot), Option<Past>>;

/// A record as the writer has it: what readers see, and what they will see.
#[derive(Debug)]
pub(super) struct Touched {
    before: Option<Arc<Stored>>,
    pub(super) after: Option<Arc<Stored>>,
}

impl Touched {
    fn now(&self) -> Option<&Arc<Stored>> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) overlay: HashMap<Key, Arc<Stored>>,
    /// What stood there when the flush that goes on was begun, or of one that failed.
    pub(super) leaving: Arc<HashMap<Key, Arc<Stored>>>,
    /// Changes without live values that the view does not have yet, and those it has and should not.
    pub(super) past: Pasts,
    pub(super) totals: Totals,
    /// Record key, then path.
    conflicts: BTreeSet<(Key, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) records: HashMap<Key, Touched>,
    pub(super) past: Pasts,
    pub(super) contested: Vec<(Key, String)>,
    pub(super) settled: Vec<(Key, String, bool)>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) view: Arc<dyn View>,
    pub(super) known: Known,
    pub(super) words: Dictionary,
    pub(super) entries: EntrySource,
    pub(super) published: RwLock<Published>,
    pub(super) pending: Mutex<Pending>,
}

/// The merged state of one replica. Any number of readers, one writer.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub(super) inner: Arc<Inner>,
}

impl Dataset {
    /// Opens the dataset a view holds, over the log its positions lead to.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn open(view: Arc<dyn View>, log: LogReader, frames: NonZeroUsize) -> Result<Self, DatasetError> {
        let words = Dictionary::load(view.as_ref())?;
        let mut published = Published::default();
        if let Some(bytes) = view.get(Keyspace::Meta, TOTALS)? {
            published.totals = Totals::decode(&bytes)?;
        }
        view.scan_prefix(Keyspace::Conflict, &[], &mut |key, _| {
            if let Some(conflict) = decode_conflict(key) {
                published.conflicts.insert(conflict);
            }
            true
        })?;
        let inner = Inner {
            known: Known::of(view.as_ref()),
            view,
            words,
            entries: EntrySource::new(log, frames),
            published: RwLock::new(published),
            pending: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where entries are read from.
    #[must_use]
    pub fn entries(&self) -> &EntrySource {
        &self.inner.entries
    }

    /// The view behind it.
    #[must_use]
    pub fn view(&self) -> &Arc<dyn View> {
        &self.inner.view
    }

    /// The counts.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.inner.published.read().totals.clone()
    }

    /// A record's state as readers see it.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn state(&self, record_type: &str, id: RecordId) -> Result<Option<Arc<RecordState>>, DatasetError> {
        match self.inner.words.find(record_type.as_bytes()) {
            Some(number) => self.decoded(self.published_state(&key(number, id))?.as_deref()),
            None => Ok(None),
        }
    }

    /// The record that `id` leads to, itself if to no other. Follows at most [`LED_MAX`] steps.
    ///
    /// # Errors
    /// [`DatasetError`] if a state cannot be read.
    pub fn led(&self, record_type: &str, id: RecordId) -> Result<RecordId, DatasetError> {
        let mut id = id;
        for _ in 0..LED_MAX {
            match self.state(record_type, id)?.and_then(|state| state.leads_to()) {
                Some(next) => id = next,
                None => break,
            }
        }
        Ok(id)
    }

    pub(super) fn decoded(&self, stored: Option<&Stored>) -> Result<Option<Arc<RecordState>>, DatasetError> {
        let Some(stored) = stored else { return Ok(None) };
        let state = stored.decode(&self.inner.words)?;
        Ok((!state.is_empty()).then(|| Arc::new(state)))
    }

    /// The writer's: a record's state with everything applied, published or not.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn pending_state(
        &self,
        record_type: &str,
        id: RecordId,
    ) -> Result<Option<Arc<RecordState>>, DatasetError> {
        let Some(number) = self.inner.words.find(record_type.as_bytes()) else {
            return Ok(None);
        };
        let stored = self.touch(key(number, id))?;
        self.decoded(stored.as_deref())
    }

    /// The writer's look at a record, remembered until the next publication.
    pub(super) fn touch(&self, key: Key) -> Result<Option<Arc<Stored>>, DatasetError> {
        if let Some(touched) = self.inner.pending.lock().records.get(&key) {
            return Ok(touched.now().cloned());
        }
        let before = self.published_state(&key)?;
        let touched = Touched { before: before.clone(), after: None };
        self.inner.pending.lock().records.insert(key, touched);
        Ok(before)
    }

    pub(super) fn published_state(&self, key: &Key) -> Result<Option<Arc<Stored>>, DatasetError> {
        // What is published was noted as known before.
        if !self.inner.known.may_hold(key) {
            return Ok(None);
        }
        if let Some(state) = self.inner.published.read().waiting(key) {
            return Ok(Some(Arc::clone(state)));
        }
        let Some(bytes) = self.inner.view.get(Keyspace::Record, key)? else { return Ok(None) };
        let state = RecordState::decode(&bytes, &self.inner.words)?;
        Ok(Some(Arc::new(Stored::with(bytes, &state))))
    }

    /// The writer's: applies an admitted change; readers see it after [`Dataset::publish`].
    ///
    /// # Errors
    /// [`DatasetError`] if the record's state cannot be read.
    pub fn apply(&self, admitted: Admitted<'_>) -> Result<(), DatasetError> {
        let change = admitted.change;
        let number = self.inner.words.number(change.record_type.as_bytes());
        let key = key(number, change.record);
        let words = &self.inner.words;
        let known = self.touch(key)?;
        let (stored, merged) = match known {
            None => match RecordState::encode_first(change, &admitted.source, words) {
                Some(bytes) => {
                    let stated = change.unit().is_some();
                    let owner = admitted.source.states_owner.filter(|_| stated);
                    (Stored { bytes, owner, withdrawn: false }, Merged::default())
                }
                None => merged(RecordState::default(), change, admitted.source, words),
            },
            Some(known) => merged(known.decode(words)?, change, admitted.source, words),
        };
        let mut pending = self.inner.pending.lock();
        pending.contested.extend(merged.contested.into_iter().map(|path| (key, path)));
        pending
            .past
            .extend(merged.past.into_iter().map(|source| ((key, source.dot), Some(Past::of(source)))));
        if let Some(touched) = pending.records.get_mut(&key) {
            touched.after = Some(Arc::new(stored));
        }
        Ok(())
    }

    /// The writer's: forgets what it only looked at; nothing may be applied and not published.
    pub fn forget(&self) {
        self.inner.pending.lock().records.retain(|_, touched| touched.after.is_some());
    }

    /// The writer's: drops what was applied and not published (its log write failed).
    pub fn discard(&self) {
        *self.inner.pending.lock() = Pending::default();
    }

    /// The writer's: shows everything applied to readers. Call it once the log is synced.
    ///
    /// # Errors
    /// [`DatasetError`] if a value needed to recognise a conflict cannot be read.
    pub fn publish(&self, catalogue: &Catalogue) -> Result<(), DatasetError> {
        let mut taken = {
            let mut pending = self.inner.pending.lock();
            let past = std::mem::take(&mut pending.past);
            (std::mem::take(&mut pending.records), std::mem::take(&mut pending.contested), past)
        };
        let mut published = self.inner.published.write();
        published.past.append(&mut taken.2);
        for (key, touched) in taken.0.drain() {
            let Some(after) = touched.after else { continue };
            published.totals.count(touched.before.as_deref(), &after);
            self.inner.known.insert(&key);
            published.overlay.insert(key, after);
        }
        drop(published);
        taken.1.sort_unstable();
        taken.1.dedup();
        for contested in taken.1.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some((key, _)) = contested.first() {
                self.settle(catalogue, *key, contested.iter().map(|(_, path)| path))?;
            }
        }
        Ok(())
    }

    /// Notes which of a record's contested paths are open; it is read once for all of them.
    fn settle<'a>(
        &self,
        catalogue: &Catalogue,
        key: Key,
        paths: impl Iterator<Item = &'a String>,
    ) -> Result<(), DatasetError> {
        let Some(state) = self.decoded(self.published_state(&key)?.as_deref())? else {
            return Ok(());
        };
        let (record_type, id) = self.split(&key)?;
        let record = Record::read(&self.inner.entries, catalogue, &record_type, id, &state)?;
        let mut published = self.inner.published.write();
        let mut pending = self.inner.pending.lock();
        for path in paths {
            let (open, entry) = (record.is_open(path), (key, path.clone()));
            let conflicts = &mut published.conflicts;
            let changed = if open { conflicts.insert(entry) } else { conflicts.remove(&entry) };
            if changed {
                pending.settled.push((key, path.clone(), open));
            }
        }
        published.totals.conflicts_open = published.conflicts.len() as u64;
        Ok(())
    }

    /// A record as people read it.
    ///
    /// # Errors
    /// [`DatasetError`] if its state or values cannot be read.
    pub fn record(
        &self,
        catalogue: &Catalogue,
        record_type: &str,
        id: RecordId,
    ) -> Result<Option<Record>, DatasetError> {
        match self.state(record_type, id)? {
            Some(state) => Ok(Some(Record::read(&self.inner.entries, catalogue, record_type, id, &state)?)),
            None => Ok(None),
        }
    }

    /// Record ids of a type with their states, after `after`, at most `limit`, in id order.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn page(
        &self,
        record_type: &str,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<(RecordId, Arc<RecordState>)>, DatasetError> {
        let Some(number) = self.inner.words.find(record_type.as_bytes()) else {
            return Ok(Vec::new());
        };
        let prefix = number.to_be_bytes();
        let start = after.map(|id| key(number, id));
        let low = start.map_or(Bound::Included(key(number, RecordId([0; 16]))), Bound::Excluded);
        let end = Bound::Included(key(number, RecordId([0xff; 16])));
        // What waits for the view is taken first: a flush between the two looks moves records from one to
        // the other, and must not let them fall between.
        let waiting: BTreeMap<Key, Arc<Stored>> = {
            let published = self.inner.published.read();
            let within = published.all_waiting().filter(|(key, _)| (low, end).contains(*key));
            within.map(|(key, stored)| (*key, Arc::clone(stored))).collect()
        };
        let mut page: BTreeMap<Key, Arc<RecordState>> = BTreeMap::new();
        let mut fault = None;
        let visit = &mut |found: &[u8], bytes: &[u8]| {
            let Ok(key) = Key::try_from(found) else {
                return true;
            };
            match RecordState::decode(bytes, &self.inner.words) {
                Ok(state) if state.is_empty() => true,
                Ok(state) => {
                    page.insert(key, Arc::new(state));
                    page.len() < limit
                }
                Err(malformed) => {
                    fault = Some(malformed);
                    false
                }
            }
        };
        let from = start.as_ref().map_or(Bound::Included(&prefix[..]), |key| Bound::Excluded(&key[..]));
        self.inner.view.scan(Keyspace::Record, from, &prefix, visit)?;
        if let Some(malformed) = fault {
            return Err(malformed.into());
        }
        // Beyond the last key of a full page, records of the overlay belong to later pages.
        let last = if page.len() >= limit { page.keys().next_back().copied() } else { None };
        for (key, stored) in waiting {
            if last.is_none_or(|last| key <= last) {
                match self.decoded(Some(&stored))? {
                    Some(state) => page.insert(key, state),
                    None => page.remove(&key),
                };
            }
        }
        Ok(page.into_iter().take(limit).filter_map(|(key, state)| Some((id_of(&key)?, state))).collect())
    }

    /// The types of which anything was ever written, by number.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn types(&self) -> Result<Vec<String>, DatasetError> {
        let number = |key: &[u8]| key.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
        // Memory first: a flush between the two looks only moves records from one to the other.
        let mut numbers: BTreeSet<u32> =
            self.inner.published.read().all_waiting().filter_map(|(key, _)| number(key)).collect();
        let mut next = Some(0u32);
        while let Some(from) = next {
            let mut found = None;
            let low = from.to_be_bytes();
            self.inner.view.scan(Keyspace::Record, Bound::Included(&low), &[], &mut |key, _| {
                found = number(key);
                false
            })?;
            numbers.extend(found);
            next = found.and_then(|found| found.checked_add(1));
        }
        numbers.into_iter().map(|number| Ok(self.split(&key(number, RecordId([0; 16])))?.0)).collect()
    }

    /// The writer's: counts everything published anew.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn recount(&self) -> Result<(), DatasetError> {
        let mut totals = Totals::default();
        for record_type in self.types()? {
            let mut after = None;
            loop {
                let page = self.page(&record_type, after, 1_000)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (_, state) in &page {
                    totals.count(None, &Stored::with(Vec::new(), state));
                }
            }
        }
        let mut published = self.inner.published.write();
        totals.conflicts_open = published.conflicts.len() as u64;
        published.totals = totals;
        Ok(())
    }

    /// The writer's: puts a state in a record's place, whatever stands there, readable or not; also the paths
    /// whose conflicts must be looked at again.
    pub(super) fn put_in_place(&self, key: Key, state: &RecordState) -> Result<(), DatasetError> {
        let before = match self.touch(key) {
            Ok(before) => before,
            Err(DatasetError::State(_)) => None,
            Err(error) => return Err(error),
        };
        let old = self.decoded(before.as_deref())?.unwrap_or_default();
        let mut contested: Vec<String> = old.maybe_open().chain(state.maybe_open()).cloned().collect();
        if state.registers.contains_key(path::WITHDRAWN) {
            contested.push(path::WITHDRAWN.to_owned());
        }
        let published = self.inner.published.read();
        let known = published.conflicts.range((key, String::new())..).take_while(|(at, _)| *at == key);
        contested.extend(known.map(|(_, path)| path.clone()));
        drop(published);
        let after = Some(Arc::new(Stored::of(state, &self.inner.words)));
        let mut pending = self.inner.pending.lock();
        pending.contested.extend(contested.into_iter().map(|path| (key, path)));
        pending.records.insert(key, Touched { before, after });
        Ok(())
    }

    /// The open conflicts as (type, record, path), in key order.
    #[must_use]
    pub fn conflicts(&self) -> Vec<(String, RecordId, String)> {
        let published = self.inner.published.read();
        published
            .conflicts
            .iter()
            .filter_map(|(key, path)| {
                let (record_type, id) = self.split(key).ok()?;
                Some((record_type, id, path.clone()))
            })
            .collect()
    }

    /// Digest of everything live that `replica` wrote into records of the given types: equal at the
    /// replica and at the hub once both applied the same. Order-free: the sum of the registers' digests.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn own_digest(&self, types: &[String], replica: ReplicaId) -> Result<Digest, DatasetError> {
        let mut sum = [0u64; 4];
        for record_type in types {
            let mut after = None;
            loop {
                let page = self.page(record_type, after, 1_000)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (id, state) in &page {
                    for digest in state.own_digests(*id, replica) {
                        for (total, part) in sum.iter_mut().zip(digest.as_chunks::<8>().0) {
                            *total = total.wrapping_add(u64::from_be_bytes(*part));
                        }
                    }
                }
            }
        }
        Ok(sha256(&[sum.map(u64::to_be_bytes).as_flattened()]))
    }

    /// The type and id of a record's key.
    ///
    /// # Errors
    /// [`DatasetError`] if the key is no record's.
    pub fn named(&self, key: &Key) -> Result<(String, RecordId), DatasetError> {
        Ok(self.split(key)?)
    }

    /// The key of a record, if a record of its type was ever written.
    #[must_use]
    pub fn key(&self, record_type: &str, id: RecordId) -> Option<Key> {
        self.inner.words.find(record_type.as_bytes()).map(|number| key(number, id))
    }

    fn split(&self, key: &Key) -> Result<(String, RecordId), Malformed> {
        let mut input = Reader::new(key);
        let number = u64::from(input.u32()?);
        let word = self.inner.words.word(number).ok_or(Malformed("type number"))?;
        let record_type = String::from_utf8(word.to_vec()).map_err(|_| Malformed("type name"))?;
        Ok((record_type, RecordId(input.array()?)))
    }
}

/// The state with a change merged, and what that did: all paths whose conflict must be looked at again.
fn merged(mut state: RecordState, change: &Change, source: Source, words: &Dictionary) -> (Stored, Merged) {
    let paths = change.writes.iter().map(|write| write.path.as_str());
    let before: Vec<String> = paths.filter(|path| state.may_be_open(path)).map(str::to_owned).collect();
    let mut merged = state.apply(change, source);
    let contested = &mut merged.contested;
    contested.extend(before);
    if state.registers.contains_key(path::WITHDRAWN) {
        // Any write may be one a withdrawal did not see; and of a withdrawn record nothing else is open.
        contested.extend(state.maybe_open().cloned());
        contested.push(path::WITHDRAWN.to_owned());
    }
    (Stored::of(&state, words), merged)
}

pub(super) fn key(number: u32, id: RecordId) -> Key {
    let mut key = [0; 20];
    let (head, tail) = key.split_at_mut(4);
    head.copy_from_slice(&number.to_be_bytes());
    tail.copy_from_slice(&id.0);
    key
}

fn id_of(key: &Key) -> Option<RecordId> {
    RecordId::from_slice(key.get(4..)?)
}

fn decode_conflict(bytes: &[u8]) -> Option<(Key, String)> {
    let (key, path) = bytes.split_at_checked(20)?;
    Some((key.try_into().ok()?, String::from_utf8(path.to_vec()).ok()?))
}
