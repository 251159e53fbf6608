//! What the hub gave in return, kept beside the log: receipts, their proofs and notices, one JSON line each.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::{Acceptance, FIRST_ACCEPTED};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::note::Note;
use lienthong_proto::roll::Acknowledged;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::QuarantineReason;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::lines::Lines;

/// Proof of timely submission: the hub's dated cosignature over our checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// Log size accepted.
    pub size: u64,
    /// Our signed checkpoint of it.
    pub checkpoint: String,
    /// The hub's cosignature line.
    pub cosignature: String,
    /// The acceptance's place in the ledger.
    pub ledger_index: u64,
    /// The hub's time, milliseconds.
    pub at: u64,
    /// The acceptance was proven to stand in the ledger.
    #[serde(default)]
    pub proven: bool,
    /// The ledger it speaks of; nothing for the one of enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ReplicaId>,
}

/// The proof that an acceptance stands in the ledger, whole: it can be checked again without the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofLine {
    /// The acceptance's place in the ledger.
    pub ledger_index: u64,
    /// Our log size accepted by it.
    pub size: u64,
    /// The acceptance's bytes, hex.
    pub entry: String,
    /// Its path, hex.
    pub path: Vec<String>,
    /// The ledger's signed checkpoint the path leads to.
    pub checkpoint: String,
    /// The acceptances of our log from the one proven last up to this: place, size, hub's time, verdicts in hex. It is bound to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<(u64, u64, u64, String)>,
    /// The ledger it speaks of; nothing for the one of enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ReplicaId>,
}

/// A receipt whose acceptance is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proving {
    /// What it promised.
    pub receipt: Acknowledged,
    /// The entries of our log up to the acceptance that was proven last, and what the next one must say of all up to there.
    pub known: (u64, Digest),
    /// What was promised between.
    pub between: Vec<Acknowledged>,
    /// Sizes and times that the ledger before had promised, and that were taken over into this one; those behind what is known.
    pub carried: Vec<(u64, UnixMillis)>,
}

/// The ledger known now, and the one it took over from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownLedger {
    /// What is kept of it is marked so; nothing for the one of enrolment.
    pub mark: Option<ReplicaId>,
    /// The mark of the one before, and how many of its entries were taken over, by the statement of succession.
    pub former: Option<(Option<ReplicaId>, u64)>,
}

/// Something the hub tells this unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeLine {
    /// Its number at the hub.
    pub number: u64,
    /// The hub's time, milliseconds.
    pub at: u64,
    /// `QUARANTINED`, `RELEASED`, `PROPOSAL`, …
    pub kind: String,
    /// The change it is about, in this replica's log.
    pub sequence: u64,
    /// Reason class.
    pub reason: String,
    /// The record's type.
    pub record_type: String,
    /// For people, Vietnamese.
    pub vi: String,
    /// For people, English.
    pub en: String,
    /// The ledger it speaks of; nothing for the one of enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ReplicaId>,
}

impl NoticeLine {
    /// Whether it says that the hub dropped what a change states, because that may not enter the system.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.kind == "QUARANTINED" && self.reason == QuarantineReason::Forbidden.code()
    }
}

impl ReceiptLine {
    /// What it promises.
    #[must_use]
    pub fn promised(&self) -> Acknowledged {
        Acknowledged { size: self.size, ledger_index: self.ledger_index, at: UnixMillis(self.at) }
    }
}

impl ProofLine {
    /// The entries its acceptance goes up to, and what the next one must say of all up to there; nothing if it says nothing of
    /// that.
    fn chain(&self) -> Option<(u64, Digest)> {
        let bytes = hex::decode(&self.entry).ok()?;
        let acceptance = Acceptance::of(&Entry::decode(&bytes).ok()?).ok()?;
        Some((self.size, acceptance.chain(self.ledger_index)))
    }
}

/// Why evidence cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct EvidenceError {
    path: String,
    source: std::io::Error,
}

/// The files. Lines of former ledgers stay; cursors and the latest are those of the ledger known now.
#[derive(Debug)]
pub struct Evidence {
    data: PathBuf,
    receipts: Mutex<Lines>,
    proofs: Mutex<Lines>,
    notices: Mutex<Lines>,
    of: Mutex<OfLedger>,
}

