//! Approvals: a unit whose node is stopped or damaged may go on as a new replica by its old certificate; one whose
//! certificate has ended may have it renewed by its log key.

use std::path::PathBuf;

use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{HubSecrets, Seal, SealError};

/// An approval is good for so long.
pub const APPROVAL_MILLIS: u64 = 24 * 3_600 * 1_000;
const FILE: &str = "approvals.sealed";

/// What is approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approved {
    /// That the unit goes on as a new replica.
    #[default]
    Recovery,
    /// That the unit's replica goes on with a fresh certificate.
    Renewal,
}

/// One approval; it is good once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What.
    #[serde(default)]
    pub what: Approved,
    /// For whom.
    pub unit: UnitCode,
    /// Until when, milliseconds.
    pub until: u64,
    /// By whom.
    pub actor: String,
}

impl Approval {
    fn is(&self, what: Approved, unit: &UnitCode) -> bool {
        self.what == what && self.unit == *unit
    }
}

/// The approvals nobody has used yet.
#[derive(Debug)]
pub struct Approvals {
    entries: Mutex<Vec<Approval>>,
    seal: Seal,
    dir: PathBuf,
}

impl Approvals {
    /// Opens the approvals of a hub.
    ///
    /// # Errors
    /// [`SealError`] if they do not open.
    pub fn open(secrets: &HubSecrets) -> Result<Self, SealError> {
        let (seal, dir) = (secrets.seal.clone(), secrets.dir.clone());
        let entries = if dir.join(FILE).exists() {
            let bytes = seal.read(&dir, FILE)?;
            serde_json::from_slice(&bytes).map_err(|_| SealError::Opened(FILE.to_owned()))?
        } else {
            Vec::new()
        };
        Ok(Self { entries: Mutex::new(entries), seal, dir })
    }

    /// Approves something of a unit, once; returns until when.
    ///
    /// # Errors
    /// [`SealError`] if it cannot be kept.
    pub fn approve(
        &self,
        what: Approved,
        unit: &UnitCode,
        actor: &str,
        now: UnixMillis,
    ) -> Result<UnixMillis, SealError> {
        let until = UnixMillis(now.0.saturating_add(APPROVAL_MILLIS));
        let mut entries = self.entries.lock();
        let mut next: Vec<Approval> = entries.clone();
        next.retain(|approval| !approval.is(what, unit) && approval.until > now.0);
        next.push(Approval { what, unit: unit.clone(), until: until.0, actor: actor.to_owned() });
        self.keep(&next)?;
        *entries = next;
        Ok(until)
    }

    /// Spends a unit's approval, durably, before anything is issued for it; whether there was one.
    ///
    /// # Errors
    /// [`SealError`] if that cannot be kept.
    pub fn redeem(&self, what: Approved, unit: &UnitCode, now: UnixMillis) -> Result<bool, SealError> {
        let mut entries = self.entries.lock();
        let (spent, left): (Vec<Approval>, Vec<Approval>) =
            entries.clone().into_iter().partition(|approval| approval.is(what, unit));
        if !spent.iter().any(|approval| approval.until > now.0) {
            return Ok(false);
        }
        self.keep(&left)?;
        *entries = left;
        Ok(true)
    }

    fn keep(&self, entries: &[Approval]) -> Result<(), SealError> {
        let bytes = serde_json::to_vec(entries).map_err(|_| SealError::Opened(FILE.to_owned()))?;
        self.seal.write(&self.dir, FILE, &bytes)
    }
}
