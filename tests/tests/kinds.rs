//! Files of every kind that communes send, through the command line and with the program's own catalogue: what
//! became of each row, and the values that are read back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use lienthong_tests::made::{self, Biff, zipped};
use lienthong_tests::office::{Office, UNIT, classes, counts};
use lienthong_tests::sheets::{Cell, Letters, Sheet, ods, xls, xlsx};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

fn row(cells: &[&str]) -> Vec<Cell> {
    cells.iter().map(|text| Cell::from(*text)).collect()
}

/// The two citizen numbers of the kind with that number.
fn numbers(kind: usize) -> [String; 2] {
    [format!("0330800001{kind:02}"), format!("0331840001{kind:02}")]
}

/// A list as officers keep it: titles, a header of two rows, the columns numbered, a blank row, a total, signatures.
fn list(kind: usize) -> Sheet {
    let person = |place: &str, name: &str, born: Cell, joined: Cell, sex: &str, number: &str, cell: &str| {
        let mut cells = row(&[place, name, "", "", sex, number, cell]);
        (cells[2], cells[3]) = (born, joined);
        cells.extend([Cell::Number(11953.0), "Chi bộ".into(), "Chính thức".into(), "0912 345 678".into()]);
        cells
    };
    let [first, second] = numbers(kind);
    let (born, joined) = ((Cell::Day(1980, 1, 5), Cell::Day(1984, 2, 29)), Cell::Day(2005, 2, 3));
    let upper = ["STT", "Họ và tên", "Ngày tháng năm", "", "Giới tính", "Số CCCD", "Chi bộ", "Mã xã"];
    let upper = [&upper[..], &["Diện quản lý", "Tình trạng", "Điện thoại"]].concat();
    let counted: Vec<String> = (1..=upper.len()).map(|column| format!("({column})")).collect();
    let rows = vec![
        row(&["Danh sách đảng viên của đảng bộ phường"]),
        row(&["Tính đến ngày 01 tháng 7 năm 2026"]),
        row(&[""]),
        row(&upper),
        row(&["", "", "Sinh", "Vào Đảng"]),
        row(&counted.iter().map(String::as_str).collect::<Vec<_>>()),
        person("1", "Nguyễn Văn Đức", born.0, joined.clone(), "Nam", &first, "Chi bộ thôn Phượng Hạ"),
        row(&[""]),
        person("2", "Đặng Thị Hương", born.1, joined, "Nữ", &second, "Chi bộ tổ dân phố số 5"),
        row(&["Tổng cộng: 2"]),
        row(&["", "Người lập biểu", "", "", "", "Bí thư"]),
        row(&["", "Trần Thị Mỹ Hạnh"]),
    ];
    let last = u16::try_from(upper.len() - 1).unwrap();
    let mut merges = vec![((0, 0), (0, last)), ((3, 2), (3, 3))];
    merges.extend((0..=last).filter(|column| !(2..=3).contains(column)).map(|at| ((3, at), (4, at))));
    Sheet { name: "Đảng viên", rows, merges }
}

/// What the list says, in the program's words.
fn told(kind: usize) -> [Json; 2] {
    let [first, second] = numbers(kind);
    let person = |name: &str, born: &str, sex: &str, number: &str, cell: &str| {
        json!({
            "ho_ten": name, "ngay_sinh": born, "gioi_tinh": sex, "so_cccd": number, "ngay_vao_dang": "2005-02-03",
            "chi_bo": cell, "ma_xa": UNIT, "dien_quan_ly": "CHIBO", "tinh_trang": "CHINH_THUC",
            "dien_thoai": "0912345678",
        })
    };
    [
        person("Nguyễn Văn Đức", "1980-01-05", "NAM", &first, "Chi bộ thôn Phượng Hạ"),
        person("Đặng Thị Hương", "1984-02-29", "NU", &second, "Chi bộ tổ dân phố số 5"),
    ]
}

