//! Takes a former ledger over into a new one, entry by entry and in order.
//!
//! The former ledger's own entries become the log of a replica of the province, held like any other's: its changes
//! keep their dots, its root stays checkable. What it had decided is said again in the new ledger's own words: each
//! acceptance with its batch, time and verdicts as recorded, each event with its actor and time. Nothing is judged
//! again; only places in the ledger are new, and the numbers that are places.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::dataset::Payload;
use lienthong_node::log::LogReader;
use lienthong_node::replica::{JournalError, secret};
use lienthong_node::store::Batch;
use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::checkpoint::{Checkpoint, Origin};
use lienthong_proto::disclosure::event;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::erasure::event as erasure;
use lienthong_proto::event::{Acceptance, Event, FIRST_ACCEPTED};
use lienthong_proto::hash::{Digest, SigningKey};
use lienthong_proto::ids::{Dot, Sequence};
use lienthong_proto::limits::{BATCH_BYTES_AIM, BATCH_ENTRIES_AIM};
use lienthong_proto::lineage::Lineage;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::Serialize;

use crate::ingest::{Admission, Content, SEPARATION, admit_late, reading_begins};
use crate::ledger::{CARRIED, HeldReplica, Opened};
use crate::reconcile::handed_over;

/// Entries that may wait for one fdatasync.
const GROUP_MAX: usize = 256;

/// What was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Entries of the former ledger.
    pub entries: u64,
    /// The province's own changes among them.
    pub changes: u64,
    /// Accepted batches.
    pub batches: u64,
    /// Events.
    pub events: u64,
}

/// Takes the ledger `former`, whose log is `reader`, over into an opened ledger that has its first entry.
///
/// # Errors
/// [`JournalError`] if either cannot be read or written, or the former's entries are not what they should be.
pub fn carry(
    reader: &LogReader,
    former: &Origin,
    key: Arc<SigningKey>,
    opened: &mut Opened,
) -> Result<(Carried, Digest), JournalError> {
    let run = Run::default();
    let frontier = Frontier::new();
    let mut carrier = Carrier {
        former,
        key,
        opened,
        run,
        frontier,
        view: Batch::default(),
        places: BTreeMap::new(),
        waiting: 0,
        carried: Carried::default(),
        lineage: Lineage::default(),
    };
    for frame in reader.clone().scan(Sequence(0)) {
        let (_, frame) = frame?;
        let malformed = |source| JournalError::Malformed { sequence: frame.first, source };
        match Payload::parse(&frame.payload).map_err(malformed)? {
            Payload::Entry(entry) => carrier.entry(entry, None)?,
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed)?;
                for entry in batch::entries(&plain).map_err(malformed)? {
                    carrier.entry(entry, None)?;
                }
            }
            Payload::Accepted { entry, packed } => carrier.entry(entry, Some(packed))?,
        }
    }
    carrier.end()
}

/// Entries of the former ledger that wait to be held as its log.
#[derive(Default)]
struct Run {
    entries: Vec<Vec<u8>>,
    bytes: usize,
    changes: bool,
    at: UnixMillis,
}

struct Carrier<'a> {
    former: &'a Origin,
    key: Arc<SigningKey>,
    opened: &'a mut Opened,
    run: Run,
    /// The former ledger's tree, as far as it is held.
    frontier: Frontier,
    view: Batch,
    /// Where acceptances and events stand now, by where they stood.
    places: BTreeMap<u64, u64>,
    waiting: usize,
    carried: Carried,
    /// The units' steps as the former ledger numbered them.
    lineage: Lineage,
}

