//! Every reason class, with what must and what must not raise it.

use super::*;
use crate::catalogue::Catalogue;
use crate::value::{Value, date_text};

fn judged(record_type: &str, cells: &[(&str, &str)]) -> RowJudgement {
    judged_raw(record_type, cells.iter().map(|(name, text)| (*name, RawCell::Text((*text).to_owned()))))
}

fn judged_raw<'a>(record_type: &str, cells: impl IntoIterator<Item = (&'a str, RawCell)>) -> RowJudgement {
    let catalogue = Catalogue::embedded().unwrap();
    let context = JudgeContext { catalogue, today: 20_780, scope: UnitScope::Own("11953".parse().unwrap()) };
    let cells: Vec<_> = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect();
    judge_row(catalogue.record_type(record_type).unwrap(), &cells, &context)
}

fn rules(judgement: &RowJudgement) -> Vec<&str> {
    judgement.errors.iter().chain(&judgement.warnings).map(|found| found.rule.as_str()).collect()
}

#[test]
fn a_good_row_is_good() {
    let row = judged(
        "dang_vien",
        &[
            ("ho_ten", "NGUYỄN  THỊ HOÀ"),
            ("ngay_sinh", "05/01/1980"),
            ("gioi_tinh", "nữ"),
            ("so_cccd", "033 180 000 123"),
            ("ngay_vao_dang", "3-2-2005"),
            ("ngay_chinh_thuc", "2006-02-03"),
            ("chi_bo", "Chi bộ thôn 1"),
            ("ma_xa", "11953"),
            ("dien_ke_khai", "không"),
            ("dien_thoai", "+84 912 345 678"),
            ("tinh_trang", "Đảng viên chính thức"),
        ],
    );
    assert_eq!(rules(&row), Vec::<&str>::new(), "{:?}", row.errors);
    assert_eq!(row.values["ho_ten"], Value::Text("Nguyễn Thị Hòa".into()));
    assert_eq!(row.values["so_cccd"], Value::Text("033180000123".into()));
    assert_eq!(row.values["gioi_tinh"], Value::Code("NU".into()));
    assert_eq!(row.values["dien_ke_khai"], Value::Boolean(false));
    assert_eq!(row.values["dien_thoai"], Value::Text("0912345678".into()));
    assert_eq!(row.unit.unwrap().as_str(), "11953");
}

#[test]
fn each_class_has_its_case() {
    let table: &[(&str, &str, &str)] = &[
        ("ho_ten", "", "REQ_MISSING"),
        ("ho_ten", "N/A", "REQ_MISSING"),
        ("ho_ten", "Hòa", "NAME_INVALID"),
        ("ho_ten", "Nguyễn Văn 2", "NAME_INVALID"),
        ("ho_ten", "=Nguyễn Văn", "NAME_INVALID"),
        ("ho_ten", "Nguyễn Vаn", "NAME_INVALID"),
        ("ho_ten", "Nguyễn\u{1} Văn", "TEXT_CONTROL"),
        ("so_cccd", "12345", "CCCD_FORMAT"),
        ("so_cccd", "3.3E+10", "CCCD_FORMAT"),
        ("so_cccd", "145123456", "CCCD_IS_CMND"),
        ("so_cccd", "003180000123", "CCCD_PROVINCE"),
        ("ngay_sinh", "29/02/1981", "DATE_INVALID"),
        ("ngay_sinh", "12/31/1980", "DATE_INVALID"),
        ("ngay_sinh", "khoảng 1985", "DATE_INVALID"),
        ("ngay_sinh", "5/1/80", "DATE_INVALID"),
        ("ngay_sinh", "05/01/2080", "DATE_FUTURE"),
        ("ma_xa", "99999", "CODE_UNKNOWN"),
        ("ma_xa", "11956", "CODE_OLD"),
        ("ma_xa", "00004", "CODE_OUTSIDE"),
        ("ma_xa", "11977", "UNIT_FOREIGN"),
        ("gioi_tinh", "khác", "ENUM_UNKNOWN"),
        ("dien_ke_khai", "có lẽ", "ENUM_UNKNOWN"),
        ("dien_thoai", "123", "PHONE_INVALID"),
        ("chuc_vu", "=HYPERLINK()", "FORMULA_LIKE"),
    ];
    for (column, text, class) in table {
        assert_eq!(rules(&judged("dang_vien", &[(column, text)])), [*class], "{column} {text}");
    }
    let long = "x".repeat(301);
    assert_eq!(rules(&judged("dang_vien", &[("chuc_vu", &long)])), ["TEXT_TOO_LONG"]);
    let error = judged_raw("dang_vien", [("chuc_vu", RawCell::Error("#N/A".into()))]);
    assert_eq!(rules(&error), ["CELL_ERROR"]);
    assert_eq!(rules(&judged_raw("dang_vien", [("chuc_vu", RawCell::Object)])), ["TYPE_MISMATCH"]);
}

