//! Backups of real, running processes: consistent, incremental, verified, and believed only whole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lienthong_node::backup::Target;
use lienthong_tests::processes::{HubPlace, in_step, person, put};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNIT: &str = "11953";

fn objects(backup: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(backup.join("objects")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn flip(path: &Path, place: usize) -> Vec<u8> {
    let before = std::fs::read(path).unwrap();
    let mut bytes = before.clone();
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();
    before
}

fn segment_of(backup: &Path) -> PathBuf {
    let read = Target::new(backup).manifest().unwrap().manifest;
    backup.join("objects").join(&read.file("log/00000000.seg").unwrap().sha256)
}

/// Goal: a backup beside a hub that writes holds just what was synced at one instant; the next copies what is new; no
/// key is in it in clear; what is cut, altered, misplaced or foreign is named and refused, and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_backup_is_whole_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNIT).await.unwrap();
    let many: Vec<_> = (0..300).map(|n| person(UNIT, n, "Nguyễn Văn An")).collect();
    put(&node, &many).await.unwrap();
    in_step(&node).await.unwrap();
    let backup = place.path("backup");
    let to = backup.to_str().unwrap();
    // While it is copied the node goes on writing.
    let writing = async {
        for n in 300..340 {
            put(&node, &[person(UNIT, n, "Nguyễn Văn An")]).await.unwrap();
        }
    };
    let backing = ["backup", to, "--to", "plain"];
    let (first, ()) = tokio::join!(place.done(&backing, "hub"), writing);
    let first = first.unwrap();
    in_step(&node).await.unwrap();
    assert!(first["copied"].as_u64().unwrap() >= first["bytes"].as_u64().unwrap());
    let read = Target::new(&backup).manifest().unwrap().manifest;
    assert_eq!(read.size, first["size"].as_u64().unwrap());
    let names: Vec<&str> = read.files.iter().map(|file| file.path.as_str()).collect();
    for wanted in
        ["log/00000000.seg", "log/hashes.0", "log/anchor", "secrets/registry.sealed", "heartbeats.json"]
    {
        assert!(names.contains(&wanted), "{wanted}: {names:?}");
    }
    assert!(
        !names.iter().any(|name| name.ends_with("seal.key") || name.contains("recovery-kit")),
        "{names:?}"
    );
    let key = std::fs::read(place.path("hub/secrets/seal.key")).unwrap();
    for object in objects(&backup) {
        let bytes = std::fs::read(&object).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key),
            "{} holds the seal's key",
            object.display()
        );
        assert_eq!(object.metadata().unwrap().permissions().mode() & 0o077, 0);
    }

    // Again: what has not changed is not copied again.
    let second = place.done(&["backup", to, "--to", "plain"], "hub").await.unwrap();
    let (copied, bytes) = (second["copied"].as_u64().unwrap(), second["bytes"].as_u64().unwrap());
    assert!(copied < bytes && second["size"].as_u64() > first["size"].as_u64(), "{second}");
    let third = place.done(&["backup", to, "--to", "plain"], "hub").await.unwrap();
    assert!(third["copied"].as_u64().unwrap() < copied, "{third}");

    // A file that has rotted in the backup is copied again.
    let segment = segment_of(&backup);
    flip(&segment, 100);
    let mended = place.done(&["backup", to, "--to", "plain"], "hub").await.unwrap();
    assert!(mended["copied"].as_u64().unwrap() >= segment.metadata().unwrap().len(), "{mended}");
    let read = Target::new(&backup).manifest().unwrap().manifest;
    assert_eq!(Target::new(&backup).damaged(&read.files), Vec::<String>::new());

    // Into itself, over something else, over another hub's backup.
    let inside = place.path("hub/backup");
    assert!(
        place
            .refused(&["backup", inside.to_str().unwrap(), "--to", "plain"], "hub")
            .await
            .unwrap()
            .contains("data folder")
    );
    let mine = place.path("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("letter.txt"), "x").unwrap();
    assert!(
        place
            .refused(&["backup", mine.to_str().unwrap(), "--to", "plain"], "hub")
            .await
            .unwrap()
            .contains("neither empty")
    );
    let node_backup = place.path("node-backup");
    let of_node = ["as-node", "backup", node_backup.to_str().unwrap(), "--to", "plain"];
    let of_node = place.done(&of_node, "node").await.unwrap();
    assert!(of_node["size"].as_u64().unwrap() > 300, "{of_node}");
    let other =
        place.refused(&["backup", node_backup.to_str().unwrap(), "--to", "plain"], "hub").await.unwrap();
    assert!(other.contains("not of hungyen.example/33/33/"), "{other}");
    let names = Target::new(&node_backup).manifest().unwrap().manifest.files;
    assert!(
        !names.iter().any(|file| file.path.ends_with(".key") || file.path.ends_with("log.seed")),
        "{names:?}"
    );

    // The disk gives no more: said; what was half written is gone, and the backup of before is whole.
    put(&node, &[person(UNIT, 400, "Lê Thị Bình")]).await.unwrap();
    in_step(&node).await.unwrap();
    std::os::unix::fs::symlink("/dev/full", backup.join("objects/part")).unwrap();
    let said = place.refused(&["backup", to, "--to", "plain"], "hub").await.unwrap();
    assert!(said.contains("the disk is full"), "{said}");
    hub.stop().await.unwrap();
    assert!(!backup.join("objects/part").exists(), "what was half written is gone");
    let before = Target::new(&backup).manifest().unwrap().manifest;
    assert_eq!(Some(before.size), third["size"].as_u64());
    assert_eq!(Target::new(&backup).damaged(&before.files), Vec::<String>::new());
    // Without a daemon the command opens the folder itself.
    place.done(&["backup", to, "--to", "plain"], "hub").await.unwrap();

    refusals(&place, &backup).await;
    node.stop().await.unwrap();
}

