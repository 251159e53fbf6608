use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::entry::Entry;
use lienthong_proto::erasure::{Erasure, Order};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;

use super::*;
use crate::at_rest::KeyRing;
use crate::dataset::Payload;
use crate::log::{self, Disk};
use crate::replica::log_dir;

const REPLICA: ReplicaId = ReplicaId([3; 16]);
const RECORD: RecordId = RecordId([9; 16]);
const CANARY: &str = "hoang yen muoi ba";

fn change(sequence: u64, record: RecordId) -> Vec<u8> {
    stating(sequence, record, "dang_vien", [("ho_ten", CANARY), ("chi_bo", "Chi bộ 1")])
}

fn stating(sequence: u64, record: RecordId, record_type: &str, values: [(&str, &str); 2]) -> Vec<u8> {
    let write = |(path, text): (&str, &str)| Write {
        path: path.to_owned(),
        value: Value::Text(text.to_owned()),
        context: Context::default(),
    };
    let change = Change {
        dot: Dot { replica: REPLICA, sequence: Sequence(sequence) },
        record,
        record_type: record_type.to_owned(),
        year: 2026,
        number: sequence,
        meta: Meta { hlc: Hlc(7), author: "lan".into(), catalogue: [1; 8] },
        origin: None,
        writes: values.map(write).into(),
    };
    change.encode(&[8; 16]).unwrap()
}

fn order() -> Order {
    Order {
        number: "12".into(),
        issuer: "UBKT".into(),
        date: 20_000,
        reason: "x".into(),
        record_type: "dang_vien".into(),
        record: RECORD,
        fields: vec!["ho_ten".into()],
    }
}

/// A folder with a log of a single entry, a batch and a batch beside an acceptance, a view, what was set aside, and an
/// order that waits.
fn folder(data: &Path, keys: &KeyRing) {
    let mut writer = log::open_sealed(&log_dir(data), REPLICA, Disk::real(), keys).unwrap().writer;
    let other = RecordId([7; 16]);
    let append = |writer: &mut log::LogWriter, payload: Payload<'_>, count, parts: &[&[u8]]| {
        let prefix = payload.prefix();
        let all: Vec<&[u8]> = std::iter::once(&prefix[..]).chain(parts.iter().copied()).collect();
        writer.append_parts(count, &all).unwrap();
    };
    let (zero, one, two) = (change(0, RECORD), change(1, other), change(2, RECORD));
    append(&mut writer, Payload::Entry(&zero), 1, &[&zero]);
    let packed = batch::pack([&one[..], &two]).unwrap();
    append(&mut writer, Payload::Batch(&packed), 2, &[&packed]);
    let beside = batch::pack([&b"\x00notes"[..], &two, &one]).unwrap();
    let three = change(3, other);
    append(&mut writer, Payload::Accepted { entry: &three, packed: &beside }, 1, &[&three, &beside]);
    writer.sync().unwrap();
    drop(writer);
    for name in ["view", "view.damaged-1", "log.damaged-5"] {
        std::fs::create_dir_all(data.join(name)).unwrap();
    }
    std::fs::write(data.join("view.damaged-1/db"), CANARY).unwrap();
    std::fs::write(data.join("log.damaged-5/00000000.seg"), CANARY).unwrap();
    let taken = [&zero, &two].map(|bytes| order().taken(&Entry::decode(bytes).unwrap()).unwrap());
    let erasure =
        Erasure { order: order(), units: BTreeSet::new(), entries: taken.to_vec(), at: UnixMillis(5) };
    let event = erasure.to_event(Sequence(0), "hoa");
    let (bytes, _) = event.build(Dot { replica: REPLICA, sequence: Sequence(9) }, &[1; 16]).unwrap();
    Erasures::open(data).unwrap().keep(Kept::of(&bytes), erasure).unwrap();
}

/// Everything of a log: the leaves of all entries, and whether the canary stands in any frame that must not have it.
fn read(data: &Path, keys: &KeyRing) -> (Vec<Digest>, usize) {
    let reader = log::open_read_only(&log_dir(data), REPLICA, keys).unwrap();
    let (mut leaves, mut canaries) = (Vec::new(), 0);
    let mut look = |bytes: &[u8]| {
        let Ok(entry) = Entry::decode(bytes) else { return };
        leaves.push(entry.leaf_hash());
        canaries += usize::from(bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    };
    for frame in reader.scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        let (entry, packed) = match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) => (Some(entry), None),
            Payload::Batch(packed) => (None, Some(packed)),
            Payload::Accepted { entry, packed } => (Some(entry), Some(packed)),
        };
        entry.into_iter().for_each(&mut look);
        let plain = packed.map(|packed| batch::unpack(packed).unwrap()).unwrap_or_default();
        batch::entries(&plain).unwrap().into_iter().for_each(&mut look);
    }
    (leaves, canaries)
}

fn carried_out(data: &Path, keys: &KeyRing, leaves: &[Digest]) {
    let (now, canaries) = read(data, keys);
    assert_eq!(now, leaves, "every leaf is what it was");
    assert_eq!(canaries, 3, "the other record's alone");
    assert!(!Erasures::open(data).unwrap().is_pending());
    for entry in std::fs::read_dir(data).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with("view") && !name.starts_with("log."), "{name} is left");
    }
}

fn keys(sealed: bool) -> KeyRing {
    if sealed { KeyRing::generate().parse().unwrap() } else { KeyRing::default() }
}