/// What is at hand of one ledger.
#[derive(Debug, Default)]
struct OfLedger {
    ledger: Option<ReplicaId>,
    /// As of the acceptance proven last.
    proven: Option<(u64, Digest)>,
    /// What the ledger before had promised and was taken over: sizes and times.
    carried: BTreeMap<u64, UnixMillis>,
    /// The receipts behind it.
    unproven: Vec<Acknowledged>,
    notice_cursor: u64,
    last_receipt: Option<ReceiptLine>,
    /// What former ledgers told.
    told_before: BTreeSet<Told>,
}

/// When, of what kind, about which change, why: the same of any ledger.
type Told = (u64, String, u64, String);

/// A ledger that was refused: two checkpoints it signed that do not go together, or one that is not its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalLine {
    /// When, by this machine's clock, milliseconds.
    pub at: u64,
    /// Why.
    pub reason: String,
    /// What had been seen.
    pub known: String,
    /// What was shown.
    pub shown: String,
    /// Where a roll or an acceptance was found false, in place of two checkpoints: its entry and its path to the checkpoint
    /// shown, hex; `known` is then the receipt it contradicts, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<(String, Vec<String>)>,
    /// With a roll: salt and content of the unit's line, hex; empty if none was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<(String, String)>,
    /// With an acceptance: those before it that it is bound to, as in [`ProofLine::before`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<(u64, u64, u64, String)>,
}

const RECEIPTS: &str = "receipts.jsonl";
const PROOFS: &str = "proofs.jsonl";
const NOTICES: &str = "notices.jsonl";
const REFUSALS: &str = "refusals.jsonl";
const REFUSALS_MAX: usize = 100;
/// Receipts that one proof is asked for: what is shown of the acceptances between stays well below a message, verdicts and all.
const PROVEN_AT_ONCE: usize = 128;

/// The ledger's highest checkpoint seen.
const SEEN: &str = "ledger.checkpoint";

impl Evidence {
    /// Opens the evidence of a data folder, with the ledger known now; a line cut by a crash is dropped
    /// (the hub sends it again).
    ///
    /// # Errors
    /// [`EvidenceError`] if the files cannot be opened.
    pub fn open(data: &Path, ledger: KnownLedger) -> Result<Self, EvidenceError> {
        let receipts = opened(data, RECEIPTS)?;
        let proofs = opened(data, PROOFS)?;
        let notices = opened(data, NOTICES)?;
        let evidence = Self {
            data: data.to_owned(),
            receipts: Mutex::new(receipts),
            proofs: Mutex::new(proofs),
            notices: Mutex::new(notices),
            of: Mutex::default(),
        };
        evidence.turn_to(ledger)?;
        Ok(evidence)
    }

    /// From now on what is kept is another ledger's; what was kept of the one before stays as it is.
    ///
    /// # Errors
    /// [`EvidenceError`] if the files cannot be read.
    pub fn turn_to(&self, known: KnownLedger) -> Result<(), EvidenceError> {
        let KnownLedger { mark: ledger, former } = known;
        let proofs: Vec<ProofLine> = sound(&self.proofs.lock())?;
        let receipts: Vec<ReceiptLine> = sound(&self.receipts.lock())?;
        let notices: Vec<NoticeLine> = sound(&self.notices.lock())?;
        let mut of = OfLedger { ledger, ..OfLedger::default() };
        if let Some((former, entries)) = former {
            let told = proofs.iter().filter(|proof| proof.ledger == former);
            let told = told.flat_map(|proof| &proof.before).map(|(index, size, at, _)| (*index, *size, *at));
            let promised = receipts.iter().filter(|receipt| receipt.ledger == former);
            let promised = promised.map(|receipt| (receipt.ledger_index, receipt.size, receipt.at));
            let taken_over = told.chain(promised).filter(|(index, ..)| *index < entries);
            of.carried = taken_over.map(|(_, size, at)| (size, UnixMillis(at))).collect();
        }
        of.proven = proofs.iter().rfind(|proof| proof.ledger == ledger).and_then(ProofLine::chain);
        let proven = of.proven.map_or(0, |(size, _)| size);
        of.carried.retain(|size, _| *size > proven);
        for receipt in receipts.into_iter().filter(|receipt| receipt.ledger == ledger) {
            of.unproven.extend(Some(receipt.promised()).filter(|promised| promised.size > proven));
            of.last_receipt = Some(receipt);
        }
        for notice in notices {
            if notice.ledger == ledger {
                of.notice_cursor = notice.number + 1;
            } else {
                of.told_before.insert((notice.at, notice.kind, notice.sequence, notice.reason));
            }
        }
        *self.of.lock() = of;
        Ok(())
    }