/// Marks beside their letters, as some systems write them.
fn apart(text: &str) -> String {
    let letters = [("ễ", "e\u{302}\u{303}"), ("ă", "a\u{306}"), ("ứ", "u\u{31b}\u{301}"), ("ọ", "o\u{323}")];
    let more = [("ê", "e\u{302}"), ("ặ", "a\u{323}\u{306}"), ("ị", "i\u{323}"), ("ơ", "o\u{31b}")];
    letters.iter().chain(&more).fold(text.to_owned(), |text, (one, two)| text.replace(one, two))
}

/// Text as UTF-16.
fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// Goal: whatever kind of file a list comes in, the same people come out of it, and nothing else. Method: one list,
/// written as each kind, each with numbers of its own; the values are read back with `export`.
#[tokio::test(flavor = "multi_thread")]
async fn one_list_says_the_same_in_every_kind_of_file() {
    let office = Office::open(PROGRAM).await;
    type Make = fn(&Sheet) -> Vec<u8>;
    let kinds: [(&str, Make, &[&str]); 17] = [
        ("a.xlsx", |list| xlsx(std::slice::from_ref(list)), &[]),
        ("a.xls", |list| xls(std::slice::from_ref(list)), &[]),
        ("a.ods", |list| ods(std::slice::from_ref(list)), &[]),
        ("phẩy.csv", |list| list.text(',').into_bytes(), &[]),
        ("chấm phẩy.csv", |list| list.text(';').into_bytes(), &[]),
        ("tab.txt", |list| list.text('\t').into_bytes(), &[]),
        ("bom.csv", |list| format!("\u{feff}{}", list.text(';')).into_bytes(), &[]),
        ("utf16le.csv", |list| wide(&format!("\u{feff}{}", list.text('\t')), u16::to_le_bytes), &[]),
        ("utf16be.csv", |list| wide(&format!("\u{feff}{}", list.text(',')), u16::to_be_bytes), &[]),
        ("utf16.csv", |list| wide(&list.text('\t'), u16::to_le_bytes), &[]),
        ("nfd.csv", |list| apart(&list.text(',')).into_bytes(), &[]),
        ("nfd.xlsx", |list| xlsx(&[list.lettered(apart)]), &[]),
        ("1258.csv", |list| Letters::Windows1258.bytes(&list.text(',')), &["ENCODING"]),
        ("tcvn3.csv", |list| Letters::Tcvn3.bytes(&list.text(';')), &["ENCODING"]),
        ("vni.csv", |list| Letters::Vni.bytes(&list.text('\t')), &["ENCODING"]),
        ("vntime.xls", |list| xls(&[list.lettered(|text| Letters::Tcvn3.typed(text))]), &["ENCODING"]),
        ("vni-times.xlsx", |list| xlsx(&[list.lettered(|text| Letters::Vni.typed(text))]), &["ENCODING"]),
    ];
    for (kind, (name, make, warnings)) in kinds.iter().enumerate() {
        let report = office.import("dang_vien", name, &make(&list(kind)));
        assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0], "{name}: {report:#}");
        let passed: Vec<u64> = report["skipped_rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["row"].as_u64().unwrap())
            .collect();
        assert_eq!(passed, [6, 10, 11, 12], "{name}");
        let said: Vec<&str> = classes(&report["warnings"]).into_iter().map(|(_, rule)| rule).collect();
        assert_eq!(said, *warnings, "{name}: {report:#}");
    }
    let lines = |kind| told(kind).map(|person| format!("{person}\n")).concat();
    let report = office.import("dang_vien", "a.jsonl", lines(kinds.len()).as_bytes());
    assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0], "{report:#}");

    let kept = office.fields("dang_vien", "so_cccd");
    assert_eq!(kept.len(), 2 * (kinds.len() + 1));
    for kind in 0..=kinds.len() {
        for (number, fields) in numbers(kind).iter().zip(told(kind)) {
            assert_eq!(kept[number], fields, "{:?}", kinds.get(kind).map(|(name, ..)| name));
        }
    }
    office.province.hub.close().await;
}

