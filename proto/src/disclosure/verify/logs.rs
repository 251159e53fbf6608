//! The logs of a bundle: each leads to the root its writer signed and the ledger accepted.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Checked, LogState, Object, OpenLog, Verification, log_object};
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::disclosure::facts::{Accepted, Enrolment};
use crate::disclosure::line::{LogHead, Proof};
use crate::disclosure::{covered_edge, covered_root};
use crate::hash::Digest;
use crate::ids::UnitCode;
use crate::receipt_key::receipt_seconds;
use crate::roll::{AHEAD_MILLIS_MAX, Member, ROLL_MILLIS_MAX};
use crate::time::UnixMillis;

/// A replica that writes signs once a day for how many changes there are; so long may the last such word lie behind
/// what the province took last.
const UNSIGNED_MILLIS_MAX: u64 = 48 * 3_600_000;

impl Verification<'_> {
    pub(super) fn open(&mut self, log: LogHead) -> Checked<()> {
        let object = log_object(&log.origin);
        let begun = self.begun()?;
        let origin: Origin =
            log.origin.parse().map_err(|_| object.with("tên nhật ký sai", "the log's name is malformed"))?;
        if self.read.contains(&log.origin) {
            return Err(object.with("lặp lại", "it stands twice"));
        }
        let known = self.progress.log(&log.origin).map_or(0, |known| known.size);
        if log.size < known || (self.at == At::Logs && log.size == known) {
            return Err(object.with("không dài hơn lần trước", "it is no longer than before"));
        }
        let (accepted, enrolled, root) = if self.at == At::Ledger {
            let cut = begun.cut.signed.checkpoint();
            if origin != begun.origin || log.size != cut.size || log.accepted.is_some() {
                return Err(object.with("phải là sổ cái của gói", "it must be the bundle's ledger"));
            }
            (None, None, cut.root)
        } else {
            let (enrolment, accepted) = self.accepted_log(&log, &origin, &object)?;
            (Some((accepted.index, accepted.at)), Some(enrolment.at), accepted.root)
        };
        // Taken, not copied; it goes back when the log ends.
        let known = self.progress.logs.iter_mut().find(|known| known.origin == origin);
        let known = known.map(|known| std::mem::replace(known, LogState::new(origin.clone())));
        let mut state = known.unwrap_or_else(|| LogState::new(origin));
        (state.accepted, state.enrolled) = (accepted, enrolled);
        self.read.insert(log.origin);
        self.log = Some(OpenLog { state, size: log.size, root, leaves: Vec::new() });
        Ok(())
    }

    /// A replica's log as the ledger has accepted it: under its own signature, by the key of its enrolment.
    fn accepted_log(
        &self,
        log: &LogHead,
        origin: &Origin,
        object: &Object,
    ) -> Checked<(&Enrolment, &Accepted)> {
        let enrolment = self.progress.facts.enrolled.get(&origin.replica());
        let enrolment = enrolment.filter(|enrolment| enrolment.unit == *origin.unit());
        let enrolment = enrolment.ok_or_else(|| {
            object.with("máy này không có trong sổ cái", "its replica is not enrolled in the ledger")
        })?;
        let accepted = self.progress.facts.accepted.get(&origin.replica());
        let mut accepted = accepted.into_iter().flat_map(BTreeMap::values);
        let accepted =
            accepted.find(|accepted| Some(accepted.index) == log.accepted && accepted.size == log.size);
        let accepted = accepted.ok_or_else(|| {
            object.with("sổ cái không có lần nhận này", "the ledger has no such acceptance")
        })?;
        let named = Object(format!("điểm kiểm của {0} · the checkpoint of {0}", log.origin));
        let signed = SignedCheckpoint::verify(accepted.checkpoint.as_bytes(), &log.origin, enrolment.key);
        let signed = signed.map_err(|error| {
            named.with(
                &format!("chữ ký của máy không đúng ({error})"),
                &format!("not signed by its replica ({error})"),
            )
        })?;
        let head = signed.checkpoint();
        if head.size != accepted.size || head.root != accepted.root {
            return Err(
                named.with("khác với lần nhận trong sổ cái", "it differs from its acceptance in the ledger")
            );
        }
        let receipt = log
            .receipt
            .as_deref()
            .ok_or_else(|| named.with("thiếu biên nhận của tỉnh", "the province's receipt is missing"))?;
        let first = || self.trust.cosigned(head, receipt);
        let dated = receipt_seconds(receipt) == Some(accepted.at.seconds());
        if !dated || !self.progress.facts.receipt_keys.hold(receipt, head, first) {
            return Err(named.with(
                "biên nhận của tỉnh không đúng, hoặc chính sách tin cậy không nêu khóa của nó",
                "the province's receipt does not hold, or the trust policy does not name its key",
            ));
        }
        Ok((enrolment, accepted))
    }

    pub(super) fn close(&mut self, proof: &Proof) -> Checked<()> {
        let Some(OpenLog { mut state, size, root, leaves }) = self.log.take() else { return Ok(()) };
        let object = log_object(state.origin.as_str());
        let hashes: Vec<Digest> = proof.hashes.iter().map(|hash| hash.0).collect();
        let found = if self.live {
            covered_edge(&state.edge, size, &leaves, &hashes).map(|edge| {
                state.edge = edge;
                state.edge.root()
            })
        } else {
            covered_root(size, &leaves, &hashes)
        };
        if found != Ok(root) {
            return Err(object.with(
                "các mục và bằng chứng không dẫn đến gốc đã ký",
                "its entries and proof do not lead to the signed root",
            ));
        }
        state.size = size;
        if self.at == At::Ledger {
            // The hub alone had signed for it then; now it stands under what the witnesses have seen.
            if self.progress.access.is_some_and(|access| leaves.binary_search(&access).is_err()) {
                return Err(Object("ghi nhận lần giao trước · the record of the last delivery".to_owned())
                    .with("không có trong sổ cái", "it is not in the ledger"));
            }
            self.check_grant()?;
            self.at = At::Logs;
        } else {
            let signed = state.signed_for.or(state.enrolled);
            let accepted = state.accepted.map(|(_, at)| at);
            let behind = accepted.zip(signed).map_or(0, |(accepted, signed)| accepted.since(signed));
            // Behind which nothing stands, nothing is left out, however long ago it was.
            let is_all_signed = state.signed_by.is_some_and(|place| place + 1 == size);
            if behind > UNSIGNED_MILLIS_MAX && !is_all_signed {
                return Err(object.with(
                    "máy ghi chưa ký số lượng của phần cuối: không chứng minh được là đủ",
                    "its writer's count of what it wrote is not shown for its later part: it is not shown to be complete",
                ));
            }
        }
        match self.progress.logs.iter_mut().find(|known| known.origin == state.origin) {
            Some(known) => *known = state,
            None => self.progress.logs.push(state),
        }
        Ok(())
    }

    fn check_grant(&mut self) -> Checked<()> {
        let begun = self.begun()?;
        let object = Object(format!("giấy cấp quyền số {0} · grant {0}", begun.head.grant));
        let (Some((proposer, terms)), Some(approver)) =
            (self.progress.facts.proposed.clone(), self.progress.facts.approved.clone())
        else {
            return Err(object.with(
                "không thấy đề nghị và phê duyệt trong sổ cái",
                "its proposal and approval are not in the ledger",
            ));
        };
        if terms != begun.head.terms {
            return Err(object.with("khác với bản trong sổ cái", "its terms are not those of the ledger"));
        }
        if proposer == approver {
            return Err(
                object.with("người đề nghị cũng là người duyệt", "one and the same proposed and approved it")
            );
        }
        self.granted_by = Some((proposer, approver));
        Ok(())
    }

    /// Every replica the ledger has of the granted units is shown, as far as it was held when the units were listed; and none
    /// that the list does not have, for each unit's nodes have judged their own line of it. `at` is when this was handed over.
    pub(super) fn check_roll(&self, at: UnixMillis) -> Checked<()> {
        let object = Object("danh sách máy của các đơn vị · the list of the units' replicas".to_owned());
        let terms = self.granted()?;
        let roll = &self.progress.facts.roll;
        let called = roll.at.unwrap_or_default();
        if called.0 > at.0.saturating_add(AHEAD_MILLIS_MAX) {
            return Err(object.with(
                &format!("ghi là lập lúc {}, sau lần giao này", called.rfc3339()),
                &format!("it is dated {}, behind this delivery", called.rfc3339()),
            ));
        }
        if at.since(called) > ROLL_MILLIS_MAX {
            return Err(object.with(
                &format!("lập từ {}, quá cũ: không chứng minh được là đủ", called.rfc3339()),
                &format!(
                    "it is of {}, too old: nothing shows that what came since is there",
                    called.rfc3339()
                ),
            ));
        }
        let begun = self.begun()?;
        if begun.cut.signed.checkpoint().roll != Some(roll.place) {
            return Err(object.with(
                "không phải danh sách mà điểm kiểm của sổ cái nêu, danh sách các máy làm chứng đã kiểm",
                "it is not the one that the ledger's checkpoint names, which the witnesses have judged",
            ));
        }
        // Its date is the hub's word. What the witnesses had seen by then does not have it yet: that is theirs.
        let seen = begun.before_roll.as_ref();
        let seen = seen.filter(|seen| seen.signed.checkpoint().size <= roll.place);
        let is_of_late = |seen| self.trust.is_within(seen, at, ROLL_MILLIS_MAX / 1_000);
        if self.trust.asks_witnesses() && !seen.is_some_and(is_of_late) {
            return Err(object.with(
                "không có túc số nhân chứng nào cho thấy danh sách được lập trong 48 giờ trước lần giao",
                "no quorum of witnesses shows that it was called within the 48 hours before this delivery",
            ));
        }
        for log in &self.progress.logs {
            if log.origin != begun.origin {
                self.check_listed(log)?;
            }
        }
        let all = terms.shares.iter().any(|share| share.units.is_empty());
        if all && !roll.is_whole() {
            return Err(object.with("không đủ", "it is not whole"));
        }
        let named: BTreeSet<&UnitCode> = terms.shares.iter().flat_map(|share| &share.units).collect();
        if let Some(unit) = named.iter().find(|unit| roll.line(unit).is_none()) {
            return Err(
                object.with(&format!("không có đơn vị {unit}"), &format!("it does not have unit {unit}"))
            );
        }
        for (unit, line) in roll.units.iter().filter(|(unit, _)| terms.covers_unit(unit)) {
            for Member { replica, size: held, .. } in line.iter().flatten().filter(|it| it.size > 0) {
                let shown = self
                    .progress
                    .logs
                    .iter()
                    .find(|log| log.origin.replica() == *replica && log.origin.unit() == unit);
                if shown.is_none_or(|log| log.size < *held) {
                    let object = Object(format!("máy {replica} của {unit} · replica {replica} of {unit}"));
                    return Err(object.with(
                        &format!("sổ cái ghi có {held} mục nhưng gói không có đủ"),
                        &format!("the ledger has {held} entries of it, the bundle does not"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// A log is the one that its unit's line speaks of: by its key, and accepted where the line has it.
    fn check_listed(&self, log: &LogState) -> Checked<()> {
        let (object, facts) = (log_object(log.origin.as_str()), &self.progress.facts);
        let replica = log.origin.replica();
        let line = facts.roll.line(log.origin.unit());
        let member = line.and_then(|line| line.iter().find(|member| member.replica == replica));
        let member = member.ok_or_else(|| {
            object.with(
                "máy này không có trong danh sách máy của đơn vị",
                "its replica is not in the list of its unit's",
            )
        })?;
        if member.key.is_none() || member.key != facts.enrolled.get(&replica).map(|enrolment| enrolment.key) {
            return Err(object.with(
                "khóa của máy khác với khóa trong danh sách máy của đơn vị",
                "its key is not the one in the list of its unit's replicas",
            ));
        }
        let accepted = Some((member.accepted, member.at));
        if member.size > 0 && facts.accepted_at(replica, member.size) != accepted {
            return Err(object.with(
                "lần nhận khác với lần nhận trong danh sách máy của đơn vị",
                "it was not accepted where and when the list of its unit's replicas has it",
            ));
        }
        // What came behind the list no node has judged yet: it is not of before it.
        let called = UnixMillis(facts.roll.at.unwrap_or_default().0.saturating_sub(AHEAD_MILLIS_MAX));
        if facts.is_taken_before(replica, member.size, called) {
            return Err(object.with(
                "nhận sau khi lập danh sách máy mà ghi ngày trước đó",
                "it was accepted behind the list of its unit's replicas, and is dated before it",
            ));
        }
        Ok(())
    }
}
