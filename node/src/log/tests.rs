//! Crashes, cuts, flips and failing calls over real files.

use std::io::ErrorKind;
use std::path::Path;

use lienthong_proto::ids::{ReplicaId, Sequence};

use super::{Disk, OpenError, Opened, open, verify};
use crate::at_rest::KeyRing;

const REPLICA: ReplicaId = ReplicaId([7; 16]);

fn opened(dir: &Path) -> Opened {
    open(dir, REPLICA, Disk::real()).unwrap()
}

fn payloads(opened: &Opened) -> Vec<Vec<u8>> {
    opened.reader.clone().scan(Sequence(0)).map(|frame| frame.unwrap().1.payload.to_vec()).collect()
}

fn written(dir: &Path, frames: u8) {
    let mut log = opened(dir);
    for n in 0..frames {
        log.writer.append_parts(1, &[&[n; 10]]).unwrap();
        log.writer.sync().unwrap();
    }
}

#[test]
fn what_was_synced_is_there_again_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = opened(dir.path());
    log.writer.append_parts(2, &[b"one", b"two"]).unwrap();
    assert_eq!(log.reader.next(), Sequence(0), "not visible before the sync");
    log.writer.sync().unwrap();
    let position = log.writer.append_parts(1, &[b"three"]).unwrap();
    log.writer.sync().unwrap();
    assert_eq!(log.reader.frame(position).unwrap().first, Sequence(2));
    assert_eq!(log.reader.locate(Sequence(2)).unwrap(), Some(position));
    drop(log);
    let log = opened(dir.path());
    assert_eq!(payloads(&log), [b"onetwo".to_vec(), b"three".to_vec()]);
    assert_eq!(log.writer.next_sequence(), Sequence(3));
}

#[test]
fn p1_a_tail_cut_at_any_byte_loses_only_what_was_never_anchored() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let path = dir.path().join("00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let log = opened(dir.path());
        let kept = payloads(&log);
        assert!(kept.iter().enumerate().all(|(n, payload)| payload == &vec![n as u8; 10]));
        assert_eq!(kept.len(), length.saturating_sub(40) / 30, "cut at {length}");
        drop(log);
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn p1_a_flipped_bit_is_damage_unless_it_can_only_be_an_unfinished_write() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let path = dir.path().join("00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        match open(dir.path(), REPLICA, Disk::real()) {
            // Only the last frame may pass for unfinished, and it is gone as a whole.
            Ok(log) => {
                assert!(at >= 40 + 60, "byte {at}");
                assert_eq!(payloads(&log).len(), 2);
            }
            Err(OpenError::Damaged(_)) => assert!(at < 40 + 60, "byte {at}"),
            Err(other) => panic!("{other}"),
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn p1_damage_before_the_anchor_is_never_taken_for_an_unfinished_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = opened(dir.path());
    log.writer.append_parts(1, &[&[1; 10]]).unwrap();
    log.writer.sync().unwrap();
    log.writer.set_anchor([0; 32], &[]);
    log.writer.write_anchor().unwrap();
    drop(log);
    let path = dir.path().join("00000000.seg");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(open(dir.path(), REPLICA, Disk::real()), Err(OpenError::Damaged(_))), "{length}");
        assert_eq!(verify(dir.path(), REPLICA, &KeyRing::default()).unwrap().1.len(), 1);
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open(dir.path(), REPLICA, Disk::real()), Err(OpenError::Damaged(_))));
}

#[test]
fn p1_whatever_call_fails_what_was_confirmed_is_there_and_the_writer_has_ended() {
    for (kind, short) in [(ErrorKind::StorageFull, false), (ErrorKind::Other, true)] {
        for call in 0..40 {
            let dir = tempfile::tempdir().unwrap();
            let mut log = open(dir.path(), REPLICA, Disk::failing(call, kind, short)).unwrap();
            let mut confirmed = 0u8;
            for n in 0..6u8 {
                let appended = log.writer.append_parts(1, &[&[n; 10]]).is_ok();
                if !appended || log.writer.sync().is_err() {
                    assert!(log.writer.append_parts(1, &[b"x"]).is_err(), "it goes on after a fault");
                    break;
                }
                confirmed = n + 1;
                log.writer.set_anchor([n; 32], &[]);
                let _ = log.writer.write_anchor();
            }
            drop(log);
            let kept = payloads(&opened(dir.path()));
            assert!(kept.len() >= usize::from(confirmed), "call {call}: {confirmed} confirmed");
            assert!(kept.iter().enumerate().all(|(n, payload)| payload == &vec![n as u8; 10]));
        }
    }
}

#[test]
fn another_replicas_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 1);
    let other = open(dir.path(), ReplicaId([8; 16]), Disk::real());
    assert!(matches!(other, Err(OpenError::OtherReplica { .. })));
}

/// Goal: nothing is confirmed that was only written. Method: writing takes two calls of the disk, and the second fails; and
/// the call that syncs is the system's own, which a pipe refuses.
#[test]
fn p1_nothing_is_confirmed_before_it_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 1);
    let mut log = open(dir.path(), REPLICA, Disk::failing(1, ErrorKind::Other, false)).unwrap();
    log.writer.append_parts(1, &[b"two"]).unwrap();
    assert!(log.writer.sync().is_err(), "confirmed without a sync");
    assert_eq!(log.reader.next(), Sequence(1), "readers see what was not synced");
    assert!(log.writer.append_parts(1, &[b"three"]).is_err(), "it goes on after a failed sync");
    let (_, pipe) = std::io::pipe().unwrap();
    assert!(Disk::real().sync(&std::fs::File::from(std::os::fd::OwnedFd::from(pipe))).is_err());
}
