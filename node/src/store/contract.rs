//! One suite, every engine.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::{Batch, Keyspace, MemoryView, SledView, StagedView, View, ViewError};
use crate::at_rest::KeyRing;

fn engines() -> Vec<(Box<dyn View>, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let sled = SledView::open(&dir.path().join("view"), 1 << 20).unwrap();
    assert!(sled.set_aside.is_none());
    let sealed_dir = tempfile::tempdir().unwrap();
    let sealed = SledView::open_sealed(&sealed_dir.path().join("view"), 1 << 20, &ring()).unwrap();
    vec![
        (Box::new(MemoryView::default()), None),
        (Box::new(sled.view), Some(dir)),
        (Box::new(sealed.view), Some(sealed_dir)),
    ]
}

fn ring() -> KeyRing {
    KeyRing::generate().parse().unwrap()
}

fn all(view: &dyn View, keyspace: Keyspace, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    view.scan_prefix(keyspace, prefix, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        true
    })
    .unwrap();
    found
}

#[test]
fn keyspaces_are_apart_and_scans_keep_to_their_prefix() {
    for (view, _dir) in engines() {
        let mut batch = Batch::default();
        batch.put(Keyspace::Record, b"a1", b"x");
        batch.put(Keyspace::Record, b"a2", b"y");
        batch.put(Keyspace::Record, b"b1", b"z");
        batch.put(Keyspace::Notice, b"a1", b"n");
        batch.set_applied(7);
        view.commit(batch).unwrap();
        assert_eq!(all(view.as_ref(), Keyspace::Record, b"a").len(), 2);
        assert_eq!(view.get(Keyspace::Notice, b"a1").unwrap().as_deref(), Some(&b"n"[..]));
        assert_eq!(view.applied().unwrap(), Some(7));
        let mut after = Vec::new();
        view.scan(Keyspace::Record, Bound::Excluded(b"a1"), b"", &mut |key, _| {
            after.push(key.to_vec());
            after.is_empty()
        })
        .unwrap();
        assert_eq!(after, [b"a2".to_vec()]);
    }
}

#[test]
fn the_last_write_of_a_key_in_a_batch_counts() {
    for (view, _dir) in engines() {
        let mut batch = Batch::default();
        batch.put(Keyspace::Meta, b"k", b"1");
        batch.delete(Keyspace::Meta, b"k");
        batch.put(Keyspace::Meta, b"k", b"2");
        view.commit(batch).unwrap();
        assert_eq!(view.get(Keyspace::Meta, b"k").unwrap().as_deref(), Some(&b"2"[..]));
    }
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let view = MemoryView::failing_after(0);
    let mut batch = Batch::default();
    batch.put(Keyspace::Meta, b"k", b"1");
    assert!(view.commit(batch).is_err());
    assert_eq!(view.get(Keyspace::Meta, b"k").unwrap(), None);
}

#[test]
fn p1_a_view_that_does_not_open_is_set_aside_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    std::fs::write(&path, b"a file where the folder should be").unwrap();
    let opened = SledView::open(&path, 1 << 20).unwrap();
    assert!(opened.set_aside.is_some_and(|aside| aside.exists()));
    assert_eq!(opened.view.applied().unwrap(), None);
}

#[test]
fn p1_damage_inside_the_view_is_never_a_wrong_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    {
        let view = SledView::open(&path, 1 << 20).unwrap().view;
        for n in 0..50u8 {
            let mut batch = Batch::default();
            batch.put(Keyspace::Record, &[n], &[n; 100]);
            view.commit(batch).unwrap();
        }
    }
    let db = path.join("db");
    let whole = std::fs::read(&db).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..used).step_by(used / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&db, &bytes).unwrap();
        let Ok(opened) = SledView::open(&path, 1 << 20) else {
            continue;
        };
        for n in 0..50u8 {
            if let Ok(Some(value)) = opened.view.get(Keyspace::Record, &[n]) {
                assert_eq!(value, [n; 100]);
            }
        }
        drop(opened);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
    }
}

#[test]
fn a_stray_half_made_snapshot_does_not_keep_it_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    drop(SledView::open(&path, 1 << 20).unwrap());
    std::fs::write(path.join("snap.0000000000000001.generating"), b"x").unwrap();
    assert!(SledView::open(&path, 1 << 20).unwrap().set_aside.is_none());
}

const CANARY: &[u8] = b"Nguyen Van Canary 001099012345";

