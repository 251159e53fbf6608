//! The writer's side of a replica, in the one order that keeps what was accepted:
//! stage → append → fdatasync → publish → answer → view.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, Meta, Write};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::merging::Merging;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::time::{HlcClock, UnixMillis};
use lienthong_proto::withdrawal::Stated;
use rand::RngCore as _;
use tokio::sync::watch;

use super::error::JournalError;
use super::frames::{self, Frame, Staged};
use super::replay::{self, Replay};
use super::tally::{UNTALLIED, Untallied};
use super::{Composed, Draft, Fed, Look, Numbers, Outcome, Written, aim};
use crate::dataset::{Admitted, Dataset, EntryAt, Flush, Payload, Source};
use crate::log::{FramePosition, HashFile, LogReader, LogWriter};
use crate::store::{Batch, Keyspace, View};

/// Who writes this log, and the key that makes record ids.
#[derive(Clone)]
pub struct Author {
    /// The replica.
    pub replica: ReplicaId,
    /// Its unit.
    pub unit: UnitCode,
    /// The provincial key, 32 bytes.
    pub provincial_key: Arc<[u8]>,
}

impl std::fmt::Debug for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Author")
            .field("replica", &self.replica)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

/// Size and root of the log, as far as it is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// Their root.
    pub root: Digest,
}

/// Bounds of a journal.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// Opened frames kept for readers, each at most 1 MiB.
    pub frames_cached: std::num::NonZeroUsize,
    /// Records that may wait for the view.
    pub unflushed_max: usize,
    /// Own changes are told to whoever takes them by [`Journal::take_appended`].
    pub follow: bool,
    /// Where the secrets come from that salt what an entry commits to: [`secret`], but where runs must be equal.
    pub secret: fn() -> [u8; 16],
}

/// An own change that was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// The change's place in the log.
    pub sequence: Sequence,
    /// When it was written, by its stamp.
    pub written: UnixMillis,
    /// Where it stands.
    pub at: EntryAt,
    /// Who owned the record before, if the change says who does now.
    pub before: Option<UnitCode>,
    /// What it writes.
    pub paths: Vec<String>,
}

/// What staging a draft did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The record.
    pub record: RecordId,
    /// It is new.
    pub created: bool,
    /// Something was written.
    pub written: bool,
    /// It is withdrawn, and what was stated does not bring it back.
    pub withdrawn: bool,
    /// Paths not written because others have changed them since the unit stated the same.
    pub elsewhere: Vec<String>,
    /// Its place in the log, if something was written.
    pub sequence: Option<Sequence>,
}

impl Stage {
    /// The same for the one who states it.
    #[must_use]
    pub fn written(self) -> Written {
        let (outcome, sequence) = (self.outcome(), self.sequence);
        Written { record: self.record, outcome, elsewhere: self.elsewhere, sequence }
    }

    /// What that is for the one who states it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (self.created, self.written, self.withdrawn) {
            (true, ..) => Outcome::Created,
            (false, true, _) => Outcome::Updated,
            (false, false, true) => Outcome::Withdrawn,
            (false, false, false) => Outcome::Unchanged,
        }
    }
}

/// The one writer of a log and of the state merged from it.
pub struct Journal {
    log: LogWriter,
    pub(super) reader: LogReader,
    pub(super) hashes: Arc<HashFile>,
    pub(super) frontier: Frontier,
    leaves: Vec<Digest>,
    pub(super) dataset: Dataset,
    catalogue: Arc<Catalogue>,
    pub(super) clock: HlcClock,
    pub(super) numbers: Numbers,
    pub(super) untallied: Untallied,
    author: Author,
    staged: Vec<Staged>,
    staged_records: HashSet<RecordId>,
    head: watch::Sender<Head>,
    pub(super) fed: Fed,
    feeding: watch::Sender<Fed>,
    appended: Vec<Appended>,
    pub(super) options: JournalOptions,
}

