//! What leaves the system, and what is kept out of it: exports in every format, the shared dataset, lists that
//! go on, and how many defects are open. Through the command line and real processes, as people meet it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::demo::Daemon;
use lienthong_hub::service::{NewWaiver, Request as HubRequest};
use lienthong_node::cli::{Export, ExportFormat, Hear, Tongue};
use lienthong_node::records::Page;
use lienthong_node::service::RecordsRequest;
use lienthong_proto::value::date_text;
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, reopened};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNIT: &str = "11953";
const OTHER: &str = "11977";

const NOTICES: &str = "Số thông báo,Ngày ban hành,Mã cuộc,Đơn vị thực hiện,Mã xã,Thu hồi tiền,Vi phạm,Nội dung khắc phục,Hạn khắc phục,Tình trạng,Ngày hoàn thành\n";
/// Two remedies; the money and the office look like formulas.
const GOOD: &str = "01-TB/UBKT,05/03/2026,0012,=1+1 chi bộ,11953,-1250000,\"a; b\",Nộp lại tiền,30/06/2026,Đã khắc phục,01/05/2026\n\
                    01-TB/UBKT,05/03/2026,0012,=1+1 chi bộ,11953,-1250000,\"a; b\",@Kiểm điểm,30/07/2026,Đang khắc phục,\n";

/// A notice whose remedy has a date of completion; a rule of severity `error` wants it to be done then.
fn second(state: &str) -> String {
    format!("02-TB/UBKT,05/03/2026,KT02,Chi bộ 2,11953,0,,Kiểm điểm,30/06/2026,{state},01/05/2026\n")
}

fn node(data: &Path, lang: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("as-node").args(arguments).args(["--lang", lang, "--data"]).arg(data).output().unwrap()
}

