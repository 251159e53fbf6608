//! `ledger verify --full`: whatever byte of the ledger's files is changed, it is refused, and the object is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::HubSecrets;
use lienthong_hub::succession::check;
use lienthong_hub::verify::{Differs, verify};
use lienthong_node::app::system_clock;
use lienthong_node::at_rest::KeyRing;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Acceptance;
use lienthong_tests::{acknowledged, brisk, catalogue, copy_folder, make_hub, make_node, member};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const UNITS: [&str; 2] = ["11953", "11977"];
const SEED: u64 = 20_261_126;

/// The folder of a hub that has accepted batches of two nodes, was witnessed twice, and has ended in good order.
async fn stopped_hub(keys: &KeyRing) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    make_hub(&dir.path().join("hub")).unwrap();
    let options = LedgerOptions { keys: keys.clone(), ..LedgerOptions::default() };
    let hub = Hub::open(&dir.path().join("hub"), catalogue().unwrap(), &options, system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let mut nodes = Vec::new();
    for unit in UNITS {
        let node = make_node(&hub, &address, &dir.path().join(unit), unit).await.unwrap();
        node.start_sync(brisk());
        nodes.push((unit, node));
    }
    for turn in 0..2 {
        for (unit, node) in &nodes {
            let drafts =
                (0..20).map(|n| member(unit, &format!("03307{turn}{unit}{n}"), "Nguyễn Văn An").unwrap());
            node.write(drafts.collect()).await;
            acknowledged(node).await.unwrap();
            let known = || hub.committer.books().read().witnesses.keys.len();
            while known() < UNITS.len() && turn == 1 {
                tokio::task::yield_now().await;
            }
        }
        // Enough of them that there is a tile of 256.
        for _ in 0..140 {
            hub.event("import", "x", Default::default()).await.unwrap();
        }
        let closed = hub.close_round().await.unwrap().unwrap();
        while hub.witnessed().is_none_or(|witnessed| witnessed.checkpoint != closed) {
            tokio::task::yield_now().await;
        }
    }
    for (_, node) in &nodes {
        node.close().await;
    }
    hub.close().await;
    let data = hub.data.clone();
    (dir, data)
}

fn judged(data: &Path) -> Result<u64, Differs> {
    judged_by(data, &KeyRing::default())
}

fn judged_by(data: &Path, keys: &KeyRing) -> Result<u64, Differs> {
    verify(data, &HubSecrets::load(data).unwrap(), keys, 0).map(|derived| derived.entries)
}