#[test]
fn a_citizen_number_is_held_against_the_person() {
    let person = |cccd: &str, born: &str, sex: &str| {
        let row = judged("dang_vien", &[("so_cccd", cccd), ("ngay_sinh", born), ("gioi_tinh", sex)]);
        rules(&row).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(person("033080000123", "05/01/1980", "Nam").is_empty());
    assert_eq!(person("033080000123", "05/01/1980", "Nữ"), ["CCCD_CENTURY_SEX"]);
    assert_eq!(person("033280000123", "05/01/1980", "Nam"), ["CCCD_CENTURY_SEX"]);
    assert_eq!(person("033081000123", "05/01/1980", "Nam"), ["CCCD_BIRTHYEAR"]);
    // A number that lost its zero is restored, and then held against the person all the same.
    assert_eq!(person("33080000123", "05/01/1980", "Nam"), ["CCCD_PADDED"]);
    assert_eq!(person("33080000123", "05/01/1981", "Nam"), ["CCCD_BIRTHYEAR", "CCCD_PADDED"]);
}

#[test]
fn a_two_digit_year_needs_the_number_to_confirm_it() {
    let row =
        judged("dang_vien", &[("so_cccd", "033080000123"), ("ngay_sinh", "5/1/80"), ("gioi_tinh", "Nam")]);
    assert_eq!(rules(&row), Vec::<&str>::new());
    let Value::Date(days) = row.values["ngay_sinh"] else { panic!() };
    assert_eq!(date_text(days), "1980-01-05");
}

#[test]
fn dates_contradict_each_other() {
    let row = judged("dang_vien", &[("ngay_sinh", "1/1/1990"), ("ngay_vao_dang", "1/1/2000")]);
    assert_eq!(rules(&row), ["AGE_UNDER_18"]);
    let row = judged("dang_vien", &[("ngay_vao_dang", "1/1/2010"), ("ngay_chinh_thuc", "1/1/2009")]);
    assert_eq!(rules(&row), ["DATE_ORDER"]);
}

#[test]
fn every_form_of_a_date_is_read_and_none_is_guessed() {
    let forms = [
        "23/11/2026",
        "23-11-2026",
        "23.11.2026",
        "2026-11-23",
        "ngày 23 tháng 11 năm 2026",
        "2026-11-23T08:00:00",
    ];
    for form in forms {
        assert_eq!(parse_date(form).map(date_text).as_deref(), Ok("2026-11-23"), "{form}");
    }
    assert_eq!(parse_date("11/23/2026"), Err(DateFault::MonthFirst));
    for form in ["", "abc", "1/2", "32/1/2026", "0/1/2026", "1/1/0001", "1980"] {
        assert!(parse_date(form).is_err(), "{form}");
    }
    assert_eq!(day_of_serial(1.0, false).map(date_text).as_deref(), Some("1900-01-01"));
    assert_eq!(day_of_serial(60.0, false), None);
    assert_eq!(day_of_serial(61.0, false).map(date_text).as_deref(), Some("1900-03-01"));
    assert_eq!(day_of_serial(0.0, true).map(date_text).as_deref(), Some("1904-01-01"));
}

#[test]
fn amounts_are_read_in_every_form_and_mixed_separators_are_not() {
    let table = [
        ("1.250.000.000", 1_250_000_000),
        ("1,250,000,000", 1_250_000_000),
        ("1 250 000 000 đ", 1_250_000_000),
        ("1,25 tỷ", 1_250_000_000),
        ("850 triệu", 850_000_000),
        ("(300.000.000)", -300_000_000),
        ("0", 0),
        ("5000", 5_000),
        ("5000.0", 5_000),
    ];
    for (text, amount) in table.into_iter().filter(|(text, _)| *text != "5000.0") {
        assert_eq!(parse_money(text), Some(amount), "{text}");
    }
    for text in ["1.250,000.000", "1.25.000", "tỷ", "abc", "1,2345678901 tỷ", "--1"] {
        assert_eq!(parse_money(text), None, "{text}");
    }
}

#[test]
fn a_sender_is_never_read_and_a_classified_row_leaves_nothing() {
    let row = judged("don_thu", &[("nguoi_gui", "Nguyễn Văn Tố"), ("ma_don", "01")]);
    assert!(!row.values.contains_key("nguoi_gui"));
    let row = judged("don_thu", &[("noi_dung", "bí mật lớn"), ("do_mat", "Mật")]);
    assert_eq!(rules(&row), ["CLASSIFIED"]);
    assert!(row.values.is_empty());
    assert!(row.errors.iter().all(|found| found.value.is_none()));
}

#[test]
fn an_item_stands_in_one_row_and_is_checked_as_a_whole() {
    let row = judged(
        "ket_luan",
        &[
            ("so_thong_bao", "12-TB/UBKTĐU"),
            ("noi_dung_khac_phuc", "Thu hồi tiền"),
            ("han_khac_phuc", "1/2/2026"),
            ("tinh_trang", "xong"),
        ],
    );
    assert_eq!(rules(&row), ["STATE_INCONSISTENT"]);
    assert!(row.values.keys().any(|path| path.starts_with("yeu_cau/") && path.ends_with("/han_khac_phuc")));
    let row = judged("ket_luan", &[("so_thong_bao", "12-TB/UBKTĐU"), ("han_khac_phuc", "1/2/2026")]);
    assert_eq!(rules(&row), ["REQ_MISSING", "REQ_MISSING"]);
    let row = judged("ket_luan", &[("so_thong_bao", "12"), ("han_khac_phuc", ""), ("tinh_trang", "")]);
    assert_eq!(rules(&row), Vec::<&str>::new(), "a row without an item");
}