fn json_of(output: &Output) -> Json {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Json> {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn file(folder: &Path, name: &str, rows: &[&str]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, rows.concat()).unwrap();
    path.display().to_string()
}

/// An enrolled node's folder that nobody has open.
async fn folder(province: &Province, unit: &str) -> PathBuf {
    let data = province.dir.path().join(unit);
    let opened = make_node(&province.hub, &province.address, &data, unit).await.unwrap();
    opened.close().await;
    drop(opened);
    reopened(|| Ok(lienthong_node::lock::DataLock::take(&data, "test").map(drop)?));
    data
}

async fn exported(hub: &Arc<Hub>, export: Export) -> (Vec<Json>, u64) {
    let mut bytes = Vec::new();
    let ask =
        async |request| Ok(Arc::clone(hub).execute(HubRequest::Records(request), Arc::new(|_| {})).await);
    let answer = export.write_to(&mut bytes, &catalogue().unwrap(), ask).await.unwrap();
    assert_eq!(answer.exit, 0, "{}", answer.body);
    let text = String::from_utf8(bytes).unwrap();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (records, answer.body["left_out"].as_u64().unwrap())
}

fn notices() -> Export {
    Export { record_type: "ket_luan".into(), ..Export::default() }
}

/// Goal: a record with an error is kept out of every export of the shared dataset, and said, until it is mended
/// or the error accepted; lists, `record get` and `--all` show it with its defect. At the node and at the hub.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_keeps_a_record_out_of_the_shared_dataset_until_it_is_mended() {
    let province = Province::set().await.unwrap();
    let (dir, hub) = (province.dir.path(), &province.hub);
    let data = folder(&province, UNIT).await;
    let sheet = file(dir, "a.csv", &[NOTICES, GOOD, &second("Đang khắc phục")]);
    let taken = json_of(&node(&data, "vi", &["import", &sheet, "--type", "ket_luan", "--json"]));
    assert_eq!((&taken["created"], &taken["rejected"]), (&json!(2), &json!(0)), "{taken}");

    let export = ["export", "--type", "ket_luan"];
    let shared = node(&data, "vi", &export);
    let kept: Vec<Json> =
        lines(&shared).iter().map(|record| record["fields"]["so_thong_bao"].clone()).collect();
    assert_eq!(kept, ["01-TB/UBKT"]);
    assert!(
        said(&shared).contains("1 bản ghi còn lỗi") && said(&shared).contains("--all"),
        "{}",
        said(&shared)
    );
    let shared = node(&data, "en", &export);
    assert!(said(&shared).contains("1 records have errors"), "{}", said(&shared));
    let rule =
        |record: &Json| record["defects"].as_array().unwrap().iter().any(|d| d["rule"] == "KL_NGAY_CO_XONG");
    let all = lines(&node(&data, "vi", &[&export[..], &["--all"]].concat()));
    assert_eq!((all.len(), all.iter().filter(|record| rule(record)).count()), (2, 1));
    let list = json_of(&node(&data, "vi", &["record", "list", "ket_luan", "--json"]));
    assert_eq!(list["items"].as_array().unwrap().iter().filter(|record| rule(record)).count(), 1, "{list:#}");
    let get = json_of(&node(&data, "vi", &["record", "get", "ket_luan", "02-TB/UBKT", "--json"]));
    assert!(rule(&get), "{get:#}");

    // The same at the province, whatever it has judged by itself until now.
    let opened = reopened(|| {
        Ok(lienthong_node::app::Node::open(&data, catalogue()?, lienthong_node::app::system_clock)?)
    });
    opened.start_sync(brisk());
    acknowledged(&opened).await.unwrap();
    let (records, left_out) = exported(hub, notices()).await;
    assert_eq!((records.len(), left_out), (1, 1));
    assert_eq!(exported(hub, Export { all: true, ..notices() }).await.0.len(), 2);
    let of = |unit: &str| Export { unit: Some(unit.parse().unwrap()), ..notices() };
    assert_eq!(exported(hub, of(UNIT)).await.0.len(), 1);
    let (records, left_out) = exported(hub, of(OTHER)).await;
    assert_eq!((records.len(), left_out), (0, 0), "nor is another unit's error said");

    // Accepted by somebody with authority, until a day.
    let today = hub.quality.today();
    let waiver = NewWaiver {
        record_type: "ket_luan".to_owned(),
        id: get["id"].as_str().unwrap().to_owned(),
        unit: None,
        rule: "KL_NGAY_CO_XONG".to_owned(),
        field: None,
        until: date_text(today),
        reason: "chờ xác nhận".to_owned(),
        approver: "lan".to_owned(),
    };
    let ask = async |request| Arc::clone(hub).execute(request, Arc::new(|_| {})).await.body;
    let open = |hub: &Arc<Hub>| hub.quality.open_defects(&UNIT.parse().unwrap(), today).unwrap().unwrap();
    let before = open(hub);
    let added = ask(HubRequest::WaiverAdd(waiver)).await;
    let (records, left_out) = exported(hub, notices()).await;
    assert_eq!((records.len(), left_out, open(hub)), (2, 0, before - 1), "{added:#}");
    assert!(records.iter().any(rule), "it is shown all the same");
    let (number, reason, actor) = (added["number"].as_u64().unwrap(), "hết".to_owned(), "lan".to_owned());
    ask(HubRequest::WaiverEnd { number, reason, actor }).await;
    assert_eq!((exported(hub, notices()).await.1, open(hub)), (1, before), "the waiver has ended");

    // Mended.
    opened.close().await;
    drop(opened);
    let mended = file(dir, "b.csv", &[NOTICES, &second("Đã khắc phục")]);
    reopened(|| Ok(lienthong_node::lock::DataLock::take(&data, "test").map(drop)?));
    assert!(node(&data, "vi", &["import", &mended, "--type", "ket_luan"]).status.success());
    let shared = node(&data, "vi", &export);
    assert_eq!((lines(&shared).len(), said(&shared).contains("còn lỗi")), (2, false));
    hub.close().await;
}