impl Journal {
    /// A journal over an opened log and view: what the view lacks is applied from the log, and `replay`
    /// is handed each such entry.
    ///
    /// # Errors
    /// [`JournalError`] if log or view cannot be read.
    #[expect(clippy::too_many_arguments, reason = "each is a part the journal then owns")]
    pub fn open(
        log: LogWriter,
        reader: LogReader,
        hashes: HashFile,
        view: Arc<dyn View>,
        catalogue: Arc<Catalogue>,
        author: Author,
        options: JournalOptions,
        replay: &mut dyn Replay,
    ) -> Result<Self, JournalError> {
        let dataset = Dataset::open(Arc::clone(&view), reader.clone(), options.frames_cached)?;
        let applied = view.applied()?.unwrap_or(0);
        let (frontier, numbers, fed) = replay::load_meta(view.as_ref(), applied)?;
        let untallied = Untallied::load(view.as_ref())?;
        let head = Head { size: frontier.size(), root: frontier.root() };
        let mut journal = Self {
            log,
            reader,
            hashes: Arc::new(hashes),
            frontier,
            leaves: Vec::new(),
            dataset,
            catalogue,
            clock: HlcClock::default(),
            numbers,
            untallied,
            author,
            staged: Vec::new(),
            staged_records: HashSet::new(),
            head: watch::channel(head).0,
            fed,
            feeding: watch::channel(fed).0,
            appended: Vec::new(),
            options,
        };
        let found = journal.reader.next().0;
        if applied > found {
            return Err(JournalError::Shorter { applied, found });
        }
        journal.replay(applied, replay)?;
        // What was synced after the last anchor is as good as what was before: from the next settling on it is known.
        journal.log.set_anchor(journal.frontier.root(), &journal.frontier.encode());
        Ok(journal)
    }

    pub(super) fn own_source(&self, change: &Change, at: EntryAt) -> Source {
        Source {
            dot: change.dot,
            unit: self.author.unit.clone(),
            effective: change.meta.hlc,
            proposal: false,
            states_owner: change.unit().cloned(),
            states_withdrawal: Stated::by(change),
            states_into: Merging::by(change).map(|merging| merging.into),
            at,
        }
    }

    /// The state merged from this log.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The catalogue in force.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Who writes here.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// The log's readers.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The leaf hashes.
    #[must_use]
    pub fn hashes(&self) -> &Arc<HashFile> {
        &self.hashes
    }

    /// Size and root as they grow.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Up to where the feed was taken, as it grows.
    #[must_use]
    pub fn fed(&self) -> watch::Receiver<Fed> {
        self.feeding.subscribe()
    }

    pub(super) fn set_fed(&mut self, fed: Fed) {
        self.fed = fed;
        self.feeding.send_replace(fed);
    }

    /// The next sequence, staged entries included.
    #[must_use]
    pub fn next(&self) -> Sequence {
        Sequence(self.log.next_sequence().0 + self.staged.len() as u64)
    }

    /// Whether a record has a change that was staged and is not synced, appended or not: its values are not readable
    /// until the group is committed.
    #[must_use]
    pub fn is_staged(&self, record: &RecordId) -> bool {
        self.staged_records.contains(record)
    }

    /// How many entries are staged.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Composes a draft and stages its change.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is staged then.
    pub fn stage(&mut self, draft: Draft, now: UnixMillis) -> Result<Stage, JournalError> {
        let aimed = aim(&self.catalogue, &self.author.provincial_key, draft)?;
        let own = (self.author.provincial_key.as_ref(), &self.author.unit);
        let aimed = aimed.led(&self.dataset, &self.catalogue, own, Look::Pending)?;
        if self.is_staged(&aimed.record()) {
            self.commit()?;
        }
        let composed = aimed.compose(
            &self.dataset,
            &self.catalogue,
            (self.author.replica, &self.author.unit),
            Look::Pending,
        )?;
        let mut stage = composed.stage();
        if stage.written {
            stage.sequence = Some(self.next());
            self.stage_change(composed, now)?;
        }
        Ok(stage)
    }

    fn stage_change(&mut self, composed: Composed, now: UnixMillis) -> Result<(), JournalError> {
        let hlc = self.clock.tick(now);
        let digest = self.catalogue.digest();
        let mut catalogue = [0; 8];
        catalogue.copy_from_slice(digest.split_at(8).0);
        let change = Change {
            dot: Dot { replica: self.author.replica, sequence: self.next() },
            record: composed.record,
            number: self.numbers.peek(&composed.record_type),
            record_type: composed.record_type,
            year: year_of(now),
            meta: Meta { hlc, author: composed.author, catalogue },
            origin: None,
            writes: composed.writes,
        };
        self.stage_built(change)
    }

