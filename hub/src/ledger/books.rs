//! The books beside the dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_node::log::FramePosition;
use lienthong_node::quality::{WaiverStep, Waivers, delete_waiver, put_waiver};
use lienthong_node::replica::feed_taken;
use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_node::sync::SUCCESSION;
use lienthong_proto::catalogue::Published;
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::lineage::Lineage;
use lienthong_proto::note::Note;
use lienthong_proto::quality::Waiver;
use lienthong_proto::receipt_key::RECEIPT_KEY;
use lienthong_proto::succession::Succession;
use lienthong_proto::value::Value;

use super::quarantined::decode_number;
use super::{
    HeldReplica, ImportLine, NamedKeys, NoticeEntry, Orders, Quarantined, READMISSION, Readings, Sharing,
    Standing, Witnesses, catalogues,
};
use crate::ingest::Content;
use crate::witness::Rolls;

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

impl Books {
    /// Loads the books a view holds.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read; what is not understood is left out (a rebuild brings it back).
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let mut books = Self::default();
        view.scan_prefix(Keyspace::Replica, &[], &mut |key, bytes| {
            if let (Some(replica), Some(held)) = (ReplicaId::from_slice(key), HeldReplica::decode(bytes)) {
                books.replicas.insert(replica, held);
            }
            true
        })?;
        view.scan_prefix(Keyspace::Quarantine, &[], &mut |key, bytes| {
            if let (Some(number), Some(waiting)) = (decode_number(key), Quarantined::decode(bytes)) {
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
    pub(super) fn put_aside(&mut self, number: (u64, u16), waiting: Quarantined) {
        *self.waiting.entry(waiting.unit.clone()).or_default() += 1;
        self.news.quarantine.insert(number);
        Arc::make_mut(&mut self.quarantine).insert(number, waiting);
    }

    /// Takes a change out of quarantine, if it waits there.
    pub(super) fn take_back(&mut self, number: (u64, u16)) -> Option<Quarantined> {
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
        if Rolls::concerns(event) {
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
            held.key = held.key.or_else(|| log_key(event));
            view.put(Keyspace::Replica, &replica.0, &held.encode());
            self.news.replicas.insert(replica);
            self.changed = true;
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
        view.put(Keyspace::Replica, &replica.0, &held.encode());
        let mut key = replica.0.to_vec();
        key.extend_from_slice(&first.0.to_be_bytes());
        view.put(Keyspace::Index, &key, &position.pack().to_be_bytes());
        self.replicas.insert(replica, held);
        self.news.replicas.insert(replica);
        self.changed = true;
    }
}

/// The key of the log that an enrolment, a readmission or a succession speaks of, if it says one.
fn log_key(event: &Event) -> Option<[u8; 32]> {
    let text = |name: &str| match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let (succession, note) = SUCCESSION;
    if event.kind == succession {
        let statement = Note::parse(text(note)?.as_bytes()).ok()?;
        return Some(Succession::parse(statement.text()).ok()?.former.key);
    }
    let mut key = [0; 32];
    hex::decode_to_slice(text("log_key")?, &mut key).ok().map(|()| key)
}

#[cfg(test)]
mod tests {
    use lienthong_node::dataset::EntryAt;
    use lienthong_proto::event::FIRST_ACCEPTED;
    use lienthong_proto::merkle::EMPTY_ROOT;
    use lienthong_proto::time::UnixMillis;
    use lienthong_proto::verdict::{QuarantineReason, Verdict};

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
            before: FIRST_ACCEPTED,
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