/// Goal: a workbook and separated text of everything import again with nothing rejected and nothing changed, text
/// that looks like a formula included; a file appears whole or not at all; standard output takes a workbook too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_is_imported_again_and_changes_nothing() {
    let province = Province::set().await.unwrap();
    let dir = province.dir.path();
    let data = folder(&province, UNIT).await;
    // A required column is not there at all: what the records lack is no fault of the export.
    let people = "Họ tên,Số CCCD,Ngày sinh,Ngày vào Đảng,Điện thoại,Mã xã\n\
                  Nguyễn Văn An,033070000001,01/02/1970,03/02/1995,0912345678,11953\n\
                  Trần Thị Bình,033170000002,05/06/1970,03/02/1995,,11953\n";
    for (name, rows, kind) in [("a.csv", [NOTICES, GOOD], "ket_luan"), ("b.csv", [people, ""], "dang_vien")] {
        let taken =
            json_of(&node(&data, "vi", &["import", &file(dir, name, &rows), "--type", kind, "--json"]));
        assert_eq!(taken["rejected"], 0, "{taken}");
        for (lang, format) in [("vi", "xlsx"), ("en", "xlsx"), ("vi", "csv"), ("vi", "jsonl")] {
            let out = dir.join(format!("out-{lang}.{format}"));
            let path = out.display().to_string();
            let export = ["export", "--type", kind, "--format", format, "--out", &path, "--json"];
            let written = json_of(&node(&data, lang, &export));
            assert_eq!(written["records"], taken["created"], "{written}");
            let again = json_of(&node(&data, lang, &["import", &path, "--type", kind, "--json"]));
            let counts = ["rejected", "created", "updated"].map(|count| again[count].as_u64().unwrap());
            assert_eq!(counts, [0, 0, 0], "{kind} {lang} {format}: {again:#}");
            let unknown = |warning: &Json| warning["rule"] == "COLUMN_UNKNOWN";
            assert!(!again["warnings"].as_array().unwrap().iter().any(unknown), "{again:#}");
        }
    }
    let get = json_of(&node(&data, "vi", &["record", "get", "ket_luan", "01-TB/UBKT", "--json"]));
    assert_eq!(get["fields"]["don_vi_thuc_hien"], "=1+1 chi bộ");

    // So does the officer's own sheet with its report, in which nothing runs either.
    let (sheet, report) = (dir.join("a.csv").display().to_string(), dir.join("report.xlsx"));
    let report_path = report.display().to_string();
    let reported = ["import", &sheet, "--type", "ket_luan", "--report", &report_path];
    assert!(node(&data, "vi", &reported).status.success());
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(&report).unwrap();
    let range = calamine::Reader::worksheet_range_at(&mut book, 0).unwrap().unwrap();
    let texts: Vec<String> = range.used_cells().map(|(_, _, cell)| cell.to_string()).collect();
    assert!(texts.contains(&"'=1+1 chi bộ".to_owned()), "{texts:?}");
    assert!(!texts.iter().any(|text| text.starts_with(['=', '@'])), "{texts:?}");
    let again = json_of(&node(&data, "vi", &["import", &report_path, "--type", "ket_luan", "--json"]));
    let counts = ["rejected", "created", "updated"].map(|count| again[count].as_u64().unwrap());
    assert_eq!(counts, [0, 0, 0], "{again:#}");

    let piped = node(&data, "vi", &["export", "--type", "ket_luan", "--format", "xlsx"]);
    assert!(piped.status.success() && piped.stdout.starts_with(b"PK"), "{}", said(&piped));
    let kept = file(dir, "kept.xlsx", &["as it was"]);
    let wrong = ["export", "--type", "ket_luann", "--format", "xlsx", "--out", &kept];
    assert_eq!(node(&data, "vi", &wrong).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "as it was");
    let left = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains(".part")));
    province.hub.close().await;
}

/// Goal: also where two lists written at once are shown as one, an export of it changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn lists_shown_as_one_are_not_written_again() {
    let province = Province::set().await.unwrap();
    let (dir, hub) = (province.dir.path(), &province.hub);
    let data = folder(&province, UNIT).await;
    let import = |path: String, author: &str| RecordsRequest::Import {
        path: path.into(),
        record_type: "ket_luan".into(),
        dry_run: false,
        rows: false,
        author: author.into(),
        english: true,
    };
    let sheet = |name: &str, list: &str| file(dir, name, &[NOTICES, &GOOD.replace("a; b", list)]);
    let opened = reopened(|| {
        Ok(lienthong_node::app::Node::open(&data, catalogue()?, lienthong_node::app::system_clock)?)
    });
    let at_node = async |request| {
        let request = lienthong_node::service::Request::Records(request);
        Arc::clone(&opened).execute(request, Arc::new(|_| {})).await.body
    };
    let at_hub =
        async |request| Arc::clone(hub).execute(HubRequest::Records(request), Arc::new(|_| {})).await.body;
    assert_eq!(at_node(import(sheet("a.csv", "a"), "lan")).await["created"], 1);
    // Both write before they have heard of each other.
    assert_eq!(at_hub(import(sheet("b.csv", "b"), "tỉnh")).await["created"], 1);
    opened.start_sync(brisk());
    acknowledged(&opened).await.unwrap();
    let out = dir.join("out.csv");
    let export = Export { format: ExportFormat::Csv, out: Some(out.clone()), all: true, ..notices() };
    let ask = async |request, _: &mut Hear<'_>| {
        Ok(Arc::clone(hub).execute(HubRequest::Records(request), Arc::new(|_| {})).await)
    };
    assert_eq!(export.run(&catalogue().unwrap(), Tongue::Vi, ask).await.unwrap().exit, 0);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains(",a; b,"), "{text}");
    let again = at_hub(import(out.display().to_string(), "tỉnh")).await;
    assert_eq!(
        (&again["rejected"], &again["updated"], &again["created"]),
        (&json!(0), &json!(0), &json!(0)),
        "{again:#}"
    );
    opened.close().await;
    hub.close().await;
}

