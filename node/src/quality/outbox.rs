//! What the province tells units about their records, in an order each unit can follow with a cursor: a record
//! stands in its unit's outbox once, at the number of what was said of it last.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::hash::sha256;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Defect, RuleKind, Sorted, Told, sort_by_waivers};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::kept::Kept;
use super::{Keeper, QualityError};
use crate::dataset::{Dataset, Key};
use crate::store::{Batch, Keyspace, View};

/// Under which numbers are given away: a random epoch, then the next number.
const TELLING: &[u8] = b"telling";
/// What was heard last: the epoch, then the number behind it.
const HEARING: &[u8] = b"hearing";

/// Where one stands in an outbox. Another epoch means that all of it is to be told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToldCursor {
    /// Of the view that gives the numbers.
    pub epoch: u64,
    /// The next number.
    pub next: u64,
}

impl ToldCursor {
    fn encode(self) -> [u8; 16] {
        let mut out = [0; 16];
        let (epoch, next) = out.split_at_mut(8);
        epoch.copy_from_slice(&self.epoch.to_be_bytes());
        next.copy_from_slice(&self.next.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, next) = bytes.split_at_checked(8)?;
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
        Some(Self { epoch: number(epoch)?, next: number(next)? })
    }
}

/// What the next pieces of an outbox are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Behind them.
    pub cursor: ToldCursor,
    /// What was heard before holds no longer.
    pub anew: bool,
    /// What is told, record by record.
    pub told: Vec<Told>,
}

/// The province's side: gives numbers away.
#[derive(Debug)]
pub(super) struct Outbox {
    cursor: Mutex<ToldCursor>,
    news: watch::Sender<u64>,
    /// For those who follow one unit: of many units few have news.
    units: Mutex<HashMap<UnitCode, watch::Sender<u64>>>,
    /// Whose outbox has something that was not announced yet.
    waiting: Mutex<BTreeSet<UnitCode>>,
}

impl Outbox {
    pub(super) fn open(dataset: &Dataset) -> Result<Self, QualityError> {
        let kept = dataset.view().get(Keyspace::Meta, TELLING)?.as_deref().and_then(ToldCursor::decode);
        let cursor = match kept {
            Some(cursor) => cursor,
            None => Self::fresh(dataset)?,
        };
        let (units, waiting) = (Mutex::default(), Mutex::default());
        Ok(Self { cursor: Mutex::new(cursor), news: watch::channel(cursor.next).0, units, waiting })
    }

    fn fresh(dataset: &Dataset) -> Result<ToldCursor, QualityError> {
        let cursor = ToldCursor { epoch: rand::random::<u64>() | 1, next: 0 };
        let mut batch = Batch::default();
        batch.put(Keyspace::Meta, TELLING, &cursor.encode());
        dataset.view().commit(batch)?;
        Ok(cursor)
    }

    /// All of it is to be told again.
    pub(super) fn begin_anew(&self, dataset: &Dataset) -> Result<(), QualityError> {
        let fresh = Self::fresh(dataset)?;
        *self.cursor.lock() = fresh;
        self.news.send_replace(fresh.next);
        for unit in self.units.lock().values() {
            unit.send_replace(fresh.next);
        }
        Ok(())
    }
}

impl Keeper {
    /// Grows with what there is to tell; nothing at a replica that tells nobody.
    #[must_use]
    pub fn news(&self) -> Option<watch::Receiver<u64>> {
        self.outbox.as_ref().map(|outbox| outbox.news.subscribe())
    }

    /// As [`Keeper::news`], of one unit's outbox alone.
    #[must_use]
    pub fn news_of(&self, unit: &UnitCode) -> Option<watch::Receiver<u64>> {
        let outbox = self.outbox.as_ref()?;
        let mut units = outbox.units.lock();
        let unit = units.entry(unit.clone()).or_insert_with(|| watch::channel(0).0);
        Some(unit.subscribe())
    }

