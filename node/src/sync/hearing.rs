//! What the hub says: judged, and kept before it counts.

use std::sync::Arc;

use lienthong_proto::catalogue::Bundle;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::ids::Sequence;
use lienthong_proto::quality::Told;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;

use super::calls::{judge_rolls, longest_seen, refuse};
use super::driver::{Driver, renew_and_say};
use super::{
    Event, LedgerFault, NoticeLine, ReceiptLine, RefusalLine, Welcomed, judge, shown_keys, verify_receipt,
};
use crate::erasing::{self};
use crate::published::Taken;
use crate::quality::{Telling, ToldCursor};

/// So far a hub's clock may be set back while a session lasts.
const BACK_MILLIS_MAX: u64 = 10 * 60 * 1_000;

impl Driver {
    /// Judges the hub's ledger before anything goes there; a successor is taken for good.
    pub(super) fn welcome(&mut self, welcome: &wire::Welcome) -> Result<(), String> {
        let client = &self.client;
        let (identity, evidence) = (&client.identity, &client.evidence);
        let seen = self.seen().map(|(seen, _)| seen);
        let acknowledged = evidence.last_receipt().map_or(0, |receipt| receipt.size);
        let judged = judge(identity, seen.as_ref(), acknowledged, welcome);
        let (shown, proven) = match judged.map_err(|fault: LedgerFault| fault.to_string())? {
            Welcomed::Same { shown, proven } => (shown, proven),
            Welcomed::Successor(shown) => {
                let notes =
                    welcome.successor.as_ref().map(|successor| &successor.notes[..]).unwrap_or_default();
                identity.succeed(notes).map_err(|error| error.to_string())?;
                evidence.turn_to(identity.known_ledger()).map_err(|error| error.to_string())?;
                self.unanswered = None;
                let now = (client.clock)();
                client.witness.turn_to(&identity.ledger(), now).map_err(|error| error.to_string())?;
                tracing::warn!(
                    ledger = shown.origin,
                    "the hub's ledger has a successor, signed by the recovery key"
                );
                (shown, true)
            }
        };
        if proven && seen.as_ref() != Some(&shown) {
            self.keep_seen(&welcome.ledger_checkpoint);
        }
        client.witness.welcomed(&identity.ledger(), welcome, &shown, proven);
        if std::mem::take(&mut self.estranged) {
            self.status.send_modify(|status| status.alarm = None);
        }
        self.hear_authority(&welcome.authority);
        match self.client.identity.trust_alone(welcome.authority_alone) {
            Ok(true) => tracing::info!("the authority of before is trusted no more"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "who is trusted cannot be kept"),
        }
        let (identity, clock) = (Arc::clone(&self.client.identity), self.client.clock);
        if let Some(connection) = &mut self.connection {
            if let Some(admit) = connection.admit.take() {
                let _ = admit.send(());
            }
            if let Some(asking) = connection.rpc.clone() {
                let (events, generation) = (self.events.clone(), self.generation);
                tokio::spawn(renew_and_say(asking, identity, clock, (events, generation)));
            }
        }
        Ok(())
    }

    /// Trusts another authority, if the recovery key has named it; what was trusted stays otherwise.
    pub(super) fn hear_authority(&self, note: &str) -> bool {
        if note.is_empty() {
            return false;
        }
        match self.client.identity.trust(note) {
            Ok(new) => {
                if new {
                    tracing::warn!(
                        "another authority of certificates is trusted, signed for by the recovery key"
                    );
                }
                new
            }
            Err(error) => {
                tracing::error!(%error, "what came as another authority is refused");
                let alarm = format!(
                    "tỉnh gửi gốc chứng nhận không do khóa khôi phục ký, không nhận: gọi tỉnh · an authority that the recovery key did not sign for was refused: call the province ({error})"
                );
                self.status.send_modify(|status| status.alarm = Some(alarm));
                false
            }
        }
    }

    /// The longest checkpoint of the ledger known that was seen, and its note.
    pub(super) fn seen(&self) -> Option<(Checkpoint, String)> {
        let ledger = self.client.identity.ledger();
        longest_seen(&self.client.evidence, &self.client.witness, ledger.origin.as_str())
    }

    pub(super) fn keep_seen(&self, note: &str) {
        if let Err(error) = self.client.evidence.keep_seen(note) {
            tracing::warn!(%error, "the ledger's checkpoint cannot be kept");
        }
    }

    /// Cosigns a round of the ledger, unless it is not the one known.
    pub(super) fn round(&mut self, round: &wire::Round) -> Result<(), String> {
        let client = &self.client;
        let seen = self.seen().map(|(seen, _)| seen);
        let (ledger, now) = (client.identity.ledger(), (client.clock)());
        judge_rolls(&client.witness, &client.identity, &client.evidence, round, (seen.as_ref(), now));
        let judged = client.witness.round(&ledger, round, seen.as_ref(), now);
        let (cosigned, checkpoint) = judged.map_err(|fault| fault.to_string())?;
        if checkpoint.is_some_and(|checkpoint| seen.is_none_or(|seen| checkpoint.size > seen.size)) {
            self.keep_seen(&round.checkpoint);
        }
        self.send(wire::up::Message::Cosigned(cosigned));
        self.ask_again();
        Ok(())
    }