/// Goal: a reader that breaks off, or a disk that does, leaves the file that was there.
#[tokio::test]
async fn an_export_that_breaks_leaves_the_file_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.csv");
    std::fs::write(&out, "as it was").unwrap();
    for format in [ExportFormat::Jsonl, ExportFormat::Csv, ExportFormat::Xlsx] {
        let export = Export { format, out: Some(out.clone()), ..notices() };
        let mut pages = 0;
        let ask = async |_, _: &mut Hear<'_>| {
            pages += 1;
            anyhow::ensure!(pages < 2, "the replica is gone");
            let next = "00112233445566778899aabbccddeeff";
            let items = json!([{ "id": next, "unit": UNIT, "fields": { "so_thong_bao": "1" } }]);
            Ok(lienthong_node::control::Answer::done(json!({ "items": items, "next": next })))
        };
        assert!(export.run(&catalogue().unwrap(), Tongue::Vi, ask).await.is_err());
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "as it was");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

/// Goal: a list goes on behind the place where an item was that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_behind_what_is_gone() {
    let province = Province::set().await.unwrap();
    let data = folder(&province, UNIT).await;
    let people: String = (1..=4)
        .map(|number| format!("Nguyễn Văn An,03307000000{number},01/02/1970,03/02/1995,11953\n"))
        .collect();
    let head = "Họ tên,Số CCCD,Ngày sinh,Ngày vào Đảng,Mã xã\n";
    let sheet = file(province.dir.path(), "a.csv", &[head, &people]);
    assert!(node(&data, "vi", &["import", &sheet, "--type", "dang_vien"]).status.success());
    let ids = |arguments: &[&str]| {
        let list = [&["record", "list", "dang_vien", "--json"], arguments].concat();
        let items = json_of(&node(&data, "vi", &list))["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ids(&[]);
    assert_eq!(all.len(), 4);
    let withdraw = ["record", "withdraw", "dang_vien", &all[1], "--reason", "nhập nhầm"];
    assert!(node(&data, "vi", &withdraw).status.success());
    assert_eq!(ids(&["--after", &all[1]]), all[2..]);
    // One that never was, between the first two, and one behind all.
    let between = format!("{}{}", &all[0][..31], if all[0].ends_with('f') { "f" } else { "0" });
    let between = if between > all[0] {
        between
    } else {
        format!("{:032x}", u128::from_str_radix(&all[0], 16).unwrap() + 1)
    };
    assert_eq!(ids(&["--after", &between]), all[2..]);
    assert_eq!(ids(&["--after", &"f".repeat(32)]), Vec::<String>::new());

    let page = |after: &str| Page { limit: Some(1), after: Some(after.to_owned()) };
    let items = || [7, 9, 10, 12].map(|number| json!({ "number": number })).to_vec();
    let of =
        |page: Page| page.of(items(), |item| item["number"].to_string(), lienthong_node::records::numbered);
    assert_eq!(of(page("8")), json!({ "items": [{ "number": 9 }], "next": "9" }));
    assert_eq!(of(page("9")), json!({ "items": [{ "number": 10 }], "next": "10" }));
    assert_eq!(of(page("13")), json!({ "items": [], "next": null }));
    province.hub.close().await;
}

/// Goal: the open defects of a unit are counted at both ends, by a node that judges by itself.
#[tokio::test(flavor = "multi_thread")]
async fn open_defects_are_counted_at_both_ends() {
    let province = Province::set().await.unwrap();
    let data = folder(&province, UNIT).await;
    let run = Daemon::start(Path::new(PROGRAM), &["as-node", "run"], &data).await.unwrap();
    assert_eq!(run.status().await.unwrap()["defects"], 0, "there is nothing to judge");
    let sheet = file(province.dir.path(), "a.csv", &[NOTICES, GOOD, &second("Đang khắc phục")]);
    assert!(node(&data, "vi", &["import", &sheet, "--type", "ket_luan"]).status.success());
    let deadline = Instant::now() + Duration::from_secs(60);
    // Nobody asks for the defects: the node finds them by itself.
    let at_node = loop {
        let status = run.status().await.unwrap();
        if let Some(defects) = status["defects"].as_u64().filter(|defects| *defects > 0) {
            break defects;
        }
        assert!(Instant::now() < deadline, "{status:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let list = json_of(&node(&data, "vi", &["defects", "--json"]));
    let items = list["items"].as_array().unwrap();
    let listed: usize = items.iter().map(|item| item["defects"].as_array().unwrap().len()).sum();
    assert_eq!(at_node, listed as u64, "{list:#}");
    let at_hub = |unit: &str| {
        let units = province.hub.status()["units"].as_array().unwrap().clone();
        units.iter().find(|found| found["unit"] == unit).unwrap()["defects"].as_u64()
    };
    while at_hub(UNIT) != Some(at_node) {
        assert!(Instant::now() < deadline, "{:?} at the hub, {at_node} at the node", at_hub(UNIT));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(at_hub(OTHER), Some(0));
    province.hub.close().await;
}
