//! What the hub gave in return, kept beside the log: receipts, their proofs and notices, one JSON line each.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

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
}

/// Why evidence cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct EvidenceError {
    path: String,
    source: std::io::Error,
}

/// The files.
#[derive(Debug)]
pub struct Evidence {
    receipts: Mutex<Lines>,
    proofs: Mutex<Lines>,
    notices: Mutex<Lines>,
    last_proven: Mutex<Option<u64>>,
    notice_cursor: Mutex<u64>,
    last_receipt: Mutex<Option<ReceiptLine>>,
}

#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: File,
}

impl Evidence {
    /// Opens the evidence of a data folder; a line cut by a crash is dropped (the hub sends it again).
    ///
    /// # Errors
    /// [`EvidenceError`] if the files cannot be opened.
    pub fn open(data: &Path) -> Result<Self, EvidenceError> {
        let receipts = Lines::open(data.join("receipts.jsonl"))?;
        let proofs = Lines::open(data.join("proofs.jsonl"))?;
        let notices = Lines::open(data.join("notices.jsonl"))?;
        let last_proven = proofs.read::<ProofLine>()?.last().map(|proof| proof.ledger_index);
        let last_receipt = receipts.read::<ReceiptLine>()?.pop();
        let cursor = notices.read::<NoticeLine>()?.last().map_or(0, |notice| notice.number + 1);
        Ok(Self {
            receipts: Mutex::new(receipts),
            proofs: Mutex::new(proofs),
            last_proven: Mutex::new(last_proven),
            notices: Mutex::new(notices),
            notice_cursor: Mutex::new(cursor),
            last_receipt: Mutex::new(last_receipt),
        })
    }

    /// The latest receipt.
    #[must_use]
    pub fn last_receipt(&self) -> Option<ReceiptLine> {
        self.last_receipt.lock().clone()
    }

    /// The latest receipt, if its acceptance was not proven yet. It stands for all before it: its root
    /// covers them.
    #[must_use]
    pub fn unproven(&self) -> Option<ReceiptLine> {
        let proven = *self.last_proven.lock();
        self.last_receipt().filter(|receipt| proven.is_none_or(|proven| proven < receipt.ledger_index))
    }

    /// Keeps a verified proof durably.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_proof(&self, proof: &ProofLine) -> Result<(), EvidenceError> {
        self.proofs.lock().append(proof, true)?;
        *self.last_proven.lock() = Some(proof.ledger_index);
        Ok(())
    }

    /// The number of the next notice wanted.
    #[must_use]
    pub fn notice_cursor(&self) -> u64 {
        *self.notice_cursor.lock()
    }

    /// Keeps a receipt. Not synced by itself: a lost one is given again at the next connection.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_receipt(&self, receipt: &ReceiptLine) -> Result<(), EvidenceError> {
        self.receipts.lock().append(receipt, false)?;
        *self.last_receipt.lock() = Some(receipt.clone());
        Ok(())
    }

    /// Keeps a notice durably; one that was kept before is not kept twice.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be written.
    pub fn keep_notice(&self, notice: &NoticeLine) -> Result<(), EvidenceError> {
        let mut cursor = self.notice_cursor.lock();
        if notice.number < *cursor {
            return Ok(());
        }
        self.notices.lock().append(notice, true)?;
        *cursor = notice.number + 1;
        Ok(())
    }

    /// All notices, oldest first.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file cannot be read.
    pub fn notices(&self) -> Result<Vec<NoticeLine>, EvidenceError> {
        self.notices.lock().read()
    }

    /// All receipts, oldest first, each with whether an acceptance was proven whose root covers it.
    ///
    /// # Errors
    /// [`EvidenceError`] if a file cannot be read.
    pub fn receipts(&self) -> Result<Vec<ReceiptLine>, EvidenceError> {
        let proven = *self.last_proven.lock();
        let mut receipts: Vec<ReceiptLine> = self.receipts.lock().read()?;
        for receipt in &mut receipts {
            receipt.proven = proven.is_some_and(|proven| receipt.ledger_index <= proven);
        }
        Ok(receipts)
    }
}

impl Lines {
    fn open(path: PathBuf) -> Result<Self, EvidenceError> {
        let fault = |source| EvidenceError { path: path.display().to_string(), source };
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).open(&path).map_err(fault)?;
        let bytes = std::fs::read(&path).map_err(fault)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(fault)?;
        }
        Ok(Self { path, file })
    }

    fn append<T: Serialize>(&mut self, line: &T, sync: bool) -> Result<(), EvidenceError> {
        let path = self.path.display().to_string();
        let fault = |source| EvidenceError { path: path.clone(), source };
        let mut text = serde_json::to_vec(line).map_err(|error| fault(error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(fault)?;
        if sync { self.file.sync_data().map_err(fault) } else { Ok(()) }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<Vec<T>, EvidenceError> {
        let fault = |source| EvidenceError { path: self.path.display().to_string(), source };
        let file = File::open(&self.path).map_err(fault)?;
        let mut lines = Vec::new();
        for line in BufReader::new(file).lines() {
            if let Ok(parsed) = serde_json::from_str(&line.map_err(fault)?) {
                lines.push(parsed);
            }
        }
        Ok(lines)
    }
}
