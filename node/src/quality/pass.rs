//! One go over some records: each is judged as if those before it were written already, and all are written together.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Expect, Index as _, Judgement, Probe, Totals, Upkeep};

use super::course::judged;
use super::index::{ViewIndex, crowd, note, plain};
use super::kept::{JUDGEMENT_BYTES_MAX, Kept};
use super::report::likeness;
use super::{Keeper, QualityError};
use crate::dataset::Key;
use crate::store::{Batch, Keyspace, StagedView, View};

/// A crowd of more that are counted is not gone through where one more of them cannot matter.
const CROWD: usize = 4_096;
/// So many are counted to see whether one more can matter to a crowd.
const CROWD_COUNTED: u64 = CROWD as u64 + 2;
/// Keys written together at most, but for those of one record more: a crowd of others may be judged with it.
const STAGED_MAX: usize = 16_384;

/// The records of one step; whoever makes it has the keeper's turn.
pub(super) struct Pass<'a> {
    keeper: &'a Keeper,
    view: StagedView<'a>,
    sums: Sums,
    handing: BTreeSet<(String, RecordId)>,
}

impl<'a> Pass<'a> {
    pub(super) fn over(keeper: &'a Keeper) -> Self {
        let view = StagedView::over(keeper.dataset().view().as_ref());
        Self { keeper, view, sums: Sums::default(), handing: BTreeSet::new() }
    }

    /// Writes everything, and up to where the log was gone through, if that is said; then tells of it. What is not
    /// written is judged again, to the same end.
    pub(super) fn commit(mut self, cursor: Option<u64>) -> Result<(), QualityError> {
        let mut batch = Batch::default();
        if let Some(cursor) = cursor {
            self.keeper.put_cursor(cursor, &mut batch);
        }
        self.flush(batch)
    }

    fn flush(&mut self, mut batch: Batch) -> Result<(), QualityError> {
        self.sums.put(&mut batch);
        self.view.flush(batch)?;
        let handing = std::mem::take(&mut self.handing);
        if !handing.is_empty() {
            // Whoever awaited one of them is told now.
            self.keeper.awaited.lock().retain(|id| !handing.iter().any(|(_, told)| told == id));
            self.keeper.handing.send_modify(|waiting| waiting.extend(handing));
        }
        self.keeper.announce();
        Ok(())
    }

    pub(super) fn deal_with(&mut self, record_type: &str, id: RecordId) -> Result<(), QualityError> {
        let (keeper, view) = (self.keeper, &self.view);
        let is_telling = keeper.outbox.is_some();
        if is_telling && (keeper.catalogue().hands_over(record_type) || keeper.awaited.lock().contains(&id)) {
            self.handing.insert((record_type.to_owned(), id));
        }
        let Some(key) = &keeper.dataset().key(record_type, id) else { return Ok(()) };
        let subject = judged(keeper.dataset(), keeper.catalogue(), record_type, id)?;
        let before = kept_in(view, key)?;
        let book = &*keeper.book()?;
        let mut judgement = subject.as_ref().map(|subject| book.judge(subject, keeper.today()));
        if judgement.as_mut().is_some_and(|judgement| judgement.bound(JUDGEMENT_BYTES_MAX)) {
            tracing::warn!(record_type, "more is wrong with a record than is kept of it");
        }
        let former = before.as_ref().map(|kept| &kept.judgement);
        let upkeep = Upkeep::between(former, judgement.as_ref());
        let own = judgement.clone();
        let index = ViewIndex { view, own: Some((*key, own.as_ref())) };
        let mut batch = Batch::default();
        note(key, &upkeep, (former, judgement.as_ref()), &mut batch);
        let again = |judgement: &Judgement| {
            judgement.judge_again.map(|day| [&day.to_be_bytes()[..], &key[..]].concat())
        };
        if let Some(kept) = &before {
            again(&kept.judgement).iter().for_each(|place| batch.delete(Keyspace::Again, place));
            self.sums.of(view, key, &kept.unit)?.remove(kept.standing());
        }
        if let (Some(subject), Some(judgement)) = (subject, judgement) {
            again(&judgement).iter().for_each(|place| batch.put(Keyspace::Again, place, &[]));
            let cross = judgement.assess(book, &index)?;
            // Those of before, until they are looked at again.
            let doubles = before.as_ref().map(|kept| kept.doubles.clone()).unwrap_or_default();
            let kept = Kept::new(subject.unit, judgement, cross, doubles);
            self.sums.of(view, key, &kept.unit)?.add(kept.standing());
            batch.put(Keyspace::Judgement, key, &kept.encode());
            keeper.tell(key, record_type, Some(&kept), view, &mut batch)?;
        } else {
            batch.delete(Keyspace::Judgement, key);
            keeper.tell(key, record_type, None, view, &mut batch)?;
        }
        let mut others = touched(key, &upkeep, &index)?;
        // A chain stays within its type.
        for other in Judgement::chained(&id, former, own.as_ref(), &index)? {
            if let Some(other) = keeper.dataset().key(record_type, other)
                && let Some(kept) = kept_in(view, &other)?
            {
                others.insert(other, kept);
            }
        }
        for (other, mut kept) in others {
            self.sums.of(view, &other, &kept.unit)?.remove(kept.standing());
            let cross = kept.judgement.assess(book, &index)?;
            kept = Kept::new(kept.unit, kept.judgement, cross, kept.doubles);
            self.sums.of(view, &other, &kept.unit)?.add(kept.standing());
            batch.put(Keyspace::Judgement, &other, &kept.encode());
            let (record_type, _) = keeper.dataset().named(&other)?;
            keeper.tell(&other, &record_type, Some(&kept), view, &mut batch)?;
        }
        view.commit(batch)?;
        self.pair_anew(record_type, id, before.as_ref())?;
        if self.view.staged() > STAGED_MAX {
            self.flush(Batch::default())?;
        }
        Ok(())
    }
}

