//! T10–T12: storage that fails at any call, and files that are damaged anywhere: nothing accepted is lost unnoticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use lienthong_node::app::system_clock;
use lienthong_node::log::{self, Disk, HashFile, OpenError};
use lienthong_node::observe::{Beat, JobSpec, Jobs};
use lienthong_node::replica::{
    Author, Journal, JournalError, JournalOptions, NoReplay, Replica, Writer, secret,
};
use lienthong_node::store::MemoryView;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::root_at;
use lienthong_tests::power::damage::damage;
use lienthong_tests::simulation::folder;
use lienthong_tests::{catalogue, copy_folder, member};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const REPLICA: ReplicaId = ReplicaId([7; 16]);
const UNIT: &str = "11953";

fn opened(dir: &Path, disk: Disk, view: MemoryView) -> Result<(Replica, Writer), JournalError> {
    let log = log::open(dir, REPLICA, disk).unwrap();
    let hashes = HashFile::open(dir, log.writer.next_sequence().0).unwrap();
    let author = Author { replica: REPLICA, unit: UNIT.parse().unwrap(), provincial_key: Arc::from([7; 32]) };
    let frames_cached = NonZeroUsize::MIN;
    let options = JournalOptions { frames_cached, unflushed_max: 2, follow: false, secret };
    let (view, catalogue) = (Arc::new(view), catalogue().unwrap());
    let (writer, reader) = (log.writer, log.reader);
    let journal = Journal::open(writer, reader, hashes, view, catalogue, author, options, &mut NoReplay)?;
    let spec = JobSpec { name: "test", rhythm_seconds: 60, beat: Beat::Always, vi: "", en: "" };
    let job = Jobs::new(system_clock).register(spec);
    Ok(Replica::without_threads(journal, system_clock, job))
}

/// Writes records one after the other until the storage fails; how many were acknowledged.
fn written(replica: &Replica, writer: &mut Writer) -> u64 {
    let mut acknowledged = 0;
    for number in 0..8 {
        let draft = member(UNIT, &format!("03307000{number:04}"), "Nguyễn Văn An").unwrap();
        let mut answer = Box::pin(replica.write(vec![draft]));
        assert!(answer.as_mut().now_or_never().is_none(), "nobody has written yet");
        let goes_on = writer.turn(number % 2 == 0);
        let results = answer.as_mut().now_or_never().unwrap();
        acknowledged += results.iter().filter(|result| result.is_ok()).count() as u64;
        if !goes_on {
            break;
        }
    }
    acknowledged
}

fn keeps(dir: &Path, acknowledged: u64, what: &str) {
    let (replica, _) = opened(dir, Disk::real(), MemoryView::default()).unwrap();
    let head = *replica.head().borrow();
    let records = replica.dataset().totals().records;
    assert!(records >= acknowledged, "{what}: {records} of {acknowledged}");
    assert_eq!(root_at(replica.hashes().as_ref(), head.size), Some(head.root), "{what}");
}

#[test]
fn t10_whichever_call_of_the_log_fails_what_was_acknowledged_stays() {
    for (kind, short) in
        [(ErrorKind::StorageFull, false), (ErrorKind::Other, false), (ErrorKind::Other, true)]
    {
        let mut whole = false;
        for call in 0.. {
            let dir = folder().unwrap();
            let (replica, mut writer) =
                opened(dir.path(), Disk::failing(call, kind, short), MemoryView::default()).unwrap();
            let acknowledged = written(&replica, &mut writer);
            drop((replica, writer));
            keeps(dir.path(), acknowledged, &format!("{kind:?} at call {call}"));
            whole = acknowledged == 8;
            if whole && call > 30 {
                break;
            }
        }
        assert!(whole, "the last call was never reached");
    }
}

#[test]
fn t10_whichever_commit_of_the_view_fails_what_was_acknowledged_stays() {
    for commit in 1..8 {
        let dir = folder().unwrap();
        let view = MemoryView::failing_after(commit);
        let (replica, mut writer) = opened(dir.path(), Disk::real(), view).unwrap();
        let acknowledged = written(&replica, &mut writer);
        drop((replica, writer));
        keeps(dir.path(), acknowledged, &format!("commit {commit}"));
    }
}

fn payloads(reader: &log::LogReader) -> Vec<Vec<u8>> {
    reader.clone().scan(Sequence(0)).map(|frame| frame.unwrap().1.payload.to_vec()).collect()
}

#[test]
fn t11_t12_a_damaged_file_is_noticed_or_harmless() {
    let (dir, mut random) = (folder().unwrap(), StdRng::seed_from_u64(11));
    let whole = dir.path().join("whole");
    let mut log = log::open(&whole, REPLICA, Disk::real()).unwrap();
    for number in 0..60u64 {
        let payload: Vec<u8> = (0..random.random_range(1..900)).map(|_| random.random()).collect();
        log.writer.append_parts(1, &[&payload]).unwrap();
        log.writer.sync().unwrap();
        log.writer.set_anchor([number as u8; 32], &[]);
        log.writer.write_anchor().unwrap();
    }
    let expected = payloads(&log.reader);
    drop(log);
    let (mut noticed, mut harmless) = (0, 0);
    for trial in 0..2_000 {
        let copy = dir.path().join("copy");
        copy_folder(&whole, &copy).unwrap();
        let path = copy.join(if random.random_bool(0.7) { "00000000.seg" } else { "anchor" });
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes, &mut random);
        std::fs::write(&path, bytes).unwrap();
        match log::open(&copy, REPLICA, Disk::real()) {
            Err(OpenError::Damaged(_)) => noticed += 1,
            Ok(log) => {
                assert!(payloads(&log.reader) == expected, "trial {trial}: lost or altered without a word");
                harmless += 1;
            }
            Err(other) => panic!("trial {trial}: {other}"),
        }
    }
    assert!(noticed > 700 && harmless > 200, "{noticed} noticed, {harmless} harmless");
}