/// A value, a mark and a path that names an item by a value.
fn telling() -> Batch {
    let mut batch = Batch::default();
    batch.put(Keyspace::Record, &[1; 20], CANARY);
    batch.put(Keyspace::Dictionary, &[0, 0, 0, 1], CANARY);
    for n in 0..3 {
        batch.put(Keyspace::Mark, &[CANARY.split_at(16).0, &[n; 20]].concat(), &[]);
        batch.put(Keyspace::Probe, &[CANARY.split_at(16).0, &[n; 20]].concat(), &[]);
        batch.put(Keyspace::Conflict, &[&[n; 20], CANARY].concat(), &[]);
    }
    batch.set_applied(3);
    batch
}

fn told(view: &dyn View) {
    assert_eq!(view.get(Keyspace::Record, &[1; 20]).unwrap().as_deref(), Some(CANARY));
    for keyspace in [Keyspace::Mark, Keyspace::Probe] {
        for prefix in [0, 1, 16, 17] {
            let found = all(view, keyspace, [CANARY.split_at(16).0, &[0; 20]].concat().split_at(prefix).0);
            assert_eq!(found.len(), if prefix > 16 { 1 } else { 3 }, "{keyspace:?} {prefix}");
            assert!(found.iter().all(|(key, _)| key.starts_with(CANARY.split_at(16).0)));
        }
        assert!(all(view, keyspace, &[0; 16]).is_empty());
    }
    for prefix in [0, 20, 25] {
        let found = all(view, Keyspace::Conflict, [&[2; 20], CANARY].concat().split_at(prefix).0);
        assert!(found.iter().all(|(key, _)| key.ends_with(CANARY)));
        assert_eq!(found.len(), if prefix == 0 { 3 } else { 1 });
    }
}

fn in_clear(dir: &std::path::Path) -> bool {
    let files =
        std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    files
        .into_iter()
        .any(|path| std::fs::read(path).unwrap().windows(8).any(|window| CANARY.starts_with(window)))
}

#[test]
fn a_sealed_view_has_no_value_in_clear_in_values_or_keys_and_opens_by_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    let keys = ring();
    {
        let view = SledView::open_sealed(&path, 1 << 20, &keys).unwrap().view;
        view.commit(telling()).unwrap();
        told(&view);
    }
    assert!(!in_clear(&path));
    for wrong in [KeyRing::default(), ring()] {
        assert!(matches!(SledView::open_sealed(&path, 1 << 20, &wrong), Err(ViewError::Key(_))));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is set aside for a wrong key");
    let opened = SledView::open_sealed(&path, 1 << 20, &keys).unwrap();
    assert!(!opened.remade);
    told(&opened.view);
    let mut batch = Batch::default();
    batch.delete(Keyspace::Mark, &[CANARY.split_at(16).0, &[1; 20]].concat());
    batch.delete(Keyspace::Conflict, &[&[1; 20], CANARY].concat());
    opened.view.commit(batch).unwrap();
    assert_eq!(all(&opened.view, Keyspace::Mark, b"").len(), 2);
    assert_eq!(all(&opened.view, Keyspace::Conflict, b"").len(), 2);
}

#[test]
fn a_view_that_was_plain_is_removed_when_a_key_comes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    SledView::open(&path, 1 << 20).unwrap().view.commit(telling()).unwrap();
    assert!(in_clear(&path));
    let opened = SledView::open_sealed(&path, 1 << 20, &ring()).unwrap();
    assert!(opened.remade && opened.set_aside.is_none());
    assert_eq!(opened.view.applied().unwrap(), None);
    assert!(!in_clear(&path));
}