    /// A change that cannot be built takes neither sequence nor number.
    fn stage_built(&mut self, change: Change) -> Result<(), JournalError> {
        let bytes = change.encode(&self.secret())?;
        self.numbers.next(&change.record_type);
        self.untallied.written(change.meta.hlc.at());
        self.staged_records.insert(change.record);
        self.staged.push(Staged { change: Some(change), bytes });
        Ok(())
    }

    /// Stages a change of a former replica again: its stamp, author and values stay, its dot becomes the
    /// origin. `writes` are its own, with their contexts as they hold now.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is staged then.
    pub fn stage_again(&mut self, old: &Change, writes: Vec<Write>) -> Result<Sequence, JournalError> {
        if self.is_staged(&old.record) {
            self.commit()?;
        }
        let sequence = self.next();
        let change = Change {
            dot: Dot { replica: self.author.replica, sequence },
            number: self.numbers.peek(&old.record_type),
            origin: Some(old.dot),
            writes,
            ..old.clone()
        };
        self.stage_built(change)?;
        Ok(sequence)
    }

    /// Stages an event; returns its place.
    ///
    /// # Errors
    /// [`JournalError::Build`] if it exceeds a limit.
    pub fn stage_event(&mut self, event: &Event) -> Result<Sequence, JournalError> {
        let sequence = self.next();
        let (bytes, _) = event.build(Dot { replica: self.author.replica, sequence }, &self.secret())?;
        self.staged.push(Staged { change: None, bytes });
        Ok(sequence)
    }

    /// The bytes of the entry that was staged last, until it is appended.
    #[must_use]
    pub fn staged_last(&self) -> Option<&[u8]> {
        self.staged.last().map(|staged| staged.bytes.as_slice())
    }

    /// Appends one entry with a foreign batch beside it (an acceptance); returns where it stands.
    ///
    /// Staged entries come first.
    ///
    /// # Errors
    /// [`JournalError::Append`] if the log refuses.
    pub fn append_accepted(
        &mut self,
        entry: &[u8],
        leaf: Digest,
        packed: &[u8],
    ) -> Result<FramePosition, JournalError> {
        self.append_staged()?;
        let payload = Payload::Accepted { entry, packed };
        let position = self.log.append_parts(1, &[&payload.prefix(), entry, packed])?;
        self.leaves.push(leaf);
        Ok(position)
    }

    /// Applies a foreign change that an acceptance admitted.
    ///
    /// # Errors
    /// [`JournalError::Dataset`] if the state cannot be read.
    pub fn apply(&self, admitted: Admitted<'_>) -> Result<(), JournalError> {
        Ok(self.dataset.apply(admitted)?)
    }

    /// Appends what is staged: it is applied then, for whoever looks at pending states, and synced with the group.
    ///
    /// # Errors
    /// [`JournalError::Append`] if the log refuses.
    pub fn append_staged(&mut self) -> Result<(), JournalError> {
        let staged = std::mem::take(&mut self.staged);
        let groups = frames::cut(&staged);
        let made = frames::make(&groups)?;
        for (group, frame) in groups.into_iter().zip(made) {
            self.append_frame(group, frame)?;
        }
        Ok(())
    }

