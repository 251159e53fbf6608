//! Whether the hub that welcomes is the one known, or its one successor: judged before anything is sent or taken.
//!
//! The same ledger has not become shorter, has the same root at the same size, and holds what it acknowledged. Another
//! ledger is followed only by a chain of statements that the recovery key signed, the last of which is its first
//! entry. Everything else is a fork, or a stranger: nothing goes there.

use bytes::Bytes;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::Sequence;
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::note::{Note, NoteError};
use lienthong_proto::succession::{Ledger, Succession, SuccessionError};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{Fork, of_one_ledger};

use super::witness::path_between;
use crate::identity::NodeIdentity;

/// The kind of a ledger's first entry, if it follows another, and the field with the signed statement.
pub const SUCCESSION: (&str, &str) = ("succession", "note");

/// Why a hub is refused.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFault {
    /// It shows no checkpoint, or one its key did not sign.
    #[error("it shows no good checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Its checkpoint is no note.
    #[error("it shows no good checkpoint: {0}")]
    Note(#[from] NoteError),
    /// It has become shorter.
    #[error("its ledger has {found} entries, it had {seen}")]
    Shorter {
        /// As seen.
        seen: u64,
        /// As shown.
        found: u64,
    },
    /// It is another tree.
    #[error("its ledger is another than before: {0}")]
    Fork(#[from] Fork),
    /// It no longer holds what it acknowledged.
    #[error("it holds {held} of our entries and has acknowledged {acknowledged}")]
    Lost {
        /// As acknowledged.
        acknowledged: u64,
        /// As shown.
        held: u64,
    },
    /// Another ledger, and no right to be.
    #[error(transparent)]
    Stranger(#[from] SuccessionError),
    /// The first entry is not the statement, or is not proven to be the first.
    #[error("its first entry is not the succession: {0}")]
    First(#[from] Malformed),
    /// The first entry's path leads elsewhere.
    #[error("its first entry is not proven: {0}")]
    Path(#[from] ProofError),
}

/// A hub that may be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcomed {
    /// The ledger known, as far as it has come.
    Same {
        /// What it shows.
        shown: Checkpoint,
        /// That it follows from what had been seen was proven.
        proven: bool,
    },
    /// Its successor, not taken yet.
    Successor(Checkpoint),
}

/// Judges a welcome; `seen` is the highest checkpoint known, `acknowledged` what a receipt of this ledger confirmed.
///
/// # Errors
/// [`LedgerFault`]: nothing may be sent there.
pub fn judge(
    identity: &NodeIdentity,
    seen: Option<&Checkpoint>,
    acknowledged: u64,
    welcome: &wire::Welcome,
) -> Result<Welcomed, LedgerFault> {
    let known = identity.ledger();
    let note = Note::parse(welcome.ledger_checkpoint.as_bytes())?;
    let shown = Checkpoint::parse_body(note.text())?;
    if shown.origin != known.origin.as_str() {
        let successor = welcome.successor.clone().unwrap_or_default();
        let ledger = identity.followed(&successor.notes)?;
        let shown = signed(welcome, &ledger)?;
        first_entry(&successor, &shown)?;
        if let Some(seen) = seen {
            stated_otherwise(seen, &successor.notes)?;
        }
        return Ok(Welcomed::Successor(shown));
    }
    judge_known(&known, seen, acknowledged, welcome)
}

/// Judges a welcome of the ledger that is known; the rest as [`judge`].
///
/// # Errors
/// [`LedgerFault`]: nothing may be sent there.
pub fn judge_known(
    known: &Ledger,
    seen: Option<&Checkpoint>,
    acknowledged: u64,
    welcome: &wire::Welcome,
) -> Result<Welcomed, LedgerFault> {
    let shown = signed(welcome, known)?;
    if let Some(seen) = seen.filter(|seen| shown.size < seen.size) {
        return Err(LedgerFault::Shorter { seen: seen.size, found: shown.size });
    }
    let proven = match seen {
        None => true,
        Some(seen) if shown.size == seen.size => of_one_ledger(seen, &shown, &[]).map(|()| true)?,
        // A hub of an earlier version proves nothing.
        Some(seen) => match path_between(welcome.seen.as_ref(), seen.size) {
            Some(path) => of_one_ledger(seen, &shown, &path).map(|()| true)?,
            None => false,
        },
    };
    if welcome.held_size < acknowledged {
        return Err(LedgerFault::Lost { acknowledged, held: welcome.held_size });
    }
    Ok(Welcomed::Same { shown, proven })
}

fn signed(welcome: &wire::Welcome, ledger: &Ledger) -> Result<Checkpoint, LedgerFault> {
    let text = welcome.ledger_checkpoint.as_bytes();
    let signed = SignedCheckpoint::verify(text, ledger.origin.as_str(), ledger.key)?;
    Ok(signed.checkpoint().clone())
}

/// A statement about another tree than the one seen is about a fork: the recovery key's holder was shown it too.
fn stated_otherwise(seen: &Checkpoint, notes: &[String]) -> Result<(), Fork> {
    let parsed = |note: &String| Succession::parse(Note::parse(note.as_bytes()).ok()?.text()).ok();
    let about = notes.iter().filter_map(parsed).find(|stated| stated.former.origin.as_str() == seen.origin);
    let heads = about.into_iter().flat_map(|stated| [stated.known, stated.witnessed]).flatten();
    match heads.into_iter().find(|head| head.size == seen.size && head.root != seen.root) {
        Some(head) => Err(Fork::Root(head.size)),
        None => Ok(()),
    }
}

/// The last statement is the ledger's first entry.
fn first_entry(successor: &wire::Successor, shown: &Checkpoint) -> Result<(), LedgerFault> {
    let entry = Entry::decode(&successor.entry)?;
    let (kind, field) = SUCCESSION;
    if entry.header.kind != EntryKind::Event || entry.header.dot.sequence != Sequence(0) {
        return Err(Malformed("not the first event").into());
    }
    let event = Event::of(&entry)?;
    let stated = successor.notes.last().map(|note| Value::Text(note.clone()));
    if event.kind != kind || event.fields.get(field) != stated.as_ref() {
        return Err(Malformed("another statement").into());
    }
    let step = |step: &Bytes| step.as_ref().try_into().map_err(|_| Malformed("a step of the path"));
    let path: Vec<Digest> = successor.path.iter().map(step).collect::<Result<_, _>>()?;
    Ok(verify_inclusion(&entry.leaf_hash(), 0, shown.size, &path, &shown.root)?)
}
