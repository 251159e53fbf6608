//! The changes of a record that have no live value any more: with those that have, its whole history; and what
//! becomes of a record when a verdict on one of its changes is heard late.

use std::collections::BTreeMap;

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{Dot, RecordId};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;

use super::state::{decode_source, encode_source};
use super::stored::Stored;
use super::table::{Dataset, DatasetError, Key, key};
use super::{Dictionary, EntryError, RecordState, Source};
use crate::store::{Batch, Keyspace};

/// A change without a live value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The change.
    pub source: Source,
    /// The hub keeps it out of the dataset.
    pub kept_out: bool,
}

impl Past {
    pub(super) fn of(source: Source) -> Self {
        Self { source, kept_out: false }
    }

    fn encode(&self, words: &Dictionary) -> Vec<u8> {
        let mut out = Writer::with_capacity(48);
        out.u8(u8::from(self.kept_out));
        encode_source(&self.source, words, &mut out);
        out.into_bytes()
    }

    fn decode(bytes: &[u8], words: &Dictionary) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let kept_out = input.u8()? == 1;
        let source = decode_source(&mut input, words)?;
        input.end()?;
        Ok(Self { source, kept_out })
    }
}

/// Keeps a past change in the view, or no longer.
pub(super) fn put(key: &Key, dot: &Dot, past: Option<&Past>, words: &Dictionary, batch: &mut Batch) {
    let place = [&key[..], &dot.replica.0, &dot.sequence.0.to_be_bytes()].concat();
    match past {
        Some(past) => batch.put(Keyspace::Past, &place, &past.encode(words)),
        None => batch.delete(Keyspace::Past, &place),
    }
}

/// Whose view of the past is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Published,
    Pending,
}

impl Dataset {
    /// Every change of a record this replica knows of, by dot: those with live values, those without, and those
    /// the hub keeps out.
    ///
    /// # Errors
    /// [`DatasetError`] if something cannot be read.
    pub fn history(&self, record_type: &str, id: RecordId) -> Result<Vec<Past>, DatasetError> {
        let Some(number) = self.inner.words.find(record_type.as_bytes()) else { return Ok(Vec::new()) };
        // Live ones first: a flush between the two looks only moves a change from memory to the view.
        let state = self.state(record_type, id)?;
        let mut all = self.past(&key(number, id), Look::Published)?;
        if let Some(state) = state {
            all.extend(state.sources.iter().map(|(dot, source)| (*dot, Past::of(source.clone()))));
        }
        Ok(all.into_values().collect())
    }

    /// Whether a record that is not there was: everything ever said of it is kept out. For the writer, `pending`
    /// tells of what was applied and not published yet.
    ///
    /// # Errors
    /// [`DatasetError`] if the view cannot be read.
    pub fn is_emptied(&self, record_type: &str, id: RecordId, pending: bool) -> Result<bool, DatasetError> {
        let Some(number) = self.inner.words.find(record_type.as_bytes()) else { return Ok(false) };
        let key = key(number, id);
        let stored = if pending { self.touch(key)? } else { self.published_state(&key)? };
        Ok(stored.is_some() && self.decoded(stored.as_deref())?.is_none())
    }

    pub(super) fn past(&self, key: &Key, look: Look) -> Result<BTreeMap<Dot, Past>, DatasetError> {
        let range = (*key, Dot::MIN)..=(*key, Dot::MAX);
        // Memory first: what a flush moves in between is met twice rather than missed.
        let mut fresh: BTreeMap<Dot, Option<Past>> = BTreeMap::new();
        let published = self.inner.published.read();
        fresh.extend(published.past.range(range.clone()).map(|((_, dot), past)| (*dot, past.clone())));
        drop(published);
        if look == Look::Pending {
            let pending = self.inner.pending.lock();
            fresh.extend(pending.past.range(range).map(|((_, dot), past)| (*dot, past.clone())));
        }
        let (mut found, mut fault) = (BTreeMap::new(), None);
        self.inner.view.scan_prefix(Keyspace::Past, key, &mut |_, bytes| match Past::decode(
            bytes,
            &self.inner.words,
        ) {
            Ok(past) => {
                found.insert(past.source.dot, past);
                true
            }
            Err(malformed) => {
                fault = Some(malformed);
                false
            }
        })?;
        if let Some(malformed) = fault {
            return Err(malformed.into());
        }
        for (dot, past) in fresh {
            match past {
                Some(past) => found.insert(dot, past),
                None => found.remove(&dot),
            };
        }
        Ok(found)
    }

    /// The writer's: takes a verdict on a change that was applied before it was known. The record becomes what
    /// it would be had the verdict come with the change.
    ///
    /// # Errors
    /// [`DatasetError`] if the record's changes cannot be read.
    pub fn decide(
        &self,
        change: &Change,
        accepted: UnixMillis,
        verdict: &Verdict,
    ) -> Result<(), DatasetError> {
        let Some(number) = self.inner.words.find(change.record_type.as_bytes()) else { return Ok(()) };
        let key = key(number, change.record);
        let Some(before) = self.touch(key)? else { return Ok(()) };
        let before = self.decoded(Some(&before))?.unwrap_or_default();
        let mut all = self.past(&key, Look::Pending)?;
        let was_past: Vec<Dot> = all.keys().copied().collect();
        all.extend(before.sources.iter().map(|(dot, source)| (*dot, Past::of(source.clone()))));
        let Some(decided) = all.get_mut(&change.dot) else { return Ok(()) };
        decided.source.effective = change.meta.hlc.effective(accepted);
        decided.source.proposal = *verdict == Verdict::Proposal;
        decided.kept_out = matches!(verdict, Verdict::Quarantined(_));
        let (mut state, mut past, mut contested) = (RecordState::default(), BTreeMap::new(), Vec::new());
        for (dot, known) in all {
            if known.kept_out {
                past.insert(dot, known);
                continue;
            }
            let bytes = self.inner.entries.entry(known.source.at)?;
            let known_change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry));
            let merged = state.apply(&known_change.map_err(EntryError::from)?, known.source);
            contested.extend(merged.contested);
            past.extend(merged.past.into_iter().map(|source| (source.dot, Past::of(source))));
        }
        contested.extend(before.maybe_open().cloned());
        contested.extend(change.writes.iter().map(|write| write.path.clone()));
        let mut pending = self.inner.pending.lock();
        for dot in was_past {
            pending.past.insert((key, dot), past.remove(&dot));
        }
        pending.past.extend(past.into_iter().map(|(dot, past)| ((key, dot), Some(past))));
        pending.contested.extend(contested.into_iter().map(|path| (key, path)));
        if let Some(touched) = pending.records.get_mut(&key) {
            touched.after = Some(std::sync::Arc::new(Stored::of(&state, &self.inner.words)));
        }
        Ok(())
    }
}
