//! Encryption at rest, over real processes: no field value stands in clear below DATA; a wrong key does not start; a store
//! made without a key gets one, and another, while it runs and though it is killed on the way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lienthong_hub::demo::{Daemon, once};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::control;
use lienthong_node::dataset::Payload;
use lienthong_tests::processes::{HubPlace, done, in_step, person, until};
use rand::Rng as _;
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNIT: &str = "11953";

/// What must be found nowhere: of each type of field a value that nothing else on a disk would say.
const CANARIES: [&str; 15] = [
    "Hoàng Kim Tước",
    "033031918273",
    "1931-07-13",
    "Chi bộ Chim Yến",
    "77-TB/UBKTĐU",
    "Đảng ủy Sơn Ca",
    "Vành Khuyên",
    "sai phạm Họa Mi",
    "trả lại đất Chào Mào",
    "biên bản Khướu",
    "biên bản Sáo Sậu",
    "2031-03-09",
    "91827364554637",
    "cơ quan Bồ Câu",
    "81726354453627",
];

/// Records with them, each with its type.
fn telling() -> Vec<(&'static str, Json)> {
    let mut member = person(UNIT, 0, "Hoàng Kim Tước");
    member["so_cccd"] = "033031918273".into();
    member["ngay_sinh"] = "1931-07-13".into();
    member["chi_bo"] = "Chi bộ Chim Yến".into();
    let declared = json!({
        "dang_vien_id": "033031918273", "co_quan": "cơ quan Bồ Câu", "ma_xa": UNIT, "nam_ke_khai": 2024,
        "loai_ke_khai": "HANG_NAM", "ngay_nop": "2024-12-20", "tong_gia_tri": "81726354453627",
    });
    vec![("dang_vien", member), ("ket_luan", notice("biên bản Khướu")), ("ke_khai", declared)]
}

fn notice(evidence: &str) -> Json {
    json!({
        "so_thong_bao": "77-TB/UBKTĐU", "ngay_ban_hanh": "2026-01-15", "ma_cuoc": "KT-77",
        "don_vi_thuc_hien": "Đảng ủy Sơn Ca", "ma_xa": UNIT, "nguoi_dung_dau": "Vành Khuyên",
        "vi_pham": ["sai phạm Họa Mi"], "thu_hoi_tien": "91827364554637",
        "yeu_cau": [{
            "noi_dung_khac_phuc": "trả lại đất Chào Mào", "han_khac_phuc": "2031-03-09",
            "tinh_trang": "CHUA", "minh_chung": evidence,
        }],
    })
}

async fn put(daemon: &Daemon, (record_type, value): &(&str, Json)) {
    let request = json!({
        "command": "records", "records": "put", "values": [value], "record_type": record_type,
        "author": "test", "english": true,
    });
    let answer = daemon.ask(&request).await.unwrap();
    assert_eq!(answer.exit, 0, "{}", answer.body);
}

/// The forms in which a canary could stand in a file. A date takes three bytes there, which prove nothing: it is looked for
/// as people write it.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![canary.as_bytes().to_vec(), hex::encode(canary).into_bytes()];
    if let Ok(number) = canary.parse::<u64>()
        && !canary.starts_with('0')
    {
        let mut written = lienthong_proto::bytes::Writer::default();
        written.zigzag(number.cast_signed());
        forms.extend([written.into_bytes(), number.to_be_bytes()[2..].to_vec()]);
    }
    forms
}

/// Canaries that stand in clear in a file below a folder, with the file.
fn in_clear(folder: &Path) -> Vec<String> {
    let (mut found, mut folders, mut read) = (Vec::new(), vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                read += 1;
                for canary in CANARIES {
                    for form in forms(canary) {
                        if bytes.windows(form.len()).any(|window| window == form) {
                            found.push(format!("{canary} in {}", path.display()));
                        }
                    }
                }
            }
        }
    }
    assert!(read >= 3, "the files were looked into");
    found
}

