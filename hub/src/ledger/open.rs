//! Opens the ledger: log, view, books, and whatever the view lacks from the log.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use lienthong_node::at_rest::KeyRing;
use lienthong_node::dataset::EntryAt;
use lienthong_node::log::{self, Disk, HashFile};
use lienthong_node::replica::{
    Author, Journal, JournalError, JournalOptions, Replay, Replayed, log_dir, secret,
};
use lienthong_node::store::{Batch, Keyspace, SledView, View, ViewError, ViewOpened};
use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::Sequence;
use lienthong_proto::value::Value;

use super::{Books, HeldReplica, Touched};
use crate::feed::{Decided, FeedIndex};
use crate::ingest::{Admission, Content, admit_late, note_readings, reading_begins};
use crate::reconcile::handed_over;

/// The view has what this version looks for in it: of each replica the key of its log.
const COMPLETE: &[u8] = b"acceptances bound";

/// How the ledger is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// sled's cache, bytes.
    pub cache_bytes: u64,
    /// Records that may wait for the view.
    pub unflushed_max: usize,
    /// Opened batches kept for readers.
    pub frames_cached: NonZeroUsize,
    /// The keys of encryption at rest; the first encrypts.
    pub keys: KeyRing,
    /// What the log is written with.
    pub disk: Disk,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        let frames_cached = NonZeroUsize::MIN.saturating_add(31);
        let (keys, disk) = (KeyRing::default(), Disk::real());
        Self { cache_bytes: 64 * 1024 * 1024, unflushed_max: 2_048, frames_cached, keys, disk }
    }
}

/// An opened ledger.
pub struct Opened {
    /// Its writer's side.
    pub journal: Journal,
    /// What is held.
    pub books: Books,
    /// Who is to be handed what.
    pub feed: FeedIndex,
    /// Said to people: what was cut, set aside or rebuilt.
    pub remarks: Vec<String>,
}

