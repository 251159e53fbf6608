//! Opens the ledger: log, view, books, and whatever the view lacks from the log.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use lienthong_node::dataset::{Admitted, EntryAt, Source};
use lienthong_node::log::{self, Disk, HashFile};
use lienthong_node::replica::{Author, Journal, JournalError, JournalOptions, Replay, Replayed, log_dir};
use lienthong_node::store::{Batch, SledView, View, ViewError};
use lienthong_proto::batch;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::Sequence;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;

use super::{Books, HeldReplica};
use crate::ingest::Content;

/// How the ledger is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// sled's cache, bytes.
    pub cache_bytes: u64,
    /// Records that may wait for the view.
    pub unflushed_max: usize,
    /// Opened batches kept for readers.
    pub frames_cached: NonZeroUsize,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        let frames_cached = NonZeroUsize::MIN.saturating_add(31);
        Self { cache_bytes: 64 * 1024 * 1024, unflushed_max: 2_048, frames_cached }
    }
}

/// An opened ledger.
pub struct Opened {
    /// Its writer's side.
    pub journal: Journal,
    /// What is held.
    pub books: Books,
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
    let dir = log_dir(data);
    let opened = log::open(&dir, author.replica, Disk::real())?;
    let mut remarks = Vec::new();
    if let Some(cut) = opened.cut {
        remarks.push(format!("an unfinished write of {} bytes was cut from the log", cut.bytes));
    }
    let hashes = HashFile::open(&dir, opened.writer.next_sequence().0).map_err(LedgerError::Hashes)?;
    let view = SledView::open(&data.join("view"), options.cache_bytes)?;
    if let Some(aside) = view.set_aside {
        remarks.push(format!("the view was damaged: set aside as {}, rebuilt from the log", aside.display()));
    }
    let view: Arc<dyn View> = Arc::new(view.view);
    let mut replay = BooksReplay { books: Books::load(view.as_ref())?, extra: Batch::default() };
    let journal_options =
        JournalOptions { frames_cached: options.frames_cached, unflushed_max: options.unflushed_max };
    let journal = Journal::open(
        opened.writer,
        opened.reader,
        hashes,
        view,
        catalogue,
        author,
        journal_options,
        &mut replay,
    )?;
    Ok(Opened { journal, books: replay.books, remarks })
}

/// Brings the books up to date beside the dataset.
struct BooksReplay {
    books: Books,
    extra: Batch,
}

impl Replay for BooksReplay {
    fn entry(&mut self, journal: &Journal, replayed: Replayed<'_>) -> Result<(), JournalError> {
        replay_entry(journal, &mut self.books, &mut self.extra, &replayed)
    }

    fn view(&mut self) -> Batch {
        std::mem::take(&mut self.extra)
    }
}

fn replay_entry(
    journal: &Journal,
    books: &mut Books,
    extra: &mut Batch,
    replayed: &Replayed<'_>,
) -> Result<(), JournalError> {
    let sequence = replayed.entry.header.dot.sequence;
    let malformed = |source| JournalError::Malformed { sequence, source };
    match replayed.entry.header.kind {
        EntryKind::Change => Ok(()),
        EntryKind::Event => {
            let event = Event::of(replayed.entry).map_err(malformed)?;
            books.note_event(&event, sequence, extra);
            if event.kind == "release" {
                replay_release(journal, books, extra, &event, sequence)
            } else {
                Ok(())
            }
        }
        EntryKind::Acceptance => {
            let acceptance = Acceptance::of(replayed.entry).map_err(malformed)?;
            replay_acceptance(journal, books, extra, &acceptance, replayed, sequence)
        }
    }
}

fn replay_acceptance(
    journal: &Journal,
    books: &mut Books,
    extra: &mut Batch,
    acceptance: &Acceptance,
    replayed: &Replayed<'_>,
    sequence: Sequence,
) -> Result<(), JournalError> {
    let malformed = |source| JournalError::Malformed { sequence, source };
    let missing = lienthong_proto::bytes::Malformed("acceptance without its batch or enrolment");
    let packed = replayed.packed.ok_or_else(|| malformed(missing))?;
    let held = books.replicas.get(&acceptance.replica).cloned().ok_or_else(|| malformed(missing))?;
    let unit = held.unit.clone();
    let mut frontier = held.frontier.clone();
    let plain = batch::unpack(packed)?;
    for (index, bytes) in batch::entries(&plain).map_err(malformed)?.into_iter().enumerate() {
        let entry = Entry::decode(bytes).map_err(malformed)?;
        frontier.push(entry.leaf_hash());
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let at = EntryAt { frame: replayed.position, index };
        let content = match entry.header.kind {
            EntryKind::Change => Change::of(&entry).map_or(Content::Opaque, |c| Content::Change(Box::new(c))),
            EntryKind::Event => Event::of(&entry).map_or(Content::Opaque, |e| Content::Event(Box::new(e))),
            EntryKind::Acceptance => Content::Opaque,
        };
        let verdict = acceptance.verdicts.get(&index);
        if let (Content::Change(change), None | Some(Verdict::Proposal)) = (&content, verdict) {
            let source = Source::accepted(change, &unit, acceptance.at, verdict.is_some(), at);
            journal.apply(Admitted { change, source })?;
        }
        books.note_content(&unit, acceptance, &content, index, extra);
        if let Some(verdict) = verdict {
            books.note_verdict(&unit, acceptance, &content, verdict, sequence.0, at, extra);
        }
    }
    let held = HeldReplica {
        frontier,
        root: acceptance.root,
        checkpoint: acceptance.checkpoint.clone(),
        ledger_index: sequence.0,
        at: acceptance.at,
        ..books.replicas.get(&acceptance.replica).cloned().unwrap_or(held)
    };
    books.hold(acceptance.replica, held, acceptance.first, replayed.position, extra);
    Ok(())
}

fn replay_release(
    journal: &Journal,
    books: &mut Books,
    extra: &mut Batch,
    event: &Event,
    sequence: Sequence,
) -> Result<(), JournalError> {
    let malformed = |source| JournalError::Malformed { sequence, source };
    let number = |name: &str| match event.fields.get(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(ledger), Some(place)) = (number("ledger_index"), number("place")) else {
        return Err(malformed(lienthong_proto::bytes::Malformed("release")));
    };
    let number = (ledger, u16::try_from(place).unwrap_or(u16::MAX));
    let Some(waiting) = books.quarantine.get(&number).cloned() else {
        return Ok(());
    };
    let bytes = journal.dataset().entries().entry(waiting.at)?;
    let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(malformed)?;
    let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
    let source = Source::accepted(&change, &waiting.unit, waiting.accepted_at, proposal, waiting.at);
    journal.apply(Admitted { change: &change, source })?;
    books.released(number, &waiting, sequence.0, event.at, extra);
    Ok(())
}