fn keep(path: &Path, lines: &[&str]) {
    std::fs::write(path, lines.join("\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn program() -> &'static Path {
    Path::new(PROGRAM)
}

/// A province whose two programs read their keys from files of their own.
struct Sealed {
    place: HubPlace,
    hub_key: PathBuf,
    node_key: PathBuf,
}

impl Sealed {
    async fn set(dir: &Path) -> Self {
        let place = HubPlace::make(PROGRAM, dir).await.unwrap();
        let (hub_key, node_key) = (place.path("hub.key"), place.path("node.key"));
        keep(&hub_key, &[&KeyRing::generate()]);
        keep(&node_key, &[&KeyRing::generate()]);
        Self { place, hub_key, node_key }
    }

    async fn hub(&self) -> Daemon {
        let key = self.hub_key.to_str().unwrap();
        let listen = &self.place.listen;
        let serve = ["serve", "--listen", listen, "--web", "127.0.0.1:0", "--at-rest-key-file", key];
        Daemon::start(program(), &serve, &self.place.path("hub")).await.unwrap()
    }

    async fn node(&self) -> Daemon {
        let run = ["as-node", "run", "--at-rest-key-file", self.node_key.to_str().unwrap()];
        Daemon::start(program(), &run, &self.place.path("node")).await.unwrap()
    }

    async fn enrol(&self, hub: &Daemon) {
        let token = self.place.token(hub, UNIT).await.unwrap();
        let enrol = ["as-node", "enrol", "--hub", &self.place.listen, "--token", &token];
        done(program(), &enrol, &self.place.path("node")).await.unwrap();
    }

    async fn whole(&self) {
        let (hub, node) = (self.hub_key.to_str().unwrap(), self.node_key.to_str().unwrap());
        self.place.done(&["check", "--at-rest-key-file", hub], "hub").await.unwrap();
        self.place.done(&["as-node", "check", "--at-rest-key-file", node], "node").await.unwrap();
    }
}

/// Goal: what people enter stands nowhere below DATA, at the node or the hub, whatever the type of the field, in conflict
/// or not. Method: values nothing else would say are written, one of them by both at once, and every file is searched.
#[tokio::test(flavor = "multi_thread")]
async fn t37_no_value_stands_in_clear_at_node_or_hub() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Sealed::set(dir.path()).await;
    let mut hub = sealed.hub().await;
    sealed.enrol(&hub).await;
    let mut node = sealed.node().await;
    for record in &telling() {
        put(&node, record).await;
    }
    in_step(&node).await.unwrap();
    // Both write one field of one item: the conflict's path names the item by its text.
    node.stop().await.unwrap();
    put(&hub, &("ket_luan", notice("biên bản Sáo Sậu"))).await;
    let other = sealed.place.path("other.json");
    std::fs::write(&other, notice("biên bản Khướu khác").to_string()).unwrap();
    let key = sealed.node_key.to_str().unwrap();
    let offline =
        ["as-node", "put", "--type", "ket_luan", other.to_str().unwrap(), "--at-rest-key-file", key];
    done(program(), &offline, &sealed.place.path("node")).await.unwrap();
    let mut node = sealed.node().await;
    in_step(&node).await.unwrap();
    until(&hub, "a conflict", |status| status["conflicts_open"] == 1).await.unwrap();
    let got = sealed.place.done(&["record", "list", "ket_luan", "--all"], "hub").await.unwrap();
    assert!(got.to_string().contains("Sơn Ca"), "{got}");
    for (daemon, name) in [(&mut node, "node"), (&mut hub, "hub")] {
        let backup = sealed.place.path(&format!("{name}-backup"));
        let backing = ["backup", backup.to_str().unwrap(), "--to", "plain"];
        let of_node = ["as-node", "backup", backup.to_str().unwrap(), "--to", "plain"];
        sealed.place.done(if name == "hub" { &backing } else { &of_node }, name).await.unwrap();
        daemon.stop().await.unwrap();
        assert_eq!(in_clear(&sealed.place.path(name)), Vec::<String>::new());
        assert_eq!(in_clear(&backup), Vec::<String>::new());
    }
    sealed.whole().await;
    // The other way round, so that the search is known to find: the node's log in clear.
    let plain = sealed.place.path("plain");
    let frames = lienthong_node::log::open_read_only(
        &sealed.place.path("node/log"),
        replica(&sealed.place.path("node")),
        &std::fs::read_to_string(&sealed.node_key).unwrap().parse().unwrap(),
    );
    std::fs::create_dir(&plain).unwrap();
    for (number, frame) in (0..).zip(frames.unwrap().scan(lienthong_proto::ids::Sequence(0))) {
        let payload = frame.unwrap().1.payload;
        let in_clear = match Payload::parse(&payload).unwrap() {
            Payload::Batch(packed) => lienthong_proto::batch::unpack(packed).unwrap().to_vec(),
            _ => payload.to_vec(),
        };
        std::fs::write(plain.join(format!("{number}")), in_clear).unwrap();
    }
    let found = in_clear(&plain).join("\n");
    for canary in CANARIES.iter().filter(|canary| !canary.contains("-0") && !canary.contains("Sáo Sậu")) {
        assert!(found.contains(canary), "{canary} is not looked for as it is written: {found}");
    }
}

fn replica(data: &Path) -> lienthong_proto::ids::ReplicaId {
    let profile = std::fs::read(data.join("identity/profile.json")).unwrap();
    let profile: Json = serde_json::from_slice(&profile).unwrap();
    profile["replica"].as_str().unwrap().parse().unwrap()
}

async fn sealed_again(daemon: &Daemon) -> Json {
    until(daemon, "sealed again", |status| status["at_rest"]["done"] == true).await.unwrap()
}

/// Goal: a store made without a key gets one at a restart, and others while it runs; killed (-9) at any instant of that it
/// goes on; in the end nothing is in clear or under a former key, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_store_gets_a_key_and_then_others_though_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Sealed::set(dir.path()).await;
    let mut hub = sealed.place.serve("hub").await.unwrap();
    let mut node = sealed.place.node(&hub, "node", UNIT).await.unwrap();
    for record in &telling() {
        put(&node, record).await;
    }
    put(&hub, &("dang_vien", person("33", 999, "Hoàng Kim Tước"))).await;
    in_step(&node).await.unwrap();
    assert_eq!(node.status().await.unwrap()["at_rest"], Json::Null);
    let said = sealed.place.refused(&["as-node", "key", "rotate"], "node").await.unwrap();
    assert!(said.contains("no key is named"), "{said}");
    let key = sealed.node_key.to_str().unwrap();
    let rotate = ["as-node", "key", "rotate", "--at-rest-key-file", key];
    let said = sealed.place.refused(&rotate, "node").await.unwrap();
    assert!(said.contains("not encrypted"), "{said}");
    node.stop().await.unwrap();
    hub.stop().await.unwrap();
    for name in ["hub", "node"] {
        assert!(!in_clear(&sealed.place.path(name)).is_empty(), "{name} is plain");
    }

    let mut hub = sealed.hub().await;
    let mut node = sealed.node().await;
    for daemon in [&hub, &node] {
        let status = sealed_again(daemon).await;
        assert_eq!(status["at_rest"]["segments_waiting"], 0);
    }
    let mut serial = 1;
    let mut random = rand::rng();
    let mut before = std::fs::read_to_string(&sealed.node_key).unwrap();
    let mut hub_before = std::fs::read_to_string(&sealed.hub_key).unwrap();
    for _ in 0..3 {
        // A key on a line of its own does not serve: what is there needs the one before.
        let fresh = KeyRing::generate();
        keep(&sealed.node_key, &[&fresh]);
        let said = sealed.place.refused(&rotate, "node").await.unwrap();
        assert!(said.contains("keep the old key"), "{said}");
        keep(&sealed.node_key, &[&fresh, &before]);
        before = fresh.to_string();
        let hub_fresh = KeyRing::generate();
        keep(&sealed.hub_key, &[&hub_fresh, &hub_before]);
        hub_before = hub_fresh.to_string();
        let hub_rotate = ["key", "rotate", "--at-rest-key-file", sealed.hub_key.to_str().unwrap()];
        sealed.place.done(&hub_rotate, "hub").await.unwrap();
        sealed.place.done(&rotate, "node").await.unwrap();
        put(&node, &("dang_vien", person(UNIT, serial, "Nguyễn Văn An"))).await;
        serial += 1;
        // The instant is the stimulus, not something waited for.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
        node.kill().await.unwrap();
        hub.kill().await.unwrap();
        hub.restart().await.unwrap();
        node.restart().await.unwrap();
        sealed_again(&hub).await;
        sealed_again(&node).await;
        // All is under the new key: the one before may go.
        keep(&sealed.node_key, &[&before]);
        keep(&sealed.hub_key, &[&hub_before]);
        node.stop().await.unwrap();
        hub.stop().await.unwrap();
        hub.restart().await.unwrap();
        node.restart().await.unwrap();
    }
    let status = in_step(&node).await.unwrap();
    assert_eq!(status["records"], 2 + serial);
    assert_eq!(hub.status().await.unwrap()["records"], 3 + serial);
    // Waited for, all of it at once; and without a daemon.
    let fresh = KeyRing::generate();
    keep(&sealed.node_key, &[&fresh, &before]);
    let waited = [&rotate[..], &["--wait"]].concat();
    assert_eq!(sealed.place.done(&waited, "node").await.unwrap()["done"], true);
    node.stop().await.unwrap();
    hub.stop().await.unwrap();
    let last = KeyRing::generate();
    keep(&sealed.node_key, &[&last, &fresh]);
    assert_eq!(sealed.place.done(&rotate, "node").await.unwrap()["done"], true);
    keep(&sealed.node_key, &[&last]);
    sealed.whole().await;
    for name in ["hub", "node"] {
        assert_eq!(in_clear(&sealed.place.path(name)), Vec::<String>::new());
    }
}

