//! All views of this machine's agency, under the ledger it knows.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_proto::disclosure::{DeliveryReceipt, Since, Terms, Trust};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::note::NoteError;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::TakeError;
use super::kept::KeptWriter;
use super::view::View;
use crate::at_rest::KeyRing;
use crate::identity::NodeIdentity;
use crate::verify::{VerifyError, policy};

/// Why the views cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The trust policy is refused.
    #[error(transparent)]
    Policy(#[from] VerifyError),
    /// The ledger's key is none.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// The disk fails.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Where the trust policy of an agency's node stands.
#[must_use]
pub fn trust_path(data: &Path) -> PathBuf {
    data.join("identity/trust.policy")
}

/// A receipt this node has given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantLine {
    /// The ledger's entry that logs the delivery.
    pub access: u64,
    /// Its digest, hexadecimal.
    pub digest: String,
    /// By this node's log key, hexadecimal.
    pub signature: String,
    /// When, milliseconds.
    pub at: u64,
}

/// What is known of one grant.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) view: View,
    /// As the hub said last.
    pub(super) state: String,
    pub(super) terms: Option<Terms>,
    /// What was damaged, until it was sent again.
    pub(super) damaged: Option<String>,
    pub(super) receipt: Option<GrantLine>,
    /// Orders by which the view was removed.
    pub(super) erased: Vec<String>,
}

/// All views.
#[derive(Debug)]
pub struct Views {
    pub(super) data: PathBuf,
    pub(super) keys: KeyRing,
    pub(super) identity: Arc<NodeIdentity>,
    pub(super) inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) ledger: ReplicaId,
    pub(super) trust: Trust,
    /// Whether a policy from elsewhere is believed, not just the ledger's own key.
    pub(super) anchored: bool,
    pub(super) grants: BTreeMap<u64, Known>,
}

impl Views {
    /// Opens what `data` has of the ledger the identity knows; what is damaged is set aside, to be asked for again.
    ///
    /// # Errors
    /// [`ViewsError`] if the trust policy or the disk refuses.
    pub fn open(data: &Path, identity: Arc<NodeIdentity>, keys: &KeyRing) -> Result<Self, ViewsError> {
        let inner = Inner::open(data, &identity, keys)?;
        Ok(Self { data: data.to_owned(), keys: keys.clone(), identity, inner: Mutex::new(inner) })
    }

    /// Turns to the ledger the identity knows by now, if that is another.
    ///
    /// # Errors
    /// As [`Views::open`].
    pub fn turn(&self) -> Result<(), ViewsError> {
        if self.identity.ledger().origin.replica() != self.ledger() {
            let turned = Inner::open(&self.data, &self.identity, &self.keys)?;
            *self.inner.lock() = turned;
        }
        Ok(())
    }

    /// The ledger the views are of.
    #[must_use]
    pub fn ledger(&self) -> ReplicaId {
        self.inner.lock().ledger
    }

    /// What the next delivery of each view goes on from.
    #[must_use]
    pub fn held(&self) -> BTreeMap<u64, Since> {
        let inner = self.inner.lock();
        let since = inner.grants.iter().map(|(number, known)| (*number, known.view.progress.since()));
        since.filter(|(_, since)| !since.is_nothing()).collect()
    }

    /// Hears where a grant stands.
    pub fn stands(&self, grant: u64, state: &str, terms: &str) {
        let mut inner = self.inner.lock();
        let folder = folder(&self.data, inner.ledger, grant);
        let trust = inner.trust.clone();
        let known = inner.grants.entry(grant).or_default();
        if known.view.report.is_none() {
            // Nothing is there yet, or it was looked at when the views were opened.
            known.view = View::open(&folder, &trust, &self.keys).unwrap_or_default();
        }
        state.clone_into(&mut known.state);
        known.terms = Terms::parse(terms).ok();
        let said = serde_json::json!({ "state": state, "terms": terms });
        let kept = fs::create_dir_all(&folder).and_then(|()| {
            crate::identity::write_private(&folder.join("standing.json"), said.to_string().as_bytes())
        });
        if let Err(error) = kept {
            tracing::warn!(%error, grant, "where a grant stands cannot be kept");
        }
    }

    /// Where a delivery is written while it comes.
    ///
    /// # Errors
    /// The disk's.
    pub fn spool(&self) -> io::Result<Spool> {
        let folder = self.data.join("granted");
        fs::create_dir_all(&folder)?;
        let path = folder.join("incoming");
        let out = KeptWriter::new(BufWriter::new(super::private(&path)?), &self.keys)?;
        Ok(Spool { path, out })
    }