/// Goal: a stop at any step of carrying an erasure out leaves something that the next opening finishes, and nothing is
/// served before. Method: every write, sync and rename fails in turn, on a plain and on a sealed log; then once more.
#[test]
fn t49_a_stop_anywhere_is_finished_at_the_next_opening() {
    for sealed in [false, true] {
        let keys = keys(sealed);
        for call in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let data = dir.path();
            folder(data, &keys);
            let (leaves, before) = read(data, &keys);
            assert_eq!(before, 6);
            let disk = Disk::failing(call, ErrorKind::Other, call % 2 == 0);
            let first = settle(data, REPLICA, &keys, &disk, &|_, _| {});
            if let Ok(settled) = first {
                assert!(call > 6, "there are that many steps: {call}");
                assert_eq!(settled.unwrap().frames, 3);
                carried_out(data, &keys, &leaves);
                break;
            }
            assert!(Erasures::open(data).unwrap().is_pending(), "step {call}: it still waits");
            settle(data, REPLICA, &keys, &Disk::real(), &|_, _| {}).unwrap().unwrap();
            carried_out(data, &keys, &leaves);
            assert_eq!(settle(data, REPLICA, &keys, &Disk::real(), &|_, _| {}).unwrap(), None);
        }
    }
}

/// Goal: an order that comes twice is one; a list that was altered opens nothing.
#[test]
fn a_list_knows_what_it_has_and_is_believed_only_whole() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), &KeyRing::default());
    let mut list = Erasures::open(dir.path()).unwrap();
    let (kept, erasure) = list.iter().next().unwrap().clone();
    assert_eq!(list.keep(kept.clone(), erasure).unwrap(), Taken::Known);
    assert_eq!(list.len(), 1);
    assert!(kept.verify(("x", [0; 32])).is_err(), "without a proof it is nobody's order");
    std::fs::write(dir.path().join(LIST), b"[{}]").unwrap();
    assert!(matches!(
        settle(dir.path(), REPLICA, &KeyRing::default(), &Disk::real(), &|_, _| {}),
        Err(SettleError::List(ListError::Malformed(_)))
    ));
}

/// Goal (P6): an erasure that takes of this log what its order does not cover is noticed, whatever it is; one that does
/// not is not. Method: the log of the other tests; another order's record, another field, and an entry that is not there.
#[test]
fn p6_what_goes_beyond_its_order_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), &KeyRing::default());
    let reader = log::open_read_only(&log_dir(dir.path()), REPLICA, &KeyRing::default()).unwrap();
    let list = Erasures::open(dir.path()).unwrap();
    let (_, lawful) = list.iter().next().unwrap();
    assert_eq!(beyond(&reader, REPLICA, lawful), None);
    let with = |order: Order| Erasure { order, ..lawful.clone() };
    let own = lawful.entries.iter().map(|erased| erased.dot).find(|dot| dot.replica == REPLICA);
    assert!(own.is_some());
    assert_eq!(beyond(&reader, REPLICA, &with(Order { record: RecordId([7; 16]), ..order() })), own);
    assert_eq!(beyond(&reader, REPLICA, &with(Order { fields: vec!["chi_bo".into()], ..order() })), own);
    let mut missing = lawful.clone();
    missing.entries.retain(|erased| Some(erased.dot) == own);
    missing.entries[0].dot.sequence = Sequence(9_000);
    assert!(beyond(&reader, REPLICA, &missing).is_some());
}

/// What the province dropped goes from the log and the view, and only where this node's own catalogue says that it may not
/// be there.
#[test]
fn p9_what_the_hub_dropped_goes_from_here_too_but_not_by_its_word_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let letter = |sequence, field| stating(sequence, RECORD, "don_thu", [("ma_don", "X1"), (field, CANARY)]);
    let keys = KeyRing::default();
    let mut writer = log::open_sealed(&log_dir(data), REPLICA, Disk::real(), &keys).unwrap().writer;
    for entry in [letter(0, "nguoi_gui"), letter(1, "noi_dung")] {
        let payload = Payload::Entry(&entry);
        writer.append_parts(1, &[&payload.prefix(), &entry]).unwrap();
    }
    writer.sync().unwrap();
    drop(writer);
    std::fs::create_dir_all(data.join("view")).unwrap();
    let look = || {
        let reader = log::open_read_only(&log_dir(data), REPLICA, &keys).unwrap();
        drop_forbidden(data, (&reader, REPLICA), [0, 1, 7].map(Sequence)).unwrap()
    };
    assert!(look(), "the sender's name is news");
    assert!(!look(), "it waits already");
    let settled = settle(data, REPLICA, &keys, &Disk::real(), &|_, _| {}).unwrap().unwrap();
    assert_eq!(settled.frames, 1);
    assert!(!look() && settle(data, REPLICA, &keys, &Disk::real(), &|_, _| {}).unwrap().is_none());
    let reader = log::open_read_only(&log_dir(data), REPLICA, &keys).unwrap();
    let held: Vec<bool> = [0, 1]
        .map(|place| beyond::own_entry(&reader, Dot { replica: REPLICA, sequence: Sequence(place) }).unwrap())
        .iter()
        .map(|entry| entry.windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes()))
        .collect();
    assert_eq!(held, [false, true], "what may be there stays, whatever the hub says");
    assert_eq!(Entry::decode(&letter(0, "nguoi_gui")).unwrap().leaf_hash(), {
        let entry = beyond::own_entry(&reader, Dot { replica: REPLICA, sequence: Sequence(0) }).unwrap();
        Entry::decode(&entry).unwrap().leaf_hash()
    });
    std::fs::write(data.join(DROPPED), b"{").unwrap();
    let refused = settle(data, REPLICA, &keys, &Disk::real(), &|_, _| {}).unwrap_err();
    assert!(matches!(refused, SettleError::List(ListError::Malformed(_))));
}