/// What `restore` refuses, each for its reason and without a trace.
async fn refusals(place: &HubPlace, backup: &Path) {
    let to = backup.to_str().unwrap();
    let restore = place.successor(&["restore", to]);
    let gone = || !place.path("new").exists() && !place.path("new.restoring").exists();
    // One byte, in every file in turn.
    for object in objects(backup) {
        let length = usize::try_from(object.metadata().unwrap().len()).unwrap();
        if length == 0 {
            continue;
        }
        let whole = flip(&object, length / 2);
        let said = place.refused(&restore, "new").await.unwrap();
        let name = object.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name) && said.contains('/'), "{said}");
        std::fs::write(&object, whole).unwrap();
        assert!(gone());
    }
    let whole = flip(&backup.join("manifest"), 40);
    assert!(place.refused(&restore, "new").await.unwrap().contains("manifest"));
    std::fs::write(backup.join("manifest"), &whole).unwrap();
    // A file is missing; the manifest is missing: cut half way.
    let object = objects(backup).remove(0);
    let kept = place.path("kept");
    std::fs::rename(&object, &kept).unwrap();
    assert!(place.refused(&restore, "new").await.unwrap().contains("No such file"));
    std::fs::rename(&kept, &object).unwrap();
    std::fs::rename(backup.join("manifest"), &kept).unwrap();
    assert!(place.refused(&restore, "new").await.unwrap().contains("cut half way"));
    std::fs::rename(&kept, backup.join("manifest")).unwrap();
    // A wrong passphrase, one that others may read, a damaged kit, another province's kit.
    let right = std::fs::read(&place.passphrase).unwrap();
    std::fs::write(&place.passphrase, "ba be bi bo bu ca ce ci").unwrap();
    assert!(place.refused(&restore, "new").await.unwrap().contains("wrong passphrase"));
    std::fs::write(&place.passphrase, right).unwrap();
    let mode =
        |mode| std::fs::set_permissions(&place.passphrase, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(place.refused(&restore, "new").await.unwrap().contains("chmod 600"));
    mode(0o600);
    let whole = flip(&place.kit, 100);
    assert!(place.refused(&restore, "new").await.unwrap().contains("does not open"));
    std::fs::write(&place.kit, whole).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = HubPlace::make(PROGRAM, elsewhere.path()).await.unwrap();
    let foreign = other.successor(&["restore", to]);
    let foreign: Vec<&str> = foreign.iter().map(|argument| &**argument).collect();
    assert!(place.refused(&foreign, "new").await.unwrap().contains("two hubs"));
    // A node's backup is no hub's.
    let of_node = place.path("node-backup");
    let of_node = place.successor(&["restore", of_node.to_str().unwrap()]).join("\n");
    let of_node: Vec<&str> = of_node.split('\n').collect();
    assert!(place.refused(&of_node, "new").await.unwrap().contains("two hubs"));
    // A folder with something in it, this hub's own among them.
    assert!(place.refused(&restore, "hub").await.unwrap().contains("new folder"));
    assert!(gone());
    // And once nothing is wrong it restores, once.
    place.done(&restore, "new").await.unwrap();
    place.done(&["check"], "new").await.unwrap();
    assert!(place.refused(&restore, "new").await.unwrap().contains("new folder"), "restored twice");
}
