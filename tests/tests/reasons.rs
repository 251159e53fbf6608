//! Every reason class of the import contract, told to programs by the command an officer has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use lienthong_tests::made::zipped;
use lienthong_tests::office::{Office, classes};
use lienthong_tests::sheets::{Cell, Sheet, xlsx};
use serde_json::Value as Json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

const MEMBERS: [&str; 12] = [
    "Họ và tên",
    "Ngày sinh",
    "Giới tính",
    "Số CCCD",
    "Ngày vào Đảng",
    "Chi bộ",
    "Mã xã",
    "Xã/phường",
    "Diện quản lý",
    "Tình trạng",
    "Chức vụ",
    "Điện thoại",
];
const GOOD: [&str; 12] = [
    "Nguyễn Văn An",
    "05/01/1980",
    "Nam",
    "033080000401",
    "01/02/2000",
    "Chi bộ 1",
    "11953",
    "Phố Hiến",
    "CHIBO",
    "CHINH_THUC",
    "",
    "0912345678",
];

/// A good member's row with one cell otherwise; each row is another person.
fn member(number: usize, title: &str, text: &str) -> Vec<Cell> {
    let name = format!("Nguyễn Văn {}", ["An", "Bình", "Cường", "Dũng", "Giang", "Hải"][number % 6]);
    let (day, digits) = (format!("{:02}/01/1980", 1 + number / 6), format!("0330800005{number:02}"));
    let of = |at: usize| match MEMBERS[at] {
        own if own == title => text.to_owned(),
        "Họ và tên" => name.clone(),
        "Ngày sinh" => day.clone(),
        "Số CCCD" => digits.clone(),
        _ => GOOD[at].to_owned(),
    };
    (0..MEMBERS.len()).map(|at| Cell::from(of(at).as_str())).collect()
}

fn sheet(rows: Vec<Vec<Cell>>) -> Sheet {
    let head = MEMBERS.iter().map(|title| Cell::from(*title)).collect();
    Sheet { name: "Đảng viên", rows: [vec![head], rows].concat(), ..Sheet::default() }
}

/// A good member's row as separated text.
fn line(number: usize) -> String {
    let cells = member(number, "", "");
    let texts = cells.iter().map(|cell| if let Cell::Text(text) = cell { text.as_str() } else { "" });
    texts.collect::<Vec<_>>().join(",")
}

/// The classes that were met.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    /// Those of a report's errors or warnings, by row.
    fn note(&mut self, report: &Json, list: &str) -> Vec<(u64, String)> {
        let found = classes(&report[list]);
        self.0.extend(found.iter().map(|(_, rule)| (*rule).to_owned()));
        found.into_iter().map(|(row, rule)| (row, rule.to_owned())).collect()
    }
}