    /// The latest receipt of the ledger known now.
    #[must_use]
    pub fn last_receipt(&self) -> Option<ReceiptLine> {
        self.of.lock().last_receipt.clone()
    }

    /// Whether the acceptance of each receipt was proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.of.lock().unproven.is_empty()
    }

    /// When the first receipt was given that is not proven, by the hub's clock.
    #[must_use]
    pub fn unproven_since(&self) -> Option<UnixMillis> {
        self.of.lock().unproven.first().map(|promised| promised.at)
    }

    /// The next receipt to be proven, of no more than `until` entries and by a ledger of `ledger` entries. The acceptance of a later one stands for those before it: its root covers what they
    /// accepted, and it is bound to where, when and how that was.
    #[must_use]
    pub fn to_prove(&self, until: u64, ledger: u64) -> Option<Proving> {
        let of = self.of.lock();
        let is_due = |promised: &&Acknowledged| promised.size <= until && promised.ledger_index < ledger;
        let mut between: Vec<Acknowledged> =
            of.unproven.iter().take_while(is_due).take(PROVEN_AT_ONCE).copied().collect();
        let (receipt, known) = (between.pop()?, of.proven.unwrap_or((0, FIRST_ACCEPTED)));
        let carried = of.carried.range(..=receipt.size).map(|(size, at)| (*size, *at)).collect();
        Some(Proving { receipt, known, between, carried })
    }

    /// The receipt of so many entries.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file cannot be read.
    pub fn receipt(&self, size: u64) -> Result<Option<ReceiptLine>, EvidenceError> {
        let ledger = self.of.lock().ledger;
        let mut receipts = self.receipts()?;
        receipts.retain(|receipt| receipt.ledger == ledger && receipt.size == size);
        Ok(receipts.pop())
    }

    /// Keeps a verified proof durably.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_proof(&self, mut proof: ProofLine) -> Result<(), EvidenceError> {
        let mut of = self.of.lock();
        proof.ledger = of.ledger;
        add(&mut self.proofs.lock(), &proof, true)?;
        of.proven = proof.chain();
        of.unproven.retain(|promised| promised.size > proof.size);
        of.carried.retain(|size, _| *size > proof.size);
        Ok(())
    }

    /// The number of the next notice wanted.
    #[must_use]
    pub fn notice_cursor(&self) -> u64 {
        self.of.lock().notice_cursor
    }

    /// Keeps a receipt. Not synced by itself: a lost one is given again at the next connection.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_receipt(&self, mut receipt: ReceiptLine) -> Result<(), EvidenceError> {
        let mut of = self.of.lock();
        receipt.ledger = of.ledger;
        add(&mut self.receipts.lock(), &receipt, false)?;
        of.unproven.push(receipt.promised());
        of.last_receipt = Some(receipt);
        Ok(())
    }

    /// Keeps a notice durably; one that was kept before is not kept twice, nor one that a former ledger told.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_notice(&self, mut notice: NoticeLine) -> Result<(), EvidenceError> {
        let mut of = self.of.lock();
        if notice.number < of.notice_cursor {
            return Ok(());
        }
        let told = (notice.at, notice.kind.clone(), notice.sequence, notice.reason.clone());
        if !of.told_before.contains(&told) {
            notice.ledger = of.ledger;
            add(&mut self.notices.lock(), &notice, true)?;
        }
        of.notice_cursor = notice.number + 1;
        Ok(())
    }

    /// The highest checkpoint seen of the ledger `origin`, and the note the ledger signed.
    #[must_use]
    pub fn seen(&self, origin: &str) -> Option<(Checkpoint, String)> {
        let text = std::fs::read_to_string(self.data.join(SEEN)).ok()?;
        // An earlier version kept the text alone.
        let body = Note::parse(text.as_bytes()).map_or_else(|_| text.clone(), |note| note.text().to_owned());
        let seen = Checkpoint::parse_body(&body).ok().filter(|seen| seen.origin == origin)?;
        Some((seen, text))
    }

    /// Keeps the highest checkpoint seen, as the ledger signed it. Not synced: a hub that lost more than that is told
    /// by the receipts, and by what was cosigned.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_seen(&self, note: &str) -> Result<(), EvidenceError> {
        let (path, part) = (self.data.join(SEEN), self.data.join("ledger.checkpoint.new"));
        std::fs::write(&part, note)
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|source| EvidenceError { path: path.display().to_string(), source })
    }

    /// Keeps durably what shows that the ledger is not the one known; the first hundred tell it all.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_refusal(&self, refusal: &RefusalLine) -> Result<(), EvidenceError> {
        let mut lines = opened(&self.data, REFUSALS)?;
        let kept: Vec<RefusalLine> = sound(&lines)?;
        let same = |last: &RefusalLine| (&last.known, &last.shown) == (&refusal.known, &refusal.shown);
        if kept.len() >= REFUSALS_MAX || kept.last().is_some_and(same) {
            return Ok(());
        }
        add(&mut lines, refusal, true)
    }

    /// The ledgers that were refused, oldest first, with both checkpoints.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file cannot be read.
    pub fn refusals(&self) -> Result<Vec<RefusalLine>, EvidenceError> {
        sound(&opened(&self.data, REFUSALS)?)
    }

    /// All notices, oldest first.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file cannot be read.
    pub fn notices(&self) -> Result<Vec<NoticeLine>, EvidenceError> {
        sound(&self.notices.lock())
    }

    /// All receipts, oldest first, each with whether an acceptance was proven whose root covers it.
    ///
    /// # Errors
    /// [`EvidenceError`] if a file cannot be read.
    pub fn receipts(&self) -> Result<Vec<ReceiptLine>, EvidenceError> {
        let proofs: Vec<ProofLine> = sound(&self.proofs.lock())?;
        let proven: BTreeMap<_, u64> =
            proofs.into_iter().map(|proof| (proof.ledger, proof.ledger_index)).collect();
        let mut receipts: Vec<ReceiptLine> = sound(&self.receipts.lock())?;
        for receipt in &mut receipts {
            receipt.proven =
                proven.get(&receipt.ledger).is_some_and(|proven| receipt.ledger_index <= *proven);
        }
        Ok(receipts)
    }

    /// What the lists do not show, because it does not say any more what was written.
    ///
    /// # Errors
    /// [`EvidenceError`] if a file cannot be read.
    pub fn damaged(&self) -> Result<Damaged, EvidenceError> {
        let refusals = opened(&self.data, REFUSALS)?;
        let mut damaged = Damaged::default();
        damaged.note::<ReceiptLine>(RECEIPTS, &self.receipts.lock())?;
        damaged.note::<ProofLine>(PROOFS, &self.proofs.lock())?;
        damaged.note::<NoticeLine>(NOTICES, &self.notices.lock())?;
        damaged.note::<RefusalLine>(REFUSALS, &refusals)?;
        Ok(damaged)
    }
}