/// Why the ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The log is damaged or another's.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The leaf hashes cannot be opened.
    #[error("the file of leaf hashes cannot be opened")]
    Hashes(#[source] std::io::Error),
    /// The view cannot be made.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Something in the log is not readable.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Opens the ledger in `data`.
///
/// # Errors
/// [`LedgerError`].
pub fn open(
    data: &Path,
    author: Author,
    catalogue: Arc<Catalogue>,
    options: &LedgerOptions,
) -> Result<Opened, LedgerError> {
    match try_open(data, author.clone(), Arc::clone(&catalogue), options) {
        // Damage in the view that was met only now: it is made again.
        Err(error) if SledView::is_suspect(&data.join("view")) => {
            tracing::warn!(%error, "opening once more, with another view");
            try_open(data, author, catalogue, options)
        }
        opened => opened,
    }
}

fn try_open(
    data: &Path,
    author: Author,
    catalogue: Arc<Catalogue>,
    options: &LedgerOptions,
) -> Result<Opened, LedgerError> {
    let dir = log_dir(data);
    let opened = log::open_sealed(&dir, author.replica, options.disk.clone(), &options.keys)?;
    let mut remarks = Vec::new();
    if let Some(cut) = opened.cut {
        remarks.push(format!("an unfinished write of {} bytes was cut from the log", cut.bytes));
    }
    let hashes = HashFile::open(&dir, opened.writer.next_sequence().0).map_err(LedgerError::Hashes)?;
    let view = open_view(&data.join("view"), options)?;
    if view.remade {
        remarks.push("the view was another version’s, or not encrypted: made again from the log".to_owned());
    }
    if let Some(aside) = view.set_aside {
        remarks.push(format!("the view was damaged: set aside as {}, rebuilt from the log", aside.display()));
    }
    let journal_options = JournalOptions {
        frames_cached: options.frames_cached,
        unflushed_max: options.unflushed_max,
        follow: true,
        secret,
    };
    let view = Arc::new(view.view);
    let mut opened = assemble((opened, hashes, view), author, catalogue, journal_options)?;
    opened.remarks = remarks;
    Ok(opened)
}

/// Opens the ledger in `data` over another view than its own: what that lacks comes from the log.
///
/// # Errors
/// [`LedgerError`].
pub fn open_over(
    data: &Path,
    author: Author,
    catalogue: Arc<Catalogue>,
    (view, options): (&Arc<dyn View>, JournalOptions),
) -> Result<Opened, LedgerError> {
    let dir = log_dir(data);
    let log = log::open(&dir, author.replica, Disk::real())?;
    let hashes = HashFile::open(&dir, log.writer.next_sequence().0).map_err(LedgerError::Hashes)?;
    assemble((log, hashes, Arc::clone(view)), author, catalogue, options)
}

/// Puts a ledger together from its opened log, its leaf hashes and its view.
///
/// # Errors
/// [`LedgerError`].
pub fn assemble(
    (log, hashes, view): (log::Opened, HashFile, Arc<dyn View>),
    author: Author,
    catalogue: Arc<Catalogue>,
    options: JournalOptions,
) -> Result<Opened, LedgerError> {
    let feed = FeedIndex::new(Arc::clone(&view));
    let books = Books::load(view.as_ref())?;
    let mut replay = BooksReplay { books, feed: feed.clone(), extra: Batch::default() };
    let (writer, reader) = (log.writer, log.reader);
    let journal = Journal::open(writer, reader, hashes, view, catalogue, author, options, &mut replay)?;
    Ok(Opened { journal, books: replay.books, feed, remarks: Vec::new() })
}

/// Opens the view. One of a version before is made again from the log.
fn open_view(dir: &Path, options: &LedgerOptions) -> Result<ViewOpened, ViewError> {
    let open = || SledView::open_sealed(dir, options.cache_bytes, &options.keys);
    let mut opened = open()?;
    if opened.view.get(Keyspace::Meta, COMPLETE)?.is_some() {
        return Ok(opened);
    }
    if opened.view.applied()?.is_some() {
        drop(opened);
        std::fs::remove_dir_all(dir).map_err(|error| ViewError::Engine(error.to_string()))?;
        opened = ViewOpened { remade: true, ..open()? };
    }
    let mut batch = Batch::default();
    batch.put(Keyspace::Meta, COMPLETE, &[]);
    opened.view.commit(batch)?;
    Ok(opened)
}

/// Brings the books up to date beside the dataset.
struct BooksReplay {
    books: Books,
    feed: FeedIndex,
    extra: Batch,
}

impl Replay for BooksReplay {
    fn entry(&mut self, journal: &Journal, replayed: Replayed<'_>) -> Result<(), JournalError> {
        self.replay(journal, &replayed)
    }

    fn view(&mut self) -> Batch {
        // Nobody reads yet: what the batch holds need not be kept in memory.
        self.feed.publish();
        self.feed.forget(u64::MAX);
        std::mem::take(&mut self.extra)
    }
}

impl BooksReplay {
    fn replay(&mut self, journal: &Journal, replayed: &Replayed<'_>) -> Result<(), JournalError> {
        let sequence = replayed.entry.header.dot.sequence;
        let malformed = |source| JournalError::Malformed { sequence, source };
        match replayed.entry.header.kind {
            EntryKind::Change => self.own_change(journal, replayed),
            EntryKind::Event => {
                let event = Event::of(replayed.entry).map_err(malformed)?;
                self.books.note_event(&event, sequence, &mut self.extra);
                handed_over(&event, sequence, &self.feed, &mut self.extra);
                reading_begins(&event, sequence, &self.feed, &mut self.extra);
                if event.kind == "release" { self.release(journal, &event, sequence) } else { Ok(()) }
            }
            EntryKind::Acceptance => {
                let acceptance = Acceptance::of(replayed.entry).map_err(malformed)?;
                self.acceptance(journal, &acceptance, replayed, sequence)
            }
        }
    }

    fn own_change(&mut self, journal: &Journal, replayed: &Replayed<'_>) -> Result<(), JournalError> {
        let sequence = replayed.entry.header.dot.sequence;
        let change =
            Change::of(replayed.entry).map_err(|source| JournalError::Malformed { sequence, source })?;
        let author = journal.author();
        let touched = Touched {
            record_type: &change.record_type,
            record: change.record,
            writes: &|path| change.writes.iter().any(|write| write.path == path),
            by_province: true,
        };
        self.books.look_at(journal, &touched, change.meta.hlc.at(), &mut self.extra)?;
        let decided = Decided {
            record_type: &change.record_type,
            record: change.record,
            unit: &author.unit,
            accepted: change.meta.hlc.at(),
            proposal: false,
            at: EntryAt { frame: replayed.position, index: replayed.index },
            before: replayed.before.as_ref(),
            names_owner: change.unit().is_some(),
            dot: change.dot,
            place: FeedCursor { ledger: sequence.0, place: 0 },
        };
        self.feed.note_change(journal.dataset(), &decided, &mut self.extra)?;
        let (books, feed, view) = (&mut self.books, &self.feed, &mut self.extra);
        note_readings(journal, &decided, &change.writes, books, feed, view)
    }

    fn acceptance(
        &mut self,
        journal: &Journal,
        acceptance: &Acceptance,
        replayed: &Replayed<'_>,
        sequence: Sequence,
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence, source };
        let missing = Malformed("acceptance without its batch or enrolment");
        let packed = replayed.packed.ok_or_else(|| malformed(missing))?;
        let held = self.books.replicas.get(&acceptance.replica).cloned().ok_or_else(|| malformed(missing))?;
        let mut frontier = held.frontier.clone();
        let mut contents = Vec::new();
        let plain = batch::unpack(packed)?;
        for bytes in batch::entries(&plain).map_err(malformed)? {
            let entry = Entry::decode(bytes).map_err(malformed)?;
            frontier.push(entry.leaf_hash());
            contents.push(Content::of(&entry));
        }
        let admission =
            Admission { acceptance, contents: &contents, ledger: sequence, frame: replayed.position };
        admission.admit(journal, &held.unit, &mut self.books, &self.feed, &mut self.extra, &mut |_| {})?;
        let held = HeldReplica {
            frontier,
            root: acceptance.root,
            checkpoint: acceptance.checkpoint.clone(),
            ledger_index: sequence.0,
            at: acceptance.at,
            accepted: acceptance.chain(sequence.0),
            ..self.books.replicas.get(&acceptance.replica).cloned().unwrap_or(held)
        };
        self.books.hold(acceptance.replica, held, acceptance.first, replayed.position, &mut self.extra);
        Ok(())
    }

    fn release(&mut self, journal: &Journal, event: &Event, sequence: Sequence) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence, source };
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let (Some(ledger), Some(place)) = (number("ledger_index"), number("place")) else {
            return Err(malformed(Malformed("release")));
        };
        let number = (ledger, u16::try_from(place).unwrap_or(u16::MAX));
        let Some(waiting) = self.books.quarantine.get(&number).cloned() else {
            return Ok(());
        };
        let bytes = journal.dataset().entries().entry(waiting.at)?;
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(malformed)?;
        let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
        let (books, feed, view) = (&mut self.books, &self.feed, &mut self.extra);
        admit_late(journal, &change, &waiting, proposal, sequence, event.at, books, feed, view)?;
        self.books.released(number, &waiting, sequence.0, event.at, &mut self.extra);
        Ok(())
    }
}
