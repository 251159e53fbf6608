//! The watched folder: every file ends in one place, with its report, once.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_node::app::{Node, system_clock};
use lienthong_node::inbox::InboxStatus;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::time::UnixMillis;
use lienthong_tests::{Province, catalogue, make_node, reopened};

const UNIT: &str = "11953";
const HEAD: &str = "Họ tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Tình trạng,Diện quản lý\n";

/// A clock on which five seconds pass in fifty milliseconds: files settle sooner.
fn quick() -> UnixMillis {
    use std::sync::OnceLock;
    static BEGUN: OnceLock<(u64, Instant)> = OnceLock::new();
    let (base, begun) = BEGUN.get_or_init(|| (system_clock().0, Instant::now()));
    UnixMillis(base + u64::try_from(begun.elapsed().as_millis()).unwrap_or(0) * 100)
}

fn member(serial: u32) -> String {
    format!("Nguyễn Văn An,1/2/1970,Nam,033070{serial:06},3/2/1995,Chi bộ 1,{UNIT},Chính thức,Chi bộ\n")
}

/// The names in a folder, without stamps, sorted.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.split_once(' ').map_or(name.clone(), |(_, rest)| rest.to_owned())
    };
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    names
}

/// Waits until nothing lies in the folder and no file is being worked on.
async fn emptied(folder: &Path, data: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect::<Vec<PathBuf>>()
    };
    loop {
        let inner = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let aside = |path: &PathBuf| ["done", "rejected"].iter().any(|name| path.ends_with(name));
        let left: Vec<PathBuf> = inner
            .filter(|path| path.is_dir() && !aside(path))
            .flat_map(|path| files(&path))
            .chain(files(folder))
            .collect();
        if left.is_empty() && !data.join("inbox.work/claim.json").exists() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn imports(node: &Node) -> anyhow::Result<usize> {
    Ok(import_events(node)?.len())
}

fn import_events(node: &Node) -> anyhow::Result<Vec<Event>> {
    let entries = node.replica.dataset().entries();
    let mut events = Vec::new();
    for frame in entries.log().clone().scan(Sequence(0)) {
        let (position, _) = frame?;
        for index in 0..entries.count(position)? {
            let at = lienthong_node::dataset::EntryAt { frame: position, index };
            let bytes = entries.entry(at)?;
            let event = Entry::decode(&bytes).and_then(|entry| Event::of(&entry));
            events.extend(event.ok().filter(|event| event.kind == "import"));
        }
    }
    Ok(events)
}

async fn open_node(dir: &Path) -> anyhow::Result<(Province, Arc<Node>, PathBuf)> {
    let province = Province::set().await?;
    let data = dir.join("node");
    let made = make_node(&province.hub, &province.address, &data, UNIT).await?;
    made.close().await;
    drop(made);
    let node = Node::open(&data, catalogue()?, quick)?;
    Ok((province, node, data))
}

/// Goal: each kind of file finds its place; a bad one stops none; the same file again does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p8_every_file_finds_its_place_and_a_bad_one_stops_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_province, node, data) = open_node(dir.path()).await.unwrap();
    let inbox = dir.path().join("share");
    let typed = inbox.join("dang_vien");
    std::fs::create_dir_all(&typed).unwrap();
    std::fs::create_dir_all(inbox.join("dang_vienn")).unwrap();
    std::fs::create_dir_all(inbox.join("don_thu")).unwrap();
    let good = format!("{HEAD}{}{}", member(1), member(2));
    std::fs::write(typed.join("a-broken.xlsx"), b"PK\x03\x04 cut").unwrap();
    std::fs::write(typed.join("b.csv"), &good).unwrap();
    std::fs::write(typed.join("half.part"), &good).unwrap();
    std::fs::write(inbox.join("c.csv"), format!("{HEAD}{}", member(3))).unwrap();
    std::fs::write(inbox.join("d.csv"), "Cột lạ,Cột khác\n1,2\n").unwrap();
    std::fs::write(inbox.join("dang_vienn/e.csv"), &good).unwrap();
    std::fs::write(typed.join("f.csv"), format!("{HEAD}{}Tổng cộng: 1\n", member(4).replace("Nam", "Khác")))
        .unwrap();
    let letter = "Mã đơn,Ngày nhận,Loại đơn,Người gửi,Đối tượng,Nội dung tóm tắt,Lĩnh vực,Mã xã/phường,Thẩm quyền,Cơ quan giải quyết,Tình trạng\n\
                  D1,1/2/2026,Tố cáo,Trần Thị Kín,Ông A,Tóm tắt,Đất đai,11953,CUA_TA,UBKT,MOI\n";
    std::fs::write(inbox.join("don_thu/g.csv"), letter).unwrap();
    std::fs::write(inbox.join("don_thu/h.csv"), "Người gửi,Nội dung\nTrần Thị Kín,x\n").unwrap();
    // More than is read: it is neither copied nor hashed.
    std::fs::File::create(typed.join("m.csv")).unwrap().set_len((2 << 30) + 1).unwrap();
    // What stands above a table may mark it as classified.
    std::fs::write(typed.join("i.csv"), format!("Độ: MẬT,,,,,,,,\n{HEAD}{}", member(6))).unwrap();
    std::fs::write(inbox.join("k.csv"), format!("TỐI MẬT,,,,,,,,\n{HEAD}{}", member(7))).unwrap();
    std::fs::write(typed.join("l.csv"), format!("Độ mật: Thường,,,,,,,,\n{HEAD}{}", member(8))).unwrap();
    // Below a title too, a row may be marked.
    let marked = format!("{},Độ mật\n{},Mật\n", HEAD.trim_end(), member(9).trim_end());
    std::fs::write(typed.join("n.csv"), format!("DANH SÁCH ĐẢNG VIÊN\n{marked}")).unwrap();
    // A mark below the table, and one in a file of no type.
    std::fs::write(typed.join("o.csv"), format!("{HEAD}{}\n,,,,Tối mật,,,,\n", member(10))).unwrap();
    std::fs::write(inbox.join("p.csv"), "Cột lạ,Cột khác\n1,2\n\nMẬT,\n").unwrap();
    // As long as a name may be: what is put around it would not fit.
    let (long, short) = (format!("z{}.csv", "ế".repeat(82)), format!("z{}.csv", "ế".repeat(58)));
    std::fs::write(typed.join(&long), format!("{HEAD}{}", member(5))).unwrap();
    node.start_inbox(&inbox).unwrap();
    std::fs::remove_file(typed.join("half.part")).unwrap();
    emptied(&inbox, &data).await;
    let report = |name: &str| format!("{name}.bao-cao.xlsx");
    let (done, rejected) = (inbox.join("done"), inbox.join("rejected"));
    let mut expected =
        vec!["b.csv".to_owned(), report("b.csv"), "c.csv".to_owned(), report("c.csv"), report("g.csv")];
    expected.extend([short.clone(), report(&short), "l.csv".to_owned(), report("l.csv")]);
    expected.sort();
    assert_eq!(names(&done), expected, "a letter's file is not kept: it names a sender");
    let mut expected: Vec<String> =
        ["a-broken.xlsx", "d.csv", "e.csv", "f.csv", "m.csv"].map(str::to_owned).to_vec();
    expected.extend(
        ["a-broken.xlsx", "d.csv", "e.csv", "f.csv", "h.csv", "i.csv", "k.csv", "m.csv", "n.csv"].map(report),
    );
    expected.extend(["o.csv", "p.csv"].map(report));
    expected.sort();
    assert_eq!(names(&rejected), expected, "nor one that was refused whole");
    assert_eq!(node.replica.dataset().totals().records, 6);
    for entry in std::fs::read_dir(&done).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows("Kín".len()).any(|piece| piece == "Kín".as_bytes()));
    }
    // Once more: nothing is written, nothing is logged, and it is said.
    // The province is told how many rows were passed over as no records.
    let skipped = |event: &Event| event.fields["skipped"].to_text();
    let told: Vec<String> = import_events(&node).unwrap().iter().map(skipped).collect();
    assert_eq!(told.iter().filter(|count| *count == "1").count(), 1, "{told:?}");
    assert!(told.iter().all(|count| count == "0" || count == "1"), "{told:?}");
    let (size, logged) = (node.replica.head().borrow().size, imports(&node).unwrap());
    std::fs::write(typed.join("b.csv"), &good).unwrap();
    emptied(&inbox, &data).await;
    assert_eq!((node.replica.head().borrow().size, imports(&node).unwrap()), (size, logged));
    // A file is counted after it was moved.
    let deadline = Instant::now() + Duration::from_secs(60);
    let counted = |status: &InboxStatus| status.done + status.rejected >= 17;
    while !counted(&node.inbox_status().unwrap()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = node.inbox_status().unwrap();
    assert_eq!((status.done, status.rejected, status.fault), (6, 11, None), "{:?}", names(&rejected));
    node.close().await;
}

