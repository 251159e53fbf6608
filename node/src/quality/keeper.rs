//! Judges what changed, and everything whose defects that changes.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::{Catalogue, CatalogueError, Dimension};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Defect, RuleBook, RuleIndex, Score, Silence, Sorted, Totals, Waiver};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Waivers;
use super::index::ViewIndex;
use super::kept::Kept;
use super::outbox::Outbox;
use super::pass::{Pass, kept_in, sums_key, sums_of};
use super::written::written;
use crate::dataset::{Dataset, DatasetError, Key};
use crate::log::ReadError;
use crate::observe::Job;
use crate::store::{Batch, Keyspace, ViewError};

/// Records dealt with between two looks at whether to stop.
const STEP: usize = 64;
/// Rules that nobody needed for so long are compiled again when they are.
const BOOK_IDLE: Duration = Duration::from_secs(30);
/// What a gentle keeper's thread asks of the scheduler: everything else goes first.
const NICE: i32 = 15;
/// Nothing was written for so long: now there is time to judge.
const QUIET: Duration = Duration::from_secs(2);
/// A step is made at least so often, however much is written.
const BUSY: Duration = Duration::from_secs(10);
/// How long an answer is held back until everything is judged.
const PATIENCE: Duration = Duration::from_secs(2);
/// The fingerprint of the rules, then the log's size that was gone through.
const CURSOR: &[u8] = b"quality";

/// Why quality cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// The records cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The view fails.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// Something kept is not readable.
    #[error("a judgement in the view is not readable; it is made again at the next start")]
    Kept(#[from] Malformed),
    /// A rule of the catalogue does not compile.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// How eagerly a keeper judges by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as there is time: a machine that is there for it.
    Prompt,
    /// In half of the time nobody else wants: an old PC that people work at.
    Gentle,
}

impl Pace {
    /// How long nothing is looked for when nothing was found.
    fn rest(self) -> Duration {
        Duration::from_millis(if self == Self::Prompt { 250 } else { 1_000 })
    }
}

/// Keeps judgements, marks and totals of all records in the view.
#[derive(Debug)]
pub struct Keeper {
    /// Compiled when needed, with when that was last: a node with nothing to judge spares the memory.
    book: Mutex<Option<(Arc<RuleBook>, Instant)>>,
    dataset: Dataset,
    catalogue: Arc<Catalogue>,
    clock: fn() -> UnixMillis,
    /// One at a time deals with changes.
    turn: Mutex<()>,
    /// What deals with them by itself, once it was started.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The waivers as of an applied size.
    pub(super) waived: Mutex<Option<(u64, Arc<Waivers>)>>,
    /// What units are told; only the province tells.
    pub(super) outbox: Option<Outbox>,
    /// Records that hand others over, or that such wait for, as they were judged; only the province acts on them.
    pub(super) handing: watch::Sender<BTreeSet<(String, RecordId)>>,
    /// What handovers wait for.
    pub(super) awaited: Mutex<BTreeSet<RecordId>>,
}

impl Keeper {
    /// Over the records of `dataset`, by the rules of `catalogue`.
    ///
    /// # Errors
    /// [`QualityError`] if the view cannot be read.
    pub fn open(
        dataset: Dataset,
        catalogue: Arc<Catalogue>,
        clock: fn() -> UnixMillis,
    ) -> Result<Arc<Self>, QualityError> {
        Ok(Arc::new(Self::with_outbox(dataset, catalogue, clock, None)?))
    }

    /// The same, and tells units what only the province sees of their records.
    ///
    /// # Errors
    /// [`QualityError`] if the view cannot be read.
    pub fn open_telling(
        dataset: Dataset,
        catalogue: Arc<Catalogue>,
        clock: fn() -> UnixMillis,
    ) -> Result<Arc<Self>, QualityError> {
        let outbox = Outbox::open(&dataset)?;
        Ok(Arc::new(Self::with_outbox(dataset, catalogue, clock, Some(outbox))?))
    }

    fn with_outbox(
        dataset: Dataset,
        catalogue: Arc<Catalogue>,
        clock: fn() -> UnixMillis,
        outbox: Option<Outbox>,
    ) -> Result<Self, QualityError> {
        let fingerprint = RuleBook::fingerprint_of(&catalogue);
        let handing = watch::Sender::new(BTreeSet::new());
        let (book, turn, waived) = (Mutex::new(None), Mutex::new(()), Mutex::new(None));
        let (thread, awaited) = (Mutex::new(None), Mutex::default());
        let keeper = Self { book, dataset, catalogue, clock, turn, thread, waived, outbox, handing, awaited };
        let kept = keeper.dataset.view().get(Keyspace::Meta, CURSOR)?;
        if kept.is_none_or(|kept| !kept.starts_with(&fingerprint)) {
            keeper.begin_anew()?;
        }
        Ok(keeper)
    }

