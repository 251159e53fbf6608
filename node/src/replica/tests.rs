use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use lienthong_proto::batch;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, Meta, Write};
use lienthong_proto::disclosure::event::TALLY;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::feed::{FeedCursor, FeedNote};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use proptest::prelude::*;

use super::*;
use crate::dataset::{EntryAt, Payload, RecordState, Source};
use crate::log::{Disk, FramePosition, HashFile};
use crate::observe::{Beat, JobSpec, Jobs};
use crate::store::{MemoryView, View};

const OWN: ReplicaId = ReplicaId([7; 16]);
const OTHER: ReplicaId = ReplicaId([9; 16]);
const LEDGER: ReplicaId = ReplicaId([1; 16]);
const UNIT: &str = "11953";
const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

fn journal(dir: &Path) -> Journal {
    let opened = crate::log::open(dir, OWN, Disk::real()).unwrap();
    let hashes = HashFile::open(dir, opened.writer.next_sequence().0).unwrap();
    let author = Author { replica: OWN, unit: UNIT.parse().unwrap(), provincial_key: Arc::new([1; 32]) };
    let options =
        JournalOptions { frames_cached: NonZeroUsize::MIN, unflushed_max: 4, follow: false, secret };
    let view: Arc<dyn View> = Arc::new(MemoryView::default());
    let catalogue = Arc::new(Catalogue::embedded().unwrap().clone());
    Journal::open(opened.writer, opened.reader, hashes, view, catalogue, author, options, &mut NoReplay)
        .unwrap()
}

/// What happens to the record, in order.
#[derive(Debug, Clone)]
enum Step {
    /// The unit states a value of a field.
    Own { field: usize, value: u8 },
    /// The feed brings a change of another replica, that had seen all there was or nothing.
    Fed { field: usize, value: u8, seen: bool, proposal: bool },
    /// The feed brings a verdict on an own change.
    Verdict { of: prop::sample::Index, verdict: u8 },
}

const FIELDS: [&str; 2] = ["dien_thoai", "chuc_vu"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..2_usize, 0..4_u8).prop_map(|(field, value)| Step::Own { field, value }),
        2 => (0..2_usize, 0..4_u8, any::<bool>(), any::<bool>())
            .prop_map(|(field, value, seen, proposal)| Step::Fed { field, value, seen, proposal }),
        3 => (any::<prop::sample::Index>(), 0..3_u8).prop_map(|(of, verdict)| Step::Verdict { of, verdict }),
    ];
    prop::collection::vec(step, 1..14)
}

fn verdict(number: u8) -> Verdict {
    match number {
        0 => Verdict::Applied,
        1 => Verdict::Proposal,
        _ => Verdict::Quarantined(QuarantineReason::IdentityGuard),
    }
}

struct Bench {
    journal: Journal,
    record: RecordId,
    own: Vec<Change>,
    fed: Vec<(Change, bool)>,
    verdicts: BTreeMap<Sequence, Verdict>,
    place: u64,
}

impl Bench {
    fn new(dir: &Path) -> Self {
        let mut bench = Self {
            journal: journal(dir),
            record: RecordId([0; 16]),
            own: Vec::new(),
            fed: Vec::new(),
            verdicts: BTreeMap::new(),
            place: 0,
        };
        bench.states("so_cccd", "033070000001");
        bench
    }

    fn states(&mut self, field: &str, value: &str) {
        let values = BTreeMap::from([
            ("so_cccd".to_owned(), Value::Text("033070000001".to_owned())),
            (field.to_owned(), Value::Text(value.to_owned())),
        ]);
        let owner = UNIT.parse().unwrap();
        let record_type = "dang_vien".to_owned();
        let author = "lan".to_owned();
        let draft = Draft { record_type, owner, values, intent: Intent::Assert, author };
        let sequence = self.journal.next();
        let stage = self.journal.stage(draft, NOW).unwrap();
        self.journal.commit().unwrap();
        self.record = stage.record;
        if stage.written {
            let (frame, found) = self.journal.reader().clone().scan(sequence).next().unwrap().unwrap();
            let index = u16::try_from(sequence.0 - found.first.0).unwrap();
            let bytes = self.journal.dataset().entries().entry(EntryAt { frame, index }).unwrap();
            self.own.push(Change::of(&Entry::decode(&bytes).unwrap()).unwrap());
        }
    }