impl Pass<'_> {
    /// Finds the doubles of a record that came, changed or went, and of those whose place in a crowd that moved.
    fn pair_anew(
        &mut self,
        record_type: &str,
        id: RecordId,
        before: Option<&Kept>,
    ) -> Result<(), QualityError> {
        let after = self.kept_of(record_type, id)?;
        let judgements = [before, after.as_ref()].map(|kept| kept.map(|kept| &kept.judgement));
        if judgements.iter().flatten().all(|judgement| judgement.proposals.is_empty()) {
            return Ok(());
        }
        let [former, present] = judgements;
        let index = ViewIndex { view: &self.view, own: None };
        let unsettled = self.keeper.book()?.unsettled(&id, former, present, &index)?;
        for one in unsettled {
            let kept = self.kept_of(record_type, one)?;
            let lost = before.filter(|_| one == id).map(|kept| kept.doubles.clone()).unwrap_or_default();
            let known = kept.as_ref().map(|kept| kept.doubles.clone()).unwrap_or_default();
            let now = match &kept {
                Some(kept) => self.doubles_of(record_type, one, kept)?,
                None => BTreeSet::new(),
            };
            for other in known.union(&lost).filter(|other| !now.contains(*other)) {
                self.note_double(record_type, *other, one, false)?;
                self.note_double(record_type, one, *other, false)?;
            }
            for other in &now {
                self.note_double(record_type, *other, one, true)?;
                self.note_double(record_type, one, *other, true)?;
            }
        }
        Ok(())
    }

    fn kept_of(&self, record_type: &str, id: RecordId) -> Result<Option<Kept>, QualityError> {
        let key = self.keeper.dataset().key(record_type, id);
        Ok(key.map(|key| kept_in(&self.view, &key)).transpose()?.flatten())
    }

    /// The records that a record is probably one with, as all of them stand now.
    fn doubles_of(
        &self,
        record_type: &str,
        id: RecordId,
        kept: &Kept,
    ) -> Result<BTreeSet<RecordId>, QualityError> {
        let (book, dataset, catalogue) =
            (self.keeper.book()?, self.keeper.dataset(), self.keeper.catalogue());
        let index = ViewIndex { view: &self.view, own: None };
        let candidates = book.candidates(&id, &kept.judgement, &index)?;
        let mut found = BTreeSet::new();
        let read = |id| dataset.record(catalogue, record_type, id);
        let Some(record) = (if candidates.is_empty() { None } else { read(id)? }) else { return Ok(found) };
        for other in candidates {
            let Some(second) = read(other)? else { continue };
            if !record.is_apart_from(other)
                && !second.is_apart_from(id)
                && likeness(&book, &record, &second).is_some()
            {
                found.insert(other);
            }
        }
        Ok(found)
    }

    /// Writes down that a record has another for a double, or no longer.
    fn note_double(
        &mut self,
        record_type: &str,
        id: RecordId,
        other: RecordId,
        is_one: bool,
    ) -> Result<(), QualityError> {
        let Some(key) = self.keeper.dataset().key(record_type, id) else { return Ok(()) };
        let Some(before) = kept_in(&self.view, &key)? else { return Ok(()) };
        let Some(kept) = before.doubled(other, is_one) else { return Ok(()) };
        let sums = self.sums.of(&self.view, &key, &kept.unit)?;
        sums.remove(before.standing());
        sums.add(kept.standing());
        let mut batch = Batch::default();
        batch.put(Keyspace::Judgement, &key, &kept.encode());
        self.keeper.tell(&key, record_type, Some(&kept), &self.view, &mut batch)?;
        Ok(self.view.commit(batch)?)
    }
}