fn a_sheet_with_one_fault_in_each_row(office: &Office, seen: &mut Seen) {
    let (long, name) = ("x".repeat(301), "N".repeat(81));
    let rows = [
        ("Chức vụ", long.as_str(), "TEXT_TOO_LONG"),
        ("Họ và tên", name.as_str(), "TEXT_TOO_LONG"),
        ("Chức vụ", "Bí\u{1}thư", "TEXT_CONTROL"),
        ("Họ và tên", "", "REQ_MISSING"),
        ("Họ và tên", "Hòa", "NAME_INVALID"),
        ("Số CCCD", "0330800", "CCCD_FORMAT"),
        ("Số CCCD", "145123456", "CCCD_IS_CMND"),
        ("Số CCCD", "003080000123", "CCCD_PROVINCE"),
        ("Số CCCD", "033180000123", "CCCD_CENTURY_SEX"),
        ("Số CCCD", "033081000123", "CCCD_BIRTHYEAR"),
        ("Ngày vào Đảng", "31/02/2001", "DATE_INVALID"),
        ("Ngày vào Đảng", "01/02/2100", "DATE_FUTURE"),
        ("Ngày vào Đảng", "01/02/1979", "DATE_ORDER"),
        ("Ngày vào Đảng", "01/02/1996", "AGE_UNDER_18"),
        ("Mã xã", "99999", "CODE_UNKNOWN"),
        ("Mã xã", "11956", "CODE_OLD"),
        ("Mã xã", "00004", "CODE_OUTSIDE"),
        ("Xã/phường", "Như Quỳnh", "CODE_NAME_MISMATCH"),
        ("Tình trạng", "Không rõ lắm", "ENUM_UNKNOWN"),
    ];
    let mut cells: Vec<Vec<Cell>> =
        (0..).zip(&rows).map(|(at, (title, text, _))| member(at, title, text)).collect();
    let mut foreign = member(40, "Mã xã", "12004");
    foreign[7] = Cell::Blank;
    let mut broken = member(41, "", "");
    broken[10] = Cell::Formula("=1/0", "#DIV/0!");
    let mut dated = member(45, "", "");
    dated[10] = Cell::Day(2026, 1, 2);
    let mut formula = member(44, "", "");
    formula[10] = Cell::from("=HYPERLINK(\"x\")");
    let mut padded = member(46, "", "");
    padded[3] = Cell::Number(33_080_000_546.0);
    let twice = member(47, "", "");
    let conflicting =
        [member(47, "", "")[..5].to_vec(), member(0, "Chi bộ", "Chi bộ 9")[5..].to_vec()].concat();
    cells.extend([
        foreign,
        broken,
        member(42, "Điện thoại", "123"),
        member(43, "Ngày vào Đảng", "01/02/1970"),
        formula,
        padded,
        twice.clone(),
        twice,
        conflicting,
        dated,
        member(48, "Chức vụ", "#REF!"),
        member(49, "Chức vụ", "Bí th\u{FFFD}"),
        member(51, "Điện thoại", "số 0912345678x"),
    ]);
    let count = cells.len();
    std::fs::write(office.path("a.xlsx"), xlsx(&[sheet(cells)])).unwrap();
    let report = office.json(&["import", office.path("a.xlsx").to_str().unwrap(), "--type", "dang_vien"]);
    let errors = seen.note(&report, "errors");
    for (row, (title, text, rule)) in (2..).zip(&rows) {
        assert!(errors.contains(&(row, (*rule).to_owned())), "row {row}: {title} {text:?}: {errors:?}");
    }
    let after = 2 + rows.len() as u64;
    for (row, rule) in [
        (after, "UNIT_FOREIGN"),
        (after + 1, "CELL_ERROR"),
        (after + 8, "DUP_KEY_CONFLICT"),
        (after + 9, "TYPE_MISMATCH"),
        (after + 10, "CELL_ERROR"),
        (after + 11, "ENCODING"),
    ] {
        assert!(errors.contains(&(row, rule.to_owned())), "{rule}: {errors:?}");
    }
    let warnings = seen.note(&report, "warnings");
    for (row, rule) in [
        (after + 2, "PHONE_INVALID"),
        (after + 4, "FORMULA_LIKE"),
        (after + 5, "CCCD_PADDED"),
        (after + 12, "PHONE_INVALID"),
    ] {
        assert!(warnings.contains(&(row, rule.to_owned())), "{rule}: {warnings:?}");
    }
    assert_eq!(report["duplicates"], 1, "{report:#}");
    assert_eq!(report["created"].as_u64().unwrap() + report["rejected"].as_u64().unwrap() + 1, count as u64);
    assert!(report["created"].as_u64() >= Some(4), "{report:#}");
}

fn text_and_json_lines(office: &Office, seen: &mut Seen) {
    let text = format!("{},Cột lạ\n{},x,thừa\n", MEMBERS.join(","), line(50));
    let report = office.import("dang_vien", "b.csv", text.as_bytes());
    assert_eq!(seen.note(&report, "errors"), [(2, "ROW_SHAPE".to_owned())], "{report:#}");
    assert!(seen.note(&report, "warnings").iter().any(|(_, rule)| rule == "COLUMN_UNKNOWN"), "{report:#}");
    let lines = b"{\"so_cccd\":\"033080000401\",\"chuc_vu\":{\"a\":1}}\nkhong phai json\n";
    let report = office.import("dang_vien", "c.jsonl", lines);
    let errors = seen.note(&report, "errors");
    for wanted in [(1, "TYPE_MISMATCH"), (2, "LINE_SYNTAX")] {
        assert!(errors.contains(&(wanted.0, wanted.1.to_owned())), "{errors:?}");
    }
}

