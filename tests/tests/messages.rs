//! What people are told when something is wrong: in both languages, what, where and what to do, and nothing
//! is lost. Through the command line, as they meet it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::process::{Command, Output};

use lienthong_node::app::{Node, system_clock};
use lienthong_tests::sheets::{Cell, Sheet, xlsx};
use lienthong_tests::{catalogue, make_hub, make_node, open_hub, token};
use serde_json::Value as Json;

const UNIT: &str = "11953";

fn node(data: &Path, lang: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.arg("as-node").args(arguments).args(["--lang", lang, "--data"]).arg(data).output().unwrap()
}

fn hub(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hub")).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command that fails in both languages; each must hold the words, and not the other's.
fn refused(data: &Path, arguments: &[&str], vi: &str, en: &str) {
    let (in_vi, in_en) = (node(data, "vi", arguments), node(data, "en", arguments));
    assert_eq!((in_vi.status.code(), in_en.status.code()), (Some(1), Some(1)), "{arguments:?}");
    let (in_vi, in_en) = (said(&in_vi), said(&in_en));
    assert!(in_vi.contains(vi) && !in_vi.contains(en), "{in_vi}");
    assert!(in_en.contains(en) && !in_en.contains(vi), "{in_en}");
}

/// The commune's name is held against its code, and what was passed over is named.
fn names_and_rows_passed_over(data: &Path, dir: &Path) {
    let file = dir.join("named.csv").display().to_string();
    let rows = "Họ và tên,Số CCCD,Mã xã,Xã/phường\n\
        Nguyễn Văn Chi,033075001236,11953,Phố Hiến\n\
        Nguyễn Văn Dân,033075001237,11953,Hồng Châu\n\
        Tổng cộng: 2\n";
    std::fs::write(&file, rows).unwrap();
    let import = ["import", &file, "--type", "dang_vien", "--dry-run"];
    let report = node(data, "vi", &[&import[..], &["--json"]].concat());
    let report: Json = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(
        (&report["created"], &report["rejected"], &report["skipped"]),
        (&1.into(), &1.into(), &1.into()),
        "{report}"
    );
    let error = &report["errors"][0];
    assert_eq!((&error["row"], &error["rule"]), (&3.into(), &"CODE_NAME_MISMATCH".into()));
    assert_eq!(report["skipped_rows"][0]["row"], 4);
    assert!(!report["warnings"].to_string().contains("COLUMN_UNKNOWN"), "{report}");
    let text = said(&node(data, "vi", &import));
    assert!(text.contains("Bỏ qua 1 dòng không phải bản ghi (tổng, ghi chú, tiêu đề nhóm): 4"), "{text}");
}

/// As what a file was read is said where its name says something else, and why text named like a workbook is not read.
fn names_that_lie(data: &Path, dir: &Path) {
    let titles = ["Họ và tên", "Số CCCD"].map(Cell::from).to_vec();
    let sheet = Sheet { name: "Đảng viên", rows: vec![titles], ..Sheet::default() };
    let said_of = |name: &str, bytes: &[u8], lang: &str, options: &[&str]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = path.display().to_string();
        node(data, lang, &[&["import", &file, "--type", "dang_vien", "--dry-run"], options].concat())
    };
    let book = xlsx(&[sheet]);
    let text = said(&said_of("book.csv", &book, "vi", &[]));
    assert!(text.contains("[FILE_TYPE]") && text.contains("nội dung là bảng tính Excel (.xlsx)"), "{text}");
    let report: Json = serde_json::from_slice(&said_of("book.csv", &book, "en", &["--json"]).stdout).unwrap();
    let warning = &report["warnings"][0];
    assert_eq!((&warning["rule"], &warning["row"]), (&"FILE_TYPE".into(), &0.into()), "{report}");
    assert!(warning["message"].as_str().unwrap().contains("is an Excel workbook (.xlsx)"), "{report}");
    let text = said(&said_of("text.xlsx", "Họ và tên,Số CCCD\n".as_bytes(), "en", &[]));
    assert!(text.contains("if it is separated text, name it .csv"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_wrong_input_is_said_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    make_hub(&dir.path().join("hub")).unwrap();
    let server = open_hub(&dir.path().join("hub")).unwrap();
    let address = server.listen("127.0.0.1:0").await.unwrap().to_string();
    let data = dir.path().join("node");
    std::fs::create_dir(&data).unwrap();
    refused(&data, &["run"], "chưa ghi danh", "is not enrolled");
    refused(&data, &["recover"], "chưa ghi danh", "not enrolled");
    refused(&data, &["enrol", "--hub", &address, "--token", "x"], "không đúng dạng", "no enrolment token");
    let opened = make_node(&server, &address, &data, UNIT).await.unwrap();
    let again = token(&server, UNIT).unwrap().to_string();
    let second = ["enrol", "--hub", address.as_str(), "--token", &again];
    refused(&data, &second, "đã ghi danh cho đơn vị 11953", "is enrolled for unit 11953");

    // The folder is ours: the other process is named.
    let locked = node(&data, "en", &["status"]);
    let holder = format!("pid {}", std::process::id());
    assert!(said(&locked).contains(&holder) && locked.status.code() == Some(1), "{}", said(&locked));
    opened.close().await;
    drop(opened);

    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let csv = file(
        "a.csv",
        "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Tình trạng,Diện quản lý,Chức vụu\n\
        Nguyễn Văn An,12/03/1975,Nam,033075001234,03/02/2000,Chi bộ 1,11953,Chính thức,CHIBO,Bí thư\n\
        Nguyễn Văn Bình,31/02/1975,Nam,033075001235,03/02/2000,Chi bộ 1,11953,Chính thức,CHIBO,\n"
            .as_bytes(),
    );
    let import = |lang, path: &str, kind: &str| {
        loop {
            let output = node(&data, lang, &["import", path, "--type", kind, "--json"]);
            // The last thread of the node above may still be leaving.
            if !said(&output).contains("đang được dùng") {
                return output;
            }
        }
    };
    let taken = import("vi", &csv, "dang_vien");
    assert_eq!(taken.status.code(), Some(3), "{}", said(&taken));
    let report: Json = serde_json::from_slice(&taken.stdout).unwrap();
    assert_eq!((&report["rows"], &report["created"], &report["rejected"]), (&2.into(), &1.into(), &1.into()));
    let error = &report["errors"][0];
    assert_eq!(
        (&error["row"], &error["column"], &error["rule"]),
        (&3.into(), &"ngay_sinh".into(), &"DATE_INVALID".into())
    );
    assert_eq!(error["value"], "31/02/1975");
    let near =
        report["warnings"].as_array().unwrap().iter().find(|warning| warning["rule"] == "COLUMN_UNKNOWN");
    assert!(near.unwrap()["message"].as_str().unwrap().contains("Chức vụ"), "{report}");

    names_and_rows_passed_over(&data, dir.path());
    names_that_lie(&data, dir.path());
    refused(
        &data,
        &["import", &csv, "--type", "dang_vienn"],
        "có phải “dang_vien”",
        "did you mean \"dang_vien\"",
    );
    let cases = [
        ("empty.xlsx", &b""[..], "FILE_EMPTY"),
        ("photo.xlsx", b"\xff\xd8\xff\xe0 a photo", "FILE_TYPE"),
        ("cut.xlsx", b"PK\x03\x04 cut", "FILE_CORRUPT"),
        ("nokey.csv", "Họ và tên,Ngày sinh\nNguyễn Văn An,12/03/1975\n".as_bytes(), "COLUMN_MISSING"),
    ];
    for (name, bytes, rule) in cases {
        let refusal = import("en", &file(name, bytes), "dang_vien");
        let report: Json = serde_json::from_slice(&refusal.stdout).unwrap();
        assert_eq!(refusal.status.code(), Some(1), "{name}: {report}");
        assert_eq!(report["errors"][0]["rule"], rule, "{name}: {report}");
        assert_eq!((&report["rows"], &report["errors"][0]["row"]), (&0.into(), &0.into()), "{name}");
    }
    let get = node(&data, "en", &["record", "get", "dang_vien", "033075001234", "--json"]);
    assert!(get.status.success(), "{}", said(&get));

    withdrawing_is_said(&data, &csv);

    // A damaged log is not written over, and the way out is named.
    let segment = data.join("log/00000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = node(&data, "en", &["status"]);
    assert!(
        damaged.status.code() == Some(1) && said(&damaged).contains("lienthong-node check"),
        "{}",
        said(&damaged)
    );
    assert!(Node::open(&data, catalogue().unwrap(), system_clock).is_err());
    assert_eq!(node(&data, "en", &["check"]).status.code(), Some(1));
}

/// Withdraws the one member that `csv` brought in, and brings `csv` in again.
fn withdrawing_is_said(data: &Path, csv: &str) {
    let withdraw = ["record", "withdraw", "dang_vien", "033075001234", "--reason"];
    refused(data, &[&withdraw[..], &[" - "]].concat(), "thiếu lý do", "a reason is needed");
    refused(
        data,
        &["record", "withdraw", "dang_vien", "1", "--reason", "nhầm"],
        "không tìm thấy",
        "no such record",
    );
    let gone = node(data, "vi", &[&withdraw[..], &["nhập nhầm"]].concat());
    assert!(
        gone.status.success() && said(&gone).contains("Đã thu hồi:\n  Lý do: nhập nhầm"),
        "{}",
        said(&gone)
    );
    let again = node(data, "en", &["import", csv, "--type", "dang_vien"]);
    assert!(said(&again).contains("[RECORD_WITHDRAWN] the record is withdrawn"), "{}", said(&again));
    refused(data, &["api-token", "create", "Đơn thư"], "tên chỉ gồm a-z", "names are of a-z");
    let all = node(data, "en", &["record", "list", "dang_vien", "--all"]);
    assert!(said(&all).contains("Withdrawn") && said(&all).contains("nhập nhầm"), "{}", said(&all));
    let shared = node(data, "en", &["record", "list", "dang_vien"]);
    assert!(said(&shared).contains("(none)"), "{}", said(&shared));
}

/// Goal: at the hub an account may do what its role allows, and the ledger names it.
#[test]
fn p9_commands_act_as_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let made = hub(&data, &["init", "--json"]);
    assert!(made.status.success(), "{}", said(&made));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&data).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(hub(&data, &["init"]).status.code(), Some(1), "never over another hub");
    let password = dir.path().join("password");
    std::fs::write(&password, "mật khẩu đủ dài\n").unwrap();
    let password = password.display().to_string();
    let add = ["user", "add", "lan", "--role", "steward", "--new-password-file", &password];
    assert!(said(&hub(&data, &add)).contains("chmod 600"), "others may read the password");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(hub(&data, &add).status.success());
    let token = ["token", "create", "--unit", UNIT, "--json"];
    assert!(hub(&data, &token).status.success(), "the administrator may");
    let as_lan = [&token[..], &["--as", "lan", "--password-file", &password]].concat();
    let denied = hub(&data, &as_lan);
    assert!(denied.status.code() == Some(1) && said(&denied).contains("không có quyền"), "{}", said(&denied));
    let withdraw = ["record", "withdraw", "dang_vien", "033075001234", "--reason", "nhập nhầm"];
    let denied = hub(&data, &[&withdraw[..], &["--as", "lan", "--password-file", &password]].concat());
    assert!(denied.status.code() == Some(1) && said(&denied).contains("không có quyền"), "{}", said(&denied));
    let missing = hub(&data, &withdraw);
    assert!(
        missing.status.code() == Some(1) && said(&missing).contains("không tìm thấy"),
        "{}",
        said(&missing)
    );
    assert_eq!(hub(&data, &withdraw[..4]).status.code(), Some(2), "a reason is demanded");
    let shown = hub(&data, &["ledger", "show", "--json"]);
    let shown: Json = serde_json::from_slice(&shown.stdout).unwrap();
    let events: Vec<&str> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["entry"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["account", "token"]);
    assert_ne!(shown["items"][1]["entry"]["actor"], "lan");
    assert_eq!(hub(&data, &["token", "create", "--unit", "99999"]).status.code(), Some(1));
    assert_eq!(hub(&data, &["token", "create"]).status.code(), Some(2), "usage");
}

/// Goal: scores with the rows behind them and probable doubles are documents for programs, each lost point with its formula.
#[test]
fn scores_and_doubles_are_told_to_programs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    assert!(hub(&data, &["init"]).status.success());
    let file = dir.path().join("m.csv").display().to_string();
    let rest = "01/02/2000,Chi bộ 1,11953,CHIBO,CHINH_THUC,0912345678,12345678";
    let rows = format!(
        "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại,Số thẻ đảng viên\n\
         Nguyễn Văn An,02/03/1975,Nam,033075000012,{rest}\nNguyễn Văn An,02/03/1975,Nam,033075000021,{rest}\n"
    );
    std::fs::write(&file, rows).unwrap();
    let json = |arguments: &[&str]| -> Json {
        let output = hub(&data, &[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    };
    assert_eq!(json(&["import", &file, "--type", "dang_vien"])["created"], 2);
    let all = json(&["quality"]);
    let one = all["items"].as_array().unwrap().iter().find(|item| item["unit"] == UNIT).unwrap();
    assert_eq!((&one["quality"]["dung"], &one["quality"]["sach"]), (&100.into(), &0.into()), "{one:#}");
    let shown = json(&["quality", "--unit", UNIT]);
    let clean = &shown["counts"]["sach"];
    assert!(clean["good"] == 0 && clean["all"] == 2, "{clean:#}");
    assert!(clean["formula"].as_str().unwrap().contains("clean = records"), "{clean:#}");
    assert!(shown.to_string().contains("DUPLICATE"), "the rows behind it: {shown:#}");
    let pairs = json(&["duplicates", "list"]);
    let pair = &pairs["items"][0];
    assert_eq!((&pair["type"], &pair["score"]), (&"dang_vien".into(), &100.into()), "{pairs:#}");
    assert_eq!(json(&["waiver", "list"])["items"], serde_json::json!([]));
}