    /// The rules it judges by.
    ///
    /// # Errors
    /// [`QualityError::Catalogue`] if one does not compile.
    pub fn book(&self) -> Result<Arc<RuleBook>, QualityError> {
        let mut kept = self.book.lock();
        let book = match kept.as_ref() {
            Some((book, _)) => Arc::clone(book),
            None => Arc::new(RuleBook::compile(&self.catalogue)?),
        };
        *kept = Some((Arc::clone(&book), Instant::now()));
        Ok(book)
    }

    /// Gives the rules' memory back if nobody needed them for a while.
    fn rest(&self) {
        let mut kept = self.book.lock();
        if kept.as_ref().is_some_and(|(_, used)| used.elapsed() >= BOOK_IDLE) {
            *kept = None;
        }
    }

    /// Today, since 1970.
    #[must_use]
    pub fn today(&self) -> i32 {
        (self.clock)().day()
    }

    pub(super) fn begin_anew(&self) -> Result<(), QualityError> {
        let view = self.dataset.view();
        let mut keyspaces =
            vec![Keyspace::Judgement, Keyspace::Mark, Keyspace::Probe, Keyspace::Again, Keyspace::Quality];
        if let Some(outbox) = &self.outbox {
            keyspaces.extend([Keyspace::Outbox, Keyspace::Told]);
            outbox.begin_anew(&self.dataset)?;
        }
        for keyspace in keyspaces {
            let (mut keys, mut batch) = (Vec::new(), Batch::default());
            view.scan_prefix(keyspace, &[], &mut |key, _| {
                keys.push(key.to_vec());
                true
            })?;
            keys.iter().for_each(|key| batch.delete(keyspace, key));
            view.commit(batch)?;
        }
        let mut batch = Batch::default();
        self.put_cursor(0, &mut batch);
        Ok(view.commit(batch)?)
    }

    /// Up to where the log was gone through.
    pub(super) fn cursor(&self) -> Result<u64, QualityError> {
        let kept = self.dataset.view().get(Keyspace::Meta, CURSOR)?;
        let number = kept.as_deref().and_then(<[u8]>::last_chunk).map(|bytes| u64::from_be_bytes(*bytes));
        Ok(number.unwrap_or(0))
    }

    /// The log was gone through up to here.
    pub(super) fn put_cursor(&self, cursor: u64, batch: &mut Batch) {
        let fingerprint = RuleBook::fingerprint_of(&self.catalogue);
        batch.put(Keyspace::Meta, CURSOR, &[&fingerprint[..], &cursor.to_be_bytes()].concat());
    }

    /// How many entries of the log were not gone through yet, of those the view has.
    ///
    /// # Errors
    /// [`QualityError`] if the view cannot be read.
    pub fn behind(&self) -> Result<u64, QualityError> {
        // Beyond what the view has, a type's number may still change.
        let applied = self.dataset.view().applied()?.unwrap_or(0);
        Ok(applied.saturating_sub(self.cursor()?))
    }

