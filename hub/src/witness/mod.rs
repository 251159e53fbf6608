//! The nodes as witnesses of the ledger: what binds the hub itself.
//!
//! Each minute in which the ledger grew, one checkpoint is closed ([`Rounds`]) and every connected node is asked to
//! cosign just that one. Whose cosignatures count stands in the ledger ([`choose`] says who comes next); with more than
//! half of them the checkpoint is *witnessed* ([`Hub::witnessed`]). A node that was shown another ledger says so
//! ([`Refusals`]). PROTOCOL.md, "Witnesses".

mod council;
mod history;
mod refusals;
mod rolls;
mod rounds;
mod show;

use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::witness::POLICY;
use serde_json::{Value as Json, json};

pub use council::{Candidate, choose};
pub use history::{PastRound, ROUNDS, past_rounds};
pub use refusals::{Refusals, Refused};
pub use rolls::Rolls;
pub use rounds::{
    BadCosignature, Heard, REFRESH_MILLIS, ROUND_MILLIS, Round, Rounds, SKEW_MILLIS, WITNESSED, Witnessed,
    witnessed_head, witnessed_note,
};
pub use show::Showing;

use crate::app::Hub;
use crate::ingest::CommitError;
use crate::pki::Role;

/// Who was not heard for so long is no witness any more.
const AWAY_MILLIS: u64 = 30 * 24 * 3_600 * 1_000;

/// Why a round is not closed.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The policy does not get into the ledger.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Checkpoint(#[from] lienthong_proto::checkpoint::CheckpointError),
}

impl Hub {
    /// The latest checkpoint that a quorum of witnesses has cosigned; only such a one is given to others.
    #[must_use]
    pub fn witnessed(&self) -> Option<Arc<Witnessed>> {
        self.rounds.witnessed()
    }

    /// Whether that is of the last day: otherwise nothing new is shared.
    #[must_use]
    pub fn is_witnessed_freshly(&self, now: UnixMillis) -> bool {
        self.witnessed().is_some_and(|witnessed| witnessed.is_fresh(now))
    }

    /// For how long nothing was witnessed; since the first witness, if nothing ever was. Nothing without any.
    #[must_use]
    pub fn unwitnessed_millis(&self) -> Option<u64> {
        let first = || {
            let witnesses = Arc::clone(&self.committer.books().read().witnesses);
            witnesses.keys.values().map(|key| key.at).min()
        };
        let since = self.witnessed().map(|witnessed| witnessed.at).or_else(first)?;
        Some(self.now().since(since))
    }

    /// As [`Rounds::bring_back`].
    #[must_use]
    pub fn bring_back(&self, note: &str) -> bool {
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let ledger = (self.secrets.ledger_origin(), self.secrets.ledger_public());
        self.rounds.bring_back(note, (&ledger.0, ledger.1), &witnesses, self.hashes.as_ref())
    }

    /// As [`Rounds::before`].
    #[must_use]
    pub fn witnessed_before(&self, size: u64) -> Option<Witnessed> {
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let (origin, key) = (self.secrets.ledger_origin(), self.secrets.ledger_public());
        self.rounds.before(size, (&origin, key), &witnesses)
    }

    /// What people see of it.
    #[must_use]
    pub fn witnessing_json(&self) -> Json {
        let (cosigned, beside) = self.rounds.cosigned();
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let policy = witnesses.policy_at(u64::MAX).map(|(_, policy)| policy);
        json!({
            "size": self.witnessed().map(|witnessed| witnessed.checkpoint.size),
            "at": self.witnessed().map(|witnessed| witnessed.at.rfc3339()),
            "fresh": self.is_witnessed_freshly(self.now()),
            "witnesses": policy.map_or(0, |policy| policy.witnesses().len()),
            "quorum": policy.map_or(0, lienthong_proto::witness::Policy::quorum),
            "round": {
                "size": self.rounds.current().map(|round| round.checkpoint.size),
                "cosigned": cosigned,
                "cosigned_beside": beside,
            },
            "refused_by": self.refusals.standing().values().map(|refused| &refused.unit).collect::<Vec<_>>(),
        })
    }

    /// Who can be a witness: active, with a key in the ledger, heard within thirty days, and not the hub's own unit.
    fn candidates(&self) -> Vec<Candidate> {
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let now = self.now();
        let candidate = |enrolled: crate::pki::Enrolled| {
            let key = witnesses.keys.get(&enrolled.replica)?;
            let heard = self.last_heard(enrolled.replica)?;
            let here = enrolled.is_active() && now.since(heard) <= AWAY_MILLIS;
            (here && enrolled.unit != self.secrets.profile.province).then(|| Candidate {
                verifier: key.verifier.clone(),
                agency: enrolled.role == Role::Auditor,
                unit: enrolled.unit,
                place: key.place,
            })
        };
        self.registry.list().into_iter().filter_map(candidate).collect()
    }

    /// Closes a round if one is due: names the witnesses anew where others are to count, then asks for the checkpoint
    /// the ledger has come to.
    ///
    /// # Errors
    /// [`RoundError`].
    pub async fn close_round(&self) -> Result<Option<Checkpoint>, RoundError> {
        let _one = self.rounds.closing.lock().await;
        if !self.rounds.is_due(self.head().size, self.now()) {
            return Ok(None);
        }
        let books = Arc::clone(&self.committer.books().read().witnesses);
        let current = books.policy_at(u64::MAX).map(|(_, policy)| policy);
        if let Some(policy) = choose(self.candidates(), current) {
            tracing::info!(
                witnesses = policy.witnesses().len(),
                quorum = policy.quorum(),
                "other witnesses count now"
            );
            self.event(POLICY, "hub", policy.fields()).await?;
        }
        let head = self.head();
        let witnesses = Arc::clone(&self.committer.books().read().witnesses);
        let checkpoint = self.checkpoint_at(head);
        let note = checkpoint.sign(self.secrets.ledger_key.as_ref())?.to_string();
        let policy = witnesses.policy_at(head.size).map(|(place, policy)| (place, policy.clone()));
        let round = Round { checkpoint: checkpoint.clone(), note, at: self.now(), policy };
        if let Err(error) = self.rounds.close(round) {
            tracing::error!(%error, "the round before cannot be kept");
        }
        Ok(Some(checkpoint))
    }

    /// Closes rounds until the hub stops.
    pub(crate) async fn keep_witnessed(self: Arc<Self>) {
        let job = self.observed.jobs.register(crate::observe::jobs::WITNESSING);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(ROUND_MILLIS)) => {}
            }
            job.begin();
            let called = self.keep_called().await.map_err(RoundError::from);
            let closed = called.and(self.close_round().await.map(drop));
            match closed {
                Ok(()) => job.done(),
                Err(error) => {
                    job.failed();
                    tracing::error!(%error, "no round of the ledger can be closed");
                }
            }
        }
    }
}