/// What the node writes down before it takes in the copy of a file.
fn claim(file: &Path, copy: &Path, sha256: &str) -> String {
    let about = std::fs::metadata(file).unwrap();
    serde_json::json!({
        "path": file, "sha256": sha256, "copy": copy, "size": about.len(), "modified": about.modified().unwrap(),
        "log_size": 0, "at": system_clock().0,
    })
    .to_string()
}

/// Goal: whatever a stop interrupted is finished once. Method: the state each step leaves is laid down, and
/// the node started over it.
#[tokio::test(flavor = "multi_thread")]
async fn p2_a_restart_in_the_middle_finishes_the_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let (_province, node, data) = open_node(dir.path()).await.unwrap();
    let inbox = data.join("inbox");
    let file = inbox.join("dang_vien/a.csv");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::create_dir_all(data.join("inbox.work")).unwrap();
    let copy = data.join("inbox.work/file.csv");
    let text = format!("{HEAD}{}", member(1));
    let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()));
    let lay_down = || {
        std::fs::write(&file, &text).unwrap();
        std::fs::write(&copy, &text).unwrap();
        std::fs::write(data.join("inbox.work/claim.json"), claim(&file, &copy, &sha256)).unwrap();
    };
    // Stopped after the claim, before anything was taken in.
    lay_down();
    node.start_inbox(&inbox).unwrap();
    emptied(&inbox, &data).await;
    assert_eq!((imports(&node).unwrap(), node.replica.dataset().totals().records), (1, 1));
    node.close().await;
    drop(node);
    // Stopped after the summary was logged, before the file was moved.
    std::fs::remove_file(data.join("inbox.work/known.jsonl")).unwrap();
    lay_down();
    let node = reopened(|| Ok(Node::open(&data, catalogue()?, quick)?));
    node.start_inbox(&inbox).unwrap();
    emptied(&inbox, &data).await;
    assert_eq!((imports(&node).unwrap(), names(&inbox.join("done")).len()), (1, 4));
    node.close().await;
    drop(node);
    // A claim that was not whole: the file is taken as if nothing had been.
    std::fs::write(data.join("inbox.work/claim.json"), b"{\"pa").unwrap();
    let node = reopened(|| Ok(Node::open(&data, catalogue()?, quick)?));
    node.start_inbox(&inbox).unwrap();
    std::fs::write(inbox.join("dang_vien/b.csv"), format!("{HEAD}{}", member(2))).unwrap();
    emptied(&inbox, &data).await;
    assert_eq!((imports(&node).unwrap(), node.replica.dataset().totals().records), (2, 2));
    node.close().await;
    drop(node);
    // Written over after it was copied: what stands there now is not moved unread.
    lay_down();
    std::fs::write(&file, format!("{text}{}", member(3))).unwrap();
    let node = reopened(|| Ok(Node::open(&data, catalogue()?, quick)?));
    node.start_inbox(&inbox).unwrap();
    emptied(&inbox, &data).await;
    assert_eq!((imports(&node).unwrap(), node.replica.dataset().totals().records), (3, 3));
    node.close().await;
}