    /// Deals with changes while nothing is written, until told to stop: taking in goes before judging, but for
    /// a step now and then. Tells `job` of its rounds.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(
        self: &Arc<Self>,
        stop: CancellationToken,
        pace: Pace,
        job: Arc<Job>,
    ) -> std::io::Result<()> {
        let keeper = Arc::clone(self);
        let work = move || {
            if pace == Pace::Gentle
                && let Err(error) = rustix::process::setpriority_process(None, NICE)
            {
                tracing::debug!(%error, "judging goes on at the usual priority");
            }
            let rest = pace.rest();
            let (mut applied, mut quiet, mut worked) = (None, Instant::now(), Instant::now());
            let mut said = false;
            while !stop.is_cancelled() {
                let now = keeper.dataset.view().applied().unwrap_or_default();
                if now != applied {
                    (applied, quiet) = (now, Instant::now());
                }
                if quiet.elapsed() < QUIET && worked.elapsed() < BUSY {
                    std::thread::park_timeout(rest);
                    continue;
                }
                worked = Instant::now();
                match keeper.step(STEP) {
                    Ok(0) => {
                        job.progress();
                        said = false;
                        if pace == Pace::Gentle {
                            keeper.rest();
                        }
                    }
                    Ok(_) => {
                        job.progress();
                        if pace == Pace::Gentle {
                            std::thread::park_timeout(worked.elapsed());
                        }
                        continue;
                    }
                    Err(error) => {
                        job.failed();
                        if !std::mem::replace(&mut said, true) {
                            tracing::error!(%error, "quality is not kept up");
                        }
                    }
                }
                std::thread::park_timeout(rest);
            }
        };
        let thread = std::thread::Builder::new().name("quality".into()).spawn(work)?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Waits until it deals with nothing any more by itself, once it was told to stop: then its thread holds nothing
    /// of the view.
    pub async fn ended(&self) {
        let thread = self.thread.lock().take();
        let Some(thread) = thread else { return };
        thread.thread().unpark();
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the thread for quality failed");
        }
    }

    /// Deals with one record now.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read or written.
    pub fn refresh(&self, record_type: &str, id: RecordId) -> Result<(), QualityError> {
        let _turn = self.turn.lock();
        let mut pass = Pass::over(self);
        pass.deal_with(record_type, id)?;
        pass.commit(None)
    }

    /// Deals with everything the view has that was not dealt with.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read or written.
    pub fn settle(&self) -> Result<(), QualityError> {
        while self.step(STEP)? > 0 {}
        Ok(())
    }

    /// The same, but only what was written until now, however much is being written; `hear` hears how many entries
    /// are left.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read or written.
    pub fn settle_until_now(&self, hear: &mut dyn FnMut(u64)) -> Result<(), QualityError> {
        let end = self.dataset.view().applied()?.unwrap_or(0);
        loop {
            let left = end.saturating_sub(self.cursor()?);
            if left == 0 {
                break;
            }
            hear(left);
            self.step(STEP)?;
        }
        while self.deal_with_due(STEP)? > 0 {}
        Ok(())
    }

    /// The same for a question's sake, and only as long as a person waits; how many entries are left.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read or written.
    pub fn catch_up(&self) -> Result<u64, QualityError> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.step(STEP)? == 0 {
                return Ok(0);
            }
        }
        self.behind()
    }

    /// Deals with about `limit` records; how many it were, at least one if anything was left.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read or written.
    pub fn step(&self, limit: usize) -> Result<usize, QualityError> {
        let turn = self.turn.lock();
        let cursor = self.cursor()?;
        let end = cursor + self.behind()?;
        if cursor < end {
            let (written, next) = written(&self.dataset, cursor, end, limit)?;
            let mut pass = Pass::over(self);
            for (record_type, id) in self.referring(&written)?.iter().chain(&written) {
                pass.deal_with(record_type, *id)?;
            }
            pass.commit(Some(next))?;
            return Ok(written.len().max(1));
        }
        drop(turn);
        self.deal_with_due(limit)
    }

    fn deal_with_due(&self, limit: usize) -> Result<usize, QualityError> {
        let _turn = self.turn.lock();
        let due = self.due(limit)?;
        let mut pass = Pass::over(self);
        for key in &due {
            let (record_type, id) = self.dataset.named(key)?;
            pass.deal_with(&record_type, id)?;
        }
        pass.commit(None)?;
        Ok(due.len())
    }

    /// Records whose judgement the day may have changed.
    fn due(&self, limit: usize) -> Result<Vec<Key>, QualityError> {
        let (today, mut due) = (self.today(), Vec::new());
        self.dataset.view().scan_prefix(Keyspace::Again, &[], &mut |found, _| {
            let Some((day, key)) = found.split_first_chunk::<4>() else { return true };
            if i32::from_be_bytes(*day) > today {
                return false;
            }
            due.extend(Key::try_from(key).ok());
            due.len() < limit
        })?;
        Ok(due)
    }

    /// What is kept of a record.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn kept(&self, key: &Key) -> Result<Option<Kept>, QualityError> {
        kept_in(self.dataset.view().as_ref(), key)
    }

    /// The records judged since they were last taken that hand others over, or were awaited.
    #[must_use]
    pub fn handing(&self) -> watch::Receiver<BTreeSet<(String, RecordId)>> {
        self.handing.subscribe()
    }

    /// Takes them.
    #[must_use]
    pub fn take_handing(&self) -> BTreeSet<(String, RecordId)> {
        let mut taken = BTreeSet::new();
        self.handing.send_if_modified(|waiting| {
            taken = std::mem::take(waiting);
            false
        });
        taken
    }

    /// A handover waits for a change of a record: the next one is told, once.
    pub fn await_handing(&self, id: RecordId) {
        self.awaited.lock().insert(id);
    }

    /// The sums over a unit's records of a type.
    ///
    /// # Errors
    /// [`QualityError`] if they cannot be read.
    pub fn totals(&self, record_type: &str, unit: &UnitCode) -> Result<Totals, QualityError> {
        match self.dataset.key(record_type, RecordId([0; 16])) {
            Some(key) => sums_of(self.dataset.view().as_ref(), &sums_key(&key, unit)),
            None => Ok(Totals::default()),
        }
    }

    /// A unit's score in one type on a day.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn score(
        &self,
        unit: &UnitCode,
        record_type: &str,
        silence: Silence,
        as_of: i32,
    ) -> Result<Score, QualityError> {
        let mut totals = self.totals(record_type, unit)?;
        self.waive(record_type, unit, as_of, &mut totals)?;
        self.score_over(unit, record_type, &totals, silence, as_of)
    }

    /// The score of whatever records are a unit's, from the sums over them.
    pub(super) fn score_over(
        &self,
        unit: &UnitCode,
        record_type: &str,
        totals: &Totals,
        silence: Silence,
        as_of: i32,
    ) -> Result<Score, QualityError> {
        let book = &*self.book()?;
        let mut tally = totals.on(as_of, silence);
        if let Some(unit) = book.unit(unit) {
            let index = ViewIndex { view: self.dataset.view().as_ref(), own: None };
            tally[Dimension::Du] += book.expected(unit, record_type, &index, as_of)?;
        }
        Ok(Score { tally })
    }

    /// Counts records with valid waivers anew, without what is waived.
    pub(super) fn waive(
        &self,
        record_type: &str,
        unit: &UnitCode,
        as_of: i32,
        totals: &mut Totals,
    ) -> Result<(), QualityError> {
        let (book, waivers) = (self.book()?, self.waivers()?);
        let valid =
            waivers.iter().filter(|waiver| as_of <= waiver.until && waiver.record_type == record_type);
        let records: BTreeSet<RecordId> = valid.map(|waiver| waiver.record).collect();
        for id in records {
            let kept = self.dataset.key(record_type, id).map(|key| self.kept(&key)).transpose()?.flatten();
            let Some(kept) = kept.filter(|kept| kept.unit == *unit) else { continue };
            let waived = |rule: RuleIndex, field: Option<&str>| {
                let rule = &book.rule(rule).id;
                waivers.of(&id).iter().any(|waiver| waiver.covers(&id, rule, field, as_of))
            };
            totals.remove(kept.standing());
            totals.add(kept.judgement.standing(&kept.cross, waived));
        }
        Ok(())
    }

    /// Everything that is wrong with a record on a day, what is waived apart; and the waivers the latter's
    /// positions lead to.
    ///
    /// # Errors
    /// [`QualityError`] if it cannot be read.
    pub fn defects(
        &self,
        record_type: &str,
        id: RecordId,
        as_of: i32,
    ) -> Result<(Sorted, Vec<Waiver>), QualityError> {
        let kept = self.dataset.key(record_type, id).map(|key| self.kept(&key)).transpose()?.flatten();
        let Some(kept) = kept else { return Ok((Sorted::default(), Vec::new())) };
        Ok((self.sorted(&id, &kept, as_of)?, self.waivers()?.of(&id).to_vec()))
    }

    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Visits what is kept of a type's records, in id order after `after`, until told to stop.
    pub(super) fn each_kept(
        &self,
        record_type: &str,
        after: Option<RecordId>,
        visit: &mut dyn FnMut(RecordId, Kept) -> bool,
    ) -> Result<(), QualityError> {
        let Some(first) = self.dataset.key(record_type, after.unwrap_or(RecordId([0; 16]))) else {
            return Ok(());
        };
        let from = if after.is_some() { Bound::Excluded(&first[..]) } else { Bound::Included(&first[..]) };
        let (prefix, _) = first.split_at(4);
        let mut fault = None;
        self.dataset.view().scan(Keyspace::Judgement, from, prefix, &mut |found, bytes| match (
            found.get(4..).and_then(RecordId::from_slice),
            Kept::decode(bytes),
        ) {
            (Some(id), Ok(kept)) => visit(id, kept),
            (_, Err(malformed)) => {
                fault = Some(malformed);
                false
            }
            (None, _) => true,
        })?;
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Visits the records of a type that have defects on a day, waived ones aside, in id order after `after`, until told to stop.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn each_defective(
        &self,
        record_type: &str,
        after: Option<RecordId>,
        as_of: i32,
        visit: &mut dyn FnMut(RecordId, &UnitCode, Vec<Defect>) -> bool,
    ) -> Result<(), QualityError> {
        let mut fault = None;
        self.each_kept(record_type, after, &mut |id, kept| match self.sorted(&id, &kept, as_of) {
            Ok(sorted) => sorted.counted.is_empty() || visit(id, &kept.unit, sorted.counted),
            Err(error) => {
                fault = Some(error);
                false
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// The records units should have and have not, of one unit or of all.
    ///
    /// # Errors
    /// [`QualityError`] if the marks cannot be read.
    pub fn gaps(
        &self,
        unit: Option<&UnitCode>,
        as_of: i32,
    ) -> Result<Vec<lienthong_proto::quality::Gap>, QualityError> {
        let index = ViewIndex { view: self.dataset.view().as_ref(), own: None };
        let book = &*self.book()?;
        Ok(match unit.and_then(|unit| book.unit(unit)) {
            Some(unit) => book.gaps_of(unit, &index, as_of)?,
            None if unit.is_some() => Vec::new(),
            None => book.gaps(&index, as_of)?,
        })
    }
}
