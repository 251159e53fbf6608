//! Receipts, proven one after the other behind each greeting and in a connection that lasts: what a hub has logged otherwise than it promised is found here.

use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;

use super::driver::Driver;
use super::proof::shown_before;
use super::stream::{Answer, Asked, prove};
use super::{Promised, ProofFault, ProofLine, RefusalLine, Roots as _, verify_proof};

/// In a connection that lasts, receipts are proven once the first of them is so old, and asked for again so much later.
const ASK_MILLIS: u64 = 3_600_000;
/// So long a hub may leave it unsaid whether its ledger has what it gave a receipt for.
const UNANSWERED_MILLIS: u64 = 3_600_000;

impl Driver {
    /// Asks for the next proof, if there is a receipt to prove of no more than `until` entries.
    pub(super) fn ask_proof(&mut self, until: u64) {
        let now = (self.client.clock)();
        let Some(seen) = self.seen() else { return };
        let proving = self.client.evidence.to_prove(until, seen.0.size);
        let (Some(proving), Some(connection)) = (proving, &mut self.connection) else { return };
        let Some(rpc) = connection.rpc.clone() else { return };
        connection.asked = Some((now, false));
        tokio::spawn(prove(rpc, Asked { proving, until, seen }, self.generation, self.events.clone()));
    }

    /// Asks for what is still to be proven in a connection that lasts.
    pub(super) fn ask_again(&mut self) {
        let now = (self.client.clock)();
        let is_old = |at: UnixMillis| now.since(at) >= ASK_MILLIS;
        let asked = self.connection.as_ref().and_then(|connection| connection.asked);
        let is_due = self.client.evidence.unproven_since().is_some_and(is_old);
        if is_due && asked.is_none_or(|(at, _)| is_old(at)) {
            self.ask_proof(self.client.evidence.last_receipt().map_or(0, |receipt| receipt.size));
        }
    }

    /// The line ends: what it was asked for last it may have left unsaid.
    pub(super) fn left_unsaid(&mut self) {
        if self.connection.as_ref().is_some_and(|connection| matches!(connection.asked, Some((_, false)))) {
            self.note_unanswered();
        }
    }

    /// A hub that leaves it unsaid for long whether it has what it gave receipts for gets no cosignature.
    fn note_unanswered(&mut self) {
        let now = (self.client.clock)();
        let since = *self.unanswered.get_or_insert(now);
        if now.since(since) >= UNANSWERED_MILLIS {
            self.found_unproven(Some(format!(
                "the province has not proven its receipts when asked, since {}",
                since.rfc3339()
            )));
        }
    }

    /// Whether that is news.
    fn found_unproven(&self, fault: Option<String>) -> bool {
        self.client.witness.found_unproven(fault).unwrap_or_else(|error| {
            tracing::error!(%error, "what was judged of a proof cannot be kept");
            true
        })
    }

    /// Keeps the proof of a receipt, and asks for the next; a hub that cannot give one has broken its promise.
    pub(super) fn keep_proof(&mut self, asked: &Asked, answer: Answer) {
        if let Some((_, answered)) = self.connection.as_mut().and_then(|connection| connection.asked.as_mut())
        {
            *answered = true;
        }
        let index = asked.proving.receipt.ledger_index;
        let proof = match answer {
            Answer::Shown(reply) => self.proven(asked, &reply),
            Answer::Denied(reason) => {
                self.found_unproven(Some(format!("entry {index}: {reason}")));
                Err(reason)
            }
            Answer::Nothing => return self.note_unanswered(),
        };
        self.unanswered = None;
        match proof.map(|proof| self.client.evidence.keep_proof(proof)) {
            Ok(Ok(())) => {
                if let Some(alarm) = self.unproven_alarm.take() {
                    self.status.send_if_modified(|status| {
                        status.alarm.take_if(|standing| *standing == alarm).is_some()
                    });
                }
                self.ask_proof(asked.until);
            }
            Ok(Err(error)) => tracing::error!(%error, "a proof cannot be kept"),
            Err(reason) => {
                tracing::error!(reason, ledger_index = index, "a receipt is not proven");
                let alarm = format!(
                    "tỉnh chưa chứng minh được biên nhận số {index}: {reason} · the province has not proven receipt {index}: {reason}"
                );
                self.status.send_modify(|status| status.alarm = Some(alarm.clone()));
                self.unproven_alarm = Some(alarm);
            }
        }
    }

    fn proven(&self, asked: &Asked, reply: &wire::ProveReply) -> Result<ProofLine, String> {
        let client = &self.client;
        let (ledger, note) = &asked.seen;
        let size = asked.proving.receipt.size;
        let promised = Promised {
            asked: &asked.proving,
            replica: client.identity.replica(),
            root: client.builder.root_at(size).unwrap_or([0; 32]),
            ledger,
            note,
        };
        let proof = verify_proof(promised, reply);
        let news = self.found_unproven(proof.as_ref().err().map(ProofFault::to_string));
        proof.map_err(|fault| {
            if news {
                self.keep_false_acceptance(&fault, asked, reply);
            }
            fault.to_string()
        })
    }

    /// Keeps what shows that the hub has logged otherwise than it promised.
    fn keep_false_acceptance(&self, fault: &ProofFault, asked: &Asked, reply: &wire::ProveReply) {
        let evidence = &self.client.evidence;
        let size = match fault {
            ProofFault::Before { promised, .. } => promised.size,
            _ => asked.proving.receipt.size,
        };
        let known = evidence.receipt(size).ok().flatten();
        let refusal = RefusalLine {
            at: (self.client.clock)().0,
            reason: fault.to_string(),
            known: known.and_then(|receipt| serde_json::to_string(&receipt).ok()).unwrap_or_default(),
            shown: asked.seen.1.clone(),
            roll: Some((hex::encode(&reply.entry), reply.path.iter().map(hex::encode).collect())),
            before: shown_before(reply),
            ..RefusalLine::default()
        };
        if let Err(error) = evidence.keep_refusal(&refusal) {
            tracing::error!(%error, "the proof of a false acceptance cannot be kept");
        }
    }
}