/// Its files, as they are named.
fn files(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for room in ["log", "witness"] {
        for file in std::fs::read_dir(data.join(room)).unwrap() {
            let file = file.unwrap();
            if file.metadata().unwrap().len() > 0 {
                found.push(format!("{room}/{}", file.file_name().to_str().unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Flips of one file: 1,000 and more over the whole folder.
const FLIPS: usize = 180;

/// Goal: every changed byte is refused and the object named, of a plain ledger and of a sealed one. Method: one bit of a
/// random place of each file, again and again, from one seed.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_changed_byte_of_the_ledger_is_refused_and_named() {
    changed_bytes(KeyRing::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_changed_byte_of_a_sealed_ledger_is_refused_and_named() {
    changed_bytes(KeyRing::generate().parse().unwrap()).await;
}

async fn changed_bytes(keys: KeyRing) {
    let (_dir, data) = stopped_hub(&keys).await;
    let judged = |data: &Path| judged_by(data, &keys);
    let entries = judged(&data).unwrap();
    assert!(entries > 256);
    let files = files(&data);
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "log/00000000.seg",
            "log/anchor",
            "log/hashes.0",
            "log/hashes.1",
            "witness/rounds.jsonl",
            "witness/witnessed.json"
        ]
    );
    let mut random = StdRng::seed_from_u64(SEED);
    for name in &files {
        let path = data.join(name);
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..FLIPS {
            let (place, bit) = (random.random_range(0..whole.len()), random.random_range(0..8));
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            std::fs::write(&path, changed).unwrap();
            let Err(differs) = judged(&data) else { panic!("{name}: byte {place}, bit {bit}, seed {SEED}") };
            assert!(differs.object.starts_with(name.as_str()), "{name}: byte {place}, bit {bit}: {differs}");
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(judged(&data).unwrap(), entries, "put back it is whole");
}

/// Frames of a segment: where each payload begins, and how long it is.
fn frames(segment: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut found) = (40, Vec::new());
    while at < segment.len() {
        let length = u32::from_be_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
        found.push((at + 20, length));
        at += 20 + length;
    }
    found
}

/// Writes a frame's checksum anew: sequence, count and payload are under it.
fn sum_again(segment: &mut [u8], (start, length): (usize, usize)) {
    let sum = crc32c::crc32c(&segment[start - 12..start + length]);
    segment[start - 16..start - 12].copy_from_slice(&sum.to_be_bytes());
}

/// Goal: who changes an entry and puts the checksum right is found all the same, by the leaf; who takes the tiles and
/// anchors away too, by what the replicas have signed.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_right_checksum_makes_no_entry_right() {
    let (_dir, data) = stopped_hub(&KeyRing::default()).await;
    let path = data.join("log/00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    let all = frames(&whole);
    let accepted: Vec<(usize, usize)> = all.iter().copied().filter(|(start, _)| whole[*start] == 2).collect();
    assert!(accepted.len() >= 4, "accepted batches were found");
    let mut random = StdRng::seed_from_u64(SEED);
    let mut change = |frame: (usize, usize), skip: usize| {
        let (place, bit) =
            (random.random_range(frame.0 + skip..frame.0 + frame.1), random.random_range(0..8));
        let mut changed = whole.clone();
        changed[place] ^= 1 << bit;
        sum_again(&mut changed, frame);
        std::fs::write(&path, changed).unwrap();
        format!("byte {place}, bit {bit}, seed {SEED}")
    };
    for turn in 0..300 {
        let frame = all[turn * 7 % all.len()];
        let what = change(frame, 0);
        let differs = judged(&data).expect_err(&what);
        assert!(
            differs.object.starts_with("entry ") || differs.object.starts_with("log/hashes.0"),
            "{what}: {differs}"
        );
    }
    // Nothing is left beside the entries that knows their leaves.
    for name in files(&data).iter().filter(|name| !name.ends_with(".seg")) {
        std::fs::remove_file(data.join(name)).unwrap();
    }
    for turn in 0..100 {
        let frame = accepted[turn % accepted.len()];
        // Form, length and the acceptance itself come first; the batch is behind them.
        let entry = u32::from_be_bytes(whole[frame.0 + 1..frame.0 + 5].try_into().unwrap()) as usize;
        let what = change(frame, 5 + entry);
        let differs = judged(&data).expect_err(&what);
        assert!(differs.object.starts_with("entry "), "{what}: {differs}");
    }
    std::fs::write(&path, &whole).unwrap();
    judged(&data).unwrap();
}

/// Goal: who dates an earlier batch otherwise than the acceptances behind it say is found, though every hash fits. Method: what the
/// last acceptance says of those before it is another, in an entry of the same length.
#[tokio::test(flavor = "multi_thread")]
async fn p5_an_acceptance_that_is_bound_to_others_is_named() {
    let (_dir, data) = stopped_hub(&KeyRing::default()).await;
    let path = data.join("log/00000000.seg");
    let mut segment = std::fs::read(&path).unwrap();
    let all = frames(&segment);
    let frame = *all.iter().rfind(|(start, _)| segment[*start] == 2).unwrap();
    let length = u32::from_be_bytes(segment[frame.0 + 1..frame.0 + 5].try_into().unwrap()) as usize;
    let entry = frame.0 + 5..frame.0 + 5 + length;
    for name in files(&data).iter().filter(|name| !name.ends_with(".seg")) {
        std::fs::remove_file(data.join(name)).unwrap();
    }
    let decoded = Entry::decode(&segment[entry.clone()]).unwrap();
    let (dot, acceptance) = (decoded.header.dot, Acceptance::of(&decoded).unwrap());
    assert!(acceptance.first.0 > 0, "it is not the first of its log");
    for before in [acceptance.before, [8; 32]] {
        let made = Acceptance { before, ..acceptance.clone() }.build(dot, &[5; 16]).unwrap().0;
        segment[entry.clone()].copy_from_slice(&made);
        sum_again(&mut segment, frame);
        std::fs::write(&path, &segment).unwrap();
        if before == acceptance.before {
            judged(&data).unwrap();
        }
    }
    let differs = judged(&data).unwrap_err();
    assert!(differs.object.starts_with(&format!("entry {}, acceptance", dot.sequence)), "{differs}");
    assert!(differs.reason.contains("accepted before"), "{differs}");
}

/// Goal: a ledger that was cut in good order, with everything beside it made to fit, is told by its witnesses.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_ledger_cut_in_good_order_is_told_by_its_witnesses() {
    let (dir, data) = stopped_hub(&KeyRing::default()).await;
    let cut = dir.path().join("cut");
    copy_folder(&data, &cut).unwrap();
    let path = cut.join("log/00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    let (start, _) = *frames(&whole).last().unwrap();
    std::fs::write(&path, &whole[..start - 20]).unwrap();
    std::fs::remove_file(cut.join("log/anchor")).unwrap();
    for level in 0..3 {
        std::fs::remove_file(cut.join(format!("log/hashes.{level}"))).unwrap();
    }
    let differs = judged(&cut).unwrap_err();
    assert!(differs.object.starts_with("witness/"), "{differs}");
    // A policy's quorum is not made by leaving lines out.
    let path = data.join("witness/witnessed.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.rfind('—').unwrap();
    std::fs::write(&path, format!("{}\"}}", &text[..at])).unwrap();
    let differs = judged(&data).unwrap_err();
    assert!(differs.reason.contains("of 2 witnesses"), "{differs}");
}

/// Goal: `check` names each of the hub's own lists that does not open: accounts, contacts, tokens and the like. Method: a bit of
/// each in turn.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_list_of_the_hub_that_does_not_open_is_named_by_check() {
    let (_dir, data) = stopped_hub(&KeyRing::default()).await;
    let judged = || {
        let secrets = HubSecrets::load(&data).unwrap();
        let judged = check(&data, &secrets, &KeyRing::default(), &|_, _| {});
        judged.map_or_else(
            |error| (1, error.to_string()),
            |judged| (judged.exit, judged.body["faults"].to_string()),
        )
    };
    assert_eq!(judged(), (0, "[]".to_owned()));
    let folder = data.join("secrets");
    let listed = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let sealed: Vec<PathBuf> =
        listed.filter(|path| path.extension().is_some_and(|end| end == "sealed")).collect();
    assert!(sealed.len() >= 2, "{sealed:?}");
    for path in sealed {
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        std::fs::write(&path, changed).unwrap();
        let (exit, said) = judged();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(exit == 1 && said.contains(name), "{name}: {said}");
        std::fs::write(&path, whole).unwrap();
    }
}