    fn is_fed(&mut self, notes: &[FeedNote], entries: &[Vec<u8>]) {
        let head = FeedNote::encode(notes);
        let elements = std::iter::once(&head[..]).chain(entries.iter().map(Vec::as_slice));
        let packed = batch::pack(elements).unwrap().into();
        self.place += 1;
        let to = Fed { of: LEDGER, cursor: FeedCursor { ledger: self.place, place: 0 } };
        self.journal.feed(&FeedPiece { to, packed }, NOW).unwrap().unwrap();
        assert_eq!(*self.journal.fed().borrow(), to);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Own { field, value } => self.states(FIELDS[*field], &format!("trị {value}")),
            Step::Fed { field, value, seen, proposal } => {
                let sequence = Sequence(self.fed.len() as u64);
                let state = self.journal.dataset().state("dang_vien", self.record).unwrap();
                let register = state.as_ref().and_then(|state| state.registers.get(FIELDS[*field]));
                let context = register.filter(|_| *seen).map(|register| register.context());
                let write = Write {
                    path: FIELDS[*field].to_owned(),
                    value: Value::Text(format!("khác {value}")),
                    context: context.unwrap_or_default(),
                };
                let change = Change {
                    dot: Dot { replica: OTHER, sequence },
                    record: self.record,
                    record_type: "dang_vien".to_owned(),
                    year: 2026,
                    number: sequence.0,
                    meta: Meta { hlc: Hlc::new(NOW, 3), author: "minh".to_owned(), catalogue: [0; 8] },
                    origin: None,
                    writes: vec![write],
                };
                let (bytes, _) = change.build(&[5; 16]).unwrap();
                let unit = "12004".parse().unwrap();
                let note = FeedNote::Change { unit, accepted: NOW, proposal: *proposal };
                self.is_fed(&[note], &[bytes]);
                self.fed.push((change, *proposal));
            }
            Step::Verdict { of, verdict: number } => {
                let sequence = self.own[of.index(self.own.len())].dot.sequence;
                let verdict = verdict(*number);
                self.verdicts.insert(sequence, verdict.clone());
                self.is_fed(&[FeedNote::Verdict { sequence, accepted: NOW, verdict }], &[]);
            }
        }
    }

    /// The state had every verdict come with its change.
    fn expected(&self) -> Option<RecordState> {
        let mut state = RecordState::default();
        let at = EntryAt { frame: FramePosition::unpack(0), index: 0 };
        let (own, other) = (UNIT.parse().unwrap(), "12004".parse().unwrap());
        for change in &self.own {
            let verdict = self.verdicts.get(&change.dot.sequence);
            if matches!(verdict, Some(Verdict::Quarantined(_))) {
                continue;
            }
            let proposal = verdict == Some(&Verdict::Proposal);
            state.apply(change, Source::accepted(change, &own, NOW, proposal, at));
        }
        for (change, proposal) in &self.fed {
            state.apply(change, Source::accepted(change, &other, NOW, *proposal, at));
        }
        (!state.is_empty()).then_some(state)
    }

    fn picture(
        journal: &Journal,
        record: RecordId,
    ) -> Option<(lienthong_proto::hash::Digest, Vec<(Dot, bool)>)> {
        let state = journal.dataset().state("dang_vien", record).unwrap()?;
        Some((state.digest(record), state.sources.values().map(|s| (s.dot, s.proposal)).collect()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Goal (P3): a verdict heard late makes the record what it would be had the verdict come with the change,
    /// whatever else came in between; and all of it comes again from the log. Method: one record, random writes of
    /// its own and of others, random verdicts in random order, the later one counting.
    #[test]
    fn p3_a_late_verdict_gives_the_state_of_a_timely_one(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(dir.path());
        for step in &steps {
            bench.take(step);
        }
        let expected = bench.expected().map(|state| {
            let sources = state.sources.values().map(|source| (source.dot, source.proposal)).collect();
            (state.digest(bench.record), sources)
        });
        prop_assert_eq!(&Bench::picture(&bench.journal, bench.record), &expected);
        let history = bench.journal.dataset().history("dang_vien", bench.record).unwrap();
        prop_assert_eq!(history.len(), bench.own.len() + bench.fed.len(), "nothing is forgotten");
        let (record, fed) = (bench.record, *bench.journal.fed().borrow());
        drop(bench);
        let again = journal(dir.path());
        prop_assert_eq!(Bench::picture(&again, record), expected, "made again from the log");
        prop_assert_eq!(*again.fed().borrow(), fed);
    }
}

/// Goal (P8): a piece that is not one is refused whole, and what comes behind it is taken.
#[test]
fn p8_a_malformed_piece_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    let size = bench.journal.next();
    for packed in [b"no batch".to_vec(), batch::pack([]).unwrap(), batch::pack([&b"\x09"[..]]).unwrap()] {
        let piece = FeedPiece {
            to: Fed { of: LEDGER, cursor: FeedCursor { ledger: 4, place: 0 } },
            packed: packed.into(),
        };
        assert!(bench.journal.feed(&piece, NOW).unwrap().is_err());
    }
    assert_eq!((bench.journal.next(), *bench.journal.fed().borrow()), (size, Fed::default()));
    bench.take(&Step::Fed { field: 0, value: 1, seen: true, proposal: false });
    assert_eq!(bench.fed.len(), 1);
}

/// The day it is for a writer here.
static DAY: AtomicU64 = AtomicU64::new(0);

fn calendar() -> UnixMillis {
    UnixMillis(NOW.0 + DAY.load(Ordering::SeqCst) * 86_400_000)
}

/// A writer that is moved by hand, and its log: `w` a change, `e` an event, `t` a tally.
struct Days {
    replica: Replica,
    writer: Writer,
}

impl Days {
    fn open(dir: &Path) -> Self {
        let spec = JobSpec { name: "days", rhythm_seconds: 60, beat: Beat::Always, vi: "", en: "" };
        let job = Jobs::new(calendar).register(spec);
        let (replica, writer) = Replica::without_threads(journal(dir), calendar, job);
        Self { replica, writer }
    }

    /// On a day: a member's telephone number is written, or an event, or it is looked whether something is due.
    fn on(&mut self, day: u64, what: char) {
        DAY.store(day, Ordering::SeqCst);
        let done = |waker: &mut Writer, asked: &mut (dyn Future<Output = ()> + Unpin)| {
            let mut context = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut *asked).poll(&mut context).is_pending());
            waker.turn(false);
            assert!(Pin::new(asked).poll(&mut context).is_ready());
        };
        match what {
            'w' => {
                let values = BTreeMap::from([
                    ("so_cccd".to_owned(), Value::Text("033070000001".to_owned())),
                    ("dien_thoai".to_owned(), Value::Text(format!("091{:07}", self.log().len()))),
                ]);
                let (owner, record_type) = (UNIT.parse().unwrap(), "dang_vien".to_owned());
                let draft =
                    Draft { record_type, owner, values, intent: Intent::Assert, author: "lan".to_owned() };
                let write = async { assert!(self.replica.write(vec![draft]).await[0].is_ok()) };
                done(&mut self.writer, &mut Box::pin(write));
            }
            'e' => {
                let event = Event {
                    kind: "import".to_owned(),
                    at: calendar(),
                    actor: "lan".to_owned(),
                    fields: BTreeMap::new(),
                };
                let write = async { assert!(self.replica.event(event).await.is_ok()) };
                done(&mut self.writer, &mut Box::pin(write));
            }
            _ => assert!(self.writer.turn(true)),
        }
    }

    fn log(&self) -> String {
        let mut found = String::new();
        for frame in self.replica.reader().clone().scan(Sequence(0)) {
            let payload = frame.unwrap().1.payload;
            let plain;
            let entries = match Payload::parse(&payload).unwrap() {
                Payload::Batch(packed) => {
                    plain = batch::unpack(packed).unwrap();
                    batch::entries(&plain).unwrap()
                }
                Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
            };
            found.extend(entries.into_iter().map(|bytes| match Event::of(&Entry::decode(bytes).unwrap()) {
                Err(_) => 'w',
                Ok(event) if event.kind == TALLY => 't',
                Ok(_) => 'e',
            }));
        }
        found
    }
}