    /// Puts a record into its unit's outbox, if what is to be told of it has changed since what `view` has of it.
    pub(super) fn tell(
        &self,
        key: &Key,
        record_type: &str,
        kept: Option<&Kept>,
        view: &dyn View,
        batch: &mut Batch,
    ) -> Result<(), QualityError> {
        let (Some(outbox), Some(record)) = (&self.outbox, key.get(4..).and_then(RecordId::from_slice)) else {
            return Ok(());
        };
        let before = view.get(Keyspace::Told, key)?;
        let before = before.as_deref().map(ToldAt::decode).transpose()?;
        let told = self.told(record_type, record, kept)?;
        let hash = sha256(&[&told.encode()]);
        let unit = kept.map(|kept| &kept.unit).or(before.as_ref().map(|before| &before.unit));
        let unchanged = match (&before, unit) {
            (None, _) | (_, None) => told.is_empty(),
            (Some(before), Some(unit)) => before.hash == hash && before.unit == *unit,
        };
        let Some(unit) = unit.filter(|_| !unchanged) else { return Ok(()) };
        if let Some(before) = &before {
            batch.delete(Keyspace::Outbox, &place(&before.unit, before.number));
        }
        let mut cursor = outbox.cursor.lock();
        let at = ToldAt { unit: unit.clone(), number: cursor.next, hash };
        cursor.next += 1;
        batch.put(Keyspace::Meta, TELLING, &cursor.encode());
        batch.put(Keyspace::Outbox, &place(unit, at.number), key);
        batch.put(Keyspace::Told, key, &at.encode());
        outbox.waiting.lock().insert(at.unit);
        Ok(())
    }

    /// What was put in the outbox can be read now.
    pub(super) fn announce(&self) {
        if let Some(outbox) = &self.outbox {
            let next = outbox.cursor.lock().next;
            outbox.news.send_if_modified(|last| std::mem::replace(last, next) != next);
            // Behind the number up to which an outbox is read.
            let waiting = std::mem::take(&mut *outbox.waiting.lock());
            let units = outbox.units.lock();
            for unit in waiting.iter().filter_map(|unit| units.get(unit)) {
                unit.send_replace(next);
            }
        }
    }

    fn told(&self, record_type: &str, record: RecordId, kept: Option<&Kept>) -> Result<Told, QualityError> {
        let book = &*self.book()?;
        // What the record is by itself its unit sees as well.
        let all = kept.into_iter().flat_map(|kept| kept.judgement.defects.iter().chain(&kept.cross));
        let among = all.filter(|defect| book.rule(defect.rule).kind == RuleKind::Cross);
        let defects = among.map(|defect| (book.rule(defect.rule).id.clone(), defect.field.clone())).collect();
        let waivers = match kept {
            Some(_) => self.waivers()?.of(&record).to_vec(),
            None => Vec::new(),
        };
        Ok(Told { record_type: record_type.to_owned(), record, defects, waivers })
    }