    fn append_frame(&mut self, group: &[Staged], frame: Frame) -> Result<(), JournalError> {
        let position = match (group, &frame.packed) {
            ([single], None) => {
                let payload = Payload::Entry(&single.bytes);
                self.log.append_parts(1, &[&payload.prefix(), &single.bytes])?
            }
            (_, packed) => {
                let packed = packed.as_deref().unwrap_or_default();
                let payload = Payload::Batch(packed);
                let count = u32::try_from(group.len()).unwrap_or(u32::MAX);
                self.log.append_parts(count, &[&payload.prefix(), packed])?
            }
        };
        self.leaves.extend(frame.leaves);
        for (index, entry) in group.iter().enumerate() {
            if let Some(change) = &entry.change {
                let at = EntryAt { frame: position, index: u16::try_from(index).unwrap_or(u16::MAX) };
                let source = self.own_source(change, at);
                let before = self.owner_before(change)?;
                self.dataset.apply(Admitted { change, source })?;
                if self.options.follow {
                    self.appended.push(Appended {
                        record_type: change.record_type.clone(),
                        record: change.record,
                        sequence: change.dot.sequence,
                        written: change.meta.hlc.at(),
                        at,
                        before,
                        paths: change.writes.iter().map(|write| write.path.clone()).collect(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Who owns a record now, if `change` is going to say who does.
    ///
    /// # Errors
    /// [`JournalError::Dataset`] if the record cannot be read.
    pub fn owner_before(&self, change: &Change) -> Result<Option<UnitCode>, JournalError> {
        if !self.options.follow || change.unit().is_none() {
            return Ok(None);
        }
        let state = self.dataset.pending_state(&change.record_type, change.record)?;
        Ok(state.and_then(|state| state.owner().cloned()))
    }

    /// The own changes appended since this was asked last.
    pub fn take_appended(&mut self) -> Vec<Appended> {
        std::mem::take(&mut self.appended)
    }

    /// Makes everything staged and appended durable, then visible. After an error nothing of the group
    /// was accepted, and the journal takes no more writes.
    ///
    /// # Errors
    /// [`JournalError`] if the log did not reach the disk.
    pub fn commit(&mut self) -> Result<Head, JournalError> {
        self.append_staged()?;
        if self.leaves.is_empty() {
            self.staged_records.clear();
            self.dataset.forget();
            self.log.settle()?;
            return Ok(*self.head.borrow());
        }
        self.log.sync()?;
        self.staged_records.clear();
        for leaf in &self.leaves {
            self.frontier.push(*leaf);
        }
        self.hashes.append(&self.leaves).map_err(JournalError::Hashes)?;
        self.leaves.clear();
        self.publish()?;
        let head = *self.head.borrow();
        self.log.set_anchor(head.root, &self.frontier.encode());
        Ok(head)
    }

    pub(super) fn publish(&mut self) -> Result<(), JournalError> {
        self.dataset.publish(&self.catalogue)?;
        self.head.send_replace(Head { size: self.frontier.size(), root: self.frontier.root() });
        Ok(())
    }

    /// A fresh secret for an entry.
    #[must_use]
    pub fn secret(&self) -> [u8; 16] {
        (self.options.secret)()
    }

    /// Whether the state that waits for the view has reached its bound.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.dataset.unflushed() >= self.options.unflushed_max
    }

    /// Brings the state to the view.
    ///
    /// # Errors
    /// [`JournalError::Dataset`] if the view refuses.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.flush_with(Batch::default())
    }

    /// Brings the state to the view, with further changes of the view in the same batch.
    ///
    /// # Errors
    /// [`JournalError::Dataset`] if the view refuses.
    pub fn flush_with(&mut self, extra: Batch) -> Result<(), JournalError> {
        Ok(self.begin_flush(extra).commit()?)
    }

    /// What brings the state as it is now to the view; it may be committed beside further writes. The next
    /// one is begun when it is committed.
    pub fn begin_flush(&mut self, mut extra: Batch) -> Flush {
        extra.put(Keyspace::Meta, replay::FRONTIER, &self.frontier.encode());
        extra.put(Keyspace::Meta, replay::NUMBERS, &self.numbers.encode());
        extra.put(Keyspace::Meta, replay::FED, &self.fed.encode());
        extra.put(Keyspace::Meta, UNTALLIED, &self.untallied.encode());
        self.dataset.begin_flush(self.frontier.size(), extra)
    }

    /// Writes and syncs the anchor.
    ///
    /// # Errors
    /// [`JournalError::Sync`] if it does not reach the disk.
    pub fn write_anchor(&mut self) -> Result<(), JournalError> {
        self.log.write_anchor()?;
        Ok(())
    }

    /// The right edge of the tree.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }
}

/// A fresh random 16-byte secret.
#[must_use]
pub fn secret() -> [u8; 16] {
    let mut secret = [0; 16];
    rand::rng().fill_bytes(&mut secret);
    secret
}

fn year_of(now: UnixMillis) -> u16 {
    lienthong_proto::value::civil(now.day()).and_then(|date| u16::try_from(date.year()).ok()).unwrap_or(0)
}

/// Opens nothing: the folder of a store's log, given its data folder.
#[must_use]
pub fn log_dir(data: &Path) -> std::path::PathBuf {
    data.join("log")
}