/// Goal (P9): whatever a unit writes on a day, its count of what it wrote comes along, with the first of it; and the next day what
/// came behind that count is counted. So a log that was quiet for long is shown to be whole the moment it goes on, also one
/// that was opened anew.
#[test]
fn p9_the_first_entries_of_a_day_bring_a_tally() {
    let dir = tempfile::tempdir().unwrap();
    let mut days = Days::open(dir.path());
    let mut expected = String::new();
    for (day, what, comes) in [
        (0, 's', ""),
        (0, 'w', "wt"),
        (0, 'w', "w"),
        (0, 'e', "e"),
        (0, 's', ""),
        // What stands behind the count of yesterday.
        (1, 's', "t"),
        (1, 'w', "w"),
        // Nothing was looked at in between: one is enough.
        (2, 'w', "wt"),
        (9, 's', ""),
        (9, 'e', "et"),
        (9, 'w', "w"),
        (30, 'e', "et"),
        (31, 's', ""),
        (31, 'e', "et"),
        (31, 'e', "e"),
        (33, 's', "t"),
        (33, 's', ""),
    ] {
        days.on(day, what);
        expected.push_str(comes);
        assert_eq!(days.log(), expected, "day {day}: {what}");
    }
    days.on(33, 'w');
    drop(days);
    let mut again = Days::open(dir.path());
    for (day, what, comes) in [(33, 'w', "ww"), (34, 's', "t"), (40, 'w', "wt")] {
        again.on(day, what);
        expected.push_str(comes);
        assert_eq!(again.log(), expected, "day {day}: {what}");
    }
}