/// What becomes of a row in which one cell is written otherwise.
enum Becomes {
    /// The field holds that.
    Says(&'static str),
    /// The same, and a warning is given.
    Warns(&'static str, &'static str),
    /// The record has no such field; a warning may be given.
    Nothing(Option<&'static str>),
    /// It is rejected.
    Rejected(&'static str),
}
use Becomes::{Nothing, Rejected, Says, Warns};

/// A sheet of one header and a row for each cell, which is put in its place in a row of others.
fn written(titles: &[&str], base: impl Fn(usize) -> Vec<Cell>, cells: &[(&str, Cell, Becomes)]) -> Vec<u8> {
    let mut rows = vec![row(titles)];
    for (place, (column, cell, _)) in cells.iter().enumerate() {
        let mut cells = base(place);
        cells[titles.iter().position(|title| title == column).unwrap()] = cell.clone();
        rows.push(cells);
    }
    xlsx(&[Sheet { name: "Trang 1", rows, ..Sheet::default() }])
}

/// What is said of cells: that the people of these sheets are namesakes of each other is not.
fn of_cells(found: &Json) -> Vec<(u64, &str)> {
    classes(found).into_iter().filter(|(_, rule)| *rule != "HOMONYM").collect()
}

/// Holds a report and the records to what was to become of each row.
fn hold(report: &Json, kept: &BTreeMap<String, Json>, keys: &[String], cells: &[(&str, &Cell, &Becomes)]) {
    let (errors, warnings) = (classes(&report["errors"]), of_cells(&report["warnings"]));
    let of = |found: &[(u64, &str)], row: u64| {
        found.iter().filter(|(at, _)| *at == row).map(|(_, rule)| (*rule).to_owned()).collect::<Vec<_>>()
    };
    for ((row, key), (field, cell, becomes)) in (2..).zip(keys).zip(cells) {
        let said = of(&errors, row);
        // Of a rejected row nothing else matters.
        let warned = if said.is_empty() { of(&warnings, row) } else { Vec::new() };
        let said = (said, warned);
        let value = kept.get(key).map(|fields| match &fields[*field] {
            Json::Number(_) | Json::Bool(_) => json!(fields[*field].to_string()),
            other => other.clone(),
        });
        let list = |rule: &str| vec![rule.to_owned()];
        let expected = match becomes {
            Says(text) => ((vec![], vec![]), Some(json!(text))),
            Warns(text, rule) => ((vec![], list(rule)), Some(json!(text))),
            Nothing(rule) => ((vec![], rule.map(list).unwrap_or_default()), Some(Json::Null)),
            Rejected(rule) => ((list(rule), vec![]), None),
        };
        assert_eq!((said, value), expected, "row {row}, {field}: {cell:?}");
    }
    let rejected = cells.iter().filter(|(_, _, becomes)| matches!(becomes, Rejected(_))).count() as u64;
    let all = cells.len() as u64;
    assert_eq!(counts(report), [all, all - rejected, 0, 0, 0, rejected]);
}

/// Cells of a member's row, by the title of their column, and what becomes of the row.
fn forms() -> Vec<(&'static str, Cell, Becomes)> {
    let born = "1980-01-05";
    let day = |text: &str, becomes| ("Ngày sinh", Cell::from(text), becomes);
    let name = |text: &str, becomes| ("Họ và tên", Cell::from(text), becomes);
    let phone = |text: &str, becomes| ("Điện thoại", Cell::from(text), becomes);
    let cell = |text: &str, becomes| ("Chi bộ", Cell::from(text), becomes);
    vec![
        ("Ngày sinh", Cell::Day(1980, 1, 5), Says(born)),
        ("Ngày sinh", Cell::Number(29_225.0), Says(born)),
        day("05/01/1980", Says(born)),
        day("5/1/1980", Says(born)),
        day("05-01-1980", Says(born)),
        day("5.1.1980", Says(born)),
        day("1980-01-05", Says(born)),
        day("ngày 5 tháng 1 năm 1980", Says(born)),
        day("Ngày 05 tháng 01 năm 1980", Says(born)),
        day("05/01/80", Says(born)),
        day("05/01/81", Rejected("DATE_INVALID")),
        day("1/13/1980", Rejected("DATE_INVALID")),
        day("31/02/1980", Rejected("DATE_INVALID")),
        day("1980", Rejected("DATE_INVALID")),
        ("Ngày sinh", Cell::Number(1980.0), Rejected("DATE_INVALID")),
        day("khoảng 1980", Rejected("DATE_INVALID")),
        day("05/01/2180", Rejected("DATE_FUTURE")),
        day("05/01/1981", Rejected("CCCD_BIRTHYEAR")),
        ("Ngày vào Đảng", Cell::from("03/02/1997"), Rejected("AGE_UNDER_18")),
        ("Giới tính", Cell::from("Nữ"), Rejected("CCCD_CENTURY_SEX")),
        ("Giới tính", Cell::from("Khác"), Rejected("ENUM_UNKNOWN")),
        name("NGUYỄN VĂN  ĐỨC", Says("Nguyễn Văn Đức")),
        name("nguyễn văn đức", Says("Nguyễn Văn Đức")),
        name("Nguyễn\u{a0}Văn\u{200b} Đức ", Says("Nguyễn Văn Đức")),
        name("Ðặng Văn Ðức", Says("Đặng Văn Đức")),
        name("ÐẶNG VĂN ÐỨC", Says("Đặng Văn Đức")),
        name("ðặng văn ðức", Says("Đặng Văn Đức")),
        name("Đức", Rejected("NAME_INVALID")),
        name("Nguyễn Văn 2", Rejected("NAME_INVALID")),
        name("=Nguyễn Văn Đức", Rejected("NAME_INVALID")),
        name("-", Rejected("REQ_MISSING")),
        phone("0912.345.678", Says("0912345678")),
        phone("+84 912 345 678", Says("0912345678")),
        ("Điện thoại", Cell::Number(912_345_678.0), Says("0912345678")),
        phone("0123 456 7890", Says("0834567890")),
        phone("số máy 12", Nothing(Some("PHONE_INVALID"))),
        phone("-", Nothing(None)),
        phone("không", Nothing(None)),
        phone("Chưa có", Nothing(None)),
        phone("N/A", Nothing(None)),
        phone("...", Nothing(None)),
        cell("Không có", Rejected("REQ_MISSING")),
        cell("Chi bộ\u{7} 1", Rejected("TEXT_CONTROL")),
        cell("=1+1", Warns("=1+1", "FORMULA_LIKE")),
        cell("@Chi bộ 1", Warns("@Chi bộ 1", "FORMULA_LIKE")),
        ("Chi bộ", Cell::Formula("=\"Chi bộ \"&1", "Chi bộ 1"), Says("Chi bộ 1")),
        ("Chi bộ", Cell::Number(7.0), Says("7")),
        ("Chi bộ", Cell::Day(2026, 1, 5), Rejected("TYPE_MISMATCH")),
        name("Nguyễn Văn A\nTrần Thị B", Rejected("NAME_INVALID")),
        phone("+84 221 3555 123", Says("02213555123")),
        ("Diện kê khai", Cell::from("không"), Says("false")),
        ("Diện kê khai", Cell::from("x"), Says("true")),
        ("Diện kê khai", Cell::from("-"), Nothing(None)),
        ("Diện kê khai", Cell::from("đúng hạn"), Rejected("ENUM_UNKNOWN")),
        ("Mã xã", Cell::from("11953"), Says(UNIT)),
        ("Mã xã", Cell::from("11977"), Rejected("UNIT_FOREIGN")),
        ("Mã xã", Cell::from("99999"), Rejected("CODE_UNKNOWN")),
    ]
}

/// Goal: each way of writing a date, a number, a name or nothing is read as what it says, and where it says two things or
/// none the row is rejected with its class. Method: a member's row for each, with that one cell.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_is_read_in_every_form_and_never_guessed() {
    let office = Office::open(PROGRAM).await;
    let number = |place: usize| format!("0330800002{place:02}");
    let short = |place: usize| Cell::Number(33_080_000_200.0 + place as f64);
    let mut cells = forms();
    // What a number lost is put back only where every check passes.
    let place = cells.len();
    let whole: Vec<&'static str> = (place..place + 4).map(|place| &*number(place).leak()).collect();
    let spaced = |whole: &str| [&whole[..3], &whole[3..6], &whole[6..]].join(" ");
    cells.extend([
        ("Số CCCD", short(place), Warns(whole[0], "CCCD_PADDED")),
        ("Số CCCD", Cell::from(&whole[1][1..]), Warns(whole[1], "CCCD_PADDED")),
        ("Số CCCD", Cell::from(spaced(whole[2]).as_str()), Says(whole[2])),
        ("Số CCCD", Cell::from(format!("'{}", whole[3]).as_str()), Says(whole[3])),
        ("Số CCCD", Cell::from("3.3080000253E+10"), Rejected("CCCD_FORMAT")),
        ("Số CCCD", Cell::from("145123456"), Rejected("CCCD_IS_CMND")),
        ("Số CCCD", Cell::from("003080000254"), Rejected("CCCD_PROVINCE")),
        ("Số CCCD", Cell::from("33081000255"), Rejected("CCCD_BIRTHYEAR")),
    ]);
    let titles = ["Họ và tên", "Ngày sinh", "Giới tính", "Số CCCD", "Ngày vào Đảng", "Chi bộ", "Mã xã"];
    let titles = [&titles[..], &["Diện quản lý", "Tình trạng", "Điện thoại", "Diện kê khai"]].concat();
    let base = |place: usize| {
        let whole = number(place);
        let start = ["Nguyễn Văn An", "05/01/1980", "Nam", &whole, "03/02/2005", "Chi bộ 1", UNIT];
        row(&[&start[..], &["CHIBO", "CHINH_THUC", "0987654321", "có"]].concat())
    };
    let report = office.import("dang_vien", "cells.xlsx", &written(&titles, base, &cells));
    let fields = ["ho_ten", "ngay_sinh", "gioi_tinh", "so_cccd", "ngay_vao_dang", "chi_bo", "ma_xa"];
    let fields = [&fields[..], &["dien_quan_ly", "tinh_trang", "dien_thoai", "dien_ke_khai"]].concat();
    let field = |title: &str| fields[titles.iter().position(|known| *known == title).unwrap()];
    let found: Vec<_> = cells.iter().map(|(title, cell, becomes)| (field(title), cell, becomes)).collect();
    let keys: Vec<String> = (0..cells.len()).map(number).collect();
    hold(&report, &office.fields("dang_vien", "so_cccd"), &keys, &found);
    office.province.hub.close().await;
}

/// Goal: the same of amounts and years.
#[tokio::test(flavor = "multi_thread")]
async fn an_amount_is_read_in_every_form_and_never_guessed() {
    let office = Office::open(PROGRAM).await;
    let body = |place: usize| format!("Cơ quan số {place}");
    let money = |text: &str, becomes| ("Biến động", Cell::from(text), becomes);
    let cells = [
        ("Biến động", Cell::Number(1_250_000_000.0), Says("1250000000")),
        money("1.250.000.000", Says("1250000000")),
        money("1,250,000,000", Says("1250000000")),
        money("1 250 000 000 đ", Says("1250000000")),
        money("1,25 tỷ", Says("1250000000")),
        money("850 triệu", Says("850000000")),
        money("1.250.000 nghìn", Says("1250000000")),
        money("0,125 tỷ", Says("125000000")),
        // 1,25 of it to one, 1250 to another.
        money("1.250 triệu", Rejected("NUM_INVALID")),
        money("2.500 tỷ", Rejected("NUM_INVALID")),
        ("Biến động", Cell::Number(850.125), Rejected("NUM_INVALID")),
        ("Biến động", Cell::Number(850.5), Rejected("NUM_INVALID")),
        ("Biến động", Cell::Day(2026, 1, 5), Rejected("TYPE_MISMATCH")),
        money("(300.000.000)", Says("-300000000")),
        money("0", Says("0")),
        money("không", Nothing(None)),
        money("1.250,000.000", Rejected("NUM_INVALID")),
        money("1.25.000", Rejected("NUM_INVALID")),
        money("hơn 1 tỷ", Rejected("NUM_INVALID")),
        ("Tổng giá trị", Cell::from("(300.000.000)"), Rejected("NUM_RANGE")),
        ("Năm kê khai", Cell::Number(1800.0), Rejected("NUM_RANGE")),
    ];
    let titles = ["Số CCCD đảng viên", "Cơ quan", "Mã xã", "Năm kê khai", "Loại kê khai", "Ngày nộp"];
    let titles = [&titles[..], &["Tổng giá trị", "Biến động"]].concat();
    let base = |place: usize| {
        let whole = format!("0330800002{place:02}");
        row(&[&whole, &body(place), UNIT, "2025", "Hằng năm", "15/12/2025", "2.500.000.000", "1"])
    };
    let keys: Vec<String> = (0..cells.len()).map(body).collect();
    let report = office.import("ke_khai", "money.xlsx", &written(&titles, base, &cells));
    let found: Vec<_> = cells.iter().map(|(_, cell, becomes)| ("bien_dong", cell, becomes)).collect();
    hold(&report, &office.fields("ke_khai", "co_quan"), &keys, &found);
    office.province.hub.close().await;
}

/// Goal: a column is found by every name that officers give it, on each of a workbook's sheets, and what one cell says of
/// several rows is said of each. Method: a sheet for each turn of the names, written as each kind of workbook.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_of_a_column_finds_its_field_on_every_sheet() {
    let office = Office::open(PROGRAM).await;
    let columns: [(&str, &[&str]); 14] = [
        ("chi_bo", &["Chi bộ", "Chi bộ sinh hoạt", "CHI BỘ *"]),
        ("ho_ten", &["Họ và tên", "Họ tên", "Họ tên khai sinh", "HO VA TEN"]),
        ("ngay_sinh", &["Ngày sinh", "Ngày tháng năm sinh", "NTNS", "Sinh ngày", "ngay_sinh"]),
        ("gioi_tinh", &["Giới tính", "GT", "Sex"]),
        ("so_cccd", &["Số CCCD", "CCCD", "Số căn cước", "Số định danh cá nhân", "Số CCCD/CMND"]),
        ("so_the_dang", &["Số thẻ đảng viên", "Số TĐV"]),
        ("ngay_vao_dang", &["Ngày vào Đảng", "Ngày kết nạp", "Joined"]),
        ("ngay_chinh_thuc", &["Ngày chính thức", "Ngày CT"]),
        ("ma_xa", &["Mã xã", "Mã ĐVHC", "Mã xã/phường", "mã  xã"]),
        ("", &["Xã/phường", "Tên xã", "Tên xã/phường", "Tên ĐVHC"]),
        ("dien_thoai", &["Điện thoại", "SĐT", "Phone"]),
        ("dien_quan_ly", &["Diện quản lý"]),
        ("tinh_trang", &["Tình trạng", "Tình trạng đảng viên"]),
        ("que_quan", &["Quê quán"]),
    ];
    let values = [
        "Chi bộ cơ quan",
        "Trần Văn Bình",
        "05/01/1980",
        "Nam",
        "",
        "12345678",
        "03/02/2005",
        "03/02/2006",
        UNIT,
        "Phố Hiến",
        "0912345678",
        "Chi bộ",
        "Chính thức",
        "Thái Thụy",
    ];
    let names = ["Tờ 1", "Tờ 2", "Tờ 3", "Tờ 4", "Tờ 5"];
    let sheet = |kind: usize, turn: usize, name: &'static str| {
        let title = |(_, titles): &(&str, &'static [&str])| titles[turn % titles.len()];
        let mut rows = vec![row(&columns.iter().map(title).collect::<Vec<_>>())];
        for place in 0..2 {
            let mut cells = values;
            let number = format!("0330800{kind}1{turn}0{place}");
            cells[4] = &number;
            // The merged cell's second row is blank.
            cells[0] = if place == 0 { cells[0] } else { "" };
            rows.push(row(&cells));
        }
        Sheet { name, rows, merges: vec![((1, 0), (2, 0))] }
    };
    type Make = fn(&[Sheet]) -> Vec<u8>;
    let kinds: [(&str, Make); 3] = [("b.xlsx", xlsx), ("b.xls", xls), ("b.ods", ods)];
    for (kind, (file, make)) in kinds.iter().enumerate() {
        let sheets: Vec<Sheet> =
            names.iter().enumerate().map(|(turn, name)| sheet(kind, turn, name)).collect();
        let report = office.import("dang_vien", file, &make(&sheets));
        assert_eq!(counts(&report), [10, 10, 0, 0, 0, 0], "{file}: {report:#}");
        assert_eq!(of_cells(&report["warnings"]), [], "{file}: {report:#}");
    }
    let kept = office.fields("dang_vien", "so_cccd");
    assert_eq!(kept.len(), 3 * 5 * 2);
    for (number, fields) in kept {
        let expected = json!({
            "chi_bo": "Chi bộ cơ quan", "ho_ten": "Trần Văn Bình", "ngay_sinh": "1980-01-05", "gioi_tinh": "NAM",
            "so_cccd": number, "so_the_dang": "12345678", "ngay_vao_dang": "2005-02-03",
            "ngay_chinh_thuc": "2006-02-03", "ma_xa": UNIT, "dien_thoai": "0912345678", "dien_quan_ly": "CHIBO",
            "tinh_trang": "CHINH_THUC", "que_quan": "Thái Thụy",
        });
        assert_eq!(fields, expected);
    }
    office.province.hub.close().await;
}

/// The members of an archive, of which one is changed.
fn changed(bytes: &[u8], name: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).unwrap();
        let found = member.name().unwrap().into_owned();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut member, &mut text).unwrap();
        members.push((found.clone(), if found == name { change(text) } else { text }));
    }
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    zipped(&members)
}

