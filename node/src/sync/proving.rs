//! Receipts of earlier connections, proven one after the other: what a hub has logged otherwise than it promised is found here.

use lienthong_proto::wire::sync as wire;

use super::driver::Driver;
use super::proof::shown_before;
use super::stream::{Asked, prove};
use super::{Promised, ProofFault, RefusalLine, Roots as _, verify_proof};

impl Driver {
    /// Asks for the next proof, if there is a receipt to prove of no more than `until` entries.
    pub(super) fn ask_proof(&self, until: u64) {
        let proving = self.client.evidence.to_prove().filter(|proving| proving.receipt.size <= until);
        let rpc = self.connection.as_ref().and_then(|connection| connection.rpc.clone());
        if let (Some(proving), Some(rpc)) = (proving, rpc) {
            tokio::spawn(prove(rpc, Asked { proving, until }, self.generation, self.events.clone()));
        }
    }

    /// Keeps the proof of a receipt, and asks for the next; a hub that cannot give one has broken its promise.
    pub(super) fn keep_proof(&self, asked: &Asked, reply: Result<wire::ProveReply, String>) {
        let index = asked.proving.receipt.ledger_index;
        let kept = match reply {
            Ok(reply) => self.proven(asked, &reply),
            Err(reason) => Err(reason),
        };
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
