//! The books' part about what replicas are told.

use lienthong_node::dataset::EntryAt;
use lienthong_node::store::{Batch, Keyspace};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{Dot, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::Verdict;
use serde::{Deserialize, Serialize};

use super::quarantined::encode_number;
use super::{Books, Quarantined};
use crate::ingest::{Content, Decided, separated};

/// Notices of one acceptance are numbered below the next acceptance's.
pub(super) const NOTICES_PER_ENTRY: u64 = 4_096;

/// Something a replica must be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeEntry {
    /// Grows for each replica.
    pub number: u64,
    /// The hub's time, milliseconds.
    pub at: u64,
    /// `QUARANTINED`, `RELEASED`, `PROPOSAL`.
    pub kind: String,
    /// The change, in the replica's log.
    pub sequence: u64,
    /// Reason class.
    pub reason: String,
    /// The record's type.
    pub record_type: String,
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Books {
    /// How many notices there are in all.
    #[must_use]
    pub fn notice_count(&self) -> u64 {
        self.notices.values().map(|notices| notices.len() as u64).sum()
    }

    /// The notices of a replica from a number on.
    #[must_use]
    pub fn notices_from(&self, replica: ReplicaId, from: u64) -> Vec<NoticeEntry> {
        let notices = self.notices.get(&replica).map_or(&[][..], Vec::as_slice);
        notices.iter().filter(|notice| notice.number >= from).cloned().collect()
    }

    /// What got a record of its own waits no more.
    pub(super) fn note_separation(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        for (number, quarantined) in (0..NOTICES_PER_ENTRY).zip(separated(event)) {
            let Some(waiting) = self.take_back(quarantined) else { continue };
            view.delete(Keyspace::Quarantine, &encode_number(quarantined));
            let notice = NoticeEntry {
                number: place.0 * NOTICES_PER_ENTRY + number,
                at: event.at.0,
                kind: "RELEASED".to_owned(),
                sequence: waiting.dot.sequence.0,
                reason: waiting.reason.code().to_owned(),
                record_type: waiting.record_type.clone(),
                vi: "hai người cùng một số: bản ghi của đơn vị được tách thành bản ghi riêng".to_owned(),
                en: "two people with one number: what your unit stated has a record of its own".to_owned(),
            };
            self.tell(waiting.dot.replica, notice, view);
        }
    }

    /// Tells everybody whose words a decision answers, and the owner of its record.
    pub(super) fn note_decision(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        let Some(decided) = Decided::of(event) else { return };
        let mut told: Vec<(ReplicaId, u64, (&str, &str))> = Vec::new();
        for answered in &decided.answered {
            let words = if answered.taken {
                ("tỉnh đã chọn giá trị đơn vị gửi", "the province chose the value your unit stated")
            } else {
                (
                    "tỉnh đã chọn giá trị khác với giá trị đơn vị gửi",
                    "the province chose another value than your unit stated",
                )
            };
            told.push((answered.dot.replica, answered.dot.sequence.0, words));
        }
        let words = (
            "tỉnh đã quyết định về một bản ghi của đơn vị",
            "the province decided about a record of your unit",
        );
        let owners = self.replicas.iter().filter(|(_, held)| Some(&held.unit) == decided.owner.as_ref());
        let owners = owners
            .map(|(replica, _)| *replica)
            .filter(|replica| !decided.answered.iter().any(|answered| answered.dot.replica == *replica));
        told.extend(owners.map(|replica| (replica, 0, words)));
        for (number, (replica, sequence, (vi, en))) in (0..NOTICES_PER_ENTRY).zip(told) {
            let notice = NoticeEntry {
                number: place.0 * NOTICES_PER_ENTRY + number,
                at: event.at.0,
                kind: "DECISION".to_owned(),
                sequence,
                reason: "DECISION".to_owned(),
                record_type: decided.record_type.clone(),
                vi: vi.to_owned(),
                en: en.to_owned(),
            };
            self.tell(replica, notice, view);
        }
    }

    /// Books a verdict other than *applied*: the quarantine, and what the writer is told.
    #[allow(clippy::too_many_arguments)]
    pub fn note_verdict(
        &mut self,
        unit: &UnitCode,
        acceptance: &Acceptance,
        content: &Content,
        verdict: &Verdict,
        ledger_index: u64,
        at: EntryAt,
        view: &mut Batch,
    ) {
        let sequence = acceptance.first.0 + u64::from(at.index);
        let (record_type, record) = match content {
            Content::Change(change) => (change.record_type.clone(), Some(change.record)),
            _ => (String::new(), None),
        };
        let (kind, reason, vi, en) = match verdict {
            Verdict::Applied => return,
            Verdict::Proposal => (
                "PROPOSAL",
                "PROPOSAL",
                "chờ xử lý: bản ghi này do đơn vị khác quản lý".to_owned(),
                "waiting: another unit keeps this record".to_owned(),
            ),
            Verdict::Quarantined(reason) => {
                let waiting = Quarantined {
                    dot: Dot { replica: acceptance.replica, sequence: Sequence(sequence) },
                    unit: unit.clone(),
                    reason: *reason,
                    record_type: record_type.clone(),
                    record,
                    accepted_at: acceptance.at,
                    at,
                };
                let number = (ledger_index, at.index);
                view.put(Keyspace::Quarantine, &encode_number(number), &waiting.encode());
                self.put_aside(number, waiting);
                ("QUARANTINED", reason.code(), reason.vi().to_owned(), reason.en().to_owned())
            }
        };
        let notice = NoticeEntry {
            number: ledger_index * NOTICES_PER_ENTRY + u64::from(at.index),
            at: acceptance.at.0,
            kind: kind.to_owned(),
            sequence,
            reason: reason.to_owned(),
            record_type,
            vi,
            en,
        };
        self.tell(acceptance.replica, notice, view);
    }

    /// A change left quarantine.
    pub fn released(
        &mut self,
        number: (u64, u16),
        waiting: &Quarantined,
        ledger_index: u64,
        at: UnixMillis,
        view: &mut Batch,
    ) {
        self.take_back(number);
        view.delete(Keyspace::Quarantine, &encode_number(number));
        let notice = NoticeEntry {
            number: ledger_index * NOTICES_PER_ENTRY,
            at: at.0,
            kind: "RELEASED".to_owned(),
            sequence: waiting.dot.sequence.0,
            reason: waiting.reason.code().to_owned(),
            record_type: waiting.record_type.clone(),
            vi: "tỉnh đã nhập bản ghi này".to_owned(),
            en: "the province has merged this record".to_owned(),
        };
        self.tell(waiting.dot.replica, notice, view);
    }
}
