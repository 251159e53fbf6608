//! The books beside the dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_node::dataset::EntryAt;
use lienthong_node::log::FramePosition;
use lienthong_node::quality::{WaiverStep, Waivers, delete_waiver, put_waiver};
use lienthong_node::replica::{Fed, feed_taken};
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_node::sync::SUCCESSION;
use lienthong_proto::catalogue::Published;
use lienthong_proto::disclosure::event::ROLL;
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::lineage::Lineage;
use lienthong_proto::merkle::{EMPTY_ROOT, Frontier};
use lienthong_proto::quality::Waiver;
use lienthong_proto::receipt_key::RECEIPT_KEY;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use serde::{Deserialize, Serialize};

use super::{
    ImportLine, Imports, NamedKeys, Orders, READMISSION, Readings, Sharing, Standing, Witnesses, catalogues,
};
use crate::ingest::{Content, Decided, separated};
use crate::witness::Rolls;

/// What the ledger holds of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldReplica {
    /// Its unit.
    pub unit: UnitCode,
    /// The right edge of its tree.
    pub frontier: Frontier,
    /// Its root.
    pub root: Digest,
    /// Its own signed checkpoint; empty while nothing is held.
    pub checkpoint: String,
    /// The ledger's entry of the last acceptance.
    pub ledger_index: u64,
    /// When that was.
    pub at: UnixMillis,
    /// Its last imports.
    pub imports: Imports,
    /// Up to where it has said it took the feed.
    pub fed: Fed,
}

/// A change in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The change.
    pub dot: Dot,
    /// Whose.
    pub unit: UnitCode,
    /// Why.
    pub reason: QuarantineReason,
    /// The record's type, if readable.
    pub record_type: String,
    /// The record, if readable.
    pub record: Option<RecordId>,
    /// When the hub took it.
    pub accepted_at: UnixMillis,
    /// Where it stands.
    pub at: EntryAt,
}

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

/// Everything the hub must know of its replicas at hand.
#[derive(Debug, Default)]
pub struct Books {
    /// By replica.
    pub replicas: BTreeMap<ReplicaId, HeldReplica>,
    /// By place in the ledger: acceptance, entry.
    pub quarantine: Arc<BTreeMap<(u64, u16), Quarantined>>,
    /// By replica, in order.
    pub notices: Arc<BTreeMap<ReplicaId, Vec<NoticeEntry>>>,
    /// By number: those that were not ended, expired ones among them.
    pub waivers: Arc<BTreeMap<u64, Waiver>>,
    /// The course of units.
    pub lineage: Arc<Lineage>,
    /// Records whose unit may have to be another by a step: written for a unit that has ended, or that gives a
    /// part away. The writer's alone.
    pub(crate) strays: BTreeSet<(String, RecordId)>,
    /// Who reads what beside its owner. The writer's alone.
    pub(crate) readings: Readings,
    /// The rolls its nodes judge.
    pub rolls: Arc<Rolls>,
    /// Whom this ledger follows, and whether that was confirmed.
    pub succession: Standing,
    /// The catalogue that was published last.
    pub catalogue: Option<Published>,
    /// Who may receive, and what was granted.
    pub sharing: Sharing,
    /// Orders to erase.
    pub orders: Orders,
    /// Who witnesses this ledger.
    pub witnesses: Arc<Witnesses>,
    /// The keys of receipts.
    pub receipt_keys: Arc<NamedKeys>,
    /// How many changes of each unit wait in quarantine. The writer's alone.
    waiting: BTreeMap<UnitCode, usize>,
    news: News,
    pub(super) changed: bool,
}

/// What readers were not handed yet of what grows with units and records: a commit costs what it changed, not what
/// there is.
#[derive(Debug, Default)]
struct News {
    replicas: BTreeSet<ReplicaId>,
    quarantine: BTreeSet<(u64, u16)>,
    notices: Vec<(ReplicaId, NoticeEntry)>,
}

/// Notices of one acceptance are numbered below the next acceptance's.
pub(super) const NOTICES_PER_ENTRY: u64 = 4_096;

