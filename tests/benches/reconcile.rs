//! What comparing a million records costs one side: its view on disk read through, and the bytes of the
//! conversation.
//!
//! `cargo bench -p lienthong-tests --bench reconcile -- [RECORDS]` (1,000,000 by default). Both sides are views in
//! sled; three records of the second differ. Printed: seconds to fill a view, to read it through, to find the
//! difference, and the bytes both ways.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lienthong_node::dataset::{Admitted, Dataset, EntryAt, Holdings, Source};
use lienthong_node::log::{self, Disk, FramePosition};
use lienthong_node::store::{Batch, SledView};
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::hash::sha256;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::reconcile::{Asker, answer};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_tests::catalogue;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIELDS: [&str; 12] = [
    "_unit",
    "so_cccd",
    "ho_ten",
    "ngay_sinh",
    "gioi_tinh",
    "ma_xa",
    "ngay_vao_dang",
    "chi_bo",
    "tinh_trang",
    "dien_thoai",
    "dan_toc",
    "ghi_chu",
];

fn unit() -> UnitCode {
    "11953".parse().unwrap()
}

fn change(number: u64, sequence: u64) -> Change {
    let id = sha256(&[&number.to_be_bytes()]);
    let value = |path: &str| match path {
        "_unit" => Value::Unit(unit()),
        _ => Value::Integer(number.cast_signed()),
    };
    let write =
        |path: &&str| Write { path: (*path).to_owned(), value: value(path), context: Context::default() };
    Change {
        dot: Dot { replica: ReplicaId([7; 16]), sequence: Sequence(sequence) },
        record: RecordId::from_slice(&id[..16]).unwrap(),
        record_type: "dang_vien".to_owned(),
        year: 2026,
        number,
        meta: Meta { hlc: Hlc(number), author: "x".to_owned(), catalogue: [0; 8] },
        origin: None,
        writes: FIELDS.iter().map(write).collect(),
    }
}

fn filled(dir: &Path, records: u64, other: &[u64]) -> Dataset {
    let log = log::open(&dir.join("log"), ReplicaId([1; 16]), Disk::real()).unwrap();
    let view = SledView::open(&dir.join("view"), 64 << 20).unwrap().view;
    let dataset = Dataset::open(Arc::new(view), log.reader, NonZeroUsize::MIN).unwrap();
    for number in 0..records {
        let sequence = if other.contains(&number) { records + number } else { number };
        let change = change(number, sequence);
        let at = EntryAt { frame: FramePosition { segment: 1, offset: 0 }, index: 0 };
        let source = Source::accepted(&change, &unit(), UnixMillis(number), false, at);
        dataset.apply(Admitted { change: &change, source }).unwrap();
        if number % 20_000 == 19_999 || number + 1 == records {
            dataset.publish(&catalogue().unwrap()).unwrap();
            dataset.flush(number + 1, Batch::default()).unwrap();
        }
    }
    dataset
}

fn main() {
    let records = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let here = filled(&dir.path().join("here"), records, &[]);
    println!("{records} records filled in {:.1} s", begun.elapsed().as_secs_f64());
    let there = filled(&dir.path().join("there"), records, &[3, records / 2, records - 1]);
    let begun = Instant::now();
    let here = Holdings::gather(&here, &unit()).unwrap();
    println!("read through in {:.1} s", begun.elapsed().as_secs_f64());
    let there = Holdings::gather(&there, &unit()).unwrap();
    let (begun, mut bytes, mut asker) = (Instant::now(), 0, Asker::new());
    while let Some(question) = asker.question(&here).unwrap() {
        let said = answer(&there, &question).unwrap();
        bytes += question.encode().len() + said.encode().len();
        asker.take(said, &here).unwrap();
    }
    let found = asker.into_differing().len();
    println!("{found} differ, found in {:.3} s, {bytes} bytes", begun.elapsed().as_secs_f64());
}
