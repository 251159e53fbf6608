//! What a damaged disk gives back: segments, anchors and hashes of a log.

use std::path::Path;

use lienthong_node::at_rest::KeyRing;
use lienthong_node::log::{
    Disk, HashFile, anchor_bytes, anchored, anchors, open_sealed, salvage, verify, verify_end,
};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::{Frontier, leaf_hash, root_at};

use super::{Bound, Target};

/// A segment is read into memory whole where damage is looked for.
const BOUND: Bound = Bound { each: 16, base: 8 << 20 };

pub(super) const TARGETS: &[Target] = &[
    Target { name: "segment", run: segment, seeds: segments, bound: BOUND, rounds: 300 },
    Target { name: "anchor", run: anchor, seeds: all_anchors, bound: BOUND, rounds: 400 },
    Target { name: "hashes", run: hashes, seeds: all_hashes, bound: BOUND, rounds: 300 },
];

const REPLICA: ReplicaId = ReplicaId([7; 16]);
const FRAMES: u8 = 6;

fn payload(n: u8) -> Vec<u8> {
    vec![n; 40 + 20 * usize::from(n)]
}

fn keys() -> KeyRing {
    "01".repeat(32).parse().unwrap()
}

/// A log of six frames, anchored after the third or not at all; sealed or plain.
fn written(dir: &Path, keys: &KeyRing, anchored: bool) {
    let mut log = open_sealed(dir, REPLICA, Disk::real(), keys).unwrap();
    for n in 0..FRAMES {
        log.writer.append_parts(1, &[&payload(n)]).unwrap();
        log.writer.sync().unwrap();
        if anchored && n == 2 {
            log.writer.set_anchor([5; 32], &Frontier::new().encode());
            log.writer.write_anchor().unwrap();
        }
    }
}

fn segments() -> Vec<Vec<u8>> {
    [KeyRing::default(), keys()]
        .iter()
        .map(|keys| {
            let dir = tempfile::tempdir().unwrap();
            written(dir.path(), keys, false);
            std::fs::read(dir.path().join("00000000.seg")).unwrap()
        })
        .collect()
}

/// Whatever stands in a segment, no frame comes out of it that was never written, and none before the anchor is missed in
/// silence.
fn segment(data: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    for anchored_at in [0, 3] {
        std::fs::write(dir.path().join("00000000.seg"), data).unwrap();
        let anchor = anchor_bytes(REPLICA, anchored_at, [5; 32], &[]);
        std::fs::write(dir.path().join("anchor"), anchor).unwrap();
        let _ = verify_end(dir.path(), REPLICA);
        let mut saved = 0;
        let _ = salvage(dir.path(), &keys(), &mut |frame| {
            saved += 1;
            assert!((0..FRAMES).any(|n| payload(n) == frame.payload), "a frame that was never written");
        });
        let checked = verify(dir.path(), REPLICA, &keys());
        match open_sealed(dir.path(), REPLICA, Disk::real(), &keys()) {
            Ok(log) => {
                let next = log.reader.next().0;
                assert!(next >= anchored_at, "the log opens with less than its anchor says");
                let read = log.reader.clone().scan(Sequence(0)).map(|frame| frame.unwrap().1);
                let whole = (0..).zip(read).all(|(n, frame)| frame.payload == payload(n));
                assert!(whole, "a frame that was never written, or not in its place");
                assert!(
                    matches!(checked, Ok((_, faults)) if faults.is_empty()),
                    "verify finds what open does not"
                );
            }
            Err(_) => assert!(!matches!(checked, Ok((_, faults)) if faults.is_empty())),
        }
        let _ = saved;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

fn all_anchors() -> Vec<Vec<u8>> {
    let mut frontier = Frontier::new();
    (0..3u8).for_each(|n| frontier.push([n; 32]));
    vec![anchor_bytes(REPLICA, 3, frontier.root(), &frontier.encode()), vec![0; 8_192]]
}

/// An anchor that was never written vouches for nothing.
fn anchor(data: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("anchor"), data).unwrap();
    let next = anchored(dir.path()).unwrap();
    assert!(next == 0 || next == 3, "an anchor of {next}");
    let slots = anchors(dir.path()).unwrap();
    assert!(slots.iter().flatten().flatten().all(|anchor| anchor.next == 3 && anchor.replica == REPLICA));
}

fn leaves() -> Vec<Digest> {
    (0..300u32).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn all_hashes() -> Vec<Vec<u8>> {
    vec![leaves().concat(), Vec::new()]
}

/// Hashes beside the log are as many as are whole, and lead to the root of just those.
fn hashes(data: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hashes.0"), data).unwrap();
    let read = HashFile::open(dir.path(), 290).unwrap();
    let whole = (data.len() / 32).min(290);
    assert_eq!(read.len(), whole as u64);
    let leaves: Vec<Digest> =
        data.chunks_exact(32).take(whole).map(|leaf| leaf.try_into().unwrap()).collect();
    assert_eq!(root_at(&read, whole as u64), root_at(leaves.as_slice(), whole as u64));
    read.append(&[[1; 32]]).unwrap();
    assert_eq!(read.len(), whole as u64 + 1);
}