/// Goal: a report taken in again as it is changes nothing, whatever its rows were rejected for. Method: the files of above, and
/// text whose rows have too many cells, too few, and letters that its font does not have.
fn reports_that_nobody_mended(office: &Office) {
    let cut = line(53).rsplitn(3, ',').last().unwrap().to_owned();
    let widths = format!(
        "{}\n{}\n{}\n{cut}\n{},,\n",
        MEMBERS.join(","),
        line(52).replace("0912345678", ""),
        line(54),
        line(56)
    );
    std::fs::write(office.path("w.csv"), widths).unwrap();
    let letters = "Hä vµ tªn,Ngµy sinh,Giíi tÝnh,Sè CCCD,Ngµy vµo §¶ng,Chi bé,M· x·,DiÖn qu¶n lý,T×nh tr¹ng\n\
                   NguyÔn V¨n An,05/01/1980,Nam,033080000580,03/02/2005,Chi bé th«n 1,11953,CHIBO,CHINH_THUC\n\
                   TrÇn V¨n §øc,05/01/1980,Nam,033080000581,03/02/2005,Chi bé \u{d4}\u{c0}\u{c1},11953,CHIBO,CHINH_THUC\n";
    let bytes: Vec<u8> = letters.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    std::fs::write(office.path("l.csv"), bytes).unwrap();
    let report = office.path("report.xlsx");
    let report = report.to_str().unwrap();
    for (name, record_type, rejected) in [
        ("a.xlsx", "dang_vien", 26),
        ("b.csv", "dang_vien", 1),
        ("w.csv", "dang_vien", 2),
        ("l.csv", "dang_vien", 1),
        ("d.csv", "ket_luan", 3),
    ] {
        let first = office.json(&[
            "import",
            office.path(name).to_str().unwrap(),
            "--type",
            record_type,
            "--report",
            report,
        ]);
        assert_eq!(first["rejected"], rejected, "{name}: {first:#}");
        let again = office.json(&["import", report, "--type", record_type]);
        assert_eq!((&again["created"], &again["updated"]), (&0.into(), &0.into()), "{name}: {again:#}");
        // Of a classified row nothing is in the report.
        let classified = u64::from(name == "d.csv");
        assert_eq!(again["rejected"].as_u64(), Some(rejected - classified), "{name}: {again:#}");
    }
}

fn other_types(office: &Office, seen: &mut Seen) {
    let conclusion = "Số thông báo,Ngày ban hành,Mã cuộc,Đơn vị thực hiện,Mã xã,Nội dung khắc phục,Hạn khắc phục,Tình trạng khắc phục,Ngày hoàn thành,Thu hồi tiền,Độ mật\n\
                      1-TB,1/2/2026,C1,Chi bộ 1,11953,Nộp tiền,1/5/2026,Đã khắc phục,,1.000,Thường\n\
                      2-TB,1/2/2026,C2,Chi bộ 1,11953,Nộp tiền,1/5/2026,CHUA,,nhiều,Thường\n\
                      4-TB,1/2/2026,C4,Chi bộ 1,11953,Nộp tiền,1/5/2026,CHUA,,5.000,Mật\n";
    let report = office.import("ket_luan", "d.csv", conclusion.as_bytes());
    let errors = seen.note(&report, "errors");
    for wanted in [(2, "STATE_INCONSISTENT"), (3, "NUM_INVALID"), (4, "CLASSIFIED")] {
        assert!(errors.contains(&(wanted.0, wanted.1.to_owned())), "{wanted:?}: {errors:?}");
    }
    let declaration = "Đảng viên,Cơ quan,Mã xã,Năm kê khai,Loại kê khai,Ngày nộp,Tổng giá trị\n\
                       033080000401,UBND,11953,2025,HANG_NAM,1/12/2025,(5.000)\n";
    let errors = seen.note(&office.import("ke_khai", "h.csv", declaration.as_bytes()), "errors");
    assert_eq!(errors, [(2, "NUM_RANGE".to_owned())]);
    let letters = "Mã đơn,Ngày nhận,Loại đơn,Người gửi,Ẩn danh,Đối tượng,Nội dung tóm tắt,Lĩnh vực,Mã xã/phường,Thẩm quyền,Cơ quan giải quyết,Tình trạng,Đơn gốc\n\
                   D1,1/2/2026,Tố cáo,x,có,Ông A,Ông A lấn chiếm đất công của thôn Đoài từ năm 2019 đến nay,Đất đai,11953,CUA_TA,UBKT,MOI,\n\
                   D2,2/2/2026,Tố cáo,x,không,Ông A,Ông A lấn chiếm đất công của thôn Đoài từ năm 2019 đến nay,Đất đai,11953,CUA_TA,UBKT,MOI,\n\
                   D3,3/2/2026,Tố cáo,x,không,Bà B,Bà B thu tiền của dân không có biên lai trong hai năm liền (người tố cáo: Nguyễn Thị Bình),Xây dựng,11953,CUA_TA,UBKT,MOI,D9\n";
    let report = office.import("don_thu", "e.csv", letters.as_bytes());
    let warnings = seen.note(&report, "warnings");
    for wanted in ["C4_OMITTED", "ANONYMOUS", "POSSIBLE_SAME_LETTER", "REF_UNKNOWN", "SENDER_LIKE"] {
        assert!(warnings.iter().any(|(_, rule)| rule == wanted), "{wanted}: {warnings:?}");
    }
    let homonyms =
        format!("{}\n{}\n{}\n", MEMBERS.join(","), line(60), line(60).replace("0330800005", "0330800006"));
    seen.note(&office.import("dang_vien", "g.csv", homonyms.as_bytes()), "warnings");
}

