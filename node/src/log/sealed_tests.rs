//! Sealed segments over real files: cuts, flips, swaps, other keys, and rewriting that fails anywhere.

use std::io::ErrorKind;
use std::path::Path;

use lienthong_proto::ids::{ReplicaId, Sequence};
use proptest::prelude::*;

use super::{Disk, FramePosition, OpenError, Opened, open_sealed, reseal, resealing, salvage, verify};
use crate::at_rest::KeyRing;

const REPLICA: ReplicaId = ReplicaId([7; 16]);
const CANARY: &[u8] = b"Nguyen Van Canary 001099012345";
const HEADER: usize = 80;
const FRAME: usize = 20 + 30 + 16;

fn ring() -> KeyRing {
    KeyRing::generate().parse().unwrap()
}

fn both(first: &str, second: &str) -> KeyRing {
    format!("{first}\n{second}").parse().unwrap()
}

fn opened(dir: &Path, keys: &KeyRing) -> Opened {
    open_sealed(dir, REPLICA, Disk::real(), keys).unwrap()
}

fn written(dir: &Path, keys: &KeyRing, frames: u8) -> Vec<FramePosition> {
    let mut log = opened(dir, keys);
    let places = (0..frames).map(|_| {
        let place = log.writer.append_parts(1, &[CANARY]).unwrap();
        log.writer.sync().unwrap();
        place
    });
    places.collect()
}

fn count(log: &Opened) -> usize {
    let payloads = log.reader.clone().scan(Sequence(0)).map(|frame| frame.unwrap().1.payload);
    payloads.inspect(|payload| assert_eq!(payload, CANARY)).count()
}

fn in_clear(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(8).any(|window| CANARY.starts_with(window)))
}

#[test]
fn what_is_sealed_is_not_in_clear_and_is_read_back_by_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    let mut places = written(dir.path(), &keys, 3);
    places.extend(written(dir.path(), &keys, 2));
    assert!(!in_clear(dir.path()));
    let segments: Vec<u32> = places.iter().map(|place| place.segment).collect();
    assert_eq!(segments, [0, 0, 0, 1, 1], "each opening begins a segment");
    let log = opened(dir.path(), &keys);
    assert_eq!(count(&log), 5);
    for (sequence, place) in (0..).zip(places) {
        assert_eq!(log.reader.frame(place).unwrap().first, Sequence(sequence));
    }
    drop(log);
    for wrong in [KeyRing::default(), ring()] {
        let refused = open_sealed(dir.path(), REPLICA, Disk::real(), &wrong);
        assert!(matches!(refused, Err(OpenError::Key(_))));
        assert!(matches!(verify(dir.path(), REPLICA, &wrong), Err(OpenError::Key(_))));
        assert!(salvage(dir.path(), &wrong, &mut |_| {}).is_err());
    }
    assert_eq!(
        super::verify_end(dir.path(), REPLICA).unwrap(),
        Sequence(5),
        "the end is judged without a key"
    );
}

#[test]
fn p1_a_sealed_tail_cut_at_any_byte_loses_only_what_was_never_anchored() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    written(dir.path(), &keys, 3);
    let path = dir.path().join("00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.len(), HEADER + 3 * FRAME);
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut log = opened(dir.path(), &keys);
        assert_eq!(count(&log), length.saturating_sub(HEADER) / FRAME, "cut at {length}");
        log.writer.append_parts(1, &[CANARY]).unwrap();
        log.writer.sync().unwrap();
        assert_eq!(count(&opened(dir.path(), &keys)), length.saturating_sub(HEADER) / FRAME + 1);
        let _ = std::fs::remove_file(dir.path().join("00000001.seg"));
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn p1_a_flipped_bit_of_a_sealed_segment_is_damage_unless_it_can_only_be_an_unfinished_write() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    written(dir.path(), &keys, 3);
    let path = dir.path().join("00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        match open_sealed(dir.path(), REPLICA, Disk::real(), &keys) {
            Ok(log) => {
                assert!(at >= HEADER + 2 * FRAME, "byte {at}");
                assert_eq!(count(&log), 2);
            }
            Err(OpenError::Damaged(_)) => assert!(at < HEADER + 2 * FRAME, "byte {at}"),
            Err(other) => panic!("{other}"),
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

/// A frame's bytes with what it says of itself changed, and a checksum that holds.
fn restated(frame: &[u8], first: u64) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[8..16].copy_from_slice(&first.to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[8..20]), &frame[20..]);
    frame[4..8].copy_from_slice(&crc.to_be_bytes());
    frame
}