    /// The hub's ledger is refused: kept with both checkpoints, told, and nothing goes there.
    pub(super) fn estranged(&mut self, fault: String, shown: String) -> Event {
        self.alarm(&fault);
        let known = self.seen().map(|(_, note)| note).unwrap_or_default();
        let rpc = self.connection.as_ref().and_then(|connection| connection.rpc.clone());
        let refusal = RefusalLine {
            at: (self.client.clock)().0,
            reason: fault,
            known,
            shown,
            ..RefusalLine::default()
        };
        refuse(&self.client.evidence, rpc, refusal);
        Event::Estranged
    }

    /// The hub is not the one known: loud, and nothing goes there.
    pub(super) fn alarm(&mut self, fault: &str) {
        tracing::error!(fault, "the hub's ledger is refused: nothing is sent");
        self.estranged = true;
        let alarm = format!(
            "sổ cái của tỉnh không phải sổ đã biết, không gửi gì; hãy gọi tỉnh: {fault} · \
             the province's ledger is not the one known, nothing is sent; call the province: {fault}"
        );
        self.status.send_modify(|status| status.alarm = Some(alarm));
    }

    /// Keeps the further keys of receipts that the ledger names; what was known stays otherwise.
    pub(super) fn take_receipt_keys(&self, came: &wire::ReceiptKeys) {
        let identity = &self.client.identity;
        let shown = shown_keys(came, &identity.ledger(), &identity.cosigner_name());
        let kept = shown
            .map_err(|error| error.to_string())
            .and_then(|keys| identity.name_receipt_keys(keys).map_err(|error| error.to_string()));
        match kept {
            Ok(false) => {}
            Ok(true) => tracing::warn!("the province's receipts have another key, its ledger says"),
            Err(error) => {
                tracing::error!(error, "what came as keys of receipts is refused");
                let alarm = format!(
                    "tỉnh gửi khóa biên nhận không có trong sổ cái, không nhận: gọi tỉnh · keys of receipts that are not in the ledger were refused: call the province ({error})"
                );
                self.status.send_modify(|status| status.alarm = Some(alarm));
            }
        }
    }

    /// Keeps a receipt whose cosignature holds over our own checkpoint of that size, if it is news; nothing if it is not
    /// believed.
    pub(super) fn keep_receipt(&self, receipt: &wire::Receipt) -> Option<bool> {
        let client = &self.client;
        if client.evidence.last_receipt().is_some_and(|kept| kept.size >= receipt.size) {
            return Some(false);
        }
        let name = client.identity.cosigner_name();
        let cosigner = (name.as_str(), client.identity.cosigner_key(&receipt.cosignature));
        let verified = verify_receipt(receipt, &client.builder, client.identity.origin(), cosigner);
        let checkpoint = match verified {
            Ok(Some(checkpoint)) => checkpoint,
            Ok(None) => return None,
            Err(error) => {
                tracing::error!(%error, size = receipt.size, "the hub's receipt does not hold");
                return None;
            }
        };
        let line = ReceiptLine {
            ledger: None,
            size: receipt.size,
            checkpoint: checkpoint.body(),
            cosignature: receipt.cosignature.clone(),
            ledger_index: receipt.ledger_index,
            at: receipt.at_millis,
            proven: false,
        };
        let before = client.evidence.last_receipt().map_or(0, |kept| kept.size);
        if let Err(error) = client.evidence.keep_receipt(line) {
            tracing::error!(%error, "a receipt cannot be kept");
        }
        let replica = client.identity.replica();
        client.captures.acknowledged(replica, before, receipt.size, receipt.ledger_index);
        Some(true)
    }

    /// What was sent in this session, or the one before, was not taken before it began: by when a batch was taken an agency is
    /// shown how much of a log may be missing. Whether it is dated as it should be.
    pub(super) fn judge_date(&mut self, receipt: &wire::Receipt) -> bool {
        let Some((began, _)) = self.welcomed.filter(|(_, held)| receipt.size > *held) else { return true };
        let at = UnixMillis(receipt.at_millis);
        let fault = (began.since(at) > BACK_MILLIS_MAX).then(|| {
            let (at, began) = (at.rfc3339(), began.rfc3339());
            let size = receipt.size;
            format!("what was sent up to entry {size} is said to be taken at {at}, before the session began, at {began}")
        });
        let now = (self.client.clock)();
        let news = self.client.witness.found_dated(fault.clone());
        let news = news.unwrap_or_else(|error| {
            tracing::error!(%error, "what was judged of a receipt cannot be kept");
            true
        });
        let Some(reason) = fault else { return true };
        // Its clock may have been set right: the next welcome says when that begins.
        self.welcomed = None;
        if !news {
            return false;
        }
        tracing::error!(reason, "this node gives no cosignature");
        let known = self.client.evidence.last_receipt();
        let known = known.and_then(|receipt| serde_json::to_string(&receipt).ok()).unwrap_or_default();
        let refusal = RefusalLine { at: now.0, reason, known, ..RefusalLine::default() };
        if let Err(error) = self.client.evidence.keep_refusal(&refusal) {
            tracing::error!(%error, "the receipt with a false date cannot be kept");
        }
        false
    }

