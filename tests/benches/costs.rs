//! What a record costs at each step of its way.
//!
//! `cargo bench -p lienthong-tests --bench costs -- [RECORDS]` (50,000 by default; a minute in all). Each line is the
//! median of three runs: the step, µs a record, records a second, and bytes a record where it leaves bytes behind. The
//! records are those that `load` measures with; batches hold 512 of them. `cargo test` runs it once with a few, to see that
//! it still does.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::feed::FeedReader;
use lienthong_hub::ingest::{Envelope, ErasedFor, Held, verify};
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::system_clock;
use lienthong_node::dataset::{Admitted, Dataset, EntryAt, Source};
use lienthong_node::log::{self, Disk, FramePosition};
use lienthong_node::store::{Batch, SledView};
use lienthong_node::sync::Settings;
use lienthong_proto::batch;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::entry::Entry;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::{Dot, ReplicaId, Sequence, UnitCode};
use lienthong_proto::limits::BATCH_ENTRIES_AIM;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_tests::corpus::{self, Made, TYPE};
use lienthong_tests::fleet::{Author, Fleet, Order};
use lienthong_tests::{Province, machine, make_hub, make_node, member, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 3;
const RECORDS: usize = 50_000;
/// Where nothing is measured, once.
const RECORDS_TRIED: usize = 600;
/// Records that the hub lets wait before they go to the view.
const FLUSHED: usize = 2_048;
/// Records logged with a sync for each: few, disks are slow.
const SINGLES: usize = 1_000;
const ORIGIN: &str = "lienthong/bench";
const REPLICA: ReplicaId = ReplicaId([7; 16]);
const OTHER: ReplicaId = ReplicaId([8; 16]);

/// Seconds, and bytes where it has any.
type Run = (f64, Option<f64>);

/// What the steps came to, run by run.
#[derive(Default)]
struct Book(BTreeMap<(usize, &'static str), Vec<Run>>);

impl Book {
    /// Notes a step of so many records, and the bytes it left behind.
    fn note(
        &mut self,
        place: usize,
        step: &'static str,
        (count, took): (usize, Duration),
        bytes: Option<u64>,
    ) {
        let each = took.as_secs_f64() / count as f64;
        let bytes = bytes.map(|bytes| bytes as f64 / count as f64);
        self.0.entry((place, step)).or_default().push((each, bytes));
    }

    fn print(self) {
        println!("{:<52} {:>10} {:>12} {:>12}", "", "µs/record", "records/s", "bytes/record");
        for ((_, step), mut runs) in self.0 {
            runs.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (each, bytes) = runs[runs.len() / 2];
            let bytes = bytes.map_or_else(String::new, |bytes| format!("{bytes:.0}"));
            println!("{step:<52} {:>10.2} {:>12.0} {bytes:>12}", each * 1e6, 1.0 / each);
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

fn unit() -> UnitCode {
    "11953".parse().unwrap()
}

fn changes(catalogue: &Catalogue, records: usize) -> Vec<Change> {
    let author = Author::of(catalogue, TYPE).unwrap();
    let mut made = Made::of(0, 33);
    let mut changes = Vec::with_capacity(records);
    while changes.len() < records {
        let some = made.by_ref().take(BATCH_ENTRIES_AIM.min(records - changes.len())).collect();
        for (record, writes) in author.composed((&unit(), &[1; 32]), some).unwrap() {
            let number = changes.len() as u64;
            changes.push(Change {
                dot: Dot { replica: REPLICA, sequence: Sequence(number) },
                record,
                record_type: TYPE.to_owned(),
                year: 2026,
                number,
                meta: Meta { hlc: Hlc(number), author: "bench".to_owned(), catalogue: [0; 8] },
                origin: None,
                writes,
            });
        }
    }
    changes
}

/// From values to what a hub has verified: no disk.
fn in_memory(changes: &[Change], book: &mut Book) -> Vec<Envelope> {
    let count = changes.len();
    let (entries, took) = timed(|| {
        let encode = |change: &Change| change.encode(&rand::random()).unwrap();
        changes.iter().map(encode).collect::<Vec<_>>()
    });
    book.note(
        0,
        "encode: an entry of its values",
        (count, took),
        Some(entries.iter().map(|e| e.len() as u64).sum()),
    );
    let opened: Vec<Entry<'_>> = entries.iter().map(|entry| Entry::decode(entry).unwrap()).collect();
    let (leaves, took) = timed(|| opened.iter().map(Entry::leaf_hash).collect::<Vec<_>>());
    book.note(1, "leaf: the hash of an opened entry", (count, took), None);
    let (packed, took) = timed(|| {
        let pack = |some: &[Vec<u8>]| batch::pack(some.iter().map(Vec::as_slice)).unwrap();
        entries.chunks(BATCH_ENTRIES_AIM).map(pack).collect::<Vec<_>>()
    });
    book.note(
        2,
        "pack: compressed, 512 together",
        (count, took),
        Some(packed.iter().map(|p| p.len() as u64).sum()),
    );
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let mut frontier = Frontier::new();
    let mut envelopes = Vec::new();
    for (packed, leaves) in packed.into_iter().zip(leaves.chunks(BATCH_ENTRIES_AIM)) {
        let first = frontier.size();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: frontier.size(),
            root: frontier.root(),
            roll: None,
        };
        let checkpoint = checkpoint.sign(&key).unwrap().note().to_string();
        let count = u32::try_from(leaves.len()).unwrap();
        envelopes.push(Envelope { first, count, packed: packed.into(), checkpoint });
    }
    let mut held = Held {
        replica: REPLICA,
        origin: ORIGIN.to_owned(),
        key: key.public_key(),
        frontier: Frontier::new(),
        announced: None,
        erased: Arc::new(ErasedFor::default()),
    };
    let ((), took) = timed(|| {
        for envelope in &envelopes {
            held.frontier = verify(&held, envelope).unwrap().frontier;
        }
    });
    book.note(3, "verify: unpacked, hashed, one signature for 512", (count, took), None);
    envelopes
}

fn logged(dir: &Path, envelopes: &[Envelope], count: usize, book: &mut Book) {
    let folder = dir.join("log");
    let mut writer = log::open(&folder, REPLICA, Disk::real()).unwrap().writer;
    let ((), took) = timed(|| {
        for envelope in envelopes {
            writer.append_parts(envelope.count, &[&envelope.packed]).unwrap();
            writer.sync().unwrap();
        }
    });
    book.note(4, "log append: a sync for 512", (count, took), Some(machine::disk_bytes(&folder)));
    let single = &envelopes[0].packed[..envelopes[0].packed.len().min(300)];
    let ((), took) = timed(|| {
        for _ in 0..SINGLES {
            writer.append_parts(1, &[single]).unwrap();
            writer.sync().unwrap();
        }
    });
    book.note(5, "log append: a sync for each", (SINGLES, took), None);
}

/// A few fields of a record, written by another who has seen what there is.
fn corrected(change: &Change) -> Change {
    let seen = Context::new([(REPLICA, change.dot.sequence.0)]);
    let write = |path: &str, text: &str| Write {
        path: path.to_owned(),
        value: Value::Text(text.to_owned()),
        context: seen.clone(),
    };
    Change {
        dot: Dot { replica: OTHER, sequence: change.dot.sequence },
        writes: vec![write("trang_thai", "đã xử lý"), write("ghi_chu", "đã kiểm tra lại hồ sơ")],
        ..change.clone()
    }
}

fn merged(dir: &Path, catalogue: &Catalogue, changes: &[Change], book: &mut Book) {
    let log = log::open(&dir.join("empty"), ReplicaId([1; 16]), Disk::real()).unwrap();
    let folder = dir.join("view");
    let view = SledView::open(&folder, 64 << 20).unwrap().view;
    let dataset = Dataset::open(Arc::new(view), log.reader, NonZeroUsize::MIN).unwrap();
    let mut applied = 0;
    let mut go = |changes: &mut dyn Iterator<Item = Change>| {
        let (mut merging, mut flushing) = (Duration::ZERO, Duration::ZERO);
        loop {
            let some: Vec<Change> = (0..FLUSHED).map_while(|_| changes.next()).collect();
            if some.is_empty() {
                return (merging, flushing);
            }
            let ((), took) = timed(|| {
                for change in &some {
                    let at = EntryAt { frame: FramePosition { segment: 1, offset: 0 }, index: 0 };
                    let source = Source::accepted(change, &unit(), UnixMillis(1), false, at);
                    dataset.apply(Admitted { change, source }).unwrap();
                }
                dataset.publish(catalogue).unwrap();
            });
            merging += took;
            applied += some.len() as u64;
            flushing += timed(|| dataset.flush(applied, Batch::default()).unwrap()).1;
        }
    };
    let count = changes.len();
    let (merging, flushing) = go(&mut changes.iter().cloned());
    let bytes = machine::disk_bytes(&folder);
    book.note(6, "merge: a new record", (count, merging), None);
    book.note(8, "view commit: a new record, 2,048 together", (count, flushing), Some(bytes));
    let (merging, flushing) = go(&mut changes.iter().map(corrected));
    book.note(7, "merge: two fields of a known record", (count, merging), None);
    book.note(9, "view commit: of those", (count, flushing), None);
}

/// What another machine of the unit is handed of everything.
async fn fed(dir: &Path, records: usize, book: &mut Book) {
    let (data, catalogue) = (dir.join("hub"), corpus::catalogue(1).unwrap());
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, Arc::clone(&catalogue), &LedgerOptions::default(), system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let mut fleet = Fleet::default();
    let token = token(&hub, unit().as_str()).unwrap();
    fleet.enrol(dir, &address, &token, (33, Settings::default())).await.unwrap();
    tokio::task::block_in_place(|| fleet.write(&catalogue, records)).unwrap();
    fleet.order(Order::Send).await.unwrap();
    fleet.order(Order::Dial).await.unwrap();
    fleet.acknowledged(Duration::from_secs(600), &|_| {}).await.unwrap();
    hub.committer.flush().await;
    let from = FeedCursor::default();
    let records_of = (hub.dataset.clone(), catalogue);
    let mut reader = FeedReader::new(hub.committer.feed().clone(), records_of, unit(), OTHER, from, from);
    let (bytes, took) = timed(|| {
        let mut bytes = 0;
        while let Some(piece) = reader.next_piece().unwrap() {
            bytes += black_box(piece).packed.len() as u64;
        }
        bytes
    });
    book.note(10, "feed: read, opened and packed for another machine", (records, took), Some(bytes));
    hub.close().await;
}

/// What judging costs where nobody is like another, and where all are of one name and birth date.
async fn judged(dir: &Path, records: usize, book: &mut Book) {
    let Province { dir: _province, hub, address } = Province::set().await.unwrap();
    for (place, step, alike) in [
        (11, "judge: members, no two alike", false),
        (12, "judge: members, all of one name and birth date", true),
    ] {
        let folder = dir.join(format!("node-{place}"));
        let node = make_node(&hub, &address, &folder, unit().as_str()).await.unwrap();
        let drafts = |from: usize, to: usize| {
            (from..to).map(move |number| {
                let name = if alike { "an".to_owned() } else { spelt(number) };
                let name = format!("Nguyễn Văn {name}");
                member(unit().as_str(), &format!("033070{number:06}"), &name).unwrap()
            })
        };
        for from in (0..records).step_by(FLUSHED) {
            let some = drafts(from, records.min(from + FLUSHED)).collect();
            assert!(node.write(some).await.iter().all(Result::is_ok));
        }
        let ((), took) = tokio::task::block_in_place(|| {
            node.replica.flush_blocking();
            timed(|| node.quality.settle().unwrap())
        });
        book.note(place, step, (records, took), None);
        node.close().await;
    }
    hub.close().await;
}

/// A number in letters.
fn spelt(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

fn main() {
    // Cargo says so where it is to measure.
    let measures = std::env::args().any(|word| word == "--bench");
    let (records, runs) = if measures { (RECORDS, RUNS) } else { (RECORDS_TRIED, 1) };
    let records = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(records);
    let catalogue = corpus::catalogue(1).unwrap();
    let changes = changes(&catalogue, records);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut book = Book::default();
    for _ in 0..runs {
        let dir = tempfile::tempdir().unwrap();
        let envelopes = in_memory(&changes, &mut book);
        logged(dir.path(), &envelopes, records, &mut book);
        merged(dir.path(), &catalogue, &changes, &mut book);
        runtime.block_on(fed(dir.path(), records, &mut book));
        runtime.block_on(judged(dir.path(), records / 5, &mut book));
    }
    println!("{records} records, medians of {runs} runs");
    book.print();
}