impl Carrier<'_> {
    fn entry(&mut self, bytes: &[u8], packed: Option<&[u8]>) -> Result<(), JournalError> {
        let sequence = Sequence(self.carried.entries);
        let malformed = |source| JournalError::Malformed { sequence, source };
        let entry = Entry::decode(bytes).map_err(malformed)?;
        if entry.header.dot != (Dot { replica: self.former.replica(), sequence }) {
            return Err(malformed(Malformed("it names another place or ledger")));
        }
        // The province's changes come before what was decided behind them.
        if entry.header.kind != EntryKind::Change && self.run.changes {
            self.hold_run()?;
        }
        if self.run.at == UnixMillis(0) {
            self.run.at = self.opened.books.replicas.values().map(|held| held.at).max().unwrap_or_default();
        }
        match entry.header.kind {
            EntryKind::Change => {
                let change = Change::of(&entry).map_err(malformed)?;
                self.run.changes = true;
                // No stamp in it counts as earlier than it did.
                self.run.at = self.run.at.max(change.meta.hlc.at());
                self.carried.changes += 1;
            }
            EntryKind::Acceptance => {
                let acceptance = Acceptance::of(&entry).map_err(malformed)?;
                let packed = packed.ok_or_else(|| malformed(Malformed("an acceptance without its batch")))?;
                let now = self.accept(acceptance, packed)?;
                self.places.insert(sequence.0, now.0);
                self.carried.batches += 1;
            }
            EntryKind::Event => {
                let event = Event::of(&entry).map_err(malformed)?;
                // What the former ledger counted is of its own log, where that stands; a roll is called anew.
                if ![event::TALLY, event::ROLL, event::ROLL_PART].contains(&event.kind.as_str()) {
                    let now = self.say_again(event, sequence)?;
                    self.places.insert(sequence.0, now.0);
                }
                self.carried.events += 1;
            }
        }
        self.carried.entries += 1;
        self.run.bytes += bytes.len();
        self.run.entries.push(bytes.to_vec());
        if self.run.entries.len() >= BATCH_ENTRIES_AIM || self.run.bytes >= BATCH_BYTES_AIM {
            self.hold_run()?;
        }
        self.waited(false)
    }

    /// Appends an acceptance with its batch and does what it decided; returns its place.
    fn accept(&mut self, mut acceptance: Acceptance, packed: &[u8]) -> Result<Sequence, JournalError> {
        let Opened { journal, books, feed, .. } = &mut *self.opened;
        let place = journal.next();
        let malformed = |source| JournalError::Malformed { sequence: place, source };
        let held = books.replicas.get(&acceptance.replica).cloned();
        let held = held.ok_or_else(|| malformed(Malformed("an acceptance without its enrolment")))?;
        let mut frontier = held.frontier.clone();
        let mut contents = Vec::new();
        let plain = batch::unpack(packed)?;
        for bytes in batch::entries(&plain).map_err(malformed)? {
            let entry = Entry::decode(bytes).map_err(malformed)?;
            frontier.push(entry.leaf_hash());
            contents.push(Content::of(&entry));
        }
        if frontier.size() != acceptance.size || frontier.root() != acceptance.root {
            return Err(malformed(Malformed("an accepted batch with another root than was accepted")));
        }
        let dot = Dot { replica: journal.author().replica, sequence: place };
        // Of this ledger, where it stands elsewhere.
        acceptance.before = held.accepted;
        let (bytes, leaf) = acceptance.build(dot, &secret())?;
        let position = journal.append_accepted(&bytes, leaf, packed)?;
        let admission =
            Admission { acceptance: &acceptance, contents: &contents, ledger: place, frame: position };
        admission.admit(journal, &held.unit, books, feed, &mut self.view, &mut |_| {})?;
        let held = HeldReplica {
            frontier,
            root: acceptance.root,
            checkpoint: acceptance.checkpoint.clone(),
            ledger_index: place.0,
            at: acceptance.at,
            accepted: acceptance.chain(place.0),
            ..books.replicas.get(&acceptance.replica).cloned().unwrap_or(held)
        };
        books.hold(acceptance.replica, held, acceptance.first, position, &mut self.view);
        self.waiting += 1;
        Ok(place)
    }

    /// Says an event again and does what it decided; returns its place.
    fn say_again(&mut self, event: Event, stood: Sequence) -> Result<Sequence, JournalError> {
        self.lineage.note(&event, stood);
        let mut event = self.lineage.said_again(event, stood);
        if let Some(Value::List(numbers)) =
            event.fields.get_mut("numbers").filter(|_| event.kind == SEPARATION)
        {
            for number in numbers {
                if let Value::Text(text) = number
                    && let Some((ledger, place)) = text.split_once('.')
                    && let Some(now) = ledger.parse().ok().and_then(|ledger: u64| self.places.get(&ledger))
                {
                    *number = Value::Text(format!("{now}.{place}"));
                }
            }
        }
        // Numbers that are places are moved with what they name.
        let moved = match event.kind.as_str() {
            "release" => Some("ledger_index"),
            "waiver_end" => Some("number"),
            event::GRANT_APPROVED | event::GRANT_REVOKED | event::ACCESS | event::CHANGE_NOTICE => {
                Some("grant")
            }
            erasure::ERASURE | erasure::REFUSED | erasure::NOTICE => Some("proposal"),
            _ => None,
        };
        if let Some(field) = moved
            && let Some(Value::Integer(number)) = event.fields.get(field)
            && let Some(now) = u64::try_from(*number).ok().and_then(|number| self.places.get(&number))
        {
            let now = i64::try_from(*now).unwrap_or(i64::MAX);
            event.fields.insert(field.to_owned(), Value::Integer(now));
        }
        let release = event.kind == "release";
        if release {
            // What is released is read back from the log, and must be synced for that.
            self.waited(true)?;
        }
        if !event.fields.contains_key(CARRIED) {
            let from = Value::Text(format!("{}:{stood}", self.former.replica()));
            event.fields.insert(CARRIED.to_owned(), from);
        }
        let Opened { journal, books, feed, .. } = &mut *self.opened;
        let place = journal.stage_event(&event)?;
        books.note_event(&event, place, &mut self.view);
        handed_over(&event, place, feed, &mut self.view);
        reading_begins(&event, place, feed, &mut self.view);
        self.waiting += 1;
        if release {
            self.release(&event, place)?
        }
        Ok(place)
    }

    fn release(&mut self, event: &Event, place: Sequence) -> Result<(), JournalError> {
        let Opened { journal, books, feed, .. } = &mut *self.opened;
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let beside = number("place").and_then(|place| u16::try_from(place).ok());
        let Some(number) = number("ledger_index").zip(beside) else { return Ok(()) };
        let Some(waiting) = books.quarantine.get(&number).cloned() else { return Ok(()) };
        let bytes = journal.dataset().entries().entry(waiting.at)?;
        let malformed = |source| JournalError::Malformed { sequence: place, source };
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(malformed)?;
        let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
        admit_late(journal, &change, &waiting, proposal, place, event.at, books, feed, &mut self.view)?;
        books.released(number, &waiting, place.0, event.at, &mut self.view);
        Ok(())
    }

    /// Holds what waits as the next batch of the former ledger's own log.
    fn hold_run(&mut self) -> Result<(), JournalError> {
        let run = std::mem::take(&mut self.run);
        if run.entries.is_empty() {
            return Ok(());
        }
        let first = Sequence(self.frontier.size());
        for bytes in &run.entries {
            let entry = Entry::decode(bytes).map_err(|source| JournalError::Malformed {
                sequence: Sequence(self.frontier.size()),
                source,
            })?;
            self.frontier.push(entry.leaf_hash());
        }
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let checkpoint = Checkpoint { origin: self.former.to_string(), size, root, roll: None };
        // The former ledger's key signs what it had signed; never anything behind its backup.
        let signed = checkpoint.sign(self.key.as_ref()).map(|signed| signed.to_string());
        let acceptance = Acceptance {
            replica: self.former.replica(),
            first,
            size,
            root,
            at: run.at,
            before: FIRST_ACCEPTED,
            verdicts: BTreeMap::new(),
            checkpoint: signed.unwrap_or_default(),
        };
        let packed = batch::pack(run.entries.iter().map(Vec::as_slice))?;
        self.accept(acceptance, &packed).map(drop)
    }

    /// Makes durable what waits, if it is enough or is wanted now.
    fn waited(&mut self, now: bool) -> Result<(), JournalError> {
        if !now && self.waiting < GROUP_MAX && !self.opened.journal.wants_flush() {
            return Ok(());
        }
        self.waiting = 0;
        let Opened { journal, feed, .. } = &mut *self.opened;
        journal.commit()?;
        feed.publish();
        if now || journal.wants_flush() {
            journal.flush_with(std::mem::take(&mut self.view))?;
            feed.forget(u64::MAX);
        }
        Ok(())
    }

    fn end(mut self) -> Result<(Carried, Digest), JournalError> {
        self.hold_run()?;
        self.waited(true)?;
        self.opened.journal.write_anchor()?;
        Ok((self.carried, self.frontier.root()))
    }
}