impl HeldReplica {
    /// A replica of `unit` of which nothing is held yet.
    #[must_use]
    pub fn empty(unit: UnitCode) -> Self {
        Self {
            unit,
            frontier: Frontier::new(),
            root: EMPTY_ROOT,
            checkpoint: String::new(),
            ledger_index: 0,
            at: UnixMillis(0),
            imports: Imports::default(),
            fed: Fed::default(),
        }
    }
}

impl Books {
    /// Loads the books a view holds.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read; what is not understood is left out (a rebuild brings it back).
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut books = Self::default();
        view.scan_prefix(Keyspace::Replica, &[], &mut |key, bytes| {
            if let (Some(replica), Some(held)) = (ReplicaId::from_slice(key), decode_held(bytes)) {
                books.replicas.insert(replica, held);
            }
            true
        })?;
        view.scan_prefix(Keyspace::Quarantine, &[], &mut |key, bytes| {
            if let (Some(number), Some(waiting)) = (decode_number(key), decode_quarantined(bytes)) {
                books.put_aside(number, waiting);
            }
            true
        })?;
        let notices = Arc::make_mut(&mut books.notices);
        view.scan_prefix(Keyspace::Notice, &[], &mut |key, bytes| {
            let replica = key.get(..16).and_then(ReplicaId::from_slice);
            if let (Some(replica), Ok(notice)) = (replica, serde_json::from_slice(bytes)) {
                notices.entry(replica).or_default().push(notice);
            }
            true
        })?;
        books.succession = Standing::load(view)?;
        books.catalogue = catalogues::load(view)?;
        books.witnesses = Arc::new(Witnesses::load(view)?);
        books.receipt_keys = Arc::new(NamedKeys::load(view)?);
        let waivers = Waivers::load(view)?;
        books.waivers = Arc::new(waivers.iter().map(|waiver| (waiver.number, waiver.clone())).collect());
        books.sharing = Sharing::load(view)?;
        books.readings = Readings::load(view)?;
        books.rolls = Arc::new(Rolls::load(view)?);
        books.orders = Orders::load(view)?;
        books.load_lineage(view)?;
        Ok(books)
    }

    /// What readers have at the start: all but what only the writer needs, which may be much.
    #[must_use]
    pub(crate) fn for_readers(&mut self) -> Self {
        self.news = News::default();
        Self {
            replicas: self.replicas.clone(),
            quarantine: Arc::clone(&self.quarantine),
            notices: Arc::clone(&self.notices),
            ..self.small()
        }
    }

    /// What readers are handed at each commit: of replicas, quarantine and notices only what is new.
    pub(crate) fn hand_over(&mut self, readers: &mut Self) {
        let News { replicas, quarantine, notices } = std::mem::take(&mut self.news);
        let mut held = std::mem::take(&mut readers.replicas);
        held.extend(
            replicas.iter().filter_map(|replica| Some((*replica, self.replicas.get(replica)?.clone()))),
        );
        let mut waiting = std::mem::take(&mut readers.quarantine);
        for number in quarantine {
            match self.quarantine.get(&number) {
                Some(known) => drop(Arc::make_mut(&mut waiting).insert(number, known.clone())),
                None => drop(Arc::make_mut(&mut waiting).remove(&number)),
            }
        }
        let mut told = std::mem::take(&mut readers.notices);
        for (replica, notice) in notices {
            Arc::make_mut(&mut told).entry(replica).or_default().push(notice);
        }
        *readers = Self { replicas: held, quarantine: waiting, notices: told, ..self.small() };
    }

    /// What is small, or shared between the writer and readers.
    fn small(&self) -> Self {
        Self {
            replicas: BTreeMap::new(),
            quarantine: Arc::default(),
            notices: Arc::default(),
            waiting: BTreeMap::new(),
            news: News::default(),
            waivers: Arc::clone(&self.waivers),
            lineage: Arc::clone(&self.lineage),
            strays: BTreeSet::new(),
            readings: Readings::default(),
            rolls: Arc::clone(&self.rolls),
            succession: self.succession.clone(),
            catalogue: self.catalogue,
            sharing: self.sharing.clone(),
            orders: self.orders.clone(),
            witnesses: Arc::clone(&self.witnesses),
            receipt_keys: Arc::clone(&self.receipt_keys),
            changed: false,
        }
    }

    /// How many changes of a unit wait in quarantine.
    #[must_use]
    pub fn quarantined_of(&self, unit: &UnitCode) -> usize {
        self.waiting.get(unit).copied().unwrap_or(0)
    }

    /// Puts a change into quarantine.
    fn put_aside(&mut self, number: (u64, u16), waiting: Quarantined) {
        *self.waiting.entry(waiting.unit.clone()).or_default() += 1;
        self.news.quarantine.insert(number);
        Arc::make_mut(&mut self.quarantine).insert(number, waiting);
    }

    /// Takes a change out of quarantine, if it waits there.
    fn take_back(&mut self, number: (u64, u16)) -> Option<Quarantined> {
        let taken = Arc::make_mut(&mut self.quarantine).remove(&number)?;
        if let Some(count) = self.waiting.get_mut(&taken.unit) {
            *count = count.saturating_sub(1);
        }
        self.news.quarantine.insert(number);
        Some(taken)
    }

    /// What is held of a replica, to be changed.
    fn held_mut(&mut self, replica: ReplicaId) -> Option<&mut HeldReplica> {
        let held = self.replicas.get_mut(&replica)?;
        self.news.replicas.insert(replica);
        self.changed = true;
        Some(held)
    }

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

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Takes an event of the ledger, standing at `place`, into account.
    pub fn note_event(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
        match WaiverStep::of(event, place) {
            Some(WaiverStep::Begun(waiver)) => {
                put_waiver(&waiver, view);
                Arc::make_mut(&mut self.waivers).insert(waiver.number, waiver);
                self.changed = true;
            }
            Some(WaiverStep::Ended(number)) => {
                if let Some(waiver) = Arc::make_mut(&mut self.waivers).remove(&number) {
                    delete_waiver(&waiver.record, number, view);
                    self.changed = true;
                }
            }
            None => {}
        }
        self.note_decision(event, place, view);
        self.note_separation(event, place, view);
        self.note_lineage(event, place, view);
        self.note_reading(event, place, view);
        self.changed |= self.succession.note(event, place, view);
        self.changed |= self.sharing.note(event, place, view);
        if event.kind == ROLL {
            self.changed |= Arc::make_mut(&mut self.rolls).note(event, place, view);
        }
        self.changed |= self.orders.note(event, place, view);
        if let Some(published) = catalogues::note(event, view) {
            self.catalogue = Some(published);
            self.changed = true;
        }
        if Witnesses::concerns(event) {
            Arc::make_mut(&mut self.witnesses).note(event, place, view);
            self.changed = true;
        }
        if event.kind == RECEIPT_KEY {
            self.changed |= Arc::make_mut(&mut self.receipt_keys).note(event, place, view);
        }
        // A former ledger is held like a replica of the province.
        if ["enrolment", READMISSION, SUCCESSION.0].contains(&event.kind.as_str())
            && let (Some(Value::Text(replica)), Some(Value::Unit(unit))) =
                (event.fields.get("replica"), event.fields.get("unit"))
            && let Ok(replica) = replica.parse::<ReplicaId>()
        {
            let held = self.replicas.entry(replica).or_insert_with(|| HeldReplica::empty(unit.clone()));
            view.put(Keyspace::Replica, &replica.0, &encode_held(held));
            self.news.replicas.insert(replica);
            self.changed = true;
        }
    }

    /// What got a record of its own waits no more.
    fn note_separation(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
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
    fn note_decision(&mut self, event: &Event, place: Sequence, view: &mut Batch) {
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

    /// Takes an accepted entry into account, whatever its verdict.
    pub fn note_content(
        &mut self,
        _unit: &UnitCode,
        acceptance: &Acceptance,
        content: &Content,
        index: u16,
        view: &mut Batch,
    ) {
        let Content::Event(event) = content else { return };
        self.changed |= self.orders.hear(acceptance.replica, event, view);
        if let Some((_, fed)) = feed_taken(event)
            && let Some(held) = self.held_mut(acceptance.replica)
        {
            held.fed = held.fed.heard(fed);
        }
        let sequence = acceptance.first.0 + u64::from(index);
        if let Some(import) = ImportLine::of(event, sequence)
            && let Some(held) = self.held_mut(acceptance.replica)
        {
            held.imports.take_in(import);
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
                view.put(Keyspace::Quarantine, &encode_number(number), &encode_quarantined(&waiting));
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

    pub(super) fn tell(&mut self, replica: ReplicaId, notice: NoticeEntry, view: &mut Batch) {
        let mut key = replica.0.to_vec();
        key.extend_from_slice(&notice.number.to_be_bytes());
        if let Ok(bytes) = serde_json::to_vec(&notice) {
            view.put(Keyspace::Notice, &key, &bytes);
        }
        self.news.notices.push((replica, notice.clone()));
        Arc::make_mut(&mut self.notices).entry(replica).or_default().push(notice);
        self.changed = true;
    }

    /// What is held of a replica, after an acceptance.
    pub fn hold(
        &mut self,
        replica: ReplicaId,
        held: HeldReplica,
        first: Sequence,
        position: FramePosition,
        view: &mut Batch,
    ) {
        view.put(Keyspace::Replica, &replica.0, &encode_held(&held));
        let mut key = replica.0.to_vec();
        key.extend_from_slice(&first.0.to_be_bytes());
        view.put(Keyspace::Index, &key, &position.pack().to_be_bytes());
        self.replicas.insert(replica, held);
        self.news.replicas.insert(replica);
        self.changed = true;
    }
}

fn encode_number(number: (u64, u16)) -> Vec<u8> {
    let mut key = number.0.to_be_bytes().to_vec();
    key.extend_from_slice(&number.1.to_be_bytes());
    key
}

fn decode_number(key: &[u8]) -> Option<(u64, u16)> {
    let (ledger, place) = key.split_at_checked(8)?;
    Some((u64::from_be_bytes(ledger.try_into().ok()?), u16::from_be_bytes(place.try_into().ok()?)))
}

fn encode_held(held: &HeldReplica) -> Vec<u8> {
    let mut out = lienthong_proto::bytes::Writer::default();
    out.text(held.unit.as_str());
    out.framed(&held.frontier.encode());
    out.raw(&held.root);
    out.text(&held.checkpoint);
    out.u64(held.ledger_index);
    out.u64(held.at.0);
    out.framed(&held.imports.encode());
    out.framed(&held.fed.encode());
    out.into_bytes()
}

fn decode_held(bytes: &[u8]) -> Option<HeldReplica> {
    let mut input = lienthong_proto::bytes::Reader::new(bytes);
    Some(HeldReplica {
        unit: input.text().ok()?.parse().ok()?,
        frontier: Frontier::decode(input.framed().ok()?).ok()?,
        root: input.array().ok()?,
        checkpoint: input.text().ok()?.to_owned(),
        ledger_index: input.u64().ok()?,
        at: UnixMillis(input.u64().ok()?),
        imports: Imports::decode(input.framed().ok()?).ok()?,
        // A view of before has none.
        fed: input.framed().ok().and_then(|bytes| Fed::decode(bytes).ok()).unwrap_or_default(),
    })
}

fn encode_quarantined(waiting: &Quarantined) -> Vec<u8> {
    let mut out = lienthong_proto::bytes::Writer::default();
    out.raw(&waiting.dot.replica.0);
    out.u64(waiting.dot.sequence.0);
    out.text(waiting.unit.as_str());
    out.u8(waiting.reason as u8);
    out.text(&waiting.record_type);
    out.framed(waiting.record.as_ref().map_or(&[][..], |record| &record.0));
    out.u64(waiting.accepted_at.0);
    out.u64(waiting.at.frame.pack());
    out.u16(waiting.at.index);
    out.into_bytes()
}

fn decode_quarantined(bytes: &[u8]) -> Option<Quarantined> {
    let mut input = lienthong_proto::bytes::Reader::new(bytes);
    let replica = ReplicaId(input.array().ok()?);
    let dot = Dot { replica, sequence: Sequence(input.u64().ok()?) };
    Some(Quarantined {
        dot,
        unit: input.text().ok()?.parse().ok()?,
        reason: QuarantineReason::from_byte(input.u8().ok()?)?,
        record_type: input.text().ok()?.to_owned(),
        record: RecordId::from_slice(input.framed().ok()?),
        accepted_at: UnixMillis(input.u64().ok()?),
        at: EntryAt { frame: FramePosition::unpack(input.u64().ok()?), index: input.u16().ok()? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(number: u8) -> ReplicaId {
        ReplicaId([number; 16])
    }

    fn enrolment(number: u8) -> Event {
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(replica(number).to_string())),
            ("unit".to_owned(), Value::Unit("11953".parse().unwrap())),
        ]);
        Event { kind: "enrolment".to_owned(), at: UnixMillis(1), actor: "token".to_owned(), fields }
    }

    fn acceptance(number: u8) -> Acceptance {
        Acceptance {
            replica: replica(number),
            first: Sequence(0),
            size: 2,
            root: EMPTY_ROOT,
            at: UnixMillis(2),
            verdicts: BTreeMap::new(),
            checkpoint: String::new(),
        }
    }

    type Seen = (Vec<(ReplicaId, HeldReplica)>, Vec<(u64, u16)>, Vec<(ReplicaId, Vec<u64>)>);

    fn seen(books: &Books) -> Seen {
        let held = books.replicas.iter().map(|(replica, held)| (*replica, held.clone())).collect();
        let numbers = |notices: &Vec<NoticeEntry>| notices.iter().map(|notice| notice.number).collect();
        let notices = books.notices.iter().map(|(replica, notices)| (*replica, numbers(notices))).collect();
        (held, books.quarantine.keys().copied().collect(), notices)
    }

    /// Goal: what readers are handed step by step is what the writer has, each notice once, also behind what was
    /// replayed before there were readers. Method: everything that changes replicas, quarantine or notices.
    #[test]
    fn readers_are_handed_all_that_changed_and_nothing_twice() {
        let (mut books, mut view) = (Books::default(), Batch::default());
        let (unit, at) = ("11953".parse().unwrap(), EntryAt { frame: FramePosition::unpack(9), index: 1 });
        let verdict = Verdict::Quarantined(QuarantineReason::TypeUnknown);
        let aside = |books: &mut Books, view: &mut Batch, index| {
            books.note_verdict(&unit, &acceptance(1), &Content::Opaque, &verdict, index, at, view);
        };
        books.note_event(&enrolment(1), Sequence(1), &mut view);
        aside(&mut books, &mut view, 2);
        let mut readers = books.for_readers();
        assert_eq!(seen(&readers), seen(&books));

        books.note_event(&enrolment(2), Sequence(3), &mut view);
        let held = HeldReplica { ledger_index: 4, ..HeldReplica::empty(unit.clone()) };
        books.hold(replica(1), held, Sequence(0), FramePosition::unpack(9), &mut view);
        aside(&mut books, &mut view, 4);
        books.hand_over(&mut readers);
        assert_eq!(seen(&readers), seen(&books));
        assert_eq!((books.quarantined_of(&unit), readers.quarantine.len()), (2, 2));

        let waiting = books.quarantine[&(2, 1)].clone();
        books.released((2, 1), &waiting, 5, UnixMillis(3), &mut view);
        let rows = BTreeMap::from([("rows".to_owned(), Value::Integer(7))]);
        let import =
            Event { kind: "import".to_owned(), at: UnixMillis(4), actor: "lan".to_owned(), fields: rows };
        books.note_content(&unit, &acceptance(2), &Content::Event(Box::new(import)), 0, &mut view);
        books.hand_over(&mut readers);
        assert_eq!(seen(&readers), seen(&books));
        assert_eq!((books.quarantined_of(&unit), readers.quarantine.len()), (1, 1));
        assert_eq!(readers.replicas[&replica(2)].imports.last().map(|import| import.rows.read), Some(7));
    }
}