/// Runs a daemon that must not start; what it says.
async fn does_not_start(arguments: &[&str], data: &Path) -> String {
    let arguments = [arguments, &["--lang", "en"]].concat();
    let (said, code) = once(program(), &arguments, data).await.unwrap();
    assert_eq!(code, 1, "{arguments:?}: {said}");
    assert!(control::call(data, &json!({ "command": "status" })).await.unwrap().is_none());
    said["error"].as_str().unwrap().to_owned()
}

/// Goal: without its key, with another, or with one that cannot be had, neither program starts, and each says why; `check`
/// and `doctor` know it; nothing is changed by that. A flipped byte is named as damage.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_does_not_start_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Sealed::set(dir.path()).await;
    let mut hub = sealed.hub().await;
    sealed.enrol(&hub).await;
    let mut node = sealed.node().await;
    for record in &telling() {
        put(&node, record).await;
    }
    in_step(&node).await.unwrap();
    // The key may be a credential of the service alone: what it has opened is not said to be shut.
    assert_eq!(examined(&sealed, &[]).await, "ok");
    node.stop().await.unwrap();
    hub.stop().await.unwrap();
    let open = sealed.place.path("open.key");
    std::fs::copy(&sealed.node_key, &open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let other = sealed.place.path("other.key");
    let made = ["key", "new", other.to_str().unwrap()];
    let key = sealed.place.done(&made, "hub").await.unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(other.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        sealed.place.refused(&made, "hub").await.unwrap().contains("exists"),
        "a key is never overwritten"
    );
    let (other, open) = (other.to_str().unwrap(), open.to_str().unwrap());
    let wrong: [(&[&str], &str); 6] = [
        (&[], "is encrypted with key"),
        (&["--at-rest-key-file", other], &format!("the key given is {key}")),
        (&["--at-rest-key-file", open], "chmod 600"),
        (&["--at-rest-key-file", "/nowhere/key"], "cannot be read"),
        (&["--at-rest-key-command", "exit 7"], "at_rest_key_command failed"),
        (&["--at-rest-key-file", other, "--at-rest-key-command", "true"], "set one of them"),
    ];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    for (arguments, wanted) in wrong {
        for (name, begin, check) in [
            ("hub", &serve[..], &["check"][..]),
            ("node", &["as-node", "run"][..], &["as-node", "check"][..]),
        ] {
            let data = sealed.place.path(name);
            let said = does_not_start(&[begin, arguments].concat(), &data).await;
            assert!(said.contains(wanted), "{name} {arguments:?}: {said}");
            let said = sealed.place.refused(&[check, arguments].concat(), name).await.unwrap();
            assert!(said.contains(wanted), "{name} check {arguments:?}: {said}");
        }
        let doctor = [&["as-node", "doctor"][..], arguments].concat();
        let (found, code) = once(program(), &doctor, &sealed.place.path("node")).await.unwrap();
        assert_eq!(code, 1);
        let told = found.to_string();
        assert!(told.contains("at_rest") || wanted.contains("set one"), "{told}");
    }
    // Nothing of that has changed anything. A command gives the key as well.
    sealed.whole().await;
    let command = format!("cat {}", sealed.node_key.display());
    let check = ["as-node", "check", "--at-rest-key-command", &command];
    sealed.place.done(&check, "node").await.unwrap();
    assert_eq!(examined(&sealed, &["--at-rest-key-command", &command]).await, "ok");
    assert_eq!(examined(&sealed, &[]).await, "fault", "nobody has it open");

    damage(&sealed).await;
}

