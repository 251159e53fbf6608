//! One suite, every engine.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::{Batch, Keyspace, MemoryView, SledView, View};

fn engines() -> Vec<(Box<dyn View>, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let sled = SledView::open(&dir.path().join("view"), 1 << 20).unwrap();
    assert!(sled.set_aside.is_none());
    vec![(Box::new(MemoryView::default()), None), (Box::new(sled.view), Some(dir))]
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
}