/// The other records to which the marks that come and go make a difference.
fn touched(key: &Key, upkeep: &Upkeep, index: &ViewIndex<'_>) -> Result<BTreeMap<Key, Kept>, QualityError> {
    let mut touched = BTreeMap::new();
    let came = upkeep.published.iter().map(|mark| (mark, true));
    for (mark, came) in came.chain(upkeep.withdrawn.iter().map(|mark| (mark, false))) {
        let mut others = BTreeSet::new();
        // Beyond what these tell apart nothing need be counted: one more of a crowd is nothing to any of it.
        let few = Expect::Unique.count_max() + 1;
        let after = index.count(mark, few)?;
        let before = if came { after.saturating_sub(1) } else { after + 1 };
        if [Expect::Unique, Expect::Present].into_iter().any(|plain| plain.tells_apart(before, after)) {
            crowd(index.view, &plain(mark), key, usize::MAX, &mut others)?;
        }
        let counted = others.len();
        let whole = crowd(index.view, mark, key, counted.saturating_add(CROWD), &mut others)?;
        if others.is_empty() {
            continue;
        }
        let after = if others.len() > counted { index.count(mark, CROWD_COUNTED)? } else { after };
        let before = if came { after.saturating_sub(1) } else { after + 1 };
        if !whole && before.min(after) > CROWD as u64 {
            continue;
        }
        for other in others {
            if touched.contains_key(&other) {
                continue;
            }
            let Some(kept) = kept_in(index.view, &other)? else { continue };
            let asks = |probe: &Probe| probe.marks.contains(mark) && probe.expect.tells_apart(before, after);
            if kept.judgement.probes.iter().any(asks) {
                touched.insert(other, kept);
            }
        }
    }
    Ok(touched)
}

/// What a view has of a record.
pub(super) fn kept_in(view: &dyn View, key: &Key) -> Result<Option<Kept>, QualityError> {
    let bytes = view.get(Keyspace::Judgement, key)?;
    Ok(bytes.map(|bytes| Kept::decode(&bytes)).transpose()?)
}

/// Type number, unit.
pub(super) fn sums_key(key: &Key, unit: &UnitCode) -> Vec<u8> {
    let (number, _) = key.split_at(4);
    [number, unit.as_str().as_bytes()].concat()
}

/// What a view has of the sums at a place.
pub(super) fn sums_of(view: &dyn View, place: &[u8]) -> Result<Totals, QualityError> {
    let bytes = view.get(Keyspace::Quality, place)?;
    Ok(bytes.map(|bytes| Totals::decode(&bytes)).transpose()?.unwrap_or_default())
}

/// Sums over records as they stand, by their place, until they are written.
#[derive(Default)]
struct Sums(BTreeMap<Vec<u8>, Totals>);

impl Sums {
    fn of(&mut self, view: &dyn View, key: &Key, unit: &UnitCode) -> Result<&mut Totals, QualityError> {
        let place = sums_key(key, unit);
        let known = match self.0.remove(&place) {
            Some(known) => known,
            None => sums_of(view, &place)?,
        };
        Ok(self.0.entry(place).or_insert(known))
    }

    fn put(&mut self, batch: &mut Batch) {
        for (place, totals) in std::mem::take(&mut self.0) {
            if totals.is_empty() {
                batch.delete(Keyspace::Quality, &place);
            } else {
                batch.put(Keyspace::Quality, &place, &totals.encode());
            }
        }
    }
}
