//! Nodes that refuse the ledger: what each had seen and what it was shown, both signed by the ledger itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lienthong_node::identity::write_private;
use lienthong_proto::checkpoint::SignedCheckpoint;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::merkle::{EMPTY_ROOT, root_at};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync::RefuseRequest;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::app::Hub;
use crate::pki::Enrolled;

const FILE: &str = "witness/refusals.json";
/// Of a node's words so much is kept.
const REASON_CHARS_MAX: usize = 300;
/// The kind of the event, with both checkpoints.
const EVENT: &str = "witness_refusal";

/// A node's refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its unit.
    pub unit: UnitCode,
    /// When it said so first.
    pub at: UnixMillis,
    /// What it had seen, signed by the ledger; nothing where a roll was found false.
    pub known: String,
    /// What it was shown.
    pub shown: String,
    /// Why, in the node's words.
    pub reason: String,
    /// The ledger that is here does not hold what it had signed: it was forked or cut, beyond doubt.
    pub contradicts: bool,
}

/// The refusals that stand.
#[derive(Debug)]
pub struct Refusals {
    path: PathBuf,
    standing: Mutex<BTreeMap<ReplicaId, Refused>>,
}

impl Refusals {
    /// Those of a hub's folder; what cannot be read is said again.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE);
        let standing = match std::fs::read(&path).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(standing)) => standing,
            Ok(Err(error)) => {
                tracing::warn!(%error, "{FILE} is not readable: refusals are heard again");
                BTreeMap::new()
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "{FILE} cannot be read: refusals are heard again");
                }
                BTreeMap::new()
            }
        };
        Self { path, standing: Mutex::new(standing) }
    }

    /// Those that stand, by replica.
    #[must_use]
    pub fn standing(&self) -> BTreeMap<ReplicaId, Refused> {
        self.standing.lock().clone()
    }

    /// A replica refuses; whether that is news.
    fn stands(&self, replica: ReplicaId, refused: Refused) -> bool {
        let mut standing = self.standing.lock();
        let same = |before: &Refused| before.known == refused.known && before.reason == refused.reason;
        if standing.get(&replica).is_some_and(same) {
            return false;
        }
        standing.insert(replica, refused);
        self.keep(&standing);
        true
    }

    /// A replica goes along with the ledger again.
    pub fn ended(&self, replica: ReplicaId) {
        let mut standing = self.standing.lock();
        if standing.remove(&replica).is_some() {
            self.keep(&standing);
        }
    }

    fn keep(&self, standing: &BTreeMap<ReplicaId, Refused>) {
        let kept = self.path.parent().map_or(Ok(()), lienthong_node::folder::make);
        let kept = kept.and_then(|()| write_private(&self.path, &serde_json::to_vec(standing)?));
        if let Err(error) = kept {
            tracing::error!(%error, "refusals of the ledger cannot be kept");
        }
    }
}

/// What a node says is no refusal of this ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not two checkpoints that this ledger has signed")]
pub struct NoRefusal;

impl Hub {
    /// A node finds what a roll of the ledger says of its unit false, and gives no cosignature.
    pub(crate) fn found_false(&self, replica: ReplicaId, unit: &UnitCode, fault: &str) {
        let round = self.rounds.current().map(|round| round.note.clone()).unwrap_or_default();
        let refused = Refused {
            unit: unit.clone(),
            at: self.now(),
            known: String::new(),
            shown: round,
            reason: fault.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect(),
            contradicts: false,
        };
        if self.refusals.stands(replica, refused) {
            tracing::error!(%unit, %replica, "a node finds what a roll says of its unit false");
        }
    }

    /// A node refuses the ledger. Believed in so far as this ledger's own key signed both checkpoints; one that is not
    /// of the tree that is here goes into the ledger, with both.
    ///
    /// # Errors
    /// [`NoRefusal`] if they are not: nothing of it is kept.
    pub async fn refused_by(&self, enrolled: &Enrolled, request: &RefuseRequest) -> Result<(), NoRefusal> {
        let (origin, key) = (self.secrets.ledger_origin(), self.secrets.ledger_public());
        let signed = |text: &str| {
            let signed = SignedCheckpoint::verify(text.as_bytes(), &origin, key);
            signed.map(|signed| signed.checkpoint().clone()).map_err(|_| NoRefusal)
        };
        let (known, _) = (signed(&request.known)?, signed(&request.shown)?);
        let head = self.head().size;
        let own = match known.size {
            0 => Some(EMPTY_ROOT),
            size if size <= head => root_at(self.hashes.as_ref(), size),
            _ => None,
        };
        let contradicts = own != Some(known.root);
        let refused = Refused {
            unit: enrolled.unit.clone(),
            at: self.now(),
            known: request.known.clone(),
            shown: request.shown.clone(),
            reason: request.reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect(),
            contradicts,
        };
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(enrolled.replica.to_string())),
            ("unit".to_owned(), Value::Unit(enrolled.unit.clone())),
            ("known".to_owned(), Value::Text(request.known.clone())),
            ("shown".to_owned(), Value::Text(request.shown.clone())),
        ]);
        if !self.refusals.stands(enrolled.replica, refused) {
            return Ok(());
        }
        tracing::error!(unit = %enrolled.unit, replica = %enrolled.replica, contradicts, "a node refuses this ledger");
        if contradicts && let Err(error) = self.event(EVENT, "hub", fields).await {
            tracing::error!(%error, "the refusal is not in the ledger");
        }
        Ok(())
    }
}