    /// What a unit is to be told from a cursor on, about `limit` records at most; nothing if it knows it all.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn telling(
        &self,
        unit: &UnitCode,
        from: ToldCursor,
        limit: usize,
    ) -> Result<Option<Telling>, QualityError> {
        let Some(outbox) = &self.outbox else { return Ok(None) };
        // Not further than what was written: a number is given away before that.
        let end = ToldCursor { epoch: outbox.cursor.lock().epoch, next: *outbox.news.borrow() };
        let anew = from.epoch != end.epoch;
        let start = if anew { 0 } else { from.next };
        let mut found = Vec::new();
        let (first, prefix) = (place(unit, start), prefix(unit));
        self.dataset().view().scan(Keyspace::Outbox, Bound::Included(&first), &prefix, &mut |at, key| {
            let number = at.get(prefix.len()..).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes);
            found.extend(number.zip(Key::try_from(key).ok()));
            found.len() < limit
        })?;
        if found.is_empty() && (!anew || from.epoch == 0) {
            return Ok(None);
        }
        let full = found.len() >= limit;
        let last = found.last().map_or(start, |(number, _)| number + 1);
        // Behind a full piece there may be more; otherwise nothing is left up to where numbers are given now.
        let next = if full { last } else { last.max(end.next) };
        let mut told = Vec::with_capacity(found.len());
        for (_, key) in &found {
            let (record_type, record) = self.dataset().named(key)?;
            told.push(self.told(&record_type, record, self.kept(key)?.as_ref())?);
        }
        Ok(Some(Telling { cursor: ToldCursor { epoch: end.epoch, next }, anew, told }))
    }

    /// The commune's side: from where it wants to be told on.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn heard(&self) -> Result<ToldCursor, QualityError> {
        let kept = self.dataset().view().get(Keyspace::Meta, HEARING)?;
        Ok(kept.as_deref().and_then(ToldCursor::decode).unwrap_or_default())
    }

    /// Keeps what the province told. It is the province's word about this unit's records and can be told again.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be kept.
    pub fn hear(&self, telling: &Telling) -> Result<(), QualityError> {
        let view = self.dataset().view();
        let mut batch = Batch::default();
        if telling.anew {
            for keyspace in [Keyspace::Heard, Keyspace::Waiver] {
                view.scan_prefix(keyspace, &[], &mut |key, _| {
                    batch.delete(keyspace, key);
                    true
                })?;
            }
        }
        let known = self.waivers()?;
        for told in &telling.told {
            for waiver in known.of(&told.record) {
                super::delete_waiver(&told.record, waiver.number, &mut batch);
            }
            for waiver in &told.waivers {
                super::put_waiver(waiver, &mut batch);
            }
            if told.is_empty() {
                batch.delete(Keyspace::Heard, &told.record.0);
            } else {
                batch.put(Keyspace::Heard, &told.record.0, &told.encode());
            }
        }
        batch.put(Keyspace::Meta, HEARING, &telling.cursor.encode());
        view.commit(batch)?;
        self.forget_waivers();
        Ok(())
    }

    /// How many of a unit's defects on a day are known only from the province.
    pub(super) fn heard_defects(&self, unit: &UnitCode, as_of: i32) -> Result<u64, QualityError> {
        if self.outbox.is_some() {
            return Ok(0);
        }
        let mut heard = Vec::new();
        self.dataset().view().scan_prefix(Keyspace::Heard, &[], &mut |_, bytes| {
            heard.extend(Told::decode(bytes));
            true
        })?;
        let mut count = 0_u64;
        for told in heard {
            let key = self.dataset().key(&told.record_type, told.record);
            let kept = key.map(|key| self.kept(&key)).transpose()?.flatten();
            let Some(kept) = kept.filter(|kept| kept.unit == *unit) else { continue };
            let book = &*self.book()?;
            let own = kept.judgement.defects_on(book, &kept.cross, as_of);
            let own = sort_by_waivers(book, &told.record, own, self.waivers()?.of(&told.record), as_of);
            let all = self.sorted(&told.record, &kept, as_of)?.counted.len();
            count += all.saturating_sub(own.counted.len()) as u64;
        }
        Ok(count)
    }

    /// Everything that is wrong with a record on a day, what only the province sees included; what is waived apart.
    pub(super) fn sorted(&self, id: &RecordId, kept: &Kept, as_of: i32) -> Result<Sorted, QualityError> {
        let heard = match &self.outbox {
            Some(_) => None,
            None => self.dataset().view().get(Keyspace::Heard, &id.0)?,
        };
        let judgement = &kept.judgement;
        let flawless =
            judgement.defects.is_empty() && judgement.deadlines.is_empty() && kept.cross.is_empty();
        if flawless && heard.is_none() {
            // Most records: the rules need not be at hand.
            return Ok(Sorted::default());
        }
        let book = &*self.book()?;
        let mut defects = judgement.defects_on(book, &kept.cross, as_of);
        if let Some(heard) = heard {
            for (rule, field) in Told::decode(&heard)?.defects {
                let index = book.rule_of_id(&rule).unwrap_or(book.unknown_rule());
                let rule = book.rule(index);
                let known = |defect: &Defect| book.rule(defect.rule).id == rule.id && defect.field == field;
                if !defects.iter().any(known) {
                    let (severity, dimension) = (rule.severity, rule.dimension);
                    defects.push(Defect { rule: index, field, severity, dimension });
                }
            }
            defects.sort_unstable();
        }
        Ok(sort_by_waivers(book, id, defects, self.waivers()?.of(id), as_of))
    }
}

/// Where a record stands in its unit's outbox.
struct ToldAt {
    unit: UnitCode,
    number: u64,
    hash: [u8; 32],
}

impl ToldAt {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        out.text(self.unit.as_str());
        out.u64(self.number);
        out.raw(&self.hash);
        out.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
        Ok(Self { unit, number: input.u64()?, hash: input.array()? })
    }
}

fn prefix(unit: &UnitCode) -> Vec<u8> {
    [unit.as_str().as_bytes(), &[0]].concat()
}

fn place(unit: &UnitCode, number: u64) -> Vec<u8> {
    [&prefix(unit)[..], &number.to_be_bytes()].concat()
}
