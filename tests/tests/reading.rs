//! Readers see every record, whatever the writer does between two of their looks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use lienthong_node::dataset::{Admitted, Dataset, EntryAt, Source};
use lienthong_node::log::{self, Disk, FramePosition};
use lienthong_node::store::{Batch, Keyspace, MemoryView, View, ViewError, Visit};
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_tests::catalogue;

/// A view whose readers are overtaken: when one has looked at the records, the writer flushes.
#[derive(Debug, Default)]
struct Overtaken {
    view: MemoryView,
    flushed: OnceLock<Dataset>,
}

impl View for Overtaken {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.view.get(keyspace, key)
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        let scanned = self.view.scan(keyspace, from, prefix, visit);
        if keyspace == Keyspace::Record
            && let Some(dataset) = self.flushed.get()
        {
            dataset.flush(1, Batch::default()).unwrap();
        }
        scanned
    }

    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        self.view.commit(batch)
    }
}

fn change(number: u8) -> Change {
    let unit = Value::Unit("11953".parse().unwrap());
    Change {
        dot: Dot { replica: ReplicaId([1; 16]), sequence: Sequence(u64::from(number)) },
        record: RecordId([number; 16]),
        record_type: "dang_vien".to_owned(),
        year: 2026,
        number: u64::from(number),
        meta: Meta { hlc: Hlc(1), author: "x".to_owned(), catalogue: [0; 8] },
        origin: None,
        writes: vec![Write { path: "_unit".to_owned(), value: unit, context: Context::default() }],
    }
}

/// Goal: an export or a digest misses nothing that moves from memory to the view while it is read. Method:
/// the move happens just after the reader has looked at the view, every time.
#[test]
fn p1_a_page_misses_no_record_on_its_way_to_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let opened = log::open(dir.path(), ReplicaId([1; 16]), Disk::real()).unwrap();
    let view = Arc::new(Overtaken::default());
    let shown: Arc<dyn View> = Arc::<Overtaken>::clone(&view);
    let dataset = Dataset::open(shown, opened.reader, NonZeroUsize::MIN).unwrap();
    let catalogue = catalogue().unwrap();
    for number in 0..10 {
        let change = change(number);
        let at = EntryAt { frame: FramePosition::unpack(0), index: 0 };
        let unit = "11953".parse().unwrap();
        let source = Source::accepted(&change, &unit, UnixMillis(9), false, at);
        dataset.apply(Admitted { change: &change, source }).unwrap();
    }
    dataset.publish(&catalogue).unwrap();
    view.flushed.set(dataset.clone()).unwrap();
    assert_eq!(dataset.page("dang_vien", None, 100).unwrap().len(), 10);
    assert_eq!(dataset.unflushed(), 0, "the writer did overtake the reader");
    assert_eq!(dataset.page("dang_vien", None, 4).unwrap().len(), 4);
}