#[test]
fn frames_that_are_swapped_or_moved_do_not_open_though_their_checksums_hold() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    written(dir.path(), &keys, 3);
    written(dir.path(), &keys, 1);
    let paths = [dir.path().join("00000000.seg"), dir.path().join("00000001.seg")];
    let [one, two] = paths.clone().map(|path| std::fs::read(path).unwrap());
    let frame = |bytes: &[u8], at: usize| bytes[HEADER + at * FRAME..][..FRAME].to_vec();
    let forged = [
        // The second in the place of the first, and the other way round.
        [&one[..HEADER], &restated(&frame(&one, 1), 0), &restated(&frame(&one, 0), 1), &frame(&one, 2)]
            .concat(),
        // One of another segment.
        [&one[..HEADER], &restated(&frame(&two, 0), 0), &one[HEADER + FRAME..]].concat(),
    ];
    for bytes in forged {
        std::fs::write(&paths[0], bytes).unwrap();
        let (_, faults) = verify(dir.path(), REPLICA, &keys).unwrap();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].reason.contains("does not open"), "{}", faults[0]);
        let log = opened(dir.path(), &keys);
        assert!(log.reader.clone().scan(Sequence(0)).next().unwrap().is_err());
    }
}

#[test]
fn behind_damage_whole_sealed_frames_are_still_saved() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    written(dir.path(), &keys, 4);
    let path = dir.path().join("00000000.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[HEADER + FRAME + 25] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut saved = Vec::new();
    let skipped =
        salvage(dir.path(), &keys, &mut |frame| saved.push((frame.first.0, frame.payload))).unwrap();
    assert_eq!(skipped, 1);
    assert_eq!(saved.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(saved.iter().all(|(_, payload)| payload == CANARY));
}

fn resealed(dir: &Path, log: &Opened) {
    while reseal(dir, &log.reader, &Disk::real(), &|| false).unwrap() {}
}

#[test]
fn a_plain_log_is_rewritten_and_every_place_and_reader_stays_good() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let mut places = written(dir.path(), &KeyRing::default(), 4);
    assert!(in_clear(dir.path()));
    let mut log = opened(dir.path(), &old.parse().unwrap());
    let mut reading = log.reader.clone().scan(Sequence(0));
    assert_eq!(reading.next().unwrap().unwrap().0, places[0]);
    resealed(dir.path(), &log);
    assert!(!in_clear(dir.path()));
    assert_eq!(reading.map(|frame| frame.unwrap().0).collect::<Vec<_>>(), places[1..]);
    places.push(log.writer.append_parts(1, &[CANARY]).unwrap());
    log.writer.sync().unwrap();
    // Another key while it runs: new frames are under it at once, the rest is rewritten.
    log.reader.set_keys(both(&new, &old)).unwrap();
    places.push(log.writer.append_parts(1, &[CANARY]).unwrap());
    log.writer.sync().unwrap();
    assert_eq!(resealing(&log.reader).waiting, 2);
    resealed(dir.path(), &log);
    assert_eq!(resealing(&log.reader).waiting, 0);
    for place in &places {
        assert_eq!(log.reader.frame(*place).unwrap().payload, CANARY);
    }
    drop(log);
    let log = opened(dir.path(), &new.parse().unwrap());
    assert_eq!(count(&log), 6);
    for place in &places {
        assert_eq!(log.reader.frame(*place).unwrap().payload, CANARY);
    }
}