/// Lines of the lists that cannot be shown.
#[derive(Debug, Default)]
pub struct Damaged {
    /// File and line of those the disk has changed.
    pub changed: Vec<(&'static str, u64)>,
    /// How many a power cut left unwritten, or the disk zeroed.
    pub unwritten: usize,
}

impl Damaged {
    fn note<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &'static str,
        list: &Lines,
    ) -> Result<(), EvidenceError> {
        let held = list.read::<T>().map_err(fault(list.path()))?;
        self.changed.extend(held.changed.into_iter().map(|line| (name, line)));
        self.unwritten += held.unwritten;
        Ok(())
    }
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    move |source| EvidenceError { path: path.display().to_string(), source }
}

fn opened(data: &Path, name: &str) -> Result<Lines, EvidenceError> {
    let path = data.join(name);
    Lines::open(path.clone()).map_err(fault(&path))
}

fn add<T: Serialize>(list: &mut Lines, line: &T, sync: bool) -> Result<(), EvidenceError> {
    let added = list.append(line, sync);
    added.map_err(fault(list.path()))
}

fn sound<T: for<'de> Deserialize<'de>>(list: &Lines) -> Result<Vec<T>, EvidenceError> {
    list.read().map(|held| held.lines).map_err(fault(list.path()))
}
