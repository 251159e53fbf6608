//! One bit of a replica's log, or of a record in it: `check` names what differs, or proves that nothing does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lienthong_node::app::{Node, system_clock};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::check::check_against;
use lienthong_node::dataset::Payload;
use lienthong_node::identity::enrol;
use lienthong_proto::batch;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, member, token};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

const UNIT: &str = "11953";
const FLIPS: usize = 1_000;

/// A replica's folder that has ended in good order, everything in it acknowledged.
struct Stopped {
    _dir: tempfile::TempDir,
    data: PathBuf,
    replica: ReplicaId,
    keys: KeyRing,
    /// Its entries as they are written, in order.
    entries: Vec<Vec<u8>>,
}

async fn stopped(keys: KeyRing) -> Stopped {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let data = dir.path().join("node");
    std::fs::create_dir(&data).unwrap();
    enrol(&data, &address, &token(&hub, UNIT).unwrap()).await.unwrap();
    let node = Node::open_through(&data, catalogue().unwrap(), system_clock, None, &keys).unwrap();
    node.start_sync(brisk());
    let number = |n: u32| format!("0330700{n:05}");
    for n in 0..30 {
        node.write(vec![member(UNIT, &number(n), "Nguyễn Văn An").unwrap()]).await;
    }
    let many = (30..120).map(|n| member(UNIT, &number(n), "Trần Thị Bình").unwrap());
    node.write(many.collect()).await;
    acknowledged(&node).await.unwrap();
    let mut entries = Vec::new();
    for frame in node.replica.reader().clone().scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => entries.push(entry.to_vec()),
            Payload::Batch(packed) => {
                let plain = batch::unpack(packed).unwrap();
                entries.extend(batch::entries(&plain).unwrap().into_iter().map(<[u8]>::to_vec));
            }
        }
    }
    let replica = node.identity.replica();
    node.close().await;
    hub.close().await;
    Stopped { _dir: dir, data, replica, keys, entries }
}

impl Stopped {
    fn judged(&self) -> (u8, Json) {
        let answer = check_against(&self.data, self.replica, &BTreeMap::new(), &self.keys, &|_, _| {});
        (answer.exit, answer.body)
    }

    /// Its log's files, with what is in them.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(self.data.join("log")).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.retain(|(_, bytes)| !bytes.is_empty());
        files.sort();
        files
    }
}

fn named(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Goal: of 1,000 random bits of a replica's log, plain and sealed, each one that is flipped is named by `check`. Of its
/// anchor's, which is written twice over, each is named or makes no difference: entries and root are as before.
async fn flipped(keys: KeyRing) {
    let stopped = stopped(keys).await;
    let (exit, whole) = stopped.judged();
    assert_eq!((exit, whole["faults"].as_array().map(Vec::len)), (0, Some(0)), "{whole:#}");
    let files = stopped.files();
    let (anchors, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| named(path) == "anchor");
    assert!(anchors.len() == 1 && files.len() >= 2, "anchor, segment, leaf hashes");
    let seed = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    for turn in 0..FLIPS + FLIPS / 20 {
        let files = if turn < FLIPS { &files } else { &anchors };
        let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut place, bit) = (random.random_range(0..total), random.random_range(0..8));
        let (path, bytes) = files
            .iter()
            .find(|(_, bytes)| {
                let here = place < bytes.len();
                place -= if here { 0 } else { bytes.len() };
                here
            })
            .unwrap();
        let mut changed = bytes.clone();
        changed[place] ^= 1 << bit;
        std::fs::write(path, &changed).unwrap();
        let (exit, body) = stopped.judged();
        std::fs::write(path, bytes).unwrap();
        let what = format!("{} byte {place}, bit {bit}, seed {seed}: {body:#}", named(path));
        if exit == 0 {
            assert_eq!(named(path), "anchor", "{what}");
            assert_eq!((&body["root"], &body["entries"]), (&whole["root"], &whole["entries"]), "{what}");
        } else {
            let said = body.to_string();
            let names = ["entry", "seg", "anchor", "leaf hashes"];
            assert!(names.iter().any(|name| said.contains(name)), "it names nothing: {what}");
        }
    }
    assert_eq!(stopped.judged().0, 0, "put back it is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_flipped_bit_of_a_plain_log_is_named() {
    flipped(KeyRing::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_flipped_bit_of_a_sealed_log_is_named() {
    flipped(KeyRing::generate().parse().unwrap()).await;
}

/// Goal: of 1,000 random bits of records as they are written, whole and redacted, each one that is flipped makes another leaf
/// or none at all: no value, salt, name, dot or commitment can be another under the same proof.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_flipped_bit_of_a_record_is_another_leaf() {
    let stopped = stopped(KeyRing::default()).await;
    let change = |bytes: &&Vec<u8>| Entry::decode(bytes).unwrap().header.kind == EntryKind::Change;
    let records: Vec<&Vec<u8>> = stopped.entries.iter().filter(change).collect();
    assert!(records.len() >= 120);
    let seed = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut read = 0;
    for turn in 0..2 * FLIPS {
        let bytes = records[random.random_range(0..records.len())];
        let whole = Entry::decode(bytes).unwrap();
        let leaf = whole.leaf_hash();
        let shown = whole.redact(|path| path.starts_with('_') || path == "ho_ten");
        let form = if turn % 2 == 0 { bytes } else { &shown };
        let mut changed = form.clone();
        let (place, bit) = (random.random_range(0..changed.len()), random.random_range(0..8));
        changed[place] ^= 1 << bit;
        if let Ok(entry) = Entry::decode(&changed) {
            read += 1;
            assert_ne!(entry.leaf_hash(), leaf, "byte {place}, bit {bit}, turn {turn}, seed {seed}");
        }
    }
    assert!(read > FLIPS / 4, "most are read, and are another");
}