#[test]
fn a_view_is_sealed_again_beside_its_use_and_a_stop_in_between_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let both: KeyRing = format!("{}\n{}", new.as_str(), old.as_str()).parse().unwrap();
    let new: KeyRing = new.parse().unwrap();
    {
        let view = SledView::open_sealed(&path, 1 << 20, &old.parse().unwrap()).unwrap().view;
        view.commit(telling()).unwrap();
        for n in 0..200u8 {
            let mut batch = Batch::default();
            batch.put(Keyspace::Index, &[n], &[n]);
            view.commit(batch).unwrap();
        }
        // Between two looks of the scan somebody writes, and it is read under both generations.
        let writes = std::cell::Cell::new(0u8);
        let stop = || {
            writes.set(writes.get() + 1);
            let mut batch = Batch::default();
            batch.put(Keyspace::Index, &[199], &[writes.get()]);
            view.commit(batch).unwrap();
            told(&view);
            true
        };
        view.reseal(&both, &stop).unwrap();
        assert_eq!(writes.get(), 1);
        assert_eq!(view.sealed_by(), None, "two generations");
    }
    let view = SledView::open_sealed(&path, 1 << 20, &both).unwrap().view;
    told(&view);
    view.reseal(&both, &|| false).unwrap();
    assert_eq!(view.sealed_by(), new.current().map(crate::at_rest::MasterKey::id));
    drop(view);
    let view = SledView::open_sealed(&path, 1 << 20, &new).unwrap().view;
    told(&view);
    for n in 0..199u8 {
        assert_eq!(view.get(Keyspace::Index, &[n]).unwrap().as_deref(), Some(&[n][..]));
    }
    assert_eq!(view.get(Keyspace::Index, &[199]).unwrap().as_deref(), Some(&[1][..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_batches_leave_what_a_map_would_hold(
        batches in prop::collection::vec(
            prop::collection::vec((0u8..20, prop::option::of(any::<u8>())), 0..12), 0..12)
    ) {
        for (view, _dir) in engines() {
            let mut model = BTreeMap::new();
            for writes in &batches {
                let mut batch = Batch::default();
                for (key, value) in writes {
                    match value {
                        Some(value) => {
                            batch.put(Keyspace::Index, &[*key], &[*value]);
                            model.insert(vec![*key], vec![*value]);
                        }
                        None => {
                            batch.delete(Keyspace::Index, &[*key]);
                            model.remove(&vec![*key]);
                        }
                    }
                }
                view.commit(batch).unwrap();
            }
            prop_assert_eq!(all(view.as_ref(), Keyspace::Index, b""), model.into_iter().collect::<Vec<_>>());
        }
    }

    /// What is staged is read as if it were committed, in whatever order the view below tells its keys; a flush changes
    /// nothing that is read, and a stop of the scan is heeded.
    #[test]
    fn writes_that_are_staged_are_read_as_if_they_were_committed(
        batches in prop::collection::vec(
            (any::<bool>(), prop::collection::vec((0u8..12, prop::option::of(any::<u8>())), 0..8)), 1..10),
        from in 0u8..12, visits in 1usize..6,
    ) {
        for (view, _dir) in engines() {
            let (staged, model) = (StagedView::over(view.as_ref()), MemoryView::default());
            for (flush, writes) in &batches {
                let mut batch = Batch::default();
                for (key, value) in writes {
                    for keyspace in [Keyspace::Index, Keyspace::Mark] {
                        // A sealed view tells a mark's keys by their first sixteen bytes, in an order of its own.
                        let key = [&[7; 16][..], &[*key; 20]].concat();
                        match value {
                            Some(value) => batch.put(keyspace, &key, &[*value]),
                            None => batch.delete(keyspace, &key),
                        }
                    }
                }
                staged.commit(batch.clone()).unwrap();
                model.commit(batch).unwrap();
                for keyspace in [Keyspace::Index, Keyspace::Mark] {
                    let (mut found, expected) = (all(&staged, keyspace, &[7]), all(&model, keyspace, &[7]));
                    if keyspace == Keyspace::Mark {
                        found.sort();
                    }
                    prop_assert_eq!(&found, &expected);
                    let first = [&[7; 16][..], &[from; 20]].concat();
                    prop_assert_eq!(staged.get(keyspace, &first).unwrap(), model.get(keyspace, &first).unwrap());
                    let mut some = Vec::new();
                    staged.scan(keyspace, Bound::Excluded(&first), &[7; 16], &mut |key, _| {
                        some.push(key.to_vec());
                        some.len() < visits
                    }).unwrap();
                    let later = expected.iter().map(|(key, _)| key).filter(|key| **key > first);
                    let later: Vec<_> = later.cloned().collect();
                    prop_assert_eq!(some.len(), later.len().min(visits));
                    prop_assert!(some.iter().all(|key| later.contains(key)));
                    if keyspace == Keyspace::Index {
                        prop_assert_eq!(&some, &later[..some.len()]);
                    }
                }
                if *flush {
                    staged.flush(Batch::default()).unwrap();
                    prop_assert_eq!(staged.staged(), 0);
                }
            }
            staged.flush(Batch::default()).unwrap();
            prop_assert_eq!(all(view.as_ref(), Keyspace::Index, b""), all(&model, Keyspace::Index, b""));
        }
    }
}

/// What a flush could not bring down is staged still.
#[test]
fn a_flush_that_fails_loses_nothing() {
    let view = MemoryView::failing_after(0);
    let staged = StagedView::over(&view);
    let mut batch = Batch::default();
    batch.put(Keyspace::Meta, b"k", b"1");
    staged.commit(batch).unwrap();
    assert!(staged.flush(Batch::default()).is_err());
    assert_eq!(staged.get(Keyspace::Meta, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(view.get(Keyspace::Meta, b"k").unwrap(), None);
}
