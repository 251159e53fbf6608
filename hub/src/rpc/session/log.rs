//! What a node says of its log: batches and what they are answered, heartbeats, proofs of a fork.

use std::sync::Arc;

use lienthong_node::aside::aside;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::wire::sync as wire;
use tonic::Status;

use super::{End, Session, refused};
use crate::ingest::{Accepted, CommitError, Compared, Contradiction, Envelope, VerifyError, verify};
use crate::observe::Arrival;
use crate::pki::Refusal;

/// Packed batches up to this are verified where they arrive.
const SMALL_BATCH_BYTES: usize = 2 * 1024;

impl Session {
    pub(super) async fn batch(&mut self, batch: wire::Batch) -> Result<(), End> {
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        let announced = self.hub.heartbeats.awaited(self.enrolled.replica);
        let Some(held) = intake.expected(batch.first, announced) else { return Ok(()) };
        let permit = self.hub.budget().await.ok_or(End::Gone)?;
        let envelope = Envelope {
            first: batch.first,
            count: batch.count,
            packed: batch.packed,
            checkpoint: batch.checkpoint,
        };
        // A large batch takes milliseconds and goes to a thread of its own; a small one takes less than the
        // hand-over.
        let verified = if envelope.packed.len() <= SMALL_BATCH_BYTES {
            verify(&held, &envelope)
        } else {
            let verified = aside(move || verify(&held, &envelope)).await;
            verified.map_err(|error| Status::internal(error.to_string()))?
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                let Some(shown) = error.contradicts() else {
                    return Err(Status::invalid_argument(error.to_string()).into());
                };
                let own = matches!(error, VerifyError::Announced);
                let held = if own { self.announced() } else { self.held_checkpoint() };
                return self.fence(&Contradiction { held, shown: shown.to_owned() }).await;
            }
        };
        let arrival = Arrival::received(&verified, &self.enrolled.unit);
        let (replica, reached) = (self.enrolled.replica, verified.reached);
        let Some(intake) = &mut self.intake else { return Err(End::Gone) };
        let checkpoint = intake.follow(&verified);
        // Handed over before the next message is read, so that batches keep their order, and never waited
        // for here: a session that waits for a place in memory must not hold up the answers that free one.
        match self.hub.committer.submit(verified, permit).await {
            Ok(pending) => {
                let (hub, unit) = (Arc::clone(&self.hub), self.enrolled.unit.clone());
                let answer = async move {
                    let answer = pending.wait().await;
                    if let Ok(accepted) = &answer {
                        hub.observed.traces.committed(&arrival, &unit, accepted.ledger_index);
                    }
                    if let (Ok(_), Some(size)) = (&answer, reached) {
                        hub.heartbeats.reached(replica, size);
                    }
                    (answer, checkpoint)
                };
                self.answers.push_back(Box::pin(answer));
                Ok(())
            }
            Err(error) => self.answer(Err(error), &checkpoint).await,
        }
    }

    pub(super) fn held_checkpoint(&self) -> String {
        let books = self.hub.committer.books().read();
        books.replicas.get(&self.enrolled.replica).map(|held| held.checkpoint.clone()).unwrap_or_default()
    }

    pub(super) fn announced(&self) -> String {
        self.hub.heartbeats.get(self.enrolled.replica).map(|said| said.note).unwrap_or_default()
    }

    pub(super) async fn answer(
        &mut self,
        answer: Result<Accepted, CommitError>,
        checkpoint: &Checkpoint,
    ) -> Result<(), End> {
        match answer {
            Ok(accepted) => {
                let receipt = self.receipt(checkpoint, accepted.ledger_index, accepted.at.0)?;
                // Before a receipt that may be by it.
                if let Some(unknown) = self.unknown_receipt_keys()? {
                    self.send(wire::down::Message::ReceiptKeys(unknown)).await?;
                }
                self.send(wire::down::Message::Receipt(receipt)).await?;
                if accepted.erased { self.tell_erasures(0).await } else { Ok(()) }
            }
            Err(error @ (CommitError::Overtaken { .. } | CommitError::Diverged { .. })) => {
                Err(Status::aborted(error.to_string()).into())
            }
            Err(error @ CommitError::QuarantineFull { .. }) => {
                Err(Status::resource_exhausted(error.to_string()).into())
            }
            Err(CommitError::Failed(_)) => {
                Err(Status::unavailable("the hub takes no writes at the moment").into())
            }
            Err(error) => Err(Status::internal(error.to_string()).into()),
        }
    }

    pub(super) fn receipt(
        &self,
        checkpoint: &Checkpoint,
        ledger_index: u64,
        at_millis: u64,
    ) -> Result<wire::Receipt, End> {
        let cosignature =
            self.hub.cosign(checkpoint, at_millis).map_err(|error| Status::internal(error.to_string()))?;
        Ok(wire::Receipt { size: checkpoint.size, cosignature, ledger_index, at_millis })
    }

    pub(super) async fn heartbeat(&mut self, heartbeat: &wire::Heartbeat) -> Result<(), End> {
        let signed = match &self.beaten {
            Some(before) if heartbeat.checkpoint.is_empty() => before.clone(),
            _ => self.signed(&heartbeat.checkpoint)?,
        };
        let held = self.hub.committer.books().read().replicas.get(&self.enrolled.replica).cloned();
        let held_size = held.as_ref().map_or(0, |held| held.frontier.size());
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        let reached = match intake.compared(&signed, held.as_ref()) {
            Ok(Compared::Overtaken) => {
                return Err(Status::aborted("more of this log came by another connection: dial again").into());
            }
            Ok(compared) => compared == Compared::Reached,
            Err(contradiction) => return self.fence(&contradiction).await,
        };
        if self.hub.heartbeats.heard(self.enrolled.replica, &signed, reached, self.hub.now()) {
            let hub = Arc::clone(&self.hub);
            tokio::spawn(aside(move || hub.keep_heartbeats()));
        }
        self.hub.live.announced(
            self.enrolled.replica,
            heartbeat,
            (signed.checkpoint().size, held_size),
            self.hub.now(),
        );
        self.beaten = Some(signed);
        self.send(wire::down::Message::Alive(wire::Alive {})).await
    }

    pub(super) async fn prefix(&mut self, prefix: &wire::Prefix) -> Result<(), End> {
        self.signed(&prefix.checkpoint)?;
        let contradiction = Contradiction { held: self.held_checkpoint(), shown: prefix.checkpoint.clone() };
        self.fence(&contradiction).await
    }

    pub(super) fn signed(&self, text: &str) -> Result<SignedCheckpoint, End> {
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        intake.signed(text).map_err(|error| Status::invalid_argument(error.to_string()).into())
    }

    pub(super) async fn fence(&mut self, contradiction: &Contradiction) -> Result<(), End> {
        let Contradiction { held, shown } = contradiction;
        self.hub.fence(self.enrolled.replica, &[held.clone(), shown.clone()]).await;
        let refusal = Refusal::Fenced.to_string();
        let (vi, en) = refusal.split_once(" · ").unwrap_or((&refusal, &refusal));
        let fenced = wire::Fenced { held_checkpoint: held.clone(), vi: vi.to_owned(), en: en.to_owned() };
        self.send(wire::down::Message::Fenced(fenced)).await?;
        Err(refused(Refusal::Fenced).into())
    }
}