fn files_refused_whole(office: &Office, seen: &mut Seen) {
    let sparse = office.path("big.csv");
    std::fs::File::create(&sparse).unwrap().set_len((2 << 30) + 1).unwrap();
    let report = office.json(&["import", sparse.to_str().unwrap(), "--type", "dang_vien"]);
    assert_eq!(seen.note(&report, "errors"), [(0, "FILE_TOO_LARGE".to_owned())], "{report:#}");
    let report = office.json(&["import", "/dev/zero", "--type", "dang_vien"]);
    assert_eq!(seen.note(&report, "errors"), [(0, "FILE_TYPE".to_owned())], "it has no end: {report:#}");
    let unsafe_path = zipped(&[("xl/workbook.xml", b"<workbook/>" as &[u8]), ("../../evil.xml", b"<a/>")]);
    // One letter of it is cut.
    let mut undecided = format!("{}\n{}\n", MEMBERS.join(","), line(55)).into_bytes();
    let cut = undecided.iter().rposition(|byte| *byte == 0xE1).unwrap();
    undecided.remove(cut + 1);
    let without_key = "Họ và tên,Ngày sinh\nNguyễn Văn An,05/01/1980\n";
    let files: [(&str, &[u8], &str); 6] = [
        ("empty.csv", b"", "FILE_EMPTY"),
        ("cut.xlsx", b"PK\x03\x04 cut", "FILE_CORRUPT"),
        ("paper.csv", b"%PDF-1.7 ...", "FILE_TYPE"),
        ("unsafe.xlsx", &unsafe_path, "FILE_UNSAFE_PATH"),
        ("letters.csv", &undecided, "ENCODING"),
        ("key.csv", without_key.as_bytes(), "COLUMN_MISSING"),
    ];
    for (name, bytes, rule) in files {
        let report = office.import("dang_vien", name, bytes);
        assert_eq!(seen.note(&report, "errors"), [(0, rule.to_owned())], "{name}: {report:#}");
    }
    let unknown = office.json(&["import", office.path("b.csv").to_str().unwrap(), "--type", "dang_vienn"]);
    seen.0.extend(unknown["rule"].as_str().map(str::to_owned));
}

/// Goal: each class of the contract is met by a file that an officer may bring, and told by the command, in the row where it is;
/// a row that is wrong stops none that is good. Method: a sheet with one fault in each row, files of other kinds for the
/// rest; what was seen is held against the list of all.
#[tokio::test(flavor = "multi_thread")]
async fn p8_every_reason_class_is_told_to_programs() {
    let office = Office::open(PROGRAM).await;
    let mut seen = Seen::default();
    a_sheet_with_one_fault_in_each_row(&office, &mut seen);
    text_and_json_lines(&office, &mut seen);
    other_types(&office, &mut seen);
    reports_that_nobody_mended(&office);
    files_refused_whole(&office, &mut seen);
    let all = "FILE_EMPTY FILE_CORRUPT FILE_TYPE FILE_TOO_LARGE FILE_UNSAFE_PATH ENCODING LINE_SYNTAX ROW_SHAPE \
               TYPE_MISMATCH CELL_ERROR TEXT_CONTROL TEXT_TOO_LONG REQ_MISSING NAME_INVALID CCCD_FORMAT CCCD_IS_CMND \
               CCCD_PROVINCE CCCD_CENTURY_SEX CCCD_BIRTHYEAR CCCD_PADDED DATE_INVALID DATE_FUTURE DATE_ORDER \
               AGE_UNDER_18 CODE_UNKNOWN CODE_OLD CODE_OUTSIDE CODE_NAME_MISMATCH ENUM_UNKNOWN NUM_INVALID NUM_RANGE \
               STATE_INCONSISTENT REF_UNKNOWN UNIT_FOREIGN TYPE_UNKNOWN COLUMN_UNKNOWN COLUMN_MISSING C4_OMITTED \
               CLASSIFIED DUP_KEY_CONFLICT HOMONYM POSSIBLE_SAME_LETTER ANONYMOUS SENDER_LIKE PHONE_INVALID FORMULA_LIKE";
    let missing: Vec<&str> = all.split_whitespace().filter(|rule| !seen.0.contains(*rule)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}; seen: {:?}", seen.0);
}