#[test]
fn a_segment_that_is_appended_to_waits_until_the_writer_has_closed_it() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let mut log = opened(dir.path(), &old.parse().unwrap());
    log.writer.append_parts(1, &[CANARY]).unwrap();
    log.writer.sync().unwrap();
    log.reader.set_keys(both(&new, &old)).unwrap();
    assert!(!reseal(dir.path(), &log.reader, &Disk::real(), &|| false).unwrap());
    log.writer.settle().unwrap();
    assert!(reseal(dir.path(), &log.reader, &Disk::real(), &|| false).unwrap());
    assert_eq!(count(&opened(dir.path(), &new.parse().unwrap())), 1);
    assert!(log.reader.set_keys(old.parse().unwrap()).is_err(), "what is sealed needs its key");
}

#[test]
fn p1_whatever_call_of_rewriting_fails_the_log_is_whole_under_both_keys() {
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    for (kind, short) in [(ErrorKind::StorageFull, false), (ErrorKind::Other, true)] {
        for call in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            written(dir.path(), &old.parse().unwrap(), 3);
            written(dir.path(), &old.parse().unwrap(), 3);
            let log = opened(dir.path(), &both(&new, &old));
            let disk = Disk::failing(call, kind, short);
            while let Ok(true) = reseal(dir.path(), &log.reader, &disk, &|| false) {}
            assert_eq!(count(&log), 6, "call {call}");
            drop(log);
            let log = opened(dir.path(), &both(&new, &old));
            assert_eq!(count(&log), 6, "call {call}");
            let left = std::fs::read_dir(dir.path()).unwrap();
            assert!(left.into_iter().all(|file| !file.unwrap().path().to_string_lossy().ends_with(".new")));
            resealed(dir.path(), &log);
            assert_eq!(count(&opened(dir.path(), &new.parse().unwrap())), 6);
        }
    }
}

#[test]
fn rewriting_that_is_stopped_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keys = ring();
    written(dir.path(), &KeyRing::default(), 3);
    let log = opened(dir.path(), &keys);
    assert!(!reseal(dir.path(), &log.reader, &Disk::real(), &|| true).unwrap());
    assert_eq!(resealing(&log.reader).waiting, 1);
    assert_eq!(count(&log), 3);
}

#[derive(Debug, Clone)]
enum Step {
    Append(u16),
    Reopen,
    Rotate,
    Reseal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u16..3_000).prop_map(Step::Append),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rotate),
        1 => Just(Step::Reseal),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is appended, under whichever keys, and however often it is rewritten: the same frames at the same places.
    #[test]
    fn frames_and_places_outlive_keys(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let (mut lines, mut model) = (String::new(), Vec::new());
        let keys = |lines: &str| lines.parse::<KeyRing>().unwrap_or_default();
        let mut log = opened(dir.path(), &KeyRing::default());
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    let payload = vec![u8::try_from(bytes % 251).unwrap(); usize::from(bytes)];
                    model.push((log.writer.append_parts(1, &[&payload]).unwrap(), payload));
                    log.writer.sync().unwrap();
                }
                Step::Reopen => {
                    drop(log);
                    log = opened(dir.path(), &keys(&lines));
                }
                Step::Rotate => {
                    lines = format!("{}\n{}", KeyRing::generate().as_str(), lines.lines().next().unwrap_or_default());
                    log.reader.set_keys(keys(&lines)).unwrap_or_default();
                    log.writer.settle().unwrap();
                    resealed(dir.path(), &log);
                }
                Step::Reseal => resealed(dir.path(), &log),
            }
            for (place, payload) in &model {
                prop_assert_eq!(&log.reader.frame(*place).unwrap().payload, payload);
            }
            let scanned: Vec<_> = log.reader.clone().scan(Sequence(0)).map(|it| it.unwrap()).collect();
            prop_assert!(scanned.iter().map(|(place, frame)| (*place, frame.payload.to_vec())).eq(model.iter().cloned()));
        }
    }
}
