//! Receipts, proven one after the other behind each greeting and in a connection that lasts: what a hub has logged otherwise than it promised is found here.

use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;

use super::driver::Driver;
use super::proof::shown_before;
use super::stream::{Answer, Asked, prove};
use super::{Promised, ProofFault, RefusalLine, Roots as _, verify_proof};

/// In a connection that lasts, receipts are proven once the first of them is so old, and asked for again so much later.
const ASK_MILLIS: u64 = 3_600_000;
/// So long a hub may leave it unsaid whether its ledger has what it gave a receipt for.
const UNANSWERED_MILLIS: u64 = 3_600_000;

impl Driver {
    /// Asks for the next proof, if there is a receipt to prove of no more than `until` entries.
    pub(super) fn ask_proof(&mut self, until: u64) {
        let now = (self.client.clock)();
        let proving = self.client.evidence.to_prove().filter(|proving| proving.receipt.size <= until);
        let (Some(proving), Some(connection)) = (proving, &mut self.connection) else { return };
        let Some(rpc) = connection.rpc.clone() else { return };
        connection.asked = Some((now, false));
        tokio::spawn(prove(rpc, Asked { proving, until }, self.generation, self.events.clone()));
    }

    /// Asks for what is still to be proven in a connection that lasts.
    pub(super) fn ask_again(&mut self) {
        let now = (self.client.clock)();
        let is_old = |at: UnixMillis| now.since(at) >= ASK_MILLIS;
        let asked = self.connection.as_ref().and_then(|connection| connection.asked);
        let is_due = self.client.evidence.unproven_since().is_some_and(is_old);
        if is_due && asked.is_none_or(|(at, answered)| answered && is_old(at)) {
            self.ask_proof(self.client.evidence.last_receipt().map_or(0, |receipt| receipt.size));
        }
    }

    /// What people must hear of a hub that leaves unsaid whether it has what it gave receipts for.
    pub(super) fn unanswered(&self, now: UnixMillis) -> Option<String> {
        self.unanswered.filter(|since| now.since(*since) >= UNANSWERED_MILLIS).map(|_| {
            "tỉnh không trả lời khi được hỏi chứng minh biên nhận, đã hơn một giờ; hãy gọi tỉnh · \
             the province has not answered for more than an hour when asked to prove its receipts; call the province"
                .to_owned()
        })
    }

    /// Keeps the proof of a receipt, and asks for the next; a hub that cannot give one has broken its promise.
    pub(super) fn keep_proof(&mut self, asked: &Asked, answer: Answer) {
        if let Some((_, answered)) = self.connection.as_mut().and_then(|connection| connection.asked.as_mut())
        {
            *answered = true;
        }
        let kept = match answer {
            Answer::Shown(reply) => self.proven(asked, &reply),
            Answer::Denied(reason) => Err(reason),
            Answer::Nothing => {
                self.unanswered.get_or_insert((self.client.clock)());
                return;
            }
        };
        self.unanswered = None;
        let index = asked.proving.receipt.ledger_index;
        let alarm = kept.err().map(|reason| {
            tracing::error!(reason, ledger_index = index, "a receipt is not proven");
            format!(
                "tỉnh chưa chứng minh được biên nhận số {index}: {reason} · the province has not proven receipt {index}: {reason}"
            )
        });
        let goes_on = alarm.is_none();
        self.status.send_modify(|status| status.alarm = alarm);
        if goes_on {
            self.ask_proof(asked.until);
        }
    }

    fn proven(&self, asked: &Asked, reply: &wire::ProveReply) -> Result<(), String> {
        let client = &self.client;
        let (ledger, receipt) = (client.identity.ledger(), asked.proving.receipt);
        let promised = Promised {
            asked: &asked.proving,
            replica: client.identity.replica(),
            root: client.builder.root_at(receipt.size).unwrap_or([0; 32]),
            ledger_origin: ledger.origin.as_str(),
            ledger_key: ledger.key,
        };
        let proof = verify_proof(promised, reply);
        let fault = proof.as_ref().err().map(|fault| fault.to_string());
        let news = client.witness.found_unproven(fault).unwrap_or_else(|error| {
            tracing::error!(%error, "what was judged of a proof cannot be kept");
            true
        });
        match proof {
            Ok(proof) => client.evidence.keep_proof(proof).map_err(|fault| fault.to_string()),
            Err(fault) => {
                if news {
                    self.keep_false_acceptance(&fault, asked, reply);
                }
                Err(fault.to_string())
            }
        }
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
            shown: reply.checkpoint.clone(),
            roll: Some((hex::encode(&reply.entry), reply.path.iter().map(hex::encode).collect())),
            before: shown_before(reply),
            ..RefusalLine::default()
        };
        if let Err(error) = evidence.keep_refusal(&refusal) {
            tracing::error!(%error, "the proof of a false acceptance cannot be kept");
        }
    }
}