/// What `doctor` says of the node's store.
async fn examined(sealed: &Sealed, arguments: &[&str]) -> String {
    let doctor = [&["as-node", "doctor"][..], arguments].concat();
    let (found, _) = once(program(), &doctor, &sealed.place.path("node")).await.unwrap();
    let about = found["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "at_rest");
    about.unwrap()["grade"].as_str().unwrap().to_owned()
}

/// A flipped byte of a sealed segment is damage, and said; an unfinished tail is cut.
async fn damage(sealed: &Sealed) {
    let key = sealed.node_key.to_str().unwrap();
    let segment = sealed.place.path("node/log/00000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    let mut bytes = whole.clone();
    bytes[150] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let run = ["as-node", "run", "--at-rest-key-file", key];
    let said = does_not_start(&run, &sealed.place.path("node")).await;
    assert!(said.contains("damaged"), "{said}");
    let check = ["as-node", "check", "--at-rest-key-file", key];
    let (judged, code) = once(program(), &check, &sealed.place.path("node")).await.unwrap();
    assert!(code == 1 && judged["faults"].to_string().contains("segment 0"), "{judged}");
    // Half of a frame more, behind everything: a write that was never finished.
    std::fs::write(&segment, [&whole[..], &whole[80..120]].concat()).unwrap();
    let mut node = sealed.node().await;
    assert_eq!(node.status().await.unwrap()["records"], 3);
    node.stop().await.unwrap();
    assert_eq!(std::fs::read(&segment).unwrap(), whole, "it was cut");
}

fn objects(backup: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(backup.join("objects")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Goal: a backup to a recipient holds nothing in clear though the store is plain, copies only what is new, is judged whole
/// without the private key, and is restored, at the hub and at a commune, by it alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_encrypted_to_a_recipient_and_opened_by_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = HubPlace::make(PROGRAM, dir.path()).await.unwrap();
    let mut hub = place.serve("hub").await.unwrap();
    let mut node = place.node(&hub, "node", UNIT).await.unwrap();
    for record in &telling() {
        put(&node, record).await;
    }
    put(&hub, &("dang_vien", person("33", 999, "Hoàng Kim Tước"))).await;
    in_step(&node).await.unwrap();
    let (right, other) = (place.path("right.identity"), place.path("other.identity"));
    let pair = place.done(&["key", "pair", right.to_str().unwrap()], "hub").await.unwrap();
    place.done(&["key", "pair", other.to_str().unwrap()], "hub").await.unwrap();
    let to = pair["recipient"].as_str().unwrap().to_owned();
    let backup = place.path("backup");
    let (folder, node_folder) = (backup.to_str().unwrap(), place.path("node-backup"));
    // One that was plain before is encrypted as a whole, and nothing plain is left of it.
    let plain = place.done(&["backup", folder, "--to", "plain"], "hub").await.unwrap();
    assert!(plain["warning"].as_str().unwrap().contains("not encrypted"), "{plain}");
    assert!(!in_clear(&backup).is_empty());
    let backing = ["backup", folder, "--to", &to];
    let first = place.done(&backing, "hub").await.unwrap();
    assert_eq!((&first["copied"], first.get("warning")), (&first["bytes"], None), "{first}");
    assert_eq!(in_clear(&backup), Vec::<String>::new());
    let before = objects(&backup).len();
    let second = place.done(&backing, "hub").await.unwrap();
    assert!(second["copied"].as_u64().unwrap() < first["copied"].as_u64().unwrap(), "{second}");
    assert_eq!(objects(&backup).len(), before);
    let of_node = ["as-node", "backup", node_folder.to_str().unwrap(), "--to", &to];
    place.done(&of_node, "node").await.unwrap();
    assert_eq!(in_clear(&node_folder), Vec::<String>::new());
    let said = place.refused(&["backup", folder], "hub").await.unwrap();
    assert!(said.contains("whom to encrypt the backup to is not said"), "{said}");
    let said = place.refused(&["backup", folder, "--to", "x25519:12"], "hub").await.unwrap();
    assert!(said.contains("recipient"), "{said}");
    node.stop().await.unwrap();

    // The hub, from it.
    let restore = place.successor(&["restore", folder]);
    let by = |identity: &Path| {
        let mut arguments: Vec<String> = restore.iter().map(|argument| (*argument).to_owned()).collect();
        arguments.extend(["--identity".to_owned(), identity.to_str().unwrap().to_owned()]);
        arguments
    };
    let said = place.refused(&restore, "new").await.unwrap();
    assert!(said.contains("--identity"), "{said}");
    let wrong = by(&other);
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let said = place.refused(&wrong, "new").await.unwrap();
    assert!(said.contains("the one given is"), "{said}");
    assert!(!place.path("new").exists());
    let right_one = by(&right);
    let right_one: Vec<&str> = right_one.iter().map(String::as_str).collect();
    // A flipped byte is told from a wrong key.
    let object = objects(&backup).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&object).unwrap();
    let mut bytes = whole.clone();
    bytes[60] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let said = place.refused(&right_one, "new").await.unwrap();
    assert!(said.contains("not the bytes that were copied"), "{said}");
    std::fs::write(&object, whole).unwrap();
    place.done(&right_one, "new").await.unwrap();
    place.done(&["check"], "new").await.unwrap();

    // The commune's machine is lost; what its backup holds is written again by a new one.
    let token = place.token(&hub, UNIT).await.unwrap();
    let from = node_folder.to_str().unwrap();
    let recover = ["as-node", "recover", "--hub", &place.listen, "--token", &token, "--from", from];
    let said = place.refused(&recover, "node-2").await.unwrap();
    assert!(said.contains("--identity"), "{said}");
    let recover = [&recover[..], &["--identity", right.to_str().unwrap()]].concat();
    place.done(&recover, "node-2").await.unwrap();
    place.done(&["as-node", "check"], "node-2").await.unwrap();
    hub.stop().await.unwrap();
}

/// Goal: the key that systemd gives the service as a credential is the store's; an empty one is none; a file that is named
/// goes before it. Method: real processes with the folder that systemd names.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_the_service_is_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Sealed::set(dir.path()).await;
    let mut hub = sealed.hub().await;
    sealed.enrol(&hub).await;
    let mut node = sealed.node().await;
    put(&node, &telling()[0]).await;
    in_step(&node).await.unwrap();
    node.stop().await.unwrap();
    hub.stop().await.unwrap();
    let credentials = sealed.place.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let given = credentials.join(lienthong_node::at_rest::CREDENTIAL);
    let check = |key: Option<&Path>| {
        let mut command = std::process::Command::new(program());
        command.args(["as-node", "check", "--json", "--lang", "en", "--data"]).arg(sealed.place.path("node"));
        command.env("CREDENTIALS_DIRECTORY", &credentials);
        command.args(key.into_iter().flat_map(|key| ["--at-rest-key-file", key.to_str().unwrap()]));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = check(None);
    assert!(code == 1 && said.contains("key"), "{said}");
    keep(&given, &[""]);
    assert_eq!(check(None).0, 1, "an empty one is none");
    std::fs::copy(&sealed.node_key, &given).unwrap();
    let (code, said) = check(None);
    assert_eq!(code, 0, "{said}");
    keep(&given, &[&KeyRing::generate()]);
    assert_eq!(check(None).0, 1, "it is read, and it is another");
    let (code, said) = check(Some(&sealed.node_key));
    assert_eq!(code, 0, "a file that is named goes before it: {said}");
}