/// Waits until the status is as wanted.
async fn until(node: &Node, what: &str, wanted: impl Fn(&InboxStatus) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = node.inbox_status().unwrap();
        if wanted(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The texts of the first sheet of a report, by the name of its file without the stamp.
fn report(folder: &Path, name: &str) -> String {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let path = entries.filter(|path| path.to_string_lossy().ends_with(&format!(" {name}.bao-cao.xlsx")));
    let path = path.last().unwrap_or_else(|| panic!("no report of {name} in {:?}", names(folder)));
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(path).unwrap();
    let range = calamine::Reader::worksheet_range_at(&mut book, 0).unwrap().unwrap();
    range.used_cells().map(|(_, _, cell)| format!("{cell}\n")).collect()
}

/// Goal: a file that can be of several types is rejected, and its report names them. The folder may be taken away and
/// come back, as a share does: meanwhile that is said, then what was begun is finished with its report, and what lies
/// there anew is taken. Method: the folder above it is renamed, once with a file begun and once without.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_goes_away_is_waited_for_and_an_unclear_file_names_its_types() {
    let dir = tempfile::tempdir().unwrap();
    let (_province, node, data) = open_node(dir.path()).await.unwrap();
    let (share, away) = (dir.path().join("share"), dir.path().join("away"));
    let inbox = share.join("inbox");
    std::fs::create_dir_all(inbox.join("dang_vien")).unwrap();
    std::fs::create_dir_all(data.join("inbox.work")).unwrap();
    let (good, bad) = (member(1), member(2).replace("Nam", "Khác"));
    let text = format!("{HEAD}{good}{bad}");
    let (file, copy) = (inbox.join("dang_vien/a.csv"), data.join("inbox.work/file.csv"));
    let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()));
    std::fs::write(&file, &text).unwrap();
    std::fs::write(&copy, &text).unwrap();
    std::fs::write(data.join("inbox.work/claim.json"), claim(&file, &copy, &sha256)).unwrap();
    // Away with a file begun: it is there again, untouched.
    std::fs::rename(&inbox, &away).unwrap();
    std::fs::write(&inbox, "no folder").unwrap();
    node.start_inbox(&inbox).unwrap();
    until(&node, "away", |status| status.fault.is_some()).await;
    assert!(data.join("inbox.work/claim.json").exists());
    std::fs::remove_file(&inbox).unwrap();
    std::fs::rename(&away, &inbox).unwrap();
    emptied(&inbox, &data).await;
    until(&node, "back", |status| status.fault.is_none()).await;
    let said = report(&inbox.join("done"), "a.csv");
    assert!(said.contains("Đã nhập mới") && said.contains("BỊ LOẠI: Giới tính"), "{said}");
    assert_eq!((imports(&node).unwrap(), node.replica.dataset().totals().records), (1, 1));

    // Away while nothing is begun: no folder is made in its place.
    std::fs::rename(&share, &away).unwrap();
    until(&node, "away again", |status| status.fault.is_some()).await;
    assert!(!share.exists());
    std::fs::write(away.join("inbox/b.csv"), format!("{HEAD}{}", member(3))).unwrap();
    std::fs::write(away.join("inbox/c.csv"), "Cơ quan,Tổ chức,Văn bản,Ngày\nA,B,C,1/2/2026\n").unwrap();
    std::fs::rename(&away, &share).unwrap();
    emptied(&inbox, &data).await;
    until(&node, "back again", |status| status.fault.is_none() && status.waiting == 0).await;
    assert_eq!(node.replica.dataset().totals().records, 2);
    let said = report(&inbox.join("rejected"), "c.csv");
    assert!(said.contains("có thể thuộc nhiều loại: quan_triet, tham_muu, thong_tin_phoi_hop;"), "{said}");
    assert!(said.contains("đặt tệp vào thư mục con mang tên loại"), "{said}");
    assert_eq!(names(&inbox.join("rejected")), ["c.csv", "c.csv.bao-cao.xlsx"]);
    node.close().await;
}