    /// Takes a delivery that has come whole; the receipt for it, once it is on the disk.
    ///
    /// # Errors
    /// [`TakeError`]; what was held before is held still.
    pub fn take(
        &self,
        grant: u64,
        spool: Spool,
        now: UnixMillis,
    ) -> Result<(DeliveryReceipt, Vec<u8>), TakeError> {
        let path = spool.path.clone();
        let io = |source| TakeError::Io { path: path.display().to_string(), source };
        spool.out.finish().map_err(io)?.flush().map_err(io)?;
        let mut inner = self.inner.lock();
        let (ledger, trust) = (inner.ledger, inner.trust.clone());
        let folder = folder(&self.data, ledger, grant);
        let known = inner.grants.entry(grant).or_default();
        if known.view.report.is_none() {
            known.view = View::open(&folder, &trust, &self.keys).unwrap_or_default();
        }
        let taken = known.view.take(&path, (grant, self.identity.unit()), &trust, &self.keys);
        if let Err(error) = taken {
            // What was held is on the disk as it was.
            known.view = View::open(&folder, &trust, &self.keys)?;
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let Some(report) = &known.view.report else { return Err(TakeError::Other) };
        known.damaged = None;
        if !std::mem::take(&mut known.erased).is_empty() {
            super::erased::forget_orders(&folder).map_err(io)?;
        }
        let mut digest = [0; 32];
        let _ = hex::decode_to_slice(&report.digest, &mut digest);
        let receipt = DeliveryReceipt { ledger, grant, access: report.access, digest };
        let signature = receipt.sign(self.identity.log_key().as_ref());
        let line = GrantLine {
            access: receipt.access,
            digest: report.digest.clone(),
            signature: hex::encode(&signature),
            at: now.0,
        };
        keep_receipt(&folder, &line).map_err(io)?;
        known.receipt = Some(line);
        Ok((receipt, signature))
    }
}

impl Inner {
    fn open(data: &Path, identity: &NodeIdentity, keys: &KeyRing) -> Result<Self, ViewsError> {
        let (trust, anchored) = trust_of(data, identity)?;
        let ledger = identity.ledger().origin.replica();
        let mut grants = BTreeMap::new();
        for (number, folder) in folders(data, ledger)? {
            let (receipt, erased) = (last_receipt(&folder), super::erased::orders(&folder));
            let mut known = Known { receipt, erased, ..Known::default() };
            if let Some((state, terms)) = standing(&folder) {
                (known.state, known.terms) = (state, Terms::parse(&terms).ok());
            }
            match View::open(&folder, &trust, keys) {
                Ok(view) => known.view = view,
                Err(error) => {
                    tracing::error!(%error, grant = number, "a granted view is damaged: it is asked for again");
                    known.damaged = Some(error.to_string());
                    let aside = folder.with_extension("damaged");
                    let _ = fs::remove_dir_all(&aside);
                    fs::rename(&folder, &aside)
                        .map_err(|source| ViewsError::Io { path: folder.display().to_string(), source })?;
                    known.view = View::open(&folder, &trust, keys).unwrap_or_default();
                }
            }
            grants.insert(number, known);
        }
        Ok(Self { ledger, trust, anchored, grants })
    }
}

/// Whether all that a folder has of granted views holds: a word for each that does not.
///
/// # Errors
/// [`ViewsError`] if the trust policy or the disk refuses.
pub(crate) fn judge(data: &Path, identity: &NodeIdentity, keys: &KeyRing) -> Result<Vec<String>, ViewsError> {
    let (trust, _) = trust_of(data, identity)?;
    let mut faults = Vec::new();
    for (number, folder) in folders(data, identity.ledger().origin.replica())? {
        if let Err(error) = View::judge(&folder, &trust, keys) {
            faults.push(format!("giấy cấp quyền số {number} · grant {number}: {error}"));
        }
    }
    Ok(faults)
}

/// Whom to believe: the policy that was given, or else only the ledger's own key.
fn trust_of(data: &Path, identity: &NodeIdentity) -> Result<(Trust, bool), ViewsError> {
    let path = trust_path(data);
    if path.exists() {
        return Ok((policy(&path)?, true));
    }
    Ok((identity.pinned()?, false))
}

pub(super) fn folder(data: &Path, ledger: ReplicaId, grant: u64) -> PathBuf {
    data.join("granted").join(format!("{ledger}-{grant}"))
}

fn folders(data: &Path, ledger: ReplicaId) -> Result<BTreeMap<u64, PathBuf>, ViewsError> {
    let all = data.join("granted");
    let io = |source| ViewsError::Io { path: all.display().to_string(), source };
    let listed = match fs::read_dir(&all) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(io(error)),
    };
    let mut found = BTreeMap::new();
    for entry in listed {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix(&format!("{ledger}-"))?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    Ok(found)
}

fn standing(folder: &Path) -> Option<(String, String)> {
    let bytes = fs::read(folder.join("standing.json")).ok()?;
    let said: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let text = |name: &str| said.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some((text("state")?, text("terms")?))
}

fn keep_receipt(folder: &Path, line: &GrantLine) -> io::Result<()> {
    let path = folder.join("receipts.jsonl");
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The last receipt that was kept whole.
fn last_receipt(folder: &Path) -> Option<GrantLine> {
    let text = fs::read_to_string(folder.join("receipts.jsonl")).ok()?;
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// A delivery that is coming: its lines are written here.
pub struct Spool {
    path: PathBuf,
    out: KeptWriter<BufWriter<fs::File>>,
}

impl io::Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