    /// A session begins, by the hub's clock, and no earlier than the witnesses had come to.
    pub(super) fn begins(&mut self, clock: UnixMillis, held: u64) {
        let witnessed = self.client.witness.witnessed_at().unwrap_or_default();
        let began = clock.max(UnixMillis(witnessed.0.saturating_sub(BACK_MILLIS_MAX)));
        self.welcomed = Some((began, held));
    }

    /// Keeps what the province tells of this unit's records.
    pub(super) fn hear(&self, quality: &wire::Quality) -> Result<(), String> {
        let told: Result<Vec<Told>, _> = quality.told.iter().map(|told| Told::decode(told)).collect();
        let told = told.map_err(|malformed| malformed.to_string())?;
        let cursor = ToldCursor { epoch: quality.epoch, next: quality.next };
        let telling = Telling { cursor, anew: quality.anew, told };
        self.client.quality.hear(&telling).map_err(|error| error.to_string())
    }

    /// What the province dropped of an own change goes from here too; noted before the notice is taken.
    fn drop_forbidden(&self, notice: &NoticeLine) -> Result<(), erasing::ListError> {
        let client = &self.client;
        if !notice.drops() {
            return Ok(());
        }
        let log = (client.replica.reader(), client.identity.replica());
        let place = [Sequence(notice.sequence)];
        if erasing::drop_forbidden(&client.data, log, place)? {
            tracing::warn!("what may not enter the system is dropped from this log too");
            client.superseded.cancel();
        }
        Ok(())
    }

    pub(super) fn keep_notice(&self, notice: wire::Notice) {
        let line = NoticeLine {
            ledger: None,
            number: notice.number,
            at: notice.at_millis,
            kind: notice.kind,
            sequence: notice.sequence,
            reason: notice.reason,
            record_type: notice.record_type,
            vi: notice.vi,
            en: notice.en,
        };
        let noted = self.drop_forbidden(&line).map_err(|error| error.to_string());
        match noted.and_then(|()| self.client.evidence.keep_notice(line).map_err(|error| error.to_string())) {
            Ok(()) => {
                let cursor = self.client.evidence.notice_cursor();
                // A full queue loses only the acknowledgement: the hub then sends the notice again.
                self.send(wire::up::Message::NoticesTaken(wire::NoticesTaken { cursor }));
            }
            Err(error) => tracing::error!(%error, "a notice cannot be kept"),
        }
    }

    pub(super) fn take_catalogue(&self, came: wire::Catalogue) {
        let identity = &self.client.identity;
        let bundle = Bundle { note: came.note, packed: came.packed.to_vec() };
        let ledger = identity.ledger();
        match self.client.shelf.take(&bundle, (&ledger.origin.to_string(), ledger.key)) {
            Ok(Taken::New(published)) => {
                tracing::info!(number = published.number, "a new catalogue came and will be in force");
                self.client.superseded.cancel();
            }
            Ok(Taken::Known) => {}
            Ok(Taken::Refused(published, why)) => tracing::error!(
                number = published.number,
                why,
                "the published catalogue is not understood: this program is too old for it"
            ),
            Err(error) => tracing::error!(%error, "what came as a catalogue is refused"),
        }
    }

    pub(super) fn take_erasure(&mut self, came: &wire::Erasure) {
        let ledger = self.client.identity.ledger();
        let verified = erasing::verified(came, (ledger.origin.as_str(), ledger.key));
        let (kept, erasure) = match verified {
            Ok(verified) => verified,
            Err(error) => {
                tracing::error!(%error, "what came as an erasure is not in the ledger: refused");
                return;
            }
        };
        let (reader, replica) = (self.client.replica.reader(), self.client.identity.replica());
        if let Some(dot) = erasing::beyond(reader, replica, &erasure) {
            let (order, sequence) = (&erasure.order.number, dot.sequence);
            tracing::error!(order, %sequence, "an erasure names more of this log than its order covers: refused");
            let alarm = format!(
                "lệnh xóa {order} muốn xóa ở mục {sequence} nhiều hơn điều lệnh ghi: không thực hiện; hãy gọi tỉnh · \
                 order {order} would erase more of entry {sequence} than it says: it is not carried out; call the province"
            );
            self.status.send_modify(|status| status.alarm = Some(alarm));
            return;
        }
        let taken = self.client.erasures.write().keep(kept, erasure);
        match taken {
            Ok(erasing::Taken::New) => {
                tracing::warn!("an erasure was ordered: it is carried out at once");
                self.client.superseded.cancel();
            }
            Ok(erasing::Taken::Known) => {}
            Err(error) => tracing::error!(%error, "an erasure cannot be kept; the hub tells it again"),
        }
    }
}
