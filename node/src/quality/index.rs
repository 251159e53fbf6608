//! Marks and probes in the view.

use std::collections::BTreeSet;

use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::{Expect, Index, Judgement, Mark, Probe, RuleIndex, Upkeep};

use super::QualityError;
use super::pass::kept_in;
use crate::dataset::Key;
use crate::store::{Batch, Keyspace, View, ViewError};

/// Who publishes which mark, as the view has it but for one record, of which it is known better.
pub(super) struct ViewIndex<'a> {
    pub(super) view: &'a dyn View,
    /// The record being written, and how it was judged if it is still there.
    pub(super) own: Option<(Key, Option<&'a Judgement>)>,
}

impl ViewIndex<'_> {
    fn visit(&self, mark: &Mark, visit: &mut dyn FnMut(&Key) -> bool) -> Result<(), ViewError> {
        if let Some((key, Some(judgement))) = &self.own
            && judgement.published().any(|own| own == mark)
            && !visit(key)
        {
            return Ok(());
        }
        let own = self.own.as_ref().map(|(key, _)| key);
        keys_of(self.view, Keyspace::Mark, mark, &mut |key| Some(key) == own || visit(key))
    }
}

impl Index for ViewIndex<'_> {
    type Error = QualityError;

    fn count(&self, mark: &Mark, enough: u64) -> Result<u64, QualityError> {
        let mut count = 0;
        self.visit(mark, &mut |_| {
            count += 1;
            count < enough
        })?;
        Ok(count)
    }

    fn members(&self, mark: &Mark, limit: usize) -> Result<Vec<RecordId>, QualityError> {
        let mut members = Vec::new();
        self.visit(mark, &mut |key| {
            members.extend(key.get(4..).and_then(RecordId::from_slice));
            members.len() < limit
        })?;
        members.sort_unstable();
        Ok(members)
    }

    fn leading(&self, mark: &Mark, rule: RuleIndex) -> Result<Vec<(RecordId, Mark)>, QualityError> {
        let mut keys = Vec::new();
        self.visit(mark, &mut |key| {
            keys.push(*key);
            true
        })?;
        let mut leading = Vec::new();
        for key in keys {
            let end = match &self.own {
                Some((own, judgement)) if *own == key => judgement.and_then(|own| own.leads(mark, rule)),
                _ => kept_in(self.view, &key)?.and_then(|kept| kept.judgement.leads(mark, rule)),
            };
            leading.extend(key.get(4..).and_then(RecordId::from_slice).zip(end));
        }
        Ok(leading)
    }
}

/// The place of those among a mark's records that only ask whether it has any, or more than one: where that does not
/// change, they need not be gone through, however many they are.
pub(super) fn plain(mark: &Mark) -> Mark {
    let mut plain = *mark;
    if let Some(last) = plain.0.last_mut() {
        *last ^= 1;
    }
    plain
}

/// Visits the records under a mark.
pub(super) fn keys_of(
    view: &dyn View,
    keyspace: Keyspace,
    mark: &Mark,
    visit: &mut dyn FnMut(&Key) -> bool,
) -> Result<(), ViewError> {
    view.scan_prefix(keyspace, &mark.0, &mut |found, _| {
        found.get(16..).and_then(|key| Key::try_from(key).ok()).is_none_or(|key| visit(&key))
    })
}

/// The place of a record under a mark.
pub(super) fn marked(mark: &Mark, key: &Key) -> Vec<u8> {
    [&mark.0[..], &key[..]].concat()
}

/// Gathers the others that look for a mark, up to so many; whether these are all.
pub(super) fn crowd(
    view: &dyn View,
    place: &Mark,
    own: &Key,
    most: usize,
    others: &mut BTreeSet<Key>,
) -> Result<bool, ViewError> {
    let mut whole = true;
    keys_of(view, Keyspace::Probe, place, &mut |other| {
        if other != own {
            whole = others.len() < most;
            if whole {
                others.insert(*other);
            }
        }
        whole
    })?;
    Ok(whole)
}

/// What a record publishes and looks for, from now on, by how it was judged and is.
pub(super) fn note(
    key: &Key,
    upkeep: &Upkeep,
    (before, after): (Option<&Judgement>, Option<&Judgement>),
    batch: &mut Batch,
) {
    for mark in &upkeep.withdrawn {
        batch.delete(Keyspace::Mark, &marked(mark, key));
    }
    for mark in &upkeep.published {
        batch.put(Keyspace::Mark, &marked(mark, key), &[]);
    }
    let (before, after) = (probed(before), probed(after));
    for place in before.difference(&after) {
        batch.delete(Keyspace::Probe, &marked(place, key));
    }
    for place in after.difference(&before) {
        batch.put(Keyspace::Probe, &marked(place, key), &[]);
    }
}

/// Where a record stands among those that look for marks.
fn probed(judgement: Option<&Judgement>) -> BTreeSet<Mark> {
    let place = |probe: &Probe, mark: &Mark| match probe.expect {
        Expect::Unique | Expect::Present => plain(mark),
        Expect::AtLeast(_) | Expect::AtMost(_) | Expect::Exactly(_) | Expect::Alike | Expect::Acyclic => {
            *mark
        }
    };
    let probes = judgement.into_iter().flat_map(|judgement| &judgement.probes);
    // Where chains lead is followed from their records.
    let probes = probes.filter(|probe| probe.expect != Expect::Acyclic);
    probes.flat_map(|probe| probe.marks.iter().map(move |mark| place(probe, mark))).collect()
}