/// Goal: a file that is broken, locked, made to harm or something else is refused whole, with its class and in words, and
/// nothing of it is taken. Method: a good list spoilt in each way, and what people send by mistake.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_or_must_not_be_read_is_refused_with_its_class() {
    let office = Office::open(PROGRAM).await;
    let sheets = [list(0)];
    let (book, document) = (xlsx(&sheets), ods(&sheets));
    let sheet = "xl/worksheets/sheet1.xml";
    let entity = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><worksheet";
    let manifest = "<manifest:manifest><manifest:file-entry manifest:full-path=\"content.xml\">\
                    <manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let with = |name: &str, bytes: &[u8]| {
        let whole = [("xl/workbook.xml", &b"<workbook/>"[..]), (name, bytes)];
        zipped(&whole)
    };
    let mut asks = Biff::default();
    asks.record(0x002F, &[1, 0, 0, 0]);
    let noise = vec![b'x'; 2_000];
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("không.xlsx", Vec::new(), "FILE_EMPTY", "không có dữ liệu"),
        ("không.csv", Vec::new(), "FILE_EMPTY", "không có dữ liệu"),
        ("trắng.csv", b" \r\n\r\n".to_vec(), "FILE_EMPTY", "không có dữ liệu"),
        ("trống.xlsx", xlsx(&[Sheet { name: "A", ..Sheet::default() }]), "FILE_EMPTY", "không có dữ liệu"),
        ("cụt.xlsx", book[..book.len() / 2].to_vec(), "FILE_CORRUPT", "bị hỏng"),
        ("cụt.xls", xls(&sheets)[..1_000].to_vec(), "FILE_CORRUPT", "bị hỏng"),
        ("thoát.xlsx", with("../../etc/cron.d/x", b"x"), "FILE_UNSAFE_PATH", "đường dẫn không an toàn"),
        ("vòng.xlsx", with("xl/../../x", b"x"), "FILE_UNSAFE_PATH", "đường dẫn không an toàn"),
        ("khóa.xlsx", made::compound("/EncryptedPackage", b"x"), "FILE_TYPE", "có mật khẩu"),
        ("khóa.xls", made::xls(&[("A", asks)]), "FILE_TYPE", "có mật khẩu"),
        (
            "khóa.ods",
            zipped(&[("content.xml", &noise), ("META-INF/manifest.xml", manifest.as_bytes())]),
            "FILE_TYPE",
            "có mật khẩu",
        ),
        ("nén.xlsx", made::locked(&book), "FILE_TYPE", "có mật khẩu"),
        ("nén.ods", made::locked(&document), "FILE_TYPE", "có mật khẩu"),
        (
            "thực thể.xlsx",
            changed(&book, sheet, |text| text.replace("<worksheet", entity)),
            "FILE_TYPE",
            "Loại tệp",
        ),
        (
            "thực thể.ods",
            changed(&document, "content.xml", |text| {
                text.replace("<office:body", &format!("{entity}/><office:body"))
            }),
            "FILE_TYPE",
            "Loại tệp",
        ),
        ("nhị phân.xlsb", zipped(&[("xl/workbook.bin", &noise)]), "FILE_TYPE", "Loại tệp"),
        ("văn bản.xlsx", zipped(&[("word/document.xml", b"<document/>")]), "FILE_TYPE", "Loại tệp"),
        ("web.xls", b"<html><table><tr><td>x</td></tr></table></html>".to_vec(), "FILE_TYPE", "Loại tệp"),
        ("ảnh.csv", b"\xff\xd8\xff\xe0 JFIF".to_vec(), "FILE_TYPE", "Loại tệp"),
        ("giấy.xlsx", b"%PDF-1.7".to_vec(), "FILE_TYPE", "Loại tệp"),
        ("chữ.xlsx", list(0).text(',').into_bytes(), "FILE_TYPE", "đổi đuôi thành .csv"),
        ("lạ.csv", b"H\xff\xffz;So CCCD\n\xfe\xfe\xb2;033\n".to_vec(), "ENCODING", "bảng mã"),
        ("thiếu.csv", "Họ và tên,Mã xã\nNguyễn Văn An,11953\n".into(), "COLUMN_MISSING", "so_cccd"),
    ];
    for (name, bytes, class, words) in &cases {
        let report = office.take("dang_vien", name, bytes).await;
        assert_eq!(classes(&report["errors"]), [(0, *class)], "{name}: {report:#}");
        let said = report["errors"][0]["message"].as_str().unwrap();
        assert!(said.contains(words), "{name}: {said}");
        assert_eq!(counts(&report), [0; 6], "{name}");
    }
    // The command fails with it.
    let path = office.path("thoát.xlsx");
    let refused = office.run(&["import", path.to_str().unwrap(), "--type", "dang_vien"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = format!("{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("FILE_UNSAFE_PATH"), "{said}");
    assert!(office.list("dang_vien").await.is_empty());
    office.province.hub.close().await;
}
